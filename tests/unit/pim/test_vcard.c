/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Unit tests of the vCard reader and writer: what other programs write, and what OX must get. */
#include "pim_test.h"

#include <stdio.h>

#define CARD(body) "BEGIN:VCARD\r\nVERSION:3.0\r\n" body "END:VCARD\r\n"
#define CARD21(body) "BEGIN:VCARD\r\nVERSION:2.1\r\n" body "END:VCARD\r\n"
#define CARD4(body) "BEGIN:VCARD\r\nVERSION:4.0\r\n" body "END:VCARD\r\n"

static json_t *
parse(const char *text)
{
	struct pim_error err;
	json_t *o;

	ck_assert_msg(pim_vcard_parse(text, strlen(text), NULL, &o, NULL, &err) == PIM_OK, "%s: %s", err.text, text);
	return o;
}

static void
expect(const char *text, const char *wanted)
{
	json_t *o = parse(text), *w = js(wanted);

	same_json(w, o, text);
	json_decref(o);
	json_decref(w);
}

START_TEST(names_and_addresses)
{
	expect(CARD("N:Muster;Anna;Maria;Dr.;M.A.\r\nFN:Dr. Anna Muster\r\nORG:Example GmbH;Vertrieb\r\nTITLE:Leiterin\r\n"
	            "ADR;TYPE=WORK:;;Hauptstr. 1;Köln;NRW;50667;Deutschland\r\nADR;TYPE=HOME:Postfach 7;;Weg 2;Bonn;;53111;\r\n"),
	       "{\"last_name\":\"Muster\",\"first_name\":\"Anna\",\"second_name\":\"Maria\",\"title\":\"Dr.\",\"suffix\":\"M.A.\","
	       "\"display_name\":\"Dr. Anna Muster\",\"company\":\"Example GmbH\",\"department\":\"Vertrieb\",\"position\":\"Leiterin\","
	       "\"street_business\":\"Hauptstr. 1\",\"city_business\":\"Köln\",\"state_business\":\"NRW\",\"postal_code_business\":\"50667\","
	       "\"country_business\":\"Deutschland\",\"street_home\":\"Weg 2\\nPostfach 7\",\"city_home\":\"Bonn\",\"postal_code_home\":\"53111\"}");
}
END_TEST

START_TEST(numbers_by_type_and_order)
{
	expect(CARD("FN:x\r\nTEL;TYPE=WORK:1\r\nTEL;TYPE=\"work,voice\":2\r\nTEL;TYPE=cell:3\r\nTEL;TYPE=HOME;TYPE=FAX:4\r\n"
	            "TEL:5\r\nTEL;TYPE=HOME:6\r\nTEL;TYPE=PAGER:7\r\n"
	            "EMAIL:c@example.com\r\nEMAIL;TYPE=HOME:b@example.com\r\nEMAIL;TYPE=INTERNET,WORK:a@example.com\r\n"),
	       "{\"display_name\":\"x\",\"telephone_business1\":\"1\",\"telephone_business2\":\"2\",\"cellular_telephone1\":\"3\","
	       "\"fax_home\":\"4\",\"telephone_other\":\"5\",\"telephone_home1\":\"6\",\"telephone_pager\":\"7\","
	       "\"email1\":\"a@example.com\",\"email2\":\"b@example.com\",\"email3\":\"c@example.com\"}");
}
END_TEST

START_TEST(quoted_printable_and_charsets)
{
	expect(CARD21("N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=\r\n=C3=B6rg\r\n"
	              "TEL;WORK;FAX:1\r\nNOTE;QUOTED-PRINTABLE;CHARSET=ISO-8859-1:eins=0D=0A=\r\nzwei =E4\r\n"),
	       "{\"last_name\":\"Müller\",\"first_name\":\"Jörg\",\"fax_business\":\"1\",\"note\":\"eins\\nzwei ä\"}");
	expect(CARD21("N:M\xfcller\r\n"), "{\"last_name\":\"Müller\"}");	/* no charset, no UTF-8 */
}
END_TEST

START_TEST(folding_groups_escapes)
{
	expect(CARD("item1.FN:A\r\n b\r\n\t c\r\nNOTE:one\\, two\\; three\\\\ four\\nfive\r\nitem2.X-ABDATE:2010-05-06\r\n"
	            "item2.X-ABLabel:_$!<Anniversary>!$_\r\n"),
	       "{\"display_name\":\"Ab c\",\"note\":\"one, two; three\\\\ four\\nfive\",\"anniversary\":1273104000000}");
}
END_TEST

START_TEST(photo)
{
	expect(CARD("FN:x\r\nPHOTO;ENCODING=b;TYPE=PNG:iVBO\r\n Rw0K\r\n"),
	       "{\"display_name\":\"x\",\"image1\":\"iVBORw0K\",\"image1_content_type\":\"image/png\"}");
	expect(CARD21("N:x\r\nPHOTO;BASE64;JPEG:\r\n /9j/\r\n 4AAQ\r\n\r\n"),
	       "{\"last_name\":\"x\",\"image1\":\"/9j/4AAQ\",\"image1_content_type\":\"image/jpeg\"}");
	expect(CARD4("FN:x\r\nPHOTO:data:image/gif;base64,R0lGODdh\r\n"),
	       "{\"display_name\":\"x\",\"image1\":\"R0lGODdh\",\"image1_content_type\":\"image/gif\"}");
	expect(CARD("FN:x\r\nPHOTO;ENCODING=b:R0lGODdh\r\n"),	/* no type: looked at */
	       "{\"display_name\":\"x\",\"image1\":\"R0lGODdh\",\"image1_content_type\":\"image/gif\"}");
}
END_TEST

START_TEST(days_do_not_move)
{
	static const char *const forms[] = { "BDAY:1970-01-02", "BDAY:19700102", "BDAY;VALUE=date:1970-01-02",
	                                     "BDAY:1970-01-02T23:30:00-08:00", "BDAY:19700102T000000Z" };
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char text[200];
		json_t *o;

		snprintf(text, sizeof(text), CARD("FN:x\r\n%s\r\n"), forms[i]);
		o = parse(text);
		ck_assert_int_eq(int_of(o, "birthday"), 86400000);
		json_decref(o);
	}
}
END_TEST

START_TEST(yearless_birthday)
{
	struct pim_options opt;
	json_t *o = parse(CARD4("FN:x\r\nBDAY:--0229\r\n")), *p = parse(CARD("FN:x\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\r\n"));
	char *text;

	ck_assert_int_eq(int_of(o, "birthday"), -11544768000000);	/* 1604-02-29 */
	same_json(o, p, "the two ways to leave out the year");
	json_decref(p);
	p = parse(CARD("FN:x\r\nBDAY:0000-02-29\r\n"));
	same_json(o, p, "a year 0");
	pim_options_init(&opt);
	opt.vcard_version = 40;
	ck_assert_int_eq(pim_vcard_format(o, &opt, &text, NULL), PIM_OK);
	ck_assert_ptr_nonnull(strstr(text, "\r\nBDAY:--0229\r\n"));
	free(text);
	ck_assert_int_eq(pim_vcard_format(o, NULL, &text, NULL), PIM_OK);
	ck_assert_ptr_nonnull(strstr(text, "\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\r\n"));
	free(text);
	json_decref(o);
	json_decref(p);
}
END_TEST

START_TEST(incomplete_dates_are_reported)
{
	struct pim_report rep;
	json_t *o;
	const char *t = CARD4("FN:x\r\nBDAY:1985-04\r\nX-FOREIGN:y\r\n");

	pim_report_init(&rep);
	ck_assert_int_eq(pim_vcard_parse(t, strlen(t), NULL, &o, &rep, NULL), PIM_OK);
	ck_assert_ptr_null(json_object_get(o, "birthday"));
	ck_assert_uint_eq(rep.dropped, 2);
	ck_assert_ptr_nonnull(strstr(rep.problems[0].text, "line 4: BDAY"));
	json_decref(o);
	pim_report_fini(&rep);
}
END_TEST

START_TEST(lists)
{
	expect(CARD("FN:Team\r\nX-ADDRESSBOOKSERVER-KIND:group\r\nX-ADDRESSBOOKSERVER-MEMBER:mailto:a@example.com\r\n"),
	       "{\"display_name\":\"Team\",\"mark_as_distributionlist\":true,\"distribution_list\":[{\"mail\":\"a@example.com\",\"mail_field\":0}]}");
}
END_TEST

START_TEST(edit_beats_exact_value)
{
	json_t *o = js("{\"last_name\":\"x\",\"note\":\"a\\r\\nb\"}"), *back;
	char *text, *at;

	ck_assert_int_eq(pim_vcard_format(o, NULL, &text, NULL), PIM_OK);
	back = parse(text);
	same_json(o, back, "with the exact value");
	json_decref(back);
	at = strstr(text, "NOTE:a\\nb");
	ck_assert_ptr_nonnull(at);
	at[8] = 'c';
	back = parse(text);
	ck_assert_str_eq(str_of(back, "note"), "a\nc");
	json_decref(back);
	json_decref(o);
	free(text);
}
END_TEST

START_TEST(strict_and_lenient)
{
	struct pim_options opt;
	struct pim_report rep;
	struct pim_error err;
	char text[400];
	json_t *o;

	snprintf(text, sizeof(text), CARD("FN:x\r\nNICKNAME:%s\r\nEMAIL:nonsense\r\n"),
	         "äbcdefghijäbcdefghijäbcdefghijäbcdefghijäbcdefghijäbcdefghijäbcdefghij");
	ck_assert_int_eq(pim_vcard_parse(text, strlen(text), NULL, &o, NULL, &err), PIM_REFUSED);
	ck_assert_ptr_null(o);
	ck_assert_ptr_nonnull(strstr(err.text, "nickname is longer than the 64 characters"));
	pim_options_init(&opt);
	opt.lenient = true;
	pim_report_init(&rep);
	ck_assert_int_eq(pim_vcard_parse(text, strlen(text), &opt, &o, &rep, &err), PIM_OK);
	ck_assert_uint_eq(strlen(str_of(o, "nickname")), 64 + 7);	/* 64 characters, 7 of them of two bytes */
	ck_assert_ptr_null(json_object_get(o, "email1"));
	ck_assert_uint_eq(rep.bent, 2);
	json_decref(o);
	pim_report_fini(&rep);
}
END_TEST

/* 65535 is a limit of characters in what the server says, and of bytes in what it holds. */
START_TEST(note_in_bytes)
{
	char *text = malloc(2 * 100 + 2 * 40000), *at = text;
	struct pim_options opt;
	json_t *o;
	int i;

	at += snprintf(at, 100, "BEGIN:VCARD\r\nFN:x\r\nNOTE:");
	for (i = 0; i < 40000; i++, at += 2)
		memcpy(at, "ä", 2);
	at += snprintf(at, 100, "\r\nEND:VCARD\r\n");
	ck_assert_int_eq(pim_vcard_parse(text, (size_t)(at - text), NULL, &o, NULL, NULL), PIM_REFUSED);
	pim_options_init(&opt);
	opt.lenient = true;
	ck_assert_int_eq(pim_vcard_parse(text, (size_t)(at - text), &opt, &o, NULL, NULL), PIM_OK);
	ck_assert_uint_le(strlen(str_of(o, "note")), 65535);
	ck_assert_uint_gt(strlen(str_of(o, "note")), 65500);
	json_decref(o);
	free(text);
}
END_TEST

START_TEST(broken_cards)
{
	static const char *const bad[] = { "", "BEGIN:VCARD", "BEGIN:VCARD\r\nFN:x\r\n", "BEGIN:VCARD\r\nEND:VCARD\r\n",
		"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "FN:x\r\n", CARD("EMAIL:x\r\n"), CARD("X-OX-COLOR-LABEL:12345678901\r\nFN:x\r\n"),
		CARD("FN:a\001b\r\n") };
	struct pim_error err;
	json_t *o;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(pim_vcard_parse(bad[i], strlen(bad[i]), NULL, &o, NULL, &err) == PIM_REFUSED, "accepted: %s", bad[i]);
		ck_assert_ptr_null(o);
		ck_assert_msg(err.text[0] != '\0', "no reason: %s", bad[i]);
	}
}
END_TEST

START_TEST(format_refuses)
{
	static const char *const bad[] = { "[]", "{\"first_name\":5}", "{\"birthday\":\"1970-01-01\"}", "{\"birthday\":400000000000000}",
		"{\"image1\":\"***\"}", "{\"note\":\"a\\u0001\"}", "{\"distribution_list\":[5]}", "{\"private_flag\":1}" };
	struct pim_error err;
	char *text;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *o = js(bad[i]);

		ck_assert_msg(pim_vcard_format(o, NULL, &text, &err) == PIM_REFUSED, "accepted: %s", bad[i]);
		ck_assert_ptr_null(text);
		ck_assert_msg(err.text[0] != '\0', "no reason: %s", bad[i]);
		json_decref(o);
	}
}
END_TEST

START_TEST(lines_are_folded_between_characters)
{
	json_t *o = json_object();
	char *text, *line, *end, value[401] = "";
	int i;

	for (i = 0; i < 100; i++)
		memcpy(value + 4 * i, "äß", 5);
	json_object_set_new(o, "last_name", json_string("x"));
	json_object_set_new(o, "info", json_string(value));
	ck_assert_int_eq(pim_vcard_format(o, NULL, &text, NULL), PIM_OK);
	for (line = text; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
		json_t *whole = json_stringn(line, (size_t)(end - line));

		ck_assert_int_le(end - line, 75);
		ck_assert_msg(whole != NULL, "a line ends within a character");	/* jansson checks UTF-8 */
		json_decref(whole);
	}
	free(text);
	json_decref(o);
}
END_TEST

TCase *
tcase_vcard(void)
{
	TCase *t = tcase_create("vcard");

	tcase_add_test(t, names_and_addresses);
	tcase_add_test(t, numbers_by_type_and_order);
	tcase_add_test(t, quoted_printable_and_charsets);
	tcase_add_test(t, folding_groups_escapes);
	tcase_add_test(t, photo);
	tcase_add_test(t, days_do_not_move);
	tcase_add_test(t, yearless_birthday);
	tcase_add_test(t, incomplete_dates_are_reported);
	tcase_add_test(t, lists);
	tcase_add_test(t, edit_beats_exact_value);
	tcase_add_test(t, strict_and_lenient);
	tcase_add_test(t, note_in_bytes);
	tcase_add_test(t, broken_cards);
	tcase_add_test(t, format_refuses);
	tcase_add_test(t, lines_are_folded_between_characters);
	return t;
}
