/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The table of task fields.  Only columns that OX 8.19 knows in `tasks`: one it does not know (207 for one) fails the
 * whole request with TSK-0020.  `after_complete` and `alarm_minutes` of the documents are accepted and never stored.
 */
#include "model/content_int.h"

static const struct field fields[] = {
	{ "id", 1, FT_ID, 0, OWN | FF_LISTED, NULL },
	{ "created_by", 2, FT_INT, 0, NOISE, NULL },
	{ "modified_by", 3, FT_INT, 0, NOISE, NULL },
	{ "creation_date", 4, FT_TIME, 0, NOISE, NULL },
	{ "last_modified", 5, FT_TIME, 0, NOISE, NULL },
	{ "last_modified_utc", 6, FT_TIME, 0, OWN | FF_LISTED, NULL },
	{ "folder_id", 20, FT_ID, 0, OWN, NULL },
	{ "categories", 100, FT_STRING, 255, FF_HEADERS, "categories" },
	{ "private_flag", 101, FT_BOOL, 0, FF_ZERO | FF_HEADERS, NULL },
	{ "color_label", 102, FT_INT, 0, FF_ZERO | FF_HEADERS, "color_label" },
	{ "number_of_attachments", 104, FT_INT, 0, FF_READONLY | FF_ZERO, NULL },
	{ "lastModifiedOfNewestAttachmentUTC", 105, FT_TIME, 0, FF_READONLY, NULL },
	{ "title", 200, FT_STRING, 256, FF_HEADERS, "title" },
	{ "start_date", 201, FT_TIME, 0, OWN | FF_LISTED, NULL }, /* with timezone=UTC what start_time says, in full seconds: clients get one of the two */
	{ "end_date", 202, FT_TIME, 0, OWN | FF_LISTED, NULL },
	{ "note", 203, FT_STRING, 65535, 0, "description" },
	{ "alarm", 204, FT_TIME, 0, FF_HEADERS, NULL }, /* absolute, not minutes */
	{ "recurrence_type", 209, FT_INT, 0, FF_ZERO | FF_HEADERS, "recurrence_type" },
	{ "days", 212, FT_INT, 0, FF_HEADERS, NULL },
	{ "day_in_month", 213, FT_INT, 0, FF_HEADERS, NULL },
	{ "month", 214, FT_INT, 0, FF_HEADERS, NULL },
	{ "interval", 215, FT_INT, 0, FF_HEADERS, NULL },
	{ "until", 216, FT_DATE, 0, FF_HEADERS, NULL },
	{ "participants", 220, FT_JSON, 0, 0, NULL },
	{ "users", 221, FT_JSON, 0, FF_READONLY, NULL },
	{ "occurrences", 222, FT_INT, 0, FF_ZERO | FF_HEADERS, NULL },
	{ "uid", 223, FT_STRING, 255, FF_ONCE | FF_NOINDEX | FF_LISTED, NULL },
	{ "status", 300, FT_INT, 0, FF_ZERO | FF_HEADERS, NULL },
	{ "percent_completed", 301, FT_INT, 0, FF_ZERO | FF_HEADERS, NULL },
	{ "actual_costs", 302, FT_NUMBER, 0, 0, "actual_costs" },
	{ "actual_duration", 303, FT_NUMBER, 0, 0, NULL }, /* OX sends a string of minutes */
	{ "billing_information", 305, FT_STRING, 255, 0, "billing" },
	{ "target_costs", 307, FT_NUMBER, 0, 0, "target_costs" },
	{ "target_duration", 308, FT_NUMBER, 0, 0, NULL },
	{ "priority", 309, FT_INT, 0, FF_HEADERS, NULL },
	{ "currency", 312, FT_STRING, 10, 0, "currency" },
	{ "trip_meter", 313, FT_STRING, 255, 0, "trip_meter" },
	{ "companies", 314, FT_STRING, 255, 0, "companies" },
	{ "date_completed", 315, FT_TIME, 0, FF_HEADERS, NULL },
	{ "start_time", 316, FT_TIME, 0, FF_HEADERS, NULL }, /* a day (00:00 UTC) where full_time is set */
	{ "end_time", 317, FT_TIME, 0, FF_HEADERS, NULL },
	{ "full_time", 401, FT_BOOL, 0, FF_HEADERS, NULL },
};

const struct content_type content_task = {
	.ct = CT_TASK, .name = "task", .ox_module = "tasks",
	.fields = fields, .n_fields = ARRAY_LEN(fields),
};

_Static_assert(ARRAY_LEN(fields) <= MODEL_MAX_FIELDS, "mask too small");
