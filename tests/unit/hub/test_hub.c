/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The hub: order of subscribe, wake and park; deadlines; shutdown; limits; and many threads at once. */
#include "usmd/hub.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "test_hub.h"

/* What callbacks saw; awaited on a condition, never by sleeping. */
struct seen {
	pthread_mutex_t lock;
	pthread_cond_t more;
	size_t ends[HUB_SHUTDOWN + 1];
	struct hub_waiter *to_free; /* freed by the callback when set */
};

static struct hub *hub;
static struct seen seen;

static struct hub *
new_hub(size_t max, size_t burst, msec_t spread_ms)
{
	struct hub_options o = { .max_waiters = max, .burst = burst, .spread_ms = spread_ms };

	return hub_new(&o);
}

static void
setup(void)
{
	hub = new_hub(100000, 0, 0);
	ck_assert_ptr_nonnull(hub);
	(void)pthread_mutex_init(&seen.lock, NULL);
	(void)pthread_cond_init(&seen.more, NULL);
	memset(seen.ends, 0, sizeof(seen.ends));
	seen.to_free = NULL;
}

static void
teardown(void)
{
	hub_free(hub);
	(void)pthread_cond_destroy(&seen.more);
	(void)pthread_mutex_destroy(&seen.lock);
}

static void
on_end(void *arg, enum hub_end why)
{
	struct seen *s = arg;
	struct hub_waiter *w;

	(void)pthread_mutex_lock(&s->lock);
	s->ends[why]++;
	w = s->to_free;
	s->to_free = NULL;
	(void)pthread_cond_broadcast(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
	hub_waiter_free(w);
}

static void
await_ends(enum hub_end why, size_t n)
{
	(void)pthread_mutex_lock(&seen.lock);
	while (seen.ends[why] < n)
		(void)pthread_cond_wait(&seen.more, &seen.lock);
	(void)pthread_mutex_unlock(&seen.lock);
}

static void
park(struct hub_waiter *w, msec_t deadline_ms, hub_end_cb cb, void *arg)
{
	ck_assert_int_eq(hub_park(w, deadline_ms, 0, cb, arg), HUB_PARKED);
}

static struct hub_waiter *
subscribe1(uint64_t topic)
{
	struct hub_waiter *w;

	ck_assert_int_eq(hub_subscribe(hub, &topic, 1, &w), RC_OK);
	return w;
}

START_TEST(wake_ends_a_parked_waiter_once)
{
	struct hub_waiter *w = subscribe1(7);

	park(w, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_count(hub), 1);
	ck_assert_uint_eq(hub_wake(hub, 8), 0);
	ck_assert_uint_eq(hub_wake(hub, 7), 1);
	ck_assert_uint_eq(hub_wake(hub, 7), 0);
	ck_assert_uint_eq(seen.ends[HUB_WOKEN], 1);
	ck_assert_uint_eq(hub_count(hub), 0);
	hub_waiter_free(w);
}
END_TEST

START_TEST(wake_before_park_is_not_lost)
{
	struct hub_waiter *w = subscribe1(7);

	ck_assert_uint_eq(hub_wake(hub, 7), 0);
	ck_assert_int_eq(hub_park(w, now_ms() + 60000, 0, on_end, &seen), HUB_WOKEN);
	/* noted once: after the caller looked again it may park, still subscribed */
	park(w, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake(hub, 7), 1);
	hub_waiter_free(w);
}
END_TEST

START_TEST(wake_all_reaches_parked_and_unparked)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(2), *none, *late;

	ck_assert_int_eq(hub_subscribe(hub, NULL, 0, &none), RC_OK);
	park(a, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake_all(hub), 1);
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 0, on_end, &seen), HUB_WOKEN);
	ck_assert_int_eq(hub_park(none, now_ms() + 60000, 0, on_end, &seen), HUB_WOKEN);
	late = subscribe1(3);
	park(late, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake(hub, 3), 1);
	hub_waiter_free(a);
	hub_waiter_free(b);
	hub_waiter_free(none);
	hub_waiter_free(late);
}
END_TEST

START_TEST(several_topics_and_the_same_twice)
{
	uint64_t topics[] = { 5, 6, 5, 5, 9 };
	struct hub_waiter *w;

	ck_assert_int_eq(hub_subscribe(hub, topics, ARRAY_LEN(topics), &w), RC_OK);
	park(w, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake(hub, 5), 1);
	ck_assert_uint_eq(hub_wake(hub, 9), 0);
	ck_assert_uint_eq(seen.ends[HUB_WOKEN], 1);
	hub_waiter_free(w);
}
END_TEST

START_TEST(deadlines_fire_in_order_and_early_ones_overtake)
{
	struct hub_waiter *late = subscribe1(1), *soon = subscribe1(2), *past = subscribe1(3);
	msec_t t0 = now_ms();

	park(late, t0 + 60000, on_end, &seen);
	park(soon, t0 + 40, on_end, &seen);
	park(past, t0 - 5000, on_end, &seen);
	await_ends(HUB_DEADLINE, 2);
	ck_assert_int_ge(now_ms() - t0, 39);
	ck_assert_int_lt(now_ms() - t0, 30000);
	ck_assert_uint_eq(hub_count(hub), 1);
	ck_assert_uint_eq(hub_wake(hub, 2), 0);
	ck_assert_uint_eq(hub_wake(hub, 1), 1);
	hub_waiter_free(late);
	hub_waiter_free(soon);
	hub_waiter_free(past);
}
END_TEST

#define ORDERED 400

static msec_t last_deadline;
static atomic_size_t in_order;

static void
on_ordered_end(void *arg, enum hub_end why)
{
	msec_t deadline = *(const msec_t *)arg;

	if (why != HUB_DEADLINE)
		return;
	/* several that fall due at once end in any order, but never one before its time or long after it */
	if (now_ms() >= deadline && now_ms() < deadline + 5000 && deadline + 20 >= last_deadline)
		atomic_fetch_add(&in_order, 1);
	last_deadline = deadline;
	on_end(&seen, why);
}

/* Wake-ups take waiters out of the middle of the heap; what stays must still fall due in time. */
START_TEST(deadlines_survive_wake_ups_in_between)
{
	struct hub_waiter *w[ORDERED];
	msec_t at[ORDERED], now = now_ms();
	size_t woken = 0;

	last_deadline = 0;
	atomic_store(&in_order, 0);
	for (size_t i = 0; i < ORDERED; i++) {
		/* 0..399 in a scrambled order: one in four is far away, the others fall due within 0.6 s */
		size_t k = i * 157 % ORDERED;

		at[i] = now + 300 + (msec_t)(k % 4 == 0 ? 600000 + k : k);
		w[i] = subscribe1(i);
		park(w[i], at[i], on_ordered_end, &at[i]);
	}
	for (size_t i = 0; i < ORDERED; i++)
		if (at[i] > now + 300000)
			woken += hub_wake(hub, i);
	ck_assert_uint_eq(woken, ORDERED / 4);
	await_ends(HUB_DEADLINE, ORDERED - ORDERED / 4);
	ck_assert_uint_eq(atomic_load(&in_order), ORDERED - ORDERED / 4);
	ck_assert_uint_eq(hub_count(hub), 0);
	for (size_t i = 0; i < ORDERED; i++)
		hub_waiter_free(w[i]);
}
END_TEST

#define HEAPS 16

/* A near deadline that takes the place of a removed far one, below another far one, has to rise. */
START_TEST(a_near_deadline_rises_among_far_ones)
{
	/* as they lie in the heap, row by row; all on the left are far */
	static const bool near[15] = { true, false, true, false, false, true, true, false, false, false, false, true, true, true, true };
	struct hub_waiter *w[15];
	msec_t now = now_ms();

	for (size_t i = 0; i < 15; i++) {
		w[i] = subscribe1(i);
		for (unsigned j = 1; j < HEAPS; j++) /* the heaps take turns: all in the same one */
			hub_waiter_free(subscribe1(99));
		park(w[i], now + (near[i] ? 100 : 600000) + (msec_t)i, on_end, &seen);
	}
	ck_assert_uint_eq(hub_wake(hub, 3), 1);
	await_ends(HUB_DEADLINE, 8);
	for (size_t i = 0; i < 15; i++)
		if (i != 3 && !near[i])
			ck_assert_uint_eq(hub_wake(hub, i), 1);
	for (size_t i = 0; i < 15; i++)
		hub_waiter_free(w[i]);
}
END_TEST

START_TEST(callback_may_free_its_waiter)
{
	struct hub_waiter *w = subscribe1(1);

	seen.to_free = w;
	park(w, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake(hub, 1), 1);
	ck_assert_uint_eq(hub_wake(hub, 1), 0);
}
END_TEST

START_TEST(free_while_subscribed)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(1), *c = subscribe1(1);

	hub_waiter_free(b);
	hub_waiter_free(NULL);
	park(a, now_ms() + 60000, on_end, &seen);
	park(c, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake(hub, 1), 2);
	hub_waiter_free(a);
	hub_waiter_free(c);
}
END_TEST

START_TEST(shutdown_ends_all_and_stops_parking)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(2);

	park(a, now_ms() + 60000, on_end, &seen);
	hub_shutdown(hub);
	ck_assert_uint_eq(seen.ends[HUB_SHUTDOWN], 1);
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 0, on_end, &seen), HUB_SHUTDOWN);
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 0, on_end, &seen), HUB_SHUTDOWN);
	hub_waiter_free(a);
	hub_waiter_free(b);
}
END_TEST

START_TEST(free_ends_the_parked)
{
	struct hub *h = new_hub(10, 0, 0);
	uint64_t topic = 1;
	struct hub_waiter *w;

	ck_assert_int_eq(hub_subscribe(h, &topic, 1, &w), RC_OK);
	seen.to_free = w;
	park(w, now_ms() + 60000, on_end, &seen);
	hub_free(h);
	hub_free(NULL);
	ck_assert_uint_eq(seen.ends[HUB_SHUTDOWN], 1);
}
END_TEST

START_TEST(limit_of_waiters)
{
	struct hub *h = new_hub(2, 0, 0);
	uint64_t topic = 1;
	struct hub_waiter *a, *b, *c;

	ck_assert_int_eq(hub_subscribe(h, &topic, 1, &a), RC_OK);
	ck_assert_int_eq(hub_subscribe(h, &topic, 1, &b), RC_OK);
	ck_assert_int_eq(hub_subscribe(h, &topic, 1, &c), RC_LIMIT);
	ck_assert_ptr_null(c);
	hub_waiter_free(a);
	ck_assert_int_eq(hub_subscribe(h, &topic, 1, &c), RC_OK);
	hub_waiter_free(b);
	hub_waiter_free(c);
	hub_free(h);
}
END_TEST

START_TEST(the_newest_claim_wins)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(1), *c = subscribe1(1), *d = subscribe1(1), *other = subscribe1(1);
	uint64_t t[4];

	for (size_t i = 0; i < 4; i++)
		t[i] = hub_ticket();
	ck_assert(hub_claim(a, 77, t[0]));
	ck_assert(hub_claim(other, 78, t[0]));
	park(a, now_ms() + 60000, on_end, &seen);
	park(other, now_ms() + 60000, on_end, &seen);
	ck_assert(hub_claim(b, 77, t[2]));
	ck_assert_uint_eq(seen.ends[HUB_REPLACED], 1);
	/* one that was woken, looked, and comes back late */
	ck_assert(!hub_claim(c, 77, t[1]));
	/* one that is looking now learns it when it parks */
	ck_assert(hub_claim(d, 77, t[3]));
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 0, on_end, &seen), HUB_REPLACED);
	ck_assert_uint_eq(hub_wake(hub, 77), 0); /* a name is no topic */
	park(d, now_ms() + 60000, on_end, &seen);
	ck_assert_uint_eq(hub_wake(hub, 1), 2);
	hub_waiter_free(a);
	hub_waiter_free(b);
	hub_waiter_free(c);
	hub_waiter_free(d);
	hub_waiter_free(other);
}
END_TEST

/* A newer one is elsewhere: up to the ticket that is meant, parked or looking just now. */
START_TEST(replaced_from_outside)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(1), *other = subscribe1(1);
	uint64_t t[3];

	for (size_t i = 0; i < 3; i++)
		t[i] = hub_ticket();
	ck_assert(hub_claim(a, 77, t[1]));
	ck_assert(hub_claim(other, 78, t[0]));
	park(a, now_ms() + 60000, on_end, &seen);
	park(other, now_ms() + 60000, on_end, &seen);
	hub_replace(hub, 77, t[0]);
	hub_replace(hub, 79, t[2]);
	ck_assert_uint_eq(seen.ends[HUB_REPLACED], 0);
	hub_replace(hub, 77, t[1]);
	ck_assert_uint_eq(seen.ends[HUB_REPLACED], 1);
	ck_assert(hub_claim(b, 77, t[2]));
	hub_replace(hub, 77, t[2]);
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 0, on_end, &seen), HUB_REPLACED);
	ck_assert_uint_eq(hub_wake(hub, 1), 1);
	hub_waiter_free(a);
	hub_waiter_free(b);
	hub_waiter_free(other);
}
END_TEST

START_TEST(ended_by_id)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(1);

	hub_identify(a, 500);
	hub_identify(b, 501);
	park(a, now_ms() + 60000, on_end, &seen);
	hub_end(hub, 500);
	hub_end(hub, 501);
	hub_end(hub, 502);
	ck_assert_uint_eq(seen.ends[HUB_GONE], 1);
	ck_assert_uint_eq(hub_wake(hub, 1), 0); /* a wake-up does not hide that the client is gone */
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 10, on_end, &seen), HUB_GONE);
	hub_waiter_free(a);
	hub_waiter_free(b);
}
END_TEST

/* A wake-up that comes while W may not be woken yet, before or after it was parked, is held and not lost. */
START_TEST(held_wake_ups_come_later)
{
	struct hub_waiter *a = subscribe1(1), *b = subscribe1(1);
	int64_t t0 = now_mono_us();
	size_t ended;

	ck_assert_int_eq(hub_park(a, now_ms() + 60000, 100, on_end, &seen), HUB_PARKED);
	ck_assert_uint_eq(hub_wake(hub, 1), 1);
	ck_assert_int_eq(hub_park(b, now_ms() + 60000, 100, on_end, &seen), HUB_PARKED);
	ck_assert_uint_eq(hub_wake(hub, 1), 2);
	/* a thousand changes meanwhile are the same wake-up */
	for (int i = 0; i < 1000; i++)
		(void)hub_wake(hub, 1);
	(void)pthread_mutex_lock(&seen.lock);
	ended = seen.ends[HUB_WOKEN];
	(void)pthread_mutex_unlock(&seen.lock);
	if (now_mono_us() - t0 < 90000)
		ck_assert_uint_eq(ended, 0);
	await_ends(HUB_WOKEN, 2);
	ck_assert_int_ge(now_mono_us() - t0, 99000);
	ck_assert_uint_eq(seen.ends[HUB_WOKEN], 2);
	hub_waiter_free(a);
	hub_waiter_free(b);
}
END_TEST

#define CROWD 1000

/* Of many only a few are woken at once, the others within the time that was given, each once, however often the topic changes. */
START_TEST(crowds_are_spread)
{
	struct hub *h = new_hub(CROWD, 10, 300);
	struct hub_waiter *w[CROWD];
	uint64_t topic = 4;
	int64_t t0;

	for (size_t i = 0; i < CROWD; i++) {
		ck_assert_int_eq(hub_subscribe(h, &topic, 1, &w[i]), RC_OK);
		park(w[i], now_ms() + 60000, on_end, &seen);
	}
	t0 = now_mono_us();
	ck_assert_uint_eq(_i == 0 ? hub_wake(h, 4) : hub_wake_all(h), CROWD);
	(void)pthread_mutex_lock(&seen.lock);
	ck_assert_uint_ge(seen.ends[HUB_WOKEN], 10);
	/* how many follow while this thread is held up nobody knows; a repetition must not end the rest at once */
	(void)pthread_mutex_unlock(&seen.lock);
	for (size_t i = 0; i < 1000; i++)
		(void)hub_wake(h, 4);
	if (now_mono_us() - t0 < 100000)
		ck_assert_uint_gt(hub_count(h), CROWD / 4);
	await_ends(HUB_WOKEN, CROWD);
	ck_assert_int_ge(now_mono_us() - t0, 200000);
	ck_assert_uint_eq(seen.ends[HUB_WOKEN], CROWD);
	for (size_t i = 0; i < CROWD; i++)
		hub_waiter_free(w[i]);
	hub_free(h);
}
END_TEST

#define MANY 50000

START_TEST(many_waiters)
{
	struct hub_waiter **w = calloc(MANY, sizeof(*w));
	msec_t now = now_ms();
	int64_t t0;

	ck_assert_ptr_nonnull(w);
	for (size_t i = 0; i < MANY; i++) {
		/* everybody watches topic 0 and one of their own */
		uint64_t topics[2] = { 0, 1 + i };

		ck_assert_int_eq(hub_subscribe(hub, topics, 2, &w[i]), RC_OK);
		park(w[i], now + 600000 + (msec_t)(i * 7919 % MANY), on_end, &seen);
	}
	ck_assert_uint_eq(hub_count(hub), MANY);
	t0 = now_mono_us();
	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(hub_wake(hub, 1 + i * 3), 1);
	/* a wake-up of one costs one: 1,000 scans of 50,000 waiters would take far longer than this */
	ck_assert_int_lt(now_mono_us() - t0, 1000000);
	ck_assert_uint_eq(hub_wake(hub, 0), MANY - 1000);
	ck_assert_uint_eq(hub_count(hub), 0);
	for (size_t i = 0; i < MANY; i++)
		hub_waiter_free(w[i]);
	free(w);
}
END_TEST

/* ---- threads: each parks ROUNDS waiters one after the other while others wake at random ---- */
#define PARKERS 4
#define ROUNDS 2000

static atomic_bool parkers_done;
static atomic_size_t false_parks;

struct parker {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool end;
	unsigned id;
};

static void
parker_end(void *arg, enum hub_end why)
{
	struct parker *p = arg;

	(void)why;
	(void)pthread_mutex_lock(&p->lock);
	ck_assert(!p->end); /* exactly once */
	p->end = true;
	(void)pthread_cond_signal(&p->ended);
	(void)pthread_mutex_unlock(&p->lock);
}

static void *
parker_main(void *arg)
{
	struct parker *p = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t topics[3] = { i % 5, 100 + p->id, i % 3 };
		struct hub_waiter *w;

		ck_assert_int_eq(hub_subscribe(hub, topics, 3, &w), RC_OK);
		p->end = false;
		if (hub_park(w, now_ms() + (i % 4 == 0 ? 1 : 60000), i % 7 == 0, parker_end, p) == HUB_PARKED) {
			(void)pthread_mutex_lock(&p->lock);
			while (!p->end)
				(void)pthread_cond_wait(&p->ended, &p->lock);
			(void)pthread_mutex_unlock(&p->lock);
		} else {
			atomic_fetch_add(&false_parks, 1);
		}
		hub_waiter_free(w);
	}
	return NULL;
}

static void *
waker_main(void *arg)
{
	uint64_t i = (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&parkers_done)) {
		(void)hub_wake(hub, i++ % 5);
		if (i % 1000 == 0)
			(void)hub_wake_all(hub);
	}
	return NULL;
}

START_TEST(stress)
{
	struct parker p[PARKERS];
	pthread_t parkers[PARKERS], wakers[2];

	atomic_store(&parkers_done, false);
	for (unsigned i = 0; i < PARKERS; i++) {
		(void)pthread_mutex_init(&p[i].lock, NULL);
		(void)pthread_cond_init(&p[i].ended, NULL);
		p[i].id = i;
		ck_assert_int_eq(pthread_create(&parkers[i], NULL, parker_main, &p[i]), 0);
	}
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&wakers[i], NULL, waker_main, (void *)(i * 3)), 0);
	for (unsigned i = 0; i < PARKERS; i++)
		(void)pthread_join(parkers[i], NULL);
	atomic_store(&parkers_done, true);
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(wakers[i], NULL);
	for (unsigned i = 0; i < PARKERS; i++) {
		(void)pthread_cond_destroy(&p[i].ended);
		(void)pthread_mutex_destroy(&p[i].lock);
	}
	ck_assert_uint_eq(hub_count(hub), 0);
	ck_assert_int_eq(metric_get(M_WAITERS), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hub");
	TCase *tc = tcase_create("hub");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, wake_ends_a_parked_waiter_once);
	tcase_add_test(tc, wake_before_park_is_not_lost);
	tcase_add_test(tc, wake_all_reaches_parked_and_unparked);
	tcase_add_test(tc, several_topics_and_the_same_twice);
	tcase_add_test(tc, deadlines_fire_in_order_and_early_ones_overtake);
	tcase_add_test(tc, deadlines_survive_wake_ups_in_between);
	tcase_add_test(tc, a_near_deadline_rises_among_far_ones);
	tcase_add_test(tc, callback_may_free_its_waiter);
	tcase_add_test(tc, free_while_subscribed);
	tcase_add_test(tc, shutdown_ends_all_and_stops_parking);
	tcase_add_test(tc, free_ends_the_parked);
	tcase_add_test(tc, limit_of_waiters);
	tcase_add_test(tc, the_newest_claim_wins);
	tcase_add_test(tc, replaced_from_outside);
	tcase_add_test(tc, ended_by_id);
	tcase_add_test(tc, held_wake_ups_come_later);
	tcase_add_loop_test(tc, crowds_are_spread, 0, 2);
	tcase_add_test(tc, many_waiters);
	tcase_add_test(tc, stress);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, case_stress());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
