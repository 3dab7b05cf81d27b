/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Answers to invitations: one operation on one object, under the folder's lock like a sync.  OX sends the organizer a mail for each answer,
 * so the one that is there already is not sent again: a repeat after a lost answer is answered from what OX holds.
 */
#include "engine/change_int.h"

#include <string.h>

struct respond {
	struct op *op;
	const struct respond_request *req;
	struct work w;         /* its row: the object answered for */
	struct ox_response r;  /* for that row: occurrence -1 where the occurrence has an object of its own */
	int64_t answered;      /* id of what holds the answer */
};

/* The user's own entry among the participants, NULL = none. */
static const json_t *
own_entry(const struct op *op, const struct object *o)
{
	int i = model_field(model_content(op->t.ct), "users");
	const json_t *u;
	size_t k;

	json_array_foreach (i >= 0 ? o->v[i] : NULL, k, u)
		if (json_integer_value(json_object_get(u, "id")) == op->s->n->account->user)
			return u;
	return NULL;
}

static bool
answered_so(const json_t *entry, const struct ox_response *r)
{
	const char *message = json_string_value(json_object_get(entry, "confirmmessage"));

	return json_integer_value(json_object_get(entry, "confirmation")) == (json_int_t)r->confirmation &&
	    strcmp(message != NULL ? message : "", r->message) == 0;
}

static enum rc
exception_of(struct respond *p, int64_t *id, struct err *e)
{
	char *series = arena_printf(p->op->a, "%lld", (long long)p->w.row->id);

	if (series == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an answer");
	return ox_exception_find(p->op->s->ox, p->op->t.oxid, series, p->req->response.occurrence, 0, id, e);
}

/* The row that the answer is for; a changed occurrence is an object of its own. */
static enum rc
find_row(struct respond *p, struct err *e)
{
	struct op *op = p->op;
	int64_t id = 0, changed = 0;
	enum rc rc = RC_OK;

	if (uuid_id(op->g->keys, op->t.tag, &p->req->uuid, &id))
		rc = op_row(op, id, &p->w.row, e);
	if (rc == RC_OK && (p->w.row == NULL || p->w.row->dead))
		rc = err_set_path(e, RC_NOTFOUND, "uuid", "this %s is not in the folder (any more)", model_content(op->t.ct)->name);
	if (rc != RC_OK || p->r.occurrence < 0)
		return rc;
	if (op->t.ct != CT_CALENDAR)
		return err_set_path(e, RC_PROTO, "occurrence", "can only be named of a series of appointments");
	rc = exception_of(p, &changed, e);
	if (rc != RC_OK || changed == 0)
		return rc;
	p->r.occurrence = -1;
	rc = op_row(op, changed, &p->w.row, e);
	if (rc == RC_OK && (p->w.row == NULL || p->w.row->dead))
		rc = err_set_path(e, RC_NOTFOUND, "occurrence", "was deleted, or is not in this folder");
	return rc;
}

/* *SAME: OX holds this very answer. */
static enum rc
look(struct respond *p, bool *same, struct err *e)
{
	struct op *op = p->op;
	const struct object *o;
	const json_t *mine;
	struct object **got;
	size_t n;
	enum rc rc = op_fetch(op, &p->w.row->id, &p->w.row->oxid, 1, &got, &n, e);

	if (rc == RC_OK)
		rc = op_merge_objects(op, got, n, &p->w.row->id, 1, e);
	if (rc == RC_OK)
		rc = op_row(op, p->w.row->id, &p->w.row, e);
	if (rc != RC_OK)
		return rc;
	o = p->w.row != NULL ? stash_get(op, p->w.row->id) : NULL;
	if (o == NULL)
		return err_set_path(e, RC_NOTFOUND, "uuid", "this %s is not in the folder (any more)", model_content(op->t.ct)->name);
	mine = own_entry(op, o);
	if (mine == NULL)
		return err_set_path(e, RC_FORBIDDEN, "uuid", "is nothing that you were invited to: only participants can answer");
	*same = p->r.occurrence < 0 && answered_so(mine, &p->r);
	return RC_OK;
}

/* A repeat after a lost answer: what the first one changed is this device's own (F5). */
static enum rc
own_answer(struct respond *p, struct err *e)
{
	static const char *const holds[] = { "users", "participants" };
	const struct content_type *t = model_content(p->op->t.ct);
	struct write_entry entry = { .id = p->w.row->id, .done = true };

	entry.f = arena_array(p->op->a, struct write_field, ARRAY_LEN(holds));
	if (entry.f == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the writes log");
	for (size_t i = 0; i < ARRAY_LEN(holds); i++) {
		int n = t->ct == CT_TASK || i == 0 ? model_field(t, holds[i]) : -1;
		const struct row_field *now = n >= 0 ? row_field_get(p->w.row, (unsigned)n) : NULL;

		if (now != NULL)
			entry.f[entry.nf++] = (struct write_field){ .i = now->i, .fp = now->fp };
	}
	sync_write_complete(&entry, p->w.row);
	return work_log_write(&p->w, &entry, e);
}

static enum rc
send(struct respond *p, struct err *e)
{
	struct op *op = p->op;
	uint64_t cn = op->t.f.cn;
	int64_t id = p->w.row->id;
	msec_t lm;
	enum rc rc = ox_confirm(op->s->ox, op->t.ct, op->t.oxid, id, &p->r, &lm, e);

	if (rc == RC_OK)
		rc = op_refresh(op, true, e);
	if (rc == RC_OK)
		rc = own_since(&p->w, id, cn, e);
	p->answered = id;
	if (rc == RC_OK && p->r.occurrence >= 0)
		rc = exception_of(p, &p->answered, e);
	if (p->answered == 0) /* OX noted the answer without an exception */
		p->answered = id;
	return rc;
}

static enum rc
run(struct respond *p, struct err *e)
{
	struct op *op = p->op;
	bool same = false;
	enum rc rc = store_lock(op->c, op->t.f.id, e);

	if (rc != RC_OK)
		return rc;
	op->locked = true;
	rc = target_again(op, e);
	if (rc != RC_OK)
		return rc;
	op->cn_at_start = op->t.f.cn;
	op_window(op, op->t.ct, &op->w0, &op->w1);
	rc = store_cursor_next_seq(op->c, op->s->n->device_id, op->t.f.id, &op->next_seq, e);
	if (rc == RC_OK)
		rc = op_refresh(op, true, e);
	if (rc == RC_OK)
		rc = find_row(p, e);
	if (rc == RC_OK)
		rc = look(p, &same, e);
	if (rc != RC_OK)
		return rc;
	p->answered = p->w.row->id;
	return same ? own_answer(p, e) : send(p, e);
}

enum rc
engine_respond(struct engine_session *s, struct arena *a, const struct respond_request *req, struct uuid *uuid, struct err *e)
{
	struct folder_ref ref = { .uuid = req->folder };
	struct op op;
	struct respond p = { .op = &op, .req = req, .r = req->response };
	enum rc rc = op_begin(&op, s, a, e);

	p.w.op = &op;
	op.ref = ref;
	if (rc == RC_OK)
		rc = target_open(&op, &ref, &op.t, e);
	if (rc == RC_OK && op.t.ct != CT_CALENDAR && op.t.ct != CT_TASK)
		rc = err_set_path(e, RC_PROTO, "folder", "holds neither appointments nor tasks: nothing to answer in it");
	if (rc == RC_OK)
		rc = run(&p, e);
	if (rc == RC_OK)
		uuid_make(op.g->keys, op.t.tag, p.answered, uuid);
	if (op.wrote && op.t.f.cn != op.cn_at_start) {
		quick_forget(&op);
		op_wake(&op, op.t.topic);
	}
	op_end(&op);
	hierarchy_drop(&op);
	stash_drop(&op);
	return rc;
}
