/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is known of paths, between the waits and the database: all nodes share it, and it survives a restart. */
#include "engine/path.h"
#include "engine/watch_int.h"

#define AT_ONCE 256

unsigned
engine_wait_begins(struct engine_session *s, const char *client_ip, unsigned wanted_s)
{
	return paths_begin(s->g->paths, client_ip, s->n->device_id, wanted_s, now_ms());
}

void
engine_wait_ended(struct engine_watch *w, const char *client_ip, unsigned waited_s, enum wait_end how)
{
	struct store_conn *c = NULL;
	struct err e;

	if (!paths_end(w->g->paths, client_ip, w->s->n->device_id, waited_s, how, now_ms()))
		return;
	if (store_lease(w->g->store, &c, &e) == RC_OK)
		paths_care(w->g, c);
	store_release(c);
}

void
paths_care(struct engine *g, struct store_conn *c)
{
	struct arena *a = arena_new(0);
	struct store_path *x = a != NULL ? arena_array(a, struct store_path, AT_ONCE) : NULL;
	struct err e = { 0 };
	size_t n;
	enum rc rc = x != NULL ? RC_OK : RC_NOMEM;

	n = x != NULL && g->o.path_memory_ms > 0 ? paths_changed(g->paths, x, AT_ONCE, now_ms()) : 0;
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = x[i].safe_s != 0 ? store_path_put(c, &x[i], &e) : store_path_drop(c, x[i].net, &e);
	if (rc == RC_OK)
		rc = store_paths_get(c, a, &x, &n, &e);
	if (rc == RC_OK)
		paths_adopt(g->paths, x, n, now_ms());
	else
		log_warn("path", "failed=%s %s", rc_name(rc), e.text);
	arena_free(a);
}
