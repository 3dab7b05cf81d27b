/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The engine as a whole: keys derived from the master key, parts borrowed, readiness. */
#include "engine/path.h"
#include "engine/tree.h"

#include <stdio.h>
#include <string.h>

enum rc
engine_new(const struct engine_options *o, const unsigned char master[KEY_BYTES], struct store *store,
    struct cache *cache, struct backend *backend, struct hub *hub, struct engine **out, struct err *e)
{
	struct engine *g = mem_alloc(sizeof(*g));
	pthread_condattr_t attr;
	enum rc rc;

	*out = NULL;
	if (g == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the engine");
	g->o = *o;
	g->started = store_clock(store);
	g->store = store;
	g->cache = cache;
	g->backend = backend;
	g->hub = hub;
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_rwlock_init(&g->ring_lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* steady_ms */
	(void)pthread_cond_init(&g->care_wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (o->seal != NULL)
		g->ring = *o->seal;
	else
		(void)keyring_add(&g->ring, master);
	g->o.seal = NULL; /* the caller's */
	g->ring_new = g->ring.n > 1;
	derive_key(master, "usmd conflict records", g->digest_key, sizeof(g->digest_key));
	derive_key(master, "usmd topics", g->topic_key, sizeof(g->topic_key));
	g->keys = model_keys_new(master);
	if (g->keys == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory for the engine's keys");
		goto fail;
	}
	rc = principals_new(&g->principals, e);
	g->paths = paths_new(&(struct path_options){ .floor_s = o->path_floor_s, .memory_ms = o->path_memory_ms });
	if (rc == RC_OK && g->paths == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for the engine");
	if (rc == RC_OK)
		rc = resync_new(o->resync_budget, &g->resync, e);
	if (rc != RC_OK)
		goto fail;
	*out = g;
	return RC_OK;

fail:
	engine_free(g);
	return rc;
}

void
engine_reload(struct engine *g, const struct engine_options *o)
{
	struct engine_options *to = &g->o;

	to->session_lifetime_ms = o->session_lifetime_ms;
	to->fresh_ms = o->fresh_ms;
	to->listing_interval_ms = o->listing_interval_ms;
	to->conflict_keep_ms = o->conflict_keep_ms;
	to->unreadable_retry_ms = o->unreadable_retry_ms;
	to->mail_window = o->mail_window;
	to->mail_flags_ms = o->mail_flags_ms;
	to->cursor_children = o->cursor_children;
	to->poll_ms = o->poll_ms;
	to->poll_max_ms = o->poll_max_ms;
	to->poll_rate = o->poll_rate;
	to->push_late_ms = o->push_late_ms;
	to->journal_keep_ms = o->journal_keep_ms;
	to->journal_object_bytes = o->journal_object_bytes;
	to->journal_entries = o->journal_entries;
	to->guard_delete_share = o->guard_delete_share;
	to->guard_delete_min = o->guard_delete_min;
	to->guard_delete_ms = o->guard_delete_ms;
	to->guard_create_count = o->guard_create_count;
	to->guard_create_ms = o->guard_create_ms;
	to->stuck_repeats = o->stuck_repeats;
	to->flood_rate = o->flood_rate;
	to->flood_burst = o->flood_burst;
	to->resync_large = o->resync_large;
	to->resync_retry_ms = o->resync_retry_ms;
	to->login_attempts = o->login_attempts;
	to->max_devices = o->max_devices;
	to->device_quarantine = o->device_quarantine;
	to->device_keep_ms = o->device_keep_ms;
	to->audit_keep_ms = o->audit_keep_ms;
	for (int ct = 0; ct < CT_COUNT; ct++) {
		to->past_days[ct] = o->past_days[ct];
		to->future_days[ct] = o->future_days[ct];
	}
}

void
engine_free(struct engine *g)
{
	if (g == NULL)
		return;
	engine_quiet(g);
	poll_free(g);
	session_forget_all(g);
	model_keys_free(g->keys);
	principals_free(g->principals);
	resync_free(g->resync);
	paths_free(g->paths);
	secret_wipe(&g->ring, sizeof(g->ring));
	secret_wipe(g->digest_key, sizeof(g->digest_key));
	(void)pthread_cond_destroy(&g->care_wake);
	(void)pthread_mutex_destroy(&g->lock);
	(void)pthread_rwlock_destroy(&g->ring_lock);
	mem_free(g);
}

enum rc
engine_check(struct engine *g, char *text, size_t size)
{
	struct err e = { 0 };
	enum rc rc = store_check(g->store, &e);
	bool cached = cache_ok(g->cache), trusted = backend_trusts(g->backend);

	(void)snprintf(text, size, "postgresql=%s redis=%s%s", rc == RC_OK ? "ok" : "down", cached ? "ok" : "down",
	    trusted ? "" : " ox=untrusted (see ox_ca_file and event=ox-tls of the log)");
	if (rc != RC_OK)
		return rc;
	return cached && trusted ? RC_OK : RC_BUSY;
}
