/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Listening sockets: TCP address or unix socket path, bound here so that the reason of a failure can be told. */
#include "httpd/httpd_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

void
fd_flags(int fd)
{
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* True when a process answers on the unix socket SA. */
static bool
is_alive(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return alive;
}

static enum rc
open_unix(const char *what, const char *path, unsigned mode, struct listener *l, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, RC_PROTO, "%s: the socket path '%s' is longer than %zu bytes", what, path, sizeof(sa.sun_path) - 1);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(e, RC_INTERNAL, "%s: '%s' exists and is not a socket; remove it or choose another path", what, path);
		if (is_alive(&sa))
			return err_set(e, RC_INTERNAL, "%s: another process listens on '%s'; stop it first", what, path);
		(void)unlink(path);
	}
	l->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0)
		return err_set(e, RC_INTERNAL, "%s: cannot bind '%s': %s (does the directory exist and belong to the service's user?)",
		    what, path, strerror(errno));
	l->path = mem_dup_str(path);
	/* before listen(2) nobody can connect, so the mode is never wider than asked for */
	if (l->path == NULL || chmod(path, (mode_t)mode) != 0 || listen(l->fd, BACKLOG) != 0)
		return err_set(e, RC_INTERNAL, "%s: cannot listen on '%s': %s", what, path, strerror(errno));
	fd_flags(l->fd);
	return RC_OK;
}

static unsigned
bound_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	if (ss.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)&ss)->sin6_port);
	return ntohs(((const struct sockaddr_in *)(const void *)&ss)->sin_port);
}

/* "host:port", "[v6]:port", "*:port" -> HOST ("" = all addresses) and PORT. */
static bool
split_address(const char *address, char *host, size_t host_size, const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t n;
	int64_t v;

	if (colon == NULL || !parse_i64(colon + 1, 0, 65535, &v))
		return false;
	n = (size_t)(colon - address);
	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	} else if (memchr(address, ':', n) != NULL) {
		return false;
	}
	if (n == 0 || n >= host_size)
		return false;
	memcpy(host, address, n);
	host[n] = '\0';
	if (strcmp(host, "*") == 0)
		host[0] = '\0';
	*port = colon + 1;
	return true;
}

/*
 * A peer that is gone without a word (its machine lost power, a firewall forgot the connection) would hold a parked request until
 * the heartbeat.  Accepted sockets inherit this: after SECONDS of silence the kernel asks, five times within a quarter of it more.
 */
static void
keepalive(int fd, int seconds)
{
	int one = 1, count = 5, interval = seconds / (4 * count) > 0 ? seconds / (4 * count) : 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static enum rc
open_tcp(const char *what, const char *address, unsigned keepalive_s, struct listener *l, struct err *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	const char *port;
	char host[256];
	int rc, one = 1;

	if (!split_address(address, host, sizeof(host), &port))
		return err_set(e, RC_PROTO, "%s: '%s' is neither ADDRESS:PORT (such as 127.0.0.1:8090 or [::1]:8090) nor a socket path beginning with '/'",
		    what, address);
	rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
	if (rc != 0)
		return err_set(e, RC_PROTO, "%s: '%s' is not an address of this machine: %s", what, host, gai_strerror(rc));
	l->fd = socket(list->ai_family, SOCK_STREAM, 0);
	if (l->fd >= 0)
		(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l->fd >= 0 && keepalive_s > 0)
		keepalive(l->fd, (int)keepalive_s);
	if (l->fd < 0 || bind(l->fd, list->ai_addr, list->ai_addrlen) != 0 || listen(l->fd, BACKLOG) != 0)
		rc = errno;
	freeaddrinfo(list);
	if (rc != 0)
		return err_set(e, RC_INTERNAL, "%s: cannot listen on %s: %s%s", what, address, strerror(rc),
		    rc == EADDRINUSE ? "; another process uses this port" : "");
	fd_flags(l->fd);
	l->port = bound_port(l->fd);
	return RC_OK;
}

enum rc
listener_open(const char *what, const char *address, unsigned mode, unsigned keepalive_s, struct listener *l, struct err *e)
{
	return address[0] == '/' ? open_unix(what, address, mode, l, e) : open_tcp(what, address, keepalive_s, l, e);
}

static int
socket_option(int fd, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, name, &v, &len) == 0 ? v : -1;
}

enum rc
listener_adopt(const char *what, int fd, unsigned keepalive_s, struct listener *l, struct err *e)
{
	l->fd = fd;
	if (socket_option(fd, SO_ACCEPTCONN) != 1 || socket_option(fd, SO_TYPE) != SOCK_STREAM)
		return err_set(e, RC_PROTO, "%s: the descriptor %d that was passed is no listening stream socket; usmd.socket needs ListenStream= and Accept=no",
		    what, fd);
	if (socket_option(fd, SO_DOMAIN) != AF_UNIX) {
		l->port = bound_port(fd);
		if (keepalive_s > 0)
			keepalive(fd, (int)keepalive_s);
	}
	fd_flags(fd);
	return RC_OK;
}

/*
 * The kernel refuses from now on, and sends away who was not accepted yet - unless the socket was passed: whoever did that has it, too, and the next
 * life accepts who waits there.  A path goes with the right to it, so that a successor may take it.
 */
void
listener_close(struct listener *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
	if (l->path != NULL)
		(void)unlink(l->path);
	mem_free(l->path);
	l->path = NULL;
}
