/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The second half of a sync: read back what was written, take the delta, fetch the contents it needs, merge them (F18), and
 * save the new cursor with everything that the answer acknowledges, in one transaction.
 */
#include "engine/answer_int.h"
#include "engine/refresh_int.h"
#include "engine/tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- row source on the store ---- */

static enum rc
src_since(void *self, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct op *op = self;

	return store_rows_since(op->c, op->a, &op->t.f, cn, max, rows, n, e);
}

static enum rc
src_below(void *self, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct op *op = self;

	return store_rows_below(op->c, op->a, &op->t.f, from_top, sk, id, max, rows, n, e);
}

static enum rc
src_moved(void *self, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e)
{
	struct op *op = self;

	return store_rows_moved(op->c, op->a, &op->t.f, old0, old1, new0, new1, rows, n, e);
}

static enum rc
src_by_id(void *self, int64_t id, struct row **row, struct err *e)
{
	return op_row(self, id, row, e);
}

static struct row_source
source_of(struct op *op)
{
	return (struct row_source){ .self = op, .since = src_since, .below = src_below, .moved = src_moved, .by_id = src_by_id };
}

/* ---- growing the answer ---- */

static struct answer_item *
item_add(struct answer *an)
{
	struct sync_answer *out = an->op->out;

	if (out->n == an->cap_items) {
		size_t cap = an->cap_items != 0 ? an->cap_items * 2 : 64;
		struct answer_item *p = arena_array(an->op->a, struct answer_item, cap);

		if (p == NULL)
			return NULL;
		if (out->n != 0)
			memcpy(p, out->items, out->n * sizeof(*p));
		out->items = p;
		an->cap_items = cap;
	}
	return &out->items[out->n++];
}

enum rc
deleted_add(struct answer *an, int64_t id, struct err *e)
{
	struct sync_answer *out = an->op->out;
	struct uuid u;

	uuid_make(an->op->g->keys, an->op->t.tag, id, &u);
	if (out->n_deleted == an->cap_deleted) {
		size_t cap = an->cap_deleted != 0 ? an->cap_deleted * 2 : 64;
		struct uuid *p = arena_array(an->op->a, struct uuid, cap);

		if (p == NULL)
			return err_set(e, RC_NOMEM, "out of memory for the answer");
		if (out->n_deleted != 0)
			memcpy(p, out->deleted, out->n_deleted * sizeof(*p));
		out->deleted = p;
		an->cap_deleted = cap;
	}
	out->deleted[out->n_deleted++] = u;
	return RC_OK;
}

static enum rc
give_gone(struct answer *an, int64_t id, struct err *e)
{
	cursor_have_drop(&an->next, id);
	return deleted_add(an, id, e);
}

/* A client knows the number of a mail's flags only: it is the device's own where all the bits that go with it are. */
static void
flags_as_number(const struct content_type *t, struct answer_item *it)
{
	bool own = true;

	for (unsigned i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & FF_BIT) != 0 && fmask_has(&it->fields, i))
			own = own && fmask_has(&it->own, i);
	fmask_from_bits(t, &it->fields);
	fmask_from_bits(t, &it->own);
	for (unsigned i = 0; i < t->n_fields && !own; i++)
		if ((t->fields[i].flags & FF_BITS) != 0)
			fmask_clear(&it->own, i);
}

/* OX's id of the series stays here: a client gets the uuid that the series has in this folder. */
void
item_series(const struct op *op, struct answer_item *it)
{
	int i = model_field(model_content(CT_CALENDAR), "recurrence_id");
	const char *series = i >= 0 ? object_get_str(it->object, (unsigned)i) : NULL;

	if (series != NULL)
		uuid_make(op->g->keys, op->t.tag, model_id(op->g->keys, series), &it->series);
}

/* What of R a modification brings: ALSO (may be NULL) are fields that the device gets from now on. */
static void
item_fields(struct answer *an, struct answer_item *it, const struct row *r, const struct touched *sent, const struct fmask *also)
{
	struct op *op = an->op;
	const struct content_type *t = model_content(op->t.ct);
	struct change ch = { 0 };
	struct fmask hidden;

	if (sent != NULL) {
		ch.id = sent->id;
		ch.f = sent->f;
		ch.nf = sent->nf;
		sync_answer_fields(&op->cur.c, r, &ch, op->writes, op->n_writes, &it->fields, &it->own);
	} else {
		sync_changed_fields(r, sync_base_of(&op->cur.c, r), &it->fields);
	}
	/* a mail's header never changes; the others' unindexed fields have no change number of their own: they go with every change */
	if (op->t.ct == CT_MAIL)
		flags_as_number(t, it);
	for (unsigned i = 0; i < t->n_fields; i++)
		if ((op->t.ct != CT_MAIL && (t->fields[i].flags & FF_NOINDEX) != 0 && it->object->v[i] != NULL) || (sent != NULL && an->d.swept))
			fmask_set(&it->fields, i);
	hidden = an->next.seen.hidden;
	for (unsigned i = 0; i < ch.nf; i++) /* what it sent it gets, hidden or not: it may have become another value */
		fmask_clear(&hidden, ch.f[i].i);
	fmask_minus(&it->fields, &hidden);
	if (also != NULL)
		fmask_or(&it->fields, also);
}

static enum rc
give(struct answer *an, bool whole, struct row *planned, const struct touched *sent, const struct fmask *also, struct err *e)
{
	struct op *op = an->op;
	struct row *r = now_row(op, planned);
	struct object *o = stash_get(op, r->id);
	struct answer_item *it;
	struct fmask holds;
	struct uuid uuid;
	size_t at, own = strlen(op->s->n->owner);
	enum rc rc;

	uuid_make(op->g->keys, op->t.tag, r->id, &uuid);
	if (an->stuck == r->id && an->stuck != 0) { /* not delivered: it comes when it changes, whole */
		if (cursor_have(&op->cur.c, r->id) == 0)
			cursor_have_drop(&an->next, r->id);
		return RC_OK;
	}
	if (o == NULL && op->broken != NULL && imap_get(op->broken, r->id, &at)) {
		/* OX has it and cannot show it: it must not block its folder, nor be taken for deleted - nor for delivered */
		if (cursor_have(&op->cur.c, r->id) == 0)
			cursor_have_drop(&an->next, r->id);
		return notice_add(op, NOTICE_UNREADABLE, &uuid, 0, 0, e);
	}
	if (o == NULL || r->dead)
		return give_gone(an, r->id, e); /* a delete of what the client never had is no harm to it */
	if (!sync_in_window(r, an->next.view.w0, an->next.view.w1)) /* moved out of the filter since, or written outside it */
		return give_gone(an, r->id, e);
	rc = cursor_have_set(op->a, &an->next, r->id, r->cn);
	if (rc == RC_OK)
		rc = members_for_client(op, o, e);
	it = rc == RC_OK ? item_add(an) : NULL;
	if (it == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the answer");
	memset(it, 0, sizeof(*it));
	it->whole = whole;
	it->object = o;
	it->uuid = uuid;
	/* of what the client holds: of a row that the sweep has yet to reach less than it is to get */
	holds = an->next.seen.hidden;
	if (!whole && !(sent != NULL && an->d.swept))
		sync_hidden_of(&an->next, r, &holds);
	row_rev(op->g->keys, op->t.ct, r, &holds, it->rev);
	if (r->client_id != NULL && strncmp(r->client_id, op->s->n->owner, own) == 0 && r->client_id[own] == '/')
		it->client_id = r->client_id + own + 1;
	if (op->t.ct == CT_CALENDAR)
		item_series(op, it);
	if (!whole)
		item_fields(an, it, r, sent, also);
	return op->t.ct == CT_FOLDER ? tree_item(op, it, e) : notice_of_item(op, it, e);
}

/* ---- reading back ---- */

static enum rc
read_back(struct op *op, struct err *e)
{
	int64_t *ids = arena_array(op->a, int64_t, op->n_touched + 1);
	const char **oxids = arena_array(op->a, const char *, op->n_touched + 1);
	struct object **o;
	size_t n = 0, got;
	enum rc rc;

	if (ids == NULL || oxids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for reading back");
	for (size_t i = 0; i < op->n_touched; i++) {
		struct row *r;

		if (stash_get(op, op->touched[i].id) != NULL)
			continue;
		rc = op_row(op, op->touched[i].id, &r, e);
		if (rc != RC_OK)
			return rc;
		ids[n] = op->touched[i].id;
		oxids[n++] = r != NULL ? r->oxid : NULL;
	}
	rc = op_fetch(op, ids, oxids, n, &o, &got, e);
	return rc == RC_OK && n > 0 ? op_merge_objects(op, o, got, ids, n, e) : rc;
}

/*
 * What was gone when its change was carried out may be here again by now, moved back by somebody: its row is live, and told as it is.  Else the
 * client would drop it, and never hear of it again, for the row's change lies behind what this answer counts as told.
 */
static enum rc
forced_revive(struct op *op, struct err *e)
{
	int64_t *ids = arena_array(op->a, int64_t, op->n_forced + 1);
	struct row **rows;
	size_t n = 0, got, kind;
	enum rc rc = RC_OK;

	if (ids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the answer");
	for (size_t i = 0; i < op->n_forced; i++)
		if (imap_get(op->forced, op->forced_id[i], &kind) && kind == SYNC_DEL)
			ids[n++] = op->forced_id[i];
	if (n == 0)
		return RC_OK;
	rc = store_rows_get(op->c, op->a, &op->t.f, ids, n, &rows, &got, e);
	for (size_t i = 0; i < got && rc == RC_OK; i++)
		if (!rows[i]->dead)
			rc = forced_add(op, rows[i]->id, SYNC_PUT);
	return rc;
}

/* What OX made of a write in the very same version is this device's own, what differs otherwise is foreign (F11). */
static enum rc
complete_writes(struct op *op, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < op->n_writes && rc == RC_OK; i++) {
		struct write_entry *w = &op->writes[i];
		struct row *r;

		if (!w->done || w->cn != 0)
			continue;
		rc = op_row(op, w->id, &r, e);
		if (rc != RC_OK || r == NULL || r->dead)
			continue;
		sync_write_complete(w, r);
		rc = store_write_save(op->c, w, e);
	}
	return rc;
}

/* ---- contents of the items ---- */

/* A row that is newer than the index as this task knows it is another task's (this one lost its lock): what was read before may be older (F19). */
static bool
at_hand(struct op *op, const struct row *r)
{
	if (r->cn > op->t.f.cn)
		stash_forget(op, r->id);
	return stash_get(op, r->id) != NULL;
}

enum rc
fetch_contents(struct answer *an, const struct sync_item *items, size_t n_items, struct err *e)
{
	struct op *op = an->op;
	size_t n = 0, got, max = n_items + op->n_forced;
	int64_t *ids = arena_array(op->a, int64_t, max + 1);
	const char **oxids = arena_array(op->a, const char *, max + 1);
	struct object **o;
	size_t kind;
	enum rc rc;

	if (ids == NULL || oxids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for contents");
	for (size_t i = 0; i < n_items; i++) {
		if (items[i].kind == SYNC_DEL || at_hand(op, items[i].row))
			continue;
		rc = RC_OK;
		if (row_waits(op, items[i].row, &rc, e)) {
			broken_note(op, items[i].row->id);
			continue;
		}
		if (rc != RC_OK)
			return rc;
		ids[n] = items[i].row->id;
		oxids[n++] = items[i].row->oxid;
	}
	for (size_t i = 0; i < op->n_forced; i++) {
		struct row *r;

		if (!imap_get(op->forced, op->forced_id[i], &kind) || kind != SYNC_PUT)
			continue;
		rc = op_row(op, op->forced_id[i], &r, e);
		if (rc != RC_OK)
			return rc;
		if (r != NULL && at_hand(op, r))
			continue;
		ids[n] = op->forced_id[i];
		oxids[n++] = r != NULL ? r->oxid : NULL;
	}
	rc = op_fetch(op, ids, oxids, n, &o, &got, e);
	return rc == RC_OK && n > 0 ? op_merge_objects(op, o, got, ids, n, e) : rc;
}

/* A device that uses one syncid again and again gets smaller pages, then one object; that one is set aside at last (returned as STUCK_ASIDE). */
static size_t
page_of(struct op *op, enum stuck_level *level)
{
	size_t limit = op->req->limit;

	*level = stuck_note(op);
	if (*level == STUCK_NOT || limit == 0)
		return limit;
	return *level == STUCK_SMALL ? (limit + 7) / 8 : 1;
}

static enum rc
set_stuck_aside(struct answer *an, struct err *e)
{
	struct op *op = an->op;
	const struct row *r = NULL;
	struct store_aside x = { .device = op->s->n->device_id, .since = now_ms(), .tries = 1,
		.reason = "the device asked for it again and again without getting on" };
	struct uuid u;
	enum rc rc;

	for (size_t i = 0; i < an->d.n && r == NULL; i++)
		if (an->d.items[i].kind != SYNC_DEL)
			r = an->d.items[i].row;
	if (r == NULL)
		return RC_OK;
	an->stuck = x.id = r->id;
	x.version = (int64_t)r->cn;
	rc = store_aside_put(op->c, op->t.f.id, &x, e);
	metric_count(F_ASIDE, "stuck", NULL);
	log_warn("stuck", "device=%s type=%s folder=%lld id=%lld text=set aside: the device does not get over it", op->s->n->device,
	    model_content(op->t.ct)->name, (long long)op->t.f.id, (long long)r->id);
	uuid_make(op->g->keys, op->t.tag, r->id, &u);
	return rc == RC_OK ? notice_add(op, NOTICE_STUCK, &u, 0, 0, e) : rc;
}

enum rc
give_all(struct answer *an, const struct sync_item *items, size_t n, struct err *e)
{
	struct op *op = an->op;
	enum rc rc = RC_OK;
	size_t kind;

	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = items[i].kind == SYNC_DEL ? give_gone(an, items[i].row->id, e)
		                               : give(an, items[i].kind == SYNC_PUT, items[i].row, NULL, &items[i].also, e);
	for (size_t i = 0; i < op->n_forced && rc == RC_OK; i++) {
		struct row *r = NULL;

		if (!imap_get(op->forced, op->forced_id[i], &kind))
			continue;
		if (kind == SYNC_PUT)
			rc = op_row(op, op->forced_id[i], &r, e);
		if (rc == RC_OK)
			rc = r == NULL ? give_gone(an, op->forced_id[i], e) : give(an, true, r, NULL, NULL, e);
	}
	for (size_t i = 0; i < op->n_touched && rc == RC_OK; i++) {
		struct row *r;

		if (op->forced != NULL && imap_get(op->forced, op->touched[i].id, &kind))
			continue;
		rc = op_row(op, op->touched[i].id, &r, e);
		if (rc == RC_OK)
			rc = r == NULL ? give_gone(an, op->touched[i].id, e) : give(an, false, r, &op->touched[i], NULL, e);
	}
	return rc;
}

/* ---- saving ---- */

static enum rc
save_txn(struct store_conn *c, void *arg, struct err *e)
{
	struct answer *an = arg;
	struct op *op = an->op;
	struct store_cursor *s = &an->saved;
	enum rc rc;

	memset(s, 0, sizeof(*s));
	syncid_make(&s->syncid);
	s->c = an->next;
	s->more = an->more;
	rc = store_cursor_put(c, op->s->n->device_id, op->t.f.id, op->cur.seq, op->g->o.cursor_children, s, e);
	for (size_t i = 0; i < op->n_writes && rc == RC_OK; i++) {
		if (op->writes[i].seq != op->next_seq || op->writes[i].seq == s->seq)
			continue;
		op->writes[i].seq = s->seq;
		rc = store_write_save(c, &op->writes[i], e);
	}
	for (size_t i = 0; i < op->n_intents && rc == RC_OK; i++)
		rc = store_intent_told(c, op->s->n->device_id, op->intents[i], s->seq, e);
	return rc;
}

/* An answer that differs from an earlier one in nothing gets the earlier one's name: a repeat changes nothing. */
static bool
same_child(struct answer *an, struct err *e)
{
	struct op *op = an->op;
	struct store_cursor *kids;
	size_t n;

	if (op->req->mode != SYNC_UPDATE || op->req->n_changes != 0 ||
	    store_cursor_children(op->c, op->a, op->s->n->device_id, op->t.f.id, op->cur.seq, &kids, &n, e) != RC_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (kids[i].more == an->more && cursor_equal(&kids[i].c, &an->next)) {
			an->saved = kids[i];
			return true;
		}
	return false;
}

/* Rows that were read together. */
struct read_rows {
	struct row **rows;
	struct imap *at; /* id -> index in rows */
};

static enum rc
read_by_id(void *self, int64_t id, struct row **row, struct err *e)
{
	const struct read_rows *r = self;
	size_t i;

	(void)e;
	*row = imap_get(r->at, id, &i) ? r->rows[i] : NULL;
	return RC_OK;
}

/* sync_prune asks for the row of every entry, a page of a first fill has one for each of its objects: one statement reads them all. */
static enum rc
prune(struct answer *an, struct err *e)
{
	struct op *op = an->op;
	struct cursor *c = &an->next;
	struct read_rows r;
	const struct row_source src = { .self = &r, .by_id = read_by_id };
	int64_t *ids;
	enum rc rc;

	if (c->pos != c->lo || c->n_have == 0)
		return RC_OK;
	ids = arena_array(op->a, int64_t, c->n_have);
	if (ids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the answer");
	for (size_t i = 0; i < c->n_have; i++)
		ids[i] = c->have[i].id;
	rc = rows_by_id(op, ids, c->n_have, &r.rows, &r.at, e);
	return rc == RC_OK ? sync_prune(op->a, c, &src, e) : rc;
}

enum rc
answer_save(struct answer *an, struct err *e)
{
	struct op *op = an->op;
	struct sync_answer *out = op->out;
	enum rc rc = prune(an, e);

	if (rc != RC_OK)
		return rc;
	out->more = an->more;
	out->has_syncid = true;
	if (op->req->mode == SYNC_UPDATE && op->req->n_changes == 0 && out->n == 0 && out->n_deleted == 0 && !an->more &&
	    !op->cur.more && cursor_equal(&an->next, &op->cur.c)) {
		out->syncid = op->cur.syncid; /* nothing new: nothing written, the same name */
		quick_note(op, &op->cur, true);
		return RC_OK;
	}
	if (!same_child(an, e)) {
		rc = store_txn(op->c, save_txn, an, e);
		if (rc != RC_OK)
			return rc;
	}
	out->syncid = an->saved.syncid;
	an->saved.c = an->next;
	quick_note(op, &an->saved, !an->more);
	return RC_OK;
}

/* ---- the entries ---- */

/* A folder that is switched off is begun with nothing: what is in it comes when it is switched on. */
enum rc
op_begin_switched_off(struct op *op, struct err *e)
{
	struct answer an = { .op = op };
	enum rc rc;

	op_window(op, op->t.ct, &op->w0, &op->w1);
	fresh_cursor(op);
	an.next = op->cur.c;
	rc = store_cursor_next_seq(op->c, op->s->n->device_id, op->t.f.id, &op->next_seq, e);
	if (rc == RC_OK)
		rc = store_txn(op->c, save_txn, &an, e);
	op->out->has_syncid = rc == RC_OK;
	op->out->syncid = an.saved.syncid;
	return rc;
}

/* An object that this device could not store it does not hold: changed since, it comes whole. */
static enum rc
whole_where_rejected(struct answer *an, struct err *e)
{
	bool any = false, same;
	enum rc rc;

	for (size_t i = 0; i < an->d.n; i++)
		any |= an->d.items[i].kind == SYNC_MOD;
	rc = any ? aside_load(an->op, e) : RC_OK;
	for (size_t i = 0; rc == RC_OK && any && i < an->d.n; i++)
		if (an->d.items[i].kind == SYNC_MOD && aside_rejected(an->op, an->d.items[i].row->id, 0, &same))
			an->d.items[i].kind = SYNC_PUT;
	return rc;
}

/* The fields of CT that rows know nothing of. */
static void
unindexed_fields(enum content ct, struct fmask *out)
{
	const struct content_type *t = model_content(ct);

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & FF_NOINDEX) != 0 && (t->fields[i].flags & FF_NODELIVER) == 0)
			fmask_set(out, i);
}

enum rc
op_anything_new(struct op *op, const struct cursor *c, bool *any, struct err *e)
{
	const struct row_source src = source_of(op);
	struct sync_delta_in in = { .cursor = c, .folder_cn = op->t.f.cn, .w0 = op->w0, .w1 = op->w1, .limit = 1, .max_objects = op->g->o.max_objects,
		.hidden = &op->hidden };
	struct sync_delta_out d;
	enum rc rc = sync_delta(op->a, &in, &src, &d, e);

	*any = rc == RC_OK && (d.n > 0 || d.more);
	return rc;
}

enum rc
op_answer(struct op *op, struct err *e)
{
	struct answer an = { .op = op };
	const struct row_source src = source_of(op);
	struct imap *skip = imap_new(op->a, op->n_touched + op->n_forced);
	struct fmask unindexed;
	struct sync_delta_in in = {
		.cursor = &op->cur.c, .folder_cn = 0, .w0 = op->w0, .w1 = op->w1, .limit = op->req->limit, .skip = skip,
		.max_objects = op->g->o.max_objects, .hidden = &op->hidden, .unindexed = &unindexed,
	};
	enum stuck_level level;
	enum rc rc = read_back(op, e);

	in.limit = page_of(op, &level);
	unindexed_fields(op->t.ct, &unindexed);
	if (rc == RC_OK)
		rc = complete_writes(op, e);
	if (rc == RC_OK)
		rc = forced_revive(op, e);
	if (rc != RC_OK)
		return rc;
	if (skip == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the answer");
	for (size_t i = 0; i < op->n_touched; i++)
		if (!imap_put(skip, op->touched[i].id, i))
			return err_set(e, RC_NOMEM, "out of memory for the answer");
	for (size_t i = 0; i < op->n_forced; i++)
		if (!imap_put(skip, op->forced_id[i], i))
			return err_set(e, RC_NOMEM, "out of memory for the answer");
	in.folder_cn = op->t.f.cn;
	rc = sync_delta(op->a, &in, &src, &an.d, e);
	if (rc != RC_OK)
		return rc;
	an.next = an.d.next;
	an.more = an.d.more;
	if (op->req->mode == SYNC_ESTIMATE) {
		op->out->estimate = an.d.n;
		return RC_OK;
	}
	op->out->hidden = an.next.seen.hidden;
	if (an.d.n == 0)
		stuck_forget(op);
	rc = notice_of_fill(op, &op->cur.c, &an.next, e);
	if (rc == RC_OK && level == STUCK_ASIDE)
		rc = set_stuck_aside(&an, e);
	if (rc == RC_OK)
		rc = whole_where_rejected(&an, e);
	if (rc == RC_OK)
		rc = fetch_contents(&an, an.d.items, an.d.n, e);
	if (rc == RC_OK)
		rc = give_all(&an, an.d.items, an.d.n, e);
	if (rc == RC_OK)
		rc = answer_save(&an, e);
	return rc;
}
