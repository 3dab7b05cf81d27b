/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module chronos: the actions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

static struct folder *
event_folder(struct req *r, const char *id)
{
	struct folder *f;
	int n;

	if (strncmp(id, "cal://0/", 8) != 0) {
		fail(r, "CAL-4060", json_pack("[s]", id));
		return NULL;
	}
	f = folder_id_parse(id + 8, &n) ? folder_get(r->c, n) : NULL;
	if (f == NULL || f->m != M_CALENDAR) {
		fail(r, "CAL-4045", json_pack("[s]", id));
		return NULL;
	}
	if (perm_read(perm_bits(r->c, f, r->u->id)) < 1) {
		fail(r, "CAL-4030", json_pack("[s]", id));
		return NULL;
	}
	return f;
}

static struct folder *
folder_arg(struct req *r)
{
	const char *s = need(r, "folder");

	return s ? event_folder(r, s) : NULL;
}

static struct ent *
event_of(struct req *r, const char *id, struct folder *f)
{
	int64_t n = 0;
	struct obj *o = NULL;
	struct ent *e;

	if (parse_i64(id, &n) && n > 0 && n <= INT32_MAX)
		o = obj_get(r->c, M_CALENDAR, (int)n);
	e = o ? obj_in(o, f) : NULL;
	if (e == NULL || !cal_readable(r, e)) {
		fail(r, "CAL-4040", json_pack("[s]", id));
		return NULL;
	}
	return e;
}

/* "20261214T080000Z", "Europe/Berlin:20261214T090000", "20261214" */
static bool
occurrence(struct req *r, const struct obj *o, const char *rid, struct occ *at)
{
	const char *colon = strrchr(rid, ':');
	int64_t t;
	bool day, z, ok = cal_is_master(o);
	char id[16];

	ok = ok && event_stamp(colon ? colon + 1 : rid, &t, &day, &z);
	if (ok && z && !cal_full(o))
		t += tz_offset(cal_zone(o), t);
	if (ok)
		t = t / DAY_MS * DAY_MS;
	if (ok && cal_occ_find(o, 0, t, at) && !cal_day_in(o->del, o->ndel, t))
		return true;
	(void)snprintf(id, sizeof(id), "%d", o->id);
	fail(r, "CAL-4042", json_pack("[s,s]", id, rid));
	return false;
}

static gchar **
fields_arg(const struct req *r)
{
	const char *s = arg(r, "fields");

	return s && *s ? g_strsplit(s, ",", -1) : NULL;
}

/* rangeStart, rangeEnd; both or none unless required */
static bool
range(struct req *r, bool required, int64_t *from, int64_t *to)
{
	bool day, z;

	*from = INT64_MIN;
	*to = INT64_MAX;
	if (arg(r, "rangeStart") == NULL && arg(r, "rangeEnd") == NULL && !required)
		return true;
	if (need(r, "rangeStart") == NULL || need(r, "rangeEnd") == NULL)
		return false;
	if (event_stamp(arg(r, "rangeStart"), from, &day, &z) && event_stamp(arg(r, "rangeEnd"), to, &day, &z))
		return true;
	fail(r, "SVL-0010", json_pack("[s,s]", "rangeStart", arg(r, "rangeStart")));
	return false;
}

static void
add_event(struct crows *w, struct ent *e, int64_t from, int64_t to, bool expand)
{
	struct occ *v;
	int n, i;

	if (!cal_is_master(e->o)) {
		if (cal_start(e->o) < to && cal_end(e->o) > from)
			crows_add(w, e, NULL);
		return;
	}
	if (!expand && to == INT64_MAX) {
		crows_add(w, e, NULL);
		return;
	}
	n = cal_occurrences(e->o, to, 10000, !expand, &v);
	for (i = 0; i < n; i++) {
		if (v[i].end <= from || v[i].start >= to)
			continue;
		crows_add(w, e, expand ? &v[i] : NULL);
		if (!expand)
			break;
	}
	free(v);
}

static int
crow_cmp(const void *a, const void *b)
{
	const struct crow *x = a, *y = b;

	if (x->e->o->id != y->e->o->id)
		return x->e->o->id - y->e->o->id;
	return x->occ.pos - y->occ.pos;
}

static void
put_events(struct req *r, const struct crows *w, gchar **fields, int64_t *ts)
{
	size_t i;

	sb_ch(r->out, '[');
	for (i = 0; i < w->n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		event_put(r, w->v[i].e, w->v[i].on ? &w->v[i].occ : NULL, fields);
		if (w->v[i].e->o->lm > *ts)
			*ts = w->v[i].e->o->lm;
	}
	sb_ch(r->out, ']');
}

static void
folder_events(struct req *r, struct folder *f, int64_t from, int64_t to, gchar **fields, int64_t *ts)
{
	struct crows w = { 0 };
	uint32_t i;

	for (i = 0; i < f->n; i++)
		if (cal_readable(r, f->item[i]))
			add_event(&w, f->item[i], from, to, arg_true(r, "expand"));
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), crow_cmp);
	put_events(r, &w, fields, ts);
	free(w.v);
}

static void
many_folders(struct req *r, int64_t from, int64_t to, gchar **fields)
{
	json_t *o = body_object(r), *v;
	size_t i;
	int64_t all = 0, ts;

	if (o == NULL)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(json_object_get(o, "folders"), i, v) {
		const char *id = json_is_string(v) ? json_string_value(v) : "";
		struct folder *f = event_folder(r, id);

		sb_str(r->out, i ? ",{\"folder\":" : "{\"folder\":");
		sb_js(r->out, id);
		if (f == NULL) {
			char *t = json_dumps(r->err, JSON_COMPACT);

			sb_str(r->out, ",\"error\":");
			sb_str(r->out, t);
			sb_ch(r->out, '}');
			free(t);
			json_decref(r->err);
			r->err = NULL;
			r->failed = false;
			continue;
		}
		ts = 0;
		sb_str(r->out, ",\"events\":");
		folder_events(r, f, from, to, fields, &ts);
		sb_printf(r->out, ",\"timestamp\":%lld}", (long long)ts);
		all = ts > all ? ts : all;
	}
	sb_ch(r->out, ']');
	set_ts(r, all);
}

void
chronos_all(struct req *r)
{
	int64_t from, to, ts = 0;
	struct folder *f;
	gchar **fields;

	if (!range(r, true, &from, &to))
		return;
	fields = fields_arg(r);
	if (r->blen > 0 || (r->in_multiple && r->j != NULL)) {
		many_folders(r, from, to, fields);
	} else if (arg(r, "folder") == NULL) {
		f = folder_get(r->c, r->u->f_cal);
		if (f != NULL)
			folder_events(r, f, from, to, fields, &ts);
		set_ts(r, ts);
	} else if ((f = folder_arg(r)) != NULL) {
		folder_events(r, f, from, to, fields, &ts);
		set_ts(r, ts);
	}
	g_strfreev(fields);
}

void
chronos_get(struct req *r)
{
	const char *id, *rid = arg(r, "recurrenceId");
	struct folder *f;
	struct ent *e;
	struct occ at;
	gchar **fields;

	if ((id = need(r, "id")) == NULL || (f = folder_arg(r)) == NULL || (e = event_of(r, id, f)) == NULL)
		return;
	if (rid != NULL && cal_is_master(e->o)) {
		struct obj *x;

		if (!occurrence(r, e->o, rid, &at))
			return;
		x = cal_exception_at(r->c, e->o, at.rdate);
		if (x != NULL && obj_in(x, f) != NULL) {
			e = obj_in(x, f);
			rid = NULL;
		}
	} else {
		rid = NULL;
	}
	fields = fields_arg(r);
	event_put(r, e, rid ? &at : NULL, fields);
	set_ts(r, e->o->lm);
	g_strfreev(fields);
}

void
chronos_list(struct req *r)
{
	json_t *a = body_array(r), *it;
	gchar **fields = fields_arg(r);
	size_t i;

	if (a != NULL) {
		sb_ch(r->out, '[');
		json_array_foreach(a, i, it) {
			const char *id = json_string_value(json_object_get(it, "id"));
			const char *fid = json_string_value(json_object_get(it, "folder"));
			struct folder *f = fid ? event_folder(r, fid) : NULL;
			struct ent *e = f && id ? event_of(r, id, f) : NULL;

			if (i > 0)
				sb_ch(r->out, ',');
			if (e == NULL) {
				sb_str(r->out, "null");
				json_decref(r->err);
				r->err = NULL;
				r->failed = false;
				continue;
			}
			event_put(r, e, NULL, fields);
			max_ts(r, e->o->lm);
		}
		sb_ch(r->out, ']');
	}
	g_strfreev(fields);
}

static int
lm_cmp(const void *a, const void *b)
{
	const struct crow *x = a, *y = b;

	if (x->e->o->lm != y->e->o->lm)
		return x->e->o->lm < y->e->o->lm ? -1 : 1;
	return crow_cmp(a, b);
}

void
chronos_updates(struct req *r)
{
	struct folder *f;
	struct ent *e;
	struct crows w = { 0 };
	int64_t since, from, to, ts;
	gchar **fields;
	uint32_t k;
	bool first = true;

	if (need(r, "folder") == NULL || !need_i64(r, "timestamp", &since) || (f = folder_arg(r)) == NULL ||
	    !range(r, false, &from, &to))
		return;
	fields = fields_arg(r);
	ts = since;
	for (e = f->tail; e != NULL && e->o->lm > since; e = e->prev)
		if (cal_readable(r, e))
			add_event(&w, e, from, to, arg_true(r, "expand") && to != INT64_MAX);
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), lm_cmp);
	sb_str(r->out, "{\"newAndModified\":");
	put_events(r, &w, fields, &ts);
	sb_str(r->out, ",\"deleted\":[");
	for (k = f->ntomb; k > 0 && f->tomb[k - 1].stamp > since; k--)
		;
	for (; k < f->ntomb; k++) {
		struct obj *o = obj_get(r->c, M_CALENDAR, f->tomb[k].id);

		if (o != NULL && obj_in(o, f) != NULL)
			continue;
		sb_printf(r->out, "%s{\"id\":\"%d\"", first ? "" : ",", f->tomb[k].id);
		if (fields == NULL || g_strv_contains((const gchar *const *)fields, "folder"))
			sb_printf(r->out, ",\"folder\":\"cal://0/%d\"", f->id);
		if (fields == NULL || g_strv_contains((const gchar *const *)fields, "timestamp"))
			sb_printf(r->out, ",\"timestamp\":%lld", (long long)f->tomb[k].stamp);
		sb_ch(r->out, '}');
		first = false;
		ts = f->tomb[k].stamp > ts ? f->tomb[k].stamp : ts;
	}
	sb_str(r->out, "]}");
	set_ts(r, ts);
	free(w.v);
	g_strfreev(fields);
}

/* --- writing ------------------------------------------------------------------------- */

static bool
conflicts(struct req *r, const struct obj *o, bool soft)
{
	struct clash hits[50];
	int n = cal_clashes(r, o, !soft, hits, 50), i, k;

	if (n == 0)
		return false;
	r->out->len = r->mark;
	sb_str(r->out, "{\"conflicts\":[");
	for (i = 0; i < n; i++) {
		bool first = true;

		sb_printf(r->out, "%s{\"hard_conflict\":%s,\"conflicting_attendees\":[", i ? "," : "", hits[i].hard ? "true" : "false");
		for (k = 0; k < o->npart && hits[i].hard; k++) {
			const struct resource *x = o->part[k].type == PT_RESOURCE && cal_has_resource(hits[i].o, o->part[k].id) ?
			    res_by_id(r->c, o->part[k].id) : NULL;

			if (x == NULL)
				continue;
			sb_printf(r->out, "%s{\"uri\":\"mailto:%s\",\"cn\":", first ? "" : ",", x->mail);
			sb_js(r->out, x->display);
			sb_printf(r->out, ",\"email\":\"%s\",\"entity\":%d}", x->mail, x->id);
			first = false;
		}
		for (k = 0; k < o->natt && soft; k++) {
			const struct attendee *a = att_of(hits[i].o, o->att[k].id);

			if (a == NULL || a->conf == 2)
				continue;
			if (!first)
				sb_ch(r->out, ',');
			event_put_user(r, user_by_id(r->c, a->id));
			first = false;
		}
		sb_str(r->out, "],\"event\":");
		event_put_conflict(r, &hits[i]);
		sb_ch(r->out, '}');
	}
	sb_str(r->out, "]}");
	return true;
}

static struct obj *
uid_taken(const struct req *r, const json_t *ev)
{
	const char *uid = json_string_value(json_object_get(ev, "uid"));
	GHashTableIter it;
	gpointer v;
	struct sb b = { 0 };
	struct obj *hit = NULL;

	if (uid == NULL)
		return NULL;
	sb_js(&b, uid);
	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (hit == NULL && g_hash_table_iter_next(&it, NULL, &v)) {
		const struct fv *f = obj_fv(v, CF(CF_UID));

		if (f != NULL && f->len == b.len && memcmp(f->t, b.p, b.len) == 0)
			hit = v;
	}
	sb_free(&b);
	return hit;
}

static void
result_one(struct req *r, const char *which, struct ent *e, bool expand)
{
	static const char *const names[] = { "created", "updated", "deleted" };
	gchar **fields = fields_arg(r);
	int i;

	sb_ch(r->out, '{');
	for (i = 0; i < 3; i++) {
		sb_printf(r->out, "%s\"%s\":[", i ? "," : "", names[i]);
		if (strcmp(names[i], which) == 0 && e != NULL) {
			struct crows w = { 0 };
			int64_t from, to, ts = 0;
			struct sb *b = r->out;

			if (expand && range(r, true, &from, &to)) {
				add_event(&w, e, from, to, true);
				b->len--;
				put_events(r, &w, fields, &ts);
				b->len--;
			} else {
				event_put(r, e, NULL, fields);
			}
			free(w.v);
		}
		sb_ch(r->out, ']');
	}
	sb_ch(r->out, '}');
	g_strfreev(fields);
}

/* the files of an upload */
static void
event_attach(struct req *r, struct obj *o)
{
	size_t i;

	for (i = 0; i < r->npart; i++) {
		const struct part *p = &r->part[i];
		struct attach *a;

		if (strncmp(p->name, "file", 4) != 0)
			continue;
		o->at = xrealloc(o->at, sizeof(*o->at) * (size_t)(o->nat + 1));
		a = &o->at[o->nat++];
		memset(a, 0, sizeof(*a));
		a->id = r->c->next_attach++;
		a->name = xstrdup(p->filename ? p->filename : "file");
		a->type = xstrdup(p->type ? p->type : "application/octet-stream");
		a->data = blob_new(p->p, p->n);
		a->by = r->u->id;
		a->created = o->at_lm = o->lm;
	}
}

void
chronos_new(struct req *r)
{
	struct folder *f = folder_arg(r);
	json_t *ev = f ? body_object(r) : NULL, *fields;
	struct obj *o, *other;
	const char *fid = arg(r, "folder");
	char id[16];

	if (ev == NULL)
		return;
	/* uploads wrap the event */
	if (r->npart > 0 && json_is_object(json_object_get(ev, "event")))
		ev = json_object_get(ev, "event");
	if (!may_create(r->c, f, r->u->id)) {
		fail(r, "CAL-4031", json_pack("[s]", fid));
		return;
	}
	if ((fields = event_fields(r, ev, true)) == NULL)
		return;
	if ((other = uid_taken(r, ev)) != NULL) {
		(void)snprintf(id, sizeof(id), "%d", other->id);
		fail(r, "CAL-4090", json_pack("[O,s,s]", json_object_get(ev, "uid"), fid, id));
		json_decref(fields);
		return;
	}
	r->zone = tz_get("UTC");
	o = xcalloc(1, sizeof(*o));
	o->m = M_CALENDAR;
	o->created_by = o->modified_by = r->u->id;
	if (cal_apply(r, o, f, fields, true) && event_extra(r, o, f, ev, true) &&
	    !conflicts(r, o, arg_true(r, "checkConflicts"))) {
		cal_store(r, o, f, stamp_new(r->c));
		event_attach(r, o);
		result_one(r, "created", obj_in(o, f), arg_true(r, "expand") && cal_is_master(o));
		set_ts(r, o->lm);
	} else {
		obj_free(o);
	}
	json_decref(fields);
}

static bool
changeable(struct req *r, const struct ent *e, const json_t *ev)
{
	const struct obj *o = e->o;
	const char *k, *fid = arg(r, "folder");
	json_t *v;
	char id[16], *uri, *mail, *name;
	bool own = true;

	json_object_foreach((json_t *)(uintptr_t)ev, k, v)
		if (strcmp(k, "alarms") != 0 && strcmp(k, "color") != 0 && strcmp(k, "categories") != 0 &&
		    strcmp(k, "id") != 0 && strcmp(k, "folder") != 0 && strcmp(k, "extendedProperties") != 0)
			own = false;
	if (!may_write(r->c, e->f, r->u->id, o->created_by)) {
		fail(r, "CAL-4031", json_pack("[s]", fid));
		return false;
	}
	if (own || e->user == 0 || e->user == o->organizer)
		return true;
	mail = cal_organizer_mail(r->c, o);
	name = cal_organizer_name(r->c, o);
	uri = xprintf("mailto:%s", mail ? mail : "");
	(void)snprintf(id, sizeof(id), "%d", o->id);
	fail(r, "CAL-4038", json_pack("[s,s,s,s]", fid, id, uri, name ? name : ""));
	free(uri);
	free(mail);
	free(name);
	return false;
}

/* the rule of m that ends right before an instant */
static char *
rule_until(const struct obj *m, int64_t utc)
{
	char *all = event_rrule(m);
	gchar **v = g_strsplit(all ? all : "", ";", -1), **p;
	GDateTime *d = g_date_time_new_from_unix_utc(utc / 1000 - (cal_full(m) ? 86400 : 1));
	gchar *end = g_date_time_format(d, cal_full(m) ? "%Y%m%d" : "%Y%m%dT%H%M%SZ");
	struct sb b = { 0 };

	for (p = v; *p != NULL; p++)
		if (!g_str_has_prefix(*p, "COUNT=") && !g_str_has_prefix(*p, "UNTIL="))
			sb_printf(&b, "%s;", *p);
	sb_printf(&b, "UNTIL=%s", end);
	g_free(end);
	g_date_time_unref(d);
	g_strfreev(v);
	free(all);
	return sb_cstr(&b);
}

/* cuts a series: what lies before the occurrence becomes a series of its own */
static struct obj *
split(struct req *r, struct obj *m, const struct occ *at, int64_t stamp)
{
	struct obj *p = xcalloc(1, sizeof(*p));
	char uuid[37];
	struct rule_spec s = cal_spec(m);
	int i, before = at->pos - 1;
	int64_t d = cal_end(m) - cal_start(m);
	char *rule, *uid = obj_str(m, CF(CF_UID)), *ext = xprintf("{\"X-OX-SPLIT-FROM\":{\"value\":\"%s\"}}", uid ? uid : "");

	p->m = M_CALENDAR;
	p->created_by = p->modified_by = r->u->id;
	obj_copy_fields(p, m);
	gen_uuid(uuid);
	obj_set_str(p, CF(CF_UID), uuid);
	rule = rule_until(m, at->start);
	obj_set_str(p, fld_by_name(&MI_CALENDAR, "_rrule"), rule);
	free(rule);
	obj_set(p, fld_by_name(&MI_CALENDAR, "_extprops"), ext, strlen(ext));
	obj_set(p, CF(CF_OCC), NULL, 0);
	obj_set_int(p, CF(CF_UNTIL), at->rdate - DAY_MS);
	p->organizer = m->organizer;
	for (i = 0; i < m->npart; i++)
		(void)part_add(p, m->part[i].type, m->part[i].id, m->part[i].mail, m->part[i].name);
	parts_resolve(r->c, p, p->organizer);
	for (i = 0; i < p->natt; i++) {
		const struct attendee *a = att_of(m, p->att[i].id);

		p->att[i].conf = a ? a->conf : 0;
		p->att[i].alarm = a ? a->alarm : -1;
	}
	cal_store(r, p, cal_home(m), stamp);
	obj_set_int(m, CF(CF_START), at->start);
	obj_set_int(m, CF(CF_END), at->start + d);
	if (s.occurrences > 0)
		obj_set_int(m, CF(CF_OCC), s.occurrences - before);
	free(ext);
	ext = xprintf("{\"X-OX-SPLIT-FROM\":{\"value\":\"%s\"}}", uuid);
	obj_set(m, fld_by_name(&MI_CALENDAR, "_extprops"), ext, strlen(ext));
	if (s.occurrences > 0)
		obj_set(m, fld_by_name(&MI_CALENDAR, "_rrule"), NULL, 0);
	free(uid);
	free(ext);
	return p;
}

static void
put_change(struct req *r, struct ent *made, struct ent *changed)
{
	gchar **fields = fields_arg(r);

	sb_str(r->out, "{\"created\":[");
	if (made != NULL)
		event_put(r, made, NULL, fields);
	sb_str(r->out, "],\"updated\":[");
	if (changed != NULL)
		event_put(r, changed, NULL, fields);
	sb_str(r->out, "],\"deleted\":[]}");
	g_strfreev(fields);
}

void
chronos_update(struct req *r)
{
	const char *id, *rid = arg(r, "recurrenceId");
	json_t *body, *ev, *fields;
	struct folder *f;
	struct ent *e;
	struct obj *m, *x = NULL;
	struct occ at;
	int64_t t, stamp;
	bool made = false, future = g_strcmp0(arg(r, "recurrenceRange"), "THISANDFUTURE") == 0;

	if ((id = need(r, "id")) == NULL || need(r, "folder") == NULL || !need_i64(r, "timestamp", &t) ||
	    (body = body_object(r)) == NULL || (f = folder_arg(r)) == NULL || (e = event_of(r, id, f)) == NULL)
		return;
	ev = json_is_object(json_object_get(body, "event")) ? json_object_get(body, "event") : body;
	if (!changeable(r, e, ev))
		return;
	m = e->o;
	if (m->lm > t) {
		fail(r, "CAL-4120", json_pack("[s,I,I]", id, (json_int_t)t, (json_int_t)m->lm));
		return;
	}
	if (rid != NULL && cal_is_master(m) && !occurrence(r, m, rid, &at))
		return;
	if (rid != NULL && !cal_is_master(m))
		rid = NULL;
	if ((fields = event_fields(r, ev, false)) == NULL)
		return;
	r->zone = tz_get("UTC");
	if (rid != NULL && future) {
		x = at.pos > 1 ? split(r, m, &at, stamp_new(r->c)) : NULL;
		rid = NULL;
	} else if (rid != NULL) {
		x = cal_exception_at(r->c, m, at.rdate);
		made = x == NULL;
		if (made)
			x = cal_exception(r, m, &at, stamp_new(r->c));
	}
	json_object_set_new(fields, "ignore_conflicts", json_true());
	stamp = cal_change(r, rid ? x : m, f, fields, rid ? m : NULL);
	json_decref(fields);
	if (stamp == 0) {
		if (made) {
			cal_day_del(m->chg, &m->nchg, at.rdate);
			obj_drop(r->c, x, x->lm);
		}
		return;
	}
	(void)event_extra(r, rid ? x : m, f, ev, false);
	if (x != NULL && !rid) {
		stamp = obj_touch(r->c, x, 0, stamp);
		x->created = stamp;
	}
	if (made)
		x->created = stamp;
	put_change(r, made || future ? (x ? obj_in(x, f) : NULL) : NULL, rid && !made ? obj_in(x, f) : obj_in(m, f));
	set_ts(r, stamp);
}

static int
conf_of(const char *s)
{
	static const char *const names[] = { "NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE" };
	int i;

	for (i = 0; s != NULL && i < 4; i++)
		if (strcmp(s, names[i]) == 0)
			return i;
	return 0;
}

void
chronos_update_attendee(struct req *r)
{
	const char *id, *uri, *msg;
	json_t *body, *at, *al;
	struct folder *f;
	struct ent *e;
	struct attendee *a;
	const struct user *u;
	int64_t t;
	int entity = r->u->id;

	if ((id = need(r, "id")) == NULL || need(r, "folder") == NULL || !need_i64(r, "timestamp", &t) ||
	    (body = body_object(r)) == NULL || (f = folder_arg(r)) == NULL || (e = event_of(r, id, f)) == NULL)
		return;
	if (e->o->lm > t) {
		fail(r, "CAL-4120", json_pack("[s,I,I]", id, (json_int_t)t, (json_int_t)e->o->lm));
		return;
	}
	at = json_object_get(body, "attendee");
	uri = json_string_value(json_object_get(at, "uri"));
	if (!json_id(json_object_get(at, "entity"), &entity) && uri != NULL &&
	    g_ascii_strncasecmp(uri, "mailto:", 7) == 0 && (u = user_by_mail(r->c, uri + 7)) != NULL)
		entity = u->id;
	a = att_of(e->o, entity);
	if (a == NULL) {
		fail(r, "CAL-4043", json_pack("[i,s]", entity, id));
		return;
	}
	a->conf = conf_of(json_string_value(json_object_get(at, "partStat")));
	msg = json_string_value(json_object_get(at, "comment"));
	if (msg != NULL) {
		free(a->msg);
		a->msg = xstrdup(msg);
	}
	if ((al = json_object_get(body, "alarms")) != NULL) {
		json_t *only = json_pack("{s:O}", "alarms", al);

		(void)event_extra(r, e->o, f, only, false);
		json_decref(only);
	}
	set_ts(r, obj_touch(r->c, e->o, r->u->id, stamp_new(r->c)));
	put_change(r, NULL, e);
}

static void
delete_one(struct req *r, const json_t *it, int64_t t)
{
	const char *id = json_string_value(json_object_get(it, "id")), *fid = json_string_value(json_object_get(it, "folder"));
	const char *rid = json_string_value(json_object_get(it, "recurrenceId"));
	struct folder *f = event_folder(r, fid ? fid : "");
	struct ent *e = f ? event_of(r, id ? id : "", f) : NULL;
	struct occ at;
	struct sb gone = { 0 }, *out = r->out;
	int64_t stamp = 0;
	bool whole;
	int n;

	sb_str(out, "{\"folderId\":");
	sb_js(out, fid);
	sb_str(out, ",\"id\":");
	sb_js(out, id);
	if (rid != NULL) {
		sb_str(out, ",\"recurrenceId\":");
		sb_js(out, rid);
	}
	if (e != NULL && !may_delete(r->c, f, r->u->id, e->o->created_by))
		fail(r, "CAL-4032", json_pack("[s]", fid));
	else if (e != NULL && e->o->lm > t)
		fail(r, "CAL-4120", json_pack("[s,I,I]", id, (json_int_t)t, (json_int_t)e->o->lm));
	else if (e != NULL && rid != NULL && cal_is_master(e->o))
		(void)occurrence(r, e->o, rid, &at);
	if (r->failed) {
		char *err = json_dumps(r->err, JSON_COMPACT);

		max_ts(r, 0);
		sb_str(out, ",\"timestamp\":0,\"error\":");
		sb_str(out, err);
		sb_ch(out, '}');
		free(err);
		json_decref(r->err);
		r->err = NULL;
		r->failed = false;
		return;
	}
	whole = rid == NULL || !cal_is_master(e->o);
	r->out = &gone;
	event_put(r, e, NULL, NULL);
	n = e->o->id;
	r->out = out;
	(void)cal_remove(r, e, whole ? NULL : &at, &stamp);
	sb_printf(out, ",\"timestamp\":%lld,\"created\":[],\"updated\":[", (long long)stamp);
	if (!whole && (e = obj_in(obj_get(r->c, M_CALENDAR, n), f)) != NULL)
		event_put(r, e, NULL, NULL);
	sb_str(out, "],\"deleted\":[");
	if (whole)
		sb_put(out, gone.p, gone.len);
	sb_str(out, "]}");
	sb_free(&gone);
	max_ts(r, stamp);
}

/* one result object per event; an error belongs to its event only */
void
chronos_delete(struct req *r)
{
	json_t *a = body_array(r), *it;
	int64_t t;
	size_t i;

	if (a == NULL || !need_i64(r, "timestamp", &t))
		return;
	sb_ch(r->out, '[');
	json_array_foreach(a, i, it) {
		if (i > 0)
			sb_ch(r->out, ',');
		delete_one(r, it, t);
	}
	sb_ch(r->out, ']');
}

/* --- invitations, free and busy ------------------------------------------------------------ */

void
chronos_needs_action(struct req *r)
{
	struct folder *f = folder_get(r->c, r->u->f_cal);
	struct crows w = { 0 };
	int64_t from, to, ts = 0;
	gchar **fields;
	uint32_t i;

	if (!range(r, false, &from, &to))
		return;
	fields = fields_arg(r);
	for (i = 0; f != NULL && i < f->n; i++) {
		const struct attendee *a = att_of(f->item[i]->o, r->u->id);

		if (a != NULL && a->conf == 0 && !a->hidden)
			add_event(&w, f->item[i], from, to, false);
	}
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), crow_cmp);
	put_events(r, &w, fields, &ts);
	if (w.n > 0)
		set_ts(r, ts);
	free(w.v);
	g_strfreev(fields);
}

/* SVL-0011: the server takes the id for a number */
void
chronos_resolve(struct req *r)
{
	const char *id = need(r, "id");
	int64_t n;
	struct obj *o;

	if (id == NULL)
		return;
	if (!parse_i64(id, &n)) {
		fail(r, "SVL-0011", json_pack("[s]", "not a number"));
		return;
	}
	o = n > 0 && n <= INT32_MAX ? obj_get(r->c, M_CALENDAR, (int)n) : NULL;
	if (o == NULL || o->ents == NULL)
		fail(r, "CAL-4040", json_pack("[s]", id));
	else
		event_put(r, o->ents, NULL, NULL);
}

static void
busy_of(struct req *r, int user, int resource, int64_t from, int64_t to)
{
	static const char *const some[] = { "folder", "createdBy", "uid", "startDate", "endDate", "transp", "summary", "id",
	    "seriesId", "recurrenceId", "status", "class", NULL };
	GHashTableIter it;
	gpointer v;
	struct crows w = { 0 };
	size_t i;

	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct obj *o = v;
		const struct attendee *a = user ? att_of(o, user) : NULL;

		if (o->ents != NULL && ((a != NULL && a->conf != 2) || (resource && cal_has_resource(o, resource))))
			add_event(&w, o->ents, from, to, true);
	}
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), crow_cmp);
	sb_ch(r->out, '[');
	for (i = 0; i < w.n; i++) {
		struct obj *o = w.v[i].e->o;
		const struct attendee *a = user ? att_of(o, user) : NULL;
		struct ent *e, *mine = NULL;

		for (e = o->ents; e != NULL && mine == NULL; e = e->onext)
			if (perm_read(perm_bits(r->c, e->f, r->u->id)) > 0)
				mine = e;
		sb_printf(r->out, "%s{\"startTime\":%lld,\"endTime\":%lld,\"fbType\":\"%s\"", i ? "," : "",
		    (long long)(w.v[i].on ? w.v[i].occ.start : cal_start(o)),
		    (long long)(w.v[i].on ? w.v[i].occ.end : cal_end(o)), obj_int(o, CF(CF_SHOWN), 1) == 4 ? "FREE" :
		    a && a->conf == 3 ? "BUSY-TENTATIVE" : "BUSY");
		if (mine != NULL) {
			sb_str(r->out, ",\"event\":");
			event_put(r, mine, w.v[i].on ? &w.v[i].occ : NULL, (gchar **)(uintptr_t)some);
		}
		sb_ch(r->out, '}');
	}
	sb_ch(r->out, ']');
	free(w.v);
}

void
chronos_freebusy(struct req *r)
{
	json_t *o = body_object(r), *a, *bad = NULL;
	int64_t from, to;
	bool day, z;
	size_t i;

	if (o == NULL || need(r, "from") == NULL || need(r, "until") == NULL)
		return;
	if (!event_stamp(arg(r, "from"), &from, &day, &z) || !event_stamp(arg(r, "until"), &to, &day, &z)) {
		fail(r, "SVL-0010", json_pack("[s,s]", "from", arg(r, "from")));
		return;
	}
	/* one unknown user spoils the whole answer with a warning at each */
	json_array_foreach(json_object_get(o, "attendees"), i, a) {
		const char *type = json_string_value(json_object_get(a, "cuType"));
		int id;
		char num[16];

		if (bad == NULL && json_id(json_object_get(a, "entity"), &id) && (type == NULL || strcmp(type, "INDIVIDUAL") == 0) &&
		    user_by_id(r->c, id) == NULL) {
			(void)snprintf(num, sizeof(num), "%d", id);
			bad = error_object("CAL-4034", json_pack("[s,i,s]", num, id, "INDIVIDUAL"));
		}
	}
	sb_ch(r->out, '[');
	json_array_foreach(json_object_get(o, "attendees"), i, a) {
		const char *type = json_string_value(json_object_get(a, "cuType"));
		const char *uri = json_string_value(json_object_get(a, "uri"));
		char *t = json_dumps(a, JSON_COMPACT);
		int id = 0;
		bool res = type != NULL && strcmp(type, "RESOURCE") == 0;
		const struct user *u;

		(void)json_id(json_object_get(a, "entity"), &id);
		if (id == 0 && uri != NULL && strncmp(uri, "mailto:", 7) == 0 && (u = user_by_mail(r->c, uri + 7)) != NULL)
			id = u->id;
		sb_printf(r->out, "%s{\"attendee\":%s,\"freeBusyTime\":", i ? "," : "", t);
		free(t);
		if (bad != NULL || (type != NULL && strcmp(type, "GROUP") == 0) || id == 0)
			sb_str(r->out, "[]");
		else
			busy_of(r, res ? 0 : id, res ? id : 0, from, to);
		if (bad != NULL) {
			t = json_dumps(bad, JSON_COMPACT);
			sb_printf(r->out, ",\"warnings\":[%s]", t);
			free(t);
		} else if (id == 0) {
			json_t *w = error_object("CAL-5033", json_pack("[s?]", uri));

			t = json_dumps(w, JSON_COMPACT);
			sb_printf(r->out, ",\"warnings\":[%s]", t);
			free(t);
			json_decref(w);
		}
		sb_ch(r->out, '}');
	}
	sb_ch(r->out, ']');
	json_decref(bad);
}

/* the alarms of the own calendar that are still to come */
void
chronos_pending(struct req *r)
{
	struct folder *f = folder_get(r->c, r->u->f_cal);
	int64_t to = INT64_MAX, now = sim_now();
	bool day, z, first = true;
	uint32_t i;

	if (arg(r, "rangeEnd") != NULL && !event_stamp(arg(r, "rangeEnd"), &to, &day, &z)) {
		fail(r, "SVL-0010", json_pack("[s,s]", "rangeEnd", arg(r, "rangeEnd")));
		return;
	}
	sb_ch(r->out, '[');
	for (i = 0; f != NULL && i < f->n; i++) {
		struct ent *e = f->item[i];
		const struct attendee *a = att_of(e->o, r->u->id);
		json_t *al;
		GDateTime *d;
		gchar *t;
		int64_t at;

		if (a == NULL || a->alarm < 0)
			continue;
		at = cal_start(e->o) - (int64_t)a->alarm * 60000;
		if (at < now || at >= to)
			continue;
		al = a->alarms ? json_loads(a->alarms, JSON_REJECT_DUPLICATES, NULL) : NULL;
		d = g_date_time_new_from_unix_utc(at / 1000);
		t = g_date_time_format(d, "%Y%m%dT%H%M%SZ");
		sb_printf(r->out, "%s{\"time\":\"%s\",\"folder\":\"cal://0/%d\",\"alarmId\":%d,\"eventId\":\"%d\",\"action\":\"DISPLAY\"}",
		    first ? "" : ",", t, f->id, al ? (int)json_integer_value(json_object_get(json_array_get(al, 0), "id")) :
		    e->o->id * 10 + a->id, e->o->id);
		first = false;
		g_free(t);
		g_date_time_unref(d);
		json_decref(al);
	}
	sb_ch(r->out, ']');
}
