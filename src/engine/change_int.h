/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One change of a client while it is carried out: shared by change.c (what) and write.c (how each type is written). */
#ifndef USMD_CHANGE_INT_H
#define USMD_CHANGE_INT_H

#include "engine/engine_int.h"

struct work {
	struct op *op;
	const struct client_change *cc;
	struct change ch;
	const char *key;         /* "<owner>/<clientId>" as rows carry it */
	struct answer_result *res;
	struct row *row;
	struct intent intent;
	bool has_intent;
	struct intent noted;     /* as the database has it: state, at, id_known */
	bool is_noted;
	bool still_here;         /* OX answered before that the object, a tombstone here, is in this very folder */
	bool kept_intent;        /* intent holds answers of OX for this attempt: do not read it again */
	struct sync_plan_out p;
	int64_t series;          /* create of an exception: OX id of its series, else 0 */
	struct write_how how;    /* of cc->object */
	struct mail_op mail_op;  /* mail create: what its lost import is found by */
	bool has_mail_op;
	const char *message_id;  /* mail: of the octets that came with it */
	const void *octets;      /* mail: as they are sent */
	size_t octets_len;
	struct buf raw;          /* holds them when they had to be completed */
	int photo;               /* number of the type's FF_APART field, -1 = none */
	uint64_t photo_there, photo_known; /* the picture that OX has: fingerprint of its octets, and that of the index; 0 = not asked */
};

/** work_intent_put - the outcome of what this request has claimed. */
enum rc work_intent_put(struct work *w, struct err *e);
/** work_intent_claim - note it before anything is sent; *WON: false = another execution of the same change has noted its own since this one looked. */
enum rc work_intent_claim(struct work *w, bool *won, struct err *e);
enum rc work_log_write(struct work *w, struct write_entry *entry, struct err *e);
enum rc work_withdraw(struct work *w, int64_t wid, struct err *e);
struct write_field *work_sent(struct work *w, const struct fmask *mask, unsigned *n);
enum rc work_adopt(struct work *w, msec_t lm, struct err *e);
/** work_import - what is noted of the import of a mail before it is sent, and to find it after: W->message_id is set. */
struct mail_op work_import(const struct work *w);
enum rc work_record_lost(struct work *w, const struct fmask *lose, struct err *e);

/* write.c */
/** ask_folder - the create of a folder that nobody answered: *AGAIN = one of its name is there; RC_NOTFOUND = none. */
enum rc ask_folder(struct work *w, bool *again, struct err *e);

/* ask.c */
struct mail_place place_here(const struct op *op);
/** ask_uid - PLAN_FIND_UID: sets W->intent.asked or elsewhere; *again = it is here, plan again after a refresh. */
enum rc ask_uid(struct work *w, bool *again, struct err *e);
/** apply_moved - PLAN_FIND_MOVED: *gone = nowhere; *again = here, plan again; else the change was settled where the object is now. */
enum rc apply_moved(struct work *w, bool *again, bool *gone, struct err *e);

/* refused.c */
enum rc err_set_right(struct err *e, const char *right, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* refused_right - names the right whose lack made OX refuse, and has the server's object sent again, so that both sides agree. */
enum rc refused_right(struct work *w, struct err *e);
/* photo.c */
enum rc photo_align(struct work *w, struct write_entry *writes, size_t n, struct err *e);
unsigned photo_stamp_sent(const struct work *w, struct write_field *f, unsigned n);
struct write_field *photo_as_known(const struct work *w, struct write_field *f, unsigned n);
enum rc photo_overwritten(struct op *op, const char *folder, int64_t id, const struct fmask *fields, json_t **out, struct err *e);
void photo_set(struct object *o, json_t *photo);

/* label.c */
/** label_possible - a flagged mail without a label becomes one with label 1; true: CC was changed, and the client has to be told. */
bool label_possible(const struct op *op, struct client_change *cc);
/** label_with_flag - where the client says both and one of them is to be written, the other goes along, so that OX leaves it as it is. */
void label_with_flag(struct work *w);
/** label_sent - F with what OX makes of the one because the other of MASK is written; F has room for one more.  Returns the new N. */
unsigned label_sent(const struct work *w, const struct fmask *mask, struct write_field *f, unsigned n);

/** work_gone - W's row is not in this folder any more: tombstone, and the client is told. */
enum rc work_gone(struct work *w, struct err *e);

/* write.c, transfer.c (move): RC_OK sets W->res->status, or *again */
enum rc write_create(struct work *w, bool *again, struct err *e);
enum rc write_update(struct work *w, bool *again, struct err *e);
enum rc write_delete(struct work *w, bool *again, struct err *e);
enum rc write_move(struct work *w, bool *again, struct err *e);

/* journal.c: notes before a write, *entry to be withdrawn when that is surely not done (0 = none was made); *again as of op_before */
/** A note of what is about to go. */
struct noted {
	int64_t device;              /* 0 = that of the session */
	const char *place;
	int64_t id;
	msec_t version;
	enum journal_op op;
	const struct object *before; /* NULL = OX does not deliver it */
	struct fmask fields;         /* of BEFORE, to be kept */
	struct write_field *f;
	unsigned nf;
};
enum rc journal_add(struct op *op, const struct noted *x, int64_t *entry, struct err *e);
enum rc journal_update(struct work *w, struct write_field *f, unsigned nf, int64_t *entry, bool *again, struct err *e);
enum rc journal_delete(struct work *w, int64_t *entry, bool *again, struct err *e);
void journal_withdraw(struct op *op, int64_t entry);

/* guard.c */
enum rc guard_create(struct work *w, struct err *e);
void guard_created(struct work *w, int64_t id);
/* write.c */
bool mail_in_trash(const struct op *op);

/* series.c */
enum rc series_as_field(struct work *w, struct client_change *cc, struct err *e);
enum rc series_ready(struct work *w, struct err *e);
enum rc series_find(struct work *w, struct err *e);
enum rc series_reread(struct work *w, int64_t series, struct err *e);
enum rc series_of_row(struct work *w, int64_t *series, struct err *e);
enum rc series_follow(struct work *w, bool deleted, struct err *e);
enum rc own_since(struct work *w, int64_t id, uint64_t cn, struct err *e);
/** work_completed - *OUT NULL = the change's own object says it all; else to be dropped with object_drop. */
enum rc work_completed(struct work *w, struct object **out, struct err *e);

#endif
