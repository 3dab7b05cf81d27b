/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The fast reader of rows against jansson: on whatever text, what it accepts jansson accepts with the same values; and it
 * accepts what OX sends.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend_int.h"
#include "unit/backend/responder.h"

/* Four columns of mail: id, flags, subject, from. */
static struct columns four;

static void
columns_four(void)
{
	static const char *const names[] = { "id", "flags", "subject", "from" };

	four.n = ARRAY_LEN(names);
	for (size_t i = 0; i < four.n; i++)
		four.field[i] = (uint8_t)model_field(model_content(CT_MAIL), names[i]);
}

static bool
same_objects(const struct rows_want *x, const struct rows_want *y)
{
	if (x->n != y->n || x->n_deleted != y->n_deleted || (x->n_deleted > 0 && memcmp(x->deleted, y->deleted, x->n_deleted * sizeof(int64_t)) != 0))
		return false;
	for (size_t i = 0; i < x->n; i++) {
		if (x->o[i]->id != y->o[i]->id || strcmp(x->o[i]->oxid, y->o[i]->oxid) != 0)
			return false;
		for (size_t k = 0; k < four.n; k++) {
			json_t *a = x->o[i]->v[four.field[k]], *b = y->o[i]->v[four.field[k]];

			if ((a == NULL) != (b == NULL) || (a != NULL && !json_equal(a, b)))
				return false;
		}
	}
	return true;
}

/* 1 accepted and equal, 0 given up, -1 a difference. */
static int
compare(const char *text, size_t n, bool want_deleted)
{
	struct arena *mem = arena_new(0);
	struct rows_want fast = { .a = mem, .ct = CT_MAIL, .columns = &four, .folder = "f", .want_deleted = want_deleted }, slow = fast;
	char *exact = malloc(n + 1); /* no NUL behind it: reading too far is seen by the sanitizer */
	msec_t ts = 0, ts2 = 0;
	json_t *root, *data;
	struct err e;
	int verdict = 0;

	memcpy(exact, text, n);
	if (rows_scan(exact, n, &fast, &ts)) {
		verdict = -1;
		root = json_loadb(exact, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		if (root != NULL && ox_envelope(root, NULL, false, &data, &ts2, &e) == RC_OK && rows_read(data, &slow, &e) == RC_OK &&
		    same_objects(&fast, &slow) && ts == ts2)
			verdict = 1;
		object_drop_all(fast.o, fast.n);
		object_drop_all(slow.o, slow.n);
		json_decref(root);
	}
	free(exact);
	arena_free(mem);
	return verdict;
}

static const char *const plain[] = {
	"{\"data\":[]}",
	" { \"timestamp\" : 1795342279267 , \"data\" : [ ] } \n",
	"{\"data\":[[\"7\",32,\"S\",[[null,\"a@b\"]]],[\"8\",null,null,null]],\"timestamp\":5}",
	"{\"data\":[[\"7\",32,\"q\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\ude00\\u0000x\",[]],\"9\",12,\"7\"],\"timestamp\":0}",
	"{\"data\":[[7,1.5,\"\xc3\xa4\xf0\x9f\x98\x80\",{\"a\":[{\"b\":\"]}\\\"\"}]}]]}",
	"{\"data\":[[7,-5,true,false]]}",
	"{\"data\":[[\"default0/INBOX\",999999999999999999,\"\",-1e5]]}",
};

START_TEST(what_ox_sends_is_taken)
{
	columns_four();
	ck_assert_msg(compare(plain[_i], strlen(plain[_i]), true) == 1, "%s", plain[_i]);
}
END_TEST

static const char *const odd[] = {
	"", "{", "[]", "{\"data\":{}}", "{\"error\":\"x\",\"data\":[]}", "{\"data\":[],\"data\":[]}", "{\"data\":[]} x", "{\"data\":[],}", "{\"data\":[,]}",
	"{\"data\":[[\"7\",1,2]]}", "{\"data\":[[\"7\",1,2,3,4]]}", "{\"data\":[[null,1,2,3]]}", "{\"data\":[[\"7\",1,\"\\ud800\",3]]}", "{\"data\":[[\"7\",1,\"\xff\",3]]}",
	"{\"data\":[[\"7\",1,\"a\nb\",3]]}", "{\"data\":[[\"7\",01,2,3]]}", "{\"data\":[[\"7\",-0,2,3.]]}", "{\"data\":[[\"7\",nul,2,3]]}", "{\"data\":[[\"7\",1,2,{\"a\":1,\"a\":2}]]}",
	"{\"data\":[[\"7\",1,2,[1}]]}", "{\"data\":[null]}", "{\"data\":[\"x\"]}", "{\"data\":[[\"7\",1,\"\\x\",3]]}", "{\"data\":[[\"7\",1,\"\\u12", "{\"timestamp\":5}",
	"{\"data\":[[\"7\",1,2,3]],\"timestamp\":\"5\"}", "{\"data\":[[\"7\",1,2,3]],\"timestamp\":-}",
};

START_TEST(what_is_odd_is_left_to_the_other)
{
	columns_four();
	ck_assert_msg(compare(odd[_i], strlen(odd[_i]), true) == 0, "%s", odd[_i]);
}
END_TEST

START_TEST(deleted_ids_only_where_they_belong)
{
	columns_four();
	ck_assert_int_eq(compare(plain[3], strlen(plain[3]), false), 0);
}
END_TEST

/* Whole answers with a few octets changed, dropped or doubled.  SEED=n repeats. */
START_TEST(damaged_answers)
{
	static const char alphabet[] = "{}[]\":,\\u0d8e-. nt\xc3";
	const char *env = getenv("SEED");
	unsigned seed = env != NULL ? (unsigned)strtoul(env, NULL, 10) : (unsigned)now_ms();
	uint32_t x = seed | 1;
	char text[400];
	int taken = 0, verdict;

	columns_four();
	for (int round = 0; round < 30000; round++) {
		const char *from = plain[(x >> 9) % ARRAY_LEN(plain)];
		size_t n = strlen(from), changes;

		memcpy(text, from, n);
		x = x * 1664525 + 1013904223;
		changes = (x >> 20) % 4;
		for (size_t i = 0; i < changes && n > 1; i++) {
			size_t at;

			x = x * 1664525 + 1013904223;
			at = (x >> 12) % n;
			x = x * 1664525 + 1013904223;
			if ((x >> 28) % 3 == 0)
				memmove(text + at, text + at + 1, --n - at);
			else
				text[at] = alphabet[(x >> 10) % (sizeof(alphabet) - 1)];
		}
		verdict = compare(text, n, (x & 0x8000) != 0);
		ck_assert_msg(verdict >= 0, "SEED=%u: %.*s", seed, (int)n, text);
		taken += verdict;
	}
	ck_assert_msg(taken > 3000, "SEED=%u: only %d of 30000 taken", seed, taken);
}
END_TEST

TCase *
case_scan(void)
{
	TCase *t = tcase_create("scan");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_ox_sends_is_taken, 0, (int)ARRAY_LEN(plain));
	tcase_add_loop_test(t, what_is_odd_is_left_to_the_other, 0, (int)ARRAY_LEN(odd));
	tcase_add_test(t, deleted_ids_only_where_they_belong);
	tcase_add_test(t, damaged_answers);
	return t;
}
