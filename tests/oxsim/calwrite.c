/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module calendar: the actions that write.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/cal.h"

static struct folder *
body_folder(struct req *r, const json_t *v)
{
	char num[24];

	if (v == NULL || json_is_null(v)) {
		fail(r, "SVL-0002", json_pack("[s]", "folder"));
		return NULL;
	}
	if (json_is_integer(v)) {
		(void)snprintf(num, sizeof(num), "%lld", (long long)json_integer_value(v));
		return cal_folder(r, num, true);
	}
	return cal_folder(r, json_is_string(v) ? json_string_value(v) : "", true);
}

void
cal_new(struct req *r)
{
	json_t *o = body_object(r);
	struct folder *f;
	struct obj *a;

	if (o == NULL || (f = body_folder(r, json_object_get(o, "folder_id"))) == NULL)
		return;
	if ((a = store_insert(r, f, o)) == NULL)
		return;
	parts_tell(r, a, parts_silent(o));
	sb_printf(r->out, S.older ? "{\"id\":%d}" : "{\"id\":\"%d\"}", a->id);
	set_ts(r, a->lm);
}

/* nothing but what an attendee may change for himself */
static bool
only_own(const json_t *o)
{
	static const char *const own[] = { "alarm", "folder_id", "color_label", "recurrence_position",
	    "recurrence_date_position", "ignore_conflicts", "notification", "id" };
	const char *k;
	json_t *v;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, k, v) {
		for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			if (strcmp(k, own[i]) == 0)
				break;
		if (i == sizeof(own) / sizeof(own[0]))
			return false;
	}
	return true;
}

static void
stale(struct req *r, const struct obj *o, int64_t t)
{
	char num[16];

	(void)snprintf(num, sizeof(num), "%d", o->id);
	fail(r, "CAL-4120", json_pack("[s,I,I]", num, (json_int_t)t, (json_int_t)o->lm));
}

static bool
may_change(struct req *r, const struct ent *e, const json_t *body)
{
	const struct obj *o = e->o;
	char id[16], fid[16], *uri, *mail, *name;

	if (!may_read(r->c, e->f, r->u->id, o->created_by)) {
		fail(r, "APP-0062", json_pack("[i]", e->f->id));
		return false;
	}
	if (!may_write(r->c, e->f, r->u->id, o->created_by)) {
		(void)snprintf(fid, sizeof(fid), "%d", e->f->id);
		fail(r, "CAL-4031", json_pack("[s]", fid));
		return false;
	}
	/* in the attendee's own copy of a meeting */
	if (e->user != 0 && e->user != o->organizer && e->f->type == 1 && body != NULL && !only_own(body)) {
		mail = cal_organizer_mail(r->c, o);
		name = cal_organizer_name(r->c, o);
		(void)snprintf(id, sizeof(id), "%d", o->id);
		(void)snprintf(fid, sizeof(fid), "%d", e->f->id);
		uri = xprintf("mailto:%s", mail ? mail : "");
		fail(r, "CAL-4038", json_pack("[s,s,s,s]", fid, id, uri, name ? name : ""));
		free(uri);
		free(mail);
		free(name);
		return false;
	}
	return true;
}

void
cal_move(struct req *r, struct ent *e, struct folder *dest, int64_t stamp)
{
	struct obj *o = e->o;
	int user = e->user;

	if (dest->type != 1)
		user = 0;
	else if (dest->owner != r->u->id || user != r->u->id)
		user = dest->owner;
	/* out of somebody's calendar: the appointment becomes its new owner's */
	if (o->organizer == e->f->owner && dest->type == 1 && dest->owner != e->f->owner && e->f->type == 1) {
		struct attendee *a = att_of(o, e->f->owner);
		int i;

		o->organizer = dest->owner;
		for (i = 0; i < o->npart; i++)
			if (o->part[i].type == PT_USER && o->part[i].id == e->f->owner)
				o->part[i].id = dest->owner;
		if (a != NULL)
			a->id = dest->owner;
	}
	(void)obj_place(o, dest, user);
	ent_drop(e, stamp);
}

/* what cannot be moved (MovePerformer of the server's source, in its order of checks) */
bool
cal_may_move(struct req *r, const struct ent *e, const struct folder *dest)
{
	const struct obj *o = e->o;
	const char *code = NULL;
	char id[16], from[16], to[16];

	if (obj_int(o, CF(CF_PRIVATE), 0) && (dest->type != 1 || dest->owner != e->f->owner))
		code = "CAL-4226";
	else if (cal_is_master(o))
		code = "CAL-4224";
	else if (o->series != 0)
		code = "CAL-4225";
	else if (e->f->type == 1 && dest->type == 1 && dest->owner != e->f->owner && o->natt > 1)
		code = "CAL-4060";
	if (code == NULL)
		return true;
	(void)snprintf(id, sizeof(id), "%d", o->id);
	(void)snprintf(from, sizeof(from), "%d", e->f->id);
	(void)snprintf(to, sizeof(to), "%d", dest->id);
	fail(r, code, json_pack("[s,s,s]", id, from, to));
	return false;
}

/* an occurrence is as private as its series */
static bool
same_class(struct req *r, const struct obj *trial)
{
	const struct obj *m = trial->series != 0 && trial->series != trial->id ? obj_get(r->c, M_CALENDAR, trial->series) : NULL;

	if (m == NULL || obj_int(m, CF(CF_PRIVATE), 0) == obj_int(trial, CF(CF_PRIVATE), 0))
		return true;
	fail(r, "CAL-4227", json_pack("[s,i,I]", obj_int(trial, CF(CF_PRIVATE), 0) ? "CONFIDENTIAL" : "PUBLIC", m->id, (json_int_t)trial->rdate));
	return false;
}

/* the occurrence the body names, -1 with the error set, 0 none, 1 found */
static int
body_occ(struct req *r, const struct obj *o, const json_t *body, const char *alt, struct occ *at)
{
	const json_t *p = json_object_get(body, "recurrence_position");
	const json_t *d = json_object_get(body, "recurrence_date_position");
	int pos = 0;
	int64_t day = 0;
	char *t;

	if (p == NULL && alt != NULL)
		p = json_object_get(body, alt);
	(void)json_id(p, &pos);
	if (json_is_integer(d))
		day = json_integer_value(d);
	else if (json_is_string(d))
		(void)parse_i64(json_string_value(d), &day);
	if (!cal_is_master(o) || (pos <= 0 && day == 0))
		return 0;
	if (cal_occ_find(o, pos, day, at) && !cal_day_in(o->del, o->ndel, at->rdate))
		return 1;
	t = pos > 0 ? xprintf("legacy recurrence position %d", pos) :
	    xprintf("legacy recurrence date position %lld", (long long)day);
	fail(r, "APP-0074", json_pack("[s]", t));
	free(t);
	return -1;
}

static int64_t
local_time(const struct obj *o, int64_t utc)
{
	return utc + tz_offset(cal_zone(o), utc);
}

/*
 * The server keeps the end of a series with the hour of its first start.  When the start moves to later in the day, the occurrence of the last
 * day is cut off, unless the request names the new start as recurrence_start, too.  An event keeps its rule instead (keep_rule).
 */
static void
cut_last_day(const struct obj *was, struct obj *now, const json_t *body)
{
	int64_t until = obj_int(now, CF(CF_UNTIL), 0);
	struct occ *v;
	int n;

	if (!cal_is_master(was) || until == 0 || cal_full(now) || json_object_get(body, "recurrence_start") != NULL ||
	    local_time(now, cal_start(now)) % DAY_MS <= local_time(was, cal_start(was)) % DAY_MS)
		return;
	n = cal_occurrences(now, INT64_MAX, 20000, true, &v);
	if (n > 1 && local_time(now, v[n - 1].start) / DAY_MS * DAY_MS == until)
		obj_set_int(now, CF(CF_UNTIL), until - DAY_MS); /* not the occurrence before: as last_day reads such an end */
	free(v);
}

/* applies to a copy, checks conflicts, swaps; answers the stamp or 0 */
int64_t
cal_change(struct req *r, struct obj *o, struct folder *f, json_t *body, struct obj *also)
{
	struct obj *trial = obj_trial(o);
	int64_t stamp = 0;
	bool timed = json_object_get(body, "start_date") || json_object_get(body, "end_date") ||
	    json_object_get(body, "participants");

	trial->series = o->series;
	if (cal_apply(r, trial, f, body, false) && same_class(r, trial) &&
	    !(timed && cal_conflicts(r, trial, json_is_true(json_object_get(body, "ignore_conflicts"))))) {
		if (!r->as_event)
			cut_last_day(o, trial, body);
		stamp = stamp_new(r->c);
		if (stamp <= o->lm)
			stamp = o->lm + 1;
		cal_fit_exceptions(r, o, trial, stamp);
		/* a new version for all, unless only the writer's own matters changed */
		if (!only_own(body))
			trial->sequence++;
		if (trial->series == 0 && obj_int(trial, CF(CF_RTYPE), 0) != 0)
			trial->series = trial->id;
		obj_swap(o, trial);
		stamp = obj_touch(r->c, o, r->u->id, stamp);
		if (json_object_get(body, "participants") != NULL && cal_home(o) != NULL)
			parts_places(r->c, o, cal_home(o), stamp);
		if (also != NULL)
			(void)obj_touch(r->c, also, r->u->id, stamp);
	}
	obj_free(trial);
	return stamp;
}

static void
change_occurrence(struct req *r, struct ent *e, const struct occ *at, json_t *body)
{
	struct obj *m = e->o, *x = cal_exception_at(r->c, m, at->rdate);
	int64_t stamp;
	bool made = x == NULL;

	if (made)
		x = cal_exception(r, m, at, stamp_new(r->c));
	stamp = cal_change(r, x, e->f, body, m);
	if (stamp == 0) {
		/* refused: the exception must not stay behind */
		if (made) {
			cal_day_del(m->chg, &m->nchg, at->rdate);
			obj_drop(r->c, x, x->lm);
		}
		return;
	}
	if (made)
		x->created = stamp;
	parts_tell(r, x, parts_silent(body));
	sb_printf(r->out, S.older ? "{\"id\":%d}" : "{\"id\":\"%d\"}", x->id);
	set_ts(r, stamp);
}

void
cal_update(struct req *r)
{
	const char *fid;
	json_t *body;
	struct folder *f, *dest = NULL;
	struct ent *e;
	struct occ at;
	int64_t id, t, stamp;
	int named;

	if (!need_i64(r, "id", &id) || (fid = need(r, "folder")) == NULL || !need_i64(r, "timestamp", &t) ||
	    (body = body_object(r)) == NULL || (f = cal_folder(r, fid, false)) == NULL ||
	    (e = cal_of(r, id, f)) == NULL || !may_change(r, e, body))
		return;
	if (e->o->lm > t) {
		stale(r, e->o, t);
		return;
	}
	if ((named = body_occ(r, e->o, body, NULL, &at)) < 0)
		return;
	if (named > 0) {
		change_occurrence(r, e, &at, body);
		return;
	}
	if (json_object_get(body, "folder_id") != NULL) {
		if ((dest = body_folder(r, json_object_get(body, "folder_id"))) == NULL)
			return;
		if (dest != f && !may_create(r->c, dest, r->u->id)) {
			fail(r, "CAL-4031", json_pack("[i]", dest->id));
			return;
		}
		if (dest != f && !may_delete(r->c, f, r->u->id, e->o->created_by)) {
			fail(r, "CAL-4032", json_pack("[i]", f->id));
			return;
		}
		if (dest != f && !cal_may_move(r, e, dest))
			return;
	}
	stamp = cal_pattern(r, body, false) ? cal_change(r, e->o, f, body, NULL) : 0;
	if (stamp == 0)
		return;
	if (!only_own(body))
		parts_tell(r, e->o, parts_silent(body));
	if (dest != NULL && dest != f) {
		cal_move(r, e, dest, stamp);
		sb_str(r->out, "{}");
	} else {
		sb_printf(r->out, S.older ? "{\"id\":%lld}" : "{\"id\":\"%lld\"}", (long long)id);
	}
	set_ts(r, stamp);
}

static bool
delete_one(struct req *r, const json_t *it, int64_t t)
{
	struct folder *f;
	struct ent *e;
	struct occ at;
	int64_t stamp;
	int id = 0, named;
	char num[16];

	if ((f = body_folder(r, json_object_get(it, "folder"))) == NULL)
		return false;
	(void)json_id(json_object_get(it, "id"), &id);
	if ((e = cal_of(r, id, f)) == NULL)
		return false;
	if (!may_delete(r->c, f, r->u->id, e->o->created_by)) {
		(void)snprintf(num, sizeof(num), "%d", f->id);
		fail(r, "CAL-4032", json_pack("[s]", num));
		return false;
	}
	if (e->o->lm > t) {
		stale(r, e->o, t);
		return false;
	}
	if ((named = body_occ(r, e->o, it, "pos", &at)) < 0)
		return false;
	(void)cal_remove(r, e, named > 0 ? &at : NULL, &stamp);
	max_ts(r, stamp);
	return true;
}

/* one after the other: what stands before a refused one is gone */
void
cal_delete(struct req *r)
{
	json_t *j = body_json(r), *it;
	int64_t t;
	size_t i;

	if (j == NULL || !need_i64(r, "timestamp", &t))
		return;
	if (json_is_object(j) && !delete_one(r, j, t))
		return;
	json_array_foreach(j, i, it)
		if (!delete_one(r, it, t))
			return;
	sb_str(r->out, "[]");
}

static void
confirm(struct attendee *a, const json_t *b)
{
	a->conf = (int)json_integer_value(json_object_get(b, "confirmation"));
	if (json_object_get(b, "confirmmessage") != NULL) {
		free(a->msg);
		a->msg = xstrdup(json_string_value(json_object_get(b, "confirmmessage")));
	}
}

/* an answer for one occurrence makes it an exception */
static void
confirm_occurrence(struct req *r, struct obj *m, json_t *body)
{
	json_t *named = json_pack("{s:s}", "recurrence_position", arg(r, "occurrence"));
	struct occ at;
	struct obj *x;
	int64_t stamp;
	int found = body_occ(r, m, named, NULL, &at);

	json_decref(named);
	if (found < 0)
		return;
	if (found == 0) {
		fail(r, "CAL-4042", json_pack("[i,s]", m->id, arg(r, "occurrence")));
		return;
	}
	stamp = stamp_new(r->c);
	if ((x = cal_exception_at(r->c, m, at.rdate)) == NULL)
		x = cal_exception(r, m, &at, stamp);
	confirm(att_of(x, r->u->id), body);
	sim_count("mail/reply");
	events_only(r->u->id);
	stamp = obj_touch(r->c, x, r->u->id, stamp);
	(void)obj_touch(r->c, m, r->u->id, stamp);
	sb_str(r->out, "{}");
	set_ts(r, stamp);
}

void
cal_confirm(struct req *r)
{
	const char *fid;
	json_t *b;
	struct folder *f;
	struct ent *e;
	struct attendee *a;
	int64_t id, t, conf;
	char num[24];

	if (!need_i64(r, "id", &id) || (fid = need(r, "folder")) == NULL || !need_i64(r, "timestamp", &t) ||
	    (b = body_object(r)) == NULL || (f = cal_folder(r, fid, false)) == NULL || (e = cal_of(r, id, f)) == NULL)
		return;
	conf = json_integer_value(json_object_get(b, "confirmation"));
	if (conf < 0 || conf > 3) {
		fail(r, "SVL-0011", json_pack("[s]", "confirmation status unknown"));
		return;
	}
	a = att_of(e->o, r->u->id);
	if (a == NULL) {
		(void)snprintf(num, sizeof(num), "%lld", (long long)id);
		fail(r, "CAL-4043", json_pack("[i,s]", r->u->id, num));
		return;
	}
	if (e->o->lm > t) {
		stale(r, e->o, t);
		return;
	}
	if (arg(r, "occurrence") != NULL) {
		confirm_occurrence(r, e->o, b);
		return;
	}
	confirm(a, b);
	sim_count("mail/reply");
	events_only(r->u->id);
	sb_str(r->out, "{}");
	set_ts(r, obj_touch(r->c, e->o, r->u->id, stamp_new(r->c)));
}
