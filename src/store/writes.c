/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The log of what a device wrote since its last acknowledged syncid (rule OWN of the sync model). */
#include "store_int.h"

enum { S_GET, S_ADD, S_SAVE, S_DELETE };
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_writes_get",
	    "SELECT wid, object, seq, cn, done, lm, fields FROM write_log"
	    " WHERE device = $1::int4 AND folder = $2::int4 ORDER BY wid", 2 },
	[S_ADD] = { "store_write_add",
	    "INSERT INTO write_log (device, folder, object, seq, cn, done, lm, fields)"
	    " VALUES ($1::int4, $2::int4, $3::int8, $4::int8, $5::int8, $6::bool, $7::int8, $8::bytea) RETURNING wid", 8 },
	[S_SAVE] = { "store_write_save",
	    "UPDATE write_log SET object = $2::int8, seq = $3::int8, cn = $4::int8, done = $5::bool, lm = $6::int8,"
	    " fields = $7::bytea WHERE wid = $1::int8", 7 },
	[S_DELETE] = { "store_write_delete", "DELETE FROM write_log WHERE wid = $1::int8", 1 },
};
const struct pg_table store_writes_stmts = { stmts, ARRAY_LEN(stmts) };

void
write_fields_pack(const struct write_field *f, unsigned nf, struct buf *b)
{
	buf_add_uv(b, nf);
	for (unsigned i = 0; i < nf; i++) {
		buf_add_uv(b, f[i].i);
		buf_add_u64le(b, f[i].fp);
		buf_add_uv(b, f[i].fcn);
	}
}

enum rc
write_fields_unpack(struct arena *a, const void *p, size_t n, struct write_field **f, unsigned *nf)
{
	struct reader r = { .p = p, .end = (const unsigned char *)p + n };
	uint64_t count = reader_uv(&r);

	*f = NULL;
	*nf = 0;
	if (r.failed || count > MODEL_MAX_FIELDS)
		return RC_INTERNAL;
	*f = arena_array(a, struct write_field, (size_t)count);
	if (*f == NULL)
		return RC_NOMEM;
	for (unsigned i = 0; i < count; i++) {
		uint64_t no = reader_uv(&r);

		if (no >= MODEL_MAX_FIELDS)
			return RC_INTERNAL;
		(*f)[i].i = (uint8_t)no;
		(*f)[i].fp = reader_u64le(&r);
		(*f)[i].fcn = reader_uv(&r);
	}
	*nf = (unsigned)count;
	return r.failed || r.p != r.end ? RC_INTERNAL : RC_OK;
}

static enum rc
load(struct arena *a, const PGresult *r, int row, struct write_entry *w)
{
	size_t n;
	const void *p = pg_get_bytes(r, row, 6, &n);

	*w = (struct write_entry){ .wid = pg_get_i64(r, row, 0), .id = pg_get_i64(r, row, 1),
		.seq = (uint64_t)pg_get_i64(r, row, 2), .cn = (uint64_t)pg_get_i64(r, row, 3),
		.done = pg_get_bool(r, row, 4), .lm = pg_get_i64(r, row, 5) };
	return write_fields_unpack(a, p, n, &w->f, &w->nf);
}

enum rc
store_writes_get(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, struct write_entry **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i32(&p, (int32_t)device);
	pg_i32(&p, (int32_t)folder);
	rc = pg_exec(c, TBL_WRITES, S_GET, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*out = arena_array(a, struct write_entry, (size_t)PQntuples(r));
	if (*out == NULL)
		rc = RC_NOMEM;
	for (int i = 0; i < PQntuples(r) && rc == RC_OK; i++)
		rc = load(a, r, i, &(*out)[i]);
	if (rc != RC_OK)
		rc = err_set(e, rc, rc == RC_NOMEM ? "out of memory" : "a stored write cannot be read");
	else
		*n = (size_t)PQntuples(r);
out:
	PQclear(r);
	return rc;
}

/* The parameters of an entry in the order that both statements name them, behind their keys. */
static enum rc
send(struct store_conn *c, unsigned stmt, struct pg_params *p, const struct write_entry *w, PGresult **r, struct err *e)
{
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	write_fields_pack(w->f, w->nf, &b);
	pg_i64(p, w->id);
	pg_u64(p, w->seq);
	pg_u64(p, w->cn);
	pg_bool(p, w->done);
	pg_i64(p, w->lm);
	pg_buf(p, &b);
	rc = b.failed ? err_set(e, RC_NOMEM, "out of memory") : pg_exec(c, TBL_WRITES, stmt, p, r, e);
	buf_fini(&b);
	return rc;
}

enum rc
store_write_add(struct store_conn *c, int64_t device, int64_t folder, struct write_entry *w, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i32(&p, (int32_t)device);
	pg_i32(&p, (int32_t)folder);
	rc = send(c, S_ADD, &p, w, &r, e);
	if (rc == RC_OK)
		w->wid = pg_get_i64(r, 0, 0);
	PQclear(r);
	return rc;
}

enum rc
store_write_save(struct store_conn *c, const struct write_entry *w, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, w->wid);
	return send(c, S_SAVE, &p, w, NULL, e);
}

enum rc
store_write_delete(struct store_conn *c, int64_t wid, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, wid);
	return pg_exec(c, TBL_WRITES, S_DELETE, &p, NULL, e);
}
