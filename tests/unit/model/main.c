/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs the unit tests of the model. */
#include "unit/model/test_model.h"

int
main(void)
{
	Suite *s = suite_create("model");
	SRunner *r;
	int failed;

	suite_add_tcase(s, case_object());
	suite_add_tcase(s, case_json());
	suite_add_tcase(s, case_keys());
	suite_add_tcase(s, case_pack());
	suite_add_tcase(s, case_rights());
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
