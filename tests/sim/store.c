/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* include/usmd/store.h in memory: the records, connections, transactions and locks; accounts, devices, sessions, folders. */
#include "fakes.h"
#include "store_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- records ---- */

struct rec *
rec_new(size_t len)
{
	struct rec *r = mem_alloc(sizeof(*r) + len);

	if (r == NULL)
		abort();
	r->refs = 1;
	r->len = len;
	return r;
}

static void
rec_unref(struct rec *r)
{
	if (--r->refs == 0)
		mem_free(r);
}

void
rec_put(struct db *d, enum table t, size_t i, struct rec *r)
{
	struct tab *x = &d->t[t];

	if (i < x->n) {
		rec_unref(x->v[i]);
		x->v[i] = r;
		return;
	}
	if (x->n == x->cap) {
		x->cap = x->cap == 0 ? 32 : 2 * x->cap;
		x->v = mem_realloc(x->v, x->cap * sizeof(struct rec *));
		if (x->v == NULL)
			abort();
	}
	x->v[x->n++] = r;
}

struct rec *
rec_edit(const struct db *d, enum table t, size_t i)
{
	const struct rec *old = d->t[t].v[i];
	struct rec *r = rec_new(old->len);

	memcpy(r, old, sizeof(*r) + old->len);
	r->refs = 1;
	return r;
}

void
rec_remove(struct db *d, enum table t, size_t i)
{
	struct tab *x = &d->t[t];

	rec_unref(x->v[i]);
	memmove(x->v + i, x->v + i + 1, (x->n - i - 1) * sizeof(struct rec *));
	x->n--;
}

struct db *
db_new(void)
{
	struct db *d = mem_alloc(sizeof(*d));

	if (d == NULL)
		abort();
	return d;
}

struct db *
db_copy(const struct db *d)
{
	struct db *c = db_new();

	*c = *d;
	for (int t = 0; t < T_COUNT; t++) {
		if (d->t[t].cap == 0)
			continue;
		c->t[t].v = mem_alloc(d->t[t].cap * sizeof(struct rec *));
		memcpy(c->t[t].v, d->t[t].v, d->t[t].n * sizeof(struct rec *));
		for (size_t i = 0; i < c->t[t].n; i++)
			c->t[t].v[i]->refs++;
	}
	return c;
}

void
db_free(struct db *d)
{
	if (d == NULL)
		return;
	for (int t = 0; t < T_COUNT; t++) {
		for (size_t i = 0; i < d->t[t].n; i++)
			rec_unref(d->t[t].v[i]);
		mem_free(d->t[t].v);
	}
	mem_free(d);
}

/* ---- connections, locks, transactions ---- */

enum rc
store_step(struct store_conn *c, struct err *e)
{
	struct sim *s = the_sim;

	if (c != NULL && c->in_txn) /* nothing is seen of a transaction before it commits: one step is enough */
		return RC_OK;
	if (!io_step(s))
		return err_set(e, RC_UPSTREAM, "this node is dead");
	if (s->down || (s->v.faults && !s->reliable && chance(s, 2))) {
		s->fig->db_faults++;
		tell(s, "the database is away");
		return err_set(e, RC_UPSTREAM, "the database is away");
	}
	return RC_OK;
}

enum rc
store_check(struct store *s, struct err *e)
{
	(void)s;
	return store_step(NULL, e);
}

enum rc
store_lease(struct store *s, struct store_conn **out, struct err *e)
{
	enum rc rc = store_step(NULL, e);

	*out = NULL;
	if (rc != RC_OK)
		return rc;
	*out = mem_alloc(sizeof(**out));
	(*out)->s = s;
	(*out)->task = the_sim->running;
	return RC_OK;
}

static void
lock_drop(struct task *t, int64_t folder)
{
	for (unsigned i = 0; i < t->n_locks; i++)
		if (t->locks[i] == folder) {
			t->locks[i] = t->locks[--t->n_locks];
			return;
		}
}

void
store_release(struct store_conn *c)
{
	if (c == NULL)
		return;
	while (c->n_locks > 0)
		store_unlock(c, c->locks[0]);
	mem_free(c);
}

static bool
lock_held(int64_t folder)
{
	for (unsigned i = 0; i < the_sim->n_task; i++)
		for (unsigned k = 0; k < the_sim->task[i]->n_locks; k++)
			if (the_sim->task[i]->locks[k] == folder)
				return true;
	return false;
}

msec_t
store_clock(const struct store *s)
{
	(void)s;
	return now_ms();
}

enum rc
store_lock(struct store_conn *c, int64_t folder, struct err *e)
{
	enum rc rc = store_step(c, e);

	for (int i = 0; rc == RC_OK && lock_held(folder); i++) {
		if (i == 200)
			return err_set(e, RC_BUSY, "the folder is locked");
		rc = store_step(c, e);
	}
	if (rc != RC_OK)
		return rc;
	c->task->locks[c->task->n_locks++] = folder;
	c->locks[c->n_locks++] = folder;
	return RC_OK;
}

void
store_unlock(struct store_conn *c, int64_t folder)
{
	for (unsigned i = 0; i < c->n_locks; i++)
		if (c->locks[i] == folder) {
			c->locks[i] = c->locks[--c->n_locks];
			lock_drop(c->task, folder);
			return;
		}
}

enum rc
store_txn(struct store_conn *c, store_fn fn, void *arg, struct err *e)
{
	struct sim *s = the_sim;
	enum rc rc;

	for (int i = 0; i < 8; i++) {
		struct db *before;

		rc = store_step(c, e);
		if (rc != RC_OK)
			return rc;
		before = db_copy(DB);
		c->in_txn = true;
		rc = fn(c, arg, e);
		c->in_txn = false;
		if (rc == RC_OK && s->v.faults && !s->reliable && chance(s, 10)) /* a serialization failure */
			rc = RC_BUSY;
		if (rc != RC_OK) {
			db_free(s->db);
			s->db = before;
			if (rc == RC_BUSY)
				continue;
			return rc;
		}
		if (s->v.faults && !s->reliable && chance(s, 3)) { /* the connection is lost during commit */
			s->fig->db_faults++;
			tell(s, "the outcome of a commit is unknown");
			if (chance(s, 500)) {
				db_free(s->db);
				s->db = before;
			} else {
				db_free(before);
			}
			return err_set(e, RC_TIMEOUT, "the outcome of the commit is unknown");
		}
		db_free(before);
		return RC_OK;
	}
	return err_set(e, RC_BUSY, "all attempts clashed");
}

/* ---- accounts: a = context, b = user ---- */

enum rc
store_account_open(struct store_conn *c, int64_t context_id, int64_t user_id, int64_t *account, struct err *e)
{
	struct tab *t;
	enum rc rc = store_step(c, e);
	struct rec *r;

	if (rc != RC_OK)
		return rc;
	t = tab_of(T_ACCOUNT);
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i]->a == context_id && t->v[i]->b == user_id) {
			*account = t->v[i]->id;
			return RC_OK;
		}
	r = rec_new(0);
	r->id = *account = ++DB->next[T_ACCOUNT];
	r->a = context_id;
	r->b = user_id;
	rec_put(DB, T_ACCOUNT, t->n, r);
	return RC_OK;
}

/* ---- devices: a = account, text = name, p = configuration ---- */

enum rc
store_device_open(struct store_conn *c, struct arena *a, int64_t account, const char *name, struct store_device *out, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_DEVICE);
	struct rec *r = NULL;

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < t->n && r == NULL; i++)
		if (t->v[i]->a == account && strcmp(t->v[i]->text, name) == 0)
			r = t->v[i];
	if (r == NULL) {
		r = rec_new(3);
		memcpy(r->p, "{}", 3);
		r->id = ++DB->next[T_DEVICE];
		r->a = account;
		(void)snprintf(r->text, sizeof(r->text), "%s", name);
		rec_put(DB, T_DEVICE, t->n, r);
	}
	*out = (struct store_device){ .id = r->id, .account = account, .name = arena_strdup(a, r->text), .config = arena_strdup(a, (char *)r->p) };
	return RC_OK;
}

enum rc
store_device_config(struct store_conn *c, int64_t device, const char *config, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_DEVICE);

	for (size_t i = 0; rc == RC_OK && i < t->n; i++)
		if (t->v[i]->id == device) {
			struct rec *r = rec_new(strlen(config) + 1), *old = t->v[i];

			r->id = device;
			r->a = old->a;
			memcpy(r->text, old->text, sizeof(r->text));
			memcpy(r->p, config, r->len);
			rec_put(DB, T_DEVICE, i, r);
		}
	return rc;
}

/* ---- sessions: a = account, b = device, c = expiry ---- */

/* The clients of the worlds log in too rarely to have too many. */
enum rc
store_session_trim(struct store_conn *c, int64_t device, size_t keep, unsigned char (*hash)[32], size_t max, size_t *n, struct err *e)
{
	(void)device;
	(void)keep;
	(void)hash;
	(void)max;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_session_put(struct store_conn *c, const unsigned char hash[32], int64_t account, int64_t device, msec_t expires, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_SESSION);
	struct rec *r;
	size_t i = 0;

	if (rc != RC_OK)
		return rc;
	while (i < t->n && memcmp(t->v[i]->hash, hash, 32) != 0)
		i++;
	r = rec_new(0);
	memcpy(r->hash, hash, 32);
	r->a = account;
	r->b = device;
	r->c = expires;
	rec_put(DB, T_SESSION, i, r);
	return RC_OK;
}

enum rc
store_session_get(struct store_conn *c, struct arena *a, const unsigned char hash[32], struct store_session *out, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_SESSION), *ta = tab_of(T_ACCOUNT), *td = tab_of(T_DEVICE);
	const struct rec *r = NULL;

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < t->n && r == NULL; i++)
		if (memcmp(t->v[i]->hash, hash, 32) == 0 && t->v[i]->c > now_ms())
			r = t->v[i];
	if (r == NULL)
		return err_set(e, RC_NOTFOUND, "no such session");
	*out = (struct store_session){ .account = r->a, .device = r->b, .expires = r->c };
	for (size_t i = 0; i < ta->n; i++)
		if (ta->v[i]->id == r->a) {
			out->context_id = ta->v[i]->a;
			out->user_id = ta->v[i]->b;
		}
	for (size_t i = 0; i < td->n; i++)
		if (td->v[i]->id == r->b) {
			out->device_name = arena_strdup(a, td->v[i]->text);
			out->config = arena_strdup(a, (char *)td->v[i]->p);
		}
	return RC_OK;
}

enum rc
store_session_delete(struct store_conn *c, const unsigned char hash[32], struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_SESSION);

	for (size_t i = t->n; rc == RC_OK && i-- > 0;)
		if (memcmp(t->v[i]->hash, hash, 32) == 0)
			rec_remove(DB, T_SESSION, i);
	return rc;
}

/* ---- folders: a = account, text = oxid ---- */

static size_t
folder_at(int64_t id)
{
	struct tab *t = tab_of(T_FOLDER);
	size_t i = 0;

	while (i < t->n && t->v[i]->id != id)
		i++;
	return i;
}

enum rc
store_folder_open(struct store_conn *c, struct arena *a, int64_t account, enum content ct, const char *oxid, bool create, uint64_t epoch,
    struct store_folder *out, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_FOLDER);
	struct rec *r = NULL;

	memset(out, 0, sizeof(*out));
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < t->n && r == NULL; i++)
		if (t->v[i]->a == account && t->v[i]->u.folder.ct == ct && strcmp(t->v[i]->text, oxid) == 0)
			r = t->v[i];
	if (r == NULL && !create)
		return err_set(e, RC_NOTFOUND, "no such index");
	if (r == NULL) {
		r = rec_new(0);
		r->id = ++DB->next[T_FOLDER];
		r->a = account;
		(void)snprintf(r->text, sizeof(r->text), "%s", oxid);
		r->u.folder = (struct store_folder){ .id = r->id, .ct = ct, .epoch = epoch };
		rec_put(DB, T_FOLDER, t->n, r);
	}
	*out = r->u.folder;
	out->oxid = arena_strdup(a, r->text);
	return RC_OK;
}

enum rc
store_folder_save(struct store_conn *c, struct store_folder *f, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = folder_at(f->id);
	int64_t live = 0;
	struct rec *r;

	if (rc != RC_OK)
		return rc;
	if (i == tab_of(T_FOLDER)->n || tab_of(T_FOLDER)->v[i]->u.folder.fence != f->fence)
		return err_set(e, RC_CONFLICT, "somebody else was faster");
	for (size_t k = 0; k < tab_of(T_ROW)->n; k++)
		live += tab_of(T_ROW)->v[k]->a == f->id && !tab_of(T_ROW)->v[k]->flag;
	if (live != f->live)
		sim_fail(the_sim, "index %lld says that it has %lld objects, and has %lld", (long long)f->id, (long long)f->live, (long long)live);
	f->fence++;
	r = rec_edit(DB, T_FOLDER, i);
	r->u.folder = *f;
	r->u.folder.oxid = NULL;
	rec_put(DB, T_FOLDER, i, r);
	return RC_OK;
}

/* Records of the folder in T; by column a, or b of cursors, writes and intents. */
static void
drop_of(enum table t, int64_t folder)
{
	struct tab *x = tab_of(t);

	for (size_t i = x->n; i-- > 0;)
		if ((t == T_ROW ? x->v[i]->a : x->v[i]->b) == folder)
			rec_remove(DB, t, i);
}

enum rc
store_folder_reset(struct store_conn *c, struct store_folder *f, uint64_t epoch, struct err *e)
{
	f->epoch = epoch;
	f->cn = 0;
	f->init = false;
	f->ox_ts = f->listed_at = f->live = 0;
	drop_of(T_ROW, f->id);
	return store_folder_save(c, f, e);
}

enum rc
store_folder_drop(struct store_conn *c, int64_t folder, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = folder_at(folder);

	if (rc != RC_OK)
		return rc;
	drop_of(T_ROW, folder);
	drop_of(T_CURSOR, folder);
	drop_of(T_WRITE, folder);
	if (i < tab_of(T_FOLDER)->n)
		rec_remove(DB, T_FOLDER, i);
	return RC_OK;
}

enum rc
store_folder_relist(struct store_conn *c, int64_t folder, struct err *e)
{
	enum rc rc = store_step(c, e);
	size_t i = folder_at(folder);

	if (rc == RC_OK && i < tab_of(T_FOLDER)->n) {
		struct rec *r = rec_edit(DB, T_FOLDER, i);

		r->u.folder.listed_at = 0;
		r->u.folder.fence++;
		rec_put(DB, T_FOLDER, i, r);
	}
	return rc;
}

enum rc
store_device_login(struct store_conn *c, struct arena *a, int64_t account, const char *name, const struct store_device_rule *rule,
    struct store_device *out, struct err *e)
{
	(void)rule;
	return store_device_open(c, a, account, name, out, e);
}

enum rc
store_expire_unused(struct store_conn *c, msec_t device_before, msec_t audit_before, struct err *e)
{
	(void)device_before, (void)audit_before;
	return store_step(c, e);
}

/* What is older than TOMBSTONE_MS and settled in every cursor goes; marks of time are kept by tombstone here, not by folder. */
enum rc
store_expire(struct store_conn *c, msec_t now, msec_t tombstone_ms, struct err *e)
{
	enum rc rc = store_step(c, e);
	struct tab *t = tab_of(T_ROW), *tc = tab_of(T_CURSOR);

	for (size_t i = t->n; rc == RC_OK && i-- > 0;) {
		bool settled = true;

		if (!t->v[i]->flag || t->v[i]->c > now - tombstone_ms)
			continue;
		for (size_t k = 0; k < tc->n; k++)
			settled = settled && (tc->v[k]->b != t->v[i]->a || (uint64_t)tc->v[k]->c >= t->v[i]->n1);
		if (settled)
			rec_remove(DB, T_ROW, i);
	}
	return rc;
}

enum rc
store_folder_versions(struct store_conn *c, struct store_version *v, size_t n, struct err *e)
{
	(void)c;
	(void)v;
	(void)n;
	return err_set(e, RC_INTERNAL, "nobody waits in this world");
}

void store_notify_claim(struct store *s, uint64_t name, uint64_t ticket, bool carried) { (void)s; (void)name; (void)ticket; (void)carried; }
void store_notify(struct store *s, uint64_t topic, bool carried) { (void)s; (void)topic; (void)carried; }

static struct store handles[MAX_NODE];

struct store *
store_for(unsigned node)
{
	handles[node].node = node;
	return &handles[node];
}
