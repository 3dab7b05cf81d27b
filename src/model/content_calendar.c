/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The table of appointment fields: OX's legacy `calendar` module, which 8.19 still serves on top of its newer one and
 * which answers plain numbers for dates.  Times are right with timezone=UTC only.
 */
#include "model/content_int.h"

/*
 * A series is one object (recurrence_id == id); a change exception is an object of its own with the master's
 * recurrence_id.  recurrence_id and the two positions are given on create only: that is how a client makes an exception.
 * change_exceptions and delete_exceptions are OX's; an occurrence is deleted by adding its day to delete_exceptions.
 * OX 8.19 counts `until` in days of the appointment's own zone (that of the user does not matter), and names an exception by the UTC day of its
 * occurrence's start.  Without `timezone` it takes that of the request, which is UTC.
 */
static const struct field fields[] = {
	{ "id", 1, FT_ID, 0, OWN | FF_LISTED, NULL },
	{ "created_by", 2, FT_INT, 0, NOISE | FF_LISTED, NULL }, /* listed with private_flag: private ones of others are not shown */
	{ "modified_by", 3, FT_INT, 0, NOISE, NULL },
	{ "creation_date", 4, FT_TIME, 0, NOISE, NULL },
	{ "last_modified", 5, FT_TIME, 0, NOISE, NULL },
	{ "last_modified_utc", 6, FT_TIME, 0, OWN | FF_LISTED, NULL },
	{ "folder_id", 20, FT_ID, 0, OWN, NULL },
	{ "categories", 100, FT_STRING, 1024, FF_HEADERS, "Categories" },
	{ "private_flag", 101, FT_BOOL, 0, FF_ZERO | FF_LISTED | FF_HEADERS, NULL },
	{ "color_label", 102, FT_INT, 0, FF_ZERO | FF_HEADERS, NULL },
	{ "number_of_attachments", 104, FT_INT, 0, FF_READONLY | FF_ZERO, NULL },
	{ "lastModifiedOfNewestAttachmentUTC", 105, FT_TIME, 0, FF_READONLY, NULL },
	{ "title", 200, FT_STRING, 255, FF_HEADERS, "Subject" },
	{ "start_date", 201, FT_TIME, 0, FF_LISTED | FF_HEADERS, NULL },
	{ "end_date", 202, FT_TIME, 0, FF_LISTED | FF_HEADERS, NULL },
	{ "note", 203, FT_STRING, 65535, 0, "Description" },
	{ "alarm", 204, FT_INT, 0, FF_HEADERS, NULL }, /* minutes before the start, -1 = none */
	{ "recurrence_id", 206, FT_ID, 0, FF_ONCE | FF_LISTED | FF_HEADERS, NULL },
	{ "recurrence_position", 207, FT_INT, 0, FF_ONCE | FF_HEADERS, NULL },
	{ "recurrence_date_position", 208, FT_DATE, 0, FF_ONCE | FF_HEADERS, NULL },
	{ "recurrence_type", 209, FT_INT, 0, FF_ZERO | FF_LISTED | FF_HEADERS, NULL },
	{ "change_exceptions", 210, FT_JSON, 0, FF_READONLY | FF_HEADERS, NULL },
	{ "delete_exceptions", 211, FT_JSON, 0, FF_HEADERS, NULL },
	{ "days", 212, FT_INT, 0, FF_HEADERS, NULL },
	{ "day_in_month", 213, FT_INT, 0, FF_LISTED | FF_HEADERS, NULL },
	{ "month", 214, FT_INT, 0, FF_LISTED | FF_HEADERS, NULL },
	{ "interval", 215, FT_INT, 0, FF_LISTED | FF_HEADERS, NULL },
	{ "until", 216, FT_DATE, 0, FF_LISTED | FF_HEADERS, NULL },
	{ "participants", 220, FT_JSON, 0, 0, NULL },
	{ "users", 221, FT_JSON, 0, FF_READONLY, NULL },
	{ "occurrences", 222, FT_INT, 0, FF_ZERO | FF_LISTED | FF_HEADERS, NULL },
	{ "uid", 223, FT_STRING, 1024, FF_ONCE | FF_NOINDEX | FF_LISTED, "UID" },
	{ "organizer", 224, FT_STRING, 0, FF_READONLY, NULL },
	{ "sequence", 225, FT_INT, 0, NOISE, "Sequence" },
	{ "confirmations", 226, FT_JSON, 0, FF_READONLY, NULL },
	{ "organizerId", 227, FT_INT, 0, NOISE, NULL },
	{ "principal", 228, FT_STRING, 0, FF_READONLY, NULL },
	{ "principalId", 229, FT_INT, 0, NOISE | FF_ZERO, NULL },
	{ "location", 400, FT_STRING, 255, FF_HEADERS, "Location" },
	{ "full_time", 401, FT_BOOL, 0, FF_ZERO | FF_HEADERS, NULL },
	{ "shown_as", 402, FT_INT, 0, FF_HEADERS, NULL },
	{ "timezone", 408, FT_STRING, 0, FF_HEADERS, NULL },
	{ "recurrence_start", 410, FT_TIME, 0, NOISE, NULL }, /* OX sends it as a string */
	/* RFC 5545's text of a pattern that the fields above cannot say in full; only chronos tells it */
	{ "rrule", 0, FT_STRING, 0, FF_READONLY | FF_NOCOLUMN | FF_HEADERS, NULL },
};

const struct content_type content_calendar = {
	.ct = CT_CALENDAR, .name = "appointment", .ox_module = "calendar",
	.fields = fields, .n_fields = ARRAY_LEN(fields),
};

_Static_assert(ARRAY_LEN(fields) <= MODEL_MAX_FIELDS, "mask too small");
