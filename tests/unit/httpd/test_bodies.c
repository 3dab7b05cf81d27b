/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What bodies may cost before a worker has seen them: how large, of whom, and refused at the byte that decides it. */
#include "fake.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct server s;
#define KNOWN "Authorization: Bearer known\r\n"

static void
setup(void)
{
	server_init(&s);
	s.o.max_body = 40000;
	s.o.max_body_total = 100000;
}

struct wanted {
	const char *reason;
	int64_t n;
};

static void
add_if_wanted(void *arg, const struct metric_series *m)
{
	struct wanted *x = arg;

	if (strcmp(m->label[0], x->reason) == 0)
		x->n += m->count;
}

static int64_t
refused(const char *reason)
{
	struct wanted x = { .reason = reason };

	metric_each(F_REFUSED, add_if_wanted, &x);
	return x.n;
}

static char *
letters(size_t n)
{
	char *p = malloc(n + 1);

	ck_assert_ptr_nonnull(p);
	memset(p, 'x', n);
	p[n] = '\0';
	return p;
}

/* A connection that says LENGTH, sends N bytes of its body and then nothing. */
static int
begin(const char *headers, size_t length, const char *body, size_t n)
{
	char head[300];
	int fd = client_connect(httpd_port(s.h));

	(void)snprintf(head, sizeof(head), "POST /u/echo HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", headers, length);
	client_send(fd, head);
	client_send_n(fd, body, n);
	return fd;
}

/* What a protocol says of a path: told in advance or not. */
START_TEST(a_path_may_have_less)
{
	struct answer a;
	char *body = letters(20000), size[16];
	int fd;

	server_start(&s);
	body[6000] = '\0';
	client_once(httpd_port(s.h), "/u/door", KNOWN, body, &a);
	ck_assert_int_eq(a.status, 200);
	body[6000] = 'x';
	body[6001] = '\0';
	client_once(httpd_port(s.h), "/u/door", KNOWN, body, &a);
	ck_assert_int_eq(a.status, 413);
	client_once(httpd_port(s.h), "/u/echo", KNOWN, body, &a);
	ck_assert_int_eq(a.status, 200);
	fd = client_connect(httpd_port(s.h));
	client_send(fd, "POST /u/door HTTP/1.1\r\nHost: x\r\n" KNOWN "Transfer-Encoding: chunked\r\n\r\n");
	(void)snprintf(size, sizeof(size), "%x\r\n", 6001);
	client_send(fd, size);
	client_send_n(fd, body, 6001);
	client_send(fd, "\r\n0\r\n\r\n");
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 413);
	(void)close(fd);
	/* read on so that the answer is seen, but not for ever: four times what it may be */
	body[6001] = 'x';
	fd = client_connect(httpd_port(s.h));
	client_send(fd, "POST /u/door HTTP/1.1\r\nHost: x\r\n" KNOWN "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		client_send(fd, "2710\r\n");
		client_send_n(fd, body, 10000);
		client_send(fd, "\r\n");
	}
	ck_assert(!client_read(fd, &a));
	(void)close(fd);
	server_stop(&s);
	free(body);
}
END_TEST

/* Bodies of nobody known, that never end, keep nobody out who is known, nor small requests of anybody. */
START_TEST(strangers_share_a_part)
{
	struct answer a;
	char *body = letters(30000);
	int slow[8], fd;

	server_start(&s);
	for (int i = 0; i < 8; i++)
		slow[i] = begin("", 39999, body, 9000);
	await_that(atomic_load(&s.h->body_strangers) >= 20000 && refused("bodies") >= 6);
	ck_assert_uint_le(atomic_load(&s.h->body_total), 25000);
	body[100] = '\0';
	client_once(httpd_port(s.h), "/u/echo", "", body, &a);
	ck_assert_int_eq(a.status, 200);
	body[100] = 'x';
	body[20000] = '\0';
	client_once(httpd_port(s.h), "/u/echo", "", body, &a);
	ck_assert_int_eq(a.status, 503);
	client_once(httpd_port(s.h), "/u/echo", KNOWN, body, &a);
	ck_assert_int_eq(a.status, 200);
	for (int i = 0; i < 8; i++)
		(void)close(slow[i]);
	await_that(atomic_load(&s.h->body_total) == 0 && atomic_load(&s.h->body_strangers) == 0);
	/* one alone may have more than the part */
	body[20000] = 'x';
	fd = begin("", 30000, body, 30000);
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 200);
	(void)close(fd);
	await_that(atomic_load(&s.h->body_total) == 0 && atomic_load(&s.h->body_strangers) == 0);
	server_stop(&s);
	free(body);
}
END_TEST

/* Even with everything taken by those who are known, what fits into 4 KiB is served. */
START_TEST(small_ones_always_pass)
{
	struct answer a;
	char *body = letters(40000);
	int slow[3];

	s.o.max_body_total = 60000;
	server_start(&s);
	for (int i = 0; i < 3; i++)
		slow[i] = begin(KNOWN, 40000, body, 20000);
	await_that(atomic_load(&s.h->body_total) >= 20000);
	body[4000] = '\0';
	for (int i = 0; i < 10; i++) {
		client_once(httpd_port(s.h), "/u/echo", "", body, &a);
		ck_assert_int_eq(a.status, 200);
	}
	for (int i = 0; i < 3; i++)
		(void)close(slow[i]);
	server_stop(&s);
	free(body);
}
END_TEST

/* Refused at the fourth bracket, while 30000 bytes are still to come: nothing is kept, and the answer comes at the end. */
START_TEST(refused_as_it_comes)
{
	int64_t before = refused("content");
	struct answer a;
	char *body = letters(40000);
	int fd;

	server_start(&s);
	memset(body, '[', 3);
	fd = begin(KNOWN, 40000, body, 10000);
	await_that(atomic_load(&s.h->body_total) > 0);
	client_send(fd, "[");
	await_that(atomic_load(&s.h->body_total) == 0);
	ck_assert_int_eq(refused("content") - before, 1);
	client_send_n(fd, body + 4, 40000 - 10001);
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 400);
	ck_assert_str_eq(a.body, "too deep");
	(void)close(fd);
	server_stop(&s);
	free(body);
}
END_TEST

/* What libmicrohttpd refuses before we hear of it. */
START_TEST(no_http_is_counted)
{
	static const char *const wrong[] = { "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: none\r\n\r\n", "POST /t/echo HTTP/1.1\r\nNo colon here\r\n\r\n" };
	int64_t before = metric_get(M_HTTP_MALFORMED);
	struct answer a;
	char *head = letters(10000);

	server_start(&s);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int fd = client_connect(httpd_port(s.h));

		client_send(fd, wrong[i]);
		ck_assert(client_read(fd, &a));
		ck_assert_int_eq(a.status, 400);
		(void)close(fd);
		ck_assert_int_eq(metric_get(M_HTTP_MALFORMED) - before, (int)i + 1);
	}
	client_once(httpd_port(s.h), head, "", "", &a);
	ck_assert_int_ge(a.status, 414);
	ck_assert_int_eq(metric_get(M_HTTP_MALFORMED) - before, 3);
	server_stop(&s);
	free(head);
}
END_TEST

/* Silence ends a connection after client_timeout, at each stage, and is counted: before a head, in it, in a body, between requests. */
START_TEST(silence_is_counted)
{
	int64_t before = metric_get(M_CONNECTIONS_IDLE), begun = now_mono_us();
	struct answer a;
	int fd[4];

	s.o.client_timeout_s = 1;
	server_start(&s);
	for (int i = 0; i < 4; i++)
		fd[i] = client_connect(httpd_port(s.h));
	client_send(fd[1], "POST /t/echo HTTP/1.1\r\nHo");
	client_send(fd[2], "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
	client_post(fd[3], "/t/echo", "", "x");
	ck_assert(client_read(fd[3], &a));
	await_that(metric_get(M_CONNECTIONS_IDLE) - before == 4);
	ck_assert_int_ge(now_mono_us() - begun, 900000);
	for (int i = 0; i < 4; i++) {
		ck_assert(!client_read(fd[i], &a));
		(void)close(fd[i]);
	}
	/* who goes by itself is no refusal */
	before = metric_get(M_CONNECTIONS_IDLE);
	client_once(httpd_port(s.h), "/t/echo", "", "x", &a);
	(void)close(client_connect(httpd_port(s.h)));
	await_that(MHD_get_daemon_info(s.h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 0);
	ck_assert_int_eq(metric_get(M_CONNECTIONS_IDLE), before);
	server_stop(&s);
}
END_TEST

/* A crowd is cut off some at a time, so that others get their turn in between; and yet at once. */
START_TEST(a_crowd_is_cut_off)
{
	int64_t before = metric_get(M_CONNECTIONS_SLOW), first_us = 0, begun = now_mono_us();
	int fd[300];

	s.o.client_timeout_s = 1;
	server_start(&s);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = client_connect(httpd_port(s.h));
		client_send(fd[i], "POST /t/echo HTTP/1.1\r\nX-A: ");
	}
	while (metric_get(M_CONNECTIONS_SLOW) - before < (int)ARRAY_LEN(fd)) {
		ck_assert_int_lt(now_mono_us() - begun, 30000000);
		for (size_t i = 0; first_us == 0 && i < ARRAY_LEN(fd); i++)
			(void)send(fd[i], "a", 1, MSG_NOSIGNAL);
		if (first_us == 0 && metric_get(M_CONNECTIONS_SLOW) > before)
			first_us = now_mono_us();
		pause_ms(first_us == 0 ? 50 : 1);
	}
	ck_assert_int_gt(first_us, 0);
	ck_assert_msg(now_mono_us() - first_us < 1500000, "it took %d ms", (int)((now_mono_us() - first_us) / 1000));
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		(void)close(fd[i]);
	server_stop(&s);
}
END_TEST

/* Who reads his answer a few bytes at a time is cut off after transfer_time, however steadily he does. */
START_TEST(slow_reading_ends)
{
	int64_t before = metric_get(M_CONNECTIONS_SLOW), begun = now_mono_us();
	int fd, small = 2048;
	char bit[64];
	ssize_t got = 1;

	s.o.transfer_time_s = 3;
	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	client_post(fd, "/u/large", "", "30000000");
	while (got > 0 && now_mono_us() - begun < 20000000) {
		got = recv(fd, bit, sizeof(bit), 0);
		if (metric_get(M_CONNECTIONS_SLOW) == before)
			pause_ms(20);
	}
	ck_assert_int_eq(metric_get(M_CONNECTIONS_SLOW) - before, 1);
	ck_assert_int_ge(now_mono_us() - begun, 3000000);
	(void)close(fd);
	server_stop(&s);
}
END_TEST

TCase *
case_bodies(void)
{
	TCase *t = tcase_create("bodies");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_path_may_have_less);
	tcase_add_test(t, strangers_share_a_part);
	tcase_add_test(t, small_ones_always_pass);
	tcase_add_test(t, refused_as_it_comes);
	tcase_add_test(t, no_http_is_counted);
	tcase_add_test(t, silence_is_counted);
	tcase_add_test(t, a_crowd_is_cut_off);
	tcase_add_test(t, slow_reading_ends);
	return t;
}
