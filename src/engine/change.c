/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A client's changes, one after another: plan (pure), note the intent, write to OX, note the outcome; refused = refresh and
 * plan again, three times at most.  A crash between any two steps leaves a state from which the client's repeat goes on
 * (ARCHITECTURE.md "One sync, step by step").  How each type is written is in write.c.
 */
#include "engine/conflict_int.h"
#include "engine/mail_int.h"
#include "engine/tree.h"

#include <string.h>

#define ATTEMPTS 3
#define REASKS 4                 /* planner's questions to OX within one attempt */
#define INTENT_GOOD_MS 5000      /* a stalled worker must not send an intent that a retry already believes dead (F9) */

/* ---- from what the protocol read to what the planner wants ---- */

static enum rc
change_build(struct op *op, const struct client_change *cc, struct change *ch, struct err *e)
{
	const struct content_type *t = model_content(op->t.ct);
	struct fmask fields = cc->fields, blind = cc->blind;
	unsigned n = 0;

	fmask_to_bits(t, &fields); /* flags merge bit by bit */
	fmask_to_bits(t, &blind);
	memset(ch, 0, sizeof(*ch));
	ch->op = cc->op;
	ch->client_id = cc->has_uuid ? NULL : cc->client_id; /* who names the uuid means that row: the clientId is for what has none yet */
	ch->rev = cc->rev;
	ch->again = cc->again;
	ch->blind_delete = cc->blind_delete;
	ch->recreate = ch->client_id != NULL && strncmp(ch->client_id, "re.", 3) == 0;
	if (cc->has_uuid && !uuid_id(op->g->keys, op->t.tag, &cc->uuid, &ch->id))
		ch->id = 0;
	ch->f = arena_array(op->a, struct change_field, t->n_fields);
	if (ch->f == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a change");
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (!fmask_has(&fields, i) || cc->object == NULL)
			continue;
		ch->f[n++] = (struct change_field){ .i = (uint8_t)i, .blind = fmask_has(&blind, i),
			.fp = field_fp(op->g->keys, &t->fields[i], cc->object->v[i]) };
	}
	ch->nf = n;
	return RC_OK;
}

/*
 * The note of an import: no uid leads from a mail's row to its intent, so it is looked for where others are met in the index.  That is when its
 * outcome was unknown as the client deleted it, and when the folder was made anew since: the number in the intent then names another mail, or none.
 */
static enum rc
load_mail_op(struct work *w, struct err *e)
{
	enum rc rc = mail_op_get(w->op, mail_key(w->op, 'i', w->ch.client_id), &w->mail_op, &w->has_mail_op, e);

	if (rc != RC_OK || !w->has_mail_op)
		return rc;
	if (w->ch.op == OP_DELETE && w->intent.state == INTENT_DELETED && w->intent.unsure)
		w->intent.state = INTENT_PENDING;
	if (w->mail_op.validity == w->op->t.f.validity || w->intent.state != INTENT_DONE)
		return RC_OK;
	w->intent.state = INTENT_PENDING;
	w->intent.id = 0;
	w->intent.id_known = false;
	w->intent.at = 0;
	return RC_OK;
}

/* Which row the change is about: by id, or by clientId through its intent or the uid that OX stored (F10, F16). */
static enum rc
work_load(struct work *w, struct err *e)
{
	struct op *op = w->op;
	struct row **rows;
	size_t n;
	int64_t folder;
	enum rc rc;

	w->row = NULL;
	if (w->ch.client_id == NULL)
		return w->ch.id != 0 ? op_row(op, w->ch.id, &w->row, e) : RC_OK;
	if (!w->kept_intent) {
		rc = store_intent_get(op->c, op->a, op->s->n->device_id, w->ch.client_id, &folder, &w->intent, e);
		if (rc != RC_OK && rc != RC_NOTFOUND)
			return rc;
		w->is_noted = rc == RC_OK;
		w->noted = w->intent;
		/* mails are numbered in their folder: an intent of another folder names another mail there */
		w->has_intent = rc == RC_OK && (op->t.ct != CT_MAIL || folder == op->t.f.id);
		if (w->has_intent && op->t.ct == CT_MAIL) {
			rc = load_mail_op(w, e);
			if (rc != RC_OK)
				return rc;
		}
	}
	/* known, though nobody was told, is the id of what OX made just before a crash: no uid leads to a folder */
	if (w->has_intent && w->intent.id != 0 && (w->intent.id_known || (w->intent.state != INTENT_PENDING && op->t.ct != CT_MAIL))) {
		rc = op_row(op, w->intent.id, &w->row, e);
		if (rc != RC_OK || w->row != NULL)
			return rc;
	}
	if (w->series != 0)
		return series_find(w, e);
	rc = store_rows_by_client_id(op->c, op->a, &op->t.f, w->key, &rows, &n, e);
	if (rc == RC_OK && n > 0)
		w->row = rows[0];
	return rc;
}

static enum rc
plan(struct work *w, bool moved_checked, struct err *e)
{
	struct op *op = w->op;
	struct intent intent = w->intent;
	struct sync_plan_in in = {
		.change = &w->ch, .cursor = &op->cur.c, .row = w->row, .intent = w->has_intent ? &intent : NULL,
		.cursor_seq = op->cur.seq, .policy = op->req->policy, .delete_policy = op->req->delete_policy,
		.now = store_clock(op->g->store), .late_max = op->g->o.late_max_ms, .started = op->g->started, .moved_checked = moved_checked,
		.may_move = op->t.ct != CT_FOLDER && op->t.ct != CT_MAIL, .no_key = op->t.ct == CT_MAIL || op->t.ct == CT_FOLDER,
	};
	struct write_entry *mine;
	struct fmask bits;
	struct fmask hidden;
	char rev[REV_TEXT];
	size_t n = 0;
	enum rc rc;

	fmask_bits(model_content(op->t.ct), &bits);
	in.bits = &bits;
	if (w->row != NULL) {
		mine = arena_array(op->a, struct write_entry, op->n_writes + 1);
		for (size_t i = 0; mine != NULL && i < op->n_writes; i++)
			if (op->writes[i].id == w->row->id && (op->writes[i].seq == 0 || op->writes[i].seq > op->cur.seq))
				mine[n++] = op->writes[i];
		rc = photo_align(w, mine, n, e);
		if (rc != RC_OK)
			return rc;
		intent.f = photo_as_known(w, intent.f, intent.nf);
		in.writes = mine;
		in.n_writes = n;
		sync_hidden_of(&op->cur.c, w->row, &hidden);
		row_rev(op->g->keys, op->t.ct, w->row, &hidden, rev);
		in.row_rev = rev;
	}
	sync_plan_change(&in, &w->p);
	return RC_OK;
}

/* ---- notes in the database ---- */

/* The answer will tell the device of W's intent. */
static enum rc
intent_told(struct work *w, struct err *e)
{
	struct op *op = w->op;

	w->has_intent = true;
	if (op->n_intents == op->cap_intents) {
		size_t cap = op->cap_intents != 0 ? op->cap_intents * 2 : 64;
		const char **p = arena_array(op->a, const char *, cap);

		if (p == NULL)
			return err_set(e, RC_NOMEM, "out of memory for an intent");
		if (op->n_intents != 0)
			memcpy(p, op->intents, op->n_intents * sizeof(*p));
		op->intents = p;
		op->cap_intents = cap;
	}
	op->intents[op->n_intents++] = w->ch.client_id;
	/* a mail is found by its intent alone: it stays until an answer told of it, not until any answer was used */
	w->intent.seq = op->t.ct == CT_MAIL ? 0 : op->next_seq;
	return RC_OK;
}

static void
intent_is_noted(struct work *w)
{
	w->noted = w->intent;
	w->is_noted = true;
}

enum rc
work_intent_put(struct work *w, struct err *e)
{
	enum rc rc = intent_told(w, e);

	if (rc == RC_OK)
		rc = store_intent_put(w->op->c, w->op->s->n->device_id, w->op->t.f.id, w->ch.client_id, &w->intent, e);
	if (rc == RC_OK)
		intent_is_noted(w);
	return rc;
}

enum rc
work_intent_claim(struct work *w, bool *won, struct err *e)
{
	enum rc rc = intent_told(w, e);

	*won = false;
	if (rc == RC_OK)
		rc = store_intent_claim(w->op->c, w->op->s->n->device_id, w->op->t.f.id, w->ch.client_id, &w->intent, w->is_noted ? &w->noted : NULL, won, e);
	if (rc == RC_OK && *won)
		intent_is_noted(w);
	return rc;
}

enum rc
work_log_write(struct work *w, struct write_entry *entry, struct err *e)
{
	struct op *op = w->op;
	struct write_entry *p;
	enum rc rc;

	entry->seq = op->next_seq;
	rc = op->unlogged ? RC_OK : store_write_add(op->c, op->s->n->device_id, op->t.f.id, entry, e);
	if (rc != RC_OK)
		return rc;
	p = arena_array(op->a, struct write_entry, op->n_writes + 1);
	if (p == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the writes log");
	if (op->n_writes != 0)
		memcpy(p, op->writes, op->n_writes * sizeof(*p));
	p[op->n_writes++] = *entry;
	op->writes = p;
	return RC_OK;
}

enum rc
work_withdraw(struct work *w, int64_t wid, struct err *e)
{
	struct op *op = w->op;
	size_t n = 0;

	for (size_t i = 0; i < op->n_writes; i++)
		if (op->writes[i].wid != wid)
			op->writes[n++] = op->writes[i];
	op->n_writes = n;
	return store_write_delete(op->c, wid, e);
}

/* The fields as sent, for intents and the writes log; only those of MASK unless it is NULL.  A picture brings its stamp along. */
struct write_field *
work_sent(struct work *w, const struct fmask *mask, unsigned *n)
{
	struct write_field *f = arena_array(w->op->a, struct write_field, w->ch.nf + 2);

	*n = 0;
	for (unsigned i = 0; f != NULL && i < w->ch.nf; i++)
		if (mask == NULL || fmask_has(mask, w->ch.f[i].i))
			f[(*n)++] = (struct write_field){ .i = w->ch.f[i].i, .fp = w->ch.f[i].fp };
	if (f != NULL)
		*n = label_sent(w, mask, f, photo_stamp_sent(w, f, *n));
	return f;
}

/* A pending intent found its object: its creation is this device's own write (rule OWN). */
enum rc
work_adopt(struct work *w, msec_t lm, struct err *e)
{
	struct write_entry entry = { .id = w->row->id, .done = true, .lm = lm, .f = photo_as_known(w, w->intent.f, w->intent.nf), .nf = w->intent.nf };

	sync_write_complete(&entry, w->row);
	return work_log_write(w, &entry, e);
}

/* ---- what every plan may ask besides its main step ---- */

/* What a create carries: the deleted days of a series are written when it is there, and count as not sent before (write.c). */
static void
fields_of_create(enum content ct, struct fmask *out)
{
	int days = ct == CT_CALENDAR ? model_field(model_content(ct), "delete_exceptions") : -1;

	memset(out, 0xff, sizeof(*out));
	if (days >= 0)
		fmask_clear(out, (unsigned)days);
}

struct mail_op
work_import(const struct work *w)
{
	struct mail_place here = place_here(w->op);
	struct mail_op o = mail_op_begin(w->op->g, &here, mail_mark_id(w->op, w->message_id, strlen(w->message_id)));

	if (w->ch.again) /* sent before, and forgotten here since: it may lie anywhere in the folder */
		o.mail = 0;
	return o;
}

/* *WON: false = the same change is being carried out elsewhere, and nothing of this one may happen. */
static enum rc
plan_notes(struct work *w, bool *won, struct err *e)
{
	struct op *op = w->op;
	const struct sync_plan_out *p = &w->p;
	struct fmask in_create;
	enum rc rc = RC_OK;

	*won = true;
	fields_of_create(op->t.ct, &in_create);
	if (p->intent_new) {
		memset(&w->intent, 0, sizeof(w->intent));
		w->intent.state = INTENT_PENDING;
		w->intent.at = store_clock(op->g->store);
		if (p->kind == PLAN_CREATE) /* what an attempt that the database forgot has carried is not known: its values may be other ones */
			w->intent.f = work_sent(w, &in_create, &w->intent.nf);
		rc = work_intent_claim(w, won, e);
		if (rc == RC_OK && *won && op->t.ct == CT_MAIL && w->message_id != NULL) {
			w->mail_op = work_import(w);
			rc = mail_op_put(op, mail_key(op, 'i', w->ch.client_id), &w->mail_op, MAIL_OP_PENDING, e);
		}
	} else if (p->intent_set) {
		if (p->adopt)
			rc = work_adopt(w, 0, e);
		w->intent.state = p->intent_state;
		w->intent.unsure = p->intent_unsure;
		if (w->row != NULL)
			w->intent.id = w->row->id;
		if (rc == RC_OK)
			rc = work_intent_claim(w, won, e);
	} else if (p->adopt) {
		rc = work_adopt(w, 0, e);
	}
	return rc;
}

static enum rc
plan_side_effects(struct work *w)
{
	struct op *op = w->op;
	const struct sync_plan_out *p = &w->p;
	enum rc rc = RC_OK;

	if (p->map) {
		w->res->has_uuid = true;
		if (w->row != NULL)
			uuid_make(op->g->keys, op->t.tag, w->row->id, &w->res->uuid);
		else if (w->has_intent && w->intent.elsewhere)
			w->res->uuid = w->intent.else_uuid;
		else
			uuid_make(op->g->keys, op->t.tag, w->intent.id, &w->res->uuid);
	}
	if (rc == RC_OK && w->row != NULL && (p->force_del || p->force_put))
		rc = forced_add(op, w->row->id, p->force_del ? SYNC_DEL : SYNC_PUT);
	if (rc == RC_OK && w->row != NULL && p->touched)
		rc = touched_add(op, w->row->id, &w->ch);
	if (w->row != NULL && p->drop_have)
		cursor_have_drop(&op->cur.c, w->row->id);
	return rc;
}

/* The client's losing values. Their uuid: of the row, or the one that the client named. */
enum rc
work_record_lost(struct work *w, const struct fmask *lose, struct err *e)
{
	struct uuid u = w->cc->uuid;
	const struct loss l = { .uuid = &u, .row = w->row, .object = w->cc->object, .fields = lose,
		.raw = w->cc->op == OP_CREATE ? w->cc->raw : NULL, .raw_len = w->cc->raw_len };

	for (unsigned i = 0; i < MODEL_MAX_FIELDS; i++)
		if (fmask_has(lose, i))
			fmask_set(&w->res->lost, i);
	fmask_from_bits(model_content(w->op->t.ct), &w->res->lost);
	if (w->row != NULL)
		uuid_make(w->op->g->keys, w->op->t.tag, w->row->id, &u);
	return conflict_record(w->op, &l, &w->res->conflict, e);
}

/* ---- one attempt ---- */

/* OX did not say: this change is sent again, the others go on. */
static enum rc
unanswered(struct work *w)
{
	w->res->status = ST_RETRY;
	w->res->has_uuid = false;
	return RC_OK;
}

/* RC_OK: W->res->status holds the answer, or *again asks for a refresh and another attempt. */
static enum rc
attempt(struct work *w, bool *again, struct err *e)
{
	bool moved_checked = false, gone, won;
	enum rc rc;

	*again = false;
	for (int i = 0; i < REASKS; i++) {
		rc = work_load(w, e);
		if (rc != RC_OK)
			return rc;
		rc = plan(w, moved_checked, e);
		if (rc == RC_TIMEOUT)
			return unanswered(w);
		if (rc != RC_OK)
			return rc;
		if (w->p.kind == PLAN_FIND_UID) {
			rc = ask_uid(w, again, e);
			if (rc == RC_TIMEOUT)
				return unanswered(w);
			if (rc != RC_OK || *again)
				return rc;
			continue;
		}
		if (w->p.kind == PLAN_FIND_MOVED) {
			rc = apply_moved(w, again, &gone, e);
			if (rc == RC_TIMEOUT)
				return unanswered(w);
			if (rc != RC_OK || *again)
				return rc;
			if (!gone)
				return RC_OK;
			moved_checked = true;
			continue;
		}
		break;
	}
	rc = plan_notes(w, &won, e);
	if (rc == RC_OK && !won)
		return unanswered(w);
	w->res->status = w->p.status;
	if (rc == RC_OK)
		rc = plan_side_effects(w);
	if (rc != RC_OK)
		return rc;
	switch (w->p.kind) {
	case PLAN_RECORD:
		rc = work_record_lost(w, &w->p.lose, e);
		break;
	case PLAN_CREATE:
		if (store_clock(w->op->g->store) - w->intent.at > INTENT_GOOD_MS) {
			w->res->status = ST_RETRY;
			return RC_OK;
		}
		return write_create(w, again, e);
	case PLAN_UPDATE:
		return write_update(w, again, e);
	case PLAN_DELETE:
		return write_delete(w, again, e);
	case PLAN_RECREATE:
		w->res->status = ST_RECREATE;
		return RC_OK;
	case PLAN_DONE:
		break;
	case PLAN_FIND_UID:
	case PLAN_FIND_MOVED:
		w->res->status = ST_RETRY; /* OX answers differently every time: let it settle */
		break;
	}
	if (rc == RC_OK && w->cc->has_move && w->res->status == ST_OK && w->op->t.ct != CT_FOLDER)
		rc = write_move(w, again, e);
	else if (rc == RC_OK && w->cc->has_move && w->res->status == ST_GONE && w->op->t.ct == CT_MAIL)
		rc = mail_moved_before(w, e);
	return rc;
}

/*
 * An error that belongs to this change alone (OX refuses the data, the right is missing) is answered with it; an error of the
 * way to OX ends the request, which the client repeats as a whole.
 */
bool
error_of_change(enum rc rc, const struct err *e)
{
	/* OX answered, and with an error of its own (category 8, ox-http-api.md 1.3): it may fail on this object for ever, and what follows must not wait */
	if (rc == RC_UPSTREAM)
		return e->category == OX_CATEGORY_ERROR;
	return rc == RC_PROTO || rc == RC_FORBIDDEN || rc == RC_NOTFOUND || rc == RC_LIMIT;
}

/* A folder is moved by its parent's id like any other field. */
static enum rc
parent_as_field(struct op *op, struct client_change *cc, const char **to, struct err *e)
{
	int i = model_field(model_content(CT_FOLDER), "folder_id");
	const char *parent = OX_PRIVATE_ROOT, *self;
	enum content ct;

	if (op->t.ct != CT_FOLDER || cc->op != OP_MODIFY || !cc->has_move || i < 0)
		return RC_OK;
	if (!uuid_is_zero(&cc->move_to) && !folder_uuid_oxid(op, &cc->move_to, &parent, &ct))
		return err_set_path(e, RC_NOTFOUND, "parent", "the parent folder does not exist (any more)");
	if (uuid_is_zero(&cc->move_to) && folder_uuid_oxid(op, &cc->uuid, &self, &ct) && ct == CT_MAIL)
		parent = OX_MAIL_ROOT; /* mail folders lie below their account's root (ox-http-api.md 3.2) */
	*to = parent;
	if (cc->object == NULL && (cc->object = object_new(op->a, CT_FOLDER)) == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a change");
	object_set(cc->object, (unsigned)i, json_string(parent));
	fmask_set(&cc->fields, (unsigned)i);
	return RC_OK;
}

/* OX's own protections, told before anything is written; the folder's content was read for this request's refresh. */
static enum rc
folder_possible(struct op *op, const struct client_change *cc, const char *parent, struct err *e)
{
	int64_t id;
	enum rc rc;

	if (op->t.ct != CT_FOLDER || !cc->has_uuid || !uuid_id(op->g->keys, op->t.tag, &cc->uuid, &id))
		return RC_OK;
	rc = hierarchy_load(op, e);
	return rc == RC_OK ? tree_may_change(op, cc, id, parent, e) : rc;
}

/* A move that cannot be is refused before the change that comes with it is written. */
static enum rc
move_possible(struct op *op, const struct client_change *cc, struct err *e)
{
	const char *to;
	enum content ct;

	if (op->t.ct == CT_FOLDER || !cc->has_move)
		return RC_OK;
	if (!folder_uuid_oxid(op, &cc->move_to, &to, &ct))
		return err_set_path(e, RC_NOTFOUND, "folder", "the folder to move into does not exist (any more)");
	if (ct != op->t.ct)
		return err_set_path(e, RC_PROTO, "folder", "an object can only be moved into a folder of its own type");
	return RC_OK;
}

/* A draft's new version keeps the Message-ID that it has, or gets one that another version does not get. */
static enum rc
change_octets(struct work *w, struct err *e)
{
	struct op *op = w->op;
	const char *seed = w->ch.client_id;
	char uuid[UUID_TEXT];

	if (w->cc->op == OP_MODIFY) {
		uuid_format(&w->cc->uuid, uuid);
		seed = arena_printf(op->a, "%s.%016llx", uuid, (unsigned long long)mail_digest(op, w->cc->raw, w->cc->raw_len));
		if (seed == NULL)
			return err_set(e, RC_NOMEM, "out of memory for a mail");
	}
	w->octets = w->cc->raw;
	w->octets_len = w->cc->raw_len;
	return mail_octets(op, seed, &w->octets, &w->octets_len, &w->raw, &w->message_id, e);
}

/* Something of a change was written, and the rest of it not: the client cannot know what, and may give all of it up. */
static enum rc
show_written(const struct work *w)
{
	struct op *op = w->op;
	size_t at;

	if (w->row == NULL || op->touched_at == NULL || !imap_get(op->touched_at, w->row->id, &at) ||
	    (op->forced != NULL && imap_get(op->forced, w->row->id, &at)))
		return RC_OK;
	return forced_add(op, w->row->id, SYNC_PUT);
}

static enum rc
one_change(struct op *op, size_t i, struct err *e)
{
	struct client_change *cc = &op->req->changes[i];
	struct work w = { .op = op, .cc = cc, .res = &op->out->results[i] };
	const char *parent = NULL;
	bool again = true, relabelled = label_possible(op, cc);
	enum rc rc;

	w.res->change = i;
	if (guard_holds(op, cc, w.res, &rc, e))
		return rc;
	if (cc->refused != NULL)
		*e = *cc->refused;
	rc = cc->refused != NULL ? cc->refused->rc : parent_as_field(op, cc, &parent, e);
	if (rc == RC_OK)
		rc = folder_possible(op, cc, parent, e);
	if (rc == RC_OK)
		rc = move_possible(op, cc, e);
	if (rc == RC_OK)
		rc = series_as_field(&w, cc, e);
	if (rc == RC_OK)
		rc = members_for_ox(op, cc, e);
	if (rc == RC_BUSY) { /* a member of this list is in doubt: both are sent again */
		w.res->status = ST_RETRY;
		return RC_OK;
	}
	if (rc != RC_OK)
		goto refused;
	if (cc->object != NULL) {
		w.how = (struct write_how){ .ignore_conflicts = cc->ignore_conflicts, .silent = cc->silent, .said = cc->fields };
		cc->object->how = &w.how;
	}
	rc = change_build(op, cc, &w.ch, e);
	if (rc != RC_OK)
		return rc;
	if (cc->client_id != NULL) {
		w.key = arena_printf(op->a, "%s/%s", op->s->n->owner, cc->client_id);
		if (w.key == NULL)
			return err_set(e, RC_NOMEM, "out of memory for a change");
	}
	if (op->t.ct == CT_MAIL && (cc->op == OP_CREATE || cc->raw != NULL)) {
		rc = change_octets(&w, e);
		if (rc != RC_OK)
			goto refused;
	}
	if (w.octets != NULL && cc->op == OP_MODIFY) {
		rc = write_draft(&w, e);
		goto refused;
	}
	for (int n = 0; n < ATTEMPTS && again; n++) {
		if (n > 0) {
			rc = op_refresh(op, true, e);
			if (rc != RC_OK)
				return rc;
			w.kept_intent = false;
		}
		rc = series_ready(&w, e);
		if (rc == RC_OK)
			rc = attempt(&w, &again, e);
		if (rc != RC_OK)
			break;
		if (again)
			w.res->status = ST_RETRY;
	}
	/* a mail that was found carries no name of ours: the client may have got it as somebody's, so it goes whole, with its name */
	if (rc == RC_OK && op->t.ct == CT_MAIL && (relabelled || (cc->op == OP_CREATE && w.p.map)) && w.res->status == ST_OK && w.row != NULL)
		rc = forced_add(op, w.row->id, SYNC_PUT);
refused:
	buf_fini(&w.raw);
	if (cc->object != NULL)
		cc->object->how = NULL;
	w.res->conflicts = w.how.conflicts;
	if (rc == RC_OK)
		return w.res->status == ST_RETRY ? show_written(&w) : RC_OK;
	if (!error_of_change(rc, e))
		return rc;
	w.res->failed = true;
	w.res->err = *e;
	rc = refused_right(&w, e);
	return rc == RC_OK ? show_written(&w) : rc;
}

enum rc
op_changes(struct op *op, struct err *e)
{
	enum rc rc = op->unlogged ? RC_OK : store_writes_get(op->c, op->a, op->s->n->device_id, op->t.f.id, &op->writes, &op->n_writes, e);

	op->out->results = arena_array(op->a, struct answer_result, op->req->n_changes);
	if (rc == RC_OK && op->out->results == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for the results");
	if (rc == RC_OK)
		rc = guard_begin(op, e);
	if (rc == RC_OK)
		rc = journal_read(op, e);
	/* lists go last: their members may be among the contacts before or behind them */
	for (int last = 0; last < 2; last++)
		for (size_t i = 0; i < op->req->n_changes && rc == RC_OK; i++)
			if (members_need_others(op, &op->req->changes[i]) == (last == 1))
				rc = one_change(op, i, e);
	if (rc == RC_OK)
		rc = guard_end(op, e);
	if (rc == RC_OK)
		op->out->n_results = op->req->n_changes;
	return rc;
}
