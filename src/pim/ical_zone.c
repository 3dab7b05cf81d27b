/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Time zones and times: TZIDs of all makers to the time zone database (through
 * libical), DATE and DATE-TIME values to UTC milliseconds and back.
 */
#include "ical_int.h"

#include <libical/ical.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of what a calendar can make this file do: zones, and observances with a rule in one. */
#define MAX_ZONES 200
#define MAX_RULES 8	/* full histories have more, but also names that are known */
#define MAX_OWN_ZONES 100	/* in one file */

/* libical fills its zones on first use; one lock for all of it is cheap enough. */
static pthread_mutex_t zone_lock = PTHREAD_MUTEX_INITIALIZER;

/* Names that Exchange and Outlook write (the Olson side as in Unicode's CLDR). */
static const struct {
	const char *windows, *olson;
} windows_zones[] = {
	{ "W. Europe Standard Time", "Europe/Berlin" }, { "Central Europe Standard Time", "Europe/Budapest" },
	{ "Romance Standard Time", "Europe/Paris" }, { "Central European Standard Time", "Europe/Warsaw" },
	{ "GMT Standard Time", "Europe/London" }, { "Greenwich Standard Time", "Atlantic/Reykjavik" },
	{ "E. Europe Standard Time", "Europe/Chisinau" }, { "FLE Standard Time", "Europe/Kiev" },
	{ "GTB Standard Time", "Europe/Bucharest" }, { "Russian Standard Time", "Europe/Moscow" },
	{ "Turkey Standard Time", "Europe/Istanbul" }, { "Israel Standard Time", "Asia/Jerusalem" },
	{ "South Africa Standard Time", "Africa/Johannesburg" }, { "Egypt Standard Time", "Africa/Cairo" },
	{ "Eastern Standard Time", "America/New_York" }, { "US Eastern Standard Time", "America/New_York" },
	{ "Central Standard Time", "America/Chicago" }, { "Mountain Standard Time", "America/Denver" },
	{ "US Mountain Standard Time", "America/Phoenix" }, { "Pacific Standard Time", "America/Los_Angeles" },
	{ "Alaskan Standard Time", "America/Anchorage" }, { "Hawaiian Standard Time", "Pacific/Honolulu" },
	{ "Atlantic Standard Time", "America/Halifax" }, { "Newfoundland Standard Time", "America/St_Johns" },
	{ "E. South America Standard Time", "America/Sao_Paulo" },
	{ "Argentina Standard Time", "America/Argentina/Buenos_Aires" },
	{ "India Standard Time", "Asia/Kolkata" }, { "China Standard Time", "Asia/Shanghai" },
	{ "Tokyo Standard Time", "Asia/Tokyo" }, { "Korea Standard Time", "Asia/Seoul" },
	{ "Singapore Standard Time", "Asia/Singapore" }, { "SE Asia Standard Time", "Asia/Bangkok" },
	{ "Arabian Standard Time", "Asia/Dubai" }, { "Arab Standard Time", "Asia/Riyadh" },
	{ "AUS Eastern Standard Time", "Australia/Sydney" }, { "E. Australia Standard Time", "Australia/Brisbane" },
	{ "W. Australia Standard Time", "Australia/Perth" }, { "New Zealand Standard Time", "Pacific/Auckland" },
	/* old names of the database */
	{ "US/Eastern", "America/New_York" }, { "US/Central", "America/Chicago" }, { "US/Mountain", "America/Denver" },
	{ "US/Pacific", "America/Los_Angeles" }, { "Asia/Calcutta", "Asia/Kolkata" }, { "CET", "Europe/Berlin" },
	{ "EST5EDT", "America/New_York" }, { "PST8PDT", "America/Los_Angeles" }, { "GB", "Europe/London" },
	{ NULL, NULL }
};

/* Zones that a nameless VTIMEZONE is compared with: the big ones of each rule set. */
static const char *const candidates[] = {
	"Europe/Berlin", "Europe/London", "Europe/Helsinki", "Europe/Moscow", "America/New_York", "America/Chicago",
	"America/Denver", "America/Los_Angeles", "America/Phoenix", "America/Halifax", "America/Sao_Paulo",
	"Asia/Tokyo", "Asia/Shanghai", "Asia/Kolkata", "Asia/Dubai", "Asia/Jerusalem", "Australia/Sydney",
	"Australia/Brisbane", "Pacific/Auckland", "Africa/Johannesburg", "Atlantic/Reykjavik", NULL
};

static struct icaltimetype
time_of_seconds(int64_t s)
{
	struct icaltimetype t = icaltime_null_time();
	int64_t day = s / 86400, y;
	int m, d, sod;

	if (s % 86400 < 0)
		day--;
	sod = (int)(s - day * 86400);
	pim_civil_of_days(day, &y, &m, &d);
	/* libical expands rules year by year up to the year asked for; the calendar of weekdays
	 * repeats after 28 years, and no rule that is known today ends later */
	t.year = (int)(y < 1 ? 1 : y > 2065 ? 2038 + (y - 2038) % 28 : y);
	t.month = m;
	t.day = d;
	t.hour = sod / 3600;
	t.minute = sod / 60 % 60;
	t.second = sod % 60;
	return t;
}

int
pim_zone_offset_utc(const struct pim_zone *z, int64_t utc_s)
{
	struct icaltimetype t = time_of_seconds(utc_s);
	int dst = 0, off;

	if (z == NULL || z->tz == NULL)
		return 0;
	pthread_mutex_lock(&zone_lock);
	off = icaltimezone_get_utc_offset_of_utc_time(z->tz, &t, &dst);
	pthread_mutex_unlock(&zone_lock);
	return off;
}

/*
 * RFC 5545, 3.3.5: of an hour that there is twice the first one is meant, in one that is left out the offset from before it counts.  libical's own
 * answer for local times differs from zone to zone.
 */
int
pim_zone_offset_local(const struct pim_zone *z, int64_t local_s)
{
	int before = pim_zone_offset_utc(z, local_s - 86400), after = pim_zone_offset_utc(z, local_s + 86400);

	if (before == after || pim_zone_offset_utc(z, local_s - before) == before || pim_zone_offset_utc(z, local_s - after) != after)
		return before;
	return after;
}

bool
pim_zone_builtin(struct pim_zone *z, const char *olson)
{
	size_t n = strlen(olson);

	memset(z, 0, sizeof(*z));
	if (n == 0 || n >= sizeof(z->olson) ||
	    strspn(olson, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != n)
		return false;
	memcpy(z->olson, olson, n + 1);
	z->tzid = z->olson;
	if (strcmp(olson, "UTC") == 0)
		return true;
	pthread_mutex_lock(&zone_lock);
	z->tz = icaltimezone_get_builtin_timezone(olson);
	if (z->tz != NULL && icaltimezone_get_component(z->tz) == NULL)
		z->tz = NULL;	/* listed, but its file is not there */
	pthread_mutex_unlock(&zone_lock);
	return z->tz != NULL;
}

/* TZID as a name of the database: itself, a Windows name, or the end of a path ("/maker/version/Europe/Berlin"). */
static bool
by_name(struct pim_zone *z, const char *tzid)
{
	const char *s;
	size_t i;

	if (strlen(tzid) > 200)
		return false;
	if (pim_same(tzid, "UTC") || pim_same(tzid, "GMT") || pim_same(tzid, "Etc/UTC") || pim_same(tzid, "Z") ||
	    pim_same(tzid, "Etc/GMT"))
		return pim_zone_builtin(z, "UTC");
	for (i = 0; windows_zones[i].windows != NULL; i++) {
		if (pim_same(windows_zones[i].windows, tzid))
			return pim_zone_builtin(z, windows_zones[i].olson);
	}
	for (s = tzid; s != NULL && *s != '\0'; s = strchr(s, '/')) {
		s += *s == '/';
		if (strchr(s, '/') != NULL && pim_zone_builtin(z, s))
			return true;
	}
	return false;
}

/*
 * A VTIMEZONE as text for libical, with only what makes offsets, checked: libical expands its
 * rules year by year, so nothing but yearly rules of a sane length may reach it.
 */
static bool
vtimezone_text(const struct pim_comp *k, struct pim_buf *b)
{
	static const char *const keep[] = { "DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE", NULL };
	const struct pim_comp *o;
	const struct pim_line *l;
	size_t observances = 0, rdates = 0, rules = 0, i;

	pim_buf_puts(b, "BEGIN:VTIMEZONE\r\nTZID:x\r\n");
	for (o = k->kids; o != NULL; o = o->next) {
		bool has[3] = { false, false, false };

		if (strcmp(o->name, "STANDARD") != 0 && strcmp(o->name, "DAYLIGHT") != 0)
			continue;
		if (++observances > 200)
			return false;
		pim_buf_puts(b, "BEGIN:");
		pim_buf_puts(b, o->name);
		pim_buf_puts(b, "\r\n");
		for (l = o->lines; l != NULL; l = l->next) {
			for (i = 0; keep[i] != NULL && strcmp(keep[i], l->name) != 0; i++)
				;
			if (keep[i] == NULL)
				continue;
			if (i < 3) {
				if (has[i] || strspn(l->value, "0123456789TZ+-") != l->value_len || l->value_len < 5 ||
				    l->value_len > 16 || (i == 0 && (l->value_len < 15 || strcmp(l->value, "16") < 0)))
					return false;
				has[i] = true;
			} else if (i == 3 && (++rules > MAX_RULES || strncmp(l->value, "FREQ=YEARLY;", 12) != 0 || l->value_len > 100 ||
			           strspn(l->value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=;-,") != l->value_len ||
			           strstr(l->value, "BYHOUR") || strstr(l->value, "BYMINUTE") ||
			           strstr(l->value, "BYSECOND") || strstr(l->value, "SCALE"))) {
				return false;
			} else if (i == 4 && (++rdates > 500 || l->value_len > 4000 ||
			           strspn(l->value, "0123456789TZ,") != l->value_len)) {
				return false;
			}
			pim_buf_puts(b, l->name);
			pim_buf_putc(b, ':');
			pim_buf_puts(b, l->value);
			pim_buf_puts(b, "\r\n");
		}
		if (!has[0] || !has[1] || !has[2])
			return false;
		pim_buf_puts(b, "END:");
		pim_buf_puts(b, o->name);
		pim_buf_puts(b, "\r\n");
	}
	pim_buf_puts(b, "END:VTIMEZONE\r\n");
	return observances > 0 && !b->failed;
}

/* The database's zone with the same offsets through 2020-2030, or "". */
static void
match_offsets(struct pim_zone *z)
{
	size_t i;

	for (i = 0; candidates[i] != NULL; i++) {
		struct pim_zone cand;
		int64_t s = INT64_C(1577836800), n;

		if (!pim_zone_builtin(&cand, candidates[i]))
			continue;
		for (n = 0; n < 520; n++) {	/* every week */
			if (pim_zone_offset_utc(z, s + n * 604800) != pim_zone_offset_utc(&cand, s + n * 604800))
				break;
		}
		if (n == 520) {
			memcpy(z->olson, cand.olson, sizeof(z->olson));
			return;
		}
	}
}

static void
by_definition(struct pim_ctx *c, struct pim_zone *z, const struct pim_comp *k)
{
	struct pim_buf b = { 0 };
	icalcomponent *comp = NULL;
	icaltimezone *tz = NULL;

	if (++c->own_zones <= MAX_OWN_ZONES && vtimezone_text(k, &b)) {
		pthread_mutex_lock(&zone_lock);
		comp = icalcomponent_new_from_string(b.p);
		tz = comp == NULL ? NULL : icaltimezone_new();
		if (tz != NULL && icaltimezone_set_component(tz, comp)) {
			comp = NULL;	/* the zone owns it now */
			z->tz = z->own = tz;
			tz = NULL;
		}
		if (tz != NULL)
			icaltimezone_free(tz, 1);
		if (comp != NULL)
			icalcomponent_free(comp);
		pthread_mutex_unlock(&zone_lock);
	}
	pim_buf_fini(&b);
	if (z->tz != NULL)
		match_offsets(z);
}

/* The zone TZID names: from the database, else from the file's VTIMEZONE. *OUT NULL if unknown.
 * PIM_LIMIT: more zones in one calendar than the world has. */
static enum pim_rc
pim_zone_find(struct pim_zones *zs, const char *tzid, const struct pim_zone **out)
{
	const struct pim_comp *k;
	const struct pim_line *l;
	struct pim_zone *z;
	bool known;

	*out = NULL;
	for (z = zs->list; z != NULL; z = z->next) {
		if (strcmp(z->tzid, tzid) == 0) {
			*out = z->tz != NULL || z->olson[0] != '\0' ? z : NULL;
			return PIM_OK;
		}
	}
	if (zs->len >= MAX_ZONES)
		return PIM_LIMIT;
	z = pim_mem_alloc(zs->mem, sizeof(*z));
	if (z == NULL)
		return PIM_NOMEM;
	zs->len++;
	known = by_name(z, tzid);
	for (k = zs->cal == NULL ? NULL : zs->cal->kids; k != NULL && !known; k = k->next) {
		if (strcmp(k->name, "VTIMEZONE") != 0 || (l = pim_line_first(k, "TZID")) == NULL ||
		    strcmp(l->value, tzid) != 0)
			continue;
		l = pim_line_first(k, "X-LIC-LOCATION");
		known = l != NULL && by_name(z, l->value);
		if (!known) {
			by_definition(zs->c, z, k);
			known = z->tz != NULL;
		}
	}
	z->tzid = pim_mem_dup(zs->mem, tzid, strlen(tzid));
	if (z->tzid == NULL) {
		if (z->own != NULL)
			icaltimezone_free(z->own, 1);
		return PIM_NOMEM;
	}
	if (!known)
		z->olson[0] = '\0';
	z->next = zs->list;
	zs->list = z;
	*out = known ? z : NULL;
	return PIM_OK;
}

void
pim_zones_fini(struct pim_zones *zs)
{
	struct pim_zone *z;

	for (z = zs->list; z != NULL; z = z->next) {
		if (z->own != NULL)
			icaltimezone_free(z->own, 1);
	}
	zs->list = NULL;
}

void
pim_zone_put(struct pim_buf *out, const struct pim_zone *z)
{
	icalcomponent *comp;
	icalproperty *p;
	char *text = NULL;

	if (z == NULL || z->tz == NULL)
		return;
	pthread_mutex_lock(&zone_lock);
	comp = icalcomponent_new_clone(icaltimezone_get_component(z->tz));
	if (comp != NULL) {
		p = icalcomponent_get_first_property(comp, ICAL_TZID_PROPERTY);
		if (p != NULL)	/* libical puts its own name before it */
			icalproperty_set_tzid(p, z->olson);
		text = icalcomponent_as_ical_string_r(comp);
		icalcomponent_free(comp);
	}
	pthread_mutex_unlock(&zone_lock);
	if (text == NULL)
		out->failed = true;
	else
		pim_buf_puts(out, text);
	icalmemory_free_buffer(text);
}

/* N digits at *S. */
static bool
digits(const char **s, int n, int *v)
{
	for (*v = 0; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*v = *v * 10 + (**s - '0');
	}
	return true;
}

enum pim_rc
ical_when(struct ical_ctx *x, const struct pim_line *l, const char *value, struct pim_when *w)
{
	const char *s = value + strspn(value, " "), *tzid = pim_param(l, "TZID");
	int y, m, d, h = 0, mi = 0, sec = 0;
	bool ok = digits(&s, 4, &y) && digits(&s, 2, &m) && digits(&s, 2, &d);
	enum pim_rc rc;

	memset(w, 0, sizeof(*w));
	w->date = ok && (*s == '\0' || *s == ',' || *s == ' ' || *s == '/');
	if (ok && !w->date) {
		ok = *s++ == 'T' && digits(&s, 2, &h) && digits(&s, 2, &mi);
		if (ok && *s >= '0' && *s <= '9')
			ok = digits(&s, 2, &sec);
		if (ok && (*s == 'Z' || *s == 'z')) {
			w->utc = true;
			s++;
		}
		if (sec == 60)	/* a leap second */
			sec = 59;
		ok = ok && (*s == '\0' || *s == ',' || *s == ' ' || *s == '/') && h < 24 && mi < 60 && sec < 60;
	}
	if (!ok || !pim_civil_valid(y, m, d))
		return pim_fail(x->c, PIM_REFUSED, "line %zu: \"%.40s\" in %s is no date or time",
		                l->lineno, value, l->name);
	w->local_s = pim_days_of_civil(y, m, d) * 86400 + h * 3600 + mi * 60 + sec;
	w->ms = w->local_s * 1000;
	if (w->date || w->utc)
		return PIM_OK;
	w->zone = x->floating;
	if (tzid != NULL && *tzid != '\0') {
		rc = pim_zone_find(x->zones, tzid, &w->zone);
		if (rc == PIM_LIMIT)
			return pim_fail(x->c, rc, "the calendar uses more than %d time zones", MAX_ZONES);
		if (rc == PIM_OK && w->zone == NULL) {
			rc = pim_bend(x->c, "line %zu: the time zone \"%.80s\" is not known and the file does not define it",
			              l->lineno, tzid);
			w->zone = x->floating;
		}
		if (rc != PIM_OK)
			return rc;
	}
	w->ms = (w->local_s - pim_zone_offset_local(w->zone, w->local_s)) * 1000;
	return PIM_OK;
}

/* [+-]P[nW][nD][T[nH][nM][nS]] */
bool
ical_duration(const char *s, int64_t *seconds)
{
	bool neg = false, any = false, time = false;

	*seconds = 0;
	s += strspn(s, " ");
	if (*s == '-' || *s == '+')
		neg = *s++ == '-';
	if (*s++ != 'P')
		return false;
	while (*s != '\0' && *s != ' ') {
		int64_t n = 0, unit;

		if (*s == 'T') {
			time = true;
			s++;
			continue;
		}
		if (*s < '0' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9'; s++) {
			n = n * 10 + (*s - '0');
			if (n > INT64_C(200000000000))
				return false;
		}
		unit = *s == 'W' && !time ? 604800 : *s == 'D' && !time ? 86400 : *s == 'H' && time ? 3600 :
		       *s == 'M' && time ? 60 : *s == 'S' && time ? 1 : 0;
		if (unit == 0)
			return false;
		*seconds += n * unit;
		if (*seconds > INT64_C(400000000000))
			return false;
		any = true;
		s++;
	}
	if (neg)
		*seconds = -*seconds;
	return any;
}

/* S: seconds of the clock that is meant. */
static void
clock_text(struct pim_buf *b, int64_t s, bool date, bool utc)
{
	int64_t y;
	int m, d, sod;

	pim_civil_of_days(pim_day_floor(s * 1000) / PIM_DAY_MS, &y, &m, &d);
	sod = (int)(s - pim_days_of_civil(y, m, d) * 86400);
	pim_buf_printf(b, "%04d%02d%02d", (int)y, m, d);
	if (!date)
		pim_buf_printf(b, "T%02d%02d%02d%s", sod / 3600, sod / 60 % 60, sod % 60, utc ? "Z" : "");
}

void
ical_when_text(struct pim_buf *b, int64_t ms, bool date, const struct pim_zone *z)
{
	int64_t s = ms >= 0 || ms % 1000 == 0 ? ms / 1000 : ms / 1000 - 1;

	clock_text(b, date ? s : s + pim_zone_offset_utc(z, s), date, z == NULL || z->tz == NULL);
}

static void
put_text(struct pim_buf *out, const char *prop, const char *param, const char *value, struct pim_buf *v)
{
	struct pim_buf name = { 0 };

	pim_buf_printf(&name, "%s%s%s", prop, param, value);
	if (name.failed || v->failed)
		out->failed = true;
	else
		pim_put_line(out, name.p, v->p);
	pim_buf_fini(&name);
	pim_buf_fini(v);
}

void
ical_put_when(struct pim_buf *out, const char *prop, int64_t ms, bool date, const struct pim_zone *z)
{
	struct pim_buf v = { 0 };
	bool zoned = !date && z != NULL && z->tz != NULL;

	ical_when_text(&v, ms, date, z);
	put_text(out, prop, date ? ";VALUE=DATE" : zoned ? ";TZID=" : "", zoned ? z->olson : "", &v);
}

void
ical_put_local(struct pim_buf *out, const char *prop, int64_t local_s, const struct pim_zone *z)
{
	struct pim_buf v = { 0 };

	clock_text(&v, local_s, false, false);
	put_text(out, prop, ";TZID=", z->olson, &v);
}
