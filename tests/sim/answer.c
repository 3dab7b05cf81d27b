/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a client makes of an answer (usm-json(7), "Rules for clients"). */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static bool
has(unsigned mask, unsigned k)
{
	return (mask >> k & 1) != 0;
}

static bool
same_uuid(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct local *
by_uuid(struct client *c, int folder, const struct uuid *u)
{
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && c->obj[i].folder == folder && c->obj[i].has_uuid && same_uuid(&c->obj[i].uuid, u))
			return &c->obj[i];
	return NULL;
}

static struct local *
by_change(struct client *c, int folder, const struct sent_change *ch)
{
	if (ch->has_uuid)
		return by_uuid(c, folder, &ch->uuid);
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && !c->obj[i].has_uuid && strcmp(c->obj[i].cid, ch->cid) == 0)
			return &c->obj[i];
	return NULL;
}

static void
make_new(struct client *c, struct local *l, const char *cid)
{
	if (cid != NULL)
		(void)snprintf(l->cid, sizeof(l->cid), "%s", cid);
	else
		(void)snprintf(l->cid, sizeof(l->cid), "c%llu", (unsigned long long)++c->n);
	l->has_uuid = l->doubt = l->deleted = l->insist = l->moving = false;
	l->is_new = true;
	l->has_base = l->blind = 0;
	memset(l->n_sent, 0, sizeof(l->n_sent));
	l->dirty = (1U << sim_nf(c->folder[l->folder].ct)) - 1;
}

/* ---- results ---- */

/* The person takes the server's version: nothing of the change is kept. */
static void
give_in(struct sim *s, struct client *c, struct local *l)
{
	enum content ct = c->folder[l->folder].ct;

	l->moving = false;
	if (l->deleted) { /* the server's version is that it is gone */
		client_drop(s, c, l, true);
		return;
	}
	if (l->gone && l->has_uuid) {
		l->gone = false;
		l->dirty = l->blind = 0;
		l->doubt = false;
		for (unsigned k = 0; k < sim_nf(ct); k++)
			if (has(l->has_base, k))
				l->cur[k] = l->base[k];
		return;
	}
	if (l->is_new) {
		client_drop(s, c, l, true);
		return;
	}
	for (unsigned k = 0; k < sim_nf(ct); k++) {
		if (!has(l->dirty, k))
			continue;
		if (is_typed(sim_fields[ct][k].kind) && !(has(l->has_base, k) && l->cur[k] == l->base[k]))
			token_gone(s, l->cur[k]);
		if (has(l->has_base, k))
			l->cur[k] = l->base[k];
	}
	l->dirty = l->blind = 0;
	l->doubt = false;
}

static void
accepted(struct client *c, struct local *l, const struct sent_change *ch)
{
	enum content ct = c->folder[l->folder].ct;

	for (unsigned k = 0; k < sim_nf(ct); k++) {
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

static const char *const status_name[] = {
	[ST_OK] = "ok", [ST_GONE] = "gone", [ST_REFUSED] = "refused", [ST_RETRY] = "retry", [ST_CONFLICT] = "conflict", [ST_RECREATE] = "recreate", [ST_HELD] = "held",
};

/* A folder or mail came as somebody's before its creation was answered: the two are one, and what was edited in the twin goes on as an edit. */
static void
take_twin(struct sim *s, struct client *c, struct local *l, const struct sent_change *ch, struct local *twin)
{
	enum content ct = c->folder[l->folder].ct;

	for (unsigned k = 0; k < sim_nf(ct); k++) {
		if (!has(twin->dirty, k))
			continue;
		if (l->cur[k] != ch->f[k]) { /* edited in both: the one that was made here */
			if (is_typed(sim_fields[ct][k].kind))
				token_gone(s, twin->cur[k]);
			continue;
		}
		l->cur[k] = twin->cur[k];
		l->dirty |= 1U << k;
		l->blind |= twin->blind & 1U << k;
	}
	twin->used = false;
}

static void
one_result(struct sim *s, struct client *c, const struct creq *q, const struct answer_result *r)
{
	const struct sent_change *ch = &q->ch[r->change];
	struct local *l = by_change(c, q->folder, ch), *twin;
	char re[80], text[UUID_TEXT];
	bool same, was_new = false;

	tell(s, "  %s %s: %s%s", ch->op == OP_CREATE ? "create" : ch->op == OP_MODIFY ? "modify" : "delete", l != NULL ? l->cid : "?",
	    r->failed ? r->err.text : status_name[r->status], fmask_empty(&r->lost) ? "" : ", some values lost");
	if (l == NULL || (!r->failed && r->status == ST_RETRY))
		return;
	same = memcmp(l->cur, ch->f, sizeof(l->cur)) == 0;
	if (r->failed) { /* the right is missing, the name is taken: it is not repeated unchanged */
		give_in(s, c, l);
		return;
	}
	if (ch->op == OP_DELETE) {
		l->used = false;
		return;
	}
	if (l->is_new && r->has_uuid) {
		twin = by_uuid(c, q->folder, &r->uuid);
		if (twin != NULL)
			take_twin(s, c, l, ch, twin);
		l->uuid = r->uuid;
		l->has_uuid = true;
		l->is_new = false;
		was_new = true;
	}
	switch (r->status) {
	case ST_OK:
		if (!was_new && l->moving && ch->has_move) { /* it comes back in the other folder */
			l->moving = false;
			for (unsigned k = 0; k < sim_nf(c->folder[l->folder].ct); k++)
				if (has(l->dirty, k) && l->cur[k] != ch->f[k] && is_typed(sim_fields[c->folder[l->folder].ct][k].kind))
					token_gone(s, l->cur[k]); /* typed while it was on its way: this simple client forgets it */
			l->used = false;
			return;
		}
		accepted(c, l, ch);
		break;
	case ST_GONE:
		if (same || l->gone) {
			l->used = false;
		} else if (was_new) {
			break; /* edited since: the next change tells what becomes of it */
		} else if (c->folder[l->folder].ct == CT_MAIL) {
			l->used = false; /* nothing of a mail is typed but itself */
		} else {
			make_new(c, l, NULL);
		}
		break;
	case ST_RECREATE:
		if (c->folder[l->folder].ct == CT_MAIL || c->folder[l->folder].ct == CT_FOLDER) {
			client_drop(s, c, l, true);
			break;
		}
		uuid_format(&l->uuid, text);
		(void)snprintf(re, sizeof(re), "re.%s.%s", text, c->name);
		make_new(c, l, re);
		break;
	case ST_CONFLICT: /* the person decides: mine, or the server's */
		if (chance(s, 500) && !l->gone)
			l->insist = true;
		else
			give_in(s, c, l);
		break;
	case ST_REFUSED:
	case ST_RETRY:
	case ST_HELD:
		break;
	}
}

/* ---- objects ---- */

static bool
was_sent(const struct local *l, unsigned k, int64_t v)
{
	for (unsigned i = 0; i < l->n_sent[k] && i < ARRAY_LEN(l->sent[k]); i++)
		if (l->sent[k][i] == v)
			return true;
	return false;
}

/* Values from the answer.  A field that was edited meanwhile keeps the edit, and is blind: the person never saw what it replaces (F8). */
static void
take(struct client *c, struct local *l, const struct answer_item *it)
{
	enum content ct = c->folder[l->folder].ct;

	for (unsigned k = 0; k < sim_nf(ct); k++) {
		unsigned i = sim_fields[ct][k].i;
		int64_t v;

		if (!it->whole && !fmask_has(&it->fields, i))
			continue;
		v = sim_value(sim_fields[ct][k].kind, it->object->v[i]);
		if ((has(l->dirty, k) || l->gone) && v != l->cur[k] && !(has(l->has_base, k) && v == l->base[k]) && !fmask_has(&it->own, i) && !was_sent(l, k, v))
			l->blind |= 1U << k;
		if (!has(l->dirty, k))
			l->cur[k] = v;
		l->base[k] = v;
		l->has_base |= 1U << k;
	}
	memcpy(l->rev, it->rev, sizeof(l->rev));
	l->deleted = false;
}

static bool
named_alive(const struct sync_answer *a, const struct uuid *u)
{
	for (size_t i = 0; i < a->n; i++)
		if (same_uuid(&a->items[i].uuid, u))
			return true;
	return false;
}

static struct local *
own_created(struct client *c, const struct sync_answer *a, const struct answer_item *it, int folder)
{
	char re[80], text[UUID_TEXT];

	for (int i = 0; i < c->n_obj; i++) {
		struct local *l = &c->obj[i];

		if (!l->used || l->folder != folder)
			continue;
		if (l->is_new && strcmp(l->cid, it->client_id) == 0)
			return l;
		uuid_format(&l->uuid, text);
		(void)snprintf(re, sizeof(re), "re.%s.%s", text, c->name);
		if (l->has_uuid && l->deleted && strcmp(re, it->client_id) == 0 && !named_alive(a, &l->uuid))
			return l;
	}
	return NULL;
}

static void
one_item(struct sim *s, struct client *c, const struct creq *q, const struct sync_answer *a, const struct answer_item *it)
{
	struct local *l = by_uuid(c, q->folder, &it->uuid);

	if (l == NULL && it->whole && it->client_id != NULL && (l = own_created(c, a, it, q->folder)) != NULL) {
		l->uuid = it->uuid;
		l->has_uuid = true;
		l->is_new = false;
	}
	if (l == NULL && it->whole) {
		l = client_local(s, c);
		l->folder = q->folder;
		l->uuid = it->uuid;
		l->has_uuid = true;
		if (it->client_id != NULL)
			(void)snprintf(l->cid, sizeof(l->cid), "%s", it->client_id);
	}
	if (l == NULL) {
		for (size_t i = 0; i < q->r.n_changes; i++)
			if (q->ch[i].has_uuid && same_uuid(&q->ch[i].uuid, &it->uuid))
				return;
		for (size_t i = 0; i < a->n_results; i++)
			if (a->results[i].has_uuid && same_uuid(&a->results[i].uuid, &it->uuid))
				return;
		sim_fail(s, "a modification is sent of an object that the client does not have: %s, folder %d, %s, %s", c->name, q->folder,
		    q->r.mode == SYNC_UPDATE ? "update" : q->r.mode == SYNC_INIT ? "init" : "reconcile", it->object->oxid);
	}
	take(c, l, it);
}

static void
one_deletion(struct client *c, const struct creq *q, const struct sync_answer *a, const struct uuid *u)
{
	struct local *l = by_uuid(c, q->folder, u);

	for (size_t i = 0; i < a->n; i++)
		if (a->items[i].whole && same_uuid(&a->items[i].uuid, u))
			return;
	if (l == NULL)
		return;
	if ((l->dirty != 0 || l->moving) && !l->gone) { /* kept until its change is answered */
		l->doubt = l->deleted = true;
		l->blind |= l->dirty;
		if (l->dirty == 0)
			l->used = false; /* only a move was asked for: there is nothing to lose */
	} else {
		l->used = false;
	}
}

/* ---- the hierarchy tells which folders there are ---- */

static void
folders_follow(struct sim *s, struct client *c)
{
	for (int f = 1; f < c->n_folder; f++) {
		bool there = false;

		for (int i = 0; i < c->n_obj; i++)
			there |= c->obj[i].used && c->obj[i].folder == 0 && c->obj[i].has_uuid && same_uuid(&c->obj[i].uuid, &c->folder[f].uuid);
		if (there || !c->folder[f].used)
			continue;
		for (int i = 0; i < c->n_obj; i++)
			if (c->obj[i].used && c->obj[i].folder == f)
				client_drop(s, c, &c->obj[i], true);
		c->folder[f].used = false;
	}
}

static void
folder_known(struct sim *s, struct client *c, const struct answer_item *it)
{
	int m = model_field(model_content(CT_FOLDER), "module"), at = client_folder_of(c, &it->uuid);
	const char *module = json_string_value(it->object->v[m]);
	const struct content_type *t = module != NULL ? model_content_by_name(module) : NULL;

	if (at >= 0 || t == NULL)
		return;
	for (at = 1; at < c->n_folder && c->folder[at].used; at++)
		;
	if (at == MAX_FOLDER)
		sim_fail(s, "simulation: too many folders at a client");
	if (at == c->n_folder)
		c->n_folder++;
	c->folder[at] = (struct cfolder){ .used = true, .uuid = it->uuid, .ct = t->ct, .more = true };
}

void
client_answer(struct sim *s, const struct creq *q, const struct task *t)
{
	struct client *c = &s->cl[q->dev];
	struct cfolder *f = &c->folder[q->folder];
	const struct sync_answer *a = &t->ans;

	if (!c->busy || c->attempt != q->id)
		return; /* given up: ignored */
	c->busy = false;
	s->fig->answers++;
	if (t->rc == RC_DENIED) {
		c->logged_in = false;
		return;
	}
	if (t->rc == RC_CONFLICT && strcmp(t->err.code, ENGINE_OUTDATED) != 0) {
		f->has_syncid = false;
		f->reconcile = true;
		return;
	}
	if (t->rc == RC_NOTFOUND && q->folder != 0) {
		c->folder[0].more = true; /* look at the hierarchy */
		return;
	}
	if (t->rc == RC_PROTO || t->rc == RC_INTERNAL || t->rc == RC_LIMIT)
		sim_fail(s, "%s: a request is answered %s: %s", c->name, rc_name(t->rc), t->err.text);
	if (t->rc != RC_OK)
		return;
	for (size_t i = 0; i < a->n_results; i++)
		one_result(s, c, q, &a->results[i]);
	for (size_t i = 0; i < a->n_deleted; i++)
		one_deletion(c, q, a, &a->deleted[i]);
	for (size_t i = 0; i < a->n; i++) {
		one_item(s, c, q, a, &a->items[i]);
		if (q->folder == 0)
			folder_known(s, c, &a->items[i]);
	}
	if (q->folder == 0)
		folders_follow(s, c);
	if (a->has_syncid) {
		f->syncid = a->syncid;
		f->has_syncid = true;
		f->reconcile = false;
	}
	f->more = a->more;
}
