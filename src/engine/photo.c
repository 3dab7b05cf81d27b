/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Pictures of contacts.  OX gives them apart from the contact, so the index knows a picture by its stamp (FF_APART, FF_STAMP), a
 * client's change by its octets.  Where the two have to be compared, the picture is fetched: a picture that OX has already is neither
 * written again nor foreign.
 */
#include "engine/change_int.h"

#include <string.h>

/*
 * The picture of the contact ID as base64 text, a new reference; NULL = it has none (any more), or one above max_attachment, which no device can have
 * sent or shall get: it is another one than theirs, it is in no record, and it does not keep a device from setting one that fits.
 */
static enum rc
photo_fetch(struct op *op, const char *folder, int64_t id, json_t **out, struct err *e)
{
	struct buf octets, text;
	enum rc rc;

	*out = NULL;
	buf_init(&octets, op->g->o.max_attachment_bytes);
	buf_init(&text, op->g->o.max_attachment_bytes / 3 * 4 + 8);
	rc = ox_photo(op->s->ox, folder, id, &octets, e);
	if (rc == RC_OK) {
		base64_encode(&text, octets.p, octets.len);
		*out = text.failed ? NULL : json_stringn_nocheck(text.p, text.len);
		rc = *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a picture");
	} else if (rc == RC_NOTFOUND || rc == RC_LIMIT) {
		rc = RC_OK;
	}
	buf_fini(&octets);
	buf_fini(&text);
	return rc;
}

static const struct write_field *
field_of(const struct write_field *f, unsigned n, int i)
{
	for (unsigned k = 0; k < n; k++)
		if (f[k].i == i && f[k].fp != 0)
			return &f[k];
	return NULL;
}

/* Is anything at hand that only the picture itself tells to be the one that OX has? */
static bool
undecided(const struct work *w, const struct write_entry *writes, size_t n, int i)
{
	for (unsigned k = 0; k < w->ch.nf; k++)
		if (w->ch.f[k].i == i && w->ch.f[k].fp != 0)
			return true;
	if (w->has_intent && w->intent.state == INTENT_PENDING && field_of(w->intent.f, w->intent.nf, i) != NULL)
		return true;
	for (size_t k = 0; k < n; k++)
		if (writes[k].cn == 0 && field_of(writes[k].f, writes[k].nf, i) != NULL)
			return true;
	return false;
}

/*
 * A write of a picture sets its stamp as well, to a value that only OX knows: added to the N fields of F, which has room for one more, it is
 * the device's own where the version is the one that OX answered (F11).  Returns the number of fields.
 */
unsigned
photo_stamp_sent(const struct work *w, struct write_field *f, unsigned n)
{
	const struct content_type *t = model_content(w->op->t.ct);
	int photo = model_field_flagged(t, FF_APART), stamp = model_field_flagged(t, FF_STAMP);
	unsigned at = 0, k = 0;

	while (k < n && f[k].i != photo)
		k++;
	if (photo < 0 || stamp < 0 || k == n)
		return n;
	while (at < n && f[at].i < stamp)
		at++;
	memmove(f + at + 1, f + at, (n - at) * sizeof(*f));
	f[at] = (struct write_field){ .i = (uint8_t)stamp, .fp = f[k].fp }; /* 0 with a picture that is removed, and equal to no stamp else */
	return n + 1;
}

/*
 * F with the picture that OX has under the fingerprints by which the index knows it and its stamp; F itself when it is not in there, or
 * without memory: then it counts as another picture, and nothing is lost by that.
 */
struct write_field *
photo_as_known(const struct work *w, struct write_field *f, unsigned n)
{
	int stamp = model_field_flagged(model_content(w->op->t.ct), FF_STAMP);
	const struct row_field *known = stamp >= 0 && w->row != NULL ? row_field_get(w->row, (unsigned)stamp) : NULL;
	struct write_field *copy;
	unsigned k = 0;

	while (k < n && !(f[k].i == w->photo && f[k].fp == w->photo_there))
		k++;
	if (w->photo_known == 0 || k == n || known == NULL || (copy = arena_memdup(w->op->a, f, n * sizeof(*f))) == NULL)
		return f;
	copy[k].fp = w->photo_known;
	for (k = 0; k < n; k++)
		if (copy[k].i == stamp)
			copy[k].fp = known->fp;
	return copy;
}

/*
 * Before a change is planned: the picture in it, in the log of this device's unanswered writes (WRITES, a copy) and in an unanswered create gets the
 * fingerprint of the index where OX has that very picture.  One request to OX, and only for changes that are about a picture.
 */
enum rc
photo_align(struct work *w, struct write_entry *writes, size_t n, struct err *e)
{
	struct op *op = w->op;
	const struct content_type *t = model_content(op->t.ct);
	const struct row_field *known;
	json_t *there;
	enum rc rc;

	w->photo = model_field_flagged(t, FF_APART);
	w->photo_known = 0;
	for (unsigned k = 0; w->photo >= 0 && k < w->ch.nf; k++)
		if (w->ch.f[k].i == w->photo) /* as sent again: an earlier attempt may have found it equal to what has changed since */
			w->ch.f[k].fp = field_fp(op->g->keys, &t->fields[w->photo], w->cc->object->v[w->photo]);
	known = w->photo >= 0 && w->row != NULL && !w->row->dead && w->row->known ? row_field_get(w->row, (unsigned)w->photo) : NULL;
	if (known == NULL || known->fp == 0 || !undecided(w, writes, n, w->photo))
		return RC_OK;
	rc = photo_fetch(op, op->t.oxid, w->row->id, &there, e);
	if (rc != RC_OK || there == NULL)
		return rc;
	w->photo_there = field_fp(op->g->keys, &t->fields[w->photo], there);
	w->photo_known = known->fp;
	json_decref(there);
	for (unsigned k = 0; k < w->ch.nf; k++)
		if (w->ch.f[k].i == w->photo && w->ch.f[k].fp == w->photo_there)
			w->ch.f[k].fp = w->photo_known;
	for (size_t k = 0; k < n; k++)
		writes[k].f = photo_as_known(w, writes[k].f, writes[k].nf);
	return RC_OK;
}

/*
 * The picture that is about to be overwritten, into *OUT (new reference or NULL) where FIELDS hold it.  To be asked for before the contact
 * is read for its record: as long as that has the version planned with, the picture was of that version, too.
 */
enum rc
photo_overwritten(struct op *op, const char *folder, int64_t id, const struct fmask *fields, json_t **out, struct err *e)
{
	int i = model_field_flagged(model_content(op->t.ct), FF_APART);

	*out = NULL;
	return i >= 0 && fmask_has(fields, (unsigned)i) ? photo_fetch(op, folder, id, out, e) : RC_OK;
}

/* PHOTO (stolen, may be NULL) as the field of O that OX gives apart. */
void
photo_set(struct object *o, json_t *photo)
{
	int i = photo != NULL ? model_field_flagged(model_content(o->ct), FF_APART) : -1;

	if (i >= 0)
		object_set(o, (unsigned)i, photo);
}

enum rc
engine_photo(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *contact, struct buf *out,
    const char **type, struct err *e)
{
	struct row *r;
	struct op op;
	enum rc rc = op_object(&op, s, a, folder, contact, &r, e);

	if (rc == RC_OK && op.t.ct != CT_CONTACT)
		rc = err_set_path(e, RC_PROTO, "folder", "this folder holds no contacts");
	op_end(&op); /* no database connection while OX sends the picture */
	hierarchy_drop(&op);
	if (rc == RC_OK)
		rc = ox_photo(s->ox, op.t.oxid, r->id, out, e);
	if (rc != RC_OK)
		return rc;
	*type = model_picture_type(out->p, out->len);
	if (*type == NULL)
		*type = "application/octet-stream";
	return RC_OK;
}
