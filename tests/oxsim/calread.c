/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module calendar: the actions that read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/cal.h"

#define MAX_EXPAND 1000		/* occurrences of one series in `updates` before it is too much */

struct folder *
cal_folder(struct req *r, const char *id, bool any)
{
	struct folder *f = NULL;
	int n;
	int bits;

	if (folder_id_parse(id, &n))
		f = folder_get(r->c, n);
	if (f == NULL) {
		fail(r, "CAL-4045", json_pack("[s]", id));
		return NULL;
	}
	if (f->m != M_CALENDAR) {
		fail(r, "CAL-4060", json_pack("[s,s]", id, f->m == M_TASKS ? "1" : "3"));
		return NULL;
	}
	bits = perm_bits(r->c, f, r->u->id);
	if (perm_folder(bits) < 1 || (!any && perm_read(bits) < 1)) {
		fail(r, "APP-0062", json_pack("[i]", f->id));
		return NULL;
	}
	return f;
}

static struct folder *
folder_arg(struct req *r)
{
	const char *s = need(r, "folder");

	return s ? cal_folder(r, s, false) : NULL;
}

bool
cal_readable(const struct req *r, const struct ent *e)
{
	return may_read(r->c, e->f, r->u->id, e->o->created_by);
}

struct ent *
cal_of(struct req *r, int64_t id, struct folder *f)
{
	struct obj *o = id > 0 && id <= INT32_MAX ? obj_get(r->c, M_CALENDAR, (int)id) : NULL;
	struct ent *e = o ? obj_in(o, f) : NULL;
	char *t;

	if (e != NULL)
		return e;
	t = xprintf("Object %lld in context", (long long)id);
	fail(r, "OX-0001", json_pack("[s]", t));
	free(t);
	return NULL;
}

void
crows_add(struct crows *w, struct ent *e, const struct occ *occ)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	}
	memset(&w->v[w->n], 0, sizeof(*w->v));
	w->v[w->n].e = e;
	if (occ != NULL) {
		w->v[w->n].occ = *occ;
		w->v[w->n].on = true;
	}
	w->n++;
}

void
crow_begin(struct req *r, const struct crow *c)
{
	r->occ = c->on ? &c->occ : NULL;
	r->veil = cal_veiled(r, c->e->o);
}

static void
put_rows(struct req *r, const struct cols *c, const struct crows *w, bool open)
{
	size_t i;

	sb_ch(r->out, '[');
	for (i = 0; i < w->n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		crow_begin(r, &w->v[i]);
		emit_row(r, &MI_CALENDAR, c, w->v[i].e);
		max_ts(r, w->v[i].e->o->lm);
	}
	r->occ = NULL;
	r->veil = false;
	if (!open)
		sb_ch(r->out, ']');
}

static int
crow_cmp(const void *a, const void *b)
{
	const struct crow *x = a, *y = b;

	if (x->e->o->id != y->e->o->id)
		return x->e->o->id - y->e->o->id;
	return x->occ.pos - y->occ.pos;
}

/* those of one appointment that touch [from, to) */
static void
add_in_range(const struct req *r, struct crows *w, struct ent *e, int64_t from, int64_t to, bool master)
{
	const struct obj *o = e->o;
	struct occ *v;
	int n, i;

	if (!cal_readable(r, e))
		return;
	if (!cal_is_master(o)) {
		if (cal_start(o) < to && (cal_end(o) > from || (cal_end(o) == cal_start(o) && cal_start(o) >= from)))
			crows_add(w, e, NULL);
		return;
	}
	if (cal_start(o) >= to)
		return;
	if (master && cal_end(o) > from) { /* the first one is in the range: no need to count */
		crows_add(w, e, NULL);
		return;
	}
	n = cal_occurrences(o, to - 1, 20000, master, &v);
	for (i = 0; i < n; i++) {
		if (v[i].end <= from || v[i].start >= to)
			continue;
		if (master) {
			crows_add(w, e, NULL);
			break;
		}
		crows_add(w, e, &v[i]);
	}
	free(v);
}

void
cal_all(struct req *r)
{
	const char *fid = arg(r, "folder");
	struct folder *f = NULL, *g;
	struct cols c;
	struct crows w = { 0 };
	int64_t from, to;
	uint32_t i;
	bool master = arg_true(r, "recurrence_master");

	if (!need_i64(r, "start", &from) || !need_i64(r, "end", &to) ||
	    (fid != NULL && (f = cal_folder(r, fid, false)) == NULL) || !cols_parse(r, &MI_CALENDAR, &c))
		return;
	from = unshift(r, from);
	to = unshift(r, to);
	for (g = f ? f : r->c->fhead; g != NULL; g = f ? NULL : g->next) {
		/* without a folder: everything the user takes part in, once */
		if (g->m != M_CALENDAR || (f == NULL && (g->type != 1 || g->owner != r->u->id)))
			continue;
		for (i = 0; i < g->n; i++)
			add_in_range(r, &w, g->item[i], from, to, master);
	}
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), crow_cmp);
	set_ts(r, 0);
	put_rows(r, &c, &w, false);
	free(w.v);
}

/* the occurrence a request names; false with the error set; none named: at->pos 0 */
static bool
occ_named(struct req *r, const struct obj *o, const char *pos, const char *day, struct occ *at)
{
	int64_t p = 0, d = 0;
	char *t;

	memset(at, 0, sizeof(*at));
	if (!parse_i64(pos, &p))
		p = 0;
	if (!parse_i64(day, &d))
		d = 0;
	if ((p <= 0 && d == 0) || !cal_is_master(o))
		return true;
	if (cal_occ_find(o, (int)p, d, at))
		return true;
	t = p > 0 ? xprintf("legacy recurrence position %lld", (long long)p) :
	    xprintf("legacy recurrence date position %lld", (long long)d);
	fail(r, "APP-0074", json_pack("[s]", t));
	free(t);
	return false;
}

void
cal_get(struct req *r)
{
	struct folder *f;
	struct crow c = { 0 };
	int64_t id;

	if (!need_i64(r, "id", &id) || (f = folder_arg(r)) == NULL || (c.e = cal_of(r, id, f)) == NULL)
		return;
	if (!cal_readable(r, c.e)) {
		fail(r, "APP-0062", json_pack("[i]", f->id));
		return;
	}
	if (!occ_named(r, c.e->o, arg(r, "recurrence_position"), arg(r, "recurrence_date_position"), &c.occ))
		return;
	c.on = c.occ.pos > 0;
	crow_begin(r, &c);
	emit_object(r, &MI_CALENDAR, c.e);
	r->occ = NULL;
	r->veil = false;
	set_ts(r, c.e->o->lm);
}

void
cal_list(struct req *r)
{
	json_t *a, *it;
	struct cols c;
	struct crows w = { 0 };
	size_t i;
	int id, fid, pos;

	if (!cols_parse(r, &MI_CALENDAR, &c) || (a = body_array(r)) == NULL)
		return;
	json_array_foreach(a, i, it) {
		struct folder *f;
		struct obj *o;
		struct ent *e;
		struct occ at;

		if (!json_id(json_object_get(it, "id"), &id) || !json_folder(json_object_get(it, "folder"), &fid))
			continue;
		f = folder_get(r->c, fid);
		o = f ? obj_get(r->c, M_CALENDAR, id) : NULL;
		e = o ? obj_in(o, f) : NULL;
		if (e == NULL || !cal_readable(r, e))
			continue;
		if (json_id(json_object_get(it, "recurrence_position"), &pos) && cal_occ_find(o, pos, 0, &at))
			crows_add(&w, e, &at);
		else
			crows_add(&w, e, NULL);
	}
	put_rows(r, &c, &w, false);
	free(w.v);
}

static int
lm_cmp(const void *a, const void *b)
{
	const struct crow *x = a, *y = b;

	if (x->e->o->lm != y->e->o->lm)
		return x->e->o->lm < y->e->o->lm ? -1 : 1;
	return crow_cmp(a, b);
}

/* expands unless masters were asked; an endless series is too much */
static bool
add_update(struct req *r, struct crows *w, struct ent *e, bool master)
{
	struct rule_spec s;
	struct occ *v;
	int n, i;

	if (master || !cal_is_master(e->o)) {
		crows_add(w, e, NULL);
		return true;
	}
	s = cal_spec(e->o);
	if (s.until == 0 && s.occurrences == 0) {
		fail(r, "CAL-5072", NULL);
		return false;
	}
	n = cal_occurrences(e->o, INT64_MAX, MAX_EXPAND, false, &v);
	for (i = 0; i < n; i++)
		crows_add(w, e, &v[i]);
	free(v);
	return true;
}

void
cal_updates(struct req *r)
{
	const char *fid = arg(r, "folder"), *ign = arg(r, "ignore");
	struct folder *f, *g;
	struct cols c;
	struct crows w = { 0 };
	struct ent *e;
	int64_t since, from = INT64_MIN, to = INT64_MAX;
	bool master = arg_true(r, "recurrence_master"), hide = ign != NULL && strcmp(ign, "deleted") == 0;
	bool ok = true;

	if (fid == NULL && (!need_i64(r, "start", &from) || !need_i64(r, "end", &to)))
		return;
	if (!need_i64(r, "timestamp", &since) || (fid && (f = cal_folder(r, fid, false)) == NULL) ||
	    !cols_parse(r, &MI_CALENDAR, &c))
		return;
	if (fid == NULL)
		f = NULL;
	else if (parse_i64(arg(r, "start"), &from) && parse_i64(arg(r, "end"), &to)) {
		from = unshift(r, from);
		to = unshift(r, to);
	}
	set_ts(r, since);
	for (g = f ? f : r->c->fhead; g != NULL && ok; g = f ? NULL : g->next) {
		if (g->m != M_CALENDAR || (f == NULL && (g->type != 1 || g->owner != r->u->id)))
			continue;
		for (e = g->tail; e != NULL && e->o->lm > since && ok; e = e->prev) {
			if (!cal_readable(r, e))
				continue;
			if (to != INT64_MAX)
				add_in_range(r, &w, e, from, to, master);
			else
				ok = add_update(r, &w, e, master);
		}
	}
	if (ok) {
		if (w.n > 1)
			qsort(w.v, w.n, sizeof(*w.v), fid ? lm_cmp : crow_cmp);
		if (ign != NULL && strcmp(ign, "changed") == 0)
			w.n = 0;
		put_rows(r, &c, &w, true);
		if (f != NULL && !hide)
			rows_deleted(r, M_CALENDAR, f, since, false);
		sb_ch(r->out, ']');
	}
	free(w.v);
}

void
cal_change_exceptions(struct req *r)
{
	struct folder *f;
	struct ent *e;
	struct cols c;
	struct crows w = { 0 };
	int64_t id;
	int i;

	if (!need_i64(r, "id", &id) || (f = folder_arg(r)) == NULL || !cols_parse(r, &MI_CALENDAR, &c) ||
	    (e = cal_of(r, id, f)) == NULL)
		return;
	for (i = 0; i < e->o->nchg; i++) {
		struct obj *x = cal_exception_at(r->c, e->o, e->o->chg[i]);
		struct ent *xe = x ? obj_in(x, f) : NULL;

		if (xe != NULL && cal_readable(r, xe))
			crows_add(&w, xe, NULL);
	}
	put_rows(r, &c, &w, false);
	free(w.v);
}

/* 8.19: title, note or categories, not the place */
static bool
cal_says(const struct obj *o, const char *pattern)
{
	static const char *const in[] = { "title", "note", "categories" };
	bool ok = strcmp(pattern, "*") == 0;
	size_t i;

	for (i = 0; !ok && i < sizeof(in) / sizeof(in[0]); i++) {
		char *t = obj_str(o, fld_by_name(&MI_CALENDAR, in[i]));

		ok = t != NULL && match_part(t, pattern);
		free(t);
	}
	return ok;
}

static int
crow_newest(const void *a, const void *b)
{
	const struct crow *x = a, *y = b;
	int64_t s = cal_start(x->e->o), t = cal_start(y->e->o);

	return s != t ? (s < t ? 1 : -1) : crow_cmp(a, b);
}

/* sort=201&order=desc and the limits: what a search is asked with */
static void
cal_window(const struct req *r, struct crows *w)
{
	int64_t h;

	if (w->n > 1)
		qsort(w->v, w->n, sizeof(*w->v), g_strcmp0(arg(r, "order"), "desc") == 0 ? crow_newest : crow_cmp);
	if (parse_i64(arg(r, "right_hand_limit"), &h) && h >= 0 && (size_t)h < w->n)
		w->n = (size_t)h;
}

void
cal_search(struct req *r)
{
	json_t *q;
	struct cols c;
	struct crows w = { 0 };
	struct folder *f;
	const char *pat;
	int want = 0;
	uint32_t i;

	if (!cols_parse(r, &MI_CALENDAR, &c) || (q = body_object(r)) == NULL)
		return;
	pat = json_string_value(json_object_get(q, "pattern"));
	(void)json_folder(json_object_get(q, "folder"), &want);
	for (f = r->c->fhead; f != NULL; f = f->next) {
		if (f->m != M_CALENDAR || (want != 0 ? f->id != want : f->owner != r->u->id) ||
		    perm_read(perm_bits(r->c, f, r->u->id)) < 1)
			continue;
		for (i = 0; i < f->n; i++) {
			if (cal_readable(r, f->item[i]) && cal_says(f->item[i]->o, pat ? pat : "*"))
				crows_add(&w, f->item[i], NULL);
		}
	}
	cal_window(r, &w);
	put_rows(r, &c, &w, false);
	free(w.v);
}

void
cal_resolveuid(struct req *r)
{
	const char *uid = need(r, "uid");
	GHashTableIter it;
	gpointer v;
	struct obj *best = NULL;

	if (uid == NULL)
		return;
	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct obj *o = v;
		char *s;

		if (att_of(o, r->u->id) == NULL && o->created_by != r->u->id)
			continue;
		s = obj_str(o, CF(CF_UID));
		if (s != NULL && strcmp(s, uid) == 0 && (best == NULL || o->id < best->id))
			best = o;
		free(s);
	}
	if (best == NULL)
		fail(r, "OX-0001", json_pack("[s]", ""));
	else
		sb_printf(r->out, "{\"id\":\"%d\"}", best->id);
}

/* appointments of a user or resource in a range, whoever asks */
static void
busy_rows(struct req *r, struct crows *w, int type, int id, int64_t from, int64_t to)
{
	GHashTableIter it;
	gpointer v;
	int i;

	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct obj *o = v;
		const struct attendee *a = type == PT_USER ? att_of(o, id) : NULL;
		bool in = a != NULL && a->conf != 2 && !a->hidden;
		struct occ *oc;
		int n;

		for (i = 0; type == PT_RESOURCE && i < o->npart; i++)
			in = in || (o->part[i].type == PT_RESOURCE && o->part[i].id == id);
		if (!in || o->ents == NULL)
			continue;
		if (!cal_is_master(o)) {
			if (cal_start(o) < to && cal_end(o) > from)
				crows_add(w, o->ents, NULL);
			continue;
		}
		n = cal_occurrences(o, to - 1, 20000, false, &oc);
		for (i = 0; i < n; i++)
			if (oc[i].end > from && oc[i].start < to)
				crows_add(w, o->ents, &oc[i]);
		free(oc);
	}
	if (w->n > 1)
		qsort(w->v, w->n, sizeof(*w->v), crow_cmp);
}

/* only when and how; title and folder for those who may read */
static void
put_busy(struct req *r, const struct crow *c)
{
	static const char *const show[] = { "created_by", "id", "color_label", "private_flag", "full_time",
	    "confirmations", "uid", "start_date", "end_date", "shown_as", "recurrence_type", "days", "day_in_month",
	    "month", "interval", "until", "occurrences", "recurrence_id", "recurrence_position",
	    "recurrence_date_position", "timezone", "recurrence_start" };
	struct sb *b = r->out;
	const struct ent *e = NULL, *x;
	struct req q = *r;
	size_t i, k;

	for (x = c->e->o->ents; x != NULL && e == NULL; x = x->onext)
		if (perm_read(perm_bits(r->c, x->f, r->u->id)) > 0)
			e = x;
	sb_ch(b, '{');
	for (i = 0; i < (size_t)MI_CALENDAR.n; i++) {
		const struct fld *f = &MI_CALENDAR.f[i];
		size_t mark = b->len;
		struct cols one = { .n = 1, .f = { (int)i } };

		for (k = 0; k < sizeof(show) / sizeof(show[0]); k++)
			if (strcmp(show[k], f->name) == 0)
				break;
		if (k == sizeof(show) / sizeof(show[0]) &&
		    (e == NULL || (f->col != 20 && f->col != 200 && f->col != 400)))
			continue;
		if (b->p[b->len - 1] != '{')
			sb_ch(b, ',');
		sb_printf(b, "\"%s\":", f->name);
		q.out = b;
		q.occ = c->on ? &c->occ : NULL;
		q.veil = true;
		/* a participant, too, sees no title of what somebody else calls private */
		if ((f->col == 200 || f->col == 400) && (c->e->o->created_by == r->u->id || obj_fv(c->e->o, CF(CF_PRIVATE)) == NULL))
			q.veil = false;
		if (f->col == 402) {
			sb_printf(b, "%d", cal_shown(c->e->o));
			continue;
		}
		if (f->col == 102 && e == NULL) {
			sb_str(b, "0");
			continue;
		}
		if (f->col == 223) {
			const struct fv *v = obj_fv(c->e->o, (int)i);

			sb_put(b, v->t, v->len);
			continue;
		}
		k = b->len;
		emit_row(&q, &MI_CALENDAR, &one, e ? e : c->e);
		/* [value] -> value; an object leaves unset fields out */
		memmove(b->p + k, b->p + k + 1, b->len - k - 2);
		b->len -= 2;
		if (b->len - k == 4 && memcmp(b->p + k, "null", 4) == 0) {
			b->len = mark;
			if (f->col == 209) {
				sb_str(b, ",\"recurrence_type\":0");
			}
		}
	}
	sb_ch(b, '}');
}

void
cal_freebusy(struct req *r)
{
	int64_t id, type, from, to;
	struct crows w = { 0 };
	size_t i;
	char num[24];

	if (!need_i64(r, "id", &id) || !need_i64(r, "type", &type) || !need_i64(r, "start", &from) ||
	    !need_i64(r, "end", &to))
		return;
	if (type == PT_GROUP) { /* not expanded (recorded 22-password-personal-data 85) */
		sb_str(r->out, "[]");
		set_ts(r, 0);
		return;
	}
	if (type == PT_RESOURCE ? res_by_id(r->c, (int)id) == NULL : user_by_id(r->c, (int)id) == NULL) {
		(void)snprintf(num, sizeof(num), "%lld", (long long)id);
		fail(r, "CAL-4034", json_pack("[s,I,s]", num, (json_int_t)id, type == PT_RESOURCE ? "RESOURCE" : "INDIVIDUAL"));
		return;
	}
	busy_rows(r, &w, (int)type, (int)id, unshift(r, from), unshift(r, to));
	sb_ch(r->out, '[');
	for (i = 0; i < w.n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		put_busy(r, &w.v[i]);
	}
	sb_ch(r->out, ']');
	set_ts(r, 0);
	free(w.v);
}

/* one boolean per day */
void
cal_has(struct req *r)
{
	int64_t from, to, d;
	struct crows w = { 0 };
	size_t i;

	if (!need_i64(r, "start", &from) || !need_i64(r, "end", &to))
		return;
	busy_rows(r, &w, PT_USER, r->u->id, unshift(r, from - DAY_MS), unshift(r, to));
	sb_ch(r->out, '[');
	for (d = from; d < to && d - from < 1000 * DAY_MS; d += DAY_MS) {
		bool hit = false;
		/* measured: the entry of a day tells about the day before it; whole days float */
		int64_t day = d - DAY_MS;

		for (i = 0; i < w.n && !hit; i++) {
			bool full = cal_full(w.v[i].e->o);
			int64_t a = full ? day : unshift(r, day), b = a + DAY_MS;
			int64_t s = w.v[i].on ? w.v[i].occ.start : cal_start(w.v[i].e->o);
			int64_t e = w.v[i].on ? w.v[i].occ.end : cal_end(w.v[i].e->o);

			hit = s < b && e > a;
		}
		if (d > from)
			sb_ch(r->out, ',');
		sb_str(r->out, hit ? "true" : "false");
	}
	sb_ch(r->out, ']');
	free(w.v);
}
