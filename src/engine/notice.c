/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Notices: what a client does not get, told in the answer in which it would have come.  Nothing is remembered for them: a client that
 * begins anew meets the same objects and hears the same, and one that is in step hears nothing twice.
 */
#include "engine/engine_int.h"

#include <string.h>

#define NOTICES_MAX 100 /* in one answer: a person reads no more */

const char *
notice_name(enum notice_code c)
{
	static const char *const names[NOTICE_COUNT] = {
		[NOTICE_OBJECTS] = "too-many-objects", [NOTICE_ATTACHMENTS] = "too-many-attachments", [NOTICE_UNREADABLE] = "unreadable",
		[NOTICE_LARGE] = "too-large", [NOTICE_REJECTED] = "rejected", [NOTICE_HELD] = "deletions-held",
		[NOTICE_STUCK] = "set-aside",
	};

	return names[c];
}

/* UUID NULL = about the folder. */
enum rc
notice_add(struct op *op, enum notice_code code, const struct uuid *uuid, int64_t count, int64_t limit, struct err *e)
{
	struct sync_answer *out = op->out;
	struct notice *n;

	if (out->n_notices == NOTICES_MAX)
		return RC_OK;
	if (out->notices == NULL && (out->notices = arena_array(op->a, struct notice, NOTICES_MAX)) == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the answer");
	n = &out->notices[out->n_notices++];
	*n = (struct notice){ .code = code, .has_uuid = uuid != NULL, .count = count, .limit = limit };
	if (uuid != NULL)
		n->uuid = *uuid;
	return RC_OK;
}

/* What an object that is delivered has too much of; a mail that is too large is marked. */
enum rc
notice_of_item(struct op *op, struct answer_item *it, struct err *e)
{
	const struct engine_options *o = &op->g->o;
	const struct content_type *t = model_content(op->t.ct);
	int i = model_field(t, op->t.ct == CT_MAIL ? "size" : "number_of_attachments");
	int64_t n = i >= 0 ? object_get_i64(it->object, (unsigned)i, 0) : 0;

	if (op->t.ct == CT_MAIL) {
		it->truncated = o->stub_bytes != 0 && n > (int64_t)o->stub_bytes;
		return it->truncated && it->whole ? notice_add(op, NOTICE_LARGE, &it->uuid, n, (int64_t)o->stub_bytes, e) : RC_OK;
	}
	if (i < 0 || o->max_attachments == 0 || n <= (int64_t)o->max_attachments || (!it->whole && !fmask_has(&it->fields, (unsigned)i)))
		return RC_OK;
	return notice_add(op, NOTICE_ATTACHMENTS, &it->uuid, n, (int64_t)o->max_attachments, e);
}

/* The fill has come to the limit on objects: how many there are is counted now, once for each client. */
enum rc
notice_of_fill(struct op *op, const struct cursor *before, const struct cursor *after, struct err *e)
{
	size_t max = op->g->o.max_objects, live;
	enum rc rc;

	if (max == 0 || after->view.filled || after->view.n_filled < max || before->view.n_filled >= max)
		return RC_OK;
	rc = op_live(op, &live, e);
	return rc == RC_OK && live > max ? notice_add(op, NOTICE_OBJECTS, NULL, (int64_t)live, (int64_t)max, e) : rc;
}
