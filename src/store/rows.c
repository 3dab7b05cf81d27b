/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading the rows of a folder index.  Mail and the other content types have a table each; every query names the
 * folder and reads a range of one index, in the order that it returns, so that its cost is the page's, not the folder's.
 * Writing them is rows_put.c.
 */
#include "rows_int.h"

#include <stdlib.h>
#include <string.h>

#define PIM  "SELECT id, cn, sk, body FROM pim_row WHERE folder = $1::int4"
#define MAIL "SELECT id, cn, NULL::int8, body FROM mail_row WHERE folder = $1::int4"

/* each operation has a statement for pim_row and, next to it, one for mail_row */
enum {
	S_GET, S_GET_MAIL, S_SINCE, S_SINCE_MAIL, S_BELOW, S_BELOW_MAIL, S_ALL, S_ALL_MAIL, S_LIVE, S_LIVE_MAIL,
	S_CID, S_CID_MAIL, S_COUNT, S_COUNT_MAIL, S_ODD, S_SPAN_MAIL, S_BELOW_SK, S_RANGE_SK, S_RANGE_MAIL
};
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_rows_get_pim", PIM " AND id = ANY($2::int8[])", 2 },
	[S_GET_MAIL] = { "store_rows_get_mail",
	    /* OFFSET 0 keeps the planner from turning the probes into a scan of the folder */
	    "SELECT m.* FROM unnest($2::int8[]) u(id) CROSS JOIN LATERAL ("
	    MAIL " AND (id >> 6) = (u.id >> 6) AND id = u.id OFFSET 0) m", 2 },
	/* ordering by the group first lets PostgreSQL sort only inside a group (incremental sort) and stop at the limit */
	[S_SINCE] = { "store_rows_since_pim",
	    PIM " AND (cn >> 6) >= ($2::int8 >> 6) AND cn > $2::int8 ORDER BY (cn >> 6), cn LIMIT $3::int8", 3 },
	[S_SINCE_MAIL] = { "store_rows_since_mail",
	    MAIL " AND (cn >> 6) >= ($2::int8 >> 6) AND cn > $2::int8 ORDER BY (cn >> 6), cn LIMIT $3::int8", 3 },
	[S_BELOW] = { "store_rows_below_pim", PIM " AND id < $2::int8 AND NOT dead ORDER BY id DESC LIMIT $3::int8", 3 },
	[S_BELOW_MAIL] = { "store_rows_below_mail",
	    MAIL " AND (id >> 6) <= ($2::int8 >> 6) AND id < $2::int8 AND NOT dead"
	    " ORDER BY (id >> 6) DESC, id DESC LIMIT $3::int8", 3 },
	[S_ALL] = { "store_rows_all_pim", PIM " ORDER BY id", 1 },
	[S_ALL_MAIL] = { "store_rows_all_mail", MAIL " ORDER BY (id >> 6), id", 1 },
	[S_LIVE] = { "store_rows_live_pim", PIM " AND NOT dead ORDER BY id", 1 },
	[S_LIVE_MAIL] = { "store_rows_live_mail", MAIL " AND NOT dead ORDER BY (id >> 6), id", 1 },
	[S_CID] = { "store_rows_by_client_id_pim", PIM " AND cid = $2::int8 ORDER BY dead, id", 2 },
	[S_CID_MAIL] = { "store_rows_by_client_id_mail", MAIL " AND cid = $2::int8 ORDER BY dead, id", 2 },
	[S_COUNT] = { "store_rows_count_pim", "SELECT count(*) FROM pim_row WHERE folder = $1::int4 AND NOT dead", 1 },
	[S_COUNT_MAIL] = { "store_rows_count_mail", "SELECT count(*) FROM mail_row WHERE folder = $1::int4 AND NOT dead", 1 },
	[S_ODD] = { "store_rows_moved_odd", PIM " AND odd AND NOT dead", 1 },
	[S_SPAN_MAIL] = { "store_rows_moved_mail",
	    "SELECT m.* FROM mail_span s CROSS JOIN LATERAL ("
	    MAIL " AND (id >> 6) BETWEEN (s.block << 4) AND (s.block << 4) + 15 AND NOT dead OFFSET 0) m"
	    " WHERE s.folder = $1::int4 AND (s.t0 <= $3::int8 AND s.t1 >= $2::int8 OR s.t0 <= $5::int8 AND s.t1 >= $4::int8)", 5 },
	[S_BELOW_SK] = { "store_rows_below_sk",
	    PIM " AND sk IS NOT NULL AND NOT dead AND (sk >> 30) <= ($2::int8 >> 30) AND (sk, id) < ($2::int8, $3::int8)"
	    " ORDER BY (sk >> 30) DESC, sk DESC, id DESC LIMIT $4::int8", 4 },
	[S_RANGE_SK] = { "store_rows_moved_sk",
	    PIM " AND sk IS NOT NULL AND NOT dead AND NOT odd"
	    " AND (sk >> 30) BETWEEN ($2::int8 >> 30) AND ($3::int8 >> 30) AND sk BETWEEN $2::int8 AND $3::int8", 3 },
	[S_RANGE_MAIL] = { "store_rows_get_mail_range",
	    MAIL " AND (id >> 6) BETWEEN ($2::int8 >> 6) AND ($3::int8 >> 6)", 3 },
};
const struct pg_table store_rows_stmts = { stmts, ARRAY_LEN(stmts) };

/* ---- results to rows ---- */

/** Rows of one or several results, in one arena. */
struct row_list {
	struct row **rows;
	size_t n, cap;
};

static enum rc
list_room(struct row_list *l, struct arena *a, size_t more)
{
	struct row **bigger;
	size_t cap = l->n + more;

	if (cap <= l->cap)
		return RC_OK;
	bigger = arena_array(a, struct row *, cap);
	if (bigger == NULL)
		return RC_NOMEM;
	for (size_t i = 0; i < l->n; i++)
		bigger[i] = l->rows[i];
	l->rows = bigger;
	l->cap = cap;
	return RC_OK;
}

/* Appends the rows of R that KEEP (NULL = all) accepts. */
static enum rc
list_add(struct row_list *l, struct arena *a, const struct store_folder *f, const PGresult *r,
    bool (*keep)(const struct row *, const void *), const void *arg, struct err *e)
{
	int n = PQntuples(r);
	struct row *row = arena_array(a, struct row, (size_t)n);
	enum rc rc = row == NULL ? RC_NOMEM : list_room(l, a, (size_t)n);

	for (int i = 0; i < n && rc == RC_OK; i++, row++) {
		size_t len;
		const void *p = pg_get_bytes(r, i, 3, &len);

		row->id = pg_get_i64(r, i, 0);
		row->cn = (uint64_t)pg_get_i64(r, i, 1);
		row->sk = pg_get_i64(r, i, 2);
		rc = row_body_unpack(a, f->ct, p, len, row);
		if (rc == RC_OK && (keep == NULL || keep(row, arg)))
			l->rows[l->n++] = row;
		else if (rc == RC_INTERNAL)
			return err_set(e, rc, "row %lld of folder index %lld is damaged: delete the index to have it made anew",
			    (long long)row->id, (long long)f->id);
	}
	return rc == RC_NOMEM ? err_set(e, rc, "out of memory") : rc;
}

static enum rc
run(struct store_conn *c, struct arena *a, const struct store_folder *f, unsigned stmt, struct pg_params *p,
    bool (*keep)(const struct row *, const void *), const void *arg, struct row_list *l, struct err *e)
{
	PGresult *r = NULL;
	enum rc rc = pg_exec(c, TBL_ROWS, stmt, p, &r, e);

	if (rc == RC_OK)
		rc = list_add(l, a, f, r, keep, arg, e);
	PQclear(r);
	return rc;
}

static enum rc
give(enum rc rc, const struct row_list *l, struct row ***rows, size_t *n)
{
	*rows = rc == RC_OK ? l->rows : NULL;
	*n = rc == RC_OK ? l->n : 0;
	return rc;
}

static unsigned
mail_or(const struct store_folder *f, unsigned stmt)
{
	return f->ct == CT_MAIL ? stmt + 1 : stmt;
}

/* ---- by id ---- */

static bool
is_wanted(const struct row *r, const void *arg)
{
	size_t i;

	return imap_get(arg, r->id, &i);
}

/* Many neighbouring mails: one range and a look at each, rather than a probe of the grouped index for each. */
static enum rc
get_range(struct store_conn *c, struct arena *a, const struct store_folder *f, const int64_t *ids, size_t n,
    int64_t lo, int64_t hi, struct row_list *l, struct err *e)
{
	struct imap *want = imap_new(a, n);
	struct pg_params p = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		if (want == NULL || !imap_put(want, ids[i], i))
			return err_set(e, RC_NOMEM, "out of memory");
	pg_i32(&p, (int32_t)f->id);
	pg_i64(&p, lo);
	pg_i64(&p, hi);
	return run(c, a, f, S_RANGE_MAIL, &p, is_wanted, want, l, e);
}

enum rc
store_rows_get(struct store_conn *c, struct arena *a, const struct store_folder *f, const int64_t *ids, size_t n,
    struct row ***rows, size_t *n_rows, struct err *e)
{
	struct row_list l = { .n = 0 };
	struct pg_params p = { .n = 0 };
	int64_t lo = INT64_MAX, hi = INT64_MIN;
	struct buf b;
	enum rc rc;

	if (n == 0)
		return give(RC_OK, &l, rows, n_rows);
	for (size_t i = 0; i < n; i++) {
		lo = ids[i] < lo ? ids[i] : lo;
		hi = ids[i] > hi ? ids[i] : hi;
	}
	if (f->ct == CT_MAIL && n >= 16 && ((uint64_t)hi - (uint64_t)lo) / 16 <= n)
		return give(get_range(c, a, f, ids, n, lo, hi, &l, e), &l, rows, n_rows);

	buf_init(&b, 0);
	pg_array_begin(&b, PG_OID_INT8);
	for (size_t i = 0; i < n; i++)
		pg_array_i64(&b, ids[i]);
	pg_array_end(&b, n);
	pg_i32(&p, (int32_t)f->id);
	pg_buf(&p, &b);
	rc = b.failed ? err_set(e, RC_NOMEM, "out of memory") : run(c, a, f, mail_or(f, S_GET), &p, NULL, NULL, &l, e);
	buf_fini(&b);
	return give(rc, &l, rows, n_rows);
}

enum rc
store_rows_all(struct store_conn *c, struct arena *a, const struct store_folder *f, bool live_only,
    struct row ***rows, size_t *n, struct err *e)
{
	struct row_list l = { .n = 0 };
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)f->id);
	return give(run(c, a, f, mail_or(f, live_only ? S_LIVE : S_ALL), &p, NULL, NULL, &l, e), &l, rows, n);
}

static bool
has_client_id(const struct row *r, const void *arg)
{
	return r->client_id != NULL && strcmp(r->client_id, arg) == 0;
}

enum rc
store_rows_by_client_id(struct store_conn *c, struct arena *a, const struct store_folder *f, const char *client_id,
    struct row ***rows, size_t *n, struct err *e)
{
	struct row_list l = { .n = 0 };
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)f->id);
	pg_i64(&p, client_id_hash(client_id));
	return give(run(c, a, f, mail_or(f, S_CID), &p, has_client_id, client_id, &l, e), &l, rows, n);
}

enum rc
store_rows_count(struct store_conn *c, const struct store_folder *f, size_t *live, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i32(&p, (int32_t)f->id);
	rc = pg_exec(c, TBL_ROWS, mail_or(f, S_COUNT), &p, &r, e);
	*live = rc == RC_OK ? (size_t)pg_get_i64(r, 0, 0) : 0;
	PQclear(r);
	return rc;
}

/* ---- what the delta reads ---- */

static int64_t
limit_of(size_t max)
{
	return max < INT64_MAX ? (int64_t)max : INT64_MAX;
}

enum rc
store_rows_since(struct store_conn *c, struct arena *a, const struct store_folder *f, uint64_t cn, size_t max,
    struct row ***rows, size_t *n, struct err *e)
{
	struct row_list l = { .n = 0 };
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)f->id);
	pg_u64(&p, cn);
	pg_i64(&p, limit_of(max));
	return give(run(c, a, f, mail_or(f, S_SINCE), &p, NULL, NULL, &l, e), &l, rows, n);
}

enum rc
store_rows_below(struct store_conn *c, struct arena *a, const struct store_folder *f, bool from_top, int64_t sk, int64_t id,
    size_t max, struct row ***rows, size_t *n, struct err *e)
{
	bool by_sk = row_orders_by_sk(f->ct);
	struct row_list l = { .n = 0 };
	struct pg_params p = { .n = 0 };

	/* where the id orders every sk is 0: an edge above or below 0 has all or none of the rows beneath it */
	if (!from_top && !by_sk && sk < 0)
		return give(RC_OK, &l, rows, n);
	if (from_top || (!by_sk && sk > 0))
		sk = id = INT64_MAX;
	pg_i32(&p, (int32_t)f->id);
	if (by_sk)
		pg_i64(&p, sk);
	pg_i64(&p, id);
	pg_i64(&p, limit_of(max));
	return give(run(c, a, f, by_sk ? S_BELOW_SK : mail_or(f, S_BELOW), &p, NULL, NULL, &l, e), &l, rows, n);
}

/* ---- rows that a moving window lets in or out ---- */

struct windows {
	msec_t old0, old1, new0, new1;
};

static bool
is_moved(const struct row *r, const void *arg)
{
	const struct windows *w = arg;

	return sync_in_window(r, w->old0, w->old1) != sync_in_window(r, w->new0, w->new1);
}

struct range {
	int64_t lo, hi; /* inclusive; empty when lo > hi */
};

/* Times between two edges; an edge that did not move gives an empty range. */
static struct range
between(msec_t x, msec_t y)
{
	if (x == y)
		return (struct range){ INT64_MAX, INT64_MIN };
	return x < y ? (struct range){ x, y } : (struct range){ y, x };
}

static enum rc
moved_by_sk(struct store_conn *c, struct arena *a, const struct store_folder *f, const struct windows *w,
    struct row_list *l, struct err *e)
{
	struct range r[2] = { between(w->old0, w->new0), between(w->old1, w->new1) };
	enum rc rc = RC_OK;

	/* at the past edge the end of an object counts, which is at most ROW_SPAN_MS behind its sk */
	if (r[0].lo <= r[0].hi)
		r[0].lo = r[0].lo < INT64_MIN + ROW_SPAN_MS ? INT64_MIN : r[0].lo - ROW_SPAN_MS;
	/* one range where they touch, so that no row comes twice */
	if (r[0].lo <= r[0].hi && r[1].lo <= r[1].hi && r[0].lo <= r[1].hi && r[1].lo <= r[0].hi) {
		r[0].lo = r[0].lo < r[1].lo ? r[0].lo : r[1].lo;
		r[0].hi = r[0].hi > r[1].hi ? r[0].hi : r[1].hi;
		r[1] = between(0, 0);
	}
	for (unsigned i = 0; i < ARRAY_LEN(r) && rc == RC_OK; i++) {
		struct pg_params p = { .n = 0 };

		if (r[i].lo > r[i].hi)
			continue;
		pg_i32(&p, (int32_t)f->id);
		pg_i64(&p, r[i].lo);
		pg_i64(&p, r[i].hi);
		rc = run(c, a, f, S_RANGE_SK, &p, is_moved, w, l, e);
	}
	return rc;
}

static int
by_id(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

enum rc
store_rows_moved(struct store_conn *c, struct arena *a, const struct store_folder *f, msec_t old0, msec_t old1,
    msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e)
{
	const struct windows w = { old0, old1, new0, new1 };
	struct row_list l = { .n = 0 };
	struct pg_params p = { .n = 0 };
	enum rc rc = RC_OK;

	if (old0 == new0 && old1 == new1)
		return give(RC_OK, &l, rows, n);
	pg_i32(&p, (int32_t)f->id);
	if (f->ct == CT_MAIL) {
		struct range past = between(old0, new0), future = between(old1, new1);

		pg_i64(&p, past.lo);
		pg_i64(&p, past.hi);
		pg_i64(&p, future.lo);
		pg_i64(&p, future.hi);
		rc = run(c, a, f, S_SPAN_MAIL, &p, is_moved, &w, &l, e);
	} else {
		rc = run(c, a, f, S_ODD, &p, is_moved, &w, &l, e);
		if (rc == RC_OK && row_orders_by_sk(f->ct))
			rc = moved_by_sk(c, a, f, &w, &l, e);
	}
	if (rc == RC_OK && l.n > 1)
		qsort(l.rows, l.n, sizeof(struct row *), by_id);
	return give(rc, &l, rows, n);
}
