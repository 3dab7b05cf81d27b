/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Asking OX where somebody waits: a few threads take the account that is due, look at what is due of it in one `multiple`, and wake who
 * waits if something is new.  All accounts together keep a budget of requests; those that OX itself told of go first, and both kinds go
 * in the order in which they became due, so no account is served twice before another one that waits.
 */
#include "engine/watch_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_MEMORY_MS 5000
#define TOLD_TURNS 4    /* of so many looks one is a poll, when both wait */
#define FLAGS_EVERY 4   /* in units of ping_poll_interval: flags of the INBOX are compared so often */
#define FLAGS_RARELY 20 /* those of other folders */
#define HOOK_RETRY_MS (INT64_C(60) * 60 * 1000)

/*
 * What was told and could not be looked into is tried again, after the first failure, the second and each further one: a lock, a connection or
 * a busy OX are free again soon, and who waits was promised to hear at once; a server that is down is not.  While OX refuses everybody for some
 * time (429) the backend answers by itself, so trying costs OX nothing.
 */
static const int64_t retry_ms[] = { 250, 1000, 5000 };

/** One look, taken out of the lock. */
struct job {
	struct waited *w;
	struct engine_session *s;
	size_t n;
	struct ping_entry *entries;
	struct look *looks;
	uint64_t *topic;
	bool *told;
	bool polls;             /* some of it was due, not told */
	bool subscribe;
	/* afterwards */
	enum rc rc;
	bool subscribed;
	uint64_t requests;
};

/* ---- the budget ---- */

/* How long until a look may begin, 0 = now. */
static int64_t
budget_wait_locked(struct poll *p, int64_t now)
{
	double rate = p->g->o.poll_rate, most = rate > 10 ? rate / 10 : 1; /* never more than a tenth of a second's worth at once */

	if (rate <= 0)
		return 0;
	p->tokens += (double)(now - p->tokens_at) * rate / 1000;
	p->tokens_at = now;
	if (p->tokens > most)
		p->tokens = most;
	return p->tokens >= 1 ? 0 : (int64_t)((1 - p->tokens) * 1000 / rate) + 1;
}

/* ---- what to do next ---- */

/* The account whose turn it is, or NULL and *UNTIL. */
static struct waited *
next_locked(struct poll *p, int64_t now, int *heap, int64_t *until)
{
	struct waited *due[HEAPS];

	*until = NEVER;
	for (int i = 0; i < HEAPS; i++) {
		due[i] = p->heap[i].n > 0 ? p->heap[i].w[1] : NULL;
		if (due[i] != NULL && due[i]->key[i] > now) {
			*until = due[i]->key[i] < *until ? due[i]->key[i] : *until;
			due[i] = NULL;
		}
	}
	*heap = due[HEAP_TOLD] == NULL || (due[HEAP_POLL] != NULL && p->turn >= TOLD_TURNS - 1) ? HEAP_POLL : HEAP_TOLD;
	return due[*heap];
}

static bool
is_due(const struct poll *p, const struct waited_folder *f, int64_t now)
{
	int64_t pace = waited_pace(p, f), due = waited_due(p, f);

	/* what would be due soon goes along: one request is made anyway */
	return due != NEVER && (due <= now || f->polled + pace <= now + pace / 4);
}

static void
job_free(struct job *j)
{
	engine_session_close(j->s);
	mem_free(j->entries);
	mem_free(j->looks);
	mem_free(j->topic);
	mem_free(j->told);
}

static void
job_take(struct job *j, struct poll *p, struct waited_folder *f, bool told, int64_t now)
{
	j->topic[j->n] = f->topic;
	j->entries[j->n].folder = f->folder;
	j->told[j->n] = told;
	if (f->flags_at <= now) {
		j->looks[j->n].flags = true;
		f->flags_at = now + p->g->o.poll_ms * (f->topic == f->w->inbox_topic ? FLAGS_EVERY : FLAGS_RARELY);
	}
	j->n++;
	j->polls = j->polls || !told;
	f->told = f->told && !told; /* what is to be looked into later is */
}

/* What is to be looked at of W; false = nothing (any more), or no memory. */
static bool
job_make_locked(struct poll *p, struct waited *w, struct job *j, int64_t now)
{
	size_t n = 0;
	bool due = false;

	memset(j, 0, sizeof(*j));
	j->w = w;
	for (const struct waited_folder *f = w->folders; f != NULL; f = f->next) {
		n++;
		due = due || (f->watches > 0 && waited_due(p, f) <= now);
	}
	j->s = w->watches != NULL ? session_dup(w->watches->s) : NULL;
	j->entries = mem_alloc(n * sizeof(*j->entries) + 1);
	j->looks = mem_alloc(n * sizeof(*j->looks) + 1);
	j->topic = mem_alloc(n * sizeof(*j->topic) + 1);
	j->told = mem_alloc(n * sizeof(*j->told) + 1);
	if (j->s == NULL || j->entries == NULL || j->looks == NULL || j->topic == NULL || j->told == NULL)
		return false;
	for (struct waited_folder *f = w->folders; f != NULL; f = f->next) {
		bool told = f->told && f->look_at <= now;

		if (f->watches > 0 && (told || (due && is_due(p, f, now))))
			job_take(j, p, f, told, now);
	}
	j->subscribe = p->g->o.webhook[0] != '\0' && w->subscribe_at <= now;
	return j->n > 0;
}

/* ---- the look itself, without the lock ---- */

static void
subscribe(struct engine *g, struct job *j)
{
	struct err e = { 0 };
	int64_t now = steady_ms();
	enum rc rc = ox_push_subscribe(j->s->ox, g->o.webhook, g->o.webhook_uri, now_ms() + 2 * g->o.webhook_renew_ms, &e);

	j->subscribed = rc == RC_OK;
	if (rc == RC_OK || rc == RC_DENIED)
		return;
	(void)pthread_mutex_lock(&g->poll->lock);
	if (g->poll->hook_complained == 0 || now - g->poll->hook_complained >= HOOK_RETRY_MS) {
		g->poll->hook_complained = now;
		log_info("webhook", "webhook=%s code=%s text=OX does not take subscriptions (%s); it is asked again in an hour", g->o.webhook, e.code, e.text);
	}
	(void)pthread_mutex_unlock(&g->poll->lock);
}

static void
job_run(struct engine *g, struct job *j)
{
	struct arena *a = arena_new(0);
	struct target *targets = a != NULL ? arena_array(a, struct target, j->n) : NULL;
	uint64_t before = backend_requests();
	struct op op = { 0 };
	struct err e = { 0 };

	j->rc = targets != NULL ? op_begin(&op, j->s, a, &e) : RC_NOMEM;
	if (j->rc == RC_OK)
		j->rc = watch_open_targets(&op, j->entries, j->n, true, targets, &e);
	for (size_t i = 0; i < j->n && j->rc == RC_OK; i++)
		if (targets[i].f.id == 0)
			wake_found(g, j->topic[i]); /* the folder is gone */
	if (j->rc == RC_OK)
		j->rc = watch_look(&op, j->entries, targets, j->n, true, j->looks, &e);
	op_end(&op);
	hierarchy_drop(&op);
	arena_free(a);
	if (j->rc == RC_OK && j->subscribe)
		subscribe(g, j);
	j->requests = backend_requests() - before;
	metric_add(M_POLLS, 1);
	if (j->rc != RC_OK) {
		metric_add(M_POLL_ERRORS, 1);
		log_debug("poll", "failed=%s %s", rc_name(j->rc), e.text);
	}
	/* the session is over and nothing opens a new one: everybody who waits with it finds that out for himself, and is told to log in again;
	 * other nodes have sessions of their own, and look now */
	if (j->rc == RC_DENIED)
		wake_found(g, engine_account_topic(g, j->w->context, j->w->user));
}

/* ---- what follows from it ---- */

static void
interval_next(const struct engine_options *o, struct waited *w, const struct job *j, bool changed)
{
	int64_t most = o->poll_max_ms > o->poll_ms ? o->poll_max_ms : o->poll_ms;

	if (j->rc != RC_OK)
		w->interval = w->interval * 2;
	else if (changed)
		w->interval = o->poll_ms;
	else if (j->polls)
		w->interval += w->interval / 2;
	w->interval = w->interval > most ? most : w->interval;
}

static void
folder_done_locked(struct poll *p, struct waited_folder *f, const struct job *j, size_t i, int64_t now)
{
	const struct look *l = &j->looks[i];
	int64_t before = f->polled;

	f->polled = now;
	if (j->told[i])
		f->answered = now;
	if (j->rc != RC_OK) {
		if (j->told[i] && !f->told) {
			f->told = true;
			f->look_at = now + retry_ms[f->failed];
			if (f->failed + 1U < ARRAY_LEN(retry_ms))
				f->failed++;
		}
		return;
	}
	f->failed = 0;
	f->ct = l->ct;
	source_found_locked(p, f, l, j->told[i], before, now);
	if (j->told[i])
		told_looked_locked(f, l, now);
	f->epoch = l->epoch;
	f->cn = l->cn;
}

static void
job_done_locked(struct poll *p, struct job *j)
{
	struct waited *w = j->w;
	int64_t now = steady_ms();
	bool changed = false;

	w->busy = false;
	for (size_t i = 0; i < j->n; i++) {
		struct waited_folder *f = waited_folder_locked(w, j->topic[i]);

		changed = changed || j->looks[i].changed;
		if (f != NULL)
			folder_done_locked(p, f, j, i, now);
	}
	interval_next(&p->g->o, w, j, changed);
	if (j->subscribe && j->rc == RC_OK)
		w->subscribe_at = now + (j->subscribed ? p->g->o.webhook_renew_ms : HOOK_RETRY_MS);
	if (p->g->o.poll_rate > 0)
		p->tokens -= j->requests > 1 ? (double)(j->requests - 1) : 0;
	source_judge_locked(p, w, now);
	waited_plan_locked(p, w);
}

/* ---- threads ---- */

static void
sleep_until_locked(struct poll *p, int64_t until)
{
	struct timespec ts = { .tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000 };

	if (until == NEVER)
		(void)pthread_cond_wait(&p->wake, &p->lock);
	else
		(void)pthread_cond_timedwait(&p->wake, &p->lock, &ts);
}

static void
serve_locked(struct poll *p, struct waited *w, int heap, int64_t now)
{
	struct job j;

	p->turn = heap == HEAP_TOLD ? p->turn + 1 : 0;
	source_judge_locked(p, w, now);
	heap_drop_locked(p, w);
	if (!job_make_locked(p, w, &j, now)) {
		waited_plan_locked(p, w);
		if (w->watches != NULL && j.s == NULL && w->at[HEAP_POLL] != 0) /* out of memory: not at once again */
			sleep_until_locked(p, now + NO_MEMORY_MS);
	} else {
		w->busy = true;
		if (p->g->o.poll_rate > 0)
			p->tokens -= 1;
		(void)pthread_mutex_unlock(&p->lock);
		job_run(p->g, &j);
		(void)pthread_mutex_lock(&p->lock);
		job_done_locked(p, &j);
	}
	(void)pthread_mutex_unlock(&p->lock);
	job_free(&j);
	(void)pthread_mutex_lock(&p->lock);
}

static void *
poll_main(void *arg)
{
	struct poll *p = arg;
	bool waited = false;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		int64_t now = steady_ms(), until, wait;
		int heap;
		struct waited *w = next_locked(p, now, &heap, &until);

		wait = w != NULL ? budget_wait_locked(p, now) : 0;
		if (w == NULL || wait > 0) {
			if (w != NULL && !waited)
				metric_add(M_POLL_DEFERRED, 1);
			waited = w != NULL;
			sleep_until_locked(p, w != NULL ? now + wait : until);
			continue;
		}
		waited = false;
		serve_locked(p, w, heap, now);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

enum rc
poll_start(struct engine *g, struct err *e)
{
	struct poll *p = mem_alloc(sizeof(*p));
	pthread_condattr_t ca;

	if (p == NULL)
		return err_set(e, RC_NOMEM, "out of memory for polling");
	p->g = g;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_init(&ca);
	(void)pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->wake, &ca);
	(void)pthread_cond_init(&p->ended, &ca);
	(void)pthread_condattr_destroy(&ca);
	p->tokens_at = steady_ms();
	g->poll = p;
	p->thread = mem_alloc(g->o.poll_workers * sizeof(*p->thread) + 1);
	for (; p->thread != NULL && p->n_threads < g->o.poll_workers; p->n_threads++)
		if (pthread_create(&p->thread[p->n_threads], NULL, poll_main, p) != 0)
			break;
	if (p->n_threads == g->o.poll_workers)
		return compare_start(p, e);
	return err_set(e, RC_NOMEM, "%u threads for polling could not be started", g->o.poll_workers);
}

void
poll_stop(struct engine *g)
{
	struct poll *p = g->poll;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->wake);
	(void)pthread_cond_broadcast(&p->ended);
	(void)pthread_mutex_unlock(&p->lock);
	compare_stop(p);
	for (; p->n_threads > 0; p->n_threads--)
		(void)pthread_join(p->thread[p->n_threads - 1], NULL);
}
