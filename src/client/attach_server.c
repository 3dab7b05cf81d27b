/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Attachments that become files: those that came to the server, and those that are inside the text of an object; and those that went. */
#include "client/attach_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "usmd/pim.h"

static bool
is_taken(const struct side *s, const char *name)
{
	int64_t size, mtime;
	char *path = NULL;
	bool taken = side_row_named(s, name) != NULL || side_look(s, name, &size, &mtime, &path);

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
	if (strchr(name, '/') == NULL && name[0] != '.' && side_row_named(s, name) == NULL && side_look(s, name, &size, &mtime, &path))
		same = side_read(s, path, &b, h, &e) == RC_OK && strcmp(h, hash) == 0;
	buf_fini(&b);
	mem_free(path);
	return same;
}

/*
 * An attachment that nobody here knows, with the octets of a file that was edited here: the answer to its upload was lost, or the run ended before
 * the answer was noted.  It is that file's.
 */
static enum rc
take_own(struct side *s, const char *aid, const char *filename, const char *hash, bool *taken, struct err *e)
{
	struct cattach *row = side_row_named(s, filename);
	int64_t size, mtime_ns;
	char *path = NULL, now[65];
	struct buf b;
	enum rc rc = RC_OK;

	*taken = false;
	if (row == NULL || strcmp(row->hash, hash) == 0)
		return RC_OK;
	buf_init(&b, 0);
	*taken = side_look(s, filename, &size, &mtime_ns, &path) && side_read(s, path, &b, now, e) == RC_OK && strcmp(now, hash) == 0;
	if (*taken) {
		row->size = size;
		row->mtime_ns = mtime_ns;
		(void)snprintf(row->hash, sizeof(row->hash), "%s", hash);
		rc = side_replace(s, row, aid, e);
	}
	buf_fini(&b);
	mem_free(path);
	return rc;
}

static enum rc
download(struct side *s, const json_t *a, struct err *e)
{
	const char *aid = json_string_value(json_object_get(a, "id")), *filename = json_string_value(json_object_get(a, "filename"));
	json_t *body;
	struct cattach *row;
	struct buf octets;
	char hash[65], *path = NULL, *name = NULL;
	bool own;
	enum rc rc;

	if (aid == NULL || filename == NULL)
		return err_set(e, RC_UPSTREAM, "the server sent an attachment without id or name");
	body = side_body(s, aid);
	buf_init(&octets, (size_t)1024 * 1024 * 1024);
	rc = net_octets(s->c->net, "getAttachment", body, &octets, e);
	s->c->t.requests++;
	if (rc != RC_OK) {
		rc = side_tell(s, filename, rc, e);
		goto out;
	}
	file_hash(octets.p != NULL ? octets.p : "", octets.len, hash);
	rc = take_own(s, aid, filename, hash, &own, e);
	if (rc != RC_OK || own)
		goto out;
	name = is_same_file(s, filename, hash) ? mem_dup_str(filename) : free_name(s, filename);
	path = name != NULL ? path_join(s->dir, name) : NULL;
	rc = path != NULL ? dir_make(s->c, s->dir, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK)
		rc = file_write(s->c, path, octets.p != NULL ? octets.p : "", octets.len, e);
	if (rc != RC_OK)
		goto out;
	row = side_row_add(s, aid, name);
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
	if (side_look(s, row->name, &size, &mtime, &path) && side_read(s, path, &b, hash, e) == RC_OK && strcmp(hash, row->hash) == 0) {
		full = full_path(s->c, path);
		if (full != NULL)
			(void)unlink(full);
		mem_free(full);
		s->c->t.removed++;
	}
	rc = side_row_remove(s, i, e);
	buf_fini(&b);
	mem_free(path);
	return rc;
}

enum rc
side_from_server(struct side *s, struct err *e)
{
	json_t *body = side_body(s, NULL), *data = NULL, *list, *a;
	size_t k;
	enum rc rc = net_call(s->c->net, "getAttachments", body, 300, &data, e);

	s->c->t.requests++;
	json_decref(body);
	if (rc != RC_OK) {
		rc = side_tell(s, "", rc, e);
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

/* ---- inside a text ---- */

struct extract {
	struct side s;
	struct err *e;
	enum rc rc;
};

static int
on_attachment(void *arg, const char *name, const void *p, size_t n)
{
	struct extract *x = arg;
	char hash[65], *mine, *path = NULL;

	file_hash(n > 0 ? p : "", n, hash);
	if (is_same_file(&x->s, name, hash))
		return 0;
	mine = free_name(&x->s, name);
	path = mine != NULL ? path_join(x->s.dir, mine) : NULL;
	x->rc = path != NULL ? dir_make(x->s.c, x->s.dir, x->e) : err_set(x->e, RC_NOMEM, "out of memory");
	if (x->rc == RC_OK)
		x->rc = file_write(x->s.c, path, p, n, x->e);
	mem_free(mine);
	mem_free(path);
	return x->rc != RC_OK;
}

enum rc
attach_extract(struct client *c, const struct cfolder *f, const char *file, const void *text, size_t n, struct err *e)
{
	struct extract x = { .s = { .c = c, .f = f, .dir = side_dir(f, file, 0) }, .e = e };

	if (x.s.dir == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	/* a text that cannot be read is refused by who reads its object */
	(void)pim_attachments(text, n, NULL, on_attachment, &x);
	mem_free(x.s.dir);
	return x.rc;
}
