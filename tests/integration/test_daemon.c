/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The programs as an administrator and systemd meet them: options, messages, exit codes, notifications, reload, stop. */
#include "daemon_fixture.h"

START_TEST(options_and_messages)
{
	const char *file;
	struct stat st;

	ck_assert_int_eq(run("usmd", "--version"), 0);
	ck_out("usmd " USMD_VERSION "\n");
	ck_assert_int_eq(run("usmd", "--help"), 0);
	ck_out("--check-config");
	ck_assert_int_eq(run("usmd", "--nonsense"), 2);
	ck_assert_int_eq(run("usmd", "nonsense"), 2);
	ck_out("'nonsense' is not expected");
	ck_assert_int_eq(run("usmctl", "--version"), 0);
	ck_assert_int_eq(run("usmctl", "help"), 0);
	ck_out("key-create FILE");
	ck_assert_int_eq(run("usmctl", "confgi"), 2);
	ck_out("there is no command 'confgi'");
	ck_assert_int_eq(run("usmctl", "migrate", "--nonsense"), 2);
	ck_assert_int_eq(run("usmctl", "config", "--sample"), 0);
	ck_out("#listen = /run/usmd/usmd.sock\n");

	ck_assert_int_eq(run("usmd", "-t", "-c", in_dir("none")), 78);
	ck_out("cannot read the configuration");
	file = config("dbname=x password=geheim", "");
	ck_assert_int_eq(run("usmd", "-t", "-c", file), 78);
	ck_out("does not exist; make it with: usmctl key-create ");
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_int_eq(stat(in_dir("key"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 65);
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 1);
	ck_out("exists; it is not overwritten");
	ck_assert_int_eq(run("usmd", "-t", "-c", file), 0);
	ck_out(": ok\n");
	ck_assert_int_eq(run("usmctl", "config", "--config", file), 0);
	ck_assert_int_eq(run("usmctl", "config", "--dump", "--config", file), 0);
	ck_out("\nworkers = 2\n");
	ck_out("\npg_conninfo = dbname=x password=***\n");
	ck_assert_int_eq(chmod(in_dir("key"), 0644), 0);
	ck_assert_int_eq(run("usmctl", "config", "--config", file), 78);
	ck_out("chmod 600");
	ck_assert_int_eq(chmod(in_dir("key"), 0600), 0);
	ck_assert_int_eq(truncate(in_dir("key"), 40), 0);
	ck_assert_int_eq(run("usmd", "-t", "-c", file), 78);
	ck_out("is not 64 hex digits");
	file = config("dbname=x", "worker = 3\n");
	ck_assert_int_eq(run("usmd", "-c", file), 78);
	ck_out("usmd.conf:9: there is no setting 'worker'; did you mean workers?");
	/* words that only a module knows: found by the check, not by the start alone */
	ck_assert_int_eq(run("usmctl", "config", "--config", config("dbname=x", "ox_calendar = both\n")), 78);
	ck_out("auto, legacy or chronos");
	ck_assert_int_eq(run("usmd", "-t", "-c", config("dbname=x", "default_modes = inbox ful\n")), 78);
	ck_out("\"inbox ful\" is not understood");
}
END_TEST

/* ---- a running daemon ---- */

START_TEST(life_of_a_daemon)
{
	const char *db = harness_database("daemon"), *file;
	char conninfo[512], answer[16384];
	int notify = notify_socket(), log;
	pid_t pid;

	(void)snprintf(conninfo, sizeof(conninfo), "%s", db);
	file = config(conninfo, "");
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_int_eq(run("usmd", "-c", file), 1);
	ck_out("run `usmctl migrate`");
	await_notify(notify, "STATUS=");
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 0);
	ck_out("0001-base.sql");
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 0);

	ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", 1), 0);
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "READY=1");
	await_notify(notify, "WATCHDOG=1");
	ck_assert(ask("admin.sock", "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof(answer)));
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 OK"));
	ck_assert_ptr_nonnull(strstr(answer, "\"status\":\"ready\""));
	ck_assert(ask("usmd.sock", "POST /usm-json/getConfig HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", answer, sizeof(answer)));
	ck_assert_msg(strstr(answer, "HTTP/1.1 401 ") == answer, "%.500s", answer);
	ck_assert(ask("admin.sock", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof(answer)));
	ck_assert_ptr_nonnull(strstr(answer, "\nusmd_requests_total 1\n"));

	(void)config(conninfo, "log_level = debug\npage_max = 100\n");
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	await_notify(notify, "RELOADING=1\nMONOTONIC_USEC=");
	await_notify(notify, "READY=1");
	(void)config(conninfo, "page_max = 0\n");
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	await_notify(notify, "RELOADING=1");
	await_notify(notify, "READY=1");
	/* a second one must not take the socket away from the first */
	(void)config(conninfo, "");
	ck_assert_int_eq(run("usmd", "-c", file), 1);
	ck_out("another process listens");
	await_notify(notify, "STATUS=listen: another process listens");

	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	await_notify(notify, "STOPPING=1");
	ck_assert_int_eq(finish(pid, log), 0);
	ck_out("event=ready");
	ck_out("event=access req=1 client=::1 method=POST path=/usm-json/getConfig status=401");
	ck_out("text=these settings wait for a restart: page_max");
	ck_out("usmd.conf:9 text=page_max = '0' is not possible; allowed: 1 to 10000");
	ck_out("event=stopped");
	ck_assert(!ask("usmd.sock", "", answer, sizeof(answer)));
	ck_assert_int_eq(access(in_dir("usmd.sock"), F_OK), -1);
	(void)close(notify);
}
END_TEST

/* ---- with a server behind it ---- */

/* POST BODY to /usm-json/COMMAND with TOKEN (or ""); the connection is left open, *FD. */
static void
post(const char *command, const char *token, const char *body, int *fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { 20, 0 };
	char request[2048];

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", in_dir("usmd.sock"));
	(void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	ck_assert_int_eq(connect(*fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)snprintf(request, sizeof(request), "POST /usm-json/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Content-Type: application/json\r\n%s%s%sContent-Length: %zu\r\n\r\n%s", command,
	    token[0] != '\0' ? "Authorization: Bearer " : "", token, token[0] != '\0' ? "\r\n" : "", strlen(body), body);
	ck_assert_int_eq(send(*fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
}

static void
answer_of(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && (got = recv(fd, text + n, size - 1 - n, 0)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	(void)close(fd);
	ck_assert_msg(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%.500s", text);
}

/* The text value of the first member KEY. */
static void
member(const char *text, const char *key, char *value, size_t size)
{
	char name[64];
	const char *p;
	size_t n;

	(void)snprintf(name, sizeof(name), "\"%s\":\"", key);
	p = strstr(text, name);
	ck_assert_msg(p != NULL, "no %s in %.500s", key, text);
	p += strlen(name);
	n = strcspn(p, "\"");
	ck_assert_uint_lt(n, size);
	memcpy(value, p, n);
	value[n] = '\0';
}

static pid_t
start_oxsim(char *url, size_t size, int *log)
{
	pid_t pid = spawn("oxsim", (const char *const[]){ "--listen", "127.0.0.1:0", "--port-file", in_dir("port"), NULL }, log);
	unsigned port = 0;

	/* the file appears when oxsim listens */
	for (int i = 0; i < 2000 && port == 0; i++) {
		const struct timespec tick = { .tv_nsec = 10000000 };
		FILE *f = fopen(in_dir("port"), "r");

		if (f != NULL) {
			if (fscanf(f, "%u", &port) != 1)
				port = 0;
			(void)fclose(f);
		}
		(void)nanosleep(&tick, NULL);
	}
	ck_assert_uint_gt(port, 0);
	(void)snprintf(url, size, "ox_url = http://127.0.0.1:%u/ajax\nheartbeat_min = 1s\n", port);
	return pid;
}

START_TEST(a_waiting_client_is_answered_at_the_stop)
{
	char conninfo[512], extra[128], token[64], syncid[64], ping[256], *text = malloc(65536);
	int notify = notify_socket(), log, oxlog, fd;
	const char *file;
	pid_t pid, ox;

	ck_assert_ptr_nonnull(text);
	ox = start_oxsim(extra, sizeof(extra), &oxlog);
	(void)snprintf(conninfo, sizeof(conninfo), "%s", harness_database("daemon_ping"));
	file = config(conninfo, extra);
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 0);
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "READY=1");
	post("login", "", "{\"protocol\":1,\"user\":\"anton\",\"password\":\"secret\",\"device\":\"d1\"}", &fd);
	answer_of(fd, text, 65536);
	member(text, "token", token, sizeof(token));
	post("syncInit", token, "{\"limit\":500}", &fd);
	answer_of(fd, text, 65536);
	member(text, "syncid", syncid, sizeof(syncid));

	/* a short heartbeat ends by itself; of the long one the stop is the end */
	(void)snprintf(ping, sizeof(ping), "{\"heartbeat\":1,\"folders\":[{\"syncid\":\"%s\"}]}", syncid);
	post("ping", token, ping, &fd);
	answer_of(fd, text, 65536);
	ck_assert_ptr_nonnull(strstr(text, "\"changed\":[]"));
	(void)snprintf(ping, sizeof(ping), "{\"heartbeat\":600,\"folders\":[{\"syncid\":\"%s\"}]}", syncid);
	post("ping", token, ping, &fd);
	do {
		ck_assert(ask("admin.sock", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", text, 65536));
	} while (strstr(text, "\nusmd_waiters 1\n") == NULL);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	await_notify(notify, "STOPPING=1"); /* the watchdog's messages may have filled the socket: usmd would wait for us */
	answer_of(fd, text, 65536);
	ck_assert_ptr_nonnull(strstr(text, "\"changed\":[]"));
	ck_assert_int_eq(finish(pid, log), 0);
	/* the ids of the first part of the request are on its line, too */
	ck_out("account=1 device=1 client=::1 method=POST path=/usm-json/ping status=200");
	ck_out("event=stopped");
	ck_assert_ptr_null(strstr(out, token));
	ck_assert_ptr_null(strstr(out, "secret"));
	ck_assert_int_eq(kill(ox, SIGTERM), 0);
	(void)finish(ox, oxlog);
	(void)close(notify);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("daemon");
	TCase *tc = tcase_create("daemon");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, options_and_messages);
	tcase_add_test(tc, life_of_a_daemon);
	tcase_add_test(tc, a_waiting_client_is_answered_at_the_stop);
	suite_add_tcase(s, tc);
	return harness_main(s);
}
