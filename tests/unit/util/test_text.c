/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text that crosses a border: UTF-8, hex, base64, decimal numbers. */
#include "unit/util/test_util.h"

#include <string.h>

#define T(s, ok) { s, sizeof(s) - 1, ok }

/* RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF */
START_TEST(utf8_table)
{
	static const struct {
		const char *s;
		size_t n;
		bool ok;
	} t[] = {
		T("", true), T("plain", true), T("a\0b", true), T("\x7f", true),
		T("\xc2\x80", true), T("\xdf\xbf", true), T("\xe0\xa0\x80", true), T("\xef\xbf\xbf", true),
		T("\xed\x9f\xbf", true), T("\xee\x80\x80", true), T("\xf0\x90\x80\x80", true), T("\xf4\x8f\xbf\xbf", true),
		/* overlong */
		T("\xc0\x80", false), T("\xc1\xbf", false), T("\xe0\x80\x80", false), T("\xe0\x9f\xbf", false),
		T("\xf0\x80\x80\x80", false), T("\xf0\x8f\xbf\xbf", false),
		/* surrogates */
		T("\xed\xa0\x80", false), T("\xed\xbf\xbf", false), T("\xed\xa0\xbd\xed\xb8\x80", false),
		/* above U+10FFFF */
		T("\xf4\x90\x80\x80", false), T("\xf5\x80\x80\x80", false), T("\xf8\x88\x80\x80\x80", false),
		T("\xfe", false), T("\xff", false),
		/* cut, or another byte where a continuation must be */
		T("\xc3", false), T("\xe2\x82", false), T("\xf0\x9f\x98", false), T("ok\xc3", false),
		T("\xc3(", false), T("\xe2\x82(", false), T("\xf0\x9f\x98(", false), T("\xe2\xc3\xa4", false),
		/* a continuation alone */
		T("\x80", false), T("a\xbf", false),
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_msg(utf8_valid(t[i].s, t[i].n) == t[i].ok, "number %zu", i);
	ck_assert(!utf8_valid("\xc3\xa4", 1)); /* the length counts, not the memory behind it */
}
END_TEST

START_TEST(hex_both_ways)
{
	static const unsigned char in[] = { 0x00, 0x7f, 0x80, 0xff };
	char text[9];
	unsigned char out[4];

	hex_encode(in, sizeof(in), text);
	ck_assert_str_eq(text, "007f80ff");
	ck_assert(hex_decode("007F80fF", out, sizeof(out)));
	ck_assert_mem_eq(out, in, sizeof(in));
	ck_assert(hex_decode("", out, 0));
	ck_assert(!hex_decode("007f80f", out, 4));
	ck_assert(!hex_decode("007f80ff0", out, 4));
	ck_assert(!hex_decode("007f80fg", out, 4));
	ck_assert(!hex_decode("0x7f80ff", out, 4));
	ck_assert(!hex_decode(" 07f80ff", out, 4));
}
END_TEST

/* RFC 4648, section 10 */
START_TEST(base64_published)
{
	static const char *const t[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		buf_reset(&b);
		buf_adds(&b, ">");
		base64_encode(&b, t[i][0], strlen(t[i][0]));
		ck_assert_str_eq(b.p + 1, t[i][1]);
		ck_assert_uint_eq(b.len, 1 + strlen(t[i][1]));
		buf_reset(&b);
		buf_adds(&b, ">");
		ck_assert(base64_decode(&b, t[i][1], strlen(t[i][1])));
		ck_assert_str_eq(b.p + 1, t[i][0]);
		ck_assert_uint_eq(b.len, 1 + strlen(t[i][0]));
	}
	buf_fini(&b);
}
END_TEST

START_TEST(base64_all_bytes)
{
	unsigned char in[256];
	struct buf text, out;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	buf_init(&text, 0);
	buf_init(&out, 0);
	for (size_t n = 0; n <= sizeof(in); n++) {
		buf_reset(&text);
		buf_reset(&out);
		base64_encode(&text, in, n);
		ck_assert(base64_decode(&out, text.p, text.len));
		ck_assert_uint_eq(out.len, n);
		ck_assert(n == 0 || memcmp(out.p, in, n) == 0);
	}
	buf_fini(&text);
	buf_fini(&out);
}
END_TEST

START_TEST(base64_damaged)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zm9vY", "Zm9v!Zm8", "Zm9\xc3", "Zg-_",
		"====", "Z===", "Zg=A", "=g==", "Zg==Zg==", /* padding anywhere but at the end */
		"    Zm9v", "Zm9v    ", "Zg==    ", "Zm9v\r\n\r\n", "Zm9vZm8\n", /* white space */
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_reset(&b);
		buf_adds(&b, "before");
		ck_assert_msg(!base64_decode(&b, bad[i], strlen(bad[i])), "\"%s\" was taken", bad[i]);
		ck_assert_str_eq(b.p, "before");
		ck_assert_uint_eq(b.len, 6);
	}
	buf_fini(&b);
	buf_init(&b, 4);
	ck_assert(!base64_decode(&b, "Zm9vYmFy", 8)); /* longer than the buffer may get */
	ck_assert_uint_eq(b.len, 0);
	base64_encode(&b, "foobar", 6);
	ck_assert(b.failed);
	buf_fini(&b);
}
END_TEST

START_TEST(numbers)
{
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "--1", "- 1", "abc", "1\n",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999999",
	};
	int64_t v = 42;

	ck_assert(parse_i64("0", 0, 0, &v) && v == 0);
	ck_assert(parse_i64("-5", -5, 5, &v) && v == -5);
	ck_assert(parse_i64("007", 0, 9, &v) && v == 7);
	ck_assert(parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v) && v == INT64_MAX);
	ck_assert(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v) && v == INT64_MIN);
	v = 42;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!parse_i64(bad[i], INT64_MIN, INT64_MAX, &v), "\"%s\" was taken", bad[i]);
	ck_assert(!parse_i64(NULL, 0, 9, &v));
	ck_assert(!parse_i64("10", 0, 9, &v));
	ck_assert(!parse_i64("-1", 0, 9, &v));
	ck_assert_int_eq(v, 42); /* a refusal leaves the value alone */
}
END_TEST

TCase *
case_text(void)
{
	TCase *tc = tcase_create("text");

	tcase_add_test(tc, utf8_table);
	tcase_add_test(tc, hex_both_ways);
	tcase_add_test(tc, base64_published);
	tcase_add_test(tc, base64_all_bytes);
	tcase_add_test(tc, base64_damaged);
	tcase_add_test(tc, numbers);
	return tc;
}
