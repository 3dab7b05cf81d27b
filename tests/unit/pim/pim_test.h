/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the test files of the pim module share. */
#ifndef PIM_TEST_H
#define PIM_TEST_H

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "usmd/pim.h"

TCase *tcase_vcard(void);
TCase *tcase_ical(void);
TCase *tcase_mail(void);
TCase *tcase_file(void);
TCase *tcase_property(void);
TCase *tcase_corpus(void);
TCase *tcase_expand(void);

/* JSON text to object; aborts the test if it is none. */
json_t *js(const char *text);
/* A file as text, malloc'ed and NUL-terminated; aborts the test if it cannot be read. */
char *slurp(const char *path, size_t *len);
/* Fails the test with both texts if A and B differ. */
void same_json(const json_t *a, const json_t *b, const char *what);
const char *str_of(const json_t *o, const char *field);
long long int_of(const json_t *o, const char *field);

#endif
