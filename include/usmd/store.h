/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * store - typed operations on PostgreSQL: accounts, devices, sessions, folder indexes, cursors, the writes log,
 * intents, conflicts.  One file an entity, one named prepared statement an operation.  The only home of libpq.
 *
 * A worker leases a connection for the whole of one request (it carries the folder lock), runs transactions on it
 * and gives it back.  All reads outside a transaction see committed data.  Rows and cursors live in the caller's arena.
 *
 * Errors that every function may give: RC_UPSTREAM PostgreSQL is away, refused or timed out and nothing was done (retry
 * later); RC_BUSY a serialization failure (inside a transaction: return it, store_txn repeats); RC_NOMEM; RC_INTERNAL.
 * Threads: a struct store may be used by all at once, a struct store_conn by its lessee only.
 */
#ifndef USMD_STORE_H
#define USMD_STORE_H

#include "usmd/sync.h"

struct store;
struct store_conn;

struct store_options {
	const char *conninfo;         /* libpq conninfo; multi-host strings give standby failover */
	const char *password;         /* NULL or "" = what conninfo says; copied by store_open, wiped by store_close */
	unsigned pool;                /* connections at most */
	unsigned statement_timeout_ms;
	unsigned lease_timeout_ms;    /* waiting for a free connection; then RC_BUSY */
	unsigned lock_timeout_ms;     /* waiting for a folder lock; then RC_BUSY; kept below statement_timeout_ms */
};

/**
 * store_open - connect once and check the schema's version.
 * @o  borrowed for the call.
 * Errors: RC_INTERNAL  the version differs (names `usmctl migrate`), or the server is there and refuses (password, database, too many connections),
 *                      or its certificate is not what conninfo wants (sslmode, sslrootcert)
 *         RC_UPSTREAM  no server answers, or it is still starting: worth another try
 */
MUST_CHECK enum rc store_open(const struct store_options *o, struct store **out, struct err *e);
/** store_close - all connections must have been released.  NULL is a no-op. */
void store_close(struct store *s);
/**
 * store_migrate - apply the patches of SQL_DIR (NNNN-title.sql, from 0000 without a gap) that the database lacks, in
 * order, each in its own transaction; NAMES (or NULL) gets a line each, also when a later one fails.  COUNT: they are only named.
 * PASSWORD as in struct store_options.  Two at once: the second waits and finds nothing to do.
 * Errors: RC_NOTFOUND no patches there; RC_INTERNAL a gap, a database newer than SQL_DIR, or a patch that fails (named).
 */
MUST_CHECK enum rc store_migrate(const char *conninfo, const char *password, const char *sql_dir, bool count, struct buf *names, struct err *e);
/** store_check - lease and one trivial statement: is the database there? for /health. */
MUST_CHECK enum rc store_check(struct store *s, struct err *e);

/** What store_listen hears; all run on its thread and must be short. */
struct store_ear {
	void (*on_topic)(void *arg, uint64_t topic); /* another node's notification */
	void (*on_claim)(void *arg, uint64_t name, uint64_t ticket, bool own); /* OWN: this node's notification */
	void (*on_gap)(void *arg); /* some may have been missed: wake everybody */
	void *arg;
	unsigned retry_ms;         /* after a failure no new attempt for this long */
	unsigned call_ms;          /* a node that does not hear Redis says so this often, 0 = 10 s; the same at all nodes */
};
/**
 * store_listen - hear through PostgreSQL (LISTEN, NOTIFY) what other nodes changed and Redis does not carry, until store_close: one
 * thread and one connection besides the pool, made again for ever, to whichever host of conninfo takes writes.  One a store.
 * The connection must be a session of its own: a pooler that lends one for each transaction delivers nothing.
 *
 * @ear    copied
 * Errors:  RC_NOMEM, RC_INTERNAL (second call).   Blocking: never.
 */
MUST_CHECK enum rc store_listen(struct store *s, const struct store_ear *ear, struct err *e);
/**
 * store_notify - TOPIC changed, committed; CARRIED: Redis has taken it, so it is notified only if some node does not hear Redis.
 * Sent by the thread of store_listen (without it: not at all), many in one; an atomic load where there is nothing to do.
 * Threads: any.   Blocking: never.
 */
void store_notify(struct store *s, uint64_t topic, bool carried);
/**
 * store_notify_claim - to all nodes, this one too: the waiter with TICKET has claimed NAME (hub_claim).  As store_notify, but claims are
 * heard in one order, and where more of them wait than can be kept they are lost: older waits then last until their heartbeat.
 */
void store_notify_claim(struct store *s, uint64_t name, uint64_t ticket, bool carried);
/** store_notify_need - does this node not hear Redis (any more)?  The others are told, and everybody is woken once they notify. */
void store_notify_need(struct store *s, bool need);

/** store_lease - a connection for this thread, made or replaced when needed. RC_BUSY after lease_timeout_ms: all are in use. */
MUST_CHECK enum rc store_lease(struct store *s, struct store_conn **out, struct err *e);
/** store_release - give back; an open transaction is rolled back, held locks are released, a broken connection is replaced later. */
void store_release(struct store_conn *c);

/**
 * store_txn - run FN in a REPEATABLE READ transaction and commit; FN and commit are repeated (bounded, with jitter) on
 * serialization failure or deadlock, so FN must have no effect but on the connection and on ARG, which it resets at its beginning.
 * Any rc but RC_OK from FN rolls back and is returned.
 *
 * A struct that an operation changes (store_folder_save raises f->fence, store_cursor_put sets seq) must be a copy made at the
 * beginning of FN and copied back at its end: a repeated FN would otherwise start from the first attempt's values.
 * Errors: RC_BUSY all 8 attempts clashed; RC_TIMEOUT the connection was lost during commit: the outcome is unknown.
 */
typedef enum rc (*store_fn)(struct store_conn *c, void *arg, struct err *e);
MUST_CHECK enum rc store_txn(struct store_conn *c, store_fn fn, void *arg, struct err *e);

/**
 * store_lock - the lock of a folder index, across nodes, without writing a row (session advisory lock on this connection);
 * lost silently with the connection, which is why every merge checks the fence.  RC_BUSY after lock_timeout_ms.
 * Workers of this process wait inside the process.  A connection may hold 4; who takes two takes the smaller number first.
 */
MUST_CHECK enum rc store_lock(struct store_conn *c, int64_t folder, struct err *e);
/**
 * store_clock - the time of PostgreSQL's clock in ms, which all nodes share: for what one node notes and another compares (how long ago something was
 * sent to OX).  As told with the last folder lock or connection, carried on by a clock that nobody sets: a jump of this machine's time does not matter.
 * Threads: any; after the first lease.
 */
msec_t store_clock(const struct store *s);
/** store_unlock - does nothing where C does not hold it (any more). */
void store_unlock(struct store_conn *c, int64_t folder);

/* ---- accounts, devices, sessions ---- */
/** store_account_open - number of the account (context, user), made when new. */
MUST_CHECK enum rc store_account_open(struct store_conn *c, int64_t context_id, int64_t user_id, int64_t *account, struct err *e);
enum device_state { DEVICE_ALLOWED, DEVICE_QUARANTINED /* until an administrator allows it */, DEVICE_BLOCKED };
struct store_device {
	int64_t id, account;
	char *name;          /* as the client calls itself, <= 64 bytes of [A-Za-z0-9._-] */
	char *config;        /* JSON text of setConfig, "{}" when none */
	enum device_state state;
	char *agent;         /* User-Agent of the last login */
};
/** What holds for a device that logs in. */
struct store_device_rule {
	size_t max;          /* devices of an account, 0 = any number */
	bool quarantine;     /* new ones wait until they are allowed */
	const char *agent;   /* at most 200 bytes of printable ASCII */
};
/** store_device_login - as store_device_open; notes the agent.  RC_LIMIT: it would be new, and the account has rule->max already. */
MUST_CHECK enum rc store_device_login(struct store_conn *c, struct arena *a, int64_t account, const char *name, const struct store_device_rule *rule,
    struct store_device *out, struct err *e);
/** store_device_open - device NAME of ACCOUNT, made when new; OUT's texts are in A.  store_device_config - replaces its config. */
MUST_CHECK enum rc store_device_open(struct store_conn *c, struct arena *a, int64_t account, const char *name, struct store_device *out, struct err *e);
MUST_CHECK enum rc store_device_config(struct store_conn *c, int64_t device, const char *config, struct err *e);
struct store_session {
	int64_t account, device, context_id, user_id;
	msec_t expires;
	char *device_name, *config;
};
/**
 * store_session_put, _get, _delete - sessions are kept under the SHA-256 of their token; the token itself is never stored.
 * Errors of _get: RC_NOTFOUND, also when it has expired; its texts are in A.
 */
MUST_CHECK enum rc store_session_put(struct store_conn *c, const unsigned char hash[32], int64_t account, int64_t device, msec_t expires, struct err *e);
/** store_session_trim - of DEVICE's sessions the KEEP newest stay; hashes of at most MAX that ended into HASH, *N of them (the rest at the next call). */
MUST_CHECK enum rc store_session_trim(struct store_conn *c, int64_t device, size_t keep, unsigned char (*hash)[32], size_t max, size_t *n, struct err *e);
MUST_CHECK enum rc store_session_get(struct store_conn *c, struct arena *a, const unsigned char hash[32], struct store_session *out, struct err *e);
MUST_CHECK enum rc store_session_delete(struct store_conn *c, const unsigned char hash[32], struct err *e);
/** store_session_delete_others - all sessions of ACCOUNT but KEEP; their hashes, 32 octets each, in A. */
MUST_CHECK enum rc store_session_delete_others(struct store_conn *c, struct arena *a, int64_t account, const unsigned char keep[32], unsigned char (**hashes)[32],
    size_t *n, struct err *e);
/**
 * store_expire - delete what nobody needs any more, a bounded piece a call (call it every few minutes): expired sessions and
 * conflicts; cursors, writes and intents of devices without session that did not log in for TOMBSTONE_MS; tombstones
 * that are older than TOMBSTONE_MS (at most twice as old) and settled in all cursors of their folder.
 */
MUST_CHECK enum rc store_expire(struct store_conn *c, msec_t now, msec_t tombstone_ms, struct err *e);

/**
 * store_expire_unused - devices that had no session since DEVICE_BEFORE go with all that is kept of them, and with the last device of an account
 * the account, unless conflicts or journal entries of it are still kept; records of what administrators did before AUDIT_BEFORE.
 * Blocked devices stay, or they would come back as new ones.  100 devices at most.   0 = nothing of that kind.
 */
MUST_CHECK enum rc store_expire_unused(struct store_conn *c, msec_t device_before, msec_t audit_before, struct err *e);

/* ---- networks of clients through which waits die (usmd.path) ---- */
struct store_path {
	char net[64];            /* 192.0.2.0/24 */
	unsigned cut_s, safe_s, seen;
	msec_t since, last;
};
/** store_paths_get - all of them, 10,000 at most, in A. */
MUST_CHECK enum rc store_paths_get(struct store_conn *c, struct arena *a, struct store_path **out, size_t *n, struct err *e);
/** store_path_put - made or replaced. */
MUST_CHECK enum rc store_path_put(struct store_conn *c, const struct store_path *x, struct err *e);
/** store_path_drop - RC_OK also when it was not there. */
MUST_CHECK enum rc store_path_drop(struct store_conn *c, const char *net, struct err *e);

/* ---- folder indexes ---- */
struct store_folder {
	int64_t id;          /* number of the index; 0 = not there */
	enum content ct;
	char *oxid;
	uint64_t epoch;      /* random, new with every (re)creation of the index */
	uint64_t cn;
	uint64_t fence;      /* +1 with every saved merge */
	bool init;           /* a complete listing was merged */
	msec_t ox_ts;        /* stored OX timestamp: never moves back, never from a write's echo */
	msec_t seen_at;      /* when `updates` or a listing last was asked and SAVED (coarse: an unchanged refresh writes nothing) */
	msec_t listed_at;    /* last complete listing */
	int64_t live;        /* rows that are no tombstones; -1 = not known: store_rows_count tells */
	/* mail only */
	uint64_t validity, uidnext;
	int64_t total, unread;
};
/** store_folder_open - index of (account, ct, oxid); CREATE makes it (epoch from EPOCH). RC_NOTFOUND. */
MUST_CHECK enum rc store_folder_open(struct store_conn *c, struct arena *a, int64_t account, enum content ct, const char *oxid, bool create, uint64_t epoch,
    struct store_folder *out, struct err *e);
/** How new an index is. */
struct store_version {
	int64_t folder;
	uint64_t epoch, cn;
	bool there; /* false: dropped */
};
/** store_folder_versions - of the indexes v[i].folder, each named once, in one statement. */
MUST_CHECK enum rc store_folder_versions(struct store_conn *c, struct store_version *v, size_t n, struct err *e);
/** store_folder_save - everything of F where its fence is still F->fence, which it raises; RC_CONFLICT when somebody else was faster. */
MUST_CHECK enum rc store_folder_save(struct store_conn *c, struct store_folder *f, struct err *e);
/** store_folder_reset - UIDVALIDITY changed: drop all rows, new epoch, cn 0, not init. Same fence rule. */
MUST_CHECK enum rc store_folder_reset(struct store_conn *c, struct store_folder *f, uint64_t epoch, struct err *e);
/** store_folder_drop - the folder is gone: index, cursors, writes (intents and conflicts stay). */
MUST_CHECK enum rc store_folder_drop(struct store_conn *c, int64_t folder, struct err *e);
/** store_folder_relist - the next refresh makes a complete listing; raises the fence, so that a merge under way cannot undo it. */
MUST_CHECK enum rc store_folder_relist(struct store_conn *c, int64_t folder, struct err *e);

/** store_rows_get - the rows with these IDS (each given once), in no particular order; unknown ids are left out. */
MUST_CHECK enum rc store_rows_get(struct store_conn *c, struct arena *a, const struct store_folder *f, const int64_t *ids, size_t n, struct row ***rows, size_t *n_rows, struct err *e);
/** store_rows_since, store_rows_below - what struct row_source (sync.h) asks for; each costs the rows that it returns and at most 63 neighbours. */
MUST_CHECK enum rc store_rows_since(struct store_conn *c, struct arena *a, const struct store_folder *f, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e);
MUST_CHECK enum rc store_rows_below(struct store_conn *c, struct arena *a, const struct store_folder *f, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e);
/** store_rows_moved - live rows inside exactly one of the two windows, ascending by id. */
MUST_CHECK enum rc store_rows_moved(struct store_conn *c, struct arena *a, const struct store_folder *f, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e);
/** store_rows_all - every row, ascending by id; LIVE_ONLY leaves tombstones out. */
MUST_CHECK enum rc store_rows_all(struct store_conn *c, struct arena *a, const struct store_folder *f, bool live_only, struct row ***rows, size_t *n, struct err *e);
/** store_rows_by_client_id - rows whose client_id is CLIENT_ID ("<device>/<clientId>"), live ones first, then by id. */
MUST_CHECK enum rc store_rows_by_client_id(struct store_conn *c, struct arena *a, const struct store_folder *f, const char *client_id, struct row ***rows, size_t *n, struct err *e);
/**
 * store_rows_put - insert or replace N rows, each id once.  Only in a transaction with store_folder_save of the same folder,
 * whose fence is what keeps two writers from adding the same mail.  10,000 new rows take about 50 ms.
 */
MUST_CHECK enum rc store_rows_put(struct store_conn *c, const struct store_folder *f, struct row *const *rows, size_t n, struct err *e);
/** store_rows_count - number of live rows, where f->live does not tell; reads the whole index. */
MUST_CHECK enum rc store_rows_count(struct store_conn *c, const struct store_folder *f, size_t *live, struct err *e);

/* ---- cursors ---- */
struct syncid { unsigned char b[16]; };
struct store_cursor {
	struct syncid syncid;
	uint64_t seq;        /* order in which syncids of this device and folder were handed out */
	uint64_t k;          /* highest request number that carried changes with it */
	bool more;           /* it was handed out with `more` */
	struct cursor c;
};
/** store_cursor_get - RC_NOTFOUND = unknown syncid: the client must reconcile. */
MUST_CHECK enum rc store_cursor_get(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, const struct syncid *s, struct store_cursor *out, struct err *e);
/** store_cursor_use - note K (when > 0), and acknowledge: drop cursors with a smaller seq, writes with seq <= this, finished intents likewise. Writes nothing when there is nothing to drop. */
MUST_CHECK enum rc store_cursor_use(struct store_conn *c, int64_t device, int64_t folder, const struct store_cursor *cur, uint64_t k, struct err *e);
/** store_cursor_put - add CUR with the next seq (set in it), then keep only the newest MAX_CHILDREN of those with seq > PARENT_SEQ. */
MUST_CHECK enum rc store_cursor_put(struct store_conn *c, int64_t device, int64_t folder, uint64_t parent_seq, unsigned max_children, struct store_cursor *cur, struct err *e);
/** store_cursor_children - cursors with seq > PARENT_SEQ (for handing out an equal one again). */
MUST_CHECK enum rc store_cursor_children(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, uint64_t parent_seq, struct store_cursor **out, size_t *n, struct err *e);
/** store_cursor_syncids - of all cursors of DEVICE, in any order. */
MUST_CHECK enum rc store_cursor_syncids(struct store_conn *c, struct arena *a, int64_t device, struct syncid **out, size_t *n, struct err *e);
/** store_cursor_next_seq - the seq that the next store_cursor_put will give (read under the folder lock). */
MUST_CHECK enum rc store_cursor_next_seq(struct store_conn *c, int64_t device, int64_t folder, uint64_t *seq, struct err *e);

/* ---- the writes log and intents ---- */
/** store_writes_get - what DEVICE wrote in FOLDER and has not acknowledged, ascending by wid. */
MUST_CHECK enum rc store_writes_get(struct store_conn *c, struct arena *a, int64_t device, int64_t folder, struct write_entry **out, size_t *n, struct err *e);
/** store_write_add - *w->wid is set. store_write_save - all of W. store_write_delete - withdraw. */
MUST_CHECK enum rc store_write_add(struct store_conn *c, int64_t device, int64_t folder, struct write_entry *w, struct err *e);
MUST_CHECK enum rc store_write_save(struct store_conn *c, const struct write_entry *w, struct err *e);
MUST_CHECK enum rc store_write_delete(struct store_conn *c, int64_t wid, struct err *e);
/** store_intent_get - intents are kept by device and clientId, with the folder they were made for.  RC_NOTFOUND.  _put - insert or replace. */
MUST_CHECK enum rc store_intent_get(struct store_conn *c, struct arena *a, int64_t device, const char *client_id, int64_t *folder, struct intent *out, struct err *e);
MUST_CHECK enum rc store_intent_put(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *i, struct err *e);
/**
 * store_intent_claim - as put, where CLIENT_ID is new or still as WAS says (state, at and id_known; NULL = there was none): of two who read the
 * same, one wins.  The folder lock keeps a second one away, but it goes with its connection.
 */
MUST_CHECK enum rc store_intent_claim(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *i,
    const struct intent *was, bool *won, struct err *e);
/** store_intent_told - the answer SEQ tells the device what became of it; nothing where it is not known any more. */
MUST_CHECK enum rc store_intent_told(struct store_conn *c, int64_t device, const char *client_id, uint64_t seq, struct err *e);

/* ---- what was done with mails ---- */

enum mail_op_state { MAIL_OP_PENDING, MAIL_OP_DONE, MAIL_OP_FINISHED /* and what follows from it, too */, MAIL_OP_NOT_DONE };
/** A mail that was, or was about to be, sent, stored, copied, moved or replaced. */
struct mail_op {
	enum mail_op_state state;
	msec_t at;             /* when it was last sent to OX */
	msec_t expires;
	uint64_t place;        /* tag of the folder where the result lies, 0 = none */
	uint64_t validity;     /* that folder's UIDVALIDITY */
	int64_t mail;          /* pending: the lowest uid that the result can have; done: its uid, 0 = not known or none */
	uint64_t mark;         /* keyed hash of what the mail is recognised by */
	uint64_t digest;       /* keyed hash of its octets, or 0 */
};
/** store_mailop_get - RC_NOTFOUND.  store_mailop_put - insert or replace; its caller holds a lock that keeps others from it. */
MUST_CHECK enum rc store_mailop_get(struct store_conn *c, int64_t device, const char *key, struct mail_op *out, struct err *e);
MUST_CHECK enum rc store_mailop_put(struct store_conn *c, int64_t device, const char *key, const struct mail_op *o, struct err *e);
/** store_mailop_claim - as put, where KEY is new or still as WAS says (state and at): of two who read the same, one wins. */
MUST_CHECK enum rc store_mailop_claim(struct store_conn *c, int64_t device, const char *key, const struct mail_op *o, const struct mail_op *was, bool *won,
    struct err *e);

/* ---- conflicts ---- */
struct store_conflict {
	int64_t id, account, device;
	enum content ct;
	struct uuid uuid;
	msec_t at, expires;
	unsigned char digest[32]; /* keyed digest (hmac_sha256) of the plain losing values, given by the caller: tells equal ones */
	const void *sealed; /* encrypted losing values; the store never sees them plain; empty once it is settled */
	size_t sealed_len;
	/* as read: */
	const char *device_name; /* "" = the device is not known any more */
	msec_t done;             /* when it was settled, 0 = open */
	bool restored;           /* settled by writing its values: the object RESULT has them.  Else dismissed */
	struct uuid result;
};
/** store_conflict_add - sets X->id; one with the same account, uuid and digest is not added twice, and is open again when it was settled. */
MUST_CHECK enum rc store_conflict_add(struct store_conn *c, struct store_conflict *x, struct err *e);
/** store_conflict_list - open ones that have not expired at NOW, with ids below BEFORE, highest first. */
MUST_CHECK enum rc store_conflict_list(struct store_conn *c, struct arena *a, int64_t account, int64_t before, msec_t now, size_t max,
    struct store_conflict **out, size_t *n, struct err *e);
/** store_conflict_get - one of ACCOUNT, settled ones as well.  RC_NOTFOUND. */
MUST_CHECK enum rc store_conflict_get(struct store_conn *c, struct arena *a, int64_t account, int64_t id, msec_t now, struct store_conflict *out, struct err *e);
/** store_conflict_settle - forget the values: restored as RESULT, NULL = dismissed.  One that is settled stays as it is. */
MUST_CHECK enum rc store_conflict_settle(struct store_conn *c, int64_t account, int64_t id, const struct uuid *result, msec_t now, struct err *e);

/* ---- objects that are set aside ---- */
struct store_aside {
	int64_t device;      /* that could not store it; 0 = OX cannot deliver it */
	int64_t id;          /* of the object */
	int64_t version;     /* device: cn of the row that it refused; OX: last_modified as listed, 0 = not known */
	msec_t since, next_try;
	unsigned tries;
	const char *reason;  /* at most 200 characters */
};
/** store_aside_get - those of DEVICE in FOLDER, and those that OX cannot deliver; 10,000 at most. */
MUST_CHECK enum rc store_aside_get(struct store_conn *c, struct arena *a, int64_t folder, int64_t device, struct store_aside **out, size_t *n, struct err *e);
/** store_aside_put - insert or replace (since stays). */
MUST_CHECK enum rc store_aside_put(struct store_conn *c, int64_t folder, const struct store_aside *x, struct err *e);
/** store_aside_drop - it can be delivered, or is gone; one that is not there is no error. */
MUST_CHECK enum rc store_aside_drop(struct store_conn *c, int64_t folder, int64_t device, int64_t id, struct err *e);

/* ---- the journal: what devices overwrote and deleted ---- */

enum journal_op { JOURNAL_CHANGED = 1, JOURNAL_DELETED = 2 };
enum journal_state { JOURNAL_KEPT, JOURNAL_WANTED /* to be brought back */, JOURNAL_SENT /* being brought back */, JOURNAL_UNDONE, JOURNAL_FAILED, JOURNAL_STATES };
struct store_journal {
	int64_t id, account, device;
	int64_t object;          /* OX id */
	msec_t at, expires;
	msec_t tried;            /* when it was last begun to be brought back, 0 = never */
	uint64_t digest;         /* keyed hash of object, version and change: tells repeated requests */
	enum content ct;
	enum journal_op op;
	enum journal_state state;
	const char *place;       /* OX folder id */
	const char *note;        /* what became of bringing it back */
	struct write_field *f;   /* what was overwritten: fingerprints of the new values; none of a deletion */
	unsigned nf;
	const void *sealed;      /* values of before, encrypted; NULL = too large to be kept */
	size_t sealed_len;
};
/** store_journal_add - X->id is set, 0 when an equal entry of the device is there already.  store_journal_drop - what it notes was surely not done. */
MUST_CHECK enum rc store_journal_add(struct store_conn *c, struct store_journal *x, struct err *e);
MUST_CHECK enum rc store_journal_drop(struct store_conn *c, int64_t id, struct err *e);
/** store_journal_trim - of ACCOUNT's entries only the newest KEEP stay. */
MUST_CHECK enum rc store_journal_trim(struct store_conn *c, int64_t account, int64_t keep, struct err *e);
/** store_journal_list - of DEVICE since SINCE, oldest first and without what is sealed; FOLDER NULL = all; MAX at most. */
MUST_CHECK enum rc store_journal_list(struct store_conn *c, struct arena *a, int64_t device, msec_t since, const char *folder, size_t max,
    struct store_journal **out, size_t *n, struct err *e);
/** store_journal_want - the same entries are to be brought back, as far as they are kept (or could not be before); *n how many. */
MUST_CHECK enum rc store_journal_want(struct store_conn *c, int64_t device, msec_t since, const char *folder, size_t *n, struct err *e);
/** store_journal_accounts - MAX accounts at most that have entries (or created objects) to be dealt with. */
MUST_CHECK enum rc store_journal_accounts(struct store_conn *c, int64_t *out, size_t max, size_t *n, struct err *e);
/** store_journal_wanted - the entries of one object of ACCOUNT that are to be brought back and were not begun after BEFORE, newest first. */
MUST_CHECK enum rc store_journal_wanted(struct store_conn *c, struct arena *a, int64_t account, msec_t before, struct store_journal **out, size_t *n,
    struct err *e);
/** store_journal_claim - X is begun NOW, unless somebody else was faster (*won false). */
MUST_CHECK enum rc store_journal_claim(struct store_conn *c, const struct store_journal *x, msec_t now, bool *won, struct err *e);
MUST_CHECK enum rc store_journal_end(struct store_conn *c, int64_t id, enum journal_state state, const char *note, struct err *e);

/* ---- guards ---- */

enum guard_verdict { GUARD_NONE, GUARD_RELEASE, GUARD_REFUSE };
/** What a device deleted of a folder lately. */
struct store_guard {
	int64_t device, folder;
	msec_t at;               /* of the last deletion, or of what was held last */
	int64_t deleted;         /* as of AT; fades with time */
	int64_t held;            /* deletions of the last request that was held, 0 = none */
	msec_t held_at, until;   /* until: how long the verdict counts */
	enum guard_verdict verdict;
	const char *place;       /* of store_guard_held: OX folder id */
};
/** store_guard_get - RC_NOTFOUND = nothing was deleted lately.  store_guard_put - insert or replace all but the verdict, which only DONE takes back. */
MUST_CHECK enum rc store_guard_get(struct store_conn *c, int64_t device, int64_t folder, struct store_guard *out, struct err *e);
MUST_CHECK enum rc store_guard_put(struct store_conn *c, const struct store_guard *x, bool done, struct err *e);
/** store_guard_held - what of DEVICE is held.  store_guard_decide - an administrator's verdict on it, until UNTIL; FOLDER 0 = all; *n how many. */
MUST_CHECK enum rc store_guard_held(struct store_conn *c, struct arena *a, int64_t device, struct store_guard **out, size_t *n, struct err *e);
MUST_CHECK enum rc store_guard_decide(struct store_conn *c, int64_t device, int64_t folder, enum guard_verdict v, msec_t until, size_t *n, struct err *e);

/** An object that a device made. */
struct store_created {
	int64_t device, folder, object;
	uint64_t content;        /* keyed hash of the fields as they were sent */
	msec_t at;
	enum content ct;
	const char *place;       /* OX folder id */
};
MUST_CHECK enum rc store_created_add(struct store_conn *c, const struct store_created *x, struct err *e);
/** store_created_count - objects with X's content that X's device made in X's folder since SINCE; MAX at most are counted. */
MUST_CHECK enum rc store_created_count(struct store_conn *c, const struct store_created *x, msec_t since, size_t max, size_t *n, struct err *e);
/** store_created_list - of DEVICE, what it made LEAST times or more, equal ones together, oldest first; 10,000 at most. */
MUST_CHECK enum rc store_created_list(struct store_conn *c, struct arena *a, int64_t device, size_t least, struct store_created **out, size_t *n, struct err *e);
/** store_created_want - those, but for the first of each content, are to be removed; *n how many.  store_created_wanted - MAX of ACCOUNT's. */
MUST_CHECK enum rc store_created_want(struct store_conn *c, int64_t device, size_t least, size_t *n, struct err *e);
MUST_CHECK enum rc store_created_wanted(struct store_conn *c, struct arena *a, int64_t account, size_t max, struct store_created **out, size_t *n, struct err *e);
/** store_created_twin - the oldest object with X's content that is not itself to be removed.  RC_NOTFOUND. */
MUST_CHECK enum rc store_created_twin(struct store_conn *c, const struct store_created *x, int64_t *object, struct err *e);
MUST_CHECK enum rc store_created_drop(struct store_conn *c, const struct store_created *x, struct err *e);

/** A device by its name, for an administrator: one of each account that has one. */
struct store_named_device { int64_t device, account, context_id, user_id; };
/** store_device_find - devices NAME; CONTEXT_ID, USER_ID: of this user only, 0 = of any; MAX at most. */
MUST_CHECK enum rc store_device_find(struct store_conn *c, const char *name, int64_t context_id, int64_t user_id, struct store_named_device *out, size_t max,
    size_t *n, struct err *e);

/* ---- administration: what usmctl shows and does ---- */

/** A table as an administrator reads it. */
enum store_cell { CELL_NUMBER, CELL_TIME /* ms since the epoch, 0 = never */, CELL_TEXT, CELL_BOOL };
struct store_table {
	size_t n_columns, n_rows;
	const char **column;           /* names */
	enum store_cell *kind;         /* of each column */
	const char **cell;             /* n_rows * n_columns texts, NULL = not known */
};
enum store_list {
	LIST_ACCOUNTS, LIST_DEVICES, LIST_FOLDERS /* what devices have synchronised */, LIST_SESSIONS, LIST_ASIDE, LIST_CONFLICTS, LIST_AUDIT, LIST_STATS,
	LIST_REPORT /* counts that say nothing of persons */, LIST_KEPT /* what is kept of an account */
};
/** store_list - WHAT of ACCOUNT and DEVICE, 0 = of all (LIST_AUDIT, _STATS and _REPORT are always of all); 10,000 rows at most, in A. */
MUST_CHECK enum rc store_list(struct store_conn *c, struct arena *a, enum store_list what, int64_t account, int64_t device, struct store_table *out, struct err *e);

/** Why ACT_ASIDE_SKIP set something aside. */
#define STORE_SKIPPED "skipped by the administrator"
/** What a command is about. */
struct store_subject {
	int64_t account, device;       /* 0 = any device of the account (of set-aside objects: OX's) */
	int ct;                        /* content type, -1 = any */
	const char *folder;            /* OX id, "" = any */
	int64_t object;
	const char *session;           /* first digits of the session as LIST_SESSIONS shows it, "" = any */
	uint64_t wake;                 /* topic (engine_account_topic): who waits for it, at whatever node, looks again once it is done; 0 = nobody */
};
enum store_act {
	ACT_ALLOW, ACT_QUARANTINE, ACT_BLOCK, /* a device */
	ACT_SESSIONS,                  /* ended */
	ACT_RESYNC,                    /* cursors are forgotten, so that the clients reconcile, and the folders are listed anew */
	ACT_ASIDE_RETRY,               /* objects that are set aside are tried again */
	ACT_ASIDE_SKIP,                /* OBJECT of one folder is set aside for DEVICE */
	ACT_DEVICE_REMOVE,             /* the device and what is kept of it */
	ACT_FORGET,                    /* the account and all that is kept of it */
	ACT_COUNT
};
/** Who did what, for the audit. */
struct store_record {
	int64_t by_uid;
	const char *command;           /* 60 octets at most */
	const char *target;            /* 300 at most: numbers and names of devices only */
	bool count;                    /* nothing is done, it is only found out how many it would concern, and there is no record */
};
/** Changes something on C, *n how many rows; rolled back when the record says COUNT.  As every FN of store_txn it may run more than once. */
typedef enum rc (*store_change)(struct store_conn *c, void *arg, size_t *n, struct err *e);
/** store_recorded - CHANGE and the record of it in one transaction. */
MUST_CHECK enum rc store_recorded(struct store_conn *c, const struct store_record *r, store_change change, void *arg, size_t *n, struct err *e);
/** store_act - do WHAT to S; *n is how many rows that concerned.  As store_recorded. */
MUST_CHECK enum rc store_act(struct store_conn *c, enum store_act what, const struct store_subject *s, const struct store_record *r, size_t *n, struct err *e);
/** store_audit - the record alone, of what was done otherwise. */
MUST_CHECK enum rc store_audit(struct store_conn *c, int64_t by_uid, const char *command, const char *target, size_t n, struct err *e);
/** store_account_find - RC_NOTFOUND = this user never logged in, or was forgotten. */
MUST_CHECK enum rc store_account_find(struct store_conn *c, int64_t context_id, int64_t user_id, int64_t *account, struct err *e);
/** store_device_ids - numbers of ACCOUNT's devices, in A. */
MUST_CHECK enum rc store_device_ids(struct store_conn *c, struct arena *a, int64_t account, int64_t **out, size_t *n, struct err *e);
/** store_was_forgotten - has an administrator had the user forgotten (ACT_FORGET by the command "forget"), at SINCE or later?  As long as audit_keep. */
MUST_CHECK enum rc store_was_forgotten(struct store_conn *c, int64_t context_id, int64_t user_id, msec_t since, bool *yes, struct err *e);
/** store_session_hashes - of ACCOUNT's (and DEVICE's, 0 = any) sessions, 32 bytes each, in A. */
MUST_CHECK enum rc store_session_hashes(struct store_conn *c, struct arena *a, int64_t account, int64_t device, unsigned char (**out)[32], size_t *n, struct err *e);

/** store_account_syncids - of all cursors of ACCOUNT's devices (DEVICE 0 = all), 100,000 at most, in A. */
MUST_CHECK enum rc store_account_syncids(struct store_conn *c, struct arena *a, int64_t account, int64_t device, struct syncid **out, size_t *n, struct err *e);

/** A device as `explain` looks at it. */
struct store_device_info {
	struct store_device d;
	int64_t context_id, user_id;
	msec_t seen_at;                /* last login */
	msec_t state_at, expires;      /* expires: of its last session, 0 = not logged in */
};
/** store_device_info - RC_NOTFOUND. */
MUST_CHECK enum rc store_device_info(struct store_conn *c, struct arena *a, int64_t device, struct store_device_info *out, struct err *e);
/** store_folders_of - all folder indexes of ACCOUNT, 10,000 at most. */
MUST_CHECK enum rc store_folders_of(struct store_conn *c, struct arena *a, int64_t account, struct store_folder **out, size_t *n, struct err *e);
/** What happened to an object: by which device, when. */
struct store_event { msec_t at; const char *device; int64_t what; };
/** store_object_journal - WHAT is enum journal_op; store_object_conflicts - WHAT is 1 while the conflict is open.  Newest first, 20 at most. */
MUST_CHECK enum rc store_object_journal(struct store_conn *c, struct arena *a, int64_t account, enum content ct, const char *folder, int64_t object,
    struct store_event **out, size_t *n, struct err *e);
MUST_CHECK enum rc store_object_conflicts(struct store_conn *c, struct arena *a, int64_t account, const struct uuid *u, struct store_event **out, size_t *n,
    struct err *e);
/* ---- sealed records by their keys ---- */
enum store_sealed_kind { SEALED_CONFLICT, SEALED_JOURNAL };
struct store_sealed {
	int64_t id, account;
	const void *p;
	size_t len;
};
struct store_sealed_key {
	unsigned char id[KEY_ID_BYTES];
	int64_t records;
};
/** store_sealed_others - at most MAX records, in A, that another key than KEY has sealed and whose id is above AFTER, in order of their ids. */
MUST_CHECK enum rc store_sealed_others(struct store_conn *c, struct arena *a, enum store_sealed_kind kind, const unsigned char key[KEY_ID_BYTES], int64_t after,
    size_t max, struct store_sealed **out, size_t *n, struct err *e);
/** store_sealed_put - SEALED takes the place of what X says; nothing happens when that has changed or gone. */
MUST_CHECK enum rc store_sealed_put(struct store_conn *c, enum store_sealed_kind kind, const struct store_sealed *x, const void *sealed, size_t len, struct err *e);
/** store_sealed_keys - which keys have sealed how many records: *N of them in OUT, at most MAX. */
MUST_CHECK enum rc store_sealed_keys(struct store_conn *c, struct store_sealed_key *out, size_t max, size_t *n, struct err *e);

#endif
