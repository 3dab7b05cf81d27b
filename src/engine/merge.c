/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One merge into a folder's index (sightings in, changed rows out, saved in one transaction with the fence, F19), and the
 * contents of objects: fetched, merged, kept at hand for the answer.  What is asked of OX and when is in refresh.c.
 */
#include "engine/engine_int.h"
#include "engine/refresh_int.h"

#include <stdlib.h>
#include <string.h>

#define PUT_CHUNK 5000 /* rows in one statement */

/* ---- one merge: rows in, changed rows out, saved in one transaction ---- */

enum rc
merge_begin(struct op *op, struct merge *m, size_t expected, struct err *e)
{
	memset(m, 0, sizeof(*m));
	m->op = op;
	m->f = op->t.f;
	m->head.cn = op->t.f.cn;
	m->cap = expected < 64 ? 64 : expected;
	m->put = arena_array(op->a, struct row *, m->cap);
	m->at = imap_new(op->a, expected);
	return m->put != NULL && m->at != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory while merging");
}

/* Notes that R, until now OLD (NULL: nothing), has to be saved; a row merged twice is saved once.  Who merges from its content stashes that afterwards. */
static enum rc
merge_note(struct merge *m, const struct row *old, struct row *r, struct err *e)
{
	size_t at;

	stash_forget(m->op, r->id); /* else an answer could name the new row and carry the content of before */
	m->born += !r->dead - (old != NULL && !old->dead);
	if (imap_get(m->at, r->id, &at)) {
		m->put[at] = r;
		return RC_OK;
	}
	if (m->n == m->cap) {
		struct row **p = arena_array(m->op->a, struct row *, m->cap * 2);

		if (p == NULL)
			return err_set(e, RC_NOMEM, "out of memory while merging");
		memcpy(p, m->put, m->n * sizeof(*p));
		m->put = p;
		m->cap *= 2;
	}
	if (!imap_put(m->at, r->id, m->n))
		return err_set(e, RC_NOMEM, "out of memory while merging");
	m->put[m->n++] = r;
	return RC_OK;
}

/* OLD is the row as the database has it; a row merged earlier in this merge takes its place. */
enum rc
merge_sighting(struct merge *m, const struct row *old, const struct sighting *s, struct row **now, struct err *e)
{
	struct row *r = arena_alloc(m->op->a, sizeof(*r));
	struct sighting made;
	bool changed, touched;
	size_t at;
	enum rc rc;

	if (r == NULL)
		return err_set(e, RC_NOMEM, "out of memory while merging");
	if (imap_get(m->at, s->id, &at))
		old = m->put[at];
	if (m->op->made_key != NULL && m->op->made_id == s->id) { /* found by this name for as long as the row lives, whatever becomes of the intent */
		made = *s;
		made.client_id = m->op->made_key;
		s = &made;
	}
	rc = sync_merge(m->op->a, &m->head, old, s, r, &changed, &touched);
	if (rc != RC_OK)
		return rc == RC_BUSY ? rc : err_set(e, rc, "an object could not be merged");
	/* it could not be shown when it was told of (merge_unknown): who has it is not known, so it goes whole to everybody */
	if (changed && old != NULL && !old->dead && !old->known && old->lm == 0) {
		r->keycn = r->cn;
		rc = aside_readable(m->op, s->id, e);
		if (rc != RC_OK)
			return rc;
	}
	if (now != NULL)
		*now = r;
	return touched ? merge_note(m, old, r, e) : RC_OK;
}

enum rc
merge_kill(struct merge *m, const struct row *old, struct err *e)
{
	struct row *r;
	size_t at;

	if (imap_get(m->at, old->id, &at))
		old = m->put[at];
	r = arena_memdup(m->op->a, old, sizeof(*r));
	if (r == NULL)
		return err_set(e, RC_NOMEM, "out of memory while merging");
	return sync_kill(&m->head, r) ? merge_note(m, old, r, e) : RC_OK;
}

/* What OX could not show: no version is known of it, so the next listing finds it changed and it is told then. */
enum rc
merge_unknown(struct merge *m, const struct row *old, struct err *e)
{
	struct row *r;

	if (old->dead || (!old->known && old->lm == 0))
		return RC_OK;
	r = arena_memdup(m->op->a, old, sizeof(*r));
	if (r == NULL)
		return err_set(e, RC_NOMEM, "out of memory while merging");
	r->known = false;
	r->lm = 0;
	return merge_note(m, old, r, e);
}

static enum rc
merge_save(struct store_conn *c, void *arg, struct err *e)
{
	struct merge *m = arg;
	struct store_folder f = m->f;
	enum rc rc = RC_OK;

	f.cn = m->head.cn;
	if (f.live >= 0)
		f.live += m->born;
	for (size_t i = 0; i < m->n && rc == RC_OK; i += PUT_CHUNK)
		rc = store_rows_put(c, &f, m->put + i, m->n - i < PUT_CHUNK ? m->n - i : PUT_CHUNK, e);
	if (rc == RC_OK)
		rc = store_folder_save(c, &f, e);
	if (rc == RC_OK)
		m->saved = f;
	return rc;
}

/* Saves when there is something to save; the folder of the operation is the saved one afterwards. */
enum rc
merge_end(struct merge *m, struct err *e)
{
	enum rc rc;

	if (m->n == 0 && !m->head_changed)
		return RC_OK;
	rc = store_txn(m->op->c, merge_save, m, e);
	if (rc == RC_CONFLICT)
		return err_set(e, RC_BUSY, "the folder was changed by another node meanwhile; repeat the request");
	for (size_t i = 0; rc == RC_OK && i < m->n; i++)
		rc = now_put(m->op, m->put[i]) == RC_OK ? RC_OK : err_set(e, RC_NOMEM, "out of memory while merging");
	if (rc == RC_OK) {
		m->op->t.f = m->saved;
		m->op->t.tag = tag_of_index(m->op->g, m->op->t.topic, &m->saved);
		m->op->wrote = true;
	}
	return rc;
}

/* ---- helpers on rows ---- */

enum rc
op_live(struct op *op, size_t *live, struct err *e)
{
	*live = op->t.f.live >= 0 ? (size_t)op->t.f.live : 0;
	return op->t.f.live >= 0 ? RC_OK : store_rows_count(op->c, &op->t.f, live, e);
}

enum rc
op_row(struct op *op, int64_t id, struct row **row, struct err *e)
{
	struct row **rows;
	size_t n;
	enum rc rc = store_rows_get(op->c, op->a, &op->t.f, &id, 1, &rows, &n, e);

	*row = rc == RC_OK && n > 0 ? rows[0] : NULL;
	return rc;
}

enum rc
rows_by_id(struct op *op, const int64_t *ids, size_t n, struct row ***rows, struct imap **at, struct err *e)
{
	size_t got;
	enum rc rc = store_rows_get(op->c, op->a, &op->t.f, ids, n, rows, &got, e);

	if (rc != RC_OK)
		return rc;
	*at = imap_new(op->a, got);
	if (*at == NULL)
		return err_set(e, RC_NOMEM, "out of memory for index rows");
	for (size_t i = 0; i < got; i++)
		if (!imap_put(*at, (*rows)[i]->id, i))
			return err_set(e, RC_NOMEM, "out of memory for index rows");
	return RC_OK;
}

int
object_by_lm(const void *x, const void *y)
{
	const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;

	if (a->lm != b->lm)
		return a->lm < b->lm ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

enum rc
op_sight(struct op *op, const struct object *o, struct sighting *s, struct err *e)
{
	enum rc rc = object_sight(op->a, op->g->keys, o, s);

	if (rc != RC_OK)
		return err_set(e, rc, "an object of OX could not be read");
	if (o->ct == CT_FOLDER)
		s->sk = folder_order(op, o);
	return RC_OK;
}

/* ---- contents ---- */

/* Whole objects, from the hierarchy or the folder; absent ones are left out. The caller owns the references. */
enum rc
op_fetch(struct op *op, const int64_t *ids, const char *const *oxids, size_t n, struct object ***out, size_t *n_out, struct err *e)
{
	struct imap *want;
	enum rc rc;

	*out = NULL;
	*n_out = 0;
	if (n == 0)
		return RC_OK;
	if (op->t.ct != CT_FOLDER) {
		rc = ox_list(op->s->ox, op->a, op->t.ct, op->t.oxid, ids, oxids, n, out, n_out, e);
		if (rc == RC_OK)
			*n_out = drop_closed(op, *out, *n_out, NULL, NULL);
		return rc;
	}
	rc = hierarchy_load(op, e);
	if (rc != RC_OK)
		return rc;
	want = imap_new(op->a, n);
	*out = arena_array(op->a, struct object *, n);
	if (want == NULL || *out == NULL)
		return err_set(e, RC_NOMEM, "out of memory for folders");
	for (size_t i = 0; i < n; i++)
		if (!imap_put(want, ids[i], i))
			return err_set(e, RC_NOMEM, "out of memory for folders");
	for (size_t i = 0; i < op->n_folders && *n_out < n; i++) {
		const struct object *f = op->folders[i];
		struct object *o;
		size_t at;

		if (!imap_get(want, f->id, &at))
			continue;
		o = object_new(op->a, CT_FOLDER); /* references of its own: the caller drops what it got */
		if (o == NULL)
			return err_set(e, RC_NOMEM, "out of memory for folders");
		o->id = f->id;
		o->oxid = f->oxid;
		o->folder = f->folder;
		o->lm = f->lm;
		for (size_t k = 0; k < model_content(CT_FOLDER)->n_fields; k++)
			if (f->v[k] != NULL)
				o->v[k] = json_incref(f->v[k]);
		(*out)[(*n_out)++] = o;
	}
	return RC_OK;
}

bool
is_broken(const struct op *op, int64_t id)
{
	size_t at;

	return op->broken != NULL && imap_get(op->broken, id, &at);
}

void
broken_note(struct op *op, int64_t id)
{
	if (op->broken == NULL)
		op->broken = imap_new(op->a, 16);
	if (op->broken == NULL || !imap_put(op->broken, id, 0))
		log_error("broken-object", "out of memory");
}

/* Objects that OX names but fails to show are no deletions and no contents: they wait until OX can show them again. */
size_t
set_broken_aside(struct op *op, struct object **o, size_t n)
{
	struct err why;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!o[i]->broken) {
			o[kept++] = o[i];
			continue;
		}
		metric_count(F_ASIDE, "unreadable", NULL);
		log_warn("broken-object", "type=%s folder=%lld id=%lld OX fails whenever its content is asked for", model_content(op->t.ct)->name,
		    (long long)op->t.f.id, (long long)o[i]->id);
		broken_note(op, o[i]->id);
		if (aside_unreadable(op, o[i]->id, 0, &why) != RC_OK)
			log_error("broken-object", "%s", why.text);
		object_drop(o[i]);
	}
	return kept;
}

/*
 * Contents into the index (rule F18): each object is at least as new as its row.  Ids of EXPECT that OX did not give are
 * gone from the folder: tombstones.  Objects go into the stash, which owns them then, also on failure.
 */
enum rc
op_merge_objects(struct op *op, struct object **o, size_t n, const int64_t *expect, size_t n_expect, struct err *e)
{
	struct merge m;
	struct row **rows;
	struct imap *at;
	size_t i;
	enum rc rc = RC_OK;

	n = set_broken_aside(op, o, n);
	rc = merge_begin(op, &m, n, e);
	if (rc == RC_OK)
		rc = rows_by_id(op, expect, n_expect, &rows, &at, e);
	if (n > 1)
		qsort(o, n, sizeof(struct object *), object_by_lm);
	for (size_t k = 0; k < n; k++) {
		struct sighting s;

		if (rc == RC_OK)
			rc = op_sight(op, o[k], &s, e);
		if (rc == RC_OK)
			rc = merge_sighting(&m, imap_get(at, o[k]->id, &i) ? rows[i] : NULL, &s, NULL, e);
		if (rc == RC_OK && stash_put(op, o[k]) == RC_OK)
			continue;
		object_drop(o[k]);
		rc = rc != RC_OK ? rc : err_set(e, RC_NOMEM, "out of memory for objects");
	}
	for (size_t k = 0; k < n_expect && rc == RC_OK; k++) {
		if (stash_get(op, expect[k]) != NULL || !imap_get(at, expect[k], &i))
			continue;
		rc = is_broken(op, expect[k]) ? merge_unknown(&m, rows[i], e) : merge_kill(&m, rows[i], e);
	}
	return rc == RC_OK ? merge_end(&m, e) : rc;
}

enum rc
op_kill(struct op *op, int64_t id, struct err *e)
{
	struct merge m;
	struct row *r;
	enum rc rc = op_row(op, id, &r, e);

	if (rc != RC_OK || r == NULL)
		return rc;
	rc = merge_begin(op, &m, 1, e);
	if (rc == RC_OK)
		rc = merge_kill(&m, r, e);
	return rc == RC_OK ? merge_end(&m, e) : rc;
}

/* Is R one that OX could not show, and too early to be asked for again? */
bool
row_waits(struct op *op, const struct row *r, enum rc *rc, struct err *e)
{
	if (r->known || r->lm != 0 || op->t.ct == CT_FOLDER || op->t.ct == CT_MAIL)
		return false;
	*rc = aside_load(op, e);
	return *rc == RC_OK && aside_waits(op, r->id, 0);
}

/* A mail's row needs no content: is OLD one whose content failed, and too early for a listing to tell of it? */
bool
mail_waits(struct op *op, const struct row *old, enum rc *rc, struct err *e)
{
	if (op->t.ct != CT_MAIL || old == NULL || old->dead || old->known)
		return false;
	*rc = aside_load(op, e);
	return *rc == RC_OK && aside_waits(op, old->id, 0);
}

/* Rows that a listing brought have no fingerprints yet: read their contents (not kept), ROWS[i] become the known rows. */
enum rc
op_ensure_known(struct op *op, struct row **rows, size_t n, struct err *e)
{
	int64_t ids[KNOW_CHUNK];
	const char *oxids[KNOW_CHUNK];
	size_t k = 0, at_row[KNOW_CHUNK];
	enum rc rc = RC_OK;

	for (size_t i = 0; i <= n && rc == RC_OK; i++) {
		if (i < n && row_waits(op, rows[i], &rc, e)) {
			broken_note(op, rows[i]->id);
		} else if (i < n && !rows[i]->known) {
			ids[k] = rows[i]->id;
			oxids[k] = rows[i]->oxid;
			at_row[k++] = i;
		}
		if (k > 0 && (k == KNOW_CHUNK || i == n)) {
			struct object **o;
			size_t got;

			rc = op_fetch(op, ids, oxids, k, &o, &got, e);
			if (rc == RC_OK)
				rc = op_merge_objects(op, o, got, ids, k, e);
			for (size_t j = 0; j < k && rc == RC_OK; j++)
				rows[at_row[j]] = now_row(op, rows[at_row[j]]);
			stash_drop(op);
			k = 0;
		}
	}
	return rc;
}
