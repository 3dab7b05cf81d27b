/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which occurrence of a series is which: RFC 5545's rules by days, counted from the start whatever the end of the series.
 *
 * Not libical's iterator: a rule without a single occurrence (BYSETPOS=9 of two days; the 30th of February), which anybody may send in an invitation, keeps
 * it searching for seconds until the year 20000.  Here the search ends after 400 years, when the calendar repeats itself: a few milliseconds.
 * Parts that divide the day or count days and weeks of the year are not read: such a series is not counted.
 */
#include "backend/chronos_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_OCCURRENCES 20000 /* 50 years of a daily series */
#define HORIZON INT64_C(146097) /* days of 400 years */
#define MAX_LIST 64U

enum freq { DAILY, WEEKLY, MONTHLY, YEARLY };

struct by_day { int weekday, nth; }; /* nth 0 = each */

struct pattern {
	int freq; /* -1 = none */
	int64_t interval;
	int first_weekday; /* of a week */
	struct by_day day[MAX_LIST];
	int month_day[MAX_LIST], month[MAX_LIST], pos[MAX_LIST];
	unsigned n_day, n_month_day, n_month, n_pos;
};

/** A series on its way through its periods. */
struct walk {
	struct pattern p;
	int64_t start, time; /* the day of the start since 1970; ms within a day */
	struct tm at;        /* of the start */
	int64_t k;           /* periods gone */
	int64_t set[366];    /* days of the present period */
	unsigned n, i;
};

/* ---- reading ---- */

static int
word_index(const char *p, size_t n, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (strlen(words[i]) == n && strncasecmp(p, words[i], n) == 0)
			return i;
	return -1;
}

static int
weekday_of(const char *p, size_t n)
{
	static const char *const names[] = { "SU", "MO", "TU", "WE", "TH", "FR", "SA" };

	return word_index(p, n, names, 7);
}

/* A whole number with its sign in [-MAX, MAX], not 0. */
static bool
number_of(const char *p, size_t n, int64_t max, int64_t *out)
{
	char text[16];

	if (n > 0 && *p == '+') {
		p++;
		n--;
	}
	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return parse_i64(text, -max, max, out) && *out != 0;
}

static bool
read_numbers(const char *p, size_t n, int64_t max, int *list, unsigned *count)
{
	const char *end = p + n;

	for (;;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		int64_t v;

		if (*count == MAX_LIST || !number_of(p, (size_t)((comma != NULL ? comma : end) - p), max, &v))
			return false;
		list[(*count)++] = (int)v;
		if (comma == NULL)
			return true;
		p = comma + 1;
	}
}

static bool
read_days(const char *p, size_t n, struct pattern *out)
{
	const char *end = p + n;

	for (;;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t len = (size_t)((comma != NULL ? comma : end) - p);
		int64_t nth = 0;
		int d = len >= 2 ? weekday_of(p + len - 2, 2) : -1;

		if (d < 0 || out->n_day == MAX_LIST || (len > 2 && !number_of(p, len - 2, 53, &nth)))
			return false;
		out->day[out->n_day++] = (struct by_day){ d, (int)nth };
		if (comma == NULL)
			return true;
		p = comma + 1;
	}
}

static bool
read_part(const char *name, size_t name_n, const char *v, size_t n, struct pattern *out)
{
	static const char *const names[] = { "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST" };
	static const char *const freqs[] = { "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };

	switch (word_index(name, name_n, names, (int)ARRAY_LEN(names))) {
	case 0: return (out->freq = word_index(v, n, freqs, 4)) >= 0;
	case 1: return number_of(v, n, 9999999, &out->interval) && out->interval > 0;
	case 2:
	case 3: return true; /* the end */
	case 4: return read_days(v, n, out);
	case 5: return read_numbers(v, n, 31, out->month_day, &out->n_month_day);
	case 6: return read_numbers(v, n, 12, out->month, &out->n_month);
	case 7: return read_numbers(v, n, 366, out->pos, &out->n_pos);
	case 8: return (out->first_weekday = weekday_of(v, n)) >= 0;
	default: return false;
	}
}

static bool
walk_init(struct walk *w, const char *text, int64_t start)
{
	time_t day = (time_t)(day_floor(start) / 1000);
	size_t n;

	memset(w, 0, sizeof(*w));
	w->p.freq = -1;
	w->p.interval = 1;
	w->p.first_weekday = 1;
	for (const char *p = text; *p != '\0'; p += n + (p[n] == ';')) {
		const char *eq;

		n = strcspn(p, ";");
		eq = memchr(p, '=', n);
		if (n > 0 && (eq == NULL || !read_part(p, (size_t)(eq - p), eq + 1, (size_t)(p + n - eq - 1), &w->p)))
			return false;
	}
	w->start = day_floor(start) / DAY_MS;
	w->time = start - day_floor(start);
	return w->p.freq >= 0 && gmtime_r(&day, &w->at) != NULL;
}

/* ---- counting ---- */

static int
year_days(int tm_year)
{
	int64_t y = (int64_t)tm_year + 1900;

	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 366 : 365;
}

static int
month_days(const struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[tm->tm_mon] + (tm->tm_mon == 1 && year_days(tm->tm_year) == 366);
}

/* AT (from 0) of LEN is named by the 1-based V, from the end when negative. */
static bool
named(int v, int at, int len)
{
	return v == at + 1 || v == at - len;
}

static bool
day_matches(const struct pattern *p, const struct tm *tm)
{
	bool in_year = p->freq == YEARLY && p->n_month == 0, ordinals = p->freq == MONTHLY || p->freq == YEARLY;
	int at = in_year ? tm->tm_yday : tm->tm_mday - 1, len = in_year ? year_days(tm->tm_year) : month_days(tm);

	for (unsigned i = 0; i < p->n_day; i++) {
		int nth = ordinals ? p->day[i].nth : 0;

		if (p->day[i].weekday == tm->tm_wday && (nth == 0 || nth == at / 7 + 1 || -nth == (len - 1 - at) / 7 + 1))
			return true;
	}
	return p->n_day == 0;
}

static bool
one_of(const int *list, unsigned n, int at, int len)
{
	for (unsigned i = 0; i < n; i++)
		if (named(list[i], at, len))
			return true;
	return n == 0;
}

/* What a rule that does not name its days takes from the start. */
static bool
as_start(const struct walk *w, const struct tm *tm)
{
	const struct pattern *p = &w->p;

	if (p->n_day > 0 || p->n_month_day > 0 || p->freq == DAILY)
		return true;
	if (p->freq == WEEKLY)
		return tm->tm_wday == w->at.tm_wday;
	return tm->tm_mday == w->at.tm_mday && (p->freq == MONTHLY || p->n_month > 0 || tm->tm_mon == w->at.tm_mon);
}

/* First day of period K and its length. */
static int64_t
period(const struct walk *w, int64_t k, int *len)
{
	struct tm first = { .tm_year = w->at.tm_year, .tm_mon = 0, .tm_mday = 1 };
	int64_t step = k * w->p.interval, day;
	time_t t;

	switch (w->p.freq) {
	case DAILY:
		*len = 1;
		return w->start + step;
	case WEEKLY:
		*len = 7;
		return w->start - (w->at.tm_wday - w->p.first_weekday + 7) % 7 + 7 * step;
	case MONTHLY:
		first.tm_mon = w->at.tm_mon + (int)step;
		break;
	default:
		first.tm_year += (int)step;
		break;
	}
	t = timegm(&first); /* brings months into their year */
	day = day_floor((int64_t)t * 1000) / DAY_MS;
	*len = w->p.freq == MONTHLY ? month_days(&first) : year_days(first.tm_year);
	return day;
}

/* The days of the next period, until there is one; false: none within the horizon. */
static bool
next_period(struct walk *w)
{
	int len = 0;

	for (w->n = w->i = 0; w->n == 0; w->k++) {
		int64_t first = w->k * w->p.interval > HORIZON ? INT64_MAX : period(w, w->k, &len);

		if (first > w->start + HORIZON)
			return false;
		for (int i = 0; i < len; i++) {
			time_t t = (time_t)((first + i) * (DAY_MS / 1000));
			struct tm tm;

			if (gmtime_r(&t, &tm) != NULL && one_of(w->p.month, w->p.n_month, tm.tm_mon, 12) &&
			    one_of(w->p.month_day, w->p.n_month_day, tm.tm_mday - 1, month_days(&tm)) && day_matches(&w->p, &tm) && as_start(w, &tm))
				w->set[w->n++] = first + i;
		}
	}
	return true;
}

static bool
walk_next(struct walk *w, int64_t *local)
{
	for (;;) {
		while (w->i < w->n) {
			unsigned i = w->i++;

			if (w->set[i] >= w->start && one_of(w->p.pos, w->p.n_pos, (int)i, (int)w->n)) {
				*local = w->set[i] * DAY_MS + w->time;
				return true;
			}
		}
		if (!next_period(w))
			return false;
	}
}

int64_t
rule_position(const char *text, int64_t start, int64_t local)
{
	struct walk w;
	int64_t at;

	if (!walk_init(&w, text, start))
		return 0;
	for (int64_t n = 1; n <= MAX_OCCURRENCES && walk_next(&w, &at) && at <= local; n++)
		if (at == local)
			return n;
	return 0;
}

bool
rule_nth(const char *text, int64_t start, int64_t n, int64_t *local)
{
	struct walk w;
	int64_t at = 0;

	if (n < 1 || n > MAX_OCCURRENCES || !walk_init(&w, text, start))
		return false;
	for (int64_t i = 0; i < n; i++)
		if (!walk_next(&w, &at))
			return false;
	*local = at;
	return true;
}
