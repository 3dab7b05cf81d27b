/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Distribution lists and the other particular values of contacts over the wire: members named by uuid, days, names, flags, user fields. */
#include "wire.h"

#define BERTA_CONTACTS "42"
#define NOW "9007199254740992"
#define DAY INT64_C(86400000)

static void
world_up(void)
{
	static const char *const settings[] = { "ox_write_max_time = 3s", "ox_timeout = 2s", NULL };

	world_begin(&w, NULL, settings);
}

static void
berta(struct dev *d, const char *device)
{
	login(d, "berta", device);
	open_folder(d, str(d->defaults, "contact"));
}

static json_t *
person(const char *id)
{
	char mail[80];

	(void)snprintf(mail, sizeof(mail), "%s@example.org", id);
	return json_pack("{s:s,s:s,s:s,s:s}", "clientId", id, "last_name", id, "display_name", id, "email1", mail);
}

static json_t *
team(const char *id, json_t *members)
{
	return json_pack("{s:s,s:s,s:b,s:o}", "clientId", id, "display_name", id, "mark_as_distributionlist", 1, "distribution_list", members);
}

static void
make(struct dev *d, const char *id, char uuid[40])
{
	json_t *data = update(d, request(d, one(person(id)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
}

/* The members of the list NAME as a fresh device gets them. */
static json_t *
members(const char *name)
{
	struct dev d;
	const json_t *l;

	berta(&d, "reader");
	l = json_object_get(find(&d, "display_name", name, NULL), "distribution_list");
	ck_assert_ptr_nonnull(l);
	return json_deep_copy(l);
}

/* Nothing of OX's own ids in a member. */
static void
check_members(const json_t *l)
{
	for (size_t i = 0; i < json_array_size(l); i++) {
		const json_t *m = json_array_get(l, i);

		ck_assert_ptr_null(json_object_get(m, "id"));
		ck_assert_ptr_null(json_object_get(m, "folder_id"));
		ck_assert_int_eq(json_object_get(m, "uuid") != NULL, json_integer_value(json_object_get(m, "mail_field")) > 0);
		ck_assert_int_eq(json_object_get(m, "folder") != NULL, json_object_get(m, "uuid") != NULL);
	}
}

START_TEST(internal_and_external)
{
	char uuid[40], list[40];
	struct dev d;
	json_t *data, *l, *req;

	berta(&d, "lists-1");
	make(&d, "Inside", uuid);
	l = json_pack("[{s:s,s:s,s:i},{s:i,s:s,s:s}]", "uuid", uuid, "folder", d.folder, "mail_field", 1, "mail_field", 0, "mail", "out@example.net", "display_name", "Outside");
	data = update(&d, request(&d, one(team("Both-kinds", l)), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(list, sizeof(list), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	l = members("Both-kinds");
	check_members(l);
	ck_assert_uint_eq(json_array_size(l), 2);
	ck_assert_str_eq(str(json_array_get(l, 0), "uuid"), uuid);
	ck_assert_str_eq(str(json_array_get(l, 0), "folder"), d.folder);
	ck_assert_str_eq(str(json_array_get(l, 0), "mail"), "Inside@example.org");
	ck_assert_str_eq(str(json_array_get(l, 1), "mail"), "out@example.net");
	/* sent back as it came, it is the same list and nothing is written */
	(void)pull(&d);
	req = request(&d, NULL, one(json_pack("{s:s,s:O}", "uuid", list, "distribution_list", l)), NULL);
	data = update(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	ck_assert_uint_eq(pull(&d), 0);
	/* one less, and by uuid alone */
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:[{s:s,s:i}]}", "uuid", list, "distribution_list", "uuid", uuid, "mail_field", 1)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	json_decref(l);
	l = members("Both-kinds");
	ck_assert_uint_eq(json_array_size(l), 1);
	check_members(l);
	json_decref(l);
}
END_TEST

/* List and members in one request, in any order; a repetition makes neither twice. */
START_TEST(by_client_id)
{
	struct dev d;
	json_t *l, *req, *data = NULL;
	const char *uuid;

	berta(&d, "lists-2");
	l = json_pack("[{s:s,s:i},{s:s,s:i}]", "clientId", "Before", "mail_field", 1, "clientId", "Behind", "mail_field", 1);
	req = request(&d, json_pack("[o,o,o]", person("Before"), team("In-one", l), person("Behind")), NULL, NULL);
	for (int i = 0; i < 2; i++) {
		json_decref(data);
		data = good(&d, "syncUpdate", req);
		for (size_t k = 0; k < 3; k++)
			ck_assert_str_eq(str(result(data, k), "status"), "ok");
	}
	uuid = str(result(data, 2), "uuid");
	ck_assert_str_eq(str(result(data, 2), "clientId"), "Behind");
	apply(&d, data);
	l = members("In-one");
	check_members(l);
	ck_assert_uint_eq(json_array_size(l), 2);
	ck_assert_str_eq(str(json_array_get(l, 1), "uuid"), uuid);
	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,500", "In-one", NULL, 0), 1);
	json_decref(l);
	json_decref(req);
	json_decref(data);
}
END_TEST

/* Each is an error of the list alone that names the member. */
START_TEST(refused_members)
{
	static const struct { const char *member, *path; } t[] = {
		{ "{\"id\":\"1\",\"mail_field\":1}", "created[0].distribution_list[0].id" },
		{ "{\"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\",\"mail_field\":1}", "created[0].distribution_list[0].uuid" },
		{ "{\"uuid\":\"x\",\"mail_field\":1}", "created[0].distribution_list[0].uuid" },
		{ "{\"clientId\":\"nobody\",\"mail_field\":1}", "created[0].distribution_list[0].clientId" },
		{ "{\"mail\":\"a@example.org\",\"mail_field\":2}", "created[0].distribution_list[0].mail_field" },
		{ "{\"mail\":7,\"mail_field\":0}", "created[0].distribution_list[0].mail" },
		{ "7", "created[0].distribution_list[0]" },
	};
	struct dev d;
	json_t *data, *m, *x;
	char name[20];

	berta(&d, "lists-3");
	(void)snprintf(name, sizeof(name), "Refused-%d", _i);
	m = json_loads(t[_i].member, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(m);
	data = update(&d, request(&d, json_pack("[o,o]", team(name, one(m)), person("Beside")), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	x = json_object_get(result(data, 0), "error");
	ck_assert_str_eq(str(json_object_get(x, "details"), "path"), t[_i].path);
	ck_assert_str_eq(str(result(data, 1), "status"), "ok");
	json_decref(data);
}
END_TEST

/* Somebody else's contact is no member, whatever uuid is guessed or known. */
START_TEST(foreign_member)
{
	char uuid[40];
	struct dev a, d;
	json_t *data;

	login(&a, "anton", "lists-4");
	open_folder(&a, str(a.defaults, "contact"));
	make(&a, "Antons", uuid);
	berta(&d, "lists-4");
	data = update(&d, request(&d, one(team("Foreign", json_pack("[{s:s,s:i}]", "uuid", uuid, "mail_field", 1))), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	json_decref(data);
}
END_TEST

/* A member that moves stays the member that it was. */
START_TEST(member_moves)
{
	char uuid[40], to[40], moved[40];
	struct dev d, h;
	json_t *data, *l;

	login(&h, "berta", "lists-h");
	open_folder(&h, NULL);
	data = update(&h, request(&h, one(json_pack("{s:s,s:s,s:s}", "clientId", "lm", "title", "For members", "module", "contacts")), NULL, NULL));
	(void)snprintf(to, sizeof(to), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	berta(&d, "lists-5");
	make(&d, "Mover", uuid);
	json_decref(update(&d, request(&d, one(team("Of-movers", json_pack("[{s:s,s:i}]", "uuid", uuid, "mail_field", 1))), NULL, NULL)));
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "folder", to)), NULL));
	(void)snprintf(moved, sizeof(moved), "%s", str(result(data, 0), "newUuid"));
	json_decref(data);
	l = members("Of-movers");
	check_members(l);
	ck_assert_uint_eq(json_array_size(l), 1);
	json_decref(l);
	/* and in its new folder it can be a member without the folder being named */
	data = update(&d, request(&d, one(team("Of-moved", json_pack("[{s:s,s:i}]", "uuid", moved, "mail_field", 1))), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	l = members("Of-moved");
	ck_assert_str_eq(str(json_array_get(l, 0), "uuid"), moved);
	ck_assert_str_eq(str(json_array_get(l, 0), "folder"), to);
	json_decref(l);
}
END_TEST

/* ---- values of contacts ---- */

/* 1970 and around, 29 February 1604 and 1 January 1604 (no year known), 29 February 2000, a day of this century, the last and the first that OX holds */
static const int64_t days[] = { 0, DAY, -DAY, -DAY * 133620, -DAY * 133679, DAY * 11016, DAY * 20598, DAY * 2932896, -DAY * 719162 };

/* A day is the same day for users of every zone and for OX itself; nobody shifts it. */
START_TEST(days_stay)
{
	static const char *const users[] = { "berta", "caesar", "dora" }; /* Berlin, New York, UTC */
	char name[40], id[24];

	for (size_t u = 0; u < 3; u++) {
		struct dev d;
		json_t *data, *rows, *row, *c;
		const char *folder = u == 0 ? "42" : u == 1 ? "52" : "62";
		size_t i;
		bool seen = false;

		login(&d, users[u], "days");
		open_folder(&d, str(d.defaults, "contact"));
		(void)snprintf(name, sizeof(name), "Day-%d", _i);
		c = json_pack("{s:s,s:s,s:I,s:I}", "clientId", name, "last_name", name, "birthday", (json_int_t)days[_i], "anniversary", (json_int_t)days[_i]);
		data = update(&d, request(&d, one(c), NULL, NULL));
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		json_decref(data);
		rows = ox_as(users[u], "contacts", "all", json_pack("{s:s,s:s}", "folder", folder, "columns", "502,511,517"), NULL);
		json_array_foreach(rows, i, row)
			if (json_is_string(json_array_get(row, 0)) && strcmp(json_string_value(json_array_get(row, 0)), name) == 0) {
				ck_assert_int_eq(json_integer_value(json_array_get(row, 1)), days[_i]);
				ck_assert_int_eq(json_integer_value(json_array_get(row, 2)), days[_i]);
				seen = true;
			}
		ck_assert(seen);
		json_decref(rows);
		open_folder(&d, d.folder);
		ck_assert_int_eq(json_integer_value(json_object_get(find(&d, "last_name", name, NULL), "birthday")), days[_i]);
		/* set at OX to the day before, and cleared there */
		ck_assert_uint_eq(ox_rows(users[u], "contacts", folder, "1,502", name, id, sizeof(id)), 1);
		json_decref(ox_as(users[u], "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", folder, "id", id, "timestamp", NOW),
		    json_pack("{s:n,s:I}", "birthday", "anniversary", (json_int_t)(DAY * 7))));
		(void)pull(&d);
		ck_assert_ptr_null(json_object_get(find(&d, "last_name", name, NULL), "birthday"));
		ck_assert_int_eq(json_integer_value(json_object_get(find(&d, "last_name", name, NULL), "anniversary")), DAY * 7);
	}
}
END_TEST

/* What a person typed as display name stays, whatever else changes; and no name is made up. */
START_TEST(names_stay)
{
	char id[24];
	struct dev d;
	json_t *data, *c;
	const json_t *o;

	berta(&d, "names");
	c = json_pack("{s:s,s:s,s:s,s:s,s:b,s:s,s:s}", "clientId", "n1", "first_name", "Ada", "last_name", "Named", "display_name", "The Countess", "private_flag", 1,
	    "categories", "one,two", "userfield20", "twentieth");
	data = update(&d, request(&d, json_pack("[o,{s:s,s:s}]", c, "clientId", "n2", "last_name", "Nameless"), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	open_folder(&d, d.folder);
	o = find(&d, "last_name", "Named", NULL);
	ck_assert_str_eq(str(o, "display_name"), "The Countess");
	ck_assert_str_eq(str(o, "file_as"), "The Countess");
	ck_assert_str_eq(str(o, "categories"), "one,two");
	ck_assert_str_eq(str(o, "userfield20"), "twentieth");
	ck_assert(json_is_true(json_object_get(o, "private_flag")));
	ck_assert_ptr_null(json_object_get(find(&d, "last_name", "Nameless", NULL), "display_name"));
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", str(o, "uuid"), "first_name", "Augusta")), NULL));
	json_decref(data);
	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,502", "Named", id, sizeof(id)), 1);
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", BERTA_CONTACTS, "id", id, "timestamp", NOW), json_pack("{s:s}", "company", "Engines")));
	(void)pull(&d);
	ck_assert_str_eq(str(find(&d, "last_name", "Named", NULL), "display_name"), "The Countess");
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", str(find(&d, "last_name", "Named", NULL), "uuid"), "display_name", "A. K.")), NULL));
	json_decref(data);
	open_folder(&d, d.folder);
	ck_assert_str_eq(str(find(&d, "last_name", "Named", NULL), "display_name"), "A. K.");
	ck_assert_str_eq(str(find(&d, "last_name", "Named", NULL), "file_as"), "A. K.");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lists");
	TCase *t = tcase_create("wire");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, internal_and_external);
	tcase_add_test(t, by_client_id);
	tcase_add_loop_test(t, refused_members, 0, 7);
	tcase_add_test(t, foreign_member);
	tcase_add_test(t, member_moves);
	tcase_add_loop_test(t, days_stay, 0, (int)ARRAY_LEN(days));
	tcase_add_test(t, names_stay);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
