/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a server does not hold as a file says it: the written list of allowed differences, each with its reason.  usmsync(1), "WHAT IS NOT KEPT",
 * tells the same to people.  Included by one test program only.
 */
#ifndef TESTS_KEPT_H
#define TESTS_KEPT_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "usmd/pim.h"

/** A member that the server does not hold, or holds with a value of its own. */
static const struct not_kept {
	enum pim_kind kind;
	const char *field;
	const char *value; /* JSON: this value alone, NULL = whatever it is */
} not_kept[] = {
	/* the server names objects itself, by what the client called them */
	{ PIM_CONTACT, "uid", NULL },
	{ PIM_DISTLIST, "uid", NULL },
	{ PIM_APPOINTMENT, "uid", NULL },
	{ PIM_TASK, "uid", NULL },
	/* what a picture is, is seen in its octets */
	{ PIM_CONTACT, "image1_content_type", NULL },
	/* who stores an appointment organizes it; counting its versions is the server's */
	{ PIM_APPOINTMENT, "organizer", NULL },
	{ PIM_APPOINTMENT, "organizerId", NULL },
	{ PIM_APPOINTMENT, "principal", NULL },
	{ PIM_APPOINTMENT, "principalId", NULL },
	{ PIM_APPOINTMENT, "sequence", NULL },
	/* an appointment takes time or does not: tentative and out of office count as reserved (other values become 1 on 8.19) */
	{ PIM_APPOINTMENT, "shown_as", "1" },
	{ PIM_APPOINTMENT, "shown_as", "2" },
	{ PIM_APPOINTMENT, "shown_as", "3" },
	/* the days of changed occurrences; these are compared themselves */
	{ PIM_APPOINTMENT, "change_exceptions", NULL },
	/* there is no appointment without a zone */
	{ PIM_APPOINTMENT, "timezone", "\"UTC\"" },
	/* what somebody outside has answered: the server knows it from his mail alone */
	{ PIM_APPOINTMENT, "confirmations", NULL },
	{ PIM_TASK, "confirmations", NULL },
	{ PIM_TASK, "organizer", NULL },
	/* a task without times is one of whole days */
	{ PIM_TASK, "full_time", "true" },
	/* none is no progress */
	{ PIM_TASK, "percent_completed", "0" },
	{ PIM_TASK, "status", "1" },
	/* the users who take part, made from the participants; the owner is always one */
	{ PIM_APPOINTMENT, "users", NULL },
	{ PIM_TASK, "users", NULL },
};

/* ASCII is enough for what is an address. */
static void
lower_case(json_t *o, const char *member)
{
	const char *text = json_string_value(json_object_get(o, member));
	char *p = text != NULL ? strdup(text) : NULL;

	for (char *q = p; q != NULL && *q != '\0'; q++)
		if (*q >= 'A' && *q <= 'Z')
			*q = (char)(*q - 'A' + 'a');
	if (p != NULL)
		(void)json_object_set_new(o, member, json_string(p));
	free(p);
}

/* The owner of the account, whom the server adds to what he stores; the order of the others has no meaning. */
static void
people(json_t *o)
{
	json_t *list = json_object_get(o, "participants"), *sorted = json_array(), *v;
	size_t i, k;

	json_array_foreach(list, i, v) {
		char *x;

		lower_case(v, "mail"); /* the server knows addresses so */
		x = json_dumps(v, JSON_SORT_KEYS);

		for (k = 0; k < json_array_size(sorted); k++) {
			char *y = json_dumps(json_array_get(sorted, k), JSON_SORT_KEYS);
			bool before = strcmp(x, y) < 0;

			free(y);
			if (before)
				break;
		}
		if (json_integer_value(json_object_get(v, "type")) != 1)
			(void)json_array_insert(sorted, k, v);
		free(x);
	}
	if (json_array_size(sorted) > 0)
		(void)json_object_set(o, "participants", sorted);
	else
		(void)json_object_del(o, "participants");
	json_decref(sorted);
}

/* Members of a list are named by the server where the file does not. */
static void
members(json_t *o)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, "distribution_list"), i, v) {
		(void)json_object_del(v, "sort_name");
		if (json_object_get(v, "display_name") == NULL)
			(void)json_object_set(v, "display_name", json_object_get(v, "mail"));
	}
}

static int
take_first(void *arg, const struct pim_occurrence *o)
{
	*(struct pim_occurrence *)arg = *o;
	return 1;
}

/* A start that is no day of its own rule is moved to the first that is one. */
static void
first_of_rule(json_t *o)
{
	struct pim_occurrence first;
	json_t *bare;

	if (json_object_get(o, "recurrence_type") == NULL)
		return;
	bare = json_copy(o);
	(void)json_object_del(bare, "delete_exceptions");
	(void)json_object_del(bare, "change_exceptions");
	if (pim_expand(bare, NULL, INT64_MIN, INT64_MAX, take_first, &first, NULL) == PIM_STOPPED) {
		(void)json_object_set_new(o, "start_date", json_integer(first.start_ms));
		(void)json_object_set_new(o, "end_date", json_integer(first.end_ms));
	}
	json_decref(bare);
}

static int
is_day(void *arg, const struct pim_occurrence *o)
{
	json_int_t *day = arg;

	if (o->day_ms == *day)
		*day = -1;
	return *day == -1;
}

/* A day that is left out of a series and has no occurrence anyway. */
static void
deleted_days(json_t *o)
{
	json_t *days = json_object_get(o, "delete_exceptions"), *bare = json_copy(o);

	(void)json_object_del(bare, "delete_exceptions");
	(void)json_object_del(bare, "change_exceptions");
	for (size_t i = json_array_size(days); i-- > 0;) {
		json_int_t day = json_integer_value(json_array_get(days, i)), from = day - 86400000;

		(void)pim_expand(bare, NULL, from, day + 2 * INT64_C(86400000), is_day, &day, NULL);
		if (day != -1)
			(void)json_array_remove(days, i);
	}
	if (days != NULL && json_array_size(days) == 0)
		(void)json_object_del(o, "delete_exceptions");
	json_decref(bare);
}

/* A zone that nobody knows cannot be kept. */
static void
known_zone(json_t *o)
{
	char path[200];
	const char *name = json_string_value(json_object_get(o, "timezone"));

	(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name != NULL ? name : "UTC");
	if (access(path, F_OK) != 0)
		(void)json_object_del(o, "timezone");
}

static void
normalise(enum pim_kind kind, json_t *o)
{
	json_t *x;

	for (size_t i = 0; i < sizeof(not_kept) / sizeof(not_kept[0]); i++) {
		json_t *want = not_kept[i].value != NULL ? json_loads(not_kept[i].value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;

		if (not_kept[i].kind == kind && (want == NULL || json_equal(want, json_object_get(o, not_kept[i].field))))
			(void)json_object_del(o, not_kept[i].field);
		json_decref(want);
	}
	people(o);
	members(o);
	known_zone(o);
	if (kind == PIM_APPOINTMENT) {
		first_of_rule(o);
		deleted_days(o);
	}
	/* who is not filed otherwise is filed under his name */
	x = json_object_get(o, "file_as");
	if (x != NULL && json_equal(x, json_object_get(o, "display_name")))
		(void)json_object_del(o, "file_as");
	/* two spellings of "the last" */
	if (json_integer_value(json_object_get(o, "day_in_month")) == -1)
		(void)json_object_set_new(o, "day_in_month", json_integer(5));
}

#endif
