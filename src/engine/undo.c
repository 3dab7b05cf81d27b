/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Bringing back what a device overwrote or deleted, when an administrator has marked it (usmctl undo).  It is done with a session of the user, as by any
 * other client of OX: the devices, the one that did it included, get it as somebody's change.  Each entry once: an object is made
 * again under a uid of its own that is looked for before a second attempt, a value is put back only where the device's is still there.
 */
#include "engine/mail_int.h"

#include <stdio.h>
#include <string.h>

#define ACCOUNTS_MAX 100
#define OBJECTS_MAX 20 /* of one account in one call */

/* The entries of one object that are to be brought back, newest first. */
struct undo {
	struct op *op;
	struct store_journal *x;
	size_t n;
	const char *note;          /* why nothing was done */
};

static struct object *
unseal(struct op *op, const struct store_journal *x)
{
	const struct content_type *t = model_content(x->ct);
	struct object *o = NULL;
	json_t *root = NULL, *fields;
	struct buf plain;

	buf_init(&plain, 0);
	if (x->sealed != NULL && seal_open(op->g, SEALED_JOURNAL, x->account, x->sealed, x->sealed_len, &plain) == RC_OK)
		root = json_loadb(plain.p, plain.len, JSON_REJECT_DUPLICATES, NULL);
	fields = json_object_get(root, "fields");
	if (fields != NULL && (o = object_new(op->a, x->ct)) != NULL)
		for (unsigned i = 0; i < t->n_fields; i++) {
			json_t *v = json_object_get(fields, t->fields[i].name);

			if (v != NULL && !json_is_null(v))
				object_set(o, i, json_incref(v));
		}
	json_decref(root);
	secret_wipe(plain.p, plain.len);
	buf_fini(&plain);
	return o;
}

/* Takes back what entry X did to O: fields that still have the value that the device gave them.  They are added to CHANGED. */
static void
fold(struct op *op, const struct store_journal *x, struct object *o, struct fmask *changed)
{
	const struct content_type *t = model_content(x->ct);
	struct object *before = unseal(op, x);

	for (unsigned i = 0; before != NULL && i < x->nf; i++) {
		unsigned k = x->f[i].i;

		if (k >= t->n_fields || (t->fields[k].flags & FF_READONLY) != 0)
			continue;
		if (field_fp(op->g->keys, &t->fields[k], o->v[k]) != x->f[i].fp)
			continue;
		object_set(o, k, before->v[k] != NULL ? json_incref(before->v[k]) : NULL);
		fmask_set(changed, k);
	}
	object_drop(before);
}

static enum rc
put_back(struct undo *u, struct object *o, size_t from, struct err *e)
{
	struct fmask changed = { { 0 } };
	msec_t lm;
	int photo = model_field_flagged(model_content(o->ct), FF_APART);
	struct write_how how = { .ignore_conflicts = true, .silent = true };
	enum rc rc = RC_OK;

	for (size_t i = from; i < u->n; i++)
		for (unsigned k = 0; photo >= 0 && k < u->x[i].nf && o->v[photo] == NULL && rc == RC_OK; k++)
			if (u->x[i].f[k].i == photo) { /* OX gives pictures apart */
				struct fmask m = { { 0 } };
				json_t *there = NULL;

				fmask_set(&m, (unsigned)photo);
				rc = photo_overwritten(u->op, o->folder, o->id, &m, &there, e);
				photo_set(o, there);
			}
	for (size_t i = from; i < u->n && rc == RC_OK; i++)
		fold(u->op, &u->x[i], o, &changed);
	if (rc != RC_OK)
		return rc;
	if (fmask_empty(&changed)) {
		u->note = "nothing to do: it was changed since, or is as before";
		return RC_OK;
	}
	o->how = &how;
	rc = ox_update(u->op->s->ox, o->folder != NULL ? o->folder : u->x[0].place, o->id, o->oxid, o, &changed, o->lm, &lm, e);
	json_decref(how.conflicts);
	o->how = NULL;
	return rc;
}

/* OX takes the deleted days of a series only of one that exists. */
static enum rc
delete_days(struct undo *u, const struct object *image, int64_t id, struct err *e)
{
	int i = image->ct == CT_CALENDAR ? model_field(model_content(CT_CALENDAR), "delete_exceptions") : -1;
	struct object *there = NULL;
	struct fmask m = { { 0 } };
	msec_t lm;
	enum rc rc;

	if (i < 0 || json_array_size(image->v[i]) == 0)
		return RC_OK;
	rc = ox_get_any(u->op->s->ox, u->op->a, image->ct, u->x[0].place, id, &there, e);
	if (rc != RC_OK)
		return rc;
	fmask_set(&m, (unsigned)i);
	object_set(there, (unsigned)i, json_incref(image->v[i]));
	rc = ox_update(u->op->s->ox, u->x[0].place, id, there->oxid, there, &m, there->lm, &lm, e);
	object_drop(there);
	return rc;
}

static enum rc
make_again(struct undo *u, struct object *image, struct err *e)
{
	struct op *op = u->op;
	char name[24], owner[40];
	struct object *there = NULL;
	struct fmask ignored = { { 0 } };
	struct write_how how = { .ignore_conflicts = true, .silent = true };
	const char *uid;
	int64_t id = 0;
	msec_t lm;
	int recurrence = image->ct == CT_CALENDAR ? model_field(model_content(CT_CALENDAR), "recurrence_id") : -1;
	enum rc rc = RC_NOTFOUND;

	if (recurrence >= 0 && object_get_i64(image, (unsigned)recurrence, 0) != 0)
		return err_set(e, RC_PROTO, "an occurrence that was changed cannot be brought back alone");
	for (size_t i = 1; i < u->n; i++)
		fold(op, &u->x[i], image, &ignored);
	(void)snprintf(name, sizeof(name), "%lld", (long long)u->x[0].id);
	(void)snprintf(owner, sizeof(owner), "%lld.~undo", (long long)op->s->n->account->user); /* no device can be called so */
	uid = client_uid_format(op->a, owner, name);
	if (uid == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (u->x[0].tried != 0) /* an attempt that was not answered */
		rc = ox_find_uid(op->s->ox, op->a, image->ct, uid, &there, e);
	if (rc == RC_OK) {
		id = there->id;
		object_drop(there);
	} else if (rc == RC_NOTFOUND) {
		image->how = &how;
		rc = ox_create(op->s->ox, u->x[0].place, image, uid, &id, &lm, e);
		json_decref(how.conflicts);
		image->how = NULL;
	}
	return rc == RC_OK ? delete_days(u, image, id, e) : rc;
}

/* ---- mails: from the trash ---- */

struct same_mail { int64_t size; msec_t received; };

static bool
is_same_mail(const void *arg, const struct ox_mail_head *h)
{
	const struct same_mail *m = arg;

	return h->size == m->size && h->received == m->received;
}

static enum rc
mail_back(struct undo *u, const struct object *image, struct err *e)
{
	const struct content_type *t = model_content(CT_MAIL);
	struct ox_session *ox = u->op->s->ox;
	struct same_mail m = { 0 };
	struct ox_mail_wanted w = { .is = is_same_mail, .arg = &m };
	int size = model_field(t, "size"), received = model_field(t, "received_date");
	const char *trash = ox_session_user(ox)->trash;
	int64_t id, new_id;
	msec_t lm;
	enum rc rc;

	if (size < 0 || received < 0 || trash[0] == '\0')
		return err_set(e, RC_NOTFOUND, "there is no trash to bring it back from");
	m.size = object_get_i64(image, (unsigned)size, -1);
	m.received = object_get_i64(image, (unsigned)received, -1);
	if (u->x[0].tried != 0 && ox_mail_find(ox, u->x[0].place, &w, &id, e) == RC_OK)
		return RC_OK;
	rc = ox_mail_find(ox, trash, &w, &id, e);
	if (rc == RC_NOTFOUND)
		return err_set(e, RC_NOTFOUND, "it is not in the trash (any more)");
	return rc == RC_OK ? ox_move(ox, CT_MAIL, trash, id, NULL, u->x[0].place, 0, &new_id, &lm, e) : rc;
}

/* ---- one object ---- */

static enum rc
bring_back(struct undo *u, struct err *e)
{
	struct op *op = u->op;
	const struct store_journal *x = &u->x[0];
	struct object *o = NULL, *image;
	enum rc rc;

	if (x->ct == CT_FOLDER)
		return err_set(e, RC_PROTO, "folders are not brought back");
	if (x->ct != CT_MAIL) {
		rc = ox_get_any(op->s->ox, op->a, x->ct, x->place, x->object, &o, e);
		if (rc == RC_OK) { /* what was noted as deleted and is there, was not deleted, or is elsewhere */
			rc = put_back(u, o, x->op == JOURNAL_DELETED ? 1 : 0, e);
			object_drop(o);
			return rc;
		}
		if (rc != RC_NOTFOUND)
			return rc;
		if (x->op != JOURNAL_DELETED)
			return err_set(e, RC_NOTFOUND, "it is gone: somebody else has deleted it");
	}
	image = unseal(op, x);
	if (image == NULL)
		return err_set(e, RC_PROTO, "its values were not kept, or under another master key");
	rc = x->ct == CT_MAIL ? mail_back(u, image, e) : make_again(u, image, e);
	object_drop(image);
	return rc;
}

/* What is to be noted of an attempt; false: it is tried again. */
static bool
outcome(struct undo *u, enum rc rc, const struct err *e, enum journal_state *state, const char **note)
{
	*note = "";
	switch (rc) {
	case RC_OK:
		*state = JOURNAL_UNDONE;
		if (u->note != NULL)
			*note = u->note;
		return true;
	case RC_PROTO: case RC_NOTFOUND: case RC_FORBIDDEN: case RC_LIMIT:
		*state = JOURNAL_FAILED;
		*note = e->text;
		return true;
	case RC_TIMEOUT: /* stays begun: looked for before the next attempt */
		*state = JOURNAL_SENT;
		return false;
	default:
		*state = JOURNAL_WANTED;
		return false;
	}
}

static enum rc
one_object(struct undo *u, struct err *e)
{
	struct op *op = u->op;
	const struct store_journal *x = &u->x[0];
	enum journal_state state;
	struct err why = { 0 };
	const char *note;
	bool won, done;
	enum rc rc = store_journal_claim(op->c, x, store_clock(op->g->store), &won, e);

	if (rc != RC_OK || !won)
		return rc;
	rc = bring_back(u, &why);
	done = outcome(u, rc, &why, &state, &note);
	log_info("undo", "device=%lld type=%s id=%lld entries=%zu outcome=%s text=%s", (long long)x->device, model_content(x->ct)->name, (long long)x->object,
	    u->n, rc_name(rc), note);
	if (rc == RC_OK)
		op_wake(op, tag_of_folder(op->g, op->s->n->account, x->ct, x->place));
	for (size_t i = 0; i < u->n && (done || i == 0 || state == JOURNAL_SENT); i++) {
		/* the older ones wait with the newest for what becomes of an unanswered attempt */
		enum rc r = state == JOURNAL_SENT && i > 0 ? store_journal_claim(op->c, &u->x[i], store_clock(op->g->store), &won, e)
		                                           : store_journal_end(op->c, u->x[i].id, state, note, e);

		if (r != RC_OK)
			return r;
	}
	return done || rc == RC_CONFLICT ? RC_OK : err_set(e, rc, "%s", why.text);
}

static enum rc
one_account(struct op *op, int64_t account, bool *left, struct err *e)
{
	struct undo u = { .op = op };
	msec_t before = store_clock(op->g->store) - op->g->o.late_max_ms;
	enum rc rc = RC_OK;

	for (int i = 0; i < OBJECTS_MAX && rc == RC_OK; i++) {
		u.note = NULL;
		rc = store_journal_wanted(op->c, op->a, account, before, &u.x, &u.n, e);
		if (rc != RC_OK || u.n == 0)
			return rc;
		/* the newest is the one that is claimed; while it is under way, the older ones wait with it */
		if (u.x[0].state == JOURNAL_SENT && u.x[0].tried > before)
			return RC_OK;
		rc = one_object(&u, e);
	}
	*left = rc == RC_OK;
	return rc;
}

void
engine_undo(struct engine *g, bool *left)
{
	int64_t account[ACCOUNTS_MAX];
	struct store_conn *c = NULL;
	size_t n = 0;
	struct err e = { 0 };
	enum rc rc = store_lease(g->store, &c, &e);

	*left = false;
	if (rc == RC_OK)
		rc = store_journal_accounts(c, account, ACCOUNTS_MAX, &n, &e);
	store_release(c);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct engine_session *s = session_of_account(g, account[i]);
		struct arena *a = s != NULL ? arena_new(0) : NULL;
		struct op op;

		if (a != NULL) {
			enum rc one = op_begin(&op, s, a, &e);

			if (one == RC_OK)
				one = one_account(&op, account[i], left, &e);
			if (one == RC_OK)
				duplicates_remove(&op, OBJECTS_MAX, left);
			else
				log_warn("undo", "failed=%s %s", rc_name(one), e.text);
			op_end(&op);
			arena_free(a);
		}
		engine_session_close(s);
	}
	if (rc != RC_OK) /* every few seconds: that the database is away, requests and engine_care tell */
		log_debug("undo", "failed=%s %s", rc_name(rc), e.text);
}
