/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The cases of the model's unit tests, one a file; main.c runs them. */
#ifndef TESTS_UNIT_MODEL_H
#define TESTS_UNIT_MODEL_H

#include <check.h>

#include "usmd/model.h"

TCase *case_object(void);
TCase *case_json(void);
TCase *case_keys(void);
TCase *case_pack(void);
TCase *case_rights(void);

#endif
