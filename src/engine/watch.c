/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pings and event streams, the client's side: what a parked client waits for, and the look whether something is newer than what it knows. */
#include "engine/watch_int.h"

#include <stdio.h>
#include <string.h>

uint64_t
engine_account_topic(const struct engine *g, int64_t context, int64_t user)
{
	const int64_t v[2] = { context, user };

	return siphash24(g->topic_key, v, sizeof(v));
}

/* Who waits at other nodes. */
void
wake_others(struct engine *g, uint64_t topic)
{
	store_notify(g->store, topic, cache_publish(g->cache, topic));
}

void
wake_found(struct engine *g, uint64_t topic)
{
	(void)hub_wake(g->hub, topic);
	wake_others(g, topic);
}

void
op_wake(struct op *op, uint64_t topic)
{
	wake_found(op->g, topic);
	engine_wrote(op, topic);
}

/* A folder that goes while somebody waits for it is a change (KNOWN), one that never was is a mistake. */
enum rc
watch_open_targets(struct op *op, const struct ping_entry *entries, size_t n, bool known, struct target *targets, struct err *e)
{
	int64_t id;

	for (size_t i = 0; i < n; i++) {
		enum rc rc = target_open(op, &entries[i].folder, &targets[i], e);

		/* one folder that went must not end the ping for all others: it is "changed", and its sync will tell */
		if (rc == RC_NOTFOUND && (known || uuid_id(op->g->keys, op->s->n->account->hier_tag, &entries[i].folder.uuid, &id))) {
			targets[i].f.id = 0;
			continue;
		}
		if (rc == RC_NOTFOUND && e != NULL)
			(void)snprintf(e->path, sizeof(e->path), "folders[%zu].folder", i);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc
engine_watch_resubscribe(struct engine_watch *w, struct hub_waiter **waiter, struct err *e)
{
	enum rc rc = hub_subscribe(w->g->hub, w->tags, w->n + 1, waiter);

	if (rc == RC_LIMIT) {
		rc = err_set(e, RC_BUSY, "too many clients wait at this server; try again later");
		if (e != NULL)
			e->retry_after_s = 30;
	} else if (rc != RC_OK) {
		rc = err_set(e, rc, "out of memory for a ping");
	} else if (!hub_claim(*waiter, w->claim, w->ticket) || claim_is_lost(w)) {
		hub_waiter_free(*waiter);
		*waiter = NULL;
	}
	return rc;
}

static uint64_t
claim_of(const struct engine_session *s, enum watch_kind kind)
{
	const struct { int64_t device, kind; } name = { s->n->device_id, kind };

	return siphash24(s->g->topic_key, &name, sizeof(name));
}

enum rc
engine_watch_new(struct engine_session *s, enum watch_kind kind, const struct ping_entry *entries, size_t n, struct engine_watch **out,
    struct hub_waiter **waiter, struct err *e)
{
	const uint64_t ticket = hub_ticket(); /* of the moment when the client asked, not of that when the database had answered */
	struct engine_watch *w = NULL;
	struct arena *a = arena_new(0);
	struct target *targets = NULL;
	struct op op = { 0 };
	enum rc rc;

	*out = NULL;
	*waiter = NULL;
	if (a != NULL) {
		targets = arena_array(a, struct target, n);
		w = mem_alloc(sizeof(*w) + n * sizeof(w->entries[0]));
	}
	if (targets == NULL || w == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory for a ping");
		goto out;
	}
	rc = op_begin(&op, s, a, e);
	if (rc == RC_OK)
		rc = watch_open_targets(&op, entries, n, false, targets, e);
	op_end(&op);
	if (rc != RC_OK)
		goto out;
	w->g = s->g;
	w->n = n;
	w->kind = kind;
	w->claim = claim_of(s, kind);
	w->ticket = ticket;
	memcpy(w->entries, entries, n * sizeof(*entries));
	w->tags = mem_alloc((n + 1) * sizeof(*w->tags) + n * sizeof(struct waited_folder *));
	w->s = w->tags != NULL ? session_dup(s) : NULL;
	if (w->s == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory for a ping");
		goto out;
	}
	w->of = (struct waited_folder **)(void *)(w->tags + n + 1);
	for (size_t i = 0; i < n; i++)
		w->tags[i] = targets[i].topic;
	w->tags[n] = engine_account_topic(s->g, s->n->account->context, s->n->account->user);
	rc = engine_watch_resubscribe(w, waiter, e);
	if (rc != RC_OK)
		goto out;
	if (!watch_link(w, targets)) {
		rc = err_set(e, RC_NOMEM, "out of memory for a ping");
		goto out;
	}
	if (*waiter != NULL)
		claim_tell(w);
	*out = w;
	w = NULL;
out:
	if (w != NULL) {
		engine_session_close(w->s);
		mem_free(w->tags);
		mem_free(w);
	}
	hierarchy_drop(&op);
	arena_free(a);
	return rc;
}

void
engine_watch_free(struct engine_watch *w)
{
	if (w == NULL)
		return;
	watch_unlink(w);
	engine_session_close(w->s);
	mem_free(w->tags);
	mem_free(w->replay);
	mem_free(w);
}

enum rc
engine_watch_replay(struct engine_watch *w, const uint64_t *states, size_t n, struct err *e)
{
	w->replay = mem_alloc(n * sizeof(*states) + 1);
	if (w->replay == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an event stream");
	if (n > 0)
		memcpy(w->replay, states, n * sizeof(*states));
	w->n_replay = n;
	return RC_OK;
}

uint64_t
watch_state(const struct engine *g, const struct folder_ref *folder, uint64_t epoch, uint64_t cn)
{
	const struct { struct uuid folder; uint64_t epoch, cn; } v = { .folder = folder->uuid, .epoch = epoch, .cn = cn };

	return siphash24(g->topic_key, &v, sizeof(v)) >> (64 - WATCH_STATE_BITS);
}

static uint64_t
state_of(const struct op *op, const struct target *t, const struct ping_entry *en)
{
	return watch_state(op->g, &en->folder, t->f.id != 0 ? t->f.epoch : 0, t->f.id != 0 ? t->f.cn : 0);
}

static bool
was_told(const struct engine_watch *w, const struct ping_entry *en, uint64_t state)
{
	if (w->told)
		return en->state == state;
	for (size_t i = 0; i < w->n_replay; i++)
		if (w->replay[i] == state)
			return true;
	return false;
}

/*
 * What the client is taken to hold: its syncid.  Those that a stream began with are gone once the client goes on, so after that it is
 * the device's newest: what was answered with it need not be told.  (A client that did not get that answer asks for it again by itself.)
 */
static enum rc
cursor_of(struct op *op, const struct engine_watch *w, const struct target *t, const struct ping_entry *en, struct store_cursor *out,
    struct err *e)
{
	struct store_cursor *all;
	size_t n;
	enum rc rc = RC_NOTFOUND;

	if (!w->told)
		rc = store_cursor_get(op->c, op->a, op->s->n->device_id, t->f.id, &en->syncid, out, e);
	if (rc != RC_NOTFOUND || (!w->told && w->replay == NULL))
		return rc;
	rc = store_cursor_children(op->c, op->a, op->s->n->device_id, t->f.id, 0, &all, &n, e);
	if (rc == RC_OK && n == 0)
		return RC_NOTFOUND;
	if (rc == RC_OK)
		*out = all[n - 1];
	return rc;
}

/* Is there anything that this syncid does not say, and that this device gets?  An unknown syncid counts as changed: the sync will tell. */
static enum rc
entry_changed(struct op *op, const struct engine_watch *w, const struct target *t, struct ping_entry *en, struct err *e)
{
	struct store_cursor cur;
	enum rc rc;

	en->changed = false;
	if (w->kind == WATCH_EVENTS && was_told(w, en, state_of(op, t, en)))
		return RC_OK;
	if (t->f.id == 0) { /* gone while the client waited: its sync will tell */
		en->changed = true;
		return RC_OK;
	}
	if (config_filter(op->s, &en->folder, t->ct, &op->hidden) == MODE_OFF)
		return RC_OK;
	rc = cursor_of(op, w, t, en, &cur, e);
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	op_window(op, t->ct, &op->w0, &op->w1);
	en->changed = rc == RC_NOTFOUND || cur.more || cur.c.epoch != t->f.epoch || cur.c.lo != t->f.cn || cur.c.view.w0 != op->w0 ||
	    cur.c.view.w1 != op->w1 || !fmask_equal(&cur.c.seen.hidden, &op->hidden);
	if (!en->changed || rc != RC_OK || cur.more || cur.c.epoch != t->f.epoch)
		return RC_OK;
	op->t = *t; /* something changed, perhaps only what this device does not get: other fields, outside its window */
	return op_anything_new(op, &cur.c, &en->changed, e);
}

static enum rc
count_changed(struct op *op, struct engine_watch *w, const struct target *targets, size_t *n_changed, struct err *e)
{
	enum rc rc = RC_OK;

	*n_changed = 0;
	for (size_t i = 0; i < w->n && rc == RC_OK; i++) {
		rc = entry_changed(op, w, &targets[i], &w->entries[i], e);
		*n_changed += w->entries[i].changed;
	}
	return rc;
}

/* All of it was looked at; what is compared (compare.c) is what was seen now. */
static void
note_seen(const struct op *op, struct engine_watch *w, const struct target *targets)
{
	struct poll *p = op->g->poll;

	if (p != NULL)
		(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < w->n; i++)
		w->entries[i].state = state_of(op, &targets[i], &w->entries[i]);
	w->seen = true;
	w->behind = false;
	if (p != NULL)
		(void)pthread_mutex_unlock(&p->lock);
}

/* What is told now is what is there now. */
static void
note_told(struct engine_watch *w)
{
	w->told = true;
	mem_free(w->replay);
	w->replay = NULL;
	w->n_replay = 0;
}

enum rc
engine_watch_check(struct engine_watch *w, bool refresh, const struct ping_entry **entries, size_t *n, size_t *n_changed, struct err *e)
{
	struct arena *a = arena_new(0);
	struct target *targets = a != NULL ? arena_array(a, struct target, w->n) : NULL;
	struct op op = { 0 };
	enum rc rc;

	*entries = w->entries;
	*n = w->n;
	*n_changed = 0;
	session_renew(w->s);
	rc = targets != NULL ? ox_session_check(w->s->ox, e) : err_set(e, RC_NOMEM, "out of memory for a ping");
	if (rc == RC_OK)
		rc = op_begin(&op, w->s, a, e);
	if (rc == RC_OK)
		rc = watch_open_targets(&op, w->entries, w->n, true, targets, e);
	/* a client that begins to wait asks OX; after that it is asked for all clients of the account together, and they are woken when it has something */
	if (rc == RC_OK && refresh && !w->looked) {
		rc = watch_look(&op, w->entries, targets, w->n, false, NULL, e);
		w->looked = true;
	}
	if (rc == RC_OK)
		rc = count_changed(&op, w, targets, n_changed, e);
	if (rc == RC_OK)
		note_seen(&op, w, targets);
	if (rc == RC_OK && w->kind == WATCH_EVENTS)
		note_told(w);
	op_end(&op);
	hierarchy_drop(&op);
	arena_free(a);
	return rc;
}

bool
engine_watch_renewed(struct engine_watch *w, const char *token)
{
	return token != NULL && engine_session_renewed(w->s, token);
}
