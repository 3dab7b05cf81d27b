/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl sources: asks the running daemon, through its admin listener, what tells of the accounts that clients wait for. */
#include "daemon/admin_int.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_S 10

bool
context_user_parse(const char *text, int64_t *context, int64_t *user)
{
	const char *slash = strchr(text, '/');
	char first[24];

	if (slash == NULL || (size_t)(slash - text) >= sizeof(first))
		return false;
	(void)snprintf(first, sizeof(first), "%.*s", (int)(slash - text), text);
	return parse_i64(first, 1, INT32_MAX, context) && parse_i64(slash + 1, 1, INT32_MAX, user);
}

static int
connect_unix(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && strlen(path) < sizeof(a.sun_path)) {
		memcpy(a.sun_path, path, strlen(path));
		if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
	}
	(void)err_set(e, RC_UPSTREAM, "usmd does not answer on %s (admin_listen): %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static int
connect_tcp(const char *address, struct err *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
	const char *colon = strrchr(address, ':');
	size_t n = colon != NULL ? (size_t)(colon - address) : 0;
	bool v6 = n > 1 && address[0] == '[' && address[n - 1] == ']';
	char host[80];
	int fd = -1;

	if (colon != NULL && n < sizeof(host)) {
		(void)snprintf(host, sizeof(host), "%.*s", (int)(n - (v6 ? 2U : 0U)), address + v6);
		if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, &list) != 0)
			list = NULL;
	}
	for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			(void)close(fd);
			fd = -1;
		}
	}
	if (list != NULL)
		freeaddrinfo(list);
	if (fd < 0)
		(void)err_set(e, RC_UPSTREAM, "usmd does not answer on %s (admin_listen): %s", address, strerror(errno));
	return fd;
}

/* The body of GET PATH into OUT. */
static enum rc
admin_get(const char *listen, const char *path, struct buf *out, struct err *e)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	char b[4096], *body;
	ssize_t n;
	int fd, len;
	enum rc rc = RC_OK;

	if (listen[0] == '\0')
		return err_set(e, RC_NOTFOUND, "admin_listen is empty: the daemon cannot be asked");
	fd = listen[0] == '/' ? connect_unix(listen, e) : connect_tcp(listen, e);
	if (fd < 0)
		return RC_UPSTREAM;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	len = snprintf(b, sizeof(b), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	if (write(fd, b, (size_t)len) != len)
		rc = err_set(e, RC_UPSTREAM, "usmd cannot be asked: %s", strerror(errno));
	while (rc == RC_OK && (n = read(fd, b, sizeof(b))) != 0) {
		if (n > 0)
			buf_add(out, b, (size_t)n);
		else if (errno != EINTR)
			rc = err_set(e, RC_TIMEOUT, "usmd does not answer: %s", strerror(errno));
	}
	(void)close(fd);
	if (rc != RC_OK)
		return rc;
	body = out->len > 0 && !out->failed ? strstr(out->p, "\r\n\r\n") : NULL;
	if (body == NULL || strncmp(out->p, "HTTP/1.1 200", 12) != 0)
		return err_set(e, RC_UPSTREAM, "usmd does not know this page: is it of this version?");
	out->len -= (size_t)(body + 4 - out->p);
	memmove(out->p, body + 4, out->len + 1);
	return RC_OK;
}

/* "CONTEXT/USER name=value name=value" or "PUSH: name=value" becomes an object, left open; values are numbers, with a unit or without, and words. */
static void
line_json(const char *line, size_t n, struct buf *b)
{
	size_t at = 0, word = 0;

	while (at < n) {
		size_t len = strcspn(line + at, " \n"), name = strcspn(line + at, "= \n");

		if (word++ == 0) {
			const char *slash = memchr(line + at, '/', len);
			size_t first = slash != NULL ? (size_t)(slash - line) - at : 0;

			if (slash != NULL) {
				buf_addf(b, "{\"context\":%.*s,\"user_id\":%.*s", (int)first, line + at, (int)(len - first - 1), slash + 1);
			} else {
				buf_adds(b, "{\"push\":");
				json_text_string(b, line + at, len - 1);
			}
		} else if (name < len) {
			const char *value = line + at + name + 1;
			size_t v = len - name - 1;
			bool number = v > 0 && strspn(value, "0123456789") >= v;

			buf_addc(b, ',');
			json_text_string(b, line + at, name);
			buf_addc(b, ':');
			if (number)
				buf_add(b, value, v);
			else
				json_text_string(b, value, v);
		}
		at += len + 1;
	}
}

/* A line that is indented says what to look for about the one before; a sentence of its own is for people. */
static void
lines_json(const char *text, struct buf *b)
{
	bool first = true;

	buf_addc(b, '[');
	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\n"), indent = strspn(text, " ");

		if (indent > 0) {
			if (!first) {
				buf_adds(b, ",\"advice\":");
				json_text_string(b, text + indent, n - indent);
			}
		} else if (n > 0 && !(text[0] >= 'A' && text[0] <= 'Z')) {
			buf_adds(b, first ? "" : "},\n");
			line_json(text, n, b);
			first = false;
		}
		text += n + (text[n] == '\n');
	}
	buf_adds(b, first ? "]\n" : "}]\n");
}

int
run_sources(struct admin *x)
{
	char path[80] = "/sources";
	struct err e = { .rc = RC_OK };
	struct buf text, json;
	enum rc rc;
	int code = admin_begin(0, x);

	if (code >= 0)
		return code;
	if (x->user != 0)
		(void)snprintf(path, sizeof(path), "/sources/%" PRId64 "/%" PRId64, x->context, x->user);
	buf_init(&text, 0);
	buf_init(&json, 0);
	rc = admin_get(x->c->admin_listen, path, &text, &e);
	if (rc == RC_OK && x->json)
		lines_json(text.len > 0 ? text.p : "", &json);
	if (rc == RC_OK)
		rc = admin_put(x->json ? &json : &text, &e);
	buf_fini(&text);
	buf_fini(&json);
	return admin_end(x, rc, &e);
}
