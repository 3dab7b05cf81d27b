/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A simulated world around the real engine: PostgreSQL, Redis, OX and the clients are in memory, time and chance belong to the
 * seed, and every request is a coroutine that may be stopped at each step of I/O.  So every order of steps, every lost answer and
 * every crash can happen, and happens again from the same seed.
 *
 * An event is one thing that happens (a person types, a client asks, a request takes a step, a node dies ...).  Each event has its
 * own random numbers, so an event can be left out without changing what the others do: that is how a failure becomes a short story.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include <setjmp.h>
#include <ucontext.h>

#include "usmd/engine.h"

#define MAX_USER 2
#define MAX_DEV 4
#define MAX_NODE 2
#define NF 6            /* simulated fields of an object at most; each flag of a mail that a client sets is one */
#define MAX_TOKEN 16384
#define MAX_FOLDER 64
#define MAX_OBJECT 4096
#define MAX_TASK 24
#define MAX_CHANGES 4
#define UID_MAX 120

#define LATE_MAX 20000  /* ms: engine's late_max_ms; OX never executes later than LATE_RUN after a request was sent */
#define LATE_RUN 9000
#define OVERLAP 5000
#define COMMIT_DELAY 4000
#define DAY INT64_C(86400000)
#define RETAIN (40 * DAY)      /* OX remembers deletions this long */
#define LISTING (20 * DAY)     /* engine's listing_interval_ms */
#define MAIL_FLAGS (2 * DAY)   /* engine's mail_flags_ms */
#define PAST_DAYS 30
#define FUTURE_DAYS 30

/* What can happen in a world. */
struct variant {
	unsigned users, devs, nodes;
	bool faults;     /* lost, failed, timed out requests */
	bool late;       /* OX executes after it was given up */
	bool crash;
	bool dups;       /* requests arrive twice, late, out of order */
	bool latecommit; /* OX stamps before it commits */
	bool moves;
	bool windows;    /* days pass, windows change */
	bool copies;     /* objects of OX with the uid of another one */
	bool dbloss, rollback, backup, locklost, redisloss;
	bool shares;     /* rights on shared folders come and go */
	bool folders;    /* folders are made, renamed, deleted on both sides */
	bool error_policy;
	bool poison;     /* objects that OX names and cannot show */
	bool mail;
	bool validity;   /* mail folders made anew under their name */
};

/* ---- what a field is here ---- */
enum fkind { FK_TEXT, FK_NORM /* OX adds a ~ */, FK_START, FK_END, FK_FLAGS, FK_COLOR };
struct fdef { const char *name; enum fkind kind; unsigned i; /* number in the model's table */ };
/* Values: 0 = not set; a typed text is 2 * token, + 1 when OX has normalised it; times in ms; flags and colours as they are. */
extern struct fdef sim_fields[CT_COUNT][NF];
unsigned sim_nf(enum content ct);
void sim_fields_init(void);
json_t *sim_json(enum fkind kind, int64_t v);
int64_t sim_value(enum fkind kind, const json_t *j);
static inline bool is_typed(enum fkind k) { return k == FK_TEXT || k == FK_NORM; }

/* ---- OX ---- */
struct oxfolder {
	bool live, standard, shared, readonly;
	char id[48];
	enum content ct;
	unsigned owner;
	int parent;               /* index, -1 = top */
	int64_t title;            /* token of its title */
	msec_t lm;
	uint64_t validity, next_uid;
};
struct oxobj {
	bool live, locked, poison;
	int64_t id;
	int folder;
	int64_t f[NF], token;     /* token: identity of a mail */
	msec_t lm, date;
	char uid[UID_MAX];
};
enum oxkind { OX_CREATE, OX_UPDATE, OX_DELETE, OX_MOVE, OX_IMPORT, OX_FCREATE, OX_FUPDATE, OX_FDELETE };
struct oxop {
	enum oxkind kind;
	unsigned user;
	int folder, to;
	int64_t id, f[NF], token;
	unsigned mask;
	int64_t clear;            /* mail: flags to clear; f[0] are those to set */
	msec_t guard;
	bool hard;
	enum content ct;
	char uid[UID_MAX];
};
struct oxres { enum rc rc; int64_t id; msec_t lm; int folder; };
struct oxpend { msec_t at; int what; size_t obj; int to, field; int64_t v; msec_t lm; struct oxobj add; };
struct ox {
	msec_t now;
	int64_t next_id;
	struct oxfolder folder[MAX_FOLDER];
	int n_folder;
	struct oxobj obj[MAX_OBJECT];
	size_t n_obj;
	struct { int folder; int64_t id; msec_t at; } del[MAX_OBJECT];
	size_t n_del;
	struct oxpend pend[64];
	size_t n_pend;
	struct { msec_t at; struct oxop op; } late[64];
	size_t n_late;
};

/* ---- clients ---- */
struct cfolder {
	bool used, hierarchy, has_syncid, reconcile, more;
	struct uuid uuid;
	enum content ct;
	struct syncid syncid;
	uint64_t k;
};
struct local {
	bool used, is_new, gone, doubt, deleted, insist;
	bool has_uuid, moving;
	struct uuid uuid, move_to;
	char cid[80];
	int folder;                /* index in client.folder */
	int64_t cur[NF], base[NF], sent[NF][8], token;
	unsigned n_sent[NF], has_base, dirty, blind;
	char rev[REV_TEXT];
	enum content module;       /* of a new folder */
};
struct sent_change { enum sync_op op; bool has_uuid, was_gone, has_move; struct uuid uuid; char cid[80]; int64_t f[NF]; unsigned mask; };
struct creq {                  /* one request as it left the client; may arrive again */
	unsigned dev;
	int folder;
	uint64_t id;               /* the client's attempt */
	struct sync_request r;     /* changes and pairs point into the arena */
	struct arena *a;
	unsigned refs;
	struct sent_change ch[MAX_CHANGES];
};
struct client {
	unsigned dev, user;
	char name[8], token[TOKEN_TEXT];
	bool logged_in, busy;
	uint64_t attempt, n;
	size_t limit;
	enum sync_policy policy;
	int64_t days;              /* its window, -1 = the server's */
	bool window_told;          /* the server has answered that it knows */
	struct cfolder folder[MAX_FOLDER];
	int n_folder;
	struct local obj[1024];
	int n_obj;
};

/* ---- the running world ---- */
enum task_kind { TASK_LOGIN, TASK_SYNC, TASK_CONFIG, TASK_CARE };
struct task {
	struct sim *s;
	enum task_kind kind;
	struct creq *q;
	unsigned dev, node;
	bool dup, finished;
	ucontext_t ctx;
	char *stack;
	struct arena *a;
	struct engine_login_answer login;
	struct object **copy;         /* what the engine was given of Q's changes */
	size_t n_copy;
	struct sync_answer ans;
	struct err err;
	enum rc rc;
	uint64_t num;
	int64_t locks[4];             /* folders whose advisory lock this task's connection holds */
	unsigned n_locks;
};

struct node { struct engine *engine; bool dead; };

struct db;
struct sim {
	uint64_t seed, rnd;
	struct variant v;
	struct ox ox;
	struct db *db, *snap;
	struct client cl[MAX_DEV];
	struct { bool is; int tokens; struct client c; } backup[MAX_DEV];
	struct node node[MAX_NODE];
	struct task *task[MAX_TASK];
	unsigned n_task;
	uint64_t task_num;
	struct task *running;
	ucontext_t sched;
	struct creq *pool[32];
	unsigned n_pool;
	/* what people typed: alive, knowingly gone, recorded; edges lead from a replaced text to what replaced it */
	int n_token, n_edge, typist[MAX_TOKEN], typing;
	bool gone[MAX_TOKEN], recorded[MAX_TOKEN];
	struct { int parent, kid; } edge[2 * MAX_TOKEN];
	struct keyring ring;
	msec_t skew;               /* this machine's clock is ahead of OX's */
	bool reliable, down;       /* down: PostgreSQL is away */
	bool deaf;                 /* a ping was not told */
	jmp_buf fail;
	bool failed, tell;
	char why[400];
	struct figures *fig;
};

/* Counted over all histories. */
struct figures {
	uint64_t histories, steps, requests, answers, crashes, lost, timeouts, late, dups, records, reconciles, inits, errors, db_faults, db_losses,
	    rollbacks, restores, lock_losses, cache_losses, shares, folder_ops, moves, poisons, validity, refused;
};

extern struct sim *the_sim; /* the only one: the fakes are called through C interfaces that carry no world */

/* chance.c */
uint64_t rnd64(struct sim *s);
int64_t rnd(struct sim *s, int64_t n);
bool chance(struct sim *s, unsigned percent10); /* in tenths of a percent */
void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));
void tell(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
int64_t token_new(struct sim *s, int64_t parent);
void token_gone(struct sim *s, int64_t v);
void token_replaced(struct sim *s, int64_t old, int64_t by);
void token_record_text(struct sim *s, const char *text, size_t n);

/* store.c */
struct db *db_new(void);
struct db *db_copy(const struct db *d);
void db_free(struct db *d);
/** db_check_index - every live row of every index shows what OX shows its account now (fingerprints). */
void db_check(struct sim *s);

/* ox.c: state and the people who work in OX */
void ox_init(struct sim *s);
bool ox_sees(const struct sim *s, unsigned user, int folder);
int ox_folder_by_id(const struct sim *s, unsigned user, enum content ct, const char *id);
void ox_exec(struct sim *s, const struct oxop *op, struct oxres *r);
void ox_person(struct sim *s);
void ox_folder_person(struct sim *s);
void ox_clock(struct sim *s, msec_t d);
void ox_settle(struct sim *s);
msec_t ox_new_time(struct sim *s, enum fkind kind);
bool ox_in_window(const struct sim *s, const struct client *c, const struct oxobj *o);

/* run.c */
/** io_step - called by every fake at each step of I/O: lets others run.  False: this node is dead, nothing may have an effect any more. */
bool io_step(struct sim *s);
bool node_dead(const struct sim *s);
/** sim_run - one history of EVENTS events from SEED, then quiet and all checks.  SKIP: bit set of events that are left out, or NULL.
 * NULL = fine, else what broke (static text). */
const char *sim_run(uint64_t seed, const struct variant *v, unsigned events, const unsigned char *skip, bool telling, struct figures *fig);

/* worlds.c */
struct sim_world { const char *name; struct variant v; };
extern const struct sim_world sim_worlds[];
extern const size_t sim_n_worlds;
/** sim_length - events of the history of SEED. */
unsigned sim_length(uint64_t seed);

/* client.c */
void client_init(struct sim *s, unsigned i);
void client_edit(struct sim *s, struct client *c);
struct creq *client_request(struct sim *s, struct client *c, int folder);
void creq_unref(struct creq *q);
bool client_busy(const struct client *c);
struct local *client_local(struct sim *s, struct client *c);
void client_drop(struct sim *s, struct client *c, struct local *l, bool typed_is_gone);
int client_folder_of(const struct client *c, const struct uuid *u);

/* answer.c */
void client_answer(struct sim *s, const struct creq *q, const struct task *t);

/* check.c */
int ox_folder_of(const struct sim *s, const struct client *c, int f);
const char *folder_name(const struct sim *s, const struct client *c, int f);
void world_check(struct sim *s);

#endif
