/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * faults - real programs under load, faults at random moments, then quiet: is everything equal, counted, recorded, let go?
 *
 * world.c the processes, pg.c the two PostgreSQL servers, link.c the connections between them (each can be slow, cut, half open),
 * clock.c what is preloaded to make clocks jump, trace.c what is kept for a failure, guard.c that nothing is left, load.c devices and people, ledger.c what they did and whether it is there,
 * kinds.c the faults, main.c the order of things.  All chance comes from one seed.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <jansson.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NODES 2
#define DEVICES 3

struct rng {
	uint64_t s;
};
uint64_t rng_next(struct rng *r);
/** rng_below - 0 <= result < N. */
unsigned rng_below(struct rng *r, unsigned n);
/** rng_between - LO <= result <= HI. */
unsigned rng_between(struct rng *r, unsigned lo, unsigned hi);
int64_t mono_ms(void);

/** fail - print a sentence and end the run with status 1, everything stopped; its logs stay in the build folder. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- guard ---- */
/** guard_begin - forks; returns in the child, which is the driver: all that it starts ends with it. */
void guard_begin(void);
/** end_children - kills what is left of this process' children, and theirs; how many. */
size_t end_children(void);

/* ---- links: connections that the test can hurt ---- */
enum link_mode {
	LINK_PASS,
	LINK_SLOW,   /* each piece is handed on LEVEL ms later */
	LINK_HOLD,   /* nothing moves, nothing is lost until it passes again */
	LINK_HALF,   /* what is and what becomes connected is dead, and nobody is told; it stays dead when others pass again */
	LINK_REFUSE, /* who connects is turned away */
	LINK_LOSE    /* the next answer is thrown away and its connection cut */
};
struct link;
/** link_open - listens on the unix socket PATH, or on a free port of 127.0.0.1 (PATH NULL). */
struct link *link_open(const char *path);
/** link_keepalive - who connects finds a half-open connection dead after MS, as TCP's keepalive tells it; 0 (default) = never. */
void link_keepalive(struct link *l, unsigned ms);
/** link_trace - what goes through it is kept, under NAME (trace.c). */
void link_trace(struct link *l, const char *name);
unsigned link_port(const struct link *l);
/** link_target - where connections from now on go: a unix socket PATH, or PORT of 127.0.0.1. */
void link_target(struct link *l, const char *path, unsigned port);
/** link_set - false: in the mode of before nothing was hurt. */
bool link_set(struct link *l, enum link_mode mode, unsigned level);
/** link_cut - ends all connections of the moment; false: there was none. */
bool link_cut(struct link *l);
void links_start(void);
void links_stop(void);

/* ---- trace ---- */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** trace_piece - P was said on connection SERIAL of LINK: a request, or an ANSWER. */
void trace_piece(const char *link, unsigned serial, bool answer, const char *p, size_t n);
/** trace_turn - a quiet point is passed: of what was before the last one nothing is needed any more. */
void trace_turn(void);
void trace_flush(void);

/* ---- world ---- */
enum proc_id { P_PG0, P_PG1, P_REDIS, P_OX, P_NODE0, P_NODE1, PROCS };
struct site {
	char dir[96], build[128];
	struct link *client[NODES], *pg[NODES][2], *redis[NODES], *ox[NODES];
	unsigned ox_port;         /* of the oxsim that runs */
	pthread_mutex_t ox_lock;  /* people who talk to oxsim beside usmd; held while it is killed */
	volatile int64_t *clock[NODES]; /* ms that the node's clock is wrong; shared with its process */
	int starts[PROCS];
	bool disks;               /* PostgreSQL's folders are small file systems of their own */
	bool clocks;              /* the clock can be preloaded (not into sanitized programs) */
	bool lossy;               /* a failover has lost what PostgreSQL had acknowledged, by intent */
};
extern struct site w;
void world_begin_all(void);
void world_end_all(void);
/** world_tick - takes note of ended processes and starts them again; to be called every few ms by the main thread. */
void world_tick(void);
pid_t world_pid(enum proc_id p);
/** world_kill - SIGKILL; world_tick starts it again. */
void world_kill(enum proc_id p);
void world_pause_restart(enum proc_id p, bool paused);
/** world_ready - both nodes healthy, the standby in step; else why not. */
bool world_ready(char *why, size_t size);
/** world_metric - value of NAME in node N's /metrics, -1 = no answer. */
long world_metric(int n, const char *name);
long proc_rss_kb(pid_t pid);
pid_t pid_of_child(pid_t parent, const char *word, unsigned nth);
/** ox_control - POST BODY to oxsim's control API (NULL: GET; "" : DELETE); a new reference or NULL. */
json_t *ox_control(const char *path, const char *body);
/** ox_as - USER acts at another client of OX; the envelope, a new reference or NULL. */
json_t *ox_as(const char *user, const char *module, const char *action, const char *params, const char *data);
/** ox_crash - oxsim's state is what it is at this moment, then it is killed: answers under way are lost, nothing acknowledged is. */
void ox_crash(void);

/* ---- PostgreSQL: two servers, one primary ---- */
extern int pg_primary; /* 0 or 1 */
void pg_create(void);
pid_t pg_spawn(int i);
void pg_tick(void);
bool pg_in_step(char *why, size_t size);
/** pg_admin - run SQL on the primary past the links; false = it was refused. */
bool pg_admin(const char *sql);
PGconn *pg_connect(const char *user, const char *dbname);
/** pg_failover - the primary is killed with all its processes and the standby takes over; LOSING: what it did not hear yet is gone. */
void pg_failover(bool losing);
void pg_disk_full(bool full);
extern bool pg_settled; /* a standby follows and may take over */

/* ---- load ---- */
struct device {
	const char *name, *user, *policy;
	char dir[128], log[128];
	volatile pid_t pid;    /* of the usmsync that runs, 0 = none */
	unsigned runs, good, killed;
};
extern struct device dev[DEVICES];
void load_prepare(void);
void load_start(uint64_t seed);
/** load_pause - no further edits and runs; waits for the run of the moment. */
void load_pause(bool paused);
void load_stop(void);
/** device_sync - one run to its end; the exit status. */
int device_sync(struct device *d, int node, unsigned limit);

/* ---- ledger ---- */
enum place { IN_CONTACTS, IN_TEAM, IN_CALENDAR, IN_TASKS, IN_INBOX, PLACES };
#define HOT 6 /* contacts that everybody edits in one field: the first half private, the second half shared */
/** ledger_add - a new object of OWNER (device, or DEVICES = a person at OX); its number. */
size_t ledger_add(int owner, enum place p);
void ledger_forget(size_t n); /* it was never made */
void ledger_delete(size_t n);
void ledger_note(size_t n, unsigned value);
/** ledger_pick - one of OWNER's objects that is there, SIZE_MAX = none. */
size_t ledger_pick(int owner, struct rng *r);
enum place ledger_place(size_t n);
void ledger_hot(unsigned which, const char *base, const char *value);
size_t ledger_count(void);
/** ledger_check - every object once, with its last value, and every hot value kept, replaced by who saw it, or recorded.  NULL = right. */
const char *ledger_check(void);
void ledger_print(void);
extern int ox_folder_team;

/* ---- kinds ---- */
struct kind {
	const char *name;
	unsigned weight;
	unsigned uses;              /* RES_*: not together with another fault of these */
	bool (*start)(struct rng *r, int *what); /* false: not possible at the moment */
	bool (*stop)(int what);     /* NULL: over at once; false: nobody felt it, it does not count */
	unsigned min_ms, max_ms;    /* how long it lasts */
	unsigned hits;
};
extern struct kind kinds[];
extern const size_t n_kinds;

#endif
