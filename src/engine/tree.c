/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the content of the hierarchy says of one folder: its parent, whose it is, what may not be done with it.  Works on the folders that
 * the operation has read (hierarchy_load) and changes nothing.
 */
#include "engine/tree.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64 /* of a chain of parents; deeper is a circle */

static unsigned
field(const char *name)
{
	return (unsigned)model_field(model_content(CT_FOLDER), name);
}

const struct object *
tree_find(const struct op *op, const char *oxid)
{
	for (size_t i = 0; oxid != NULL && i < op->n_folders; i++)
		if (strcmp(op->folders[i]->oxid, oxid) == 0)
			return op->folders[i];
	return NULL;
}

static const struct object *
tree_by_id(const struct op *op, int64_t id)
{
	for (size_t i = 0; i < op->n_folders; i++)
		if (op->folders[i]->id == id)
			return op->folders[i];
	return NULL;
}

int64_t
tree_own_rights(const struct object *f)
{
	return object_get_i64(f, field("own_rights"), 0);
}

/*
 * The owner of a shared folder: OX hangs other users' folders below nodes "u:<user>" (ox-http-api.md 3.2), a sub-folder whose parent is
 * visible too below that parent.
 */
static int64_t
owner_of(const struct op *op, const struct object *f)
{
	const struct object *up = f;
	int64_t owner;

	for (unsigned depth = 0; up != NULL && depth < DEPTH_MAX; depth++) {
		const char *parent = object_get_str(up, field("folder_id"));

		if (parent != NULL && strncmp(parent, "u:", 2) == 0 && parse_i64(parent + 2, 1, INT32_MAX, &owner))
			return owner;
		up = tree_find(op, parent);
	}
	return object_get_i64(f, field("created_by"), 0);
}

/* The folder that a client knows as the parent, or NULL = it lies at the top. */
static const struct object *
parent_of(const struct op *op, const struct object *f)
{
	const char *parent = object_get_str(f, field("folder_id"));

	if (parent != NULL && strncmp(parent, "u:", 2) == 0)
		parent = OX_SHARED_ROOT;
	return tree_find(op, parent);
}

static bool
tree_is_shared(const struct object *f)
{
	return object_get_i64(f, field("type"), 0) == OX_TYPE_SHARED;
}

enum rc
tree_item(struct op *op, struct answer_item *it, struct err *e)
{
	const struct object *f = it->object, *parent = parent_of(op, f);
	const char *title = object_get_str(f, field("title"));

	if (parent != NULL)
		uuid_make(op->g->keys, op->t.tag, parent->id, &it->parent);
	if (!tree_is_shared(f))
		return RC_OK;
	it->owner = owner_of(op, f);
	it->owner_name = object_get_str(f, field("com.openexchange.folderstorage.displayName"));
	if (it->owner_name == NULL) {
		enum rc rc = principal_name(op->s, op->a, it->owner, false, &it->owner_name, e);

		if (rc != RC_OK)
			return rc;
	}
	it->display_name = arena_printf(op->a, "%s - %s", it->owner_name, title != NULL ? title : "");
	return it->display_name != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a folder");
}

/* ---- what may not be done ---- */

static enum content
kind_of(const struct object *f)
{
	return strcmp(f->oxid, OX_MAIL_ROOT) == 0 ? CT_MAIL : folder_content(f);
}

/* OX's own folders, everybody's default folders, and what usmd shows only to hang others below. */
static bool
is_standard(const struct object *f)
{
	return folder_content(f) == CT_COUNT || json_is_true(f->v[field("standard_folder")]) || object_get_i64(f, field("type"), 0) == OX_TYPE_SYSTEM ||
	    (folder_content(f) == CT_MAIL && object_get_i64(f, field("standard_folder_type"), 0) != 0);
}

static enum rc
fail_standard(const struct object *f, const char *path, struct err *e)
{
	const char *title = object_get_str(f, field("title"));

	return err_set_path(e, RC_PROTO, path, "\"%.100s\" is a standard folder: it cannot be renamed, moved or deleted", title != NULL ? title : f->oxid);
}

/* 1 for what is the user's own, 2 for the public tree, 3 for what belongs to others. */
static int64_t
kind_of_tree(const struct object *f)
{
	int64_t type = object_get_i64(f, field("type"), OX_TYPE_PRIVATE);

	if (strcmp(f->oxid, OX_PUBLIC_ROOT) == 0)
		return OX_TYPE_PUBLIC;
	if (strcmp(f->oxid, OX_SHARED_ROOT) == 0)
		return OX_TYPE_SHARED;
	return type == OX_TYPE_PUBLIC || type == OX_TYPE_SHARED ? type : type == OX_TYPE_SYSTEM ? OX_TYPE_PUBLIC : OX_TYPE_PRIVATE;
}

enum rc
tree_may_hold(const struct op *op, const char *parent, enum content ct, struct err *e)
{
	const struct object *p = tree_find(op, parent);

	if (p == NULL) /* the private root, which is not shown */
		return RC_OK;
	if (strcmp(parent, OX_SHARED_ROOT) == 0)
		return err_set_path(e, RC_PROTO, "parent", "folders of others cannot be made here; only their owner can share them");
	if ((kind_of(p) == CT_MAIL) != (ct == CT_MAIL))
		return err_set_path(e, RC_PROTO, "parent", "mail folders lie below mail folders, all others do not");
	return RC_OK;
}

static enum rc
may_move(const struct op *op, const struct object *f, const char *parent, struct err *e)
{
	const struct object *p = tree_find(op, parent);
	int64_t to = p != NULL ? kind_of_tree(p) : OX_TYPE_PRIVATE;
	enum rc rc = tree_may_hold(op, parent, folder_content(f), e);

	if (rc != RC_OK)
		return rc;
	/* OX moves private folders into the private tree only, public ones into the public */
	if (to != kind_of_tree(f))
		return err_set_path(e, RC_PROTO, "parent", "a folder stays in its tree: private, public or shared");
	for (unsigned depth = 0; p != NULL && depth < DEPTH_MAX; depth++) {
		if (p == f)
			return err_set_path(e, RC_PROTO, "parent", "a folder cannot be moved into itself");
		p = tree_find(op, object_get_str(p, field("folder_id")));
	}
	return RC_OK;
}

enum rc
tree_may_change(struct op *op, const struct client_change *cc, int64_t id, const char *parent, struct err *e)
{
	const struct object *f = tree_by_id(op, id);
	const char *was;

	if (f == NULL || cc->op == OP_CREATE)
		return RC_OK;
	if (cc->op == OP_DELETE)
		return is_standard(f) ? fail_standard(f, "", e) : RC_OK;
	if (fmask_has(&cc->fields, field("title")) && is_standard(f))
		return fail_standard(f, "title", e);
	was = object_get_str(f, field("folder_id"));
	if (parent == NULL || (was != NULL && strcmp(parent, was) == 0))
		return RC_OK;
	if (is_standard(f))
		return fail_standard(f, "parent", e);
	return may_move(op, f, parent, e);
}

/* ---- a name that is taken ---- */

const struct object *
tree_titled(const struct op *op, const char *parent, uint64_t title)
{
	const struct field *f = &model_content(CT_FOLDER)->fields[field("title")];

	for (size_t i = 0; i < op->n_folders; i++) {
		const char *fp = object_get_str(op->folders[i], field("folder_id"));

		if (fp != NULL && strcmp(fp, parent) == 0 && field_fp(op->g->keys, f, op->folders[i]->v[field("title")]) == title)
			return op->folders[i];
	}
	return NULL;
}

const struct object *
tree_namesake(const struct op *op, const char *parent, const char *title)
{
	for (size_t i = 0; i < op->n_folders; i++) {
		const char *ft = object_get_str(op->folders[i], field("title"));
		const char *fp = object_get_str(op->folders[i], field("folder_id"));

		if (ft != NULL && fp != NULL && strcmp(ft, title) == 0 && strcmp(fp, parent) == 0)
			return op->folders[i];
	}
	return NULL;
}
