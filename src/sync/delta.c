/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The delta: what a client must be told to get from its cursor to the index as it is, one page at a time, and what it is then
 * taken to know.  Four stages in this order: the change stream, the moved window, newly wanted fields, the first fill.
 */
#include "usmd/sync.h"

#include <string.h>

#define SCAN_MAX 4096 /* rows that a page may read beyond LIMIT without telling anything: bounds a request, not the result */
#define BATCH_MAX 512

bool
sync_in_window(const struct row *r, msec_t w0, msec_t w1)
{
	return r->t0 <= r->t1 && r->t0 <= w1 && r->t1 >= w0; /* an empty range is in no window, not even in the endless one */
}

static bool
past_edge(const struct row *r, const struct view *v)
{
	return v->filled || r->sk > v->edge_sk || (r->sk == v->edge_sk && r->id >= v->edge_id);
}

bool
sync_in_view(const struct row *r, const struct view *v)
{
	return sync_in_window(r, v->w0, v->w1) && past_edge(r, v);
}

uint64_t
sync_base_of(const struct cursor *c, const struct row *r)
{
	uint64_t h = cursor_have(c, r->id);

	if (h != 0)
		return h > c->lo ? h : c->lo;
	/* lo says nothing of a row that the client may never have got (F17) */
	if (!sync_in_view(r, &c->view))
		return 0;
	if (r->cn <= c->pos)
		return r->dead ? 0 : c->pos;
	return r->keycn <= c->lo ? c->lo : 0;
}

void
sync_changed_fields(const struct row *r, uint64_t base, struct fmask *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned k = 0; k < r->nf; k++)
		if (r->f[k].cn > base)
			fmask_set(out, r->f[k].i);
}

static bool
swept(const struct row *r, const struct fields_seen *s)
{
	return !s->sweeping || r->sk > s->edge_sk || (r->sk == s->edge_sk && r->id >= s->edge_id);
}

/* A row that was sorted anew since lo may have been on the other side of the edge when its fields were brought. */
void
sync_hidden_of(const struct cursor *c, const struct row *r, struct fmask *out)
{
	*out = c->seen.hidden;
	if (c->seen.sweeping && (!swept(r, &c->seen) || r->keycn > c->lo))
		fmask_or(out, &c->seen.unseen);
}

void
sync_cursor_fresh(struct cursor *out, uint64_t epoch, uint64_t cn, msec_t w0, msec_t w1, const struct fmask *hidden)
{
	*out = (struct cursor){ .epoch = epoch, .lo = cn, .pos = cn,
		.view = { .edge_sk = INT64_MAX, .edge_id = INT64_MAX, .w0 = w0, .w1 = w1 } };
	if (hidden != NULL)
		out->seen.hidden = *hidden;
}

static size_t
have_place(const struct cursor *c, int64_t id)
{
	size_t lo = 0, hi = c->n_have;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->have[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum rc
have_grow(struct arena *a, struct cursor *c, size_t cap)
{
	struct have *grown = arena_array(a, struct have, cap);

	if (grown == NULL)
		return RC_NOMEM;
	if (c->n_have > 0)
		memcpy(grown, c->have, c->n_have * sizeof(*grown));
	c->have = grown;
	c->cap_have = cap;
	return RC_OK;
}

enum rc
cursor_copy(struct arena *a, const struct cursor *c, struct cursor *out)
{
	*out = *c;
	return have_grow(a, out, c->n_have + 8);
}

enum rc
cursor_have_set(struct arena *a, struct cursor *c, int64_t id, uint64_t cn)
{
	size_t at = have_place(c, id), n = c->n_have;

	if (at < n && c->have[at].id == id) {
		c->have[at].cn = cn;
		return RC_OK;
	}
	if (n >= c->cap_have && have_grow(a, c, 2 * n + 8) != RC_OK)
		return RC_NOMEM;
	memmove(c->have + at + 1, c->have + at, (n - at) * sizeof(*c->have));
	c->have[at] = (struct have){ .id = id, .cn = cn };
	c->n_have++;
	return RC_OK;
}

void
cursor_have_drop(struct cursor *c, int64_t id)
{
	size_t at = have_place(c, id);

	if (at == c->n_have || c->have[at].id != id)
		return;
	memmove(c->have + at, c->have + at + 1, (c->n_have - at - 1) * sizeof(*c->have));
	c->n_have--;
}

/* ---- building an answer ---- */

struct build {
	struct arena *a;
	const struct sync_delta_in *in;
	const struct row_source *src;
	struct sync_delta_out *out;
	struct err *e;
	size_t cap;         /* of out->items */
	struct imap *seen;  /* id -> index in items */
};

static enum rc
emit(struct build *b, enum sync_kind kind, struct row *r)
{
	struct sync_delta_out *out = b->out;

	if (out->n == b->cap) {
		size_t cap = b->cap == 0 ? 64 : 2 * b->cap;
		struct sync_item *items = arena_array(b->a, struct sync_item, cap);

		if (items == NULL)
			return RC_NOMEM;
		if (out->n > 0)
			memcpy(items, out->items, out->n * sizeof(*items));
		out->items = items;
		b->cap = cap;
	}
	if (!imap_put(b->seen, r->id, out->n))
		return RC_NOMEM;
	out->items[out->n++] = (struct sync_item){ .kind = kind, .row = r };
	return RC_OK;
}

static bool
skipped(const struct build *b, int64_t id)
{
	size_t at;

	return b->in->skip != NULL && imap_get(b->in->skip, id, &at);
}

static bool
answered(const struct build *b, int64_t id)
{
	size_t at;

	return imap_get(b->seen, id, &at) || skipped(b, id);
}

static bool
page_full(const struct build *b)
{
	return b->out->n >= b->in->limit;
}

static size_t
batch_size(const struct build *b)
{
	size_t left = b->in->limit > b->out->n ? b->in->limit - b->out->n : 0;

	return left < BATCH_MAX - 1 ? left + 1 : BATCH_MAX;
}

enum knows { KNOWS_NO, KNOWS_YES, KNOWS_PERHAPS };

/* Did nothing change but fields that the client does not get?  What moves in the order or the window is told all the same. */
static bool
nothing_to_see(const struct cursor *c, const struct row *r)
{
	struct fmask changed;

	if (!r->known || r->keycn > c->lo || fmask_empty(&c->seen.hidden))
		return false;
	sync_changed_fields(r, sync_base_of(c, r), &changed);
	fmask_minus(&changed, &c->seen.hidden);
	return fmask_empty(&changed);
}

/* One changed row, judged by the cursor that came in.  keycn tells whether the row stood where it stands when the view was drawn (F2). */
static enum rc
change(struct build *b, struct row *r)
{
	const struct cursor *c = b->in->cursor;
	struct cursor *n = &b->out->next;
	uint64_t h = cursor_have(c, r->id);
	bool in_time, in_view;
	enum knows has;

	if (h == r->cn)
		return RC_OK; /* the client wrote or was given exactly this version (F4) */
	if (r->dead) {
		cursor_have_drop(n, r->id);
		return r->first_cn > c->pos && h == 0 ? RC_OK : emit(b, SYNC_DEL, r);
	}
	in_time = sync_in_window(r, c->view.w0, c->view.w1);
	in_view = in_time && past_edge(r, &c->view);
	if (h != 0)
		has = KNOWS_YES;
	else if (r->keycn <= c->lo)
		has = in_view ? KNOWS_YES : KNOWS_NO;
	else
		has = r->first_cn > c->pos ? KNOWS_NO : KNOWS_PERHAPS;
	if (in_time && has == KNOWS_YES && nothing_to_see(c, r))
		return RC_OK;
	if (in_time && has == KNOWS_YES)
		/* what changed in a row without fingerprints cannot be named, nor what a row that changed its place in a sweep lacks: whole */
		return emit(b, r->known && !(c->seen.sweeping && r->keycn > c->lo) ? SYNC_MOD : SYNC_PUT, r);
	if (in_view)
		return emit(b, SYNC_PUT, r);
	if (in_time && has == KNOWS_PERHAPS) {
		/* in doubt a whole object, which creates or replaces (F2); beyond the edge only have can remember it */
		enum rc rc = emit(b, SYNC_PUT, r);

		return rc != RC_OK ? rc : cursor_have_set(b->a, n, r->id, r->cn);
	}
	if (!in_time && has != KNOWS_NO) {
		cursor_have_drop(n, r->id);
		return emit(b, SYNC_DEL, r);
	}
	return RC_OK;
}

/* Stage 1.  pos follows every row; lo moves only when nothing is left, because until then older changes of rows that changed again are untold (F1). */
static enum rc
stage_changes(struct build *b)
{
	struct sync_delta_out *out = b->out;
	struct cursor *n = &out->next;

	for (;;) {
		struct row **rows = NULL;
		size_t max = batch_size(b), got = 0;
		enum rc rc = b->src->since(b->src->self, n->pos, max, &rows, &got, b->e);

		if (rc != RC_OK)
			return rc;
		for (size_t i = 0; i < got; i++) {
			if (page_full(b) || out->rows_read >= b->in->limit + SCAN_MAX) {
				out->more = true;
				return RC_OK;
			}
			out->rows_read++;
			n->pos = rows[i]->cn;
			if (skipped(b, rows[i]->id))
				continue;
			rc = change(b, rows[i]);
			if (rc != RC_OK)
				return rc;
		}
		if (got < max)
			break;
	}
	n->lo = n->pos = b->in->folder_cn;
	return RC_OK;
}

/* Stage 2: today's window.  Only after a complete change stream, since the stream is judged by the window that the client has (F2). */
static enum rc
stage_window(struct build *b)
{
	struct view *v = &b->out->next.view;
	msec_t w0 = b->in->w0, w1 = b->in->w1;
	struct row **rows = NULL;
	size_t n = 0;
	enum rc rc;

	if (v->w0 == w0 && v->w1 == w1)
		return RC_OK;
	rc = b->src->moved(b->src->self, v->w0, v->w1, w0, w1, &rows, &n, b->e);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct row *r = rows[i];

		b->out->rows_read++;
		if (r->dead || answered(b, r->id))
			continue;
		if (!sync_in_window(r, w0, w1))
			rc = emit(b, SYNC_DEL, r);
		else if (past_edge(r, v))
			rc = emit(b, SYNC_PUT, r);
	}
	if (rc != RC_OK)
		return rc;
	v->w0 = w0;
	v->w1 = w1;
	return RC_OK;
}

/* ---- a client that gets other fields than before ---- */

/* What of R the client gets from now on and never got: told whether it is set or not, since it may hold an old value. */
static bool
newly_seen(const struct build *b, const struct row *r, struct fmask *out)
{
	const struct fields_seen *s = &b->out->next.seen;
	struct fmask plain = { { 0 } };

	memset(out, 0, sizeof(*out));
	for (unsigned k = 0; k < r->nf; k++)
		fmask_set(out, r->f[k].i);
	if (b->in->unindexed != NULL)
		plain = *b->in->unindexed;
	fmask_or(out, &plain);
	for (size_t i = 0; i < ARRAY_LEN(out->w); i++)
		out->w[i] &= s->unseen.w[i] & ~s->hidden.w[i];
	return !fmask_empty(out);
}

static enum rc
sweep_row(struct build *b, struct row *r)
{
	struct fmask also;
	size_t at;
	enum rc rc;

	if (!sync_in_window(r, b->out->next.view.w0, b->out->next.view.w1) || skipped(b, r->id))
		return RC_OK;
	if (r->known && !newly_seen(b, r, &also))
		return RC_OK;
	if (imap_get(b->seen, r->id, &at)) { /* in this answer already, for what changed */
		if (b->out->items[at].kind == SYNC_MOD)
			fmask_or(&b->out->items[at].also, &also);
		return RC_OK;
	}
	rc = emit(b, r->known ? SYNC_MOD : SYNC_PUT, r);
	if (rc == RC_OK && r->known)
		b->out->items[b->out->n - 1].also = also;
	return rc;
}

/* Rows below the edge of the fill that the client holds (its own, mostly): the sweep ends at that edge, so they are brought at once. */
static enum rc
sweep_beyond_the_fill(struct build *b)
{
	const struct cursor *c = &b->out->next;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < c->n_have && rc == RC_OK; i++) {
		struct row *r = NULL;

		rc = b->src->by_id(b->src->self, c->have[i].id, &r, b->e);
		if (rc == RC_OK && r != NULL && !r->dead && !past_edge(r, &c->view))
			rc = sweep_row(b, r);
	}
	return rc;
}

/*
 * The filter of today.  Like the window, only after a complete change stream.  Fields that are hidden from now on need nothing: the client
 * keeps what it has of them, or not.  Others are brought by a sweep; what an unfinished one still owes joins it.
 */
static enum rc
begin_sweep(struct build *b)
{
	static const struct fmask none;
	const struct fmask *hidden = b->in->hidden != NULL ? b->in->hidden : &none;
	struct fields_seen *s = &b->out->next.seen;
	struct fmask more = s->hidden;

	if (fmask_equal(&s->hidden, hidden))
		return RC_OK;
	fmask_minus(&more, hidden);
	if (fmask_empty(&more)) {
		s->hidden = *hidden;
		return RC_OK;
	}
	if (!s->sweeping)
		s->unseen = none;
	fmask_or(&s->unseen, &s->hidden);
	s->hidden = *hidden;
	s->sweeping = true;
	s->edge_sk = s->edge_id = INT64_MAX;
	return sweep_beyond_the_fill(b);
}

/* Stage 3: newest first, down to where the first fill has come. */
static enum rc
stage_sweep(struct build *b)
{
	struct sync_delta_out *out = b->out;
	struct fields_seen *s = &out->next.seen;
	enum rc rc = begin_sweep(b);

	out->swept = s->sweeping;
	while (rc == RC_OK && s->sweeping) {
		bool from_top = s->edge_sk == INT64_MAX && s->edge_id == INT64_MAX;
		struct row **rows = NULL;
		size_t max = batch_size(b), got = 0;

		rc = b->src->below(b->src->self, from_top, s->edge_sk, s->edge_id, max, &rows, &got, b->e);
		for (size_t i = 0; rc == RC_OK && i < got; i++) {
			if (!past_edge(rows[i], &out->next.view)) {
				got = 0;
				break;
			}
			if (page_full(b) || out->rows_read >= b->in->limit + SCAN_MAX) {
				out->more = true;
				return RC_OK;
			}
			out->rows_read++;
			s->edge_sk = rows[i]->sk;
			s->edge_id = rows[i]->id;
			rc = sweep_row(b, rows[i]);
		}
		if (rc == RC_OK && got < max)
			*s = (struct fields_seen){ .hidden = s->hidden };
	}
	return rc;
}

static enum rc
fill_row(struct build *b, struct row *r)
{
	struct cursor *n = &b->out->next;

	n->view.edge_sk = r->sk;
	n->view.edge_id = r->id;
	if (!sync_in_window(r, n->view.w0, n->view.w1))
		return RC_OK;
	n->view.n_filled++;
	if (answered(b, r->id) || cursor_have(n, r->id) == r->cn)
		return RC_OK;
	return emit(b, SYNC_PUT, r);
}

/* Stage 4: the first fill, newest first, while there is room on the page. */
static enum rc
stage_fill(struct build *b)
{
	struct sync_delta_out *out = b->out;
	struct view *v = &out->next.view;

	while (!v->filled) {
		bool from_top = v->edge_sk == INT64_MAX && v->edge_id == INT64_MAX;
		struct row **rows = NULL;
		size_t max = batch_size(b), got = 0;
		enum rc rc;

		if (b->in->max_objects != 0 && v->n_filled >= b->in->max_objects) {
			out->truncated = true;
			return RC_OK;
		}
		rc = b->src->below(b->src->self, from_top, v->edge_sk, v->edge_id, max, &rows, &got, b->e);
		if (rc != RC_OK)
			return rc;
		for (size_t i = 0; i < got; i++) {
			if (page_full(b) || out->rows_read >= b->in->limit + SCAN_MAX) {
				out->more = true;
				return RC_OK;
			}
			if (b->in->max_objects != 0 && v->n_filled >= b->in->max_objects)
				break;
			out->rows_read++;
			rc = fill_row(b, rows[i]);
			if (rc != RC_OK)
				return rc;
		}
		if (got < max && (got == 0 || (v->edge_sk == rows[got - 1]->sk && v->edge_id == rows[got - 1]->id)))
			v->filled = true;
	}
	return RC_OK;
}

/*
 * A row that one view streams out while the other brings it in would be lost: all rows of an answer are judged by the view at its end (F3).
 * That is after the fill, which passes what was answered already.
 */
static void
judge_by_end(struct build *b)
{
	struct cursor *n = &b->out->next;

	for (size_t i = 0; i < b->out->n; i++) {
		struct sync_item *it = &b->out->items[i];

		if (it->kind != SYNC_DEL && !sync_in_window(it->row, n->view.w0, n->view.w1)) {
			it->kind = SYNC_DEL;
			cursor_have_drop(n, it->row->id);
		} else if (it->kind == SYNC_DEL && !it->row->dead && sync_in_view(it->row, &n->view)) {
			it->kind = SYNC_PUT;
		}
	}
}

enum rc
sync_delta(struct arena *a, const struct sync_delta_in *in, const struct row_source *src, struct sync_delta_out *out, struct err *e)
{
	struct build b = { .a = a, .in = in, .src = src, .out = out, .e = e };
	enum rc rc = RC_NOMEM;

	memset(out, 0, sizeof(*out));
	if (cursor_copy(a, in->cursor, &out->next) != RC_OK)
		return rc;
	b.seen = imap_new(a, in->limit < BATCH_MAX ? in->limit : BATCH_MAX);
	if (b.seen == NULL)
		return rc;
	rc = stage_changes(&b);
	if (rc == RC_OK && !out->more)
		rc = stage_window(&b);
	if (rc == RC_OK && !out->more)
		rc = stage_sweep(&b);
	if (rc == RC_OK && !out->more)
		rc = stage_fill(&b);
	if (rc == RC_OK)
		judge_by_end(&b);
	for (size_t i = 0; rc == RC_OK && i < out->n; i++)
		if (out->items[i].kind == SYNC_DEL)
			cursor_have_drop(&out->next, out->items[i].row->id);
	return rc;
}

enum rc
sync_prune(struct arena *a, struct cursor *c, const struct row_source *src, struct err *e)
{
	size_t kept = 0;
	struct have *have;

	if (c->pos != c->lo || c->n_have == 0)
		return RC_OK;
	/* a have entry says more than (lo, view) while it is above lo, or the row stands below the edge (F4, F17); gone rows say nothing */
	have = arena_array(a, struct have, c->n_have);
	if (have == NULL)
		return RC_NOMEM;
	for (size_t i = 0; i < c->n_have; i++) {
		struct row *r = NULL;
		enum rc rc = src->by_id(src->self, c->have[i].id, &r, e);

		if (rc != RC_OK)
			return rc;
		if (r == NULL || r->dead)
			continue;
		if (c->have[i].cn > c->lo || (sync_in_window(r, c->view.w0, c->view.w1) && !past_edge(r, &c->view)))
			have[kept++] = c->have[i];
	}
	c->have = have;
	c->cap_have = c->n_have;
	c->n_have = kept;
	return RC_OK;
}
