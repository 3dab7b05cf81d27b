/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is kept sealed, and sealed anew when the key has changed: row by row, each only if it is still what was read, so that stopping anywhere harms nothing. */
#include "engine/engine_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_AT_ONCE 100
#define ROUNDS_MAX 50        /* in one call; the rest in the next */

enum rc
ring_seal(struct engine *g, const struct seal_use *use, const void *p, size_t n, struct buf *out)
{
	enum rc rc;

	(void)pthread_rwlock_rdlock(&g->ring_lock);
	rc = keyring_seal(&g->ring, use, p, n, out);
	(void)pthread_rwlock_unlock(&g->ring_lock);
	return rc;
}

enum rc
ring_open(struct engine *g, const struct seal_use *use, const void *p, size_t n, struct buf *out)
{
	enum rc rc;

	(void)pthread_rwlock_rdlock(&g->ring_lock);
	rc = keyring_open(&g->ring, use, p, n, out);
	(void)pthread_rwlock_unlock(&g->ring_lock);
	return rc;
}

bool
ring_changed(struct engine *g)
{
	bool changed;

	(void)pthread_rwlock_wrlock(&g->ring_lock);
	changed = g->ring_new;
	g->ring_new = false;
	(void)pthread_rwlock_unlock(&g->ring_lock);
	return changed;
}

/* The id of the active key; false: there is no other one whose records could be sealed anew. */
static bool
active_key(struct engine *g, unsigned char id[KEY_ID_BYTES])
{
	bool others;

	(void)pthread_rwlock_rdlock(&g->ring_lock);
	memcpy(id, g->ring.v[0].id, KEY_ID_BYTES);
	others = g->ring.n > 1;
	(void)pthread_rwlock_unlock(&g->ring_lock);
	return others;
}

enum rc
engine_keys_set(struct engine *g, const struct keyring *r, bool *changed, struct err *e)
{
	enum rc rc = RC_OK;

	*changed = false;
	(void)pthread_rwlock_wrlock(&g->ring_lock);
	if (memcmp(g->ring.v[g->ring.n - 1].id, r->v[r->n - 1].id, KEY_ID_BYTES) != 0) {
		rc = err_set_path(e, RC_PROTO, "key_file", "it holds another key than at the start; put the old one back: it never changes");
	} else if (g->ring.n != r->n || memcmp(g->ring.v, r->v, r->n * sizeof(r->v[0])) != 0) {
		secret_wipe(&g->ring, sizeof(g->ring));
		g->ring = *r;
		g->ring_new = *changed = true;
	}
	(void)pthread_rwlock_unlock(&g->ring_lock);
	(void)pthread_mutex_lock(&g->lock);
	if (*changed)
		(void)pthread_cond_broadcast(&g->care_wake);
	(void)pthread_mutex_unlock(&g->lock);
	return rc;
}

/* Bound to the account: a record that somebody moves to another one in the database does not open there. */
static struct seal_use
use_of(enum store_sealed_kind kind, int64_t account, char bound[40])
{
	(void)snprintf(bound, 40, "%s %" PRId64, kind == SEALED_CONFLICT ? "conflict" : "journal", account);
	return (struct seal_use){ .label = kind == SEALED_CONFLICT ? "usmd conflict records" : "usmd journal", .bound = bound };
}

enum rc
seal_record(struct engine *g, enum store_sealed_kind kind, int64_t account, const char *text, struct buf *out)
{
	char bound[40];
	struct seal_use use = use_of(kind, account, bound);

	return ring_seal(g, &use, text, strlen(text), out);
}

enum rc
seal_open(struct engine *g, enum store_sealed_kind kind, int64_t account, const void *p, size_t n, struct buf *out)
{
	char bound[40];
	struct seal_use use = use_of(kind, account, bound);

	return ring_open(g, &use, p, n, out);
}

/* *AFTER goes behind what was done or cannot be opened (its key is gone; it expires). */
static enum rc
reseal(struct engine *g, struct store_conn *c, enum store_sealed_kind kind, const struct store_sealed *x, struct err *e)
{
	struct buf plain, sealed;
	enum rc rc;

	buf_init(&plain, 0);
	buf_init(&sealed, 0);
	rc = seal_open(g, kind, x->account, x->p, x->len, &plain);
	if (rc == RC_OK)
		rc = seal_record(g, kind, x->account, plain.p, &sealed);
	if (rc == RC_OK)
		rc = store_sealed_put(c, kind, x, sealed.p, sealed.len, e);
	else if (rc == RC_DENIED)
		rc = RC_OK;
	secret_wipe(plain.p, plain.len);
	buf_fini(&plain);
	buf_fini(&sealed);
	return rc;
}

void
seal_care(struct engine *g, struct store_conn *c)
{
	static const enum store_sealed_kind kinds[] = { SEALED_CONFLICT, SEALED_JOURNAL };
	unsigned char active[KEY_ID_BYTES];
	bool others = active_key(g, active);
	struct err e = { 0 };
	enum rc rc = RC_OK;
	size_t done = 0;

	for (size_t k = 0; k < ARRAY_LEN(kinds) && rc == RC_OK && others; k++) {
		int64_t after = 0;

		for (unsigned round = 0; round < ROUNDS_MAX && rc == RC_OK && after >= 0; round++) {
			struct arena *a = arena_new(0);
			struct store_sealed *x = NULL;
			size_t n = 0;

			rc = a != NULL ? store_sealed_others(c, a, kinds[k], active, after, ROWS_AT_ONCE, &x, &n, &e) : RC_NOMEM;
			for (size_t i = 0; i < n && rc == RC_OK; i++)
				rc = reseal(g, c, kinds[k], &x[i], &e);
			after = n > 0 ? x[n - 1].id : -1;
			done += rc == RC_OK ? n : 0;
			arena_free(a);
		}
	}
	if (rc != RC_OK)
		log_warn("seal", "failed=%s text=sealing anew under the active key goes on later", rc_name(rc));
	else if (done > 0)
		log_info("seal", "records=%zu text=sealed anew under the active key", done);
}
