/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * cache - get, put, invalidate and publish on Redis.  Holds only what PostgreSQL (or the next OX request) can
 * rebuild: every failure means "miss", never an error upward; stopping Redis changes speed, not answers.
 * The only home of hiredis.
 */
#ifndef USMD_CACHE_H
#define USMD_CACHE_H

#include "usmd/util.h"

struct cache;
struct cache_options {
	const char *url;         /* "unix:/path", "tcp:host:port", "" = no cache */
	const char *password_file; /* "" = none */
	unsigned timeout_ms;     /* for connecting and for each command */
	unsigned retry_ms;       /* after a failure no new attempt for this long: a dead Redis costs nothing a request */
	unsigned pool;           /* connections kept */
};

/** cache_new - never fails because Redis is away; NULL = out of memory. Threads: all may use it. */
struct cache *cache_new(const struct cache_options *o);
void cache_free(struct cache *c);
/** cache_ok - did the last command work? for /health ("degraded"). */
bool cache_ok(struct cache *c);

struct cache_value {
	char *p;    /* mem_free; NULL = miss */
	size_t len;
};
/** cache_mget - N keys in one round trip. Values are owned by the caller (cache_values_free). */
void cache_mget(struct cache *c, const char *const *keys, size_t n, struct cache_value *out);
void cache_values_free(struct cache_value *v, size_t n);
/** cache_set - with a lifetime; cache_set_many pipelines N of them. */
struct cache_pair { const char *key; const void *p; size_t len; unsigned ttl_s; };
void cache_set_many(struct cache *c, const struct cache_pair *pairs, size_t n);
void cache_del(struct cache *c, const char *const *keys, size_t n);

/**
 * cache_publish - tell the other nodes that TOPIC changed (best effort).
 * cache_subscribe - a thread that calls ON_TOPIC for each message of other nodes, and ON_GAP once after every
 * reconnect (events may have been missed: wake everybody).  One a process.  cache_free stops it.
 */
void cache_publish(struct cache *c, uint64_t topic);
MUST_CHECK enum rc cache_subscribe(struct cache *c, void (*on_topic)(void *arg, uint64_t topic), void (*on_gap)(void *arg), void *arg, struct err *e);

#endif
