/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a page may cost: work grows with the changes and never with the folder; memory that runs out is an answer, too. */
#include "usmd/sync.h"

#include <stdlib.h>
#include <string.h>

#include "test_sync.h"

#define BIG 65535

/* A folder of N rows, id 1 to n, cn = id, the sort key is the id; the last CHANGED have been changed since CN n. */
struct folder {
	struct arena *a;
	struct row *row;
	size_t n, changed;
	uint64_t cn;
	unsigned calls, fail_at; /* the fail_at-th question to the source fails; 0 = none */
};

static bool
fails(struct folder *f)
{
	return ++f->calls == f->fail_at;
}

static enum rc
src_since(void *self, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct folder *f = self;
	size_t first = cn >= f->n ? f->n - f->changed + (size_t)(cn - f->n) : (size_t)cn;

	*n = 0;
	if (fails(f))
		return err_set(e, RC_UPSTREAM, "no database");
	*rows = arena_array(f->a, struct row *, max);
	while (*n < max && first < f->n)
		(*rows)[(*n)++] = &f->row[first++];
	return RC_OK;
}

static enum rc
src_below(void *self, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct folder *f = self;
	size_t i = from_top ? f->n : (size_t)id - 1;

	(void)sk;
	*n = 0;
	if (fails(f))
		return err_set(e, RC_UPSTREAM, "no database");
	*rows = arena_array(f->a, struct row *, max);
	while (*n < max && i > 0)
		(*rows)[(*n)++] = &f->row[--i];
	return RC_OK;
}

static enum rc
src_moved(void *self, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e)
{
	struct folder *f = self;

	*n = 0;
	if (fails(f))
		return err_set(e, RC_UPSTREAM, "no database");
	*rows = arena_array(f->a, struct row *, f->n);
	for (size_t i = 0; i < f->n; i++)
		if (sync_in_window(&f->row[i], old0, old1) != sync_in_window(&f->row[i], new0, new1))
			(*rows)[(*n)++] = &f->row[i];
	return RC_OK;
}

static enum rc
src_by_id(void *self, int64_t id, struct row **row, struct err *e)
{
	struct folder *f = self;

	*row = &f->row[id - 1];
	return fails(f) ? err_set(e, RC_UPSTREAM, "no database") : RC_OK;
}

static void
folder_make(struct folder *f, size_t n, size_t changed)
{
	memset(f, 0, sizeof(*f));
	f->a = arena_new(0);
	f->n = n;
	f->changed = changed;
	f->cn = n + changed;
	f->row = arena_array(f->a, struct row, n);
	for (size_t i = 0; i < n; i++) {
		struct row_field *x = arena_array(f->a, struct row_field, 1);
		uint64_t cn = i + changed >= n ? n + (i + changed - n) + 1 : i + 1;

		*x = (struct row_field){ .i = 0, .fp = 1, .cn = cn };
		f->row[i] = (struct row){ .id = (int64_t)i + 1, .sk = (int64_t)i + 1, .t0 = (msec_t)i, .t1 = (msec_t)i, .first_cn = i + 1, .keycn = i + 1,
			.cn = cn, .known = true, .nf = 1, .f = x };
	}
}

static enum rc
ask(struct folder *f, struct arena *a, const struct cursor *c, size_t limit, struct sync_delta_out *d)
{
	struct row_source src = { f, src_since, src_below, src_moved, src_by_id };
	struct sync_delta_in in = { .cursor = c, .folder_cn = f->cn, .w0 = c->view.w0, .w1 = c->view.w1, .limit = limit };
	struct err e;

	return sync_delta(a, &in, &src, d, &e);
}

START_TEST(ten_changes_cost_the_same_in_any_folder)
{
	static const size_t sizes[] = { 100, BIG };
	size_t read[2];

	for (int i = 0; i < 2; i++) {
		struct folder f;
		struct cursor c = { .lo = sizes[i], .pos = sizes[i], .view = { .filled = true, .w0 = TIME_MIN, .w1 = TIME_MAX } };
		struct sync_delta_out d;

		folder_make(&f, sizes[i], 10);
		ck_assert_int_eq(ask(&f, f.a, &c, 500, &d), RC_OK);
		ck_assert_uint_eq(d.n, 10);
		ck_assert(!d.more);
		read[i] = d.rows_read;
		arena_free(f.a);
	}
	ck_assert_uint_eq(read[0], read[1]);
	ck_assert_uint_eq(read[0], 10);
}
END_TEST

/* A folder full of rows that do not concern the client: each page stops, and each gets further. */
START_TEST(a_page_reads_so_much_and_no_more)
{
	struct folder f;
	struct cursor c;
	unsigned pages = 0;

	folder_make(&f, 20000, 0);
	sync_cursor_fresh(&c, 1, f.cn, 30000, 40000, NULL);
	for (struct sync_delta_out d = { .more = true }; d.more; pages++) {
		ck_assert_int_eq(ask(&f, f.a, &c, 10, &d), RC_OK);
		ck_assert_uint_eq(d.n, 0);
		ck_assert_uint_le(d.rows_read, 10 + 4096);
		ck_assert(!d.more || !cursor_equal(&c, &d.next));
		c = d.next;
	}
	ck_assert(c.view.filled);
	ck_assert_uint_eq(pages, 5);
	/* the same in the change stream: away for long, and all that changed is outside the window */
	c = (struct cursor){ .view = { .filled = true, .w0 = 30000, .w1 = 40000 } };
	pages = 0;
	for (struct sync_delta_out d = { .more = true }; d.more; pages++) {
		ck_assert_int_eq(ask(&f, f.a, &c, 10, &d), RC_OK);
		ck_assert_uint_le(d.rows_read, 10 + 4096);
		ck_assert_uint_eq(d.next.lo, d.more ? 0 : f.cn);
		c = d.next;
	}
	ck_assert_uint_eq(pages, 5);
	arena_free(f.a);
}
END_TEST

START_TEST(pages_together_are_the_whole)
{
	for (size_t limit = 1; limit < 700; limit += 97) {
		struct folder f;
		struct cursor c;
		size_t got = 0;
		int64_t last = INT64_MAX;

		folder_make(&f, 1500, 0);
		sync_cursor_fresh(&c, 1, f.cn, TIME_MIN, TIME_MAX, NULL);
		for (struct sync_delta_out d = { .more = true }; d.more; ) {
			ck_assert_int_eq(ask(&f, f.a, &c, limit, &d), RC_OK);
			ck_assert_uint_le(d.n, limit);
			for (size_t i = 0; i < d.n; i++) {
				ck_assert_int_lt(d.items[i].row->id, last);
				last = d.items[i].row->id;
			}
			got += d.n;
			c = d.next;
		}
		ck_assert_uint_eq(got, f.n);
		ck_assert_uint_eq(c.view.n_filled, f.n);
		arena_free(f.a);
	}
}
END_TEST

/* A window that moves brings its rows in one answer, whatever the limit, and all three questions to the source may fail. */
START_TEST(failures_of_the_source_are_passed_on)
{
	struct folder f;
	struct sync_delta_out d;
	struct row_source src = { &f, src_since, src_below, src_moved, src_by_id };
	struct cursor c = { .lo = 50, .pos = 50, .view = { .edge_sk = 40, .edge_id = 40, .w0 = 0, .w1 = 10 } };
	struct sync_delta_in in = { .cursor = &c, .w0 = 0, .w1 = 48, .limit = 5 };
	struct err e;

	folder_make(&f, 50, 0);
	in.folder_cn = f.cn;
	for (f.fail_at = 1; f.fail_at <= 3; f.fail_at++) {
		f.calls = 0;
		ck_assert_int_eq(sync_delta(f.a, &in, &src, &d, &e), RC_UPSTREAM);
	}
	f.fail_at = 0;
	ck_assert_int_eq(sync_delta(f.a, &in, &src, &d, &e), RC_OK);
	ck_assert_uint_eq(d.n, 10); /* times 39 to 48 */
	ck_assert(d.more);
	ck_assert_int_eq(cursor_have_set(f.a, &c, 7, 60), RC_OK);
	f.calls = 0;
	f.fail_at = 1;
	ck_assert_int_eq(sync_prune(f.a, &c, &src, &e), RC_UPSTREAM);
	arena_free(f.a);
}
END_TEST

/* Arenas that run out at every place: RC_NOMEM or a right answer, never anything else. */
START_TEST(memory_may_run_out)
{
	unsigned refused = 0, answered = 0;

	for (size_t room = 8192; room < 2000000; room += 16384) {
		struct folder f;
		struct arena *a = arena_new(room);
		struct cursor c = { .view = { .filled = true, .w0 = TIME_MIN, .w1 = TIME_MAX } };
		struct sync_delta_out d;
		enum rc rc;

		folder_make(&f, 3000, 3000);
		rc = RC_OK;
		for (int64_t i = 1; i <= 40 && rc == RC_OK; i++)
			rc = cursor_have_set(a, &c, i, 1);
		if (rc == RC_OK)
			rc = ask(&f, a, &c, 3000, &d);
		ck_assert(rc == RC_OK || rc == RC_NOMEM);
		if (rc == RC_OK) {
			ck_assert_uint_eq(d.n, 3000);
			answered++;
		} else {
			refused++;
		}
		arena_free(a);
		arena_free(f.a);
	}
	ck_assert_uint_gt(refused, 3);
	ck_assert_uint_gt(answered, 3);
}
END_TEST

/* Each single allocation of a small page, its merge and its pruning: the arena ends a few octets later every time. */
START_TEST(each_allocation_may_fail)
{
	unsigned refused = 0, answered = 0;

	for (size_t room = 16; answered < 100; room += 16) {
		struct folder f;
		struct arena *a = arena_new(room);
		struct cursor c = { .view = { .filled = true, .w0 = TIME_MIN, .w1 = TIME_MAX } }, copy;
		struct sighting_field field = { .i = 1, .fp = 7 };
		struct sighting seen = { .id = 1, .lm = 5, .known = true, .nf = 1, .f = &field };
		struct index_head head = { .cn = 40 };
		struct sync_delta_out d;
		struct row merged;
		bool changed, touched;
		struct err e;
		enum rc rc;

		folder_make(&f, 20, 20);
		rc = cursor_have_set(a, &c, 1, 1);
		if (rc == RC_OK)
			rc = cursor_copy(a, &c, &copy);
		if (rc == RC_OK)
			rc = ask(&f, a, &copy, 20, &d);
		if (rc == RC_OK)
			rc = sync_merge(a, &head, &f.row[0], &seen, &merged, &changed, &touched);
		if (rc == RC_OK) {
			struct row_source src = { &f, src_since, src_below, src_moved, src_by_id };

			rc = sync_prune(a, &d.next, &src, &e);
		}
		ck_assert(rc == RC_OK || rc == RC_NOMEM);
		if (rc == RC_OK)
			ck_assert_uint_eq(d.n, 20);
		answered += rc == RC_OK;
		refused += rc != RC_OK;
		ck_assert_uint_le(c.n_have, 1);
		arena_free(a);
		arena_free(f.a);
	}
	ck_assert_uint_gt(refused, 10);
}
END_TEST

/* The same for reconcile, whose answer is whole or none.  Planning takes no memory at all: sync_plan_change is given no arena. */
START_TEST(each_allocation_of_reconcile_may_fail)
{
	static const unsigned char master[KEY_BYTES] = { 9 };
	struct model_keys *keys = model_keys_new(master);
	unsigned refused = 0, answered = 0;

	ck_assert_ptr_nonnull(keys);
	for (size_t room = 8; answered < 20; room += 8) {
		struct folder f;
		struct arena *a = arena_new(room);
		struct cursor fresh = { .lo = 20, .view = { .edge_sk = INT64_MAX, .edge_id = INT64_MAX, .w0 = TIME_MIN, .w1 = TIME_MAX } };
		struct pair pairs[12] = { 0 };
		struct sync_reconcile_out out;
		struct row *rows[20];
		enum rc rc;

		folder_make(&f, 20, 0);
		for (size_t i = 0; i < 20; i++)
			rows[i] = &f.row[i];
		for (size_t i = 0; i < 12; i++) { /* ten are there, as agreed; two are not */
			pairs[i].id = i < 10 ? (int64_t)i + 1 : (int64_t)i + 100;
			pairs[i].valid = true;
			if (i < 10)
				row_rev(keys, CT_CONTACT, rows[i], &fresh.seen.hidden, pairs[i].rev);
		}
		rc = sync_reconcile(a, keys, CT_CONTACT, &fresh, rows, 20, pairs, 12, NULL, 3, &out);
		ck_assert(rc == RC_OK || rc == RC_NOMEM);
		if (rc == RC_OK) {
			ck_assert_uint_eq(out.n, 3);
			ck_assert_uint_eq(out.n_gone, 2);
			ck_assert(out.more);
		}
		answered += rc == RC_OK;
		refused += rc != RC_OK;
		arena_free(a);
		arena_free(f.a);
	}
	ck_assert_uint_gt(refused, 3);
	model_keys_free(keys);
}
END_TEST

Suite *
suite_limits(void)
{
	Suite *s = suite_create("limits");
	TCase *t = tcase_create("limits");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, ten_changes_cost_the_same_in_any_folder);
	tcase_add_test(t, a_page_reads_so_much_and_no_more);
	tcase_add_test(t, pages_together_are_the_whole);
	tcase_add_test(t, failures_of_the_source_are_passed_on);
	tcase_add_test(t, memory_may_run_out);
	tcase_add_test(t, each_allocation_may_fail);
	tcase_add_test(t, each_allocation_of_reconcile_may_fail);
	suite_add_tcase(s, t);
	return s;
}
