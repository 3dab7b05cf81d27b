/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The programs as processes, for tests of the daemon as administrators and systemd meet it: start, output, notifications, one request. */
#ifndef TESTS_DAEMON_FIXTURE_H
#define TESTS_DAEMON_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/harness.h"
#include "usmd/util.h"

static char bin[512];  /* folder of the programs */
static char dir[256];  /* of this test */
static char out[65536]; /* what the last program printed, both streams */
/* listening sockets that the programs get, as systemd passes them; n = 0: none */
static struct {
	int fd[2];
	unsigned n;
	const char *names;
} passed;

static inline const char *
in_dir(const char *name)
{
	static char path[2][300];
	static unsigned turn;

	turn ^= 1;
	(void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static inline void
setup(void)
{
	ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);

	ck_assert_int_gt(n, 0);
	bin[n] = '\0';
	/* BUILD/tests/PROGRAM -> BUILD */
	(void)memmove(bin, dirname(dirname(bin)), strlen(bin) + 1);
	(void)snprintf(dir, sizeof(dir), "%s/daemon.XXXXXX", harness_env("USMD_TEST_DIR"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* In the child: the sockets of PASSED become 3, 4, ..., and the environment tells so. */
static inline void
pass_sockets(void)
{
	char text[24];
	int high[ARRAY_LEN(passed.fd)];

	for (unsigned i = 0; i < passed.n; i++)
		high[i] = fcntl(passed.fd[i], F_DUPFD_CLOEXEC, 100);
	for (unsigned i = 0; i < passed.n; i++)
		(void)dup2(high[i], 3 + (int)i);
	(void)snprintf(text, sizeof(text), "%d", getpid());
	(void)setenv("LISTEN_PID", text, 1);
	(void)snprintf(text, sizeof(text), "%u", passed.n);
	(void)setenv("LISTEN_FDS", text, 1);
	(void)setenv("LISTEN_FDNAMES", passed.names, 1);
}

/* Start PROGRAM with ARGS; its output goes to *FD. */
static inline pid_t
spawn(const char *program, const char *const *args, int *fd)
{
	const char *argv[8] = { program };
	char path[600];
	int p[2];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/%s", bin, program);
	for (size_t i = 0; args[i] != NULL; i++) {
		ck_assert_uint_lt(i + 2, ARRAY_LEN(argv));
		argv[i + 1] = args[i];
	}
	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(p[1], 1);
		(void)dup2(p[1], 2);
		(void)close(p[0]);
		(void)close(p[1]);
		if (passed.n > 0)
			pass_sockets();
		(void)execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	ck_assert_int_gt(pid, 0);
	(void)close(p[1]);
	*fd = p[0];
	return pid;
}

/* Read to the end into OUT; returns the exit code. */
static inline int
finish(pid_t pid, int fd)
{
	size_t n = 0;
	ssize_t got;
	int status;

	while (n < sizeof(out) - 1 && (got = read(fd, out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	(void)close(fd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d: %.500s", WTERMSIG(status), out);
	return WEXITSTATUS(status);
}

#define run(program, ...) run_args(program, (const char *const[]){ __VA_ARGS__, NULL })
static inline int
run_args(const char *program, const char *const *args)
{
	int fd;
	pid_t pid = spawn(program, args, &fd);

	return finish(pid, fd);
}

static inline void
ck_out(const char *part)
{
	ck_assert_msg(strstr(out, part) != NULL, "output lacks '%s': %.500s", part, out);
}

/* Write the configuration; EXTRA are lines of it. */
static inline const char *
config(const char *conninfo, const char *extra)
{
	static char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.conf", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "listen = %s/usmd.sock\nadmin_listen = %s/admin.sock\nkey_file = %s/key\npg_conninfo = %s\n"
	    "max_connections = 500\nmax_waiters = 100\nworkers = 2\nshutdown_timeout = 10s\n%s", dir, dir, dir, conninfo, extra);
	(void)fclose(f);
	return path;
}

static inline int
notify_socket(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { 20, 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", in_dir("notify"));
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", sa.sun_path, 1), 0);
	return fd;
}

/* Wait for the notification that begins with WHAT; watchdog ones may come between. */
static char last_notify[1024];
static inline void
await_notify(int fd, const char *what)
{
	char *text = last_notify;
	ssize_t n;

	do {
		n = recv(fd, text, sizeof(last_notify) - 1, 0);
		ck_assert_msg(n > 0, "no notification %s", what);
		text[n] = '\0';
	} while (strncmp(text, "WATCHDOG=1", 10) == 0 && strncmp(what, "WATCHDOG=1", 10) != 0);
	ck_assert_msg(strncmp(text, what, strlen(what)) == 0, "'%s' instead of '%s'", text, what);
}

/* One request to the unix socket NAME, the whole answer into TEXT; false when nobody listens. */
static inline bool
ask(const char *name, const char *request, char *text, size_t size)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { 20, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	ssize_t got;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", in_dir(name));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		(void)close(fd);
		return false;
	}
	ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	while (n < size - 1 && (got = recv(fd, text + n, size - 1 - n, 0)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	(void)close(fd);
	return true;
}

#endif
