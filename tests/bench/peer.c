/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The limits of this machine that usmd is measured against: a libmicrohttpd server that does nothing, and a Redis GET. */
#include "bench/bench.h"

#include <hiredis/hiredis.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static enum MHD_Result
hello(void *self, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *data, size_t *n, void **state)
{
	static char text[] = "hello\n";
	struct MHD_Response *r;
	enum MHD_Result ok;

	(void)self, (void)url, (void)method, (void)version, (void)data, (void)n;
	if (*state == NULL) { /* called once with the head, once when there is nothing more */
		*state = text;
		return MHD_YES;
	}
	r = MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
	ok = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return ok;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) >= (int)sizeof(a.sun_path) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 16) != 0)
		die("cannot listen at %s", path);
	return fd;
}

double
hello_cpu(size_t requests)
{
	char dir[] = "/tmp/bench.XXXXXX", path[60];
	struct link l;
	double cpu;
	pid_t pid;
	int fd;

	if (mkdtemp(dir) == NULL)
		die("no temporary folder");
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	fd = listen_at(path);
	pid = fork();
	if (pid < 0)
		die("no process for the peer");
	if (pid == 0) {
		if (MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, hello, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END) == NULL)
			_exit(1);
		for (;;)
			(void)pause();
	}
	link_open(&l, path, NULL, NULL);
	for (size_t i = 0; i < 100; i++)
		link_call(&l, "GET", "http://localhost/", NULL);
	cpu = cpu_of(pid);
	for (size_t i = 0; i < requests; i++)
		link_call(&l, "GET", "http://localhost/", NULL);
	cpu = cpu_of(pid) - cpu;
	link_close(&l);
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(dir);
	return cpu / (double)requests;
}

void
redis_get(const char *path, size_t rounds, double *cpu, double *trip)
{
	static const char value[72];
	redisContext *c = redisConnectUnix(path);
	redisReply *r;

	if (c == NULL || c->err != 0)
		die("no Redis at %s", path);
	freeReplyObject(redisCommand(c, "SET bench %b", value, sizeof(value)));
	*cpu = cpu_of(0);
	*trip = wall();
	for (size_t i = 0; i < rounds; i++) {
		r = redisCommand(c, "GET bench");
		if (r == NULL || r->type != REDIS_REPLY_STRING)
			die("Redis does not answer a GET");
		freeReplyObject(r);
	}
	*cpu = (cpu_of(0) - *cpu) / (double)rounds;
	*trip = (wall() - *trip) / (double)rounds;
	redisFree(c);
}
