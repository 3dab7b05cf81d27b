/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data at OX: quota. */
#include "backend/backend_int.h"

#include <string.h>

/* A count or a size; QUIRK(OX): "no limit" is -1 of a number, and -1 KiB of a size. */
static int64_t
amount(const json_t *account, const char *key)
{
	const json_t *v = json_object_get(account, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

static enum rc
quota_call(struct ox_session *s, const char *action, struct ox_answer *ans, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "quota", action);
	rc = ox_call(s, &r, ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_object(ans->data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no quota");
	return rc;
}

/* The first account of module KEY: the user's own. */
static const json_t *
quota_of(const json_t *modules, const char *key)
{
	return json_array_get(json_object_get(json_object_get(modules, key), "accounts"), 0);
}

static enum rc
quota_modules(struct ox_session *s, struct ox_quota *out, struct err *e)
{
	static const char *const module[CT_COUNT] = { [CT_CONTACT] = "contact", [CT_CALENDAR] = "calendar", [CT_TASK] = "task" };
	struct ox_answer ans;
	enum rc rc = quota_call(s, "get", &ans, e);

	if (rc == RC_OK) {
		const json_t *files = quota_of(ans.data, "filestorage");

		if (files == NULL) /* a user without files has attachments still */
			files = quota_of(ans.data, "attachment");
		out->files_used = amount(files, "use");
		out->files_limit = amount(files, "quota");
		for (int ct = 0; ct < CT_COUNT; ct++) {
			const json_t *account = module[ct] != NULL ? quota_of(ans.data, module[ct]) : NULL;

			out->objects_used[ct] = amount(account, "countuse");
			out->objects_limit[ct] = amount(account, "countquota");
		}
	}
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_quota_get(struct ox_session *s, struct ox_quota *out, struct err *e)
{
	struct ox_answer ans;
	enum rc rc = quota_modules(s, out, e);

	if (rc != RC_OK)
		return rc;
	rc = quota_call(s, "mail", &ans, NULL);
	out->mail_used = rc == RC_OK ? amount(ans.data, "use") : -1;
	out->mail_limit = rc == RC_OK ? amount(ans.data, "quota") : -1;
	ox_answer_fini(&ans);
	return rc == RC_DENIED ? err_set(e, rc, "the session is over") : RC_OK;
}
