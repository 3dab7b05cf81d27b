/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * push - what OX tells by itself: UDP packets that its nodes send to registered hosts, and webhooks that it posts.  Receives, refuses what
 * is not from OX, and calls back with the place that changed.  Knows nothing of accounts, indexes or who waits; a call says only
 * "look there", so a lost or a forged one can make somebody look too late or in vain, and nothing else.
 *
 * Sources: packets and posts recorded from a server, and the sources of its bundles push.udp and pns.transport.webhooks.
 */
#ifndef USMD_PUSH_H
#define USMD_PUSH_H

#include "usmd/model.h"

/** Something changed in FOLDER of CONTEXT, for these users. */
struct push_event {
	int64_t context;
	enum content ct;          /* what the folder holds; CT_FOLDER: the folder itself was made, changed or deleted */
	const char *folder;       /* OX id, borrowed; NULL = the INBOX of each of USERS */
	const int64_t *users;     /* borrowed; those who see it */
	size_t n_users;
};
/** Runs on the receiver's thread; must not block. */
typedef void (*push_event_cb)(void *arg, const struct push_event *ev);

/* ---- UDP ---- */

#define PUSH_PACKET_MAX 65536
#define PUSH_USERS_MAX 32768 /* as many as a datagram can name */

/** A type-3 packet, read. */
struct push_packet {
	int64_t context, module, stamp;
	char folder[16];
	int64_t users[PUSH_USERS_MAX];
	size_t n_users;
};
/**
 * push_packet_parse - N bytes at P: "1337 \1 LENGTH \1 3 \1 FOLDER \1 MODULE \1 CONTEXT \1 USER,USER \1 STAMP", in exactly this form.
 * Errors: RC_PROTO anything else.   Threads: any; no allocation.
 */
MUST_CHECK enum rc push_packet_parse(const void *p, size_t n, struct push_packet *out, struct err *e);
/** push_packet_event - P as an event in *OUT, which borrows from P; false = a module that nobody synchronises, or the root of a tree. */
bool push_packet_event(const struct push_packet *p, struct push_event *out);
/** push_packet_register - the type-4 packet by which HOST:PORT becomes a remote host of an OX node, into OUT. */
void push_packet_register(const char *host, unsigned port, struct buf *out);

struct push_udp;
struct push_udp_options {
	const char *listen;       /* "127.0.0.1:44399", "[::1]:0", "*:44399" */
	const char *advertise;    /* address (and :port) that OX is told to send to; "" = that of LISTEN, which then is none of "*" */
	const char *nodes;        /* OX nodes, "host" or "host:port" (default 44335), separated by commas or spaces */
	unsigned register_ms;     /* a registration is sent so often: OX forgets it after an hour, and at its restart */
};
/**
 * push_udp_new - bind the socket and start the receiving thread, which registers at once.
 *
 * Only datagrams that come from the address and port of a node are read.  Names of nodes are looked up with each registration.
 * @o  copied.   Errors: RC_PROTO an option cannot be understood, RC_INTERNAL the address cannot be bound, RC_NOMEM.
 */
MUST_CHECK enum rc push_udp_new(const struct push_udp_options *o, push_event_cb cb, void *arg, struct push_udp **out, struct err *e);
/** push_udp_free - ends the thread; CB is not called any more.  NULL is a no-op. */
void push_udp_free(struct push_udp *u);
/** push_udp_check - are listen, advertise and nodes of O understood?  RC_PROTO, with the name of the setting in e->path. */
MUST_CHECK enum rc push_udp_check(const struct push_udp_options *o, struct err *e);

/* ---- webhooks ---- */

struct push_hook;
struct push_hook_options {
	const char *secret;       /* signatureSecret of the webhook in OX */
	unsigned window_ms;       /* a post is taken when its time stamp is not farther away than this */
};
enum push_verdict {
	PUSH_TAKEN,               /* the event was called back, or is one that nobody needs */
	PUSH_UNSIGNED,            /* no signature, or not that of the secret */
	PUSH_STALE,               /* right, but of another time: the clocks differ, or somebody repeats an old one */
	PUSH_REPLAYED,            /* right, and seen before */
	PUSH_MALFORMED,           /* right, but nothing that OX posts */
	PUSH_FULL                 /* more posts within the window than can be remembered: later */
};
/** push_hook_new - @o copied.  NULL = out of memory.   push_hook_free - NULL is a no-op. */
struct push_hook *push_hook_new(const struct push_hook_options *o, push_event_cb cb, void *arg);
void push_hook_free(struct push_hook *h);
/**
 * push_hook_take - judge one post and call back with what it tells.
 * @signature  the header "t=MS, vVERSION=HEX", NULL = there is none: HMAC-SHA256 of "vVERSION:MS:BODY"; compared in constant time
 * Threads: any.   Blocking: never.
 */
enum push_verdict push_hook_take(struct push_hook *h, const char *signature, const void *body, size_t n);

#endif
