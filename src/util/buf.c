/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bounded byte buffer, varints and the bounds-checked reader: the only way to hold untrusted bytes. */
#include "usmd/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max != 0 ? max : (size_t)64 * 1024 * 1024;
}

void
buf_fini(struct buf *b)
{
	mem_free(b->p);
	b->p = NULL;
	b->len = b->cap = 0;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = b->nomem = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t cap;
	char *p;

	if (b->failed)
		return NULL;
	if (n > b->max || b->len > b->max - n) {
		b->failed = true;
		return NULL;
	}
	if (b->p == NULL || b->cap - b->len <= n) {
		cap = b->cap != 0 ? b->cap : 256;
		while (cap - b->len <= n)
			cap *= 2;
		p = mem_realloc(b->p, cap);
		if (p == NULL) {
			b->failed = b->nomem = true;
			return NULL;
		}
		b->p = p;
		b->cap = cap;
	}
	return b->p + b->len;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *q = buf_reserve(b, n);

	if (q == NULL)
		return;
	if (n != 0)
		memcpy(q, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *q;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	q = buf_reserve(b, (size_t)n);
	if (q == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(q, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buf_add_i64(struct buf *b, int64_t v)
{
	char tmp[24];
	char *p = tmp + sizeof(tmp);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (v < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(tmp + sizeof(tmp) - p));
}

char *
buf_take(struct buf *b, size_t *len)
{
	char *p;

	if (!b->failed && b->p == NULL)
		(void)buf_reserve(b, 0);
	if (b->failed) {
		buf_fini(b);
		return NULL;
	}
	p = b->p;
	p[b->len] = '\0';
	if (len != NULL)
		*len = b->len;
	b->p = NULL;
	b->len = b->cap = 0;
	return p;
}

void
buf_add_uv(struct buf *b, uint64_t v)
{
	unsigned char tmp[10];
	size_t n = 0;

	while (v >= 0x80) {
		tmp[n++] = (unsigned char)(v | 0x80);
		v >>= 7;
	}
	tmp[n++] = (unsigned char)v;
	buf_add(b, tmp, n);
}

void
buf_add_sv(struct buf *b, int64_t v)
{
	buf_add_uv(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void
buf_add_u64le(struct buf *b, uint64_t v)
{
	unsigned char tmp[8];

	for (int i = 0; i < 8; i++)
		tmp[i] = (unsigned char)(v >> (8 * i));
	buf_add(b, tmp, sizeof(tmp));
}

uint64_t
reader_uv(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char c;

		if (r->failed || r->p == r->end)
			break;
		c = *r->p++;
		if (shift == 63 && c > 1)
			break; /* would not fit 64 bits */
		v |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0)
			return v;
	}
	r->failed = true;
	return 0;
}

int64_t
reader_sv(struct reader *r)
{
	uint64_t u = reader_uv(r);

	return (int64_t)((u >> 1) ^ (0 - (u & 1)));
}

const void *
reader_bytes(struct reader *r, size_t n)
{
	const void *p = r->p;

	if (r->failed || (size_t)(r->end - r->p) < n) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	return p;
}

uint64_t
reader_u64le(struct reader *r)
{
	const unsigned char *p = reader_bytes(r, 8);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}
