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
/** hub_free - ends every parked waiter with HUB_SHUTDOWN, stops the thread.  NULL is a no-op. */
void hub_free(struct hub *h);

/**
 * hub_subscribe - from now on wake-ups for TOPICS are noted for *OUT (order: subscribe, read the state, park).
 * @topics  N numbers, copied.
 * Errors: RC_LIMIT max_waiters reached (answer 503 with Retry-After), RC_NOMEM.   Threads: any.
 * Memory: sizeof(struct hub_waiter) + 32 bytes a topic.
 */
MUST_CHECK enum rc hub_subscribe(struct hub *h, const uint64_t *topics, size_t n, struct hub_waiter **out);

/**
 * hub_park - call CB once: at the first wake-up since hub_subscribe, or at DEADLINE_MS (wall clock).
 * A wake-up that came before hub_park makes it return false: nothing was parked, look again now.
 * After true, W belongs to the hub until CB has run.
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

/**
 * hub_topics_each - call FN for every topic that has at least one waiter (for adaptive polling: none waits, none polled).
 * FN runs with no hub lock held on a snapshot.
 */
enum rc hub_topics_each(struct hub *h, void (*fn)(void *arg, uint64_t topic), void *arg);

#endif
