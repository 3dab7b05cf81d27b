/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Unit tests of whole files: recognition, report, limits, mbox, and the demo data set. */
#include "pim_test.h"

#include <dirent.h>
#include <stdio.h>

struct seen {
	size_t n, stop_after;
	char log[2000];
};

static int
on_item(void *arg, const struct pim_item *it)
{
	struct seen *s = arg;
	size_t at = strlen(s->log);
	const char *name = str_of(it->object, it->kind == PIM_MAIL ? "subject" : it->kind <= PIM_DISTLIST ? "display_name" : "title");

	snprintf(s->log + at, sizeof(s->log) - at, "%zu %s %s%s\n", it->number, pim_kind_name(it->kind), name,
	         it->exceptions != NULL ? " +" : "");
	return ++s->n == s->stop_after;
}

#define EV(uid, more) "BEGIN:VEVENT\r\nUID:" uid "\r\nSUMMARY:" uid "\r\nDTSTART:20260302T080000Z\r\n" more "END:VEVENT\r\n"

START_TEST(kinds_and_report)
{
	static const char text[] = "BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:Team\r\nMEMBER:urn:uuid:1\r\nMEMBER:urn:uuid:2\r\nEND:VCARD\r\n"
		"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\nFN:Anna\r\nEMAIL:anna@example.com\r\nX-FOREIGN:1\r\nEND:VCARD\r\n"
		"BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n"
		"BEGIN:VCALENDAR\r\n" EV("one", "RRULE:FREQ=WEEKLY\r\n") EV("one", "RECURRENCE-ID:20260309T080000Z\r\n") EV("two", "RRULE:FREQ=HOURLY\r\n")
		"BEGIN:VTODO\r\nSUMMARY:do\r\nEND:VTODO\r\nBEGIN:VJOURNAL\r\nEND:VJOURNAL\r\nEND:VCALENDAR\r\n";
	struct seen s = { 0 };
	struct pim_report rep;

	pim_report_init(&rep);
	ck_assert_int_eq(pim_file_parse("x", text, strlen(text), NULL, on_item, &s, &rep), PIM_OK);
	ck_assert_str_eq(s.log, "1 distribution list Team\n2 contact Anna\n5 appointment one +\n7 task do\n");
	ck_assert_uint_eq(rep.objects[PIM_CONTACT], 1);
	ck_assert_uint_eq(rep.exceptions, 1);
	ck_assert_uint_eq(rep.refused, 2);
	ck_assert_uint_eq(rep.unsupported, 1);
	ck_assert_uint_eq(rep.dropped, 2);	/* the member that is no card, X-FOREIGN */
	pim_report_fini(&rep);
}
END_TEST

START_TEST(encodings)
{
	static const char odd[] = "\r\r\nBEGIN:VCARD\r\r\nFN:J\xf6rg\r\r\nEND:VCARD\r\r\n";
	static const char bom[] = "\xef\xbb\xbf" "BEGIN:VCARD\nFN:Jörg\nEND:VCARD\n";
	char utf16[200];
	struct seen s = { 0 };
	size_t i, n = 0;
	const char *ascii = "BEGIN:VCARD\nFN:J_rg\nEND:VCARD\n";

	ck_assert_int_eq(pim_file_parse(NULL, bom, strlen(bom), NULL, on_item, &s, NULL), PIM_OK);
	utf16[n++] = (char)0xff;
	utf16[n++] = (char)0xfe;
	for (i = 0; i < strlen(ascii); i++) {
		utf16[n++] = ascii[i] == '_' ? (char)0xf6 : ascii[i];
		utf16[n++] = 0;
	}
	ck_assert_int_eq(pim_file_parse(NULL, utf16, n, NULL, on_item, &s, NULL), PIM_OK);
	ck_assert_int_eq(pim_file_parse("x.VCF", odd, strlen(odd), NULL, on_item, &s, NULL), PIM_OK);
	ck_assert_str_eq(s.log, "1 contact Jörg\n1 contact Jörg\n1 contact Jörg\n");
}
END_TEST

static char octets[100];

static int
keep_octets(void *arg, const struct pim_item *it)
{
	(void)arg;
	ck_assert_uint_lt(it->octets_len, sizeof(octets));
	memcpy(octets, it->octets, it->octets_len);
	octets[it->octets_len] = '\0';
	return 0;
}

START_TEST(mbox)
{
	static const char text[] = "From a@example.com Mon Mar  2 09:00:00 2026\nSubject: one\n\nx\nFrom here at 10:00 no break\n\n"
		"From - Mon Mar  2 09:00:00 2026\nSubject: two\n\n>From the start\n>>From 2\n";
	struct seen s = { 0 };

	ck_assert_int_eq(pim_file_parse("inbox", text, strlen(text), NULL, on_item, &s, NULL), PIM_OK);
	ck_assert_str_eq(s.log, "1 mail one\n2 mail two\n");
	ck_assert_int_eq(pim_file_parse("inbox", text, strlen(text), NULL, keep_octets, NULL, NULL), PIM_OK);
	ck_assert_str_eq(octets, "Subject: two\n\nFrom the start\n>From 2\n");
}
END_TEST

START_TEST(limits)
{
	static const char two[] = "BEGIN:VCARD\nFN:a\nEND:VCARD\nBEGIN:VCARD\nFN:b\nNOTE:0123456789012345678901234567890123456789\nEND:VCARD\n";
	struct pim_options opt;
	struct pim_report rep;
	struct seen s = { 0 };
	char deep[2000] = "";
	size_t i;

	pim_options_init(&opt);
	pim_report_init(&rep);
	opt.max_file_bytes = 20;
	ck_assert_int_eq(pim_file_parse(NULL, two, strlen(two), &opt, on_item, &s, &rep), PIM_LIMIT);
	ck_assert_uint_eq(s.n, 0);
	pim_options_init(&opt);
	opt.max_objects = 1;
	ck_assert_int_eq(pim_file_parse(NULL, two, strlen(two), &opt, on_item, &s, &rep), PIM_LIMIT);
	ck_assert_uint_eq(s.n, 1);
	pim_options_init(&opt);
	opt.max_line_bytes = 30;
	ck_assert_int_eq(pim_file_parse(NULL, two, strlen(two), &opt, on_item, &s, &rep), PIM_OK);
	ck_assert_uint_eq(s.n, 2);
	pim_options_init(&opt);
	opt.max_lines = 1;
	ck_assert_int_eq(pim_file_parse(NULL, two, strlen(two), &opt, on_item, &s, &rep), PIM_OK);
	ck_assert_uint_eq(s.n, 3);
	ck_assert_uint_eq(rep.refused, 4);
	for (i = 0; i < 100; i++)
		memcpy(deep + i * 8, "BEGIN:A\n", 9);
	ck_assert_int_eq(pim_file_parse(NULL, deep, strlen(deep), NULL, on_item, &s, &rep), PIM_LIMIT);
	ck_assert_ptr_nonnull(strstr(rep.problems[rep.problems_len - 1].text, "nested deeper than 16"));
	pim_report_fini(&rep);
}
END_TEST

START_TEST(memory_is_bounded)
{
	size_t n = 3000000, i;
	char *text = malloc(n);
	struct pim_report rep;

	/* a megabyte of three-byte lines in many cards: the tree must not cost a multiple of it without end */
	for (i = 0; i < n; i += 3)
		memcpy(text + i, "A:\n", 3);
	for (i = 0; i < n; i += 12000) {
		memcpy(text + i, "BEGIN:VCARD\n", 12);
		memcpy(text + i + 11988, "\nEND:VCARD\n\n", 12);
	}
	pim_report_init(&rep);
	ck_assert_int_eq(pim_file_parse("x.vcf", text, n, NULL, on_item, &(struct seen){ 0 }, &rep), PIM_LIMIT);
	ck_assert_ptr_nonnull(strstr(rep.problems[rep.problems_len - 1].text, "too many lines for its size"));
	pim_report_fini(&rep);
	free(text);
}
END_TEST

START_TEST(too_many_zones)
{
	char *text = malloc(300 * 100 + 100), *at = text;
	struct pim_report rep;
	struct seen s = { 0 };
	int i;

	at += snprintf(at, 100, "BEGIN:VCALENDAR\n");
	for (i = 0; i < 300; i++)
		at += snprintf(at, 100, "BEGIN:VEVENT\nDTSTART;TZID=Nowhere %d:20260101T000000\nEND:VEVENT\n", i);
	at += snprintf(at, 100, "END:VCALENDAR\n");
	pim_report_init(&rep);
	ck_assert_int_eq(pim_file_parse(NULL, text, (size_t)(at - text), NULL, on_item, &s, &rep), PIM_OK);
	ck_assert_uint_eq(rep.refused, 300);
	ck_assert_ptr_nonnull(strstr(rep.problems[0].text, "is not known"));
	ck_assert_ptr_nonnull(strstr(rep.problems[299].text, "more than 200 time zones"));
	pim_report_fini(&rep);
	free(text);
}
END_TEST

START_TEST(stopping)
{
	static const char two[] = "BEGIN:VCARD\nFN:a\nEND:VCARD\nBEGIN:VCARD\nFN:b\nEND:VCARD\n";
	struct seen s = { .stop_after = 1 };

	ck_assert_int_eq(pim_file_parse(NULL, two, strlen(two), NULL, on_item, &s, NULL), PIM_STOPPED);
	ck_assert_uint_eq(s.n, 1);
}
END_TEST

START_TEST(nothing)
{
	static const char *const bad[] = { "", "hello", "\0\0\0\0\0", "BEGIN:VCALENDAR\nEND:VCALENDAR\n" };
	struct pim_report rep;
	struct seen s = { 0 };
	size_t i;

	pim_report_init(&rep);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pim_file_parse("x", bad[i], i == 2 ? 5 : strlen(bad[i]), NULL, on_item, &s, &rep), PIM_REFUSED);
	ck_assert_uint_eq(rep.refused, 4);
	ck_assert_uint_eq(s.n, 0);
	pim_report_fini(&rep);
}
END_TEST

static void
folder(const char *dir, struct pim_report *rep, struct seen *s)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	ck_assert_msg(d != NULL, "%s is missing (run from the top of the source tree)", dir);
	while ((e = readdir(d)) != NULL) {
		char path[400], *data;
		size_t len;

		if (e->d_name[0] == '.' || strstr(e->d_name, ".md") != NULL)
			continue;
		snprintf(path, sizeof(path), "%.100s/%.250s", dir, e->d_name);
		data = slurp(path, &len);
		s->log[0] = '\0';
		ck_assert_msg(pim_file_parse(path, data, len, NULL, on_item, s, rep) == PIM_OK, "%s", path);
		free(data);
	}
	closedir(d);
}

START_TEST(demo_data)
{
	struct pim_report rep;
	struct seen s = { 0 };
	size_t i;

	pim_report_init(&rep);
	folder("tests/data/demo/contacts", &rep, &s);
	folder("tests/data/demo/calendar", &rep, &s);
	folder("tests/data/demo/tasks", &rep, &s);
	folder("tests/data/demo/mail", &rep, &s);
	for (i = 0; i < rep.problems_len; i++)
		printf("demo data: %s\n", rep.problems[i].text);
	ck_assert_uint_eq(rep.refused + rep.unsupported + rep.bent + rep.dropped, 0);
	ck_assert_uint_ge(rep.objects[PIM_CONTACT], 24);
	ck_assert_uint_ge(rep.objects[PIM_DISTLIST], 1);
	ck_assert_uint_ge(rep.objects[PIM_APPOINTMENT], 20);
	ck_assert_uint_ge(rep.exceptions, 2);
	ck_assert_uint_ge(rep.objects[PIM_TASK], 10);
	ck_assert_uint_ge(rep.objects[PIM_MAIL], 25);
	pim_report_fini(&rep);
}
END_TEST

TCase *
tcase_file(void)
{
	TCase *t = tcase_create("file");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, kinds_and_report);
	tcase_add_test(t, encodings);
	tcase_add_test(t, mbox);
	tcase_add_test(t, limits);
	tcase_add_test(t, memory_is_bounded);
	tcase_add_test(t, too_many_zones);
	tcase_add_test(t, stopping);
	tcase_add_test(t, nothing);
	tcase_add_test(t, demo_data);
	return t;
}
