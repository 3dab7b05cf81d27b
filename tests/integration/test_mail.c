/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail as a client of usm-json meets it: flags of two sides, bodies and parts, moving, copying, deleting, drafts, sending.  What is
 * repeated after a lost answer - of OX, of usmd, or of a usmd that was killed - is done once.
 */
#include "wire.h"

#include <sys/wait.h>
#include <unistd.h>

#define INBOX "default0/INBOX"
#define DRAFTS "default0/Drafts"
#define SENT "default0/Sent"
#define TRASH "default0/Trash"
#define NOW "9007199254740992" /* timestamp of a write that nothing is newer than */

static const char *const settings[] = { "mail_past = 0", "ox_write_max_time = 2s", "ox_timeout = 2s", "heartbeat_min = 1s", "max_mail_body = 1K", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

/* ---- mails ---- */

static json_t *
base64(const char *raw)
{
	struct buf b;
	json_t *s;

	buf_init(&b, 1 << 20);
	base64_encode(&b, raw, strlen(raw));
	s = json_stringn(b.p, b.len);
	buf_fini(&b);
	return s;
}

static json_t *
plain(const char *subject, const char *more)
{
	char raw[800];

	(void)snprintf(raw, sizeof(raw), "From: Berta Bauer <berta@example.com>\r\nTo: anton@example.com\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n%s"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nbody <b> \xc3\xbc\r\n", subject, more);
	return base64(raw);
}

static const char rich[] =
    "From: a@example.com\r\nTo: b@example.com\r\nSubject: Rich\r\nMessage-ID: <rich@example.com>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: multipart/alternative; boundary=\"b2\"\r\n\r\n"
    "--b2\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nPlain =C3=BC & <b>\r\n"
    "--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Html <b>text</b> <img src=\"cid:img1\"></p>\r\n--b2--\r\n"
    "--b1\r\nContent-Type: text/plain; name=\"a.txt\"\r\nContent-Disposition: attachment; filename=\"a.txt\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "aGVsbG8gYXR0YWNobWVudA==\r\n"
    "--b1\r\nContent-Type: image/png; name=\"i.png\"\r\nContent-ID: <img1>\r\nContent-Disposition: inline; filename=\"i.png\"\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b1--\r\n";

static size_t
at_ox(const char *user, const char *folder, const char *subject, char *id)
{
	return ox_rows(user, "mail", folder, "600,607", subject, id, 24);
}

static json_int_t
flags_at_ox(const char *folder, const char *subject)
{
	json_t *rows = ox_as("berta", "mail", "all", json_pack("{s:s,s:s}", "folder", folder, "columns", "607,611"), NULL), *row;
	json_int_t flags = -1;
	size_t i;

	json_array_foreach(rows, i, row)
		if (strcmp(json_string_value(json_array_get(row, 0)), subject) == 0)
			flags = json_integer_value(json_array_get(row, 1)) & ~16;
	json_decref(rows);
	return flags;
}

/* Somebody else sets and clears flags. */
static void
ox_flags(const char *folder, const char *subject, int set, int clear)
{
	char id[24] = "";

	ck_assert_uint_eq(at_ox("berta", folder, subject, id), 1);
	json_decref(ox_as("berta", "mail", "update", json_pack("{s:s,s:s}", "folder", folder, "id", id),
	    json_pack("{s:i,s:i}", "set_flags", set, "clear_flags", clear)));
}

/* The uuid of the mail folder with this title, of the device's user. */
static void
folder_of(const char *user, const char *title, char uuid[40])
{
	struct dev h;
	const json_t *f;

	login(&h, user, "folders");
	open_folder(&h, NULL);
	f = find(&h, "title", title, NULL);
	ck_assert_msg(f != NULL, "no folder %s", title);
	(void)snprintf(uuid, 40, "%s", str(f, "uuid"));
}

/* A device of berta's in folder TITLE (NULL = INBOX). */
static void
berta(struct dev *d, const char *device, const char *title)
{
	char uuid[40];

	if (title != NULL)
		folder_of("berta", title, uuid);
	login(d, "berta", device);
	open_folder(d, title != NULL ? uuid : str(d->defaults, "inbox"));
}

/* Imports RAW (stolen) through D; its uuid. */
static void
import(struct dev *d, const char *id, json_t *raw, int flags, char uuid[40])
{
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:o,s:i}", "clientId", id, "raw", raw, "flags", flags)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
	ck_assert_ptr_nonnull(json_object_get(d->have, uuid));
}

/* Repeats BODY (borrowed) until the first result is no retry. */
static json_t *
settled(const struct dev *d, const char *command, const json_t *body)
{
	for (int i = 0; i < 100; i++) {
		json_t *data = good(d, command, body);

		if (strcmp(str(json_array_get(json_object_get(data, "results"), 0), "status"), "retry") != 0)
			return data;
		json_decref(data);
		sleep_ms(100); /* OX's longest request time has to pass */
	}
	ck_abort_msg("%s is never decided", command);
}

static void
drop(const char *action, bool after)
{
	char rule[200];

	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"mail\",\"action\":\"%s\",\"user\":\"berta\"},\"effect\":{\"%s\":true}}", action,
	    after ? "drop_after" : "drop_before");
	faults(rule);
}

/* ---- flags ---- */

static const char *const policies[] = { "server", "client", "error" };

START_TEST(flags_of_two_sides)
{
	struct dev d, other;
	char uuid[40], subject[40];
	json_t *req, *data;

	(void)snprintf(subject, sizeof(subject), "Flags %s", policies[_i]);
	berta(&d, policies[_i], NULL);
	import(&d, "flags", plain(subject, ""), 0, uuid);
	berta(&other, "other", NULL);
	data = update(&other, request(&other, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 8)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	ox_flags(INBOX, subject, 1, 0);
	/* this device knows of neither: it has read the mail */
	req = request(&d, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 32)), NULL);
	(void)json_object_set_new(req, "conflictResolution", json_string(policies[_i]));
	data = update(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_ptr_null(json_object_get(result(data, 0), "lost"));
	json_decref(data);
	ck_assert_int_eq(flags_at_ox(INBOX, subject), 32 | 8 | 1);
	(void)pull(&d);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(d.have, uuid), "flags")) & ~16, 32 | 8 | 1);
	(void)pull(&other);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(other.have, uuid), "flags")) & ~16, 32 | 8 | 1);
	/* both clear what they know */
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 8 | 1)), NULL));
	json_decref(data);
	data = update(&other, request(&other, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 32 | 1)), NULL));
	json_decref(data);
	ck_assert_int_eq(flags_at_ox(INBOX, subject), 1);
}
END_TEST

/* What OX has of the mail SUBJECT in INBOX: flags and label, and its keywords sorted, as "flags label a b". */
static void
look_is(const char *subject, const char *want)
{
	json_t *rows = ox_as("berta", "mail", "all", json_pack("{s:s,s:s}", "folder", INBOX, "columns", "607,611,102,668"), NULL), *row, *v;
	char have[200] = "";
	size_t i, k;

	json_array_foreach(rows, i, row) {
		if (strcmp(json_string_value(json_array_get(row, 0)), subject) != 0)
			continue;
		(void)snprintf(have, sizeof(have), "%d %d", (int)json_integer_value(json_array_get(row, 1)) & ~16, (int)json_integer_value(json_array_get(row, 2)));
		json_array_foreach(json_array_get(row, 3), k, v)
			(void)snprintf(have + strlen(have), sizeof(have) - strlen(have), " %s", json_string_value(v));
	}
	json_decref(rows);
	ck_assert_str_eq(have, want);
}

/* Sends CHANGE (stolen) of the mail UUID; its status. */
static void
look(struct dev *d, const char *uuid, json_t *change, const char *status)
{
	json_t *data;

	(void)json_object_set_new(change, "uuid", json_string(uuid));
	data = update(d, request(d, NULL, one(change), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), status);
	json_decref(data);
}

static void
knows(struct dev *d, const char *uuid, int flags, int label, const char *words)
{
	const json_t *o;
	json_t *list = json_loads(words, JSON_REJECT_DUPLICATES, NULL);

	(void)pull(d);
	o = json_object_get(d->have, uuid);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "flags")) & ~16, flags);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "color_label")), label);
	ck_assert_msg(json_equal(json_object_get(o, "user"), list) || (json_array_size(list) == 0 && json_array_size(json_object_get(o, "user")) == 0), "not %s", words);
	json_decref(list);
}

/* Writes WORDS (stolen) as the keywords of a mail; the answer has them too, if it says anything of them. */
static void
words_answered(struct dev *d, const char *uuid, json_t *words)
{
	json_t *data = update(d, request(d, NULL, one(json_pack("{s:s,s:O}", "uuid", uuid, "user", words)), NULL));
	const json_t *told = json_object_get(json_array_get(json_object_get(data, "modified"), 0), "user");

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	if (told != NULL)
		ck_assert_uint_eq(json_array_size(told), json_array_size(words));
	json_decref(data);
	json_decref(words);
}

/* Mails that people have are stored whatever OX thinks of their form; text that is none is not. */
START_TEST(damaged_mails_are_kept)
{
	static const char cut[] = "Subject: Cut\r\nFrom: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\nno part at all\r\n";
	static const char odd[] = "Subject: No from\r\n\r\nx\r\n";
	/* a blank before the colon was usual once (RFC 5322 section 4.5): it is a header, and its Message-ID is the mail's */
	static const char blank[] = "Message-ID : <blank@example.com>\r\nSubject \t: Blank\r\n\r\nx\r\n";
	struct dev d;
	char uuid[40], id[24] = "";
	json_t *data;

	berta(&d, "damaged", NULL);
	import(&d, "cut", base64(cut), 0, uuid);
	import(&d, "odd", base64(odd), 0, uuid);
	ck_assert_uint_eq(at_ox("berta", INBOX, "Cut", id), 1);
	ck_assert_uint_eq(at_ox("berta", INBOX, "No from", id), 1);
	import(&d, "blank", base64(blank), 0, uuid);
	ck_assert_uint_eq(at_ox("berta", INBOX, "Blank", id), 1);
	data = ox_as("berta", "mail", "get", json_pack("{s:s,s:s,s:s}", "folder", INBOX, "id", id, "src", "1"), NULL);
	ck_assert_msg(strstr(json_string_value(data), "<blank@example.com>") != NULL && strstr(json_string_value(data), "usmd.invalid") == NULL, "%s",
	    json_string_value(data));
	json_decref(data);
	data = update(&d, request(&d, one(json_pack("{s:s,s:o}", "clientId", "text", "raw", base64("hello\r\nworld\r\n"))), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	ck_assert_str_eq(str(json_object_get(json_object_get(result(data, 0), "error"), "details"), "path"), "created[0].raw");
	json_decref(data);
}
END_TEST

/* OX's `list` shows keywords as `all` found them (its cache): neither the answer to a write nor what is to be set may come from there. */
START_TEST(keywords_answered)
{
	struct dev d, other;
	char uuid[40];

	berta(&d, "answered", NULL);
	import(&d, "answered", plain("Answered", ""), 0, uuid);
	berta(&other, "answered2", NULL);
	words_answered(&d, uuid, json_pack("[s,s]", "One", "Two"));
	words_answered(&d, uuid, json_pack("[s]", "Two"));
	words_answered(&d, uuid, json_pack("[s,s]", "Two", "One"));
	look_is("Answered", "0 0 Two One");
	knows(&other, uuid, 0, 0, "[\"Two\",\"One\"]");
}
END_TEST

START_TEST(keywords_both_ways)
{
	struct dev d, other;
	char uuid[40], id[24] = "";
	json_t *data;

	berta(&d, "words", NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:o,s:[s,s]}", "clientId", "words", "raw", plain("Words", ""), "user", "$Label1", "Todo")), NULL, NULL));
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	look_is("Words", "0 0 $Label1 Todo");
	berta(&other, "words2", NULL);
	knows(&other, uuid, 0, 0, "[\"$Label1\",\"Todo\"]");
	/* letter case is no difference at a mail server */
	look(&other, uuid, json_pack("{s:[s,s]}", "user", "todo", "Later"), "ok");
	look_is("Words", "0 0 Todo Later");
	knows(&d, uuid, 0, 0, "[\"Todo\",\"Later\"]");
	knows(&other, uuid, 0, 0, "[\"Todo\",\"Later\"]");
	/* somebody else's flags and keywords in the meantime */
	ck_assert_uint_eq(at_ox("berta", INBOX, "Words", id), 1);
	json_decref(ox_as("berta", "mail", "update", json_pack("{s:s,s:s}", "folder", INBOX, "id", id), json_pack("{s:[s],s:i}", "set_user_flags", "Theirs", "set_flags", 1)));
	knows(&d, uuid, 1, 0, "[\"Todo\",\"Later\",\"Theirs\"]");
	look(&d, uuid, json_pack("{s:n}", "user"), "ok");
	look_is("Words", "1 0");
	knows(&other, uuid, 1, 0, "[]");
	look(&d, uuid, json_pack("{s:[s]}", "user", "two words"), "error");
	look(&d, uuid, json_pack("{s:[s]}", "user", "$cl_3"), "error");
	look(&d, uuid, json_pack("{s:i}", "color_label", 11), "error");
	look_is("Words", "1 0");
}
END_TEST

/* OX ties the label and \Flagged to each other: neither may flap between devices, nor be in conflict with what the device itself brought about */
START_TEST(label_and_flag)
{
	struct dev d, other;
	char uuid[40];

	berta(&d, "label", NULL);
	import(&d, "label", plain("Label", ""), 0, uuid);
	berta(&other, "label2", NULL);
	look(&d, uuid, json_pack("{s:i}", "color_label", 3), "ok");
	look_is("Label", "8 3");
	knows(&other, uuid, 8, 3, "[]");
	look(&d, uuid, json_pack("{s:i}", "color_label", 0), "ok");
	look_is("Label", "0 0");
	look(&d, uuid, json_pack("{s:i}", "flags", 8), "ok");
	look_is("Label", "8 1");
	/* a client that says all of it, and never shows what it was not told */
	look(&d, uuid, json_pack("{s:i,s:i}", "flags", 0, "color_label", 0), "ok");
	look_is("Label", "0 0");
	look(&d, uuid, json_pack("{s:i,s:i}", "flags", 0, "color_label", 5), "ok");
	look_is("Label", "0 5");
	look(&d, uuid, json_pack("{s:i,s:i}", "flags", 8, "color_label", 0), "ok");
	look_is("Label", "8 1");
	knows(&d, uuid, 8, 1, "[]");
	look(&d, uuid, json_pack("{s:i,s:i}", "flags", 8, "color_label", 0), "ok");
	look_is("Label", "8 1");
	knows(&other, uuid, 8, 1, "[]");
	look(&other, uuid, json_pack("{s:i}", "flags", 0), "ok");
	knows(&d, uuid, 0, 1, "[]");
}
END_TEST

/* An answer that is lost: the label that OX gave the mail with the flag is this device's own, and no conflict for it. */
START_TEST(label_after_a_lost_answer)
{
	struct dev d;
	char uuid[40];
	json_t *req, *data;

	berta(&d, "lostlabel", NULL);
	import(&d, "lostlabel", plain("Lost label", ""), 0, uuid);
	req = request(&d, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 8)), NULL);
	(void)json_object_set_new(req, "conflictResolution", json_string("error"));
	json_decref(good(&d, "syncUpdate", req));
	json_decref(req);
	req = request(&d, NULL, one(json_pack("{s:s,s:i,s:i}", "uuid", uuid, "flags", 0, "color_label", 4)), NULL);
	(void)json_object_set_new(req, "conflictResolution", json_string("error"));
	data = update(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	look_is("Lost label", "0 4");
}
END_TEST

START_TEST(deleted_mails_are_not_there)
{
	struct dev d;
	char uuid[40];
	json_t *b, *data;

	berta(&d, "deleted", NULL);
	import(&d, "deleted", plain("Goes and comes", ""), 0, uuid);
	ox_flags(INBOX, "Goes and comes", 2, 0);
	(void)pull(&d);
	ck_assert_ptr_null(json_object_get(d.have, uuid));
	open_folder(&d, d.folder);
	ck_assert_ptr_null(json_object_get(d.have, uuid));
	b = json_pack("{s:s,s:[[s,s]]}", "folder", d.folder, "pairs", uuid, "");
	data = good(&d, "reconcile", b);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(data, "deleted"), 0)), uuid);
	json_decref(b);
	json_decref(data);
	ox_flags(INBOX, "Goes and comes", 0, 2);
	(void)pull(&d);
	ck_assert_ptr_nonnull(json_object_get(d.have, uuid));
}
END_TEST

/* ---- bodies and parts ---- */

static const char *
octets(const struct dev *d, const char *command, json_t *body, size_t *n)
{
	static char out[4096];
	char url[100], *text = json_dumps(body, JSON_COMPACT);
	struct buf b;
	long status;

	buf_init(&b, sizeof(out) - 1);
	(void)snprintf(url, sizeof(url), "http://localhost/usm-json/%s", command);
	http(url, d->token, text, &b, &status);
	*n = b.len;
	memcpy(out, b.p, b.len);
	out[b.len] = '\0';
	ck_assert_int_eq(status, 200);
	buf_fini(&b);
	free(text);
	json_decref(body);
	return out;
}

static json_t *
body_of(const struct dev *d, const char *uuid, const char *format)
{
	json_t *b = json_pack("{s:s,s:s,s:s}", "folder", d->folder, "uuid", uuid, "format", format), *data = good(d, "getMailBody", b);

	json_decref(b);
	return data;
}

START_TEST(bodies_and_parts)
{
	struct dev d;
	char uuid[40], flat[40], path[80], text[3000];
	json_t *data, *list, *b;
	size_t n;

	berta(&d, "parts", NULL);
	import(&d, "rich", base64(rich), 0, uuid);
	data = body_of(&d, uuid, "text");
	ck_assert_str_eq(str(data, "text"), "Plain \xc3\xbc & <b>");
	ck_assert_ptr_null(json_object_get(data, "html"));
	list = json_object_get(data, "attachments");
	ck_assert_uint_eq(json_array_size(list), 3);
	ck_assert_str_eq(str(json_array_get(list, 0), "contentType"), "text/html"); /* nothing is out of reach */
	ck_assert_str_eq(str(json_array_get(list, 1), "filename"), "a.txt");
	ck_assert_str_eq(str(json_array_get(list, 2), "contentId"), "img1");
	ck_assert(json_is_true(json_object_get(json_array_get(list, 2), "inline")));
	b = json_pack("{s:s,s:s,s:s}", "folder", d.folder, "uuid", uuid, "id", str(json_array_get(list, 1), "id"));
	ck_assert_str_eq(octets(&d, "getMailPart", b, &n), "hello attachment");
	b = json_pack("{s:s,s:s,s:s}", "folder", d.folder, "uuid", uuid, "id", str(json_array_get(list, 2), "id"));
	ck_assert_int_eq(memcmp(octets(&d, "getMailPart", b, &n), "\x89PNG\r\n\x1a\n", 8), 0);
	ck_assert_uint_eq(n, 8);
	json_decref(data);
	data = body_of(&d, uuid, "html");
	ck_assert_str_eq(str(data, "html"), "<p>Html <b>text</b> <img src=\"cid:img1\"></p>");
	json_decref(data);
	b = json_pack("{s:s,s:s,s:s}", "folder", d.folder, "uuid", uuid, "id", "9");
	ck_assert_str_eq(bad(&d, "getMailPart", b, path), "not-found");
	ck_assert_str_eq(path, "id");
	json_decref(b);
	/* plain stays plain, whatever is asked for; what is too long is cut and says so */
	import(&d, "flat", plain("Flat", ""), 0, flat);
	data = body_of(&d, flat, "html");
	ck_assert_ptr_null(json_object_get(data, "html"));
	ck_assert_int_eq(strncmp(str(data, "text"), "body <b> \xc3\xbc", 11), 0);
	ck_assert_ptr_null(json_object_get(data, "truncated"));
	json_decref(data);
	n = (size_t)snprintf(text, sizeof(text), "Subject: Long\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	for (int i = 0; i < 600; i++, n += 2)
		(void)snprintf(text + n, sizeof(text) - n, "\xc3\xbc");
	import(&d, "long", base64(text), 0, flat);
	data = body_of(&d, flat, "text");
	ck_assert_uint_eq(strlen(str(data, "text")), 1024);
	ck_assert(json_is_true(json_object_get(data, "truncated")));
	json_decref(data);
	ck_assert_int_eq(flags_at_ox(INBOX, "Rich"), 0); /* nobody has seen it */
	ck_assert_int_eq(flags_at_ox(INBOX, "Flat"), 0);
}
END_TEST

/* ---- moving and copying ---- */

static json_t *
transfer_body(const struct dev *d, const char *to, json_t *items)
{
	return json_pack("{s:s,s:s,s:o}", "folder", d->folder, "to", to, "items", items);
}

/* _i: 0 the answer of OX is lost, 1 the request, 2 nothing */
START_TEST(move_many_mails)
{
	struct dev d, there;
	char uuid[2][40], moved[40], id[2][40], subject[2][40], to[40];
	json_t *b, *data;

	folder_of("berta", "Drafts", to);
	(void)snprintf(id[0], sizeof(id[0]), "move-%d", _i);
	berta(&d, id[0], NULL);
	berta(&there, "there", "Drafts");
	for (int k = 0; k < 2; k++) {
		(void)snprintf(id[k], sizeof(id[k]), "mv-%d", k);
		(void)snprintf(subject[k], sizeof(subject[k]), "Move %d %d", _i, k);
		import(&d, id[k], plain(subject[k], ""), 0, uuid[k]);
	}
	if (_i < 2)
		drop("update", _i == 0);
	b = transfer_body(&d, to, json_pack("[{s:s},{s:s}]", "uuid", uuid[0], "uuid", uuid[1]));
	data = good(&d, "moveItems", b);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "results"), 0), "status"), _i < 2 ? "retry" : "ok");
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "results"), 1), "status"), "ok");
	json_decref(data);
	for (int again = 0; again < 2; again++) { /* the client did not hear it */
		data = settled(&d, "moveItems", b);
		for (size_t k = 0; k < 2; k++) {
			const json_t *r = json_array_get(json_object_get(data, "results"), k);

			ck_assert_str_eq(str(r, "status"), "ok");
			(void)snprintf(moved, sizeof(moved), "%s", str(r, "newUuid"));
			(void)pull(&there);
			ck_assert_str_eq(str(json_object_get(there.have, moved), "subject"), subject[k]);
			ck_assert_uint_eq(at_ox("berta", INBOX, subject[k], NULL), 0);
			ck_assert_uint_eq(at_ox("berta", DRAFTS, subject[k], NULL), 1);
		}
		json_decref(data);
	}
	(void)pull(&d);
	ck_assert_ptr_null(json_object_get(d.have, uuid[0]));
	json_decref(b);
}
END_TEST

START_TEST(move_contacts)
{
	struct dev d;
	char to[40], uuid[40], first[40];
	json_t *b, *data;

	login(&d, "berta", "move-contacts");
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "mc", "title", "Moved to", "module", "contacts")), NULL, NULL));
	(void)snprintf(to, sizeof(to), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	open_folder(&d, str(d.defaults, "contact"));
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", "mover", "last_name", "Moved by items")), NULL, NULL));
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"update\",\"user\":\"berta\"},\"effect\":{\"drop_after\":true}}");
	b = transfer_body(&d, to, json_pack("[{s:s}]", "uuid", uuid));
	data = good(&d, "moveItems", b);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "results"), 0), "status"), "retry");
	json_decref(data);
	first[0] = '\0';
	for (int again = 0; again < 2; again++) {
		const json_t *r;

		data = settled(&d, "moveItems", b);
		r = json_array_get(json_object_get(data, "results"), 0);
		ck_assert_str_eq(str(r, "status"), "ok");
		ck_assert_str_ne(str(r, "newUuid"), "");
		if (again == 1)
			ck_assert_str_eq(str(r, "newUuid"), first);
		(void)snprintf(first, sizeof(first), "%s", str(r, "newUuid"));
		json_decref(data);
	}
	json_decref(b);
	(void)pull(&d);
	ck_assert_ptr_null(find(&d, "last_name", "Moved by items", NULL));
	open_folder(&d, to);
	ck_assert_str_eq(str(find(&d, "last_name", "Moved by items", NULL), "uuid"), first);
	/* a contact is no draft */
	no_faults();
	folder_of("berta", "Drafts", to);
	b = transfer_body(&d, to, json_pack("[{s:s}]", "uuid", first));
	data = good(&d, "moveItems", b);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "results"), 0), "status"), "error");
	json_decref(data);
	json_decref(b);
	(void)pull(&d);
	ck_assert_ptr_nonnull(find(&d, "last_name", "Moved by items", NULL));
}
END_TEST

START_TEST(copy_mails_once)
{
	struct dev d, there;
	char uuid[40], id[40], subject[40], to[40], copy[40] = "";
	json_t *b, *data;

	folder_of("berta", "Drafts", to);
	(void)snprintf(id, sizeof(id), "copy-%d", _i);
	(void)snprintf(subject, sizeof(subject), "Copy %d", _i);
	berta(&d, id, NULL);
	berta(&there, "there", "Drafts");
	import(&d, "cp", plain(subject, ""), 32, uuid);
	if (_i < 2)
		drop("copy", _i == 0);
	b = transfer_body(&d, to, json_pack("[{s:s,s:s}]", "uuid", uuid, "clientId", "the-copy"));
	for (int again = 0; again < 3; again++) {
		const json_t *r;

		data = settled(&d, "copyItems", b);
		r = json_array_get(json_object_get(data, "results"), 0);
		ck_assert_str_eq(str(r, "status"), "ok");
		ck_assert_str_eq(str(r, "clientId"), "the-copy");
		if (again > 0)
			ck_assert_str_eq(str(r, "newUuid"), copy);
		(void)snprintf(copy, sizeof(copy), "%s", str(r, "newUuid"));
		json_decref(data);
	}
	json_decref(b);
	ck_assert_uint_eq(at_ox("berta", INBOX, subject, NULL), 1);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, subject, NULL), 1);
	(void)pull(&there);
	ck_assert_str_eq(str(json_object_get(there.have, copy), "subject"), subject);
	b = transfer_body(&d, to, json_pack("[{s:s,s:s}]", "uuid", "00112233-4455-4677-8899-aabbccddeeff", "clientId", "of-nothing"));
	data = good(&d, "copyItems", b);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "results"), 0), "status"), "gone");
	json_decref(b);
	json_decref(data);
}
END_TEST

/* What the user has set in the groupware server: deleted mails are gone (on) or in the trash. */
static void
ox_hard_delete(bool on)
{
	json_decref(ox_as("berta", "config/mail/deletemail", "", json_object(), json_boolean(on)));
}

/* _i: 0 to 2 the user wants the trash, 3 to 5 he wants mails to be gone at once; the device: as he wants, the trash, gone. */
START_TEST(deleted_as_the_device_says)
{
	static const char *const modes[] = { "server", "trash", "final" };
	bool hard = _i >= 3, kept = _i % 3 == 1 || (_i % 3 == 0 && !hard);
	struct dev d;
	char uuid[40], subject[40];
	json_t *b, *data;

	ox_hard_delete(hard);
	berta(&d, modes[_i % 3], NULL);
	(void)snprintf(subject, sizeof(subject), "Delete %s %d", modes[_i % 3], _i);
	import(&d, _i < 3 ? "del" : "del-2", plain(subject, ""), 0, uuid);
	b = json_pack("{s:s}", "mailDelete", modes[_i % 3]);
	data = good(&d, "setConfig", b);
	ck_assert_str_eq(str(data, "mailDelete"), modes[_i % 3]);
	json_decref(b);
	json_decref(data);
	data = update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))));
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	json_decref(data);
	ck_assert_uint_eq(at_ox("berta", INBOX, subject, NULL), 0);
	ck_assert_uint_eq(at_ox("berta", TRASH, subject, NULL), kept);
	ox_hard_delete(false);
	if (!kept)
		return;
	folder_of("berta", "Trash", uuid);
	open_folder(&d, uuid);
	(void)snprintf(uuid, sizeof(uuid), "%s", str(find(&d, "subject", subject, NULL), "uuid"));
	data = update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))));
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	json_decref(data);
	ck_assert_uint_eq(at_ox("berta", TRASH, subject, NULL), 0);
}
END_TEST

/* ---- imports ---- */

/* The answer to an import got lost, and the client's user deletes the mail before it is asked again: it does not come back. */
START_TEST(regretted_import)
{
	struct dev d;
	json_t *req, *data;

	berta(&d, "regret", NULL);
	drop("import", true);
	data = update(&d, request(&d, one(json_pack("{s:s,s:o}", "clientId", "regret", "raw", plain("Regretted", ""))), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "retry");
	json_decref(data);
	ck_assert_uint_eq(at_ox("berta", INBOX, "Regretted", NULL), 1);
	req = request(&d, NULL, NULL, one(json_pack("{s:s}", "clientId", "regret")));
	data = settled(&d, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	apply(&d, data);
	json_decref(req);
	json_decref(data);
	(void)pull(&d);
	ck_assert_uint_eq(at_ox("berta", INBOX, "Regretted", NULL), 0);
	ck_assert_ptr_null(find(&d, "subject", "Regretted", NULL));
}
END_TEST

/* ---- drafts ---- */

static json_t *
edit(struct dev *d, const char *uuid, json_t *raw)
{
	return request(d, NULL, one(json_pack("{s:s,s:o}", "uuid", uuid, "raw", raw)), NULL);
}

START_TEST(draft_is_replaced)
{
	struct dev d;
	char uuid[40], v2[40], id[40], first[60], second[60], third[60];
	json_t *req, *data;

	(void)snprintf(id, sizeof(id), "draft-%d", _i);
	(void)snprintf(first, sizeof(first), "Draft %d one", _i);
	(void)snprintf(second, sizeof(second), "Draft %d two", _i);
	(void)snprintf(third, sizeof(third), "Draft %d three", _i);
	berta(&d, id, "Drafts");
	import(&d, "draft", plain(first, "Message-ID: <draft@example.com>\r\n"), 4 | 8, uuid);
	if (_i < 2)
		drop("import", _i == 0);
	else if (_i == 2)
		drop("delete", true);
	req = edit(&d, uuid, plain(second, "Message-ID: <draft@example.com>\r\n"));
	data = settled(&d, "syncUpdate", req); /* nothing of it is applied: the client did not hear it */
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(v2, sizeof(v2), "%s", str(result(data, 0), "newUuid"));
	json_decref(data);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, first, NULL), 0);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, second, NULL), 1);
	ck_assert_int_eq(flags_at_ox(DRAFTS, second), 4 | 8);
	data = good(&d, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "newUuid"), v2);
	json_decref(req);
	json_decref(data);
	/* the user has typed on meanwhile, in the draft that he knows */
	data = update(&d, edit(&d, uuid, plain(third, "Message-ID: <draft@example.com>\r\n")));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(json_object_get(d.have, str(result(data, 0), "newUuid")), "subject"), third);
	json_decref(data);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, second, NULL), 0);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, third, NULL), 1);
	ck_assert_ptr_null(json_object_get(d.have, uuid));
	/* what is no draft is not replaced */
	(void)snprintf(id, sizeof(id), "No draft %d", _i);
	import(&d, "none", plain(id, ""), 32, uuid);
	data = update(&d, edit(&d, uuid, plain("Never", "")));
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	json_decref(data);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, id, NULL), 1);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, "Never", NULL), 0);
}
END_TEST

/* ---- sending ---- */

static json_t *
sending(const char *id, json_t *raw)
{
	return json_pack("{s:s,s:o}", "clientId", id, "raw", raw);
}

/* Repeats BODY until it is no longer "busy"; its data. */
static json_t *
send_settled(const struct dev *d, const json_t *body)
{
	for (int i = 0; i < 100; i++) {
		json_t *root = call(d, "sendMail", body), *data = json_incref(json_object_get(root, "data"));
		bool busy = strcmp(str(json_object_get(root, "error"), "code"), "busy") == 0;

		ck_assert_msg(busy || data != NULL, "%s: %s", str(json_object_get(root, "error"), "code"), str(json_object_get(root, "error"), "message"));
		json_decref(root);
		if (data != NULL)
			return data;
		sleep_ms(100); /* OX's longest request time has to pass */
	}
	ck_abort_msg("the sending is never decided");
}

static size_t
arrived(const char *subject)
{
	return at_ox("anton", INBOX, subject, NULL);
}

START_TEST(sent_once)
{
	struct dev d, sent;
	char orig[40], fwd[40], draft[40], drafts[40], copy[40];
	json_t *b, *data;

	folder_of("berta", "Drafts", drafts);
	berta(&sent, "send", "Drafts");
	import(&sent, "of-mail", plain("Sent once", ""), 4, draft);
	berta(&d, "send", NULL);
	import(&d, "orig", plain("Answered one", ""), 32, orig);
	import(&d, "fwd", plain("Forwarded one", ""), 32, fwd);
	b = sending("s1", plain("Sent once", ""));
	(void)json_object_set_new(b, "reply", json_pack("{s:s,s:s}", "folder", d.folder, "uuid", orig));
	(void)json_object_set_new(b, "forward", json_pack("{s:s,s:s}", "folder", d.folder, "uuid", fwd));
	(void)json_object_set_new(b, "draft", json_pack("{s:s,s:s}", "folder", drafts, "uuid", draft));
	(void)json_object_set_new(b, "saveSent", json_true());
	copy[0] = '\0';
	for (int i = 0; i < 3; i++) {
		data = good(&d, "sendMail", b);
		ck_assert_str_eq(str(data, "state"), "sent");
		ck_assert_str_ne(str(data, "uuid"), "");
		if (i > 0)
			ck_assert_str_eq(str(data, "uuid"), copy);
		(void)snprintf(copy, sizeof(copy), "%s", str(data, "uuid"));
		json_decref(data);
		ck_assert_uint_eq(arrived("Sent once"), 1);
		ck_assert_uint_eq(at_ox("berta", SENT, "Sent once", NULL), 1);
	}
	ck_assert_int_eq(flags_at_ox(INBOX, "Answered one"), 32 | 1);
	ck_assert_int_eq(flags_at_ox(INBOX, "Forwarded one"), 32 | 256);
	ck_assert_uint_eq(at_ox("berta", DRAFTS, "Sent once", NULL), 0);
	berta(&sent, "sent", "Sent");
	ck_assert_str_eq(str(json_object_get(sent.have, copy), "subject"), "Sent once");
	json_decref(b);
	/* without a copy */
	b = sending("s2", plain("Sent bare", ""));
	(void)json_object_set_new(b, "saveSent", json_false());
	data = good(&d, "sendMail", b);
	ck_assert_str_eq(str(data, "state"), "sent");
	ck_assert_ptr_null(json_object_get(data, "uuid"));
	json_decref(data);
	data = good(&d, "sendMail", b);
	json_decref(data);
	json_decref(b);
	ck_assert_uint_eq(arrived("Sent bare"), 1);
	ck_assert_uint_eq(at_ox("berta", SENT, "Sent bare", NULL), 0);
}
END_TEST

/* OX sends and its answer is lost: the copy proves it. */
START_TEST(sent_without_answer)
{
	struct dev d;
	json_t *b, *data;

	berta(&d, "unanswered", NULL);
	b = sending("u1", plain("Unanswered", ""));
	(void)json_object_set_new(b, "saveSent", json_true());
	drop("new", true);
	ck_assert_str_eq(bad(&d, "sendMail", b, NULL), "busy");
	data = send_settled(&d, b);
	ck_assert_str_eq(str(data, "state"), "sent");
	ck_assert_str_ne(str(data, "uuid"), "");
	ck_assert_uint_eq(arrived("Unanswered"), 1);
	json_decref(b);
	json_decref(data);
}
END_TEST

/* No copy tells whether it was sent (_i: 0 it was, 1 it was not): it is not sent again until the user says so. */
START_TEST(not_known_whether_sent)
{
	struct dev d;
	char subject[40];
	json_t *b, *data;

	(void)snprintf(subject, sizeof(subject), "Unknown %d", _i);
	berta(&d, subject + 8, NULL);
	b = sending("k1", plain(subject, ""));
	(void)json_object_set_new(b, "saveSent", json_false());
	drop("new", _i == 0);
	ck_assert_str_eq(bad(&d, "sendMail", b, NULL), "busy");
	for (int i = 0; i < 3; i++) {
		data = send_settled(&d, b);
		ck_assert_str_eq(str(data, "state"), "unknown");
		json_decref(data);
	}
	ck_assert_uint_eq(arrived(subject), _i == 0);
	(void)json_object_set_new(b, "resend", json_true());
	for (int i = 0; i < 2; i++) {
		data = send_settled(&d, b);
		ck_assert_str_eq(str(data, "state"), "sent");
		json_decref(data);
	}
	ck_assert_uint_eq(arrived(subject), _i == 0 ? 2 : 1);
	json_decref(b);
}
END_TEST

START_TEST(refused_is_not_sent)
{
	struct dev d;
	char path[80];
	json_t *b, *data;

	berta(&d, "refused", NULL);
	b = sending("r1", base64("From: Somebody <x@example.org>\r\nTo: anton@example.com\r\nSubject: Spoofed\r\n\r\nx\r\n"));
	ck_assert_str_eq(bad(&d, "sendMail", b, path), "bad-request");
	ck_assert_str_eq(path, "raw");
	ck_assert_uint_eq(arrived("Spoofed"), 0);
	/* corrected, it goes under the same name: it surely was not sent */
	(void)json_object_set_new(b, "raw", plain("Corrected", ""));
	data = good(&d, "sendMail", b);
	ck_assert_str_eq(str(data, "state"), "sent");
	json_decref(data);
	json_decref(b);
	ck_assert_uint_eq(arrived("Corrected"), 1);
	/* sent, but OX could not keep the copy: an error that is none */
	faults("{\"match\":{\"module\":\"mail\",\"action\":\"new\",\"user\":\"berta\"},\"effect\":{\"error\":\"MSG-0043\",\"category\":13}}");
	b = sending("r2", plain("No copy", ""));
	for (int i = 0; i < 2; i++) {
		data = good(&d, "sendMail", b);
		ck_assert_str_eq(str(data, "state"), "sent");
		json_decref(data);
	}
	json_decref(b);
	ck_assert_uint_eq(arrived("No copy"), 0); /* the stand-in only says so; a second attempt would have arrived */
}
END_TEST

/* The request whose answer never comes. */
static void
send_and_die(const struct dev *d, const json_t *body)
{
	char sock[200], auth[128], *text = json_dumps(body, JSON_COMPACT);
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *c = curl_easy_init();

	(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", d->token);
	(void)snprintf(sock, sizeof(sock), "%s", w.server + strlen("unix:"));
	h = curl_slist_append(h, auth);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/usm-json/sendMail");
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, text);
	(void)curl_easy_perform(c);
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
	free(text);
}

/* usmd is killed while OX sends. */
START_TEST(killed_while_sending)
{
	struct dev d;
	json_t *b, *data;
	pid_t pid;

	berta(&d, "killed", NULL);
	faults("{\"match\":{\"module\":\"mail\",\"action\":\"new\",\"user\":\"berta\"},\"effect\":{\"delay_ms\":1000}}");
	b = sending("killed", plain("Killed", ""));
	(void)json_object_set_new(b, "saveSent", json_true());
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		send_and_die(&d, b);
		_exit(0);
	}
	for (int i = 0; i < 100; i++) { /* until OX is at it */
		char url[160], text[4000] = "";
		struct buf out;
		long status;

		buf_init(&out, sizeof(text));
		(void)snprintf(url, sizeof(url), "%s/control/faults", w.ox);
		http(url, NULL, NULL, &out, &status);
		(void)snprintf(text, sizeof(text), "%s", out.p != NULL ? out.p : "");
		buf_fini(&out);
		if (strstr(text, "\"hits\":1") != NULL || strstr(text, "\"hits\": 1") != NULL)
			break;
		sleep_ms(20);
	}
	world_usmd_kill(&w);
	(void)waitpid(pid, NULL, 0);
	world_usmd_start(&w);
	login(&d, "berta", "killed");
	data = send_settled(&d, b);
	ck_assert_str_eq(str(data, "state"), "sent");
	json_decref(data);
	json_decref(b);
	ck_assert_uint_eq(arrived("Killed"), 1);
	ck_assert_uint_eq(at_ox("berta", SENT, "Killed", NULL), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mail");
	TCase *t = tcase_create("wire"), *kills = tcase_create("kills");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, flags_of_two_sides, 0, 3);
	tcase_add_test(t, keywords_both_ways);
	tcase_add_test(t, keywords_answered);
	tcase_add_test(t, damaged_mails_are_kept);
	tcase_add_test(t, label_and_flag);
	tcase_add_test(t, label_after_a_lost_answer);
	tcase_add_test(t, deleted_mails_are_not_there);
	tcase_add_test(t, bodies_and_parts);
	tcase_add_loop_test(t, move_many_mails, 0, 3);
	tcase_add_test(t, move_contacts);
	tcase_add_loop_test(t, copy_mails_once, 0, 3);
	tcase_add_loop_test(t, deleted_as_the_device_says, 0, 6);
	tcase_add_test(t, regretted_import);
	tcase_add_loop_test(t, draft_is_replaced, 0, 4);
	tcase_add_test(t, sent_once);
	tcase_add_test(t, sent_without_answer);
	tcase_add_loop_test(t, not_known_whether_sent, 0, 2);
	tcase_add_test(t, refused_is_not_sent);
	tcase_add_checked_fixture(kills, world_up, world_down);
	tcase_add_checked_fixture(kills, NULL, forget_devices);
	tcase_set_timeout(kills, 60);
	tcase_add_test(kills, killed_while_sending);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, kills);
	return harness_main(suite);
}
