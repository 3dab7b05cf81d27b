/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Splits a message into its parts without changing an octet, numbers them as
 * the mail API does and decodes single parts.
 */
#include <glib.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/mimetree.h"
#include "oxsim/sim.h"

enum { MAX_DEPTH = 20 };

/* Length of the header block with its empty line. */
static size_t
header_len(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		const char *nl = memchr(p + i, '\n', n - i);
		size_t end = nl ? (size_t)(nl - p) + 1 : n;

		if (p[i] == '\n' || (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n'))
			return end;
		i = end;
	}
	return n;
}

void
mimetree_headers(const char *p, size_t n, void (*cb)(void *, const char *, const char *), void *arg)
{
	size_t end = header_len(p, n), i = 0;

	while (i < end) {
		GString *line = g_string_new(NULL);
		char *colon;

		do {
			const char *nl = memchr(p + i, '\n', end - i);
			size_t stop = nl ? (size_t)(nl - p) : end;
			size_t len = stop - i;

			if (len > 0 && p[i + len - 1] == '\r')
				len--;
			g_string_append_len(line, p + i, (gssize)len);
			i = nl ? stop + 1 : end;
		} while (i < end && (p[i] == ' ' || p[i] == '\t'));
		colon = strchr(line->str, ':');
		if (colon != NULL && colon != line->str) {
			*colon = '\0';
			cb(arg, g_strchomp(line->str), g_strchug(colon + 1));
		}
		g_string_free(line, TRUE);
	}
}

static void
take_type(struct mpart *m, const char *value, char **boundary)
{
	GMimeContentType *ct = g_mime_content_type_parse(NULL, value);
	const char *v;
	char *full;

	full = xprintf("%s/%s", g_mime_content_type_get_media_type(ct),
	    g_mime_content_type_get_media_subtype(ct));
	free(m->type);
	m->type = g_ascii_strdown(full, -1);
	free(full);
	v = g_mime_content_type_get_parameter(ct, "charset");
	if (v != NULL && m->charset == NULL)
		m->charset = xstrdup(v);
	v = g_mime_content_type_get_parameter(ct, "method");
	if (v != NULL && m->method == NULL)
		m->method = xstrdup(v);
	v = g_mime_content_type_get_parameter(ct, "name");
	if (v != NULL && m->filename == NULL)
		m->filename = xstrdup(v);
	v = g_mime_content_type_get_parameter(ct, "boundary");
	if (v != NULL && *boundary == NULL)
		*boundary = xstrdup(v);
	g_object_unref(ct);
}

static void
take_disposition(struct mpart *m, const char *value)
{
	GMimeContentDisposition *d = g_mime_content_disposition_parse(NULL, value);
	const char *v = g_mime_content_disposition_get_disposition(d);

	m->attachment = v != NULL && g_ascii_strcasecmp(v, "attachment") == 0;
	m->inlined = v != NULL && g_ascii_strcasecmp(v, "inline") == 0;
	v = g_mime_content_disposition_get_parameter(d, "filename");
	if (v != NULL) {
		free(m->filename);
		m->filename = xstrdup(v);
	}
	g_object_unref(d);
}

struct take { struct mpart *m; char *boundary; };

static void
take_header(void *arg, const char *name, const char *value)
{
	struct take *t = arg;

	if (g_ascii_strcasecmp(name, "Content-Type") == 0) {
		take_type(t->m, value, &t->boundary);
	} else if (g_ascii_strcasecmp(name, "Content-Disposition") == 0) {
		take_disposition(t->m, value);
	} else if (g_ascii_strcasecmp(name, "Content-Transfer-Encoding") == 0) {
		free(t->m->cte);
		t->m->cte = g_ascii_strdown(value, -1);
		g_strchomp(t->m->cte);
	} else if (g_ascii_strcasecmp(name, "Content-ID") == 0 && t->m->cid == NULL) {
		t->m->cid = xstrdup(value);
	}
}

static struct mpart *parse(const char *p, size_t n, const char *id, int depth, bool message);

static void
add_child(struct mpart *m, struct mpart *c)
{
	m->child = xrealloc(m->child, sizeof(*m->child) * (size_t)(m->n + 1));
	m->child[m->n++] = c;
}

/* Is there a delimiter line at P: 1 an ordinary one, 2 the last one. */
static int
delimiter(const char *p, size_t n, const char *boundary)
{
	size_t b = strlen(boundary);

	if (n < b + 2 || p[0] != '-' || p[1] != '-' || memcmp(p + 2, boundary, b) != 0)
		return 0;
	return n >= b + 4 && p[b + 2] == '-' && p[b + 3] == '-' ? 2 : 1;
}

static void
split(struct mpart *m, const char *boundary, int depth)
{
	const char *p = m->body, *end = m->body + m->bodylen, *start = NULL;
	char id[40];
	int kind = 0;

	while (p < end && kind != 2) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		kind = delimiter(p, (size_t)(end - p), boundary);
		if (kind != 0 && start != NULL) {
			/* the line end before a delimiter belongs to the delimiter */
			const char *stop = p > start && p[-1] == '\n' ? p - 1 : p;

			if (stop > start && stop[-1] == '\r')
				stop--;
			(void)snprintf(id, sizeof(id), "%.20s%s%d", m->id, *m->id ? "." : "", m->n + 1);
			add_child(m, parse(start, (size_t)(stop - start), id, depth + 1, false));
		}
		p = nl ? nl + 1 : end;
		if (kind != 0)
			start = p;
	}
}

static struct mpart *
parse(const char *p, size_t n, const char *id, int depth, bool message)
{
	struct mpart *m = xcalloc(1, sizeof(*m));
	struct take t = { m, NULL };
	size_t h = header_len(p, n);

	(void)snprintf(m->id, sizeof(m->id), "%s", id);
	m->raw = p;
	m->rawlen = n;
	m->body = p + h;
	m->bodylen = n - h;
	mimetree_headers(p, n, take_header, &t);
	if (m->type == NULL)
		m->type = xstrdup("text/plain");
	if (m->cte == NULL)
		m->cte = xstrdup("");
	if (strncmp(m->type, "multipart/", 10) == 0 && t.boundary != NULL && depth < MAX_DEPTH)
		split(m, t.boundary, depth);
	else if (strcmp(m->type, "message/rfc822") == 0 && depth < MAX_DEPTH && *id)
		add_child(m, parse(m->body, m->bodylen, id, depth + 1, true));
	/* a message without parts has one, and that is number 1 */
	if (m->n == 0 && message)
		(void)snprintf(m->id, sizeof(m->id), "%.20s%s1", id, *id ? "." : "");
	free(t.boundary);
	return m;
}

struct mpart *
mimetree_parse(const char *p, size_t n)
{
	return parse(p, n, "", 0, true);
}

void
mimetree_free(struct mpart *m)
{
	int i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n; i++)
		mimetree_free(m->child[i]);
	free(m->child);
	free(m->type);
	free(m->charset);
	free(m->method);
	free(m->filename);
	free(m->cid);
	free(m->cte);
	free(m);
}

const struct mpart *
mimetree_find(const struct mpart *m, const char *id)
{
	const struct mpart *f;
	int i;

	if (strcmp(m->id, id) == 0)
		return m;
	for (i = 0; i < m->n; i++)
		if ((f = mimetree_find(m->child[i], id)) != NULL)
			return f;
	return NULL;
}

const struct mpart *
mimetree_find_cid(const struct mpart *m, const char *cid)
{
	const struct mpart *f;
	size_t len = strlen(cid);
	int i;

	if (m->cid != NULL && (strcmp(m->cid, cid) == 0 ||
	    (m->cid[0] == '<' && strncmp(m->cid + 1, cid, len) == 0 && m->cid[len + 1] == '>')))
		return m;
	if (m->filename != NULL && strcmp(m->filename, cid) == 0)
		return m;
	for (i = 0; i < m->n; i++)
		if ((f = mimetree_find_cid(m->child[i], cid)) != NULL)
			return f;
	return NULL;
}

char *
mimetree_decode(const struct mpart *m, size_t *len)
{
	GMimeContentEncoding ce = g_mime_content_encoding_from_string(m->cte);
	GMimeEncoding e;
	char *out;

	if (ce != GMIME_CONTENT_ENCODING_BASE64 && ce != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE) {
		*len = m->bodylen;
		return xmemdup0(m->body, m->bodylen);
	}
	g_mime_encoding_init_decode(&e, ce);
	out = xcalloc(1, g_mime_encoding_outlen(&e, m->bodylen) + 1);
	*len = g_mime_encoding_step(&e, m->body, m->bodylen, out);
	*len += g_mime_encoding_flush(&e, NULL, 0, out + *len);
	out[*len] = '\0';
	return out;
}

char *
mimetree_text(const struct mpart *m)
{
	size_t len, i;
	char *raw = mimetree_decode(m, &len), *out;
	gchar *u;

	if (g_utf8_validate(raw, (gssize)len, NULL))
		return raw;
	u = g_convert(raw, (gssize)len, "UTF-8", m->charset ? m->charset : "ISO-8859-1", NULL, NULL, NULL);
	if (u == NULL) {
		for (i = 0; i < len; i++)
			if ((unsigned char)raw[i] > 126)
				raw[i] = '?';
		return raw;
	}
	free(raw);
	out = xstrdup(u);
	g_free(u);
	return out;
}

char *
mimetree_filename(const struct mpart *m)
{
	const char *end = "dat";

	if (m->filename != NULL)
		return xstrdup(m->filename);
	if (strcmp(m->type, "text/plain") == 0)
		end = "txt";
	else if (strcmp(m->type, "text/html") == 0)
		end = "html";
	else if (strcmp(m->type, "message/rfc822") == 0)
		end = "eml";
	return xprintf("Part_%s.%s", m->id, end);
}
