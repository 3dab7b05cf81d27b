/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTML bodies as readable text.  No browser: tags go, blocks become lines, the usual entities become characters.
 */
#include "mime_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name, *text;
} entities[] = {
	{ "amp", "&" }, { "lt", "<" }, { "gt", ">" }, { "quot", "\"" }, { "apos", "'" }, { "nbsp", " " },
	{ "auml", "ä" }, { "ouml", "ö" }, { "uuml", "ü" }, { "Auml", "Ä" }, { "Ouml", "Ö" }, { "Uuml", "Ü" },
	{ "szlig", "ß" }, { "eacute", "é" }, { "egrave", "è" }, { "agrave", "à" }, { "ccedil", "ç" },
	{ "euro", "€" }, { "copy", "©" }, { "ndash", "–" }, { "mdash", "—" }, { "hellip", "…" },
	{ "lsquo", "‘" }, { "rsquo", "’" }, { "ldquo", "“" }, { "rdquo", "”" }, { "bdquo", "„" }, { NULL, NULL }
};

static void
put_code_point(struct pim_buf *out, unsigned long cp)
{
	if (cp < 0x20 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		pim_buf_putc(out, ' ');
	else if (cp < 0x80)
		pim_buf_putc(out, (char)cp);
	else {
		char u[4];
		size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4, i;

		for (i = n - 1; i > 0; i--, cp >>= 6)
			u[i] = (char)(unsigned char)(0x80 | (cp & 0x3f));
		u[0] = (char)(unsigned char)((0xf00 >> n & 0xff) | cp);
		pim_buf_put(out, u, n);
	}
}

/* The entity at S ("&...;"); its length, 0 if it is none. */
static size_t
entity(struct pim_buf *out, const char *s)
{
	size_t n = strcspn(s + 1, ";& <\n"), i;

	if (n == 0 || n > 10 || s[1 + n] != ';')
		return 0;
	if (s[1] == '#') {
		bool hex = s[2] == 'x' || s[2] == 'X';

		put_code_point(out, strtoul(s + (hex ? 3 : 2), NULL, hex ? 16 : 10));
		return n + 2;
	}
	for (i = 0; entities[i].name != NULL; i++) {
		if (strlen(entities[i].name) == n && strncmp(entities[i].name, s + 1, n) == 0) {
			pim_buf_puts(out, entities[i].text);
			return n + 2;
		}
	}
	return 0;
}

/* Does the tag at S ("<...") have the name NAME? */
static bool
tag_is(const char *s, const char *name)
{
	size_t n = strlen(name);

	s += s[1] == '/' ? 2 : 1;
	return strncasecmp(s, name, n) == 0 && strchr(" \t\n/>", s[n]) != NULL;
}

/* Behind the element whose start tag is at S, if its content is not text; else S. */
static const char *
skip_element(const char *s)
{
	static const char *const mute[] = { "script", "style", "head", "title", NULL };
	size_t i;

	for (i = 0; mute[i] != NULL; i++) {
		const char *e = s + 1;

		if (s[1] == '/' || !tag_is(s, mute[i]))
			continue;
		while ((e = strchr(e, '<')) != NULL && !(e[1] == '/' && tag_is(e, mute[i])))
			e++;
		return e == NULL ? s + strlen(s) : e;
	}
	return s;
}

void
pim_html_to_text(struct pim_buf *out, const char *html)
{
	static const char *const blocks[] = { "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol",
	                                      "blockquote", "hr", "pre", NULL };
	const char *s = html;
	bool gap = false;
	size_t i, n;

	while (*s != '\0') {
		bool line_start = out->len == 0 || out->p[out->len - 1] == '\n';

		if (*s == '<') {
			const char *e = skip_element(s);

			if (e != s) {
				s = e;
				continue;
			}
			for (i = 0; blocks[i] != NULL; i++) {
				if (tag_is(s, blocks[i]) && !line_start && out->len > 0 && (i == 0 || !line_start)) {
					pim_buf_putc(out, '\n');
					gap = false;
					break;
				}
			}
			e = strncmp(s, "<!--", 4) == 0 ? strstr(s, "-->") : strchr(s, '>');
			if (e == NULL)
				break;
			s = *e == '-' ? e + 3 : e + 1;
		} else if (*s == ' ' || *s == '\n' || *s == '\t') {
			gap = true;
			s++;
		} else {
			if (gap && !line_start)
				pim_buf_putc(out, ' ');
			gap = false;
			n = *s == '&' ? entity(out, s) : 0;
			if (n == 0)
				pim_buf_putc(out, *s);
			s += n == 0 ? 1 : n;
		}
	}
	pim_buf_put(out, "", 0);
}
