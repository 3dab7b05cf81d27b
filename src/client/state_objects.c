/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The objects that the state knows, and the list of those of one folder. */
#include "client/state_int.h"

#include <stdlib.h>
#include <string.h>

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
	state_text(st, 2, o->uuid, sizeof(o->uuid));
	o->client_id = mem_dup_str((const char *)sqlite3_column_text(st, 3));
	state_text(st, 4, o->rev, sizeof(o->rev));
	o->file = mem_dup_str((const char *)sqlite3_column_text(st, 5));
	o->base = column_json(st, 6, false);
	o->shadow = column_json(st, 7, false);
	o->sent = column_json(st, 8, false);
	o->blind = column_json(st, 9, true);
	o->doubt = sqlite3_column_int(st, 10) != 0;
	o->gone = sqlite3_column_int(st, 11) != 0;
	o->size = sqlite3_column_int64(st, 12);
	o->mtime_ns = sqlite3_column_int64(st, 13);
	state_text(st, 14, o->hash, sizeof(o->hash));
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
	enum rc rc = state_prepare(c, "SELECT id, folder, uuid, client_id, rev, file, base, shadow, sent, blind, doubt, gone, size, mtime_ns, hash, series"
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
	enum rc rc = state_prepare(c, "INSERT INTO object(id, folder, uuid, client_id, rev, file, base, shadow, sent, blind, doubt, gone, size, mtime_ns, hash, series)"
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
	rc = state_finish(c, st, e);
	if (rc == RC_OK && o->id == 0)
		o->id = sqlite3_last_insert_rowid(c->db);
	return rc;
}

enum rc
state_object_drop(struct client *c, int64_t id, struct err *e)
{
	sqlite3_stmt *st;
	char note[40];
	enum rc rc = state_prepare(c, "DELETE FROM object WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, id);
	rc = state_finish(c, st, e);
	if (rc != RC_OK)
		return rc;
	/* the next object may get the same number: what was refused was not its file */
	rc = state_prepare(c, "DELETE FROM meta WHERE key = ?", &st, e);
	if (rc != RC_OK)
		return rc;
	(void)snprintf(note, sizeof(note), "refused:%lld", (long long)id);
	(void)sqlite3_bind_text(st, 1, note, -1, SQLITE_STATIC);
	return state_finish(c, st, e);
}
