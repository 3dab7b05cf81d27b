/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Errors, log lines that cannot be forged, the clock of tests and the counters. */
#include "unit/util/test_util.h"

#include <stdio.h>
#include <string.h>
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

START_TEST(log_time)
{
	char out[4096];
	int y, mo, d, h, mi, s, ms, end = 0;

	catch_stderr();
	log_info("t", "%s", "x=1");
	release_stderr(out, sizeof(out));
	ck_assert_int_eq(sscanf(out, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ level=info event=t x=1\n%n", &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
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
	tcase_add_test(tc, log_time);
	tcase_add_test(tc, clock_of_tests);
	return tc;
}
