/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One object that a client names: where it is in the index, and the octets of a mail. */
#include "engine/engine_int.h"

/* Begins OP on FOLDER and finds the living row of UUID in it.  To be ended with op_end whatever it returns. */
enum rc
op_object(struct op *op, struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *uuid, struct row **row,
    struct err *e)
{
	struct folder_ref ref = { .uuid = *folder };
	int64_t id;
	enum rc rc = op_begin(op, s, a, e);

	*row = NULL;
	op->ref = ref;
	if (rc == RC_OK)
		rc = target_open(op, &ref, &op->t, e);
	if (rc == RC_OK && !uuid_id(s->g->keys, op->t.tag, uuid, &id))
		rc = err_set_path(e, RC_NOTFOUND, "uuid", "this object is not in the folder");
	if (rc == RC_OK)
		rc = op_row(op, id, row, e);
	if (rc == RC_OK && (*row == NULL || (*row)->dead))
		rc = err_set_path(e, RC_NOTFOUND, "uuid", "this object is not in the folder (any more)");
	return rc;
}

enum rc
engine_mail_raw(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct buf *out, struct err *e)
{
	struct row *r;
	struct op op;
	enum rc rc = op_object(&op, s, a, folder, mail, &r, e);

	if (rc == RC_OK && op.t.ct != CT_MAIL)
		rc = err_set_path(e, RC_PROTO, "folder", "this folder holds no mail");
	op_end(&op); /* no database connection while OX sends a large mail */
	hierarchy_drop(&op);
	return rc == RC_OK ? ox_mail_raw(s->ox, op.t.oxid, r->id, r->oxid, out, e) : rc;
}
