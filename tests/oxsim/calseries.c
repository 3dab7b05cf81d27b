/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Appointments as series: occurrences, exceptions, and who collides with whom.
 */
#include <stdlib.h>

#include "oxsim/chronos.h"

#define FAR INT64_C(253402214400000)

struct rule_spec
cal_spec(const struct obj *o)
{
	struct rule_spec s = { 0 };

	s.type = (int)obj_int(o, CF(CF_RTYPE), 0);
	s.interval = (int)obj_int(o, CF(CF_INTERVAL), 1);
	s.days = (int)obj_int(o, CF(CF_DAYS), 0);
	s.day_in_month = (int)obj_int(o, CF(CF_DIM), 0);
	s.month = (int)obj_int(o, CF(CF_MONTH), 0);
	s.until = obj_int(o, CF(CF_UNTIL), 0);
	s.occurrences = (int)obj_int(o, CF(CF_OCC), 0);
	return s;
}

bool
cal_full(const struct obj *o)
{
	return obj_int(o, CF(CF_FULL), 0) != 0;
}

bool
cal_is_master(const struct obj *o)
{
	return o->series != 0 && o->series == o->id;
}

int64_t
cal_start(const struct obj *o)
{
	return obj_int(o, CF(CF_START), 0);
}

int64_t
cal_end(const struct obj *o)
{
	return obj_int(o, CF(CF_END), 0);
}

const struct tz *
cal_zone(const struct obj *o)
{
	char *s = obj_str(o, CF(CF_ZONE));
	const struct tz *z = s ? tz_get(s) : NULL;

	free(s);
	return z ? z : tz_get("UTC");
}

static int64_t
day_floor(int64_t t)
{
	return (t >= 0 ? t / DAY_MS : -((-t + DAY_MS - 1) / DAY_MS)) * DAY_MS;
}

bool
cal_day_in(const int64_t *v, int n, int64_t day)
{
	int i;

	for (i = 0; i < n; i++)
		if (v[i] == day)
			return true;
	return false;
}

void
cal_day_add(int64_t **v, int *n, int64_t day)
{
	int i;

	if (cal_day_in(*v, *n, day))
		return;
	*v = xrealloc(*v, sizeof(**v) * (size_t)(*n + 1));
	for (i = (*n)++; i > 0 && (*v)[i - 1] > day; i--)
		(*v)[i] = (*v)[i - 1];
	(*v)[i] = day;
}

void
cal_day_del(int64_t *v, int *n, int64_t day)
{
	int i, k = 0;

	for (i = 0; i < *n; i++)
		if (v[i] != day)
			v[k++] = v[i];
	*n = k;
}

int
cal_occurrences(const struct obj *o, int64_t until, int max, bool all, struct occ **out)
{
	struct rule_spec s = cal_spec(o);
	const struct tz *z = cal_zone(o);
	bool full = cal_full(o);
	int64_t d = cal_end(o) - cal_start(o), *t;
	int64_t local = full ? cal_start(o) : cal_start(o) + tz_offset(z, cal_start(o));
	int64_t before = 0, last = until >= FAR ? FAR : full ? until : until + tz_offset(z, until);
	int n, i, k = 0;
	bool second;

	t = xcalloc((size_t)max + 1, sizeof(*t));
	n = recur_expand(&s, local, last, max, t);
	*out = xcalloc((size_t)n + 1, sizeof(**out));
	for (i = 0; i < n; i++) {
		struct occ *c = &(*out)[k];

		/* the server's public source: the day in UTC, whatever the zone of the series */
		c->start = full ? t[i] : tz_to_utc(z, t[i]);
		c->rdate = day_floor(c->start);
		second = i > 0 && c->rdate == before; /* a change of offset between them: the day names the first */
		before = c->rdate;
		if (!all && !second && (cal_day_in(o->chg, o->nchg, c->rdate) || cal_day_in(o->del, o->ndel, c->rdate)))
			continue;
		c->end = c->start + d;
		c->pos = i + 1;
		k++;
	}
	free(t);
	return k;
}

bool
cal_occ_find(const struct obj *o, int pos, int64_t rdate, struct occ *out)
{
	struct occ *v;
	int n, i;
	bool found = false;

	n = cal_occurrences(o, pos > 0 ? FAR : rdate + 2 * DAY_MS, pos > 0 ? pos : 20000, true, &v);
	for (i = 0; i < n && !found; i++)
		if (pos > 0 ? v[i].pos == pos : v[i].rdate == rdate) {
			*out = v[i];
			found = true;
		}
	free(v);
	return found;
}

struct folder *
cal_home(const struct obj *o)
{
	const struct ent *e;

	for (e = o->ents; e != NULL; e = e->onext)
		if (e->user == o->organizer || e->user == 0)
			return e->f;
	return o->ents ? o->ents->f : NULL;
}

struct obj *
cal_exception_at(const struct ctx *c, const struct obj *m, int64_t rdate)
{
	struct folder *f = cal_home(m);
	uint32_t i;

	if (f == NULL || !cal_day_in(m->chg, m->nchg, rdate))
		return NULL;
	(void)c;
	for (i = 0; i < f->n; i++) {
		struct obj *o = f->item[i]->o;

		if (o->series == m->id && o->id != m->id && o->rdate == rdate)
			return o;
	}
	return NULL;
}

struct obj *
cal_exception(struct req *r, struct obj *m, const struct occ *at, int64_t stamp)
{
	struct obj *o = xcalloc(1, sizeof(*o));
	static const int rule[] = { CF_RTYPE, CF_DAYS, CF_DIM, CF_MONTH, CF_INTERVAL, CF_UNTIL, CF_OCC };
	size_t i;
	int k;

	o->m = M_CALENDAR;
	o->created_by = m->created_by;
	o->modified_by = r->u->id;
	obj_copy_fields(o, m);
	for (i = 0; i < sizeof(rule) / sizeof(rule[0]); i++)
		obj_set(o, CF(rule[i]), NULL, 0);
	obj_set_int(o, CF(CF_START), at->start);
	obj_set_int(o, CF(CF_END), at->end);
	o->series = m->id;
	o->rdate = at->rdate;
	o->rpos = at->pos;
	o->organizer = m->organizer;
	o->sequence = m->sequence;
	for (k = 0; k < m->npart; k++) {
		struct participant *p = part_add(o, m->part[k].type, m->part[k].id, m->part[k].mail, m->part[k].name);

		p->conf = m->part[k].conf;
	}
	parts_resolve(r->c, o, o->organizer);
	for (k = 0; k < o->natt; k++) {
		const struct attendee *a = att_of(m, o->att[k].id);

		if (a != NULL) {
			o->att[k].conf = a->conf;
			o->att[k].alarm = a->alarm;
			o->att[k].hidden = a->hidden;
			o->att[k].msg = xstrdup(a->msg);
			o->att[k].alarms = xstrdup(a->alarms);
		}
	}
	cal_store(r, o, cal_home(m), stamp);
	cal_day_add(&m->chg, &m->nchg, at->rdate);
	return o;
}

/* --- deleting -------------------------------------------------------------------------- */

static void
drop_exceptions(struct req *r, struct folder *f, int series, int64_t stamp)
{
	uint32_t i = f ? f->n : 0;

	while (i > 0) {
		struct obj *o = f->item[--i]->o;

		if (o->series == series) {
			obj_drop(r->c, o, stamp);
			i = i < f->n ? i : f->n;
		}
	}
}

bool
cal_remove(struct req *r, struct ent *e, const struct occ *at, int64_t *stamp)
{
	struct obj *o = e->o, *m;
	struct attendee *a = att_of(o, r->u->id);

	*stamp = stamp_new(r->c);
	if (*stamp <= o->lm)
		*stamp = o->lm + 1;
	if (*stamp > r->c->last_stamp)
		r->c->last_stamp = *stamp;
	/* an attendee takes himself out; the others see him as declined */
	if (a != NULL && o->organizer > 0 && o->organizer != r->u->id && e->user == r->u->id && e->f->owner == r->u->id && at == NULL) {
		a->conf = 2;
		free(a->msg);
		a->msg = NULL;
		a->hidden = true;
		events_only(r->u->id);
		*stamp = obj_touch(r->c, o, r->u->id, *stamp);
		ent_drop(e, *stamp);
		return true;
	}
	if (at != NULL && cal_is_master(o)) {
		struct obj *x = cal_exception_at(r->c, o, at->rdate);

		if (x != NULL)
			obj_drop(r->c, x, *stamp);
		cal_day_del(o->chg, &o->nchg, at->rdate);
		cal_day_add(&o->del, &o->ndel, at->rdate);
		o->sequence++;
		*stamp = obj_touch(r->c, o, r->u->id, *stamp);
		return true;
	}
	if (cal_is_master(o)) {
		struct folder *home = cal_home(o);
		int series = o->id;

		obj_drop(r->c, o, *stamp);
		drop_exceptions(r, home, series, *stamp);
		return true;
	}
	if (o->series != 0 && (m = obj_get(r->c, M_CALENDAR, o->series)) != NULL) {
		cal_day_del(m->chg, &m->nchg, o->rdate);
		cal_day_add(&m->del, &m->ndel, o->rdate);
		m->sequence++;
		*stamp = obj_touch(r->c, m, r->u->id, *stamp);
	}
	obj_drop(r->c, o, *stamp);
	return true;
}

/* --- conflicts ---------------------------------------------------------------------------- */

bool
cal_has_resource(const struct obj *o, int id)
{
	int i;

	for (i = 0; i < o->npart; i++)
		if (o->part[i].type == PT_RESOURCE && o->part[i].id == id)
			return true;
	return false;
}

static bool
shares_resource(const struct obj *a, const struct obj *b)
{
	int i;

	for (i = 0; i < a->npart; i++)
		if (a->part[i].type == PT_RESOURCE && cal_has_resource(b, a->part[i].id))
			return true;
	return false;
}

/* busy for somebody who takes part in both */
static bool
shares_user(const struct obj *a, const struct obj *b)
{
	int i;

	for (i = 0; i < a->natt; i++) {
		const struct attendee *x = att_of(b, a->att[i].id);

		if (x != NULL && x->conf != 2 && !x->hidden)
			return true;
	}
	return false;
}

static bool
overlaps(const struct obj *x, int64_t s, int64_t e, struct occ *at)
{
	struct occ *v;
	int n, i;
	bool hit = false;

	if (!cal_is_master(x)) {
		*at = (struct occ){ cal_start(x), cal_end(x), 0, 0 };
		return at->start < e && at->end > s;
	}
	n = cal_occurrences(x, e, 2000, false, &v);
	for (i = 0; i < n && !hit; i++)
		if (v[i].start < e && v[i].end > s) {
			*at = v[i];
			hit = true;
		}
	free(v);
	return hit;
}

static void
put_clash(struct req *r, const struct clash *c, const struct obj *mine)
{
	struct sb *b = r->out;
	const struct ent *e = NULL, *x;
	int i;
	bool first = true;

	for (x = c->o->ents; x != NULL && e == NULL; x = x->onext)
		if (perm_read(perm_bits(r->c, x->f, r->u->id)) > 0)
			e = x;
	sb_printf(b, "{\"created_by\":%d,\"id\":%d", c->o->created_by, c->o->id);
	if (e != NULL && !cal_veiled(r, c->o)) {
		char *t = obj_str(c->o, CF(CF_TITLE));

		sb_printf(b, ",\"folder_id\":%d,\"title\":", e->f->id);
		sb_js(b, t);
		free(t);
	}
	sb_printf(b, ",\"color_label\":%d,\"full_time\":%s,\"confirmations\":[],\"start_date\":%lld,\"end_date\":%lld,"
	    "\"shown_as\":1,\"recurrence_type\":%d,\"participants\":[", (int)obj_int(c->o, fld_by_name(&MI_CALENDAR,
	    "color_label"), 0), cal_full(c->o) ? "true" : "false",
	    (long long)(cal_full(c->o) ? c->at.start : shift(r, c->at.start)),
	    (long long)(cal_full(c->o) ? c->at.end : shift(r, c->at.end)), (int)obj_int(c->o, CF(CF_RTYPE), 0));
	for (i = 0; i < mine->npart && c->hard; i++)
		if (mine->part[i].type == PT_RESOURCE && cal_has_resource(c->o, mine->part[i].id)) {
			sb_printf(b, "%s{\"id\":%d,\"type\":3}", first ? "" : ",", mine->part[i].id);
			first = false;
		}
	for (i = 0; i < mine->natt && !c->hard; i++) {
		const struct attendee *a = att_of(c->o, mine->att[i].id);

		if (a == NULL || a->conf == 2)
			continue;
		sb_printf(b, "%s{\"id\":%d,\"type\":1,\"confirmation\":%d}", first ? "" : ",", a->id, a->conf);
		first = false;
	}
	sb_str(b, "]");
	if (!cal_full(c->o)) {
		sb_str(b, ",\"timezone\":");
		sb_js(b, tz_name(cal_zone(c->o)));
	}
	sb_str(b, c->hard ? ",\"hard_conflict\":true}" : "}");
}

/* MINE, or one of its next occurrences, at the time of X; *AT is X's */
static bool
meets(const struct obj *mine, const struct obj *x, struct occ *at)
{
	struct occ *v;
	int n, i;
	bool hit = false;

	if (obj_int(mine, CF(CF_RTYPE), 0) == 0)
		return overlaps(x, cal_start(mine), cal_end(mine), at);
	n = cal_occurrences(mine, FAR, 100, false, &v);
	for (i = 0; i < n && !hit; i++)
		hit = v[i].end > sim_now() && overlaps(x, v[i].start, v[i].end, at);
	free(v);
	return hit;
}

int
cal_clashes(struct req *r, const struct obj *o, bool ignore_soft, struct clash *hits, int max)
{
	GHashTableIter it;
	gpointer v;
	int n = 0, i;
	bool res = false, series = obj_int(o, CF(CF_RTYPE), 0) != 0;

	for (i = 0; i < o->npart; i++)
		res = res || o->part[i].type == PT_RESOURCE;
	/* an appointment of one person collides with nothing */
	if (obj_int(o, CF(CF_SHOWN), 1) == 4 || ((ignore_soft || o->natt < 2) && !res) || (!series && cal_end(o) <= sim_now()))
		return 0;
	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (n < max && g_hash_table_iter_next(&it, NULL, &v)) {
		struct obj *x = v;
		bool hard;

		if (x->id == o->id || (o->series != 0 && x->series == o->series) ||
		    obj_int(x, CF(CF_SHOWN), 1) == 4)
			continue;
		if (!meets(o, x, &hits[n].at))
			continue;
		hard = res && shares_resource(o, x);
		if (!hard && (ignore_soft || !shares_user(o, x)))
			continue;
		hits[n].o = x;
		hits[n++].hard = hard;
	}
	return n;
}

bool
cal_conflicts(struct req *r, const struct obj *o, bool ignore_soft)
{
	struct clash hits[50];
	int n, i;

	if (r->as_event)
		return event_conflicts(r, o, !ignore_soft);
	n = cal_clashes(r, o, ignore_soft, hits, 50);
	if (n == 0)
		return false;
	sb_str(r->out, "{\"conflicts\":[");
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		put_clash(r, &hits[i], o);
	}
	sb_str(r->out, "]}");
	return true;
}
