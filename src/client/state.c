/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the client knows, in SQLite: folders, objects, and the file operations that a committed answer still asks for.
 * An answer and its syncid are stored in one transaction; files follow after the commit from the todo table, so an
 * interruption anywhere leaves either the old state or the new one with its work still written down.
 */
#include "client/state_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS folder(id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, ct INTEGER NOT NULL, path TEXT NOT NULL,"
    " syncid TEXT NOT NULL DEFAULT '', reconcile INTEGER NOT NULL DEFAULT 0, more INTEGER NOT NULL DEFAULT 1, k INTEGER NOT NULL DEFAULT 0, inode INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS object(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL REFERENCES folder(id) ON DELETE CASCADE, uuid TEXT NOT NULL,"
    " client_id TEXT NOT NULL, rev TEXT NOT NULL, file TEXT NOT NULL, series INTEGER NOT NULL, base TEXT NOT NULL, shadow TEXT NOT NULL, sent TEXT NOT NULL, blind TEXT NOT NULL,"
    " doubt INTEGER NOT NULL, gone INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS object_folder ON object(folder);"
    "CREATE TABLE IF NOT EXISTS attached(object INTEGER PRIMARY KEY REFERENCES object(id) ON DELETE CASCADE, version TEXT NOT NULL, dir TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS attachment(id INTEGER PRIMARY KEY, object INTEGER NOT NULL REFERENCES object(id) ON DELETE CASCADE, aid TEXT NOT NULL,"
    " name TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS attachment_object ON attachment(object);"
    "CREATE TABLE IF NOT EXISTS todo(id INTEGER PRIMARY KEY, object INTEGER NOT NULL, path TEXT NOT NULL, text BLOB, expect TEXT NOT NULL);"
    "INSERT OR IGNORE INTO folder(id, uuid, ct, path) VALUES (0, '', 0, '');";

enum rc
state_fault(struct client *c, struct err *e)
{
	return err_set(e, RC_INTERNAL, "the state database %s/%s/state.db: %s", c->o.dir, STATE_DIR, sqlite3_errmsg(c->db));
}

static enum rc
exec(struct client *c, const char *sql, struct err *e)
{
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : state_fault(c, e);
}

enum rc
state_prepare(struct client *c, const char *sql, sqlite3_stmt **st, struct err *e)
{
	return sqlite3_prepare_v2(c->db, sql, -1, st, NULL) == SQLITE_OK ? RC_OK : state_fault(c, e);
}

enum rc
state_finish(struct client *c, sqlite3_stmt *st, struct err *e)
{
	enum rc rc = sqlite3_step(st) == SQLITE_DONE ? RC_OK : state_fault(c, e);

	(void)sqlite3_finalize(st);
	return rc;
}

enum rc
state_open(struct client *c, struct err *e)
{
	char *path;
	int got;
	enum rc rc = dir_make(c, STATE_DIR, e);

	if (rc != RC_OK)
		return rc;
	path = full_path(c, STATE_DIR "/state.db");
	if (path == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (sqlite3_open(path, &c->db) != SQLITE_OK)
		rc = state_fault(c, e);
	mem_free(path);
	/* two usmsync in one directory would tear the state apart: the second one is refused here */
	if (rc == RC_OK && (got = sqlite3_exec(c->db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;", NULL, NULL, NULL)) != SQLITE_OK)
		rc = got != SQLITE_BUSY && got != SQLITE_LOCKED ? state_fault(c, e) :
		    err_set(e, RC_BUSY, "another usmsync works on %s; wait for it or stop it", c->o.dir);
	if (rc == RC_OK)
		rc = exec(c, schema, e);
	return rc;
}

void
state_close(struct client *c)
{
	(void)sqlite3_close(c->db);
	c->db = NULL;
}

enum rc
state_begin(struct client *c, struct err *e)
{
	return exec(c, "BEGIN IMMEDIATE", e);
}

enum rc
state_commit(struct client *c, struct err *e)
{
	return exec(c, "COMMIT", e);
}

void
state_rollback(struct client *c)
{
	(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}

char *
state_get(struct client *c, const char *key)
{
	sqlite3_stmt *st;
	struct err e;
	char *v = NULL;

	if (state_prepare(c, "SELECT value FROM meta WHERE key = ?", &st, &e) != RC_OK)
		return NULL;
	(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = mem_dup_str((const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	return v;
}

enum rc
state_set(struct client *c, const char *key, const char *value, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = state_prepare(c, "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, value, -1, SQLITE_STATIC);
	return state_finish(c, st, e);
}

/* ---- folders ---- */

void
state_text(sqlite3_stmt *st, int col, char *out, size_t size)
{
	const char *s = (const char *)sqlite3_column_text(st, col);

	(void)snprintf(out, size, "%s", s != NULL ? s : "");
}

enum rc
state_folders(struct client *c, struct cfolder **out, size_t *n, struct err *e)
{
	struct cfolder *f = NULL;
	sqlite3_stmt *st;
	size_t cap = 0;
	enum rc rc = state_prepare(c, "SELECT id, uuid, ct, path, syncid, reconcile, more, k, inode FROM folder ORDER BY id", &st, e);

	*out = NULL;
	*n = 0;
	if (rc != RC_OK)
		return rc;
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct cfolder *x;

		if (*n == cap) {
			cap = cap != 0 ? cap * 2 : 32;
			x = mem_realloc(f, cap * sizeof(*f));
			if (x == NULL) {
				rc = err_set(e, RC_NOMEM, "out of memory");
				break;
			}
			f = x;
		}
		x = &f[(*n)++];
		memset(x, 0, sizeof(*x));
		x->id = sqlite3_column_int64(st, 0);
		state_text(st, 1, x->uuid, sizeof(x->uuid));
		x->ct = (enum content)sqlite3_column_int(st, 2);
		x->path = mem_dup_str((const char *)sqlite3_column_text(st, 3));
		state_text(st, 4, x->syncid, sizeof(x->syncid));
		x->reconcile = sqlite3_column_int(st, 5) != 0;
		x->more = sqlite3_column_int(st, 6) != 0;
		x->k = sqlite3_column_int64(st, 7);
		x->inode = sqlite3_column_int64(st, 8);
	}
	(void)sqlite3_finalize(st);
	*out = f;
	return rc;
}

void
cfolder_free(struct cfolder *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(f[i].path);
	mem_free(f);
}

enum rc
state_folder_save(struct client *c, const struct cfolder *f, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = state_prepare(c, "UPDATE folder SET path = ?, syncid = ?, reconcile = ?, more = ?, k = ? WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_text(st, 1, f->path, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, f->syncid, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(st, 3, f->reconcile);
	(void)sqlite3_bind_int(st, 4, f->more);
	(void)sqlite3_bind_int64(st, 5, f->k);
	(void)sqlite3_bind_int64(st, 6, f->id);
	return state_finish(c, st, e);
}

enum rc
state_folder_put(struct client *c, struct cfolder *f, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = state_prepare(c, "INSERT INTO folder(uuid, ct, path, inode) VALUES (?, ?, ?, ?)"
	    " ON CONFLICT(uuid) DO UPDATE SET path = excluded.path, inode = excluded.inode RETURNING id", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_text(st, 1, f->uuid, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(st, 2, (int)f->ct);
	(void)sqlite3_bind_text(st, 3, f->path, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 4, f->inode);
	if (sqlite3_step(st) == SQLITE_ROW)
		f->id = sqlite3_column_int64(st, 0);
	else
		rc = state_fault(c, e);
	(void)sqlite3_finalize(st);
	return rc;
}

enum rc
state_folder_drop(struct client *c, int64_t folder, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = state_prepare(c, "DELETE FROM folder WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, folder);
	return state_finish(c, st, e);
}
