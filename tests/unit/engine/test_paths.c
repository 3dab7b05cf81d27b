/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where waits die: what is learnt of it, from how little it is not, and when it is forgotten. */
#include <check.h>
#include <stdio.h>

#include "engine/path.h"
#include "unit/engine/paths.h"

#define HOUR (INT64_C(3600) * 1000)
#define DAY (24 * HOUR)

static struct paths *p;
static msec_t now;

static void
setup(void)
{
	p = paths_new(&(struct path_options){ .floor_s = 60, .memory_ms = 7 * DAY });
	now = INT64_C(1795000000000);
	ck_assert_ptr_nonnull(p);
}

static void
teardown(void)
{
	paths_free(p);
}

/* A wait of a device there, from its begin to its end: how long it was allowed to be. */
static unsigned
wait(const char *ip, int64_t device, unsigned wanted_s, unsigned dies_at_s, enum wait_end how)
{
	unsigned granted = paths_begin(p, ip, device, wanted_s, now), waited = dies_at_s < granted ? dies_at_s : granted;

	now += (msec_t)waited * 1000;
	(void)paths_end(p, ip, device, waited, waited < granted ? how : WAIT_ANSWERED, now);
	return granted;
}

START_TEST(four_deaths_alike_make_a_limit)
{
	ck_assert_uint_eq(wait("192.0.2.7", 1, 1800, 300, WAIT_CUT), 1800);
	ck_assert_uint_eq(wait("192.0.2.7", 1, 1800, 301, WAIT_CUT), 1800);
	ck_assert_uint_eq(wait("192.0.2.9", 2, 1800, 299, WAIT_RETURNED), 1800);
	ck_assert_uint_eq(wait("192.0.2.7", 1, 1800, 300, WAIT_CUT), 1800);
	/* a tenth before the earliest, for the whole network and for no other */
	ck_assert_uint_eq(wait("192.0.2.200", 3, 1800, 300, WAIT_CUT), 299 - 29);
	ck_assert_uint_eq(wait("192.0.3.7", 4, 1800, 1800, WAIT_CUT), 1800);
	ck_assert_uint_eq(wait("192.0.2.200", 3, 120, 300, WAIT_CUT), 120);
}
END_TEST

START_TEST(networks_of_both_kinds)
{
	for (int i = 0; i < 4; i++)
		(void)wait("2001:db8:1:2::7", 1, 1800, 600, WAIT_CUT);
	ck_assert_uint_eq(paths_begin(p, "2001:db8:1:ffff::1", 2, 1800, now), 540);
	ck_assert_uint_eq(paths_begin(p, "2001:db8:2::1", 2, 1800, now), 1800);
	ck_assert_uint_eq(paths_begin(p, "no address", 2, 1800, now), 1800);
	(void)paths_end(p, "no address", 2, 600, WAIT_CUT, now);
}
END_TEST

/* People who close their programs, in an office where waits come through. */
START_TEST(what_ends_at_random_is_nobodys_limit)
{
	uint64_t state = 7;

	for (int64_t i = 0; i < 20000; i++) {
		unsigned dies;

		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		dies = (unsigned)(state >> 33) % 3600;
		now += 1000;
		/* half of them wait to the end, and wait again at once */
		ck_assert_uint_eq(wait("198.51.100.1", i / 4 % 50, 1800, dies, WAIT_CUT), 1800);
	}
}
END_TEST

START_TEST(a_wait_that_comes_through_contradicts)
{
	for (int i = 0; i < 3; i++)
		(void)wait("192.0.2.7", 1, 1800, 300, WAIT_CUT);
	(void)wait("192.0.2.8", 2, 1000, 1000, WAIT_CUT); /* answered .. */
	(void)paths_begin(p, "192.0.2.8", 2, 1800, now + 2000); /* .. and heard */
	(void)wait("192.0.2.7", 1, 1800, 300, WAIT_CUT);
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 1800);
	for (int i = 0; i < 3; i++)
		(void)wait("192.0.2.7", 1, 1800, 300, WAIT_CUT);
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 270);
	/* an older wait, begun before the limit, comes through: it was none */
	(void)paths_end(p, "192.0.2.8", 2, 1800, WAIT_ANSWERED, now);
	ck_assert_uint_eq(paths_begin(p, "192.0.2.8", 2, 1800, now + 1000), 1800);
}
END_TEST

/* A router that forgets silently: the answer is written, and never arrives. */
START_TEST(lost_answers_count)
{
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(wait("192.0.2.7", 1, 900, 900, WAIT_CUT), 900);
		now += 60000; /* the client's own patience */
	}
	ck_assert_uint_eq(wait("192.0.2.7", 1, 900, 900, WAIT_CUT), 810);
	/* who comes back much later may have slept */
	for (int i = 0; i < 5; i++) {
		(void)wait("203.0.113.7", 1, 900, 900, WAIT_CUT);
		now += HOUR;
	}
	ck_assert_uint_eq(paths_begin(p, "203.0.113.7", 1, 900, now), 900);
}
END_TEST

START_TEST(short_ones_and_old_ones_do_not_count)
{
	for (int i = 0; i < 10; i++)
		(void)wait("192.0.2.7", 1, 1800, 40, WAIT_CUT);
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 1800);
	for (int i = 0; i < 4; i++)
		(void)wait("192.0.2.7", 1, 1800, 62, WAIT_CUT);
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 60); /* never below the floor */
	for (int i = 0; i < 10; i++) {
		(void)wait("203.0.113.7", 1, 1800, 300, WAIT_CUT);
		now += 13 * HOUR;
	}
	ck_assert_uint_eq(paths_begin(p, "203.0.113.7", 1, 1800, now), 1800);
}
END_TEST

START_TEST(forgotten_after_its_time)
{
	for (int i = 0; i < 4; i++)
		(void)wait("192.0.2.7", 1, 1800, 300, WAIT_CUT);
	now += 7 * DAY - 1;
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 270);
	now += 1;
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 1800);
}
END_TEST

START_TEST(nodes_share_it)
{
	struct paths *other = paths_new(&(struct path_options){ .floor_s = 60, .memory_ms = 7 * DAY });
	struct store_path x[4];

	ck_assert_uint_eq(paths_changed(p, x, 4, now), 0);
	for (int i = 0; i < 4; i++)
		(void)wait("192.0.2.7", 1, 1800, 300, WAIT_CUT);
	ck_assert_uint_eq(paths_changed(p, x, 4, now), 1);
	ck_assert_str_eq(x[0].net, "192.0.2.0/24");
	ck_assert_uint_eq(x[0].cut_s, 300);
	ck_assert_uint_eq(x[0].safe_s, 270);
	ck_assert_uint_eq(x[0].seen, 4);
	ck_assert_uint_eq(paths_changed(p, x + 1, 3, now), 0);
	paths_adopt(other, x, 1, now);
	ck_assert_uint_eq(paths_begin(other, "192.0.2.99", 9, 1800, now), 270);
	ck_assert_uint_eq(paths_changed(other, x + 1, 3, now), 0);
	/* forgotten there: to be dropped, and with the next look forgotten here */
	(void)paths_end(other, "192.0.2.99", 9, 1800, WAIT_ANSWERED, now);
	(void)paths_begin(other, "192.0.2.99", 9, 1800, now + 1);
	ck_assert_uint_eq(paths_changed(other, x, 4, now), 1);
	ck_assert_uint_eq(x[0].safe_s, 0);
	paths_adopt(p, NULL, 0, now);
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 1800);
	paths_free(other);
}
END_TEST

/* More networks than are kept: those with a limit stay, whatever passes. */
START_TEST(bounded)
{
	char ip[32];

	for (int i = 0; i < 4; i++)
		(void)wait("192.0.2.7", 1, 1800, 300, WAIT_CUT);
	for (unsigned i = 0; i < 50000; i++) {
		(void)snprintf(ip, sizeof(ip), "10.%u.%u.1", i / 250, i % 250);
		now += 10;
		(void)paths_begin(p, ip, 1, 1800, now);
	}
	ck_assert_uint_eq(paths_begin(p, "192.0.2.7", 1, 1800, now), 270);
}
END_TEST

TCase *
paths_tests(void)
{
	TCase *t = tcase_create("paths");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, four_deaths_alike_make_a_limit);
	tcase_add_test(t, networks_of_both_kinds);
	tcase_add_test(t, what_ends_at_random_is_nobodys_limit);
	tcase_add_test(t, a_wait_that_comes_through_contradicts);
	tcase_add_test(t, lost_answers_count);
	tcase_add_test(t, short_ones_and_old_ones_do_not_count);
	tcase_add_test(t, forgotten_after_its_time);
	tcase_add_test(t, nodes_share_it);
	tcase_add_test(t, bounded);
	return t;
}
