/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Devices gone wrong: one that deletes too much, creates the same again and again, does not get on, floods; and what an administrator
 * brings back with usmctl.  One oxsim and one usmd for all; each test has devices of its own.
 */
#include "wire.h"

#include <sys/wait.h>
#include <unistd.h>

#define CONTACTS "42" /* berta's */
#define NAME "1,502"
#define NOTE "502,518"
#define NOW "9007199254740992"

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 3s",
	"guard_delete_min = 10", "guard_delete_share = 50", "guard_create_count = 5", "stuck_repeats = 2", "flood_rate = 600", "flood_burst = 100", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

/* ---- helpers ---- */

static size_t
at_ox(const char *name)
{
	return ox_rows("berta", "contacts", CONTACTS, NAME, name, NULL, 0);
}

/* A device with berta's contacts, to which it adds N: "PREFIX 0" ... */
static void
device_with(struct dev *d, const char *device, const char *prefix, unsigned n)
{
	json_t *list = json_array();
	char name[64], id[64];

	login(d, "berta", device);
	open_folder(d, str(d->defaults, "contact"));
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s %u", prefix, i);
		(void)snprintf(id, sizeof(id), "%s-%u", prefix, i);
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "clientId", id, "last_name", name, "note", "as it was"));
	}
	if (n == 0) {
		json_decref(list);
		return;
	}
	json_decref(update(d, request(d, list, NULL, NULL)));
	open_folder(d, d->folder); /* whole, not only what the server made different */
}

static const char *
uuid_of(const struct dev *d, const char *prefix, unsigned i)
{
	static char out[40];
	char name[64];
	const char *uuid;
	json_t *v;

	(void)snprintf(name, sizeof(name), "%s %u", prefix, i);
	json_object_foreach(d->have, uuid, v)
		if (strcmp(str(v, "last_name"), name) == 0) {
			(void)snprintf(out, sizeof(out), "%s", uuid);
			return out;
		}
	ck_abort_msg("%s is not here", name);
}

/* Deletions of the contacts FROM to TO - 1. */
static json_t *
deletions(const struct dev *d, const char *prefix, unsigned from, unsigned to)
{
	json_t *list = json_array();

	for (unsigned i = from; i < to; i++)
		(void)json_array_append_new(list, json_pack("{s:s}", "uuid", uuid_of(d, prefix, i)));
	return list;
}

/* How many results of DATA have STATUS. */
static size_t
results(const json_t *data, const char *status)
{
	const json_t *list = json_object_get(data, "results");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		n += strcmp(str(json_array_get(list, i), "status"), status) == 0;
	return n;
}

static const json_t *
notice(const json_t *data, const char *code)
{
	const json_t *list = json_object_get(data, "notices");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(str(json_array_get(list, i), "code"), code) == 0)
			return json_array_get(list, i);
	return NULL;
}

static size_t
left_at_ox(const char *prefix, unsigned n)
{
	char name[64];
	size_t left = 0;

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s %u", prefix, i);
		left += at_ox(name);
	}
	return left;
}

/* usmctl COMMAND --device D and up to three more arguments; what it prints, until the next call. */
static const char *
usmctl(const char *command, const char *device, const char *a, const char *b, const char *c)
{
	static char out[200000];
	char prog[160], conf[160], log[160];
	const char *argv[12] = { prog, command, "--config", conf, "--device", device };
	int n = 6;
	FILE *f;

	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w.dir);
	(void)snprintf(log, sizeof(log), "%s/usmctl.log", w.dir);
	for (int i = 0; i < 3; i++) {
		const char *const more[] = { a, b, c };

		if (more[i] != NULL)
			argv[n++] = more[i];
	}
	(void)unlink(log);
	ck_assert_int_eq(run_wait((char *const *)(uintptr_t)argv, log), 0);
	f = fopen(log, "r");
	ck_assert_ptr_nonnull(f);
	out[fread(out, 1, sizeof(out) - 1, f)] = '\0';
	(void)fclose(f);
	return out;
}

static size_t
lines_with(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, word)) != NULL; p += strlen(word))
		n++;
	return n;
}

/* The daemon looks every few seconds what is to be done: until usmctl says that N entries have come to WHAT. */
static void
until_entries(const char *device, const char *what, size_t n)
{
	for (int i = 0; i < 300; i++) {
		if (lines_with(usmctl("undo", device, "--since", "1h", NULL), what) == n)
			return;
		sleep_ms(100);
	}
	ck_abort_msg("not %zu entries %s: %s", n, what, usmctl("undo", device, "--since", "1h", NULL));
}

static json_t *
confirmed(json_t *req, bool yes)
{
	(void)json_object_set_new(req, "confirmDeletions", json_boolean(yes));
	return req;
}

/* All that the tests before have left in berta's folder goes, so that shares are known. */
static void
empty_folder(void)
{
	json_t *rows = ox_as("berta", "contacts", "all", json_pack("{s:s,s:s}", "folder", CONTACTS, "columns", "1"), NULL), *row, *list = json_array();
	size_t i;

	json_array_foreach(rows, i, row)
		(void)json_array_append_new(list, json_pack("{s:O,s:s}", "id", json_array_get(row, 0), "folder", CONTACTS));
	if (json_array_size(list) > 0)
		json_decref(ox_as("berta", "contacts", "delete", json_pack("{s:s}", "timestamp", NOW), list));
	else
		json_decref(list);
	json_decref(rows);
	no_faults();
}

/* ---- deletions ---- */

START_TEST(too_many_deletions_are_held)
{
	struct dev d;
	json_t *data, *change;
	const json_t *n;

	device_with(&d, "cleaner", "Held", 20);
	change = json_array();
	(void)json_array_append_new(change, json_pack("{s:s,s:s}", "uuid", uuid_of(&d, "Held", 19), "note", "goes on"));
	data = update(&d, request(&d, NULL, change, deletions(&d, "Held", 0, 15)));
	ck_assert_uint_eq(results(data, "held"), 15);
	ck_assert_uint_eq(results(data, "ok"), 1);
	n = notice(data, "deletions-held");
	ck_assert_ptr_nonnull(n);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(n, "details"), "count")), 15);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(n, "details"), "of")), 20);
	ck_assert_uint_eq(left_at_ox("Held", 20), 20);
	json_decref(data);
	/* asked again without a word they are held again */
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Held", 0, 15)));
	ck_assert_uint_eq(results(data, "held"), 15);
	json_decref(data);
	data = update(&d, confirmed(request(&d, NULL, NULL, deletions(&d, "Held", 0, 15)), true));
	ck_assert_uint_eq(results(data, "gone"), 15);
	ck_assert_ptr_null(notice(data, "deletions-held"));
	json_decref(data);
	ck_assert_uint_eq(left_at_ox("Held", 20), 5);
}
END_TEST

/* few at a time, but too many within a time */
START_TEST(deletions_add_up)
{
	struct dev d;
	json_t *data;

	device_with(&d, "nibbler", "Nibbled", 30);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Nibbled", 0, 9)));
	ck_assert_uint_eq(results(data, "gone"), 9);
	json_decref(data);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Nibbled", 9, 18)));
	ck_assert_uint_eq(results(data, "held"), 9); /* 18 of 30 */
	json_decref(data);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Nibbled", 9, 12)));
	ck_assert_uint_eq(results(data, "gone"), 3); /* 12 of 30 */
	json_decref(data);
}
END_TEST

/* the same request again, because its answer was lost, deletes nothing more and is not held */
START_TEST(repeated_deletions_are_not_counted_twice)
{
	struct dev d;
	json_t *req, *data;

	device_with(&d, "stutter", "Repeated", 30);
	req = request(&d, NULL, NULL, deletions(&d, "Repeated", 0, 14));
	json_decref(good(&d, "syncUpdate", req));
	data = good(&d, "syncUpdate", req);
	ck_assert_uint_eq(results(data, "gone"), 14);
	json_decref(data);
	json_decref(req);
}
END_TEST

START_TEST(a_mistake_gives_the_objects_back)
{
	struct dev d;
	json_t *data;

	device_with(&d, "regrets", "Regretted", 20);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Regretted", 0, 15)));
	ck_assert_uint_eq(results(data, "held"), 15);
	json_decref(data);
	data = update(&d, confirmed(request(&d, NULL, NULL, deletions(&d, "Regretted", 0, 15)), false));
	ck_assert_uint_eq(results(data, "refused"), 15);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 15);
	json_decref(data);
	ck_assert_uint_eq(left_at_ox("Regretted", 20), 20);
}
END_TEST

START_TEST(an_administrator_decides)
{
	const char *const verdict = _i == 0 ? "--release" : "--refuse";
	struct dev d;
	json_t *data;
	const char *out;

	device_with(&d, _i == 0 ? "released" : "denied", "Judged", 20);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Judged", 0, 15)));
	ck_assert_uint_eq(results(data, "held"), 15);
	json_decref(data);
	out = usmctl("held", _i == 0 ? "released" : "denied", NULL, NULL, NULL);
	ck_assert_msg(strstr(out, "15 deletions held") != NULL, "%s", out);
	(void)usmctl("held", _i == 0 ? "released" : "denied", verdict, NULL, NULL);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, "Judged", 0, 15)));
	ck_assert_uint_eq(results(data, _i == 0 ? "gone" : "refused"), 15);
	json_decref(data);
	ck_assert_uint_eq(left_at_ox("Judged", 20), _i == 0 ? 5 : 20);
	out = usmctl("held", _i == 0 ? "released" : "denied", NULL, NULL, NULL);
	ck_assert_msg(strstr(out, "deletions held") == NULL, "%s", out);
}
END_TEST

/* ---- creates ---- */

static json_t *
same_again(const char *id)
{
	json_t *list = json_array();

	(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "clientId", id, "last_name", "Photocopy", "note", "same"));
	return list;
}

START_TEST(the_same_again_and_again)
{
	struct dev d, other;
	json_t *data;
	char id[24];
	const char *out;

	device_with(&d, "copier", "none", 0);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(id, sizeof(id), "copy-%d", i);
		data = update(&d, request(&d, same_again(id), NULL, NULL));
		ck_assert_uint_eq(results(data, "ok"), 1);
		json_decref(data);
	}
	data = update(&d, request(&d, same_again("copy-5"), NULL, NULL));
	ck_assert_str_eq(str(json_object_get(result(data, 0), "error"), "code"), "repeated-create");
	json_decref(data);
	/* what was created is not refused when it is repeated; others may create the same, this device something else */
	data = update(&d, request(&d, same_again("copy-4"), NULL, NULL));
	ck_assert_uint_eq(results(data, "ok"), 1);
	json_decref(data);
	ck_assert_uint_eq(at_ox("Photocopy"), 5);
	device_with(&other, "neighbour", "Photocopied", 1);
	data = update(&other, request(&other, same_again("copy-6"), NULL, NULL));
	ck_assert_uint_eq(results(data, "ok"), 1);
	json_decref(data);
	data = update(&d, request(&d, json_pack("[{s:s,s:s}]", "clientId", "another", "last_name", "Original"), NULL, NULL));
	ck_assert_uint_eq(results(data, "ok"), 1);
	json_decref(data);
	/* one step removes the copies, but not one that says something else by now */
	(void)pull(&d);
	data = update(&d, request(&d, NULL, json_pack("[{s:s,s:s}]", "uuid", str(find(&d, "clientId", "copy-3", NULL), "uuid"), "note", "edited since"), NULL));
	ck_assert_uint_eq(results(data, "ok"), 1);
	json_decref(data);
	out = usmctl("duplicates", "copier", NULL, NULL, NULL);
	ck_assert_msg(lines_with(out, "  copy\n") == 4 && lines_with(out, "  first\n") == 1, "%s", out);
	ck_assert_uint_eq(at_ox("Photocopy"), 6);
	(void)usmctl("duplicates", "copier", "--remove", NULL, NULL);
	for (int i = 0; i < 300 && at_ox("Photocopy") > 3; i++)
		sleep_ms(100);
	ck_assert_uint_eq(at_ox("Photocopy"), 3); /* the first, the edited one, the neighbour's */
	/* and it can be brought back */
	out = usmctl("undo", "copier", "--since", "1h", NULL);
	ck_assert_msg(lines_with(out, "deleted      contact") == 3, "%s", out);
}
END_TEST

/* ---- the same syncid again and again ---- */

START_TEST(a_device_that_does_not_get_on)
{
	static const size_t pages[] = { 16, 16, 2, 2, 1, 1 };
	struct dev d, writer;
	json_t *req, *data = NULL;
	char start[40], stuck[40];
	size_t got = 0;

	device_with(&d, "stuck", "none", 0);
	device_with(&writer, "writer", "Page", 20);
	(void)snprintf(start, sizeof(start), "%s", d.syncid);
	for (size_t i = 0; i <= ARRAY_LEN(pages); i++) {
		req = request(&d, NULL, NULL, NULL);
		(void)json_object_set_new(req, "limit", json_integer(16));
		json_decref(data);
		data = good(&d, "syncUpdate", req);
		json_decref(req);
		if (i == ARRAY_LEN(pages))
			break;
		ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), pages[i]);
		(void)snprintf(stuck, sizeof(stuck), "%s", str(json_array_get(json_object_get(data, "created"), 0), "uuid"));
	}
	/* it is set aside, and said; the rest comes */
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 0);
	ck_assert_ptr_nonnull(notice(data, "set-aside"));
	ck_assert_str_eq(str(json_object_get(notice(data, "set-aside"), "details"), "uuid"), stuck);
	ck_assert_str_ne(str(data, "syncid"), start);
	apply(&d, data);
	json_decref(data);
	got = pull(&d);
	ck_assert_uint_ge(got, 18);
	ck_assert_ptr_null(json_object_get(d.have, stuck));
	/* it comes when it changes, whole */
	data = update(&writer, request(&writer, NULL, json_pack("[{s:s,s:s}]", "uuid", stuck, "note", "changed"), NULL));
	ck_assert_uint_eq(results(data, "ok"), 1);
	json_decref(data);
	(void)pull(&d);
	ck_assert_str_eq(str(json_object_get(d.have, stuck), "note"), "changed");
	ck_assert_ptr_nonnull(json_object_get(json_object_get(d.have, stuck), "last_name"));
}
END_TEST

/* a client in step uses one syncid for ever, and is not stuck */
START_TEST(unchanged_is_not_stuck)
{
	struct dev d, writer;
	json_t *data;

	device_with(&d, "calm", "Calm", 3);
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(pull(&d), 0);
	device_with(&writer, "busy", "Busy", 10);
	data = update(&d, request(&d, NULL, NULL, NULL));
	ck_assert_uint_ge(json_array_size(json_object_get(data, "created")), 10);
	json_decref(data);
}
END_TEST

/* another time stamp with the same content is no change for anybody */
START_TEST(touches_are_not_sent)
{
	struct dev d;
	char id[24] = "";

	device_with(&d, "touched", "Touched", 3);
	ck_assert_uint_eq(ox_rows("berta", "contacts", CONTACTS, NAME, "Touched 1", id, sizeof(id)), 1);
	for (int i = 0; i < 30; i++) {
		json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", CONTACTS, "id", id, "timestamp", NOW),
		    json_pack("{s:s}", "note", "as it was")));
		ck_assert_uint_eq(pull(&d), 0);
	}
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", CONTACTS, "id", id, "timestamp", NOW),
	    json_pack("{s:s}", "note", "changed")));
	ck_assert_uint_eq(pull(&d), 1);
}
END_TEST

/* ---- floods ---- */

/* N pings that end at once; how many were refused. */
static size_t
hammer(const struct dev *d, unsigned n, int *retry)
{
	size_t refused = 0;
	json_t *empty = json_object(), *root;

	for (unsigned i = 0; i < n; i++) {
		root = call(d, "getConfig", empty);
		if (strcmp(str(json_object_get(root, "error"), "code"), "throttled") == 0) {
			refused++;
			*retry = (int)json_integer_value(json_object_get(json_object_get(json_object_get(root, "error"), "details"), "retryAfter"));
		}
		json_decref(root);
	}
	json_decref(empty);
	return refused;
}

START_TEST(floods_are_slowed_then_refused)
{
	struct dev d, other;
	int64_t start;
	int retry = 0, status, bad = 0;
	pid_t pid[4];

	login(&d, "berta", "flood");
	login(&other, "berta", "quiet");
	ck_assert_uint_eq(hammer(&d, 100, &retry), 0);
	/* one after another: at the rate that is allowed, 10 a second */
	start = now_mono_us();
	ck_assert_uint_eq(hammer(&d, 10, &retry), 0);
	ck_assert_int_ge(now_mono_us() - start, 700000);
	/* at once: refused with a time to wait */
	for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(hammer(&d, 20, &retry) > 0 && retry >= 1 ? 1 : 0);
	}
	/* another device of the same account meanwhile */
	start = now_mono_us();
	ck_assert_uint_eq(hammer(&other, 20, &retry), 0);
	ck_assert_int_le(now_mono_us() - start, 1000000);
	for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		bad += WIFEXITED(status) && WEXITSTATUS(status) == 1;
	}
	ck_assert_int_ge(bad, 1);
}
END_TEST

/* ---- undo ---- */

START_TEST(undo_brings_back)
{
	struct dev d, other;
	json_t *data;
	const char *out;
	char changed[40];

	device_with(&d, "vandal", "Undone", 9);
	(void)snprintf(changed, sizeof(changed), "%s", uuid_of(&d, "Undone", 8));
	data = update(&d, request(&d, NULL, json_pack("[{s:s,s:s}]", "uuid", changed, "note", "scribble"), deletions(&d, "Undone", 0, 4)));
	ck_assert_uint_eq(results(data, "gone"), 4);
	json_decref(data);
	/* twice: both go back, to what was before the first */
	data = update(&d, request(&d, NULL, json_pack("[{s:s,s:s,s:s}]", "uuid", changed, "note", "more scribble", "first_name", "X"), NULL));
	json_decref(data);
	(void)pull(&d);
	out = usmctl("undo", "vandal", "--since", "1h", NULL);
	ck_assert_msg(lines_with(out, "deleted      contact") == 4 && lines_with(out, "overwritten  contact") == 2, "%s", out);
	ck_assert_msg(strstr(out, "fields note") != NULL && strstr(out, "scribble") == NULL && strstr(out, "as it was") == NULL, "%s", out);
	ck_assert_msg(strstr(out, "--apply") != NULL, "%s", out);
	ck_assert_uint_eq(left_at_ox("Undone", 9), 5); /* nothing yet */
	/* somebody else has edited one of the fields since: that stays */
	login(&other, "berta", "helper");
	open_folder(&other, str(other.defaults, "contact"));
	data = update(&other, request(&other, NULL, json_pack("[{s:s,s:s}]", "uuid", changed, "first_name", "Theirs"), NULL));
	json_decref(data);
	(void)usmctl("undo", "vandal", "--since", "1h", "--apply");
	until_entries("vandal", "[brought back", 6);
	ck_assert_uint_eq(left_at_ox("Undone", 9), 9);
	ck_assert_uint_eq(at_ox("Undone 0"), 1);
	(void)pull(&d);
	(void)pull(&other);
	ck_assert_str_eq(str(json_object_get(d.have, changed), "note"), "as it was");
	ck_assert_str_eq(str(json_object_get(d.have, changed), "first_name"), "Theirs");
	ck_assert_str_eq(str(find(&d, "last_name", "Undone 0", NULL), "note"), "as it was");
	ck_assert_ptr_nonnull(find(&other, "last_name", "Undone 3", NULL));
	/* a second time nothing is left to do */
	out = usmctl("undo", "vandal", "--since", "1h", "--apply");
	ck_assert_msg(strstr(out, "\n0 entries will be") != NULL, "%s", out);
	ck_assert_uint_eq(left_at_ox("Undone", 9), 9);
}
END_TEST

/* OX does not answer the creation, which it has executed, or not: there is one in the end */
START_TEST(undo_once_whatever_happens)
{
	static const char *const drops[] = { "drop_before", "drop_after" };
	const char *device = _i == 0 ? "torn-before" : "torn-after";
	struct dev d;
	char rule[200];
	json_t *data;

	device_with(&d, device, device, 3);
	data = update(&d, request(&d, NULL, NULL, deletions(&d, device, 0, 1)));
	ck_assert_uint_eq(results(data, "gone"), 1);
	json_decref(data);
	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\"},\"effect\":{\"%s\":true}}", drops[_i]);
	faults(rule);
	(void)usmctl("undo", device, "--since", "1h", "--apply");
	until_entries(device, "[being brought back", 1);
	/* the process dies in between */
	world_usmd_kill(&w);
	world_usmd_start(&w);
	login(&d, "berta", device);
	until_entries(device, "[brought back", 1);
	ck_assert_uint_eq(left_at_ox(device, 3), 3);
}
END_TEST

START_TEST(undo_says_what_it_cannot)
{
	struct dev d;
	json_t *data;
	char uuid[40];

	device_with(&d, "late", "Late", 3);
	(void)snprintf(uuid, sizeof(uuid), "%s", uuid_of(&d, "Late", 0));
	data = update(&d, request(&d, NULL, json_pack("[{s:s,s:s}]", "uuid", uuid, "note", "scribble"), NULL));
	json_decref(data);
	empty_folder();
	(void)usmctl("undo", "late", "--since", "1h", "--apply");
	until_entries("late", "[not brought back: it is gone", 1);
}
END_TEST

/* a mail that was deleted lies in the trash */
START_TEST(undo_of_a_mail)
{
	struct dev d;
	json_t *data;
	const char *uuid = NULL;
	char subject[200] = "";
	size_t n;

	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":\"default0/INBOX\",\"count\":5,\"first\":1}", NULL, 0);
	login(&d, "berta", "mailer");
	open_folder(&d, str(d.defaults, "inbox"));
	uuid = json_object_iter_key(json_object_iter(d.have));
	ck_assert_ptr_nonnull(uuid);
	(void)snprintf(subject, sizeof(subject), "%s", str(json_object_get(d.have, uuid), "subject"));
	(void)find(&d, "subject", subject, &n);
	data = update(&d, request(&d, NULL, NULL, json_pack("[{s:s}]", "uuid", uuid)));
	ck_assert_uint_eq(results(data, "gone"), 1);
	json_decref(data);
	(void)usmctl("undo", "mailer", "--since", "1h", "--apply");
	until_entries("mailer", "[brought back", 1);
	for (size_t now = 0, i = 0; now != n && i < 100; i++) {
		(void)pull(&d);
		(void)find(&d, "subject", subject, &now);
		ck_assert_uint_le(now, n);
		if (now != n)
			sleep_ms(100);
	}
	ck_assert_ptr_nonnull(find(&d, "subject", subject, NULL));
}
END_TEST

/* ---- a device with files ---- */

/* usmsync on DIR/vandal; its exit status. */
static int
usmsync(const char *a, const char *b)
{
	char prog[160], dir[160], log[160];
	char *argv[] = { prog, "--server", w.server, "--user", "berta", "--device", "files", "--dir", dir, (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/vandal", w.dir);
	(void)snprintf(log, sizeof(log), "%s/usmsync.log", w.dir);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	return run_wait(argv, log);
}

static int
shell(const char *command)
{
	char line[400];
	char *argv[] = { "sh", "-c", line, NULL };

	(void)snprintf(line, sizeof(line), "cd %s/vandal/Contacts && %s", w.dir, command);
	return run_wait(argv, NULL);
}

/* The story of a directory that somebody empties: the server asks; he says yes; the administrator brings it all back. */
START_TEST(story_of_an_emptied_directory)
{
	struct dev d;

	device_with(&d, "owner", "Story", 20);
	ck_assert_int_eq(usmsync(NULL, NULL), 0);
	ck_assert_int_eq(shell("test $(ls *.vcf | wc -l) = 20 && mkdir ../../saved && cp -p *.vcf ../../saved && rm *.vcf"), 0);
	ck_assert_int_eq(usmsync(NULL, NULL), 1); /* it asks */
	ck_assert_uint_eq(left_at_ox("Story", 20), 20);
	ck_assert_int_eq(usmsync("--deletions", "no"), 0);
	ck_assert_int_eq(shell("test $(ls *.vcf | wc -l) = 20 && rm *.vcf"), 0);
	ck_assert_int_eq(usmsync("--deletions", "yes"), 0);
	ck_assert_uint_eq(left_at_ox("Story", 20), 0);
	(void)usmctl("undo", "files", "--since", "1h", "--apply");
	until_entries("files", "[brought back", 20);
	ck_assert_uint_eq(left_at_ox("Story", 20), 20);
	ck_assert_int_eq(usmsync(NULL, NULL), 0);
	ck_assert_int_eq(shell("for f in *.vcf; do for g in \"$f\" \"../../saved/$f\"; do grep -v -e ^UID -e ^REV -e ^X- \"$g\"; done | sort | uniq -u; done |"
	    " if grep .; then false; fi"), 0); /* every line twice: the same content */
	ck_assert_int_eq(shell("ls *.vcf >../../now && (cd ../../saved && ls *.vcf) | cmp - ../../now"), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("guards");
	TCase *t = tcase_create("guards");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, empty_folder, forget_devices);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, too_many_deletions_are_held);
	tcase_add_test(t, deletions_add_up);
	tcase_add_test(t, repeated_deletions_are_not_counted_twice);
	tcase_add_test(t, a_mistake_gives_the_objects_back);
	tcase_add_loop_test(t, an_administrator_decides, 0, 2);
	tcase_add_test(t, the_same_again_and_again);
	tcase_add_test(t, a_device_that_does_not_get_on);
	tcase_add_test(t, unchanged_is_not_stuck);
	tcase_add_test(t, touches_are_not_sent);
	tcase_add_test(t, floods_are_slowed_then_refused);
	tcase_add_test(t, undo_brings_back);
	tcase_add_test(t, undo_says_what_it_cannot);
	tcase_add_test(t, undo_of_a_mail);
	tcase_add_test(t, story_of_an_emptied_directory);
	suite_add_tcase(suite, t);
	t = tcase_create("crashes"); /* a world for each: the test kills the daemon */
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, undo_once_whatever_happens, 0, 2);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
