/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module chronos: the actions that read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

struct folder *
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

struct folder *
event_folder_arg(struct req *r)
{
	const char *s = need(r, "folder");

	return s ? event_folder(r, s) : NULL;
}

struct ent *
event_by_id(struct req *r, const char *id, struct folder *f)
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
bool
event_occurrence(struct req *r, const struct obj *o, const char *rid, struct occ *at)
{
	const char *colon = strrchr(rid, ':');
	int64_t t;
	bool day, z, ok = cal_is_master(o);
	char id[16];

	ok = ok && event_stamp(colon ? colon + 1 : rid, &t, &day, &z);
	if (ok && !z && !day && !cal_full(o))
		t = tz_to_utc(cal_zone(o), t);
	if (ok && cal_occ_find(o, 0, t / DAY_MS * DAY_MS, at) && at->start == t && !cal_day_in(o->del, o->ndel, at->rdate))
		return true;
	(void)snprintf(id, sizeof(id), "%d", o->id);
	fail(r, "CAL-4042", json_pack("[s,s]", id, rid));
	return false;
}

gchar **
event_wanted(const struct req *r)
{
	const char *s = arg(r, "fields");

	return s && *s ? g_strsplit(s, ",", -1) : NULL;
}

/* rangeStart, rangeEnd; both or none unless required */
bool
event_range(struct req *r, bool required, int64_t *from, int64_t *to)
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

void
events_add(struct crows *w, struct ent *e, int64_t from, int64_t to, bool expand)
{
	struct occ *v;
	int n, i;

	if (!cal_is_master(e->o)) {
		if (cal_start(e->o) < to && cal_end(e->o) > from)
			crows_add(w, e, NULL);
		return;
	}
	/* mostly the first one is in the range: no need to count */
	if (!expand && (to == INT64_MAX || (cal_start(e->o) < to && cal_end(e->o) > from))) {
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

int
events_by_id(const void *a, const void *b)
{
	const struct crow *x = a, *y = b;

	if (x->e->o->id != y->e->o->id)
		return x->e->o->id - y->e->o->id;
	return x->occ.pos - y->occ.pos;
}

void
events_put(struct req *r, const struct crows *w, gchar **fields, int64_t *ts)
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

/* does a condition of advancedSearch hold? */
static bool
event_term(const struct obj *o, const json_t *t)
{
	static const char *const names[][2] = { { "summary", "title" }, { "description", "note" }, { "location", "location" }, { "categories", "categories" } };
	const char *op = json_string_value(json_array_get(t, 0)), *field, *want = json_string_value(json_array_get(t, 2));
	size_t i;
	bool ok = false;

	if (op == NULL)
		return true;
	if (strcmp(op, "and") == 0 || strcmp(op, "or") == 0) {
		for (i = 1; i < json_array_size(t); i++)
			if (event_term(o, json_array_get(t, i)) == (*op == 'o'))
				return *op == 'o';
		return *op == 'a';
	}
	field = json_string_value(json_object_get(json_array_get(t, 1), "field"));
	for (i = 0; field != NULL && want != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		char *s = strcmp(field, names[i][0]) == 0 ? obj_str(o, fld_by_name(&MI_CALENDAR, names[i][1])) : NULL;

		ok = ok || (s != NULL && match_whole(s, want));
		free(s);
	}
	return ok;
}

static void
folder_events(struct req *r, struct folder *f, int64_t from, int64_t to, gchar **fields, int64_t *ts)
{
	const json_t *filter = r->action != NULL && strcmp(r->action, "advancedSearch") == 0 ? json_object_get(r->j, "filter") : NULL;
	struct crows w = { 0 };
	uint32_t i;

	for (i = 0; i < f->n; i++)
		if (cal_readable(r, f->item[i]) && event_term(f->item[i]->o, filter))
			events_add(&w, f->item[i], from, to, arg_true(r, "expand"));
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), events_by_id);
	events_put(r, &w, fields, ts);
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

	if (!event_range(r, true, &from, &to))
		return;
	fields = event_wanted(r);
	if (r->blen > 0 || (r->in_multiple && r->j != NULL)) {
		many_folders(r, from, to, fields);
	} else if (arg(r, "folder") == NULL) {
		f = folder_get(r->c, r->u->f_cal);
		if (f != NULL)
			folder_events(r, f, from, to, fields, &ts);
		set_ts(r, ts);
	} else if ((f = event_folder_arg(r)) != NULL) {
		folder_events(r, f, from, to, fields, &ts);
		set_ts(r, ts);
	}
	g_strfreev(fields);
}

/* 8.19: a range is required */
void
chronos_advanced(struct req *r)
{
	int64_t from, to;
	gchar **fields;

	if (!event_range(r, true, &from, &to))
		return;
	fields = event_wanted(r);
	many_folders(r, from, to, fields);
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

	if ((id = need(r, "id")) == NULL || (f = event_folder_arg(r)) == NULL || (e = event_by_id(r, id, f)) == NULL)
		return;
	if (rid != NULL && cal_is_master(e->o)) {
		struct obj *x;

		if (!event_occurrence(r, e->o, rid, &at))
			return;
		x = cal_exception_at(r->c, e->o, at.rdate);
		if (x != NULL && obj_in(x, f) != NULL) {
			e = obj_in(x, f);
			rid = NULL;
		}
	} else {
		rid = NULL;
	}
	fields = event_wanted(r);
	event_put(r, e, rid ? &at : NULL, fields);
	set_ts(r, e->o->lm);
	g_strfreev(fields);
}

void
chronos_list(struct req *r)
{
	json_t *a = body_array(r), *it;
	gchar **fields = event_wanted(r);
	size_t i;

	if (a != NULL) {
		sb_ch(r->out, '[');
		json_array_foreach(a, i, it) {
			const char *id = json_string_value(json_object_get(it, "id"));
			const char *fid = json_string_value(json_object_get(it, "folder"));
			struct folder *f = fid ? event_folder(r, fid) : NULL;
			struct ent *e = f && id ? event_by_id(r, id, f) : NULL;

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
	return events_by_id(a, b);
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

	if (need(r, "folder") == NULL || !need_i64(r, "timestamp", &since) || (f = event_folder_arg(r)) == NULL ||
	    !event_range(r, false, &from, &to))
		return;
	fields = event_wanted(r);
	ts = since;
	for (e = f->tail; e != NULL && e->o->lm > since; e = e->prev)
		if (cal_readable(r, e))
			events_add(&w, e, from, to, arg_true(r, "expand") && to != INT64_MAX);
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), lm_cmp);
	sb_str(r->out, "{\"newAndModified\":");
	events_put(r, &w, fields, &ts);
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
