/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* include/usmd/store.h in memory: index rows, cursors, the writes log, intents, conflicts. */
#include "store_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows: id, a = folder, b = sort key, c = when it was put, n1 = cn, flag = dead, text = client id, p = packed ---- */

static struct row *
row_of(struct arena *a, const struct rec *r)
{
	struct row *x = arena_alloc(a, sizeof(*x));

	x->id = r->id;
	x->cn = r->n1;
	x->sk = r->b;
	if (row_unpack(a, r->p, r->len, x) != RC_OK)
		sim_fail(the_sim, "a packed row cannot be read");
	return x;
}

enum order { BY_ID, BY_CN, BY_KEY_DOWN };
static enum order sorted_by;

static int
compare(const void *x, const void *y)
{
	const struct rec *a = *(struct rec *const *)x, *b = *(struct rec *const *)y;

	if (sorted_by == BY_CN)
		return a->n1 < b->n1 ? -1 : a->n1 > b->n1;
	if (sorted_by == BY_KEY_DOWN && a->b != b->b)
		return a->b > b->b ? -1 : 1;
	if (sorted_by == BY_KEY_DOWN)
		return a->id > b->id ? -1 : a->id < b->id;
	return a->id < b->id ? -1 : a->id > b->id;
}

struct rows { struct arena *a; struct rec **r; size_t n; };

static void
rows_begin(struct rows *x, struct arena *a)
{
	x->a = a;
	x->r = arena_array(a, struct rec *, tab_of(T_ROW)->n + 1);
	x->n = 0;
}

static enum rc
rows_end(struct rows *x, enum order by, size_t max, struct row ***rows, size_t *n)
{
	sorted_by = by;
	if (x->n > 1)
		qsort(x->r, x->n, sizeof(struct rec *), compare);
	*n = x->n < max ? x->n : max;
	*rows = arena_array(x->a, struct row *, *n + 1);
	for (size_t i = 0; i < *n; i++)
		(*rows)[i] = row_of(x->a, x->r[i]);
	return RC_OK;
}

#define EACH_ROW(i, f) for (size_t i = 0; i < tab_of(T_ROW)->n; i++) if (tab_of(T_ROW)->v[i]->a == (f)->id)

enum rc
store_rows_get(struct store_conn *c, struct arena *a, const struct store_folder *f, const int64_t *ids, size_t n, struct row ***rows, size_t *n_rows, struct err *e)
{
	struct rows x;
	enum rc rc = store_step(c, e);

	*n_rows = 0;
	if (rc != RC_OK)
		return rc;
	rows_begin(&x, a);
	EACH_ROW(i, f)
		for (size_t k = 0; k < n; k++)
			if (tab_of(T_ROW)->v[i]->id == ids[k]) {
				x.r[x.n++] = tab_of(T_ROW)->v[i];
				break;
			}
	return rows_end(&x, BY_ID, SIZE_MAX, rows, n_rows);
}

enum rc
store_rows_since(struct store_conn *c, struct arena *a, const struct store_folder *f, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct rows x;
	enum rc rc = store_step(c, e);

	if (rc != RC_OK)
		return rc;
	rows_begin(&x, a);
	EACH_ROW(i, f)
		if (tab_of(T_ROW)->v[i]->n1 > cn)
			x.r[x.n++] = tab_of(T_ROW)->v[i];
	return rows_end(&x, BY_CN, max, rows, n);
}

enum rc
store_rows_below(struct store_conn *c, struct arena *a, const struct store_folder *f, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct rows x;
	enum rc rc = store_step(c, e);

	if (rc != RC_OK)
		return rc;
	rows_begin(&x, a);
	EACH_ROW(i, f) {
		const struct rec *r = tab_of(T_ROW)->v[i];

		if (!r->flag && (from_top || r->b < sk || (r->b == sk && r->id < id)))
			x.r[x.n++] = tab_of(T_ROW)->v[i];
	}
	return rows_end(&x, BY_KEY_DOWN, max, rows, n);
}

enum rc
store_rows_moved(struct store_conn *c, struct arena *a, const struct store_folder *f, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e)
{
	struct row **all;
	size_t n_all, k = 0;
	enum rc rc = store_rows_all(c, a, f, true, &all, &n_all, e);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n_all; i++)
		if (sync_in_window(all[i], old0, old1) != sync_in_window(all[i], new0, new1))
			all[k++] = all[i];
	*rows = all;
	*n = k;
	return rc;
}

enum rc
store_rows_all(struct store_conn *c, struct arena *a, const struct store_folder *f, bool live_only, struct row ***rows, size_t *n, struct err *e)
{
	struct rows x;
	enum rc rc = store_step(c, e);

	if (rc != RC_OK)
		return rc;
	rows_begin(&x, a);
	EACH_ROW(i, f)
		if (!live_only || !tab_of(T_ROW)->v[i]->flag)
			x.r[x.n++] = tab_of(T_ROW)->v[i];
	return rows_end(&x, BY_ID, SIZE_MAX, rows, n);
}

enum rc
store_rows_by_client_id(struct store_conn *c, struct arena *a, const struct store_folder *f, const char *client_id, struct row ***rows, size_t *n, struct err *e)
{
	struct rows x;
	struct row **found;
	size_t live = 0, k = 0;
	enum rc rc = store_step(c, e);

	if (rc != RC_OK)
		return rc;
	rows_begin(&x, a);
	EACH_ROW(i, f)
		if (strcmp(tab_of(T_ROW)->v[i]->text, client_id) == 0)
			x.r[x.n++] = tab_of(T_ROW)->v[i];
	rc = rows_end(&x, BY_ID, SIZE_MAX, &found, n);
	*rows = arena_array(a, struct row *, *n + 1);
	for (size_t i = 0; i < *n; i++)
		if (!found[i]->dead)
			(*rows)[live++] = found[i];
	for (size_t i = 0; i < *n; i++)
		if (found[i]->dead)
			(*rows)[live + k++] = found[i];
	return rc;
}

enum rc
store_rows_put(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct err *e)
{
	struct tab *t;
	enum rc rc = store_step(c, e);

	if (rc != RC_OK)
		return rc;
	if (!c->in_txn)
		sim_fail(the_sim, "rows are put outside a transaction");
	for (size_t k = 0; k < n; k++) {
		struct buf b;
		struct rec *r;
		size_t i = 0;

		buf_init(&b, 0);
		row_pack(rows[k], &b);
		r = rec_new(b.len);
		memcpy(r->p, b.p, b.len);
		buf_fini(&b);
		r->id = rows[k]->id;
		r->a = f->id;
		r->b = rows[k]->sk;
		r->c = now_ms();
		r->n1 = rows[k]->cn;
		r->flag = rows[k]->dead;
		(void)snprintf(r->text, sizeof(r->text), "%s", rows[k]->client_id != NULL ? rows[k]->client_id : "");
		t = tab_of(T_ROW);
		while (i < t->n && (t->v[i]->a != f->id || t->v[i]->id != r->id))
			i++;
		rec_put(DB, T_ROW, i, r);
	}
	return RC_OK;
}

enum rc
store_rows_count(struct store_conn *c, const struct store_folder *f, size_t *live, struct err *e)
{
	enum rc rc = store_step(c, e);

	*live = 0;
	EACH_ROW(i, f)
		*live += !tab_of(T_ROW)->v[i]->flag;
	return rc;
}

/* ---- cursors: hash = syncid, a = device, b = folder, c = lo, n1 = seq, n2 = k, flag = more ---- */

static bool
is_of(const struct rec *r, int64_t device, int64_t folder)
{
	return r->a == device && r->b == folder;
}

static enum rc
cursor_load(struct arena *a, const struct rec *r, struct store_cursor *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->syncid.b, r->hash, sizeof(out->syncid.b));
	out->seq = r->n1;
	out->k = r->n2;
	out->more = r->flag;
	return cursor_unpack(a, r->p, r->len, &out->c);
}

enum rc
store_cursor_get(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, const struct syncid *s, struct store_cursor *out, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_CURSOR);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < t->n; i++)
		if (is_of(t->v[i], device, folder) && memcmp(t->v[i]->hash, s->b, sizeof(s->b)) == 0)
			return cursor_load(a, t->v[i], out);
	return err_set(e, RC_NOTFOUND, "no such syncid");
}

enum rc
store_cursor_use(struct store_conn *c, int64_t device, int64_t folder, const struct store_cursor *cur, uint64_t k, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_CURSOR), *w = tab_of(T_WRITE), *in = tab_of(T_INTENT);

	if (rc != RC_OK)
		return rc;
	for (size_t i = t->n; i-- > 0;) {
		if (!is_of(t->v[i], device, folder))
			continue;
		if (t->v[i]->n1 == cur->seq && k > t->v[i]->n2) {
			struct rec *r = rec_edit(DB, T_CURSOR, i);

			r->n2 = k;
			rec_put(DB, T_CURSOR, i, r);
		}
		if (t->v[i]->n1 < cur->seq)
			rec_remove(DB, T_CURSOR, i);
	}
	for (size_t i = w->n; i-- > 0;)
		if (is_of(w->v[i], device, folder) && w->v[i]->u.write.seq != 0 && w->v[i]->u.write.seq <= cur->seq)
			rec_remove(DB, T_WRITE, i);
	for (size_t i = in->n; i-- > 0;)
		if (is_of(in->v[i], device, folder) && in->v[i]->u.intent.state != INTENT_PENDING &&
		    !(in->v[i]->u.intent.state == INTENT_DELETED && in->v[i]->u.intent.unsure) && in->v[i]->u.intent.seq != 0 && in->v[i]->u.intent.seq <= cur->seq)
			rec_remove(DB, T_INTENT, i);
	return RC_OK;
}

enum rc
store_cursor_next_seq(struct store_conn *c, int64_t device, int64_t folder, uint64_t *seq, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_CURSOR);

	*seq = 1;
	for (size_t i = 0; i < t->n; i++)
		if (is_of(t->v[i], device, folder) && t->v[i]->n1 >= *seq)
			*seq = t->v[i]->n1 + 1;
	return rc;
}

enum rc
store_cursor_put(struct store_conn *c, int64_t device, int64_t folder, uint64_t parent_seq, unsigned max_children, struct store_cursor *cur, struct err *e)
{
	enum rc rc = store_cursor_next_seq(c, device, folder, &cur->seq, e);
	struct tab *t = tab_of(T_CURSOR);
	struct buf b;
	struct rec *r;

	if (rc != RC_OK)
		return rc;
	buf_init(&b, 0);
	cursor_pack(&cur->c, &b);
	r = rec_new(b.len);
	memcpy(r->p, b.p, b.len);
	buf_fini(&b);
	memcpy(r->hash, cur->syncid.b, sizeof(cur->syncid.b));
	r->a = device;
	r->b = folder;
	r->c = (int64_t)cur->c.lo;
	r->n1 = cur->seq;
	r->n2 = cur->k;
	r->flag = cur->more;
	rec_put(DB, T_CURSOR, t->n, r);
	for (;;) {
		size_t n = 0, oldest = t->n;

		for (size_t i = 0; i < t->n; i++) {
			if (!is_of(t->v[i], device, folder) || t->v[i]->n1 <= parent_seq)
				continue;
			n++;
			if (oldest == t->n || t->v[i]->n1 < t->v[oldest]->n1)
				oldest = i;
		}
		if (n <= max_children)
			return RC_OK;
		rec_remove(DB, T_CURSOR, oldest);
	}
}

enum rc
store_cursor_syncids(struct store_conn *c, struct arena *a, int64_t device, struct syncid **out, size_t *n, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_CURSOR);

	*n = 0;
	*out = arena_array(a, struct syncid, t->n + 1);
	for (size_t i = 0; rc == RC_OK && i < t->n; i++)
		if (t->v[i]->a == device)
			memcpy((*out)[(*n)++].b, t->v[i]->hash, sizeof((*out)->b));
	return rc;
}

enum rc
store_cursor_children(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, uint64_t parent_seq, struct store_cursor **out, size_t *n, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_CURSOR);

	*n = 0;
	*out = arena_array(a, struct store_cursor, t->n + 1);
	for (size_t i = 0; rc == RC_OK && i < t->n; i++)
		if (is_of(t->v[i], device, folder) && t->v[i]->n1 > parent_seq)
			rc = cursor_load(a, t->v[i], &(*out)[(*n)++]);
	return rc;
}

/* ---- the writes log: id = wid, a = device, b = folder ---- */

static void
fields_in(struct rec *r, const struct write_field *f, unsigned nf)
{
	if (nf > NF)
		sim_fail(the_sim, "more fields are written than the simulation has");
	memcpy(r->f, f, nf * sizeof(*f));
}

enum rc
store_writes_get(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, struct write_entry **out, size_t *n, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_WRITE);

	*n = 0;
	*out = arena_array(a, struct write_entry, t->n + 1);
	for (size_t i = 0; rc == RC_OK && i < t->n; i++) {
		if (!is_of(t->v[i], device, folder))
			continue;
		(*out)[*n] = t->v[i]->u.write;
		(*out)[(*n)++].f = arena_memdup(a, t->v[i]->f, sizeof(t->v[i]->f));
	}
	return rc;
}

enum rc
store_write_add(struct store_conn *c, int64_t device, int64_t folder, struct write_entry *w, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct rec *r;

	if (rc != RC_OK)
		return rc;
	r = rec_new(0);
	r->id = w->wid = ++DB->next[T_WRITE];
	r->a = device;
	r->b = folder;
	r->u.write = *w;
	fields_in(r, w->f, w->nf);
	rec_put(DB, T_WRITE, tab_of(T_WRITE)->n, r);
	return RC_OK;
}

enum rc
store_write_save(struct store_conn *c, const struct write_entry *w, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_WRITE);

	for (size_t i = 0; rc == RC_OK && i < t->n; i++)
		if (t->v[i]->id == w->wid) {
			struct rec *r = rec_edit(DB, T_WRITE, i);

			r->u.write = *w;
			fields_in(r, w->f, w->nf);
			rec_put(DB, T_WRITE, i, r);
		}
	return rc;
}

enum rc
store_write_delete(struct store_conn *c, int64_t wid, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_WRITE);

	for (size_t i = t->n; rc == RC_OK && i-- > 0;)
		if (t->v[i]->id == wid)
			rec_remove(DB, T_WRITE, i);
	return rc;
}

/* ---- intents: a = device, b = folder, text = client id ---- */

static size_t
intent_at(int64_t device, const char *client_id)
{
	struct tab *t = tab_of(T_INTENT);
	size_t i = 0;

	while (i < t->n && (t->v[i]->a != device || strcmp(t->v[i]->text, client_id) != 0))
		i++;
	return i;
}

enum rc
store_intent_get(struct store_conn *c, struct arena *a, int64_t device, const char *client_id, int64_t *folder, struct intent *out, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = intent_at(device, client_id);
	const struct rec *r;

	memset(out, 0, sizeof(*out));
	if (rc != RC_OK)
		return rc;
	if (i == tab_of(T_INTENT)->n)
		return err_set(e, RC_NOTFOUND, "no such intent");
	r = tab_of(T_INTENT)->v[i];
	*folder = r->b;
	*out = r->u.intent;
	out->f = arena_memdup(a, r->f, sizeof(r->f));
	return RC_OK;
}

static void
intent_write(int64_t device, int64_t folder, const char *client_id, const struct intent *in)
{
	struct rec *r = rec_new(0);

	r->a = device;
	r->b = folder;
	(void)snprintf(r->text, sizeof(r->text), "%s", client_id);
	r->u.intent = *in;
	/* what belongs to one request alone is not stored */
	r->u.intent.asked = r->u.intent.elsewhere = false;
	memset(&r->u.intent.else_uuid, 0, sizeof(r->u.intent.else_uuid));
	r->u.intent.else_f = NULL;
	r->u.intent.else_nf = 0;
	fields_in(r, in->f, in->nf);
	rec_put(DB, T_INTENT, intent_at(device, client_id), r);
}

enum rc
store_intent_put(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *in, struct err *e)
{
	enum rc rc = store_step(c, e);

	if (rc == RC_OK)
		intent_write(device, folder, client_id, in);
	return rc;
}

enum rc
store_intent_claim(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *in, const struct intent *was,
    bool *won, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = intent_at(device, client_id);
	const struct intent *have = i < tab_of(T_INTENT)->n ? &tab_of(T_INTENT)->v[i]->u.intent : NULL;

	*won = rc == RC_OK &&
	    (have == NULL || (was != NULL && have->state == was->state && have->at == was->at && have->id_known == was->id_known));
	if (*won)
		intent_write(device, folder, client_id, in);
	return rc;
}

enum rc
store_intent_told(struct store_conn *c, int64_t device, const char *client_id, uint64_t seq, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = intent_at(device, client_id);

	if (rc == RC_OK && i < tab_of(T_INTENT)->n) {
		struct rec *r = rec_edit(DB, T_INTENT, i);

		r->u.intent.seq = seq;
		rec_put(DB, T_INTENT, i, r);
	}
	return rc;
}

/* ---- what was done with mails: a = device, text = key ---- */

static size_t
mail_op_at(int64_t device, const char *key)
{
	struct tab *t = tab_of(T_MAILOP);
	size_t i = 0;

	while (i < t->n && (t->v[i]->a != device || strcmp(t->v[i]->text, key) != 0))
		i++;
	return i;
}

enum rc
store_mailop_get(struct store_conn *c, int64_t device, const char *key, struct mail_op *out, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = mail_op_at(device, key);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK && i == tab_of(T_MAILOP)->n)
		rc = err_set(e, RC_NOTFOUND, "nothing is known of it");
	if (rc == RC_OK)
		*out = tab_of(T_MAILOP)->v[i]->u.mail_op;
	return rc;
}

static void
mail_op_write(int64_t device, const char *key, const struct mail_op *o)
{
	struct rec *r = rec_new(0);

	r->a = device;
	(void)snprintf(r->text, sizeof(r->text), "%s", key);
	r->u.mail_op = *o;
	rec_put(DB, T_MAILOP, mail_op_at(device, key), r);
}

enum rc
store_mailop_put(struct store_conn *c, int64_t device, const char *key, const struct mail_op *o, struct err *e)
{
	enum rc rc = store_step(c, e);

	if (rc == RC_OK)
		mail_op_write(device, key, o);
	return rc;
}

enum rc
store_mailop_claim(struct store_conn *c, int64_t device, const char *key, const struct mail_op *o, const struct mail_op *was, bool *won, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = mail_op_at(device, key);
	const struct mail_op *have = i < tab_of(T_MAILOP)->n ? &tab_of(T_MAILOP)->v[i]->u.mail_op : NULL;

	*won = rc == RC_OK && (have == NULL || (have->state == was->state && have->at == was->at));
	if (*won)
		mail_op_write(device, key, o);
	return rc;
}

/* ---- conflicts: only that they are there counts; what they hold can be had back ---- */

enum rc
store_conflict_add(struct store_conn *c, struct store_conflict *x, struct err *e)
{
	enum rc rc = store_step(c, e);
	json_t *record = NULL;
	struct buf plain;
	char *text, bound[40];

	if (rc != RC_OK)
		return rc;
	buf_init(&plain, 0);
	(void)snprintf(bound, sizeof(bound), "conflict %lld", (long long)x->account);
	if (keyring_open(&the_sim->ring, &(struct seal_use){ .label = "usmd conflict records", .bound = bound }, x->sealed, x->sealed_len, &plain) == RC_OK)
		record = json_loadb(plain.p, plain.len, JSON_REJECT_DUPLICATES, NULL);
	text = json_dumps(json_object_get(record, "fields"), JSON_COMPACT); /* the title is of the version that won */
	if (text == NULL)
		sim_fail(the_sim, "a conflict record cannot be opened");
	else
		token_record_text(the_sim, text, strlen(text));
	free(text);
	json_decref(record);
	buf_fini(&plain);
	x->id = ++DB->next[T_CONFLICT];
	return RC_OK;
}

/* ---- networks through which waits die: nobody waits in this world ---- */

enum rc
store_paths_get(struct store_conn *c, struct arena *a, struct store_path **out, size_t *n, struct err *e)
{
	(void)c;
	(void)e;
	*n = 0;
	*out = arena_array(a, struct store_path, 1);
	return *out != NULL ? RC_OK : RC_NOMEM;
}

enum rc store_path_put(struct store_conn *c, const struct store_path *x, struct err *e) { (void)c; (void)x; (void)e; return RC_OK; }
enum rc store_path_drop(struct store_conn *c, const char *net, struct err *e) { (void)c; (void)net; (void)e; return RC_OK; }

/* ---- objects that are set aside: not remembered, so everything is due ---- */

enum rc
store_aside_get(struct store_conn *c, struct arena *a, int64_t folder, int64_t device, struct store_aside **out, size_t *n, struct err *e)
{
	(void)a;
	(void)folder;
	(void)device;
	*out = NULL;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_aside_put(struct store_conn *c, int64_t folder, const struct store_aside *x, struct err *e)
{
	(void)folder;
	(void)x;
	return store_step(c, e);
}

enum rc
store_aside_drop(struct store_conn *c, int64_t folder, int64_t device, int64_t id, struct err *e)
{
	(void)folder;
	(void)device;
	(void)id;
	return store_step(c, e);
}
