/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The suites of this program, one per file. */
#ifndef TEST_SYNC_H
#define TEST_SYNC_H

#include <check.h>

Suite *suite_cases(void);
Suite *suite_histories(void);
Suite *suite_limits(void);

#endif
