/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mails on demand: the octets, the bodies, one part.  The index is asked only whether the mail is the client's to see; nothing is kept. */
#include "engine/mail_int.h"

#include <string.h>

enum rc
mail_at(struct op *op, const struct uuid *folder, const struct uuid *mail, struct row **row, struct err *e)
{
	enum rc rc = op_object_at(op, folder, mail, row, e);

	return rc == RC_OK && op->t.ct != CT_MAIL ? err_set_path(e, RC_PROTO, "folder", "this folder holds no mail") : rc;
}

/* No database connection is held while OX sends what may be large. */
static enum rc
look_up(struct op *op, struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct row **row, struct err *e)
{
	enum rc rc = op_begin(op, s, a, e);

	if (rc == RC_OK)
		rc = mail_at(op, folder, mail, row, e);
	op_end(op);
	hierarchy_drop(op);
	return rc;
}

enum rc
engine_mail_raw(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct buf *out, struct err *e)
{
	struct row *r;
	struct op op;
	enum rc rc = look_up(&op, s, a, folder, mail, &r, e);

	return rc == RC_OK ? ox_mail_raw(s->ox, op.t.oxid, r->id, r->oxid, out, e) : rc;
}

/* At most MAX octets, and no character cut in two. */
static bool
shorten(const char *text, size_t *len, size_t max)
{
	size_t n = max;

	if (text == NULL || *len <= max)
		return false;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	*len = n;
	return true;
}

enum rc
engine_mail_body(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct ox_mail_body *out,
    bool *truncated, struct err *e)
{
	struct row *r;
	struct op op;
	enum rc rc = look_up(&op, s, a, folder, mail, &r, e);

	*truncated = false;
	if (rc == RC_OK)
		rc = ox_mail_body(s->ox, a, op.t.oxid, r->id, r->oxid, out, e);
	if (rc != RC_OK)
		return rc;
	*truncated = shorten(out->text, &out->text_len, s->g->o.max_body_bytes);
	*truncated |= shorten(out->html, &out->html_len, s->g->o.max_body_bytes);
	return RC_OK;
}

enum rc
engine_mail_part(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, const char *id, struct buf *out,
    struct err *e)
{
	struct row *r;
	struct op op;
	enum rc rc = look_up(&op, s, a, folder, mail, &r, e);

	return rc == RC_OK ? ox_mail_part(s->ox, op.t.oxid, r->id, r->oxid, id, out, e) : rc;
}
