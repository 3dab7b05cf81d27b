/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Many connections that wait for an answer, and what they cost a libmicrohttpd server that only suspends them. */
#include "bench/bench.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_OF_OURS 600

size_t
crowd_limit(size_t wanted)
{
	struct rlimit rl;
	size_t n;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		die("the limit of open files cannot be read");
	if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < wanted + FILES_OF_OURS) {
		struct rlimit more = { .rlim_cur = wanted + FILES_OF_OURS, .rlim_max = wanted + FILES_OF_OURS };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			rl = more; /* root may */
	}
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	n = rl.rlim_max == RLIM_INFINITY || rl.rlim_max >= wanted + FILES_OF_OURS ? wanted : (size_t)rl.rlim_max - FILES_OF_OURS;
	return n;
}

void
crowd_open(struct crowd *c, size_t n)
{
	memset(c, 0, sizeof(*c));
	c->fd = calloc(n, sizeof(*c->fd));
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->fd == NULL || c->epoll < 0)
		die("no memory for %zu connections", n);
	c->cap = n;
}

/* Connection number c->n, with REQUEST sent on it. */
void
crowd_join(struct crowd *c, const char *socket_path, const char *request)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = c->n };
	size_t len = strlen(request);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (c->n == c->cap || fd < 0 || snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", socket_path) >= (int)sizeof(sa.sun_path))
		die("connection %zu: %s", c->n, strerror(errno));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 || send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
	    epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		die("connection %zu: %s", c->n, strerror(errno));
	c->fd[c->n++] = fd;
}

/* Answers of at most MS milliseconds: how many came; which into WHO, when (wall()) into AT.  A status other than 200 ends the program. */
size_t
crowd_answers(struct crowd *c, int ms, size_t *who, double *at, size_t max)
{
	struct epoll_event ev[256];
	char text[2048];
	int n = epoll_wait(c->epoll, ev, max < 256 ? (int)max : 256, ms);
	size_t got = 0;

	for (int i = 0; i < n; i++) {
		size_t k = ev[i].data.u64;
		ssize_t len = recv(c->fd[k], text, sizeof(text) - 1, 0);

		if (len <= 0)
			die("connection %zu was closed without an answer", k);
		text[len] = '\0';
		if (strncmp(text, "HTTP/1.1 200 ", 13) != 0)
			die("connection %zu: %.600s", k, text);
		who[got] = k;
		at[got++] = wall();
	}
	return got;
}

void
crowd_answered(struct crowd *c)
{
	struct epoll_event ev[4];
	char text[1024];
	int n = epoll_wait(c->epoll, ev, 4, 0);

	for (int i = 0; i < n; i++) {
		size_t k = ev[i].data.u64;
		ssize_t len = recv(c->fd[k], text, sizeof(text), MSG_DONTWAIT);

		printf("connection %zu was to wait, and %s: %.*s\n", k, len > 0 ? "got an answer" : "was closed", len > 0 ? (int)len : 0, text);
	}
}

void
crowd_leave(struct crowd *c)
{
	for (size_t i = 0; i < c->n; i++)
		(void)close(c->fd[i]);
	(void)close(c->epoll);
	free(c->fd);
}

/* ---- the peer: suspended connections and nothing else ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct MHD_Connection **suspended;
static size_t n_suspended;

static enum MHD_Result
suspend(void *self, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *data, size_t *n, void **state)
{
	static char text[] = "hello\n";
	struct MHD_Response *r;
	enum MHD_Result ok;

	(void)self, (void)url, (void)method, (void)version, (void)data;
	if (*state == NULL) {
		*state = text;
		return MHD_YES;
	}
	if (*n > 0) {
		*n = 0;
		return MHD_YES;
	}
	if (*state == text) {
		*state = &lock;
		(void)MHD_suspend_connection(c);
		(void)pthread_mutex_lock(&lock);
		suspended[n_suspended++] = c;
		(void)pthread_mutex_unlock(&lock);
		return MHD_YES;
	}
	r = MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
	ok = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return ok;
}

/* Says on FD when all N are suspended, then resumes them when asked, and waits for its end. */
static void
bare_server(int listen_fd, int fd, size_t n)
{
	char go = 0;
	bool all = false;

	suspended = calloc(n, sizeof(struct MHD_Connection *));
	if (suspended == NULL || MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, suspend, NULL,
	    MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)n + 16, MHD_OPTION_THREAD_POOL_SIZE, 2U,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)4096, MHD_OPTION_END) == NULL)
		_exit(1);
	while (!all) {
		(void)usleep(2000);
		(void)pthread_mutex_lock(&lock);
		all = n_suspended == n;
		(void)pthread_mutex_unlock(&lock);
	}
	if (write(fd, "a", 1) != 1 || read(fd, &go, 1) != 1)
		_exit(1);
	for (size_t i = 0; i < n; i++)
		MHD_resume_connection(suspended[i]);
	for (;;)
		(void)pause();
}

void
bare_crowd(size_t n, double *bytes_each, double *wake_all_s)
{
	static const char request[] = "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
	char dir[] = "/tmp/bench.XXXXXX", path[60], done;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct crowd c;
	size_t who[256], before, got = 0;
	double at[256], t0;
	int fd, pair[2];
	pid_t pid;

	if (mkdtemp(dir) == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		die("no temporary folder");
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 4096) != 0)
		die("cannot listen at %s", path);
	pid = fork();
	if (pid == 0)
		bare_server(fd, pair[1], n);
	(void)close(fd);
	crowd_open(&c, n);
	for (size_t i = 0; i < n / 10; i++) /* what comes with the first ones is not theirs alone */
		crowd_join(&c, path, request);
	(void)usleep(500000);
	before = resident_of(pid);
	while (c.n < n)
		crowd_join(&c, path, request);
	if (read(pair[0], &done, 1) != 1)
		die("the bare server ended");
	*bytes_each = (double)(resident_of(pid) - before) / (double)(n - n / 10);
	t0 = wall();
	if (write(pair[0], "g", 1) != 1)
		die("the bare server ended");
	while (got < n)
		got += crowd_answers(&c, 1000, who, at, 256);
	*wake_all_s = wall() - t0;
	crowd_leave(&c);
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)unlink(path);
	(void)rmdir(dir);
}
