/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Appointments: fields, checks, insertion.  Series: calseries.c; actions:
 * calread.c and calwrite.c; the same store seen as events: chronos.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

static const struct set_errs errs = {
	.bad_char = "CAL-5071", .too_long = "CAL-5070", .bad_type = "OX-9999",
	.bad_int = "SVL-0007/int", .trunc_cols = false, .empty_is_null = true
};

const int *
cal_f(void)
{
	static const char *const names[CF_COUNT] = { "uid", "title", "private_flag", "full_time", "shown_as",
	    "_start", "_end", "_zone", "_rtype", "days", "day_in_month", "month", "interval", "until", "occurrences" };
	static int idx[CF_COUNT];
	int i;

	if (idx[CF_TITLE] == 0)
		for (i = 0; i < CF_COUNT; i++)
			idx[i] = fld_by_name(&MI_CALENDAR, names[i]);
	return idx;
}

static int64_t
day_of(int64_t t)
{
	return (t >= 0 ? t / DAY_MS : -((-t + DAY_MS - 1) / DAY_MS)) * DAY_MS;
}

bool
cal_veiled(const struct req *r, const struct obj *o)
{
	return o->created_by != r->u->id && obj_int(o, CF(CF_PRIVATE), 0) != 0 &&
	    att_of(o, r->u->id) == NULL;
}

static void
put_days(struct sb *b, const int64_t *v, int n)
{
	int i;

	sb_ch(b, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(b, ',');
		sb_int(b, v[i]);
	}
	sb_ch(b, ']');
}

static bool
put_alarm(struct req *r, const struct ent *e)
{
	const struct attendee *a = att_of(e->o, e->user != 0 ? e->user : r->u->id);

	if (a == NULL || a->alarm < 0 || r->veil)
		return false;
	sb_int(r->out, a->alarm);
	return true;
}

static bool
put_recurrence(struct req *r, const struct obj *o, const struct fld *f, bool row)
{
	struct sb *b = r->out;
	bool master = cal_is_master(o), exc = o->series != 0 && !master;

	switch (f->col) {
	case 209:
		if (!master && row)
			return false;
		sb_int(b, master ? obj_int(o, CF(CF_RTYPE), 0) : 0);
		return true;
	case 206:
		if (o->series == 0)
			return false;
		sb_int(b, o->series);
		return true;
	case 207:
	case 208:
		if (!exc && r->occ == NULL)
			return false;
		if (f->col == 207)
			sb_int(b, exc ? o->rpos : r->occ->pos);
		else
			sb_int(b, exc ? o->rdate : r->occ->rdate);
		return true;
	case 210:
		if (exc)
			put_days(b, &o->rdate, 1);
		else if (o->nchg > 0)
			put_days(b, o->chg, o->nchg);
		return exc || o->nchg > 0;
	case 211:
		if (o->ndel > 0)
			put_days(b, o->del, o->ndel);
		return o->ndel > 0;
	case 410:
		if (!master)
			return false;
		sb_printf(b, "\"%lld\"", (long long)day_of(cal_full(o) ? cal_start(o) :
		    cal_start(o) + tz_offset(cal_zone(o), cal_start(o))));
		return true;
	default:
		return false;
	}
}

bool
cal_virt(struct req *r, const struct ent *e, const struct fld *f, bool row)
{
	const struct obj *o = e->o;
	struct sb *b = r->out;
	int64_t t;
	char *s;

	switch (f->col) {
	case 201:
	case 202:
		t = f->col == 201 ? (r->occ ? r->occ->start : cal_start(o)) : (r->occ ? r->occ->end : cal_end(o));
		sb_int(b, cal_full(o) ? t : shift(r, t));
		return true;
	case 204: return put_alarm(r, e);
	case 220:
	case 221:
	case 226:
		if (r->veil)
			sb_str(b, "[]");
		else if (f->col == 220)
			parts_emit(b, o, false);
		else if (f->col == 221)
			users_emit(b, o);
		else
			confs_emit(b, o);
		return true;
	case 224:
		s = cal_organizer_mail(r->c, o);
		sb_js(b, s);
		free(s);
		return true;
	case 225: sb_int(b, o->sequence); return true;
	case 227: sb_int(b, o->organizer); return true;
	case 408:
		if (cal_full(o))
			return false;
		s = obj_str(o, CF(CF_ZONE));
		sb_js(b, s ? s : "UTC");
		free(s);
		return true;
	default:
		return put_recurrence(r, o, f, row);
	}
}

/* --- checks -------------------------------------------------------------------------- */

static bool
need_range(struct req *r, int v, int lo, int hi, const char *key)
{
	if (v >= lo && v <= hi)
		return true;
	fail(r, v > hi && hi == 999 ? "APP-0078" : key, json_pack("[i]", v));
	return false;
}

static bool
check_rule(struct req *r, struct obj *o)
{
	struct rule_spec s = cal_spec(o);
	bool has_int = obj_fv(o, CF(CF_INTERVAL)) != NULL, has_days = obj_fv(o, CF(CF_DAYS)) != NULL;
	bool has_dim = obj_fv(o, CF(CF_DIM)) != NULL, has_month = obj_fv(o, CF(CF_MONTH)) != NULL;

	if (s.type == 0)
		return true;
	if (s.type == 2 && has_int && !has_days)
		fail(r, "APP-0089", NULL);
	else if (s.type >= 3 && !has_dim)
		fail(r, "APP-0090", NULL);
	else if (!has_int)
		fail(r, "APP-0087", NULL);
	else if (s.type == 4 && !has_month)
		fail(r, "APP-0088", NULL);
	else if (obj_fv(o, CF(CF_UNTIL)) && s.occurrences > 0)
		fail(r, "APP-0095", NULL);
	if (r->failed)
		return false;
	if (!need_range(r, s.interval, 1, 999, "APP-0055") ||
	    (s.occurrences > 999 && !need_range(r, s.occurrences, 0, 999, "APP-0078")) ||
	    (s.type == 2 && !need_range(r, s.days, 1, 127, "APP-0056")))
		return false;
	if (s.type >= 3 && s.days == 0 && !need_range(r, s.day_in_month, 1, 31, "APP-0042"))
		return false;
	if (s.type >= 3 && s.days != 0 && s.day_in_month != -1 && !need_range(r, s.day_in_month, 1, 5, "APP-0045"))
		return false;
	if (s.type == 3 && s.days != 0 && s.day_in_month == 5)
		obj_set_int(o, CF(CF_DIM), -1);
	if (s.type == 4 && s.days != 0 && s.day_in_month == -1)
		obj_set_int(o, CF(CF_DIM), 5);
	if (s.type == 4 && s.month > 11)
		obj_set_int(o, CF(CF_MONTH), 11);
	if (obj_fv(o, CF(CF_UNTIL)))
		obj_set_int(o, CF(CF_UNTIL), day_of(s.until));
	return true;
}

/* the first occurrence may lie later than the start that was sent */
static void
first_occurrence(struct obj *o)
{
	struct rule_spec s = cal_spec(o);
	int64_t d = cal_end(o) - cal_start(o), local, first;
	const struct tz *z = cal_zone(o);

	if (s.type == 0)
		return;
	local = cal_full(o) ? cal_start(o) : cal_start(o) + tz_offset(z, cal_start(o));
	first = recur_first(&s, local);
	if (first == local)
		return;
	first = cal_full(o) ? first : tz_to_utc(z, first);
	obj_set_int(o, CF(CF_START), first);
	obj_set_int(o, CF(CF_END), first + d);
}

static bool
check_times(struct req *r, struct obj *o)
{
	int64_t s, e;

	if (obj_fv(o, CF(CF_START)) == NULL || obj_fv(o, CF(CF_END)) == NULL) {
		fail(r, "CAL-4220", json_pack("[s]", obj_fv(o, CF(CF_START)) ? "Ends on" : "Starts on"));
		return false;
	}
	s = cal_start(o);
	e = cal_end(o);
	if (e < s) {
		fail(r, "APP-0020", NULL);
		return false;
	}
	if (s > INT64_C(253402300799999) || e > INT64_C(253402300799999)) {
		fail(r, "CAL-5001", json_pack("[s]", "date out of range"));
		return false;
	}
	if (cal_full(o)) {
		s = day_of(s);
		e = day_of(e) > s ? day_of(e) : s + DAY_MS;
		obj_set_int(o, CF(CF_START), s);
		obj_set_int(o, CF(CF_END), e);
		obj_set(o, CF(CF_ZONE), NULL, 0);
	}
	return true;
}

/* --- applying a JSON object -------------------------------------------------------------- */

static bool
set_time(struct req *r, struct obj *o, int f, const json_t *v, const json_t *whole)
{
	if (json_is_null(v))
		return true;
	if (!field_set(r, &MI_CALENDAR, &errs, o, f, v, whole))
		return false;
	if (!cal_full(o) && obj_fv(o, f) != NULL)
		obj_set_int(o, f, unshift(r, obj_int(o, f, 0)));
	return true;
}

/* an address of one of the users is that user */
static json_t *
normal_participants(struct req *r, const json_t *list)
{
	json_t *out = json_array(), *p;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, p) {
		const char *mail = json_string_value(json_object_get(p, "mail"));
		int type = PT_USER;
		const struct user *u;

		(void)json_id(json_object_get(p, "type"), &type);
		u = type == PT_EXTERNAL && mail ? user_by_mail(r->c, mail) : NULL;
		if (type == PT_EXTERNAL && mail != NULL && strchr(mail, '@') == NULL) {
			char *t = xprintf("mailto:%s", mail);

			fail(r, "CAL-4034", json_pack("[s,i,s]", t, -1, ""));
			free(t);
		}
		if (u != NULL)
			json_array_append_new(out, json_pack("{s:i,s:i}", "id", u->id, "type", PT_USER));
		else
			json_array_append(out, p);
	}
	return out;
}

static bool
set_participants(struct req *r, struct obj *o, const json_t *list)
{
	json_t *n = normal_participants(r, list);
	bool ok = !r->failed && parts_read(r, o, n, "CAL-4034");

	json_decref(n);
	return ok;
}

static int
clamp_int(const json_t *v, int lo, int hi, int def)
{
	int64_t n = def;

	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (json_is_string(v))
		(void)parse_i64(json_string_value(v), &n);
	return n < lo || n > hi ? def : (int)n;
}

/* members that are more than a plain value; 1 done, 0 not special, -1 failed */
static int
special(struct req *r, struct obj *o, const char *k, json_t *v, json_t *whole, bool create)
{
	if (strcmp(k, "start_date") == 0)
		return set_time(r, o, CF(CF_START), v, whole) ? 1 : -1;
	if (strcmp(k, "end_date") == 0)
		return set_time(r, o, CF(CF_END), v, whole) ? 1 : -1;
	if (strcmp(k, "recurrence_type") == 0) {
		int t = clamp_int(v, 0, INT32_MAX, 0);

		if (t > 4)
			t = 4;
		if (t == 0 || o->series == 0 || o->series == o->id)
			obj_set_int(o, CF(CF_RTYPE), t);
		return 1;
	}
	if (strcmp(k, "shown_as") == 0) {
		if (!field_set(r, &MI_CALENDAR, &errs, o, CF(CF_SHOWN), v, whole))
			return -1;
		/* told of as 1, but free and busy knows the difference (a real 8.19) */
		obj_set_int(o, fld_by_name(&MI_CALENDAR, "_shown"), obj_int(o, CF(CF_SHOWN), 1));
		obj_set_int(o, CF(CF_SHOWN), obj_int(o, CF(CF_SHOWN), 1) == 4 ? 4 : 1);
		return 1;
	}
	if (strcmp(k, "color_label") == 0) {
		int f = fld_by_name(&MI_CALENDAR, k);

		if (!field_set(r, &MI_CALENDAR, &errs, o, f, v, whole))
			return -1;
		obj_set_int(o, f, clamp_int(v, 0, 10, 0));
		obj_set_str(o, fld_by_name(&MI_CALENDAR, "_color"), event_color((int)obj_int(o, f, 0)));
		return 1;
	}
	if (strcmp(k, "categories") == 0 && json_is_string(v)) { /* the only text here that loses its outer blanks */
		gchar *text = g_strstrip(g_strdup(json_string_value(v)));
		json_t *bare = *text != '\0' ? json_string(text) : json_null();
		bool ok = field_set(r, &MI_CALENDAR, &errs, o, fld_by_name(&MI_CALENDAR, k), bare, whole);

		json_decref(bare);
		g_free(text);
		return ok ? 1 : -1;
	}
	if (strcmp(k, "participants") == 0 || (strcmp(k, "users") == 0 && create))
		return !json_is_array(v) || set_participants(r, o, v) ? 1 : -1;
	if (strcmp(k, "uid") == 0 && !create) {
		char *old = obj_str(o, CF(CF_UID));
		bool same = json_is_null(v) || (old && g_strcmp0(old, json_string_value(v)) == 0);

		free(old);
		if (same)
			return 1;
		fail(r, "CAL-4035", json_pack("[i,s]", o->id, "uid"));
		return -1;
	}
	if (strcmp(k, "sequence") == 0) {
		int n = clamp_int(v, 0, INT32_MAX, 0);

		if (n < o->sequence) {
			fail(r, "CAL-4121", json_pack("[i,i,i]", o->id, n, o->sequence));
			return -1;
		}
		o->sequence = n;
		return 1;
	}
	if (strcmp(k, "timezone") == 0) {
		if (json_is_string(v) && tz_get(json_string_value(v)) != NULL)
			obj_set_str(o, CF(CF_ZONE), json_string_value(v));
		return 1;
	}
	return 0;
}

static bool
touches_rule(const char *k)
{
	static const char *const names[] = { "recurrence_type", "interval", "days", "day_in_month", "month",
	    "start_date", "end_date", "full_time" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(k, names[i]) == 0)
			return true;
	return false;
}

/* the alarm belongs to the user who writes, or to the owner of the calendar */
static void
set_alarm(struct req *r, struct obj *o, const struct folder *f, const json_t *v)
{
	struct attendee *a = att_of(o, f->type == 1 ? f->owner : r->u->id);
	int64_t n = -1;

	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (json_is_string(v) || json_is_null(v))
		n = json_is_null(v) ? 0 : strtoll(json_string_value(v), NULL, 10);
	if (a == NULL)
		return;
	a->alarm = n < 0 || n > INT32_MAX ? -1 : (int)n;
	free(a->alarms);
	a->alarms = NULL;
}

char *
cal_organizer_mail(const struct ctx *c, const struct obj *o)
{
	const struct user *u = user_by_id(c, o->organizer);

	return o->organizer < 0 ? obj_str(o, fld_by_name(&MI_CALENDAR, "_orgmail")) :
	    xstrdup(u ? u->mail : NULL);
}

char *
cal_organizer_name(const struct ctx *c, const struct obj *o)
{
	const struct user *u = user_by_id(c, o->organizer);

	return o->organizer < 0 ? obj_str(o, fld_by_name(&MI_CALENDAR, "_orgname")) :
	    xstrdup(u ? u->display : NULL);
}

static void
organizer_in(struct req *r, struct obj *o, const struct folder *f, bool create)
{
	int i;

	if (o->organizer < 0) {
		/* somebody outside invited: he is no participant here */
		parts_resolve(r->c, o, 0);
		return;
	}
	if (o->organizer == 0)
		o->organizer = f->type == 1 ? f->owner : r->u->id;
	for (i = 0; i < o->npart; i++)
		if (o->part[i].type == PT_USER && o->part[i].id == o->organizer)
			break;
	if (i == o->npart) {
		int at;

		(void)part_add(o, PT_USER, o->organizer, NULL, NULL);
		/* keep the order: externals, then by id */
		for (at = o->npart - 1; at > 0 && o->part[at - 1].type != PT_EXTERNAL &&
		    o->part[at - 1].id > o->part[at].id; at--) {
			struct participant t = o->part[at];

			o->part[at] = o->part[at - 1];
			o->part[at - 1] = t;
		}
	}
	parts_resolve(r->c, o, o->organizer);
	if (create && att_of(o, o->organizer) != NULL)
		att_of(o, o->organizer)->conf = 1;
}

bool
cal_apply(struct req *r, struct obj *o, const struct folder *f, json_t *fields, bool create)
{
	const char *k;
	json_t *v;
	bool rule = create;
	int i, done;

	if ((v = json_object_get(fields, "full_time")) != NULL &&
	    !field_set(r, &MI_CALENDAR, &errs, o, CF(CF_FULL), v, fields))
		return false;
	if ((create || json_object_get(fields, "start_date")) && obj_fv(o, CF(CF_ZONE)) == NULL)
		obj_set_str(o, CF(CF_ZONE), tz_name(r->zone));
	json_object_foreach(fields, k, v) {
		rule = rule || touches_rule(k);
		if (*k == '_')
			continue;
		done = special(r, o, k, v, fields, create);
		if (done < 0)
			return false;
		i = fld_by_name(&MI_CALENDAR, k);
		if (done > 0 || i < 0 || i == CF(CF_FULL) || MI_CALENDAR.f[i].type == FT_VIRT)
			continue;
		if (!field_set(r, &MI_CALENDAR, &errs, o, i, v, fields))
			return false;
	}
	if (json_object_get(fields, "private_flag") != NULL)
		obj_set(o, fld_by_name(&MI_CALENDAR, "_class"), NULL, 0);
	if (obj_int(o, CF(CF_OCC), 1) <= 0)
		obj_set(o, CF(CF_OCC), NULL, 0);
	/* a change of the start keeps the rule's own members */
	if (rule && !create && json_object_get(fields, "recurrence_type") == NULL && obj_int(o, CF(CF_RTYPE), 0) == 0)
		rule = false;
	if (obj_int(o, CF(CF_PRIVATE), 0) && (f->type != 1 || f->owner != r->u->id)) {
		fail(r, "CAL-4222", json_pack("[s,i,s]", "CONFIDENTIAL", f->id, "shared"));
		return false;
	}
	if (!check_times(r, o) || (rule && !check_rule(r, o)))
		return false;
	if (rule) {
		first_occurrence(o);
		/* the text form is made anew from the fields */
		obj_set(o, fld_by_name(&MI_CALENDAR, "_rrule"), NULL, 0);
	}
	organizer_in(r, o, f, create);
	if ((v = json_object_get(fields, "alarm")) != NULL)
		set_alarm(r, o, f, v);
	return true;
}

void
cal_store(struct req *r, struct obj *o, struct folder *f, int64_t stamp)
{
	char uuid[37];

	o->id = r->c->next_id[M_CALENDAR]++;
	o->created = o->lm = stamp;
	if (o->series == 0 && obj_int(o, CF(CF_RTYPE), 0) != 0)
		o->series = o->id;
	g_hash_table_insert(r->c->obj[M_CALENDAR], GINT_TO_POINTER(o->id), o);
	if (obj_fv(o, CF(CF_UID)) == NULL) {
		gen_uuid(uuid);
		obj_set_str(o, CF(CF_UID), uuid);
	}
	parts_places(r->c, o, f, stamp);
}

struct obj *
cal_insert(struct req *r, struct folder *f, json_t *fields)
{
	struct obj *o;
	bool soft = json_is_true(json_object_get(fields, "ignore_conflicts"));

	if (!may_create(r->c, f, r->u->id)) {
		fail(r, perm_read(perm_bits(r->c, f, r->u->id)) >= 2 ? "CAL-4031" : "APP-0062", json_pack("[i]", f->id));
		return NULL;
	}
	o = xcalloc(1, sizeof(*o));
	o->m = M_CALENDAR;
	o->created_by = o->modified_by = r->u->id;
	/* conflicts are data, not an error: NULL without an error then */
	if (!cal_pattern(r, fields, true) || !cal_apply(r, o, f, fields, true) || cal_conflicts(r, o, soft)) {
		obj_free(o);
		return NULL;
	}
	cal_store(r, o, f, stamp_new(r->c));
	return o;
}

int
cal_shown(const struct obj *o)
{
	int64_t n = obj_int(o, fld_by_name(&MI_CALENDAR, "_shown"), obj_int(o, CF(CF_SHOWN), 1));

	return obj_int(o, CF(CF_SHOWN), 1) == 4 ? 4 : n >= 1 && n <= 3 ? (int)n : 1;
}
