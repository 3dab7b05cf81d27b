/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The planner's questions to OX: is the object of an unanswered create there, and where is one that is gone from here? */
#include "engine/conflict_int.h"
#include "engine/mail_int.h"
#include "engine/tree.h"
#include <string.h>

/* This folder as a place where an import of this device may lie. */
struct mail_place
place_here(const struct op *op)
{
	return (struct mail_place){ .oxid = op->t.oxid, .topic = op->t.topic, .tag = op->t.tag,
		.x = { .validity = op->t.f.validity, .next = op->t.f.uidnext } };
}

/*
 * A mail that the database forgot, deleted since: its device, or the device's backup, may know nothing of that and send it once more.  Deleting is
 * moving to the trash, so it is looked for there, too, before it would be imported again.
 */
static enum rc
ask_trash(struct work *w, struct err *e)
{
	struct op *op = w->op;
	const char *trash = ox_session_user(op->s->ox)->trash;
	struct mail_place there;
	struct object **o;
	struct sighting s;
	int64_t id;
	size_t n = 0;
	enum rc rc;

	if (trash[0] == '\0' || strcmp(trash, op->t.oxid) == 0)
		return RC_NOTFOUND;
	rc = mail_place_open(op, trash, &there, e);
	if (rc == RC_OK)
		rc = mail_op_find(op, &there, &w->mail_op, true, &id, e);
	if (rc == RC_OK)
		rc = ox_list(op->s->ox, op->a, CT_MAIL, trash, &id, NULL, 1, &o, &n, e);
	if (rc != RC_OK || n == 0)
		return rc == RC_OK ? RC_NOTFOUND : rc;
	if (!o[0]->broken && object_sight(op->a, op->g->keys, o[0], &s) == RC_OK) {
		w->intent.else_f = s.f;
		w->intent.else_nf = s.nf;
	}
	object_drop_all(o, n);
	mail_place_uuid(op, &there, id, &w->intent.else_uuid);
	w->intent.elsewhere = true;
	w->intent.id = 0; /* its number there is another mail's here */
	w->mail_op.validity = 0; /* a repeat looks again: see load_mail_op */
	return mail_op_put(op, mail_key(op, 'i', w->ch.client_id), &w->mail_op, MAIL_OP_DONE, e);
}

/* Of a mail: *AGAIN = it is here; RC_OK without it = it is in the trash; RC_NOTFOUND = neither. */
static enum rc
ask_mail(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct mail_place here = place_here(op);
	int64_t id = 0;
	enum rc rc;

	if (!w->has_mail_op && w->message_id != NULL) {
		w->mail_op = work_import(w);
		w->has_mail_op = true;
	}
	if (!w->has_mail_op)
		return RC_NOTFOUND;
	rc = mail_op_find(op, &here, &w->mail_op, true, &id, e);
	if (rc == RC_NOTFOUND && w->ch.again && w->mail_op.mail == 0)
		return ask_trash(w, e);
	if (rc != RC_OK)
		return rc;
	w->intent.state = INTENT_DONE;
	w->intent.id = id;
	w->intent.id_known = true;
	w->mail_op.validity = here.x.validity;
	op->made_id = id;
	op->made_key = w->key;
	*again = true;
	rc = mail_op_put(op, mail_key(op, 'i', w->ch.client_id), &w->mail_op, MAIL_OP_DONE, e);
	return rc == RC_OK ? work_intent_put(w, e) : rc;
}

/* A create whose outcome is unknown for longer than OX can still be working on it: is there an object with its uid? */
enum rc
ask_uid(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct object *o = NULL;
	struct sighting s = { 0 };
	enum rc rc;

	*again = false;
	/* what was created here cannot be found again: at most once, and the person decides.  at 0: OX refused it, surely nothing is there */
	if (op->unreadable && (!w->has_intent || w->intent.at != 0))
		return err_set_right(e, "read", "It is not known whether this was created before, and this folder does not let you look; ask its owner");
	w->kept_intent = true; /* asked and elsewhere are for this attempt, not for the database */
	if (!w->has_intent) { /* a re-creation whose intent is acknowledged: the next plan says what to save */
		memset(&w->intent, 0, sizeof(w->intent));
		w->intent.state = INTENT_PENDING;
		w->intent.forgotten = true;
		w->has_intent = true;
	}
	if (op->t.ct == CT_MAIL) {
		rc = ask_mail(w, again, e);
		if (rc != RC_NOTFOUND)
			return rc;
	} else if (w->series != 0) {
		rc = RC_NOTFOUND; /* an exception was looked for with the row (series_find) */
	} else if (op->t.ct == CT_FOLDER) {
		rc = ask_folder(w, again, e);
		if (rc == RC_OK)
			return rc;
	} else if (op->unreadable) {
		rc = RC_NOTFOUND;
	} else {
		rc = ox_find_uid(op->s->ox, op->a, op->t.ct, client_uid_format(op->a, op->s->n->owner, w->ch.client_id), &o, e);
	}
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	w->intent.asked = true;
	if (o != NULL) {
		*again = o->folder != NULL && strcmp(o->folder, op->t.oxid) == 0;
		if (!*again) {
			uuid_make(op->g->keys, tag_of_folder(op->g, op->s->n->account, op->t.ct, o->folder), o->id, &w->intent.else_uuid);
			w->intent.elsewhere = true;
			w->intent.id = o->id;
			rc = object_sight(op->a, op->g->keys, o, &s);
			w->intent.else_f = s.f;
			w->intent.else_nf = rc == RC_OK ? s.nf : 0;
		}
		object_drop(o);
	}
	return RC_OK;
}

/* A tombstone may be a move: alive elsewhere, the change is applied there, merged against the tombstone (F15). */
enum rc
apply_moved(struct work *w, bool *again, bool *gone, struct err *e)
{
	struct op *op = w->op;
	struct object *o = NULL;
	struct fmask send = { { 0 } }, lose = { { 0 } }, win = { { 0 } };
	struct loss client, server;
	struct sighting s;
	struct uuid there;
	struct noted note;
	int64_t entry = 0;
	const char *to;
	enum content ct;
	json_t *photo = NULL;
	msec_t lm;
	enum rc rc = ox_get_any(op->s->ox, op->a, op->t.ct, op->t.oxid, w->row->id, &o, e);

	*again = *gone = false;
	if (rc == RC_NOTFOUND) {
		*gone = true;
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	if (o->folder == NULL || strcmp(o->folder, op->t.oxid) == 0) {
		/* a second time, after a refresh: it is there, but not for this user (OX shows single tasks to who may read his own only) */
		*gone = w->still_here;
		*again = !w->still_here;
		w->still_here = true;
		goto out;
	}
	/* where the client wants it: an earlier request, whose answer was lost, has moved it */
	w->res->status = w->cc->has_move && folder_uuid_oxid(op, &w->cc->move_to, &to, &ct) && strcmp(to, o->folder) == 0 ? ST_OK : ST_GONE;
	rc = object_sight(op->a, op->g->keys, o, &s);
	if (rc != RC_OK)
		goto out;
	if (!sync_plan_moved(&w->ch, w->row, &s, &w->p, op->req->policy, &send, &lose, &win)) {
		w->res->status = ST_CONFLICT;
		rc = forced_add(op, w->row->id, SYNC_DEL); /* the client learns what it is in conflict with: here it is gone */
		goto out;
	}
	uuid_make(op->g->keys, tag_of_folder(op->g, op->s->n->account, op->t.ct, o->folder), o->id, &there);
	w->res->lost = lose;
	w->res->won = win;
	client = (struct loss){ .uuid = &there, .folder = o->folder, .object = w->cc->object, .fields = &lose };
	server = (struct loss){ .uuid = &there, .folder = o->folder, .object = o, .fields = &win, .server = true };
	rc = conflict_record(op, &client, &w->res->conflict, e);
	if (rc == RC_OK)
		rc = photo_overwritten(op, o->folder, o->id, &win, &photo, e);
	photo_set(o, photo);
	if (rc == RC_OK)
		rc = conflict_record(op, &server, &w->res->conflict, e);
	if (rc == RC_OK && !fmask_empty(&send)) {
		note = (struct noted){ .place = o->folder, .id = o->id, .version = o->lm, .op = JOURNAL_CHANGED, .before = o, .fields = send };
		note.f = work_sent(w, &send, &note.nf);
		rc = journal_add(op, &note, &entry, e);
		if (rc == RC_OK)
			rc = ox_update(op->s->ox, o->folder, o->id, o->oxid, w->cc->object, &send, o->lm, &lm, e);
		if (rc == RC_CONFLICT || rc == RC_NOTFOUND) {
			*again = true;
			rc = RC_OK;
		}
	}
	if (rc == RC_OK && !*again) {
		w->res->has_uuid = true;
		w->res->uuid = there;
		rc = forced_add(op, w->row->id, SYNC_DEL);
	}
out:
	object_drop(o);
	return rc;
}
