/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module mail, reading one message: get in its forms, attachment,
 * zip_attachments.  Which of them mark a message as read was measured.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/mail.h"
#include "oxsim/mimetree.h"
#include "oxsim/sim.h"

#define SEEN 32

struct mail *
mail_asked(struct req *r, struct mbox **mb)
{
	const char *folder = need(r, "folder"), *id = arg(r, "id"), *msgid = arg(r, "message_id");
	struct mail *m = NULL;
	size_t i;

	if (folder == NULL || (*mb = mbox_of(r, folder)) == NULL)
		return NULL;
	if (id == NULL && msgid == NULL && (id = need(r, "id")) == NULL)
		return NULL;
	if (id != NULL)
		m = mail_of(*mb, id);
	for (i = 0; id == NULL && m == NULL && i < (*mb)->n; i++)
		if (g_strcmp0(mail_info((*mb)->m[i])->msgid, msgid) == 0)
			m = (*mb)->m[i];
	if (m == NULL)
		fail(r, "MSG-0032", json_pack("[s,s]", id ? id : msgid, folder));
	return m;
}

/* Reading marks as read; answers whether it was unread. */
static bool
mark_seen(struct req *r, struct mail *m)
{
	if ((m->flags & SEEN) != 0)
		return false;
	m->flags |= SEEN;
	r->u->mailrev++;
	return true;
}

void
mail_disposition(struct req *r, const char *how, const char *name)
{
	gchar *esc = g_uri_escape_string(name, NULL, false), *ascii = xstrdup(name), *p;

	for (p = ascii; *p != '\0'; p++)
		if ((unsigned char)*p > 126 || *p == '"' || (unsigned char)*p < 32)
			*p = ' ';
	p = g_strdup_printf("%s; filename*=UTF-8''%s; filename=\"%s\"", how, esc, ascii);
	add_header(r, "Content-Disposition", p);
	g_free(p);
	g_free(esc);
	free(ascii);
}

/* --- get ------------------------------------------------------------------------------- */

static void
get_source(struct req *r, struct mail *m)
{
	const char *p = m->raw->p;
	size_t n = m->raw->len;
	gchar *name, *u;

	if (!arg_true(r, "save")) {
		if (g_utf8_validate(p, (gssize)n, NULL)) {
			sb_jstr(r->out, p, n);
		} else {
			u = g_convert(p, (gssize)n, "UTF-8", "ISO-8859-1", NULL, NULL, NULL);
			sb_js(r->out, u ? u : "");
			g_free(u);
		}
		return;
	}
	name = xprintf("%s.eml", mail_info(m)->subject_raw ? mail_info(m)->subject_raw : "mail");
	g_strdelimit(name, " /\\", '_');
	mail_disposition(r, "attachment", name);
	free(name);
	raw_reply(r, "application/octet-stream;charset=UTF-8", p, n);
}

static void
header_line(void *arg, const char *name, const char *value)
{
	g_string_append_printf(arg, "%s: %s\r\n", name, value);
}

static void
get_headers(struct req *r, const struct mail *m)
{
	GString *s = g_string_new(NULL);

	mimetree_headers(m->raw->p, m->raw->len, header_line, s);
	sb_js(r->out, s->str);
	g_string_free(s, TRUE);
}

static const struct mpart *
first_text(const struct mpart *m, const char *type)
{
	const struct mpart *f;
	int i;

	if (m->n == 0)
		return strcmp(m->type, type) == 0 && !m->attachment ? m : NULL;
	for (i = 0; i < m->n; i++)
		if ((f = first_text(m->child[i], type)) != NULL)
			return f;
	return NULL;
}

/* The text alone, as a page. */
static void
get_document(struct req *r, const struct mail *m, const char *folder, const char *id)
{
	struct mpart *tree = mimetree_parse(m->raw->p, m->raw->len);
	const struct mpart *html = first_text(tree, "text/html"), *text;
	json_t *o = json_object();
	const char *content;
	char *page;

	if (html != NULL) {
		mailview_parts(r, o, tree, folder, id, "html");
		content = json_string_value(json_object_get(json_array_get(json_object_get(o,
		    "attachments"), 0), "content"));
		page = xstrdup(content ? content : "");
	} else {
		text = first_text(tree, "text/plain");
		content = text ? mimetree_text(text) : xstrdup("");
		page = mailview_html(g_strchomp((char *)(uintptr_t)content));
		free((char *)(uintptr_t)content);
		content = page;
		page = xprintf("<!doctype html>\n<html>\n <head>\n  <meta charset=\"UTF-8\">\n </head>\n "
		    "<body>\n  %s\n </body>\n</html>", content);
		free((char *)(uintptr_t)content);
	}
	add_header(r, "Content-Disposition", "inline");
	raw_reply(r, "text/html;charset=UTF-8", page, strlen(page));
	free(page);
	json_decref(o);
	mimetree_free(tree);
}

static int
unread_in(const struct mbox *mb)
{
	int n = 0;
	size_t i;

	for (i = 0; i < mb->n; i++)
		n += (mb->m[i]->flags & SEEN) == 0;
	return n;
}

static void
get_object(struct req *r, const struct mbox *mb, struct mail *m, const char *folder, const char *id,
    bool was_unseen)
{
	const struct mailinfo *info = mail_info(m);
	struct mpart *tree = mimetree_parse(m->raw->p, m->raw->len);
	json_t *o = json_pack("{s:s,s:s,s:i,s:b,s:s,s:I,s:s,s:i,s:b,s:{s:b,s:b,s:s}}", "folder_id", folder,
	    "id", id, "unread", unread_in(mb), "attachment", info->attach, "content_type", info->ctype,
	    "size", (json_int_t)m->raw->len, "account_name", "E-Mail", "account_id", 0, "malicious", 0,
	    "security_info", "encrypted", 0, "signed", 0, "type", "OTHER");
	char *text;

	mailview_head(r, o, m->raw->p, m->raw->len);
	json_object_set_new(o, "received_date", json_integer(shift(r, m->received)));
	json_object_set_new(o, "date", json_integer(shift(r, m->received)));
	json_object_set_new(o, "flags", json_integer(m->flags));
	json_object_set_new(o, "user", m->user != NULL ? json_incref(m->user) : json_array());
	json_object_set_new(o, "color_label", json_integer(mail_color(m)));
	mailview_parts(r, o, tree, folder, id, arg(r, "view"));
	if (info->attach)
		json_object_set_new(o, "real_attachment", json_true());
	json_object_set_new(o, "modified", json_integer(0));
	if (was_unseen)
		json_object_set_new(o, "unseen", json_true());
	text = json_dumps(o, JSON_COMPACT);
	sb_str(r->out, text);
	free(text);
	json_decref(o);
	mimetree_free(tree);
}

void
mail_get(struct req *r)
{
	const char *view = arg(r, "view");
	struct mbox *mb;
	struct mail *m = mail_asked(r, &mb);
	bool was_unseen;
	char *folder, *id;

	if (m == NULL)
		return;
	was_unseen = !arg_true(r, "unseen") && mark_seen(r, m);
	folder = xprintf("default0/%s", mb->path);
	id = xprintf("%u", m->uid);
	if (arg_true(r, "src"))
		get_source(r, m);
	else if (arg_true(r, "hdr"))
		get_headers(r, m);
	else if (view != NULL && strcmp(view, "document") == 0)
		get_document(r, m, folder, id);
	else
		get_object(r, mb, m, folder, id, was_unseen);
	free(folder);
	free(id);
}

/* --- attachments ------------------------------------------------------------------------- */

void
mail_attachment(struct req *r)
{
	const char *want = arg(r, "attachment"), *cid = arg(r, "cid");
	const struct mpart *part;
	struct mpart *tree;
	struct mbox *mb;
	struct mail *m;
	char *data, *name;
	gchar *type, *etag;
	size_t len;
	bool save = arg_true(r, "save");

	if ((cid == NULL && (want = need(r, "attachment")) == NULL) ||
	    (m = mail_asked(r, &mb)) == NULL)
		return;
	tree = mimetree_parse(m->raw->p, m->raw->len);
	part = cid ? mimetree_find_cid(tree, cid) : mimetree_find(tree, want);
	if (part == NULL) {
		fail(r, "MSG-0049", json_pack("[s,i,s]", cid ? cid : want, (int)m->uid, mb->path));
		mimetree_free(tree);
		return;
	}
	data = mimetree_decode(part, &len);
	if (strncmp(part->type, "multipart/", 10) == 0) {
		/* a multipart is written anew, with a line end behind its last delimiter */
		data = xrealloc(data, len + 3);
		memcpy(data + len, "\r\n", 3);
		len += 2;
	}
	name = mimetree_filename(part);
	mail_disposition(r, part->inlined && !save ? "inline" : "attachment", name);
	etag = g_compute_checksum_for_data(G_CHECKSUM_MD5, (const guchar *)data, len);
	add_header(r, "ETag", etag);
	/* a fixed date long ago: parts of a message never change */
	add_header(r, "Last-Modified", "Wed, 17 Oct 1979 23:00:00 GMT");
	type = g_strdup_printf("%s;charset=%s", part->type, part->charset ? part->charset : "UTF-8");
	raw_reply(r, save ? "application/octet-stream;charset=UTF-8" : g_intern_string(type), data, len);
	g_free(type);
	g_free(etag);
	free(name);
	free(data);
	mimetree_free(tree);
}

/* Pictures inside HTML: found by content id or file name, without asking for a session parameter. */
void
mail_picture(struct req *r)
{
	const char *uid = need(r, "uid");
	const struct mpart *part;
	struct mpart *tree;
	struct mbox *mb;
	struct mail *m;
	char *data, *name;
	size_t len;

	if (uid == NULL || (m = mail_asked(r, &mb)) == NULL)
		return;
	tree = mimetree_parse(m->raw->p, m->raw->len);
	part = mimetree_find_cid(tree, uid);
	if (part == NULL) {
		r->status = 404;
		raw_reply(r, "text/html;charset=UTF-8", "no picture", 10);
	} else {
		data = mimetree_decode(part, &len);
		name = mimetree_filename(part);
		mail_disposition(r, "inline", name);
		raw_reply(r, g_intern_string(part->type), data, len);
		free(name);
		free(data);
	}
	mimetree_free(tree);
}

static uint32_t
crc32_of(const char *p, size_t n)
{
	uint32_t c = 0xffffffff;
	size_t i;
	int k;

	for (i = 0; i < n; i++) {
		c ^= (unsigned char)p[i];
		for (k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c;
}

static void
le(struct sb *b, uint32_t v, int bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		sb_ch(b, (char)(v & 0xff));
}

/* What the local and the central entry of a stored file have in common. */
static void
zip_entry(struct sb *b, const char *name, uint32_t crc, size_t len)
{
	le(b, 20, 2);
	le(b, 0x800, 2);	/* names are UTF-8 */
	le(b, 0, 2);		/* stored */
	le(b, 0x21, 4);
	le(b, crc, 4);
	le(b, (uint32_t)len, 4);
	le(b, (uint32_t)len, 4);
	le(b, (uint32_t)strlen(name), 2);
	le(b, 0, 2);
}

static void
zip_add(struct sb *zip, struct sb *dir, const struct mpart *m)
{
	size_t len, at = zip->len;
	char *data = mimetree_decode(m, &len), *name = mimetree_filename(m);
	uint32_t crc = crc32_of(data, len);

	sb_put(zip, "PK\3\4", 4);
	zip_entry(zip, name, crc, len);
	sb_str(zip, name);
	sb_put(zip, data, len);
	sb_put(dir, "PK\1\2", 4);
	le(dir, 20, 2);
	zip_entry(dir, name, crc, len);
	le(dir, 0, 2);
	le(dir, 0, 4);
	le(dir, 0, 4);
	le(dir, (uint32_t)at, 4);
	sb_str(dir, name);
	free(data);
	free(name);
}

void
mail_zip_attachments(struct req *r)
{
	const char *list;
	const struct mpart *part;
	struct mpart *tree;
	struct sb zip = { 0 }, dir = { 0 };
	struct mbox *mb;
	struct mail *m;
	gchar **want;
	char *name;
	int i, n = 0;

	if ((list = need(r, "attachment")) == NULL || (m = mail_asked(r, &mb)) == NULL)
		return;
	mark_seen(r, m);
	tree = mimetree_parse(m->raw->p, m->raw->len);
	want = g_strsplit(list, ",", -1);
	for (i = 0; want[i] != NULL; i++)
		if ((part = mimetree_find(tree, want[i])) != NULL) {
			zip_add(&zip, &dir, part);
			n++;
		}
	name = xprintf("%s.zip", mail_info(m)->subject_raw ? mail_info(m)->subject_raw : "mail");
	mail_disposition(r, "attachment", name);
	raw_reply(r, "application/zip;charset=UTF-8", zip.p, zip.len);
	sb_put(r->out, dir.p, dir.len);
	sb_put(r->out, "PK\5\6\0\0\0\0", 8);
	le(r->out, (uint32_t)n, 2);
	le(r->out, (uint32_t)n, 2);
	le(r->out, (uint32_t)dir.len, 4);
	le(r->out, (uint32_t)zip.len, 4);
	le(r->out, 0, 2);
	free(name);
	g_strfreev(want);
	sb_free(&zip);
	sb_free(&dir);
	mimetree_free(tree);
}
