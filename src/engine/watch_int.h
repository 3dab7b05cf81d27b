/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Waiting, behind the client's side (watch.c): who waits for which folders (waited.c), when OX is asked about them (poll.c), how (look.c), and
 * what is told without asking (event.c).
 */
#ifndef USMD_ENGINE_WATCH_INT_H
#define USMD_ENGINE_WATCH_INT_H

#include <stdatomic.h>

#include "engine/engine_int.h"

#define NEVER INT64_MAX
#define ACCOUNT_SLOTS 4096
#define FOLDER_SLOTS 16384
#define HEARD_SLOTS 1024
#define CLAIM_SLOTS 16384
#define ECHO_MS 2000 /* OX tells its writers, too: what it tells so soon after a write of this node is taken to be of that */

/* Times here are monotonic milliseconds (steady_ms), 0 = never, where they are not said to be of the wall clock. */

/** Sources that tell by themselves, of those in enum event_source. */
enum push_source { BY_UDP, BY_HOOK, PUSH_SOURCES };

/* Each waiting client has one: it is kept small. */
struct engine_watch {
	struct engine_watch *prev, *next; /* of the same account; under poll.lock */
	struct engine *g;
	struct engine_session *s;
	struct waited *w;                 /* NULL: not linked */
	uint64_t claim, ticket;           /* of the hub: a device has one wait of a kind */
	struct engine_watch *same_slot;   /* of the claims; under poll.lock, as are these four: */
	uint32_t claimed_s;
	unsigned char heard_own;          /* bits of ways on which this claim was heard */
	bool replaced;                    /* the device waits at another node */
	bool seen, behind;                /* it has looked: entries[].state; the last comparison found something newer */
	enum watch_kind kind;
	bool looked;                      /* OX was asked for it; from then on the poller does it */
	bool told;                        /* the states of the entries are what the client was told */
	uint64_t *replay;                 /* what the client was told before, until the first look; owned */
	size_t n_replay;
	size_t n;
	uint64_t *tags;                   /* n of the folders, and the account's; owned */
	struct waited_folder **of;        /* linked: of each entry; behind the tags */
	struct ping_entry entries[];
};

/** A folder that somebody of this account waits for. */
struct waited_folder {
	struct waited_folder *chain;      /* of the same slot */
	struct waited_folder *next;       /* of the same account */
	struct waited *w;
	uint64_t topic;
	int64_t id;                       /* of the index; 0 = there is none */
	uint64_t state;                   /* COMPARED: of the index as it is in the database */
	bool compared, missed;            /* somebody waits who has not been told of that */
	struct folder_ref folder;
	unsigned watches;
	enum content ct;                  /* CT_COUNT: not known before the first look */
	bool told;                        /* something was told and is to be looked into ... */
	int64_t look_at;                  /* ... not before */
	enum event_source by;             /* who told; OX itself, if it did, too */
	unsigned char failed;             /* such looks one after the other, as far as retry_ms (poll.c) tells them apart */
	int64_t vain_at;                  /* the first look because of it showed nothing, then: it is repeated; 0 = none did */
	int64_t paid;                     /* looks because something was told are paid for until then */
	uint64_t epoch, cn;               /* of the index at the last look: has anybody else brought it up to date since? */
	int64_t polled, flags_at;         /* last look of any kind; mail: when flags are compared next */
	int64_t answered;                 /* last look because something was told */
	int64_t own;                      /* last write of a client of this node */
	int64_t heard[PUSH_SOURCES];
	unsigned suspects;                /* bits of sources */
	int64_t judge_at, judge_from;     /* a poll found what should have been told since JUDGE_FROM: who has not told by JUDGE_AT is silent */
};

enum telling { TELLS_UNKNOWN, TELLS, TELLS_NOT };

/** An account that somebody waits for at this node, or lately did. */
struct waited {
	struct waited *chain, *topic_chain; /* of the same slot, by user and by topic */
	int64_t context, user;
	uint64_t topic, hier_topic, inbox_topic; /* the first: of the account */
	struct engine_watch *watches;
	struct waited_folder *folders;
	int64_t interval;                 /* between polls: grows while nothing changes */
	int64_t left;                     /* when the last watch went */
	int64_t subscribe_at;             /* webhook: when the next subscription is due */
	size_t at[2];                     /* place in the heaps, 0 = in none */
	int64_t key[2];
	bool busy;                        /* a thread looks */
	enum telling tells[PUSH_SOURCES][CT_COUNT];
	msec_t last[SOURCE_COUNT];        /* wall clock: what each source told last */
};

enum { HEAP_POLL, HEAP_TOLD, HEAPS };
struct heap {
	struct waited **w;                /* from 1 on; the earliest first */
	size_t n, cap;
};

struct poll {
	struct engine *g;
	pthread_mutex_t lock;             /* everything below; taken before engine.lock, never after it */
	pthread_cond_t wake, ended;       /* for the pollers; stop */
	pthread_t *thread;
	size_t n_threads;
	pthread_t comparer;
	bool comparing;
	bool stop;
	struct waited *account[ACCOUNT_SLOTS], *account_by_topic[ACCOUNT_SLOTS];
	struct waited_folder *folder[FOLDER_SLOTS];
	struct engine_watch *claim[CLAIM_SLOTS];
	struct heap heap[HEAPS];
	size_t n_accounts, n_known;       /* that somebody waits for; these and those remembered */
	double tokens;                    /* of the budget; what a look needed beyond one is a debt */
	int64_t tokens_at;
	unsigned turn;                    /* told ones go first, but not always */
	int64_t heard_calendar[PUSH_SOURCES][HEARD_SLOTS]; /* by context: any calendar */
	uint64_t events[SOURCE_COUNT], silences[PUSH_SOURCES];
	msec_t last[SOURCE_COUNT];        /* wall clock */
	int64_t complained[PUSH_SOURCES]; /* last line in the log about silence */
	bool silent[PUSH_SOURCES];        /* said, and not taken back */
	int64_t hook_complained;
};

/* watch.c */
/** watch_state - what a client knows of FOLDER's index: equal on every node and after a restart; EPOCH and CN 0: that there is none. */
uint64_t watch_state(const struct engine *g, const struct folder_ref *folder, uint64_t epoch, uint64_t cn);
enum rc watch_open_targets(struct op *op, const struct ping_entry *entries, size_t n, bool known, struct target *targets, struct err *e);

/* claim.c */
void claim_add_locked(struct poll *p, struct engine_watch *w);
void claim_remove_locked(struct poll *p, struct engine_watch *w);
/** claim_tell - to the other nodes: W, which is linked and has claimed its name at the hub, is its device's newest. */
void claim_tell(const struct engine_watch *w);
/** claim_is_lost - has the device begun to wait at another node? */
bool claim_is_lost(struct engine_watch *w);

/* waited.c */
/** watch_link - W, for TARGETS, is waited for from now on; false = out of memory. */
bool watch_link(struct engine_watch *w, const struct target *targets);
void watch_unlink(struct engine_watch *w);
struct waited *waited_find_locked(const struct poll *p, int64_t context, int64_t user);
/** waited_account - by account_topic; NULL = nobody waits, or lately did. */
struct waited *waited_account_locked(const struct poll *p, uint64_t topic);
struct waited_folder *waited_folder_locked(const struct waited *w, uint64_t topic);
/** waited_by_topic - the first folder of TOPIC's slot, of whatever account: go on by chain, and compare the topic. */
struct waited_folder *waited_by_topic_locked(const struct poll *p, uint64_t topic);
/** waited_plan - into the heaps by what is due next; nothing while it is busy. */
void waited_plan_locked(struct poll *p, struct waited *w);
void heap_drop_locked(struct poll *p, struct waited *w);
/** waited_pace - how often F is polled now, in ms. */
int64_t waited_pace(const struct poll *p, const struct waited_folder *f);
/** waited_due - when F is to be looked at although nobody tells; NEVER. */
int64_t waited_due(const struct poll *p, const struct waited_folder *f);

/** What a look at one entry is to find out, and has found. */
struct look {
	bool flags;         /* mail: compare flags, not counters alone */
	bool changed;       /* the index is newer than before */
	bool arrived;       /* mail: a new one */
	uint64_t epoch, cn; /* of the index as the look left it */
	enum content ct;
};
/* look.c */
enum rc watch_look(struct op *op, const struct ping_entry *entries, struct target *targets, size_t n, bool force, struct look *looks, struct err *e);

/* compare.c */
MUST_CHECK enum rc compare_start(struct poll *p, struct err *e);
/** compare_stop - ends the thread, after p->stop was set and p->ended told. */
void compare_stop(struct poll *p);

/* told.c */
/** told_locked - SOURCE says that F changed: it is looked into as soon as the rules in told.c allow, if anybody waits for it. */
void told_locked(struct poll *p, struct waited_folder *f, enum event_source source, int64_t now);
/** told_looked_locked - such a look has found what L says; F.epoch and F.cn are still those of the look before. Plans the next one, if any, in F alone. */
void told_looked_locked(struct waited_folder *f, const struct look *l, int64_t now);

/* sources.c */
/** push_name - "udp", "webhook"; a constant. */
const char *push_name(enum push_source by);

/* event.c: what a look says of the sources */
void source_found_locked(struct poll *p, struct waited_folder *f, const struct look *l, bool told, int64_t before, int64_t now);
void source_judge_locked(struct poll *p, struct waited *w, int64_t now);

#endif
