/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Versions that lost a conflict, sealed by the caller; an equal one is recorded once. */
#include "store_int.h"

#include <string.h>

#define CONFLICT_LIST_MAX 1000 /* newest first; a list that long is not read by anybody */

enum { S_ADD, S_ADD_ID, S_LIST, S_DELETE };
static const struct pg_stmt stmts[] = {
	[S_ADD] = { "store_conflict_add",
	    "INSERT INTO conflict (account, device, ct, uuid, at, expires, digest, sealed)"
	    " VALUES ($1::int8, $2::int4, $3::int2, $4::uuid, $5::int8, $6::int8, $7::bytea, $8::bytea)"
	    " ON CONFLICT (account, uuid, digest) DO NOTHING RETURNING id", 8 },
	[S_ADD_ID] = { "store_conflict_add_id",
	    "SELECT id FROM conflict WHERE account = $1::int8 AND uuid = $2::uuid AND digest = $3::bytea", 3 },
	[S_LIST] = { "store_conflict_list",
	    "SELECT id, device, ct, uuid, at, expires, digest, sealed FROM conflict WHERE account = $1::int8"
	    " ORDER BY id DESC LIMIT $2::int8", 2 },
	[S_DELETE] = { "store_conflict_delete", "DELETE FROM conflict WHERE account = $1::int8 AND id = $2::int8", 2 },
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

static enum rc
load(struct arena *a, const PGresult *r, int row, int64_t account, struct store_conflict *x)
{
	size_t n;
	const void *p;

	*x = (struct store_conflict){ .id = pg_get_i64(r, row, 0), .account = account, .device = pg_get_i32(r, row, 1),
		.ct = (enum content)pg_get_i16(r, row, 2), .at = pg_get_i64(r, row, 4), .expires = pg_get_i64(r, row, 5) };
	p = pg_get_bytes(r, row, 3, &n);
	if (n == sizeof(x->uuid.b))
		memcpy(x->uuid.b, p, n);
	p = pg_get_bytes(r, row, 6, &n);
	if (n == sizeof(x->digest))
		memcpy(x->digest, p, n);
	p = pg_get_bytes(r, row, 7, &x->sealed_len);
	x->sealed = arena_memdup(a, p, x->sealed_len);
	return x->sealed == NULL ? RC_NOMEM : RC_OK;
}

enum rc
store_conflict_list(struct store_conn *c, struct arena *a, int64_t account, struct store_conflict **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i64(&p, account);
	pg_i64(&p, CONFLICT_LIST_MAX);
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
store_conflict_delete(struct store_conn *c, int64_t account, int64_t id, struct err *e)
{
	struct pg_params p = { .n = 0 };
	size_t n;
	enum rc rc;

	pg_i64(&p, account);
	pg_i64(&p, id);
	rc = pg_exec_count(c, TBL_CONFLICT, S_DELETE, &p, &n, e);
	if (rc == RC_OK && n == 0)
		rc = err_set(e, RC_NOTFOUND, "no conflict %lld (any more)", (long long)id);
	return rc;
}
