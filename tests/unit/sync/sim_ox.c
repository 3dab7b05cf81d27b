/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The simulated OX, the people who use it directly, and the account of everything that anybody typed. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

uint64_t
rnd64(struct sim *s)
{
	uint64_t z = s->rnd += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

int64_t
rnd(struct sim *s, int64_t n)
{
	return (int64_t)(rnd64(s) % (uint64_t)n);
}

bool
chance(struct sim *s, double p)
{
	return (double)(rnd64(s) >> 11) < p * 9007199254740992.0;
}

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->failed = true;
	if (s->running != NULL) /* a jump between stacks is not allowed: the scheduler jumps */
		(void)setcontext(&s->sched);
	longjmp(s->fail, 1);
}

/* values: 0 = not set, else 2 * token, + 1 when OX has normalised it */
int64_t
norm(int field, int64_t v)
{
	return field == F_N && v != 0 ? v | 1 : v;
}

int64_t
token_new(struct sim *s, int64_t parent)
{
	struct world *w = &s->w;

	if (++w->n >= MAX_TOK)
		sim_fail(s, "simulation: too many tokens");
	w->by[w->n] = w->typing;
	if (parent != 0)
		token_replaced(s, parent, 2 * (int64_t)w->n);
	return 2 * (int64_t)w->n;
}

void
token_replaced(struct sim *s, int64_t old, int64_t by)
{
	struct world *w = &s->w;

	if (w->ne == 2 * MAX_TOK)
		sim_fail(s, "simulation: too many edges");
	w->edge[w->ne].parent = (int)(old / 2);
	w->edge[w->ne++].kid = (int)(by / 2);
}

void
token_gone(struct sim *s, int64_t v)
{
	if (v != 0)
		s->w.gone[v / 2] = true;
}

void
token_record(struct sim *s, int64_t v)
{
	if (v != 0 && v / 2 < MAX_TOK && !s->w.rec[v / 2]) {
		s->w.rec[v / 2] = true;
		s->records++;
	}
}

/* Everything typed is alive, was knowingly replaced by or deleted with something that is accounted for, or is in a conflict record. */
static void
tokens_check(struct sim *s)
{
	static bool ok[MAX_TOK];
	struct world *w = &s->w;
	bool again = true;

	for (int i = 0; i <= w->n; i++)
		ok[i] = w->gone[i] || w->rec[i];
	for (size_t i = 0; i < MAX_ID; i++)
		for (int k = 0; s->ox.obj[i].live && k < F_T; k++)
			ok[s->ox.obj[i].f[k] / 2] = true;
	while (again) {
		again = false;
		for (int e = w->ne - 1; e >= 0; e--)
			if (ok[w->edge[e].kid] && !ok[w->edge[e].parent])
				ok[w->edge[e].parent] = again = true;
	}
	for (int i = 1; i <= w->n; i++)
		if (!ok[i])
			sim_fail(s, "lost without record: w%d", i);
}

int64_t
time_new(struct sim *s)
{
	int64_t t0 = s->day + rnd(s, 101) - 50, dur = 0;

	if (s->v.windows && !chance(s, .7))
		dur = chance(s, .67) ? 1 + rnd(s, 30) : 4094;
	return t0 << 12 | (dur + 1);
}

void
key_of(int64_t v, int64_t *t0, int64_t *t1)
{
	int64_t dur = (v & 4095) - 1;

	*t0 = v >> 12;
	*t1 = dur == 4094 ? TIME_MAX : *t0 + dur;
}

uint64_t
fp_of(int64_t v)
{
	return v == 0 ? 0 : ((uint64_t)v * UINT64_C(0x9E3779B97F4A7C15)) | 1;
}

static msec_t
stamp(struct sim *s, const struct oxobj *o)
{
	/* two changes of one object in one millisecond pass OX's own lock; nothing outside OX can cure that, so it is left out (F12) */
	return o != NULL && o->lm + 1 > s->ox.now ? o->lm + 1 : s->ox.now;
}

static struct oxobj *
ox_get(struct sim *s, int64_t id)
{
	struct oxobj *o = id >= ID0 && id < ID0 + MAX_ID ? &s->ox.obj[id - ID0] : NULL;

	return o != NULL && o->live ? o : NULL;
}

static struct oxobj *
ox_add(struct sim *s, int folder, const int64_t *f, const char *uid, msec_t lm)
{
	struct oxobj *o;

	if (s->ox.next >= MAX_ID)
		sim_fail(s, "simulation: too many objects");
	o = &s->ox.obj[s->ox.next];
	memset(o, 0, sizeof(*o));
	o->live = true;
	o->id = ID0 + s->ox.next++;
	o->folder = folder;
	for (int k = 0; k < NF; k++)
		o->f[k] = norm(k, f[k]);
	(void)snprintf(o->uid, sizeof(o->uid), "%s", uid);
	o->lm = lm;
	return o;
}

static void
give(struct oxres *r, const struct oxobj *o)
{
	r->o[r->n++] = *o;
}

static void
read_folder(struct sim *s, struct arena *a, const struct oxop *op, struct oxres *r)
{
	bool all = op->kind == OX_ALL;

	r->o = arena_array(a, struct oxobj, (size_t)s->ox.next);
	r->dels = arena_array(a, int64_t, (size_t)s->ox.next);
	r->now = s->ox.now;
	for (int64_t i = 0; i < s->ox.next; i++) {
		const struct oxobj *o = &s->ox.obj[i];
		msec_t d = s->ox.del[op->folder][i];

		if (o->live && o->folder == op->folder && (all || o->lm > op->t)) {
			give(r, o);
			r->ts = o->lm > r->ts ? o->lm : r->ts;
		}
		if (!all && d > op->t && d > s->ox.now - RETAIN) {
			r->dels[r->nd++] = ID0 + i;
			r->ts = d > r->ts ? d : r->ts;
		}
	}
}

static void
write_object(struct sim *s, const struct oxop *op, struct oxres *r)
{
	struct oxobj *o = ox_get(s, op->id);

	if (o == NULL || o->folder != op->folder) {
		r->code = OXR_NOTFOUND;
	} else if (o->locked) {
		r->code = OXR_TIMEOUT;
	} else if (o->lm > op->t) {
		r->code = OXR_REFUSED;
	} else if (op->kind == OX_DELETE) {
		s->ox.del[op->folder][op->id - ID0] = stamp(s, o);
		o->live = false;
	} else {
		r->lm = o->lm = stamp(s, o);
		for (int k = 0; k < NF; k++)
			if ((op->mask >> k & 1) != 0)
				o->f[k] = norm(k, op->f[k]);
	}
}

void
ox_exec(struct sim *s, struct arena *a, const struct oxop *op, struct oxres *r)
{
	struct oxobj *o;

	memset(r, 0, sizeof(*r));
	if (op->kind != OX_FINDUID && op->kind != OX_GETANY && s->ox.noread[op->acc][op->folder]) {
		r->code = OXR_DENIED;
		return;
	}
	switch (op->kind) {
	case OX_UPDATES:
	case OX_ALL:
		read_folder(s, a, op, r);
		break;
	case OX_LIST:
		r->o = arena_array(a, struct oxobj, op->n_ids);
		for (size_t i = 0; i < op->n_ids; i++)
			if ((o = ox_get(s, op->ids[i])) != NULL && o->folder == op->folder)
				give(r, o);
		break;
	case OX_CREATE:
		o = ox_add(s, op->folder, op->f, op->uid, stamp(s, NULL));
		r->id = o->id;
		r->lm = o->lm;
		break;
	case OX_UPDATE:
	case OX_DELETE:
		write_object(s, op, r);
		break;
	case OX_FINDUID:
		r->o = arena_array(a, struct oxobj, 1);
		for (int64_t i = 0; i < s->ox.next && r->n == 0; i++)
			if (s->ox.obj[i].live && strcmp(s->ox.obj[i].uid, op->uid) == 0)
				give(r, &s->ox.obj[i]);
		break;
	case OX_GETANY:
		r->o = arena_array(a, struct oxobj, 1);
		if ((o = ox_get(s, op->id)) != NULL && !s->ox.noread[op->acc][o->folder])
			give(r, o);
		break;
	}
}

/* ---- people who work in OX directly; some of their transactions commit later than their timestamp says ---- */

static void
pend_do(struct sim *s, struct pend *p)
{
	struct oxobj *o = p->what == 0 ? NULL : &s->ox.obj[p->o.id - ID0];

	switch (p->what) {
	case 0:
		(void)ox_add(s, p->o.folder, p->o.f, p->o.uid, p->o.lm);
		break;
	case 1:
		o->f[p->field] = norm(p->field, p->v);
		o->lm = p->o.lm;
		break;
	case 2:
		for (int k = 0; k < F_T; k++)
			token_gone(s, o->f[k]);
		s->ox.del[o->folder][o->id - ID0] = p->o.lm;
		o->live = false;
		break;
	default:
		s->ox.del[o->folder][o->id - ID0] = p->o.lm;
		o->folder = p->o.folder;
		o->lm = p->o.lm;
		break;
	}
	if (o != NULL)
		o->locked = false;
}

static void
user_add(struct sim *s, struct pend *p)
{
	p->what = 0;
	for (int k = 0; k < F_T; k++)
		p->o.f[k] = token_new(s, 0);
	p->o.f[F_T] = time_new(s);
	p->o.folder = (int)rnd(s, s->v.nfold);
	p->o.lm = stamp(s, NULL);
}

static void
user_set(struct sim *s, struct pend *p, struct oxobj *o)
{
	p->what = 1;
	p->field = (int)rnd(s, NF);
	p->o.lm = stamp(s, o);
	if (p->field == F_T) {
		p->v = time_new(s);
	} else if (p->field != F_N && o->f[p->field] != 0 && chance(s, .07)) {
		token_gone(s, o->f[p->field]);
	} else {
		p->v = token_new(s, o->f[p->field]);
	}
	o->locked = true;
}

void
ox_user(struct sim *s)
{
	struct oxobj *free_o[MAX_ID], *o = NULL;
	int n = 0;
	struct pend p = { 0 };
	double x = (double)rnd(s, 1000) / 1000;

	for (int64_t i = 0; i < s->ox.next; i++)
		if (s->ox.obj[i].live && !s->ox.obj[i].locked)
			free_o[n++] = &s->ox.obj[i];
	p.at = s->ox.now + (s->v.latecommit && chance(s, .4) ? rnd(s, COMMIT_DELAY + 1) : 0);
	if (n > 0) {
		o = free_o[rnd(s, n)];
		p.o = *o;
	}
	if (x < .3 || o == NULL) {
		p.o.uid[0] = '\0';
		user_add(s, &p);
	} else if (x < .75) {
		user_set(s, &p, o);
	} else if (x < .88 || !s->v.moves) {
		if (s->v.copies && chance(s, .5)) { /* a copy keeps the uid (F16) */
			char uid[CU];

			memcpy(uid, p.o.uid, sizeof(uid));
			user_add(s, &p);
			memcpy(p.o.uid, uid, sizeof(uid));
		} else {
			p.what = 2;
			p.o.lm = stamp(s, o);
			o->locked = true;
		}
	} else {
		p.what = 3;
		p.o.folder = (int)rnd(s, s->v.nfold);
		if (p.o.folder == o->folder)
			return;
		p.o.lm = stamp(s, o);
		o->locked = true;
	}
	if (p.at > s->ox.now && s->ox.n_pend < 256)
		s->ox.pend[s->ox.n_pend++] = p;
	else
		pend_do(s, &p);
}

void
ox_tick(struct sim *s, bool all)
{
	int kept = 0;

	for (int i = 0; i < s->ox.n_pend; i++) {
		struct pend p = s->ox.pend[i];

		if (all || p.at <= s->ox.now)
			pend_do(s, &p);
		else
			s->ox.pend[kept++] = p;
	}
	s->ox.n_pend = kept;
}

void
ox_clock(struct sim *s, msec_t d)
{
	s->ox.now += d;
	ox_tick(s, false);
	for (int i = 0; i < s->n_late; ) {
		struct oxres r;

		if (s->late[i].at > s->ox.now) {
			i++;
			continue;
		}
		ox_exec(s, NULL, &s->late[i].op, &r);
		s->late[i] = s->late[--s->n_late];
	}
}

/* ---- the invariants, once everything is quiet ---- */

static void
index_check(struct sim *s, struct arena *a, int folder)
{
	for (int64_t i = 0; i < MAX_ID; i++) {
		const struct oxobj *o = &s->ox.obj[i];
		const struct simrow *sr = &s->db->folder[folder].row[i];
		struct row *r = sr->there ? row_load(s, a, sr) : NULL;
		bool live = r != NULL && !r->dead, ox = o->live && o->folder == folder;

		if (live != ox)
			sim_fail(s, "index %d differs from OX: object %d is %s", folder, (int)(ID0 + i), ox ? "missing" : "too much");
		for (unsigned k = 0; live && r->known && k < NF; k++) {
			const struct row_field *f = row_field_get(r, k);

			if ((f == NULL ? 0 : f->fp) != fp_of(o->f[k]))
				sim_fail(s, "index %d: row %d is stale in field %u", folder, (int)r->id, k);
		}
		if (live && !r->known && r->lm != o->lm)
			sim_fail(s, "index %d: listed row %d is stale", folder, (int)r->id);
	}
}

static void
client_check(struct sim *s, const struct client *c, int folder)
{
	int64_t t0, t1, n = 0, want = 0;

	for (int i = 0; i < c->n_obj; i++)
		n += c->obj[i].used && c->obj[i].folder == folder;
	for (int64_t i = 0; i < MAX_ID; i++) {
		const struct oxobj *o = &s->ox.obj[i];
		int found = 0;

		if (!o->live || o->folder != folder)
			continue;
		key_of(o->f[F_T], &t0, &t1);
		if (t0 > s->day + c->ws || t1 < s->day - c->ws)
			continue;
		want++;
		for (int j = 0; j < c->n_obj; j++) {
			const struct local *l = &c->obj[j];

			if (!l->used || l->uuid != o->id * 8 + folder)
				continue;
			found++;
			for (unsigned k = 0; k < NF; k++)
				if ((c->hidden >> k & 1) == 0 && l->cur[k] != o->f[k])
					sim_fail(s, "client d%d: field %u of object %d of folder %d differs", c->dev, k, (int)o->id, folder);
		}
		if (found != 1)
			sim_fail(s, "client d%d has object %d of folder %d %d times", c->dev, (int)o->id, folder, found);
	}
	if (n != want)
		sim_fail(s, "client d%d holds %d objects of folder %d, not %d", c->dev, (int)n, folder, (int)want);
}

void
world_check(struct sim *s)
{
	for (int f = 0; f < s->v.nfold; f++)
		index_check(s, s->scratch, f);
	for (int64_t i = 0; !s->v.copies && i < s->ox.next; i++)
		for (int64_t j = 0; j < i; j++)
			if (s->ox.obj[i].live && s->ox.obj[j].live && s->ox.obj[i].uid[0] != '\0' && strcmp(s->ox.obj[i].uid, s->ox.obj[j].uid) == 0)
				sim_fail(s, "duplicate in OX: %s", s->ox.obj[i].uid);
	for (int c = 0; c < s->v.ndev; c++)
		for (int f = 0; f < s->v.nfold; f++)
			client_check(s, &s->cl[c], f);
	tokens_check(s);
}
