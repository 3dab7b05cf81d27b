/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data at OX: quota, his entry in the address book, settings, password. */
#include "backend/backend_int.h"

#include <inttypes.h>
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

/* ---- who he is ---- */

enum part { P_USER, P_MAIL, P_CORE, P_CAPABILITIES, P_ACCOUNT, P_VERSION, P_COUNT };

static void
profile_req(const struct ox_session *s, struct ox_req *r)
{
	ox_req_init(r, "multiple", NULL);
	ox_param(r, "continue", "true");
	r->has_body = true;
	buf_addf(&r->body, "[{\"module\":\"user\",\"action\":\"get\",\"id\":\"%" PRId64 "\",\"timezone\":\"UTC\"},"
	    "{\"module\":\"config/modules/mail\",\"action\":\"GET\"},{\"module\":\"jslob\",\"action\":\"list\",\"data\":[\"io.ox/core\"]},"
	    "{\"module\":\"capabilities\",\"action\":\"all\"},{\"module\":\"account\",\"action\":\"get\",\"id\":\"0\"},"
	    "{\"module\":\"config/serverVersion\",\"action\":\"GET\"}]", ox_session_user(s)->user_id);
}

/* A member that is text, in A; "" = none. */
static const char *
text_in(struct arena *a, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? arena_strdup(a, s) : "";
}

/* The texts in LIST, or of its members KEY, in A. */
static bool
texts(struct arena *a, const json_t *list, const char *key, const char ***out, size_t *n)
{
	const json_t *x;
	size_t i;

	*n = 0;
	*out = arena_array(a, const char *, json_array_size(list) + 1);
	if (*out == NULL)
		return false;
	json_array_foreach((json_t *)(uintptr_t)list, i, x) {
		const char *s = json_string_value(key != NULL ? json_object_get(x, key) : x);

		if (s == NULL)
			continue;
		(*out)[*n] = arena_strdup(a, s);
		if ((*out)[(*n)++] == NULL)
			return false;
	}
	return true;
}

/* QUIRK(OX, all): the `id` of a user is not that of his entry; both are OX's own and no client's. */
static struct object *
entry_of(struct arena *a, const json_t *user)
{
	const struct content_type *t = model_content(CT_CONTACT);
	struct object *o = object_new(a, CT_CONTACT);

	for (unsigned i = 0; o != NULL && i < t->n_fields; i++)
		if ((t->fields[i].flags & (FF_NODELIVER | FF_APART)) == 0 && json_object_get(user, t->fields[i].name) != NULL)
			object_set(o, i, json_incref(json_object_get(user, t->fields[i].name)));
	return o;
}

static enum rc
profile_take(struct arena *a, json_t *const part[P_COUNT], msec_t ts, struct ox_profile *out, struct err *e)
{
	const json_t *user = part[P_USER], *lm = json_object_get(user, "last_modified_utc");
	const json_t *rules = json_object_get(json_object_get(json_array_get(part[P_CORE], 0), "tree"), "password");

	out->login = text_in(a, user, "login_info");
	out->language = text_in(a, user, "locale");
	out->zone = text_in(a, user, "timezone");
	out->sender = text_in(a, part[P_ACCOUNT], "personal");
	out->version = json_is_string(part[P_VERSION]) ? arena_strdup(a, json_string_value(part[P_VERSION])) : "";
	out->lm = json_is_integer(lm) ? json_integer_value(lm) : ts;
	out->has_capabilities = json_is_array(part[P_CAPABILITIES]);
	if (out->login == NULL || out->language == NULL || out->zone == NULL || out->sender == NULL || out->version == NULL ||
	    !texts(a, json_object_get(user, "aliases"), NULL, &out->aliases, &out->n_aliases) ||
	    !texts(a, part[P_CAPABILITIES], "id", &out->capabilities, &out->n_capabilities) || (out->contact = entry_of(a, user)) == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (json_is_object(part[P_MAIL]))
		out->mail = json_incref(part[P_MAIL]);
	if (json_integer_value(json_object_get(rules, "minLength")) > 0)
		out->password_min = json_integer_value(json_object_get(rules, "minLength"));
	if (json_integer_value(json_object_get(rules, "maxLength")) > 0)
		out->password_max = json_integer_value(json_object_get(rules, "maxLength"));
	return RC_OK;
}

enum rc
ox_profile_get(struct ox_session *s, struct arena *a, struct ox_profile *out, struct err *e)
{
	json_t *part[P_COUNT] = { NULL };
	struct ox_answer ans;
	struct ox_req r;
	msec_t ts = 0, unused;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	profile_req(s, &r);
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = ox_envelope(json_array_get(ans.data, P_USER), NULL, false, &part[P_USER], &ts, e);
	if (rc == RC_OK && !json_is_object(part[P_USER]))
		rc = err_set(e, RC_UPSTREAM, "OX does not tell who the user is");
	for (unsigned i = P_USER + 1; rc == RC_OK && i < P_COUNT; i++)
		if (ox_envelope(json_array_get(ans.data, i), NULL, false, &part[i], &unused, NULL) != RC_OK)
			part[i] = NULL; /* a module that this OX, or this user, does not have */
	if (rc == RC_OK)
		rc = profile_take(a, part, ts, out, e);
	ox_answer_fini(&ans);
	return rc;
}

/* ---- changing it ---- */

enum rc
ox_own_update(struct ox_session *s, const struct object *o, const struct fmask *fields, msec_t lm, struct err *e)
{
	const struct content_type *t = model_content(CT_CONTACT);
	struct fmask m = *fields;
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	for (unsigned i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & FF_APART) != 0)
			fmask_clear(&m, i);
	ox_req_init(&r, "user", "update");
	write_params(&r, CT_CONTACT);
	ox_param_i64(&r, "id", ox_session_user(s)->user_id);
	ox_param_i64(&r, "timestamp", lm);
	r.has_body = true;
	r.written = o;
	buf_addc(&r.body, '{');
	(void)write_fields(&r.body, o, &m, false, 0);
	buf_addc(&r.body, '}');
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_setting_set(struct ox_session *s, const char *path, const json_t *value, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	struct buf module;
	enum rc rc;

	buf_init(&module, 256);
	buf_addf(&module, "config/%s", path);
	ox_req_init(&r, module.p != NULL ? module.p : "config", NULL);
	r.write = true;
	r.has_body = true;
	json_text(&r.body, value);
	rc = module.failed ? err_set(e, RC_NOMEM, "out of memory") : ox_call(s, &r, &ans, e);
	if (!module.failed)
		ox_answer_fini(&ans);
	ox_req_fini(&r);
	buf_fini(&module);
	return rc;
}

enum rc
ox_sender_set(struct ox_session *s, const char *name, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "account", "update");
	r.write = true;
	r.has_body = true;
	buf_adds(&r.body, "{\"id\":0,\"personal\":");
	if (name[0] != '\0')
		json_text_string(&r.body, name, strlen(name));
	else
		buf_adds(&r.body, "null");
	buf_addc(&r.body, '}');
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_password_change(struct ox_session *s, const char *was, const char *is, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "passwordchange", "update");
	r.write = true;
	r.has_body = true;
	buf_adds(&r.body, "{\"old_password\":");
	json_text_string(&r.body, was, strlen(was));
	buf_adds(&r.body, ",\"new_password\":");
	json_text_string(&r.body, is, strlen(is));
	buf_addc(&r.body, '}');
	rc = ox_call(s, &r, &ans, e);
	if (r.body.p != NULL)
		secret_wipe(r.body.p, r.body.cap);
	ox_req_fini(&r);
	ox_answer_fini(&ans);
	return rc == RC_OK ? ox_session_password_set(s, is, e) : rc;
}
