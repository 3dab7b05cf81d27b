/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a change of an appointment means for its event.  An event says more than an appointment: zones of its own for start and
 * end, several alarms, rules of any kind, roles of attendees.  So nothing is said that was not touched, and what is said is said on top
 * of what is there.
 */
#include "backend/chronos_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/** One event being written. */
struct body {
	struct buf *b;
	size_t n;                 /* members written */
	const struct object *o;   /* the appointment wanted */
	const struct object *was; /* the appointment that is there, NULL of a new one */
	const json_t *base;       /* the same as an event */
	struct fmask m;           /* what differs */
};

static const enum cf times[] = { CF_start_date, CF_end_date, CF_full_time, CF_timezone };
static const enum cf pattern[] = { CF_recurrence_type, CF_interval, CF_days, CF_day_in_month, CF_month, CF_until, CF_occurrences };

static bool
any_of(const struct fmask *m, const enum cf *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fmask_has(m, cf(f[i])))
			return true;
	return false;
}

bool
event_needs_base(const struct fmask *fields)
{
	static const enum cf others[] = { CF_alarm, CF_participants, CF_delete_exceptions };

	return any_of(fields, times, ARRAY_LEN(times)) || any_of(fields, pattern, ARRAY_LEN(pattern)) || any_of(fields, others, ARRAY_LEN(others));
}

static bool
touched(const struct body *w, enum cf f)
{
	return fmask_has(&w->m, cf(f));
}

static const json_t *
value(const struct body *w, enum cf f)
{
	return touched(w, f) || w->was == NULL ? w->o->v[cf(f)] : w->was->v[cf(f)];
}

static int64_t
value_i64(const struct body *w, enum cf f, int64_t dflt)
{
	const json_t *v = value(w, f);

	return json_is_integer(v) ? json_integer_value(v) : json_is_real(v) ? (int64_t)json_real_value(v) : dflt;
}

static void
member(struct body *w, const char *name)
{
	buf_addf(w->b, "%s\"%s\":", w->n++ > 0 ? "," : "", name);
}

static void
member_text(struct body *w, const char *name, const char *text)
{
	member(w, name);
	if (text != NULL)
		json_text_string(w->b, text, strlen(text));
	else
		buf_adds(w->b, "null");
}

/* ---- plain fields ---- */

/* "a, b" as ["a","b"]; a comma between quotes belongs to a name (OX's source). */
static void
write_categories(struct body *w)
{
	const char *s = json_string_value(value(w, CF_categories));
	bool first = true, quoted = false;

	member(w, "categories");
	buf_addc(w->b, '[');
	for (const char *end; s != NULL && *s != '\0'; s = *end == ',' ? end + 1 : end) {
		size_t n;

		for (end = s; *end != '\0' && (*end != ',' || quoted); end++)
			quoted = quoted != (*end == '"');
		while (*s == ' ')
			s++;
		for (n = end > s ? (size_t)(end - s) : 0; n > 0 && s[n - 1] == ' '; n--)
			;
		if (n == 0)
			continue;
		if (!first)
			buf_addc(w->b, ',');
		first = false;
		json_text_string(w->b, s, n);
	}
	buf_addc(w->b, ']');
}

static void
write_plain(struct body *w)
{
	static const struct { enum cf f; const char *name; } texts[] = {
		{ CF_title, "summary" }, { CF_location, "location" }, { CF_note, "description" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (touched(w, texts[i].f)) {
			const json_t *v = value(w, texts[i].f);

			member(w, texts[i].name);
			json_text(w->b, v);
		}
	if (touched(w, CF_uid) && w->base == NULL)
		member_text(w, "uid", json_string_value(value(w, CF_uid)));
	if (touched(w, CF_categories))
		write_categories(w);
	if (touched(w, CF_private_flag))
		member_text(w, "class", json_is_true(value(w, CF_private_flag)) ? "CONFIDENTIAL" : "PUBLIC");
	if (touched(w, CF_color_label))
		member_text(w, "color", color_of_label(value_i64(w, CF_color_label, 0)));
	if (touched(w, CF_shown_as))
		member_text(w, "transp", value_i64(w, CF_shown_as, 1) == 4 ? "TRANSPARENT" : "OPAQUE");
}

/* ---- times ---- */

/* T on the clock that the event shall have: that of the appointment where it was set, else that which its time has now. */
static struct event_time
time_of(const struct body *w, const char *name, int64_t t)
{
	struct event_time out = { .utc = t, .local = t, .full = json_is_true(value(w, CF_full_time)) }, is;
	const char *zone = json_string_value(value(w, CF_timezone));

	if (out.full) {
		out.utc = out.local = day_floor(t);
		return out;
	}
	if (!(touched(w, CF_timezone) && zone_known(zone)) && w->base != NULL && event_time_read(json_object_get(w->base, name), &is) && !is.full) {
		out.floating = is.floating;
		zone = is.zone;
	}
	/* of an hour that its clock has twice a zone can say the second one only: then UTC, since the moment counts more than its name */
	if (zone_known(zone) && strcmp(zone, "UTC") != 0 && zone_to_utc(zone, zone_to_local(zone, t)) == t) {
		out.zone = zone;
		out.local = zone_to_local(zone, t);
	}
	return out;
}

static void
write_time(struct body *w, const char *name, int64_t t)
{
	struct event_time at = time_of(w, name, t);
	char stamp[20];

	stamp_format(at.local, at.full ? STAMP_DAY : at.zone != NULL || at.floating ? STAMP_LOCAL : STAMP_UTC, stamp);
	member(w, name);
	buf_addf(w->b, "{\"value\":\"%s\"", stamp);
	if (at.zone != NULL) {
		buf_adds(w->b, ",\"tzid\":");
		json_text_string(w->b, at.zone, strlen(at.zone));
	}
	buf_addc(w->b, '}');
}

static void
write_times(struct body *w)
{
	bool both = touched(w, CF_full_time) || touched(w, CF_timezone);

	if ((both || touched(w, CF_start_date)) && value(w, CF_start_date) != NULL)
		write_time(w, "startDate", value_i64(w, CF_start_date, 0));
	if ((both || touched(w, CF_end_date)) && value(w, CF_end_date) != NULL)
		write_time(w, "endDate", value_i64(w, CF_end_date, 0));
}

/* ---- series ---- */

static void
write_rule(struct body *w)
{
	const char *old = json_string_value(json_object_get(w->base, "rrule"));
	struct event_time start = time_of(w, "startDate", value_i64(w, CF_start_date, 0));
	struct rule r = {
		.type = value_i64(w, CF_recurrence_type, 0), .interval = value_i64(w, CF_interval, 1), .days = value_i64(w, CF_days, 0),
		.day_in_month = value_i64(w, CF_day_in_month, 0), .month = value_i64(w, CF_month, 0), .occurrences = value_i64(w, CF_occurrences, 0),
		.until = day_floor(value_i64(w, CF_until, 0)), .has_until = value(w, CF_until) != NULL,
	};
	struct buf text;

	/* an end that is set replaces the other one, of which nothing is said */
	if (touched(w, CF_until) && r.has_until && !touched(w, CF_occurrences))
		r.occurrences = 0;
	else if (touched(w, CF_occurrences) && r.occurrences > 0 && !touched(w, CF_until))
		r.has_until = false;
	if (r.type < 1 || r.type > 4) {
		if (old != NULL)
			member_text(w, "rrule", NULL);
		return;
	}
	buf_init(&text, 4096);
	rule_patch(&text, old, &r, &start);
	if (!text.failed)
		member_text(w, "rrule", text.p);
	w->b->failed = w->b->failed || text.failed;
	buf_fini(&text);
}

/*
 * QUIRK(OX, 8.19): the end of a rule is a moment and stays when the start moves, so a start that moves to later in the day cuts the last occurrence
 * off.  With the end alone moved OX keeps the exceptions, at their new hour.
 */
static void
write_moved_end(struct body *w)
{
	const char *old = json_string_value(json_object_get(w->base, "rrule"));
	bool occurrence = w->o->v[cf(CF_recurrence_date_position)] != NULL || object_get_i64(w->o, cf(CF_recurrence_position), 0) > 0;
	struct event_time from, to;
	struct buf text;

	if (old == NULL || occurrence || value(w, CF_start_date) == NULL || !event_time_read(json_object_get(w->base, "startDate"), &from))
		return;
	to = time_of(w, "startDate", value_i64(w, CF_start_date, 0));
	buf_init(&text, 4096);
	if (rule_move_end(&text, old, &from, &to) && !text.failed)
		member_text(w, "rrule", text.p);
	w->b->failed = w->b->failed || text.failed;
	buf_fini(&text);
}

bool
occurrence_nth(const json_t *master, int64_t n, char out[20])
{
	const char *rule = json_string_value(json_object_get(master, "rrule"));
	struct event_time start;
	int64_t local;

	if (rule == NULL || !event_time_read(json_object_get(master, "startDate"), &start) || !rule_nth(rule, start.local, n, &local))
		return false;
	stamp_format(start.full ? local : zone_to_utc(start.zone, local), start.full ? STAMP_DAY : start.floating ? STAMP_LOCAL : STAMP_UTC, out);
	return true;
}

/* Two, where the clock is changed and the series lies near midnight in UTC. */
size_t
occurrence_ids(const json_t *master, int64_t day, char out[2][20])
{
	struct event_time start;
	size_t n = 0;

	if (!event_time_read(json_object_get(master, "startDate"), &start))
		return 0;
	day = day_floor(day);
	if (start.full) {
		stamp_format(day, STAMP_DAY, out[0]);
		return 1;
	}
	for (int64_t d = day - DAY_MS; d <= day + DAY_MS && n < 2; d += DAY_MS) {
		int64_t utc = zone_to_utc(start.zone, d + (start.local - day_floor(start.local)));

		if (day_floor(utc) == day)
			stamp_format(utc, start.floating ? STAMP_LOCAL : STAMP_UTC, out[n++]);
	}
	return n;
}

/* ---- alarms and people ---- */

/* The reminder that an appointment shows, changed, added or taken away; the other alarms stay. */
static void
write_alarms(struct body *w)
{
	const json_t *have = json_object_get(w->base, "alarms");
	int64_t minutes = value_i64(w, CF_alarm, -1);
	json_t *list = json_is_array(have) ? json_deep_copy(have) : json_array(), *one, *v, *trigger;
	size_t at = 0, i;

	json_array_foreach (list, i, v) {
		if (alarm_minutes(v) >= 0)
			break;
	}
	at = i;
	if (at == json_array_size(list) && minutes >= 0) /* OX refuses a DISPLAY without a description (CAL-4005) */
		(void)json_array_append_new(list, json_pack("{s:s,s:s}", "action", "DISPLAY", "description", "Reminder"));
	one = json_array_get(list, at);
	if (minutes < 0 && one != NULL)
		(void)json_array_remove(list, at);
	if (minutes >= 0) {
		trigger = json_object();
		(void)json_object_set_new(trigger, "duration", json_sprintf("-PT%" PRId64 "M", minutes));
		(void)json_object_set_new(one, "trigger", trigger);
		(void)json_object_del(one, "acknowledged");
	}
	if (list == NULL || (w->base == NULL && json_array_size(list) == 0)) {
		w->b->failed = w->b->failed || list == NULL;
	} else {
		member(w, "alarms");
		json_text(w->b, list);
	}
	json_decref(list);
}

static void
write_people(struct body *w)
{
	json_t *list = people_write(value(w, CF_participants), json_object_get(w->base, "attendees"));

	if (list == NULL) {
		w->b->failed = true;
		return;
	}
	member(w, "attendees");
	json_text(w->b, list);
	json_decref(list);
}

/* ---- the whole ---- */

/* Fields that may be written and differ from what is there. */
static void
differing(struct body *w, const struct fmask *fields)
{
	const struct content_type *t = model_content(CT_CALENDAR);

	for (unsigned i = 0; i < t->n_fields; i++) {
		if (!fmask_has(fields, i) || (t->fields[i].flags & FF_READONLY) != 0)
			continue;
		if (w->was != NULL && (w->o->v[i] == w->was->v[i] || (w->o->v[i] != NULL && w->was->v[i] != NULL && json_equal(w->o->v[i], w->was->v[i]))))
			continue;
		fmask_set(&w->m, i);
	}
}

size_t
event_body(struct buf *b, struct arena *a, const struct object *o, const struct fmask *fields, const json_t *base)
{
	struct object *was = base != NULL ? object_new(a, CT_CALENDAR) : NULL;
	struct body w = { .b = b, .o = o, .was = was, .base = base };

	if (base != NULL && (was == NULL || event_read(a, base, was, NULL) != RC_OK)) {
		b->failed = true;
		object_drop(was);
		return 0;
	}
	differing(&w, fields);
	write_plain(&w);
	write_times(&w);
	if (any_of(&w.m, pattern, ARRAY_LEN(pattern)))
		write_rule(&w);
	else if (any_of(&w.m, times, ARRAY_LEN(times)))
		write_moved_end(&w);
	if (touched(&w, CF_alarm))
		write_alarms(&w);
	if (touched(&w, CF_participants))
		write_people(&w);
	object_drop(was);
	return w.n;
}
