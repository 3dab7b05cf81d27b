/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON text out, and strict reading that says where a fault is. */
#include <stdlib.h>
#include <string.h>

#include "unit/model/test_model.h"

static struct err e;

START_TEST(text_is_what_was_read)
{
	static const char *const same[] = {
		"null", "true", "false", "0", "-9223372036854775808", "9223372036854775807", "1.5", "0.1", "-12.25", "[]", "{}", "\"\"",
		"\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\"", "\"\xc3\xa4\xf0\x9f\x98\x80\"", "[1,[2,{\"a\":null}],\"x\"]", "{\"b\":1,\"a\":{\"c\":[true]}}",
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		json_t *j = json_loads(same[i], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

		buf_reset(&b);
		json_text(&b, j);
		ck_assert_str_eq(b.p, same[i]);
		json_decref(j);
	}
	buf_reset(&b);
	json_text(&b, NULL);
	ck_assert_str_eq(b.p, "null");
	buf_reset(&b);
	json_text_string(&b, "a\0b", 3);
	ck_assert_str_eq(b.p, "\"a\\u0000b\"");
	buf_fini(&b);
	buf_init(&b, 10);
	json_text_string(&b, "much too long", 13);
	ck_assert(b.failed);
	buf_fini(&b);
}
END_TEST

struct refused {
	const char *text;
	enum rc rc;
	const char *path;
};

static const struct refused refused[] = {
	{ "{\"a\":1,\"a\":2}", RC_PROTO, "$.a" },
	{ "{\"x\":[1,{\"b\":1,\"b\":2}]}", RC_PROTO, "$.x[1].b" },
	{ "{\"a\":[1,2,}", RC_PROTO, "$.a[2]" },
	{ "{\"a\":\"\xff\"}", RC_PROTO, "$" },
	{ "{\"a\":\"\xed\xa0\x80\"}", RC_PROTO, "$" },
	{ "{\"a\":\"x\\u0000y\"}", RC_PROTO, "$.a" },
	{ "{\"a\":\"x\\ud800\"}", RC_PROTO, "$.a" },
	{ "{\"a\":1} x", RC_PROTO, "$" },
	{ "5", RC_PROTO, "$" },
	{ "", RC_PROTO, "$" },
	{ "{\"a\":[[[[1]]]]}", RC_LIMIT, "$.a[0][0][0]" },
	{ "[0,{\"k\":\"12345678901\"}]", RC_LIMIT, "$[1].k" },
	{ "{\"12345678901\":1}", RC_LIMIT, NULL },
	{ "{\"a\":123456789012345678901234567890}", RC_PROTO, "$.a" },
};

START_TEST(what_is_refused_is_named)
{
	static const struct json_limits lim = { .depth = 4, .string = 10 };
	const struct refused *r = &refused[_i];
	json_t *j;
	enum rc rc = model_json_parse(r->text, strlen(r->text), &lim, &j, &e);

	ck_assert_msg(rc == r->rc, "%s: %s %s", r->text, rc_name(rc), e.text);
	ck_assert_ptr_null(j);
	if (r->path != NULL)
		ck_assert_msg(strcmp(e.path, r->path) == 0, "%s: %s instead of %s", r->text, e.path, r->path);
}
END_TEST

START_TEST(what_is_within_the_limits_is_read)
{
	static const struct json_limits lim = { .depth = 4, .string = 10 };
	static const char text[] = "{\"a\":[[[1]]],\"b\":\"1234567890\",\"]]]]\":\"[[[[[[\\\"\"}";
	json_t *j;

	ck_assert_msg(model_json_parse(text, strlen(text), &lim, &j, &e) == RC_OK, "%s %s", e.path, e.text);
	ck_assert_uint_eq(json_object_size(j), 3);
	json_decref(j);
}
END_TEST

/* Whatever the text: an answer, no crash, no endless walk.  SEED=n repeats. */
START_TEST(random_text_is_survived)
{
	static const struct json_limits lim = { .depth = 30, .string = 50 };
	static const char alphabet[] = "{}[]\":,\\u0d8a 1e-.tn";
	const char *env = getenv("SEED");
	unsigned seed = env != NULL ? (unsigned)strtoul(env, NULL, 10) : (unsigned)now_ms();
	char text[200];
	uint32_t x = seed | 1;

	for (int round = 0; round < 20000; round++) {
		size_t n;
		json_t *j;
		enum rc rc;

		x = x * 1664525 + 1013904223;
		n = (x >> 8) % sizeof(text);
		for (size_t i = 0; i < n; i++) {
			x = x * 1664525 + 1013904223;
			text[i] = alphabet[(x >> 10) % (sizeof(alphabet) - 1)];
		}
		rc = model_json_parse(text, n, &lim, &j, &e);
		ck_assert_msg((rc == RC_OK) == (j != NULL), "SEED=%u", seed);
		json_decref(j);
	}
}
END_TEST

TCase *
case_json(void)
{
	TCase *t = tcase_create("json");

	tcase_add_test(t, text_is_what_was_read);
	tcase_add_loop_test(t, what_is_refused_is_named, 0, (int)ARRAY_LEN(refused));
	tcase_add_test(t, what_is_within_the_limits_is_read);
	tcase_add_test(t, random_text_is_survived);
	return t;
}
