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
	bool bearer;            /* TOKEN is from the header: no browser sends that by itself */
	const char *user_agent; /* "" when absent */
	const char *language;   /* Accept-Language or "" */
	const char *content_type; /* "" when absent */
	const char *last_event_id; /* Last-Event-ID or "" */
	const char *client_ip;  /* of the client; X-Forwarded-For only from configured proxies */
	const char *body;       /* BODY_LEN bytes and a NUL; freed by httpd before the request is parked ("" then) */
	size_t body_len;
	/* header - a header of the request, NULL = absent; borrowed.  NULL: whoever made this request has no headers. */
	const char *(*header)(const struct request *req, const char *name);
	void *connection;       /* for HEADER */
	void *parked;           /* the park_state of this request's earlier reply, else NULL; borrowed, see reply */
	bool deadline_passed;   /* parked only: the heartbeat ended */
	bool shutting_down;     /* parked only: the server stops */
	bool gone;              /* parked only: the client has hung up, or something on the way */
	bool finish;            /* parked only: answer "nothing new" now, without a look: the server stops, the client has hung up
	                         * or has begun a newer wait */
};

struct hub_waiter;

/** What httpd sends; the protocol fills it. */
struct reply {
	int status;               /* HTTP status */
	const char *content_type; /* constant; not looked at when OWN_TYPE is set */
	char own_type[128];       /* a content type that is no constant: "type/subtype" without control characters, or "" */
	char *body;               /* owned by the reply, freed with mem_free after sending; NULL = empty */
	size_t body_len;
	char set_cookie[256];     /* "" = none */
	int retry_after_s;        /* 0 = none */
	/* Parking (status 0, WAITER set): the protocol has subscribed WAITER and read the state; httpd calls hub_park with
	 * DEADLINE_MS (wall clock) and, when it ends, calls the protocol again with request.parked = PARK_STATE.  WAITER is
	 * freed by httpd before that.  A request may park again, with a new waiter, and the same or another PARK_STATE. */
	struct hub_waiter *waiter;
	msec_t deadline_ms;
	/* An answer that does not end: STREAM set, STATUS, content type and BODY (may be NULL) are sent now, and then WAITER is parked;
	 * each reply to that request has STREAM set too, and its BODY is the next piece, if any.  Without a WAITER the answer ends
	 * after BODY.  While a piece is being sent, wake-ups are noted and not more: a slow client gets the next piece later. */
	bool stream;
	void *park_state;         /* small; httpd's from here on: it alone calls park_free, after a handle that did not
	                           * return it again.  handle only reads request.parked and never frees it. */
};

/** What a protocol knows of a body that is still arriving: JSON's nesting and number of values until now.  All 0 at its beginning. */
struct body_look {
	uint32_t depth, values;
	bool in_text, escaped;
};

/** A protocol: one static instance a protocol, SELF made by its constructor. */
struct protocol {
	const char *base; /* "/usm-json" */
	/**
	 * handle - answer REQ; runs on a worker and may block.  REP is zeroed; always fills it (status != 0) or parks.
	 * May set log_ctx()->account and ->device: httpd prints them on the access line.
	 */
	void (*handle)(void *self, const struct request *req, struct reply *rep);
	/** park_free - free a park_state; httpd calls it once for each one.  Runs on a worker. */
	void (*park_free)(void *park_state);
	/**
	 * refuse - the body of an answer that httpd gives without asking handle (413 body too large, 503 queue full or
	 * shutting down, 500 no answer), in the protocol's format.  MESSAGE is a constant English sentence.
	 * Runs on any thread and must not block.  NULL = httpd's own {"error":{"code":413,"message":"..."}}.
	 */
	void (*refuse)(void *self, int http_status, const char *message, struct reply *rep);
	/**
	 * body_max - how large the body of a request for PATH with TOKEN (NULL = none) may be, where the protocol has less to say than httpd's own limit;
	 * SIZE_MAX = nothing.  *STRANGER is set when nobody known sends it: such bodies share a part of the memory for bodies.  Asked once a request, when
	 * its body is found to be larger than a few KiB.  Runs on event threads and must not block.  NULL = SIZE_MAX, never a stranger.
	 */
	size_t (*body_max)(void *self, const char *path, const char *token, bool *stranger);
	/**
	 * look - the next N bytes of a body.  False: it is refused, whatever follows; REP, which was zeroed, has the answer, and httpd keeps nothing of the
	 * body.  Runs on event threads and must not block.  NULL = bodies are looked at by handle alone.
	 */
	bool (*look)(void *self, struct body_look *l, const char *p, size_t n, struct reply *rep);
	void *self;
};

/** reply_fini - free what REP owns. */
void reply_fini(struct reply *rep);

struct engine;
struct service_client;
/** Limits of usm-json; a member that is 0 gets the default in brackets.  serverInfo tells them to clients. */
struct usmjson_options {
	_Atomic size_t max_depth;        /* nesting of the request's JSON [16] */
	_Atomic size_t max_values; /* JSON values in one request: bounds the memory that parsing takes [1,000,000] */
	_Atomic size_t max_objects;      /* changes in one request [1000] */
	size_t max_pairs;        /* pairs in one reconcile: all objects of a folder [65,535] */
	_Atomic size_t max_string_bytes; /* one string value other than raw mail [8 MiB] */
	size_t max_body_bytes;   /* one request; httpd refuses larger ones before [64 MiB] */
	size_t max_anonymous_bytes; /* one request that carries no session token or needs none [64 KiB] */
	size_t max_mail_bytes;   /* one raw mail, decoded [32 MiB] */
	size_t max_attachment_bytes; /* one attachment or picture, decoded [32 MiB] */
	size_t max_attachments;  /* of one object: told to clients [100] */
	_Atomic unsigned default_limit, max_limit; /* objects a page [50, 1000] */
	_Atomic unsigned min_heartbeat_s, max_heartbeat_s; /* [10, 3540] */
	_Atomic size_t max_ping_folders; /* [1000] */
	msec_t retry_spread_ms;  /* when the server stops, streams are told to come back within this time [10,000] */
	bool cookie_secure;      /* set Secure on the session cookie */
	unsigned password_min_length, password_min_classes; /* of a new password [8, 2] */
	size_t max_feedback_bytes; /* one bundle of diagnostics, decoded [4 MiB] */
	struct service_client *client; /* announced client and feedback, borrowed; NULL = neither */
};
/** usmjson_new - the usm-json protocol on ENGINE (borrowed, outlives it); OPTIONS are copied.  RC_NOMEM.  Threads: any. */
MUST_CHECK enum rc usmjson_new(struct engine *engine, const struct usmjson_options *options, struct protocol *out, struct err *e);
/** usmjson_reload - from now on the atomic members of OPTIONS hold, as given; the others stay.  Threads: any. */
void usmjson_reload(struct protocol *p, const struct usmjson_options *options);
/** usmjson_free - frees P->self; no request may be in work. */
void usmjson_free(struct protocol *p);

#endif
