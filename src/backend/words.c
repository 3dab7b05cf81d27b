/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a person typed, as OX takes it.  Everywhere in OX * and ? stand for other characters (LIKE of a database, or a pattern over headers), in groups and
 * resources % and _ as well; none of its modules has an escape that the others have, and a backslash is lost in some.  So each of these is sent as
 * ?, "any one character", and what comes back is looked through for the character itself.
 */
#include "backend/backend_int.h"

#include <string.h>

#define SPECIAL "*?\\%_"

bool
word_special(const char *word)
{
	return word != NULL && strpbrk(word, SPECIAL) != NULL;
}

char *
word_pattern(struct arena *a, const char *before, const char *word, const char *after)
{
	char *out = arena_printf(a, "%s%s%s", before, word, after);

	for (char *p = out != NULL ? out + strlen(before) : NULL; p != NULL && p < out + strlen(before) + strlen(word); p++)
		if (strchr(SPECIAL, *p) != NULL)
			*p = '?';
	return out;
}

static size_t
sequence(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/*
 * Does TEXT go on with WORD?  The special characters are equal to themselves alone.  Of the others OX has decided, by its own idea of case and accents:
 * one outside of ASCII is taken for equal to any, which never loses a hit.
 */
static bool
goes_on(const char *text, const char *word)
{
	while (*word != '\0') {
		if (*text == '\0')
			return false;
		if (strchr(SPECIAL, *word) != NULL || (((unsigned char)*word & 0x80) == 0 && ((unsigned char)*text & 0x80) == 0)) {
			if (lower(*word) != lower(*text))
				return false;
		}
		word += sequence(word);
		text += sequence(text);
	}
	return true;
}

bool
word_in(const char *text, const char *word)
{
	for (; *text != '\0'; text += sequence(text))
		if (goes_on(text, word))
			return true;
	return false;
}

bool
word_begins(const char *text, const char *word)
{
	for (const char *p = text; *p != '\0'; p += sequence(p))
		if ((p == text || p[-1] == ' ') && goes_on(p, word))
			return true;
	return false;
}

bool
word_in_value(const json_t *v, const char *word)
{
	size_t i;
	json_t *x;

	if (json_is_string(v))
		return word_in(json_string_value(v), word);
	json_array_foreach ((json_t *)(uintptr_t)v, i, x)
		if (word_in_value(x, word))
			return true;
	return false;
}
