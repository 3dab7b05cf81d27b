/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * No lost wake-up.  Clients wait for topics as pings do - subscribe, read the state, park; woken, look again - while changes race
 * with their subscribing, their answers, deadlines, hang-ups, newer waits of the same client, wake-alls, and a hub that is shut
 * down and made anew.  Most waits are hours long: a client that was not told of a change stays parked with an old state, and is
 * found when everything comes to rest after each round.  STEPS changes (20,000; `make stress-push`: 1,000,000), SEED repeats the choices.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "usmd/hub.h"
#include "test_hub.h"

#define TOPICS 24U
#define CLIENTS 60U
#define PER_CLIENT 4U
#define WORKERS 3U
#define CHANGERS 2U
#define ROUND 20U       /* changes until everything comes to rest: few, since a later change would cure what an earlier one missed */
#define REST_MS 20000   /* a loaded machine under a sanitizer needs far less to come to rest */

struct client {
	pthread_mutex_t lock;     /* of what the client knows, as its one ping at a time would */
	struct hub_waiter *waiter;
	struct client *next;      /* in the queue */
	uint64_t topics[PER_CLIENT];
	uint64_t known[PER_CLIENT];
	unsigned id;
	bool parked;
	atomic_bool with_hub;     /* its waiter is the hub's until the callback has run */
};

/* One world, as one process is. */
static struct {
	pthread_mutex_t gate;      /* to hub_lock: who wants to write is not kept out by readers that follow each other */
	pthread_rwlock_t hub_lock; /* held for writing while the hub is made anew */
	struct hub *hub;
	atomic_uint_fast64_t version[TOPICS];
	struct client client[CLIENTS];
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct client *queue;
	bool stop;
	atomic_uint answers, looks, ends[HUB_SHUTDOWN + 1];
	atomic_uint left;          /* changes of this round */
} world;

static uint64_t
chance(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
hub_hold(void)
{
	(void)pthread_mutex_lock(&world.gate);
	(void)pthread_rwlock_rdlock(&world.hub_lock);
	(void)pthread_mutex_unlock(&world.gate);
}

static void
hub_hold_alone(void)
{
	(void)pthread_mutex_lock(&world.gate);
	(void)pthread_rwlock_wrlock(&world.hub_lock);
	(void)pthread_mutex_unlock(&world.gate);
}

static void
queue_push(struct client *c)
{
	(void)pthread_mutex_lock(&world.lock);
	c->next = world.queue;
	world.queue = c;
	(void)pthread_cond_signal(&world.work);
	(void)pthread_mutex_unlock(&world.lock);
}

static void
on_client_end(void *arg, enum hub_end why)
{
	struct client *c = arg;

	atomic_fetch_add(&world.ends[why], 1);
	atomic_store(&c->with_hub, false);
	queue_push(c);
}

/* Is there anything new?  Then the client gets to know it, which is its answer. */
static bool
look(struct client *c)
{
	bool any = false;

	atomic_fetch_add(&world.looks, 1);
	for (size_t i = 0; i < PER_CLIENT; i++) {
		uint64_t now = atomic_load(&world.version[c->topics[i]]);

		any = any || now != c->known[i];
		c->known[i] = now;
	}
	return any;
}

/* A ping of C from its request to its parking; the hub's lock is held for reading. */
static void
wait_again(struct client *c, uint64_t *seed)
{
	for (;;) {
		msec_t ms = chance(seed) % 8 == 0 ? (msec_t)(chance(seed) % 3) : 3600000;
		msec_t hold = chance(seed) % 4 == 0 ? 1 : 0;
		enum hub_end why;

		hub_waiter_free(c->waiter);
		ck_assert_int_eq(hub_subscribe(world.hub, c->topics, PER_CLIENT, &c->waiter), RC_OK);
		hub_identify(c->waiter, 1 + c->id);
		if (!hub_claim(c->waiter, 1000 + c->id, hub_ticket()))
			continue; /* a newer wait came in between */
		if (look(c)) {
			atomic_fetch_add(&world.answers, 1);
			continue; /* answered; its client asks again */
		}
		if (chance(seed) % 3 == 0)
			(void)sched_yield(); /* what comes now must be noted */
		(void)pthread_mutex_lock(&c->lock);
		c->parked = true;
		(void)pthread_mutex_unlock(&c->lock);
		atomic_store(&c->with_hub, true);
		why = hub_park(c->waiter, now_ms() + ms, hold, on_client_end, c);
		if (why == HUB_PARKED)
			return; /* C belongs to the hub */
		atomic_store(&c->with_hub, false);
		(void)pthread_mutex_lock(&c->lock);
		c->parked = false;
		(void)pthread_mutex_unlock(&c->lock);
		atomic_fetch_add(&world.ends[why], 1);
		if (why == HUB_SHUTDOWN) { /* the next hub takes it; until then its lock is wanted for writing */
			queue_push(c);
			return;
		}
	}
}

static void *
worker_main(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;

	for (;;) {
		struct client *c;

		(void)pthread_mutex_lock(&world.lock);
		while (world.queue == NULL && !world.stop)
			(void)pthread_cond_wait(&world.work, &world.lock);
		c = world.queue;
		if (c != NULL)
			world.queue = c->next;
		(void)pthread_mutex_unlock(&world.lock);
		if (c == NULL)
			return NULL;
		(void)pthread_mutex_lock(&c->lock);
		c->parked = false;
		(void)pthread_mutex_unlock(&c->lock);
		hub_hold();
		if (!world.stop)
			wait_again(c, &seed);
		(void)pthread_rwlock_unlock(&world.hub_lock);
	}
}

/* A change while nobody waits races with nothing: most come when some clients are parked and others on their way there. */
static void
await_some_parked(uint64_t *seed)
{
	size_t enough = chance(seed) % (CLIENTS * 3 / 4);

	for (unsigned i = 0; i < 200; i++) {
		size_t parked;

		hub_hold();
		parked = hub_count(world.hub);
		(void)pthread_rwlock_unlock(&world.hub_lock);
		if (parked >= enough)
			return;
		(void)sched_yield();
	}
}

/* Changes, and what happens to clients meanwhile. */
static void *
changer_main(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;

	for (;;) {
		unsigned left = atomic_load(&world.left);
		uint64_t what = chance(&seed), topic = chance(&seed) % TOPICS;

		if (left == 0)
			return NULL;
		if (!atomic_compare_exchange_weak(&world.left, &left, left - 1))
			continue;
		if (what % 8 != 0)
			await_some_parked(&seed);
		atomic_fetch_add(&world.version[topic], 1);
		hub_hold();
		if (what % 500 == 0)
			(void)hub_wake_all(world.hub);
		else
			(void)hub_wake(world.hub, topic);
		if (what % 7 == 0)
			hub_end(world.hub, 1 + chance(&seed) % CLIENTS);
		if (what % 11 == 0) { /* a newer wait that is gone again at once: the older one has to be taken up by its client */
			struct hub_waiter *w;

			ck_assert_int_eq(hub_subscribe(world.hub, &topic, 1, &w), RC_OK);
			(void)!hub_claim(w, 1000 + chance(&seed) % CLIENTS, hub_ticket());
			hub_waiter_free(w);
		}
		(void)pthread_rwlock_unlock(&world.hub_lock);
	}
}

static struct hub *
some_hub(uint64_t *seed)
{
	struct hub_options o = { .max_waiters = CLIENTS + 100, .burst = 1 + chance(seed) % 20, .spread_ms = chance(seed) % 2 == 0 ? 2 : 0 };
	struct hub *h = hub_new(&o);

	ck_assert_ptr_nonnull(h);
	return h;
}

/* As a node that stops and starts: everybody is answered, and waits at the new one. */
static void
restart_hub(uint64_t *seed)
{
	hub_shutdown(world.hub);
	hub_hold_alone();
	for (size_t i = 0; i < CLIENTS; i++) {
		while (atomic_load(&world.client[i].with_hub)) /* its deadline came at this moment */
			pause_us(10);
		hub_waiter_free(world.client[i].waiter);
		world.client[i].waiter = NULL;
	}
	hub_free(world.hub);
	world.hub = some_hub(seed);
	(void)pthread_rwlock_unlock(&world.hub_lock);
}

static bool
at_rest(const char **why, unsigned *who)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &world.client[i];
		bool ok = true;

		(void)pthread_mutex_lock(&c->lock);
		*why = "is not parked";
		*who = i;
		for (size_t k = 0; c->parked && k < PER_CLIENT && ok; k++) {
			ok = c->known[k] == atomic_load(&world.version[c->topics[k]]);
			*why = "is parked and was not told";
		}
		ok = ok && c->parked;
		(void)pthread_mutex_unlock(&c->lock);
		if (!ok)
			return false;
	}
	return true;
}

static void
await_rest(unsigned round)
{
	msec_t until = now_ms() + REST_MS;
	const char *why = "";
	unsigned who = 0;

	while (!at_rest(&why, &who)) {
		ck_assert_msg(now_ms() < until, "round %u: client %u %s", round, who, why);
		pause_us(20);
	}
}

static void
world_up(uint64_t *seed)
{
	(void)pthread_mutex_init(&world.gate, NULL);
	(void)pthread_rwlock_init(&world.hub_lock, NULL);
	(void)pthread_mutex_init(&world.lock, NULL);
	(void)pthread_cond_init(&world.work, NULL);
	world.hub = some_hub(seed);
	world.stop = false;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &world.client[i];

		*c = (struct client){ .id = i };
		(void)pthread_mutex_init(&c->lock, NULL);
		for (size_t k = 0; k < PER_CLIENT; k++) /* topic 0 is everybody's */
			c->topics[k] = k == 0 ? 0 : chance(seed) % TOPICS;
		queue_push(c);
	}
}

START_TEST(no_wake_up_is_lost)
{
	const char *steps_text = getenv("STEPS"), *seed_text = getenv("SEED");
	uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 20261122, state = seed * 2 + 1;
	unsigned long steps = steps_text != NULL ? strtoul(steps_text, NULL, 10) : 20000;
	pthread_t workers[WORKERS], changers[CHANGERS];
	unsigned restarts = 0;

	world_up(&state);
	for (uintptr_t i = 0; i < WORKERS; i++)
		ck_assert_int_eq(pthread_create(&workers[i], NULL, worker_main, (void *)(chance(&state) | 1)), 0);
	for (unsigned long done = 0; done < steps; done += ROUND) {
		atomic_store(&world.left, ROUND);
		for (uintptr_t i = 0; i < CHANGERS; i++)
			ck_assert_int_eq(pthread_create(&changers[i], NULL, changer_main, (void *)(chance(&state) | 1)), 0);
		if (chance(&state) % 8 == 0) {
			pause_us((long)(chance(&state) % 300));
			restart_hub(&state);
			restarts++;
		}
		for (unsigned i = 0; i < CHANGERS; i++)
			(void)pthread_join(changers[i], NULL);
		await_rest((unsigned)(done / ROUND));
	}
	hub_shutdown(world.hub);
	hub_hold_alone();
	(void)pthread_mutex_lock(&world.lock);
	world.stop = true;
	(void)pthread_cond_broadcast(&world.work);
	(void)pthread_mutex_unlock(&world.lock);
	(void)pthread_rwlock_unlock(&world.hub_lock);
	for (unsigned i = 0; i < WORKERS; i++)
		(void)pthread_join(workers[i], NULL);
	for (size_t i = 0; i < CLIENTS; i++)
		hub_waiter_free(world.client[i].waiter);
	hub_free(world.hub);
	(void)printf("stress: seed %llu, %lu changes, %u looks, %u answers, ends: %u woken, %u deadlines, %u gone, %u by %u restarts\n",
	    (unsigned long long)seed, steps, atomic_load(&world.looks), atomic_load(&world.answers), atomic_load(&world.ends[HUB_WOKEN]),
	    atomic_load(&world.ends[HUB_DEADLINE]), atomic_load(&world.ends[HUB_GONE]), atomic_load(&world.ends[HUB_SHUTDOWN]), restarts);
	ck_assert_int_eq(metric_get(M_WAITERS), 0);
}
END_TEST

TCase *
case_stress(void)
{
	TCase *tc = tcase_create("stress");

	tcase_set_timeout(tc, 1800);
	tcase_add_test(tc, no_wake_up_is_lost);
	return tc;
}
