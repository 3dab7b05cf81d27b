/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The engine in the simulated world of tests/sim: the same histories every time, so that a failure means the change at hand; `make sim`
 * plays new ones.  Among the seeds are those that once found something.
 */
#include "test_engine.h"

#include "unit/engine/paths.h"
#include "sim/sim.h"

static const uint64_t seeds[] = { 10, 163, 310, 671, 746, 846, 938, 1206, 2031, 3094, 17011, 26319, 38483 };
#define STEPS 600000 /* of each world */

START_TEST(history)
{
	const struct sim_world *w = &sim_worlds[_i];
	struct figures fig = { 0 };

	for (size_t i = 0; fig.steps < STEPS; i++) {
		uint64_t seed = i < ARRAY_LEN(seeds) ? seeds[i] : seeds[i % ARRAY_LEN(seeds)] + i;
		const char *why = sim_run(seed, &w->v, sim_length(seed), NULL, false, &fig);

		ck_assert_msg(why == NULL, "%s\n  look closer with: build/tests/sim --seed %llu --world %s --events %u", why, (unsigned long long)seed, w->name,
		    sim_length(seed));
	}
	printf("%s: %llu histories, %llu steps, %llu requests, %llu crashes\n", w->name, (unsigned long long)fig.histories, (unsigned long long)fig.steps,
	    (unsigned long long)fig.requests, (unsigned long long)fig.crashes);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("histories");
	SRunner *r = srunner_create(s);
	int failed;

	/* dead nodes complain of everything that they cannot do any more */
	if (freopen("/dev/null", "w", stderr) == NULL)
		return EXIT_FAILURE;
	log_setup(LOG_LVL_ERROR, false);
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, history, 0, (int)sim_n_worlds);
	suite_add_tcase(s, settled_case());
	suite_add_tcase(s, throttle_case());
	suite_add_tcase(s, t);
	suite_add_tcase(s, paths_tests());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
