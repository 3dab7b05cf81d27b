/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The validator of tests/harness itself: each keyword accepts and refuses, and unknown keywords are an error. */
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"

static const struct {
	const char *schema, *good, *bad; /* values inside an array, so that any type can be written */
} rows[] = {
	{ "{\"type\":\"string\"}", "\"a\"", "1" },
	{ "{\"type\":\"integer\"}", "1", "1.5" },
	{ "{\"type\":\"number\"}", "1.5", "\"1\"" },
	{ "{\"type\":\"boolean\"}", "false", "null" },
	{ "{\"type\":\"array\"}", "[]", "{}" },
	{ "{\"type\":\"object\"}", "{}", "[]" },
	{ "{\"type\":[\"string\",\"null\"]}", "null", "1" },
	{ "{\"enum\":[1,\"a\"]}", "\"a\"", "\"b\"" },
	{ "{\"const\":{\"a\":1}}", "{\"a\":1}", "{\"a\":2}" },
	{ "{\"pattern\":\"^[0-9a-f]{4}$\"}", "\"00ff\"", "\"00fg\"" },
	{ "{\"minimum\":2}", "2", "1" },
	{ "{\"maximum\":2}", "2", "3" },
	{ "{\"minItems\":1}", "[1]", "[]" },
	{ "{\"maxItems\":1}", "[1]", "[1,2]" },
	{ "{\"minLength\":2}", "\"\xc3\xa4\xc3\xa4\"", "\"\xc3\xa4\"" },
	{ "{\"maxLength\":1}", "\"\xc3\xa4\"", "\"ab\"" },
	{ "{\"minProperties\":1}", "{\"a\":1}", "{}" },
	{ "{\"required\":[\"a\"]}", "{\"a\":1}", "{\"b\":1}" },
	{ "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"\",\"b\":1}", "{\"a\":1}" },
	{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", "{\"b\":1}" },
	{ "{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":\"\"}", "{\"a\":1}" },
	{ "{\"items\":{\"type\":\"integer\"}}", "[1,2]", "[1,\"2\"]" },
	{ "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "[1,\"a\",null]", "[1,2]" },
	{ "{\"anyOf\":[{\"type\":\"integer\"},{\"minimum\":5}]}", "7", "1.5" },
	{ "{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":5}]}", "5.5", "7" },
	{ "{\"$defs\":{\"x\":{\"type\":\"string\"}},\"items\":{\"$ref\":\"#/$defs/x\"}}", "[\"a\"]", "[1]" },
	{ "{\"$ref\":\"common.json#/$defs/rev\"}", "\"0123456789abcdef\"", "\"0123\"" },
	{ "true", "1", NULL },
	{ "{\"items\":false}", "[]", "[1]" },
	{ "{\"title\":\"t\",\"description\":\"d\"}", "1", NULL },
	{ "{\"formatt\":\"x\"}", NULL, "1" },
	{ "{\"$ref\":\"nofile.json\"}", NULL, "1" },
	{ "{\"$ref\":\"#/$defs/none\"}", NULL, "1" },
	{ "{\"$ref\":\"#\"}", NULL, "1" },
};

static json_t *
load(const char *text)
{
	json_error_t je;
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);

	ck_assert_msg(j != NULL, "%s: %s", text, je.text);
	return j;
}

START_TEST(keyword)
{
	json_t *schema = load(rows[_i].schema), *v;
	const char *why;

	if (rows[_i].good != NULL) {
		v = load(rows[_i].good);
		why = schema_check_value(schema, v);
		ck_assert_msg(why == NULL, "%s %s: %s", rows[_i].schema, rows[_i].good, why);
		json_decref(v);
	}
	if (rows[_i].bad != NULL) {
		v = load(rows[_i].bad);
		ck_assert_msg(schema_check_value(schema, v) != NULL, "%s accepts %s", rows[_i].schema, rows[_i].bad);
		json_decref(v);
	}
	json_decref(schema);
}
END_TEST

START_TEST(names_the_place)
{
	static const char wrong[] = "{\"status\":1,\"time\":1,\"data\":{\"syncid\":\"x\",\"more\":false,\"objectType\":\"task\",\"created\":[]}}";
	static const char ping[] = "{\"heartbeat\":1,\"folders\":[{}]}";
	const char *why;

	why = schema_check("syncInit", wrong, strlen(wrong));
	ck_assert_msg(why != NULL && strstr(why, "data.syncid") != NULL, "%s", why);
	why = schema_check("nothing", "{}", 2);
	ck_assert_msg(why != NULL && strstr(why, "no schema") != NULL, "%s", why);
	why = schema_check("ping", "{", 1);
	ck_assert_msg(why != NULL && strstr(why, "not JSON") != NULL, "%s", why);
	why = schema_check_request("ping", ping, strlen(ping));
	ck_assert_msg(why != NULL && strstr(why, "folders[0]: the member \"syncid\" is missing") != NULL, "%s", why);
}
END_TEST

Suite *
suite_schema(void)
{
	Suite *s = suite_create("harness schema");
	TCase *t = tcase_create("schema");

	tcase_add_loop_test(t, keyword, 0, (int)ARRAY_LEN(rows));
	tcase_add_test(t, names_the_place);
	suite_add_tcase(s, t);
	return s;
}
