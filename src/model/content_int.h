/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The tables of the content types, each in its own file; reached by model_content alone. */
#ifndef USMD_MODEL_CONTENT_INT_H
#define USMD_MODEL_CONTENT_INT_H

#include "usmd/model.h"

/* OX's own bookkeeping that moves with every touch or never: a client may see it, nothing is merged by it */
#define NOISE (FF_READONLY | FF_NOINDEX)
/* identity and version: usmd uses them, clients get uuid and rev instead */
#define OWN (FF_READONLY | FF_NOINDEX | FF_NODELIVER)

extern const struct content_type content_folder, content_contact, content_calendar, content_task, content_mail;

#endif
