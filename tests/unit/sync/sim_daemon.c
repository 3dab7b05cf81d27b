/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The daemon of the simulation: the order of steps that the rules demand (ARCHITECTURE.md "Sync model", ORDER), on a database
 * of plain arrays.  After each transaction and each OX request comes a task_yield: there the task may die or be overtaken.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* State of one request. */
struct run {
	struct task *t;
	struct sim *s;
	struct db *db;
	struct simfolder *f;
	struct arena *a;
	const struct req *q;
	struct cursor c;
	uint64_t cseq;
	int dev, folder, acc;
	int64_t touched[16];
	struct change tch[16];       /* union of what was sent for it */
	struct change_field tf[16][NF];
	size_t n_touched;
	struct { int64_t id; bool del; } forced[32];
	size_t n_forced;
	bool swept;
};

static enum rc
must(struct sim *s, enum rc rc, const char *what)
{
	if (rc != RC_OK)
		sim_fail(s, "%s: %s", what, rc_name(rc));
	return rc;
}

/* ---- rows: kept packed, as the database has them ---- */

struct row *
row_load(struct sim *s, struct arena *a, const struct simrow *sr)
{
	struct row *r = arena_alloc(a, sizeof(*r));

	r->id = sr->id;
	r->cn = sr->cn;
	r->sk = sr->sk;
	must(s, row_unpack(a, sr->p, sr->len, r), "row_unpack");
	if (s->off == BREAK_F2)
		r->keycn = r->first_cn; /* created before the fill began = known */
	return r;
}

static void
row_store(struct run *x, const struct row *r)
{
	struct simrow *sr = &x->f->row[r->id - ID0];
	struct buf b;

	buf_init(&b, sizeof(sr->p));
	row_pack(r, &b);
	if (b.failed)
		sim_fail(x->s, "simulation: row too long");
	*sr = (struct simrow){ .there = true, .id = r->id, .cn = r->cn, .sk = r->sk, .len = (unsigned char)b.len };
	memcpy(sr->p, b.p, b.len);
	buf_fini(&b);
}

static struct row *
row_get(struct run *x, int64_t id)
{
	if (id < ID0 || id >= ID0 + MAX_ID || !x->f->row[id - ID0].there)
		return NULL;
	return row_load(x->s, x->a, &x->f->row[id - ID0]);
}

static void
sight(struct run *x, const struct oxobj *o, bool content, struct sighting *out)
{
	memset(out, 0, sizeof(*out));
	out->id = o->id;
	out->lm = o->lm;
	key_of(o->f[F_T], &out->t0, &out->t1);
	out->sk = out->t0;
	/* a listing carries the uid, too: a listed row must be found by its client id, or its deletion would be taken for done (F7) */
	out->client_id = o->uid[0] != '\0' ? arena_strdup(x->a, o->uid) : NULL;
	if (!content)
		return;
	out->known = true;
	out->f = arena_array(x->a, struct sighting_field, NF);
	for (int k = 0; k < NF; k++)
		if (o->f[k] != 0)
			out->f[out->nf++] = (struct sighting_field){ .i = (uint8_t)k, .fp = fp_of(o->f[k]) };
}

static struct row *
merge(struct run *x, const struct oxobj *o, bool content)
{
	struct row *old = row_get(x, o->id), *r = arena_alloc(x->a, sizeof(*r)), twice;
	struct index_head head = { .cn = x->f->cn };
	struct sighting si;
	bool changed, touched;
	enum rc rc;

	sight(x, o, content, &si);
	rc = sync_merge(x->a, &head, old, &si, r, &changed, &touched);
	if (rc == RC_BUSY && !content)
		return merge(x, o, true);
	must(x->s, rc, "sync_merge");
	x->f->cn = head.cn;
	if (touched)
		row_store(x, r);
	/* merging is idempotent, or refreshes could not overlap */
	must(x->s, sync_merge(x->a, &head, r, &si, &twice, &changed, &touched), "sync_merge again");
	if (changed || touched || head.cn != x->f->cn)
		sim_fail(x->s, "merging the same sighting twice changed row %d", (int)o->id);
	return r;
}

static void
kill_row(struct run *x, int64_t id)
{
	struct row *r = row_get(x, id);
	struct index_head head = { .cn = x->f->cn };

	if (r == NULL || !sync_kill(&head, r))
		return;
	x->f->cn = head.cn;
	row_store(x, r);
}

/* ---- row_source on the arrays ---- */

static int
by_cn(const void *a, const void *b)
{
	const struct simrow *const *x = a, *const *y = b;

	return ((*x)->cn > (*y)->cn) - ((*x)->cn < (*y)->cn);
}

static int
by_key_down(const void *a, const void *b)
{
	const struct simrow *const *x = a, *const *y = b;

	if ((*x)->sk != (*y)->sk)
		return (*x)->sk < (*y)->sk ? 1 : -1;
	return ((*x)->id < (*y)->id) - ((*x)->id > (*y)->id);
}

static enum rc
load_rows(struct run *x, const struct simrow **pick, size_t n, size_t max, struct row ***rows, size_t *out)
{
	*out = n < max ? n : max;
	*rows = arena_array(x->a, struct row *, *out);
	for (size_t i = 0; i < *out; i++)
		(*rows)[i] = row_load(x->s, x->a, pick[i]);
	return RC_OK;
}

static enum rc
src_since(void *self, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct run *x = self;
	const struct simrow *pick[MAX_ID];
	size_t k = 0;

	(void)e;
	for (size_t i = 0; i < MAX_ID; i++)
		if (x->f->row[i].there && x->f->row[i].cn > cn)
			pick[k++] = &x->f->row[i];
	qsort(pick, k, sizeof(pick[0]), by_cn);
	return load_rows(x, pick, k, max, rows, n);
}

static enum rc
src_below(void *self, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct run *x = self;
	const struct simrow *pick[MAX_ID];
	size_t k = 0, live = 0;

	(void)e;
	for (size_t i = 0; i < MAX_ID; i++) {
		const struct simrow *r = &x->f->row[i];

		if (r->there && (from_top || r->sk < sk || (r->sk == sk && r->id < id)))
			pick[k++] = r;
	}
	qsort(pick, k, sizeof(pick[0]), by_key_down);
	for (size_t i = 0; i < k; i++)
		if (!row_load(x->s, x->a, pick[i])->dead)
			pick[live++] = pick[i];
	return load_rows(x, pick, live, max, rows, n);
}

static enum rc
src_moved(void *self, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e)
{
	struct run *x = self;
	const struct simrow *pick[MAX_ID];
	size_t k = 0;

	(void)e;
	for (size_t i = 0; i < MAX_ID; i++) {
		const struct row *r = x->f->row[i].there ? row_load(x->s, x->a, &x->f->row[i]) : NULL;

		if (r != NULL && !r->dead && sync_in_window(r, old0, old1) != sync_in_window(r, new0, new1))
			pick[k++] = &x->f->row[i];
	}
	return load_rows(x, pick, k, MAX_ID, rows, n);
}

static enum rc
src_by_id(void *self, int64_t id, struct row **row, struct err *e)
{
	(void)e;
	*row = row_get(self, id);
	return RC_OK;
}

static struct row_source
source(struct run *x)
{
	return (struct row_source){ .self = x, .since = src_since, .below = src_below, .moved = src_moved, .by_id = src_by_id };
}

/* ---- OX, with its faults ---- */

static enum oxcode
ox_call(struct run *x, struct oxop op, struct oxres *r)
{
	struct sim *s = x->s;
	bool read = op.kind != OX_CREATE && op.kind != OX_UPDATE && op.kind != OX_DELETE;
	double p = (double)rnd(s, 10000) / 10000;

	op.acc = x->acc;
	memset(r, 0, sizeof(*r));
	if (s->reliable || !s->v.faults || p > (read ? .03 : .24)) {
		ox_exec(s, x->a, &op, r);
	} else if (read || p < .06) {
		r->code = OXR_TIMEOUT;
	} else if (p < .15 || !s->v.late || s->n_late == 64) {
		ox_exec(s, x->a, &op, r);
		r->code = OXR_TIMEOUT;
	} else {
		s->late[s->n_late].at = s->ox.now + 1 + rnd(s, LATE_MAX);
		s->late[s->n_late++].op = op;
		r->code = OXR_TIMEOUT;
	}
	task_yield(x->t);
	return r->code;
}

static enum oxcode
ox_list(struct run *x, const int64_t *ids, size_t n, struct oxres *r)
{
	return ox_call(x, (struct oxop){ .kind = OX_LIST, .folder = x->folder, .ids = ids, .n_ids = n }, r);
}

static int
by_lm(const void *a, const void *b)
{
	const struct oxobj *x = a, *y = b;

	if (x->lm != y->lm)
		return x->lm < y->lm ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void
refresh(struct run *x)
{
	struct sim *s = x->s;
	uint64_t fence = x->f->fence;
	msec_t asked = x->f->tnow, since = x->f->ts - (s->off == BREAK_F13 ? 0 : OVERLAP);
	bool full = !x->f->init;
	struct oxres r;
	bool *seen;

	task_yield(x->t);
	/* near the end of OX's memory of deletions everything is listed (F13); decided when the request goes out */
	full = full || s->ox.now - asked > RETAIN * 6 / 10 || (!s->noall && chance(s, .02));
	if (ox_call(x, (struct oxop){ .kind = full ? OX_ALL : OX_UPDATES, .folder = x->folder, .t = since }, &r) != OXR_OK)
		task_abort(x->t);
	if (x->f->fence != fence && s->off != BREAK_F19)
		task_abort(x->t); /* somebody merged meanwhile: this answer may be older (F19) */
	x->f->fence++;
	seen = arena_array(x->a, bool, MAX_ID);
	if (r.n > 0)
		qsort(r.o, r.n, sizeof(*r.o), by_lm);
	for (size_t i = 0; i < r.n; i++) {
		seen[r.o[i].id - ID0] = true;
		(void)merge(x, &r.o[i], !(full && s->v.listing));
	}
	for (size_t i = 0; full && i < MAX_ID; i++)
		if (!seen[i])
			kill_row(x, ID0 + (int64_t)i);
	for (size_t i = 0; !full && i < r.nd; i++)
		if (!seen[r.dels[i] - ID0])
			kill_row(x, r.dels[i]);
	x->f->ts = r.ts > x->f->ts ? r.ts : x->f->ts;
	x->f->init = true;
	x->f->tnow = r.now;
	task_yield(x->t);
}

/* ---- cursors, writes, intents ---- */

static struct simcursor *
cursor_find(struct run *x, uint64_t sid)
{
	for (int i = 0; i < x->db->n_cur; i++) {
		struct simcursor *c = &x->db->cur[i];

		if (c->sid == sid && c->dev == x->dev && c->folder == x->folder)
			return c;
	}
	return NULL;
}

static struct simintent *
intent_find(struct run *x, const char *cu)
{
	for (int i = 0; i < x->db->n_in; i++)
		if (x->db->in[i].dev == x->dev && strcmp(x->db->in[i].cu, cu) == 0)
			return &x->db->in[i];
	return NULL;
}

static struct simintent *
intent_make(struct run *x, const char *cu)
{
	struct simintent *it = intent_find(x, cu);

	if (it == NULL) {
		if (x->db->n_in == (int)ARRAY_LEN(x->db->in))
			sim_fail(x->s, "simulation: too many intents");
		it = &x->db->in[x->db->n_in++];
	}
	memset(it, 0, sizeof(*it));
	it->dev = x->dev;
	it->folder = x->folder;
	it->task = x->t->num;
	it->i.seq = x->db->seq[x->dev][x->folder] + 1;
	(void)snprintf(it->cu, sizeof(it->cu), "%s", cu);
	return it;
}

static unsigned
as_sent(const int64_t *f, unsigned mask, struct write_field *out)
{
	unsigned n = 0;

	for (unsigned k = 0; k < NF; k++)
		if ((mask >> k & 1) != 0)
			out[n++] = (struct write_field){ .i = (uint8_t)k, .fp = fp_of(f[k]) };
	return n;
}

static struct simwrite *
write_add(struct run *x, int64_t id)
{
	struct simwrite *w;

	if (x->db->n_wr == (int)ARRAY_LEN(x->db->wr))
		sim_fail(x->s, "simulation: too many writes");
	w = &x->db->wr[x->db->n_wr++];
	memset(w, 0, sizeof(*w));
	w->dev = x->dev;
	w->folder = x->folder;
	w->task = x->t->num;
	w->e.wid = ++x->db->wid;
	w->e.id = id;
	w->e.seq = x->db->seq[x->dev][x->folder] + 1;
	return w;
}

static struct simwrite *
write_find(struct run *x, int64_t wid)
{
	for (int i = 0; i < x->db->n_wr; i++)
		if (x->db->wr[i].e.wid == wid)
			return &x->db->wr[i];
	return NULL;
}

static void
write_drop(struct run *x, struct simwrite *w)
{
	size_t at;

	if (w == NULL)
		return;
	at = (size_t)(w - x->db->wr);
	memmove(w, w + 1, ((size_t)x->db->n_wr - at - 1) * sizeof(*w));
	x->db->n_wr--;
}

/* Entries of this device and folder for ID (0 = all) that the client has not acknowledged; their fields point into the database. */
static size_t
writes_of(struct run *x, int64_t id, struct write_entry **out)
{
	size_t n = 0;

	*out = arena_array(x->a, struct write_entry, (size_t)x->db->n_wr);
	for (int i = 0; i < x->db->n_wr; i++) {
		struct simwrite *w = &x->db->wr[i];

		if (w->dev != x->dev || w->folder != x->folder || (id != 0 && w->e.id != id) || w->e.seq <= x->cseq)
			continue;
		(*out)[n] = w->e;
		(*out)[n++].f = w->f;
	}
	return n;
}

/* Use of a syncid proves that the client has it: what is older will not be asked for again (ACK/PRUNE). */
static void
acknowledge(struct run *x)
{
	struct db *db = x->db;
	int n = 0;

	if (x->s->off == BREAK_ACK)
		return;
	for (int i = 0; i < db->n_cur; i++)
		if (db->cur[i].dev != x->dev || db->cur[i].folder != x->folder || db->cur[i].seq >= x->cseq)
			db->cur[n++] = db->cur[i];
	db->n_cur = n;
	n = 0;
	for (int i = 0; i < db->n_wr; i++)
		if (db->wr[i].dev != x->dev || db->wr[i].folder != x->folder || db->wr[i].e.seq > x->cseq)
			db->wr[n++] = db->wr[i];
	db->n_wr = n;
	n = 0;
	for (int i = 0; i < db->n_in; i++) {
		struct simintent *it = &db->in[i];
		bool finished = it->i.state == INTENT_DONE || (it->i.state == INTENT_DELETED && !it->i.unsure);

		if (it->dev != x->dev || it->folder != x->folder || it->i.seq > x->cseq || !finished)
			db->in[n++] = *it;
	}
	db->n_in = n;
}

/* ---- one change of the client ---- */

static void
forced_add(struct run *x, int64_t id, bool del)
{
	for (size_t i = 0; i < x->n_forced; i++)
		if (x->forced[i].id == id) {
			x->forced[i].del = del;
			return;
		}
	x->forced[x->n_forced].id = id;
	x->forced[x->n_forced++].del = del;
}

static void
touched_add(struct run *x, int64_t id, const struct creq *ch)
{
	size_t at = 0;

	while (at < x->n_touched && x->touched[at] != id)
		at++;
	if (at == x->n_touched) {
		x->touched[at] = id;
		x->tch[at] = (struct change){ .id = id, .f = x->tf[at] };
		x->n_touched++;
	}
	for (unsigned k = 0; k < NF; k++) {
		struct change *c = &x->tch[at];
		unsigned j = 0;

		if ((ch->mask >> k & 1) == 0)
			continue;
		while (j < c->nf && c->f[j].i != k)
			j++;
		if (j == c->nf)
			c->nf++;
		c->f[j] = (struct change_field){ .i = (uint8_t)k, .fp = fp_of(ch->f[k]) };
	}
}

static void
touched_drop(struct run *x, int64_t id)
{
	for (size_t i = 0; i < x->n_touched; i++)
		if (x->touched[i] == id) {
			x->n_touched--;
			for (size_t j = i; j < x->n_touched; j++) {
				x->touched[j] = x->touched[j + 1];
				memcpy(x->tf[j], x->tf[j + 1], sizeof(x->tf[j]));
				x->tch[j] = x->tch[j + 1];
				x->tch[j].f = x->tf[j];
			}
			return;
		}
}

struct one {
	const struct creq *ch;
	bool sub;             /* re-creation: what happens to it is not answered under this name */
	bool moved_checked, asked, elsewhere;
	struct oxobj there;   /* found by its uid in another folder */
	int64_t *mapped;
};

static unsigned
mask_of(const struct fmask *m)
{
	return (unsigned)(m->w[0] & ((1U << NF) - 1));
}

static void
record_mask(struct run *x, unsigned mask, const int64_t *f)
{
	for (unsigned k = 0; k < F_T; k++)
		if ((mask >> k & 1) != 0)
			token_record(x->s, f[k]);
}

/* The row that a change means: see sync_plan_in.row. */
static struct row *
row_of(struct run *x, const struct creq *ch, const struct simintent *it)
{
	struct row *best = NULL;

	if (ch->cu[0] == '\0')
		return ch->uuid % 8 == x->folder ? row_get(x, ch->uuid / 8) : NULL;
	if (it != NULL && it->i.state != INTENT_PENDING && it->i.id != 0 && (best = row_get(x, it->i.id)) != NULL)
		return best;
	for (size_t i = 0; i < MAX_ID; i++) {
		struct row *r = x->f->row[i].there ? row_load(x->s, x->a, &x->f->row[i]) : NULL;

		if (r != NULL && r->client_id != NULL && strcmp(r->client_id, ch->cu) == 0 && (best == NULL || (best->dead && !r->dead)))
			best = r;
	}
	return best;
}

static void
change_of(struct run *x, const struct one *o, struct change *c)
{
	const struct creq *ch = o->ch;

	memset(c, 0, sizeof(*c));
	c->op = ch->op;
	c->id = ch->uuid / 8;
	c->client_id = ch->cu[0] != '\0' ? ch->cu : NULL;
	c->rev = ch->rev[0] != '\0' && x->s->off != BREAK_F17 ? ch->rev : NULL;
	c->again = ch->again && x->s->off != BREAK_F9;
	c->blind_delete = ch->blind_delete && x->s->off != BREAK_F8;
	c->recreate = o->sub;
	c->f = arena_array(x->a, struct change_field, NF);
	for (unsigned k = 0; k < NF; k++) {
		bool blind = (ch->blind >> k & 1) != 0 && x->s->off != BREAK_F8;

		if ((ch->mask >> k & 1) != 0 || (ch->op == OP_DELETE && blind))
			c->f[c->nf++] = (struct change_field){ .i = (uint8_t)k, .fp = fp_of(ch->f[k]), .blind = blind };
	}
}

static void
adopt(struct run *x, const struct row *row, const struct simintent *it)
{
	struct simwrite *w = write_add(x, row->id);

	memcpy(w->f, it->f, sizeof(w->f));
	w->e.nf = it->i.nf;
	w->e.f = w->f;
	w->e.done = true;
	sync_write_complete(&w->e, row);
}

static void
write_intent(struct run *x, const struct one *o, const struct row *row, const struct sync_plan_out *p)
{
	struct simintent *it = intent_find(x, o->ch->cu);

	if (p->adopt)
		adopt(x, row, it);
	if (p->intent_new) {
		it = intent_make(x, o->ch->cu);
		it->i.state = INTENT_PENDING;
		it->i.at = x->s->ox.now;
		if (p->kind == PLAN_CREATE)
			it->i.nf = as_sent(o->ch->full, (1U << NF) - 1, it->f);
	}
	if (!p->intent_set)
		return;
	if (it == NULL)
		it = intent_make(x, o->ch->cu);
	it->i.state = p->intent_state;
	it->i.unsure = p->intent_unsure;
	if (p->intent_state == INTENT_DONE) {
		it->i.id = row != NULL ? row->id : o->there.id;
		it->i.id_known = it->i.id_known || row == NULL;
	}
}

static enum st one_change(struct run *x, struct one *o);

static enum st
find_uid(struct run *x, struct one *o)
{
	struct oxop op = { .kind = OX_FINDUID, .folder = x->folder };
	struct oxres r;

	memcpy(op.uid, o->ch->cu, sizeof(op.uid));
	if (ox_call(x, op, &r) != OXR_OK)
		return R_RETRY;
	if (r.n > 0 && r.o[0].folder == x->folder)
		return R_AGAIN;
	o->asked = true;
	o->elsewhere = r.n > 0;
	if (r.n > 0)
		o->there = r.o[0];
	return one_change(x, o);
}

static enum st
find_moved(struct run *x, struct one *o, const struct row *row, const struct change *c, const struct sync_plan_out *p)
{
	struct oxop op = { .kind = OX_GETANY, .folder = x->folder, .id = row->id };
	struct fmask fields, lose, win;
	struct sighting si;
	struct oxobj there;
	struct oxres r;

	if (ox_call(x, op, &r) != OXR_OK)
		return R_RETRY;
	if (r.n == 0) {
		o->moved_checked = true;
		return one_change(x, o);
	}
	there = r.o[0];
	if (there.folder == x->folder)
		return R_AGAIN;
	sight(x, &there, true, &si);
	if (!sync_plan_moved(c, row, &si, p, o->ch->insist ? POLICY_CLIENT : x->q->policy, &fields, &lose, &win)) {
		forced_add(x, row->id, true);
		return R_CONFLICT;
	}
	record_mask(x, mask_of(&lose), o->ch->f);
	record_mask(x, mask_of(&win), there.f);
	task_yield(x->t);
	if (!fmask_empty(&fields)) {
		op = (struct oxop){ .kind = OX_UPDATE, .folder = there.folder, .id = there.id, .mask = mask_of(&fields), .t = there.lm };
		memcpy(op.f, o->ch->f, sizeof(op.f));
		switch (ox_call(x, op, &r)) {
		case OXR_OK:
			break;
		case OXR_REFUSED:
		case OXR_NOTFOUND:
			return R_AGAIN;
		default:
			return R_RETRY;
		}
	}
	forced_add(x, row->id, true);
	task_yield(x->t);
	return R_GONE;
}

static enum st
do_recreate(struct run *x, const struct one *o)
{
	struct creq ch = *o->ch;
	int64_t mapped = 0;
	struct one sub = { .ch = &ch, .sub = true, .mapped = &mapped };
	enum st st;

	(void)snprintf(ch.cu, sizeof(ch.cu), "d%d/re.%lld", x->dev, (long long)o->ch->uuid);
	ch.op = OP_CREATE;
	ch.uuid = 0;
	ch.rev[0] = '\0';
	ch.blind = 0;
	st = one_change(x, &sub);
	return st == R_AGAIN || st == R_RETRY ? st : R_GONE;
}

static enum st
do_create(struct run *x, const struct one *o, msec_t at)
{
	struct oxop op = { .kind = OX_CREATE, .folder = x->folder };
	struct simintent *it;
	struct simwrite *w;
	struct oxres r;
	struct row *row;
	int64_t id;
	msec_t lm;

	if (x->s->ox.now - at > 5)
		return R_RETRY; /* stalled: the retry may already be at it (F9) */
	memcpy(op.f, o->ch->full, sizeof(op.f));
	memcpy(op.uid, o->ch->cu, sizeof(op.uid));
	if (ox_call(x, op, &r) != OXR_OK)
		return R_RETRY;
	id = r.id;
	lm = r.lm;
	it = intent_find(x, o->ch->cu);
	if (it != NULL && x->s->off != BREAK_F10) {
		it->i.id = id;
		it->i.id_known = true;
		it->i.at = 0;
	}
	task_yield(x->t);
	if (ox_list(x, &id, 1, &r) != OXR_OK || r.n == 0)
		return R_RETRY;
	if (x->t->locklost && x->s->off != BREAK_F19)
		task_abort(x->t);
	it = intent_find(x, o->ch->cu);
	if (it == NULL) {
		it = intent_make(x, o->ch->cu);
		it->i.nf = as_sent(o->ch->full, (1U << NF) - 1, it->f);
	}
	row = merge(x, &r.o[0], true);
	it->i.id = id;
	if (it->i.state != INTENT_DELETED)
		it->i.state = INTENT_DONE;
	*o->mapped = id * 8 + x->folder;
	w = write_add(x, id);
	w->e.nf = as_sent(o->ch->full, (1U << NF) - 1, w->f);
	w->e.f = w->f;
	w->e.done = true;
	w->e.lm = lm;
	sync_write_complete(&w->e, row);
	if (!o->sub)
		touched_add(x, id, o->ch);
	task_yield(x->t);
	return R_OK;
}

/* Server values that a write destroys are recorded first, and only if they are still the planned ones (F14). */
static enum st
record_winners(struct run *x, const struct row *row, unsigned win)
{
	struct oxres r;

	if (ox_list(x, &row->id, 1, &r) != OXR_OK)
		return R_RETRY;
	if (r.n == 0 || r.o[0].lm != row->lm)
		return R_AGAIN;
	if (x->s->off != BREAK_F14)
		record_mask(x, win, r.o[0].f);
	task_yield(x->t);
	return R_OK;
}

static enum st
do_update(struct run *x, const struct one *o, const struct row *row, const struct sync_plan_out *p, int64_t wid)
{
	struct oxop op = { .kind = OX_UPDATE, .folder = x->folder, .id = row->id, .mask = mask_of(&p->fields), .t = row->lm };
	struct simwrite *w;
	struct oxres r;

	if (!fmask_empty(&p->win)) {
		enum st st = record_winners(x, row, mask_of(&p->win));

		if (st != R_OK)
			return st;
	}
	record_mask(x, mask_of(&p->lose), o->ch->f);
	task_yield(x->t);
	if (x->s->off == BREAK_F12)
		op.t = x->f->ts; /* the folder's timestamp instead of the row's */
	memcpy(op.f, o->ch->f, sizeof(op.f));
	switch (ox_call(x, op, &r)) {
	case OXR_OK:
		break;
	case OXR_REFUSED:
	case OXR_NOTFOUND:
		write_drop(x, write_find(x, wid)); /* it did not happen: its fields must not pass for own (F11) */
		task_yield(x->t);
		return R_AGAIN;
	default:
		return R_RETRY;
	}
	touched_add(x, row->id, o->ch);
	if ((w = write_find(x, wid)) != NULL) {
		w->e.done = true;
		w->e.lm = r.lm;
	}
	task_yield(x->t);
	return R_OK;
}

static enum st
do_delete(struct run *x, const struct row *row, const struct sync_plan_out *p)
{
	struct oxop op = { .kind = OX_DELETE, .folder = x->folder, .id = row->id, .t = row->lm };
	struct oxres r;
	enum st st = record_winners(x, row, mask_of(&p->win));
	struct fmask hidden;

	if (st != R_OK)
		return st;
	/* who deletes an object knows that he does not see all of it */
	sync_hidden_of(&x->c, row, &hidden);
	for (unsigned k = 0; k < F_T; k++)
		if (fmask_has(&hidden, k))
			token_gone(x->s, x->s->ox.obj[row->id - ID0].f[k]);
	switch (ox_call(x, op, &r)) {
	case OXR_OK:
		break;
	case OXR_REFUSED:
	case OXR_NOTFOUND:
		return R_AGAIN;
	default:
		return R_RETRY;
	}
	if (x->t->locklost && x->s->off != BREAK_F19)
		task_abort(x->t);
	kill_row(x, row->id);
	forced_add(x, row->id, true);
	touched_drop(x, row->id);
	cursor_have_drop(&x->c, row->id);
	task_yield(x->t);
	return R_GONE;
}

static enum st
status_of(enum change_status st)
{
	static const enum st map[] = { [ST_OK] = R_OK, [ST_GONE] = R_GONE, [ST_REFUSED] = R_REFUSED, [ST_RETRY] = R_RETRY, [ST_CONFLICT] = R_CONFLICT };

	return map[st];
}

static void
plan(struct run *x, struct one *o, struct change *c, struct row *row, struct sync_plan_out *p)
{
	struct simintent *it = o->ch->cu[0] != '\0' ? intent_find(x, o->ch->cu) : NULL;
	struct write_entry *writes = NULL;
	struct sync_plan_out twice;
	struct intent intent;
	char rev[REV_TEXT] = "";
	struct cursor blind = x->c;
	struct fmask holds;
	struct sync_plan_in in = { .change = c, .cursor = x->s->off == BREAK_F21 ? &blind : &x->c, .row = row, .row_rev = rev, .cursor_seq = x->cseq,
		.now = x->s->ox.now, .late_max = x->s->off == BREAK_F9 ? 0 : LATE_MAX + 8, .started = x->s->started, .moved_checked = o->moved_checked,
		.may_move = x->s->v.moves && x->s->off != BREAK_F15 };

	memset(&blind.seen, 0, sizeof(blind.seen));
	in.policy = in.delete_policy = o->ch->insist ? POLICY_CLIENT : x->q->policy;
	memset(&intent, 0, sizeof(intent));
	if (it != NULL || o->asked) {
		if (it != NULL) {
			intent = it->i;
			intent.f = it->f;
		}
		intent.asked = o->asked || x->s->off == BREAK_F10;
		intent.elsewhere = o->elsewhere;
		if (o->elsewhere) {
			struct sighting si;

			sight(x, &o->there, true, &si);
			intent.else_f = si.f;
			intent.else_nf = si.nf;
		}
		in.intent = &intent;
	}
	if (row != NULL) {
		sync_hidden_of(&x->c, row, &holds);
		row_rev(x->s->keys, CT_CONTACT, row, &holds, rev);
		in.n_writes = x->s->off == BREAK_F5 ? 0 : writes_of(x, row->id, &writes);
		in.writes = writes;
	}
	sync_plan_change(&in, p);
	sync_plan_change(&in, &twice);
	if (memcmp(p, &twice, sizeof(twice)) != 0)
		sim_fail(x->s, "sync_plan_change: two answers to one question");
}

static enum st
one_change(struct run *x, struct one *o)
{
	const struct creq *ch = o->ch;
	struct simintent *it = ch->cu[0] != '\0' ? intent_find(x, ch->cu) : NULL;
	struct row *row = row_of(x, ch, it);
	struct sync_plan_out p;
	struct change c;
	msec_t now = x->s->ox.now;
	int64_t wid = 0;

	change_of(x, o, &c);
	plan(x, o, &c, row, &p);
	if (p.map) {
		if (row != NULL)
			*o->mapped = row->id * 8 + x->folder;
		else
			*o->mapped = o->elsewhere ? o->there.id * 8 + o->there.folder : it->i.id * 8 + x->folder;
	}
	write_intent(x, o, row, &p);
	if (p.drop_have)
		cursor_have_drop(&x->c, row->id);
	if (p.force_del || p.force_put)
		forced_add(x, row->id, p.force_del);
	if (p.touched && !o->sub)
		touched_add(x, row->id, ch);
	if (p.kind == PLAN_UPDATE) {
		struct simwrite *w = write_add(x, row->id);

		w->e.nf = as_sent(ch->f, mask_of(&p.fields), w->f);
		wid = w->e.wid;
	}
	task_yield(x->t);
	switch (p.kind) {
	case PLAN_RECORD:
		record_mask(x, mask_of(&p.lose), ch->f);
		task_yield(x->t);
		return status_of(p.status);
	case PLAN_CREATE:
		return do_create(x, o, now);
	case PLAN_UPDATE:
		return do_update(x, o, row, &p, wid);
	case PLAN_DELETE:
		return do_delete(x, row, &p);
	case PLAN_FIND_UID:
		return find_uid(x, o);
	case PLAN_FIND_MOVED:
		return find_moved(x, o, row, &c, &p);
	case PLAN_RECREATE:
		return do_recreate(x, o);
	case PLAN_DONE:
		break;
	}
	return status_of(p.status);
}

/* ---- the answer ---- */

static void
answer_del(struct answer *a, int64_t uuid)
{
	if (a->nd == a->capd) {
		a->capd = a->capd == 0 ? 16 : 2 * a->capd;
		a->del = mem_realloc(a->del, a->capd * sizeof(*a->del));
	}
	a->del[a->nd++] = uuid;
}

static struct given *
answer_give(struct answer *a, int64_t uuid)
{
	if (a->n == a->cap) {
		a->cap = a->cap == 0 ? 16 : 2 * a->cap;
		a->g = mem_realloc(a->g, a->cap * sizeof(*a->g));
	}
	memset(&a->g[a->n], 0, sizeof(a->g[0]));
	a->g[a->n].uuid = uuid;
	return &a->g[a->n++];
}

struct contents { const struct oxobj *o; size_t n; };

static const struct oxobj *
content_of(const struct contents *c, int64_t id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->o[i].id == id)
			return &c->o[i];
	return NULL;
}

/* One object into the answer.  SENT: the change that this request made to it, or NULL. */
static void
give(struct run *x, struct cursor *n, const struct contents *cont, bool put, int64_t id, const struct change *sent, const struct fmask *also)
{
	const struct oxobj *o = content_of(cont, id);
	struct row *r = row_get(x, id);
	int64_t uuid = id * 8 + x->folder;
	uint64_t keycn = r->keycn;
	struct fmask fields, holds, own = { { 0 } };
	struct write_entry *w;
	struct given *g;
	size_t nw;

	if (o == NULL) {
		/* Moved out or deleted since: tombstone it, or a return would look as if nothing had happened (F18).  The client is told
		 * also where it was to get the whole object: lo passes the version that it never saw, so what it edits must be blind (F8). */
		kill_row(x, id);
		if (!put || x->s->off != BREAK_F18)
			answer_del(&x->t->ans, uuid);
		cursor_have_drop(n, id);
		return;
	}
	r = merge(x, o, true);
	if (r->keycn != keycn && !sync_in_window(r, n->view.w0, n->view.w1) && sent == NULL) {
		answer_del(&x->t->ans, uuid);
		cursor_have_drop(n, id);
		return;
	}
	must(x->s, cursor_have_set(x->a, n, id, r->cn), "cursor_have_set");
	g = answer_give(&x->t->ans, uuid);
	memcpy(g->f, o->f, sizeof(g->f));
	/* the rev is of what the client holds: of a row that the sweep has yet to reach less than it is to get */
	holds = n->seen.hidden;
	if (!put && !(sent != NULL && x->swept))
		sync_hidden_of(n, r, &holds);
	row_rev(x->s->keys, CT_CONTACT, r, &holds, g->rev);
	g->put = put;
	if (put) {
		g->mask = ((1U << NF) - 1) & ~mask_of(&n->seen.hidden);
		if (r->client_id != NULL && r->client_id[1] - '0' == x->dev)
			(void)snprintf(g->cu, sizeof(g->cu), "%s", r->client_id);
		return;
	}
	if (sent != NULL) {
		nw = writes_of(x, id, &w);
		sync_answer_fields(&x->c, r, sent, w, nw, &fields, &own);
		if (x->s->off == BREAK_F4)
			for (unsigned k = 0; k < NF; k++) {
				bool was = false;

				for (unsigned j = 0; j < sent->nf; j++)
					was |= sent->f[j].i == k;
				if (!was)
					fmask_clear(&fields, k);
			}
	} else {
		sync_changed_fields(r, sync_base_of(&x->c, r), &fields);
	}
	if (sent != NULL && x->swept && x->s->off != BREAK_SWEEP)
		memset(&fields, 0xff, sizeof(fields));
	fmask_minus(&fields, &n->seen.hidden);
	if (also != NULL)
		fmask_or(&fields, also);
	for (unsigned j = 0; sent != NULL && j < sent->nf; j++)
		fmask_set(&fields, sent->f[j].i); /* what it sent it gets, hidden or not: it may have become another value */
	g->mask = mask_of(&fields) & ((1U << NF) - 1);
	g->own = mask_of(&own);
}

struct item { enum sync_kind kind; int64_t id, uuid; struct fmask also; };

static bool
same_cursor(struct sim *s, const struct cursor *c, const struct simcursor *k)
{
	struct cursor other;

	must(s, cursor_unpack(s->scratch, k->p, k->len, &other), "cursor_unpack");
	return cursor_equal(c, &other);
}

static void
cursor_store(struct run *x, const struct cursor *c)
{
	struct db *db = x->db;
	struct simcursor *k;
	struct buf b;
	int kids = 0, drop = -1;

	if (db->n_cur == (int)ARRAY_LEN(db->cur))
		sim_fail(x->s, "simulation: too many cursors");
	k = &db->cur[db->n_cur++];
	memset(k, 0, sizeof(*k));
	k->dev = x->dev;
	k->folder = x->folder;
	k->seq = ++db->seq[x->dev][x->folder];
	k->sid = ++db->sid | (rnd64(x->s) << 32);
	buf_init(&b, sizeof(k->p));
	cursor_pack(c, &b);
	if (b.failed)
		sim_fail(x->s, "simulation: cursor too long");
	k->len = b.len;
	memcpy(k->p, b.p, b.len);
	buf_fini(&b);
	x->t->ans.sid = k->sid;
	for (int i = 0; i < db->n_cur; i++)
		if (db->cur[i].dev == x->dev && db->cur[i].folder == x->folder && db->cur[i].seq > x->cseq) {
			kids++;
			if (drop < 0 || db->cur[i].seq < db->cur[drop].seq)
				drop = i;
		}
	if (kids > 4) /* at most 4 children of one cursor */
		db->cur[drop] = db->cur[--db->n_cur];
}

static void
check_delta_twice(struct run *x, const struct sync_delta_in *in, const struct sync_delta_out *d)
{
	struct row_source src = source(x);
	struct sync_delta_out d2;
	struct err e;

	must(x->s, sync_delta(x->a, in, &src, &d2, &e), "sync_delta");
	if (d2.n != d->n || d2.more != d->more || !cursor_equal(&d2.next, &d->next))
		sim_fail(x->s, "sync_delta: two answers to one question");
	for (size_t i = 0; i < d->n; i++)
		if (d2.items[i].kind != d->items[i].kind || d2.items[i].row->id != d->items[i].row->id)
			sim_fail(x->s, "sync_delta: two answers to one question");
}

static struct item *
build_delta(struct run *x, msec_t w0, msec_t w1, struct cursor *n, size_t *n_items, bool *more)
{
	struct imap *skip = imap_new(x->a, 16);
	struct row_source src = source(x);
	struct sync_delta_out d;
	struct sync_delta_in in = { .cursor = &x->c, .folder_cn = x->f->cn, .w0 = w0, .w1 = w1, .limit = x->q->limit, .skip = skip };
	struct fmask hidden = { { x->q->hidden } };
	struct item *items;
	struct err e;
	bool ok = true;

	for (size_t i = 0; i < x->n_touched; i++)
		ok &= imap_put(skip, x->touched[i], 0);
	for (size_t i = 0; i < x->n_forced; i++)
		ok &= imap_put(skip, x->forced[i].id, 0);
	if (!ok)
		sim_fail(x->s, "imap_put");
	in.hidden = &hidden;
	must(x->s, sync_delta(x->a, &in, &src, &d, &e), "sync_delta");
	x->swept = d.swept;
	check_delta_twice(x, &in, &d);
	x->s->deltas++;
	x->s->rows_read += d.rows_read;
	x->s->emitted += d.n;
	*n = d.next;
	if (x->s->off == BREAK_F1 && d.more)
		n->lo = n->pos;
	*more = d.more;
	*n_items = d.n;
	items = arena_array(x->a, struct item, d.n);
	for (size_t i = 0; i < d.n; i++)
		items[i] = (struct item){ .kind = d.items[i].kind, .id = d.items[i].row->id, .uuid = d.items[i].row->id * 8 + x->folder, .also = d.items[i].also };
	return items;
}

static int
by_pair(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct item *
build_reconcile(struct run *x, msec_t w0, msec_t w1, struct cursor *n, size_t *n_items, bool *more)
{
	struct pair *p = arena_array(x->a, struct pair, x->q->n_pairs);
	struct row **rows = arena_array(x->a, struct row *, MAX_ID);
	struct sync_reconcile_out r;
	struct fmask hidden = { { x->q->hidden } };
	struct cursor fresh;
	struct item *items;
	size_t k = 0, n_rows = 0;

	for (size_t i = 0; i < x->q->n_pairs; i++) {
		int64_t u = x->q->pairs[i].uuid;

		p[i].valid = u % 8 == x->folder;
		p[i].id = u / 8;
		memcpy(p[i].rev, x->q->pairs[i].rev, sizeof(p[i].rev));
		memcpy(p[i].uuid.b, &u, sizeof(u));
	}
	if (x->q->n_pairs > 0)
		qsort(p, x->q->n_pairs, sizeof(*p), by_pair);
	for (size_t i = 0; i < MAX_ID; i++)
		if (x->f->row[i].there) {
			rows[n_rows] = row_load(x->s, x->a, &x->f->row[i]);
			n_rows += !rows[n_rows]->dead;
		}
	sync_cursor_fresh(&fresh, x->db->epoch, x->f->cn, w0, w1, &hidden);
	must(x->s, sync_reconcile(x->a, x->s->keys, CT_CONTACT, &fresh, rows, n_rows, p, x->q->n_pairs, NULL, x->q->limit, &r), "sync_reconcile");
	*n = r.next;
	*more = r.more;
	items = arena_array(x->a, struct item, r.n + r.n_gone);
	for (size_t i = 0; i < r.n_gone; i++) {
		items[k].kind = SYNC_DEL;
		memcpy(&items[k++].uuid, r.gone[i]->uuid.b, sizeof(int64_t));
	}
	for (size_t i = 0; i < r.n; i++)
		items[k++] = (struct item){ .kind = r.items[i].kind, .id = r.items[i].row->id, .uuid = r.items[i].row->id * 8 + x->folder };
	*n_items = k;
	return items;
}

static void
read_back(struct run *x)
{
	struct oxres back = { 0 };
	bool got[16] = { false };

	if (x->n_touched > 0 && ox_list(x, x->touched, x->n_touched, &back) != OXR_OK)
		task_abort(x->t);
	if (x->t->locklost && x->s->off != BREAK_F19)
		task_abort(x->t);
	for (size_t i = 0; i < back.n; i++) {
		struct row *r = merge(x, &back.o[i], true);

		for (size_t j = 0; j < x->n_touched; j++)
			got[j] |= x->touched[j] == r->id;
		for (int w = 0; w < x->db->n_wr; w++) {
			struct simwrite *sw = &x->db->wr[w];

			if (sw->dev != x->dev || sw->folder != x->folder || sw->e.id != r->id || sw->e.cn != 0 || !sw->e.done)
				continue;
			sw->e.f = sw->f;
			sync_write_complete(&sw->e, r);
		}
	}
	for (size_t j = 0; j < x->n_touched; j++)
		if (!got[j])
			kill_row(x, x->touched[j]);
}

static void
give_all(struct run *x, struct cursor *n, const struct item *items, size_t n_items, const struct contents *cont)
{
	struct answer *a = &x->t->ans;

	for (size_t i = 0; i < n_items; i++) {
		if (items[i].kind == SYNC_DEL) {
			answer_del(a, items[i].uuid);
			cursor_have_drop(n, items[i].uuid / 8);
		} else {
			give(x, n, cont, items[i].kind == SYNC_PUT, items[i].id, NULL, &items[i].also);
		}
	}
	for (size_t i = 0; i < x->n_forced; i++) {
		struct row *r = row_get(x, x->forced[i].id);

		if (x->forced[i].del || r->dead || !sync_in_window(r, n->view.w0, n->view.w1)) {
			answer_del(a, r->id * 8 + x->folder);
			cursor_have_drop(n, r->id);
		} else {
			give(x, n, cont, true, r->id, NULL, NULL);
		}
	}
	for (size_t i = 0; i < x->n_touched; i++) {
		struct row *r = row_get(x, x->touched[i]);

		if (r->dead) { /* gone between write and read-back; told, so it is not had any more (F4), or its return would be a modification */
			answer_del(a, r->id * 8 + x->folder);
			cursor_have_drop(n, r->id);
			continue;
		}
		give(x, n, cont, false, r->id, &x->tch[i], NULL);
		r = row_get(x, x->touched[i]);
		if (!r->dead && !sync_in_window(r, n->view.w0, n->view.w1)) { /* written out of the client's window */
			answer_del(a, r->id * 8 + x->folder);
			cursor_have_drop(n, r->id);
		}
	}
}

static void
finish(struct run *x, struct cursor *n, const struct item *items, size_t n_items, bool more, const struct contents *cont)
{
	struct answer *a = &x->t->ans;
	struct row_source src = source(x);
	struct db *db = x->db;
	uint64_t *seq = &db->seq[x->dev][x->folder];
	struct err e;

	if (x->t->locklost && x->s->off != BREAK_F19)
		task_abort(x->t);
	give_all(x, n, items, n_items, cont);
	must(x->s, sync_prune(x->a, n, &src, &e), "sync_prune");
	for (int i = 0; i < db->n_in; i++)
		if (db->in[i].dev == x->dev && db->in[i].folder == x->folder && db->in[i].i.state == INTENT_DONE && db->in[i].i.seq > *seq + 1)
			db->in[i].i.seq = *seq + 1;
	a->status = 200;
	a->more = more;
	if (x->q->sid != 0 && x->q->n == 0 && n_items == 0 && cursor_equal(n, &x->c)) {
		a->sid = x->q->sid; /* nothing happened: nothing is written */
		a->more = false;
		return;
	}
	if (x->q->reconcile && more && x->s->off != BREAK_F20)
		return; /* no syncid before the last page (F20) */
	for (int i = 0; i < db->n_cur && x->q->n == 0; i++)
		if (db->cur[i].dev == x->dev && db->cur[i].folder == x->folder && db->cur[i].seq > x->cseq && same_cursor(x->s, n, &db->cur[i])) {
			a->sid = db->cur[i].sid;
			return;
		}
	cursor_store(x, n);
	for (int i = 0; i < db->n_wr; i++)
		if (db->wr[i].dev == x->dev && db->wr[i].folder == x->folder && db->wr[i].task == x->t->num)
			db->wr[i].e.seq = *seq;
	for (int i = 0; i < db->n_in; i++)
		if (db->in[i].dev == x->dev && db->in[i].task == x->t->num)
			db->in[i].i.seq = *seq;
}

static bool
load_cursor(struct run *x)
{
	struct simcursor *k;
	struct cursor c;

	if (x->q->sid == 0) {
		x->cseq = x->db->seq[x->dev][x->folder];
		return true;
	}
	k = cursor_find(x, x->q->sid);
	if (k == NULL)
		return false;
	must(x->s, cursor_unpack(x->a, k->p, k->len, &c), "cursor_unpack");
	if (c.epoch != x->db->epoch)
		return false;
	if (x->q->n > 0 && x->s->off != BREAK_F6) {
		if (x->q->id < k->lastk)
			return false; /* an older request of the same device after a newer one (F6) */
		k->lastk = x->q->id;
	}
	must(x->s, cursor_copy(x->a, &c, &x->c), "cursor_copy");
	x->cseq = k->seq;
	acknowledge(x);
	return true;
}

void
daemon_sync(struct task *t)
{
	struct sim *s = t->s;
	const struct req *q = &t->q;
	struct run x = { .t = t, .s = s, .db = s->db, .f = &s->db->folder[q->folder], .a = t->a, .q = q,
		.dev = s->cl[q->cl].dev, .folder = q->folder, .acc = s->cl[q->cl].acc };
	msec_t w0 = s->day - q->ws, w1 = s->day + q->ws;
	struct oxres r = { 0 };
	struct contents cont = { 0 };
	struct item *items;
	struct cursor n;
	int64_t *need;
	size_t n_items, n_need = 0;
	bool more;

	while (s->holder[q->folder] != NULL)
		task_yield(t);
	s->holder[q->folder] = t;
	t->lock = q->folder + 1;
	task_yield(t);
	if (!load_cursor(&x)) {
		t->ans.status = 409;
		return;
	}
	task_yield(t);
	refresh(&x);
	if (q->sid == 0)
		sync_cursor_fresh(&x.c, x.db->epoch, x.f->cn, w0, w1, &(struct fmask){ { q->hidden } });
	task_yield(t);
	for (int i = 0; i < q->n; i++) {
		enum st st = R_AGAIN;

		for (int attempt = 0; attempt < 3 && st == R_AGAIN; attempt++) {
			struct one o = { .ch = &q->ch[i], .mapped = &t->ans.mapped[i] };

			if (attempt > 0)
				refresh(&x);
			st = one_change(&x, &o);
		}
		t->ans.res[i] = st == R_AGAIN ? R_RETRY : st;
	}
	read_back(&x);
	w0 = s->day - q->ws;
	w1 = s->day + q->ws;
	items = q->reconcile ? build_reconcile(&x, w0, w1, &n, &n_items, &more) : build_delta(&x, w0, w1, &n, &n_items, &more);
	task_yield(t);
	need = arena_array(x.a, int64_t, n_items + x.n_touched + x.n_forced);
	for (size_t i = 0; i < n_items; i++)
		if (items[i].kind != SYNC_DEL)
			need[n_need++] = items[i].id;
	for (size_t i = 0; i < x.n_touched; i++)
		need[n_need++] = x.touched[i];
	for (size_t i = 0; i < x.n_forced; i++)
		if (!x.forced[i].del)
			need[n_need++] = x.forced[i].id;
	if (n_need > 0 && ox_list(&x, need, n_need, &r) != OXR_OK)
		task_abort(t);
	cont.o = r.o;
	cont.n = r.n;
	finish(&x, &n, items, n_items, more, &cont);
}
