/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One object and one device, with all that is known of both: found by explain_find.c, judged by explain.c. */
#ifndef USMD_EXPLAIN_INT_H
#define USMD_EXPLAIN_INT_H

#include "engine/engine_int.h"

struct look {
	struct engine *g;
	struct store_conn *c;
	struct arena *a;
	const struct store_device_info *dev;
	const struct device_config *cfg;
	/* of the user's folders */
	struct store_folder *folders;
	size_t n_folders;
	const struct store_folder *hier;   /* the hierarchy's index, NULL = never read */
	/* where the object is */
	const struct store_folder *f;      /* NULL = in no folder that is known */
	uint64_t tag;
	struct row *place;                 /* the folder's row in the hierarchy, NULL = none; of a folder of the hierarchy itself NULL */
	/* the object */
	int64_t id;
	struct uuid uuid;
	struct row *row;                   /* NULL = not in the index */
	const char *client_id;
	struct intent intent;
	bool has_intent;
	/* what the device has */
	struct store_cursor *cur;          /* ascending; the last is what it was told last */
	size_t n_cur;
	enum folder_mode mode;
	struct fmask hidden;
	msec_t w0, w1;
	/* what happened */
	struct store_aside *aside;
	size_t n_aside;
	struct store_event *journal, *conflict;
	size_t n_journal, n_conflict;
	struct write_entry *writes;
	size_t n_writes;
	struct store_guard guard;
};

/* explain_find.c */

/** look_find - the objects that WANT means, each in a struct look of its own with everything loaded; at most EXPLAIN_MAX. */
MUST_CHECK enum rc look_find(const struct look *base, const struct explain_want *want, struct look *out, size_t *n, struct err *e);
/** look_rights - the user's rights on the folder, OX's permission bits; false = not known. */
bool look_rights(const struct look *l, int64_t *bits);
/** look_aside - the note that the object is set aside: for this device, or (DEVICE false) for everybody; NULL = it is not. */
const struct store_aside *look_aside(const struct look *l, bool device);

#endif
