/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * httpd - HTTP for the protocols: sockets, limits on what comes in, a fixed pool of workers, parking of waiting
 * requests, the access log, and the local listener for /health and /metrics.  Knows nothing of JSON requests,
 * sync or OX, and speaks no TLS and no compression: both are the job of the proxy (Apache) in front.
 *
 * One request: an event thread collects its body, suspends the connection and queues the request; a worker calls
 * protocol->handle, which may block; the reply is put into the request and the connection resumed; the event
 * thread sends it.  A parked request is a suspended connection and a hub entry: no thread, no body, no worker; one whose client
 * hangs up ends at once.  An answer may go on: pieces of it alternate with parking.
 */
#ifndef USMD_HTTPD_H
#define USMD_HTTPD_H

#include "usmd/hub.h"
#include "usmd/protocol.h"
#include "usmd/util.h"

enum httpd_health { HTTPD_READY, HTTPD_DEGRADED, HTTPD_NOT_READY, HTTPD_LEAVING };

/** What goes with a page: constants, or memory that outlives the server. */
struct httpd_page {
	const char *type;   /* Content-Type */
	const char *policy; /* Content-Security-Policy */
};

struct httpd_options {
	const char *listen;         /* "127.0.0.1:8090", "[::1]:8090", "*:8090" or a unix socket path beginning with '/' */
	unsigned listen_mode;       /* permission bits of a unix socket */
	const char *admin_listen;   /* likewise, for /health and /metrics; "" or NULL = none */
	int listen_fd, admin_fd;    /* listening sockets to take instead (systemd's), owned by httpd_new from its call; 0 = none */
	const char *trusted_proxies;/* whose X-Forwarded-For is believed: addresses, CIDR networks and "unix" (a peer on
	                             * a unix socket), separated by commas or spaces; "" = nobody's */
	unsigned event_threads;     /* threads that move bytes, >= 1 */
	unsigned workers;           /* threads that run protocols, >= 1 */
	unsigned queue_length;      /* requests waiting for a worker; one more is answered 503 */
	size_t max_body;            /* bytes of one request body; one more is answered 413 */
	size_t max_body_total;      /* bytes of all request bodies held at once; beyond it 503 */
	size_t connection_memory;   /* bytes for the headers of one connection, request and answer */
	unsigned max_connections;   /* of all event threads together, parked ones included */
	unsigned max_connections_per_address; /* of one peer that is no trusted proxy (IPv6: of one network of 64 bits); 0 = no limit */
	unsigned client_timeout_s;  /* a client that sends or takes nothing for so long is dropped (not while parked), and one that has not sent
	                             * the head of a request after twice as long */
	unsigned transfer_time_s;   /* a request's body has arrived, and its answer is taken, within so long (not event streams); 0 = no limit */
	unsigned keepalive_s;       /* a client on TCP that is silent for so long is asked whether it is still there; 0 = never */
	msec_t slow_ms;             /* a request that is worked on (and waits for a worker) for so long is logged with where the time went; 0 = never */
	msec_t wake_interval_ms;    /* a parked request that was woken in vain looks again at most so often, but for the first time */
	/* health - what /health tells; WHY gets a sentence.  NULL = always ready.  Runs on the admin thread, may block. */
	enum httpd_health (*health)(void *arg, char *why, size_t why_size);
	/* gauges - append further lines in Prometheus text format.  NULL = none. */
	void (*gauges)(void *arg, struct buf *out);
	/* page - the plain text of another URL of the admin listener into OUT; false = there is none.  NULL = none at all. */
	bool (*page)(void *arg, const char *url, struct buf *out);
	const char *status_listen;  /* likewise, for the pages of STATUS alone; "" or NULL = none */
	/* status - the page of URL into OUT; false = there is none.  Runs on a thread of its own, may block. */
	bool (*status)(void *arg, const char *url, struct buf *out, struct httpd_page *page);
	void *admin_arg;            /* first argument of them */
};

struct httpd;

/**
 * httpd_new - bind the sockets and prepare; nothing is answered before httpd_start.
 *
 * @o          borrowed until return (copied); ADMIN_ARG must outlive *out
 * @protocols  N of them, copied; what their SELF points to must outlive *out
 * @hub        borrowed, must outlive *out; parked requests wait there
 *
 * A unix socket left behind by a dead process is replaced, one that somebody answers on is not.
 * Errors:  RC_PROTO     an option cannot be understood (text names it)
 *          RC_INTERNAL  an address cannot be bound (text says why and what to do)
 *          RC_NOMEM
 */
MUST_CHECK enum rc httpd_new(const struct httpd_options *o, const struct protocol *protocols, size_t n, struct hub *hub,
    struct httpd **out, struct err *e);

/** httpd_start - start workers and event threads.  Errors: RC_INTERNAL.  Call once; signals should be blocked by then. */
MUST_CHECK enum rc httpd_start(struct httpd *h, struct err *e);

/**
 * httpd_leave - the server is going to stop: /health answers 503 from now on, so that a balancer sends nothing more, and those who
 * wait are answered within SPAN_MS, spread over it; everything else is served as ever.   Blocking: never.
 */
void httpd_leave(struct httpd *h, msec_t span_ms);

/**
 * httpd_drain - stop accepting, end all waiters (hub_shutdown), let requests in flight finish until DEADLINE_MS
 * (wall clock).  The admin listener goes on.  Returns how many requests had not finished by then: 0 = all answered.
 * A request that a worker has not begun is answered 503; new ones on open connections too.   Blocking: to the deadline.
 */
size_t httpd_drain(struct httpd *h, msec_t deadline_ms);

/**
 * httpd_free - stop all threads and free H; a running one is drained first (5 s).  NULL is a no-op.
 * False: a worker is still inside a protocol's handle; its thread and memory cannot be taken away from it, H and
 * everything it uses must be left alone and the process ended.
 */
bool httpd_free(struct httpd *h);

/**
 * httpd_stalled_ms - for how long requests have been waiting and no worker has taken one; 0 = nothing waits, or they move.  What a watchdog
 * asks: workers that are all inside something for ever, or gone, show here, and nothing else does.   Threads: any.
 */
msec_t httpd_stalled_ms(struct httpd *h);

/** httpd_port - TCP port of the client listener (for "127.0.0.1:0"), 0 for a unix socket.  httpd_admin_port likewise. */
unsigned httpd_port(const struct httpd *h);
unsigned httpd_admin_port(const struct httpd *h);

#endif
