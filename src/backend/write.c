/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writing contacts, tasks and - by the legacy module - appointments: create, update, delete, move.  A write is sent once; what may follow
 * from its answer is in usmd/backend.h.  Mails are in mail.c, folders in folders.c, events in chronos_write.c.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
write_params(struct ox_req *r, enum content ct)
{
	r->t = model_content(ct);
	r->write = true;
	ox_param(r, "timezone", "UTC");
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

/* Returns the number of members written, WRITTEN included. */
size_t
write_fields(struct buf *b, const struct object *o, const struct fmask *fields, bool create, size_t written)
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

/* The members that say how an appointment or a task is to be written.  OX tells the participants by mail only where it is asked to. */
void
write_how(struct buf *b, const struct object *o, size_t written)
{
	if (o->ct != CT_CALENDAR && o->ct != CT_TASK)
		return;
	buf_addf(b, "%s\"notification\":%s", written > 0 ? "," : "", o->how != NULL && o->how->silent ? "false" : "true");
	if (o->ct == CT_CALENDAR && o->how != NULL && o->how->ignore_conflicts)
		buf_adds(b, ",\"ignore_conflicts\":true");
}

/*
 * QUIRK(OX, all): a recurrence pattern and a start with its end are checked as one; a part of them alone is refused as incomplete.  Where the caller
 * has the rest, it goes along.  A new start of a series brings the pattern, too (write_series_start).
 */
void
ox_update_together(enum content ct, const struct fmask *fields, struct fmask *out)
{
	static const char *const groups[][8] = {
		{ "recurrence_type", "interval", "days", "day_in_month", "month", "until", "occurrences", NULL },
		{ "start_date", "end_date", "full_time", NULL },
		{ "start_time", "end_time", "full_time", NULL },
		{ "distribution_list", "mark_as_distributionlist", NULL },
	};

	memset(out, 0, sizeof(*out));
	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		bool touched = g == 0 && ct == CT_CALENDAR && fmask_has(fields, (unsigned)field_no(ct, "start_date"));

		for (size_t k = 0; groups[g][k] != NULL; k++) {
			int i = field_no(ct, groups[g][k]);

			touched = touched || (i >= 0 && fmask_has(fields, (unsigned)i));
		}
		for (size_t k = 0; touched && groups[g][k] != NULL; k++) {
			int i = field_no(ct, groups[g][k]);

			if (i >= 0)
				fmask_set(out, (unsigned)i);
		}
	}
}

static bool
is_series(const struct object *o)
{
	int type = field_no(o->ct, "recurrence_type");

	return type >= 0 && object_get_i64(o, (unsigned)type, 0) > 0;
}

static void
complete_groups(const struct object *o, struct fmask *m)
{
	int type = field_no(o->ct, "recurrence_type");
	struct fmask together;

	ox_update_together(o->ct, m, &together);
	if (type >= 0 && !is_series(o))
		fmask_clear(&together, (unsigned)type);
	for (unsigned i = 0; i < model_content(o->ct)->n_fields; i++)
		if (fmask_has(&together, i) && o->v[i] != NULL)
			fmask_set(m, i);
}

/*
 * QUIRK(OX, 8.19): the last day of a series is stored with the hour of its start.  A start that is moved to later in the day would leave the old hour
 * standing and cut the last occurrence off, unless the pattern comes with it and recurrence_start says that the start is another one.
 */
static size_t
write_series_start(struct buf *b, const struct object *o, const struct fmask *m, size_t written)
{
	int start = field_no(o->ct, "start_date");

	if (o->ct != CT_CALENDAR || !is_series(o) || !fmask_has(m, (unsigned)start) || o->v[start] == NULL)
		return written;
	buf_addf(b, "%s\"recurrence_start\":", written > 0 ? "," : "");
	json_text(b, o->v[start]);
	return written + 1;
}

void
mask_drop(struct fmask *m, enum content ct, const char *name)
{
	int i = field_no(ct, name);

	if (i >= 0)
		fmask_clear(m, (unsigned)i);
}

/* ---- create ---- */

enum rc
send_create(struct ox_session *s, struct ox_req *r, const struct object *o, int64_t *id, msec_t *lm, struct err *e)
{
	struct ox_answer a;
	enum rc rc;

	rc = ox_call(s, r, &a, e);
	if (rc == RC_OK)
		rc = ox_check_conflicts(a.data, o, e);
	if (rc == RC_OK && !json_made_id(json_object_get(a.data, "id"), id))
		rc = err_set(e, RC_TIMEOUT, "OX created an object without naming it");
	*lm = rc == RC_OK ? a.ts : 0;
	ox_answer_fini(&a);
	return rc;
}

enum rc
classic_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e)
{
	const struct content_type *t = model_content(o->ct);
	const char *series = NULL;
	struct fmask m = { { 0 } };
	struct ox_req r;
	enum rc rc;

	for (unsigned i = 0; i < t->n_fields; i++)
		if (o->v[i] != NULL)
			fmask_set(&m, i);
	if (o->ct == CT_CALENDAR)
		series = object_get_str(o, (unsigned)field_no(CT_CALENDAR, "recurrence_id"));
	if (series != NULL)
		return ox_exception_create(s, folder, o, series, id, lm, e);
	if (uid != NULL)
		mask_drop(&m, o->ct, "uid");
	mask_drop(&m, o->ct, "delete_exceptions"); /* a series has none before it is there: an update brings them */
	pattern_members(o, &m);
	ox_req_init(&r, t->ox_module, "new");
	write_params(&r, o->ct);
	r.written = o;
	buf_adds(&r.body, "{\"folder_id\":");
	json_text_string(&r.body, folder, strlen(folder));
	if (uid != NULL) {
		buf_adds(&r.body, ",\"uid\":");
		json_text_string(&r.body, uid, strlen(uid));
	}
	write_how(&r.body, o, write_fields(&r.body, o, &m, true, 1));
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = send_create(s, &r, o, id, lm, e);
	ox_req_fini(&r);
	return rc;
}

/* ---- update ---- */

/* O: what is written, NULL of a move, which collides with nothing. */
static enum rc
send_update(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, const struct object *o, struct buf *body, msec_t *new_lm, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, model_content(ct)->ox_module, "update");
	ox_param(&r, "id", id);
	ox_param(&r, "folder", folder);
	ox_param_i64(&r, "timestamp", lm != 0 ? lm : FAR_FUTURE);
	write_params(&r, ct);
	r.written = o;
	buf_add(&r.body, body->p, body->len);
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && o != NULL)
		rc = ox_check_conflicts(a.data, o, e);
	if (rc == RC_OK && a.ts < FAR_FUTURE)
		*new_lm = a.ts;
	ox_answer_fini(&a);
	return rc;
}

enum rc
send_delete(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, int64_t pos, msec_t *new_lm, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, model_content(ct)->ox_module, "delete");
	ox_param_i64(&r, "timestamp", lm != 0 ? lm : FAR_FUTURE);
	write_params(&r, ct);
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

enum rc
classic_update(struct ox_session *s, const char *folder, const char *id, const struct object *o, const struct fmask *fields, msec_t lm, msec_t *new_lm, struct err *e)
{
	const json_t *days = NULL;
	struct fmask m = *fields;
	struct buf body;
	bool any = false;
	enum rc rc = RC_OK;
	size_t n;
	int i;

	complete_groups(o, &m);
	pattern_end(o, fields, &m);
	pattern_members(o, &m);
	i = field_no(o->ct, "delete_exceptions");
	if (i >= 0 && fmask_has(&m, (unsigned)i)) {
		days = o->v[i];
		fmask_clear(&m, (unsigned)i);
	}
	buf_init(&body, 0);
	buf_addc(&body, '{');
	n = write_series_start(&body, o, &m, write_fields(&body, o, &m, false, 0));
	any = n > 0;
	write_how(&body, o, n);
	buf_addc(&body, '}');
	if (body.failed)
		rc = err_set(e, RC_LIMIT, "the object is too large");
	else if (any)
		rc = send_update(s, o->ct, folder, id, lm, o, &body, new_lm, e);
	buf_fini(&body);
	/* QUIRK(OX, old): a contact that stays as it is, is an error there */
	if (rc != RC_OK && o->ct == CT_CONTACT && e != NULL && strcmp(e->code, "CON-0122") == 0)
		rc = RC_OK;
	if (rc == RC_OK && days != NULL)
		rc = ox_delete_occurrences(s, folder, id, days, any ? *new_lm : lm, any, new_lm, e);
	return rc;
}

/* ---- delete, move ---- */

/* QUIRK(OX, 8.19): deleting a task that is gone is "no permission" (TSK-0014); whether it is there, a list tells. */
static enum rc
task_delete_fault(struct ox_session *s, const char *folder, const char *oxid, enum rc rc, struct err *e)
{
	struct arena *a;
	struct object **o;
	struct err why;
	int64_t id = 0;
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
classic_remove(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, struct err *e)
{
	enum rc rc = send_delete(s, ct, folder, id, lm, 0, NULL, e);

	return rc == RC_FORBIDDEN && ct == CT_TASK ? task_delete_fault(s, folder, id, rc, e) : rc;
}

enum rc
classic_move(struct ox_session *s, enum content ct, const char *folder, const char *id, const char *to, msec_t lm, msec_t *new_lm, struct err *e)
{
	struct buf body;
	enum rc rc;

	buf_init(&body, 4096);
	buf_adds(&body, "{\"folder_id\":");
	json_text_string(&body, to, strlen(to));
	buf_addc(&body, '}');
	rc = body.failed ? err_set(e, RC_LIMIT, "the folder id is too long") : send_update(s, ct, folder, id, lm, NULL, &body, new_lm, e);
	buf_fini(&body);
	return rc;
}
