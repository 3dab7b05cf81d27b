/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A store on a fresh database and made-up rows, for the tests of the store. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <string.h>

#include "harness/harness.h"
#include "store/rows_int.h"

#define OK(call) do { \
		enum rc rc_ = (call); \
		ck_assert_msg(rc_ == RC_OK, "%s: %s: %s", #call, rc_name(rc_), err.text); \
	} while (0)

static struct err err;
static char conninfo[512];

static inline struct store_options
store_test_options(void)
{
	return (struct store_options){ .conninfo = conninfo, .pool = 4, .statement_timeout_ms = 20000,
		.lease_timeout_ms = 100, .lock_timeout_ms = 100 };
}

/* Creates the database NAME with the schema of sql/ in it. */
static inline void
store_test_database(const char *name)
{
	(void)snprintf(conninfo, sizeof(conninfo), "%s", harness_database(name));
	if (store_migrate(conninfo, NULL, "sql", false, NULL, &err) != RC_OK) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

/* A row as a first fill makes it: NF fields set, all of change number CN. */
static inline struct row
store_test_row(struct arena *a, int64_t id, uint64_t cn, unsigned nf)
{
	struct row r = { .id = id, .first_cn = cn, .cn = cn, .keycn = cn, .known = true, .t0 = TIME_MIN, .t1 = TIME_MAX };

	r.nf = nf;
	r.f = arena_array(a, struct row_field, nf);
	for (unsigned i = 0; i < nf; i++) {
		r.f[i].i = (uint8_t)(2 * i + 1);
		r.f[i].cn = cn;
		random_bytes(&r.f[i].fp, sizeof(r.f[i].fp));
	}
	return r;
}

/* Puts N rows and the folder's cn in one transaction, as a merge does. */
struct store_test_put {
	struct store_folder *f;
	struct row *const *rows;
	size_t n;
};
static inline enum rc
store_test_put_fn(struct store_conn *c, void *arg, struct err *e)
{
	struct store_test_put *p = arg;
	struct store_folder f = *p->f;
	enum rc rc = store_rows_put(c, &f, p->rows, p->n, e);

	if (rc == RC_OK)
		rc = store_folder_save(c, &f, e);
	if (rc == RC_OK)
		*p->f = f;
	return rc;
}

static inline int64_t
store_test_number(struct store_conn *c, const char *sql)
{
	PGresult *r = PQexec(c->pg, sql);
	int64_t v = 0;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c->pg));
	ck_assert(parse_i64(PQgetvalue(r, 0, 0), INT64_MIN, INT64_MAX, &v));
	PQclear(r);
	return v;
}

#endif
