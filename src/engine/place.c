/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a client names, as OX names it, and the other way round: for calls to OX that are no sync but change what is synchronised. */
#include "engine/engine_int.h"

#include <string.h>

enum rc
engine_place_of(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *uuid, struct engine_place *out, struct err *e)
{
	struct row *r;
	struct op op;
	enum rc rc = op_object(&op, s, a, folder, uuid, &r, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		*out = (struct engine_place){ .ct = op.t.ct, .folder = op.t.oxid, .id = r->id, .oxid = r->oxid };
	op_end(&op);
	hierarchy_drop(&op);
	return rc;
}

/* The index is what a woken waiter looks at, so it is brought up to date first. */
static enum rc
refresh(struct op *op, struct err *e)
{
	enum rc rc = store_lock(op->c, op->t.f.id, e);

	if (rc != RC_OK)
		return rc;
	op->locked = true;
	rc = target_again(op, e);
	op->cn_at_start = op->t.f.cn;
	op_window(op, op->t.ct, &op->w0, &op->w1);
	return rc == RC_OK ? op_refresh(op, true, e) : rc;
}

enum rc
engine_touched(struct engine_session *s, struct arena *a, enum content ct, const char *folder, int64_t id, struct engine_touched *out, struct err *e)
{
	struct folder_ref ref = { 0 };
	struct target hier;
	struct op op;
	enum rc rc = op_begin(&op, s, a, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = target_hierarchy(&op, true, &hier, e);
	if (rc == RC_OK) {
		uuid_make(op.g->keys, hier.tag, model_id(op.g->keys, folder), &ref.uuid);
		rc = target_open(&op, &ref, &op.t, e);
	}
	if (rc == RC_OK && op.t.ct == ct) {
		op.ref = ref;
		rc = refresh(&op, e);
		out->known = true;
		out->folder = ref.uuid;
		uuid_make(op.g->keys, op.t.tag, id, &out->uuid);
	}
	op_end_written(&op);
	return rc;
}
