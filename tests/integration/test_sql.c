/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The schema itself: migration, comments, every statement prepares, hot ones read an index range, rows stay small. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 10000
#define DAY (INT64_C(86400000))

static struct store *store;
static struct store_conn *conn;
static struct arena *mem;

static void
setup(void)
{
	struct store_options o = store_test_options();

	OK(store_open(&o, &store, &err));
	OK(store_lease(store, &conn, &err));
	mem = arena_new(0);
}

static void
teardown(void)
{
	store_release(conn);
	store_close(store);
	arena_free(mem);
}

START_TEST(migrate_twice_is_a_no_op)
{
	int64_t at = store_test_number(conn, "SELECT sum(extract(epoch FROM applied_at) * 1000000)::int8 FROM patch");

	ck_assert_int_eq(store_test_number(conn, "SELECT max(number) FROM patch"), STORE_SCHEMA);
	OK(store_migrate(conninfo, NULL, "sql", false, NULL, &err));
	ck_assert_int_eq(store_test_number(conn, "SELECT sum(extract(epoch FROM applied_at) * 1000000)::int8 FROM patch"), at);
}
END_TEST

START_TEST(migrate_refuses_gaps_and_unknown_patches)
{
	char dir[] = "/tmp/usmd-sql.XXXXXX", path[64];
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(store_migrate(conninfo, NULL, dir, false, NULL, &err), RC_NOTFOUND);
	(void)snprintf(path, sizeof(path), "%s/0001-x.sql", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	ck_assert_int_eq(store_migrate(conninfo, NULL, dir, false, NULL, &err), RC_INTERNAL);
	ck_assert_ptr_nonnull(strstr(err.text, "missing"));
	(void)remove(path);
	(void)snprintf(path, sizeof(path), "%s/0000-x.sql", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	ck_assert_int_eq(store_migrate(conninfo, NULL, dir, false, NULL, &err), RC_INTERNAL);
	ck_assert_ptr_nonnull(strstr(err.text, "newer"));
	(void)remove(path);
	(void)remove(dir);
}
END_TEST

/* A failing patch leaves nothing behind, and the daemon's check names the way out. */
START_TEST(open_refuses_other_versions)
{
	struct store_options o = store_test_options();
	struct store *other = NULL;
	char name[16], sql[60];
	PGresult *r;

	r = PQexec(conn->pg, "UPDATE patch SET number = number + 1 WHERE number = (SELECT max(number) FROM patch)");
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	ck_assert_int_eq(store_open(&o, &other, &err), RC_INTERNAL);
	ck_assert_ptr_null(other);
	r = PQexec(conn->pg, "DELETE FROM patch WHERE number = (SELECT max(number) FROM patch)");
	PQclear(r);
	ck_assert_int_eq(store_open(&o, &other, &err), RC_INTERNAL);
	ck_assert_ptr_nonnull(strstr(err.text, "usmctl migrate"));
	/* the last one is applied again by number, fails on the tables that are there, and says so */
	(void)snprintf(name, sizeof(name), "%04d-", STORE_SCHEMA);
	ck_assert_int_eq(store_migrate(conninfo, NULL, "sql", false, NULL, &err), RC_INTERNAL);
	ck_assert_ptr_nonnull(strstr(err.text, name));
	ck_assert_int_eq(store_test_number(conn, "SELECT count(*) FROM patch"), STORE_SCHEMA);
	(void)snprintf(sql, sizeof(sql), "SELECT patch_register(%d, 'again')", STORE_SCHEMA);
	r = PQexec(conn->pg, sql);
	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	PQclear(r);
}
END_TEST

START_TEST(everything_has_a_comment)
{
	PGresult *r = PQexec(conn->pg,
	    "SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c"
	    " LEFT JOIN LATERAL (SELECT 0::int2 AS attnum, NULL::name AS attname UNION ALL SELECT attnum, attname FROM pg_attribute"
	    " WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a ON true"
	    " WHERE c.relnamespace = 'usmd'::regnamespace AND c.relkind = 'r' AND col_description(c.oid, a.attnum) IS NULL"
	    " AND obj_description(c.oid, CASE WHEN a.attnum = 0 THEN 'pg_class' END) IS NULL");

	ck_assert_msg(PQntuples(r) == 0, "%d without comment, the first is %s", PQntuples(r),
	    PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	ck_assert_int_ge(store_test_number(conn, "SELECT count(*) FROM pg_description d JOIN pg_class c ON c.oid = d.objoid"
	    " WHERE c.relnamespace = 'usmd'::regnamespace"), 90);
}
END_TEST

START_TEST(every_statement_prepares)
{
	size_t n = 0;

	for (int t = 0; t < TBL_COUNT; t++) {
		const struct pg_table *tab = pg_table((enum stmt_table)t);

		ck_assert_uint_le(tab->n, 32);
		for (size_t i = 0; i < tab->n; i++, n++) {
			const struct pg_stmt *s = &tab->stmt[i];
			char name[80];
			PGresult *r;

			(void)snprintf(name, sizeof(name), "t_%s", s->name); /* also proves that names are unique */
			r = PQprepare(conn->pg, name, s->sql, s->n_params, NULL);
			ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", s->name, PQerrorMessage(conn->pg));
			PQclear(r);
			r = PQdescribePrepared(conn->pg, name);
			ck_assert_msg(PQnparams(r) == s->n_params, "%s takes %d parameters, the table says %d", s->name,
			    PQnparams(r), s->n_params);
			PQclear(r);
		}
	}
	ck_assert_uint_gt(n, 40);
}
END_TEST

/* ---- plans and sizes on full folders ---- */

static struct store_folder
fill(enum content ct, const char *oxid, unsigned nf, size_t n)
{
	struct row *rows = arena_array(mem, struct row, n);
	struct row **ptr = arena_array(mem, struct row *, n);
	struct store_test_put put = { .rows = ptr, .n = n };
	struct store_folder f;
	int64_t account;

	OK(store_account_open(conn, 1, 7, &account, &err));
	OK(store_folder_open(conn, mem, account, ct, oxid, true, 42, &f, &err));
	for (size_t i = 0; i < n; i++) {
		rows[i] = store_test_row(mem, 1000 + (int64_t)i, i + 1, nf);
		rows[i].lm = ct == CT_MAIL ? 0 : 1790000000000 + (int64_t)i;
		/* as OX delivers them: most mails have flags (11), every fourth a label (16) */
		if (ct == CT_MAIL && i % 4 != 0)
			rows[i].nf = 1;
		if (ct == CT_MAIL) {
			rows[i].f[0].i = 11;
			rows[i].f[1].i = 16;
		}
		if (ct == CT_MAIL)
			rows[i].t0 = rows[i].t1 = 1760000000000 + (int64_t)i * 3600000;
		if (ct == CT_CALENDAR) {
			/* ten years, not in the order of ids; every fiftieth a series with an end */
			rows[i].sk = rows[i].t0 = 1600000000000 + (int64_t)(i * 7919 % n) * 31536000;
			rows[i].t1 = rows[i].t0 + (i % 50 == 0 ? 90 * DAY : 3600000);
		}
		ptr[i] = &rows[i];
	}
	f.cn = n;
	put.f = &f;
	OK(store_txn(conn, store_test_put_fn, &put, &err));
	return f;
}

static int64_t
size_of(const char *table)
{
	char sql[100];

	(void)snprintf(sql, sizeof(sql), "SELECT pg_total_relation_size('%s')", table);
	return store_test_number(conn, sql);
}

static void
truncate(void)
{
	PGresult *r = PQexec(conn->pg, "TRUNCATE pim_row, mail_row, mail_span, cursor, set_aside, guard_delete, guard_create, folder");

	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
}

START_TEST(rows_are_small)
{
	static const struct { enum content ct; const char *what; unsigned nf; int64_t max; } cases[] = {
		{ CT_CONTACT, "contact, 16 fields set", 16, 250 },
		/* FF_ZERO fields count as not set: title, location, note, times, zone, people, organizer, categories are left */
		{ CT_CALENDAR, "appointment, 12 fields set", 12, 250 },
		{ CT_TASK, "task, 12 fields set", 12, 250 },
		{ CT_MAIL, "mail with flags, every fourth with a label", 2, 100 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t before, each;

		truncate();
		before = size_of("pim_row") + size_of("mail_row") + size_of("mail_span");
		(void)fill(cases[i].ct, "f", cases[i].nf, ROWS);
		each = (size_of("pim_row") + size_of("mail_row") + size_of("mail_span") - before) / ROWS;
		(void)printf("size: %s: %lld bytes (limit %lld)\n", cases[i].what, (long long)each, (long long)cases[i].max);
		ck_assert_msg(each <= cases[i].max, "%s: %lld bytes", cases[i].what, (long long)each);
	}
}
END_TEST

/* Plan text of a prepared statement with arguments ARGS, executed. */
static char *
explain(const char *name, const char *args)
{
	char sql[300], *text = arena_alloc(mem, 8192);
	size_t used = 0;
	PGresult *r;

	(void)snprintf(sql, sizeof(sql), "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE %s(%s)", name, args);
	r = PQexec(conn->pg, sql);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(conn->pg));
	for (int i = 0; i < PQntuples(r); i++)
		used += (size_t)snprintf(text + used, 8192 - used, "%s\n", PQgetvalue(r, i, 0));
	PQclear(r);
	return text;
}

/* Pages that the whole statement touched: the first "Buffers:" line is that of the top node. */
static long
buffers(const char *plan)
{
	const char *p = strstr(plan, "Buffers: shared"), *end;
	long n = 0;

	if (p == NULL)
		return 0;
	end = strchr(p, '\n');
	for (p = strchr(p, '='); p != NULL && p < end; p = strchr(p + 1, '='))
		n += strtol(p + 1, NULL, 10);
	return n;
}

START_TEST(hot_statements_read_a_range_of_an_index)
{
	static const struct { const char *name, *args, *index; long max_buffers; } hot[] = {
		{ "store_rows_since_pim", "%d, 65500, 100", "pim_row_cn", 40 },
		{ "store_rows_since_pim", "%d, 30000, 100", "pim_row_cn", 120 },
		{ "store_rows_below_pim", "%d, 30000, 100", "pim_row_pkey", 120 },
		{ "store_rows_get_pim", "%d, '{1001,1500,9000}'", "pim_row_pkey", 20 },
		{ "store_rows_by_client_id_pim", "%d, 99", "pim_row_cid", 8 },
		{ "store_rows_below_sk", "%c, 1700000000000, 5, 100", "pim_row_sk", 1500 },
		{ "store_rows_moved_sk", "%c, 1700000000000, 1700086400000", "pim_row_sk", 1500 },
		{ "store_rows_moved_odd", "%c", "pim_row_odd", 1500 },
		{ "store_rows_since_mail", "%m, 65500, 100", "mail_row_cn", 40 },
		{ "store_rows_below_mail", "%m, 30000, 100", "mail_row_id", 120 },
		{ "store_rows_get_mail", "%m, '{1001,1500,9000}'", "mail_row_id", 40 },
		{ "store_rows_moved_mail", "%m, 1800000000000, 1800086400000, 9000000000000000000, -9000000000000000000", "mail_row_id", 150 },
		{ "store_rows_by_client_id_mail", "%m, 99", "mail_row_cid", 8 },
		{ "store_cursor_get", "1, %d, '00000000-0000-0000-0000-000000000001'", "cursor_pkey", 8 },
		{ "store_cursor_next_seq", "1, %d", "cursor_pkey", 8 },
		{ "store_writes_get", "1, %d", "write_log_device", 8 },
		{ "store_conflict_list", "1, 9, 0, 100", "conflict_account", 8 },
		{ "store_conflict_get", "1, 9, 0", "conflict_account", 8 },
		{ "store_expire_marked", "0", "folder_mark_at", 40 },
		{ "store_session_get", "'\\x00', 1", "session_pkey", 8 },
		{ "store_folder_open", "1, 1::int2, 'f'", "folder_account_ct_oxid_key", 8 },
	};
	struct store_folder f[3];
	struct pg_table const *t;

	PQclear(PQexec(conn->pg, "TRUNCATE account CASCADE"));
	truncate();
	memset(f, 0, sizeof(f));
	for (int k = 0; k < TBL_COUNT; k++)
		for (size_t i = 0; t = pg_table((enum stmt_table)k), i < t->n; i++)
			PQclear(PQprepare(conn->pg, t->stmt[i].name, t->stmt[i].sql, 0, NULL));
	memset(conn->prepared, 0xff, sizeof(conn->prepared));
	/* a plan is made once a connection, maybe on a new, empty database: it must be right there as well */
	for (size_t i = 0; i < 2 * ARRAY_LEN(hot); i++) {
		bool empty = i < ARRAY_LEN(hot);
		const char *name = hot[i % ARRAY_LEN(hot)].name, *index = hot[i % ARRAY_LEN(hot)].index;
		const char *q = strchr(hot[i % ARRAY_LEN(hot)].args, '%'), *plan, *given = hot[i % ARRAY_LEN(hot)].args;
		struct store_folder *g = q == NULL ? f : q[1] == 'd' ? &f[0] : q[1] == 'c' ? &f[1] : &f[2];
		char args[200];

		if (i == ARRAY_LEN(hot)) {
			f[0] = fill(CT_CONTACT, "d", 8, 65535);
			f[1] = fill(CT_CALENDAR, "c", 8, 65535);
			f[2] = fill(CT_MAIL, "m", 2, 65535);
		}
		if (q == NULL)
			(void)snprintf(args, sizeof(args), "%s", given);
		else
			(void)snprintf(args, sizeof(args), "%.*s%d%s", (int)(q - given), given, (int)g->id, q + 2);
		plan = explain(name, args);
		if (getenv("VERBOSE") != NULL)
			(void)printf("%s(%s)\n%s\n", name, args, plan);
		ck_assert_msg(strstr(plan, index) != NULL && strstr(plan, "Seq Scan") == NULL && strstr(plan, "Bitmap") == NULL,
		    "%s does not use %s:\n%s", name, index, plan);
		ck_assert_msg(empty || buffers(plan) <= hot[i % ARRAY_LEN(hot)].max_buffers, "%s reads %ld pages, at most %ld are right:\n%s",
		    name, buffers(plan), hot[i % ARRAY_LEN(hot)].max_buffers, plan);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sql");
	TCase *t = tcase_create("schema");

	store_test_database("t_sql");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, migrate_twice_is_a_no_op);
	tcase_add_test(t, migrate_refuses_gaps_and_unknown_patches);
	tcase_add_test(t, open_refuses_other_versions);
	tcase_add_test(t, everything_has_a_comment);
	tcase_add_test(t, every_statement_prepares);
	tcase_add_test(t, rows_are_small);
	tcase_add_test(t, hot_statements_read_a_range_of_an_index);
	suite_add_tcase(s, t);
	return harness_main(s);
}
