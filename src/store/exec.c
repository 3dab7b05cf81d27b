/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The one place that executes SQL: prepared statements with binary parameters and results, and what PostgreSQL's
 * SQLSTATEs mean for a caller.  Knows no table.
 */
#include "store_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct pg_table *
pg_table(enum stmt_table t)
{
	static const struct pg_table *const tables[TBL_COUNT] = {
		[TBL_POOL] = &store_pool_stmts, [TBL_ACCOUNT] = &store_account_stmts,
		[TBL_SESSION] = &store_session_stmts, [TBL_FOLDER] = &store_folder_stmts,
		[TBL_ROWS] = &store_rows_stmts, [TBL_PUT] = &store_put_stmts, [TBL_CURSOR] = &store_cursor_stmts,
		[TBL_WRITES] = &store_writes_stmts, [TBL_INTENT] = &store_intent_stmts, [TBL_MAILOP] = &store_mailop_stmts,
		[TBL_CONFLICT] = &store_conflict_stmts, [TBL_ASIDE] = &store_aside_stmts, [TBL_JOURNAL] = &store_journal_stmts, [TBL_GUARD] = &store_guard_stmts, [TBL_PATH] = &store_path_stmts,
		[TBL_SEALED] = &store_sealed_stmts,
		[TBL_EXPIRE] = &store_expire_stmts, [TBL_LIST] = &store_list_stmts, [TBL_ACT] = &store_act_stmts,
	};

	return tables[t];
}

/* ---- parameters ---- */

static void
put_be(unsigned char *q, uint64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--, v >>= 8)
		q[i] = (unsigned char)v;
}

static void
add_num(struct pg_params *p, uint64_t v, int n)
{
	if (p->n >= PG_MAX_PARAMS)
		abort();
	put_be(p->num[p->n], v, n);
	p->v[p->n] = (const char *)p->num[p->n];
	p->len[p->n++] = n;
}

void
pg_i64(struct pg_params *p, int64_t v)
{
	add_num(p, (uint64_t)v, 8);
}

void
pg_u64(struct pg_params *p, uint64_t v)
{
	add_num(p, v, 8);
}

void
pg_i32(struct pg_params *p, int32_t v)
{
	add_num(p, (uint32_t)v, 4);
}

void
pg_i16(struct pg_params *p, int16_t v)
{
	add_num(p, (uint16_t)v, 2);
}

void
pg_bool(struct pg_params *p, bool v)
{
	add_num(p, v, 1);
}

void
pg_bytes(struct pg_params *p, const void *v, size_t n)
{
	if (p->n >= PG_MAX_PARAMS || n > INT32_MAX)
		abort(); /* callers bound their buffers far below */
	p->v[p->n] = n == 0 ? "" : v;
	p->len[p->n++] = (int)n;
}

void
pg_text(struct pg_params *p, const char *s)
{
	pg_bytes(p, s, strlen(s));
}

void
pg_null(struct pg_params *p)
{
	if (p->n >= PG_MAX_PARAMS)
		abort();
	p->v[p->n] = NULL;
	p->len[p->n++] = 0;
}

void
pg_buf(struct pg_params *p, const struct buf *b)
{
	pg_bytes(p, b->p, b->len);
}

static void
buf_add_be(struct buf *b, uint64_t v, int n)
{
	unsigned char tmp[8];

	put_be(tmp, v, n);
	buf_add(b, tmp, (size_t)n);
}

#define ARRAY_HEADER 20 /* dimensions, has-nulls, element type, length, lower bound: 4 bytes each */

void
pg_array_begin(struct buf *b, uint32_t oid)
{
	buf_reset(b);
	buf_add_be(b, 1, 4);
	buf_add_be(b, 1, 4); /* "may hold NULL" costs the server nothing */
	buf_add_be(b, oid, 4);
	buf_add_be(b, 0, 4);
	buf_add_be(b, 1, 4);
}

void
pg_array_end(struct buf *b, size_t n)
{
	if (!b->failed && b->len >= ARRAY_HEADER)
		put_be((unsigned char *)b->p + 12, n, 4);
}

void
pg_array_i64(struct buf *b, int64_t v)
{
	buf_add_be(b, 8, 4);
	buf_add_be(b, (uint64_t)v, 8);
}

void
pg_array_i32(struct buf *b, int32_t v)
{
	buf_add_be(b, 4, 4);
	buf_add_be(b, (uint32_t)v, 4);
}

void
pg_array_bool(struct buf *b, bool v)
{
	buf_add_be(b, 1, 4);
	buf_add_be(b, v, 1);
}

void
pg_array_null(struct buf *b)
{
	buf_add_be(b, UINT32_MAX, 4);
}

void
pg_array_bytes(struct buf *b, const void *p, size_t n)
{
	buf_add_be(b, n, 4);
	buf_add(b, p, n);
}

void
pg_copy_begin(struct buf *b)
{
	static const char head[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

	buf_reset(b);
	buf_add(b, head, sizeof(head)); /* signature, flags, length of the header's extension */
}

void
pg_copy_tuple(struct buf *b, unsigned columns)
{
	buf_add_be(b, columns, 2);
}

/* ---- results ---- */

static uint64_t
get_be(const PGresult *r, int row, int col, int n)
{
	const unsigned char *p = (const unsigned char *)PQgetvalue(r, row, col);
	uint64_t v = 0;

	if (PQgetlength(r, row, col) != n)
		return 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

int64_t
pg_get_i64(const PGresult *r, int row, int col)
{
	return (int64_t)get_be(r, row, col, 8);
}

int32_t
pg_get_i32(const PGresult *r, int row, int col)
{
	return (int32_t)(uint32_t)get_be(r, row, col, 4);
}

int16_t
pg_get_i16(const PGresult *r, int row, int col)
{
	return (int16_t)(uint16_t)get_be(r, row, col, 2);
}

bool
pg_get_bool(const PGresult *r, int row, int col)
{
	return get_be(r, row, col, 1) != 0;
}

char *
pg_get_text(struct arena *a, const PGresult *r, int row, int col)
{
	/* libpq puts a NUL behind every value */
	return arena_memdup(a, PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col) + 1);
}

const void *
pg_get_bytes(const PGresult *r, int row, int col, size_t *n)
{
	*n = (size_t)PQgetlength(r, row, col);
	return PQgetvalue(r, row, col);
}

/* ---- execution ---- */

/* What a failed statement means; the texts of PostgreSQL end with a line feed and may span lines. */
static enum rc
failure(PGconn *pg, const PGresult *r, const char *what, bool *retry, struct err *e)
{
	const char *state = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *msg = r != NULL ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	char text[160];

	(void)snprintf(text, sizeof(text), "%s", msg != NULL ? msg : PQerrorMessage(pg));
	text[strcspn(text, "\n")] = '\0';
	if (state == NULL)
		state = "";
	if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0) {
		*retry = true;
		return err_set(e, RC_BUSY, "%s: %s", what, text);
	}
	if (strcmp(state, "55P03") == 0) /* lock_timeout */
		return err_set(e, RC_BUSY, "%s: %s", what, text);
	if (PQstatus(pg) != CONNECTION_OK || strncmp(state, "57P", 3) == 0 || strncmp(state, "53", 2) == 0 ||
	    strncmp(state, "08", 2) == 0 || strncmp(state, "58", 2) == 0 || strcmp(state, "57014") == 0 ||
	    strcmp(state, "25006") == 0)
		return err_set(e, RC_UPSTREAM, "PostgreSQL, %s: %s%s%s", what, text, state[0] != '\0' ? " " : "", state);
	if (strcmp(state, "23505") == 0)
		return err_set(e, RC_CONFLICT, "%s: %s", what, text);
	if (strcmp(state, "23503") == 0)
		return err_set(e, RC_NOTFOUND, "%s: %s", what, text);
	return err_set(e, RC_INTERNAL, "PostgreSQL, %s: %s (SQLSTATE %s)", what, text, state[0] != '\0' ? state : "none");
}

/* Checks R and hands it over through OUT (NULL: clears it). */
static enum rc
finish(PGconn *pg, PGresult *r, const char *what, bool *retry, PGresult **out, struct err *e)
{
	ExecStatusType st = PQresultStatus(r);
	enum rc rc = RC_OK;

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK) {
		rc = failure(pg, r, what, retry, e);
		metric_count(F_PG_ERRORS, rc_name(rc), NULL);
	}
	if (rc == RC_OK && out != NULL)
		*out = r;
	else
		PQclear(r);
	return rc;
}

static int64_t
deadline(const struct store_conn *c)
{
	return pg_deadline_us(c->store->o.statement_timeout_ms);
}

static int64_t
begin(void)
{
	metric_add(M_PG_STATEMENTS, 1);
	work_times()->pg_statements++;
	return now_mono_us();
}

static void
end(int64_t began)
{
	int64_t us = now_mono_us() - began;

	metric_time(F_PG_TIME, NULL, us);
	work_times()->pg_us += us;
}

static enum rc
prepare(struct store_conn *c, enum stmt_table t, unsigned i, struct err *e)
{
	const struct pg_stmt *s = &pg_table(t)->stmt[i];
	enum rc rc;

	if ((c->prepared[t] >> i & 1) != 0)
		return RC_OK;
	/* types are casts in the SQL, so that the text alone says what a parameter is */
	rc = finish(c->pg, pg_await(c->pg, PQsendPrepare(c->pg, s->name, s->sql, s->n_params, NULL), deadline(c)), s->name, &c->retry, NULL, e);
	if (rc == RC_OK)
		c->prepared[t] |= UINT32_C(1) << i;
	return rc;
}

enum rc
pg_exec(struct store_conn *c, enum stmt_table t, unsigned i, struct pg_params *p, PGresult **res, struct err *e)
{
	static const int binary[PG_MAX_PARAMS] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	const struct pg_stmt *s = &pg_table(t)->stmt[i];
	int64_t began;
	enum rc rc;

	if (res != NULL)
		*res = NULL;
	if (p->n != s->n_params)
		return err_set(e, RC_INTERNAL, "%s: %d parameters given, it takes %d", s->name, p->n, s->n_params);
	rc = prepare(c, t, i, e);
	if (rc != RC_OK)
		return rc;
	began = begin();
	rc = finish(c->pg, pg_await(c->pg, PQsendQueryPrepared(c->pg, s->name, p->n, p->v, p->len, binary, 1), deadline(c)), s->name, &c->retry, res, e);
	end(began);
	return rc;
}

enum rc
pg_exec_count(struct store_conn *c, enum stmt_table t, unsigned i, struct pg_params *p, size_t *rows, struct err *e)
{
	PGresult *r = NULL;
	enum rc rc = pg_exec(c, t, i, p, &r, e);
	int64_t n = 0;

	if (rows != NULL)
		*rows = rc == RC_OK && parse_i64(PQcmdTuples(r), 0, INT64_MAX, &n) ? (size_t)n : 0;
	PQclear(r);
	return rc;
}

enum rc
pg_command(struct store_conn *c, const char *sql, struct err *e)
{
	int64_t began = begin();
	enum rc rc = finish(c->pg, pg_await(c->pg, PQsendQuery(c->pg, sql), deadline(c)), sql, &c->retry, NULL, e);

	end(began);
	return rc;
}

static enum rc
copy(struct store_conn *c, const char *sql, const struct buf *b, struct err *e)
{
	PGresult *r = pg_await(c->pg, PQsendQuery(c->pg, sql), deadline(c));

	if (PQresultStatus(r) != PGRES_COPY_IN)
		return finish(c->pg, r, sql, &c->retry, NULL, e);
	PQclear(r);
	if (!pg_put_copy(c->pg, b->p, b->len, deadline(c)))
		return failure(c->pg, NULL, sql, &c->retry, e);
	return finish(c->pg, pg_await(c->pg, 1, deadline(c)), sql, &c->retry, NULL, e);
}

enum rc
pg_copy(struct store_conn *c, const char *sql, struct buf *b, struct err *e)
{
	int64_t began;
	enum rc rc;

	buf_add_be(b, UINT16_MAX, 2);
	if (b->failed)
		return err_set(e, RC_NOMEM, "out of memory");
	began = begin();
	rc = copy(c, sql, b, e);
	end(began);
	return rc;
}

enum rc
pg_script(PGconn *pg, const char *sql, PGresult **res, struct err *e)
{
	bool retry = false;

	if (res != NULL)
		*res = NULL;
	return finish(pg, PQexec(pg, sql), "script", &retry, res, e);
}

enum rc
pg_query(PGconn *pg, const char *sql, int n, const char *const *v, unsigned timeout_ms, PGresult **res, struct err *e)
{
	bool retry = false;

	if (res != NULL)
		*res = NULL;
	return finish(pg, pg_await(pg, PQsendQueryParams(pg, sql, n, NULL, v, NULL, NULL, 0), pg_deadline_us(timeout_ms)), "set-up", &retry, res, e);
}
