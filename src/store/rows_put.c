/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing the rows of a folder index: whole batches as arrays in one statement; and a row's form in the database. */
#include "rows_int.h"

#include <string.h>

enum { S_PIM_OLD, S_MAIL_OLD, S_PIM_TOP, S_MAIL_TOP, S_SPANS };
static const struct pg_stmt stmts[] = {
	[S_PIM_OLD] = { "store_rows_put_pim",
	    "INSERT INTO pim_row AS p (folder, id, cn, sk, cid, dead, odd, body) SELECT $1::int4, u.* FROM"
	    " unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::bool[], $7::bool[], $8::bytea[]) u"
	    " ON CONFLICT (folder, id) DO UPDATE SET cn = excluded.cn, sk = excluded.sk, cid = excluded.cid,"
	    " dead = excluded.dead, odd = excluded.odd, body = excluded.body", 8 },
	[S_MAIL_OLD] = { "store_rows_put_mail_old",
	    "WITH u AS MATERIALIZED (SELECT * FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::bool[], $6::bytea[])"
	    " u(id, cn, cid, dead, body)), done AS (UPDATE mail_row m SET cn = v.cn, cid = v.cid, dead = v.dead, body = v.body"
	    /* found by one probe each (see store_rows_get_mail), then updated where they lie */
	    " FROM (SELECT u.*, x.at FROM u CROSS JOIN LATERAL (SELECT ctid AS at FROM mail_row WHERE folder = $1::int4"
	    " AND (id >> 6) = (u.id >> 6) AND id = u.id OFFSET 0) x) v WHERE m.ctid = v.at RETURNING m.id)"
	    " INSERT INTO mail_row (folder, id, cn, cid, dead, body) SELECT $1::int4, u.* FROM u"
	    " WHERE u.id NOT IN (SELECT id FROM done)", 6 },
	[S_PIM_TOP] = { "store_rows_put_pim_top",
	    "SELECT id FROM pim_row WHERE folder = $1::int4 ORDER BY id DESC LIMIT 1", 1 },
	[S_MAIL_TOP] = { "store_rows_put_mail_top",
	    "SELECT id FROM mail_row WHERE folder = $1::int4 ORDER BY (id >> 6) DESC, id DESC LIMIT 1", 1 },
	[S_SPANS] = { "store_rows_put_spans",
	    "INSERT INTO mail_span AS s (folder, block, t0, t1)"
	    " SELECT $1::int4, u.block, min(u.t0), max(u.t1) FROM unnest($2::int8[], $3::int8[], $4::int8[]) u(block, t0, t1)"
	    /* a block that covers the dates already is not even locked: locking dirties its page */
	    " WHERE NOT EXISTS (SELECT FROM mail_span h WHERE h.folder = $1::int4 AND h.block = u.block"
	    " AND h.t0 <= u.t0 AND h.t1 >= u.t1) GROUP BY u.block"
	    " ON CONFLICT (folder, block) DO UPDATE SET t0 = least(s.t0, excluded.t0), t1 = greatest(s.t1, excluded.t1)", 4 },
};
const struct pg_table store_put_stmts = { stmts, ARRAY_LEN(stmts) };

/* rows that cannot be there yet are copied: half the time of an INSERT that looks for a conflict */
#define COPY_PIM "COPY pim_row (folder, id, cn, sk, cid, dead, odd, body) FROM STDIN (FORMAT binary)"
#define COPY_MAIL "COPY mail_row (folder, id, cn, cid, dead, body) FROM STDIN (FORMAT binary)"

#define PUT_CHUNK 8192U /* rows a statement: bounds the memory that one takes here and in the server */

/* ---- a row's form ---- */

bool
row_orders_by_sk(enum content ct)
{
	return ct == CT_CALENDAR || ct == CT_TASK || ct == CT_FOLDER; /* of a folder it is its place in the hierarchy */
}

/* Can the time range of R not be found through sk? */
static bool
row_is_odd(enum content ct, const struct row *r)
{
	if (r->t0 == TIME_MIN && r->t1 == TIME_MAX)
		return false;
	if (!row_orders_by_sk(ct) || (r->t0 != r->sk && r->t0 != TIME_MIN))
		return true;
	return r->t1 != TIME_MAX && (r->t1 < r->sk || (uint64_t)r->t1 - (uint64_t)r->sk > (uint64_t)ROW_SPAN_MS);
}

int64_t
client_id_hash(const char *client_id)
{
	unsigned char d[32];
	int64_t v;

	sha256(client_id, strlen(client_id), d);
	memcpy(&v, d, sizeof(v));
	return v;
}

/* A mail's date is both ends of its time range: it is written once, in front (+1; 0 = a range written in full). */
static void
row_body_pack(enum content ct, const struct row *r, struct buf *b)
{
	struct row slim;

	if (ct == CT_MAIL && r->t0 == r->t1 && r->t0 >= 0) {
		slim = *r;
		slim.t0 = TIME_MIN;
		slim.t1 = TIME_MAX;
		buf_add_uv(b, (uint64_t)r->t0 + 1);
		row_pack(&slim, b);
		return;
	}
	if (ct == CT_MAIL)
		buf_add_uv(b, 0);
	row_pack(r, b);
}

enum rc
row_body_unpack(struct arena *a, enum content ct, const void *p, size_t n, struct row *r)
{
	struct reader in = { .p = p, .end = (const unsigned char *)p + n };
	uint64_t date = ct == CT_MAIL ? reader_uv(&in) : 0;
	enum rc rc;

	if (in.failed)
		return RC_INTERNAL;
	rc = row_unpack(a, in.p, (size_t)(in.end - in.p), r);
	if (rc == RC_OK && date != 0)
		r->t0 = r->t1 = (msec_t)(date - 1);
	return rc;
}

/* ---- batches ---- */

enum { C_ID, C_CN, C_SK, C_CID, C_DEAD, C_ODD, C_BODY, C_COUNT };
struct batch {
	struct buf col[C_COUNT]; /* arrays, one a column */
	struct buf copy;         /* or all columns of a tuple behind each other */
	struct buf scratch;
	size_t n;
};

static void
batch_begin(struct batch *b)
{
	static const uint32_t type[C_COUNT] = {
		[C_ID] = PG_OID_INT8, [C_CN] = PG_OID_INT8, [C_SK] = PG_OID_INT8, [C_CID] = PG_OID_INT8,
		[C_DEAD] = PG_OID_BOOL, [C_ODD] = PG_OID_BOOL, [C_BODY] = PG_OID_BYTEA,
	};

	for (int i = 0; i < C_COUNT; i++)
		pg_array_begin(&b->col[i], type[i]);
	pg_copy_begin(&b->copy);
	b->n = 0;
}

static void
batch_init(struct batch *b)
{
	for (int i = 0; i < C_COUNT; i++)
		buf_init(&b->col[i], 0);
	buf_init(&b->copy, 0);
	buf_init(&b->scratch, 0);
	batch_begin(b);
}

static void
batch_fini(struct batch *b)
{
	for (int i = 0; i < C_COUNT; i++)
		buf_fini(&b->col[i]);
	buf_fini(&b->copy);
	buf_fini(&b->scratch);
}

static void
add_number(struct buf *b, bool set, int64_t v)
{
	if (set)
		pg_array_i64(b, v);
	else
		pg_array_null(b);
}

/* R's columns, each into its array or, with COPY, behind each other. */
static void
batch_add(struct batch *b, const struct store_folder *f, const struct row *r, bool copy)
{
	struct buf *to[C_COUNT];
	bool mail = f->ct == CT_MAIL;

	for (int i = 0; i < C_COUNT; i++)
		to[i] = copy ? &b->copy : &b->col[i];
	buf_reset(&b->scratch);
	row_body_pack(f->ct, r, &b->scratch);
	if (b->scratch.failed) {
		to[C_BODY]->failed = true;
		return;
	}
	if (copy) {
		pg_copy_tuple(&b->copy, mail ? 6 : 8);
		pg_array_i32(&b->copy, (int32_t)f->id);
	}
	pg_array_i64(to[C_ID], r->id);
	pg_array_i64(to[C_CN], (int64_t)r->cn);
	if (!mail)
		add_number(to[C_SK], row_orders_by_sk(f->ct), r->sk);
	add_number(to[C_CID], r->client_id != NULL, r->client_id != NULL ? client_id_hash(r->client_id) : 0);
	pg_array_bool(to[C_DEAD], r->dead);
	if (!mail)
		pg_array_bool(to[C_ODD], row_is_odd(f->ct, r));
	pg_array_bytes(to[C_BODY], b->scratch.p, b->scratch.len);
	b->n++;
}

static enum rc
batch_send(struct store_conn *c, const struct store_folder *f, struct batch *b, bool copy, struct err *e)
{
	bool mail = f->ct == CT_MAIL;
	struct pg_params p = { .n = 0 };
	enum rc rc;

	if (b->n == 0)
		return RC_OK;
	if (copy) {
		rc = pg_copy(c, mail ? COPY_MAIL : COPY_PIM, &b->copy, e);
		batch_begin(b);
		return rc;
	}
	pg_i32(&p, (int32_t)f->id);
	for (int i = 0; i < C_COUNT; i++) {
		if (mail && (i == C_SK || i == C_ODD))
			continue;
		pg_array_end(&b->col[i], b->n);
		if (b->col[i].failed)
			return err_set(e, RC_NOMEM, "out of memory");
		pg_buf(&p, &b->col[i]);
	}
	rc = pg_exec(c, TBL_PUT, mail ? S_MAIL_OLD : S_PIM_OLD, &p, NULL, e);
	batch_begin(b);
	return rc;
}

/* The id above which every row is new; INT64_MIN for an empty index. */
static enum rc
top_id(struct store_conn *c, const struct store_folder *f, int64_t *top, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i32(&p, (int32_t)f->id);
	rc = pg_exec(c, TBL_PUT, f->ct == CT_MAIL ? S_MAIL_TOP : S_PIM_TOP, &p, &r, e);
	*top = rc == RC_OK && PQntuples(r) > 0 ? pg_get_i64(r, 0, 0) : INT64_MIN;
	PQclear(r);
	return rc;
}

/* Widens the spans of the blocks that ROWS lie in; rows of one block usually follow each other and make one entry. */
static enum rc
put_spans(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct batch *b, struct err *e)
{
	struct pg_params p = { .n = 0 };
	int64_t block = 0;
	msec_t t0 = TIME_MAX, t1 = TIME_MIN;
	enum rc rc;

	batch_begin(b);
	for (size_t i = 0; i <= n; i++) {
		bool end = i == n || (rows[i]->id >> 10) != block;

		if (end && t0 <= t1) {
			pg_array_i64(&b->col[C_ID], block);
			pg_array_i64(&b->col[C_CN], t0);
			pg_array_i64(&b->col[C_SK], t1);
			b->n++;
		}
		if (i == n)
			break;
		if (end) {
			block = rows[i]->id >> 10;
			t0 = TIME_MAX;
			t1 = TIME_MIN;
		}
		if (rows[i]->t0 == TIME_MIN && rows[i]->t1 == TIME_MAX)
			continue; /* without a date: never moves */
		t0 = rows[i]->t0 < t0 ? rows[i]->t0 : t0;
		t1 = rows[i]->t1 > t1 ? rows[i]->t1 : t1;
	}
	if (b->n == 0)
		return RC_OK;
	pg_array_end(&b->col[C_ID], b->n);
	pg_array_end(&b->col[C_CN], b->n);
	pg_array_end(&b->col[C_SK], b->n);
	if (b->col[C_ID].failed || b->col[C_CN].failed || b->col[C_SK].failed)
		return err_set(e, RC_NOMEM, "out of memory");
	pg_i32(&p, (int32_t)f->id);
	pg_buf(&p, &b->col[C_ID]);
	pg_buf(&p, &b->col[C_CN]);
	pg_buf(&p, &b->col[C_SK]);
	rc = pg_exec(c, TBL_PUT, S_SPANS, &p, NULL, e);
	batch_begin(b);
	return rc;
}

/* The rows above TOP, or those that are not. */
static enum rc
put_part(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct batch *b,
    int64_t top, bool above, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		if ((rows[i]->id > top) == above)
			batch_add(b, f, rows[i], above);
		if (b->n == PUT_CHUNK || i == n - 1)
			rc = batch_send(c, f, b, above, e);
	}
	return rc;
}

enum rc
store_rows_put(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct err *e)
{
	struct batch b;
	int64_t top = 0;
	enum rc rc;

	if (n == 0)
		return RC_OK;
	batch_init(&b);
	rc = top_id(c, f, &top, e);
	if (rc == RC_OK)
		rc = put_part(c, f, rows, n, &b, top, false, e);
	if (rc == RC_OK)
		rc = put_part(c, f, rows, n, &b, top, true, e);
	if (rc == RC_OK && f->ct == CT_MAIL)
		rc = put_spans(c, f, rows, n, &b, e);
	batch_fini(&b);
	return rc;
}
