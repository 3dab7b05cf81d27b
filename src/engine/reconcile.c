/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reconcile: what a client says it has against the index, the differences as pages (F20).  Which ones is decided in src/sync. */
#include "engine/answer_int.h"
#include "engine/refresh_int.h"
#include "engine/tree.h"
#include <stdlib.h>
#include <string.h>

/* What reconcile does not compare: objects that OX cannot show, and those that the device refused in this version.  One that it holds after all is not set aside any more. */
static enum rc
not_compared(struct op *op, struct row *const *rows, size_t n, const struct pair *pairs, size_t n_pairs, struct imap **out, struct err *e)
{
	struct imap *skip = imap_new(op->a, op->n_aside + 16), *held = imap_new(op->a, n_pairs);
	bool same;
	size_t at;
	enum rc rc = aside_load(op, e);

	if (rc == RC_OK && (skip == NULL || held == NULL))
		return err_set(e, RC_NOMEM, "out of memory for the comparison");
	for (size_t i = 0; rc == RC_OK && i < n_pairs; i++) {
		if (!pairs[i].valid || !aside_rejected(op, pairs[i].id, 0, &same))
			continue;
		rc = store_aside_drop(op->c, op->t.f.id, op->s->n->device_id, pairs[i].id, e);
		if (rc == RC_OK && !imap_put(held, pairs[i].id, i))
			return err_set(e, RC_NOMEM, "out of memory for the comparison");
	}
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if ((is_broken(op, rows[i]->id) || (aside_rejected(op, rows[i]->id, rows[i]->cn, &same) && same && !imap_get(held, rows[i]->id, &at))) &&
		    !imap_put(skip, rows[i]->id, i))
			return err_set(e, RC_NOMEM, "out of memory for the comparison");
	*out = skip;
	return rc;
}

static int
pair_by_id(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int
newest_first(const void *x, const void *y)
{
	const struct row *a = *(struct row *const *)x, *b = *(struct row *const *)y;

	if (a->sk != b->sk)
		return a->sk > b->sk ? -1 : 1;
	return a->id > b->id ? -1 : a->id < b->id;
}

/* Of a folder with more objects than a client may get, the newest: as the first fill gives them. */
static enum rc
keep_newest(struct op *op, struct row *const *rows, size_t n, struct err *e)
{
	size_t max = op->g->o.max_objects;
	struct view *v = &op->cur.c.view;
	struct row **sorted;

	if (max == 0 || n <= max)
		return RC_OK;
	sorted = arena_memdup(op->a, rows, n * sizeof(struct row *));
	if (sorted == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the comparison");
	if (n > 1)
		qsort(sorted, n, sizeof(struct row *), newest_first);
	v->edge_sk = sorted[max - 1]->sk;
	v->edge_id = sorted[max - 1]->id;
	v->n_filled = max;
	return RC_OK;
}

/* (uuid, rev) pairs against the index: differences only; a syncid comes with the last page alone (F20). */
enum rc
op_reconcile(struct op *op, struct err *e)
{
	struct answer an = { .op = op };
	const struct sync_request *req = op->req;
	struct pair *pairs = arena_array(op->a, struct pair, req->n_pairs + 1);
	struct sync_reconcile_out r;
	struct row **rows;
	struct imap *skip = NULL;
	struct uuid u;
	size_t n, live = 0;
	uint64_t former = 0;
	bool renamed = former_tag(op, &former);
	enum rc rc;

	if (pairs == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the pairs");
	for (size_t i = 0; i < req->n_pairs; i++) {
		struct pair *p = &pairs[i];
		size_t len = strlen(req->pair_rev[i]);

		p->uuid = req->pair_uuid[i];
		p->valid = uuid_id(op->g->keys, op->t.tag, &p->uuid, &p->id) || (renamed && uuid_id(op->g->keys, former, &p->uuid, &p->id));
		if (!p->valid)
			p->id = INT64_MIN;
		if (len < sizeof(p->rev))
			memcpy(p->rev, req->pair_rev[i], len + 1);
	}
	if (req->n_pairs > 1)
		qsort(pairs, req->n_pairs, sizeof(*pairs), pair_by_id);
	rc = store_rows_all(op->c, op->a, &op->t.f, true, &rows, &n, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (sync_in_window(rows[i], op->w0, op->w1))
			rows[live++] = rows[i];
	if (rc == RC_OK)
		rc = op_ensure_known(op, rows, live, e);
	if (rc != RC_OK)
		return rc;
	n = live;
	live = 0;
	for (size_t i = 0; i < n; i++) /* what was gone when its content was read */
		if (!rows[i]->dead && sync_in_window(rows[i], op->w0, op->w1))
			rows[live++] = rows[i];
	sync_cursor_fresh(&op->cur.c, op->t.f.epoch, op->t.f.cn, op->w0, op->w1, &op->hidden); /* reading contents may have moved the index on */
	rc = keep_newest(op, rows, live, e);
	if (rc != RC_OK)
		return rc;
	if (renamed)
		rc = renamed_list(op, pairs, req->n_pairs, rows, live, e);
	if (rc == RC_OK) /* it is not gone, and would fill every page */
		rc = not_compared(op, rows, live, pairs, req->n_pairs, &skip, e);
	if (rc != RC_OK)
		return rc;
	rc = sync_reconcile(op->a, op->g->keys, op->t.ct, &op->cur.c, rows, live, pairs, req->n_pairs, skip, req->limit, &r);
	if (rc != RC_OK)
		return err_set(e, rc, "out of memory for the comparison");
	an.next = r.next;
	an.more = r.more;
	op->out->hidden = an.next.seen.hidden;
	rc = r.more ? RC_OK : notice_of_fill(op, &(struct cursor){ 0 }, &an.next, e);
	for (size_t i = 0; rc == RC_OK && op->broken != NULL && !r.more && i < live; i++)
		if (is_broken(op, rows[i]->id)) {
			uuid_make(op->g->keys, op->t.tag, rows[i]->id, &u);
			rc = notice_add(op, NOTICE_UNREADABLE, &u, 0, 0, e);
		}
	if (rc == RC_OK)
		rc = fetch_contents(&an, r.items, r.n, e);
	if (rc == RC_OK)
		rc = give_all(&an, r.items, r.n, e);
	for (size_t i = 0; i < r.n_gone && rc == RC_OK; i++) {
		rc = deleted_add(&an, 0, e);
		if (rc != RC_OK)
			break;
		op->out->deleted[op->out->n_deleted - 1] = r.gone[i]->uuid; /* as the client named it, whatever it was */
	}
	if (rc != RC_OK)
		return rc;
	if (r.more) {
		op->out->more = true;
		op->out->has_syncid = false;
		return RC_OK;
	}
	return answer_save(&an, e);
}
