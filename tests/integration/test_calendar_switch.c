/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * OX loses its legacy calendar module, and gets it back, under a running usmd: no device is sent anything, and every uuid, rev and
 * syncid stays.  What changes afterwards comes alone.
 */
#include "wire.h"

#define DAY INT64_C(86400000)
#define WEEK (7 * DAY)
#define MONDAY INT64_C(1798416000000) /* 2026-12-28 */

/* every sync asks OX, and the listing is part of it again and again */
static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "fresh_for = 0s", "full_listing_interval = 1h", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
without(const char *modules)
{
	char text[100];

	(void)snprintf(text, sizeof(text), "{\"without\":[%s]}", modules);
	world_control(&w, "modules", text, NULL, 0);
}

static json_t *
appointment(const char *id, const char *title, msec_t start)
{
	return json_pack("{s:s,s:s,s:s,s:I,s:I}", "objectType", "appointment", "clientId", id, "title", title, "start_date", (json_int_t)start, "end_date",
	    (json_int_t)(start + DAY / 24));
}

/* Sends one created object; its uuid. */
static void
make(struct dev *d, json_t *o, char *uuid)
{
	json_t *list = json_array(), *data;

	(void)json_array_append_new(list, o);
	data = update(d, request(d, list, NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	if (uuid != NULL)
		(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
}

/* One of each kind. */
static void
fill(struct dev *d)
{
	char series[40];
	json_t *o;

	make(d, appointment("1", "plain", MONDAY), NULL);
	o = appointment("2", "everything", MONDAY + DAY);
	(void)json_object_update_new(o, json_pack("{s:s,s:s,s:s,s:b,s:i,s:i,s:i,s:s,s:[{s:i,s:i},{s:i,s:i},{s:i,s:s,s:s}]}", "note", "n", "location", "l", "categories",
	    "a,b", "private_flag", 1, "color_label", 5, "alarm", 1440, "shown_as", 4, "timezone", "America/New_York", "participants", "id", 4, "type", 1, "id", 8, "type", 2,
	    "type", 5, "mail", "ext@example.org", "display_name", "Ext"));
	make(d, o, NULL);
	o = appointment("3", "whole days", MONDAY + 2 * DAY);
	(void)json_object_update_new(o, json_pack("{s:b,s:I}", "full_time", 1, "end_date", (json_int_t)(MONDAY + 4 * DAY)));
	make(d, o, NULL);
	o = appointment("4", "series", MONDAY + 9 * DAY / 24);
	(void)json_object_update_new(o, json_pack("{s:i,s:i,s:i,s:i,s:s}", "recurrence_type", 2, "interval", 1, "days", 2, "occurrences", 9, "timezone", "Europe/Berlin"));
	make(d, o, series);
	o = appointment("5", "its exception", MONDAY + WEEK + DAY / 2);
	(void)json_object_update_new(o, json_pack("{s:s,s:I}", "recurrence_id", series, "recurrence_date_position", (json_int_t)(MONDAY + WEEK)));
	make(d, o, NULL);
	o = json_pack("[{s:s,s:[I]}]", "uuid", series, "delete_exceptions", (json_int_t)(MONDAY + 2 * WEEK));
	json_decref(update(d, request(d, NULL, o, NULL)));
	o = appointment("6", "until", MONDAY + 10 * DAY / 24);
	(void)json_object_update_new(o, json_pack("{s:i,s:i,s:i,s:i,s:I}", "recurrence_type", 3, "interval", 2, "days", 4, "day_in_month", 1, "until", (json_int_t)(MONDAY + 70 * WEEK)));
	make(d, o, NULL);
}

/* Nothing comes, twice: the second time by the state that the first one left. */
static void
unchanged(struct dev *d, const char *when)
{
	char before[40];

	(void)snprintf(before, sizeof(before), "%s", d->syncid);
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(pull(d) == 0, "%s: something is sent", when);
		ck_assert_msg(strcmp(d->syncid, before) == 0, "%s: another syncid", when);
	}
}

/* A device that comes anew is given the same uuids and revs. */
static void
same_for_a_new_one(const struct dev *d, const char *name)
{
	struct dev other;
	const char *uuid;
	json_t *v;

	login(&other, "anton", name);
	open_folder(&other, d->folder);
	ck_assert_uint_eq(json_object_size(other.have), json_object_size(d->have));
	json_object_foreach(d->have, uuid, v) {
		const json_t *there = json_object_get(other.have, uuid);

		ck_assert_msg(there != NULL, "%s has another uuid", str(v, "title"));
		ck_assert_msg(strcmp(str(there, "rev"), str(v, "rev")) == 0, "%s has another rev", str(v, "title"));
	}
}

START_TEST(module_goes_and_comes)
{
	struct dev d;
	json_t *rows, *row;
	char id[24] = "";
	size_t i;

	login(&d, "anton", "switch-1");
	open_folder(&d, str(d.defaults, "appointment"));
	fill(&d);
	(void)pull(&d);
	ck_assert_uint_eq(json_object_size(d.have), 6);
	unchanged(&d, "before");

	without("\"calendar\"");
	unchanged(&d, "without calendar");
	same_for_a_new_one(&d, "switch-2");
	world_usmd_kill(&w);
	world_usmd_start(&w);
	unchanged(&d, "usmd new, without calendar");

	/* a change comes alone, and goes */
	rows = ox_as("anton", "chronos", "updates", json_pack("{s:s,s:s}", "folder", "cal://0/31", "timestamp", "0"), NULL);
	json_array_foreach(json_object_get(rows, "newAndModified"), i, row)
		if (strcmp(str(row, "summary"), "plain") == 0)
			(void)snprintf(id, sizeof(id), "%s", str(row, "id"));
	json_decref(rows);
	ck_assert_str_ne(id, "");
	json_decref(ox_as("anton", "chronos", "update", json_pack("{s:s,s:s,s:s}", "folder", "cal://0/31", "id", id, "timestamp", "9007199254740992"),
	    json_pack("{s:s}", "summary", "changed there")));
	ck_assert_uint_eq(pull(&d), 1);
	ck_assert_ptr_nonnull(find(&d, "title", "changed there", NULL));

	without("\"chronos\"");
	unchanged(&d, "with calendar again");
	same_for_a_new_one(&d, "switch-3");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("calendar modules");
	TCase *t = tcase_create("switch");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, module_goes_and_comes);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
