/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Conflict records: what is written into one, and how restore.c reads it again. */
#ifndef USMD_CONFLICT_INT_H
#define USMD_CONFLICT_INT_H

#include "engine/change_int.h"

/** Values that lose a conflict. */
struct loss {
	const struct uuid *uuid;      /* of the object as clients know it; all zero = it never had one */
	const char *folder;           /* OX id of its folder, NULL = the operation's */
	const struct row *row;        /* of the object in the operation's folder, or NULL */
	const struct object *object;  /* has the values; NULL = nothing to record */
	const struct fmask *fields;   /* that lost; none = nothing to record */
	bool server;                  /* OX's values, else the client's */
	bool whole;                   /* all other fields that are set are recorded too: the object is about to go */
	const void *raw;              /* octets of a mail, or NULL */
	size_t raw_len;
};
/** conflict_record - writes L down, an equal one once; *ID of the record, as it was where there was nothing to record. */
enum rc conflict_record(struct op *op, const struct loss *l, int64_t *id, struct err *e);
/** conflict_open - the record as JSON (new reference), or NULL when it cannot be opened. */
json_t *conflict_open(struct engine *g, const struct store_conflict *x);

#endif
