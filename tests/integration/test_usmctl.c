/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Every command of usmctl, by usmctl's own table (usmctl help --json): --json answers JSON; what only shows changes nothing; what changes something says with
 * --dry-run how much that would be and does nothing, does it without, and leaves one record.  A command that has no row here fails.
 */
#include "usmctl.h"

#include <dirent.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/stat.h>

#define CONTACTS "42" /* berta's */
#define BERTA "1/4"
#define DEVICE "all-of-it"
#define ARGS 12

static char dir[3][200], settings_text[4][260];
static const char *settings[] = { settings_text[0], settings_text[1], settings_text[2], "heartbeat_min = 1s", "ping_poll_interval = 0", "guard_delete_min = 3",
	"guard_delete_share = 10", "guard_create_count = 1000", "drain_time = 1s", NULL };
enum { FEEDBACK, TRACES, KEYS };
static PGconn *pg;
static char object_id[24], key_file[260];

/* ---- the world ---- */

static void
make(struct dev *d, const char *id, const char *name, char uuid[40])
{
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s,s:s}", "clientId", id, "last_name", name, "note", "as it was")), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
}

/* One of each thing that a command shows or changes. */
static void
fill(void)
{
	struct dev d, e;
	char uuid[4][40];
	json_t *gone, *list = json_array(), *body, *v;
	const char *u = "";

	login(&d, "berta", DEVICE);
	open_folder(&d, str(d.defaults, "contact"));
	for (int i = 0; i < 4; i++) {
		char id[20];

		(void)snprintf(id, sizeof(id), "c%d", i);
		make(&d, id, i < 2 ? "twice the same" : id, uuid[i]);
	}
	(void)pull(&d);
	json_decref(update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid[2], "note", "overwritten")), NULL)));
	(void)pull(&d);
	ck_assert_uint_eq(ox_rows("berta", "contacts", CONTACTS, "1,502", "c3", object_id, sizeof(object_id)), 1);
	json_decref(update(&d, json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "folder", d.folder, "syncid", d.syncid, "rejected", "uuid", uuid[3], "reason", "no room")));
	body = json_pack("{s:s,s:s}", "data", "ZGF0YQ==", "comment", "what a client hands in");
	json_decref(good(&d, "sendFeedback", body));
	json_decref(body);
	/* deletions that are held */
	login(&e, "berta", DEVICE);
	open_folder(&e, str(e.defaults, "task"));
	for (int i = 0; i < 8; i++) {
		char id[20];

		(void)snprintf(id, sizeof(id), "t%d", i);
		(void)json_array_append_new(list, json_pack("{s:s,s:s}", "clientId", id, "title", id));
	}
	json_decref(update(&e, request(&e, list, NULL, NULL)));
	open_folder(&e, e.folder);
	gone = json_array();
	json_object_foreach(e.have, u, v)
		(void)json_array_append_new(gone, json_pack("{s:s}", "uuid", u));
	json_decref(update(&e, request(&e, NULL, NULL, gone)));
}

static void
world_up(void)
{
	static const char *const names[][2] = { [FEEDBACK] = { "feedback_dir", "" }, [TRACES] = { "trace_dir", "" }, [KEYS] = { "seal_keys", "/keys" } };
	char info[512];

	for (int i = 0; i < 3; i++) {
		(void)snprintf(dir[i], sizeof(dir[i]), "%.120s/usmctl.%ld.%d", harness_env("USMD_TEST_DIR"), (long)getpid(), i);
		ck_assert_int_eq(mkdir(dir[i], 0700), 0);
		(void)snprintf(settings_text[i], sizeof(settings_text[i]), "%s = %.190s%s", names[i][0], dir[i], names[i][1]);
	}
	(void)snprintf(key_file, sizeof(key_file), "%s/new-key", dir[KEYS]);
	{
		char path[260];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/keys", dir[KEYS]);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		ck_assert_int_ge(fd, 0);
		(void)close(fd);
	}
	world_begin(&w, NULL, settings);
	(void)snprintf(info, sizeof(info), "%s dbname=usmd_world", harness_env("USMD_TEST_PG"));
	pg = PQconnectdb(info);
	ck_assert_int_eq(PQstatus(pg), CONNECTION_OK);
	fill();
}

static void
down(void)
{
	PQfinish(pg);
	world_down();
}

/* ---- what a command changes ---- */

static char *
sql_text(const char *text)
{
	PGresult *r = PQexec(pg, text);
	char *out;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1, "%s: %s", text, PQerrorMessage(pg));
	out = strdup(PQgetvalue(r, 0, 0));
	PQclear(r);
	return out;
}

static long
records(const char *command)
{
	char text[200], *s;
	long n;

	(void)snprintf(text, sizeof(text), "SELECT count(*) FROM usmd.audit WHERE command LIKE '%.60s%%'", command);
	s = sql_text(text);
	n = strtol(s, NULL, 10);
	free(s);
	return n;
}

static void
add_files(const char *path, struct buf *b)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char name[600], piece[4096];
		FILE *f;
		size_t got = 0;

		(void)snprintf(name, sizeof(name), "%s/%.200s", path, list[i]->d_name);
		f = list[i]->d_name[0] != '.' ? fopen(name, "r") : NULL;
		if (f != NULL) {
			got = fread(piece, 1, sizeof(piece), f);
			(void)fclose(f);
		}
		buf_addf(b, "%s %zu ", list[i]->d_name, got);
		buf_add(b, piece, got);
		free(list[i]);
	}
	free(list);
}

/* All tables and all files, as one text; but for the marks that the daemon sets to know the age of tombstones. */
static char *
everything(void)
{
	static const char tables[] = "SELECT string_agg(format('SELECT %L || coalesce(string_agg(%s, '';'' ORDER BY %s), '''') FROM usmd.%I t', table_name, row, row, "
	    "table_name), ' UNION ALL ' ORDER BY table_name) FROM information_schema.tables, "
	    "(SELECT '(to_jsonb(t) - ''mark_cn'' - ''mark_at'')::text'::text AS row) x WHERE table_schema = 'usmd'";
	char *query = sql_text(tables), *out;
	PGresult *r = PQexec(pg, query);
	struct buf b;

	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	buf_init(&b, 0);
	for (int i = 0; i < PQntuples(r); i++)
		buf_addf(&b, "%s\n", PQgetvalue(r, i, 0));
	for (int i = 0; i < 3; i++)
		add_files(dir[i], &b);
	PQclear(r);
	free(query);
	ck_assert(!b.failed);
	out = strdup(b.p);
	buf_fini(&b);
	return out;
}

/* The same once the daemon has done what it was told before: equal for longer than it takes to look. */
static char *
settled(void)
{
	char *was = everything(), *is;

	for (int i = 0; i < 100; i++) {
		char *pending;
		bool equal;

		sleep_ms(1200);
		/* what undo and duplicates ordered is done, however long OX and a busy machine take */
		pending = sql_text("SELECT (SELECT count(*) FROM usmd.journal WHERE state IN (1, 2)) + (SELECT count(*) FROM usmd.guard_create WHERE state = 1)");
		is = everything();
		equal = strcmp(was, is) == 0 && strcmp(pending, "0") == 0;
		free(pending);
		free(was);
		was = is;
		if (equal)
			return was;
	}
	ck_abort_msg("the daemon does not come to rest");
}

/* ---- calling ---- */

static char config[260]; /* other settings than the world's, "" = those */

/* The standard output alone, as JSON; what is written to the other one goes to a file. */
static json_t *
json_of(const char *const *args, const char *more)
{
	char out[200], log[200], cmd[2000];
	char *argv[] = { "sh", "-c", cmd, NULL };
	size_t n = 0;
	json_error_t why;
	json_t *v;
	int status;

	(void)snprintf(out, sizeof(out), "%.150s/usmctl.json", w.dir);
	(void)snprintf(log, sizeof(log), "%.150s/usmctl.log", w.dir);
	n = (size_t)snprintf(cmd, sizeof(cmd), "'%s/usmctl'", w.build);
	for (size_t i = 0; i < ARGS && args[i] != NULL; i++)
		n += (size_t)snprintf(cmd + n, sizeof(cmd) - n, " '%s'", args[i]);
	(void)snprintf(cmd + n, sizeof(cmd) - n, " --json %s --config '%s%s' >'%s'", more, config[0] != '\0' ? config : w.dir,
	    config[0] != '\0' ? "" : "/usmd.conf", out);
	status = run_wait(argv, log);
	ck_assert_msg(status == 0, "%s: %d, see %s", cmd, status, log);
	v = json_load_file(out, JSON_REJECT_DUPLICATES, &why);
	ck_assert_msg(v != NULL, "%s is no JSON: %s", cmd, why.text);
	return v;
}

/* ---- the rows ---- */

static void
feedback_id(char *arg, size_t size)
{
	static const char *const args[] = { "feedback", "list", NULL };
	json_t *v = json_of(args, "");

	ck_assert_uint_ge(json_array_size(v), 1);
	(void)snprintf(arg, size, "%s", str(json_array_get(v, 0), "id"));
	json_decref(v);
}

static void
object_number(char *arg, size_t size)
{
	(void)snprintf(arg, size, "%s", object_id);
}

static void
new_key(char *arg, size_t size)
{
	(void)snprintf(arg, size, "%s", key_file);
}

static void
other_settings(void)
{
	char path[200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%.150s/conf.d", w.dir);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%.150s/conf.d/50.conf", w.dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs("page_default = 7\n", f);
	(void)fclose(f);
}

/* A second key of which no record is sealed: the first can be dropped after another one came. */
static void
old_key(void)
{
	(void)USMCTL("keys", "rotate");
	(void)USMCTL("keys", "rotate");
}

static void
traced(void)
{
	(void)USMCTL("trace", "--device", DEVICE, "--for", "10m");
}

static void until_files(int which, const char *what, size_t want);

/* The daemon removes the traces of the device that was removed; the first one of this database. */
static void
traces_gone(void)
{
	until_files(TRACES, "device=1 ", 0);
}

static const struct row {
	const char *args[ARGS];
	void (*arg)(char *arg, size_t size); /* makes what stands as "?" in ARGS */
	const char *does;                    /* NULL: it shows; else what does it, and the record's command */
	const char *record;
	void (*before)(void);
} rows[] = {
	{ .args = { "config", "check" } }, { .args = { "config", "show" } }, { .args = { "config", "diff" } }, { .args = { "config", "diff", "--running" } }, { .args = { "config", "sample" } },
	{ .args = { "keys" } }, { .args = { "undo", "--device", DEVICE, "--since", "1h" } }, { .args = { "duplicates", "--device", DEVICE } }, { .args = { "held", "--device", DEVICE } },
	{ .args = { "proxies" } }, { .args = { "sources" } }, { .args = { "explain", "--device", DEVICE, "--client-id", "c2" } }, { .args = { "accounts" } }, { .args = { "devices" } }, { .args = { "folders" } },
	{ .args = { "sessions" } }, { .args = { "aside" } }, { .args = { "conflicts" } }, { .args = { "forget", "--user", BERTA } }, { .args = { "audit" } }, { .args = { "stats" } }, { .args = { "report" } },
	{ .args = { "feedback", "list" } }, { .args = { "feedback", "show", "?" }, .arg = feedback_id }, { .args = { "trace", "--list" } }, { .args = { "help" } },
	{ .args = { "reload" }, .does = "", .record = "reload", .before = other_settings },
	{ .args = { "key-create", "?" }, .arg = new_key, .does = "", .record = "key-create" },
	{ .args = { "keys", "rotate" }, .does = "", .record = "keys rotate" },
	{ .args = { "keys", "drop" }, .does = "", .record = "keys drop", .before = old_key },
	{ .args = { "undo", "--device", DEVICE, "--since", "1h" }, .does = "--apply", .record = "undo" },
	{ .args = { "duplicates", "--device", DEVICE }, .does = "--remove", .record = "duplicates" },
	{ .args = { "held", "--device", DEVICE, "--release" }, .does = "", .record = "held release" },
	{ .args = { "held", "--device", DEVICE, "--refuse" }, .does = "", .record = "held refuse" },
	{ .args = { "resync", "--device", DEVICE, "--type", "task" }, .does = "", .record = "resync" },
	{ .args = { "aside", "--retry", "--device", DEVICE }, .does = "", .record = "aside retry" },
	{ .args = { "aside", "--skip", "--device", DEVICE, "--folder", CONTACTS, "--object", "?" }, .arg = object_number, .does = "", .record = "aside skip" },
	{ .args = { "trace", "--device", DEVICE, "--for", "1m" }, .does = "", .record = "trace on" },
	{ .args = { "trace", "--device", DEVICE, "--off" }, .does = "", .record = "trace off", .before = traced },
	{ .args = { "feedback", "delete", "?" }, .arg = feedback_id, .does = "", .record = "feedback delete" },
	{ .args = { "sessions", "--end", "--device", DEVICE }, .does = "", .record = "sessions end" },
	{ .args = { "device", "quarantine", "--device", DEVICE }, .does = "", .record = "device quarantine" },
	{ .args = { "device", "block", "--device", DEVICE }, .does = "", .record = "device block" },
	{ .args = { "device", "allow", "--device", DEVICE }, .does = "", .record = "device allow" },
	{ .args = { "device", "remove", "--device", DEVICE }, .does = "", .record = "device remove" },
	{ .args = { "forget", "--user", BERTA }, .does = "--apply", .record = "forget", .before = traces_gone },
	{ .args = { "drain" }, .does = "", .record = "drain" },
};

static void
args_of(const struct row *r, const char *args[ARGS], char *made, size_t size)
{
	for (size_t i = 0; i < ARGS; i++)
		args[i] = r->args[i];
	for (size_t i = 0; i < ARGS && r->arg != NULL; i++)
		if (args[i] != NULL && strcmp(args[i], "?") == 0) {
			r->arg(made, size);
			args[i] = made;
		}
}

static void
unchanged(const char *before, const struct row *r, const char *how)
{
	char *after = everything();
	size_t at = 0;

	while (before[at] != '\0' && before[at] == after[at])
		at++;
	at = at > 100 ? at - 100 : 0;
	ck_assert_msg(strcmp(before, after) == 0, "usmctl %s %s %s has changed something:\n%.200s\n%.200s", r->args[0], r->args[1] != NULL ? r->args[1] : "", how,
	    before + at, after + at);
	free(after);
}

static void
shows(const struct row *r, const char *const *args)
{
	char *before = everything();

	json_decref(json_of(args, ""));
	unchanged(before, r, "");
	free(before);
}

static void
changes(const struct row *r, const char *const *args)
{
	long had;
	char *before;
	json_t *v;
	json_int_t would, did;

	if (r->before != NULL)
		r->before();
	before = settled();
	had = records(r->record);
	v = json_of(args, "--dry-run");
	unchanged(before, r, "--dry-run");
	ck_assert_msg(json_is_true(json_object_get(v, "dry_run")) && json_is_integer(json_object_get(v, "changed")), "%s: --dry-run does not say what", r->record);
	would = json_integer_value(json_object_get(v, "changed"));
	json_decref(v);
	ck_assert_int_eq(records(r->record), had);
	v = json_of(args, r->does);
	ck_assert_msg(json_is_false(json_object_get(v, "dry_run")), "%s", r->record);
	did = json_integer_value(json_object_get(v, "changed"));
	json_decref(v);
	ck_assert_msg(would == did, "%s: --dry-run says %lld, %lld it was", r->record, (long long)would, (long long)did);
	/* a drain at which nobody waits concerns nobody */
	ck_assert_msg(did > 0 || strcmp(r->record, "drain") == 0, "%s has nothing to change: how would one see that it does?", r->record);
	ck_assert_msg(records(r->record) == had + 1, "%s: %ld records", r->record, records(r->record) - had);
	free(before);
}

START_TEST(every_command)
{
	static const char *const help[] = { "help", NULL };
	json_t *table = json_of(help, ""), *c, *o;
	size_t i, k;

	ck_assert_uint_ge(json_array_size(table), 20);
	/* what is in the table is here */
	json_array_foreach(table, i, c) {
		bool may = json_is_true(json_object_get(c, "changes")), shown = false, done = false, json = false, dry = false;

		for (size_t n = 0; n < ARRAY_LEN(rows); n++)
			if (strcmp(rows[n].args[0], str(c, "name")) == 0) {
				shown = shown || rows[n].does == NULL;
				done = done || rows[n].does != NULL;
			}
		json_array_foreach(json_object_get(c, "options"), k, o) {
			json = json || strcmp(json_string_value(o), "--json") == 0;
			dry = dry || strcmp(json_string_value(o), "--dry-run") == 0;
		}
		ck_assert_msg(json, "%s has no --json", str(c, "name"));
		ck_assert_msg(dry == may, "%s: changes and --dry-run belong together", str(c, "name"));
		/* migrate needs a database of its own: below */
		ck_assert_msg((may ? done : shown) || strcmp(str(c, "name"), "migrate") == 0, "%s is not tried here", str(c, "name"));
	}
	json_decref(table);
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		const char *args[ARGS];
		char made[300];

		args_of(&rows[n], args, made, sizeof(made));
		if (rows[n].does == NULL)
			shows(&rows[n], args);
		else
			changes(&rows[n], args);
	}
}
END_TEST

/* Of an empty database: what would be applied, then it is, then nothing is left to do; the record is in the new tables. */
START_TEST(migrate)
{
	static const char *const args[] = { "migrate", "--sql", "sql", NULL };
	static const char *const changed[] = { "--dry-run", "", "" };
	char more[300], cmd[900];
	char *argv[] = { "sh", "-ec", cmd, NULL };
	const char *info = harness_database("usmd_usmctl");
	PGconn *own = PQconnectdb(info);
	PGresult *r;

	(void)snprintf(cmd, sizeof(cmd), "sed 's|^pg_conninfo = .*|pg_conninfo = %s|' '%s/usmd.conf' >'%s/empty.conf'", info, w.dir, dir[KEYS]);
	ck_assert_int_eq(run_wait(argv, NULL), 0);
	for (int i = 0; i < 3; i++) {
		json_t *v;
		bool there;

		(void)snprintf(more, sizeof(more), "%s", changed[i]);
		(void)snprintf(config, sizeof(config), "%s/empty.conf", dir[KEYS]);
		v = json_of(args, more);
		config[0] = '\0';
		ck_assert_str_eq(str(v, "command"), "migrate");
		ck_assert(json_is_true(json_object_get(v, "dry_run")) == (i == 0));
		ck_assert_int_eq((int)json_integer_value(json_object_get(v, "changed")), i < 2 ? 9 : 0);
		json_decref(v);
		r = PQexec(own, "SELECT to_regclass('usmd.audit') IS NOT NULL");
		there = PQgetvalue(r, 0, 0)[0] == 't';
		PQclear(r);
		ck_assert(there == (i > 0));
	}
	r = PQexec(own, "SELECT command, changed FROM usmd.audit");
	ck_assert_int_eq(PQntuples(r), 1);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "migrate");
	ck_assert_str_eq(PQgetvalue(r, 0, 1), "9");
	PQclear(r);
	PQfinish(own);
}
END_TEST

/* ---- a person's files ---- */

static size_t
files_with(int which, const char *what)
{
	struct dirent **list;
	int n = scandir(dir[which], &list, NULL, NULL);
	size_t found = 0;

	for (int i = 0; i < n; i++) {
		char name[600];
		static char text[100000];
		FILE *f;

		(void)snprintf(name, sizeof(name), "%s/%.200s", dir[which], list[i]->d_name);
		f = list[i]->d_name[0] != '.' ? fopen(name, "r") : NULL;
		if (f != NULL) {
			text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
			(void)fclose(f);
			found += strstr(text, what) != NULL || strstr(list[i]->d_name, what) != NULL;
		}
		free(list[i]);
	}
	free(list);
	return found;
}

static void
until_files(int which, const char *what, size_t want)
{
	size_t n = 0;

	for (int i = 0; i < 600 && (n = files_with(which, what)) != want; i++)
		sleep_ms(100);
	ck_assert_msg(n == want, "%zu files with %s in %s, not %zu", n, what, dir[which], want);
}

/* USER hands something in and is traced; the number of the device into DEVICE. */
static void
person(const char *user, const char *name, char device[40])
{
	struct dev d;
	char text[120], *s;
	json_t *body = json_pack("{s:s,s:s}", "data", "ZGF0YQ==", "comment", name);

	login(&d, user, name);
	json_decref(good(&d, "sendFeedback", body));
	json_decref(body);
	(void)snprintf(text, sizeof(text), "SELECT id FROM usmd.device WHERE name = '%.60s'", name);
	s = sql_text(text);
	(void)snprintf(device, 40, "device=%.20s ", s);
	free(s);
	(void)USMCTL("trace", "--device", name, "--for", "10m");
	until_files(TRACES, device, 1);
	ck_assert_uint_eq(files_with(FEEDBACK, name), 1);
}

/* At the node of the command at once, with the rest of what is kept; another user's files stay. */
START_TEST(forget_removes_files)
{
	char dora[40], emil[40];

	person("dora", "files-of-dora", dora);
	person("emil", "files-of-emil", emil);
	ck_assert_ptr_nonnull(strstr(USMCTL("forget", "--user", "1/6", "--json"), "{\"kept\":\"feedback_files\",\"entries\":1}"));
	ck_assert_ptr_nonnull(strstr(USMCTL("forget", "--user", "1/6", "--json"), "{\"kept\":\"trace_files\",\"entries\":2}"));
	ck_assert_uint_eq(files_with(FEEDBACK, "files-of-dora"), 1);
	ck_assert_uint_eq(files_with(TRACES, dora), 1);
	(void)USMCTL("forget", "--user", "1/6", "--apply");
	ck_assert_uint_eq(files_with(FEEDBACK, "files-of-dora"), 0);
	ck_assert_uint_eq(files_with(TRACES, dora), 0);
	ck_assert_uint_eq(files_with(FEEDBACK, "files-of-emil"), 1);
	ck_assert_uint_eq(files_with(TRACES, emil), 1);
}
END_TEST

/* A node at which the command was not given learns it from the database: as if another one had. */
START_TEST(other_nodes_remove_files)
{
	char dora[40], emil[40], text[300];

	person("dora", "there-of-dora", dora);
	person("emil", "there-of-emil", emil);
	(void)snprintf(text, sizeof(text), "INSERT INTO usmd.audit (at, uid, changed, command, target) VALUES (%lld, 0, 1, 'forget', 'user=1/6')", (long long)now_ms());
	PQclear(PQexec(pg, text));
	PQclear(PQexec(pg, "DELETE FROM usmd.account WHERE context_id = 1 AND user_id = 6"));
	until_files(FEEDBACK, "there-of-dora", 0);
	until_files(TRACES, dora, 0);
	ck_assert_uint_eq(files_with(FEEDBACK, "there-of-emil"), 1);
	ck_assert_uint_eq(files_with(TRACES, emil), 1);
	/* a device alone, by its removal */
	(void)USMCTL("device", "remove", "--device", "there-of-emil");
	until_files(TRACES, emil, 0);
	ck_assert_uint_eq(files_with(FEEDBACK, "there-of-emil"), 1);
}
END_TEST

/* An option that a command does not take is refused, and not passed over in silence. */
START_TEST(unknown_options)
{
	static const char *const bad[][6] = {
		{ "accounts", "--dry-run" }, { "device", "block", "--device", "x", "--folder", "1" }, { "forget", "--user", "1/4", "--device", "x" }, { "stats", "more" },
		{ "keys", "--dry-run" }, { "trace", "--device", "x" }, { "held", "--device", "x", "--dry-run" }, { "device", "free", "--device", "x" }, { "config", "what" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int code;
		const char *out = usmctl(bad[i], &code);

		ck_assert_msg(code == 2 && strstr(out, "usage: usmctl ") != NULL, "%s: %d %s", bad[i][0], code, out);
	}
}
END_TEST

/* Each command has a paragraph in usmctl(8) and each of its options stands there. */
START_TEST(manual_has_all)
{
	static const char *const help[] = { "help", NULL };
	static char man[100000];
	json_t *table = json_of(help, ""), *c, *o;
	FILE *f = fopen("man/usmctl.8", "r");
	size_t i, k;

	ck_assert_ptr_nonnull(f);
	man[fread(man, 1, sizeof(man) - 1, f)] = '\0';
	(void)fclose(f);
	json_array_foreach(table, i, c) {
		char name[60] = "", option[60];
		const char *synopsis = man, *found = NULL;

		for (const char *p = str(c, "name"); *p != '\0'; p++)
			(void)snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%c", *p == '-' ? "\\" : "", *p);
		while (found == NULL && (synopsis = strstr(synopsis, name)) != NULL) {
			const char *line = synopsis;

			while (line > man && line[-1] != '\n')
				line--;
			found = strncmp(line, ".B", 2) == 0 ? line : NULL;
			synopsis++;
		}
		ck_assert_msg(found != NULL, "usmctl(8) has no %s", str(c, "name"));
		json_array_foreach(json_object_get(c, "options"), k, o) {
			option[0] = '\0';
			for (const char *p = json_string_value(o); *p != '\0'; p++)
				(void)snprintf(option + strlen(option), sizeof(option) - strlen(option), "%s%c", *p == '-' ? "\\" : "", *p);
			ck_assert_msg(strstr(man, option) != NULL, "usmctl(8) has no %s", option);
		}
	}
	json_decref(table);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("usmctl");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, world_up, down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, unknown_options);
	tcase_add_test(t, forget_removes_files);
	tcase_add_test(t, other_nodes_remove_files);
	tcase_add_test(t, manual_has_all);
	tcase_add_test(t, migrate);
	tcase_add_test(t, every_command);
	suite_add_tcase(s, t);
	return harness_main(s);
}
