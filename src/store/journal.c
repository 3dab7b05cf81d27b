/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The journal of what devices overwrote and deleted, and how far bringing it back has come.  Values are sealed by the caller. */
#include "store_int.h"

#define COLUMNS "id, account, device, object, at, expires, tried, ct, op, state, place, note, fields"

enum { S_ADD, S_DROP, S_TRIM, S_LIST, S_WANT, S_ACCOUNTS, S_WANTED, S_CLAIM, S_END };
static const struct pg_stmt stmts[] = {
	[S_ADD] = { "store_journal_add",
	    "INSERT INTO journal (account, device, object, at, expires, digest, ct, op, place, fields, sealed)"
	    " VALUES ($1::int8, $2::int4, $3::int8, $4::int8, $5::int8, $6::int8, $7::int2, $8::int2, $9::text, $10::bytea, $11::bytea)"
	    " ON CONFLICT (device, digest) DO NOTHING RETURNING id", 11 },
	[S_DROP] = { "store_journal_drop", "DELETE FROM journal WHERE id = $1::int8", 1 },
	[S_TRIM] = { "store_journal_trim",
	    "DELETE FROM journal WHERE account = $1::int8 AND id <="
	    " (SELECT id FROM journal WHERE account = $1::int8 ORDER BY id DESC OFFSET $2::int8 LIMIT 1)", 2 },
	[S_LIST] = { "store_journal_list",
	    "SELECT " COLUMNS ", NULL::bytea FROM journal WHERE device = $1::int4 AND account = (SELECT account FROM device WHERE id = $1::int4)"
	    " AND at >= $2::int8 AND ($3::text = '' OR place = $3::text) ORDER BY account, id LIMIT $4::int8", 4 },
	[S_WANT] = { "store_journal_want",
	    "UPDATE journal SET state = 1, note = '' WHERE device = $1::int4 AND account = (SELECT account FROM device WHERE id = $1::int4)"
	    " AND at >= $2::int8 AND ($3::text = '' OR place = $3::text) AND state IN (0, 4) AND sealed IS NOT NULL", 3 },
	[S_ACCOUNTS] = { "store_journal_accounts",
	    "SELECT account FROM journal WHERE state IN (1, 2)"
	    " UNION SELECT d.account FROM guard_create g JOIN device d ON d.id = g.device WHERE g.state = 1 LIMIT $1::int8", 1 },
	[S_WANTED] = { "store_journal_wanted",
	    "SELECT " COLUMNS ", sealed FROM journal WHERE account = $1::int8 AND state IN (1, 2) AND (place, object) ="
	    " (SELECT place, object FROM journal WHERE account = $1::int8 AND state IN (1, 2) AND (state = 1 OR tried <= $2::int8)"
	    " ORDER BY tried, object LIMIT 1) ORDER BY id DESC LIMIT 200", 2 },
	[S_CLAIM] = { "store_journal_claim",
	    "UPDATE journal SET state = 2, tried = $4::int8 WHERE id = $1::int8 AND state = $2::int2 AND tried = $3::int8", 4 },
	[S_END] = { "store_journal_end", "UPDATE journal SET state = $2::int2, note = left($3::text, 200) WHERE id = $1::int8", 3 },
};
const struct pg_table store_journal_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_journal_add(struct store_conn *c, struct store_journal *x, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	struct buf b;
	enum rc rc;

	x->id = 0;
	buf_init(&b, 0);
	write_fields_pack(x->f, x->nf, &b);
	pg_i64(&p, x->account);
	pg_i32(&p, (int32_t)x->device);
	pg_i64(&p, x->object);
	pg_i64(&p, x->at);
	pg_i64(&p, x->expires);
	pg_u64(&p, x->digest);
	pg_i16(&p, (int16_t)x->ct);
	pg_i16(&p, (int16_t)x->op);
	pg_text(&p, x->place);
	pg_buf(&p, &b);
	if (x->sealed != NULL)
		pg_bytes(&p, x->sealed, x->sealed_len);
	else
		pg_null(&p);
	rc = b.failed ? err_set(e, RC_NOMEM, "out of memory") : pg_exec(c, TBL_JOURNAL, S_ADD, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) > 0)
		x->id = pg_get_i64(r, 0, 0);
	PQclear(r);
	buf_fini(&b);
	return rc;
}

enum rc
store_journal_drop(struct store_conn *c, int64_t id, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, id);
	return pg_exec(c, TBL_JOURNAL, S_DROP, &p, NULL, e);
}

enum rc
store_journal_trim(struct store_conn *c, int64_t account, int64_t keep, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, account);
	pg_i64(&p, keep);
	return pg_exec(c, TBL_JOURNAL, S_TRIM, &p, NULL, e);
}

static enum rc
load(struct arena *a, const PGresult *r, int row, struct store_journal *x)
{
	size_t n;
	const void *p;

	*x = (struct store_journal){ .id = pg_get_i64(r, row, 0), .account = pg_get_i64(r, row, 1), .device = pg_get_i32(r, row, 2),
		.object = pg_get_i64(r, row, 3), .at = pg_get_i64(r, row, 4), .expires = pg_get_i64(r, row, 5), .tried = pg_get_i64(r, row, 6),
		.ct = (enum content)pg_get_i16(r, row, 7), .op = (enum journal_op)pg_get_i16(r, row, 8),
		.state = (enum journal_state)pg_get_i16(r, row, 9), .place = pg_get_text(a, r, row, 10), .note = pg_get_text(a, r, row, 11) };
	if (x->place == NULL || x->note == NULL)
		return RC_NOMEM;
	if (!PQgetisnull(r, row, 13)) {
		p = pg_get_bytes(r, row, 13, &x->sealed_len);
		x->sealed = arena_memdup(a, p, x->sealed_len);
		if (x->sealed == NULL)
			return RC_NOMEM;
	}
	p = pg_get_bytes(r, row, 12, &n);
	return write_fields_unpack(a, p, n, &x->f, &x->nf);
}

static enum rc
load_all(struct arena *a, const PGresult *r, struct store_journal **out, size_t *n, struct err *e)
{
	size_t rows = (size_t)PQntuples(r);
	enum rc rc = RC_OK;

	*out = arena_array(a, struct store_journal, rows);
	if (*out == NULL)
		rc = RC_NOMEM;
	for (size_t i = 0; i < rows && rc == RC_OK; i++)
		rc = load(a, r, (int)i, &(*out)[i]);
	if (rc != RC_OK)
		return err_set(e, rc, rc == RC_NOMEM ? "out of memory" : "a journal entry cannot be read");
	*n = rows;
	return RC_OK;
}

enum rc
store_journal_list(struct store_conn *c, struct arena *a, int64_t device, msec_t since, const char *folder, size_t max,
    struct store_journal **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, since);
	pg_text(&p, folder != NULL ? folder : "");
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_JOURNAL, S_LIST, &p, &r, e);
	if (rc == RC_OK)
		rc = load_all(a, r, out, n, e);
	PQclear(r);
	return rc;
}

enum rc
store_journal_want(struct store_conn *c, int64_t device, msec_t since, const char *folder, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	*n = 0;
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, since);
	pg_text(&p, folder != NULL ? folder : "");
	return pg_exec_count(c, TBL_JOURNAL, S_WANT, &p, n, e);
}

enum rc
store_journal_accounts(struct store_conn *c, int64_t *out, size_t max, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*n = 0;
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_JOURNAL, S_ACCOUNTS, &p, &r, e);
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++)
		out[(*n)++] = pg_get_i64(r, i, 0);
	PQclear(r);
	return rc;
}

enum rc
store_journal_wanted(struct store_conn *c, struct arena *a, int64_t account, msec_t before, struct store_journal **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i64(&p, account);
	pg_i64(&p, before);
	rc = pg_exec(c, TBL_JOURNAL, S_WANTED, &p, &r, e);
	if (rc == RC_OK)
		rc = load_all(a, r, out, n, e);
	PQclear(r);
	return rc;
}

enum rc
store_journal_claim(struct store_conn *c, const struct store_journal *x, msec_t now, bool *won, struct err *e)
{
	struct pg_params p = { .n = 0 };
	size_t n = 0;
	enum rc rc;

	pg_i64(&p, x->id);
	pg_i16(&p, (int16_t)x->state);
	pg_i64(&p, x->tried);
	pg_i64(&p, now);
	rc = pg_exec_count(c, TBL_JOURNAL, S_CLAIM, &p, &n, e);
	*won = rc == RC_OK && n == 1;
	return rc;
}

enum rc
store_journal_end(struct store_conn *c, int64_t id, enum journal_state state, const char *note, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, id);
	pg_i16(&p, (int16_t)state);
	pg_text(&p, note);
	return pg_exec(c, TBL_JOURNAL, S_END, &p, NULL, e);
}
