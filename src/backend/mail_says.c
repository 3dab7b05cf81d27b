/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Is a text in the text of a mail?  For searches with characters that OX cannot look for there (search_ask.c): the mail server finds what has the
 * pieces, and what stands between them is read here.
 */
#include "backend/backend_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANY "\xef\xbf\xbd" /* U+FFFD: to word_in, like each character beyond ASCII, any one character */

bool
ox_body_exact(const char *body)
{
	return strpbrk(body, BODY_SPECIAL) == NULL;
}

/* The character that an entity stands for, P behind its "&": into OUT; its octets.  0 = it is no entity. */
static size_t
entity(const char *p, char **out)
{
	static const struct { const char *name; char is; } known[] = { { "amp;", '&' }, { "lt;", '<' }, { "gt;", '>' }, { "quot;", '"' }, { "apos;", '\'' },
		{ "nbsp;", ' ' }, { "ast;", '*' }, { "quest;", '?' }, { "bsol;", '\\' } };
	size_t n = strcspn(p, "; <&\"");
	long c;

	if (n == 0 || n > 10 || p[n] != ';')
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strncasecmp(p, known[i].name, strlen(known[i].name)) == 0) {
			*(*out)++ = known[i].is;
			return n + 1;
		}
	c = p[0] != '#' ? 0 : p[1] == 'x' || p[1] == 'X' ? strtol(p + 2, NULL, 16) : strtol(p + 1, NULL, 10);
	if (c > 0 && c < 0x80) {
		*(*out)++ = (char)c;
	} else { /* no entity is shorter */
		memcpy(*out, ANY, 3);
		*out += 3;
	}
	return n + 1;
}

/* What a person reads of HTML, tags left out: what stands before one and behind it is one word. */
static char *
without_tags(struct arena *a, const char *html)
{
	char *out = arena_alloc(a, strlen(html) + 1), *to = out;
	const char *p = html;
	size_t n;

	while (out != NULL && *p != '\0') {
		if (*p == '<' && (n = strcspn(p, ">")) > 0) {
			p += n + (p[n] == '>');
		} else if (*p == '&' && (n = entity(p + 1, &to)) > 0) {
			p += n + 1;
		} else {
			*to++ = *p++;
		}
	}
	if (out != NULL)
		*to = '\0';
	return out;
}

/* A part with a text that the mail server has looked into, too, and that was not read: its octets do not travel with the mail. */
static bool
is_other_text(const struct ox_mail_part *p)
{
	return p->content_type != NULL && (strncasecmp(p->content_type, "text/", 5) == 0 || strncasecmp(p->content_type, "message/", 8) == 0);
}

enum rc
ox_mail_says(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *text, bool *yes, struct err *e)
{
	struct arena *a = arena_new(0);
	struct ox_mail_body b;
	const char *plain;
	enum rc rc = a != NULL ? ox_mail_body(s, a, folder, id, oxid, &b, e) : err_set(e, RC_NOMEM, "out of memory for a mail");

	*yes = false;
	if (rc == RC_OK) {
		*yes = (b.text != NULL && word_in(b.text, text)) || (b.html != NULL && word_in(b.html, text));
		for (size_t i = 0; i < b.n_parts && !*yes; i++)
			*yes = is_other_text(&b.part[i]);
	}
	if (rc == RC_OK && !*yes && b.html != NULL) {
		plain = without_tags(a, b.html);
		if (plain == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory for a mail");
		else
			*yes = word_in(plain, text);
	}
	arena_free(a);
	return rc;
}
