/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sending everybody away, each at a moment of its own: the server is going to stop, and the next one shall not meet them all at once. */
#include "hub/hub_int.h"

#define LEAST_US 1000000 /* who parks after the span, or at its very end: not at once, or a client that knows no other server would spin */

/* A moment from NOW to UNTIL. */
static int64_t
moment(int64_t now_us, int64_t until_us)
{
	int64_t span_us = until_us - now_us > LEAST_US ? until_us - now_us : LEAST_US;
	uint64_t chance;

	random_bytes(&chance, sizeof(chance));
	return now_us + (int64_t)(chance % (uint64_t)span_us);
}

int64_t
drain_deadline(struct hub *h, int64_t now_us, int64_t deadline_us)
{
	int64_t until_us = atomic_load(&h->drain_us), at_us;

	if (until_us == 0)
		return deadline_us;
	at_us = moment(now_us, until_us);
	return at_us < deadline_us ? at_us : deadline_us;
}

void
hub_drain(struct hub *h, msec_t span_ms)
{
	int64_t now_us = now_mono_us();

	/* before the heaps are gone through: hub_park looks at it under their locks */
	atomic_store(&h->drain_us, now_us + span_ms * 1000);
	for (size_t i = 0; i < HEAP_PARTS; i++) {
		struct heap_part *p = &h->heap[i];

		(void)pthread_mutex_lock(&p->lock);
		for (size_t k = 0; k < p->n; k++)
			p->w[k]->deadline_us = drain_deadline(h, now_us, p->w[k]->deadline_us);
		deadline_rebuild_locked(p);
		(void)pthread_mutex_unlock(&p->lock);
	}
	deadline_announce(h, now_us);
}
