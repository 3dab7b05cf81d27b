/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * sync - decides, without doing: deltas, conflicts, what a client's change becomes.  Pure: no I/O, no clock, no
 * globals, no allocation but the arena's; equal input gives equal output.  The rules and the flaw that each one
 * cures are in ARCHITECTURE.md "Sync model" (F1-F20).
 */
#ifndef USMD_SYNC_H
#define USMD_SYNC_H

#include "usmd/model.h"

/* ---- merging what OX showed into the index -------------------------------------------------------------------- */

/** The folder's counters that merging moves; the engine loads and saves them with the folder. */
struct index_head {
	uint64_t cn;  /* last change number given out */
};

/**
 * sync_merge - one object as OX returned it into its index row (OLD NULL = never seen).
 *
 * New or returned from the dead: all fields get a new cn (first_cn survives).  Changed fields get the next cn;
 * a change of sk, t0 or t1 moves keycn.  A row whose content was not known yet takes the fingerprints silently when
 * lm is unchanged, else every field counts as changed.  A sighting without content (listing) of a known row with the same lm
 * changes nothing; with another lm it is not merged (the caller must fetch the content): RC_BUSY.  A listing must ask for the
 * uid: a row that is not found by its client id looks like one that was never created (F7, F10).
 *
 * @out  the new row in A; *changed = false when nothing but lm differs (save then only if lm differs: *touched).
 * Cost: O(fields).   Errors: RC_NOMEM, RC_BUSY as above.
 */
MUST_CHECK enum rc sync_merge(struct arena *a, struct index_head *head, const struct row *old, const struct sighting *s,
    struct row *out, bool *changed, bool *touched);

/** sync_kill - tombstone R with the next cn; false when it was dead already (no change). */
bool sync_kill(struct index_head *head, struct row *r);

/* ---- the delta ---------------------------------------------------------------------------------------------------- */

/** Reads index rows for the delta; the engine implements it on the store, tests on arrays.  Rows live in the arena. */
struct row_source {
	void *self;
	/** rows with cn > CN, ascending by cn, at most MAX; *n < MAX means there are no more. */
	enum rc (*since)(void *self, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e);
	/** live rows with (sk, id) < (SK, ID), descending, at most MAX; from the top when FROM_TOP. */
	enum rc (*below)(void *self, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e);
	/** live rows that are inside exactly one of the two windows, ascending by id. */
	enum rc (*moved)(void *self, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e);
	/** the row ID or *ROW = NULL. */
	enum rc (*by_id)(void *self, int64_t id, struct row **row, struct err *e);
};

enum sync_kind { SYNC_PUT, SYNC_MOD, SYNC_DEL };
struct sync_item {
	enum sync_kind kind; /* PUT whole object (creates or replaces), MOD changed fields only, DEL */
	struct row *row;
	struct fmask also;   /* MOD: fields that the client gets from now on, to be told whether they changed or not */
};

struct sync_delta_in {
	const struct cursor *cursor;   /* borrowed */
	uint64_t folder_cn;            /* the folder's cn now */
	msec_t w0, w1;                 /* window that the client's filter means today */
	size_t limit;                  /* items at most, >= 1 */
	const struct imap *skip;       /* ids answered otherwise in this request (own writes, forced), or NULL */
	size_t max_objects;            /* the first fill stops after this many objects (65,535 rule); 0 = no limit */
	const struct fmask *hidden;    /* fields that the client is not to get, by its filter today; NULL = none */
	const struct fmask *unindexed; /* fields that rows know nothing of (FF_NOINDEX); NULL = none */
};
struct sync_delta_out {
	struct sync_item *items;
	size_t n;
	struct cursor next;            /* have is NOT pruned yet: see sync_prune */
	bool more;                     /* ask again with the next syncid; a page may be empty when many rows did not concern the client */
	bool swept;                    /* fields that the client did not get before were brought to rows that it has */
	bool truncated;                /* max_objects stopped the fill: the folder holds older objects that the client will not get */
	size_t rows_read;
};
/**
 * sync_cursor_fresh - what a client has after syncInit: nothing, at the folder's CN (read after the refresh).
 * The first delta from it fills, newest first.  HIDDEN as in sync_delta_in.
 */
void sync_cursor_fresh(struct cursor *out, uint64_t epoch, uint64_t cn, msec_t w0, msec_t w1, const struct fmask *hidden);
/**
 * sync_delta - the change delta of one folder for one cursor (rule DELTA).
 *
 * Afterwards the engine reads the contents of PUT and MOD items, merges them (sync_merge: they may be newer than the
 * index, F18), sets have[id] = cn of the merged row for each, drops have for each DEL, and calls sync_prune.  A row that left
 * the window by that merge becomes a DEL; one that is missing in OX is killed and becomes a DEL, its have entry goes.
 * A MOD holds the fields with cn > sync_base_of(the cursor that came in) of the merged row: sync_changed_fields.  Of it and of a PUT
 * next.seen.hidden is left out; a MOD has besides what its item says in also.  A row of which nothing else than hidden fields changed is
 * not told.  Where the answer swept, rows that are in SKIP are answered with every field that is not hidden.
 *
 * @out  items at most LIMIT, except that a moved window is never split (its rows come in one answer whatever LIMIT says).
 * Errors: RC_NOMEM, what SRC returns.   Cost: O(rows since + page); a page reads at most LIMIT + 4096 rows, a moved window apart.
 */
MUST_CHECK enum rc sync_delta(struct arena *a, const struct sync_delta_in *in, const struct row_source *src, struct sync_delta_out *out, struct err *e);

/** sync_prune - drop have entries that (lo, view) already says; does nothing unless pos == lo.  Cost: one by_id for each entry. */
MUST_CHECK enum rc sync_prune(struct arena *a, struct cursor *c, const struct row_source *src, struct err *e);
/** cursor_copy - C with its own have array in A: cursors are immutable, whoever changes one changes a copy. */
MUST_CHECK enum rc cursor_copy(struct arena *a, const struct cursor *c, struct cursor *out);
/** cursor_have_set / _drop - on a cursor from cursor_copy, sync_delta or sync_reconcile (_set grows have in A). */
MUST_CHECK enum rc cursor_have_set(struct arena *a, struct cursor *c, int64_t id, uint64_t cn);
void cursor_have_drop(struct cursor *c, int64_t id);

/** sync_in_window, sync_in_view - does R's time range touch [W0, W1]; and does R lie within the edge and window of V, too? */
bool sync_in_window(const struct row *r, msec_t w0, msec_t w1);
bool sync_in_view(const struct row *r, const struct view *v);
/** sync_hidden_of - fields of R whose value the client never got, whatever sync_base_of says of the others. */
void sync_hidden_of(const struct cursor *c, const struct row *r, struct fmask *out);
/** sync_base_of - newest cn of R that the client is certain to have seen, 0 = not known (rule BASE_OF). */
uint64_t sync_base_of(const struct cursor *c, const struct row *r);
/** sync_changed_fields - fields of R with cn > BASE. */
void sync_changed_fields(const struct row *r, uint64_t base, struct fmask *out);

/* ---- a client's change ---------------------------------------------------------------------------------------------- */

enum sync_policy { POLICY_SERVER, POLICY_CLIENT, POLICY_ERROR };
enum sync_op { OP_CREATE, OP_MODIFY, OP_DELETE };

/** One field as the client sends it. */
struct change_field {
	uint8_t i;
	uint64_t fp;     /* of the value as sent */
	bool blind;      /* the client knows that it overwrites a value that it never showed (F8) */
};
struct change {
	enum sync_op op;
	int64_t id;             /* 0: addressed by client_id only */
	const char *client_id;  /* own creates and in-doubt objects, else NULL */
	const char *rev;        /* rev that the client edited, or NULL (F17) */
	bool again;             /* the client has sent this create before */
	bool blind_delete;      /* F8 for deletes: some server change of it was never shown */
	bool recreate;          /* engine's: re-creation after a delete (client wins), op OP_CREATE, clientId re.<uuid>.<device> */
	unsigned nf;
	struct change_field *f; /* ascending by i; of a re-creation the fields that the client had sent, though OX is sent the whole object */
};

/** A log entry of what this device wrote since the last acknowledged syncid (rule OWN). */
struct write_field {
	uint8_t i;
	uint64_t fp;   /* as sent */
	uint64_t fcn;  /* cn that the field got when read back; 0 = not this field / not known */
};
struct write_entry {
	int64_t wid;       /* store's key */
	int64_t id;        /* object */
	uint64_t seq;      /* of the first answer that told the client; 0 = none yet */
	uint64_t cn;       /* of the row when read back, 0 = outcome unknown or not read back yet */
	bool done;         /* OX said ok */
	msec_t lm;         /* timestamp that OX answered to the write */
	unsigned nf;
	struct write_field *f;
};

enum intent_state { INTENT_PENDING, INTENT_DONE, INTENT_DELETED };
/** A create that was, or was about to be, sent to OX (rules F7, F9, F10). */
struct intent {
	enum intent_state state;
	int64_t id;        /* OX object, 0 = not known */
	bool id_known;     /* OX answered `new` with this id */
	bool unsure;       /* deleted while its outcome was unknown */
	msec_t at;         /* when it was last sent; 0 = surely not running any more */
	uint64_t seq;
	bool asked;        /* in this request: searched by uid in all folders, nothing found */
	bool forgotten;    /* in this request: the database knows no intent, though the client has sent the create before */
	bool elsewhere;    /* in this request: found in another folder */
	struct uuid else_uuid;
	unsigned else_nf;  /* what it has there, ascending by i; none = not compared */
	struct sighting_field *else_f;
	unsigned nf;
	struct write_field *f; /* as sent, ascending by i */
};

enum plan_kind {
	PLAN_DONE,      /* nothing to send; STATUS answers it */
	PLAN_RECORD,    /* record LOSE fields as a conflict (may be none), STATUS answers it */
	PLAN_CREATE,    /* intent is (re)written, send create with all fields; only while the intent is fresh (a few seconds, F9).
	                 * OX ok: store id with id_known and at = 0 at once (F10), then read back, merge, intent DONE, log a write, map, touched */
	PLAN_UPDATE,    /* log a write (seq = next, cn 0), send FIELDS with row->lm (F12).  Record LOSE; read and record OX's values of
	                 * WIN before, and only while OX's last_modified is still row->lm, else plan again (F14).  OX ok: done, lm, touched.
	                 * Refused or not found: delete the write (F11), refresh, plan again.  Unknown: ST_RETRY, the write stays */
	PLAN_DELETE,    /* send delete with row->lm; WIN as above; ok: sync_kill, force_del, forget have */
	PLAN_FIND_UID,  /* ask OX for the uid in all folders (F10).  Found here: refresh, plan again.  Else set intent.asked/elsewhere, plan again;
	                 * where there was no intent, with one that is pending, at = 0, no fields (not saved: the next plan says what to save) */
	PLAN_FIND_MOVED,/* ask OX for the id in all folders (F15).  Alive elsewhere: sync_plan_moved says what to write there.  Alive here:
	                 * refresh, plan again.  Gone: plan again with moved_checked.  OX did not answer: ST_RETRY */
	PLAN_RECREATE   /* client wins over a delete: plan a change with op CREATE, recreate; its retry is ours, else ST_GONE */
};
enum change_status {
	ST_OK, ST_GONE /* does not exist any more */, ST_REFUSED /* delete refused: a newer change won */,
	ST_RETRY /* send it again later */, ST_CONFLICT /* policy error */,
	ST_RECREATE, /* client wins over a delete: send it as a create with clientId re.<uuid>.<device> */
	ST_HELD /* one of too many deletions: nothing is deleted before the device's user confirms */
};

struct sync_plan_in {
	const struct change *change;
	const struct cursor *cursor;
	const struct row *row;         /* index row addressed by id; by client_id: intent.id's row unless the intent is pending, else the
	                                * row with that client_id (live ones first, then the lowest id); NULL = none */
	const char *row_rev;           /* its rev text without sync_hidden_of, or NULL */
	const struct write_entry *writes; /* of this device and folder for this id with seq > cursor's seq or 0 */
	size_t n_writes;
	const struct intent *intent;   /* of change.client_id, or NULL */
	uint64_t cursor_seq;
	enum sync_policy policy, delete_policy; /* delete_policy: delete versus change */
	msec_t now;
	msec_t late_max;               /* an unanswered create may still be executed by OX this long after intent.at (OX's maximal
	                                * request time + how long an intent may wait to be sent + clock skew) */
	msec_t started;                /* of this process: a database set back to an older state knows an older intent.at than that of
	                                * the last request; whoever restores one stops the daemon first.  0 = never set back */
	const struct fmask *bits;      /* fields that are marks (a mail's flags), NULL = none: both sides win, and a deletion does not mind them */
	bool moved_checked;
	bool may_move;                 /* the content type can move between folders */
	bool no_key;                   /* nothing in a row leads to the create that made it (mails, folders): OX is asked before the client hears that it must wait,
	                                * else it would be given its own object as somebody else's meanwhile */
};
struct sync_plan_out {
	enum plan_kind kind;
	enum change_status status;
	struct fmask fields;           /* PLAN_UPDATE: to send */
	struct fmask lose;             /* client's values that lose: to record */
	struct fmask win;              /* server's values that will be overwritten: to record first */
	struct fmask foreign;          /* PLAN_FIND_MOVED: fields changed by others since the base (or blind) */
	struct fmask applied;          /* own repeats: nothing to do for these (F5) */
	bool map;                      /* tell the client clientId -> uuid of ROW (or of intent.else_uuid / intent.id) */
	bool adopt;                    /* pending intent found its object: log a write for it with the intent's fields */
	bool force_del, force_put;     /* the answer must hold a delete / whole put of this row */
	bool drop_have;                /* the row is gone: forget it in the cursor */
	bool touched;                  /* answer this row in full against what was sent, although nothing is written */
	bool intent_new;               /* create the intent row (PENDING, at = now; fields only with PLAN_CREATE: an `again` that waits has none) */
	enum intent_state intent_state;/* state to write when INTENT_SET */
	bool intent_set, intent_unsure;
};
/**
 * sync_plan_change - what becomes of one change of a client (function `one` of the model, BASE_OF, CONFLICT, OWN).
 * Never fails; every combination has an answer.  The engine carries it out and calls again after a refresh when OX refuses.
 */
void sync_plan_change(const struct sync_plan_in *in, struct sync_plan_out *out);

/**
 * sync_plan_moved - PLAN_FIND_MOVED found the object alive in another folder: which of CH's fields to write there (F15).
 *
 * Merges against the fingerprints that the tombstone kept.  A conflict: @policy server = in *lose, client = in *fields and
 * *win (record OX's values of these first), error = false is returned and nothing is to be written (ST_CONFLICT).
 * Else the answer is ST_GONE with force_del, whether or not something was to be written.
 * @tomb   the tombstone here;  @there  what OX has there (known);  @plan  the PLAN_FIND_MOVED answer
 */
MUST_CHECK bool sync_plan_moved(const struct change *ch, const struct row *tomb, const struct sighting *there, const struct sync_plan_out *plan,
    enum sync_policy policy, struct fmask *fields, struct fmask *lose, struct fmask *win);

/**
 * sync_write_complete - note in W what the row got from it, after the read-back (F11): a field is ours where OX shows what was
 * sent, or (normalised) where the row's last_modified is still the one that OX answered to the write.  Only for W with done
 * and cn 0; also makes the write of an adopted create (lm = 0: equal values only).
 */
void sync_write_complete(struct write_entry *w, const struct row *row);

/**
 * sync_answer_fields - what to answer for a row that this request wrote or found as wished (touched; F4): every field that
 * the client cannot know and every sent one, less those that are stored as sent.  Where nothing is known of what the client has,
 * all bits are set, those of fields that are not set as well (they are answered as null).
 * @cursor  the one that came in;  @ch  the change (union of them when one object had several);  @row  as merged last
 * @own     out: sent fields whose value in the row is the device's own, so that its client does not take them for foreign (F8)
 */
void sync_answer_fields(const struct cursor *cursor, const struct row *row, const struct change *ch, const struct write_entry *writes, size_t n_writes,
    struct fmask *fields, struct fmask *own);

/* ---- reconcile ------------------------------------------------------------------------------------------------------ */

struct pair { int64_t id; char rev[REV_TEXT]; bool valid; /* uuid belongs to this folder */ struct uuid uuid; };
struct sync_reconcile_out {
	struct sync_item *items;  /* PUT only */
	size_t n;
	const struct pair **gone; /* pairs whose object is not there (any more) or outside the window */
	size_t n_gone;
	struct cursor next;
	bool more;                /* no syncid then: the client sends its pairs again, with what it has now */
};
/**
 * sync_reconcile - (uuid, rev) pairs against the index (rule F20): differences only, puts alone count against LIMIT.
 *
 * No changes are accepted together with it.  The engine sets have[id] for the puts as after sync_delta.
 * What does not fit into LIMIT is the oldest by the order of the fill, and more is set.
 * @fresh  from sync_cursor_fresh; next is it with the fill done.  Set its edge (and n_filled) to keep to the newest max_objects:
 *         rows below are then left out, and gone where the client has them
 * @rows   all live rows of the folder, ascending by id, fingerprints known (an unknown one is sent whole)
 * @pairs  ascending by id; those that are not valid may stand anywhere and are gone
 */
MUST_CHECK enum rc sync_reconcile(struct arena *a, const struct model_keys *k, enum content ct, const struct cursor *fresh,
    struct row **rows, size_t n_rows, const struct pair *pairs, size_t n_pairs, const struct imap *skip, size_t limit,
    struct sync_reconcile_out *out);

#endif
