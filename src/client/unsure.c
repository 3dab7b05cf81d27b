/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a run leaves unsettled: creations, changes and deletions that the server could not answer for yet ("retry"), and what waits for them.  A run
 * that left any does not claim that both sides are equal.
 */
#include "client/state_int.h"

/* The file that says the object of a row (an exception is said by its series' file); empty when that is gone as well. */
static const char *
file_of(sqlite3_stmt *st)
{
	const char *file = (const char *)sqlite3_column_text(st, 1);

	return file != NULL ? file : "";
}

enum rc
unsure_tell(struct client *c, const struct cfolder *f, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = state_prepare(c, "SELECT o.id, coalesce(s.file, o.file), coalesce(s.id, o.id) FROM object o LEFT JOIN object s ON s.id = o.series AND o.series <> 0"
	    " WHERE o.folder = ? AND (o.doubt OR o.gone OR o.uuid = '') ORDER BY o.id", &st, e);
	int got;

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, f->id);
	while ((got = sqlite3_step(st)) == SQLITE_ROW)
		/* an exception waits for its series, whose refusal the person heard of */
		if (!object_skipped(c, sqlite3_column_int64(st, 0)) && !object_skipped(c, sqlite3_column_int64(st, 2)))
			put_off(c, "%s/%s: the server does not know yet what became of the change that was sent; the next run asks again", f->path, file_of(st));
	rc = got == SQLITE_DONE ? RC_OK : state_fault(c, e);
	(void)sqlite3_finalize(st);
	return rc;
}
