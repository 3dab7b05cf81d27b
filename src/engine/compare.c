/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What nobody told: a node may die between the commit of a change and telling of it, and then the index is newer than what waits at the
 * other nodes has seen; asking OX does not show it, since index and OX agree.  So a thread reads the versions of all indexes that are
 * waited for, many in one statement, and compares them with what each client saw when it looked last.  Who is behind twice in a row, and has not
 * looked in between, was not told; a wake-up that is on its way is never taken for a missing one unless it takes as long.
 */
#include "engine/watch_int.h"

#include <time.h>

#define AT_ONCE 1000            /* folders in one statement, and those of the accounts of one slot */
#define COMPARED_PER_SECOND 5000 /* some 10 us each at PostgreSQL: where more are waited for, a round takes longer than ping_compare_interval */

/** The folders of some slots of the table of accounts. */
struct part {
	size_t from, to;
	struct store_version *v;
	size_t n, cap;
	uint64_t *missed;   /* topics */
	size_t n_missed;
};

static bool
part_add(struct part *x, int64_t folder)
{
	if (x->n == x->cap) {
		size_t cap = x->cap == 0 ? AT_ONCE : 2 * x->cap;
		struct store_version *v = mem_realloc(x->v, cap * sizeof(*v));

		if (v == NULL)
			return false;
		x->v = v;
		x->cap = cap;
	}
	x->v[x->n++] = (struct store_version){ .folder = folder };
	return true;
}

/* From x->to on, until there is enough for one statement; false = out of memory. */
static bool
part_take_locked(const struct poll *p, struct part *x)
{
	x->from = x->to;
	x->n = x->n_missed = 0;
	for (; x->to < ACCOUNT_SLOTS && x->n < AT_ONCE; x->to++)
		for (const struct waited *w = p->account[x->to]; w != NULL; w = w->chain)
			for (const struct waited_folder *f = w->watches != NULL ? w->folders : NULL; f != NULL; f = f->next)
				if (f->watches > 0 && f->id != 0 && !part_add(x, f->id))
					return false;
	return true;
}

/* W has looked before; is one of its folders newer than it was then? */
static bool
is_behind(const struct engine_watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->of[i]->compared && w->of[i]->state != w->entries[i].state)
			return true;
	return false;
}

static void
note_behind_locked(struct engine_watch *w)
{
	bool behind = w->seen && is_behind(w);

	for (size_t i = 0; behind && w->behind && i < w->n; i++)
		w->of[i]->missed = w->of[i]->missed || (w->of[i]->compared && w->of[i]->state != w->entries[i].state);
	w->behind = behind;
}

static void
account_compare_locked(const struct engine *g, struct waited *w, struct part *x, const struct imap *at)
{
	size_t k;

	for (struct waited_folder *f = w->folders; f != NULL; f = f->next) {
		f->missed = false;
		f->compared = f->id != 0 && imap_get(at, f->id, &k); /* else it came meanwhile */
		if (f->compared)
			f->state = watch_state(g, &f->folder, x->v[k].there ? x->v[k].epoch : 0, x->v[k].there ? x->v[k].cn : 0);
	}
	for (struct engine_watch *q = w->watches; q != NULL; q = q->next)
		note_behind_locked(q);
	for (const struct waited_folder *f = w->folders; f != NULL; f = f->next)
		if (f->missed && x->missed != NULL && x->n_missed < x->n)
			x->missed[x->n_missed++] = f->topic;
}

/* Compares what was taken with what the database says; the topics of those who were not told into x->missed. */
static enum rc
part_compare(struct engine *g, struct part *x, struct err *e)
{
	struct arena *a = arena_new(0);
	struct imap *at = a != NULL ? imap_new(a, x->n) : NULL;
	struct store_conn *c = NULL;
	enum rc rc = at != NULL ? store_lease(g->store, &c, e) : err_set(e, RC_NOMEM, "out of memory");

	if (rc == RC_OK)
		rc = store_folder_versions(c, x->v, x->n, e);
	store_release(c);
	x->missed = rc == RC_OK ? arena_array(a, uint64_t, x->n) : NULL;
	for (size_t i = 0; rc == RC_OK && i < x->n; i++)
		if (x->missed == NULL || !imap_put(at, x->v[i].folder, i))
			rc = err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK) {
		(void)pthread_mutex_lock(&g->poll->lock);
		for (size_t i = x->from; i < x->to; i++)
			for (struct waited *w = g->poll->account[i]; w != NULL; w = w->chain)
				account_compare_locked(g, w, x, at);
		(void)pthread_mutex_unlock(&g->poll->lock);
	}
	for (size_t i = 0; x->missed != NULL && i < x->n_missed; i++)
		if (hub_wake(g->hub, x->missed[i]) > 0)
			metric_add(M_UNTOLD, 1);
	arena_free(a);
	return rc;
}

/* Until AT or the end of the engine. */
static void
sleep_locked(struct poll *p, int64_t at)
{
	const struct timespec ts = { .tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000 };

	while (!p->stop && steady_ms() < at)
		(void)pthread_cond_timedwait(&p->ended, &p->lock, &ts);
}

/* Once through the table.  The lock is held before and after. */
static void
compare_all_locked(struct poll *p)
{
	struct part x = { 0 };
	struct err e = { 0 };
	enum rc rc = RC_OK;

	while (rc == RC_OK && x.to < ACCOUNT_SLOTS && !p->stop) {
		int64_t began = steady_ms();

		if (!part_take_locked(p, &x))
			rc = err_set(&e, RC_NOMEM, "out of memory");
		if (rc != RC_OK || x.n == 0)
			continue;
		(void)pthread_mutex_unlock(&p->lock);
		rc = part_compare(p->g, &x, &e);
		(void)pthread_mutex_lock(&p->lock);
		sleep_locked(p, began + (int64_t)x.n * 1000 / COMPARED_PER_SECOND);
	}
	if (rc != RC_OK)
		log_debug("compare", "failed=%s %s", rc_name(rc), e.text);
	mem_free(x.v);
}

static void *
compare_main(void *arg)
{
	struct poll *p = arg;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		int64_t next = steady_ms() + p->g->o.compare_ms;

		compare_all_locked(p);
		sleep_locked(p, next);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

enum rc
compare_start(struct poll *p, struct err *e)
{
	if (p->g->o.compare_ms == 0)
		return RC_OK;
	if (pthread_create(&p->comparer, NULL, compare_main, p) != 0)
		return err_set(e, RC_NOMEM, "the thread that compares what waits could not be started");
	p->comparing = true;
	return RC_OK;
}

void
compare_stop(struct poll *p)
{
	if (p->comparing)
		(void)pthread_join(p->comparer, NULL);
	p->comparing = false;
}
