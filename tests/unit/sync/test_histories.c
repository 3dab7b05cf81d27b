/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Property test: random histories of a small world (sim.h).  Without any setting the same histories are played every time, so that
 * a failure means the change at hand.  SEED=<n> begins elsewhere or repeats, SEED=random begins by the clock, STEPS=<n> sets how long
 * it lasts (all histories together; by the clock unless SEED is a number), WORLD=<name> takes one kind only, LENGTH=<n> fixes the
 * steps of one history.  A failure prints the line that repeats it.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test_sync.h"

static const struct { const char *name; struct variant v; } worlds[] = {
	{ "quiet", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1 } },
	{ "answers", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true } },
	{ "late-ox", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .late = true } },
	{ "repeats", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .dups = true, .error_policy = true } },
	{ "faults", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true } },
	{ "nodes", { .nfold = 1, .ndev = 3, .nacc = 2, .nodes = 2, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .locklost = true, .listing = true, .error_policy = true } },
	{ "windows", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .windows = true, .listing = true } },
	{ "moves", { .nfold = 2, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .moves = true } },
	{ "losses", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .dbloss = true, .rollback = true, .backup = true, .listing = true } },
	{ "everything", { .nfold = 2, .ndev = 3, .nacc = 2, .nodes = 2, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .moves = true, .windows = true, .copies = true, .dbloss = true, .rollback = true, .backup = true, .locklost = true, .perms = true,
	    .error_policy = true, .listing = true } },
	{ "filters", { .nfold = 1, .ndev = 2, .nacc = 1, .nodes = 1, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .windows = true, .filters = true, .listing = true } },
	{ "filtered", { .nfold = 2, .ndev = 3, .nacc = 2, .nodes = 2, .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true,
	    .moves = true, .windows = true, .filters = true, .copies = true, .dbloss = true, .rollback = true, .backup = true, .locklost = true, .perms = true,
	    .error_policy = true, .listing = true } },
};

static const int lengths[] = { 60, 150, 300, 600, 1200 };

static uint64_t
number(const char *name, uint64_t fallback)
{
	const char *s = getenv(name);

	return s != NULL ? strtoull(s, NULL, 10) : fallback;
}

/* What is played without a setting: histories that once found something, and some more. */
static const uint64_t always[] = { 69, 869, 5001698, 200000213, 810000089 };
#define ALWAYS_STEPS 150000
#define CAMPAIGN_STEPS 1000000

/* Histories from SEED on, until STEPS are done. */
static void
play(uint64_t seed, uint64_t steps)
{
	const char *only = getenv("WORLD");
	struct sim fig = { 0 };
	int runs = 0;

	printf("SEED=%llu STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)steps);
	(void)fflush(stdout);
	while (fig.steps < steps)
		for (size_t w = 0; w < ARRAY_LEN(worlds) && fig.steps < steps; w++) {
			int n = (int)number("LENGTH", (uint64_t)lengths[seed % ARRAY_LEN(lengths)]);
			const char *why;

			if (only != NULL && strcmp(only, worlds[w].name) != 0)
				continue;
			why = sim_run(seed * 16 + w, &worlds[w].v, BREAK_NONE, n, &fig);
			if (why != NULL)
				ck_abort_msg("%s\n  repeat with: SEED=%llu WORLD=%s LENGTH=%d STEPS=1", why, (unsigned long long)seed, worlds[w].name, n);
			runs++;
			if (w == ARRAY_LEN(worlds) - 1 || only != NULL)
				seed++;
		}
	printf("%d histories, %llu steps, %llu crashes, %llu lost answers, %llu conflict records, rows read : items sent %.2f\n", runs,
	    (unsigned long long)fig.steps, (unsigned long long)fig.crashes, (unsigned long long)fig.lost, (unsigned long long)fig.records,
	    (double)fig.rows_read / (double)(fig.emitted + 1));
}

START_TEST(random_histories)
{
	const char *seed = getenv("SEED");

	if (seed == NULL && getenv("STEPS") == NULL)
		for (size_t i = 0; i < ARRAY_LEN(always); i++)
			play(always[i], ALWAYS_STEPS);
	else if (seed == NULL || strcmp(seed, "random") == 0)
		play((uint64_t)time(NULL), number("STEPS", CAMPAIGN_STEPS));
	else
		play(number("SEED", 0), number("STEPS", CAMPAIGN_STEPS));
}
END_TEST

/*
 * The checks must be able to fail: with a rule left out they do.  Seen for every rule named here; the share of histories that
 * notice runs from 80 % (F13) to 1 % (F6); two in 12,000 notice F18, so it begins near one of them.  Fixed seeds, so that this cannot fail by chance.  F15 was seen once in 300 histories; F17 and F19 are too rare for
 * random histories of this length; all three have their cases in tests/sync-cases.
 */
static const struct { enum broken off; uint64_t first; const char *world, *rule; } rules[] = {
	{ BREAK_F1, 1000, "faults", "F1 lo moves only with a complete answer" },
	{ BREAK_F2, 1000, "windows", "F2 keycn tells who knows a row" },
	{ BREAK_F4, 1000, "faults", "F4 an object that the client wrote is answered in full" },
	{ BREAK_F6, 1000, "faults", "F6 an older request of the same device is refused" },
	{ BREAK_F8, 1000, "faults", "F8 blind fields are conflicts" },
	{ BREAK_F9, 1000, "faults", "F9 a create of unknown outcome is not repeated" },
	{ BREAK_F10, 1000, "moves", "F10 the id that OX answered is stored at once, a pending intent is searched" },
	{ BREAK_F12, 1000, "faults", "F12 a write carries the row's own last_modified" },
	{ BREAK_F13, 1000, "faults", "F13 refreshes overlap" },
	{ BREAK_F14, 1000, "faults", "F14 the losing server version is recorded first" },
	{ BREAK_F18, 4295, "everything", "F18 an object gone while it is answered is told as deleted" },
	{ BREAK_F20, 1000, "losses", "F20 no syncid before the last page of a reconcile" },
	{ BREAK_F21, 1000, "filters", "F21 what a client does not get it has never seen" },
	{ BREAK_SWEEP, 1000, "filters", "F22 what the client wrote while new fields are brought is answered with all of them" },
};

START_TEST(broken_rule_is_noticed)
{
	const struct variant *v = NULL;
	const char *why = NULL;

	for (size_t w = 0; w < ARRAY_LEN(worlds); w++)
		if (strcmp(worlds[w].name, rules[_i].world) == 0)
			v = &worlds[w].v;
	ck_assert_ptr_nonnull(v);
	for (uint64_t i = 0; i < 1500 && why == NULL; i++)
		why = sim_run((rules[_i].first + i) * 16, v, rules[_i].off, lengths[i % ARRAY_LEN(lengths)], NULL);
	ck_assert_msg(why != NULL, "nothing noticed that this rule is off: %s", rules[_i].rule);
}
END_TEST

/* F5 off loses nothing, but takes the device's own lost first write for somebody else's: false conflicts with oneself. */
START_TEST(own_writes_are_no_conflicts)
{
	struct sim on = { 0 }, off = { 0 };

	for (uint64_t i = 0; i < 40; i++) {
		ck_assert_ptr_null(sim_run(4000 + i, &worlds[4].v, BREAK_NONE, 600, &on));
		ck_assert_ptr_null(sim_run(4000 + i, &worlds[4].v, BREAK_F5, 600, &off));
	}
	ck_assert_msg(off.records * 100 > on.records * 110, "records: %d with the writes log, %d without", (int)on.records, (int)off.records);
}
END_TEST

Suite *
suite_histories(void)
{
	Suite *s = suite_create("histories");
	TCase *t = tcase_create("random");

	tcase_set_timeout(t, 900);
	tcase_add_test(t, random_histories);
	tcase_add_loop_test(t, broken_rule_is_noticed, 0, (int)ARRAY_LEN(rules));
	tcase_add_test(t, own_writes_are_no_conflicts);
	suite_add_tcase(s, t);
	return s;
}
