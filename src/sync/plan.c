/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What becomes of one change of a client: nothing, a record, a request to OX.  Decides only; the engine carries it out in the
 * order that the plan kinds name, and plans again when OX shows that the index was old.
 */
#include "usmd/sync.h"

#include <string.h>

/* The facts of one planning, worked out once. */
struct facts {
	const struct sync_plan_in *in;
	const struct change *ch;
	const struct row *row;
	uint64_t base;  /* newest cn of row that the client has surely seen */
	struct fmask hidden; /* but of these fields nothing */
	bool adopting;  /* the object of an unanswered create was found: the intent's fields are this device's own writes */
	bool refound;   /* a re-creation found its object: never written through this name again */
};

static void
fmask_fill(struct fmask *m)
{
	memset(m, 0xff, sizeof(*m));
}

static uint64_t
row_fp(const struct row *r, unsigned i)
{
	const struct row_field *f = row_field_get(r, i);

	return f == NULL ? 0 : f->fp;
}

/* A row without fingerprints: any field may have changed when the row did. */
static uint64_t
field_cn(const struct row *r, unsigned i)
{
	const struct row_field *f;

	if (!r->known)
		return r->cn;
	f = row_field_get(r, i);
	return f == NULL ? 0 : f->cn;
}

static const struct write_field *
sent_field(const struct write_field *f, unsigned nf, unsigned i)
{
	for (unsigned k = 0; k < nf; k++)
		if (f[k].i == i)
			return &f[k];
	return NULL;
}

static bool
sent_as(const struct intent *it, unsigned i, uint64_t fp)
{
	const struct write_field *f = it == NULL ? NULL : sent_field(it->f, it->nf, i);

	return f != NULL && f->fp == fp;
}

/* OWN: does the field's present value come from this device?  Else an answer that got lost makes its first write look foreign (F5). */
static bool
own_field(const struct facts *x, unsigned i)
{
	const struct row *r = x->row;

	if (!r->known)
		return false;
	if (x->adopting && sent_as(x->in->intent, i, row_fp(r, i)))
		return true;
	for (size_t w = 0; w < x->in->n_writes; w++) {
		const struct write_entry *e = &x->in->writes[w];
		const struct write_field *f = sent_field(e->f, e->nf, i);

		if (f == NULL)
			continue;
		/* outcome unknown: only the value can tell */
		if (e->cn == 0 ? f->fp == row_fp(r, i) : f->fcn != 0 && f->fcn == field_cn(r, i))
			return true;
	}
	return false;
}

/* The device's last write of this field was this very value and went through: repeating it would overwrite what came since (F5). */
static bool
applied(const struct facts *x, const struct change_field *c)
{
	if (x->adopting && sent_field(x->in->intent->f, x->in->intent->nf, c->i) != NULL)
		return sent_as(x->in->intent, c->i, c->fp);
	for (size_t w = x->in->n_writes; w-- > 0; ) {
		const struct write_entry *e = &x->in->writes[w];
		const struct write_field *f = sent_field(e->f, e->nf, c->i);

		if (f != NULL)
			return e->cn != 0 && f->fp == c->fp;
	}
	return false;
}

static bool
foreign_field(const struct facts *x, unsigned i)
{
	return field_cn(x->row, i) > x->base && !own_field(x, i);
}

/* A field that the client does not get: whatever somebody else put there it never showed, however old it is (F21). */
static bool
unseen_field(const struct facts *x, unsigned i)
{
	return fmask_has(&x->hidden, i) && field_cn(x->row, i) != 0 && !own_field(x, i);
}

/* CONFLICT: changed by others since the client's base, or the client says that it never showed the present value (F8), or cannot have. */
static bool
conflict(const struct facts *x, const struct change_field *c)
{
	return c->blind || foreign_field(x, c->i) || unseen_field(x, c->i);
}

static bool
is_bit(const struct facts *x, unsigned i)
{
	return x->in->bits != NULL && fmask_has(x->in->bits, i);
}

/*
 * A bit has two values: one that others changed since the client saw it, and that differs from what the client sends, is one that the client
 * left as it was.  So nobody's change of a bit ever loses.  Where it is not known what the client saw, this cannot be told.
 */
static bool
left_alone(const struct facts *x, const struct change_field *c)
{
	return is_bit(x, c->i) && !c->blind && x->base != 0 && foreign_field(x, c->i);
}

/* Fields that others changed since the base, with the blind ones: what a deletion, or a write to a moved object, would destroy. */
static void
foreign_fields(const struct facts *x, struct fmask *out)
{
	if (!x->row->known) {
		if (x->ch->blind_delete || x->row->cn > x->base)
			fmask_fill(out);
	} else {
		for (unsigned k = 0; k < x->row->nf; k++)
			if (!is_bit(x, x->row->f[k].i) && (x->ch->blind_delete || foreign_field(x, x->row->f[k].i)))
				fmask_set(out, x->row->f[k].i);
	}
	for (unsigned k = 0; k < x->ch->nf; k++)
		if (x->ch->f[k].blind || unseen_field(x, x->ch->f[k].i))
			fmask_set(out, x->ch->f[k].i);
}

static void
done(struct sync_plan_out *out, enum change_status st)
{
	out->kind = PLAN_DONE;
	out->status = st;
}

static void
intent_becomes(struct sync_plan_out *out, enum intent_state st, bool unsure)
{
	out->intent_set = true;
	out->intent_state = st;
	out->intent_unsure = unsure;
}

/*
 * The object is elsewhere, or gone: everything that the create did not carry, or that is not there, is recorded.  After a deletion,
 * too: a device restored from its backup may send, with new text in it, what it had deleted since.
 */
static void
record_beyond_intent(const struct sync_plan_in *in, struct sync_plan_out *out)
{
	const struct change *ch = in->change;
	const struct intent *it = in->intent;

	out->kind = PLAN_RECORD;
	out->status = ST_GONE;
	out->map = true;
	for (unsigned k = 0; ch->op != OP_DELETE && k < ch->nf; k++) {
		bool there = sent_as(it, ch->f[k].i, ch->f[k].fp);

		for (unsigned j = 0; it->elsewhere && j < it->else_nf; j++)
			there |= it->else_f[j].i == ch->f[k].i && it->else_f[j].fp == ch->f[k].fp;
		if (!there)
			fmask_set(&out->lose, ch->f[k].i);
	}
}

/* May OX still be executing the create that IT noted?  A database that was set back knows an older time of it, but not older than our start. */
static bool
may_run(const struct sync_plan_in *in, const struct intent *it)
{
	msec_t at = it->at != 0 && it->at < in->started ? in->started : it->at;

	return in->now - at < in->late_max;
}

/* The client deletes what it never heard of again.  The deletion is remembered, so that a late create is not executed after it (F7). */
static void
plan_delete_unanswered(const struct sync_plan_in *in, struct sync_plan_out *out)
{
	const struct intent *it = in->intent;
	bool unsure = it != NULL && (it->state == INTENT_PENDING || it->unsure);

	if (unsure && may_run(in, it)) {
		intent_becomes(out, INTENT_DELETED, true);
		done(out, ST_RETRY);
		return;
	}
	intent_becomes(out, INTENT_DELETED, false);
	done(out, ST_GONE);
}

/* A create (or the deletion of one) whose object is not in the index. */
static void
plan_absent(const struct sync_plan_in *in, struct sync_plan_out *out)
{
	const struct change *ch = in->change;
	const struct intent *it = in->intent;

	if (it != NULL && it->elsewhere) { /* found by its uid in another folder (F10) */
		record_beyond_intent(in, out);
		intent_becomes(out, INTENT_DONE, false);
		return;
	}
	if (it != NULL && it->state != INTENT_DELETED && (it->id_known || it->state == INTENT_DONE)) { /* created, and gone from here since (F10) */
		record_beyond_intent(in, out);
		return;
	}
	/* It may live in any folder: look before anything is created again (F9, F10).  A re-creation is looked for even without intent:
	 * a client that edits on after its first answer asks for it again when the first intent is long acknowledged. */
	if (it == NULL ? ch->recreate || (in->no_key && ch->again) : it->state == INTENT_PENDING && !it->asked && (in->no_key || !may_run(in, it))) {
		out->kind = PLAN_FIND_UID;
		return;
	}
	if (ch->op == OP_DELETE) {
		plan_delete_unanswered(in, out);
		return;
	}
	if (it != NULL && it->state == INTENT_DELETED) { /* a create that arrives after its own deletion (F7) */
		record_beyond_intent(in, out);
		out->map = false;
		return;
	}
	if (it != NULL && it->state == INTENT_PENDING && may_run(in, it)) {
		done(out, ST_RETRY); /* OX may still be executing it (F9) */
		return;
	}
	out->intent_new = true;
	if (ch->again && (it == NULL || it->forgotten || (ch->recreate && it->at == 0 && it->nf == 0))) {
		/* sent before, but the database does not know: it was lost, and OX may still be at it (F9) */
		done(out, ST_RETRY);
		return;
	}
	out->kind = PLAN_CREATE;
	out->status = ST_OK;
}

/* The create's object is in the index: remember it, and tell the client its uuid (F16). */
static void
note_found(struct facts *x, struct sync_plan_out *out)
{
	const struct intent *it = x->in->intent;

	out->map = true;
	x->adopting = it != NULL && it->state == INTENT_PENDING;
	out->adopt = x->adopting;
	if (it == NULL || it->state != INTENT_DELETED)
		intent_becomes(out, INTENT_DONE, false);
}

static bool
all_applied(const struct facts *x)
{
	for (unsigned k = 0; k < x->ch->nf; k++)
		if (!applied(x, &x->ch->f[k]))
			return false;
	return true;
}

/* A change of an object that is gone here. */
static void
plan_dead(const struct facts *x, struct sync_plan_out *out)
{
	const struct sync_plan_in *in = x->in;
	const struct change *ch = x->ch;

	out->drop_have = true; /* the client is told, or knows (F4) */
	if (ch->op == OP_DELETE) {
		done(out, ST_GONE);
		return;
	}
	for (unsigned k = 0; k < ch->nf; k++)
		if (applied(x, &ch->f[k]))
			fmask_set(&out->applied, ch->f[k].i);
	if (in->may_move && !in->moved_checked) {
		out->kind = PLAN_FIND_MOVED; /* a tombstone may be a move: ask before delete-versus-change is settled (F15) */
		foreign_fields(x, &out->foreign);
		return;
	}
	if (ch->client_id == NULL && !all_applied(x) && in->delete_policy != POLICY_SERVER) {
		if (in->delete_policy == POLICY_CLIENT) {
			out->kind = PLAN_RECREATE;
			return;
		}
		out->force_del = true; /* the client learns what it is in conflict with, and keeps its version */
		done(out, ST_CONFLICT);
		return;
	}
	out->force_del = in->intent == NULL || in->intent->state != INTENT_DELETED; /* who deleted it itself need not be told */
	out->kind = PLAN_RECORD;
	out->status = ST_GONE;
	for (unsigned k = 0; k < ch->nf; k++)
		if (!fmask_has(&out->applied, ch->f[k].i) && !sent_as(in->intent, ch->f[k].i, ch->f[k].fp))
			fmask_set(&out->lose, ch->f[k].i);
}

static void
plan_delete(const struct facts *x, struct sync_plan_out *out)
{
	/* An unanswered create (named by its clientId, whatever is known here of OX's answer) that nobody else changed since OX first showed it: what
	 * differs from what was sent is OX's doing, as far as anybody can tell.  Refusing would make the client's own object come back to it, also
	 * where it wrote to it in between; what differs is recorded, so nothing is lost if it was a person. */
	bool own_create = x->ch->id == 0 && x->row->known;

	foreign_fields(x, &out->win);
	for (unsigned k = 0; k < x->row->nf && own_create; k++)
		own_create = !fmask_has(&out->win, x->row->f[k].i) || x->row->f[k].cn <= x->row->first_cn;
	if (!fmask_empty(&out->win) && !own_create && x->in->delete_policy != POLICY_CLIENT) {
		memset(&out->win, 0, sizeof(out->win));
		out->force_put = true; /* a refused deletion is answered with the whole object */
		done(out, x->in->delete_policy == POLICY_ERROR ? ST_CONFLICT : ST_REFUSED);
		return;
	}
	out->kind = PLAN_DELETE;
	out->status = ST_GONE;
}

/* One field of a modification; false = a conflict under policy `error`. */
static bool
plan_field(const struct facts *x, const struct change_field *c, struct sync_plan_out *out)
{
	if (x->row->known && row_fp(x->row, c->i) == c->fp)
		return true; /* equal values are no conflict */
	if (applied(x, c)) {
		fmask_set(&out->applied, c->i);
		return true;
	}
	if (x->refound) {
		fmask_set(&out->lose, c->i); /* somebody changed the re-created object: this name may not write to it */
		return true;
	}
	if (left_alone(x, c))
		return true;
	if (conflict(x, c)) {
		if (x->in->policy == POLICY_ERROR)
			return false;
		if (x->in->policy == POLICY_SERVER) {
			fmask_set(&out->lose, c->i);
			return true;
		}
		fmask_set(&out->win, c->i); /* recorded before the write that destroys it (F14) */
	}
	fmask_set(&out->fields, c->i);
	return true;
}

static void
plan_modify(const struct facts *x, struct sync_plan_out *out)
{
	static const struct fmask none;

	for (unsigned k = 0; k < x->ch->nf; k++)
		if (!plan_field(x, &x->ch->f[k], out)) {
			out->fields = out->lose = out->win = out->applied = none;
			out->force_put = true;
			done(out, ST_CONFLICT);
			return;
		}
	out->status = ST_OK;
	if (fmask_empty(&out->fields)) {
		out->kind = PLAN_RECORD;
		out->touched = true; /* answered in full all the same: foreign fields must not hide behind the row's exclusion (F4) */
		return;
	}
	out->kind = PLAN_UPDATE;
}

/* What the client is sure to have seen of the row it changes (F17). */
static uint64_t
base_of_change(const struct sync_plan_in *in)
{
	const struct change *ch = in->change;
	uint64_t base;

	if (ch->client_id != NULL) /* an unanswered create: lo and view say nothing of it */
		return ch->recreate ? 0 : cursor_have(in->cursor, in->row->id);
	base = sync_base_of(in->cursor, in->row);
	if (base == 0 && ch->rev != NULL && in->row_rev != NULL && ch->rev[0] != '\0' && strcmp(ch->rev, in->row_rev) == 0)
		return UINT64_MAX; /* it edited exactly this version */
	return base;
}

void
sync_plan_change(const struct sync_plan_in *in, struct sync_plan_out *out)
{
	const struct change *ch = in->change;
	struct facts x = { .in = in, .ch = ch, .row = in->row };

	memset(out, 0, sizeof(*out));
	if (in->row == NULL && ch->client_id != NULL) {
		plan_absent(in, out);
		return;
	}
	if (in->row == NULL) { /* never here, or its tombstone expired */
		if (ch->op == OP_DELETE) {
			done(out, ST_GONE);
			return;
		}
		out->kind = PLAN_RECORD;
		out->status = ST_GONE;
		for (unsigned k = 0; k < ch->nf; k++)
			fmask_set(&out->lose, ch->f[k].i);
		return;
	}
	if (ch->client_id != NULL && ch->op != OP_DELETE) {
		note_found(&x, out);
	} else if (ch->client_id != NULL && in->intent != NULL) {
		x.adopting = true;
		intent_becomes(out, INTENT_DELETED, in->intent->unsure);
	}
	x.base = base_of_change(in);
	if (ch->client_id == NULL)
		sync_hidden_of(in->cursor, in->row, &x.hidden);
	x.refound = ch->client_id != NULL && ch->recreate;
	if (in->row->dead)
		plan_dead(&x, out);
	else if (ch->op == OP_DELETE)
		plan_delete(&x, out);
	else
		plan_modify(&x, out);
}

bool
sync_plan_moved(const struct change *ch, const struct row *tomb, const struct sighting *there, const struct sync_plan_out *plan,
    enum sync_policy policy, struct fmask *fields, struct fmask *lose, struct fmask *win)
{
	memset(fields, 0, sizeof(*fields));
	memset(lose, 0, sizeof(*lose));
	memset(win, 0, sizeof(*win));
	for (unsigned k = 0; k < ch->nf; k++) {
		unsigned i = ch->f[k].i;
		uint64_t now = 0;

		for (unsigned j = 0; j < there->nf; j++)
			if (there->f[j].i == i)
				now = there->f[j].fp;
		if (now == ch->f[k].fp || fmask_has(&plan->applied, i))
			continue;
		if (fmask_has(&plan->foreign, i) || !tomb->known || now != row_fp(tomb, i)) {
			if (policy == POLICY_ERROR)
				goto conflict;
			if (policy == POLICY_SERVER) {
				fmask_set(lose, i);
				continue;
			}
			fmask_set(win, i);
		}
		fmask_set(fields, i);
	}
	return true;

conflict:
	memset(fields, 0, sizeof(*fields));
	memset(lose, 0, sizeof(*lose));
	memset(win, 0, sizeof(*win));
	return false;
}

void
sync_answer_fields(const struct cursor *cursor, const struct row *row, const struct change *ch, const struct write_entry *writes, size_t n_writes,
    struct fmask *fields, struct fmask *own)
{
	uint64_t base = sync_base_of(cursor, row);

	memset(own, 0, sizeof(*own));
	/* nothing is known of what the client holds: fields that are not set must be said, too, the row has no entry for them (F4) */
	if (base == 0)
		fmask_fill(fields);
	else
		sync_changed_fields(row, base, fields);
	for (unsigned k = 0; k < ch->nf; k++) {
		unsigned i = ch->f[k].i;

		if (row_fp(row, i) == ch->f[k].fp) {
			fmask_clear(fields, i);
			fmask_set(own, i);
			continue;
		}
		fmask_set(fields, i);
		for (size_t w = 0; w < n_writes; w++) {
			const struct write_field *f = sent_field(writes[w].f, writes[w].nf, i);

			if (writes[w].id == row->id && f != NULL && f->fcn != 0 && f->fcn == field_cn(row, i))
				fmask_set(own, i);
		}
	}
}
