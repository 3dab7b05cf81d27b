/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data: quota. */
#include "service/service_int.h"

enum rc
service_quota_get(struct engine_session *s, struct service_quota *out, struct err *e)
{
	struct ox_quota q;
	enum rc rc = ox_quota_get(engine_session_ox(s), &q, e);

	if (rc != RC_OK)
		return service_absent(rc, e);
	out->mail = (struct service_use){ q.mail_used, q.mail_limit };
	out->files = (struct service_use){ q.files_used, q.files_limit };
	for (int ct = 0; ct < CT_COUNT; ct++)
		out->objects[ct] = (struct service_use){ q.objects_used[ct], q.objects_limit[ct] };
	return RC_OK;
}
