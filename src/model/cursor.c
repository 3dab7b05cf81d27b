/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Cursors: packed form, equality, look-up of a have entry.  What a cursor means is sync's business.
 *
 * Packed form: format, epoch (8 bytes: random), flags, pos, pos - lo, w0, w1, [edge], n_filled, [hidden], [unseen, edge of the sweep],
 * number of have entries, for each: distance from the id before, cn.
 */
#include "usmd/model.h"

#define CURSOR_FORMAT 2
#define CURSOR_FILLED 1u
#define CURSOR_HIDDEN 2u
#define CURSOR_SWEEPING 4u

static void
mask_pack(struct buf *b, const struct fmask *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->w); i++)
		buf_add_uv(b, m->w[i]);
}

static void
mask_unpack(struct reader *in, struct fmask *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->w); i++)
		m->w[i] = reader_uv(in);
}

void
cursor_pack(const struct cursor *c, struct buf *b)
{
	unsigned flags = c->view.filled ? CURSOR_FILLED : 0;
	int64_t before = 0;

	flags |= fmask_empty(&c->seen.hidden) ? 0 : CURSOR_HIDDEN;
	flags |= c->seen.sweeping ? CURSOR_SWEEPING : 0;
	buf_addc(b, CURSOR_FORMAT);
	buf_add_u64le(b, c->epoch);
	buf_add_uv(b, flags);
	buf_add_uv(b, c->pos);
	buf_add_uv(b, c->pos - c->lo);
	buf_add_sv(b, c->view.w0);
	buf_add_sv(b, c->view.w1);
	if (!c->view.filled) {
		buf_add_sv(b, c->view.edge_sk);
		buf_add_sv(b, c->view.edge_id);
	}
	buf_add_uv(b, c->view.n_filled);
	if ((flags & CURSOR_HIDDEN) != 0)
		mask_pack(b, &c->seen.hidden);
	if (c->seen.sweeping) {
		mask_pack(b, &c->seen.unseen);
		buf_add_sv(b, c->seen.edge_sk);
		buf_add_sv(b, c->seen.edge_id);
	}
	buf_add_uv(b, c->n_have);
	for (size_t i = 0; i < c->n_have; i++) {
		/* ids ascend, so the distance is positive; unsigned so that it may span the whole range */
		buf_add_uv(b, (uint64_t)c->have[i].id - (uint64_t)before);
		buf_add_uv(b, c->have[i].cn);
		before = c->have[i].id;
	}
}

static enum rc
read_have(struct arena *a, struct reader *in, struct cursor *c)
{
	uint64_t n = reader_uv(in);
	int64_t before = 0;

	if (in->failed || n > (size_t)(in->end - in->p) / 2) {
		in->failed = true; /* an entry takes two bytes or more: nothing is allocated for a lie */
		return RC_OK;
	}
	c->n_have = (size_t)n;
	c->have = arena_array(a, struct have, c->n_have);
	if (c->have == NULL)
		return RC_NOMEM;
	for (size_t i = 0; i < c->n_have; i++) {
		c->have[i].id = (int64_t)((uint64_t)before + reader_uv(in));
		c->have[i].cn = reader_uv(in);
		if (i > 0 && c->have[i].id <= before)
			in->failed = true;
		before = c->have[i].id;
	}
	return RC_OK;
}

enum rc
cursor_unpack(struct arena *a, const void *p, size_t n, struct cursor *out)
{
	struct reader in = { .p = p, .end = (const unsigned char *)p + n };
	struct cursor c = { 0 };
	uint64_t format = reader_uv(&in), behind, flags;
	enum rc rc;

	c.epoch = reader_u64le(&in);
	flags = reader_uv(&in);
	c.pos = reader_uv(&in);
	behind = reader_uv(&in);
	c.view.w0 = reader_sv(&in);
	c.view.w1 = reader_sv(&in);
	if (format != CURSOR_FORMAT || behind > c.pos || flags > (CURSOR_FILLED | CURSOR_HIDDEN | CURSOR_SWEEPING))
		return RC_INTERNAL;
	c.lo = c.pos - behind;
	c.view.filled = (flags & CURSOR_FILLED) != 0;
	if (!c.view.filled) {
		c.view.edge_sk = reader_sv(&in);
		c.view.edge_id = reader_sv(&in);
	}
	c.view.n_filled = reader_uv(&in);
	if ((flags & CURSOR_HIDDEN) != 0)
		mask_unpack(&in, &c.seen.hidden);
	c.seen.sweeping = (flags & CURSOR_SWEEPING) != 0;
	if (c.seen.sweeping) {
		mask_unpack(&in, &c.seen.unseen);
		c.seen.edge_sk = reader_sv(&in);
		c.seen.edge_id = reader_sv(&in);
	}
	rc = read_have(a, &in, &c);
	if (rc != RC_OK)
		return rc;
	if (in.failed || in.p != in.end)
		return RC_INTERNAL;
	*out = c;
	return RC_OK;
}

static bool
view_equal(const struct view *a, const struct view *b)
{
	if (a->filled != b->filled || a->w0 != b->w0 || a->w1 != b->w1 || a->n_filled != b->n_filled)
		return false;
	return a->filled || (a->edge_sk == b->edge_sk && a->edge_id == b->edge_id);
}

static bool
seen_equal(const struct fields_seen *a, const struct fields_seen *b)
{
	if (!fmask_equal(&a->hidden, &b->hidden) || a->sweeping != b->sweeping)
		return false;
	return !a->sweeping || (fmask_equal(&a->unseen, &b->unseen) && a->edge_sk == b->edge_sk && a->edge_id == b->edge_id);
}

bool
cursor_equal(const struct cursor *a, const struct cursor *b)
{
	if (a->epoch != b->epoch || a->lo != b->lo || a->pos != b->pos || a->n_have != b->n_have)
		return false;
	if (!view_equal(&a->view, &b->view) || !seen_equal(&a->seen, &b->seen))
		return false;
	for (size_t i = 0; i < a->n_have; i++)
		if (a->have[i].id != b->have[i].id || a->have[i].cn != b->have[i].cn)
			return false;
	return true;
}

uint64_t
cursor_have(const struct cursor *c, int64_t id)
{
	size_t lo = 0, hi = c->n_have;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->have[mid].id == id)
			return c->have[mid].cn;
		if (c->have[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}
