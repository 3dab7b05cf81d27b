/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Refresh of a mail folder.  OX has no delta for mail (`updates` is always empty): `examine` (3 ms) tells whether mails came or
 * went, the newest window (20 ms) shows new mails and their flags, and a complete listing (0.4 s for 10,000) is made only when
 * counts cannot be explained otherwise, or when its period has passed, so that no flag change stays unseen beyond mail_flags_ms.
 * A new UIDVALIDITY is a new epoch: nothing of the old index may be believed (RFC 9051 section 2.3.1.1).
 */
#include "engine/refresh_int.h"

#include <string.h>

static enum rc
epoch_reset(struct store_conn *c, void *arg, struct err *e)
{
	struct op *op = arg;
	struct store_folder f = op->t.f;
	uint64_t epoch;
	enum rc rc;

	random_bytes(&epoch, sizeof(epoch));
	rc = store_folder_reset(c, &f, epoch >> 1 | 1, e);
	if (rc == RC_OK)
		op->t.f = f;
	return rc;
}

static void
note_state(struct merge *m, const struct ox_examine *x, msec_t now)
{
	m->f.validity = x->validity;
	m->f.uidnext = x->next;
	m->f.total = x->total;
	m->f.unread = x->unread;
	m->f.seen_at = now;
	m->head_changed = true;
}

static enum rc
refresh_all(struct op *op, const struct ox_examine *x, msec_t now, struct err *e)
{
	struct sighting *s;
	struct merge m;
	size_t n;
	enum rc rc = ox_listing(op->s->ox, op->a, op->g->keys, CT_MAIL, op->t.oxid, &s, &n, e);

	if (rc == RC_OK)
		rc = merge_begin(op, &m, op->t.f.init ? 64 : n, e);
	if (rc == RC_OK)
		rc = merge_listing(&m, s, n, e);
	if (rc != RC_OK)
		return rc;
	m.f.init = true;
	m.f.listed_at = now;
	note_state(&m, x, now);
	return merge_end(&m, e);
}

/*
 * The MAX highest uids, newest first; *IDS NULL: not known.  They are when the counts prove that nothing went: TOTAL is what the index has and one
 * mail for each uid given out since.  ROWS are the newest of the index, MAX of them if there are so many.
 */
static enum rc
known_newest(struct op *op, const struct ox_examine *x, struct row *const *rows, size_t n_rows, size_t live, size_t max, int64_t **ids, struct err *e)
{
	int64_t from = (int64_t)op->t.f.uidnext, next = (int64_t)x->next;
	size_t fresh = 0, n = 0;

	*ids = NULL;
	if (from <= 0 || next < from)
		return RC_OK;
	while (fresh < n_rows && rows[fresh]->id >= from)
		fresh++;
	if ((int64_t)(live - fresh) + (next - from) != x->total || (n_rows > 0 && rows[0]->id >= next))
		return RC_OK;
	*ids = arena_array(op->a, int64_t, max + 1);
	if (*ids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a mail folder");
	for (int64_t id = next - 1; id >= from && n < max; id--)
		(*ids)[n++] = id;
	for (size_t k = fresh; k < n_rows && rows[k]->id > 0 && n < max; k++)
		(*ids)[n++] = rows[k]->id;
	if (n < max)
		*ids = NULL; /* a small folder: OX lists it in one request */
	return RC_OK;
}

/* New uids and the flags of the newest MAX mails; *explained = false when mails must have gone elsewhere than in this window. */
static enum rc
refresh_newest(struct op *op, const struct ox_examine *x, size_t max, msec_t now, bool *explained, struct err *e)
{
	struct sighting *s;
	struct row **rows, **top;
	struct imap *at, *seen;
	struct merge m;
	size_t n, n_top = 0, live, i;
	int64_t *ids, *known = NULL, lowest = INT64_MAX;
	enum rc rc = op_live(op, &live, e);

	*explained = false;
	if (rc == RC_OK)
		rc = store_rows_below(op->c, op->a, &op->t.f, true, 0, 0, max + 1, &top, &n_top, e);
	if (rc == RC_OK)
		rc = known_newest(op, x, top, n_top, live, max, &known, e);
	if (rc == RC_OK)
		rc = ox_mail_newest(op->s->ox, op->a, op->g->keys, op->t.oxid, max, known, &s, &n, e);
	if (rc != RC_OK)
		return rc;
	ids = arena_array(op->a, int64_t, n + 1);
	seen = imap_new(op->a, n);
	rc = ids != NULL && seen != NULL ? merge_begin(op, &m, n, e) : err_set(e, RC_NOMEM, "out of memory for a mail folder");
	for (size_t k = 0; k < n && rc == RC_OK; k++) {
		ids[k] = s[k].id;
		lowest = s[k].id < lowest ? s[k].id : lowest;
		if (!imap_put(seen, s[k].id, k))
			rc = err_set(e, RC_NOMEM, "out of memory for a mail folder");
	}
	if (rc == RC_OK)
		rc = rows_by_id(op, ids, n, &rows, &at, e);
	for (size_t k = 0; k < n && rc == RC_OK; k++) {
		const struct row *old = imap_get(at, s[k].id, &i) ? rows[i] : NULL;

		if (!mail_waits(op, old, &rc, e) && rc == RC_OK)
			rc = merge_sighting(&m, old, &s[k], NULL, e);
	}
	/* rows above the window's lower edge that OX did not list are gone; below it nothing is known */
	for (size_t k = 0; k < n_top && rc == RC_OK && known == NULL; k++) /* known: what is missing went after the counts, which tell it next time */
		if ((n != max || top[k]->id >= lowest) && !imap_get(seen, top[k]->id, &i))
			rc = merge_kill(&m, top[k], e);
	if (rc != RC_OK)
		return rc;
	*explained = (int64_t)live + m.born == x->total;
	if (x->next != m.f.uidnext || x->total != m.f.total || x->unread != m.f.unread)
		note_state(&m, x, now);
	return merge_end(&m, e);
}

enum rc
refresh_mail(struct op *op, msec_t now, struct err *e)
{
	const struct store_folder *f = &op->t.f;
	const struct engine_options *o = &op->g->o;
	struct ox_examine x;
	uint64_t fresh;
	bool explained;
	enum rc rc = ox_mail_examine(op->s->ox, op->t.oxid, &x, e);

	if (rc != RC_OK)
		return rc;
	if (f->init && f->validity != x.validity) {
		log_info("mail-epoch", "folder=%lld a new UIDVALIDITY: the folder is indexed anew", (long long)f->id);
		rc = store_txn(op->c, epoch_reset, op, e);
		if (rc == RC_CONFLICT) /* no conflict of the client's */
			return err_set(e, RC_BUSY, "the folder was changed by another node meanwhile; repeat the request");
		if (rc != RC_OK)
			return rc;
	}
	if (!f->init || long_ago(f->listed_at, now, o->mail_flags_ms))
		return refresh_all(op, &x, now, e);
	fresh = x.next > f->uidnext ? x.next - f->uidnext : 0;
	if (fresh == 0 && x.total == f->total && x.unread == f->unread && o->mail_window == 0)
		return RC_OK;
	if (fresh > 5000)
		return refresh_all(op, &x, now, e);
	rc = refresh_newest(op, &x, (size_t)fresh + (o->mail_window != 0 ? o->mail_window : 50), now, &explained, e);
	if (rc != RC_OK || explained)
		return rc;
	return refresh_all(op, &x, now, e);
}
