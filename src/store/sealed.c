/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sealed records by the key that sealed them, for changing it.  Their first 8 bytes are the key's id; those without values are empty or NULL. */
#include "store_int.h"

#include <string.h>

enum { S_CONFLICT_OTHERS, S_JOURNAL_OTHERS, S_CONFLICT_PUT, S_JOURNAL_PUT, S_KEYS };
#define OTHERS(table) "SELECT id, account, sealed FROM " table " WHERE id > $2::int8 AND length(sealed) > 8" \
	" AND substring(sealed FROM 1 FOR 8) <> $1::bytea ORDER BY id LIMIT $3::int8"
#define PUT(table) "UPDATE " table " SET sealed = $3::bytea WHERE id = $1::int8 AND sealed = $2::bytea"
static const struct pg_stmt stmts[] = {
	[S_CONFLICT_OTHERS] = { "store_sealed_others", OTHERS("conflict"), 3 },
	[S_JOURNAL_OTHERS] = { "store_sealed_others_journal", OTHERS("journal"), 3 },
	[S_CONFLICT_PUT] = { "store_sealed_put", PUT("conflict"), 3 },
	[S_JOURNAL_PUT] = { "store_sealed_put_journal", PUT("journal"), 3 },
	[S_KEYS] = { "store_sealed_keys", "SELECT k, count(*) FROM (SELECT substring(sealed FROM 1 FOR 8) AS k FROM conflict WHERE length(sealed) > 8"
	    " UNION ALL SELECT substring(sealed FROM 1 FOR 8) FROM journal WHERE length(sealed) > 8) x GROUP BY k ORDER BY k LIMIT $1::int8", 1 },
};
const struct pg_table store_sealed_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_sealed_others(struct store_conn *c, struct arena *a, enum store_sealed_kind kind, const unsigned char key[KEY_ID_BYTES], int64_t after, size_t max,
    struct store_sealed **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_bytes(&p, key, KEY_ID_BYTES);
	pg_i64(&p, after);
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_SEALED, kind == SEALED_CONFLICT ? S_CONFLICT_OTHERS : S_JOURNAL_OTHERS, &p, &r, e);
	if (rc == RC_OK)
		*out = arena_array(a, struct store_sealed, (size_t)PQntuples(r) + 1);
	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++) {
		struct store_sealed *x = &(*out)[(*n)++];
		const void *b = pg_get_bytes(r, i, 2, &x->len);

		x->id = pg_get_i64(r, i, 0);
		x->account = pg_get_i64(r, i, 1);
		x->p = arena_memdup(a, b, x->len);
		if (x->p == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory");
	}
	PQclear(r);
	return rc;
}

enum rc
store_sealed_put(struct store_conn *c, enum store_sealed_kind kind, const struct store_sealed *x, const void *sealed, size_t len, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, x->id);
	pg_bytes(&p, x->p, x->len);
	pg_bytes(&p, sealed, len);
	return pg_exec(c, TBL_SEALED, kind == SEALED_CONFLICT ? S_CONFLICT_PUT : S_JOURNAL_PUT, &p, NULL, e);
}

enum rc
store_sealed_keys(struct store_conn *c, struct store_sealed_key *out, size_t max, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*n = 0;
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_SEALED, S_KEYS, &p, &r, e);
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++) {
		size_t len;
		const void *b = pg_get_bytes(r, i, 0, &len);

		if (len != KEY_ID_BYTES)
			continue;
		memcpy(out[*n].id, b, KEY_ID_BYTES);
		out[(*n)++].records = pg_get_i64(r, i, 1);
	}
	PQclear(r);
	return rc;
}
