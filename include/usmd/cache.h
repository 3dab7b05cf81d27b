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
	const char *url;         /* "unix:/path", "tcp:host:port", "tcp:[address]:port", "" = no cache: every look-up misses */
	const char *password_file; /* "" = none; read for every new connection */
	unsigned timeout_ms;     /* for connecting and for each wait for Redis */
	unsigned retry_ms;       /* after a failure no new attempt for this long: a dead Redis costs nothing a request */
	unsigned pool;           /* connections kept */
};

/**
 * cache_new - make a cache; connects when first used, so it never fails because Redis is away.
 *
 * Ignores SIGPIPE for the process where nobody handles it (a dying Redis would kill the writer otherwise).
 *
 * @o  borrowed for the call; strings are copied
 * Errors:  NULL = out of memory.   Threads: all functions but new, subscribe and free may be called by all at once.
 * Blocking: at most timeout_ms, and after a failure one caller in retry_ms only; the others miss at once.
 */
struct cache *cache_new(const struct cache_options *o);
/** cache_free - stops the subscriber and closes all connections; nobody may use C any more. NULL is a no-op. */
void cache_free(struct cache *c);
/** cache_ok - did the last command work, or has the subscriber reached Redis since? for /health ("degraded"). True without a cache. */
bool cache_ok(struct cache *c);

struct cache_value {
	char *p;    /* any bytes, NUL behind them; NULL = miss */
	size_t len;
};
/** cache_mget - N keys in one round trip; OUT[i] belongs to KEYS[i] and is the caller's (cache_values_free). */
void cache_mget(struct cache *c, const char *const *keys, size_t n, struct cache_value *out);
void cache_values_free(struct cache_value *v, size_t n);

struct cache_pair {
	const char *key;
	const void *p;      /* any bytes */
	size_t len;
	unsigned ttl_s;     /* lifetime; 0 = do not store */
};
/** cache_set_many - N values in one round trip. */
void cache_set_many(struct cache *c, const struct cache_pair *pairs, size_t n);
/**
 * cache_del - forget N keys, best effort: a node that cannot reach Redis cannot invalidate either, and others then find the
 * old value until its lifetime ends.  So a value must carry what proves it (a fence, a cn), or a short lifetime.
 */
void cache_del(struct cache *c, const char *const *keys, size_t n);

/**
 * cache_publish - tell the other nodes that TOPIC changed; this node does not hear it.
 * False: Redis did not take it, or nobody knows (there is none, it is away or silent); tell them another way.
 */
bool cache_publish(struct cache *c, uint64_t topic);
/**
 * cache_claim - tell all nodes, this one too, that the waiter with TICKET has claimed NAME (hub_claim).  All nodes hear claims in one
 * order, so who has heard his own knows which came after it.   Returns as cache_publish.
 */
bool cache_claim(struct cache *c, uint64_t name, uint64_t ticket);
/** What a subscriber hears; all run on its thread and must be short. */
struct cache_ear {
	void (*on_topic)(void *arg, uint64_t topic); /* another node's message */
	void (*on_claim)(void *arg, uint64_t name, uint64_t ticket, bool own); /* OWN: this node's message */
	/* on_link - the subscription began (UP: messages before it may have been missed, wake everybody), or it is lost, or the
	 * first attempt failed: until UP comes nothing is heard here. */
	void (*on_link)(void *arg, bool up);
	void *arg;
};
/**
 * cache_subscribe - hear what other nodes publish, for as long as C lives.  One a process.  Without a Redis nothing is ever heard.
 *
 * @ear    copied
 * Errors:  RC_NOMEM, RC_INTERNAL (no thread, second call).   Blocking: never.
 */
MUST_CHECK enum rc cache_subscribe(struct cache *c, const struct cache_ear *ear, struct err *e);

#endif
