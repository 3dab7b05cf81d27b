/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The backend against the OX stand-in, started on a port of its own for every test: what is written is what is read, and
 * what goes wrong on the way ends in the class of result that usmd/backend.h promises.
 */
#include "sim_fixture.h"

static struct backend *be;
static struct ox_session *ses;
static struct arena *mem;
static struct model_keys *keys;
static struct err e;

static void
setup(void)
{
	static const unsigned char master[KEY_BYTES] = { 1, 2, 3 };
	struct backend_options o;
	char url[80];

	sim_start();
	o = sim_options(url, 3);
	ck_assert_int_eq(backend_new(&o, &be, &e), RC_OK);
	ck_assert_msg(ox_login(be, "anton", "secret", "Unit test/1", &ses, &e) == RC_OK, "%s %s", e.code, e.text);
	mem = arena_new(0);
	keys = model_keys_new(master);
}

/* A server that has no legacy calendar any more. */
static void
setup_chronos(void)
{
	setup();
	control("modules", "{\"without\":[\"calendar\"]}");
}

static void
teardown(void)
{
	model_keys_free(keys);
	arena_free(mem);
	ox_session_unref(ses);
	backend_free(be);
	sim_stop();
}

#define OK(call) do { enum rc rc_ = (call); ck_assert_msg(rc_ == RC_OK, "%s: %s %s %s", #call, rc_name(rc_), e.code, e.text); } while (0)
#define RC(want, call) do { enum rc rc_ = (call); ck_assert_msg(rc_ == (want), "%s: %s %s %s", #call, rc_name(rc_), e.code, e.text); } while (0)

static unsigned
fno(enum content ct, const char *name)
{
	int i = model_field(model_content(ct), name);

	ck_assert_msg(i >= 0, "no field %s", name);
	return (unsigned)i;
}

/* An object of CT from JSON text, as a client would send it. */
static struct object *
obj(enum content ct, const char *text, struct fmask *given)
{
	struct json_limits lim = { .depth = 10, .string = 100000 };
	struct object *o;
	struct fmask m;
	json_t *j;

	OK(model_json_parse(text, strlen(text), &lim, &j, &e));
	ck_assert_msg(object_read(mem, ct, j, "$", NULL, true, &o, &m, &e) == RC_OK, "%s %s", e.path, e.text);
	json_decref(j);
	if (given != NULL)
		*given = m;
	return o;
}

static const char *
dflt(enum content ct)
{
	return ox_session_user(ses)->default_folder[ct];
}

static struct object *
list_one(enum content ct, const char *folder, int64_t id)
{
	struct object **o;
	size_t n;

	OK(ox_list(ses, mem, ct, folder, &id, NULL, 1, &o, &n, &e));
	ck_assert_uint_eq(n, 1);
	return o[0];
}

START_TEST(login_knows_the_user)
{
	const struct ox_user *u = ox_session_user(ses);
	struct ox_session *no = NULL;

	ck_assert_int_eq(u->context_id, 1);
	ck_assert_int_eq(u->user_id, 3);
	ck_assert_str_eq(u->default_folder[CT_CONTACT], "32");
	ck_assert_str_eq(u->inbox, "default0/INBOX");
	ck_assert(ox_session_password_is(ses, "secret"));
	ck_assert(!ox_session_password_is(ses, "secrex"));
	RC(RC_DENIED, ox_login(be, "anton", "wrong", "x", &no, &e));
	ck_assert_ptr_null(no);
	ck_assert_str_eq(e.code, "LGI-0006");
}
END_TEST

START_TEST(folders_of_all_kinds)
{
	struct object **o;
	bool inbox = false, contacts = false;
	struct sighting s;
	size_t n;

	OK(ox_folders(ses, mem, &o, &n, &e));
	for (size_t i = 0; i < n; i++) {
		inbox = inbox || strcmp(o[i]->oxid, "default0/INBOX") == 0;
		contacts = contacts || (strcmp(o[i]->oxid, "32") == 0 && o[i]->lm > 0 && strcmp(o[i]->folder, "1") == 0);
		OK(object_sight(mem, keys, o[i], &s));
		ck_assert(s.known && s.nf > 3 && s.id == model_id(keys, o[i]->oxid));
	}
	ck_assert(inbox && contacts);
	object_drop_all(o, n);
}
END_TEST

START_TEST(contact_from_create_to_delete)
{
	struct ox_digest seen;
	struct fmask m;
	struct object *o = obj(CT_CONTACT, "{\"last_name\":\"Äther\",\"note\":\"a\\nb\",\"email1\":\"a@example.org\"}", NULL), *got, **list;
	struct sighting *all, s;
	int64_t id, *del;
	msec_t lm, lm2, ts;
	size_t n, nd;

	OK(ox_create(ses, dflt(CT_CONTACT), o, "usm1-d-c1", &id, &lm, &e));
	ck_assert(id > 0 && lm > 0);
	got = list_one(CT_CONTACT, dflt(CT_CONTACT), id);
	ck_assert_str_eq(object_get_str(got, fno(CT_CONTACT, "last_name")), "Äther");
	ck_assert_str_eq(object_get_str(got, fno(CT_CONTACT, "note")), "a\nb");
	ck_assert_str_eq(object_get_str(got, fno(CT_CONTACT, "uid")), "usm1-d-c1");
	ck_assert_int_eq(got->lm, lm);
	ck_assert_int_eq(got->id, id);
	OK(object_sight(mem, keys, got, &s));
	ck_assert_str_eq(s.client_id, "d/c1");
	object_drop(got);
	object_drop(o);

	OK(ox_listing(ses, mem, keys, CT_CONTACT, dflt(CT_CONTACT), &all, &n, &e));
	ck_assert_uint_eq(n, 1);
	ck_assert(all[0].id == id && all[0].lm == lm && !all[0].known);

	o = obj(CT_CONTACT, "{\"note\":null,\"last_name\":\"B\"}", &m);
	OK(ox_update(ses, dflt(CT_CONTACT), id, NULL, o, &m, lm, &lm2, &e));
	ck_assert(lm2 > lm);
	RC(RC_CONFLICT, ox_update(ses, dflt(CT_CONTACT), id, NULL, o, &m, lm, &lm2, &e));
	ck_assert_str_eq(e.code, "CON-0119");
	object_drop(o);
	OK(ox_updates(ses, mem, CT_CONTACT, dflt(CT_CONTACT), lm, &list, &n, &del, &nd, &ts, &seen, &e));
	ck_assert(n == 1 && nd == 0 && ts > lm);
	ck_assert_ptr_null(list[0]->v[fno(CT_CONTACT, "note")]);
	object_drop_all(list, n);

	/* nothing happened; a change; a deletion: only the first leaves the answer as it was */
	ck_assert(seen.set);
	ck_assert(ox_updates_same(ses, CT_CONTACT, dflt(CT_CONTACT), lm, &seen));
	ck_assert(!ox_updates_same(ses, CT_CONTACT, dflt(CT_CONTACT), ts, &seen));
	o = obj(CT_CONTACT, "{\"last_name\":\"C\"}", &m);
	OK(ox_update(ses, dflt(CT_CONTACT), id, NULL, o, &m, lm2, &lm2, &e));
	object_drop(o);
	ck_assert(!ox_updates_same(ses, CT_CONTACT, dflt(CT_CONTACT), lm, &seen));
	OK(ox_updates(ses, mem, CT_CONTACT, dflt(CT_CONTACT), lm, &list, &n, &del, &nd, &ts, &seen, &e));
	object_drop_all(list, n);
	ck_assert(ox_updates_same(ses, CT_CONTACT, dflt(CT_CONTACT), lm, &seen));

	RC(RC_CONFLICT, ox_delete(ses, CT_CONTACT, dflt(CT_CONTACT), id, NULL, lm, false, &e));
	OK(ox_delete(ses, CT_CONTACT, dflt(CT_CONTACT), id, NULL, ts, false, &e));
	RC(RC_NOTFOUND, ox_delete(ses, CT_CONTACT, dflt(CT_CONTACT), id, NULL, ts, false, &e));
	ck_assert(!ox_updates_same(ses, CT_CONTACT, dflt(CT_CONTACT), lm, &seen));
	RC(RC_NOTFOUND, ox_updates(ses, mem, CT_CONTACT, dflt(CT_CONTACT), ts, &list, &n, &del, &nd, &ts, NULL, &e));
	ck_assert_str_eq(e.code, "SVL-0011");
}
END_TEST

START_TEST(lists_in_parts_leave_out_what_is_gone)
{
	int64_t ids[8];
	struct object *o = obj(CT_CONTACT, "{\"last_name\":\"x\"}", NULL), **got;
	msec_t lm;
	size_t n;

	for (size_t i = 0; i < 7; i++)
		OK(ox_create(ses, dflt(CT_CONTACT), o, NULL, &ids[i], &lm, &e));
	ids[7] = ids[3];
	ids[3] = 99999;
	OK(ox_list(ses, mem, CT_CONTACT, dflt(CT_CONTACT), ids, NULL, 8, &got, &n, &e));
	ck_assert_uint_eq(n, 7);
	object_drop_all(got, n);
	object_drop(o);
}
END_TEST

START_TEST(too_long_names_the_field)
{
	char text[200];
	struct object *o = obj(CT_CONTACT, "{}", NULL);
	int64_t id;
	msec_t lm;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	object_set(o, fno(CT_CONTACT, "first_name"), json_string(text)); /* past our own check, to hear OX's */
	RC(RC_PROTO, ox_create(ses, dflt(CT_CONTACT), o, NULL, &id, &lm, &e));
	ck_assert_str_eq(e.path, "first_name");
	object_drop(o);
	o = obj(CT_TASK, "{}", NULL);
	object_set(o, fno(CT_TASK, "currency"), json_string(text));
	RC(RC_PROTO, ox_create(ses, dflt(CT_TASK), o, NULL, &id, &lm, &e));
	ck_assert_str_eq(e.path, "currency");
	object_drop(o);
}
END_TEST

START_TEST(tasks_tell_deletions_and_moves)
{
	struct object *o = obj(CT_TASK, "{\"title\":\"t\",\"start_time\":1796083200000,\"end_time\":1796169600000,\"full_time\":true,\"status\":1}", NULL), *got, **list;
	char *folder;
	struct sighting s;
	struct fmask m;
	int64_t id, id2, *del, same;
	msec_t lm, lm2, ts;
	size_t n, nd;

	OK(ox_create(ses, dflt(CT_TASK), o, "u1", &id, &lm, &e));
	OK(ox_create(ses, dflt(CT_TASK), o, "u2", &id2, &lm2, &e));
	object_drop(o);
	got = list_one(CT_TASK, dflt(CT_TASK), id);
	OK(object_sight(mem, keys, got, &s));
	ck_assert(s.sk == 1796169600000 && s.t0 == 1796083200000 && s.t1 == 1796169600000);
	object_drop(got);
	o = obj(CT_TASK, "{\"private_flag\":null,\"title\":\"t2\"}", &m); /* null for a flag is an error of OX: it must be sent as false */
	OK(ox_update(ses, dflt(CT_TASK), id, NULL, o, &m, lm, &lm, &e));
	object_drop(o);
	OK(ox_folder_create(ses, mem, "1", CT_TASK, "Other tasks", &folder, &ts, &e));
	OK(ox_move(ses, CT_TASK, dflt(CT_TASK), id2, NULL, folder, lm2, &same, &lm2, &e));
	ck_assert_int_eq(same, id2);
	OK(ox_delete(ses, CT_TASK, dflt(CT_TASK), id, NULL, lm, false, &e));
	RC(RC_NOTFOUND, ox_delete(ses, CT_TASK, dflt(CT_TASK), id, NULL, lm, false, &e));
	OK(ox_updates(ses, mem, CT_TASK, dflt(CT_TASK), 1, &list, &n, &del, &nd, &ts, NULL, &e));
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(nd, 2);
	OK(ox_get_any(ses, mem, CT_TASK, dflt(CT_TASK), id2, &got, &e));
	ck_assert_str_eq(got->folder, folder);
	object_drop(got);
	OK(ox_find_uid(ses, mem, CT_TASK, "u2", &got, &e));
	ck_assert_int_eq(got->id, id2);
	object_drop(got);
	RC(RC_NOTFOUND, ox_find_uid(ses, mem, CT_TASK, "u1", &got, &e));
}
END_TEST

/* Column 601 is the folder of a mail, and of a contact the type of its picture. */
START_TEST(contact_with_picture_moved)
{
	struct object *o = obj(CT_CONTACT, "{\"last_name\":\"Pictured\",\"image1\":\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==\"}", NULL), *got;
	msec_t lm, ts;
	int64_t id, same;
	char *folder;

	OK(ox_create(ses, dflt(CT_CONTACT), o, "usm1-d-picture", &id, &lm, &e));
	object_drop(o);
	OK(ox_folder_create(ses, mem, "1", CT_CONTACT, "Other contacts", &folder, &ts, &e));
	OK(ox_move(ses, CT_CONTACT, dflt(CT_CONTACT), id, NULL, folder, lm, &same, &lm, &e));
	OK(ox_get_any(ses, mem, CT_CONTACT, dflt(CT_CONTACT), id, &got, &e));
	ck_assert_str_eq(got->folder, folder);
	object_drop(got);
	OK(ox_find_uid(ses, mem, CT_CONTACT, "usm1-d-picture", &got, &e));
	ck_assert_int_eq(got->id, id);
	object_drop(got);
}
END_TEST

START_TEST(series_exceptions_and_conflicts)
{
	struct object *o = obj(CT_CALENDAR, "{\"title\":\"w\",\"start_date\":1796630400000,\"end_date\":1796634000000,\"recurrence_type\":2,\"days\":2,\"interval\":1,\"occurrences\":5}", NULL), *got;
	struct sighting *all;
	char text[300];
	struct fmask m;
	int64_t id, ex;
	msec_t lm, lm2;
	size_t n;

	OK(ox_create(ses, dflt(CT_CALENDAR), o, "usm1-d-s", &id, &lm, &e));
	object_drop(o);
	(void)snprintf(text, sizeof(text), "{\"recurrence_id\":\"%lld\",\"recurrence_position\":2,\"title\":\"moved\",\"start_date\":1797249600000,\"end_date\":1797253200000}", (long long)id);
	o = obj(CT_CALENDAR, text, NULL);
	OK(ox_create(ses, dflt(CT_CALENDAR), o, NULL, &ex, &lm2, &e));
	object_drop(o);
	ck_assert(ex > 0 && ex != id);
	o = obj(CT_CALENDAR, "{\"delete_exceptions\":[1798416000000]}", &m);
	OK(ox_update(ses, dflt(CT_CALENDAR), id, NULL, o, &m, lm2, &lm, &e));
	OK(ox_update(ses, dflt(CT_CALENDAR), id, NULL, o, &m, lm, &lm2, &e)); /* already so: nothing to do */
	object_drop(o);
	got = list_one(CT_CALENDAR, dflt(CT_CALENDAR), id);
	ck_assert_uint_eq(json_array_size(got->v[fno(CT_CALENDAR, "delete_exceptions")]), 1);
	ck_assert_uint_eq(json_array_size(got->v[fno(CT_CALENDAR, "change_exceptions")]), 1);
	object_drop(got);
	OK(ox_listing(ses, mem, keys, CT_CALENDAR, dflt(CT_CALENDAR), &all, &n, &e));
	ck_assert_uint_eq(n, 2);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(all[i].sk, all[i].id == id ? all[i].t1 : 1797249600000); /* a series is filled by its end: running ones come first */
		if (all[i].id == id) /* 5 weeks: the last occurrence starts 4 weeks later */
			ck_assert(all[i].t1 >= 1796630400000 + 4 * INT64_C(604800000) && all[i].t1 < TIME_MAX);
	}
	OK(ox_find_uid(ses, mem, CT_CALENDAR, "usm1-d-s", &got, &e));
	ck_assert_int_eq(got->id, id);
	object_drop(got);
	RC(RC_NOTFOUND, ox_find_uid(ses, mem, CT_CALENDAR, "nobody", &got, &e));
}
END_TEST

static bool
has_message_id(const void *arg, const struct ox_mail_head *h)
{
	const char *want = arg;

	return h->message_id_len == strlen(want) && memcmp(h->message_id, want, h->message_id_len) == 0;
}

START_TEST(mail_from_import_to_delete)
{
	static const char raw[] = "From: x@example.org\r\nTo: anton@example.com\r\nSubject: t\r\nMessage-ID: <m1@example.org>\r\n\r\n8bit \xc3\xbc\r\n";
	const char *inbox = ox_session_user(ses)->inbox, *trash = ox_session_user(ses)->trash;
	struct ox_examine x, y;
	struct ox_mail_head head;
	struct ox_mail_body body;
	const char *folder;
	struct sighting *all;
	struct fmask m;
	struct object *o;
	struct buf b;
	int64_t id, found, moved, copied;
	msec_t lm;
	size_t n;

	OK(ox_mail_examine(ses, inbox, &x, &e));
	OK(ox_mail_import(ses, inbox, raw, sizeof(raw) - 1, 0, &id, &e));
	OK(ox_mail_examine(ses, inbox, &y, &e));
	ck_assert(y.total == x.total + 1 && y.validity == x.validity && y.next > (uint64_t)id);
	OK(ox_mail_find(ses, inbox, &(struct ox_mail_wanted){ has_message_id, "m1@example.org", id }, &found, &e));
	ck_assert_int_eq(found, id);
	RC(RC_NOTFOUND, ox_mail_find(ses, inbox, &(struct ox_mail_wanted){ has_message_id, "m1@example.org", id + 1 }, &found, &e));
	RC(RC_NOTFOUND, ox_mail_find(ses, inbox, &(struct ox_mail_wanted){ has_message_id, "m2@example.org", 0 }, &found, &e));
	OK(ox_mail_head(ses, mem, inbox, id, NULL, &head, &e));
	ck_assert(has_message_id("m1@example.org", &head) && head.size > 0 && head.received > 0);
	RC(RC_NOTFOUND, ox_mail_head(ses, mem, inbox, id + 1000, NULL, &head, &e));
	OK(ox_mail_body(ses, mem, inbox, id, NULL, &body, &e));
	ck_assert(body.text != NULL && body.html == NULL && body.n_parts == 0 && strncmp(body.text, "8bit \xc3\xbc", 7) == 0);
	RC(RC_NOTFOUND, ox_mail_body(ses, mem, inbox, id + 1000, NULL, &body, &e));
	OK(ox_mail_copy(ses, inbox, id, NULL, trash, &copied, &e));
	OK(ox_mail_head(ses, mem, trash, copied, NULL, &head, &e));
	OK(ox_delete(ses, CT_MAIL, trash, copied, NULL, 0, true, &e));
	RC(RC_NOTFOUND, ox_mail_copy(ses, inbox, id + 1000, NULL, trash, &copied, &e));
	RC(RC_NOTFOUND, ox_move(ses, CT_MAIL, inbox, id + 1000, NULL, trash, 0, &moved, &lm, &e));
	RC(RC_PROTO, ox_mail_send(ses, mem, raw, sizeof(raw) - 1, 1, &folder, &copied, &e)); /* not anton's address */
	ck_assert_str_eq(e.code, "MSG-0056");
	buf_init(&b, 100000);
	OK(ox_mail_raw(ses, inbox, id, NULL, &b, &e));
	ck_assert(strstr(b.p, "8bit \xc3\xbc") != NULL);
	buf_fini(&b);
	o = obj(CT_MAIL, "{\"flags\":40,\"color_label\":3}", &m);
	OK(ox_update(ses, inbox, id, NULL, o, &m, 0, &lm, &e));
	object_drop(o);
	OK(ox_mail_newest(ses, mem, keys, inbox, 1, NULL, &all, &n, &e));
	ck_assert(n == 1 && all[0].id == id && all[0].known && all[0].nf == 3 && all[0].t0 > 0); /* color, flagged, seen */
	OK(ox_move(ses, CT_MAIL, inbox, id, NULL, ox_session_user(ses)->drafts, 0, &moved, &lm, &e));
	OK(ox_delete(ses, CT_MAIL, ox_session_user(ses)->drafts, moved, NULL, 0, false, &e));
	OK(ox_listing(ses, mem, keys, CT_MAIL, trash, &all, &n, &e));
	ck_assert_uint_eq(n, 1);
	OK(ox_delete(ses, CT_MAIL, trash, all[0].id, NULL, 0, true, &e));
	OK(ox_listing(ses, mem, keys, CT_MAIL, trash, &all, &n, &e));
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(folders_are_made_renamed_deleted)
{
	struct object *o;
	char *id, *renamed, *mail;
	struct fmask m;
	msec_t lm;

	OK(ox_folder_create(ses, mem, "1", CT_CONTACT, "Völlig neu", &id, &lm, &e));
	RC(RC_PROTO, ox_folder_create(ses, mem, "1", CT_CONTACT, "Völlig neu", &renamed, &lm, &e));
	o = obj(CT_FOLDER, "{\"title\":\"Renamed\"}", &m);
	RC(RC_CONFLICT, ox_folder_update(ses, mem, id, o, &m, 1000, &renamed, &lm, &e));
	OK(ox_folder_update(ses, mem, id, o, &m, 0, &renamed, &lm, &e));
	ck_assert_str_eq(renamed, id);
	OK(ox_folder_create(ses, mem, "default0", CT_MAIL, "Box", &mail, &lm, &e));
	OK(ox_folder_update(ses, mem, mail, o, &m, 0, &renamed, &lm, &e));
	ck_assert_str_eq(renamed, "default0/Renamed");
	object_drop(o);
	OK(ox_folder_delete(ses, id, 0, &e));
	RC(RC_NOTFOUND, ox_folder_delete(ses, id, 0, &e));
}
END_TEST

START_TEST(many_updates_in_one_request)
{
	struct ox_updates_req q[3] = {
		{ .ct = CT_CONTACT, .folder = "32", .since = 1 }, { .ct = CT_TASK, .folder = "33", .since = 1 }, { .ct = CT_CALENDAR, .folder = "99999", .since = 1 },
	};
	struct object *o = obj(CT_TASK, "{\"title\":\"t\"}", NULL);
	int64_t id;
	msec_t lm;

	OK(ox_create(ses, "33", o, NULL, &id, &lm, &e));
	object_drop(o);
	OK(ox_updates_many(ses, mem, q, 3, &e));
	ck_assert(q[0].rc == RC_OK && q[0].n == 0);
	ck_assert(q[1].rc == RC_OK && q[1].n == 1 && q[1].objects[0]->id == id && q[1].ts == lm);
	ck_assert_int_eq(q[2].rc, RC_NOTFOUND);
	object_drop_all(q[1].objects, q[1].n);
}
END_TEST

/* The first that is asked for is a part of a `multiple`: an unknown module there must not look like an object that is gone. */
START_TEST(an_unknown_module_is_no_missing_object)
{
	struct object *got;

	control("as", "{\"user\":\"anton\",\"module\":\"chronos\",\"action\":\"new\",\"params\":{\"folder\":\"cal://0/31\"},\"data\":{\"summary\":\"x\","
	    "\"startDate\":{\"value\":\"20270101\"},\"endDate\":{\"value\":\"20270102\"}}}");
	OK(ox_get_any(ses, mem, CT_CALENDAR, NULL, 1, &got, &e));
	ck_assert_str_eq(object_get_str(got, fno(CT_CALENDAR, "title")), "x");
	object_drop(got);
}
END_TEST

/* Both modules away is OX being down, not a folder without appointments. */
START_TEST(neither_module)
{
	struct object **o;
	int64_t *gone;
	size_t n, n_gone;
	msec_t ts;

	control("modules", "{\"without\":[\"calendar\",\"chronos\"]}");
	RC(RC_UPSTREAM, ox_updates(ses, mem, CT_CALENDAR, "31", 1, &o, &n, &gone, &n_gone, &ts, NULL, &e));
	control("modules", "{\"without\":[]}");
	OK(ox_updates(ses, mem, CT_CALENDAR, "31", 1, &o, &n, &gone, &n_gone, &ts, NULL, &e));
}
END_TEST

START_TEST(a_lost_session_is_revived_once)
{
	struct sighting *all;
	size_t n;
	int64_t logins = metric_get(M_OX_LOGINS);

	control("expire", "{}");
	OK(ox_listing(ses, mem, keys, CT_CONTACT, "32", &all, &n, &e));
	ck_assert_int_eq(metric_get(M_OX_LOGINS) - logins, 1); /* the client that was accepted is remembered */
	ox_session_end(ses);
	RC(RC_DENIED, ox_listing(ses, mem, keys, CT_CONTACT, "32", &all, &n, &e));
}
END_TEST

START_TEST(lost_answers_are_unknown)
{
	struct object *o = obj(CT_CONTACT, "{\"last_name\":\"Lost\"}", NULL), *got;
	int64_t id;
	msec_t lm;

	control("faults", "[{\"match\":{\"module\":\"contacts\",\"action\":\"new\"},\"effect\":{\"drop_after\":true}}]");
	RC(RC_TIMEOUT, ox_create(ses, "32", o, "lost-1", &id, &lm, &e));
	OK(ox_find_uid(ses, mem, CT_CONTACT, "lost-1", &got, &e));
	object_drop(got);
	object_drop(o);
}
END_TEST

START_TEST(times_are_utc_whatever_the_users_zone)
{
	struct ox_session *anton = ses, *caesar;
	struct object *o = obj(CT_TASK, "{\"title\":\"t\",\"start_time\":1796115600000,\"end_time\":1796119200000,\"full_time\":false,\"alarm\":1796086800000}", NULL), *got;
	int64_t id;
	msec_t lm;

	OK(ox_login(be, "caesar", "secret", "", &caesar, &e)); /* of New York */
	ses = caesar;
	OK(ox_create(ses, dflt(CT_TASK), o, NULL, &id, &lm, &e));
	object_drop(o);
	got = list_one(CT_TASK, dflt(CT_TASK), id);
	ck_assert_int_eq(object_get_i64(got, fno(CT_TASK, "start_time"), 0), 1796115600000);
	ck_assert_int_eq(object_get_i64(got, fno(CT_TASK, "alarm"), 0), 1796086800000);
	ck_assert_int_eq(object_get_i64(got, fno(CT_TASK, "last_modified"), 0), lm);
	object_drop(got);
	o = obj(CT_CALENDAR, "{\"title\":\"a\",\"start_date\":1796115600000,\"end_date\":1796119200000,\"participants\":[{\"id\":3,\"type\":1}],\"alarm\":15}", NULL);
	OK(ox_create(ses, dflt(CT_CALENDAR), o, NULL, &id, &lm, &e));
	object_drop(o);
	got = list_one(CT_CALENDAR, dflt(CT_CALENDAR), id);
	ck_assert_int_eq(object_get_i64(got, fno(CT_CALENDAR, "start_date"), 0), 1796115600000);
	object_drop(got);
	ses = anton;
	OK(ox_get_any(ses, mem, CT_CALENDAR, "99999", id, &got, &e)); /* the invitation, in his own folder */
	ck_assert_str_eq(got->folder, dflt(CT_CALENDAR));
	object_drop(got);
	o = obj(CT_CALENDAR, "{\"title\":\"b\",\"start_date\":1796202000000,\"end_date\":1796205600000,\"participants\":[{\"id\":4,\"type\":1}]}", NULL);
	OK(ox_create(ses, dflt(CT_CALENDAR), o, NULL, &id, &lm, &e));
	RC(RC_PROTO, ox_create(ses, dflt(CT_CALENDAR), o, NULL, &id, &lm, &e));
	ck_assert_str_eq(e.code, "CONFLICTS");
	object_drop(o);
	ox_session_end(caesar);
	ox_session_unref(caesar);
}
END_TEST

START_TEST(others_folders_are_not_there)
{
	struct object *o = obj(CT_CONTACT, "{\"last_name\":\"x\"}", NULL);
	struct sighting *all;
	struct object **list;
	int64_t id, *del;
	size_t n, nd;
	msec_t lm, ts;
	enum rc rc;

	rc = ox_create(ses, "42", o, NULL, &id, &lm, &e); /* berta's */
	ck_assert_msg(rc == RC_FORBIDDEN || rc == RC_NOTFOUND, "%s %s", rc_name(rc), e.code);
	rc = ox_listing(ses, mem, keys, CT_CONTACT, "42", &all, &n, &e);
	ck_assert_msg(rc == RC_FORBIDDEN || rc == RC_NOTFOUND, "%s %s", rc_name(rc), e.code);
	RC(RC_NOTFOUND, ox_listing(ses, mem, keys, CT_CONTACT, "99999", &all, &n, &e));
	RC(RC_NOTFOUND, ox_listing(ses, mem, keys, CT_MAIL, "default0/None", &all, &n, &e));
	RC(RC_NOTFOUND, ox_listing(ses, mem, keys, CT_TASK, "31", &all, &n, &e));
	RC(RC_NOTFOUND, ox_updates(ses, mem, CT_CALENDAR, "99999", 1, &list, &n, &del, &nd, &ts, NULL, &e));
	RC(RC_FORBIDDEN, ox_create(ses, "6", o, NULL, &id, &lm, &e)); /* the global address list */
	object_drop(o);
	OK(ox_listing(ses, mem, keys, CT_CONTACT, "6", &all, &n, &e));
	ck_assert_uint_gt(n, 3);
}
END_TEST

START_TEST(faults_of_every_kind)
{
	struct object *o = obj(CT_CONTACT, "{\"last_name\":\"x\"}", NULL);
	struct sighting *all;
	int64_t id;
	msec_t lm;
	size_t n;

	control("faults", "[{\"match\":{\"module\":\"contacts\",\"count\":0},\"effect\":{\"truncate_json\":true}}]");
	RC(RC_UPSTREAM, ox_listing(ses, mem, keys, CT_CONTACT, "32", &all, &n, &e));
	RC(RC_TIMEOUT, ox_create(ses, "32", o, "f-1", &id, &lm, &e));
	control("reset", "{}");
	control("faults", "[{\"match\":{\"module\":\"contacts\",\"count\":0},\"effect\":{\"http_status\":500}}]");
	RC(RC_UPSTREAM, ox_listing(ses, mem, keys, CT_CONTACT, "32", &all, &n, &e));
	RC(RC_TIMEOUT, ox_create(ses, "32", o, "f-2", &id, &lm, &e));
	object_drop(o);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backend against oxsim");
	TCase *t = tcase_create("all"), *c = tcase_create("without the legacy calendar");

	if (!sim_built())
		return 77;
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, login_knows_the_user);
	tcase_add_test(t, folders_of_all_kinds);
	tcase_add_test(t, contact_from_create_to_delete);
	tcase_add_test(t, lists_in_parts_leave_out_what_is_gone);
	tcase_add_test(t, too_long_names_the_field);
	tcase_add_test(t, tasks_tell_deletions_and_moves);
	tcase_add_test(t, contact_with_picture_moved);
	tcase_add_test(t, series_exceptions_and_conflicts);
	tcase_add_test(t, mail_from_import_to_delete);
	tcase_add_test(t, folders_are_made_renamed_deleted);
	tcase_add_test(t, many_updates_in_one_request);
	tcase_add_test(t, a_lost_session_is_revived_once);
	tcase_add_test(t, lost_answers_are_unknown);
	tcase_add_test(t, times_are_utc_whatever_the_users_zone);
	tcase_add_test(t, others_folders_are_not_there);
	tcase_add_test(t, faults_of_every_kind);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(c, setup_chronos, teardown);
	tcase_set_timeout(c, 20);
	tcase_add_test(c, series_exceptions_and_conflicts);
	tcase_add_test(c, many_updates_in_one_request);
	tcase_add_test(c, an_unknown_module_is_no_missing_object);
	tcase_add_test(c, neither_module);
	tcase_add_test(c, times_are_utc_whatever_the_users_zone);
	tcase_add_test(c, others_folders_are_not_there);
	tcase_add_test(c, faults_of_every_kind);
	return harness_main(s);
}
