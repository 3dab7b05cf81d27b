/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is agreed about attachments, in the state database: which file is which attachment, and when the server was asked last. */
#include "client/state_int.h"

static enum rc
prepare(struct client *c, const char *sql, int64_t first, sqlite3_stmt **st, struct err *e)
{
	enum rc rc = state_prepare(c, sql, st, e);

	if (rc == RC_OK)
		(void)sqlite3_bind_int64(*st, 1, first);
	return rc;
}

void
cattach_free(struct cattach *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(a[i].name);
	mem_free(a);
}

enum rc
attach_rows(struct client *c, int64_t object, struct cattach **out, size_t *n, struct err *e)
{
	sqlite3_stmt *st;
	struct cattach *list = NULL;
	enum rc rc = prepare(c, "SELECT id, aid, name, hash, size, mtime_ns FROM attachment WHERE object = ? ORDER BY id", object, &st, e);

	*out = NULL;
	*n = 0;
	if (rc != RC_OK)
		return rc;
	while (rc == RC_OK && sqlite3_step(st) == SQLITE_ROW) {
		struct cattach *p = mem_realloc(list, (*n + 1) * sizeof(*p));

		if (p == NULL) {
			rc = err_set(e, RC_NOMEM, "out of memory");
			break;
		}
		list = p;
		p = &list[(*n)++];
		p->id = sqlite3_column_int64(st, 0);
		(void)snprintf(p->aid, sizeof(p->aid), "%s", (const char *)sqlite3_column_text(st, 1));
		p->name = mem_dup_str((const char *)sqlite3_column_text(st, 2));
		(void)snprintf(p->hash, sizeof(p->hash), "%s", (const char *)sqlite3_column_text(st, 3));
		p->size = sqlite3_column_int64(st, 4);
		p->mtime_ns = sqlite3_column_int64(st, 5);
	}
	(void)sqlite3_finalize(st);
	*out = list;
	return rc;
}

enum rc
attach_row_put(struct client *c, int64_t object, struct cattach *a, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "INSERT INTO attachment(object, id, aid, name, hash, size, mtime_ns) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET"
	    " aid = excluded.aid, name = excluded.name, hash = excluded.hash, size = excluded.size, mtime_ns = excluded.mtime_ns", object, &st, e);

	if (rc != RC_OK)
		return rc;
	if (a->id != 0)
		(void)sqlite3_bind_int64(st, 2, a->id);
	(void)sqlite3_bind_text(st, 3, a->aid, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 4, a->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 5, a->hash, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 6, a->size);
	(void)sqlite3_bind_int64(st, 7, a->mtime_ns);
	rc = state_finish(c, st, e);
	if (rc == RC_OK && a->id == 0)
		a->id = sqlite3_last_insert_rowid(c->db);
	return rc;
}

enum rc
attach_row_drop(struct client *c, int64_t id, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "DELETE FROM attachment WHERE id = ?", id, &st, e);

	return rc == RC_OK ? state_finish(c, st, e) : rc;
}

enum rc
attach_listed(struct client *c, int64_t object, char **version, char **dir, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "SELECT version, dir FROM attached WHERE object = ?", object, &st, e);

	*version = *dir = NULL;
	if (rc != RC_OK)
		return rc;
	if (sqlite3_step(st) == SQLITE_ROW) {
		*version = mem_dup_str((const char *)sqlite3_column_text(st, 0));
		*dir = mem_dup_str((const char *)sqlite3_column_text(st, 1));
	}
	(void)sqlite3_finalize(st);
	return RC_OK;
}

enum rc
attach_listed_put(struct client *c, int64_t object, const char *version, const char *dir, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "INSERT INTO attached(object, version, dir) VALUES (?, ?, ?)"
	    " ON CONFLICT(object) DO UPDATE SET version = excluded.version, dir = excluded.dir", object, &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_text(st, 2, version, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 3, dir, -1, SQLITE_STATIC);
	return state_finish(c, st, e);
}

enum rc
attach_void(struct client *c, int64_t object, struct err *e)
{
	static const char *const sql[] = { "DELETE FROM attachment WHERE object = ?", "DELETE FROM attached WHERE object = ?" };
	sqlite3_stmt *st;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < ARRAY_LEN(sql) && rc == RC_OK; i++) {
		rc = prepare(c, sql[i], object, &st, e);
		if (rc == RC_OK)
			rc = state_finish(c, st, e);
	}
	return rc;
}

enum rc
attach_any(struct client *c, int64_t folder, bool *any, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "SELECT 1 FROM object WHERE folder = ? AND (instr(base, '\"number_of_attachments\"') > 0 OR id IN (SELECT object FROM attached)) LIMIT 1",
	    folder, &st, e);

	*any = false;
	if (rc != RC_OK)
		return rc;
	*any = sqlite3_step(st) == SQLITE_ROW;
	(void)sqlite3_finalize(st);
	return RC_OK;
}
