/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside service. */
#ifndef SERVICE_INT_H
#define SERVICE_INT_H

#include "usmd/service.h"

#endif
