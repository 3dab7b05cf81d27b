/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Values for the test of every field: made from the field's type and length, so that a new row of the tables is tested without
 * another line.  Fields whose values have a meaning (an address, a zone, part of a recurrence) say so in the table below.
 * Included by one test program only, so everything is static.
 */
#ifndef TESTS_FIELD_VALUES_H
#define TESTS_FIELD_VALUES_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmd/model.h"

/** What becomes of a field that a client sets to null. */
enum clearing {
	CLEARS,
	KEPT,    /* the server has a value of its own again, and the client is told */
	REFUSED  /* the change is an error, nothing is changed */
};

/** A field whose values are not made from its type alone. */
struct special {
	enum content ct;
	const char *name;
	const char *value[3]; /* JSON: three values that differ from one to the next */
	const char *base;     /* JSON: members that the object has besides, or NULL */
	const char *with[2];  /* JSON: members that go along with the second and third value, or NULL */
	const char *also;     /* JSON array: fields that the server changes along with it, or NULL */
	enum clearing clears;
	bool plain;           /* no text of all kinds: an address, a zone, a number */
};

#define DAY "1767225600000" /* 2026-01-01, a Thursday */
#define SERIES(more) "{\"start_date\":1767258000000,\"end_date\":1767261600000," more "}"
#define TASKS(more) "{\"start_time\":1767225600000,\"end_time\":1767225600000,\"full_time\":true," more "}"
#define RULE "[\"recurrence_type\",\"interval\",\"days\",\"day_in_month\",\"month\",\"until\",\"occurrences\",\"recurrence_id\",\"delete_exceptions\",\"start_date\",\"end_date\",\"start_time\",\"end_time\"]"
#define PNG1 "\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\""
#define PNG2 "\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==\""
#define ADDRESS(n) "\"box." n "@example.org\""
#define MAILS { ADDRESS("one"), ADDRESS("two"), ADDRESS("three") }
#define PEOPLE(n) "[{\"type\":1,\"id\":4},{\"type\":5,\"mail\":\"" n "@example.org\",\"display_name\":\"" n "\"}]"

static const struct special specials[] = {
	{ CT_CONTACT, "display_name", { NULL, NULL, NULL }, NULL, { NULL, NULL }, "[\"file_as\"]", CLEARS, false },
	{ CT_CONTACT, "email1", MAILS, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_CONTACT, "email2", MAILS, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_CONTACT, "email3", MAILS, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_CONTACT, "distribution_list", {
	    "[{\"mail_field\":0,\"mail\":\"a@example.org\",\"display_name\":\"A\"}]",
	    "[{\"mail_field\":0,\"mail\":\"a@example.org\",\"display_name\":\"A\"},{\"mail_field\":0,\"mail\":\"b@example.org\",\"display_name\":\"B\"}]",
	    "[{\"mail_field\":0,\"mail\":\"c@example.org\",\"display_name\":\"C\"}]" },
	    "{\"mark_as_distributionlist\":true,\"display_name\":\"List\"}", { NULL, NULL }, "[\"mark_as_distributionlist\"]", CLEARS, true },
	{ CT_CONTACT, "mark_as_distributionlist", { "true", "true", "true" },
	    "{\"distribution_list\":[{\"mail_field\":0,\"mail\":\"a@example.org\",\"display_name\":\"A\"}],\"display_name\":\"List\"}",
	    { NULL, NULL }, "[\"distribution_list\"]", KEPT, true },
	{ CT_CONTACT, "image1", { PNG1, PNG2, PNG1 }, NULL, { NULL, NULL }, "[\"image_last_modified\",\"image1_content_type\"]", CLEARS, true },
	{ CT_CALENDAR, "start_date", { "1767258000000", "1767254400000", "1767250800000" }, "{\"end_date\":1767261600000}",
	    { NULL, NULL }, NULL, KEPT, true },
	{ CT_CALENDAR, "end_date", { "1767261600000", "1767265200000", "1767268800000" }, "{\"start_date\":1767258000000}",
	    { NULL, NULL }, NULL, KEPT, true },
	{ CT_CALENDAR, "color_label", { "1", "5", "9" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_CALENDAR, "shown_as", { "4", "1", "4" }, NULL, { NULL, NULL }, NULL, KEPT, true },
	{ CT_CALENDAR, "timezone", { "\"America/New_York\"", "\"Asia/Kolkata\"", "\"Europe/Berlin\"" }, NULL, { NULL, NULL }, NULL, KEPT, true },
	{ CT_CALENDAR, "full_time", { "true", "true", "true" }, "{\"start_date\":" DAY ",\"end_date\":1767312000000}",
	    { NULL, NULL }, "[\"start_date\",\"end_date\",\"timezone\"]", KEPT, true },
	{ CT_CALENDAR, "private_flag", { "true", "false", "true" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_CALENDAR, "participants", { PEOPLE("ann"), PEOPLE("bob"), PEOPLE("cleo") }, NULL, { NULL, NULL },
	    "[\"users\",\"confirmations\",\"organizer\",\"organizerId\"]", KEPT, true },
	{ CT_CALENDAR, "recurrence_type", { "1", "2", "1" }, SERIES("\"interval\":1"),
	    { "{\"days\":62,\"interval\":1}", "{\"interval\":1}" }, RULE, CLEARS, true },
	{ CT_CALENDAR, "interval", { "1", "2", "3" }, SERIES("\"recurrence_type\":1"), { "{\"recurrence_type\":1}", "{\"recurrence_type\":1}" }, RULE, REFUSED, true },
	{ CT_CALENDAR, "days", { "2", "62", "65" }, SERIES("\"recurrence_type\":2,\"interval\":1"),
	    { "{\"recurrence_type\":2,\"interval\":1}", "{\"recurrence_type\":2,\"interval\":1}" }, RULE, REFUSED, true },
	{ CT_CALENDAR, "day_in_month", { "1", "15", "28" }, SERIES("\"recurrence_type\":3,\"interval\":1"),
	    { "{\"recurrence_type\":3,\"interval\":1}", "{\"recurrence_type\":3,\"interval\":1}" }, RULE, REFUSED, true },
	{ CT_CALENDAR, "month", { "0", "5", "11" }, SERIES("\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1"),
	    { "{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1}", "{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1}" }, RULE, REFUSED, true },
	{ CT_CALENDAR, "until", { "1769904000000", "1772323200000", "1775001600000" }, SERIES("\"recurrence_type\":1,\"interval\":1"),
	    { "{\"recurrence_type\":1,\"interval\":1}", "{\"recurrence_type\":1,\"interval\":1}" }, RULE, CLEARS, true },
	{ CT_CALENDAR, "occurrences", { "3", "5", "10" }, SERIES("\"recurrence_type\":1,\"interval\":1"),
	    { "{\"recurrence_type\":1,\"interval\":1}", "{\"recurrence_type\":1,\"interval\":1}" }, RULE, CLEARS, true },
	{ CT_TASK, "private_flag", { "true", "false", "true" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "color_label", { "1", "5", "9" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "priority", { "1", "3", "2" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "status", { "2", "4", "5" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "percent_completed", { "10", "50", "75" }, "{\"status\":2}", { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "actual_costs", { "12.5", "7.25", "99.99" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "target_costs", { "12.5", "7.25", "99.99" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
	{ CT_TASK, "start_date", { DAY, "1767312000000", "1767398400000" }, NULL, { NULL, NULL }, "[\"start_time\",\"full_time\"]", CLEARS, true },
	{ CT_TASK, "end_date", { DAY, "1767312000000", "1767398400000" }, NULL, { NULL, NULL }, "[\"end_time\",\"full_time\"]", CLEARS, true },
	{ CT_TASK, "start_time", { "1767258000000", "1767261600000", "1767265200000" }, "{\"full_time\":false}", { NULL, NULL }, "[\"start_date\"]", CLEARS, true },
	{ CT_TASK, "end_time", { "1767258000000", "1767261600000", "1767265200000" }, "{\"full_time\":false}", { NULL, NULL }, "[\"end_date\"]", CLEARS, true },
	{ CT_TASK, "full_time", { "true", "false", "true" }, "{\"start_time\":1767258000000,\"end_time\":1767261600000}", { NULL, NULL },
	    "[\"start_time\",\"end_time\",\"start_date\",\"end_date\"]", KEPT, true },
	{ CT_TASK, "participants", { PEOPLE("ann"), PEOPLE("bob"), PEOPLE("cleo") }, NULL, { NULL, NULL }, "[\"users\"]", CLEARS, true },
	{ CT_TASK, "recurrence_type", { "1", "2", "1" }, TASKS("\"interval\":1"), { "{\"days\":62,\"interval\":1}", "{\"interval\":1}" }, RULE, CLEARS, true },
	{ CT_TASK, "interval", { "1", "2", "3" }, TASKS("\"recurrence_type\":1"), { "{\"recurrence_type\":1}", "{\"recurrence_type\":1}" }, RULE, REFUSED, true },
	{ CT_TASK, "days", { "2", "62", "65" }, TASKS("\"recurrence_type\":2,\"interval\":1"),
	    { "{\"recurrence_type\":2,\"interval\":1}", "{\"recurrence_type\":2,\"interval\":1}" }, RULE, REFUSED, true },
	{ CT_TASK, "day_in_month", { "1", "15", "28" }, TASKS("\"recurrence_type\":3,\"interval\":1"),
	    { "{\"recurrence_type\":3,\"interval\":1}", "{\"recurrence_type\":3,\"interval\":1}" }, RULE, KEPT, true },
	{ CT_TASK, "month", { "0", "5", "11" }, TASKS("\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1"),
	    { "{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1}", "{\"recurrence_type\":4,\"interval\":1,\"day_in_month\":1}" }, RULE, REFUSED, true },
	{ CT_TASK, "until", { "1769904000000", "1772323200000", "1775001600000" }, TASKS("\"recurrence_type\":1,\"interval\":1"),
	    { "{\"recurrence_type\":1,\"interval\":1}", "{\"recurrence_type\":1,\"interval\":1}" }, RULE, CLEARS, true },
	{ CT_TASK, "occurrences", { "3", "5", "10" }, TASKS("\"recurrence_type\":1,\"interval\":1"),
	    { "{\"recurrence_type\":1,\"interval\":1}", "{\"recurrence_type\":1,\"interval\":1}" }, RULE, CLEARS, true },
	{ CT_FOLDER, "module", { "\"tasks\"", NULL, NULL }, NULL, { NULL, NULL }, NULL, REFUSED, true },
	{ CT_FOLDER, "permissions", { "[{\"entity\":4,\"bits\":403710016,\"group\":false}]",
	    "[{\"entity\":4,\"bits\":403710016,\"group\":false},{\"entity\":3,\"bits\":257,\"group\":false}]",
	    "[{\"entity\":4,\"bits\":403710016,\"group\":false},{\"entity\":8,\"bits\":257,\"group\":true}]" }, NULL, { NULL, NULL }, NULL, REFUSED, true },
	{ CT_FOLDER, "title", { NULL, NULL, NULL }, NULL, { NULL, NULL }, NULL, REFUSED, false },
	{ CT_FOLDER, "subscribed", { "true", "true", "true" }, NULL, { NULL, NULL }, NULL, REFUSED, true },
	{ CT_MAIL, "flags", { "32", "40", "8" }, NULL, { NULL, NULL }, "[\"color_label\"]", CLEARS, true },
	{ CT_MAIL, "color_label", { "1", "5", "9" }, NULL, { NULL, NULL }, "[\"flags\"]", CLEARS, true },
	{ CT_MAIL, "user", { "[\"$Label1\"]", "[\"Later\",\"$Label1\"]", "[\"NonJunk\"]" }, NULL, { NULL, NULL }, NULL, CLEARS, true },
};

static const struct special *
special_of(enum content ct, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (specials[i].ct == ct && strcmp(specials[i].name, name) == 0)
			return &specials[i];
	return NULL;
}

/* ---- texts ---- */

enum text { PLAIN, LONGEST, ASTRAL, COMPOSED, LINES, CRLF, N_TEXT };

/* N times UNIT, cut at LIMIT octets (0 = none). */
static json_t *
repeated(const char *unit, size_t n, size_t limit)
{
	size_t len = strlen(unit);
	char *s;
	json_t *v;

	if (limit != 0 && n * len > limit)
		n = limit / len;
	s = malloc(n * len + 1);
	for (size_t i = 0; s != NULL && i < n; i++)
		memcpy(s + i * len, unit, len);
	v = s != NULL ? json_stringn(s, n * len) : NULL;
	free(s);
	return v;
}

/* A text of KIND in a field of at most MAX characters, NULL = does not fit.  65535 are octets as well (TEXT columns). */
static json_t *
text_value(enum text kind, unsigned max)
{
	switch (kind) {
	case LONGEST: /* half of it outside the basic plane where only characters count */
		return max == 0 ? NULL : max == 65535 ? repeated("x", max, 0) : repeated("\xF0\x9F\x98\x80", max, 0);
	default:
		break;
	}
	if (max != 0 && max < 14)
		return NULL;
	switch (kind) {
	case ASTRAL: return json_string("\xF0\x9F\x98\x80 \xF0\x9D\x84\x9E");
	case COMPOSED: return json_string("\xC3\xA4 a\xCC\x88"); /* the same letter, composed and not: neither becomes the other */
	case LINES: return json_string("one\ntwo\tthree");
	case CRLF: return json_string("one\r\ntwo\rx");
	default: return NULL;
	}
}

/* The Nth (0..2) valid value of field I; a new reference. */
static json_t *
field_value(const struct content_type *t, unsigned i, unsigned n)
{
	const struct field *f = &t->fields[i];
	const struct special *s = special_of(t->ct, f->name);
	char text[80];

	if (s != NULL && s->value[n] != NULL)
		return json_loads(s->value[n], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	switch (f->type) {
	case FT_STRING:
		(void)snprintf(text, f->max_len != 0 && f->max_len < sizeof(text) ? f->max_len + 1 : sizeof(text), "%c %s", "abc"[n], f->name);
		return json_string(text);
	case FT_INT: return json_integer((json_int_t)n + 1);
	case FT_NUMBER: return json_sprintf("%u", 60 * (n + 1));
	case FT_BOOL: return json_boolean(n != 1);
	case FT_DATE: return json_integer((json_int_t)(n + 1) * 86400000 * 5000);
	case FT_TIME: return json_integer(INT64_C(1767258000000) + (json_int_t)n * 60000);
	case FT_ID: return json_string("1");
	case FT_BINARY: return json_string("AAAA");
	case FT_JSON: return json_pack("[{s:s}]", "mail", "a@example.org");
	}
	return NULL;
}

#endif
