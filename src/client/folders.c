/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The folder hierarchy and the directories that stand for it.  The server's folders are kept as one JSON object (uuid -> folder);
 * paths follow from titles and parents.  A new directory becomes a new folder; a directory that vanished is made again - deleting
 * a whole folder by an accident of the file system is not what anybody wants.
 */
#include "client/client_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum content
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
static const char *
title_of_name(const json_t *f, const char *name)
{
	const char *owner = json_string_value(json_object_get(json_object_get(f, "owner"), "name"));
	size_t n = owner != NULL ? strlen(owner) : 0;

	return n != 0 && strncmp(name, owner, n) == 0 && strncmp(name + n, " - ", 3) == 0 && name[n + 3] != '\0' ? name + n + 3 : name;
}

/* "Parent/Title"; a sibling of the same name in letters gets the beginning of its uuid behind it. NULL = out of memory. */
static char *
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

static int64_t
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
static enum rc
directories(struct client *c, const json_t *tree, struct err *e)
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

/* ---- new directories ---- */

static const char *
uuid_of_path(const struct cfolder *f, size_t n, const char *path, enum content *ct)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].id != 0 && strcmp(f[i].path, path) == 0) {
			*ct = f[i].ct;
			return f[i].uuid;
		}
	return NULL;
}

/* A directory at the top says by its first file what it is for; inside a folder it is of the folder's type. */
static enum content
directory_content(const char *full)
{
	DIR *d = opendir(full);
	struct dirent *de;
	enum content ct = CT_FOLDER;

	while (d != NULL && ct == CT_FOLDER && (de = readdir(d)) != NULL) {
		const char *dot = strrchr(de->d_name, '.');

		for (int i = CT_CONTACT; dot != NULL && dot != de->d_name && i < CT_COUNT && ct == CT_FOLDER; i++)
			if (strcmp(dot, type_extension((enum content)i)) == 0)
				ct = (enum content)i;
	}
	if (d != NULL)
		(void)closedir(d);
	return ct;
}

/* The folder whose directory this was before a person renamed or moved it, or NULL. */
static const struct cfolder *
folder_of_inode(const struct client *c, const struct cfolder *f, size_t n, int64_t inode)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].id != 0 && f[i].inode == inode && inode != 0 && inode_of(c, f[i].path) != inode)
			return &f[i];
	return NULL;
}

struct found {
	const json_t *tree;
	json_t *created, *modified;
	json_t *moved; /* uuid -> [old path, new path] */
};

/*
 * A PIM folder goes by its number and is renamed on the server.  A mail folder's id is its path, and those of its mails hang on
 * it: its directory is put back, renaming it is left to a mail program.
 */
static void
renamed_directory(struct client *c, const struct cfolder *f, const char *now, const char *name, const char *parent, struct found *found)
{
	const json_t *known = json_object_get(found->tree, f->uuid);
	char *from, *to;
	json_t *x;

	if (f->ct == CT_MAIL) {
		from = full_path(c, now);
		to = full_path(c, f->path);
		complain(c, "%s: mail folders are renamed in a mail program, not here; %s", now,
		    from != NULL && to != NULL && rename(from, to) == 0 ? "the directory has its old name again" : "give the directory its old name again");
		mem_free(from);
		mem_free(to);
		return;
	}
	x = json_object();
	(void)json_object_set_new(x, "uuid", json_string(f->uuid));
	(void)json_object_set_new(x, "title", json_string(title_of_name(known, name)));
	(void)json_object_set_new(x, "parent", parent != NULL ? json_string(parent) : json_null());
	(void)json_array_append_new(found->modified, x);
	(void)json_object_set_new(found->moved, f->uuid, json_pack("[s,s]", f->path, now));
}

/* The server did not allow a rename: the directory gets its old name again, or its files would make a folder of their own. */
static void
rename_back(struct client *c, const json_t *moved, const json_t *result)
{
	const char *uuid = json_string_value(json_object_get(result, "uuid"));
	const json_t *pair = uuid != NULL && json_object_get(result, "error") != NULL ? json_object_get(moved, uuid) : NULL;
	char *to, *from;

	if (pair == NULL)
		return;
	to = full_path(c, json_string_value(json_array_get(pair, 0)));
	from = full_path(c, json_string_value(json_array_get(pair, 1)));
	if (from != NULL && to != NULL && rename(from, to) == 0)
		say(c, "%s: the directory has its old name again", json_string_value(json_array_get(pair, 0)));
	mem_free(from);
	mem_free(to);
}

/* A directory that only groups folders, such as the root of a mail account. */
static bool
holds_folders(const struct cfolder *f, size_t n, const char *path)
{
	size_t k = strlen(path);

	for (size_t i = 0; i < n; i++)
		if (strncmp(f[i].path, path, k) == 0 && f[i].path[k] == '/')
			return true;
	return false;
}

/* The folder without objects that such a directory stands for ("Public folders"), or NULL. */
static const char *
group_uuid(const json_t *tree, const char *path)
{
	const char *uuid;
	json_t *v;

	json_object_foreach((json_t *)tree, uuid, v) {
		char *p = module_content(v) == CT_FOLDER ? folder_path(tree, uuid, 0) : NULL;
		bool same = p != NULL && strcmp(p, path) == 0;

		mem_free(p);
		if (same)
			return uuid;
	}
	return NULL;
}

static void
look_for_new(struct client *c, const struct cfolder *f, size_t n, const char *path, const char *parent, enum content parent_ct, struct found *found, unsigned depth)
{
	char *full = full_path(c, path);
	DIR *d = full != NULL && depth < 30 ? opendir(full) : NULL;
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		char *sub = de->d_name[0] != '.' ? path_join(path, de->d_name) : NULL, *sub_full = sub != NULL ? full_path(c, sub) : NULL;
		enum content ct = parent_ct;
		const struct cfolder *was;
		const char *uuid;
		struct stat st;

		if (sub_full != NULL && lstat(sub_full, &st) == 0 && S_ISDIR(st.st_mode)) {
			uuid = uuid_of_path(f, n, sub, &ct);
			if (uuid != NULL) {
				look_for_new(c, f, n, sub, uuid, ct, found, depth + 1);
			} else if ((was = folder_of_inode(c, f, n, (int64_t)st.st_ino)) != NULL) {
				renamed_directory(c, was, sub, de->d_name, parent, found);
			} else if (is_attachments_dir(de->d_name)) {
				; /* belongs to the file beside it */
			} else if (holds_folders(f, n, sub)) {
				const char *group = group_uuid(found->tree, sub);

				look_for_new(c, f, n, sub, group != NULL ? group : parent, CT_FOLDER, found, depth + 1);
			} else if (ct != CT_FOLDER || (ct = directory_content(sub_full)) != CT_FOLDER) {
				char hash[65];
				json_t *x = json_object();

				file_hash(sub, strlen(sub), hash);
				hash[24] = '\0';
				(void)json_object_set_new(x, "clientId", json_string(hash));
				(void)json_object_set_new(x, "title", json_string(de->d_name));
				(void)json_object_set_new(x, "module", json_string(model_content(ct)->ox_module));
				if (parent != NULL)
					(void)json_object_set_new(x, "parent", json_string(parent));
				(void)json_array_append_new(found->created, x);
			}
		}
		mem_free(sub);
		mem_free(sub_full);
	}
	if (d != NULL)
		(void)closedir(d);
	mem_free(full);
}

/* Directories that are no folder yet, and folders whose directory has another name or place now (MOVED: uuid -> path). */
static enum rc
scan_new_folders(struct client *c, const json_t *tree, json_t *created, json_t *modified, json_t *moved, struct err *e)
{
	struct found found = { .tree = tree, .created = created, .modified = modified, .moved = moved };
	struct cfolder *f;
	size_t n;
	enum rc rc = state_folders(c, &f, &n, e);

	if (rc == RC_OK)
		look_for_new(c, f, n, "", NULL, CT_FOLDER, &found, 0);
	cfolder_free(f, n);
	return rc;
}

/* ---- the sync ---- */

/* A folder made here is what was sent; the answer holds only what the server made different. */
static void
tree_made(json_t *tree, const json_t *body, const json_t *result)
{
	const char *cid = json_string_value(json_object_get(result, "clientId")), *uuid = json_string_value(json_object_get(result, "uuid"));
	const char *status = json_string_value(json_object_get(result, "status"));
	const json_t *sent = json_object_get(body, "created");

	if (cid == NULL || uuid == NULL || status == NULL || strcmp(status, "ok") != 0 || json_object_get(tree, uuid) != NULL)
		return;
	for (size_t i = 0; i < json_array_size(sent); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(sent, i), "clientId")), cid) == 0)
			(void)json_object_set_new(tree, uuid, json_deep_copy(json_array_get(sent, i)));
}

/* Likewise a folder renamed here. */
static void
tree_renamed(json_t *tree, const json_t *body, const json_t *result)
{
	const char *uuid = json_string_value(json_object_get(result, "uuid")), *status = json_string_value(json_object_get(result, "status"));
	const json_t *sent = json_object_get(body, "modified");
	json_t *folder = uuid != NULL ? json_object_get(tree, uuid) : NULL;

	if (folder == NULL || status == NULL || strcmp(status, "ok") != 0 || json_object_get(result, "clientId") != NULL)
		return;
	for (size_t i = 0; i < json_array_size(sent); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(sent, i), "uuid")), uuid) == 0)
			(void)json_object_update(folder, json_array_get(sent, i));
}

static void
tree_apply(struct client *c, json_t *tree, const json_t *body, const json_t *data)
{
	static const char *const lists[] = { "created", "modified" };
	const json_t *list = json_object_get(data, "deleted");
	const json_t *results = json_object_get(data, "results");
	const char *name;
	json_t *v;

	for (size_t i = 0; i < json_array_size(results); i++) {
		tree_made(tree, body, json_array_get(results, i));
		tree_renamed(tree, body, json_array_get(results, i));
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		(void)json_object_del(tree, json_string_value(json_array_get(list, i)));
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		list = json_object_get(data, lists[l]);
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *in = json_array_get(list, i), *old;
			const char *uuid = json_string_value(json_object_get(in, "uuid"));

			if (uuid == NULL)
				continue;
			old = l == 1 ? json_object_get(tree, uuid) : NULL;
			if (old == NULL) {
				(void)json_object_set_new(tree, uuid, json_deep_copy(in));
				continue;
			}
			json_object_foreach(in, name, v)
				(void)json_object_set(old, name, v);
		}
	}
	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *r = json_array_get(results, i), *x = json_object_get(r, "error");

		if (json_string_value(json_object_get(x, "message")) != NULL)
			complain(c, "folder: %s", json_string_value(json_object_get(x, "message")));
		else if (json_string_value(json_object_get(r, "status")) != NULL && strcmp(json_string_value(json_object_get(r, "status")), "retry") == 0)
			put_off(c, "folders: the server does not know yet what became of a folder made or changed here; the next run asks again");
	}
}

static enum rc
hierarchy_page(struct client *c, struct cfolder *h, json_t *tree, bool first, struct err *e)
{
	json_t *body = json_object(), *data = NULL, *created = json_array(), *modified = json_array(), *moved = json_object(), *pairs, *v;
	const char *command = "syncUpdate", *uuid;
	enum rc rc = RC_OK;
	char *text;

	(void)json_object_set_new(body, "limit", json_integer(c->o.limit));
	if (h->syncid[0] != '\0') {
		(void)json_object_set_new(body, "syncid", json_string(h->syncid));
		(void)json_object_set_new(body, "request", json_integer(++h->k));
		if (first)
			rc = scan_new_folders(c, tree, created, modified, moved, e);
		if (json_array_size(created) != 0)
			(void)json_object_set(body, "created", created);
		if (json_array_size(modified) != 0)
			(void)json_object_set(body, "modified", modified);
	} else if (h->reconcile) {
		command = "reconcile";
		pairs = json_array();
		json_object_foreach(tree, uuid, v)
			(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, json_string_value(json_object_get(v, "rev")) != NULL ? json_string_value(json_object_get(v, "rev")) : ""));
		(void)json_object_set_new(body, "pairs", pairs);
	} else {
		command = "syncInit";
	}
	if (rc == RC_OK)
		rc = state_folder_save(c, h, e);
	if (rc == RC_OK)
		rc = net_call(c->net, command, body, 600, &data, e);
	c->t.requests++;
	if (rc == RC_CONFLICT) {
		h->syncid[0] = '\0';
		h->reconcile = true;
		h->more = true;
		rc = state_folder_save(c, h, e);
	} else if (rc == RC_OK) {
		tree_apply(c, tree, body, data);
		for (size_t i = 0; i < json_array_size(json_object_get(data, "results")); i++)
			rename_back(c, moved, json_array_get(json_object_get(data, "results"), i));
		if (json_string_value(json_object_get(data, "syncid")) != NULL) {
			(void)snprintf(h->syncid, sizeof(h->syncid), "%s", json_string_value(json_object_get(data, "syncid")));
			h->reconcile = false;
		}
		h->more = json_is_true(json_object_get(data, "more")) || json_array_size(created) + json_array_size(modified) != 0;
		text = json_dumps(tree, JSON_COMPACT | JSON_SORT_KEYS);
		rc = state_begin(c, e);
		if (rc == RC_OK)
			rc = state_set(c, "hierarchy", text != NULL ? text : "{}", e);
		if (rc == RC_OK)
			rc = state_folder_save(c, h, e);
		if (rc == RC_OK)
			rc = state_commit(c, e);
		free(text); /* jansson's own allocation */
	}
	json_decref(body);
	json_decref(created);
	json_decref(modified);
	json_decref(moved);
	json_decref(data);
	return rc;
}

enum rc
hierarchy_sync(struct client *c, struct err *e)
{
	char *text = state_get(c, "hierarchy");
	json_t *tree = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	struct cfolder *f;
	size_t n;
	bool first = true;
	unsigned lost = 0;
	enum rc rc = state_folders(c, &f, &n, e);

	mem_free(text);
	if (tree == NULL)
		tree = json_object();
	for (unsigned page = 0; rc == RC_OK && (first || f[0].more) && page < 10000; page++) {
		rc = hierarchy_page(c, &f[0], tree, first, e);
		if (rc == RC_TIMEOUT && ++lost <= MAX_LOST)
			rc = RC_OK; /* the same again */
		else
			first = false;
	}
	if (rc == RC_OK)
		rc = directories(c, tree, e);
	cfolder_free(f, n);
	json_decref(tree);
	return rc;
}
