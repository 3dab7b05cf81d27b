/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The store: contexts, folders, objects, the per-folder index ordered by
 * last_modified (so that `updates` costs only what changed) and tombstones.
 * Knows nothing of HTTP and of rights.
 */
#include <stdlib.h>
#include <time.h>

#include "oxsim/sim.h"

struct sim S;

int64_t
sim_now(void)
{
	struct timespec ts;
	int64_t t;

	if (S.clk == CLK_FIXED)
		return S.clk_val;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	t = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	return S.clk == CLK_OFFSET ? t + S.clk_val : t;
}

int64_t
stamp_new(struct ctx *c)
{
	int64_t t = sim_now();

	if (t < c->last_stamp)
		t = c->last_stamp;
	c->last_stamp = t;
	/* late commit: the object becomes visible now but was stamped earlier */
	if (S.late_ms > 0 && S.late_every > 0 && ++S.writes % (unsigned int)S.late_every == 0)
		t -= S.late_ms;
	return t;
}

struct blob *
blob_new(const void *p, size_t n)
{
	struct blob *b = xcalloc(1, sizeof(*b));

	b->refs = 1;
	b->len = n;
	b->p = xmemdup0(p, n);
	return b;
}

struct blob *
blob_ref(struct blob *b)
{
	if (b != NULL)
		b->refs++;
	return b;
}

void
blob_unref(struct blob *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	free(b->p);
	free(b);
}

/* --- contexts and principals ------------------------------------------------- */

struct ctx *
ctx_new(int id, const char *name)
{
	static const enum mod mods[] = { M_TASKS, M_CALENDAR, M_CONTACTS };
	struct ctx *c = xcalloc(1, sizeof(*c));
	size_t i;

	c->id = id;
	c->name = xstrdup(name);
	c->folder = g_hash_table_new(g_direct_hash, g_direct_equal);
	for (i = 0; i < 3; i++) {
		c->obj[mods[i]] = g_hash_table_new(g_direct_hash, g_direct_equal);
		c->next_id[mods[i]] = 1;
	}
	c->next_attach = c->next_alarm = 1;
	S.ctx = xrealloc(S.ctx, sizeof(*S.ctx) * (size_t)(S.nctx + 1));
	S.ctx[S.nctx++] = c;
	return c;
}

struct ctx *
ctx_by_id(int id)
{
	int i;

	for (i = 0; i < S.nctx; i++)
		if (S.ctx[i]->id == id)
			return S.ctx[i];
	return NULL;
}

struct user *
user_by_id(const struct ctx *c, int id)
{
	int i;

	for (i = 0; i < c->nuser; i++)
		if (c->user[i]->id == id)
			return c->user[i];
	return NULL;
}

struct user *
user_by_mail(const struct ctx *c, const char *mail)
{
	int i;

	for (i = 0; i < c->nuser; i++)
		if (g_ascii_strcasecmp(c->user[i]->mail, mail) == 0)
			return c->user[i];
	return NULL;
}

struct group *
group_by_id(const struct ctx *c, int id)
{
	int i;

	for (i = 0; i < c->ngroup; i++)
		if (c->group[i]->id == id)
			return c->group[i];
	return NULL;
}

struct resource *
res_by_id(const struct ctx *c, int id)
{
	int i;

	for (i = 0; i < c->nres; i++)
		if (c->res[i]->id == id)
			return c->res[i];
	return NULL;
}

bool
group_has(const struct ctx *c, int group, int user)
{
	struct group *g;
	int i;

	if (group == 0 || group == 1)
		return user_by_id(c, user) != NULL;
	g = group_by_id(c, group);
	for (i = 0; g != NULL && i < g->n; i++)
		if (g->member[i] == user)
			return true;
	return false;
}

/* --- folders -------------------------------------------------------------------- */

static void
flist_unlink(struct ctx *c, struct folder *f)
{
	if (f->prev)
		f->prev->next = f->next;
	else if (c->fhead == f)
		c->fhead = f->next;
	if (f->next)
		f->next->prev = f->prev;
	else if (c->ftail == f)
		c->ftail = f->prev;
	f->prev = f->next = NULL;
}

static void
flist_add(struct ctx *c, struct folder *f)
{
	struct folder *p = c->ftail;

	while (p != NULL && p->lm > f->lm)
		p = p->prev;
	f->prev = p;
	f->next = p ? p->next : c->fhead;
	if (f->next)
		f->next->prev = f;
	else
		c->ftail = f;
	if (p)
		p->next = f;
	else
		c->fhead = f;
}

struct folder *
folder_add(struct ctx *c, int id, int parent, const char *title, enum mod m, int type, int owner,
    int64_t stamp)
{
	struct folder *f = xcalloc(1, sizeof(*f));

	f->id = id;
	f->parent = parent;
	f->title = xstrdup(title);
	f->m = m;
	f->type = type;
	f->owner = f->created_by = f->modified_by = owner;
	f->created = f->lm = stamp;
	g_hash_table_insert(c->folder, GINT_TO_POINTER(id), f);
	flist_add(c, f);
	if (id >= c->next_folder)
		c->next_folder = id + 1;
	return f;
}

struct folder *
folder_get(const struct ctx *c, int id)
{
	return g_hash_table_lookup(c->folder, GINT_TO_POINTER(id));
}

void
folder_touch(struct ctx *c, struct folder *f, int64_t stamp)
{
	flist_unlink(c, f);
	f->lm = stamp > f->lm ? stamp : f->lm + 1;
	flist_add(c, f);
}

void
folder_set_perm(struct folder *f, int entity, bool group, int bits)
{
	f->perm = xrealloc(f->perm, sizeof(*f->perm) * (size_t)(f->nperm + 1));
	f->perm[f->nperm++] = (struct perm){ entity, group, bits };
}

static void
tomb_add(struct tomb **v, uint32_t *n, uint32_t *cap, int id, int64_t stamp)
{
	uint32_t i;

	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		*v = xrealloc(*v, sizeof(**v) * *cap);
	}
	for (i = *n; i > 0 && (*v)[i - 1].stamp > stamp; i--)
		(*v)[i] = (*v)[i - 1];
	(*v)[i] = (struct tomb){ id, stamp };
	(*n)++;
}

static void
folder_free(struct folder *f)
{
	free(f->title);
	free(f->perm);
	free(f->unsub);
	free(f->item);
	free(f->tomb);
	free(f);
}

void
folder_drop(struct ctx *c, struct folder *f, int64_t stamp)
{
	events_folder(c, f, f->lm);
	while (f->n > 0) {
		struct ent *e = f->item[f->n - 1];
		struct obj *o = e->o;

		/* a meeting survives in the calendars of the others */
		if (o->ents != e || e->onext != NULL)
			ent_drop(e, stamp);
		else
			obj_drop(c, o, stamp);
	}
	flist_unlink(c, f);
	g_hash_table_remove(c->folder, GINT_TO_POINTER(f->id));
	tomb_add(&c->ftomb, &c->nftomb, &c->cftomb, f->id, stamp);
	folder_free(f);
}

/* --- objects ------------------------------------------------------------------------ */

struct obj *
obj_new(struct ctx *c, enum mod m, int id, int by, int64_t stamp)
{
	struct obj *o = xcalloc(1, sizeof(*o));

	if (id == 0)
		id = c->next_id[m]++;
	else if (id >= c->next_id[m])
		c->next_id[m] = id + 1;
	o->id = id;
	o->m = m;
	o->created_by = o->modified_by = by;
	o->created = o->lm = stamp;
	g_hash_table_insert(c->obj[m], GINT_TO_POINTER(id), o);
	return o;
}

struct obj *
obj_get(const struct ctx *c, enum mod m, int id)
{
	return g_hash_table_lookup(c->obj[m], GINT_TO_POINTER(id));
}

struct ent *
obj_in(const struct obj *o, const struct folder *f)
{
	struct ent *e;

	for (e = o->ents; e != NULL; e = e->onext)
		if (e->f == f)
			return e;
	return NULL;
}

static void
chg_unlink(struct ent *e)
{
	struct folder *f = e->f;

	if (e->prev)
		e->prev->next = e->next;
	else
		f->head = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		f->tail = e->prev;
}

/* keeps the list ordered; a new stamp nearly always belongs to the end */
static void
chg_link(struct ent *e)
{
	struct folder *f = e->f;
	struct ent *p = f->tail;

	while (p != NULL && p->o->lm > e->o->lm)
		p = p->prev;
	e->prev = p;
	e->next = p ? p->next : f->head;
	if (e->next)
		e->next->prev = e;
	else
		f->tail = e;
	if (p)
		p->next = e;
	else
		f->head = e;
}

struct ent *
obj_place(struct obj *o, struct folder *f, int user)
{
	struct ent *e = obj_in(o, f);

	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof(*e));
	e->o = o;
	e->f = f;
	e->user = user;
	e->onext = o->ents;
	o->ents = e;
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 16;
		f->item = xrealloc(f->item, sizeof(*f->item) * f->cap);
	}
	e->pos = f->n;
	f->item[f->n++] = e;
	f->sorted = false;
	chg_link(e);
	events_obj(o, e, o->lm);
	return e;
}

static void
ent_remove(struct ent *e)
{
	struct folder *f = e->f;
	struct ent **pp = &e->o->ents;

	chg_unlink(e);
	f->item[e->pos] = f->item[--f->n];
	f->item[e->pos]->pos = e->pos;
	f->sorted = false;
	while (*pp != e)
		pp = &(*pp)->onext;
	*pp = e->onext;
	free(e);
}

void
ent_drop(struct ent *e, int64_t stamp)
{
	tomb_add(&e->f->tomb, &e->f->ntomb, &e->f->ctomb, e->o->id, stamp);
	events_obj(e->o, e, e->o->lm);
	ent_remove(e);
}

int64_t
obj_touch(struct ctx *c, struct obj *o, int by, int64_t stamp)
{
	struct ent *e;

	if (stamp <= o->lm)
		stamp = o->lm + 1;
	if (stamp > c->last_stamp)
		c->last_stamp = stamp;
	for (e = o->ents; e != NULL; e = e->onext) {
		chg_unlink(e);
		events_obj(o, e, o->m == M_CALENDAR ? o->lm : stamp);
	}
	o->lm = stamp;
	for (e = o->ents; e != NULL; e = e->onext)
		chg_link(e);
	if (by != 0)
		o->modified_by = by;
	return stamp;
}

void
obj_free(struct obj *o)
{
	int i;

	for (i = 0; i < o->nv; i++)
		free(o->v[i].t);
	for (i = 0; i < o->nat; i++) {
		free(o->at[i].name);
		free(o->at[i].type);
		blob_unref(o->at[i].data);
	}
	parts_free(o);
	free(o->v);
	free(o->at);
	free(o->atgone);
	free(o->chg);
	free(o->del);
	free(o->image_type);
	free(o->sort);
	blob_unref(o->image);
	free(o);
}

void
obj_drop(struct ctx *c, struct obj *o, int64_t stamp)
{
	while (o->ents != NULL)
		ent_drop(o->ents, stamp);
	g_hash_table_remove(c->obj[o->m], GINT_TO_POINTER(o->id));
	obj_free(o);
}

/* --- field values: sorted by field, finished JSON text ------------------------------- */

static int
fv_search(const struct obj *o, int f, bool *found)
{
	int lo = 0, hi = o->nv;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (o->v[mid].f < f)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < o->nv && o->v[lo].f == f;
	return lo;
}

const struct fv *
obj_fv(const struct obj *o, int f)
{
	bool found;
	int i = fv_search(o, f, &found);

	return found ? &o->v[i] : NULL;
}

void
obj_set(struct obj *o, int f, const char *txt, size_t len)
{
	bool found;
	int i = fv_search(o, f, &found);

	if (len == 0) {
		if (!found)
			return;
		free(o->v[i].t);
		memmove(o->v + i, o->v + i + 1, sizeof(*o->v) * (size_t)(o->nv - i - 1));
		o->nv--;
		return;
	}
	if (!found) {
		if (o->nv == o->cv) {
			o->cv = (uint16_t)(o->cv ? o->cv * 2 : 8);
			o->v = xrealloc(o->v, sizeof(*o->v) * o->cv);
		}
		memmove(o->v + i + 1, o->v + i, sizeof(*o->v) * (size_t)(o->nv - i));
		o->nv++;
		o->v[i].f = (uint16_t)f;
		o->v[i].t = NULL;
	}
	free(o->v[i].t);
	o->v[i].t = xmemdup0(txt, len);
	o->v[i].len = (uint32_t)len;
}

void
obj_set_int(struct obj *o, int f, int64_t v)
{
	struct sb b = { 0 };

	sb_int(&b, v);
	obj_set(o, f, b.p, b.len);
	sb_free(&b);
}

void
obj_set_str(struct obj *o, int f, const char *s)
{
	struct sb b = { 0 };

	if (s == NULL) {
		obj_set(o, f, NULL, 0);
		return;
	}
	sb_jstr(&b, s, strlen(s));
	obj_set(o, f, b.p, b.len);
	sb_free(&b);
}

int64_t
obj_int(const struct obj *o, int f, int64_t def)
{
	const struct fv *v = obj_fv(o, f);
	const char *t;

	if (v == NULL)
		return def;
	t = v->t;
	if (*t == 't')
		return 1;
	if (*t == 'f')
		return 0;
	if (*t == '"')
		t++;
	return strtoll(t, NULL, 10);
}

char *
obj_str(const struct obj *o, int f)
{
	const struct fv *v = obj_fv(o, f);
	json_t *j;
	char *s = NULL;

	if (v == NULL)
		return NULL;
	j = json_loadb(v->t, v->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (json_is_string(j))
		s = xstrdup(json_string_value(j));
	else if (j != NULL)
		s = xmemdup0(v->t, v->len);
	json_decref(j);
	return s;
}

void
obj_copy_fields(struct obj *to, const struct obj *from)
{
	int i;

	for (i = 0; i < from->nv; i++)
		obj_set(to, from->v[i].f, from->v[i].t, from->v[i].len);
}

/* --- everything away --------------------------------------------------------------------- */

static void
user_free(struct user *u)
{
	while (u->nmb > 0)
		mbox_remove(u, u->mb[0]);
	free(u->mb);
	if (u->attr)
		g_hash_table_destroy(u->attr);
	if (u->answered)
		g_hash_table_destroy(u->answered);
	json_decref(u->jslob);
	json_decref(u->rules);
	json_decref(u->snippets);
	json_decref(u->mailset);
	free(u->personal);
	json_decref(u->gui);
	free(u->login);
	free(u->first);
	free(u->last);
	free(u->display);
	free(u->mail);
	free(u->password);
	free(u->zone);
	free(u->locale);
	free(u);
}

static void
ctx_free(struct ctx *c)
{
	GHashTableIter it;
	gpointer v;
	int i;

	for (i = 0; i < M_COUNT; i++) {
		if (c->obj[i] == NULL)
			continue;
		g_hash_table_iter_init(&it, c->obj[i]);
		while (g_hash_table_iter_next(&it, NULL, &v)) {
			struct obj *o = v;
			struct ent *e;

			while ((e = o->ents) != NULL) {
				o->ents = e->onext;
				free(e);
			}
			obj_free(o);
		}
		g_hash_table_destroy(c->obj[i]);
	}
	g_hash_table_iter_init(&it, c->folder);
	while (g_hash_table_iter_next(&it, NULL, &v))
		folder_free(v);
	g_hash_table_destroy(c->folder);
	for (i = 0; i < c->nuser; i++)
		user_free(c->user[i]);
	for (i = 0; i < c->ngroup; i++) {
		free(c->group[i]->name);
		free(c->group[i]->display);
		free(c->group[i]->member);
		free(c->group[i]);
	}
	for (i = 0; i < c->nres; i++) {
		free(c->res[i]->name);
		free(c->res[i]->display);
		free(c->res[i]->mail);
		free(c->res[i]);
	}
	free(c->user);
	free(c->group);
	free(c->gtomb);
	free(c->res);
	free(c->ftomb);
	free(c->name);
	free(c);
}

void
store_reset(void)
{
	int i;

	sessions_forget();
	for (i = 0; i < S.nctx; i++)
		ctx_free(S.ctx[i]);
	free(S.ctx);
	S.ctx = NULL;
	S.nctx = 0;
}
