/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing the rows of a folder index: whole batches as arrays in one statement; and a row's form in the database. */
#include "rows_int.h"

#include <string.h>

enum { S_PIM, S_MAIL_TOP, S_MAIL_NEW, S_MAIL_OLD, S_SPANS };
static const struct pg_stmt stmts[] = {
	[S_PIM] = { "store_rows_put_pim",
	    "INSERT INTO pim_row AS p (folder, id, cn, sk, cid, dead, odd, body) SELECT $1::int4, u.* FROM"
	    " unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::bool[], $7::bool[], $8::bytea[]) u"
	    " ON CONFLICT (folder, id) DO UPDATE SET cn = excluded.cn, sk = excluded.sk, cid = excluded.cid,"
	    " dead = excluded.dead, odd = excluded.odd, body = excluded.body", 8 },
	[S_MAIL_TOP] = { "store_rows_put_top",
	    "SELECT id FROM mail_row WHERE folder = $1::int4 ORDER BY (id >> 6) DESC, id DESC LIMIT 1", 1 },
	[S_MAIL_NEW] = { "store_rows_put_mail_new",
	    "INSERT INTO mail_row (folder, id, cn, cid, dead, body) SELECT $1::int4, u.* FROM"
	    " unnest($2::int8[], $3::int8[], $4::int8[], $5::bool[], $6::bytea[]) u", 6 },
	[S_MAIL_OLD] = { "store_rows_put_mail_old",
	    "WITH u AS MATERIALIZED (SELECT * FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::bool[], $6::bytea[])"
	    " u(id, cn, cid, dead, body)), done AS (UPDATE mail_row m SET cn = u.cn, cid = u.cid, dead = u.dead, body = u.body"
	    " FROM u WHERE m.folder = $1::int4 AND (m.id >> 6) = (u.id >> 6) AND m.id = u.id RETURNING m.id)"
	    " INSERT INTO mail_row (folder, id, cn, cid, dead, body) SELECT $1::int4, u.* FROM u"
	    " WHERE u.id NOT IN (SELECT id FROM done)", 6 },
	[S_SPANS] = { "store_rows_put_spans",
	    "INSERT INTO mail_span AS s (folder, block, t0, t1)"
	    " SELECT $1::int4, u.block, min(u.t0), max(u.t1) FROM unnest($2::int8[], $3::int8[], $4::int8[]) u(block, t0, t1)"
	    /* a block that covers the dates already is not even locked: locking dirties its page */
	    " WHERE NOT EXISTS (SELECT FROM mail_span h WHERE h.folder = $1::int4 AND h.block = u.block"
	    " AND h.t0 <= u.t0 AND h.t1 >= u.t1) GROUP BY u.block"
	    " ON CONFLICT (folder, block) DO UPDATE SET t0 = least(s.t0, excluded.t0), t1 = greatest(s.t1, excluded.t1)", 4 },
};
const struct pg_table store_put_stmts = { stmts, ARRAY_LEN(stmts) };

#define PUT_CHUNK 8192U /* rows a statement: bounds the memory that one takes here and in the server */

/* ---- a row's form ---- */

bool
row_orders_by_sk(enum content ct)
{
	return ct == CT_CALENDAR || ct == CT_TASK;
}

bool
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
void
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

struct batch {
	struct buf id, cn, sk, cid, dead, odd, body, scratch;
	size_t n;
};

static void
batch_begin(struct batch *b)
{
	pg_array_begin(&b->id, PG_OID_INT8);
	pg_array_begin(&b->cn, PG_OID_INT8);
	pg_array_begin(&b->sk, PG_OID_INT8);
	pg_array_begin(&b->cid, PG_OID_INT8);
	pg_array_begin(&b->dead, PG_OID_BOOL);
	pg_array_begin(&b->odd, PG_OID_BOOL);
	pg_array_begin(&b->body, PG_OID_BYTEA);
	b->n = 0;
}

static void
batch_init(struct batch *b)
{
	struct buf *all[] = { &b->id, &b->cn, &b->sk, &b->cid, &b->dead, &b->odd, &b->body, &b->scratch };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_init(all[i], 0);
	batch_begin(b);
}

static void
batch_fini(struct batch *b)
{
	struct buf *all[] = { &b->id, &b->cn, &b->sk, &b->cid, &b->dead, &b->odd, &b->body, &b->scratch };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_fini(all[i]);
}

static void
batch_add(struct batch *b, enum content ct, const struct row *r)
{
	pg_array_i64(&b->id, r->id);
	pg_array_i64(&b->cn, (int64_t)r->cn);
	if (row_orders_by_sk(ct))
		pg_array_i64(&b->sk, r->sk);
	else
		pg_array_null(&b->sk);
	if (r->client_id != NULL)
		pg_array_i64(&b->cid, client_id_hash(r->client_id));
	else
		pg_array_null(&b->cid);
	pg_array_bool(&b->dead, r->dead);
	pg_array_bool(&b->odd, row_is_odd(ct, r));
	buf_reset(&b->scratch);
	row_body_pack(ct, r, &b->scratch);
	if (b->scratch.failed)
		b->body.failed = true;
	else
		pg_array_bytes(&b->body, b->scratch.p, b->scratch.len);
	b->n++;
}

static enum rc
batch_send(struct store_conn *c, const struct store_folder *f, struct batch *b, unsigned stmt, struct err *e)
{
	struct buf *pim[] = { &b->id, &b->cn, &b->sk, &b->cid, &b->dead, &b->odd, &b->body };
	struct buf *mail[] = { &b->id, &b->cn, &b->cid, &b->dead, &b->body };
	struct buf **cols = stmt == S_PIM ? pim : mail;
	size_t n = stmt == S_PIM ? ARRAY_LEN(pim) : ARRAY_LEN(mail);
	struct pg_params p = { .n = 0 };
	enum rc rc;

	if (b->n == 0)
		return RC_OK;
	pg_i32(&p, (int32_t)f->id);
	for (size_t i = 0; i < n; i++) {
		pg_array_end(cols[i], b->n);
		if (cols[i]->failed)
			return err_set(e, RC_NOMEM, "out of memory");
		pg_buf(&p, cols[i]);
	}
	rc = pg_exec(c, TBL_PUT, stmt, &p, NULL, e);
	batch_begin(b);
	return rc;
}

/* The uid above which every mail is new; INT64_MIN for an empty index. */
static enum rc
mail_top(struct store_conn *c, const struct store_folder *f, int64_t *top, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i32(&p, (int32_t)f->id);
	rc = pg_exec(c, TBL_PUT, S_MAIL_TOP, &p, &r, e);
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
			pg_array_i64(&b->id, block);
			pg_array_i64(&b->cn, t0);
			pg_array_i64(&b->sk, t1);
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
	pg_array_end(&b->id, b->n);
	pg_array_end(&b->cn, b->n);
	pg_array_end(&b->sk, b->n);
	if (b->id.failed || b->cn.failed || b->sk.failed)
		return err_set(e, RC_NOMEM, "out of memory");
	pg_i32(&p, (int32_t)f->id);
	pg_buf(&p, &b->id);
	pg_buf(&p, &b->cn);
	pg_buf(&p, &b->sk);
	rc = pg_exec(c, TBL_PUT, S_SPANS, &p, NULL, e);
	batch_begin(b);
	return rc;
}

static enum rc
put_mail(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct batch *b, struct err *e)
{
	int64_t top;
	enum rc rc = mail_top(c, f, &top, e);

	/* mails that may be there already first: S_MAIL_OLD must not see the new ones of this call as its own */
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		if (rows[i]->id <= top)
			batch_add(b, f->ct, rows[i]);
		if (b->n == PUT_CHUNK || i == n - 1)
			rc = batch_send(c, f, b, S_MAIL_OLD, e);
	}
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		if (rows[i]->id > top)
			batch_add(b, f->ct, rows[i]);
		if (b->n == PUT_CHUNK || i == n - 1)
			rc = batch_send(c, f, b, S_MAIL_NEW, e);
	}
	return rc == RC_OK ? put_spans(c, f, rows, n, b, e) : rc;
}

enum rc
store_rows_put(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct err *e)
{
	struct batch b;
	enum rc rc = RC_OK;

	if (n == 0)
		return RC_OK;
	batch_init(&b);
	if (f->ct == CT_MAIL) {
		rc = put_mail(c, f, rows, n, &b, e);
	} else {
		for (size_t i = 0; i < n && rc == RC_OK; i++) {
			batch_add(&b, f->ct, rows[i]);
			if (b.n == PUT_CHUNK || i == n - 1)
				rc = batch_send(c, f, &b, S_PIM, e);
		}
	}
	batch_fini(&b);
	return rc;
}
