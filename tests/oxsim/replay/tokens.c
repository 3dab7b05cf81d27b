/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Finds in any text what can never be equal in two runs: session ids and other long hex
 * words, uuids, instants; and the names of the session cookies.  Also base64. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"
#include "tokens.h"

char *
text_format(const char *fmt, ...)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);
	va_list ap;

	if (f == NULL)
		abort();
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
	return out;
}

static size_t
span_hex(const char *s)
{
	return strspn(s, "0123456789abcdef");
}

/* Length of the token that begins at S, 0 when none does. */
size_t
tokens_at(const char *s, enum token *type)
{
	static const size_t parts[] = { 8, 4, 4, 4, 12 };
	const char *p = s;
	size_t n = span_hex(s);

	*type = TOKEN_NONE;
	if (n >= 32) {
		*type = TOKEN_HEX;
		return n;
	}
	for (size_t i = 0; i < 5; i++) {
		if (span_hex(p) != parts[i] || (i < 4 && p[parts[i]] != '-'))
			break;
		p += parts[i] + (i < 4);
		if (i == 4) {
			*type = TOKEN_UUID;
			return (size_t)(p - s);
		}
	}
	/* 1795...: the months around the recording */
	if (strspn(s, "0123456789") == 13 && s[0] == '1' && s[1] == '7' && s[2] == '9') {
		*type = TOKEN_INSTANT;
		return 13;
	}
	/* 20261122T101129Z: the same as calendar text */
	if (strncmp(s, "202611", 6) == 0 && strspn(s, "0123456789") == 8 && s[8] == 'T' &&
	    strspn(s + 9, "0123456789") == 6 && s[15] == 'Z') {
		*type = TOKEN_UTC;
		return 16;
	}
	return 0;
}

/* Cookie names end in a hash of client and User-Agent that every server makes its own way. */
static size_t
cookie_hash_at(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return n >= 20 && n <= 24 && s[n] == '=' ? n : 0;
}

char *
tokens_map(const struct idmap *m, const char *text)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	for (const char *s = text; *s; ) {
		bool start = s == text || !isalnum((unsigned char)s[-1]);
		enum token type = TOKEN_NONE;
		size_t n = start ? tokens_at(s, &type) : 0;
		const char *v = NULL;
		char *word;

		if (n && type == TOKEN_INSTANT)
			n = 0;		/* instants are mapped where a member says so */
		if (n == 0 && start)
			n = cookie_hash_at(s);
		if (n) {
			word = strndup(s, n);
			v = idmap_get(m, "token", word);
			free(word);
		}
		if (v) {
			fputs(v, f);
			s += n;
		} else {
			fputc(*s++, f);
		}
	}
	fclose(f);
	return out;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
tokens_base64(const char *text, size_t *len)
{
	char *out = malloc(strlen(text) + 1);
	unsigned acc = 0;
	int bits = 0;
	size_t n = 0;

	if (out == NULL)
		abort();
	for (; *text && *text != '='; text++) {
		const char *p = strchr(alphabet, *text);

		if (p == NULL)
			continue;
		acc = (acc << 6 | (unsigned)(p - alphabet)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(acc >> bits & 0xff);
		}
	}
	out[n] = '\0';
	*len = n;
	return out;
}

char *
tokens_base64_encode(const char *data, size_t len)
{
	char *out = malloc(4 * (len + 2) / 3 + 5);
	char *o = out;

	if (out == NULL)
		abort();
	for (size_t i = 0; i < len; i += 3) {
		unsigned v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < len ? (unsigned char)data[i + k] : 0U);
		*o++ = alphabet[v >> 18 & 63];
		*o++ = alphabet[v >> 12 & 63];
		*o++ = i + 1 < len ? alphabet[v >> 6 & 63] : '=';
		*o++ = i + 2 < len ? alphabet[v & 63] : '=';
	}
	*o = '\0';
	return out;
}
