/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data through real HTTP. */
#include "wire.h"

static void
world_up(void)
{
	world_begin(&w, NULL, NULL);
}

static json_t *
quota_of(const struct dev *d)
{
	json_t *none = json_object(), *q = good(d, "getQuota", none);

	json_decref(none);
	return q;
}

START_TEST(quota_as_ox_counts)
{
	struct dev d;
	json_t *q, *more;

	login(&d, "anton", "own-1");
	q = quota_of(&d);
	ck_assert(json_is_null(json_object_get(json_object_get(q, "mail"), "limit"))); /* -1 KiB at OX */
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(q, "files"), "limit")), 1073741824);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(q, "contact"), "limit")), 250000);
	json_decref(ox_as("anton", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", "32", "last_name", "One more")));
	more = quota_of(&d);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(more, "contact"), "used")),
	    json_integer_value(json_object_get(json_object_get(q, "contact"), "used")) + 1);
	json_decref(q);
	json_decref(more);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("own");
	TCase *t = tcase_create("own");

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, quota_as_ox_counts);
	suite_add_tcase(s, t);
	return harness_main(s);
}
