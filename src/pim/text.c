/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Characters: charsets, transfer encodings, escapes and calendar days.  Knows
 * nothing of properties, components or OX fields.
 */
#include "pim_int.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

bool
pim_same(const char *a, const char *b)
{
	size_t i;

	if (a == NULL || b == NULL)
		return false;
	for (i = 0; a[i] != '\0' && b[i] != '\0'; i++) {
		int x = a[i] >= 'A' && a[i] <= 'Z' ? a[i] + 32 : a[i];
		int y = b[i] >= 'A' && b[i] <= 'Z' ? b[i] + 32 : b[i];

		if (x != y)
			return false;
	}
	return a[i] == b[i];
}

/* Length of the UTF-8 sequence at S (N bytes left), 0 if it is none (also surrogates, overlong). */
static size_t
utf8_len(const unsigned char *s, size_t n)
{
	static const unsigned min[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned cp;
	size_t len, i;

	if (s[0] < 0x80)
		return 1;
	len = s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
	      s[0] >= 0xc0 && s[0] < 0xe0 ? 2 : 0;
	if (len == 0 || len > n)
		return 0;
	cp = s[0] & (0xffu >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if (cp < min[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	return len;
}

bool
pim_utf8_valid(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	while (n > 0) {
		size_t len = *p == 0 ? 0 : utf8_len(p, n);

		if (len == 0)
			return false;
		p += len;
		n -= len;
	}
	return true;
}

size_t
pim_utf8_count(const char *s, size_t n)
{
	size_t i, chars = 0;

	for (i = 0; i < n; i++)
		chars += ((unsigned char)s[i] & 0xc0) != 0x80;
	return chars;
}

size_t
pim_utf8_cut(const char *s, size_t n, size_t chars)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) == 0x80)
			continue;
		if (chars-- == 0)
			break;
	}
	return i;
}

/* All of S through iconv; false if it cannot be converted whole. */
static bool
convert(struct pim_buf *out, const char *s, size_t n, const char *charset)
{
	char tmp[4096], *in = (char *)(uintptr_t)s;	/* iconv takes char ** but does not write */
	size_t start = out->len;
	iconv_t cd = iconv_open("UTF-8", charset);
	bool ok = false;

	if (cd == (iconv_t)-1)
		return false;
	for (;;) {
		char *o = tmp;
		size_t left = sizeof(tmp);
		size_t r = n > 0 ? iconv(cd, &in, &n, &o, &left) : iconv(cd, NULL, NULL, &o, &left);
		bool flushed = n == 0 && r != (size_t)-1;

		if (r == (size_t)-1 && (errno != E2BIG || o == tmp))
			break;
		pim_buf_put(out, tmp, (size_t)(o - tmp));
		if (flushed && o == tmp) {
			ok = true;
			break;
		}
	}
	iconv_close(cd);
	if (!ok && !out->failed && out->p != NULL) {
		out->len = start;
		out->p[start] = '\0';
	}
	return ok;
}

void
pim_to_utf8(struct pim_buf *out, const char *s, size_t n, const char *charset)
{
	struct pim_buf tmp = { 0 };
	size_t i, from = 0;

	if (memchr(s, '\0', n) != NULL && (charset == NULL || !pim_same(charset, "utf-16"))) {
		for (i = 0; i <= n; i++) {	/* NUL bytes never mean anything here */
			if (i < n && s[i] != '\0')
				continue;
			pim_buf_put(&tmp, s + from, i - from);
			from = i + 1;
		}
		s = tmp.p == NULL ? "" : tmp.p;
		n = tmp.len;
	}
	if (charset != NULL && strlen(charset) < 40 && !pim_same(charset, "utf-8") &&
	    !pim_same(charset, "us-ascii")) {
		struct pim_buf conv = { 0 };

		if (convert(&conv, s, n, charset) && !conv.failed &&
		    pim_utf8_valid(conv.p == NULL ? "" : conv.p, conv.len)) {
			pim_buf_put(out, conv.p == NULL ? "" : conv.p, conv.len);
			pim_buf_fini(&conv);
			goto out;
		}
		pim_buf_fini(&conv);
	}
	if (pim_utf8_valid(s, n)) {
		pim_buf_put(out, s, n);
		goto out;
	}
	for (i = 0; i < n; i++) {	/* Windows-1252 has five holes that iconv refuses */
		if ((unsigned char)s[i] < 0x80)
			pim_buf_putc(out, s[i]);
		else if (!convert(out, s + i, 1, "WINDOWS-1252"))
			pim_buf_puts(out, "\xef\xbf\xbd");
	}
out:
	pim_buf_fini(&tmp);
	if (tmp.failed)
		out->failed = true;
}

bool
pim_file_text(const char **s, size_t *n, char **owned)
{
	const unsigned char *p = (const unsigned char *)*s;
	struct pim_buf b = { 0 };
	const char *charset = NULL;

	*owned = NULL;
	if (*n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
		*s += 3;
		*n -= 3;
		return true;
	}
	if (*n >= 4 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] != 0 && p[1] == 0 && p[2] != 0 && p[3] == 0)))
		charset = "UTF-16LE";
	else if (*n >= 4 && ((p[0] == 0xfe && p[1] == 0xff) || (p[0] == 0 && p[1] != 0 && p[2] == 0 && p[3] != 0)))
		charset = "UTF-16BE";
	if (charset == NULL)
		return true;
	if (!convert(&b, *s, *n & ~(size_t)1, charset) || b.failed) {
		bool failed = b.failed;

		pim_buf_fini(&b);
		return !failed;		/* no UTF-16 after all: the lines will tell */
	}
	*n = b.len;
	*s = *owned = pim_buf_take(&b);
	if (*n >= 3 && memcmp(*s, "\xef\xbb\xbf", 3) == 0) {
		*s += 3;
		*n -= 3;
	}
	return true;
}

bool
pim_base64_decode(struct pim_buf *out, const char *s, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned acc = 0, bits = 0;
	size_t i;

	for (i = 0; i < n && s[i] != '='; i++) {
		const char *at;

		if (isspace((unsigned char)s[i]))
			continue;
		at = s[i] == '\0' ? NULL : strchr(set, s[i]);
		if (at == NULL)
			return false;
		acc = acc << 6 | (unsigned)(at - set);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			pim_buf_putc(out, (char)(unsigned char)(acc >> bits & 0xff));
			acc &= (1u << bits) - 1;
		}
	}
	for (; i < n; i++) {
		if (s[i] != '=' && !isspace((unsigned char)s[i]))
			return false;
	}
	return true;
}

void
pim_base64_encode(struct pim_buf *out, const void *data, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
		             (i + 2 < n ? p[i + 2] : 0u);
		char q[4] = { set[v >> 18], set[v >> 12 & 63], i + 1 < n ? set[v >> 6 & 63] : '=',
		              i + 2 < n ? set[v & 63] : '=' };

		pim_buf_put(out, q, 4);
	}
}

static int
hex(char ch)
{
	return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 :
	       ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* LEAD followed by two hex digits is one byte; anything else stays as it is. */
static void
hex_decode(struct pim_buf *out, const char *s, size_t n, char lead)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] == lead && i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
			pim_buf_putc(out, (char)(unsigned char)(hex(s[i + 1]) * 16 + hex(s[i + 2])));
			i += 2;
		} else {
			pim_buf_putc(out, s[i]);
		}
	}
}

void
pim_qp_decode(struct pim_buf *out, const char *s, size_t n)
{
	hex_decode(out, s, n, '=');
}

static void
pim_percent_decode(struct pim_buf *out, const char *s)
{
	struct pim_buf raw = { 0 };

	hex_decode(&raw, s, strlen(s), '%');
	if (raw.failed)
		out->failed = true;
	pim_to_utf8(out, raw.p == NULL ? "" : raw.p, raw.len, NULL);
	pim_buf_fini(&raw);
}

void
pim_percent_encode(struct pim_buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch <= ' ' || ch == '%' || ch == 0x7f || ch == '"' || ch == '\\')
			pim_buf_printf(out, "%%%02X", ch);
		else
			pim_buf_putc(out, *s);
	}
}

char *
pim_mail_of_uri(const char *uri)
{
	struct pim_buf b = { 0 };
	char head[8] = "";

	while (*uri == ' ')
		uri++;
	memcpy(head, uri, strnlen(uri, 7));
	if (pim_same(head, "mailto:"))
		pim_percent_decode(&b, uri + 7);
	else
		pim_buf_puts(&b, uri);
	return pim_buf_take(&b);
}

const char *
pim_unescape(struct pim_buf *out, const char *s, char sep)
{
	for (; *s != '\0'; s++) {
		if (*s == sep && sep != '\0')
			return s + 1;
		if (*s != '\\' || s[1] == '\0') {
			pim_buf_putc(out, *s);
			continue;
		}
		s++;
		if (*s == 'n' || *s == 'N')
			pim_buf_putc(out, '\n');
		else if (strchr("\\,;:\"", *s) != NULL)
			pim_buf_putc(out, *s);
		else {	/* no escape that exists: keep both characters */
			pim_buf_putc(out, '\\');
			pim_buf_putc(out, *s);
		}
	}
	return NULL;
}

void
pim_escape(struct pim_buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\r' && s[1] == '\n')
			continue;
		if (*s == '\r' || *s == '\n')
			pim_buf_puts(out, "\\n");
		else if (*s == '\\' || *s == ',' || *s == ';') {
			pim_buf_putc(out, '\\');
			pim_buf_putc(out, *s);
		} else
			pim_buf_putc(out, *s);
	}
}

bool
pim_text_plain(const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch < 0x20 && ch != '\t' && ch != '\n' && ch != '\r')
			return false;
		if (ch == 0xef && (unsigned char)s[1] == 0xbf && (unsigned char)s[2] >= 0xbe)
			return false;	/* U+FFFE, U+FFFF */
	}
	return true;
}

bool
pim_text_has_cr(const char *s)
{
	return strchr(s, '\r') != NULL;
}

void
pim_text_normalise(struct pim_buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\r' && s[1] == '\n')
			continue;
		pim_buf_putc(out, *s == '\r' ? '\n' : *s);
	}
}

bool
pim_int_parse(const char *s, int64_t min, int64_t max, int64_t *out)
{
	char *end = NULL;
	long long v;

	while (*s == ' ')
		s++;
	if (!isdigit((unsigned char)*s) && *s != '-' && *s != '+')
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || end == s || end[strspn(end, " ")] != '\0' || v < min || v > max)
		return false;
	*out = v;
	return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar (era of 400 years, March first). */
int64_t
pim_days_of_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void
pim_civil_of_days(int64_t days, int64_t *y, int *m, int *d)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

bool
pim_civil_valid(int64_t y, int m, int d)
{
	int64_t y2;
	int m2, d2;

	if (y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > 31)
		return false;
	pim_civil_of_days(pim_days_of_civil(y, m, d), &y2, &m2, &d2);
	return y == y2 && m == m2 && d == d2;
}

int64_t
pim_day_floor(int64_t ms)
{
	int64_t days = ms / PIM_DAY_MS;

	if (ms % PIM_DAY_MS < 0)
		days--;
	return days * PIM_DAY_MS;
}
