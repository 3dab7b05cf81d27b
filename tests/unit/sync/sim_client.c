/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The clients of the simulation: what a client must do (ARCHITECTURE.md "Sync model", CLIENT), in the shortest way. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_FIELDS ((1U << NF) - 1)

static bool
has(unsigned mask, int k)
{
	return (mask >> k & 1) != 0;
}

void
client_init(struct sim *s, int i)
{
	static const size_t limits[] = { 1, 2, 3, 7, 50 };
	static const int64_t sizes[] = { 15, 30, 60 };
	struct client *c = &s->cl[i];

	c->dev = i;
	c->acc = i % s->v.nacc;
	c->limit = limits[rnd(s, 5)];
	c->policy = (enum sync_policy)rnd(s, s->v.error_policy ? 3 : 2);
	c->ws = s->v.windows ? sizes[rnd(s, 3)] : INT64_C(1) << 40;
	if (s->v.filters)
		c->hidden = (unsigned)rnd(s, 1 << NF);
	for (int f = 0; f < MAX_FOLD; f++)
		c->more[f] = true;
}

static struct local *
local_new(struct sim *s, struct client *c)
{
	struct local *l = NULL;

	for (int i = 0; i < c->n_obj && l == NULL; i++)
		if (!c->obj[i].used)
			l = &c->obj[i];
	if (l == NULL) {
		if (c->n_obj == (int)ARRAY_LEN(c->obj))
			sim_fail(s, "simulation: client is full");
		l = &c->obj[c->n_obj++];
	}
	memset(l, 0, sizeof(*l));
	l->used = true;
	return l;
}

static struct local *
by_uuid(struct client *c, int64_t uuid)
{
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && c->obj[i].uuid == uuid && uuid != 0)
			return &c->obj[i];
	return NULL;
}

static struct local *
by_change(struct client *c, const struct creq *ch)
{
	if (ch->uuid != 0)
		return by_uuid(c, ch->uuid);
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && c->obj[i].uuid == 0 && strcmp(c->obj[i].cu, ch->cu) == 0)
			return &c->obj[i];
	return NULL;
}

/* ---- typing ---- */

static void
edit_new(struct sim *s, struct client *c)
{
	struct local *l = local_new(s, c);

	(void)snprintf(l->cu, sizeof(l->cu), "d%d/c%d", c->dev, ++c->n);
	l->folder = (int)rnd(s, s->v.nfold);
	for (int k = 0; k < F_T; k++)
		l->cur[k] = token_new(s, 0);
	l->cur[F_T] = time_new(s);
	l->dirty = ALL_FIELDS;
	l->new = true;
}

static void
edit_field(struct sim *s, struct local *l)
{
	static const int fields[] = { 0, 0, 1, 1, F_N, F_T };
	int k = fields[rnd(s, 6)];

	if (k == F_T) {
		l->cur[k] = time_new(s);
	} else if (!l->new && has(l->dirty, k) && has(l->has_base, k) && chance(s, .12)) { /* takes it back */
		if (l->base[k] != 0)
			token_replaced(s, l->cur[k], l->base[k]);
		else
			token_gone(s, l->cur[k]);
		l->cur[k] = l->base[k];
		if (!l->doubt)
			l->dirty &= ~(1U << k);
		return;
	} else if (k != F_N && chance(s, .07)) {
		token_gone(s, l->cur[k]);
		l->cur[k] = 0;
	} else {
		l->cur[k] = token_new(s, l->cur[k]);
	}
	l->dirty |= 1U << k;
}

void
client_edit(struct sim *s, struct client *c)
{
	struct local *live[512];
	int n = 0;
	double x = (double)rnd(s, 1000) / 1000;

	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && !c->obj[i].gone)
			live[n++] = &c->obj[i];
	if (x < .3 || n == 0) {
		edit_new(s, c);
	} else if (x < .8) {
		edit_field(s, live[rnd(s, n)]);
	} else {
		struct local *l = live[rnd(s, n)];

		for (int k = 0; k < F_T; k++)
			token_gone(s, l->cur[k]);
		if (l->new && !l->doubt)
			l->used = false;
		else
			l->gone = true; /* an unanswered create may exist: it is deleted by its client id (F7) */
	}
}

/* ---- asking ---- */

static void
change_build(struct local *l, struct creq *ch)
{
	memset(ch, 0, sizeof(*ch));
	ch->uuid = l->uuid;
	if (l->uuid == 0)
		memcpy(ch->cu, l->cu, sizeof(ch->cu));
	else
		memcpy(ch->rev, l->rev, sizeof(ch->rev));
	memcpy(ch->f, l->cur, sizeof(ch->f));
	memcpy(ch->full, l->cur, sizeof(ch->full));
	ch->was_gone = l->gone;
	if (l->gone) {
		ch->op = OP_DELETE;
		ch->blind = l->blind;
		ch->blind_delete = l->blind != 0 && l->uuid % 16 < 8; /* both ways of saying it */
	} else if (l->new) {
		ch->op = OP_CREATE;
		ch->mask = ALL_FIELDS;
		ch->again = l->doubt;
	} else {
		ch->op = OP_MODIFY;
		ch->mask = l->dirty;
		/* kept after a deletion: the last version before it was perhaps never shown, so later edits are blind, too (F8) */
		ch->blind = l->deleted ? l->dirty : l->blind & l->dirty;
		ch->insist = l->insist;
		for (int k = 0; k < NF; k++)
			ch->again |= l->n_sent[k] > 0; /* a re-creation is no other request here; usm-json's says it itself */
	}
	l->doubt = true;
	for (int k = 0; k < NF; k++)
		if (has(ch->mask, k))
			l->sent[k][l->n_sent[k]++ % 16] = l->cur[k];
}

void
client_build(struct sim *s, struct client *c, int folder, struct req *q)
{
	struct local *ch[512];
	int n = 0;

	memset(q, 0, sizeof(*q));
	q->cl = c->dev;
	q->folder = folder;
	q->id = ++c->rq;
	q->sid = c->sync[folder];
	q->limit = c->limit;
	q->policy = c->policy;
	q->ws = c->ws;
	q->hidden = c->hidden;
	q->reconcile = q->sid == 0 && c->need[folder];
	for (int i = 0; i < c->n_obj; i++) {
		struct local *l = &c->obj[i];

		if (l->used && l->folder == folder && q->sid != 0 && (l->gone || l->new || l->dirty != 0))
			ch[n++] = l;
	}
	while (n > 0 && q->n < MAX_CHANGES) {
		int64_t at = rnd(s, n);

		change_build(ch[at], &q->ch[q->n++]);
		memmove(&ch[at], &ch[at + 1], (size_t)(n - at - 1) * sizeof(ch[0]));
		n--;
	}
	if (q->reconcile) {
		q->pairs = mem_alloc((size_t)(c->n_obj + 1) * sizeof(*q->pairs));
		for (int i = 0; i < c->n_obj; i++)
			if (c->obj[i].used && c->obj[i].folder == folder && c->obj[i].uuid != 0) {
				q->pairs[q->n_pairs].uuid = c->obj[i].uuid;
				memcpy(q->pairs[q->n_pairs++].rev, c->obj[i].rev, REV_TEXT);
			}
	}
	c->reqid = q->id;
}

/* ---- being answered ---- */

static void
answer_change(struct sim *s, struct client *c, const struct creq *ch, enum st st, int64_t mapped)
{
	struct local *l = by_change(c, ch);
	bool same;

	if (l == NULL || st == R_NONE || st == R_RETRY)
		return;
	same = memcmp(l->cur, ch->f, sizeof(l->cur)) == 0;
	if (ch->op == OP_DELETE) {
		if (st == R_GONE || st == R_REFUSED || st == R_CONFLICT)
			l->used = false;
		return;
	}
	if (l->new && mapped != 0) {
		struct local *twin = by_uuid(c, mapped);

		l->uuid = mapped;
		l->new = false;
		if (twin != NULL)
			twin->used = false;
	} else if (l->new && st == R_GONE) {
		if (same || l->gone) {
			l->used = false;
		} else { /* edited since: a new object */
			(void)snprintf(l->cu, sizeof(l->cu), "d%d/c%d", c->dev, ++c->n);
			l->doubt = false;
		}
		return;
	}
	if (st == R_CONFLICT) {
		/* policy `error`: the person decides - mine, or the server's */
		if (!l->gone && chance(s, .5)) {
			l->insist = true;
		} else if (!l->gone) {
			for (int k = 0; k < NF; k++)
				if (has(l->dirty, k)) {
					bool base = has(l->has_base, k);

					if (k != F_T && !(base && l->cur[k] == l->base[k]))
						token_gone(s, l->cur[k]);
					l->cur[k] = base ? l->base[k] : l->cur[k]; /* the whole object is in this answer */
				}
			l->dirty = l->blind = 0;
			l->doubt = false;
		}
		return;
	}
	if (st == R_OK) {
		for (int k = 0; k < NF; k++) {
			if (!has(ch->mask, k))
				continue;
			l->base[k] = ch->f[k];
			l->has_base |= 1U << k;
			if (l->cur[k] == ch->f[k]) {
				l->dirty &= ~(1U << k);
				l->n_sent[k] = 0;
			}
			l->blind &= ~(1U << k);
		}
		if (l->dirty == 0) {
			l->insist = false;
			if (!l->gone)
				l->doubt = false;
		}
	}
	if (st == R_GONE && (same || l->gone))
		l->used = false;
}

static bool
was_sent(const struct local *l, int k, int64_t v)
{
	for (unsigned i = 0; i < l->n_sent[k] && i < 16; i++)
		if (l->sent[k][i] == v)
			return true;
	return false;
}

/* Values from the answer.  A field that was edited meanwhile keeps the edit, and is blind: the person never saw what it replaces (F8). */
static void
take(struct local *l, const struct given *g)
{
	for (int k = 0; k < NF; k++) {
		int64_t v = g->f[k];

		if (!has(g->mask, k)) {
			if (g->put && !has(l->dirty, k)) { /* a whole object replaces: what it does not bring is not kept */
				l->cur[k] = 0;
				l->has_base &= ~(1U << k);
			}
			continue;
		}
		if ((has(l->dirty, k) || l->gone) && v != l->cur[k] && !(has(l->has_base, k) && v == l->base[k]) && !has(g->own, k) && !was_sent(l, k, v))
			l->blind |= 1U << k;
		if (!has(l->dirty, k))
			l->cur[k] = v;
		l->base[k] = v;
		l->has_base |= 1U << k;
	}
	memcpy(l->rev, g->rev, sizeof(l->rev));
	l->deleted = false;
}

static bool
named_alive(const struct answer *a, int64_t uuid)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->g[i].uuid == uuid)
			return true;
	return false;
}

/*
 * The local object that the daemon created, or re-created after a deletion, for this client.  A re-created one takes the place of
 * the deleted one only while that is held as deleted: it may be back, and then there are two.
 */
static struct local *
own_created(struct client *c, const struct answer *a, const struct given *g, int folder)
{
	char re[CU];

	for (int i = 0; i < c->n_obj; i++) {
		struct local *l = &c->obj[i];

		(void)snprintf(re, sizeof(re), "d%d/re.%lld", c->dev, (long long)l->uuid);
		if (!l->used)
			continue;
		if (l->new && strcmp(l->cu, g->cu) == 0)
			return l;
		if (l->uuid != 0 && l->folder == folder && l->deleted && strcmp(re, g->cu) == 0 && !named_alive(a, l->uuid))
			return l;
	}
	return NULL;
}

static void
answer_given(struct sim *s, struct client *c, const struct req *q, const struct answer *a, const struct given *g)
{
	struct local *l = by_uuid(c, g->uuid);

	if (l == NULL && g->put && g->cu[0] != '\0' && (l = own_created(c, a, g, q->folder)) != NULL) {
		l->uuid = g->uuid;
		l->new = false;
	}
	if (l == NULL && g->put)
		l = local_new(s, c);
	if (l == NULL) {
		for (size_t i = 0; i < a->nd; i++)
			if (a->del[i] == g->uuid)
				return;
		for (int i = 0; i < q->n; i++)
			if (a->mapped[i] == g->uuid || q->ch[i].uuid == g->uuid)
				return;
		sim_fail(s, "d%d is sent a modification of object %d that it does not have", c->dev, (int)(g->uuid / 8));
	}
	l->uuid = g->uuid;
	if (g->put)
		l->folder = q->folder;
	take(l, g);
}

static void
answer_deletions(struct client *c, const struct answer *a)
{
	for (size_t i = 0; i < a->nd; i++) {
		struct local *l = by_uuid(c, a->del[i]);
		bool put = false;

		for (size_t j = 0; j < a->n; j++)
			put |= a->g[j].put && a->g[j].uuid == a->del[i];
		if (l == NULL || put)
			continue;
		if (l->dirty != 0 && !l->gone) { /* kept until its change is answered */
			l->doubt = l->deleted = true;
			l->blind |= l->dirty;
		} else {
			l->used = false;
		}
	}
}

void
client_answer(struct sim *s, struct req *q, struct answer *a)
{
	struct client *c = &s->cl[q->cl];

	if (c->reqid != q->id)
		return; /* given up: ignored */
	c->reqid = 0;
	if (a->status == 409) {
		c->sync[q->folder] = 0;
		c->need[q->folder] = true;
		return;
	}
	if (a->status != 200)
		return;
	for (int i = 0; i < q->n; i++)
		answer_change(s, c, &q->ch[i], a->res[i], a->mapped[i]);
	answer_deletions(c, a);
	for (size_t i = 0; i < a->n; i++)
		answer_given(s, c, q, a, &a->g[i]);
	if (a->sid != 0) {
		c->sync[q->folder] = a->sid;
		c->need[q->folder] = false;
	}
	c->more[q->folder] = a->more;
}

bool
client_busy(const struct client *c)
{
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && (c->obj[i].dirty != 0 || c->obj[i].new || c->obj[i].gone))
			return true;
	return false;
}
