/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The directories that stand for the server's folders: their paths follow from titles and parents. */
#include "client/folders_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum content
module_content(const json_t *folder)
{
	const char *m = json_string_value(json_object_get(folder, "module"));
	const struct content_type *t = m != NULL ? model_content_by_name(m) : NULL;

	return t != NULL ? t->ct : CT_FOLDER;
}

/* What a folder is called here: one that another user shares has his name before its own ("User name - folder name"). */
static const char *
folder_title(const json_t *f)
{
	const char *shown = json_string_value(json_object_get(f, "displayName"));

	return shown != NULL ? shown : json_string_value(json_object_get(f, "title"));
}

/* The title that a directory called NAME gives to folder F: without the owner's name, which is not OX's to keep. */
const char *
title_of_name(const json_t *f, const char *name)
{
	const char *owner = json_string_value(json_object_get(json_object_get(f, "owner"), "name"));
	size_t n = owner != NULL ? strlen(owner) : 0;

	return n != 0 && strncmp(name, owner, n) == 0 && strncmp(name + n, " - ", 3) == 0 && name[n + 3] != '\0' ? name + n + 3 : name;
}

/* "Parent/Title"; a sibling of the same name in letters gets the beginning of its uuid behind it. NULL = out of memory. */
char *
folder_path(const json_t *tree, const char *uuid, unsigned depth)
{
	const json_t *f = json_object_get(tree, uuid), *g;
	const char *parent = json_string_value(json_object_get(f, "parent"));
	char *base = mem_dup_str(""), *name = name_clean(folder_title(f), "folder"), *path;
	const char *other;
	bool twin = false;

	if (parent != NULL && json_object_get(tree, parent) != NULL && depth < 30) {
		mem_free(base);
		base = folder_path(tree, parent, depth + 1);
	}
	json_object_foreach((json_t *)tree, other, g) {
		const char *gp = json_string_value(json_object_get(g, "parent"));
		char *gn;

		if (strcmp(other, uuid) >= 0 || module_content(g) == CT_FOLDER || (gp == NULL) != (parent == NULL) ||
		    (gp != NULL && strcmp(gp, parent) != 0))
			continue;
		gn = name_clean(folder_title(g), "folder");
		twin = twin || (gn != NULL && name != NULL && strcmp(gn, name) == 0);
		mem_free(gn);
	}
	if (twin && name != NULL) {
		struct buf b;

		buf_init(&b, 512);
		buf_addf(&b, "%s (%.8s)", name, uuid);
		mem_free(name);
		name = buf_take(&b, NULL);
	}
	path = base != NULL && name != NULL ? path_join(base, name) : NULL;
	mem_free(base);
	mem_free(name);
	return path;
}

static enum rc
folder_gone(struct client *c, struct cfolder *f, struct err *e)
{
	struct objlist l = { 0 };
	char *full = full_path(c, f->path);
	enum rc rc = state_begin(c, e);

	if (rc != RC_OK) {
		mem_free(full);
		return rc;
	}
	/* files and folder in one: files removed of a folder that the state still has would look like deletions made here */
	rc = state_objects(c, f->id, &l, e);
	for (size_t i = 0; i < l.n && rc == RC_OK; i++) {
		char *path;

		if (l.v[i]->series != 0)
			continue; /* said in its series' file */
		path = path_join(f->path, l.v[i]->file);
		rc = path != NULL ? state_todo(c, l.v[i]->id, path, NULL, 0, l.v[i]->hash, e) : err_set(e, RC_NOMEM, "out of memory");
		mem_free(path);
	}
	objlist_free(&l);
	if (rc == RC_OK)
		rc = state_folder_drop(c, f->id, e);
	if (rc == RC_OK)
		rc = state_commit(c, e);
	else
		state_rollback(c);
	if (rc == RC_OK)
		rc = state_todo_run(c, e);
	if (rc == RC_OK && full != NULL && rmdir(full) != 0 && errno != ENOENT)
		say(c, "%s: the folder is gone on the server; files of yours stay in the directory", f->path);
	mem_free(full);
	return rc;
}

static bool
is_directory(const char *full)
{
	struct stat st;

	return full != NULL && lstat(full, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t
inode_of(const struct client *c, const char *path)
{
	char *full = full_path(c, path);
	struct stat st;
	int64_t inode = full != NULL && lstat(full, &st) == 0 ? (int64_t)st.st_ino : 0;

	mem_free(full);
	return inode;
}

/*
 * The directory of a known folder, moved along when the folder was renamed (WANT may become the old path when that fails).  One that
 * vanished is no deletion of all that was in it: the folder is forgotten here, and comes again whole.
 */
static enum rc
keep_directory(struct client *c, const struct cfolder *f, struct cfolder *want, struct err *e)
{
	char *from = full_path(c, f->path), *to = full_path(c, want->path);
	enum rc rc = RC_OK;

	if (from == NULL || to == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	if (strcmp(from, to) != 0 && is_directory(from) && (is_directory(to) || rename(from, to) != 0)) {
		/* a directory with other files there would make those of this folder look deleted */
		say(c, "%s: could not be renamed to %s", f->path, want->path);
		mem_free(want->path);
		want->path = mem_dup_str(f->path);
		if (want->path == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	if (!is_directory(to)) {
		say(c, "%s: the directory is gone; what the server has comes again", want->path);
		rc = state_folder_drop(c, f->id, e);
	}
out:
	mem_free(from);
	mem_free(to);
	return rc;
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct cfolder *)a)->path, ((const struct cfolder *)b)->path);
}

/* The folders of TREE that hold objects, parents before their children: a renamed parent takes them along. */
static enum rc
wanted_folders(const json_t *tree, struct cfolder **out, size_t *n, struct err *e)
{
	struct cfolder *w = mem_alloc((json_object_size(tree) + 1) * sizeof(*w));
	const char *uuid;
	json_t *v;

	*out = w;
	*n = 0;
	if (w == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	json_object_foreach((json_t *)tree, uuid, v) {
		struct cfolder *x = &w[*n];

		if (module_content(v) == CT_FOLDER)
			continue;
		x->ct = module_content(v);
		(void)snprintf(x->uuid, sizeof(x->uuid), "%s", uuid);
		x->path = folder_path(tree, uuid, 0);
		if (x->path == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
		(*n)++;
	}
	if (*n > 1)
		qsort(w, *n, sizeof(*w), by_path);
	return RC_OK;
}

/* Directories as the tree wants them; a renamed folder takes its directory along. */
enum rc
directories_keep(struct client *c, const json_t *tree, struct err *e)
{
	struct cfolder *f = NULL, *want = NULL;
	size_t n = 0, n_want = 0;
	enum rc rc = state_folders(c, &f, &n, e);

	for (size_t i = n; i > 1 && rc == RC_OK; i--)
		if (f[i - 1].id != 0 && json_object_get(tree, f[i - 1].uuid) == NULL)
			rc = folder_gone(c, &f[i - 1], e);
	if (rc == RC_OK)
		rc = wanted_folders(tree, &want, &n_want, e);
	for (size_t k = 0; k < n_want && rc == RC_OK; k++) {
		for (size_t i = 0; i < n && rc == RC_OK; i++)
			if (f[i].id != 0 && strcmp(f[i].uuid, want[k].uuid) == 0)
				rc = keep_directory(c, &f[i], &want[k], e);
		if (rc == RC_OK)
			rc = dir_make(c, want[k].path, e);
		if (rc == RC_OK) {
			want[k].inode = inode_of(c, want[k].path);
			rc = state_folder_put(c, &want[k], e);
		}
	}
	cfolder_free(want, n_want);
	cfolder_free(f, n);
	return rc;
}
