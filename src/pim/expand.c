/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A series as single occurrences, by OX's recurrence members alone: which days have one, when it begins there, which of them are deleted
 * or changed.  Plain arithmetic on days of the wall clock; only the step to an instant needs the zone.
 */
#include "expand_int.h"

#include <string.h>

#define MAX_STEPS 200000	/* 547 years of a daily series */

/* Sunday 0 .. Saturday 6; 1970-01-01 was a Thursday. */
static int
weekday(int64_t day)
{
	return (int)(((day + 4) % 7 + 7) % 7);
}

static int
month_days(int64_t y, int m)
{
	return (int)((m == 12 ? pim_days_of_civil(y + 1, 1, 1) : pim_days_of_civil(y, m + 1, 1)) - pim_days_of_civil(y, m, 1));
}

/* The NTH (5, -1 = last) day of the month whose weekday is in DAYS, -1 = it has none. */
static int64_t
nth_day(int64_t y, int m, int days, int nth)
{
	int64_t first = pim_days_of_civil(y, m, 1), found = -1;
	int len = month_days(y, m), seen = 0, d;
	bool last = nth == 5 || nth == -1;

	for (d = 0; d < len; d++)
		if ((days & 1 << weekday(first + d)) != 0 && (++seen == nth || last))
			found = first + d;
	return found;
}

/* The day of a monthly or yearly rule in that month, -1 = none (no 31st in April). */
static int64_t
month_day(const struct pim_rule *r, int64_t y, int m)
{
	if (r->days != 0)
		return nth_day(y, m, r->days, r->day_in_month);
	return r->day_in_month >= 1 && r->day_in_month <= month_days(y, m) ? pim_days_of_civil(y, m, 1) + r->day_in_month - 1 : -1;
}

/* The days of the Kth period of the rule, counted from that of the start; their number, at most 7. */
static size_t
period(const struct pim_rule *r, int64_t k, int64_t out[7])
{
	int64_t step = k * r->interval, y, month, day;
	size_t n = 0;
	int m, d;

	pim_civil_of_days(r->first, &y, &m, &d);
	switch (r->type) {
	case 1:
		out[0] = r->first + step;
		return 1;
	case 2:	/* weeks begin on Monday */
		day = r->first - (weekday(r->first) + 6) % 7 + 7 * step;
		for (d = 0; d < 7; d++)
			if ((r->days & 1 << weekday(day + d)) != 0)
				out[n++] = day + d;
		return n;
	case 3:
		month = y * 12 + m - 1 + step;
		out[0] = month_day(r, month / 12, (int)(month % 12) + 1);
		return out[0] != -1;
	default:
		out[0] = month_day(r, y + step, r->month);
		return out[0] != -1;
	}
}

bool
pim_rule_read(const json_t *o, const struct ical_series *s, struct pim_rule *r)
{
	static const char *const names[] = { "recurrence_type", "interval", "days", "day_in_month", "month", "until", "occurrences" };
	int64_t v[7] = { 0, 1, 0, 0, 0, 0, 0 };
	bool has_until = false;
	size_t i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 7; i++)
		if (pim_get_int(o, names[i], &v[i]) && i == 5)
			has_until = true;
	if (v[0] < 1 || v[0] > 4 || v[1] < 1 || v[1] > 999 || v[2] < 0 || v[2] > 127 || v[3] < -1 || v[3] > 31 || v[4] < 0 || v[4] > 12)
		return false;
	r->series = *s;
	r->type = (int)v[0];
	r->interval = v[1];
	r->days = (int)v[2];
	r->day_in_month = (int)v[3];
	r->month = v[4] == 12 ? 12 : (int)v[4] + 1;	/* OX takes 12 for December as well */
	r->count = v[6] > 0 ? v[6] : INT64_MAX;
	r->last = has_until ? pim_day_floor(v[5]) / PIM_DAY_MS : INT64_MAX;
	r->local_s = s->start_ms / 1000 + (s->full_time ? 0 : pim_zone_offset_utc(s->zone, s->start_ms / 1000));
	r->first = pim_day_floor(r->local_s * 1000) / PIM_DAY_MS;
	r->time_s = r->local_s - r->first * 86400;
	return r->type != 2 || r->days != 0;
}

static int64_t
instant(const struct pim_rule *r, int64_t local)
{
	return (r->series.full_time ? local : local - pim_zone_offset_local(r->series.zone, local)) * 1000;
}

/* Every occurrence from about FROM_MS up to about UNTIL_MS (two days more on either side) in order of time, until EACH says false;
 * PIM_LIMIT: too many. */
static enum pim_rc
pim_rule_walk(const struct pim_rule *r, int64_t from_ms, int64_t until_ms, pim_rule_cb each, void *arg)
{
	int64_t days[7], k, near = pim_day_floor(from_ms) / PIM_DAY_MS - 2, last = until_ms / PIM_DAY_MS + 2;
	unsigned position = 0;
	int64_t local;
	size_t i, n;

	for (k = r->skip; k < r->skip + MAX_STEPS; k++) {
		n = period(r, k, days);
		for (i = 0; i < n; i++) {
			if (days[i] < r->first)
				continue;
			if (days[i] > r->last || days[i] > last || position++ >= r->count)
				return PIM_OK;
			local = days[i] * 86400 + r->time_s;
			if (days[i] >= near && !each(arg, position, local, instant(r, local)))
				return PIM_OK;
		}
		/* empty months do not end in MAX_STEPS what has a limit in time */
		if (n == 0 && r->first + k * r->interval * (r->type == 3 ? 28 : 365) > (r->last < last ? r->last : last))
			return PIM_OK;
	}
	return PIM_LIMIT;
}

/* ---- one occurrence by its day ---- */

struct find {
	int64_t day, local, start;
	bool found;
};

static bool
find_day(void *arg, unsigned position, int64_t local_s, int64_t start_ms)
{
	struct find *f = arg;

	(void)position;
	if (pim_day_floor(start_ms) < f->day)
		return true;
	f->found = pim_day_floor(start_ms) == f->day;
	f->local = local_s;
	f->start = start_ms;
	return false;
}

bool
pim_rule_at(const struct pim_rule *r, int64_t day_ms, int64_t *local_s, int64_t *start_ms)
{
	static const int longest[] = { 0, 1, 7, 31, 366 };	/* days that a period has at most */
	struct find f = { .day = pim_day_floor(day_ms) };
	struct pim_rule near = *r;

	if (r->count == INT64_MAX) {	/* nothing to count: begin close before it */
		near.skip = (f.day / PIM_DAY_MS - r->first) / (longest[r->type] * r->interval) - 2;
		near.skip = near.skip > 0 ? near.skip : 0;
	}
	if (pim_rule_walk(&near, f.day - PIM_DAY_MS, f.day + PIM_DAY_MS, find_day, &f) != PIM_OK || !f.found)
		return false;
	*local_s = f.local;
	*start_ms = f.start;
	return true;
}

/* ---- an appointment with its exceptions ---- */

struct expand {
	const json_t *o, *exceptions;
	int64_t from, to, length;
	int64_t day;	/* of the occurrence before */
	pim_occurrence_cb cb;
	void *arg;
	bool stopped;
};

static bool
named(const json_t *days, int64_t day)
{
	size_t i;

	for (i = 0; i < json_array_size(days); i++)
		if (pim_day_floor(json_integer_value(json_array_get(days, i))) == day)
			return true;
	return false;
}

static bool
deliver(struct expand *x, const struct pim_occurrence *c)
{
	if (c->start_ms < x->to && (c->end_ms > x->from || (c->end_ms == c->start_ms && c->start_ms >= x->from)))
		x->stopped = x->cb(x->arg, c) != 0;
	return !x->stopped;
}

static bool
regular(void *arg, unsigned position, int64_t local_s, int64_t start_ms)
{
	struct expand *x = arg;
	struct pim_occurrence c = { .start_ms = start_ms, .end_ms = start_ms + x->length, .day_ms = pim_day_floor(start_ms), .position = position };
	/* where a change of offset puts two occurrences on one UTC day, its name is that of the first */
	bool second = position > 1 && c.day_ms == x->day;
	size_t i;

	(void)local_s;
	x->day = c.day_ms;
	if (c.start_ms >= x->to)
		return false;
	if (second)
		return deliver(x, &c);
	for (i = 0; i < json_array_size(x->exceptions); i++)
		if (pim_day_floor(json_integer_value(json_object_get(json_array_get(x->exceptions, i), "recurrence_date_position"))) == c.day_ms)
			return true;
	if (named(json_object_get(x->o, "delete_exceptions"), c.day_ms) || named(json_object_get(x->o, "change_exceptions"), c.day_ms))
		return true;
	return deliver(x, &c);
}

static bool
span(const json_t *o, int64_t *start, int64_t *end)
{
	return pim_get_int(o, "start_date", start) && pim_get_int(o, "end_date", end) && *start >= -INT64_C(62135596800000) &&
	       *end <= INT64_C(253402300800000) && *end >= *start;
}

enum pim_rc
pim_expand(const json_t *object, const json_t *exceptions, int64_t from_ms, int64_t to_ms, pim_occurrence_cb cb, void *arg, struct pim_error *err)
{
	struct expand x = { .o = object, .exceptions = exceptions, .cb = cb, .arg = arg };
	bool full = json_is_true(json_object_get(object, "full_time"));
	const char *name = pim_get_text(object, "timezone"), *why = NULL;
	struct pim_occurrence c = { 0 };
	struct ical_series s = { .full_time = full };
	struct pim_zone zone;
	struct pim_rule r;
	enum pim_rc rc = PIM_OK;
	size_t i;

	from_ms = from_ms < -INT64_C(62135596800000) ? -INT64_C(62135596800000) : from_ms;
	to_ms = to_ms > INT64_C(253402300800000) ? INT64_C(253402300800000) : to_ms;
	x.from = from_ms;
	x.to = to_ms;
	pim_init();
	if (err != NULL)
		err->text[0] = '\0';
	if (!span(object, &c.start_ms, &c.end_ms)) {
		why = "an appointment needs start_date and end_date within the years 1 to 9999";
		rc = PIM_REFUSED;
		goto out;
	}
	if (!full && name != NULL && pim_zone_builtin(&zone, name) && zone.tz != NULL)
		s.zone = &zone;
	s.start_ms = c.start_ms;
	x.length = c.end_ms - c.start_ms;
	if (json_integer_value(json_object_get(object, "recurrence_type")) == 0) {
		(void)deliver(&x, &c);
	} else if (!pim_rule_read(object, &s, &r)) {
		why = "the recurrence is no pattern that the server has";
		rc = PIM_REFUSED;
	} else {
		rc = pim_rule_walk(&r, from_ms - x.length, to_ms, regular, &x);
		why = "the series has too many occurrences";
	}
	for (i = 0; rc == PIM_OK && !x.stopped && i < json_array_size(exceptions); i++) {
		const json_t *e = json_array_get(exceptions, i);

		c = (struct pim_occurrence){ .exception = i + 1 };
		if (span(e, &c.start_ms, &c.end_ms) && pim_get_int(e, "recurrence_date_position", &c.day_ms))
			(void)deliver(&x, &c);
	}
out:
	if (rc == PIM_OK && x.stopped)
		rc = PIM_STOPPED;
	if (rc != PIM_OK && rc != PIM_STOPPED && err != NULL)
		(void)snprintf(err->text, sizeof(err->text), "%s", why);
	return rc;
}
