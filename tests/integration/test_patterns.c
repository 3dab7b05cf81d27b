/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Recurrence patterns of which a client names a part: what it does not name stays, one end replaces the other, and what OX refuses is refused with a
 * reason and changes nothing.  OX replaces the whole pattern of an appointment, or ignores what comes without recurrence_type (oxsim/calpattern.c).
 */
#include "wire.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define MONDAY INT64_C(1798448400000) /* 2026-12-28 09:00 UTC */
#define UNTIL "1803859200000"         /* 2027-02-29 + 1 day, a Monday */

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "ox_timeout = 2s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
world_up_chronos(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "modules", "{\"without\":[\"calendar\"]}", NULL, 0);
}

#define W "\"recurrence_type\":2,\"interval\":1,\"days\":2,\"occurrences\":5"
#define WU "\"recurrence_type\":2,\"interval\":1,\"days\":2,\"until\":" UNTIL
#define MD "\"recurrence_type\":3,\"interval\":1,\"days\":2,\"day_in_month\":3,\"until\":" UNTIL
#define Y "\"recurrence_type\":4,\"interval\":1,\"day_in_month\":4,\"month\":0,\"occurrences\":3"

/* what is there, what is named, what is there then */
static const struct {
	const char *has, *change, *gets;
	bool task; /* a task keeps the members that its type does not know */
} cases[] = {
	{ W, "\"interval\":2", "\"recurrence_type\":2,\"interval\":2,\"days\":2,\"occurrences\":5", true },
	{ W, "\"days\":4", "\"recurrence_type\":2,\"interval\":1,\"days\":4,\"occurrences\":5", true },
	{ W, "\"occurrences\":3", "\"recurrence_type\":2,\"interval\":1,\"days\":2,\"occurrences\":3", true },
	{ W, "\"occurrences\":null", "\"recurrence_type\":2,\"interval\":1,\"days\":2", true },
	{ W, "\"until\":" UNTIL, WU, true },
	{ W, "\"until\":" UNTIL ",\"occurrences\":null", WU, true },
	{ W, "\"until\":" UNTIL ",\"occurrences\":0", WU, true },
	{ WU, "\"occurrences\":5", W, true },
	{ WU, "\"occurrences\":5,\"until\":null", W, true },
	{ WU, "\"until\":null", "\"recurrence_type\":2,\"interval\":1,\"days\":2", true },
	{ WU, "\"interval\":3", "\"recurrence_type\":2,\"interval\":3,\"days\":2,\"until\":" UNTIL, true },
	{ W, "\"recurrence_type\":2", W, true },
	{ W, "\"recurrence_type\":1", "\"recurrence_type\":1,\"interval\":1,\"occurrences\":5", false },
	{ W, "\"recurrence_type\":3,\"days\":null,\"day_in_month\":4", "\"recurrence_type\":3,\"interval\":1,\"day_in_month\":4,\"occurrences\":5", true },
	{ W, "\"recurrence_type\":0", "", false },
	{ W, "\"recurrence_type\":null", "", false },
	{ W, "\"recurrence_type\":0,\"interval\":null,\"days\":null,\"occurrences\":null", "", false },
	{ MD, "\"day_in_month\":2", "\"recurrence_type\":3,\"interval\":1,\"days\":2,\"day_in_month\":2,\"until\":" UNTIL, true },
	{ MD, "\"days\":null,\"day_in_month\":9", "\"recurrence_type\":3,\"interval\":1,\"day_in_month\":9,\"until\":" UNTIL, true },
	{ Y, "\"month\":1", "\"recurrence_type\":4,\"interval\":1,\"day_in_month\":4,\"month\":1,\"occurrences\":3", true },
	{ "", W, W, true },
	{ "", "\"interval\":2", "", false },
};

/* what the legacy module refuses, and what it says */
static const struct {
	const char *has, *change, *code;
} refusals[] = {
	{ W, "\"interval\":null", "APP-0087" },
	{ W, "\"days\":null", "APP-0089" },
	{ W, "\"recurrence_type\":4,\"days\":null,\"day_in_month\":4", "APP-0064" },
	{ W, "\"until\":" UNTIL ",\"occurrences\":4", "APP-0095" },
	{ "", "\"recurrence_type\":1", "APP-0087" },
	{ "", "\"recurrence_type\":3,\"interval\":1", "APP-0090" },
};

static const char *const members[] = { "recurrence_type", "interval", "days", "day_in_month", "month", "until", "occurrences" };

static json_t *
fields(const char *text)
{
	char whole[400];
	json_t *o;

	(void)snprintf(whole, sizeof(whole), "{%s}", text);
	o = json_loads(whole, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(o);
	return o;
}

static json_t *
send_one(struct dev *d, const char *list, json_t *what)
{
	json_t *req = request(d, NULL, NULL, NULL), *data, *r;

	(void)json_object_set_new(req, list, one(json_incref(what)));
	data = good(d, "syncUpdate", req);
	r = json_incref((json_t *)(uintptr_t)result(data, 0));
	if (json_object_get(d->have, str(what, "uuid")) != NULL && strcmp(str(r, "status"), "ok") == 0)
		(void)json_object_update(json_object_get(d->have, str(what, "uuid")), what);
	apply(d, data);
	json_decref(req);
	json_decref(data);
	return r;
}

/* An appointment or a task of anton with this pattern; its uuid. */
static void
begin(struct dev *d, const char *type, const char *name, const char *pattern, char uuid[40])
{
	bool task = strcmp(type, "task") == 0;
	json_t *o = json_pack("{s:s,s:s}", "clientId", name, "title", name), *p = fields(pattern), *r;

	login(d, "anton", "patterns");
	open_folder(d, str(d->defaults, type));
	(void)json_object_set_new(o, task ? "start_time" : "start_date", json_integer(task ? MONDAY / DAY * DAY : MONDAY));
	(void)json_object_set_new(o, task ? "end_time" : "end_date", json_integer(task ? MONDAY / DAY * DAY : MONDAY + HOUR));
	(void)json_object_update(o, p);
	r = send_one(d, "created", o);
	ck_assert_msg(strcmp(str(r, "status"), "ok") == 0, "%s: %s", pattern, json_dumps(r, 0));
	(void)snprintf(uuid, 40, "%s", str(r, "uuid"));
	(void)json_object_del(o, "clientId");
	if (json_object_get(d->have, uuid) == NULL)
		(void)json_object_set_new(d->have, uuid, json_object());
	(void)json_object_update_missing(json_object_get(d->have, uuid), o);
	json_decref(r);
	json_decref(p);
	json_decref(o);
}

/* Unset, null and 0 are the same. */
static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The device that changed it, and one that has seen nothing yet. */
static void
both_have(struct dev *d, const char *type, const char *uuid, const char *want)
{
	json_t *p = fields(want);
	struct dev fresh;

	(void)pull(d);
	login(&fresh, "anton", "fresh");
	open_folder(&fresh, str(fresh.defaults, type));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		ck_assert_msg(number(json_object_get(fresh.have, uuid), members[i]) == number(p, members[i]), "%s is %lld at OX", members[i],
		    (long long)number(json_object_get(fresh.have, uuid), members[i]));
		ck_assert_msg(number(json_object_get(d->have, uuid), members[i]) == number(p, members[i]), "%s is %lld at the device", members[i],
		    (long long)number(json_object_get(d->have, uuid), members[i]));
	}
	json_decref(p);
}

static void
change_a_part(const char *type, int i)
{
	char name[40], uuid[40];
	struct dev d;
	json_t *what = fields(cases[i].change), *r;

	(void)snprintf(name, sizeof(name), "%s-%d", type, i);
	begin(&d, type, name, cases[i].has, uuid);
	(void)json_object_set_new(what, "uuid", json_string(uuid));
	r = send_one(&d, "modified", what);
	ck_assert_msg(strcmp(str(r, "status"), "ok") == 0, "%s and %s: %s", cases[i].has, cases[i].change, json_dumps(r, 0));
	both_have(&d, type, uuid, cases[i].gets);
	json_decref(r);
	json_decref(what);
}

START_TEST(part_of_an_appointment)
{
	change_a_part("appointment", _i);
}
END_TEST

START_TEST(part_of_a_task)
{
	if (cases[_i].task)
		change_a_part("task", _i);
}
END_TEST

START_TEST(refused)
{
	char name[40], uuid[40];
	struct dev d;
	json_t *what = fields(refusals[_i].change), *r;
	char *text;

	(void)snprintf(name, sizeof(name), "refused-%d", _i);
	begin(&d, "appointment", name, refusals[_i].has, uuid);
	(void)json_object_set_new(what, "uuid", json_string(uuid));
	r = send_one(&d, "modified", what);
	ck_assert_str_eq(str(r, "status"), "error");
	text = json_dumps(r, 0);
	ck_assert_msg(strstr(text, refusals[_i].code) != NULL, "%s and %s: %s", refusals[_i].has, refusals[_i].change, text);
	free(text);
	both_have(&d, "appointment", uuid, refusals[_i].has);
	json_decref(r);
	json_decref(what);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("patterns");
	TCase *legacy = tcase_create("legacy"), *chronos = tcase_create("chronos");
	int n = (int)(sizeof(cases) / sizeof(cases[0]));

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(legacy, world_up, world_down);
	tcase_set_timeout(legacy, 60);
	tcase_add_loop_test(legacy, part_of_an_appointment, 0, n);
	tcase_add_loop_test(legacy, part_of_a_task, 0, n);
	tcase_add_loop_test(legacy, refused, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
	suite_add_tcase(suite, legacy);
	tcase_add_unchecked_fixture(chronos, world_up_chronos, world_down);
	tcase_set_timeout(chronos, 60);
	tcase_add_loop_test(chronos, part_of_an_appointment, 0, n);
	suite_add_tcase(suite, chronos);
	return harness_main(suite);
}
