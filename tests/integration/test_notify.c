/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Wake-ups between nodes through PostgreSQL: two stores are two nodes; Redis is a flag here. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CALL_MS 100U
#define LEASE_MS (CALL_MS * 7 / 2)
#define TOPICS 32U

/* A node, and what its waiters have seen: the last version of each topic at the time of their last look. */
struct node {
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_uint heard, gaps; /* written under the lock, read without */
	atomic_uint_fast64_t last;
	atomic_uint claims, own, misplaced; /* heard; own ones; of the other node's, those that were not the next */
	uint64_t next;
	unsigned seen[TOPICS];
	bool subscribed; /* Redis' messages arrive */
};

static struct node a, b;
static uint64_t state;
static atomic_uint version[TOPICS]; /* what is committed */

static void
look(struct node *x, uint64_t topic)
{
	if (topic < TOPICS)
		x->seen[topic] = atomic_load(&version[topic]);
}

static void
on_topic(void *arg, uint64_t topic)
{
	struct node *x = arg;

	(void)pthread_mutex_lock(&x->lock);
	x->heard++;
	x->last = topic;
	look(x, topic);
	(void)pthread_cond_broadcast(&x->changed);
	(void)pthread_mutex_unlock(&x->lock);
}

/* Tickets are numbered from 1 by each node; the name is the ticket's complement. */
static void
on_claim(void *arg, uint64_t name, uint64_t ticket, bool own)
{
	struct node *x = arg;

	(void)pthread_mutex_lock(&x->lock);
	x->own += own;
	if (!own && (ticket != ++x->next || name != ~ticket))
		x->misplaced++;
	x->claims++;
	(void)pthread_cond_broadcast(&x->changed);
	(void)pthread_mutex_unlock(&x->lock);
}

static void
on_gap(void *arg)
{
	struct node *x = arg;

	(void)pthread_mutex_lock(&x->lock);
	x->gaps++;
	for (unsigned t = 0; t < TOPICS; t++)
		look(x, t);
	(void)pthread_cond_broadcast(&x->changed);
	(void)pthread_mutex_unlock(&x->lock);
}

/* Until *COUNT is at least WANT, ten seconds at most. */
static void
await(struct node *x, const atomic_uint *count, unsigned want)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	(void)pthread_mutex_lock(&x->lock);
	while (*count < want && pthread_cond_timedwait(&x->changed, &x->lock, &until) == 0)
		;
	ck_assert_uint_ge(*count, want);
	(void)pthread_mutex_unlock(&x->lock);
}

static void
node_open(struct node *x)
{
	struct store_options o = store_test_options();
	struct store_ear ear = { .on_topic = on_topic, .on_claim = on_claim, .on_gap = on_gap, .arg = x, .retry_ms = 20, .call_ms = CALL_MS };

	memset(x, 0, sizeof(*x));
	(void)pthread_mutex_init(&x->lock, NULL);
	(void)pthread_cond_init(&x->changed, NULL);
	OK(store_open(&o, &x->store, &err));
	OK(store_listen(x->store, &ear, &err));
	ck_assert_int_eq(store_listen(x->store, &ear, &err), RC_INTERNAL);
	await(x, &x->gaps, 1); /* it listens */
}

static void
setup(void)
{
	node_open(&a);
	node_open(&b);
}

static void
teardown(void)
{
	store_close(a.store);
	store_close(b.store);
}

static void
pause_ms(unsigned ms)
{
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

/* Takes the connections of all listeners away, as a failover does. */
static void
cut_listeners(void)
{
	PGconn *pg = PQconnectdb(conninfo);
	PGresult *r = PQexec(pg, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'usmd listener'"
	    " AND datname = current_database()");

	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	PQclear(r);
	PQfinish(pg);
}

/* Claims: to the teller as well, in their order, and beside topics. */
START_TEST(claims_are_heard_in_order)
{
	for (uint64_t i = 1; i <= 1500; i++) {
		store_notify_claim(a.store, ~i, i, false);
		if (i % 100 == 0)
			store_notify(a.store, i, false);
	}
	await(&a, &a.claims, 1500);
	await(&b, &b.claims, 1500);
	await(&b, &b.heard, 15);
	ck_assert_uint_eq(a.own, 1500);
	ck_assert_uint_eq(b.own, 0);
	ck_assert_uint_eq(b.misplaced, 0);
	ck_assert_uint_eq(b.gaps, 1);
	/* Redis has taken it: nothing is sent */
	store_notify_claim(a.store, 0, 0, true);
	store_notify_claim(a.store, ~UINT64_C(1501), 1501, false);
	await(&b, &b.claims, 1501);
	ck_assert_uint_eq(b.misplaced, 0);
}
END_TEST

START_TEST(topics_are_heard_once_and_in_any_number)
{
	int64_t before;

	/* another topic in front, so that what follows is collected while its notification is under way */
	store_notify(a.store, 1, false);
	await(&b, &b.heard, 1);
	before = metric_get(M_NOTIFIED);
	for (unsigned i = 0; i < 5000; i++)
		store_notify(a.store, UINT64_C(0xfedcba9800000000) + i % 2500, false);
	store_notify(a.store, UINT64_C(0xffffffffffffffff), false);
	await(&b, &b.heard, 2502);
	ck_assert_uint_eq(a.heard, 0);
	ck_assert_uint_lt(b.heard, 5002); /* equal ones that wait together are one */
	ck_assert_int_lt(metric_get(M_NOTIFIED) - before, 200);
	/* too many to be named: everybody looks */
	for (unsigned i = 0; i < 100000; i++)
		store_notify(a.store, i, false);
	await(&b, &b.gaps, 2);
}
END_TEST

/* What this node's changes cost while Redis carries them, once nobody calls. */
static bool
is_silent(void)
{
	int64_t before = metric_get(M_NOTIFIED);
	unsigned gaps = b.gaps, heard = b.heard;

	for (unsigned i = 0; i < 1000; i++)
		store_notify(a.store, i, true);
	pause_ms(20); /* a thread that sends would do it now */
	return metric_get(M_NOTIFIED) == before && gaps == b.gaps && heard == b.heard;
}

static void
await_silence(void)
{
	int64_t until = now_mono_us() + 10000000;

	while (!is_silent())
		ck_assert_int_lt(now_mono_us(), until);
}

START_TEST(only_while_somebody_does_not_hear_redis)
{
	unsigned gaps, heard;

	await_silence();
	gaps = b.gaps;
	store_notify_need(b.store, true);
	await(&b, &b.gaps, gaps + 1); /* "here": what went to Redis alone before is looked for */
	for (unsigned i = 0; i < 30; i++) { /* longer than one lease: the calls go on */
		heard = b.heard;
		store_notify(a.store, 7, true);
		await(&b, &b.heard, heard + 1);
		pause_ms(LEASE_MS / 15);
	}
	ck_assert_uint_eq(b.gaps, gaps + 1);
	store_notify_need(b.store, false);
	await_silence();
	/* what Redis did not take is notified all the same */
	store_notify(a.store, 5000, false);
	for (heard = b.heard; b.last != 5000; heard++) /* one sent before may still be on its way */
		await(&b, &b.heard, heard + 1);
}
END_TEST

START_TEST(after_a_gap_everybody_looks)
{
	for (unsigned i = 0; i < 3; i++) {
		unsigned gaps_a = a.gaps, gaps_b = b.gaps, heard = b.heard;

		cut_listeners();
		await(&a, &a.gaps, gaps_a + 1);
		await(&b, &b.gaps, gaps_b + 1);
		store_notify(a.store, i, false);
		await(&b, &b.heard, heard + 1);
	}
}
END_TEST

/* A change: committed, then told as the engine tells it. */
static void
change(unsigned t, bool redis_works)
{
	bool arrives;

	atomic_fetch_add(&version[t], 1);
	if (redis_works) {
		(void)pthread_mutex_lock(&b.lock);
		arrives = b.subscribed;
		(void)pthread_mutex_unlock(&b.lock);
		if (arrives)
			on_topic(&b, t);
	}
	store_notify(a.store, t, redis_works);
}

static void
subscribe(bool on)
{
	(void)pthread_mutex_lock(&b.lock);
	b.subscribed = on;
	(void)pthread_mutex_unlock(&b.lock);
}

/* Has everything that was committed been seen?  Ten seconds at most. */
static void
await_all_seen(unsigned seed, unsigned step)
{
	struct timespec until;
	unsigned t = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	(void)pthread_mutex_lock(&b.lock);
	while (t < TOPICS && (b.seen[t] == atomic_load(&version[t]) || pthread_cond_timedwait(&b.changed, &b.lock, &until) == 0))
		t = b.seen[t] == atomic_load(&version[t]) ? t + 1 : t;
	ck_assert_msg(t == TOPICS, "seed %u step %u: topic %u is at %u, seen %u", seed, step, t, atomic_load(&version[t]), b.seen[t]);
	(void)pthread_mutex_unlock(&b.lock);
}

/* The same numbers from the same SEED. */
static unsigned
dice(unsigned faces)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % faces;
}

/* Redis comes and goes at both ends, and PostgreSQL cuts the listeners off: no change stays unseen. */
START_TEST(nothing_is_lost_on_switching)
{
	const char *env = getenv("SEED"), *steps = getenv("STEPS_NOTIFY");
	unsigned seed = env != NULL ? (unsigned)strtoul(env, NULL, 10) : 20261122, n = steps != NULL ? (unsigned)strtoul(steps, NULL, 10) : 60;
	bool works = true, noticed = true;

	(void)printf("SEED=%u STEPS_NOTIFY=%u\n", seed, n);
	state = seed;
	subscribe(true);
	for (unsigned step = 0; step < n; step++) {
		switch (dice(8)) {
		case 0:
			works = !works;
			break;
		case 1: /* the subscription ends; that is noticed later */
			subscribe(false);
			noticed = false;
			break;
		case 2:
			if (!noticed)
				store_notify_need(b.store, true);
			noticed = true;
			break;
		case 3: /* as wire.c does it */
			subscribe(true);
			store_notify_need(b.store, false);
			on_gap(&b);
			noticed = true;
			break;
		case 4:
			if (dice(4) == 0)
				cut_listeners();
			break;
		default:
			pause_ms(dice(LEASE_MS / 2));
		}
		for (unsigned i = dice(20); i > 0; i--)
			change(dice(TOPICS), works);
		if (noticed && dice(3) == 0)
			await_all_seen(seed, step);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *t = tcase_create("nodes");

	store_test_database("notify");
	/* a host that is not there comes first: the connection finds the other one */
	(void)snprintf(conninfo, sizeof(conninfo), "host=/nonexistent,%s/pg user=usmd dbname=notify", harness_env("USMD_TEST_DIR"));
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, claims_are_heard_in_order);
	tcase_add_test(t, topics_are_heard_once_and_in_any_number);
	tcase_add_test(t, only_while_somebody_does_not_hear_redis);
	tcase_add_test(t, after_a_gap_everybody_looks);
	tcase_add_test(t, nothing_is_lost_on_switching);
	suite_add_tcase(s, t);
	return harness_main(s);
}
