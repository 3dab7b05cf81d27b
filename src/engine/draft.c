/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A draft that is edited: mails cannot be changed, so the new version is stored and then the old one deleted, in this order.  The note in
 * between makes a repeated request go on where the first one ended; at worst both versions are there until it comes, and never none.
 */
#include "engine/mail_int.h"

#include <string.h>

#define VERSIONS 8 /* edits of one draft whose answers were all lost */

/* Flags, colour and keywords of the version that is replaced, with what the client sends beside the octets. */
struct look {
	int64_t flags, color;
	json_t *words; /* a reference, or NULL */
};

static enum rc
look_of(struct work *w, struct look *l, struct err *e)
{
	const struct content_type *t = model_content(CT_MAIL);
	unsigned flags = (unsigned)model_field(t, "flags"), color = (unsigned)model_field(t, "color_label"), words = (unsigned)model_field(t, "user");
	struct op *op = w->op;
	struct object **o = NULL;
	size_t n = 0;
	enum rc rc = RC_OK;

	*l = (struct look){ .flags = FLAG_DRAFT | FLAG_SEEN };
	if (w->row != NULL && !w->row->dead)
		rc = op_fetch(op, &w->row->id, &w->row->oxid, 1, &o, &n, e);
	if (rc == RC_OK && n > 0 && !o[0]->broken) {
		if (o[0]->v[model_field(t, "flag_draft")] == NULL)
			rc = err_set_path(e, RC_PROTO, "raw", "this mail is no draft: a mail that was sent or received is not changed any more");
		l->flags = object_get_i64(o[0], flags, l->flags);
		l->color = object_get_i64(o[0], color, 0);
		l->words = json_incref(o[0]->v[words]);
	}
	object_drop_all(o, n);
	if (fmask_has(&w->cc->fields, flags))
		l->flags = object_get_i64(w->cc->object, flags, 0);
	if (fmask_has(&w->cc->fields, color))
		l->color = object_get_i64(w->cc->object, color, 0);
	if (fmask_has(&w->cc->fields, words)) {
		json_decref(l->words);
		l->words = json_incref(w->cc->object->v[words]);
	}
	l->flags = (l->flags | FLAG_DRAFT) & (1 | 4 | 8 | 32 | 256);
	return rc;
}

static enum rc
set_look(struct work *w, int64_t uid, const struct look *l, struct err *e)
{
	const struct content_type *t = model_content(CT_MAIL);
	unsigned label = (unsigned)model_field(t, "color_label"), words = (unsigned)model_field(t, "user");
	struct object *o;
	struct fmask m = { { 0 } };
	msec_t lm;
	enum rc rc;

	if (l->color == 0 && json_array_size(l->words) == 0)
		return RC_OK;
	o = object_new(w->op->a, CT_MAIL);
	if (o == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a mail");
	if (l->color != 0) {
		object_set(o, (unsigned)model_field(t, "flags"), json_integer(l->flags));
		object_set(o, label, json_integer(l->color));
		fmask_set(&m, label);
		fmask_set(&m, (unsigned)model_field(t, "flag_flagged")); /* a label would set it (label.c) */
	}
	if (json_array_size(l->words) > 0) {
		object_set(o, words, json_incref(l->words));
		fmask_set(&m, words);
	}
	rc = ox_update(w->op->s->ox, w->op->t.oxid, uid, NULL, o, &m, 0, &lm, e);
	object_drop(o);
	return rc;
}

static enum rc
store_version(struct work *w, const char *key, struct mail_op *o, struct err *e)
{
	struct op *op = w->op;
	struct mail_place here = { .oxid = op->t.oxid, .topic = op->t.topic, .x = { .validity = op->t.f.validity, .next = op->t.f.uidnext } };
	struct look look;
	struct err why;
	int64_t uid;
	enum rc rc = look_of(w, &look, e);

	if (rc != RC_OK)
		goto out;
	*o = mail_op_begin(op->g, &here, mail_mark_id(op, w->message_id, strlen(w->message_id)));
	o->digest = mail_digest(op, w->cc->raw, w->cc->raw_len);
	rc = mail_op_put(op, key, o, MAIL_OP_PENDING, e);
	if (rc == RC_OK)
		rc = ox_mail_import(op->s->ox, op->t.oxid, w->octets, w->octets_len, (int)look.flags, &uid, e);
	if (rc == RC_OK) {
		o->mail = uid;
		rc = mail_op_put(op, key, o, MAIL_OP_DONE, e);
		if (rc == RC_OK && set_look(w, uid, &look, &why) != RC_OK)
			log_warn("draft-look", "%s", why.text);
		goto out;
	}
	if (rc == RC_TIMEOUT)
		mail_op_unanswered(op, key, o);
	else if (mail_op_put(op, key, o, MAIL_OP_NOT_DONE, &why) != RC_OK)
		log_error("mail-op", "%s", why.text);
out:
	json_decref(look.words);
	return rc;
}

/* What the note KEY says of the version that took this one's place: *O done, or not known. */
static enum rc
version_known(struct work *w, const char *key, struct mail_op *o, bool *known, struct err *e)
{
	struct op *op = w->op;
	struct mail_place here = { .oxid = op->t.oxid, .topic = op->t.topic, .x = { .validity = op->t.f.validity, .next = op->t.f.uidnext } };
	int64_t uid;
	enum rc rc = mail_op_get(op, key, o, known, e);

	if (rc != RC_OK || !*known)
		return rc;
	if (o->state == MAIL_OP_DONE && o->validity == here.x.validity)
		return RC_OK;
	rc = o->state != MAIL_OP_NOT_DONE ? mail_op_find(op, &here, o, true, &uid, e) : RC_NOTFOUND;
	if (rc == RC_OK) {
		o->mail = uid;
		o->validity = here.x.validity;
		return mail_op_put(op, key, o, MAIL_OP_DONE, e);
	}
	*known = false;
	if (rc == RC_NOTFOUND && mail_op_may_run(op, o))
		return err_set(e, RC_TIMEOUT, "OX may still be storing the draft");
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* The old version goes for good, not into the trash: its text lives on in the new one. */
static enum rc
remove_version(struct work *w, struct err *e)
{
	struct op *op = w->op;
	enum rc rc;

	if (w->row == NULL || w->row->dead)
		return RC_OK;
	rc = ox_delete(op->s->ox, CT_MAIL, op->t.oxid, w->row->id, w->row->oxid, 0, true, e);
	return rc == RC_OK || rc == RC_NOTFOUND ? work_gone(w, e) : rc;
}

static enum rc
row_of(struct work *w, const struct uuid *u, struct err *e)
{
	int64_t id;

	w->row = NULL;
	return uuid_id(w->op->g->keys, w->op->t.tag, u, &id) ? op_row(w->op, id, &w->row, e) : RC_OK;
}

enum rc
write_draft(struct work *w, struct err *e)
{
	struct op *op = w->op;
	uint64_t digest = mail_digest(op, w->cc->raw, w->cc->raw_len);
	struct uuid version = w->cc->uuid;
	struct mail_op o = { 0 };
	bool known = true, stored = false;
	enum rc rc = RC_OK;

	w->res->status = ST_GONE;
	for (int i = 0; i < VERSIONS && known && !stored && rc == RC_OK; i++) {
		const char *key = mail_key_uuid(op, 'd', &version);

		rc = row_of(w, &version, e);
		if (rc == RC_OK)
			rc = version_known(w, key, &o, &known, e);
		if (rc == RC_OK && !known) {
			if (w->row == NULL && i == 0)
				return RC_OK; /* of no mail that ever was here */
			/* deleted or replaced elsewhere meanwhile: what was typed becomes a draft of its own */
			rc = store_version(w, key, &o, e);
		}
		stored = rc == RC_OK && o.digest == digest;
		if (rc == RC_OK)
			rc = remove_version(w, e);
		if (rc == RC_OK)
			uuid_make(op->g->keys, op->t.tag, o.mail, &version); /* other octets than the note's: an edit of that version */
	}
	if (rc == RC_TIMEOUT || (rc == RC_OK && !stored)) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	w->res->status = ST_OK;
	w->res->has_uuid = true;
	w->res->uuid = version;
	return op_refresh(op, true, e); /* the answer brings the new version */
}
