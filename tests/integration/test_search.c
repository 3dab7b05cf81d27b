/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searching through real HTTP: every type, pages, what can be done with what was found, and what must never be found. */
#include <strings.h>

#include "wire.h"

#define NOW "9007199254740992"
#define DAY INT64_C(86400000)
#define T0 INT64_C(1796086800000)
#define PNG "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

/* a device gets a month of mail and appointments: much of what is found is outside */
static const char *const settings[] = { "ox_timeout = 2s", "mail_past = 30d", "calendar_past = 30d", NULL };
static const char *const chronos[] = { "ox_calendar = chronos", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
world_up_chronos(void)
{
	world_begin(&w, NULL, chronos);
}

static void
contact(const char *user, const char *folder, json_t *fields)
{
	(void)json_object_set_new(fields, "folder_id", json_string(folder));
	json_decref(ox_as(user, "contacts", "new", json_object(), fields));
}

static void
appointment(const char *user, const char *folder, const char *title, int64_t start, json_t *more)
{
	json_t *o = json_pack("{s:s,s:s,s:I,s:I,s:b}", "folder_id", folder, "title", title, "start_date", (json_int_t)start, "end_date", (json_int_t)(start + 3600000),
	    "ignore_conflicts", 1);

	(void)json_object_update(o, more);
	json_decref(more);
	json_decref(ox_as(user, "calendar", "new", json_pack("{s:s}", "timezone", "UTC"), o));
}

static void
task(const char *user, const char *folder, const char *title, json_t *more)
{
	json_t *o = json_pack("{s:s,s:s}", "folder_id", folder, "title", title);

	(void)json_object_update(o, more);
	json_decref(more);
	json_decref(ox_as(user, "tasks", "new", json_pack("{s:s}", "timezone", "UTC"), o));
}

static void
mail(const char *user, const char *folder, const char *from, const char *subject, const char *body, int flags)
{
	char raw[2000], f[12];

	(void)snprintf(raw, sizeof(raw), "From: %s\r\nTo: Reader <%s@example.com>\r\nSubject: %s\r\nDate: Sun, 01 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n%s\r\n", from, user, subject, body);
	(void)snprintf(f, sizeof(f), "%d", flags);
	json_decref(ox_as(user, "mail", "new", json_pack("{s:s,s:s,s:s}", "folder", folder, "flags", f, "force", "true"), json_string(raw)));
}

/* One page; MORE (stolen) may be NULL. */
static json_t *
search(const struct dev *d, const char *type, const char *text, json_t *more)
{
	json_t *b = json_pack("{s:s}", "objectType", type), *data;

	if (text != NULL)
		(void)json_object_set_new(b, "text", json_string(text));
	if (more != NULL)
		(void)json_object_update(b, more);
	data = good(d, "search", b);
	json_decref(b);
	json_decref(more);
	return data;
}

static const char *
title_of(const json_t *o)
{
	const char *t = str(o, "objectType");

	return str(o, strcmp(t, "contact") == 0 ? "display_name" : strcmp(t, "mail") == 0 ? "subject" : "title");
}

/* "title,title" of what is found, in its order. */
static const char *
titles(const struct dev *d, const char *type, const char *text, json_t *more)
{
	static char out[8000];
	json_t *data = search(d, type, text, more), *v;
	size_t i, n = 0;

	out[0] = '\0';
	json_array_foreach(json_object_get(data, "found"), i, v)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", n > 0 ? "," : "", title_of(json_object_get(v, "object")));
	json_decref(data);
	return out;
}

START_TEST(contacts)
{
	struct dev d;

	login(&d, "anton", "s-1");
	contact("anton", "32", json_pack("{s:s,s:s,s:s}", "display_name", "Zora Quill", "company", "Harbour Ltd", "note", "met in M\xc3\xbcnster"));
	contact("anton", "32", json_pack("{s:s,s:s}", "display_name", "Abel Harbour", "email2", "abel@quill.example"));
	ck_assert_str_eq(titles(&d, "contact", "harbour", NULL), "Abel Harbour,Zora Quill");
	ck_assert_str_eq(titles(&d, "contact", "quill harbour", NULL), "Abel Harbour,Zora Quill");
	ck_assert_str_eq(titles(&d, "contact", "ABEL quill", NULL), "Abel Harbour");
	ck_assert_str_eq(titles(&d, "contact", "munster", NULL), "Zora Quill");
	ck_assert_str_eq(titles(&d, "contact", "harbour nowhere", NULL), "");
	ck_assert_str_eq(titles(&d, "contact", "harbour", json_pack("{s:s}", "folder", str(d.defaults, "contact"))), "Abel Harbour,Zora Quill");
	ck_assert_str_eq(titles(&d, "contact", "berta", NULL), "Berta Bauer"); /* the global address book is one of the folders */
	ck_assert_str_eq(titles(&d, "contact", "berta", json_pack("{s:s}", "folder", str(d.defaults, "contact"))), "");
}
END_TEST

START_TEST(appointments)
{
	struct dev d;

	login(&d, "dora", "s-2");
	appointment("dora", "61", "Walrus feeding", T0, json_pack("{s:s}", "note", "bring fish"));
	appointment("dora", "61", "Walrus long ago", T0 - 900 * DAY, NULL);
	appointment("dora", "61", "Walrus far ahead", T0 + 3000 * DAY, NULL);
	appointment("dora", "61", "Walrus daily", T0, json_pack("{s:i,s:i}", "recurrence_type", 1, "interval", 1));
	ck_assert_str_eq(titles(&d, "appointment", "walrus ahead", NULL), "Walrus far ahead");
	ck_assert_str_eq(titles(&d, "appointment", "fish", NULL), "Walrus feeding");
	ck_assert_str_eq(titles(&d, "appointment", "wal fish", NULL), "Walrus feeding"); /* each word anywhere */
	ck_assert_str_eq(titles(&d, "appointment", "walrus", json_pack("{s:I}", "before", (json_int_t)(T0 - DAY))), "Walrus long ago");
	/* a series lies where its occurrences do */
	ck_assert_str_eq(titles(&d, "appointment", "walrus", json_pack("{s:I,s:I}", "after", (json_int_t)(T0 + 40 * DAY), "before", (json_int_t)(T0 + 50 * DAY))),
	    "Walrus daily");
	ck_assert_str_eq(titles(&d, "appointment", "walrus feeding long", NULL), "");
	ck_assert_str_eq(titles(&d, "appointment", "%", NULL), "");
}
END_TEST

START_TEST(tasks)
{
	struct dev d;

	login(&d, "emil", "s-3");
	task("emil", "73", "Paint the fence", json_pack("{s:I,s:s}", "end_date", (json_int_t)(T0 / DAY * DAY), "note", "white"));
	task("emil", "73", "Paint some day", NULL);
	ck_assert_str_eq(titles(&d, "task", "white paint", NULL), "Paint the fence");
	ck_assert_str_eq(titles(&d, "task", "paint", json_pack("{s:I,s:I}", "after", (json_int_t)(T0 - DAY), "before", (json_int_t)(T0 + DAY))), "Paint the fence");
	ck_assert_str_eq(titles(&d, "task", "paint", json_pack("{s:I}", "after", (json_int_t)(T0 + DAY))), "");
	ck_assert_str_eq(titles(&d, "task", "paint day", NULL), "Paint some day");
}
END_TEST

START_TEST(mails)
{
	struct dev d;
	json_t *data, *o;

	login(&d, "berta", "s-4");
	mail("berta", "default0/INBOX", "Olga Otter <olga@example.net>", "Otter report", "the river is high", 0);
	mail("berta", "default0/INBOX", "Paul <paul@example.net>", "Re: otters", "nothing", 32 | 8);
	mail("berta", "default0/Drafts", "Berta <berta@example.com>", "otter draft", "river", 4);
	mail("berta", "default0/Trash", "Berta <berta@example.com>", "otter marked", "river", 2);
	ck_assert_str_eq(titles(&d, "mail", "otter", json_pack("{s:s}", "folder", str(d.defaults, "inbox"))), "Re: otters,Otter report");
	data = search(&d, "mail", "otter", NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "found")), 3); /* all folders, not what is marked as deleted */
	json_decref(data);
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "from", "olga@")), "Otter report");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s,s:s}", "from", "otter", "subject", "report")), "Otter report");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s,s:s}", "to", "nobody", "subject", "otter")), "");
	ck_assert_str_eq(titles(&d, "mail", "otter", json_pack("{s:s,s:s}", "body", "river", "folder", str(d.defaults, "inbox"))), "Otter report");
	ck_assert_str_eq(titles(&d, "mail", "otter", json_pack("{s:b}", "flagged", 1)), "Re: otters");
	ck_assert_str_eq(titles(&d, "mail", "otter", json_pack("{s:b,s:s}", "unread", 1, "folder", str(d.defaults, "inbox"))), "Otter report");
	ck_assert_str_eq(titles(&d, "mail", "otter report", NULL), "Otter report");
	ck_assert_str_eq(titles(&d, "mail", "olga otter", NULL), "Otter report");
	data = search(&d, "mail", NULL, json_pack("{s:s}", "from", "olga"));
	o = json_object_get(json_array_get(json_object_get(data, "found"), 0), "object");
	/* times are exact, though OX searches by days */
	ck_assert_str_eq(titles(&d, "mail", "otter report", json_pack("{s:I}", "after", json_integer_value(json_object_get(o, "received_date")))), "Otter report");
	ck_assert_str_eq(titles(&d, "mail", "otter report", json_pack("{s:I}", "after", json_integer_value(json_object_get(o, "received_date")) + 1)), "");
	ck_assert_str_eq(titles(&d, "mail", "otter report", json_pack("{s:I}", "before", json_integer_value(json_object_get(o, "received_date")))), "");
	ck_assert_str_eq(titles(&d, "mail", "otter report", json_pack("{s:I}", "before", json_integer_value(json_object_get(o, "received_date")) + 1)), "Otter report");
	json_decref(data);
}
END_TEST

static void
raw_mail(const char *user, const char *raw)
{
	json_decref(ox_as(user, "mail", "new", json_pack("{s:s,s:s,s:s}", "folder", "default0/INBOX", "flags", "0", "force", "true"), json_string(raw)));
}

/* Special characters in the text of a mail: what the mail server cannot be asked is read, in text and in HTML. */
START_TEST(bodies_to_the_letter)
{
	struct dev d;
	json_t *b, *data;
	char path[80], cursor[80];
	size_t n = 0;
	bool more;

	login(&d, "dora", "s-11");
	mail("dora", "default0/INBOX", "x@example.org", "Star", "see path C:\\Users\\dora*now", 0);
	mail("dora", "default0/INBOX", "x@example.org", "Else", "see path C:/Users/dora, now", 0);
	mail("dora", "default0/INBOX", "x@example.org", "Percent", "a gain of 50% and_more", 0);
	mail("dora", "default0/INBOX", "x@example.org", "Number", "a gain of 50x andxmore", 0);
	raw_mail("dora", "From: x@example.org\r\nTo: dora@example.com\r\nSubject: Page\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n"
	    "<html><body><p>see dora<b>&#42;</b>now</p></body></html>\r\n");
	raw_mail("dora", "From: x@example.org\r\nTo: dora@example.com\r\nSubject: Attached\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\nContent-Type: text/plain\r\n\r\nsee dora, now\r\n--b\r\nContent-Type: text/plain; name=x.txt\r\nContent-Disposition: attachment; filename=x.txt\r\n\r\n"
	    "dora*now\r\n--b--\r\n");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "body", "Users\\dora")), "Star");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "body", "USERS\\dora*n")), "Star");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "body", "users?dora")), "");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "body", "50%")), "Percent");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "body", "and_more")), "Percent");
	/* the newest first; that with a text beside it may be one */
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "body", "dora*now")), "Attached,Page,Star");
	/* pages go on behind what was read, however little of it is found */
	b = json_pack("{s:s,s:s,s:i}", "objectType", "mail", "body", "users\\dora", "limit", 1);
	do {
		data = good(&d, "search", b);
		n += json_array_size(json_object_get(data, "found"));
		more = json_is_true(json_object_get(data, "more"));
		(void)snprintf(cursor, sizeof(cursor), "%s", str(data, "cursor"));
		(void)json_object_set_new(b, "cursor", json_string(cursor));
		json_decref(data);
	} while (more);
	ck_assert_uint_eq(n, 1);
	json_decref(b);
	b = json_pack("{s:s,s:s}", "objectType", "mail", "body", "* \\");
	ck_assert_str_eq(bad(&d, "search", b, path), "bad-request");
	ck_assert_str_eq(path, "body");
	json_decref(b);
}
END_TEST

START_TEST(no_wildcards)
{
	static const char *const in[] = { "Cave*man", "Cave?man", "Cave%man", "Cave_man", "Cave\\man", "Cavexman" };
	struct dev d;

	login(&d, "emil", "s-5");
	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		contact("emil", "72", json_pack("{s:s}", "display_name", in[i]));
		appointment("emil", "71", in[i], T0, NULL);
		task("emil", "73", in[i], NULL);
		mail("emil", "default0/INBOX", "x@example.org", in[i], "x", 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		ck_assert_str_eq(titles(&d, "contact", in[i], NULL), in[i]);
		ck_assert_str_eq(titles(&d, "appointment", in[i], NULL), in[i]);
		ck_assert_str_eq(titles(&d, "task", in[i], NULL), in[i]);
		ck_assert_str_eq(titles(&d, "mail", in[i], NULL), in[i]);
		ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "subject", in[i])), in[i]);
	}
	ck_assert_str_eq(titles(&d, "contact", "*", NULL), "Cave*man");
	ck_assert_str_eq(titles(&d, "mail", "?", NULL), "Cave?man");
	ck_assert_str_eq(titles(&d, "mail", NULL, json_pack("{s:s}", "from", "*")), "");
}
END_TEST

/* What is found has its uuid and rev of a sync; the commands take it though this device has never synchronised the folder. */
START_TEST(opened)
{
	json_t *data, *f, *o, *b, *answer;
	const json_t *synced;
	struct dev d;
	char url[300];
	struct buf out;
	long status;

	login(&d, "caesar", "s-6");
	mail("caesar", "default0/INBOX", "x@example.org", "Opened at once", "the very text", 0);
	data = search(&d, "mail", "opened", NULL);
	f = json_array_get(json_object_get(data, "found"), 0);
	o = json_object_get(f, "object");
	b = json_pack("{s:s,s:s,s:s}", "folder", str(f, "folder"), "uuid", str(o, "uuid"), "format", "text");
	answer = good(&d, "getMailBody", b);
	ck_assert_ptr_nonnull(strstr(str(answer, "text"), "the very text"));
	json_decref(answer);
	(void)json_object_del(b, "format");
	buf_init(&out, 1 << 20);
	(void)snprintf(url, sizeof(url), "http://localhost/usm-json/getMail");
	{
		char *text = json_dumps(b, JSON_COMPACT);

		http(url, d.token, text, &out, &status);
		free(text);
	}
	ck_assert_int_eq(status, 200);
	ck_assert_ptr_nonnull(strstr(out.p, "Subject: Opened at once"));
	buf_fini(&out);
	open_folder(&d, str(f, "folder"));
	synced = find(&d, "subject", "Opened at once", NULL);
	ck_assert_str_eq(str(synced, "uuid"), str(o, "uuid"));
	ck_assert_str_eq(str(synced, "rev"), str(o, "rev"));
	json_decref(b);
	json_decref(data);

	contact("caesar", "52", json_pack("{s:s,s:s,s:s}", "display_name", "Opened Person", "email1", "o@example.org", "image1", PNG));
	data = search(&d, "contact", "opened", NULL);
	f = json_array_get(json_object_get(data, "found"), 0);
	o = json_object_get(f, "object");
	b = json_pack("{s:s,s:s}", "folder", str(f, "folder"), "uuid", str(o, "uuid"));
	answer = good(&d, "getAttachments", b);
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "attachments")), 0);
	json_decref(answer);
	open_folder(&d, str(f, "folder"));
	synced = find(&d, "display_name", "Opened Person", NULL);
	ck_assert_str_eq(str(synced, "uuid"), str(o, "uuid"));
	ck_assert_str_eq(str(synced, "rev"), str(o, "rev"));
	json_decref(b);
	json_decref(data);

	/* one that has gone is not there, and never was another's */
	appointment("caesar", "51", "Opened long ago", T0 - 900 * DAY, NULL);
	data = search(&d, "appointment", "opened", NULL);
	f = json_array_get(json_object_get(data, "found"), 0);
	b = json_pack("{s:s,s:s}", "folder", str(f, "folder"), "uuid", str(json_object_get(f, "object"), "uuid"));
	json_decref(good(&d, "getAttachments", b));
	{
		char id[24] = "";
		json_t *rows = ox_as("caesar", "calendar", "search", json_pack("{s:s}", "columns", "1,200"), json_pack("{s:s,s:i}", "pattern", "Opened long ago", "folder", 51));

		(void)snprintf(id, sizeof(id), "%lld", (long long)json_integer_value(json_array_get(json_array_get(rows, 0), 0)));
		json_decref(rows);
		json_decref(ox_as("caesar", "calendar", "delete", json_pack("{s:s}", "timestamp", NOW), json_pack("[{s:s,s:s}]", "id", id, "folder", "51")));
	}
	ck_assert_str_eq(bad(&d, "getAttachments", b, NULL), "not-found");
	json_decref(data);
	json_decref(b);
}
END_TEST

/* A picture of a contact in a folder that was never synchronised. */
START_TEST(picture_of_found)
{
	json_t *data, *f, *b;
	struct dev d;
	struct buf out;
	char *text;
	long status;

	login(&d, "dora", "s-7");
	contact("dora", "62", json_pack("{s:s,s:s,s:s}", "display_name", "Framed", "email1", "f@example.org", "image1", PNG));
	data = search(&d, "contact", "framed", NULL);
	f = json_array_get(json_object_get(data, "found"), 0);
	b = json_pack("{s:s,s:s}", "folder", str(f, "folder"), "uuid", str(json_object_get(f, "object"), "uuid"));
	text = json_dumps(b, JSON_COMPACT);
	buf_init(&out, 1 << 20);
	http("http://localhost/usm-json/getPhoto", d.token, text, &out, &status);
	ck_assert_int_eq(status, 200);
	ck_assert_mem_eq(out.p, "\x89PNG", 4);
	free(text);
	buf_fini(&out);
	json_decref(b);
	json_decref(data);
}
END_TEST

/* All pages of a search: each uuid once, as many as there are; CHANGE is called before the second page. */
static size_t
pages(const struct dev *d, const char *type, const char *text, int limit, void (*change)(void))
{
	json_t *seen = json_object(), *data = NULL, *v;
	size_t n = 0, i, page = 0;
	char cursor[80] = "";
	bool more = true;

	while (more) {
		json_t *m = json_pack("{s:i}", "limit", limit);

		if (cursor[0] != '\0')
			(void)json_object_set_new(m, "cursor", json_string(cursor));
		if (page++ == 1 && change != NULL)
			change();
		data = search(d, type, text, m);
		json_array_foreach(json_object_get(data, "found"), i, v) {
			ck_assert_msg(json_object_get(seen, str(json_object_get(v, "object"), "uuid")) == NULL || change != NULL, "an object comes twice");
			n += json_object_get(seen, str(json_object_get(v, "object"), "uuid")) == NULL;
			(void)json_object_set_new(seen, str(json_object_get(v, "object"), "uuid"), json_true());
		}
		more = json_is_true(json_object_get(data, "more"));
		(void)snprintf(cursor, sizeof(cursor), "%s", str(data, "cursor"));
		ck_assert_uint_lt(page, 200);
		json_decref(data);
	}
	json_decref(seen);
	return n;
}

/* The contact that was last on the first page goes: nobody else may be lost by that. */
static void
remove_third(void)
{
	char id[24] = "";

	ck_assert_uint_eq(ox_rows("anton", "contacts", "32", "1,500", "Paged 002", id, sizeof(id)), 1);
	json_decref(ox_as("anton", "contacts", "delete", json_pack("{s:s}", "timestamp", NOW), json_pack("[{s:s,s:s}]", "id", id, "folder", "32")));
}

START_TEST(paged)
{
	json_t *b, *data;
	struct dev d;
	char name[24], path[80], cursor[80];

	login(&d, "anton", "s-8");
	for (int i = 0; i < 23; i++) {
		(void)snprintf(name, sizeof(name), "Paged %03d", i);
		contact("anton", "32", json_pack("{s:s}", "display_name", name));
		appointment("anton", "31", "Paged", T0, NULL); /* the same time and title: the order is fixed all the same */
		task("anton", "33", "Paged", NULL);
		mail("anton", i % 2 == 0 ? "default0/INBOX" : "default0/Sent", "x@example.org", "Paged", "x", 0);
	}
	for (int limit = 1; limit <= 25; limit += 6) {
		ck_assert_uint_eq(pages(&d, "contact", "paged", limit, NULL), 23);
		ck_assert_uint_eq(pages(&d, "appointment", "paged", limit, NULL), 23);
		ck_assert_uint_eq(pages(&d, "task", "paged", limit, NULL), 23);
		ck_assert_uint_eq(pages(&d, "mail", "paged", limit, NULL), 23);
	}
	ck_assert_uint_eq(pages(&d, "contact", "paged", 3, remove_third), 23); /* it was seen, and then the other 22 */

	data = search(&d, "contact", "paged", json_pack("{s:i}", "limit", 2));
	(void)snprintf(cursor, sizeof(cursor), "%s", str(data, "cursor"));
	json_decref(data);
	b = json_pack("{s:s,s:s,s:s}", "objectType", "contact", "text", "pageds", "cursor", cursor); /* another search */
	ck_assert_str_eq(bad(&d, "search", b, path), "bad-request");
	ck_assert_str_eq(path, "cursor");
	json_decref(b);
	b = json_pack("{s:s,s:s,s:s}", "objectType", "contact", "text", "paged", "cursor", "zz");
	ck_assert_str_eq(bad(&d, "search", b, path), "bad-request");
	ck_assert_str_eq(path, "cursor");
	json_decref(b);
}
END_TEST

START_TEST(refused)
{
	json_t *b = json_pack("{s:s,s:s}", "objectType", "contact", "text", "a"), *m;
	struct dev d, other;
	char path[80];

	login(&d, "anton", "s-9");
	login(&other, "emil", "s-9");
	(void)json_object_set_new(b, "folder", json_string(str(other.defaults, "contact"))); /* not his */
	ck_assert_str_eq(bad(&d, "search", b, path), "not-found");
	ck_assert_str_eq(path, "folder");
	(void)json_object_set_new(b, "folder", json_string(str(d.defaults, "task")));
	ck_assert_str_eq(bad(&d, "search", b, path), "bad-request");
	ck_assert_str_eq(path, "folder");
	(void)json_object_del(b, "folder");
	(void)json_object_set_new(b, "text", json_string("   "));
	ck_assert_str_eq(bad(&d, "search", b, path), "bad-request");
	ck_assert_str_eq(path, "text");
	(void)json_object_set_new(b, "text", json_string("a b c d e f g h i j k"));
	ck_assert_str_eq(bad(&d, "search", b, path), "bad-request");
	ck_assert_str_eq(path, "text");
	(void)json_object_set_new(b, "text", json_string("a"));
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"advancedSearch\",\"count\":0},\"effect\":{\"error\":\"SVL-0021\",\"category\":8}}");
	ck_assert_str_eq(bad(&d, "search", b, NULL), "not-available");
	no_faults();
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"advancedSearch\",\"count\":0},\"effect\":{\"http_status\":500}}");
	ck_assert_str_eq(bad(&d, "search", b, NULL), "upstream");
	no_faults();
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"advancedSearch\",\"count\":0},\"effect\":{\"delay_ms\":20000}}");
	ck_assert_str_eq(bad(&d, "search", b, NULL), "upstream-timeout");
	no_faults();
	json_decref(b);
	world_control(&w, "modules", "{\"without\":[\"tasks\"]}", NULL, 0);
	m = json_pack("{s:s,s:s}", "objectType", "task", "text", "a");
	ck_assert_str_eq(bad(&d, "search", m, NULL), "not-available");
	json_decref(m);
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
	m = json_pack("{s:s,s:s}", "objectType", "mail", "body", "*?");
	ck_assert_str_eq(bad(&d, "search", m, path), "bad-request");
	ck_assert_str_eq(path, "body");
	(void)json_object_set_new(m, "body", json_string("x"));
	faults("{\"match\":{\"module\":\"mail\",\"action\":\"search\",\"part\":true,\"count\":0},\"effect\":{\"error\":\"MSG-1016\",\"category\":5}}");
	ck_assert_str_eq(bad(&d, "search", m, NULL), "upstream");
	no_faults();
	/* one folder that has gone meanwhile is none that is found in */
	faults("{\"match\":{\"module\":\"mail\",\"action\":\"search\",\"part\":true,\"count\":1},\"effect\":{\"error\":\"IMAP-1002\",\"category\":1}}");
	json_decref(good(&d, "search", m));
	no_faults();
	json_decref(m);
}
END_TEST

/* ---- what must not be found ---- */

static uint64_t rnd = 20261122;

static unsigned
dice(unsigned n)
{
	rnd = rnd * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(rnd >> 33) % n;
}

static void
share(const char *folder, int bits)
{
	json_t *list = json_pack("[{s:i,s:i,s:b}]", "bits", 403710016, "entity", 4, "group", 0);

	if (bits != 0)
		(void)json_array_append_new(list, json_pack("{s:i,s:i,s:b}", "bits", bits, "entity", 3, "group", 0));
	json_decref(ox_as("berta", "folders", "update", json_pack("{s:s,s:s}", "id", folder, "timestamp", NOW), json_pack("{s:{s:o}}", "folder", "permissions", list)));
}

/* Nothing of berta's, unless open and in a folder that is shared now. */
static void
only_open(const json_t *objects, const char *key, bool shared)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)objects, i, v) {
		const json_t *o = key != NULL ? json_object_get(v, key) : v;
		const char *name = key != NULL ? title_of(o) : str(o, "name");

		ck_assert_msg(strstr(name, "closed") == NULL && strcmp(name, "Private") != 0, "found: %s", name);
		ck_assert_msg(shared || strstr(name, "hers") == NULL, "found: %s", name);
	}
}

/* Random words, types and folders; rights given and taken between them. */
START_TEST(no_leaks)
{
	static const char *const types[] = { "contact", "appointment", "task" }, *const folders[] = { "42", "41", "43" };
	static const char *const words[] = { "hers", "closed", "open", "gem", "h", "e", "o", "Private", "hers open", "hers gem", "g closed" };
	struct dev a, b;
	bool shared[3] = { false };

	printf("seed %llu\n", (unsigned long long)rnd);
	login(&a, "anton", "s-10");
	login(&b, "berta", "s-10");
	for (int i = 0; i < 4; i++) {
		contact("berta", "42", json_pack("{s:s,s:s}", "display_name", "hers open gem", "email1", "gem@example.org"));
		contact("berta", "42", json_pack("{s:s,s:s,s:b}", "display_name", "hers closed gem", "email1", "gem@example.org", "private_flag", 1));
		appointment("berta", "41", "hers open gem", T0 + i * DAY, NULL);
		appointment("berta", "41", "hers closed gem", T0 + i * DAY, json_pack("{s:b}", "private_flag", 1));
		task("berta", "43", "hers open gem", NULL);
		task("berta", "43", "hers closed gem", json_pack("{s:b}", "private_flag", 1));
	}
	mail("berta", "default0/INBOX", "gem@example.org", "hers closed gem", "gem", 0);
	for (int i = 0; i < 120; i++) {
		unsigned k = dice(3);
		const char *word = words[dice(ARRAY_LEN(words))];
		json_t *data;

		if (dice(6) == 0) {
			shared[k] = !shared[k];
			share(folders[k], shared[k] ? 257 : 0);
		}
		data = search(&a, types[k], word, dice(2) == 0 ? json_pack("{s:i}", "limit", 1 + (int)dice(9)) : NULL);
		only_open(json_object_get(data, "found"), "object", shared[k]);
		json_decref(data);
		data = search(&a, "mail", word, NULL);
		only_open(json_object_get(data, "found"), "object", false);
		json_decref(data);
		json_decref(search(&b, types[k], word, NULL)); /* her own search leaves nothing behind for others */
		{
			json_t *q = json_pack("{s:[s],s:i}", "queries", word, "limit", 100);

			data = good(&a, "resolveRecipients", q);
			only_open(json_object_get(json_array_get(json_object_get(data, "results"), 0), "recipients"), NULL, shared[0]);
			json_decref(q);
			json_decref(data);
		}
	}
	share("42", 257);
	ck_assert_str_eq(titles(&a, "contact", "hers gem", json_pack("{s:i}", "limit", 2)), "hers open gem,hers open gem"); /* so that the test tells something */
	/* a uuid that was found with a right is of no use without it */
	{
		json_t *data = search(&a, "contact", "hers", NULL), *f = json_array_get(json_object_get(data, "found"), 0);
		json_t *q = json_pack("{s:s,s:s}", "folder", str(f, "folder"), "uuid", str(json_object_get(f, "object"), "uuid"));

		json_decref(good(&a, "getAttachments", q));
		share("42", 0);
		ck_assert_str_eq(bad(&a, "getAttachments", q, NULL), "not-found");
		json_decref(q);
		json_decref(data);
	}
	for (int k = 0; k < 3; k++)
		share(folders[k], 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("search");
	TCase *t = tcase_create("search"), *c = tcase_create("chronos");

	tcase_set_timeout(t, 200);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, contacts);
	tcase_add_test(t, appointments);
	tcase_add_test(t, tasks);
	tcase_add_test(t, mails);
	tcase_add_test(t, bodies_to_the_letter);
	tcase_add_test(t, no_wildcards);
	tcase_add_test(t, opened);
	tcase_add_test(t, picture_of_found);
	tcase_add_test(t, paged);
	tcase_add_test(t, refused);
	tcase_add_test(t, no_leaks);
	suite_add_tcase(s, t);
	tcase_set_timeout(c, 200);
	tcase_add_unchecked_fixture(c, world_up_chronos, world_down);
	tcase_add_checked_fixture(c, NULL, forget_devices);
	tcase_add_test(c, appointments);
	tcase_add_test(c, no_wildcards);
	tcase_add_test(c, paged);
	tcase_add_test(c, no_leaks);
	suite_add_tcase(s, c);
	return harness_main(s);
}
