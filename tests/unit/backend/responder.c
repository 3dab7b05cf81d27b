/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The scripted HTTP server of the backend's unit tests. */
#include "unit/backend/responder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUESTS 400
#define MAX_TEXT (256 * 1024)
#define MAX_CONNS 64

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	const struct step *steps;
	size_t n_steps, at, count, closed;
	char *request[MAX_REQUESTS];
	const char *mismatch;
	char *(*rule)(const char *);
	int fd, stopping;
	pthread_t acceptor, conn[MAX_CONNS];
	int conn_fd[MAX_CONNS];
	size_t n_conn;
} R = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

/* One whole request into TEXT; 0 = the peer is gone. */
static size_t
read_request(int fd, char *text)
{
	size_t n = 0, head = 0, want = 0;

	for (;;) {
		ssize_t k = recv(fd, text + n, MAX_TEXT - 1 - n, 0);
		const char *end, *p;

		if (k <= 0)
			return 0;
		n += (size_t)k;
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end == NULL)
			continue;
		head = (size_t)(end - text) + 4;
		for (p = text; p < end; p = strstr(p, "\r\n") + 2)
			if (strncasecmp(p, "Content-Length:", 15) == 0)
				want = strtoul(p + 15, NULL, 10);
		if (n >= head + want)
			return n;
	}
}

static void
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			return;
		p += k;
		n -= (size_t)k;
	}
}

static void
send_json(int fd, const char *json)
{
	char head[160];
	int on = 1, n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n", strlen(json));

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* two sends: without it each answer costs 40 ms */
	send_all(fd, head, (size_t)n);
	send_all(fd, json, strlen(json));
}

/* Returns 1 when the connection stays open. */
static int
answer(int fd, const char *text)
{
	static const struct step none = { .raw = "HTTP/1.1 599 Unexpected\r\nContent-Length: 0\r\n\r\n" };
	const struct step *s = &none;
	char *made = NULL;
	int ruled;

	(void)pthread_mutex_lock(&R.lock);
	ruled = R.rule != NULL;
	if (R.count < MAX_REQUESTS)
		R.request[R.count] = strdup(text);
	if (ruled) {
		made = R.rule(text);
	} else if (R.at < R.n_steps) {
		s = &R.steps[R.at++];
		if (s->want != NULL && strstr(text, s->want) == NULL && R.mismatch == NULL)
			R.mismatch = R.count < MAX_REQUESTS ? R.request[R.count] : "too many";
	}
	R.count++;
	while (!ruled && s->hang && !R.stopping)
		(void)pthread_cond_wait(&R.change, &R.lock);
	(void)pthread_mutex_unlock(&R.lock);
	if (ruled) {
		if (made == NULL)
			return 0;
		send_json(fd, made);
		free(made);
		return 1;
	}
	if (s->json != NULL)
		send_json(fd, s->json);
	else if (s->raw != NULL)
		send_all(fd, s->raw, s->raw_len != 0 ? s->raw_len : strlen(s->raw));
	else
		return 0;
	return !s->close_after;
}

static void *
connection(void *arg)
{
	int fd = (int)(size_t)arg;
	char *text = malloc(MAX_TEXT);

	while (text != NULL && read_request(fd, text) > 0 && answer(fd, text))
		;
	free(text);
	(void)shutdown(fd, SHUT_RDWR);
	(void)pthread_mutex_lock(&R.lock);
	R.closed++;
	(void)pthread_cond_broadcast(&R.change);
	(void)pthread_mutex_unlock(&R.lock);
	return NULL;
}

static void *
acceptor(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(R.fd, NULL, NULL);

		(void)pthread_mutex_lock(&R.lock);
		if (fd < 0 || R.stopping || R.n_conn == MAX_CONNS) {
			(void)pthread_mutex_unlock(&R.lock);
			if (fd >= 0)
				(void)close(fd);
			return NULL;
		}
		R.conn_fd[R.n_conn] = fd;
		(void)pthread_create(&R.conn[R.n_conn++], NULL, connection, (void *)(size_t)fd);
		(void)pthread_mutex_unlock(&R.lock);
	}
}

int
responder_start(const struct step *steps, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	R.steps = steps;
	R.n_steps = n;
	R.at = R.count = R.closed = R.n_conn = 0;
	R.mismatch = NULL;
	R.rule = NULL;
	R.stopping = 0;
	memset(R.request, 0, sizeof(R.request));
	R.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (R.fd < 0 || bind(R.fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(R.fd, 16) != 0 ||
	    getsockname(R.fd, (struct sockaddr *)&a, &len) != 0 || pthread_create(&R.acceptor, NULL, acceptor, NULL) != 0)
		abort();
	return ntohs(a.sin_port);
}

void
responder_rule(char *(*fn)(const char *request))
{
	(void)pthread_mutex_lock(&R.lock);
	R.rule = fn;
	(void)pthread_mutex_unlock(&R.lock);
}

void
responder_stop(void)
{
	(void)pthread_mutex_lock(&R.lock);
	R.stopping = 1;
	(void)pthread_cond_broadcast(&R.change);
	(void)pthread_mutex_unlock(&R.lock);
	(void)shutdown(R.fd, SHUT_RDWR);
	(void)pthread_join(R.acceptor, NULL);
	(void)close(R.fd);
	for (size_t i = 0; i < R.n_conn; i++) {
		(void)shutdown(R.conn_fd[i], SHUT_RDWR);
		(void)pthread_join(R.conn[i], NULL);
		(void)close(R.conn_fd[i]);
	}
	for (size_t i = 0; i < MAX_REQUESTS; i++)
		free(R.request[i]);
}

size_t
responder_count(void)
{
	size_t n;

	(void)pthread_mutex_lock(&R.lock);
	n = R.count;
	(void)pthread_mutex_unlock(&R.lock);
	return n;
}

const char *
responder_request(size_t i)
{
	const char *s;

	(void)pthread_mutex_lock(&R.lock);
	s = i < MAX_REQUESTS && R.request[i] != NULL ? R.request[i] : "";
	(void)pthread_mutex_unlock(&R.lock);
	return s;
}

const char *
responder_mismatch(void)
{
	return R.mismatch;
}

void
responder_wait_closed(size_t n)
{
	(void)pthread_mutex_lock(&R.lock);
	while (R.closed < n)
		(void)pthread_cond_wait(&R.change, &R.lock);
	(void)pthread_mutex_unlock(&R.lock);
}
