/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The clients of the simulation: people who type, and the requests that follow from it (usm-json(7), "Rules for clients"). */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
has(unsigned mask, unsigned k)
{
	return (mask >> k & 1) != 0;
}

void
client_init(struct sim *s, unsigned i)
{
	static const size_t limits[] = { 1, 2, 3, 7, 50 };
	struct client *c = &s->cl[i];

	c->dev = i;
	c->user = i % s->v.users;
	(void)snprintf(c->name, sizeof(c->name), "dev%u", i);
	c->limit = limits[rnd(s, 5)];
	c->policy = (enum sync_policy)rnd(s, s->v.error_policy ? 3 : 2);
	c->days = -1;
	c->folder[0] = (struct cfolder){ .used = true, .hierarchy = true, .ct = CT_FOLDER, .more = true };
	c->n_folder = 1;
}

struct local *
client_local(struct sim *s, struct client *c)
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

void
client_drop(struct sim *s, struct client *c, struct local *l, bool typed_is_gone)
{
	enum content ct = c->folder[l->folder].ct;

	l->used = false;
	if (!typed_is_gone)
		return;
	for (unsigned k = 0; k < sim_nf(ct); k++)
		if (is_typed(sim_fields[ct][k].kind) && (l->is_new || has(l->dirty, k)))
			token_gone(s, l->cur[k]);
	if (l->is_new)
		token_gone(s, l->token);
}

int
client_folder_of(const struct client *c, const struct uuid *u)
{
	for (int i = 1; i < c->n_folder; i++)
		if (c->folder[i].used && memcmp(&c->folder[i].uuid, u, sizeof(*u)) == 0)
			return i;
	return -1;
}

/* ---- typing ---- */

static int
random_folder(struct sim *s, const struct client *c, enum content ct)
{
	int n = 0, found[MAX_FOLDER];

	for (int i = 1; i < c->n_folder; i++)
		if (c->folder[i].used && (ct == CT_FOLDER || c->folder[i].ct == ct))
			found[n++] = i;
	return n > 0 ? found[rnd(s, n)] : -1;
}

static void
edit_new(struct sim *s, struct client *c, int folder)
{
	enum content ct = c->folder[folder].ct;
	struct local *l = client_local(s, c);

	(void)snprintf(l->cid, sizeof(l->cid), "c%llu", (unsigned long long)++c->n);
	l->folder = folder;
	l->is_new = true;
	for (unsigned k = 0; k < sim_nf(ct); k++) {
		enum fkind kind = sim_fields[ct][k].kind;

		l->cur[k] = kind == FK_FLAGS ? 32 * rnd(s, 2) : kind == FK_COLOR ? 0 : is_typed(kind) ? token_new(s, 0) : ox_new_time(s, kind);
		if (ct != CT_MAIL || kind == FK_FLAGS)
			l->dirty |= 1U << k;
	}
	if (ct == CT_MAIL)
		l->token = token_new(s, 0);
	if (ct == CT_FOLDER)
		l->module = (enum content)(CT_CONTACT + rnd(s, s->v.mail ? 4 : 3));
	tell(s, "%s: a new %s %s", c->name, model_content(ct)->name, l->cid);
}

static void
edit_field(struct sim *s, struct client *c, struct local *l)
{
	enum content ct = c->folder[l->folder].ct;
	unsigned k = (unsigned)rnd(s, sim_nf(ct));
	enum fkind kind = sim_fields[ct][k].kind;

	if (!is_typed(kind)) {
		l->cur[k] = kind == FK_FLAGS ? l->cur[k] ^ (rnd(s, 2) == 0 ? 32 : 8) : kind == FK_COLOR ? rnd(s, 4) : ox_new_time(s, kind);
	} else if (ct != CT_FOLDER && !l->is_new && has(l->dirty, k) && has(l->has_base, k) && chance(s, 120)) { /* takes it back */
		if (l->base[k] != 0)
			token_replaced(s, l->cur[k], l->base[k]);
		else
			token_gone(s, l->cur[k]);
		l->cur[k] = l->base[k];
		if (!l->doubt)
			l->dirty &= ~(1U << k);
		return;
	} else if (ct != CT_FOLDER && kind == FK_TEXT && chance(s, 70)) {
		token_gone(s, l->cur[k]);
		l->cur[k] = 0;
	} else {
		l->cur[k] = token_new(s, l->cur[k]);
	}
	l->dirty |= 1U << k;
	tell(s, "%s: sets %s of %s in %s to %lld", c->name, sim_fields[ct][k].name, l->cid, folder_name(s, c, l->folder), (long long)l->cur[k]);
}

static void
edit_delete(struct sim *s, struct client *c, struct local *l)
{
	enum content ct = c->folder[l->folder].ct;

	for (unsigned k = 0; k < sim_nf(ct); k++)
		if (is_typed(sim_fields[ct][k].kind))
			token_gone(s, l->cur[k]);
	if (l->is_new)
		token_gone(s, l->token);
	tell(s, "%s: deletes %s in %s", c->name, l->cid, folder_name(s, c, l->folder));
	if (l->is_new && !l->doubt)
		l->used = false;
	else
		l->gone = true; /* an unanswered create may exist: it is deleted by its client id (F7) */
}

static void
edit_move(struct sim *s, struct client *c, struct local *l)
{
	int to = random_folder(s, c, c->folder[l->folder].ct);

	if (to < 0 || to == l->folder || l->is_new || l->gone || l->deleted || c->folder[l->folder].ct == CT_FOLDER)
		return;
	l->moving = true;
	l->move_to = c->folder[to].uuid;
	tell(s, "%s: moves %s from %s to %s", c->name, l->cid, folder_name(s, c, l->folder), folder_name(s, c, to));
	if (c->folder[l->folder].ct != CT_MAIL && chance(s, 300)) /* two writes in OX: the second may fail behind the first */
		edit_field(s, c, l);
}

void
client_edit(struct sim *s, struct client *c)
{
	struct local *live[ARRAY_LEN(c->obj)], *l;
	/* a mail that somebody else moves while its import is unanswered is imported again (limit, ARCHITECTURE.md): one device of a user works on mails */
	bool mails = c->dev < s->v.users;
	int n = 0, f;
	int64_t x = rnd(s, 1000);

	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && !c->obj[i].gone && (c->obj[i].folder != 0 || s->v.folders))
			live[n++] = &c->obj[i];
	if (x < 280 || n == 0) {
		f = s->v.folders && chance(s, 40) ? 0 : random_folder(s, c, CT_FOLDER);
		if (f >= 0 && (mails || c->folder[f].ct != CT_MAIL))
			edit_new(s, c, f);
		return;
	}
	l = live[rnd(s, n)];
	if (x < 760 || (!mails && c->folder[l->folder].ct == CT_MAIL))
		edit_field(s, c, l);
	else if (x < 840 && s->v.moves)
		edit_move(s, c, l);
	else
		edit_delete(s, c, l);
}

/* ---- asking ---- */

static bool
is_dirty(const struct local *l)
{
	return l->gone || l->is_new || l->dirty != 0 || l->moving;
}

bool
client_busy(const struct client *c)
{
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && is_dirty(&c->obj[i]))
			return true;
	return false;
}

static void
change_mail_raw(struct arena *a, struct client_change *cc, const struct local *l)
{
	/* every other mail has no Message-ID: the server gives it one */
	char *raw = (l->token / 2) % 2 == 0 ? arena_printf(a, "X-Token: %lld\r\nMessage-ID: <t%lld@sim.invalid>\r\n\r\n.\r\n", (long long)l->token / 2,
	    (long long)l->token / 2) : arena_printf(a, "X-Token: %lld\r\nSubject: no identity\r\n\r\n.\r\n", (long long)l->token / 2);

	cc->raw = raw;
	cc->raw_len = strlen(raw);
}

static void
change_fields(struct sim *s, struct arena *a, const struct client *c, struct local *l, struct client_change *cc, unsigned mask)
{
	enum content ct = c->folder[l->folder].ct;

	(void)s;
	cc->object = object_new(a, ct);
	for (unsigned k = 0; k < sim_nf(ct); k++) {
		if (!has(mask, k))
			continue;
		object_set(cc->object, sim_fields[ct][k].i, sim_json(sim_fields[ct][k].kind, l->cur[k]));
		fmask_set(&cc->fields, sim_fields[ct][k].i);
		if (has(l->deleted ? l->dirty : l->blind & l->dirty, k))
			fmask_set(&cc->blind, sim_fields[ct][k].i);
		l->sent[k][l->n_sent[k]++ % ARRAY_LEN(l->sent[k])] = l->cur[k];
	}
	if (ct == CT_FOLDER && l->is_new) {
		int m = model_field(model_content(CT_FOLDER), "module");

		object_set(cc->object, (unsigned)m, json_string(model_content(l->module)->ox_module));
		fmask_set(&cc->fields, (unsigned)m);
	}
}

static void
change_build(struct sim *s, struct creq *q, struct client *c, struct local *l)
{
	struct client_change *cc = &q->r.changes[q->r.n_changes];
	struct sent_change *sent = &q->ch[q->r.n_changes++];
	enum content ct = c->folder[l->folder].ct;
	unsigned all = (1U << sim_nf(ct)) - 1, mask = l->is_new ? (ct == CT_MAIL ? 1U : all) : l->dirty;

	memset(cc, 0, sizeof(*cc));
	cc->has_uuid = sent->has_uuid = l->has_uuid;
	cc->uuid = sent->uuid = l->uuid;
	if (!l->has_uuid || (l->cid[0] != '\0' && chance(s, 500)))
		cc->client_id = arena_strdup(q->a, l->cid);
	if (!l->has_uuid)
		memcpy(sent->cid, l->cid, sizeof(sent->cid));
	if (l->has_uuid)
		cc->rev = arena_strdup(q->a, l->rev);
	memcpy(sent->f, l->cur, sizeof(sent->f));
	sent->was_gone = l->gone;
	if (l->gone) {
		cc->op = OP_DELETE;
		cc->blind_delete = l->blind != 0;
	} else if (l->is_new) {
		cc->op = OP_CREATE;
		cc->again = l->doubt;
		change_fields(s, q->a, c, l, cc, mask);
		sent->mask = mask;
		if (ct == CT_MAIL)
			change_mail_raw(q->a, cc, l);
	} else {
		cc->op = OP_MODIFY;
		change_fields(s, q->a, c, l, cc, mask);
		sent->mask = mask;
		cc->has_move = sent->has_move = l->moving;
		cc->move_to = l->move_to;
	}
	sent->op = cc->op;
	l->doubt = true;
}

static void
pairs_build(struct creq *q, const struct client *c, int folder)
{
	q->r.pair_uuid = arena_array(q->a, struct uuid, (size_t)c->n_obj + 1);
	q->r.pair_rev = arena_array(q->a, const char *, (size_t)c->n_obj + 1);
	for (int i = 0; i < c->n_obj; i++) {
		const struct local *l = &c->obj[i];

		if (!l->used || l->folder != folder || !l->has_uuid)
			continue;
		q->r.pair_uuid[q->r.n_pairs] = l->uuid;
		q->r.pair_rev[q->r.n_pairs++] = arena_strdup(q->a, l->rev);
	}
}

/* What was sent before without an answer goes with every request (rule 3); at most MAX_CHANGES objects are under way at once. */
static int64_t
next_change(struct sim *s, struct local *const *ch, int n)
{
	for (int i = 0; i < n; i++)
		if (ch[i]->doubt)
			return i;
	return rnd(s, n);
}

struct creq *
client_request(struct sim *s, struct client *c, int folder)
{
	struct cfolder *f = &c->folder[folder];
	struct creq *q = mem_alloc(sizeof(*q));
	struct local *ch[ARRAY_LEN(c->obj)];
	int n = 0;

	q->refs = 1;
	q->a = arena_new(0);
	q->dev = c->dev;
	q->folder = folder;
	q->id = ++c->attempt;
	q->r.folder = (struct folder_ref){ .hierarchy = f->hierarchy, .uuid = f->uuid };
	q->r.limit = c->limit;
	q->r.has_policy = true;
	q->r.policy = c->policy;
	q->r.delete_policy = c->policy;
	q->r.mode = f->has_syncid ? SYNC_UPDATE : f->reconcile ? SYNC_RECONCILE : SYNC_INIT;
	q->r.syncid = f->syncid;
	q->r.k = ++f->k;
	for (int i = 0; i < c->n_obj; i++)
		if (c->obj[i].used && c->obj[i].folder == folder && is_dirty(&c->obj[i]) && f->has_syncid)
			ch[n++] = &c->obj[i];
	q->r.changes = arena_array(q->a, struct client_change, MAX_CHANGES);
	while (n > 0 && q->r.n_changes < MAX_CHANGES) {
		int64_t at = next_change(s, ch, n);

		change_build(s, q, c, ch[at]);
		memmove(&ch[at], &ch[at + 1], (size_t)(n - at - 1) * sizeof(ch[0]));
		n--;
	}
	if (q->r.mode == SYNC_RECONCILE)
		pairs_build(q, c, folder);
	s->fig->inits += q->r.mode == SYNC_INIT;
	s->fig->reconciles += q->r.mode == SYNC_RECONCILE;
	c->busy = true;
	return q;
}

void
creq_unref(struct creq *q)
{
	if (q == NULL || --q->refs > 0)
		return;
	for (size_t i = 0; i < q->r.n_changes; i++)
		object_drop(q->r.changes[i].object);
	arena_free(q->a);
	mem_free(q);
}
