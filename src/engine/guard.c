/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Guards against devices gone wrong.  Who would delete a large share of a folder is asked first: until somebody confirms, the deletions are held,
 * everything else goes on.  Who creates the same content again and again is refused further ones.
 */
#include "engine/mail_int.h"
#include "engine/refresh_int.h"

#include <stdio.h>
#include <string.h>

/* ---- deletions ---- */

/* What was deleted fades evenly, so that no moment forgets it all at once. */
static int64_t
faded(const struct store_guard *g, msec_t now, msec_t period)
{
	msec_t age = now - g->at;

	if (age <= 0 || period <= 0)
		return g->deleted;
	return age >= period ? 0 : g->deleted - g->deleted * age / period;
}

/* How many of the N objects IDS are here to be deleted. */
static enum rc
count_alive(struct op *op, const int64_t *ids, size_t n, size_t *alive, struct err *e)
{
	struct row **rows;
	struct imap *at;
	size_t k;
	enum rc rc = rows_by_id(op, ids, n, &rows, &at, e);

	*alive = 0;
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		*alive += imap_get(at, ids[i], &k) && !rows[k]->dead;
	return rc;
}

/* Would deleting N of the objects IDS on top of RECENT be too much?  *total: how many there are. */
static enum rc
too_many(struct op *op, const int64_t *ids, size_t *n, int64_t recent, size_t *total, bool *hold, struct err *e)
{
	const struct engine_options *o = &op->g->o;
	int64_t sum;
	enum rc rc;

	*hold = false;
	if (recent + (int64_t)*n < (int64_t)o->guard_delete_min)
		return RC_OK;
	rc = count_alive(op, ids, *n, n, e);
	if (rc == RC_OK)
		rc = op_live(op, total, e);
	sum = recent + (int64_t)*n;
	*hold = rc == RC_OK && *n > 0 && sum >= (int64_t)o->guard_delete_min &&
	    sum * 100 > (int64_t)o->guard_delete_share * ((int64_t)*total + recent);
	return rc;
}

static enum rc
hold(struct op *op, size_t n, size_t total, struct err *e)
{
	struct store_guard *g = &op->guard;
	enum rc rc;

	op->deletions = DELETIONS_HELD;
	g->held = (int64_t)n;
	g->held_at = g->at = now_ms();
	metric_count(F_REFUSED, "deletions-held", NULL);
	log_warn("deletions-held", "device=%s type=%s folder=%lld count=%zu of=%zu text=nothing is deleted before it is confirmed",
	    op->s->n->device, model_content(op->t.ct)->name, (long long)op->t.f.id, n, total);
	rc = store_guard_put(op->c, g, false, e);
	return rc == RC_OK ? notice_add(op, NOTICE_HELD, NULL, (int64_t)n, (int64_t)total, e) : rc;
}

/* Before the changes: do the deletions among them pass? */
enum rc
guard_begin(struct op *op, struct err *e)
{
	const struct sync_request *req = op->req;
	struct store_guard *g = &op->guard;
	int64_t *ids;
	size_t n = 0, total = 0;
	bool much, judged;
	enum rc rc;

	op->deletions = req->confirm == CONFIRM_NO ? DELETIONS_BACK : DELETIONS_PASS;
	if (op->g->o.guard_delete_share == 0 || (op->t.ct == CT_MAIL && mail_in_trash(op)))
		return RC_OK;
	ids = arena_array(op->a, int64_t, req->n_changes);
	if (ids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the changes");
	for (size_t i = 0; i < req->n_changes; i++)
		if (req->changes[i].op == OP_DELETE && req->changes[i].has_uuid)
			n += uuid_id(op->g->keys, op->t.tag, &req->changes[i].uuid, &ids[n]);
	if (n == 0)
		return RC_OK;
	rc = store_guard_get(op->c, op->s->n->device_id, op->t.f.id, g, e);
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	op->guarded = true;
	g->deleted = faded(g, now_ms(), op->g->o.guard_delete_ms);
	g->at = now_ms();
	judged = g->held > 0 && g->until > now_ms();
	if (judged && g->verdict == GUARD_REFUSE && req->confirm != CONFIRM_YES)
		op->deletions = DELETIONS_BACK;
	if (req->confirm != CONFIRM_NONE || (judged && g->verdict != GUARD_NONE)) {
		g->held = 0;
		return RC_OK;
	}
	rc = too_many(op, ids, &n, g->deleted, &total, &much, e);
	return rc == RC_OK && much ? hold(op, n, total, e) : rc;
}

/* An object whose deletion was not meant comes back whole. */
bool
guard_holds(struct op *op, const struct client_change *cc, struct answer_result *res, enum rc *rc, struct err *e)
{
	struct row *row = NULL;
	int64_t id;

	*rc = RC_OK;
	if (cc->op != OP_DELETE || op->deletions == DELETIONS_PASS || !cc->has_uuid || !uuid_id(op->g->keys, op->t.tag, &cc->uuid, &id))
		return false;
	*rc = op_row(op, id, &row, e);
	if (*rc != RC_OK)
		return true;
	if (row == NULL || row->dead)
		return false; /* gone already: that is the answer */
	res->status = op->deletions == DELETIONS_HELD ? ST_HELD : ST_REFUSED;
	if (op->deletions == DELETIONS_BACK)
		*rc = forced_add(op, id, SYNC_PUT);
	return true;
}

/* After the changes: what was deleted counts. */
enum rc
guard_end(struct op *op, struct err *e)
{
	struct store_guard *g = &op->guard;

	if (!op->guarded || op->deletions == DELETIONS_HELD)
		return RC_OK;
	g->deleted += (int64_t)op->n_deleted;
	return store_guard_put(op->c, g, g->held == 0, e);
}

/* ---- creates ---- */

static uint64_t
content_of(const struct work *w)
{
	const struct op *op = w->op;
	uint64_t h = op->t.ct;

	if (op->t.ct == CT_MAIL)
		return mail_digest(op, w->cc->raw, w->cc->raw_len);
	for (unsigned i = 0; i < w->ch.nf; i++) {
		uint64_t v[3] = { h, w->ch.f[i].i, w->ch.f[i].fp };

		if (w->ch.f[i].fp != 0)
			h = siphash24(op->g->topic_key, v, sizeof(v));
	}
	return h;
}

/* Of another series or position an exception says little more than that; folders have names. */
static bool
counts(const struct work *w)
{
	return w->op->g->o.guard_create_count != 0 && w->op->t.ct != CT_FOLDER && w->series == 0;
}

enum rc
guard_create(struct work *w, struct err *e)
{
	struct op *op = w->op;
	unsigned max = op->g->o.guard_create_count;
	struct store_created x = { .device = op->s->n->device_id, .folder = op->t.f.id };
	size_t n;
	enum rc rc;

	if (!counts(w))
		return RC_OK;
	x.content = content_of(w);
	rc = store_created_count(op->c, &x, now_ms() - op->g->o.guard_create_ms, max, &n, e);
	if (rc != RC_OK || n < max)
		return rc;
	metric_count(F_REFUSED, "repeated-create", NULL);
	log_warn("repeated-create", "device=%s type=%s folder=%lld count=%zu text=refused; usmctl duplicates lists them", op->s->n->device,
	    model_content(op->t.ct)->name, (long long)op->t.f.id, n);
	(void)err_set(e, RC_LIMIT, "This device has created the same %u times in this folder; further ones are refused. "
	    "Look for the mistake on the device; the administrator can remove the copies", max);
	if (e != NULL)
		(void)snprintf(e->code, sizeof(e->code), "%s", ENGINE_REPEATED);
	return RC_LIMIT;
}

/* It is only counted: a failure of that must not cast doubt on the create. */
void
guard_created(struct work *w, int64_t id)
{
	struct op *op = w->op;
	struct store_created x = { .device = op->s->n->device_id, .folder = op->t.f.id, .object = id, .at = now_ms() };
	struct err e;

	if (!counts(w))
		return;
	x.content = content_of(w);
	if (store_created_add(op->c, &x, &e) != RC_OK)
		log_warn("guard", "failed=%s", e.text);
}
