/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recipients and the global address book through real HTTP. */
#include "wire.h"

#define NOW "9007199254740992"
#define PNG "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

/* a folder holds three objects at a device at most */
static const char *const few[] = { "max_objects_per_folder = 3", "ox_timeout = 2s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, NULL);
}

static void
world_up_few(void)
{
	world_begin(&w, NULL, few);
}

/* USER's contact, with FIELDS (stolen); its id. */
static const char *
contact(const char *user, const char *folder, json_t *fields)
{
	static char id[24];
	json_t *data;

	(void)json_object_set_new(fields, "folder_id", json_string(folder));
	data = ox_as(user, "contacts", "new", json_object(), fields);
	(void)snprintf(id, sizeof(id), "%s", str(data, "id"));
	json_decref(data);
	return id;
}

static json_t *
who_with(const struct dev *d, const char *query, json_t *more)
{
	json_t *b = json_pack("{s:[s]}", "queries", query), *data, *out;

	if (more != NULL)
		(void)json_object_update(b, more);
	data = good(d, "resolveRecipients", b);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "results")), 1);
	out = json_incref(json_object_get(json_array_get(json_object_get(data, "results"), 0), "recipients"));
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "results"), 0), "query"), query);
	json_decref(data);
	json_decref(b);
	json_decref(more);
	return out;
}

/* "kind:name,..." of the recipients. */
static const char *
names(const struct dev *d, const char *query, json_t *more)
{
	static char text[4000];
	json_t *r = who_with(d, query, more), *v;
	size_t i, n = 0;

	text[0] = '\0';
	json_array_foreach(r, i, v)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:%s", n > 0 ? "," : "", str(v, "kind"), str(v, "name"));
	json_decref(r);
	return text;
}

START_TEST(kinds_and_order)
{
	struct dev d;

	login(&d, "anton", "p-1");
	(void)contact("anton", "32", json_pack("{s:s,s:s}", "display_name", "Bernd Zander", "email1", "bernd@example.org"));
	(void)contact("anton", "32", json_pack("{s:s,s:s}", "display_name", "be", "email1", "exactly@example.org"));
	(void)contact("anton", "32", json_pack("{s:s,s:b,s:[{s:i,s:s,s:s}]}", "display_name", "Beekeepers", "mark_as_distributionlist", 1, "distribution_list",
	    "mail_field", 0, "mail", "x@example.net", "display_name", "X"));
	ck_assert_str_eq(names(&d, "be", NULL), "contact:be,user:Berta Bauer,list:Beekeepers,contact:Bernd Zander,resource:Beamer Room 1");
	ck_assert_str_eq(names(&d, "bau", NULL), "user:Berta Bauer"); /* any word of the name */
	ck_assert_str_eq(names(&d, "bau ber", NULL), "user:Berta Bauer");
	ck_assert_str_eq(names(&d, "bau zan", NULL), "");
	ck_assert_str_eq(names(&d, "TEAM", NULL), "group:Team Group");
	ck_assert_str_eq(names(&d, "be", json_pack("{s:[s,s]}", "kinds", "resource", "list")), "list:Beekeepers,resource:Beamer Room 1");
	ck_assert_str_eq(names(&d, "be", json_pack("{s:[s]}", "kinds", "user")), "user:Berta Bauer");
	ck_assert_str_eq(names(&d, "b", json_pack("{s:[s]}", "kinds", "user")), "user:Berta Bauer"); /* one character */
	ck_assert_str_eq(names(&d, "nobody at all", NULL), "");
}
END_TEST

/* Where nothing else decides, who was used more often comes first. */
START_TEST(most_used_first)
{
	struct dev d;
	char b[24], text[80];

	login(&d, "caesar", "p-9");
	(void)contact("caesar", "52", json_pack("{s:s,s:s}", "display_name", "Usable A", "email1", "a@example.org"));
	(void)snprintf(b, sizeof(b), "%s", contact("caesar", "52", json_pack("{s:s,s:s}", "display_name", "Usable B", "email1", "b@example.org")));
	(void)contact("caesar", "52", json_pack("{s:s,s:s}", "display_name", "Usable C", "email1", "c@example.org"));
	ck_assert_str_eq(names(&d, "usab", NULL), "contact:Usable A,contact:Usable B,contact:Usable C");
	(void)snprintf(text, sizeof(text), "{\"contact\":%s,\"count\":3}", b);
	world_control(&w, "used", text, NULL, 0);
	ck_assert_str_eq(names(&d, "usab", NULL), "contact:Usable B,contact:Usable A,contact:Usable C");
	ck_assert_str_eq(names(&d, "usable a", NULL), "contact:Usable A");
	ck_assert_str_eq(names(&d, "a@example.org", NULL), "contact:Usable A");
}
END_TEST

START_TEST(addresses)
{
	struct dev d;
	json_t *r;

	login(&d, "anton", "p-2");
	(void)contact("anton", "32", json_pack("{s:s,s:s,s:s}", "display_name", "Two Of Them", "email1", "first@example.org", "email3", "third@example.org"));
	(void)contact("anton", "32", json_pack("{s:s}", "display_name", "Two Without"));
	ck_assert_str_eq(names(&d, "berta@example.com", json_pack("{s:b}", "exact", 1)), "user:Berta Bauer");
	ck_assert_str_eq(names(&d, "BERTA@example.com", json_pack("{s:b}", "exact", 1)), "user:Berta Bauer");
	ck_assert_str_eq(names(&d, "berta@example", json_pack("{s:b}", "exact", 1)), "");
	ck_assert_str_eq(names(&d, "berta@ex", NULL), "user:Berta Bauer");
	ck_assert_str_eq(names(&d, "beamer@example.com", json_pack("{s:b}", "exact", 1)), "resource:Beamer Room 1");
	ck_assert_str_eq(names(&d, "third@example.org", json_pack("{s:b}", "exact", 1)), "contact:Two Of Them");
	r = who_with(&d, "two", NULL); /* who has no address cannot be written to */
	ck_assert_uint_eq(json_array_size(r), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(r, 0), "addresses")), 2);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json_array_get(r, 0), "addresses"), 1)), "third@example.org");
	json_decref(r);
}
END_TEST

/* Characters that OX takes for others stand for themselves. */
START_TEST(no_wildcards)
{
	static const char *const in[] = { "Star*Man", "Star?Man", "Star%Man", "Star_Man", "Star\\Man", "StarxMan" };
	struct dev d;
	char q[32], expect[64];

	login(&d, "dora", "p-3");
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		(void)contact("dora", "62", json_pack("{s:s,s:s}", "display_name", in[i], "email1", "star@example.org"));
	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		(void)snprintf(q, sizeof(q), "%.6s", in[i]);
		(void)snprintf(expect, sizeof(expect), "contact:%s", in[i]);
		ck_assert_str_eq(names(&d, q, NULL), expect);
	}
	for (const char *p = "*?%_\\"; *p != '\0'; p++) {
		q[0] = *p;
		q[1] = '\0';
		ck_assert_str_eq(names(&d, q, NULL), "");
	}
	(void)contact("dora", "62", json_pack("{s:s,s:s}", "display_name", "M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac", "email1", "m@example.org"));
	ck_assert_str_eq(names(&d, "m\xc3\xbcll", NULL), "contact:M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac");
	ck_assert_str_eq(names(&d, "mull", NULL), "contact:M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac");
	ck_assert_str_eq(names(&d, "\xe6\x97\xa5", NULL), "contact:M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac");
}
END_TEST

/* What can be synchronised is named as a sync names it; members are the same. */
START_TEST(objects_and_members)
{
	json_t *r, *m, *v;
	struct dev d;
	const json_t *x;

	login(&d, "caesar", "p-4");
	(void)contact("caesar", "52", json_pack("{s:s,s:b,s:[{s:i,s:s,s:s},{s:s,s:s,s:i,s:s,s:s}]}", "display_name", "Zlist", "mark_as_distributionlist", 1, "distribution_list",
	    "mail_field", 0, "mail", "x@example.net", "display_name", "X", "id", "3", "folder_id", "6", "mail_field", 1, "mail", "berta@example.com", "display_name", "B"));
	r = who_with(&d, "zl", json_pack("{s:b}", "members", 1));
	v = json_array_get(r, 0);
	open_folder(&d, str(d.defaults, "contact"));
	x = find(&d, "display_name", "Zlist", NULL);
	ck_assert_str_eq(str(v, "folder"), str(d.defaults, "contact"));
	ck_assert_str_eq(str(v, "uuid"), str(x, "uuid"));
	m = json_object_get(v, "members");
	ck_assert_uint_eq(json_array_size(m), 2);
	for (size_t i = 0; i < 2; i++) { /* OX sorts them by name */
		bool outside = strcmp(str(json_array_get(m, i), "address"), "x@example.net") == 0;

		ck_assert(outside || strcmp(str(json_array_get(m, i), "address"), "berta@example.com") == 0);
		ck_assert_int_eq(json_object_get(json_array_get(m, i), "uuid") != NULL, !outside);
	}
	ck_assert(json_is_false(json_object_get(v, "moreMembers")));
	json_decref(r);

	r = who_with(&d, "team", json_pack("{s:b}", "members", 1));
	v = json_array_get(r, 0);
	ck_assert_int_eq(json_integer_value(json_object_get(v, "entity")), 8);
	ck_assert_uint_eq(json_array_size(json_object_get(v, "members")), 3);
	ck_assert_str_eq(str(json_array_get(json_object_get(v, "members"), 1), "address"), "berta@example.com");
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(json_object_get(v, "members"), 1), "entity")), 4);
	json_decref(r);
	r = who_with(&d, "team", NULL);
	ck_assert_ptr_null(json_object_get(json_array_get(r, 0), "members"));
	json_decref(r);
}
END_TEST

START_TEST(pictures)
{
	json_t *r, *v, *b;
	struct dev d;

	login(&d, "emil", "p-5");
	(void)contact("emil", "72", json_pack("{s:s,s:s,s:s}", "display_name", "Pictured", "email1", "p@example.org", "image1", PNG));
	r = who_with(&d, "pict", NULL);
	v = json_array_get(r, 0);
	ck_assert(json_is_true(json_object_get(v, "hasPhoto")));
	ck_assert_ptr_null(json_object_get(v, "photo"));
	b = json_pack("{s:s,s:s}", "folder", str(v, "folder"), "uuid", str(v, "uuid"));
	json_decref(r);
	r = who_with(&d, "pict", json_pack("{s:i}", "photoSize", 1000));
	v = json_object_get(json_array_get(r, 0), "photo");
	ck_assert_str_eq(str(v, "type"), "image/png");
	ck_assert_str_eq(str(v, "data"), PNG);
	json_decref(r);
	r = who_with(&d, "pict", json_pack("{s:i}", "photoSize", 20)); /* larger than that: asked for apart, or not at all */
	ck_assert(json_is_true(json_object_get(json_array_get(r, 0), "hasPhoto")));
	ck_assert_ptr_null(json_object_get(json_array_get(r, 0), "photo"));
	json_decref(r);
	json_decref(b);
}
END_TEST

START_TEST(limits)
{
	json_t *b = json_pack("{s:[s,s,s],s:i,s:[s]}", "queries", "lim", "an", "lim", "limit", 2, "kinds", "contact"), *data, *r;
	struct dev d;
	char name[24];

	login(&d, "dora", "p-6");
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "Limit %d", i);
		(void)contact("dora", "62", json_pack("{s:s,s:s}", "display_name", name, "email1", "l@example.org"));
	}
	data = good(&d, "resolveRecipients", b);
	r = json_object_get(data, "results");
	ck_assert_uint_eq(json_array_size(r), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(r, 0), "recipients")), 2);
	ck_assert(json_is_true(json_object_get(json_array_get(r, 0), "more")));
	ck_assert(json_is_false(json_object_get(json_array_get(r, 1), "more")));
	ck_assert(json_equal(json_object_get(json_array_get(r, 0), "recipients"), json_object_get(json_array_get(r, 2), "recipients")));
	json_decref(data);
	json_decref(b);
}
END_TEST

/* A folder of berta's: seen by anton with the right to read, not without; her private contact never. */
START_TEST(rights)
{
	struct dev d;
	json_t *v, *p;

	login(&d, "anton", "p-7");
	(void)contact("berta", "42", json_pack("{s:s,s:s}", "display_name", "Quentin Open", "email1", "q@example.org"));
	(void)contact("berta", "42", json_pack("{s:s,s:s,s:b}", "display_name", "Quentin Closed", "email1", "q@example.org", "private_flag", 1));
	ck_assert_str_eq(names(&d, "quen", NULL), "");
	ck_assert_str_eq(names(&d, "q@example.org", json_pack("{s:b}", "exact", 1)), "");
	p = json_pack("{s:{s:[{s:i,s:i,s:b},{s:i,s:i,s:b}]}}", "folder", "permissions", "bits", 403710016, "entity", 4, "group", 0, "bits", 257, "entity", 3, "group", 0);
	json_decref(ox_as("berta", "folders", "update", json_pack("{s:s,s:s}", "id", "42", "timestamp", NOW), json_incref(p)));
	v = who_with(&d, "quen", NULL);
	ck_assert_uint_eq(json_array_size(v), 1);
	ck_assert_str_eq(str(json_array_get(v, 0), "name"), "Quentin Open");
	ck_assert(json_object_get(json_array_get(v, 0), "uuid") != NULL);
	json_decref(v);
	json_decref(p);
	json_decref(ox_as("berta", "folders", "update", json_pack("{s:s,s:s}", "id", "42", "timestamp", NOW), json_pack("{s:{s:[{s:i,s:i,s:b}]}}", "folder", "permissions", "bits", 403710016, "entity", 4, "group", 0)));
	ck_assert_str_eq(names(&d, "quen", NULL), "");
}
END_TEST

START_TEST(refused_and_absent)
{
	json_t *b = json_pack("{s:[s]}", "queries", ""), *data;
	struct dev d;
	char path[80];

	login(&d, "anton", "p-8");
	ck_assert_str_eq(bad(&d, "resolveRecipients", b, path), "bad-request");
	ck_assert_str_eq(path, "queries[0]");
	json_decref(b);
	b = json_pack("{s:[s]}", "queries", "be");
	faults("{\"match\":{\"module\":\"resource\",\"action\":\"search\",\"part\":true,\"count\":0},\"effect\":{\"error\":\"SVL-0007\"}}");
	data = good(&d, "resolveRecipients", b); /* the rest works */
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(data, "unavailable"), 0)), "resource");
	ck_assert_uint_gt(json_array_size(json_object_get(json_array_get(json_object_get(data, "results"), 0), "recipients")), 0);
	json_decref(data);
	no_faults();
	/* too few letters for an OX that is set so: that query has more, others have their answers */
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"advancedSearch\",\"part\":true,\"count\":1},\"effect\":{\"error\":\"CON-0100\"}}");
	(void)json_object_set_new(b, "queries", json_pack("[s,s]", "b", "be"));
	data = good(&d, "resolveRecipients", b);
	ck_assert(json_is_true(json_object_get(json_array_get(json_object_get(data, "results"), 0), "more")));
	ck_assert_uint_gt(json_array_size(json_object_get(json_array_get(json_object_get(data, "results"), 1), "recipients")), 0);
	json_decref(data);
	no_faults();
	faults("{\"match\":{\"module\":\"resource\",\"action\":\"search\",\"part\":true,\"count\":0},\"effect\":{\"error\":\"SVL-0007\"}}");
	(void)json_object_set_new(b, "queries", json_pack("[s]", "be"));
	(void)json_object_set_new(b, "kinds", json_pack("[s]", "resource"));
	ck_assert_str_eq(bad(&d, "resolveRecipients", b, NULL), "not-available");
	no_faults();
	faults("{\"match\":{\"module\":\"resource\",\"action\":\"search\",\"part\":true,\"count\":0},\"effect\":{\"error\":\"CON-0100\",\"category\":8}}");
	ck_assert_str_eq(bad(&d, "resolveRecipients", b, NULL), "upstream");
	no_faults();
	faults("{\"match\":{\"module\":\"multiple\",\"count\":0},\"effect\":{\"http_status\":500}}");
	ck_assert_str_eq(bad(&d, "resolveRecipients", b, NULL), "upstream");
	no_faults();
	faults("{\"match\":{\"module\":\"multiple\",\"count\":0},\"effect\":{\"delay_ms\":20000}}");
	ck_assert_str_eq(bad(&d, "resolveRecipients", b, NULL), "upstream-timeout");
	no_faults();
	json_decref(b);
}
END_TEST

/* ---- the global address book: one more folder ---- */

static void
open_global(struct dev *d, const char *user, const char *device)
{
	const json_t *f;
	json_t *r;

	login(d, user, device);
	open_folder(d, NULL);
	r = who_with(d, "anton", json_pack("{s:[s]}", "kinds", "user"));
	f = json_object_get(d->have, str(json_array_get(r, 0), "folder"));
	ck_assert_msg(f != NULL, "%s has no global address book", user);
	ck_assert_str_eq(str(f, "module"), "contacts");
	open_folder(d, str(json_array_get(r, 0), "folder"));
	json_decref(r);
}

/* In everybody's hierarchy without doing anything; it holds the users and nobody else. */
START_TEST(global_for_everybody)
{
	static const char *const users[] = { "anton", "berta", "caesar", "dora", "emil" };
	const char *uuid;
	json_t *o;
	struct dev d;

	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		open_global(&d, users[i], "g-1");
		ck_assert_uint_eq(json_object_size(d.have), 6);
		json_object_foreach(d.have, uuid, o)
			ck_assert_int_gt(json_integer_value(json_object_get(o, "user_id")), 0);
	}
}
END_TEST

static json_t *
write_note(struct dev *d, const char *name, const char *note)
{
	const json_t *o = find(d, "display_name", name, NULL);

	return update(d, request(d, NULL, one(json_pack("{s:s,s:s}", "uuid", str(o, "uuid"), "note", note)), NULL));
}

/* Nobody writes others' entries, nobody adds or removes one; the own one may be changed, and everybody gets that. */
START_TEST(global_rights)
{
	struct dev anton, berta;
	json_t *data;

	open_global(&anton, "anton", "g-2");
	open_global(&berta, "berta", "g-2");
	data = write_note(&anton, "Berta Bauer", "no");
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "code"), "forbidden");
	json_decref(data);
	data = update(&anton, request(&anton, one(json_pack("{s:s,s:s}", "clientId", "g1", "last_name", "New")), NULL, NULL));
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "code"), "forbidden");
	json_decref(data);
	data = update(&anton, request(&anton, NULL, NULL, one(json_pack("{s:s}", "uuid", str(find(&anton, "display_name", "Berta Bauer", NULL), "uuid")))));
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "code"), "forbidden");
	json_decref(data);
	data = write_note(&berta, "Berta Bauer", "at her desk");
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	(void)pull(&anton);
	ck_assert_str_eq(str(find(&anton, "display_name", "Berta Bauer", NULL), "note"), "at her desk");
	ck_assert_uint_eq(json_object_size(anton.have), 6);
}
END_TEST

/* Who is made a user is in it with the next sync. */
START_TEST(global_new_user)
{
	struct dev d;
	size_t n;

	open_global(&d, "dora", "g-4");
	n = json_object_size(d.have);
	world_control(&w, "users", "{\"login\":\"gustav\",\"first_name\":\"Gustav\",\"last_name\":\"Gans\"}", NULL, 0);
	(void)pull(&d);
	ck_assert_uint_eq(json_object_size(d.have), n + 1);
	ck_assert_ptr_nonnull(find(&d, "last_name", "Gans", NULL));
	ck_assert_str_eq(names(&d, "gans", NULL), "user:Gustav Gans");
}
END_TEST

START_TEST(global_too_large)
{
	json_t *b, *data, *r;
	struct dev d;

	login(&d, "dora", "g-3");
	r = who_with(&d, "anton", json_pack("{s:[s]}", "kinds", "user"));
	b = json_pack("{s:s}", "folder", str(json_array_get(r, 0), "folder"));
	data = good(&d, "syncInit", b);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 3);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "notices"), 0), "code"), "too-many-objects");
	json_decref(data);
	json_decref(b);
	json_decref(r);
	ck_assert_str_eq(names(&d, "caesar", NULL), "user:Caesar Conrad"); /* found all the same */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("people");
	TCase *t = tcase_create("people"), *limited = tcase_create("few");

	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, kinds_and_order);
	tcase_add_test(t, most_used_first);
	tcase_add_test(t, addresses);
	tcase_add_test(t, no_wildcards);
	tcase_add_test(t, objects_and_members);
	tcase_add_test(t, pictures);
	tcase_add_test(t, limits);
	tcase_add_test(t, rights);
	tcase_add_test(t, global_for_everybody);
	tcase_add_test(t, global_rights);
	tcase_add_test(t, global_new_user);
	suite_add_tcase(s, t);
	tcase_set_timeout(limited, 120);
	tcase_add_unchecked_fixture(limited, world_up_few, world_down);
	tcase_add_checked_fixture(limited, NULL, forget_devices);
	tcase_add_test(limited, global_too_large);
	tcase_add_test(limited, refused_and_absent);
	suite_add_tcase(s, limited);
	return harness_main(s);
}
