/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Losing values of a conflict, written again.  It is a change like any client's, planned and guarded as such, in the name of the device that met the
 * conflict, whichever device asks: so an object that has to be created again has one name, and is created once.
 */
#include "engine/conflict_int.h"

#include <stdio.h>
#include <string.h>

struct restoring {
	struct op op;
	struct store_conflict x;
	json_t *record;
	const char *rev;
	struct node_session device;   /* the one that met the conflict */
	struct engine_session as;
	struct sync_request req;
	struct sync_answer answer;
	struct client_change change;
	struct buf raw;
};

/* The device that met the conflict, with the settings of none: what is restored does not depend on its filter. */
static enum rc
become_device(struct restoring *r, struct engine_session *s, struct err *e)
{
	const char *dot = strchr(s->n->owner, '.');

	r->device = (struct node_session){ .account_id = s->n->account_id, .device_id = r->x.device, .account = s->n->account };
	if (r->x.device_name[0] == '\0' || dot == NULL)
		return err_set_path(e, RC_NOTFOUND, "id", "the device of this conflict is not known any more; enter its values by hand");
	(void)snprintf(r->device.device, sizeof(r->device.device), "%s", r->x.device_name);
	(void)snprintf(r->device.owner, sizeof(r->device.owner), "%.*s.%s", (int)(dot - s->n->owner), s->n->owner, r->x.device_name);
	config_load_locked(s->g, &r->device, "{}"); /* nobody else has it: no lock */
	r->as = (struct engine_session){ .g = s->g, .n = &r->device, .ox = s->ox };
	r->op.s = &r->as;
	return RC_OK;
}

/* ---- the change ---- */

/* The recorded values that a client may set, as a change of the object; NEW: as a new one. */
static enum rc
build_change(struct restoring *r, bool new, struct err *e)
{
	struct op *op = &r->op;
	const struct content_type *t = model_content(op->t.ct);
	struct client_change *c = &r->change;
	json_t *values = json_object_get(r->record, "fields"), *v;
	const char *name;
	char hex[33];

	if (c->object != NULL)
		object_drop(c->object);
	*c = (struct client_change){ .op = new ? OP_CREATE : OP_MODIFY, .has_uuid = !new, .uuid = r->x.uuid, .silent = true, .ignore_conflicts = true,
		.object = object_new(op->a, op->t.ct) };
	if (c->object == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a change");
	json_object_foreach(values, name, v) {
		int i = model_field(t, name);

		if (strcmp(name, "parent") == 0) {
			c->has_move = true;
			if (!json_is_string(v) || !uuid_parse(json_string_value(v), &c->move_to))
				memset(&c->move_to, 0, sizeof(c->move_to));
		} else if (new && strcmp(name, "recurrence_id") == 0 && json_object_get(values, "recurrence_type") == NULL) {
			c->has_series = json_is_string(v) && uuid_parse(json_string_value(v), &c->series);
		} else if (i >= 0 && (t->fields[i].flags & (FF_READONLY | FF_NODELIVER)) == 0 && strcmp(name, "uid") != 0 &&
		    (new || (t->fields[i].flags & FF_ONCE) == 0)) {
			fmask_set(&c->fields, (unsigned)i);
			if (!json_is_null(v))
				object_set(c->object, (unsigned)i, json_incref(v));
		}
	}
	r->req.changes = c;
	r->req.n_changes = 1;
	if (!new)
		return RC_OK;
	hex_encode(r->x.digest, 16, hex);
	c->client_id = arena_printf(op->a, "cf.%s.%lld", hex, (long long)r->x.at);
	if (c->client_id == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a change");
	if (op->t.ct != CT_MAIL)
		return RC_OK;
	v = json_object_get(r->record, "raw");
	if (v == NULL || !base64_decode(&r->raw, json_string_value(v), json_string_length(v)))
		return err_set_path(e, RC_NOTFOUND, "id", "the mail is gone, and only its marks were recorded: dismiss this conflict");
	c->raw = r->raw.p;
	c->raw_len = r->raw.len;
	return RC_OK;
}

/* The object's present version as the one that the user has seen; *SAME: that is what he says, if he says anything. */
static enum rc
take_base(struct restoring *r, struct engine_session *s, const struct row *row, bool *same, struct err *e)
{
	struct op *op = &r->op;
	struct fmask hidden, none = { { 0 } };
	char rev[REV_TEXT];
	enum rc rc;

	*same = true;
	sync_cursor_fresh(&op->cur.c, op->t.f.epoch, op->t.f.cn, op->w0, op->w1, &none);
	op->cur.seq = op->next_seq > 0 ? op->next_seq - 1 : 0;
	if (row == NULL || row->dead)
		return RC_OK;
	rc = cursor_have_set(op->a, &op->cur.c, row->id, op->t.f.cn);
	if (rc != RC_OK)
		return err_set(e, rc, "out of memory for a change");
	if (r->rev == NULL)
		return RC_OK;
	(void)config_filter(s, &op->ref, op->t.ct, &hidden);
	row_rev(op->g->keys, op->t.ct, row, &hidden, rev);
	*same = strcmp(rev, r->rev) == 0;
	return RC_OK;
}

/* The one change of R, as change.c does it.  *RES its result. */
static enum rc
carry_out(struct restoring *r, bool new, struct answer_result **res, struct err *e)
{
	enum rc rc = build_change(r, new, e);

	if (rc == RC_OK)
		rc = op_changes(&r->op, e);
	if (rc != RC_OK)
		return rc;
	*res = &r->answer.results[0];
	if (!(*res)->failed)
		return RC_OK;
	if (e != NULL)
		*e = (*res)->err;
	return (*res)->err.rc;
}

/* ---- under the folder's lock ---- */

static enum rc
restore_locked(struct restoring *r, struct engine_session *s, struct conflict_restored *out, struct err *e)
{
	struct op *op = &r->op;
	struct answer_result *res = NULL;
	struct row *row = NULL;
	bool same = true, new;
	int64_t id;
	enum rc rc = store_cursor_next_seq(op->c, r->x.device, op->t.f.id, &op->next_seq, e);

	if (rc == RC_OK)
		rc = op_refresh(op, true, e);
	if (rc == RC_OK && uuid_id(op->g->keys, op->t.tag, &r->x.uuid, &id))
		rc = op_row(op, id, &row, e);
	if (rc == RC_OK)
		rc = take_base(r, s, row, &same, e);
	if (rc != RC_OK)
		return rc;
	if (!same) {
		out->status = ST_CONFLICT;
		return RC_OK;
	}
	new = row == NULL;
	rc = carry_out(r, new, &res, e);
	if (rc == RC_OK && !new && (res->status == ST_RECREATE || (res->status == ST_GONE && !res->has_uuid))) {
		new = true;
		rc = carry_out(r, new, &res, e);
	}
	if (rc != RC_OK)
		return rc;
	out->status = res->status;
	/* a new one that was made, and has been moved or deleted since: that is done, too */
	if (res->status == ST_GONE && res->has_uuid)
		out->status = ST_OK;
	if (out->status != ST_OK)
		return RC_OK;
	out->uuid = res->has_uuid ? res->uuid : r->x.uuid;
	if (op->n_touched > 0)
		rc = op_refresh(op, true, e); /* what was written is in the index for all who ask from now on */
	return rc == RC_OK ? store_conflict_settle(op->c, s->n->account_id, r->x.id, &out->uuid, now_ms(), e) : rc;
}

/* The record as it is now; *DONE with OUT filled when it has been restored before. */
static enum rc
look(struct restoring *r, struct engine_session *s, int64_t id, struct conflict_restored *out, bool *done, struct err *e)
{
	enum rc rc = store_conflict_get(r->op.c, r->op.a, s->n->account_id, id, now_ms(), &r->x, e);

	*done = rc == RC_OK && r->x.restored;
	if (*done) {
		out->status = ST_OK;
		out->uuid = r->x.result;
	} else if (rc == RC_OK && r->x.done != 0) {
		rc = err_set_path(e, RC_NOTFOUND, "id", "conflict %lld was dismissed", (long long)id);
	}
	return rc;
}

static enum rc
restore(struct restoring *r, struct engine_session *s, int64_t id, struct conflict_restored *out, struct err *e)
{
	struct op *op = &r->op;
	struct folder_ref ref = { .hierarchy = true };
	const char *folder;
	bool done;
	enum rc rc = look(r, s, id, out, &done, e);

	if (rc != RC_OK || done)
		return rc;
	r->record = conflict_open(op->g, &r->x);
	folder = json_string_value(json_object_get(r->record, "folder"));
	if (r->record == NULL)
		return err_set_path(e, RC_NOTFOUND, "id", "the values of conflict %lld cannot be read any more", (long long)id);
	if (folder != NULL)
		ref.hierarchy = !uuid_parse(folder, &ref.uuid);
	rc = become_device(r, s, e);
	if (rc == RC_OK)
		rc = target_open(op, &ref, &op->t, e);
	if (rc != RC_OK)
		return rc;
	op->ref = ref;
	op->unlogged = true;
	op->req = &r->req;
	op->out = &r->answer;
	rc = op_lock(op, e);
	if (rc == RC_OK)
		rc = look(r, s, id, out, &done, e); /* two at once: one does it */
	return rc == RC_OK && !done ? restore_locked(r, s, out, e) : rc;
}

enum rc
engine_conflict_restore(struct engine_session *s, struct arena *a, int64_t id, const char *rev, struct conflict_restored *out, struct err *e)
{
	struct restoring r = { .rev = rev };
	enum rc rc;

	memset(out, 0, sizeof(*out));
	r.req = (struct sync_request){ .mode = SYNC_UPDATE, .policy = rev != NULL ? POLICY_ERROR : POLICY_CLIENT, .delete_policy = POLICY_CLIENT };
	buf_init(&r.raw, s->g->o.max_mail_bytes + 1);
	rc = op_begin(&r.op, s, a, e);
	if (rc == RC_OK)
		rc = restore(&r, s, id, out, e);
	if (r.op.wrote && r.op.t.f.cn != r.op.cn_at_start) {
		quick_forget(&r.op);
		op_wake(&r.op, r.op.t.topic);
	}
	op_end(&r.op);
	hierarchy_drop(&r.op);
	stash_drop(&r.op);
	engine_sync_done(&r.answer);
	if (r.change.object != NULL)
		object_drop(r.change.object);
	json_decref(r.record);
	buf_fini(&r.raw);
	return rc;
}
