/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What loses a conflict: told with its number, listed with its values, written again as a change like any other, forgotten.  Nobody reads
 * or restores another account's.
 */
#include "wire.h"

#define BERTA_CONTACTS "42"
#define NOW "9007199254740992" /* timestamp of a write that nothing is newer than */

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 2s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

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
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s,s:s}", "clientId", name, "last_name", name, "note", "first")), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
}

static size_t
at_ox(const char *name, char id[24])
{
	return ox_rows("berta", "contacts", BERTA_CONTACTS, "1,502", name, id, 24);
}

static void
ox_edit(const char *name, const char *field, const char *value)
{
	char id[24] = "";

	ck_assert_uint_eq(at_ox(name, id), 1);
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", BERTA_CONTACTS, "id", id, "timestamp", NOW),
	    json_pack("{s:s}", field, value)));
}

static void
ox_delete(const char *name)
{
	char id[24] = "";

	ck_assert_uint_eq(at_ox(name, id), 1);
	json_decref(ox_as("berta", "contacts", "delete", json_pack("{s:s}", "timestamp", NOW), one(json_pack("{s:s,s:s}", "id", id, "folder", BERTA_CONTACTS))));
}

static void
ox_note_is(const char *name, const char *value)
{
	char id[24] = "";
	json_t *o;

	ck_assert_uint_eq(at_ox(name, id), 1);
	o = ox_as("berta", "contacts", "get", json_pack("{s:s,s:s}", "folder", BERTA_CONTACTS, "id", id), NULL);
	ck_assert_str_eq(str(o, "note"), value);
	json_decref(o);
}

/* A change of UUID's note by D, with POLICY for both questions. */
static json_t *
change_note(struct dev *d, const char *uuid, const char *value, const char *policy)
{
	json_t *body = request(d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "note", value)), NULL);

	if (policy != NULL) {
		(void)json_object_set_new(body, "conflictResolution", json_string(policy));
		(void)json_object_set_new(body, "deleteResolution", json_string(policy));
	}
	return update(d, body);
}

/* The open conflicts that D is told of. */
static json_t *
conflicts(const struct dev *d)
{
	json_t *body = json_object(), *data = good(d, "getConflicts", body), *list = json_incref(json_object_get(data, "conflicts"));

	json_decref(body);
	json_decref(data);
	return list;
}

/* The open one with this number, borrowed from LIST; NULL = not there. */
static const json_t *
with_id(const json_t *list, json_int_t id)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x)
		if (json_integer_value(json_object_get(x, "id")) == id)
			return x;
	return NULL;
}

static json_t *
settle(const struct dev *d, const char *command, json_int_t id, const char *rev)
{
	json_t *body = json_pack("{s:I}", "id", id), *data;

	if (rev != NULL)
		(void)json_object_set_new(body, "rev", json_string(rev));
	data = good(d, command, body);
	json_decref(body);
	return data;
}

static const char *
settle_bad(const struct dev *d, const char *command, json_int_t id)
{
	json_t *body = json_pack("{s:I}", "id", id);
	const char *code = bad(d, command, body, NULL);

	json_decref(body);
	return code;
}

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool
names(const json_t *list, const char *field)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (strcmp(json_string_value(v), field) == 0)
			return true;
	return false;
}

START_TEST(client_lost)
{
	struct dev d, other, anton;
	json_t *data, *list, *x;
	const json_t *entry;
	char uuid[40], id[24];
	json_int_t c;

	berta(&d, "desk");
	berta(&other, "lap");
	make(&d, "loser", uuid);
	ox_edit("loser", "note", "server");
	data = change_note(&d, uuid, "client", NULL);
	ck_assert(names(json_object_get(result(data, 0), "lost"), "note"));
	c = number(result(data, 0), "conflict");
	ck_assert_int_gt(c, 0);
	json_decref(data);
	ox_note_is("loser", "server");
	/* both devices see it, each from its side; nobody else does */
	list = conflicts(&d);
	entry = with_id(list, c);
	ck_assert_ptr_nonnull(entry);
	ck_assert_str_eq(str(entry, "uuid"), uuid);
	ck_assert_str_eq(str(entry, "folder"), d.folder);
	ck_assert_str_eq(str(entry, "objectType"), "contact");
	ck_assert_str_eq(str(entry, "title"), "loser");
	ck_assert_str_eq(str(entry, "loser"), "device");
	ck_assert_str_eq(str(entry, "winner"), "server");
	ck_assert_str_eq(str(entry, "device"), "desk");
	ck_assert_str_eq(str(json_object_get(entry, "values"), "note"), "client");
	ck_assert_int_gt(number(entry, "expires"), number(entry, "time"));
	json_decref(list);
	list = conflicts(&other);
	ck_assert_str_eq(str(with_id(list, c), "loser"), "client");
	json_decref(list);
	login(&anton, "anton", "desk");
	list = conflicts(&anton);
	ck_assert_ptr_null(with_id(list, c));
	json_decref(list);
	ck_assert_str_eq(settle_bad(&anton, "restoreConflict", c), "not-found");
	ck_assert_str_eq(settle_bad(&anton, "dismissConflict", c), "not-found");
	/* written again by the other device, twice: it is there once, and comes to both as somebody's change */
	(void)pull(&d);
	(void)pull(&other);
	for (int i = 0; i < 2; i++) {
		x = settle(&other, "restoreConflict", c, NULL);
		ck_assert_str_eq(str(x, "status"), "ok");
		ck_assert_str_eq(str(x, "uuid"), uuid);
		json_decref(x);
	}
	ox_note_is("loser", "client");
	(void)pull(&d);
	(void)pull(&other);
	ck_assert_str_eq(str(json_object_get(d.have, uuid), "note"), "client");
	ck_assert_str_eq(str(json_object_get(other.have, uuid), "note"), "client");
	ck_assert_uint_eq(at_ox("loser", id), 1);
	list = conflicts(&d);
	ck_assert_ptr_null(with_id(list, c));
	json_decref(list);
	ck_assert_str_eq(settle_bad(&d, "restoreConflict", c + 1000), "not-found");
}
END_TEST

START_TEST(server_lost)
{
	struct dev d;
	json_t *data, *list;
	const json_t *entry;
	char uuid[40];
	json_int_t c;

	berta(&d, "winner");
	make(&d, "winner", uuid);
	ox_edit("winner", "note", "server");
	data = change_note(&d, uuid, "client", "client");
	ck_assert(names(json_object_get(result(data, 0), "won"), "note"));
	ck_assert_ptr_null(json_object_get(result(data, 0), "lost"));
	c = number(result(data, 0), "conflict");
	json_decref(data);
	ox_note_is("winner", "client");
	list = conflicts(&d);
	entry = with_id(list, c);
	ck_assert_str_eq(str(entry, "loser"), "server");
	ck_assert_str_eq(str(entry, "winner"), "device");
	ck_assert_str_eq(str(json_object_get(entry, "values"), "note"), "server");
	json_decref(list);
	json_decref(settle(&d, "dismissConflict", c, NULL));
	json_decref(settle(&d, "dismissConflict", c, NULL));
	ck_assert_str_eq(settle_bad(&d, "restoreConflict", c), "not-found");
	list = conflicts(&d);
	ck_assert_ptr_null(with_id(list, c));
	json_decref(list);
	ox_note_is("winner", "client");
}
END_TEST

START_TEST(same_change_is_none)
{
	struct dev d;
	json_t *data, *before, *after;
	char uuid[40];

	berta(&d, "same");
	make(&d, "same", uuid);
	before = conflicts(&d);
	ox_edit("same", "note", "equal");
	data = change_note(&d, uuid, "equal", "error");
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_ptr_null(json_object_get(result(data, 0), "conflict"));
	ck_assert_ptr_null(json_object_get(result(data, 0), "lost"));
	json_decref(data);
	after = conflicts(&d);
	ck_assert_uint_eq(json_array_size(before), json_array_size(after));
	json_decref(before);
	json_decref(after);
}
END_TEST

/* With the version that the user has seen, a later one is not overwritten; without it, what is overwritten in between is kept. */
START_TEST(restored_into_a_newer_version)
{
	struct dev d;
	json_t *data, *x, *list;
	char uuid[40], rev[20];
	json_int_t c;

	berta(&d, "newer");
	make(&d, "newer", uuid);
	ox_edit("newer", "note", "server");
	data = change_note(&d, uuid, "client", NULL);
	c = number(result(data, 0), "conflict");
	json_decref(data);
	(void)pull(&d);
	(void)snprintf(rev, sizeof(rev), "%s", str(json_object_get(d.have, uuid), "rev"));
	ox_edit("newer", "note", "later");
	x = settle(&d, "restoreConflict", c, rev);
	ck_assert_str_eq(str(x, "status"), "conflict");
	json_decref(x);
	ox_note_is("newer", "later");
	list = conflicts(&d);
	ck_assert_ptr_nonnull(with_id(list, c));
	json_decref(list);
	(void)pull(&d);
	(void)snprintf(rev, sizeof(rev), "%s", str(json_object_get(d.have, uuid), "rev"));
	x = settle(&d, "restoreConflict", c, rev);
	ck_assert_str_eq(str(x, "status"), "ok");
	json_decref(x);
	ox_note_is("newer", "client");
	/* the very same loss once more is open again, and can be restored again */
	(void)pull(&d);
	ox_edit("newer", "note", "server");
	data = change_note(&d, uuid, "client", NULL);
	ck_assert_int_eq(number(result(data, 0), "conflict"), c);
	json_decref(data);
	ox_note_is("newer", "server");
	json_decref(settle(&d, "restoreConflict", c, NULL));
	ox_note_is("newer", "client");
}
END_TEST

/* The client changed what was deleted: created again, once, also when both devices ask and an answer of OX gets lost. */
START_TEST(deleted_comes_back_once)
{
	struct dev d, other;
	json_t *data, *x = NULL;
	char uuid[40], id[24], made[40];
	json_int_t c;

	berta(&d, "del1");
	berta(&other, "del2");
	make(&d, "gone", uuid);
	ox_delete("gone");
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s,s:s}", "uuid", uuid, "last_name", "back", "note", "client")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	c = number(result(data, 0), "conflict");
	ck_assert_int_gt(c, 0);
	json_decref(data);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\",\"count\":1},\"effect\":{\"drop_after\":true}}");
	x = settle(&d, "restoreConflict", c, NULL);
	ck_assert_str_eq(str(x, "status"), "retry");
	json_decref(x);
	for (;;) {
		x = settle(&other, "restoreConflict", c, NULL);
		if (strcmp(str(x, "status"), "retry") != 0)
			break;
		json_decref(x);
		sleep_ms(200); /* OX's longest request time has to pass */
	}
	ck_assert_str_eq(str(x, "status"), "ok");
	(void)snprintf(made, sizeof(made), "%s", str(x, "uuid"));
	json_decref(x);
	ck_assert_str_ne(made, uuid);
	x = settle(&d, "restoreConflict", c, NULL);
	ck_assert_str_eq(str(x, "uuid"), made);
	json_decref(x);
	ck_assert_uint_eq(at_ox("back", id), 1);
	ox_note_is("back", "client");
	(void)pull(&d);
	(void)pull(&other);
	ck_assert_str_eq(str(json_object_get(d.have, made), "note"), "client");
	ck_assert_str_eq(str(json_object_get(other.have, made), "last_name"), "back");
	ck_assert_ptr_null(json_object_get(d.have, uuid));
}
END_TEST

/* The client deleted what was changed, and wins: the whole object can be had back. */
START_TEST(deletion_won)
{
	struct dev d;
	json_t *body, *data, *list, *x;
	const json_t *entry;
	char uuid[40], id[24];
	json_int_t c;

	berta(&d, "delwins");
	make(&d, "doomed", uuid);
	ox_edit("doomed", "email1", "new@example.org");
	body = request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid)));
	(void)json_object_set_new(body, "deleteResolution", json_string("client"));
	data = update(&d, body);
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	ck_assert(names(json_object_get(result(data, 0), "won"), "email1"));
	c = number(result(data, 0), "conflict");
	json_decref(data);
	ck_assert_uint_eq(at_ox("doomed", id), 0);
	list = conflicts(&d);
	entry = with_id(list, c);
	ck_assert_str_eq(str(entry, "title"), "doomed");
	ck_assert_str_eq(str(json_object_get(entry, "values"), "last_name"), "doomed");
	json_decref(list);
	x = settle(&d, "restoreConflict", c, NULL);
	ck_assert_str_eq(str(x, "status"), "ok");
	ck_assert_uint_eq(at_ox("doomed", id), 1);
	ox_note_is("doomed", "first");
	(void)pull(&d);
	ck_assert_str_eq(str(json_object_get(d.have, str(x, "uuid")), "email1"), "new@example.org");
	json_decref(x);
}
END_TEST

/* A JPEG by its first octets. */
static const char *const pictures[] = { "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD", "/9j/4AAQSkZJRgABAQAAAQACAAD/2wBE" };

START_TEST(picture_comes_back)
{
	struct dev d;
	json_t *data, *list, *body;
	const json_t *entry;
	char uuid[40], id[24] = "";
	struct buf out;
	json_int_t c;
	long status;

	berta(&d, "photo");
	make(&d, "pictured", uuid);
	ck_assert_uint_eq(at_ox("pictured", id), 1);
	ox_edit("pictured", "image1", pictures[0]);
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "image1", pictures[1])), NULL));
	ck_assert(names(json_object_get(result(data, 0), "lost"), "image1"));
	c = number(result(data, 0), "conflict");
	json_decref(data);
	list = conflicts(&d);
	entry = with_id(list, c);
	ck_assert(names(json_object_get(entry, "fields"), "image1"));
	ck_assert_ptr_null(json_object_get(json_object_get(entry, "values"), "image1"));
	json_decref(list);
	json_decref(settle(&d, "restoreConflict", c, NULL));
	body = json_pack("{s:s,s:s}", "folder", d.folder, "uuid", uuid);
	buf_init(&out, 1 << 20);
	{
		char *text = json_dumps(body, JSON_COMPACT);
		struct buf b;

		http("http://localhost/usm-json/getPhoto", d.token, text, &out, &status);
		free(text);
		buf_init(&b, 0);
		ck_assert(base64_decode(&b, pictures[1], strlen(pictures[1])));
		ck_assert_int_eq(status, 200);
		ck_assert_uint_eq(out.len, b.len);
		ck_assert_mem_eq(out.p, b.p, b.len);
		buf_fini(&b);
	}
	buf_fini(&out);
	json_decref(body);
}
END_TEST

/* Who wins is asked of the request, then of the folder at this device, then of the device. */
START_TEST(policies_by_folder)
{
	struct dev d;
	json_t *data, *body;
	char uuid[40];

	berta(&d, "policies");
	make(&d, "policies", uuid);
	body = json_pack("{s:s,s:{s:{s:s}}}", "conflictResolution", "server", "resolutions", d.folder, "conflictResolution", "error");
	json_decref(good(&d, "setConfig", body));
	json_decref(body);
	ox_edit("policies", "note", "a");
	data = change_note(&d, uuid, "b", NULL);
	ck_assert_str_eq(str(result(data, 0), "status"), "conflict");
	json_decref(data);
	ox_edit("policies", "note", "c");
	data = change_note(&d, uuid, "b", "client");
	ck_assert(names(json_object_get(result(data, 0), "won"), "note"));
	json_decref(data);
	body = json_pack("{s:{s:n}}", "resolutions", d.folder);
	json_decref(good(&d, "setConfig", body));
	json_decref(body);
	ox_edit("policies", "note", "e");
	data = change_note(&d, uuid, "f", NULL);
	ck_assert(names(json_object_get(result(data, 0), "lost"), "note"));
	json_decref(data);
	/* deletions apart */
	body = json_pack("{s:{s:{s:s}}}", "resolutions", d.folder, "deleteResolution", "error");
	json_decref(good(&d, "setConfig", body));
	json_decref(body);
	(void)pull(&d);
	ox_edit("policies", "note", "g");
	data = update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))));
	ck_assert_str_eq(str(result(data, 0), "status"), "conflict");
	json_decref(data);
}
END_TEST

START_TEST(pages)
{
	struct dev d;
	json_t *body, *data, *all = conflicts((berta(&d, "pages"), &d));
	size_t n = 0;
	json_int_t after = 0;

	for (int i = 0; i < 3; i++) {
		char name[20], uuid[40];

		(void)snprintf(name, sizeof(name), "page-%d", i);
		make(&d, name, uuid);
		ox_edit(name, "note", "server");
		json_decref(change_note(&d, uuid, "client", NULL));
	}
	for (bool more = true; more;) {
		body = json_pack("{s:i}", "limit", 2);
		if (after != 0)
			(void)json_object_set_new(body, "after", json_integer(after));
		data = good(&d, "getConflicts", body);
		more = json_is_true(json_object_get(data, "more"));
		ck_assert_uint_le(json_array_size(json_object_get(data, "conflicts")), 2);
		n += json_array_size(json_object_get(data, "conflicts"));
		after = number(data, "next");
		json_decref(body);
		json_decref(data);
	}
	ck_assert_uint_eq(n, json_array_size(all) + 3);
	json_decref(all);
}
END_TEST

/* Runs a shell command in the test's folder; $U is usmsync of berta's device "shell" with the directory d; its status. */
static int
shell(const char *what)
{
	char cmd[2000], log[200];
	char *argv[] = { "sh", "-c", cmd, NULL };

	(void)snprintf(log, sizeof(log), "%s/out", w.dir);
	(void)snprintf(cmd, sizeof(cmd), "B='%s'; case $B in /*) ;; *) B=$PWD/$B ;; esac; cd '%s' && U=\"$B/usmsync --server %s --user berta --dir d --device shell\"; %s",
	    w.build, w.dir, w.server, what);
	return run_wait(argv, log);
}

static void
must(const char *what)
{
	char cmd[300];
	char *argv[] = { "sh", "-c", cmd, NULL };

	if (shell(what) == 0)
		return;
	(void)snprintf(cmd, sizeof(cmd), "cat '%s/out'", w.dir);
	(void)run_wait(argv, NULL);
	ck_abort_msg("%s", what);
}

/* The reference client: its own losing edit in the table, written again by number, and then in its file. */
START_TEST(usmsync_command)
{
	char uuid[40];
	struct dev d;

	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	berta(&d, "beside");
	make(&d, "Shell", uuid);
	must("$U && grep -q NOTE:first d/Contacts/Shell.vcf && sed -i 's/^NOTE:first/NOTE:typed here/' d/Contacts/Shell.vcf");
	ox_edit("Shell", "note", "server");
	must("$U && grep -q NOTE:server d/Contacts/Shell.vcf && $U conflicts | tee t1 && grep -q 'contact \"Shell\" in Contacts: this device lost to the server' t1 && "
	     "grep -q 'note  *typed here' t1");
	must("id=$(sed -n 's/^\\([0-9]*\\) .*\"Shell\".*/\\1/p' t1) && $U --json conflicts | grep -q \"\\\"id\\\": $id,\" && $U conflicts restore $id && $U conflicts restore $id && "
	     "$U conflicts | tee t2 && ! grep -q '\"Shell\"' t2 && $U && grep -q 'NOTE:typed here' d/Contacts/Shell.vcf && $U conflicts dismiss $id");
	ox_note_is("Shell", "typed here");
	ck_assert_int_eq(shell("$U conflicts restore 999999"), 1);
	ck_assert_int_eq(shell("$U conflicts restore x"), 1);
	ck_assert_int_eq(shell("$U conflicts forget 1"), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conflicts");
	TCase *t = tcase_create("conflicts");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_add_test(t, client_lost);
	tcase_add_test(t, server_lost);
	tcase_add_test(t, same_change_is_none);
	tcase_add_test(t, restored_into_a_newer_version);
	tcase_add_test(t, deleted_comes_back_once);
	tcase_add_test(t, deletion_won);
	tcase_add_test(t, picture_comes_back);
	tcase_add_test(t, policies_by_folder);
	tcase_add_test(t, pages);
	tcase_add_test(t, usmsync_command);
	suite_add_tcase(s, t);
	return harness_main(s);
}
