/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Waiting for PostgreSQL, but not for ever: statement_timeout is the server's promise, and a server that is stopped, or gone behind a
 * half-open connection, keeps none.  After the deadline the socket is shut down, so that every further call on it fails at once.
 */
#include "store_int.h"

#include <poll.h>
#include <sys/socket.h>

#define GRACE_MS 2000 /* beyond statement_timeout: the server's own error, which says more, comes first when it comes at all */

int64_t
pg_deadline_us(unsigned statement_timeout_ms)
{
	return statement_timeout_ms == 0 ? INT64_MAX : now_mono_us() + ((int64_t)statement_timeout_ms + GRACE_MS) * 1000;
}

/* Until what was sent is out and, with READING, an answer is there.  False: the connection is broken. */
static bool
wait_ready(PGconn *pg, bool reading, int64_t until_us)
{
	for (;;) {
		int unsent = PQflush(pg);
		struct pollfd p = { .fd = PQsocket(pg), .events = POLLIN };
		int64_t left_us = until_us - now_mono_us();
		int ready;

		if (unsent < 0)
			return false;
		if (unsent == 0 && (!reading || !PQisBusy(pg)))
			return true;
		if (unsent > 0)
			p.events |= POLLOUT;
		ready = left_us <= 0 ? 0 : poll(&p, 1, left_us > 60000000 ? 60000 : (int)(left_us / 1000 + 1));
		if (ready == 0 && now_mono_us() >= until_us) {
			log_warn("store.silent", "pid=%d text=PostgreSQL does not answer; the connection is given up", PQbackendPID(pg));
			(void)shutdown(p.fd, SHUT_RDWR);
			return false;
		}
		if (ready > 0 && (p.revents & ~POLLOUT) != 0 && PQconsumeInput(pg) == 0)
			return false;
	}
}

PGresult *
pg_await(PGconn *pg, int sent, int64_t until_us)
{
	PGresult *last = NULL, *r;

	if (sent == 0)
		return NULL;
	for (;;) {
		(void)wait_ready(pg, true, until_us); /* after a failure PQgetResult says what it was, at once */
		r = PQgetResult(pg);
		if (r == NULL)
			return last;
		PQclear(last);
		last = r;
		if (PQresultStatus(r) == PGRES_COPY_IN)
			return r;
	}
}

bool
pg_put_copy(PGconn *pg, const char *p, size_t n, int64_t until_us)
{
	int k;

	while ((k = PQputCopyData(pg, p, (int)n)) == 0)
		if (!wait_ready(pg, false, until_us))
			return false;
	if (k < 0)
		return false;
	while ((k = PQputCopyEnd(pg, NULL)) == 0)
		if (!wait_ready(pg, false, until_us))
			return false;
	return k > 0;
}
