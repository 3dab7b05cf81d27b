/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside of cache: the pool that commands and the subscriber share. */
#ifndef USMD_CACHE_INT_H
#define USMD_CACHE_INT_H

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>

#include "usmd/cache.h"

#define CACHE_PREFIX "usmd:"
#define CACHE_CHANNEL "usmd:events"
#define CACHE_NODE 8               /* bytes of a node's random name, in front of each message */
#define CACHE_MESSAGE (CACHE_NODE + 8)
#define CACHE_CLAIM (CACHE_MESSAGE + 8) /* its length tells it from a topic */

struct cache {
	struct cache_options o;        /* strings owned; url "" = no cache */
	pthread_mutex_t mutex;
	redisContext **idle;           /* under mutex; o.pool of them at most */
	unsigned n_idle;
	int64_t retry_at_us;           /* under mutex; no attempt before this (monotonic), 0 = Redis works */
	atomic_bool ok;
	unsigned char node[CACHE_NODE];

	bool subscribed;               /* the thread below runs */
	pthread_t thread;
	int stop[2];                   /* pipe; closing the writing end stops the thread */
	struct cache_ear ear;
};

/** cache_connect - a new connection, authenticated; NULL on failure (logged at level debug). */
redisContext *cache_connect(const struct cache *c);
/** cache_answered - Redis works (again): nobody leaves it alone any more, and cache_ok says so, though no request may come for long. */
void cache_answered(struct cache *c);
/** cache_subscriber_stop - ends the thread if there is one. */
void cache_subscriber_stop(struct cache *c);

#endif
