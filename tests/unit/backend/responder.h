/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A tiny HTTP server inside a test: it answers what the test scripts, byte by byte, and can misbehave as no real server would
 * on request.  One thread a connection; port 0 on the loopback.
 */
#ifndef TESTS_UNIT_BACKEND_RESPONDER_H
#define TESTS_UNIT_BACKEND_RESPONDER_H

#include <check.h>
#include <stddef.h>

/** What to do with one request. */
struct step {
	const char *want;   /* text that the request must contain, NULL = anything */
	const char *json;   /* 200 with this body, or */
	const char *raw;    /* exactly these octets (raw_len, 0 = strlen) */
	size_t raw_len;
	int close_after;    /* close the connection after the answer, without having said so */
	int hang;           /* neither answer nor close until responder_stop */
};

/** responder_start - answers by STEPS in turn; beyond them HTTP 599.  Returns the port. */
int responder_start(const struct step *steps, size_t n);
/** responder_rule - answers by FN instead: it returns malloc'ed JSON, or NULL to close without an answer.  Called under a lock. */
void responder_rule(char *(*fn)(const char *request));
void responder_stop(void);
/** responder_count - requests received so far. */
size_t responder_count(void);
/** responder_request - text of request I (head and body), "" when there was none. */
const char *responder_request(size_t i);
/** responder_mismatch - first request that did not contain what its step wanted, or NULL. */
const char *responder_mismatch(void);
/** responder_wait_closed - returns when N connections have been closed by this side. */
void responder_wait_closed(size_t n);

TCase *case_scan(void);    /* test_scan.c */
TCase *case_chronos(void); /* test_chronos.c */
TCase *case_count(void);   /* test_count.c */
TCase *case_sieve(void);   /* test_sieve.c */

#endif
