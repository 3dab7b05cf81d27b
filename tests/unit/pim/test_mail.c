/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Unit tests of the mail reader. */
#include "pim_test.h"

#include <stdio.h>

static json_t *
summary(const char *text)
{
	struct pim_error err;
	json_t *o;

	ck_assert_msg(pim_mail_summary(text, strlen(text), NULL, &o, &err) == PIM_OK, "%s", err.text);
	return o;
}

static const char mixed[] =
	"From: =?UTF-8?Q?J=C3=B6rg_M=C3=BCller?= <joerg@example.com>\r\nTo: \"Muster, Anna\" <anna@example.com>, bob@example.org\r\n"
	"Cc: Team: a@example.com, b@example.com;\r\nSubject: =?ISO-8859-1?Q?Gr=FC=DFe?=\r\nDate: Mon, 2 Mar 2026 09:00:00 +0100\r\n"
	"Message-ID: <1@example.com>\r\nIn-Reply-To: <0@example.com>\r\nX-Priority: 1 (Highest)\r\n"
	"Disposition-Notification-To: joerg@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
	"--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
	"--i\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHallo   Anna,\r\nsch=F6n.\r\n"
	"--i\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hallo <b>Anna</b></p>\r\n--i--\r\n"
	"--o\r\nContent-Type: application/pdf; name=\"plan.pdf\"\r\nContent-Disposition: attachment; filename=\"plan.pdf\"\r\n"
	"Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--o--\r\n";

START_TEST(headers_and_parts)
{
	json_t *o = summary(mixed), *w = js(
		"{\"from\":[[\"Jörg Müller\",\"joerg@example.com\"]],\"to\":[[\"Muster, Anna\",\"anna@example.com\"],[null,\"bob@example.org\"]],"
		"\"cc\":[[null,\"a@example.com\"],[null,\"b@example.com\"]],\"bcc\":[],\"reply_to\":[],\"subject\":\"Grüße\","
		"\"sent_date\":1772438400000,\"priority\":1,\"message_id\":\"<1@example.com>\",\"in_reply_to\":\"<0@example.com>\","
		"\"disp_notification_to\":\"joerg@example.com\",\"attachment\":true,\"content_type\":\"multipart/mixed\","
		"\"text_preview\":\"Hallo Anna, schön.\",\"attachments\":["
		"{\"id\":\"1.1\",\"content_type\":\"text/plain\",\"size\":21,\"disp\":\"inline\"},"
		"{\"id\":\"1.2\",\"content_type\":\"text/html\",\"size\":24,\"disp\":\"inline\"},"
		"{\"id\":\"2\",\"content_type\":\"application/pdf\",\"size\":4,\"disp\":\"attachment\",\"filename\":\"plan.pdf\"}]}");

	json_object_set_new(w, "size", json_integer((json_int_t)strlen(mixed)));
	same_json(w, o, "summary");
	json_decref(w);
	json_decref(o);
}
END_TEST

START_TEST(html_made_readable)
{
	static const char m[] = "Subject: x\r\nContent-Type: text/html\r\n\r\n<html><head><title>no</title><style>p{}</style></head><body>"
	                        "<h1>Gr&uuml;&szlig;e</h1><p>eins &amp; zwei<br>drei &#8364;</p><!-- <p>hidden</p> --><script>bad()</script></body></html>";
	json_t *o = summary(m);

	ck_assert_str_eq(str_of(o, "text_preview"), "Grüße eins & zwei drei €");
	json_decref(o);
}
END_TEST

START_TEST(wrong_charsets)
{
	json_t *o = summary("Subject: =?x-unknown?Q?a=E4?= \xfc\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nsch\xf6n\r\n");
	char *s = json_dumps(o, 0);

	ck_assert_ptr_nonnull(s);	/* jansson writes valid UTF-8 only */
	ck_assert_str_eq(str_of(o, "text_preview"), "schön");
	free(s);
	json_decref(o);
}
END_TEST

START_TEST(no_mails)
{
	static const char *const bad[] = { "", "\r\n\r\nbody only" };
	struct pim_error err;
	json_t *o;
	size_t i;

	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(pim_mail_summary(bad[i], strlen(bad[i]), NULL, &o, &err), PIM_REFUSED);
		ck_assert_ptr_null(o);
		ck_assert(err.text[0] != '\0');
	}
}
END_TEST

/* Messages within messages, deeper than GMime goes: the stack must not run out. */
START_TEST(nested_parts)
{
	char *m = malloc(15000 * 30 + 100), *at = m;
	json_t *o;
	int i;

	at += snprintf(at, 100, "Subject: x\r\n");
	for (i = 0; i < 15000; i++) {
		memcpy(at, "Content-Type: message/rfc822\n\n", 30);
		at += 30;
	}
	ck_assert_int_eq(pim_mail_summary(m, (size_t)(at - m), NULL, &o, NULL), PIM_OK);
	json_decref(o);
	free(m);
}
END_TEST

/* What would cost GMime its stack or gigabytes is refused before, with a reason. */
START_TEST(costly_messages)
{
	static const struct {
		const char *head, *unit, *why;
		size_t times;
	} cases[] = {
		{ "To: ", "a:", "groups within groups", 1000000 },
		{ "Cc: x@example.com,\r\n", " a:\r\n", "groups within groups", 100000 },
		{ "", "X: y\r\n", "header lines", 100000 },
		{ "Content-Type: message/rfc822\n\n", "X: y\n", "header lines", 100000 },
		{ "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n", "50000 parts", 100000 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t head = strlen(cases[i].head), unit = strlen(cases[i].unit);
		char *m = malloc(head + unit * cases[i].times);
		struct pim_error err;
		json_t *o;

		memcpy(m, cases[i].head, head);
		for (k = 0; k < cases[i].times; k++)
			memcpy(m + head + k * unit, cases[i].unit, unit);
		ck_assert_int_eq(pim_mail_summary(m, head + unit * cases[i].times, NULL, &o, &err), PIM_LIMIT);
		ck_assert_msg(strstr(err.text, cases[i].why) != NULL, "case %zu: %s", i, err.text);
		free(m);
	}
}
END_TEST

TCase *
tcase_mail(void)
{
	TCase *t = tcase_create("mail");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, headers_and_parts);
	tcase_add_test(t, html_made_readable);
	tcase_add_test(t, wrong_charsets);
	tcase_add_test(t, no_mails);
	tcase_add_test(t, nested_parts);
	tcase_add_test(t, costly_messages);
	return t;
}
