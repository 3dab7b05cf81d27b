/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside service. */
#ifndef SERVICE_INT_H
#define SERVICE_INT_H

#include "usmd/service.h"

/** service_absent - RC, with SERVICE_ABSENT as the code of E where it says that OX has no such module or action, or not for this user. */
MUST_CHECK enum rc service_absent(enum rc rc, struct err *e);

#endif
