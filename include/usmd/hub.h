/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * hub - who waits for what: waiters (parked pings) subscribe to topics, wake-ups find them, deadlines end
 * them.  Knows nothing of HTTP, folders or OX: a topic is a 64-bit number that the caller derives (keyed)
 * from account and folder.  A wake-up only says "look again"; the truth is read by the woken request.
 */
#ifndef USMD_HUB_H
#define USMD_HUB_H

#include "usmd/util.h"

struct hub;
struct hub_waiter;

enum hub_end { HUB_WOKEN, HUB_DEADLINE, HUB_SHUTDOWN };

/**
 * Called once for every parked waiter when it ends, from the waking thread or from the hub's own thread, without
 * any hub lock held.  The waiter is already unsubscribed; the callee frees it with hub_waiter_free.
 */
typedef void (*hub_end_cb)(void *arg, enum hub_end why);

/** hub_new - a hub for at most MAX_WAITERS; starts its deadline thread.  NULL = out of memory. */
struct hub *hub_new(size_t max_waiters);
/**
 * hub_shutdown - end every parked waiter with HUB_SHUTDOWN; from now on hub_park returns false at once.
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
 * Memory: 56 bytes + 32 bytes a topic, + 8 bytes a topic and 8 a parked waiter in the hub's tables.
 */
MUST_CHECK enum rc hub_subscribe(struct hub *h, const uint64_t *topics, size_t n, struct hub_waiter **out);

/**
 * hub_park - call CB once: at the first wake-up since hub_subscribe, or at DEADLINE_MS (wall clock).
 * The deadline is turned into a span at once, so a later step of the wall clock does not move it.
 * False means that nothing was parked and CB will not run: a wake-up came since hub_subscribe (or since the last
 * false), or the hub is shut down, or memory is short.  Read the state again now; W stays subscribed and may be
 * parked again or freed.
 * After true, W belongs to the hub until CB has run; CB may run in another thread before hub_park returns.
 */
MUST_CHECK bool hub_park(struct hub_waiter *w, msec_t deadline_ms, hub_end_cb cb, void *arg);

/** hub_waiter_free - unsubscribe and free W (not parked, or its callback has run).  NULL is a no-op. */
void hub_waiter_free(struct hub_waiter *w);

/** hub_wake - note a change on TOPIC; returns the number of parked waiters whose callback it ran.  Threads: any. */
size_t hub_wake(struct hub *h, uint64_t topic);
/** hub_wake_all - after a gap in cross-node events: everybody looks once. */
size_t hub_wake_all(struct hub *h);
/** hub_count - parked waiters now. */
size_t hub_count(struct hub *h);

#endif
