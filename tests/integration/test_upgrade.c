/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A database of each earlier version, with data in it, brought to this one: nothing of it is lost and the store works with it.  And what goes by
 * itself when nobody uses it, what administrators do, counted first and recorded.
 */
#include "store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY INT64_C(86400000)

static PGconn *pg;

static void
sql(const char *text)
{
	PGresult *r = PQexec(pg, text);

	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK, "%.200s: %s", text, PQerrorMessage(pg));
	PQclear(r);
}

static int64_t
number(const char *text)
{
	PGresult *r = PQexec(pg, text);
	int64_t v = 0;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1, "%.200s: %s", text, PQerrorMessage(pg));
	ck_assert(parse_i64(PQgetvalue(r, 0, 0), INT64_MIN, INT64_MAX, &v));
	PQclear(r);
	return v;
}

/* Copies the patches 0 to LAST of sql/ into a folder of their own. */
static void
patches_up_to(int last, char dir[64])
{
	struct dirent **list;
	int n = scandir("sql", &list, NULL, alphasort);

	(void)snprintf(dir, 64, "/tmp/usmd-upgrade.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++) {
		char from[400], to[400];

		if (strtol(list[i]->d_name, NULL, 10) <= last && list[i]->d_name[0] == '0') {
			(void)snprintf(from, sizeof(from), "%s/sql/%s", getenv("PWD"), list[i]->d_name);
			(void)snprintf(to, sizeof(to), "%s/%s", dir, list[i]->d_name);
			ck_assert_int_eq(symlink(from, to), 0);
		}
		free(list[i]);
	}
	free(list);
}

static void
remove_patches(const char *dir)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, NULL);

	for (int i = 0; i < n; i++) {
		char path[400];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		(void)unlink(path);
		free(list[i]);
	}
	free(list);
	(void)rmdir(dir);
}

/* What a running system of patch VERSION holds: by the tables that it has. */
static void
fill(int version)
{
	sql("INSERT INTO usmd.account (context_id, user_id) VALUES (1, 3), (1, 4)");
	sql("INSERT INTO usmd.device (account, seen_at, name, config) VALUES (1, 1700000000000, 'phone', '{}'), (1, 0, 'old', '{\"policy\":\"client\"}'), (2, 5, 'x', '{}')");
	sql("INSERT INTO usmd.session (token_hash, account, expires, device) VALUES (decode(repeat('ab', 32), 'hex'), 1, 9999999999999, 1)");
	sql("INSERT INTO usmd.folder (account, epoch, cn, ct, init, oxid) VALUES (1, 77, 5, 1, true, '42')");
	sql("INSERT INTO usmd.pim_row (id, cn, folder, dead, odd, body) VALUES (7, 5, 1, true, false, '\\x00')");
	sql("INSERT INTO usmd.mail_row (id, cn, folder, dead, body) VALUES (7, 5, 1, true, '\\x00')");
	sql("INSERT INTO usmd.mail_span (block, t0, t1, folder) VALUES (0, 1, 2, 1)");
	sql("INSERT INTO usmd.cursor (seq, k, lo, device, folder, more, syncid, body) VALUES (1, 1, 5, 1, 1, false, '00112233-4455-6677-8899-aabbccddeeff', '\\x00')");
	sql("INSERT INTO usmd.write_log (object, seq, cn, lm, device, folder, done, fields) VALUES (7, 1, 5, 6, 1, 1, true, '\\x')");
	sql("INSERT INTO usmd.intent (object, at, seq, device, folder, state, id_known, unsure, client_id, fields) VALUES (7, 8, 1, 1, 1, 0, false, false, 'c', '\\x')");
	sql("INSERT INTO usmd.conflict (account, at, expires, device, ct, uuid, digest, sealed) VALUES (1, 1, 9999999999999, 1, 1, '00112233-4455-6677-8899-aabbccddeeff',"
	    " decode(repeat('cd', 32), 'hex'), '\\x01')");
	if (version >= 2)
		sql("INSERT INTO usmd.set_aside (object, version, since, next_try, folder, device, tries, reason) VALUES (7, 5, 1, 0, 1, 1, 1, 'r')");
	if (version >= 3)
		sql("INSERT INTO usmd.mail_op (at, expires, place, validity, mail, mark, digest, device, state, key) VALUES (1, 2, 3, 4, 5, 6, 7, 1, 1, 's:1')");
	if (version >= 5) {
		sql("INSERT INTO usmd.journal (at, expires, object, digest, account, device, ct, op, place, fields) VALUES (1, 9999999999999, 7, 8, 1, 1, 1, 2, '42', '\\x')");
		sql("INSERT INTO usmd.guard_delete (at, device, folder, deleted) VALUES (1, 1, 1, 3)");
		sql("INSERT INTO usmd.guard_create (at, content, object, device, folder) VALUES (1, 2, 7, 1, 1)");
	}
	if (version >= 7)
		sql("INSERT INTO usmd.path (net, cut, safe, seen, since, last) VALUES ('192.0.2.0/24', 60, 50, 1, 1, 1)");
}

static void
check_kept(int version)
{
	static const struct { const char *table; int since; int64_t rows; } tables[] = {
		{ "account", 1, 2 }, { "device", 1, 3 }, { "session", 1, 1 }, { "folder", 1, 1 }, { "pim_row", 1, 1 }, { "mail_row", 1, 1 }, { "mail_span", 1, 1 }, { "cursor", 1, 1 },
		{ "write_log", 1, 1 }, { "intent", 1, 1 }, { "conflict", 1, 1 }, { "set_aside", 2, 1 }, { "mail_op", 3, 1 }, { "journal", 5, 1 },
		{ "guard_delete", 5, 1 }, { "guard_create", 5, 1 }, { "path", 7, 1 },
	};
	char text[100];

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		(void)snprintf(text, sizeof(text), "SELECT count(*) FROM usmd.%s", tables[i].table);
		ck_assert_msg(number(text) == (version >= tables[i].since ? tables[i].rows : 0), "%s, from version %d", tables[i].table, version);
	}
	ck_assert_int_eq(number("SELECT seen_at FROM usmd.device WHERE name = 'phone'"), 1700000000000);
	if (version < 8) /* its state had been dropped: it counts as unused from the upgrade on */
		ck_assert_int_lt(number("SELECT seen_at FROM usmd.device WHERE name = 'old'"), -INT64_C(1700000000000));
	ck_assert_int_eq(number("SELECT max(state) FROM usmd.device"), 0);
	if (version < 6)
		ck_assert_int_eq(number("SELECT live FROM usmd.folder"), -1);
}

START_TEST(from_each_version)
{
	struct store_options o = store_test_options();
	struct store *s = NULL;
	struct store_conn *c = NULL;
	struct store_session session;
	struct store_device d;
	struct arena *a = arena_new(0);
	unsigned char hash[32];
	char dir[64], name[32];

	(void)snprintf(name, sizeof(name), "usmd_upgrade_%d", _i);
	(void)snprintf(conninfo, sizeof(conninfo), "%s", harness_database(name));
	patches_up_to(_i, dir);
	OK(store_migrate(conninfo, NULL, dir, false, NULL, &err));
	remove_patches(dir);
	pg = PQconnectdb(conninfo);
	ck_assert_int_eq(number("SELECT max(number) FROM usmd.patch"), _i);
	if (_i >= 1)
		fill(_i);
	if (_i < STORE_SCHEMA) /* no daemon of this version takes it as it is */
		ck_assert_int_eq(store_open(&o, &s, &err), RC_INTERNAL);
	OK(store_migrate(conninfo, NULL, "sql", false, NULL, &err));
	if (_i >= 1) {
		check_kept(_i);
		OK(store_open(&o, &s, &err));
		OK(store_lease(s, &c, &err));
		memset(hash, 0xab, sizeof(hash));
		OK(store_session_get(c, a, hash, &session, &err));
		ck_assert_str_eq(session.device_name, "phone");
		OK(store_device_open(c, a, 1, "old", &d, &err));
		ck_assert_str_eq(d.config, "{\"policy\":\"client\"}");
		ck_assert_int_eq(d.state, DEVICE_ALLOWED);
		store_release(c);
		store_close(s);
	}
	PQfinish(pg);
	arena_free(a);
}
END_TEST

/* ---- what goes when nobody uses it, and at an administrator's word ---- */

static struct store *store;
static struct store_conn *conn;

static void
setup(void)
{
	struct store_options o = store_test_options();

	char name[40];

	(void)snprintf(name, sizeof(name), "usmd_unused_%ld", (long)getpid());
	store_test_database(name);
	o.conninfo = conninfo;
	OK(store_open(&o, &store, &err));
	OK(store_lease(store, &conn, &err));
	pg = PQconnectdb(conninfo);
}

static void
teardown(void)
{
	store_release(conn);
	store_close(store);
	PQfinish(pg);
}

/* Devices go one by one, the user with the last; who is logged in, blocked, or has something in the journal stays. */
START_TEST(unused_devices_go)
{
	msec_t now = now_ms();
	char text[200];

	fill(STORE_SCHEMA);
	sql("INSERT INTO usmd.account (context_id, user_id) VALUES (1, 5), (1, 6)");
	sql("INSERT INTO usmd.device (account, seen_at, name, state) VALUES (3, 5, 'blocked', 2), (4, -5, 'dropped before', 0), (1, 9, 'third', 0)");
	(void)snprintf(text, sizeof(text), "UPDATE usmd.device SET seen_at = %lld WHERE name = 'x'", (long long)(now - 10 * DAY));
	sql(text);
	sql("UPDATE usmd.device SET seen_at = 5 WHERE name = 'phone'");
	OK(store_expire_unused(conn, now - 20 * DAY, 0, &err));
	/* phone has a session and a journal; x is young; blocked stays */
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.device"), 3);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.device WHERE name IN ('phone', 'x', 'blocked')"), 3);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.account"), 3);
	sql("DELETE FROM usmd.session");
	OK(store_expire_unused(conn, now - 20 * DAY, 0, &err));
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.device"), 3);
	/* the conflict keeps the account of the device that goes */
	sql("DELETE FROM usmd.journal");
	OK(store_expire_unused(conn, now - 20 * DAY, 0, &err));
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.device"), 2);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.account"), 3);
	ck_assert_int_eq(number("SELECT (SELECT count(*) FROM usmd.cursor) + (SELECT count(*) FROM usmd.write_log) + (SELECT count(*) FROM usmd.intent)"
	    " + (SELECT count(*) FROM usmd.set_aside)"), 0);
	OK(store_expire_unused(conn, 0, 0, &err)); /* never */
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.device"), 2);
	sql("UPDATE usmd.device SET seen_at = 5 WHERE name = 'x'");
	OK(store_expire_unused(conn, now - 20 * DAY, 0, &err));
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.account WHERE user_id = 4"), 0);
	OK(store_audit(conn, 0, "c", "t", 1, &err));
	OK(store_expire_unused(conn, 0, now - DAY, &err));
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.audit"), 1);
	OK(store_expire_unused(conn, 0, now + DAY, &err));
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.audit"), 0);
}
END_TEST

/* ---- a person ---- */

#define WORDS 64

/* The names in the column "where" of the manual's table of what is kept of persons. */
static size_t
kept_where(char out[WORDS][40])
{
	static char man[200000];
	FILE *f = fopen("man/usmd.8", "r");
	char *p, *end;
	size_t n = 0;

	ck_assert_ptr_nonnull(f);
	man[fread(man, 1, sizeof(man) - 1, f)] = '\0';
	(void)fclose(f);
	p = strstr(man, ".SH WHAT IS KEPT OF PERSONS");
	end = p != NULL ? strstr(p, "\n.TE\n") : NULL;
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	/* a row is T{ what T} T{ where T} T{ how long T} */
	for (int column = 0; (p = strstr(p, "T{\n")) != NULL; column = (column + 1) % 3) {
		p += 3;
		for (const char *w = p; column == 1 && *w != '\n'; w += strspn(w, ", ")) {
			size_t len = strcspn(w, ", \n");

			ck_assert(n < WORDS && len > 0 && len < 40);
			(void)snprintf(out[n++], 40, "%.*s", (int)len, w);
			w += len;
		}
	}
	ck_assert_uint_gt(n, 15);
	return n;
}

static bool
has_column(const char *table, const char *column)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'usmd' AND table_name = '%.39s' AND column_name = '%.20s'",
	    table, column);
	return number(text) == 1;
}

/* Rows of the first user (devices 1 and 2, folder 1). */
static int64_t
rows_of_user(const char *table)
{
	static const char *const how[][2] = { { "account", "account = 1" }, { "device", "device IN (1, 2)" }, { "folder", "folder = 1" } };
	char text[200];

	if (strcmp(table, "account") == 0)
		return number("SELECT count(*) FROM usmd.account WHERE id = 1");
	if (strcmp(table, "audit") == 0) /* the records stay, by numbers */
		return number("SELECT count(*) FROM usmd.audit WHERE target LIKE 'user=1/3 %device=%'");
	for (size_t i = 0; i < ARRAY_LEN(how); i++)
		if (has_column(table, how[i][0])) {
			(void)snprintf(text, sizeof(text), "SELECT count(*) FROM usmd.%.39s WHERE %.40s", table, how[i][1]);
			return number(text);
		}
	ck_abort_msg("table %s: whose are its rows?", table);
}

/* The manual's table names each table of the schema, and nothing else but files and Redis. */
START_TEST(manual_names_all_tables)
{
	char where[WORDS][40], text[200];
	size_t n = kept_where(where), tables = 0;

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'usmd' AND table_name = '%.39s'", where[i]);
		if (number(text) == 1)
			tables++;
		else
			ck_assert_msg(strcmp(where[i], "Redis") == 0 || strcmp(where[i], "files") == 0 || strcmp(where[i], "in") == 0 ||
			    strcmp(where[i], "feedback_dir") == 0 || strcmp(where[i], "trace_dir") == 0, "usmd(8) names %s", where[i]);
	}
	/* patch knows only what was applied to the schema */
	ck_assert_int_eq((int64_t)tables, number("SELECT count(*) - 1 FROM information_schema.tables WHERE table_schema = 'usmd'"));
}
END_TEST

/* Counting does nothing and leaves no record; forgetting leaves nothing of the user in any table that the manual names, and all of the others. */
START_TEST(forgetting)
{
	const struct store_subject s = { .account = 1, .ct = -1, .folder = "", .session = "" };
	const struct store_record record = { .by_uid = 7, .command = "forget", .target = "user=1/3" },
		trial = { .by_uid = 7, .command = "forget", .target = "user=1/3", .count = true };
	char where[WORDS][40], text[200];
	size_t n = 0, words = kept_where(where);
	int64_t before[WORDS] = { 0 };
	bool yes;

	fill(STORE_SCHEMA);
	OK(store_audit(conn, 7, "device block", "user=1/3 device=phone-of-eva", 1, &err));
	OK(store_audit(conn, 7, "resync", "user=1/3 device=phone-of-eva folder=42", 1, &err));
	OK(store_audit(conn, 7, "device block", "user=1/33 device=other", 1, &err));
	for (size_t i = 0; i < words; i++) {
		(void)snprintf(text, sizeof(text), "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'usmd' AND table_name = '%.39s'", where[i]);
		if (number(text) == 0 || strcmp(where[i], "path") == 0)
			continue;
		before[i] = rows_of_user(where[i]);
		ck_assert_msg(before[i] > 0, "%s has no row of the user: how would one see that it goes?", where[i]);
	}
	OK(store_act(conn, ACT_FORGET, &s, &trial, &n, &err));
	ck_assert_uint_eq(n, 1);
	for (size_t i = 0; i < words; i++)
		if (before[i] > 0)
			ck_assert_int_eq(rows_of_user(where[i]), before[i]);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.audit"), 3);
	OK(store_was_forgotten(conn, 1, 3, 0, &yes, &err));
	ck_assert(!yes);
	OK(store_act(conn, ACT_FORGET, &s, &record, &n, &err));
	ck_assert_uint_eq(n, 1);
	for (size_t i = 0; i < words; i++)
		if (before[i] > 0)
			ck_assert_msg(rows_of_user(where[i]) == 0, "%s still has something of the user", where[i]);
	/* of the others */
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.account"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.device"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.path"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.audit WHERE target = 'user=1/33 device=other'"), 1);
	/* what was done is still known */
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.audit WHERE target = 'user=1/3 folder=42' AND command = 'resync'"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM usmd.audit WHERE uid = 7 AND command = 'forget' AND changed = 1"), 1);
	OK(store_was_forgotten(conn, 1, 3, now_ms() - 60000, &yes, &err));
	ck_assert(yes);
	OK(store_was_forgotten(conn, 1, 3, now_ms() + 60000, &yes, &err));
	ck_assert(!yes);
	OK(store_was_forgotten(conn, 1, 33, 0, &yes, &err));
	ck_assert(!yes);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("upgrade");
	TCase *t = tcase_create("versions");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, from_each_version, 0, STORE_SCHEMA + 1);
	suite_add_tcase(s, t);
	t = tcase_create("unused");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, unused_devices_go);
	tcase_add_test(t, forgetting);
	tcase_add_test(t, manual_names_all_tables);
	suite_add_tcase(s, t);
	return harness_main(s);
}
