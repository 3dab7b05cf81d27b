/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Values of a trace become tokens: equal values of one trace have equal tokens, of the same number of characters, made with a key that is forgotten
 * when the trace ends.  The input is what the network said, so it need not be JSON at all: whatever is not understood is not copied.
 */
#include "util/trace_int.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MAX 4096U /* a longer text (a mail, a picture) is told by so many characters and its length */
#define WORD_MAX 40U
#define COLUMN_MAX 5U   /* digits of a column's number */
#define INTEGER_MAX 19U /* digits of a number that still is one for a reader of JSON */

static const char *const secrets[] = { "password", "passwd", "token", "secret", "session", "cookie", "credential" };
static const char *const kept[] = { "action", "module", "code", "type", "mode", "kind", "policy", "resolution", "columns", "status", "class", "contentType",
	"objectType", "own", "fields", "field" };

/* What is around a value of JSON. */
struct place {
	char name[WORD_MAX + 1]; /* of the member whose value, or a part of whose list, comes next; "" = none that may be known */
	unsigned depth;          /* 1 outside of all */
	unsigned secret;         /* depth of the object whose member, with all that is in it, is secret; 0 = none */
	bool value;              /* a value may come: else a short number is a part of something longer, such as a telephone number in broken quotes */
};

/* strchr finds the end of its list, too, and any octet may come. */
static bool
is_of(char c, const char *list)
{
	return c != '\0' && strchr(list, c) != NULL;
}

static bool
is_word(const char *p, size_t n)
{
	size_t digits = 0;

	if (n == 0 || n > WORD_MAX || !isalpha((unsigned char)p[0]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)p[i]) && !is_of(p[i], "_-."))
			return false;
		digits += isdigit((unsigned char)p[i]) != 0;
	}
	return digits <= 3;
}

/* Words and numbers of columns with commas between. */
static bool
is_list(const char *p, size_t n)
{
	for (const char *end = p + n, *next; p < end; p = next + 1) {
		next = memchr(p, ',', (size_t)(end - p));
		if (next == NULL)
			next = end;
		n = (size_t)(next - p);
		if (!is_word(p, n) && !(n > 0 && n <= COLUMN_MAX && strspn(p, "0123456789") >= n))
			return false;
	}
	return true;
}

static bool
is_secret(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		for (size_t at = 0, len = strlen(secrets[i]); at + len <= n; at++)
			if (strncasecmp(name + at, secrets[i], len) == 0)
				return true;
	return false;
}

static bool
is_kept(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (strlen(kept[i]) == n && memcmp(kept[i], name, n) == 0)
			return true;
	return false;
}

/* COUNT characters that follow from the N octets of P and the key alone. */
static void
token(const struct redact *r, const void *p, size_t n, size_t count, const char *alphabet, struct buf *out)
{
	size_t letters = strlen(alphabet);
	uint64_t x[2] = { siphash24(r->key, p, n), 0 }, bits = 0;

	for (size_t i = 0; i < count && i < TOKEN_MAX; i++) {
		if (i % 8 == 0) {
			x[1] = i;
			bits = siphash24(r->key, x, sizeof(x));
		}
		buf_addc(out, alphabet[(bits & 0xff) % letters]);
		bits >>= 8;
	}
	if (count > TOKEN_MAX)
		buf_addf(out, "~%zu", count);
}

static size_t
characters(const char *p, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)p[i] & 0xc0) != 0x80;
	return count;
}

void
redact_text(const struct redact *r, const char *p, size_t n, struct buf *out)
{
	token(r, p, n, characters(p, n), "abcdefghijklmnopqrstuvwxyz234567", out);
}

/* The text of a string; of what may be an address the at-sign and the dots behind it stay, else nobody would take it for one. */
static void
text_token(const struct redact *r, const char *p, size_t n, struct buf *out)
{
	const char *at = memchr(p, '@', n), *end = p + n;

	if (at == NULL || memchr(p, ' ', n) != NULL || memchr(at + 1, '@', (size_t)(end - at - 1)) != NULL) {
		redact_text(r, p, n, out);
		return;
	}
	redact_text(r, p, (size_t)(at - p), out);
	for (p = at; p < end; ) {
		const char *dot = memchr(p + 1, '.', (size_t)(end - p - 1));
		const char *next = dot != NULL ? dot : end;

		buf_addc(out, *p);
		redact_text(r, p + 1, (size_t)(next - p - 1), out);
		p = next;
	}
}

static void
add_utf8(struct buf *b, unsigned v)
{
	if (v < 0x80) {
		buf_addc(b, (char)v);
	} else if (v < 0x800) {
		buf_addc(b, (char)(0xc0 | v >> 6));
		buf_addc(b, (char)(0x80 | (v & 0x3f)));
	} else {
		if (v < 0x10000) {
			buf_addc(b, (char)(0xe0 | v >> 12));
		} else {
			buf_addc(b, (char)(0xf0 | v >> 18));
			buf_addc(b, (char)(0x80 | (v >> 12 & 0x3f)));
		}
		buf_addc(b, (char)(0x80 | (v >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (v & 0x3f)));
	}
}

/* The four hexadecimal digits at P. */
static unsigned
code_unit(const char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (isdigit((unsigned char)p[i]) ? (unsigned)p[i] - '0' : ((unsigned)p[i] & 7U) + 9U);
	return v & 0xffffU;
}

/* P is at the u of an escaped character; returns its last octet.  Two halves of one character are one; what is half a character only is not copied. */
static const char *
unescape_unicode(const char *p, const char *end, struct buf *text)
{
	unsigned v = code_unit(p + 1), low = end - p > 10 && p[5] == '\\' && p[6] == 'u' ? code_unit(p + 7) : 0;

	if (v >= 0xd800 && v < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
		add_utf8(text, 0x10000 + ((v - 0xd800) << 10 | (low - 0xdc00)));
		return p + 10;
	}
	add_utf8(text, v >= 0xd800 && v < 0xe000 ? 0xfffd : v);
	return p + 4;
}

/* The text of a JSON string behind its quote, so that the same text has the same token however it was escaped; returns what is behind it. */
static const char *
unescape(const char *p, const char *end, struct buf *text)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

	for (; p < end && *p != '"'; p++) {
		const char *at;

		if (*p != '\\' || p + 1 == end) {
			buf_addc(text, *p);
			continue;
		}
		p++;
		at = strchr(from, *p);
		if (*p == 'u' && end - p > 4)
			p = unescape_unicode(p, end, text);
		else
			buf_addc(text, at != NULL && *at != '\0' ? to[at - from] : *p);
	}
	return p < end ? p + 1 : end;
}

/* A string again, from the text. */
static void
add_string(struct buf *out, const char *p, size_t n)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f) {
			buf_addf(out, "\\u%04x", (unsigned)p[i]);
			continue;
		}
		if (p[i] == '"' || p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, p[i]);
	}
	buf_addc(out, '"');
}

static void
add_token_string(const struct redact *r, struct buf *out, const char *p, size_t n)
{
	buf_addc(out, '"');
	text_token(r, p, n, out);
	buf_addc(out, '"');
}

/* As many digits; never a zero in front, so that it is a number again, and none that is too large to be read. */
static const char *
number(const struct redact *r, const struct place *at, const char *p, const char *end, struct buf *out)
{
	size_t n = 0, digits;

	while (p + n < end && is_of(p[n], "+-.eE0123456789"))
		n++;
	digits = n - (p[0] == '-');
	if (!at->value) {
		buf_addc(out, '?');
		return p + n;
	}
	if (at->secret == 0 && (r->plain || digits <= 3)) {
		buf_add(out, p, n);
		return p + n;
	}
	if (p[0] == '-')
		buf_addc(out, '-');
	buf_addc(out, (char)('1' + siphash24(r->key, p, n) % (digits < INTEGER_MAX ? 9 : 8)));
	token(r, p, n, digits == 0 ? 0 : (digits < INTEGER_MAX ? digits : INTEGER_MAX) - 1, "0123456789", out);
	return p + n;
}

/* The name of a member: it says what its value may be. */
static void
member(const struct redact *r, struct place *at, const char *p, size_t n, struct buf *out)
{
	bool word = is_word(p, n);

	if (at->secret == 0 || at->depth <= at->secret)
		at->secret = is_secret(p, n) ? at->depth : 0;
	at->name[0] = '\0';
	if (word) {
		memcpy(at->name, p, n);
		at->name[n] = '\0';
	}
	if (word || r->plain)
		add_string(out, p, n);
	else
		add_token_string(r, out, p, n);
}

static const char *
string(const struct redact *r, struct place *at, const char *p, const char *end, struct buf *out)
{
	struct buf text;
	const char *next, *t;
	size_t n;

	buf_init(&text, 0);
	next = unescape(p + 1, end, &text);
	t = text.p != NULL ? text.p : "";
	n = text.failed ? 0 : text.len;
	while (next < end && isspace((unsigned char)*next))
		next++;
	if (next < end && *next == ':')
		member(r, at, t, n, out);
	else if (at->secret == 0 && (r->plain || (is_kept(at->name, strlen(at->name)) && is_word(t, n))))
		add_string(out, t, n);
	else
		add_token_string(r, out, t, n);
	buf_fini(&text);
	return next;
}

/* One of {}[],: - names and secrets end with what they are in. */
static void
mark(struct place *at, char c)
{
	if (c == '{' || c == '[') {
		at->depth++;
	} else if (c == '}' || c == ']') {
		at->depth -= at->depth > 1;
		if (at->depth < at->secret)
			at->secret = 0;
	}
	if (c == '{' || c == '}')
		at->name[0] = '\0';
	at->value = is_of(c, "[,:");
}

void
redact_json(const struct redact *r, const char *p, size_t n, struct buf *out)
{
	static const char *const words[] = { "true", "false", "null" };
	struct place at = { .depth = 1, .value = true };
	const char *end = p + n;

	while (p < end && !out->failed) {
		size_t w = 0;

		if (*p == '"') {
			p = string(r, &at, p, end, out);
			at.value = false;
			continue;
		}
		if (*p == '-' || isdigit((unsigned char)*p)) {
			p = number(r, &at, p, end, out);
			at.value = false;
			continue;
		}
		for (size_t i = 0; i < ARRAY_LEN(words) && w == 0; i++)
			if ((size_t)(end - p) >= strlen(words[i]) && memcmp(p, words[i], strlen(words[i])) == 0)
				w = strlen(words[i]);
		if (is_of(*p, "{}[],:")) {
			mark(&at, *p);
			buf_addc(out, *p);
		} else if (!isspace((unsigned char)*p)) {
			at.value = false;
			if (w > 0)
				buf_add(out, p, w);
			else
				buf_addc(out, '?');
		}
		p += w > 0 ? w : 1;
	}
}

static void
parameter(const struct redact *r, const char *p, size_t n, struct buf *out)
{
	const char *eq = memchr(p, '=', n);
	size_t name = eq != NULL ? (size_t)(eq - p) : n;
	const char *v = p + name + 1;
	size_t len = eq != NULL ? n - name - 1 : 0;

	if (is_word(p, name))
		buf_add(out, p, name);
	else
		redact_text(r, p, name, out);
	if (eq == NULL)
		return;
	buf_addc(out, '=');
	if (is_secret(p, name) || !(r->plain || (is_kept(p, name) && is_list(v, len)) || (len <= 3 && strspn(v, "0123456789") >= len)))
		redact_text(r, v, len, out);
	else
		for (size_t i = 0; i < len; i++) /* only what an address can hold */
			buf_addc(out, (unsigned char)v[i] > 0x20 && (unsigned char)v[i] < 0x7f ? v[i] : '*');
}

void
redact_query(const struct redact *r, const char *query, struct buf *out)
{
	size_t n = strcspn(query, "?");

	for (size_t i = 0; i < n; i++)
		buf_addc(out, isalnum((unsigned char)query[i]) || is_of(query[i], "/-_") ? query[i] : '*');
	for (char sep = '?'; query[n] != '\0'; sep = '&') {
		query += n + 1;
		n = strcspn(query, "&");
		buf_addc(out, sep);
		parameter(r, query, n, out);
	}
}
