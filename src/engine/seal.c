/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is kept sealed, and sealed anew when the key has changed: row by row, each only if it is still what was read, so that stopping anywhere harms nothing. */
#include "engine/engine_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_AT_ONCE 100
#define ROUNDS_MAX 50        /* in one call; the rest in the next */

/* Bound to the account: a record that somebody moves to another one in the database does not open there. */
static struct seal_use
use_of(enum store_sealed_kind kind, int64_t account, char bound[40])
{
	(void)snprintf(bound, 40, "%s %" PRId64, kind == SEALED_CONFLICT ? "conflict" : "journal", account);
	return (struct seal_use){ .label = kind == SEALED_CONFLICT ? "usmd conflict records" : "usmd journal", .bound = bound };
}

enum rc
seal_record(const struct engine *g, enum store_sealed_kind kind, int64_t account, const char *text, struct buf *out)
{
	char bound[40];
	struct seal_use use = use_of(kind, account, bound);

	return keyring_seal(&g->ring, &use, text, strlen(text), out);
}

enum rc
seal_open(const struct engine *g, enum store_sealed_kind kind, int64_t account, const void *p, size_t n, struct buf *out)
{
	char bound[40];
	struct seal_use use = use_of(kind, account, bound);

	return keyring_open(&g->ring, &use, p, n, out);
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
	struct err e = { 0 };
	enum rc rc = RC_OK;
	size_t done = 0;

	for (size_t k = 0; k < ARRAY_LEN(kinds) && rc == RC_OK && g->ring.n > 1; k++) {
		int64_t after = 0;

		for (unsigned round = 0; round < ROUNDS_MAX && rc == RC_OK && after >= 0; round++) {
			struct arena *a = arena_new(0);
			struct store_sealed *x = NULL;
			size_t n = 0;

			rc = a != NULL ? store_sealed_others(c, a, kinds[k], g->ring.v[0].id, after, ROWS_AT_ONCE, &x, &n, &e) : RC_NOMEM;
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
