/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Traces: what may and may not stand in them; orders of strangers; the end by time, size and age. */
#include "unit/util/test_util.h"

#include "util/trace_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *
redacted(bool plain, const char *json)
{
	static char text[4][8192];
	static unsigned turn;
	struct redact r = { .plain = plain };
	struct buf b;

	memset(r.key, 7, sizeof(r.key));
	buf_init(&b, 0);
	redact_json(&r, json, strlen(json), &b);
	turn = (turn + 1) % 4;
	(void)snprintf(text[turn], sizeof(text[turn]), "%s", b.p != NULL ? b.p : "");
	buf_fini(&b);
	return text[turn];
}

START_TEST(values_become_tokens)
{
	const char *a = redacted(false, "{\"last_name\":\"M\\u00fcller\", \"n\" : 12345678, \"x\":[1,true,null,-99999.5,\"\"],\"action\":\"update\"}");
	const char *b = redacted(false, "{\"other\":\"Müller\",\"m\":12345678}");
	char token[8] = "", again[8] = "";

	ck_assert_int_eq(sscanf(a, "{\"last_name\":\"%6[a-z2-7]\",\"n\":", token), 1);
	ck_assert_uint_eq(strlen(token), 6); /* as many characters as the name has, in whatever octets */
	ck_assert_int_eq(sscanf(b, "{\"other\":\"%6[a-z2-7]\"", again), 1);
	ck_assert_str_eq(token, again);
	ck_assert_str_eq(strstr(a, "\"n\":") + 4 + 8, strstr(strstr(a, "\"n\":"), ",\"x\""));
	ck_assert_int_eq(strncmp(strstr(a, "\"n\":") + 4, strstr(b, "\"m\":") + 4, 8), 0);
	ck_assert_ptr_null(strstr(a, "12345678"));
	ck_assert_ptr_nonnull(strstr(a, "\"x\":[1,true,null,-"));
	ck_assert_ptr_nonnull(strstr(a, ",\"\"],\"action\":\"update\"}"));
	ck_assert_ptr_null(strstr(a, "99999"));
}
END_TEST

START_TEST(no_value_survives)
{
	/* names that are data, escapes, what is cut off, what is no JSON, a mail in a string */
	static const char *const bad[] = {
		"{\"anton@example.com\":\"anton\",\"3f2a99c1\":{\"anton 1\":\"anton\"}}", "{\"a\":\"an\\u0074on", "{\"a\":anton}", "[\"x\\\\\",\"anton\"]", "{\"a\" anton",
		"[\"\\\"anton\"]", "{\"action\":\"to anton\"}", "{\"a\":\"\\", "{\"a\":\"anton\\u00", "[anton@example.com]", "{\"a\":\"anton\n\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *out = redacted(false, bad[i]);

		ck_assert_msg(strstr(out, "anton") == NULL && strstr(out, "example") == NULL && strchr(out, '\n') == NULL, "%s -> %s", bad[i], out);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_ptr_null(strchr(redacted(true, bad[i]), '\n'));
}
END_TEST

START_TEST(secrets_are_never_plain)
{
	const char *out = redacted(true, "{\"user\":\"anton\",\"password\":\"geheim\",\"newPassword\":\"geheim\",\"session\":\"geheim\",\"token\":\"geheim\",\"n\":12345}");
	struct redact r = { .plain = true };
	struct buf b;

	ck_assert_ptr_nonnull(strstr(out, "\"user\":\"anton\""));
	ck_assert_ptr_nonnull(strstr(out, "\"n\":12345}"));
	ck_assert_ptr_null(strstr(out, "geheim"));
	buf_init(&b, 0);
	redact_query(&r, "/contacts?session=geheim&action=all&folder=32", &b);
	ck_assert_int_eq(strncmp(b.p, "/contacts?session=", 18), 0);
	ck_assert_str_eq(b.p + 24, "&action=all&folder=32");
	ck_assert_ptr_null(strstr(b.p, "geheim"));
	buf_reset(&b);
	r.plain = false;
	redact_query(&r, "/mail?action=get&folder=default0/INBOX&id=7&name=anton", &b);
	ck_assert_int_eq(strncmp(b.p, "/mail?action=get&folder=", 24), 0);
	ck_assert_ptr_null(strstr(b.p, "INBOX"));
	ck_assert_ptr_null(strstr(b.p, "anton"));
	ck_assert_ptr_nonnull(strstr(b.p, "&id=7&name="));
	buf_fini(&b);
}
END_TEST

static msec_t the_time = 1000000000000;

static msec_t
my_clock(void)
{
	return the_time;
}

static char dir[] = "/tmp/trace.XXXXXX";

static bool
exists(const char *name, struct stat *st)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, st) == 0;
}

static void
say(const char *body)
{
	const struct trace_record x = { .side = TRACE_CLIENT, .method = "POST", .what = "login", .body = body, .len = strlen(body), .at = the_time };

	trace_record(5, &x);
}

START_TEST(life_of_a_trace)
{
	struct trace_options o = { .dir = dir, .max_bytes = 1000, .keep_ms = 60000 };
	struct trace_order order = { .device = 5, .began = the_time, .until = the_time + 10000, .sides = TRACE_CLIENT };
	const char *name = "5-1000000000000.trace";
	char path[80], text[2048];
	struct timespec old[2] = { { .tv_sec = 999999000 }, { .tv_sec = 999999000 } };
	struct stat st;
	struct err e;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	clock_override(my_clock);
	trace_setup(&o);
	ck_assert(!trace_wanted(5, TRACE_CLIENT));
	ck_assert_int_eq(trace_order_write(dir, &order, &e), RC_OK);
	ck_assert(exists("5.on", &st));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	trace_look();
	ck_assert(trace_wanted(5, TRACE_CLIENT));
	ck_assert(!trace_wanted(5, TRACE_OX));
	ck_assert(!trace_wanted(6, TRACE_CLIENT));
	say("{\"user\":\"anton\"}");
	ck_assert(exists(name, &st));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	/* its time is over: nothing is written from that moment on, and the order goes */
	the_time += 10000;
	ck_assert(!trace_wanted(5, TRACE_CLIENT));
	trace_look();
	ck_assert(!exists("5.on", &st));
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "= usmd-trace 1 device=5 began=1000000000000 values=replaced"));
	ck_assert_ptr_nonnull(strstr(text, "\n> client 0.000 req=0 POST login\n{\"user\":\""));
	ck_assert_ptr_nonnull(strstr(text, "\n= end time\n"));
	ck_assert_ptr_null(strstr(text, "anton"));
	/* its size */
	order.began = the_time;
	order.until = the_time + 10000;
	ck_assert_int_eq(trace_order_write(dir, &order, &e), RC_OK);
	trace_look();
	for (int i = 0; i < 100; i++)
		say("{\"user\":\"anton\"}");
	ck_assert(!trace_wanted(5, TRACE_CLIENT));
	trace_look();
	ck_assert(exists("5-1000000010000.trace", &st));
	ck_assert_int_lt(st.st_size, 1200);
	ck_assert(!exists("5.on", &st));
	/* an order that others could have read, or that asks for plain values where these are not allowed */
	order.began++;
	order.plain = true;
	ck_assert_int_eq(trace_order_write(dir, &order, &e), RC_OK);
	(void)snprintf(path, sizeof(path), "%s/5.on", dir);
	ck_assert_int_eq(chmod(path, 0644), 0);
	trace_look();
	ck_assert(!trace_wanted(5, TRACE_CLIENT));
	ck_assert_int_eq(chmod(path, 0600), 0);
	trace_look();
	ck_assert(trace_wanted(5, TRACE_CLIENT));
	say("{\"user\":\"anton\"}");
	(void)snprintf(path, sizeof(path), "%s/5-1000000010001.trace", dir);
	f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	ck_assert_ptr_null(strstr(text, "anton"));
	/* switched off */
	ck_assert(trace_order_drop(dir, 5));
	trace_look();
	ck_assert(!trace_wanted(5, TRACE_CLIENT));
	/* what is old goes, and so do they all */
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "5-1000000000000.trace", "5-1000000010000.trace", "5-1000000010001.trace" };

		ck_assert(exists(names[i], &st));
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		ck_assert_int_eq(utimensat(-1, path, old, 0), 0);
	}
	trace_look();
	trace_stop();
	clock_override(NULL);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

TCase *
case_trace(void)
{
	TCase *tc = tcase_create("trace");

	tcase_add_test(tc, values_become_tokens);
	tcase_add_test(tc, no_value_survives);
	tcase_add_test(tc, secrets_are_never_plain);
	tcase_add_test(tc, life_of_a_trace);
	return tc;
}
