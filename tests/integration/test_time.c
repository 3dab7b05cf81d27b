/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Time: series of every kind in zones with changes of offset of every kind, with changed and deleted occurrences on both sides of such a
 * change.  What the server expands (oxsim: libical's rules, its own zones) is compared with what a client has: the synchronized object
 * expanded by src/pim (arithmetic of its own), the same after a way through a file, and that file as another program would read it
 * (libical and the file's own VTIMEZONE).  Every day of five years; SEED= repeats a run.
 */
#include <libical/ical.h>
#include <time.h>

#include "usmd/pim.h"
#include "wire.h"

#define NOW "9007199254740992" /* timestamp of a write that nothing is newer than */
#define DAY INT64_C(86400000)
#define FROM INT64_C(1767225600000) /* 2026-01-01 */
#define TO INT64_C(1924992000000)   /* 2031-01-01 */
#define CALENDAR "41"
#define MAX_SERIES 400

static const char *const zones[] = { "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Tehran", "Asia/Kolkata", "Australia/Lord_Howe",
	"Africa/Casablanca", "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "UTC", "Antarctica/Troll", "Pacific/Chatham", "America/Santiago", "Africa/Cairo" };
/* the hours around which offsets change, and two that are far from it */
static const int minutes[] = { 0, 30, 60, 90, 120, 125, 150, 165, 180, 210, 720, 1170, 1410 };
/* recurrence members */
static const char *const rules[] = {
	"{\"recurrence_type\":1,\"interval\":1}",
	"{\"recurrence_type\":1,\"interval\":3}",
	"{\"recurrence_type\":2,\"interval\":1,\"days\":62}",
	"{\"recurrence_type\":2,\"interval\":2,\"days\":65}",
	"{\"recurrence_type\":2,\"interval\":1,\"days\":1}",
	"{\"recurrence_type\":3,\"interval\":1,\"day_in_month\":31}",
	"{\"recurrence_type\":3,\"interval\":2,\"day_in_month\":29}",
	"{\"recurrence_type\":3,\"interval\":1,\"days\":1,\"day_in_month\":5}",
	"{\"recurrence_type\":3,\"interval\":1,\"days\":62,\"day_in_month\":5}",
	"{\"recurrence_type\":3,\"interval\":1,\"days\":2,\"day_in_month\":2}",
	"{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":29,\"month\":1}",
	"{\"recurrence_type\":4,\"interval\":1,\"days\":1,\"day_in_month\":5,\"month\":2}",
	"{\"recurrence_type\":4,\"interval\":1,\"days\":65,\"day_in_month\":1,\"month\":9}",
};

struct times {
	int64_t (*v)[2]; /* start, end */
	size_t n, cap;
};

static struct {
	char id[24];
	const char *zone;
	bool full;
	struct times server;
} series[MAX_SERIES];
static size_t n_series;
static unsigned seed;

static void
add(struct times *t, int64_t start, int64_t end)
{
	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 64;
		t->v = realloc(t->v, t->cap * sizeof(*t->v));
		ck_assert_ptr_nonnull(t->v);
	}
	t->v[t->n][0] = start;
	t->v[t->n++][1] = end;
}

static int
order(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : x[1] != y[1] ? (x[1] < y[1] ? -1 : 1) : 0;
}

static size_t
pick(size_t n)
{
	return (size_t)random() % n;
}

/* ---- the server's side ---- */

/* O is stolen. */
static void
make_object(json_t *o, const char *zone, bool full)
{
	json_t *out;
	char title[40];

	(void)snprintf(title, sizeof(title), "series %zu", n_series);
	(void)json_object_set_new(o, "title", json_string(title));
	out = ox_as("berta", "calendar", "new", json_pack("{s:s}", "timezone", "UTC"), o);

	ck_assert_uint_lt(n_series, MAX_SERIES);
	(void)snprintf(series[n_series].id, sizeof(series[n_series].id), "%s", str(out, "id"));
	series[n_series].zone = zone;
	series[n_series++].full = full;
	json_decref(out);
}

static void
make(const char *zone, const char *rule, bool full)
{
	json_t *o = json_loads(rule, JSON_REJECT_DUPLICATES, NULL);
	int64_t start = FROM - 100 * DAY + (int64_t)pick(400) * DAY;
	json_int_t until;

	ck_assert_ptr_nonnull(o);
	if (!full)
		start += minutes[pick(ARRAY_LEN(minutes))] * 60000;
	/* the start is meant on the zone's clock; a few hours to either side are as good */
	(void)json_object_update_new(o, json_pack("{s:s,s:s,s:I,s:I,s:b,s:b}", "folder_id", CALENDAR, "timezone", zone,
	    "start_date", (json_int_t)start, "end_date", (json_int_t)(start + (full ? DAY * (int64_t)(1 + pick(2)) : 5400000)), "full_time", full, "ignore_conflicts", 1));
	until = start / DAY * DAY + (1500 + (json_int_t)pick(300)) * DAY; /* a 29th of February is in it */
	switch (pick(3)) {
	case 0: (void)json_object_set_new(o, "occurrences", json_integer((json_int_t)(2 + pick(900)))); break;
	case 1: (void)json_object_set_new(o, "until", json_integer(until)); break;
	default: break;
	}
	make_object(o, zone, full);
}

/* What has no zone in a file is meant in the reader's; OX holds nothing without a zone. */
static void
make_floating(const char *zone)
{
	static const char text[] = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:f\r\nDTSTART:20251230T013000\r\nDTEND:20251230T030000\r\n"
	    "RRULE:FREQ=DAILY;COUNT=900\r\nSUMMARY:floating\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
	struct pim_options opt;
	json_t *o = NULL, *exceptions = NULL;

	pim_options_init(&opt);
	opt.timezone = zone;
	ck_assert_int_eq(pim_ical_event_parse(text, strlen(text), &opt, &o, &exceptions, NULL, NULL), PIM_OK);
	ck_assert_str_eq(str(o, "timezone"), zone);
	json_decref(exceptions);
	(void)json_object_del(o, "uid");
	(void)json_object_update_new(o, json_pack("{s:s,s:b}", "folder_id", CALENDAR, "ignore_conflicts", 1));
	make_object(o, zone, false);
}

/* What the server says that there is, into the series' times. */
static void
ask_server(void)
{
	for (size_t k = 0; k < n_series; k++)
		series[k].server.n = 0;
	for (int64_t t = FROM; t < TO; t += 360 * DAY) {
		int64_t end = t + 360 * DAY < TO ? t + 360 * DAY : TO;
		json_t *rows = ox_as("berta", "calendar", "all", json_pack("{s:s,s:s,s:s,s:I,s:I}", "folder", CALENDAR, "columns", "206,201,202", "timezone", "UTC",
		    "start", (json_int_t)t, "end", (json_int_t)end), NULL), *row;
		size_t i;

		json_array_foreach(rows, i, row) {
			const json_t *id = json_array_get(row, 0);
			int64_t start = json_integer_value(json_array_get(row, 1));
			char text[24];

			(void)snprintf(text, sizeof(text), "%lld", (long long)(json_is_string(id) ? strtoll(json_string_value(id), NULL, 10) : json_integer_value(id)));
			if (start < t && t > FROM)
				continue; /* in the span before as well */
			for (size_t k = 0; k < n_series; k++)
				if (strcmp(series[k].id, text) == 0)
					add(&series[k].server, start, json_integer_value(json_array_get(row, 2)));
		}
		json_decref(rows);
	}
	for (size_t k = 0; k < n_series; k++)
		if (series[k].server.n > 0)
			qsort(series[k].server.v, series[k].server.n, sizeof(*series[k].server.v), order);
}

static bool
is_first_of_day(const struct times *t, size_t i)
{
	return i > 0 && t->v[i][0] / DAY != t->v[i - 1][0] / DAY;
}

/* The user deletes or moves occurrence I. */
static void
except(size_t k, size_t i, bool change)
{
	json_int_t start = series[k].server.v[i][0], length = series[k].server.v[i][1] - start, to = start + (series[k].full ? DAY : 3600000 * (json_int_t)(1 + pick(30)));
	json_t *p = json_pack("{s:s,s:s,s:s,s:s}", "id", series[k].id, "folder", CALENDAR, "timestamp", NOW, "timezone", "UTC");

	if (change) {
		json_decref(ox_as("berta", "calendar", "update", p, json_pack("{s:I,s:s,s:I,s:I,s:b,s:b}", "recurrence_date_position", start / DAY * DAY, "title", "moved",
		    "start_date", to, "end_date", to + length, "full_time", series[k].full, "ignore_conflicts", 1)));
		return;
	}
	json_decref(ox_as("berta", "calendar", "delete", p,
	    json_pack("{s:s,s:s,s:I}", "id", series[k].id, "folder", CALENDAR, "recurrence_date_position", start / DAY * DAY)));
}

/* On both sides of two changes of offset, and somewhere. */
static void
make_exceptions(size_t k)
{
	const struct times *t = &series[k].server;
	size_t done = 0, i;

	for (i = 2; i + 2 < t->n && done < 4; i++)
		if (t->v[i][0] % DAY != t->v[i + 1][0] % DAY && is_first_of_day(t, i) && is_first_of_day(t, i + 1)) {
			except(k, i, done % 4 == 0);
			except(k, i + 1, done % 4 != 0);
			done += 2;
			i += 3;
		}
	if (i + 2 < t->n && is_first_of_day(t, i + 1))
		except(k, i + 1, pick(2) == 0);
}

/* ---- the client's side ---- */

static int
take(void *arg, const struct pim_occurrence *o)
{
	add(arg, o->start_ms, o->end_ms);
	return 0;
}

static void
expand(struct times *t, const json_t *o, const json_t *exceptions)
{
	struct pim_error e;

	t->n = 0;
	ck_assert_msg(pim_expand(o, exceptions, FROM, TO, take, t, &e) == PIM_OK, "%s", e.text);
	if (t->n > 0)
		qsort(t->v, t->n, sizeof(*t->v), order);
}

/* The other program: libical's reading of the file, its rules and its zones; but which of two equal hours is meant is said by RFC 5545, 3.3.5. */
static icaltimezone *
zone_of(icalproperty *p, icalcomponent *cal)
{
	icalparameter *id = icalproperty_get_first_parameter(p, ICAL_TZID_PARAMETER);

	return id != NULL ? icalcomponent_get_timezone(cal, icalparameter_get_tzid(id)) : icaltimezone_get_utc_timezone();
}

static int64_t
offset(icaltimezone *z, int64_t utc_s)
{
	struct icaltimetype t = icaltime_from_timet_with_zone((time_t)utc_s, 0, icaltimezone_get_utc_timezone());

	return icaltimezone_get_utc_offset_of_utc_time(z, &t, NULL);
}

static int64_t
ms_of(struct icaltimetype t, icalproperty *p, icalcomponent *cal)
{
	icaltimezone *z = zone_of(p, cal);
	int64_t s, before, after;

	t.is_date = 0;
	s = (int64_t)icaltime_as_timet_with_zone(t, icaltimezone_get_utc_timezone());
	before = offset(z, s - 86400);
	after = offset(z, s + 86400);
	return (s - (offset(z, s - before) == before || offset(z, s - after) != after ? before : after)) * 1000;
}

/* The times of all properties KIND of the calendar's events into OUT; their number. */
static size_t
named_times(icalcomponent *cal, icalproperty_kind kind, int64_t out[64])
{
	icalcompiter ci = icalcomponent_begin_component(cal, ICAL_VEVENT_COMPONENT);
	icalcomponent *event;
	size_t n = 0;

	for (; (event = icalcompiter_deref(&ci)) != NULL; (void)icalcompiter_next(&ci))
		for (icalproperty *p = icalcomponent_get_first_property(event, kind); p != NULL; p = icalcomponent_get_next_property(event, kind)) {
			ck_assert_uint_lt(n, 64);
			out[n++] = ms_of(kind == ICAL_EXDATE_PROPERTY ? icalproperty_get_exdate(p) : icalproperty_get_recurrenceid(p), p, cal);
		}
	return n;
}

static void
expand_file(struct times *t, const char *text)
{
	icalcomponent *cal = icalcomponent_new_from_string(text), *event;
	int64_t without[128], until;
	size_t n;

	ck_assert_ptr_nonnull(cal);
	t->n = 0;
	n = named_times(cal, ICAL_EXDATE_PROPERTY, without);
	n += named_times(cal, ICAL_RECURRENCEID_PROPERTY, without + n);
	for (event = icalcomponent_get_first_component(cal, ICAL_VEVENT_COMPONENT); event != NULL;
	    event = icalcomponent_get_next_component(cal, ICAL_VEVENT_COMPONENT)) {
		icalproperty *s = icalcomponent_get_first_property(event, ICAL_DTSTART_PROPERTY), *e = icalcomponent_get_first_property(event, ICAL_DTEND_PROPERTY);
		icalproperty *r = icalcomponent_get_first_property(event, ICAL_RRULE_PROPERTY);
		struct icaltimetype start = icalproperty_get_dtstart(s), at;
		int64_t first = ms_of(start, s, cal), length = ms_of(icalproperty_get_dtend(e), e, cal) - first;
		struct icalrecurrencetype rule;
		icalrecur_iterator *it;

		if (r == NULL) {
			if (first < TO && first + length > FROM)
				add(t, first, first + length);
			continue;
		}
		rule = icalproperty_get_rrule(r);
		/* UNTIL is an instant; the rules are walked on the wall clock, since libical loses its hour where there is none of it */
		until = icaltime_is_null_time(rule.until) ? INT64_MAX : (int64_t)icaltime_as_timet_with_zone(rule.until, icaltimezone_get_utc_timezone()) * 1000;
		rule.until = icaltime_null_time();
		it = icalrecur_iterator_new(rule, start);
		ck_assert_ptr_nonnull(it);
		while (at = icalrecur_iterator_next(it), !icaltime_is_null_time(at)) {
			int64_t ms = ms_of(at, s, cal);
			bool gone = false;

			if (ms >= TO || ms > until)
				break;
			for (size_t i = 0; i < n; i++)
				gone = gone || without[i] == ms;
			if (!gone && ms + length > FROM)
				add(t, ms, ms + length);
		}
		icalrecur_iterator_free(it);
	}
	icalcomponent_free(cal);
	if (t->n > 0)
		qsort(t->v, t->n, sizeof(*t->v), order);
}

static char *
when(int64_t ms)
{
	static char buf[4][40];
	static unsigned turn;
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	turn = (turn + 1) % 4;
	(void)gmtime_r(&s, &tm);
	(void)strftime(buf[turn], sizeof(buf[turn]), "%F %T", &tm);
	return buf[turn];
}

/* The first difference, for a person. */
static bool
equal(size_t k, const struct times *mine, const char *who, const char *file)
{
	const struct times *ox = &series[k].server;

	for (size_t i = 0; i < ox->n || i < mine->n; i++) {
		if (i < ox->n && i < mine->n && order(ox->v[i], mine->v[i]) == 0)
			continue;
		(void)printf("series %s in %s: number %zu of %zu is at %s to %s by the server, of %zu at %s to %s by %s (seed %u)\n%s\n", series[k].id, series[k].zone,
		    i, ox->n, i < ox->n ? when(ox->v[i][0]) : "-", i < ox->n ? when(ox->v[i][1]) : "-", mine->n, i < mine->n ? when(mine->v[i][0]) : "-",
		    i < mine->n ? when(mine->v[i][1]) : "-", who, seed, file);
		(void)fflush(stdout);
		return false;
	}
	return true;
}

static unsigned
compare(struct dev *d, size_t k, struct times *t)
{
	json_t *master = NULL, *exceptions = json_array(), *v, *back = NULL, *back_exceptions = NULL;
	struct pim_error e;
	const char *uuid;
	char *text = NULL, title[40];
	unsigned bad_ones = 0;

	(void)snprintf(title, sizeof(title), "series %zu", k);
	master = (json_t *)(uintptr_t)find(d, "title", title, NULL);
	ck_assert_ptr_nonnull(master);
	json_object_foreach(d->have, uuid, v)
		if (v != master && strcmp(str(v, "recurrence_id"), str(master, "uuid")) == 0)
			(void)json_array_append(exceptions, v);
	ck_assert_msg(pim_ical_event_format(master, exceptions, NULL, &text, &e) == PIM_OK, "%s", e.text);
	expand(t, master, exceptions);
	bad_ones += !equal(k, t, "the synchronized object", text);
	ck_assert_msg(pim_ical_event_parse(text, strlen(text), NULL, &back, &back_exceptions, NULL, &e) == PIM_OK, "%s\n%.2000s", e.text, text);
	expand(t, back, back_exceptions);
	bad_ones += !equal(k, t, "the file", text);
	expand_file(t, text);
	bad_ones += !equal(k, t, "another reader of the file", text);
	free(text);
	json_decref(exceptions);
	json_decref(back);
	json_decref(back_exceptions);
	return bad_ones;
}

START_TEST(occurrences)
{
	struct times mine = { NULL, 0, 0 };
	unsigned wrong = 0;
	size_t all = 0;
	struct dev d;

	srandom(seed);
	n_series = 0;
	for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
		make_floating(zones[z]);
		for (size_t r = 0; r < ARRAY_LEN(rules); r++)
			make(zones[z], rules[r], (z + r) % 7 == 6);
	}
	ask_server();
	for (size_t k = 0; k < n_series; k++)
		make_exceptions(k);
	ask_server();
	login(&d, "berta", "time");
	open_folder(&d, str(d.defaults, "appointment"));
	for (size_t k = 0; k < n_series; k++) {
		all += series[k].server.n;
		wrong += compare(&d, k, &mine);
	}
	(void)printf("%zu series in %zu zones, %zu occurrences in five years, seed %u\n", n_series, ARRAY_LEN(zones), all, seed);
	(void)fflush(stdout);
	for (size_t k = 0; k < n_series; k++)
		free(series[k].server.v);
	free(mine.v);
	ck_assert_msg(wrong == 0, "%u expansions differ (seed %u)", wrong, seed);
}
END_TEST

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

int
main(void)
{
	const char *s = getenv("SEED");
	Suite *suite = suite_create("time");
	TCase *tc = tcase_create("time");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	seed = s != NULL ? (unsigned)strtoul(s, NULL, 10) : (unsigned)time(NULL);
	tcase_add_unchecked_fixture(tc, world_up, world_down);
	tcase_add_checked_fixture(tc, NULL, forget_devices);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, occurrences);
	suite_add_tcase(suite, tc);
	return harness_main(suite);
}
