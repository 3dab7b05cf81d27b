/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What only appointments (and, for answers to invitations, tasks) know, by the legacy module: collisions, the exceptions of a series, confirmations.
 * A series' exception is an object of its own with the series' uid; what leads back to it is the series and the day.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- collisions ---- */

static void
take(json_t *to, const char *name, json_t *value)
{
	if (value != NULL && !json_is_null(value))
		(void)json_object_set(to, name, value);
}

/* One collision with what OX says of it to this user: of an appointment that he may not read there is no title. */
static json_t *
conflict_read(const json_t *c)
{
	static const char *const kept[] = { "title", "start_date", "end_date", "full_time", "shown_as", "participants" };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		take(o, kept[i], json_object_get(c, kept[i]));
	if (!json_is_true(json_object_get(o, "full_time")))
		(void)json_object_del(o, "full_time");
	(void)json_object_set_new(o, "hard", json_boolean(json_is_true(json_object_get(c, "hard_conflict"))));
	return o;
}

json_t *
conflicts_read(const json_t *list, bool *hard)
{
	json_t *all = json_array(), *c;
	size_t i;

	*hard = false;
	json_array_foreach (list, i, c) {
		*hard = *hard || json_is_true(json_object_get(c, "hard_conflict"));
		(void)json_array_append_new(all, conflict_read(c));
	}
	return all;
}

/* Octets of S, at most MAX, that do not end within a character. */
static int
cut(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n > max)
		for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
			;
	return (int)n;
}

static void
conflict_words(const json_t *c, size_t more, char *out, size_t size)
{
	const char *title = json_string_value(json_object_get(c, "title"));
	json_t *start = json_object_get(c, "start_date");
	time_t t = json_is_integer(start) ? (time_t)(json_integer_value(start) / 1000) : 0;
	struct tm tm;
	char when[40] = "", others[40] = "";

	if (start != NULL && gmtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), json_is_true(json_object_get(c, "full_time")) ? " on %Y-%m-%d" : " at %Y-%m-%d %H:%M UTC", &tm);
	if (more > 0)
		(void)snprintf(others, sizeof(others), " and %zu more", more);
	if (title != NULL)
		(void)snprintf(out, size, "\"%.*s\"%s%s", cut(title, 60), title, when, others);
	else
		(void)snprintf(out, size, "an appointment that you may not see%s%s", when, others);
}

enum rc
ox_check_conflicts(const json_t *data, const struct object *o, struct err *e)
{
	const json_t *list = json_object_get(data, "conflicts");
	char words[160];
	json_t *all;
	bool hard;
	enum rc rc;

	if (json_array_size(list) == 0)
		return RC_OK;
	all = conflicts_read(list, &hard);
	conflict_words(json_array_get(all, 0), json_array_size(all) - 1, words, sizeof(words));
	rc = err_set(e, RC_PROTO, "Not stored, it collides with %s: %s", words,
	    hard ? "choose another time or resource." : "choose another time, or store it in spite of that.");
	if (e != NULL)
		(void)snprintf(e->code, sizeof(e->code), "%s", OX_CONFLICTS);
	if (o->how != NULL && o->how->conflicts == NULL)
		o->how->conflicts = all;
	else
		json_decref(all);
	return rc;
}

/* ---- exceptions of a series ---- */

/* OX begins an exception as a copy of its series: what it is to lack must be said. */
void
exception_fields(const struct object *o, struct fmask *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < model_content(CT_CALENDAR)->n_fields; i++)
		if (o->v[i] != NULL || (o->how != NULL && fmask_has(&o->how->said, i)))
			fmask_set(m, i);
}

/* Takes the fields that the series decides and a position at which OX finds the occurrence; folder and id are of the series. */
enum rc
ox_exception_create(struct ox_session *s, const char *folder, const struct object *o, const char *series, int64_t *id, msec_t *lm, struct err *e)
{
	static const char *const of_series[] = { "recurrence_id", "recurrence_type", "uid", "days", "day_in_month", "month", "interval", "until",
		"occurrences", "delete_exceptions" };
	struct fmask m;
	struct ox_req r;
	enum rc rc;

	exception_fields(o, &m);
	for (size_t i = 0; i < ARRAY_LEN(of_series); i++)
		mask_drop(&m, CT_CALENDAR, of_series[i]);
	ox_req_init(&r, "calendar", "update");
	ox_param(&r, "id", series);
	ox_param(&r, "folder", folder);
	ox_param_i64(&r, "timestamp", o->lm != 0 ? o->lm : FAR_FUTURE);
	write_params(&r, CT_CALENDAR);
	buf_addc(&r.body, '{');
	write_how(&r.body, o, write_fields(&r.body, o, &m, true, 0));
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = send_create(s, &r, o, id, lm, e);
	ox_req_fini(&r);
	return rc;
}

enum rc
classic_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	json_t *row;
	size_t i;
	enum rc rc;

	*id = 0;
	ox_req_init(&r, "calendar", "getChangeExceptions");
	ox_param(&r, "id", series);
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", "1,207,208");
	ox_param(&r, "timezone", "UTC");
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	json_array_foreach (rc == RC_OK ? a.data : NULL, i, row) {
		json_t *at = json_array_get(row, 2);

		/* by day where the day is known: positions shift when a series gets another beginning */
		if (day >= 0 ? json_is_integer(at) && json_integer_value(at) == day : json_integer_value(json_array_get(row, 1)) == position)
			(void)json_id(json_array_get(row, 0), id);
	}
	ox_answer_fini(&a);
	return rc;
}

/* Position of the occurrence on DAY, 0 = none that is as the series says (deleted, changed, or no occurrence on that day). */
static enum rc
occurrence_at(struct ox_session *s, const char *folder, const char *id, msec_t day, int64_t *pos, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	int64_t have;
	json_t *row;
	char tmp[24];
	size_t i;
	enum rc rc;

	*pos = 0;
	ox_req_init(&r, "calendar", "all");
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", "1,207,208");
	ox_param_i64(&r, "start", day - DAY_MS);
	ox_param_i64(&r, "end", day + 2 * DAY_MS);
	ox_param(&r, "timezone", "UTC");
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	json_array_foreach (rc == RC_OK ? a.data : NULL, i, row)
		if (json_id(json_array_get(row, 0), &have) && strcmp(id_text(have, NULL, tmp), id) == 0 && json_integer_value(json_array_get(row, 2)) == day)
			*pos = json_integer_value(json_array_get(row, 1));
	ox_answer_fini(&a);
	return rc;
}

/* The days that are deleted already, so that only new ones cost a request. */
static enum rc
deleted_days(struct ox_session *s, const char *folder, const char *id, json_t **out, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	*out = NULL;
	ox_req_init(&r, "calendar", "get");
	ox_param(&r, "id", id);
	ox_param(&r, "folder", folder);
	ox_param(&r, "timezone", "UTC");
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		*out = json_incref(json_object_get(a.data, "delete_exceptions"));
	ox_answer_fini(&a);
	return rc;
}

static bool
has_day(const json_t *days, msec_t day)
{
	for (size_t i = 0; i < json_array_size(days); i++)
		if (json_integer_value(json_array_get(days, i)) == day)
			return true;
	return false;
}

/* One occurrence, changed or not; a day without one is no fault.  *LM: guard, then OX's timestamp of the deletion. */
static enum rc
delete_occurrence(struct ox_session *s, const char *folder, const char *id, msec_t day, msec_t *lm, bool *done, struct err *e)
{
	int64_t pos, changed;
	char tmp[24];
	msec_t at = 0;
	enum rc rc = occurrence_at(s, folder, id, day, &pos, e);

	if (rc == RC_OK && pos > 0) {
		rc = send_delete(s, CT_CALENDAR, folder, id, *lm, pos, &at, e);
	} else if (rc == RC_OK) {
		rc = classic_exception_find(s, folder, id, day, 0, &changed, e);
		if (rc != RC_OK || changed == 0)
			return rc;
		/* the exception has a version of its own that nobody named: that it is to go is what the series' new list says */
		rc = send_delete(s, CT_CALENDAR, folder, id_text(changed, NULL, tmp), 0, 0, &at, e);
	}
	if (rc == RC_OK && at != 0) {
		*done = true;
		*lm = at;
	}
	return rc;
}

enum rc
ox_delete_occurrences(struct ox_session *s, const char *folder, const char *id, const json_t *days, msec_t lm, bool done, msec_t *new_lm, struct err *e)
{
	json_t *gone, *day;
	size_t i;
	enum rc rc = deleted_days(s, folder, id, &gone, e);

	json_array_foreach (rc == RC_OK ? days : NULL, i, day) {
		if (has_day(gone, json_integer_value(day)))
			continue;
		rc = delete_occurrence(s, folder, id, json_integer_value(day), &lm, &done, e);
		if (rc != RC_OK)
			break;
		*new_lm = done ? lm : *new_lm;
	}
	json_decref(gone);
	if (rc != RC_OK && done)
		rc = e != NULL ? (e->rc = RC_TIMEOUT) : RC_TIMEOUT;
	return rc;
}

/* ---- answers to invitations ---- */

enum rc
classic_confirm(struct ox_session *s, enum content ct, const char *folder, const char *id, const struct ox_response *response, msec_t *lm, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	int64_t pos = 0;
	enum rc rc = RC_OK;

	if (ct == CT_CALENDAR && response->occurrence >= 0) {
		rc = occurrence_at(s, folder, id, response->occurrence, &pos, e);
		if (rc == RC_OK && pos == 0)
			rc = err_set_path(e, RC_NOTFOUND, "occurrence", "is no day on which this series takes place (any more)");
	}
	if (rc != RC_OK)
		return rc;
	ox_req_init(&r, model_content(ct)->ox_module, "confirm");
	ox_param(&r, "id", id);
	ox_param(&r, "folder", folder);
	ox_param_i64(&r, "timestamp", FAR_FUTURE); /* what others answer meanwhile is no reason to ask again */
	if (pos > 0)
		ox_param_i64(&r, "occurrence", pos);
	write_params(&r, ct);
	buf_addf(&r.body, "{\"confirmation\":%d,\"confirmmessage\":", (int)response->confirmation);
	json_text_string(&r.body, response->message, strlen(response->message));
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && a.ts < FAR_FUTURE)
		*lm = a.ts;
	ox_answer_fini(&a);
	return rc;
}
