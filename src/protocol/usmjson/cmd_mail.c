/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Commands about mails and about moving: getMail, getMailBody, getMailPart, sendMail, moveItems, copyItems. */
#include "protocol/usmjson/usmjson_int.h"

#include <stdio.h>
#include <string.h>

#define PART_ID_MAX 64

enum rc
cmd_get_mail(struct call *c)
{
	enum { FOLDER, MAIL, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[MAIL] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
	};
	struct uuid folder, mail;
	struct buf out;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &folder);
	rd_uuid(v[MAIL], &mail);
	buf_init(&out, c->u->o.max_mail_bytes);
	rc = engine_mail_raw(c->session, c->arena, &folder, &mail, &out, &c->err);
	if (rc == RC_OK)
		rc = call_reply_octets(c, &out, "message/rfc822");
	buf_fini(&out);
	return rc;
}

/* ---- body and parts ---- */

static void
write_text(struct buf *b, const char *key, const char *s, size_t n)
{
	js_key(b, key);
	if (utf8_valid(s, n))
		json_text_string(b, s, n);
	else
		js_str(b, s);
}

static void
write_part(struct buf *b, const struct ox_mail_part *p)
{
	buf_addc(b, '{');
	js_key(b, "id");
	js_str(b, p->id);
	if (p->filename != NULL) {
		js_key(b, "filename");
		js_str(b, p->filename);
	}
	js_key(b, "contentType");
	js_str(b, p->content_type != NULL ? p->content_type : "application/octet-stream");
	if (p->size >= 0) {
		js_key(b, "size");
		buf_add_i64(b, p->size);
	}
	if (p->is_inline) {
		js_key(b, "inline");
		buf_adds(b, "true");
	}
	if (p->content_id != NULL) {
		js_key(b, "contentId");
		js_str(b, p->content_id);
	}
	buf_addc(b, '}');
}

/* The body that was not asked for is one of the parts: nothing of a mail is out of reach. */
static struct ox_mail_part
other_body(const struct ox_mail_body *m, bool html)
{
	return (struct ox_mail_part){ .id = html ? m->html_id : m->text_id, .content_type = html ? "text/html" : "text/plain",
		.size = (int64_t)(html ? m->html_len : m->text_len), .is_inline = true };
}

static void
write_body(struct buf *b, const struct ox_mail_body *m, bool want_html, bool truncated)
{
	bool html = want_html ? m->html != NULL : m->text == NULL && m->html != NULL;
	bool both = m->html != NULL && m->text != NULL;

	buf_addc(b, '{');
	if (html)
		write_text(b, "html", m->html, m->html_len);
	else
		write_text(b, "text", m->text != NULL ? m->text : "", m->text_len);
	if (truncated) {
		js_key(b, "truncated");
		buf_adds(b, "true");
	}
	js_key(b, "attachments");
	buf_addc(b, '[');
	if (both) {
		struct ox_mail_part other = other_body(m, !html);

		write_part(b, &other);
	}
	for (size_t i = 0; i < m->n_parts; i++) {
		if (i > 0 || both)
			buf_addc(b, ',');
		write_part(b, &m->part[i]);
	}
	buf_adds(b, "]}");
}

enum rc
cmd_get_mail_body(struct call *c)
{
	enum { FOLDER, MAIL, FORMAT, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[MAIL] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
		[FORMAT] = { "format", RD_STRING, RD_REQUIRED, 4, 4 },
	};
	struct ox_mail_body body = { 0 };
	struct uuid folder, mail;
	bool truncated, html;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	html = strcmp(json_string_value(v[FORMAT]), "html") == 0;
	if (!html && strcmp(json_string_value(v[FORMAT]), "text") != 0)
		return rd_fail_at(&r, "format", RC_PROTO, "must be \"text\" or \"html\"");
	rd_uuid(v[FOLDER], &folder);
	rd_uuid(v[MAIL], &mail);
	rc = engine_mail_body(c->session, c->arena, &folder, &mail, &body, &truncated, &c->err);
	if (rc == RC_OK)
		write_body(&c->out, &body, html, truncated);
	return rc;
}

enum rc
cmd_get_mail_part(struct call *c)
{
	enum { FOLDER, MAIL, ID, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[MAIL] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
		[ID] = { "id", RD_STRING, RD_REQUIRED, 1, PART_ID_MAX },
	};
	struct uuid folder, mail;
	struct buf out;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &folder);
	rd_uuid(v[MAIL], &mail);
	buf_init(&out, c->u->o.max_mail_bytes);
	rc = engine_mail_part(c->session, c->arena, &folder, &mail, json_string_value(v[ID]), &out, &c->err);
	/* never the part's own type: what a stranger sent must not run in a browser under this server's name; the list tells the type */
	if (rc == RC_OK)
		rc = call_reply_octets(c, &out, "application/octet-stream");
	buf_fini(&out);
	return rc;
}

/* ---- sending ---- */

static enum rc
read_ref(struct rd *r, const char *name, const json_t *j, bool *has, struct uuid *folder, struct uuid *mail)
{
	enum { FOLDER, MAIL, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[MAIL] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
	};
	size_t mark = rd_enter(r, name);
	json_t *v[N];
	enum rc rc;

	*has = j != NULL;
	rc = j != NULL ? rd_object(r, j, m, N, v) : RC_OK;
	if (rc != RC_OK)
		return rc;
	if (j != NULL) {
		rd_uuid(v[FOLDER], folder);
		rd_uuid(v[MAIL], mail);
	}
	rd_leave(r, mark);
	return RC_OK;
}

static void
write_sent(struct buf *b, const struct send_answer *a)
{
	static const char *const names[] = { [SEND_SENT] = "sent", [SEND_UNKNOWN] = "unknown" };

	buf_addc(b, '{');
	js_key(b, "state");
	js_str(b, names[a->state]);
	if (a->has_copy) {
		js_key(b, "folder");
		js_uuid(b, &a->folder);
		js_key(b, "uuid");
		js_uuid(b, &a->copy);
	}
	buf_addc(b, '}');
}

enum rc
cmd_send_mail(struct call *c)
{
	enum { CLIENT_ID, RAW, REPLY, FORWARD, DRAFT, SAVE, RESEND, N };
	static const struct rd_member m[N] = {
		[CLIENT_ID] = { "clientId", RD_CLIENT_ID, RD_REQUIRED, 0, 0 },
		[RAW] = { "raw", RD_ANY, RD_REQUIRED, 0, 0 },
		[REPLY] = { "reply", RD_OBJECT, 0, 0, 0 },
		[FORWARD] = { "forward", RD_OBJECT, 0, 0, 0 },
		[DRAFT] = { "draft", RD_OBJECT, 0, 0, 0 },
		[SAVE] = { "saveSent", RD_BOOL, 0, 0, 0 },
		[RESEND] = { "resend", RD_BOOL, 0, 0, 0 },
	};
	struct send_request in = { .save = -1 };
	struct send_answer a;
	json_t *v[N];
	size_t mark;
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = read_ref(&r, "reply", v[REPLY], &in.has_reply, &in.reply_folder, &in.reply);
	if (rc == RC_OK)
		rc = read_ref(&r, "forward", v[FORWARD], &in.has_forward, &in.forward_folder, &in.forward);
	if (rc == RC_OK)
		rc = read_ref(&r, "draft", v[DRAFT], &in.has_draft, &in.draft_folder, &in.draft);
	if (rc != RC_OK)
		return rc;
	mark = rd_enter(&r, "raw");
	rc = raw_read(&r, v[RAW], &in.raw_len);
	if (rc != RC_OK)
		return rc;
	rd_leave(&r, mark);
	in.raw = c->raw.p;
	in.client_id = json_string_value(v[CLIENT_ID]);
	if (v[SAVE] != NULL)
		in.save = json_is_true(v[SAVE]);
	in.resend = json_is_true(v[RESEND]);
	rc = engine_send(c->session, c->arena, &in, &a, &c->err);
	if (rc == RC_OK)
		write_sent(&c->out, &a);
	return rc;
}

/* ---- moving and copying ---- */

static enum rc
read_item(struct rd *r, const json_t *j, bool copy, struct transfer_item *it)
{
	enum { MAIL, CLIENT_ID, N };
	static const struct rd_member m[N] = {
		[MAIL] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
		[CLIENT_ID] = { "clientId", RD_CLIENT_ID, RD_REQUIRED, 0, 0 },
	};
	json_t *v[N] = { NULL };
	enum rc rc = rd_object(r, j, m, copy ? N : 1, v);

	if (rc != RC_OK)
		return rc;
	rd_uuid(v[MAIL], &it->uuid);
	it->client_id = copy ? json_string_value(v[CLIENT_ID]) : NULL;
	return RC_OK;
}

/* Each mail is moved once, each copy has a name of its own. */
static enum rc
items_distinct(struct rd *r, const struct transfer_item *item, size_t n, bool copy)
{
	struct client_change *ch = arena_array(r->c->arena, struct client_change, n);
	size_t dup;
	enum rc rc;

	if (ch == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		ch[i] = (struct client_change){ .has_uuid = !copy, .uuid = item[i].uuid, .client_id = item[i].client_id };
	rc = changes_first_repeated(r->c->arena, ch, n, &dup);
	if (rc != RC_OK)
		return rd_fail(r, rc, "out of memory");
	if (dup == n)
		return RC_OK;
	(void)rd_enter_index(r, dup);
	return rd_fail(r, RC_PROTO, copy ? "has a clientId that is in the request twice" : "is in the request twice");
}

static enum rc
read_items(struct rd *r, const json_t *list, bool copy, struct transfer_item **out, size_t *n)
{
	size_t i, inner, mark = rd_enter(r, "items");
	struct transfer_item *item;
	json_t *j;
	enum rc rc;

	*n = json_array_size(list);
	if (*n > r->c->u->o.max_objects)
		return rd_fail(r, RC_LIMIT, "has %zu items, %zu are allowed", *n, r->c->u->o.max_objects);
	*out = item = arena_array(r->c->arena, struct transfer_item, *n);
	if (item == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	json_array_foreach(list, i, j) {
		inner = rd_enter_index(r, i);
		rc = read_item(r, j, copy, &item[i]);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, inner);
	}
	rc = items_distinct(r, item, *n, copy);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

static void
write_result(struct buf *b, const struct transfer_item *it, size_t i)
{
	char where[40];

	buf_addc(b, '{');
	js_key(b, "uuid");
	js_uuid(b, &it->uuid);
	if (it->client_id != NULL) {
		js_key(b, "clientId");
		js_str(b, it->client_id);
	}
	js_key(b, "status");
	js_str(b, it->failed ? "error" : it->status == ST_OK ? "ok" : it->status == ST_GONE ? "gone" : "retry");
	if (it->has_uuid) {
		js_key(b, "newUuid");
		js_uuid(b, &it->new_uuid);
	}
	if (it->failed) {
		(void)snprintf(where, sizeof(where), "items[%zu]", i);
		js_key(b, "error");
		status_write_error(b, status_of(it->err.rc, &it->err), &it->err, where, NULL);
	}
	buf_addc(b, '}');
}

static enum rc
transfer(struct call *c, bool copy)
{
	enum { FOLDER, TO, ITEMS, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[TO] = { "to", RD_UUID, RD_REQUIRED, 0, 0 },
		[ITEMS] = { "items", RD_ARRAY, RD_REQUIRED, 1, INT32_MAX },
	};
	struct transfer_item *item = NULL;
	struct uuid folder, to;
	size_t n = 0;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = read_items(&r, v[ITEMS], copy, &item, &n);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &folder);
	rd_uuid(v[TO], &to);
	metric_add(M_OBJECTS_IN, (int64_t)n);
	rc = copy ? engine_copy(c->session, c->arena, &folder, &to, item, n, &c->err) : engine_move(c->session, c->arena, &folder, &to, item, n, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "results");
	buf_addc(&c->out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			buf_addc(&c->out, ',');
		write_result(&c->out, &item[i], i);
	}
	buf_adds(&c->out, "]}");
	return RC_OK;
}

enum rc
cmd_move_items(struct call *c)
{
	return transfer(c, false);
}

enum rc
cmd_copy_items(struct call *c)
{
	return transfer(c, true);
}
