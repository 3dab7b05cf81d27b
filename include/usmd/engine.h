/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * engine - one operation of a client, start to finish: lock, load, refresh, plan, write, read back, delta, save.
 * The only module that sequences I/O; protocol-neutral (no JSON text, no HTTP).  Order of steps and what survives a
 * crash between any two of them: ARCHITECTURE.md "One sync, step by step".
 */
#ifndef USMD_ENGINE_H
#define USMD_ENGINE_H

#include "usmd/backend.h"
#include "usmd/cache.h"
#include "usmd/hub.h"
#include "usmd/store.h"
#include "usmd/sync.h"

struct engine;

/** How much of a folder a device gets. */
enum folder_mode {
	MODE_FULL,    /* every field */
	MODE_HEADERS, /* fields with FF_HEADERS; of a mail the text, too, when it is asked for */
	MODE_OFF      /* nothing in either direction; the device keeps what it has */
};
/** Folders that share a default mode. */
enum folder_kind { KIND_INBOX, KIND_MAIL, KIND_CONTACT, KIND_APPOINTMENT, KIND_TASK, KIND_COUNT };
/** folder_kind_name, folder_mode_name - words of settings and protocol ("inbox", "headers"); folder_mode_parse the reverse, -1 = no such word. */
const char *folder_kind_name(enum folder_kind k);
const char *folder_mode_name(enum folder_mode m);
int folder_mode_parse(const char *s);

/** Settings of the engine; all times in the unit of their name.  What is atomic may change while it works: engine_reload. */
struct engine_options {
	_Atomic msec_t session_lifetime_ms;
	msec_t password_lifetime_ms;
	_Atomic msec_t fresh_ms;              /* an index this young is not asked of OX again (0 = always ask) */
	msec_t overlap_ms;            /* `updates` are asked for this much before the stored timestamp */
	size_t reread_max;            /* objects within the overlap that each look may read again; with more of them it is ended (settled.c) */
	_Atomic msec_t listing_interval_ms;   /* complete listing at least this often */
	msec_t deletions_kept_ms;     /* OX forgets deletions after this: an older index is listed anew */
	msec_t late_max_ms;           /* OX's maximal request time: an unanswered create may run this long */
	_Atomic msec_t conflict_keep_ms;
	_Atomic msec_t unreadable_retry_ms;   /* an object that OX cannot deliver is asked for again after this, then twice as long, up to a day */
	_Atomic int64_t past_days[CT_COUNT], future_days[CT_COUNT]; /* time windows; 0,0 = no window for the type */
	size_t max_objects;           /* per folder */
	enum folder_mode mode[KIND_COUNT]; /* of folders for which a device wants nothing else */
	size_t stub_bytes;            /* a larger mail is told as one that is fetched on demand; 0 = no limit */
	_Atomic size_t mail_window;           /* newest mails whose flags are looked at in every refresh */
	_Atomic msec_t mail_flags_ms;         /* flags of all mails of a folder are compared at least this often */
	_Atomic unsigned cursor_children;     /* cursors kept beyond the acknowledged one */
	_Atomic msec_t poll_ms;               /* polling where somebody waits; 0 = no polling */
	unsigned path_floor_s;        /* waits that die on their way are made shorter, but never than this */
	msec_t path_memory_ms;        /* what was learnt of that is forgotten after this; 0 = nothing is learnt */
	_Atomic msec_t poll_max_ms;           /* at the slowest: nothing changes there, or OX tells by itself */
	msec_t compare_ms;            /* what waits is compared with its indexes so often, for changes of which nobody told; 0 = never */
	_Atomic unsigned poll_rate;           /* requests a second to OX for looks where somebody waits, of all accounts together */
	unsigned poll_workers;        /* threads that make them */
	_Atomic msec_t push_late_ms;          /* a change that a poll finds should have been told by OX at least so soon after */
	bool udp;                     /* OX's nodes tell changes of contacts, appointments and tasks by UDP */
	const char *webhook;          /* id of OX's webhook that users who wait are subscribed to, "" = none; borrowed, outlives the engine */
	const char *webhook_uri;      /* where it posts to, "" = OX knows */
	msec_t webhook_renew_ms;      /* subscriptions are renewed so often */
	size_t max_mail_bytes;        /* raw mail up and down */
	size_t max_body_bytes;        /* of each body in a mail that is asked for on demand */
	size_t max_attachment_bytes;  /* one attachment or picture, up and down */
	unsigned max_attachments;     /* of one object; more are neither added nor shown, 0 = no limit on what is shown */
	_Atomic msec_t journal_keep_ms;       /* what devices overwrite and delete can be brought back for so long; 0 = no journal */
	_Atomic size_t journal_object_bytes;  /* larger ones are noted without their values */
	_Atomic size_t journal_entries;       /* of one account */
	_Atomic unsigned guard_delete_share;  /* percent of a folder that a device may delete within guard_delete_ms without being asked; 0 = all */
	_Atomic unsigned guard_delete_min;    /* fewer deletions are never held */
	_Atomic msec_t guard_delete_ms;
	_Atomic unsigned guard_create_count;  /* objects of equal content that a device may create in a folder within guard_create_ms; 0 = any number */
	_Atomic msec_t guard_create_ms;
	_Atomic unsigned stuck_repeats;       /* requests with one syncid after which pages get smaller, then one object, then that is set aside; 0 = never */
	_Atomic unsigned flood_rate;          /* requests a minute of one device, on and on; 0 = any number */
	_Atomic unsigned flood_burst;         /* requests at once on top of that */
	size_t resync_budget;         /* large folders that clients load (first fill, reconcile) at once on this node; 0 = no limit */
	_Atomic size_t resync_large;          /* objects from which a folder counts as large */
	_Atomic msec_t resync_retry_ms;       /* who finds no place comes again after this, up to twice as long; a place is kept so long between two pages */
	_Atomic unsigned login_attempts;      /* failed logins a minute for one user, address or device; then RC_LIMIT */
	_Atomic size_t max_devices;           /* of one account; 0 = no limit */
	_Atomic bool device_quarantine;       /* new devices wait until an administrator allows them */
	_Atomic msec_t device_keep_ms;        /* devices unused for so long are forgotten; 0 = never */
	_Atomic msec_t audit_keep_ms;         /* records of what administrators did; 0 = for ever */
	const struct keyring *seal;   /* copied; what seals losing values, journal and cached passwords; NULL = the master key */
	msec_t login_block_max_ms;    /* the longest block: each is twice as long as the one before, from a minute on */
};

/** engine_new - all parts are borrowed and outlive the engine; CACHE and HUB may serve others too. */
MUST_CHECK enum rc engine_new(const struct engine_options *o, const unsigned char master[KEY_BYTES], struct store *store,
    struct cache *cache, struct backend *backend, struct hub *hub, struct engine **out, struct err *e);
/** engine_start - from now on, in threads of its own: looks at OX where somebody waits, engine_care every five minutes.  Once.  RC_NOMEM. */
MUST_CHECK enum rc engine_start(struct engine *g, struct err *e);
/** engine_quiet - ends the threads of engine_start; events are not looked into any more.  Before whatever calls engine_event is freed. */
void engine_quiet(struct engine *g);
/** engine_care - what has expired goes: sessions, conflict records, tombstones; a bounded piece a call.  Failures are logged.  Threads: any. */
void engine_care(struct engine *g);
/**
 * engine_undo - carries out what an administrator has marked: journal entries are brought back, repeated creates removed, as far as users are logged in at this node.
 *
 * A bounded piece a call (the engine's thread calls it every few seconds); each entry once, whatever crashes and however many nodes do it.  *left:
 * something is still to be done.   Threads: any; blocks while OX works.   Failures are logged and tried again.
 */
void engine_undo(struct engine *g, bool *left);
/** engine_reload - from now on the atomic members of O hold; the others stay as they were.  Threads: any. */
void engine_reload(struct engine *g, const struct engine_options *o);
/**
 * engine_keys_set - from now on R seals and opens (copied); what other keys of it have sealed is sealed anew soon.  *CHANGED: it is not what was there.
 * Errors: RC_PROTO the last one, that of the master key, is another: nothing was changed.   Threads: any.
 */
MUST_CHECK enum rc engine_keys_set(struct engine *g, const struct keyring *r, bool *changed, struct err *e);
/** engine_free - stops the thread, logs out of OX. */
void engine_free(struct engine *g);
/** engine_check - RC_OK ready; RC_BUSY degraded (no Redis, or OX's certificate was refused); else not ready. TEXT: one word for each part. */
enum rc engine_check(struct engine *g, char *text, size_t size);

/* ---- sessions ---- */

#define TOKEN_TEXT 44 /* 43 characters base64url of 256 bits, NUL */

struct engine_login {
	const char *user, *password, *device, *user_agent, *client_ip;
};
struct engine_login_answer {
	char token[TOKEN_TEXT];
	msec_t expires;
	struct ox_user user;
	struct uuid default_folder[CT_COUNT]; /* all zero = none */
};
/** engine_login - verify at OX, open session and device.  RC_DENIED, RC_FORBIDDEN, RC_LIMIT (throttled, or too many devices), RC_UPSTREAM, RC_PROTO (device name).
 * RC_FORBIDDEN also: the device is blocked or quarantined. */
MUST_CHECK enum rc engine_login(struct engine *g, const struct engine_login *in, struct engine_login_answer *out, struct err *e);

/** A client session while a request works with it. */
struct engine_session;
/** engine_session_open - by token; RC_DENIED unknown, expired, or the OX password is not at hand any more (log in again). */
MUST_CHECK enum rc engine_session_open(struct engine *g, const char *token, struct engine_session **out, struct err *e);
/** engine_session_known - is TOKEN a session's that has worked at this node and goes on?  False says nothing.   Threads: any.   Blocking: never. */
bool engine_session_known(struct engine *g, const char *token);
/**
 * engine_session_renewed - a call failed with RC_DENIED since OX refuses the password of S: has this node got another one by now, or the cache for TOKEN,
 * since the user changed it elsewhere with this very session?  Then the call may be made again: nothing of it was done.
 */
bool engine_session_renewed(struct engine_session *s, const char *token);
/** engine_session_close - the request is done with S; the client's session goes on.  NULL is a no-op. */
void engine_session_close(struct engine_session *s);
/** engine_logout - end the client's session (others of the account stay). */
MUST_CHECK enum rc engine_logout(struct engine_session *s, struct err *e);

/** A change of password, by the session whose token is given. */
struct engine_password {
	const char *token, *client_ip;
	const char *was, *is;
};
/**
 * engine_password_change - at OX; then S goes on with the new password, at all nodes, and all other sessions of the user end: who waits is told
 * to log in again, at once.
 * @ended  out: how many sessions of other devices ended
 * Errors: RC_PROTO OX refuses one of the two, OX_WRONG_PASSWORD in e->code counts as a failed login; RC_LIMIT too many of these; RC_FORBIDDEN;
 *         RC_TIMEOUT OX did not answer, and it was not changed until now as far as can be known.  S goes on in any case.
 */
MUST_CHECK enum rc engine_password_change(struct engine_session *s, const struct engine_password *in, size_t *ended, struct err *e);
/** engine_changed - something was written to FOLDER past the engine: who waits for it is told when OX was asked. */
void engine_changed(struct engine_session *s, enum content ct, const char *folder);

enum mail_delete { MAIL_DELETE_SERVER /* as the user's setting in OX says */, MAIL_DELETE_TRASH, MAIL_DELETE_FINAL };
#define DEVICE_FOLDERS_MAX 1000 /* folders with settings of their own */

/** A device's settings (getConfig, setConfig); -1 days or mode = the server's default. */
struct device_config {
	enum sync_policy policy, delete_policy;
	enum mail_delete mail_delete; /* what becomes of a mail that the device deletes outside the trash; in it, deletion is final */
	int64_t past_days[CT_COUNT], future_days[CT_COUNT];
	int mode[KIND_COUNT];           /* enum folder_mode, or -1 */
	bool type_off[CT_COUNT];        /* objects of this type are not wanted at all */
	struct fmask exclude[CT_COUNT]; /* fields that are not wanted */
	/* of single folders: enum folder_mode, enum sync_policy; -1 = as the device's others */
	struct folder_setting { struct uuid uuid; int mode, policy, delete_policy; } *folders;
	size_t n_folders;
};
/** engine_config_get - its folders are in A.  RC_NOMEM.  engine_config_defaults - the server's defaults in place of -1. */
MUST_CHECK enum rc engine_config_get(const struct engine_session *s, struct arena *a, struct device_config *out, struct err *e);
void engine_config_defaults(const struct engine_session *s, struct device_config *c);
/** engine_config_set - C is copied.  RC_PROTO when a window is wider than the server allows; RC_LIMIT too many folders. */
MUST_CHECK enum rc engine_config_set(struct engine_session *s, const struct device_config *c, struct err *e);

/** engine_session_device - name of the device, borrowed until S is closed. */
const char *engine_session_device(const struct engine_session *s);
/** engine_session_ox - the OX session of S's account, borrowed until S is closed. */
struct ox_session *engine_session_ox(const struct engine_session *s);

/**
 * engine_account_lock - one request at a time, of all devices and nodes, for what is read, compared and written at OX and has no version there.
 * Holds a connection to PostgreSQL: nothing else that takes one in between.  RC_BUSY after lock_timeout.   engine_account_unlock: NULL is a no-op.
 */
struct engine_lock;
MUST_CHECK enum rc engine_account_lock(struct engine_session *s, struct engine_lock **out, struct err *e);
void engine_account_unlock(struct engine_lock *l);
/** engine_session_owner - "<OX user>.<device>": with a clientId it names what a device makes; borrowed until S is closed. */
const char *engine_session_owner(const struct engine_session *s);
/** engine_mail_folder - OX's id, in A, of the mail folder FOLDER.  RC_NOTFOUND no such folder; RC_PROTO no mail folder. */
MUST_CHECK enum rc engine_mail_folder(struct engine_session *s, struct arena *a, const struct uuid *folder, const char **oxid, struct err *e);
/** engine_folder_uuid - how clients name the folder OXID, whether it is there or not. */
void engine_folder_uuid(const struct engine_session *s, const char *oxid, struct uuid *out);

/* ---- sync ---- */

/** The folder a request is about: the hierarchy, or a folder of it. */
struct folder_ref {
	bool hierarchy;
	struct uuid uuid;
};

/**
 * engine_folder_type - what the objects of FOLDER are (the protocol reads the fields of changes by it); CT_FOLDER
 * for the hierarchy.  RC_NOTFOUND unknown folder; RC_BUSY, RC_TIMEOUT, RC_UPSTREAM, RC_DENIED as engine_sync.
 */
MUST_CHECK enum rc engine_folder_type(struct engine_session *s, const struct folder_ref *folder, enum content *ct, struct err *e);

/** err.code with RC_CONFLICT when the request's number is older than one already seen: the client ignores the answer, no reconcile. */
#define ENGINE_OUTDATED "outdated-request"

/** err.code with RC_LIMIT of a create: this device made the same again and again. */
#define ENGINE_REPEATED "repeated-create"

/** A change as the protocol read it. */
struct client_change {
	enum sync_op op;
	const struct err *refused; /* what the protocol found wrong with it, or NULL: nothing of it is applied, this is its result */
	bool has_uuid;
	struct uuid uuid;
	const char *client_id;   /* <= 64 bytes of [A-Za-z0-9._:-], or re.<uuid>.<device>; creates, and deletes of unanswered creates */
	const char *rev;
	bool again, blind_delete;
	struct object *object;   /* values as sent (create, modify); NULL on delete */
	struct fmask fields;     /* which fields were sent (a field sent as null is here, with v[] NULL) */
	struct fmask blind;
	const void *raw;         /* mail create: the RFC 822 octets */
	size_t raw_len;
	bool ignore_conflicts;   /* appointments: store it although it collides */
	bool silent;             /* appointments, tasks: no mail to the participants */
	bool has_series;         /* appointment create: an exception of SERIES, in the place of FF_ONCE field recurrence_id */
	struct uuid series;
	bool has_move;           /* move into another folder of the same type; folders: `parent` was sent (also on create) */
	struct uuid move_to;     /* folders: the new parent, all zero = top */
};

/** An object that the client got and could not store. */
struct rejected {
	struct uuid uuid;
	const char *reason; /* 1 to 200 characters */
};

/** What the device's user says to deletions that would be held: nothing, do it, or give the objects back. */
enum confirm { CONFIRM_NONE, CONFIRM_YES, CONFIRM_NO };

enum sync_mode { SYNC_INIT, SYNC_UPDATE, SYNC_RECONCILE, SYNC_ESTIMATE };
struct sync_request {
	enum sync_mode mode;
	struct folder_ref folder;
	struct syncid syncid;    /* UPDATE, ESTIMATE */
	uint64_t k;              /* number of this request at this device, rising */
	size_t limit;            /* objects in the answer at most */
	bool has_policy, has_delete_policy; /* else that of the folder at this device, else the device's */
	enum sync_policy policy, delete_policy;
	struct client_change *changes;
	size_t n_changes;        /* UPDATE only */
	enum confirm confirm;    /* UPDATE only */
	struct rejected *rejected; /* UPDATE only */
	size_t n_rejected;
	bool has_formerly;       /* RECONCILE of a mail folder that was renamed or moved: */
	struct uuid formerly;    /* the uuid that it had; pairs may have the uuids of then */
	struct uuid *pair_uuid;  /* RECONCILE */
	const char **pair_rev;
	size_t n_pairs;
};

struct answer_item {
	bool whole;              /* creates or replaces; else only FIELDS */
	struct uuid uuid;
	char rev[REV_TEXT];
	const char *client_id;   /* the device's own object: its clientId; else NULL */
	const struct object *object;
	struct fmask fields;     /* !whole: fields to deliver (v[] NULL = cleared) */
	struct fmask own;        /* fields whose value is this device's own (not foreign, F8) */
	struct uuid series;      /* appointments with recurrence_id: uuid of the series, which may be out of this client's sight */
	bool truncated;          /* a mail too large to be fetched unasked */
	/* folders only */
	struct uuid parent;      /* uuid of the parent, zero = top */
	int64_t owner;           /* shared folders: number and name of the user whose folder it is; 0 = no shared folder */
	const char *owner_name;
	const char *display_name;/* "<owner's name> - <title>" */
};
struct answer_result {
	size_t change;           /* index in the request */
	enum change_status status;
	bool has_uuid;           /* creates: the object's uuid (clientId -> uuid), moves: the new uuid */
	struct uuid uuid;
	struct fmask lost;       /* conflict: the client's values of these lost; they are kept for a while and can be restored */
	struct fmask won;        /* conflict: the client's values of these won over newer ones of somebody else, which are kept likewise */
	int64_t conflict;        /* number of the record, 0 = none */
	bool failed;             /* OX or a rule refused it; ERR says why; nothing was changed by it */
	struct err err;
	json_t *conflicts;       /* failed with code OX_CONFLICTS: what it collides with (struct write_how); engine_sync_done drops it */
};
/** A mail whose uuid is another one since its folder was renamed. */
struct renamed_uuid {
	struct uuid from, to;
};
/** Something that the client does not get, for its user to know. */
enum notice_code { NOTICE_OBJECTS, NOTICE_ATTACHMENTS, NOTICE_UNREADABLE, NOTICE_LARGE, NOTICE_REJECTED, NOTICE_HELD, NOTICE_STUCK, NOTICE_COUNT };
struct notice {
	enum notice_code code;
	bool has_uuid;           /* about one object; else about the folder */
	struct uuid uuid;
	int64_t count, limit;    /* how many or large, and how many or large is possible; 0 = not told */
};
/** notice_name - its code on the wire ("too-many-objects"). */
const char *notice_name(enum notice_code c);

struct sync_answer {
	bool has_syncid;
	struct syncid syncid;
	bool more;
	struct answer_item *items; /* deletes come before puts on the wire */
	size_t n;
	struct uuid *deleted;
	size_t n_deleted;
	struct renamed_uuid *renamed; /* RECONCILE with formerly: mails that the client has under a former uuid */
	size_t n_renamed;
	struct answer_result *results;
	size_t n_results;
	size_t estimate;         /* ESTIMATE: entries that a complete sync would deliver now */
	enum content ct;
	enum folder_mode mode;
	struct fmask hidden;     /* fields that the device does not get; of whole items they are left out */
	struct notice *notices;
	size_t n_notices;
	struct object **stash;   /* the engine's: contents that items borrow, dropped by engine_sync_done */
	size_t n_stash;
};

/**
 * engine_sync - syncInit, syncUpdate, reconcile, syncEstimate.
 * A: request's arena; all of OUT lives in it until engine_sync_done, which drops the json references.
 * Errors: RC_NOTFOUND unknown folder; RC_CONFLICT unknown or outdated syncid, or a request older than one already
 * seen (then e->code is ENGINE_OUTDATED; else 409: reconcile); RC_BUSY; RC_TIMEOUT/RC_UPSTREAM OX; RC_DENIED log in again; RC_LIMIT; RC_PROTO;
 * RC_FORBIDDEN reconcile of a folder that is off at this device.
 */
MUST_CHECK enum rc engine_sync(struct engine_session *s, struct arena *a, struct sync_request *req, struct sync_answer *out, struct err *e);
void engine_sync_done(struct sync_answer *out);

/* ---- conflicts ---- */

/** Whose values: of the device that asks, of another device of the account, of OX (whoever wrote them there). */
enum conflict_side { SIDE_DEVICE, SIDE_CLIENT, SIDE_SERVER };
/** Values that lost a conflict. */
struct conflict_entry {
	int64_t id;
	msec_t at, expires;
	enum content ct;
	bool has_uuid;             /* else of an object that was never told to a client */
	struct uuid uuid;
	struct folder_ref folder;
	const char *title;         /* of the object, NULL = not known */
	const char *device;        /* name of the device whose request met the conflict, "" = not known any more */
	enum conflict_side lost, won;
	const json_t *fields;      /* names of those that lost */
	const json_t *values;      /* as clients know them; of an object that was deleted all of it that is known */
	bool octets;               /* a whole mail is recorded, too */
	json_t *record;            /* the engine's */
};
struct conflict_list {
	struct conflict_entry *v;
	size_t n;
	bool more;
	int64_t next;              /* AFTER of the next page */
};
/** engine_conflicts - those of the account, newest first; AFTER: id of the last one seen, 0 = from the start.  engine_conflicts_done on success. */
MUST_CHECK enum rc engine_conflicts(struct engine_session *s, struct arena *a, int64_t after, size_t limit, struct conflict_list *out, struct err *e);
void engine_conflicts_done(struct conflict_list *l);

struct conflict_restored {
	enum change_status status; /* ST_OK; ST_CONFLICT: the object is not as REV says; ST_RETRY */
	struct uuid uuid;          /* ST_OK: of the object that has the values */
};
/**
 * engine_conflict_restore - write the losing values again, as a change like any other; then the conflict is settled.  May be repeated.
 *
 * Of an object that is there only the fields that lost are written; one that is gone is created again, once.  Without REV they go over whatever
 * is there; what comes in between is recorded as a conflict.  With REV, nothing is written unless the object is in that version.
 * Errors: RC_NOTFOUND no such conflict of this account, or its folder is gone; what a change can fail with (engine_sync).
 */
MUST_CHECK enum rc engine_conflict_restore(struct engine_session *s, struct arena *a, int64_t id, const char *rev, struct conflict_restored *out,
    struct err *e);
/** engine_conflict_dismiss - forget the values.  May be repeated.  RC_NOTFOUND no such conflict of this account. */
MUST_CHECK enum rc engine_conflict_dismiss(struct engine_session *s, struct arena *a, int64_t id, struct err *e);

/* ---- what was found at OX, wherever the indexes stand ---- */

/** A folder of the account; strings live in the arena. */
struct engine_folder {
	const char *oxid;
	struct uuid uuid;
	bool shared;             /* another user's private folder */
};
/**
 * engine_folders - the folders of type CT that the user has at OX now, or FOLDER alone (NULL = all), in OX's order.  A client may name each of them.
 * Errors: RC_NOTFOUND, RC_PROTO (path "folder") there is no such folder, it holds other objects; those of engine_sync.
 */
MUST_CHECK enum rc engine_folders(struct engine_session *s, struct arena *a, enum content ct, const struct uuid *folder, struct engine_folder **out, size_t *n,
    struct err *e);
/** engine_mark - names the object ID of FOLDER (OX's ids) for a cursor; of all but mail it is the object's uuid.  No request. */
void engine_mark(const struct engine_session *s, enum content ct, const char *folder, int64_t id, struct uuid *out);

/** An object that OX has named. */
struct engine_found {
	const struct engine_folder *place;
	int64_t id;
	const char *oxid;        /* of an id that is no number, else NULL */
	/* out */
	struct object *object;   /* NULL: gone, or closed to this user */
	struct answer_item item; /* valid with an object */
	struct fmask hidden;     /* fields that the device does not get */
};
/**
 * engine_found - the contents of N objects of type CT, as a sync would deliver them, with the uuid and rev that they have in a sync.
 * Nothing is remembered; each command that takes an object's uuid takes these, too.  engine_found_done drops the contents.
 */
MUST_CHECK enum rc engine_found(struct engine_session *s, struct arena *a, enum content ct, struct engine_found *f, size_t n, struct err *e);
void engine_found_done(struct engine_found *f, size_t n);

/* ---- mail ---- */

/** engine_mail_raw - the octets of one mail of FOLDER into OUT.  It is not marked as seen, by this or by what follows. */
MUST_CHECK enum rc engine_mail_raw(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct buf *out, struct err *e);
/** engine_mail_body - bodies as the mail holds them, in A, at most max_body_bytes each (then *truncated), and the list of its other parts. */
MUST_CHECK enum rc engine_mail_body(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct ox_mail_body *out,
    bool *truncated, struct err *e);
/** engine_mail_part - the decoded octets of part ID of a mail into OUT. */
MUST_CHECK enum rc engine_mail_part(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, const char *id, struct buf *out,
    struct err *e);

/** A mail to send. */
struct send_request {
	const char *client_id;   /* names the sending for ever: a second request with it sends nothing */
	const void *raw;         /* RFC 5322 octets, recipients in the header */
	size_t raw_len;
	int save;                /* copy in the Sent folder: 1 yes, 0 no, -1 as the user's setting says */
	bool resend;             /* the user wants it sent again, though it may have been sent (after SEND_UNKNOWN) */
	bool has_reply, has_forward, has_draft;
	struct uuid reply_folder, reply, forward_folder, forward, draft_folder, draft; /* marked as answered, as forwarded; removed */
};
enum send_state { SEND_SENT, SEND_UNKNOWN /* OX did not answer, and no copy tells whether it was sent: the user decides */ };
struct send_answer {
	enum send_state state;
	bool has_copy;
	struct uuid folder, copy;
};
/**
 * engine_send - send a mail through OX, once for each clientId whatever happens.
 * Errors: RC_PROTO, RC_FORBIDDEN, RC_LIMIT refused, surely not sent (the clientId may be used again); RC_BUSY with retry_after_s: the outcome
 * of an earlier request is not known yet, ask again; RC_UPSTREAM OX is not there, surely not sent.
 */
MUST_CHECK enum rc engine_send(struct engine_session *s, struct arena *a, const struct send_request *in, struct send_answer *out, struct err *e);

/* ---- moving and copying ---- */

struct transfer_item {
	struct uuid uuid;
	const char *client_id;   /* copies: names the copy for ever */
	/* out */
	enum change_status status; /* ST_OK, ST_GONE (not in the folder), ST_RETRY */
	bool has_uuid;           /* false with ST_OK: the mail server does not tell */
	struct uuid new_uuid;
	bool failed;
	struct err err;
};
/**
 * engine_move - objects of FOLDER into TO, of the same type; engine_copy - mails.  Each item has its own outcome; repeated, both find what was done.
 * Errors: RC_NOTFOUND a folder; RC_PROTO not of one type; those of engine_sync.
 */
MUST_CHECK enum rc engine_move(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *to, struct transfer_item *item, size_t n,
    struct err *e);
MUST_CHECK enum rc engine_copy(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *to, struct transfer_item *item, size_t n,
    struct err *e);

/** An answer to an invitation. */
struct respond_request {
	struct uuid folder, uuid;
	struct ox_response response; /* occurrence: a day of the series UUID, -1 = all of it */
};
/**
 * engine_respond - answer the invitation UUID, an appointment or a task that the user takes part in, for him.
 *
 * Any number of times: the last one counts, and one that is there already is not sent to OX again.  Other devices of everybody
 * concerned are woken; to this one it is no foreign change.
 * @uuid  what holds the answer now: the object, or the exception that OX made of the occurrence
 * Errors: RC_NOTFOUND object or occurrence; RC_FORBIDDEN the user is no participant; RC_PROTO neither appointment nor task; RC_TIMEOUT it may
 * have arrived: ask again; and those of engine_sync.
 */
MUST_CHECK enum rc engine_respond(struct engine_session *s, struct arena *a, const struct respond_request *req, struct uuid *uuid, struct err *e);

/* ---- what is no sync: for service ---- */

/** Where OX keeps an object. */
struct engine_place {
	enum content ct;
	const char *folder, *oxid; /* oxid NULL = the decimal ID */
	int64_t id;
};
/** engine_place_of - of the object UUID that a client has in FOLDER; strings in A.   RC_NOTFOUND it is not there (any more). */
MUST_CHECK enum rc engine_place_of(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *uuid, struct engine_place *out, struct err *e);
/** What a client calls an object of OX. */
struct engine_touched {
	bool known; /* false: the user has no such folder */
	struct uuid folder, uuid;
};
/**
 * engine_touched - the object ID in OX's FOLDER of CT was changed by a call that is no sync: the folder's index is brought up to date, and who waits for it is
 * woken.   Blocking: as a sync of the folder.   Errors: those of engine_sync; OUT is filled as far as it is known all the same.
 */
MUST_CHECK enum rc engine_touched(struct engine_session *s, struct arena *a, enum content ct, const char *folder, int64_t id, struct engine_touched *out, struct err *e);
/* ---- permissions ---- */

/** One entry of a folder's permissions; strings live in the arena. */
struct permission {
	int64_t entity;   /* OX's number of the user or group */
	bool group;
	const char *type; /* "user", "group", "guest" or "anonymous" (a link) */
	const char *name;
	int64_t bits;     /* see rights_unpack */
};
struct permissions_answer {
	bool applied;     /* set: the folder's permissions are as wanted; false = they were changed meanwhile, these are the present ones */
	int64_t own;      /* what this user may, all his groups included */
	char rev[REV_TEXT];
	struct permission *entries;
	size_t n;
};
struct permission_change {
	int64_t entity;
	const char *name; /* not NULL: display name, mail address or login name instead of ENTITY */
	bool group;
	bool remove;      /* else BITS is what the entry allows from now on */
	int64_t bits;
};
struct permissions_request {
	struct uuid folder;
	const char *rev;  /* of the permissions that the person saw */
	struct permission_change *changes;
	size_t n;
};
/** engine_permissions_get - of FOLDER, with names.  RC_NOTFOUND; RC_FORBIDDEN; those of OX. */
MUST_CHECK enum rc engine_permissions_get(struct engine_session *s, struct arena *a, const struct uuid *folder, struct permissions_answer *out, struct err *e);
/**
 * engine_permissions_set - adds, changes and removes the entries named in REQ and no other ones; OUT as they are then.  May be repeated.
 * Errors: RC_FORBIDDEN the user may not administer the folder; RC_PROTO a name that nobody or several have, nobody left to administer; RC_TIMEOUT unknown.
 */
MUST_CHECK enum rc engine_permissions_set(struct engine_session *s, struct arena *a, struct permissions_request *req, struct permissions_answer *out, struct err *e);
/**
 * engine_photo - the picture of CONTACT in FOLDER into OUT; *type its MIME type, a constant.
 * Errors: RC_NOTFOUND no such contact, or one without a picture; RC_PROTO FOLDER holds no contacts; RC_LIMIT larger than OUT's maximum.
 */
MUST_CHECK enum rc engine_photo(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *contact, struct buf *out,
    const char **type, struct err *e);

/* ---- attachments of contacts, appointments and tasks ----
 * Errors of all: RC_NOTFOUND no such folder, object or attachment; RC_PROTO a type without attachments; RC_FORBIDDEN, RC_UPSTREAM, RC_TIMEOUT,
 * RC_DENIED as engine_sync. */

struct engine_attachment {
	struct uuid id;         /* stays the same when the object moves */
	const char *name, *type;/* in the arena; type "" = unknown */
	int64_t size;
	msec_t created;
};
/** Which object, and which of its attachments. */
struct attachment_ref {
	struct uuid folder, object, attachment;
};
/** What an object says of its attachments after one was added or deleted. */
struct engine_attached {
	struct uuid id;         /* of the one that was added */
	int64_t count;
	msec_t newest;          /* 0 = none */
};

/** engine_attachments - those of REF's object, oldest first, in A. */
MUST_CHECK enum rc engine_attachments(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct engine_attachment **out,
    size_t *n, struct err *e);
/** engine_attachment_get - its octets into OUT (RC_LIMIT: more than its maximum); *type in A. */
MUST_CHECK enum rc engine_attachment_get(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct buf *out, const char **type,
    struct err *e);
/**
 * engine_attachment_add - N octets at P as the file NAME of TYPE ("" = unknown) to REF's object.  An attachment with this name and these octets that
 * the object has already is the answer: a repetition never adds a second one.
 * RC_TIMEOUT: the outcome is unknown, repeat it.  RC_BUSY: an unanswered attempt may still be executed by OX (e->retry_after_s).
 * RC_LIMIT: too large, or max_attachments reached.
 */
MUST_CHECK enum rc engine_attachment_add(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, const char *name, const char *type,
    const void *p, size_t n, struct engine_attached *out, struct err *e);
/** engine_attachment_delete - what is gone already is no error; RC_TIMEOUT: repeat it. */
MUST_CHECK enum rc engine_attachment_delete(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct engine_attached *out,
    struct err *e);

/* ---- where "something changed" comes from ---- */

enum event_source {
	SOURCE_OWN,      /* a client of this node wrote */
	SOURCE_NODE,     /* another node says so */
	SOURCE_UDP,      /* OX's push by UDP */
	SOURCE_WEBHOOK,  /* OX's webhook */
	SOURCE_POLL,     /* found by asking */
	SOURCE_COUNT
};
/** OX says that something changed in a folder; borrowed. */
struct engine_event {
	enum event_source source;  /* SOURCE_UDP, SOURCE_WEBHOOK; of the engine itself SOURCE_OWN */
	int64_t context;
	enum content ct;           /* CT_FOLDER: the folder itself */
	const char *folder;        /* OX id; NULL = the INBOX of USERS */
	const int64_t *users;
	size_t n_users;
};
/**
 * engine_event - has OX asked about it soon, for each account that somebody waits for at this node in that folder; who waits is woken
 * when there is something new.  What is told again before OX was asked costs nothing.  A webhook's event, which one node hears, goes to the others, too.
 * Threads: any.   Blocking: never; no request to OX or the database.
 */
void engine_event(struct engine *g, const struct engine_event *ev);
/** engine_heard - another node says that TOPIC changed: who waits here compares with his index, and OX is asked for him. */
void engine_heard(struct engine *g, uint64_t topic);
/** engine_missed - other nodes may not have been heard for a while: likewise for everything that is waited for, within the budget. */
void engine_missed(struct engine *g);
/** engine_sources_metrics - what is known of the sources, in Prometheus text format. */
void engine_sources_metrics(struct engine *g, struct buf *out);
/**
 * engine_sources - a line for each account that somebody waits for at this node: what tells of it, and when each source last did.  Then, for each
 * push of OX that is configured, what has come of it, and if that is not as it should be, what an administrator has to look for.
 * @context, @user  only this one; 0 = all
 */
void engine_sources(struct engine *g, int64_t context, int64_t user, struct buf *out);

/* ---- ping ---- */

struct ping_entry {
	struct folder_ref folder;
	struct syncid syncid;
	bool changed;  /* answer: something newer than the syncid, or the syncid is unknown (sync and see) */
	uint64_t state; /* answer: what CHANGED speaks of, WATCH_STATE_BITS of a keyed hash; equal = nothing has changed since */
};
#define WATCH_STATE_BITS 48

enum watch_kind {
	WATCH_PING,   /* waits once: changed against the syncid */
	WATCH_EVENTS  /* goes on: changed since it was told last, unless the device's newest syncid says so already */
};
/** What a parked ping or event stream keeps: account, entries, poll registration. */
struct engine_watch;
/**
 * engine_watch_new - remembers ENTRIES (copied), registers them for polling and subscribes *WAITER to their topics (order:
 * subscribe, then engine_watch_check, then park).  A wait of the same kind and device on this node that is older ends.
 * RC_NOTFOUND names a folder that never was one of this user in e->path ("folders[2]"); one that is gone counts as changed.
 * @waiter  as engine_watch_resubscribe
 */
MUST_CHECK enum rc engine_watch_new(struct engine_session *s, enum watch_kind kind, const struct ping_entry *entries, size_t n,
    struct engine_watch **out, struct hub_waiter **waiter, struct err *e);
/**
 * engine_watch_replay - W, of kind WATCH_EVENTS and not checked yet, goes on where an earlier one stopped: its client was told the N
 * STATES (copied), whatever its syncids say.
 */
MUST_CHECK enum rc engine_watch_replay(struct engine_watch *w, const uint64_t *states, size_t n, struct err *e);
/**
 * engine_watch_check - sets changed in the copy of the entries; *ENTRIES borrowed from W.
 * @refresh  true: where nothing has changed yet OX is asked, unless it just was; false: the indexes are compared as they are
 */
MUST_CHECK enum rc engine_watch_check(struct engine_watch *w, bool refresh, const struct ping_entry **entries, size_t *n, size_t *n_changed, struct err *e);
/** engine_watch_renewed - as engine_session_renewed, of the session that W waits with. */
bool engine_watch_renewed(struct engine_watch *w, const char *token);
/**
 * engine_watch_resubscribe - a new *WAITER, for a look after a wake-up; before engine_watch_check.
 * *WAITER NULL: the device has begun a newer wait; this one has to end.
 */
MUST_CHECK enum rc engine_watch_resubscribe(struct engine_watch *w, struct hub_waiter **waiter, struct err *e);
void engine_watch_free(struct engine_watch *w);

/** On which way the nodes tell each other of claims. */
enum claim_way { CLAIM_BY_REDIS, CLAIM_BY_PG };

/** engine_account_topic - wakes whoever waits for anything of this user, and nobody else.   Threads: any. */
uint64_t engine_account_topic(const struct engine *g, int64_t context, int64_t user);
/** engine_claimed - a node's waiter with TICKET has CLAIM now; OWN: this node's (cache_claim, store_notify_claim).   Threads: any. */
void engine_claimed(struct engine *g, enum claim_way way, uint64_t claim, uint64_t ticket, bool own);

enum wait_end {
	WAIT_ANSWERED, /* at its end, without a change: whether the answer arrived is told by when the device waits again */
	WAIT_CUT,      /* the connection was closed under it */
	WAIT_RETURNED  /* the device began another wait without having had the answer of this one */
};
/** engine_wait_begins - for how many seconds, WANTED_S at most, does a wait of S survive its way from CLIENT_IP? */
unsigned engine_wait_begins(struct engine_session *s, const char *client_ip, unsigned wanted_s);
/** engine_wait_ended - the wait of W ended after WAITED_S; not to be told of one that a change has ended. */
void engine_wait_ended(struct engine_watch *w, const char *client_ip, unsigned waited_s, enum wait_end how);

/* ---- administration: for usmctl, with an engine that is not started, and has neither backend nor hub ---- */

/** Which object is asked about: one of the four. */
struct explain_want {
	int64_t device;
	const char *uuid;      /* as clients know it, or NULL */
	const char *folder;    /* OX's folder id, with id; or NULL */
	const char *id;        /* OX's object id */
	const char *client_id; /* that the device gave the object when it made it, or NULL */
	const char *title;     /* exactly its title, or a contact's display name, or NULL.  Mail has none in the index */
};
/** Why a device has an object, or has it not. */
struct explanation {
	const char *cause;     /* one constant word, see usmctl(8) */
	const char *text;      /* one sentence for a person: what is so; what to do about it */
	const char *remedy;    /* constant: the latter alone */
	json_t *details;       /* the caller's to json_decref */
};
#define EXPLAIN_MAX 20 /* objects with the same title */
/**
 * engine_explain - the last word on "why does it not have this?", out of what is stored: nothing is asked of OX, nothing is changed.
 *
 * @c   leased;  @a  holds the texts
 * @out room for EXPLAIN_MAX
 * Errors: RC_NOTFOUND no object has the title; RC_PROTO WANT cannot be read.   Cost: few statements; by title one read of every index of the account.
 */
MUST_CHECK enum rc engine_explain(struct engine *g, struct store_conn *c, struct arena *a, const struct explain_want *want, struct explanation *out, size_t *n,
    struct err *e);
/** engine_explain_cause - the Ith word that explanation.cause may be, in the order in which they are tried; NULL = there are no more. */
const char *engine_explain_cause(size_t i);
/**
 * engine_quick_list - names of what the cache holds for ACCOUNT's devices (DEVICE 0 = all): quick answers, sealed passwords.  List before the
 * cursors and sessions go, drop afterwards: what is noted in between would speak of what is no more.  In A.
 */
MUST_CHECK enum rc engine_quick_list(struct store_conn *c, struct arena *a, int64_t account, int64_t device, const char ***keys, size_t *n, struct err *e);
void engine_quick_drop(struct engine *g, const char *const *keys, size_t n);

#endif
