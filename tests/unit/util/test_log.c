/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Errors, log lines that cannot be forged, the clock of tests and the counters. */
#include "unit/util/test_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

START_TEST(errors)
{
	struct err e;
	char big[1000];

	memset(&e, 0xff, sizeof(e));
	ck_assert_int_eq(err_set(&e, RC_BUSY, "%s is %d", "it", 7), RC_BUSY);
	ck_assert_int_eq(e.rc, RC_BUSY);
	ck_assert_str_eq(e.text, "it is 7");
	ck_assert_str_eq(e.path, "");
	ck_assert_str_eq(e.code, "");
	ck_assert(e.category == 0 && e.retry_after_s == 0); /* nothing of an earlier error stays */
	ck_assert_int_eq(err_set_path(&e, RC_PROTO, "$.a[3]", "no text"), RC_PROTO);
	ck_assert_str_eq(e.path, "$.a[3]");
	ck_assert_int_eq(err_set(NULL, RC_LIMIT, "%d", 1), RC_LIMIT);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set_path(&e, RC_PROTO, big, "%s", big);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
	ck_assert_uint_eq(strlen(e.path), sizeof(e.path) - 1);
}
END_TEST

START_TEST(names)
{
	for (unsigned i = 0; i < RC_COUNT; i++) {
		ck_assert_ptr_nonnull(rc_name((enum rc)i));
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(rc_name((enum rc)i), rc_name((enum rc)k));
	}
	ck_assert_str_eq(rc_name(RC_COUNT), "unknown");
	for (unsigned i = 0; i < M_COUNT; i++) {
		ck_assert_msg(metric_name((enum metric)i) != NULL && metric_help((enum metric)i) != NULL, "metric %u", i);
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(metric_name((enum metric)i), metric_name((enum metric)k));
	}
}
END_TEST

START_TEST(counters)
{
	int64_t before = metric_get(M_WAITERS);

	metric_add(M_WAITERS, 5);
	metric_add(M_WAITERS, -2);
	ck_assert_int_eq(metric_get(M_WAITERS), before + 3);
	metric_add(M_WAITERS, -3);
}
END_TEST

static void
one_series(void *arg, const struct metric_series *s)
{
	*(struct metric_series *)arg = *s;
}

START_TEST(families)
{
	struct metric_series s = { .count = 0 };
	struct buf b;

	metric_count(F_REFUSED, "a \"reason\"\nwith\\all", NULL);
	metric_count(F_REFUSED, "a \"reason\"\nwith\\all", NULL);
	metric_time(F_QUEUE_TIME, NULL, 1500);
	metric_time(F_QUEUE_TIME, NULL, 2000);
	metric_time(F_QUEUE_TIME, NULL, 2001);
	metric_time(F_QUEUE_TIME, NULL, INT64_C(1) << 40);
	metric_each(F_QUEUE_TIME, one_series, &s);
	ck_assert_int_eq(s.count, 4);
	ck_assert_int_eq(s.bucket[4], 2); /* to 2 ms, the bound itself included */
	ck_assert_int_eq(s.bucket[5], 1);
	ck_assert_int_eq(s.bucket[METRIC_BOUNDS], 1);
	buf_init(&b, 0);
	metrics_format(&b);
	ck_assert_ptr_nonnull(strstr(b.p, "\nusmd_requests_refused_total{reason=\"a _reason__with_all\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nusmd_queue_seconds_bucket{le=\"0.002\"} 2\nusmd_queue_seconds_bucket{le=\"0.005\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nusmd_queue_seconds_bucket{le=\"+Inf\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nusmd_queue_seconds_count 4\n"));
	buf_fini(&b);
	/* endless labels end */
	for (int i = 0; i < 5000; i++) {
		char label[24];

		(void)snprintf(label, sizeof(label), "%d", i);
		metric_count(F_ASIDE, label, NULL);
	}
	metric_count(F_REFUSED, "a \"reason\"\nwith\\all", NULL);
	metric_each(F_REFUSED, one_series, &s);
	ck_assert_int_eq(s.count, 3);
}
END_TEST

static FILE *caught;
static int stderr_kept;

static void
catch_stderr(void)
{
	caught = tmpfile();
	ck_assert_ptr_nonnull(caught);
	stderr_kept = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fileno(caught), STDERR_FILENO), 0);
}

/* What was written since catch_stderr; the caller's memory of SIZE bytes. */
static void
release_stderr(char *out, size_t size)
{
	size_t n;

	ck_assert_int_ge(dup2(stderr_kept, STDERR_FILENO), 0);
	(void)close(stderr_kept);
	rewind(caught);
	n = fread(out, 1, size - 1, caught);
	out[n] = '\0';
	(void)fclose(caught);
}

START_TEST(log_lines)
{
	char out[4096];

	catch_stderr();
	log_setup(LOG_LVL_INFO, true);
	log_ctx()->req = 12;
	log_ctx()->account = 34;
	log_info("login", "user=%s", "anna");
	memset(log_ctx(), 0, sizeof(*log_ctx()));
	log_debug("hidden", "x=%d", 1);
	log_level_set(LOG_LVL_ERROR);
	log_warn("hidden", "x=%d", 1);
	log_error("shown", "x=%d", 2);
	log_setup(LOG_LVL_INFO, false);
	release_stderr(out, sizeof(out));
	ck_assert_str_eq(out, "<6>level=info event=login req=12 account=34 user=anna\n<3>level=error event=shown x=2\n");
}
END_TEST

START_TEST(log_line_cannot_be_forged)
{
	char out[8192], big[3000];
	const char *nl;

	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	catch_stderr();
	log_setup(LOG_LVL_INFO, true);
	log_info("upstream", "text=\"%s\"", "a\n<3>level=error event=fake\r\x1b[2J\t\x7f" "b");
	log_info("long", "text=%s", big);
	log_setup(LOG_LVL_INFO, false);
	release_stderr(out, sizeof(out));
	nl = strchr(out, '\n');
	ck_assert_ptr_nonnull(nl);
	ck_assert_msg(strncmp(out, "<6>level=info event=upstream text=\"a <3>level=error event=fake  [2J  b\"\n",
	    (size_t)(nl - out) + 1) == 0, "%s", out);
	/* a long text is cut, and its line ends all the same */
	ck_assert_int_eq(strncmp(nl + 1, "<6>level=info event=long text=yyy", 33), 0);
	nl = strchr(nl + 1, '\n');
	ck_assert_ptr_nonnull(nl);
	ck_assert_str_eq(nl, "\n");
	ck_assert_uint_lt(strlen(out), 2000);
}
END_TEST

/* What a value says is never another field, a second line or the end of a text, in any form. */
#define HOSTILE "x\" level=error device=7\n{\"event\":\"fake\"}\\\x1f\xff"

static void
hostile_lines(void)
{
	log_ctx()->device = 42;
	log_info("access", "client=%s path=%s status=%d ms=%d.%03d text=nothing here", HOSTILE, "/a b", 200, 1, 7);
	log_warn("own", "device=%s quoted=\"%s\"", "phone=1", HOSTILE);
	log_info("plain", "%s key=%s", HOSTILE, "");
	memset(log_ctx(), 0, sizeof(*log_ctx()));
}

START_TEST(hostile_text)
{
	char out[8192];

	catch_stderr();
	log_setup(LOG_LVL_INFO, true);
	hostile_lines();
	log_setup(LOG_LVL_INFO, false);
	release_stderr(out, sizeof(out));
#define HOSTILE_QUOTED "\"x\\\" level=error device=7 {\\\"event\\\":\\\"fake\\\"}\\\\ ?\""
	ck_assert_str_eq(out, "<6>level=info event=access device=42 client=" HOSTILE_QUOTED " path=\"/a b\" status=200 ms=1.007 text=\"nothing here\"\n"
	    "<4>level=warn event=own device=\"phone=1\" quoted=" HOSTILE_QUOTED "\n"
	    "<6>level=info event=plain device=42 text=" HOSTILE_QUOTED " key=\"\"\n");
}
END_TEST

START_TEST(hostile_json)
{
	struct err e;
	char out[8192];
	const char *p;

	catch_stderr();
	ck_assert_int_eq(log_open("stderr", true, &e), RC_OK);
	hostile_lines();
	ck_assert_int_eq(log_open("stderr", false, &e), RC_OK);
	release_stderr(out, sizeof(out));
	ck_assert_int_eq(strncmp(out, "{\"time\":\"20", 11), 0);
	p = strstr(out, "Z\",");
	ck_assert_ptr_nonnull(p);
	p += 3;
	ck_assert_int_eq(strncmp(p, "\"level\":\"info\",\"event\":\"access\",\"device\":42,\"client\":" HOSTILE_QUOTED
	    ",\"path\":\"/a b\",\"status\":200,\"ms\":1.007,\"text\":\"nothing here\"}\n", strcspn(p, "\n") + 1), 0);
	p = strstr(p, "\"own\"");
	ck_assert_int_eq(strncmp(p, "\"own\",\"device\":\"phone=1\",\"quoted\":" HOSTILE_QUOTED "}\n", strcspn(p, "\n") + 1), 0);
}
END_TEST

START_TEST(journal_fields)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char dir[] = "/tmp/journal.XXXXXX", got[8192];
	struct err e;
	ssize_t n;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", dir);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	log_journal_override(a.sun_path);
	ck_assert_int_eq(log_open("auto", false, &e), RC_OK); /* stderr is not the journal's: it stays */
	log_setup(LOG_LVL_INFO, true);
	ck_assert_int_eq(log_open("auto", false, &e), RC_OK);
	hostile_lines();
	n = recv(fd, got, sizeof(got) - 1, 0);
	ck_assert_int_gt(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, "MESSAGE=level=info event=access device=42 client=" HOSTILE_QUOTED " path=\"/a b\" status=200 ms=1.007 text=\"nothing here\"\n"
	    "PRIORITY=6\nSYSLOG_IDENTIFIER=usmd\nUSMD_LEVEL=info\nUSMD_EVENT=access\nUSMD_DEVICE=42\n"
	    "USMD_CLIENT=x\" level=error device=7 {\"event\":\"fake\"}\\ ?\nUSMD_PATH=/a b\nUSMD_STATUS=200\nUSMD_MS=1.007\nUSMD_TEXT=nothing here\n");
	/* nobody takes it any more: counted, and nothing stops */
	(void)close(fd);
	ck_assert_int_eq(metric_get(M_LOG_LOST), 0);
	log_info("lost", "x=%d", 1);
	ck_assert_int_eq(metric_get(M_LOG_LOST), 1);
	log_setup(LOG_LVL_INFO, false);
	(void)unlink(a.sun_path);
	ck_assert_int_eq(log_open("journal", false, &e), RC_NOTFOUND);
	ck_assert_int_eq(log_open("stderr", false, &e), RC_OK);
	log_journal_override(NULL);
	(void)rmdir(dir);
}
END_TEST

static void
read_back(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	(void)fclose(f);
}

START_TEST(log_file)
{
	char dir[] = "/tmp/log.XXXXXX", path[64], old[64], got[4096];
	struct stat st;
	struct err e;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/usmd.log", dir);
	(void)snprintf(old, sizeof(old), "%s/old", dir);
	ck_assert_int_eq(log_open("nowhere", false, &e), RC_PROTO);
	ck_assert_int_eq(log_open("/nonexistent/usmd.log", false, &e), RC_NOTFOUND);
	ck_assert_int_eq(log_open(path, false, &e), RC_OK);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	log_info("one", "x=%d", 1);
	ck_assert_int_eq(rename(path, old), 0);
	log_info("two", "x=%d", 2);
	ck_assert(log_reopen());
	log_debug_events("ox, three");
	log_debug("three", "x=%d", 3);
	log_debug("four", "x=%d", 4);
	log_debug_events("");
	ck_assert_int_eq(log_open("stderr", false, &e), RC_OK);
	read_back(old, got, sizeof(got));
	ck_assert_ptr_nonnull(strstr(got, "event=one x=1\n20"));
	ck_assert_ptr_nonnull(strstr(got, "event=two x=2\n"));
	read_back(path, got, sizeof(got));
	ck_assert_ptr_nonnull(strstr(got, "level=debug event=three x=3\n"));
	ck_assert_ptr_null(strstr(got, "four"));
	(void)unlink(path);
	(void)unlink(old);
	(void)rmdir(dir);
}
END_TEST

START_TEST(log_time)
{
	char out[4096];
	int y, mo, d, h, mi, s, ms, end = 0;

	catch_stderr();
	log_info("t", "%s", "x=1");
	release_stderr(out, sizeof(out));
	ck_assert_int_eq(sscanf(out, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ level=info event=t text=\"x=1\"\n%n", &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
	ck_assert_uint_eq((size_t)end, strlen(out));
	ck_assert_int_ge(y, 2024);
}
END_TEST

static msec_t
fixed_clock(void)
{
	return 1234;
}

START_TEST(clock_of_tests)
{
	int64_t mono = now_mono_us();

	clock_override(fixed_clock);
	ck_assert_int_eq(now_ms(), 1234);
	clock_override(NULL);
	ck_assert_int_gt(now_ms(), INT64_C(1700000000000));
	ck_assert_int_ge(now_mono_us(), mono);
}
END_TEST

TCase *
case_log(void)
{
	TCase *tc = tcase_create("log");

	tcase_add_test(tc, errors);
	tcase_add_test(tc, names);
	tcase_add_test(tc, counters);
	tcase_add_test(tc, families);
	tcase_add_test(tc, log_lines);
	tcase_add_test(tc, log_line_cannot_be_forged);
	tcase_add_test(tc, hostile_text);
	tcase_add_test(tc, hostile_json);
	tcase_add_test(tc, journal_fields);
	tcase_add_test(tc, log_file);
	tcase_add_test(tc, log_time);
	tcase_add_test(tc, clock_of_tests);
	return tc;
}
