/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Directories that a person made, renamed or moved: folders to be made or changed on the server. */
#include "client/folders_int.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
void
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
enum rc
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
