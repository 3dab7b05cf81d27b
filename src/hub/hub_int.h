/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of the hub share.  Two tables, each in parts with a lock of its own: topics (who waits for what) and
 * deadlines (what ends when).  Locks are taken in the order topic part, deadline part; callbacks run without any.
 *
 * Who ends a parked waiter is settled by taking it out of its heap: it is in there if and only if it is parked.  Whoever takes
 * it out unsubscribes it and runs its callback.  One that is reached through a table is alive as long as that part's lock is
 * held, because nobody frees a waiter that has not left the tables.
 */
#ifndef USMD_HUB_INT_H
#define USMD_HUB_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "usmd/hub.h"

#define TOPIC_PART_BITS 6U
#define TOPIC_PARTS (1U << TOPIC_PART_BITS)
#define HEAP_PARTS 16U
#define NO_POS UINT32_MAX

/* One topic of one waiter; member of a bucket's list. */
struct link {
	struct link *next, **pprev;
	uint64_t topic;
	struct hub_waiter *w;       /* NULL = not in the table (any more) */
};

struct hub_waiter {
	struct hub *hub;
	struct hub_waiter *next;    /* taken: list of those whose callback is about to run */
	uint64_t ticket;            /* of hub_claim; 0 = none */
	uint32_t topics;            /* members of LINKS */
	unsigned char part;         /* of the heaps; its lock guards what follows */
	unsigned char noted;        /* enum hub_end: what came while not parked; HUB_PARKED = nothing */
	bool wake_due;              /* the deadline is that of a wake-up */
	hub_end_cb cb;              /* set when parked */
	void *arg;
	int64_t deadline_us;        /* monotonic clock */
	int64_t not_before_us;      /* wake-ups wait until then */
	uint32_t heap_pos;          /* NO_POS = not parked */
	uint32_t gen;               /* hub's gen at the last look: another one now = a wake-all came */
	struct link links[];        /* [L_ID], [L_CLAIM], then the topics; one without w is not in the table */
};
enum { L_ID, L_CLAIM, L_TOPICS };
_Static_assert(sizeof(struct hub_waiter) <= 72, "each waiting client has one: 8 octets more are 16 from the allocator");

struct topic_part {
	pthread_mutex_t lock;
	struct link **buckets;
	unsigned bits;
	size_t links;
};

struct heap_part {
	pthread_mutex_t lock;
	struct hub_waiter **w;      /* earliest deadline first */
	size_t n, cap;
};

struct hub {
	struct hub_options o;
	struct topic_part topic[TOPIC_PARTS];
	struct heap_part heap[HEAP_PARTS];
	atomic_size_t waiters;      /* subscribed or not yet freed */
	atomic_size_t parked;
	_Atomic uint32_t gen;       /* counts hub_wake_all */
	_Atomic uint32_t next_part;
	atomic_bool shutdown;       /* nothing parks any more */
	atomic_int_fast64_t drain_us; /* nobody is parked beyond this; 0 = no hub_drain */

	pthread_t thread;
	pthread_mutex_t lock;       /* guards what follows; never taken together with another */
	pthread_cond_t changed;     /* next_us became earlier, or stop */
	int64_t next_us;            /* when the thread looks next */
	bool stop;
};

/* deadline.c: all but the last two want the lock of the heap part held */
/** deadline_add_locked - W into its heap: it is parked.  False = out of memory. */
MUST_CHECK bool deadline_add_locked(struct heap_part *p, struct hub_waiter *w);
/** deadline_take_locked - out of the heap: W is the caller's to end. */
void deadline_take_locked(struct hub *h, struct heap_part *p, struct hub_waiter *w, struct hub_waiter **ended);
/** deadline_wake_locked - W, which is parked, is woken at AT_US (or at its own deadline, if that comes first). */
void deadline_wake_locked(struct heap_part *p, struct hub_waiter *w, int64_t at_us);
/** deadline_rebuild_locked - after many deadlines were changed in place. */
void deadline_rebuild_locked(struct heap_part *p);
/** deadline_announce - the thread shall look at AT_US at the latest. */
void deadline_announce(struct hub *h, int64_t at_us);
void *deadline_main(void *hub);

/* drain.c */
/** drain_deadline - DEADLINE_US, or a random moment before it while the hub is drained. */
int64_t drain_deadline(struct hub *h, int64_t now_us, int64_t deadline_us);

/* hub.c */
struct topic_part *topic_part_of(struct hub *h, uint64_t topic);
struct link **topic_bucket_locked(const struct topic_part *p, uint64_t topic);
void link_add_locked(struct topic_part *p, struct hub_waiter *w, size_t slot, uint64_t topic);
/** waiters_end - unsubscribe those of the list ENDED, which were taken, and run their callbacks; returns how many. */
size_t waiters_end(struct hub_waiter *ended, enum hub_end why);

#endif
