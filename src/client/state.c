/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the client knows, in SQLite: folders, objects, and the file operations that a committed answer still asks for.
 * An answer and its syncid are stored in one transaction; files follow after the commit from the todo table, so an
 * interruption anywhere leaves either the old state or the new one with its work still written down.
 */
#include "client/client_int.h"

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

static enum rc
db_err(struct client *c, struct err *e)
{
	return err_set(e, RC_INTERNAL, "the state database %s/%s/state.db: %s", c->o.dir, STATE_DIR, sqlite3_errmsg(c->db));
}

static enum rc
exec(struct client *c, const char *sql, struct err *e)
{
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : db_err(c, e);
}

static enum rc
prepare(struct client *c, const char *sql, sqlite3_stmt **st, struct err *e)
{
	return sqlite3_prepare_v2(c->db, sql, -1, st, NULL) == SQLITE_OK ? RC_OK : db_err(c, e);
}

/* Runs a statement that returns no rows, and ends it. */
static enum rc
finish(struct client *c, sqlite3_stmt *st, struct err *e)
{
	enum rc rc = sqlite3_step(st) == SQLITE_DONE ? RC_OK : db_err(c, e);

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
		rc = db_err(c, e);
	mem_free(path);
	/* two usmsync in one directory would tear the state apart: the second one is refused here */
	if (rc == RC_OK && (got = sqlite3_exec(c->db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;", NULL, NULL, NULL)) != SQLITE_OK)
		rc = got != SQLITE_BUSY && got != SQLITE_LOCKED ? db_err(c, e) :
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

	if (prepare(c, "SELECT value FROM meta WHERE key = ?", &st, &e) != RC_OK)
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
	enum rc rc = prepare(c, "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, value, -1, SQLITE_STATIC);
	return finish(c, st, e);
}

/* ---- folders ---- */

static void
copy_text(sqlite3_stmt *st, int col, char *out, size_t size)
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
	enum rc rc = prepare(c, "SELECT id, uuid, ct, path, syncid, reconcile, more, k, inode FROM folder ORDER BY id", &st, e);

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
		copy_text(st, 1, x->uuid, sizeof(x->uuid));
		x->ct = (enum content)sqlite3_column_int(st, 2);
		x->path = mem_dup_str((const char *)sqlite3_column_text(st, 3));
		copy_text(st, 4, x->syncid, sizeof(x->syncid));
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
	enum rc rc = prepare(c, "UPDATE folder SET path = ?, syncid = ?, reconcile = ?, more = ?, k = ? WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_text(st, 1, f->path, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, f->syncid, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(st, 3, f->reconcile);
	(void)sqlite3_bind_int(st, 4, f->more);
	(void)sqlite3_bind_int64(st, 5, f->k);
	(void)sqlite3_bind_int64(st, 6, f->id);
	return finish(c, st, e);
}

enum rc
state_folder_put(struct client *c, struct cfolder *f, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "INSERT INTO folder(uuid, ct, path, inode) VALUES (?, ?, ?, ?)"
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
		rc = db_err(c, e);
	(void)sqlite3_finalize(st);
	return rc;
}

enum rc
state_folder_drop(struct client *c, int64_t folder, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "DELETE FROM folder WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, folder);
	return finish(c, st, e);
}

/* ---- objects ---- */

static json_t *
column_json(sqlite3_stmt *st, int col, bool array)
{
	const char *s = (const char *)sqlite3_column_text(st, col);
	json_t *v = s != NULL ? json_loads(s, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (v == NULL)
		v = array ? json_array() : json_object();
	return v;
}

static struct cobject *
object_of_row(sqlite3_stmt *st)
{
	struct cobject *o = mem_alloc(sizeof(*o));

	if (o == NULL)
		return NULL;
	o->id = sqlite3_column_int64(st, 0);
	o->folder = sqlite3_column_int64(st, 1);
	copy_text(st, 2, o->uuid, sizeof(o->uuid));
	o->client_id = mem_dup_str((const char *)sqlite3_column_text(st, 3));
	copy_text(st, 4, o->rev, sizeof(o->rev));
	o->file = mem_dup_str((const char *)sqlite3_column_text(st, 5));
	o->base = column_json(st, 6, false);
	o->shadow = column_json(st, 7, false);
	o->sent = column_json(st, 8, false);
	o->blind = column_json(st, 9, true);
	o->doubt = sqlite3_column_int(st, 10) != 0;
	o->gone = sqlite3_column_int(st, 11) != 0;
	o->size = sqlite3_column_int64(st, 12);
	o->mtime_ns = sqlite3_column_int64(st, 13);
	copy_text(st, 14, o->hash, sizeof(o->hash));
	o->series = sqlite3_column_int64(st, 15);
	return o;
}

enum rc
objlist_add(struct objlist *l, struct cobject *o, struct err *e)
{
	struct cobject **p;

	if ((l->n & (l->n - 1)) == 0) { /* full: the room is the next power of two */
		p = mem_realloc(l->v, (l->n != 0 ? l->n * 2 : 1) * sizeof(struct cobject *));
		if (p == NULL) {
			cobject_free(o);
			return err_set(e, RC_NOMEM, "out of memory");
		}
		l->v = p;
	}
	l->v[l->n++] = o;
	return RC_OK;
}

enum rc
state_objects(struct client *c, int64_t folder, struct objlist *out, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "SELECT id, folder, uuid, client_id, rev, file, base, shadow, sent, blind, doubt, gone, size, mtime_ns, hash, series"
	    " FROM object WHERE folder = ? ORDER BY id", &st, e);

	*out = (struct objlist){ 0 };
	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, folder);
	while (rc == RC_OK && sqlite3_step(st) == SQLITE_ROW) {
		struct cobject *o = object_of_row(st);

		rc = o != NULL ? objlist_add(out, o, e) : err_set(e, RC_NOMEM, "out of memory");
	}
	(void)sqlite3_finalize(st);
	return rc;
}

struct cobject *
cobject_new(const struct cfolder *f, const char *file)
{
	struct cobject *o = mem_alloc(sizeof(*o));
	unsigned char rnd[8];
	char hex[17];

	if (o == NULL)
		return NULL;
	random_bytes(rnd, sizeof(rnd));
	hex_encode(rnd, sizeof(rnd), hex);
	o->folder = f->id;
	o->client_id = mem_dup_str(hex);
	o->file = mem_dup_str(file);
	o->base = json_object();
	o->shadow = json_object();
	o->sent = json_object();
	o->blind = json_array();
	return o;
}

void
cobject_free(struct cobject *o)
{
	if (o == NULL)
		return;
	mem_free(o->client_id);
	mem_free(o->file);
	json_decref(o->base);
	json_decref(o->shadow);
	json_decref(o->sent);
	json_decref(o->blind);
	json_decref(o->cur);
	json_decref(o->asked);
	mem_free(o);
}

void
objlist_free(struct objlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		cobject_free(l->v[i]);
	mem_free(l->v);
	*l = (struct objlist){ 0 };
}

static void
bind_json(sqlite3_stmt *st, int col, const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);

	if (text != NULL)
		(void)sqlite3_bind_text(st, col, text, -1, SQLITE_TRANSIENT);
	free(text); /* jansson's own allocation */
}

enum rc
state_object_save(struct client *c, struct cobject *o, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "INSERT INTO object(id, folder, uuid, client_id, rev, file, base, shadow, sent, blind, doubt, gone, size, mtime_ns, hash, series)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET folder = excluded.folder, uuid = excluded.uuid,"
	    " client_id = excluded.client_id, rev = excluded.rev, file = excluded.file, base = excluded.base, shadow = excluded.shadow,"
	    " sent = excluded.sent, blind = excluded.blind, doubt = excluded.doubt, gone = excluded.gone, size = excluded.size,"
	    " mtime_ns = excluded.mtime_ns, hash = excluded.hash, series = excluded.series", &st, e);

	if (rc != RC_OK)
		return rc;
	if (o->id != 0)
		(void)sqlite3_bind_int64(st, 1, o->id);
	(void)sqlite3_bind_int64(st, 2, o->folder);
	(void)sqlite3_bind_text(st, 3, o->uuid, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 4, o->client_id != NULL ? o->client_id : "", -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 5, o->rev, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 6, o->file != NULL ? o->file : "", -1, SQLITE_STATIC);
	bind_json(st, 7, o->base);
	bind_json(st, 8, o->shadow);
	bind_json(st, 9, o->sent);
	bind_json(st, 10, o->blind);
	(void)sqlite3_bind_int(st, 11, o->doubt);
	(void)sqlite3_bind_int(st, 12, o->gone);
	(void)sqlite3_bind_int64(st, 13, o->size);
	(void)sqlite3_bind_int64(st, 14, o->mtime_ns);
	(void)sqlite3_bind_text(st, 15, o->hash, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 16, o->series);
	rc = finish(c, st, e);
	if (rc == RC_OK && o->id == 0)
		o->id = sqlite3_last_insert_rowid(c->db);
	return rc;
}

enum rc
state_object_drop(struct client *c, int64_t id, struct err *e)
{
	sqlite3_stmt *st;
	char note[40];
	enum rc rc = prepare(c, "DELETE FROM object WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, id);
	rc = finish(c, st, e);
	if (rc != RC_OK)
		return rc;
	/* the next object may get the same number: what was refused was not its file */
	rc = prepare(c, "DELETE FROM meta WHERE key = ?", &st, e);
	if (rc != RC_OK)
		return rc;
	(void)snprintf(note, sizeof(note), "refused:%lld", (long long)id);
	(void)sqlite3_bind_text(st, 1, note, -1, SQLITE_STATIC);
	return finish(c, st, e);
}

/* ---- file operations after a commit ---- */

enum rc
state_todo(struct client *c, int64_t object, const char *path, const void *text, size_t n, const char *expect_hash, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "INSERT INTO todo(object, path, text, expect) VALUES (?, ?, ?, ?)", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, object);
	(void)sqlite3_bind_text(st, 2, path, -1, SQLITE_STATIC);
	if (text != NULL)
		(void)sqlite3_bind_blob64(st, 3, text, n, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 4, expect_hash, -1, SQLITE_STATIC);
	return finish(c, st, e);
}

/*
 * Notes what the file is now: nothing has to read it again when it says what was agreed (the object's hash).  EDITED by a person since the answer
 * came: every difference is a blind change (F8).
 */
static enum rc
todo_note(struct client *c, int64_t object, const char *path, const char *hash, bool edited, struct err *e)
{
	int64_t size = 0, mtime = 0;
	sqlite3_stmt *st;
	enum rc rc = prepare(c, "UPDATE object SET size = ?, mtime_ns = CASE WHEN hash = ? THEN ? ELSE 0 END, blind = CASE WHEN ? THEN '[\"*\"]' ELSE blind END WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	if (!edited)
		(void)file_stat(c, path, &size, &mtime);
	(void)sqlite3_bind_int64(st, 1, size);
	(void)sqlite3_bind_text(st, 2, hash, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 3, mtime);
	(void)sqlite3_bind_int(st, 4, edited);
	(void)sqlite3_bind_int64(st, 5, object);
	return finish(c, st, e);
}

/* The last attachment of an object takes its directory along. */
static void
remove_empty(char *full)
{
	char *slash = full != NULL ? strrchr(full, '/') : NULL;

	if (slash == NULL)
		return;
	*slash = '\0';
	if (is_attachments_dir(strrchr(full, '/') != NULL ? strrchr(full, '/') + 1 : full))
		(void)rmdir(full); /* a person's own files keep it */
}

static enum rc
todo_one(struct client *c, int64_t object, const char *path, const void *text, size_t n, const char *expect, struct err *e)
{
	struct buf now;
	char hash[65] = "", want[65];
	char *full;
	enum rc rc;

	buf_init(&now, 0);
	rc = file_read(c, path, &now, e);
	if (rc == RC_OK)
		file_hash(now.p, now.len, hash);
	buf_fini(&now);
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	if (text == NULL) {
		if (hash[0] == '\0' || strcmp(hash, expect) != 0)
			return RC_OK; /* gone already, or edited since: an edited file is a new object */
		full = full_path(c, path);
		rc = full != NULL && (unlink(full) == 0 || errno == ENOENT) ? RC_OK : err_set(e, RC_INTERNAL, "%s: %s", path, strerror(errno));
		remove_empty(full);
		mem_free(full);
		return rc;
	}
	file_hash(text, n, want);
	if (strcmp(hash, want) == 0)
		return todo_note(c, object, path, want, false, e);
	if (hash[0] != '\0' && strcmp(hash, expect) != 0)
		return todo_note(c, object, path, want, true, e);
	rc = file_write(c, path, text, n, e);
	return rc == RC_OK ? todo_note(c, object, path, want, false, e) : rc;
}

enum rc
state_todo_run(struct client *c, struct err *e)
{
	enum rc rc = RC_OK;
	bool any = true;

	while (any && rc == RC_OK) {
		sqlite3_stmt *st, *del;
		int64_t id = 0;

		rc = prepare(c, "SELECT id, object, path, text, expect FROM todo ORDER BY id LIMIT 1", &st, e);
		if (rc != RC_OK)
			break;
		any = sqlite3_step(st) == SQLITE_ROW;
		if (any) {
			id = sqlite3_column_int64(st, 0);
			rc = todo_one(c, sqlite3_column_int64(st, 1), (const char *)sqlite3_column_text(st, 2),
			    sqlite3_column_type(st, 3) == SQLITE_NULL ? NULL : sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3),
			    (const char *)sqlite3_column_text(st, 4), e);
		}
		(void)sqlite3_finalize(st);
		if (!any || rc != RC_OK)
			break;
		rc = prepare(c, "DELETE FROM todo WHERE id = ?", &del, e);
		if (rc == RC_OK) {
			(void)sqlite3_bind_int64(del, 1, id);
			rc = finish(c, del, e);
		}
	}
	return rc;
}
