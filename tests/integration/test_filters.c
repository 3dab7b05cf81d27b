/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a device does not get, and what is refused: single bad changes, folder modes, selections of types and fields, windows,
 * limits, objects that cannot be delivered.  One oxsim and one usmd for all; each test has its own names.
 */
#include "wire.h"

#define BERTA_CONTACTS "42"
#define NAME "1,502" /* columns id, last_name */

static const char *const settings[] = { "mail_past = 0", "heartbeat_min = 1s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
world_down(void)
{
	world_end(&w);
}

static json_t *
one(json_t *x)
{
	json_t *a = json_array();

	(void)json_array_append_new(a, x);
	return a;
}

/* A device with berta's folder of TYPE ("contact", "appointment", ...). */
static void
berta(struct dev *d, const char *device, const char *type)
{
	login(d, "berta", device);
	open_folder(d, str(d->defaults, type));
}

static size_t
at_ox(const char *name)
{
	return ox_rows("berta", "contacts", BERTA_CONTACTS, NAME, name, NULL, 0);
}

static json_t *
text_of(char c, size_t n)
{
	static char text[70001];

	memset(text, c, n);
	text[n] = '\0';
	return json_string(text);
}

/* ---- bad changes ---- */

static const json_t *
details(const json_t *data, size_t i)
{
	return json_object_get(json_object_get(result(data, i), "error"), "details");
}

/* One request with good and bad changes: the good ones are carried out, of the bad ones nothing, and each says what is wrong. */
START_TEST(a_bad_change_is_refused_alone)
{
	struct dev d;
	char uuid[40];
	json_t *created = json_array(), *modified = json_array(), *data, *x;

	berta(&d, "bad-changes", "contact");
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", "good-0", "last_name", "Bad0")), NULL, NULL));
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)json_array_append_new(created, json_pack("{s:s,s:s,s:o}", "clientId", "bad-1", "last_name", "Bad1", "note", text_of('x', 70000)));
	(void)json_array_append_new(created, json_pack("{s:s,s:s}", "clientId", "good-2", "last_name", "Bad2"));
	(void)json_array_append_new(created, json_pack("{s:s,s:s,s:i}", "clientId", "bad-3", "last_name", "Bad3", "nonsense", 1));
	(void)json_array_append_new(created, json_pack("{s:s,s:s}", "clientId", "good-4", "last_name", "Bad4"));
	(void)json_array_append_new(modified, json_pack("{s:s,s:s,s:s}", "uuid", uuid, "company", "half", "first_name", "a\x01"));
	data = update(&d, request(&d, created, modified, NULL));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "results")), 5);
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	ck_assert_str_eq(str(details(data, 0), "path"), "created[0].note");
	ck_assert_str_eq(str(details(data, 0), "label"), "Comment");
	ck_assert_int_eq(json_integer_value(json_object_get(details(data, 0), "length")), 70000);
	ck_assert_int_eq(json_integer_value(json_object_get(details(data, 0), "maxLength")), 65535);
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "message"), "Comment has 70000 characters, 65535 are possible: shorten it.");
	ck_assert_str_eq(str(result(data, 1), "status"), "ok");
	ck_assert_str_eq(str(details(data, 2), "path"), "created[2].nonsense");
	ck_assert_str_eq(str(result(data, 3), "status"), "ok");
	ck_assert_str_eq(str(details(data, 4), "field"), "first_name");
	json_decref(data);
	ck_assert(at_ox("Bad0") == 1 && at_ox("Bad1") == 0 && at_ox("Bad2") == 1 && at_ox("Bad3") == 0 && at_ox("Bad4") == 1);
	x = ox_as("berta", "contacts", "all", json_pack("{s:s,s:s}", "folder", BERTA_CONTACTS, "columns", "569"), NULL);
	for (size_t i = 0; i < json_array_size(x); i++)
		ck_assert(!json_is_string(json_array_get(json_array_get(x, i), 0)) || strcmp(json_string_value(json_array_get(json_array_get(x, i), 0)), "half") != 0);
	json_decref(x);
}
END_TEST

/* What OX refuses has the same form; a change that does not say what it is about ends the request. */
START_TEST(what_ox_refuses_is_refused_alone)
{
	struct dev d;
	char path[80];
	json_t *created = json_array(), *data, *req;
	size_t n;

	berta(&d, "ox-refuses", "contact");
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\",\"count\":1},\"effect\":{\"error\":\"CON-0104\",\"category\":3}}");
	(void)json_array_append_new(created, json_pack("{s:s,s:s}", "clientId", "r-1", "last_name", "Refused1"));
	(void)json_array_append_new(created, json_pack("{s:s,s:s}", "clientId", "r-2", "last_name", "Refused2"));
	data = update(&d, request(&d, created, NULL, NULL));
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "code"), "forbidden");
	ck_assert_str_eq(str(details(data, 0), "ox"), "CON-0104");
	ck_assert_str_eq(str(details(data, 0), "path"), "created[0]");
	ck_assert_str_eq(str(result(data, 1), "status"), "ok");
	json_decref(data);
	open_folder(&d, d.folder);
	ck_assert_ptr_null(find(&d, "last_name", "Refused1", &n));
	ck_assert_ptr_nonnull(find(&d, "last_name", "Refused2", &n));
	created = one(json_pack("{s:s,s:s}", "clientId", "r-3", "last_name", "Refused3"));
	req = request(&d, created, one(json_pack("{s:s}", "first_name", "x")), NULL);
	ck_assert_str_eq(bad(&d, "syncUpdate", req, path), "bad-request");
	ck_assert_str_eq(path, "modified[0].uuid");
	json_decref(req);
	ck_assert_uint_eq(at_ox("Refused3"), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("filters");
	TCase *t = tcase_create("filters");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_bad_change_is_refused_alone);
	tcase_add_test(t, what_ox_refuses_is_refused_alone);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
