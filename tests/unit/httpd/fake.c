/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- the protocol ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_cond = PTHREAD_COND_INITIALIZER;
static bool gate_closed;
static unsigned gate_waiting;
static atomic_int states;

struct state {
	uint64_t topic;
	msec_t deadline;
	unsigned round;
	msec_t beat;   /* of a stream: a piece so often */
	size_t size;   /* of its pieces */
};

void
gate_close(void)
{
	(void)pthread_mutex_lock(&gate_lock);
	gate_closed = true;
	(void)pthread_mutex_unlock(&gate_lock);
}

void
gate_open(void)
{
	(void)pthread_mutex_lock(&gate_lock);
	gate_closed = false;
	(void)pthread_cond_broadcast(&gate_cond);
	(void)pthread_mutex_unlock(&gate_lock);
}

void
gate_await(unsigned n)
{
	(void)pthread_mutex_lock(&gate_lock);
	while (gate_waiting < n)
		(void)pthread_cond_wait(&gate_cond, &gate_lock);
	(void)pthread_mutex_unlock(&gate_lock);
}

static void
gate_pass(void)
{
	(void)pthread_mutex_lock(&gate_lock);
	gate_waiting++;
	(void)pthread_cond_broadcast(&gate_cond);
	while (gate_closed)
		(void)pthread_cond_wait(&gate_cond, &gate_lock);
	gate_waiting--;
	(void)pthread_mutex_unlock(&gate_lock);
}

int
park_states(void)
{
	return atomic_load(&states);
}

static struct state *
state_new(const struct state *from)
{
	struct state *s = mem_alloc(sizeof(*s));

	ck_assert_ptr_nonnull(s);
	if (from != NULL)
		*s = *from;
	atomic_fetch_add(&states, 1);
	return s;
}

static void
fake_park_free(void *p)
{
	atomic_fetch_sub(&states, 1);
	mem_free(p);
}

static void
text_reply(struct reply *rep, int status, const char *text, size_t n)
{
	rep->status = status;
	rep->content_type = "text/plain";
	rep->body = mem_alloc(n + 1);
	ck_assert_ptr_nonnull(rep->body);
	memcpy(rep->body, text, n);
	rep->body_len = n;
}

static void
fake_park(struct server *s, struct reply *rep, struct state *st, bool wake)
{
	ck_assert_int_eq(hub_subscribe(s->hub, &st->topic, 1, &rep->waiter), RC_OK);
	if (wake)
		(void)hub_wake(s->hub, st->topic);
	rep->deadline_ms = st->deadline;
	rep->park_state = st;
}

static void
handle_park(struct server *s, const struct request *req, struct reply *rep)
{
	struct state *st = req->parked;
	const char *why = req->shutting_down ? "shutdown" : req->deadline_passed ? "deadline" : "woken";
	const char *ended = req->finish && !req->shutting_down ? "finish" : why;
	bool stubborn = strcmp(req->path, "/stubborn") == 0, twice = strcmp(req->path, "/twice") == 0;

	if (st == NULL) {
		char *end;

		st = state_new(NULL);
		st->topic = strtoull(req->body, &end, 10);
		st->deadline = now_ms() + strtoll(end, NULL, 10);
		fake_park(s, rep, st, strcmp(req->path, "/raced") == 0);
	} else if (stubborn) {
		fake_park(s, rep, st, false);
	} else if (twice && st->round == 0 && !req->shutting_down) {
		struct state *second = state_new(st);

		second->round = 1;
		fake_park(s, rep, second, false);
	} else {
		ck_assert_uint_eq(req->body_len, 0);
		text_reply(rep, 200, ended, strlen(ended));
	}
}

/* A piece says what ended the parking, and is filled up to the size that was asked for. */
static void
handle_stream(struct server *s, const struct request *req, struct reply *rep)
{
	struct state *st = req->parked, *next = state_new(st);
	const char *why = st == NULL ? "begun" : req->shutting_down ? "shutdown" : req->finish ? "finish" : req->deadline_passed ? "beat" : "woken";
	struct buf b;
	char *end;

	if (st == NULL) {
		next->topic = strtoull(req->body, &end, 10);
		next->beat = strtoll(end, &end, 10);
		next->size = strtoull(end, NULL, 10);
	}
	rep->status = 200;
	rep->stream = true;
	rep->content_type = "text/event-stream";
	if (strcmp(req->path, "/stream-quiet") != 0 || st == NULL) {
		buf_init(&b, 0);
		buf_addf(&b, "%s%s;", why, req->last_event_id);
		while (b.len < next->size)
			buf_addc(&b, '.');
		rep->body = buf_take(&b, &rep->body_len);
	}
	if (req->finish) {
		fake_park_free(next);
		return;
	}
	ck_assert_int_eq(hub_subscribe(s->hub, &next->topic, 1, &rep->waiter), RC_OK);
	rep->deadline_ms = now_ms() + next->beat;
	rep->park_state = next;
}

static void
fake_handle(void *self, const struct request *req, struct reply *rep)
{
	struct server *s = self;
	struct buf b;
	char *text;
	size_t n;

	if (strcmp(req->path, "/echo") == 0) {
		buf_init(&b, 0);
		buf_addf(&b, "%s %s %s %s %s ", req->method, req->path, req->token != NULL ? req->token : "-", req->client_ip,
		    req->language[0] != '\0' ? req->language : "-");
		buf_add(&b, req->body, req->body_len);
		text = buf_take(&b, &n);
		text_reply(rep, 200, text, n);
		mem_free(text);
		log_ctx()->account = 4711;
	} else if (strcmp(req->path, "/large") == 0) {
		n = strtoull(req->body, NULL, 10);
		text = mem_alloc(n + 1);
		ck_assert_ptr_nonnull(text);
		text_reply(rep, 200, text, n);
		mem_free(text);
	} else if (strcmp(req->path, "/cookie") == 0) {
		text_reply(rep, 429, "slow down", 9);
		rep->retry_after_s = 17;
		(void)snprintf(rep->set_cookie, sizeof(rep->set_cookie), "usm_session=abc; HttpOnly");
	} else if (strcmp(req->path, "/block") == 0) {
		gate_pass();
		text_reply(rep, 200, "passed", 6);
	} else if (strncmp(req->path, "/stream", 7) == 0) {
		handle_stream(s, req, rep);
	} else if (strcmp(req->path, "/silent") != 0) {
		handle_park(s, req, rep);
	}
}

static size_t
fake_body_max(void *self, const char *path, const char *token, bool *stranger)
{
	(void)self;
	*stranger = token == NULL || strcmp(token, "known") != 0;
	return strcmp(path, "/door") == 0 ? 6000 : SIZE_MAX;
}

static bool
fake_look(void *self, struct body_look *l, const char *p, size_t n, struct reply *rep)
{
	(void)self;
	for (size_t i = 0; i < n; i++)
		if (p[i] == '[' && ++l->depth > 3) {
			text_reply(rep, 400, "too deep", 8);
			return false;
		}
	return true;
}

/* base /u has words of its own for refusals, /t has none */
static void
fake_refuse(void *self, int status, const char *message, struct reply *rep)
{
	(void)self;
	ck_assert_uint_gt(strlen(message), 10);
	text_reply(rep, status, "refused politely", 16);
}

/* ---- the server ---- */

void
server_init(struct server *s)
{
	memset(s, 0, sizeof(*s));
	s->o = (struct httpd_options){
		.listen = "127.0.0.1:0", .listen_mode = 0600, .trusted_proxies = "", .event_threads = 2, .workers = 4,
		.queue_length = 100, .max_body = 5000, .max_body_total = 1000000, .connection_memory = 4096,
		.max_connections = 4000, .client_timeout_s = 30,
	};
	log_setup(LOG_LVL_ERROR, false);
}

void
server_start(struct server *s)
{
	struct protocol p[2] = {
		{ .base = "/t", .handle = fake_handle, .park_free = fake_park_free, .self = s },
		{ .base = "/u", .handle = fake_handle, .park_free = fake_park_free, .refuse = fake_refuse, .body_max = fake_body_max,
		    .look = fake_look, .self = s },
	};
	struct err e = { .rc = RC_OK };

	s->hub = hub_new(&(struct hub_options){ .max_waiters = 100000 });
	ck_assert_ptr_nonnull(s->hub);
	ck_assert_msg(httpd_new(&s->o, p, 2, s->hub, &s->h, &e) == RC_OK, "%s", e.text);
	ck_assert_msg(httpd_start(s->h, &e) == RC_OK, "%s", e.text);
}

void
server_stop(struct server *s)
{
	ck_assert(httpd_free(s->h));
	hub_free(s->hub);
	ck_assert_int_eq(park_states(), 0);
	ck_assert_int_eq(metric_get(M_WAITERS), 0);
}

size_t
guarded(struct server *s, const size_t *count)
{
	size_t n;

	(void)pthread_mutex_lock(&s->h->lock);
	n = *count;
	(void)pthread_mutex_unlock(&s->h->lock);
	return n;
}

/* ---- the client ---- */

void
pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static int
client_socket(int family, const struct sockaddr *sa, socklen_t len)
{
	struct timeval tv = { 20, 0 };
	int fd = socket(family, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, sa, len) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
client_connect(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return client_socket(AF_INET, (const struct sockaddr *)&sa, sizeof(sa));
}

int
client_connect_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return client_socket(AF_UNIX, (const struct sockaddr *)&sa, sizeof(sa));
}

void
client_send_n(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done < 0)
			return; /* the server closed: the test sees it when it reads */
		p += done;
		n -= (size_t)done;
	}
}

void
client_send(int fd, const char *text)
{
	client_send_n(fd, text, strlen(text));
}

void
client_post(int fd, const char *path, const char *headers, const char *body)
{
	struct buf b;

	buf_init(&b, 0);
	buf_addf(&b, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", path, headers, strlen(body), body);
	client_send_n(fd, b.p, b.len);
	buf_fini(&b);
}

bool
client_read(int fd, struct answer *a)
{
	size_t n = 0;
	const char *length;

	memset(a, 0, sizeof(*a));
	/* byte by byte, so that nothing of the next answer is taken */
	while (n < 4 || memcmp(a->head + n - 4, "\r\n\r\n", 4) != 0) {
		ck_assert_uint_lt(n, sizeof(a->head) - 1);
		if (recv(fd, a->head + n, 1, 0) != 1)
			return false;
		n++;
	}
	ck_assert_int_eq(strncmp(a->head, "HTTP/1.1 ", 9), 0);
	a->status = (int)strtol(a->head + 9, NULL, 10);
	if (a->status == 100)
		return client_read(fd, a);
	length = strstr(a->head, "Content-Length: ");
	ck_assert_ptr_nonnull(length);
	a->body_len = strtoul(length + 16, NULL, 10);
	ck_assert_uint_lt(a->body_len, sizeof(a->body));
	for (n = 0; n < a->body_len;) {
		ssize_t got = recv(fd, a->body + n, a->body_len - n, 0);

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	return true;
}

void
client_once(unsigned port, const char *path, const char *headers, const char *body, struct answer *a)
{
	int fd = client_connect(port);

	ck_assert_int_ge(fd, 0);
	client_post(fd, path, headers, body);
	ck_assert(client_read(fd, a));
	(void)close(fd);
}
