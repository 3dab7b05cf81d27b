/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* An answer while it grows: shared by answer.c (the delta) and reconcile.c (the comparison). */
#ifndef USMD_ANSWER_INT_H
#define USMD_ANSWER_INT_H

#include "engine/engine_int.h"

struct answer {
	struct op *op;
	struct sync_delta_out d;
	struct cursor next;
	struct store_cursor saved;
	size_t cap_items, cap_deleted;
	bool more;
	int64_t stuck;           /* the object that this device does not get over, 0 = none */
};

enum rc deleted_add(struct answer *an, int64_t id, struct err *e);
enum rc fetch_contents(struct answer *an, const struct sync_item *items, size_t n_items, struct err *e);
enum rc give_all(struct answer *an, const struct sync_item *items, size_t n, struct err *e);
enum rc answer_save(struct answer *an, struct err *e);

#endif
