/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Scheduling as clients meet it: when people have time, what collides, answers, invitations that came as mail, who is told by mail.  Each test
 * with either calendar module of OX, and with a day of its own in 2028.
 */
#include "wire.h"
#include "meeting.h"

#include <pthread.h>

#define DAY_0 INT64_C(1830297600000) /* 2028-01-01 */
#define ANTON 3
#define BERTA 4
#define CAESAR 5 /* lives in New York */
#define TEAM 8   /* 3, 4, 5 */
#define BEAMER 9

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 2s", "ox_timeout = 2s",
	"ping_poll_interval = 0", "heartbeat_min = 1s", NULL };
static bool chronos, old; /* the calendar is served by chronos; there is nothing but the legacy modules */

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
	chronos = false;
}

static void
world_up_chronos(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "modules", "{\"without\":[\"calendar\"]}", NULL, 0);
	chronos = true;
}

/* As a server before 7.10, with nothing but the legacy modules. */
static void
world_up_old(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "modules", "{\"without\":[\"chronos\"]}", NULL, 0);
	chronos = false;
	old = true;
}

/* ---- helpers ---- */

/* Sends one change; its result (new reference). */
static json_t *
change(struct dev *d, const char *list, json_t *what)
{
	json_t *req = request(d, NULL, NULL, NULL), *data, *r;

	(void)json_object_set_new(req, list, one(what));
	data = update(d, req);
	r = json_incref((json_t *)(uintptr_t)result(data, 0));
	json_decref(data);
	return r;
}

static void
make(struct dev *d, json_t *what, char uuid[40])
{
	json_t *r = change(d, "created", what);
	char *text = json_dumps(r, JSON_COMPACT);

	ck_assert_msg(strcmp(str(r, "status"), "ok") == 0, "%s", text);
	(void)snprintf(uuid, 40, "%s", str(r, "uuid"));
	free(text);
	json_decref(r);
}

/* An appointment that USER makes by another client. */
static json_int_t
ox_event(const char *user_name, const char *folder, json_t *o)
{
	json_t *made;
	json_int_t id;

	if (chronos)
		world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
	(void)json_object_set_new(o, "folder_id", json_string(folder));
	(void)json_object_set_new(o, "ignore_conflicts", json_true());
	made = ox_as(user_name, "calendar", "new", json_pack("{s:s}", "timezone", "UTC"), o);
	id = strtoll(str(made, "id"), NULL, 10);
	json_decref(made);
	if (chronos)
		world_control(&w, "modules", "{\"without\":[\"calendar\"]}", NULL, 0);
	return id;
}

static json_t *
timed(const char *title, msec_t from, msec_t to, int shown)
{
	return json_pack("{s:s,s:I,s:I,s:i}", "title", title, "start_date", (json_int_t)from, "end_date", (json_int_t)to, "shown_as", shown);
}

/* ---- free and busy ---- */

static json_t *
busy_of(const struct dev *d, json_t *who, msec_t from, msec_t to, json_t *more)
{
	json_t *b = json_pack("{s:o,s:I,s:I}", "who", who, "from", (json_int_t)from, "to", (json_int_t)to), *data, *list;

	if (more != NULL)
		(void)json_object_update_new(b, more);
	data = good(d, "getFreeBusy", b);
	list = json_incref(json_object_get(data, "attendees"));
	json_decref(data);
	json_decref(b);
	return list;
}

/* The times of P in hours since DAY: "10-11 busy, 12-13.5 tentative" */
static const char *
times(const json_t *p, const char *key, msec_t day)
{
	static char text[4][400];
	static unsigned turn;
	char *out = text[turn++ % 4];
	const json_t *x;
	size_t i, n = 0;

	out[0] = '\0';
	json_array_foreach(json_object_get(p, key), i, x)
		n += (size_t)snprintf(out + n, 400 - n, "%s%g-%g %s%s%s", i > 0 ? ", " : "", (double)(num(x, "start") - day) / (double)HOUR,
		    (double)(num(x, "end") - day) / (double)HOUR, str(x, "shown"), str(x, "title")[0] != '\0' ? " " : "", str(x, "title"));
	return out;
}

START_TEST(times_are_put_together)
{
	msec_t day = DAY_0 + 5 * DAY;
	struct dev b;
	json_t *list;

	ox_event("anton", "31", timed("One", day + 10 * HOUR, day + 11 * HOUR, 1));
	ox_event("anton", "31", timed("Two", day + 11 * HOUR, day + 12 * HOUR, 1));          /* behind each other: one time */
	ox_event("anton", "31", timed("Maybe", day + 11 * HOUR + HOUR / 2, day + 14 * HOUR, 2)); /* the stronger kind counts */
	ox_event("anton", "31", timed("Away", day + 13 * HOUR, day + 13 * HOUR + HOUR / 2, 3));
	ox_event("anton", "31", timed("Free", day + 15 * HOUR, day + 16 * HOUR, 4));         /* no time at all */
	ox_event("anton", "31", timed("Late", day + 23 * HOUR, day + 26 * HOUR, 1));         /* beyond the range */
	login(&b, "berta", "busy-1");
	list = busy_of(&b, json_pack("[{s:i},{s:i}]", "user", ANTON, "user", BERTA), day, day + DAY, NULL);
	ck_assert_str_eq(times(json_array_get(list, 0), "busy", day), "10-12 busy, 12-13 tentative, 13-13.5 absent, 13.5-14 tentative, 23-24 busy");
	ck_assert_str_eq(str(json_array_get(list, 0), "name"), "Anton Anders");
	ck_assert_str_eq(str(json_array_get(list, 0), "mail"), "anton@example.com");
	ck_assert_ptr_null(json_object_get(json_array_get(list, 0), "appointments"));
	ck_assert_str_eq(times(json_array_get(list, 1), "busy", day), "");
	json_decref(list);
}
END_TEST

START_TEST(everybody_who_can_be_asked_for)
{
	msec_t day = DAY_0 + 10 * DAY;
	struct dev d;
	json_t *list, *m, *by_number;

	ox_event("anton", "31", with(timed("Room", day + 9 * HOUR, day + 10 * HOUR, 1), "participants", json_pack("[{s:i,s:i}]", "id", BEAMER, "type", 3)));
	ox_event("caesar", "51", timed("His", day + 12 * HOUR, day + 13 * HOUR, 1));
	login(&d, "dora", "who-1");
	list = busy_of(&d, json_pack("[{s:i},{s:i},{s:s},{s:s},{s:s},{s:s},{s:i},{s:s},{s:s}]", "group", TEAM, "resource", BEAMER, "mail", "ANTON@example.com", "name",
	    "caesar", "name", "Team", "mail", "beamer@example.com", "user", 4711, "name", "Nobody at all", "mail", "stranger@example.org"), day, day + DAY, NULL);
	m = json_object_get(json_array_get(list, 0), "members");
	ck_assert_uint_eq(json_array_size(m), 3);
	ck_assert_str_eq(times(json_array_get(m, 0), "busy", day), "9-10 busy");
	ck_assert_str_eq(times(json_array_get(m, 1), "busy", day), "");
	ck_assert_str_eq(times(json_array_get(m, 2), "busy", day), "12-13 busy");
	ck_assert_str_ne(str(json_array_get(m, 2), "name"), "");
	ck_assert_str_eq(times(json_array_get(list, 1), "busy", day), "9-10 busy");
	ck_assert_str_eq(str(json_array_get(list, 1), "type"), "resource");
	ck_assert_int_eq(num(json_array_get(list, 2), "entity"), ANTON);
	ck_assert_int_eq(num(json_array_get(list, 3), "entity"), CAESAR);
	ck_assert_str_eq(times(json_array_get(list, 3), "busy", day), "12-13 busy");
	ck_assert_str_eq(str(json_array_get(list, 4), "type"), "group");
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(list, 4), "members")), 3);
	ck_assert_str_eq(str(json_array_get(list, 5), "type"), "resource");
	/* who is not there keeps nobody else from being answered */
	ck_assert_str_eq(str(json_object_get(json_array_get(list, 6), "error"), "code"), "unknown");
	ck_assert_str_eq(str(json_object_get(json_array_get(list, 7), "error"), "code"), "unknown");
	ck_assert_str_eq(str(json_array_get(list, 7), "type"), "unknown");
	ck_assert_str_eq(str(json_object_get(json_array_get(list, 8), "error"), "code"), "no-data");
	ck_assert_str_eq(str(json_array_get(list, 8), "type"), "external");
	json_decref(list);
	/* by numbers alone, with a member that is not named, and one that does not exist among them */
	by_number = busy_of(&d, json_pack("[{s:i},{s:i},{s:i},{s:i}]", "user", CAESAR, "user", 4711, "group", TEAM, "group", 4711), day, day + DAY, NULL);
	ck_assert_str_eq(times(json_array_get(by_number, 0), "busy", day), "12-13 busy");
	ck_assert_str_eq(str(json_object_get(json_array_get(by_number, 1), "error"), "code"), "unknown");
	ck_assert_str_eq(times(json_array_get(json_object_get(json_array_get(by_number, 2), "members"), 0), "busy", day), "9-10 busy");
	ck_assert_str_eq(str(json_object_get(json_array_get(by_number, 3), "error"), "code"), "unknown");
	json_decref(by_number);
}
END_TEST

/* Of what a user may not read there is the time and nothing else. */
START_TEST(titles_only_where_ox_shows_them)
{
	msec_t day = DAY_0 + 15 * DAY;
	struct dev own, other;
	json_t *list;
	char *text;

	ox_event("anton", "31", with(timed("Doctor", day + 9 * HOUR, day + 10 * HOUR, 1), "location", json_string("Clinic")));
	login(&own, "anton", "title-1");
	login(&other, "dora", "title-2");
	list = busy_of(&own, json_pack("[{s:i}]", "user", ANTON), day, day + DAY, json_pack("{s:b}", "details", 1));
	ck_assert_str_eq(times(json_array_get(list, 0), "appointments", day), "9-10 busy Doctor");
	json_decref(list);
	list = busy_of(&other, json_pack("[{s:i}]", "user", ANTON), day, day + DAY, json_pack("{s:b}", "details", 1));
	ck_assert_str_eq(times(json_array_get(list, 0), "appointments", day), "9-10 busy");
	text = json_dumps(list, 0);
	ck_assert_msg(strstr(text, "Doctor") == NULL && strstr(text, "Clinic") == NULL, "%s", text);
	free(text);
	json_decref(list);
}
END_TEST

/* A day is the day of the one whose it is. */
START_TEST(days_without_a_time)
{
	msec_t day = DAY_0 + 20 * DAY;
	struct dev d;
	json_t *list;

	ox_event("anton", "31", with(timed("Off", day, day + DAY, 3), "full_time", json_true()));
	ox_event("caesar", "51", with(timed("Off", day, day + DAY, 3), "full_time", json_true()));
	login(&d, "dora", "days-1");
	list = busy_of(&d, json_pack("[{s:i},{s:i}]", "user", ANTON, "user", CAESAR), day - DAY, day + 2 * DAY, json_pack("{s:b}", "details", 1));
	ck_assert_str_eq(times(json_array_get(list, 0), "busy", day), "-1-23 absent");
	ck_assert_str_eq(times(json_array_get(list, 1), "busy", day), "5-29 absent");
	ck_assert(json_is_true(json_object_get(json_array_get(json_object_get(json_array_get(list, 0), "appointments"), 0), "full_time")));
	json_decref(list);
}
END_TEST

START_TEST(own_appointment_excluded)
{
	msec_t day = DAY_0 + 25 * DAY;
	struct dev a;
	char moved[40], series[40], exception[40], path[80];
	json_t *list, *b;

	device(&a, "anton", "excl-1", "appointment");
	make(&a, with(event("e1", "Moved", day + 9 * HOUR), "participants", one(user(BERTA))), moved);
	make(&a, event("e2", "Stays", day + 11 * HOUR), series);
	list = busy_of(&a, json_pack("[{s:i},{s:i}]", "user", ANTON, "user", BERTA), day, day + DAY, json_pack("{s:{s:s,s:s}}", "exclude", "folder", a.folder, "uuid", moved));
	ck_assert_str_eq(times(json_array_get(list, 0), "busy", day), "11-12 busy");
	ck_assert_str_eq(times(json_array_get(list, 1), "busy", day), "");
	json_decref(list);
	/* a series with its exceptions; and one exception alone */
	make(&a, with(daily(event("e3", "Daily", day + 14 * HOUR), 3), "participants", one(user(BERTA))), series);
	make(&a, with(with(event("e4", "Daily", day + DAY + 17 * HOUR), "recurrence_id", json_string(series)), "recurrence_date_position", json_integer(day + DAY)), exception);
	list = busy_of(&a, json_pack("[{s:i}]", "user", BERTA), day, day + 3 * DAY, NULL);
	ck_assert_str_eq(times(json_array_get(list, 0), "busy", day), "9-10 busy, 14-15 busy, 41-42 busy, 62-63 busy");
	json_decref(list);
	list = busy_of(&a, json_pack("[{s:i}]", "user", BERTA), day, day + 3 * DAY, json_pack("{s:{s:s,s:s}}", "exclude", "folder", a.folder, "uuid", series));
	ck_assert_str_eq(times(json_array_get(list, 0), "busy", day), "9-10 busy");
	json_decref(list);
	list = busy_of(&a, json_pack("[{s:i}]", "user", BERTA), day, day + 3 * DAY, json_pack("{s:{s:s,s:s}}", "exclude", "folder", a.folder, "uuid", exception));
	ck_assert_str_eq(times(json_array_get(list, 0), "busy", day), "9-10 busy, 14-15 busy, 62-63 busy");
	json_decref(list);
	b = json_pack("{s:[{s:i}],s:i,s:i,s:{s:s,s:s}}", "who", "user", BERTA, "from", 1, "to", 2, "exclude", "folder", a.folder, "uuid", a.folder);
	ck_assert_str_eq(bad(&a, "getFreeBusy", b, path), "not-found");
	json_decref(b);
}
END_TEST

START_TEST(too_many_people)
{
	struct dev d;
	char path[80];
	json_t *b = json_pack("{s:[],s:i,s:i}", "who", "from", 1, "to", 2);

	login(&d, "dora", "many-1");
	for (int i = 0; i < 100; i++)
		(void)json_array_append_new(json_object_get(b, "who"), json_pack("{s:i}", "user", 10000 + i));
	json_decref(good(&d, "getFreeBusy", b)); /* all of them unknown */
	(void)json_array_append_new(json_object_get(b, "who"), json_pack("{s:i}", "user", 1));
	ck_assert_str_eq(bad(&d, "getFreeBusy", b, path), "limit");
	ck_assert_str_eq(path, "who");
	json_decref(b);
}
END_TEST

/* ---- collisions ---- */

START_TEST(a_resource_is_had_once)
{
	msec_t day = DAY_0 + 30 * DAY;
	struct dev a, b;
	char uuid[40];
	json_t *room = json_pack("[{s:i,s:i}]", "id", BEAMER, "type", 3), *r;
	const json_t *details;

	device(&a, "anton", "room-1", "appointment");
	device(&b, "berta", "room-2", "appointment");
	make(&a, with(event("r1", "Secret plan", day + 9 * HOUR), "participants", json_incref(room)), uuid);
	for (int ignore = 0; ignore < 2; ignore++) {
		r = change(&b, "created", with(with(event("r2", "Mine", day + 9 * HOUR + HOUR / 2), "participants", json_incref(room)), "ignoreConflicts", json_boolean(ignore)));
		details = json_object_get(json_object_get(r, "error"), "details");
		ck_assert_str_eq(str(r, "status"), "error");
		ck_assert_str_eq(str(details, "ox"), "CONFLICTS");
		ck_assert(json_is_true(json_object_get(json_array_get(json_object_get(details, "conflicts"), 0), "hard")));
		ck_assert_ptr_nonnull(strstr(str(json_object_get(r, "error"), "message"), "another time or resource"));
		/* who may not read it learns the time alone */
		ck_assert_ptr_null(strstr(str(json_object_get(r, "error"), "message"), "Secret"));
		ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(details, "conflicts"), 0), "title"));
		ck_assert_int_eq(num(json_array_get(json_object_get(details, "conflicts"), 0), "start_date"), day + 9 * HOUR);
		json_decref(r);
	}
	make(&b, with(event("r2", "Mine", day + 11 * HOUR), "participants", room), uuid);
}
END_TEST

/* ---- who is told by mail ---- */

START_TEST(invited_once)
{
	static const char *const titles[] = { "Told", "Not told" };
	msec_t day = DAY_0 + 35 * DAY;
	struct dev a, other;
	json_t *req, *data;
	json_int_t before;
	size_t n;

	device(&a, "anton", "once-1", "appointment");
	device(&other, "anton", "once-2", "appointment");
	for (int silent = 0; silent < 2; silent++) {
		char id[8], rule[200];

		(void)snprintf(id, sizeof(id), "o%d", silent);
		before = counted("mail/invitation");
		(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"%s\",\"action\":\"new\",\"user\":\"anton\"},\"effect\":{\"drop_after\":true}}",
		    chronos ? "chronos" : "calendar");
		faults(rule);
		req = request(&a, one(with(with(event(id, titles[silent], day + (9 + 2 * silent) * HOUR), "participants", json_pack("[o,o,{s:i,s:s}]", user(BERTA), user(CAESAR),
		    "type", 5, "mail", "ext@example.org")), "notify", json_boolean(silent == 0))), NULL, NULL);
		/* the answer of OX is lost, then that of usmd, then once more */
		for (int i = 0; i < 4; i++) {
			data = good(&a, "syncUpdate", req);
			if (i == 3)
				apply(&a, data);
			json_decref(data);
		}
		json_decref(req);
		(void)pull(&other);
		(void)find(&other, "title", titles[silent], &n);
		ck_assert_uint_eq(n, 1);
		ck_assert_int_eq(counted("mail/invitation") - before, silent ? 0 : 3);
	}
}
END_TEST

START_TEST(changes_told_or_not)
{
	msec_t day = DAY_0 + 40 * DAY;
	struct dev a;
	char uuid[40];
	json_int_t before;
	json_t *r;

	device(&a, "anton", "tell-1", "appointment");
	make(&a, with(with(event("c1", "Change", day + 9 * HOUR), "participants", one(user(BERTA))), "notify", json_false()), uuid);
	before = counted("mail/invitation");
	r = change(&a, "modified", json_pack("{s:s,s:s,s:b}", "uuid", uuid, "title", "Silently", "notify", 0));
	ck_assert_str_eq(str(r, "status"), "ok");
	json_decref(r);
	ck_assert_int_eq(counted("mail/invitation"), before);
	r = change(&a, "modified", json_pack("{s:s,s:s}", "uuid", uuid, "title", "Aloud"));
	ck_assert_str_eq(str(r, "status"), "ok");
	json_decref(r);
	ck_assert_int_eq(counted("mail/invitation"), before + 1);
}
END_TEST

/* ---- answers ---- */

static const json_t *
own(const struct dev *d, const char *title, int id)
{
	const json_t *list = json_object_get(find(d, "title", title, NULL), "users");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (num(json_array_get(list, i), "id") == id)
			return json_array_get(list, i);
	return NULL;
}

static void
respond(const struct dev *d, const char *uuid, const char *response, const char *message)
{
	json_t *b = json_pack("{s:s,s:s,s:s,s:s}", "folder", d->folder, "uuid", uuid, "response", response, "message", message);

	json_decref(good(d, "respondToInvitation", b));
	json_decref(b);
}

static const char *const answered_types[] = { "appointment", "task" };

/* All answers, one after another, with and without a message; the organizer sees each and gets one mail for each. */
START_TEST(each_answer)
{
	static const struct {
		const char *response, *message;
		int confirmation;
	} answers[] = { { "accept", "", 1 }, { "tentative", "perhaps", 3 }, { "decline", "no \xc3\xbc", 2 }, { "decline", "", 2 }, { "accept", "after all", 1 } };
	msec_t day = DAY_0 + (200 + _i) * DAY;
	struct dev a, b, see;
	char mine[40], hers[40], title[40], name[20];
	json_int_t before;

	(void)snprintf(title, sizeof(title), "Each %s", answered_types[_i]);
	(void)snprintf(name, sizeof(name), "each-%d-a", _i);
	device(&a, "anton", name, answered_types[_i]);
	(void)snprintf(name, sizeof(name), "each-%d-b", _i);
	device(&b, "berta", name, answered_types[_i]);
	(void)snprintf(name, sizeof(name), "each-%d-c", _i);
	device(&see, "anton", name, answered_types[_i]);
	if (_i == 0)
		make(&a, with(event("a1", title, day + 9 * HOUR), "participants", one(user(BERTA))), mine);
	else
		make(&a, json_pack("{s:s,s:s,s:[o]}", "clientId", "a1", "title", title, "participants", user(BERTA)), mine);
	(void)pull(&b);
	(void)snprintf(hers, sizeof(hers), "%s", str(find(&b, "title", title, NULL), "uuid"));
	before = counted("mail/reply");
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		respond(&b, hers, answers[i].response, answers[i].message);
		respond(&b, hers, answers[i].response, answers[i].message);
		ck_assert_int_eq(counted("mail/reply") - before, (json_int_t)i + 1);
		(void)pull(&see);
		ck_assert_int_eq(num(own(&see, title, BERTA), "confirmation"), answers[i].confirmation);
		ck_assert_str_eq(str(own(&see, title, BERTA), "confirmmessage"), answers[i].message);
	}
}
END_TEST

/* ---- invitations that came as mail ---- */

struct ics {
	const char *method, *uid, *title, *organizer, *attendee, *partstat, *more; /* more: further lines */
	msec_t start;
	int sequence;
};

static void
stamp(msec_t t, char out[20])
{
	time_t s = (time_t)(t / 1000);
	struct tm tm;

	ck_assert_ptr_nonnull(gmtime_r(&s, &tm));
	(void)strftime(out, 20, "%Y%m%dT%H%M%SZ", &tm);
}

/* Such a mail into D's folder; its uuid. As recorded (14-itip-import-export 1 and 13). */
static void
mail_in(struct dev *d, const char *id, const struct ics *x, const char *type, char uuid[40])
{
	char raw[3000], from[20], to[20];
	struct buf b;
	int n;

	stamp(x->start, from);
	stamp(x->start + HOUR, to);
	n = snprintf(raw, sizeof(raw), "From: Orga <orga@example.org>\r\nTo: anton@example.com\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 08:00:00 +0100\r\n"
	    "Message-ID: <%s.%s@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nYou are invited\r\n"
	    "--b\r\nContent-Type: %s\r\nContent-Transfer-Encoding: 8bit\r\n\r\nBEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:%s\r\n"
	    "BEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:%s\r\nDTEND:%s\r\nSUMMARY:%s\r\nSEQUENCE:%d\r\nORGANIZER;CN=Orga:mailto:%s\r\n"
	    "ATTENDEE;CN=Somebody;PARTSTAT=%s;RSVP=TRUE:mailto:%s\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n--b--\r\n",
	    x->title, id, x->method, type, x->method, x->uid, from, to, x->title, x->sequence, x->organizer, x->partstat, x->attendee, x->more != NULL ? x->more : "");
	ck_assert(n > 0 && (size_t)n < sizeof(raw));
	buf_init(&b, 8192);
	base64_encode(&b, raw, (size_t)n);
	buf_addc(&b, '\0');
	make(d, json_pack("{s:s,s:s}", "clientId", id, "raw", b.p), uuid);
	buf_fini(&b);
}

static json_t *
analyze(const struct dev *d, const char *mail)
{
	json_t *b = json_pack("{s:s,s:s}", "folder", d->folder, "uuid", mail), *data = good(d, "analyzeInvitation", b);

	json_decref(b);
	return data;
}

static json_t *
application(const struct dev *d, const char *mail, const char *action, const char *message)
{
	json_t *b = json_pack("{s:s,s:s,s:s}", "folder", d->folder, "uuid", mail, "action", action);

	if (message != NULL)
		(void)json_object_set_new(b, "message", json_string(message));
	return b;
}

/* *CHANGED, and the uuid of the one appointment, "" = none. */
static bool
do_it(const struct dev *d, const char *mail, const char *action, const char *message, char uuid[40])
{
	json_t *b = application(d, mail, action, message), *data = good(d, "applyInvitation", b);
	const json_t *x = json_array_get(json_object_get(data, "appointments"), 0);
	bool changed = json_is_true(json_object_get(data, "changed"));

	if (uuid != NULL)
		(void)snprintf(uuid, 40, "%s", str(x, "uuid"));
	json_decref(data);
	json_decref(b);
	return changed;
}

static bool
offers(const json_t *analysis, const char *action)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(analysis, "actions"), i, v)
		if (strcmp(json_string_value(v), action) == 0)
			return true;
	return false;
}

START_TEST(invitation_by_mail)
{
	msec_t day = DAY_0 + 55 * DAY;
	struct dev m, c;
	char mail[40], at[40], again[40], uid[60];
	struct ics x = { "REQUEST", uid, "Outside", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, day + 9 * HOUR, 0 };
	json_t *r;
	const json_t *ch;
	json_int_t before;

	(void)snprintf(uid, sizeof(uid), "mail-%d@example.org", chronos);
	device(&m, "anton", "itip-1", "inbox");
	device(&c, "anton", "itip-2", "appointment");
	mail_in(&m, "i1", &x, "text/calendar; method=REQUEST; charset=UTF-8; name=invite.ics", mail);
	r = analyze(&m, mail);
	ck_assert_str_eq(str(r, "method"), "request");
	ck_assert_str_eq(str(r, "uid"), uid);
	ck_assert(offers(r, "accept") && offers(r, "tentative") && offers(r, "decline") && offers(r, "create") && !offers(r, "remove"));
	ck_assert(!json_is_true(json_object_get(r, "collides")));
	ch = json_array_get(json_object_get(r, "changes"), 0);
	ck_assert_str_eq(str(ch, "type"), "create");
	ck_assert_str_eq(str(json_object_get(ch, "appointment"), "title"), "Outside");
	ck_assert_int_eq(num(json_object_get(ch, "appointment"), "start_date"), day + 9 * HOUR);
	ck_assert_ptr_null(json_object_get(ch, "uuid"));
	json_decref(r);
	ck_assert_uint_eq(pull(&c), 0); /* looking has changed nothing */
	before = counted("mail/reply");
	ck_assert(do_it(&m, mail, "tentative", "perhaps", at));
	(void)pull(&c);
	ck_assert_str_eq(str(find(&c, "title", "Outside", NULL), "uuid"), at);
	ck_assert_int_eq(num(own(&c, "Outside", ANTON), "confirmation"), 3);
	/* again, and one more time: the organizer hears once */
	ck_assert(!do_it(&m, mail, "tentative", "perhaps", again));
	ck_assert_str_eq(again, at);
	ck_assert_int_eq(counted("mail/reply") - before, 1);
	ck_assert_uint_eq(pull(&c), 0);
	/* it is there now: it says so, and to create it would take the answer back */
	r = analyze(&m, mail);
	ch = json_array_get(json_object_get(r, "changes"), 0);
	ck_assert_str_eq(str(ch, "uuid"), at);
	ck_assert_str_eq(str(ch, "folder"), c.folder);
	ck_assert_ptr_nonnull(json_object_get(ch, "stored"));
	json_decref(r);
	ck_assert(!do_it(&m, mail, "create", NULL, again));
	(void)pull(&c);
	ck_assert_int_eq(num(own(&c, "Outside", ANTON), "confirmation"), 3);
	/* another answer later, by the mail or by the appointment */
	ck_assert(do_it(&m, mail, "accept", "yes", NULL));
	(void)pull(&c);
	ck_assert_int_eq(num(own(&c, "Outside", ANTON), "confirmation"), 1);
	respond(&c, at, "decline", "");
	ck_assert_int_eq(counted("mail/reply") - before, 3);
}
END_TEST

/* A new version, then the cancellation; each once. */
START_TEST(update_and_cancellation)
{
	msec_t day = DAY_0 + 60 * DAY;
	struct dev m, c;
	char mail[3][40], at[40], uid[60];
	struct ics x = { "REQUEST", uid, "Versions", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, day + 9 * HOUR, 0 };
	json_t *r;

	(void)snprintf(uid, sizeof(uid), "update-%d@example.org", chronos);
	device(&m, "anton", "vers-1", "inbox");
	device(&c, "anton", "vers-2", "appointment");
	mail_in(&m, "v1", &x, "text/calendar; method=REQUEST", mail[0]);
	ck_assert(do_it(&m, mail[0], "create", NULL, at));
	(void)pull(&c);
	ck_assert_int_eq(num(find(&c, "title", "Versions", NULL), "start_date"), day + 9 * HOUR);
	x.start += 2 * HOUR;
	x.sequence = 2;
	mail_in(&m, "v2", &x, "application/ics", mail[1]); /* says its method inside only */
	r = analyze(&m, mail[1]);
	ck_assert(offers(r, "update") && !offers(r, "create"));
	json_decref(r);
	ck_assert(do_it(&m, mail[1], "update", NULL, NULL));
	ck_assert(!do_it(&m, mail[1], "update", NULL, NULL));
	(void)pull(&c);
	ck_assert_int_eq(num(find(&c, "title", "Versions", NULL), "start_date"), day + 11 * HOUR);
	x.method = "CANCEL";
	x.sequence = 3;
	mail_in(&m, "v3", &x, "text/calendar; charset=UTF-8; method=\"cancel\"", mail[2]);
	ck_assert(do_it(&m, mail[2], "remove", NULL, at));
	ck_assert_str_eq(at, "");
	(void)pull(&c);
	ck_assert_ptr_null(find(&c, "title", "Versions", NULL));
	r = analyze(&m, mail[2]);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "actions")), 0);
	json_decref(r);
	ck_assert(!do_it(&m, mail[2], "remove", NULL, NULL));
	r = application(&m, mail[2], "accept", NULL);
	ck_assert_str_eq(bad(&m, "applyInvitation", r, NULL), "bad-request");
	json_decref(r);
}
END_TEST

/* The organizer gets an answer, and a proposal. */
START_TEST(answer_and_proposal_by_mail)
{
	msec_t day = DAY_0 + 65 * DAY;
	struct dev m, c, maker;
	char mail[2][40], uuid[40], path[80], more[200], from[20], to[20], uid[100];
	struct ics x = { "REPLY", uid, "Ours", "anton@example.com", "ext@example.org", "ACCEPTED", "COMMENT:fine\r\n", day + 9 * HOUR, 0 };
	json_int_t before;
	json_t *r;

	device(&m, "anton", "org-1", "inbox");
	device(&c, "anton", "org-2", "appointment");
	device(&maker, "anton", "org-3", "appointment");
	make(&maker, with(event("p1", "Ours", day + 9 * HOUR), "participants", json_pack("[{s:i,s:s}]", "type", 5, "mail", "ext@example.org")), uuid);
	(void)pull(&c);
	(void)snprintf(uid, sizeof(uid), "%s", str(find(&c, "title", "Ours", NULL), "uid"));
	ck_assert_str_ne(uid, "");
	mail_in(&m, "p1", &x, "text/calendar; method=REPLY", mail[0]);
	r = analyze(&m, mail[0]);
	ck_assert(offers(r, "reply") && !offers(r, "accept"));
	json_decref(r);
	ck_assert(do_it(&m, mail[0], "reply", NULL, NULL));
	ck_assert(!do_it(&m, mail[0], "reply", NULL, NULL));
	(void)pull(&c);
	r = json_array_get(json_object_get(find(&c, "title", "Ours", NULL), "confirmations"), 0);
	ck_assert_int_eq(num(r, "status"), 1);
	ck_assert_str_eq(str(r, "message"), "fine");
	/* two hours later */
	stamp(day + 9 * HOUR, from);
	stamp(day + 10 * HOUR, to);
	(void)snprintf(more, sizeof(more), "X-MS-OLK-ORIGINALSTART:%s\r\nX-MS-OLK-ORIGINALEND:%s\r\n", from, to);
	x.method = "COUNTER";
	x.more = more;
	x.start += 2 * HOUR;
	x.sequence = (int)num(find(&c, "title", "Ours", NULL), "sequence");
	mail_in(&m, "p2", &x, "text/calendar; method=COUNTER", mail[1]);
	r = analyze(&m, mail[1]);
	ck_assert_str_eq(str(r, "method"), "counter");
	ck_assert(offers(r, "acceptProposal") == !old);
	if (old) { /* the legacy module alone cannot */
		json_decref(r);
		r = application(&m, mail[1], "acceptProposal", NULL);
		ck_assert_str_eq(bad(&m, "applyInvitation", r, path), "bad-request");
		ck_assert_str_eq(path, "action");
		json_decref(r);
		return;
	}
	json_decref(r);
	before = counted("mail/declinecounter");
	ck_assert(do_it(&m, mail[1], "declineProposal", "no", NULL));
	ck_assert_int_eq(counted("mail/declinecounter") - before, 1);
	ck_assert(do_it(&m, mail[1], "acceptProposal", NULL, NULL));
	ck_assert(!do_it(&m, mail[1], "acceptProposal", NULL, NULL));
	(void)pull(&c);
	ck_assert_int_eq(num(find(&c, "title", "Ours", NULL), "start_date"), day + 11 * HOUR);
}
END_TEST

START_TEST(accepted_in_spite_of_a_collision)
{
	msec_t day = DAY_0 + 70 * DAY;
	struct dev m, c;
	char mail[40], uuid[40], path[80], uid[60];
	struct ics x = { "REQUEST", uid, "Clash", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, day + 9 * HOUR, 0 };
	json_t *r;

	(void)snprintf(uid, sizeof(uid), "clash-%d@example.org", chronos);
	device(&m, "anton", "cl-1", "inbox");
	device(&c, "anton", "cl-2", "appointment");
	make(&c, event("k1", "Taken", day + 9 * HOUR), uuid);
	mail_in(&m, "k1", &x, "text/calendar; method=REQUEST", mail);
	r = analyze(&m, mail);
	ck_assert(json_is_true(json_object_get(r, "collides")) && offers(r, "accept"));
	ck_assert_str_eq(str(json_array_get(json_object_get(json_array_get(json_object_get(r, "changes"), 0), "conflicts"), 0), "title"), "Taken");
	json_decref(r);
	r = application(&m, mail, "accept", NULL);
	ck_assert_str_eq(bad(&m, "applyInvitation", r, path), "bad-request");
	ck_assert_str_eq(path, "ignoreConflicts");
	(void)pull(&c);
	ck_assert_ptr_null(find(&c, "title", "Clash", NULL));
	json_decref(good(&m, "applyInvitation", with(r, "ignoreConflicts", json_true())));
	json_decref(r);
	(void)pull(&c);
	ck_assert_ptr_nonnull(find(&c, "title", "Clash", NULL));
}
END_TEST

/* OX's answer is lost: the repeat finds what was done. */
START_TEST(lost_answer_of_an_application)
{
	msec_t day = DAY_0 + 75 * DAY;
	struct dev m, c;
	char mail[40], uid[60];
	struct ics x = { "REQUEST", uid, "Lost", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, day + 9 * HOUR, 0 };
	json_int_t before = counted("mail/reply");
	json_t *r;
	size_t n;

	(void)snprintf(uid, sizeof(uid), "lost-%d@example.org", chronos);
	device(&m, "anton", "lost-1", "inbox");
	device(&c, "anton", "lost-2", "appointment");
	mail_in(&m, "l1", &x, "text/calendar; method=REQUEST", mail);
	faults("{\"match\":{\"action\":\"accept\",\"user\":\"anton\"},\"effect\":{\"drop_after\":true}}");
	r = application(&m, mail, "accept", "yes");
	ck_assert_str_eq(bad(&m, "applyInvitation", r, NULL), "upstream-timeout");
	json_decref(r);
	ck_assert(!do_it(&m, mail, "accept", "yes", NULL));
	ck_assert_int_eq(counted("mail/reply") - before, 1);
	(void)pull(&c);
	(void)find(&c, "title", "Lost", &n);
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(mails_that_are_none)
{
	msec_t day = DAY_0 + 80 * DAY;
	struct dev m, c;
	char mail[40], path[80];
	struct ics x = { "REQUEST", "none@example.org", "None", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, day, 0 };
	json_t *b;

	device(&m, "anton", "none-1", "inbox");
	mail_in(&m, "n1", &x, "text/plain", mail); /* the same text, but nobody says that it is one */
	b = json_pack("{s:s,s:s}", "folder", m.folder, "uuid", mail);
	ck_assert_str_eq(bad(&m, "analyzeInvitation", b, path), "not-found");
	ck_assert_str_eq(path, "uuid");
	(void)json_object_set_new(b, "uuid", json_string("aa000000-0000-0000-0000-000000000001"));
	ck_assert_str_eq(bad(&m, "analyzeInvitation", b, path), "not-found");
	(void)json_object_set_new(b, "action", json_string("accept"));
	ck_assert_str_eq(bad(&m, "applyInvitation", b, path), "not-found");
	json_decref(b);
	/* another user's mail is nobody's */
	device(&c, "berta", "none-2", "inbox");
	b = json_pack("{s:s,s:s}", "folder", c.folder, "uuid", mail);
	ck_assert_str_eq(bad(&c, "analyzeInvitation", b, path), "not-found");
	json_decref(b);
	/* an appointment is no mail */
	device(&c, "anton", "none-3", "appointment");
	make(&c, event("n1", "Plain", day), mail);
	b = json_pack("{s:s,s:s}", "folder", c.folder, "uuid", mail);
	ck_assert_str_eq(bad(&c, "analyzeInvitation", b, path), "bad-request");
	ck_assert_str_eq(path, "folder");
	json_decref(b);
}
END_TEST

/* ---- who waits is woken ---- */

struct waiter {
	const struct dev *d;
	struct buf out;
	long status;
};

/* Without the checks of good(): the schemas belong to the thread that tests. */
static void *
wait_for_change(void *arg)
{
	struct waiter *x = arg;
	json_t *b = json_pack("{s:[{s:s,s:s}],s:i}", "folders", "folder", x->d->folder, "syncid", x->d->syncid, "heartbeat", 50);
	char *text = json_dumps(b, JSON_COMPACT);

	http("http://localhost/usm-json/ping", x->d->token, text, &x->out, &x->status);
	free(text);
	json_decref(b);
	return NULL;
}

START_TEST(waiters_are_woken)
{
	msec_t day = DAY_0 + 85 * DAY;
	struct dev m, c;
	char mail[40], uid[60];
	struct ics x = { "REQUEST", uid, "Wake", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, day + 9 * HOUR, 0 };
	const char *asked = chronos ? "chronos/updates" : "calendar/updates";
	struct waiter x_wait = { .d = &c };
	json_int_t before;
	pthread_t waiter;
	json_t *r;

	(void)snprintf(uid, sizeof(uid), "wake-%d@example.org", chronos);
	device(&m, "anton", "wake-1", "inbox");
	device(&c, "anton", "wake-2", "appointment");
	mail_in(&m, "w1", &x, "text/calendar; method=REQUEST", mail);
	before = counted(asked);
	buf_init(&x_wait.out, 1 << 16);
	ck_assert_int_eq(pthread_create(&waiter, NULL, wait_for_change, &x_wait), 0);
	for (int i = 0; i < 500 && counted(asked) == before; i++) /* who begins to wait asks OX once, and listens already */
		sleep_ms(10);
	ck_assert_int_gt(counted(asked), before);
	ck_assert(do_it(&m, mail, "accept", NULL, NULL)); /* OX is not asked by anybody else: ping_poll_interval is 0 */
	ck_assert_int_eq(pthread_join(waiter, NULL), 0);
	r = json_loadb(x_wait.out.p, x_wait.out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(r, "data"), "changed")), 1);
	json_decref(r);
	buf_fini(&x_wait.out);
}
END_TEST

/* ---- usmsync ---- */

static char said[1 << 16]; /* what it printed */

/* usmsync of USER with its directory W.DIR/USER and the N ARGS; its exit status. */
static int
usmsync(const char *user_name, const char *const *args, size_t n)
{
	char prog[160], dir[200], log[200];
	char *argv[24] = { prog, "--server", w.server, "--user", (char *)(size_t)user_name, "--dir", dir, "--quiet" };
	size_t k = 8, got;
	FILE *f;
	int status;

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/%s", w.dir, user_name);
	(void)snprintf(log, sizeof(log), "%s/usmsync.log", w.dir);
	for (size_t i = 0; i < n; i++)
		argv[k++] = (char *)(size_t)args[i];
	argv[k] = NULL;
	(void)remove(log);
	status = run_wait(argv, log);
	f = fopen(log, "r");
	ck_assert_ptr_nonnull(f);
	got = fread(said, 1, sizeof(said) - 1, f);
	said[got] = '\0';
	(void)fclose(f);
	return status;
}

#define USMSYNC(user_name, ...) usmsync(user_name, (const char *const[]){ __VA_ARGS__ }, ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))
#define RUNS(status, ...) do { int got_ = USMSYNC(__VA_ARGS__); ck_assert_msg(got_ == (status), "%d: %s", got_, said); } while (0)
#define SAYS(text) ck_assert_msg(strstr(said, text) != NULL, "not \"%s\" in: %s", text, said)

START_TEST(usmsync_freebusy)
{
	msec_t day = DAY_0 + 90 * DAY; /* 2028-03-31 */

	ox_event("anton", "31", with(timed("Meeting with", day + 9 * HOUR, day + 10 * HOUR, 1), "location", json_string("Room 5")));
	ox_event("anton", "31", timed("Over night", day + 22 * HOUR, day + 30 * HOUR, 4));
	RUNS(0, "anton", "--from", "2028-03-31", "freebusy", "anton", "dora@example.com", "group:Team", "resource:#9");
	SAYS("Anton Anders <anton@example.com>\n  Fri 2028-03-31 09:00 - 10:00 ");
	SAYS("busy       Meeting with (Room 5)\n");
	SAYS("  Fri 2028-03-31 22:00 - Sat 2028-04-01 00:00  free       Over night\n");
	SAYS("Dora Dietz <dora@example.com>\n  free\n");
	SAYS(":\n  Anton Anders <anton@example.com>\n    Fri 2028-03-31 09:00");
	RUNS(1, "anton", "--from", "2028-03-31T09:30", "--to", "2028-03-31T09:45", "--json", "freebusy", "#3", "#4711");
	SAYS("\"code\": \"unknown\"");
	SAYS("\"shown\": \"busy\"");
	RUNS(1, "anton", "--from", "tomorrow", "freebusy", "anton");
	SAYS("--from and --to take a time");
	RUNS(1, "anton", "freebusy");
}
END_TEST

/* The one file of USER's directory whose name the pattern says. */
static const char *
file_of(const char *user_name, const char *pattern)
{
	static char out[600];
	char cmd[600], log[200];
	char *argv[] = { "sh", "-c", cmd, NULL };
	FILE *f;

	(void)snprintf(log, sizeof(log), "%s/file", w.dir);
	(void)snprintf(cmd, sizeof(cmd), "find '%s/%s' -name '%s'", w.dir, user_name, pattern);
	(void)remove(log);
	ck_assert_int_eq(run_wait(argv, log), 0);
	f = fopen(log, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_msg(fgets(out, sizeof(out), f) != NULL, "no file %s", pattern);
	(void)fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return out;
}

START_TEST(usmsync_respond)
{
	msec_t day = DAY_0 + 95 * DAY; /* 2028-04-05 */
	struct dev a, see, m;
	char series[40], one_day[40], task[40], mail[40];
	struct ics x = { "REQUEST", "usmsync@example.org", "By mail", "orga@example.org", "berta@example.com", "NEEDS-ACTION", NULL, day + 15 * HOUR, 0 };
	const json_t *found;
	json_t *r;

	device(&a, "anton", "cli-1", "appointment");
	make(&a, with(event("s1", "Once only", day + 9 * HOUR), "participants", one(user(BERTA))), one_day);
	make(&a, with(daily(event("s2", "Serial", day + 11 * HOUR), 3),
	    "participants", one(user(BERTA))), series);
	device(&m, "berta", "cli-2", "inbox");
	mail_in(&m, "s3", &x, "text/calendar; method=REQUEST", mail);
	device(&m, "anton", "cli-3", "task");
	make(&m, json_pack("{s:s,s:s,s:[o]}", "clientId", "s4", "title", "A task", "participants", user(BERTA)), task);
	ck_assert_int_eq(usmsync("berta", NULL, 0), 0);
	RUNS(0, "berta", "--message", "perhaps", "respond", file_of("berta", "*nly*.ics"), "tentative");
	RUNS(0, "berta", "--occurrence", "2028-04-06", "--json", "respond", file_of("berta", "*erial*.ics"), "decline");
	SAYS("\"uuid\"");
	RUNS(0, "berta", "--message", "fine", "respond", file_of("berta", "*task*.ics"), "accept");
	RUNS(0, "berta", "--message", "gladly", "respond", file_of("berta", "*mail*.eml"), "accept");
	ck_assert_int_eq(usmsync("berta", NULL, 0), 0);
	(void)file_of("berta", "*mail*.ics"); /* it is an appointment now */
	device(&see, "anton", "cli-4", "appointment");
	ck_assert_int_eq(num(own(&see, "Once only", BERTA), "confirmation"), 3);
	ck_assert_str_eq(str(own(&see, "Once only", BERTA), "confirmmessage"), "perhaps");
	found = NULL;
	for (void *it = json_object_iter(see.have); it != NULL; it = json_object_iter_next(see.have, it))
		if (strcmp(str(json_object_iter_value(it), "title"), "Serial") == 0 && num(json_object_iter_value(it), "recurrence_date_position") == day + DAY)
			found = json_object_iter_value(it);
	ck_assert_ptr_nonnull(found);
	/* what is wrong is named and changes nothing */
	RUNS(1, "berta", "respond", "/etc/passwd", "accept");
	SAYS("is no file in");
	RUNS(1, "berta", "respond", file_of("berta", "*nly*.ics"), "perhaps");
	RUNS(1, "berta", "--propose", "2028-04-05T13:00", "respond", file_of("berta", "*nly*.ics"), "accept");
	SAYS("--propose goes with");
	/* another time: the organizer gets a mail that he can take over */
	RUNS(0, "berta", "--message", "later, please; \xc3\xbc", "--propose", "2028-04-05T13:00", "respond", file_of("berta", "*nly*.ics"), "tentative");
	if (!old) { /* only chronos/itip knows proposals; the mail is the same */
		device(&m, "anton", "cli-5", "inbox");
		found = find(&m, "subject", "New time proposed: Once only", NULL);
		ck_assert_ptr_nonnull(found);
		r = analyze(&m, str(found, "uuid"));
		ck_assert_str_eq(str(r, "method"), "counter");
		ck_assert(offers(r, "acceptProposal"));
		json_decref(r);
		ck_assert(do_it(&m, str(found, "uuid"), "acceptProposal", NULL, NULL));
		(void)pull(&see);
		ck_assert_int_eq(num(find(&see, "title", "Once only", NULL), "start_date"), day + 13 * HOUR);
		ck_assert_int_eq(num(find(&see, "title", "Once only", NULL), "end_date"), day + 14 * HOUR);
	}
}
END_TEST

/* ---- a server that does not have it, or is away ---- */

START_TEST(absent_or_away)
{
	struct dev m;
	char mail[40];
	struct ics x = { "REQUEST", "absent@example.org", "Absent", "orga@example.org", "anton@example.com", "NEEDS-ACTION", NULL, DAY_0, 0 };
	json_t *busy = json_pack("{s:[{s:i}],s:i,s:i}", "who", "user", ANTON, "from", 1, "to", 2), *b;

	device(&m, "anton", "abs-1", "inbox");
	mail_in(&m, "b1", &x, "text/calendar; method=REQUEST", mail);
	b = json_pack("{s:s,s:s}", "folder", m.folder, "uuid", mail);
	world_control(&w, "modules", "{\"without\":[\"calendar\",\"chronos\"]}", NULL, 0);
	ck_assert_str_eq(bad(&m, "getFreeBusy", busy, NULL), "not-available");
	ck_assert_str_eq(bad(&m, "analyzeInvitation", b, NULL), "not-available");
	ck_assert_uint_eq(pull(&m), 0); /* all else works */
	world_control(&w, "modules", chronos ? "{\"without\":[\"calendar\"]}" : "{\"without\":[]}", NULL, 0);
	faults("{\"match\":{\"user\":\"anton\"},\"effect\":{\"http_status\":502},\"times\":4}");
	ck_assert_str_eq(bad(&m, "getFreeBusy", busy, NULL), "upstream");
	no_faults();
	json_decref(good(&m, "getFreeBusy", busy));
	json_decref(good(&m, "analyzeInvitation", b));
	json_decref(busy);
	json_decref(b);
}
END_TEST

static TCase *
cases(const char *name, SFun up)
{
	TCase *t = tcase_create(name);

	tcase_add_unchecked_fixture(t, up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, times_are_put_together);
	tcase_add_test(t, everybody_who_can_be_asked_for);
	tcase_add_test(t, titles_only_where_ox_shows_them);
	tcase_add_test(t, days_without_a_time);
	tcase_add_test(t, own_appointment_excluded);
	tcase_add_test(t, too_many_people);
	tcase_add_test(t, a_resource_is_had_once);
	tcase_add_test(t, invited_once);
	tcase_add_test(t, changes_told_or_not);
	tcase_add_loop_test(t, each_answer, 0, ARRAY_LEN(answered_types));
	tcase_add_test(t, invitation_by_mail);
	tcase_add_test(t, update_and_cancellation);
	tcase_add_test(t, answer_and_proposal_by_mail);
	tcase_add_test(t, accepted_in_spite_of_a_collision);
	tcase_add_test(t, lost_answer_of_an_application);
	tcase_add_test(t, mails_that_are_none);
	tcase_add_test(t, waiters_are_woken);
	tcase_add_test(t, usmsync_freebusy);
	tcase_add_test(t, usmsync_respond);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("scheduling");
	TCase *t;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	(void)setenv("TZ", "UTC", 1);
	t = cases("calendar", world_up);
	tcase_add_test(t, absent_or_away);
	suite_add_tcase(s, t);
	t = cases("chronos", world_up_chronos);
	tcase_add_test(t, absent_or_away);
	suite_add_tcase(s, t);
	suite_add_tcase(s, cases("old", world_up_old));
	return harness_main(s);
}
