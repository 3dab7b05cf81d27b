/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sessions of logged-in clients, under the hash of their token. */
#include "store_int.h"

#include <string.h>

enum { S_PUT, S_GET, S_DELETE, S_TRIM, S_DELETE_OTHERS };
static const struct pg_stmt stmts[] = {
	[S_PUT] = { "store_session_put",
	    "WITH seen AS (UPDATE device SET seen_at = $5::int8 WHERE id = $3::int4)"
	    " INSERT INTO session (token_hash, account, device, expires) VALUES ($1::bytea, $2::int8, $3::int4, $4::int8)"
	    " ON CONFLICT (token_hash) DO UPDATE SET expires = excluded.expires", 5 },
	[S_GET] = { "store_session_get",
	    "SELECT s.account, s.device, s.expires, a.context_id, a.user_id, d.name, d.config FROM session s"
	    " JOIN account a ON a.id = s.account JOIN device d ON d.id = s.device"
	    " WHERE s.token_hash = $1::bytea AND s.expires > $2::int8", 2 },
	[S_TRIM] = { "store_session_trim", "DELETE FROM session WHERE token_hash IN (SELECT token_hash FROM session WHERE device = $1::int4"
	    " ORDER BY expires DESC, token_hash OFFSET $2::int8 LIMIT $3::int8) RETURNING token_hash", 3 },
	[S_DELETE] = { "store_session_delete", "DELETE FROM session WHERE token_hash = $1::bytea", 1 },
	/* ANY: by the index, where IN reads all sessions of everybody as soon as one account has very many devices */
	[S_DELETE_OTHERS] = { "store_session_delete_others",
	    "DELETE FROM session WHERE device = ANY (ARRAY(SELECT id FROM device WHERE account = $1::int8)) AND token_hash <> $2::bytea RETURNING token_hash", 2 },
};
const struct pg_table store_session_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_session_put(struct store_conn *c, const unsigned char hash[32], int64_t account, int64_t device, msec_t expires, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_bytes(&p, hash, 32);
	pg_i64(&p, account);
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, expires);
	pg_i64(&p, now_ms());
	return pg_exec(c, TBL_SESSION, S_PUT, &p, NULL, e);
}

enum rc
store_session_get(struct store_conn *c, struct arena *a, const unsigned char hash[32], struct store_session *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_bytes(&p, hash, 32);
	pg_i64(&p, now_ms());
	rc = pg_exec(c, TBL_SESSION, S_GET, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	if (PQntuples(r) == 0) {
		rc = err_set(e, RC_NOTFOUND, "the session does not exist or has expired: log in again");
		goto out;
	}
	*out = (struct store_session){ .account = pg_get_i64(r, 0, 0), .device = pg_get_i32(r, 0, 1),
		.expires = pg_get_i64(r, 0, 2), .context_id = pg_get_i64(r, 0, 3), .user_id = pg_get_i64(r, 0, 4),
		.device_name = pg_get_text(a, r, 0, 5), .config = pg_get_text(a, r, 0, 6) };
	if (out->device_name == NULL || out->config == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_session_delete(struct store_conn *c, const unsigned char hash[32], struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_bytes(&p, hash, 32);
	return pg_exec(c, TBL_SESSION, S_DELETE, &p, NULL, e);
}

enum rc
store_session_trim(struct store_conn *c, int64_t device, size_t keep, unsigned char (*hash)[32], size_t max, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*n = 0;
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, (int64_t)keep);
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_SESSION, S_TRIM, &p, &r, e);
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++) {
		size_t len;
		const void *b = pg_get_bytes(r, i, 0, &len);

		if (len == 32)
			memcpy(hash[(*n)++], b, 32);
	}
	PQclear(r);
	return rc;
}

enum rc
store_session_delete_others(struct store_conn *c, struct arena *a, int64_t account, const unsigned char keep[32], unsigned char (**hashes)[32], size_t *n,
    struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*n = 0;
	*hashes = NULL;
	pg_i64(&p, account);
	pg_bytes(&p, keep, 32);
	rc = pg_exec(c, TBL_SESSION, S_DELETE_OTHERS, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*hashes = arena_alloc(a, (size_t)PQntuples(r) * sizeof(**hashes) + 1);
	if (*hashes == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	for (int i = 0; i < PQntuples(r); i++)
		if (PQgetlength(r, i, 0) == 32)
			memcpy((*hashes)[(*n)++], PQgetvalue(r, i, 0), 32);
out:
	PQclear(r);
	return rc;
}
