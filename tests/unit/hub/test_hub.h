/* SPDX-License-Identifier: AGPL-3.0-or-later */
#ifndef TEST_HUB_H
#define TEST_HUB_H

#include <check.h>
#include <time.h>

TCase *case_stress(void);

static inline void
pause_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	(void)nanosleep(&ts, NULL);
}

#endif
