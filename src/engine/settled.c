/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From when on OX has to be asked.  OX stamps a change before others see it, so each question reaches back by the overlap from the newest stamp that is
 * known (F13): what was changed at once, by an import say, would be read again by each look until something newer happens.
 *
 * The rule that ends it: a stamp S that was read says that OX's clock was at S then.  A look whose question was sent an overlap later or more comes after
 * all that OX stamped up to S has become visible; when the index agrees with it, S is settled, and the next question may begin there.  It waits for two
 * overlaps: as much again for clocks of OX's nodes that are apart or set back.  Only durations of this node's monotonic clock are compared, no clock of OX
 * with one of ours.  It is known to this process alone: without it, or when the index was made anew or set back, the overlap is asked for as ever.
 */
#include "engine/engine_int.h"

static struct settled *
slot_locked(struct engine *g, const struct store_folder *f)
{
	struct settled *s = &g->settled[(uint64_t)f->id % SETTLED_SLOTS];

	return s->folder == f->id && s->epoch == f->epoch && s->cn <= f->cn ? s : NULL;
}

static bool
is_due(const struct engine *g, const struct settled *s, int64_t at_us)
{
	return s->next != 0 && at_us - s->next_us >= 2 * 1000 * g->o.overlap_ms;
}

msec_t
settled_since(struct engine *g, const struct store_folder *f)
{
	msec_t since = f->ox_ts > g->o.overlap_ms ? f->ox_ts - g->o.overlap_ms : 0;
	const struct settled *s;

	(void)pthread_mutex_lock(&g->lock);
	s = slot_locked(g, f);
	/* the newest object is asked for again: contacts want one in the interval (refresh_updates) */
	if (s != NULL && s->upto - 1 > since)
		since = s->upto - 1;
	(void)pthread_mutex_unlock(&g->lock);
	return since;
}

/* F is the index as it agrees with an answer of N objects, NEWEST their newest stamp; the question, from settled_since on, was sent after ASKED_US. */
void
settled_note(struct engine *g, const struct store_folder *f, int64_t asked_us, msec_t newest, size_t n)
{
	struct settled *s;

	(void)pthread_mutex_lock(&g->lock);
	s = slot_locked(g, f);
	if (s == NULL && n > g->o.reread_max) {
		s = &g->settled[(uint64_t)f->id % SETTLED_SLOTS]; /* who loses the slot asks for the overlap again, which is never wrong */
		*s = (struct settled){ .folder = f->id, .epoch = f->epoch };
	}
	if (s != NULL) {
		s->cn = f->cn;
		if (is_due(g, s, asked_us)) {
			s->upto = s->next;
			s->next = 0;
		}
		if (s->next == 0 && newest > s->upto && n > g->o.reread_max) {
			s->next = newest;
			s->next_us = now_mono_us();
		}
	}
	(void)pthread_mutex_unlock(&g->lock);
}

/* Would the next look of F settle something, or read less than a question since SINCE? */
bool
settled_gains(struct engine *g, const struct store_folder *f, msec_t since)
{
	const struct settled *s;
	bool gains;

	(void)pthread_mutex_lock(&g->lock);
	s = slot_locked(g, f);
	gains = s != NULL && (is_due(g, s, now_mono_us()) || s->upto - 1 > since);
	(void)pthread_mutex_unlock(&g->lock);
	return gains;
}
