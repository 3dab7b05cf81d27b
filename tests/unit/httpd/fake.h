/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For the tests of httpd: a protocol that does what its path says, a server around it, and a plain HTTP client. */
#ifndef TEST_HTTPD_FAKE_H
#define TEST_HTTPD_FAKE_H

#include <check.h>

#include "httpd/httpd_int.h"

/*
 * Paths below /t:
 *   /echo       answers "method path token ip lang body"
 *   /cookie     429 with a cookie and Retry-After
 *   /silent     fills nothing in
 *   /block      waits for gate_open
 *   /park       body "TOPIC DEADLINE_MS": parks; answers what ended it ("woken", "deadline", "shutdown")
 *   /raced      as /park, but the topic changes between subscription and parking
 *   /twice      as /park, and parks once more, with another state, when woken the first time
 *   /stream     body "TOPIC BEAT_MS SIZE": an answer that goes on; pieces "begun;", "woken;", "beat;", ... filled up to SIZE
 *   /stream-quiet  likewise, but no piece after the first
 *   /stubborn   as /park, and parks again whatever happens
 *   /large      body "SIZE": answers with so many bytes
 * Below /u likewise, but: it has words of its own for refusals; /door takes 6000 bytes; who has not the token "known" is a stranger; and the fourth '['
 * of a body is one too many.
 */
struct server {
	struct hub *hub;
	struct httpd *h;
	struct httpd_options o;
};

/* server_init - options fit for a test; server_start binds and starts. */
void server_init(struct server *s);
void server_start(struct server *s);
void server_stop(struct server *s);

/* guarded - a count that the server's lock guards */
size_t guarded(struct server *s, const size_t *count);

void gate_close(void);
void gate_open(void);
/* gate_await - until N requests stand in /block. */
void gate_await(unsigned n);
/* park states allocated and not freed */
int park_states(void);

struct answer {
	int status;
	char head[2048];
	char body[32768];
	size_t body_len;
};

/* Client: a socket that fails instead of waiting longer than 20 s. */
int client_connect(unsigned port);
int client_connect_unix(const char *path);
void client_send(int fd, const char *text);
void client_send_n(int fd, const char *p, size_t n);
/* client_post - send a complete POST. HEADERS: further header lines or "". */
void client_post(int fd, const char *path, const char *headers, const char *body);
/* client_read - one whole answer; false when the connection closed before it. */
bool client_read(int fd, struct answer *a);
/* client_once - connect, POST, read, close. */
void client_once(unsigned port, const char *path, const char *headers, const char *body, struct answer *a);

/* await_that - poll COND (there is no event for what the server does to itself) for at most 20 s. */
#define await_that(cond) do { \
	msec_t until_ = now_ms() + 20000; \
	while (!(cond)) { \
		ck_assert_msg(now_ms() < until_, "waited too long for: %s", #cond); \
		pause_ms(1); \
	} \
} while (0)
void pause_ms(long ms);

/* test_stream.c, test_bodies.c */
TCase *case_stream(void);
TCase *case_bodies(void);

#endif
