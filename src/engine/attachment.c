/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attachments of contacts, appointments and tasks.  Adding and deleting happen under the folder's lock: list, write, read the object back into
 * the index, note the write as this device's own.  What a crash between any two of these leaves is found by the client's repetition: an
 * attachment with the same name and octets is that which was to be added.
 */
#include "engine/engine_int.h"

#include <inttypes.h>
#include <string.h>

#define NOTE_GOOD_MS 5000 /* a stalled worker must not send what a repetition already believes dead (F9) */

/* The ids of attachments are unique in a context; for a client they are uuids as everything else. */
static uint64_t
attachment_tag(const struct op *op)
{
	struct place p = { .context = op->s->n->account->context, .ct = op->t.ct, .folder = "attachments" };

	return place_tag(op->g->keys, &p);
}

static enum rc
attachment_id(const struct op *op, const struct uuid *u, int64_t *id, struct err *e)
{
	if (!uuid_id(op->g->keys, attachment_tag(op), u, id))
		return err_set_path(e, RC_NOTFOUND, "id", "the object has no such attachment");
	return RC_OK;
}

static int
number(const char *name, enum content ct)
{
	return model_field(model_content(ct), name);
}

/* ---- reading ---- */

enum rc
engine_attachments(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct engine_attachment **out, size_t *n, struct err *e)
{
	struct ox_attachment *list;
	struct row *r;
	struct op op;
	enum rc rc = op_object(&op, s, a, &ref->folder, &ref->object, &r, e);

	*out = NULL;
	*n = 0;
	op_end(&op);
	hierarchy_drop(&op);
	if (rc == RC_OK)
		rc = ox_attachments(s->ox, a, op.t.ct, op.t.oxid, r->id, &list, n, e);
	if (rc != RC_OK)
		return rc;
	if (s->g->o.max_attachments != 0 && *n > s->g->o.max_attachments)
		*n = s->g->o.max_attachments; /* that there are more was said in a notice with the object */
	*out = arena_array(a, struct engine_attachment, *n + 1);
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory for attachments");
	for (size_t i = 0; i < *n; i++) {
		(*out)[i] = (struct engine_attachment){ .name = list[i].name, .type = list[i].type, .size = list[i].size, .created = list[i].created };
		uuid_make(s->g->keys, attachment_tag(&op), list[i].id, &(*out)[i].id);
	}
	return RC_OK;
}

enum rc
engine_attachment_get(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct buf *out, const char **type, struct err *e)
{
	struct ox_attachment *list = NULL;
	struct row *r;
	struct op op;
	int64_t id = 0;
	size_t n = 0;
	enum rc rc = op_object(&op, s, a, &ref->folder, &ref->object, &r, e);

	*type = "";
	op_end(&op); /* no database connection while OX sends the octets */
	hierarchy_drop(&op);
	if (rc == RC_OK)
		rc = attachment_id(&op, &ref->attachment, &id, e);
	if (rc == RC_OK)
		rc = ox_attachments(s->ox, a, op.t.ct, op.t.oxid, r->id, &list, &n, e); /* OX tells the type here only */
	if (rc == RC_OK)
		rc = ox_attachment_octets(s->ox, op.t.ct, op.t.oxid, r->id, id, out, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (list[i].id == id)
			*type = list[i].type;
	return rc;
}

/* ---- what both changes begin and end with ---- */

/* The object's row under the folder's lock. */
static enum rc
change_begin(struct op *op, struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct row **r, struct err *e)
{
	enum rc rc = op_object(op, s, a, &ref->folder, &ref->object, r, e);
	int64_t index = op->t.f.id, id;

	if (rc == RC_OK)
		rc = store_lock(op->c, index, e);
	if (rc != RC_OK)
		return rc;
	op->locked = true;
	id = (*r)->id;
	rc = target_again(op, e);
	if (rc == RC_OK && op->t.f.id != index)
		rc = err_set(e, RC_BUSY, "the folder's index was made anew; repeat the request");
	op->cn_at_start = op->t.f.cn;
	if (rc == RC_OK)
		rc = op_row(op, id, r, e);
	if (rc == RC_OK && (*r == NULL || (*r)->dead))
		rc = err_set_path(e, RC_NOTFOUND, "uuid", "this object is not in the folder (any more)");
	return rc;
}

/* This device made the object's attachments what they are: neither foreign to a deletion by it, nor a conflict (rule OWN). */
static enum rc
note_own(struct op *op, const struct row *r, msec_t lm, struct err *e)
{
	const int fields[] = { number("number_of_attachments", op->t.ct), number("lastModifiedOfNewestAttachmentUTC", op->t.ct) };
	struct write_field f[ARRAY_LEN(fields)];
	struct write_entry w = { .id = r->id, .done = true, .cn = r->cn, .lm = lm, .f = f };
	enum rc rc = store_cursor_next_seq(op->c, op->s->n->device_id, op->t.f.id, &w.seq, e); /* the next answer tells the device of it */

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct row_field *now = fields[i] >= 0 ? row_field_get(r, (unsigned)fields[i]) : NULL;

		if (now != NULL)
			f[w.nf++] = (struct write_field){ .i = now->i, .fp = now->fp, .fcn = now->cn };
	}
	return rc == RC_OK && w.nf > 0 ? store_write_add(op->c, op->s->n->device_id, op->t.f.id, &w, e) : rc;
}

/*
 * The object as it is now into the index and into OUT.  LM: what OX answered to the write; a later version may be somebody else's (F11).
 * FOUND: nothing was written, but the newest attachment, made at that time, is what this device once sent without hearing of it.
 */
static enum rc
settle(struct op *op, const struct row *old, msec_t lm, msec_t found, struct engine_attached *out, struct err *e)
{
	const int64_t id = old->id;
	const char *oxid = old->oxid;
	struct object **o, *now;
	struct row *r;
	size_t n;
	enum rc rc = op_fetch(op, &id, &oxid, 1, &o, &n, e);

	if (rc == RC_OK)
		rc = op_merge_objects(op, o, n, &id, 1, e);
	if (rc == RC_OK)
		rc = op_row(op, id, &r, e);
	if (rc != RC_OK)
		return rc;
	now = stash_get(op, id);
	if (now == NULL || r == NULL || r->dead)
		return err_set_path(e, RC_NOTFOUND, "uuid", "this object is not in the folder (any more)");
	out->count = object_get_i64(now, (unsigned)number("number_of_attachments", op->t.ct), 0);
	out->newest = object_get_i64(now, (unsigned)number("lastModifiedOfNewestAttachmentUTC", op->t.ct), 0);
	if (!r->known || (found != 0 ? found != out->newest : lm == 0 || lm != r->lm))
		return RC_OK;
	return note_own(op, r, lm, e);
}

/* ---- adding ---- */

struct adding {
	struct op op;
	const char *name, *type, *key;
	const void *p;
	size_t n;
	struct intent note;
	bool noted;              /* NOTE is in the database */
};

/* The attachment that is to be added, when it is there: same name, same octets. */
static enum rc
find_same(struct adding *x, const struct row *r, const struct ox_attachment *list, size_t n, const struct ox_attachment **found, struct err *e)
{
	struct op *op = &x->op;
	enum rc rc = RC_OK;

	*found = NULL;
	for (size_t i = 0; i < n && rc == RC_OK && *found == NULL; i++) {
		struct buf octets;

		if (list[i].size != (int64_t)x->n || strcmp(list[i].name, x->name) != 0)
			continue;
		buf_init(&octets, x->n + 1);
		rc = ox_attachment_octets(op->s->ox, op->t.ct, op->t.oxid, r->id, list[i].id, &octets, e);
		if (rc == RC_OK && octets.len == x->n && (x->n == 0 || memcmp(octets.p, x->p, x->n) == 0))
			*found = &list[i];
		if (rc == RC_NOTFOUND || rc == RC_LIMIT) /* deleted since, or not of the size that the list says */
			rc = RC_OK;
		buf_fini(&octets);
	}
	return rc;
}

/* Under which this device notes the attempt: no client can name an object so, '/' is in no clientId. */
static enum rc
note_load(struct adding *x, const struct row *r, struct err *e)
{
	struct op *op = &x->op;
	unsigned char sum[32];
	char hex[65];
	int64_t folder;
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	buf_addf(&b, "%d/%" PRId64 "/%s/", (int)op->t.ct, r->id, x->name);
	sha256(x->p, x->n, sum);
	buf_add(&b, sum, sizeof(sum));
	if (!b.failed)
		sha256(b.p, b.len, sum);
	rc = b.failed ? RC_NOMEM : RC_OK;
	buf_fini(&b);
	hex_encode(sum, sizeof(sum), hex);
	x->key = rc == RC_OK ? arena_printf(op->a, "attach/%s", hex) : NULL;
	if (x->key == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an attachment");
	rc = store_intent_get(op->c, op->a, op->s->n->device_id, x->key, &folder, &x->note, e);
	x->noted = rc == RC_OK;
	if (rc == RC_NOTFOUND)
		memset(&x->note, 0, sizeof(x->note));
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* Of two executions of the same request that both found nothing, one attaches. */
static enum rc
note_claim(struct adding *x, struct err *e)
{
	struct op *op = &x->op;
	struct intent was = x->note;
	bool won;
	enum rc rc;

	x->note.state = INTENT_PENDING;
	x->note.at = store_clock(op->g->store);
	x->note.seq = 0;
	rc = store_intent_claim(op->c, op->s->n->device_id, op->t.f.id, x->key, &x->note, x->noted ? &was : NULL, &won, e);
	if (rc == RC_OK && !won)
		return err_set(e, RC_BUSY, "the same file is being attached right now; repeat the request");
	return rc;
}

static enum rc
note_done(struct adding *x, struct err *e)
{
	struct op *op = &x->op;
	enum rc rc;

	x->note.state = INTENT_DONE;
	x->note.at = 0; /* surely not running any more */
	rc = store_cursor_next_seq(op->c, op->s->n->device_id, op->t.f.id, &x->note.seq, e); /* swept up with what the next answer acknowledges */
	return rc == RC_OK ? store_intent_put(op->c, op->s->n->device_id, op->t.f.id, x->key, &x->note, e) : rc;
}

/* An unanswered attempt that OX may still be executing, and the repetition would make two of it (F9). */
static enum rc
still_running(const struct adding *x, struct err *e)
{
	const struct engine *g = x->op.g;
	msec_t at = x->note.at != 0 && x->note.at < g->started ? g->started : x->note.at, left = at + g->o.late_max_ms - store_clock(g->store);
	enum rc rc;

	if (x->note.state != INTENT_PENDING || at == 0 || left <= 0)
		return RC_OK;
	rc = err_set(e, RC_BUSY, "an earlier attempt to attach this file was not answered and may still be executed; repeat the request then");
	if (e != NULL)
		e->retry_after_s = (int)(left / 1000) + 1;
	return rc;
}

static enum rc
attach(struct adding *x, const struct row *r, int64_t *id, msec_t *lm, struct err *e)
{
	struct op *op = &x->op;
	struct err why;
	enum rc rc = note_claim(x, e);

	if (rc != RC_OK)
		return rc;
	if (store_clock(op->g->store) - x->note.at > NOTE_GOOD_MS)
		return err_set(e, RC_BUSY, "the server is overloaded; repeat the request");
	rc = ox_attach(op->s->ox, op->t.ct, op->t.oxid, r->id, x->name, x->type, x->p, x->n, id, lm, e);
	if (rc == RC_TIMEOUT) {
		log_warn("attach-unknown", "type=%s OX did not answer; the attachment is looked for when the client repeats", model_content(op->t.ct)->name);
		return rc;
	}
	if (note_done(x, &why) != RC_OK)
		log_error("attach-note", "%s", why.text);
	return rc == RC_CONFLICT ? err_set(e, RC_BUSY, "the object was changed meanwhile; repeat the request") : rc;
}

static enum rc
add_locked(struct adding *x, const struct row *r, struct engine_attached *out, struct err *e)
{
	struct op *op = &x->op;
	struct ox_attachment *list;
	const struct ox_attachment *same;
	size_t n;
	int64_t id;
	msec_t lm = 0, found = 0;
	enum rc rc = ox_attachments(op->s->ox, op->a, op->t.ct, op->t.oxid, r->id, &list, &n, e);

	if (rc == RC_OK)
		rc = find_same(x, r, list, n, &same, e);
	if (rc == RC_OK)
		rc = note_load(x, r, e);
	if (rc != RC_OK)
		return rc;
	if (same != NULL) {
		id = same->id;
		found = x->note.state == INTENT_PENDING && x->note.at != 0 ? same->created : -1;
		if (x->note.state == INTENT_PENDING && x->note.at != 0)
			rc = note_done(x, e);
	} else {
		if (n >= op->g->o.max_attachments)
			return err_set(e, RC_LIMIT, "this object has %zu attachments, and %u are possible: delete one first", n, op->g->o.max_attachments);
		rc = still_running(x, e);
		if (rc == RC_OK)
			rc = attach(x, r, &id, &lm, e);
	}
	if (rc != RC_OK)
		return rc;
	uuid_make(op->g->keys, attachment_tag(op), id, &out->id);
	return settle(op, r, lm, found, out, e);
}

enum rc
engine_attachment_add(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, const char *name, const char *type, const void *p,
    size_t n, struct engine_attached *out, struct err *e)
{
	struct adding x = { .name = name, .type = type, .p = n > 0 ? p : "", .n = n };
	struct row *r;
	enum rc rc = RC_OK;

	memset(out, 0, sizeof(*out));
	if (n > s->g->o.max_attachment_bytes)
		return err_set_path(e, RC_LIMIT, "data", "has %zu bytes, and %zu are possible: attach a smaller file", n, s->g->o.max_attachment_bytes);
	rc = change_begin(&x.op, s, a, ref, &r, e);
	if (rc == RC_OK)
		rc = add_locked(&x, r, out, e);
	op_end_written(&x.op);
	return rc;
}

/* ---- deleting ---- */

enum rc
engine_attachment_delete(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct engine_attached *out, struct err *e)
{
	struct row *r;
	struct op op;
	int64_t id;
	msec_t lm = 0;
	enum rc rc = change_begin(&op, s, a, ref, &r, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = attachment_id(&op, &ref->attachment, &id, e);
	if (rc == RC_OK)
		rc = ox_detach(s->ox, op.t.ct, op.t.oxid, r->id, id, &lm, e);
	if (rc == RC_OK)
		rc = settle(&op, r, lm, 0, out, e);
	op_end_written(&op);
	return rc;
}
