/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From when on OX is asked: the overlap, until nothing older can become visible any more (src/engine/settled.c). */
#include "test_engine.h"

#include "engine/engine_int.h"

#define OVERLAP_US (10000 * 1000)

static int64_t mono;
static struct engine *g;
static struct store_folder f;

static int64_t
fake_mono(void)
{
	return mono;
}

/* A look at AT microseconds that reads N objects up to the stamp NEWEST. */
static void
look(int64_t at, msec_t newest, size_t n)
{
	mono = at;
	settled_note(g, &f, at, newest, n);
}

static void
setup(void)
{
	g = calloc(1, sizeof(*g));
	ck_assert_ptr_nonnull(g);
	(void)pthread_mutex_init(&g->lock, NULL);
	g->o.overlap_ms = 10000;
	g->o.reread_max = 16;
	f = (struct store_folder){ .id = 7, .epoch = 3, .cn = 20, .ox_ts = 5000000 };
	mono = 0;
	clock_override_mono(fake_mono);
}

static void
teardown(void)
{
	clock_override_mono(NULL);
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}

START_TEST(many_are_not_read_for_ever)
{
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	look(1, 5000000, 2000);
	look(2 * OVERLAP_US, 5000000, 2000); /* too early by a microsecond */
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	mono = 2 * OVERLAP_US + 1;
	ck_assert(settled_gains(g, &f, 4990000));
	look(2 * OVERLAP_US + 1, 5000000, 2000);
	ck_assert_int_eq(settled_since(g, &f), 4999999);
	ck_assert(settled_gains(g, &f, 4990000));
	ck_assert(!settled_gains(g, &f, 4999999));
	/* own writes do not raise the stored stamp, and are settled all the same */
	look(3 * OVERLAP_US, 5100000, 500);
	look(5 * OVERLAP_US, 5100000, 500);
	ck_assert_int_eq(settled_since(g, &f), 5099999);
}
END_TEST

START_TEST(what_was_asked_before_settles_nothing)
{
	look(0, 5000000, 2000);
	mono = 9 * OVERLAP_US;
	settled_note(g, &f, 1, 5000000, 2000); /* the question was sent when a change could still be hidden; the answer took long */
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	/* neither does a newer stamp that came with the look that settles */
	look(9 * OVERLAP_US, 5500000, 2000);
	ck_assert_int_eq(settled_since(g, &f), 4999999);
}
END_TEST

START_TEST(another_index_is_not_settled)
{
	look(0, 5000000, 2000);
	look(3 * OVERLAP_US, 5000000, 2000);
	ck_assert_int_eq(settled_since(g, &f), 4999999);
	f.cn = 19; /* the database was set back */
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	f.cn = 25;
	ck_assert_int_eq(settled_since(g, &f), 4999999);
	f.epoch = 4;
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	f.epoch = 3;
	f.id += SETTLED_SLOTS;
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	look(4 * OVERLAP_US, 5000000, 17); /* takes the slot */
	f.id -= SETTLED_SLOTS;
	ck_assert_int_eq(settled_since(g, &f), 4990000);
}
END_TEST

START_TEST(few_are_read_again)
{
	look(0, 5000000, 16);
	look(3 * OVERLAP_US, 5000000, 16);
	ck_assert_int_eq(settled_since(g, &f), 4990000);
	ck_assert(!settled_gains(g, &f, 4990000));
	f.ox_ts = 9000; /* near the beginning of time */
	ck_assert_int_eq(settled_since(g, &f), 0);
}
END_TEST

TCase *
settled_case(void)
{
	TCase *t = tcase_create("settled");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, many_are_not_read_for_ever);
	tcase_add_test(t, what_was_asked_before_settles_nothing);
	tcase_add_test(t, another_index_is_not_settled);
	tcase_add_test(t, few_are_read_again);
	return t;
}
