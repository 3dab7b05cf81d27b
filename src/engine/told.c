/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When a folder is looked into because somebody told that it changed.  At once, since a client waits - but what comes within GAP_MS is one
 * look, and a folder that is told of all the time has AT_ONCE looks and then one each EVERY_MS; an echo, since OX tells of this node's own
 * writes as well, counts as ECHO_LOOKS of them.  The budget of requests to OX stands above all this (poll.c).
 *
 * A look that shows nothing may have come too early: OX tells before a change can be read everywhere (from another machine of its database,
 * say).  So it is repeated, each time after a longer while, unless somebody else has brought the index up to date meanwhile - then that
 * was it.  A change that can be read after some time is thus seen within 50 ms or four times that; after the last look, at the next poll.
 */
#include "engine/watch_int.h"

#define GAP_MS 20
#define EVERY_MS 250
#define AT_ONCE 32 /* they come back one each EVERY_MS */
#define ECHO_LOOKS 2

/* After a first look in vain; the last alone for what was hardly news: told of by another node, or an echo of an own write. */
static const int64_t again_ms[] = { 50, 200, 600, ECHO_MS };

static bool
by_push(enum event_source source)
{
	return source == SOURCE_UDP || source == SOURCE_WEBHOOK;
}

/* Each node that changes an index tells the others; where OX tells every one of them of changes by itself, that need not be looked into besides. */
static bool
is_doubled(const struct waited_folder *f, enum event_source source)
{
	return source == SOURCE_NODE && f->ct < CT_COUNT && f->w->tells[BY_UDP][f->ct] == TELLS;
}

void
told_locked(struct poll *p, struct waited_folder *f, enum event_source source, int64_t now)
{
	int64_t at = f->answered + GAP_MS, paid = f->paid - AT_ONCE * EVERY_MS;
	bool doubled = is_doubled(f, source);

	f->w->last[source] = now_ms();
	/* a client that begins to wait asks OX by itself - unless what was asked lately is good enough for it, and that it is no more */
	if (f->watches == 0 && p->g->o.fresh_ms <= 0)
		return;
	at = at > paid ? at : paid;
	at = at > now ? at : now;
	if (doubled && at < now + ECHO_MS)
		at = now + ECHO_MS;
	if (by_push(source) || !f->told)
		f->by = source;
	if (!f->told || at < f->look_at)
		f->look_at = at;
	f->told = true;
	if (!doubled)
		f->vain_at = 0;
	waited_plan_locked(p, f->w);
}

/* How long after the first look in vain F is looked into again, when it is AGE old; 0 = not any more. */
static int64_t
next_look(const struct waited_folder *f, bool echo, int64_t age)
{
	size_t n = sizeof(again_ms) / sizeof(again_ms[0]), i = by_push(f->by) && !echo ? 0 : n - 1;

	while (i < n && again_ms[i] <= age)
		i++; /* the budget had none for it */
	return i < n ? again_ms[i] : 0;
}

void
told_looked_locked(struct waited_folder *f, const struct look *l, int64_t now)
{
	bool echo = now - f->own < ECHO_MS, by_others = l->epoch != f->epoch || l->cn != f->cn;
	int64_t next, cost = echo && !l->changed ? ECHO_LOOKS * EVERY_MS : EVERY_MS, most = now + AT_ONCE * EVERY_MS + cost;

	if (f->vain_at == 0) /* looks that are repeated are few anyway */
		f->paid = (f->paid > now ? f->paid : now) + cost;
	f->paid = f->paid < most ? f->paid : most; /* the next one never waits for more than one */
	if (f->told)
		return; /* again, meanwhile */
	if (f->vain_at == 0)
		f->vain_at = now;
	next = l->changed || by_others ? 0 : next_look(f, echo, now - f->vain_at);
	f->told = next != 0;
	f->look_at = f->vain_at + next;
	if (!f->told)
		f->vain_at = 0;
}
