/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One appointment, two modules of OX: whatever is read by `calendar` and by `chronos` must be the same object with the same fingerprints, so
 * that a server that changes its modules changes nothing for a client.  And what is written by either is read by both.
 *
 * Random = the seed that is printed; SEED repeats one.
 */
#include "sim_fixture.h"

#define ROUNDS 150
#define DAY INT64_C(86400000)

static struct backend *backends[2]; /* legacy, chronos */
static struct ox_session *ses[2];
static struct arena *mem;
static struct model_keys *keys;
static struct err e;
static uint64_t seed;

#define OK(call) do { enum rc rc_ = (call); ck_assert_msg(rc_ == RC_OK, "SEED=%llu %s: %s %s %s", (unsigned long long)seed, #call, rc_name(rc_), e.code, e.text); } while (0)
#define LEGACY 0
#define CHRONOS 1

/* ---- the server ---- */

static void
setup(void)
{
	static const unsigned char master[KEY_BYTES] = { 1, 2, 3 };
	struct backend_options o;
	char url[80];

	sim_start();
	o = sim_options(url, 50);
	for (int i = 0; i < 2; i++) {
		o.calendar = i == LEGACY ? OX_CALENDAR_LEGACY : OX_CALENDAR_CHRONOS;
		OK(backend_new(&o, &backends[i], &e));
		OK(ox_login(backends[i], "anton", "secret", "Unit test/1", &ses[i], &e));
	}
	mem = arena_new(0);
	keys = model_keys_new(master);
}

static void
teardown(void)
{
	model_keys_free(keys);
	arena_free(mem);
	for (int i = 0; i < 2; i++) {
		ox_session_unref(ses[i]);
		backend_free(backends[i]);
	}
	sim_stop();
}

/* ---- chance ---- */

static uint64_t state;

static unsigned
below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % n;
}

#define ONE_OF(list) (list)[below((unsigned)ARRAY_LEN(list))]

static void
seed_set(void)
{
	seed = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : (uint64_t)now_ms();
	printf("SEED=%llu\n", (unsigned long long)seed);
	state = seed * 2654435761U + 88172645463325252U;
}

static unsigned
fno(const char *name)
{
	int i = model_field(model_content(CT_CALENDAR), name);

	ck_assert_msg(i >= 0, "no field %s", name);
	return (unsigned)i;
}

static void
put(struct object *o, const char *name, json_t *v)
{
	object_set(o, fno(name), v);
}

static void
random_people(struct object *o)
{
	static const char *const sets[] = {
		"[{\"id\":4,\"type\":1}]", "[{\"id\":4,\"type\":1},{\"id\":8,\"type\":2},{\"type\":5,\"mail\":\"ext@example.org\",\"display_name\":\"Ext\"}]",
		"[{\"id\":8,\"type\":2}]", "[{\"type\":5,\"mail\":\"x@example.org\"}]", "[{\"id\":5,\"type\":1},{\"id\":7,\"type\":1}]",
	};

	if (below(3) == 0)
		put(o, "participants", json_loads(ONE_OF(sets), JSON_REJECT_DUPLICATES, NULL));
}

static void
random_series(struct object *o, int64_t start)
{
	int type = 1 + (int)below(4);

	put(o, "recurrence_type", json_integer(type));
	put(o, "interval", json_integer(1 + below(3)));
	if (type == 2)
		put(o, "days", json_integer(1 + below(127)));
	if (type >= 3 && below(2) == 0) {
		put(o, "days", json_integer(INT64_C(1) << below(7)));
		put(o, "day_in_month", json_integer(1 + below(5)));
	} else if (type >= 3) {
		put(o, "day_in_month", json_integer(1 + below(28)));
	}
	if (type == 4)
		put(o, "month", json_integer(below(12)));
	switch (below(3)) {
	case 0:
		put(o, "occurrences", json_integer(2 + below(20)));
		break;
	case 1:
		put(o, "until", json_integer((start / DAY + 2500 + below(700)) * DAY)); /* before 2037: the stand-in's zones end there */
		break;
	default:
		break;
	}
}

static struct object *
random_appointment(bool series)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland", "America/St_Johns" };
	static const char *const texts[] = { "plain", "\xc3\x9c" "ber \xf0\x9f\x98\x80", "two\nlines", " blanks " };
	static const char *const categories[] = { "a", "a,b", "x,y z,\xc3\xa4" };
	static const int alarms[] = { 0, 5, 15, 60, 1440, 10080, 20160, 61 };
	struct object *o = object_new(mem, CT_CALENDAR);
	bool full = below(4) == 0;
	/* in 2027, not in April, October or November: an hour that a clock has twice has one name in chronos, and two in the legacy module */
	unsigned day = below(2) == 0 ? below(85) : 120 + below(150);
	int64_t start = INT64_C(1798761600000) + (int64_t)day * DAY + (full ? 0 : (int64_t)below(96) * 900000);

	put(o, "title", json_string(ONE_OF(texts)));
	put(o, "start_date", json_integer(start));
	put(o, "end_date", json_integer(start + (full ? (int64_t)(1 + below(3)) * DAY : (int64_t)(1 + below(10)) * 900000)));
	put(o, "full_time", json_boolean(full));
	if (!full && below(3) != 0)
		put(o, "timezone", json_string(ONE_OF(zones)));
	if (below(2) == 0)
		put(o, "location", json_string(ONE_OF(texts)));
	if (below(2) == 0)
		put(o, "note", json_string(ONE_OF(texts)));
	if (below(2) == 0)
		put(o, "categories", json_string(ONE_OF(categories)));
	put(o, "shown_as", json_integer(4)); /* free: nothing collides */
	put(o, "color_label", json_integer(below(11)));
	put(o, "private_flag", json_boolean(below(5) == 0));
	if (below(2) == 0)
		put(o, "alarm", json_integer(ONE_OF(alarms)));
	random_people(o);
	if (series)
		random_series(o, start);
	return o;
}

/* ---- comparison ---- */

static void
same(const struct object *a, const struct object *b, const char *when)
{
	const struct content_type *t = model_content(CT_CALENDAR);

	ck_assert_int_eq(a->lm, b->lm);
	ck_assert_str_eq(a->folder, b->folder);
	for (unsigned i = 0; i < t->n_fields; i++) {
		char *x, *y;

		if ((t->fields[i].flags & (FF_NOINDEX | FF_NOCOLUMN)) != 0 || field_fp(keys, &t->fields[i], a->v[i]) == field_fp(keys, &t->fields[i], b->v[i]))
			continue;
		x = a->v[i] != NULL ? json_dumps(a->v[i], JSON_ENCODE_ANY) : NULL;
		y = b->v[i] != NULL ? json_dumps(b->v[i], JSON_ENCODE_ANY) : NULL;
		ck_abort_msg("SEED=%llu %s: appointment %lld, %s: calendar says %s, chronos %s", (unsigned long long)seed, when, (long long)a->id, t->fields[i].name,
		    x != NULL ? x : "nothing", y != NULL ? y : "nothing");
	}
}

static int
by_id(const void *a, const void *b)
{
	const struct object *x = *(struct object *const *)a, *y = *(struct object *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

static int
row_by_id(const void *a, const void *b)
{
	const struct sighting *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* The folder by both modules: changes since the beginning of time, and the listing. */
static size_t
compare(const char *when)
{
	struct object **o[2];
	struct sighting *rows[2];
	int64_t *deleted[2];
	size_t n[2], gone[2], listed[2];
	msec_t ts[2];

	for (int i = 0; i < 2; i++) {
		OK(ox_updates(ses[i], mem, CT_CALENDAR, "31", 1, &o[i], &n[i], &deleted[i], &gone[i], &ts[i], NULL, &e));
		OK(ox_listing(ses[i], mem, keys, CT_CALENDAR, "31", &rows[i], &listed[i], &e));
		qsort(o[i], n[i], sizeof(*o[i]), by_id);
		qsort(rows[i], listed[i], sizeof(*rows[i]), row_by_id);
		ck_assert_uint_eq(n[i], listed[i]);
	}
	ck_assert_uint_eq(n[0], n[1]);
	ck_assert_uint_eq(gone[0], gone[1]);
	ck_assert_int_eq(ts[0], ts[1]);
	for (size_t i = 0; i < n[0]; i++) {
		ck_assert_int_eq(o[0][i]->id, o[1][i]->id);
		same(o[0][i], o[1][i], when);
		ck_assert_msg(rows[0][i].id == rows[1][i].id && rows[0][i].lm == rows[1][i].lm && rows[0][i].sk == rows[1][i].sk && rows[0][i].t0 == rows[1][i].t0 &&
		    rows[0][i].t1 == rows[1][i].t1, "SEED=%llu %s: rows of %lld differ: %lld %lld %lld, %lld %lld %lld", (unsigned long long)seed, when,
		    (long long)rows[0][i].id, (long long)rows[0][i].sk, (long long)rows[0][i].t0, (long long)rows[0][i].t1, (long long)rows[1][i].sk, (long long)rows[1][i].t0,
		    (long long)rows[1][i].t1);
	}
	for (int i = 0; i < 2; i++)
		object_drop_all(o[i], n[i]);
	return n[0];
}

/* ---- tests ---- */

static void
make_exceptions(int by, int64_t id)
{
	struct object **o, *x;
	int64_t made;
	msec_t lm;
	size_t n;
	struct fmask m = { { 0 } };

	OK(ox_list(ses[by], mem, CT_CALENDAR, "31", &id, NULL, 1, &o, &n, &e));
	ck_assert_uint_eq(n, 1);
	x = object_new(mem, CT_CALENDAR);
	put(x, "recurrence_id", json_sprintf("%lld", (long long)id));
	put(x, "recurrence_position", json_integer(2));
	put(x, "title", json_string("an exception"));
	put(x, "interval", json_integer(7)); /* a pattern is the series' alone */
	put(x, "start_date", json_integer(object_get_i64(o[0], fno("start_date"), 0) + DAY));
	put(x, "end_date", json_integer(object_get_i64(o[0], fno("end_date"), 0) + DAY));
	OK(ox_create(ses[by], "31", x, NULL, &made, &lm, &e));
	object_drop(x);
	/* the first day of a series always has an occurrence */
	x = object_new(mem, CT_CALENDAR);
	put(x, "delete_exceptions", json_pack("[I]", (json_int_t)(object_get_i64(o[0], fno("start_date"), 0) / DAY * DAY)));
	fmask_set(&m, fno("delete_exceptions"));
	OK(ox_update(ses[by], "31", id, NULL, x, &m, lm, &lm, &e));
	object_drop(x);
	object_drop_all(o, n);
}

/* What either module makes, both show alike. */
START_TEST(made_by_either)
{
	int64_t id;
	msec_t lm;

	seed_set();
	for (int i = 0; i < ROUNDS; i++) {
		bool series = below(2) == 0;
		struct object *o = random_appointment(series);
		int by = (int)below(2);
		enum rc rc = ox_create(ses[by], "31", o, NULL, &id, &lm, &e);

		ck_assert_msg(rc == RC_OK, "SEED=%llu round %d by %d: %s %s", (unsigned long long)seed, i, by, e.code, e.text);
		object_drop(o);
		if (series && below(2) == 0)
			make_exceptions((int)below(2), id);
		if (below(10) == 0)
			OK(ox_delete(ses[by], CT_CALENDAR, "31", id, NULL, 0, false, &e));
	}
	printf("%zu appointments are the same by both modules\n", compare("made"));
}
END_TEST

/* One field changed by one module is that field changed for the other; everything else stays. */
START_TEST(changed_by_either)
{
	static const char *const names[] = { "title", "location", "note", "categories", "color_label", "private_flag", "shown_as", "alarm", "start_date", "participants",
		"timezone", "occurrences", "full_time" };
	int64_t ids[40];
	msec_t lm;
	size_t n;

	seed_set();
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct object *o = random_appointment(below(2) == 0);

		OK(ox_create(ses[below(2)], "31", o, NULL, &ids[i], &lm, &e));
		object_drop(o);
	}
	for (int i = 0; i < ROUNDS; i++) {
		int64_t id = ids[below(ARRAY_LEN(ids))];
		int by = (int)below(2);
		const char *name = ONE_OF(names);
		struct object *other = random_appointment(true), **o;
		struct fmask m = { { 0 } };

		OK(ox_list(ses[by], mem, CT_CALENDAR, "31", &id, NULL, 1, &o, &n, &e));
		if (strcmp(name, "start_date") == 0 || strcmp(name, "full_time") == 0) {
			put(o[0], "start_date", json_incref(other->v[fno("start_date")]));
			put(o[0], "end_date", json_incref(other->v[fno("end_date")]));
			put(o[0], "full_time", json_incref(other->v[fno("full_time")]));
			fmask_set(&m, fno("end_date"));
			fmask_set(&m, fno("start_date"));
			fmask_set(&m, fno("full_time"));
		} else if (strcmp(name, "occurrences") == 0 && object_get_i64(o[0], fno("recurrence_type"), 0) != 0) {
			put(o[0], "until", NULL);
			put(o[0], "occurrences", json_integer(3 + below(9)));
			fmask_set(&m, fno("until"));
			fmask_set(&m, fno("occurrences"));
		} else if (strcmp(name, "timezone") != 0 && strcmp(name, "occurrences") != 0) {
			put(o[0], name, json_incref(other->v[fno(name)]));
			fmask_set(&m, fno(name));
		}
		if (!fmask_empty(&m)) {
			enum rc rc = ox_update(ses[by], "31", id, NULL, o[0], &m, o[0]->lm, &lm, &e);

			ck_assert_msg(rc == RC_OK, "SEED=%llu round %d by %d %s: %s %s", (unsigned long long)seed, i, by, name, e.code, e.text);
		}
		object_drop(other);
		object_drop_all(o, n);
		if (i % 10 == 0)
			(void)compare(name);
	}
	(void)compare("changed");
}
END_TEST

/* What only events can say is shown by both as OX's legacy module has it, and survives a change that does not touch it. */
START_TEST(events_say_more)
{
	static const char *const events[] = {
		"{\"summary\":\"r1\",\"startDate\":{\"value\":\"20270120T100000\",\"tzid\":\"Europe/Berlin\"},\"endDate\":{\"value\":\"20270120T170000\",\"tzid\":\"America/New_York\"}}",
		"{\"summary\":\"r2\",\"startDate\":{\"value\":\"20270118T003000\",\"tzid\":\"Europe/Berlin\"},\"endDate\":{\"value\":\"20270118T010000\",\"tzid\":\"Europe/Berlin\"},"
		"\"rrule\":\"FREQ=DAILY;UNTIL=20270501T200000Z\"}",
		"{\"summary\":\"r3\",\"startDate\":{\"value\":\"20270118T090000\",\"tzid\":\"Europe/Berlin\"},\"endDate\":{\"value\":\"20270118T100000\",\"tzid\":\"Europe/Berlin\"},"
		"\"rrule\":\"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU\",\"color\":\"#12ab34\",\"class\":\"PRIVATE\","
		"\"alarms\":[{\"action\":\"AUDIO\",\"trigger\":{\"duration\":\"-PT1H\"}},{\"action\":\"DISPLAY\",\"description\":\"d\",\"trigger\":{\"duration\":\"-P1DT1H\"}}]}",
		"{\"summary\":\"r4\",\"startDate\":{\"value\":\"20270118\"},\"endDate\":{\"value\":\"20270119\"},\"rrule\":\"FREQ=YEARLY;BYMONTH=1;BYDAY=MO;BYSETPOS=-1\"}",
		"{\"summary\":\"r5\",\"startDate\":{\"value\":\"20270118T090000Z\"},\"endDate\":{\"value\":\"20270118T100000Z\"},\"rrule\":\"FREQ=WEEKLY;BYDAY=MO;UNTIL=20270301T000000Z\"}",
	};
	struct object **o;
	int64_t *gone, ids[8];
	size_t n, n_gone;
	msec_t ts, lm;
	json_t *title = json_string("changed");
	struct fmask m = { { 0 } };
	char text[1200];

	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		(void)snprintf(text, sizeof(text), "{\"user\":\"anton\",\"module\":\"chronos\",\"action\":\"new\",\"params\":{\"folder\":\"cal://0/31\"},\"data\":%s}", events[i]);
		control("as", text);
	}
	ck_assert_uint_eq(compare("as events"), ARRAY_LEN(events));
	OK(ox_updates(ses[CHRONOS], mem, CT_CALENDAR, "31", 1, &o, &n, &gone, &n_gone, &ts, NULL, &e));
	fmask_set(&m, fno("title"));
	for (size_t i = 0; i < n; i++) {
		bool rule = o[i]->v[fno("rrule")] != NULL;

		ids[i] = o[i]->id;
		ck_assert_msg(rule == (strcmp(object_get_str(o[i], fno("title")), "r3") == 0), "%s is%s marked", object_get_str(o[i], fno("title")), rule ? "" : " not");
		put(o[i], "title", json_incref(title));
		OK(ox_update(ses[CHRONOS], "31", o[i]->id, NULL, o[i], &m, o[i]->lm, &lm, &e));
	}
	object_drop_all(o, n);
	OK(ox_list(ses[CHRONOS], mem, CT_CALENDAR, "31", ids, NULL, ARRAY_LEN(events), &o, &n, &e));
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(object_get_str(o[i], fno("title")), "changed");
	ck_assert_str_eq(object_get_str(o[2], fno("rrule")), "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU");
	ck_assert_int_eq(object_get_i64(o[2], fno("alarm"), 0), 1500);
	object_drop_all(o, n);
	json_decref(title);
	ck_assert_uint_eq(compare("changed events"), ARRAY_LEN(events));
}
END_TEST

/* What another client changes. */
static void
change_as_anton(const char *module, const char *folder, const struct object *o, json_t *data)
{
	json_t *req = json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:o,s:o},s:o}", "user", "anton", "module", module, "action", "update", "params", "folder", folder,
	    "timezone", "UTC", "id", json_sprintf("%lld", (long long)o->id), "timestamp", json_sprintf("%lld", (long long)o->lm), "data", data);
	char *text = json_dumps(req, 0);

	control("as", text);
	free(text);
	json_decref(req);
}

static struct object *
read_one(int by, int64_t id)
{
	struct object **o;
	size_t n;

	OK(ox_list(ses[by], mem, CT_CALENDAR, "31", &id, NULL, 1, &o, &n, &e));
	ck_assert_uint_eq(n, 1);
	return o[0];
}

#define MONDAY INT64_C(1799625600000) /* 2027-01-11 */
#define HOUR INT64_C(3600000)

enum mover { USMD_LEGACY, USMD_CHRONOS, OTHER_LEGACY, OTHER_CHRONOS, N_MOVERS };

static json_t *
at_hour(int hour)
{
	return json_pack("{s:o,s:s}", "value", json_sprintf("20270111T%02d0000", hour), "tzid", "UTC");
}

/* The series begins at HOUR and takes one. */
static void
move_series(enum mover by, int64_t id, int hour)
{
	struct object *o = read_one(LEGACY, id);
	int64_t start = MONDAY + hour * HOUR;
	struct fmask m = { { 0 } };
	msec_t lm;

	if (by == OTHER_LEGACY) {
		change_as_anton("calendar", "31", o, json_pack("{s:I,s:I}", "start_date", (json_int_t)start, "end_date", (json_int_t)(start + HOUR)));
	} else if (by == OTHER_CHRONOS) {
		change_as_anton("chronos", "cal://0/31", o, json_pack("{s:o,s:o}", "startDate", at_hour(hour), "endDate", at_hour(hour + 1)));
	} else {
		put(o, "start_date", json_integer(start));
		put(o, "end_date", json_integer(start + HOUR));
		fmask_set(&m, fno("start_date"));
		fmask_set(&m, fno("end_date"));
		OK(ox_update(ses[by == USMD_LEGACY ? LEGACY : CHRONOS], "31", id, NULL, o, &m, o->lm, &lm, &e));
	}
	object_drop(o);
}

/*
 * A start that moves to later in the day on a series' last day: usmd moves the end along, whatever module it has; another client's request leaves the
 * end where it is, and the last occurrence is cut off.  Both modules say so, also where the occurrence before is not the day before.
 */
START_TEST(moved_to_later)
{
	static const int hours[] = { 13, 6 };
	int interval = 1 + 2 * (_i % 2);
	enum mover by = (enum mover)(_i / 2);
	int64_t until = MONDAY + 30 * interval * DAY, want = by < OTHER_LEGACY ? until : until - DAY, id;
	struct object *o = object_new(mem, CT_CALENDAR);
	msec_t lm;

	put(o, "title", json_string("series"));
	put(o, "start_date", json_integer(MONDAY + 8 * HOUR));
	put(o, "end_date", json_integer(MONDAY + 9 * HOUR));
	put(o, "timezone", json_string("UTC"));
	put(o, "shown_as", json_integer(4));
	put(o, "recurrence_type", json_integer(1));
	put(o, "interval", json_integer(interval));
	put(o, "until", json_integer(until));
	OK(ox_create(ses[LEGACY], "31", o, NULL, &id, &lm, &e));
	object_drop(o);
	for (int k = 0; k < 2; k++) {
		move_series(by, id, hours[k]);
		ck_assert_uint_eq(compare(k == 0 ? "to later" : "to earlier"), 1);
		o = read_one(LEGACY, id);
		ck_assert_int_eq(object_get_i64(o, fno("start_date"), 0), MONDAY + hours[k] * HOUR);
		ck_assert_int_eq(object_get_i64(o, fno("until"), 0), by == OTHER_CHRONOS && k == 1 ? until : want); /* the same moment lets it in again */
		object_drop(o);
	}
}
END_TEST

/* An end late enough stays as it is written, and so does everything else of a rule. */
START_TEST(moved_with_its_rule)
{
	static const char event[] = "{\"user\":\"anton\",\"module\":\"chronos\",\"action\":\"new\",\"params\":{\"folder\":\"cal://0/31\"},\"data\":{"
	    "\"summary\":\"s\",\"startDate\":{\"value\":\"20270111T080000\",\"tzid\":\"UTC\"},\"endDate\":{\"value\":\"20270111T090000\",\"tzid\":\"UTC\"},"
	    "\"rrule\":\"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU;UNTIL=20270419T225959Z\"}}";
	enum mover by = _i == 0 ? USMD_CHRONOS : OTHER_CHRONOS;
	struct object **o, *now;
	int64_t *gone;
	size_t n, n_gone;
	msec_t ts;

	control("as", event);
	OK(ox_updates(ses[CHRONOS], mem, CT_CALENDAR, "31", 1, &o, &n, &gone, &n_gone, &ts, NULL, &e));
	ck_assert_uint_eq(n, 1);
	move_series(by, o[0]->id, 13);
	ck_assert_uint_eq(compare("with its rule"), 1);
	now = read_one(CHRONOS, o[0]->id);
	ck_assert_int_eq(object_get_i64(now, fno("start_date"), 0), MONDAY + 13 * HOUR);
	ck_assert_int_eq(object_get_i64(now, fno("until"), 0), MONDAY + 98 * DAY);
	ck_assert_str_eq(object_get_str(now, fno("rrule")), object_get_str(o[0], fno("rrule")));
	object_drop(now);
	object_drop_all(o, n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("appointments by both modules");
	TCase *t = tcase_create("all");

	if (!sim_built())
		return 77;
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, made_by_either);
	tcase_add_test(t, changed_by_either);
	tcase_add_test(t, events_say_more);
	tcase_add_loop_test(t, moved_to_later, 0, 2 * N_MOVERS);
	tcase_add_loop_test(t, moved_with_its_rule, 0, 2);
	return harness_main(s);
}
