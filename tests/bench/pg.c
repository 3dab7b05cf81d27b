/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* PostgreSQL, asked as its administrator: sizes, and what usmd has read and written. */
#include "bench/bench.h"

#include <stdlib.h>

void
pg_do(struct bench *b, const char *sql)
{
	PGresult *r = PQexec(b->db, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die("%s", PQerrorMessage(b->db));
	PQclear(r);
}

void
pg_open(struct bench *b, const char *conninfo)
{
	b->db = PQconnectdb(conninfo);
	if (PQstatus(b->db) != CONNECTION_OK)
		die("%s", PQerrorMessage(b->db));
	pg_do(b, "ALTER SYSTEM SET autovacuum = off"); /* it would count as a writer, and tidies at its own time */
	pg_do(b, "SELECT pg_reload_conf()");
}

void
pg_close(struct bench *b)
{
	PQfinish(b->db);
}

double
pg_number(struct bench *b, const char *sql)
{
	PGresult *r = PQexec(b->db, sql);
	double v;

	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
		die("%s", PQerrorMessage(b->db));
	v = strtod(PQgetvalue(r, 0, 0), NULL);
	PQclear(r);
	return v;
}

/* Transactions that wrote anything take a number; readers do not.  (The server's own statistics come seconds late.) */
double
pg_writes(struct bench *b)
{
	return pg_number(b, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text");
}

/* A connection tells what it has read when it ends: until then up to ten seconds late. usmd opens others. */
double
pg_rows_read(struct bench *b)
{
	pg_do(b, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'usmd' AND pid <> pg_backend_pid()");
	return pg_number(b, "SELECT ((SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables)"
	    " + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes))::text");
}
