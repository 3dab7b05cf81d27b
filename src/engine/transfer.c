/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Moving objects of all types, copying mails: gone here, new there; the answer maps old to new (F15).  A contact, appointment or task keeps
 * its id when it moves, so a repeated request finds it where it went.  A mail gets another number and is found by its note.
 */
#include "engine/mail_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- one mail into another folder ---- */

/* The folder that changes of this request are moved to; asked of OX once. */
static enum rc
place_of_move(struct op *op, const char *to, struct mail_place **out, struct err *e)
{
	enum rc rc;

	*out = NULL;
	if (op->move_to == NULL || strcmp(op->move_to->oxid, to) != 0) {
		struct mail_place *p = arena_alloc(op->a, sizeof(*p));

		rc = p != NULL ? mail_place_open(op, to, p, e) : err_set(e, RC_NOMEM, "out of memory for a mail");
		if (rc != RC_OK)
			return rc;
		op->move_to = p;
	}
	*out = op->move_to;
	return RC_OK;
}

static void
moved_to(struct work *w, const struct mail_place *p, int64_t uid)
{
	w->res->status = ST_OK;
	w->res->has_uuid = uid != 0;
	if (uid != 0)
		mail_place_uuid(w->op, p, uid, &w->res->uuid);
}

/* OX said yes; not every mail server tells the new number. */
static enum rc
note_moved(struct work *w, const char *key, const struct mail_place *p, struct mail_op *o, int64_t uid, struct err *e)
{
	struct err why;

	if (uid == 0 && mail_op_find(w->op, p, o, false, &uid, &why) != RC_OK)
		log_info("moved-without-number", "%s", why.text);
	o->mail = uid;
	moved_to(w, p, uid);
	return mail_op_put(w->op, key, o, MAIL_OP_DONE, e);
}

/* An earlier request was not answered and the mail is still here: not moved - or copied and not yet removed. */
static enum rc
move_again(struct work *w, const char *key, const struct mail_place *p, struct mail_op *o, bool *settled, struct err *e)
{
	struct op *op = w->op;
	int64_t uid = 0;
	enum rc rc;

	*settled = true;
	if (mail_op_may_run(op, o)) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	rc = mail_op_find(op, p, o, false, &uid, e);
	if (rc == RC_NOTFOUND) {
		*settled = false;
		return RC_OK;
	}
	if (rc == RC_OK)
		rc = ox_delete(op->s->ox, CT_MAIL, op->t.oxid, w->row->id, w->row->oxid, 0, true, e);
	if (rc == RC_TIMEOUT) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	return rc == RC_OK ? note_moved(w, key, p, o, uid, e) : rc;
}

static enum rc
move_mail(struct work *w, const char *to, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct mail_place *p;
	struct ox_mail_head head;
	struct mail_op o;
	const char *key = mail_key_uuid(op, 'm', &w->cc->uuid);
	bool known, settled = false;
	struct err why;
	int64_t uid;
	msec_t lm;
	enum rc rc = place_of_move(op, to, &p, e);

	if (rc == RC_OK)
		rc = mail_op_get(op, key, &o, &known, e);
	if (rc == RC_OK && known && o.state == MAIL_OP_PENDING && o.place == p->topic)
		rc = move_again(w, key, p, &o, &settled, e);
	if (rc != RC_OK || settled)
		return rc;
	rc = ox_mail_head(op->s->ox, op->a, op->t.oxid, w->row->id, w->row->oxid, &head, e);
	*again = rc == RC_NOTFOUND;
	if (rc != RC_OK)
		return *again ? RC_OK : rc;
	o = mail_op_begin(op->g, p, mail_mark(op, &head));
	rc = mail_op_put(op, key, &o, MAIL_OP_PENDING, e);
	if (rc == RC_OK)
		rc = ox_move(op->s->ox, CT_MAIL, op->t.oxid, w->row->id, w->row->oxid, to, 0, &uid, &lm, e);
	if (rc == RC_TIMEOUT) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	if (rc == RC_OK)
		return note_moved(w, key, p, &o, uid, e);
	if (mail_op_put(op, key, &o, MAIL_OP_NOT_DONE, &why) != RC_OK)
		log_error("mail-op", "%s", why.text);
	*again = rc == RC_CONFLICT || rc == RC_NOTFOUND;
	return *again ? RC_OK : rc;
}

enum rc
mail_moved_before(struct work *w, struct err *e)
{
	struct op *op = w->op;
	const char *to, *key = mail_key_uuid(op, 'm', &w->cc->uuid);
	struct mail_place *p;
	struct mail_op o;
	enum content ct;
	bool known;
	int64_t uid = 0;
	enum rc rc = mail_op_get(op, key, &o, &known, e);

	if (rc != RC_OK || !known || o.state == MAIL_OP_NOT_DONE || !folder_uuid_oxid(op, &w->cc->move_to, &to, &ct))
		return rc;
	rc = place_of_move(op, to, &p, e);
	if (rc != RC_OK || o.place != p->topic)
		return rc; /* gone it is: it was moved elsewhere */
	if (o.state == MAIL_OP_DONE && o.validity == p->x.validity) {
		moved_to(w, p, o.mail);
		return RC_OK;
	}
	rc = mail_op_find(op, p, &o, false, &uid, e);
	if (rc == RC_OK) {
		o.validity = p->x.validity;
		return note_moved(w, key, p, &o, uid, e);
	}
	if (rc == RC_NOTFOUND && mail_op_may_run(op, &o))
		w->res->status = ST_RETRY;
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* ---- one object of any type ---- */

static enum rc
move_pim(struct work *w, const char *to, bool *again, struct err *e)
{
	struct op *op = w->op;
	int64_t id = w->row->id;
	msec_t lm = w->row->lm;
	enum rc rc;

	for (size_t i = 0; i < op->n_writes; i++) /* the change just written has a newer version */
		if (op->writes[i].id == id && op->writes[i].done && op->writes[i].lm > lm)
			lm = op->writes[i].lm;
	rc = ox_move(op->s->ox, op->t.ct, op->t.oxid, id, w->row->oxid, to, lm, &id, &lm, e);
	if (rc == RC_TIMEOUT) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	*again = rc == RC_CONFLICT || rc == RC_NOTFOUND;
	if (rc != RC_OK)
		return *again ? RC_OK : rc;
	w->res->status = ST_OK;
	w->res->has_uuid = true;
	uuid_make(op->g->keys, tag_of_folder(op->g, op->s->n->account, op->t.ct, to), id, &w->res->uuid);
	return RC_OK;
}

enum rc
write_move(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	const char *to;
	enum content ct;
	enum rc rc;

	*again = false;
	if (w->row == NULL || w->row->dead)
		return RC_OK;
	if (!folder_uuid_oxid(op, &w->cc->move_to, &to, &ct))
		return err_set_path(e, RC_NOTFOUND, "folder", "the folder to move into does not exist (any more)");
	if (ct != op->t.ct)
		return err_set_path(e, RC_PROTO, "folder", "an object can only be moved into a folder of its own type");
	if (strcmp(to, op->t.oxid) == 0)
		return RC_OK;
	rc = ct == CT_MAIL ? move_mail(w, to, again, e) : move_pim(w, to, again, e);
	if (rc != RC_OK || *again || w->res->status != ST_OK)
		return rc;
	op->ref = (struct folder_ref){ .uuid = w->cc->move_to };
	quick_forget(op); /* who is woken there must look */
	op->ref = op->req->folder;
	op_wake(op, tag_of_folder(op->g, op->s->n->account, ct, to));
	return work_gone(w, e);
}

/* ---- many by one request ---- */

static enum rc
transfer_begin(struct op *op, struct engine_session *s, struct arena *a, const struct uuid *folder, struct err *e)
{
	enum rc rc = op_begin(op, s, a, e);

	op->ref.uuid = *folder;
	if (rc == RC_OK)
		rc = target_open(op, &op->ref, &op->t, e);
	if (rc == RC_OK) {
		op->mode = config_filter(op->s, &op->ref, op->t.ct, &op->hidden);
		if (op->mode == MODE_OFF)
			rc = err_set_path(e, RC_FORBIDDEN, "folder", "This folder is switched off on this device; switch it on to change it");
	}
	if (rc == RC_OK)
		rc = op_lock(op, e);
	return rc;
}

enum rc
engine_move(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *to, struct transfer_item *item, size_t n, struct err *e)
{
	struct sync_request req = { .mode = SYNC_UPDATE, .folder = { .uuid = *folder }, .n_changes = n };
	struct sync_answer out = { 0 };
	struct op op;
	enum rc rc = transfer_begin(&op, s, a, folder, e);

	req.changes = arena_array(a, struct client_change, n);
	if (rc == RC_OK && req.changes == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for a move");
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		req.changes[i] = (struct client_change){ .op = OP_MODIFY, .has_uuid = true, .uuid = item[i].uuid, .has_move = true, .move_to = *to };
	op.req = &req;
	op.out = &out;
	if (rc == RC_OK)
		rc = op_refresh(&op, true, e);
	if (rc == RC_OK) {
		fresh_cursor(&op);
		rc = op_changes(&op, e);
	}
	for (size_t i = 0; rc == RC_OK && i < out.n_results; i++) {
		const struct answer_result *r = &out.results[i];

		item[i].status = r->status;
		item[i].has_uuid = r->has_uuid;
		item[i].new_uuid = r->uuid;
		item[i].failed = r->failed;
		item[i].err = r->err;
	}
	op_end_written(&op);
	return rc;
}

/* ---- copies of mails ---- */

static void
copied_to(const struct op *op, struct transfer_item *it, const struct mail_place *p, int64_t uid)
{
	it->status = ST_OK;
	it->has_uuid = uid != 0;
	if (uid != 0)
		mail_place_uuid(op, p, uid, &it->new_uuid);
}

/* An earlier request for this copy: *SETTLED when there is nothing to be done. */
static enum rc
copy_known(struct op *op, struct transfer_item *it, const char *key, const struct mail_place *p, struct mail_op *o, bool *settled, struct err *e)
{
	int64_t uid = 0;
	enum rc rc;

	*settled = true;
	if (o->place != p->topic)
		return err_set_path(e, RC_PROTO, "clientId", "names a copy in another folder: each copy has a clientId of its own");
	if (o->state == MAIL_OP_DONE && o->validity == p->x.validity) {
		copied_to(op, it, p, o->mail);
		return RC_OK;
	}
	rc = o->state != MAIL_OP_NOT_DONE ? mail_op_find(op, p, o, false, &uid, e) : RC_NOTFOUND;
	if (rc == RC_OK) {
		o->mail = uid;
		o->validity = p->x.validity;
		copied_to(op, it, p, uid);
		return mail_op_put(op, key, o, MAIL_OP_DONE, e);
	}
	*settled = rc == RC_NOTFOUND && mail_op_may_run(op, o);
	it->status = ST_RETRY;
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static enum rc
copy_one(struct op *op, struct transfer_item *it, const struct mail_place *p, struct err *e)
{
	const char *key = mail_key(op, 'c', it->client_id);
	struct ox_mail_head head;
	struct row *row = NULL;
	struct mail_op o;
	bool known, settled = false;
	struct err why;
	int64_t id, uid;
	enum rc rc = mail_op_get(op, key, &o, &known, e);

	if (rc == RC_OK && known)
		rc = copy_known(op, it, key, p, &o, &settled, e);
	if (rc != RC_OK || settled)
		return rc;
	it->status = ST_GONE;
	if (!uuid_id(op->g->keys, op->t.tag, &it->uuid, &id))
		return RC_OK;
	rc = op_row(op, id, &row, e);
	if (rc != RC_OK || row == NULL || row->dead)
		return rc;
	rc = ox_mail_head(op->s->ox, op->a, op->t.oxid, id, row->oxid, &head, e);
	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	o = mail_op_begin(op->g, p, mail_mark(op, &head));
	rc = mail_op_put(op, key, &o, MAIL_OP_PENDING, e);
	if (rc == RC_OK)
		rc = ox_mail_copy(op->s->ox, op->t.oxid, id, row->oxid, p->oxid, &uid, e);
	if (rc == RC_TIMEOUT) {
		mail_op_unanswered(op, key, &o);
		it->status = ST_RETRY;
		return RC_OK;
	}
	if (rc != RC_OK) {
		if (mail_op_put(op, key, &o, MAIL_OP_NOT_DONE, &why) != RC_OK)
			log_error("mail-op", "%s", why.text);
		return rc == RC_NOTFOUND ? RC_OK : rc;
	}
	if (uid == 0 && mail_op_find(op, p, &o, false, &uid, &why) != RC_OK)
		log_info("copied-without-number", "%s", why.text);
	o.mail = uid;
	copied_to(op, it, p, uid);
	return mail_op_put(op, key, &o, MAIL_OP_DONE, e);
}

enum rc
engine_copy(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *to, struct transfer_item *item, size_t n, struct err *e)
{
	struct mail_place p = { 0 };
	const char *oxid = NULL;
	enum content ct = CT_COUNT;
	struct op op;
	enum rc rc = transfer_begin(&op, s, a, folder, e);

	if (rc == RC_OK && op.t.ct != CT_MAIL)
		rc = err_set_path(e, RC_PROTO, "folder", "only mails are copied; other objects are created anew");
	if (rc == RC_OK && !folder_uuid_oxid(&op, to, &oxid, &ct))
		rc = err_set_path(e, RC_NOTFOUND, "to", "the folder to copy into does not exist (any more)");
	if (rc == RC_OK && ct != CT_MAIL)
		rc = err_set_path(e, RC_PROTO, "to", "a mail can only be copied into a mail folder");
	if (rc == RC_OK)
		rc = mail_place_open(&op, oxid, &p, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		rc = copy_one(&op, &item[i], &p, e);
		if (rc != RC_OK && error_of_change(rc, e)) {
			item[i].failed = true;
			item[i].err = *e;
			rc = RC_OK;
		}
	}
	if (rc == RC_OK)
		op_wake(&op, p.topic);
	op_end_written(&op);
	return rc;
}
