/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How OX compares when it searches, as tried with OX 8.19: the database's modules know neither case nor accents, * stands for any
 * characters, ? for one, and a backslash is lost; groups and resources let % and _ through to the database and take ? for itself; mail is
 * the mail server's affair (case-blind for ASCII there), where a pattern with * or ? finds its parts in their order.
 */
#include "oxsim/sim.h"

#include <stdlib.h>
#include <string.h>

/* case-blind, and without accents where a database compares */
static char *
folded(const char *s, bool accents)
{
	gchar *c = g_utf8_casefold(s ? s : "", -1), *n = g_utf8_normalize(c, -1, G_NORMALIZE_ALL), *p;
	GString *out = g_string_new(NULL);

	for (p = n; p != NULL && *p; p = g_utf8_next_char(p))
		if (accents || g_unichar_type(g_utf8_get_char(p)) != G_UNICODE_NON_SPACING_MARK)
			g_string_append_unichar(out, g_utf8_get_char(p));
	g_free(c);
	g_free(n);
	return g_string_free(out, FALSE);
}

/* MANY stand for any characters, SINGLE for one */
static bool
glob(const char *s, const char *p, const char *many, const char *single)
{
	for (; *p; p = g_utf8_next_char(p)) {
		if (strchr(many, *p) != NULL) {
			for (;; s = g_utf8_next_char(s)) {
				if (glob(s, p + 1, many, single))
					return true;
				if (*s == '\0')
					return false;
			}
		}
		if (*s == '\0' || (strchr(single, *p) == NULL && g_utf8_get_char(s) != g_utf8_get_char(p)))
			return false;
		s = g_utf8_next_char(s);
	}
	return *s == '\0';
}

bool
match_whole(const char *s, const char *pattern)
{
	char *a = folded(s, false), *p = folded(pattern, false);
	bool ok = glob(a, p, "*", "?");

	g_free(a);
	g_free(p);
	return ok;
}

bool
match_part(const char *s, const char *pattern)
{
	gchar **v = g_strsplit(pattern ? pattern : "*", "\\", -1);
	char *plain = g_strjoinv("", v), *around = g_strconcat("*", plain, "*", NULL);
	bool ok = s != NULL && match_whole(s, around);

	g_strfreev(v);
	g_free(plain);
	g_free(around);
	return ok;
}

bool
match_name(const char *s, const char *pattern)
{
	char *a = folded(s, false), *p = folded(pattern, false), *open = strchr(p, '*') != NULL ? g_strdup(p) : g_strconcat(p, "*", NULL);
	bool ok = glob(a, open, "*%", "_");

	g_free(a);
	g_free(p);
	g_free(open);
	return ok;
}

bool
match_mail(const char *s, const char *pattern)
{
	char *a = folded(s, true), *p = folded(pattern, true), *at = a;
	gchar **v = g_strsplit_set(p, "*?", -1);
	bool ok = true;
	int i;

	for (i = 0; ok && v[i] != NULL; i++) {
		at = strstr(at, v[i]);
		ok = at != NULL;
		at = ok ? at + strlen(v[i]) : a;
	}
	g_strfreev(v);
	g_free(a);
	g_free(p);
	return ok;
}
