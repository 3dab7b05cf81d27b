/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions: begin, the caller's function, commit; again when PostgreSQL says that a repetition may cure it. */
#include "store_int.h"

#include <time.h>

#define TXN_ATTEMPTS 8

/* Microseconds to wait before attempt N (1..) of a transaction. */
static unsigned
txn_jitter_us(unsigned n)
{
	uint32_t r;

	/* 1, 2, 4 .. ms on average: two losers of one conflict must not meet again */
	random_bytes(&r, sizeof(r));
	return r % (2000U << (n < 6 ? n - 1 : 5));
}

static void
pause_before(unsigned n)
{
	unsigned us = txn_jitter_us(n);
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	(void)nanosleep(&ts, NULL);
}

static enum rc
attempt(struct store_conn *c, store_fn fn, void *arg, struct err *e)
{
	enum rc rc;

	c->retry = false;
	rc = pg_command(c, "BEGIN", e);
	if (rc != RC_OK)
		return rc;
	c->in_txn = true;
	rc = fn(c, arg, e);
	if (rc == RC_OK && PQtransactionStatus(c->pg) == PQTRANS_INERROR)
		rc = err_set(e, RC_INTERNAL, "a failed statement was ignored inside a transaction");
	if (rc == RC_OK) {
		rc = pg_command(c, "COMMIT", e);
		/* the answer to COMMIT was lost: it may have been done */
		if (rc == RC_UPSTREAM && PQstatus(c->pg) != CONNECTION_OK)
			rc = err_set(e, RC_TIMEOUT, "connection to PostgreSQL lost during commit: outcome unknown");
	} else if (PQstatus(c->pg) == CONNECTION_OK && pg_command(c, "ROLLBACK", NULL) != RC_OK) {
		log_warn("store.rollback", "the connection will be replaced");
	}
	c->in_txn = false;
	return rc;
}

enum rc
store_txn(struct store_conn *c, store_fn fn, void *arg, struct err *e)
{
	enum rc rc;

	if (c->in_txn)
		return err_set(e, RC_INTERNAL, "transactions do not nest");
	for (unsigned n = 1;; n++) {
		rc = attempt(c, fn, arg, e);
		if (rc == RC_OK || !c->retry || n == TXN_ATTEMPTS || PQstatus(c->pg) != CONNECTION_OK)
			return rc;
		metric_add(M_PG_RETRIES, 1);
		pause_before(n);
	}
}
