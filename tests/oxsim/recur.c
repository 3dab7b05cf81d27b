/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Series in the form of the legacy modules (type, interval, days, day in
 * month, month, until, occurrences), walked with libical's rule iterator.
 * Times are wall clock values; zones are the caller's business.
 */
#include <libical/ical.h>

#include "oxsim/sim.h"

static struct icaltimetype
to_ical(int64_t ms)
{
	GDateTime *d = g_date_time_new_from_unix_utc(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
	struct icaltimetype t = icaltime_null_time();

	if (d == NULL)
		return t;
	t.year = g_date_time_get_year(d);
	t.month = g_date_time_get_month(d);
	t.day = g_date_time_get_day_of_month(d);
	t.hour = g_date_time_get_hour(d);
	t.minute = g_date_time_get_minute(d);
	t.second = g_date_time_get_second(d);
	g_date_time_unref(d);
	return t;
}

static int64_t
from_ical(struct icaltimetype t)
{
	GDateTime *d = g_date_time_new_utc(t.year, t.month, t.day, t.hour, t.minute, t.second);
	int64_t v = d ? g_date_time_to_unix(d) * 1000 : INT64_MAX;

	if (d != NULL)
		g_date_time_unref(d);
	return v;
}

static int
bit_days(struct icalrecurrencetype *rr, int days, int nth)
{
	int d, n = 0;

	/* the iterator wants them in the order of the week, which begins on Monday */
	for (d = 1; d <= 7; d++) {
		int i = d % 7;

		if (days & (1 << i))
			rr->by_day[n++] = (short)(nth == 0 ? i + 1 :
			    nth < 0 ? -(8 * -nth + i + 1) : 8 * nth + i + 1);
	}
	rr->by_day[n] = ICAL_RECURRENCE_ARRAY_MAX;
	return n;
}

/* "the nth of these days": one weekday takes the ordinal itself, several use BYSETPOS */
static void
nth_day(struct icalrecurrencetype *rr, int days, int nth)
{
	bool single = (days & (days - 1)) == 0;

	if (nth == 5)
		nth = -1;
	(void)bit_days(rr, days, single ? nth : 0);
	if (!single) {
		rr->by_set_pos[0] = (short)nth;
		rr->by_set_pos[1] = ICAL_RECURRENCE_ARRAY_MAX;
	}
}

static void
rule(const struct rule_spec *s, struct icalrecurrencetype *rr)
{
	static const icalrecurrencetype_frequency freq[] = { ICAL_NO_RECURRENCE, ICAL_DAILY_RECURRENCE,
	    ICAL_WEEKLY_RECURRENCE, ICAL_MONTHLY_RECURRENCE, ICAL_YEARLY_RECURRENCE };

	icalrecurrencetype_clear(rr);
	rr->freq = freq[s->type];
	rr->interval = (short)(s->interval > 0 ? s->interval : 1);
	rr->week_start = ICAL_MONDAY_WEEKDAY;
	if (s->type == 2 && s->days != 0)
		(void)bit_days(rr, s->days, 0);
	if (s->type >= 3) {
		if (s->days != 0) {
			nth_day(rr, s->days, s->day_in_month);
		} else if (s->day_in_month != 0) {
			rr->by_month_day[0] = (short)s->day_in_month;
			rr->by_month_day[1] = ICAL_RECURRENCE_ARRAY_MAX;
		}
	}
	if (s->type == 4) {
		rr->by_month[0] = (short)(s->month + 1);
		rr->by_month[1] = ICAL_RECURRENCE_ARRAY_MAX;
	}
}

int
recur_expand(const struct rule_spec *s, int64_t start, int64_t last, int max, int64_t *out)
{
	struct icalrecurrencetype rr;
	icalrecur_iterator *it;
	struct icaltimetype t;
	int n = 0;

	if (s->type < 1 || s->type > 4)
		return 0;
	if (s->occurrences > 0 && s->occurrences < max)
		max = s->occurrences;
	if (s->until != 0 && s->until / DAY_MS * DAY_MS + DAY_MS - 1 < last)
		last = s->until / DAY_MS * DAY_MS + DAY_MS - 1;
	rule(s, &rr);
	it = icalrecur_iterator_new(rr, to_ical(start));
	if (it == NULL)
		return 0;
	while (n < max) {
		int64_t v;

		t = icalrecur_iterator_next(it);
		if (icaltime_is_null_time(t) || (v = from_ical(t)) > last)
			break;
		if (v >= start)
			out[n++] = v;
	}
	icalrecur_iterator_free(it);
	return n;
}

int64_t
recur_first(const struct rule_spec *s, int64_t start)
{
	struct rule_spec open = *s;
	int64_t first;

	open.until = 0;
	open.occurrences = 0;
	return recur_expand(&open, start, INT64_C(253402214400000), 1, &first) == 1 ? first : start;
}
