/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs the suites of the sync module. */
#include <stdlib.h>

#include "test_sync.h"

int
main(void)
{
	SRunner *r = srunner_create(suite_cases());
	int failed;

	srunner_add_suite(r, suite_limits());
	srunner_add_suite(r, suite_histories());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
