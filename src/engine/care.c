/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The engine's own thread: what expires goes, what an administrator has marked is carried out.  It asks nobody for anything that a client waits for. */
#include "engine/engine_int.h"

#include <time.h>

#define CARE_MS (5 * 60 * 1000)

/* Every node does it. */
void
engine_care(struct engine *g)
{
	struct store_conn *c = NULL;
	struct err e = { 0 };
	enum rc rc = store_lease(g->store, &c, &e);

	if (rc == RC_OK)
		rc = store_expire(c, now_ms(), g->o.deletions_kept_ms, &e);
	if (rc == RC_OK)
		rc = store_expire_unused(c, g->o.device_keep_ms > 0 ? now_ms() - g->o.device_keep_ms : 0, g->o.audit_keep_ms > 0 ? now_ms() - g->o.audit_keep_ms : 0, &e);
	if (rc == RC_OK)
		paths_care(g, c);
	if (rc == RC_OK)
		seal_care(g, c);
	if (rc != RC_OK)
		log_warn("expire", "failed=%s %s", rc_name(rc), e.text);
	store_release(c);
	session_sweep(g);
	resync_sweep(g);
	poll_sweep(g);
}

/* Sleeps until DUE or until the engine ends; the lock is held before and after. */
static void
sleep_locked(struct engine *g, msec_t due)
{
	struct timespec ts = { .tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000 };

	(void)pthread_cond_timedwait(&g->care_wake, &g->lock, &ts);
}

static void *
care_main(void *arg)
{
	struct engine *g = arg;
	msec_t care_due = steady_ms() + CARE_MS / 5, undo_due = steady_ms() + UNDO_MS;
	bool left;

	(void)pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		msec_t now = steady_ms();

		/* with a new key at once, so that old ones can be dropped soon */
		if (ring_changed(g))
			care_due = now;
		if (care_due > now && undo_due > now) {
			sleep_locked(g, care_due < undo_due ? care_due : undo_due);
			continue;
		}
		(void)pthread_mutex_unlock(&g->lock);
		if (care_due <= now) {
			care_due = now + CARE_MS;
			engine_care(g);
		} else {
			engine_undo(g, &left);
			undo_due = steady_ms() + (left ? 0 : UNDO_MS);
		}
		(void)pthread_mutex_lock(&g->lock);
	}
	(void)pthread_mutex_unlock(&g->lock);
	return NULL;
}

enum rc
engine_start(struct engine *g, struct err *e)
{
	enum rc rc = poll_start(g, e);

	if (rc != RC_OK)
		return rc;
	if (pthread_create(&g->care, NULL, care_main, g) != 0)
		return err_set(e, RC_NOMEM, "the engine's thread could not be started");
	g->caring = true;
	return RC_OK;
}

void
engine_quiet(struct engine *g)
{
	if (g == NULL)
		return;
	poll_stop(g);
	if (!g->caring)
		return;
	(void)pthread_mutex_lock(&g->lock);
	g->stop = true;
	(void)pthread_cond_broadcast(&g->care_wake);
	(void)pthread_mutex_unlock(&g->lock);
	(void)pthread_join(g->care, NULL);
	g->caring = false;
}
