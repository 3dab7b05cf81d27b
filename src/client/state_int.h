/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Statements on the state database, for the files that keep something in it. */
#ifndef USMD_CLIENT_STATE_INT_H
#define USMD_CLIENT_STATE_INT_H

#include "client/client_int.h"

/** state_fault - what SQLite says went wrong. */
enum rc state_fault(struct client *c, struct err *e);
MUST_CHECK enum rc state_prepare(struct client *c, const char *sql, sqlite3_stmt **st, struct err *e);
/** state_finish - runs a statement that returns no rows, and ends it. */
MUST_CHECK enum rc state_finish(struct client *c, sqlite3_stmt *st, struct err *e);
/** state_text - column COL of a row into OUT. */
void state_text(sqlite3_stmt *st, int col, char *out, size_t size);

#endif
