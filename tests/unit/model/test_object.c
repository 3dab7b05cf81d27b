/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The tables of fields, fingerprints, sort keys and time ranges, and what a client's JSON may hold. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit/model/test_model.h"

static struct arena *mem;
static struct model_keys *keys;
static struct err e;

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

static json_t *
parse(const char *text)
{
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

	ck_assert_msg(j != NULL, "bad test JSON %s", text);
	return j;
}

static const struct field *
field(enum content ct, const char *name)
{
	int i = model_field(model_content(ct), name);

	ck_assert_msg(i >= 0, "no field %s", name);
	return &model_content(ct)->fields[i];
}

static uint64_t
fp(enum content ct, const char *name, const char *text)
{
	json_t *j = parse(text);
	uint64_t h = field_fp(keys, field(ct, name), j);

	json_decref(j);
	return h;
}

START_TEST(tables_are_sound)
{
	for (unsigned c = 0; c < CT_COUNT; c++) {
		const struct content_type *t = model_content((enum content)c);

		ck_assert_int_eq(t->ct, c);
		ck_assert(model_content_by_name(t->name) == t && model_content_by_name(t->ox_module) == t);
		for (size_t i = 0; i < t->n_fields; i++) {
			const struct field *f = &t->fields[i];

			ck_assert_msg(model_field(t, f->name) == (int)i, "%s twice", f->name);
			ck_assert_msg((f->flags & FF_NOCOLUMN) != 0 || model_field_column(t, f->column) == (int)i, "column %d twice", f->column);
			ck_assert_msg(f->type == FT_STRING || (f->flags & FF_BIT) != 0 || f->max_len == 0, "%s", f->name);
			if (c == CT_MAIL && (f->flags & FF_NOINDEX) == 0) /* 100 octets a mail allow not many, and of these most are not set */
				ck_assert((f->flags & FF_BIT) != 0 || strcmp(f->name, "color_label") == 0 || strcmp(f->name, "user") == 0);
		}
	}
	ck_assert_ptr_null(model_content_by_name("infostore"));
	ck_assert_int_eq(model_field(model_content(CT_CONTACT), "nosuch"), -1);
	ck_assert_int_eq(model_field_column(model_content(CT_CONTACT), 534), model_field(model_content(CT_CONTACT), "busines_categorie"));
	ck_assert((field(CT_CONTACT, "number_of_attachments")->flags & FF_NOINDEX) == 0);
	ck_assert((field(CT_TASK, "lastModifiedOfNewestAttachmentUTC")->flags & FF_NOINDEX) == 0);
}
END_TEST

START_TEST(fingerprint_of_nothing_is_zero)
{
	static const char *const nothing[] = { "null", "\"\"", "[]", "{}" };

	for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
		ck_assert_uint_eq(fp(CT_CONTACT, "distribution_list", nothing[i]), 0);
	ck_assert_uint_eq(field_fp(keys, field(CT_CONTACT, "note"), NULL), 0);
	ck_assert_uint_eq(fp(CT_CONTACT, "mark_as_distributionlist", "false"), 0); /* in rows; absent in objects */
	ck_assert_uint_eq(fp(CT_MAIL, "flags", "0"), 0);
	ck_assert_uint_ne(fp(CT_TASK, "full_time", "false"), 0); /* here false is not the default */
	ck_assert_uint_ne(fp(CT_CALENDAR, "alarm", "0"), 0);     /* at the start, not none */
}
END_TEST

START_TEST(fingerprint_is_by_value)
{
	ck_assert_uint_eq(fp(CT_TASK, "priority", "1"), fp(CT_TASK, "priority", "1.0"));
	ck_assert_uint_eq(fp(CT_TASK, "target_duration", "\"120\""), fp(CT_TASK, "target_duration", "120"));
	ck_assert_uint_eq(fp(CT_TASK, "actual_costs", "\"12.50\""), fp(CT_TASK, "actual_costs", "12.5"));
	ck_assert_uint_ne(fp(CT_TASK, "actual_costs", "12.5"), fp(CT_TASK, "actual_costs", "12.51"));
	ck_assert_uint_ne(fp(CT_CONTACT, "telephone_home1", "\"007\""), fp(CT_CONTACT, "telephone_home1", "\"7\""));
	ck_assert_uint_ne(fp(CT_CONTACT, "first_name", "\"a\""), fp(CT_CONTACT, "last_name", "\"a\""));
	ck_assert_uint_eq(fp(CT_CALENDAR, "participants", "[{\"id\":3,\"type\":1},{\"type\":5,\"mail\":\"x\",\"display_name\":null}]"),
	    fp(CT_CALENDAR, "participants", "[{\"mail\":\"x\",\"type\":5},{\"type\":1,\"id\":\"3\"}]"));
	ck_assert_uint_ne(fp(CT_CALENDAR, "participants", "[{\"id\":3,\"type\":1}]"), fp(CT_CALENDAR, "participants", "[{\"id\":1,\"type\":3}]"));
	ck_assert_uint_ne(fp(CT_CALENDAR, "participants", "[[1,2],[3]]"), fp(CT_CALENDAR, "participants", "[[1],[2,3]]"));
	ck_assert_uint_ne(fp(CT_CALENDAR, "delete_exceptions", "[1,1]"), fp(CT_CALENDAR, "delete_exceptions", "[1]"));
}
END_TEST

START_TEST(objects_get_one_shape)
{
	struct object *o = object_new(mem, CT_CALENDAR);
	unsigned rid = (unsigned)model_field(model_content(CT_CALENDAR), "recurrence_id");
	unsigned rs = (unsigned)model_field(model_content(CT_CALENDAR), "recurrence_start");

	object_set(o, rid, json_integer(11));
	object_set(o, rs, json_string("1796601600000"));
	ck_assert_str_eq(object_get_str(o, rid), "11");
	ck_assert_int_eq(object_get_i64(o, rs, 0), 1796601600000);
	object_set(o, rid, json_null());
	ck_assert_ptr_null(o->v[rid]);
	ck_assert_int_eq(object_get_i64(o, rid, -5), -5);
	object_drop(o);
	object_drop(NULL);
}
END_TEST

struct range {
	enum content ct;
	const char *json;
	int64_t sk, t0, t1;
};

#define DAY INT64_C(86400000)
static const struct range ranges[] = {
	{ CT_CONTACT, "{\"birthday\":-86400000}", 0, TIME_MIN, TIME_MAX },
	{ CT_CALENDAR, "{\"start_date\":10,\"end_date\":20}", 10, 10, 20 },
	{ CT_CALENDAR, "{\"start_date\":-20,\"end_date\":-10}", -20, -20, -10 },
	{ CT_CALENDAR, "{\"start_date\":10,\"end_date\":20,\"recurrence_type\":1,\"interval\":1}", TIME_MAX, 10, TIME_MAX },
	{ CT_CALENDAR, "{\"start_date\":10,\"end_date\":20,\"recurrence_type\":2,\"interval\":1,\"until\":8640000000}", 8640000000 + DAY + 10, 10, 8640000000 + DAY + 10 },
	{ CT_CALENDAR, "{\"start_date\":8640000000,\"end_date\":8640000020,\"recurrence_type\":2,\"interval\":1,\"until\":0}", 8640000000, 8640000000, 8640000000 },
	{ CT_CALENDAR, "{\"start_date\":0,\"end_date\":10,\"recurrence_type\":1,\"interval\":3,\"occurrences\":5}", 15 * DAY + 10, 0, 15 * DAY + 10 },
	{ CT_CALENDAR, "{\"start_date\":10,\"end_date\":20,\"recurrence_type\":0,\"recurrence_id\":\"7\"}", 10, 10, 20 },
	{ CT_TASK, "{\"title\":\"x\"}", TIME_MAX, TIME_MIN, TIME_MAX },
	{ CT_TASK, "{\"start_date\":10,\"end_date\":20}", 20, 10, 20 },
	{ CT_TASK, "{\"start_date\":10}", 10, 10, 10 },
	{ CT_TASK, "{\"end_date\":20}", 20, 20, 20 },
};

START_TEST(ranges_are_right)
{
	const struct range *r = &ranges[_i];
	struct object *o = object_new(mem, r->ct);
	int64_t sk, t0, t1;
	json_t *j = parse(r->json), *v;
	const char *name;

	json_object_foreach (j, name, v) /* as OX answers: also what no client may set */
		object_set(o, (unsigned)model_field(model_content(r->ct), name), json_incref(v));
	object_range(o, &sk, &t0, &t1);
	ck_assert_msg(sk == r->sk && t0 == r->t0 && t1 == r->t1, "%s: %lld %lld %lld", r->json, (long long)sk, (long long)t0, (long long)t1);
	object_drop(o);
	json_decref(j);
}
END_TEST

START_TEST(mail_is_ordered_by_id_and_dated_by_arrival)
{
	struct object *o = object_new(mem, CT_MAIL);
	struct sighting s;

	o->id = 6;
	o->oxid = "6";
	object_set(o, (unsigned)model_field(model_content(CT_MAIL), "received_date"), json_integer(1000));
	object_set(o, (unsigned)model_field(model_content(CT_MAIL), "flags"), json_integer(32));
	object_set(o, (unsigned)model_field(model_content(CT_MAIL), "color_label"), json_integer(0));
	object_set(o, (unsigned)model_field(model_content(CT_MAIL), "subject"), json_string("s"));
	ck_assert_int_eq(object_sight(mem, keys, o, &s), RC_OK);
	ck_assert(s.id == 6 && s.oxid == NULL && s.sk == 0 && s.t0 == 1000 && s.t1 == 1000 && s.known && s.nf == 1);
	object_drop(o);
}
END_TEST

/* The number of bits sets its bits, and masks go from the one to the others and back. */
START_TEST(flags_are_fields_of_their_own)
{
	const struct content_type *t = model_content(CT_MAIL);
	int flags = model_field(t, "flags"), seen = model_field(t, "flag_seen"), spam = model_field(t, "flag_spam"), color = model_field(t, "color_label");
	struct object *o = object_new(mem, CT_MAIL);
	struct fmask m = { { 0 } }, bits;
	struct sighting s;
	msec_t t0, t1;
	int64_t sk;

	o->oxid = "7";
	object_set(o, (unsigned)flags, json_integer(32 | 16 | 8));
	ck_assert(o->v[seen] != NULL && o->v[model_field(t, "flag_flagged")] != NULL && o->v[model_field(t, "flag_answered")] == NULL);
	ck_assert_int_eq(object_sight(mem, keys, o, &s), RC_OK);
	ck_assert_uint_eq(s.nf, 2);
	object_set(o, (unsigned)flags, json_string("2"));
	ck_assert(o->v[seen] == NULL);
	object_set(o, (unsigned)model_field(t, "received_date"), json_integer(1000));
	object_range(o, &sk, &t0, &t1);
	ck_assert(t0 > t1); /* \Deleted: in no window */
	object_set(o, (unsigned)flags, NULL);
	object_range(o, &sk, &t0, &t1);
	ck_assert(t0 == 1000 && t1 == 1000);
	object_drop(o);

	fmask_set(&m, (unsigned)color);
	fmask_set(&m, (unsigned)flags);
	fmask_to_bits(t, &m);
	ck_assert(fmask_has(&m, (unsigned)color) && !fmask_has(&m, (unsigned)flags) && fmask_has(&m, (unsigned)seen) && !fmask_has(&m, (unsigned)spam));
	fmask_bits(t, &bits);
	ck_assert(fmask_has(&bits, (unsigned)spam) && !fmask_has(&bits, (unsigned)flags));
	fmask_from_bits(t, &m);
	ck_assert(fmask_has(&m, (unsigned)color) && fmask_has(&m, (unsigned)flags) && !fmask_has(&m, (unsigned)seen));
	fmask_bits(model_content(CT_CONTACT), &bits);
	ck_assert(fmask_empty(&bits));
}
END_TEST

START_TEST(text_ids_get_numbers_when_sighted)
{
	struct object *o = object_new(mem, CT_FOLDER);
	struct sighting s;

	o->oxid = "default0/INBOX";
	ck_assert_int_eq(object_sight(mem, keys, o, &s), RC_OK);
	ck_assert(s.id == model_id(keys, "default0/INBOX") && s.id < 0);
	ck_assert_str_eq(s.oxid, "default0/INBOX");
	o->broken = true;
	ck_assert_int_eq(object_sight(mem, keys, o, &s), RC_OK);
	ck_assert(!s.known);
	object_drop(o);
}
END_TEST

struct bad {
	enum content ct;
	bool create;
	const char *json;
	const char *path;
};

static const struct bad bads[] = {
	{ CT_CONTACT, true, "{\"nosuch\":1}", "$.nosuch" },
	{ CT_CONTACT, true, "{\"last_name\":5}", "$.last_name" },
	{ CT_CONTACT, true, "{\"last_name\":\"a\\u0001\"}", "$.last_name" },
	{ CT_CONTACT, true, "{\"last_name\":\"\xef\xbf\xbe\"}", "$.last_name" },
	{ CT_CONTACT, true, "{\"created_by\":3}", "$.created_by" },
	{ CT_CONTACT, false, "{\"uid\":\"x\"}", "$.uid" },
	{ CT_CONTACT, true, "{\"birthday\":\"x\"}", "$.birthday" },
	{ CT_CONTACT, true, "{\"birthday\":253402300800000}", "$.birthday" },
	{ CT_CONTACT, true, "{\"private_flag\":1}", "$.private_flag" },
	{ CT_CONTACT, true, "{\"distribution_list\":\"x\"}", "$.distribution_list" },
	{ CT_TASK, true, "{\"status\":2147483648}", "$.status" },
	{ CT_TASK, true, "{\"status\":1.5}", "$.status" },
	{ CT_TASK, true, "{\"currency\":\"12345678901\"}", "$.currency" },
	{ CT_MAIL, false, "{\"subject\":\"x\"}", "$.subject" },
	{ CT_TASK, true, "[]", "$" },
};

START_TEST(bad_members_are_named)
{
	json_t *j = parse(bads[_i].json);
	struct object *o;
	struct fmask m;

	ck_assert_int_eq(object_read(mem, bads[_i].ct, j, "$", NULL, bads[_i].create, &o, &m, &e), RC_PROTO);
	ck_assert_ptr_null(o);
	ck_assert_str_eq(e.path, bads[_i].path);
	ck_assert(e.text[0] != '\0');
	json_decref(j);
}
END_TEST

START_TEST(good_members_are_taken)
{
	static const char *const envelope[] = { "uuid", "rev", NULL };
	static const char text[] = "{\"uuid\":\"x\",\"rev\":1,\"title\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\\t\",\"note\":null,\"actual_costs\":12.5,\"alarm\":1796083200000,"
	                           "\"private_flag\":true,\"participants\":[{\"id\":4,\"type\":1}]}";
	json_t *j = parse(text);
	struct object *o;
	struct fmask m;
	struct buf b;
	int note = model_field(model_content(CT_TASK), "note");

	ck_assert_int_eq(object_read(mem, CT_TASK, j, "$", envelope, false, &o, &m, &e), RC_OK);
	json_decref(j);
	ck_assert(fmask_has(&m, (unsigned)note) && o->v[note] == NULL);
	buf_init(&b, 0);
	ck_assert_uint_eq(object_text(&b, o, &m, 0, true), 6);
	ck_assert_str_eq(b.p, "\"private_flag\":true,\"title\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\\t\",\"note\":null,\"alarm\":1796083200000,"
	                      "\"participants\":[{\"id\":4,\"type\":1}],\"actual_costs\":12.5");
	buf_reset(&b);
	ck_assert_uint_eq(object_text(&b, o, NULL, FF_HEADERS, false), 2);
	ck_assert_str_eq(b.p, ",\"participants\":[{\"id\":4,\"type\":1}],\"actual_costs\":12.5");
	buf_fini(&b);
	object_drop(o);
}
END_TEST

START_TEST(labels_are_for_people)
{
	static const struct { enum content ct; const char *name, *label; } r[] = {
		{ CT_CONTACT, "first_name", "First name" }, { CT_TASK, "title", "Title" }, { CT_TASK, "note", "Description" },
		{ CT_TASK, "percent_completed", "Percent completed" }, { CT_CONTACT, "image1_content_type", "Image 1 content type" },
		{ CT_CALENDAR, "organizerId", "Organizer id" }, { CT_CONTACT, "lastModifiedOfNewestAttachmentUTC", "Last modified of newest attachment UTC" },
	};
	char label[48], cut[6];

	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		const struct content_type *t = model_content(r[i].ct);

		model_field_label(t, (unsigned)model_field(t, r[i].name), label, sizeof(label));
		ck_assert_str_eq(label, r[i].label);
		model_field_label(t, (unsigned)model_field(t, r[i].name), cut, sizeof(cut));
		ck_assert(strlen(cut) < sizeof(cut) && strncmp(cut, label, strlen(cut)) == 0);
	}
}
END_TEST

START_TEST(length_is_in_characters_and_octets)
{
	char *s = malloc(65540);
	json_t *j = json_object();
	struct object *o;
	struct fmask m;

	for (size_t i = 0; i < 64; i++)
		memcpy(s + 4 * i, "\xf0\x9f\x98\x80", 5);
	json_object_set_new(j, "suffix", json_string(s)); /* 64 characters of 4 octets fit */
	ck_assert_int_eq(object_read(mem, CT_CONTACT, j, "$", NULL, true, &o, &m, &e), RC_OK);
	object_drop(o);
	memcpy(s + 256, "x", 2);
	json_object_set_new(j, "suffix", json_string(s));
	ck_assert_int_eq(object_read(mem, CT_CONTACT, j, "", NULL, true, &o, &m, &e), RC_PROTO);
	ck_assert_str_eq(e.text, "Suffix has 65 characters, 64 are possible: shorten it");
	ck_assert(strcmp(e.path, "suffix") == 0 && strcmp(e.field, "suffix") == 0 && e.length == 65 && e.max_length == 64);
	json_object_del(j, "suffix");
	memset(s, 'x', 65535);
	s[65535] = '\0';
	json_object_set_new(j, "note", json_string(s));
	ck_assert_int_eq(object_read(mem, CT_CONTACT, j, "$", NULL, true, &o, &m, &e), RC_OK);
	object_drop(o);
	memcpy(s, "\xc3\xbc", 2); /* 65534 characters, 65535 octets */
	json_object_set_new(j, "note", json_string(s));
	ck_assert_int_eq(object_read(mem, CT_CONTACT, j, "$", NULL, true, &o, &m, &e), RC_OK);
	object_drop(o);
	memcpy(s + 65535, "x", 2);
	json_object_set_new(j, "note", json_string(s)); /* 65535 characters, 65536 octets: OX would answer a database error */
	ck_assert_int_eq(object_read(mem, CT_CONTACT, j, "$", NULL, true, &o, &m, &e), RC_PROTO);
	json_decref(j);
	free(s);
}
END_TEST

TCase *
case_object(void)
{
	TCase *t = tcase_create("object");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, tables_are_sound);
	tcase_add_test(t, fingerprint_of_nothing_is_zero);
	tcase_add_test(t, fingerprint_is_by_value);
	tcase_add_test(t, objects_get_one_shape);
	tcase_add_loop_test(t, ranges_are_right, 0, (int)ARRAY_LEN(ranges));
	tcase_add_test(t, mail_is_ordered_by_id_and_dated_by_arrival);
	tcase_add_test(t, flags_are_fields_of_their_own);
	tcase_add_test(t, text_ids_get_numbers_when_sighted);
	tcase_add_loop_test(t, bad_members_are_named, 0, (int)ARRAY_LEN(bads));
	tcase_add_test(t, good_members_are_taken);
	tcase_add_test(t, labels_are_for_people);
	tcase_add_test(t, length_is_in_characters_and_octets);
	return t;
}
