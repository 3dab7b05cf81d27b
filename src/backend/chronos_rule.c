/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Recurrence rules: RFC 5545's text and the words of the table of appointment fields.  Text says more than the words; then the words
 * are what OX's legacy module says, and `exact` is false.  Occurrences are counted in chronos_count.c.
 */
#include "backend/chronos_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum part { P_FREQ, P_INTERVAL, P_COUNT, P_UNTIL, P_BYDAY, P_BYMONTHDAY, P_BYMONTH, P_BYSETPOS, P_WKST, P_OTHER, PART_COUNT };

static const char *const part_name[P_OTHER] = { "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST" };
static const char *const freq_name[] = { "", "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };
static const char *const day_name[] = { "SU", "MO", "TU", "WE", "TH", "FR", "SA" };

/** The values of a rule's parts, borrowed from its text; n 0 = not there. */
struct parts {
	struct { const char *p; size_t n; } v[PART_COUNT];
};

/* The part that begins at P: *N its whole length, *EQ where its name ends. */
static enum part
part_at(const char *p, size_t *n, const char **eq)
{
	*n = strcspn(p, ";");
	*eq = memchr(p, '=', *n);
	for (unsigned i = 0; *eq != NULL && i < P_OTHER; i++)
		if (strlen(part_name[i]) == (size_t)(*eq - p) && strncasecmp(p, part_name[i], (size_t)(*eq - p)) == 0)
			return (enum part)i;
	return P_OTHER;
}

static void
split(const char *text, struct parts *out)
{
	const char *eq;
	size_t n;

	memset(out, 0, sizeof(*out));
	for (const char *p = text; *p != '\0'; p += n + (p[n] == ';')) {
		enum part i = part_at(p, &n, &eq);
		const char *value = eq != NULL ? eq + 1 : p;

		if (n == 0)
			continue;
		out->v[i].p = value;
		out->v[i].n = (size_t)(p + n - value);
	}
}

/* The first number of a list; *ONE: it is the only one. */
static int64_t
first_number(const struct parts *p, enum part i, int64_t dflt, bool *one)
{
	char text[24];
	size_t n = p->v[i].n;
	const char *comma = n > 0 ? memchr(p->v[i].p, ',', n) : NULL;
	int64_t v;

	*one = comma == NULL;
	if (comma != NULL)
		n = (size_t)(comma - p->v[i].p);
	if (n == 0 || n >= sizeof(text))
		return dflt;
	memcpy(text, p->v[i].p, n);
	text[n] = '\0';
	return parse_i64(text[0] == '+' ? text + 1 : text, -9999, 9999999, &v) ? v : dflt;
}

/* The days of BYDAY as bits; *NTH the last ordinal among them, *N how many days. */
static int64_t
day_bits(const struct parts *p, int64_t *nth, int *n)
{
	const char *s = p->v[P_BYDAY].p, *end = s + p->v[P_BYDAY].n;
	int64_t bits = 0;

	*nth = 0;
	*n = 0;
	for (; s < end; s++) {
		bool minus = *s == '-';
		int64_t k = 0;

		if (*s == '-' || *s == '+')
			s++;
		for (; s < end && *s >= '0' && *s <= '9' && k < 1000; s++)
			k = k * 10 + (*s - '0');
		for (int d = 0; d < 7; d++)
			if (end - s >= 2 && strncasecmp(s, day_name[d], 2) == 0)
				bits |= INT64_C(1) << d;
		if (k != 0)
			*nth = minus ? -k : k;
		(*n)++;
		while (s < end && *s != ',')
			s++;
	}
	return bits;
}

static void
local_date(int64_t local, struct tm *tm)
{
	time_t t = (time_t)(day_floor(local) / 1000);

	memset(tm, 0, sizeof(*tm));
	(void)gmtime_r(&t, tm);
}

/* "The nth of these days", or the day of the month; the start's where the rule says neither. */
static void
day_in_month(const struct parts *p, const struct tm *start, struct rule *out)
{
	int64_t nth, pos;
	int n;
	bool one;

	if (p->v[P_BYMONTHDAY].n > 0) {
		out->day_in_month = first_number(p, P_BYMONTHDAY, 0, &one);
		out->exact = out->exact && one && out->day_in_month >= 1 && p->v[P_BYDAY].n == 0 && p->v[P_BYSETPOS].n == 0;
		return;
	}
	if (p->v[P_BYDAY].n == 0) {
		out->day_in_month = start->tm_mday;
		out->exact = out->exact && p->v[P_BYSETPOS].n == 0;
		return;
	}
	out->days = day_bits(p, &nth, &n);
	pos = first_number(p, P_BYSETPOS, 0, &one);
	if (nth != 0)
		out->exact = out->exact && n == 1 && pos == 0;
	else
		nth = pos;
	out->exact = out->exact && one && ((nth >= 1 && nth <= 4) || nth == -1);
	/* QUIRK(OX, 8.19): the last one is -1 in a monthly series and 5 in a yearly one */
	out->day_in_month = nth == -1 && out->type == 4 ? 5 : nth;
}

static void
month(const struct parts *p, const struct tm *start, struct rule *out)
{
	bool one = true;

	out->month = p->v[P_BYMONTH].n > 0 ? first_number(p, P_BYMONTH, 1, &one) - 1 : start->tm_mon;
	out->exact = out->exact && one && (p->v[P_BYMONTH].n > 0 || (p->v[P_BYDAY].n == 0 && p->v[P_BYMONTHDAY].n == 0));
}

static bool
weeks_begin_elsewhere(const struct parts *p)
{
	return p->v[P_WKST].n > 0 && strncasecmp(p->v[P_WKST].p, "MO", 2) != 0;
}

static void
weekly(const struct parts *p, const struct tm *start, struct rule *out)
{
	int64_t nth = 0;
	int n;

	out->days = p->v[P_BYDAY].n > 0 ? day_bits(p, &nth, &n) : INT64_C(1) << start->tm_wday;
	out->exact = out->exact && nth == 0 && p->v[P_BYMONTHDAY].n == 0 && p->v[P_BYMONTH].n == 0 && p->v[P_BYSETPOS].n == 0 &&
	    (out->interval == 1 || !weeks_begin_elsewhere(p));
}

/*
 * The day of the last occurrence, as OX's source has it: the day of UNTIL on the clock of the series, but the day before when an
 * occurrence comes later on that day; not where the series begins after its end.
 */
static void
read_until(const char *text, const struct parts *p, const struct event_time *start, struct rule *out)
{
	char value[24];
	enum stamp_kind kind;
	int64_t t, tod = start->local - day_floor(start->local);

	if (p->v[P_UNTIL].n == 0 || p->v[P_UNTIL].n >= sizeof(value))
		return;
	memcpy(value, p->v[P_UNTIL].p, p->v[P_UNTIL].n);
	value[p->v[P_UNTIL].n] = '\0';
	if (!stamp_parse(value, &t, &kind)) {
		out->exact = false;
		return;
	}
	if (kind == STAMP_UTC)
		t = zone_to_local(start->zone, t);
	out->has_until = true;
	out->until = day_floor(t);
	if (kind != STAMP_DAY && t > start->local && t - out->until < tod && rule_position(text, start->local, out->until + tod) > 0)
		out->until -= DAY_MS;
}

bool
rule_read(const char *text, const struct event_time *start, struct rule *out)
{
	struct parts p;
	struct tm at;
	bool one;

	memset(out, 0, sizeof(*out));
	split(text, &p);
	local_date(start->local, &at);
	for (int i = 1; i <= 4; i++)
		if (p.v[P_FREQ].n == strlen(freq_name[i]) && strncasecmp(p.v[P_FREQ].p, freq_name[i], p.v[P_FREQ].n) == 0)
			out->type = i;
	out->exact = out->type != 0 && p.v[P_OTHER].n == 0;
	out->interval = first_number(&p, P_INTERVAL, 1, &one);
	if (out->type == 0)
		return false;
	if (out->type == 1 && p.v[P_BYDAY].n > 0) { /* "every weekday" of some clients; OX's legacy module makes it weekly */
		out->type = 2;
		out->exact = out->exact && out->interval == 1;
	}
	if (out->type == 1)
		out->exact = out->exact && p.v[P_BYMONTHDAY].n == 0 && p.v[P_BYMONTH].n == 0 && p.v[P_BYSETPOS].n == 0;
	if (out->type == 2)
		weekly(&p, &at, out);
	if (out->type == 4)
		month(&p, &at, out);
	if (out->type == 3)
		out->exact = out->exact && p.v[P_BYMONTH].n == 0;
	if (out->type >= 3)
		day_in_month(&p, &at, out);
	out->occurrences = first_number(&p, P_COUNT, 0, &one);
	if (p.v[P_COUNT].n > 0 && out->occurrences < 1) {
		out->occurrences = 0;
		out->exact = false;
	}
	if (out->occurrences == 0)
		read_until(text, &p, start, out);
	return true;
}

/* ---- writing ---- */

static void
write_end(struct buf *b, const struct rule *r, const struct event_time *start)
{
	char stamp[20];

	if (r->occurrences > 0) {
		buf_adds(b, ";COUNT=");
		buf_add_i64(b, r->occurrences);
	}
	if (r->has_until) { /* with both OX refuses it, as it should */
		/* on its day at the time of day of the start, as OX's source has it */
		int64_t t = r->until + (start->local - day_floor(start->local));

		stamp_format(start->full ? r->until : zone_to_utc(start->zone, t), start->full ? STAMP_DAY : STAMP_UTC, stamp);
		buf_addf(b, ";UNTIL=%s", stamp);
	}
}

static void
write_interval(struct buf *b, const struct rule *r)
{
	if (r->interval > 1) {
		buf_adds(b, ";INTERVAL=");
		buf_add_i64(b, r->interval);
	}
}

void
rule_write(struct buf *b, const struct rule *r, const struct event_time *start)
{
	const char *sep = ";BYDAY=";

	buf_addf(b, "FREQ=%s", r->type >= 1 && r->type <= 4 ? freq_name[r->type] : "");
	write_interval(b, r);
	if (r->type == 4)
		buf_addf(b, ";BYMONTH=%d", (int)r->month + 1);
	for (int i = 1; r->days != 0 && r->type >= 2 && i <= 7; i++) /* from Monday on */
		if ((r->days >> (i % 7) & 1) != 0) {
			buf_addf(b, "%s%s", sep, day_name[i % 7]);
			sep = ",";
		}
	if (r->type >= 3)
		buf_addf(b, r->days != 0 ? ";BYSETPOS=%d" : ";BYMONTHDAY=%d", r->days != 0 && r->day_in_month == 5 ? -1 : (int)r->day_in_month);
	write_end(b, r, start);
}

static int64_t
nth_of(const struct rule *r)
{
	return r->days != 0 && r->day_in_month == 5 ? -1 : r->day_in_month;
}

/* The end that P has is before that of R: the start has moved to later in the day, and the last occurrence would be cut off. */
static bool
ends_too_early(const struct parts *p, const struct rule *r, const struct event_time *start)
{
	struct buf end;
	size_t name = strlen(";UNTIL="), n = p->v[P_UNTIL].n;
	bool early;

	if (!r->has_until || n == 0)
		return false;
	buf_init(&end, 64);
	write_end(&end, r, start);
	early = !end.failed && end.len == name + n && memcmp(p->v[P_UNTIL].p, end.p + name, n) < 0; /* stamps of one form compare as texts */
	buf_fini(&end);
	return early;
}

bool
rule_move_end(struct buf *b, const char *old, const struct event_time *from, const struct event_time *to)
{
	size_t n, begin = b->len;
	struct parts p;
	struct rule r;
	const char *eq;

	split(old, &p);
	if (!rule_read(old, from, &r) || !ends_too_early(&p, &r, to))
		return false;
	for (const char *q = old; *q != '\0'; q += n + (q[n] == ';')) {
		if (part_at(q, &n, &eq) == P_UNTIL || n == 0)
			continue;
		if (b->len > begin)
			buf_addc(b, ';');
		buf_add(b, q, n);
	}
	write_end(b, &r, to);
	return true;
}

void
rule_patch(struct buf *b, const char *old, const struct rule *r, const struct event_time *start)
{
	struct rule was;
	struct parts p;
	const char *eq;
	size_t n, begin = b->len;
	bool same_end, daily;

	if (old == NULL || !rule_read(old, start, &was) || was.type != r->type || was.days != r->days || nth_of(&was) != nth_of(r) || was.month != r->month) {
		rule_write(b, r, start);
		return;
	}
	split(old, &p);
	daily = p.v[P_FREQ].n == 5 && r->type == 2; /* FREQ=DAILY;BYDAY=..: another interval would be of days */
	if (daily && was.interval != r->interval) {
		rule_write(b, r, start);
		return;
	}
	same_end = was.occurrences == r->occurrences && was.has_until == r->has_until && was.until == r->until && !ends_too_early(&p, r, start);
	for (const char *q = old; *q != '\0'; q += n + (q[n] == ';')) {
		enum part i = part_at(q, &n, &eq);

		if (n == 0 || (i == P_INTERVAL && was.interval != r->interval) || ((i == P_COUNT || i == P_UNTIL) && !same_end))
			continue;
		if (b->len > begin)
			buf_addc(b, ';');
		buf_add(b, q, n);
	}
	if (was.interval != r->interval)
		write_interval(b, r);
	if (!same_end)
		write_end(b, r, start);
}
