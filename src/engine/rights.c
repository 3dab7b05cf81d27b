/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Permissions of a folder: read, and changed entry by entry.  OX takes complete lists only, so what a client does not name is sent back as
 * OX wrote it (guests and links among it), guarded by the folder's own timestamp.
 */
#include "engine/tree.h"
#include "engine/watch_int.h"

#include <stdio.h>
#include <string.h>

#define READERS_MAX 1000 /* users who are told at once of a change of permissions; further ones are polled for */
#define EXTENDED "com.openexchange.share.extendedPermissions"

static int64_t
int_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool
is_entity(const json_t *entry, int64_t entity, bool group)
{
	return int_of(entry, "entity") == entity && json_is_true(json_object_get(entry, "group")) == group;
}

/* Where ENTITY stands in LIST, or its size. */
static size_t
entry_find(const json_t *list, int64_t entity, bool group)
{
	size_t i = 0;

	while (i < json_array_size(list) && !is_entity(json_array_get(list, i), entity, group))
		i++;
	return i;
}

/* Opaque, equal while OX's list and version of the folder are; mail folders have no version. */
static void
permissions_rev(const struct engine *g, const json_t *folder, char out[REV_TEXT])
{
	uint64_t h = field_fp(g->keys, &model_content(CT_FOLDER)->fields[model_field(model_content(CT_FOLDER), "permissions")], json_object_get(folder, "permissions"));
	uint64_t v[2] = { h, (uint64_t)int_of(folder, "last_modified_utc") };
	unsigned char b[8];

	h = siphash24(g->topic_key, v, sizeof(v));
	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(h >> 8 * i);
	hex_encode(b, sizeof(b), out);
}

/* OX 8 tells names and kinds in a list of its own; of others the name is asked for. */
static enum rc
entry_name(struct engine_session *s, struct arena *a, const json_t *extended, struct permission *p, struct err *e)
{
	const char *type, *name;
	const json_t *x;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)extended, i, x) {
		type = json_string_value(json_object_get(x, "type"));
		if (type == NULL || int_of(x, "entity") != p->entity || (strcmp(type, "group") == 0) != p->group)
			continue;
		name = json_string_value(json_object_get(x, "display_name"));
		p->type = arena_strdup(a, type);
		p->name = name != NULL && name[0] != '\0' ? arena_strdup(a, name) : NULL;
		if (p->type == NULL)
			return err_set(e, RC_NOMEM, "out of memory for permissions");
		if (p->name != NULL)
			return RC_OK;
	}
	if (p->type == NULL)
		p->type = p->group ? "group" : "user";
	if (strcmp(p->type, "anonymous") == 0) { /* a link has no name */
		p->name = "";
		return RC_OK;
	}
	return principal_name(s, a, p->entity, p->group, &p->name, e);
}

static enum rc
answer_fill(struct engine_session *s, struct arena *a, const json_t *folder, struct permissions_answer *out, struct err *e)
{
	const json_t *list = json_object_get(folder, "permissions"), *x;
	enum rc rc = RC_OK;
	size_t i;

	out->own = int_of(folder, "own_rights");
	out->entries = arena_array(a, struct permission, json_array_size(list) + 1);
	out->n = 0;
	permissions_rev(s->g, folder, out->rev);
	if (out->entries == NULL)
		return err_set(e, RC_NOMEM, "out of memory for permissions");
	json_array_foreach((json_t *)(uintptr_t)list, i, x) {
		struct permission *p = &out->entries[out->n++];

		*p = (struct permission){ .entity = int_of(x, "entity"), .group = json_is_true(json_object_get(x, "group")), .bits = int_of(x, "bits") };
		rc = entry_name(s, a, json_object_get(folder, EXTENDED), p, e);
		if (rc != RC_OK)
			return rc;
	}
	return rc;
}

static enum rc
folder_oxid(struct engine_session *s, struct arena *a, const struct uuid *folder, const char **oxid, struct err *e)
{
	enum content ct;
	struct op op;
	enum rc rc = op_begin(&op, s, a, e);

	if (rc == RC_OK && !folder_uuid_oxid(&op, folder, oxid, &ct))
		rc = err_set_path(e, RC_NOTFOUND, "folder", "this folder does not exist (any more); sync the folder hierarchy");
	op_end(&op); /* no database connection while OX is asked */
	return rc;
}

enum rc
engine_permissions_get(struct engine_session *s, struct arena *a, const struct uuid *folder, struct permissions_answer *out, struct err *e)
{
	const char *oxid = NULL;
	json_t *f = NULL;
	enum rc rc = folder_oxid(s, a, folder, &oxid, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = ox_folder_get(s->ox, oxid, &f, e);
	if (rc == RC_OK)
		rc = answer_fill(s, a, f, out, e);
	json_decref(f);
	return rc;
}

/* ---- changing ---- */

/* The name of change I, as the client sent it: those that are set come before those that are removed. */
static void
blame(const struct permission_change *c, size_t i, struct err *e)
{
	size_t at = 0;

	for (size_t k = 0; k < i; k++)
		at += c[k].remove == c[i].remove;
	(void)snprintf(e->path, sizeof(e->path), "%s[%zu].name", c[i].remove ? "remove" : "set", at);
}

/* Who is named by name gets his number; nobody may be named twice. */
static enum rc
resolve(struct engine_session *s, struct permission_change *c, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].name != NULL) {
			enum rc rc = ox_principal_find(s->ox, c[i].name, c[i].group, &c[i].entity, e);

			if (rc == RC_NOTFOUND || rc == RC_PROTO) {
				blame(c, i, e);
				rc = e->rc = RC_PROTO;
			}
			if (rc != RC_OK)
				return rc;
		}
		for (size_t k = 0; k < i; k++)
			if (c[k].entity == c[i].entity && c[k].group == c[i].group)
				return err_set(e, RC_PROTO, "the %s %lld is named twice; name everybody once", c[i].group ? "group" : "user", (long long)c[i].entity);
	}
	return RC_OK;
}

/* LIST with the changes: new reference, NULL = no memory.  *DIFFERS: it is another list now. */
static json_t *
list_with(const json_t *list, const struct permission_change *c, size_t n, bool *differs)
{
	json_t *out = json_deep_copy(list);

	*differs = false;
	for (size_t i = 0; out != NULL && i < n; i++) {
		size_t at = entry_find(out, c[i].entity, c[i].group);
		json_t *entry = json_array_get(out, at);

		if (c[i].remove) {
			*differs = *differs || entry != NULL;
			(void)json_array_remove(out, at);
		} else if (entry == NULL) {
			*differs = true;
			(void)json_array_append_new(out, json_pack("{s:I,s:I,s:b}", "bits", (json_int_t)c[i].bits, "entity", (json_int_t)c[i].entity, "group", (int)c[i].group));
		} else if (int_of(entry, "bits") != c[i].bits) {
			*differs = true;
			(void)json_object_set_new(entry, "bits", json_integer(c[i].bits));
			(void)json_object_del(entry, "rights"); /* the mail server's own form of the old bits */
		}
	}
	return out;
}

static bool
has_administrator(const json_t *list)
{
	const json_t *x;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, x)
		if (rights_unpack(int_of(x, "bits")).administer)
			return true;
	return false;
}

/* Sends the changed list; RC_CONFLICT: somebody else changed it since it was read. */
static enum rc
permit(struct engine_session *s, const char *oxid, const json_t *folder, const struct permissions_request *req, struct permissions_answer *out, struct err *e)
{
	bool differs;
	json_t *list = list_with(json_object_get(folder, "permissions"), req->changes, req->n, &differs);
	char rev[REV_TEXT];
	enum rc rc = RC_OK;

	permissions_rev(s->g, folder, rev);
	if (list == NULL)
		return err_set(e, RC_NOMEM, "out of memory for permissions");
	if (!differs) /* it is as wanted: so answered the repetition of a request whose answer was lost */
		goto out;
	if (!rights_unpack(int_of(folder, "own_rights")).administer) {
		rc = err_set(e, RC_FORBIDDEN, "Only who may administer a folder can change its permissions");
		e->right = "administer";
	} else if (strcmp(rev, req->rev) != 0) {
		rc = err_set(e, RC_CONFLICT, "the permissions were changed meanwhile");
	} else if (!has_administrator(list)) {
		rc = err_set(e, RC_PROTO, "somebody must keep the right to administer the folder");
	} else {
		rc = ox_folder_permit(s->ox, oxid, list, int_of(folder, "last_modified_utc"), e);
	}
out:
	out->applied = rc == RC_OK;
	json_decref(list);
	return rc;
}

/* The hierarchy has changed, for this user at least. */
static void
wake_hierarchy(struct engine_session *s)
{
	struct op op = { .g = s->g, .s = s, .ref = { .hierarchy = true } };

	quick_forget(&op);
	op_wake(&op, s->n->account->hier_tag);
}

/* Numbers of users, each once. */
struct readers {
	int64_t *id;
	size_t n, max;
};

static void
readers_add(struct readers *r, int64_t id)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->id[i] == id)
			return;
	if (r->n < r->max)
		r->id[r->n++] = id;
}

/* A group that cannot be read is told by polling. */
static void
readers_add_entity(struct engine_session *s, struct arena *a, struct readers *r, int64_t entity, bool group)
{
	int64_t *member;
	size_t n;

	if (!group) {
		readers_add(r, entity);
		return;
	}
	if (ox_group_members(s->ox, a, entity, &member, &n, NULL) != RC_OK || n > READERS_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		readers_add(r, member[i]);
}

/* The others who see or saw the folder: their hierarchies are looked into now, at whatever node they wait. */
static void
wake_readers(struct engine_session *s, struct arena *a, const json_t *before, const struct permissions_request *req)
{
	const struct account *own = s->n->account;
	struct readers r = { .id = arena_array(a, int64_t, READERS_MAX), .max = READERS_MAX };
	struct engine_event ev = { .source = SOURCE_OWN, .context = own->context, .ct = CT_FOLDER };
	const json_t *x;
	size_t i;

	if (r.id == NULL)
		return;
	json_array_foreach((json_t *)(uintptr_t)before, i, x)
		readers_add_entity(s, a, &r, int_of(x, "entity"), json_is_true(json_object_get(x, "group")));
	for (i = 0; i < req->n; i++)
		readers_add_entity(s, a, &r, req->changes[i].entity, req->changes[i].group);
	ev.users = r.id;
	ev.n_users = r.n;
	engine_event(s->g, &ev);
	for (i = 0; i < r.n; i++)
		if (r.id[i] != own->user)
			wake_others(s->g, hierarchy_tag(s->g, own->context, r.id[i]));
}

enum rc
engine_permissions_set(struct engine_session *s, struct arena *a, struct permissions_request *req, struct permissions_answer *out, struct err *e)
{
	const char *oxid = NULL;
	json_t *f = NULL;
	enum rc rc = folder_oxid(s, a, &req->folder, &oxid, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = resolve(s, req->changes, req->n, e);
	if (rc == RC_OK)
		rc = ox_folder_get(s->ox, oxid, &f, e);
	if (rc != RC_OK)
		return rc;
	rc = permit(s, oxid, f, req, out, e);
	if (rc == RC_OK) {
		wake_hierarchy(s);
		wake_readers(s, a, json_object_get(f, "permissions"), req);
	}
	json_decref(f);
	f = NULL;
	if (rc != RC_OK && rc != RC_CONFLICT)
		return rc;
	rc = ox_folder_get(s->ox, oxid, &f, e);
	if (rc == RC_OK)
		rc = answer_fill(s, a, f, out, e);
	json_decref(f);
	return rc;
}
