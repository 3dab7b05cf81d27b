/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The journal: what a client's change is about to overwrite or delete, sealed, with an expiry, written before the write.  A note without a
 * write is harmless (undo compares); a write without a note is not made.  What is created is not noted, nor are the marks of mails.
 */
#include "engine/refresh_int.h"
#include "engine/mail_int.h"

#include <stdlib.h>
#include <string.h>

#define TRIM_EVERY 64 /* entries; the limit on them is kept as closely as that */

/* ---- objects as they are before the changes ---- */

static enum rc
before_put(struct op *op, struct object *o)
{
	size_t at;

	if (op->before_at == NULL && (op->before_at = imap_new(op->a, 64)) == NULL)
		return RC_NOMEM;
	if (imap_get(op->before_at, o->id, &at)) {
		object_drop(op->before[at]);
		op->before[at] = o;
		return RC_OK;
	}
	if (op->n_before == op->cap_before) {
		size_t cap = op->cap_before != 0 ? op->cap_before * 2 : 16;
		struct object **p = arena_array(op->a, struct object *, cap);

		if (p == NULL)
			return RC_NOMEM;
		if (op->n_before != 0)
			memcpy(p, op->before, op->n_before * sizeof(*p));
		op->before = p;
		op->cap_before = cap;
	}
	if (!imap_put(op->before_at, o->id, op->n_before))
		return RC_NOMEM;
	op->before[op->n_before++] = o;
	return RC_OK;
}

static enum rc
before_fetch(struct op *op, const int64_t *ids, const char *const *oxids, size_t n, struct err *e)
{
	struct object **o = NULL;
	size_t got = 0, i = 0;
	enum rc rc = op_fetch(op, ids, oxids, n, &o, &got, e);

	for (; rc == RC_OK && i < got; i++)
		rc = before_put(op, o[i]);
	if (rc == RC_NOMEM && i > 0) {
		object_drop_all(o + i - 1, got - i + 1);
		return err_set(e, RC_NOMEM, "out of memory for what is overwritten");
	}
	return rc;
}

void
journal_fini(struct op *op)
{
	object_drop_all(op->before, op->n_before);
	op->n_before = 0;
}

/* Of several changes all that they overwrite or delete is read at once: one request to OX, not one for each. */
enum rc
journal_read(struct op *op, struct err *e)
{
	const struct sync_request *req = op->req;
	int64_t *ids = arena_array(op->a, int64_t, req->n_changes);
	const char **oxids = arena_array(op->a, const char *, req->n_changes);
	struct row **rows;
	struct imap *at;
	size_t n = 0, live = 0, i;
	struct err why;
	enum rc rc;

	if (op->g->o.journal_keep_ms == 0 || op->t.ct == CT_FOLDER || op->unreadable)
		return RC_OK;
	if (ids == NULL || oxids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for what is overwritten");
	for (i = 0; i < req->n_changes; i++) {
		const struct client_change *cc = &req->changes[i];

		if (cc->op == OP_CREATE || !cc->has_uuid || cc->refused != NULL || (cc->op == OP_MODIFY && (op->t.ct == CT_MAIL || cc->object == NULL)) ||
		    (cc->op == OP_DELETE && op->deletions != DELETIONS_PASS))
			continue;
		n += uuid_id(op->g->keys, op->t.tag, &cc->uuid, &ids[n]);
	}
	if (n < 2) /* one is read when it is written */
		return RC_OK;
	rc = rows_by_id(op, ids, n, &rows, &at, e);
	for (size_t k = 0; rc == RC_OK && k < n; k++)
		if (imap_get(at, ids[k], &i) && !rows[i]->dead) {
			oxids[live] = rows[i]->oxid;
			ids[live++] = ids[k];
		}
	if (rc != RC_OK || live < 2)
		return rc;
	/* where OX fails on one of them, each is asked for alone */
	rc = before_fetch(op, ids, oxids, live, &why);
	return rc == RC_NOMEM ? err_set(e, rc, "out of memory for what is overwritten") : RC_OK;
}

enum rc
op_before(struct op *op, const struct row *r, struct object **out, bool *again, struct err *e)
{
	size_t at;
	enum rc rc;

	*out = NULL;
	*again = false;
	if (op->before_at == NULL || !imap_get(op->before_at, r->id, &at) || op->before[at]->broken ||
	    (op->t.ct != CT_MAIL && op->before[at]->lm != r->lm)) {
		rc = before_fetch(op, &r->id, &r->oxid, 1, e);
		if (rc != RC_OK)
			return rc;
		if (op->before_at == NULL || !imap_get(op->before_at, r->id, &at))
			return RC_OK;
	}
	if (op->before[at]->broken)
		return RC_OK;
	*again = op->t.ct != CT_MAIL && op->before[at]->lm != r->lm;
	*out = op->before[at];
	return RC_OK;
}

/* ---- entries ---- */

/* {"fields":{...}} as OX has them, from jansson's own allocator; NULL = out of memory. */
static char *
values_text(const struct object *o, const struct fmask *fields)
{
	const struct content_type *t = model_content(o->ct);
	json_t *root = json_object(), *f = json_object();
	char *text;

	for (unsigned i = 0; i < t->n_fields; i++)
		if (fmask_has(fields, i) && o->v[i] != NULL)
			(void)json_object_set_new(f, t->fields[i].name, json_incref(o->v[i]));
	(void)json_object_set_new(root, "fields", f);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

/* The values of X->before, sealed; nothing where they are too many: the picture goes first. */
static enum rc
seal_before(struct op *op, const struct noted *x, struct buf *sealed, struct err *e)
{
	int photo = x->before != NULL ? model_field_flagged(model_content(x->before->ct), FF_APART) : -1;
	struct fmask keep = x->fields;
	char *text = NULL;
	enum rc rc = RC_OK;

	for (int i = 0; x->before != NULL && i < 2; i++) {
		text = values_text(x->before, &keep);
		if (text == NULL)
			return err_set(e, RC_NOMEM, "out of memory for the journal");
		if (strlen(text) <= op->g->o.journal_object_bytes)
			break;
		secret_wipe(text, strlen(text));
		free(text); /* jansson's own allocation */
		text = NULL;
		if (photo < 0 || !fmask_has(&keep, (unsigned)photo))
			break;
		fmask_clear(&keep, (unsigned)photo);
	}
	if (text == NULL)
		return RC_OK;
	if (seal_record(op->g, SEALED_JOURNAL, op->s->n->account_id, text, sealed) != RC_OK)
		rc = err_set(e, RC_NOMEM, "out of memory for the journal");
	secret_wipe(text, strlen(text));
	free(text);
	return rc;
}

/* Equal for a repeated attempt of the same change to the same version. */
static uint64_t
digest_of(const struct op *op, const struct noted *x)
{
	uint64_t head[5] = { (uint64_t)x->id, (uint64_t)x->version, (uint64_t)x->op, (uint64_t)op->t.ct, siphash24(op->g->topic_key, x->place, strlen(x->place)) };
	uint64_t h = siphash24(op->g->topic_key, head, sizeof(head));

	for (unsigned i = 0; i < x->nf; i++) {
		uint64_t v[3] = { h, x->f[i].i, x->f[i].fp };

		h = siphash24(op->g->topic_key, v, sizeof(v));
	}
	return h;
}

enum rc
journal_add(struct op *op, const struct noted *x, int64_t *entry, struct err *e)
{
	struct store_journal j = { .account = op->s->n->account_id, .device = x->device != 0 ? x->device : op->s->n->device_id, .object = x->id, .at = now_ms(),
		.ct = op->t.ct, .op = x->op, .place = x->place, .f = x->f, .nf = x->nf };
	struct buf sealed;
	enum rc rc;

	*entry = 0;
	if (op->g->o.journal_keep_ms == 0)
		return RC_OK;
	j.expires = j.at + op->g->o.journal_keep_ms;
	j.digest = digest_of(op, x);
	buf_init(&sealed, 0);
	rc = seal_before(op, x, &sealed, e);
	if (sealed.len > 0) {
		j.sealed = sealed.p;
		j.sealed_len = sealed.len;
	}
	if (rc == RC_OK)
		rc = store_journal_add(op->c, &j, e);
	buf_fini(&sealed);
	*entry = rc == RC_OK ? j.id : 0;
	if (rc == RC_OK && j.id % TRIM_EVERY == TRIM_EVERY - 1)
		rc = store_journal_trim(op->c, j.account, (int64_t)op->g->o.journal_entries, e);
	return rc;
}

void
journal_withdraw(struct op *op, int64_t entry)
{
	struct err e;

	if (entry != 0 && store_journal_drop(op->c, entry, &e) != RC_OK)
		log_error("journal", "%s", e.text);
}

/* PHOTO's own field is filled, where MASK wants it and the object has one. */
static enum rc
with_photo(struct work *w, struct object *o, const struct fmask *mask, struct err *e)
{
	int i = model_field_flagged(model_content(w->op->t.ct), FF_APART);
	const struct row_field *known = i >= 0 ? row_field_get(w->row, (unsigned)i) : NULL;
	json_t *photo = NULL;
	enum rc rc;

	if (o == NULL || i < 0 || o->v[i] != NULL || known == NULL || known->fp == 0)
		return RC_OK;
	rc = photo_overwritten(w->op, w->op->t.oxid, w->row->id, mask, &photo, e);
	photo_set(o, photo);
	return rc;
}

/* The N fields F are about to be written. */
enum rc
journal_update(struct work *w, struct write_field *f, unsigned nf, int64_t *entry, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct noted x = { .place = op->t.oxid, .id = w->row->id, .version = w->row->lm, .op = JOURNAL_CHANGED, .fields = w->p.fields, .f = f, .nf = nf };
	struct object *o = NULL;
	enum rc rc;

	*entry = 0;
	*again = false;
	if (op->g->o.journal_keep_ms == 0 || op->t.ct == CT_MAIL || fmask_empty(&w->p.fields))
		return RC_OK;
	rc = op_before(op, w->row, &o, again, e);
	if (rc != RC_OK || *again)
		return rc;
	rc = with_photo(w, o, &x.fields, e);
	x.before = o;
	return rc == RC_OK ? journal_add(op, &x, entry, e) : rc;
}

enum rc
journal_delete(struct work *w, int64_t *entry, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct noted x = { .place = op->t.oxid, .id = w->row->id, .version = w->row->lm, .op = JOURNAL_DELETED };
	struct object *o = NULL;
	enum rc rc;

	*entry = 0;
	*again = false;
	if (op->g->o.journal_keep_ms == 0)
		return RC_OK;
	rc = op->t.ct != CT_FOLDER ? op_before(op, w->row, &o, again, e) : RC_OK;
	if (rc != RC_OK || *again)
		return rc;
	memset(&x.fields, 0xff, sizeof(x.fields));
	rc = with_photo(w, o, &x.fields, e);
	for (unsigned i = 0; i < MODEL_MAX_FIELDS; i++)
		if (o == NULL || i >= model_content(op->t.ct)->n_fields || o->v[i] == NULL)
			fmask_clear(&x.fields, i);
	x.before = o;
	return rc == RC_OK ? journal_add(op, &x, entry, e) : rc;
}
