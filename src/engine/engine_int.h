/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of the engine share: the engine itself, accounts and sessions of this node, one running operation. */
#ifndef USMD_ENGINE_INT_H
#define USMD_ENGINE_INT_H

#include <pthread.h>

#include "usmd/engine.h"

#define DAY_MS INT64_C(86400000)
#define OX_CATEGORY_ERROR 8 /* "error": OX itself failed (ox-http-api.md 1.3) */
#define SESSION_BUCKETS 4096
#define ACCOUNT_BUCKETS 1024
#define THROTTLE_SLOTS 4096

/** An account with an OX session on this node; shared by the client sessions of all its devices. */
struct account {
	struct account *next;    /* chain of the bucket */
	int64_t context, user;
	struct ox_session *ox;   /* under engine.lock; use account_ox() */
	unsigned sessions;       /* client sessions on this node; 0 = log out of OX and free */
	uint64_t hier_tag;       /* place tag of the hierarchy */
};

/** A client session that this node knows; under engine.lock. */
struct node_session {
	struct node_session *next;
	unsigned char hash[32];  /* SHA-256 of the token: its key everywhere */
	int64_t account_id, device_id;
	char device[65];
	char owner[90];          /* "<OX user>.<device>": makes uids; users who share a folder may well name their devices alike */
	struct account *account;
	struct device_config config;
	uint64_t config_hash;    /* of the text that it was read from */
	msec_t expires;
	unsigned refs;           /* table + handles */
	bool dead;               /* logged out or expired: not in the table any more */
};

struct engine_session {
	struct engine *g;
	struct node_session *n;
	struct ox_session *ox;   /* own reference for the request */
};

/** Who has failed to log in (throttle.c); times are steady_ms. */
enum throttle_kind { THROTTLE_DEVICE, THROTTLE_USER, THROTTLE_ADDRESS, THROTTLE_KINDS };
struct throttle {
	uint64_t key;            /* 0 = free */
	uint64_t word;           /* of a device: keyed hash of the password that failed last, 0 = none */
	msec_t last, until;      /* when it failed last; when its block ends */
	unsigned failed, rounds; /* failures; blocks so far */
	unsigned pending;        /* attempts that OX is being asked about */
};
/** One attempt to log in. */
struct throttle_try {
	uint64_t key[THROTTLE_KINDS], word;
};

/** Requests of a device: those that it may make at once, and when that was so. */
struct flood {
	int64_t device;
	double left;
	int64_t at_us;
	bool waiting;            /* a request of it is being slowed down */
	int64_t told_minute;     /* when it was logged last */
};

/** How often a syncid was used. */
struct stuck {
	uint64_t key;
	unsigned n;
};

/** Up to which of OX's stamps nothing that is not known can become visible any more (settled.c). */
struct settled {
	int64_t folder;          /* store_folder.id */
	uint64_t epoch, cn;      /* of the index when it agreed with OX last */
	msec_t upto;             /* 0 = no stamp yet */
	msec_t next;             /* becomes upto with a look that is long enough after next_us, 0 = none */
	int64_t next_us;
};

#define SETTLED_SLOTS 2048
#define FLOOD_SLOTS 4096
#define STUCK_SLOTS 4096

struct engine {
	struct engine_options o;
	msec_t started;                      /* by store_clock. F9: no intent counts as older than this */
	struct model_keys *keys;
	pthread_rwlock_t ring_lock;          /* the next two */
	struct keyring ring;
	bool ring_new;                       /* since care looked at it */
	unsigned char digest_key[KEY_BYTES]; /* of equal losing values */
	unsigned char topic_key[16];
	struct store *store;
	struct cache *cache;
	struct backend *backend;
	struct hub *hub;
	struct principals *principals;       /* names of users and groups */
	struct resync *resync;               /* who loads large folders; has a lock of its own */
	struct paths *paths;                 /* where waits die; has a lock of its own */

	pthread_mutex_t lock;                /* everything below */
	struct node_session *session[SESSION_BUCKETS];
	struct account *account[ACCOUNT_BUCKETS];
	struct throttle throttle[THROTTLE_SLOTS];
	struct flood flood[FLOOD_SLOTS];
	struct stuck stuck[STUCK_SLOTS];
	struct settled settled[SETTLED_SLOTS];
	unsigned slowed;                     /* requests that are being slowed down */
	pthread_cond_t care_wake;
	pthread_t care;
	bool caring, stop;
	struct poll *poll;                   /* who waits for what, and the threads that ask OX; has a lock of its own; NULL before engine_start */
};

/** A folder that an operation works on, and its index as read under the lock. */
struct target {
	struct store_folder f;
	enum content ct;
	const char *oxid;   /* OX folder id; "hierarchy" for the hierarchy */
	uint64_t topic;     /* of the hub: equal for every reader of a shared folder */
	bool shared;        /* another user's private folder */
	uint64_t tag;       /* for uuids of its objects: the topic; of mail with the UIDVALIDITY, since uids begin anew with each */
};

/** An object whose content this operation has at hand; valid for the row version LM/cn it was merged with. */
struct stash {
	struct object **o;
	size_t n, cap;
	struct imap *by_id; /* id -> index in o */
};

/** What a client sent for an object that was (or is to be) answered in full. */
struct touched {
	int64_t id;
	unsigned nf;
	struct change_field *f; /* as sent, ascending; later changes of the same request win */
};

struct mail_place;

struct op {
	struct engine *g;
	struct engine_session *s;
	struct arena *a;
	struct store_conn *c;
	struct target t;
	struct stash stash;
	struct object **folders;      /* content of the hierarchy, when read in this operation */
	size_t n_folders;
	bool locked;
	msec_t w0, w1;                /* today's window */
	enum folder_mode mode;        /* of the folder at this device, and the fields that it does not get */
	struct fmask hidden;
	struct store_cursor cur;      /* the client's; c.epoch 0 for init and reconcile */
	uint64_t next_seq;
	struct folder_ref ref;        /* what T is, as the client names it */
	struct ox_digest digest;      /* of OX's answer that the index agrees with, asked for since digest_since */
	msec_t digest_since;
	msec_t alive_ts;              /* contacts: a last_modified that the folder surely still holds, 0 = not known (see refresh_updates) */
	msec_t refreshed_at;          /* when OX was asked in this operation, 0 = it was not */
	struct sync_request *req;
	struct sync_answer *out;
	struct write_entry *writes;   /* log of this device and folder */
	size_t n_writes;
	struct imap *touched_at;      /* id -> index in touched */
	struct touched *touched;
	size_t n_touched, cap_touched;
	struct imap *forced;          /* id -> enum sync_kind (PUT or DEL) */
	int64_t *forced_id;
	size_t n_forced, cap_forced;
	const char **intents;         /* clientIds whose intents were written in this operation */
	size_t n_intents, cap_intents;
	struct imap *now_at;          /* id -> index in now: rows as merged in this operation */
	struct row **now;
	size_t n_now, cap_now;
	struct store_aside *aside;    /* objects that are set aside, once they were asked for */
	size_t n_aside;
	struct imap *aside_of[2];     /* id -> index in aside: by OX, by this device */
	uint64_t cn_at_start;         /* to see whether others have to be woken */
	struct mail_place *move_to;          /* mail: where changes of this request were moved last */
	struct imap *broken;          /* ids whose content OX fails to give */
	int64_t made_id;              /* mail: the one that this client is known to have made, and its name as rows carry it; OX keeps none */
	const char *made_key;
	struct imap *before_at;       /* id -> index in before: objects as OX held them before this operation's changes */
	struct object **before;
	size_t n_before, cap_before;
	struct store_guard guard;     /* deletions of this device here, when the request has some */
	bool guarded;                 /* GUARD was read */
	enum { DELETIONS_PASS, DELETIONS_HELD, DELETIONS_BACK } deletions;
	size_t n_deleted;             /* objects that this request deleted */
	bool unreadable;              /* OX refuses to show the folder, which is nevertheless there: one may only put something into it */
	bool wrote;                   /* some row or folder head was saved */
	bool resync_place;            /* it has a place of resync_budget */
	bool unlogged;                /* its writes are not told by this answer: for every device, this one too, they are somebody else's */
};

/* session.c */
/** hierarchy_tag - place tag of a user's folder hierarchy. */
uint64_t hierarchy_tag(const struct engine *g, int64_t context, int64_t user);
/** session_dup - a second handle on the same session, with the account's present OX session; NULL = out of memory. */
struct engine_session *session_dup(struct engine_session *s);
/** session_renew - S gets the account's present OX session, which is another one after a login with another password. */
void session_renew(struct engine_session *s);
#define PASSWORD_NAME 72
/** password_cache_name - of the sealed password of the session HASH. */
void password_cache_name(const unsigned char hash[32], char *out, size_t size);
enum rc session_verify(struct engine_session *s, struct store_conn *c, struct err *e);
/** hierarchy_tag - place tag of USER's hierarchy. */
uint64_t hierarchy_tag(const struct engine *g, int64_t context, int64_t user);
/** session_remove_others - this node forgets all other sessions of the account of S; how many it knew. */
size_t session_remove_others(struct engine_session *s);
/** password_remember - USER and PASSWORD into the cache, sealed for who has TOKEN.  password_forget - out of it. */
void password_remember(struct engine *g, const char *token, const unsigned char hash[32], const char *user, const char *password);
void password_forget(struct engine *g, const unsigned char hash[32]);
void session_forget_all(struct engine *g);
void session_sweep(struct engine *g);
/** session_of_account - a handle on some live session of ACCOUNT at this node, the caller's to engine_session_close; NULL = nobody is logged in here. */
struct engine_session *session_of_account(struct engine *g, int64_t account);

/* config.c */
void config_fini(struct device_config *c);
void config_load_locked(struct engine *g, struct node_session *n, const char *text);
/** config_of_text - the settings TEXT of a device, the server's defaults where it has none; config_fini it. */
void config_of_text(const struct engine *g, const char *text, struct device_config *out);
enum folder_mode config_filter_of(const struct engine *g, const struct device_config *c, enum folder_kind kind, const struct uuid *folder, enum content ct,
    struct fmask *hidden);
void config_now(const struct engine_session *s, struct device_config *out);
void config_policies(const struct engine_session *s, struct sync_request *req);
enum folder_mode config_filter(const struct engine_session *s, const struct folder_ref *ref, enum content ct, struct fmask *hidden);

/* folder.c */
enum rc target_open(struct op *op, const struct folder_ref *ref, struct target *t, struct err *e);
enum rc target_again(struct op *op, struct err *e);
enum rc target_hierarchy(struct op *op, bool create, struct target *t, struct err *e);
uint64_t tag_of_index(const struct engine *g, uint64_t topic, const struct store_folder *f);
uint64_t tag_of_folder(const struct engine *g, const struct account *a, enum content ct, const char *oxid);
enum content folder_content(const struct object *o);
int64_t folder_order(const struct op *op, const struct object *o); /* sort key of a folder: when the hierarchy brings it, and what it holds */
bool folder_row_inbox(const struct row *r);
enum content folder_row_content(const struct row *r); /* what the folder R of the hierarchy holds; CT_COUNT = nothing */
enum rc hierarchy_load(struct op *op, struct err *e);
void hierarchy_drop(struct op *op);
enum rc hierarchy_renew(struct op *op, struct target *hier, struct err *e); /* read it under its own lock */
bool folder_uuid_oxid(struct op *op, const struct uuid *u, const char **oxid, enum content *ct);
bool uuid_is_zero(const struct uuid *u);

/* refresh.c */
enum rc op_refresh(struct op *op, bool force, struct err *e);

/* merge.c */
enum rc op_merge_objects(struct op *op, struct object **o, size_t n, const int64_t *expect, size_t n_expect, struct err *e);
enum rc op_fetch(struct op *op, const int64_t *ids, const char *const *oxids, size_t n, struct object ***out, size_t *n_out, struct err *e);
enum rc op_ensure_known(struct op *op, struct row **rows, size_t n, struct err *e);
enum rc op_kill(struct op *op, int64_t id, struct err *e);
enum rc op_row(struct op *op, int64_t id, struct row **row, struct err *e);
enum rc op_live(struct op *op, size_t *live, struct err *e); /* objects in the folder, as the index has them now */

/* stash.c */
enum rc stash_put(struct op *op, struct object *o);
struct object *stash_get(const struct op *op, int64_t id);
/** seal_record, seal_open - a record of ACCOUNT under the active key; with the key that sealed it (RC_DENIED: it is not there, or the record is another's). */
MUST_CHECK enum rc seal_record(struct engine *g, enum store_sealed_kind kind, int64_t account, const char *text, struct buf *out);
MUST_CHECK enum rc seal_open(struct engine *g, enum store_sealed_kind kind, int64_t account, const void *p, size_t n, struct buf *out);
/** ring_seal, ring_open - keyring_seal and keyring_open with the engine's keys as they are now.  Threads: any. */
MUST_CHECK enum rc ring_seal(struct engine *g, const struct seal_use *use, const void *p, size_t n, struct buf *out);
MUST_CHECK enum rc ring_open(struct engine *g, const struct seal_use *use, const void *p, size_t n, struct buf *out);
/** ring_changed - true once after the keys were replaced, and at first where there are several. */
bool ring_changed(struct engine *g);
/** seal_care - seals anew what older keys have sealed, a bounded piece a call.  Does nothing where there is one key. */
void seal_care(struct engine *g, struct store_conn *c);
/** throttle_begin - may IN try to log in now?  RC_LIMIT with retry_after_s: its user, address or device has failed too often.  After RC_OK throttle_end follows.   Threads: any. */
MUST_CHECK enum rc throttle_begin(struct engine *g, const struct engine_login *in, struct throttle_try *out, struct err *e);
/**
 * throttle_end - what became of the attempt: RC_OK; RC_DENIED = it was the wrong password; RC_FORBIDDEN = the right one, of a device or user that is not let
 * in; anything else says nothing.  throttle_end_device instead: the right one, and the device one too many.   Threads: any.
 */
void throttle_end(struct engine *g, const struct throttle_try *x, enum rc rc);
void throttle_end_device(struct engine *g, const struct throttle_try *x);
/** stash_forget - the content at hand is older than what is known now: who needs it reads it again. */
void stash_forget(struct op *op, int64_t id);
void stash_drop(struct op *op);
enum rc touched_add(struct op *op, int64_t id, const struct change *ch);
enum rc forced_add(struct op *op, int64_t id, enum sync_kind kind);
enum rc now_put(struct op *op, struct row *r);
struct row *now_row(const struct op *op, struct row *r);

/* change.c */
enum rc op_changes(struct op *op, struct err *e);
bool error_of_change(enum rc rc, const struct err *e);

/* journal.c */
enum rc journal_read(struct op *op, struct err *e);
void journal_fini(struct op *op);
/** op_before - the object of R as OX holds it, in *OUT, borrowed from the operation; NULL = OX does not deliver it, *again = it has another version. */
enum rc op_before(struct op *op, const struct row *r, struct object **out, bool *again, struct err *e);

/* guard.c */
enum rc guard_begin(struct op *op, struct err *e);
enum rc guard_end(struct op *op, struct err *e);
/** guard_holds - is change CC one of the deletions that do not pass?  Then its result is set. */
bool guard_holds(struct op *op, const struct client_change *cc, struct answer_result *res, enum rc *rc, struct err *e);

/* settled.c */
msec_t settled_since(struct engine *g, const struct store_folder *f);
void settled_note(struct engine *g, const struct store_folder *f, int64_t asked_us, msec_t newest, size_t n);
bool settled_gains(struct engine *g, const struct store_folder *f, msec_t since);

/* flood.c */
enum rc flood_check(struct engine *g, int64_t device, struct err *e);
enum stuck_level { STUCK_NOT, STUCK_SMALL, STUCK_ONE, STUCK_ASIDE };
enum stuck_level stuck_note(struct op *op);
void stuck_forget(struct op *op);

/* undo.c */
#define UNDO_MS 5000
void duplicates_remove(struct op *op, size_t max, bool *left);

/* answer.c */
enum rc op_answer(struct op *op, struct err *e);
enum rc op_reconcile(struct op *op, struct err *e);

/* answer.c: the uuid of the series that an appointment belongs to, in the folder of the operation */
void item_series(const struct op *op, struct answer_item *it);
/* answer.c: is there anything that cursor C does not say?  For the folder of the operation. */
enum rc op_anything_new(struct op *op, const struct cursor *c, bool *any, struct err *e);
enum rc op_begin_switched_off(struct op *op, struct err *e);

/* syncid.c */
/** syncid_make - a new name: random, but for the time in its first 48 bits (as a UUID of version 7). */
void syncid_make(struct syncid *out);
/** syncid_time - when S was made; 0 = not known (made by an older version). */
msec_t syncid_time(const struct syncid *s);

/* aside.c */
enum rc aside_load(struct op *op, struct err *e);
bool aside_waits(const struct op *op, int64_t id, msec_t lm);
enum rc aside_unreadable(struct op *op, int64_t id, msec_t lm, struct err *e);
enum rc aside_readable(struct op *op, int64_t id, struct err *e);
bool aside_rejected(const struct op *op, int64_t id, uint64_t cn, bool *same);
enum rc op_rejected(struct op *op, struct err *e);

/* notice.c */
enum rc notice_add(struct op *op, enum notice_code code, const struct uuid *uuid, int64_t count, int64_t limit, struct err *e);
enum rc notice_of_item(struct op *op, struct answer_item *it, struct err *e);
enum rc notice_of_fill(struct op *op, const struct cursor *before, const struct cursor *after, struct err *e);

/* members.c */
enum rc members_for_client(const struct op *op, struct object *o, struct err *e);
enum rc members_for_ox(struct op *op, struct client_change *cc, struct err *e);
bool members_need_others(const struct op *op, const struct client_change *cc);

/* found.c */
enum rc op_unlisted(struct op *op, const struct uuid *uuid, struct row **row, struct err *e);

/* object.c */
enum rc op_object_at(struct op *op, const struct uuid *folder, const struct uuid *uuid, struct row **row, struct err *e);
enum rc op_object(struct op *op, struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *uuid, struct row **row,
    struct err *e);

/* renamed.c */
bool former_tag(struct op *op, uint64_t *tag);
enum rc renamed_list(struct op *op, const struct pair *pairs, size_t n, struct row *const *live, size_t n_live, struct err *e);

/* sync.c */
enum rc op_begin(struct op *op, struct engine_session *s, struct arena *a, struct err *e);
void op_end(struct op *op);
/** op_end_written - op_end of what is no sync but may have merged something: wakes who waits for the folder; drops stash and hierarchy. */
void op_end_written(struct op *op);
enum rc op_lock(struct op *op, struct err *e);
void fresh_cursor(struct op *op);
void window_of(const struct engine *g, const struct device_config *cfg, enum content ct, msec_t *w0, msec_t *w1);
void op_window(const struct op *op, enum content ct, msec_t *w0, msec_t *w1);

/* resync.c */
enum rc resync_new(size_t budget, struct resync **out, struct err *e);
void resync_free(struct resync *r);
void resync_refused(struct op *op, bool new_index);
enum rc resync_admit(struct op *op, bool refreshed, struct err *e);
void resync_done(struct op *op, bool ok);
void resync_sweep(struct engine *g);

/* quick.c */
bool quick_unchanged(struct engine_session *s, const struct sync_request *req, enum content *ct);
void quick_note(struct op *op, const struct store_cursor *cur, bool complete);
void quick_forget(struct op *op);
enum rc quick_forget_device(struct engine_session *s, struct store_conn *c, struct err *e);
/** quick_keys - names in the cache of the answers with IDS, in A with room for ROOM more. */
enum rc quick_keys(struct arena *a, const struct syncid *ids, size_t n_ids, size_t room, const char ***keys, size_t *n, struct err *e);
bool quick_fresh(struct op *op);
msec_t quick_alive(struct op *op);

/* watch.c */
/** op_wake - the operation has written to OX, or found something new: who waits looks.  wake_found - something new was found by asking. */
void op_wake(struct op *op, uint64_t topic);
void wake_found(struct engine *g, uint64_t topic);
void wake_others(struct engine *g, uint64_t topic);

/* poll.c */
enum rc poll_start(struct engine *g, struct err *e);
void poll_stop(struct engine *g);  /* ends its threads */
void poll_free(struct engine *g);
void poll_sweep(struct engine *g);
/* event.c */
void engine_wrote(struct op *op, uint64_t topic);

/** paths_care - saves what was learnt of paths, and takes over what other nodes have. */
void paths_care(struct engine *g, struct store_conn *c);

#endif
