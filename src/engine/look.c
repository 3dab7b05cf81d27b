/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One look at folders that somebody waits for: all of them in one `multiple` (of mail the counters), and only those that differ
 * from their index are read, under their lock.
 */
#include "engine/watch_int.h"

#include <string.h>

/* Mail: does anything but flags differ? */
static bool
counters_differ(const struct store_folder *f, const struct ox_updates_req *r)
{
	return r->rc != RC_OK || r->mail.validity != f->validity || r->mail.next != f->uidnext || r->mail.total != f->total || r->mail.unread != f->unread;
}

/* Does what OX answered differ from the index?  A plain look without the lock: the refresh decides. */
static bool
updates_differ(struct op *op, const struct target *t, const struct ox_updates_req *r)
{
	struct target saved = op->t;
	int64_t *ids = arena_array(op->a, int64_t, r->n + r->n_deleted + 1);
	struct row **rows;
	size_t n = 0, got, live = 0, at;
	struct imap *known = imap_new(op->a, r->n + r->n_deleted);
	struct err e;
	bool differ = true;

	if (r->rc != RC_OK)
		return r->rc == RC_NOTFOUND; /* contacts' SVL-0011: deletions lie in the interval */
	for (size_t i = 0; ids != NULL && i < r->n; i++)
		ids[n++] = r->objects[i]->id;
	for (size_t i = 0; ids != NULL && i < r->n_deleted; i++)
		ids[n++] = r->deleted[i];
	op->t = *t;
	if (ids != NULL && known != NULL && store_rows_get(op->c, op->a, &t->f, ids, n, &rows, &got, &e) == RC_OK) {
		differ = false;
		for (size_t i = 0; i < got && !differ; i++) {
			live += !rows[i]->dead;
			differ = !imap_put(known, rows[i]->id, i);
		}
		differ = differ || live != r->n;
		for (size_t i = 0; i < r->n && !differ; i++)
			differ = !imap_get(known, r->objects[i]->id, &at) || rows[at]->lm != r->objects[i]->lm;
	}
	op->t = saved;
	return differ;
}

static void
note_agreed(struct op *op, const struct store_folder *f, const struct ox_updates_req *r, int64_t asked_us)
{
	msec_t newest = f->ox_ts;

	for (size_t i = 0; r->rc == RC_OK && i < r->n; i++)
		newest = r->objects[i]->lm > newest ? r->objects[i]->lm : newest;
	if (r->rc == RC_OK)
		settled_note(op->g, f, asked_us, newest, r->n + r->n_deleted);
}

static enum rc
refresh_locked(struct op *op, struct target *t, const struct folder_ref *ref, bool *changed, struct err *e)
{
	uint64_t cn;
	enum rc rc = store_lock(op->c, t->f.id, e);

	if (rc != RC_OK)
		return rc;
	op->locked = true;
	op->ref = *ref;
	rc = target_open(op, ref, &op->t, e);
	cn = op->t.f.cn;
	if (rc == RC_OK)
		rc = op_refresh(op, true, e);
	*changed = rc == RC_OK && op->t.f.cn != cn;
	if (*changed) {
		quick_forget(op);
		wake_found(op->g, op->t.topic);
	}
	store_unlock(op->c, t->f.id);
	op->locked = false;
	*t = op->t;
	stash_drop(op);
	return rc;
}

/* Is there anything to ask about target I?  Then its question, in R, or at once *DIRTY: its refresh begins with a cheap question of its own. */
static bool
question(struct op *op, const struct target *t, const struct ping_entry *en, const struct look *l, bool force, bool *dirty, struct ox_updates_req *r)
{
	const struct store_folder *f = &t->f;

	op->t = *t;
	op->ref = en->folder;
	if (f->id == 0)
		return false;
	if (l != NULL) /* for all devices together: what one of them does not get another does */
		memset(&op->hidden, 0, sizeof(op->hidden));
	else if (config_filter(op->s, &en->folder, t->ct, &op->hidden) == MODE_OFF || (!force && f->init && quick_fresh(op)))
		return false;
	if (!f->init || t->ct == CT_FOLDER || (t->ct == CT_MAIL && l != NULL && l->flags)) {
		*dirty = true;
		return false;
	}
	*r = (struct ox_updates_req){ .ct = t->ct, .folder = t->oxid, .since = settled_since(op->g, f) };
	return true;
}

static enum rc
read_dirty(struct op *op, const struct ping_entry *en, struct target *t, struct look *l, struct err *e)
{
	uint64_t topic = t->topic, next = t->f.uidnext;
	bool changed = false;
	enum rc rc = refresh_locked(op, t, &en->folder, &changed, e);

	if (rc == RC_NOTFOUND) {
		t->f.id = 0;
		wake_found(op->g, topic);
		rc = RC_OK;
	}
	if (l != NULL && rc == RC_OK) {
		l->changed = t->f.id == 0 || changed;
		l->arrived = t->ct == CT_MAIL && t->f.uidnext > next;
	}
	return rc;
}

/*
 * Brings the indexes of the entries up to date with as few requests to OX as possible.  FORCE: somebody said that something
 * changed; another user of a shared folder cannot know how fresh this user's index is taken to be.  A target that is not there any
 * more (f.id 0, or OX says so: it becomes that) is for the sync to tell.  LOOKS, one an entry: it is a poll; NULL: a client's look.
 */
enum rc
watch_look(struct op *op, const struct ping_entry *entries, struct target *targets, size_t n, bool force, struct look *looks, struct err *e)
{
	struct ox_updates_req *req = arena_array(op->a, struct ox_updates_req, n + 1);
	size_t *of = arena_array(op->a, size_t, n + 1), k = 0;
	bool *dirty = arena_array(op->a, bool, n + 1);
	int64_t asked_us = now_mono_us();
	enum rc rc = RC_OK;

	if (req == NULL || of == NULL || dirty == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a ping");
	for (size_t i = 0; i < n; i++) {
		if (looks != NULL)
			looks[i].ct = targets[i].f.id != 0 ? targets[i].ct : CT_COUNT;
		if (question(op, &targets[i], &entries[i], looks != NULL ? &looks[i] : NULL, force, &dirty[i], &req[k]))
			of[k++] = i;
	}
	if (k > 0)
		rc = ox_updates_many(op->s->ox, op->a, req, k, e);
	for (size_t i = 0; i < k && rc == RC_OK; i++) {
		const struct target *t = &targets[of[i]];

		dirty[of[i]] = t->ct == CT_MAIL ? counters_differ(&t->f, &req[i]) : updates_differ(op, t, &req[i]);
		if (t->ct != CT_MAIL && !dirty[of[i]])
			note_agreed(op, &t->f, &req[i], asked_us);
	}
	for (size_t i = 0; i < k; i++)
		object_drop_all(req[i].objects, req[i].n);
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		if (dirty[i])
			rc = read_dirty(op, &entries[i], &targets[i], looks != NULL ? &looks[i] : NULL, e);
	for (size_t i = 0; i < n && looks != NULL; i++) {
		looks[i].epoch = targets[i].f.epoch;
		looks[i].cn = targets[i].f.cn;
	}
	hierarchy_drop(op);
	return rc;
}
