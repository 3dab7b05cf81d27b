/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading messages: headers for the listings (GMime), raw header lines, and
 * the form in which a message is stored.
 */
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/mail.h"

GMimeMessage *
mime_parse(const char *p, size_t n)
{
	GMimeStream *st = g_mime_stream_mem_new_with_buffer(p, n);
	GMimeParser *ps = g_mime_parser_new_with_stream(st);
	GMimeMessage *m = g_mime_parser_construct_message(ps, NULL);

	g_object_unref(ps);
	g_object_unref(st);
	return m;
}

static char *
addresses(InternetAddressList *l)
{
	struct sb b = { 0 };
	int i, n = l ? internet_address_list_length(l) : 0;

	sb_ch(&b, '[');
	for (i = 0; i < n; i++) {
		InternetAddress *a = internet_address_list_get_address(l, i);
		const char *name = internet_address_get_name(a);

		if (!INTERNET_ADDRESS_IS_MAILBOX(a))
			continue;
		if (b.p[b.len - 1] != '[')
			sb_ch(&b, ',');
		sb_ch(&b, '[');
		sb_js(&b, name && *name ? name : NULL);
		sb_ch(&b, ',');
		sb_js(&b, internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a)));
		sb_ch(&b, ']');
	}
	sb_ch(&b, ']');
	return sb_cstr(&b);
}

static void
find_attachment(GMimeObject *parent, GMimeObject *part, gpointer user)
{
	struct mailinfo *i = user;
	const char *d = g_mime_object_get_disposition(part);

	(void)parent;
	if (d != NULL && g_ascii_strcasecmp(d, "attachment") == 0)
		i->attach = true;
	else if (d == NULL && GMIME_IS_PART(part) && g_mime_part_get_filename(GMIME_PART(part)) != NULL)
		i->attach = true;
}

static int
priority_of(GMimeMessage *m)
{
	const char *v = g_mime_object_get_header(GMIME_OBJECT(m), "X-Priority");

	return v != NULL && *v >= '1' && *v <= '5' ? *v - '0' : 3;
}

/* valid UTF-8 or replaced: rows must stay valid JSON */
static char *
clean(const char *s)
{
	gchar *v = g_utf8_make_valid(s ? s : "", -1);
	char *c = xstrdup(v);

	g_free(v);
	return c;
}

static char *
text_of(const char *s)
{
	struct sb b = { 0 };
	char *c = clean(s);

	sb_js(&b, c);
	free(c);
	return sb_cstr(&b);
}

static char *
full_type(GMimeContentType *ct)
{
	GMimeParamList *pl = ct ? g_mime_content_type_get_parameters(ct) : NULL;
	char *t = ct ? g_mime_content_type_get_mime_type(ct) : NULL;
	struct sb b = { 0 };
	int i, n = pl ? g_mime_param_list_length(pl) : 0;

	sb_str(&b, t ? t : "text/plain");
	for (i = 0; i < n; i++) {
		GMimeParam *p = g_mime_param_list_get_parameter_at(pl, i);
		const char *v = g_mime_param_get_value(p);
		bool quote = strpbrk(v, " ()<>@,;:\\\"/[]?=") != NULL;

		sb_printf(&b, quote ? "; %s=\"%s\"" : "; %s=%s", g_mime_param_get_name(p), v);
	}
	g_free(t);
	return sb_cstr(&b);
}

struct mailinfo *
mime_info(const char *p, size_t n)
{
	struct mailinfo *i = xcalloc(1, sizeof(*i));
	GMimeMessage *m = mime_parse(p, n);
	GMimeContentType *ct = NULL;
	InternetAddressList *from;
	InternetAddress *a;
	GDateTime *d;
	char *t;

	if (m == NULL) {
		i->bad = true;
		i->from = xstrdup("[]");
		i->to = xstrdup("[]");
		i->cc = xstrdup("[]");
		i->bcc = xstrdup("[]");
		i->sender = xstrdup("[]");
		i->reply_to = xstrdup("[]");
		i->subject = xstrdup("\"\"");
		i->subject_raw = xstrdup("");
		i->ctype = xstrdup("text/plain");
		i->ctype_full = xstrdup("text/plain");
		i->priority = 3;
		return i;
	}
	from = g_mime_message_get_from(m);
	i->from = addresses(from);
	i->to = addresses(g_mime_message_get_to(m));
	i->cc = addresses(g_mime_message_get_cc(m));
	i->bcc = addresses(g_mime_message_get_bcc(m));
	i->sender = addresses(g_mime_message_get_sender(m));
	i->reply_to = addresses(g_mime_message_get_reply_to(m));
	i->subject_raw = clean(g_mime_message_get_subject(m));
	i->subject = text_of(g_mime_message_get_subject(m));
	i->msgid = xstrdup(g_mime_message_get_message_id(m));
	i->priority = priority_of(m);
	d = g_mime_message_get_date(m);
	i->sent = d ? g_date_time_to_unix(d) * 1000 : 0;
	if (from != NULL && internet_address_list_length(from) > 0) {
		a = internet_address_list_get_address(from, 0);
		if (INTERNET_ADDRESS_IS_MAILBOX(a))
			i->from_addr = xstrdup(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a)));
		t = internet_address_to_string(a, NULL, FALSE);
		i->from_text = clean(t);
		g_free(t);
	}
	if (g_mime_message_get_mime_part(m) != NULL)
		ct = g_mime_object_get_content_type(g_mime_message_get_mime_part(m));
	t = ct ? g_mime_content_type_get_mime_type(ct) : NULL;
	i->ctype = xstrdup(t ? t : "text/plain");
	g_free(t);
	i->ctype_full = full_type(ct);
	g_mime_message_foreach(m, find_attachment, i);
	g_object_unref(m);
	return i;
}

/* length of the header block with its empty line; 0 when there is none */
size_t
mime_header_len(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < n; i++) {
		if (p[i] != '\n')
			continue;
		if (p[i + 1] == '\n')
			return i + 2;
		if (p[i + 1] == '\r' && i + 2 < n && p[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

char *
mime_header(const char *p, size_t n, const char *name)
{
	GMimeMessage *m = mime_parse(p, n);
	char *v = m ? xstrdup(g_mime_object_get_header(GMIME_OBJECT(m), name)) : NULL;

	if (m != NULL)
		g_object_unref(m);
	return v;
}

/* Raw UTF-8 in a header is stored as ISO-8859-1, as the recorded server does. */
static void
header_to_latin1(struct sb *b)
{
	size_t hl = mime_header_len(b->p ? b->p : "", b->len), from = 0, to = 0;

	if (!g_utf8_validate(b->p ? b->p : "", (gssize)hl, NULL))
		return;
	while (from < hl) {
		gunichar c = g_utf8_get_char(b->p + from);

		from = (size_t)(g_utf8_next_char(b->p + from) - b->p);
		b->p[to++] = c < 256 ? (char)(unsigned char)c : '?';
	}
	memmove(b->p + to, b->p + hl, b->len - hl);
	b->len -= hl - to;
}

struct blob *
mime_store_form(const char *p, size_t n)
{
	struct sb b = { 0 };
	struct blob *out;
	size_t i, hl;
	char uuid[37];

	sb_reserve(&b, n + 128);
	for (i = 0; i < n; i++) {
		if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
			sb_ch(&b, '\r');
		sb_ch(&b, p[i]);
	}
	header_to_latin1(&b);
	hl = mime_header_len(b.p ? b.p : "", b.len);
	gen_uuid(uuid);
	if (hl >= 2) {
		char *mark = xprintf("X-OX-Marker: %s\r\n", uuid);
		size_t ml = strlen(mark);

		sb_reserve(&b, ml);
		memmove(b.p + hl - 2 + ml, b.p + hl - 2, b.len - hl + 2);
		memcpy(b.p + hl - 2, mark, ml);
		b.len += ml;
		free(mark);
	}
	out = blob_new(b.p, b.len);
	sb_free(&b);
	return out;
}

GPtrArray *
mime_recipients(const char *p, size_t n)
{
	GPtrArray *v = g_ptr_array_new_with_free_func(free);
	GMimeMessage *m = mime_parse(p, n);
	InternetAddressList *l;
	int i;

	if (m == NULL)
		return v;
	l = g_mime_message_get_all_recipients(m);
	for (i = 0; l != NULL && i < internet_address_list_length(l); i++) {
		InternetAddress *a = internet_address_list_get_address(l, i);

		if (INTERNET_ADDRESS_IS_MAILBOX(a))
			g_ptr_array_add(v, xstrdup(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a))));
	}
	if (l != NULL)
		g_object_unref(l);
	g_object_unref(m);
	return v;
}
