/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the engine's files about mail share: a mail folder as a place for results, and the notes that make repeated requests harmless. */
#ifndef USMD_ENGINE_MAIL_INT_H
#define USMD_ENGINE_MAIL_INT_H

#include "engine/change_int.h"

#define FLAG_ANSWERED 1u
#define FLAG_DRAFT 4u
#define FLAG_SEEN 32u
#define FLAG_FORWARDED 256u

/** A mail folder as OX counts it now, whether or not it was ever indexed. */
struct mail_place {
	const char *oxid;
	uint64_t topic, tag;     /* as in struct target */
	struct ox_examine x;
};
enum rc mail_place_open(struct op *op, const char *oxid, struct mail_place *p, struct err *e);
void mail_place_uuid(const struct op *op, const struct mail_place *p, int64_t uid, struct uuid *out);

/** mail_mark - of all that copying leaves as it is.  mail_mark_id - of the Message-ID (N octets, with or without
 * brackets) alone, for what OX is given as octets. */
uint64_t mail_mark(const struct op *op, const struct ox_mail_head *h);
uint64_t mail_mark_id(const struct op *op, const char *message_id, size_t n);
uint64_t mail_digest(const struct op *op, const void *raw, size_t n);

/** mail_key - key of a note: KIND and NAME; NULL = out of memory.  mail_key_uuid - of the mail U. */
const char *mail_key(struct op *op, char kind, const char *name);
const char *mail_key_uuid(struct op *op, char kind, const struct uuid *u);
/** mail_op_begin - a pending note of something that lands in P, sent to OX now. */
struct mail_op mail_op_begin(const struct engine *g, const struct mail_place *p, uint64_t mark);
enum rc mail_op_get(struct op *op, const char *key, struct mail_op *o, bool *known, struct err *e);
enum rc mail_op_put(struct op *op, const char *key, struct mail_op *o, enum mail_op_state state, struct err *e);
/** mail_op_unanswered - OX did not answer what O notes: it may run from now on, also where this process stood still between the note and the request. */
void mail_op_unanswered(struct op *op, const char *key, struct mail_op *o);
/** mail_op_may_run - OX may still be executing the request that O notes (F9). */
bool mail_op_may_run(const struct op *op, const struct mail_op *o);
/** mail_op_find - the uid in P of what O notes; RC_NOTFOUND.  BY_ID: its mark is of the Message-ID alone. */
enum rc mail_op_find(struct op *op, const struct mail_place *p, const struct mail_op *o, bool by_id, int64_t *uid, struct err *e);

/**
 * mail_octets - RAW as it goes to OX, and its Message-ID with brackets.  One without gets the one made of SEED, in BUF (the caller's to
 * free), so that the same request gives the same mail.  RC_PROTO, RC_LIMIT.
 */
enum rc mail_octets(struct op *op, const char *seed, const void **raw, size_t *n, struct buf *buf, const char **message_id, struct err *e);

/** mail_at - opens FOLDER as OP's target and finds MAIL in its index, alive. */
enum rc mail_at(struct op *op, const struct uuid *folder, const struct uuid *mail, struct row **row, struct err *e);

/* draft.c: a change that brings other octets for a draft */
enum rc write_draft(struct work *w, struct err *e);
/* transfer.c: a mail that is not here (any more): moved by an earlier request of this device? */
enum rc mail_moved_before(struct work *w, struct err *e);

#endif
