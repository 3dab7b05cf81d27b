/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A message as the object of action=get: head, text in the wanted view,
 * attachments, nested messages.
 */
#include <glib.h>
#include <stdlib.h>

#include "oxsim/mail.h"
#include "oxsim/mimetree.h"
#include "oxsim/sim.h"

enum view { VIEW_HTML, VIEW_TEXT, VIEW_RAW };

struct viewing {
	struct req *r;
	const char *folder, *id;
	enum view view;
	json_t *attachments, *nested;
	bool text_done;		/* the first text is the body, others are attachments */
};

static enum view
view_of(const char *name)
{
	if (name != NULL && strcmp(name, "raw") == 0)
		return VIEW_RAW;
	return name != NULL && strcmp(name, "text") == 0 ? VIEW_TEXT : VIEW_HTML;
}

/* Names of U+00A0 to U+00FF, in order. */
static const char *const latin[] = { "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar",
	"sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg", "macr", "deg", "plusmn", "sup2",
	"sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12",
	"frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil",
	"Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde",
	"Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc",
	"Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring",
	"aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml",
	"eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
	"uacute", "ucirc", "uuml", "yacute", "thorn", "yuml" };

char *
mailview_html(const char *text)
{
	GString *s = g_string_new(NULL);
	const char *p;

	for (p = text; *p != '\0'; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		switch (c) {
		case '&': g_string_append(s, "&amp;"); break;
		case '<': g_string_append(s, "&lt;"); break;
		case '>': g_string_append(s, "&gt;"); break;
		case '"': g_string_append(s, "&quot;"); break;
		case '\r': break;
		case '\n': g_string_append(s, "<br>"); break;
		case 0x20ac: g_string_append(s, "&euro;"); break;
		default:
			if (c >= 0xa0 && c <= 0xff)
				g_string_append_printf(s, "&%s;", latin[c - 0xa0]);
			else
				g_string_append_unichar(s, c);
		}
	}
	return g_string_free(s, FALSE);
}

/* src="cid:X" becomes the address of the picture inside this server. */
static char *
html_with_pictures(const struct viewing *v, const char *html)
{
	GString *s = g_string_new(NULL);
	gchar *folder = g_uri_escape_string(v->folder, NULL, false);
	const char *p = html, *cid, *body = strstr(html, "<body");

	if (body != NULL && strstr(html, "<head") == NULL) {
		g_string_append_len(s, p, body - p);
		g_string_append(s, "<head></head>");
		p = body;
	}
	while ((cid = strstr(p, "src=\"cid:")) != NULL) {
		const char *name = cid + strlen("src=\"cid:");
		int len = (int)strcspn(name, "\"");

		g_string_append_len(s, p, cid - p);
		g_string_append_printf(s, "src=\"/ajax/image/mail/picture?folder=%s&amp;id=%s&amp;uid=%.*s\" "
		    "id=\"%.*s\" onmousedown=\"return false;\" oncontextmenu=\"return false;\"", folder, v->id,
		    len, name, len, name);
		p = name + len + (name[len] == '"');
	}
	g_string_append(s, p);
	g_free(folder);
	g_strchomp(s->str);
	return g_string_free(s, FALSE);
}

static void
add_text(struct viewing *v, const struct mpart *m)
{
	bool html = strcmp(m->type, "text/html") == 0;
	char *text = g_strchomp(mimetree_text(m)), *shown;

	if (v->view == VIEW_RAW)
		shown = xstrdup(text);
	else
		shown = html ? html_with_pictures(v, text) : mailview_html(text);
	json_array_append_new(v->attachments, json_pack("{s:s,s:s,s:s,s:I,s:s,s:b,s:b}", "id", m->id,
	    "disp", "inline", "content_type", m->type, "size",
	    (json_int_t)g_utf8_strlen(shown, -1), "content", shown, "truncated", 0, "sanitized", 1));
	free(text);
	free(shown);
	v->text_done = true;
}

static void
add_file(struct viewing *v, const struct mpart *m, bool force_attachment)
{
	char *name = mimetree_filename(m);
	bool inl = m->inlined && !force_attachment;
	json_t *a = json_pack("{s:s,s:s,s:I,s:s,s:n}", "id", m->id, "filename", name, "size",
	    (json_int_t)m->bodylen, "disp", inl ? "inline" : "attachment", "content");
	char *type;

	/* an invitation keeps what a client must know to read it */
	if (strcmp(m->type, "text/calendar") == 0)
		type = xprintf("%s%s%s%s%s", m->type, m->charset ? "; charset=" : "", m->charset ? m->charset : "",
		    m->method ? "; method=" : "", m->method ? m->method : "");
	else
		type = xstrdup(m->type);
	json_object_set_new(a, "content_type", json_string(type));
	if (m->cid != NULL)
		json_object_set_new(a, "cid", json_string(m->cid));
	json_array_append_new(v->attachments, a);
	free(type);
	free(name);
}

static void add_part(struct viewing *v, const struct mpart *m);

static void
add_alternative(struct viewing *v, const struct mpart *m)
{
	const struct mpart *text = NULL, *html = NULL, *c;
	int i;

	for (i = 0; i < m->n; i++) {
		c = m->child[i];
		if (strcmp(c->type, "text/plain") == 0 && text == NULL)
			text = c;
		else if (strcmp(c->type, "text/html") == 0 && html == NULL)
			html = c;
	}
	if (v->view == VIEW_HTML && html != NULL) {
		add_text(v, html);
	} else {
		if (text != NULL)
			add_text(v, text);
		if (html != NULL && (v->view == VIEW_RAW || text == NULL))
			add_text(v, html);
		else if (html != NULL)
			add_file(v, html, true);
	}
	for (i = 0; i < m->n; i++)
		if (m->child[i] != text && m->child[i] != html)
			add_part(v, m->child[i]);
}

static void
add_nested(struct viewing *v, const struct mpart *m)
{
	json_t *o = json_object();
	const struct mpart *inner = m->child[0];

	mailview_head(v->r, o, inner->raw, inner->rawlen);
	json_object_set_new(o, "flags", json_integer(0));
	json_object_set_new(o, "user", json_array());
	json_object_set_new(o, "color_label", json_integer(0));
	json_object_set_new(o, "modified", json_integer(0));
	json_object_set_new(o, "id", json_string(m->id));
	mailview_parts(v->r, o, inner, v->folder, v->id,
	    v->view == VIEW_RAW ? "raw" : v->view == VIEW_TEXT ? "text" : "html");
	json_array_append_new(v->nested, o);
}

static void
add_part(struct viewing *v, const struct mpart *m)
{
	bool text = strcmp(m->type, "text/plain") == 0 || strcmp(m->type, "text/html") == 0;
	int i;

	if (strcmp(m->type, "multipart/alternative") == 0) {
		add_alternative(v, m);
	} else if (strcmp(m->type, "message/rfc822") == 0 && m->n == 1) {
		add_nested(v, m);
	} else if (m->n > 0) {
		for (i = 0; i < m->n; i++)
			add_part(v, m->child[i]);
	} else if (text && !m->attachment && m->filename == NULL && !v->text_done) {
		add_text(v, m);
	} else {
		add_file(v, m, false);
	}
}

void
mailview_parts(struct req *r, json_t *out, const struct mpart *p, const char *folder, const char *id,
    const char *view)
{
	struct viewing v = { .r = r, .folder = folder, .id = id, .view = view_of(view),
		.attachments = json_array(), .nested = json_array() };

	add_part(&v, p);
	json_object_set_new(out, "attachments", v.attachments);
	if (json_array_size(v.nested) > 0)
		json_object_set(out, "nested_msgs", v.nested);
	json_decref(v.nested);
}

/* Headers with a member of their own are not in "headers". */
static void
other_header(void *arg, const char *name, const char *value)
{
	static const char *const own[] = { "From", "To", "Cc", "Bcc", "Reply-To", "Sender", "Subject",
		"Date", "Content-Type", "X-Priority", "Content-Disposition", NULL };
	json_t *headers = arg;
	gchar *text;
	int i;

	for (i = 0; own[i] != NULL; i++)
		if (g_ascii_strcasecmp(own[i], name) == 0)
			return;
	text = g_mime_utils_header_decode_text(NULL, value);
	json_object_set_new(headers, name, json_string(text ? text : ""));
	g_free(text);
}

static void
set_addresses(json_t *out, const char *key, const char *json)
{
	json_t *v = json ? json_loads(json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;

	json_object_set_new(out, key, v ? v : json_array());
}

void
mailview_head(struct req *r, json_t *out, const char *p, size_t n)
{
	struct mailinfo *i = mime_info(p, n);
	json_t *headers = json_object(), *subject;

	set_addresses(out, "from", i->from);
	set_addresses(out, "sender", i->sender);
	set_addresses(out, "to", i->to);
	set_addresses(out, "cc", i->cc);
	set_addresses(out, "bcc", i->bcc);
	set_addresses(out, "reply_to", i->reply_to);
	subject = i->subject ? json_loads(i->subject, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_object_set_new(out, "subject", subject ? subject : json_string(""));
	if (i->sent > 0)
		json_object_set_new(out, "sent_date", json_integer(shift(r, i->sent)));
	json_object_set_new(out, "priority", json_integer(i->priority > 0 ? i->priority : 3));
	mimetree_headers(p, n, other_header, headers);
	json_object_set_new(out, "headers", headers);
	mailinfo_free(i);
}
