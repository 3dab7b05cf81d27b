/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module chronos: the actions that write.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

bool
event_conflicts(struct req *r, const struct obj *o, bool soft)
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
	gchar **fields = event_wanted(r);
	int i;

	sb_ch(r->out, '{');
	for (i = 0; i < 3; i++) {
		sb_printf(r->out, "%s\"%s\":[", i ? "," : "", names[i]);
		if (strcmp(names[i], which) == 0 && e != NULL) {
			struct crows w = { 0 };
			int64_t from, to, ts = 0;
			struct sb *b = r->out;

			if (expand && event_range(r, true, &from, &to)) {
				events_add(&w, e, from, to, true);
				b->len--;
				events_put(r, &w, fields, &ts);
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
	struct folder *f = event_folder_arg(r);
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
	if ((fields = event_fields(r, ev, NULL)) == NULL)
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
	    !event_conflicts(r, o, arg_true(r, "checkConflicts"))) {
		cal_store(r, o, f, stamp_new(r->c));
		event_attach(r, o);
		parts_tell(r, o, arg(r, "scheduling") && strcmp(arg(r, "scheduling"), "none") == 0);
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
	int64_t d = cal_end(m) - cal_start(m), local;
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
	local = at->start + (cal_full(m) ? 0 : tz_offset(cal_zone(m), at->start));
	obj_set_int(p, CF(CF_UNTIL), local - local % DAY_MS - DAY_MS);
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
	gchar **fields = event_wanted(r);

	sb_str(r->out, "{\"created\":[");
	if (made != NULL)
		event_put(r, made, NULL, fields);
	sb_str(r->out, "],\"updated\":[");
	if (changed != NULL)
		event_put(r, changed, NULL, fields);
	sb_str(r->out, "],\"deleted\":[]}");
	g_strfreev(fields);
}

/*
 * An event whose start moves keeps its rule word by word, with its end as the moment that it is (the server's public source); what the older module says
 * of it is read anew.  Not where a day becomes a time or a time a day: there the server makes the end one as well.
 */
static void
keep_rule(const struct obj *m, json_t *ev)
{
	const char *start = json_string_value(json_object_get(json_object_get(ev, "startDate"), "value"));
	char *rule;

	if (!cal_is_master(m) || start == NULL || (strlen(start) == 8) != cal_full(m) || json_object_get(ev, "rrule") != NULL)
		return;
	rule = event_rrule(m);
	json_object_set_new(ev, "rrule", json_string(rule));
	free(rule);
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
	    (body = body_object(r)) == NULL || (f = event_folder_arg(r)) == NULL || (e = event_by_id(r, id, f)) == NULL)
		return;
	ev = json_is_object(json_object_get(body, "event")) ? json_object_get(body, "event") : body;
	if (!changeable(r, e, ev))
		return;
	m = e->o;
	if (m->lm > t) {
		fail(r, "CAL-4120", json_pack("[s,I,I]", id, (json_int_t)t, (json_int_t)m->lm));
		return;
	}
	if (rid != NULL && cal_is_master(m) && !event_occurrence(r, m, rid, &at))
		return;
	if (rid != NULL && !cal_is_master(m))
		rid = NULL;
	if (rid == NULL)
		keep_rule(m, ev);
	if ((fields = event_fields(r, ev, m)) == NULL)
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
	json_object_set_new(fields, "ignore_conflicts", json_boolean(!arg_true(r, "checkConflicts")));
	r->as_event = true;
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
	parts_tell(r, rid ? x : m, arg(r, "scheduling") && strcmp(arg(r, "scheduling"), "none") == 0);
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
	const char *id, *uri, *rid = arg(r, "recurrenceId");
	json_t *body, *at, *al;
	struct obj *o, *made = NULL;
	struct occ when;
	struct folder *f;
	struct ent *e;
	struct attendee *a;
	const struct user *u;
	int64_t t;
	int entity = r->u->id;

	if ((id = need(r, "id")) == NULL || need(r, "folder") == NULL || !need_i64(r, "timestamp", &t) ||
	    (body = body_object(r)) == NULL || (f = event_folder_arg(r)) == NULL || (e = event_by_id(r, id, f)) == NULL)
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
	if (att_of(e->o, entity) == NULL) {
		fail(r, "CAL-4043", json_pack("[i,s]", entity, id));
		return;
	}
	o = e->o;
	if (rid != NULL && cal_is_master(o)) { /* an answer for one occurrence makes it an exception */
		if (!event_occurrence(r, o, rid, &when))
			return;
		if ((o = cal_exception_at(r->c, e->o, when.rdate)) == NULL)
			o = made = cal_exception(r, e->o, &when, stamp_new(r->c));
	}
	a = att_of(o, entity);
	a->conf = conf_of(json_string_value(json_object_get(at, "partStat")));
	sim_count("mail/reply");
	if (json_object_get(at, "comment") != NULL) {
		free(a->msg);
		a->msg = xstrdup(json_string_value(json_object_get(at, "comment")));
	}
	if ((al = json_object_get(body, "alarms")) != NULL) {
		json_t *only = json_pack("{s:O}", "alarms", al);

		(void)event_extra(r, o, f, only, false);
		json_decref(only);
	}
	events_only(r->u->id);
	set_ts(r, obj_touch(r->c, o, r->u->id, stamp_new(r->c)));
	if (o != e->o)
		(void)obj_touch(r->c, e->o, r->u->id, r->ts);
	put_change(r, made ? obj_in(made, f) : NULL, made ? e : obj_in(o, f));
}

static void
delete_one(struct req *r, const json_t *it, int64_t t)
{
	const char *id = json_string_value(json_object_get(it, "id")), *fid = json_string_value(json_object_get(it, "folder"));
	const char *rid = json_string_value(json_object_get(it, "recurrenceId"));
	struct folder *f = event_folder(r, fid ? fid : "");
	struct ent *e = f ? event_by_id(r, id ? id : "", f) : NULL;
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
		(void)event_occurrence(r, e->o, rid, &at);
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

/* by the API's description; not recorded */
void
chronos_move(struct req *r)
{
	const char *id, *to;
	struct folder *f, *dest;
	struct ent *e;
	struct obj *o;
	int64_t t, stamp;

	if ((id = need(r, "id")) == NULL || need(r, "folder") == NULL || (to = need(r, "targetFolder")) == NULL ||
	    !need_i64(r, "timestamp", &t) || (f = event_folder_arg(r)) == NULL || (e = event_by_id(r, id, f)) == NULL ||
	    (dest = event_folder(r, to)) == NULL)
		return;
	o = e->o;
	if (o->lm > t) {
		fail(r, "CAL-4120", json_pack("[s,I,I]", id, (json_int_t)t, (json_int_t)o->lm));
		return;
	}
	if (!may_delete(r->c, f, r->u->id, o->created_by) || !may_create(r->c, dest, r->u->id)) {
		fail(r, "CAL-4031", json_pack("[s]", to));
		return;
	}
	if (dest != f && !cal_may_move(r, e, dest))
		return;
	stamp = obj_touch(r->c, o, r->u->id, stamp_new(r->c));
	if (dest != f)
		cal_move(r, e, dest, stamp);
	put_change(r, NULL, obj_in(o, dest));
	set_ts(r, stamp);
}
