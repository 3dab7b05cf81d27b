/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The short form of `make faults` (tests/faults): real servers under load, hurt some forty times, the same ones unless SEED= says others. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/harness.h"
#include "harness/proc.h"

static char seed[24];

START_TEST(short_form)
{
	const char *b = getenv("B");
	char prog[160];
	char *argv[] = { prog, "40", seed, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/faults", b != NULL ? b : "build");
	ck_assert_msg(run_wait(argv, NULL) == 0, "see above; SEED=%s repeats it", seed);
}
END_TEST

int
main(void)
{
	const char *s = getenv("SEED");
	Suite *suite = suite_create("faults");
	TCase *t = tcase_create("faults");

	(void)harness_env("USMD_TEST_PGBIN");
	(void)snprintf(seed, sizeof(seed), "%s", s != NULL ? s : "51");
	tcase_set_timeout(t, 300);
	tcase_add_test(t, short_form);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
