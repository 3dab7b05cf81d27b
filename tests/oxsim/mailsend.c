/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module mail: new (raw and JSON), import; delivery to local users.
 */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/mail.h"
#include "oxsim/sieve.h"

static bool
sender_ok(struct req *r, const struct mailinfo *i)
{
	if (arg_true(r, "force") || (i->from_addr != NULL && g_ascii_strcasecmp(i->from_addr, r->u->mail) == 0))
		return true;
	fail(r, "MSG-0056", json_pack("[s]", i->from_text ? i->from_text : ""));
	return false;
}

/* A mail without From gets the user's, behind its header. */
static struct blob *
with_from(const struct req *r, const char *p, size_t n)
{
	size_t hl = mime_header_len(p, n);
	char *from = mime_header(p, n, "From"), *line;
	struct sb b = { 0 };
	struct blob *out;

	if (from != NULL && *from != '\0') {
		free(from);
		return blob_new(p, n);
	}
	free(from);
	line = xprintf("From: %s\r\n", r->u->mail);
	if (hl == 0) {	/* nothing but a header */
		sb_put(&b, p, n);
		sb_str(&b, n > 0 && p[n - 1] == '\n' ? "" : "\r\n");
		sb_str(&b, line);
		sb_str(&b, "\r\n");
	} else {
		hl -= hl >= 2 && p[hl - 2] == '\r' ? 2 : 1;	/* before the empty line */
		sb_put(&b, p, hl);
		sb_str(&b, line);
		sb_put(&b, p + hl, n - hl);
	}
	out = blob_new(b.p, b.len);
	sb_free(&b);
	free(line);
	return out;
}

static int64_t
sent_or_now(const struct mailinfo *i)
{
	return i->sent > 0 ? i->sent : sim_now();
}

/* "a,b" is no digit: flags= must be a number */
static int
flags_arg(const struct req *r)
{
	int64_t n = 0;

	(void)parse_i64(arg(r, "flags"), &n);
	return (int)n & ~16;
}

/* a copy without Bcc to every local recipient; his rules say where it goes; false: refused */
static bool
deliver(struct req *r, const struct blob *raw)
{
	GPtrArray *to = mime_recipients(raw->p, raw->len);
	guint i;

	if (to->len == 0)
		fail(r, "smtp-3006", NULL);
	for (i = 0; i < to->len && !r->failed; i++)
		if (g_str_has_prefix(g_ptr_array_index(to, i), "reject@")) {
			char *t = xprintf("[%s]", (const char *)g_ptr_array_index(to, i));

			fail(r, "MSG-1013", json_pack("[s,s]", t, "550 no such user"));
			free(t);
		}
	for (i = 0; i < to->len && !r->failed; i++) {
		int k;

		for (k = 0; k < S.nctx; k++) {
			struct user *u = user_by_mail(S.ctx[k], g_ptr_array_index(to, i));

			if (u != NULL)
				sieve_deliver(u, raw->p, raw->len);
		}
	}
	g_ptr_array_unref(to);
	return !r->failed;
}

static void
send_raw(struct req *r, struct blob *raw)
{
	struct mbox *sent = mbox_get(r->u, "Sent");
	struct mail *m;

	if (!deliver(r, raw))
		return;
	if (g_strcmp0(arg(r, "copy2Sent"), "false") == 0 || sent == NULL) {
		sb_str(r->out, "{}");
		return;
	}
	m = mail_append(r->u, sent, mime_store_form(raw->p, raw->len), 32, sim_now());
	put_mail_ref(r, sent, m->uid);
}

static void
new_raw(struct req *r)
{
	struct mailinfo *i = mime_info(r->body, r->blen);
	const char *folder = arg(r, "folder");
	struct blob *raw = with_from(r, r->body, r->blen);
	struct mbox *mb;

	if (i->bad) {
		fail(r, "MSG-0059", NULL);
	} else if (sender_ok(r, i)) {
		if (folder == NULL) {
			send_raw(r, raw);
		} else if ((mb = mbox_of(r, folder)) != NULL) {
			struct mail *m = mail_append(r->u, mb, mime_store_form(raw->p, raw->len),
			    flags_arg(r), sent_or_now(i));

			put_mail_ref(r, mb, m->uid);
		}
	}
	blob_unref(raw);
	mailinfo_free(i);
}

/* --- JSON form ---------------------------------------------------------------------- */

static void
add_addresses(InternetAddressList *l, const json_t *list)
{
	const json_t *a;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, a) {
		const char *addr = json_string_value(json_array_get(a, 1));

		if (addr != NULL) {
			InternetAddress *ia = internet_address_mailbox_new(json_string_value(json_array_get(a, 0)), addr);

			internet_address_list_add(l, ia);
			g_object_unref(ia);
		}
	}
}

static GMimeObject *
text_part(const char *sub, const char *text)
{
	GMimeTextPart *t = g_mime_text_part_new_with_subtype(sub);

	g_mime_text_part_set_charset(t, "UTF-8");
	g_mime_text_part_set_text(t, text);
	return GMIME_OBJECT(t);
}

static GMimeObject *
body_part(const json_t *att)
{
	const json_t *first = json_array_get(att, 0);
	const char *type = json_string_value(json_object_get(first, "content_type"));
	const char *text = json_string_value(json_object_get(first, "content"));
	GMimeMultipart *alt;
	GMimeObject *p;

	if (text == NULL)
		text = "";
	if (type != NULL && g_ascii_strcasecmp(type, "ALTERNATIVE") == 0) {
		alt = g_mime_multipart_new_with_subtype("alternative");
		p = text_part("plain", text);
		g_mime_multipart_add(alt, p);
		g_object_unref(p);
		p = text_part("html", text);
		g_mime_multipart_add(alt, p);
		g_object_unref(p);
		return GMIME_OBJECT(alt);
	}
	return text_part(type && strstr(type, "html") ? "html" : "plain", text);
}

static GMimeObject *
with_files(const struct req *r, GMimeObject *body)
{
	GMimeMultipart *mixed = NULL;
	size_t i;

	for (i = 0; i < r->npart; i++) {
		const struct part *pt = &r->part[i];
		GMimePart *f;
		GMimeStream *st;
		GMimeDataWrapper *dw;
		gchar **ct;

		if (strncmp(pt->name, "file", 4) != 0)
			continue;
		if (mixed == NULL) {
			mixed = g_mime_multipart_new_with_subtype("mixed");
			g_mime_multipart_add(mixed, body);
			g_object_unref(body);
		}
		ct = g_strsplit(pt->type && strchr(pt->type, '/') ? pt->type : "application/octet-stream", "/", 2);
		f = g_mime_part_new_with_type(ct[0], ct[1]);
		g_strfreev(ct);
		st = g_mime_stream_mem_new_with_buffer(pt->p, pt->n);
		dw = g_mime_data_wrapper_new_with_stream(st, GMIME_CONTENT_ENCODING_DEFAULT);
		g_mime_part_set_content(f, dw);
		g_mime_part_set_content_encoding(f, GMIME_CONTENT_ENCODING_BASE64);
		g_mime_object_set_disposition(GMIME_OBJECT(f), "attachment");
		if (pt->filename)
			g_mime_part_set_filename(f, pt->filename);
		g_mime_multipart_add(mixed, GMIME_OBJECT(f));
		g_object_unref(dw);
		g_object_unref(st);
		g_object_unref(f);
	}
	return mixed ? GMIME_OBJECT(mixed) : body;
}

static struct blob *
compose(const struct req *r, const json_t *o)
{
	GMimeMessage *m = g_mime_message_new(TRUE);
	GMimeObject *body = with_files(r, body_part(json_object_get(o, "attachments")));
	const char *subject = json_string_value(json_object_get(o, "subject"));
	GDateTime *now = g_date_time_new_from_unix_utc(sim_now() / 1000);
	GMimeFormatOptions *fo = g_mime_format_options_clone(NULL);
	struct blob *b;
	char uuid[37], *t;

	gen_uuid(uuid);
	add_addresses(g_mime_message_get_from(m), json_object_get(o, "from"));
	add_addresses(g_mime_message_get_to(m), json_object_get(o, "to"));
	add_addresses(g_mime_message_get_cc(m), json_object_get(o, "cc"));
	add_addresses(g_mime_message_get_bcc(m), json_object_get(o, "bcc"));
	g_mime_message_set_subject(m, subject ? subject : "", "UTF-8");
	g_mime_message_set_date(m, now);
	t = xprintf("%s@oxsim.example", uuid);
	g_mime_message_set_message_id(m, t);
	free(t);
	g_mime_message_set_mime_part(m, body);
	g_mime_format_options_set_newline_format(fo, GMIME_NEWLINE_FORMAT_DOS);
	t = g_mime_object_to_string(GMIME_OBJECT(m), fo);
	b = blob_new(t, strlen(t));
	g_free(t);
	g_mime_format_options_free(fo);
	g_date_time_unref(now);
	g_object_unref(body);
	g_object_unref(m);
	return b;
}

/* "default0/Drafts/1" */
static struct mail *
by_ref(struct req *r, const char *ref, struct mbox **mb)
{
	const char *slash = ref ? strrchr(ref, '/') : NULL;
	char *folder;

	if (slash == NULL)
		return NULL;
	folder = xmemdup0(ref, (size_t)(slash - ref));
	*mb = mail_path(folder) ? mbox_get(r->u, mail_path(folder)) : NULL;
	free(folder);
	return *mb ? mail_of(*mb, slash + 1) : NULL;
}

static void
new_json(struct req *r)
{
	json_t *o = body_object(r);
	const char *ref;
	int64_t type, flags;
	struct blob *raw;
	struct mailinfo *i;
	struct mbox *mb, *old_mb = NULL;
	struct mail *old, *m;
	const char *folder = arg(r, "folder");
	char *path;

	if (o == NULL)
		return;
	type = json_integer_value(json_object_get(o, "sendtype"));
	flags = json_integer_value(json_object_get(o, "flags"));
	ref = json_string_value(json_object_get(o, "msgref"));
	old = by_ref(r, ref, &old_mb);
	if (ref != NULL && *ref && old == NULL) {
		fail(r, "MSG-0067", json_pack("[s]", ref));
		return;
	}
	raw = compose(r, o);
	i = mime_info(raw->p, raw->len);
	mb = folder ? mbox_of(r, folder) : mbox_get(r->u, flags & 4 ? "Drafts" : "Sent");
	if (!r->failed && sender_ok(r, i) && ((flags & 4) || folder != NULL || deliver(r, raw))) {
		m = mail_append(r->u, mb, mime_store_form(raw->p, raw->len), flags & 4 ? 4 : 32, sim_now());
		path = xprintf("default0/%s/%u", mb->path, m->uid);
		sb_js(r->out, path);
		free(path);
		if (old != NULL && (type == 3 || type == 6))
			mail_remove(r->u, old_mb, (size_t)mail_find(old_mb, old->uid));
		else if (old != NULL && (type == 1 || type == 2))
			old->flags |= type == 1 ? 1 : 256;
	}
	mailinfo_free(i);
	blob_unref(raw);
}

void
mail_new(struct req *r)
{
	if (r->npart > 0)
		new_json(r);
	else if (r->blen == 0)
		fail(r, "SVL-0023", NULL);
	else
		new_raw(r);
}

/* What 8.19 says to a mail while it is to be checked; NULL = nothing.  It says more than this. */
static const char *
strict_fault(const struct part *p, const struct mailinfo *i)
{
	char *b = i->ctype_full != NULL ? strcasestr(i->ctype_full, "boundary=") : NULL, *line;
	bool cut;

	if (i->bad || mime_header_len(p->p, p->n) == 0)
		return "MSG-0101";
	if (b == NULL || g_ascii_strncasecmp(i->ctype_full, "multipart/", 10) != 0)
		return NULL;
	b += strlen("boundary=");
	b = *b == '"' ? xmemdup0(b + 1, strcspn(b + 1, "\"")) : xmemdup0(b, strcspn(b, ";"));
	line = xprintf("\n--%s", b);
	cut = memmem(p->p, p->n, line, strlen(line)) == NULL;
	free(line);
	free(b);
	return cut ? "MSG-0008" : NULL;
}

void
mail_import(struct req *r)
{
	bool strict = g_strcmp0(arg(r, "strictParsing"), "false") != 0;
	const char *code;

	struct mbox *mb = mbox_of(r, arg(r, "folder"));
	struct mailinfo **info;
	size_t i;

	if (mb == NULL)
		return;
	info = xcalloc(r->npart + 1, sizeof(*info));
	for (i = 0; i < r->npart && !r->failed; i++) {
		info[i] = mime_info(r->part[i].p, r->part[i].n);
		if (strict && (code = strict_fault(&r->part[i], info[i])) != NULL)
			fail(r, code, json_pack("[s]", "Unexpected end"));
		else
			(void)sender_ok(r, info[i]);
	}
	if (!r->failed) {
		sb_ch(r->out, '[');
		for (i = 0; i < r->npart; i++) {
			struct blob *raw = with_from(r, r->part[i].p, r->part[i].n);
			struct mail *m = mail_append(r->u, mb, mime_store_form(raw->p, raw->len), flags_arg(r), sent_or_now(info[i]));

			blob_unref(raw);
			if (i > 0)
				sb_ch(r->out, ',');
			put_mail_ref(r, mb, m->uid);
		}
		sb_ch(r->out, ']');
	}
	for (i = 0; i < r->npart; i++)
		mailinfo_free(info[i]);
	free(info);
}
