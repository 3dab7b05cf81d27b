/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Networks of clients through which waits die. */
#include "store_int.h"

#include <stdio.h>

enum { S_GET, S_PUT, S_DROP };
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_paths_get", "SELECT net, cut, safe, seen, since, last FROM path ORDER BY net LIMIT 10000", 0 },
	[S_PUT] = { "store_path_put",
	    "INSERT INTO path (net, cut, safe, seen, since, last) VALUES ($1::text, $2::int4, $3::int4, $4::int4, $5::int8, $6::int8)"
	    " ON CONFLICT (net) DO UPDATE SET cut = excluded.cut, safe = excluded.safe, seen = excluded.seen, since = excluded.since,"
	    " last = excluded.last", 6 },
	[S_DROP] = { "store_path_drop", "DELETE FROM path WHERE net = $1::text", 1 },
};
const struct pg_table store_path_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_paths_get(struct store_conn *c, struct arena *a, struct store_path **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	rc = pg_exec(c, TBL_PATH, S_GET, &p, &r, e);
	if (rc != RC_OK)
		return rc;
	*n = (size_t)PQntuples(r);
	*out = arena_array(a, struct store_path, *n);
	for (int i = 0; *out != NULL && i < (int)*n; i++) {
		struct store_path *x = &(*out)[i];

		*x = (struct store_path){ .cut_s = (unsigned)pg_get_i32(r, i, 1), .safe_s = (unsigned)pg_get_i32(r, i, 2),
			.seen = (unsigned)pg_get_i32(r, i, 3), .since = pg_get_i64(r, i, 4), .last = pg_get_i64(r, i, 5) };
		(void)snprintf(x->net, sizeof(x->net), "%.*s", PQgetlength(r, i, 0), PQgetvalue(r, i, 0));
	}
	PQclear(r);
	return *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

enum rc
store_path_put(struct store_conn *c, const struct store_path *x, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_text(&p, x->net);
	pg_i32(&p, (int32_t)x->cut_s);
	pg_i32(&p, (int32_t)x->safe_s);
	pg_i32(&p, (int32_t)x->seen);
	pg_i64(&p, x->since);
	pg_i64(&p, x->last);
	return pg_exec(c, TBL_PATH, S_PUT, &p, NULL, e);
}

enum rc
store_path_drop(struct store_conn *c, const char *net, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_text(&p, net);
	return pg_exec(c, TBL_PATH, S_DROP, &p, NULL, e);
}
