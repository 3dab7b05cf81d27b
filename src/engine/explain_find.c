/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From what an administrator names - a uuid, OX's ids, the id that the device gave, a title - to the object's row and all that is stored about it and the
 * device.  Reads only.  The index holds no titles, but their fingerprints: that of a title asked for is compared.
 */
#include "engine/explain_int.h"

#include <string.h>

static uint64_t
tag_of(const struct look *l, const struct store_folder *f)
{
	const struct account who = { .context = l->dev->context_id, .user = l->dev->user_id };

	if (f->ct == CT_FOLDER)
		return hierarchy_tag(l->g, who.context, who.user);
	return tag_of_index(l->g, tag_of_folder(l->g, &who, f->ct, f->oxid), f);
}

static enum rc
row_of(const struct look *l, const struct store_folder *f, int64_t id, struct row **row, struct err *e)
{
	struct row **rows;
	size_t n;
	enum rc rc = store_rows_get(l->c, l->a, f, &id, 1, &rows, &n, e);

	*row = rc == RC_OK && n > 0 ? rows[0] : NULL;
	return rc;
}

/* ---- everything about one object ---- */

static enum folder_kind
kind_of(const struct look *l)
{
	switch (l->f->ct) {
	case CT_CONTACT:
		return KIND_CONTACT;
	case CT_CALENDAR:
		return KIND_APPOINTMENT;
	case CT_TASK:
		return KIND_TASK;
	default:
		return l->place != NULL && folder_row_inbox(l->place) ? KIND_INBOX : KIND_MAIL;
	}
}

static void
load_filter(struct look *l)
{
	struct uuid folder = { { 0 } };

	window_of(l->g, l->cfg, l->f->ct, &l->w0, &l->w1);
	l->mode = MODE_FULL;
	if (l->f->ct == CT_FOLDER)
		return;
	uuid_make(l->g->keys, hierarchy_tag(l->g, l->dev->context_id, l->dev->user_id), model_id(l->g->keys, l->f->oxid), &folder);
	l->mode = config_filter_of(l->g, l->cfg, kind_of(l), &folder, l->f->ct, &l->hidden);
}

/* L has its folder and the id of its object: the rest. */
static enum rc
load(struct look *l, struct err *e)
{
	int64_t device = l->dev->d.id;
	enum rc rc = RC_OK;

	l->tag = tag_of(l, l->f);
	uuid_make(l->g->keys, l->tag, l->id, &l->uuid);
	if (l->f->ct != CT_FOLDER && l->hier != NULL)
		rc = row_of(l, l->hier, model_id(l->g->keys, l->f->oxid), &l->place, e);
	if (rc == RC_OK)
		rc = row_of(l, l->f, l->id, &l->row, e);
	load_filter(l);
	if (rc == RC_OK)
		rc = store_cursor_children(l->c, l->a, device, l->f->id, 0, &l->cur, &l->n_cur, e);
	if (rc == RC_OK)
		rc = store_aside_get(l->c, l->a, l->f->id, device, &l->aside, &l->n_aside, e);
	if (rc == RC_OK)
		rc = store_object_journal(l->c, l->a, l->dev->d.account, l->f->ct, l->f->oxid, l->id, &l->journal, &l->n_journal, e);
	if (rc == RC_OK)
		rc = store_object_conflicts(l->c, l->a, l->dev->d.account, &l->uuid, &l->conflict, &l->n_conflict, e);
	if (rc == RC_OK)
		rc = store_writes_get(l->c, l->a, device, l->f->id, &l->writes, &l->n_writes, e);
	if (rc == RC_OK)
		rc = store_guard_get(l->c, device, l->f->id, &l->guard, e);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

bool
look_rights(const struct look *l, int64_t *bits)
{
	static const int64_t levels[] = { 0, 1, 2, 4, 64 };
	const struct content_type *t = model_content(CT_FOLDER);
	unsigned i = (unsigned)model_field(t, "own_rights");
	const struct row_field *f = l->place != NULL && !l->place->dead && l->place->known ? row_field_get(l->place, i) : NULL;

	/* there are few combinations of levels: one of them has this fingerprint */
	for (size_t k = 0; f != NULL && k < 5 * 5 * 5 * 5 * 2; k++) {
		const struct rights r = { .folder = levels[k % 5], .read = levels[k / 5 % 5], .write = levels[k / 25 % 5], .remove = levels[k / 125 % 5],
			.administer = k / 625 != 0 };
		json_t *v = json_integer((json_int_t)rights_pack(&r));
		bool is = v != NULL && field_fp(l->g->keys, &t->fields[i], v) == f->fp;

		json_decref(v);
		if (is) {
			*bits = rights_pack(&r);
			return true;
		}
	}
	*bits = 0;
	return f != NULL && f->fp == 0; /* no rights at all are "not set" */
}

const struct store_aside *
look_aside(const struct look *l, bool device)
{
	for (size_t i = 0; i < l->n_aside; i++)
		if (l->aside[i].id == l->id && (l->aside[i].device != 0) == device)
			return &l->aside[i];
	return NULL;
}

/* ---- finding ---- */

static enum rc
found(const struct look *base, const struct store_folder *f, int64_t id, struct look *out, size_t *n, struct err *e)
{
	if (*n >= EXPLAIN_MAX)
		return RC_OK;
	out[*n] = *base;
	out[*n].f = f;
	out[*n].id = id;
	return load(&out[(*n)++], e);
}

static enum rc
by_uuid(const struct look *base, const char *text, struct look *out, size_t *n, struct err *e)
{
	struct uuid u;
	int64_t id;

	if (!uuid_parse(text, &u))
		return err_set(e, RC_PROTO, "\"%.60s\" is no uuid", text);
	for (size_t i = 0; i < base->n_folders; i++)
		if (uuid_id(base->g->keys, tag_of(base, &base->folders[i]), &u, &id))
			return found(base, &base->folders[i], id, out, n, e);
	out[*n] = *base;
	out[(*n)++].uuid = u;
	return RC_OK;
}

static enum rc
by_id(const struct look *base, const char *folder, const char *id, struct look *out, size_t *n, struct err *e)
{
	for (size_t i = 0; i < base->n_folders; i++)
		if (strcmp(base->folders[i].oxid, folder) == 0)
			return found(base, &base->folders[i], model_id(base->g->keys, id), out, n, e);
	out[(*n)++] = *base;
	return RC_OK;
}

static enum rc
by_client_id(const struct look *base, const char *client_id, struct look *out, size_t *n, struct err *e)
{
	int64_t folder = 0;
	struct intent in;
	enum rc rc = store_intent_get(base->c, base->a, base->dev->d.id, client_id, &folder, &in, e);

	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	for (size_t i = 0; i < base->n_folders; i++) {
		const struct store_folder *f = &base->folders[i];
		char *key = arena_printf(base->a, "%lld.%s/%s", (long long)base->dev->user_id, base->dev->d.name, client_id);
		struct row **rows;
		size_t n_rows = 0;
		enum rc got;

		if (rc == RC_OK && f->id != folder)
			continue;
		if (key == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
		got = store_rows_by_client_id(base->c, base->a, f, key, &rows, &n_rows, e);
		if (got != RC_OK)
			return got;
		if (rc != RC_OK && n_rows == 0)
			continue;
		got = found(base, f, n_rows > 0 ? rows[0]->id : in.id, out, n, e);
		if (got == RC_OK && rc == RC_OK) {
			out[*n - 1].intent = in;
			out[*n - 1].has_intent = true;
		}
		out[*n - 1].client_id = client_id;
		return got;
	}
	out[*n] = *base;
	out[(*n)++].client_id = client_id;
	return RC_OK;
}

static enum rc
by_title(const struct look *base, const char *title, struct look *out, size_t *n, struct err *e)
{
	json_t *text = json_string(title);
	enum rc rc = text != NULL ? RC_OK : err_set(e, RC_PROTO, "the title is not UTF-8 text");

	for (size_t i = 0; i < base->n_folders && rc == RC_OK; i++) {
		const struct store_folder *f = &base->folders[i];
		const struct content_type *t = model_content(f->ct);
		int field = model_field(t, f->ct == CT_CONTACT ? "display_name" : "title");
		struct row **rows;
		size_t n_rows = 0;

		if (field < 0)
			continue;
		rc = store_rows_all(base->c, base->a, f, false, &rows, &n_rows, e);
		for (size_t k = 0; k < n_rows && rc == RC_OK; k++) {
			const struct row_field *rf = row_field_get(rows[k], (unsigned)field);

			if (rf != NULL && rf->fp != 0 && rf->fp == field_fp(base->g->keys, &t->fields[field], text))
				rc = found(base, f, rows[k]->id, out, n, e);
		}
	}
	json_decref(text);
	if (rc == RC_OK && *n == 0)
		rc = err_set(e, RC_NOTFOUND, "no object of this user has exactly this title as far as the index knows (mail has none in it): name it by its uuid, or by --folder "
		    "and --id");
	return rc;
}

enum rc
look_find(const struct look *base, const struct explain_want *want, struct look *out, size_t *n, struct err *e)
{
	*n = 0;
	if (want->uuid != NULL)
		return by_uuid(base, want->uuid, out, n, e);
	if (want->folder != NULL && want->id != NULL)
		return by_id(base, want->folder, want->id, out, n, e);
	if (want->client_id != NULL)
		return by_client_id(base, want->client_id, out, n, e);
	return want->title != NULL ? by_title(base, want->title, out, n, e) : err_set(e, RC_PROTO, "no object is named");
}
