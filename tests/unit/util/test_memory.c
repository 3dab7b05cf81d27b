/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Arenas and the id map: alignment, zeroed memory, limits, growth. */
#include "unit/util/test_util.h"

#include <stdint.h>
#include <string.h>

START_TEST(arena_aligned_and_zeroed)
{
	struct arena *a = arena_new(0);
	static const unsigned char zero[3000];
	unsigned char *last = NULL;

	ck_assert_ptr_nonnull(a);
	for (size_t n = 0; n < sizeof(zero); n++) {
		unsigned char *p = arena_alloc(a, n);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		ck_assert_ptr_ne(p, last);
		ck_assert_int_eq(memcmp(p, zero, n), 0);
		memset(p, 0xff, n);
		last = p;
	}
	arena_free(a);
	arena_free(NULL);
}
END_TEST

START_TEST(arena_copies)
{
	struct arena *a = arena_new(0);
	char *s, *big;

	s = arena_strdup(a, "text");
	ck_assert_str_eq(s, "text");
	ck_assert_ptr_null(arena_strdup(a, NULL));
	ck_assert_str_eq(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	ck_assert_mem_eq(arena_memdup(a, "a\0b", 3), "a\0b", 3);
	/* a huge piece leaves room in the block before it, and what was there stays */
	big = arena_alloc(a, 3U << 20);
	ck_assert_ptr_nonnull(big);
	memset(big, 'x', 3U << 20);
	ck_assert_str_eq(arena_printf(a, "%s", "after"), "after");
	ck_assert_str_eq(s, "text");
	arena_free(a);
}
END_TEST

START_TEST(arena_limit)
{
	struct arena *a = arena_new(100000);
	size_t sum = 0;

	while (arena_alloc(a, 1000) != NULL)
		sum += 1000;
	ck_assert_uint_le(sum, 100000);
	ck_assert_uint_ge(sum, 90000); /* the growth of blocks must not cost a good part of the limit */
	ck_assert_ptr_null(arena_alloc(a, 100001));
	ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc_array(a, SIZE_MAX / 2, 3));
	ck_assert_ptr_null(arena_alloc_array(a, SIZE_MAX / 8 + 2, 8)); /* the product would be 8 */
	arena_free(a);
	a = arena_new(100);
	ck_assert_ptr_nonnull(arena_alloc(a, 64)); /* a small limit is no empty arena */
	ck_assert_ptr_null(arena_alloc(a, 64));
	arena_free(a);
}
END_TEST

START_TEST(copy_of_text)
{
	char *s = mem_dup_str("abc");

	ck_assert_str_eq(s, "abc");
	mem_free(s);
	ck_assert_ptr_null(mem_dup_str(NULL));
	mem_free(NULL);
}
END_TEST

static int64_t
key_of(size_t i)
{
	/* dense, sparse and negative ids, and the two ends */
	switch (i % 4) {
	case 0: return (int64_t)i;
	case 1: return (int64_t)i << 40;
	case 2: return -(int64_t)i;
	default: return INT64_MAX - (int64_t)i;
	}
}

START_TEST(map_grows)
{
	struct arena *a = arena_new(0);
	struct imap *m = imap_new(a, 0);
	size_t v = 99;

	ck_assert_ptr_nonnull(m);
	ck_assert(!imap_get(m, 0, &v));
	ck_assert_uint_eq(v, 99);
	for (size_t i = 0; i < 20000; i++)
		ck_assert(imap_put(m, key_of(i), i));
	ck_assert(imap_put(m, INT64_MIN, 5));
	for (size_t i = 0; i < 20000; i++) {
		ck_assert(imap_get(m, key_of(i), &v));
		ck_assert_uint_eq(v, i);
	}
	ck_assert(imap_get(m, INT64_MIN, &v) && v == 5);
	ck_assert(imap_put(m, INT64_MIN, 6)); /* the second value wins */
	ck_assert(imap_get(m, INT64_MIN, &v) && v == 6);
	ck_assert(!imap_get(m, 20001, &v));
	arena_free(a);
}
END_TEST

START_TEST(map_without_memory)
{
	struct arena *a = arena_new(20000);
	struct imap *m = imap_new(a, 0);
	size_t n = 0, v;

	ck_assert_ptr_nonnull(m);
	while (imap_put(m, (int64_t)n, n) && n < 100000)
		n++;
	ck_assert_uint_lt(n, 100000);
	for (size_t i = 0; i < n; i++)
		ck_assert(imap_get(m, (int64_t)i, &v) && v == i);
	ck_assert(!imap_get(m, (int64_t)n, &v));
	ck_assert_ptr_null(imap_new(a, 100000));
	arena_free(a);
}
END_TEST

TCase *
case_memory(void)
{
	TCase *tc = tcase_create("memory");

	tcase_add_test(tc, arena_aligned_and_zeroed);
	tcase_add_test(tc, arena_copies);
	tcase_add_test(tc, arena_limit);
	tcase_add_test(tc, copy_of_text);
	tcase_add_test(tc, map_grows);
	tcase_add_test(tc, map_without_memory);
	return tc;
}
