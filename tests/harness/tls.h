/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Certificates made on the spot, and a server that speaks TLS with them in front of another one that does not. */
#ifndef TESTS_TLS_H
#define TESTS_TLS_H

#include <stdbool.h>

/** tls_authority - a new authority's DIR/NAME.crt and DIR/NAME.key (PEM). */
void tls_authority(const char *dir, const char *name);

struct tls_subject {
	const char *name;        /* of the files, DIR/NAME.crt and DIR/NAME.key */
	const char *signed_by;   /* of an authority's files in the same folder; NULL = by itself */
	const char *host;        /* the only name that it is for */
	long from_s, until_s;    /* of its time, counted from now; both 0: an hour on either side */
};
/** tls_certificate - of a server. */
void tls_certificate(const char *dir, const struct tls_subject *s);

struct tls_front;
struct tls_seen {
	unsigned plain;          /* connections that did not begin with TLS */
	unsigned trusted;        /* handshakes that were finished, by the client too */
	unsigned refused;        /* that were not */
	unsigned requests;       /* octets came after a handshake */
};
/**
 * tls_front_new - on a port of 127.0.0.1 of its own; what comes goes on to PORT of 127.0.0.1.  Aborts the test on failure.
 * tls_front_use - from the next handshake on, the certificate DIR/NAME.
 */
struct tls_front *tls_front_new(unsigned port);
void tls_front_use(struct tls_front *f, const char *dir, const char *name);
/** tls_front_old - speak TLS 1.1 at best.  tls_front_redirect - answer each request with a redirect to http and this very port. */
void tls_front_old(struct tls_front *f, bool on);
void tls_front_redirect(struct tls_front *f, bool on);
unsigned tls_front_port(const struct tls_front *f);
/** tls_front_seen - since the last call of it. */
struct tls_seen tls_front_seen(struct tls_front *f);
/** tls_front_free - ends all connections, and waits for that. */
void tls_front_free(struct tls_front *f);

#endif
