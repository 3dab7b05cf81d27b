/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a new password has to be, and how strong it is said to be (usm-json(7), changePassword). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "usmd/service.h"

static const struct service_password_rules rules = { .min_length = 8, .min_classes = 2 };

static const struct {
	const char *password, *refused; /* words of the reason, NULL = taken */
} judged[] = {
	{ "abcdef1-", NULL },
	{ "abcdef1", "at least 8 characters" },
	{ "abcdefgh", "at least 2 of" },
	{ "12345678", "at least 2 of" },
	{ "--------", "at least 2 of" },
	{ "ABCDEFGh", NULL },
	{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4", "at least 8 characters" }, /* 7 of them in 14 octets */
	{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4-", "at least 2 of" },        /* both are others */
	{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4x", NULL },
	{ "1-anton-1", "login name" },
	{ "xxANTON12", "login name" },
	{ "anto-n-123", NULL },
	{ "tab\tand-1", "control characters" },
};

START_TEST(judged_by_the_rules)
{
	struct err e = { .rc = RC_OK };
	enum rc rc = service_password_judge(&rules, "anton@example.com", judged[_i].password, NULL, &e);

	if (judged[_i].refused == NULL) {
		ck_assert_msg(rc == RC_OK, "%s: %s", judged[_i].password, e.text);
	} else {
		ck_assert_msg(rc == RC_PROTO && strstr(e.text, judged[_i].refused) != NULL, "%s: %s", judged[_i].password, e.text);
	}
}
END_TEST

/* a name of two letters is in many a password */
START_TEST(short_names)
{
	struct err e = { .rc = RC_OK };

	ck_assert_int_eq(service_password_judge(&rules, "ab", "xxabxx-12", NULL, &e), RC_OK);
}
END_TEST

/* min(n, 2d) log2(p) bits: 26 are 4.7 bits a character, 36 5.17, 62 5.95, 95 6.57, 126 6.98 */
static const struct {
	const char *password;
	enum service_strength strength;
} strengths[] = {
	{ "", STRENGTH_VERY_WEAK },
	{ "abcdef", STRENGTH_VERY_WEAK },                 /* 28.2 */
	{ "abcdefg", STRENGTH_WEAK },                     /* 32.9 */
	{ "abcdefghi", STRENGTH_WEAK },                   /* 42.3 */
	{ "abcdefghij", STRENGTH_FAIR },                  /* 47.0 */
	{ "aaaaaaaaaaaaaaaaaaaa", STRENGTH_VERY_WEAK },   /* two count */
	{ "abababababababab", STRENGTH_VERY_WEAK },       /* four: 18.8 */
	{ "aB3defGh1k", STRENGTH_FAIR },                  /* 59.5 */
	{ "aB3-efGh1k", STRENGTH_GOOD },                  /* 65.7 */
	{ "aB3-efGh1k.Q", STRENGTH_GOOD },                /* 78.8 */
	{ "aB3-efGh1k.Qz", STRENGTH_STRONG },             /* 85.4 */
	{ "\xc3\xa4" "bcdefghijkl", STRENGTH_STRONG },    /* 12 of 126: 83.7 */
};

START_TEST(strength_as_stated)
{
	enum service_strength s;
	struct err e;
	enum rc rc = service_password_judge(&rules, "nobody", strengths[_i].password, &s, &e);

	(void)rc;
	ck_assert_msg(s == strengths[_i].strength, "%s is %s", strengths[_i].password, service_strength_name(s));
}
END_TEST

START_TEST(settings_are_checked)
{
	static const struct { const char *name, *value; bool good; } t[] = {
		{ "language", "\"de\"", true }, { "language", "\"de_DE\"", true }, { "language", "\"de-DE\"", false }, { "language", "\"german\"", false }, { "language", "\"\"", false },
		{ "language", "\"de_DEX\"", false }, { "timeZone", "\"Europe/Berlin\"", true }, { "timeZone", "\"\"", false }, { "timeZone", "5", false },
		{ "senderName", "\"\"", true }, { "senderName", "\"a\\nb\"", false }, { "lineWrap", "0", true }, { "lineWrap", "998", true }, { "lineWrap", "999", false },
		{ "lineWrap", "-1", false }, { "lineWrap", "\"80\"", false }, { "mailFormat", "\"both\"", true }, { "mailFormat", "\"alternative\"", false },
		{ "mailDelete", "\"final\"", true }, { "mailDelete", "true", false }, { "saveSent", "true", true }, { "saveSent", "1", false }, { "nothing", "1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		json_t *v = json_loads(t[i].value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
		struct err e = { .rc = RC_OK };

		ck_assert_msg((service_setting_check(t[i].name, v, &e) == RC_OK) == t[i].good, "%s = %s", t[i].name, t[i].value);
		ck_assert(t[i].good || e.text[0] != '\0');
		json_decref(v);
	}
	for (size_t i = 0; service_setting(i) != NULL; i++)
		ck_assert_int_ne(service_setting_check(service_setting(i), NULL, NULL), RC_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("service");
	TCase *t = tcase_create("own");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, judged_by_the_rules, 0, (int)ARRAY_LEN(judged));
	tcase_add_test(t, short_names);
	tcase_add_loop_test(t, strength_as_stated, 0, (int)ARRAY_LEN(strengths));
	tcase_add_test(t, settings_are_checked);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
