/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * RFC 822/MIME messages, read through GMime: the OX mail object, with the list of its parts and the beginning of its text.
 * Writes no messages: a mail file is the raw octets themselves.
 */
#include "mime_int.h"

#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of all header lines of a message together: GMime makes several objects of each line,
 * and reads groups within groups of addresses ("a:b:c:") by recursion, without a limit. */
#define MAX_HEADER_LINES 20000
#define MAX_HEADER_BYTES ((size_t)4 << 20)
#define MAX_ADDRESS_COLONS 300
#define MAX_BOUNDARIES 50000

/* Does the line at S name a header that GMime reads as addresses? */
static bool
is_address_header(const char *s, size_t n)
{
	static const char *const names[] = { "from", "to", "cc", "bcc", "sender", "reply-to", "resent-", "disposition-" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i]);

		if (n > len && strncasecmp(s, names[i], len) == 0 &&
		    (names[i][len - 1] == '-' || s[len] == ':' || s[len] == ' ' || s[len] == '\t'))
			return true;
	}
	return false;
}

/* What is in the way of reading the message, or NULL.  Header blocks are the first one, those
 * behind a line that may be a boundary, and those of a message in a message. */
static const char *
too_costly(const char *s, size_t n)
{
	size_t at = 0, lines = 0, bytes = 0, colons = 0, boundaries = 0, i;
	bool header = true, again = false, address = false;

	while (at < n) {
		const char *nl = memchr(s + at, '\n', n - at), *p = s + at;
		size_t len = nl == NULL ? n - at : (size_t)(nl - p);
		bool blank = len == 0 || (len == 1 && *p == '\r'), folded = len > 0 && (*p == ' ' || *p == '\t');

		at += len + 1;
		if (len > 2 && p[0] == '-' && p[1] == '-') {
			boundaries++;
			header = true;
			again = false;
			continue;
		}
		if (!folded) {
			address = is_address_header(p, len);
			colons = 0;
		}
		for (i = 0; i < len && address; i++)
			colons += p[i] == ':';
		if (header && blank) {
			header = again;	/* behind "Content-Type: message/rfc822" come headers again */
			again = false;
		} else if (header) {
			lines++;
			bytes += len;
			for (i = 0; i + 8 <= len && !again; i++)
				again = (p[i] | 32) == 'm' && strncasecmp(p + i, "message/", 8) == 0;
		}
		if (colons > MAX_ADDRESS_COLONS)
			return "an address line with groups within groups";
		if (lines > MAX_HEADER_LINES || bytes > MAX_HEADER_BYTES)
			return "more than 20000 header lines, or 4 MiB of them";
		if (boundaries > MAX_BOUNDARIES)
			return "more than 50000 parts";
	}
	return NULL;
}

static enum pim_rc
message_open(struct pim_ctx *c, const void *octets, size_t len, GMimeMessage **msg)
{
	GMimeStream *stream;
	GMimeParser *parser;
	GMimeObject *part;
	const char *costly;
	int headers;

	*msg = NULL;
	pim_init();
	if (len == 0)
		return pim_fail(c, PIM_REFUSED, "the message is empty");
	if (len > c->opt->max_file_bytes)
		return pim_fail(c, PIM_LIMIT, "the message is larger than %zu bytes", c->opt->max_file_bytes);
	costly = too_costly(octets, len);
	if (costly != NULL)
		return pim_fail(c, PIM_LIMIT, "the message has %s", costly);
	/* GMime reads nested parts by recursion, but stops at 1024 levels (tested with 3.2.13) */
	stream = g_mime_stream_mem_new_with_buffer(octets, len);
	parser = g_mime_parser_new_with_stream(stream);
	*msg = g_mime_parser_construct_message(parser, NULL);
	g_object_unref(parser);
	g_object_unref(stream);
	if (*msg == NULL)
		return pim_fail(c, PIM_REFUSED, "the text is no message");
	/* GMime keeps the Content- headers with the body part */
	part = g_mime_message_get_mime_part(*msg);
	headers = g_mime_header_list_get_count(g_mime_object_get_header_list(GMIME_OBJECT(*msg)));
	if (part != NULL)
		headers += g_mime_header_list_get_count(g_mime_object_get_header_list(part));
	if (headers == 0) {
		g_object_unref(*msg);
		*msg = NULL;
		return pim_fail(c, PIM_REFUSED, "the message has no header lines");
	}
	return PIM_OK;
}

static void
message_close(GMimeMessage *msg)
{
	if (msg != NULL)
		g_object_unref(msg);
}

/* Valid UTF-8 without control characters but line feed and tab; line breaks kept only if LINES. */
static char *
clean(const char *s, bool lines)
{
	struct pim_buf u = { 0 }, b = { 0 };
	const char *p;

	pim_to_utf8(&u, s == NULL ? "" : s, s == NULL ? 0 : strlen(s), NULL);
	for (p = u.p == NULL ? "" : u.p; *p != '\0'; p++) {
		unsigned char ch = (unsigned char)*p;

		if (ch == '\r')
			continue;
		if ((ch == '\n' || ch == '\t') && !lines)
			pim_buf_putc(&b, ' ');
		else if (ch >= 0x20 || ch == '\n' || ch == '\t')
			pim_buf_putc(&b, *p);
	}
	b.failed |= u.failed;
	pim_buf_fini(&u);
	return pim_buf_take(&b);
}

static enum pim_rc
set_clean(json_t *o, const char *field, const char *s)
{
	char *text;
	enum pim_rc rc = PIM_OK;

	if (s == NULL)
		return PIM_OK;
	text = clean(s, false);
	if (text == NULL || (*text != '\0' && json_object_set_new(o, field, json_string(text)) != 0))
		rc = PIM_NOMEM;
	free(text);
	return rc;
}

/* Append [name or null, address] for every mailbox; groups are taken apart. */
static enum pim_rc
addresses(InternetAddressList *list, json_t *out, size_t max, unsigned depth)
{
	int i, n = list == NULL ? 0 : internet_address_list_length(list);

	for (i = 0; i < n && json_array_size(out) < max; i++) {
		InternetAddress *a = internet_address_list_get_address(list, i);
		char *name, *addr;
		json_t *pair;
		bool ok;

		if (INTERNET_ADDRESS_IS_GROUP(a)) {
			if (depth < 4 && addresses(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(a)), out, max,
			                           depth + 1) != PIM_OK)
				return PIM_NOMEM;
			continue;
		}
		name = clean(internet_address_get_name(a), false);
		addr = clean(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a)), false);
		pair = name == NULL || addr == NULL ? NULL :
		       json_pack("[s?,s]", *name != '\0' ? name : NULL, addr);
		ok = pair != NULL && json_array_append_new(out, pair) == 0;
		free(name);
		free(addr);
		if (!ok)
			return PIM_NOMEM;
	}
	return PIM_OK;
}

static enum pim_rc
headers_read(struct pim_ctx *c, GMimeMessage *msg, json_t *o)
{
	static const struct {
		const char *field;
		GMimeAddressType type;
	} lists[] = { { "from", GMIME_ADDRESS_TYPE_FROM }, { "to", GMIME_ADDRESS_TYPE_TO }, { "cc", GMIME_ADDRESS_TYPE_CC },
	              { "bcc", GMIME_ADDRESS_TYPE_BCC }, { "reply_to", GMIME_ADDRESS_TYPE_REPLY_TO } };
	static const char *const texts[][2] = { { "disp_notification_to", "Disposition-Notification-To" },
	                                        { "message_id", "Message-ID" }, { "in_reply_to", "In-Reply-To" },
	                                        { "references", "References" } };
	GMimeObject *m = GMIME_OBJECT(msg);
	const char *prio = g_mime_object_get_header(m, "X-Priority"), *imp = g_mime_object_get_header(m, "Importance");
	GDateTime *date = g_mime_message_get_date(msg);
	int64_t v = 3;
	enum pim_rc rc;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *a = json_array();

		rc = a == NULL ? PIM_NOMEM :
		     addresses(g_mime_message_get_addresses(msg, lists[i].type), a, c->opt->max_members, 0);
		if (rc == PIM_OK)
			rc = pim_set_new(c, o, lists[i].field, json_incref(a));
		json_decref(a);
		if (rc != PIM_OK)
			return rc;
	}
	rc = set_clean(o, "subject", g_mime_message_get_subject(msg));
	for (i = 0; i < 4 && rc == PIM_OK; i++)
		rc = set_clean(o, texts[i][0], g_mime_object_get_header(m, texts[i][1]));
	if (rc == PIM_OK && date != NULL)
		rc = pim_set_new(c, o, "sent_date", json_integer(g_date_time_to_unix(date) * 1000));
	if (prio != NULL && prio[strspn(prio, " \t")] >= '1' && prio[strspn(prio, " \t")] <= '5')
		v = prio[strspn(prio, " \t")] - '0';
	else if (imp != NULL && strncasecmp(imp + strspn(imp, " \t"), "high", 4) == 0)
		v = 1;
	else if (imp != NULL && strncasecmp(imp + strspn(imp, " \t"), "low", 3) == 0)
		v = 5;
	if (rc == PIM_OK)
		rc = pim_set_new(c, o, "priority", json_integer(v));
	return rc;
}

/* --- parts --------------------------------------------------------------------------- */

struct part {
	GMimeObject *obj;
	const char *id;		/* IMAP section number */
	bool in_related;	/* below a multipart/related */
	bool in_alternative;	/* directly below a multipart/alternative */
};

/* Called for every leaf; return true to stop. */
typedef bool (*part_cb)(void *arg, const struct part *p);

static bool
is_type(GMimeObject *o, const char *type, const char *sub)
{
	GMimeContentType *t = g_mime_object_get_content_type(o);

	return t != NULL && g_mime_content_type_is_type(t, type, sub);
}

static bool
walk(GMimeObject *o, const char *id, unsigned depth, bool related, bool alternative, part_cb cb, void *arg)
{
	struct part p = { .obj = o, .id = id, .in_related = related, .in_alternative = alternative };
	char sub[160];
	int i, n;

	if (o == NULL)
		return false;
	if (!GMIME_IS_MULTIPART(o) || depth == 0)
		return cb(arg, &p);
	n = g_mime_multipart_get_count(GMIME_MULTIPART(o));
	for (i = 0; i < n; i++) {
		if (*id != '\0')
			snprintf(sub, sizeof(sub), "%s.%d", id, i + 1);
		else
			snprintf(sub, sizeof(sub), "%d", i + 1);
		if (walk(g_mime_multipart_get_part(GMIME_MULTIPART(o), i), sub, depth - 1,
		         related || is_type(o, "multipart", "related"), is_type(o, "multipart", "alternative"), cb, arg))
			return true;
	}
	return false;
}

static bool
walk_message(struct pim_ctx *c, GMimeMessage *msg, part_cb cb, void *arg)
{
	GMimeObject *top = g_mime_message_get_mime_part(msg);
	bool multi = top != NULL && GMIME_IS_MULTIPART(top);

	return walk(top, multi ? "" : "1", c->opt->max_depth, false, false, cb, arg);
}

/* The decoded octets of a leaf; of a message part the message. */
static bool
part_data(GMimeObject *o, struct pim_buf *out)
{
	GMimeStream *mem = g_mime_stream_mem_new();
	GByteArray *bytes;
	GMimeDataWrapper *content = GMIME_IS_PART(o) ? g_mime_part_get_content(GMIME_PART(o)) : NULL;

	if (content != NULL)
		g_mime_data_wrapper_write_to_stream(content, mem);
	else if (GMIME_IS_MESSAGE_PART(o) && g_mime_message_part_get_message(GMIME_MESSAGE_PART(o)) != NULL)
		g_mime_object_write_to_stream(GMIME_OBJECT(g_mime_message_part_get_message(GMIME_MESSAGE_PART(o))), NULL, mem);
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(mem));
	if (bytes != NULL)
		pim_buf_put(out, bytes->data == NULL ? (const void *)"" : bytes->data, bytes->len);
	g_object_unref(mem);
	return !out->failed;
}

static const char *
part_filename(GMimeObject *o)
{
	return GMIME_IS_PART(o) ? g_mime_part_get_filename(GMIME_PART(o)) : NULL;
}

/* Text that a reader sees as the message, not as something attached to it. */
static bool
is_body(const struct part *p)
{
	const char *disp = g_mime_object_get_disposition(p->obj);

	return GMIME_IS_PART(p->obj) && (is_type(p->obj, "text", "plain") || is_type(p->obj, "text", "html")) &&
	       (disp == NULL || strcasecmp(disp, "attachment") != 0) && part_filename(p->obj) == NULL;
}

struct list {
	struct pim_ctx *c;
	json_t *body, *other;	/* entries of attachments */
	bool attachment;
	enum pim_rc rc;
};

static bool
list_part(void *arg, const struct part *p)
{
	struct list *l = arg;
	GMimeContentType *t = g_mime_object_get_content_type(p->obj);
	char *type = t == NULL ? NULL : g_mime_content_type_get_mime_type(t);
	const char *disp = g_mime_object_get_disposition(p->obj), *cid = g_mime_object_get_content_id(p->obj);
	bool body = is_body(p);
	struct pim_buf data = { 0 };
	json_t *e = json_object();

	if (json_array_size(l->body) + json_array_size(l->other) >= l->c->opt->max_members || e == NULL) {
		l->rc = e == NULL ? PIM_NOMEM : PIM_OK;
		json_decref(e);
		g_free(type);
		return true;
	}
	part_data(p->obj, &data);
	if (!body && !(p->in_related && cid != NULL) && !is_type(p->obj, "application", "pgp-signature") &&
	    !is_type(p->obj, "application", "pkcs7-signature") && !is_type(p->obj, "application", "x-pkcs7-signature") &&
	    !p->in_alternative)
		l->attachment = true;
	l->rc = pim_set_new(l->c, e, "id", json_string(p->id));
	if (l->rc == PIM_OK)
		l->rc = set_clean(e, "content_type", type == NULL ? "application/octet-stream" : type);
	if (l->rc == PIM_OK)
		l->rc = pim_set_new(l->c, e, "size", json_integer((json_int_t)data.len));
	if (l->rc == PIM_OK)
		l->rc = pim_set_new(l->c, e, "disp", json_string(
		        (disp != NULL && strcasecmp(disp, "attachment") == 0) || (disp == NULL && !body && cid == NULL) ?
		        "attachment" : "inline"));
	if (l->rc == PIM_OK)
		l->rc = set_clean(e, "filename", part_filename(p->obj));
	if (l->rc == PIM_OK)
		l->rc = set_clean(e, "cid", cid);
	if (l->rc == PIM_OK && json_array_append(body ? l->body : l->other, e) != 0)
		l->rc = PIM_NOMEM;
	json_decref(e);
	g_free(type);
	pim_buf_fini(&data);
	return l->rc != PIM_OK;
}

/* --- body ------------------------------------------------------------------------------ */

struct body {
	GMimeObject *plain, *html;	/* the first of each kind */
};

static bool
find_body(void *arg, const struct part *p)
{
	struct body *b = arg;

	if (!is_body(p))
		return false;
	if (is_type(p->obj, "text", "html")) {
		if (b->html == NULL)
			b->html = p->obj;
	} else if (b->plain == NULL) {
		b->plain = p->obj;
	}
	/* outside an alternative the first text is the body, whatever its form */
	return !p->in_alternative && !p->in_related;
}

/* The first text that is no attachment, of an alternative the plain one; HTML made readable. */
static enum pim_rc
body_text(struct pim_ctx *c, GMimeMessage *msg, char **text)
{
	struct body b = { 0 };
	struct pim_buf raw = { 0 }, u = { 0 }, out = { 0 };
	GMimeObject *o;
	char *cleaned = NULL;

	walk_message(c, msg, find_body, &b);
	o = b.plain != NULL ? b.plain : b.html;
	if (o != NULL) {
		part_data(o, &raw);
		pim_to_utf8(&u, raw.p == NULL ? "" : raw.p, raw.len,
		            g_mime_object_get_content_type_parameter(o, "charset"));
		cleaned = clean(u.p, true);
	}
	if (cleaned != NULL && o == b.html)
		pim_html_to_text(&out, cleaned);
	else if (cleaned != NULL)
		pim_buf_puts(&out, cleaned);
	out.failed |= raw.failed || u.failed || (o != NULL && cleaned == NULL);
	free(cleaned);
	pim_buf_fini(&raw);
	pim_buf_fini(&u);
	*text = pim_buf_take(&out);
	return *text == NULL ? PIM_NOMEM : PIM_OK;
}

/* The first characters of the text, blanks and line breaks run together. */
static enum pim_rc
preview_set(struct pim_ctx *c, GMimeMessage *msg, json_t *o)
{
	struct pim_buf b = { 0 };
	char *text = NULL;
	const char *s;
	bool gap = false;
	enum pim_rc rc;

	if (c->opt->preview_chars == 0)
		return PIM_OK;
	rc = body_text(c, msg, &text);
	for (s = text; rc == PIM_OK && *s != '\0' && b.len < c->opt->preview_chars * 4; s++) {
		if (*s == ' ' || *s == '\n' || *s == '\t') {
			gap = b.len > 0;
			continue;
		}
		if (gap)
			pim_buf_putc(&b, ' ');
		gap = false;
		pim_buf_putc(&b, *s);
	}
	if (rc == PIM_OK && b.len > 0 && !b.failed) {
		b.len = pim_utf8_cut(b.p, b.len, c->opt->preview_chars);
		rc = pim_set_new(c, o, "text_preview", json_stringn_nocheck(b.p, b.len));
	}
	if (b.failed)
		rc = PIM_NOMEM;
	pim_buf_fini(&b);
	free(text);
	return rc;
}

static enum pim_rc
summary_make(struct pim_ctx *c, GMimeMessage *msg, size_t len, json_t *o)
{
	struct list l = { .c = c, .body = json_array(), .other = json_array() };
	GMimeObject *top = g_mime_message_get_mime_part(msg);
	GMimeContentType *t = top == NULL ? NULL : g_mime_object_get_content_type(top);
	char *type = t == NULL ? NULL : g_mime_content_type_get_mime_type(t);
	enum pim_rc rc = l.body == NULL || l.other == NULL ? PIM_NOMEM : headers_read(c, msg, o);

	if (rc == PIM_OK) {
		walk_message(c, msg, list_part, &l);
		rc = l.rc;
	}
	if (rc == PIM_OK && json_array_extend(l.body, l.other) != 0)
		rc = PIM_NOMEM;
	if (rc == PIM_OK)
		rc = pim_set_new(c, o, "attachments", json_incref(l.body));
	if (rc == PIM_OK)
		rc = pim_set_new(c, o, "attachment", json_boolean(l.attachment));
	if (rc == PIM_OK)
		rc = pim_set_new(c, o, "size", json_integer((json_int_t)len));
	if (rc == PIM_OK)
		rc = set_clean(o, "content_type", type == NULL ? "text/plain" : type);
	if (rc == PIM_OK)
		rc = preview_set(c, msg, o);
	json_decref(l.body);
	json_decref(l.other);
	g_free(type);
	return rc;
}

enum pim_rc
pim_mail_read(struct pim_ctx *c, const void *octets, size_t len, json_t **object)
{
	GMimeMessage *msg = NULL;
	json_t *o = json_object();
	enum pim_rc rc = o == NULL ? PIM_NOMEM : message_open(c, octets, len, &msg);

	*object = NULL;
	if (rc == PIM_OK)
		rc = summary_make(c, msg, len, o);
	if (rc == PIM_OK)
		*object = json_incref(o);
	json_decref(o);
	message_close(msg);
	return rc;
}

enum pim_rc
pim_mail_summary(const void *octets, size_t len, const struct pim_options *opt, json_t **object, struct pim_error *err)
{
	struct pim_options defaults;
	struct pim_ctx c;
	enum pim_rc rc;

	pim_ctx_init(&c, opt, &defaults, NULL);
	rc = pim_mail_read(&c, octets, len, object);
	pim_ctx_error(&c, rc, err);
	return rc;
}
