/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl sources: asks the running daemon, through its admin listener, what tells of the accounts that clients wait for. */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <getopt.h>
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

static int
usage(void)
{
	(void)fputs("usage: usmctl sources [--user C/U] [--config FILE]\n", stderr);
	return EXIT_USAGE;
}

int
run_sources(int argc, char **argv)
{
	static const struct option longs[] = { { "user", required_argument, NULL, 'u' }, { "config", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 } };
	const char *file = USMD_CONFFILE;
	char path[80] = "/sources";
	int64_t context, user;
	struct err e = { .rc = RC_OK };
	struct conf *c = NULL;
	struct buf b;
	int opt;
	bool ok;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (opt == 'c')
			file = optarg;
		else if (opt == 'u' && context_user_parse(optarg, &context, &user))
			(void)snprintf(path, sizeof(path), "/sources/%" PRId64 "/%" PRId64, context, user);
		else
			return usage();
	}
	if (optind < argc)
		return usage();
	buf_init(&b, 0);
	ok = conf_load(file, &c, &e) == RC_OK && admin_get(c->admin_listen, path, &b, &e) == RC_OK;
	if (ok)
		(void)fputs(b.p, stdout);
	else
		print_err("usmctl", &e);
	buf_fini(&b);
	conf_free(c);
	return ok ? EXIT_OK : EXIT_FAILED;
}
