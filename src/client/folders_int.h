/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folders and their directories: shared by folders.c, directories.c and new_folders.c.  TREE: uuid -> folder, as the server told them. */
#ifndef USMD_CLIENT_FOLDERS_INT_H
#define USMD_CLIENT_FOLDERS_INT_H

#include "client/client_int.h"

/* directories.c */
enum content module_content(const json_t *folder);
/** title_of_name - the title that a directory called NAME gives to folder F; borrowed from NAME. */
const char *title_of_name(const json_t *f, const char *name);
/** folder_path - where folder UUID of TREE is, to be mem_freed; DEPTH 0.  NULL = out of memory. */
char *folder_path(const json_t *tree, const char *uuid, unsigned depth);
/** inode_of - of the directory PATH, 0 = it is not there. */
int64_t inode_of(const struct client *c, const char *path);
/** directories_keep - directories as TREE wants them; a renamed folder takes its directory along. */
MUST_CHECK enum rc directories_keep(struct client *c, const json_t *tree, struct err *e);

/* new_folders.c */
/** scan_new_folders - directories that are no folder yet, and folders whose directory has another name or place now (MOVED: uuid -> paths). */
MUST_CHECK enum rc scan_new_folders(struct client *c, const json_t *tree, json_t *created, json_t *modified, json_t *moved, struct err *e);
/** rename_back - the old name for a directory whose folder the server did not let be renamed, as RESULT says. */
void rename_back(struct client *c, const json_t *moved, const json_t *result);

#endif
