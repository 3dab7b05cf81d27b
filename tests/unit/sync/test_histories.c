/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Property test: random histories of a small world (sim.h).  SEED=<n> begins elsewhere or repeats, STEPS=<n> sets how long it
 * lasts (all histories together), WORLD=<name> takes one kind only, LENGTH=<n> fixes the steps of one history.
 * A failure prints the line that repeats it.
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
};

static const int lengths[] = { 60, 150, 300, 600, 1200 };

static uint64_t
number(const char *name, uint64_t fallback)
{
	const char *s = getenv(name);

	return s != NULL ? strtoull(s, NULL, 10) : fallback;
}

START_TEST(random_histories)
{
	uint64_t seed = number("SEED", (uint64_t)time(NULL)), want = number("STEPS", 150000);
	const char *only = getenv("WORLD");
	struct sim fig = { 0 };
	int runs = 0;

	printf("SEED=%llu STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)want);
	while (fig.steps < want)
		for (size_t w = 0; w < ARRAY_LEN(worlds) && fig.steps < want; w++) {
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
END_TEST

Suite *
suite_histories(void)
{
	Suite *s = suite_create("histories");
	TCase *t = tcase_create("random");

	tcase_set_timeout(t, 900);
	tcase_add_test(t, random_histories);
	suite_add_tcase(s, t);
	return s;
}
