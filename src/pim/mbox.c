/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * mbox files: messages between "From " lines.  The variant that is read is mboxrd
 * (one '>' taken off ">From ", ">>From ", ...); Content-Length is not trusted.
 */
#include "mime_int.h"

#include <string.h>

/* "From " and a time of day in the same line, or Mozilla's "From -": prose rarely has that. */
static bool
from_line(const char *s, size_t n)
{
	size_t i;

	if (n < 7 || memcmp(s, "From ", 5) != 0)
		return false;
	if (s[5] == '-' && (s[6] == ' ' || s[6] == '\r' || s[6] == '\n'))
		return true;
	for (i = 5; i + 3 < n && s[i] != '\n' && i < 200; i++) {
		if (s[i] >= '0' && s[i] <= '9' && s[i + 1] == ':' && s[i + 2] >= '0' && s[i + 2] <= '5')
			return true;
	}
	return false;
}

bool
pim_mbox_is(const char *s, size_t n)
{
	return from_line(s, n);
}

/* Where the next From_ line behind AT begins (after an empty line), or N. */
static size_t
next_from(const char *s, size_t n, size_t at)
{
	while (at < n) {
		const char *nl = memchr(s + at, '\n', n - at);
		size_t line;

		if (nl == NULL)
			return n;
		line = (size_t)(nl - s) + 1;
		if (n - line > 5 && s[line] == 'F' && from_line(s + line, n - line) &&
		    (line < 2 || s[line - 2] == '\n' || (line > 2 && s[line - 2] == '\r' && s[line - 3] == '\n')))
			return line;
		at = line;
	}
	return n;
}

/* LINE is ">From " with any number of '>'. */
static bool
quoted(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] == '>')
		i++;
	return i > 0 && n - i >= 5 && memcmp(s + i, "From ", 5) == 0;
}

bool
pim_mbox_next(const char *s, size_t n, size_t *at, const char **msg, size_t *msg_len, struct pim_buf *owned)
{
	const char *nl;
	size_t from, to, end, i;
	bool any = false;

	if (*at >= n)
		return false;
	nl = memchr(s + *at, '\n', n - *at);	/* the From_ line itself */
	from = nl == NULL ? n : (size_t)(nl - s) + 1;
	/* the From_ line ends with the line feed that next_from looks behind: begin before it */
	to = from == n ? n : next_from(s, n, from);
	end = to;
	if (to < n) {	/* the empty line before the next From_ line belongs to the mbox */
		end -= end > from;
		end -= end > from && s[end - 1] == '\r';
	}
	*at = to;
	*msg = s + from;
	*msg_len = end - from;
	for (i = from; i < end && !any; i++)
		any = s[i] == '>' && (i == from || s[i - 1] == '\n') && quoted(s + i, end - i);
	if (!any)
		return true;
	for (i = from; i < end;) {
		const char *e = memchr(s + i, '\n', end - i);
		size_t len = e == NULL ? end - i : (size_t)(e - s) + 1 - i;
		size_t skip = quoted(s + i, len) ? 1 : 0;

		pim_buf_put(owned, s + i + skip, len - skip);
		i += len;
	}
	*msg = owned->p;
	*msg_len = owned->len;
	return true;
}
