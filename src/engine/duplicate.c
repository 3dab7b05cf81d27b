/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Removing what a device created again and again, when an administrator has marked it (usmctl duplicates): a copy goes only while it says the same as
 * the one that stays.  Done with a session of the user; noted in the journal as a deletion by the device, so that it can be brought back.
 */
#include "engine/change_int.h"

/* Do A and B say the same, but for what OX itself writes? */
static bool
same_content(const struct op *op, const struct object *a, const struct object *b)
{
	const struct content_type *t = model_content(a->ct);

	for (unsigned i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & (FF_READONLY | FF_NOINDEX)) == 0 &&
		    field_fp(op->g->keys, &t->fields[i], a->v[i]) != field_fp(op->g->keys, &t->fields[i], b->v[i]))
			return false;
	return true;
}

static enum rc
remove_copy(struct op *op, const struct store_created *x, const struct object *copy, struct err *e)
{
	struct noted n = { .device = x->device, .place = copy->folder != NULL ? copy->folder : x->place, .id = copy->id, .version = copy->lm, .op = JOURNAL_DELETED, .before = copy };
	int64_t entry;
	enum rc rc;

	for (unsigned i = 0; i < model_content(x->ct)->n_fields; i++)
		if (copy->v[i] != NULL)
			fmask_set(&n.fields, i);
	op->t.ct = x->ct; /* of what is noted */
	rc = journal_add(op, &n, &entry, e);
	if (rc == RC_OK)
		rc = ox_delete(op->s->ox, x->ct, n.place, copy->id, copy->oxid, copy->lm, false, e);
	if (rc == RC_OK)
		op_wake(op, tag_of_folder(op->g, op->s->n->account, x->ct, n.place));
	return rc;
}

/* RC_OK: X is dealt with. */
static enum rc
one_copy(struct op *op, const struct store_created *x, const char **what, struct err *e)
{
	struct object *keep = NULL, *copy = NULL;
	int64_t twin;
	enum rc rc = store_created_twin(op->c, x, &twin, e);

	*what = "kept: nothing else says what it says";
	if (rc == RC_NOTFOUND || x->ct == CT_MAIL || x->ct == CT_FOLDER)
		return RC_OK;
	if (rc == RC_OK)
		rc = ox_get_any(op->s->ox, op->a, x->ct, x->place, twin, &keep, e);
	if (rc == RC_OK)
		rc = ox_get_any(op->s->ox, op->a, x->ct, x->place, x->object, &copy, e);
	if (rc == RC_OK && same_content(op, keep, copy)) {
		rc = remove_copy(op, x, copy, e);
		*what = "removed";
	} else if (rc == RC_NOTFOUND) {
		*what = "gone already, or the one to keep is";
		rc = RC_OK;
	}
	object_drop(keep);
	object_drop(copy);
	if (rc == RC_NOTFOUND || rc == RC_FORBIDDEN || rc == RC_PROTO) {
		*what = "could not be removed";
		rc = RC_OK;
	}
	return rc;
}

void
duplicates_remove(struct op *op, size_t max, bool *left)
{
	struct store_created *x = NULL;
	size_t n = 0;
	const char *what;
	struct err e = { 0 };
	enum rc rc = store_created_wanted(op->c, op->a, op->s->n->account_id, max, &x, &n, &e);

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		rc = one_copy(op, &x[i], &what, &e);
		if (rc == RC_OK) {
			log_info("duplicate", "device=%lld type=%s id=%lld outcome=%s", (long long)x[i].device, model_content(x[i].ct)->name,
			    (long long)x[i].object, what);
			rc = store_created_drop(op->c, &x[i], &e);
		}
	}
	if (rc != RC_OK)
		log_warn("duplicate", "failed=%s %s", rc_name(rc), e.text);
	*left |= rc == RC_OK && n == max;
}
