/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The backend against a server that does exactly what a test wants: lost answers, half answers, lost sessions, limits.  The
 * shapes of OX's answers are those of the recorded exchanges; what they mean together is tested against oxsim (tests/integration).
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit/backend/responder.h"
#include "usmd/backend.h"

#define LOGIN_HEAD "HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=1.OX0; Path=/; HttpOnly\r\nSet-Cookie: open-xchange-secret-h=s1; Path=/\r\nContent-Length: 94\r\n\r\n"
#define LOGIN_BODY "{\"session\":\"0123456789abcdef0123456789abcdef\",\"user_id\":3,\"context_id\":1,\"locale\":\"de_DE\"    }"
#define LOGIN { .want = "POST /ajax/login?action=login", .raw = LOGIN_HEAD LOGIN_BODY }
#define USER { .want = "PUT /ajax/multiple?", .json = "[{\"data\":{\"contacts\":\"32\",\"calendar\":31,\"tasks\":\"33\"}},{\"data\":{\"inbox\":\"default0/INBOX\"}},{\"data\":1},{\"data\":3}]" }
#define LOST { .json = "{\"error\":\"expired\",\"category\":4,\"code\":\"SES-0203\"}" }
#define EXAMINE "{\"data\":{\"validity\":\"7\",\"total\":1,\"unread\":0,\"next\":\"3\"}}"
#define CREATED "{\"data\":{\"id\":\"8\"},\"timestamp\":1795342279045}"

static struct backend *be;
static struct ox_session *ses;
static struct arena *mem;
static struct err e;
static bool started;

static void
backend_at(int port, size_t max_answer)
{
	struct backend_options o = {
		.client = "USM-JSON", .client_fallback = "USM-EAS", .user_agent = "Open-Xchange USM HTTP Client", .client_ip = "10.0.0.1",
		.tls_verify = true, .connect_timeout_ms = 1000, .timeout_ms = 400, .max_connections = 8, .max_answer_bytes = max_answer, .rows_per_request = 100,
	};
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/ajax", port);
	o.url = url;
	ck_assert_int_eq(backend_new(&o, &be, &e), RC_OK);
	mem = arena_new(0);
}

/* Server with STEPS after a login that works. */
static void
begin(const struct step *steps, size_t n)
{
	static struct step all[40];

	all[0] = (struct step)LOGIN;
	all[1] = (struct step)USER;
	if (n > 0)
		memcpy(all + 2, steps, n * sizeof(all[0]));
	backend_at(responder_start(all, n + 2), 100000);
	started = true;
	ck_assert_msg(ox_login(be, "anton", "sec&ret", "Outlook/1\r\nX: y", &ses, &e) == RC_OK, "%s", e.text);
}

static void
teardown(void)
{
	bool wrong = started && responder_mismatch() != NULL;

	if (wrong)
		printf("unexpected request: %s\n", responder_mismatch());
	ox_session_unref(ses);
	backend_free(be);
	arena_free(mem);
	if (started)
		responder_stop();
	clock_override(NULL);
	ses = NULL;
	be = NULL;
	mem = NULL;
	started = false;
	ck_assert(!wrong);
}

#define BEGIN(...) do { static const struct step steps_[] = { __VA_ARGS__ }; begin(steps_, ARRAY_LEN(steps_)); } while (0)
#define RC(want_, call) do { enum rc rc_ = (call); ck_assert_msg(rc_ == (want_), "%s: %s %s %s", #call, rc_name(rc_), e.code, e.text); } while (0)

static enum rc
do_read(void)
{
	struct ox_examine x;
	enum rc rc = ox_mail_examine(ses, "default0/INBOX", &x, &e);

	if (rc == RC_OK)
		ck_assert(x.validity == 7 && x.next == 3 && x.total == 1);
	return rc;
}

static enum rc
do_write(void)
{
	struct object *o = object_new(mem, CT_CONTACT);
	int64_t id;
	msec_t lm;
	enum rc rc;

	object_set(o, (unsigned)model_field(model_content(CT_CONTACT), "last_name"), json_string("\xc3\x9c"));
	rc = ox_create(ses, "32", o, "u", &id, &lm, &e);
	if (rc == RC_OK)
		ck_assert(id == 8 && lm == 1795342279045);
	object_drop(o);
	return rc;
}

START_TEST(login_and_cookies)
{
	const char *login, *next;

	BEGIN({ .want = "GET /ajax/mail?session=0123456789abcdef0123456789abcdef&action=examine&folder=default0%2FINBOX",
	        .raw = "HTTP/1.1 200 OK\r\nset-cookie: JSESSIONID=2.OX1; Path=/\r\nSet-Cookie: open-xchange-secret-h=; Max-Age=0\r\nContent-Length: 57\r\n\r\n" EXAMINE },
	      { .want = "Cookie: JSESSIONID=2.OX1\r\n", .json = EXAMINE });
	RC(RC_OK, do_read());
	RC(RC_OK, do_read());
	login = responder_request(0);
	ck_assert_ptr_nonnull(strstr(login, "name=anton&password=sec%26ret&client=USM-JSON&version="));
	ck_assert_ptr_nonnull(strstr(login, "&authId="));
	ck_assert_ptr_nonnull(strstr(login, "&clientIP=10.0.0.1"));
	ck_assert_ptr_null(strstr(login, "clientUserAgent"));
	ck_assert_ptr_nonnull(strstr(login, "\r\nX-Device-User-Agent: Outlook/1  X: y\r\n")); /* no header of the device's making */
	ck_assert_ptr_nonnull(strstr(login, "\r\nUser-Agent: Open-Xchange USM HTTP Client\r\n"));
	next = responder_request(2);
	ck_assert_ptr_nonnull(strstr(next, "\r\nCookie: JSESSIONID=1.OX0; open-xchange-secret-h=s1\r\n"));
	ck_assert_ptr_nonnull(strstr(next, "\r\nUser-Agent: Open-Xchange USM HTTP Client\r\n"));
	ck_assert_str_eq(ox_session_user(ses)->default_folder[CT_CALENDAR], "31");
	ck_assert_str_eq(ox_session_user(ses)->locale, "de_DE");
}
END_TEST

START_TEST(login_falls_back_to_the_other_client)
{
	static const struct step steps[] = { { .want = "client=USM-JSON", .json = "{\"error\":\"no\",\"category\":3,\"code\":\"LGI-0014\"}" },
		{ .want = "client=USM-EAS", .raw = LOGIN_HEAD LOGIN_BODY }, USER, LOST, { .want = "client=USM-EAS", .raw = LOGIN_HEAD LOGIN_BODY }, { .json = EXAMINE } };

	backend_at(responder_start(steps, ARRAY_LEN(steps)), 100000);
	started = true;
	RC(RC_OK, ox_login(be, "anton", "x", NULL, &ses, &e));
	RC(RC_OK, do_read());
	ck_assert_uint_eq(responder_count(), 6);
}
END_TEST

START_TEST(login_refused)
{
	static const struct step steps[] = { { .json = "{\"error\":\"wrong\",\"category\":1,\"code\":\"LGI-0006\"}" }, { .json = "{\"error\":\"db\",\"category\":5,\"code\":\"LGI-0010\"}" } };

	backend_at(responder_start(steps, ARRAY_LEN(steps)), 100000);
	started = true;
	RC(RC_DENIED, ox_login(be, "anton", "x", "", &ses, &e));
	ck_assert_str_eq(e.text, "wrong");
	RC(RC_UPSTREAM, ox_login(be, "anton", "x", "", &ses, &e));
	RC(RC_DENIED, ox_login(be, "anton", "", "", &ses, &e));
	ck_assert_uint_eq(responder_count(), 2);
	ck_assert_ptr_null(ses);
}
END_TEST

START_TEST(lost_session_is_revived_for_reads_and_writes)
{
	BEGIN(LOST, LOGIN, { .json = EXAMINE }, LOST, LOGIN, { .want = "\"last_name\":\"\xc3\x9c\"", .json = CREATED }, LOST, LOGIN, LOST);
	RC(RC_OK, do_read());
	RC(RC_OK, do_write());
	RC(RC_UPSTREAM, do_read()); /* lost again at once: not the password's fault */
	ck_assert_uint_eq(responder_count(), 11);
}
END_TEST

START_TEST(password_changed_meanwhile)
{
	BEGIN(LOST, { .json = "{\"error\":\"wrong\",\"category\":1,\"code\":\"LGI-0006\"}" });
	RC(RC_DENIED, do_write());
	RC(RC_DENIED, do_read());
	ck_assert_uint_eq(responder_count(), 4); /* and OX is not asked again */
}
END_TEST

START_TEST(a_login_without_an_answer_leaves_nothing_unknown)
{
	BEGIN(LOST, { .hang = 1 });
	RC(RC_UPSTREAM, do_write());
	ck_assert_uint_eq(responder_count(), 4);
}
END_TEST

static int logins;

static char *
revive_rule(const char *request)
{
	char text[200];

	if (strstr(request, "action=login") != NULL) {
		(void)snprintf(text, sizeof(text), "{\"session\":\"new%d\",\"user_id\":3,\"context_id\":1}", ++logins);
		return strdup(text);
	}
	return strdup(strstr(request, "session=new") != NULL ? EXAMINE : "{\"error\":\"expired\",\"category\":4,\"code\":\"SES-0203\"}");
}

static void *
reader(void *arg)
{
	struct ox_examine x;
	struct err mine;

	*(enum rc *)arg = ox_mail_examine(ses, "default0/INBOX", &x, &mine);
	return NULL;
}

START_TEST(many_threads_one_login)
{
	enum rc rc[8];
	pthread_t t[8];

	begin(NULL, 0);
	responder_rule(revive_rule);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, reader, &rc[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		(void)pthread_join(t[i], NULL);
		ck_assert_int_eq(rc[i], RC_OK);
	}
	ck_assert_int_eq(logins, 1);
}
END_TEST

START_TEST(closed_without_an_answer)
{
	BEGIN({ .json = EXAMINE }, { 0 }, { .json = EXAMINE }, { 0 });
	RC(RC_OK, do_read());
	RC(RC_OK, do_read()); /* repeated once, by whomever */
	ck_assert_uint_eq(responder_count(), 5);
	RC(RC_TIMEOUT, do_write()); /* on a kept-alive connection, where libcurl would repeat it */
	ck_assert_uint_eq(responder_count(), 6);
}
END_TEST

START_TEST(closed_while_idle)
{
	BEGIN({ .json = EXAMINE, .close_after = 1 }, { .json = CREATED });
	RC(RC_OK, do_read());
	responder_wait_closed(1);
	RC(RC_OK, do_write());
	ck_assert_uint_eq(responder_count(), 4);
}
END_TEST

START_TEST(half_an_answer)
{
	static const struct step half = { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 57\r\n\r\n{\"data\":{\"validity\"", .close_after = 1 };

	begin((struct step[]){ half, half }, 2);
	RC(RC_UPSTREAM, do_read());
	RC(RC_TIMEOUT, do_write());
	ck_assert_uint_eq(responder_count(), 4);
}
END_TEST

START_TEST(nonsense)
{
	BEGIN({ .json = "{\"data\":{\"validity\"" }, { .json = "{\"data\":{\"id\"" }, { .json = "{\"data\":{}}" }, { .json = "[]" }, { .json = "{\"data\":[],\"data\":[]}" });
	RC(RC_UPSTREAM, do_read());
	RC(RC_TIMEOUT, do_write());
	RC(RC_TIMEOUT, do_write()); /* created, but what? */
	RC(RC_UPSTREAM, do_read());
	RC(RC_UPSTREAM, do_read());
}
END_TEST

START_TEST(no_answer_in_time)
{
	BEGIN({ .hang = 1 }, { .hang = 1 });
	RC(RC_TIMEOUT, do_read());
	RC(RC_TIMEOUT, do_write());
	ck_assert_uint_eq(responder_count(), 4);
}
END_TEST

START_TEST(nobody_there)
{
	begin(NULL, 0);
	responder_stop();
	started = false;
	RC(RC_UPSTREAM, do_read());
	RC(RC_UPSTREAM, do_write());
}
END_TEST

static msec_t fake_now = 1000000;

static msec_t
fake_clock(void)
{
	return fake_now;
}

/* The wait is by the monotonic clock: a clock that is set neither prolongs nor shortens it. */
START_TEST(told_to_wait)
{
	struct timespec wait = { .tv_sec = 1, .tv_nsec = 20000000 };

	clock_override(fake_clock);
	BEGIN({ .raw = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" }, { .json = EXAMINE },
	      { .raw = "HTTP/1.1 503 No\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n" },
	      { .json = "{\"error\":\"busy\",\"category\":4,\"code\":\"SVL-0019\"}" });
	RC(RC_UPSTREAM, do_write());
	ck_assert_int_eq(e.retry_after_s, 1);
	fake_now += 600000;
	RC(RC_UPSTREAM, do_read());
	ck_assert_int_eq(e.retry_after_s, 1);
	ck_assert_uint_eq(responder_count(), 3); /* OX was not asked */
	fake_now -= 1200000;
	(void)nanosleep(&wait, NULL);
	RC(RC_OK, do_read());
	RC(RC_UPSTREAM, do_write());
	ck_assert_int_eq(e.retry_after_s, 3600);
	RC(RC_UPSTREAM, do_read());
	ck_assert(e.retry_after_s > 0);
}
END_TEST

START_TEST(error_pages)
{
	BEGIN({ .raw = "HTTP/1.1 500 E\r\nContent-Length: 6\r\n\r\n<html>" }, { .raw = "HTTP/1.1 502 E\r\nContent-Length: 6\r\n\r\n<html>" },
	      { .raw = "HTTP/1.1 404 E\r\nContent-Length: 0\r\n\r\n" }, { .raw = "HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" });
	RC(RC_UPSTREAM, do_read());
	RC(RC_TIMEOUT, do_write());
	RC(RC_UPSTREAM, do_write());
	RC(RC_UPSTREAM, do_read());
	ck_assert_uint_eq(responder_count(), 6);
}
END_TEST

START_TEST(gzip_is_undone)
{
	static const char raw[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 76\r\n\r\n"
	    "\037\213\010\000\000\000\000\000\002\003\253\126\112\111\054\111\124\262\252\126\052\113\314\311\114\311\054\251\124\262"
	    "\122\062\127\322\121\052\311\057\111\314\121\262\062\324\121\052\315\053\112\115\114\121\262\062\320\121\312\113\255\050"
	    "\001\312\033\053\325\326\002\000\265\103\173\027\071\000\000\000";
	static const struct step s = { .want = "Accept-Encoding:", .raw = raw, .raw_len = sizeof(raw) - 1 };

	begin(&s, 1);
	RC(RC_OK, do_read());
}
END_TEST

START_TEST(too_large)
{
	static char big[200001];
	static const struct step s[2] = { { .json = big }, { .json = big } };

	memset(big, ' ', sizeof(big) - 1);
	begin(s, 2);
	RC(RC_UPSTREAM, do_read());
	RC(RC_TIMEOUT, do_write());
}
END_TEST

START_TEST(closed_imap_folder_is_tried_once_more)
{
	static const struct step closed = { .json = "{\"error\":\"closed\",\"category\":8,\"code\":\"MSG-1003\"}" };

	begin((struct step[]){ closed, { .json = EXAMINE }, closed, closed, closed }, 5);
	RC(RC_OK, do_read());
	RC(RC_UPSTREAM, do_read());
	ck_assert_uint_eq(responder_count(), 6);
	RC(RC_UPSTREAM, do_write());
	ck_assert_uint_eq(responder_count(), 7);
}
END_TEST

START_TEST(warnings_are_no_errors)
{
	BEGIN({ .json = "{\"data\":{\"validity\":\"7\",\"total\":1,\"unread\":0,\"next\":\"3\"},\"error\":\"note\",\"category\":13,\"code\":\"X-0001\",\"warnings\":[]}" },
	      { .json = "{\"error\":\"note\",\"category\":13,\"code\":\"X-0001\"}" });
	RC(RC_OK, do_read());
	RC(RC_UPSTREAM, do_read());
}
END_TEST

START_TEST(answers_in_web_pages)
{
	BEGIN({ .want = "multipart/form-data", .json = "<!DOCTYPE html><html><head><script>(parent[\"callback_import\"] || window.opener)({\"data\":[{\"folder_id\":\"f\",\"id\":\"12\"}]})</script></head></html>" },
	      { .want = "&force=true&plainJson=true", .json = "<html><script>(callback)({\"error\":\"no mail\",\"category\":1,\"code\":\"MSG-0101\"})</script>" },
	      { .json = "{\"error\":\"Unexpected end of stream\",\"category\":8,\"code\":\"MSG-0008\"}" });
	int64_t id;

	RC(RC_OK, ox_mail_import(ses, "f", "From: a\r\n\r\n\xff\n", 13, 32, &id, &e));
	ck_assert_int_eq(id, 12);
	ck_assert_ptr_nonnull(strstr(responder_request(2), "\r\n\r\nFrom: a\r\n\r\n\xff\n\r\n--"));
	RC(RC_PROTO, ox_mail_import(ses, "f", "x", 1, 0, &id, &e));
	ck_assert_str_eq(e.code, "MSG-0101");
	RC(RC_PROTO, ox_mail_import(ses, "f", "x", 1, 0, &id, &e)); /* else it would be sent for ever */
	ck_assert_str_eq(e.path, "raw");
}
END_TEST

struct meaning {
	const char *code;
	int category;
	bool write;
	enum rc rc;
};

static const struct meaning meanings[] = {
	{ "CON-0119", 9, true, RC_CONFLICT }, { "TSK-0007", 9, true, RC_CONFLICT }, { "CAL-4120", 9, true, RC_CONFLICT }, { "FLD-1022", 9, true, RC_CONFLICT },
	{ "XYZ-0001", 9, true, RC_CONFLICT }, { "OX-0001", 9, true, RC_CONFLICT }, { "OX-0001", 1, true, RC_NOTFOUND }, { "CON-0125", 1, false, RC_NOTFOUND },
	{ "CON-0125", 8, false, RC_NOTFOUND }, { "TSK-0046", 3, false, RC_NOTFOUND }, { "TSK-0019", 8, false, RC_NOTFOUND }, { "CAL-4040", 1, true, RC_NOTFOUND },
	{ "FLD-0003", 3, false, RC_NOTFOUND }, { "FLD-0008", 8, false, RC_NOTFOUND }, { "MSG-0032", 1, false, RC_NOTFOUND }, { "IMAP-1002", 1, false, RC_NOTFOUND },
	{ "CON-0104", 3, false, RC_FORBIDDEN }, { "CON-0154", 1, true, RC_PROTO }, { "TSK-0041", 12, true, RC_PROTO }, { "FLD-1014", 3, true, RC_PROTO }, { "FLD-0017", 8, true, RC_PROTO },
	{ "SVL-0011", 8, false, RC_UPSTREAM }, { "SVL-0011", 8, true, RC_PROTO }, { "MSG-1016", 5, false, RC_UPSTREAM }, { "CON-0109", 8, true, RC_UPSTREAM },
	{ "SES-0204", 4, false, RC_UPSTREAM }, { "MSG-0039", 11, true, RC_LIMIT }, { "CAL-4090", 9, true, RC_CONFLICT }, { "APP-0100", 1, true, RC_CONFLICT },
	{ "", 0, false, RC_UPSTREAM },
};

START_TEST(errors_mean_what_they_mean)
{
	const struct meaning *m = &meanings[_i];
	static char text[160]; /* the responder may still be sending when the test has ended */
	struct step s = { .json = text };

	(void)snprintf(text, sizeof(text), "{\"error\":\"Fehler\",\"category\":%d,\"code\":\"%s\"}", m->category, m->code);
	begin(&s, 1);
	RC(m->rc, m->write ? do_write() : do_read());
	ck_assert_str_eq(e.code, m->code);
	ck_assert_int_eq(e.category, m->category);
	ck_assert_str_eq(e.text, "Fehler");
	ck_assert_int_eq(e.rc, m->rc);
}
END_TEST

START_TEST(blamed_fields_are_named)
{
	BEGIN({ .json = "{\"error\":\"x\",\"category\":1,\"code\":\"CON-0154\",\"error_params\":[\"Last name\",128,200],\"problematic\":[{\"id\":0,\"length\":200,\"max_size\":128}]}" },
	      { .json = "{\"error\":\"x\",\"category\":12,\"code\":\"XXX-0041\",\"truncated\":[502]}" },
	      { .json = "{\"error\":\"x\",\"category\":1,\"code\":\"CON-0154\",\"error_params\":[\"Unknown label\"]}" },
	      { .json = "{\"error\":\"x\",\"category\":1,\"code\":\"CON-0168\",\"error_params\":[\"0x0000 is not a legal XML character\",\"First name\"]}" });
	RC(RC_PROTO, do_write());
	ck_assert_str_eq(e.path, "last_name");
	ck_assert(strcmp(e.field, "last_name") == 0 && strcmp(e.label, "Last name") == 0 && e.length == 200 && e.max_length == 128);
	RC(RC_PROTO, do_write());
	ck_assert_str_eq(e.path, "last_name");
	ck_assert(strcmp(e.field, "last_name") == 0 && e.length == 0 && e.max_length == 0);
	RC(RC_PROTO, do_write());
	ck_assert_str_eq(e.path, "");
	ck_assert_str_eq(e.field, "");
	RC(RC_PROTO, do_write());
	ck_assert_str_eq(e.field, "first_name");
}
END_TEST

START_TEST(colliding_appointments_are_listed)
{
	BEGIN({ .want = "\"notification\":true}", .json = "{\"data\":{\"conflicts\":[{\"id\":22,\"title\":\"Meeting\",\"start_date\":1796806800000,\"shown_as\":1},"
	          "{\"id\":23,\"start_date\":0,\"full_time\":true,\"hard_conflict\":true}]}}" },
	      { .want = "\"notification\":false,\"ignore_conflicts\":true}", .json = "{\"data\":{\"conflicts\":[{\"id\":23,\"start_date\":0,\"full_time\":true}]}}" });
	struct object *o = object_new(mem, CT_CALENDAR);
	struct write_how how = { 0 };
	struct buf b;
	int64_t id;
	msec_t lm;

	RC(RC_PROTO, ox_create(ses, "31", o, NULL, &id, &lm, &e));
	ck_assert_str_eq(e.code, "CONFLICTS");
	ck_assert_str_eq(e.text, "Not stored, it collides with \"Meeting\" at 2026-12-09 09:00 UTC and 1 more: choose another time or resource.");
	o->how = &how;
	how.ignore_conflicts = how.silent = true;
	RC(RC_PROTO, ox_create(ses, "31", o, NULL, &id, &lm, &e));
	ck_assert_str_eq(e.text, "Not stored, it collides with an appointment that you may not see on 1970-01-01: choose another time, or store it in spite of that.");
	buf_init(&b, 0);
	json_text(&b, how.conflicts);
	ck_assert_str_eq(b.p, "[{\"start_date\":0,\"full_time\":true,\"hard\":false}]");
	buf_fini(&b);
	json_decref(how.conflicts);
	object_drop(o);
}
END_TEST

START_TEST(cleared_fields_in_their_modules_way)
{
	BEGIN({ .want = "{\"note\":null,\"alarm\":-1,\"full_time\":false,\"notification\":true}", .json = "{\"data\":{\"id\":\"9\"},\"timestamp\":5}" },
	      { .want = "&timestamp=77&", .json = "{\"data\":{},\"timestamp\":6}" });
	static const char *const names[] = { "note", "alarm", "full_time" };
	struct object *o = object_new(mem, CT_CALENDAR);
	struct fmask m = { { 0 } };
	msec_t lm;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		fmask_set(&m, (unsigned)model_field(model_content(CT_CALENDAR), names[i]));
	RC(RC_OK, ox_update(ses, "31", 9, NULL, o, &m, 0, &lm, &e));
	ck_assert_int_eq(lm, 5);
	ck_assert_ptr_nonnull(strstr(responder_request(2), "&timestamp=9007199254740992&"));
	RC(RC_OK, ox_update(ses, "31", 9, NULL, o, &m, 77, &lm, &e));
	object_drop(o);
}
END_TEST

START_TEST(a_pattern_goes_as_a_whole)
{
	BEGIN({ .want = "{\"recurrence_type\":2,\"days\":2,\"interval\":3,\"notification\":true}", .json = "{\"data\":{\"id\":\"9\"},\"timestamp\":5}" });
	struct object *o = object_new(mem, CT_CALENDAR);
	struct fmask m = { { 0 } };
	msec_t lm;

	object_set(o, (unsigned)model_field(model_content(CT_CALENDAR), "recurrence_type"), json_integer(2));
	object_set(o, (unsigned)model_field(model_content(CT_CALENDAR), "days"), json_integer(2));
	object_set(o, (unsigned)model_field(model_content(CT_CALENDAR), "interval"), json_integer(3));
	object_set(o, (unsigned)model_field(model_content(CT_CALENDAR), "title"), json_string("not asked for"));
	fmask_set(&m, (unsigned)model_field(model_content(CT_CALENDAR), "interval"));
	RC(RC_OK, ox_update(ses, "31", 9, NULL, o, &m, 4, &lm, &e));
	object_drop(o);
}
END_TEST

/* How many columns a listing of CT asks for. */
static size_t
listed(enum content ct)
{
	size_t n = 0;

	for (size_t i = 0; i < model_content(ct)->n_fields; i++)
		n += (model_content(ct)->fields[i].flags & FF_LISTED) != 0 ? 1 : 0;
	return n;
}

static void
add_nulls(char *out, size_t size, size_t n)
{
	for (size_t i = 0, len = strlen(out); i < n && len + 6 < size; i++, len += 5)
		memcpy(out + len, ",null", 6);
}

START_TEST(rows_that_do_not_fit_are_refused)
{
	char row[400] = "{\"data\":[[\"7\",1";
	struct step steps[2] = { { .json = row }, { .json = "{\"data\":[[\"7\"]],\"timestamp\":5}" } };
	struct model_keys *k = model_keys_new((const unsigned char[KEY_BYTES]){ 1 });
	struct sighting *s;
	size_t n;

	add_nulls(row, sizeof(row), listed(CT_CONTACT) - 2);
	memcpy(row + strlen(row), "]]}", 4);
	begin(steps, 2);
	RC(RC_OK, ox_listing(ses, mem, k, CT_CONTACT, "32", &s, &n, &e));
	ck_assert(n == 1 && s[0].id == 7 && s[0].lm == 1);
	RC(RC_UPSTREAM, ox_listing(ses, mem, k, CT_CONTACT, "32", &s, &n, &e));
	model_keys_free(k);
}
END_TEST

/* Rows for the ids of a `list`; whatever contains id 4 or 9 fails as OX fails on an object that it cannot write. */
static char *
poison_rule(const char *request)
{
	const char *columns = strstr(request, "&columns="), *p;
	size_t n_columns = 1;
	char *out = malloc(100000);
	size_t n = 0;

	if (strstr(request, "{\"id\":\"4\",") != NULL || strstr(request, "{\"id\":\"9\",") != NULL) {
		(void)snprintf(out, 100, "{\"error\":\"json\",\"category\":8,\"code\":\"SVL-0001\"}");
		return out;
	}
	for (p = columns; *p != '&' || p == columns; p++)
		n_columns += *p == ',' ? 1 : 0;
	n += (size_t)snprintf(out + n, 100, "{\"data\":[");
	for (p = strstr(request, "{\"id\":\""); p != NULL; p = strstr(p + 1, "{\"id\":\"")) {
		n += (size_t)snprintf(out + n, 100, "%s[\"%ld\"", out[n - 1] == '[' ? "" : ",", strtol(p + 7, NULL, 10));
		for (size_t i = 1; i < n_columns; i++)
			n += (size_t)snprintf(out + n, 100, ",null");
		n += (size_t)snprintf(out + n, 100, "]");
	}
	(void)snprintf(out + n, 100, "]}");
	return out;
}

START_TEST(poison_is_isolated)
{
	int64_t ids[16];
	struct object **o;
	size_t n, broken = 0;

	begin(NULL, 0);
	responder_rule(poison_rule);
	for (int i = 0; i < 16; i++)
		ids[i] = i + 1;
	RC(RC_OK, ox_list(ses, mem, CT_TASK, "33", ids, NULL, 16, &o, &n, &e));
	ck_assert_uint_eq(n, 16);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(o[i]->id, (int64_t)i + 1);
		ck_assert(o[i]->broken == (i + 1 == 4 || i + 1 == 9));
		broken += o[i]->broken ? 1 : 0;
	}
	ck_assert_uint_eq(broken, 2);
	ck_assert(responder_count() < 2 + 20);
	object_drop_all(o, n);
}
END_TEST

static char *
down_rule(const char *request)
{
	(void)request;
	return strdup("{\"error\":\"db\",\"category\":8,\"code\":\"CON-0109\"}");
}

START_TEST(a_database_that_is_down_is_no_poison)
{
	int64_t ids[16] = { 1, 2, 3 };
	struct object **o;
	size_t n;

	begin(NULL, 0);
	responder_rule(down_rule);
	RC(RC_UPSTREAM, ox_list(ses, mem, CT_TASK, "33", ids, NULL, 16, &o, &n, &e));
	ck_assert_uint_eq(responder_count(), 3);
}
END_TEST

/* Two appointments and an endless series; OX tells one object at a time at most. */
static char *
many_rule(const char *request)
{
	static const int64_t start[] = { INT64_C(-2208988800000), INT64_C(1796083200000), INT64_C(1796169600000) };
	const char *p = strstr(request, "&start="), *q = strstr(request, "&end=");
	int64_t from = strtoll(p + 7, NULL, 10), to = strtoll(q + 5, NULL, 10);
	char *out = malloc(2000);
	size_t n = 0, rows = 0;

	n += (size_t)snprintf(out, 100, "{\"data\":[");
	for (int i = 0; i < 3; i++) {
		if (start[i] >= to || (i != 1 && start[i] < from)) /* the second is endless */
			continue;
		(void)snprintf(out + n, 400, "%s[%d,5,%" PRId64 ",%" PRId64, rows++ > 0 ? "," : "", i + 1, start[i], start[i] + 1);
		add_nulls(out, 2000, listed(CT_CALENDAR) - 4);
		n = strlen(out);
		out[n++] = ']';
		out[n] = '\0';
	}
	(void)snprintf(out + n, 100, "]}");
	if (rows > 2)
		(void)snprintf(out, 200, "{\"error\":\"many\",\"category\":1,\"code\":\"CAL-5072\"}");
	return out;
}

START_TEST(too_many_appointments_come_in_parts)
{
	struct model_keys *k = model_keys_new((const unsigned char[KEY_BYTES]){ 1 });
	struct sighting *s;
	size_t n, seen = 0;

	begin(NULL, 0);
	responder_rule(many_rule);
	RC(RC_OK, ox_listing(ses, mem, k, CT_CALENDAR, "31", &s, &n, &e));
	ck_assert_uint_eq(n, 3);
	for (size_t i = 0; i < n; i++)
		seen |= (size_t)1 << s[i].id;
	ck_assert_uint_eq(seen, 14);
	model_keys_free(k);
}
END_TEST

START_TEST(a_column_that_ox_does_not_know_is_not_asked_for_again)
{
	BEGIN({ .want = ",105,", .json = "{\"error\":\"x\",\"category\":8,\"code\":\"TSK-0020\",\"error_params\":[105]}" }, { .json = "{\"data\":[],\"timestamp\":5}" },
	      { .want = "1,", .json = "{\"error\":\"x\",\"category\":8,\"code\":\"TSK-0020\",\"error_params\":[1]}" }, { .want = "columns=1,", .json = "{\"data\":[],\"timestamp\":5}" });
	struct object **o;
	int64_t *del;
	size_t n, nd;
	msec_t ts;

	RC(RC_UPSTREAM, ox_updates(ses, mem, CT_TASK, "33", 5, &o, &n, &del, &nd, &ts, NULL, &e));
	RC(RC_OK, ox_updates(ses, mem, CT_TASK, "33", 5, &o, &n, &del, &nd, &ts, NULL, &e));
	ck_assert_ptr_null(strstr(responder_request(3), ",105,"));
	ck_assert_ptr_nonnull(strstr(responder_request(3), ",104,200,"));
	RC(RC_UPSTREAM, ox_updates(ses, mem, CT_TASK, "33", 5, &o, &n, &del, &nd, &ts, NULL, &e)); /* not without the id */
	RC(RC_OK, ox_updates(ses, mem, CT_TASK, "33", 5, &o, &n, &del, &nd, &ts, NULL, &e));
}
END_TEST

/* Mails 1 to 9 of one day each, but mail 9 is older than all, and 8 vanishes between the requests. */
static char *
window_rule(const char *request)
{
	const char *limit = strstr(request, "&right_hand_limit=");
	long max = limit != NULL ? strtol(limit + 18, NULL, 10) : 0;
	char *out = malloc(3000);
	size_t n = (size_t)snprintf(out, 100, "{\"data\":[");

	if (strstr(request, "action=list") != NULL) {
		ck_assert_ptr_nonnull(strstr(request, "[{\"folder\":\"f\",\"id\":\"9\"},{\"folder\":\"f\",\"id\":\"4294967295\"}]"));
		n += (size_t)snprintf(out + n, 100, "[\"9\",0,32,0,[\"Later\"]]");
	} else if (strstr(request, "columns=600&") != NULL || strstr(request, "columns=600 ") != NULL) {
		n += (size_t)snprintf(out + n, 200, "[\"9\"],[\"1\"],[\"2\"],[\"3\"],[\"4\"],[\"7\"],[\"6\"],[\"5\"]");
	} else {
		for (long i = 0; i < max && i < 8; i++)
			n += (size_t)snprintf(out + n, 100, "%s[\"%ld\",%ld,0,0,[]]", i > 0 ? "," : "", 8 - i, 1000 * (8 - i));
		if (max > 8)
			n += (size_t)snprintf(out + n, 100, ",[\"9\",0,32,0,null]");
	}
	(void)snprintf(out + n, 100, "]}");
	return out;
}

START_TEST(newest_means_highest_uids)
{
	struct model_keys *k = model_keys_new((const unsigned char[KEY_BYTES]){ 1 });
	struct sighting *s;
	size_t n;

	begin(NULL, 0);
	responder_rule(window_rule);
	RC(RC_OK, ox_mail_newest(ses, mem, k, "f", 3, NULL, &s, &n, &e));
	ck_assert_uint_eq(n, 3);
	ck_assert(s[0].id == 9 && s[0].nf == 2 && s[1].id == 7 && s[2].id == 6 && s[2].t0 == 6000);
	RC(RC_OK, ox_mail_newest(ses, mem, k, "f", 20, NULL, &s, &n, &e)); /* all there are, in one request */
	ck_assert(n == 9 && s[0].id == 9 && s[8].id == 1);
	ck_assert_uint_eq(responder_count(), 2 + 3 + 1);
	/* which ones they are is known: nobody asks for all uids, and the one that the window by date does not hold is fetched */
	RC(RC_OK, ox_mail_newest(ses, mem, k, "f", 3, (const int64_t[]){ 9, 7, 6 }, &s, &n, &e));
	ck_assert(n == 3 && s[0].id == 9 && s[0].nf == 2 && s[1].id == 7 && s[2].id == 6);
	ck_assert_uint_eq(responder_count(), 2 + 3 + 1 + 2);
	RC(RC_OK, ox_mail_newest(ses, mem, k, "f", 3, (const int64_t[]){ 8, 7, 6 }, &s, &n, &e)); /* all in the window */
	ck_assert(n == 3 && s[0].id == 8 && s[2].id == 6);
	ck_assert_uint_eq(responder_count(), 2 + 3 + 1 + 2 + 1);
	model_keys_free(k);
}
END_TEST

START_TEST(moved_away_and_back_is_there)
{
	char row[2000] = "{\"timestamp\":9,\"data\":[[\"9\"", tail[] = "],\"9\",8,\"7\"]}";
	struct step s[2] = { { .want = "ignore=false", .json = row }, { .json = "{\"error\":\"x\",\"category\":8,\"code\":\"SVL-0011\"}" } };
	struct object **o;
	int64_t *del;
	size_t n, nd, columns = 0;
	msec_t ts;

	for (size_t i = 0; i < model_content(CT_CONTACT)->n_fields; i++)
		columns += (model_content(CT_CONTACT)->fields[i].flags & FF_NOCOLUMN) == 0 ? 1 : 0;
	for (size_t i = 1; i < columns; i++)
		memcpy(row + strlen(row), ",null", 6);
	memcpy(row + strlen(row), tail, sizeof(tail));
	begin(s, 2);
	RC(RC_OK, ox_updates(ses, mem, CT_CONTACT, "32", 5, &o, &n, &del, &nd, &ts, NULL, &e));
	ck_assert(n == 1 && o[0]->id == 9 && nd == 2 && del[0] == 8 && del[1] == 7 && ts == 9);
	object_drop_all(o, n);
	RC(RC_NOTFOUND, ox_updates(ses, mem, CT_CONTACT, "32", 5, &o, &n, &del, &nd, &ts, NULL, &e));
	ck_assert_str_eq(e.code, "SVL-0011");
}
END_TEST

START_TEST(folders_are_all_or_nothing)
{
#define NO_ROWS "{\"data\":{\"private\":[]}}"
#define NO_ROOTS "{\"data\":[]}"
	BEGIN({ .json = "[" NO_ROWS "," NO_ROWS "," NO_ROWS ",{\"error\":\"imap\",\"category\":5,\"code\":\"MSG-1016\"}," NO_ROOTS "]" },
	      { .json = "[" NO_ROWS "," NO_ROWS "," NO_ROWS ",{\"error\":\"imap\",\"category\":3,\"code\":\"MSG-0013\"}," NO_ROOTS "]" }, { .json = "[" NO_ROWS "]" },
	      { .json = "[" NO_ROWS "," NO_ROWS "," NO_ROWS "," NO_ROWS ",{\"error\":\"db\",\"category\":8,\"code\":\"FLD-9999\"}]" });
	struct object **o;
	size_t n;

	RC(RC_UPSTREAM, ox_folders(ses, mem, &o, &n, &e));
	RC(RC_OK, ox_folders(ses, mem, &o, &n, &e));
	ck_assert_uint_eq(n, 0);
	RC(RC_UPSTREAM, ox_folders(ses, mem, &o, &n, &e));
	RC(RC_UPSTREAM, ox_folders(ses, mem, &o, &n, &e)); /* no roots: what hangs below them must not move to the top */
}
END_TEST

START_TEST(raw_mail_is_octets)
{
	static const char raw[] = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream;charset=UTF-8\r\nContent-Length: 7\r\n\r\na\0\xff\r\n{}";
	struct step s[2] = { { .want = "src=1&save=1&unseen=true", .raw = raw, .raw_len = sizeof(raw) - 1 }, { .json = "{\"error\":\"gone\",\"category\":1,\"code\":\"MSG-0032\"}" } };
	struct buf b;

	begin(s, 2);
	buf_init(&b, 100);
	RC(RC_OK, ox_mail_raw(ses, "f", 5, NULL, &b, &e));
	ck_assert_uint_eq(b.len, 7);
	ck_assert_int_eq(memcmp(b.p, "a\0\xff\r\n{}", 7), 0);
	RC(RC_NOTFOUND, ox_mail_raw(ses, "f", 6, NULL, &b, &e));
	buf_fini(&b);
}
END_TEST

START_TEST(flags_are_written_bit_by_bit)
{
	const struct content_type *t = model_content(CT_MAIL);
	BEGIN({ .want = "{\"set_flags\":32,\"clear_flags\":8}", .json = "{\"data\":{}}" }, { .want = "{\"set_flags\":40,\"clear_flags\":261,\"color_label\":2}", .json = "{\"data\":{}}" });
	struct object *o = object_new(mem, CT_MAIL);
	struct fmask m = { { 0 } };
	msec_t lm;

	object_set(o, (unsigned)model_field(t, "flags"), json_integer(32 | 2));
	fmask_set(&m, (unsigned)model_field(t, "flag_seen"));
	fmask_set(&m, (unsigned)model_field(t, "flag_flagged"));
	RC(RC_OK, ox_update(ses, "f", 5, NULL, o, &m, 0, &lm, &e));
	object_set(o, (unsigned)model_field(t, "flags"), json_integer(32 | 8 | 2 | 64));
	object_set(o, (unsigned)model_field(t, "color_label"), json_integer(2));
	memset(&m, 0, sizeof(m));
	fmask_set(&m, (unsigned)model_field(t, "flags"));
	fmask_set(&m, (unsigned)model_field(t, "color_label"));
	RC(RC_OK, ox_update(ses, "f", 5, NULL, o, &m, 0, &lm, &e));
	object_drop(o);
}
END_TEST

/* What was sent is not sent again, however OX says that it could not keep the copy; what was refused was not sent. */
START_TEST(sending_and_its_answers)
{
	BEGIN({ .want = "action=new&copy2Sent=true", .json = "{\"data\":{\"folder_id\":\"default0/Sent\",\"id\":\"7\"}}" }, { .want = "text/plain", .json = "{\"data\":{}}" },
	      { .json = "{\"error\":\"quota\",\"category\":11,\"code\":\"MSG-0042\"}" }, { .json = "{\"error\":\"no copy\",\"category\":13,\"code\":\"MSG-0043\"}" },
	      { .json = "{\"error\":\"Not yours.\",\"category\":1,\"code\":\"MSG-0056\"}" }, { .json = "{\"dat" });
	const char *folder;
	int64_t id;

	RC(RC_OK, ox_mail_send(ses, mem, "From: a\r\n\r\n\xff\n", 13, 1, &folder, &id, &e));
	ck_assert_str_eq(folder, "default0/Sent");
	ck_assert_int_eq(id, 7);
	ck_assert_ptr_nonnull(strstr(responder_request(2), "\r\n\r\nFrom: a\r\n\r\n\xff\n"));
	for (int i = 0; i < 3; i++) {
		RC(RC_OK, ox_mail_send(ses, mem, "From: a\r\n\r\nx", 12, -1, &folder, &id, &e));
		ck_assert(folder == NULL && id == 0);
	}
	RC(RC_PROTO, ox_mail_send(ses, mem, "From: a\r\n\r\nx", 12, -1, &folder, &id, &e));
	ck_assert_str_eq(e.code, "MSG-0056");
	ck_assert_str_eq(e.path, "raw");
	ck_assert(strncmp(e.text, "Not yours. Put", 14) == 0);
	RC(RC_TIMEOUT, ox_mail_send(ses, mem, "From: a\r\n\r\nx", 12, -1, &folder, &id, &e));
}
END_TEST

START_TEST(mails_that_are_gone_are_not_moved)
{
	BEGIN({ .want = "{\"folder_id\":\"t\"}", .json = "{\"data\":{\"folder_id\":\"f\",\"id\":\"5\"}}" }, { .json = "{\"data\":{\"folder_id\":\"t\",\"id\":\"9\"}}" },
	      { .json = "{\"data\":{\"folder_id\":\"t\",\"id\":null}}" }, { .json = "{\"error\":\"full\",\"category\":11,\"code\":\"MSG-0039\"}" });
	int64_t id;
	msec_t lm;

	RC(RC_NOTFOUND, ox_move(ses, CT_MAIL, "f", 5, NULL, "t", 0, &id, &lm, &e));
	RC(RC_OK, ox_move(ses, CT_MAIL, "f", 5, NULL, "t", 0, &id, &lm, &e));
	ck_assert_int_eq(id, 9);
	RC(RC_OK, ox_move(ses, CT_MAIL, "f", 5, NULL, "t", 0, &id, &lm, &e));
	ck_assert_int_eq(id, 0);
	RC(RC_LIMIT, ox_delete(ses, CT_MAIL, "f", 5, NULL, 0, false, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "for good"));
}
END_TEST

START_TEST(what_is_not_deleted_is_a_conflict)
{
	BEGIN({ .want = "[{\"id\":\"5\",\"folder\":\"32\"}]", .json = "{\"data\":[\"5\"],\"timestamp\":1}" }, { .json = "{\"data\":{},\"timestamp\":1}" },
	      { .want = "harddelete=1", .json = "{\"data\":[]}" });

	RC(RC_CONFLICT, ox_delete(ses, CT_CONTACT, "32", 5, NULL, 1, false, &e));
	RC(RC_OK, ox_delete(ses, CT_CONTACT, "32", 5, NULL, 1, false, &e));
	RC(RC_OK, ox_delete(ses, CT_MAIL, "default0/INBOX", 5, NULL, 0, true, &e));
}
END_TEST

START_TEST(after_the_end_nothing_is_sent)
{
	BEGIN({ .want = "action=logout", .raw = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" });
	ck_assert(ox_session_password_is(ses, "sec&ret") && !ox_session_password_is(ses, "sec&re") && !ox_session_password_is(ses, ""));
	ck_assert_ptr_eq(ox_session_ref(ses), ses);
	ox_session_unref(ses);
	ox_session_end(ses);
	ox_session_end(ses);
	RC(RC_DENIED, do_read());
	ck_assert_uint_eq(responder_count(), 3);
}
END_TEST

START_TEST(bad_options_are_refused)
{
	struct backend_options o = { .url = "ftp://x", .max_connections = 1, .rows_per_request = 1 };

	RC(RC_PROTO, backend_new(&o, &be, &e));
	o.url = "http://x";
	o.max_connections = 0;
	RC(RC_PROTO, backend_new(&o, &be, &e));
	ck_assert_ptr_null(be);
	backend_free(NULL);
	ox_session_unref(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backend");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	suite_add_tcase(s, t);
	suite_add_tcase(s, case_scan());
	suite_add_tcase(s, case_chronos());
	suite_add_tcase(s, case_count());
	suite_add_tcase(s, case_sieve());
	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, login_and_cookies);
	tcase_add_test(t, login_falls_back_to_the_other_client);
	tcase_add_test(t, login_refused);
	tcase_add_test(t, lost_session_is_revived_for_reads_and_writes);
	tcase_add_test(t, password_changed_meanwhile);
	tcase_add_test(t, a_login_without_an_answer_leaves_nothing_unknown);
	tcase_add_test(t, many_threads_one_login);
	tcase_add_test(t, closed_without_an_answer);
	tcase_add_test(t, closed_while_idle);
	tcase_add_test(t, half_an_answer);
	tcase_add_test(t, nonsense);
	tcase_add_test(t, no_answer_in_time);
	tcase_add_test(t, nobody_there);
	tcase_add_test(t, told_to_wait);
	tcase_add_test(t, error_pages);
	tcase_add_test(t, gzip_is_undone);
	tcase_add_test(t, too_large);
	tcase_add_test(t, closed_imap_folder_is_tried_once_more);
	tcase_add_test(t, warnings_are_no_errors);
	tcase_add_test(t, answers_in_web_pages);
	tcase_add_loop_test(t, errors_mean_what_they_mean, 0, (int)ARRAY_LEN(meanings));
	tcase_add_test(t, blamed_fields_are_named);
	tcase_add_test(t, colliding_appointments_are_listed);
	tcase_add_test(t, cleared_fields_in_their_modules_way);
	tcase_add_test(t, a_pattern_goes_as_a_whole);
	tcase_add_test(t, rows_that_do_not_fit_are_refused);
	tcase_add_test(t, poison_is_isolated);
	tcase_add_test(t, a_database_that_is_down_is_no_poison);
	tcase_add_test(t, too_many_appointments_come_in_parts);
	tcase_add_test(t, a_column_that_ox_does_not_know_is_not_asked_for_again);
	tcase_add_test(t, newest_means_highest_uids);
	tcase_add_test(t, moved_away_and_back_is_there);
	tcase_add_test(t, folders_are_all_or_nothing);
	tcase_add_test(t, raw_mail_is_octets);
	tcase_add_test(t, flags_are_written_bit_by_bit);
	tcase_add_test(t, sending_and_its_answers);
	tcase_add_test(t, mails_that_are_gone_are_not_moved);
	tcase_add_test(t, what_is_not_deleted_is_a_conflict);
	tcase_add_test(t, after_the_end_nothing_is_sent);
	tcase_add_test(t, bad_options_are_refused);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
