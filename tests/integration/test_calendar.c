/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Appointments and tasks as two devices and other users meet them: series and their exceptions, collisions, invitations, OX's rules.
 * One oxsim and one usmd for all; each test has its own week of 2027, so that nothing collides by accident.
 */
#include "wire.h"
#include "meeting.h"

#define ANTON_TASKS "33"
#define MONDAY INT64_C(1798416000000) /* 2026-12-28 */

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "ox_write_max_time = 2s",
	"ox_timeout = 2s", "ping_poll_interval = 1s", "heartbeat_min = 1s", NULL };

/* What usmd is to use, by the names of its requests. */
static const char *calendar = "calendar", *confirming = "calendar/confirm", *confirm = "confirm";

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

/* The same where OX does not offer the legacy calendar any more. */
static void
world_up_chronos(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "modules", "{\"without\":[\"calendar\"]}", NULL, 0);
	calendar = "chronos";
	confirm = "updateAttendee";
	confirming = "chronos/updateAttendee";
}

/* every Monday, N times */
static json_t *
weekly(const char *id, const char *title, msec_t start, int n)
{
	return with(with(with(with(event(id, title, start), "recurrence_type", json_integer(2)), "days", json_integer(2)), "interval", json_integer(1)),
	    "occurrences", json_integer(n));
}

static json_t *
exception(const char *id, const char *series, msec_t day, const char *title, msec_t start)
{
	return with(with(event(id, title, start), "recurrence_id", json_string(series)), "recurrence_date_position", json_integer(day));
}

/* Sends one change; its result (new reference), after the answer was applied: over what was sent, where that is done. */
static json_t *
change(struct dev *d, const char *list, json_t *what)
{
	json_t *req = request(d, NULL, NULL, NULL), *data, *r, *known = json_object_get(d->have, str(what, "uuid"));

	(void)json_object_set_new(req, list, one(json_incref(what)));
	data = good(d, "syncUpdate", req);
	r = json_incref((json_t *)(uintptr_t)result(data, 0));
	if (known != NULL && strcmp(str(r, "status"), "ok") == 0)
		(void)json_object_update(known, what);
	apply(d, data);
	json_decref(req);
	json_decref(what);
	json_decref(data);
	return r;
}

static void
status_is(json_t *r, const char *want)
{
	char *text = json_dumps(r, JSON_COMPACT);

	ck_assert_msg(strcmp(str(r, "status"), want) == 0, "not %s: %s", want, text);
	free(text);
	json_decref(r);
}

/* Makes WHAT; its uuid. */
static void
make(struct dev *d, json_t *what, char uuid[40])
{
	json_t *sent = json_deep_copy(what), *r = change(d, "created", what);

	(void)snprintf(uuid, 40, "%s", str(r, "uuid"));
	status_is(r, "ok");
	if (json_object_get(d->have, uuid) == NULL)
		(void)json_object_set_new(d->have, uuid, json_object());
	(void)json_object_update_missing(json_object_get(d->have, uuid), sent);
	json_decref(sent);
}

static const json_t *
have(const struct dev *d, const char *uuid)
{
	const json_t *o = json_object_get(d->have, uuid);

	ck_assert_msg(o != NULL, "%s is not there", uuid);
	return o;
}

static bool
has_day(const json_t *o, const char *key, msec_t day)
{
	const json_t *list = json_object_get(o, key);

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_array_get(list, i)) == day)
			return true;
	return false;
}

/* Both hold the same, and OX has nothing that they have not. */
static void
equal(struct dev *a, struct dev *b)
{
	const char *uuid, *name;
	json_t *v, *x;

	(void)pull(a);
	open_folder(b, b->folder);
	open_folder(a, a->folder);
	ck_assert_uint_eq(json_object_size(a->have), json_object_size(b->have));
	json_object_foreach(a->have, uuid, v)
		json_object_foreach(v, name, x)
			if (strcmp(name, "clientId") != 0)
				ck_assert_msg(json_equal(x, json_object_get(json_object_get(b->have, uuid), name)), "%s differs", name);
}

/* ---- exceptions ---- */

START_TEST(exception_of_a_series)
{
	struct dev a, b;
	char series[40], ex[40];
	msec_t start = MONDAY + 8 * HOUR, day = MONDAY + 7 * DAY;
	const json_t *o;

	device(&a, "anton", "ex-1", "appointment");
	device(&b, "anton", "ex-2", "appointment");
	make(&a, weekly("s1", "Weekly", start, 5), series);
	ck_assert_str_eq(str(have(&a, series), "recurrence_id"), series); /* a series names itself, by its uuid */
	make(&a, exception("x1", series, day, "Moved", start + 7 * DAY + 2 * HOUR), ex);
	ck_assert_str_ne(ex, series);
	ck_assert(has_day(have(&a, series), "change_exceptions", day)); /* the same answer says what became of the series */
	(void)pull(&b);
	o = have(&b, ex);
	ck_assert_str_eq(str(o, "recurrence_id"), series);
	ck_assert_int_eq(num(o, "recurrence_date_position"), day);
	ck_assert_str_eq(str(o, "title"), "Moved");
	ck_assert_int_eq(num(o, "recurrence_type"), 0);
	open_folder(&a, a.folder);
	ck_assert_str_eq(str(have(&a, series), "clientId"), "s1");
	ck_assert_str_eq(str(have(&a, ex), "clientId"), ""); /* not what this device created under that name (F16) */
	/* changed by the other device, seen by the first */
	status_is(change(&b, "modified", json_pack("{s:s,s:s}", "uuid", ex, "location", "Room 2")), "ok");
	(void)pull(&a);
	ck_assert_str_eq(str(have(&a, ex), "location"), "Room 2");
	/* its deletion is the occurrence's */
	status_is(change(&a, "deleted", json_pack("{s:s}", "uuid", ex)), "gone");
	ck_assert(has_day(have(&a, series), "delete_exceptions", day));
	ck_assert(!has_day(have(&a, series), "change_exceptions", day));
	equal(&a, &b);
	ck_assert_ptr_null(json_object_get(b.have, ex));
	/* and one that never was an exception is deleted through the list; what the list lacks is not restored, and said */
	status_is(change(&b, "modified", json_pack("{s:s,s:[I,I]}", "uuid", series, "delete_exceptions", (json_int_t)day, (json_int_t)(day + 7 * DAY))), "ok");
	status_is(change(&b, "modified", json_pack("{s:s,s:[]}", "uuid", series, "delete_exceptions")), "ok");
	ck_assert(has_day(have(&b, series), "delete_exceptions", day) && has_day(have(&b, series), "delete_exceptions", day + 7 * DAY));
	equal(&a, &b);
	status_is(change(&a, "deleted", json_pack("{s:s}", "uuid", series)), "gone");
	equal(&a, &b);
}
END_TEST

/* What an occurrence leaves out it has from its series; what it names without a value it has not. */
START_TEST(exception_without_texts)
{
	static const char *const names[] = { "location", "note", "categories", "alarm", "full_time" };
	struct dev a, b;
	char series[40], same[40], bare[40];
	msec_t start = MONDAY + 60 * 7 * DAY;
	json_t *x;

	device(&a, "anton", "bare-1", "appointment");
	device(&b, "anton", "bare-2", "appointment");
	x = with(with(with(with(weekly("b1", "With texts", start, 5), "location", json_string("Room 1")), "note", json_string("Bring cake")), "categories",
	    json_string("a, b")), "alarm", json_integer(15));
	(void)json_object_set_new(x, "end_date", json_integer(start + DAY));
	make(&a, with(x, "full_time", json_true()), series);
	x = exception("b2", series, start + 7 * DAY, "As the series", start + 7 * DAY);
	(void)json_object_set_new(x, "end_date", json_integer(start + 8 * DAY));
	make(&a, x, same);
	x = exception("b3", series, start + 14 * DAY, "Bare", start + 14 * DAY + 9 * HOUR);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)json_object_set_new(x, names[i], json_null());
	make(&a, x, bare);
	(void)pull(&b);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ck_assert_msg(json_equal(json_object_get(have(&b, same), names[i]), json_object_get(have(&b, series), names[i])), "%s is not the series'", names[i]);
		x = json_object_get(have(&b, bare), names[i]);
		ck_assert_msg(x == NULL || json_is_false(x), "%s is still there", names[i]);
		ck_assert(json_object_get(have(&b, series), names[i]) != NULL);
	}
	status_is(change(&a, "deleted", json_pack("{s:s}", "uuid", series)), "gone");
	equal(&a, &b);
}
END_TEST

START_TEST(deleted_series_takes_its_exceptions)
{
	struct dev a, b;
	char series[40], ex[40];
	msec_t start = MONDAY + 60 * DAY + 8 * HOUR;
	json_t *o;

	start -= (start - MONDAY) % (7 * DAY) - 8 * HOUR;
	device(&a, "anton", "sx-1", "appointment");
	device(&b, "anton", "sx-2", "appointment");
	make(&a, weekly("s1", "Doomed", start, 6), series);
	make(&a, exception("x1", series, start - 8 * HOUR + 7 * DAY, "Doomed too", start + 7 * DAY), ex);
	make(&a, exception("x2", series, start - 8 * HOUR + 14 * DAY, "Doomed as well", start + 14 * DAY), ex);
	(void)pull(&b);
	/* another pattern: OX drops the exception whose day is none of it, the same answer says so */
	o = json_pack("{s:s,s:I}", "uuid", series, "interval", (json_int_t)2);
	status_is(change(&b, "modified", o), "ok");
	ck_assert_ptr_null(find(&b, "title", "Doomed too", NULL));
	ck_assert_ptr_nonnull(find(&b, "title", "Doomed as well", NULL));
	ck_assert_int_eq(num(have(&b, series), "interval"), 2);
	ck_assert_int_eq(num(have(&b, series), "occurrences"), 6); /* a part of the pattern went as a whole */
	equal(&a, &b);
	make(&a, exception("x3", series, start - 8 * HOUR + 14 * DAY, "Doomed again", start + 14 * DAY), ex);
	/* exception and series in one request: the first deletion is no foreign change of the second */
	json_decref(update(&a, request(&a, NULL, NULL, json_pack("[{s:s},{s:s}]", "uuid", ex, "uuid", series))));
	ck_assert_ptr_null(json_object_get(a.have, series));
	equal(&a, &b);
	make(&a, weekly("s2", "Doomed 2", start, 6), series);
	make(&a, exception("x4", series, start - 8 * HOUR + 7 * DAY, "Doomed with it", start + 7 * DAY), ex);
	status_is(change(&a, "deleted", json_pack("{s:s}", "uuid", series)), "gone");
	ck_assert_ptr_null(json_object_get(a.have, ex));
	equal(&a, &b);
}
END_TEST

/* What becomes of a series each Monday with exceptions of its second, third and fifth occurrence, the fifth deleted: days of the exceptions after. */
static const struct follow {
	const char *title, *zone;
	int hours, days, interval, occurrences;
	int first, second, deleted; /* days after the first start, -1 = dropped */
} follows[] = {
	{ "An hour later", "Europe/Berlin", 1, 0, 1, 6, 7, 14, 28 },
	{ "Into the evening", "Europe/Berlin", 14, 0, 1, 6, 7, 14, 28 },
	{ "Into the next day of UTC", "America/New_York", 17, 0, 1, 6, 8, 15, 29 },
	{ "A day later", "Europe/Berlin", 24, 4, 1, 6, 8, 15, 29 },
	{ "Every other week", "Europe/Berlin", 0, 0, 2, 6, -1, 14, 28 },
	{ "Two only", "Europe/Berlin", 0, 0, 1, 2, 7, -1, -1 },
};

/* One exception, as a device and OX itself have it: at DAY of the series, or gone. */
static void
exception_is(struct dev *d, const char *uuid, const struct follow *f, msec_t monday, int day)
{
	const json_t *o = json_object_get(d->have, uuid);

	if (day < 0) {
		ck_assert_msg(o == NULL, "%s: an exception is still there", f->title);
		return;
	}
	ck_assert_msg(o != NULL, "%s: the exception of day %d is gone", f->title, day);
	ck_assert_int_eq(num(o, "recurrence_date_position"), monday + day * DAY);
	ck_assert_int_eq(num(o, "recurrence_position"), 1 + day / 7 / f->interval);
}

/* OX drops those exceptions of a changed series whose days are none of it any more; the days of the others move with the start. */
START_TEST(exceptions_follow_their_series)
{
	const struct follow *f = &follows[_i];
	struct dev a, b, fresh;
	char series[40], first[40], second[40], id[24];
	msec_t monday = MONDAY + (70 + _i) * 7 * DAY, start = monday + 7 * HOUR;
	json_t *o;

	(void)snprintf(id, sizeof(id), "follow-%d", _i);
	device(&a, "anton", id, "appointment");
	device(&b, "anton", "follow-other", "appointment");
	o = with(weekly("s1", f->title, start, 6), "timezone", json_string(f->zone));
	make(&a, with(o, "delete_exceptions", json_pack("[I]", (json_int_t)(monday + 28 * DAY))), series);
	make(&a, exception("x1", series, monday + 7 * DAY, "Second", start + 7 * DAY + 2 * HOUR), first);
	make(&a, exception("x2", series, monday + 14 * DAY, "Third", start + 14 * DAY), second);
	(void)pull(&b);
	o = json_pack("{s:s}", "uuid", series);
	if (f->hours != 0)
		o = with(with(o, "start_date", json_integer(start + f->hours * HOUR)), "end_date", json_integer(start + (f->hours + 1) * HOUR));
	if (f->days != 0)
		(void)json_object_set_new(o, "days", json_integer(f->days));
	if (f->hours != 0) /* and one more of its new days is deleted by the same change */
		o = with(o, "delete_exceptions",
		    json_pack("[I,I]", (json_int_t)(monday + f->deleted * DAY), (json_int_t)(monday + (f->deleted - 7) * DAY)));
	if (f->interval != 1)
		(void)json_object_set_new(o, "interval", json_integer(f->interval));
	if (f->occurrences != 6)
		(void)json_object_set_new(o, "occurrences", json_integer(f->occurrences));
	status_is(change(&a, "modified", o), "ok");
	exception_is(&a, first, f, monday, f->first); /* the same answer says so */
	exception_is(&a, second, f, monday, f->second);
	ck_assert_uint_eq(json_array_size(json_object_get(have(&a, series), "change_exceptions")), (f->first >= 0 ? 1U : 0U) + (f->second >= 0 ? 1U : 0U));
	ck_assert_uint_eq(json_array_size(json_object_get(have(&a, series), "delete_exceptions")), f->hours != 0 ? 2 : f->deleted >= 0 ? 1 : 0);
	ck_assert(f->deleted < 0 || has_day(have(&a, series), "delete_exceptions", monday + f->deleted * DAY));
	(void)pull(&b);
	exception_is(&b, first, f, monday, f->first);
	exception_is(&b, second, f, monday, f->second);
	device(&fresh, "anton", "follow-fresh", "appointment");
	exception_is(&fresh, second, f, monday, f->second);
	equal(&a, &b);
	equal(&b, &fresh);
	status_is(change(&b, "deleted", json_pack("{s:s}", "uuid", series)), "gone");
	equal(&a, &b);
}
END_TEST

/* OX keeps the last day with the hour of the first start: moved to later in the day, a series must not lose its last occurrence */
START_TEST(series_moved_to_later)
{
	struct dev a, b;
	char series[40];
	msec_t start = MONDAY + 40 * 7 * DAY + 8 * HOUR, last = start - 8 * HOUR + 3 * DAY;
	json_t *o;

	device(&a, "anton", "later-1", "appointment");
	o = with(with(event("s1", "Daily", start), "recurrence_type", json_integer(1)), "interval", json_integer(1));
	make(&a, with(with(o, "until", json_integer(last)), "timezone", json_string("Europe/Berlin")), series);
	device(&b, "anton", "later-2", "appointment");
	status_is(change(&a, "modified", json_pack("{s:s,s:I,s:I}", "uuid", series, "start_date", (json_int_t)(start + HOUR), "end_date", (json_int_t)(start + 2 * HOUR))), "ok");
	equal(&a, &b);
	ck_assert_int_eq(num(have(&b, series), "start_date"), start + HOUR);
	ck_assert_int_eq(num(have(&b, series), "until"), last);
}
END_TEST

static const char *const drops[] = { "drop_before", "drop_after" };

START_TEST(lost_exception)
{
	struct dev a, b;
	char rule[200], series[40], ex[40], id[16], title[24];
	msec_t start = MONDAY + (10 + _i) * 7 * DAY + 8 * HOUR;
	json_t *req, *data, *again;
	size_t n;

	(void)snprintf(id, sizeof(id), "lost-%d", _i);
	(void)snprintf(title, sizeof(title), "Changed once %d", _i);
	device(&a, "anton", id, "appointment");
	make(&a, weekly("s1", id, start, 3), series);
	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"%s\",\"action\":\"update\",\"user\":\"anton\"},\"effect\":{\"%s\":true}}", calendar, drops[_i]);
	faults(rule);
	req = request(&a, one(exception("x1", series, start - 8 * HOUR + 7 * DAY, title, start + 7 * DAY + HOUR)), NULL, NULL);
	data = good(&a, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "status"), "retry");
	json_decref(data);
	for (int i = 0; i < 200; i++) {
		again = json_deep_copy(req);
		(void)json_object_set_new(again, "request", json_integer(++a.k));
		(void)json_object_set_new(json_array_get(json_object_get(again, "created"), 0), "again", json_true());
		data = update(&a, again);
		if (strcmp(str(result(data, 0), "status"), "retry") != 0)
			break;
		json_decref(data);
		sleep_ms(50);
	}
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(ex, sizeof(ex), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	json_decref(req);
	device(&b, "anton", "lost-other", "appointment");
	(void)find(&b, "title", title, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(json_array_size(json_object_get(have(&b, series), "change_exceptions")), 1);
	equal(&a, &b);
	ck_assert_str_eq(str(have(&a, ex), "recurrence_id"), series);
}
END_TEST

/* two devices change the same occurrence, neither having seen the other's */
START_TEST(same_occurrence_twice)
{
	struct dev a, b;
	char series[40], ex[40];
	msec_t start = MONDAY + 14 * 7 * DAY + 8 * HOUR, day = start - 8 * HOUR + 7 * DAY;
	json_t *r;

	device(&a, "anton", "same-1", "appointment");
	make(&a, weekly("s1", "Same", start, 3), series);
	device(&b, "anton", "same-2", "appointment");
	make(&a, with(exception("x1", series, day, "A's", start + 7 * DAY), "location", json_string("A's room")), ex);
	r = change(&b, "created", with(exception("x1", series, day, "B's", start + 7 * DAY), "note", json_string("B's note")));
	ck_assert_str_eq(str(r, "uuid"), ex); /* one exception */
	ck_assert(json_array_size(json_object_get(r, "lost")) == 1);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(r, "lost"), 0)), "title");
	status_is(r, "ok");
	equal(&a, &b);
	ck_assert_str_eq(str(have(&b, ex), "title"), "A's");
	ck_assert_str_eq(str(have(&b, ex), "location"), "A's room");
	ck_assert_str_eq(str(have(&b, ex), "note"), "B's note");
	/* what is no occurrence, no series, or nothing of this folder */
	status_is(change(&b, "created", exception("x2", series, day + DAY, "Tuesday", start)), "error");
	status_is(change(&b, "created", exception("x3", ex, day, "of an exception", start)), "error");
	status_is(change(&b, "created", exception("x4", "5c5c5c5c-5c5c-5c5c-5c5c-5c5c5c5c5c5c", day, "of nothing", start)), "error");
	equal(&a, &b);
}
END_TEST

START_TEST(new_series_without_some_days)
{
	struct dev a, b;
	char series[40];
	msec_t start = MONDAY + 20 * 7 * DAY + 8 * HOUR, day = start - 8 * HOUR + 7 * DAY;

	device(&a, "anton", "exdate-1", "appointment");
	device(&b, "anton", "exdate-2", "appointment");
	make(&a, with(weekly("s1", "Holed", start, 4), "delete_exceptions", json_pack("[I,I]", (json_int_t)day, (json_int_t)(day + 7 * DAY))), series);
	(void)pull(&b);
	ck_assert(has_day(have(&b, series), "delete_exceptions", day) && has_day(have(&b, series), "delete_exceptions", day + 7 * DAY));
	equal(&a, &b);
}
END_TEST

static const char *const patterns[] = {
	"{\"recurrence_type\":1,\"interval\":3,\"occurrences\":4}",
	"{\"recurrence_type\":2,\"interval\":1,\"days\":62,\"until\":1835654400000}", /* every workday */
	"{\"recurrence_type\":2,\"interval\":2,\"days\":20}",
	"{\"recurrence_type\":3,\"interval\":1,\"day_in_month\":31,\"occurrences\":3}",
	"{\"recurrence_type\":3,\"interval\":2,\"day_in_month\":2,\"days\":4}",
	"{\"recurrence_type\":3,\"interval\":1,\"day_in_month\":-1,\"days\":32}",
	"{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":29,\"month\":1}",
	"{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1,\"days\":2,\"month\":10,\"until\":2000000000000}",
};

START_TEST(patterns_round_trip)
{
	struct dev a, b;
	char uuid[40], id[16];
	json_t *pattern = json_loads(patterns[_i], JSON_REJECT_DUPLICATES, NULL), *o, *v;
	const char *name;

	(void)snprintf(id, sizeof(id), "pattern-%d", _i);
	device(&a, "anton", "pattern-1", "appointment");
	o = event(id, id, MONDAY + 10 * HOUR);
	(void)json_object_update(o, pattern);
	make(&a, o, uuid);
	device(&b, "anton", "pattern-2", "appointment");
	json_object_foreach(pattern, name, v)
		if (strcmp(name, "until") != 0)
			ck_assert_msg(json_equal(json_object_get(have(&b, uuid), name), v), "%s", name);
		else
			ck_assert_int_eq(num(have(&b, uuid), name), json_integer_value(v) / DAY * DAY);
	/* no series any more, and another pattern */
	status_is(change(&b, "modified", json_pack("{s:s,s:i}", "uuid", uuid, "recurrence_type", 0)), "ok");
	equal(&a, &b);
	ck_assert_int_eq(num(have(&a, uuid), "recurrence_type"), 0);
	json_decref(pattern);
}
END_TEST

/* ---- collisions ---- */

START_TEST(collision)
{
	struct dev a, b;
	char uuid[40], other[40];
	msec_t start = MONDAY + 30 * 7 * DAY + 8 * HOUR;
	const json_t *c, *details;
	json_t *r, *people = json_pack("[{s:i,s:i}]", "id", 4, "type", 1), *room = json_pack("[{s:i,s:i}]", "id", 9, "type", 3), *e;

	device(&a, "anton", "clash-1", "appointment");
	device(&b, "berta", "clash-2", "appointment");
	make(&a, with(event("m1", "Meeting", start), "participants", json_incref(people)), uuid);
	e = with(event("m2", "Overlap", start + HOUR / 2), "participants", json_incref(people));
	r = change(&a, "created", json_deep_copy(e));
	details = json_object_get(json_object_get(r, "error"), "details");
	ck_assert_str_eq(str(details, "ox"), "CONFLICTS");
	ck_assert_ptr_nonnull(strstr(str(json_object_get(r, "error"), "message"), "\"Meeting\""));
	ck_assert_str_eq(str(details, "path"), "created[0]");
	ck_assert_uint_eq(json_array_size(json_object_get(details, "conflicts")), 1);
	c = json_array_get(json_object_get(details, "conflicts"), 0);
	ck_assert_str_eq(str(c, "title"), "Meeting");
	ck_assert_int_eq(num(c, "start_date"), start);
	ck_assert(json_is_false(json_object_get(c, "hard")));
	ck_assert_ptr_nonnull(json_object_get(c, "participants"));
	status_is(r, "error");
	/* the same create, now in spite of it: its clientId was not used up */
	make(&a, with(e, "ignoreConflicts", json_true()), other);
	/* what is free collides with nothing */
	make(&a, with(with(event("m3", "Free", start), "participants", json_incref(people)), "shown_as", json_integer(4)), uuid);
	/* a move into a taken time, and a series that meets one */
	make(&a, with(event("m4", "Later", start + 5 * HOUR), "participants", json_incref(people)), uuid);
	status_is(change(&a, "modified", json_pack("{s:s,s:I,s:I}", "uuid", uuid, "start_date", (json_int_t)start, "end_date", (json_int_t)(start + HOUR))), "error");
	ck_assert_int_eq(num(have(&a, uuid), "start_date"), start + 5 * HOUR);
	status_is(change(&a, "modified", json_pack("{s:s,s:I,s:I,s:b}", "uuid", uuid, "start_date", (json_int_t)start, "end_date", (json_int_t)(start + HOUR),
	    "ignoreConflicts", 1)), "ok");
	status_is(change(&a, "created", with(weekly("m5", "Series", start - 7 * DAY, 3), "participants", json_incref(people))), "error");
	/* a resource is had once */
	make(&a, with(event("m6", "Room", start + 9 * HOUR), "participants", json_incref(room)), uuid);
	r = change(&a, "created", with(with(event("m7", "Room too", start + 9 * HOUR), "participants", json_incref(room)), "ignoreConflicts", json_true()));
	details = json_object_get(json_object_get(r, "error"), "details");
	ck_assert(json_is_true(json_object_get(json_array_get(json_object_get(details, "conflicts"), 0), "hard")));
	ck_assert_ptr_nonnull(strstr(str(json_object_get(r, "error"), "message"), "resource"));
	status_is(r, "error");
	json_decref(people);
	json_decref(room);
}
END_TEST

/* A private appointment blocks time and says nothing else. */
START_TEST(collision_with_what_is_private)
{
	struct dev a, b;
	char uuid[40];
	msec_t start = MONDAY + 32 * 7 * DAY + 8 * HOUR;
	json_t *r, *people = json_pack("[{s:i,s:i}]", "id", 4, "type", 1);
	char *text;

	device(&b, "berta", "private-1", "appointment");
	make(&b, with(event("p1", "Doctor", start), "private_flag", json_true()), uuid);
	device(&a, "anton", "private-2", "appointment");
	r = change(&a, "created", with(event("m1", "Meet Berta", start), "participants", people));
	text = json_dumps(r, JSON_COMPACT);
	ck_assert_msg(strstr(text, "Doctor") == NULL, "%s", text);
	ck_assert_msg(strstr(text, "may not see") != NULL, "%s", text);
	free(text);
	status_is(r, "error");
}
END_TEST

/* ---- invitations ---- */

static json_t *
respond(struct dev *d, const char *uuid, const char *response, const char *message, msec_t occurrence)
{
	json_t *b = json_pack("{s:s,s:s,s:s,s:s}", "folder", d->folder, "uuid", uuid, "response", response, "message", message), *data;

	if (occurrence >= 0)
		(void)json_object_set_new(b, "occurrence", json_integer(occurrence));
	data = good(d, "respondToInvitation", b);
	json_decref(b);
	return data;
}

static const json_t *
user_entry(const json_t *o, int id)
{
	const json_t *list = json_object_get(o, "users");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (num(json_array_get(list, i), "id") == id)
			return json_array_get(list, i);
	return NULL;
}

static void
confirmed(const struct dev *d, const char *title, int user, int confirmation, const char *message)
{
	const json_t *u = user_entry(find(d, "title", title, NULL), user);

	ck_assert_msg(u != NULL, "%s has no user %d", title, user);
	ck_assert_int_eq(num(u, "confirmation"), confirmation);
	ck_assert_str_eq(str(u, "confirmmessage"), message);
}

static json_int_t
confirms(const char *key)
{
	static char text[1 << 16];
	json_t *root;
	json_int_t n;

	world_control(&w, "counters", "{}", text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	n = num(json_object_get(root, "actions"), key);
	json_decref(root);
	return n;
}

START_TEST(invitation)
{
	struct dev a, b, b2;
	char mine[40];
	const char *hers;
	msec_t start = MONDAY + 34 * 7 * DAY + 8 * HOUR;
	json_int_t before;
	char path[80], rule[200];
	json_t *x;

	device(&a, "anton", "inv-1", "appointment");
	device(&b, "berta", "inv-2", "appointment");
	device(&b2, "berta", "inv-3", "appointment");
	make(&a, with(event("i1", "Invited", start), "participants", json_pack("[{s:i,s:i},{s:i,s:s},{s:i,s:s,s:s}]", "id", 5, "type", 1,
	    "type", 5, "mail", "berta@example.com", "type", 5, "mail", "ext@example.org", "display_name", "Ext")), mine);
	(void)pull(&b);
	hers = str(find(&b, "title", "Invited", NULL), "uuid");
	ck_assert_str_ne(hers, "");
	ck_assert_str_ne(hers, mine); /* her folder, her object */
	/* OX knows its own users by their address, and keeps the others as they are */
	ck_assert_ptr_nonnull(user_entry(have(&a, mine), 4));
	x = json_array_get(json_object_get(have(&a, mine), "confirmations"), 0);
	ck_assert_str_eq(str(x, "mail"), "ext@example.org");
	ck_assert_str_eq(str(x, "display_name"), "Ext");
	before = confirms(confirming);
	for (int i = 0; i < 3; i++) {
		x = respond(&b, hers, "accept", "gladly", -1);
		ck_assert_str_eq(str(x, "uuid"), hers);
		json_decref(x);
	}
	ck_assert_int_eq(confirms(confirming) - before, 1); /* OX mails the organizer for each one that it gets */
	(void)pull(&b2);
	confirmed(&b2, "Invited", 4, 1, "gladly");
	(void)pull(&a);
	confirmed(&a, "Invited", 4, 1, "gladly");
	/* later another one, whose answer is lost: the repeat finds it */
	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"%s\",\"action\":\"%s\",\"user\":\"berta\"},\"effect\":{\"drop_after\":true}}", calendar, confirm);
	faults(rule);
	x = json_pack("{s:s,s:s,s:s}", "folder", b.folder, "uuid", hers, "response", "decline");
	ck_assert_str_eq(bad(&b, "respondToInvitation", x, NULL), "upstream-timeout");
	before = confirms(confirming);
	json_decref(good(&b, "respondToInvitation", x));
	json_decref(x);
	ck_assert_int_eq(confirms(confirming), before);
	(void)pull(&a);
	confirmed(&a, "Invited", 4, 2, "");
	/* her own answer is nobody else's change of what she deletes now, with the rev from before it */
	x = json_pack("{s:s,s:s}", "uuid", hers, "rev", str(have(&b, hers), "rev"));
	status_is(change(&b, "deleted", x), "gone");
	/* nobody's invitation */
	x = json_pack("{s:s,s:s,s:s}", "folder", b.folder, "uuid", mine, "response", "accept");
	ck_assert_str_eq(bad(&b, "respondToInvitation", x, path), "not-found");
	ck_assert_str_eq(path, "uuid");
	json_decref(x);
}
END_TEST

START_TEST(invitation_to_a_series)
{
	struct dev a, b;
	char mine[40], hers[40];
	msec_t start = MONDAY + 36 * 7 * DAY + 8 * HOUR, day = start - 8 * HOUR + 7 * DAY;
	json_t *x, *again;
	size_t n;

	device(&a, "anton", "ser-1", "appointment");
	device(&b, "berta", "ser-2", "appointment");
	make(&a, with(weekly("i1", "Regular", start, 4), "participants", json_pack("[{s:i,s:i}]", "id", 4, "type", 1)), mine);
	(void)pull(&b);
	(void)snprintf(hers, sizeof(hers), "%s", str(find(&b, "title", "Regular", NULL), "uuid"));
	json_decref(respond(&b, hers, "accept", "", -1));
	x = respond(&b, hers, "decline", "not then", day);
	ck_assert_str_ne(str(x, "uuid"), hers); /* the occurrence is an exception now */
	again = respond(&b, hers, "decline", "not then", day);
	ck_assert_str_eq(str(again, "uuid"), str(x, "uuid"));
	(void)pull(&b);
	ck_assert_int_eq(num(user_entry(have(&b, str(x, "uuid")), 4), "confirmation"), 2);
	ck_assert_int_eq(num(user_entry(have(&b, hers), 4), "confirmation"), 1);
	ck_assert_str_eq(str(have(&b, str(x, "uuid")), "recurrence_id"), hers);
	(void)pull(&a);
	(void)find(&a, "title", "Regular", &n);
	ck_assert_uint_eq(n, 2);
	json_decref(x);
	json_decref(again);
	x = json_pack("{s:s,s:s,s:s,s:I}", "folder", b.folder, "uuid", hers, "response", "accept", "occurrence", (json_int_t)(day + DAY));
	ck_assert_str_eq(bad(&b, "respondToInvitation", x, NULL), "not-found");
	json_decref(x);
}
END_TEST

START_TEST(only_the_organizer)
{
	struct dev a, b;
	char mine[40], hers[40];
	msec_t start = MONDAY + 46 * 7 * DAY + 8 * HOUR;
	json_t *r;

	device(&a, "anton", "org-1", "appointment");
	device(&b, "berta", "org-2", "appointment");
	make(&a, with(event("i1", "Mine", start), "participants", json_pack("[{s:i,s:i}]", "id", 4, "type", 1)), mine);
	(void)pull(&b);
	(void)snprintf(hers, sizeof(hers), "%s", str(find(&b, "title", "Mine", NULL), "uuid"));
	r = change(&b, "modified", json_pack("{s:s,s:s}", "uuid", hers, "title", "Hers"));
	ck_assert_str_eq(str(json_object_get(r, "error"), "code"), "forbidden");
	ck_assert_str_eq(str(json_object_get(json_object_get(r, "error"), "details"), "ox"), "CAL-4038");
	ck_assert_ptr_nonnull(strstr(str(json_object_get(r, "error"), "message"), "organizer"));
	status_is(r, "error");
	/* her reminder is hers alone */
	status_is(change(&b, "modified", json_pack("{s:s,s:i}", "uuid", hers, "alarm", 30)), "ok");
	(void)pull(&a);
	ck_assert(json_integer_value(json_object_get(have(&a, mine), "alarm")) == 0);
	status_is(change(&a, "modified", json_pack("{s:s,s:i}", "uuid", mine, "alarm", 5)), "ok");
	open_folder(&b, b.folder);
	ck_assert_int_eq(num(have(&b, hers), "alarm"), 30);
	ck_assert_str_eq(str(have(&b, hers), "title"), "Mine");
}
END_TEST

/* ---- OX's rules: an error in words, and nothing changed ---- */

/* A folder of USER for TYPE at OX; its id. */
static void
ox_folder(const char *user, const char *parent, const char *module, const char *title, const char *permissions, char id[24])
{
	json_t *f = json_pack("{s:s,s:s}", "title", title, "module", module), *data;

	if (permissions != NULL)
		(void)json_object_set_new(f, "permissions", json_loads(permissions, JSON_REJECT_DUPLICATES, NULL));
	data = ox_as(user, "folders", "new", json_pack("{s:s}", "folder_id", parent), f);
	(void)snprintf(id, 24, "%s", json_string_value(data));
	json_decref(data);
}

static void
folder_by_title(struct dev *d, const char *title, char uuid[40])
{
	const json_t *f;

	open_folder(d, NULL);
	f = find(d, "title", title, NULL);
	ck_assert_msg(f != NULL, "no folder %s", title);
	(void)snprintf(uuid, 40, "%s", str(f, "uuid"));
	ck_assert_uint_eq(strlen(uuid), 36);
}

static void
refused(struct dev *d, const char *list, json_t *what, const char *ox)
{
	json_t *r = change(d, list, what);
	const json_t *e = json_object_get(r, "error");

	ck_assert_str_eq(str(json_object_get(e, "details"), "ox"), ox);
	ck_assert_uint_gt(strlen(str(e, "message")), 10);
	status_is(r, "error");
	ck_assert_uint_eq(pull(d), 0); /* nothing changed by it */
}

START_TEST(rules_of_moves_and_privacy)
{
	struct dev a;
	char id[24], mine[40], other[40], shared[40], series[40], ex[40], single[40], private[40], meeting[40];
	msec_t start = MONDAY + 40 * 7 * DAY + 8 * HOUR, day = start - 8 * HOUR + 7 * DAY;

	ox_folder("anton", "1", "calendar", "Second", NULL, id);
	ox_folder("berta", "1", "calendar", "For all of us",
	    "[{\"entity\":4,\"bits\":403710016,\"group\":false},{\"entity\":3,\"bits\":4227330,\"group\":false}]", id);
	device(&a, "anton", "rules-1", "appointment");
	(void)snprintf(mine, sizeof(mine), "%s", a.folder);
	folder_by_title(&a, "Second", other);
	folder_by_title(&a, "For all of us", shared);
	open_folder(&a, mine);
	make(&a, weekly("r1", "Weekly", start, 3), series);
	make(&a, exception("r2", series, day, "Moved", start + 7 * DAY), ex);
	make(&a, event("r3", "Single", start + 2 * DAY), single);
	make(&a, with(event("r4", "Private", start + 3 * DAY), "private_flag", json_true()), private);
	make(&a, with(event("r5", "Meeting", start + 4 * DAY), "participants", json_pack("[{s:i,s:i}]", "id", 5, "type", 1)), meeting);
	refused(&a, "modified", json_pack("{s:s,s:s}", "uuid", series, "folder", other), "CAL-4224");
	refused(&a, "modified", json_pack("{s:s,s:s}", "uuid", ex, "folder", other), "CAL-4225");
	refused(&a, "modified", json_pack("{s:s,s:s}", "uuid", private, "folder", shared), "CAL-4226");
	refused(&a, "modified", json_pack("{s:s,s:s}", "uuid", meeting, "folder", shared), "CAL-4060");
	refused(&a, "modified", json_pack("{s:s,s:b}", "uuid", ex, "private_flag", 1), "CAL-4227");
	refused(&a, "modified", json_pack("{s:s,s:I}", "uuid", single, "end_date", (json_int_t)(start - DAY)), "APP-0020");
	/* a private one with participants is OX's to keep */
	status_is(change(&a, "modified", with(json_pack("{s:s}", "uuid", private), "participants", json_pack("[{s:i,s:i}]", "id", 5, "type", 1))), "ok");
	status_is(change(&a, "modified", json_pack("{s:s,s:s}", "uuid", single, "folder", other)), "ok");
	open_folder(&a, shared);
	refused(&a, "created", with(event("r6", "Private there", start), "private_flag", json_true()), "CAL-4222");
	/* in a shared calendar the reminder is the owner's, as OX keeps it (C-18), and the appointment is his too */
	make(&a, with(event("r7", "For Berta", start + 5 * DAY), "alarm", json_integer(10)), single);
	ck_assert_int_eq(num(have(&a, single), "alarm"), 10);
}
END_TEST

START_TEST(all_day_in_zones)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "UTC", "Asia/Tokyo" };
	struct dev a, c;
	char uuid[40], id[16];
	const json_t *o;
	json_t *e;

	device(&a, "anton", "zone-1", "appointment");
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		msec_t first = MONDAY + (50 + (msec_t)i) * 7 * DAY;

		(void)snprintf(id, sizeof(id), "zone-%zu", i);
		e = json_pack("{s:s,s:s,s:I,s:I,s:b,s:s,s:i,s:[{s:i,s:i}]}", "clientId", id, "title", id, "start_date", (json_int_t)first, "end_date", (json_int_t)(first + 2 * DAY),
		    "full_time", 1, "timezone", zones[i], "shown_as", 4, "participants", "id", 5, "type", 1);
		make(&a, e, uuid);
		ck_assert_int_eq(num(have(&a, uuid), "start_date"), first);
		ck_assert_int_eq(num(have(&a, uuid), "end_date"), first + 2 * DAY);
	}
	device(&c, "caesar", "zone-2", "appointment"); /* New York */
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		(void)snprintf(id, sizeof(id), "zone-%zu", i);
		o = find(&c, "title", id, NULL);
		ck_assert_int_eq(num(o, "start_date"), MONDAY + (50 + (msec_t)i) * 7 * DAY);
		ck_assert(json_is_true(json_object_get(o, "full_time")));
		ck_assert_int_eq(num(o, "shown_as"), 4);
	}
	/* a day less: end alone is sent, start and full_time go along */
	status_is(change(&a, "modified", json_pack("{s:s,s:I}", "uuid", uuid, "end_date", (json_int_t)(MONDAY + 53 * 7 * DAY + DAY))), "ok");
	(void)pull(&c);
	ck_assert_int_eq(num(find(&c, "title", "zone-3", NULL), "end_date"), MONDAY + 53 * 7 * DAY + DAY);
	ck_assert(json_is_true(json_object_get(find(&c, "title", "zone-3", NULL), "full_time")));
}
END_TEST

/* ---- tasks ---- */

START_TEST(tasks_in_full)
{
	struct dev a, b;
	char uuid[40];
	json_t *t = json_pack("{s:s,s:s,s:s,s:I,s:I,s:b,s:i,s:i,s:i,s:I,s:s,s:s,s:f,s:f,s:s,s:s,s:s,s:s,s:s,s:b}", "clientId", "t1", "title", "All of it", "note", "text",
	    "start_time", (json_int_t)MONDAY, "end_time", (json_int_t)(MONDAY + 2 * DAY), "full_time", 1, "status", 2, "percent_completed", 40, "priority", 3,
	    "alarm", (json_int_t)(MONDAY - HOUR), "target_duration", "90", "actual_duration", "30", "target_costs", 12.5, "actual_costs", 7.25, "currency", "EUR",
	    "trip_meter", "12 km", "companies", "ACME", "billing_information", "bill", "categories", "a,b", "private_flag", 1), *v;
	const char *name;

	device(&a, "anton", "task-1", "task");
	make(&a, json_deep_copy(t), uuid);
	device(&b, "anton", "task-2", "task");
	json_object_foreach(t, name, v)
		if (strcmp(name, "clientId") != 0) {
			char *x = json_dumps(json_object_get(have(&b, uuid), name), JSON_ENCODE_ANY), *y = json_dumps(v, JSON_ENCODE_ANY);

			ck_assert_msg(json_equal(json_object_get(have(&b, uuid), name), v), "%s: %s instead of %s", name, x, y);
			free(x);
			free(y);
		}
	ck_assert_ptr_null(json_object_get(have(&b, uuid), "start_date")); /* one view of the dates */
	status_is(change(&b, "modified", json_pack("{s:s,s:i,s:i,s:I}", "uuid", uuid, "status", 3, "percent_completed", 100, "date_completed", (json_int_t)(MONDAY + DAY))), "ok");
	equal(&a, &b);
	ck_assert_int_eq(num(have(&a, uuid), "date_completed"), MONDAY + DAY);
	/* with a time of day, the end alone */
	status_is(change(&a, "modified", json_pack("{s:s,s:b,s:I,s:I}", "uuid", uuid, "full_time", 0, "start_time", (json_int_t)(MONDAY + HOUR), "end_time",
	    (json_int_t)(MONDAY + 2 * HOUR))), "ok");
	status_is(change(&a, "modified", json_pack("{s:s,s:I}", "uuid", uuid, "end_time", (json_int_t)(MONDAY + 3 * HOUR))), "ok");
	equal(&a, &b);
	ck_assert_int_eq(num(have(&b, uuid), "start_time"), MONDAY + HOUR);
	ck_assert_int_eq(num(have(&b, uuid), "end_time"), MONDAY + 3 * HOUR);
	json_decref(t);
}
END_TEST

START_TEST(rules_of_tasks)
{
	struct dev a;
	char uuid[40], id[24];

	ox_folder("berta", "1", "tasks", "Tasks of us",
	    "[{\"entity\":4,\"bits\":403710016,\"group\":false},{\"entity\":3,\"bits\":4227330,\"group\":false}]", id);
	device(&a, "anton", "task-3", "task");
	make(&a, json_pack("{s:s,s:s}", "clientId", "t1", "title", "Ruled"), uuid);
	refused(&a, "modified", json_pack("{s:s,s:i,s:i}", "uuid", uuid, "status", 1, "percent_completed", 50), "TSK-0031");
	refused(&a, "modified", json_pack("{s:s,s:i}", "uuid", uuid, "priority", 9), "TSK-0057");
	refused(&a, "modified", json_pack("{s:s,s:I,s:I}", "uuid", uuid, "start_time", (json_int_t)MONDAY, "end_time", (json_int_t)(MONDAY - DAY)), "TSK-0040");
	refused(&a, "created", json_pack("{s:s,s:s,s:b,s:[{s:i,s:i}]}", "clientId", "t2", "title", "Secret", "private_flag", 1, "participants", "id", 4, "type", 1), "TSK-0028");
	refused(&a, "created", json_pack("{s:s,s:s,s:[{s:i,s:s}]}", "clientId", "t3", "title", "No mail", "participants", "type", 5, "display_name", "Ext"), "TSK-0044");
	folder_by_title(&a, "Tasks of us", uuid);
	open_folder(&a, uuid);
	refused(&a, "created", json_pack("{s:s,s:s,s:b}", "clientId", "t4", "title", "Private at hers", "private_flag", 1), "TSK-0008"); /* only the owner's are (T-06) */
	make(&a, json_pack("{s:s,s:s}", "clientId", "t5", "title", "At hers"), uuid);
}
END_TEST

START_TEST(recurring_task_gets_a_successor)
{
	struct dev a, b;
	char uuid[40];
	size_t n;

	device(&a, "anton", "task-4", "task");
	device(&b, "anton", "task-5", "task");
	make(&a, json_pack("{s:s,s:s,s:I,s:I,s:b,s:i,s:i,s:i,s:i,s:i}", "clientId", "t1", "title", "Every Monday", "start_time", (json_int_t)MONDAY, "end_time", (json_int_t)MONDAY,
	    "full_time", 1, "recurrence_type", 2, "interval", 1, "days", 2, "occurrences", 3, "status", 1), uuid);
	(void)pull(&b);
	status_is(change(&b, "modified", json_pack("{s:s,s:i,s:i}", "uuid", uuid, "status", 3, "percent_completed", 100)), "ok");
	(void)pull(&b);
	(void)pull(&a);
	(void)find(&a, "title", "Every Monday", &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(ox_rows("anton", "tasks", ANTON_TASKS, "1,200", "Every Monday", NULL, 0), 2);
	equal(&a, &b);
}
END_TEST

START_TEST(delegated_task)
{
	struct dev a, b;
	char mine[40], hers[40];
	json_int_t before;

	device(&a, "anton", "task-6", "task");
	device(&b, "berta", "task-7", "task");
	make(&a, json_pack("{s:s,s:s,s:[{s:i,s:i},{s:i,s:i},{s:i,s:s,s:s}]}", "clientId", "t1", "title", "Delegated", "participants", "id", 4, "type", 1, "id", 8, "type", 2,
	    "type", 5, "mail", "ext@example.org", "display_name", "Ext"), mine);
	ck_assert_uint_eq(json_array_size(json_object_get(have(&a, mine), "participants")), 3); /* none lost, none invented */
	(void)pull(&b);
	(void)snprintf(hers, sizeof(hers), "%s", str(find(&b, "title", "Delegated", NULL), "uuid"));
	before = confirms("tasks/confirm");
	json_decref(respond(&b, hers, "tentative", "perhaps", -1));
	json_decref(respond(&b, hers, "tentative", "perhaps", -1));
	ck_assert_int_eq(confirms("tasks/confirm") - before, 1);
	json_decref(respond(&b, hers, "accept", "now I will", -1));
	(void)pull(&a);
	confirmed(&a, "Delegated", 4, 1, "now I will");
	/* both work on it */
	status_is(change(&b, "modified", json_pack("{s:s,s:i,s:i}", "uuid", hers, "status", 2, "percent_completed", 30)), "ok");
	(void)pull(&a);
	ck_assert_int_eq(num(have(&a, mine), "percent_completed"), 30);
}
END_TEST

/* What appointments do, by whichever module. */
static TCase *
appointments(const char *name, SFun up)
{
	TCase *t = tcase_create(name);

	tcase_add_unchecked_fixture(t, up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, exception_of_a_series);
	tcase_add_test(t, exception_without_texts);
	tcase_add_test(t, deleted_series_takes_its_exceptions);
	tcase_add_loop_test(t, exceptions_follow_their_series, 0, ARRAY_LEN(follows));
	tcase_add_test(t, series_moved_to_later);
	tcase_add_loop_test(t, lost_exception, 0, ARRAY_LEN(drops));
	tcase_add_test(t, same_occurrence_twice);
	tcase_add_test(t, new_series_without_some_days);
	tcase_add_loop_test(t, patterns_round_trip, 0, ARRAY_LEN(patterns));
	tcase_add_test(t, collision);
	tcase_add_test(t, collision_with_what_is_private);
	tcase_add_test(t, invitation);
	tcase_add_test(t, invitation_to_a_series);
	tcase_add_test(t, only_the_organizer);
	tcase_add_test(t, rules_of_moves_and_privacy);
	tcase_add_test(t, all_day_in_zones);
	return t;
}

int
main(void)
{
	Suite *suite = suite_create("calendar");
	TCase *t;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	t = appointments("wire", world_up);
	tcase_add_test(t, tasks_in_full);
	tcase_add_test(t, rules_of_tasks);
	tcase_add_test(t, recurring_task_gets_a_successor);
	tcase_add_test(t, delegated_task);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, appointments("chronos", world_up_chronos));
	return harness_main(suite);
}
