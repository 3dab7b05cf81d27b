/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* httpd over real sockets: limits, parking, the queue, slow clients, shutdown, the admin listener. */
#include "fake.h"

#include <check.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct server s;

START_TEST(echo_on_one_connection)
{
	struct answer a;
	int fd;

	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/echo", "Accept-Language: de\r\n", "one");
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "POST /echo - 127.0.0.1 de one");
	ck_assert_ptr_nonnull(strstr(a.head, "Cache-Control: no-store"));
	/* the same connection again, then two requests in one segment */
	client_post(fd, "/t/echo", "", "two");
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "POST /echo - 127.0.0.1 - two");
	client_send(fd, "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3"
	    "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n4");
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "POST /echo - 127.0.0.1 - 3");
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "POST /echo - 127.0.0.1 - 4");
	(void)close(fd);
	server_stop(&s);
}
END_TEST

START_TEST(token_from_header_or_cookie)
{
	struct answer a;

	server_start(&s);
	client_once(httpd_port(s.h), "/t/echo", "Authorization: Bearer tok\r\nCookie: usm_session=other\r\n", "", &a);
	ck_assert_str_eq(a.body, "POST /echo tok 127.0.0.1 - ");
	client_once(httpd_port(s.h), "/t/echo", "Cookie: x=1; usm_session=biscuit; y=2\r\n", "", &a);
	ck_assert_str_eq(a.body, "POST /echo biscuit 127.0.0.1 - ");
	client_once(httpd_port(s.h), "/t/echo", "Authorization: Basic dXNlcjpwdw==\r\n", "", &a);
	ck_assert_str_eq(a.body, "POST /echo - 127.0.0.1 - ");
	server_stop(&s);
}
END_TEST

START_TEST(paths_and_headers)
{
	struct answer a;

	server_start(&s);
	client_once(httpd_port(s.h), "/elsewhere", "", "", &a);
	ck_assert_int_eq(a.status, 404);
	ck_assert_str_eq(a.body, "{\"error\":{\"code\":404,\"message\":\"nothing is served under this path\"}}\n");
	client_once(httpd_port(s.h), "/tx/echo", "", "", &a);
	ck_assert_int_eq(a.status, 404);
	client_once(httpd_port(s.h), "/t/cookie", "", "", &a);
	ck_assert_int_eq(a.status, 429);
	ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: 17\r\n"));
	ck_assert_ptr_nonnull(strstr(a.head, "Set-Cookie: usm_session=abc; HttpOnly\r\n"));
	client_once(httpd_port(s.h), "/t/silent", "", "", &a);
	ck_assert_int_eq(a.status, 500);
	client_once(httpd_port(s.h), "/u/silent", "", "", &a);
	ck_assert_int_eq(a.status, 500);
	ck_assert_str_eq(a.body, "refused politely");
	server_stop(&s);
}
END_TEST

START_TEST(body_limit)
{
	struct answer a;
	char *body = malloc(20002);
	int fd;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', 20001);
	server_start(&s);
	body[5000] = '\0';
	client_once(httpd_port(s.h), "/t/echo", "", body, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, strlen("POST /echo - 127.0.0.1 - ") + 5000);
	body[5000] = 'x';
	body[5001] = '\0';
	client_once(httpd_port(s.h), "/t/echo", "", body, &a);
	ck_assert_int_eq(a.status, 413);
	client_once(httpd_port(s.h), "/u/echo", "", body, &a);
	ck_assert_int_eq(a.status, 413);
	ck_assert_str_eq(a.body, "refused politely");

	/* told in advance: refused before any of it is sent, so nobody sends 64 MiB in vain */
	fd = client_connect(httpd_port(s.h));
	client_send(fd, "POST /t/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5001\r\n\r\n");
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 413);
	(void)close(fd);

	/* no length told in advance: a little too much is read and refused, very much ends the connection */
	fd = client_connect(httpd_port(s.h));
	client_send(fd, "POST /t/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1389\r\n");
	client_send(fd, body);
	client_send(fd, "\r\n0\r\n\r\n");
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 413);
	client_send(fd, "POST /t/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	body[5001] = 'x';
	body[5000] = '\0';
	for (int i = 0; i < 6; i++) {
		client_send(fd, "1388\r\n");
		client_send(fd, body);
		client_send(fd, "\r\n");
	}
	ck_assert(!client_read(fd, &a));
	(void)close(fd);
	await_that(atomic_load(&s.h->body_total) == 0);
	server_stop(&s);
	free(body);
}
END_TEST

START_TEST(all_bodies_together_are_limited)
{
	struct answer a;
	char body[10001];
	int slow, fd;

	memset(body, 'x', 10000);
	body[10000] = '\0';
	s.o.max_body = 12000;
	s.o.max_body_total = 15000;
	server_start(&s);
	slow = client_connect(httpd_port(s.h));
	client_send(slow, "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n");
	client_send(slow, body);
	await_that(atomic_load(&s.h->body_total) >= 12000);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/echo", "", body);
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 503);
	client_send(slow, "y");
	ck_assert(client_read(slow, &a));
	ck_assert_int_eq(a.status, 200);
	client_post(fd, "/t/echo", "", body);
	ck_assert(client_read(fd, &a));
	ck_assert_int_eq(a.status, 200);
	(void)close(fd);
	(void)close(slow);
	server_stop(&s);
}
END_TEST

/* The other side closes the connection without an answer. */
static bool
is_cut(int fd)
{
	struct answer a;

	return !client_read(fd, &a);
}

START_TEST(connections_of_an_address_are_limited)
{
	int64_t before = metric_get(M_CONNECTIONS_REFUSED);
	struct answer a = { 0 };
	int fd[3], more;

	s.o.max_connections_per_address = 3;
	s.o.trusted_proxies = "192.0.2.1";
	server_start(&s);
	for (int i = 0; i < 3; i++) {
		fd[i] = client_connect(httpd_port(s.h));
		/* what a stranger writes into the header makes it nobody else */
		client_post(fd[i], "/t/echo", "X-Forwarded-For: 192.0.2.77\r\n", "x");
		ck_assert(client_read(fd[i], &a));
		ck_assert_ptr_nonnull(strstr(a.body, "127.0.0.1"));
	}
	more = client_connect(httpd_port(s.h));
	ck_assert(is_cut(more));
	(void)close(more);
	ck_assert_int_eq(metric_get(M_CONNECTIONS_REFUSED) - before, 1);
	(void)close(fd[0]);
	await_that(MHD_get_daemon_info(s.h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 2);
	fd[0] = client_connect(httpd_port(s.h));
	client_post(fd[0], "/t/echo", "", "x");
	ck_assert(client_read(fd[0], &a));
	for (int i = 0; i < 3; i++)
		(void)close(fd[i]);
	server_stop(&s);
}
END_TEST

START_TEST(a_proxy_has_as_many_as_it_wants)
{
	struct answer a;
	int fd[8];

	s.o.max_connections_per_address = 2;
	s.o.trusted_proxies = "127.0.0.0/8";
	server_start(&s);
	for (int i = 0; i < 8; i++) {
		fd[i] = client_connect(httpd_port(s.h));
		client_post(fd[i], "/t/echo", "", "x");
		ck_assert(client_read(fd[i], &a));
	}
	for (int i = 0; i < 8; i++)
		(void)close(fd[i]);
	server_stop(&s);
}
END_TEST

/* A byte now and then is no sign of life: what takes too long as a whole is cut off, before silence would end it. */
START_TEST(bytes_now_and_then)
{
	int64_t before = metric_get(M_CONNECTIONS_SLOW), begun;
	int head, body;

	s.o.client_timeout_s = 1;
	s.o.transfer_time_s = 3;
	server_start(&s);
	begun = now_mono_us();
	head = client_connect(httpd_port(s.h));
	body = client_connect(httpd_port(s.h));
	client_send(head, "POST /t/echo HTTP/1.1\r\nHost: x\r\nX-A: ");
	client_send(body, "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
	while (metric_get(M_CONNECTIONS_SLOW) - before < 2) {
		ck_assert_int_lt(now_mono_us() - begun, 30000000);
		(void)send(head, "a", 1, MSG_NOSIGNAL);
		(void)send(body, "a", 1, MSG_NOSIGNAL);
		pause_ms(100);
	}
	ck_assert_int_ge(now_mono_us() - begun, 3000000);
	(void)close(head);
	(void)close(body);
	server_stop(&s);
}
END_TEST

START_TEST(slow_clients_hold_nobody_up)
{
	static const char request[] = "POST /t/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
	struct answer a;
	int slow[20];

	s.o.workers = 1;
	s.o.event_threads = 1;
	server_start(&s);
	for (size_t i = 0; i < ARRAY_LEN(slow); i++)
		slow[i] = client_connect(httpd_port(s.h));
	for (size_t k = 0; k < sizeof(request) - 1; k++)
		for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
			client_send_n(slow[i], request + k, 1);
			if (i == k % ARRAY_LEN(slow)) {
				client_once(httpd_port(s.h), "/t/echo", "", "fast", &a);
				ck_assert_int_eq(a.status, 200);
			}
		}
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		ck_assert(client_read(slow[i], &a));
		ck_assert_str_eq(a.body, "POST /echo - 127.0.0.1 - hello");
		(void)close(slow[i]);
	}
	server_stop(&s);
}
END_TEST

START_TEST(full_queue_is_told)
{
	struct answer a;
	int busy, queued;

	s.o.workers = 1;
	s.o.queue_length = 1;
	server_start(&s);
	gate_close();
	busy = client_connect(httpd_port(s.h));
	client_post(busy, "/t/block", "", "");
	gate_await(1);
	queued = client_connect(httpd_port(s.h));
	client_post(queued, "/t/echo", "", "");
	await_that(guarded(&s, &s.h->n_fresh) == 1);
	client_once(httpd_port(s.h), "/t/echo", "", "", &a);
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: "));
	gate_open();
	ck_assert(client_read(busy, &a));
	ck_assert_int_eq(a.status, 200);
	ck_assert(client_read(queued, &a));
	ck_assert_int_eq(a.status, 200);
	(void)close(busy);
	(void)close(queued);
	server_stop(&s);
}
END_TEST

/* ---- parking ---- */

START_TEST(park_and_wake)
{
	struct answer a;
	int fd;

	s.o.workers = 1;
	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/park", "", "7 600000");
	await_that(hub_count(s.hub) == 1);
	ck_assert_uint_eq(atomic_load(&s.h->body_total), 0);
	/* the only worker is free */
	client_once(httpd_port(s.h), "/t/echo", "", "", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(hub_wake(s.hub, 7), 1);
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "woken");
	/* and the connection goes on */
	client_post(fd, "/t/park", "", "7 20");
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "deadline");
	client_post(fd, "/t/raced", "", "8 600000");
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "woken");
	client_post(fd, "/t/twice", "", "9 600000");
	await_that(hub_count(s.hub) == 1);
	ck_assert_uint_eq(hub_wake(s.hub, 9), 1);
	await_that(hub_wake(s.hub, 9) == 1);
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "woken");
	(void)close(fd);
	server_stop(&s);
}
END_TEST

START_TEST(client_gone_while_parked)
{
	struct answer a;
	int fd;

	server_start(&s);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/park", "", "7 600000");
	await_that(hub_count(s.hub) == 1);
	(void)close(fd);
	/* nobody wakes it, its time is not over: the close alone must end it */
	await_that(guarded(&s, &s.h->in_flight) == 0);
	ck_assert_uint_eq(hub_count(s.hub), 0);
	ck_assert_int_eq(park_states(), 0);
	/* one that only sends nothing more is answered */
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/park", "", "7 600000");
	await_that(hub_count(s.hub) == 1);
	(void)shutdown(fd, SHUT_WR);
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "finish");
	(void)close(fd);
	/* parked again on the same connection, and again, then gone */
	fd = client_connect(httpd_port(s.h));
	for (int i = 0; i < 3; i++) {
		client_post(fd, "/t/park", "", "7 600000");
		await_that(hub_count(s.hub) == 1);
		ck_assert_uint_eq(hub_wake(s.hub, 7), 1);
		ck_assert(client_read(fd, &a));
		ck_assert_str_eq(a.body, "woken");
	}
	client_post(fd, "/t/twice", "", "7 600000");
	await_that(hub_count(s.hub) == 1);
	ck_assert_uint_eq(hub_wake(s.hub, 7), 1);
	await_that(hub_count(s.hub) == 1);
	(void)close(fd);
	await_that(guarded(&s, &s.h->in_flight) == 0);
	server_stop(&s);
}
END_TEST

#define MANY 1000

START_TEST(a_thousand_parked)
{
	int *fd = calloc(MANY, sizeof(*fd));
	struct answer a;

	ck_assert_ptr_nonnull(fd);
	s.o.queue_length = 4; /* woken requests need no room in it */
	server_start(&s);
	for (size_t i = 0; i < MANY; i++) {
		fd[i] = client_connect(httpd_port(s.h));
		ck_assert_int_ge(fd[i], 0);
		client_post(fd[i], "/t/park", "", "7 600000");
		await_that(hub_count(s.hub) == i + 1);
	}
	ck_assert_uint_eq(hub_wake(s.hub, 7), MANY);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert(client_read(fd[i], &a));
		ck_assert_str_eq(a.body, "woken");
		(void)close(fd[i]);
	}
	server_stop(&s);
	free(fd);
}
END_TEST

/* ---- shutdown ---- */

START_TEST(drain_answers_everybody)
{
	struct answer a;
	int parked[50], stubborn, idle, busy, queued;

	s.o.workers = 1;
	server_start(&s);
	for (size_t i = 0; i < ARRAY_LEN(parked); i++) {
		parked[i] = client_connect(httpd_port(s.h));
		client_post(parked[i], "/t/park", "", "7 600000");
	}
	stubborn = client_connect(httpd_port(s.h));
	client_post(stubborn, "/t/stubborn", "", "7 600000");
	await_that(hub_count(s.hub) == ARRAY_LEN(parked) + 1);
	idle = client_connect(httpd_port(s.h));
	client_post(idle, "/t/echo", "", "");
	ck_assert(client_read(idle, &a));
	gate_close();
	busy = client_connect(httpd_port(s.h));
	client_post(busy, "/t/block", "", "");
	gate_await(1);
	queued = client_connect(httpd_port(s.h));
	client_post(queued, "/t/echo", "", "");
	await_that(guarded(&s, &s.h->n_fresh) == 1);

	/* the only worker stands in the gate: those whom it would have to serve are left at the deadline */
	ck_assert_uint_ge(httpd_drain(s.h, now_ms() + 30), ARRAY_LEN(parked) + 2);
	ck_assert(client_read(queued, &a));
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(a.head, "Connection: close\r\n"));
	gate_open();
	ck_assert_uint_eq(httpd_drain(s.h, now_ms() + 20000), 0);
	for (size_t i = 0; i < ARRAY_LEN(parked); i++) {
		ck_assert(client_read(parked[i], &a));
		ck_assert_str_eq(a.body, "shutdown");
		(void)close(parked[i]);
	}
	ck_assert(client_read(stubborn, &a));
	ck_assert_int_eq(a.status, 503);
	ck_assert(client_read(busy, &a));
	ck_assert_int_eq(a.status, 200);
	client_post(idle, "/t/echo", "", "");
	ck_assert(client_read(idle, &a));
	ck_assert_int_eq(a.status, 503);
	ck_assert_int_eq(client_connect(httpd_port(s.h)), -1);
	(void)close(stubborn);
	(void)close(busy);
	(void)close(queued);
	(void)close(idle);
	server_stop(&s);
}
END_TEST

START_TEST(stop_without_drain)
{
	struct answer a;
	int fd[20];

	server_start(&s);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = client_connect(httpd_port(s.h));
		client_post(fd[i], "/t/park", "", "7 600000");
	}
	await_that(hub_count(s.hub) == ARRAY_LEN(fd));
	server_stop(&s);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		ck_assert(client_read(fd[i], &a));
		ck_assert_str_eq(a.body, "shutdown");
		(void)close(fd[i]);
	}
}
END_TEST

/* ---- addresses ---- */

START_TEST(unix_socket)
{
	char dir[] = "/tmp/usmd-test-XXXXXX", path[64];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct httpd *second;
	struct answer a;
	struct stat st;
	struct err e;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	/* left behind by a process that died: bound once, nobody listens */
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)close(fd);

	s.o.listen = path;
	s.o.listen_mode = 0620;
	s.o.trusted_proxies = "unix";
	server_start(&s);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0620);
	fd = client_connect_unix(path);
	client_post(fd, "/t/echo", "X-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n", "hi");
	ck_assert(client_read(fd, &a));
	ck_assert_str_eq(a.body, "POST /echo - 192.0.2.7 - hi");
	(void)close(fd);
	ck_assert_int_eq(httpd_new(&s.o, NULL, 0, s.hub, &second, &e), RC_INTERNAL);
	ck_assert_ptr_nonnull(strstr(e.text, "another process listens"));
	server_stop(&s);
	ck_assert_int_eq(access(path, F_OK), -1);

	fd = client_connect_unix(path);
	ck_assert_int_eq(fd, -1);
	(void)rmdir(dir);
}
END_TEST

START_TEST(wrong_addresses)
{
	static const char *const wrong[] = { "", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x", "::1:80", ":80",
		"no-such-host.invalid:80" };
	struct httpd *h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		s.o.listen = wrong[i];
		ck_assert_msg(httpd_new(&s.o, NULL, 0, NULL, &h, &e) == RC_PROTO, "%s", wrong[i]);
		ck_assert_ptr_null(h);
		ck_assert_int_eq(strncmp(e.text, "listen: '", 9), 0);
	}
	s.o.listen = "/nonexistent/dir/socket";
	ck_assert_int_eq(httpd_new(&s.o, NULL, 0, NULL, &h, &e), RC_INTERNAL);
	s.o.listen = "/tmp";
	ck_assert_int_eq(httpd_new(&s.o, NULL, 0, NULL, &h, &e), RC_INTERNAL);
	ck_assert_ptr_nonnull(strstr(e.text, "not a socket"));
	s.o.listen = "127.0.0.1:0";
	s.o.workers = 0;
	ck_assert_int_eq(httpd_new(&s.o, NULL, 0, NULL, &h, &e), RC_PROTO);
	ck_assert(httpd_free(NULL));
}
END_TEST

static void
expect_ip(const struct proxies *p, const char *forwarded, const char *expect)
{
	static const struct sockaddr_un peer = { .sun_family = AF_UNIX };
	unsigned char addr[16];
	char ip[CLIENT_IP_SIZE];

	proxies_client_ip(p, (const struct sockaddr *)&peer, forwarded, addr);
	address_format(addr, ip);
	ck_assert_str_eq(ip, expect);
}

START_TEST(forwarded_for)
{
	static const char *const wrong[] = { "proxy.example", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.1 , x",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct proxies p;
	struct err e;

	ck_assert_int_eq(proxies_parse("unix, 10.0.0.0/8 2001:db8::/33,192.0.2.1", &p, &e), RC_OK);
	expect_ip(&p, NULL, "::1");
	expect_ip(&p, "", "::1");
	expect_ip(&p, "203.0.113.9", "203.0.113.9");
	/* what an untrusted speaker says of others is not believed */
	expect_ip(&p, "1.2.3.4, 203.0.113.9", "203.0.113.9");
	expect_ip(&p, "1.2.3.4, 203.0.113.9, 10.200.0.1,192.0.2.1", "203.0.113.9");
	expect_ip(&p, "203.0.113.9,192.0.2.2", "192.0.2.2");
	expect_ip(&p, "203.0.113.9, 2001:db8:7fff::1", "203.0.113.9");
	expect_ip(&p, "203.0.113.9, 2001:db8:8000::1", "2001:db8:8000::1");
	expect_ip(&p, "unknown, 10.0.0.1", "10.0.0.1");
	expect_ip(&p, "10.0.0.1", "10.0.0.1");
	proxies_fini(&p);
	ck_assert_int_eq(proxies_parse("10.0.0.0/8", &p, &e), RC_OK);
	expect_ip(&p, "203.0.113.9", "::1");
	proxies_fini(&p);
	ck_assert_int_eq(proxies_parse("", &p, &e), RC_OK);
	proxies_fini(&p);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ck_assert_msg(proxies_parse(wrong[i], &p, &e) == RC_PROTO, "%s", wrong[i]);
}
END_TEST

/* ---- the admin listener ---- */

static atomic_int health_now;

static enum httpd_health
fake_health(void *arg, char *why, size_t size)
{
	ck_assert_ptr_eq(arg, &health_now);
	(void)snprintf(why, size, "say \"%d\"", atomic_load(&health_now));
	return (enum httpd_health)atomic_load(&health_now);
}

static void
fake_gauges(void *arg, struct buf *out)
{
	(void)arg;
	buf_adds(out, "own_gauge 42\n");
}

static void
admin_get(const char *what, struct answer *a)
{
	int fd = client_connect(httpd_admin_port(s.h));

	ck_assert_int_ge(fd, 0);
	client_send(fd, what);
	client_send(fd, " HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert(client_read(fd, a));
	(void)close(fd);
}

START_TEST(health_and_metrics)
{
	struct answer a;
	int fd;

	s.o.admin_listen = "127.0.0.1:0";
	s.o.health = fake_health;
	s.o.gauges = fake_gauges;
	s.o.admin_arg = &health_now;
	server_start(&s);
	atomic_store(&health_now, HTTPD_READY);
	admin_get("GET /health", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{\"status\":\"ready\",\"version\":\"" USMD_VERSION "\",\"reason\":\"say \\\"0\\\"\"}\n");
	atomic_store(&health_now, HTTPD_DEGRADED);
	admin_get("GET /health", &a);
	ck_assert_int_eq(a.status, 200);
	atomic_store(&health_now, HTTPD_NOT_READY);
	admin_get("GET /health", &a);
	ck_assert_int_eq(a.status, 503);
	admin_get("GET /other", &a);
	ck_assert_int_eq(a.status, 404);
	admin_get("DELETE /health", &a);
	ck_assert_int_eq(a.status, 405);

	/* nothing of a protocol here, nothing of the admin there */
	client_once(httpd_port(s.h), "/metrics", "", "", &a);
	ck_assert_int_eq(a.status, 404);
	fd = client_connect(httpd_port(s.h));
	client_post(fd, "/t/park", "", "7 600000");
	await_that(hub_count(s.hub) == 1);
	admin_get("GET /metrics", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.head, "text/plain; version=0.0.4"));
	ck_assert_ptr_nonnull(strstr(a.body, "# TYPE usmd_requests_total counter\n"));
	ck_assert_ptr_nonnull(strstr(a.body, "# TYPE usmd_waiters gauge\nusmd_waiters 1\n"));
	ck_assert_ptr_nonnull(strstr(a.body, "\nusmd_requests_in_flight 1\n"));
	ck_assert_ptr_nonnull(strstr(a.body, "\nown_gauge 42\n"));
	ck_assert_uint_eq(httpd_drain(s.h, now_ms() + 20000), 0);
	atomic_store(&health_now, HTTPD_READY);
	admin_get("GET /health", &a);
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(a.body, "\"draining\""));
	(void)close(fd);
	server_stop(&s);
}
END_TEST

#define LEAVERS 100
#define SPAN_MS 1000

/* Going to stop: the balancer hears it, those who wait go one after the other, everything else is as ever. */
START_TEST(leaving)
{
	int fd[LEAVERS], late;
	unsigned ended = 0, halfway = 0;
	struct answer a;
	int64_t t;

	server_start(&s);
	client_once(httpd_port(s.h), "/health", "", "", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{\"status\":\"ready\"}\n");
	for (unsigned i = 0; i < LEAVERS; i++) {
		fd[i] = client_connect(httpd_port(s.h));
		client_post(fd[i], "/t/park", "", i == 0 ? "9 600000" : "7 600000");
	}
	await_that(hub_count(s.hub) == LEAVERS);
	t = now_mono_us();
	httpd_leave(s.h, SPAN_MS);
	client_once(httpd_port(s.h), "/health", "", "", &a);
	ck_assert_int_eq(a.status, 503);
	ck_assert_str_eq(a.body, "{\"status\":\"draining\"}\n");
	client_once(httpd_port(s.h), "/t/echo", "", "still", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.head, "Connection: close"));
	/* who comes only now waits shortly */
	late = client_connect(httpd_port(s.h));
	client_post(late, "/t/park", "", "7 600000");
	/* a change is told as ever, unless its turn came before */
	(void)hub_wake(s.hub, 9);
	ck_assert(client_read(fd[0], &a));
	ck_assert_int_eq(a.status, 200);
	while (ended < LEAVERS - 1) {
		ended = LEAVERS - (unsigned)hub_count(s.hub);
		if (halfway == 0 && now_mono_us() - t > SPAN_MS * 1000 / 2)
			halfway = ended;
	}
	/* evenly, as chance has it: half of them by half of the time */
	ck_assert_uint_gt(halfway, LEAVERS / 5);
	ck_assert_uint_lt(halfway, LEAVERS * 4 / 5);
	for (unsigned i = 1; i < LEAVERS; i++) {
		ck_assert(client_read(fd[i], &a));
		ck_assert_int_eq(a.status, 200);
		ck_assert_str_eq(a.body, "shutdown");
		ck_assert_ptr_nonnull(strstr(a.head, "Connection: close"));
	}
	ck_assert(client_read(late, &a));
	ck_assert_str_eq(a.body, "shutdown");
	for (unsigned i = 0; i < LEAVERS; i++)
		(void)close(fd[i]);
	(void)close(late);
	server_stop(&s);
}
END_TEST

/* ---- stopping in the moment in which the threads' shares of max_connections are filled ---- */

static void
pause_us(unsigned us)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)us * 1000 }, NULL);
}

static atomic_uint port_now; /* 0 = nobody listens, 1 = the end */

/* Connects all the time. */
static void *
connector(void *arg)
{
	unsigned port;

	(void)arg;
	while ((port = atomic_load(&port_now)) != 1) {
		struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			continue;
		(void)!connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
		(void)close(fd);
	}
	return NULL;
}

START_TEST(stop_while_connections_are_at_their_limit)
{
	const char *rounds = getenv("STOPS_HTTPD");
	pthread_t t[3];

	s.o.max_connections = 2; /* one for each thread: each connection fills it */
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, connector, NULL), 0);
	for (long i = 0; i < (rounds != NULL ? strtol(rounds, NULL, 10) : 80); i++) {
		server_start(&s);
		atomic_store(&port_now, httpd_port(s.h));
		pause_us(500 + (unsigned)(i * 7919 % 3000));
		(void)httpd_drain(s.h, now_ms() + 1000);
		atomic_store(&port_now, 0);
		server_stop(&s);
	}
	atomic_store(&port_now, 1);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		(void)pthread_join(t[i], NULL);
}
END_TEST

/* Who comes when all connections are taken waits for one, and is served then; an end is noticed at once, not at some interval. */
START_TEST(connections_are_limited_together)
{
	struct answer a;
	int64_t began;
	int fd[4];

	s.o.max_connections = 3;
	server_start(&s);
	began = now_mono_us();
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = client_connect(httpd_port(s.h));
		client_post(fd[i], "/t/echo", "", "one");
		if (i < 3)
			ck_assert(client_read(fd[i], &a) && a.status == 200);
	}
	for (int round = 0; round < 50; round++) {
		size_t last = (size_t)(round + 3) % 4, first = (size_t)round % 4;

		if (round < 2) {
			pause_ms(200);
			ck_assert_uint_eq(MHD_get_daemon_info(s.h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections, 3);
		}
		(void)close(fd[first]);
		ck_assert(client_read(fd[last], &a) && a.status == 200);
		fd[first] = client_connect(httpd_port(s.h));
		client_post(fd[first], "/t/echo", "", "one");
	}
	ck_assert_int_lt(now_mono_us() - began, 20000000);
	server_stop(&s); /* the last one was never accepted: the end of listening sends it away */
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		ck_assert(!client_read(fd[i], &a));
		(void)close(fd[i]);
	}
}
END_TEST

/* ---- a waiter of somebody else whose end takes long, in front of requests whose waits have ended ---- */

#define BESIDE 64 /* so that each part of the hub has some of each */

static sem_t hung, go_on;

static void
on_end_late(void *arg, enum hub_end why)
{
	(void)why;
	pause_us(*(unsigned *)arg);
}

static void
on_end_hang(void *arg, enum hub_end why)
{
	(void)arg;
	if (why != HUB_DEADLINE)
		return;
	(void)sem_post(&hung);
	while (sem_wait(&go_on) != 0)
		;
	(void)sem_post(&go_on);
}

START_TEST(stop_while_the_hub_hangs)
{
	struct hub_waiter *first, *hanging[BESIDE];
	unsigned late_us = 900000;
	int fd[BESIDE];
	struct answer a;
	msec_t now;

	(void)sem_init(&hung, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	server_start(&s);
	ck_assert_int_eq(hub_subscribe(s.hub, NULL, 0, &first), RC_OK);
	now = now_ms();
	for (unsigned i = 0; i < BESIDE; i++) {
		fd[i] = client_connect(httpd_port(s.h));
		client_post(fd[i], "/t/park", "", "7 600");
		ck_assert_int_eq(hub_subscribe(s.hub, NULL, 0, &hanging[i]), RC_OK);
		ck_assert_int_eq(hub_park(hanging[i], now + 700, 0, on_end_hang, NULL), HUB_PARKED);
	}
	/* the hub's thread comes late, and takes those who are due by then at once: the hanging ones end before the requests */
	ck_assert_int_eq(hub_park(first, now + 100, 0, on_end_late, &late_us), HUB_PARKED);
	while (sem_wait(&hung) != 0)
		;
	ck_assert(!httpd_free(s.h)); /* there are answers that cannot be given: no end of libmicrohttpd, which would abort */
	(void)sem_post(&go_on);
	for (unsigned i = 0; i < BESIDE; i++) {
		ck_assert(client_read(fd[i], &a));
		(void)close(fd[i]);
	}
	await_that(hub_count(s.hub) == 0);
	for (unsigned i = 0; i < BESIDE; i++)
		hub_waiter_free(hanging[i]);
	hub_waiter_free(first);
	server_stop(&s);
}
END_TEST

static void
setup(void)
{
	server_init(&s);
}

int
main(void)
{
	Suite *suite = suite_create("httpd");
	TCase *tc = tcase_create("httpd");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, echo_on_one_connection);
	tcase_add_test(tc, token_from_header_or_cookie);
	tcase_add_test(tc, paths_and_headers);
	tcase_add_test(tc, body_limit);
	tcase_add_test(tc, all_bodies_together_are_limited);
	tcase_add_test(tc, connections_are_limited_together);
	tcase_add_test(tc, connections_of_an_address_are_limited);
	tcase_add_test(tc, a_proxy_has_as_many_as_it_wants);
	tcase_add_test(tc, bytes_now_and_then);
	tcase_add_test(tc, slow_clients_hold_nobody_up);
	tcase_add_test(tc, full_queue_is_told);
	tcase_add_test(tc, park_and_wake);
	tcase_add_test(tc, client_gone_while_parked);
	tcase_add_test(tc, a_thousand_parked);
	tcase_add_test(tc, drain_answers_everybody);
	tcase_add_test(tc, stop_without_drain);
	tcase_add_test(tc, unix_socket);
	tcase_add_test(tc, wrong_addresses);
	tcase_add_test(tc, forwarded_for);
	tcase_add_test(tc, health_and_metrics);
	tcase_add_test(tc, leaving);
	suite_add_tcase(suite, tc);
	tc = tcase_create("stop"); /* by itself, for CK_RUN_CASE and a loaded machine */
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, stop_while_the_hub_hangs);
	tcase_add_test(tc, stop_while_connections_are_at_their_limit);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, case_stream());
	suite_add_tcase(suite, case_bodies());
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
