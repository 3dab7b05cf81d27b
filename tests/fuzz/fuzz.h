/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the harnesses share: the stop that says why, and a bound on the memory that an input may take.  Memory is seen where the address sanitizer
 * is (`make fuzz`); where the seeds alone are replayed, the bound is not looked at.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *))
    __attribute__((weak));
extern size_t __sanitizer_get_allocated_size(const volatile void *) __attribute__((weak));

static _Thread_local size_t fuzz_now, fuzz_peak;

static inline void
must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

static inline void
fuzz_on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	fuzz_now += n;
	if (fuzz_now > fuzz_peak)
		fuzz_peak = fuzz_now;
}

static inline void
fuzz_on_free(const volatile void *p)
{
	size_t n = p != NULL ? __sanitizer_get_allocated_size(p) : 0;

	fuzz_now -= n < fuzz_now ? n : fuzz_now;
}

/** memory_watch - from here on, of this thread. */
static inline void
memory_watch(void)
{
	static bool hooked;

	if (!hooked && __sanitizer_install_malloc_and_free_hooks != NULL)
		(void)__sanitizer_install_malloc_and_free_hooks(fuzz_on_malloc, fuzz_on_free);
	hooked = true;
	fuzz_now = fuzz_peak = 0;
}

/** memory_bound - since memory_watch, no more than MAX octets were taken at once. */
static inline void
memory_bound(size_t max)
{
	if (fuzz_peak <= max)
		return;
	(void)fprintf(stderr, "fuzz: an input took %zu octets of memory, %zu are allowed\n", fuzz_peak, max);
	abort();
}

#endif
