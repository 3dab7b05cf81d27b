/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of httpd share: the server, one request, and who may touch what when. */
#ifndef USMD_HTTPD_INT_H
#define USMD_HTTPD_INT_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "usmd/httpd.h"

#define CLIENT_IP_SIZE INET6_ADDRSTRLEN
#define HEALTH_PATH "/health"

/* A bound, listening socket. */
struct listener {
	int fd;       /* -1 = none */
	unsigned port; /* TCP only */
	char *path;   /* unix only: removed when closed; owned */
};

/* The thread that accepts clients (accept.c). */
struct acceptor {
	pthread_t thread;
	bool running;
	int wake;                    /* eventfd: a connection ended while it waited, or it is to stop; -1 = none */
	atomic_bool stop, waits;
	atomic_uint_fast64_t begun, ended; /* connections of which libmicrohttpd has told */
	/* of the thread alone: */
	uint64_t given, lost;        /* handed over; of these those that never began */
	uint64_t begun_before;
	int64_t complained_us;
};

/* Proxies whose X-Forwarded-For is believed. */
struct proxy_net {
	unsigned char addr[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;          /* of the 128 */
};
struct proxies {
	struct proxy_net *nets; /* owned */
	size_t n;
	bool unix_peer;
};

/* An answer that goes on (stream.c). */
struct stream {
	char *piece;                 /* what is being sent; owned */
	size_t len, at;
};

/*
 * One HTTP request.  Owned by one side at a time: the event thread from the first header to the suspension, then the
 * queue, a worker or (parked) the hub, and the event thread again after the resume.  No lock: each hand-over is one.
 * While parked this struct and the connection are all that a client costs, so it is kept small.
 */
struct hreq {
	struct hreq *next;           /* in the queue */
	struct httpd *h;
	struct MHD_Connection *conn;
	const struct protocol *proto; /* NULL = no protocol has this path */
	const char *method, *url;    /* in the connection's memory */
	uint64_t id;
	int64_t start_us;
	int64_t account, device;     /* of the log context, 0 = unknown */
	const char *command;         /* likewise, NULL = none */
	int64_t queued_us;           /* since when it waits for a worker */
	int64_t work_us;             /* inside the protocol until now */
	struct work_times times;     /* of that */
	struct buf body;             /* empty while parked */
	size_t body_counted;         /* what of it is counted in httpd.body_total */
	uint64_t bytes_in, bytes_out;
	struct hub_waiter *waiter;
	void *park_state;
	union {
		struct { /* while its body arrives */
			uint32_t body_max;   /* 0 = the protocol was not asked yet */
			struct body_look look;
		};
		struct { /* from the queue on */
			msec_t deadline_ms;  /* of the next parking */
			int64_t woken_us;    /* when the wake-up came that it is looking after, 0 = none */
		};
	};
	struct stream *stream;       /* NULL = an answer that ends */
	struct MHD_Response *response; /* ready to be sent */
	int status;                  /* HTTP; 0 = no answer yet */
	enum hub_end end;            /* why the parking ended */
	uint32_t vain_ms;            /* monotonic clock, the last time that it was parked again; 0 = never */
	bool parked_before;
	bool in_flight;              /* counted in httpd.in_flight */
	bool lost;                   /* the connection is gone, a worker frees what is left */
	bool stranger;               /* its body is counted in httpd.body_strangers, too */
	unsigned char client[16];    /* its address, IPv4 as ::ffff:a.b.c.d */
};
/* each waiting client has one: who needs more looks for what can go (make bench-push) */
_Static_assert(sizeof(struct hreq) <= 296, "a parked request became larger");

struct worker {
	struct httpd *h;
	pthread_t thread;
	pthread_cond_t called;
	struct worker *next;         /* below it in the stack of those who rest; h->lock */
	bool is_called;              /* off the stack, and to look at the queue; h->lock */
};

/* What a connection is doing; each has a time of its own, CONN_BUSY none (a worker has it, or it is parked). */
enum conn_phase { CONN_HEAD, CONN_BODY, CONN_ANSWER, CONN_PHASES, CONN_BUSY = CONN_PHASES };
#define CONN_BUCKETS 1024
struct conn;
struct peer;
struct conns {
	pthread_mutex_t lock;        /* guards what follows; nothing blocks under it */
	struct conn *first[CONN_PHASES], **end[CONN_PHASES]; /* oldest first */
	struct peer *peer[CONN_BUCKETS];
	unsigned char key[16];       /* of the buckets: nobody chooses addresses that share one */
};

struct httpd {
	struct httpd_options o;      /* its strings are not kept */
	struct protocol *protocols;  /* owned copy */
	size_t n_protocols;
	struct hub *hub;
	struct proxies proxies;
	struct conns conns;
	struct listener client, admin, status;
	struct acceptor acceptor;    /* of client */
	struct MHD_Daemon *daemon, *admin_daemon, *status_daemon;
	atomic_uint_fast64_t next_id;
	atomic_size_t body_total, body_strangers;
	atomic_bool draining;
	atomic_bool leaving;         /* httpd_leave: as draining, but all is served */
	msec_t began_ms;
	int reaper_fd, reaper_stop;  /* epoll set; what ends its thread */
	pthread_t reaper;
	bool reaping;

	pthread_mutex_t lock;        /* guards what follows */
	struct worker *resting;      /* workers without work, the one that worked last on top */
	pthread_cond_t idle;         /* in_flight became 0, or a worker ended */
	struct hreq *fresh, **fresh_end; /* new requests, oldest first */
	struct hreq *woken, **woken_end; /* requests that were parked */
	size_t n_fresh, reserved;    /* waiting; requests about to be queued */
	size_t suspended;            /* connections, or about to be: no worker ends before they are resumed */
	size_t in_flight;            /* queued, running, parked or being sent */
	size_t busy;                 /* workers inside a protocol */
	size_t running;              /* worker threads alive */
	int64_t moved_us;            /* when a worker took the last request, or the first one began to wait */
	bool woken_turn;             /* the two lists take turns, so that a mass wake-up does not starve new requests */
	bool stop;
	struct worker *workers;      /* owned, O.workers of them; they live until no event thread does that may call one */
	size_t n_workers;
};

/* listen.c */
MUST_CHECK enum rc listener_open(const char *what, const char *address, unsigned mode, unsigned keepalive_s, struct listener *l, struct err *e);
void listener_close(struct listener *l);
/* listener_adopt - FD, which somebody else has bound and listens on; its path, if any, stays when it is closed.  RC_PROTO: it is no such socket. */
MUST_CHECK enum rc listener_adopt(const char *what, int fd, unsigned keepalive_s, struct listener *l, struct err *e);

/* fd_flags - not blocking, and no program that is started gets it. */
void fd_flags(int fd);

/* accept.c */
/* acceptor_start - clients are accepted from now on, for h->daemon, which runs and outlives the thread. */
MUST_CHECK enum rc acceptor_start(struct httpd *h, struct err *e);
/* acceptor_stop - nobody is accepted when it returns; who waits for that still does, until the socket is closed. */
void acceptor_stop(struct acceptor *a);
/* acceptor_fini - after the last connection has ended. */
void acceptor_fini(struct acceptor *a);
/* acceptor_begun, acceptor_ended - of each connection, from any thread. */
void acceptor_begun(struct acceptor *a);
void acceptor_ended(struct acceptor *a);

/* proxy.c */
MUST_CHECK enum rc proxies_parse(const char *list, struct proxies *out, struct err *e);
void proxies_fini(struct proxies *p);
/* proxies_peer - the address of the other end of a TCP connection into ADDR (IPv4 as ::ffff:a.b.c.d); true = it is a trusted proxy. */
bool proxies_peer(const struct proxies *p, const struct sockaddr *peer, unsigned char addr[16]);
bool address_is_v4(const unsigned char addr[16]);
/* proxies_client_ip - the client's address into ADDR: the peer's, or what trusted proxies say of it. */
void proxies_client_ip(const struct proxies *p, const struct sockaddr *peer, const char *forwarded_for, unsigned char addr[16]);
/* address_format - as text; "" = it cannot be told. */
void address_format(const unsigned char addr[16], char out[CLIENT_IP_SIZE]);

/* conns.c */
void conns_init(struct conns *c);
/* conns_fini - when no connection is left. */
void conns_fini(struct conns *c);
/* conn_accept, conn_notify - libmicrohttpd's callbacks, CLS the httpd: may this peer have one more; a connection begins, ends. */
enum MHD_Result conn_accept(void *cls, const struct sockaddr *sa, socklen_t len);
void conn_notify(void *cls, struct MHD_Connection *conn, void **context, enum MHD_ConnectionNotificationCode what);
/* conn_phase - CONN does something else from now on.   Threads: any.   Blocking: never. */
void conn_phase(struct httpd *h, struct MHD_Connection *conn, enum conn_phase phase);
/* conns_expire - cut off some of those who take too long; called several times a second.  True: there are more, again in a millisecond. */
bool conns_expire(struct httpd *h);

/* request.c */
enum MHD_Result request_handler(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **con_cls);
void request_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why);
/* request_set_reply - turn REP into R's response; takes REP's body. */
void request_set_reply(struct hreq *r, struct reply *rep);
/* request_refuse - an answer that httpd gives itself: in the protocol's own words where it has some. */
void request_refuse(struct hreq *r, int status, int retry_after_s, const char *message);
void request_free_body(struct hreq *r);
/* request_free - the end of R, when its connection and its park_state are gone. */
void request_free(struct hreq *r);
/* request_headers - what REP says beside its body, and what every answer carries, to R's response. */
void request_headers(struct hreq *r, const struct reply *rep);

/* worker.c */
/* request_token - the session token of the client, or NULL; *BEARER: the client itself sent it, and not its browser with the cookies. */
const char *request_token(const struct hreq *r, bool *bearer);
/* workers_call - wakes every worker, to look at stop; h->lock is held. */
void workers_call_locked(struct httpd *h);
MUST_CHECK bool queue_reserve(struct httpd *h);
/* queue_hold - before an event thread suspends a connection that goes on.  False: the server stops, nothing may be parked any more. */
MUST_CHECK bool queue_hold(struct httpd *h);
void queue_push_reserved(struct httpd *h, struct hreq *r);
/* request_dispose - R, whose connection is gone, has still what only a worker may free; in_flight ends with it. */
void request_dispose(struct hreq *r);
void request_done(struct hreq *r);
/* request_park - R->waiter until R->deadline_ms; any thread, the connection is suspended.  TOLD: a piece was sent.  R belongs to others from here on. */
void request_park(struct hreq *r, bool told);
void *worker_main(void *arg);

/* stream.c */
/* stream_go_on - begin an answer that does not end, or go on with it; worker, the connection is suspended.  Takes all of REP. */
void stream_go_on(struct hreq *r, struct reply *rep);
void stream_fini(struct hreq *r);

/* reaper.c */
MUST_CHECK enum rc reaper_start(struct httpd *h, struct err *e);
void reaper_stop(struct httpd *h);
/* reaper_arm - when R's client hangs up, hub_end(R->id). */
void reaper_arm(const struct hreq *r);

/* admin.c */
/* request_health - for a balancer in front: does this node want requests?  Asks nobody, so that an event thread may call it. */
void request_health(struct hreq *r);
MUST_CHECK bool admin_start(struct httpd *h);

#endif
