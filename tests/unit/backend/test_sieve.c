/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a Sieve script holds: rules, those that OX would drop, groups that are turned round; of any text something, and within its end. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend_int.h"
#include "unit/backend/responder.h"

static void
scan(const char *text, unsigned rules, unsigned lost, const char *tests)
{
	char *exact = malloc(strlen(text) + 1), *got; /* no NUL within reach: the sanitizer sees a step too far */
	struct sieve_shape s;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, strlen(text));
	sieve_scan(exact, strlen(text), &s);
	ck_assert_uint_eq(s.rules, rules);
	ck_assert_uint_eq(s.lost, lost);
	got = json_dumps(s.tests, JSON_COMPACT);
	ck_assert_str_eq(got, tests);
	mem_free(got);
	json_decref(s.tests);
	free(exact);
}

START_TEST(rules_and_groups)
{
	scan("", 0, 0, "[]");
	scan("# Generated\r\nrequire [ \"fileinto\" , \"else\" ];\r\n\r\n", 0, 0, "[]");
	scan("## Flag: a,b|UniqueId:12|Rulename: if x|UniqueId:9|\r\nif header :contains \"Subject\" \"a{\\\"b\" \r\n{\r\nkeep ;\r\n}\r\n", 1, 0, "[{\"id\":12,\"test\":{\"id\":\"header\"}}]");
	scan("if not anyof ( header :is [ \"a\" , \"b\" ] \"c\" , not allof ( true , not size :over 5 ) ) { stop; }", 1, 0,
	    "[{\"id\":-1,\"test\":{\"id\":\"not\",\"test\":{\"id\":\"anyof\",\"tests\":[{\"id\":\"header\"},{\"id\":\"not\",\"test\":{\"id\":\"allof\",\"tests\":[{\"id\":\"true\"},"
	    "{\"id\":\"not\",\"test\":{\"id\":\"size\"}}]}}]}}}]");
	/* off; a text of several lines; a comment; nested; a command alone; two of them are one rule */
	scan("## Flag: |UniqueId:4|Rulename: Off\n#<!-->if true\n#<!-->{\n#<!-->discard ;\n#<!-->}\n#<!-->\nkeep; stop;", 2, 0, "[{\"id\":4,\"test\":{\"id\":\"true\"}}]");
	scan("if true { vacation text:\nif else elsif {\n.\n; }\nif false { keep; }", 2, 0, "[{\"id\":-1,\"test\":{\"id\":\"true\"}},{\"id\":-1,\"test\":{\"id\":\"false\"}}]");
	scan("/* if */ if true { if false { keep; } }", 1, 0, "[{\"id\":-1,\"test\":{\"id\":\"true\"}}]");
	scan("if true { keep; } elsif false { stop; } else { discard; }", 1, 2, "[{\"id\":-1,\"test\":{\"id\":\"true\"}}]");
}
END_TEST

START_TEST(cut_anywhere)
{
	static const char whole[] = "## Flag: v|UniqueId:3|Rulename: x\nif not allof ( header :is [ \"a\" ] \"b\\\"\" , size :over 5 )\n{\nvacation text:\nx\n.\n;\n}\n/* c */\n#<!-->if true";

	for (size_t n = 0; n <= strlen(whole); n++) {
		char *exact = malloc(n > 0 ? n : 1);
		struct sieve_shape s;

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, whole, n);
		sieve_scan(exact, n, &s);
		ck_assert_uint_le(s.rules, 2);
		json_decref(s.tests);
		free(exact);
	}
}
END_TEST

START_TEST(deep_is_no_test)
{
	struct buf b;
	struct sieve_shape s;

	buf_init(&b, 0);
	buf_adds(&b, "if ");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "not ");
	sieve_scan(b.p, b.len, &s);
	ck_assert_uint_eq(s.rules, 1);
	ck_assert_ptr_null(json_object_get(json_array_get(s.tests, 0), "test"));
	json_decref(s.tests);
	buf_fini(&b);
}
END_TEST

TCase *
case_sieve(void)
{
	TCase *t = tcase_create("sieve");

	tcase_add_test(t, rules_and_groups);
	tcase_add_test(t, cut_anywhere);
	tcase_add_test(t, deep_is_no_test);
	return t;
}
