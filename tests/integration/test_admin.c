/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Administration: settings in several files, reload, decisions about devices and sessions, resync, set-aside objects, users that are forgotten, records
 * of it all; and a database that is restored from a backup.  One oxsim and one usmd for all; each test has devices of its own.
 */
#include "usmctl.h"

#include <signal.h>
#include <sys/stat.h>

#define CONTACTS "42" /* berta's */
#define NAME "1,502"

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };

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

static void
make(struct dev *d, const char *name, char uuid[40])
{
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s}", "clientId", name, "last_name", name)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
}

/* A drop-in of the world's configuration; TEXT NULL removes it. */
static void
drop_in(const char *name, const char *text)
{
	char dir[160], path[200];
	FILE *f;

	(void)snprintf(dir, sizeof(dir), "%s/conf.d", w.dir);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)mkdir(dir, 0700);
	if (text == NULL) {
		ck_assert_int_eq(unlink(path), 0);
		return;
	}
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* The code of the error that a login gives, "" = it is let in. */
static const char *
login_error(const char *user, const char *device)
{
	static char code[80];
	struct dev d = { .token = "" };
	json_t *body = json_pack("{s:s,s:s,s:s,s:i}", "user", user, "password", "secret", "device", device, "protocol", 1), *root = call(&d, "login", body);

	(void)snprintf(code, sizeof(code), "%s", str(json_object_get(root, "error"), "code"));
	json_decref(root);
	json_decref(body);
	return code;
}

static const char *
sync_error(struct dev *d)
{
	json_t *req = request(d, NULL, NULL, NULL);
	const char *code = bad(d, "syncUpdate", req, NULL);

	json_decref(req);
	return code;
}

/* ---- settings ---- */

/* Everything that is wrong with file and line at once; effective values with where they come from; what differs. */
START_TEST(config_commands)
{
	const char *out;
	int code;

	ck_assert_ptr_nonnull(strstr(USMCTL("config", "check"), ": ok\n"));
	drop_in("10-pages.conf", "page_max = 500\nworkrs = 3\n");
	drop_in("20-more.conf", "page_max = many\n");
	out = usmctl((const char *const[]){ "config", "check", NULL }, &code);
	ck_assert_int_eq(code, 78);
	ck_assert_ptr_nonnull(strstr(out, "10-pages.conf:2: there is no setting 'workrs'; did you mean workers?"));
	ck_assert_ptr_nonnull(strstr(out, "20-more.conf:1: page_max = 'many' is not possible; allowed: 1 to 10000"));
	ck_assert_ptr_nonnull(strstr(out, "2 problems"));
	drop_in("10-pages.conf", "page_max = 500\n");
	drop_in("20-more.conf", "page_max = 600\n");
	out = USMCTL("config", "show");
	ck_assert_ptr_nonnull(strstr(out, "\npage_max = 600  # "));
	ck_assert_ptr_nonnull(strstr(out, "20-more.conf:1\n"));
	ck_assert_ptr_nonnull(strstr(out, "\nworkers = 32  # default\n"));
	ck_assert_ptr_nonnull(strstr(USMCTL("config", "diff"), "page_max = 600  # default: 1000\n"));
	ck_assert_str_eq(USMCTL("config", "diff", "--running"), "page_max = 600  # running: 1000\n");
	drop_in("10-pages.conf", NULL);
	drop_in("20-more.conf", NULL);
	ck_assert_str_eq(USMCTL("config", "diff", "--running"), "The running daemon has these settings.\n");
}
END_TEST

static size_t
first_page(struct dev *d)
{
	json_t *b = folder_body(d), *data = good(d, "syncInit", b);
	size_t n = json_array_size(json_object_get(data, "created"));

	json_decref(b);
	json_decref(data);
	return n;
}

/* What can be applied is, at once; what cannot is named; a wrong file changes nothing. */
START_TEST(reload)
{
	struct dev d;
	char uuid[40];
	const char *out;
	int code;

	berta(&d, "adm-reload");
	for (int i = 0; i < 4; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "adm-reload-%d", i);
		make(&d, name, uuid);
	}
	ck_assert_uint_ge(first_page(&d), 4);
	drop_in("50-r.conf", "page_default = 2\nworkers = 9\n");
	ck_assert_str_eq(USMCTL("reload"), "in force now: page_default\nwaiting for a restart: workers\n");
	ck_assert_uint_eq(first_page(&d), 2);
	ck_assert_str_eq(USMCTL("config", "diff", "--running"), "workers = 9  # running: 32\n");
	drop_in("50-r.conf", "page_default = 3\nworkers = none\n");
	out = usmctl((const char *const[]){ "reload", NULL }, &code);
	ck_assert_int_eq(code, 78); /* usmctl itself cannot read it; the daemon is told by the signal below */
	ck_assert_ptr_nonnull(strstr(out, "50-r.conf:2"));
	ck_assert_int_eq(kill(w.usmd, SIGHUP), 0);
	ck_assert_uint_eq(first_page(&d), 2);
	drop_in("50-r.conf", NULL);
	ck_assert_str_eq(USMCTL("reload"), "in force now: page_default\nwaiting for a restart: nothing\n");
	ck_assert_uint_ge(first_page(&d), 4);
	/* the record has what came into force, and who did it; a signal leaves none */
	ck_assert_ptr_nonnull(strstr(USMCTL("audit", "--json"), "\"command\":\"reload\",\"target\":\"node="));
	ck_assert_ptr_nonnull(strstr(USMCTL("audit", "--json"), " page_default\",\"changed\":1}"));
}
END_TEST

static long
limit_of(const char *name)
{
	const struct dev nobody = { .token = "" };
	json_t *none = json_object(), *data = good(&nobody, "serverInfo", none);
	long v = (long)json_integer_value(json_object_get(json_object_get(data, "limits"), name));

	json_decref(none);
	json_decref(data);
	return v;
}

static size_t
log_lines(const char *what)
{
	static char text[1 << 22];
	char path[200];
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%.150s/usmd.log", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

/* A setting of each part that takes them while it works: protocol, engine, log, the stop. */
START_TEST(reload_of_each_part)
{
	static const char told[] = "\"in_force\":[\"drain_time\",\"max_devices\",\"heartbeat_max\",\"max_depth\",\"max_changes\",\"log_level\"],\"restart\":[\"ox_timeout\"]}";
	struct dev d;
	size_t debug;
	int code;

	berta(&d, "adm-limits");
	drop_in("55-all.conf", "drain_time = 1s\nmax_devices = 1\nheartbeat_max = 2m\nmax_depth = 9\nmax_changes = 33\nlog_level = debug\nox_timeout = 50s\n");
	ck_assert_ptr_nonnull(strstr(USMCTL("reload", "--dry-run", "--json"), told));
	ck_assert_int_eq(limit_of("maxObjects"), 1000);
	ck_assert_ptr_nonnull(strstr(USMCTL("config", "diff", "--running"), "max_changes = 33  # running: 1000\n"));
	debug = log_lines("level=debug");
	ck_assert_ptr_nonnull(strstr(USMCTL("reload", "--json"), told));
	ck_assert_int_eq(limit_of("maxObjects"), 33);
	ck_assert_int_eq(limit_of("maxDepth"), 9);
	ck_assert_str_eq(USMCTL("config", "diff", "--running"), "ox_timeout = 50s  # running: 100s\n");
	ck_assert_ptr_nonnull(strstr(USMCTL("drain", "--dry-run"), "within: 1 s"));
	/* no further device of hers is let in now */
	ck_assert_str_eq(login_error("berta", "adm-one-more"), "limit");
	berta(&d, "adm-limits");
	ck_assert_uint_gt(log_lines("level=debug"), debug);
	drop_in("55-all.conf", NULL);
	(void)USMCTL("reload");
	ck_assert_int_eq(limit_of("maxObjects"), 1000);
	(void)usmctl((const char *const[]){ "reload", "--dry", "--skip", NULL }, &code);
	ck_assert_int_eq(code, 2);
}
END_TEST

/* ---- devices ---- */

START_TEST(block_and_allow)
{
	struct dev d, other;

	berta(&d, "adm-block");
	berta(&other, "adm-block-other");
	ck_assert_ptr_nonnull(strstr(USMCTL("device", "block", "--device", "adm-block", "--dry-run"), "1 devices blocked (nothing is done"));
	(void)pull(&d);
	ck_assert_ptr_nonnull(strstr(USMCTL("device", "block", "--device", "adm-block"), "1 devices blocked\n"));
	ck_assert_str_eq(sync_error(&d), "login-required");
	ck_assert_str_eq(login_error("berta", "adm-block"), "forbidden");
	(void)pull(&other);
	ck_assert_ptr_nonnull(strstr(USMCTL("devices", "--device", "adm-block", "--json"), "\"state\":\"blocked\""));
	(void)USMCTL("device", "allow", "--device", "adm-block");
	berta(&d, "adm-block");
	(void)pull(&d);
	ck_assert_ptr_nonnull(strstr(USMCTL("audit", "--json"), "\"command\":\"device block\",\"target\":\"user="));
}
END_TEST

/* The exit status of one run. */
static int
usmsync_once(const char *user, const char *device)
{
	char cmd[900];
	char *argv[] = { "sh", "-c", cmd, NULL };

	(void)snprintf(cmd, sizeof(cmd), "B='%s'; case $B in /*) ;; *) B=$PWD/$B ;; esac; cd '%s' && USMSYNC_PASSWORD=secret \"$B/usmsync\" --server '%s' --user %s --dir sync "
	    "--device %s --watch", w.build, w.dir, w.server, user, device);
	return run_wait(argv, NULL);
}

START_TEST(new_devices)
{
	struct dev d;
	int code;

	login(&d, "caesar", "adm-first");
	drop_in("60-d.conf", "device_quarantine = yes\nmax_devices = 2\n");
	ck_assert_str_eq(USMCTL("reload"), "in force now: device_quarantine max_devices\nwaiting for a restart: nothing\n");
	ck_assert_str_eq(login_error("caesar", "adm-second"), "forbidden");
	ck_assert_str_eq(login_error("caesar", "adm-first"), "");
	ck_assert_ptr_nonnull(strstr(USMCTL("devices", "--device", "adm-second", "--json"), "\"state\":\"quarantined\""));
	(void)USMCTL("device", "allow", "--device", "adm-second");
	ck_assert_str_eq(login_error("caesar", "adm-second"), "");
	/* full: a third one is refused and leaves nothing behind, until one is removed */
	{
		json_t *body = json_pack("{s:s,s:s,s:s,s:i}", "user", "caesar", "password", "secret", "device", "adm-third", "protocol", 1);
		const struct dev nobody = { .token = "" };
		json_t *root = call(&nobody, "login", body), *x = json_object_get(root, "error");

		/* what is wrong, and what to do; nothing invites to try it again */
		ck_assert_str_eq(str(x, "code"), "limit");
		ck_assert_str_eq(str(json_object_get(x, "details"), "path"), "device");
		ck_assert_ptr_null(json_object_get(json_object_get(x, "details"), "retryAfter"));
		ck_assert_msg(strstr(str(x, "message"), "(2, max_devices)") != NULL && strstr(str(x, "message"), "ask the administrator to remove one") != NULL &&
		    strstr(str(x, "message"), "usmctl device remove") != NULL, "%s", str(x, "message"));
		json_decref(root);
		/* who asks again and again all the same waits, before OX is troubled; the user's other devices do not */
		for (int i = 0; i < 9; i++)
			ck_assert_str_eq(login_error("caesar", "adm-third"), "limit");
		ck_assert_str_eq(login_error("caesar", "adm-third"), "throttled");
		ck_assert_str_eq(login_error("caesar", "adm-first"), "");
		json_decref(body);
	}
	ck_assert_int_eq(usmsync_once("caesar", "adm-fourth"), 4); /* usmsync(1): the login was refused; it is tried once */
	(void)usmctl((const char *const[]){ "devices", "--device", "adm-third", NULL }, &code);
	ck_assert_int_eq(code, 1);
	(void)USMCTL("device", "remove", "--device", "adm-second");
	ck_assert_str_eq(login_error("caesar", "adm-fifth"), "forbidden");
	(void)USMCTL("device", "allow", "--device", "adm-fifth");
	ck_assert_str_eq(login_error("caesar", "adm-fifth"), "");
	drop_in("60-d.conf", NULL);
	(void)USMCTL("reload");
}
END_TEST

START_TEST(sessions)
{
	struct dev a, b;
	json_t *list;
	char id[20];
	int code;

	berta(&a, "adm-sess");
	berta(&b, "adm-sess");
	list = json_loads(USMCTL("sessions", "--device", "adm-sess", "--json"), JSON_REJECT_DUPLICATES, NULL);
	ck_assert_uint_eq(json_array_size(list), 2);
	(void)snprintf(id, sizeof(id), "%s", str(json_array_get(list, 0), "session"));
	json_decref(list);
	(void)usmctl((const char *const[]){ "sessions", "--end", NULL }, &code);
	ck_assert_int_eq(code, 1);
	ck_assert_ptr_nonnull(strstr(USMCTL("sessions", "--device", "adm-sess", "--end", "--session", id), "1 sessions ended"));
	list = json_loads(USMCTL("sessions", "--device", "adm-sess", "--json"), JSON_REJECT_DUPLICATES, NULL);
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_ne(str(json_array_get(list, 0), "session"), id);
	json_decref(list);
	ck_assert_ptr_nonnull(strstr(USMCTL("sessions", "--device", "adm-sess", "--end", "--json"), "\"changed\":1}"));
	ck_assert_str_eq(sync_error(&a), "login-required");
	ck_assert_str_eq(sync_error(&b), "login-required");
}
END_TEST

/* ---- folders, objects ---- */

static json_t *
reconcile(struct dev *d)
{
	json_t *pairs = json_array(), *v, *b, *data;
	const char *uuid;

	json_object_foreach(d->have, uuid, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
	b = json_pack("{s:s,s:o,s:i}", "folder", d->folder, "pairs", pairs, "limit", 1000);
	data = good(d, "reconcile", b);
	apply(d, data);
	json_decref(b);
	return data;
}

/* Only the device that is named, only differences; the other one goes on as if nothing had been. */
START_TEST(resync)
{
	struct dev d, other;
	char uuid[40];
	json_t *data;

	berta(&d, "adm-resync");
	berta(&other, "adm-resync-other");
	make(&d, "adm-resync", uuid);
	open_folder(&d, d.folder);
	(void)pull(&other);
	ck_assert_ptr_nonnull(strstr(USMCTL("resync", "--device", "adm-resync", "--type", "contact", "--dry-run"), "1 folders"));
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_ptr_nonnull(strstr(USMCTL("resync", "--device", "adm-resync", "--type", "task"), "0 folders"));
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_ptr_nonnull(strstr(USMCTL("resync", "--device", "adm-resync", "--folder", CONTACTS), "1 folders"));
	ck_assert_str_eq(sync_error(&d), "reconcile");
	(void)json_object_del(d.have, uuid);
	data = reconcile(&d);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 1);
	ck_assert_str_eq(str(json_array_get(json_object_get(data, "created"), 0), "uuid"), uuid);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), 0);
	json_decref(data);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_uint_eq(pull(&other), 0);
}
END_TEST

START_TEST(aside)
{
	struct dev d;
	char uuid[40], id[24] = "";
	json_t *data, *list;

	berta(&d, "adm-aside");
	make(&d, "adm-aside", uuid);
	open_folder(&d, d.folder);
	ck_assert_uint_eq(ox_rows("berta", "contacts", CONTACTS, NAME, "adm-aside", id, sizeof(id)), 1);
	data = update(&d, json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "folder", d.folder, "syncid", d.syncid, "rejected", "uuid", uuid, "reason", "no room"));
	json_decref(data);
	(void)json_object_del(d.have, uuid);
	list = json_loads(USMCTL("aside", "--device", "adm-aside", "--json"), JSON_REJECT_DUPLICATES, NULL);
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(str(json_array_get(list, 0), "reason"), "no room");
	json_decref(list);
	ck_assert_ptr_nonnull(strstr(USMCTL("aside", "--device", "adm-aside", "--retry", "--dry-run"), "1 objects"));
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_ptr_nonnull(strstr(USMCTL("aside", "--device", "adm-aside", "--retry"), "1 objects"));
	ck_assert_str_eq(sync_error(&d), "reconcile");
	json_decref(reconcile(&d));
	ck_assert_ptr_nonnull(json_object_get(d.have, uuid));
	/* and the other way: the device gets on without the one that is skipped */
	ck_assert_ptr_nonnull(strstr(USMCTL("aside", "--device", "adm-aside", "--skip", "--folder", CONTACTS, "--object", id), "1 objects"));
	ck_assert_str_eq(sync_error(&d), "reconcile");
	(void)json_object_del(d.have, uuid);
	json_decref(reconcile(&d));
	(void)pull(&d);
	ck_assert_ptr_null(json_object_get(d.have, uuid));
	ck_assert_ptr_nonnull(strstr(USMCTL("explain", "--device", "adm-aside", "--object", uuid, "--json"), "\"cause\":\"rejected-by-device\""));
}
END_TEST

/* ---- users ---- */

START_TEST(forget)
{
	struct dev d;
	char uuid[40];
	json_t *data, *have;
	int code;

	login(&d, "emil", "adm-forget");
	open_folder(&d, str(d.defaults, "contact"));
	make(&d, "adm-forget", uuid);
	open_folder(&d, d.folder);
	data = json_loads(USMCTL("devices", "--device", "adm-forget", "--json"), JSON_REJECT_DUPLICATES, NULL);
	{
		char who[60];

		(void)snprintf(who, sizeof(who), "%lld/%lld", (long long)json_integer_value(json_object_get(json_array_get(data, 0), "context")),
		    (long long)json_integer_value(json_object_get(json_array_get(data, 0), "user_id")));
		json_decref(data);
		ck_assert_ptr_nonnull(strstr(USMCTL("forget", "--user", who), "repeat the command with --apply"));
		(void)pull(&d);
		ck_assert_ptr_nonnull(strstr(USMCTL("forget", "--user", who, "--apply"), "1 users forgotten"));
		ck_assert_ptr_nonnull(strstr(usmctl((const char *const[]){ "forget", "--user", who, NULL }, &code), "nothing is kept"));
		ck_assert_int_eq(code, 1);
	}
	ck_assert_str_eq(sync_error(&d), "login-required");
	/* nothing of his at the server is touched, and when he comes back nothing is doubled */
	have = json_deep_copy(d.have);
	login(&d, "emil", "adm-forget");
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(d.defaults, "contact"));
	(void)json_object_update(d.have, have);
	json_decref(have);
	data = reconcile(&d);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "created")) + json_array_size(json_object_get(data, "deleted")), 0);
	json_decref(data);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_ptr_nonnull(json_object_get(d.have, uuid));
}
END_TEST

/* A report says nothing of persons: no name of a user, of a device, no address. */
START_TEST(report)
{
	struct dev d;
	const char *out;

	login(&d, "berta", "adm-secret-name");
	out = USMCTL("report", "--json");
	ck_assert_ptr_nonnull(strstr(out, "\"users_active_1d\",\"number\":"));
	ck_assert_ptr_null(strstr(out, "berta"));
	ck_assert_ptr_null(strstr(out, "adm-"));
	ck_assert_ptr_nonnull(strstr(USMCTL("stats"), "database_bytes"));
	ck_assert_ptr_nonnull(strstr(USMCTL("accounts", "--json"), "\"devices\":"));
	ck_assert_ptr_nonnull(strstr(USMCTL("conflicts", "--json"), "["));
	open_folder(&d, str(d.defaults, "contact"));
	ck_assert_ptr_nonnull(strstr(USMCTL("folders", "--device", "adm-secret-name", "--json"), "\"folder\":\"" CONTACTS "\""));
	ck_assert_ptr_null(strstr(USMCTL("folders", "--device", "adm-secret-name", "--json"), "\"synced_at\":null"));
}
END_TEST

/* ---- backup ---- */

static void
shell_ok(const char *command)
{
	char *argv[] = { "sh", "-ec", (char *)(size_t)command, NULL };
	char log[160];

	(void)snprintf(log, sizeof(log), "%s/backup.log", w.dir);
	ck_assert_msg(run_wait(argv, log) == 0, "%s, see %s", command, log);
}

/* pg_dump while the daemon works, changes on both sides, restore: every client gets on without loss and without doubles. */
START_TEST(backup_and_restore)
{
	struct dev d;
	char command[1200], a[40], b[40];
	json_t *data, *have, *req;
	size_t n = 0;

	berta(&d, "adm-backup");
	make(&d, "adm-before", a);
	open_folder(&d, d.folder);
	(void)snprintf(command, sizeof(command), "pg_dump -d '%s dbname=usmd_world' -n usmd -f %s/backup.sql", getenv("USMD_TEST_PG"), w.dir);
	shell_ok(command);
	/* after the backup: made here, and by somebody else; and a create that the device will send a second time */
	req = request(&d, one(json_pack("{s:s,s:s}", "clientId", "adm-after", "last_name", "adm-after")), NULL, NULL);
	data = good(&d, "syncUpdate", req);
	(void)snprintf(b, sizeof(b), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	json_decref(ox_as("berta", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", CONTACTS, "last_name", "adm-foreign")));
	ck_assert_int_eq(kill(w.usmd, SIGTERM), 0);
	world_usmd_kill(&w);
	(void)snprintf(command, sizeof(command), "psql -q -v ON_ERROR_STOP=1 -d '%s dbname=usmd_world' -c 'DROP SCHEMA usmd CASCADE' -f %s/backup.sql",
	    getenv("USMD_TEST_PG"), w.dir);
	shell_ok(command);
	world_usmd_start(&w);
	/* the client had no answer to its create and sends it again, as one that it has sent before */
	(void)json_object_set_new(json_array_get(json_object_get(req, "created"), 0), "again", json_true());
	have = json_deep_copy(d.have);
	login(&d, "berta", "adm-backup");
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(d.defaults, "contact"));
	(void)json_object_update(d.have, have);
	json_decref(have);
	json_decref(reconcile(&d));
	(void)json_object_set_new(req, "syncid", json_string(d.syncid));
	data = good(&d, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(result(data, 0), "uuid"), b);
	apply(&d, data);
	json_decref(data);
	json_decref(req);
	(void)pull(&d);
	(void)find(&d, "last_name", "adm-before", &n);
	ck_assert_uint_eq(n, 1);
	(void)find(&d, "last_name", "adm-after", &n);
	ck_assert_uint_eq(n, 1);
	(void)find(&d, "last_name", "adm-foreign", &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(ox_rows("berta", "contacts", CONTACTS, NAME, "adm-after", NULL, 0), 1);
	ck_assert_uint_eq(ox_rows("berta", "contacts", CONTACTS, NAME, "adm-before", NULL, 0), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("admin");
	TCase *t = tcase_create("running");

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, config_commands);
	tcase_add_test(t, reload);
	tcase_add_test(t, reload_of_each_part);
	tcase_add_test(t, block_and_allow);
	tcase_add_test(t, new_devices);
	tcase_add_test(t, sessions);
	tcase_add_test(t, resync);
	tcase_add_test(t, aside);
	tcase_add_test(t, forget);
	tcase_add_test(t, report);
	suite_add_tcase(s, t);
	t = tcase_create("backup");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_add_test(t, backup_and_restore);
	suite_add_tcase(s, t);
	return harness_main(s);
}
