/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Deadlines, those of put-off wake-ups included: heaps, and the one thread that ends what is due.  Monotonic clock. */
#include "hub/hub_int.h"

#include <time.h>

#define FIRST_CAP 64U

static void
heap_set(struct heap_part *p, size_t i, struct hub_waiter *w)
{
	p->w[i] = w;
	w->heap_pos = (uint32_t)i;
}

static void
heap_up(struct heap_part *p, size_t i)
{
	struct hub_waiter *w = p->w[i];

	while (i > 0 && p->w[(i - 1) / 2]->deadline_us > w->deadline_us) {
		heap_set(p, i, p->w[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(p, i, w);
}

static void
heap_down(struct heap_part *p, size_t i)
{
	struct hub_waiter *w = p->w[i];

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= p->n)
			break;
		if (c + 1 < p->n && p->w[c + 1]->deadline_us < p->w[c]->deadline_us)
			c++;
		if (p->w[c]->deadline_us >= w->deadline_us)
			break;
		heap_set(p, i, p->w[c]);
		i = c;
	}
	heap_set(p, i, w);
}

bool
deadline_add_locked(struct heap_part *p, struct hub_waiter *w)
{
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? FIRST_CAP : 2 * p->cap;
		struct hub_waiter **more = mem_realloc(p->w, cap * sizeof(struct hub_waiter *));

		if (more == NULL)
			return false;
		p->w = more;
		p->cap = cap;
	}
	heap_set(p, p->n++, w);
	heap_up(p, p->n - 1);
	return true;
}

void
deadline_take_locked(struct hub *h, struct heap_part *p, struct hub_waiter *w, struct hub_waiter **ended)
{
	size_t i = w->heap_pos;
	struct hub_waiter *last = p->w[--p->n];

	w->heap_pos = NO_POS;
	if (last != w) {
		heap_set(p, i, last);
		heap_up(p, i);
		heap_down(p, last->heap_pos);
	}
	(void)atomic_fetch_sub(&h->parked, 1);
	metric_add(M_WAITERS, -1);
	w->next = *ended;
	*ended = w;
}

void
deadline_wake_locked(struct heap_part *p, struct hub_waiter *w, int64_t at_us)
{
	if (w->wake_due)
		return; /* as soon as may be already */
	/* one whose time is over before that looks then: nothing new is not what it may be told */
	w->wake_due = true;
	if (at_us < w->deadline_us) {
		w->deadline_us = at_us;
		heap_up(p, w->heap_pos);
	}
}

void
deadline_rebuild_locked(struct heap_part *p)
{
	for (size_t i = p->n / 2; i-- > 0;)
		heap_down(p, i);
}

void
deadline_announce(struct hub *h, int64_t at_us)
{
	(void)pthread_mutex_lock(&h->lock);
	if (at_us < h->next_us) {
		h->next_us = at_us;
		(void)pthread_cond_signal(&h->changed);
	}
	(void)pthread_mutex_unlock(&h->lock);
}

/* Ends what is due by NOW in one part; returns when the next one is. */
static int64_t
part_run(struct hub *h, struct heap_part *p, int64_t now)
{
	struct hub_waiter *woken = NULL, *expired = NULL;
	int64_t next = INT64_MAX;

	(void)pthread_mutex_lock(&p->lock);
	while (p->n > 0 && p->w[0]->deadline_us <= now)
		deadline_take_locked(h, p, p->w[0], p->w[0]->wake_due ? &woken : &expired);
	if (p->n > 0)
		next = p->w[0]->deadline_us;
	(void)pthread_mutex_unlock(&p->lock);
	metric_add(M_WAKEUPS, (int64_t)waiters_end(woken, HUB_WOKEN));
	(void)waiters_end(expired, HUB_DEADLINE);
	return next;
}

void *
deadline_main(void *hub)
{
	struct hub *h = hub;

	(void)pthread_mutex_lock(&h->lock);
	while (!h->stop) {
		int64_t now = now_mono_us(), next = INT64_MAX;

		if (h->next_us > now) {
			struct timespec ts = { .tv_sec = (time_t)(h->next_us / 1000000), .tv_nsec = (long)(h->next_us % 1000000) * 1000 };

			if (h->next_us == INT64_MAX)
				(void)pthread_cond_wait(&h->changed, &h->lock);
			else
				(void)pthread_cond_timedwait(&h->changed, &h->lock, &ts);
			continue;
		}
		/* what is announced from here on makes it look again */
		h->next_us = INT64_MAX;
		(void)pthread_mutex_unlock(&h->lock);
		for (size_t i = 0; i < HEAP_PARTS; i++) {
			int64_t due = part_run(h, &h->heap[i], now);

			next = due < next ? due : next;
		}
		(void)pthread_mutex_lock(&h->lock);
		h->next_us = next < h->next_us ? next : h->next_us;
	}
	(void)pthread_mutex_unlock(&h->lock);
	return NULL;
}
