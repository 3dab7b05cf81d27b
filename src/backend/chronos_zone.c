/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Dates and times of events: text with the name of a zone to UTC and back.  The zones are libical's, which reads those of the
 * system; it fills them on first use, so one lock is around all of them (a look-up takes 0.1 us).
 */
#include "backend/chronos_int.h"

#include <libical/ical.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* libical expands a zone year by year up to the year asked for; the weekdays repeat after 28 years, and no rule known today ends later */
#define LAST_YEAR 2065
#define CYCLE_FROM 2038

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool
is_utc(const char *name)
{
	return name == NULL || strcmp(name, "UTC") == 0 || strcmp(name, "GMT") == 0;
}

static icaltimezone *
zone_locked(const char *name)
{
	icaltimezone *z = icaltimezone_get_builtin_timezone(name);

	return z != NULL && icaltimezone_get_component(z) != NULL ? z : NULL;
}

bool
zone_known(const char *name)
{
	bool known;

	if (name == NULL || is_utc(name))
		return name != NULL;
	(void)pthread_mutex_lock(&lock);
	known = zone_locked(name) != NULL;
	(void)pthread_mutex_unlock(&lock);
	return known;
}

static struct icaltimetype
ical_time(int64_t ms)
{
	time_t t = (time_t)((ms - (ms % 1000 + 1000) % 1000) / 1000);
	struct icaltimetype out = icaltime_null_time();
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		return out;
	out.year = tm.tm_year + 1900;
	if (out.year > LAST_YEAR)
		out.year = CYCLE_FROM + (out.year - CYCLE_FROM) % 28;
	if (out.year < 1)
		out.year = 1;
	out.month = tm.tm_mon + 1;
	out.day = tm.tm_mday;
	out.hour = tm.tm_hour;
	out.minute = tm.tm_min;
	out.second = tm.tm_sec;
	return out;
}

/* ms to add to UTC at T, which is UTC or the zone's own clock. */
static int64_t
offset(const char *name, int64_t t, bool local)
{
	struct icaltimetype it;
	icaltimezone *z;
	int dst = 0, s = 0;

	if (is_utc(name))
		return 0;
	it = ical_time(t);
	(void)pthread_mutex_lock(&lock);
	z = zone_locked(name);
	if (z != NULL)
		s = local ? icaltimezone_get_utc_offset(z, &it, &dst) : icaltimezone_get_utc_offset_of_utc_time(z, &it, &dst);
	(void)pthread_mutex_unlock(&lock);
	return (int64_t)s * 1000;
}

int64_t
zone_to_local(const char *name, int64_t utc)
{
	return utc + offset(name, utc, false);
}

int64_t
zone_to_utc(const char *name, int64_t local)
{
	int64_t utc = local - offset(name, local, true);

	if (zone_to_local(name, utc) == local)
		return utc;
	/* the clock skips it: as if the clock had not been moved yet */
	return local - offset(name, utc - DAY_MS / 2, false);
}

int64_t
day_floor(int64_t t)
{
	int64_t rest = t % DAY_MS;

	return t - rest - (rest < 0 ? DAY_MS : 0);
}

/* ---- text ---- */

static bool
number(const char *s, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*out = *out * 10 + (s[i] - '0');
	}
	return true;
}

bool
stamp_parse(const char *s, int64_t *ms, enum stamp_kind *kind)
{
	size_t n = s != NULL ? strlen(s) : 0;
	struct tm tm = { 0 };

	*kind = n == 8 ? STAMP_DAY : n == 16 ? STAMP_UTC : STAMP_LOCAL;
	if ((n != 8 && n != 15 && !(n == 16 && s[15] == 'Z')) || !number(s, 4, &tm.tm_year) || !number(s + 4, 2, &tm.tm_mon) || !number(s + 6, 2, &tm.tm_mday))
		return false;
	if (n > 8 && (s[8] != 'T' || !number(s + 9, 2, &tm.tm_hour) || !number(s + 11, 2, &tm.tm_min) || !number(s + 13, 2, &tm.tm_sec)))
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ms = (int64_t)timegm(&tm) * 1000;
	return true;
}

void
stamp_format(int64_t ms, enum stamp_kind kind, char out[20])
{
	int64_t day = day_floor(ms);
	time_t t = (time_t)(day / 1000);
	int s = (int)((ms - day) / 1000);
	struct tm tm = { .tm_mday = 1 };
	size_t n;

	(void)gmtime_r(&t, &tm);
	n = (size_t)snprintf(out, 20, "%04u%02u%02u", (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100);
	if (kind != STAMP_DAY)
		(void)snprintf(out + n, 20 - n, "T%02u%02u%02u%s", (unsigned)s / 3600 % 24, (unsigned)s / 60 % 60, (unsigned)s % 60, kind == STAMP_UTC ? "Z" : "");
}

bool
event_time_read(const json_t *v, struct event_time *out)
{
	const char *tzid = json_string_value(json_object_get(v, "tzid"));
	enum stamp_kind kind;

	memset(out, 0, sizeof(*out));
	if (!stamp_parse(json_string_value(json_object_get(v, "value")), &out->local, &kind))
		return false;
	out->full = kind == STAMP_DAY;
	out->floating = kind == STAMP_LOCAL && tzid == NULL;
	out->utc = out->local;
	if (kind != STAMP_LOCAL || tzid == NULL)
		return true;
	if (!zone_known(tzid))
		return false;
	out->utc = zone_to_utc(tzid, out->local);
	out->zone = tzid;
	return true;
}
