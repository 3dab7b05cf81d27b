/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the guards remember of devices: deletions lately and those that are held; objects made, by content.  And devices by name. */
#include "store_int.h"

#define LIST_MAX "10000"
/* what device $1 made $2 times or more, the oldest of each content numbered 1 */
#define TWINS "SELECT folder, device, content, object, at, row_number() OVER w AS no, count(*) OVER (PARTITION BY folder, content) AS twins" \
    " FROM guard_create WHERE device = $1::int4 WINDOW w AS (PARTITION BY folder, content ORDER BY at, object)"

enum { S_GET, S_PUT, S_HELD, S_DECIDE, S_ADD, S_COUNT, S_LIST, S_WANT, S_WANTED, S_TWIN, S_DROP, S_FIND };
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_guard_get",
	    "SELECT at, deleted, held, held_at, until, verdict FROM guard_delete WHERE folder = $1::int4 AND device = $2::int4", 2 },
	[S_PUT] = { "store_guard_put",
	    "INSERT INTO guard_delete AS g (folder, device, at, deleted, held, held_at)"
	    " VALUES ($1::int4, $2::int4, $3::int8, $4::int4, $5::int4, $6::int8)"
	    " ON CONFLICT (folder, device) DO UPDATE SET at = excluded.at, deleted = excluded.deleted, held = excluded.held,"
	    " held_at = excluded.held_at, verdict = CASE WHEN $7::bool THEN 0::int2 ELSE g.verdict END", 7 },
	[S_HELD] = { "store_guard_held",
	    "SELECT g.folder, g.at, g.deleted, g.held, g.held_at, g.until, g.verdict, f.oxid FROM guard_delete g JOIN folder f ON f.id = g.folder"
	    " WHERE g.device = $1::int4 AND f.account = (SELECT account FROM device WHERE id = $1::int4) AND g.held > 0"
	    " ORDER BY g.folder LIMIT " LIST_MAX, 1 },
	[S_DECIDE] = { "store_guard_decide",
	    "UPDATE guard_delete SET verdict = $3::int2, until = $4::int8 WHERE device = $1::int4 AND ($2::int4 = 0 OR folder = $2::int4)"
	    " AND folder IN (SELECT id FROM folder WHERE account = (SELECT account FROM device WHERE id = $1::int4)) AND held > 0", 4 },
	[S_ADD] = { "store_created_add",
	    "INSERT INTO guard_create (folder, device, content, object, at) VALUES ($1::int4, $2::int4, $3::int8, $4::int8, $5::int8)"
	    " ON CONFLICT DO NOTHING", 5 },
	[S_COUNT] = { "store_created_count",
	    "SELECT count(*) FROM (SELECT FROM guard_create WHERE folder = $1::int4 AND device = $2::int4 AND content = $3::int8"
	    " AND at > $4::int8 LIMIT $5::int8) x", 5 },
	[S_LIST] = { "store_created_list",
	    "SELECT x.folder, x.device, x.content, x.object, x.at, f.ct, f.oxid FROM (" TWINS ") x JOIN folder f ON f.id = x.folder"
	    " WHERE x.twins >= $2::int8 ORDER BY x.folder, x.content, x.no LIMIT " LIST_MAX, 2 },
	[S_WANT] = { "store_created_want",
	    "UPDATE guard_create g SET state = 1 FROM (" TWINS ") x WHERE x.twins >= $2::int8 AND x.no > 1 AND g.folder = x.folder"
	    " AND g.device = x.device AND g.content = x.content AND g.object = x.object", 2 },
	[S_WANTED] = { "store_created_wanted",
	    "SELECT g.folder, g.device, g.content, g.object, g.at, f.ct, f.oxid FROM guard_create g JOIN folder f ON f.id = g.folder"
	    " WHERE g.state = 1 AND f.account = $1::int8 ORDER BY g.device, g.at LIMIT $2::int8", 2 },
	[S_TWIN] = { "store_created_twin",
	    "SELECT object FROM guard_create WHERE folder = $1::int4 AND device = $2::int4 AND content = $3::int8 AND state = 0"
	    " ORDER BY at, object LIMIT 1", 3 },
	[S_DROP] = { "store_created_drop",
	    "DELETE FROM guard_create WHERE folder = $1::int4 AND device = $2::int4 AND content = $3::int8 AND object = $4::int8", 4 },
	[S_FIND] = { "store_device_find",
	    "SELECT d.id, d.account, a.context_id, a.user_id FROM device d JOIN account a ON a.id = d.account WHERE d.name = $1::text"
	    " AND ($2::int8 = 0 OR a.context_id = $2::int8) AND ($3::int8 = 0 OR a.user_id = $3::int8) ORDER BY d.account LIMIT $4::int8", 4 },
};
const struct pg_table store_guard_stmts = { stmts, ARRAY_LEN(stmts) };

/* ---- deletions ---- */

enum rc
store_guard_get(struct store_conn *c, int64_t device, int64_t folder, struct store_guard *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = (struct store_guard){ .device = device, .folder = folder };
	pg_i32(&p, (int32_t)folder);
	pg_i32(&p, (int32_t)device);
	rc = pg_exec(c, TBL_GUARD, S_GET, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = RC_NOTFOUND;
	if (rc == RC_OK) {
		out->at = pg_get_i64(r, 0, 0);
		out->deleted = pg_get_i32(r, 0, 1);
		out->held = pg_get_i32(r, 0, 2);
		out->held_at = pg_get_i64(r, 0, 3);
		out->until = pg_get_i64(r, 0, 4);
		out->verdict = (enum guard_verdict)pg_get_i16(r, 0, 5);
	}
	PQclear(r);
	return rc;
}

enum rc
store_guard_put(struct store_conn *c, const struct store_guard *x, bool done, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)x->folder);
	pg_i32(&p, (int32_t)x->device);
	pg_i64(&p, x->at);
	pg_i32(&p, (int32_t)x->deleted);
	pg_i32(&p, (int32_t)x->held);
	pg_i64(&p, x->held_at);
	pg_bool(&p, done);
	return pg_exec(c, TBL_GUARD, S_PUT, &p, NULL, e);
}

enum rc
store_guard_held(struct store_conn *c, struct arena *a, int64_t device, struct store_guard **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*n = 0;
	*out = NULL;
	pg_i32(&p, (int32_t)device);
	rc = pg_exec(c, TBL_GUARD, S_HELD, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*n = (size_t)PQntuples(r);
	*out = arena_array(a, struct store_guard, *n);
	for (int i = 0; *out != NULL && i < (int)*n; i++) {
		(*out)[i] = (struct store_guard){ .device = device, .folder = pg_get_i32(r, i, 0), .at = pg_get_i64(r, i, 1), .deleted = pg_get_i32(r, i, 2),
			.held = pg_get_i32(r, i, 3), .held_at = pg_get_i64(r, i, 4), .until = pg_get_i64(r, i, 5),
			.verdict = (enum guard_verdict)pg_get_i16(r, i, 6), .place = pg_get_text(a, r, i, 7) };
		if ((*out)[i].place == NULL)
			*out = NULL;
	}
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_guard_decide(struct store_conn *c, int64_t device, int64_t folder, enum guard_verdict v, msec_t until, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	*n = 0;
	pg_i32(&p, (int32_t)device);
	pg_i32(&p, (int32_t)folder);
	pg_i16(&p, (int16_t)v);
	pg_i64(&p, until);
	return pg_exec_count(c, TBL_GUARD, S_DECIDE, &p, n, e);
}

/* ---- objects made ---- */

static void
created_key(struct pg_params *p, const struct store_created *x)
{
	pg_i32(p, (int32_t)x->folder);
	pg_i32(p, (int32_t)x->device);
	pg_u64(p, x->content);
}

enum rc
store_created_add(struct store_conn *c, const struct store_created *x, struct err *e)
{
	struct pg_params p = { .n = 0 };

	created_key(&p, x);
	pg_i64(&p, x->object);
	pg_i64(&p, x->at);
	return pg_exec(c, TBL_GUARD, S_ADD, &p, NULL, e);
}

enum rc
store_created_count(struct store_conn *c, const struct store_created *x, msec_t since, size_t max, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	created_key(&p, x);
	pg_i64(&p, since);
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_GUARD, S_COUNT, &p, &r, e);
	*n = rc == RC_OK ? (size_t)pg_get_i64(r, 0, 0) : 0;
	PQclear(r);
	return rc;
}

static enum rc
created_load(struct store_conn *c, unsigned stmt, struct pg_params *p, struct arena *a, struct store_created **out, size_t *n, struct err *e)
{
	PGresult *r = NULL;
	enum rc rc = pg_exec(c, TBL_GUARD, stmt, p, &r, e);

	*out = NULL;
	*n = 0;
	if (rc != RC_OK)
		goto out;
	*n = (size_t)PQntuples(r);
	*out = arena_array(a, struct store_created, *n);
	for (int i = 0; *out != NULL && i < (int)*n; i++) {
		(*out)[i] = (struct store_created){ .folder = pg_get_i32(r, i, 0), .device = pg_get_i32(r, i, 1), .content = (uint64_t)pg_get_i64(r, i, 2),
			.object = pg_get_i64(r, i, 3), .at = pg_get_i64(r, i, 4), .ct = (enum content)pg_get_i16(r, i, 5), .place = pg_get_text(a, r, i, 6) };
		if ((*out)[i].place == NULL)
			*out = NULL;
	}
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_created_list(struct store_conn *c, struct arena *a, int64_t device, size_t least, struct store_created **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)device);
	pg_i64(&p, (int64_t)least);
	return created_load(c, S_LIST, &p, a, out, n, e);
}

enum rc
store_created_want(struct store_conn *c, int64_t device, size_t least, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	*n = 0;
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, (int64_t)least);
	return pg_exec_count(c, TBL_GUARD, S_WANT, &p, n, e);
}

enum rc
store_created_wanted(struct store_conn *c, struct arena *a, int64_t account, size_t max, struct store_created **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, account);
	pg_i64(&p, (int64_t)max);
	return created_load(c, S_WANTED, &p, a, out, n, e);
}

enum rc
store_created_twin(struct store_conn *c, const struct store_created *x, int64_t *object, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	created_key(&p, x);
	rc = pg_exec(c, TBL_GUARD, S_TWIN, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = RC_NOTFOUND;
	*object = rc == RC_OK ? pg_get_i64(r, 0, 0) : 0;
	PQclear(r);
	return rc;
}

enum rc
store_created_drop(struct store_conn *c, const struct store_created *x, struct err *e)
{
	struct pg_params p = { .n = 0 };

	created_key(&p, x);
	pg_i64(&p, x->object);
	return pg_exec(c, TBL_GUARD, S_DROP, &p, NULL, e);
}

/* ---- devices by name ---- */

enum rc
store_device_find(struct store_conn *c, const char *name, int64_t context_id, int64_t user_id, struct store_named_device *out, size_t max,
    size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*n = 0;
	pg_text(&p, name);
	pg_i64(&p, context_id);
	pg_i64(&p, user_id);
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_GUARD, S_FIND, &p, &r, e);
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++)
		out[(*n)++] = (struct store_named_device){ .device = pg_get_i32(r, i, 0), .account = pg_get_i64(r, i, 1),
			.context_id = pg_get_i64(r, i, 2), .user_id = pg_get_i64(r, i, 3) };
	PQclear(r);
	return rc;
}
