/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Merging what OX showed into index rows: who gets the next change number.  Idempotent: the same sighting again changes
 * nothing, which is what allows refreshes to overlap (F13).  Does not decide what clients are told (delta.c).
 */
#include "usmd/sync.h"

#include <string.h>

static bool
same_key(const struct row *r, const struct sighting *s)
{
	return r->sk == s->sk && r->t0 == s->t0 && r->t1 == s->t1;
}

/*
 * Fields of the row after S: the union of what was ever set and what is set now.  A field that differs gets CN; with ALL every
 * one does.  A field that was set once stays as an entry with fingerprint 0: its disappearance is a change like any other.
 */
static enum rc
merge_fields(struct arena *a, const struct row *old, const struct sighting *s, uint64_t cn, bool all, struct row *out, bool *differs)
{
	unsigned no = old == NULL ? 0 : old->nf, o = 0, n = 0;
	struct row_field *f = arena_array(a, struct row_field, (size_t)no + s->nf);

	if (f == NULL)
		return RC_NOMEM;
	*differs = false;
	out->f = f;
	out->nf = 0;
	while (o < no || n < s->nf) {
		struct row_field x = { 0 };

		if (n == s->nf || (o < no && old->f[o].i < s->f[n].i)) {
			x = old->f[o++];
			if (x.fp != 0 || all) {
				*differs |= x.fp != 0;
				x.fp = 0;
				x.cn = cn;
			}
		} else if (o == no || s->f[n].i < old->f[o].i) {
			x = (struct row_field){ .i = s->f[n].i, .fp = s->f[n].fp, .cn = cn };
			n++;
			*differs = true;
		} else {
			x = old->f[o++];
			if (x.fp != s->f[n].fp || all) {
				*differs |= x.fp != s->f[n].fp;
				x.fp = s->f[n].fp;
				x.cn = cn;
			}
			n++;
		}
		out->f[out->nf++] = x;
	}
	return RC_OK;
}

static void
take_key(struct row *r, const struct sighting *s, uint64_t cn)
{
	if (!same_key(r, s))
		r->keycn = cn;
	r->sk = s->sk;
	r->t0 = s->t0;
	r->t1 = s->t1;
}

/* New, or back from the dead: everything is new.  first_cn survives, so that a client that had it before is still told of a later deletion. */
static enum rc
merge_new(struct arena *a, struct index_head *head, const struct row *old, const struct sighting *s, struct row *out)
{
	uint64_t cn = head->cn + 1;
	bool differs;
	enum rc rc = merge_fields(a, old, s, cn, true, out, &differs);

	if (rc != RC_OK)
		return rc;
	out->first_cn = old != NULL ? old->first_cn : cn;
	out->cn = out->keycn = cn;
	out->dead = false;
	out->known = s->known;
	out->sk = s->sk;
	out->t0 = s->t0;
	out->t1 = s->t1;
	head->cn = cn;
	return RC_OK;
}

/* Listed only: of a row that is not known either, the times may be taken; of a known one nothing can be said without its content. */
static enum rc
merge_listed(struct index_head *head, const struct row *old, const struct sighting *s, struct row *out, bool *changed)
{
	if (old->known)
		return old->lm == s->lm ? RC_OK : RC_BUSY;
	if (old->lm == s->lm && same_key(old, s))
		return RC_OK;
	out->cn = ++head->cn;
	out->lm = s->lm;
	take_key(out, s, out->cn);
	*changed = true;
	return RC_OK;
}

static enum rc
merge_content(struct arena *a, struct index_head *head, const struct row *old, const struct sighting *s, struct row *out, bool *changed)
{
	/* content read for the first time, of the version that was listed: it has been in the index since the row's cn.  Without a stamp it is one
	 * that could not be shown when it was told of, also a mail, which never has a stamp: nobody got it (F18) */
	bool silent = !old->known && old->lm != 0 && old->lm == s->lm;
	bool differs, key = !same_key(old, s);
	uint64_t cn = silent ? old->cn : head->cn + 1;
	enum rc rc = merge_fields(a, old, s, cn, !old->known, out, &differs);

	if (rc != RC_OK)
		return rc;
	out->lm = s->lm;
	out->known = true;
	*changed = key || (!silent && (differs || !old->known));
	if (*changed)
		out->cn = ++head->cn;
	take_key(out, s, out->cn);
	return RC_OK;
}

enum rc
sync_merge(struct arena *a, struct index_head *head, const struct row *old, const struct sighting *s, struct row *out, bool *changed, bool *touched)
{
	struct row n = { 0 };
	enum rc rc;

	*changed = *touched = false;
	if (old != NULL)
		n = *old;
	n.id = s->id;
	n.oxid = s->oxid != NULL ? s->oxid : n.oxid;
	/* the uid never changes at OX; a listing may come without it */
	n.client_id = s->client_id != NULL ? s->client_id : n.client_id;
	if (old == NULL || old->dead) {
		n.lm = s->lm;
		rc = merge_new(a, head, old, s, &n);
		*changed = rc == RC_OK;
	} else if (!s->known) {
		rc = merge_listed(head, old, s, &n, changed);
	} else {
		rc = merge_content(a, head, old, s, &n, changed);
	}
	if (rc != RC_OK)
		return rc;
	*touched = *changed || old->lm != n.lm || old->known != n.known ||
	    (n.client_id != NULL && (old->client_id == NULL || strcmp(old->client_id, n.client_id) != 0));
	*out = n;
	return RC_OK;
}

bool
sync_kill(struct index_head *head, struct row *r)
{
	if (r->dead)
		return false;
	/* the fingerprints stay: an object that was moved is merged against them in its new folder (F15) */
	r->cn = ++head->cn;
	r->dead = true;
	return true;
}

void
sync_write_complete(struct write_entry *w, const struct row *row)
{
	/* somebody may have been faster than the read-back: what differs from what was sent is OX's normalisation only if nobody wrote since (F11) */
	bool untouched = w->lm != 0 && w->lm == row->lm;

	w->cn = row->cn;
	for (unsigned k = 0; k < w->nf; k++) {
		const struct row_field *f = row_field_get(row, w->f[k].i);

		if (untouched || (f == NULL ? 0 : f->fp) == w->f[k].fp)
			w->f[k].fcn = f == NULL ? 0 : f->cn;
	}
}
