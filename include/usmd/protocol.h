/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * protocol - what a protocol (usmjson today, ActiveSync later) is to httpd: a function from a request to a
 * reply.  No sockets here; httpd owns connections, limits on the raw body, threads and parking.
 */
#ifndef USMD_PROTOCOL_H
#define USMD_PROTOCOL_H

#include "usmd/util.h"

/** One HTTP request, complete, borrowed from httpd for the duration of a call. */
struct request {
	uint64_t id;            /* unique within this process, printed on every log line */
	const char *method;     /* "POST" */
	const char *path;       /* below the protocol's base, "" or "/syncUpdate" */
	const char *token;      /* session token from "Authorization: Bearer" or the cookie, or NULL */
	const char *user_agent; /* "" when absent */
	const char *language;   /* Accept-Language or "" */
	const char *content_type; /* "" when absent */
	const char *client_ip;  /* of the client; X-Forwarded-For only from configured proxies */
	const char *body;       /* BODY_LEN bytes; freed by httpd before the request is parked */
	size_t body_len;
	void *parked;           /* state that the protocol returned with an earlier reply.park, else NULL */
	bool deadline_passed;   /* parked only: the heartbeat ended */
	bool shutting_down;     /* parked only: answer "nothing new" now */
};

struct hub_waiter;

/** What httpd sends; the protocol fills it. */
struct reply {
	int status;               /* HTTP status */
	const char *content_type; /* constant */
	char *body;               /* owned by the reply, freed with mem_free after sending; NULL = empty */
	size_t body_len;
	char set_cookie[256];     /* "" = none */
	int retry_after_s;        /* 0 = none */
	/* Parking: the protocol has subscribed WAITER and read the state; httpd calls hub_park with DEADLINE_MS and, when it
	 * ends, calls the protocol again with request.parked = PARK_STATE (the waiter is freed by httpd first).  */
	struct hub_waiter *waiter;
	msec_t deadline_ms;
	void *park_state;         /* small; freed by the protocol's park_free */
};

/** A protocol: one static instance a protocol, SELF made by its constructor. */
struct protocol {
	const char *base; /* "/usm-json" */
	/** handle - answer REQ; runs on a worker and may block.  Always fills REP (status != 0) or parks. */
	void (*handle)(void *self, const struct request *req, struct reply *rep);
	/** park_free - free a park_state whose connection went away. */
	void (*park_free)(void *park_state);
	void *self;
};

/** reply_fini - free what REP owns. */
void reply_fini(struct reply *rep);

struct engine;
/** Limits of usm-json; a member that is 0 gets the default in brackets.  serverInfo tells them to clients. */
struct usmjson_options {
	size_t max_depth;        /* nesting of the request's JSON [16] */
	size_t max_values;       /* JSON values in one request: bounds the memory that parsing takes [1,000,000] */
	size_t max_objects;      /* changes in one request [1000] */
	size_t max_pairs;        /* pairs in one reconcile: all objects of a folder [65,535] */
	size_t max_string_bytes; /* one string value other than raw mail [8 MiB] */
	size_t max_body_bytes;   /* one request; httpd refuses larger ones before [64 MiB] */
	size_t max_mail_bytes;   /* one raw mail, decoded [32 MiB] */
	unsigned default_limit, max_limit; /* objects a page [50, 1000] */
	unsigned min_heartbeat_s, max_heartbeat_s; /* [10, 3540] */
	size_t max_ping_folders; /* [1000] */
	bool cookie_secure;      /* set Secure on the session cookie */
};
/** usmjson_new - the usm-json protocol on ENGINE (borrowed, outlives it); OPTIONS are copied.  RC_NOMEM.  Threads: any. */
MUST_CHECK enum rc usmjson_new(struct engine *engine, const struct usmjson_options *options, struct protocol *out, struct err *e);
/** usmjson_free - frees P->self; no request may be in work. */
void usmjson_free(struct protocol *p);

#endif
