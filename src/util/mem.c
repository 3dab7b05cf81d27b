/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Memory: the allocator wrappers, request arenas and the id map.
 * Arena blocks double in size up to 1 MiB, so that a page of 50 objects costs two or three mallocs.
 */
#include "usmd/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST 8192U
#define ARENA_BLOCK_MAX (1024U * 1024U)
#define ALIGN (sizeof(max_align_t))

static bool (*refuses)(void);

void
mem_override(bool (*fn)(void))
{
	refuses = fn;
}

/* Every request for memory passes here. */
static bool
is_refused(void)
{
	return refuses != NULL && refuses();
}

void *
mem_alloc(size_t n)
{
	return is_refused() ? NULL : calloc(1, n == 0 ? 1 : n);
}

void *
mem_realloc(void *p, size_t n)
{
	return is_refused() ? NULL : realloc(p, n == 0 ? 1 : n);
}

char *
mem_dup_str(const char *s)
{
	size_t n;
	char *p;

	if (s == NULL)
		return NULL;
	n = strlen(s) + 1;
	p = mem_alloc(n);
	if (p != NULL)
		memcpy(p, s, n);
	return p;
}

void
mem_free(void *p)
{
	free(p);
}

struct block {
	struct block *next;
	size_t used, size;
	max_align_t data[];
};

struct arena {
	struct block *head;
	size_t total, max, next_size;
};

struct arena *
arena_new(size_t max_bytes)
{
	struct arena *a = mem_alloc(sizeof(*a));

	if (a == NULL)
		return NULL;
	a->max = max_bytes != 0 ? max_bytes : (size_t)256 * 1024 * 1024;
	a->next_size = ARENA_FIRST;
	return a;
}

void
arena_free(struct arena *a)
{
	struct block *b;

	if (a == NULL)
		return;
	while ((b = a->head) != NULL) {
		a->head = b->next;
		mem_free(b);
	}
	mem_free(a);
}

static struct block *
arena_grow(struct arena *a, size_t need)
{
	size_t size = a->next_size > need ? a->next_size : need;
	struct block *b;

	/* near the limit a block is as small as it can be: the limit is about what is asked for, not about block sizes */
	if (size > a->max - a->total)
		size = need;
	if (size > a->max - a->total)
		return NULL;
	b = is_refused() ? NULL : malloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	b->used = 0;
	b->size = size;
	a->total += size;
	if (a->next_size < ARENA_BLOCK_MAX)
		a->next_size *= 2;
	/* a huge single allocation must not hide the rest of the current block */
	if (a->head != NULL && need > ARENA_BLOCK_MAX) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		b->next = a->head;
		a->head = b;
	}
	return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->head;
	unsigned char *p;

	if (n > a->max)
		return NULL;
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (n == 0)
		n = ALIGN;
	if (b == NULL || b->size - b->used < n) {
		b = arena_grow(a, n);
		if (b == NULL)
			return NULL;
	}
	p = (unsigned char *)b->data + b->used;
	b->used += n;
	memset(p, 0, n);
	return p;
}

void *
arena_alloc_array(struct arena *a, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	return arena_alloc(a, n * size);
}

void *
arena_memdup(struct arena *a, const void *p, size_t n)
{
	void *q = arena_alloc(a, n);

	if (q != NULL && n != 0)
		memcpy(q, p, n);
	return q;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_memdup(a, s, strlen(s) + 1);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *p;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (p == NULL)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

struct imap_slot {
	int64_t key;
	size_t value;
	bool used;
};

struct imap {
	struct arena *a;
	struct imap_slot *slot;
	size_t n, cap; /* cap is a power of two, at most 2/3 full */
};

static size_t
imap_hash(int64_t key)
{
	/* Fibonacci hashing: ids are dense integers, the multiplier spreads them */
	return (size_t)(((uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> 20);
}

struct imap *
imap_new(struct arena *a, size_t expected)
{
	struct imap *m = arena_alloc(a, sizeof(*m));
	size_t cap = 16;

	if (m == NULL)
		return NULL;
	while (cap / 2 < expected && cap < SIZE_MAX / 4)
		cap *= 2;
	m->a = a;
	m->cap = cap;
	m->slot = arena_array(a, struct imap_slot, cap);
	return m->slot == NULL ? NULL : m;
}

static struct imap_slot *
imap_find(const struct imap *m, int64_t key)
{
	size_t i = imap_hash(key) & (m->cap - 1);

	while (m->slot[i].used && m->slot[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->slot[i];
}

static bool
imap_grow(struct imap *m)
{
	struct imap big = { .a = m->a, .cap = m->cap * 2, .n = m->n };

	big.slot = arena_array(m->a, struct imap_slot, big.cap);
	if (big.slot == NULL)
		return false;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slot[i].used)
			*imap_find(&big, m->slot[i].key) = m->slot[i];
	*m = big;
	return true;
}

bool
imap_put(struct imap *m, int64_t key, size_t value)
{
	struct imap_slot *s;

	if (m->n + 1 > m->cap / 3 * 2 && !imap_grow(m))
		return false;
	s = imap_find(m, key);
	if (!s->used) {
		s->used = true;
		s->key = key;
		m->n++;
	}
	s->value = value;
	return true;
}

bool
imap_get(const struct imap *m, int64_t key, size_t *value)
{
	const struct imap_slot *s = imap_find(m, key);

	if (s->used)
		*value = s->value;
	return s->used;
}
