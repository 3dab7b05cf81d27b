/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sending a mail through OX, once for each clientId.
 *
 * Before: a note that it is being sent, claimed by compare-and-swap, so that of two equal requests one sends.  After: what came of it.  A
 * repeat answers what the note says.  Where OX did not answer, the copy in the Sent folder proves that the mail is out, found by its
 * Message-ID among the uids that were not there before.  That there is no copy proves nothing: OX sends first and stores then (MSG-0042 and
 * MSG-0043 are the error of this gap), the copy may not have been wanted, or is gone again.  So a mail is never sent a second time
 * because nothing was found: when OX can no longer be at it, the client hears `unknown` and the user decides.
 */
#include "engine/mail_int.h"

#include <stdio.h>
#include <string.h>

#define CLAIM_GOOD_MS 5000 /* a stalled worker must not send what a repeat already takes for dead (F9) */

struct sending {
	struct op op;
	struct engine_session *s;
	struct arena *a;
	const struct send_request *in;
	struct send_answer *out;
	const char *key, *message_id;
	const void *octets;
	size_t len;
	struct buf buf;
	struct mail_op o;
	bool known;
};

/* A connection to the database for what comes next; none is held while OX sends. */
static enum rc
with_store(struct sending *x, struct err *e)
{
	return op_begin(&x->op, x->s, x->a, e);
}

static const char *
sent_folder(const struct sending *x)
{
	return ox_session_user(x->s->ox)->sent;
}

static void
answer_sent(struct sending *x, const struct mail_place *p, int64_t uid)
{
	struct target hier;
	struct err e;

	x->out->state = SEND_SENT;
	if (uid == 0 || p->oxid == NULL || target_hierarchy(&x->op, false, &hier, &e) != RC_OK)
		return;
	x->out->has_copy = true;
	mail_place_uuid(&x->op, p, uid, &x->out->copy);
	uuid_make(x->op.g->keys, hier.tag, model_id(x->op.g->keys, p->oxid), &x->out->folder);
}

/* ---- what follows from a mail that is out: each may be done twice, and none of it may fail the sending ---- */

static void
mark(struct sending *x, const struct uuid *folder, const struct uuid *mail, unsigned flag)
{
	struct row *r;
	struct err e;
	enum rc rc = mail_at(&x->op, folder, mail, &r, &e);

	if (rc == RC_OK)
		rc = ox_mail_mark(x->s->ox, x->op.t.oxid, r->id, r->oxid, flag, &e);
	if (rc == RC_OK) {
		x->op.ref.uuid = *folder;
		quick_forget(&x->op);
		op_wake(&x->op, x->op.t.topic);
	} else {
		log_info("sent-not-marked", "flag=%u %s", flag, e.text); /* gone meanwhile, mostly */
	}
}

/* The draft that the mail was written in - or the version that took its place without the client hearing of it. */
static void
remove_draft(struct sending *x)
{
	struct uuid mail = x->in->draft;
	struct mail_op o;
	struct row *r;
	bool known = true;
	struct err e;

	for (int i = 0; i < 8 && known; i++) {
		enum rc rc = mail_at(&x->op, &x->in->draft_folder, &mail, &r, &e);

		if (rc == RC_OK)
			rc = ox_delete(x->s->ox, CT_MAIL, x->op.t.oxid, r->id, r->oxid, 0, true, &e);
		if (rc == RC_OK) {
			x->op.ref.uuid = x->in->draft_folder;
			quick_forget(&x->op);
			op_wake(&x->op, x->op.t.topic);
		} else if (rc != RC_NOTFOUND) {
			log_info("sent-draft-stays", "%s", e.text);
		}
		if (mail_op_get(&x->op, mail_key_uuid(&x->op, 'd', &mail), &o, &known, &e) != RC_OK || o.state != MAIL_OP_DONE)
			return;
		uuid_make(x->op.g->keys, x->op.t.tag, o.mail, &mail);
	}
}

/* RC_OK: the note says finished.  A crash before leaves "done", and the repeat does this again. */
static enum rc
finish(struct sending *x, struct err *e)
{
	const struct send_request *in = x->in;

	if (x->o.state == MAIL_OP_FINISHED)
		return RC_OK;
	if (in->has_reply)
		mark(x, &in->reply_folder, &in->reply, FLAG_ANSWERED);
	if (in->has_forward)
		mark(x, &in->forward_folder, &in->forward, FLAG_FORWARDED);
	if (in->has_draft)
		remove_draft(x);
	hierarchy_drop(&x->op);
	return mail_op_put(&x->op, x->key, &x->o, MAIL_OP_FINISHED, e);
}

/* ---- a request that is not the first ---- */

static enum rc
found_sent(struct sending *x, const struct mail_place *sent, int64_t uid, struct err *e)
{
	enum rc rc;

	x->o.mail = uid;
	x->o.validity = sent->x.validity;
	answer_sent(x, sent, uid);
	rc = mail_op_put(&x->op, x->key, &x->o, MAIL_OP_DONE, e);
	return rc == RC_OK ? finish(x, e) : rc;
}

/* OX did not answer the first request.  *AGAIN: the user wants it sent once more. */
static enum rc
unanswered_before(struct sending *x, const struct mail_place *sent, bool *again, struct err *e)
{
	int64_t uid = 0;
	enum rc rc = sent->oxid != NULL ? mail_op_find(&x->op, sent, &x->o, true, &uid, e) : RC_NOTFOUND;

	if (rc == RC_OK)
		return found_sent(x, sent, uid, e);
	if (rc != RC_NOTFOUND)
		return rc;
	if (mail_op_may_run(&x->op, &x->o)) {
		rc = err_set(e, RC_BUSY, "the mail is being sent; ask again with the same request");
		if (e != NULL)
			e->retry_after_s = (int)(x->op.g->o.late_max_ms / 1000 / 4) + 1;
		return rc;
	}
	*again = x->in->resend;
	x->out->state = SEND_UNKNOWN;
	return RC_OK;
}

/* ---- the sending ---- */

static enum rc
claim(struct sending *x, const struct mail_place *sent, struct err *e)
{
	struct mail_op was = x->o;
	bool won;
	enum rc rc;

	x->o = mail_op_begin(x->op.g, sent, mail_mark_id(&x->op, x->message_id, strlen(x->message_id)));
	rc = store_mailop_claim(x->op.c, x->s->n->device_id, x->key, &x->o, &was, &won, e);
	if (rc == RC_OK && !won) {
		rc = err_set(e, RC_BUSY, "another request sends this mail right now; ask again with the same request");
		if (e != NULL)
			e->retry_after_s = 2;
	}
	return rc;
}

static enum rc
note_refused(struct sending *x, enum rc rc)
{
	struct err why;

	if (with_store(x, &why) != RC_OK || mail_op_put(&x->op, x->key, &x->o, MAIL_OP_NOT_DONE, &why) != RC_OK)
		log_error("mail-op", "%s", why.text); /* then it stays pending, and a repeat hears `unknown`: never twice */
	return rc;
}

static enum rc
send_now(struct sending *x, const struct mail_place *sent, struct err *e)
{
	struct mail_place copy = { 0 };
	const char *folder = NULL;
	struct err why;
	int64_t uid = 0;
	enum rc rc;

	op_end(&x->op);
	if (store_clock(x->op.g->store) - x->o.at > CLAIM_GOOD_MS) {
		rc = err_set(e, RC_BUSY, "the server is slow; send the same request again");
		return note_refused(x, rc);
	}
	rc = ox_mail_send(x->s->ox, x->a, x->octets, x->len, x->in->save, &folder, &uid, e);
	if (rc == RC_TIMEOUT) {
		log_warn("send-unknown", "OX did not answer; the copy in the Sent folder is searched when the client repeats");
		rc = err_set(e, RC_BUSY, "the mail server takes its time; ask again with the same request");
		if (e != NULL)
			e->retry_after_s = 5;
		return rc;
	}
	if (rc != RC_OK)
		return note_refused(x, rc);
	rc = with_store(x, e);
	if (rc != RC_OK)
		return rc;
	if (folder != NULL && sent->oxid != NULL && strcmp(folder, sent->oxid) == 0)
		copy = *sent;
	else if (folder != NULL && mail_place_open(&x->op, folder, &copy, &why) != RC_OK)
		uid = 0;
	x->o.place = copy.topic;
	x->o.validity = copy.x.validity;
	x->o.mail = uid;
	answer_sent(x, &copy, uid);
	rc = mail_op_put(&x->op, x->key, &x->o, MAIL_OP_DONE, e);
	if (rc == RC_OK && copy.oxid != NULL)
		op_wake(&x->op, copy.topic);
	return rc == RC_OK ? finish(x, e) : rc;
}

static enum rc
send_or_answer(struct sending *x, struct err *e)
{
	struct mail_place sent = { 0 };
	bool again = true;
	enum rc rc = mail_op_get(&x->op, x->key, &x->o, &x->known, e);

	if (rc == RC_OK && sent_folder(x)[0] != '\0')
		rc = mail_place_open(&x->op, sent_folder(x), &sent, e);
	if (rc == RC_NOTFOUND) { /* no such folder yet: OX makes it with the first copy */
		sent = (struct mail_place){ 0 };
		rc = RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	if (x->known && (x->o.state == MAIL_OP_DONE || x->o.state == MAIL_OP_FINISHED)) {
		answer_sent(x, &sent, x->o.place == sent.topic && x->o.validity == sent.x.validity ? x->o.mail : 0);
		return finish(x, e);
	}
	if (x->known && x->o.state == MAIL_OP_PENDING) {
		again = false;
		rc = unanswered_before(x, &sent, &again, e);
	}
	if (rc != RC_OK || !again)
		return rc;
	rc = claim(x, &sent, e);
	return rc == RC_OK ? send_now(x, &sent, e) : rc;
}

enum rc
engine_send(struct engine_session *s, struct arena *a, const struct send_request *in, struct send_answer *out, struct err *e)
{
	struct sending x = { .s = s, .a = a, .in = in, .out = out, .octets = in->raw, .len = in->raw_len };
	enum rc rc = with_store(&x, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK) {
		x.key = mail_key(&x.op, 's', in->client_id);
		rc = mail_octets(&x.op, in->client_id, &x.octets, &x.len, &x.buf, &x.message_id, e);
	}
	if (rc == RC_OK)
		rc = send_or_answer(&x, e);
	op_end(&x.op);
	buf_fini(&x.buf);
	return rc;
}
