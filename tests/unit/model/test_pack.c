/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packed rows and cursors: what goes in comes out, and no damage does more than be refused.  SEED=<n> repeats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit/model/test_model.h"

static uint64_t state;

static uint64_t
rnd(uint64_t n)
{
	uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (z ^ (z >> 31)) % n;
}

static void
seed(void)
{
	const char *s = getenv("SEED");

	state = s != NULL ? strtoull(s, NULL, 10) : (uint64_t)time(NULL);
	printf("SEED=%llu\n", (unsigned long long)state);
}

/* Small numbers mostly, and the extremes. */
static int64_t
number(void)
{
	static const int64_t edge[] = { 0, 1, -1, INT64_MAX, INT64_MIN, TIME_MAX - 1, 1795348922000 };

	return rnd(3) == 0 ? edge[rnd(ARRAY_LEN(edge))] : (int64_t)rnd(100000) - 50000;
}

static struct row
random_row(struct arena *a)
{
	struct row r = { .id = number(), .cn = rnd(2) != 0 ? rnd(1000) + 1 : UINT64_MAX - rnd(5), .sk = number(), .lm = number() };

	r.first_cn = r.cn - rnd(r.cn < 500 ? r.cn : 500);
	r.keycn = rnd(2) != 0 ? r.first_cn : r.cn - rnd(r.cn < 500 ? r.cn : 500);
	r.dead = rnd(4) == 0;
	r.known = rnd(4) != 0;
	r.t0 = rnd(2) != 0 ? TIME_MIN : number();
	r.t1 = rnd(2) != 0 ? TIME_MAX : number();
	r.oxid = rnd(3) == 0 ? "default0/INBOX/17" : NULL;
	r.client_id = rnd(3) == 0 ? "phone/c-\xc3\xa4" : rnd(5) == 0 ? "" : NULL;
	r.f = arena_array(a, struct row_field, MODEL_MAX_FIELDS);
	for (unsigned i = 0, step = (unsigned)rnd(40) + 1; i < MODEL_MAX_FIELDS; i += (unsigned)rnd(step) + 1)
		r.f[r.nf++] = (struct row_field){ .i = (uint8_t)i, .fp = rnd(9) == 0 ? 0 : rnd(UINT64_MAX),
			.cn = rnd(3) != 0 ? r.first_cn : r.cn - rnd(r.cn < 500 ? r.cn : 500) };
	return r;
}

static bool
text_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
rows_equal(const struct row *a, const struct row *b)
{
	ck_assert_int_eq(a->id, b->id);
	ck_assert_uint_eq(a->first_cn, b->first_cn);
	ck_assert_uint_eq(a->cn, b->cn);
	ck_assert_uint_eq(a->keycn, b->keycn);
	ck_assert(a->dead == b->dead && a->known == b->known);
	ck_assert_int_eq(a->lm, b->lm);
	ck_assert(a->sk == b->sk && a->t0 == b->t0 && a->t1 == b->t1);
	ck_assert(text_equal(a->oxid, b->oxid) && text_equal(a->client_id, b->client_id));
	ck_assert_uint_eq(a->nf, b->nf);
	for (unsigned k = 0; k < a->nf; k++) {
		ck_assert_uint_eq(a->f[k].i, b->f[k].i);
		ck_assert_uint_eq(a->f[k].fp, b->f[k].fp);
		ck_assert_uint_eq(a->f[k].cn, b->f[k].cn);
		ck_assert_ptr_eq(row_field_get(b, a->f[k].i), &b->f[k]);
	}
}

START_TEST(row_comes_out_as_it_went_in)
{
	seed();
	for (int n = 0; n < 3000; n++) {
		struct arena *a = arena_new(0);
		struct row r = random_row(a), back = { .id = r.id, .cn = r.cn, .sk = r.sk };
		struct buf b;

		buf_init(&b, 0);
		row_pack(&r, &b);
		ck_assert(!b.failed);
		ck_assert_int_eq(row_unpack(a, b.p, b.len, &back), RC_OK);
		rows_equal(&r, &back);
		buf_fini(&b);
		arena_free(a);
	}
}
END_TEST

START_TEST(damaged_row_is_refused)
{
	seed();
	for (int n = 0; n < 3000; n++) {
		struct arena *a = arena_new(64 * 1024); /* a bound: no damage may make it allocate without end */
		struct row r = random_row(a), back = { .id = r.id, .cn = r.cn, .sk = r.sk };
		struct buf b;
		size_t len;

		buf_init(&b, 0);
		row_pack(&r, &b);
		/* cut anywhere: always refused, and the row stays as it was */
		len = (size_t)rnd(b.len);
		ck_assert_int_eq(row_unpack(a, b.p, len, &back), RC_INTERNAL);
		ck_assert(back.f == NULL && back.nf == 0);
		buf_addc(&b, 'x');
		ck_assert_int_eq(row_unpack(a, b.p, b.len, &back), RC_INTERNAL);
		/* any byte changed, or nothing but noise: no crash, and what is accepted keeps its own rules */
		for (unsigned k = 0; k < 8; k++)
			b.p[rnd(b.len)] = (char)rnd(256);
		if (row_unpack(a, b.p, b.len, &back) == RC_OK) {
			ck_assert(back.nf <= MODEL_MAX_FIELDS && back.first_cn <= back.cn && back.keycn <= back.cn);
			for (unsigned k = 0; k < back.nf; k++)
				ck_assert(back.f[k].cn <= back.cn && (k == 0 || back.f[k].i > back.f[k - 1].i));
		}
		buf_fini(&b);
		arena_free(a);
	}
}
END_TEST

/* The figure that the state budget of a folder is worked out from. */
START_TEST(untouched_row_is_small)
{
	struct arena *a = arena_new(0);
	struct row r = { .id = 1, .cn = 70000, .first_cn = 70000, .keycn = 70000, .known = true, .lm = 1795348922000, .t0 = TIME_MIN, .t1 = TIME_MAX };
	struct buf b;

	r.f = arena_array(a, struct row_field, 20);
	for (unsigned i = 0; i < 20; i++)
		r.f[r.nf++] = (struct row_field){ .i = (uint8_t)(3 * i), .fp = UINT64_MAX - i, .cn = r.cn };
	buf_init(&b, 0);
	row_pack(&r, &b);
	ck_assert_uint_le(b.len, 14 + 8 + 8 * 20);
	buf_fini(&b);
	arena_free(a);
}
END_TEST

START_TEST(rev_is_about_content_alone)
{
	static const unsigned char master[KEY_BYTES] = { 7 }, other[KEY_BYTES] = { 8 };
	struct model_keys *k = model_keys_new(master), *k2 = model_keys_new(other);
	struct row_field f[] = { { 1, 111, 5 }, { 2, 222, 6 }, { 9, 0, 7 } }, g[] = { { 1, 111, 50 }, { 2, 222, 60 } };
	struct row r = { .id = 1, .cn = 7, .known = true, .f = f, .nf = 3 };
	struct row s = { .id = 2, .cn = 99, .known = true, .f = g, .nf = 2, .lm = 5, .dead = true };
	struct fmask all = { { 0 } };
	char a[REV_TEXT], b[REV_TEXT];

	row_rev(k, CT_CONTACT, &r, NULL, a);
	ck_assert_uint_eq(strlen(a), REV_TEXT - 1);
	row_rev(k, CT_CONTACT, &s, NULL, b);
	ck_assert_str_eq(a, b); /* change numbers, ids and fields that are not set any more do not count */
	row_rev(k, CT_TASK, &s, NULL, b);
	ck_assert_str_ne(a, b);
	row_rev(k2, CT_CONTACT, &s, NULL, b);
	ck_assert_str_ne(a, b);
	g[1].fp = 223;
	row_rev(k, CT_CONTACT, &s, NULL, b);
	ck_assert_str_ne(a, b);
	g[1].fp = 222;
	g[1].i = 3; /* the same value in another field */
	row_rev(k, CT_CONTACT, &s, NULL, b);
	ck_assert_str_ne(a, b);
	r.known = false;
	row_rev(k, CT_CONTACT, &r, NULL, b);
	ck_assert_str_eq(b, "");
	/* what a client does not get makes no difference to it */
	for (unsigned i = 0; i < r.nf; i++)
		fmask_set(&all, r.f[i].i);
	r.known = true;
	row_rev(k, CT_CONTACT, &r, &all, a);
	r.f[0].fp++;
	row_rev(k, CT_CONTACT, &r, &all, b);
	ck_assert_str_eq(a, b);
	row_rev(k, CT_CONTACT, &r, NULL, b);
	ck_assert_str_ne(a, b);
	r.f[0].fp--;
	/* for ever the same: clients keep it for years */
	r.known = true;
	row_rev(k, CT_CONTACT, &r, NULL, b);
	ck_assert_str_eq(b, "a4a439b5f2413e4d");
	model_keys_free(k);
	model_keys_free(k2);
}
END_TEST

static struct cursor
random_cursor(struct arena *a)
{
	struct cursor c = { .epoch = rnd(UINT64_MAX), .pos = rnd(1000), .n_have = (size_t)rnd(50) };
	int64_t id = number();

	c.lo = c.pos - rnd(c.pos + 1);
	c.view = (struct view){ .filled = rnd(2) != 0, .edge_sk = number(), .edge_id = number(), .n_filled = rnd(70000), .w0 = number(), .w1 = number() };
	if (rnd(2) != 0)
		c.seen.hidden.w[rnd(ARRAY_LEN(c.seen.hidden.w))] = rnd(UINT64_MAX);
	c.seen.sweeping = rnd(2) != 0;
	if (c.seen.sweeping) {
		c.seen.unseen.w[0] = rnd(UINT64_MAX);
		c.seen.edge_sk = number();
		c.seen.edge_id = number();
	}
	if (id > INT64_MAX / 2)
		id = 0;
	c.have = arena_array(a, struct have, c.n_have);
	for (size_t i = 0; i < c.n_have; i++) {
		id += 1 + (int64_t)rnd(1000);
		c.have[i] = (struct have){ .id = id, .cn = rnd(1000) + 1 };
	}
	return c;
}

START_TEST(cursor_comes_out_as_it_went_in)
{
	seed();
	for (int n = 0; n < 3000; n++) {
		struct arena *a = arena_new(0);
		struct cursor c = random_cursor(a), back;
		struct buf b;
		size_t len;

		buf_init(&b, 0);
		cursor_pack(&c, &b);
		ck_assert_int_eq(cursor_unpack(a, b.p, b.len, &back), RC_OK);
		ck_assert(cursor_equal(&c, &back));
		for (size_t i = 0; i < c.n_have; i++)
			ck_assert_uint_eq(cursor_have(&back, c.have[i].id), c.have[i].cn);
		ck_assert_uint_eq(cursor_have(&back, INT64_MAX), 0);
		len = (size_t)rnd(b.len);
		ck_assert_int_eq(cursor_unpack(a, b.p, len, &back), RC_INTERNAL);
		for (unsigned k = 0; k < 4; k++)
			b.p[rnd(b.len)] = (char)rnd(256);
		if (cursor_unpack(a, b.p, b.len, &back) == RC_OK) {
			ck_assert_uint_le(back.lo, back.pos);
			for (size_t i = 1; i < back.n_have; i++)
				ck_assert_int_gt(back.have[i].id, back.have[i - 1].id);
		}
		buf_fini(&b);
		arena_free(a);
	}
}
END_TEST

START_TEST(noise_is_no_cursor)
{
	seed();
	for (int n = 0; n < 20000; n++) {
		unsigned char p[64];
		size_t len = (size_t)rnd(sizeof(p));
		struct arena *a = arena_new(16384); /* a lie about the number of entries must not be paid for */
		struct cursor c;
		struct row r = { .cn = 5 };

		for (size_t i = 0; i < len; i++)
			p[i] = (unsigned char)(rnd(3) == 0 ? rnd(256) : rnd(4));
		ck_assert_int_ne(cursor_unpack(a, p, len, &c), RC_NOMEM);
		ck_assert_int_ne(row_unpack(a, p, len, &r), RC_NOMEM);
		arena_free(a);
	}
}
END_TEST

START_TEST(every_difference_is_one)
{
	struct have h[] = { { 1, 5 }, { 2, 6 } }, g[] = { { 1, 5 }, { 2, 7 } };
	struct cursor c = { .epoch = 1, .lo = 2, .pos = 3, .n_have = 2, .have = h, .view = { .edge_sk = 1, .edge_id = 2, .w1 = 9 },
		.seen = { .sweeping = true } }, d;

#define DIFFERS(what) do { d = c; what; ck_assert(!cursor_equal(&c, &d)); } while (0)
	d = c;
	d.cap_have = 99;
	ck_assert(cursor_equal(&c, &d));
	DIFFERS(d.epoch++);
	DIFFERS(d.lo++);
	DIFFERS(d.pos++);
	DIFFERS(d.seen.hidden.w[1]++);
	DIFFERS(d.seen.sweeping = false);
	DIFFERS(d.seen.unseen.w[2]++);
	DIFFERS(d.seen.edge_sk++);
	DIFFERS(d.seen.edge_id++);
	DIFFERS(d.n_have--);
	DIFFERS(d.have = g);
	DIFFERS(d.view.filled = true);
	DIFFERS(d.view.edge_sk++);
	DIFFERS(d.view.edge_id++);
	DIFFERS(d.view.w0++);
	DIFFERS(d.view.w1++);
	DIFFERS(d.view.n_filled++);
#undef DIFFERS
}
END_TEST

TCase *
case_pack(void)
{
	TCase *t = tcase_create("pack");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, row_comes_out_as_it_went_in);
	tcase_add_test(t, damaged_row_is_refused);
	tcase_add_test(t, untouched_row_is_small);
	tcase_add_test(t, rev_is_about_content_alone);
	tcase_add_test(t, cursor_comes_out_as_it_went_in);
	tcase_add_test(t, noise_is_no_cursor);
	tcase_add_test(t, every_difference_is_one);
	return t;
}
