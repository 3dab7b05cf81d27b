/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How OX says that it does not have a function. */
#include "service/service_int.h"

#include <stdio.h>
#include <string.h>

/* A path that is not served, the same in a `multiple`, an action that the module does not have or that is switched off, a module that the user may
 * not use; no mail filter for this user, none for guests. */
static const char *const absent[] = { "HTTP-404", "SVL-0007", "SVL-0021", "SVL-0015", "SVL-0016", "MAIL_FILTER-0027", "MAIL_FILTER-0035" };

enum rc
service_absent(enum rc rc, struct err *e)
{
	for (size_t i = 0; rc != RC_OK && e != NULL && i < ARRAY_LEN(absent); i++)
		if (strcmp(e->code, absent[i]) == 0) {
			rc = err_set(e, RC_UPSTREAM, "the groupware server does not have this function");
			(void)snprintf(e->code, sizeof(e->code), "%s", SERVICE_ABSENT);
		}
	return rc;
}
