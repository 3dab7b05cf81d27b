/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Objects that were found at OX and may be in no index: outside of the window, in folders that no device has synchronised, newer than the last
 * look.  Ids are computed (ARCHITECTURE.md, "Ids and keys"), so such an object has the uuid that a sync would give it, and a command that gets
 * this uuid asks OX where the index has no row.  Nothing is written here but the hierarchy's index.
 */
#include "engine/engine_int.h"
#include "engine/refresh_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- an object that a client names, without a row ---- */

static enum rc
not_here(struct err *e)
{
	return err_set_path(e, RC_NOTFOUND, "uuid", "this object is not in the folder (any more)");
}

static enum rc
row_of(struct op *op, int64_t id, const char *oxid, struct row **row, struct err *e)
{
	struct row *r = arena_alloc(op->a, sizeof(*r));

	if (r == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	memset(r, 0, sizeof(*r));
	r->id = id;
	r->oxid = id < 0 && oxid != NULL ? arena_strdup(op->a, oxid) : NULL;
	*row = r;
	return RC_OK;
}

/* A mail's uuid is made with the UIDVALIDITY, which an index that was never filled does not know, and another one may be behind.  Whether the mail is
 * there the request for it tells. */
static enum rc
unlisted_mail(struct op *op, const struct uuid *uuid, struct row **row, struct err *e)
{
	struct store_folder f = op->t.f;
	struct ox_examine x;
	int64_t id;
	enum rc rc = ox_mail_examine(op->s->ox, op->t.oxid, &x, e);

	if (rc != RC_OK)
		return rc;
	f.validity = x.validity;
	if (!uuid_id(op->g->keys, tag_of_index(op->g, op->t.topic, &f), uuid, &id) || id < 0)
		return not_here(e);
	return row_of(op, id, NULL, row, e);
}

static enum rc
unlisted_pim(struct op *op, const struct uuid *uuid, struct row **row, struct err *e)
{
	struct object **o;
	int64_t id;
	size_t n;
	enum rc rc;

	if (!uuid_id(op->g->keys, op->t.tag, uuid, &id) || id < 0)
		return not_here(e);
	rc = ox_list(op->s->ox, op->a, op->t.ct, op->t.oxid, &id, NULL, 1, &o, &n, e);
	if (rc != RC_OK)
		return rc;
	n = drop_closed(op, o, n, NULL, NULL);
	/* the object's own word counts: some modules find it whatever folder they are given */
	rc = n == 1 && !o[0]->broken && (o[0]->folder == NULL || strcmp(o[0]->folder, op->t.oxid) == 0) ? row_of(op, id, NULL, row, e) : not_here(e);
	object_drop_all(o, n);
	return rc;
}

/* The object UUID of OP's folder, of which the index has no living row: *ROW as far as a request to OX needs it.  RC_NOTFOUND. */
enum rc
op_unlisted(struct op *op, const struct uuid *uuid, struct row **row, struct err *e)
{
	enum rc rc;

	*row = NULL;
	if (op->t.ct == CT_FOLDER)
		return not_here(e);
	rc = op->t.ct == CT_MAIL ? unlisted_mail(op, uuid, row, e) : unlisted_pim(op, uuid, row, e);
	return rc == RC_FORBIDDEN || rc == RC_NOTFOUND ? not_here(e) : rc;
}

/* ---- where may be searched ---- */

static bool
all_known(struct op *op, const struct target *hier, enum content ct, bool *known, struct err *e)
{
	int64_t *ids = arena_array(op->a, int64_t, op->n_folders + 1);
	struct row **rows;
	size_t n = 0, got = 0;

	if (ids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for folders") == RC_OK;
	for (size_t i = 0; i < op->n_folders; i++)
		if (folder_content(op->folders[i]) == ct)
			ids[n++] = op->folders[i]->id;
	*known = false;
	if (!hier->f.init)
		return true;
	if (store_rows_get(op->c, op->a, &hier->f, ids, n, &rows, &got, e) != RC_OK)
		return false;
	for (size_t i = 0; i < got; i++)
		if (rows[i]->dead)
			return true;
	*known = got == n;
	return true;
}

/* A folder that was made since the hierarchy was looked at is one that a client will name next. */
static enum rc
know_all(struct op *op, struct target *hier, enum content ct, struct err *e)
{
	bool known;

	if (!all_known(op, hier, ct, &known, e))
		return e->rc;
	return known ? RC_OK : hierarchy_renew(op, hier, e);
}

static enum rc
place_add(struct op *op, const struct target *hier, const struct object *f, struct engine_folder *p, struct err *e)
{
	int type = model_field(model_content(CT_FOLDER), "type");

	p->oxid = arena_strdup(op->a, f->oxid);
	p->shared = object_get_i64(f, (unsigned)type, 0) == OX_TYPE_SHARED;
	uuid_make(op->g->keys, hier->tag, f->id, &p->uuid);
	return p->oxid != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for folders");
}

static enum rc
places(struct op *op, enum content ct, const struct uuid *folder, struct engine_folder **out, size_t *n, struct err *e)
{
	struct folder_ref ref = { .uuid = folder != NULL ? *folder : (struct uuid){ { 0 } } };
	struct target hier, t = { .ct = ct };
	enum rc rc = target_hierarchy(op, true, &hier, e);

	if (rc == RC_OK)
		rc = hierarchy_load(op, e);
	if (rc == RC_OK)
		rc = know_all(op, &hier, ct, e);
	if (rc == RC_OK && folder != NULL)
		rc = target_open(op, &ref, &t, e);
	if (rc == RC_OK && folder != NULL && t.ct != ct)
		rc = err_set_path(e, RC_PROTO, "folder", "this folder holds no objects of the type %s", model_content(ct)->name);
	if (rc != RC_OK)
		return rc;
	*out = arena_array(op->a, struct engine_folder, op->n_folders + 1);
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory for folders");
	for (size_t i = 0; i < op->n_folders && rc == RC_OK; i++)
		if (folder_content(op->folders[i]) == ct && (folder == NULL || strcmp(op->folders[i]->oxid, t.oxid) == 0))
			rc = place_add(op, &hier, op->folders[i], &(*out)[(*n)++], e);
	if (rc == RC_OK && folder != NULL && *n == 0)
		rc = err_set_path(e, RC_NOTFOUND, "folder", "this folder does not exist (any more); sync the folder hierarchy");
	return rc;
}

enum rc
engine_folders(struct engine_session *s, struct arena *a, enum content ct, const struct uuid *folder, struct engine_folder **out, size_t *n, struct err *e)
{
	struct err local;
	struct op op;
	enum rc rc;

	*out = NULL;
	*n = 0;
	if (e == NULL)
		e = &local;
	rc = op_begin(&op, s, a, e);
	if (rc == RC_OK)
		rc = places(&op, ct, folder, out, n, e);
	op_end(&op);
	hierarchy_drop(&op);
	return rc;
}

void
engine_mark(const struct engine_session *s, enum content ct, const char *folder, int64_t id, struct uuid *out)
{
	uuid_make(s->g->keys, tag_of_folder(s->g, s->n->account, ct, folder), id, out);
}

/* ---- what was found, as a client gets it ---- */

/* OP's target is the folder of P, as far as contents need it.  F: its index, where the UIDVALIDITY counts. */
static void
aim(struct op *op, enum content ct, const struct engine_folder *p, uint64_t validity)
{
	memset(&op->t, 0, sizeof(op->t));
	op->t.ct = ct;
	op->t.oxid = p->oxid;
	op->t.shared = p->shared;
	op->t.topic = tag_of_folder(op->g, op->s->n->account, ct, p->oxid);
	op->t.f.ct = ct;
	op->t.f.validity = validity;
	op->t.tag = tag_of_index(op->g, op->t.topic, &op->t.f);
	op->ref = (struct folder_ref){ .uuid = p->uuid };
}

static enum rc
found_item(struct op *op, struct object *o, struct engine_found *f, struct err *e)
{
	struct row r = { .id = f->id, .known = true };
	struct row_field *fields;
	struct sighting s;
	enum rc rc = object_sight(op->a, op->g->keys, o, &s);

	if (rc == RC_OK)
		rc = members_for_client(op, o, e);
	fields = rc == RC_OK ? arena_array(op->a, struct row_field, s.nf + 1) : NULL;
	if (fields == NULL)
		return err_set(e, RC_NOMEM, "out of memory for what was found");
	for (unsigned i = 0; i < s.nf; i++)
		fields[i] = (struct row_field){ .i = s.f[i].i, .fp = s.f[i].fp };
	r.f = fields;
	r.nf = s.nf;
	(void)config_filter(op->s, &op->ref, op->t.ct, &f->hidden);
	memset(&f->item, 0, sizeof(f->item));
	f->item.whole = true;
	f->item.object = o;
	uuid_make(op->g->keys, op->t.tag, f->id, &f->item.uuid);
	row_rev(op->g->keys, op->t.ct, &r, &f->hidden, f->item.rev);
	if (op->t.ct == CT_CALENDAR)
		item_series(op, &f->item);
	f->object = o;
	return RC_OK;
}

static struct engine_found *
found_of(struct engine_found *f, size_t n, const struct engine_folder *p, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].place == p && f[i].id == id && f[i].object == NULL)
			return &f[i];
	return NULL;
}

/* The contents of those of F that lie in P.  What is gone, or closed to this user, stays without an object. */
static enum rc
found_in(struct op *op, const struct engine_folder *p, struct engine_found *f, size_t n, struct err *e)
{
	int64_t *ids = arena_array(op->a, int64_t, n + 1);
	const char **oxids = arena_array(op->a, const char *, n + 1);
	struct object **o;
	size_t asked = 0, got;
	enum rc rc;

	if (ids == NULL || oxids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for what was found");
	for (size_t i = 0; i < n; i++)
		if (f[i].place == p) {
			ids[asked] = f[i].id;
			oxids[asked++] = f[i].oxid;
		}
	rc = ox_list(op->s->ox, op->a, op->t.ct, p->oxid, ids, oxids, asked, &o, &got, e);
	if (rc == RC_NOTFOUND || rc == RC_FORBIDDEN) /* withdrawn between the search and this */
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	got = drop_closed(op, o, got, NULL, NULL);
	for (size_t i = 0; i < got; i++) {
		struct engine_found *x;

		if (o[i]->id == 0 && o[i]->oxid != NULL)
			o[i]->id = model_id(op->g->keys, o[i]->oxid);
		x = o[i]->broken || (o[i]->folder != NULL && strcmp(o[i]->folder, p->oxid) != 0) ? NULL : found_of(f, n, p, o[i]->id);
		if (rc == RC_OK && x != NULL)
			rc = found_item(op, o[i], x, e);
		if (x == NULL || x->object != o[i])
			object_drop(o[i]);
	}
	return rc;
}

static enum rc
validities(struct op *op, const struct engine_folder *const *p, size_t n, struct ox_updates_req *req, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n; i++)
		req[i] = (struct ox_updates_req){ .ct = CT_MAIL, .folder = p[i]->oxid };
	if (op->t.ct == CT_MAIL && n > 0)
		rc = ox_updates_many(op->s->ox, op->a, req, n, e);
	return rc;
}

enum rc
engine_found(struct engine_session *s, struct arena *a, enum content ct, struct engine_found *f, size_t n, struct err *e)
{
	const struct engine_folder **p = arena_array(a, const struct engine_folder *, n + 1);
	struct ox_updates_req *req = arena_array(a, struct ox_updates_req, n + 1);
	struct op op = { .g = s->g, .s = s, .a = a, .t = { .ct = ct } };
	size_t n_p = 0, k;
	enum rc rc;

	if (p == NULL || req == NULL)
		return err_set(e, RC_NOMEM, "out of memory for what was found");
	for (size_t i = 0; i < n; i++) {
		f[i].object = NULL;
		for (k = 0; k < n_p && p[k] != f[i].place; k++)
			continue;
		if (k == n_p)
			p[n_p++] = f[i].place;
	}
	rc = validities(&op, p, n_p, req, e);
	for (k = 0; k < n_p && rc == RC_OK; k++) {
		if (ct == CT_MAIL && req[k].rc != RC_OK)
			continue;
		aim(&op, ct, p[k], req[k].mail.validity);
		rc = found_in(&op, p[k], f, n, e);
	}
	if (rc != RC_OK)
		engine_found_done(f, n);
	return rc;
}

void
engine_found_done(struct engine_found *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		object_drop(f[i].object);
		f[i].object = NULL;
	}
}
