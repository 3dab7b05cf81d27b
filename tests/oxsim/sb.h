/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Growing text buffer into which every answer is written directly.
 * Out of memory ends the program: a test server has nothing better to do.
 */
#ifndef OXSIM_SB_H
#define OXSIM_SB_H

#include <stdint.h>
#include <stddef.h>
#include <string.h>

struct sb {
	char *p;
	size_t len;
	size_t cap;
};

/* allocation that never fails */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xmemdup0(const void *p, size_t n);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), nonnull));

void sb_reserve(struct sb *b, size_t more);
void sb_free(struct sb *b);
void sb_int(struct sb *b, int64_t v);
/* a JSON string with its quotes; `n` bytes of valid UTF-8 */
void sb_jstr(struct sb *b, const char *s, size_t n);
void sb_printf(struct sb *b, const char *fmt, ...) __attribute__((format(printf, 2, 3), nonnull));

static inline void
sb_put(struct sb *b, const void *p, size_t n)
{
	if (b->cap - b->len < n + 1)
		sb_reserve(b, n + 1);
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
}

static inline void
sb_ch(struct sb *b, char c)
{
	if (b->cap - b->len < 2)
		sb_reserve(b, 2);
	b->p[b->len++] = c;
}

static inline void
sb_str(struct sb *b, const char *s)
{
	sb_put(b, s, strlen(s));
}

static inline void
sb_js(struct sb *b, const char *s)
{
	if (s == NULL)
		sb_str(b, "null");
	else
		sb_jstr(b, s, strlen(s));
}

/* NUL-terminates and returns the text */
static inline char *
sb_cstr(struct sb *b)
{
	sb_reserve(b, 1);
	b->p[b->len] = '\0';
	return b->p;
}

#endif
