/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Exceptions of a series of appointments.  A client names the series by its uuid and the occurrence by its day; OX makes, changes and
 * removes the exception as a part of the series, whose version and lists of exceptions change with it.  What so changes in the series is
 * noted as the device's own: nobody else wrote it.
 */
#include "engine/change_int.h"

#include <string.h>

static unsigned
field(const char *name)
{
	int i = model_field(model_content(CT_CALENDAR), name);

	return i < 0 ? 0 : (unsigned)i;
}

/* R, an appointment's, has the field NAME set. */
static bool
row_has(const struct row *r, const char *name)
{
	const struct row_field *f = row_field_get(r, field(name));

	return f != NULL && f->fp != 0;
}

static bool
is_exception(const struct row *r)
{
	return row_has(r, "recurrence_id") && (row_has(r, "recurrence_date_position") || row_has(r, "recurrence_position"));
}

/* ---- a client makes one ---- */

enum rc
series_as_field(struct work *w, struct client_change *cc, struct err *e)
{
	struct op *op = w->op;
	unsigned i = field("recurrence_id");
	char *id;

	if (op->t.ct != CT_CALENDAR || cc->op != OP_CREATE || !cc->has_series)
		return RC_OK;
	if (!uuid_id(op->g->keys, op->t.tag, &cc->series, &w->series))
		return err_set_path(e, RC_PROTO, "recurrence_id", "must be the uuid of a series in this folder");
	if (cc->object->v[field("recurrence_date_position")] == NULL && cc->object->v[field("recurrence_position")] == NULL)
		return err_set_path(e, RC_PROTO, "recurrence_date_position", "is missing: it says which occurrence of the series is changed");
	id = arena_printf(op->a, "%lld", (long long)w->series);
	if (id == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a change");
	object_set(cc->object, i, json_string(id));
	fmask_set(&cc->fields, i);
	return RC_OK;
}

/* The series as it is now: its version guards the write, so that an exception that somebody made meanwhile is found and not overwritten. */
enum rc
series_ready(struct work *w, struct err *e)
{
	struct row *r = NULL;
	enum rc rc;

	if (w->series == 0)
		return RC_OK;
	rc = op_row(w->op, w->series, &r, e);
	if (rc != RC_OK)
		return rc;
	if (r == NULL || r->dead)
		return err_set_path(e, RC_NOTFOUND, "recurrence_id", "is no series in this folder (any more)");
	if (r->known && (!row_has(r, "recurrence_type") || is_exception(r)))
		return err_set_path(e, RC_PROTO, "recurrence_id", "is the uuid of an appointment that does not recur");
	w->cc->object->lm = r->lm;
	return RC_OK;
}

/* An exception of that occurrence which is there already, by whomever: a lost create is found so, its uid being the series' (F16). */
enum rc
series_find(struct work *w, struct err *e)
{
	struct op *op = w->op;
	const struct object *o = w->cc->object;
	const char *oxid = NULL;
	struct object **got;
	int64_t id;
	size_t n;
	enum rc rc;

	if (w->series == 0 || (w->has_intent && w->intent.state != INTENT_PENDING))
		return RC_OK;
	rc = ox_exception_find(op->s->ox, op->t.oxid, object_get_str(o, field("recurrence_id")),
	    object_get_i64(o, field("recurrence_date_position"), -1), object_get_i64(o, field("recurrence_position"), 0), &id, e);
	if (rc != RC_OK || id == 0)
		return rc;
	rc = op_row(op, id, &w->row, e);
	if (rc != RC_OK || (w->row != NULL && !w->row->dead && w->row->known))
		return rc;
	rc = op_fetch(op, &id, &oxid, 1, &got, &n, e);
	if (rc == RC_OK)
		rc = op_merge_objects(op, got, n, &id, 1, e);
	return rc == RC_OK ? op_row(op, id, &w->row, e) : rc;
}

/* ---- what a write did to the series ---- */

/* Fields of ID that changed after CN were changed by this device's write. */
enum rc
own_since(struct work *w, int64_t id, uint64_t cn, struct err *e)
{
	struct write_entry entry = { .id = id, .done = true };
	struct row *r = NULL;
	enum rc rc = op_row(w->op, id, &r, e);

	if (rc != RC_OK || r == NULL || r->dead)
		return rc;
	entry.f = arena_array(w->op->a, struct write_field, r->nf + 1);
	if (entry.f == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the writes log");
	for (unsigned k = 0; k < r->nf; k++)
		if (r->f[k].cn > cn)
			entry.f[entry.nf++] = (struct write_field){ .i = r->f[k].i, .fp = r->f[k].fp };
	if (entry.nf == 0)
		return RC_OK;
	sync_write_complete(&entry, r);
	return work_log_write(w, &entry, e);
}

enum rc
series_reread(struct work *w, int64_t series, struct err *e)
{
	struct op *op = w->op;
	uint64_t cn = op->t.f.cn;
	const char *oxid = NULL;
	struct object **o;
	struct row *r;
	size_t n;
	enum rc rc;

	if (series == 0)
		return RC_OK;
	rc = op_row(op, series, &r, e);
	if (rc != RC_OK || r == NULL) /* an invitation to one occurrence: the series is not in this folder */
		return rc;
	rc = op_fetch(op, &series, &oxid, 1, &o, &n, e);
	if (rc == RC_OK)
		rc = op_merge_objects(op, o, n, &series, 1, e);
	return rc == RC_OK ? own_since(w, series, cn, e) : rc;
}

/* Which series the exception in W's row belongs to: the row has but the fingerprint.  0 = it is no exception. */
enum rc
series_of_row(struct work *w, int64_t *series, struct err *e)
{
	struct op *op = w->op;
	const char *text;
	struct object **o;
	size_t n;
	enum rc rc;

	*series = 0;
	if (op->t.ct != CT_CALENDAR || !is_exception(w->row))
		return RC_OK;
	rc = op_fetch(op, &w->row->id, &w->row->oxid, 1, &o, &n, e);
	if (rc != RC_OK)
		return rc;
	text = n > 0 && !o[0]->broken ? object_get_str(o[0], field("recurrence_id")) : NULL;
	if (text != NULL)
		*series = model_id(op->g->keys, text);
	object_drop_all(o, n);
	return RC_OK;
}

/* OX drops a series' exceptions with it, and when its days or times change: the same answer tells the client. */
enum rc
series_follow(struct work *w, bool deleted, struct err *e)
{
	static const char *const decides[] = { "start_date", "end_date", "full_time", "timezone", "recurrence_type", "interval", "days",
		"day_in_month", "month", "until", "occurrences", "delete_exceptions" };
	bool concerned = deleted;

	if (w->op->t.ct != CT_CALENDAR || !row_has(w->row, "change_exceptions") || is_exception(w->row))
		return RC_OK;
	for (size_t i = 0; i < ARRAY_LEN(decides); i++)
		concerned = concerned || fmask_has(&w->p.fields, field(decides[i]));
	return concerned ? op_refresh(w->op, true, e) : RC_OK;
}

/* ---- values that OX checks together ---- */

/* What is sent for W's change: where OX checks the changed fields together with others, these go along as they are there now. */
enum rc
work_completed(struct work *w, struct object **out, struct err *e)
{
	struct op *op = w->op;
	const struct content_type *t = model_content(op->t.ct);
	struct fmask together;
	struct object **o;
	bool missing = false;
	size_t n;
	enum rc rc;

	*out = NULL;
	ox_update_together(op->t.ct, &w->p.fields, &together);
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (fmask_has(&w->p.fields, i) || (t->fields[i].flags & (FF_READONLY | FF_ONCE)) != 0)
			fmask_clear(&together, i);
		missing = missing || fmask_has(&together, i);
	}
	if (!missing)
		return RC_OK;
	rc = op_fetch(op, &w->row->id, &w->row->oxid, 1, &o, &n, e);
	if (rc != RC_OK)
		return rc;
	if (n > 0 && !o[0]->broken && (*out = object_new(op->a, op->t.ct)) == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for a change");
	for (unsigned i = 0; *out != NULL && i < t->n_fields; i++) {
		const json_t *v = fmask_has(&w->p.fields, i) ? w->cc->object->v[i] : fmask_has(&together, i) ? o[0]->v[i] : NULL;

		(*out)->v[i] = v != NULL ? json_deep_copy(v) : NULL;
	}
	if (*out != NULL)
		(*out)->how = w->cc->object->how;
	object_drop_all(o, n);
	return rc;
}
