/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Full resynchronizations: first fills and reconciles.  Each is counted by its cause and explained in the log, and those of large folders need
 * a place of the node's budget: after a restart or a loss all clients come at once, and what is in step must not wait for them.
 */
#include "engine/engine_int.h"

#include <string.h>

/** A large folder that a device is loading, page by page. */
struct resync_place {
	int64_t device, folder; /* device 0 = free */
	bool working;           /* a page is in work now */
	msec_t used;            /* else: when the last one ended; the place is kept for resync_retry_ms */
};

struct resync {
	pthread_mutex_t lock;
	size_t n;               /* of the budget; 0 = no limit */
	struct resync_place place[];
};

enum rc
resync_new(size_t budget, struct resync **out, struct err *e)
{
	struct resync *r = mem_alloc(sizeof(*r) + budget * sizeof(r->place[0]));

	*out = r;
	if (r == NULL)
		return err_set(e, RC_NOMEM, "out of memory for resync_budget");
	memset(r->place, 0, budget * sizeof(r->place[0]));
	(void)pthread_mutex_init(&r->lock, NULL);
	r->n = budget;
	return RC_OK;
}

void
resync_free(struct resync *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_destroy(&r->lock);
	mem_free(r);
}

/* ---- counted and explained ---- */

static void
explain(const struct op *op, const char *event, const char *why, size_t objects)
{
	log_info(event, "type=%s folder=%lld objects=%zu text=%s", model_content(op->t.ct)->name, (long long)op->t.f.id, objects, why);
}

/* A syncid that does not fit.  Whether this device has another one here tells an old state of the client from one that was lost here. */
void
resync_refused(struct op *op, bool new_index)
{
	const char *why = "the folder's index was made anew: lost here, or the folder was replaced";
	uint64_t seq = 0;
	struct err ignored;

	if (new_index) {
		metric_add(M_RESYNC_NEW_INDEX, 1);
	} else if (store_cursor_next_seq(op->c, op->s->n->device_id, op->t.f.id, &seq, &ignored) == RC_OK && seq > 1) {
		metric_add(M_RESYNC_OLD_SYNCID, 1);
		why = "the client names a state older than those kept: restored from a backup, or one that it never got";
	} else {
		metric_add(M_RESYNC_NO_STATE, 1);
		why = "nothing is known of this device in the folder: lost here, expired, or the device has a new name";
	}
	explain(op, "syncid-refused", why, 0);
}

static void
count(struct op *op)
{
	const struct sync_answer *out = op->out;
	bool known = op->next_seq > 1; /* the number that the next state of this device in the folder would have had */

	if (op->req->mode == SYNC_RECONCILE) {
		metric_add(M_RECONCILE_OBJECTS, (int64_t)(out->n + out->n_deleted));
		if (out->more)
			return;
		metric_add(M_RECONCILES, 1);
		explain(op, "reconciled", known ? "the client said what it has" : "the client said what it has, and no state of its device was known", out->n + out->n_deleted);
	} else if (op->req->mode == SYNC_INIT) {
		metric_add(known ? M_RESYNC_AGAIN : M_RESYNC_FIRST, 1);
		explain(op, "first-fill", known ? "the client begins anew with a folder that it had" : "new to the device", out->n);
	}
}

/* ---- the budget ---- */

/* A request that loads a folder: begins, compares, or goes on with the first fill.  One that brings changes never waits. */
static bool
is_resync(const struct op *op)
{
	const struct sync_request *req = op->req;

	if (op->t.ct == CT_FOLDER)
		return false;
	if (req->mode == SYNC_UPDATE)
		return req->n_changes == 0 && op->cur.more && !op->cur.c.view.filled;
	return req->mode != SYNC_ESTIMATE;
}

static struct resync_place *
find(struct resync *r, const struct op *op, msec_t now)
{
	struct resync_place *free = NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct resync_place *p = &r->place[i];

		if (p->device == op->s->n->device_id && p->folder == op->t.f.id)
			return p;
		if (p->device == 0 || (!p->working && now - p->used >= op->g->o.resync_retry_ms))
			free = p;
	}
	return free;
}

/* Takes the place of this device and folder, or a free one. */
static bool
take(struct op *op, bool only_own)
{
	struct resync *r = op->g->resync;
	struct resync_place *p;

	(void)pthread_mutex_lock(&r->lock);
	p = find(r, op, steady_ms());
	if (p != NULL && only_own && (p->device != op->s->n->device_id || p->folder != op->t.f.id))
		p = NULL;
	if (p != NULL) {
		metric_add(M_RESYNC_RUNNING, p->device == 0 ? 1 : 0);
		*p = (struct resync_place){ .device = op->s->n->device_id, .folder = op->t.f.id, .working = true };
		op->resync_place = true;
	}
	(void)pthread_mutex_unlock(&r->lock);
	return p != NULL;
}

static enum rc
put_off(struct op *op, struct err *e)
{
	unsigned retry_s = (unsigned)((op->g->o.resync_retry_ms + 999) / 1000), jitter = 0;
	enum rc rc = err_set(e, RC_BUSY, "many clients are loading large folders; this one is next when it comes again");

	random_bytes(&jitter, sizeof(jitter));
	if (e != NULL)
		e->retry_after_s = (int)(retry_s + jitter % (retry_s + 1));
	metric_add(M_RESYNC_DEFERRED, 1);
	metric_count(F_REFUSED, "resync", NULL);
	return rc;
}

/*
 * Before the work, and once more after the look at OX, which of a new index alone tells how large the folder is.  RC_BUSY: later.
 * A folder with a place is not counted again.
 */
enum rc
resync_admit(struct op *op, bool refreshed, struct err *e)
{
	const struct engine_options *o = &op->g->o;
	size_t live = op->req->n_pairs;
	enum rc rc = RC_OK;

	if (op->g->resync->n == 0 || op->resync_place || !is_resync(op) || take(op, true))
		return RC_OK;
	if (live < o->resync_large && (refreshed || op->t.f.init))
		rc = op_live(op, &live, e);
	if (rc != RC_OK || live < o->resync_large || take(op, false))
		return rc;
	return put_off(op, e);
}

/* After the request: OK is its outcome.  The place is free when there is no page to come, else it is kept for a while. */
void
resync_done(struct op *op, bool ok)
{
	struct resync *r = op->g->resync;
	bool ended = ok && !op->out->more;
	struct resync_place *p;

	if (ok)
		count(op);
	if (!op->resync_place)
		return;
	(void)pthread_mutex_lock(&r->lock);
	p = find(r, op, steady_ms());
	if (p != NULL && p->device == op->s->n->device_id && p->folder == op->t.f.id) {
		if (ended)
			*p = (struct resync_place){ 0 };
		p->working = false;
		p->used = steady_ms();
		metric_add(M_RESYNC_RUNNING, ended ? -1 : 0);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

/* Clients that began and did not come back leave their places. */
void
resync_sweep(struct engine *g)
{
	struct resync *r = g->resync;
	msec_t now = steady_ms();

	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n; i++) {
		struct resync_place *p = &r->place[i];

		if (p->device == 0 || p->working || now - p->used < g->o.resync_retry_ms)
			continue;
		*p = (struct resync_place){ 0 };
		metric_add(M_RESYNC_RUNNING, -1);
	}
	(void)pthread_mutex_unlock(&r->lock);
}
