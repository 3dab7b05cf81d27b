/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * hub - who waits for what: waiters (parked requests) subscribe to topics, wake-ups find them, deadlines end
 * them.  Knows nothing of HTTP, folders or OX: a topic is a 64-bit number that the caller derives (keyed)
 * from account and folder.  A wake-up only says "look again"; the truth is read by the woken request.
 */
#ifndef USMD_HUB_H
#define USMD_HUB_H

#include "usmd/util.h"

struct hub;
struct hub_waiter;

enum hub_end {
	HUB_PARKED,    /* not an end: it waits */
	HUB_WOKEN,     /* something may have changed: look again */
	HUB_DEADLINE,
	HUB_REPLACED,  /* a newer waiter claimed the same name */
	HUB_GONE,      /* hub_end: the client has hung up */
	HUB_SHUTDOWN
};

/**
 * Called once for every parked waiter when it ends, from the waking thread or from the hub's own thread, without
 * any hub lock held.  The waiter is already unsubscribed; the callee frees it with hub_waiter_free.
 */
typedef void (*hub_end_cb)(void *arg, enum hub_end why);

struct hub_options {
	size_t max_waiters;
	/* One wake-up ends at most BURST waiters at once; the others follow at random moments within SPREAD_MS, so that
	 * neither this server nor OX has to answer everybody in the same instant.  SPREAD_MS 0 = all at once. */
	size_t burst;
	msec_t spread_ms;
};

/** hub_new - starts its deadline thread.  O is copied.  NULL = out of memory. */
struct hub *hub_new(const struct hub_options *o);
/**
 * hub_drain - end every parked waiter at a random moment within SPAN_MS, as if it were its deadline, and so whoever parks from now on.
 * Wake-ups go on as ever.   Threads: any.
 */
void hub_drain(struct hub *h, msec_t span_ms);
/**
 * hub_shutdown - end every parked waiter with HUB_SHUTDOWN; from now on hub_park returns that at once.
 * Subscribing and freeing still work, so that requests in flight can finish.   Threads: any.
 */
void hub_shutdown(struct hub *h);
/**
 * hub_free - hub_shutdown, then stop the thread and free H.  NULL is a no-op.
 * Every waiter must have been freed, or be freed by its HUB_SHUTDOWN callback before that returns.
 */
void hub_free(struct hub *h);

/**
 * hub_subscribe - from now on wake-ups for TOPICS are noted for *OUT (order: subscribe, read the state, park).
 * @topics  N numbers, copied; one may be named twice.
 * Errors: RC_LIMIT max_waiters reached or more than 65,536 topics (answer 503 with Retry-After), RC_NOMEM.   Threads: any.
 * Memory: 136 bytes + 32 bytes a topic, + 8 bytes a topic and 8 a parked waiter in the hub's tables.
 */
MUST_CHECK enum rc hub_subscribe(struct hub *h, const uint64_t *topics, size_t n, struct hub_waiter **out);

/**
 * hub_claim - W shall be the only waiter with this NAME (a number as a topic is; W has none yet): older ones, with a smaller
 * TICKET (from hub_ticket), end with HUB_REPLACED.  False: there is a newer one already, and W has not got the name.
 */
MUST_CHECK bool hub_claim(struct hub_waiter *w, uint64_t name, uint64_t ticket);
/** hub_replace - end the waiters with this NAME and a ticket up to TICKET with HUB_REPLACED, or note it: a newer one is elsewhere.  Threads: any. */
void hub_replace(struct hub *h, uint64_t name, uint64_t ticket);
/** hub_ticket - rises with each call, in this process; never 0. */
uint64_t hub_ticket(void);
/** hub_identify - from now on hub_end(ID) is noted for W, or ends it; once for each waiter, before it is parked. */
void hub_identify(struct hub_waiter *w, uint64_t id);

/**
 * hub_park - call CB once: at the first wake-up since hub_subscribe, or at DEADLINE_MS (wall clock).
 * The deadline is turned into a span at once, so a later step of the wall clock does not move it.
 * @hold_ms  wake-ups wait so long before they end W: one that looked just now, and will find the next thing soon enough
 * Returns HUB_PARKED, or what happened since hub_subscribe (or since the last such answer): then nothing was parked and CB will
 * not run.  HUB_WOKEN (also when memory is short): read the state again now; W stays subscribed and may be parked again or freed.
 * After HUB_PARKED, W belongs to the hub until CB has run; CB may run in another thread before hub_park returns.
 */
MUST_CHECK enum hub_end hub_park(struct hub_waiter *w, msec_t deadline_ms, msec_t hold_ms, hub_end_cb cb, void *arg);

/** hub_waiter_free - unsubscribe and free W (not parked, or its callback has run).  NULL is a no-op. */
void hub_waiter_free(struct hub_waiter *w);

/** hub_wake - note a change on TOPIC; returns the number of parked waiters that it wakes, now or within spread.  Threads: any. */
size_t hub_wake(struct hub *h, uint64_t topic);
/** hub_wake_all - after a gap in cross-node events: everybody looks once. */
size_t hub_wake_all(struct hub *h);
/** hub_end - end the waiter that was identified by ID with HUB_GONE, or note it.  Threads: any. */
void hub_end(struct hub *h, uint64_t id);
/** hub_count - parked waiters now. */
size_t hub_count(struct hub *h);

#endif
