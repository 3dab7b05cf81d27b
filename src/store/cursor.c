/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Cursors under their syncids; using one acknowledges it (rule ACK/PRUNE of the sync model). */
#include "store_int.h"

#include <string.h>

#define COLUMNS "SELECT syncid, seq, k, more, body FROM cursor WHERE device = $1::int4 AND folder = $2::int4"

enum { S_GET, S_USE, S_PUT, S_TRIM, S_CHILDREN, S_NEXT_SEQ, S_SYNCIDS };
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_cursor_get", COLUMNS " AND syncid = $3::uuid", 3 },
	/* matches nothing and so writes nothing when the same syncid is used again */
	[S_USE] = { "store_cursor_use",
	    "WITH older AS (DELETE FROM cursor WHERE device = $1::int4 AND folder = $2::int4 AND seq < $3::int8),"
	    " told AS (DELETE FROM write_log WHERE device = $1::int4 AND folder = $2::int4 AND seq > 0 AND seq <= $3::int8),"
	    " finished AS (DELETE FROM intent WHERE device = $1::int4 AND folder = $2::int4 AND seq > 0 AND seq <= $3::int8"
	    " AND state <> 0 AND NOT (state = 2 AND unsure))"
	    " UPDATE cursor SET k = $4::int8 WHERE device = $1::int4 AND folder = $2::int4 AND seq = $3::int8 AND k < $4::int8", 4 },
	[S_PUT] = { "store_cursor_put",
	    "INSERT INTO cursor (device, folder, seq, syncid, k, lo, more, body)"
	    " VALUES ($1::int4, $2::int4, $3::int8, $4::uuid, $5::int8, $6::int8, $7::bool, $8::bytea)", 8 },
	[S_TRIM] = { "store_cursor_put_trim",
	    "DELETE FROM cursor WHERE device = $1::int4 AND folder = $2::int4 AND seq > $3::int8 AND seq <="
	    " (SELECT seq FROM cursor WHERE device = $1::int4 AND folder = $2::int4 AND seq > $3::int8"
	    " ORDER BY seq DESC OFFSET $4::int8 LIMIT 1)", 4 },
	[S_CHILDREN] = { "store_cursor_children", COLUMNS " AND seq > $3::int8 ORDER BY seq", 3 },
	[S_NEXT_SEQ] = { "store_cursor_next_seq",
	    "SELECT seq FROM cursor WHERE device = $1::int4 AND folder = $2::int4 ORDER BY seq DESC LIMIT 1", 2 },
	[S_SYNCIDS] = { "store_cursor_syncids", "SELECT syncid FROM cursor WHERE device = $1::int4", 1 },
};
const struct pg_table store_cursor_stmts = { stmts, ARRAY_LEN(stmts) };

static void
add_key(struct pg_params *p, int64_t device, int64_t folder)
{
	pg_i32(p, (int32_t)device);
	pg_i32(p, (int32_t)folder);
}

static enum rc
load(struct arena *a, const PGresult *r, int row, struct store_cursor *out, struct err *e)
{
	size_t n;
	const void *p = pg_get_bytes(r, row, 0, &n);
	enum rc rc;

	memset(out, 0, sizeof(*out));
	if (n == sizeof(out->syncid.b))
		memcpy(out->syncid.b, p, n);
	out->seq = (uint64_t)pg_get_i64(r, row, 1);
	out->k = (uint64_t)pg_get_i64(r, row, 2);
	out->more = pg_get_bool(r, row, 3);
	p = pg_get_bytes(r, row, 4, &n);
	rc = cursor_unpack(a, p, n, &out->c);
	return rc == RC_OK ? rc : err_set(e, rc, "a stored cursor cannot be read");
}

enum rc
store_cursor_get(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, const struct syncid *s,
    struct store_cursor *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	add_key(&p, device, folder);
	pg_bytes(&p, s->b, sizeof(s->b));
	rc = pg_exec(c, TBL_CURSOR, S_GET, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = err_set(e, RC_NOTFOUND, "unknown syncid: reconcile");
	else if (rc == RC_OK)
		rc = load(a, r, 0, out, e);
	PQclear(r);
	return rc;
}

enum rc
store_cursor_use(struct store_conn *c, int64_t device, int64_t folder, const struct store_cursor *cur, uint64_t k, struct err *e)
{
	struct pg_params p = { .n = 0 };

	add_key(&p, device, folder);
	pg_u64(&p, cur->seq);
	pg_u64(&p, k);
	return pg_exec(c, TBL_CURSOR, S_USE, &p, NULL, e);
}

enum rc
store_cursor_next_seq(struct store_conn *c, int64_t device, int64_t folder, uint64_t *seq, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	add_key(&p, device, folder);
	rc = pg_exec(c, TBL_CURSOR, S_NEXT_SEQ, &p, &r, e);
	/* pruning always leaves the newest cursor, so its seq is the counter */
	if (rc == RC_OK)
		*seq = PQntuples(r) == 0 ? 1 : (uint64_t)pg_get_i64(r, 0, 0) + 1;
	PQclear(r);
	return rc;
}

enum rc
store_cursor_put(struct store_conn *c, int64_t device, int64_t folder, uint64_t parent_seq, unsigned max_children,
    struct store_cursor *cur, struct err *e)
{
	struct pg_params p = { .n = 0 };
	struct buf b;
	enum rc rc;

	rc = store_cursor_next_seq(c, device, folder, &cur->seq, e);
	if (rc != RC_OK)
		return rc;
	buf_init(&b, 0);
	cursor_pack(&cur->c, &b);
	if (b.failed) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	add_key(&p, device, folder);
	pg_u64(&p, cur->seq);
	pg_bytes(&p, cur->syncid.b, sizeof(cur->syncid.b));
	pg_u64(&p, cur->k);
	pg_u64(&p, cur->c.lo);
	pg_bool(&p, cur->more);
	pg_buf(&p, &b);
	rc = pg_exec(c, TBL_CURSOR, S_PUT, &p, NULL, e);
	if (rc != RC_OK || cur->seq - parent_seq <= max_children)
		goto out; /* there cannot be too many */
	p.n = 0;
	add_key(&p, device, folder);
	pg_u64(&p, parent_seq);
	pg_i64(&p, max_children);
	rc = pg_exec(c, TBL_CURSOR, S_TRIM, &p, NULL, e);
out:
	buf_fini(&b);
	return rc;
}

enum rc
store_cursor_children(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, uint64_t parent_seq,
    struct store_cursor **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	add_key(&p, device, folder);
	pg_u64(&p, parent_seq);
	rc = pg_exec(c, TBL_CURSOR, S_CHILDREN, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*out = arena_array(a, struct store_cursor, (size_t)PQntuples(r));
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	for (int i = 0; i < PQntuples(r) && rc == RC_OK; i++)
		rc = load(a, r, i, &(*out)[i], e);
	*n = rc == RC_OK ? (size_t)PQntuples(r) : 0;
out:
	PQclear(r);
	return rc;
}

enum rc
store_cursor_syncids(struct store_conn *c, struct arena *a, int64_t device, struct syncid **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	size_t len;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i32(&p, (int32_t)device);
	rc = pg_exec(c, TBL_CURSOR, S_SYNCIDS, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*out = arena_array(a, struct syncid, (size_t)PQntuples(r));
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	for (int i = 0; i < PQntuples(r) && rc == RC_OK; i++) {
		const void *id = pg_get_bytes(r, i, 0, &len);

		if (len == sizeof((*out)[*n].b))
			memcpy((*out)[(*n)++].b, id, len);
	}
out:
	PQclear(r);
	return rc;
}
