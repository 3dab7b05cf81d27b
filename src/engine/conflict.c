/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The losing values of a conflict: sealed, with an expiry, written before the write that destroys them (F14). */
#include "engine/conflict_int.h"

#include <stdlib.h>
#include <string.h>

static void
set_uuid(json_t *o, const char *key, const struct uuid *u)
{
	char text[UUID_TEXT];

	uuid_format(u, text);
	(void)json_object_set_new(o, key, json_string(text));
}

static void
set_folder(const struct op *op, json_t *o, const char *key, const char *oxid)
{
	struct uuid u;

	uuid_make(op->g->keys, op->s->n->account->hier_tag, model_id(op->g->keys, oxid), &u);
	set_uuid(o, key, &u);
}

/* Field I of O as clients know it: OX's ids of folders, series and members of lists stay here. */
static void
set_value(const struct op *op, const struct object *o, unsigned i, json_t *values)
{
	const struct field *f = &model_content(o->ct)->fields[i];
	const char *id = object_get_str(o, i);
	struct object *list = NULL;
	struct uuid u;
	struct err why;

	if ((f->flags & FF_NODELIVER) != 0)
		return;
	if (o->ct == CT_FOLDER && strcmp(f->name, "folder_id") == 0) {
		if (id != NULL && strcmp(id, OX_PRIVATE_ROOT) != 0 && strcmp(id, OX_MAIL_ROOT) != 0)
			set_folder(op, values, "parent", id);
		else
			(void)json_object_set_new(values, "parent", json_null());
	} else if (o->ct == CT_CALENDAR && id != NULL && strcmp(f->name, "recurrence_id") == 0) {
		uuid_make(op->g->keys, op->t.tag, model_id(op->g->keys, id), &u);
		set_uuid(values, f->name, &u);
	} else if (o->ct == CT_CONTACT && o->v[i] != NULL && strcmp(f->name, "distribution_list") == 0) {
		list = object_new(op->a, CT_CONTACT);
		if (list == NULL)
			return;
		object_set(list, i, json_incref(o->v[i]));
		if (members_for_client(op, list, &why) == RC_OK)
			(void)json_object_set(values, f->name, list->v[i]);
		object_drop(list);
	} else {
		(void)json_object_set_new(values, f->name, o->v[i] != NULL ? json_incref(o->v[i]) : json_null());
	}
}

static json_t *
raw_text(const void *p, size_t n)
{
	struct buf b;
	json_t *v;

	buf_init(&b, 0);
	base64_encode(&b, p, n);
	v = b.failed ? NULL : json_stringn_nocheck(b.p, b.len);
	buf_fini(&b);
	return v;
}

/* What a person would call O, or NULL. */
static const char *
title_of(const struct object *o)
{
	static const char *const names[] = { "title", "subject", "display_name", "last_name", "company", "first_name", "email1" };

	for (size_t k = 0; o != NULL && k < ARRAY_LEN(names); k++) {
		int i = model_field(model_content(o->ct), names[k]);
		const char *s = i >= 0 ? object_get_str(o, (unsigned)i) : NULL;

		if (s != NULL && s[0] != '\0')
			return s;
	}
	return NULL;
}

/* The name by which a person finds the object again; of an object that was changed in other fields, OX is asked.  Not worth failing for. */
static void
set_title(struct op *op, const struct loss *l, json_t *record)
{
	const char *title = title_of(l->object);
	struct object **o = NULL;
	struct err why;
	size_t n = 0;

	if (title == NULL && l->row != NULL && !l->row->dead) {
		title = title_of(stash_get(op, l->row->id));
		if (title == NULL && op_fetch(op, &l->row->id, &l->row->oxid, 1, &o, &n, &why) == RC_OK && n > 0)
			title = title_of(o[0]);
	}
	if (title != NULL)
		(void)json_object_set_new(record, "title", json_string(title));
	object_drop_all(o, n);
}

/* {"fields":{...},"lost":[...],"objectType":"contact","whose":"client",...}: what restoring needs; the store never sees it plain. */
static json_t *
record_of(struct op *op, const struct loss *l)
{
	const struct content_type *t = model_content(l->object->ct);
	json_t *root = json_object(), *values = json_object(), *lost = json_array();

	for (unsigned i = 0; i < t->n_fields; i++) {
		bool parent = t->ct == CT_FOLDER && strcmp(t->fields[i].name, "folder_id") == 0;

		if (fmask_has(l->fields, i) && ((t->fields[i].flags & FF_NODELIVER) == 0 || parent))
			(void)json_array_append_new(lost, json_string(parent ? "parent" : t->fields[i].name));
		if (fmask_has(l->fields, i) || (l->whole && l->object->v[i] != NULL))
			set_value(op, l->object, i, values);
	}
	(void)json_object_set_new(root, "objectType", json_string(t->name));
	(void)json_object_set_new(root, "whose", json_string(l->server ? "server" : "client"));
	(void)json_object_set_new(root, "fields", values);
	(void)json_object_set_new(root, "lost", lost);
	if (t->ct != CT_FOLDER)
		set_folder(op, root, "folder", l->folder != NULL ? l->folder : op->t.oxid);
	if (l->raw != NULL)
		(void)json_object_set_new(root, "raw", raw_text(l->raw, l->raw_len));
	return root;
}

/* A repeated request must not record the same loss twice: equal losses have equal digests. */
static bool
digest_of(const struct engine *g, const struct uuid *u, const json_t *record, unsigned char out[32])
{
	char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
	struct buf b;
	bool ok;

	buf_init(&b, 0);
	buf_add(&b, u->b, sizeof(u->b));
	buf_adds(&b, text != NULL ? text : "");
	ok = text != NULL && !b.failed;
	if (ok)
		hmac_sha256(g->digest_key, sizeof(g->digest_key), b.p, b.len, out);
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text); /* jansson's own allocation */
	buf_fini(&b);
	return ok;
}

enum rc
conflict_record(struct op *op, const struct loss *loss, int64_t *id, struct err *e)
{
	struct engine *g = op->g;
	struct store_conflict x = { .account = op->s->n->account_id, .device = op->s->n->device_id };
	struct loss l = *loss;
	struct fmask named;
	struct buf sealed;
	char *text = NULL;
	json_t *record;
	enum rc rc;

	if (l.object == NULL || fmask_empty(l.fields))
		return RC_OK;
	named = *l.fields;
	fmask_from_bits(model_content(l.object->ct), &named);
	l.fields = &named;
	x.uuid = *l.uuid;
	x.ct = l.object->ct;
	x.at = now_ms();
	x.expires = x.at + g->o.conflict_keep_ms;
	model_json_begin();
	record = record_of(op, &l);
	buf_init(&sealed, 0);
	if (digest_of(g, l.uuid, record, x.digest)) {
		set_title(op, &l, record);
		text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
	}
	/* a record that lacks a value for want of memory would lose it */
	rc = text == NULL || model_json_starved() ? RC_NOMEM : seal_record(g, SEALED_CONFLICT, x.account, text, &sealed);
	if (rc == RC_OK) {
		x.sealed = sealed.p;
		x.sealed_len = sealed.len;
		rc = store_conflict_add(op->c, &x, e);
	} else {
		rc = err_set(e, rc, "a conflict record could not be sealed");
	}
	if (rc == RC_OK)
		*id = x.id;
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text); /* jansson's own allocation */
	json_decref(record);
	buf_fini(&sealed);
	return rc;
}
