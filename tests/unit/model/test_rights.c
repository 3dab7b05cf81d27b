/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The nine levels and OX's bits, against the numbers that OX was recorded with. */
#include <stdio.h>
#include <string.h>

#include "unit/model/test_model.h"

static const struct {
	const char *level;
	int64_t bits;
} known[] = {
	{ "None", 0 }, { "Contributor", 2 }, { "Reviewer", 257 }, { "Nonediting Author", 258 }, { "Author", 2113794 }, { "Publishing Author", 2113796 }, { "Editor", 4227330 },
	{ "Publishing Editor", 4227332 }, { "Owner", 403710016 },
};

START_TEST(levels)
{
	int64_t bits = -1;
	char upper[40];

	ck_assert(rights_of_level(known[_i].level, &bits));
	ck_assert_int_eq(bits, known[_i].bits);
	ck_assert_str_eq(rights_level(bits), known[_i].level);
	(void)snprintf(upper, sizeof(upper), "%s", known[_i].level);
	upper[0] = (char)(upper[0] + 'a' - 'A');
	ck_assert(rights_of_level(upper, &bits));
	for (size_t k = 0; k < ARRAY_LEN(known); k++) /* every bit counts: no two are the same */
		ck_assert(strcmp(rights_level(known[k].bits), known[_i].level) != 0 || k == (size_t)_i);
}
END_TEST

START_TEST(numbers_that_mean_the_same)
{
	ck_assert_str_eq(rights_level(135274560), "Publishing Editor"); /* 64 for all, without the administrator's bit */
	ck_assert_str_eq(rights_level(272662788), "Owner");             /* a mail folder's */
	ck_assert_str_eq(rights_level(1), "Custom");
	ck_assert_str_eq(rights_level(129), "Custom");
	ck_assert_str_eq(rights_level(403710016 - (1 << 28)), "Publishing Editor");
}
END_TEST

START_TEST(bits_there_and_back)
{
	for (int64_t b = 0; b < INT64_C(1) << 29; b += 9973) {
		struct rights r = rights_unpack(b);

		ck_assert_int_eq(rights_pack(&r), b);
	}
}
END_TEST

START_TEST(words)
{
	static const int64_t values[] = { 0, 1, 2, 4 };
	int64_t v;

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		ck_assert(rights_of_word(rights_word(values[i], true), true, &v));
		ck_assert_int_eq(v, values[i]);
		ck_assert(values[i] > 2 || (rights_of_word(rights_word(values[i], false), false, &v) && v == values[i]));
	}
	ck_assert_str_eq(rights_word(64, true), "subfolders");
	ck_assert_str_eq(rights_word(64, false), "all");
	ck_assert(!rights_of_word("see", false, &v) && !rights_of_word("all", true, &v) && !rights_of_level("Custom", &v));
}
END_TEST

TCase *
case_rights(void)
{
	TCase *t = tcase_create("rights");

	tcase_add_loop_test(t, levels, 0, (int)ARRAY_LEN(known));
	tcase_add_test(t, numbers_that_mean_the_same);
	tcase_add_test(t, bits_there_and_back);
	tcase_add_test(t, words);
	return t;
}
