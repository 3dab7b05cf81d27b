/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Recurrence: RRULE to and from OX's recurrence_type, days, day_in_month, month,
 * interval, until and occurrences.  OX holds fewer patterns than RFC 5545; what it
 * cannot hold exactly is refused here, never approximated.
 */
#include "expand_int.h"

#include <libical/ical.h>
#include <stdlib.h>
#include <string.h>

#define OX_MAX_COUNT 999	/* APP-0078: for interval and occurrences */

static size_t
list_len(const short *a, size_t max)
{
	size_t n = 0;

	while (n < max && a[n] != ICAL_RECURRENCE_ARRAY_MAX)
		n++;
	return n;
}

/* OX's pattern, before it becomes JSON. */
struct pattern {
	int type, days, day_in_month, month;	/* month -1: none */
};

/* Sunday is bit 0; libical's weekdays begin with Sunday = 1. */
static int
day_bit(short by_day)
{
	return 1 << (icalrecurrencetype_day_day_of_week(by_day) - 1);
}

/* One weekday, a working day, a weekend day, any day: what OX can count in a month. */
static bool
countable(int days)
{
	return days == 62 || days == 65 || days == 127 || (days & (days - 1)) == 0;
}

/* The part of the rule that says which day of the month; false if OX has no such pattern. */
static bool
month_pattern(const struct icalrecurrencetype *r, int start_day, struct pattern *p)
{
	size_t nday = list_len(r->by_day, ICAL_BY_DAY_SIZE), npos = list_len(r->by_set_pos, ICAL_BY_SETPOS_SIZE);
	size_t nmd = list_len(r->by_month_day, ICAL_BY_MONTHDAY_SIZE), i;
	int pos = 0;

	if (nday == 0) {
		if (npos > 0 || nmd > 1)
			return false;
		p->day_in_month = nmd == 1 ? r->by_month_day[0] : start_day;
		if (p->day_in_month == -1) {	/* the last day: the last of any days */
			p->days = 127;
			p->day_in_month = 5;
		}
		return p->day_in_month >= 1 && p->day_in_month <= 31;
	}
	if (nmd > 0 || npos > 1)
		return false;
	for (i = 0; i < nday; i++) {
		if (i > 0 && icalrecurrencetype_day_position(r->by_day[i]) != pos)
			return false;
		pos = icalrecurrencetype_day_position(r->by_day[i]);
		p->days |= day_bit(r->by_day[i]);
	}
	if (npos == 1 && pos == 0)
		pos = r->by_set_pos[0];
	else if (npos == 1 || nday > 1)
		return false;	/* "the first Monday and the first Tuesday" is not "the first of both" */
	p->day_in_month = pos == -1 ? 5 : pos;
	return countable(p->days) && p->day_in_month >= 1 && p->day_in_month <= 5 && pos != 5;
}

static bool
weekly_pattern(const struct icalrecurrencetype *r, int start_weekday, struct pattern *p)
{
	size_t n = list_len(r->by_day, ICAL_BY_DAY_SIZE), i;

	p->type = 2;
	for (i = 0; i < n; i++) {
		if (icalrecurrencetype_day_position(r->by_day[i]) != 0)
			return false;
		p->days |= day_bit(r->by_day[i]);
	}
	if (n == 0)
		p->days = 1 << start_weekday;
	return true;
}

/* R as OX pattern; NULL or what is in the way. */
static const char *
pattern_of(const struct icalrecurrencetype *r, int y_month, int y_day, int weekday, struct pattern *p)
{
	size_t nday = list_len(r->by_day, ICAL_BY_DAY_SIZE), nmonth = list_len(r->by_month, ICAL_BY_MONTH_SIZE);
	bool pos = list_len(r->by_set_pos, ICAL_BY_SETPOS_SIZE) > 0;
	bool md = list_len(r->by_month_day, ICAL_BY_MONTHDAY_SIZE) > 0;

	*p = (struct pattern){ .month = -1 };
	if (list_len(r->by_second, ICAL_BY_SECOND_SIZE) > 0 || list_len(r->by_minute, ICAL_BY_MINUTE_SIZE) > 0 ||
	    list_len(r->by_hour, ICAL_BY_HOUR_SIZE) > 0)
		return "it repeats within the day";
	if (list_len(r->by_year_day, ICAL_BY_YEARDAY_SIZE) > 0 || list_len(r->by_week_no, ICAL_BY_WEEKNO_SIZE) > 0)
		return "it counts days or weeks of the year";
	switch (r->freq) {
	case ICAL_DAILY_RECURRENCE:
		p->type = 1;
		if (nmonth > 0 || md || pos || (nday > 0 && r->interval != 1))
			return "it leaves out days in a way that the server does not know";
		return nday == 0 || weekly_pattern(r, weekday, p) ? NULL : "it counts weekdays";
	case ICAL_WEEKLY_RECURRENCE:
		if (nmonth > 0 || md || pos || !weekly_pattern(r, weekday, p))
			return "it leaves out weeks in a way that the server does not know";
		return NULL;
	case ICAL_MONTHLY_RECURRENCE:
		if (nmonth > 0)
			return "it names several months";
		if (nday > 0 && !md && !pos && r->interval == 1 && weekly_pattern(r, weekday, p))
			return NULL;	/* every Monday of every month is every Monday */
		*p = (struct pattern){ .type = 3, .month = -1 };
		return month_pattern(r, y_day, p) ? NULL : "it names several days of the month, or days the server cannot count";
	case ICAL_YEARLY_RECURRENCE:
		p->type = 4;
		p->month = nmonth == 1 ? icalrecurrencetype_month_month(r->by_month[0]) - 1 : y_month - 1;
		if (nmonth > 1)
			return "it names several months";
		if (nmonth == 0 && (nday > 0 || md))
			return "it names days without a month";
		return month_pattern(r, y_day, p) && p->month >= 0 && p->month < 12 ? NULL :
		       "it names several days of the month, or days the server cannot count";
	default:
		return "it repeats more often than daily";
	}
}

/* The number behind KEY= in RULE; DFLT if there is none, -1 if it is none or too big. */
static int
rule_number(const char *rule, const char *key, int dflt)
{
	const char *at = strstr(rule, key);
	char num[12] = "";
	int64_t v;
	size_t n;

	if (at == NULL)
		return dflt;
	at += strlen(key);
	n = strcspn(at, ";");
	if (n == 0 || n >= sizeof(num))
		return -1;
	memcpy(num, at, n);
	return pim_int_parse(num, 0, INT32_MAX, &v) ? (int)v : -1;
}

/* The last day of the series from UNTIL: the day before, if UNTIL is before the hour of the start. */
static enum pim_rc
until_parse(struct ical_ctx *x, const char *rule, const struct ical_series *s, json_t *o)
{
	const char *at = strstr(rule, "UNTIL=");
	struct pim_line l = { .name = "RRULE UNTIL", .value = "" };
	struct pim_when w;
	int64_t local, start_local;
	char text[24] = "";
	enum pim_rc rc;
	size_t n;

	if (at == NULL)
		return PIM_OK;
	at += 6;
	n = strcspn(at, ";");
	memcpy(text, at, n < sizeof(text) ? n : sizeof(text) - 1);
	rc = ical_when(x, &l, text, &w);
	if (rc != PIM_OK)
		return rc;
	local = w.local_s;
	if (w.utc && !s->full_time)
		local += pim_zone_offset_utc(s->zone, w.local_s);
	start_local = s->start_ms / 1000 + (s->full_time ? 0 : pim_zone_offset_utc(s->zone, s->start_ms / 1000));
	if (!w.date && !s->full_time &&
	    local - pim_day_floor(local * 1000) / 1000 < start_local - pim_day_floor(start_local * 1000) / 1000)
		local -= 86400;
	if (pim_day_floor(local * 1000) < pim_day_floor(start_local * 1000))
		return pim_fail(x->c, PIM_REFUSED, "the series ends before it begins");
	return pim_set_new(x->c, o, "until", json_integer(pim_day_floor(local * 1000)));
}

enum pim_rc
ical_recur_parse(struct ical_ctx *x, const char *rule, const struct ical_series *s, json_t *o)
{
	struct icalrecurrencetype *r = NULL;
	struct pattern p;
	const char *why = NULL;
	char *upper = NULL;
	int64_t y, local;
	int m, d, count, interval;
	enum pim_rc rc = PIM_OK;
	size_t i, n = strlen(rule);

	if (n > 1000 || strspn(rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=;,+-") != n)
		return pim_fail(x->c, PIM_REFUSED, "the recurrence rule \"%.80s\" makes no sense", rule);
	upper = strdup(rule);
	r = malloc(sizeof(*r));		/* some 3 KB */
	if (upper == NULL || r == NULL) {
		rc = PIM_NOMEM;
		goto out;
	}
	for (i = 0; i < n; i++) {
		if (upper[i] >= 'a' && upper[i] <= 'z')
			upper[i] = (char)(upper[i] - 32);
	}
	count = rule_number(upper, "COUNT=", 0);
	interval = rule_number(upper, "INTERVAL=", 1);
	local = s->start_ms / 1000 + (s->full_time ? 0 : pim_zone_offset_utc(s->zone, s->start_ms / 1000));
	pim_civil_of_days(pim_day_floor(local * 1000) / PIM_DAY_MS, &y, &m, &d);
	if (strstr(upper, "SCALE") != NULL || strstr(upper, "SKIP") != NULL)
		why = "it uses another calendar";
	else if (interval < 1 || interval > OX_MAX_COUNT || count < 0 || count > OX_MAX_COUNT)
		why = "its interval or count is beyond 1 to 999";
	if (why == NULL) {
		*r = icalrecurrencetype_from_string(upper);
		if (r->freq == ICAL_NO_RECURRENCE)
			why = "it is no valid rule";
		else
			why = pattern_of(r, m, d, (int)((pim_day_floor(local * 1000) / PIM_DAY_MS % 7 + 11) % 7), &p);
		free(r->rscale);
	}
	if (why != NULL) {
		rc = pim_fail(x->c, PIM_REFUSED, "the server cannot hold the recurrence rule \"%.120s\": %s", rule, why);
		goto out;
	}
	rc = until_parse(x, upper, s, o);
	if (rc != PIM_OK ||
	    (rc = pim_set_new(x->c, o, "recurrence_type", json_integer(p.type))) != PIM_OK ||
	    (rc = pim_set_new(x->c, o, "interval", json_integer(interval))) != PIM_OK)
		goto out;
	if (p.days != 0)
		rc = pim_set_new(x->c, o, "days", json_integer(p.days));
	if (rc == PIM_OK && p.day_in_month != 0)
		rc = pim_set_new(x->c, o, "day_in_month", json_integer(p.day_in_month));
	if (rc == PIM_OK && p.month >= 0)
		rc = pim_set_new(x->c, o, "month", json_integer(p.month));
	if (rc == PIM_OK && count > 0 && json_object_get(o, "until") == NULL)
		rc = pim_set_new(x->c, o, "occurrences", json_integer(count));
out:
	free(upper);
	free(r);
	return rc;
}

static void
days_put(struct pim_buf *b, int days, int pos)
{
	static const char *const names[] = { "SU", "MO", "TU", "WE", "TH", "FR", "SA" };
	bool first = true;
	int i;

	pim_buf_puts(b, ";BYDAY=");
	for (i = 0; i < 7; i++) {
		if ((days & 1 << i) == 0)
			continue;
		if (!first)
			pim_buf_putc(b, ',');
		first = false;
		if (pos != 0)
			pim_buf_printf(b, "%d", pos);
		pim_buf_puts(b, names[i]);
	}
}

/* BYMONTHDAY, or BYDAY with its position. */
static enum pim_rc
month_put(struct pim_ctx *c, struct pim_buf *b, int64_t days, int64_t dim)
{
	int pos = dim == 5 || dim == -1 ? -1 : (int)dim;

	if (days == 0) {
		if (dim < 1 || dim > 31)
			return pim_fail(c, PIM_REFUSED, "day_in_month %lld is no day of a month", (long long)dim);
		pim_buf_printf(b, ";BYMONTHDAY=%d", (int)dim);
		return PIM_OK;
	}
	if (days < 0 || days > 127 || !countable((int)days) || dim < -1 || dim == 0 || dim > 5)
		return pim_fail(c, PIM_REFUSED, "day_in_month %lld with days %lld is no recurrence pattern",
		                (long long)dim, (long long)days);
	if ((days & (days - 1)) == 0) {
		days_put(b, (int)days, pos);
	} else {
		days_put(b, (int)days, 0);
		pim_buf_printf(b, ";BYSETPOS=%d", pos);
	}
	return PIM_OK;
}

enum pim_rc
ical_recur_format(struct pim_ctx *c, const json_t *o, const struct ical_series *s, struct pim_buf *b)
{
	static const char *const fields[] = { "recurrence_type", "interval", "days", "day_in_month", "month", "until",
	                                      "occurrences" };
	static const char *const freq[] = { "", "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };
	int64_t v[7] = { 0, 1, 0, 0, 0, 0, 0 };
	bool has[7];
	enum pim_rc rc = PIM_OK;
	size_t i;

	for (i = 0; i < 7; i++) {
		if (pim_want(c, o, fields[i], JSON_INTEGER) != PIM_OK)
			return PIM_REFUSED;
		has[i] = pim_get_int(o, fields[i], &v[i]);
	}
	if (v[0] == 0)
		return PIM_OK;
	if (v[0] < 0 || v[0] > 4 || v[1] < 1 || v[1] > OX_MAX_COUNT || v[6] < 0 || v[6] > OX_MAX_COUNT)
		return pim_fail(c, PIM_REFUSED, "recurrence_type %lld, interval %lld, occurrences %lld: not a series",
		                (long long)v[0], (long long)v[1], (long long)v[6]);
	if (v[0] == 2 && (v[2] < 1 || v[2] > 127))
		return pim_fail(c, PIM_REFUSED, "a weekly series needs days from 1 to 127, not %lld", (long long)v[2]);
	if (v[0] == 4 && (v[4] < 0 || v[4] > 12))
		return pim_fail(c, PIM_REFUSED, "month %lld of a yearly series is not 0 to 11", (long long)v[4]);
	pim_buf_printf(b, "FREQ=%s;INTERVAL=%d", freq[v[0]], (int)v[1]);
	if (v[0] == 2)
		days_put(b, (int)v[2], 0);
	if (v[0] == 4)
		pim_buf_printf(b, ";BYMONTH=%d", v[4] == 12 ? 12 : (int)v[4] + 1);
	if (v[0] >= 3)
		rc = month_put(c, b, v[2], v[3]);
	if (has[5]) {
		int64_t last = pim_day_floor(v[5]) / 1000 + 86399;

		pim_buf_puts(b, ";UNTIL=");
		if (s->full_time)
			ical_when_text(b, pim_day_floor(v[5]), true, NULL);
		else
			ical_when_text(b, (last - pim_zone_offset_local(s->zone, last)) * 1000, false, NULL);
	} else if (v[6] > 0) {
		pim_buf_printf(b, ";COUNT=%d", (int)v[6]);
	}
	return b->failed ? PIM_NOMEM : rc;
}

void
ical_put_occurrence(struct pim_buf *out, const char *prop, const struct ical_series *s, int64_t day_ms)
{
	int64_t day = pim_day_floor(day_ms), ms = s->full_time ? day : day + s->start_ms - pim_day_floor(s->start_ms), local;
	struct pim_rule r;

	if (s->object != NULL && pim_rule_read(s->object, s, &r) && pim_rule_at(&r, day, &local, &ms) && !s->full_time && s->zone != NULL &&
	    s->zone->tz != NULL)
		ical_put_local(out, prop, local, s->zone);
	else	/* of a day without occurrence any time names it */
		ical_put_when(out, prop, ms, s->full_time, s->zone);
}

int64_t
ical_day_of_occurrence(const struct pim_when *w)
{
	return pim_day_floor(w->ms);
}
