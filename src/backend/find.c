/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Finding an object whose folder or id is not known: after a create without an answer, after a move by somebody else.  What
 * is not found here is taken to be nowhere, so every way that OX offers and that may miss something is only a short cut to "found".
 */
#include "backend/backend_int.h"

#include <string.h>

#define FOLDERS_AT_ONCE 25U

/* ---- by id ---- */

void
classic_list_part(struct buf *b, enum content ct, const char *folder, const char *id, const struct columns *c)
{
	buf_addf(b, "{\"module\":\"%s\",\"action\":\"list\",\"columns\":\"%s\",\"timezone\":\"UTC\"%s,\"data\":[{\"id\":", model_content(ct)->ox_module,
	    c->text, ct == CT_CALENDAR ? ",\"recurrence_master\":true" : "");
	json_text_string(b, id, strlen(id));
	buf_adds(b, ",\"folder\":");
	json_text_string(b, folder, strlen(folder));
	buf_adds(b, "}]}");
}

/* The row of one folder's answer: *OUT stays NULL where the object is not in that folder. */
static enum rc
list_answer(struct ox_session *s, const struct pim_ops *ops, struct arena *a, enum content ct, const struct columns *c, const json_t *env, const char *folder,
    struct object **out, struct err *e)
{
	struct rows_want w = { .a = a, .ct = ct, .columns = c, .folder = folder };
	json_t *data;
	msec_t ts;
	enum rc rc;

	rc = ox_envelope(env, NULL, false, &data, &ts, e);
	if (is_missing(rc) || (rc == RC_PROTO && strcmp(e->code, NO_MODULE_PART) != 0))
		return RC_OK;
	if (rc == RC_OK)
		rc = ops->read(s, data, &w, e);
	if (rc != RC_OK || w.n == 0)
		return rc;
	/* the object's own word counts: some modules find it whatever folder they are given */
	if (*out == NULL && w.n == 1 && w.o[0]->folder != NULL && strcmp(w.o[0]->folder, folder) == 0)
		*out = w.o[0];
	else
		object_drop_all(w.o, w.n);
	return RC_OK;
}

static enum rc
list_in_once(struct ox_session *s, struct arena *a, enum content ct, const char *const *folders, size_t n, const char *id, struct object **out, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	const struct columns *c = columns_all(ct);
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	buf_addc(&r.body, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(&r.body, ',');
		ops->list_part(&r.body, ct, folders[i], id, c);
	}
	buf_addc(&r.body, ']');
	r.has_body = true;
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(ans.data) != n)
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(ans.data), n);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = list_answer(s, ops, a, ct, c, json_array_get(ans.data, i), folders[i], out, e);
	ox_answer_fini(&ans);
	if (rc != RC_OK && *out != NULL) {
		object_drop(*out);
		*out = NULL;
	}
	return rc;
}

static enum rc
list_in(struct ox_session *s, struct arena *a, enum content ct, const char *const *folders, size_t n, const char *id, struct object **out, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	enum rc rc;

	do
		rc = list_in_once(s, a, ct, folders, n, id, out, e);
	while (pim_ops_again(s, ct, &ops, rc, true, e));
	return rc;
}

static enum rc
find_id(struct ox_session *s, struct arena *a, enum content ct, const char *id, struct object **out, struct err *e)
{
	const char **folders;
	size_t n;
	enum rc rc;

	rc = ox_folder_ids(s, a, ct, &folders, &n, e);
	for (size_t i = 0; rc == RC_OK && *out == NULL && i < n; i += FOLDERS_AT_ONCE)
		rc = list_in(s, a, ct, (const char *const *)folders + i, n - i < FOLDERS_AT_ONCE ? n - i : FOLDERS_AT_ONCE, id, out, e);
	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_NOTFOUND, "the %s %s is in no folder of the user", model_content(ct)->name, id);
	return rc;
}

enum rc
ox_get_any(struct ox_session *s, struct arena *a, enum content ct, const char *folder_hint, int64_t id, struct object **out, struct err *e)
{
	struct err local;
	char tmp[24];
	enum rc rc;

	*out = NULL;
	if (e == NULL)
		e = &local;
	if (ct == CT_FOLDER || ct == CT_MAIL)
		return err_set(e, RC_INTERNAL, "ids of %s mean nothing without their folder", model_content(ct)->ox_module);
	if (folder_hint != NULL) {
		rc = list_in(s, a, ct, &folder_hint, 1, id_text(id, NULL, tmp), out, e);
		if (rc != RC_OK || *out != NULL)
			return rc;
	}
	return find_id(s, a, ct, id_text(id, NULL, tmp), out, e);
}

/* ---- by uid ---- */

/* One whole pass over a folder: id and uid of all objects.  *ID = the lowest match so far, 0 = none. */
static enum rc
scan_folder(struct ox_session *s, enum content ct, const char *folder, const char *uid, int64_t *id, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	int64_t here;
	json_t *row;
	size_t i;
	enum rc rc;

	ox_req_init(&r, model_content(ct)->ox_module, "all");
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", "1,223");
	ox_param(&r, "timezone", "UTC");
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (is_missing(rc)) /* deleted since the folders were read, or objects may not be read: ours is not in it */
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	if (!json_is_array(ans.data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of %s objects", model_content(ct)->name);
	json_array_foreach (ans.data, i, row) {
		const char *u = json_string_value(json_array_get(row, 1));

		if (u != NULL && strcmp(u, uid) == 0 && json_id(json_array_get(row, 0), &here) && (*id == 0 || here < *id))
			*id = here;
	}
	ox_answer_fini(&ans);
	return rc;
}

/*
 * Contacts and tasks have no search by uid that 8.19 was seen to answer, so every folder is read (two columns; 12 ms per 1000
 * objects).  This runs after a create without an answer only, not in the course of a sync.
 */
static enum rc
scan_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, int64_t *id, struct err *e)
{
	const char **folders;
	size_t n;
	enum rc rc;

	*id = 0;
	rc = ox_folder_ids(s, a, ct, &folders, &n, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = scan_folder(s, ct, folders[i], uid, id, e);
	if (rc == RC_OK && *id == 0)
		rc = err_set(e, RC_NOTFOUND, "no %s has this uid", model_content(ct)->name);
	return rc;
}

static enum rc
resolve_uid(struct ox_session *s, const char *uid, int64_t *id, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "calendar", "resolveuid");
	ox_param(&r, "uid", uid);
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_id(json_object_get(ans.data, "id"), id))
		rc = err_set(e, RC_UPSTREAM, "OX answered no id for a uid");
	ox_answer_fini(&ans);
	return rc;
}

enum rc
classic_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, int64_t *id, struct err *e)
{
	return ct == CT_CALENDAR ? resolve_uid(s, uid, id, e) : scan_uid(s, a, ct, uid, id, e);
}

enum rc
ox_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, struct object **out, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	struct err local;
	int64_t id = 0;
	enum rc rc;

	*out = NULL;
	if (e == NULL)
		e = &local;
	if (ct == CT_FOLDER || ct == CT_MAIL)
		return err_set(e, RC_INTERNAL, "%s have no uid", model_content(ct)->ox_module);
	do
		rc = ops->find_uid(s, a, ct, uid, &id, e);
	while (pim_ops_again(s, ct, &ops, rc, false, e));
	return rc == RC_OK ? ox_get_any(s, a, ct, NULL, id, out, e) : rc;
}
