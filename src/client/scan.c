/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What changed in the directory since the last agreement: files edited, new, removed or renamed.  A file is compared with its
 * shadow (what it said when it was written), never with the server's object, so a field that the text cannot express is never
 * taken for removed.
 */
#include "client/client_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "usmd/pim.h"

/* OX does not tell null, "" and [] from unset. */
static bool
is_unset(const json_t *v)
{
	return v == NULL || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) || (json_is_array(v) && json_array_size(v) == 0);
}

/* The octets of a draft stand in CUR by their hash, only where they are not those that were agreed. */
static bool
is_draft_text(enum content ct, const char *name)
{
	return ct == CT_MAIL && strcmp(name, "raw") == 0;
}

static bool
same_value(const json_t *a, const json_t *b)
{
	return json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b) || (is_unset(a) && is_unset(b));
}

/*
 * What was sent, not answered, and taken back since: the server may have the value that was sent, so the one that was agreed is a change (rule 5 of
 * usm-json(7)).  Else the edit that was taken back would return as the device's own.
 */
static void
add_taken_back(const struct cobject *o, json_t *d)
{
	const json_t *now = o->cur != NULL ? o->cur : o->shadow, *sent, *v;
	const char *name;
	size_t i;

	json_object_foreach (o->doubt && o->uuid[0] != '\0' && !o->gone ? o->sent : NULL, name, sent) {
		json_t *says = json_object_get(now, name), *agreed = strcmp(name, "raw") == 0 ? json_string(o->hash) : NULL;

		says = says != NULL ? says : agreed;
		json_array_foreach (json_object_get(d, name) == NULL ? sent : NULL, i, v)
			if (!same_value(v, says))
				(void)json_object_set_new(d, name, says != NULL ? json_incref(says) : json_null());
		json_decref(agreed);
	}
}

json_t *
object_dirty(enum content ct, const struct cobject *o)
{
	json_t *d = json_object(), *v;
	const char *name;

	add_taken_back(o, d);
	if (o->cur == NULL)
		return d;
	json_object_foreach(o->cur, name, v) {
		const json_t *was = json_object_get(o->shadow, name);

		if ((field_writable(ct, name) || is_draft_text(ct, name)) && !same_value(v, was))
			(void)json_object_set(d, name, v);
	}
	json_object_foreach(o->shadow, name, v) {
		if (field_writable(ct, name) && !is_unset(v) && json_object_get(o->cur, name) == NULL)
			(void)json_object_set_new(d, name, json_null());
	}
	return d;
}

/* A mail's octets never change, but a draft's file may be edited: then NOW gets their hash. */
static enum rc
reread_mail(struct client *c, const char *path, struct cobject *o, int64_t size, int64_t mtime, json_t **now, struct err *e)
{
	bool draft = (json_integer_value(json_object_get(o->base, "flags")) & MAIL_DRAFT) != 0;
	struct buf b;
	char hash[65];
	enum rc rc = text_to_object(CT_MAIL, o->file, NULL, 0, now, NULL, e); /* its flags are in the name */

	if (rc != RC_OK || !draft || o->uuid[0] == '\0' || o->hash[0] == '\0' || (size == o->size && mtime == o->mtime_ns))
		return rc;
	buf_init(&b, (size_t)256 * 1024 * 1024);
	rc = file_read(c, path, &b, e);
	if (rc == RC_OK) {
		file_hash(b.p != NULL ? b.p : "", b.len, hash);
		if (strcmp(hash, o->hash) != 0)
			(void)json_object_set_new(*now, "raw", json_string(hash));
	}
	buf_fini(&b);
	return rc;
}

/* What the text of O's file says into cur of O and of its exceptions. */
static enum rc
take_text(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *o, const struct buf *b, struct err *e)
{
	json_t *now, *overrides;
	enum rc rc = text_to_object(f->ct, o->file, b->p, b->len, &now, &overrides, e);

	if (rc == RC_OK) {
		json_decref(o->cur);
		o->cur = now;
		rc = attach_extract(c, f, o->file, b->p, b->len, e);
		if (rc == RC_OK && f->ct == CT_CALENDAR)
			rc = series_take(c, f, l, o, overrides, e);
	}
	json_decref(overrides);
	return rc;
}

enum rc
object_reread(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *o, bool *missing, struct err *e)
{
	struct cobject *master = series_master(l, o);
	char *path, hash[65];
	struct buf b;
	int64_t size, mtime;
	enum rc rc = RC_OK;

	*missing = false;
	if (o->series != 0 && master == NULL)
		return RC_OK; /* the series is gone: its exception keeps what it had */
	o = master != NULL ? master : o;
	path = path_join(f->path, o->file);
	buf_init(&b, 0);
	if (path == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (!file_stat(c, path, &size, &mtime)) {
		*missing = true;
		goto out;
	}
	if (f->ct == CT_MAIL) {
		json_t *now = NULL;

		rc = reread_mail(c, path, o, size, mtime, &now, e);
		json_decref(o->cur);
		o->cur = now;
		goto out;
	}
	if (size == o->size && mtime == o->mtime_ns && o->mtime_ns != 0 && o->cur == NULL)
		goto out;
	rc = file_read(c, path, &b, e);
	if (rc != RC_OK)
		goto out;
	file_hash(b.p, b.len, hash);
	(void)snprintf(o->seen, sizeof(o->seen), "%s", hash);
	if (strcmp(hash, o->hash) != 0 || o->cur != NULL)
		rc = take_text(c, f, l, o, &b, e);
out:
	buf_fini(&b);
	mem_free(path);
	return rc;
}

/* ---- the listing of a directory ---- */

struct entry {
	char *name;
	bool taken; /* belongs to a known object */
};

struct listing {
	struct entry *e;
	size_t n, cap;
};

static void
listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->e[i].name);
	mem_free(l->e);
}

static bool
has_extension(const char *name, const char *ext)
{
	size_t n = strlen(name), k = strlen(ext);

	return n > k && strcmp(name + n - k, ext) == 0 && name[0] != '.';
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static enum rc
listing_read(struct client *c, const struct cfolder *f, struct listing *l, struct err *e)
{
	char *full = full_path(c, f->path);
	DIR *d = full != NULL ? opendir(full) : NULL;
	struct dirent *de;
	enum rc rc = RC_OK;

	memset(l, 0, sizeof(*l));
	if (d == NULL) {
		rc = err_set(e, errno == ENOENT ? RC_NOTFOUND : RC_INTERNAL, "%s: %s", f->path, strerror(errno));
		goto out;
	}
	while (rc == RC_OK && (de = readdir(d)) != NULL) {
		if (!has_extension(de->d_name, type_extension(f->ct)))
			continue;
		if (l->n == l->cap) {
			struct entry *p = mem_realloc(l->e, (l->cap + 64) * 2 * sizeof(*p));

			if (p == NULL) {
				rc = err_set(e, RC_NOMEM, "out of memory");
				break;
			}
			l->e = p;
			l->cap = (l->cap + 64) * 2;
		}
		l->e[l->n].taken = false;
		l->e[l->n++].name = mem_dup_str(de->d_name);
	}
	(void)closedir(d);
	if (l->n > 1)
		qsort(l->e, l->n, sizeof(*l->e), by_name);
out:
	mem_free(full);
	return rc;
}

static struct entry *
listing_find(struct listing *l, const char *name)
{
	struct entry key = { .name = mem_dup_str(name) }, *x;

	x = l->n != 0 && key.name != NULL ? bsearch(&key, l->e, l->n, sizeof(key), by_name) : NULL;
	mem_free(key.name);
	return x;
}

/* A mail whose flags were changed has another name with the same stem. */
static struct entry *
listing_find_mail(struct listing *l, const char *file)
{
	char *stem = mail_name_with_flags(file, 0);
	struct entry *found = NULL;

	for (size_t i = 0; stem != NULL && i < l->n && found == NULL; i++) {
		char *s = l->e[i].taken ? NULL : mail_name_with_flags(l->e[i].name, 0);

		if (s != NULL && strcmp(s, stem) == 0)
			found = &l->e[i];
		mem_free(s);
	}
	mem_free(stem);
	return found;
}

static bool
same_octets(struct client *c, const struct cfolder *f, const char *name, const struct cobject *o)
{
	char *path = path_join(f->path, name);
	struct buf b;
	char hash[65];
	int64_t size, mtime;
	bool same = false;
	struct err e;

	buf_init(&b, 0);
	if (path != NULL && file_stat(c, path, &size, &mtime) && size == o->size && file_read(c, path, &b, &e) == RC_OK) {
		file_hash(b.p, b.len, hash);
		same = strcmp(hash, o->hash) == 0;
	}
	buf_fini(&b);
	mem_free(path);
	return same;
}

/* The file of O is not where it was: renamed (same octets under a new name), or deleted. */
static enum rc
missing_file(struct client *c, const struct cfolder *f, struct listing *l, struct cobject *o, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->e[i].taken || !same_octets(c, f, l->e[i].name, o))
			continue;
		l->e[i].taken = true;
		mem_free(o->file);
		o->file = mem_dup_str(l->e[i].name);
		return state_object_save(c, o, e);
	}
	if (o->uuid[0] == '\0' && !o->doubt) { /* never sent: nothing to tell */
		o->gone = true;
		o->folder = -1;
		return state_object_drop(c, o->id, e);
	}
	o->gone = true;
	return state_object_save(c, o, e);
}

/* ---- new files ---- */

struct import {
	struct client *c;
	const struct cfolder *f;
	struct objlist *l;
	size_t found;
	json_t *one;  /* the only object so far */
	struct err *e;
};

static int
on_item(void *arg, const struct pim_item *item)
{
	struct import *im = arg;

	im->found++;
	if (im->one == NULL)
		im->one = json_incref(item->object);
	return 0;
}

/* A file with one object becomes that object's file; a file with several is refused with a hint: splitting it is the person's choice. */
static enum rc
new_file(struct import *im, const char *name, struct err *e)
{
	struct client *c = im->c;
	char *path = path_join(im->f->path, name);
	struct pim_report report;
	struct cobject *o = NULL;
	json_t *overrides = NULL;
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	pim_report_init(&report);
	im->found = 0;
	json_decref(im->one);
	im->one = NULL;
	rc = path != NULL ? file_read(c, path, &b, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc != RC_OK)
		goto out;
	if (im->f->ct != CT_MAIL) {
		(void)pim_file_parse(name, b.p, b.len, NULL, on_item, im, &report);
		if (im->found != 1) {
			complain(c, "%s: %s", path, im->found > 1 ? "holds several objects; split it into one file each" :
			    report.problems_len != 0 ? report.problems[0].text : "nothing in it can be synchronised");
			goto out;
		}
	}
	o = cobject_new(im->f, name);
	if (o == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	rc = text_to_object(im->f->ct, name, b.p, b.len, &o->cur, &overrides, e);
	if (rc == RC_PROTO || rc == RC_LIMIT) {
		complain(c, "%s: %s", path, e->text);
		cobject_free(o);
		rc = RC_OK;
		goto out;
	}
	file_hash(b.p, b.len, o->hash);
	(void)file_stat(c, path, &o->size, &o->mtime_ns);
	if (rc == RC_OK && im->f->ct != CT_MAIL)
		rc = attach_extract(c, im->f, name, b.p, b.len, e);
	if (rc == RC_OK)
		rc = state_object_save(c, o, e);
	if (rc != RC_OK)
		cobject_free(o);
	else
		rc = objlist_add(im->l, o, e);
	if (rc == RC_OK && im->f->ct == CT_CALENDAR)
		rc = series_take(c, im->f, im->l, o, overrides, e);
out:
	json_decref(overrides);
	json_decref(im->one);
	im->one = NULL;
	pim_report_fini(&report);
	buf_fini(&b);
	mem_free(path);
	return rc;
}

static enum rc
known_object(struct client *c, const struct cfolder *f, struct listing *l, struct objlist *objects, struct cobject *o, struct err *e)
{
	struct entry *x;
	bool missing = false;
	enum rc rc;

	if (o->gone || o->series != 0 || o->folder < 0) /* an exception is read with its series */
		return RC_OK;
	x = listing_find(l, o->file);
	if (x == NULL && f->ct == CT_MAIL && (x = listing_find_mail(l, o->file)) != NULL) {
		mem_free(o->file);
		o->file = mem_dup_str(x->name);
	}
	if (x == NULL)
		return RC_NOTFOUND;
	x->taken = true;
	/* a new object says everything when it is sent; so does a new exception, which the state knows by its day alone */
	if (f->ct != CT_MAIL && o->cur == NULL && (o->uuid[0] == '\0' || series_has_new(objects, o))) {
		o->mtime_ns = 0;
		o->hash[0] = '\0';
	}
	rc = object_reread(c, f, objects, o, &missing, e);
	if (rc == RC_PROTO || rc == RC_LIMIT) {
		complain(c, "%s/%s: %s", f->path, o->file, e->text);
		return RC_OK; /* stays as it was agreed until the file makes sense again */
	}
	return rc;
}

/* An override that a person took out, and the server keeps, comes back into the file. */
static enum rc
restore_files(struct client *c, struct cfolder *f, struct objlist *l, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < l->n && rc == RC_OK; i++)
		if (l->v[i]->rewrite && l->v[i]->folder >= 0)
			rc = write_again(c, f, l, l->v[i], e);
	return rc;
}

/* Objects of F with their present content; deletions, renames and new files are in the state afterwards. */
enum rc
scan_folder(struct client *c, struct cfolder *f, struct objlist *objects, struct err *e)
{
	struct listing l = { 0 };
	struct import im = { .c = c, .f = f, .l = objects, .e = e };
	bool *lost = NULL;
	size_t known;
	enum rc rc = state_objects(c, f->id, objects, e);

	if (rc == RC_OK)
		rc = listing_read(c, f, &l, e);
	known = objects->n;
	if (rc == RC_OK && known != 0 && (lost = mem_alloc(known * sizeof(*lost))) == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < known && rc == RC_OK; i++) {
		rc = known_object(c, f, &l, objects, objects->v[i], e);
		lost[i] = rc == RC_NOTFOUND;
		if (lost[i])
			rc = RC_OK;
	}
	for (size_t i = 0; i < known && rc == RC_OK; i++)
		if (lost[i])
			rc = missing_file(c, f, &l, objects->v[i], e);
	for (size_t i = 0; i < l.n && rc == RC_OK; i++)
		if (!l.e[i].taken)
			rc = new_file(&im, l.e[i].name, e);
	if (rc == RC_OK && f->ct == CT_CALENDAR)
		rc = restore_files(c, f, objects, e);
	mem_free(lost);
	listing_free(&l);
	return rc;
}

/* ---- changes of the tree as a number, for --watch ---- */

static void
fingerprint_dir(const char *path, unsigned depth, uint64_t *fp)
{
	static const unsigned char key[16];
	DIR *d = depth < 32 ? opendir(path) : NULL;
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		struct stat st;
		struct buf b;

		if (de->d_name[0] == '.')
			continue;
		buf_init(&b, 0);
		buf_addf(&b, "%s/%s", path, de->d_name);
		if (lstat(b.p, &st) == 0) {
			int64_t v[2] = { (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };

			/* a sum: the order in which a directory lists its entries means nothing */
			if (S_ISREG(st.st_mode))
				*fp += siphash24(key, b.p, b.len) ^ siphash24(key, v, sizeof(v));
			else if (S_ISDIR(st.st_mode)) {
				*fp += siphash24(key, b.p, b.len);
				fingerprint_dir(b.p, depth + 1, fp);
			}
		}
		buf_fini(&b);
	}
	if (d != NULL)
		(void)closedir(d);
}

uint64_t
scan_fingerprint(struct client *c)
{
	uint64_t fp = 0;

	fingerprint_dir(c->o.dir, 0, &fp);
	return fp;
}
