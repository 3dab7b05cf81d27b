/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* syncInit, syncUpdate, syncEstimate and reconcile: JSON on one side, engine_sync on the other. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define REQUEST_MAX ((int64_t)1 << 53) /* whole numbers that every JSON parser keeps */

static size_t
page_limit(const struct call *c, const json_t *j)
{
	int64_t n = j != NULL ? json_integer_value(j) : (int64_t)c->u->o.default_limit;

	return n > (int64_t)c->u->o.max_limit ? c->u->o.max_limit : (size_t)n;
}

static void
write_folder(struct buf *b, const struct folder_ref *f)
{
	if (f->hierarchy)
		return;
	js_key(b, "folder");
	js_uuid(b, &f->uuid);
}

static void
write_syncid(struct buf *b, const struct sync_answer *a)
{
	if (a->has_syncid) {
		js_key(b, "syncid");
		js_syncid(b, &a->syncid);
	}
	js_key(b, "more");
	buf_adds(b, a->more ? "true" : "false");
}

enum rc
cmd_sync_init(struct call *c)
{
	enum { FOLDER, LIMIT, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_NULL, 0, 0 },
		[LIMIT] = { "limit", RD_INT, 0, 1, INT32_MAX },
	};
	struct sync_request req = { .mode = SYNC_INIT };
	struct sync_answer a = { 0 };
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_folder(v[FOLDER], &req.folder);
	req.limit = page_limit(c, v[LIMIT]);
	rc = engine_sync(c->session, c->arena, &req, &a, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_syncid(&c->out, &a);
	write_folder(&c->out, &req.folder);
	js_key(&c->out, "objectType");
	js_str(&c->out, model_content(a.ct)->name);
	js_key(&c->out, "mode");
	js_str(&c->out, folder_mode_name(a.mode));
	answer_write_items(&c->out, &a, true, "created");
	answer_write_notices(&c->out, &req.folder, &a);
	buf_addc(&c->out, '}');
	engine_sync_done(&a);
	return RC_OK;
}

/* ---- syncUpdate ---- */

enum { UP_FOLDER, UP_SYNCID, UP_REQUEST, UP_LIMIT, UP_POLICY, UP_DELETE_POLICY, UP_CREATED, UP_MODIFIED, UP_DELETED, UP_REJECTED, UP_N };

static enum rc
update_changes(struct rd *r, json_t *const *v, struct sync_request *req)
{
	enum content ct;
	enum rc rc;

	if (json_array_size(v[UP_CREATED]) + json_array_size(v[UP_MODIFIED]) + json_array_size(v[UP_DELETED]) == 0)
		return RC_OK;
	if (v[UP_REQUEST] == NULL)
		return rd_fail_at(r, "request", RC_PROTO, "is missing: a request with changes carries its rising number");
	rc = engine_folder_type(r->c->session, &req->folder, &ct, &r->c->err);
	if (rc != RC_OK)
		return rc;
	return changes_read(r, ct, v[UP_CREATED], v[UP_MODIFIED], v[UP_DELETED], req);
}

/* Objects that the client got and could not store. */
static enum rc
update_rejected(struct rd *r, const json_t *list, struct sync_request *req)
{
	enum { UUID, REASON, N };
	static const struct rd_member m[N] = {
		[UUID] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
		[REASON] = { "reason", RD_STRING, RD_REQUIRED, 1, 200 },
	};
	size_t mark = rd_enter(r, "rejected"), inner, i;
	json_t *x, *v[N];
	enum rc rc;

	req->rejected = arena_array(r->c->arena, struct rejected, json_array_size(list));
	if (req->rejected == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	json_array_foreach(list, i, x) {
		inner = rd_enter_index(r, i);
		rc = rd_object(r, x, m, N, v);
		if (rc != RC_OK)
			return rc;
		rd_uuid(v[UUID], &req->rejected[i].uuid);
		req->rejected[i].reason = json_string_value(v[REASON]);
		rd_leave(r, inner);
	}
	req->n_rejected = json_array_size(list);
	rd_leave(r, mark);
	return RC_OK;
}

enum rc
cmd_sync_update(struct call *c)
{
	const struct rd_member m[UP_N] = {
		[UP_FOLDER] = { "folder", RD_UUID, RD_NULL, 0, 0 },
		[UP_SYNCID] = { "syncid", RD_SYNCID, RD_REQUIRED, 0, 0 },
		[UP_REQUEST] = { "request", RD_INT, 0, 1, REQUEST_MAX },
		[UP_LIMIT] = { "limit", RD_INT, 0, 1, INT32_MAX },
		[UP_POLICY] = { "conflictResolution", RD_POLICY, 0, 0, 0 },
		[UP_DELETE_POLICY] = { "deleteResolution", RD_POLICY, 0, 0, 0 },
		[UP_CREATED] = { "created", RD_ARRAY, 0, 0, INT32_MAX },
		[UP_MODIFIED] = { "modified", RD_ARRAY, 0, 0, INT32_MAX },
		[UP_DELETED] = { "deleted", RD_ARRAY, 0, 0, INT32_MAX },
		[UP_REJECTED] = { "rejected", RD_ARRAY, 0, 0, (int64_t)c->u->o.max_objects },
	};
	struct sync_request req = { .mode = SYNC_UPDATE };
	struct sync_answer a = { 0 };
	json_t *v[UP_N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, UP_N, v);
	if (rc != RC_OK)
		return rc;
	rd_folder(v[UP_FOLDER], &req.folder);
	rd_syncid(v[UP_SYNCID], &req.syncid);
	req.k = v[UP_REQUEST] != NULL ? (uint64_t)json_integer_value(v[UP_REQUEST]) : 0;
	req.limit = page_limit(c, v[UP_LIMIT]);
	req.has_policy = v[UP_POLICY] != NULL;
	if (req.has_policy)
		req.policy = rd_policy(v[UP_POLICY]);
	req.has_delete_policy = v[UP_DELETE_POLICY] != NULL;
	if (req.has_delete_policy)
		req.delete_policy = rd_policy(v[UP_DELETE_POLICY]);
	rc = update_changes(&r, v, &req);
	if (rc == RC_OK && v[UP_REJECTED] != NULL)
		rc = update_rejected(&r, v[UP_REJECTED], &req);
	if (rc != RC_OK)
		goto out;
	metric_add(M_OBJECTS_IN, (int64_t)req.n_changes);
	rc = engine_sync(c->session, c->arena, &req, &a, &c->err);
	if (rc != RC_OK)
		goto out;
	buf_addc(&c->out, '{');
	write_syncid(&c->out, &a);
	answer_write_deleted(&c->out, &a);
	answer_write_items(&c->out, &a, true, "created");
	answer_write_items(&c->out, &a, false, "modified");
	answer_write_results(&c->out, &req, &a);
	answer_write_notices(&c->out, &req.folder, &a);
	buf_addc(&c->out, '}');
	engine_sync_done(&a);

out:
	changes_drop(&req);
	return rc;
}

enum rc
cmd_sync_estimate(struct call *c)
{
	enum { FOLDER, SYNCID, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_NULL, 0, 0 },
		[SYNCID] = { "syncid", RD_SYNCID, RD_REQUIRED, 0, 0 },
	};
	struct sync_request req = { .mode = SYNC_ESTIMATE };
	struct sync_answer a = { 0 };
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_folder(v[FOLDER], &req.folder);
	rd_syncid(v[SYNCID], &req.syncid);
	req.limit = c->u->o.default_limit;
	rc = engine_sync(c->session, c->arena, &req, &a, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addf(&c->out, "{\"count\":%zu}", a.estimate);
	engine_sync_done(&a);
	return RC_OK;
}

/* ---- reconcile ---- */

static enum rc
read_pair(struct rd *r, const json_t *j, struct uuid *u, const char **rev)
{
	static const struct rd_member uuid = { "", RD_UUID, 0, 0, 0 }, text = { "", RD_REV, 0, 0, 0 };
	const json_t *second = json_array_get(j, 1);
	size_t mark;
	enum rc rc;

	if (json_array_size(j) != 2)
		return rd_fail(r, RC_PROTO, "must be an array of two: uuid and rev");
	mark = rd_enter_index(r, 0);
	rc = rd_value(r, &uuid, json_array_get(j, 0));
	if (rc != RC_OK)
		return rc;
	rd_uuid(json_array_get(j, 0), u);
	rd_leave(r, mark);
	mark = rd_enter_index(r, 1);
	/* "" = the client lost the rev: the object is sent whole */
	if (!json_is_string(second) || json_string_length(second) != 0) {
		rc = rd_value(r, &text, second);
		if (rc != RC_OK)
			return rc;
	}
	*rev = json_string_value(second);
	rd_leave(r, mark);
	return RC_OK;
}

static enum rc
read_pairs(struct rd *r, const json_t *list, struct sync_request *req)
{
	size_t n = json_array_size(list), i, mark, inner, dup;
	json_t *j;
	enum rc rc;

	req->pair_uuid = arena_array(r->c->arena, struct uuid, n);
	req->pair_rev = arena_array(r->c->arena, const char *, n);
	if (req->pair_uuid == NULL || req->pair_rev == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	mark = rd_enter(r, "pairs");
	json_array_foreach(list, i, j) {
		inner = rd_enter_index(r, i);
		rc = read_pair(r, j, &req->pair_uuid[i], &req->pair_rev[i]);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, inner);
	}
	req->n_pairs = n;
	rc = uuids_distinct(r->c->arena, req->pair_uuid, n, &dup);
	if (rc != RC_OK)
		return rd_fail(r, rc, "out of memory");
	if (dup < n) {
		(void)rd_enter_index(r, dup);
		return rd_fail(r, RC_PROTO, "is in the request twice");
	}
	rd_leave(r, mark);
	return RC_OK;
}

enum rc
cmd_reconcile(struct call *c)
{
	enum { FOLDER, FORMERLY, LIMIT, PAIRS, N };
	const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_NULL, 0, 0 },
		[FORMERLY] = { "formerly", RD_UUID, 0, 0, 0 },
		[LIMIT] = { "limit", RD_INT, 0, 1, INT32_MAX },
		[PAIRS] = { "pairs", RD_ARRAY, RD_REQUIRED, 0, (int64_t)c->u->o.max_pairs },
	};
	struct sync_request req = { .mode = SYNC_RECONCILE };
	struct sync_answer a = { 0 };
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = read_pairs(&r, v[PAIRS], &req);
	if (rc != RC_OK)
		return rc;
	rd_folder(v[FOLDER], &req.folder);
	req.has_formerly = v[FORMERLY] != NULL;
	if (req.has_formerly)
		rd_uuid(v[FORMERLY], &req.formerly);
	req.limit = page_limit(c, v[LIMIT]);
	rc = engine_sync(c->session, c->arena, &req, &a, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_syncid(&c->out, &a);
	answer_write_deleted(&c->out, &a);
	answer_write_items(&c->out, &a, true, "created");
	if (req.has_formerly)
		answer_write_renamed(&c->out, &a);
	answer_write_notices(&c->out, &req.folder, &a);
	buf_addc(&c->out, '}');
	engine_sync_done(&a);
	return RC_OK;
}
