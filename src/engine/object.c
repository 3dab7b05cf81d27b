/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One object that a client names: where it is in the index. */
#include "engine/engine_int.h"

/* Opens FOLDER as OP's target and finds the living row of UUID in it; of an object that a search has found, perhaps, and no sync, OX is asked. */
enum rc
op_object_at(struct op *op, const struct uuid *folder, const struct uuid *uuid, struct row **row, struct err *e)
{
	struct folder_ref ref = { .uuid = *folder };
	int64_t id;
	enum rc rc = target_open(op, &ref, &op->t, e);

	*row = NULL;
	op->ref = ref;
	if (rc == RC_OK && uuid_id(op->g->keys, op->t.tag, uuid, &id))
		rc = op_row(op, id, row, e);
	return rc == RC_OK && (*row == NULL || (*row)->dead) ? op_unlisted(op, uuid, row, e) : rc;
}

/* Begins OP as well.  To be ended with op_end whatever it returns. */
enum rc
op_object(struct op *op, struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *uuid, struct row **row,
    struct err *e)
{
	enum rc rc = op_begin(op, s, a, e);

	*row = NULL;
	return rc == RC_OK ? op_object_at(op, folder, uuid, row, e) : rc;
}
