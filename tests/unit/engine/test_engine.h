/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the unit tests of the engine share. */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

TCase *settled_case(void);
TCase *throttle_case(void);

#endif
