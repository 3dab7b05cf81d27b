/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Unit tests of the iCalendar reader and writer. */
#include "pim_test.h"

#include <stdio.h>

#define CAL(body) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" body "END:VCALENDAR\r\n"
#define EVENT(body) CAL("BEGIN:VEVENT\r\nUID:u\r\nSUMMARY:s\r\n" body "END:VEVENT\r\n")
#define TODO(body) CAL("BEGIN:VTODO\r\nUID:u\r\nSUMMARY:s\r\n" body "END:VTODO\r\n")
#define BERLIN "DTSTART;TZID=Europe/Berlin:20260302T090000\r\nDTEND;TZID=Europe/Berlin:20260302T100000\r\n"	/* a Monday */
#define BERLIN_MS 1772438400000		/* 2026-03-02 08:00 UTC */

static json_t *
event(const char *text, json_t **exceptions)
{
	struct pim_error err;
	json_t *o, *ex;

	ck_assert_msg(pim_ical_event_parse(text, strlen(text), NULL, &o, &ex, NULL, &err) == PIM_OK, "%s: %s", err.text, text);
	if (exceptions != NULL)
		*exceptions = ex;
	else
		json_decref(ex);
	return o;
}

static json_t *
task(const char *text)
{
	struct pim_error err;
	json_t *o;

	ck_assert_msg(pim_ical_task_parse(text, strlen(text), NULL, &o, NULL, &err) == PIM_OK, "%s: %s", err.text, text);
	return o;
}

START_TEST(zones)
{
	static const struct {
		const char *start, *zone;
		long long ms;
	} cases[] = {
		{ "DTSTART;TZID=Europe/Berlin:20260701T120000", "Europe/Berlin", 1782900000000 },
		{ "DTSTART;TZID=Europe/Berlin:20260101T120000", "Europe/Berlin", 1767265200000 },
		{ "DTSTART;TZID=W. Europe Standard Time:20260701T120000", "Europe/Berlin", 1782900000000 },
		{ "DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260701T120000", "Europe/Berlin", 1782900000000 },
		{ "DTSTART;TZID=\"US/Eastern\":20260701T120000", "America/New_York", 1782921600000 },
		{ "DTSTART:20260701T120000Z", "(none)", 1782907200000 },
		{ "DTSTART:20260701T120000", "UTC", 1782907200000 },
		{ "DTSTART;TZID=own:20260701T120000", "Europe/Berlin", 1782900000000 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1500];
		json_t *o;

		snprintf(text, sizeof(text), CAL("BEGIN:VTIMEZONE\r\nTZID:own\r\n"
			"BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n"
			"BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
			"BEGIN:VEVENT\r\nUID:u\r\n%s\r\nEND:VEVENT\r\n"), cases[i].start);
		o = event(text, NULL);
		ck_assert_msg(int_of(o, "start_date") == cases[i].ms, "%s: %lld", cases[i].start, int_of(o, "start_date"));
		ck_assert_str_eq(str_of(o, "timezone"), cases[i].zone);
		json_decref(o);
	}
}
END_TEST

START_TEST(whole_days)
{
	json_t *o = event(EVENT("DTSTART;VALUE=DATE:20260501\r\n"), NULL);

	ck_assert(json_is_true(json_object_get(o, "full_time")));
	ck_assert_int_eq(int_of(o, "start_date"), 1777593600000);
	ck_assert_int_eq(int_of(o, "end_date"), 1777680000000);
	ck_assert_ptr_null(json_object_get(o, "timezone"));
	json_decref(o);
	o = event(EVENT("DTSTART:20260501T100000Z\r\nDURATION:PT1H30M\r\n"), NULL);
	ck_assert_int_eq(int_of(o, "end_date") - int_of(o, "start_date"), 5400000);
	json_decref(o);
}
END_TEST

START_TEST(rules)
{
	static const struct {
		const char *rule, *wanted;	/* wanted NULL: refused */
	} cases[] = {
		{ "FREQ=DAILY", "{\"recurrence_type\":1,\"interval\":1}" },
		{ "FREQ=DAILY;INTERVAL=3;COUNT=5", "{\"recurrence_type\":1,\"interval\":3,\"occurrences\":5}" },
		{ "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "{\"recurrence_type\":2,\"interval\":1,\"days\":62}" },
		{ "FREQ=WEEKLY", "{\"recurrence_type\":2,\"interval\":1,\"days\":2}" },
		{ "freq=weekly;interval=2;byday=MO,FR;wkst=MO", "{\"recurrence_type\":2,\"interval\":2,\"days\":34}" },
		{ "FREQ=MONTHLY", "{\"recurrence_type\":3,\"interval\":1,\"day_in_month\":2}" },
		{ "FREQ=MONTHLY;BYMONTHDAY=31", "{\"recurrence_type\":3,\"interval\":1,\"day_in_month\":31}" },
		{ "FREQ=MONTHLY;BYMONTHDAY=-1", "{\"recurrence_type\":3,\"interval\":1,\"days\":127,\"day_in_month\":5}" },
		{ "FREQ=MONTHLY;BYDAY=1MO", "{\"recurrence_type\":3,\"interval\":1,\"days\":2,\"day_in_month\":1}" },
		{ "FREQ=MONTHLY;BYDAY=-1FR", "{\"recurrence_type\":3,\"interval\":1,\"days\":32,\"day_in_month\":5}" },
		{ "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2", "{\"recurrence_type\":3,\"interval\":1,\"days\":2,\"day_in_month\":2}" },
		{ "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "{\"recurrence_type\":3,\"interval\":1,\"days\":62,\"day_in_month\":5}" },
		{ "FREQ=MONTHLY;BYDAY=MO", "{\"recurrence_type\":2,\"interval\":1,\"days\":2}" },
		{ "FREQ=YEARLY", "{\"recurrence_type\":4,\"interval\":1,\"month\":2,\"day_in_month\":2}" },
		{ "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "{\"recurrence_type\":4,\"interval\":1,\"month\":11,\"day_in_month\":24}" },
		{ "FREQ=YEARLY;BYMONTH=3;BYDAY=1MO", "{\"recurrence_type\":4,\"interval\":1,\"month\":2,\"days\":2,\"day_in_month\":1}" },
		{ "FREQ=DAILY;UNTIL=20260310", "{\"recurrence_type\":1,\"interval\":1,\"until\":1773100800000}" },
		{ "FREQ=DAILY;UNTIL=20260310T080000Z", "{\"recurrence_type\":1,\"interval\":1,\"until\":1773100800000}" },
		/* before the hour of the start: the day before is the last */
		{ "FREQ=DAILY;UNTIL=20260310T075959Z", "{\"recurrence_type\":1,\"interval\":1,\"until\":1773014400000}" },
		{ "FREQ=HOURLY", NULL }, { "FREQ=DAILY;COUNT=1000", NULL }, { "FREQ=DAILY;INTERVAL=65537", NULL },
		{ "FREQ=MONTHLY;BYMONTHDAY=1,15", NULL }, { "FREQ=MONTHLY;BYDAY=1MO,1TU", NULL }, { "FREQ=MONTHLY;BYDAY=5MO", NULL },
		{ "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1", NULL }, { "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", NULL },
		{ "FREQ=YEARLY;BYYEARDAY=100", NULL }, { "FREQ=YEARLY;BYWEEKNO=20", NULL }, { "FREQ=YEARLY;BYMONTH=1,7", NULL },
		{ "FREQ=YEARLY;BYDAY=20MO", NULL }, { "FREQ=DAILY;BYHOUR=8,9", NULL }, { "RSCALE=CHINESE;FREQ=YEARLY", NULL },
		{ "nonsense", NULL }, { "FREQ=DAILY;COUNT=-4", NULL }, { "FREQ=DAILY;UNTIL=gestern", NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600];
		struct pim_options opt;
		struct pim_report rep;
		struct pim_error err;
		json_t *o, *ex, *w;

		snprintf(text, sizeof(text), EVENT(BERLIN "RRULE:%s\r\n"), cases[i].rule);
		if (cases[i].wanted != NULL) {
			o = event(text, NULL);
			w = js(cases[i].wanted);
			json_object_update_missing(w, o);
			same_json(w, o, cases[i].rule);
			json_decref(w);
			w = js(cases[i].wanted);	/* and no more than the wanted members */
			ck_assert_msg(json_object_size(o) == json_object_size(w) + 6, "%s: too many members", cases[i].rule);
			json_decref(w);
			json_decref(o);
			continue;
		}
		ck_assert_msg(pim_ical_event_parse(text, strlen(text), NULL, &o, &ex, NULL, &err) == PIM_REFUSED, "%s accepted", cases[i].rule);
		ck_assert_msg(err.text[0] != '\0', "no reason for %s", cases[i].rule);
		/* lenient: the first instance, and the report says so */
		pim_options_init(&opt);
		opt.lenient = true;
		pim_report_init(&rep);
		ck_assert_int_eq(pim_ical_event_parse(text, strlen(text), &opt, &o, &ex, &rep, &err), PIM_OK);
		ck_assert_ptr_null(json_object_get(o, "recurrence_type"));
		ck_assert_ptr_null(json_object_get(o, "until"));
		ck_assert_int_eq(int_of(o, "start_date"), BERLIN_MS);
		ck_assert_uint_eq(rep.bent, 1);
		pim_report_fini(&rep);
		json_decref(o);
		json_decref(ex);
	}
}
END_TEST

START_TEST(series_with_exceptions)
{
	json_t *ex, *e, *w, *o = event(CAL(
		"BEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260330T090000\r\nSUMMARY:moved\r\n"
		"DTSTART;TZID=Europe/Berlin:20260331T110000\r\nDTEND;TZID=Europe/Berlin:20260331T120000\r\nEND:VEVENT\r\n"
		"BEGIN:VEVENT\r\nUID:u\r\nSUMMARY:s\r\n" BERLIN "RRULE:FREQ=WEEKLY\r\nEXDATE;TZID=Europe/Berlin:20260309T090000,20260316T090000\r\n"
		"END:VEVENT\r\n"
		"BEGIN:VEVENT\r\nUID:u\r\nSTATUS:CANCELLED\r\nRECURRENCE-ID:20260323T080000Z\r\nDTSTART:20260323T080000Z\r\nEND:VEVENT\r\n"), &ex);

	w = js("[1773014400000,1773619200000,1774224000000]");
	same_json(w, json_object_get(o, "delete_exceptions"), "delete_exceptions");
	json_decref(w);
	w = js("[1774828800000]");	/* 2026-03-30, summer time */
	same_json(w, json_object_get(o, "change_exceptions"), "change_exceptions");
	json_decref(w);
	ck_assert_uint_eq(json_array_size(ex), 1);
	e = json_array_get(ex, 0);
	ck_assert_int_eq(int_of(e, "recurrence_date_position"), 1774828800000);
	ck_assert_str_eq(str_of(e, "title"), "moved");
	ck_assert_int_eq(int_of(e, "start_date"), 1774947600000);
	json_decref(ex);
	json_decref(o);
}
END_TEST

START_TEST(evening_in_america)
{
	/* 20:00 in New York is the next day in UTC: OX names the occurrence by the UTC day, until by the local one */
	json_t *ex, *o = event(EVENT("DTSTART;TZID=America/New_York:20260105T200000\r\nDTEND;TZID=America/New_York:20260105T210000\r\n"
	                             "RRULE:FREQ=DAILY;UNTIL=20260110T010000Z\r\nEXDATE;TZID=America/New_York:20260106T200000\r\n"), &ex);
	char *text;

	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(o, "delete_exceptions"), 0)), 1767744000000);	/* 7 Jan */
	ck_assert_int_eq(int_of(o, "until"), 1767916800000);	/* 9 Jan */
	ck_assert_int_eq(pim_ical_event_format(o, ex, NULL, &text, NULL), PIM_OK);
	ck_assert_ptr_nonnull(strstr(text, "\r\nEXDATE;TZID=America/New_York:20260106T200000\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "UNTIL=20260110T045959Z"));
	ck_assert_ptr_nonnull(strstr(text, "BEGIN:VTIMEZONE\r\nTZID:America/New_York\r\n"));
	free(text);
	json_decref(ex);
	json_decref(o);
}
END_TEST

/* The doubled hour in autumn, and times before 1970. */
START_TEST(odd_instants)
{
	static const char *const starts[][2] = { { "1792888200000", "Europe/Berlin" }, { "1792891800000", "Europe/Berlin" },
		{ "-1000", "Europe/Berlin" }, { "-68671800000", "America/New_York" } };	/* 1967-10-29 00:30, two hours before winter time */
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		char object[200], *text;
		json_t *o, *back;

		snprintf(object, sizeof(object), "{\"start_date\":%s,\"end_date\":%s,\"full_time\":false,\"timezone\":\"%s\"}",
		         starts[i][0], starts[i][0], starts[i][1]);
		o = js(object);
		ck_assert_int_eq(pim_ical_event_format(o, NULL, NULL, &text, NULL), PIM_OK);
		back = event(text, NULL);
		same_json(o, back, starts[i][0]);
		if (i != 0 && i != 1)
			ck_assert_ptr_nonnull(strstr(text, "DTSTART;TZID="));
		json_decref(o);
		json_decref(back);
		free(text);
	}
}
END_TEST

START_TEST(people_and_the_rest)
{
	json_t *o = event(EVENT(BERLIN
		"ORGANIZER;CN=Chef:mailto:boss@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED;CN=\"Muster, Anna\":MAILTO:anna@example.com\r\n"
		"ATTENDEE;X-OX-TYPE=1;X-OX-ID=3;X-OX-USER=1;PARTSTAT=TENTATIVE;X-OX-MESSAGE=\"may^nbe\":urn:x-ox:3\r\n"
		"TRANSP:OPAQUE\r\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\r\nCLASS:CONFIDENTIAL\r\nCATEGORIES:a,b\r\nCATEGORIES:c\r\n"
		"BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER;RELATED=END:-PT75M\r\nEND:VALARM\r\n"), NULL), *w = js(
		"{\"uid\":\"u\",\"title\":\"s\",\"start_date\":1772438400000,\"end_date\":1772442000000,\"full_time\":false,\"timezone\":\"Europe/Berlin\","
		"\"organizer\":\"boss@example.com\",\"participants\":[{\"type\":5,\"mail\":\"anna@example.com\",\"display_name\":\"Muster, Anna\"},{\"type\":1,\"id\":3}],"
		"\"confirmations\":[{\"type\":5,\"mail\":\"anna@example.com\",\"display_name\":\"Muster, Anna\",\"status\":1}],"
		"\"users\":[{\"id\":3,\"confirmation\":3,\"confirmmessage\":\"may\\nbe\"}],"
		"\"shown_as\":3,\"private_flag\":true,\"categories\":\"a,b,c\",\"alarm\":15}");

	same_json(w, o, "event");
	json_decref(w);
	json_decref(o);
}
END_TEST

START_TEST(tasks)
{
	json_t *o = task(TODO("DTSTART;VALUE=DATE:20260501\r\nDUE;VALUE=DATE:20260503\r\nSTATUS:IN-PROCESS\r\nPERCENT-COMPLETE:40\r\nPRIORITY:1\r\n"
	                      "X-OX-TARGET-COSTS:12.5\r\nX-OX-COMPANIES:Example\r\nBEGIN:VALARM\r\nTRIGGER;RELATED=END:-P1D\r\nEND:VALARM\r\n")),
	       *w = js("{\"uid\":\"u\",\"title\":\"s\",\"start_time\":1777593600000,\"end_time\":1777766400000,\"full_time\":true,\"status\":2,"
	               "\"percent_completed\":40,\"priority\":3,\"target_costs\":12.5,\"companies\":\"Example\",\"alarm\":1777680000000}");

	same_json(w, o, "task");
	json_decref(w);
	json_decref(o);
	o = task(TODO("STATUS:COMPLETED\r\nCOMPLETED:20260501T100000Z\r\n"));
	ck_assert_int_eq(int_of(o, "status"), 3);
	ck_assert_int_eq(int_of(o, "percent_completed"), 100);
	ck_assert_int_eq(int_of(o, "date_completed"), 1777629600000);
	json_decref(o);
}
END_TEST

START_TEST(old_task_dates)
{
	json_t *o = js("{\"title\":\"t\",\"status\":1,\"start_date\":1777593600000,\"end_date\":1777680000000}"), *back;
	char *text;

	ck_assert_int_eq(pim_ical_task_format(o, NULL, &text, NULL), PIM_OK);
	back = task(text);
	ck_assert_int_eq(int_of(back, "start_time"), 1777593600000);
	ck_assert_int_eq(int_of(back, "end_time"), 1777680000000);
	ck_assert(json_is_true(json_object_get(back, "full_time")));
	json_decref(o);
	json_decref(back);
	free(text);
}
END_TEST

START_TEST(percent_beyond_all)
{
	json_t *o = js("{\"title\":\"t\",\"status\":2,\"percent_completed\":150}"), *back;
	char *text;

	ck_assert_int_eq(pim_ical_task_format(o, NULL, &text, NULL), PIM_OK);
	back = task(text);
	ck_assert_int_eq(int_of(back, "percent_completed"), 100);
	json_decref(o);
	json_decref(back);
	free(text);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *text;
		enum pim_rc rc;
		const char *why;
	} cases[] = {
		{ "", PIM_REFUSED, "no VEVENT" },
		{ EVENT(""), PIM_REFUSED, "no DTSTART" },
		{ EVENT("DTSTART:20260230T100000Z\r\n"), PIM_REFUSED, "no date or time" },
		{ EVENT("DTSTART:20260220T100000Z\r\nDTEND:20260219T100000Z\r\n"), PIM_REFUSED, "ends before" },
		{ EVENT("DTSTART;TZID=Mars/Olympus:20260220T100000\r\n"), PIM_REFUSED, "Mars/Olympus" },
		{ EVENT(BERLIN "RDATE:20260501T100000Z\r\n"), PIM_REFUSED, "RDATE" },
		{ EVENT(BERLIN "RECURRENCE-ID:20260501T100000Z\r\n"), PIM_REFUSED, "not in the file" },
		{ EVENT(BERLIN "STATUS:CANCELLED\r\n"), PIM_REFUSED, "cancelled" },
		{ CAL("BEGIN:VJOURNAL\r\nEND:VJOURNAL\r\n"), PIM_UNSUPPORTED, "VJOURNAL" },
		{ CAL("METHOD:REPLY\r\nBEGIN:VEVENT\r\n" BERLIN "END:VEVENT\r\n"), PIM_REFUSED, "METHOD:REPLY" },
		{ "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" BERLIN, PIM_REFUSED, "cut off" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pim_error err;
		json_t *o, *ex;
		enum pim_rc rc = pim_ical_event_parse(cases[i].text, strlen(cases[i].text), NULL, &o, &ex, NULL, &err);

		ck_assert_msg(rc == cases[i].rc, "%s: %s", cases[i].text, pim_rc_name(rc));
		ck_assert_msg(strstr(err.text, cases[i].why) != NULL, "%s: \"%s\" does not say \"%s\"", cases[i].text, err.text, cases[i].why);
		ck_assert_ptr_null(o);
		ck_assert_ptr_null(ex);
	}
}
END_TEST

START_TEST(format_refuses)
{
	static const char *const bad[] = { "{}", "[]", "{\"start_date\":5,\"end_date\":4}", "{\"start_date\":0,\"end_date\":1,\"title\":4}",
		"{\"start_date\":0,\"end_date\":1,\"recurrence_type\":9}", "{\"start_date\":0,\"end_date\":1,\"recurrence_type\":2,\"interval\":1}",
		"{\"start_date\":0,\"end_date\":1,\"recurrence_type\":3,\"interval\":1,\"day_in_month\":40}",
		"{\"start_date\":0,\"end_date\":1,\"participants\":[4]}", "{\"start_date\":0,\"end_date\":1,\"users\":[{\"id\":1,\"confirmation\":9}]}",
		"{\"start_date\":-99999999999999999,\"end_date\":1}", "{\"start_date\":0,\"end_date\":1,\"recurrence_type\":1,\"interval\":1,\"delete_exceptions\":[\"x\"]}" };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *o = js(bad[i]);
		struct pim_error err;
		char *text;

		ck_assert_msg(pim_ical_event_format(o, NULL, NULL, &text, &err) == PIM_REFUSED, "accepted: %s", bad[i]);
		ck_assert_ptr_null(text);
		ck_assert(err.text[0] != '\0');
		json_decref(o);
	}
}
END_TEST

/* ---- attachments ---- */

static int
attached(void *arg, const char *name, const void *p, size_t n)
{
	char *log = arg;
	size_t k = strlen(log);

	(void)snprintf(log + k, 400 - k, "%s=%.*s;", name, (int)n, (const char *)p);
	return 0;
}

/* Octets of the object itself, by whatever name the program gave them: not links, not sounds of alarms, not those of an occurrence. */
START_TEST(attachments)
{
	static const char text[] = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20260101T000000Z\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:b2Nj\r\nEND:VEVENT\r\n"
	    "BEGIN:VEVENT\r\nUID:1\r\nATTACH:https://example.org/a.pdf\r\nATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;X-FILENAME=\"a\r\n   b.txt\":b2\r\n 5l\r\n"
	    "ATTACH;VALUE=BINARY;ENCODING=BASE64:dHdv\r\nBEGIN:VALARM\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:c291bmQ=\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
	char log[400] = "";

	ck_assert_int_eq(pim_attachments(text, strlen(text), NULL, attached, log), PIM_OK);
	ck_assert_str_eq(log, "a  b.txt=one;attachment=two;");
	log[0] = '\0';
	ck_assert_int_eq(pim_attachments("nothing", 7, NULL, attached, log), PIM_OK);
	ck_assert_str_eq(log, "");
}
END_TEST

TCase *
tcase_ical(void)
{
	TCase *t = tcase_create("ical");

	tcase_add_test(t, zones);
	tcase_add_test(t, attachments);
	tcase_add_test(t, whole_days);
	tcase_add_test(t, rules);
	tcase_add_test(t, series_with_exceptions);
	tcase_add_test(t, evening_in_america);
	tcase_add_test(t, odd_instants);
	tcase_add_test(t, people_and_the_rest);
	tcase_add_test(t, tasks);
	tcase_add_test(t, old_task_dates);
	tcase_add_test(t, percent_beyond_all);
	tcase_add_test(t, refused);
	tcase_add_test(t, format_refuses);
	return t;
}
