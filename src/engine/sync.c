/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One sync operation in the order that the model proves: lock, load the cursor (check, acknowledge), refresh, changes, answer.
 * The lock is held from before the cursor is read until the new cursor is saved.
 */
#include "engine/engine_int.h"

#include <stdio.h>
#include <string.h>

enum rc
op_begin(struct op *op, struct engine_session *s, struct arena *a, struct err *e)
{
	enum rc rc;

	memset(op, 0, sizeof(*op));
	op->g = s->g;
	op->s = s;
	op->a = a;
	rc = store_lease(op->g->store, &op->c, e);
	return rc == RC_OK ? session_verify(s, op->c, e) : rc;
}

void
op_end(struct op *op)
{
	if (op->locked)
		store_unlock(op->c, op->t.f.id);
	store_release(op->c);
	op->c = NULL;
	op->locked = false;
}

void
op_end_written(struct op *op)
{
	if (op->wrote && op->t.f.cn != op->cn_at_start) {
		quick_forget(op);
		op_wake(op, op->t.topic);
	}
	op_end(op);
	hierarchy_drop(op);
	stash_drop(op);
}

/* The filter's window in whole days, so that an unchanged sync stays unchanged until midnight UTC. */
void
window_of(const struct engine *g, const struct device_config *cfg, enum content ct, msec_t *w0, msec_t *w1)
{
	msec_t today = now_ms() / DAY_MS;

	*w0 = TIME_MIN;
	*w1 = TIME_MAX;
	if (g->o.past_days[ct] == 0 && g->o.future_days[ct] == 0)
		return;
	*w0 = (today - cfg->past_days[ct]) * DAY_MS;
	if (cfg->future_days[ct] > 0)
		*w1 = (today + cfg->future_days[ct] + 1) * DAY_MS - 1;
}

void
op_window(const struct op *op, enum content ct, msec_t *w0, msec_t *w1)
{
	struct device_config cfg;

	config_now(op->s, &cfg);
	window_of(op->g, &cfg, ct, w0, w1);
}

void
fresh_cursor(struct op *op)
{
	memset(&op->cur, 0, sizeof(op->cur));
	sync_cursor_fresh(&op->cur.c, op->t.f.epoch, op->t.f.cn, op->w0, op->w1, &op->hidden);
	op->cur.seq = op->next_seq > 0 ? op->next_seq - 1 : 0; /* syncInit and reconcile prune nothing: children of no one */
}

/* The cursor that the client names; using it acknowledges it. */
static enum rc
load_cursor(struct op *op, struct err *e)
{
	const struct sync_request *req = op->req;
	enum rc rc = store_cursor_get(op->c, op->a, op->s->n->device_id, op->t.f.id, &req->syncid, &op->cur, e);

	if (rc == RC_NOTFOUND || (rc == RC_OK && op->cur.c.epoch != op->t.f.epoch)) {
		resync_refused(op, rc == RC_OK);
		return err_set_path(e, RC_CONFLICT, "syncid", "this syncid is unknown here (any more): reconcile");
	}
	if (rc == RC_OK)
		rc = cursor_copy(op->a, &op->cur.c, &op->cur.c); /* a change that finds its object gone forgets it in here */
	if (rc != RC_OK || req->mode == SYNC_ESTIMATE)
		return rc;
	if (req->n_changes > 0 && req->k < op->cur.k) {
		rc = err_set_path(e, RC_CONFLICT, "request", "a newer request of this device has been seen: drop this one's answer");
		if (e != NULL)
			(void)snprintf(e->code, sizeof(e->code), "%s", ENGINE_OUTDATED);
		return rc;
	}
	return store_cursor_use(op->c, op->s->n->device_id, op->t.f.id, &op->cur, req->n_changes > 0 ? req->k : 0, e);
}

/*
 * A folder that is off at this device: nothing goes either way, and the device keeps what it has.  Its syncid stays as it is, so that
 * switching the folder on again brings the differences.  Changes are refused and not put off: what became of them could not be told.
 */
static enum rc
op_run_off(struct op *op, struct err *e)
{
	struct sync_request *req = op->req;
	struct sync_answer *out = op->out;

	if (req->mode == SYNC_RECONCILE)
		return err_set_path(e, RC_FORBIDDEN, "folder", "This folder is switched off on this device; switch it on to synchronize it");
	if (req->mode == SYNC_INIT)
		return op_begin_switched_off(op, e);
	out->has_syncid = true;
	out->syncid = req->syncid;
	out->results = arena_array(op->a, struct answer_result, req->n_changes);
	if (out->results == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the results");
	for (size_t i = 0; i < req->n_changes; i++) {
		struct answer_result *r = &out->results[out->n_results++];

		r->change = i;
		r->failed = true;
		(void)err_set(&r->err, RC_FORBIDDEN, "This folder is switched off on this device; switch it on to change it");
	}
	return RC_OK;
}

enum rc
op_lock(struct op *op, struct err *e)
{
	int64_t index = op->t.f.id;
	enum rc rc = store_lock(op->c, index, e);

	if (rc != RC_OK)
		return rc;
	op->locked = true;
	/* what was read before the lock may be old: the index, not the folder's place in the hierarchy, which this lock does not hold still */
	rc = target_again(op, e);
	if (rc != RC_OK || op->t.f.id != index)
		return rc != RC_OK ? rc : err_set(e, RC_BUSY, "the folder's index was made anew; repeat the request");
	op->cn_at_start = op->t.f.cn;
	op_window(op, op->t.ct, &op->w0, &op->w1);
	return RC_OK;
}

static enum rc
op_run(struct op *op, struct err *e)
{
	struct sync_request *req = op->req;
	bool has_cursor = req->mode == SYNC_UPDATE || req->mode == SYNC_ESTIMATE;
	enum rc rc;

	op->out->ct = op->t.ct;
	op->mode = op->out->mode = config_filter(op->s, &req->folder, op->t.ct, &op->hidden);
	if (op->mode == MODE_OFF)
		return op_run_off(op, e);
	rc = op_lock(op, e);
	if (rc != RC_OK)
		return rc;
	/* only what is written before the new cursor is saved needs to know its number */
	if (!has_cursor || req->n_changes > 0)
		rc = store_cursor_next_seq(op->c, op->s->n->device_id, op->t.f.id, &op->next_seq, e);
	if (rc == RC_OK && has_cursor)
		rc = load_cursor(op, e);
	if (rc == RC_OK)
		rc = resync_admit(op, false, e);
	if (rc == RC_OK)
		rc = op_refresh(op, req->n_changes > 0, e);
	if (rc == RC_OK && has_cursor && op->cur.c.epoch != op->t.f.epoch) {
		resync_refused(op, true);
		rc = err_set_path(e, RC_CONFLICT, "syncid", "the folder was made anew on the server: reconcile");
	}
	if (rc == RC_OK)
		rc = resync_admit(op, true, e);
	if (rc != RC_OK)
		return rc;
	if (!has_cursor)
		fresh_cursor(op);
	if (req->n_changes > 0)
		rc = op_changes(op, e);
	if (rc == RC_OK && req->n_rejected > 0)
		rc = op_rejected(op, e);
	if (rc == RC_OK)
		rc = req->mode == SYNC_RECONCILE ? op_reconcile(op, e) : op_answer(op, e);
	return rc;
}

enum rc
engine_sync(struct engine_session *s, struct arena *a, struct sync_request *req, struct sync_answer *out, struct err *e)
{
	struct op op;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	if (quick_unchanged(s, req, &out->ct)) {
		metric_add(M_UNCHANGED_FAST, 1);
		out->has_syncid = true;
		out->syncid = req->syncid;
		return RC_OK;
	}
	config_policies(s, req);
	rc = op_begin(&op, s, a, e);
	if (rc == RC_OK) {
		op.req = req;
		op.ref = req->folder;
		op.out = out;
		rc = target_open(&op, &req->folder, &op.t, e);
	}
	if (rc == RC_OK) {
		rc = op_run(&op, e);
		resync_done(&op, rc == RC_OK);
	}
	/* others who wait for this folder look again, also when this request failed half-way */
	if (op.wrote && op.t.f.cn != op.cn_at_start) {
		if (rc != RC_OK)
			quick_forget(&op);
		op_wake(&op, op.t.topic);
	}
	op_end(&op);
	hierarchy_drop(&op);
	journal_fini(&op);
	if (rc != RC_OK) {
		stash_drop(&op);
		return rc;
	}
	/* the items borrow the stash's objects until engine_sync_done */
	out->stash = op.stash.o;
	out->n_stash = op.stash.n;
	return RC_OK;
}

void
engine_sync_done(struct sync_answer *out)
{
	object_drop_all(out->stash, out->n_stash);
	for (size_t i = 0; i < out->n_results; i++) {
		json_decref(out->results[i].conflicts);
		out->results[i].conflicts = NULL;
	}
	out->stash = NULL;
	out->n_stash = 0;
}

enum rc
engine_folder_type(struct engine_session *s, const struct folder_ref *folder, enum content *ct, struct err *e)
{
	struct arena *a;
	struct op op;
	enum rc rc;

	*ct = CT_FOLDER;
	if (folder->hierarchy)
		return RC_OK;
	a = arena_new(0);
	if (a == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a folder");
	rc = op_begin(&op, s, a, e);
	if (rc == RC_OK)
		rc = target_open(&op, folder, &op.t, e);
	*ct = op.t.ct;
	op_end(&op);
	hierarchy_drop(&op);
	arena_free(a);
	return rc;
}
