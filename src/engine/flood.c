/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Devices that ask too much: too many requests (slowed to the rate that is allowed, then refused for a while), or the same one again and again
 * without getting on.  Counted at this node and in memory: it costs no I/O, and a restart forgives.
 */
#include "engine/engine_int.h"

#include <time.h>

#define SLOWED_MAX 4         /* workers that may wait on behalf of devices; all others stay free for who behaves */
#define SLOW_MAX_US 200000   /* longer than that nobody waits here: the device does */
#define SECOND_US 1000000

/* ---- requests ---- */

static struct flood *
slot_locked(struct engine *g, int64_t device, int64_t now_us)
{
	struct flood *f = &g->flood[(uint64_t)device % FLOOD_SLOTS];

	/* a slot that another device has is taken over: who loses it begins anew, which never harms anybody */
	if (f->device != device && !f->waiting)
		*f = (struct flood){ .device = device, .left = g->o.flood_burst, .at_us = now_us };
	return f;
}

static enum rc
refuse(const struct engine *g, struct flood *f, int64_t now_us, struct err *e)
{
	int64_t minute = now_us / SECOND_US / 60;
	unsigned rate = g->o.flood_rate, wait_s = rate > 0 ? g->o.flood_burst * 6 / rate : 1; /* a tenth of the burst; a reload may have ended the limit */

	if (f->told_minute != minute) {
		f->told_minute = minute;
		log_warn("flood", "device=%lld text=too many requests; they are refused", (long long)f->device);
	}
	metric_add(M_FLOOD_REFUSED, 1);
	metric_count(F_REFUSED, "flood", NULL);
	(void)err_set(e, RC_LIMIT, "This device makes too many requests");
	if (e != NULL)
		e->retry_after_s = wait_s < 1 ? 1 : (int)wait_s;
	return RC_LIMIT;
}

/*
 * One request of DEVICE: RC_OK, perhaps a little later; RC_LIMIT with a time to wait.  One request of a device is slowed at a time, and few of all devices,
 * so that what waits here never keeps others from being served.
 */
enum rc
flood_check(struct engine *g, int64_t device, struct err *e)
{
	double rate = (double)g->o.flood_rate / 60 / SECOND_US; /* requests a microsecond */
	int64_t now_us = now_mono_us();
	struct timespec wait = { 0 };
	struct flood *f;
	enum rc rc = RC_OK;

	if (g->o.flood_rate == 0)
		return RC_OK;
	(void)pthread_mutex_lock(&g->lock);
	f = slot_locked(g, device, now_us);
	if (f->device != device)
		goto out;
	f->left += (double)(now_us - f->at_us) * rate;
	if (f->left > g->o.flood_burst)
		f->left = g->o.flood_burst;
	f->at_us = now_us;
	if (f->left >= 1) {
		f->left--;
		goto out;
	}
	wait.tv_nsec = (long)((1 - f->left) / rate * 1000);
	if (f->waiting || g->slowed == SLOWED_MAX || (1 - f->left) / rate > SLOW_MAX_US) {
		rc = refuse(g, f, now_us, e);
		goto out;
	}
	f->left--;
	f->waiting = true;
	g->slowed++;
	(void)pthread_mutex_unlock(&g->lock);
	(void)nanosleep(&wait, NULL);
	metric_add(M_FLOOD_SLOWED, 1);
	(void)pthread_mutex_lock(&g->lock);
	f->waiting = false;
	g->slowed--;
out:
	(void)pthread_mutex_unlock(&g->lock);
	return rc;
}

/* ---- the same syncid again ---- */

static struct stuck *
stuck_slot(struct op *op, uint64_t *key)
{
	struct engine *g = op->g;
	struct { int64_t device, folder; struct syncid s; } v = { op->s->n->device_id, op->t.f.id, op->cur.syncid };

	*key = siphash24(g->topic_key, &v, sizeof(v));
	return &g->stuck[*key % STUCK_SLOTS];
}

/* The syncid of the request is used once more. */
enum stuck_level
stuck_note(struct op *op)
{
	struct engine *g = op->g;
	struct stuck *s;
	uint64_t key;
	unsigned n;

	if (g->o.stuck_repeats == 0 || op->req->mode != SYNC_UPDATE)
		return STUCK_NOT;
	(void)pthread_mutex_lock(&g->lock);
	s = stuck_slot(op, &key);
	if (s->key != key)
		*s = (struct stuck){ .key = key };
	n = s->n++ / g->o.stuck_repeats;
	(void)pthread_mutex_unlock(&g->lock);
	return n < STUCK_ASIDE ? (enum stuck_level)n : STUCK_ASIDE;
}

/* It had nothing to bring: a client in step uses one syncid for a long time. */
void
stuck_forget(struct op *op)
{
	struct engine *g = op->g;
	struct stuck *s;
	uint64_t key;

	if (g->o.stuck_repeats == 0 || op->req->mode != SYNC_UPDATE)
		return;
	(void)pthread_mutex_lock(&g->lock);
	s = stuck_slot(op, &key);
	if (s->key == key)
		s->n = 0;
	(void)pthread_mutex_unlock(&g->lock);
}
