/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Objects that are set aside: by OX, which cannot deliver them, or by a device that could not store them. */
#include "store_int.h"

enum { S_GET, S_PUT, S_DROP };
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_aside_get",
	    "SELECT device, object, version, since, next_try, tries, reason FROM set_aside"
	    " WHERE folder = $1::int4 AND device IN (0, $2::int4) ORDER BY device, object LIMIT 10000", 2 },
	[S_PUT] = { "store_aside_put",
	    "INSERT INTO set_aside (folder, device, object, version, since, next_try, tries, reason)"
	    " VALUES ($1::int4, $2::int4, $3::int8, $4::int8, $5::int8, $6::int8, $7::int4, $8::text)"
	    " ON CONFLICT (folder, device, object) DO UPDATE SET version = excluded.version, next_try = excluded.next_try,"
	    " tries = excluded.tries, reason = excluded.reason", 8 },
	[S_DROP] = { "store_aside_drop", "DELETE FROM set_aside WHERE folder = $1::int4 AND device = $2::int4 AND object = $3::int8", 3 },
};
const struct pg_table store_aside_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_aside_get(struct store_conn *c, struct arena *a, int64_t folder, int64_t device, struct store_aside **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i32(&p, (int32_t)folder);
	pg_i32(&p, (int32_t)device);
	rc = pg_exec(c, TBL_ASIDE, S_GET, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*n = (size_t)PQntuples(r);
	*out = arena_array(a, struct store_aside, *n);
	for (int i = 0; *out != NULL && i < (int)*n; i++) {
		(*out)[i] = (struct store_aside){ .device = pg_get_i32(r, i, 0), .id = pg_get_i64(r, i, 1), .version = pg_get_i64(r, i, 2),
			.since = pg_get_i64(r, i, 3), .next_try = pg_get_i64(r, i, 4), .tries = (unsigned)pg_get_i32(r, i, 5),
			.reason = pg_get_text(a, r, i, 6) };
		if ((*out)[i].reason == NULL)
			*out = NULL;
	}
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_aside_put(struct store_conn *c, int64_t folder, const struct store_aside *x, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)folder);
	pg_i32(&p, (int32_t)x->device);
	pg_i64(&p, x->id);
	pg_i64(&p, x->version);
	pg_i64(&p, x->since);
	pg_i64(&p, x->next_try);
	pg_i32(&p, (int32_t)x->tries);
	pg_text(&p, x->reason);
	return pg_exec(c, TBL_ASIDE, S_PUT, &p, NULL, e);
}

enum rc
store_aside_drop(struct store_conn *c, int64_t folder, int64_t device, int64_t id, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)folder);
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, id);
	return pg_exec(c, TBL_ASIDE, S_DROP, &p, NULL, e);
}
