/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Versions that lost a conflict, sealed by the caller; an equal one is recorded once.  A settled one is kept without its values. */
#include "store_int.h"

#include <string.h>

enum { S_ADD, S_ADD_ID, S_LIST, S_GET, S_SETTLE };
#define COLUMNS "c.id, c.device, c.ct, c.uuid, c.at, c.expires, c.digest, c.sealed, d.name, c.done, c.result"
static const struct pg_stmt stmts[] = {
	/* what was settled and is lost once more is open again */
	[S_ADD] = { "store_conflict_add",
	    "INSERT INTO conflict (account, device, ct, uuid, at, expires, digest, sealed)"
	    " VALUES ($1::int8, $2::int4, $3::int2, $4::uuid, $5::int8, $6::int8, $7::bytea, $8::bytea)"
	    " ON CONFLICT (account, uuid, digest) DO UPDATE SET device = EXCLUDED.device, at = EXCLUDED.at, expires = EXCLUDED.expires,"
	    " sealed = EXCLUDED.sealed, done = NULL, result = NULL WHERE conflict.done IS NOT NULL RETURNING id", 8 },
	[S_ADD_ID] = { "store_conflict_add_id",
	    "SELECT id FROM conflict WHERE account = $1::int8 AND uuid = $2::uuid AND digest = $3::bytea", 3 },
	[S_LIST] = { "store_conflict_list",
	    "SELECT " COLUMNS " FROM conflict c LEFT JOIN device d ON d.id = c.device WHERE c.account = $1::int8 AND c.id < $2::int8"
	    " AND c.done IS NULL AND c.expires > $3::int8 ORDER BY c.id DESC LIMIT $4::int8", 4 },
	[S_GET] = { "store_conflict_get",
	    "SELECT " COLUMNS " FROM conflict c LEFT JOIN device d ON d.id = c.device WHERE c.account = $1::int8 AND c.id = $2::int8"
	    " AND c.expires > $3::int8", 3 },
	[S_SETTLE] = { "store_conflict_settle",
	    "UPDATE conflict SET done = $3::int8, result = NULLIF($4::uuid, '00000000-0000-0000-0000-000000000000'), sealed = '' WHERE account = $1::int8 AND id = $2::int8 AND done IS NULL", 4 },
};
const struct pg_table store_conflict_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_conflict_add(struct store_conn *c, struct store_conflict *x, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, x->account);
	pg_i32(&p, (int32_t)x->device);
	pg_i16(&p, (int16_t)x->ct);
	pg_bytes(&p, x->uuid.b, sizeof(x->uuid.b));
	pg_i64(&p, x->at);
	pg_i64(&p, x->expires);
	pg_bytes(&p, x->digest, sizeof(x->digest));
	pg_bytes(&p, x->sealed, x->sealed_len);
	rc = pg_exec(c, TBL_CONFLICT, S_ADD, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	if (PQntuples(r) == 0) {
		PQclear(r);
		p.n = 0;
		pg_i64(&p, x->account);
		pg_bytes(&p, x->uuid.b, sizeof(x->uuid.b));
		pg_bytes(&p, x->digest, sizeof(x->digest));
		rc = pg_exec(c, TBL_CONFLICT, S_ADD_ID, &p, &r, e);
		if (rc != RC_OK)
			goto out;
	} else {
		metric_add(M_CONFLICTS, 1);
	}
	x->id = PQntuples(r) > 0 ? pg_get_i64(r, 0, 0) : 0;
out:
	PQclear(r);
	return rc;
}

static void
get_uuid(const PGresult *r, int row, int col, struct uuid *out)
{
	size_t n;
	const void *p = pg_get_bytes(r, row, col, &n);

	if (n == sizeof(out->b))
		memcpy(out->b, p, n);
}

static enum rc
load(struct arena *a, const PGresult *r, int row, int64_t account, struct store_conflict *x)
{
	size_t n;
	const void *p;

	*x = (struct store_conflict){ .id = pg_get_i64(r, row, 0), .account = account, .device = pg_get_i32(r, row, 1),
		.ct = (enum content)pg_get_i16(r, row, 2), .at = pg_get_i64(r, row, 4), .expires = pg_get_i64(r, row, 5) };
	get_uuid(r, row, 3, &x->uuid);
	p = pg_get_bytes(r, row, 6, &n);
	if (n == sizeof(x->digest))
		memcpy(x->digest, p, n);
	p = pg_get_bytes(r, row, 7, &x->sealed_len);
	x->sealed = arena_memdup(a, p, x->sealed_len);
	x->device_name = PQgetisnull(r, row, 8) ? "" : pg_get_text(a, r, row, 8);
	x->done = PQgetisnull(r, row, 9) ? 0 : pg_get_i64(r, row, 9);
	x->restored = !PQgetisnull(r, row, 10);
	if (x->restored)
		get_uuid(r, row, 10, &x->result);
	return x->sealed == NULL || x->device_name == NULL ? RC_NOMEM : RC_OK;
}

enum rc
store_conflict_list(struct store_conn *c, struct arena *a, int64_t account, int64_t before, msec_t now, size_t max, struct store_conflict **out, size_t *n,
    struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i64(&p, account);
	pg_i64(&p, before);
	pg_i64(&p, now);
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_CONFLICT, S_LIST, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*out = arena_array(a, struct store_conflict, (size_t)PQntuples(r));
	if (*out == NULL)
		rc = RC_NOMEM;
	for (int i = 0; i < PQntuples(r) && rc == RC_OK; i++)
		rc = load(a, r, i, account, &(*out)[i]);
	if (rc == RC_NOMEM)
		rc = err_set(e, rc, "out of memory");
	*n = rc == RC_OK ? (size_t)PQntuples(r) : 0;
out:
	PQclear(r);
	return rc;
}

enum rc
store_conflict_get(struct store_conn *c, struct arena *a, int64_t account, int64_t id, msec_t now, struct store_conflict *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, account);
	pg_i64(&p, id);
	pg_i64(&p, now);
	rc = pg_exec(c, TBL_CONFLICT, S_GET, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = err_set_path(e, RC_NOTFOUND, "id", "%lld names no conflict (any more)", (long long)id);
	if (rc == RC_OK && load(a, r, 0, account, out) != RC_OK)
		rc = err_set(e, RC_NOMEM, "out of memory");
	PQclear(r);
	return rc;
}

enum rc
store_conflict_settle(struct store_conn *c, int64_t account, int64_t id, const struct uuid *result, msec_t now, struct err *e)
{
	static const struct uuid none;
	struct pg_params p = { .n = 0 };
	size_t n;

	if (result == NULL)
		result = &none;
	pg_i64(&p, account);
	pg_i64(&p, id);
	pg_i64(&p, now);
	pg_bytes(&p, result->b, sizeof(result->b));
	return pg_exec_count(c, TBL_CONFLICT, S_SETTLE, &p, &n, e);
}
