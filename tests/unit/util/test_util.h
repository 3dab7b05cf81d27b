/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The cases of util's unit tests, one a file; main.c runs them. */
#ifndef TESTS_UNIT_UTIL_H
#define TESTS_UNIT_UTIL_H

#include <check.h>

#include "usmd/util.h"

TCase *case_crypto(void);
TCase *case_memory(void);
TCase *case_bytes(void);
TCase *case_text(void);
TCase *case_log(void);
TCase *case_trace(void);

#endif
