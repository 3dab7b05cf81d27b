/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Events and appointments: the mapping, by facts seen of a server and by tables.  No request is made here. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/chronos_int.h"
#include "responder.h"

static struct arena *mem;
static struct err e;

static void
setup(void)
{
	mem = arena_new(0);
}

static void
teardown(void)
{
	arena_free(mem);
	mem = NULL;
}

static unsigned
fno(const char *name)
{
	int i = model_field(model_content(CT_CALENDAR), name);

	ck_assert_msg(i >= 0, "no field %s", name);
	return (unsigned)i;
}

static json_t *
json(const char *text)
{
	json_error_t je;
	json_t *v = json_loads(text, JSON_REJECT_DUPLICATES, &je);

	ck_assert_msg(v != NULL, "%s: %s", je.text, text);
	return v;
}

/* ---- zones and times ---- */

START_TEST(zones_have_java_s_gaps_and_overlaps)
{
	static const struct { const char *zone, *local, *utc; } t[] = {
		{ "Europe/Berlin", "20261202T100000", "20261202T090000Z" }, { "Europe/Berlin", "20270701T100000", "20270701T080000Z" },
		{ "Europe/Berlin", "20271031T023000", "20271031T013000Z" },  /* twice: the second one */
		{ "Europe/Berlin", "20270328T023000", "20270328T013000Z" },  /* never: an hour on */
		{ "America/New_York", "20270314T023000", "20270314T073000Z" }, { "Asia/Kolkata", "20270101T000000", "20261231T183000Z" },
		{ "Pacific/Auckland", "20270101T000000", "20261231T110000Z" }, { "Australia/Lord_Howe", "20270701T120000", "20270701T013000Z" },
		{ "Europe/Berlin", "21500701T100000", "21500701T080000Z" }, { "UTC", "19700101T000000", "19700101T000000Z" },
	};
	char back[20];

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		enum stamp_kind kind;
		int64_t local;

		ck_assert(stamp_parse(t[i].local, &local, &kind) && kind == STAMP_LOCAL && zone_known(t[i].zone));
		stamp_format(zone_to_utc(t[i].zone, local), STAMP_UTC, back);
		ck_assert_msg(strcmp(back, t[i].utc) == 0, "%s %s: %s, not %s", t[i].zone, t[i].local, back, t[i].utc);
	}
	ck_assert(!zone_known("Nowhere/Zone") && !zone_known(NULL) && !zone_known(""));
}
END_TEST

START_TEST(stamps_of_every_kind)
{
	static const char *const bad[] = { "", "2026120", "20261302", "20261202T1000", "20261202T250000", "20261202 100000", "20261202T100000X", "2026-12-02" };
	enum stamp_kind kind;
	char out[20];
	int64_t ms;

	ck_assert(stamp_parse("00010101", &ms, &kind) && kind == STAMP_DAY && ms == RANGE_START);
	stamp_format(ms, STAMP_UTC, out);
	ck_assert_str_eq(out, "00010101T000000Z");
	stamp_format(RANGE_END - 1000, STAMP_LOCAL, out);
	ck_assert_str_eq(out, "99991231T235959");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!stamp_parse(bad[i], &ms, &kind), "\"%s\" is no time", bad[i]);
	ck_assert(!stamp_parse(NULL, &ms, &kind));
}
END_TEST

/* ---- rules ---- */

static struct event_time
start_at(const char *value, const char *zone)
{
	struct event_time t;
	json_t *v = json_pack("{s:s,s:s?}", "value", value, "tzid", zone);

	ck_assert(event_time_read(v, &t));
	t.zone = zone; /* that of the literal, which stays */
	json_decref(v);
	return t;
}

#define DAYS(y, m, d) (day_of(y, m, d))

static int64_t
day_of(int y, int m, int d)
{
	char text[32];
	enum stamp_kind kind;
	int64_t ms;

	(void)snprintf(text, sizeof(text), "%04d%02d%02d", y, m, d);
	ck_assert(stamp_parse(text, &ms, &kind));
	return ms;
}

/* What OX's legacy module shows of a rule; start: Monday, 2026-12-07 09:00 in Berlin. */
START_TEST(rules_in_the_words_of_the_table)
{
	static const struct { const char *text; struct rule r; } t[] = {
		{ "FREQ=DAILY", { .type = 1, .interval = 1, .exact = true } },
		{ "FREQ=DAILY;INTERVAL=2;COUNT=5", { .type = 1, .interval = 2, .occurrences = 5, .exact = true } },
		{ "FREQ=WEEKLY;BYDAY=MO;COUNT=5", { .type = 2, .interval = 1, .days = 2, .occurrences = 5, .exact = true } },
		{ "FREQ=WEEKLY", { .type = 2, .interval = 1, .days = 2, .exact = true } },
		{ "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;WKST=SU", { .type = 2, .interval = 1, .days = 62, .exact = true } },
		{ "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", { .type = 2, .interval = 2, .days = 3 } },
		{ "FREQ=MONTHLY;BYMONTHDAY=31", { .type = 3, .interval = 1, .day_in_month = 31, .exact = true } },
		{ "FREQ=MONTHLY;BYMONTHDAY=1,15", { .type = 3, .interval = 1, .day_in_month = 1 } },
		{ "FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1;INTERVAL=2", { .type = 3, .interval = 2, .days = 4, .day_in_month = 1, .exact = true } },
		{ "FREQ=MONTHLY;BYDAY=-1MO", { .type = 3, .interval = 1, .days = 2, .day_in_month = -1, .exact = true } },
		{ "FREQ=MONTHLY;BYDAY=MO", { .type = 3, .interval = 1, .days = 2, .day_in_month = 0 } },
		{ "FREQ=MONTHLY", { .type = 3, .interval = 1, .day_in_month = 7, .exact = true } },
		{ "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", { .type = 4, .interval = 1, .month = 11, .day_in_month = 24, .exact = true } },
		{ "FREQ=YEARLY;BYMONTH=1;BYDAY=MO;BYSETPOS=-1", { .type = 4, .interval = 1, .month = 0, .days = 2, .day_in_month = 5, .exact = true } },
		{ "FREQ=YEARLY", { .type = 4, .interval = 1, .month = 11, .day_in_month = 7, .exact = true } },
		{ "FREQ=YEARLY;BYDAY=20MO", { .type = 4, .interval = 1, .month = 11, .days = 2, .day_in_month = 20 } },
		{ "FREQ=DAILY;FOO=1", { .type = 1, .interval = 1 } },
		{ "FREQ=HOURLY;COUNT=3", { .type = 0, .interval = 1 } },
		{ "freq=daily;count=5", { .type = 1, .interval = 1, .occurrences = 5, .exact = true } },
	};
	struct event_time start = start_at("20261207T090000", "Europe/Berlin");

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rule r;
		bool known = rule_read(t[i].text, &start, &r);

		ck_assert_msg(known == (t[i].r.type != 0), "%s", t[i].text);
		ck_assert_msg(r.type == t[i].r.type && r.interval == t[i].r.interval && r.days == t[i].r.days && r.day_in_month == t[i].r.day_in_month &&
		    r.month == t[i].r.month && r.occurrences == t[i].r.occurrences && r.exact == t[i].r.exact && !r.has_until,
		    "%s: type %lld interval %lld days %lld day %lld month %lld count %lld exact %d", t[i].text, (long long)r.type, (long long)r.interval,
		    (long long)r.days, (long long)r.day_in_month, (long long)r.month, (long long)r.occurrences, r.exact);
	}
}
END_TEST

START_TEST(until_is_the_day_of_the_last_occurrence)
{
	static const struct { const char *start, *zone, *rule; int y, m, d; } t[] = {
		{ "20261208T090000", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=TU;UNTIL=20261223T000000Z", 2026, 12, 23 },
		{ "20261208T090000", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=TU;UNTIL=20261215T075959Z", 2026, 12, 14 }, /* a second before one */
		{ "20261208T090000", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=TU;UNTIL=20261215T080000Z", 2026, 12, 15 },
		{ "20261208T003000", "Europe/Berlin", "FREQ=DAILY;UNTIL=20261214T233000Z", 2026, 12, 15 },           /* the day there, not here */
		{ "20261208", NULL, "FREQ=DAILY;UNTIL=20261220", 2026, 12, 20 },
		{ "20261208T090000Z", NULL, "FREQ=DAILY;UNTIL=20261220T000000Z", 2026, 12, 19 },
		{ "20261208T090000", "Europe/Berlin", "FREQ=DAILY;UNTIL=20261208T070000Z", 2026, 12, 8 }, /* its start was moved behind its end */
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct event_time start = start_at(t[i].start, t[i].zone);
		struct rule r;

		ck_assert(rule_read(t[i].rule, &start, &r) && r.has_until);
		ck_assert_msg(r.until == DAYS(t[i].y, t[i].m, t[i].d), "%s: %lld", t[i].rule, (long long)r.until);
	}
}
END_TEST

/* Words to text and back are the same words, for every pattern; random. */
START_TEST(rules_there_and_back)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)now_ms();

	printf("SEED=%llu\n", (unsigned long long)seed);
	srandom((unsigned)seed);
	for (int i = 0; i < 5000; i++) {
		struct event_time start = random() % 2 != 0 ? start_at("20261207T233000", "America/New_York") : start_at("20261207", NULL);
		struct rule r = { .type = 1 + random() % 4, .interval = 1 + random() % 5, .exact = true }, back;
		struct buf b;

		if (r.type == 2 || (r.type >= 3 && random() % 2 != 0))
			r.days = 1 + random() % 127;
		if (r.type >= 3)
			r.day_in_month = r.days == 0 ? 1 + random() % 31 : random() % 5 != 0 ? 1 + random() % 4 : r.type == 3 ? -1 : 5;
		if (r.type == 4)
			r.month = random() % 12;
		if (random() % 3 == 0)
			r.occurrences = 1 + random() % 100;
		else if (random() % 2 != 0) {
			r.has_until = true;
			r.until = DAYS(2027, 1, 1) + random() % 4000 * DAY_MS;
		}
		buf_init(&b, 0);
		rule_write(&b, &r, &start);
		ck_assert_msg(rule_read(b.p, &start, &back) && back.type == r.type && back.interval == r.interval && back.days == r.days &&
		    back.day_in_month == r.day_in_month && back.month == r.month && back.occurrences == r.occurrences && back.has_until == r.has_until &&
		    back.until == r.until && back.exact, "SEED=%llu %s", (unsigned long long)seed, b.p);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(a_rule_keeps_what_was_not_changed)
{
	static const struct { const char *old; int64_t count; int y; int64_t interval; const char *want; } t[] = {
		{ "FREQ=MONTHLY;BYMONTHDAY=1,15", 7, 0, 1, "FREQ=MONTHLY;BYMONTHDAY=1,15;COUNT=7" },
		{ "FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU;COUNT=3", 0, 2027, 1, "FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU;UNTIL=20270301T080000Z" },
		{ "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;UNTIL=20280101T000000Z", 0, 0, 3, "FREQ=WEEKLY;BYDAY=MO;INTERVAL=3" },
		{ "FREQ=MONTHLY;BYDAY=1MO;COUNT=4", 4, 0, 1, "FREQ=MONTHLY;BYDAY=1MO;COUNT=4" },
		{ "FREQ=DAILY;BYDAY=MO,TU", 0, 0, 2, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU" },
	};
	struct event_time start = start_at("20261207T090000", "Europe/Berlin");

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rule r;
		struct buf b;

		buf_init(&b, 0);
		(void)rule_read(t[i].old, &start, &r);
		r.occurrences = t[i].count;
		r.interval = t[i].interval;
		r.has_until = t[i].y != 0;
		r.until = t[i].y != 0 ? DAYS(t[i].y, 3, 1) : 0;
		rule_patch(&b, t[i].old, &r, &start);
		ck_assert_msg(strcmp(b.p, t[i].want) == 0, "%s: %s, not %s", t[i].old, b.p, t[i].want);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(occurrences_are_counted)
{
	int64_t start, at, local;
	enum stamp_kind kind;

	ck_assert(stamp_parse("20261207T090000", &start, &kind) && stamp_parse("20270104T090000", &at, &kind));
	ck_assert_int_eq(rule_position("FREQ=WEEKLY;BYDAY=MO;COUNT=2", start, at), 5); /* whatever the end: OX counts so as well */
	ck_assert_int_eq(rule_position("FREQ=WEEKLY;BYDAY=MO", start, at + 60000), 0);
	ck_assert_int_eq(rule_position("nonsense", start, at), 0);
	ck_assert(rule_nth("FREQ=WEEKLY;BYDAY=MO", start, 5, &local) && local == at);
	ck_assert(rule_nth("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1", start, 1, &local) && local == day_of(2027, 1, 5) + 9 * 3600000);
	ck_assert(!rule_nth("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", start, 1, &local));
	ck_assert(!rule_nth("FREQ=HOURLY", start, 1, &local) && !rule_nth("FREQ=DAILY", start, 0, &local));
}
END_TEST

/* ---- events as appointments ---- */

#define WHO "\"uri\":\"mailto:anton@example.com\",\"cn\":\"Anton Anders\",\"email\":\"anton@example.com\",\"entity\":3"

static struct object *
read_event(const char *text)
{
	json_t *v = json(text);
	struct object *o = object_new(mem, CT_CALENDAR);

	ck_assert_msg(event_read(mem, v, o, &e) == RC_OK, "%s", e.text);
	json_decref(v);
	return o;
}

static void
field_is(const struct object *o, const char *name, const char *want)
{
	const json_t *have = o->v[fno(name)];
	char *text = have != NULL ? json_dumps(have, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	ck_assert_msg(want == NULL ? have == NULL : text != NULL && strcmp(text, want) == 0, "%s is %s, not %s", name, text != NULL ? text : "not set", want != NULL ? want : "not set");
	free(text);
}

START_TEST(a_single_event)
{
	struct object *o = read_event("{\"folder\":\"cal://0/31\",\"id\":\"2\",\"timestamp\":1795342281389,\"lastModified\":1795342281228,\"uid\":\"u\",\"summary\":\"Single\",\"location\":\"here\","
	    "\"description\":\"desc\",\"color\":\"#B89AE9\",\"categories\":[\"A\",\"B\"],\"class\":\"PRIVATE\",\"transp\":\"TRANSPARENT\",\"sequence\":1,\"createdBy\":{" WHO "},"
	    "\"organizer\":{" WHO "},\"startDate\":{\"value\":\"20261202T100000\",\"tzid\":\"Europe/Berlin\"},\"endDate\":{\"value\":\"20261202T110000\",\"tzid\":\"Europe/Berlin\"},"
	    "\"alarms\":[{\"id\":2,\"action\":\"AUDIO\",\"trigger\":{\"duration\":\"-PT1H\"}},{\"id\":3,\"action\":\"DISPLAY\",\"trigger\":{\"duration\":\"-P1DT1H\"}}],"
	    "\"attachments\":[{\"managedId\":6,\"created\":5},{\"managedId\":7,\"created\":9}]}");

	ck_assert(o->id == 2 && o->lm == 1795342281389);
	ck_assert_str_eq(o->folder, "31");
	field_is(o, "title", "\"Single\"");
	field_is(o, "location", "\"here\"");
	field_is(o, "note", "\"desc\"");
	field_is(o, "categories", "\"A,B\"");
	field_is(o, "color_label", "3");
	field_is(o, "private_flag", "true");
	field_is(o, "shown_as", "4");
	field_is(o, "start_date", "1796202000000");
	field_is(o, "end_date", "1796205600000");
	field_is(o, "full_time", "false");
	field_is(o, "timezone", "\"Europe/Berlin\"");
	field_is(o, "alarm", "1500");
	field_is(o, "number_of_attachments", "2");
	field_is(o, "lastModifiedOfNewestAttachmentUTC", "9");
	field_is(o, "organizer", "\"anton@example.com\"");
	field_is(o, "organizerId", "3");
	field_is(o, "created_by", "3");
	field_is(o, "recurrence_id", NULL);
	field_is(o, "rrule", NULL);
	object_drop(o);
}
END_TEST

START_TEST(whole_days_have_no_zone)
{
	struct object *o = read_event("{\"id\":\"3\",\"startDate\":{\"value\":\"20261203\"},\"endDate\":{\"value\":\"20261205\"},\"class\":\"PUBLIC\",\"transp\":\"OPAQUE\"}");

	field_is(o, "start_date", "1796256000000");
	field_is(o, "end_date", "1796428800000");
	field_is(o, "full_time", "true");
	field_is(o, "timezone", NULL);
	field_is(o, "shown_as", "1");
	field_is(o, "private_flag", "false");
	object_drop(o);
}
END_TEST

START_TEST(a_series_and_its_exception)
{
	static const char master[] = "{\"id\":\"4\",\"seriesId\":\"4\",\"startDate\":{\"value\":\"20261207T090000\",\"tzid\":\"Europe/Berlin\"},"
	    "\"endDate\":{\"value\":\"20261207T093000\",\"tzid\":\"Europe/Berlin\"},\"rrule\":\"FREQ=WEEKLY;BYDAY=MO;COUNT=5\","
	    "\"changeExceptionDates\":[\"Europe/Berlin:20261214T090000\"],\"deleteExceptionDates\":[\"20261221T080000Z\"]}";
	static const char exception[] = "{\"id\":\"6\",\"seriesId\":\"4\",\"recurrenceId\":\"Europe/Berlin:20261214T090000\",\"startDate\":{\"value\":\"20261214T150000\",\"tzid\":\"Europe/Berlin\"},"
	    "\"endDate\":{\"value\":\"20261214T153000\",\"tzid\":\"Europe/Berlin\"},\"changeExceptionDates\":[\"Europe/Berlin:20261214T090000\"]}";
	struct object *o = read_event(master), *x = read_event(exception);
	json_t *m = json(master), *v = json(exception);

	field_is(o, "recurrence_id", "\"4\"");
	field_is(o, "recurrence_type", "2");
	field_is(o, "days", "2");
	field_is(o, "interval", "1");
	field_is(o, "occurrences", "5");
	field_is(o, "change_exceptions", "[1797206400000]");
	field_is(o, "delete_exceptions", "[1797811200000]");
	field_is(o, "recurrence_date_position", NULL);
	event_position(x, v, m);
	field_is(x, "recurrence_id", "\"4\"");
	field_is(x, "recurrence_type", NULL);
	field_is(x, "recurrence_position", "2");
	field_is(x, "recurrence_date_position", "1797206400000");
	field_is(x, "change_exceptions", "[1797206400000]");
	ck_assert_str_eq(event_series(v), "4");
	ck_assert_ptr_null(event_series(m));
	json_decref(m);
	json_decref(v);
	object_drop(o);
	object_drop(x);
}
END_TEST

START_TEST(rules_that_cannot_be_said_are_marked)
{
	struct object *o = read_event("{\"id\":\"4\",\"seriesId\":\"4\",\"startDate\":{\"value\":\"20261207\"},\"endDate\":{\"value\":\"20261208\"},\"rrule\":\"FREQ=MONTHLY;BYMONTHDAY=7,21\"}");
	struct object *h = read_event("{\"id\":\"5\",\"seriesId\":\"5\",\"startDate\":{\"value\":\"20261207T090000Z\"},\"endDate\":{\"value\":\"20261207T093000Z\"},\"rrule\":\"FREQ=HOURLY\"}");
	int64_t sk;
	msec_t t0, t1;

	field_is(o, "recurrence_type", "3");
	field_is(o, "day_in_month", "7");
	field_is(o, "rrule", "\"FREQ=MONTHLY;BYMONTHDAY=7,21\"");
	field_is(h, "recurrence_type", NULL);
	field_is(h, "rrule", "\"FREQ=HOURLY\"");
	object_range(h, &sk, &t0, &t1);
	ck_assert_int_eq(t1, TIME_MAX); /* it stays in every window: nobody knows its end */
	object_drop(o);
	object_drop(h);
}
END_TEST

/* A meeting as OX 8.19 tells it: a user, a group (5 takes part through it), a resource, somebody outside. */
#define PEOPLE "[{\"uri\":\"mailto:ext@example.org\",\"cn\":\"Ext\",\"email\":\"ext@example.org\",\"cuType\":\"INDIVIDUAL\",\"partStat\":\"TENTATIVE\",\"comment\":\"c\"}," \
	"{" WHO ",\"cuType\":\"INDIVIDUAL\",\"partStat\":\"ACCEPTED\",\"folder\":\"31\"},{\"entity\":4,\"cuType\":\"INDIVIDUAL\",\"partStat\":\"DECLINED\",\"comment\":\"no\"}," \
	"{\"entity\":5,\"cuType\":\"INDIVIDUAL\",\"partStat\":\"NEEDS-ACTION\",\"member\":[\"urn:uuid:g8\"]},{\"uri\":\"urn:uuid:g8\",\"entity\":8,\"cuType\":\"GROUP\",\"partStat\":\"ACCEPTED\"}," \
	"{\"entity\":9,\"cuType\":\"RESOURCE\",\"partStat\":\"ACCEPTED\"}]"

START_TEST(people_are_invited_or_members)
{
	struct object *o = read_event("{\"id\":\"8\",\"startDate\":{\"value\":\"20261207\"},\"endDate\":{\"value\":\"20261208\"},\"attendees\":" PEOPLE "}");

	field_is(o, "participants", "[{\"type\":5,\"mail\":\"ext@example.org\",\"display_name\":\"Ext\"},{\"id\":3,\"type\":1},{\"id\":4,\"type\":1},{\"id\":8,\"type\":2},{\"id\":9,\"type\":3}]");
	field_is(o, "users", "[{\"id\":3,\"confirmation\":1},{\"id\":4,\"confirmation\":2,\"confirmmessage\":\"no\"},{\"id\":5,\"confirmation\":0}]");
	field_is(o, "confirmations", "[{\"type\":5,\"status\":3,\"mail\":\"ext@example.org\",\"display_name\":\"Ext\",\"message\":\"c\"}]");
	object_drop(o);
}
END_TEST

START_TEST(people_who_stay_keep_their_answers)
{
	json_t *base = json(PEOPLE);
	json_t *without = json("[{\"id\":3,\"type\":1},{\"id\":\"4\",\"type\":1},{\"type\":5,\"mail\":\"new@example.org\",\"display_name\":\"N\"},{\"id\":7,\"type\":1}]");
	json_t *with = json("[{\"id\":3,\"type\":1},{\"id\":8,\"type\":2}]");
	json_t *a = people_write(without, base), *b = people_write(with, base);

	ck_assert_uint_eq(json_array_size(a), 4); /* the group has gone, and 5 with it */
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(a, 1), "comment")), "no");
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(a, 2), "uri")), "mailto:new@example.org");
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(a, 3), "entity")), 7);
	ck_assert_uint_eq(json_array_size(b), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(b, 2), "entity")), 5);
	json_decref(base);
	json_decref(with);
	json_decref(without);
	json_decref(a);
	json_decref(b);
}
END_TEST

START_TEST(unreadable_events)
{
	static const char *const bad[] = {
		"{\"startDate\":{\"value\":\"20261207\"}}", "{\"id\":\"1\"}", "{\"id\":\"1\",\"startDate\":{\"value\":\"20261207T090000\",\"tzid\":\"Nowhere/Zone\"}}",
		"{\"id\":\"1\",\"startDate\":{\"value\":\"soon\"}}", "{\"id\":\"1\",\"startDate\":5}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct object *o = object_new(mem, CT_CALENDAR);
		json_t *v = json(bad[i]);

		ck_assert_msg(event_read(mem, v, o, &e) == RC_UPSTREAM, "%s", bad[i]);
		json_decref(v);
		object_drop(o);
	}
}
END_TEST

/* ---- appointments as events ---- */

static void
body_is(const char *changed, const char *base, const char *want)
{
	json_t *b = base != NULL ? json(base) : NULL, *c = json(changed), *v, *have, *expected = json(want);
	struct object *o = object_new(mem, CT_CALENDAR);
	struct fmask m = { { 0 } };
	const char *name;
	struct buf out;

	if (b != NULL)
		ck_assert_int_eq(event_read(mem, b, o, &e), RC_OK);
	json_object_foreach (c, name, v) {
		object_set(o, fno(name), json_incref(v));
		fmask_set(&m, fno(name));
	}
	buf_init(&out, 0);
	buf_addc(&out, '{');
	(void)event_body(&out, mem, o, &m, b);
	buf_addc(&out, '}');
	ck_assert(!out.failed);
	have = json(out.p);
	ck_assert_msg(json_equal(have, expected), "%s of %s: %s, not %s", changed, base != NULL ? base : "nothing", out.p, want);
	json_decref(have);
	json_decref(expected);
	json_decref(b);
	json_decref(c);
	object_drop(o);
	buf_fini(&out);
}

#define AT "\"startDate\":{\"value\":\"20261207T090000\",\"tzid\":\"Europe/Berlin\"},\"endDate\":{\"value\":\"20261207T093000\",\"tzid\":\"America/New_York\"}"

START_TEST(nothing_is_said_that_was_not_touched)
{
	static const char base[] = "{\"id\":\"4\",\"seriesId\":\"4\"," AT ",\"rrule\":\"FREQ=MONTHLY;BYMONTHDAY=7,21\",\"summary\":\"s\",\"color\":\"#12ab34\",\"class\":\"PRIVATE\","
	    "\"alarms\":[{\"id\":1,\"action\":\"AUDIO\",\"trigger\":{\"duration\":\"PT0S\"}},{\"id\":2,\"action\":\"DISPLAY\",\"description\":\"d\",\"trigger\":{\"duration\":\"-PT15M\"}}]}";

	body_is("{}", base, "{}");
	body_is("{\"title\":\"s\",\"private_flag\":true,\"color_label\":0,\"alarm\":15,\"recurrence_type\":3,\"day_in_month\":7,\"start_date\":1796630400000}", base, "{}");
	body_is("{\"title\":\"t\"}", base, "{\"summary\":\"t\"}");
	body_is("{\"title\":null,\"location\":null}", base, "{\"summary\":null}");
	body_is("{\"start_date\":1796634000000}", base, "{\"startDate\":{\"value\":\"20261207T100000\",\"tzid\":\"Europe/Berlin\"}}");
	body_is("{\"end_date\":1796657400000}", base, "{\"endDate\":{\"value\":\"20261207T103000\",\"tzid\":\"America/New_York\"}}");
	body_is("{\"occurrences\":9}", base, "{\"rrule\":\"FREQ=MONTHLY;BYMONTHDAY=7,21;COUNT=9\"}");
	body_is("{\"recurrence_type\":0}", base, "{\"rrule\":null}");
	body_is("{\"alarm\":30}", base, "{\"alarms\":[{\"id\":1,\"action\":\"AUDIO\",\"trigger\":{\"duration\":\"PT0S\"}},"
	    "{\"id\":2,\"action\":\"DISPLAY\",\"description\":\"d\",\"trigger\":{\"duration\":\"-PT30M\"}}]}");
	body_is("{\"alarm\":null}", base, "{\"alarms\":[{\"id\":1,\"action\":\"AUDIO\",\"trigger\":{\"duration\":\"PT0S\"}}]}");
	body_is("{\"alarm\":-1}", base, "{\"alarms\":[{\"id\":1,\"action\":\"AUDIO\",\"trigger\":{\"duration\":\"PT0S\"}}]}");
	body_is("{\"timezone\":\"Asia/Tokyo\"}", base, "{\"startDate\":{\"value\":\"20261207T170000\",\"tzid\":\"Asia/Tokyo\"},\"endDate\":{\"value\":\"20261207T233000\",\"tzid\":\"Asia/Tokyo\"}}");
	body_is("{\"timezone\":\"Nowhere/Zone\",\"title\":\"t\"}", "{\"id\":\"1\",\"startDate\":{\"value\":\"20261207\"},\"endDate\":{\"value\":\"20261208\"}}",
	    "{\"summary\":\"t\",\"startDate\":{\"value\":\"20261207\"},\"endDate\":{\"value\":\"20261208\"}}");
}
END_TEST

/* a start later in the day takes the end of the rule along, and nothing else of it */
START_TEST(the_last_day_is_not_cut_off)
{
#define SERIES(RULE) "{\"id\":\"4\",\"seriesId\":\"4\"," AT ",\"rrule\":\"" RULE "\"}"
#define MOVED "\"startDate\":{\"value\":\"20261207T150000\",\"tzid\":\"Europe/Berlin\"}"
	body_is("{\"start_date\":1796652000000}", SERIES("FREQ=WEEKLY;UNTIL=20270104T080000Z;BYDAY=MO,-1SU;WKST=SU"),
	    "{" MOVED ",\"rrule\":\"FREQ=WEEKLY;BYDAY=MO,-1SU;WKST=SU;UNTIL=20270104T140000Z\"}");
	body_is("{\"start_date\":1796652000000}", SERIES("FREQ=DAILY;UNTIL=20270104T225959Z"), "{" MOVED "}");
	body_is("{\"start_date\":1796652000000}", SERIES("FREQ=DAILY;COUNT=5"), "{" MOVED "}");
	body_is("{\"start_date\":1796626800000}", SERIES("FREQ=DAILY;UNTIL=20270104T080000Z"),
	    "{\"startDate\":{\"value\":\"20261207T080000\",\"tzid\":\"Europe/Berlin\"}}");
	body_is("{\"start_date\":1796652000000,\"interval\":2}", SERIES("FREQ=DAILY;UNTIL=20270104T080000Z"), "{" MOVED ",\"rrule\":\"FREQ=DAILY;INTERVAL=2;UNTIL=20270104T140000Z\"}");
	/* an occurrence that becomes an exception has no rule of its own */
	body_is("{\"start_date\":1796652000000,\"recurrence_date_position\":1796601600000}", SERIES("FREQ=DAILY;UNTIL=20270104T080000Z"), "{" MOVED "}");
}
END_TEST

START_TEST(a_new_event)
{
	body_is("{\"title\":\"t\",\"start_date\":1796630400000,\"end_date\":1796634000000,\"categories\":\"a, b,,\\\"c,d\\\" \",\"private_flag\":true,\"shown_as\":3,\"color_label\":5,\"alarm\":0,"
	    "\"participants\":[{\"id\":9,\"type\":3}]}", NULL,
	    "{\"summary\":\"t\",\"categories\":[\"a\",\"b\",\"\\\"c,d\\\"\"],\"class\":\"CONFIDENTIAL\",\"color\":\"#FFE2E2\",\"transp\":\"OPAQUE\",\"startDate\":{\"value\":\"20261207T080000Z\"},"
	    "\"endDate\":{\"value\":\"20261207T090000Z\"},\"alarms\":[{\"action\":\"DISPLAY\",\"description\":\"Reminder\",\"trigger\":{\"duration\":\"-PT0M\"}}],"
	    "\"attendees\":[{\"entity\":9,\"cuType\":\"RESOURCE\"}]}");
	body_is("{\"start_date\":1796630400000,\"end_date\":1796634000000,\"timezone\":\"Europe/Berlin\",\"recurrence_type\":2,\"interval\":1,\"days\":2,\"until\":1798761600000}", NULL,
	    "{\"startDate\":{\"value\":\"20261207T090000\",\"tzid\":\"Europe/Berlin\"},\"endDate\":{\"value\":\"20261207T100000\",\"tzid\":\"Europe/Berlin\"},"
	    "\"rrule\":\"FREQ=WEEKLY;BYDAY=MO;UNTIL=20270101T080000Z\"}");
	/* 02:45 of the first time, 02:15 of the second */
	body_is("{\"start_date\":1824943500000,\"end_date\":1824945300000,\"timezone\":\"Europe/Berlin\"}", NULL,
	    "{\"startDate\":{\"value\":\"20271031T004500Z\"},\"endDate\":{\"value\":\"20271031T021500\",\"tzid\":\"Europe/Berlin\"}}");
	body_is("{\"start_date\":1796630400000,\"end_date\":1796716800000,\"full_time\":true,\"alarm\":-1}", NULL, "{\"startDate\":{\"value\":\"20261207\"},\"endDate\":{\"value\":\"20261208\"}}");
}
END_TEST

START_TEST(days_name_occurrences)
{
	json_t *noon = json("{" AT ",\"rrule\":\"FREQ=DAILY\"}"), *day = json("{\"startDate\":{\"value\":\"20261207\"},\"rrule\":\"FREQ=DAILY\"}");
	json_t *night = json("{\"startDate\":{\"value\":\"20270301T013000\",\"tzid\":\"Europe/Berlin\"},\"rrule\":\"FREQ=DAILY\"}");
	char at[2][20], nth[20];

	ck_assert_uint_eq(occurrence_ids(noon, DAYS(2027, 7, 1), at), 1);
	ck_assert_str_eq(at[0], "20270701T070000Z");
	ck_assert_uint_eq(occurrence_ids(day, DAYS(2027, 7, 1), at), 1);
	ck_assert_str_eq(at[0], "20270701");
	/* the night of the change to summer time: two occurrences on one day in UTC, and none when it is changed back */
	ck_assert_uint_eq(occurrence_ids(night, DAYS(2027, 3, 28), at), 2);
	ck_assert_str_eq(at[0], "20270328T003000Z");
	ck_assert_str_eq(at[1], "20270328T233000Z");
	ck_assert_uint_eq(occurrence_ids(night, DAYS(2027, 10, 31), at), 0);
	ck_assert(occurrence_nth(noon, 3, nth));
	ck_assert_str_eq(nth, "20261209T080000Z");
	json_decref(noon);
	json_decref(day);
	json_decref(night);
}
END_TEST

TCase *
case_chronos(void)
{
	TCase *t = tcase_create("events");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, zones_have_java_s_gaps_and_overlaps);
	tcase_add_test(t, stamps_of_every_kind);
	tcase_add_test(t, rules_in_the_words_of_the_table);
	tcase_add_test(t, until_is_the_day_of_the_last_occurrence);
	tcase_add_test(t, rules_there_and_back);
	tcase_add_test(t, a_rule_keeps_what_was_not_changed);
	tcase_add_test(t, occurrences_are_counted);
	tcase_add_test(t, a_single_event);
	tcase_add_test(t, whole_days_have_no_zone);
	tcase_add_test(t, a_series_and_its_exception);
	tcase_add_test(t, rules_that_cannot_be_said_are_marked);
	tcase_add_test(t, people_are_invited_or_members);
	tcase_add_test(t, people_who_stay_keep_their_answers);
	tcase_add_test(t, unreadable_events);
	tcase_add_test(t, nothing_is_said_that_was_not_touched);
	tcase_add_test(t, the_last_day_is_not_cut_off);
	tcase_add_test(t, a_new_event);
	tcase_add_test(t, days_name_occurrences);
	return t;
}
