/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Heads of the folder indexes: opened by OX id, saved only by whoever still holds the newest fence. */
#include "store_int.h"

enum { S_OPEN, S_ADD, S_SAVE, S_RESET, S_CLEAR, S_DROP, S_RELIST, S_VERSIONS };

/* In one statement, whatever the content type: a folder has rows in one of the two tables only. */
#define CLEAR "p AS (DELETE FROM pim_row WHERE folder = $1::int4)," \
	" m AS (DELETE FROM mail_row WHERE folder = $1::int4)," \
	" s AS (DELETE FROM mail_span WHERE folder = $1::int4)," \
	" w AS (DELETE FROM write_log WHERE folder = $1::int4)"

static const struct pg_stmt stmts[] = {
	[S_OPEN] = { "store_folder_open",
	    "SELECT id, epoch, cn, fence, init, ox_ts, seen_at, listed_at, validity, uidnext, total, unread, oxid, live"
	    " FROM folder WHERE account = $1::int8 AND ct = $2::int2 AND oxid = $3::text", 3 },
	[S_ADD] = { "store_folder_open_add",
	    "INSERT INTO folder (account, ct, oxid, epoch) VALUES ($1::int8, $2::int2, $3::text, $4::int8) ON CONFLICT DO NOTHING", 4 },
	[S_SAVE] = { "store_folder_save",
	    "UPDATE folder SET fence = fence + 1, cn = $3::int8, init = $4::bool, ox_ts = $5::int8, seen_at = $6::int8,"
	    " listed_at = $7::int8, validity = $8::int8, uidnext = $9::int8, total = $10::int8, unread = $11::int8,"
	    " live = $12::int4 WHERE id = $1::int4 AND fence = $2::int8", 12 },
	[S_RESET] = { "store_folder_reset",
	    "UPDATE folder SET fence = fence + 1, epoch = $3::int8, cn = 0, init = false, ox_ts = 0, seen_at = 0, listed_at = 0,"
	    " validity = 0, uidnext = 0, total = 0, unread = 0, live = 0, mark_cn = 0, mark_at = 0"
	    " WHERE id = $1::int4 AND fence = $2::int8", 3 },
	[S_CLEAR] = { "store_folder_reset_rows", "WITH " CLEAR " SELECT", 1 },
	[S_DROP] = { "store_folder_drop",
	    "WITH " CLEAR ", c AS (DELETE FROM cursor WHERE folder = $1::int4) DELETE FROM folder WHERE id = $1::int4", 1 },
	[S_RELIST] = { "store_folder_relist", "UPDATE folder SET fence = fence + 1, listed_at = 0 WHERE id = $1::int4", 1 },
	[S_VERSIONS] = { "store_folder_versions", "SELECT id, epoch, cn FROM folder WHERE id = ANY($1::int8[]::int4[])", 1 },
};
const struct pg_table store_folder_stmts = { stmts, ARRAY_LEN(stmts) };

static enum rc
folder_get(struct store_conn *c, struct arena *a, int64_t account, enum content ct, const char *oxid,
    struct store_folder *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, account);
	pg_i16(&p, (int16_t)ct);
	pg_text(&p, oxid);
	rc = pg_exec(c, TBL_FOLDER, S_OPEN, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	if (PQntuples(r) == 0) {
		rc = err_set(e, RC_NOTFOUND, "no index of folder \"%.100s\"", oxid);
		goto out;
	}
	*out = (struct store_folder){
		.id = pg_get_i32(r, 0, 0), .ct = ct, .oxid = pg_get_text(a, r, 0, 12),
		.epoch = (uint64_t)pg_get_i64(r, 0, 1), .cn = (uint64_t)pg_get_i64(r, 0, 2),
		.fence = (uint64_t)pg_get_i64(r, 0, 3), .init = pg_get_bool(r, 0, 4), .ox_ts = pg_get_i64(r, 0, 5),
		.seen_at = pg_get_i64(r, 0, 6), .listed_at = pg_get_i64(r, 0, 7),
		.validity = (uint64_t)pg_get_i64(r, 0, 8), .uidnext = (uint64_t)pg_get_i64(r, 0, 9),
		.total = pg_get_i64(r, 0, 10), .unread = pg_get_i64(r, 0, 11), .live = pg_get_i32(r, 0, 13),
	};
	if (out->oxid == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_folder_open(struct store_conn *c, struct arena *a, int64_t account, enum content ct, const char *oxid, bool create,
    uint64_t epoch, struct store_folder *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	enum rc rc = folder_get(c, a, account, ct, oxid, out, e);

	if (rc != RC_NOTFOUND || !create)
		return rc;
	pg_i64(&p, account);
	pg_i16(&p, (int16_t)ct);
	pg_text(&p, oxid);
	pg_u64(&p, epoch);
	rc = pg_exec(c, TBL_FOLDER, S_ADD, &p, NULL, e);
	return rc == RC_OK ? folder_get(c, a, account, ct, oxid, out, e) : rc;
}

/* Runs a statement that holds only where the fence is still F's. */
static enum rc
fenced(struct store_conn *c, struct store_folder *f, unsigned stmt, struct pg_params *p, struct err *e)
{
	size_t n;
	enum rc rc = pg_exec_count(c, TBL_FOLDER, stmt, p, &n, e);

	if (rc == RC_OK && n == 0)
		rc = err_set(e, RC_CONFLICT, "the index of folder \"%.100s\" was changed by another task meanwhile", f->oxid);
	if (rc == RC_OK)
		f->fence++;
	return rc;
}

enum rc
store_folder_save(struct store_conn *c, struct store_folder *f, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)f->id);
	pg_u64(&p, f->fence);
	pg_u64(&p, f->cn);
	pg_bool(&p, f->init);
	pg_i64(&p, f->ox_ts);
	pg_i64(&p, f->seen_at);
	pg_i64(&p, f->listed_at);
	pg_u64(&p, f->validity);
	pg_u64(&p, f->uidnext);
	pg_i64(&p, f->total);
	pg_i64(&p, f->unread);
	pg_i32(&p, (int32_t)f->live);
	return fenced(c, f, S_SAVE, &p, e);
}

enum rc
store_folder_reset(struct store_conn *c, struct store_folder *f, uint64_t epoch, struct err *e)
{
	struct pg_params p = { .n = 0 };
	struct store_folder fresh = { .id = f->id, .ct = f->ct, .oxid = f->oxid, .epoch = epoch };
	enum rc rc;

	pg_i32(&p, (int32_t)f->id);
	pg_u64(&p, f->fence);
	pg_u64(&p, epoch);
	rc = fenced(c, f, S_RESET, &p, e);
	if (rc != RC_OK)
		return rc;
	fresh.fence = f->fence;
	p.n = 0;
	pg_i32(&p, (int32_t)f->id);
	rc = pg_exec(c, TBL_FOLDER, S_CLEAR, &p, NULL, e);
	if (rc == RC_OK)
		*f = fresh;
	return rc;
}

enum rc
store_folder_drop(struct store_conn *c, int64_t folder, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)folder);
	return pg_exec(c, TBL_FOLDER, S_DROP, &p, NULL, e);
}

enum rc
store_folder_relist(struct store_conn *c, int64_t folder, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)folder);
	return pg_exec(c, TBL_FOLDER, S_RELIST, &p, NULL, e);
}

enum rc
store_folder_versions(struct store_conn *c, struct store_version *v, size_t n, struct err *e)
{
	struct arena *a = arena_new(0);
	struct imap *at = a != NULL ? imap_new(a, n) : NULL;
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	struct buf b;
	enum rc rc = at != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");

	buf_init(&b, 0);
	pg_array_begin(&b, PG_OID_INT8);
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		v[i].there = false;
		pg_array_i64(&b, v[i].folder);
		if (!imap_put(at, v[i].folder, i))
			rc = err_set(e, RC_NOMEM, "out of memory");
	}
	pg_array_end(&b, n);
	pg_buf(&p, &b);
	if (rc == RC_OK)
		rc = pg_exec(c, TBL_FOLDER, S_VERSIONS, &p, &r, e);
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++) {
		size_t k;

		if (!imap_get(at, pg_get_i32(r, i, 0), &k))
			continue;
		v[k].epoch = (uint64_t)pg_get_i64(r, i, 1);
		v[k].cn = (uint64_t)pg_get_i64(r, i, 2);
		v[k].there = true;
	}
	PQclear(r);
	buf_fini(&b);
	arena_free(a);
	return rc;
}
