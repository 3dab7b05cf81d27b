/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The sync rules as a client of usm-json meets them, with exact control of what is sent, repeated, dropped and refused: nothing is
 * doubled, nothing is lost, nobody else's object is touched.  One oxsim and one usmd for all; each test has its own names.
 */
#include "wire.h"

#include <sys/wait.h>
#include <unistd.h>

#define BERTA_CONTACTS "42"
#define DORA_CONTACTS "62"
#define ANTON_CONTACTS "32"
#define NAME "1,502" /* columns id, last_name */
#define NOW "9007199254740992" /* timestamp of a write that nothing is newer than */
#define INBOX "default0/INBOX"

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 3s",
	"ping_poll_interval = 1s", "heartbeat_min = 1s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static json_t *
contact(const char *id, const char *name)
{
	return json_pack("{s:s,s:s,s:s}", "clientId", id, "last_name", name, "first_name", "first");
}

/* A device with berta's contacts. */
static void
berta(struct dev *d, const char *device)
{
	login(d, "berta", device);
	open_folder(d, str(d->defaults, "contact"));
}

/* Makes contact NAME through D; its uuid into UUID. */
static void
make(struct dev *d, const char *name, char uuid[40])
{
	char id[65];
	json_t *sent, *data;

	(void)snprintf(id, sizeof(id), "%s", name);
	for (char *s = id; *s != '\0'; s++)
		*s = *s == ' ' ? '-' : *s;
	sent = contact(id, name);
	data = update(d, request(d, one(json_deep_copy(sent)), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	/* the answer holds what the server made different, the rest is as sent */
	if (json_object_get(d->have, uuid) == NULL)
		(void)json_object_set_new(d->have, uuid, json_object());
	(void)json_object_update_missing(json_object_get(d->have, uuid), sent);
	json_decref(sent);
	json_decref(data);
	(void)pull(d);
}

static size_t
at_ox(const char *name)
{
	return ox_rows("berta", "contacts", BERTA_CONTACTS, NAME, name, NULL, 0);
}

/* Somebody else sets FIELD of berta's contact NAME. */
static void
ox_edit(const char *name, const char *field, const char *value)
{
	char id[24] = "";

	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, NAME, name, id, sizeof(id)), 1);
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", BERTA_CONTACTS, "id", id, "timestamp", NOW),
	    json_pack("{s:s}", field, value)));
}

static void
ox_delete(const char *name)
{
	char id[24] = "";

	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, NAME, name, id, sizeof(id)), 1);
	json_decref(ox_as("berta", "contacts", "delete", json_pack("{s:s}", "timestamp", NOW), one(json_pack("{s:s,s:s}", "id", id, "folder", BERTA_CONTACTS))));
}

static void
ox_has(const char *name, const char *column, const char *value)
{
	json_t *rows = ox_as("berta", "contacts", "all", json_pack("{s:s,s:s}", "folder", BERTA_CONTACTS, "columns", column), NULL), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (json_is_string(json_array_get(row, 0)) && strcmp(json_string_value(json_array_get(row, 0)), name) == 0) {
			ck_assert_msg(json_is_string(json_array_get(row, 1)) && strcmp(json_string_value(json_array_get(row, 1)), value) == 0,
			    "%s has '%s', not '%s'", name, json_string_value(json_array_get(row, 1)), value);
			json_decref(rows);
			return;
		}
	ck_abort_msg("%s is not there", name);
}
#define NOTE "502,518"
#define COMPANY "502,569"

static json_t *
modify(const char *uuid, const char *field, const char *value)
{
	return json_pack("{s:s,s:s}", "uuid", uuid, field, value);
}

static json_t *
with_policy(json_t *req, const char *policy)
{
	(void)json_object_set_new(req, "conflictResolution", json_string(policy));
	(void)json_object_set_new(req, "deleteResolution", json_string(policy));
	return req;
}

/* The first result's status of REQ, whose answer is applied. */
static const char *
status_of_update(struct dev *d, json_t *req)
{
	static char st[32];
	json_t *data = update(d, req);

	(void)snprintf(st, sizeof(st), "%s", str(result(data, 0), "status"));
	json_decref(data);
	return st;
}

/* The same changes again, with a new number, until the answer is not `retry`: OX's maximal request time has to pass. */
static json_t *
until_settled(struct dev *d, const json_t *req)
{
	for (int i = 0; i < 200; i++) {
		json_t *again = json_deep_copy(req), *data;

		(void)json_object_set_new(again, "request", json_integer(++d->k));
		data = good(d, "syncUpdate", again);
		json_decref(again);
		if (strcmp(str(result(data, 0), "status"), "retry") != 0) {
			apply(d, data);
			return data;
		}
		json_decref(data);
		sleep_ms(50);
	}
	ck_abort_msg("retry for ever");
	return NULL;
}

/* ---- repetitions ---- */

START_TEST(repeated_create)
{
	struct dev d;
	char uuid[40] = "";
	json_t *req, *data = NULL;
	size_t n;

	berta(&d, "repeat-1");
	req = request(&d, one(contact("c1", "Repeated")), NULL, NULL);
	for (int i = 0; i < 5; i++) {
		data = good(&d, "syncUpdate", req);
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		if (i == 0)
			(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
		ck_assert_str_eq(str(result(data, 0), "uuid"), uuid);
		if (i < 4)
			json_decref(data);
	}
	apply(&d, data);
	json_decref(data);
	json_decref(req);
	(void)pull(&d);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_uint_eq(at_ox("Repeated"), 1);
	open_folder(&d, d.folder);
	ck_assert_str_eq(str(find(&d, "last_name", "Repeated", NULL), "clientId"), "c1"); /* its own object (F16) */
	berta(&d, "repeat-2");
	(void)find(&d, "last_name", "Repeated", &n);
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(repeated_modify_and_delete)
{
	struct dev d;
	char uuid[40];
	json_t *req, *data;

	berta(&d, "repeat-3");
	make(&d, "Modified", uuid);
	req = request(&d, NULL, one(modify(uuid, "note", "mine")), NULL);
	json_decref(good(&d, "syncUpdate", req)); /* its answer is lost */
	ox_edit("Modified", "note", "theirs");
	for (int i = 0; i < 3; i++) {
		data = good(&d, "syncUpdate", req);
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		json_decref(data);
		ox_has("Modified", NOTE, "theirs"); /* a repeat overwrites nothing newer (F5) */
	}
	data = update(&d, req);
	json_decref(data);
	(void)pull(&d);
	ck_assert_str_eq(str(find(&d, "last_name", "Modified", NULL), "note"), "theirs");
	req = request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)));
	for (int i = 0; i < 3; i++) {
		data = good(&d, "syncUpdate", req);
		ck_assert_str_eq(str(result(data, 0), "status"), "gone");
		json_decref(data);
	}
	json_decref(update(&d, req));
	ck_assert_uint_eq(at_ox("Modified"), 0);
	ck_assert_uint_eq(pull(&d), 0);
}
END_TEST

START_TEST(outdated_number)
{
	struct dev d;
	char uuid[40];
	json_t *old, *new;

	berta(&d, "outdated");
	make(&d, "Outdated", uuid);
	old = request(&d, NULL, one(modify(uuid, "note", "older")), NULL);
	new = request(&d, NULL, one(modify(uuid, "note", "newer")), NULL);
	json_decref(good(&d, "syncUpdate", new));
	ck_assert_str_eq(bad(&d, "syncUpdate", old, NULL), "outdated-request"); /* it came late (F6) */
	ox_has("Outdated", NOTE, "newer");
	json_decref(old);
	json_decref(new);
}
END_TEST

START_TEST(reconcile_differences)
{
	struct dev d, other;
	char stays[40], changes[40], goes[40];
	const char *uuid;
	json_t *b, *v, *data, *pairs = json_array();

	berta(&d, "reconcile-1");
	make(&d, "Stays", stays);
	make(&d, "Changes", changes);
	make(&d, "Goes", goes);
	(void)snprintf(d.syncid, sizeof(d.syncid), "00112233445566778899aabbccddeeff");
	b = request(&d, NULL, NULL, NULL);
	ck_assert_str_eq(bad(&d, "syncUpdate", b, NULL), "reconcile");
	json_decref(b);
	ox_edit("Changes", "note", "edited");
	ox_delete("Goes");
	berta(&other, "reconcile-2");
	make(&other, "Comes", stays);
	json_object_foreach(d.have, uuid, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
	b = folder_body(&d);
	(void)json_object_set_new(b, "pairs", pairs);
	data = good(&d, "reconcile", b);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), 1);
	apply(&d, data);
	ck_assert_ptr_null(find(&d, "last_name", "Goes", NULL));
	ck_assert_ptr_nonnull(find(&d, "last_name", "Comes", NULL));
	ck_assert_str_eq(str(find(&d, "last_name", "Changes", NULL), "note"), "edited");
	ck_assert_uint_eq(pull(&d), 0);
	json_decref(b);
	json_decref(data);
}
END_TEST

/* ---- conflicts ---- */

START_TEST(conflict_policies)
{
	static const struct { const char *policy, *status, *wins; } t[] = {
		{ "server", "ok", "theirs" }, { "client", "ok", "mine" }, { "error", "conflict", "theirs" },
	};
	struct dev d;
	char uuid[40], name[40];

	(void)snprintf(name, sizeof(name), "Policy %s", t[_i].policy);
	berta(&d, t[_i].policy);
	make(&d, name, uuid);
	ox_edit(name, "note", "theirs");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(modify(uuid, "note", "mine")), NULL), t[_i].policy)), t[_i].status);
	ox_has(name, NOTE, t[_i].wins);
	(void)pull(&d);
	if (strcmp(t[_i].wins, "theirs") == 0)
		ck_assert_str_eq(str(find(&d, "last_name", name, NULL), "note"), "theirs");
	/* different fields are no conflict under any policy */
	ox_edit(name, "company", "Theirs Ltd");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(modify(uuid, "note", "both")), NULL), t[_i].policy)), "ok");
	ox_has(name, NOTE, "both");
	ox_has(name, COMPANY, "Theirs Ltd");
}
END_TEST

START_TEST(delete_versus_change)
{
	struct dev d;
	char uuid[40];

	berta(&d, "delete-change");
	make(&d, "Refused", uuid);
	ox_edit("Refused", "note", "unseen");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))), "server")), "refused");
	ck_assert_str_eq(str(find(&d, "last_name", "Refused", NULL), "note"), "unseen"); /* it came back whole */
	make(&d, "Wins", uuid);
	ox_edit("Wins", "note", "unseen");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))), "client")), "gone");
	ck_assert_uint_eq(at_ox("Wins"), 0);
	/* changed here, deleted there */
	make(&d, "Lost", uuid);
	ox_delete("Lost");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(modify(uuid, "note", "mine")), NULL), "server")), "gone");
	ck_assert_ptr_null(find(&d, "last_name", "Lost", NULL));
	make(&d, "Again", uuid);
	ox_delete("Again");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(modify(uuid, "note", "mine")), NULL), "client")), "recreate");
}
END_TEST

START_TEST(blind_is_a_conflict)
{
	struct dev d;
	char uuid[40];
	json_t *m;

	berta(&d, "blind");
	make(&d, "Blind", uuid);
	ox_edit("Blind", "note", "theirs");
	(void)pull(&d);
	m = modify(uuid, "note", "typed before it was shown");
	(void)json_object_set_new(m, "blind", json_pack("[s]", "note"));
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(m), NULL), "server")), "ok");
	ox_has("Blind", NOTE, "theirs");
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(modify(uuid, "note", "seen")), NULL), "server")), "ok");
	ox_has("Blind", NOTE, "seen");
}
END_TEST

/* A modification may carry the clientId of an object that is answered long since: it stays a modification of its uuid. */
START_TEST(modify_with_client_id)
{
	struct dev d;
	char uuid[40];
	json_t *m;

	berta(&d, "both-names");
	make(&d, "Named", uuid);
	m = modify(uuid, "note", "mine");
	(void)json_object_set_new(m, "clientId", json_string("Named"));
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(m), NULL), "server")), "ok");
	ox_has("Named", NOTE, "mine");
	m = modify(uuid, "note", "mine again");
	(void)json_object_set_new(m, "clientId", json_string("never-heard-of"));
	ck_assert_str_eq(status_of_update(&d, with_policy(request(&d, NULL, one(m), NULL), "server")), "ok");
	ox_has("Named", NOTE, "mine again");
	ck_assert_uint_eq(at_ox("Named"), 1);
}
END_TEST

/* ---- OX fails ---- */

static const char *const drops[] = { "drop_after", "drop_before" };

START_TEST(create_without_answer)
{
	struct dev d;
	char rule[200], name[40];
	json_t *req, *data;

	(void)snprintf(name, sizeof(name), "Dropped %s", drops[_i]);
	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\"},\"effect\":{\"%s\":true}}", drops[_i]);
	berta(&d, drops[_i]);
	faults(rule);
	req = request(&d, one(contact("lost", name)), NULL, NULL);
	data = good(&d, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "status"), "retry");
	ck_assert_uint_eq(at_ox(name), _i == 0);
	json_decref(data);
	(void)json_object_set_new(json_array_get(json_object_get(req, "created"), 0), "again", json_true());
	data = until_settled(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_uint_eq(at_ox(name), 1);
	(void)pull(&d);
	ck_assert_uint_eq(at_ox(name), 1);
	json_decref(req);
	json_decref(data);
}
END_TEST

START_TEST(unanswered_create_deleted)
{
	struct dev d;
	json_t *req, *data;

	berta(&d, "regret");
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\"},\"effect\":{\"drop_after\":true}}");
	ck_assert_str_eq(status_of_update(&d, request(&d, one(contact("regret", "Regretted")), NULL, NULL)), "retry");
	req = request(&d, NULL, NULL, one(json_pack("{s:s}", "clientId", "regret")));
	data = until_settled(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	ck_assert_uint_eq(at_ox("Regretted"), 0);
	(void)pull(&d);
	ck_assert_ptr_null(find(&d, "last_name", "Regretted", NULL));
	json_decref(req);
	json_decref(data);
}
END_TEST

/* OX fails on one object: the others of the request are carried out, and the failure is told with the object. */
START_TEST(one_poisoned_write)
{
	struct dev d;
	char a[40], b[40];
	json_t *list, *data;

	berta(&d, "poison-write");
	make(&d, "Poisoned", a);
	make(&d, "Healthy", b);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"update\",\"user\":\"berta\"},\"effect\":{\"error\":\"CON-0100\",\"category\":8}}");
	list = one(modify(a, "note", "fails"));
	(void)json_array_append_new(list, modify(b, "note", "works"));
	data = update(&d, request(&d, NULL, list, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	ck_assert_str_eq(str(result(data, 1), "status"), "ok");
	ox_has("Healthy", NOTE, "works");
	json_decref(data);
}
END_TEST

/* `updates` fails as long as one object in its interval does: the listing shows what changed. */
START_TEST(poisoned_updates)
{
	struct dev d;
	char uuid[40];

	berta(&d, "poison-read");
	make(&d, "Readable", uuid);
	ox_edit("Readable", "note", "by listing");
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"updates\",\"user\":\"berta\",\"count\":1},\"effect\":{\"error\":\"CON-0100\",\"category\":8}}");
	(void)pull(&d);
	ck_assert_str_eq(str(find(&d, "last_name", "Readable", NULL), "note"), "by listing");
}
END_TEST

/* What OX cannot show is not there for a while, and neither deleted nor forgotten: it comes when OX can show it again. */
START_TEST(broken_object_comes_later)
{
	struct dev a, b;
	char to[40], uuid[40];
	const char *key;
	json_t *data, *req, *pairs = json_array(), *v;

	login(&a, "berta", "broken-1");
	open_folder(&a, NULL);
	data = update(&a, request(&a, one(json_pack("{s:s,s:s,s:s}", "clientId", "b", "title", "Broken", "module", "contacts")), NULL, NULL));
	(void)snprintf(to, sizeof(to), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	open_folder(&a, to);
	make(&a, "Unshown", uuid);
	login(&b, "berta", "broken-2");
	faults("[{\"match\":{\"module\":\"contacts\",\"action\":\"list\",\"user\":\"berta\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}},"
	    "{\"match\":{\"module\":\"contacts\",\"action\":\"updates\",\"user\":\"berta\",\"count\":1000},\"effect\":{\"error\":\"SVL-0001\",\"category\":8}}]");
	open_folder(&b, to);
	ck_assert_uint_eq(json_object_size(b.have), 0);
	/* who has it keeps it, and no page is filled by it for ever */
	json_object_foreach(a.have, key, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", key, str(v, "rev")));
	req = folder_body(&a);
	(void)json_object_set_new(req, "pairs", pairs);
	(void)json_object_set_new(req, "limit", json_integer(1));
	data = good(&a, "reconcile", req);
	ck_assert(json_is_false(json_object_get(data, "more")));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), 0);
	json_decref(req);
	json_decref(data);
	no_faults();
	(void)pull(&b);
	ck_assert_str_eq(str(find(&b, "last_name", "Unshown", NULL), "uuid"), uuid);
	ck_assert_str_eq(str(find(&b, "last_name", "Unshown", NULL), "first_name"), "first");
}
END_TEST

/* a read is repeated once by itself where that can help */
static const struct { const char *effect, *code; int count; } failures[] = {
	{ "{\"truncate_json\":true}", "", 2 }, { "{\"http_status\":503}", "upstream", 2 }, { "{\"delay_ms\":300}", "", 1 }, { "{\"expire_session\":true}", "", 1 },
};

START_TEST(upstream_failures)
{
	struct dev d;
	char uuid[40], rule[200], name[40];
	json_t *b, *root;
	const char *code;

	(void)snprintf(name, sizeof(name), "Failure %d", _i);
	berta(&d, "failures");
	make(&d, name, uuid);
	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"contacts\",\"action\":\"updates\",\"user\":\"berta\",\"count\":%d},\"effect\":%s}", failures[_i].count,
	    failures[_i].effect);
	ox_edit(name, "note", "meanwhile");
	faults(rule);
	b = request(&d, NULL, NULL, NULL);
	root = call(&d, "syncUpdate", b);
	code = str(json_object_get(root, "error"), "code");
	if (failures[_i].code[0] == '\0')
		ck_assert_msg(json_object_get(root, "data") != NULL, "%s", code);
	else
		ck_assert_msg(strncmp(code, failures[_i].code, strlen(failures[_i].code)) == 0, "'%s'", code);
	json_decref(root);
	json_decref(b);
	b = request(&d, NULL, NULL, NULL); /* uses up what is left of the rule */
	json_decref(call(&d, "syncUpdate", b));
	json_decref(b);
	(void)pull(&d);
	ck_assert_str_eq(str(find(&d, "last_name", name, NULL), "note"), "meanwhile");
}
END_TEST

/* How often OX was asked for ACTION ("contacts/all"). */
static long
asked(const char *action)
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

/* OX's `updates` of contacts fails while only deletions lie in the interval: one listing helps, not one with every sync. */
START_TEST(only_deletions_of_contacts)
{
	struct dev d;
	json_t *rows;
	char id[24];
	long before;

	login(&d, "dora", "deletions");
	open_folder(&d, str(d.defaults, "contact"));
	json_decref(ox_as("dora", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", DORA_CONTACTS, "last_name", "Older")));
	world_control(&w, "clock", "{\"advance\":60000}", NULL, 0);
	json_decref(ox_as("dora", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", DORA_CONTACTS, "last_name", "Newest")));
	(void)pull(&d);
	ck_assert_uint_eq(ox_rows("dora", "contacts", DORA_CONTACTS, "1,502", "Newest", id, sizeof(id)), 1);
	rows = ox_as("dora", "contacts", "delete", json_pack("{s:s}", "timestamp", "9007199254740992"), json_pack("[{s:s,s:s}]", "id", id, "folder", DORA_CONTACTS));
	json_decref(rows);
	before = asked("contacts/all");
	for (int i = 0; i < 4; i++)
		(void)pull(&d);
	ck_assert_ptr_null(find(&d, "last_name", "Newest", NULL));
	ck_assert_ptr_nonnull(find(&d, "last_name", "Older", NULL));
	ck_assert_int_eq(asked("contacts/all") - before, 1);
	json_decref(ox_as("dora", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", DORA_CONTACTS, "last_name", "After")));
	(void)pull(&d);
	ck_assert_ptr_nonnull(find(&d, "last_name", "After", NULL));
	ck_assert_int_eq(asked("contacts/all") - before, 1);
}
END_TEST

/* ---- other people ---- */

START_TEST(others_are_out_of_reach)
{
	struct dev a, b;
	char uuid[40];
	json_t *req, *data;

	login(&a, "anton", "reach");
	open_folder(&a, str(a.defaults, "contact"));
	data = update(&a, request(&a, one(contact("x", "Antons")), NULL, NULL));
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	berta(&b, "reach");
	ck_assert_str_eq(status_of_update(&b, request(&b, NULL, one(modify(uuid, "note", "hers")), NULL)), "gone");
	ck_assert_str_eq(status_of_update(&b, request(&b, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)))), "gone");
	ck_assert_uint_eq(ox_rows("anton", "contacts", ANTON_CONTACTS, NAME, "Antons", NULL, 0), 1);
	ck_assert_uint_eq(pull(&a), 0);
	(void)snprintf(b.folder, sizeof(b.folder), "%s", a.folder);
	req = folder_body(&b);
	ck_assert_str_eq(bad(&b, "syncInit", req, NULL), "not-found");
	json_decref(req);
}
END_TEST

/* Two users share a folder and call their devices alike: each create is an object of its own. */
START_TEST(equal_names_in_a_shared_folder)
{
	struct dev a, b;
	const json_t *f = NULL;
	const char *uuid;
	json_t *v;

	json_decref(ox_as("anton", "folders", "update", json_pack("{s:s,s:s}", "id", ANTON_CONTACTS, "timestamp", NOW),
	    json_pack("{s:{s:[{s:i,s:i,s:b},{s:i,s:i,s:b}]}}", "folder", "permissions", "entity", 3, "bits", 403710016, "group", 0, "entity", 4, "bits", 4227332, "group", 0)));
	login(&a, "anton", "phone");
	open_folder(&a, str(a.defaults, "contact"));
	login(&b, "berta", "phone");
	open_folder(&b, NULL);
	json_object_foreach(b.have, uuid, v)
		if (strcmp(str(v, "module"), "contacts") == 0 && strcmp(str(v, "uuid"), str(b.defaults, "contact")) != 0 && strstr(str(v, "title"), "Contacts") != NULL)
			f = v;
	ck_assert_msg(f != NULL, "berta does not see anton's folder");
	open_folder(&b, str(f, "uuid"));
	ck_assert_str_eq(status_of_update(&a, request(&a, one(contact("1", "Of Anton")), NULL, NULL)), "ok");
	ck_assert_str_eq(status_of_update(&b, request(&b, one(contact("1", "Of Berta")), NULL, NULL)), "ok");
	ck_assert_uint_eq(ox_rows("anton", "contacts", ANTON_CONTACTS, NAME, "Of Anton", NULL, 0), 1);
	ck_assert_uint_eq(ox_rows("anton", "contacts", ANTON_CONTACTS, NAME, "Of Berta", NULL, 0), 1);
}
END_TEST

START_TEST(read_only_fields)
{
	struct dev d;
	char uuid[40];
	json_t *m, *data;

	berta(&d, "read-only");
	make(&d, "ReadOnly", uuid);
	m = json_pack("{s:s,s:i}", "uuid", uuid, "created_by", 5);
	data = update(&d, request(&d, NULL, one(m), NULL));
	ck_assert_str_eq(str(json_object_get(json_object_get(result(data, 0), "error"), "details"), "path"), "modified[0].created_by");
	json_decref(data);
}
END_TEST

/* ---- folders ---- */

START_TEST(folders_come_and_go)
{
	struct dev d;
	char uuid[40], other[40];
	json_t *data;

	login(&d, "berta", "folders");
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "f1", "title", "Club", "module", "contacts")), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	ck_assert_str_eq(status_of_update(&d, request(&d, NULL, one(modify(uuid, "title", "Society")), NULL)), "ok");
	login(&d, "berta", "folders-2");
	open_folder(&d, NULL);
	ck_assert_str_eq(str(find(&d, "title", "Society", NULL), "uuid"), uuid);
	/* a mail folder's id is its path: a new name is a new uuid, told at once */
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "f2", "title", "Letters", "module", "mail")), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(other, sizeof(other), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(&d);
	data = update(&d, request(&d, NULL, one(modify(other, "title", "Post")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_ptr_nonnull(find(&d, "title", "Post", NULL));
	ck_assert_str_eq(str(find(&d, "title", "Post", NULL), "uuid"), str(result(data, 0), "newUuid"));
	ck_assert_ptr_null(find(&d, "title", "Letters", NULL));
	json_decref(data);
	ck_assert_str_eq(status_of_update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)))), "gone");
	(void)pull(&d);
	ck_assert_ptr_null(find(&d, "title", "Society", NULL));
}
END_TEST

START_TEST(move_between_folders)
{
	struct dev d, there;
	char uuid[40], to[40], moved[40];
	json_t *data, *m;

	login(&d, "berta", "move");
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "m", "title", "Moved into", "module", "contacts")), NULL, NULL));
	(void)snprintf(to, sizeof(to), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	login(&there, "berta", "move-there");
	open_folder(&there, to);
	open_folder(&d, str(d.defaults, "contact"));
	make(&d, "Mover", uuid);
	m = json_pack("{s:s,s:s,s:s}", "uuid", uuid, "folder", to, "note", "and changed");
	data = update(&d, request(&d, NULL, one(m), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(moved, sizeof(moved), "%s", str(result(data, 0), "newUuid"));
	json_decref(data);
	ck_assert_ptr_null(find(&d, "last_name", "Mover", NULL));
	(void)pull(&there);
	ck_assert_str_eq(str(find(&there, "last_name", "Mover", NULL), "uuid"), moved);
	ck_assert_str_eq(str(find(&there, "last_name", "Mover", NULL), "note"), "and changed");
	ck_assert_uint_eq(at_ox("Mover"), 0);
	/* a folder that is not there: nothing of the change is done */
	make(&d, "Stayer", uuid);
	m = json_pack("{s:s,s:s,s:s}", "uuid", uuid, "folder", "00112233-4455-4677-8899-aabbccddeeff", "note", "not written");
	ck_assert_str_eq(status_of_update(&d, request(&d, NULL, one(m), NULL)), "error");
	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,518", "not written", NULL, 0), 0);
}
END_TEST

/* ---- mail ---- */

static json_t *
mail(const char *id, const char *subject)
{
	char raw[500];
	struct buf b;
	json_t *o;

	(void)snprintf(raw, sizeof(raw), "From: a@example.com\r\nTo: b@example.com\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nbody\r\n", subject);
	buf_init(&b, 4096);
	base64_encode(&b, raw, strlen(raw));
	o = json_pack("{s:s,s:s%}", "clientId", id, "raw", b.p, b.len);
	buf_fini(&b);
	return o;
}

static size_t
mails_at_ox(const char *subject)
{
	return ox_rows("berta", "mail", INBOX, "600,607", subject, NULL, 0);
}

START_TEST(mail_life)
{
	struct dev d;
	char uuid[40];
	json_t *req, *data;

	login(&d, "berta", "mail");
	open_folder(&d, str(d.defaults, "inbox"));
	req = request(&d, one(mail("m1", "Imported")), NULL, NULL);
	for (int i = 0; i < 3; i++) {
		data = good(&d, "syncUpdate", req);
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
		if (i == 2)
			apply(&d, data);
		json_decref(data);
	}
	json_decref(req);
	ck_assert_uint_eq(mails_at_ox("Imported"), 1);
	(void)pull(&d);
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 32 | 8)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	ck_assert_str_eq(status_of_update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)))), "gone");
	ck_assert_uint_eq(mails_at_ox("Imported"), 0);
}
END_TEST

/*
 * An import that never happened is deleted again; a foreign mail has got the uid that the import would have had.  What is deleted
 * is the intent, not the mail.
 */
START_TEST(deleted_import_spares_others)
{
	struct dev d;
	json_t *req, *data;

	login(&d, "berta", "regret-mail");
	open_folder(&d, str(d.defaults, "inbox"));
	faults("{\"match\":{\"module\":\"mail\",\"action\":\"import\",\"user\":\"berta\"},\"effect\":{\"drop_before\":true}}");
	ck_assert_str_eq(status_of_update(&d, request(&d, one(mail("m2", "Never")), NULL, NULL)), "retry");
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":\"" INBOX "\",\"count\":1,\"first\":77}", NULL, 0);
	ck_assert_uint_eq(mails_at_ox("Message number 77"), 1);
	req = request(&d, NULL, NULL, one(json_pack("{s:s}", "clientId", "m2")));
	data = until_settled(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	ck_assert_uint_eq(mails_at_ox("Message number 77"), 1);
	json_decref(req);
	json_decref(data);
}
END_TEST

/* A mail folder made anew begins with uid 1: that is another mail, and has another uuid. */
START_TEST(mail_folder_made_anew)
{
	struct dev d;
	char old[40];
	json_t *b, *data;

	login(&d, "berta", "anew");
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "anew", "title", "Anew", "module", "mail")), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":\"default0/Anew\",\"count\":1,\"first\":801}", NULL, 0);
	open_folder(&d, str(result(data, 0), "uuid"));
	json_decref(data);
	(void)snprintf(old, sizeof(old), "%s", str(find(&d, "subject", "Message number 801", NULL), "uuid"));
	ck_assert_str_ne(old, "");
	json_decref(ox_as("berta", "folders", "delete", json_pack("{s:s}", "timestamp", NOW), json_pack("[s]", "default0/Anew")));
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":\"default0/Anew\",\"count\":1,\"first\":802}", NULL, 0);
	b = request(&d, NULL, NULL, NULL);
	ck_assert_str_eq(bad(&d, "syncUpdate", b, NULL), "reconcile");
	json_decref(b);
	b = folder_body(&d);
	(void)json_object_set_new(b, "pairs", json_pack("[[s,s]]", old, ""));
	data = good(&d, "reconcile", b);
	apply(&d, data);
	ck_assert_ptr_null(json_object_get(d.have, old));
	ck_assert_ptr_nonnull(find(&d, "subject", "Message number 802", NULL));
	json_decref(b);
	json_decref(data);
}
END_TEST

/* ---- waiting ---- */

static json_t *
ping_body(const struct dev *d)
{
	json_t *e = folder_body(d);

	(void)json_object_set_new(e, "syncid", json_string(d->syncid));
	return json_pack("{s:[o],s:i}", "folders", e, "heartbeat", 20);
}

static unsigned
waiters(void)
{
	char sock[160], *p = NULL;
	const char *line;
	CURL *c = curl_easy_init();
	unsigned n = 0;
	size_t len = 0;
	FILE *f = open_memstream(&p, &len);

	(void)snprintf(sock, sizeof(sock), "%s/admin.sock", w.dir);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/metrics");
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)fclose(f);
	line = strstr(p, "\nusmd_waiters ");
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(sscanf(line, "\nusmd_waiters %u", &n), 1);
	curl_easy_cleanup(c);
	free(p);
	return n;
}

/* The ping of D in a process of its own, once it waits (or was answered already). */
static pid_t
ping_start(const struct dev *d)
{
	pid_t pid;

	while (waiters() != 0) /* an earlier test's, whose client is gone */
		sleep_ms(10);
	pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		json_t *b = ping_body(d), *data = good(d, "ping", b);

		_exit(json_array_size(json_object_get(data, "changed")) == 1 ? 0 : 1);
	}
	for (siginfo_t si = { 0 }; waiters() == 0 && waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0;)
		sleep_ms(10);
	return pid;
}

static void
ping_ends(pid_t pid)
{
	int st = 0;

	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_msg(WIFEXITED(st) && WEXITSTATUS(st) == 0, "the ping was not told of a change");
}

START_TEST(ping_by_another_device)
{
	struct dev d, other;
	char uuid[40];
	pid_t pid;

	berta(&d, "ping-1");
	(void)pull(&d);
	berta(&other, "ping-2");
	pid = ping_start(&d);
	make(&other, "Wakes", uuid);
	ping_ends(pid);
	(void)pull(&d);
	ck_assert_ptr_nonnull(find(&d, "last_name", "Wakes", NULL));
}
END_TEST

START_TEST(ping_by_polling)
{
	struct dev d;
	char uuid[40];
	pid_t pid;

	berta(&d, "ping-3");
	make(&d, "Polled", uuid);
	(void)pull(&d);
	pid = ping_start(&d);
	ox_edit("Polled", "note", "elsewhere");
	ping_ends(pid);
	(void)pull(&d);
	ck_assert_str_eq(str(find(&d, "last_name", "Polled", NULL), "note"), "elsewhere");
}
END_TEST

/* The folder goes while somebody waits for it: that is a change, the sync tells the rest. */
START_TEST(ping_of_a_folder_that_goes)
{
	struct dev d, h;
	char to[40];
	json_t *data;
	pid_t pid;

	login(&h, "berta", "ping-4");
	open_folder(&h, NULL);
	data = update(&h, request(&h, one(json_pack("{s:s,s:s,s:s}", "clientId", "p", "title", "Goes while waiting", "module", "contacts")), NULL, NULL));
	(void)snprintf(to, sizeof(to), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	login(&d, "berta", "ping-5");
	open_folder(&d, to);
	(void)pull(&d);
	pid = ping_start(&d);
	(void)pull(&h);
	ck_assert_str_eq(status_of_update(&h, request(&h, NULL, NULL, one(json_pack("{s:s}", "uuid", to)))), "gone");
	ping_ends(pid);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("engine");
	TCase *t = tcase_create("wire");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, repeated_create);
	tcase_add_test(t, repeated_modify_and_delete);
	tcase_add_test(t, outdated_number);
	tcase_add_test(t, reconcile_differences);
	tcase_add_loop_test(t, conflict_policies, 0, 3);
	tcase_add_test(t, delete_versus_change);
	tcase_add_test(t, blind_is_a_conflict);
	tcase_add_test(t, modify_with_client_id);
	tcase_add_loop_test(t, create_without_answer, 0, 2);
	tcase_add_test(t, unanswered_create_deleted);
	tcase_add_test(t, one_poisoned_write);
	tcase_add_test(t, poisoned_updates);
	tcase_add_test(t, broken_object_comes_later);
	tcase_add_loop_test(t, upstream_failures, 0, 4);
	tcase_add_test(t, others_are_out_of_reach);
	tcase_add_test(t, equal_names_in_a_shared_folder);
	tcase_add_test(t, read_only_fields);
	tcase_add_test(t, folders_come_and_go);
	tcase_add_test(t, move_between_folders);
	tcase_add_test(t, mail_life);
	tcase_add_test(t, deleted_import_spares_others);
	tcase_add_test(t, mail_folder_made_anew);
	tcase_add_test(t, ping_by_another_device);
	tcase_add_test(t, ping_by_polling);
	tcase_add_test(t, ping_of_a_folder_that_goes);
	tcase_add_test(t, only_deletions_of_contacts); /* moves OX's clock on: last */
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
