/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runner of the pim module's unit tests, and their helpers. */
#include "pim_test.h"

#include <stdint.h>
#include <stdio.h>

json_t *
js(const char *text)
{
	json_error_t e;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &e);

	ck_assert_msg(o != NULL, "test data: %s at %d: %s", e.text, e.position, text);
	return o;
}

char *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *p;
	long n;

	ck_assert_msg(f != NULL, "%s cannot be opened", path);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	ck_assert_int_ge(n, 0);
	rewind(f);
	p = malloc((size_t)n + 1);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(p, 1, (size_t)n, f), (size_t)n);
	fclose(f);
	p[n] = '\0';
	if (len != NULL)
		*len = (size_t)n;
	return p;
}

/* The members of A that B does not have the same. */
static void
differences(const json_t *a, const json_t *b, const char *side)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)a, key, v) {
		char *s;

		if (json_equal(v, json_object_get(b, key)))
			continue;
		s = json_dumps(v, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		printf("  %s %s: %s\n", side, key, s);
		free(s);
	}
}

void
same_json(const json_t *a, const json_t *b, const char *what)
{
	if (json_equal(a, b))
		return;
	differences(a, b, "wanted");
	differences(b, a, "got   ");
	ck_abort_msg("%s: the objects differ, see above", what);
}

const char *
str_of(const json_t *o, const char *field)
{
	const char *s = json_string_value(json_object_get(o, field));

	return s == NULL ? "(none)" : s;
}

long long
int_of(const json_t *o, const char *field)
{
	const json_t *v = json_object_get(o, field);

	return json_is_integer(v) ? (long long)json_integer_value(v) : -999999;
}

int
main(void)
{
	Suite *s = suite_create("pim");
	SRunner *r;
	int failed;

	suite_add_tcase(s, tcase_vcard());
	suite_add_tcase(s, tcase_ical());
	suite_add_tcase(s, tcase_mail());
	suite_add_tcase(s, tcase_file());
	suite_add_tcase(s, tcase_property());
	suite_add_tcase(s, tcase_corpus());
	suite_add_tcase(s, tcase_expand());
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 99 ? 99 : failed;
}
