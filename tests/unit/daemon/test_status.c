/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The status page from made-up samples: what must be in it, that foreign text cannot become markup, that its own style and script are what the policy
 * allows.  STATUS_SHOTS=FOLDER writes pages there that `make status-shots` takes pictures of.
 */
#include "daemon/status_int.h"

#include <check.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static msec_t the_time = INT64_C(1795386000000);

static msec_t
my_clock(void)
{
	return the_time;
}

static double
noise(double least, double most)
{
	static uint64_t x = 88172645463325252U;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return least + (most - least) * (double)(x >> 40) / (double)(1 << 24);
}

/* A working day's hours, with a quarter of an hour in which OX was slow. */
static void
fill(struct status *st, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double day = 1 + sin((double)i / 260), slow = i > 640 && i < 730 ? 1 : 0;
		struct status_sample s = { .at = the_time - (msec_t)(n - 1 - i) * STATUS_SAMPLE_MS, .waiting = 3600 + 700 * day + noise(-25, 25), .requests = 90,
			.syncs = 34 + 16 * day + noise(-6, 6), .failed = slow > 0 ? noise(.01, .05) : i % 97 == 0 ? .004 : 0, .half_ms = 6 + noise(-1, 1) + slow * 90,
			.most_ms = 38 + noise(-6, 14) + slow * noise(500, 900), .wake_ms = i % 40 < 2 ? -1 : 21 + noise(-5, 9), .ox = 60 * day + noise(0, 9),
			.ox_failed = slow > 0 ? noise(.01, .03) : 0, .ox_ms = 27 + noise(-4, 9) + slow * noise(300, 800), .pg_ms = 2.1 + noise(0, .8), .cache_hits = .93 };

		status_push(st, &s);
	}
}

static const char sources[] = "# HELP usmd_source_events_total x\nusmd_source_events_total{source=\"own\"} 18231\nusmd_source_events_total{source=\"node\"} 9114\n"
    "usmd_source_events_total{source=\"udp\"} 24470\nusmd_source_events_total{source=\"poll\"} 312\n"
    "usmd_source_last_event_seconds{source=\"own\"} 1795385999\nusmd_source_last_event_seconds{source=\"udp\"} 1795385990\n"
    "usmd_source_last_event_seconds{source=\"node\"} 1795385997\nusmd_source_last_event_seconds{source=\"poll\"} 1795385100\n";
static msec_t the_age = INT64_C(3) * 86400000; /* how long the server runs */
static const struct store_path paths[] = { { "198.51.100.0/24", 240, 216, 9, 0, 0 }, { "<b>net</b>", 300, 270, 4, 0, 0 } };

static void
page_of(struct status *st, enum httpd_health health, const char *why, size_t n_paths, const char *url, struct buf *out)
{
	struct status_facts f = { .health = health, .why = why, .now = the_time, .began = the_time - the_age, .sources = the_age > 60000 ? sources : "", .paths = paths,
		.n_paths = n_paths };
	const char *type = NULL;

	buf_init(out, 0);
	ck_assert(status_write(st, &f, url, out, &type));
	ck_assert_str_eq(type, strcmp(url, "/") == 0 ? "text/html; charset=utf-8" : "application/json");
	ck_assert(!out->failed);
}

static size_t
count(const char *page, const char *what)
{
	size_t n = 0;

	for (const char *p = page; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

/* Every tag that is opened is closed, in order. */
static void
balanced(const char *p)
{
	static const char *const empty[] = { "meta", "path", "!DOCTYPE" };
	char stack[64][16], name[16];
	size_t depth = 0;

	for (p = strchr(p, '<'); p != NULL; p = strchr(p, '<')) {
		const char *end = strchr(p, '>');
		bool close = p[1] == '/', none = false;

		ck_assert_ptr_nonnull(end);
		p += 1 + close;
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, " />"), p);
		for (size_t i = 0; i < ARRAY_LEN(empty); i++)
			none = none || strcmp(name, empty[i]) == 0;
		if (!close && strcmp(name, "script") == 0)
			end = strstr(p, "</script>") - 1;
		if (none)
			continue;
		if (!close) {
			ck_assert_uint_lt(depth, ARRAY_LEN(stack));
			memcpy(stack[depth++], name, sizeof(name));
		} else {
			ck_assert_msg(depth > 0 && strcmp(stack[--depth], name) == 0, "</%s> closes <%s>", name, stack[depth]);
		}
		p = end;
	}
	ck_assert_uint_eq(depth, 0);
}

static void
in_trouble(int64_t device, const char *event, enum log_level level, int times)
{
	const struct log_ctx c = { .account = 7, .device = device };

	for (int i = 0; i < times; i++)
		status_watch(level, event, &c);
	the_time += 700000;
}

static void
write_shot(const char *name, const struct buf *b)
{
	const char *dir = getenv("STATUS_SHOTS");
	char path[300];
	FILE *f;

	if (dir == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s.html", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(b->p, 1, b->len, f), b->len);
	(void)fclose(f);
}

START_TEST(a_new_server)
{
	struct status *st = status_new();
	struct buf b;

	the_age = 6000;
	page_of(st, HTTPD_READY, "", 0, "/", &b);
	the_age = INT64_C(3) * 86400000;
	balanced(b.p);
	ck_assert_ptr_nonnull(strstr(b.p, "<h2>Now <small>the first values come 20 seconds after the start</small></h2>"));
	ck_assert_uint_eq(count(b.p, ">nothing was measured</text>"), count(b.p, "role=\"img\""));
	ck_assert_ptr_null(strstr(b.p, ">now</text>")); /* an axis without times would be made up */
	ck_assert_ptr_nonnull(strstr(b.p, "No device and no part of the server has been in trouble"));
	ck_assert_ptr_nonnull(strstr(b.p, "<b>\xe2\x80\x93<small>")); /* nothing was measured: no 0 is made up */
	ck_assert_ptr_null(strstr(b.p, "nan"));
	write_shot("new", &b);
	buf_fini(&b);
	status_free(st);
}
END_TEST

START_TEST(a_day_of_work)
{
	struct status *st = status_new();
	const struct status_facts none = { .why = "" };
	const char *type;
	struct buf b;

	clock_override(my_clock);
	in_trouble(2041, "slow-request", LOG_LVL_WARN, 14);
	in_trouble(877, "stuck", LOG_LVL_WARN, 1);
	in_trouble(1312, "deletions-held", LOG_LVL_WARN, 2);
	in_trouble(0, "cache.down", LOG_LVL_WARN, 1);
	the_time = INT64_C(1795386000000) + 3 * 700000;
	fill(st, STATUS_SAMPLES + 100);
	page_of(st, HTTPD_DEGRADED, "database ok, cache away: working without it", 1, "/", &b);
	write_shot("busy", &b);
	buf_fini(&b);
	in_trouble(3, "<script>", LOG_LVL_ERROR, 1);
	page_of(st, HTTPD_DEGRADED, "Redis is <away>", 1, "/", &b);
	balanced(b.p);
	ck_assert_ptr_nonnull(strstr(b.p, "Device 877"));
	ck_assert_ptr_nonnull(strstr(b.p, "<code>usmctl held</code> <code>--release</code> or <code>--refuse</code>."));
	/* each plot has a scale with a unit, times of the day along it, and tells both of its lines */
	ck_assert_uint_eq(count(b.p, ">now</text>"), count(b.p, "role=\"img\""));
	ck_assert_uint_eq(count(b.p, ">21:00</text>"), count(b.p, "role=\"img\""));
	ck_assert_ptr_nonnull(strstr(b.p, ">1s</text>"));
	ck_assert_ptr_nonnull(strstr(b.p, "</svg>median <b>"));
	ck_assert_ptr_nonnull(strstr(b.p, "</svg>p95 <b>"));
	ck_assert_ptr_null(strstr(b.p, "nothing was measured"));
	ck_assert_ptr_nonnull(strstr(b.p, "<td class=\"n\" data-k=\"Times\">14</td>"));
	ck_assert_ptr_nonnull(strstr(b.p, "<td class=\"n\">24470</td>"));
	ck_assert_ptr_nonnull(strstr(b.p, "198.51.100.0/24"));
	ck_assert_ptr_nonnull(strstr(b.p, "Redis is &lt;away&gt;"));
	ck_assert_uint_eq(count(b.p, "<script>"), 1); /* ours */
	/* plots say in words what they show; tables and headings have their names */
	ck_assert_uint_eq(count(b.p, "role=\"img\""), count(b.p, "<desc id="));
	ck_assert_uint_eq(count(b.p, "<table"), count(b.p, "<caption>"));
	ck_assert_uint_eq(count(b.p, "<h1>"), 1);
	ck_assert_ptr_null(strstr(b.p, "http://"));
	ck_assert_ptr_null(strstr(b.p, "https://"));
	ck_assert_ptr_null(strstr(b.p, " style="));
	ck_assert_ptr_null(strstr(b.p, "nan"));
	buf_fini(&b);
	/* foreign text */
	page_of(st, HTTPD_READY, "", 2, "/", &b);
	ck_assert_ptr_null(strstr(b.p, "<b>net"));
	buf_fini(&b);
	/* the same as JSON, where the page's part is one string */
	page_of(st, HTTPD_READY, "", 2, "/status.json", &b);
	ck_assert_ptr_nonnull(strstr(b.p, "\"status\":\"Ready\""));
	ck_assert_ptr_nonnull(strstr(b.p, "\"troubles\":5"));
	ck_assert_ptr_nonnull(strstr(b.p, ",\"main\":\"<header>"));
	ck_assert_ptr_nonnull(strstr(b.p, "class=\\\"tiles\\\""));
	buf_fini(&b);
	buf_init(&b, 0);
	ck_assert(!status_write(st, &none, "/other", &b, &type));
	/* three hours later nobody is in trouble any more */
	the_time += STATUS_SAMPLE_MS * (msec_t)STATUS_SAMPLES + 1000;
	page_of(st, HTTPD_READY, "", 1, "/", &b);
	ck_assert_ptr_null(strstr(b.p, "Device 877"));
	write_shot("calm", &b);
	buf_fini(&b);
	clock_override(NULL);
	status_free(st);
}
END_TEST

/* The text between OPEN and CLOSE has the hash that the policy names. */
static void
allowed(const char *policy, const char *page, const char *open, const char *close)
{
	const char *from = strstr(page, open), *to;
	unsigned char hash[32];
	struct buf b;

	ck_assert_ptr_nonnull(from);
	from += strlen(open);
	to = strstr(from, close);
	sha256(from, (size_t)(to - from), hash);
	buf_init(&b, 0);
	buf_adds(&b, "'sha256-");
	base64_encode(&b, hash, sizeof(hash));
	ck_assert_msg(strstr(policy, b.p) != NULL, "%s is not in %s", b.p, policy);
	buf_fini(&b);
}

START_TEST(policy)
{
	struct status *st = status_new();
	struct buf b;

	page_of(st, HTTPD_READY, "", 0, "/", &b);
	ck_assert_int_eq(strncmp(status_csp(st), "default-src 'none'; style-src 'sha256-", 38), 0);
	ck_assert_ptr_null(strstr(status_csp(st), "unsafe"));
	allowed(status_csp(st), b.p, "<style>", "</style>");
	allowed(status_csp(st), b.p, "<script>", "</script>");
	buf_fini(&b);
	status_free(st);
}
END_TEST

/* Samples are what happened between two looks. */
START_TEST(samples)
{
	struct status *st = status_new();
	struct buf b;

	clock_override(my_clock);
	metric_count(F_REQUESTS, "syncUpdate", "200");
	status_take(st);
	for (int i = 0; i < 30; i++) {
		metric_count(F_REQUESTS, "syncUpdate", i < 3 ? "502" : "200");
		metric_time(F_REQUEST_TIME, "syncUpdate", 3000);
		metric_time(F_REQUEST_TIME, "ping", 900000);
	}
	the_time += 10000;
	status_take(st);
	page_of(st, HTTPD_READY, "", 0, "/status.json", &b);
	ck_assert_ptr_nonnull(strstr(b.p, "\"syncs\":3.0000"));
	ck_assert_ptr_nonnull(strstr(b.p, "\"failed\":0.1000"));
	ck_assert_ptr_nonnull(strstr(b.p, "\"half_ms\":3.5000"));
	ck_assert_ptr_nonnull(strstr(b.p, "\"ox\":0.0000"));
	buf_fini(&b);
	clock_override(NULL);
	status_free(st);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("daemon");
	TCase *tc = tcase_create("status");
	SRunner *r;
	int failed;

	(void)setenv("TZ", "UTC", 1); /* the page has times of the day */
	tzset();
	tcase_add_test(tc, a_new_server);
	tcase_add_test(tc, a_day_of_work);
	tcase_add_test(tc, policy);
	tcase_add_test(tc, samples);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
