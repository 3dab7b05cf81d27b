/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The cache against a real Redis that is killed, restarted or hangs: every call returns, in time, as a miss. */
#include "harness/harness.h"
#include "usmd/cache.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 200U
#define RETRY_MS 100U

static char path[200], url[210];
static pid_t redis;
static struct cache *cache;
static struct err err;

static void
setup(void)
{
	struct cache_options o = { .url = url, .timeout_ms = TIMEOUT_MS, .retry_ms = RETRY_MS, .pool = 2 };

	(void)snprintf(path, sizeof(path), "%s/own.sock", harness_env("USMD_TEST_DIR"));
	(void)snprintf(url, sizeof(url), "unix:%s", path);
	redis = harness_redis_start(path);
	cache = cache_new(&o);
	ck_assert_ptr_nonnull(cache);
}

static void
teardown(void)
{
	cache_free(cache);
	harness_redis_stop(redis);
}

static void
put(const char *key, const char *text)
{
	struct cache_pair p = { key, text, strlen(text), 60 };

	cache_set_many(cache, &p, 1);
}

/* Is KEY there with TEXT? */
static bool
holds(const char *key, const char *text)
{
	struct cache_value v;
	bool same;

	cache_mget(cache, &key, 1, &v);
	same = v.p != NULL && v.len == strlen(text) && memcmp(v.p, text, v.len) == 0;
	cache_values_free(&v, 1);
	return same;
}

/* Waits until Redis answers again through the cache; it must not take longer than a few retry_ms. */
static bool
comes_back(void)
{
	struct timespec tick = { .tv_nsec = 5000000 };

	for (int i = 0; i < 1000; i++) {
		put("back", "yes");
		if (holds("back", "yes"))
			return true;
		(void)nanosleep(&tick, NULL);
	}
	return false;
}

START_TEST(values_are_bytes)
{
	static const char binary[] = "a\0b\r\n\xff$5";
	const char *keys[] = { "k1", "none", "k2", "k 3\r\n" };
	struct cache_pair pairs[] = {
		{ "k1", binary, sizeof(binary), 60 }, { "k2", "", 0, 60 }, { "k 3\r\n", "x", 1, 60 }, { "never", "x", 1, 0 },
	};
	struct cache_value v[4];
	redisContext *r = redisConnectUnix(path);
	redisReply *reply;

	cache_set_many(cache, pairs, 4);
	cache_mget(cache, keys, 4, v);
	ck_assert_uint_eq(v[0].len, sizeof(binary));
	ck_assert_mem_eq(v[0].p, binary, sizeof(binary));
	ck_assert_ptr_null(v[1].p);
	ck_assert_ptr_nonnull(v[2].p);
	ck_assert_uint_eq(v[2].len, 0);
	ck_assert_str_eq(v[3].p, "x");
	cache_values_free(v, 4);
	ck_assert(!holds("never", "x"));
	/* lifetime and prefix as promised */
	reply = redisCommand(r, "TTL usmd:k1");
	ck_assert(reply->integer > 55 && reply->integer <= 60);
	freeReplyObject(reply);
	redisFree(r);
	cache_del(cache, keys, 3);
	ck_assert(!holds("k1", binary));
	ck_assert(holds("k 3\r\n", "x"));
	ck_assert(cache_ok(cache));
}
END_TEST

START_TEST(many_in_one_round_trip)
{
	enum { MANY = 2000 };
	static struct cache_pair pairs[MANY];
	static char names[MANY][16], value[1000];
	static const char *keys[MANY];
	static struct cache_value v[MANY];

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "key%d", i);
		keys[i] = names[i];
		pairs[i] = (struct cache_pair){ names[i], value, (size_t)i % 1000, 60 };
	}
	cache_set_many(cache, pairs, MANY);
	cache_mget(cache, keys, MANY, v);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert_ptr_nonnull(v[i].p);
		ck_assert_uint_eq(v[i].len, i % 1000);
	}
	cache_values_free(v, MANY);
}
END_TEST

START_TEST(a_killed_redis_is_a_miss)
{
	int64_t t, errors;

	put("k", "v");
	ck_assert(holds("k", "v"));
	harness_redis_stop(redis);
	t = now_mono_us();
	errors = metric_get(M_CACHE_ERRORS);
	ck_assert(!holds("k", "v"));
	ck_assert(!cache_ok(cache));
	for (int i = 0; i < 10000; i++) {
		put("k", "v");
		ck_assert(!cache_publish(cache, 1));
	}
	/* one failure each retry_ms, everything else returns at once */
	t = (now_mono_us() - t) / 1000;
	ck_assert_int_le(metric_get(M_CACHE_ERRORS) - errors, 2 + t / RETRY_MS);
	redis = harness_redis_start(path);
	ck_assert(comes_back());
	ck_assert(cache_ok(cache));
	ck_assert(!holds("k", "v")); /* the new one is empty, and that is all */
}
END_TEST

/* A restart between two requests is not even noticed: the idle connection is replaced. */
START_TEST(a_restarted_redis_is_used_at_once)
{
	put("k", "v");
	harness_redis_stop(redis);
	redis = harness_redis_start(path);
	put("k", "w");
	ck_assert(holds("k", "w"));
	ck_assert(cache_ok(cache));
}
END_TEST

START_TEST(a_hanging_redis_costs_one_timeout)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct cache_options o = { .timeout_ms = TIMEOUT_MS, .retry_ms = 60000, .pool = 2 };
	char hanging[220];
	int64_t t;
	int fd;

	(void)snprintf(hanging, sizeof(hanging), "unix:%s/hang.sock", harness_env("USMD_TEST_DIR"));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", hanging + 5);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 10), 0);
	cache_free(cache);
	o.url = hanging;
	cache = cache_new(&o);
	t = now_mono_us();
	ck_assert(!holds("k", "v"));
	ck_assert_int_ge(now_mono_us() - t, TIMEOUT_MS * 900);
	ck_assert_int_lt(now_mono_us() - t, TIMEOUT_MS * 5000);
	t = now_mono_us();
	for (int i = 0; i < 1000; i++)
		ck_assert(!holds("k", "v"));
	ck_assert_int_lt(now_mono_us() - t, TIMEOUT_MS * 900);
	(void)close(fd);
}
END_TEST

START_TEST(no_cache_and_bad_addresses_miss)
{
	static const char *const urls[] = { "", "tcp:", "tcp:localhost", "tcp:x:99999", "nonsense", "unix:/nonexistent/x" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct cache_options o = { .url = urls[i], .timeout_ms = TIMEOUT_MS, .retry_ms = RETRY_MS };

		cache_free(cache);
		cache = cache_new(&o);
		put("k", "v");
		ck_assert(!holds("k", "v"));
		ck_assert(cache_ok(cache) == (i == 0));
	}
}
END_TEST

/* ---- publish and subscribe ---- */

struct ear {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	uint64_t last;
	int heard, claims, ups, downs;
	uint64_t name[3], ticket[3];
	bool own[3];
};

static void
on_topic(void *arg, uint64_t topic)
{
	struct ear *x = arg;

	(void)pthread_mutex_lock(&x->mutex);
	x->last = topic;
	x->heard++;
	(void)pthread_cond_broadcast(&x->cond);
	(void)pthread_mutex_unlock(&x->mutex);
}

static void
on_claim(void *arg, uint64_t name, uint64_t ticket, bool own)
{
	struct ear *x = arg;

	(void)pthread_mutex_lock(&x->mutex);
	ck_assert_int_lt(x->claims, 3);
	x->name[x->claims] = name;
	x->ticket[x->claims] = ticket;
	x->own[x->claims++] = own;
	(void)pthread_cond_broadcast(&x->cond);
	(void)pthread_mutex_unlock(&x->mutex);
}

static void
on_link(void *arg, bool up)
{
	struct ear *x = arg;

	(void)pthread_mutex_lock(&x->mutex);
	if (up)
		x->ups++;
	else
		x->downs++;
	(void)pthread_cond_broadcast(&x->cond);
	(void)pthread_mutex_unlock(&x->mutex);
}

/* Waits until *COUNT reaches WANT, ten seconds at most. */
static void
await(struct ear *x, const int *count, int want)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	(void)pthread_mutex_lock(&x->mutex);
	while (*count < want && pthread_cond_timedwait(&x->cond, &x->mutex, &until) == 0)
		;
	ck_assert_int_eq(*count, want);
	(void)pthread_mutex_unlock(&x->mutex);
}

/* How many subscribers has the channel?  Waits until there is one. */
static void
await_subscriber(void)
{
	redisContext *r = redisConnectUnix(path);
	struct timespec tick = { .tv_nsec = 2000000 };
	long long n = 0;

	for (int i = 0; i < 5000 && n == 0; i++) {
		redisReply *reply = redisCommand(r, "PUBSUB NUMSUB usmd:events");

		n = reply->element[1]->integer;
		freeReplyObject(reply);
		(void)nanosleep(&tick, NULL);
	}
	redisFree(r);
	ck_assert_int_eq(n, 1);
}

START_TEST(other_nodes_are_heard)
{
	struct cache_options o = { .url = url, .timeout_ms = TIMEOUT_MS, .retry_ms = RETRY_MS, .pool = 1 };
	struct ear x = { .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	const struct cache_ear ear = { on_topic, on_claim, on_link, &x };
	struct cache *node = cache_new(&o);

	ck_assert_int_eq(cache_subscribe(node, &ear, &err), RC_OK);
	ck_assert_int_eq(cache_subscribe(node, &ear, &err), RC_INTERNAL);
	await_subscriber();
	ck_assert(cache_publish(node, 4)); /* its own: not heard */
	{
		redisContext *r = redisConnectUnix(path);

		/* nor is what others say on the channel */
		freeReplyObject(redisCommand(r, "PUBLISH usmd:events x"));
		freeReplyObject(redisCommand(r, "PUBLISH usmd:events %b", "seventeen bytes..", (size_t)17));
		freeReplyObject(redisCommand(r, "PUBLISH usmd:events %b", "", (size_t)0));
		redisFree(r);
	}
	ck_assert(cache_publish(cache, UINT64_C(0xfedcba9876543210)));
	await(&x, &x.heard, 1);
	ck_assert_uint_eq(x.last, UINT64_C(0xfedcba9876543210));
	ck_assert_int_eq(x.ups, 1);

	/* claims: one's own as well, in the order in which Redis took them */
	ck_assert(cache_claim(node, UINT64_C(0xfedcba9876543210), 1));
	ck_assert(cache_claim(cache, UINT64_C(0xfedcba9876543210), UINT64_C(0x123456789abcdef0)));
	ck_assert(cache_claim(node, 5, 2));
	await(&x, &x.claims, 3);
	ck_assert(x.own[0] && !x.own[1] && x.own[2]);
	ck_assert(x.name[0] == UINT64_C(0xfedcba9876543210) && x.name[1] == x.name[0] && x.name[2] == 5);
	ck_assert(x.ticket[0] == 1 && x.ticket[1] == UINT64_C(0x123456789abcdef0) && x.ticket[2] == 2);
	ck_assert_int_eq(x.heard, 1);

	/* Redis dies and comes back: both are told once, and messages flow again */
	for (int i = 1; i <= 2; i++) {
		harness_redis_stop(redis);
		await(&x, &x.downs, i);
		ck_assert(!cache_publish(cache, 77)); /* and whoever publishes knows that it was not carried */
		ck_assert(!cache_publish(node, 78));
		ck_assert(!cache_ok(node));
		redis = harness_redis_start(path);
		await(&x, &x.ups, 1 + i);
		ck_assert(cache_ok(node)); /* /health tells, though nobody has asked for anything since */
		ck_assert(comes_back());
		ck_assert(cache_publish(cache, (uint64_t)i));
		await(&x, &x.heard, 1 + i);
		ck_assert_uint_eq(x.last, (uint64_t)i);
	}
	cache_free(node);
}
END_TEST

START_TEST(subscriber_ends_while_redis_is_away)
{
	struct ear x = { .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	int64_t t;

	harness_redis_stop(redis);
	ck_assert_int_eq(cache_subscribe(cache, &(struct cache_ear){ on_topic, on_claim, on_link, &x }, &err), RC_OK);
	await(&x, &x.downs, 1);
	t = now_mono_us();
	cache_free(cache);
	cache = NULL;
	ck_assert_int_lt(now_mono_us() - t, 5000000);
	redis = 0;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cache");
	TCase *t = tcase_create("redis");

	(void)harness_env("USMD_TEST_DIR");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, values_are_bytes);
	tcase_add_test(t, many_in_one_round_trip);
	tcase_add_test(t, a_killed_redis_is_a_miss);
	tcase_add_test(t, a_restarted_redis_is_used_at_once);
	tcase_add_test(t, a_hanging_redis_costs_one_timeout);
	tcase_add_test(t, no_cache_and_bad_addresses_miss);
	tcase_add_test(t, other_nodes_are_heard);
	tcase_add_test(t, subscriber_ends_while_redis_is_away);
	suite_add_tcase(s, t);
	return harness_main(s);
}
