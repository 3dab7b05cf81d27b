/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Pings, OX's side: the polling that finds changes made outside usmd.  It exists only where somebody waits, asks OX for all PIM
 * folders of a watch in one `multiple`, and only wakes; the truth is read by the woken request.
 */
#include "engine/watch_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CARE_MS (5 * 60 * 1000)
#define POLLED_SLOTS 65536 /* lossy memory of what was polled when: a collision costs one request too many */

/* ---- what has to be asked of OX ---- */

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
refresh_locked(struct op *op, struct target *t, const struct folder_ref *ref, struct err *e)
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
	if (rc == RC_OK && op->t.f.cn != cn) {
		quick_forget(op);
		op_wake(op, op->t.topic);
	}
	store_unlock(op->c, t->f.id);
	op->locked = false;
	*t = op->t;
	stash_drop(op);
	return rc;
}

/*
 * Brings the indexes of the entries up to date with as few requests to OX as possible.  FORCE: somebody said that something
 * changed; another user of a shared folder cannot know how fresh this user's index is taken to be.  A target that is not there any
 * more (f.id 0, or OX says so: it becomes that) is for the sync to tell.
 */
enum rc
watch_look(struct op *op, const struct ping_entry *entries, struct target *targets, size_t n, bool force, struct err *e)
{
	struct ox_updates_req *req = arena_array(op->a, struct ox_updates_req, n + 1);
	size_t *of = arena_array(op->a, size_t, n + 1), k = 0;
	bool *dirty = arena_array(op->a, bool, n + 1);
	int64_t asked_us = now_mono_us();
	enum rc rc = RC_OK;

	if (req == NULL || of == NULL || dirty == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a ping");
	for (size_t i = 0; i < n; i++) {
		const struct store_folder *f = &targets[i].f;

		op->t = targets[i];
		op->ref = entries[i].folder;
		if (f->id == 0 || config_filter(op->s, &entries[i].folder, targets[i].ct, &op->hidden) == MODE_OFF ||
		    (!force && f->init && quick_fresh(op)))
			continue;
		if (!f->init || targets[i].ct == CT_MAIL || targets[i].ct == CT_FOLDER) {
			dirty[i] = true; /* these refreshes begin with a cheap question of their own */
			continue;
		}
		of[k] = i;
		req[k++] = (struct ox_updates_req){ .ct = targets[i].ct, .folder = targets[i].oxid,
			.since = settled_since(op->g, f) };
	}
	if (k > 0)
		rc = ox_updates_many(op->s->ox, op->a, req, k, e);
	for (size_t i = 0; i < k && rc == RC_OK; i++)
		if (!(dirty[of[i]] = updates_differ(op, &targets[of[i]], &req[i])))
			note_agreed(op, &targets[of[i]].f, &req[i], asked_us);
	for (size_t i = 0; i < k; i++)
		object_drop_all(req[i].objects, req[i].n);
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		uint64_t topic = targets[i].topic;

		if (!dirty[i])
			continue;
		rc = refresh_locked(op, &targets[i], &entries[i].folder, e);
		if (rc == RC_NOTFOUND) {
			targets[i].f.id = 0;
			op_wake(op, topic);
			rc = RC_OK;
		}
	}
	hierarchy_drop(op);
	return rc;
}

/* ---- the queue of watches ---- */

/* The list is a queue: every watch is due one period after it was put at its end, so the head is always the next. */
static void
watch_append_locked(struct engine_watch *w)
{
	struct engine *g = w->g;

	w->due = steady_ms() + g->o.poll_ms;
	w->next = NULL;
	w->prev = g->watches_tail;
	if (w->prev != NULL)
		w->prev->next = w;
	else
		g->watches = w;
	g->watches_tail = w;
}

void
watch_unlink_locked(struct engine_watch *w)
{
	struct engine *g = w->g;

	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		g->watches = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		g->watches_tail = w->prev;
}

void
watch_link(struct engine_watch *w)
{
	struct engine *g = w->g;

	(void)pthread_mutex_lock(&g->lock);
	watch_append_locked(w);
	if (g->watches == w)
		(void)pthread_cond_signal(&g->poll_wake); /* the first one: polling begins */
	(void)pthread_mutex_unlock(&g->lock);
}

/* ---- polling ---- */

struct polled {
	uint64_t tag;
	msec_t at;
};

/* Folders of W that nobody polled lately, noted as polled. */
static size_t
poll_pick(const struct engine_watch *w, struct polled *seen, msec_t now, struct ping_entry *out, uint64_t *topic)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		/* every user has an index of his own: that one of two who share a folder is up to date says nothing of the other */
		uint64_t tag = w->tags[i] ^ (uint64_t)w->s->n->account_id * UINT64_C(0x9e3779b97f4a7c15);
		struct polled *p = &seen[tag % POLLED_SLOTS];

		if (p->tag == tag && now - p->at < w->g->o.poll_ms * 9 / 10)
			continue;
		*p = (struct polled){ .tag = tag, .at = now };
		topic[n] = w->tags[i];
		out[n++] = w->entries[i];
	}
	return n;
}

static void
poll_one(struct engine_session *s, const struct ping_entry *entries, const uint64_t *topic, size_t n)
{
	struct arena *a = arena_new(0);
	struct target *targets = a != NULL ? arena_array(a, struct target, n) : NULL;
	struct op op = { 0 };
	struct err e = { 0 };
	enum rc rc = targets != NULL ? op_begin(&op, s, a, &e) : RC_NOMEM;

	if (rc == RC_OK)
		rc = watch_open_targets(&op, entries, n, true, targets, &e);
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		if (targets[i].f.id == 0)
			op_wake(&op, topic[i]); /* the folder is gone */
	if (rc == RC_OK)
		rc = watch_look(&op, entries, targets, n, true, &e);
	if (rc != RC_OK)
		log_debug("poll", "failed=%s %s", rc_name(rc), e.text);
	op_end(&op);
	hierarchy_drop(&op);
	arena_free(a);
}

/* Every node does it. */
void
engine_care(struct engine *g)
{
	struct store_conn *c = NULL;
	struct err e = { 0 };
	enum rc rc = store_lease(g->store, &c, &e);

	if (rc == RC_OK)
		rc = store_expire(c, now_ms(), g->o.deletions_kept_ms, &e);
	if (rc == RC_OK)
		paths_care(g, c);
	if (rc != RC_OK)
		log_warn("expire", "failed=%s %s", rc_name(rc), e.text);
	store_release(c);
	session_sweep(g);
	resync_sweep(g);
}

/* Sleeps until DUE or until something changes; the lock is held before and after. */
static void
poll_sleep_locked(struct engine *g, msec_t due)
{
	struct timespec ts = { .tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000 };

	(void)pthread_cond_timedwait(&g->poll_wake, &g->lock, &ts);
}

static void *
poll_main(void *arg)
{
	struct engine *g = arg;
	struct polled *seen = mem_alloc(POLLED_SLOTS * sizeof(*seen));
	msec_t care_due = steady_ms() + CARE_MS / 5, undo_due = steady_ms() + UNDO_MS;

	(void)pthread_mutex_lock(&g->lock);
	while (!g->stop && seen != NULL) {
		struct engine_watch *w = g->watches;
		struct engine_session *s = NULL;
		struct ping_entry *entries;
		uint64_t *topic;
		msec_t now = steady_ms();
		bool left;
		size_t n;

		if (care_due <= now) {
			care_due = now + CARE_MS;
			(void)pthread_mutex_unlock(&g->lock);
			engine_care(g);
			(void)pthread_mutex_lock(&g->lock);
			continue;
		}
		if (undo_due <= now) {
			(void)pthread_mutex_unlock(&g->lock);
			engine_undo(g, &left);
			(void)pthread_mutex_lock(&g->lock);
			undo_due = steady_ms() + (left ? 0 : UNDO_MS);
			/* polling has its turn in between */
			if (left && w != NULL && g->o.poll_ms > 0 && w->due <= now)
				undo_due = steady_ms() + 1;
			continue;
		}
		if (w == NULL || g->o.poll_ms <= 0 || w->due > now) {
			msec_t due = care_due < undo_due ? care_due : undo_due;

			poll_sleep_locked(g, w != NULL && g->o.poll_ms > 0 && w->due < due ? w->due : due);
			continue;
		}
		watch_unlink_locked(w);
		watch_append_locked(w);
		entries = mem_alloc(w->n * sizeof(*entries) + 1);
		topic = mem_alloc(w->n * sizeof(*topic) + 1);
		n = entries != NULL && topic != NULL ? poll_pick(w, seen, now, entries, topic) : 0;
		if (n > 0 && (s = mem_alloc(sizeof(*s))) != NULL) { /* a handle of its own: the watch may end meanwhile */
			*s = (struct engine_session){ .g = g, .n = w->s->n, .ox = ox_session_ref(w->s->ox) };
			s->n->refs++;
		}
		(void)pthread_mutex_unlock(&g->lock);
		if (s != NULL) {
			poll_one(s, entries, topic, n);
			engine_session_close(s);
		}
		mem_free(entries);
		mem_free(topic);
		(void)pthread_mutex_lock(&g->lock);
	}
	(void)pthread_mutex_unlock(&g->lock);
	mem_free(seen);
	return NULL;
}

enum rc
engine_start(struct engine *g, struct err *e)
{
	if (pthread_create(&g->poller, NULL, poll_main, g) != 0)
		return err_set(e, RC_NOMEM, "the engine's thread could not be started");
	g->polling = true;
	return RC_OK;
}

void
watch_stop(struct engine *g)
{
	if (!g->polling)
		return;
	(void)pthread_mutex_lock(&g->lock);
	g->stop = true;
	(void)pthread_cond_broadcast(&g->poll_wake);
	(void)pthread_mutex_unlock(&g->lock);
	(void)pthread_join(g->poller, NULL);
	g->polling = false;
}
