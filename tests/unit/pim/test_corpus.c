/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Every file of a folder of foreign and malformed files through the importer,
 * strict and lenient; what was accepted must survive writing and reading again.
 * CORPUS names the folder (default ../shared/corpus); skipped loudly without it.
 */
#include "pim_test.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

struct totals {
	struct pim_report rep;
	size_t files, empty, failed_files;
	double worst;
	char worst_name[300];
	bool again;		/* format and parse what was accepted */
	size_t checked;
};

static json_t *
sorted_array(const json_t *a)
{
	json_t *out = json_array();
	size_t i, k;

	for (i = 0; i < json_array_size(a); i++) {
		char *x = json_dumps(json_array_get(a, i), JSON_SORT_KEYS | JSON_ENCODE_ANY);

		for (k = 0; k < json_array_size(out); k++) {
			char *y = json_dumps(json_array_get(out, k), JSON_SORT_KEYS | JSON_ENCODE_ANY);
			int cmp = strcmp(x, y);

			free(y);
			if (cmp < 0)
				break;
		}
		free(x);
		json_array_insert(out, k, json_array_get(a, i));
	}
	return out;
}

/* People in a fixed order: their order has no meaning. */
static json_t *
sorted(const json_t *o)
{
	static const char *const fields[] = { "participants", "users", "confirmations" };
	json_t *c = json_copy((json_t *)(uintptr_t)o);
	size_t i;

	for (i = 0; i < 3; i++) {
		if (json_object_get(c, fields[i]) != NULL)
			json_object_set_new(c, fields[i], sorted_array(json_object_get(c, fields[i])));
	}
	return c;
}

static void
again(const struct pim_item *it)
{
	struct pim_error err;
	json_t *o = NULL, *ex = NULL, *a, *b;
	char *text = NULL;
	enum pim_rc rc;

	switch (it->kind) {
	case PIM_CONTACT:
	case PIM_DISTLIST:
		rc = pim_vcard_format(it->object, NULL, &text, &err);
		ck_assert_msg(rc == PIM_OK, "%s: object %zu: %s", it->name, it->number, err.text);
		rc = pim_vcard_parse(text, strlen(text), NULL, &o, NULL, &err);
		break;
	case PIM_APPOINTMENT:
		rc = pim_ical_event_format(it->object, it->exceptions, NULL, &text, &err);
		ck_assert_msg(rc == PIM_OK, "%s: object %zu: %s", it->name, it->number, err.text);
		rc = pim_ical_event_parse(text, strlen(text), NULL, &o, &ex, NULL, &err);
		break;
	case PIM_TASK:
		rc = pim_ical_task_format(it->object, NULL, &text, &err);
		ck_assert_msg(rc == PIM_OK, "%s: object %zu: %s", it->name, it->number, err.text);
		rc = pim_ical_task_parse(text, strlen(text), NULL, &o, NULL, &err);
		break;
	default:
		return;
	}
	ck_assert_msg(rc == PIM_OK, "%s: object %zu read again: %s\n%s", it->name, it->number, err.text, text);
	a = sorted(it->object);
	b = sorted(o);
	if (!json_equal(a, b)) {
		printf("%s: object %zu, written as\n%s\n", it->name, it->number, text);
		same_json(a, b, "the object and what was read again");
	}
	json_decref(a);
	json_decref(b);
	json_decref(o);
	json_decref(ex);
	free(text);
}

static int
on_item(void *arg, const struct pim_item *it)
{
	struct totals *t = arg;

	ck_assert_ptr_nonnull(it->object);
	if (it->kind != PIM_MAIL && t->again) {
		again(it);
		t->checked++;
	}
	return 0;
}

static void
one_file(const char *path, struct totals *t, const struct pim_options *opt)
{
	struct timespec a, b;
	size_t len;
	char *data = slurp(path, &len);
	/* the exact size on the heap: a reader that looks one byte too far is seen by the sanitizer */
	char *exact = malloc(len == 0 ? 1 : len);
	enum pim_rc rc;
	double s;

	memcpy(exact, data, len);
	free(data);
	clock_gettime(CLOCK_MONOTONIC, &a);
	rc = pim_file_parse(path, exact, len, opt, on_item, t, &t->rep);
	clock_gettime(CLOCK_MONOTONIC, &b);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	if (s > t->worst) {
		t->worst = s;
		snprintf(t->worst_name, sizeof(t->worst_name), "%.299s", path);
	}
	ck_assert_msg(rc == PIM_OK || rc == PIM_REFUSED || rc == PIM_LIMIT, "%s: %s", path, pim_rc_name(rc));
	t->files++;
	t->failed_files += rc != PIM_OK;
	free(exact);
}

static void
tree(const char *dir, struct totals *t, const struct pim_options *opt)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[1024];
	struct stat st;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "SOURCES.md") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		ck_assert_int_eq(stat(path, &st), 0);
		if (S_ISDIR(st.st_mode))
			tree(path, t, opt);
		else
			one_file(path, t, opt);
	}
	closedir(d);
}

START_TEST(corpus)
{
	const char *dir = getenv("CORPUS") != NULL ? getenv("CORPUS") : "../shared/corpus";
	struct pim_options opt;
	struct totals t = { .again = true };
	struct stat st;
	int i;

	if (stat(dir, &st) != 0) {
		printf("SKIPPED: no corpus at %s (set CORPUS to a folder of vCards, calendars and mails)\n", dir);
		return;
	}
	pim_options_init(&opt);
	opt.lenient = _i == 1;
	pim_report_init(&t.rep);
	tree(dir, &t, &opt);
	printf("corpus, %s: %zu files, %zu of them not readable as a whole\n", opt.lenient ? "lenient" : "strict",
	       t.files, t.failed_files);
	for (i = 0; i < PIM_KINDS; i++)
		printf("  %-18s %zu accepted\n", pim_kind_name((enum pim_kind)i), t.rep.objects[i]);
	printf("  change exceptions  %zu\n  refused            %zu\n  unsupported        %zu\n  bent               %zu\n"
	       "  dropped properties %zu\n  written and read again %zu\n  slowest %.2f s %s\n", t.rep.exceptions, t.rep.refused, t.rep.unsupported,
	       t.rep.bent, t.rep.dropped, t.checked, t.worst, t.worst_name);
	if (getenv("CORPUS_VERBOSE") != NULL) {
		size_t k;

		for (k = 0; k < t.rep.problems_len; k++)
			if (t.rep.problems[k].kind != PIM_PROBLEM_DROPPED)
				printf("    %s\n", t.rep.problems[k].text);
	}
	ck_assert_uint_gt(t.rep.objects[PIM_CONTACT], 0);
	pim_report_fini(&t.rep);
}
END_TEST

TCase *
tcase_corpus(void)
{
	TCase *t = tcase_create("corpus");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, corpus, 0, 2);
	return t;
}
