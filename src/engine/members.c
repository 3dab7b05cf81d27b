/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Members of distribution lists.  OX names the contact that a member is by its id and folder, a client by uuid and folder, or by the clientId of
 * one that it created; OX's ids never reach a client.
 */
#include "engine/engine_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int
list_field(enum content ct)
{
	return ct == CT_CONTACT ? model_field(model_content(ct), "distribution_list") : -1;
}

static json_t *
uuid_json(const struct uuid *u)
{
	char text[UUID_TEXT];

	uuid_format(u, text);
	return json_string_nocheck(text);
}

/* ---- to the client ---- */

/* An id that OX sends as a number or as text, as text into OUT. */
static bool
id_string(const json_t *v, char *out, size_t size)
{
	if (json_is_integer(v))
		(void)snprintf(out, size, "%" PRId64, (int64_t)json_integer_value(v));
	else if (json_is_string(v) && json_string_length(v) < size)
		(void)snprintf(out, size, "%s", json_string_value(v));
	else
		return false;
	return out[0] != '\0';
}

static json_t *
member_for_client(const struct op *op, const json_t *m)
{
	json_t *out = json_copy((json_t *)(uintptr_t)m);
	char id[32], folder[100];
	struct uuid u;
	int64_t n;

	if (id_string(json_object_get(m, "id"), id, sizeof(id)) && parse_i64(id, 1, INT64_MAX, &n)) {
		if (!id_string(json_object_get(m, "folder_id"), folder, sizeof(folder)))
			(void)snprintf(folder, sizeof(folder), "%s", op->t.oxid);
		uuid_make(op->g->keys, tag_of_folder(op->g, op->s->n->account, CT_CONTACT, folder), n, &u);
		(void)json_object_set_new(out, "uuid", uuid_json(&u));
		uuid_make(op->g->keys, op->s->n->account->hier_tag, model_id(op->g->keys, folder), &u);
		(void)json_object_set_new(out, "folder", uuid_json(&u));
	}
	(void)json_object_del(out, "id");
	(void)json_object_del(out, "folder_id");
	return out;
}

/* O, which is about to be answered, names its members as clients do. */
enum rc
members_for_client(const struct op *op, struct object *o, struct err *e)
{
	int i = list_field(o->ct);
	json_t *list, *m;
	size_t k;

	if (i < 0 || !json_is_array(o->v[i]))
		return RC_OK;
	list = json_array();
	json_array_foreach (o->v[i], k, m)
		(void)json_array_append_new(list, member_for_client(op, m));
	if (json_array_size(list) != json_array_size(o->v[i])) {
		json_decref(list);
		return err_set(e, RC_NOMEM, "out of memory for a distribution list");
	}
	object_set(o, (unsigned)i, list);
	return RC_OK;
}

/* ---- from the client ---- */

/* Which contact a member is. */
struct contact_at {
	int64_t id;
	const char *folder; /* OX's id */
};

struct reading {
	struct op *op;
	size_t at;          /* index of the member */
	struct err *e;
};

static enum rc
refuse(const struct reading *r, const char *member, const char *text)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "distribution_list[%zu]%s%.40s", r->at, member[0] != '\0' ? "." : "", member);
	return err_set_path(r->e, RC_PROTO, path, "%s", text);
}

static bool
is_in(const struct op *op, const struct uuid *u, const char *folder, struct contact_at *out)
{
	out->folder = folder;
	return uuid_id(op->g->keys, tag_of_folder(op->g, op->s->n->account, CT_CONTACT, folder), u, &out->id);
}

/* A uuid tells its folder: it is tried with each that the user has. */
static enum rc
find_anywhere(const struct reading *r, const struct uuid *u, struct contact_at *out)
{
	struct op *op = r->op;
	struct target hier;
	struct row **rows;
	size_t n = 0;
	enum rc rc;

	if (is_in(op, u, op->t.oxid, out))
		return RC_OK;
	rc = target_hierarchy(op, true, &hier, r->e);
	if (rc == RC_OK)
		rc = store_rows_all(op->c, op->a, &hier.f, true, &rows, &n, r->e);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++) {
		const char *oxid = rows[i]->oxid != NULL ? rows[i]->oxid : arena_printf(op->a, "%" PRId64, rows[i]->id);

		if (folder_row_content(rows[i]) == CT_CONTACT && oxid != NULL && is_in(op, u, oxid, out))
			return RC_OK;
	}
	return refuse(r, "uuid", "names no contact that you have");
}

static enum rc
find_by_uuid(const struct reading *r, const json_t *m, struct contact_at *out)
{
	const json_t *folder = json_object_get(m, "folder");
	const char *text = json_string_value(json_object_get(m, "uuid")), *oxid;
	struct uuid u, f;
	enum content ct;

	if (text == NULL || !uuid_parse(text, &u))
		return refuse(r, "uuid", "must be the uuid of a contact");
	if (folder == NULL || json_is_null(folder))
		return find_anywhere(r, &u, out);
	if (!json_is_string(folder) || !uuid_parse(json_string_value(folder), &f) || !folder_uuid_oxid(r->op, &f, &oxid, &ct) || ct != CT_CONTACT)
		return refuse(r, "folder", "must be the uuid of a folder of contacts that you have");
	return is_in(r->op, &u, oxid, out) ? RC_OK : refuse(r, "uuid", "names no contact of this folder");
}

/* A contact of the list's folder that this device created; RC_BUSY: its creation is still to be answered. */
static enum rc
find_by_client_id(const struct reading *r, const json_t *m, struct contact_at *out)
{
	struct op *op = r->op;
	const char *id = json_string_value(json_object_get(m, "clientId")), *key = NULL;
	struct intent intent;
	struct row **rows;
	int64_t folder;
	size_t n = 0;
	enum rc rc;

	if (id != NULL)
		key = arena_printf(op->a, "%s/%s", op->s->n->owner, id);
	if (key == NULL)
		return id != NULL ? err_set(r->e, RC_NOMEM, "out of memory") : refuse(r, "clientId", "must be a string");
	rc = store_rows_by_client_id(op->c, op->a, &op->t.f, key, &rows, &n, r->e);
	if (rc == RC_OK && n > 0 && !rows[0]->dead) {
		*out = (struct contact_at){ .id = rows[0]->id, .folder = op->t.oxid };
		return RC_OK;
	}
	if (rc == RC_OK)
		rc = store_intent_get(op->c, op->a, op->s->n->device_id, id, &folder, &intent, r->e);
	if (rc == RC_OK && intent.state == INTENT_PENDING)
		return err_set(r->e, RC_BUSY, "a member of the list is still being created");
	return rc == RC_OK || rc == RC_NOTFOUND ? refuse(r, "clientId", "names no contact of this folder that this device created: send that first") : rc;
}

static enum rc
check_names(const struct reading *r, const json_t *m)
{
	static const char *const names[] = { "uuid", "folder", "clientId", "mail_field", "mail", "display_name", "sort_name" };
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)m, name, v) {
		size_t i = 0;

		while (i < ARRAY_LEN(names) && strcmp(name, names[i]) != 0)
			i++;
		if (i == ARRAY_LEN(names))
			return refuse(r, name, "is no member of this: a contact is named by uuid, anybody else by mail and display_name");
		if (i >= 4 && !json_is_string(v) && !json_is_null(v))
			return refuse(r, name, "must be a string");
	}
	return RC_OK;
}

static enum rc
member_for_ox(const struct reading *r, const json_t *m, json_t **out)
{
	const json_t *field = json_object_get(m, "mail_field");
	bool contact = json_object_get(m, "uuid") != NULL || json_object_get(m, "clientId") != NULL;
	int64_t n = field != NULL ? json_integer_value(field) : 0;
	struct contact_at at = { 0, NULL };
	char id[24];
	enum rc rc;

	if (!json_is_object(m))
		return refuse(r, "", "must be an object");
	rc = check_names(r, m);
	if (rc != RC_OK)
		return rc;
	if ((field != NULL && !json_is_integer(field)) || n < 0 || n > 3 || contact != (n > 0))
		return refuse(r, "mail_field", "must be 1, 2 or 3 of a contact, named by uuid or clientId, and 0 of a mere address");
	if (contact)
		rc = json_object_get(m, "uuid") != NULL ? find_by_uuid(r, m, &at) : find_by_client_id(r, m, &at);
	if (rc != RC_OK)
		return rc;
	*out = json_copy((json_t *)(uintptr_t)m);
	(void)json_object_del(*out, "uuid");
	(void)json_object_del(*out, "folder");
	(void)json_object_del(*out, "clientId");
	(void)json_object_set_new(*out, "mail_field", json_integer(n));
	if (contact) {
		(void)snprintf(id, sizeof(id), "%" PRId64, at.id);
		(void)json_object_set_new(*out, "id", json_string(id));
		(void)json_object_set_new(*out, "folder_id", json_string(at.folder));
	}
	return *out != NULL ? RC_OK : err_set(r->e, RC_NOMEM, "out of memory for a distribution list");
}

/* CC names its members as OX does.  RC_PROTO names the member; RC_BUSY: one is still being created. */
enum rc
members_for_ox(struct op *op, struct client_change *cc, struct err *e)
{
	struct reading r = { .op = op, .e = e };
	int i = list_field(op->t.ct);
	json_t *list, *m, *one = NULL;
	enum rc rc = RC_OK;

	if (i < 0 || cc->object == NULL || !fmask_has(&cc->fields, (unsigned)i) || cc->object->v[i] == NULL)
		return RC_OK;
	if (!json_is_array(cc->object->v[i]))
		return err_set_path(e, RC_PROTO, "distribution_list", "must be an array");
	list = json_array();
	json_array_foreach (cc->object->v[i], r.at, m) {
		rc = member_for_ox(&r, m, &one);
		if (rc != RC_OK)
			break;
		(void)json_array_append_new(list, one);
	}
	if (rc == RC_OK)
		object_set(cc->object, (unsigned)i, list);
	else
		json_decref(list);
	return rc;
}

/* Does CC name contacts that may come into being in its own request? */
bool
members_need_others(const struct op *op, const struct client_change *cc)
{
	int i = list_field(op->t.ct);
	json_t *m;
	size_t k;

	if (i < 0 || cc->object == NULL || !json_is_array(cc->object->v[i]))
		return false;
	json_array_foreach (cc->object->v[i], k, m)
		if (json_object_get(m, "clientId") != NULL)
			return true;
	return false;
}
