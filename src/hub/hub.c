/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The table of waiters, and the thread that ends them at their deadline.  One mutex guards everything: its longest
 * hold is a wake-up of a topic that everybody waits for (0.2 us a waiter), and callbacks run after it is dropped.
 * Topics have no record of their own: the links of all waiters hang directly in the hash buckets, so that a waiter
 * for ten folders nobody else watches costs ten links and nothing more.
 */
#include "usmd/hub.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_BUCKET_BITS 10U
#define NO_POS UINT32_MAX
#define MAX_TOPICS 65536U /* per waiter; far above any limit of a protocol */

/* One topic of one waiter; member of a bucket's list. */
struct link {
	struct link *next, **pprev; /* pprev NULL = not in the table (any more) */
	uint64_t topic;
	struct hub_waiter *w;
};

struct hub_waiter {
	struct hub *hub;
	hub_end_cb cb;         /* set while parked */
	void *arg;
	union {
		int64_t deadline_us;      /* parked: monotonic clock */
		struct hub_waiter *next;  /* ended: list of those whose callback is about to run */
	} u;
	uint32_t heap_pos;     /* NO_POS = not parked */
	uint32_t gen;          /* hub's gen at subscription: another one now = a wake-all came */
	uint32_t topics;
	bool woken;            /* a wake-up came while not parked */
	struct link links[];
};

struct hub {
	pthread_mutex_t lock;      /* guards everything below */
	pthread_cond_t changed;    /* the first deadline became earlier, or stop */
	pthread_t thread;
	size_t max_waiters, waiters; /* subscribed or not yet freed */
	struct link **buckets;
	unsigned bucket_bits;
	size_t links;
	struct hub_waiter **heap;  /* parked waiters, earliest deadline first */
	size_t parked, heap_cap;
	uint32_t gen;              /* counts hub_wake_all */
	bool shutdown;             /* nothing parks any more */
	bool stop;                 /* the thread ends */
};

static size_t
bucket_of(const struct hub *h, uint64_t topic)
{
	/* topics are keyed hashes already; the multiplication only protects against a caller that numbers them */
	return (size_t)(topic * UINT64_C(0x9E3779B97F4A7C15) >> (64 - h->bucket_bits));
}

static void
link_insert(struct hub *h, struct link *l)
{
	struct link **head = &h->buckets[bucket_of(h, l->topic)];

	l->next = *head;
	l->pprev = head;
	if (l->next != NULL)
		l->next->pprev = &l->next;
	*head = l;
}

static void
link_remove(struct hub *h, struct link *l)
{
	if (l->pprev == NULL)
		return;
	*l->pprev = l->next;
	if (l->next != NULL)
		l->next->pprev = l->pprev;
	l->pprev = NULL;
	h->links--;
}

/* Twice the buckets once there are more links than buckets.  Failure only makes the lists longer. */
static void
buckets_grow_locked(struct hub *h)
{
	size_t old_n = (size_t)1 << h->bucket_bits;
	struct link **old = h->buckets;
	struct link **fresh;

	if (h->links <= old_n || h->bucket_bits >= 30)
		return;
	fresh = mem_alloc(2 * old_n * sizeof(*fresh));
	if (fresh == NULL)
		return;
	h->buckets = fresh;
	h->bucket_bits++;
	for (size_t i = 0; i < old_n; i++) {
		struct link *next;

		for (struct link *l = old[i]; l != NULL; l = next) {
			next = l->next;
			link_insert(h, l);
		}
	}
	mem_free(old);
}

/* ---- heap of deadlines ---- */

static void
heap_set(struct hub *h, size_t i, struct hub_waiter *w)
{
	h->heap[i] = w;
	w->heap_pos = (uint32_t)i;
}

static void
heap_up(struct hub *h, size_t i)
{
	struct hub_waiter *w = h->heap[i];

	while (i > 0 && h->heap[(i - 1) / 2]->u.deadline_us > w->u.deadline_us) {
		heap_set(h, i, h->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(h, i, w);
}

static void
heap_down(struct hub *h, size_t i)
{
	struct hub_waiter *w = h->heap[i];

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= h->parked)
			break;
		if (c + 1 < h->parked && h->heap[c + 1]->u.deadline_us < h->heap[c]->u.deadline_us)
			c++;
		if (h->heap[c]->u.deadline_us >= w->u.deadline_us)
			break;
		heap_set(h, i, h->heap[c]);
		i = c;
	}
	heap_set(h, i, w);
}

static void
heap_remove(struct hub *h, struct hub_waiter *w)
{
	size_t i = w->heap_pos;
	struct hub_waiter *last = h->heap[--h->parked];

	w->heap_pos = NO_POS;
	metric_add(M_WAITERS, -1);
	if (last == w)
		return;
	heap_set(h, i, last);
	heap_up(h, i);
	heap_down(h, last->heap_pos);
}

/* ---- ending waiters ---- */

static void
unsubscribe_locked(struct hub_waiter *w)
{
	for (uint32_t i = 0; i < w->topics; i++)
		link_remove(w->hub, &w->links[i]);
}

static void
end_locked(struct hub_waiter *w, struct hub_waiter **ended)
{
	heap_remove(w->hub, w);
	unsubscribe_locked(w);
	w->u.next = *ended;
	*ended = w;
}

/* Without the lock: the callback may free its waiter, subscribe anew or take locks of its own. */
static size_t
run_callbacks(struct hub_waiter *ended, enum hub_end why)
{
	size_t n = 0;

	while (ended != NULL) {
		struct hub_waiter *w = ended;

		ended = w->u.next;
		w->cb(w->arg, why);
		n++;
	}
	return n;
}

static void *
deadline_thread(void *arg)
{
	struct hub *h = arg;

	(void)pthread_mutex_lock(&h->lock);
	while (!h->stop) {
		struct hub_waiter *ended = NULL;
		int64_t now = now_mono_us();
		struct timespec ts;

		while (h->parked > 0 && h->heap[0]->u.deadline_us <= now)
			end_locked(h->heap[0], &ended);
		if (ended != NULL) {
			(void)pthread_mutex_unlock(&h->lock);
			(void)run_callbacks(ended, HUB_DEADLINE);
			(void)pthread_mutex_lock(&h->lock);
		} else if (h->parked == 0) {
			(void)pthread_cond_wait(&h->changed, &h->lock);
		} else {
			ts.tv_sec = (time_t)(h->heap[0]->u.deadline_us / 1000000);
			ts.tv_nsec = (long)(h->heap[0]->u.deadline_us % 1000000) * 1000;
			(void)pthread_cond_timedwait(&h->changed, &h->lock, &ts);
		}
	}
	(void)pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* ---- the contract ---- */

struct hub *
hub_new(size_t max_waiters)
{
	struct hub *h = mem_alloc(sizeof(*h));
	pthread_condattr_t attr;

	if (h == NULL)
		return NULL;
	h->max_waiters = max_waiters < NO_POS ? max_waiters : NO_POS - 1;
	h->bucket_bits = FIRST_BUCKET_BITS;
	h->buckets = mem_alloc(((size_t)1 << h->bucket_bits) * sizeof(*h->buckets));
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (h->buckets == NULL || pthread_create(&h->thread, NULL, deadline_thread, h) != 0) {
		(void)pthread_cond_destroy(&h->changed);
		(void)pthread_mutex_destroy(&h->lock);
		mem_free(h->buckets);
		mem_free(h);
		return NULL;
	}
	return h;
}

void
hub_shutdown(struct hub *h)
{
	struct hub_waiter *ended = NULL;

	(void)pthread_mutex_lock(&h->lock);
	h->shutdown = true;
	while (h->parked > 0)
		end_locked(h->heap[h->parked - 1], &ended);
	(void)pthread_mutex_unlock(&h->lock);
	(void)run_callbacks(ended, HUB_SHUTDOWN);
}

void
hub_free(struct hub *h)
{
	if (h == NULL)
		return;
	hub_shutdown(h);
	(void)pthread_mutex_lock(&h->lock);
	h->stop = true;
	(void)pthread_cond_signal(&h->changed);
	(void)pthread_mutex_unlock(&h->lock);
	(void)pthread_join(h->thread, NULL);
	(void)pthread_cond_destroy(&h->changed);
	(void)pthread_mutex_destroy(&h->lock);
	mem_free(h->buckets);
	mem_free(h->heap);
	mem_free(h);
}

enum rc
hub_subscribe(struct hub *h, const uint64_t *topics, size_t n, struct hub_waiter **out)
{
	struct hub_waiter *w;

	*out = NULL;
	if (n > MAX_TOPICS)
		return RC_LIMIT;
	w = mem_alloc(sizeof(*w) + n * sizeof(w->links[0]));
	if (w == NULL)
		return RC_NOMEM;
	w->hub = h;
	w->heap_pos = NO_POS;
	w->topics = (uint32_t)n;
	(void)pthread_mutex_lock(&h->lock);
	if (h->waiters >= h->max_waiters) {
		(void)pthread_mutex_unlock(&h->lock);
		mem_free(w);
		return RC_LIMIT;
	}
	h->waiters++;
	w->gen = h->gen;
	for (size_t i = 0; i < n; i++) {
		w->links[i].topic = topics[i];
		w->links[i].w = w;
		link_insert(h, &w->links[i]);
	}
	h->links += n;
	buckets_grow_locked(h);
	(void)pthread_mutex_unlock(&h->lock);
	*out = w;
	return RC_OK;
}

/* Room for one more parked waiter; at its limit the heap fits every waiter, so a failure is out of memory. */
static bool
heap_reserve_locked(struct hub *h)
{
	size_t cap = h->heap_cap == 0 ? 256 : 2 * h->heap_cap;
	struct hub_waiter **p;

	if (h->parked < h->heap_cap)
		return true;
	p = mem_realloc(h->heap, cap * sizeof(struct hub_waiter *));
	if (p == NULL)
		return false;
	h->heap = p;
	h->heap_cap = cap;
	return true;
}

bool
hub_park(struct hub_waiter *w, msec_t deadline_ms, hub_end_cb cb, void *arg)
{
	struct hub *h = w->hub;
	/* a step of the wall clock must neither end nor prolong a heartbeat: from here on the monotonic clock counts */
	int64_t deadline_us = now_mono_us() + (deadline_ms - now_ms()) * 1000;
	bool parked = false;

	(void)pthread_mutex_lock(&h->lock);
	if (w->woken || w->gen != h->gen || h->shutdown || !heap_reserve_locked(h)) {
		w->woken = false;
		w->gen = h->gen;
	} else {
		w->cb = cb;
		w->arg = arg;
		w->u.deadline_us = deadline_us;
		heap_set(h, h->parked++, w);
		heap_up(h, h->parked - 1);
		metric_add(M_WAITERS, 1);
		if (w->heap_pos == 0)
			(void)pthread_cond_signal(&h->changed);
		parked = true;
	}
	(void)pthread_mutex_unlock(&h->lock);
	return parked;
}

void
hub_waiter_free(struct hub_waiter *w)
{
	struct hub *h;

	if (w == NULL)
		return;
	h = w->hub;
	(void)pthread_mutex_lock(&h->lock);
	unsubscribe_locked(w);
	h->waiters--;
	(void)pthread_mutex_unlock(&h->lock);
	mem_free(w);
}

size_t
hub_wake(struct hub *h, uint64_t topic)
{
	struct hub_waiter *ended = NULL;
	size_t n;

	(void)pthread_mutex_lock(&h->lock);
	for (struct link *l = h->buckets[bucket_of(h, topic)], *next; l != NULL; l = next) {
		struct hub_waiter *w = l->w;

		next = l->next;
		if (l->topic != topic)
			continue;
		if (w->heap_pos == NO_POS) {
			w->woken = true;
			continue;
		}
		/* ending W takes all its links out of the table, and NEXT may be one of them */
		while (next != NULL && next->w == w)
			next = next->next;
		end_locked(w, &ended);
	}
	(void)pthread_mutex_unlock(&h->lock);
	n = run_callbacks(ended, HUB_WOKEN);
	metric_add(M_WAKEUPS, (int64_t)n);
	return n;
}

size_t
hub_wake_all(struct hub *h)
{
	struct hub_waiter *ended = NULL;
	size_t n;

	(void)pthread_mutex_lock(&h->lock);
	h->gen++;
	while (h->parked > 0)
		end_locked(h->heap[h->parked - 1], &ended);
	(void)pthread_mutex_unlock(&h->lock);
	n = run_callbacks(ended, HUB_WOKEN);
	metric_add(M_WAKEUPS, (int64_t)n);
	return n;
}

size_t
hub_count(struct hub *h)
{
	size_t n;

	(void)pthread_mutex_lock(&h->lock);
	n = h->parked;
	(void)pthread_mutex_unlock(&h->lock);
	return n;
}
