/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writing appointments by `chronos`.  What a change means may depend on what is there (chronos_body.c); then that is read first, and
 * a version newer than the guard is a conflict before anything is sent.
 */
#include "backend/chronos_int.h"

#include <stdio.h>
#include <string.h>

/* `timestamp` guards; collisions are told, not stored over, as the legacy module does it. */
void
chronos_write_req(struct ox_req *r, const char *action, const char *folder)
{
	ox_req_init(r, "chronos", action);
	r->t = model_content(CT_CALENDAR);
	r->write = true;
	if (folder != NULL)
		folder_param(r, "folder", folder);
	ox_param(r, "timezone", "UTC");
}

void
chronos_guard(struct ox_req *r, msec_t lm)
{
	ox_param_i64(r, "timestamp", lm != 0 ? lm : FAR_FUTURE);
}

/* How O is to be written: whether it may collide, and whether OX tells the participants by mail (the first name is that of 7.10's first releases). */
static void
how_params(struct ox_req *r, const struct object *o)
{
	bool silent = o->how != NULL && o->how->silent;

	ox_param(r, "checkConflicts", o->how != NULL && o->how->ignore_conflicts ? "false" : "true");
	ox_param(r, "sendInternalNotifications", silent ? "false" : "true");
	ox_param(r, "scheduling", silent ? "none" : "all");
}

/* ---- what is in the way ---- */

/* In the words of the legacy module, which ox_check_conflicts and clients know. */
static json_t *
conflict_of(struct arena *a, const json_t *c)
{
	static const struct { enum cf f; const char *name; } told[] = {
		{ CF_id, "id" }, { CF_folder_id, "folder_id" }, { CF_title, "title" }, { CF_start_date, "start_date" }, { CF_end_date, "end_date" },
		{ CF_shown_as, "shown_as" }, { CF_full_time, "full_time" }, { CF_participants, "participants" },
	};
	struct object *o = object_new(a, CT_CALENDAR);
	json_t *out = json_object();

	if (o == NULL || out == NULL || event_read(a, json_object_get(c, "event"), o, NULL) != RC_OK ||
	    people_read(json_object_get(c, "conflicting_attendees"), o, NULL) != RC_OK) {
		object_drop(o);
		return out;
	}
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		if (o->v[cf(told[i].f)] != NULL)
			(void)json_object_set(out, told[i].name, o->v[cf(told[i].f)]);
	if (json_is_true(json_object_get(c, "hard_conflict")))
		(void)json_object_set_new(out, "hard_conflict", json_true());
	object_drop(o);
	return out;
}

json_t *
chronos_conflicts(struct arena *a, const json_t *list)
{
	json_t *all = json_array(), *c;
	size_t i;

	json_array_foreach (list, i, c)
		(void)json_array_append_new(all, conflict_of(a, c));
	return all;
}

static enum rc
collisions(const json_t *data, const struct object *o, struct err *e)
{
	const json_t *list = json_object_get(data, "conflicts");
	struct arena *a;
	json_t *all;
	enum rc rc;

	if (json_array_size(list) == 0)
		return RC_OK;
	a = arena_new(0);
	all = a != NULL ? json_pack("{s:o}", "conflicts", chronos_conflicts(a, list)) : NULL;
	rc = json_array_size(json_object_get(all, "conflicts")) > 0 ? ox_check_conflicts(all, o, e) : err_set(e, RC_NOMEM, "out of memory");
	json_decref(all);
	arena_free(a);
	return rc;
}

/* ---- create ---- */

/* The id of the event that a write made: `created`, or of an exception that was there already the one of `updated` that is no series. */
static bool
made_id(const json_t *data, const char *series, int64_t *id)
{
	const json_t *one = json_array_get(json_object_get(data, "created"), 0);
	json_t *v;
	size_t i;

	if (one != NULL)
		return json_made_id(json_object_get(one, "id"), id);
	json_array_foreach (json_object_get(data, "updated"), i, v) {
		const char *text = json_string_value(json_object_get(v, "id"));

		if (series != NULL && text != NULL && strcmp(text, series) != 0)
			return json_made_id(json_object_get(v, "id"), id);
	}
	return false;
}

static enum rc
send_made(struct ox_session *s, struct ox_req *r, const struct object *o, const char *series, int64_t *id, msec_t *lm, struct err *e)
{
	struct ox_answer a;
	enum rc rc = ox_call(s, r, &a, e);

	if (rc == RC_OK)
		rc = collisions(a.data, o, e);
	if (rc == RC_OK && !made_id(a.data, series, id))
		rc = err_set(e, RC_TIMEOUT, "OX created an appointment without naming it");
	*lm = rc == RC_OK ? a.ts : 0;
	ox_answer_fini(&a);
	return rc;
}

static void
drop(struct fmask *m, enum cf f)
{
	fmask_clear(m, cf(f));
}

static void
set_fields(const struct object *o, struct fmask *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < model_content(CT_CALENDAR)->n_fields; i++)
		if (o->v[i] != NULL)
			fmask_set(m, i);
}

/* The series' occurrences that O may mean. */
static size_t
occurrences_of(const struct object *o, const json_t *master, char ids[2][20])
{
	int64_t pos = object_get_i64(o, cf(CF_recurrence_position), 0);

	if (o->v[cf(CF_recurrence_date_position)] != NULL)
		return occurrence_ids(master, object_get_i64(o, cf(CF_recurrence_date_position), 0), ids);
	return pos > 0 && occurrence_nth(master, pos, ids[0]) ? 1 : 0;
}

static enum rc
send_exception(struct ox_session *s, const char *folder, const struct object *o, const char *series, const char *at, const char *body, size_t n,
    int64_t *id, msec_t *lm, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	chronos_write_req(&r, "update", folder);
	ox_param(&r, "id", series);
	ox_param(&r, "recurrenceId", at);
	how_params(&r, o);
	chronos_guard(&r, o->lm);
	buf_adds(&r.body, "{\"event\":{");
	buf_add(&r.body, body, n);
	buf_adds(&r.body, "}}");
	r.has_body = true;
	rc = send_made(s, &r, o, series, id, lm, e);
	ox_req_fini(&r);
	return rc;
}

static enum rc
create_exception(struct ox_session *s, struct arena *a, const char *folder, const struct object *o, const char *series, int64_t *id, msec_t *lm, struct err *e)
{
	static const enum cf of_series[] = { CF_uid, CF_recurrence_type, CF_interval, CF_days, CF_day_in_month, CF_month, CF_until, CF_occurrences };
	struct ox_answer master;
	struct fmask m;
	struct buf body;
	char at[2][20];
	size_t n;
	enum rc rc = chronos_event(s, folder, series, &master, e);

	if (rc != RC_OK)
		return rc;
	exception_fields(o, &m);
	for (size_t i = 0; i < ARRAY_LEN(of_series); i++)
		drop(&m, of_series[i]);
	buf_init(&body, 0);
	(void)event_body(&body, a, o, &m, master.data);
	n = occurrences_of(o, master.data, at);
	rc = body.failed ? err_set(e, RC_LIMIT, "the object is too large") :
	    err_set_path(e, RC_PROTO, "recurrence_date_position", "the series has no occurrence there");
	for (size_t i = 0; i < n && !body.failed; i++) {
		rc = send_exception(s, folder, o, series, at[i], body.p != NULL ? body.p : "", body.len, id, lm, e);
		if (strcmp(e->code, NO_OCCURRENCE) != 0)
			break;
	}
	if (rc != RC_OK && strcmp(e->code, NO_OCCURRENCE) == 0)
		rc = err_set_path(e, RC_PROTO, "recurrence_date_position", "the series has no occurrence there");
	buf_fini(&body);
	ox_answer_fini(&master);
	return rc;
}

static enum rc
create_new(struct ox_session *s, struct arena *a, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e)
{
	struct fmask m;
	struct ox_req r;
	enum rc rc;

	set_fields(o, &m);
	chronos_write_req(&r, "new", folder);
	how_params(&r, o);
	buf_addc(&r.body, '{');
	if (uid != NULL) {
		drop(&m, CF_uid);
		buf_adds(&r.body, "\"uid\":");
		json_text_string(&r.body, uid, strlen(uid));
		buf_addc(&r.body, ',');
	}
	if (event_body(&r.body, a, o, &m, NULL) == 0 && uid != NULL)
		r.body.len--;
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = send_made(s, &r, o, NULL, id, lm, e);
	ox_req_fini(&r);
	return rc;
}

enum rc
chronos_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e)
{
	const char *series = object_get_str(o, cf(CF_recurrence_id));
	struct arena *a = arena_new(0);
	enum rc rc;

	if (a == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	e->code[0] = '\0';
	rc = series != NULL ? create_exception(s, a, folder, o, series, id, lm, e) : create_new(s, a, folder, o, uid, id, lm, e);
	arena_free(a);
	return rc;
}

/* ---- update, move ---- */

/* O: what is written, NULL where nothing can collide. */
static enum rc
send_update(struct ox_session *s, struct ox_req *r, const struct object *o, msec_t *new_lm, struct err *e)
{
	struct ox_answer a;
	enum rc rc = ox_call(s, r, &a, e);

	if (rc == RC_OK && o != NULL)
		rc = collisions(a.data, o, e);
	if (rc == RC_OK && a.ts < FAR_FUTURE)
		*new_lm = a.ts;
	ox_answer_fini(&a);
	return rc;
}

/* What OX checks together: where the caller has the rest, it goes along. */
static struct fmask
complete(const struct object *o, const struct fmask *fields)
{
	struct fmask m = *fields, together;

	ox_update_together(CT_CALENDAR, fields, &together);
	for (unsigned i = 0; i < model_content(CT_CALENDAR)->n_fields; i++)
		if (fmask_has(&together, i) && o->v[i] != NULL)
			fmask_set(&m, i);
	pattern_end(o, fields, &m);
	drop(&m, CF_delete_exceptions);
	return m;
}

static enum rc
update_on(struct ox_session *s, struct arena *a, const char *folder, const char *id, const struct object *o, const struct fmask *fields, const json_t *base, msec_t lm,
    msec_t *new_lm, struct err *e)
{
	const json_t *days = fmask_has(fields, cf(CF_delete_exceptions)) ? o->v[cf(CF_delete_exceptions)] : NULL;
	struct fmask m = complete(o, fields);
	struct ox_answer now = { 0 };
	struct ox_req r;
	bool any;
	enum rc rc = RC_OK;

	chronos_write_req(&r, "update", folder);
	ox_param(&r, "id", id);
	how_params(&r, o);
	chronos_guard(&r, lm);
	buf_adds(&r.body, "{\"event\":{");
	any = event_body(&r.body, a, o, &m, base) > 0;
	buf_adds(&r.body, "}}");
	r.has_body = true;
	if (r.body.failed)
		rc = err_set(e, RC_LIMIT, "the object is too large");
	else if (any)
		rc = send_update(s, &r, o, new_lm, e);
	ox_req_fini(&r);
	if (rc != RC_OK || days == NULL)
		return rc;
	lm = any ? *new_lm : lm;
	if (any) { /* the days may be of the series as it is now: OX names them by its new hour, and has moved those that were deleted */
		rc = chronos_event(s, folder, id, &now, e);
		if (rc != RC_OK)
			rc = e->rc = RC_TIMEOUT;
	}
	if (rc == RC_OK)
		rc = chronos_delete_days(s, a, folder, id, days, any ? now.data : base, any, &lm, e);
	*new_lm = lm;
	ox_answer_fini(&now);
	return rc;
}

enum rc
chronos_update(struct ox_session *s, const char *folder, const char *id, const struct object *o, const struct fmask *fields, msec_t lm, msec_t *new_lm, struct err *e)
{
	struct ox_answer base = { 0 };
	struct arena *a = arena_new(0);
	enum rc rc = a != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");

	e->code[0] = '\0';
	if (rc == RC_OK && event_needs_base(fields))
		rc = chronos_event(s, folder, id, &base, e);
	if (rc == RC_OK && base.data != NULL && lm != 0 && json_integer_value(json_object_get(base.data, "timestamp")) > lm)
		rc = err_set(e, RC_CONFLICT, "changed meanwhile");
	if (rc == RC_OK)
		rc = update_on(s, a, folder, id, o, fields, base.data, lm, new_lm, e);
	ox_answer_fini(&base);
	arena_free(a);
	return rc;
}

enum rc
chronos_move(struct ox_session *s, enum content ct, const char *folder, const char *id, const char *to, msec_t lm, msec_t *new_lm, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	(void)ct;
	chronos_write_req(&r, "move", folder);
	ox_param(&r, "id", id);
	folder_param(&r, "targetFolder", to);
	chronos_guard(&r, lm);
	buf_adds(&r.body, "{}");
	r.has_body = true;
	rc = send_update(s, &r, NULL, new_lm, e);
	ox_req_fini(&r);
	return rc;
}
