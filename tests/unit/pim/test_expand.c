/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pim_expand: each kind of rule by hand, its limits, and the hours that a zone has twice or not at all (RFC 5545, 3.3.5). */
#include "pim_test.h"

#include <stdio.h>
#include <time.h>

static char seen[2000];

static int
note(void *arg, const struct pim_occurrence *o)
{
	time_t s = (time_t)(o->start_ms / 1000);
	int *left = arg;
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	(void)strftime(seen + strlen(seen), sizeof(seen) - strlen(seen), strlen(seen) > 0 ? " %m-%dT%H:%M" : "%m-%dT%H:%M", &tm);
	return left != NULL && --*left == 0;
}

/* The occurrences of O (JSON) with EXCEPTIONS (NULL = none) from 2026 to the end of 2029. */
static const char *
days(const char *o, const char *exceptions)
{
	json_t *x = js(o), *e = exceptions != NULL ? js(exceptions) : NULL;
	struct pim_error err;

	seen[0] = '\0';
	ck_assert_msg(pim_expand(x, e, INT64_C(1767225600000), INT64_C(1893456000000), note, NULL, &err) == PIM_OK, "%s", err.text);
	json_decref(x);
	json_decref(e);
	return seen;
}

#define AT(s) "\"start_date\":" #s "000,\"end_date\":" #s "000,"

START_TEST(kinds)
{
	/* Thursday 2026-01-01 10:00 UTC */
	ck_assert_str_eq(days("{" AT(1767261600) "\"title\":\"single\"}", NULL), "01-01T10:00");
	ck_assert_str_eq(days("{" AT(1767261600) "\"recurrence_type\":1,\"interval\":3,\"occurrences\":3}", NULL), "01-01T10:00 01-04T10:00 01-07T10:00");
	ck_assert_str_eq(days("{" AT(1767261600) "\"recurrence_type\":1,\"interval\":1,\"until\":1767398400000}", NULL), "01-01T10:00 01-02T10:00 01-03T10:00");
	/* weeks begin on Monday: the Sunday belongs to the first one */
	ck_assert_str_eq(days("{" AT(1767261600) "\"recurrence_type\":2,\"interval\":2,\"days\":17,\"occurrences\":4}", NULL),
	    "01-01T10:00 01-04T10:00 01-15T10:00 01-18T10:00");
	/* months without a 31st are left out, and not counted */
	ck_assert_str_eq(days("{\"start_date\":1769853600000,\"end_date\":1769853600000,\"recurrence_type\":3,\"interval\":1,\"day_in_month\":31,\"occurrences\":3}", NULL),
	    "01-31T10:00 03-31T10:00 05-31T10:00");
	/* the last working day, both spellings of "last" */
	ck_assert_str_eq(days("{\"start_date\":1769767200000,\"end_date\":1769767200000,\"recurrence_type\":3,\"interval\":1,\"days\":62,\"day_in_month\":5,\"occurrences\":2}", NULL),
	    "01-30T10:00 02-27T10:00");
	ck_assert_str_eq(days("{\"start_date\":1769767200000,\"end_date\":1769767200000,\"recurrence_type\":3,\"interval\":1,\"days\":62,\"day_in_month\":-1,\"occurrences\":2}", NULL),
	    "01-30T10:00 02-27T10:00");
	/* the second Monday of March */
	ck_assert_str_eq(days("{\"start_date\":1773050400000,\"end_date\":1773050400000,\"recurrence_type\":4,\"interval\":1,\"days\":2,\"day_in_month\":2,\"month\":2,\"occurrences\":2}", NULL),
	    "03-09T10:00 03-08T10:00");
	/* a 29th of February, endless: one within the four years */
	ck_assert_str_eq(days("{\"start_date\":1709200800000,\"end_date\":1709200800000,\"recurrence_type\":4,\"interval\":1,\"day_in_month\":29,\"month\":1}", NULL), "02-29T10:00");
}
END_TEST

START_TEST(with_exceptions)
{
	static const char series[] = "{" AT(1767261600) "\"recurrence_type\":1,\"interval\":1,\"occurrences\":4,"
	    "\"delete_exceptions\":[1767312000000],\"change_exceptions\":[1767398400000]}";

	ck_assert_str_eq(days(series, NULL), "01-01T10:00 01-04T10:00");
	ck_assert_str_eq(days(series, "[{\"recurrence_date_position\":1767398400000,\"start_date\":1767700800000,\"end_date\":1767704400000}]"),
	    "01-01T10:00 01-04T10:00 01-06T12:00");
}
END_TEST

START_TEST(offsets)
{
	/* 02:30 in Berlin: left out on 2026-03-29 (the offset from before it counts), twice on 2026-10-25 (the first) */
	ck_assert_str_eq(days("{\"start_date\":1774661400000,\"end_date\":1774661400000,\"timezone\":\"Europe/Berlin\",\"recurrence_type\":1,\"interval\":1,\"occurrences\":3}", NULL),
	    "03-28T01:30 03-29T01:30 03-30T00:30");
	ck_assert_str_eq(days("{\"start_date\":1792801800000,\"end_date\":1792801800000,\"timezone\":\"Europe/Berlin\",\"recurrence_type\":1,\"interval\":1,\"occurrences\":3}", NULL),
	    "10-24T00:30 10-25T00:30 10-26T01:30");
	/* 01:00 in Berlin: two occurrences on the UTC day of 2026-03-29; its name is that of the first alone */
	ck_assert_str_eq(days("{\"start_date\":1774656000000,\"end_date\":1774656000000,\"timezone\":\"Europe/Berlin\",\"recurrence_type\":1,\"interval\":1,\"occurrences\":3,"
	    "\"delete_exceptions\":[1774742400000]}", NULL), "03-28T00:00 03-29T23:00");
}
END_TEST

/* A deleted hour that the zone leaves out is written as the rule makes it, so that every reader finds it. */
START_TEST(deleted_in_the_gap)
{
	json_t *o = js("{\"start_date\":1774661400000,\"end_date\":1774665000000,\"timezone\":\"Europe/Berlin\",\"recurrence_type\":1,\"interval\":1,\"occurrences\":3,"
	    "\"delete_exceptions\":[1774742400000]}"), *back, *exceptions;
	char *text;

	ck_assert_int_eq(pim_ical_event_format(o, NULL, NULL, &text, NULL), PIM_OK);
	ck_assert_ptr_nonnull(strstr(text, "EXDATE;TZID=Europe/Berlin:20260329T023000\r\n"));
	ck_assert_int_eq(pim_ical_event_parse(text, strlen(text), NULL, &back, &exceptions, NULL, NULL), PIM_OK);
	same_json(json_object_get(o, "delete_exceptions"), json_object_get(back, "delete_exceptions"), "the day");
	free(text);
	json_decref(o);
	json_decref(back);
	json_decref(exceptions);
}
END_TEST

START_TEST(limits)
{
	json_t *o = js("{\"start_date\":1767261600000,\"end_date\":1767261600000,\"recurrence_type\":1,\"interval\":1}");
	struct pim_error err;
	int two = 2;

	seen[0] = '\0';
	ck_assert_int_eq(pim_expand(o, NULL, INT64_MIN, INT64_MAX, note, &two, &err), PIM_STOPPED);
	ck_assert_str_eq(seen, "01-01T10:00 01-02T10:00");
	(void)json_object_set_new(o, "recurrence_type", json_integer(7));
	ck_assert_int_eq(pim_expand(o, NULL, 0, INT64_MAX, note, NULL, &err), PIM_REFUSED);
	ck_assert_ptr_nonnull(strstr(err.text, "no pattern"));
	(void)json_object_set_new(o, "end_date", json_integer(5));
	ck_assert_int_eq(pim_expand(o, NULL, 0, INT64_MAX, note, NULL, &err), PIM_REFUSED);
	json_decref(o);
}
END_TEST

TCase *
tcase_expand(void)
{
	TCase *t = tcase_create("expand");

	tcase_add_test(t, kinds);
	tcase_add_test(t, with_exceptions);
	tcase_add_test(t, offsets);
	tcase_add_test(t, deleted_in_the_gap);
	tcase_add_test(t, limits);
	return t;
}
