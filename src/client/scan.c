/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What changed in the directory since the last agreement: files edited (changes.c), new, removed or renamed. */
#include "client/client_int.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "usmd/pim.h"

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
		if (!has_extension(de->d_name, type_extension(f->ct)) && (f->ct != CT_MAIL || !has_extension(de->d_name, STUB)))
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
	/* not the whole mail, or one that could not be fetched: nobody has deleted what was never here */
	if (f->ct == CT_MAIL && o->uuid[0] != '\0' && (is_stub(o->file) || o->hash[0] == '\0'))
		return stub_restore(c, f, o, e);
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
	static const char stub_mark[] = "X-USMD-Stub:";
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
	if (im->f->ct == CT_MAIL && b.len > strlen(stub_mark) && strncmp(b.p, stub_mark, strlen(stub_mark)) == 0) {
		complain(c, "%s: is not a whole mail; give it back its name (%s) and let usmsync fetch bring the mail", path, STUB);
		goto out;
	}
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
		if (!l.e[i].taken && (f->ct != CT_MAIL || !is_stub(l.e[i].name)))
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
