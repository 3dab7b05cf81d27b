/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Both sides agree again, whatever one of them has lost, and only what differs travels: every case counts the objects.  Each is counted by
 * its cause in /metrics.  And the budget: who loads a large folder waits for a place, everybody else does not.
 */
#include "wire.h"

#define NOW "9007199254740992" /* timestamp of a write that nothing is newer than */
#define FILLED 40              /* contacts in the folder of each test */

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "cursors_kept = 2", "resync_budget = 1", "resync_large = 30",
	"resync_retry = 2s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":42,\"count\":40}", NULL, 0);
}

static long
metric(const char *name)
{
	char sock[160], key[80], *p = NULL;
	const char *line;
	CURL *c = curl_easy_init();
	long v = -1;
	size_t len = 0;
	FILE *f = open_memstream(&p, &len);

	(void)snprintf(sock, sizeof(sock), "%s/admin.sock", w.dir);
	(void)snprintf(key, sizeof(key), "\n%s ", name);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/metrics");
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)fclose(f);
	line = strstr(p, key);
	ck_assert_msg(line != NULL, "no %s", name);
	v = strtol(line + strlen(key), NULL, 10);
	curl_easy_cleanup(c);
	free(p);
	return v;
}

static void
berta(struct dev *d, const char *device)
{
	login(d, "berta", device);
	open_folder(d, str(d->defaults, "contact"));
	ck_assert_uint_eq(json_object_size(d->have), FILLED);
}

/* The version of everything that D holds, as pairs. */
static json_t *
pairs_of(const struct dev *d)
{
	json_t *pairs = json_array(), *v;
	const char *uuid;

	json_object_foreach(d->have, uuid, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
	return pairs;
}

struct travelled { size_t created, deleted; };

/* Reconciles D's folder to the end, LIMIT objects a page; what travelled. */
static struct travelled
reconcile(struct dev *d, int limit)
{
	struct travelled t = { 0, 0 };

	for (bool more = true; more;) {
		json_t *body = folder_body(d), *data;

		(void)json_object_set_new(body, "pairs", pairs_of(d));
		(void)json_object_set_new(body, "limit", json_integer(limit));
		data = good(d, "reconcile", body);
		t.created += json_array_size(json_object_get(data, "created"));
		t.deleted += json_array_size(json_object_get(data, "deleted"));
		more = json_is_true(json_object_get(data, "more"));
		apply(d, data);
		json_decref(body);
		json_decref(data);
	}
	return t;
}

/* syncUpdate is refused with status 8. */
static void
refused(struct dev *d)
{
	json_t *body = request(d, NULL, NULL, NULL);

	ck_assert_str_eq(bad(d, "syncUpdate", body, NULL), "reconcile");
	json_decref(body);
}

static void
travels(struct travelled t, size_t created, size_t deleted)
{
	ck_assert_msg(t.created == created && t.deleted == deleted, "%zu came and %zu were deleted, not %zu and %zu", t.created, t.deleted, created, deleted);
}

static int
by_value(const void *x, const void *y)
{
	long long a = *(const long long *)x, b = *(const long long *)y;

	return a < b ? -1 : a > b;
}

/* OX id of the contact at I, the oldest first. */
static void
ox_nth(size_t i, char id[24])
{
	json_t *rows = ox_as("berta", "contacts", "all", json_pack("{s:s,s:s}", "folder", "42", "columns", "1"), NULL), *row;
	long long ids[FILLED] = { 0 };
	size_t k;

	ck_assert_uint_eq(json_array_size(rows), FILLED);
	json_array_foreach(rows, k, row) {
		const json_t *v = json_array_get(row, 0);

		ids[k] = json_is_string(v) ? strtoll(json_string_value(v), NULL, 10) : (long long)json_integer_value(v);
	}
	qsort(ids, FILLED, sizeof(ids[0]), by_value);
	(void)snprintf(id, 24, "%lld", ids[i]);
	json_decref(rows);
}

static void
ox_edit(size_t i, const char *field, const char *value)
{
	char id[24];

	ox_nth(i, id);
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", "42", "id", id, "timestamp", NOW), json_pack("{s:s}", field, value)));
}

/* One goes, one comes: the folder stays as large as it was. */
static void
ox_replace(const char *name)
{
	char id[24];

	ox_nth(0, id);
	json_decref(ox_as("berta", "contacts", "delete", json_pack("{s:s}", "timestamp", NOW), one(json_pack("{s:s,s:s}", "id", id, "folder", "42"))));
	json_decref(ox_as("berta", "contacts", "new", json_object(), json_pack("{s:i,s:s}", "folder_id", 42, "last_name", name)));
}

/* ---- what was lost ---- */

START_TEST(wrong_syncid)
{
	struct dev d;
	long before = metric("usmd_syncids_refused_old_total"), done = metric("usmd_reconciles_total");

	berta(&d, "wrong");
	(void)snprintf(d.syncid, sizeof(d.syncid), "%s", "00112233445566778899aabbccddeeff");
	refused(&d);
	travels(reconcile(&d, 50), 0, 0);
	ck_assert_int_eq(metric("usmd_syncids_refused_old_total"), before + 1);
	ck_assert_int_eq(metric("usmd_reconciles_total"), done + 1);
	ck_assert_uint_eq(pull(&d), 0);
}
END_TEST

START_TEST(syncid_too_old)
{
	struct dev d;
	char old[40];

	berta(&d, "old");
	(void)snprintf(old, sizeof(old), "%s", d.syncid);
	for (int i = 0; i < 4; i++) {
		ox_edit(2, "note", i % 2 == 0 ? "even" : "odd");
		ck_assert_uint_eq(pull(&d), 1);
	}
	ox_edit(3, "note", "since");
	(void)snprintf(d.syncid, sizeof(d.syncid), "%s", old);
	refused(&d);
	travels(reconcile(&d, 50), 1, 0);
	ck_assert_uint_eq(pull(&d), 0);
}
END_TEST

/* The client is what it was two changes, one deletion and one new object ago. */
START_TEST(client_from_backup)
{
	struct dev d;
	json_t *backup;
	char old[40];

	berta(&d, "backup");
	backup = json_deep_copy(d.have);
	(void)snprintf(old, sizeof(old), "%s", d.syncid);
	for (int i = 0; i < 3; i++) { /* each answer acknowledged: the backup's syncid is not kept */
		ox_edit(5, "note", i == 0 ? "a" : i == 1 ? "b" : "c");
		(void)pull(&d);
	}
	ox_edit(6, "note", "d");
	ox_replace("after the backup");
	(void)pull(&d);
	(void)json_object_clear(d.have);
	(void)json_object_update(d.have, backup);
	json_decref(backup);
	(void)snprintf(d.syncid, sizeof(d.syncid), "%s", old);
	refused(&d);
	travels(reconcile(&d, 50), 3, 1);
	ck_assert_uint_eq(json_object_size(d.have), FILLED);
	ck_assert_uint_eq(pull(&d), 0);
}
END_TEST

START_TEST(database_lost)
{
	struct dev d;
	json_t *have;
	char folder[40];

	world_up();
	berta(&d, "loss");
	have = json_deep_copy(d.have);
	(void)snprintf(folder, sizeof(folder), "%s", d.folder);
	world_usmd_kill(&w);
	world_new_database(&w);
	world_usmd_start(&w);
	ox_edit(7, "note", "meanwhile");
	login(&d, "berta", "loss");
	(void)snprintf(d.folder, sizeof(d.folder), "%s", folder);
	(void)json_object_update(d.have, have);
	json_decref(have);
	(void)snprintf(d.syncid, sizeof(d.syncid), "%s", "00112233445566778899aabbccddeeff");
	refused(&d);
	ck_assert_int_eq(metric("usmd_syncids_refused_no_state_total"), 1);
	travels(reconcile(&d, 50), 1, 0);
	ck_assert_int_eq(metric("usmd_reconcile_objects_total"), 1);
	ck_assert_uint_eq(pull(&d), 0);
	world_down();
}
END_TEST

/* The client was installed again under another name and holds what it had. */
START_TEST(new_name_of_a_device)
{
	struct dev d, again;
	long first = metric("usmd_first_fills_total");

	berta(&d, "name-1");
	ox_edit(8, "note", "between the names");
	login(&again, "berta", "name-2");
	(void)snprintf(again.folder, sizeof(again.folder), "%s", d.folder);
	(void)json_object_update(again.have, d.have);
	(void)snprintf(again.syncid, sizeof(again.syncid), "%s", d.syncid);
	refused(&again); /* a syncid is of its device */
	travels(reconcile(&again, 50), 1, 0);
	ck_assert_uint_eq(pull(&again), 0);
	ck_assert_int_eq(metric("usmd_first_fills_total"), first + 1);
}
END_TEST

START_TEST(filter_changed)
{
	struct dev d;
	json_t *body;

	ox_edit(9, "nickname", "A");
	ox_edit(10, "nickname", "B");
	berta(&d, "filter");
	body = json_pack("{s:{s:{s:[s]}}}", "types", "contact", "exclude", "nickname");
	json_decref(good(&d, "setConfig", body));
	json_decref(body);
	ck_assert_uint_eq(pull(&d), 0);
	body = json_pack("{s:{s:{s:[]}}}", "types", "contact", "exclude");
	json_decref(good(&d, "setConfig", body));
	json_decref(body);
	ck_assert_uint_eq(pull(&d), 2);
	/* a reconcile in the middle of it: the revs of the two are other ones without the field, no others */
	body = json_pack("{s:{s:{s:[s]}}}", "types", "contact", "exclude", "nickname");
	json_decref(good(&d, "setConfig", body));
	json_decref(body);
	travels(reconcile(&d, 50), 2, 0);
	travels(reconcile(&d, 50), 0, 0);
}
END_TEST

/* A mail folder made anew: its mails are others, and come once; no other folder is touched. */
START_TEST(uidvalidity_changed)
{
	struct dev d, inbox;
	long before = metric("usmd_syncids_refused_new_index_total");
	json_t *data;

	login(&inbox, "berta", "validity");
	open_folder(&inbox, str(inbox.defaults, "inbox"));
	login(&d, "berta", "validity");
	open_folder(&d, NULL);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "anew", "title", "Anew", "module", "mail")), NULL, NULL));
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":\"default0/Anew\",\"count\":3,\"first\":801}", NULL, 0);
	open_folder(&d, str(result(data, 0), "uuid"));
	json_decref(data);
	ck_assert_uint_eq(json_object_size(d.have), 3);
	json_decref(ox_as("berta", "folders", "delete", json_pack("{s:s}", "timestamp", NOW), json_pack("[s]", "default0/Anew")));
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":\"default0/Anew\",\"count\":2,\"first\":901}", NULL, 0);
	refused(&d);
	ck_assert_int_eq(metric("usmd_syncids_refused_new_index_total"), before + 1);
	travels(reconcile(&d, 50), 2, 3);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_uint_eq(pull(&inbox), 0);
}
END_TEST

/* What does not fit on a page is the oldest. */
START_TEST(newest_first)
{
	struct dev d;
	json_t *body, *data, *list;
	size_t older = 0;

	berta(&d, "order");
	ox_edit(0, "note", "oldest");
	ox_edit(20, "note", "middle");
	ox_edit(FILLED - 1, "note", "newest");
	body = folder_body(&d);
	(void)json_object_set_new(body, "pairs", pairs_of(&d));
	(void)json_object_set_new(body, "limit", json_integer(2));
	data = good(&d, "reconcile", body);
	ck_assert(json_is_true(json_object_get(data, "more")));
	list = json_object_get(data, "created");
	ck_assert_uint_eq(json_array_size(list), 2);
	for (size_t i = 0; i < 2; i++)
		older += strcmp(str(json_array_get(list, i), "note"), "oldest") == 0;
	ck_assert_uint_eq(older, 0);
	apply(&d, data);
	json_decref(body);
	json_decref(data);
	travels(reconcile(&d, 2), 1, 0);
}
END_TEST

/* ---- the budget ---- */

/* A command that has to be answered busy; the seconds that it tells. */
static json_int_t
busy(const struct dev *d, const char *command, const json_t *body)
{
	json_t *root = call(d, command, body), *x = json_object_get(root, "error");
	json_int_t wait;

	ck_assert_str_eq(str(x, "code"), "busy");
	wait = json_integer_value(json_object_get(json_object_get(x, "details"), "retryAfter"));
	json_decref(root);
	return wait;
}

static json_t *
init_body(const struct dev *d, const char *type, int limit)
{
	return json_pack("{s:s,s:i}", "folder", str(d->defaults, type), "limit", limit);
}

START_TEST(large_folders_one_after_the_other)
{
	struct dev a, b;
	json_t *body, *data;
	long deferred = metric("usmd_resyncs_deferred_total");
	json_int_t wait;

	login(&a, "berta", "budget-a");
	login(&b, "berta", "budget-b");
	(void)snprintf(a.folder, sizeof(a.folder), "%s", str(a.defaults, "contact"));
	body = init_body(&a, "contact", 10);
	data = good(&a, "syncInit", body);
	apply(&a, data);
	json_decref(data);
	ck_assert_int_eq(metric("usmd_resyncs"), 1);
	/* the second device waits, and is told how long, not always the same */
	wait = busy(&b, "syncInit", body);
	ck_assert_int_ge(wait, 2);
	ck_assert_int_le(wait, 4);
	json_decref(body);
	ck_assert_int_eq(metric("usmd_resyncs_deferred_total"), deferred + 1);
	/* a small folder does not */
	body = init_body(&b, "task", 10);
	json_decref(good(&b, "syncInit", body));
	json_decref(body);
	/* who has begun goes on to the end, and changes never wait */
	(void)pull(&a);
	ck_assert_uint_eq(json_object_size(a.have), FILLED);
	ck_assert_int_eq(metric("usmd_resyncs"), 0);
	body = init_body(&b, "contact", 10);
	data = good(&b, "syncInit", body);
	(void)snprintf(b.folder, sizeof(b.folder), "%s", str(b.defaults, "contact"));
	apply(&b, data);
	json_decref(data);
	/* a reconcile of that size waits as well */
	data = folder_body(&a);
	(void)json_object_set_new(data, "pairs", pairs_of(&a));
	(void)busy(&a, "reconcile", data);
	json_decref(data);
	ck_assert_uint_eq(pull(&a), 0);
	/* the other one never comes back: its place is free after resync_retry */
	json_decref(body);
	body = folder_body(&a);
	(void)json_object_set_new(body, "pairs", pairs_of(&a));
	for (int i = 0;; i++) {
		data = call(&a, "reconcile", body);
		if (json_object_get(data, "data") != NULL)
			break;
		ck_assert_int_lt(i, 100);
		json_decref(data);
		sleep_ms(100);
	}
	json_decref(data);
	json_decref(body);
	/* and it goes on where it was, when it comes */
	(void)pull(&b);
	ck_assert_uint_eq(json_object_size(b.have), FILLED);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reconcile");
	TCase *t = tcase_create("reconcile");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_add_test(t, wrong_syncid);
	tcase_add_test(t, syncid_too_old);
	tcase_add_test(t, client_from_backup);
	tcase_add_test(t, new_name_of_a_device);
	tcase_add_test(t, filter_changed);
	tcase_add_test(t, uidvalidity_changed);
	tcase_add_test(t, newest_first);
	tcase_add_test(t, large_folders_one_after_the_other);
	suite_add_tcase(s, t);
	t = tcase_create("loss"); /* with a world of its own: the daemon is started anew */
	tcase_set_timeout(t, 60);
	tcase_add_test(t, database_lost);
	suite_add_tcase(s, t);
	return harness_main(s);
}
