/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What of a folder its reader may see.  OX decides; here is what usmd does where OX's answers do not tell it by themselves: private
 * objects of others, folders that were withdrawn or may not be read, and rights that were given or taken (`updates` shows neither).
 */
#include "engine/refresh_int.h"
#include "engine/tree.h"

#include <string.h>

#define READ_SHIFT 7 /* permission bits (ox-http-api.md 3.3) */
#define LEVEL_MASK 127

/*
 * OX shows a private appointment of a shared calendar as a block called "Private" (8.19, legacy calendar), private contacts and tasks not at
 * all.  Clients get none of the three: what belongs to others and is private does not exist for them.
 */
static bool
is_closed(const struct op *op, const struct object *o)
{
	const struct content_type *t = model_content(o->ct);
	int p = model_field(t, "private_flag"), by = model_field(t, "created_by");
	int64_t user = op->s->n->account->user;

	return op->t.shared && p >= 0 && by >= 0 && json_is_true(o->v[p]) && object_get_i64(o, (unsigned)by, user) != user;
}

size_t
drop_closed(const struct op *op, struct object **o, size_t n, int64_t *closed, size_t *n_closed)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_closed(op, o[i])) {
			o[kept++] = o[i];
			continue;
		}
		if (closed != NULL)
			closed[(*n_closed)++] = o[i]->id;
		object_drop(o[i]);
	}
	return kept;
}

size_t
drop_closed_sightings(const struct op *op, struct sighting *s, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!op->t.shared || !s[i].closed)
			s[kept++] = s[i];
	return kept;
}

static enum rc
refresh_nothing(struct op *op, msec_t now, struct err *e)
{
	struct row **rows;
	struct merge m;
	size_t n;
	enum rc rc = store_rows_all(op->c, op->a, &op->t.f, true, &rows, &n, e);

	if (rc == RC_OK)
		rc = merge_begin(op, &m, n, e);
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = merge_kill(&m, rows[i], e);
	if (rc != RC_OK)
		return rc;
	if (n > 0 || !m.f.init) {
		m.f.init = true;
		m.f.seen_at = m.f.listed_at = now;
		m.head_changed = true;
	}
	op->unreadable = true;
	return merge_end(&m, e);
}

/*
 * OX refused to show the folder (WHY).  It may be withdrawn, which its user is told as "not there"; or be one into which he may only put
 * something: then it is empty for him.
 */
enum rc
refresh_refused(struct op *op, msec_t now, enum rc why, struct err *e)
{
	const struct object *f;
	struct err local;

	hierarchy_drop(op); /* what was read before may have been true then */
	if (hierarchy_load(op, &local) != RC_OK)
		return why;
	f = tree_find(op, op->t.oxid);
	if (f == NULL)
		return err_set_path(e, RC_NOTFOUND, "folder", "this folder does not exist (any more), or is not shared with this user now; sync the folder hierarchy");
	if ((tree_own_rights(f) >> READ_SHIFT & LEVEL_MASK) == 0)
		return refresh_nothing(op, now, e);
	return why;
}

/* May the user put something into the folder without seeing it?  Some OX modules refuse to list it, others list nothing. */
bool
folder_unreadable(struct op *op)
{
	const struct object *f;
	struct err e;

	if (op->unreadable || hierarchy_load(op, &e) != RC_OK)
		return op->unreadable;
	f = tree_find(op, op->t.oxid);
	return f != NULL && (tree_own_rights(f) >> READ_SHIFT & LEVEL_MASK) == 0;
}

/* The index of the folder R of the hierarchy; F->id 0 = it has none. */
static enum rc
index_of(struct op *op, const struct row *r, struct store_folder *f, uint64_t *topic, struct err *e)
{
	const char *oxid = r->oxid != NULL ? r->oxid : arena_printf(op->a, "%lld", (long long)r->id);
	enum content ct = folder_row_content(r);
	enum rc rc;

	memset(f, 0, sizeof(*f));
	if (oxid == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the hierarchy");
	if (ct == CT_COUNT)
		return RC_OK;
	*topic = tag_of_folder(op->g, op->s->n->account, ct, oxid);
	rc = store_folder_open(op->c, op->a, op->s->n->account_id, ct, oxid, false, 0, f, e);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/*
 * A folder that went takes its index along.  Whoever works on it now fails at the fence; when it comes back (rights that were taken
 * and given again) it gets a new epoch, and its clients reconcile.
 */
enum rc
drop_indexes(struct op *op, struct row *const *gone, size_t n, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		struct store_folder f;
		uint64_t topic;

		rc = index_of(op, gone[i], &f, &topic, e);
		if (rc != RC_OK || f.id == 0)
			continue;
		rc = store_folder_drop(op->c, f.id, e);
		wake_found(op->g, topic);
	}
	return rc;
}

/* Other rights show other objects, old ones too, which `updates` never tells: the next look lists the folder. */
enum rc
relist_indexes(struct op *op, struct row *const *changed, size_t n, struct err *e)
{
	const struct folder_ref ref = op->ref;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		struct store_folder f;
		uint64_t topic;

		rc = index_of(op, changed[i], &f, &topic, e);
		if (rc != RC_OK || f.id == 0)
			continue;
		rc = store_folder_relist(op->c, f.id, e);
		op->ref = (struct folder_ref){ .hierarchy = false };
		uuid_make(op->g->keys, op->t.tag, changed[i]->id, &op->ref.uuid);
		quick_forget(op);
		op->ref = ref;
		wake_found(op->g, topic);
	}
	return rc;
}

/* Does sighting S have other rights of this user than OLD? */
bool
rights_differ(const struct row *old, const struct sighting *s)
{
	unsigned i = (unsigned)model_field(model_content(CT_FOLDER), "own_rights");
	const struct row_field *was = old != NULL && !old->dead ? row_field_get(old, i) : NULL;

	for (unsigned k = 0; was != NULL && k < s->nf; k++)
		if (s->f[k].i == i)
			return s->f[k].fp != was->fp;
	return was != NULL && was->fp != 0;
}
