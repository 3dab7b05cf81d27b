/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Deletions and answers to invitations by `chronos`, of whole appointments and of single occurrences; and the exception of a day. */
#include "backend/chronos_int.h"

#include <string.h>

/* ---- delete ---- */

/* One result an event; the error of one is in it. */
static enum rc
delete_result(const json_t *data, msec_t *lm, struct err *e)
{
	const json_t *one = json_array_get(data, 0), *error = json_object_get(one, "error");
	json_t *none;
	msec_t ts;

	if (!json_is_array(data))
		return err_set(e, RC_TIMEOUT, "OX answered a deletion with something else: the outcome is unknown");
	if (error != NULL)
		return ox_envelope(error, model_content(CT_CALENDAR), true, &none, &ts, e);
	*lm = json_integer_value(json_object_get(one, "timestamp"));
	return RC_OK;
}

static enum rc
delete_one(struct ox_session *s, const char *folder, const char *id, const char *at, msec_t lm, msec_t *new_lm, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	chronos_write_req(&r, "delete", NULL);
	chronos_guard(&r, lm);
	buf_adds(&r.body, "[{\"id\":");
	json_text_string(&r.body, id, strlen(id));
	buf_adds(&r.body, ",\"folder\":\"");
	folder_text(&r.body, folder);
	buf_addc(&r.body, '"');
	if (at != NULL)
		buf_addf(&r.body, ",\"recurrenceId\":\"%s\"", at);
	buf_adds(&r.body, "}]");
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = delete_result(a.data, new_lm, e);
	ox_answer_fini(&a);
	return rc;
}

enum rc
chronos_remove(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, struct err *e)
{
	msec_t none = 0;

	(void)ct;
	e->code[0] = '\0';
	return delete_one(s, folder, id, NULL, lm, &none, e);
}

/* The occurrence on DAY; one that is not there (any more) is no error. */
static enum rc
delete_day(struct ox_session *s, const char *folder, const char *id, const json_t *master, int64_t day, msec_t *lm, bool *done, struct err *e)
{
	char at[2][20];
	size_t n = occurrence_ids(master, day, at);
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n; i++) {
		e->code[0] = '\0';
		rc = delete_one(s, folder, id, at[i], *lm, lm, e);
		*done = *done || rc == RC_OK;
		if (rc == RC_OK || strcmp(e->code, NO_OCCURRENCE) != 0)
			return rc;
		rc = RC_OK;
	}
	return rc;
}

static bool
day_in(const json_t *days, int64_t day)
{
	json_t *v;
	size_t i;

	json_array_foreach (days, i, v)
		if (json_is_integer(v) && day_floor(json_integer_value(v)) == day)
			return true;
	return false;
}

enum rc
chronos_delete_days(struct ox_session *s, struct arena *a, const char *folder, const char *id, const json_t *days, const json_t *master, bool done, msec_t *lm, struct err *e)
{
	struct object *was = object_new(a, CT_CALENDAR);
	enum rc rc = was != NULL ? event_read(a, master, was, e) : err_set(e, RC_NOMEM, "out of memory");
	json_t *v;
	size_t i;

	json_array_foreach (rc == RC_OK ? days : NULL, i, v)
		if (rc == RC_OK && json_is_integer(v) && !day_in(was->v[cf(CF_delete_exceptions)], day_floor(json_integer_value(v))))
			rc = delete_day(s, folder, id, master, json_integer_value(v), lm, &done, e);
	object_drop(was);
	if (rc != RC_OK && done)
		rc = e->rc = RC_TIMEOUT;
	return rc;
}

/* ---- the exception of a day ---- */

/* The event at one of the recurrence ids AT of a series; *ID 0: an occurrence like all others, or none. */
static enum rc
exception_at(struct ox_session *s, const char *folder, const char *series, const char *at, int64_t *id, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	const char *text;
	enum rc rc;

	ox_req_init(&r, "chronos", "get");
	folder_param(&r, "folder", folder);
	ox_param(&r, "id", series);
	ox_param(&r, "recurrenceId", at);
	ox_param(&r, "fields", "id,seriesId");
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_NOTFOUND && strcmp(e->code, NO_OCCURRENCE) == 0)
		rc = RC_OK;
	text = rc == RC_OK ? json_string_value(json_object_get(a.data, "id")) : NULL;
	if (text != NULL && strcmp(text, series) != 0)
		(void)json_id(json_object_get(a.data, "id"), id);
	ox_answer_fini(&a);
	return rc;
}

enum rc
chronos_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e)
{
	struct ox_answer master;
	char at[2][20];
	size_t n;
	enum rc rc = chronos_event(s, folder, series, &master, e);

	*id = 0;
	if (rc != RC_OK)
		return rc;
	n = day >= 0 ? occurrence_ids(master.data, day, at) : occurrence_nth(master.data, position, at[0]) ? 1 : 0;
	for (size_t i = 0; rc == RC_OK && *id == 0 && i < n; i++)
		rc = exception_at(s, folder, series, at[i], id, e);
	ox_answer_fini(&master);
	return rc;
}

/* ---- answers to invitations ---- */

static enum rc
send_answer(struct ox_session *s, const char *folder, const char *id, const char *at, const struct ox_response *response, msec_t *lm, struct err *e)
{
	static const char *const stats[] = { "NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE" };
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	chronos_write_req(&r, "updateAttendee", folder);
	ox_param(&r, "id", id);
	if (at != NULL)
		ox_param(&r, "recurrenceId", at);
	chronos_guard(&r, 0); /* what others answer meanwhile is no reason to ask again */
	buf_adds(&r.body, "{\"attendee\":{\"entity\":");
	buf_add_i64(&r.body, ox_session_user(s)->user_id);
	buf_addf(&r.body, ",\"partStat\":\"%s\",\"comment\":", stats[response->confirmation]);
	if (response->message[0] != '\0')
		json_text_string(&r.body, response->message, strlen(response->message));
	else
		buf_adds(&r.body, "null");
	buf_adds(&r.body, "}}");
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && a.ts < FAR_FUTURE)
		*lm = a.ts;
	ox_answer_fini(&a);
	return rc;
}

enum rc
chronos_confirm(struct ox_session *s, enum content ct, const char *folder, const char *id, const struct ox_response *response, msec_t *lm, struct err *e)
{
	struct ox_answer master;
	char at[2][20];
	size_t n;
	enum rc rc;

	(void)ct;
	e->code[0] = '\0';
	if (response->occurrence < 0)
		return send_answer(s, folder, id, NULL, response, lm, e);
	rc = chronos_event(s, folder, id, &master, e);
	if (rc != RC_OK)
		return rc;
	n = occurrence_ids(master.data, response->occurrence, at);
	ox_answer_fini(&master);
	for (size_t i = 0; i < n; i++) {
		rc = send_answer(s, folder, id, at[i], response, lm, e);
		if (rc != RC_NOTFOUND || strcmp(e->code, NO_OCCURRENCE) != 0)
			return rc;
	}
	return err_set_path(e, RC_NOTFOUND, "occurrence", "is no day on which this series takes place (any more)");
}
