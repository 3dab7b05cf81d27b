/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A small world around the sync functions: an OX that loses, delays and reorders, a daemon that may die between any two
 * steps, clients that type, time out and repeat themselves.  Tasks are coroutines, so that every order of steps can happen.
 * Nothing here is the engine: it does what the doc blocks of sync.h demand, in the shortest way.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include <setjmp.h>
#include <ucontext.h>

#include "usmd/sync.h"

#define NF 4          /* fields: a, b free text; n is normalised by OX; t is the time range and sort key */
#define F_N 2
#define F_T 3
#define MAX_FOLD 3
#define MAX_DEV 3
#define ID0 101       /* OX's first object id */
#define MAX_ID 1536
#define MAX_TOK 8192
#define MAX_CHANGES 4
#define LATE_MAX 60   /* ms that OX may sit on a request */
#define RETAIN 600    /* ms that OX remembers deletions */
#define OVERLAP 60
#define COMMIT_DELAY 40
#define CU 40

/* What can be switched on in a world. */
struct variant {
	int nfold, ndev, nacc, nodes;
	bool faults, late, crash, dups, latecommit, moves, windows, filters, copies, dbloss, rollback, backup, locklost, perms, error_policy, listing;
};

/* A rule that the simulated engine or client leaves out, to see that the checks notice. */
enum broken {
	BREAK_NONE, BREAK_F1, BREAK_F2, BREAK_F4, BREAK_F5, BREAK_F6, BREAK_F8, BREAK_F9, BREAK_F10, BREAK_F12, BREAK_F13,
	BREAK_F14, BREAK_F15, BREAK_F17, BREAK_F18, BREAK_F19, BREAK_F20, BREAK_F21, BREAK_SWEEP, BREAK_ACK, BREAK_COUNT
};

/* ---- what people typed ---- */
struct world {
	int n, ne;
	bool gone[MAX_TOK], rec[MAX_TOK];
	int by[MAX_TOK], typing; /* device + 1, 0 = in OX */
	struct { int parent, kid; } edge[2 * MAX_TOK];
};

/* ---- OX ---- */
struct oxobj {
	bool live, locked;
	int64_t id, f[NF];
	int folder;
	msec_t lm;
	char uid[CU];
};
enum oxkind { OX_UPDATES, OX_ALL, OX_LIST, OX_CREATE, OX_UPDATE, OX_DELETE, OX_FINDUID, OX_GETANY };
enum oxcode { OXR_OK, OXR_DENIED, OXR_NOTFOUND, OXR_TIMEOUT, OXR_REFUSED };
struct oxop {
	enum oxkind kind;
	int acc, folder;
	int64_t id, f[NF];
	unsigned mask;
	msec_t t;
	char uid[CU];
	const int64_t *ids;
	size_t n_ids;
};
struct oxres {
	enum oxcode code;
	struct oxobj *o;
	size_t n;
	int64_t *dels;
	size_t nd;
	msec_t ts, now, lm;
	int64_t id;
};
struct pend {
	msec_t at;
	int what; /* 0 add, 1 set field, 2 delete, 3 move */
	struct oxobj o;
	int field;
	int64_t v;
};
struct ox {
	msec_t now;
	int64_t next;
	struct oxobj obj[MAX_ID];
	msec_t del[MAX_FOLD][MAX_ID];
	struct pend pend[256];
	int n_pend;
	bool noread[MAX_DEV][MAX_FOLD];
};

/* ---- the daemon's database: plain data, so that a rollback is an assignment ---- */
struct simrow {
	bool there;
	int64_t id, sk;
	uint64_t cn;
	unsigned char len, p[120];
};
struct simfolder {
	uint64_t cn, fence;
	msec_t ts, tnow;
	bool init;
	struct simrow row[MAX_ID];
};
struct simcursor {
	int dev, folder;
	uint64_t sid, seq;
	int lastk;
	size_t len;
	unsigned char p[1000];
};
struct simwrite {
	int dev, folder, task;
	struct write_entry e;
	struct write_field f[NF];
};
struct simintent {
	int dev, folder, task;
	char cu[CU];
	struct intent i;
	struct write_field f[NF];
};
struct db {
	uint64_t epoch, sid;
	int wid;
	struct simfolder folder[MAX_FOLD];
	struct simcursor cur[192];
	int n_cur;
	struct simwrite wr[384];
	int n_wr;
	struct simintent in[512];
	int n_in;
	uint64_t seq[MAX_DEV][MAX_FOLD];
};

/* ---- client ---- */
struct local {
	bool used, new, gone, doubt, insist;
	bool deleted; /* the server deleted it, kept until its change is answered */
	int64_t uuid; /* 0 = none yet */
	char cu[CU];
	int folder;
	int64_t cur[NF], base[NF], sent[NF][16];
	unsigned n_sent[NF], has_base, dirty, blind;
	char rev[REV_TEXT];
};
enum st { R_NONE, R_OK, R_GONE, R_REFUSED, R_RETRY, R_CONFLICT, R_AGAIN };
struct creq {
	enum sync_op op;
	int64_t uuid;
	char cu[CU], rev[REV_TEXT];
	unsigned mask, blind;
	bool again, insist, blind_delete;
	int64_t f[NF], full[NF];
	bool was_gone;
};
struct recpair { int64_t uuid; char rev[REV_TEXT]; };
struct req {
	int cl, folder, id;
	uint64_t sid; /* 0 = none */
	struct creq ch[MAX_CHANGES];
	int n;
	size_t limit;
	enum sync_policy policy;
	int64_t ws;
	unsigned hidden; /* fields that the device does not want */
	bool reconcile;
	struct recpair *pairs; /* malloc'ed */
	size_t n_pairs;
};
struct given { int64_t uuid, f[NF]; unsigned mask; bool put; char cu[CU], rev[REV_TEXT]; unsigned own; };
struct answer {
	int status;
	uint64_t sid;
	struct given *g;
	size_t n, cap;
	int64_t *del;
	size_t nd, capd;
	enum st res[MAX_CHANGES];
	int64_t mapped[MAX_CHANGES];
	bool more;
};
struct client {
	int dev, acc, n, rq, reqid; /* reqid: 0 = no request under way */
	size_t limit;
	enum sync_policy policy;
	int64_t ws;
	unsigned hidden;
	uint64_t sync[MAX_FOLD];
	bool need[MAX_FOLD], more[MAX_FOLD];
	struct local obj[512];
	int n_obj;
};

#define STACK (96 * 1024)
struct sim;
struct task {
	struct sim *s;
	struct req q;
	ucontext_t ctx;
	char *stack;
	struct arena *a;
	int num, node, lock; /* lock: folder + 1 */
	bool locklost, dup, finished, aborted;
	struct answer ans;
};

struct sim {
	uint64_t rnd, seed;
	struct variant v;
	enum broken off;
	struct world w;
	struct ox ox;
	struct db *db, *snap;
	struct client cl[MAX_DEV];
	struct { bool is; int tokens; struct client c; } backup[MAX_DEV];
	struct task *task[64];
	int n_task, task_num;
	struct task *holder[MAX_FOLD];
	struct req pool[128];
	int n_pool;
	struct { msec_t at; struct oxop op; } late[64];
	int n_late;
	int64_t day;
	msec_t started; /* when all nodes were last restarted together, as for a database set back */
	uint64_t epoch;
	bool reliable, noall;
	struct model_keys *keys;
	struct arena *scratch; /* for the whole run */
	ucontext_t sched;
	struct task *running;
	jmp_buf fail;
	bool failed;
	char why[256];
	/* figures */
	uint64_t steps, crashes, lost, deltas, rows_read, emitted, records;
};

/* sim_ox.c */
uint64_t rnd64(struct sim *s);
int64_t rnd(struct sim *s, int64_t n);
bool chance(struct sim *s, double p);
void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));
int64_t norm(int field, int64_t v);
int64_t token_new(struct sim *s, int64_t parent);
void token_replaced(struct sim *s, int64_t old, int64_t by);
void token_gone(struct sim *s, int64_t v);
void token_record(struct sim *s, int64_t v);
int64_t time_new(struct sim *s);
uint64_t fp_of(int64_t v);
void key_of(int64_t v, int64_t *t0, int64_t *t1);
void ox_exec(struct sim *s, struct arena *a, const struct oxop *op, struct oxres *r);
void ox_user(struct sim *s);
void ox_tick(struct sim *s, bool all);
void ox_clock(struct sim *s, msec_t d);
void world_check(struct sim *s);

/* sim_daemon.c */
void daemon_sync(struct task *t);
struct row *row_load(struct sim *s, struct arena *a, const struct simrow *r);

/* sim_client.c */
void client_init(struct sim *s, int i);
void client_edit(struct sim *s, struct client *c);
void client_build(struct sim *s, struct client *c, int folder, struct req *q);
void client_answer(struct sim *s, struct req *q, struct answer *a);
bool client_busy(const struct client *c);

/* sim.c */
void task_yield(struct task *t);
void task_abort(struct task *t);
/** sim_run - one world from SEED for N random steps, then quiet and all checks. NULL = fine, else what broke (static text). */
const char *sim_run(uint64_t seed, const struct variant *v, enum broken off, int n, struct sim *figures);

#endif
