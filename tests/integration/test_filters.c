/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a device does not get, and what is refused: single bad changes, folder modes, selections of types and fields, windows,
 * limits, objects that cannot be delivered.  One oxsim and one usmd for all; each test has its own names.
 */
#include "wire.h"

#define BERTA_CONTACTS "42"
#define DORA_CONTACTS "62"
#define NAME "1,502" /* columns id, last_name */

static const char *const settings[] = { "mail_past = 0", "heartbeat_min = 1s", "ping_poll_interval = 1s", "max_objects_per_folder = 40", "mail_stub = 2K",
	"default_modes = inbox full, mail headers, contact full, appointment full, task full", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
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

/* OX names only the address that is none, and the member of a list who has no address */
START_TEST(an_address_names_its_field)
{
	struct dev d;
	json_t *created = json_array(), *data;

	berta(&d, "addresses", "contact");
	(void)json_array_append_new(created, json_pack("{s:s,s:s,s:s,s:s}", "clientId", "a-1", "last_name", "A1", "email1", "good@example.com", "email3", "no address"));
	(void)json_array_append_new(created, json_pack("{s:s,s:s,s:b,s:[{s:s,s:s,s:i}]}", "clientId", "a-2", "display_name", "A2", "mark_as_distributionlist", 1,
	    "distribution_list", "display_name", "Cleo", "mail", "none either", "mail_field", 0));
	data = update(&d, request(&d, created, NULL, NULL));
	ck_assert_str_eq(str(details(data, 0), "ox"), "CON-0100");
	ck_assert_str_eq(str(details(data, 0), "field"), "email3");
	ck_assert_str_eq(str(details(data, 0), "path"), "created[0].email3");
	ck_assert_str_eq(str(details(data, 1), "field"), "distribution_list");
	json_decref(data);
	created = one(json_pack("{s:s,s:s,s:b,s:[{s:s,s:i}]}", "clientId", "a-0", "display_name", "A0", "mark_as_distributionlist", 1,
	    "distribution_list", "display_name", "Nobody", "mail_field", 0));
	data = update(&d, request(&d, created, NULL, NULL));
	ck_assert_str_eq(str(details(data, 0), "ox"), "CON-0177");
	ck_assert_str_eq(str(details(data, 0), "field"), "distribution_list");
	json_decref(data);
	open_folder(&d, d.folder);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", "a-3", "last_name", "A3")), NULL, NULL));
	created = one(json_pack("{s:s,s:s}", "uuid", str(result(data, 0), "uuid"), "email2", "a@b@c"));
	json_decref(data);
	data = update(&d, request(&d, NULL, created, NULL));
	ck_assert_str_eq(str(details(data, 0), "field"), "email2");
	json_decref(data);
}
END_TEST

/* ---- modes, types, fields ---- */

/* The device's settings; CHANGE is stolen. */
static void
set_config(struct dev *d, json_t *change)
{
	json_decref(good(d, "setConfig", change));
	json_decref(change);
}

static void
set_mode(struct dev *d, const char *folder, const char *mode)
{
	set_config(d, json_pack("{s:{s:s?}}", "folders", folder, mode));
}

static void
make_contact(struct dev *d, const char *id, const char *name, const char *note, char uuid[40])
{
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s,s:s*}", "clientId", id, "last_name", name, "note", note)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
}

static json_t *
field(const char *uuid, const char *name, const char *value)
{
	return json_pack("{s:s,s:s?}", "uuid", uuid, name, value);
}

static void
write_field(struct dev *d, const char *uuid, const char *name, const char *value)
{
	json_t *data = update(d, request(d, NULL, one(field(uuid, name, value)), NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
}

/* Two devices, one of which does not want notes: it gets none, hears of no change of one, and gets exactly the notes once it wants them. */
START_TEST(excluded_fields)
{
	struct dev all, some;
	char a[40], b[40];
	json_t *data;

	berta(&all, "excluded-all", "contact");
	make_contact(&all, "x-1", "Excluded1", "note one", a);
	make_contact(&all, "x-2", "Excluded2", NULL, b);
	login(&some, "berta", "excluded-some");
	set_config(&some, json_pack("{s:{s:{s:[s]}}}", "types", "contact", "exclude", "note"));
	open_folder(&some, str(some.defaults, "contact"));
	ck_assert_str_eq(str(json_object_get(some.have, a), "last_name"), "Excluded1");
	ck_assert_ptr_null(json_object_get(json_object_get(some.have, a), "note"));
	write_field(&all, a, "note", "note two");
	ck_assert_uint_eq(pull(&some), 0);
	write_field(&all, a, "company", "seen");
	data = update(&some, request(&some, NULL, NULL, NULL));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "modified")), 1);
	ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(data, "modified"), 0), "note"));
	json_decref(data);
	ck_assert_str_eq(str(json_object_get(some.have, a), "company"), "seen");
	/* wanted again: the one that has a note brings it, alone; the other nothing */
	set_config(&some, json_pack("{s:{s:{s:[]}}}", "types", "contact", "exclude"));
	data = update(&some, request(&some, NULL, NULL, NULL));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 0);
	for (size_t i = 0; i < json_array_size(json_object_get(data, "modified")); i++)
		ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(data, "modified"), i), "last_name"));
	json_decref(data);
	ck_assert_str_eq(str(json_object_get(some.have, a), "note"), "note two");
	ck_assert_ptr_null(json_object_get(json_object_get(some.have, b), "note"));
	ck_assert_uint_eq(pull(&some), 0);
}
END_TEST

/* What a device does not get it has never seen: overwriting it is a conflict.  Of reconcile, a hidden change is no difference. */
START_TEST(hidden_fields_are_conflicts)
{
	struct dev all, some;
	char a[40];
	json_t *data, *pairs = json_array(), *v, *b;
	const char *uuid;

	berta(&all, "hidden-all", "contact");
	make_contact(&all, "h-1", "Hidden1", "of somebody", a);
	login(&some, "berta", "hidden-some");
	set_config(&some, json_pack("{s:{s:{s:[s]}}}", "types", "contact", "exclude", "note"));
	open_folder(&some, str(some.defaults, "contact"));
	data = update(&some, request(&some, NULL, one(field(a, "note", "mine")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(result(data, 0), "lost"), 0)), "note");
	json_decref(data);
	write_field(&all, a, "note", "changed again");
	json_object_foreach(some.have, uuid, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
	b = json_pack("{s:s,s:o}", "folder", some.folder, "pairs", pairs);
	data = good(&some, "reconcile", b);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), 0);
	json_decref(data);
	json_decref(b);
}
END_TEST

/* A folder that is switched off: nothing is sent, nothing deleted, changes are refused; on again, exactly the differences. */
START_TEST(switched_off)
{
	struct dev all, d;
	char a[40], b[40], c[40], before[40];
	json_t *data, *x;

	berta(&all, "off-all", "task");
	data = update(&all, request(&all, json_pack("[{s:s,s:s},{s:s,s:s}]", "clientId", "o-1", "title", "Off1", "clientId", "o-2", "title", "Off2"), NULL, NULL));
	(void)snprintf(a, sizeof(a), "%s", str(result(data, 0), "uuid"));
	(void)snprintf(b, sizeof(b), "%s", str(result(data, 1), "uuid"));
	json_decref(data);
	berta(&d, "off-d", "task");
	ck_assert_uint_eq(json_object_size(d.have), 2);
	set_mode(&d, d.folder, "off");
	data = update(&all, request(&all, one(json_pack("{s:s,s:s}", "clientId", "o-3", "title", "Off3")), one(field(a, "title", "Off1 changed")), one(json_pack("{s:s}", "uuid", b))));
	(void)snprintf(c, sizeof(c), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)snprintf(before, sizeof(before), "%s", d.syncid);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", "o-4", "title", "Off4")), NULL, NULL));
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "code"), "forbidden");
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")) + json_array_size(json_object_get(data, "deleted")), 0);
	json_decref(data);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_str_eq(d.syncid, before);
	ck_assert_uint_eq(json_object_size(d.have), 2);
	/* a ping does not wake for it */
	x = json_pack("{s:i,s:[{s:s,s:s}]}", "heartbeat", 1, "folders", "folder", d.folder, "syncid", d.syncid);
	data = good(&d, "ping", x);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "changed")), 0);
	json_decref(data);
	json_decref(x);
	set_mode(&d, d.folder, NULL);
	ck_assert_uint_eq(pull(&d), 3);
	ck_assert_uint_eq(json_object_size(d.have), 2);
	ck_assert_str_eq(str(json_object_get(d.have, a), "title"), "Off1 changed");
	ck_assert_str_eq(str(json_object_get(d.have, c), "title"), "Off3");
}
END_TEST

/* A type that is not wanted: its folders are off, also when begun with; wanted later, everything comes. */
START_TEST(unwanted_type)
{
	struct dev d;
	char a[40];
	json_t *data, *b;

	berta(&d, "unwanted", "contact");
	make_contact(&d, "u-1", "Unwanted1", NULL, a);
	login(&d, "berta", "unwanted-2");
	set_config(&d, json_pack("{s:{s:{s:b}}}", "types", "contact", "sync", 0));
	b = json_pack("{s:s}", "folder", str(d.defaults, "contact"));
	data = good(&d, "syncInit", b);
	ck_assert_str_eq(str(data, "mode"), "off");
	json_decref(data);
	json_decref(b);
	open_folder(&d, str(d.defaults, "contact"));
	ck_assert_uint_eq(json_object_size(d.have), 0);
	set_config(&d, json_pack("{s:{s:{s:b}}}", "types", "contact", "sync", 1));
	(void)pull(&d);
	ck_assert_str_eq(str(json_object_get(d.have, a), "last_name"), "Unwanted1");
}
END_TEST

/* Headers: what a list shows; back to full, the rest of each object. */
START_TEST(headers_of_appointments)
{
	struct dev all, d;
	char a[40];
	json_t *data, *x = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "clientId", "m-1", "title", "Headers1", "location", "here", "note", "long text",
	    "start_date", (json_int_t)(now_ms() / 3600000 * 3600000), "end_date", (json_int_t)(now_ms() / 3600000 * 3600000 + 3600000));

	berta(&all, "headers-all", "appointment");
	data = update(&all, request(&all, one(x), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(a, sizeof(a), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	login(&d, "berta", "headers");
	set_config(&d, json_pack("{s:{s:s}}", "modes", "appointment", "headers"));
	open_folder(&d, str(d.defaults, "appointment"));
	ck_assert_str_eq(str(json_object_get(d.have, a), "location"), "here");
	ck_assert_ptr_null(json_object_get(json_object_get(d.have, a), "note"));
	set_config(&d, json_pack("{s:{s:n}}", "modes", "appointment"));
	(void)pull(&d);
	ck_assert_str_eq(str(json_object_get(d.have, a), "note"), "long text");
}
END_TEST

/* ---- limits and notices ---- */

static const json_t *
notice(const json_t *data, const char *code)
{
	const json_t *list = json_object_get(data, "notices");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(str(json_array_get(list, i), "code"), code) == 0)
			return json_object_get(json_array_get(list, i), "details");
	return NULL;
}

/* Of a folder with more objects than the limit the newest come, and that it is so is said once to each device. */
START_TEST(too_many_objects)
{
	struct dev d;
	json_t *b, *data;
	size_t told = 0;

	login(&d, "dora", "many");
	for (int i = 0; i < 45; i++)
		json_decref(ox_as("dora", "tasks", "new", json_object(), json_pack("{s:s,s:i}", "title", "Many", "folder_id", 63)));
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(d.defaults, "task"));
	b = json_pack("{s:s,s:i}", "folder", d.folder, "limit", 10);
	data = good(&d, "syncInit", b);
	apply(&d, data);
	for (int i = 0; i < 8; i++) {
		const json_t *n = notice(data, "too-many-objects");

		told += n != NULL;
		if (n != NULL)
			ck_assert(json_integer_value(json_object_get(n, "count")) == 45 && json_integer_value(json_object_get(n, "limit")) == 40);
		json_decref(data);
		data = update(&d, json_pack("{s:s,s:s,s:i}", "folder", d.folder, "syncid", d.syncid, "limit", 10));
	}
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(json_object_size(d.have), 40);
	json_decref(data);
	json_decref(b);
}
END_TEST

/* A large mail is a header with a mark; the whole of it comes when it is asked for. */
START_TEST(large_mail_is_a_stub)
{
	struct dev d;
	struct buf raw, text;
	char url[] = "http://localhost/usm-json/getMail", *body;
	const json_t *n;
	json_t *data, *b, *v;
	const char *uuid, *large = NULL;
	long status;

	berta(&d, "stub", "inbox");
	buf_init(&raw, 0);
	buf_init(&text, 0);
	buf_adds(&raw, "Subject: large one\r\nMessage-ID: <large@example.com>\r\n\r\n");
	for (int i = 0; i < 100; i++)
		buf_adds(&raw, "a line of forty octets, more or less\r\n");
	base64_encode(&text, raw.p, raw.len);
	data = update(&d, request(&d, json_pack("[{s:s,s:s}]", "clientId", "l-1", "raw", text.p), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	login(&d, "berta", "stub-2");
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(d.defaults, "inbox"));
	b = json_pack("{s:s}", "folder", d.folder);
	data = good(&d, "syncInit", b);
	apply(&d, data);
	n = notice(data, "too-large");
	ck_assert_ptr_nonnull(n);
	ck_assert_int_eq(json_integer_value(json_object_get(n, "limit")), 2048);
	json_object_foreach(d.have, uuid, v) {
		ck_assert_int_eq(json_is_true(json_object_get(v, "truncated")), strcmp(str(v, "subject"), "large one") == 0);
		if (json_is_true(json_object_get(v, "truncated")))
			large = uuid;
	}
	ck_assert_str_eq(str(n, "uuid"), large);
	json_decref(data);
	json_decref(b);
	b = json_pack("{s:s,s:s}", "folder", d.folder, "uuid", large);
	body = json_dumps(b, 0);
	buf_reset(&text);
	http(url, d.token, body, &text, &status);
	ck_assert(status == 200 && text.len >= raw.len);
	ck_assert_ptr_nonnull(strstr(text.p, "Subject: large one"));
	free(body);
	json_decref(b);
	buf_fini(&raw);
	buf_fini(&text);
}
END_TEST

/* ---- windows ---- */

#define DAY_MS INT64_C(86400000)

static json_t *
meeting(const char *id, const char *title, int64_t days_ago, int type, int64_t until_days_ago)
{
	int64_t start = (now_ms() / DAY_MS - days_ago) * DAY_MS + 36000000;
	json_t *x = json_pack("{s:s,s:s,s:I,s:I}", "clientId", id, "title", title, "start_date", (json_int_t)start, "end_date", (json_int_t)(start + 3600000));

	if (type != 0) {
		(void)json_object_set_new(x, "recurrence_type", json_integer(type));
		(void)json_object_set_new(x, "interval", json_integer(1));
		if (until_days_ago != 0)
			(void)json_object_set_new(x, "until", json_integer((now_ms() / DAY_MS - until_days_ago) * DAY_MS));
	}
	return x;
}

static bool
holds(const struct dev *d, const char *title)
{
	return find(d, "title", title, NULL) != NULL;
}

/* Two years back and ahead; a series that reaches into that time is inside, and comes before what ended.  A device may want less, and more again. */
START_TEST(windows_and_series)
{
	struct dev all, d;
	json_t *created = json_array(), *data, *b;

	berta(&all, "windows-all", "appointment");
	(void)json_array_append_new(created, meeting("w-1", "W endless", 1100, 1, 0));
	(void)json_array_append_new(created, meeting("w-2", "W ended", 1100, 1, 800));
	(void)json_array_append_new(created, meeting("w-3", "W reaches in", 1100, 1, 100));
	(void)json_array_append_new(created, meeting("w-4", "W old", 800, 0, 0));
	(void)json_array_append_new(created, meeting("w-5", "W last month", 30, 0, 0));
	(void)json_array_append_new(created, meeting("w-6", "W next year", -300, 0, 0));
	(void)json_array_append_new(created, meeting("w-7", "W far", -800, 0, 0));
	data = update(&all, request(&all, created, NULL, NULL));
	for (size_t i = 0; i < 7; i++)
		ck_assert_str_eq(str(result(data, i), "status"), "ok");
	json_decref(data);
	login(&d, "berta", "windows");
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(d.defaults, "appointment"));
	b = json_pack("{s:s}", "folder", d.folder);
	data = good(&d, "syncInit", b);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "created"), 0), "title"), "W endless");
	apply(&d, data);
	json_decref(data);
	json_decref(b);
	ck_assert(holds(&d, "W endless") && holds(&d, "W reaches in") && holds(&d, "W last month") && holds(&d, "W next year"));
	ck_assert(!holds(&d, "W ended") && !holds(&d, "W old") && !holds(&d, "W far"));
	set_config(&d, json_pack("{s:{s:{s:i,s:i}}}", "window", "appointment", "pastDays", 10, "futureDays", 10));
	(void)pull(&d);
	ck_assert(holds(&d, "W endless") && !holds(&d, "W reaches in") && !holds(&d, "W last month") && !holds(&d, "W next year"));
	open_folder(&all, all.folder);
	ck_assert(holds(&all, "W last month") && holds(&all, "W next year")); /* it left that client, not the server */
	set_config(&d, json_pack("{s:{s:{s:n,s:n}}}", "window", "appointment", "pastDays", "futureDays"));
	(void)pull(&d);
	ck_assert(holds(&d, "W reaches in") && holds(&d, "W last month") && holds(&d, "W next year") && !holds(&d, "W old"));
}
END_TEST

/* ---- objects that are set aside ---- */

static json_t *
pairs_of(const struct dev *d)
{
	json_t *pairs = json_array(), *v;
	const char *uuid;

	json_object_foreach(d->have, uuid, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
	return json_pack("{s:s,s:o}", "folder", d->folder, "pairs", pairs);
}

/* What a device cannot store comes again when it changes, whole; until then not even reconcile brings it. */
START_TEST(rejected_by_the_device)
{
	struct dev all, d;
	char a[40];
	const json_t *n;
	json_t *data, *b;

	berta(&all, "rejected-all", "contact");
	make_contact(&all, "j-1", "Rejected1", "text", a);
	berta(&d, "rejected", "contact");
	ck_assert_ptr_nonnull(json_object_get(d.have, a));
	b = json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "folder", d.folder, "syncid", d.syncid, "rejected", "uuid", a, "reason", "the disk is full");
	data = update(&d, b);
	n = notice(data, "rejected");
	ck_assert_str_eq(str(n, "uuid"), a);
	json_decref(data);
	(void)json_object_del(d.have, a);
	ck_assert_uint_eq(pull(&d), 0);
	b = pairs_of(&d);
	data = good(&d, "reconcile", b);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 0);
	apply(&d, data);
	json_decref(data);
	json_decref(b);
	write_field(&all, a, "company", "changed");
	(void)pull(&d);
	ck_assert_str_eq(str(json_object_get(d.have, a), "last_name"), "Rejected1");
	ck_assert_str_eq(str(json_object_get(d.have, a), "company"), "changed");
}
END_TEST

/* How often OX was asked for ACTION ("contacts/list"). */
static long
asked_ox(const char *action)
{
	static char text[1 << 16];
	json_t *root;
	long n;

	world_control(&w, "counters", NULL, text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	n = (long)json_integer_value(json_object_get(json_object_get(root, "actions"), action));
	json_decref(root);
	return n;
}

/* An object that OX cannot deliver: said once to each client, not asked for with every sync, there as soon as OX has it again. */
START_TEST(unreadable_is_set_aside)
{
	struct dev all, d;
	char a[40], id[24] = "";
	json_t *data, *b;
	long before;

	login(&all, "dora", "unreadable-all");
	open_folder(&all, str(all.defaults, "contact"));
	make_contact(&all, "n-1", "Unreadable1", NULL, a);
	ck_assert_uint_eq(ox_rows("dora", "contacts", DORA_CONTACTS, NAME, "Unreadable1", id, sizeof(id)), 1);
	faults("[{\"match\":{\"module\":\"contacts\",\"action\":\"list\",\"user\":\"dora\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}},"
	    "{\"match\":{\"module\":\"contacts\",\"action\":\"updates\",\"user\":\"dora\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}}]");
	json_decref(ox_as("dora", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", DORA_CONTACTS, "id", id, "timestamp", "9007199254740992"),
	    json_pack("{s:s}", "company", "never seen")));
	(void)pull(&all); /* whoever has it keeps it */
	ck_assert_ptr_nonnull(json_object_get(all.have, a));
	before = asked_ox("contacts/list");
	for (int i = 0; i < 3; i++)
		(void)pull(&all);
	ck_assert_int_eq(asked_ox("contacts/list") - before, 0);
	/* who begins anew is told of it */
	login(&d, "dora", "unreadable-d");
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(d.defaults, "contact"));
	b = json_pack("{s:s,s:i}", "folder", d.folder, "limit", 1000);
	data = good(&d, "syncInit", b);
	ck_assert_ptr_nonnull(notice(data, "unreadable"));
	apply(&d, data);
	ck_assert_ptr_null(json_object_get(d.have, a));
	json_decref(data);
	json_decref(b);
	no_faults();
	(void)pull(&d);
	ck_assert_str_eq(str(json_object_get(d.have, a), "company"), "never seen");
	(void)pull(&all);
	ck_assert_str_eq(str(json_object_get(all.have, a), "company"), "never seen");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("filters");
	TCase *t = tcase_create("filters");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_bad_change_is_refused_alone);
	tcase_add_test(t, what_ox_refuses_is_refused_alone);
	tcase_add_test(t, an_address_names_its_field);
	tcase_add_test(t, excluded_fields);
	tcase_add_test(t, hidden_fields_are_conflicts);
	tcase_add_test(t, switched_off);
	tcase_add_test(t, unwanted_type);
	tcase_add_test(t, headers_of_appointments);
	tcase_add_test(t, too_many_objects);
	tcase_add_test(t, large_mail_is_a_stub);
	tcase_add_test(t, windows_and_series);
	tcase_add_test(t, rejected_by_the_device);
	tcase_add_test(t, unreadable_is_set_aside);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
