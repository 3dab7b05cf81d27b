/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The bounded buffer, varints and the reader that must survive any bytes. */
#include "unit/util/test_util.h"

#include <string.h>

START_TEST(buffer_has_a_maximum)
{
	struct buf b;
	size_t n = 7;

	buf_init(&b, 10);
	buf_adds(&b, "0123456789");
	ck_assert(!b.failed);
	ck_assert_uint_eq(b.len, 10);
	ck_assert_str_eq(b.p, "0123456789");
	buf_addc(&b, 'x');
	ck_assert(b.failed);
	ck_assert_str_eq(b.p, "0123456789");
	buf_add(&b, "", 0); /* a failure sticks, even where the append would fit */
	ck_assert(b.failed);
	ck_assert_ptr_null(buf_reserve(&b, 0));
	ck_assert_ptr_null(buf_take(&b, &n));
	ck_assert_uint_eq(n, 7);
	ck_assert_ptr_null(b.p); /* and taking gave the memory back */

	buf_init(&b, 10);
	buf_addf(&b, "%s", "01234567890");
	ck_assert(b.failed && b.len == 0);
	buf_reset(&b);
	ck_assert(!b.failed);
	buf_addf(&b, "%05d", 42);
	ck_assert_str_eq(b.p, "00042");
	ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX));
	buf_fini(&b);
	buf_fini(&b);
}
END_TEST

START_TEST(buffer_is_taken)
{
	struct buf b;
	char *p;
	size_t n;

	buf_init(&b, 0);
	p = buf_take(&b, &n);
	ck_assert_str_eq(p, ""); /* nothing appended is the empty text, not a failure */
	ck_assert_uint_eq(n, 0);
	mem_free(p);
	for (int i = 0; i < 1000; i++)
		buf_add(&b, "ab\0c", 4);
	p = buf_take(&b, &n);
	ck_assert_uint_eq(n, 4000);
	ck_assert_mem_eq(p + 3996, "ab\0c", 5);
	mem_free(p);
	buf_adds(&b, "again");
	ck_assert_str_eq(b.p, "again");
	buf_fini(&b);
}
END_TEST

START_TEST(buffer_numbers)
{
	static const struct {
		int64_t v;
		const char *text;
	} t[] = {
		{ 0, "0" }, { 7, "7" }, { -1, "-1" }, { 1000000, "1000000" },
		{ INT64_MAX, "9223372036854775807" }, { INT64_MIN, "-9223372036854775808" },
	};
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		buf_reset(&b);
		buf_add_i64(&b, t[i].v);
		ck_assert_str_eq(b.p, t[i].text);
	}
	buf_fini(&b);
}
END_TEST

static struct reader
reader_of(const void *p, size_t n)
{
	const unsigned char *q = p;

	return (struct reader){ .p = q, .end = q + n };
}

START_TEST(varints_return)
{
	static const uint64_t u[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX >> 1, UINT64_MAX };
	static const int64_t s[] = { 0, -1, 1, -64, 64, INT32_MIN, INT64_MAX, INT64_MIN };
	struct buf b;
	struct reader r;

	buf_init(&b, 0);
	buf_add_sv(&b, -1); /* zigzag: small negative numbers are short */
	ck_assert_uint_eq(b.len, 1);
	buf_reset(&b);
	for (size_t i = 0; i < ARRAY_LEN(u); i++)
		buf_add_uv(&b, u[i]);
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		buf_add_sv(&b, s[i]);
	buf_add_u64le(&b, UINT64_C(0x0102030405060708));
	ck_assert_mem_eq(b.p + b.len - 8, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
	buf_adds(&b, "tail");

	r = reader_of(b.p, b.len);
	for (size_t i = 0; i < ARRAY_LEN(u); i++)
		ck_assert_uint_eq(reader_uv(&r), u[i]);
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		ck_assert_int_eq(reader_sv(&r), s[i]);
	ck_assert_uint_eq(reader_u64le(&r), UINT64_C(0x0102030405060708));
	ck_assert_mem_eq(reader_bytes(&r, 4), "tail", 4);
	ck_assert(!r.failed && r.p == r.end);
	ck_assert_ptr_nonnull(reader_bytes(&r, 0));
	ck_assert_uint_eq(reader_uv(&r), 0);
	ck_assert(r.failed);
	buf_fini(&b);
}
END_TEST

START_TEST(varints_damaged)
{
	static const char *const bad[] = {
		"\x80", "\xff\xff",                             /* the end is missing */
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     /* 2^64 */
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", /* eleven bytes */
	};
	struct reader r = reader_of("", 0);

	ck_assert_uint_eq(reader_uv(&r), 0);
	ck_assert(r.failed);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		r = reader_of(bad[i], strlen(bad[i]));
		ck_assert_uint_eq(reader_uv(&r), 0);
		ck_assert_msg(r.failed, "number %zu", i);
	}
}
END_TEST

START_TEST(reader_stays_inside)
{
	static const char in[] = "1234567890";
	struct reader r = reader_of(in, 7);

	ck_assert_uint_eq(reader_u64le(&r), 0); /* one byte too few */
	ck_assert(r.failed);
	/* from then on everything fails, also what there would be bytes for */
	ck_assert_ptr_null(reader_bytes(&r, 1));
	ck_assert_uint_eq(reader_uv(&r), 0);
	ck_assert_int_eq(reader_sv(&r), 0);
	r = reader_of(in, 10);
	ck_assert_ptr_null(reader_bytes(&r, SIZE_MAX));
	ck_assert(r.failed);
	r = reader_of(in, 10);
	ck_assert_ptr_eq(reader_bytes(&r, 9), in);
	ck_assert_ptr_null(reader_bytes(&r, 2));
}
END_TEST

TCase *
case_bytes(void)
{
	TCase *tc = tcase_create("bytes");

	tcase_add_test(tc, buffer_has_a_maximum);
	tcase_add_test(tc, buffer_is_taken);
	tcase_add_test(tc, buffer_numbers);
	tcase_add_test(tc, varints_return);
	tcase_add_test(tc, varints_damaged);
	tcase_add_test(tc, reader_stays_inside);
	return tc;
}
