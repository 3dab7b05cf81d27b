/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writing contacts, appointments and tasks: create, update, delete, move.  A write is sent once; what may follow from its answer
 * is in usmd/backend.h.  Mails are in mail.c, folders in folders.c.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)

static void
common_params(struct ox_req *r, enum content ct)
{
	r->t = model_content(ct);
	r->write = true;
	ox_param(r, "timezone", "UTC");
}

static bool
is_pim(enum content ct)
{
	return ct == CT_CONTACT || ct == CT_CALENDAR || ct == CT_TASK;
}

static enum rc
not_pim(enum content ct, struct err *e)
{
	return err_set(e, RC_INTERNAL, "%s are not written this way", model_content(ct)->ox_module);
}

static int
field_no(enum content ct, const char *name)
{
	return model_field(model_content(ct), name);
}

/* ---- the body ---- */

/*
 * How a field is cleared: with null, but QUIRK(OX, 8.19): null for a flag of a task or an appointment is an error, and null for the
 * alarm of an appointment sets one at its start.
 */
static void
clear_text(struct buf *b, enum content ct, const struct field *f)
{
	if (f->type == FT_BOOL)
		buf_adds(b, "false");
	else if (ct == CT_CALENDAR && strcmp(f->name, "alarm") == 0)
		buf_adds(b, "-1");
	else
		buf_adds(b, "null");
}

/* OX stores the type that goes with a picture and gives it back with the octets. */
static size_t
picture_type(struct buf *b, const json_t *base64)
{
	const char *type = NULL;
	struct buf head;

	buf_init(&head, 0);
	if (base64_decode(&head, json_string_value(base64), json_string_length(base64)))
		type = model_picture_type(head.p, head.len);
	buf_fini(&head);
	if (type == NULL)
		return 0;
	buf_addf(b, ",\"image1_content_type\":\"%s\"", type);
	return 1;
}

static size_t
body_fields(struct buf *b, const struct object *o, const struct fmask *fields, bool create, size_t written)
{
	const struct content_type *t = model_content(o->ct);

	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct field *f = &t->fields[i];

		if (!fmask_has(fields, i) || (f->flags & FF_READONLY) != 0 || (!create && (f->flags & FF_ONCE) != 0))
			continue;
		buf_addf(b, "%s\"%s\":", written++ > 0 ? "," : "", f->name);
		if (o->v[i] == NULL) {
			clear_text(b, o->ct, f);
			continue;
		}
		json_text(b, o->v[i]);
		if ((f->flags & FF_APART) != 0)
			written += picture_type(b, o->v[i]);
	}
	return written;
}

/*
 * QUIRK(OX, all): a recurrence pattern and a start with its end are checked as one; a part of them alone is refused as incomplete.  Where the caller
 * has the rest, it goes along.
 */
static void
complete_groups(const struct object *o, struct fmask *m)
{
	static const char *const groups[][8] = {
		{ "recurrence_type", "interval", "days", "day_in_month", "month", "until", "occurrences", NULL },
		{ "start_date", "end_date", "full_time", NULL },
		{ "distribution_list", "mark_as_distributionlist", NULL },
	};

	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		bool touched = false;

		for (size_t k = 0; groups[g][k] != NULL; k++) {
			int i = field_no(o->ct, groups[g][k]);

			touched = touched || (i >= 0 && fmask_has(m, (unsigned)i));
		}
		for (size_t k = 0; touched && groups[g][k] != NULL; k++) {
			int i = field_no(o->ct, groups[g][k]);

			if (i >= 0 && o->v[i] != NULL)
				fmask_set(m, (unsigned)i);
		}
	}
}

static void
mask_drop(struct fmask *m, enum content ct, const char *name)
{
	int i = field_no(ct, name);

	if (i >= 0)
		fmask_clear(m, (unsigned)i);
}

/* ---- appointments that collide ---- */

static void
one_conflict(struct buf *b, const json_t *c)
{
	const char *title = json_string_value(json_object_get(c, "title"));
	json_t *start = json_object_get(c, "start_date");
	time_t t = json_is_integer(start) ? (time_t)(json_integer_value(start) / 1000) : 0;
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	buf_addf(b, "%s\"%.60s\" (%s)", b->len > 0 ? ", " : "", title != NULL ? title : "?", text);
}

/* QUIRK(OX, all): a collision is no error: nothing is stored, and the data lists what is in the way. */
static enum rc
check_conflicts(const json_t *data, struct err *e)
{
	const json_t *list = json_object_get(data, "conflicts");
	struct buf b;
	json_t *c;
	size_t i;
	enum rc rc;

	if (json_array_size(list) == 0)
		return RC_OK;
	buf_init(&b, 64 * 1024);
	json_array_foreach (list, i, c)
		one_conflict(&b, c);
	rc = err_set(e, RC_PROTO, "not stored, it collides with: %.200s", b.failed ? "too many" : b.p);
	if (e != NULL)
		(void)snprintf(e->code, sizeof(e->code), "%s", "CONFLICTS");
	buf_fini(&b);
	return rc;
}

/* ---- create ---- */

static enum rc
send_create(struct ox_session *s, struct ox_req *r, int64_t *id, msec_t *lm, struct err *e)
{
	struct ox_answer a;
	enum rc rc;

	rc = ox_call(s, r, &a, e);
	if (rc == RC_OK)
		rc = check_conflicts(a.data, e);
	if (rc == RC_OK && !json_id(json_object_get(a.data, "id"), id))
		rc = err_set(e, RC_TIMEOUT, "OX created an object without naming it");
	*lm = rc == RC_OK ? a.ts : 0;
	ox_answer_fini(&a);
	return rc;
}

/* An exception of a series is made by updating the series at one of its days; OX answers the new object's id. */
static enum rc
create_exception(struct ox_session *s, const char *folder, const struct object *o, struct fmask *m, const char *series, int64_t *id, msec_t *lm, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	mask_drop(m, CT_CALENDAR, "recurrence_id");
	mask_drop(m, CT_CALENDAR, "recurrence_type");
	mask_drop(m, CT_CALENDAR, "uid"); /* it is the series' */
	ox_req_init(&r, "calendar", "update");
	ox_param(&r, "id", series);
	ox_param(&r, "folder", folder);
	ox_param_i64(&r, "timestamp", o->lm != 0 ? o->lm : FAR_FUTURE);
	common_params(&r, CT_CALENDAR);
	buf_addc(&r.body, '{');
	(void)body_fields(&r.body, o, m, true, 0);
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = send_create(s, &r, id, lm, e);
	ox_req_fini(&r);
	return rc;
}

enum rc
ox_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e)
{
	const struct content_type *t = model_content(o->ct);
	const char *series = NULL;
	struct fmask m = { { 0 } };
	struct ox_req r;
	enum rc rc;

	*id = 0;
	*lm = 0;
	if (!is_pim(o->ct))
		return not_pim(o->ct, e);
	for (unsigned i = 0; i < t->n_fields; i++)
		if (o->v[i] != NULL)
			fmask_set(&m, i);
	if (o->ct == CT_CALENDAR)
		series = object_get_str(o, (unsigned)field_no(CT_CALENDAR, "recurrence_id"));
	if (series != NULL)
		return create_exception(s, folder, o, &m, series, id, lm, e);
	if (uid != NULL)
		mask_drop(&m, o->ct, "uid");
	mask_drop(&m, o->ct, "delete_exceptions"); /* a series has none before it is there */
	ox_req_init(&r, t->ox_module, "new");
	common_params(&r, o->ct);
	buf_adds(&r.body, "{\"folder_id\":");
	json_text_string(&r.body, folder, strlen(folder));
	if (uid != NULL) {
		buf_adds(&r.body, ",\"uid\":");
		json_text_string(&r.body, uid, strlen(uid));
	}
	(void)body_fields(&r.body, o, &m, true, 1);
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = send_create(s, &r, id, lm, e);
	ox_req_fini(&r);
	return rc;
}

/* ---- update ---- */

static enum rc
send_update(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, struct buf *body, msec_t *new_lm, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, model_content(ct)->ox_module, "update");
	ox_param(&r, "id", id);
	ox_param(&r, "folder", folder);
	ox_param_i64(&r, "timestamp", lm != 0 ? lm : FAR_FUTURE);
	common_params(&r, ct);
	buf_add(&r.body, body->p, body->len);
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = check_conflicts(a.data, e);
	if (rc == RC_OK && a.ts < FAR_FUTURE)
		*new_lm = a.ts;
	ox_answer_fini(&a);
	return rc;
}

/* Position of the occurrence on DAY, 0 = none any more (deleted already, or no occurrence on that day). */
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

static enum rc
send_delete(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, int64_t pos, msec_t *new_lm, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, model_content(ct)->ox_module, "delete");
	ox_param_i64(&r, "timestamp", lm != 0 ? lm : FAR_FUTURE);
	common_params(&r, ct);
	buf_adds(&r.body, "[{\"id\":");
	json_text_string(&r.body, id, strlen(id));
	buf_adds(&r.body, ",\"folder\":");
	json_text_string(&r.body, folder, strlen(folder));
	if (pos > 0)
		buf_addf(&r.body, ",\"pos\":%" PRId64, pos);
	buf_adds(&r.body, "}]");
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	/* what could not be deleted is listed; an object in its place is how contacts say "nothing" */
	if (rc == RC_OK && json_array_size(a.data) > 0)
		rc = err_set(e, RC_CONFLICT, "changed meanwhile, not deleted");
	/* contacts and tasks echo the request's timestamp; appointments tell the series' new one */
	if (rc == RC_OK && new_lm != NULL && a.ts < FAR_FUTURE)
		*new_lm = a.ts;
	ox_answer_fini(&a);
	return rc;
}

/* DONE: a part of this update is stored already, so a failure leaves it half done. */
static enum rc
delete_occurrences(struct ox_session *s, const char *folder, const char *id, const json_t *days, msec_t lm, bool done, msec_t *new_lm, struct err *e)
{
	enum rc rc = RC_OK;
	int64_t pos;
	json_t *day;
	size_t i;

	json_array_foreach (days, i, day) {
		rc = occurrence_at(s, folder, id, json_integer_value(day), &pos, e);
		if (rc == RC_OK && pos > 0) {
			*new_lm = 0;
			rc = send_delete(s, CT_CALENDAR, folder, id, lm, pos, new_lm, e);
			done = done || rc == RC_OK;
			lm = *new_lm;
		}
		if (rc != RC_OK)
			break;
	}
	if (rc != RC_OK && done)
		rc = e != NULL ? (e->rc = RC_TIMEOUT) : RC_TIMEOUT;
	return rc;
}

enum rc
ox_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm,
    msec_t *new_lm, struct err *e)
{
	const json_t *days = NULL;
	struct fmask m = *fields;
	struct buf body;
	bool any = false;
	char tmp[24];
	enum rc rc = RC_OK;
	int i;

	*new_lm = 0;
	if (o->ct == CT_MAIL)
		return ox_mail_update(s, folder, id, oxid, o, fields, e);
	if (!is_pim(o->ct))
		return not_pim(o->ct, e);
	complete_groups(o, &m);
	i = field_no(o->ct, "delete_exceptions");
	if (i >= 0 && fmask_has(&m, (unsigned)i)) {
		days = o->v[i];
		fmask_clear(&m, (unsigned)i);
	}
	buf_init(&body, 0);
	buf_addc(&body, '{');
	any = body_fields(&body, o, &m, false, 0) > 0;
	buf_addc(&body, '}');
	if (body.failed)
		rc = err_set(e, RC_LIMIT, "the object is too large");
	else if (any)
		rc = send_update(s, o->ct, folder, id_text(id, oxid, tmp), lm, &body, new_lm, e);
	buf_fini(&body);
	/* QUIRK(OX, old): a contact that stays as it is, is an error there */
	if (rc != RC_OK && o->ct == CT_CONTACT && e != NULL && strcmp(e->code, "CON-0122") == 0)
		rc = RC_OK;
	if (rc == RC_OK && days != NULL)
		rc = delete_occurrences(s, folder, id_text(id, oxid, tmp), days, any ? *new_lm : lm, any, new_lm, e);
	return rc;
}

/* ---- delete, move ---- */

/* QUIRK(OX, 8.19): deleting a task that is gone is "no permission" (TSK-0014); whether it is there, a list tells. */
static enum rc
task_delete_fault(struct ox_session *s, const char *folder, int64_t id, const char *oxid, enum rc rc, struct err *e)
{
	struct arena *a;
	struct object **o;
	struct err why;
	size_t n = 1;

	if (e == NULL || strcmp(e->code, "TSK-0014") != 0)
		return rc;
	a = arena_new(0);
	if (a == NULL)
		return rc;
	if (ox_list(s, a, CT_TASK, folder, &id, &oxid, 1, &o, &n, &why) == RC_OK) {
		object_drop_all(o, n);
		if (n == 0)
			rc = e->rc = RC_NOTFOUND;
	}
	arena_free(a);
	return rc;
}

enum rc
ox_delete(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, msec_t lm, bool hard, struct err *e)
{
	struct err local;
	char tmp[24];
	enum rc rc;

	if (e == NULL)
		e = &local;
	if (ct == CT_MAIL)
		return ox_mail_delete(s, folder, id, oxid, hard, e);
	if (!is_pim(ct))
		return not_pim(ct, e);
	rc = send_delete(s, ct, folder, id_text(id, oxid, tmp), lm, 0, NULL, e);
	if (rc == RC_FORBIDDEN && ct == CT_TASK)
		rc = task_delete_fault(s, folder, id, oxid, rc, e);
	return rc;
}

enum rc
ox_move(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, const char *to, msec_t lm,
    int64_t *new_id, msec_t *new_lm, struct err *e)
{
	struct buf body;
	char tmp[24];
	enum rc rc;

	*new_id = id;
	*new_lm = 0;
	if (ct == CT_MAIL)
		return ox_mail_move(s, folder, id, oxid, to, new_id, e);
	if (!is_pim(ct))
		return not_pim(ct, e);
	buf_init(&body, 4096);
	buf_adds(&body, "{\"folder_id\":");
	json_text_string(&body, to, strlen(to));
	buf_addc(&body, '}');
	rc = body.failed ? err_set(e, RC_LIMIT, "the folder id is too long") :
	    send_update(s, ct, folder, id_text(id, oxid, tmp), lm, &body, new_lm, e);
	buf_fini(&body);
	return rc;
}
