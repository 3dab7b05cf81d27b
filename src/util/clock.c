/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The clocks, which tests may replace. */
#include "usmd/util.h"

#include <time.h>

static msec_t (*clock_fn)(void);
static int64_t (*mono_fn)(void);

msec_t
now_ms(void)
{
	struct timespec ts;

	if (clock_fn != NULL)
		return clock_fn();
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (msec_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
now_mono_us(void)
{
	struct timespec ts;

	if (mono_fn != NULL)
		return mono_fn();
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

msec_t
steady_ms(void)
{
	return clock_fn != NULL ? clock_fn() : now_mono_us() / 1000;
}

void
clock_override(msec_t (*fn)(void))
{
	clock_fn = fn;
}

void
clock_override_mono(int64_t (*fn)(void))
{
	mono_fn = fn;
}
