/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs the unit tests of util. */
#include "unit/util/test_util.h"

int
main(void)
{
	Suite *s = suite_create("util");
	SRunner *r;
	int failed;

	suite_add_tcase(s, case_crypto());
	suite_add_tcase(s, case_memory());
	suite_add_tcase(s, case_bytes());
	suite_add_tcase(s, case_text());
	suite_add_tcase(s, case_log());
	suite_add_tcase(s, case_trace());
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
