/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Helpers of the integration tests; see harness.h. */
#include "harness/harness.h"

#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *
harness_env(const char *name)
{
	const char *v = getenv(name);

	if (v == NULL || *v == '\0') {
		(void)fprintf(stderr, "%s is not set: run this inside tests/harness/with-servers\n", name);
		exit(77);
	}
	return v;
}

const char *
harness_database(const char *name)
{
	static char conninfo[512];
	const char *base = harness_env("USMD_TEST_PG");
	PGconn *pg = PQconnectdb(base);
	char sql[100];
	PGresult *r;

	(void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
	r = PQexec(pg, sql);
	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		(void)fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(pg));
		exit(1);
	}
	PQclear(r);
	PQfinish(pg);
	(void)snprintf(conninfo, sizeof(conninfo), "%s dbname=%s", base, name);
	return conninfo;
}

static int
is_listening(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), ok;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	ok = fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

pid_t
harness_redis_start(const char *path)
{
	struct timespec tick = { .tv_nsec = 5000000 };
	pid_t pid;

	(void)unlink(path);
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(126);
		(void)execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
		    "--appendonly", "no", (char *)NULL);
		(void)execlp("valkey-server", "valkey-server", "--port", "0", "--unixsocket", path, "--save", "",
		    "--appendonly", "no", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 2000 && !is_listening(path); i++)
		(void)nanosleep(&tick, NULL);
	return pid;
}

void
harness_redis_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int
harness_main(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
