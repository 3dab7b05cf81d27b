/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attachments: files in the directory "<file of the object>.attachments".  The server's side first (what came, what went), then this one (new,
 * edited, removed files).  An edited file is added as another attachment before the old one is deleted, so it is never nowhere; adding is
 * repeatable, so an interruption between any two steps ends in the same state with the next run.
 */
#include "client/attach_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LOST_ADDS 5 /* answers to one attachment that may get lost before it waits for the next run */

bool
is_attachments_dir(const char *name)
{
	size_t n = strlen(name), k = strlen(ATTACHMENTS);

	return n > k && strcmp(name + n - k, ATTACHMENTS) == 0;
}

char *
side_dir(const struct cfolder *f, const char *file, int64_t day_ms)
{
	char *path = path_join(f->path, file), *dir = NULL, day[16] = "";
	time_t t = (time_t)(day_ms / 1000);
	struct tm tm;
	struct buf b;

	buf_init(&b, 8192);
	if (day_ms != 0 && gmtime_r(&t, &tm) != NULL)
		(void)strftime(day, sizeof(day), ".%Y%m%d", &tm);
	if (path != NULL) {
		buf_adds(&b, path);
		buf_adds(&b, day);
		buf_adds(&b, ATTACHMENTS);
		dir = buf_take(&b, NULL);
	}
	buf_fini(&b);
	mem_free(path);
	return dir;
}

static bool
is_there(const struct client *c, const char *dir)
{
	char *full = full_path(c, dir);
	struct stat st;
	bool there = full != NULL && lstat(full, &st) == 0 && S_ISDIR(st.st_mode);

	mem_free(full);
	return there;
}

/* "count/newest" of the object as the server gave it last. */
static void
version_of(const json_t *values, char *out, size_t size)
{
	(void)snprintf(out, size, "%lld/%lld", (long long)json_integer_value(json_object_get(values, "number_of_attachments")),
	    (long long)json_integer_value(json_object_get(values, "lastModifiedOfNewestAttachmentUTC")));
}

/* A fault that is this attachment's alone is told to the person; the rest goes on. */
enum rc
side_tell(struct side *s, const char *name, enum rc rc, struct err *e)
{
	if (rc != RC_PROTO && rc != RC_LIMIT && rc != RC_FORBIDDEN && rc != RC_NOTFOUND)
		return rc;
	complain(s->c, "%s/%s: %s", s->dir, name, e->text);
	s->left_over = true;
	return RC_OK;
}

json_t *
side_body(const struct side *s, const char *aid)
{
	json_t *b = json_pack("{s:s, s:s}", "folder", s->f->uuid, "uuid", s->o->uuid);

	if (aid != NULL)
		(void)json_object_set_new(b, "id", json_string(aid));
	return b;
}

/* ---- rows ---- */

struct cattach *
side_row_add(struct side *s, const char *aid, char *name)
{
	struct cattach *p = mem_realloc(s->rows, (s->n + 1) * sizeof(*p));

	if (p == NULL || name == NULL) {
		mem_free(name);
		return NULL;
	}
	s->rows = p;
	p = &s->rows[s->n++];
	memset(p, 0, sizeof(*p));
	p->name = name;
	(void)snprintf(p->aid, sizeof(p->aid), "%s", aid);
	return p;
}

enum rc
side_row_remove(struct side *s, size_t i, struct err *e)
{
	enum rc rc = attach_row_drop(s->c, s->rows[i].id, e);

	mem_free(s->rows[i].name);
	memmove(&s->rows[i], &s->rows[i + 1], (s->n - i - 1) * sizeof(*s->rows));
	s->n--;
	return rc;
}

struct cattach *
side_row_named(const struct side *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->rows[i].name, name) == 0)
			return &s->rows[i];
	return NULL;
}

/*
 * ROW's file is the attachment AID from now on.  The one that it replaces stays as a row without a file until the server has deleted it: a run that
 * ends in between would else take it for somebody's new attachment of the same name.
 */
enum rc
side_replace(struct side *s, struct cattach *row, const char *aid, struct err *e)
{
	struct cattach *replaced;
	char old[UUID_TEXT];
	enum rc rc = state_begin(s->c, e);

	if (rc != RC_OK)
		return rc;
	(void)snprintf(old, sizeof(old), "%s", row->aid);
	(void)snprintf(row->aid, sizeof(row->aid), "%s", aid);
	rc = attach_row_put(s->c, s->o->id, row, e); /* before the next row moves this one */
	if (rc == RC_OK && strcmp(old, aid) != 0) {
		replaced = side_row_add(s, old, mem_dup_str(""));
		rc = replaced != NULL ? attach_row_put(s->c, s->o->id, replaced, e) : err_set(e, RC_NOMEM, "out of memory");
	}
	if (rc == RC_OK)
		return state_commit(s->c, e);
	state_rollback(s->c);
	return rc;
}

/* The file of A as it is now; false = not there. */
bool
side_look(const struct side *s, const char *name, int64_t *size, int64_t *mtime_ns, char **path)
{
	*path = path_join(s->dir, name);
	return *path != NULL && file_stat(s->c, *path, size, mtime_ns);
}

enum rc
side_read(const struct side *s, const char *path, struct buf *out, char hash[65], struct err *e)
{
	enum rc rc = file_read(s->c, path, out, e);

	if (rc == RC_OK)
		file_hash(out->p != NULL ? out->p : "", out->len, hash);
	return rc;
}

/* ---- this side ---- */

/* A command that changes attachments; a lost answer is repeated, what the server cannot do now waits for the next run. */
static enum rc
change(struct side *s, const char *command, const json_t *body, const char *name, json_t **data, struct err *e)
{
	enum rc rc = RC_TIMEOUT;

	*data = NULL;
	for (int i = 0; i < MAX_LOST_ADDS && rc == RC_TIMEOUT && !client_stop; i++) {
		rc = net_call(s->c->net, command, body, 300, data, e);
		s->c->t.requests++;
		if (rc == RC_OK && s->c->o.drop_answers > 0) { /* for tests: as if it had not come */
			s->c->o.drop_answers--;
			json_decref(*data);
			*data = NULL;
			rc = err_set(e, RC_TIMEOUT, "the answer was thrown away");
		}
	}
	if (rc == RC_OK)
		version_of(*data, s->version, sizeof(s->version));
	if (rc == RC_UPSTREAM || rc == RC_TIMEOUT) {
		put_off(s->c, "%s/%s: %s", s->dir, name, e->text);
		s->left_over = true;
		return RC_OK;
	}
	return side_tell(s, name, rc, e);
}

static enum rc
delete_there(struct side *s, const char *aid, const char *name, bool *done, struct err *e)
{
	json_t *body = side_body(s, aid), *data;
	enum rc rc = change(s, "deleteAttachment", body, name, &data, e);

	*done = data != NULL;
	json_decref(body);
	json_decref(data);
	return rc;
}

/* The file NAME is new here (ROW NULL) or edited. */
static enum rc
upload(struct side *s, const char *name, struct cattach *row, struct err *e)
{
	json_t *body = side_body(s, NULL), *data = NULL;
	char *path = path_join(s->dir, name), hash[65];
	struct buf octets, text;
	const char *aid;
	enum rc rc;

	buf_init(&octets, 0);
	buf_init(&text, (size_t)256 * 1024 * 1024);
	rc = path != NULL ? side_read(s, path, &octets, hash, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc != RC_OK || (row != NULL && strcmp(hash, row->hash) == 0)) /* touched, not changed */
		goto out;
	base64_encode(&text, octets.p != NULL ? octets.p : "", octets.len);
	(void)json_object_set_new(body, "filename", json_string(name));
	(void)json_object_set_new(body, "data", json_stringn(text.p != NULL ? text.p : "", text.len));
	rc = change(s, "addAttachment", body, name, &data, e);
	aid = json_string_value(json_object_get(data, "id"));
	if (rc != RC_OK || aid == NULL)
		goto out;
	if (row == NULL)
		row = side_row_add(s, aid, mem_dup_str(name));
	if (row == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	(void)snprintf(row->hash, sizeof(row->hash), "%s", hash);
	(void)file_stat(s->c, path, &row->size, &row->mtime_ns);
	rc = side_replace(s, row, aid, e);
	s->c->t.up++;
out:
	json_decref(body);
	json_decref(data);
	buf_fini(&octets);
	buf_fini(&text);
	mem_free(path);
	return rc;
}

static enum rc
to_server(struct side *s, struct err *e)
{
	char *full = full_path(s->c, s->dir), *path;
	DIR *d = full != NULL ? opendir(full) : NULL;
	struct dirent *de;
	int64_t size, mtime;
	enum rc rc = RC_OK;

	while (d != NULL && rc == RC_OK && (de = readdir(d)) != NULL && !client_stop) {
		struct cattach *row;

		if (de->d_name[0] == '.')
			continue;
		if (side_look(s, de->d_name, &size, &mtime, &path)) {
			row = side_row_named(s, de->d_name);
			if (row == NULL || size != row->size || mtime != row->mtime_ns)
				rc = upload(s, de->d_name, row, e);
		}
		mem_free(path);
	}
	if (d != NULL)
		(void)closedir(d);
	for (size_t i = s->n; i-- > 0 && rc == RC_OK; ) {
		bool there = side_look(s, s->rows[i].name, &size, &mtime, &path), done = false;

		mem_free(path);
		if (there)
			continue;
		rc = delete_there(s, s->rows[i].aid, s->rows[i].name, &done, e);
		if (rc == RC_OK && done)
			rc = side_row_remove(s, i, e);
		s->c->t.up += done;
	}
	if (s->n == 0 && full != NULL)
		(void)rmdir(full); /* only when it is empty */
	mem_free(full);
	return rc;
}

/* ---- an object, a folder ---- */

/* The object's file has another name now: the directory follows it, unless a person has moved it already. */
static void
follow(const struct side *s, const char *old)
{
	char *from = path_join(s->f->path, old), *full_from = from != NULL ? full_path(s->c, from) : NULL, *full_to = full_path(s->c, s->dir);

	if (full_from != NULL && full_to != NULL && is_there(s->c, from) && !is_there(s->c, s->dir) && rename(full_from, full_to) != 0)
		complain(s->c, "%s: could not be renamed: %s", from, strerror(errno));
	mem_free(from);
	mem_free(full_from);
	mem_free(full_to);
}

/* MASTER: the object whose file says O; O itself but for exceptions of a series. */
static enum rc
one_object(struct client *c, const struct cfolder *f, const struct cobject *o, const struct cobject *master, struct err *e)
{
	int64_t day = master != o ? json_integer_value(json_object_get(o->base, "recurrence_date_position")) : 0;
	struct side s = { .c = c, .f = f, .o = o, .dir = side_dir(f, master->file, day) };
	char *version = NULL, *old = NULL;
	const char *name;
	bool there;
	enum rc rc = s.dir != NULL ? attach_listed(c, o->id, &version, &old, e) : err_set(e, RC_NOMEM, "out of memory");

	if (rc != RC_OK)
		goto out;
	name = s.dir + strlen(f->path) + (f->path[0] != '\0');
	version_of(o->base, s.version, sizeof(s.version));
	if (old != NULL && strcmp(old, name) != 0)
		follow(&s, old);
	there = is_there(c, s.dir);
	if (version == NULL && !there && strcmp(s.version, "0/0") == 0)
		goto out;
	if (version == NULL) /* before the first file: who removes the object has to know where they are */
		rc = attach_listed_put(c, o->id, "?", name, e);
	if (rc == RC_OK)
		rc = attach_rows(c, o->id, &s.rows, &s.n, e);
	if (rc == RC_OK && (version == NULL || strcmp(version, s.version) != 0))
		rc = side_from_server(&s, e);
	if (rc == RC_OK)
		rc = to_server(&s, e);
	/* what is left over is looked for again, whatever the server says then */
	if (rc == RC_OK)
		rc = attach_listed_put(c, o->id, s.left_over ? "?" : s.version, name, e);
out:
	cattach_free(s.rows, s.n);
	mem_free(s.dir);
	mem_free(version);
	mem_free(old);
	return rc;
}

/* Has any object's file a directory of attachments beside it? */
static bool
any_directory(const struct client *c, const struct cfolder *f)
{
	char *full = full_path(c, f->path);
	DIR *d = full != NULL ? opendir(full) : NULL;
	struct dirent *de;
	bool any = false;

	while (d != NULL && !any && (de = readdir(d)) != NULL)
		any = is_attachments_dir(de->d_name);
	if (d != NULL)
		(void)closedir(d);
	mem_free(full);
	return any;
}

enum rc
attach_sync(struct client *c, const struct cfolder *f, struct err *e)
{
	struct objlist l = { 0 };
	bool any;
	enum rc rc;

	if ((f->ct != CT_CONTACT && f->ct != CT_CALENDAR && f->ct != CT_TASK) || f->uuid[0] == '\0')
		return RC_OK;
	rc = attach_any(c, f->id, &any, e);
	if (rc != RC_OK || (!any && !any_directory(c, f)))
		return rc; /* a folder without attachments costs a query and a look into its directory */
	rc = state_objects(c, f->id, &l, e);
	for (size_t i = 0; i < l.n && rc == RC_OK && !client_stop; i++) {
		const struct cobject *o = l.v[i], *master = o->series != 0 ? series_master(&l, o) : o;

		if (o->uuid[0] != '\0' && !o->gone && master != NULL && master->file[0] != '\0')
			rc = one_object(c, f, o, master, e);
	}
	objlist_free(&l);
	return rc;
}

enum rc
attach_forget(struct client *c, const struct cfolder *f, const struct cobject *o, struct err *e)
{
	struct cattach *rows = NULL;
	char *version, *name, *dir = NULL;
	size_t n = 0;
	enum rc rc = attach_listed(c, o->id, &version, &name, e);

	if (rc == RC_OK && name != NULL) {
		dir = path_join(f->path, name);
		rc = dir != NULL ? attach_rows(c, o->id, &rows, &n, e) : err_set(e, RC_NOMEM, "out of memory");
	}
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		char *path;

		if (rows[i].name[0] == '\0') /* replaced: it has no file */
			continue;
		path = path_join(dir, rows[i].name);
		rc = path != NULL ? state_todo(c, o->id, path, NULL, 0, rows[i].hash, e) : err_set(e, RC_NOMEM, "out of memory");
		mem_free(path);
	}
	cattach_free(rows, n);
	mem_free(dir);
	mem_free(name);
	mem_free(version);
	return rc;
}
