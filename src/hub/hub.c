/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The table of waiters.  Topics have no record of their own: the links of all waiters hang directly in hash buckets, so that a
 * waiter for ten folders nobody else watches costs ten links and nothing more.  A wake-up holds one topic part for as long as
 * it takes to find its waiters (0.2 us each), and runs their callbacks after that.
 */
#include "hub/hub_int.h"

#include <stdlib.h>

#define FIRST_BUCKET_BITS 6U
#define MAX_BUCKET_BITS 26U
#define MAX_TOPICS 65536U /* per waiter; far above any limit of a protocol */

/* topics are keyed hashes already; the multiplication only protects against a caller that numbers them */
static uint64_t
mix(uint64_t topic)
{
	return topic * UINT64_C(0x9E3779B97F4A7C15);
}

struct topic_part *
topic_part_of(struct hub *h, uint64_t topic)
{
	return &h->topic[mix(topic) >> (64 - TOPIC_PART_BITS)];
}

struct link **
topic_bucket_locked(const struct topic_part *p, uint64_t topic)
{
	return &p->buckets[(size_t)(mix(topic) << TOPIC_PART_BITS >> (64 - p->bits))];
}

static void
link_insert_locked(const struct topic_part *p, struct link *l)
{
	struct link **head = topic_bucket_locked(p, l->topic);

	l->next = *head;
	l->pprev = head;
	if (l->next != NULL)
		l->next->pprev = &l->next;
	*head = l;
}

/* Twice the buckets once there are more links than buckets.  Failure only makes the lists longer. */
static void
buckets_grow_locked(struct topic_part *p)
{
	size_t old_n = (size_t)1 << p->bits;
	struct link **old = p->buckets, **fresh;

	if (p->links <= old_n || p->bits >= MAX_BUCKET_BITS)
		return;
	fresh = mem_alloc(2 * old_n * sizeof(*fresh));
	if (fresh == NULL)
		return;
	p->buckets = fresh;
	p->bits++;
	for (size_t i = 0; i < old_n; i++) {
		struct link *next;

		for (struct link *l = old[i]; l != NULL; l = next) {
			next = l->next;
			link_insert_locked(p, l);
		}
	}
	mem_free(old);
}

void
link_add_locked(struct topic_part *p, struct hub_waiter *w, size_t slot, uint64_t topic)
{
	w->links[slot].topic = topic;
	w->links[slot].w = w;
	link_insert_locked(p, &w->links[slot]);
	p->links++;
	buckets_grow_locked(p);
}

static void
link_remove(struct hub *h, struct link *l)
{
	struct topic_part *p = topic_part_of(h, l->topic);

	if (l->w == NULL) /* never inserted; of the rest of it neighbours write, under the lock */
		return;
	(void)pthread_mutex_lock(&p->lock);
	*l->pprev = l->next;
	if (l->next != NULL)
		l->next->pprev = l->pprev;
	p->links--;
	l->w = NULL;
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- ending waiters ---- */

static void
unsubscribe(struct hub_waiter *w)
{
	for (uint32_t i = 0; i < w->topics; i++)
		link_remove(w->hub, &w->links[i]);
}

size_t
waiters_end(struct hub_waiter *ended, enum hub_end why)
{
	size_t n = 0;

	while (ended != NULL) {
		struct hub_waiter *w = ended;

		ended = w->next;
		unsubscribe(w);
		w->cb(w->arg, why); /* may free W, subscribe anew or take locks of its own */
		n++;
	}
	return n;
}

/* ---- life of the hub ---- */

static void
hub_destroy(struct hub *h)
{
	for (size_t i = 0; i < TOPIC_PARTS; i++) {
		(void)pthread_mutex_destroy(&h->topic[i].lock);
		mem_free(h->topic[i].buckets);
	}
	for (size_t i = 0; i < HEAP_PARTS; i++) {
		(void)pthread_mutex_destroy(&h->heap[i].lock);
		mem_free(h->heap[i].w);
	}
	(void)pthread_cond_destroy(&h->changed);
	(void)pthread_mutex_destroy(&h->lock);
	mem_free(h);
}

struct hub *
hub_new(const struct hub_options *o)
{
	struct hub *h = mem_alloc(sizeof(*h));
	pthread_condattr_t attr;
	bool ok = true;

	if (h == NULL)
		return NULL;
	h->o = *o;
	if (h->o.max_waiters >= NO_POS)
		h->o.max_waiters = NO_POS - 1;
	h->next_us = INT64_MAX;
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	for (size_t i = 0; i < TOPIC_PARTS; i++) {
		struct topic_part *p = &h->topic[i];

		(void)pthread_mutex_init(&p->lock, NULL);
		p->bits = FIRST_BUCKET_BITS;
		p->buckets = mem_alloc(((size_t)1 << p->bits) * sizeof(struct link *));
		ok = ok && p->buckets != NULL;
	}
	for (size_t i = 0; i < HEAP_PARTS; i++)
		(void)pthread_mutex_init(&h->heap[i].lock, NULL);
	if (!ok || pthread_create(&h->thread, NULL, deadline_main, h) != 0) {
		hub_destroy(h);
		return NULL;
	}
	return h;
}

void
hub_shutdown(struct hub *h)
{
	struct hub_waiter *ended = NULL;

	/* before the heaps are emptied: hub_park looks at it under their locks */
	atomic_store(&h->shutdown, true);
	for (size_t i = 0; i < HEAP_PARTS; i++) {
		struct heap_part *p = &h->heap[i];

		(void)pthread_mutex_lock(&p->lock);
		while (p->n > 0)
			deadline_take_locked(h, p, p->w[p->n - 1], &ended);
		(void)pthread_mutex_unlock(&p->lock);
	}
	(void)waiters_end(ended, HUB_SHUTDOWN);
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
	hub_destroy(h);
}

size_t
hub_count(struct hub *h)
{
	return atomic_load(&h->parked);
}

/* ---- waiters ---- */

enum rc
hub_subscribe(struct hub *h, const uint64_t *topics, size_t n, struct hub_waiter **out)
{
	struct hub_waiter *w;

	*out = NULL;
	if (n > MAX_TOPICS)
		return RC_LIMIT;
	if (atomic_fetch_add(&h->waiters, 1) >= h->o.max_waiters) {
		(void)atomic_fetch_sub(&h->waiters, 1);
		return RC_LIMIT;
	}
	w = mem_alloc(sizeof(*w) + (L_TOPICS + n) * sizeof(w->links[0]));
	if (w == NULL) {
		(void)atomic_fetch_sub(&h->waiters, 1);
		return RC_NOMEM;
	}
	w->hub = h;
	w->heap_pos = NO_POS;
	w->topics = (uint32_t)(L_TOPICS + n);
	w->part = (unsigned char)(atomic_fetch_add_explicit(&h->next_part, 1, memory_order_relaxed) % HEAP_PARTS);
	w->gen = atomic_load(&h->gen);
	for (size_t i = 0; i < n; i++) {
		struct topic_part *p = topic_part_of(h, topics[i]);

		(void)pthread_mutex_lock(&p->lock);
		link_add_locked(p, w, L_TOPICS + i, topics[i]);
		(void)pthread_mutex_unlock(&p->lock);
	}
	*out = w;
	return RC_OK;
}

uint64_t
hub_ticket(void)
{
	static atomic_uint_fast64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

void
hub_identify(struct hub_waiter *w, uint64_t id)
{
	struct topic_part *p = topic_part_of(w->hub, id);

	(void)pthread_mutex_lock(&p->lock);
	link_add_locked(p, w, L_ID, id);
	(void)pthread_mutex_unlock(&p->lock);
}

enum hub_end
hub_park(struct hub_waiter *w, msec_t deadline_ms, msec_t hold_ms, hub_end_cb cb, void *arg)
{
	struct hub *h = w->hub;
	struct heap_part *p = &h->heap[w->part];
	/* a step of the wall clock must neither end nor prolong a heartbeat: from here on the monotonic clock counts */
	int64_t now_us = now_mono_us(), deadline_us = now_us + (deadline_ms - now_ms()) * 1000;
	bool first = false;
	enum hub_end why;

	(void)pthread_mutex_lock(&p->lock);
	deadline_us = drain_deadline(h, now_us, deadline_us);
	why = (enum hub_end)w->noted;
	if (why == HUB_PARKED && w->gen != atomic_load(&h->gen))
		why = HUB_WOKEN;
	if (atomic_load(&h->shutdown))
		why = HUB_SHUTDOWN;
	w->noted = HUB_PARKED;
	w->gen = atomic_load(&h->gen);
	if (why == HUB_PARKED || (why == HUB_WOKEN && hold_ms > 0)) {
		w->cb = cb;
		w->arg = arg;
		w->not_before_us = now_us + hold_ms * 1000;
		w->wake_due = why == HUB_WOKEN;
		w->deadline_us = w->wake_due && w->not_before_us < deadline_us ? w->not_before_us : deadline_us;
		deadline_us = w->deadline_us;
		why = HUB_WOKEN;
		if (deadline_add_locked(p, w)) {
			why = HUB_PARKED;
			first = w->heap_pos == 0;
			(void)atomic_fetch_add(&h->parked, 1);
			metric_add(M_WAITERS, 1);
		}
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (first) /* W may be gone by now */
		deadline_announce(h, deadline_us);
	return why;
}

void
hub_waiter_free(struct hub_waiter *w)
{
	if (w == NULL)
		return;
	unsubscribe(w);
	(void)atomic_fetch_sub(&w->hub->waiters, 1);
	mem_free(w);
}
