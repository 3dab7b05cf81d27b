/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may do what with a folder, and who the users and groups in such a list are. */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define USER_COLUMNS "1,500,555,615" /* id, display_name, email1, login_info: in module `user` these numbers mean the user's (ox-http-api.md 2.8) */

enum rc
ox_folder_get(struct ox_session *s, const char *oxid, json_t **out, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	*out = NULL;
	ox_req_init(&r, "folders", "get");
	ox_param(&r, "id", oxid);
	ox_param(&r, "timezone", "UTC");
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_object(ans.data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no folder");
	if (rc == RC_OK)
		*out = json_incref(ans.data);
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_folder_permit(struct ox_session *s, const char *oxid, const json_t *permissions, msec_t lm, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "folders", "update");
	r.write = true;
	r.has_body = true;
	ox_param_i64(&r, "timestamp", lm != 0 ? lm : FAR_FUTURE);
	ox_param(&r, "id", oxid);
	buf_adds(&r.body, "{\"folder\":{\"permissions\":");
	json_text(&r.body, permissions);
	buf_adds(&r.body, "}}");
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	ox_answer_fini(&ans);
	return rc;
}

static enum rc
text_of(struct arena *a, const json_t *v, char **out, struct err *e)
{
	const char *s = json_string_value(v);

	if (s == NULL || s[0] == '\0')
		return err_set(e, RC_NOTFOUND, "OX has no name of this user or group");
	*out = arena_strdup(a, s);
	return *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a name");
}

enum rc
ox_principal_name(struct ox_session *s, struct arena *a, int64_t id, bool group, char **name, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	*name = NULL;
	ox_req_init(&r, group ? "group" : "user", group ? "get" : "list");
	if (group) {
		ox_param_i64(&r, "id", id);
	} else {
		ox_param(&r, "columns", USER_COLUMNS);
		r.has_body = true;
		buf_addf(&r.body, "[%" PRId64 "]", id);
	}
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = text_of(a, group ? json_object_get(ans.data, "display_name") : json_array_get(json_array_get(ans.data, 0), 1), name, e);
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_group_members(struct ox_session *s, struct arena *a, int64_t id, int64_t **out, size_t *n, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	const json_t *list, *x;
	size_t i;
	enum rc rc;

	*n = 0;
	ox_req_init(&r, "group", "get");
	ox_param_i64(&r, "id", id);
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	list = rc == RC_OK ? json_object_get(ans.data, "members") : NULL;
	*out = arena_array(a, int64_t, json_array_size(list) + 1);
	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for a group");
	json_array_foreach((json_t *)(uintptr_t)list, i, x)
		if (rc == RC_OK && json_id(x, &(*out)[*n]))
			(*n)++;
	ox_answer_fini(&ans);
	return rc;
}

/* Does one of the texts V[from..] equal NAME, letter case aside? */
static bool
called(const json_t *row, const char *name)
{
	const char *s;

	for (size_t i = 1; i < json_array_size(row); i++)
		if ((s = json_string_value(json_array_get(row, i))) != NULL && strcasecmp(s, name) == 0)
			return true;
	return false;
}

enum rc
ox_principal_find(struct ox_session *s, const char *name, bool group, int64_t *id, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	json_t *row;
	size_t i, found = 0;
	int64_t x;
	enum rc rc;

	ox_req_init(&r, group ? "group" : "user", "all");
	ox_param(&r, "columns", group ? "1,700,701" : USER_COLUMNS);
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	json_array_foreach (rc == RC_OK ? ans.data : NULL, i, row)
		if (called(row, name) && json_id(json_array_get(row, 0), &x)) {
			*id = x;
			found++;
		}
	ox_answer_fini(&ans);
	if (rc != RC_OK)
		return rc;
	if (found == 0)
		return err_set(e, RC_NOTFOUND, "There is no %s called \"%.100s\"", group ? "group" : "user", name);
	return found == 1 ? RC_OK : err_set(e, RC_PROTO, "%zu %s are called \"%.100s\": name the one that is meant by its number", found, group ? "groups" : "users", name);
}
