/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Refresh: what OX shows goes into the folder's index, under the folder's lock, each merge guarded by the fence (F19).
 *
 * PIM: `updates` since the stored timestamp minus the overlap (F13: without it 2-14 % of concurrent changes are lost), or since what is
 * settled (settled.c); a complete listing when the index is new, older than OX's memory for deletions, or a period has passed.  The stored
 * timestamp only rises and never comes from a write's echo.
 * The hierarchy is small: it is read whole.
 */
#include "engine/engine_int.h"
#include "engine/refresh_int.h"

#include <stdlib.h>
#include <string.h>

#define SEEN_COARSE (12 * 3600 * 1000) /* an unchanged refresh notes its time at most this often: it must write nothing */

/* ---- complete listing ---- */

static int
by_id(const void *x, const void *y)
{
	int64_t a = ((const struct sighting *)x)->id, b = ((const struct sighting *)y)->id;

	return a < b ? -1 : a > b;
}

/* Rows whose listed version differs from the known one need their content before they can be merged. */
static enum rc
merge_contents(struct merge *m, const struct row *const *old, const struct sighting *s, size_t n, struct err *e)
{
	struct op *op = m->op;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i += KNOW_CHUNK) {
		size_t k = n - i < KNOW_CHUNK ? n - i : KNOW_CHUNK, got = 0;
		int64_t ids[KNOW_CHUNK];
		const char *oxids[KNOW_CHUNK];
		struct object **o = NULL;

		for (size_t j = 0; j < k; j++) {
			ids[j] = s[i + j].id;
			oxids[j] = s[i + j].oxid;
		}
		rc = op_fetch(op, ids, oxids, k, &o, &got, e);
		for (size_t x = 0; x < got && rc == RC_OK; x++) {
			struct sighting full;
			size_t j = 0;

			while (j < k && ids[j] != o[x]->id)
				j++;
			if (j < k && o[x]->broken) { /* its row stays stale, and is asked for again when its time has come */
				broken_note(op, o[x]->id);
				rc = aside_unreadable(op, o[x]->id, s[i + j].lm, e);
			}
			if (j == k || o[x]->broken)
				continue;
			rc = op_sight(op, o[x], &full, e);
			if (rc == RC_OK)
				rc = merge_sighting(m, old[i + j], &full, NULL, e);
		}
		object_drop_all(o, got);
	}
	return rc;
}

enum rc
merge_listing(struct merge *m, struct sighting *s, size_t n, struct err *e)
{
	struct op *op = m->op;
	struct row **rows;
	const struct row **stale_row;
	struct sighting *stale;
	size_t n_rows, n_stale = 0, i = 0;
	enum rc rc = store_rows_all(op->c, op->a, &op->t.f, false, &rows, &n_rows, e);

	if (rc != RC_OK)
		return rc;
	m->f.live = 0; /* all rows are at hand: they are counted, whatever was noted before */
	for (size_t k = 0; k < n_rows; k++)
		m->f.live += !rows[k]->dead;
	stale = arena_array(op->a, struct sighting, n + 1);
	stale_row = arena_array(op->a, const struct row *, n + 1);
	if (stale == NULL || stale_row == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a listing");
	if (n > 1)
		qsort(s, n, sizeof(*s), by_id);
	for (size_t k = 0; k < n && rc == RC_OK; k++) {
		const struct row *old = NULL;

		if (k > 0 && s[k].id == s[k - 1].id)
			continue;
		for (; i < n_rows && rows[i]->id < s[k].id && rc == RC_OK; i++)
			rc = merge_kill(m, rows[i], e);
		if (i < n_rows && rows[i]->id == s[k].id)
			old = rows[i++];
		if (rc == RC_OK && !mail_waits(op, old, &rc, e) && rc == RC_OK)
			rc = merge_sighting(m, old, &s[k], NULL, e);
		if (rc == RC_BUSY) {
			stale_row[n_stale] = old;
			stale[n_stale++] = s[k];
			rc = RC_OK;
		}
	}
	for (; i < n_rows && rc == RC_OK; i++)
		rc = merge_kill(m, rows[i], e);
	if (rc == RC_OK && n_stale > 0)
		rc = aside_load(op, e);
	i = 0;
	for (size_t k = 0; k < n_stale && rc == RC_OK; k++) {
		if (aside_waits(op, stale[k].id, stale[k].lm)) {
			broken_note(op, stale[k].id);
			continue;
		}
		stale_row[i] = stale_row[k];
		stale[i++] = stale[k];
	}
	return rc == RC_OK ? merge_contents(m, stale_row, stale, i, e) : rc;
}

/* Newest first, as the first fill goes. */
static int
by_fill(const void *x, const void *y)
{
	const struct row *a = *(struct row *const *)x, *b = *(struct row *const *)y;

	if (a->sk != b->sk)
		return a->sk > b->sk ? -1 : 1;
	return a->id > b->id ? -1 : a->id < b->id;
}

/*
 * A folder that is listed for the first time because a client begins with it: the contents of its first page are wanted next, so
 * they are merged together with the listing.  Each of these rows is then written once, not twice.
 */
static enum rc
merge_first_page(struct merge *m, struct err *e)
{
	struct op *op = m->op;
	struct row **page = arena_array(op->a, struct row *, m->n + 1);
	int64_t *ids = arena_array(op->a, int64_t, m->n + 1);
	const char **oxids = arena_array(op->a, const char *, m->n + 1);
	struct object **o;
	size_t n = 0, got;
	enum rc rc;

	if (page == NULL || ids == NULL || oxids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a listing");
	for (size_t i = 0; i < m->n; i++)
		if (!m->put[i]->known && sync_in_window(m->put[i], op->w0, op->w1))
			page[n++] = m->put[i];
	if (n > 1)
		qsort(page, n, sizeof(struct row *), by_fill);
	n = n < op->req->limit ? n : op->req->limit;
	for (size_t i = 0; i < n; i++) {
		ids[i] = page[i]->id;
		oxids[i] = page[i]->oxid;
	}
	if (n == 0)
		return RC_OK;
	rc = op_fetch(op, ids, oxids, n, &o, &got, e);
	if (rc != RC_OK)
		return rc;
	got = set_broken_aside(op, o, got);
	for (size_t i = 0; i < got; i++) {
		struct sighting s;

		if (rc == RC_OK)
			rc = op_sight(op, o[i], &s, e);
		if (rc == RC_OK)
			rc = merge_sighting(m, NULL, &s, NULL, e);
		if (rc == RC_OK && stash_put(op, o[i]) == RC_OK)
			continue;
		object_drop(o[i]);
		rc = rc != RC_OK ? rc : err_set(e, RC_NOMEM, "out of memory for objects");
	}
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		if (stash_get(op, ids[i]) == NULL)
			rc = is_broken(op, ids[i]) ? merge_unknown(m, page[i], e) : merge_kill(m, page[i], e);
	return rc;
}

static enum rc
refresh_listing(struct op *op, msec_t now, struct err *e)
{
	struct sighting *s;
	struct merge m;
	size_t n;
	enum rc rc = ox_listing(op->s->ox, op->a, op->g->keys, op->t.ct, op->t.oxid, &s, &n, e);

	if (rc == RC_OK)
		n = drop_closed_sightings(op, s, n);
	if (rc == RC_OK)
		rc = merge_begin(op, &m, op->t.f.init ? 64 : n, e);
	if (rc == RC_OK)
		rc = merge_listing(&m, s, n, e);
	if (rc == RC_OK && !op->t.f.init && op->req != NULL && op->req->mode == SYNC_INIT)
		rc = merge_first_page(&m, e);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (s[i].lm > m.f.ox_ts)
			m.f.ox_ts = s[i].lm;
		if (op->t.ct == CT_CONTACT && s[i].lm > op->alive_ts)
			op->alive_ts = s[i].lm;
	}
	m.f.init = true;
	m.f.listed_at = m.f.seen_at = now;
	m.head_changed = true;
	return merge_end(&m, e);
}

/* ---- updates ---- */

static enum rc
refresh_updates(struct op *op, msec_t now, struct err *e)
{
	struct object **o = NULL;
	int64_t *deleted, *ids, *closed;
	size_t n = 0, n_deleted, n_closed = 0, i;
	struct row **rows;
	struct imap *at;
	struct merge m;
	msec_t ts, newest, since = settled_since(op->g, &op->t.f);
	/* contacts: `updates` fails while only deletions lie in the interval (ox-races.md); one contact more in it, and it works */
	msec_t alive = op->t.ct == CT_CONTACT ? quick_alive(op) : 0;
	int64_t asked_us = now_mono_us();
	struct ox_digest digest;
	enum rc rc;

	if (alive > 0 && alive - 1 < since)
		since = alive - 1;
	rc = ox_updates(op->s->ox, op->a, op->t.ct, op->t.oxid, since, &o, &n, &deleted, &n_deleted, &ts, &digest, e);
	if (rc == RC_NOTFOUND && e != NULL && strcmp(e->code, "SVL-0011") == 0)
		return refresh_listing(op, now, e); /* which notes what is alive: the next look asks from there */
	if (rc == RC_UPSTREAM && e != NULL && e->category == OX_CATEGORY_ERROR)
		return refresh_listing(op, now, e); /* one object that OX cannot show must not block its folder */
	if (rc != RC_OK)
		return rc;
	ids = arena_array(op->a, int64_t, n + n_deleted + 1);
	closed = arena_array(op->a, int64_t, n + n_deleted + 1);
	if (ids != NULL && closed != NULL) { /* what became private is gone for others */
		n = drop_closed(op, o, n, closed, &n_closed);
		if (n_deleted > 0)
			memcpy(closed + n_closed, deleted, n_deleted * sizeof(*closed));
		deleted = closed;
		n_deleted += n_closed;
	}
	newest = op->t.f.ox_ts;
	for (size_t k = 0; k < n; k++)
		newest = o[k]->lm > newest ? o[k]->lm : newest;
	rc = ids != NULL && closed != NULL ? merge_begin(op, &m, n, e) : err_set(e, RC_NOMEM, "out of memory for a refresh");
	op->alive_ts = alive;
	for (size_t k = 0; rc == RC_OK && k < n; k++) {
		ids[k] = o[k]->id;
		if (o[k]->lm > alive)
			op->alive_ts = 0; /* a newer one is there: the interval need not reach back so far */
	}
	for (size_t k = 0; rc == RC_OK && k < n_deleted; k++)
		ids[n + k] = deleted[k];
	if (rc == RC_OK)
		rc = rows_by_id(op, ids, n + n_deleted, &rows, &at, e);
	if (rc == RC_OK && n > 1)
		qsort(o, n, sizeof(struct object *), object_by_lm);
	for (size_t k = 0; rc == RC_OK && k < n; k++) {
		struct sighting s;

		rc = op_sight(op, o[k], &s, e);
		if (rc == RC_OK)
			rc = merge_sighting(&m, imap_get(at, o[k]->id, &i) ? rows[i] : NULL, &s, NULL, e);
		if (rc == RC_OK)
			rc = stash_put(op, o[k]);
		if (rc == RC_OK)
			o[k] = NULL; /* the stash has it: the answer will not fetch it again */
	}
	for (size_t k = 0; rc == RC_OK && k < n_deleted; k++)
		if (imap_get(at, deleted[k], &i)) /* an object in this answer beats a deletion (F13, ox_updates); one that was read before does not */
			rc = merge_kill(&m, rows[i], e);
	for (size_t k = 0; k < n; k++)
		object_drop(o[k]);
	if (rc != RC_OK)
		return rc;
	if (ts > m.f.ox_ts && m.n > 0)
		m.f.ox_ts = ts;
	if (m.n > 0 || now - m.f.seen_at > SEEN_COARSE) {
		m.f.seen_at = now;
		m.head_changed = true;
	}
	rc = merge_end(&m, e);
	if (rc == RC_OK) {
		settled_note(op->g, &op->t.f, asked_us, newest, n + n_deleted);
		op->digest = digest;
		op->digest_since = since;
	}
	return rc;
}

static enum rc
refresh_hierarchy(struct op *op, msec_t now, struct err *e)
{
	struct row **rows;
	struct merge m;
	struct imap *here, *old;
	size_t n_rows, n_gone = 0, n_changed = 0, i;
	struct row **changed;
	enum rc rc = hierarchy_load(op, e);

	if (rc == RC_OK)
		rc = store_rows_all(op->c, op->a, &op->t.f, false, &rows, &n_rows, e);
	if (rc == RC_OK)
		rc = merge_begin(op, &m, op->n_folders, e);
	if (rc != RC_OK)
		return rc;
	here = imap_new(op->a, op->n_folders);
	old = imap_new(op->a, n_rows);
	changed = arena_array(op->a, struct row *, n_rows + 1);
	if (here == NULL || old == NULL || changed == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the hierarchy");
	for (size_t k = 0; k < n_rows && rc == RC_OK; k++)
		if (!imap_put(old, rows[k]->id, k))
			rc = err_set(e, RC_NOMEM, "out of memory for the hierarchy");
	for (size_t k = 0; k < op->n_folders && rc == RC_OK; k++) {
		struct sighting s;

		if (!imap_put(here, op->folders[k]->id, k))
			return err_set(e, RC_NOMEM, "out of memory for the hierarchy");
		rc = op_sight(op, op->folders[k], &s, e);
		if (rc == RC_OK)
			rc = merge_sighting(&m, imap_get(old, s.id, &i) ? rows[i] : NULL, &s, NULL, e);
		if (imap_get(old, s.id, &i) && rights_differ(rows[i], &s))
			changed[n_changed++] = rows[i];
	}
	for (size_t k = 0; k < n_rows && rc == RC_OK; k++) {
		if (imap_get(here, rows[k]->id, &i))
			continue;
		rc = merge_kill(&m, rows[k], e);
		if (!rows[k]->dead)
			rows[n_gone++] = rows[k];
	}
	if (rc != RC_OK)
		return rc;
	if (!m.f.init || m.n > 0) {
		m.f.init = true;
		m.f.seen_at = m.f.listed_at = now;
		m.head_changed = true;
	}
	rc = merge_end(&m, e);
	if (rc == RC_OK)
		rc = drop_indexes(op, rows, n_gone, e);
	return rc == RC_OK ? relist_indexes(op, changed, n_changed, e) : rc;
}

static enum rc
refresh_content(struct op *op, msec_t now, struct err *e)
{
	const struct store_folder *f = &op->t.f;

	if (op->t.ct == CT_MAIL)
		return refresh_mail(op, now, e);
	if (!f->init || long_ago(f->listed_at, now, op->g->o.listing_interval_ms) || now - f->seen_at > op->g->o.deletions_kept_ms / 2)
		return refresh_listing(op, now, e);
	return refresh_updates(op, now, e);
}

/* FORCE: OX just refused something or the client sends changes: a fresh index is not fresh enough. */
enum rc
op_refresh(struct op *op, bool force, struct err *e)
{
	msec_t now = now_ms();
	enum rc rc;

	if (!force && op->t.f.init && quick_fresh(op))
		return RC_OK;
	op->refreshed_at = now;
	op->digest.set = false;
	if (op->t.ct == CT_FOLDER) {
		if (force)
			hierarchy_drop(op);
		return refresh_hierarchy(op, now, e);
	}
	rc = refresh_content(op, now, e);
	return rc == RC_FORBIDDEN || rc == RC_NOTFOUND ? refresh_refused(op, now, rc, e) : rc;
}
