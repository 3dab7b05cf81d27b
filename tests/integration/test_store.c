/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store's operations against a real PostgreSQL, rows checked against a plain array. */
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct store *store;
static struct store_conn *conn;
static struct arena *mem;
static int64_t account, device;
static unsigned seed, first_seed;

static void
setup(void)
{
	struct store_options o = store_test_options();
	struct store_device d;

	OK(store_open(&o, &store, &err));
	OK(store_lease(store, &conn, &err));
	mem = arena_new(0);
	PQclear(PQexec(conn->pg, "TRUNCATE account, pim_row, mail_row, mail_span, cursor, write_log CASCADE"));
	OK(store_account_open(conn, 10, 3, &account, &err));
	OK(store_device_open(conn, mem, account, "laptop", &d, &err));
	device = d.id;
}

static void
teardown(void)
{
	store_release(conn);
	store_close(store);
	arena_free(mem);
}

static struct store_folder
folder_new(enum content ct, const char *oxid)
{
	struct store_folder f;

	OK(store_folder_open(conn, mem, account, ct, oxid, true, UINT64_C(0xfedcba9876543210), &f, &err));
	return f;
}

/* Next number of a repeatable sequence. */
static uint32_t
chance(uint32_t n)
{
	seed = seed * 1103515245U + 12345U;
	return seed / 65536U % n;
}

START_TEST(accounts_devices_sessions)
{
	struct store_device d, again;
	struct store_session s;
	unsigned char hash[32] = { 7 }, other[32] = { 8 };
	int64_t same;

	OK(store_account_open(conn, 10, 3, &same, &err));
	ck_assert_int_eq(same, account);
	OK(store_account_open(conn, 10, 4, &same, &err));
	ck_assert_int_ne(same, account);
	OK(store_device_open(conn, mem, account, "laptop", &d, &err));
	ck_assert_int_eq(d.id, device);
	ck_assert_str_eq(d.config, "{}");
	OK(store_device_config(conn, d.id, "{\"a\":1}", &err));
	OK(store_device_open(conn, mem, account, "laptop", &again, &err));
	ck_assert_str_eq(again.config, "{\"a\":1}");
	ck_assert_int_eq(store_device_config(conn, 999999, "{}", &err), RC_NOTFOUND);

	OK(store_session_put(conn, hash, account, d.id, now_ms() + 60000, &err));
	OK(store_session_get(conn, mem, hash, &s, &err));
	ck_assert_int_eq(s.account, account);
	ck_assert_int_eq(s.context_id, 10);
	ck_assert_int_eq(s.user_id, 3);
	ck_assert_str_eq(s.device_name, "laptop");
	ck_assert_int_eq(store_session_get(conn, mem, other, &s, &err), RC_NOTFOUND);
	OK(store_session_put(conn, hash, account, d.id, now_ms() - 1, &err));
	ck_assert_int_eq(store_session_get(conn, mem, hash, &s, &err), RC_NOTFOUND);
	OK(store_session_put(conn, hash, account, d.id, now_ms() + 60000, &err));
	OK(store_session_delete(conn, hash, &err));
	ck_assert_int_eq(store_session_get(conn, mem, hash, &s, &err), RC_NOTFOUND);
}
END_TEST

START_TEST(devices_and_sessions_have_an_end)
{
	unsigned char hash[32] = { 1 }, ended[4][32];
	struct store_device d, more;
	struct store_session s;
	size_t n;
	const struct store_device_rule two = { .max = 2, .agent = "" }, three = { .max = 3, .agent = "" };

	OK(store_device_login(conn, mem, account, "second", &two, &d, &err));
	ck_assert_int_eq(store_device_login(conn, mem, account, "third", &two, &more, &err), RC_LIMIT);
	OK(store_device_login(conn, mem, account, "second", &two, &more, &err));
	ck_assert_int_eq(more.id, d.id);
	OK(store_device_login(conn, mem, account, "third", &three, &more, &err));
	for (int i = 0; i < 6; i++) {
		hash[1] = (unsigned char)i;
		OK(store_session_put(conn, hash, account, i == 0 ? more.id : d.id, now_ms() + 60000 + i, &err));
	}
	OK(store_session_trim(conn, d.id, 3, ended, 1, &n, &err));
	ck_assert_uint_eq(n, 1);
	OK(store_session_trim(conn, d.id, 3, ended, 4, &n, &err));
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(ended[0][1], 1);
	for (int i = 0; i < 6; i++) {
		hash[1] = (unsigned char)i;
		ck_assert_int_eq(store_session_get(conn, mem, hash, &s, &err), i == 1 || i == 2 ? RC_NOTFOUND : RC_OK);
	}
	OK(store_session_trim(conn, d.id, 3, ended, 4, &n, &err));
	ck_assert_uint_eq(n, 0);
}
END_TEST

struct newcomer {
	pthread_barrier_t *together;
	int64_t ids[200];
	unsigned failed;
};

static void *
come(void *arg)
{
	struct newcomer *x = arg;
	struct arena *own = arena_new(0);
	struct store_conn *c;
	struct store_device d;
	struct err e;

	if (store_lease(store, &c, &e) != RC_OK)
		return NULL;
	for (unsigned i = 0; i < ARRAY_LEN(x->ids); i++) {
		(void)pthread_barrier_wait(x->together);
		if (store_account_open(c, 77, 1000 + i, &x->ids[i], &e) != RC_OK || store_device_open(c, own, x->ids[i], "phone", &d, &e) != RC_OK)
			x->failed++;
	}
	store_release(c);
	arena_free(own);
	return NULL;
}

/* Two devices of a new user, or one that repeats its login, at two nodes in the same moment. */
START_TEST(newcomers_at_once)
{
	pthread_barrier_t together;
	struct newcomer x[2] = { { .together = &together }, { .together = &together } };
	pthread_t t[2];

	(void)pthread_barrier_init(&together, NULL, 2);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, come, &x[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(x[0].failed + x[1].failed, 0);
	ck_assert_mem_eq(x[0].ids, x[1].ids, sizeof(x[0].ids));
	(void)pthread_barrier_destroy(&together);
}
END_TEST

START_TEST(folder_fence_reset_drop)
{
	struct store_folder f = folder_new(CT_MAIL, "default0/INBOX"), stale = f, g;
	struct row r = store_test_row(mem, 5, 1, 1), *ptr = &r;
	struct row **rows;
	size_t n;

	ck_assert_int_eq(store_folder_open(conn, mem, account, CT_MAIL, "default0/Sent", false, 0, &g, &err), RC_NOTFOUND);
	ck_assert_uint_eq(f.epoch, UINT64_C(0xfedcba9876543210));
	f.cn = 12;
	f.init = true;
	f.ox_ts = 1790000000123;
	f.total = 4;
	f.uidnext = UINT64_C(4294967295);
	OK(store_rows_put(conn, &f, &ptr, 1, &err));
	OK(store_folder_save(conn, &f, &err));
	g = folder_new(CT_MAIL, "default0/INBOX");
	ck_assert_uint_eq(g.fence, f.fence);
	ck_assert_uint_eq(g.cn, 12);
	ck_assert(g.init);
	ck_assert_int_eq(g.ox_ts, 1790000000123);
	ck_assert_uint_eq(g.uidnext, UINT64_C(4294967295));
	ck_assert_int_eq(store_folder_save(conn, &stale, &err), RC_CONFLICT);
	ck_assert_int_eq(store_folder_reset(conn, &stale, 1, &err), RC_CONFLICT);

	OK(store_folder_reset(conn, &f, 99, &err));
	g = folder_new(CT_MAIL, "default0/INBOX");
	ck_assert_uint_eq(g.epoch, 99);
	ck_assert_uint_eq(g.cn, 0);
	ck_assert(!g.init);
	ck_assert_uint_eq(g.fence, f.fence);
	OK(store_rows_all(conn, mem, &g, false, &rows, &n, &err));
	ck_assert_uint_eq(n, 0);
	OK(store_folder_drop(conn, g.id, &err));
	ck_assert_int_eq(store_folder_open(conn, mem, account, CT_MAIL, "default0/INBOX", false, 0, &g, &err), RC_NOTFOUND);
}
END_TEST

/* ---- rows against a model ---- */

#define N 700
static struct row model[N];

static bool
same_row(const struct row *a, const struct row *b)
{
	bool same = a->id == b->id && a->first_cn == b->first_cn && a->cn == b->cn && a->keycn == b->keycn &&
	    a->dead == b->dead && a->known == b->known && a->lm == b->lm && a->sk == b->sk && a->t0 == b->t0 &&
	    a->t1 == b->t1 && a->nf == b->nf && (a->client_id == NULL) == (b->client_id == NULL) &&
	    (a->oxid == NULL) == (b->oxid == NULL);

	if (same && a->client_id != NULL)
		same = strcmp(a->client_id, b->client_id) == 0;
	if (same && a->oxid != NULL)
		same = strcmp(a->oxid, b->oxid) == 0;
	for (unsigned i = 0; same && i < a->nf; i++)
		same = a->f[i].i == b->f[i].i && a->f[i].fp == b->f[i].fp && a->f[i].cn == b->f[i].cn;
	return same;
}

static int
by_cn(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	return (x->cn > y->cn) - (x->cn < y->cn);
}

static int
by_id(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

static int
by_sk_down(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	return x->sk != y->sk ? (x->sk < y->sk) - (x->sk > y->sk) : by_id(b, a);
}

/* The model's rows that KEEP accepts, in order; what the store gave must be the first MAX of them. */
static void
expect(const char *what, bool (*keep)(const struct row *, const int64_t *), const int64_t *arg,
    int (*order)(const void *, const void *), size_t max, struct row **rows, size_t n)
{
	struct row *want[N];
	size_t w = 0;

	for (size_t i = 0; i < N; i++)
		if (model[i].cn != 0 && keep(&model[i], arg))
			want[w++] = &model[i];
	qsort(want, w, sizeof(want[0]), order);
	if (order == by_id && n > 0)
		qsort(rows, n, sizeof(rows[0]), by_id); /* these operations promise no order */
	w = w < max ? w : max;
	ck_assert_msg(n == w, "%s: %zu rows instead of %zu (SEED=%u)", what, n, w, first_seed);
	for (size_t i = 0; i < w; i++)
		ck_assert_msg(same_row(rows[i], want[i]), "%s: row %zu is %lld cn %llu instead of %lld cn %llu (SEED=%u)", what, i,
		    (long long)rows[i]->id, (unsigned long long)rows[i]->cn, (long long)want[i]->id,
		    (unsigned long long)want[i]->cn, first_seed);
}

static bool
k_all(const struct row *r, const int64_t *a)
{
	return a[0] == 0 || !r->dead;
}

static bool
k_since(const struct row *r, const int64_t *a)
{
	return (int64_t)r->cn > a[0];
}

static bool
k_below(const struct row *r, const int64_t *a)
{
	return !r->dead && (a[2] != 0 || r->sk < a[0] || (r->sk == a[0] && r->id < a[1]));
}

static bool
in_window(const struct row *r, int64_t w0, int64_t w1)
{
	return r->t1 >= w0 && r->t0 <= w1;
}

static bool
k_moved(const struct row *r, const int64_t *a)
{
	return !r->dead && in_window(r, a[0], a[1]) != in_window(r, a[2], a[3]);
}

static bool
k_ids(const struct row *r, const int64_t *a)
{
	for (int64_t i = 1; i <= a[0]; i++)
		if (a[i] == r->id)
			return true;
	return false;
}

#define DAY INT64_C(86400000)

/* What a random row looks like in a folder of CT: days from 0 to 1000, some endless, some long. */
static void
random_row(struct row *r, enum content ct, int64_t id, uint64_t cn)
{
	*r = store_test_row(mem, id, cn, 1 + chance(20));
	r->first_cn = cn - chance((uint32_t)cn < 100 ? (uint32_t)cn : 100);
	r->keycn = cn - chance((uint32_t)(cn - r->first_cn) + 1);
	r->dead = chance(5) == 0;
	r->known = chance(10) != 0;
	r->lm = ct == CT_MAIL ? 0 : 1790000000000 + chance(100000);
	if (chance(8) == 0)
		r->client_id = arena_printf(mem, "laptop/%u", chance(20));
	if (id < 0)
		r->oxid = arena_printf(mem, "x/%lld", (long long)id);
	if (ct == CT_MAIL && chance(20) != 0) {
		r->t0 = r->t1 = (int64_t)chance(1000) * DAY + chance(1000);
	} else if (row_orders_by_sk(ct)) {
		r->sk = r->t0 = (int64_t)chance(1000) * DAY;
		r->t1 = r->t0 + (int64_t)chance(chance(10) == 0 ? 400 : 3) * DAY;
		if (chance(10) == 0)
			r->t1 = TIME_MAX;
		if (chance(20) == 0)
			r->t0 = TIME_MIN;
		if (chance(20) == 0)
			r->sk = 0;
	}
}

static void
check_reads(const struct store_folder *f, uint64_t top_cn)
{
	struct row **rows;
	size_t n, max = 1 + chance(200);
	int64_t a[40] = { 0 };

	OK(store_rows_all(conn, mem, f, false, &rows, &n, &err));
	expect("all", k_all, a, by_id, N, rows, n);
	a[0] = 1;
	OK(store_rows_all(conn, mem, f, true, &rows, &n, &err));
	expect("live", k_all, a, by_id, N, rows, n);
	OK(store_rows_count(conn, f, &max, &err));
	ck_assert_uint_eq(max, n);

	max = 1 + chance(200);
	a[0] = chance((uint32_t)top_cn + 2);
	OK(store_rows_since(conn, mem, f, (uint64_t)a[0], max, &rows, &n, &err));
	expect("since", k_since, a, by_cn, max, rows, n);

	a[0] = row_orders_by_sk(f->ct) ? (int64_t)chance(1000) * DAY : 0;
	a[1] = chance(1100);
	a[2] = chance(4) == 0;
	OK(store_rows_below(conn, mem, f, a[2] != 0, a[0], a[1], max, &rows, &n, &err));
	expect("below", k_below, a, by_sk_down, max, rows, n);

	a[0] = chance(10) == 0 ? TIME_MIN : (int64_t)chance(600) * DAY;
	a[1] = chance(3) == 0 ? TIME_MAX : (int64_t)(600 + chance(400)) * DAY;
	a[2] = chance(4) == 0 ? a[0] : (int64_t)chance(600) * DAY;
	a[3] = chance(2) == 0 ? a[1] : (int64_t)(600 + chance(400)) * DAY;
	OK(store_rows_moved(conn, mem, f, a[0], a[1], a[2], a[3], &rows, &n, &err));
	expect("moved", k_moved, a, by_id, N, rows, n);

	a[0] = 1 + chance(chance(2) == 0 ? 5 : 38);
	for (int64_t i = 1; i <= a[0]; i++)
		a[i] = f->ct == CT_MAIL && a[0] > 16 ? 40 * i / 2 : (int64_t)chance(N) + 1;
	for (int64_t i = 1; i <= a[0]; i++)
		for (int64_t j = 1; j < i; j++)
			if (a[i] == a[j])
				a[i] = 5000 + i; /* an id once, and some that are not there */
	OK(store_rows_get(conn, mem, f, a + 1, (size_t)a[0], &rows, &n, &err));
	expect("get", k_ids, a, by_id, N, rows, n);
}

static void
check_client_ids(const struct store_folder *f)
{
	for (unsigned k = 0; k < 20; k++) {
		const char *id = arena_printf(mem, "laptop/%u", k);
		struct row **rows;
		size_t n, want = 0;

		for (size_t i = 0; i < N; i++)
			want += model[i].cn != 0 && model[i].client_id != NULL && strcmp(model[i].client_id, id) == 0;
		OK(store_rows_by_client_id(conn, mem, f, id, &rows, &n, &err));
		ck_assert_uint_eq(n, want);
		for (size_t i = 1; i < n; i++)
			ck_assert(rows[i - 1]->dead < rows[i]->dead || (rows[i - 1]->dead == rows[i]->dead && rows[i - 1]->id < rows[i]->id));
	}
}

START_TEST(rows_like_an_array)
{
	enum content ct = (enum content)_i;
	const char *given = getenv("SEED");
	struct store_folder f, other;
	struct row *batch[200], strange;
	uint64_t cn = 0;

	seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)now_ms();
	first_seed = seed;
	(void)printf("rows_like_an_array: content %d, SEED=%u\n", _i, seed);
	memset(model, 0, sizeof(model));
	f = folder_new(ct, "f");
	/* a neighbour with the same ids must stay out of everything */
	other = folder_new(ct, "g");
	strange = store_test_row(mem, 3, 3, 2);
	batch[0] = &strange;
	OK(store_rows_put(conn, &other, batch, 1, &err));

	for (int round = 0; round < 8; round++) {
		size_t n = 0, from = chance(N), count = 1 + chance(200);

		for (size_t k = 0; k < count; k++) {
			size_t i = chance(3) == 0 ? (from + k) % N : (size_t)round * (N / 8) + k % (N / 8);
			int64_t id = ct == CT_FOLDER && i % 3 == 0 ? -(int64_t)i - 1 : (int64_t)i + 1;
			bool twice = false;

			for (size_t j = 0; j < n; j++)
				twice |= batch[j] == &model[i];
			if (twice)
				continue;
			random_row(&model[i], ct, id, ++cn);
			batch[n++] = &model[i];
		}
		f.cn = cn;
		{
			struct store_test_put put = { &f, batch, n };
			OK(store_txn(conn, store_test_put_fn, &put, &err));
		}
		for (int k = 0; k < 4; k++)
			check_reads(&f, cn);
	}
	check_client_ids(&f);
}
END_TEST

/* ---- transactions, locks, connections ---- */

struct race {
	int64_t folder;
	struct store_conn *other;
	int runs;
	bool clash;
};

/* Reads, lets the other connection change the same row, then writes it: a serialization failure the first time. */
static enum rc
racing(struct store_conn *c, void *arg, struct err *e)
{
	struct race *x = arg;
	PGresult *r = NULL;
	struct pg_params p = { .n = 0 };
	enum rc rc;

	x->runs++;
	(void)store_test_number(c, "SELECT count(*) FROM account");
	if (x->clash || x->runs == 1)
		PQclear(PQexec(x->other->pg, "UPDATE device SET config = config || ' '"));
	pg_i32(&p, (int32_t)device);
	pg_text(&p, "{}");
	rc = pg_exec(c, TBL_ACCOUNT, 4, &p, &r, e);
	PQclear(r);
	return rc;
}

START_TEST(txn_repeats_on_serialization_failure)
{
	struct race x = { .runs = 0 };
	int64_t before = metric_get(M_PG_RETRIES);

	OK(store_lease(store, &x.other, &err));
	OK(store_txn(conn, racing, &x, &err));
	ck_assert_int_eq(x.runs, 2);
	ck_assert_int_eq(metric_get(M_PG_RETRIES), before + 1);
	x.clash = true;
	x.runs = 0;
	ck_assert_int_eq(store_txn(conn, racing, &x, &err), RC_BUSY);
	ck_assert_int_eq(x.runs, 8);
	/* and the connection is as good as before */
	x.clash = false;
	x.runs = 1;
	OK(store_txn(conn, racing, &x, &err));
	store_release(x.other);
}
END_TEST

static enum rc
failing(struct store_conn *c, void *arg, struct err *e)
{
	struct pg_params p = { .n = 0 };

	(void)arg;
	pg_i32(&p, (int32_t)device);
	pg_text(&p, "{\"lost\":1}");
	OK(pg_exec(c, TBL_ACCOUNT, 4, &p, NULL, e));
	return err_set(e, RC_LIMIT, "no");
}

START_TEST(txn_rolls_back)
{
	struct store_device d;

	ck_assert_int_eq(store_txn(conn, failing, NULL, &err), RC_LIMIT);
	OK(store_device_open(conn, mem, account, "laptop", &d, &err));
	ck_assert_str_eq(d.config, "{}");
}
END_TEST

struct waiter {
	struct store *store;
	int64_t folder;
	enum rc rc;
};

static void *
wait_for_lock(void *arg)
{
	struct waiter *w = arg;
	struct store_conn *c = NULL;

	w->rc = store_lease(w->store, &c, NULL);
	if (w->rc == RC_OK)
		w->rc = store_lock(c, w->folder, NULL);
	store_release(c);
	return NULL;
}

START_TEST(locks_exclude_workers_and_nodes)
{
	struct store_options o = store_test_options();
	struct store_conn *local, *remote;
	struct waiter w = { .store = store, .folder = 77, .rc = RC_INTERNAL };
	struct store *node;
	pthread_t t;
	int64_t statements;

	o.lock_timeout_ms = 1000;
	o.statement_timeout_ms = 200; /* the lock gives up first all the same */
	OK(store_open(&o, &node, &err));
	OK(store_lease(store, &local, &err));
	OK(store_lease(node, &remote, &err));
	OK(store_lock(conn, 77, &err));
	OK(store_lock(local, 78, &err));
	statements = metric_get(M_PG_STATEMENTS);
	ck_assert_int_eq(store_lock(local, 77, &err), RC_BUSY);
	ck_assert_msg(metric_get(M_PG_STATEMENTS) == statements, "a waiting worker asked PostgreSQL");
	ck_assert_int_eq(store_lock(remote, 77, &err), RC_BUSY);
	OK(store_lock(remote, 79, &err));
	/* a waiter gets it as soon as it is free */
	ck_assert_int_eq(pthread_create(&t, NULL, wait_for_lock, &w), 0);
	store_unlock(conn, 77);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(w.rc, RC_OK);
	OK(store_lock(remote, 77, &err));
	/* giving the connection back gives the locks back */
	store_release(remote);
	OK(store_lock(conn, 77, &err));
	OK(store_lock(conn, 79, &err));
	store_release(local);
	store_close(node);
}
END_TEST

/* Whichever way a lock is given back, a waiter of the same process is woken and does not sleep out its time. */
START_TEST(waiters_are_woken)
{
	struct store_options o = store_test_options();
	struct waiter w = { .folder = 80, .rc = RC_INTERNAL };
	struct timespec tick = { .tv_nsec = 50000000 };
	struct store_conn *c;
	pthread_t t;
	int64_t began;

	o.lock_timeout_ms = 15000;
	OK(store_open(&o, &w.store, &err));
	for (int i = 0; i < 2; i++) {
		OK(store_lease(w.store, &c, &err));
		OK(store_lock(c, 80, &err));
		began = now_mono_us();
		ck_assert_int_eq(pthread_create(&t, NULL, wait_for_lock, &w), 0);
		(void)nanosleep(&tick, NULL); /* lets it begin to wait; the test holds either way */
		if (i == 0)
			store_unlock(c, 80);
		else
			store_release(c);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		ck_assert_int_eq(w.rc, RC_OK);
		ck_assert_int_lt(now_mono_us() - began, 10000000);
		if (i == 0)
			store_release(c);
	}
	store_close(w.store);
}
END_TEST

START_TEST(pool_limits_and_replaces)
{
	struct store_conn *c[4] = { NULL }, *more = NULL;
	int64_t before = metric_get(M_PG_RECONNECTS);

	for (int i = 0; i < 3; i++)
		OK(store_lease(store, &c[i], &err));
	ck_assert_int_eq(store_lease(store, &more, &err), RC_BUSY);
	ck_assert_ptr_null(more);
	/* the server drops every other connection: one in use says so, and all are replaced */
	PQclear(PQexec(conn->pg, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
	    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'usmd'"));
	ck_assert_int_eq(store_lock(c[0], 5, &err), RC_UPSTREAM);
	for (int i = 0; i < 3; i++)
		store_release(c[i]);
	for (int i = 0; i < 3; i++) {
		OK(store_lease(store, &c[i], &err));
		OK(store_lock(c[i], 5 + i, &err));
	}
	ck_assert_int_ge(metric_get(M_PG_RECONNECTS), before + 3);
	for (int i = 0; i < 3; i++)
		store_release(c[i]);
	OK(store_check(store, &err));
}
END_TEST

/* ---- cursors, writes, intents, conflicts ---- */

static struct store_cursor
cursor_make(struct store_folder *f, uint64_t parent, uint64_t lo, size_t n_have)
{
	struct store_cursor cur = { .more = true };

	random_bytes(cur.syncid.b, sizeof(cur.syncid.b));
	cur.c.epoch = f->epoch;
	cur.c.lo = cur.c.pos = lo;
	cur.c.view.filled = true;
	cur.c.n_have = n_have;
	cur.c.have = arena_array(mem, struct have, n_have);
	for (size_t i = 0; i < n_have; i++)
		cur.c.have[i] = (struct have){ .id = (int64_t)i + 1, .cn = lo + i };
	OK(store_cursor_put(conn, device, f->id, parent, 4, &cur, &err));
	return cur;
}

/* A server that is stopped keeps no promise, nor statement_timeout: the statement fails, the connection goes, the next lease has a new one. */
START_TEST(silent_server_is_given_up)
{
	struct store_options o = store_test_options();
	struct store *st;
	struct store_conn *c;
	int64_t began = now_mono_us();
	pid_t backend;

	o.pool = 1;
	o.statement_timeout_ms = 100;
	OK(store_open(&o, &st, &err));
	OK(store_lease(st, &c, &err));
	backend = PQbackendPID(c->pg);
	ck_assert_int_eq(kill(backend, SIGSTOP), 0);
	ck_assert_int_eq(store_lock(c, 4711, &err), RC_UPSTREAM);
	ck_assert_int_lt(now_mono_us() - began, 10000000);
	store_release(c);
	OK(store_lease(st, &c, &err));
	ck_assert_int_ne(PQbackendPID(c->pg), backend);
	store_release(c);
	(void)kill(backend, SIGCONT);
	store_close(st);
}
END_TEST

START_TEST(cursors_are_pruned_by_use)
{
	struct store_folder f = folder_new(CT_CONTACT, "f");
	struct store_cursor a, b, got, *kids, last = { .seq = 0 };
	struct syncid *ids;
	uint64_t seq;
	size_t n;

	OK(store_cursor_next_seq(conn, device, f.id, &seq, &err));
	ck_assert_uint_eq(seq, 1);
	a = cursor_make(&f, 0, 5, 3);
	b = cursor_make(&f, a.seq, 9, 0);
	ck_assert_uint_eq(b.seq, a.seq + 1);
	OK(store_cursor_get(conn, mem, device, f.id, &a.syncid, &got, &err));
	ck_assert(cursor_equal(&got.c, &a.c));
	ck_assert_uint_eq(got.c.lo, 5);
	ck_assert(got.more);
	ck_assert_int_eq(store_cursor_get(conn, mem, device + 1, f.id, &a.syncid, &got, &err), RC_NOTFOUND);
	ck_assert_int_eq(store_cursor_get(conn, mem, device, f.id + 1, &a.syncid, &got, &err), RC_NOTFOUND);

	/* at most four children of a; the newest stay */
	for (uint64_t i = 0; i < 6; i++)
		last = cursor_make(&f, a.seq, 10 + i, 0);
	OK(store_cursor_children(conn, mem, device, f.id, a.seq, &kids, &n, &err));
	ck_assert_uint_eq(n, 4);
	ck_assert_uint_eq(kids[3].seq, last.seq);
	ck_assert_uint_eq(kids[0].c.lo, 12);
	OK(store_cursor_syncids(conn, mem, device, &ids, &n, &err));
	ck_assert_uint_eq(n, 5);
	OK(store_cursor_syncids(conn, mem, device + 1, &ids, &n, &err));
	ck_assert_uint_eq(n, 0);
	OK(store_cursor_get(conn, mem, device, f.id, &a.syncid, &got, &err));
	ck_assert_int_eq(store_cursor_get(conn, mem, device, f.id, &b.syncid, &got, &err), RC_NOTFOUND);

	/* using the second of them drops the older ones and notes k */
	OK(store_cursor_use(conn, device, f.id, &kids[1], 17, &err));
	ck_assert_int_eq(store_cursor_get(conn, mem, device, f.id, &a.syncid, &got, &err), RC_NOTFOUND);
	ck_assert_int_eq(store_cursor_get(conn, mem, device, f.id, &kids[0].syncid, &got, &err), RC_NOTFOUND);
	OK(store_cursor_get(conn, mem, device, f.id, &kids[1].syncid, &got, &err));
	ck_assert_uint_eq(got.k, 17);
	OK(store_cursor_use(conn, device, f.id, &kids[1], 16, &err));
	OK(store_cursor_get(conn, mem, device, f.id, &kids[1].syncid, &got, &err));
	ck_assert_uint_eq(got.k, 17);
	OK(store_cursor_next_seq(conn, device, f.id, &seq, &err));
	ck_assert_uint_eq(seq, last.seq + 1);
}
END_TEST

START_TEST(writes_and_intents)
{
	struct store_folder f = folder_new(CT_CONTACT, "f");
	struct write_field wf[2] = { { 3, UINT64_MAX, 7 }, { 90, 12, 0 } };
	struct write_entry w = { .id = 44, .seq = 0, .nf = 2, .f = wf }, w2 = { .id = 45, .seq = 1 }, *got;
	struct intent i = { .state = INTENT_PENDING, .at = 1790000000000, .seq = 1, .nf = 2, .f = wf }, in;
	struct store_cursor cur;
	int64_t folder;
	size_t n;

	OK(store_write_add(conn, device, f.id, &w, &err));
	OK(store_write_add(conn, device, f.id, &w2, &err));
	w.cn = 8;
	w.done = true;
	w.lm = 99;
	OK(store_write_save(conn, &w, &err));
	OK(store_writes_get(conn, mem, device, f.id, &got, &n, &err));
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(got[0].wid, w.wid);
	ck_assert_uint_eq(got[0].f[0].fp, UINT64_MAX);
	ck_assert_uint_eq(got[0].f[0].fcn, 7);
	ck_assert_uint_eq(got[0].f[1].i, 90);
	ck_assert(got[0].done && got[0].lm == 99 && got[0].cn == 8);

	ck_assert_int_eq(store_intent_get(conn, mem, device, "c1", &folder, &in, &err), RC_NOTFOUND);
	OK(store_intent_put(conn, device, f.id, "c1", &i, &err));
	OK(store_intent_put(conn, device, f.id, "c2", &(struct intent){ .state = INTENT_DONE, .seq = 1, .id = 4, .id_known = true }, &err));
	OK(store_intent_put(conn, device, f.id, "c3", &(struct intent){ .state = INTENT_DELETED, .seq = 1, .unsure = true }, &err));
	OK(store_intent_put(conn, device, f.id, "c4", &(struct intent){ .state = INTENT_DELETED, .seq = 1 }, &err));
	OK(store_intent_put(conn, device, f.id, "c5", &(struct intent){ .state = INTENT_DONE, .seq = 2 }, &err));
	OK(store_intent_get(conn, mem, device, "c1", &folder, &in, &err));
	ck_assert_int_eq(folder, f.id);
	ck_assert(in.state == INTENT_PENDING && in.at == i.at && in.nf == 2 && in.f[1].fp == 12);
	OK(store_intent_get(conn, mem, device, "c2", &folder, &in, &err));
	ck_assert(in.state == INTENT_DONE && in.id == 4 && in.id_known);

	/* the answer of seq 1 has arrived: what it told is forgotten, what is open stays */
	cur = cursor_make(&f, 0, 5, 0);
	OK(store_cursor_use(conn, device, f.id, &cur, 0, &err));
	OK(store_writes_get(conn, mem, device, f.id, &got, &n, &err));
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(got[0].id, 44);
	OK(store_write_delete(conn, w.wid, &err));
	OK(store_writes_get(conn, mem, device, f.id, &got, &n, &err));
	ck_assert_uint_eq(n, 0);
	OK(store_intent_get(conn, mem, device, "c1", &folder, &in, &err));
	ck_assert_int_eq(store_intent_get(conn, mem, device, "c2", &folder, &in, &err), RC_NOTFOUND);
	OK(store_intent_get(conn, mem, device, "c3", &folder, &in, &err));
	ck_assert_int_eq(store_intent_get(conn, mem, device, "c4", &folder, &in, &err), RC_NOTFOUND);
	OK(store_intent_get(conn, mem, device, "c5", &folder, &in, &err));
}
END_TEST

START_TEST(intents_are_claimed_once)
{
	struct store_folder f = folder_new(CT_CONTACT, "f");
	struct intent i = { .state = INTENT_PENDING, .at = 10, .id = 7 }, mine = { .state = INTENT_PENDING, .at = 11 }, got;
	int64_t folder;
	bool won;

	OK(store_intent_claim(conn, device, f.id, "n1", &i, NULL, &won, &err));
	ck_assert(won);
	OK(store_intent_claim(conn, device, f.id, "n1", &mine, NULL, &won, &err)); /* who has read that there is none comes too late */
	ck_assert(!won);
	OK(store_intent_get(conn, mem, device, "n1", &folder, &got, &err));
	ck_assert(folder == f.id && got.at == 10 && got.id == 7);
	OK(store_intent_claim(conn, device, f.id, "n1", &mine, &got, &won, &err));
	ck_assert(won);
	OK(store_intent_claim(conn, device, f.id, "n1", &mine, &got, &won, &err));
	ck_assert(!won);
	/* sent and answered meanwhile: as little is running as before, but the object is there */
	mine.at = 0;
	OK(store_intent_put(conn, device, f.id, "n1", &mine, &err));
	got = mine;
	mine.id_known = true;
	OK(store_intent_put(conn, device, f.id, "n1", &mine, &err));
	OK(store_intent_claim(conn, device, f.id, "n1", &i, &got, &won, &err));
	ck_assert(!won);

	OK(store_intent_told(conn, device, "n1", 9, &err));
	OK(store_intent_told(conn, device, "n2", 9, &err)); /* forgotten since */
	OK(store_intent_get(conn, mem, device, "n1", &folder, &got, &err));
	ck_assert(got.seq == 9 && got.id_known);
	ck_assert_int_eq(store_intent_get(conn, mem, device, "n2", &folder, &got, &err), RC_NOTFOUND);
}
END_TEST

START_TEST(mail_ops_are_claimed_once)
{
	struct mail_op o = { .at = 10, .expires = 5000, .place = UINT64_MAX, .validity = 7, .mail = 44, .mark = 3, .digest = 9 }, was = { 0 }, got;
	bool won;

	ck_assert_int_eq(store_mailop_get(conn, device, "s:a", &got, &err), RC_NOTFOUND);
	OK(store_mailop_claim(conn, device, "s:a", &o, &was, &won, &err));
	ck_assert(won);
	o.at = 11;
	OK(store_mailop_claim(conn, device, "s:a", &o, &was, &won, &err)); /* who has read that there is nothing comes too late */
	ck_assert(!won);
	OK(store_mailop_get(conn, device, "s:a", &got, &err));
	ck_assert(got.state == MAIL_OP_PENDING && got.at == 10 && got.place == UINT64_MAX && got.validity == 7 && got.mail == 44 && got.mark == 3 && got.digest == 9);
	OK(store_mailop_claim(conn, device, "s:a", &o, &got, &won, &err));
	ck_assert(won);
	o.state = MAIL_OP_DONE;
	OK(store_mailop_put(conn, device, "s:a", &o, &err));
	OK(store_mailop_claim(conn, device, "s:a", &o, &got, &won, &err));
	ck_assert(!won);
	o.expires = 9000;
	OK(store_mailop_put(conn, device, "c:a", &o, &err));
	OK(store_expire(conn, 5000, 1000, &err));
	ck_assert_int_eq(store_mailop_get(conn, device, "s:a", &got, &err), RC_NOTFOUND);
	OK(store_mailop_get(conn, device, "c:a", &got, &err));
	ck_assert_int_eq(got.state, MAIL_OP_DONE);
}
END_TEST

START_TEST(conflicts_once)
{
	struct store_conflict x = { .account = account, .device = device, .ct = CT_TASK, .at = 5, .expires = 10,
		.digest = { 1 }, .sealed = "\0secret", .sealed_len = 7 }, y = x, got, *list;
	const struct uuid u = { { 7 } };
	size_t n;

	OK(store_conflict_add(conn, &x, &err));
	y.sealed = "other!!"; /* sealing is randomised: the digest decides */
	OK(store_conflict_add(conn, &y, &err));
	ck_assert_int_eq(y.id, x.id);
	y.digest[0] = 2;
	OK(store_conflict_add(conn, &y, &err));
	ck_assert_int_ne(y.id, x.id);
	OK(store_conflict_list(conn, mem, account, INT64_MAX, 9, 10, &list, &n, &err));
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(list[0].id, y.id);
	ck_assert_uint_eq(list[1].sealed_len, 7);
	ck_assert_mem_eq(list[1].sealed, "\0secret", 7);
	ck_assert_int_eq(list[1].digest[0], 1);
	ck_assert_str_eq(list[1].device_name, "laptop");
	ck_assert(list[1].done == 0 && !list[1].restored);
	OK(store_conflict_list(conn, mem, account, y.id, 9, 10, &list, &n, &err));
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(list[0].id, x.id);
	OK(store_conflict_list(conn, mem, account + 1, INT64_MAX, 9, 10, &list, &n, &err));
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_conflict_get(conn, mem, account + 1, x.id, 9, &got, &err), RC_NOTFOUND);
	ck_assert_int_eq(store_conflict_get(conn, mem, account, x.id, 10, &got, &err), RC_NOTFOUND);
	/* settled: not listed, the values gone, but known; another account's hand does nothing */
	OK(store_conflict_settle(conn, account + 1, x.id, NULL, 7, &err));
	OK(store_conflict_settle(conn, account, x.id, &u, 7, &err));
	OK(store_conflict_settle(conn, account, x.id, NULL, 8, &err));
	OK(store_conflict_get(conn, mem, account, x.id, 9, &got, &err));
	ck_assert(got.done == 7 && got.restored && got.sealed_len == 0);
	ck_assert_mem_eq(got.result.b, u.b, sizeof(u.b));
	OK(store_conflict_settle(conn, account, y.id, NULL, 8, &err));
	OK(store_conflict_get(conn, mem, account, y.id, 9, &got, &err));
	ck_assert(got.done == 8 && !got.restored);
	OK(store_conflict_list(conn, mem, account, INT64_MAX, 9, 10, &list, &n, &err));
	ck_assert_uint_eq(n, 0);
	/* the same loss once more is open again */
	x.at = 8;
	x.expires = 20;
	OK(store_conflict_add(conn, &x, &err));
	OK(store_conflict_get(conn, mem, account, x.id, 9, &got, &err));
	ck_assert(got.done == 0 && !got.restored && got.at == 8 && got.expires == 20 && got.sealed_len == 7);
	OK(store_expire(conn, 19, 1000, &err));
	OK(store_conflict_get(conn, mem, account, x.id, 9, &got, &err));
	ck_assert_int_eq(store_conflict_get(conn, mem, account, y.id, 9, &got, &err), RC_NOTFOUND);
	OK(store_expire(conn, 20, 1000, &err));
	ck_assert_int_eq(store_conflict_get(conn, mem, account, x.id, 9, &got, &err), RC_NOTFOUND);
}
END_TEST

static size_t
rows_left(const struct store_folder *f)
{
	struct row **rows;
	size_t n;

	OK(store_rows_all(conn, mem, f, false, &rows, &n, &err));
	return n;
}

START_TEST(tombstones_expire_when_nobody_needs_them)
{
	const msec_t keep = 1000 * DAY, now = now_ms();
	struct store_folder f = folder_new(_i == 0 ? CT_CONTACT : CT_MAIL, "f");
	struct row r[3], *ptr[3];
	struct store_cursor cur, next;

	for (unsigned i = 0; i < 3; i++) {
		r[i] = store_test_row(mem, 10 + i, i + 1, 1);
		r[i].dead = i != 1;
		ptr[i] = &r[i];
	}
	f.cn = 3;
	OK(store_rows_put(conn, &f, ptr, 3, &err));
	OK(store_folder_save(conn, &f, &err));
	cur = cursor_make(&f, 0, 1, 0); /* has seen the first deletion, not the second */

	OK(store_expire(conn, now, keep, &err)); /* notes where the folder stands */
	ck_assert_uint_eq(rows_left(&f), 3);
	OK(store_expire(conn, now + keep - DAY, keep, &err));
	ck_assert_uint_eq(rows_left(&f), 3);
	OK(store_session_put(conn, (unsigned char[32]){ 1 }, account, device, now + 5 * keep, &err));
	OK(store_expire(conn, now + keep + DAY, keep, &err)); /* old enough, but the cursor needs the second */
	ck_assert_uint_eq(rows_left(&f), 2);
	next = cursor_make(&f, cur.seq, 3, 0);
	OK(store_cursor_use(conn, device, f.id, &next, 0, &err));
	OK(store_expire(conn, now + 2 * keep + 2 * DAY, keep, &err));
	ck_assert_uint_eq(rows_left(&f), 1);
	/* the device never comes back: with its last session its cursors go */
	OK(store_cursor_get(conn, mem, device, f.id, &next.syncid, &cur, &err));
	OK(store_session_delete(conn, (unsigned char[32]){ 1 }, &err));
	OK(store_expire(conn, now + 3 * keep, keep, &err));
	ck_assert_int_eq(store_cursor_get(conn, mem, device, f.id, &next.syncid, &cur, &err), RC_NOTFOUND);
}
END_TEST

/* ---- cost ---- */

static int64_t
next_xid(void)
{
	return store_test_number(conn, "SELECT txid_snapshot_xmax(txid_current_snapshot())");
}

/* What a sync without changes does in the store takes no transaction id: nothing at all was written. */
START_TEST(unchanged_sync_writes_nothing)
{
	struct store_folder f = folder_new(CT_CONTACT, "f"), g;
	unsigned char hash[32] = { 3 };
	struct store_cursor cur = cursor_make(&f, 0, 0, 0), got, *kids;
	struct store_session s;
	struct write_entry *w;
	struct row **rows;
	int64_t before = 0, after = -1;
	size_t n;

	OK(store_session_put(conn, hash, account, device, now_ms() + 60000, &err));
	OK(store_cursor_use(conn, device, f.id, &cur, 1, &err));
	/* autovacuum takes ids as well: a sync that writes would never pass, whatever the number of tries */
	for (int try = 0; try < 5 && before != after; try++) {
		before = next_xid();
		OK(store_session_get(conn, mem, hash, &s, &err));
		OK(store_account_open(conn, 10, 3, &account, &err));
		OK(store_folder_open(conn, mem, account, CT_CONTACT, "f", true, 1, &g, &err));
		OK(store_lock(conn, g.id, &err));
		OK(store_cursor_get(conn, mem, device, g.id, &cur.syncid, &got, &err));
		OK(store_cursor_use(conn, device, g.id, &got, 1, &err));
		OK(store_writes_get(conn, mem, device, g.id, &w, &n, &err));
		OK(store_rows_since(conn, mem, &g, got.c.pos, 100, &rows, &n, &err));
		OK(store_cursor_children(conn, mem, device, g.id, got.seq, &kids, &n, &err));
		store_unlock(conn, g.id);
		after = next_xid();
	}
	ck_assert_int_eq(before, after);
	OK(store_device_config(conn, device, "{}", &err));
	ck_assert_int_gt(next_xid(), after); /* the measure works */
}
END_TEST

/*
 * The usual state is the cursor in use and its answer; at most that is the one in use and four children.  Own writes
 * are in `have` until the cursor has passed them: a handful, as clients send changes as they are made.
 */
START_TEST(state_of_a_device_is_small)
{
	static const struct { uint64_t cursors; size_t have; } state[] = { { 2, 20 }, { 5, 5 } };
	enum { DEVICES = 400 };
	struct store_folder f = folder_new(CT_CONTACT, "f");
	int64_t first = device, bytes;

	for (int d = 0; d < DEVICES; d++) {
		device = first + 1000 + d;
		for (uint64_t k = 0; k < state[_i].cursors; k++)
			(void)cursor_make(&f, 1, 1000000 + k, state[_i].have);
	}
	device = first;
	bytes = store_test_number(conn, "SELECT pg_total_relation_size('cursor')") / DEVICES;
	(void)printf("size: %lld bytes a device and folder with %d cursors of %zu own writes each (limit 1024)\n",
	    (long long)bytes, (int)state[_i].cursors, state[_i].have);
	ck_assert_int_le(bytes, 1024);
}
END_TEST

START_TEST(bulk_is_fast)
{
	enum content ct = _i == 0 ? CT_CONTACT : _i == 1 ? CT_CALENDAR : CT_MAIL;
	enum { MANY = 10000 };
	struct store_folder f = folder_new(ct, "f");
	struct row *r = arena_array(mem, struct row, MANY), **ptr = arena_array(mem, struct row *, MANY), **rows;
	struct store_test_put put = { &f, ptr, MANY };
	struct arena *page;
	int64_t t, t_put, t_again, t_read = INT64_MAX;
	size_t n;

	for (size_t i = 0; i < MANY; i++) {
		r[i] = store_test_row(mem, (int64_t)i + 1, i + 1, ct == CT_MAIL ? 2 : 16);
		if (ct == CT_CALENDAR)
			r[i].sk = r[i].t0 = (int64_t)i * DAY / 4;
		if (ct == CT_MAIL)
			r[i].t0 = r[i].t1 = (int64_t)i * DAY / 4;
		ptr[i] = &r[i];
	}
	f.cn = MANY;
	t = now_mono_us();
	OK(store_txn(conn, store_test_put_fn, &put, &err));
	t_put = now_mono_us() - t;
	for (size_t i = 0; i < MANY; i++)
		r[i].cn += MANY;
	f.cn += MANY;
	t = now_mono_us();
	OK(store_txn(conn, store_test_put_fn, &put, &err));
	t_again = now_mono_us() - t;
	for (int k = 0; k < 5; k++) {
		page = arena_new(0);
		t = now_mono_us();
		OK(store_rows_since(conn, page, &f, MANY + 500, 1000, &rows, &n, &err));
		t = now_mono_us() - t;
		t_read = t < t_read ? t : t_read;
		ck_assert_uint_eq(n, 1000);
		arena_free(page);
	}
	(void)printf("time: content %d: 10,000 rows inserted in %lld ms, all replaced in %lld ms, 1,000 read in %lld us\n", (int)ct,
	    (long long)t_put / 1000, (long long)t_again / 1000, (long long)t_read);
	/* generous: other work runs beside; the figures themselves are for make bench */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert_int_lt(t_put, 1000000);
	ck_assert_int_lt(t_read, 30000);
#endif
}
END_TEST

/* A repeated attempt is noted once; two who read the same entry do not both begin it; what is old or too much goes. */
START_TEST(journal_entries)
{
	struct store_journal x = { .account = account, .device = device, .object = 7, .at = now_ms(), .expires = now_ms() + 60000, .digest = 1,
		.ct = CT_CONTACT, .op = JOURNAL_CHANGED, .place = "42", .sealed = "sealed", .sealed_len = 6 }, big = x, old = x, *list;
	struct write_field f = { .i = 3, .fp = 99 };
	bool won;
	size_t n;

	x.f = &f;
	x.nf = 1;
	OK(store_journal_add(conn, &x, &err));
	ck_assert_int_ne(x.id, 0);
	OK(store_journal_add(conn, &x, &err));
	ck_assert_int_eq(x.id, 0);
	big.digest = 2;
	big.sealed = NULL;
	OK(store_journal_add(conn, &big, &err));
	OK(store_journal_list(conn, mem, device, 0, NULL, 100, &list, &n, &err));
	ck_assert_uint_eq(n, 2);
	ck_assert(list[0].nf == 1 && list[0].f[0].fp == 99 && list[0].sealed == NULL && strcmp(list[0].place, "42") == 0);
	OK(store_journal_list(conn, mem, device, 0, "43", 100, &list, &n, &err));
	ck_assert_uint_eq(n, 0);
	/* without values nothing can be brought back */
	OK(store_journal_want(conn, device, 0, NULL, &n, &err));
	ck_assert_uint_eq(n, 1);
	OK(store_journal_wanted(conn, mem, account, now_ms() - 60000, &list, &n, &err));
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(list[0].sealed_len, 6);
	OK(store_journal_claim(conn, &list[0], now_ms(), &won, &err));
	ck_assert(won);
	OK(store_journal_claim(conn, &list[0], now_ms(), &won, &err));
	ck_assert(!won);
	OK(store_journal_wanted(conn, mem, account, now_ms() - 60000, &list, &n, &err));
	ck_assert_uint_eq(n, 0); /* under way */
	OK(store_journal_wanted(conn, mem, account, now_ms() + 1, &list, &n, &err));
	ck_assert_uint_eq(n, 1);
	OK(store_journal_end(conn, list[0].id, JOURNAL_UNDONE, "", &err));
	OK(store_journal_want(conn, device, 0, NULL, &n, &err));
	ck_assert_uint_eq(n, 0);
	/* expiry and the limit */
	old.digest = 3;
	old.expires = now_ms() - 1;
	OK(store_journal_add(conn, &old, &err));
	OK(store_expire(conn, now_ms(), INT64_C(1) << 40, &err));
	OK(store_journal_list(conn, mem, device, 0, NULL, 100, &list, &n, &err));
	ck_assert_uint_eq(n, 2);
	OK(store_journal_trim(conn, account, 1, &err));
	OK(store_journal_list(conn, mem, device, 0, NULL, 100, &list, &n, &err));
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(list[0].id, big.id);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store");
	TCase *t = tcase_create("store"), *cost = tcase_create("cost");

	store_test_database("t_store");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, accounts_devices_sessions);
	tcase_add_test(t, devices_and_sessions_have_an_end);
	tcase_add_test(t, newcomers_at_once);
	tcase_add_test(t, folder_fence_reset_drop);
	tcase_add_loop_test(t, rows_like_an_array, CT_FOLDER, CT_COUNT);
	tcase_add_test(t, txn_repeats_on_serialization_failure);
	tcase_add_test(t, txn_rolls_back);
	tcase_add_test(t, locks_exclude_workers_and_nodes);
	tcase_add_test(t, waiters_are_woken);
	tcase_add_test(t, pool_limits_and_replaces);
	tcase_add_test(t, silent_server_is_given_up);
	tcase_add_test(t, cursors_are_pruned_by_use);
	tcase_add_test(t, writes_and_intents);
	tcase_add_test(t, intents_are_claimed_once);
	tcase_add_test(t, mail_ops_are_claimed_once);
	tcase_add_test(t, conflicts_once);
	tcase_add_test(t, journal_entries);
	tcase_add_loop_test(t, tombstones_expire_when_nobody_needs_them, 0, 2);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(cost, setup, teardown);
	tcase_set_timeout(cost, 60);
	tcase_add_test(cost, unchanged_sync_writes_nothing);
	tcase_add_loop_test(cost, state_of_a_device_is_small, 0, 2);
	tcase_add_loop_test(cost, bulk_is_fast, 0, 3);
	suite_add_tcase(s, cost);
	return harness_main(s);
}
