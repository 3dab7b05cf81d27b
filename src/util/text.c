/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text that crosses a border: UTF-8 check, hex, base64, decimal numbers. */
#include "usmd/util.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

bool
utf8_valid(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		unsigned char c = p[i];
		size_t more;
		uint32_t cp, min;

		if (c < 0x80) {
			i++;
			continue;
		}
		if (c >= 0xC2 && c <= 0xDF) {
			more = 1; cp = c & 0x1FU; min = 0x80;
		} else if ((c & 0xF0) == 0xE0) {
			more = 2; cp = c & 0x0FU; min = 0x800;
		} else if (c >= 0xF0 && c <= 0xF4) {
			more = 3; cp = c & 0x07U; min = 0x10000;
		} else {
			return false;
		}
		if (n - i <= more)
			return false;
		for (size_t k = 1; k <= more; k++) {
			if ((p[i + k] & 0xC0) != 0x80)
				return false;
			cp = cp << 6 | (p[i + k] & 0x3FU);
		}
		if (cp < min || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
			return false;
		i += more + 1;
	}
	return true;
}

void
hex_encode(const void *p, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digit[b[i] >> 4];
		*out++ = digit[b[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
hex_decode(const char *s, void *out, size_t n)
{
	unsigned char *b = out;

	if (strlen(s) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(s[2 * i]), lo = hex_value(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}

bool
parse_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long v;

	if (s == NULL || *s == '\0' || (*s != '-' && (*s < '0' || *s > '9')))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0' || end == s || v < min || v > max)
		return false;
	*out = v;
	return true;
}

void
base64_encode(struct buf *b, const void *p, size_t n)
{
	char *q;

	if (n > (size_t)1 << 30) {
		b->failed = true;
		return;
	}
	q = buf_reserve(b, (n + 2) / 3 * 4 + 1);
	if (q == NULL)
		return;
	b->len += (size_t)EVP_EncodeBlock((unsigned char *)q, p, (int)n);
}

/* libcrypto skips white space at both ends and takes '=' anywhere: neither is base64 of ours. */
static bool
base64_plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return true;
}

bool
base64_decode(struct buf *b, const char *s, size_t n)
{
	size_t pad = 0;
	char *q;
	int got;

	if (n == 0)
		return true;
	if (n % 4 != 0 || n > (size_t)1 << 30)
		return false;
	if (s[n - 1] == '=')
		pad += s[n - 2] == '=' ? 2 : 1;
	if (!base64_plain(s, n - pad))
		return false;
	q = buf_reserve(b, n / 4 * 3);
	if (q == NULL)
		return false;
	got = EVP_DecodeBlock((unsigned char *)q, (const unsigned char *)s, (int)n);
	if (got < 0 || (size_t)got < pad) {
		b->p[b->len] = '\0';
		return false;
	}
	b->len += (size_t)got - pad;
	b->p[b->len] = '\0';
	return true;
}
