/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* An event as an appointment.  Pure: no request is made here. */
#include "backend/chronos_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static unsigned numbers[CF_COUNT];
static pthread_once_t numbers_once = PTHREAD_ONCE_INIT;

static void
numbers_init(void)
{
	static const char *const names[CF_COUNT] = {
#define X(name) #name,
		CHRONOS_FIELDS(X)
#undef X
	};

	for (int i = 0; i < CF_COUNT; i++) {
		int n = model_field(model_content(CT_CALENDAR), names[i]);

		numbers[i] = n >= 0 ? (unsigned)n : 0;
	}
}

unsigned
cf(enum cf f)
{
	(void)pthread_once(&numbers_once, numbers_init);
	return numbers[f];
}

static const json_t *
get(const json_t *v, const char *name)
{
	const json_t *m = json_object_get(v, name);

	return json_is_null(m) ? NULL : m;
}

static void
copy(struct object *o, enum cf f, const json_t *event, const char *name)
{
	object_set(o, cf(f), json_incref(json_object_get(event, name)));
}

static void
put_i64(struct object *o, enum cf f, int64_t v)
{
	object_set(o, cf(f), json_integer(v));
}

/* ---- identity ---- */

static enum rc
read_identity(struct arena *a, const json_t *event, struct object *o, struct err *e)
{
	const char *id = json_string_value(get(event, "id")), *folder = json_string_value(get(event, "folder"));
	int64_t lm = json_integer_value(get(event, "timestamp"));
	enum rc rc;

	if (id == NULL)
		return err_set(e, RC_UPSTREAM, "OX answered an appointment without an id");
	rc = cell_set(a, o, cf(CF_id), json_string(id), e);
	if (rc == RC_OK && folder != NULL)
		rc = cell_set(a, o, cf(CF_folder_id), json_string(strncmp(folder, PROVIDER, strlen(PROVIDER)) == 0 ? folder + strlen(PROVIDER) : folder), e);
	/* OX compares the guard of a write with `timestamp`, which moves at least as often as lastModified */
	if (lm < json_integer_value(get(event, "lastModified")))
		lm = json_integer_value(get(event, "lastModified"));
	if (rc == RC_OK && lm != 0)
		rc = cell_set(a, o, cf(CF_last_modified_utc), json_integer(lm), e);
	return rc;
}

/* What changes with every touch: for clients that show it, no part of the comparison. */
static void
read_noise(const json_t *event, struct object *o)
{
	copy(o, CF_creation_date, event, "created");
	copy(o, CF_last_modified, event, "lastModified");
	object_set(o, cf(CF_created_by), json_incref(json_object_get(json_object_get(event, "createdBy"), "entity")));
	object_set(o, cf(CF_modified_by), json_incref(json_object_get(json_object_get(event, "modifiedBy"), "entity")));
	copy(o, CF_sequence, event, "sequence");
	copy(o, CF_uid, event, "uid");
}

/* ---- plain fields ---- */

static const char *const colors[][4] = { { NULL }, { "#CFE6FF", "lightblue", "#ADD8E6", "#9bceff" }, { "#9BC8F7", "darkblue", "#6ca0df", "#00008B" },
	{ "#B89AE9", "purple", "#a889d6", "#800080" }, { "#F7C7E0", "pink", "#e2b3e2", "#FFC0CB" }, { "#FFE2E2", "red", "#e7a9ab", "#FF0000" },
	{ "#FDE2B9", "orange", "#ffb870", "#FFA500" }, { "#FFEEB0", "yellow", "#f2de88", "#FFFF00" }, { "#E6EFBD", "lightgreen", "#c2d082", "#90EE90" },
	{ "#C5D481", "darkgreen", "#809753", "#006400" }, { "#6B6B6B", "gray", "#4d4d4d", "#808080" } };

const char *
color_of_label(int64_t label)
{
	return label > 0 && label < (int64_t)ARRAY_LEN(colors) ? colors[label][0] : NULL;
}

static int
label_of_color(const char *color)
{
	for (size_t i = 1; color != NULL && i < ARRAY_LEN(colors); i++)
		for (size_t k = 0; k < ARRAY_LEN(colors[i]); k++)
			if (strcmp(colors[i][k], color) == 0)
				return (int)i;
	return 0;
}

static enum rc
read_categories(const json_t *list, struct object *o, struct err *e)
{
	struct buf b;
	json_t *v;
	size_t i;
	enum rc rc = RC_OK;

	if (json_array_size(list) == 0)
		return RC_OK;
	buf_init(&b, 0);
	json_array_foreach (list, i, v) {
		if (i > 0)
			buf_addc(&b, ',');
		if (json_is_string(v))
			buf_add(&b, json_string_value(v), json_string_length(v));
	}
	if (b.failed)
		rc = err_set(e, RC_NOMEM, "out of memory");
	else if (b.len > 0)
		object_set(o, cf(CF_categories), json_stringn(b.p, b.len));
	buf_fini(&b);
	return rc;
}

static void
read_attachments(const json_t *list, struct object *o)
{
	int64_t newest = 0, created;
	json_t *v;
	size_t i;

	put_i64(o, CF_number_of_attachments, (int64_t)json_array_size(list));
	json_array_foreach (list, i, v) {
		created = json_integer_value(json_object_get(v, "created"));
		newest = created > newest ? created : newest;
	}
	if (newest > 0)
		put_i64(o, CF_lastModifiedOfNewestAttachmentUTC, newest);
}

static const char *
address(const json_t *user)
{
	const char *uri = json_string_value(get(user, "uri"));

	return uri != NULL && strncmp(uri, "mailto:", 7) == 0 ? uri + 7 : uri;
}

/* Who has sent it for whom: with a sentBy, that is the organizer of the legacy module, and the organizer its principal. */
static void
read_organizer(const json_t *organizer, struct object *o)
{
	const json_t *by = get(organizer, "sentBy"), *first = by != NULL ? by : organizer;
	const json_t *entity = get(first, "entity");

	if (organizer == NULL)
		return;
	if (address(first) != NULL)
		object_set(o, cf(CF_organizer), json_string(address(first)));
	put_i64(o, CF_organizerId, entity != NULL ? json_integer_value(entity) : -1);
	if (by == NULL)
		return;
	if (address(organizer) != NULL)
		object_set(o, cf(CF_principal), json_string(address(organizer)));
	put_i64(o, CF_principalId, json_integer_value(get(organizer, "entity")));
}

static enum rc
read_plain(const json_t *event, struct object *o, struct err *e)
{
	const char *class = json_string_value(get(event, "class")), *transp = json_string_value(get(event, "transp"));

	copy(o, CF_title, event, "summary");
	copy(o, CF_location, event, "location");
	copy(o, CF_note, event, "description");
	object_set(o, cf(CF_private_flag), json_boolean(class != NULL && strcmp(class, "PUBLIC") != 0));
	put_i64(o, CF_color_label, label_of_color(json_string_value(get(event, "color"))));
	if (transp != NULL)
		put_i64(o, CF_shown_as, strcmp(transp, "TRANSPARENT") == 0 ? 4 : 1);
	read_attachments(get(event, "attachments"), o);
	read_organizer(get(event, "organizer"), o);
	return read_categories(get(event, "categories"), o, e);
}

/* ---- alarms ---- */

/* [+-]P[nW][nD][T[nH][nM][nS]] in seconds; false: no duration. */
static bool
duration(const char *s, int64_t *seconds)
{
	static const char unit[] = "WDHMS";
	static const int64_t length[] = { 604800, 86400, 3600, 60, 1 };
	bool minus = *s == '-', any = false;
	int64_t n = 0, sum = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (*s++ != 'P')
		return false;
	for (bool digits = false; *s != '\0'; s++) {
		const char *u = strchr(unit, *s);

		if (*s >= '0' && *s <= '9' && n < 100000000) {
			n = n * 10 + (*s - '0');
			digits = true;
		} else if (u != NULL && digits) {
			sum += n * length[u - unit];
			n = 0;
			digits = false;
			any = true;
		} else if (*s != 'T' || digits) {
			return false;
		}
	}
	*seconds = minus ? -sum : sum;
	return any;
}

int64_t
alarm_minutes(const json_t *alarm)
{
	const json_t *trigger = get(alarm, "trigger");
	const char *action = json_string_value(get(alarm, "action")), *related = json_string_value(get(trigger, "related"));
	const char *text = json_string_value(get(trigger, "duration"));
	int64_t s;

	if (action == NULL || strcmp(action, "DISPLAY") != 0 || (related != NULL && strcmp(related, "START") != 0) || text == NULL || !duration(text, &s) || s > 0)
		return -1;
	return -s / 60;
}

/* The first reminder counts.  Of a single appointment a reminder that its user has dismissed is none any more (OX's source). */
static void
read_alarms(const json_t *list, bool series, struct object *o)
{
	int64_t minutes = -1, acknowledged;
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		minutes = alarm_minutes(v);
		if (minutes >= 0)
			break;
	}
	if (minutes < 0)
		return;
	acknowledged = json_integer_value(get(json_array_get(list, 0), "acknowledged"));
	if (series || json_array_size(list) != 1 || acknowledged == 0 || acknowledged < object_get_i64(o, cf(CF_start_date), 0) - minutes * 60000)
		put_i64(o, CF_alarm, minutes);
}

/* ---- times and series ---- */

const char *
event_series(const json_t *event)
{
	const char *id = json_string_value(get(event, "id")), *series = json_string_value(get(event, "seriesId"));

	return id != NULL && series != NULL && strcmp(id, series) != 0 ? series : NULL;
}

/* "Europe/Berlin:20261214T090000", "20261214T080000Z", "20261214"; *LOCAL on the clock of the series. */
static bool
recurrence_time(const char *text, int64_t *utc, int64_t *local)
{
	const char *colon = text != NULL ? strrchr(text, ':') : NULL;
	char zone[80];
	enum stamp_kind kind;

	if (!stamp_parse(colon != NULL ? colon + 1 : text, local, &kind))
		return false;
	*utc = *local;
	if (colon == NULL || (size_t)(colon - text) >= sizeof(zone))
		return true;
	memcpy(zone, text, (size_t)(colon - text));
	zone[colon - text] = '\0';
	*utc = zone_to_utc(zone, *local);
	return true;
}

/* The legacy module knows occurrences by their day in UTC (OX's source). */
static void
read_days(struct object *o, enum cf f, const json_t *dates)
{
	int64_t utc, local;
	json_t *days, *v;
	size_t i;

	if (json_array_size(dates) == 0)
		return;
	days = json_array();
	json_array_foreach (dates, i, v)
		if (recurrence_time(json_string_value(v), &utc, &local))
			(void)json_array_append_new(days, json_integer(day_floor(utc)));
	object_set(o, cf(f), days);
}

static void
put_rule(struct object *o, const char *text, const struct rule *r)
{
	static const struct { enum cf f; size_t at; } words[] = {
		{ CF_days, offsetof(struct rule, days) }, { CF_day_in_month, offsetof(struct rule, day_in_month) }, { CF_occurrences, offsetof(struct rule, occurrences) },
	};

	if (!r->exact)
		object_set(o, cf(CF_rrule), json_string(text));
	if (r->type == 0)
		return;
	put_i64(o, CF_recurrence_type, r->type);
	put_i64(o, CF_interval, r->interval);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		int64_t v;

		memcpy(&v, (const char *)r + words[i].at, sizeof(v));
		if (v != 0)
			put_i64(o, words[i].f, v);
	}
	if (r->type == 4)
		put_i64(o, CF_month, r->month);
	if (r->has_until)
		put_i64(o, CF_until, r->until);
}

/* The pattern; and the legacy module shows a series at its first occurrence, wherever its own start lies. */
static void
read_series(const char *text, const struct event_time *start, struct object *o, int64_t *shift)
{
	struct rule r;
	int64_t first;

	(void)rule_read(text, start, &r);
	put_rule(o, text, &r);
	if (r.type != 0 && rule_nth(text, start->local, 1, &first) && first != start->local)
		*shift = zone_to_utc(start->zone, first) - start->utc;
	put_i64(o, CF_recurrence_start, day_floor(start->utc + *shift));
}

static enum rc
read_times(const json_t *event, struct object *o, struct err *e)
{
	const char *rule = json_string_value(get(event, "rrule")), *series = json_string_value(get(event, "seriesId"));
	const char *at = json_string_value(get(event, "recurrenceId"));
	struct event_time start, end = { 0 };
	int64_t utc, local, shift = 0;

	if (!event_time_read(get(event, "startDate"), &start) || (get(event, "endDate") != NULL && !event_time_read(get(event, "endDate"), &end)))
		return err_set(e, RC_UPSTREAM, "OX answered an appointment whose times are of an unknown zone or kind");
	if (series != NULL)
		object_set(o, cf(CF_recurrence_id), json_string(series));
	if (rule != NULL && event_series(event) == NULL)
		read_series(rule, &start, o, &shift);
	if (event_series(event) != NULL && recurrence_time(at, &utc, &local))
		put_i64(o, CF_recurrence_date_position, day_floor(utc));
	put_i64(o, CF_start_date, start.utc + shift);
	if (get(event, "endDate") != NULL)
		put_i64(o, CF_end_date, end.utc + shift);
	object_set(o, cf(CF_full_time), json_boolean(start.full));
	if (!start.full && !start.floating)
		object_set(o, cf(CF_timezone), json_string(start.zone != NULL ? start.zone : "UTC"));
	read_days(o, CF_change_exceptions, get(event, "changeExceptionDates"));
	read_days(o, CF_delete_exceptions, get(event, "deleteExceptionDates"));
	return RC_OK;
}

enum rc
event_read(struct arena *a, const json_t *event, struct object *o, struct err *e)
{
	enum rc rc = read_identity(a, event, o, e);

	if (rc == RC_OK)
		rc = read_times(event, o, e);
	if (rc == RC_OK)
		rc = read_plain(event, o, e);
	if (rc == RC_OK && get(event, "attendees") != NULL)
		rc = people_read(get(event, "attendees"), o, e);
	if (rc != RC_OK)
		return rc;
	read_noise(event, o);
	read_alarms(get(event, "alarms"), object_get_i64(o, cf(CF_recurrence_type), 0) != 0, o);
	return RC_OK;
}

void
event_position(struct object *o, const json_t *event, const json_t *master)
{
	const char *rule = json_string_value(get(master, "rrule"));
	struct event_time start;
	int64_t utc, local, n;

	if (rule == NULL || !event_time_read(get(master, "startDate"), &start) || !recurrence_time(json_string_value(get(event, "recurrenceId")), &utc, &local))
		return;
	n = rule_position(rule, start.local, zone_to_local(start.zone, utc));
	if (n > 0)
		put_i64(o, CF_recurrence_position, n);
}
