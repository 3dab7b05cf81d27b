/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Wake-ups and other ends that come from outside: of a topic, of everybody, of a name that somebody newer claims, of one id. */
#include "hub/hub_int.h"

/* Everything that one wake-up does to its waiters. */
struct waking {
	struct hub *h;
	int64_t now_us;
	size_t n;               /* woken, now or soon */
	size_t now;             /* of them at once */
	bool spread;            /* they are so many that most have to wait a little */
	uint64_t chance;
	int64_t next_us;        /* the earliest of the moments that were put off */
	struct hub_waiter *ended;
};

static void
waking_begin(struct waking *k, struct hub *h, size_t waiters)
{
	*k = (struct waking){ .h = h, .now_us = now_mono_us(), .next_us = INT64_MAX };
	k->spread = h->o.spread_ms > 0 && waiters > h->o.burst;
	k->chance = (uint64_t)k->now_us | 1;
}

/* Evenly spread moments need no good randomness (xorshift64). */
static int64_t
some_moment(struct waking *k)
{
	k->chance ^= k->chance << 13;
	k->chance ^= k->chance >> 7;
	k->chance ^= k->chance << 17;
	return k->now_us + (int64_t)(k->chance % ((uint64_t)k->h->o.spread_ms * 1000));
}

/* When W, which is parked, is to be woken: at once while there is room in the burst, else at some moment of the spread. */
static int64_t
moment_of_locked(struct waking *k, const struct hub_waiter *w)
{
	int64_t at = k->now_us;

	k->n++;
	if (k->spread && w->wake_due)
		return w->deadline_us; /* it has its moment: a topic that changes all the time must not undo the spread */
	if (k->spread && k->now >= k->h->o.burst)
		at = some_moment(k);
	if (at < w->not_before_us)
		at = w->not_before_us;
	if (at <= k->now_us)
		k->now++;
	else if (at < k->next_us)
		k->next_us = at;
	return at;
}

static size_t
waking_end(struct waking *k)
{
	if (k->next_us != INT64_MAX)
		deadline_announce(k->h, k->next_us);
	metric_add(M_WAKEUPS, (int64_t)waiters_end(k->ended, HUB_WOKEN));
	return k->n;
}

/* Names and ids hang in the same table and are no topics. */
static bool
is_topic(const struct link *l, uint64_t topic)
{
	return l->topic == topic && l >= &l->w->links[L_TOPICS];
}

size_t
hub_wake(struct hub *h, uint64_t topic)
{
	struct topic_part *t = topic_part_of(h, topic);
	const struct link *first;
	struct waking k;
	size_t n = 0;

	(void)pthread_mutex_lock(&t->lock);
	/* the list does not change below: whoever is taken leaves it after the lock was dropped */
	first = *topic_bucket_locked(t, topic);
	for (const struct link *l = first; l != NULL; l = l->next)
		n += is_topic(l, topic);
	waking_begin(&k, h, n);
	for (const struct link *l = first; l != NULL; l = l->next) {
		struct hub_waiter *w = l->w;
		struct heap_part *p;

		if (!is_topic(l, topic))
			continue;
		p = &h->heap[w->part];
		(void)pthread_mutex_lock(&p->lock);
		if (w->heap_pos == NO_POS) {
			if (w->noted == HUB_PARKED)
				w->noted = HUB_WOKEN;
		} else {
			int64_t at = moment_of_locked(&k, w);

			if (at <= k.now_us)
				deadline_take_locked(h, p, w, &k.ended);
			else
				deadline_wake_locked(p, w, at);
		}
		(void)pthread_mutex_unlock(&p->lock);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return waking_end(&k);
}

size_t
hub_wake_all(struct hub *h)
{
	struct waking k;

	/* before the heaps are looked at: hub_park compares under their locks */
	(void)atomic_fetch_add(&h->gen, 1);
	waking_begin(&k, h, atomic_load(&h->parked));
	for (size_t i = 0; i < HEAP_PARTS; i++) {
		struct heap_part *p = &h->heap[i];

		(void)pthread_mutex_lock(&p->lock);
		for (size_t j = 0; j < p->n; j++) {
			struct hub_waiter *w = p->w[j];
			int64_t at = moment_of_locked(&k, w);

			w->wake_due = true;
			w->deadline_us = at < w->deadline_us ? at : w->deadline_us;
		}
		deadline_rebuild_locked(p);
		while (p->n > 0 && p->w[0]->deadline_us <= k.now_us)
			deadline_take_locked(h, p, p->w[0], &k.ended);
		(void)pthread_mutex_unlock(&p->lock);
	}
	return waking_end(&k);
}

/*
 * Ends, or notes for, everybody but ME that hangs at NAME by the link SLOT and has no ticket above UPTO.  A ticket is guarded by the lock of the name
 * that it is of: who looks by an id must not read it, and says UINT64_MAX.
 */
static void
end_named_locked(struct hub *h, const struct link *first, uint64_t name, size_t slot, const struct hub_waiter *me, uint64_t upto, enum hub_end why,
    struct hub_waiter **ended)
{
	for (const struct link *l = first; l != NULL; l = l->next) {
		struct hub_waiter *w = l->w;
		struct heap_part *p = &h->heap[w->part];

		if (l->topic != name || l != &w->links[slot] || w == me || (upto != UINT64_MAX && w->ticket > upto))
			continue;
		(void)pthread_mutex_lock(&p->lock);
		if (w->heap_pos != NO_POS)
			deadline_take_locked(h, p, w, ended);
		else
			w->noted = (unsigned char)why;
		(void)pthread_mutex_unlock(&p->lock);
	}
}

bool
hub_claim(struct hub_waiter *w, uint64_t name, uint64_t ticket)
{
	struct hub *h = w->hub;
	struct topic_part *t = topic_part_of(h, name);
	struct hub_waiter *ended = NULL;
	bool newest = true;

	(void)pthread_mutex_lock(&t->lock);
	for (const struct link *l = *topic_bucket_locked(t, name); l != NULL && newest; l = l->next)
		newest = l->topic != name || l != &l->w->links[L_CLAIM] || l->w->ticket < ticket;
	if (newest) {
		w->ticket = ticket;
		link_add_locked(t, w, L_CLAIM, name);
		end_named_locked(h, *topic_bucket_locked(t, name), name, L_CLAIM, w, UINT64_MAX, HUB_REPLACED, &ended);
	}
	(void)pthread_mutex_unlock(&t->lock);
	metric_add(M_WAITS_REPLACED, (int64_t)waiters_end(ended, HUB_REPLACED));
	return newest;
}

void
hub_replace(struct hub *h, uint64_t name, uint64_t ticket)
{
	struct topic_part *t = topic_part_of(h, name);
	struct hub_waiter *ended = NULL;

	(void)pthread_mutex_lock(&t->lock);
	end_named_locked(h, *topic_bucket_locked(t, name), name, L_CLAIM, NULL, ticket, HUB_REPLACED, &ended);
	(void)pthread_mutex_unlock(&t->lock);
	metric_add(M_WAITS_REPLACED, (int64_t)waiters_end(ended, HUB_REPLACED));
}

void
hub_end(struct hub *h, uint64_t id)
{
	struct topic_part *t = topic_part_of(h, id);
	struct hub_waiter *ended = NULL;

	(void)pthread_mutex_lock(&t->lock);
	end_named_locked(h, *topic_bucket_locked(t, id), id, L_ID, NULL, UINT64_MAX, HUB_GONE, &ended);
	(void)pthread_mutex_unlock(&t->lock);
	metric_add(M_WAITS_GONE, (int64_t)waiters_end(ended, HUB_GONE));
}
