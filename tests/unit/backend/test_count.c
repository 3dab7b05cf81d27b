/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Occurrences of a series counted: against libical, over random rules that it reads as RFC 5545 does; where it does not, by hand; and rules that have no
 * occurrence at all, which must not cost anything worth naming.
 */
#include "backend/chronos_int.h"
#include "responder.h"

#include <libical/ical.h>
#include <string.h>
#include <time.h>

#define RULES 200
#define EACH 12
#define HORIZON_MS (INT64_C(146000) * DAY_MS)

static uint64_t state;

static unsigned
rnd(unsigned n)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % n);
}

/*
 * Without what libical (3.0.16) reads otherwise: a value twice in a list, negative days of the month in a daily rule, days of the month in each month of the
 * year, and weekly rules with an interval whose first occurrence is not the start.
 */
static void
random_rule(struct buf *b, unsigned weekday)
{
	static const char *const freqs[] = { "DAILY", "WEEKLY", "MONTHLY", "YEARLY" }, *const days[] = { "SU", "MO", "TU", "WE", "TH", "FR", "SA" };
	unsigned f = rnd(4), n = 1 + rnd(3), first;
	bool month_day = f != 1 && rnd(3) == 0, by_day = rnd(2) == 0;

	buf_addf(b, "FREQ=%s", freqs[f]);
	if (rnd(2) == 0)
		buf_addf(b, ";INTERVAL=%u", 1 + rnd(4));
	if (f != 1 && (rnd(3) == 0 || (f == 3 && month_day))) {
		first = 1 + rnd(6);
		buf_addf(b, ";BYMONTH=%u,%u", first, first + 1 + rnd(6));
	}
	if (month_day)
		buf_addf(b, f != 0 && rnd(4) == 0 ? ";BYMONTHDAY=-%u" : ";BYMONTHDAY=%u", 1 + rnd(28));
	for (unsigned i = 0; by_day && i < n; i++) {
		buf_adds(b, i == 0 ? ";BYDAY=" : ",");
		if (f >= 2 && !month_day && rnd(2) == 0)
			buf_addf(b, rnd(3) == 0 ? "-%u" : "%u", 1 + rnd(4));
		buf_adds(b, days[(weekday + 2 * i) % 7]);
	}
	if (f >= 2 && by_day && rnd(3) == 0)
		buf_adds(b, rnd(2) == 0 ? ";BYSETPOS=1" : ";BYSETPOS=-1");
	if (rnd(4) == 0)
		buf_addf(b, ";WKST=%s", days[rnd(7)]);
}

static icalrecur_iterator *
oracle(const char *rule, const struct tm *at)
{
	struct icaltimetype t = icaltime_null_time();

	t.year = at->tm_year + 1900;
	t.month = at->tm_mon + 1;
	t.day = at->tm_mday;
	t.hour = at->tm_hour;
	t.minute = at->tm_min;
	return icalrecur_iterator_new(icalrecurrencetype_from_string(rule), t);
}

/* -1 = there is no further one */
static int64_t
oracle_next(icalrecur_iterator *it)
{
	struct icaltimetype t = it != NULL ? icalrecur_iterator_next(it) : icaltime_null_time();
	struct tm tm = { .tm_year = t.year - 1900, .tm_mon = t.month - 1, .tm_mday = t.day, .tm_hour = t.hour, .tm_min = t.minute };

	return icaltime_is_null_time(t) ? -1 : (int64_t)timegm(&tm) * 1000;
}

START_TEST(as_libical)
{
	unsigned compared = 0;

	state = 5;
	for (unsigned k = 0; k < RULES; k++) {
		int64_t start = (INT64_C(1700000000) + rnd(200000000)) / 60 * 60000, want = 0, is;
		time_t t = (time_t)(start / 1000);
		icalrecur_iterator *it;
		struct tm at;
		struct buf b;

		(void)gmtime_r(&t, &at);
		buf_init(&b, 512);
		random_rule(&b, (unsigned)at.tm_wday);
		it = oracle(b.p, &at);
		for (int i = 1; i <= EACH && want >= 0; i++) {
			want = oracle_next(it);
			if (want > start + HORIZON_MS)
				break; /* in more than 400 years */
			is = rule_nth(b.p, start, i, &is) ? is : -1;
			ck_assert_msg(is == want, "rule %u: %s from %lld: number %d is at %lld, not %lld", k, b.p, (long long)start, i, (long long)want, (long long)is);
			ck_assert(is < 0 || rule_position(b.p, start, is) == i);
			ck_assert(is < 0 || rule_position(b.p, start, is + 60000) == 0);
			compared++;
		}
		if (it != NULL)
			icalrecur_iterator_free(it);
		buf_fini(&b);
	}
	ck_assert_uint_gt(compared, RULES * EACH / 2);
}
END_TEST

static int64_t
day(int y, int m, int d)
{
	struct tm tm = { .tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d, .tm_hour = 9 };

	return (int64_t)timegm(&tm) * 1000;
}

static void
nth_is(const char *rule, int64_t start, int64_t n, int64_t want)
{
	int64_t at = 0;

	ck_assert_msg(rule_nth(rule, start, n, &at) && at == want, "%s: number %lld", rule, (long long)n);
}

START_TEST(as_the_rfc)
{
	nth_is("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", day(2026, 9, 25), 1, day(2026, 9, 27)); /* the Sunday of the start's week */
	nth_is("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU", day(2026, 9, 25), 1, day(2026, 10, 4));
	nth_is("FREQ=DAILY;BYMONTHDAY=-1", day(2026, 9, 25), 2, day(2026, 10, 31));
	nth_is("FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR", day(2026, 1, 1), 1, day(2026, 2, 13));
	nth_is("FREQ=WEEKLY;BYDAY=FR,FR;COUNT=1", day(2026, 9, 25), 2, day(2026, 10, 2)); /* once a day, whatever the end */
	nth_is("freq=monthly;bysetpos=-1;byday=MO,TU,WE,TH,FR", day(2026, 9, 1), 2, day(2026, 10, 30));
	nth_is("FREQ=YEARLY;BYDAY=53TH", day(2026, 1, 1), 1, day(2026, 12, 31));
}
END_TEST

START_TEST(without_an_occurrence)
{
	static const char *const rules[] = {
		"FREQ=MONTHLY;BYDAY=-1MO,2TU;BYSETPOS=9", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2",
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYDAY=MO;BYSETPOS=366", "FREQ=DAILY;INTERVAL=7;BYDAY=MO", "FREQ=YEARLY;INTERVAL=9999999;BYMONTH=1",
		/* not read, or none */
		"", "FREQ=HOURLY", "FREQ=DAILY;BYHOUR=9", "FREQ=YEARLY;BYWEEKNO=20", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYDAY=", "FREQ=DAILY;BYMONTH=1,",
		"FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=WEEKLY;BYDAY=XX", "FREQ=WEEKLY;WKST=", "INTERVAL=2", "FREQ=DAILY;X", "FREQ=WEEKLY;BYDAY=0MO",
	};
	int64_t start = day(2026, 12, 8), at; /* a Tuesday */
	clock_t began = clock();

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		ck_assert_msg(!rule_nth(rules[i], start, 1, &at), "%s has an occurrence", rules[i]);
		ck_assert_int_eq(rule_position(rules[i], start, start), 0);
	}
	ck_assert_msg(clock() - began < 5 * CLOCKS_PER_SEC, "that took too long"); /* some 0.1 s; libical needs 20 */
}
END_TEST

TCase *
case_count(void)
{
	TCase *c = tcase_create("count");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, as_libical);
	tcase_add_test(c, as_the_rfc);
	tcase_add_test(c, without_an_occurrence);
	return c;
}
