/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Events that come in: dates, rules, attendees and alarms of the chronos
 * module turned into the fields the store keeps.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

bool
event_stamp(const char *s, int64_t *utc, bool *day, bool *z)
{
	int y, mo, d, h = 0, mi = 0, se = 0;
	size_t n = s ? strlen(s) : 0;
	GDateTime *dt;

	*day = n == 8;
	*z = n == 16 && s[15] == 'Z';
	if (n != 8 && n != 15 && !*z)
		return false;
	if (sscanf(s, *day ? "%4d%2d%2d" : "%4d%2d%2dT%2d%2d%2d", &y, &mo, &d, &h, &mi, &se) != (*day ? 3 : 6))
		return false;
	dt = g_date_time_new_utc(y, mo, d, h, mi, se);
	if (dt == NULL)
		return false;
	*utc = g_date_time_to_unix(dt) * 1000;
	g_date_time_unref(dt);
	return true;
}

bool
event_time(struct req *r, const json_t *v, int64_t *utc, bool *full, const char **zone)
{
	const char *s = json_string_value(json_object_get(v, "value"));
	const char *tzid = json_string_value(json_object_get(v, "tzid"));
	const struct tz *t;
	bool z;

	if (!event_stamp(s, utc, full, &z)) {
		fail(r, "SVL-0002/type", json_pack("[s]", s ? s : "date"));
		return false;
	}
	*zone = NULL;
	if (*full)
		return true;
	t = tz_get(z || tzid == NULL ? "UTC" : tzid);
	if (t == NULL) {
		fail(r, "CAL-4001", json_pack("[s]", tzid));
		return false;
	}
	*zone = tz_name(t);
	*utc = tz_to_utc(t, *utc);
	return true;
}

/* --- rules ----------------------------------------------------------------------- */

static int
day_bits(const char *list, int *nth)
{
	static const char names[] = "SUMOTUWETHFRSA";
	int bits = 0;
	gchar **v = g_strsplit(list, ",", -1), **p;

	for (p = v; *p != NULL; p++) {
		char *end;
		long n = strtol(*p, &end, 10);
		const char *at = strlen(end) == 2 ? strstr(names, end) : NULL;

		if (at == NULL || (at - names) % 2 != 0) {
			bits = -1;
			break;
		}
		bits |= 1 << ((at - names) / 2);
		if (n != 0)
			*nth = (int)n;
	}
	g_strfreev(v);
	return bits;
}

static int
freq_of(const char *s)
{
	static const char *const names[] = { "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };
	int i;

	for (i = 0; i < 4; i++)
		if (g_ascii_strcasecmp(s, names[i]) == 0)
			return i + 1;
	return 0;
}

/* as in the server's public source: the local day of UNTIL, but the one before when an occurrence comes later on that day */
static int64_t
last_day(const json_t *f, int64_t start, int64_t until)
{
	struct rule_spec s = { .type = (int)json_integer_value(json_object_get(f, "recurrence_type")),
	    .interval = (int)json_integer_value(json_object_get(f, "interval")), .days = (int)json_integer_value(json_object_get(f, "days")),
	    .day_in_month = (int)json_integer_value(json_object_get(f, "day_in_month")), .month = (int)json_integer_value(json_object_get(f, "month")) };
	int64_t *t = xcalloc(20000, sizeof(*t)), day = until / DAY_MS * DAY_MS;
	int n = recur_expand(&s, start, day + DAY_MS - 1, 20000, t);

	if (until > start && n > 0 && t[n - 1] > until && t[n - 1] >= day)
		day -= DAY_MS;
	free(t);
	return day;
}

/* the start in its own zone, for what the rule leaves to it */
static bool
rule_fields(struct req *r, const char *rule, int64_t local_start, const struct tz *z_of, json_t *out)
{
	gchar **v = g_strsplit(rule, ";", -1), **p;
	int type = 0, interval = 1, days = 0, nth = 0, dim = 0, month = 0, count = 0;
	int64_t until = 0;
	bool day = false, z, bad = false;
	GDateTime *d = g_date_time_new_from_unix_utc(local_start / 1000);

	for (p = v; *p != NULL && !bad; p++) {
		char *eq = strchr(*p, '='), *val;

		if (eq == NULL) {
			bad = **p != '\0';
			continue;
		}
		*eq = '\0';
		val = eq + 1;
		if (g_ascii_strcasecmp(*p, "FREQ") == 0)
			type = freq_of(val);
		else if (g_ascii_strcasecmp(*p, "INTERVAL") == 0)
			interval = (int)strtol(val, NULL, 10);
		else if (g_ascii_strcasecmp(*p, "COUNT") == 0)
			count = (int)strtol(val, NULL, 10);
		else if (g_ascii_strcasecmp(*p, "BYDAY") == 0)
			bad = (days = day_bits(val, &nth)) < 0;
		else if (g_ascii_strcasecmp(*p, "BYSETPOS") == 0)
			nth = (int)strtol(val, NULL, 10);
		else if (g_ascii_strcasecmp(*p, "BYMONTHDAY") == 0)
			dim = (int)strtol(val, NULL, 10);
		else if (g_ascii_strcasecmp(*p, "BYMONTH") == 0)
			month = (int)strtol(val, NULL, 10);
		else if (g_ascii_strcasecmp(*p, "UNTIL") == 0)
			bad = !event_stamp(val, &until, &day, &z) || (!day && !z);
	}
	g_strfreev(v);
	if (type == 0 || bad || interval < 1 || d == NULL) {
		fail(r, "CAL-4002", json_pack("[s]", rule));
	} else {
		if (type == 2 && days == 0)
			days = 1 << (g_date_time_get_day_of_week(d) % 7);
		if (type >= 3 && days == 0 && dim == 0)
			dim = g_date_time_get_day_of_month(d);
		if (type == 4 && month == 0)
			month = g_date_time_get_month(d);
		json_object_set_new(out, "recurrence_type", json_integer(type));
		json_object_set_new(out, "interval", json_integer(interval));
		json_object_set_new(out, "days", days ? json_integer(days) : json_null());
		json_object_set_new(out, "day_in_month", type >= 3 ? json_integer(days ? (nth ? nth : 1) : dim) : json_null());
		json_object_set_new(out, "month", type == 4 ? json_integer(month - 1) : json_null());
		json_object_set_new(out, "occurrences", count > 0 ? json_integer(count) : json_null());
		if (until != 0 && !day)
			until = last_day(out, local_start, until + tz_offset(z_of, until));
		json_object_set_new(out, "until", until ? json_integer(until / DAY_MS * DAY_MS) : json_null());
	}
	if (d != NULL)
		g_date_time_unref(d);
	return !r->failed;
}

/* --- attendees, alarms --------------------------------------------------------------- */

static json_t *
participants(struct req *r, const json_t *list)
{
	json_t *out = json_array(), *a;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, a) {
		const char *type = json_string_value(json_object_get(a, "cuType"));
		const char *uri = json_string_value(json_object_get(a, "uri"));
		const char *mail = json_string_value(json_object_get(a, "email"));
		int id, kind = PT_USER;

		/* he takes part through his group, which is in the list as well */
		if (json_array_size(json_object_get(a, "member")) > 0)
			continue;
		if (type != NULL && strcmp(type, "RESOURCE") == 0)
			kind = PT_RESOURCE;
		if (type != NULL && strcmp(type, "GROUP") == 0)
			kind = PT_GROUP;
		if (uri != NULL && g_ascii_strncasecmp(uri, "mailto:", 7) == 0)
			mail = uri + 7;
		if (json_id(json_object_get(a, "entity"), &id) && id > 0) {
			if (kind == PT_USER && user_by_id(r->c, id) == NULL && res_by_id(r->c, id) != NULL)
				kind = PT_RESOURCE;
			json_array_append_new(out, json_pack("{s:i,s:i}", "id", id, "type", kind));
		} else {
			json_array_append_new(out, json_pack("{s:i,s:s?,s:s?}", "type", PT_EXTERNAL, "mail", mail,
			    "display_name", json_string_value(json_object_get(a, "cn"))));
		}
	}
	return out;
}

/* minutes before the start of a duration like -PT15M, -P1D; -1: not understood */
static int
trigger_minutes(const char *d)
{
	int n = 0, total = 0;
	bool neg = false;

	if (d == NULL)
		return -1;
	for (; *d != '\0'; d++) {
		if (*d == '-')
			neg = true;
		else if (g_ascii_isdigit(*d))
			n = n * 10 + (*d - '0');
		else if (*d == 'W' || *d == 'D' || *d == 'H' || *d == 'M') {
			total += n * (*d == 'W' ? 10080 : *d == 'D' ? 1440 : *d == 'H' ? 60 : 1);
			n = 0;
		}
	}
	return neg || total == 0 ? total : -1;
}

static bool
set_alarms(struct req *r, struct obj *o, struct attendee *a, const json_t *list, bool create)
{
	json_t *out, *v;
	size_t i;
	char uuid[37];

	free(a->alarms);
	a->alarms = NULL;
	a->alarm = -1;
	if (!json_is_array(list) || json_array_size(list) == 0)
		return true;
	out = json_deep_copy(list);
	json_array_foreach(out, i, v) {
		const char *act = json_string_value(json_object_get(v, "action"));
		const char *rel = json_string_value(json_object_get(json_object_get(v, "trigger"), "related"));
		int m = trigger_minutes(json_string_value(json_object_get(json_object_get(v, "trigger"), "duration")));

		if (create && act != NULL && strcmp(act, "DISPLAY") == 0 && json_object_get(v, "description") == NULL) {
			fail(r, "CAL-4005", json_pack("[s]", "0"));
			json_decref(out);
			return false;
		}
		/* the reminder of the legacy module: the first DISPLAY before the start (the server's public source) */
		if (a->alarm < 0 && act != NULL && strcmp(act, "DISPLAY") == 0 && (rel == NULL || strcmp(rel, "START") == 0))
			a->alarm = m;
		if (json_object_get(v, "id") == NULL)
			json_object_set_new(v, "id", json_integer(r->c->next_alarm++));
		if (json_object_get(v, "uid") == NULL) {
			gen_uuid(uuid);
			json_object_set_new(v, "uid", json_string(uuid));
		}
	}
	(void)o;
	a->alarms = json_dumps(out, JSON_COMPACT);
	json_decref(out);
	return true;
}

/* --- the whole event --------------------------------------------------------------------- */

static void
copy_text(const json_t *ev, const char *from, json_t *out, const char *to)
{
	json_t *v = json_object_get(ev, from);

	if (v != NULL)
		json_object_set(out, to, v);
}

static void
join_categories(const json_t *list, json_t *out)
{
	struct sb b = { 0 };
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		if (b.len > 0)
			sb_ch(&b, ',');
		sb_str(&b, json_is_string(v) ? json_string_value(v) : "");
	}
	json_object_set_new(out, "categories", b.len ? json_string(sb_cstr(&b)) : json_null());
	sb_free(&b);
}

static bool
times(struct req *r, const json_t *ev, json_t *out, int64_t *local, const struct tz **z_of)
{
	const json_t *s = json_object_get(ev, "startDate"), *e = json_object_get(ev, "endDate");
	int64_t t;
	bool full = false;
	const char *zone = NULL;

	if (s != NULL && !json_is_null(s)) {
		if (!event_time(r, s, &t, &full, &zone))
			return false;
		json_object_set_new(out, "start_date", json_integer(t));
		json_object_set_new(out, "full_time", json_boolean(full));
		if (zone != NULL)
			json_object_set_new(out, "timezone", json_string(zone));
		*z_of = tz_get(zone ? zone : "UTC");
		*local = full ? t : t + tz_offset(*z_of, t);
	}
	if (e != NULL && !json_is_null(e)) {
		if (!event_time(r, e, &t, &full, &zone))
			return false;
		json_object_set_new(out, "end_date", json_integer(t));
	}
	if (json_object_get(out, "start_date") && json_object_get(out, "end_date") &&
	    json_integer_value(json_object_get(out, "end_date")) < json_integer_value(json_object_get(out, "start_date"))) {
		fail(r, "CAL-4221", json_pack("[O,O]", json_object_get(s, "value"), json_object_get(e, "value")));
		return false;
	}
	return true;
}

json_t *
event_fields(struct req *r, const json_t *ev, const struct obj *o)
{
	json_t *out = json_object(), *v;
	const struct tz *z = tz_get("UTC");
	int64_t local = 0;
	const char *s;

	if (o != NULL) { /* a rule alone is one of the start that is there */
		z = cal_zone(o);
		local = cal_full(o) ? cal_start(o) : cal_start(o) + tz_offset(z, cal_start(o));
	}
	copy_text(ev, "summary", out, "title");
	copy_text(ev, "location", out, "location");
	copy_text(ev, "description", out, "note");
	copy_text(ev, "uid", out, "uid");
	copy_text(ev, "sequence", out, "sequence");
	if ((v = json_object_get(ev, "categories")) != NULL)
		join_categories(v, out);
	if ((s = json_string_value(json_object_get(ev, "class"))) != NULL)
		json_object_set_new(out, "private_flag", json_boolean(strcmp(s, "PRIVATE") == 0 || strcmp(s, "CONFIDENTIAL") == 0));
	if ((s = json_string_value(json_object_get(ev, "transp"))) != NULL)
		json_object_set_new(out, "shown_as", json_integer(strcmp(s, "TRANSPARENT") == 0 ? 4 : 1));
	if (times(r, ev, out, &local, &z) && (v = json_object_get(ev, "rrule")) != NULL) {
		if (json_is_string(v) && json_string_length(v) > 0)
			(void)rule_fields(r, json_string_value(v), local, z, out);
		else
			json_object_set_new(out, "recurrence_type", json_integer(0));
	}
	if (json_is_array(v = json_object_get(ev, "attendees")))
		json_object_set_new(out, "participants", participants(r, v));
	if (r->failed) {
		json_decref(out);
		return NULL;
	}
	return out;
}

/* as in the server's public source, which knows each by its own and older names */
static const char *const colors[][4] = { { NULL }, { "#CFE6FF", "lightblue", "#ADD8E6", "#9bceff" },
    { "#9BC8F7", "darkblue", "#6ca0df", "#00008B" }, { "#B89AE9", "purple", "#a889d6", "#800080" },
    { "#F7C7E0", "pink", "#e2b3e2", "#FFC0CB" }, { "#FFE2E2", "red", "#e7a9ab", "#FF0000" },
    { "#FDE2B9", "orange", "#ffb870", "#FFA500" }, { "#FFEEB0", "yellow", "#f2de88", "#FFFF00" },
    { "#E6EFBD", "lightgreen", "#c2d082", "#90EE90" }, { "#C5D481", "darkgreen", "#809753", "#006400" },
    { "#6B6B6B", "gray", "#4d4d4d", "#808080" } };

const char *
event_color(int label)
{
	return label > 0 && label <= 10 ? colors[label][0] : NULL;
}

int
event_color_label(const char *color)
{
	int i, k;

	for (i = 1; i <= 10; i++)
		for (k = 0; k < 4; k++)
			if (strcmp(colors[i][k], color) == 0)
				return i;
	return 0;
}

bool
event_extra(struct req *r, struct obj *o, const struct folder *f, const json_t *ev, bool create)
{
	static const struct { const char *from, *to; } plain[] = { { "class", "_class" }, { "url", "_url" },
	    { "color", "_color" }, { "status", "_status" }, { "geo", "_geo" }, { "filename", "_filename" },
	    { "extendedProperties", "_extprops" } };
	static const struct set_errs errs = { "CAL-5071", "CAL-5070", "OX-9999", "SVL-0007/int", false, false };
	struct attendee *a = att_of(o, f->type == 1 ? f->owner : r->u->id);
	const char *s;
	json_t *v;
	gchar *up;
	size_t i;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if ((v = json_object_get(ev, plain[i].from)) != NULL &&
		    !field_set(r, &MI_CALENDAR, &errs, o, fld_by_name(&MI_CALENDAR, plain[i].to), v, ev))
			return false;
	if (json_object_get(ev, "color") != NULL) {
		s = json_string_value(json_object_get(ev, "color"));
		obj_set_int(o, fld_by_name(&MI_CALENDAR, "color_label"), s ? event_color_label(s) : 0);
	}
	if ((s = json_string_value(json_object_get(ev, "rrule"))) != NULL && *s) {
		up = g_ascii_strup(s, -1);
		obj_set_str(o, fld_by_name(&MI_CALENDAR, "_rrule"), up);
		g_free(up);
	}
	if ((v = json_object_get(ev, "alarms")) != NULL && a != NULL)
		return set_alarms(r, o, a, v, create);
	return true;
}
