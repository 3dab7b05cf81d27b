/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data: getQuota. */
#include "protocol/usmjson/usmjson_int.h"

static void
write_amount(struct buf *b, const char *key, int64_t v)
{
	js_key(b, key);
	if (v < 0)
		buf_adds(b, "null");
	else
		buf_add_i64(b, v);
}

static void
write_use(struct buf *b, const char *key, const struct service_use *u)
{
	js_key(b, key);
	buf_addc(b, '{');
	write_amount(b, "used", u->used);
	write_amount(b, "limit", u->limit);
	buf_addc(b, '}');
}

enum rc
cmd_get_quota(struct call *c)
{
	struct service_quota q;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_quota_get(c->session, &q, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_use(&c->out, "mail", &q.mail);
	write_use(&c->out, "files", &q.files);
	for (int ct = CT_CONTACT; ct < CT_MAIL; ct++)
		write_use(&c->out, model_content((enum content)ct)->name, &q.objects[ct]);
	buf_addc(&c->out, '}');
	return RC_OK;
}
