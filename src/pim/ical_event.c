/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * VEVENT to and from OX appointments: times, series with exceptions, alarm and
 * free/busy.  The recurrence rule itself is in ical_recur.c.
 */
#include "ical_int.h"

#include <stdlib.h>
#include <string.h>

static const struct ical_text event_texts[] = {
	{ "title", "SUMMARY", 255 }, { "location", "LOCATION", 255 }, { NULL, NULL, 0 }
};
static const char *const busy_names[] = { "", "BUSY", "TENTATIVE", "OOF", "FREE" };

struct event {
	struct pim_when start, end;
	struct ical_series series;
};

/* DTSTART, DTEND, DURATION. */
static enum pim_rc
times_parse(struct ical_ctx *x, struct pim_comp *k, struct event *ev)
{
	struct pim_line *start = ical_line(k, "DTSTART"), *end = ical_line(k, "DTEND"), *dur = ical_line(k, "DURATION");
	int64_t s;
	enum pim_rc rc;

	if (start == NULL)
		return pim_fail(x->c, PIM_REFUSED, "line %zu: the event has no DTSTART", k->lineno);
	rc = ical_when(x, start, start->value, &ev->start);
	if (rc != PIM_OK)
		return rc;
	ev->end = ev->start;
	if (ev->start.date)
		ev->end.ms += PIM_DAY_MS;
	if (end != NULL) {
		rc = ical_when(x, end, end->value, &ev->end);
	} else if (dur != NULL) {
		if (!ical_duration(dur->value, &s))
			return pim_fail(x->c, PIM_REFUSED, "line %zu: \"%.40s\" is no duration", dur->lineno, dur->value);
		/* days of a duration are days of the wall clock (RFC 5545 3.3.6) */
		if (ev->start.zone != NULL && s % 86400 == 0 && strchr(dur->value, 'T') == NULL)
			ev->end.ms = (ev->start.local_s + s - pim_zone_offset_local(ev->start.zone, ev->start.local_s + s)) * 1000;
		else
			ev->end.ms = ev->start.ms + s * 1000;
	}
	if (rc == PIM_OK && ev->end.date != ev->start.date) {
		rc = pim_bend(x->c, "line %zu: one of DTSTART and DTEND is a date, the other a time", k->lineno);
		ev->end.ms = ev->start.ms + (ev->start.date ? PIM_DAY_MS : 0);
	}
	if (rc == PIM_OK && ev->end.ms < ev->start.ms) {
		rc = pim_bend(x->c, "line %zu: the event ends before it starts", k->lineno);
		ev->end.ms = ev->start.ms + (ev->start.date ? PIM_DAY_MS : 0);
	}
	if (rc == PIM_OK && ev->start.date && ev->end.ms == ev->start.ms)
		ev->end.ms += PIM_DAY_MS;	/* common, and means that day */
	ev->series = (struct ical_series){ .full_time = ev->start.date, .start_ms = ev->start.ms, .zone = ev->start.zone };
	return rc;
}

/* timezone: the zone of DTSTART, unless X-OX-TIMEZONE knows better. */
static enum pim_rc
zone_set(struct ical_ctx *x, struct pim_comp *k, const struct event *ev, bool series, json_t *o)
{
	struct pim_line *l = ical_line(k, "X-OX-TIMEZONE");
	const struct pim_zone *z = ev->start.zone;

	if (l != NULL)
		return pim_set_text(x->c, o, "timezone", l->value, 64);
	if (ev->start.date)
		return PIM_OK;
	if (z != NULL && z->olson[0] == '\0') {
		enum pim_rc rc = series ? pim_bend(x->c, "line %zu: no zone of the time zone database is like \"%.80s\"; the "
		                                   "series would move at the change of summer time", k->lineno, z->tzid) : PIM_OK;

		return rc != PIM_OK ? rc : pim_set_text(x->c, o, "timezone", x->c->opt->timezone, 64);
	}
	if (z != NULL)
		return pim_set_text(x->c, o, "timezone", z->olson, 64);
	/* the server takes the user's zone if there is none: wrong for a series in UTC */
	return series || (!ev->start.utc && x->floating == NULL) ? pim_set_text(x->c, o, "timezone", "UTC", 64) : PIM_OK;
}

static enum pim_rc
busy_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o)
{
	struct pim_line *transp = ical_line(k, "TRANSP"), *busy = ical_line(k, "X-MICROSOFT-CDO-BUSYSTATUS");
	struct pim_line *intended = ical_line(k, "X-MICROSOFT-CDO-INTENDEDSTATUS"), *status = ical_line(k, "STATUS");
	int v = 0, i;

	if (busy == NULL)
		busy = intended;
	for (i = 1; busy != NULL && i <= 4; i++) {
		if (pim_same(busy->value, busy_names[i]))
			v = i;
	}
	if (v == 0 && transp != NULL)
		v = pim_same(transp->value, "TRANSPARENT") ? 4 : 1;
	if (v == 0 && status != NULL && pim_same(status->value, "TENTATIVE"))
		v = 2;
	return v == 0 ? PIM_OK : pim_set_new(x->c, o, "shown_as", json_integer(v));
}

/* The first alarm that OX can hold: so many minutes before the start. */
static enum pim_rc
alarm_parse(struct ical_ctx *x, const struct pim_comp *k, const struct event *ev, json_t *o)
{
	const struct pim_comp *a;

	for (a = k->kids; a != NULL; a = a->next) {
		const struct pim_line *t = pim_line_first(a, "TRIGGER");
		struct pim_when w;
		int64_t s;

		if (strcmp(a->name, "VALARM") != 0 || t == NULL)
			continue;
		if (pim_same(pim_param(t, "VALUE"), "DATE-TIME")) {
			if (ical_when(x, t, t->value, &w) != PIM_OK)
				continue;
			s = (w.ms - ev->start.ms) / 1000;
		} else if (!ical_duration(t->value, &s)) {
			continue;
		} else if (pim_same(pim_param(t, "RELATED"), "END")) {
			s += (ev->end.ms - ev->start.ms) / 1000;
		}
		if (json_object_get(o, "alarm") != NULL || s > 0 || -s / 60 > INT32_MAX) {
			pim_note(x->c, PIM_PROBLEM_DROPPED, "line %zu: the alarm was left out, the server holds one, before the start",
			         a->lineno);
			continue;
		}
		if (pim_set_new(x->c, o, "alarm", json_integer(-s / 60)) != PIM_OK)
			return PIM_NOMEM;
	}
	return PIM_OK;
}

/* Everything of one VEVENT but its series. */
static enum pim_rc
one_parse(struct ical_ctx *x, struct pim_comp *k, bool series, struct event *ev, json_t *o)
{
	enum pim_rc rc = PIM_OK;

	if (k->overfull)
		return pim_fail(x->c, PIM_LIMIT, "the event at line %zu has more than %zu lines or a line over %zu bytes",
		                k->lineno, x->c->opt->max_lines, x->c->opt->max_line_bytes);
	if (k->open)
		rc = pim_bend(x->c, "the event at line %zu is cut off before its END:VEVENT", k->lineno);
	if (rc == PIM_OK)
		rc = times_parse(x, k, ev);
	if (rc != PIM_OK ||
	    (rc = pim_set_new(x->c, o, "start_date", json_integer(ev->start.ms))) != PIM_OK ||
	    (rc = pim_set_new(x->c, o, "end_date", json_integer(ev->end.ms))) != PIM_OK ||
	    (rc = pim_set_new(x->c, o, "full_time", json_boolean(ev->start.date))) != PIM_OK)
		return rc;
	rc = zone_set(x, k, ev, series, o);
	if (rc == PIM_OK)
		rc = ical_texts_parse(x, k, event_texts, o);
	if (rc == PIM_OK)
		rc = ical_common_parse(x, k, o);
	if (rc == PIM_OK)
		rc = busy_parse(x, k, o);
	if (rc == PIM_OK)
		rc = alarm_parse(x, k, ev, o);
	if (rc == PIM_OK)
		rc = pim_exact_read(k, o);
	return rc;
}

static enum pim_rc
date_add(json_t *o, const char *field, int64_t day)
{
	json_t *a = json_object_get(o, field);
	size_t i;

	for (i = 0; i < json_array_size(a); i++) {
		if (json_integer_value(json_array_get(a, i)) == day)
			return PIM_OK;
	}
	if (a == NULL) {
		if (json_object_set_new(o, field, json_array()) != 0)
			return PIM_NOMEM;
		a = json_object_get(o, field);
	}
	for (i = 0; i < json_array_size(a) && json_integer_value(json_array_get(a, i)) < day; i++)
		;
	return json_array_insert_new(a, i, json_integer(day)) == 0 ? PIM_OK : PIM_NOMEM;
}

/* EXDATE and X-OX-CHANGE-EXCEPTIONS: lists of dates or times in one or several lines. */
static enum pim_rc
dates_parse(struct ical_ctx *x, struct pim_comp *k, const char *prop, const char *field, json_t *o)
{
	enum pim_rc rc = PIM_OK;
	struct pim_line *l;
	const char *s;
	size_t n = 0;

	for (l = k->lines; l != NULL && rc == PIM_OK; l = l->next) {
		if (strcmp(l->name, prop) != 0)
			continue;
		l->used = true;
		for (s = l->value; s != NULL && *s != '\0' && rc == PIM_OK; s = strchr(s, ',')) {
			struct pim_when w;

			s += *s == ',';
			if (++n > x->c->opt->max_exceptions)
				return pim_fail(x->c, PIM_LIMIT, "more than %zu exceptions of one series",
				                x->c->opt->max_exceptions);
			rc = ical_when(x, l, s, &w);
			if (rc == PIM_OK)
				rc = date_add(o, field, ical_day_of_occurrence(&w));
		}
	}
	return rc;
}

/* RRULE, EXDATE and what OX does not have of the kind. */
static enum pim_rc
series_parse(struct ical_ctx *x, struct pim_comp *k, const struct event *ev, json_t *o)
{
	struct pim_line *rule = ical_line(k, "RRULE"), *l, *dim = ical_line(k, "X-OX-DAY-IN-MONTH");
	enum pim_rc rc = PIM_OK;

	for (l = k->lines; l != NULL && rc == PIM_OK; l = l->next) {
		if (l != rule && (strcmp(l->name, "RRULE") == 0 || strcmp(l->name, "EXRULE") == 0 ||
		                  strcmp(l->name, "RDATE") == 0)) {
			l->used = true;
			rc = pim_bend(x->c, "line %zu: the server cannot hold a series with %s", l->lineno,
			              strcmp(l->name, "RRULE") == 0 ? "two rules" : l->name);
		}
	}
	if (rc != PIM_OK || rule == NULL)
		return rc;
	rc = ical_recur_parse(x, rule->value, &ev->series, o);
	if (rc == PIM_REFUSED) {
		char why[sizeof(x->c->why)];

		memcpy(why, x->c->why, sizeof(why));
		rc = pim_bend(x->c, "line %zu: %.250s", rule->lineno, why);
		if (rc == PIM_OK) {	/* the first instance alone */
			for (l = k->lines; l != NULL; l = l->next)
				l->used |= strcmp(l->name, "EXDATE") == 0;
			json_object_del(o, "until");
		}
		return rc;
	}
	if (rc == PIM_OK && dim != NULL && strcmp(dim->value, "-1") == 0 &&
	    json_integer_value(json_object_get(o, "day_in_month")) == 5)	/* how OX 8 spells "last" */
		rc = pim_set_new(x->c, o, "day_in_month", json_integer(-1));
	if (rc == PIM_OK)
		rc = dates_parse(x, k, "EXDATE", "delete_exceptions", o);
	if (rc == PIM_OK)
		rc = dates_parse(x, k, "X-OX-CHANGE-EXCEPTIONS", "change_exceptions", o);
	return rc;
}

static enum pim_rc
override_parse(struct ical_ctx *x, struct pim_comp *k, json_t *master, json_t *exceptions)
{
	struct pim_line *id = ical_line(k, "RECURRENCE-ID"), *status = pim_line_first(k, "STATUS");
	json_t *o = json_object();
	struct pim_when w;
	struct event ev = { 0 };
	enum pim_rc rc;

	rc = o == NULL ? PIM_NOMEM : ical_when(x, id, id->value, &w);
	if (rc == PIM_OK && pim_param(id, "RANGE") != NULL)
		rc = pim_bend(x->c, "line %zu: the server cannot change an occurrence and all that follow", id->lineno);
	if (rc == PIM_OK && status != NULL && pim_same(status->value, "CANCELLED")) {
		rc = date_add(master, "delete_exceptions", ical_day_of_occurrence(&w));
	} else if (rc == PIM_OK) {
		rc = one_parse(x, k, false, &ev, o);
		if (rc == PIM_OK)
			rc = pim_set_new(x->c, o, "recurrence_date_position", json_integer(ical_day_of_occurrence(&w)));
		if (rc == PIM_OK)
			rc = date_add(master, "change_exceptions", ical_day_of_occurrence(&w));
		if (rc == PIM_OK && json_array_append(exceptions, o) != 0)
			rc = PIM_NOMEM;
		if (rc == PIM_OK)
			ical_report_rest(x, k);
	}
	json_decref(o);
	return rc;
}

enum pim_rc
ical_event_parse(struct pim_ctx *c, const struct ical_group *g, json_t **object, json_t **exceptions)
{
	struct ical_ctx x = { .c = c, .zones = g->zones };
	struct pim_comp *k = g->master;
	struct pim_line *status;
	struct pim_zone floating;
	struct event ev = { 0 };
	json_t *o = json_object(), *ex = json_array();
	enum pim_rc rc = o == NULL || ex == NULL ? PIM_NOMEM : PIM_OK;
	size_t i, first = 0;

	*object = *exceptions = NULL;
	if (c->opt->timezone != NULL && pim_zone_builtin(&floating, c->opt->timezone))
		x.floating = &floating;
	if (rc == PIM_OK && k == NULL) {
		k = g->overrides[0];
		first = g->overrides_len;	/* lenient: the first one alone */
		rc = pim_bend(c, "line %zu: an exception of a series that is not in the file", k->lineno);
		ical_line(k, "RECURRENCE-ID");
	}
	status = k == NULL ? NULL : pim_line_first(k, "STATUS");
	if (rc == PIM_OK && status != NULL && pim_same(status->value, "CANCELLED"))
		rc = pim_bend(c, "line %zu: the event is cancelled", k->lineno);
	if (rc == PIM_OK)
		rc = one_parse(&x, k, pim_line_first(k, "RRULE") != NULL, &ev, o);
	if (rc == PIM_OK)
		rc = series_parse(&x, k, &ev, o);
	if (rc == PIM_OK)
		ical_report_rest(&x, k);
	if (rc == PIM_OK && first < g->overrides_len && json_object_get(o, "recurrence_type") == NULL) {
		rc = pim_bend(c, "line %zu: there are exceptions, but the event does not recur", k->lineno);
		first = g->overrides_len;
	}
	for (i = first; i < g->overrides_len && rc == PIM_OK; i++)
		rc = override_parse(&x, g->overrides[i], o, ex);
	if (rc == PIM_OK) {
		*object = json_incref(o);
		*exceptions = json_incref(ex);
	}
	json_decref(o);
	json_decref(ex);
	return rc;
}

/* --- writing ----------------------------------------------------------------------- */

/* The times' zone of an appointment; NULL: written in UTC. */
static const struct pim_zone *
zone_of(const json_t *o, bool full_time, struct pim_zone *store)
{
	const char *name = pim_get_text(o, "timezone");

	return !full_time && name != NULL && pim_zone_builtin(store, name) && store->tz != NULL ? store : NULL;
}

/* Does the wall clock time of MS lead back to it?  Not in the second of two equal hours. */
static bool
writable(int64_t ms, const struct pim_zone *z)
{
	int64_t s = ms / 1000, local = s + pim_zone_offset_utc(z, s);

	return local - pim_zone_offset_local(z, local) == s;
}

static enum pim_rc
alarm_format(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	struct pim_buf v = { 0 };
	int64_t n;

	if (pim_want(c, o, "alarm", JSON_INTEGER) != PIM_OK)
		return PIM_REFUSED;
	if (!pim_get_int(o, "alarm", &n) || n < 0)
		return PIM_OK;
	pim_buf_printf(&v, "-PT%lldM", (long long)n);
	pim_put_line(out, "BEGIN", "VALARM");
	pim_put_line(out, "ACTION", "DISPLAY");
	pim_put_line(out, "DESCRIPTION", "Reminder");
	pim_put_line(out, "TRIGGER", v.p == NULL ? "" : v.p);
	pim_put_line(out, "END", "VALARM");
	if (v.failed)
		out->failed = true;
	pim_buf_fini(&v);
	return PIM_OK;
}

static enum pim_rc
busy_format(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	int64_t n;

	if (pim_want(c, o, "shown_as", JSON_INTEGER) != PIM_OK)
		return PIM_REFUSED;
	if (!pim_get_int(o, "shown_as", &n))
		return PIM_OK;
	if (n < 1 || n > 4)
		n = 1;	/* as the server does */
	pim_put_line(out, "TRANSP", n == 4 ? "TRANSPARENT" : "OPAQUE");
	pim_put_line(out, "X-MICROSOFT-CDO-BUSYSTATUS", busy_names[n]);
	return PIM_OK;
}

/* Dates of FIELD that no exception object stands for, one line. */
static enum pim_rc
dates_format(struct pim_ctx *c, const json_t *o, const char *field, const json_t *exceptions,
             const struct ical_series *s, const char *prop, struct pim_buf *out)
{
	const json_t *a = json_object_get(o, field);
	size_t i, k;

	if (pim_want(c, o, field, JSON_ARRAY) != PIM_OK)
		return PIM_REFUSED;
	for (i = 0; i < json_array_size(a); i++) {
		int64_t day = json_integer_value(json_array_get(a, i)), other;
		bool covered = false;

		if (!json_is_integer(json_array_get(a, i)))
			return pim_fail(c, PIM_REFUSED, "%s holds something that is no date", field);
		for (k = 0; k < json_array_size(exceptions) && !covered; k++)
			covered = pim_get_int(json_array_get(exceptions, k), "recurrence_date_position", &other) &&
			          pim_day_floor(other) == pim_day_floor(day);
		if (covered)
			continue;
		if (exceptions != NULL || s == NULL)
			ical_put_when(out, prop, pim_day_floor(day), true, NULL);
		else
			ical_put_occurrence(out, prop, s, day);
	}
	return PIM_OK;
}

static enum pim_rc
series_format(struct pim_ctx *c, const json_t *o, const json_t *exceptions, const struct ical_series *s,
              struct pim_buf *out)
{
	static const json_int_t none = 0;
	struct pim_buf rule = { 0 };
	json_t *empty = json_array();
	enum pim_rc rc = empty == NULL ? PIM_NOMEM : ical_recur_format(c, o, s, &rule);
	int64_t dim = none;

	if (rc == PIM_OK && rule.len > 0) {
		pim_put_line(out, "RRULE", rule.p);
		if (pim_get_int(o, "day_in_month", &dim) && dim == -1)
			pim_put_line(out, "X-OX-DAY-IN-MONTH", "-1");
		rc = dates_format(c, o, "delete_exceptions", NULL, s, "EXDATE", out);
		if (rc == PIM_OK)
			rc = dates_format(c, o, "change_exceptions", exceptions != NULL ? exceptions : empty, s,
			                  "X-OX-CHANGE-EXCEPTIONS", out);
	}
	pim_buf_fini(&rule);
	json_decref(empty);
	return rc;
}

/* One VEVENT.  MASTER_SERIES: this is an override of that series. */
static enum pim_rc
one_format(struct pim_ctx *c, const json_t *o, const json_t *exceptions, const struct ical_series *master,
           const char *uid, struct ical_series *series, struct pim_zone *store, struct pim_buf *out)
{
	int64_t start, end, day;
	bool full = json_is_true(json_object_get(o, "full_time")), recurs;
	const struct pim_zone *z;
	const char *tz = pim_get_text(o, "timezone");
	enum pim_rc rc;

	if (!json_is_object(o) || !pim_get_int(o, "start_date", &start) || !pim_get_int(o, "end_date", &end))
		return pim_fail(c, PIM_REFUSED, "an appointment needs start_date and end_date as numbers");
	if (pim_want(c, o, "full_time", JSON_TRUE) != PIM_OK || pim_want(c, o, "timezone", JSON_STRING) != PIM_OK)
		return PIM_REFUSED;
	if (start < INT64_C(-62135596800000) || end > INT64_C(253402214400000) || end < start)
		return pim_fail(c, PIM_REFUSED, "start_date and end_date are no span within the years 1 to 9999");
	z = zone_of(o, full, store);
	if (z != NULL && !writable(start, z))
		z = NULL;
	*series = (struct ical_series){ .full_time = full, .start_ms = start, .zone = z, .object = o };
	recurs = json_integer_value(json_object_get(o, "recurrence_type")) > 0;
	pim_put_line(out, "BEGIN", "VEVENT");
	ical_put_when(out, "DTSTART", start, full, z);
	ical_put_when(out, "DTEND", end, full, z != NULL && writable(end, z) ? z : NULL);
	if (z == NULL && (tz != NULL || (recurs && !full)))
		pim_put_line(out, "X-OX-TIMEZONE", tz == NULL ? "" : tz);
	if (master != NULL && pim_get_int(o, "recurrence_date_position", &day))
		ical_put_occurrence(out, "RECURRENCE-ID", master, day);
	rc = ical_texts_format(c, o, event_texts, out);
	if (rc == PIM_OK)
		rc = ical_common_format(c, o, uid, out);
	if (rc == PIM_OK)
		rc = busy_format(c, o, out);
	if (rc == PIM_OK && master == NULL)
		rc = series_format(c, o, exceptions, series, out);
	if (rc == PIM_OK)
		pim_exact_put(out, o);
	if (rc == PIM_OK)
		rc = alarm_format(c, o, out);
	pim_put_line(out, "END", "VEVENT");
	return rc;
}

/* A VTIMEZONE for each zone of the object and its exceptions, once. */
static void
zones_format(const json_t *o, const json_t *exceptions, struct pim_buf *out)
{
	json_t *seen = json_object();
	size_t i;

	for (i = 0; i <= json_array_size(exceptions); i++) {
		const json_t *e = i == 0 ? o : json_array_get(exceptions, i - 1);
		struct pim_zone store;
		const struct pim_zone *z = zone_of(e, json_is_true(json_object_get(e, "full_time")), &store);

		if (z == NULL || json_object_get(seen, z->olson) != NULL)
			continue;
		pim_zone_put(out, z);
		json_object_set_new(seen, z->olson, json_true());
	}
	json_decref(seen);
}

enum pim_rc
pim_ical_event_format(const json_t *object, const json_t *exceptions, const struct pim_options *opt, char **text,
                      struct pim_error *err)
{
	struct pim_options defaults;
	struct pim_ctx c;
	struct pim_buf out = { 0 };
	struct pim_zone store, store2;
	struct ical_series series, other;
	enum pim_rc rc;
	size_t i;

	*text = NULL;
	pim_init();
	pim_ctx_init(&c, opt, &defaults, NULL);
	pim_put_line(&out, "BEGIN", "VCALENDAR");
	pim_put_line(&out, "VERSION", "2.0");
	pim_put_line(&out, "PRODID", "-//usmd//pim//EN");
	zones_format(object, exceptions, &out);
	rc = one_format(&c, object, exceptions, NULL, NULL, &series, &store, &out);
	for (i = 0; i < json_array_size(exceptions) && rc == PIM_OK; i++) {
		const json_t *e = json_array_get(exceptions, i);

		if (!json_is_integer(json_object_get(e, "recurrence_date_position")))
			rc = pim_fail(&c, PIM_REFUSED, "exception %zu has no recurrence_date_position", i + 1);
		else
			rc = one_format(&c, e, NULL, &series, pim_get_text(object, "uid"), &other, &store2, &out);
	}
	pim_put_line(&out, "END", "VCALENDAR");
	if (rc == PIM_OK) {
		*text = pim_buf_take(&out);
		rc = *text == NULL ? PIM_NOMEM : PIM_OK;
	}
	pim_buf_fini(&out);
	pim_ctx_error(&c, rc, err);
	return rc;
}
