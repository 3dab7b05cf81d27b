/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A device waits once, whichever node it comes to.  At its own node the hub ends its older wait; for the others each new wait is told to
 * all nodes.  They hear what is told on one way (Redis, PostgreSQL) in one order, the teller among them, and that order decides: whoever
 * has heard his own claim ends when he hears another one of the same device.  So the last one stays, whatever the clocks say, and of two
 * that begin at once exactly one.
 *
 * A claim may be lost with a connection.  Then the older wait lasts until its heartbeat or until its client hangs up, as it would with
 * one that has never been told.
 */
#include "engine/watch_int.h"

#define SETTLED_S 5 /* what is heard so long after the own claim was told came after it, also where that was not heard */

static uint32_t
steady_s(void)
{
	return (uint32_t)(steady_ms() / 1000);
}

static struct engine_watch **
slot_of(struct poll *p, uint64_t claim)
{
	return &p->claim[claim % CLAIM_SLOTS];
}

void
claim_add_locked(struct poll *p, struct engine_watch *w)
{
	w->claimed_s = steady_s();
	w->same_slot = *slot_of(p, w->claim);
	*slot_of(p, w->claim) = w;
}

void
claim_remove_locked(struct poll *p, struct engine_watch *w)
{
	struct engine_watch **at = slot_of(p, w->claim);

	while (*at != w)
		at = &(*at)->same_slot;
	*at = w->same_slot;
}

void
claim_tell(const struct engine_watch *w)
{
	store_notify_claim(w->g->store, w->claim, w->ticket, cache_claim(w->g->cache, w->claim, w->ticket));
}

bool
claim_is_lost(struct engine_watch *w)
{
	struct poll *p = w->g->poll;
	bool lost;

	if (p == NULL)
		return false;
	(void)pthread_mutex_lock(&p->lock);
	lost = w->replaced;
	(void)pthread_mutex_unlock(&p->lock);
	return lost;
}

/* Another node's: W has to end, if its own claim came before that one. */
static bool
loses_locked(struct engine_watch *w, enum claim_way way)
{
	bool older = (w->heard_own >> way & 1U) != 0 || steady_s() - w->claimed_s > SETTLED_S;

	w->replaced = w->replaced || older;
	return older;
}

void
engine_claimed(struct engine *g, enum claim_way way, uint64_t claim, uint64_t ticket, bool own)
{
	struct poll *p = g->poll;
	uint64_t upto = 0;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	for (struct engine_watch *w = *slot_of(p, claim); w != NULL; w = w->same_slot) {
		if (w->claim != claim)
			continue;
		if (own && w->ticket == ticket)
			w->heard_own |= 1U << way;
		else if (!own && loses_locked(w, way) && w->ticket > upto)
			upto = w->ticket;
	}
	(void)pthread_mutex_unlock(&p->lock);
	/* one that looks just now has no waiter: it asks claim_is_lost when it has one again */
	if (upto > 0)
		hub_replace(g->hub, claim, upto);
}
