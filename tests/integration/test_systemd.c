/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What usmd and systemd promise each other, with a socket for notifications and passed sockets in place of systemd. */
#include "daemon_fixture.h"

#include <netinet/in.h>

static const char health[] = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
static const char get_config[] = "POST /usm-json/getConfig HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/* A database with the schema, and the key; returns the settings' file. */
static const char *
prepare(const char *name, char *conninfo, size_t size, const char *extra)
{
	const char *file;

	(void)snprintf(conninfo, size, "%s", harness_database(name));
	file = config(conninfo, extra);
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 0);
	return file;
}

static void
write_secret(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static int
listen_unix(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", in_dir(name));
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

static void
stop(pid_t pid, int log, int notify)
{
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	await_notify(notify, "STOPPING=1\nSTATUS=answering the clients that wait\nEXTEND_TIMEOUT_USEC=25000000");
	ck_assert_int_eq(finish(pid, log), 0);
}

/* The sockets are there before usmd is and stay when it goes: who connects meanwhile waits for the next one instead of being refused. */
START_TEST(sockets_that_are_passed)
{
	char conninfo[512], answer[16384];
	const char *file = prepare("passed", conninfo, sizeof(conninfo), "");
	int notify = notify_socket(), log, early;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pid_t pid;
	ssize_t n;

	passed.fd[0] = listen_unix("a.sock");
	passed.fd[1] = listen_unix("b.sock");
	passed.n = 2;
	/* the order is systemd's business: the names count */
	passed.names = "admin:usmd.socket";
	early = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", in_dir("b.sock"));
	ck_assert_int_eq(connect(early, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(send(early, get_config, strlen(get_config), MSG_NOSIGNAL), (ssize_t)strlen(get_config));

	for (int life = 0; life < 2; life++) {
		pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
		await_notify(notify, "READY=1");
		if (life == 0) {
			n = recv(early, answer, sizeof(answer) - 1, MSG_WAITALL);
			ck_assert_int_gt(n, 0);
			answer[n] = '\0';
			ck_assert_msg(strncmp(answer, "HTTP/1.1 401 ", 13) == 0, "%.300s", answer);
		}
		ck_assert(ask("a.sock", health, answer, sizeof(answer)));
		ck_assert_ptr_nonnull(strstr(answer, "\"status\":\"ready\""));
		ck_assert(ask("b.sock", get_config, answer, sizeof(answer)));
		ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 401 "));
		ck_assert_int_eq(access(in_dir("usmd.sock"), F_OK), -1);
		stop(pid, log, notify);
		ck_assert_int_eq(access(in_dir("b.sock"), F_OK), 0);
	}

	passed.names = "usmd.socket:usmd.socket";
	ck_assert_int_eq(run("usmd", "-c", file), 78);
	ck_out("two sockets for listen");
	(void)close(passed.fd[0]);
	passed.fd[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	passed.names = "usmd.socket:admin";
	ck_assert_int_eq(run("usmd", "-c", file), 78);
	ck_out("is no listening stream socket");
	(void)close(early);
	(void)close(notify);
}
END_TEST

/* The order of start does not matter: usmd waits, says for what, and goes on by itself; and it can be stopped while it waits. */
START_TEST(postgresql_comes_later)
{
	char conninfo[512], late[800], host[300] = "", answer[16384];
	const char *file = prepare("later", conninfo, sizeof(conninfo), ""), *p = strstr(conninfo, "host=");
	int notify = notify_socket(), log;
	pid_t pid;

	ck_assert_ptr_nonnull(p);
	(void)snprintf(host, sizeof(host), "%.*s", (int)strcspn(p + 5, " "), p + 5);
	(void)snprintf(late, sizeof(late), "%s host=%s", conninfo, in_dir("pg"));
	file = config(late, "");
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "STATUS=waiting for PostgreSQL, attempt 1: no connection to PostgreSQL: ");
	await_notify(notify, "STATUS=waiting for PostgreSQL, attempt 2: ");
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	ck_assert(!ask("usmd.sock", get_config, answer, sizeof(answer)));
	ck_assert_int_eq(symlink(host, in_dir("pg")), 0);
	do
		await_notify(notify, "");
	while (strncmp(last_notify, "STATUS=waiting", 14) == 0);
	ck_assert_int_eq(strncmp(last_notify, "READY=1", 7), 0);
	stop(pid, log, notify);
	ck_out("event=postgresql-wait attempt=1 text=no connection to PostgreSQL");

	ck_assert_int_eq(unlink(in_dir("pg")), 0);
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "STATUS=waiting for PostgreSQL, attempt 1");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(finish(pid, log), 0);
	ck_out("text=while waiting for PostgreSQL");

	/* one that is there and refuses is not waited for */
	(void)snprintf(late, sizeof(late), "%s dbname=there_is_none", conninfo);
	ck_assert_int_eq(run("usmd", "-c", config(late, "")), 1);
	ck_out("there_is_none");
	(void)close(notify);
}
END_TEST

/* Secrets by name, from the folder that systemd makes for the service; usmctl, outside of it, has the files' names only. */
START_TEST(credentials)
{
	char conninfo[512], answer[16384], creds[300], settings[2048];
	int notify = notify_socket(), log;
	char file[300];
	pid_t pid;

	(void)snprintf(creds, sizeof(creds), "%s", in_dir("credentials"));
	(void)snprintf(file, sizeof(file), "%s", in_dir("by-name.conf"));
	ck_assert_int_eq(mkdir(creds, 0700), 0);
	(void)snprintf(conninfo, sizeof(conninfo), "%s", harness_database("creds"));
	(void)snprintf(settings, sizeof(settings), "listen = %s/usmd.sock\nadmin_listen = %s/admin.sock\npg_conninfo = %s\nkey_file = key\n"
	    "pg_password_file = pgpass\nshutdown_timeout = 10s\nredis_url = tcp:127.0.0.1:1\nredis_password_file = redis\nwebhook = x\nwebhook_secret_file = hook\n",
	    dir, dir, conninfo);
	write_secret("by-name.conf", settings);
	write_secret("credentials/key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
	write_secret("credentials/redis", "r\n");
	write_secret("credentials/hook", "h\n");
	ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", creds, 1), 0);
	ck_assert_int_eq(run("usmd", "-t", "-c", file), 0);
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 1);
	ck_out("pg_password_file: cannot read");
	write_secret("credentials/pgpass", "not asked for\n");
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 0);
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "READY=1");
	ck_assert(ask("admin.sock", health, answer, sizeof(answer)));
	stop(pid, log, notify);
	ck_assert_ptr_null(strstr(out, "cache.password"));

	ck_assert_int_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	ck_assert_int_eq(run("usmd", "-t", "-c", file), 78);
	ck_out("LoadCredential=key:FILE");
	ck_assert_int_eq(run("usmctl", "config", "--config", file), 78);
	ck_out("/usmd/key"); /* beside the settings */
	(void)close(notify);
}
END_TEST

/* An OX that takes connections and never answers: its listening socket, which nobody accepts from; closing it ends them. */
static int
silent_ox(char *url, size_t size)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	(void)snprintf(url, size, "http://127.0.0.1:%u/ajax", ntohs(sa.sin_port));
	return fd;
}

static int
begin(const char *request)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", in_dir("usmd.sock"));
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	return fd;
}

/* Pings of the watchdog mean that requests move: they end while none does, though the main thread is as well as ever. */
START_TEST(watchdog_sees_workers)
{
	static const char body[] = "{\"protocol\":1,\"user\":\"anton\",\"password\":\"secret\",\"device\":\"d1\"}";
	char conninfo[512], url[64], extra[300], login[512], answer[16384];
	int notify = notify_socket(), log, ox = silent_ox(url, sizeof(url)), stuck[2], queued;
	struct timeval quiet = { 1, 0 }, patient = { 20, 0 };
	const char *file;
	pid_t pid;

	(void)snprintf(extra, sizeof(extra), "ox_url = %s\nwatchdog_stall = 1s\n", url);
	(void)snprintf(login, sizeof(login), "POST /usm-json/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	file = prepare("watchdog", conninfo, sizeof(conninfo), extra);
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", 1), 0);
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "READY=1");
	await_notify(notify, "WATCHDOG=1");
	/* both workers wait for OX, and that is no reason for alarm as long as nobody waits for them */
	for (int i = 0; i < 2; i++)
		stuck[i] = begin(login);
	do
		ck_assert(ask("admin.sock", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof(answer)));
	while (strstr(answer, "\nusmd_workers_busy 2\n") == NULL);
	for (int i = 0; i < 12; i++)
		await_notify(notify, "WATCHDOG=1");
	queued = begin(get_config);
	(void)setsockopt(notify, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof(quiet));
	while (recv(notify, answer, sizeof(answer), 0) > 0)
		;
	(void)setsockopt(notify, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof(patient));
	(void)close(ox);
	await_notify(notify, "WATCHDOG=1");
	ck_assert_int_gt(recv(queued, answer, sizeof(answer), MSG_WAITALL), 0);
	ck_assert_msg(strncmp(answer, "HTTP/1.1 401 ", 13) == 0, "%.100s", answer);
	stop(pid, log, notify);
	ck_out("event=watchdog seconds=1 text=requests wait and no worker takes one");
	ck_out("text=workers take requests again");
	for (int i = 0; i < 2; i++)
		(void)close(stuck[i]);
	(void)close(queued);
	(void)close(notify);
}
END_TEST

/* The status tells what `systemctl reload` came to; the times of a stop are those of the settings, not of the unit. */
START_TEST(reload_and_stop_are_told)
{
	char conninfo[512];
	const char *file = prepare("reload", conninfo, sizeof(conninfo), "");
	int notify = notify_socket(), log;
	pid_t pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);

	await_notify(notify, "READY=1\nSTATUS=serving");
	(void)config(conninfo, "page_max = 0\n");
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	await_notify(notify, "RELOADING=1\nMONOTONIC_USEC=");
	await_notify(notify, "READY=1\nSTATUS=serving with the settings of before the reload: ");
	ck_assert_ptr_nonnull(strstr(last_notify, "usmd.conf:9: page_max"));
	(void)config(conninfo, "log_level = debug\n");
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	await_notify(notify, "RELOADING=1\nMONOTONIC_USEC=");
	await_notify(notify, "READY=1\nSTATUS=serving");
	ck_assert_str_eq(last_notify, "READY=1\nSTATUS=serving");
	stop(pid, log, notify);

	pid = spawn("usmd", (const char *const[]){ "-c", config(conninfo, "drain_time = 1s\n"), NULL }, &log);
	await_notify(notify, "READY=1");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	await_notify(notify, "STOPPING=1\nSTATUS=sending waiting clients to other nodes\nEXTEND_TIMEOUT_USEC=16000000");
	await_notify(notify, "STOPPING=1\nSTATUS=answering the clients that wait\nEXTEND_TIMEOUT_USEC=25000000");
	ck_assert_int_eq(finish(pid, log), 0);
	(void)close(notify);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("systemd");
	TCase *tc = tcase_create("systemd");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sockets_that_are_passed);
	tcase_add_test(tc, postgresql_comes_later);
	tcase_add_test(tc, credentials);
	tcase_add_test(tc, watchdog_sees_workers);
	tcase_add_test(tc, reload_and_stop_are_told);
	suite_add_tcase(s, tc);
	return harness_main(s);
}
