/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The self-test: does what shall wake clients arrive?  A topic that is nobody's goes through the hub, a claim of nobody's name through Redis and through
 * PostgreSQL, the ways of real wake-ups.  No user's data are touched, and other nodes find nobody who is meant.
 */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "usmd/cache.h"
#include "usmd/store.h"

#define LATE_S 5

struct selftest {
	struct hub *hub;      /* borrowed, as the next two */
	struct store *store;
	struct cache *cache;  /* NULL = no Redis is configured */
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	uint64_t name;        /* of the test that runs; 0 = none; lock */
	enum selftest_path path;
	bool came;            /* lock */
};

static const char *const paths[SELFTEST_PATHS] = { "hub", "redis", "postgresql" };

struct selftest *
selftest_new(struct hub *hub, struct store *store, struct cache *cache)
{
	struct selftest *t = mem_alloc(sizeof(*t));
	pthread_condattr_t monotonic;

	if (t == NULL)
		return NULL;
	t->hub = hub;
	t->store = store;
	t->cache = cache;
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->arrived, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return t;
}

void
selftest_free(struct selftest *t)
{
	if (t == NULL)
		return;
	(void)pthread_cond_destroy(&t->arrived);
	(void)pthread_mutex_destroy(&t->lock);
	mem_free(t);
}

bool
selftest_heard(struct selftest *t, enum selftest_path path, uint64_t name)
{
	bool mine;

	if (t == NULL)
		return false;
	(void)pthread_mutex_lock(&t->lock);
	mine = t->name != 0 && t->name == name && t->path == path;
	if (mine) {
		t->came = true;
		(void)pthread_cond_signal(&t->arrived);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return mine;
}

static void
on_hub(void *arg, enum hub_end why)
{
	struct selftest *t = arg;

	if (why == HUB_WOKEN)
		(void)selftest_heard(t, SELFTEST_HUB, t->name);
}

/* A waiter of nobody; *PARKED: it belongs to the hub until on_hub has run. */
static bool
send_by_hub(struct selftest *t, struct hub_waiter **w)
{
	enum hub_end end;

	if (hub_subscribe(t->hub, &t->name, 1, w) != RC_OK)
		return false;
	end = hub_park(*w, now_ms() + LATE_S * 1000, 0, on_hub, t);
	if (end != HUB_PARKED)
		return end == HUB_WOKEN && selftest_heard(t, SELFTEST_HUB, t->name);
	(void)hub_wake(t->hub, t->name);
	return true;
}

static bool
await(struct selftest *t)
{
	int64_t until_us = now_mono_us() + LATE_S * INT64_C(1000000);
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	bool came;

	(void)pthread_mutex_lock(&t->lock);
	while (!t->came && pthread_cond_timedwait(&t->arrived, &t->lock, &until) != ETIMEDOUT)
		;
	came = t->came;
	t->name = 0;
	(void)pthread_mutex_unlock(&t->lock);
	return came;
}

static void
test_one(struct selftest *t, enum selftest_path path)
{
	struct hub_waiter *w = NULL;
	int64_t began = now_mono_us();
	uint64_t name;
	bool sent = true;

	random_bytes(&name, sizeof(name));
	(void)pthread_mutex_lock(&t->lock);
	t->name = name | 1;
	t->path = path;
	t->came = false;
	(void)pthread_mutex_unlock(&t->lock);
	if (path == SELFTEST_HUB)
		sent = send_by_hub(t, &w);
	else if (path == SELFTEST_REDIS)
		sent = cache_claim(t->cache, name | 1, hub_ticket());
	else
		store_notify_claim(t->store, name | 1, hub_ticket(), false);
	if (sent && await(t)) {
		metric_time(F_SELF_TEST_TIME, paths[path], now_mono_us() - began);
	} else {
		metric_count(F_SELF_TEST_FAILED, paths[path], NULL);
		log_warn("self-test", "path=%s text=%s", paths[path], sent ? "a change that was told did not arrive within 5 s" : "a change could not be told");
	}
	(void)pthread_mutex_lock(&t->lock);
	t->name = 0;
	(void)pthread_mutex_unlock(&t->lock);
	hub_waiter_free(w);
}

void
selftest_run(struct selftest *t)
{
	test_one(t, SELFTEST_HUB);
	if (t->cache != NULL)
		test_one(t, SELFTEST_REDIS);
	test_one(t, SELFTEST_POSTGRESQL);
}
