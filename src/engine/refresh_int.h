/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One merge into a folder index, shared by the refreshes of PIM folders, the hierarchy and mail. */
#ifndef USMD_REFRESH_INT_H
#define USMD_REFRESH_INT_H

#include "engine/engine_int.h"

struct merge {
	struct op *op;
	struct store_folder f;   /* as it will be saved (cn aside) */
	struct index_head head;
	int64_t born;            /* how many more live rows there are than before */
	bool head_changed;       /* save the folder even when no row changed */
	struct row **put;        /* rows to save */
	size_t n, cap;
	struct imap *at;         /* id -> index in put */
	struct store_folder saved;
};

#define KNOW_CHUNK 500 /* contents read at once where they are not kept */

/* merge.c */
enum rc merge_begin(struct op *op, struct merge *m, size_t expected, struct err *e);
enum rc merge_sighting(struct merge *m, const struct row *old, const struct sighting *s, struct row **now, struct err *e);
enum rc merge_kill(struct merge *m, const struct row *old, struct err *e);
enum rc merge_end(struct merge *m, struct err *e);
enum rc merge_unknown(struct merge *m, const struct row *old, struct err *e);
bool is_broken(const struct op *op, int64_t id);
void broken_note(struct op *op, int64_t id);
/** long_ago - AT is more than MS away from NOW; a time that lies so far ahead was noted while a clock was wrong. */
static inline bool
long_ago(msec_t at, msec_t now, msec_t ms)
{
	return now - at > ms || at - now > ms;
}
bool row_waits(struct op *op, const struct row *r, enum rc *rc, struct err *e);
bool mail_waits(struct op *op, const struct row *old, enum rc *rc, struct err *e);
size_t set_broken_aside(struct op *op, struct object **o, size_t n);
int object_by_lm(const void *x, const void *y);
enum rc rows_by_id(struct op *op, const int64_t *ids, size_t n, struct row ***rows, struct imap **at, struct err *e);
enum rc op_sight(struct op *op, const struct object *o, struct sighting *s, struct err *e);

/* refresh.c */
enum rc merge_listing(struct merge *m, struct sighting *s, size_t n, struct err *e);

/* visible.c */
/* drop_closed - without the private objects of others; their ids behind CLOSED, if not NULL; how many are left. */
size_t drop_closed(const struct op *op, struct object **o, size_t n, int64_t *closed, size_t *n_closed);
size_t drop_closed_sightings(const struct op *op, struct sighting *s, size_t n);
bool folder_unreadable(struct op *op);
enum rc refresh_refused(struct op *op, msec_t now, enum rc why, struct err *e);
enum rc drop_indexes(struct op *op, struct row *const *gone, size_t n, struct err *e);
enum rc relist_indexes(struct op *op, struct row *const *changed, size_t n, struct err *e);
bool rights_differ(const struct row *old, const struct sighting *s);

/* refresh_mail.c */
enum rc refresh_mail(struct op *op, msec_t now, struct err *e);

#endif
