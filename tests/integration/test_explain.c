/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmctl explain: causes prepared one by one, each with devices of its own, and the word and sentence that come out.  One oxsim and one usmd for all.
 */
#include "usmctl.h"

#include <libpq-fe.h>

#include "usmd/engine.h"

#define BERTA_CONTACTS "42"
#define DORA_CONTACTS "62"
#define NOW "9007199254740992"
#define BERTA_ID 4
#define DORA_ID 6
/* folder | read << 7 | write << 14 | delete << 21, as OX has them */
#define OWNER_BITS 403710016
#define BITS_READ_ALL (1 | 2 << 7)
#define BITS_READ_OWN (2 | 1 << 7)
#define BITS_CREATE 2
#define DAY_MS INT64_C(86400000)

static const char *const settings[] = { "mail_past = 0", "heartbeat_min = 1s", "max_objects_per_folder = 40", "guard_delete_min = 3", "guard_delete_share = 10",
	"ox_write_max_time = 3s", "ox_timeout = 3s", NULL };

/* What a case leaves behind for the question. */
struct asked {
	char device[40];
	char option[2][16], value[2][120];
};

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
ask(struct asked *q, const char *device, const char *option, const char *value)
{
	size_t at = q->option[0][0] != '\0';

	(void)snprintf(q->device, sizeof(q->device), "%s", device);
	(void)snprintf(q->option[at], sizeof(q->option[at]), "%s", option);
	(void)snprintf(q->value[at], sizeof(q->value[at]), "%s", value);
}

static void
of_type(struct dev *d, const char *user, const char *device, const char *type)
{
	login(d, user, device);
	open_folder(d, str(d->defaults, type));
}

static const char *
make(struct dev *d, const char *id)
{
	static char uuid[40];
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s,s:s,s:s}", "clientId", id, "last_name", id, "display_name", id, "note", "text")), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	return uuid;
}

static void
config(struct dev *d, json_t *change)
{
	json_decref(good(d, "setConfig", change));
	json_decref(change);
}

/* A second device of berta makes the contact ID, or changes it. */
static const char *
made_by_other(const char *id)
{
	char name[64];
	struct dev d;

	(void)snprintf(name, sizeof(name), "%s-other", id);
	of_type(&d, "berta", name, "contact");
	return make(&d, id);
}

/* ---- the cases ---- */

static void
it_has_it(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-has", "contact");
	ask(q, "x-has", "--object", make(&d, "x-has"));
	(void)pull(&d);
}

static void
unconfirmed(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-unconf", "contact");
	(void)pull(&d);
	ask(q, "x-unconf", "--object", made_by_other("x-unconf"));
	json_decref(update(&d, request(&d, NULL, NULL, NULL)));
}

static void
to_be_sent(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-sent", "contact");
	(void)pull(&d);
	ask(q, "x-sent", "--object", made_by_other("x-sent"));
}

static void
logged_out(struct asked *q)
{
	struct dev d;
	json_t *none = json_object();

	of_type(&d, "berta", "x-out", "contact");
	(void)pull(&d);
	json_decref(good(&d, "logout", none));
	json_decref(none);
	ask(q, "x-out", "--object", made_by_other("x-out"));
}

static void
older(struct asked *q)
{
	struct dev d, other;
	const char *uuid;

	of_type(&other, "berta", "x-old-o", "contact");
	uuid = make(&other, "x-old");
	of_type(&d, "berta", "x-old", "contact");
	(void)pull(&d);
	json_decref(update(&other, request(&other, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "company", "new")), NULL)));
	ask(q, "x-old", "--object", uuid);
}

static void
never_synced(struct asked *q)
{
	struct dev d;

	login(&d, "berta", "x-never");
	ask(q, "x-never", "--object", made_by_other("x-never"));
}

static void
type_is_off(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-type", "contact");
	ask(q, "x-type", "--object", make(&d, "x-type"));
	config(&d, json_pack("{s:{s:{s:b}}}", "types", "contact", "sync", 0));
}

static void
folder_is_off(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-off", "contact");
	ask(q, "x-off", "--object", make(&d, "x-off"));
	config(&d, json_pack("{s:{s:s}}", "folders", d.folder, "off"));
}

static void
excluded_fields(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-excl", "contact");
	config(&d, json_pack("{s:{s:{s:[s]}}}", "types", "contact", "exclude", "note"));
	open_folder(&d, d.folder);
	ask(q, "x-excl", "--object", make(&d, "x-excl"));
	(void)pull(&d);
}

static void
headers_only(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-head", "contact");
	config(&d, json_pack("{s:{s:s}}", "folders", d.folder, "headers"));
	open_folder(&d, d.folder);
	ask(q, "x-head", "--object", made_by_other("x-head"));
	(void)pull(&d);
	(void)pull(&d);
}

static void
outside_window(struct asked *q)
{
	struct dev d;
	json_t *data;
	int64_t then = now_ms() / DAY_MS * DAY_MS - 300 * DAY_MS;

	of_type(&d, "berta", "x-window", "appointment");
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:I,s:I}", "clientId", "x-window", "title", "x-window", "start_date", (json_int_t)then, "end_date",
	    (json_int_t)(then + 3600000))), NULL, NULL));
	ask(q, "x-window", "--object", str(result(data, 0), "uuid"));
	json_decref(data);
	config(&d, json_pack("{s:{s:{s:i,s:i}}}", "window", "appointment", "pastDays", 100, "futureDays", 100));
}

static void
rejected(struct asked *q)
{
	struct dev d;
	const char *uuid;
	json_t *data;

	of_type(&d, "berta", "x-reject", "contact");
	uuid = make(&d, "x-reject");
	(void)pull(&d);
	data = update(&d, json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "folder", d.folder, "syncid", d.syncid, "rejected", "uuid", uuid, "reason", "the disk is full"));
	json_decref(data);
	ask(q, "x-reject", "--object", uuid);
}

static void
ox_fails(struct asked *q)
{
	struct dev d;
	char id[24] = "";
	json_t *b, *data;

	of_type(&d, "dora", "x-fails-1", "contact");
	(void)make(&d, "x-fails");
	ck_assert_uint_eq(ox_rows("dora", "contacts", DORA_CONTACTS, "1,502", "x-fails", id, sizeof(id)), 1);
	faults("[{\"match\":{\"module\":\"contacts\",\"action\":\"list\",\"user\":\"dora\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}},"
	    "{\"match\":{\"module\":\"contacts\",\"action\":\"updates\",\"user\":\"dora\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}}]");
	json_decref(ox_as("dora", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", DORA_CONTACTS, "id", id, "timestamp", NOW),
	    json_pack("{s:s}", "company", "never seen")));
	(void)pull(&d);
	login(&d, "dora", "x-fails");
	b = json_pack("{s:s,s:i}", "folder", str(d.defaults, "contact"), "limit", 1000);
	data = good(&d, "syncInit", b);
	json_decref(data);
	json_decref(b);
	ask(q, "x-fails", "--folder", DORA_CONTACTS);
	ask(q, "x-fails", "--id", id);
}

static void
deleted_by_device(struct asked *q)
{
	struct dev d;
	const char *uuid;

	of_type(&d, "berta", "x-del", "contact");
	uuid = make(&d, "x-del");
	(void)pull(&d);
	json_decref(update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)))));
	(void)pull(&d);
	ask(q, "x-del", "--object", uuid);
}

static void
deleted_untold(struct asked *q)
{
	struct dev d, other;
	const char *uuid;

	of_type(&other, "berta", "x-delu-o", "contact");
	uuid = make(&other, "x-delu");
	of_type(&d, "berta", "x-delu", "contact");
	(void)pull(&d);
	json_decref(update(&other, request(&other, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)))));
	ask(q, "x-delu", "--object", uuid);
}

static void
blocked(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-block", "contact");
	ask(q, "x-block", "--object", make(&d, "x-block"));
	(void)USMCTL("device", "block", "--device", "x-block");
}

static void
quarantined(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-quar", "contact");
	ask(q, "x-quar", "--object", make(&d, "x-quar"));
	(void)USMCTL("device", "quarantine", "--device", "x-quar");
}

static void
unknown_object(struct asked *q)
{
	struct dev d;

	login(&d, "berta", "x-unknown");
	ask(q, "x-unknown", "--object", "01234567-89ab-4def-8123-456789abcdef");
}

static void
unknown_create(struct asked *q)
{
	struct dev d;

	login(&d, "berta", "x-nocreate");
	ask(q, "x-nocreate", "--client-id", "never-made");
}

static void
create_in_doubt(struct asked *q)
{
	struct dev d;
	json_t *req;

	of_type(&d, "berta", "x-doubt", "contact");
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\",\"count\":1},\"effect\":{\"drop_before\":true}}");
	req = request(&d, one(json_pack("{s:s,s:s}", "clientId", "x-doubt", "last_name", "x-doubt")), NULL, NULL);
	json_decref(call(&d, "syncUpdate", req));
	json_decref(req);
	no_faults();
	ask(q, "x-doubt", "--client-id", "x-doubt");
}

static void
not_there(struct asked *q)
{
	struct dev d;

	of_type(&d, "berta", "x-notthere", "contact");
	ask(q, "x-notthere", "--folder", BERTA_CONTACTS);
	ask(q, "x-notthere", "--id", "999999");
}

static void
conflict(struct asked *q)
{
	struct dev d, other;
	const char *uuid;

	of_type(&other, "berta", "x-conf-o", "contact");
	uuid = make(&other, "x-conf");
	of_type(&d, "berta", "x-conf", "contact");
	(void)pull(&d);
	json_decref(update(&other, request(&other, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "company", "theirs")), NULL)));
	json_decref(update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "company", "mine")), NULL)));
	(void)pull(&d);
	ask(q, "x-conf", "--object", uuid);
}

static void
held_deletions(struct asked *q)
{
	struct dev d;
	json_t *list = json_array(), *gone = json_array(), *v;
	const char *uuid = "", *last = "";
	char id[16];

	of_type(&d, "dora", "x-held", "task");
	for (int i = 0; i < 8; i++) {
		(void)snprintf(id, sizeof(id), "x-held-%d", i);
		(void)json_array_append_new(list, json_pack("{s:s,s:s}", "clientId", id, "title", id));
	}
	json_decref(update(&d, request(&d, list, NULL, NULL)));
	open_folder(&d, d.folder);
	json_object_foreach(d.have, uuid, v) {
		(void)json_array_append_new(gone, json_pack("{s:s}", "uuid", uuid));
		last = uuid;
	}
	ask(q, "x-held", "--object", last);
	json_decref(update(&d, request(&d, NULL, NULL, gone)));
}

static void
folder_gone(struct asked *q)
{
	struct dev d;
	json_t *data;
	char folder[40];

	login(&d, "berta", "x-gone");
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s,s:s}", "clientId", "x-gone", "title", "x-gone", "module", "contacts", "parent", str(d.defaults, "contact"))),
	    NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(folder, sizeof(folder), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	json_decref(update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", folder)))));
	ask(q, "x-gone", "--object", folder);
}

static void
too_many(struct asked *q)
{
	struct dev d;
	json_t *list = json_array();
	char id[24];

	of_type(&d, "emil", "x-many-1", "contact");
	for (int i = 0; i < 50; i++) {
		(void)snprintf(id, sizeof(id), "many-%02d", i);
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "clientId", id, "last_name", id, "display_name", id));
	}
	json_decref(update(&d, request(&d, list, NULL, NULL)));
	of_type(&d, "emil", "x-many", "contact");
	ask(q, "x-many", "--title", "many-00");
}

static void
first_fill(struct asked *q)
{
	struct dev d;
	json_t *b, *data;
	const int64_t today = now_ms() / DAY_MS * DAY_MS;

	of_type(&d, "emil", "x-fill-1", "task");
	for (int i = 0; i < 6; i++) {
		char id[24];

		(void)snprintf(id, sizeof(id), "fill-%02d", i);
		data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:I}", "clientId", id, "title", id, "end_time", (json_int_t)(today + i * DAY_MS))), NULL, NULL));
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		json_decref(data);
	}
	login(&d, "emil", "x-fill");
	b = json_pack("{s:s,s:i}", "folder", str(d.defaults, "task"), "limit", 2);
	json_decref(good(&d, "syncInit", b));
	json_decref(b);
	ask(q, "x-fill", "--title", "fill-00");
}

/* A contact folder of dora's that berta may use with BITS; its id at OX. */
static void
permit(const char *id, int bits)
{
	json_decref(ox_as("dora", "folders", "update", json_pack("{s:s,s:s}", "id", id, "timestamp", NOW), json_pack("{s:{s:[{s:i,s:i,s:b},{s:i,s:i,s:b}]}}", "folder",
	    "permissions", "bits", OWNER_BITS, "entity", DORA_ID, "group", 0, "bits", bits, "entity", BERTA_ID, "group", 0)));
}

static void
shared(const char *title, int bits, char id[24])
{
	json_t *data = ox_as("dora", "folders", "new", json_pack("{s:s}", "folder_id", "1"), json_pack("{s:{s:s,s:s}}", "folder", "title", title, "module", "contacts"));

	(void)snprintf(id, 24, "%s", json_string_value(data));
	json_decref(data);
	permit(id, bits);
}

/* D works on the folder whose FIELD in the hierarchy is VALUE. */
static void
open_named(struct dev *d, const char *field, const char *value)
{
	const json_t *f;
	size_t n;

	open_folder(d, NULL);
	f = find(d, field, value, &n);
	ck_assert_msg(n == 1, "%zu folders have the %s %s", n, field, value);
	(void)snprintf(d->folder, sizeof(d->folder), "%s", str(f, "uuid"));
	open_folder(d, d->folder);
}

/* Its device's own folder with a contact in it, and then without the folder. */
static void
object_of_gone_folder(struct asked *q, const char *name)
{
	struct dev d;
	json_t *data;
	char folder[40], uuid[40];

	login(&d, "berta", name);
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s,s:s}", "clientId", "the-folder", "title", name, "module", "contacts", "parent",
	    str(d.defaults, "contact"))), NULL, NULL));
	(void)snprintf(folder, sizeof(folder), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	open_folder(&d, folder);
	(void)snprintf(uuid, sizeof(uuid), "%s", make(&d, name));
	open_folder(&d, NULL);
	json_decref(update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", folder)))));
	ask(q, name, "--object", uuid);
}

static void
object_in_gone_folder(struct asked *q)
{
	object_of_gone_folder(q, "x-infolder");
}

/* The same twelve weeks later: what is known of the folder's end has expired, too. */
static void
folder_unknown(struct asked *q)
{
	char info[512];
	PGconn *pg;
	PGresult *r;

	object_of_gone_folder(q, "x-nofolder");
	(void)snprintf(info, sizeof(info), "%s dbname=usmd_world", harness_env("USMD_TEST_PG"));
	pg = PQconnectdb(info);
	r = PQexec(pg, "DELETE FROM usmd.pim_row WHERE dead AND folder IN (SELECT id FROM usmd.folder WHERE ct = 0)");
	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s", PQerrorMessage(pg));
	PQclear(r);
	PQfinish(pg);
}

/* The right to read is taken away, that to see the folder and to put something into it is not. */
static void
may_not_read(struct asked *q)
{
	struct dev d, own;
	char id[24];

	shared("x-noread", BITS_READ_ALL, id);
	of_type(&own, "dora", "x-noread-o", "contact");
	open_named(&own, "title", "x-noread");
	ask(q, "x-noread", "--object", make(&own, "x-noread"));
	login(&d, "berta", "x-noread");
	open_named(&d, "title", "x-noread");
	ck_assert_uint_eq(json_object_size(d.have), 1);
	permit(id, BITS_CREATE);
	open_folder(&d, NULL);
}

static void
own_only(struct asked *q)
{
	struct dev d, own;
	char id[24], object[24] = "";

	shared("x-ownonly", BITS_READ_OWN, id);
	of_type(&own, "dora", "x-ownonly-o", "contact");
	open_named(&own, "title", "x-ownonly");
	(void)make(&own, "x-ownonly");
	ck_assert_uint_eq(ox_rows("dora", "contacts", id, "1,502", "x-ownonly", object, sizeof(object)), 1);
	login(&d, "berta", "x-ownonly");
	open_named(&d, "title", "x-ownonly");
	ck_assert_uint_eq(json_object_size(d.have), 0);
	ask(q, "x-ownonly", "--folder", id);
	ask(q, "x-ownonly", "--id", object);
}

static void
never_read(struct asked *q)
{
	struct dev d;
	char id[24], object[24] = "";
	json_t *b;

	shared("x-noread-yet", BITS_READ_ALL, id);
	json_decref(ox_as("dora", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", id, "last_name", "x-unread")));
	ck_assert_uint_eq(ox_rows("dora", "contacts", id, "1,502", "x-unread", object, sizeof(object)), 1);
	login(&d, "berta", "x-unread");
	open_folder(&d, NULL);
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(find(&d, "title", "x-noread-yet", NULL), "uuid"));
	faults("{\"match\":{\"module\":\"contacts\",\"user\":\"berta\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}}");
	b = folder_body(&d);
	json_decref(call(&d, "syncInit", b));
	json_decref(b);
	no_faults();
	ask(q, "x-unread", "--folder", id);
	ask(q, "x-unread", "--id", object);
}

static void
fill_mail(const char *folder, unsigned count, unsigned first)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "{\"user\":\"berta\",\"folder\":\"%s\",\"count\":%u,\"first\":%u}", folder, count, first);
	world_control(&w, "fill", text, NULL, 0);
}

/* A mail folder of berta's with MAILS mails, open at D. */
static void
mail_folder(struct dev *d, const char *device, const char *title, unsigned mails, unsigned first)
{
	char folder[60];
	json_t *data;

	login(d, "berta", device);
	open_folder(d, NULL);
	data = update(d, request(d, one(json_pack("{s:s,s:s,s:s}", "clientId", device, "title", title, "module", "mail")), NULL, NULL));
	(void)snprintf(d->folder, sizeof(d->folder), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)snprintf(folder, sizeof(folder), "default0/%s", title);
	fill_mail(folder, mails, first);
	open_folder(d, d->folder);
	ck_assert_uint_eq(json_object_size(d->have), mails);
}

static const char *
any_uuid(const struct dev *d)
{
	return json_object_iter_key(json_object_iter(d->have));
}

static void
marked_deleted(struct asked *q)
{
	struct dev d;
	json_t *rows;
	char id[24];

	mail_folder(&d, "x-marked", "Marked", 1, 701);
	ask(q, "x-marked", "--object", any_uuid(&d));
	rows = ox_as("berta", "mail", "all", json_pack("{s:s,s:s}", "folder", "default0/Marked", "columns", "600"), NULL);
	(void)snprintf(id, sizeof(id), "%s", json_string_value(json_array_get(json_array_get(rows, 0), 0)));
	json_decref(rows);
	json_decref(ox_as("berta", "mail", "update", json_pack("{s:s,s:s}", "folder", "default0/Marked", "id", id), json_pack("{s:i}", "set_flags", 2)));
	(void)pull(&d);
}

/* The folder is made anew with other mails, and another device has seen that. */
static void
must_reconcile(struct asked *q)
{
	struct dev d, other;

	mail_folder(&d, "x-anew", "Anew", 2, 801);
	json_decref(ox_as("berta", "folders", "delete", json_pack("{s:s}", "timestamp", NOW), json_pack("[s]", "default0/Anew")));
	fill_mail("default0/Anew", 1, 901);
	login(&other, "berta", "x-anew-other");
	open_folder(&other, d.folder);
	ck_assert_uint_eq(json_object_size(other.have), 1);
	ask(q, "x-anew", "--object", any_uuid(&other));
}

static void
write_in_doubt(struct asked *q)
{
	struct dev d;
	const char *uuid;
	json_t *req;

	of_type(&d, "berta", "x-wdoubt", "contact");
	uuid = make(&d, "x-wdoubt");
	(void)pull(&d);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"update\",\"user\":\"berta\",\"count\":1},\"effect\":{\"drop_before\":true}}");
	req = request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "company", "in doubt")), NULL);
	json_decref(call(&d, "syncUpdate", req));
	json_decref(req);
	no_faults();
	ask(q, "x-wdoubt", "--object", uuid);
}

static void
skipped(struct asked *q)
{
	struct dev d;
	char id[24] = "";

	of_type(&d, "berta", "x-skip", "contact");
	ask(q, "x-skip", "--object", make(&d, "x-skip"));
	(void)pull(&d);
	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,502", "x-skip", id, sizeof(id)), 1);
	(void)USMCTL("aside", "--skip", "--device", "x-skip", "--folder", BERTA_CONTACTS, "--object", id);
}

static const struct {
	const char *cause;
	void (*prepare)(struct asked *);
	const char *says; /* in the sentence */
} cases[] = {
	{ "has-it", it_has_it, "has it" },
	{ "unconfirmed", unconfirmed, "not confirmed" },
	{ "to-be-sent", to_be_sent, "still to be sent" },
	{ "not-logged-in", logged_out, "not logged in" },
	{ "older-version", older, "older version" },
	{ "never-synced", never_synced, "never synchronised" },
	{ "type-off", type_is_off, "type contact" },
	{ "folder-off", folder_is_off, "mode there is off" },
	{ "fields-hidden", excluded_fields, "excluded fields" },
	{ "fields-hidden", headers_only, "headers" },
	{ "outside-window", outside_window, "outside the time" },
	{ "rejected-by-device", rejected, "the disk is full" },
	{ "ox-fails", ox_fails, "cannot deliver" },
	{ "deleted", deleted_by_device, "by the device x-del" },
	{ "deletion-untold", deleted_untold, "by the device x-delu-o" },
	{ "device-blocked", blocked, "blocked since" },
	{ "device-quarantined", quarantined, "quarantined since" },
	{ "object-unknown", unknown_object, "no folder" },
	{ "create-unknown", unknown_create, "never sent" },
	{ "create-in-doubt", create_in_doubt, "in doubt" },
	{ "not-there", not_there, "did not show it" },
	{ "conflict", conflict, "open conflict" },
	{ "deletions-held", held_deletions, "held" },
	{ "deleted", folder_gone, "deleted" },
	{ "too-many-objects", too_many, "max_objects_per_folder = 40" },
	{ "first-fill", first_fill, "first time" },
	{ "folder-gone", object_in_gone_folder, "does not see the folder" },
	{ "folder-unknown", folder_unknown, "is not among the user's folders" },
	{ "no-permission", may_not_read, "may not read the folder" },
	{ "own-objects-only", own_only, "only his own objects" },
	{ "never-read", never_read, "No device has read the folder" },
	{ "marked-deleted", marked_deleted, "marked as deleted" },
	{ "must-reconcile", must_reconcile, "made anew" },
	{ "write-in-doubt", write_in_doubt, "whether the groupware server took the change" },
	{ "rejected-by-device", skipped, "by an administrator" },
};

/* One sentence, with what to do at its end. */
static void
is_a_sentence(const char *text, const char *remedy)
{
	size_t n = strlen(text), m = strlen(remedy);

	ck_assert_msg(m > 10 && n > m + 3 && strncmp(text + n - m - 3, "; ", 2) == 0 && strncmp(text + n - m - 1, remedy, m) == 0 && text[n - 1] == '.', "%s", text);
	ck_assert_msg(strstr(text, ". ") == NULL && text[0] >= 'A' && text[0] <= 'Z' && strchr(text, '\n') == NULL, "not one sentence: %s", text);
}

START_TEST(every_cause)
{
	struct asked q = { .device = "" };
	json_t *root;
	const json_t *x;
	const char *text;

	cases[_i].prepare(&q);
	if (q.option[1][0] != '\0')
		text = USMCTL("explain", "--json", "--device", q.device, q.option[0], q.value[0], q.option[1], q.value[1]);
	else
		text = USMCTL("explain", "--json", "--device", q.device, q.option[0], q.value[0]);
	no_faults();
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json_array_size(root) == 1, "%s: %s", cases[_i].cause, text);
	x = json_array_get(root, 0);
	ck_assert_msg(strcmp(str(x, "cause"), cases[_i].cause) == 0, "%s is wanted: %s", cases[_i].cause, text);
	ck_assert_msg(strstr(str(x, "text"), cases[_i].says) != NULL, "\"%s\" is wanted: %s", cases[_i].says, text);
	is_a_sentence(str(x, "text"), str(x, "remedy"));
	(void)printf("%s: %s\n", cases[_i].cause, str(x, "text"));
	ck_assert_str_eq(str(json_object_get(x, "details"), "cause"), cases[_i].cause);
	ck_assert_str_eq(str(json_object_get(json_object_get(x, "details"), "device"), "name"), q.device);
	json_decref(root);
	/* for people: the sentence first */
	if (q.option[1][0] == '\0')
		ck_assert_ptr_nonnull(strstr(USMCTL("explain", "--device", q.device, q.option[0], q.value[0]), cases[_i].says));
}
END_TEST

/* Each cause that there is has a case here and a word in the manual. */
START_TEST(all_causes)
{
	static char man[100000];
	FILE *f = fopen("man/usmctl.8", "r");
	const char *cause, *list, *end;
	char roff[60];

	ck_assert_ptr_nonnull(f);
	man[fread(man, 1, sizeof(man) - 1, f)] = '\0';
	(void)fclose(f);
	list = strstr(man, "The first of these causes that holds is told");
	end = list != NULL ? strstr(list, ".RE\n") : NULL;
	ck_assert_ptr_nonnull(end);
	*(char *)(uintptr_t)end = '\0';
	for (size_t i = 0; (cause = engine_explain_cause(i)) != NULL; i++) {
		size_t n = 0, k = 0;

		for (size_t c = 0; c < ARRAY_LEN(cases); c++)
			n += strcmp(cases[c].cause, cause) == 0;
		ck_assert_msg(n > 0, "%s has no case", cause);
		for (const char *p = cause; *p != '\0'; p++) {
			if (*p == '-')
				roff[k++] = '\\';
			roff[k++] = *p;
		}
		roff[k] = '\0';
		ck_assert_msg(strstr(list, roff) != NULL, "%s is not in usmctl(8)", cause);
	}
}
END_TEST

/* A device of two users is not guessed; what is not named, or not known, is said. */
START_TEST(bad_questions)
{
	struct dev d;
	int code;

	login(&d, "berta", "x-twice");
	login(&d, "dora", "x-twice");
	(void)usmctl((const char *const[]){ "explain", "--device", "x-twice", "--title", "x", NULL }, &code);
	ck_assert_int_eq(code, 1);
	ck_assert_ptr_nonnull(strstr(usmctl((const char *const[]){ "explain", "--device", "x-twice", NULL }, &code), "--user"));
	ck_assert_int_eq(code, 1);
	ck_assert_ptr_nonnull(strstr(usmctl((const char *const[]){ "explain", "--device", "x-none", "--title", "x", NULL }, &code), "no device"));
	ck_assert_int_eq(code, 1);
	(void)usmctl((const char *const[]){ "explain", "--title", "x", NULL }, &code);
	ck_assert_int_eq(code, 2);
	login(&d, "berta", "x-once");
	ck_assert_ptr_nonnull(strstr(usmctl((const char *const[]){ "explain", "--device", "x-once", "--object", "nonsense", NULL }, &code), "no uuid"));
	ck_assert_int_eq(code, 1);
	ck_assert_ptr_nonnull(strstr(usmctl((const char *const[]){ "explain", "--device", "x-once", "--title", "there is none", NULL }, &code), "exactly this title"));
	ck_assert_int_eq(code, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("explain");
	TCase *t = tcase_create("causes");

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_loop_test(t, every_cause, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(t, bad_questions);
	tcase_add_test(t, all_causes);
	suite_add_tcase(s, t);
	return harness_main(s);
}
