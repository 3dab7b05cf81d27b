/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Objects that are set aside, so that their folder goes on: OX names them and cannot deliver them (asked for again after a time that grows),
 * or this device could not store them (not sent again before they change, and then whole).  Read only where one may be in question.
 */
#include "engine/engine_int.h"
#include "engine/refresh_int.h"

#include <string.h>

#define TRY_LAST_MS DAY_MS

/* A set-aside object is kept in one map: OX's under its id, the device's in another. */
enum rc
aside_load(struct op *op, struct err *e)
{
	enum rc rc;

	if (op->aside_of[0] != NULL)
		return RC_OK;
	rc = store_aside_get(op->c, op->a, op->t.f.id, op->s->n->device_id, &op->aside, &op->n_aside, e);
	if (rc != RC_OK)
		return rc;
	op->aside_of[0] = imap_new(op->a, op->n_aside);
	op->aside_of[1] = imap_new(op->a, op->n_aside);
	if (op->aside_of[0] == NULL || op->aside_of[1] == NULL)
		return err_set(e, RC_NOMEM, "out of memory for objects that are set aside");
	for (size_t i = 0; i < op->n_aside; i++)
		if (!imap_put(op->aside_of[op->aside[i].device != 0], op->aside[i].id, i))
			return err_set(e, RC_NOMEM, "out of memory for objects that are set aside");
	return RC_OK;
}

static const struct store_aside *
aside_get(const struct op *op, bool device, int64_t id)
{
	size_t at;

	return op->aside_of[device] != NULL && imap_get(op->aside_of[device], id, &at) ? &op->aside[at] : NULL;
}

/* Is it too early to ask OX for ID again, listed with LM (0 = not known)?  A version that failed; another may well be readable. */
bool
aside_waits(const struct op *op, int64_t id, msec_t lm)
{
	const struct store_aside *x = aside_get(op, false, id);

	/* further ahead than any wait: noted while a clock was wrong */
	return x != NULL && x->next_try > now_ms() && x->next_try <= now_ms() + TRY_LAST_MS && (lm == 0 || x->version == 0 || lm == x->version);
}

/* OX failed on ID once more: it is noted, and this operation takes it for one that cannot be shown. */
enum rc
aside_unreadable(struct op *op, int64_t id, msec_t lm, struct err *e)
{
	const struct store_aside *x;
	struct store_aside now = { .id = id, .version = lm, .since = now_ms(), .tries = 1, .reason = "the groupware server cannot deliver it" };
	msec_t wait = op->g->o.unreadable_retry_ms;
	enum rc rc = aside_load(op, e);

	if (rc != RC_OK)
		return rc;
	x = aside_get(op, false, id);
	for (unsigned i = 0; x != NULL && i < x->tries && wait < TRY_LAST_MS; i++)
		wait *= 2;
	if (x != NULL)
		now.tries = x->tries + 1;
	now.next_try = now.since + (wait < TRY_LAST_MS ? wait : TRY_LAST_MS);
	return store_aside_put(op->c, op->t.f.id, &now, e);
}

enum rc
aside_readable(struct op *op, int64_t id, struct err *e)
{
	enum rc rc = aside_load(op, e);

	return rc == RC_OK && aside_get(op, false, id) != NULL ? store_aside_drop(op->c, op->t.f.id, 0, id, e) : rc;
}

/* Is ID one that this device could not store?  *SAME: in this very version. */
bool
aside_rejected(const struct op *op, int64_t id, uint64_t cn, bool *same)
{
	const struct store_aside *x = aside_get(op, true, id);

	*same = x != NULL && (uint64_t)x->version == cn;
	return x != NULL;
}

/* What the client reports in a request.  One that is not here any more needs nothing; the note is acknowledged with a notice. */
enum rc
op_rejected(struct op *op, struct err *e)
{
	const struct sync_request *req = op->req;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < req->n_rejected && rc == RC_OK; i++) {
		const struct rejected *r = &req->rejected[i];
		struct store_aside x = { .device = op->s->n->device_id, .since = now_ms(), .tries = 1, .reason = r->reason };
		struct row *row = NULL;

		if (!uuid_id(op->g->keys, op->t.tag, &r->uuid, &x.id))
			continue;
		rc = op_row(op, x.id, &row, e);
		if (rc != RC_OK || row == NULL || row->dead)
			continue;
		x.version = (int64_t)row->cn;
		rc = store_aside_put(op->c, op->t.f.id, &x, e);
		metric_count(F_ASIDE, "rejected", NULL);
		log_warn("rejected-object", "device=%s type=%s folder=%lld id=%lld", op->s->n->device, model_content(op->t.ct)->name,
		    (long long)op->t.f.id, (long long)x.id);
		if (rc == RC_OK)
			rc = notice_add(op, NOTICE_REJECTED, &r->uuid, 0, 0, e);
	}
	op->aside_of[0] = op->aside_of[1] = NULL; /* read anew where it matters */
	return rc;
}
