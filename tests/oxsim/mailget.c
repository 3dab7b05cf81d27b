/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module mail: get in its forms, attachments, reply and forward.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/mail.h"

static char *
content_text(GMimePart *p, size_t *len)
{
	GMimeDataWrapper *dw = g_mime_part_get_content(p);
	GMimeStream *st = g_mime_stream_mem_new();
	GByteArray *a;
	char *out;

	if (dw != NULL)
		(void)g_mime_data_wrapper_write_to_stream(dw, st);
	a = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(st));
	*len = a->len;
	out = xmemdup0(a->data, a->len);
	g_object_unref(st);
	return out;
}

/* HTML entities for what view=text escapes */
static void
put_escaped(struct sb *b, const char *s, bool nl)
{
	static const struct { gunichar c; const char *name; } ent[] = {
		{ 0xe4, "auml" }, { 0xf6, "ouml" }, { 0xfc, "uuml" }, { 0xc4, "Auml" }, { 0xd6, "Ouml" },
		{ 0xdc, "Uuml" }, { 0xdf, "szlig" }, { 0x20ac, "euro" }, { 0xe9, "eacute" }, { 0xe8, "egrave" },
	};
	struct sb t = { 0 };
	const char *p;
	size_t i;

	for (p = s; *p != '\0'; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		for (i = 0; i < sizeof(ent) / sizeof(ent[0]); i++)
			if (ent[i].c == c)
				break;
		if (i < sizeof(ent) / sizeof(ent[0]))
			sb_printf(&t, "&%s;", ent[i].name);
		else if (c == '<')
			sb_str(&t, "&lt;");
		else if (c == '>')
			sb_str(&t, "&gt;");
		else if (c == '&')
			sb_str(&t, "&amp;");
		else if (c == '\n' && nl)
			sb_str(&t, "<br>");
		else if (c != '\r')
			sb_put(&t, p, (size_t)(g_utf8_next_char(p) - p));
	}
	sb_jstr(b, t.p ? t.p : "", t.len);
	sb_free(&t);
}

struct walk {
	struct req *r;
	struct mbox *mb;
	struct mail *m;
	const char *view;
	struct sb att, nested;
	bool real, body;
	int depth;
};

static char *
part_charset_text(GMimePart *p)
{
	char *t, *c;

	if (GMIME_IS_TEXT_PART(p)) {
		t = g_mime_text_part_get_text(GMIME_TEXT_PART(p));
		c = g_utf8_make_valid(t ? t : "", -1);
		g_free(t);
	} else {
		size_t n;

		t = content_text(p, &n);
		c = g_utf8_make_valid(t, (gssize)n);
		free(t);
	}
	return c;
}

static void
walk_part(struct walk *w, GMimeObject *o, const char *id);

static void
one_text(struct walk *w, GMimePart *p, const char *id, const char *type)
{
	struct sb *b = &w->att;
	char *text = part_charset_text(p);
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		text[--n] = '\0';
	if (b->len > 0)
		sb_ch(b, ',');
	sb_printf(b, "{\"id\":\"%s\",\"disp\":\"inline\",\"content_type\":\"%s\",\"size\":%zu,\"content\":", id,
	    type, n);
	if (strcmp(type, "text/html") == 0 || (w->view && strcmp(w->view, "raw") == 0))
		sb_jstr(b, text, n);
	else
		put_escaped(b, text, true);
	sb_str(b, ",\"truncated\":false,\"sanitized\":true}");
	g_free(text);
	w->body = true;
}

static void
one_file(struct walk *w, GMimePart *p, const char *id, const char *type)
{
	struct sb *b = &w->att;
	const char *name = g_mime_part_get_filename(p), *cid = g_mime_part_get_content_id(p);
	const char *d = g_mime_object_get_disposition(GMIME_OBJECT(p));
	size_t n;
	char *c = content_text(p, &n), *fn;

	if (b->len > 0)
		sb_ch(b, ',');
	fn = name ? xstrdup(name) : xprintf("Part_%s.dat", id);
	sb_printf(b, "{\"id\":\"%s\",\"filename\":", id);
	sb_js(b, fn);
	sb_printf(b, ",\"size\":%zu,\"disp\":\"%s\"", n, d ? d : cid ? "inline" : "attachment");
	if (cid != NULL) {
		char *t = xprintf("<%s>", cid);

		sb_str(b, ",\"cid\":");
		sb_js(b, t);
		free(t);
	}
	sb_printf(b, ",\"content_type\":\"%s\",\"content\":null}", type);
	free(fn);
	free(c);
	w->real = true;
}

static void
one_nested(struct walk *w, GMimeMessagePart *mp, const char *id)
{
	GMimeMessage *m = g_mime_message_part_get_message(mp);
	char *text;
	struct mailinfo *i;

	if (m == NULL)
		return;
	text = g_mime_object_to_string(GMIME_OBJECT(m), NULL);
	i = mime_info(text, strlen(text));
	if (w->nested.len > 0)
		sb_ch(&w->nested, ',');
	sb_printf(&w->nested, "{\"from\":%s,\"sender\":[],\"to\":%s,\"cc\":%s,\"bcc\":[],\"reply_to\":[],"
	    "\"subject\":%s,\"flags\":0,\"user\":[],\"color_label\":0,\"priority\":%d,\"headers\":{},"
	    "\"attachments\":[{\"id\":\"%s.1\",\"disp\":\"inline\",\"content_type\":\"%s\",\"size\":%zu,\"content\":",
	    i->from, i->to, i->cc, i->subject, i->priority, id, i->ctype, strlen(text));
	put_escaped(&w->nested, text + mime_header_len(text, strlen(text)), true);
	sb_printf(&w->nested, ",\"truncated\":false,\"sanitized\":true}],\"modified\":0,\"id\":\"%s\"}", id);
	mailinfo_free(i);
	g_free(text);
}

static void
walk_part(struct walk *w, GMimeObject *o, const char *id)
{
	GMimeContentType *ct = o ? g_mime_object_get_content_type(o) : NULL;
	const char *d = o ? g_mime_object_get_disposition(o) : NULL;
	char *type, *sub;
	int i, n;

	if (o == NULL || ++w->depth > 100)
		return;
	type = g_mime_content_type_get_mime_type(ct);
	if (GMIME_IS_MULTIPART(o)) {
		bool alt = g_mime_content_type_is_type(ct, "multipart", "alternative");
		bool text = w->view && strncmp(w->view, "text", 4) == 0;

		n = g_mime_multipart_get_count(GMIME_MULTIPART(o));
		for (i = 0; i < n; i++) {
			GMimeObject *k = g_mime_multipart_get_part(GMIME_MULTIPART(o), i);
			GMimeContentType *kt = g_mime_object_get_content_type(k);

			/* of alternatives the view decides: html unless text was asked */
			if (alt && n > 1 && !(w->view && strcmp(w->view, "raw") == 0) &&
			    g_mime_content_type_is_type(kt, "text", text ? "html" : "plain"))
				continue;
			sub = *id ? xprintf("%s.%d", id, i + 1) : xprintf("%d", i + 1);
			walk_part(w, k, sub);
			free(sub);
		}
	} else if (GMIME_IS_MESSAGE_PART(o)) {
		one_nested(w, GMIME_MESSAGE_PART(o), *id ? id : "1");
	} else if (GMIME_IS_PART(o)) {
		bool attached = d != NULL && g_ascii_strcasecmp(d, "attachment") == 0;

		if (!attached && g_mime_content_type_is_type(ct, "text", "*") && g_mime_part_get_filename(GMIME_PART(o)) == NULL)
			one_text(w, GMIME_PART(o), *id ? id : "1", type);
		else
			one_file(w, GMIME_PART(o), *id ? id : "1", type);
	}
	g_free(type);
}

static void
put_headers(struct sb *b, GMimeMessage *m)
{
	static const char *const known[] = { "From", "To", "Cc", "Bcc", "Subject", "Date", "Content-Type",
	    "Reply-To", "Sender", "X-Priority", "Disposition-Notification-To", "Content-Transfer-Encoding" };
	GMimeHeaderList *hl = g_mime_object_get_header_list(GMIME_OBJECT(m));
	int i, n = g_mime_header_list_get_count(hl);
	size_t k;

	sb_ch(b, '{');
	for (i = 0; i < n; i++) {
		GMimeHeader *h = g_mime_header_list_get_header_at(hl, i);
		const char *name = g_mime_header_get_name(h);
		gchar *v;

		for (k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (g_ascii_strcasecmp(name, known[k]) == 0)
				break;
		if (k < sizeof(known) / sizeof(known[0]))
			continue;
		if (b->p[b->len - 1] != '{')
			sb_ch(b, ',');
		sb_js(b, name);
		sb_ch(b, ':');
		v = g_utf8_make_valid(g_mime_header_get_value(h) ? g_mime_header_get_value(h) : "", -1);
		sb_js(b, v);
		g_free(v);
	}
	sb_ch(b, '}');
}

void
put_mail_object(struct req *r, struct mbox *mb, struct mail *m, const char *view)
{
	const struct mailinfo *i = mail_info(m);
	struct sb *b = r->out;
	GMimeMessage *msg = mime_parse(m->raw->p, m->raw->len);
	struct walk w = { .r = r, .mb = mb, .m = m, .view = view };
	char *f = xprintf("default0/%s", mb->path);
	size_t k, unread = 0;

	for (k = 0; k < mb->n; k++)
		unread += !(mb->m[k]->flags & 32);
	if (msg != NULL)
		walk_part(&w, g_mime_message_get_mime_part(msg), "");
	sb_str(b, "{\"folder_id\":");
	sb_js(b, f);
	free(f);
	sb_printf(b, ",\"id\":\"%u\",\"unread\":%zu,\"attachment\":%s,\"content_type\":\"%s\",\"size\":%zu,"
	    "\"account_name\":\"E-Mail\",\"account_id\":0,\"malicious\":false,\"security_info\":{\"encrypted\":false,"
	    "\"signed\":false,\"type\":\"OTHER\"},\"from\":%s,\"sender\":%s,\"to\":%s,\"cc\":%s,\"bcc\":%s,\"reply_to\":%s,"
	    "\"subject\":%s", m->uid, unread, i->attach ? "true" : "false", i->ctype, m->raw->len, i->from,
	    i->sender, i->to, i->cc, i->bcc, i->reply_to, i->subject);
	if (i->sent > 0)
		sb_printf(b, ",\"sent_date\":%lld", (long long)shift(r, i->sent));
	sb_printf(b, ",\"received_date\":%lld,\"date\":%lld,\"flags\":%d,\"user\":[],\"color_label\":%d,\"priority\":%d,"
	    "\"headers\":", (long long)shift(r, m->received), (long long)shift(r, m->received), m->flags,
	    m->color, i->priority);
	if (msg != NULL)
		put_headers(b, msg);
	else
		sb_str(b, "{}");
	if (w.nested.len > 0) {
		sb_str(b, ",\"nested_msgs\":[");
		sb_put(b, w.nested.p, w.nested.len);
		sb_ch(b, ']');
	}
	sb_str(b, ",\"attachments\":[");
	sb_put(b, w.att.p, w.att.len);
	sb_ch(b, ']');
	if (w.real)
		sb_str(b, ",\"real_attachment\":true");
	sb_str(b, ",\"modified\":0}");
	sb_free(&w.att);
	sb_free(&w.nested);
	if (msg != NULL)
		g_object_unref(msg);
}

static void
disposition(struct req *r, const char *kind, const char *name)
{
	char *n = xstrdup(name), *v;

	g_strdelimit(n, "\"\r\n", '_');
	v = xprintf("%s; filename=\"%s\"", kind, n);
	add_header(r, "Content-Disposition", v);
	free(v);
	free(n);
}

/* the mail of folder= and id=, \Seen unless unseen=true */
static struct mail *
asked(struct req *r, struct mbox **mb, bool mark)
{
	const char *id;
	struct mail *m = NULL;
	size_t i;

	if ((*mb = mbox_of(r, arg(r, "folder"))) == NULL)
		return NULL;
	id = arg(r, "id");
	if (id == NULL && arg(r, "message_id") == NULL) {
		fail(r, "SVL-0002", json_pack("[s]", "id"));
		return NULL;
	}
	if (id != NULL)
		m = mail_of(*mb, id);
	for (i = 0; id == NULL && i < (*mb)->n; i++)
		if (g_strcmp0(mail_info((*mb)->m[i])->msgid, arg(r, "message_id")) == 0)
			m = (*mb)->m[i];
	if (m == NULL) {
		fail(r, "MSG-0032", json_pack("[s,s]", id ? id : "", arg(r, "folder")));
		return NULL;
	}
	if (mark && !arg_true(r, "unseen") && !(m->flags & 32)) {
		m->flags |= 32;
		r->u->mailrev++;
	}
	return m;
}

static void
put_source(struct req *r, struct mail *m)
{
	if (arg_true(r, "save")) {
		char *n = xprintf("%s.eml", mail_info(m)->subject_raw);

		g_strdelimit(n, " /\\", '_');
		disposition(r, "attachment", n);
		free(n);
		raw_reply(r, "application/octet-stream;charset=UTF-8", m->raw->p, m->raw->len);
	} else {
		gchar *t = g_utf8_make_valid(m->raw->p, (gssize)m->raw->len);

		sb_js(r->out, t);
		g_free(t);
	}
}

void
mail_get(struct req *r)
{
	struct mbox *mb;
	const char *view = arg(r, "view");
	bool seen_before;
	struct mail *m = asked(r, &mb, false);

	if (m == NULL)
		return;
	seen_before = (m->flags & 32) != 0;
	if (!arg_true(r, "unseen") && !seen_before) {
		m->flags |= 32;
		r->u->mailrev++;
	}
	if (arg_true(r, "src")) {
		put_source(r, m);
	} else if (arg_true(r, "hdr")) {
		size_t n = mime_header_len(m->raw->p, m->raw->len);
		gchar *t = g_utf8_make_valid(m->raw->p, (gssize)(n >= 2 ? n - 2 : m->raw->len));

		sb_js(r->out, t);
		g_free(t);
	} else if (view != NULL && strcmp(view, "document") == 0) {
		size_t n = mime_header_len(m->raw->p, m->raw->len);

		raw_reply(r, "text/html;charset=UTF-8", m->raw->p + n, m->raw->len - n);
		add_header(r, "Content-Disposition", "inline");
	} else {
		put_mail_object(r, mb, m, view);
	}
}

/* --- attachments --------------------------------------------------------------------------- */

struct find { const char *id, *cid; GMimeObject *hit; };

static void
find_part(struct find *f, GMimeObject *o, const char *id)
{
	const char *cid = o ? g_mime_object_get_content_id(o) : NULL;
	char *sub;
	int i, n;

	if (o == NULL || f->hit != NULL)
		return;
	if ((f->id && *id && strcmp(f->id, id) == 0) || (f->cid && cid && strcmp(f->cid, cid) == 0)) {
		f->hit = o;
		return;
	}
	if (!GMIME_IS_MULTIPART(o)) {
		if (*id == '\0' && f->id && strcmp(f->id, "1") == 0)
			f->hit = o;
		return;
	}
	n = g_mime_multipart_get_count(GMIME_MULTIPART(o));
	for (i = 0; i < n; i++) {
		sub = *id ? xprintf("%s.%d", id, i + 1) : xprintf("%d", i + 1);
		find_part(f, g_mime_multipart_get_part(GMIME_MULTIPART(o), i), sub);
		free(sub);
	}
}

void
mail_attachment(struct req *r)
{
	struct mbox *mb;
	struct mail *m = asked(r, &mb, false);
	struct find f = { arg(r, "attachment"), arg(r, "cid"), NULL };
	GMimeMessage *msg;
	char *data = NULL, *fn, *type;
	static char ctype[160];
	size_t n = 0;

	if (m == NULL)
		return;
	if (f.id == NULL && f.cid == NULL) {
		fail(r, "SVL-0002", json_pack("[s]", "attachment"));
		return;
	}
	msg = mime_parse(m->raw->p, m->raw->len);
	if (msg != NULL)
		find_part(&f, g_mime_message_get_mime_part(msg), "");
	if (f.hit == NULL) {
		fail(r, "MSG-0049", json_pack("[s,i,s]", f.id ? f.id : f.cid, (int)m->uid, mb->path));
		if (msg != NULL)
			g_object_unref(msg);
		return;
	}
	type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(f.hit));
	if (GMIME_IS_PART(f.hit)) {
		const char *name = g_mime_part_get_filename(GMIME_PART(f.hit));

		data = content_text(GMIME_PART(f.hit), &n);
		fn = name ? xstrdup(name) : xprintf("Part_%s.dat", f.id ? f.id : "1");
	} else {
		GMimeFormatOptions *fo = g_mime_format_options_clone(NULL);
		char *t;

		g_mime_format_options_set_newline_format(fo, GMIME_NEWLINE_FORMAT_DOS);
		t = g_mime_object_to_string(GMIME_IS_MESSAGE_PART(f.hit) ?
		    GMIME_OBJECT(g_mime_message_part_get_message(GMIME_MESSAGE_PART(f.hit))) : f.hit, fo);
		data = xstrdup(t);
		n = strlen(data);
		g_free(t);
		g_mime_format_options_free(fo);
		fn = xprintf("Part_%s.%s", f.id ? f.id : "1", GMIME_IS_MESSAGE_PART(f.hit) ? "eml" : "dat");
	}
	disposition(r, arg_true(r, "save") || f.cid == NULL ? "attachment" : "inline", fn);
	(void)snprintf(ctype, sizeof(ctype), "%s", arg_true(r, "save") ? "application/octet-stream;charset=UTF-8" : type);
	raw_reply(r, ctype, data, n);
	g_free(type);
	free(fn);
	free(data);
	g_object_unref(msg);
}

/* --- reply, forward: a prefilled message, nothing is sent ------------------------------------- */

static void
prefilled(struct req *r, bool forward)
{
	struct mbox *mb;
	struct mail *m = asked(r, &mb, false);
	const struct mailinfo *i;
	char *ref, *subject, *own;

	if (m == NULL)
		return;
	i = mail_info(m);
	ref = xprintf("default0/%s/%u", mb->path, m->uid);
	subject = xprintf("%s: %s", forward ? "Fwd" : "Re", i->subject_raw);
	own = xprintf("[[null,\"%s\"]]", r->u->mail);
	sb_str(r->out, "{\"msgref\":");
	sb_js(r->out, ref);
	sb_printf(r->out, ",\"unread\":0,\"attachment\":false,\"content_type\":\"text/plain\",\"size\":-1,\"account_id\":0,"
	    "\"malicious\":false,\"security_info\":{\"encrypted\":false,\"signed\":false,\"type\":\"OTHER\"},\"from\":%s,"
	    "\"sender\":[],\"to\":%s,\"cc\":[],\"bcc\":[],\"reply_to\":[],\"subject\":", forward ? own : "[]",
	    forward ? "[]" : i->from);
	sb_js(r->out, subject);
	sb_printf(r->out, ",\"sent_date\":%lld,\"flags\":0,\"user\":[],\"color_label\":0,\"priority\":3,\"headers\":{"
	    "\"MIME-Version\":\"1.0\"},\"attachments\":[{\"id\":\"1\",\"disp\":\"inline\",\"content_type\":\"text/plain\",",
	    (long long)shift(r, sim_now() / 1000 * 1000));
	{
		size_t hl = mime_header_len(m->raw->p, m->raw->len);
		gchar *t = g_utf8_make_valid(m->raw->p + hl, (gssize)(m->raw->len - hl));

		sb_printf(r->out, "\"size\":%zu,\"content\":", strlen(t));
		put_escaped(r->out, t, true);
		g_free(t);
	}
	sb_str(r->out, ",\"truncated\":false,\"sanitized\":true}],\"modified\":0}");
	free(ref);
	free(subject);
	free(own);
}

void
mail_reply(struct req *r)
{
	prefilled(r, false);
}

void
mail_forward(struct req *r)
{
	prefilled(r, true);
}
