/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* File operations of a committed answer: written down in its transaction, carried out after it, also those of an interrupted run. */
#include "client/state_int.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum rc
state_todo(struct client *c, int64_t object, const char *path, const void *text, size_t n, const char *expect_hash, struct err *e)
{
	sqlite3_stmt *st;
	enum rc rc = state_prepare(c, "INSERT INTO todo(object, path, text, expect) VALUES (?, ?, ?, ?)", &st, e);

	if (rc != RC_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, object);
	(void)sqlite3_bind_text(st, 2, path, -1, SQLITE_STATIC);
	if (text != NULL)
		(void)sqlite3_bind_blob64(st, 3, text, n, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 4, expect_hash, -1, SQLITE_STATIC);
	return state_finish(c, st, e);
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
	enum rc rc = state_prepare(c, "UPDATE object SET size = ?, mtime_ns = CASE WHEN hash = ? THEN ? ELSE 0 END, blind = CASE WHEN ? THEN '[\"*\"]' ELSE blind END WHERE id = ?", &st, e);

	if (rc != RC_OK)
		return rc;
	if (!edited)
		(void)file_stat(c, path, &size, &mtime);
	(void)sqlite3_bind_int64(st, 1, size);
	(void)sqlite3_bind_text(st, 2, hash, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 3, mtime);
	(void)sqlite3_bind_int(st, 4, edited);
	(void)sqlite3_bind_int64(st, 5, object);
	return state_finish(c, st, e);
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

		rc = state_prepare(c, "SELECT id, object, path, text, expect FROM todo ORDER BY id LIMIT 1", &st, e);
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
		rc = state_prepare(c, "DELETE FROM todo WHERE id = ?", &del, e);
		if (rc == RC_OK) {
			(void)sqlite3_bind_int64(del, 1, id);
			rc = state_finish(c, del, e);
		}
	}
	return rc;
}
