/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attachments: files in the directory "<file of the object>.attachments".  The server's side first (what came, what went), then this one (new,
 * edited, removed files).  An edited file is added as another attachment before the old one is deleted, so it is never nowhere; adding is
 * repeatable, so an interruption between any two steps ends in the same state with the next run.
 */
#include "client/client_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LOST_ADDS 5 /* answers to one attachment that may get lost before it waits for the next run */

/* One object's attachments while they are compared. */
struct side {
	struct client *c;
	const struct cfolder *f;
	const struct cobject *o;
	char *dir;              /* relative path of the directory, made when the first file comes */
	struct cattach *rows;
	size_t n;
	char version[64];       /* what the server said last */
	bool left_over;         /* something could not be done: asked again by the next run */
};

bool
is_attachments_dir(const char *name)
{
	size_t n = strlen(name), k = strlen(ATTACHMENTS);

	return n > k && strcmp(name + n - k, ATTACHMENTS) == 0;
}

static char *
dir_of(const struct cfolder *f, const char *file)
{
	char *path = path_join(f->path, file), *dir = NULL;
	struct buf b;

	buf_init(&b, 8192);
	if (path != NULL) {
		buf_adds(&b, path);
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
static enum rc
tell(struct side *s, const char *name, enum rc rc, struct err *e)
{
	if (rc != RC_PROTO && rc != RC_LIMIT && rc != RC_FORBIDDEN && rc != RC_NOTFOUND)
		return rc;
	complain(s->c, "%s/%s: %s", s->dir, name, e->text);
	s->left_over = true;
	return RC_OK;
}

static json_t *
body_of(const struct side *s, const char *aid)
{
	json_t *b = json_pack("{s:s, s:s}", "folder", s->f->uuid, "uuid", s->o->uuid);

	if (aid != NULL)
		(void)json_object_set_new(b, "id", json_string(aid));
	return b;
}

/* ---- rows ---- */

static struct cattach *
row_add(struct side *s, const char *aid, char *name)
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

static enum rc
row_remove(struct side *s, size_t i, struct err *e)
{
	enum rc rc = attach_row_drop(s->c, s->rows[i].id, e);

	mem_free(s->rows[i].name);
	memmove(&s->rows[i], &s->rows[i + 1], (s->n - i - 1) * sizeof(*s->rows));
	s->n--;
	return rc;
}

static struct cattach *
row_named(const struct side *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->rows[i].name, name) == 0)
			return &s->rows[i];
	return NULL;
}

/* The file of A as it is now; false = not there. */
static bool
look(const struct side *s, const char *name, int64_t *size, int64_t *mtime_ns, char **path)
{
	*path = path_join(s->dir, name);
	return *path != NULL && file_stat(s->c, *path, size, mtime_ns);
}

static enum rc
read_file(const struct side *s, const char *path, struct buf *out, char hash[65], struct err *e)
{
	enum rc rc = file_read(s->c, path, out, e);

	if (rc == RC_OK)
		file_hash(out->p != NULL ? out->p : "", out->len, hash);
	return rc;
}

/* ---- the server's side ---- */

static bool
is_taken(const struct side *s, const char *name)
{
	int64_t size, mtime;
	char *path = NULL;
	bool taken = row_named(s, name) != NULL || look(s, name, &size, &mtime, &path);

	mem_free(path);
	return taken;
}

/* A name in the directory that no file has, with the ending kept. */
static char *
free_name(const struct side *s, const char *filename)
{
	const char *dot = strrchr(filename, '.');
	char stem[256], *clean, *ending, *name = NULL;

	if (dot == NULL || dot == filename || strlen(dot) > 12)
		dot = "";
	(void)snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(filename) - strlen(dot)), filename);
	clean = name_clean(stem, "attachment");
	ending = dot[0] != '\0' ? name_clean(dot + 1, "bin") : mem_dup_str("");
	for (unsigned i = 1; clean != NULL && ending != NULL && i < 10000; i++) {
		struct buf b;

		buf_init(&b, 1024);
		buf_adds(&b, clean);
		if (i > 1)
			buf_addf(&b, " (%u)", i);
		if (ending[0] != '\0')
			buf_addf(&b, ".%s", ending);
		name = buf_take(&b, NULL);
		if (name == NULL || !is_taken(s, name))
			break;
		mem_free(name);
		name = NULL;
	}
	mem_free(clean);
	mem_free(ending);
	return name;
}

/* Is the file NAME, which no row knows, these very octets?  A run before this one wrote it and was interrupted, or a person has it already. */
static bool
is_same_file(const struct side *s, const char *name, const char *hash)
{
	int64_t size, mtime;
	struct buf b;
	char *path = NULL, h[65];
	bool same = false;
	struct err e;

	buf_init(&b, 0);
	if (strchr(name, '/') == NULL && name[0] != '.' && row_named(s, name) == NULL && look(s, name, &size, &mtime, &path))
		same = read_file(s, path, &b, h, &e) == RC_OK && strcmp(h, hash) == 0;
	buf_fini(&b);
	mem_free(path);
	return same;
}

static enum rc
download(struct side *s, const json_t *a, struct err *e)
{
	const char *aid = json_string_value(json_object_get(a, "id")), *filename = json_string_value(json_object_get(a, "filename"));
	json_t *body;
	struct cattach *row;
	struct buf octets;
	char hash[65], *path = NULL, *name = NULL;
	enum rc rc;

	if (aid == NULL || filename == NULL)
		return err_set(e, RC_UPSTREAM, "the server sent an attachment without id or name");
	body = body_of(s, aid);
	buf_init(&octets, (size_t)1024 * 1024 * 1024);
	rc = net_octets(s->c->net, "getAttachment", body, &octets, e);
	s->c->t.requests++;
	if (rc != RC_OK) {
		rc = tell(s, filename, rc, e);
		goto out;
	}
	file_hash(octets.p != NULL ? octets.p : "", octets.len, hash);
	name = is_same_file(s, filename, hash) ? mem_dup_str(filename) : free_name(s, filename);
	path = name != NULL ? path_join(s->dir, name) : NULL;
	rc = path != NULL ? dir_make(s->c, s->dir, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK)
		rc = file_write(s->c, path, octets.p != NULL ? octets.p : "", octets.len, e);
	if (rc != RC_OK)
		goto out;
	row = row_add(s, aid, name);
	name = NULL;
	if (row == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	(void)snprintf(row->hash, sizeof(row->hash), "%s", hash);
	(void)file_stat(s->c, path, &row->size, &row->mtime_ns);
	rc = attach_row_put(s->c, s->o->id, row, e);
	s->c->t.down++;
out:
	json_decref(body);
	buf_fini(&octets);
	mem_free(name);
	mem_free(path);
	return rc;
}

static bool
lists(const json_t *list, const char *aid)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *x = json_string_value(json_object_get(json_array_get(list, i), "id"));

		if (x != NULL && strcmp(x, aid) == 0)
			return true;
	}
	return false;
}

/* Gone on the server: the file goes as well, unless it was edited here; then it is a new one. */
static enum rc
removed_there(struct side *s, size_t i, struct err *e)
{
	struct cattach *row = &s->rows[i];
	int64_t size, mtime;
	char hash[65], *path, *full;
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	if (look(s, row->name, &size, &mtime, &path) && read_file(s, path, &b, hash, e) == RC_OK && strcmp(hash, row->hash) == 0) {
		full = full_path(s->c, path);
		if (full != NULL)
			(void)unlink(full);
		mem_free(full);
		s->c->t.removed++;
	}
	rc = row_remove(s, i, e);
	buf_fini(&b);
	mem_free(path);
	return rc;
}

static enum rc
from_server(struct side *s, struct err *e)
{
	json_t *body = body_of(s, NULL), *data = NULL, *list, *a;
	size_t k;
	enum rc rc = net_call(s->c->net, "getAttachments", body, 300, &data, e);

	s->c->t.requests++;
	json_decref(body);
	if (rc != RC_OK) {
		rc = tell(s, "", rc, e);
		goto out;
	}
	list = json_object_get(data, "attachments");
	for (size_t i = s->n; i-- > 0 && rc == RC_OK; )
		if (!lists(list, s->rows[i].aid))
			rc = removed_there(s, i, e);
	json_array_foreach (list, k, a) {
		bool known = false;

		for (size_t i = 0; i < s->n && !known; i++)
			known = json_object_get(a, "id") != NULL && strcmp(s->rows[i].aid, json_string_value(json_object_get(a, "id"))) == 0;
		if (!known && rc == RC_OK)
			rc = download(s, a, e);
	}
out:
	json_decref(data);
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
		say(s->c, "%s/%s: %s", s->dir, name, e->text);
		s->left_over = true;
		return RC_OK;
	}
	return tell(s, name, rc, e);
}

static enum rc
delete_there(struct side *s, const char *aid, const char *name, bool *done, struct err *e)
{
	json_t *body = body_of(s, aid), *data;
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
	json_t *body = body_of(s, NULL), *data = NULL;
	char *path = path_join(s->dir, name), old[UUID_TEXT] = "", hash[65];
	struct buf octets, text;
	const char *aid;
	bool done;
	enum rc rc;

	buf_init(&octets, 0);
	buf_init(&text, (size_t)256 * 1024 * 1024);
	rc = path != NULL ? read_file(s, path, &octets, hash, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc != RC_OK || (row != NULL && strcmp(hash, row->hash) == 0)) /* touched, not changed */
		goto out;
	base64_encode(&text, octets.p != NULL ? octets.p : "", octets.len);
	(void)json_object_set_new(body, "filename", json_string(name));
	(void)json_object_set_new(body, "data", json_stringn(text.p != NULL ? text.p : "", text.len));
	rc = change(s, "addAttachment", body, name, &data, e);
	aid = json_string_value(json_object_get(data, "id"));
	if (rc != RC_OK || aid == NULL)
		goto out;
	if (row != NULL)
		(void)snprintf(old, sizeof(old), "%s", row->aid);
	else
		row = row_add(s, aid, mem_dup_str(name));
	if (row == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	(void)snprintf(row->aid, sizeof(row->aid), "%s", aid);
	(void)snprintf(row->hash, sizeof(row->hash), "%s", hash);
	(void)file_stat(s->c, path, &row->size, &row->mtime_ns);
	rc = attach_row_put(s->c, s->o->id, row, e);
	if (rc == RC_OK && old[0] != '\0' && strcmp(old, aid) != 0)
		rc = delete_there(s, old, name, &done, e);
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
		if (look(s, de->d_name, &size, &mtime, &path)) {
			row = row_named(s, de->d_name);
			if (row == NULL || size != row->size || mtime != row->mtime_ns)
				rc = upload(s, de->d_name, row, e);
		}
		mem_free(path);
	}
	if (d != NULL)
		(void)closedir(d);
	for (size_t i = s->n; i-- > 0 && rc == RC_OK; ) {
		bool there = look(s, s->rows[i].name, &size, &mtime, &path), done = false;

		mem_free(path);
		if (there)
			continue;
		rc = delete_there(s, s->rows[i].aid, s->rows[i].name, &done, e);
		if (rc == RC_OK && done)
			rc = row_remove(s, i, e);
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

static enum rc
one_object(struct client *c, const struct cfolder *f, const struct cobject *o, struct err *e)
{
	struct side s = { .c = c, .f = f, .o = o, .dir = dir_of(f, o->file) };
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
	rc = attach_rows(c, o->id, &s.rows, &s.n, e);
	if (rc == RC_OK && (version == NULL || strcmp(version, s.version) != 0))
		rc = from_server(&s, e);
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
	struct cobject **o = NULL;
	size_t n = 0;
	bool any;
	enum rc rc;

	if ((f->ct != CT_CONTACT && f->ct != CT_CALENDAR && f->ct != CT_TASK) || f->uuid[0] == '\0')
		return RC_OK;
	rc = attach_any(c, f->id, &any, e);
	if (rc != RC_OK || (!any && !any_directory(c, f)))
		return rc; /* a folder without attachments costs a query and a look into its directory */
	rc = state_objects(c, f->id, &o, &n, e);
	for (size_t i = 0; i < n && rc == RC_OK && !client_stop; i++)
		if (o[i]->uuid[0] != '\0' && !o[i]->gone)
			rc = one_object(c, f, o[i], e);
	cobjects_free(o, n);
	return rc;
}

enum rc
attach_forget(struct client *c, const struct cfolder *f, const struct cobject *o, struct err *e)
{
	char *dir = dir_of(f, o->file);
	struct cattach *rows = NULL;
	size_t n = 0;
	enum rc rc = dir != NULL ? attach_rows(c, o->id, &rows, &n, e) : err_set(e, RC_NOMEM, "out of memory");

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		char *path = path_join(dir, rows[i].name);

		rc = path != NULL ? state_todo(c, o->id, path, NULL, 0, rows[i].hash, e) : err_set(e, RC_NOMEM, "out of memory");
		mem_free(path);
	}
	cattach_free(rows, n);
	mem_free(dir);
	return rc;
}
