/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ids: uuids that cannot be forged or carried to another place, numbers of OX ids, uids that carry a client's id. */
#include <string.h>

#include "unit/model/test_model.h"

static struct arena *mem;
static struct model_keys *keys;

static void
setup(void)
{
	static const unsigned char master[KEY_BYTES] = { 7 };

	mem = arena_new(0);
	keys = model_keys_new(master);
}

static void
teardown(void)
{
	model_keys_free(keys);
	arena_free(mem);
}

START_TEST(uuid_gives_its_id_back)
{
	static const int64_t ids[] = { 0, 1, -1, 4711, INT64_MAX, INT64_MIN };
	uint64_t tag = place_tag(keys, &(struct place){ .context = 1, .ct = CT_CONTACT, .folder = "31" });

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct uuid u, v;
		char text[UUID_TEXT];
		int64_t id;

		uuid_make(keys, tag, ids[i], &u);
		uuid_format(&u, text);
		ck_assert_uint_eq(strlen(text), UUID_TEXT - 1);
		ck_assert(uuid_parse(text, &v));
		ck_assert_mem_eq(&u, &v, sizeof(u));
		ck_assert(uuid_id(keys, tag, &v, &id));
		ck_assert_int_eq(id, ids[i]);
	}
}
END_TEST

START_TEST(uuid_of_another_place_is_foreign)
{
	static const struct place places[] = { { 1, CT_CONTACT, "31" }, { 2, CT_CONTACT, "31" }, { 1, CT_TASK, "31" }, { 1, CT_CONTACT, "32" },
		{ 1, CT_CONTACT, "3" }, { 1, CT_FOLDER, "hierarchy:5" } };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t j = 0; j < ARRAY_LEN(places); j++) {
			struct uuid u;
			int64_t id;

			uuid_make(keys, place_tag(keys, &places[i]), 77, &u);
			ck_assert(uuid_id(keys, place_tag(keys, &places[j]), &u, &id) == (i == j));
		}
}
END_TEST

START_TEST(uuid_of_another_daemon_is_foreign)
{
	static const unsigned char other[KEY_BYTES] = { 8 };
	struct model_keys *k = model_keys_new(other);
	struct uuid u;
	int64_t id;

	uuid_make(k, 5, 77, &u);
	ck_assert(!uuid_id(keys, 5, &u, &id));
	model_keys_free(k);
	model_keys_free(NULL);
}
END_TEST

/* One bit changed anywhere: no other object is hit. */
START_TEST(uuid_cannot_be_forged)
{
	struct uuid u;
	int64_t id = 1;

	uuid_make(keys, 5, 77, &u);
	for (unsigned bit = 0; bit < 128; bit++) {
		struct uuid v = u;

		v.b[bit / 8] ^= (unsigned char)(1U << (bit % 8));
		ck_assert(!uuid_id(keys, 5, &v, &id));
	}
	ck_assert_int_eq(id, 1);
}
END_TEST

START_TEST(uuid_text_is_strict)
{
	static const char *const bad[] = { "", "0", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-0000000000000",
		"000000000000-0000-0000-0000-00000000", "00000000-0000-0000-0000-00000000000g", "00000000_0000-0000-0000-000000000000",
		" 0000000-0000-0000-0000-000000000000", "{0000000-0000-0000-0000-00000000000}" };
	struct uuid u;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!uuid_parse(bad[i], &u), "%s", bad[i]);
	ck_assert(uuid_parse("00000000-0000-0000-0000-000000000000", &u));
}
END_TEST

START_TEST(uuid_stays_for_ever)
{
	struct uuid u;
	char text[UUID_TEXT];

	/* clients keep uuids for years: who changes the derivation, changes every client's objects */
	uuid_make(keys, place_tag(keys, &(struct place){ .context = 1, .ct = CT_CONTACT, .folder = "31" }), 4711, &u);
	uuid_format(&u, text);
	ck_assert_str_eq(text, "a40d33be-a9f5-27de-ba88-05761324cc46");
}
END_TEST

START_TEST(decimal_id_stands_for_itself)
{
	static const char *const texts[] = { "007", "-1", "+1", "1 ", "", "9223372036854775808", "default0/INBOX", "0x1" };

	ck_assert_int_eq(model_id(keys, "0"), 0);
	ck_assert_int_eq(model_id(keys, "4711"), 4711);
	ck_assert_int_eq(model_id(keys, "9223372036854775807"), INT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		ck_assert_int_lt(model_id(keys, texts[i]), 0);
		ck_assert_int_eq(model_id(keys, texts[i]), model_id(keys, texts[i]));
		for (size_t j = 0; j < i; j++)
			ck_assert_int_ne(model_id(keys, texts[i]), model_id(keys, texts[j]));
	}
}
END_TEST

static const struct { const char *device, *client_id, *uid; } uids[] = {
	{ "phone", "c1", "usm1-phone-c1" },
	{ "a-b", "c-1", "usm1-a%2Db-c%2D1" },
	{ "a", "b-c", "usm1-a-b%2Dc" },
	{ "a.b_c", "x/y z%\xc3\xa4", "usm1-a.b_c-x%2Fy%20z%25%C3%A4" },
};

START_TEST(uid_carries_the_client_id)
{
	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		char *uid = client_uid_format(mem, uids[i].device, uids[i].client_id);

		ck_assert_str_eq(uid, uids[i].uid);
		ck_assert_str_eq(client_uid_parse(mem, uid), arena_printf(mem, "%s/%s", uids[i].device, uids[i].client_id));
	}
}
END_TEST

/* What others write into a uid is theirs; two spellings of one client id would be two objects. */
START_TEST(foreign_uid_is_not_ours)
{
	static const char *const foreign[] = { "", "usm1", "usm1-", "usm1-a", "usm1-a-", "usm1--c", "usm2-a-c", "usm1-a-b-c", "usm1-a-c%", "usm1-a-c%2",
		"usm1-a-c%2d", "usm1-a-c%41", "usm1-a-c%00", "usm1-a%2Fb-c", "usm1-a-c d", "usm1-a-\xc3\xa4", "4a7f0c52-1d1c-4a93-8e0a-bd3c3fcd6b34", "USM1-a-c" };

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		ck_assert_msg(client_uid_parse(mem, foreign[i]) == NULL, "%s", foreign[i]);
}
END_TEST

START_TEST(mask_knows_empty)
{
	struct fmask m = { { 0 } };

	ck_assert(fmask_empty(&m));
	for (unsigned i = 0; i < MODEL_MAX_FIELDS; i++) {
		fmask_set(&m, i);
		ck_assert(!fmask_empty(&m) && fmask_has(&m, i));
		fmask_clear(&m, i);
		ck_assert(fmask_empty(&m));
	}
}
END_TEST

TCase *
case_keys(void)
{
	TCase *t = tcase_create("keys");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, uuid_gives_its_id_back);
	tcase_add_test(t, uuid_of_another_place_is_foreign);
	tcase_add_test(t, uuid_of_another_daemon_is_foreign);
	tcase_add_test(t, uuid_cannot_be_forged);
	tcase_add_test(t, uuid_text_is_strict);
	tcase_add_test(t, uuid_stays_for_ever);
	tcase_add_test(t, decimal_id_stands_for_itself);
	tcase_add_test(t, uid_carries_the_client_id);
	tcase_add_test(t, foreign_uid_is_not_ours);
	tcase_add_test(t, mask_knows_empty);
	return t;
}
