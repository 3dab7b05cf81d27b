/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Object -> text -> object for random objects with every field OX has.  SEED
 * repeats a run, ROUNDS (default 300) makes it longer.
 */
#include "pim_test.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t state;

/* splitmix64: small, and the same everywhere */
static uint64_t
rnd(uint64_t n)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

static void
seed(void)
{
	const char *s = getenv("SEED");

	state = s != NULL ? strtoull(s, NULL, 10) : (uint64_t)time(NULL);
	printf("property tests: SEED=%llu\n", (unsigned long long)state);
	fflush(stdout);
}

static int
rounds(void)
{
	const char *s = getenv("ROUNDS");

	return s != NULL ? (int)strtol(s, NULL, 10) : 300;
}

/* A text of at most MAX bytes of pieces that are hard on separators, escapes, folding and
 * charsets.  FLAGS 0: any; 1: no carriage returns; 2: no line ends. */
static json_t *
text(size_t max, int flags)
{
	static const char *const pieces[] = { "a", "Z", "Müller", " ", ",", ";", ":", "\\", "\\n", "\"", "=", "==", "^n", "^", "'",
		"日本語", "😀", "e\xcc\x81", "\xc2\xa0", "\xe2\x80\xa8", "\xef\xbb\xbf", "\x7f", "\t", "%41", "<b>", "&amp;", "//",
		"BEGIN:VCARD", "END:VEVENT", "0", "=3D", "  ", "@", "mailto:", "lorem ipsum dolor sit amet consectetur",
		"\n", "\r\n", "\r", "\n " };
	size_t n = sizeof(pieces) / sizeof(pieces[0]), chars = 0, k = 1 + rnd(12), i;
	char out[4096] = "";

	n -= flags == 2 ? 4 : flags == 1 ? 3 : 0;
	for (i = 0; i < k; i++) {
		const char *p = pieces[rnd(n)];

		if (chars + strlen(p) > max || chars + strlen(p) > 2000)
			break;
		memcpy(out + chars, p, strlen(p) + 1);
		chars += strlen(p);
	}
	if (out[0] == '\0')
		memcpy(out, "x", 2);
	return json_string(out);
}

static void
put(json_t *o, const char *field, json_t *v)
{
	ck_assert_ptr_nonnull(v);
	ck_assert_int_eq(json_object_set_new(o, field, v), 0);
}

static json_t *
day(void)
{
	return json_integer(((json_int_t)rnd(60000) - 20000) * 86400000);
}

static json_t *
mail_address(void)
{
	static const char *const list[] = { "anna@example.com", "b+c@example.org", "o'neil@example.net", "50%@example.com",
	                                    "x_y@sub.example.com", "\"a b\"@example.com" };

	return json_string(list[rnd(5)]);
}

static json_t *
contact(void)
{
	static const struct {
		const char *field;
		size_t max;
	} texts[] = {
		{ "display_name", 320 }, { "first_name", 128 }, { "last_name", 128 }, { "second_name", 128 }, { "suffix", 64 },
		{ "title", 64 }, { "street_home", 256 }, { "postal_code_home", 64 }, { "city_home", 64 }, { "state_home", 64 },
		{ "country_home", 64 }, { "marital_status", 64 }, { "number_of_children", 64 }, { "profession", 64 },
		{ "nickname", 64 }, { "spouse_name", 64 }, { "note", 2000 }, { "department", 128 }, { "position", 128 },
		{ "employee_type", 64 }, { "room_number", 64 }, { "street_business", 256 }, { "postal_code_business", 64 },
		{ "city_business", 128 }, { "state_business", 64 }, { "country_business", 64 }, { "number_of_employees", 64 },
		{ "sales_volume", 64 }, { "tax_id", 128 }, { "commercial_register", 64 }, { "branches", 64 },
		{ "business_category", 64 }, { "busines_categorie", 64 }, { "info", 2000 }, { "manager_name", 64 },
		{ "assistant_name", 64 }, { "street_other", 256 }, { "city_other", 64 }, { "postal_code_other", 64 },
		{ "country_other", 64 }, { "state_other", 64 }, { "telephone_business1", 64 }, { "telephone_business2", 128 },
		{ "fax_business", 64 }, { "telephone_callback", 64 }, { "telephone_car", 64 }, { "telephone_company", 64 },
		{ "telephone_home1", 64 }, { "telephone_home2", 64 }, { "fax_home", 64 }, { "cellular_telephone1", 64 },
		{ "cellular_telephone2", 64 }, { "telephone_other", 64 }, { "fax_other", 64 }, { "url", 128 },
		{ "telephone_isdn", 64 }, { "telephone_pager", 64 }, { "telephone_primary", 64 }, { "telephone_radio", 64 },
		{ "telephone_telex", 64 }, { "telephone_ttytdd", 64 }, { "instant_messenger1", 64 }, { "instant_messenger2", 64 },
		{ "telephone_ip", 64 }, { "telephone_assistant", 64 }, { "company", 512 }, { "userfield01", 64 },
		{ "userfield02", 64 }, { "userfield03", 64 }, { "userfield04", 64 }, { "userfield05", 64 }, { "userfield06", 64 },
		{ "userfield07", 64 }, { "userfield08", 64 }, { "userfield09", 64 }, { "userfield10", 64 }, { "userfield11", 64 },
		{ "userfield12", 64 }, { "userfield13", 64 }, { "userfield14", 64 }, { "userfield15", 64 }, { "userfield16", 64 },
		{ "userfield17", 64 }, { "userfield18", 64 }, { "userfield19", 64 }, { "userfield20", 64 }, { "file_as", 320 },
		{ "categories", 1024 }, { "uid", 255 }, { "yomiFirstName", 128 }, { "yomiLastName", 128 }, { "yomiCompany", 512 },
	};
	static const char *const labels[] = { "addressHome", "addressBusiness", "addressOther" };
	json_t *o = json_object();
	uint64_t density = 1 + rnd(10);
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (rnd(10) < density)
			put(o, texts[i].field, text(texts[i].max, strcmp(texts[i].field, "uid") == 0 ? 2 : 0));
	}
	for (i = 0; i < 3; i++) {	/* a parameter in 4.0: line feeds, no carriage returns */
		if (rnd(10) < density)
			put(o, labels[i], text(200, 1));
	}
	for (i = 1; i <= 3; i++) {
		char field[8];

		snprintf(field, sizeof(field), "email%zu", i);
		if (rnd(10) < density)
			put(o, field, mail_address());
	}
	if (rnd(3) == 0)
		put(o, "instant_messenger1", json_string("xmpp:anna@example.com"));
	if (rnd(2) == 0)
		put(o, "birthday", rnd(4) == 0 ? json_integer(-11544768000000) : day());	/* 1604-02-29: without a year */
	if (rnd(2) == 0)
		put(o, "anniversary", day());
	if (rnd(2) == 0)
		put(o, "private_flag", json_true());
	if (rnd(2) == 0)
		put(o, "default_address", json_integer((json_int_t)rnd(4)));
	if (rnd(2) == 0)
		put(o, "color_label", json_integer((json_int_t)rnd(11)));
	if (rnd(3) == 0) {
		put(o, "image1", json_string("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="));
		put(o, "image1_content_type", json_string(rnd(2) == 0 ? "image/png" : "image/svg+xml"));
	}
	if (json_object_size(o) == (json_object_get(o, "uid") != NULL))
		put(o, "last_name", json_string("Only"));
	return o;
}

static json_t *
list(void)
{
	json_t *o = json_object(), *a = json_array();
	size_t n = rnd(6), i;

	put(o, "display_name", text(300, 0));
	put(o, "mark_as_distributionlist", json_true());
	for (i = 0; i < n; i++) {
		json_t *m = json_object();

		put(m, "mail_field", json_integer((json_int_t)rnd(4)));
		if (rnd(4) > 0)
			put(m, "mail", mail_address());
		if (json_object_get(m, "mail") == NULL || rnd(2) == 0) {
			put(m, "id", json_string("4711"));
			put(m, "folder_id", json_string("31"));
		}
		if (rnd(2) == 0)
			put(m, "display_name", text(300, 2));
		if (rnd(2) == 0)
			put(m, "sort_name", text(300, 2));
		json_array_append_new(a, m);
	}
	put(o, "distribution_list", a);
	return o;
}

START_TEST(contacts)
{
	static const int versions[] = { 21, 30, 40 };
	struct pim_options opt;
	int n = rounds(), i;

	seed();
	pim_options_init(&opt);
	for (i = 0; i < n; i++) {
		json_t *o = rnd(8) == 0 ? list() : contact(), *back = NULL;
		char *txt = NULL, what[64];
		struct pim_error err;

		opt.vcard_version = versions[rnd(3)];
		ck_assert_msg(pim_vcard_format(o, &opt, &txt, &err) == PIM_OK, "%s", err.text);
		ck_assert_msg(pim_vcard_parse(txt, strlen(txt), &opt, &back, NULL, &err) == PIM_OK, "%s\n%s", err.text, txt);
		snprintf(what, sizeof(what), "round %d, version %d", i, opt.vcard_version);
		if (!json_equal(o, back))
			puts(txt);
		same_json(o, back, what);
		json_decref(o);
		json_decref(back);
		free(txt);
	}
}
END_TEST

/* --- calendars ------------------------------------------------------------------------ */

static json_t *
people(json_t *o)
{
	json_t *p = json_array(), *u = json_array(), *c = json_array();
	size_t n = rnd(5), i;

	for (i = 0; i < n; i++) {
		int type = 1 + (int)rnd(5);
		json_t *m = json_object();

		put(m, "type", json_integer(type));
		if (type != 5)
			put(m, "id", json_integer((json_int_t)(i * 10 + rnd(9))));
		if (type == 5 || rnd(3) == 0)
			put(m, "mail", mail_address());
		if (rnd(2) == 0)
			put(m, "display_name", text(100, 1));
		if (type == 1 && rnd(4) > 0) {
			json_t *a = json_object();

			put(a, "id", json_incref(json_object_get(m, "id")));
			put(a, "confirmation", json_integer((json_int_t)rnd(4)));
			if (json_object_get(m, "display_name") != NULL && rnd(2) == 0)
				put(a, "display_name", json_incref(json_object_get(m, "display_name")));
			if (rnd(2) == 0)
				put(a, "confirmmessage", text(300, 1));
			json_array_append_new(u, a);
		}
		if (type == 5 && rnd(2) == 0) {
			json_t *a = json_copy(m);

			put(a, "status", json_integer((json_int_t)rnd(4)));
			if (rnd(2) == 0)
				put(a, "message", text(300, 1));
			json_array_append_new(c, a);
		}
		json_array_append_new(p, m);
	}
	if (rnd(3) == 0)	/* a member of an invited group */
		json_array_append_new(u, json_pack("{s:i,s:i,s:s}", "id", 99, "confirmation", 2, "display_name", "Group Member"));
	if (json_array_size(p) > 0)
		put(o, "participants", json_incref(p));
	if (json_array_size(u) > 0)
		put(o, "users", json_incref(u));
	if (json_array_size(c) > 0)
		put(o, "confirmations", json_incref(c));
	json_decref(p);
	json_decref(u);
	json_decref(c);
	return o;
}

static void
recurrence(json_t *o, int64_t start, bool task)
{
	static const int countable[] = { 1, 2, 4, 8, 16, 32, 64, 62, 65, 127 };
	int type = 1 + (int)rnd(4);

	put(o, "recurrence_type", json_integer(type));
	put(o, "interval", json_integer(1 + (json_int_t)rnd(type == 4 ? 2 : 20)));
	if (type == 2)
		put(o, "days", json_integer(1 + (json_int_t)rnd(127)));
	if (type >= 3 && rnd(2) == 0) {
		put(o, "days", json_integer(countable[rnd(10)]));
		put(o, "day_in_month", json_integer(rnd(5) == 0 ? -1 : 1 + (json_int_t)rnd(5)));
	} else if (type >= 3) {
		put(o, "day_in_month", json_integer(1 + (json_int_t)rnd(31)));
	}
	if (type == 4)
		put(o, "month", json_integer((json_int_t)rnd(12)));
	if (rnd(3) == 0)
		put(o, "until", json_integer((start / 86400000 + 10 + (json_int_t)rnd(1000)) * 86400000));
	else if (rnd(2) == 0)
		put(o, "occurrences", json_integer(1 + (json_int_t)rnd(999)));
	(void)task;
}

static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Sydney", "Asia/Kolkata",
                                     "Pacific/Auckland", "UTC", "Nonsense/Zone" };

static void
common(json_t *o, size_t cats)
{
	if (rnd(2) == 0)
		put(o, "note", text(2000, 0));
	if (rnd(2) == 0)
		put(o, "categories", text(cats, 0));
	if (rnd(2) == 0)
		put(o, "private_flag", json_true());
	if (rnd(2) == 0)
		put(o, "color_label", json_integer((json_int_t)rnd(11)));
	people(o);
}

static json_t *
appointment(const char *uid)
{
	json_t *o = json_object();
	bool full = rnd(3) == 0;
	int64_t start = (1262304000 + (int64_t)rnd(900000000)) * 1000;

	if (full)
		start = start / 86400000 * 86400000;
	put(o, "start_date", json_integer(start));
	put(o, "end_date", json_integer(start + (full ? (1 + (int64_t)rnd(5)) * 86400000 : (int64_t)rnd(200000) * 1000)));
	put(o, "full_time", json_boolean(full));
	if (rnd(5) > 0)
		put(o, "timezone", json_string(zones[rnd(8)]));
	if (uid != NULL)
		put(o, "uid", json_string(uid));
	put(o, "title", text(255, 0));
	if (rnd(2) == 0)
		put(o, "location", text(255, 0));
	if (rnd(2) == 0)
		put(o, "alarm", json_integer(rnd(3) == 0 ? (json_int_t)rnd(2147483647) : (json_int_t)rnd(120)));
	if (rnd(2) == 0)
		put(o, "shown_as", json_integer(1 + (json_int_t)rnd(4)));
	if (rnd(3) == 0) {
		put(o, "organizer", mail_address());
		put(o, "organizerId", json_integer(5));
	}
	if (rnd(5) == 0) {
		put(o, "principal", mail_address());
		put(o, "principalId", json_integer(6));
	}
	if (rnd(2) == 0)
		put(o, "sequence", json_integer((json_int_t)rnd(100)));
	common(o, 1000);
	return o;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Arrays whose order has no meaning, in a fixed order. */
static void
order(json_t *o)
{
	static const char *const fields[] = { "participants", "users", "confirmations", "change_exceptions", "delete_exceptions" };
	size_t f, i;

	for (f = 0; f < 5; f++) {
		json_t *a = json_object_get(o, fields[f]), *out = json_array();
		size_t n = json_array_size(a);
		char **v = calloc(n + 1, sizeof(*v));

		for (i = 0; i < n; i++)
			v[i] = json_dumps(json_array_get(a, i), JSON_SORT_KEYS | JSON_ENCODE_ANY);
		qsort(v, n, sizeof(*v), by_text);
		for (i = 0; i < n; i++) {
			json_array_append_new(out, json_loads(v[i], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL));
			free(v[i]);
		}
		free(v);
		if (a != NULL)
			json_object_set_new(o, fields[f], out);
		else
			json_decref(out);
	}
}

/* Exceptions on distinct days around the start; some with an object, some only a date. */
static json_t *
exceptions(json_t *o)
{
	json_t *ex = json_array(), *changed = json_array(), *deleted = json_array();
	int64_t first = json_integer_value(json_object_get(o, "start_date")) / 86400000, d = first;
	size_t n = rnd(5), i;

	for (i = 0; i < n; i++) {
		d += 1 + (int64_t)rnd(40);
		if (rnd(3) == 0) {
			json_array_append_new(deleted, json_integer(d * 86400000));
			continue;
		}
		json_array_append_new(changed, json_integer(d * 86400000));
		if (rnd(4) > 0) {
			json_t *e = appointment(json_string_value(json_object_get(o, "uid")));

			put(e, "recurrence_date_position", json_integer(d * 86400000));
			json_array_append_new(ex, e);
		}
	}
	if (json_array_size(changed) > 0)
		put(o, "change_exceptions", json_incref(changed));
	if (json_array_size(deleted) > 0)
		put(o, "delete_exceptions", json_incref(deleted));
	json_decref(changed);
	json_decref(deleted);
	return ex;
}

START_TEST(appointments)
{
	int n = rounds(), i;
	size_t k;

	seed();
	for (i = 0; i < n; i++) {
		json_t *o = appointment(rnd(4) > 0 ? "uid-1@example.com" : NULL), *ex = NULL, *back = NULL, *exback = NULL;
		struct pim_error err;
		char *txt = NULL, what[64];

		if (rnd(2) == 0) {
			recurrence(o, json_integer_value(json_object_get(o, "start_date")), false);
			if (json_object_get(o, "uid") != NULL)
				ex = exceptions(o);
		}
		ck_assert_msg(pim_ical_event_format(o, ex, NULL, &txt, &err) == PIM_OK, "%s", err.text);
		ck_assert_msg(pim_ical_event_parse(txt, strlen(txt), NULL, &back, &exback, NULL, &err) == PIM_OK, "%s\n%s",
		              err.text, txt);
		order(o);
		order(back);
		snprintf(what, sizeof(what), "round %d", i);
		if (!json_equal(o, back))
			puts(txt);
		same_json(o, back, what);
		ck_assert_uint_eq(json_array_size(ex), json_array_size(exback));
		for (k = 0; k < json_array_size(ex); k++) {
			order(json_array_get(ex, k));
			order(json_array_get(exback, k));
			if (!json_equal(json_array_get(ex, k), json_array_get(exback, k)))
				puts(txt);
			same_json(json_array_get(ex, k), json_array_get(exback, k), what);
		}
		json_decref(o);
		json_decref(ex);
		json_decref(back);
		json_decref(exback);
		free(txt);
	}
}
END_TEST

static json_t *
task(void)
{
	static const char *const texts[] = { "companies", "billing_information", "trip_meter" };
	json_t *o = json_object();
	bool full = rnd(2) == 0;
	int64_t start = (1262304000 + (int64_t)rnd(900000000)) * 1000, status = 1 + (int64_t)rnd(5);
	size_t i;

	if (full)
		start = start / 86400000 * 86400000;
	put(o, "title", text(255, 0));
	if (rnd(2) == 0)
		put(o, "uid", text(200, 2));
	for (i = 0; i < 3; i++) {
		if (rnd(2) == 0)
			put(o, texts[i], text(200, 0));
	}
	if (rnd(2) == 0)
		put(o, "currency", json_string("EUR"));
	if (rnd(2) == 0)
		put(o, "target_duration", json_string("480"));
	if (rnd(2) == 0)
		put(o, "actual_duration", json_string("-1"));
	if (rnd(2) == 0)
		put(o, "target_costs", json_real((double)rnd(999999999999) / 100));
	if (rnd(2) == 0)
		put(o, "actual_costs", rnd(2) == 0 ? json_integer((json_int_t)rnd(1000)) : json_string("12.50"));
	if (rnd(2) == 0)
		put(o, "start_time", json_integer(start));
	if (rnd(2) == 0)
		put(o, "end_time", json_integer(start + (int64_t)rnd(9) * 86400000));
	if (json_object_get(o, "start_time") != NULL || json_object_get(o, "end_time") != NULL) {
		put(o, "full_time", json_boolean(full));
		if (rnd(3) == 0)
			recurrence(o, start, true);
	} else if (rnd(2) == 0) {
		put(o, "full_time", json_boolean(rnd(2)));
	}
	put(o, "status", json_integer(status));
	put(o, "percent_completed", json_integer(status == 1 ? 0 : status == 3 ? 100 : status > 3 ? 0 : (json_int_t)rnd(101)));
	if (rnd(2) == 0)
		put(o, "priority", json_integer(1 + (json_int_t)rnd(3)));
	if (status == 3)
		put(o, "date_completed", json_integer(start));
	if (rnd(2) == 0)
		put(o, "alarm", json_integer(start));
	common(o, 250);
	return o;
}

START_TEST(tasks)
{
	int n = rounds(), i;

	seed();
	for (i = 0; i < n; i++) {
		json_t *o = task(), *back = NULL;
		struct pim_error err;
		char *txt = NULL, what[64];

		ck_assert_msg(pim_ical_task_format(o, NULL, &txt, &err) == PIM_OK, "%s", err.text);
		ck_assert_msg(pim_ical_task_parse(txt, strlen(txt), NULL, &back, NULL, &err) == PIM_OK, "%s\n%s", err.text, txt);
		order(o);
		order(back);
		snprintf(what, sizeof(what), "round %d", i);
		if (!json_equal(o, back))
			puts(txt);
		same_json(o, back, what);
		json_decref(o);
		json_decref(back);
		free(txt);
	}
}
END_TEST

TCase *
tcase_property(void)
{
	TCase *t = tcase_create("property");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, contacts);
	tcase_add_test(t, appointments);
	tcase_add_test(t, tasks);
	return t;
}
