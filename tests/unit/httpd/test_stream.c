/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Answers that go on, and clients that come and go while they are parked. */
#include "fake.h"

#include <check.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct server s;

/* Reads until TEXT has come in FD's answer; what was read before it is thrown away. */
static bool
read_until(int fd, const char *text)
{
	char seen[256] = "";
	size_t n = 0, len = strlen(text);

	for (;;) {
		if (n == sizeof(seen) - 1) {
			memmove(seen, seen + n - len, len);
			n = len;
		}
		if (recv(fd, seen + n, 1, 0) != 1)
			return false;
		seen[++n] = '\0';
		if (n >= len && strcmp(seen + n - len, text) == 0)
			return true;
	}
}

/* What was told of 300 folders (max_ping_folders) is 2,402 characters: with the memory that a connection has, they must come in. */
static bool
long_id_is_taken(void)
{
	char id[2403], header[2600];
	int fd = client_connect(httpd_port(s.h));
	bool ok;

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	(void)snprintf(header, sizeof(header), "Last-Event-ID: %s\r\nAuthorization: Bearer 0123456789012345678901234567890123456789012\r\nUser-Agent: somebody\r\n"
	    "X-Forwarded-For: 192.0.2.200\r\n", id);
	client_post(fd, "/t/stream", header, "99 600000 0");
	ok = read_until(fd, "xxx;");
	(void)close(fd);
	await_that(metric_get(M_STREAMS) == 1);
	return ok;
}

START_TEST(stream_goes_on)
{
	int fd, quiet;

	s.o.workers = 1;
	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/stream", "Last-Event-ID: 17\r\n", "7 600000 0");
	ck_assert(read_until(fd, "text/event-stream"));
	ck_assert(read_until(fd, "\r\nbegun17;\r\n"));
	ck_assert_int_eq(metric_get(M_STREAMS), 1);
	ck_assert(long_id_is_taken());
	for (int i = 0; i < 3; i++) {
		await_that(hub_count(s.hub) == 1);
		ck_assert_uint_eq(hub_wake(s.hub, 7), 1);
		ck_assert(read_until(fd, "woken"));
	}
	quiet = client_connect(httpd_port(s.h));
	client_post(quiet, "/t/stream-quiet", "", "8 20 0");
	ck_assert(read_until(quiet, "begun;"));
	for (int i = 0; i < 5; i++)
		await_that(hub_wake(s.hub, 8) == 1); /* parked again each time without a word */
	(void)close(quiet);
	await_that(metric_get(M_STREAMS) == 1);
	(void)close(fd);
	await_that(guarded(&s, &s.h->in_flight) == 0);
	ck_assert_int_eq(metric_get(M_STREAMS), 0);
	/* the heartbeat, and the end when the server stops */
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/stream", "", "7 30 0");
	ck_assert(read_until(fd, "beat;"));
	ck_assert(read_until(fd, "beat;"));
	ck_assert_uint_eq(httpd_drain(s.h, now_ms() + 10000), 0);
	ck_assert(read_until(fd, "shutdown;\r\n0\r\n"));
	(void)close(fd);
	server_stop(&s);
}
END_TEST

/* A client that does not read gets no further piece made, and is dropped; nobody else notices. */
START_TEST(stream_that_nobody_reads)
{
	int fd, other, bytes = 4096;
	struct answer a;

	s.o.client_timeout_s = 1;
	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	client_post(fd, "/t/stream", "", "7 600000 8000000");
	await_that(metric_get(M_STREAMS) == 1);
	other = client_connect(httpd_port(s.h));
	client_post(other, "/t/park", "", "7 600000");
	await_that(hub_count(s.hub) == 1);
	ck_assert_uint_eq(hub_wake(s.hub, 7), 1);
	ck_assert(client_read(other, &a));
	await_that(metric_get(M_STREAMS) == 0);
	await_that(guarded(&s, &s.h->in_flight) == 0);
	ck_assert_int_eq(park_states(), 0);
	(void)close(other);
	(void)close(fd);
	server_stop(&s);
}
END_TEST

/* The server stops while a piece is on its way to a client that does not read. */
START_TEST(stop_with_a_stream_under_way)
{
	int fd, parked;

	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/stream", "", "7 600000 8000000");
	parked = client_connect(httpd_port(s.h));
	client_post(parked, "/t/stream", "", "7 600000 0");
	await_that(metric_get(M_STREAMS) == 2);
	await_that(hub_count(s.hub) == 1);
	ck_assert_uint_eq(httpd_drain(s.h, now_ms() + 300), 1);
	ck_assert(read_until(parked, "shutdown;"));
	server_stop(&s);
	(void)close(parked);
	(void)close(fd);
}
END_TEST

/*
 * An event thread that is awake when the server stops accepting must not meet it over the listening socket: libmicrohttpd's own way
 * (MHD_quiesce_daemon) takes it out of the epoll set twice then, and aborts.  Here every thread is awake at just that moment.
 */
static int idle[8];
static _Atomic(pthread_t) stops;

/* Comes before libc's: libmicrohttpd calls this one. */
int
epoll_ctl(int set, int op, int fd, struct epoll_event *ev)
{
	int (*real)(int, int, int, struct epoll_event *);
	int listens = 0;
	socklen_t len = sizeof(listens);

	*(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
	if (op == EPOLL_CTL_DEL && pthread_equal(atomic_load(&stops), pthread_self()) &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0) {
		for (size_t i = 0; i < ARRAY_LEN(idle); i++)
			client_send(idle[i], "GET /t/echo HTTP/1.1\r\n");
		pause_ms(200);
	}
	return real(set, op, fd, ev);
}

START_TEST(stop_while_threads_are_awake)
{
	server_start(&s);
	for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
		struct answer a;

		idle[i] = client_connect(httpd_port(s.h));
		client_post(idle[i], "/t/echo", "", "");
		ck_assert(client_read(idle[i], &a));
	}
	atomic_store(&stops, pthread_self());
	ck_assert_uint_eq(httpd_drain(s.h, now_ms() + 10000), 0);
	ck_assert_int_eq(client_connect(httpd_port(s.h)), -1);
	server_stop(&s);
	for (size_t i = 0; i < ARRAY_LEN(idle); i++)
		(void)close(idle[i]);
}
END_TEST

/* ---- everything at once ---- */

#define CHURNERS 6U
#define CHURN_TOPICS 5U

static atomic_bool churn_done;
static atomic_uint churn_answers, churn_hang_ups;

/* Parks and hangs up, or parks and waits for its answer, which must come: topics are woken all the time. */
static void *
churn_main(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg, rounds = 150;
	int fd = -1;

	for (unsigned i = 0; i < rounds; i++) {
		struct answer a;
		char body[40];
		unsigned what = (unsigned)rand_r(&seed);

		if (fd < 0)
			fd = client_connect(httpd_port(s.h));
		(void)snprintf(body, sizeof(body), "%u %u", what % CHURN_TOPICS, what % 7 == 0 ? what % 3 : 600000);
		if (what % 5 == 0) {
			(void)snprintf(body, sizeof(body), "%u 600000 %u", what % CHURN_TOPICS, what % 30000);
			client_post(fd, "/t/stream", "", body);
			if (what % 2 == 0)
				ck_assert(read_until(fd, "woken;"));
		} else {
			client_post(fd, what % 3 == 0 ? "/t/twice" : "/t/park", "", body);
			if (what % 4 != 0) {
				ck_assert(client_read(fd, &a));
				ck_assert_int_eq(a.status, 200);
				atomic_fetch_add(&churn_answers, 1);
				continue;
			}
		}
		pause_ms(what % 3);
		(void)close(fd);
		fd = -1;
		atomic_fetch_add(&churn_hang_ups, 1);
	}
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

static void *
churn_wake(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !atomic_load(&churn_done); i++) {
		(void)hub_wake(s.hub, i % CHURN_TOPICS);
		if (i % 50 == 0)
			(void)hub_wake_all(s.hub);
		pause_ms(1);
	}
	return NULL;
}

START_TEST(churn)
{
	pthread_t t[CHURNERS], waker;

	s.o.wake_interval_ms = 2;
	server_start(&s);
	atomic_store(&churn_done, false);
	ck_assert_int_eq(pthread_create(&waker, NULL, churn_wake, NULL), 0);
	for (uintptr_t i = 0; i < CHURNERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, churn_main, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < CHURNERS; i++)
		(void)pthread_join(t[i], NULL);
	await_that(guarded(&s, &s.h->in_flight) == 0);
	atomic_store(&churn_done, true);
	(void)pthread_join(waker, NULL);
	ck_assert_uint_eq(hub_count(s.hub), 0);
	ck_assert_int_eq(metric_get(M_STREAMS), 0);
	ck_assert_uint_gt(atomic_load(&churn_answers), 100);
	ck_assert_uint_gt(atomic_load(&churn_hang_ups), 100);
	server_stop(&s); /* nothing is left of them: it looks at the park states */
}
END_TEST

static void
setup(void)
{
	server_init(&s);
}

TCase *
case_stream(void)
{
	TCase *tc = tcase_create("stream");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, stream_goes_on);
	tcase_add_test(tc, stream_that_nobody_reads);
	tcase_add_test(tc, stop_with_a_stream_under_way);
	tcase_add_test(tc, stop_while_threads_are_awake);
	tcase_add_test(tc, churn);
	return tc;
}
