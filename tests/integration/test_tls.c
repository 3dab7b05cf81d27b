/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TLS on the way to OX and to PostgreSQL, with certificates of this test: who is trusted, who is refused and with which words, and that nothing is sent
 * to who is refused, not even in plain.
 */
#include "daemon_fixture.h"

#include <libpq-fe.h>
#include <netinet/in.h>

#include "harness/proc.h"
#include "harness/tls.h"
#include "usmd/backend.h"

#define DAY 86400L

static struct err e;

/* ---- OX ---- */

static struct tls_front *front;
static pid_t oxsim;
static int oxsim_out;

static void
start_oxsim(void)
{
	unsigned port = 0;
	char text[256];
	size_t n = 0;

	oxsim = spawn("oxsim", (const char *const[]){ "--listen", "127.0.0.1:0", NULL }, &oxsim_out);
	while (port == 0 && n < sizeof(text) - 1 && read(oxsim_out, text + n, 1) == 1) {
		text[++n] = '\0';
		if (text[n - 1] != '\n')
			continue;
		(void)sscanf(text, "oxsim: listening on 127.0.0.1:%u", &port);
		n = 0;
	}
	ck_assert_uint_gt(port, 0);
	front = tls_front_new(port);
}

/* The certificates of all tests here. */
static void
make_certificates(void)
{
	const struct tls_subject subjects[] = {
		{ "good", "ours", "localhost", 0, 0 },
		{ "elsewhere", "ours", "elsewhere.example", 0, 0 },
		{ "expired", "ours", "localhost", -2 * DAY, -DAY },
		{ "early", "ours", "localhost", DAY, 2 * DAY },
		{ "alone", NULL, "localhost", 0, 0 },
		{ "foreign", "others", "localhost", 0, 0 },
	};

	tls_authority(dir, "ours");
	tls_authority(dir, "others");
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
		tls_certificate(dir, &subjects[i]);
}

static void
setup_ox(void)
{
	setup();
	(void)signal(SIGPIPE, SIG_IGN);
	make_certificates();
	start_oxsim();
	tls_front_use(front, dir, "good");
}

static void
teardown_ox(void)
{
	tls_front_free(front);
	(void)kill(oxsim, SIGKILL);
	(void)waitpid(oxsim, NULL, 0);
	(void)close(oxsim_out);
}

/* One login with the settings; what became of it, E says why. */
static enum rc
login_by(const char *host, const char *ca_file, bool verify)
{
	char url[80], path[300] = "";
	const struct backend_options o = {
		.url = url, .client = "USM-JSON", .client_fallback = "USM-EAS", .user_agent = "usmd", .client_ip = "127.0.0.1", .ca_file = path,
		.tls_verify = verify, .connect_timeout_ms = 5000, .timeout_ms = 20000, .max_connections = 2, .max_answer_bytes = 8 << 20, .rows_per_request = 100,
	};
	struct ox_session *s = NULL;
	struct backend *b;
	enum rc rc;

	(void)snprintf(url, sizeof(url), "https://%s:%u/ajax", host, tls_front_port(front));
	if (ca_file != NULL)
		(void)snprintf(path, sizeof(path), "%s/%s", dir, ca_file);
	e.text[0] = '\0';
	ck_assert_int_eq(backend_new(&o, &b, &e), RC_OK);
	rc = ox_login(b, "anton", "secret", "test", &s, &e);
	ck_assert(backend_trusts(b) == (strstr(e.text, "certificate") == NULL && strstr(e.text, "TLS") == NULL && strstr(e.text, "ox_ca_file") == NULL));
	ox_session_unref(s);
	backend_free(b);
	return rc;
}

START_TEST(ox_is_trusted_by_its_authority)
{
	struct tls_seen seen;

	ck_assert_msg(login_by("localhost", "ours.crt", true) == RC_OK, "%s", e.text);
	seen = tls_front_seen(front);
	ck_assert_uint_gt(seen.trusted, 0);
	ck_assert_uint_gt(seen.requests, 0);
	ck_assert_uint_eq(seen.plain, 0);
	/* one that is signed by itself can be named itself */
	tls_front_use(front, dir, "alone");
	ck_assert_msg(login_by("localhost", "alone.crt", true) == RC_OK, "%s", e.text);
	/* and what the setting says about tests is so */
	tls_front_use(front, dir, "elsewhere");
	ck_assert_msg(login_by("localhost", "others.crt", false) == RC_OK, "%s", e.text);
}
END_TEST

static const struct refusal {
	const char *cert, *host, *ca_file;
	const char *what, *advice; /* parts of the message */
} refusals[] = {
	{ "foreign", "localhost", "ours.crt", "certificate of OX is refused", "in ox_ca_file" },
	{ "good", "localhost", "others.crt", "certificate of OX is refused", "in ox_ca_file" },
	{ "good", "localhost", NULL, "certificate of OX is refused", "in ox_ca_file" }, /* the system does not know it */
	{ "alone", "localhost", "ours.crt", "self", "in ox_ca_file" },
	{ "elsewhere", "localhost", "ours.crt", "localhost", "ox_url must have the host name" },
	{ "good", "127.0.0.1", "ours.crt", "127.0.0.1", "ox_url must have the host name" },
	{ "expired", "localhost", "ours.crt", "expired", "needs a new certificate" },
	{ "early", "localhost", "ours.crt", "not yet valid", "needs a new certificate" },
	{ "good", "localhost", "good.key", "ox_ca_file cannot be used", "" }, /* no certificate is in it */
	{ "good", "localhost", "there-is-none", "ox_ca_file cannot be used", "" },
};

START_TEST(ox_is_refused)
{
	const struct refusal *r = &refusals[_i];
	struct tls_seen seen;

	tls_front_use(front, dir, r->cert);
	ck_assert_int_eq(login_by(r->host, r->ca_file, true), RC_UPSTREAM);
	ck_assert_msg(strstr(e.text, r->what) != NULL && strstr(e.text, r->advice) != NULL && strlen(e.text) < sizeof(e.text) - 1, "%s", e.text);
	seen = tls_front_seen(front);
	/* libcurl looks for the name behind the handshake, which may end */
	ck_assert_msg(seen.requests == 0 && seen.plain == 0 && seen.trusted + seen.refused <= 1, "%u requests, %u in plain, %u handshakes, %u refused",
	    seen.requests, seen.plain, seen.trusted, seen.refused);
}
END_TEST

/* This program's OpenSSL would speak the old versions (main), so it is usmd that does not. */
START_TEST(old_tls_is_refused)
{
	struct tls_seen seen;

	tls_front_old(front, true);
	ck_assert_int_eq(login_by("localhost", "ours.crt", true), RC_UPSTREAM);
	ck_assert_msg(strstr(e.text, "TLS 1.2 or later") != NULL, "%s", e.text);
	seen = tls_front_seen(front);
	ck_assert_msg(seen.requests == 0 && seen.plain == 0 && seen.trusted == 0, "%u requests, %u in plain, %u handshakes", seen.requests, seen.plain, seen.trusted);
}
END_TEST

START_TEST(redirects_are_not_followed)
{
	struct tls_seen seen;

	tls_front_redirect(front, true);
	ck_assert_int_eq(login_by("localhost", "ours.crt", true), RC_UPSTREAM);
	ck_assert_msg(strstr(e.text, "302") != NULL && strstr(e.text, "set ox_url") != NULL, "%s", e.text);
	seen = tls_front_seen(front);
	ck_assert_uint_gt(seen.requests, 0);
	ck_assert_uint_eq(seen.plain, 0);
}
END_TEST

/* ---- the daemon: what administrators see, at a login and at /health ---- */

static const char health[] = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

static void
login_answers(int status)
{
	static const char body[] = "{\"user\":\"anton\",\"password\":\"secret\",\"device\":\"phone\",\"protocol\":1}";
	char request[400], answer[16384];
	int got = 0;

	(void)snprintf(request, sizeof(request), "POST /usm-json/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    strlen(body), body);
	ck_assert(ask("usmd.sock", request, answer, sizeof(answer)));
	ck_assert_int_eq(sscanf(answer, "HTTP/1.1 %d", &got), 1);
	ck_assert_msg(got == status, "%.600s", answer);
}

static void
health_says(const char *status, const char *reason)
{
	char answer[16384];

	ck_assert(ask("admin.sock", health, answer, sizeof(answer)));
	ck_assert_msg(strstr(answer, status) != NULL && strstr(answer, reason) != NULL, "%.600s", answer);
}

START_TEST(ox_refused_and_trusted_again)
{
	char conninfo[512], extra[400];
	const char *file;
	int notify, log;
	pid_t pid;

	(void)snprintf(conninfo, sizeof(conninfo), "%s", harness_database("tls_ox"));
	/* Redis is there, or the state would be degraded without it */
	(void)snprintf(extra, sizeof(extra), "ox_url = https://localhost:%u/ajax\nox_ca_file = %s/ours.crt\nredis_url = %s\n", tls_front_port(front), dir,
	    harness_env("USMD_TEST_REDIS"));
	file = config(conninfo, extra);
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 0);
	notify = notify_socket();
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "READY=1");
	tls_front_use(front, dir, "expired");
	login_answers(502);
	login_answers(502);
	health_says("\"status\":\"degraded\"", "ox=untrusted");
	tls_front_use(front, dir, "good");
	login_answers(200);
	health_says("\"status\":\"ready\"", "redis=ok\"");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(finish(pid, log), 0);
	ck_out("event=ox-tls req=1 text=\"the certificate of OX is refused:");
	ck_out("needs a new certificate");
	ck_out("event=ox-tls req=3 text=\"OX is trusted again\"");
	/* told when it begins, not at each request */
	ck_assert_ptr_null(strstr(out, "event=ox-tls req=2"));
	(void)close(notify);
}
END_TEST

/* ---- PostgreSQL ---- */

static char pg_dir[200];
static unsigned pg_port;
static pid_t pg_pid;

/* As the user that PostgreSQL runs as, in its folder; LINE is of the shell. */
static void
as_pg(const char *line)
{
	char text[2000];
	char *argv[] = { "sh", "-c", text, NULL };

	(void)snprintf(text, sizeof(text), "cd %s && %s sh -c '%s'", pg_dir, harness_env("USMD_TEST_AS"), line);
	if (run_wait(argv, in_dir("pg.log")) == 0)
		return;
	(void)snprintf(text, sizeof(text), "cat %.200s >&2", in_dir("pg.log"));
	(void)run_wait(argv, NULL);
	ck_abort_msg("%s", line);
}

/* The server's certificate from now on, "" = it has none. */
static void
pg_use(const char *cert)
{
	char line[1600];

	if (cert[0] == '\0') {
		as_pg("echo ssl = off >data/postgresql.auto.conf");
	} else {
		/* a copy, because PostgreSQL wants a key of its own */
		(void)snprintf(line, sizeof(line), "umask 077; rm -f data/server.*; cat %.250s/%.40s.crt >data/server.crt; cat %.250s/%.40s.key >data/server.key; echo ssl = on >data/postgresql.auto.conf",
		    dir, cert, dir, cert);
		as_pg(line);
	}
	if (pg_pid == 0)
		return;
	(void)snprintf(line, sizeof(line), "%.400s/pg_ctl -D data reload", harness_env("USMD_TEST_PGBIN"));
	as_pg(line);
}

static unsigned
free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

/* PostgreSQL ignores TLS on unix sockets, so this one listens on a port as well; when somebody is faster there, the next is tried. */
static bool
pg_try(void)
{
	char line[1600];
	char *argv[] = { "sh", "-c", line, NULL };

	pg_port = free_port();
	(void)snprintf(line, sizeof(line), "cd %s && %s %s/pg_ctl -D data -l log -w -t 30 -o \"-k %s -p %u -c listen_addresses=127.0.0.1 -c fsync=off\" start || { cat log; false; }", pg_dir,
	    harness_env("USMD_TEST_AS"), harness_env("USMD_TEST_PGBIN"), pg_dir, pg_port);
	return run_wait(argv, NULL) == 0;
}

static void
setup_pg(void)
{
	char line[1600], *argv[] = { "sh", "-c", line, NULL };
	FILE *f;

	setup();
	make_certificates();
	/* which PostgreSQL's user may read */
	(void)snprintf(line, sizeof(line), "chmod 755 %.250s && chmod 644 %.250s/*.key", dir, dir);
	ck_assert_int_eq(run_wait(argv, NULL), 0);
	/* a folder of that user, beside the one of with-servers */
	(void)snprintf(pg_dir, sizeof(pg_dir), "%s/pg/tls.%ld", harness_env("USMD_TEST_DIR"), (long)getpid());
	(void)snprintf(line, sizeof(line), "%s mkdir %s", harness_env("USMD_TEST_AS"), pg_dir);
	ck_assert_int_eq(run_wait(argv, NULL), 0);
	(void)snprintf(line, sizeof(line), "%.400s/initdb -D data -U usmd -A trust -E UTF8 --locale=C --no-sync", harness_env("USMD_TEST_PGBIN"));
	as_pg(line);
	pg_pid = 0;
	pg_use("good");
	for (int i = 0; !pg_try(); i++)
		ck_assert_msg(i < 5, "PostgreSQL does not start");
	(void)snprintf(line, sizeof(line), "%s/data/postmaster.pid", pg_dir);
	f = fopen(line, "r");
	ck_assert(f != NULL && fscanf(f, "%d", &pg_pid) == 1);
	(void)fclose(f);
}

static void
teardown_pg(void)
{
	char line[1600];

	(void)snprintf(line, sizeof(line), "%.400s/pg_ctl -D data -m immediate -w -t 20 stop; cd .. && rm -rf %.200s", harness_env("USMD_TEST_PGBIN"), pg_dir);
	as_pg(line);
	pg_pid = 0;
}

/* usmd's settings with a database at HOST, which OURS must have signed. */
static const char *
config_pg(const char *host, const char *ca_file, const char *mode)
{
	char conninfo[700];

	(void)snprintf(conninfo, sizeof(conninfo), "host=%s port=%u user=usmd dbname=postgres sslmode=%s sslrootcert=%.250s/%s", host, pg_port, mode, dir, ca_file);
	return config(conninfo, "redis_retry = 100ms\n");
}

/* The number that SQL answers, by the unix socket. */
static long
pg_sql(const char *sql)
{
	char info[300];
	PGconn *c;
	PGresult *r;
	long n;

	(void)snprintf(info, sizeof(info), "host=%s port=%u user=usmd dbname=postgres", pg_dir, pg_port);
	c = PQconnectdb(info);
	r = PQexec(c, sql);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c));
	n = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

/* Connections of usmd, or of its listener, that TLS protects or that it does not. */
static long
connections(bool listener, bool protected)
{
	char sql[300];

	(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = '%s' AND ssl = %s",
	    listener ? "usmd listener" : "usmd", protected ? "true" : "false");
	return pg_sql(sql);
}

/* Read the log up to the line that has TEXT. */
static void
await_log(int log, const char *text)
{
	size_t n = 0;

	do {
		if (n > 0 && (out[n - 1] == '\n' || n == sizeof(out) - 1))
			n = 0;
		ck_assert_int_eq(read(log, out + n, 1), 1);
		out[++n] = '\0';
	} while (out[n - 1] != '\n' || strstr(out, text) == NULL);
}

START_TEST(postgresql_is_trusted_by_its_authority)
{
	const char *file = config_pg("localhost", "ours.crt", "verify-full");
	int notify, log;
	pid_t pid;

	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_msg(run("usmctl", "migrate", "--config", file, "--sql", "sql") == 0, "%s", out);
	notify = notify_socket();
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "READY=1");
	for (int i = 0; i < 1000 && connections(true, true) == 0; i++)
		sleep_ms(10);
	ck_assert_int_gt(connections(false, true), 0);
	ck_assert_int_eq(connections(true, true), 1);
	ck_assert_int_eq(connections(false, false) + connections(true, false), 0);
	/* a certificate that is not good any more is noticed at the next connection, of the pool and of the listener, and the next good one as well */
	pg_use("expired");
	for (int i = 0; i < 1000; i++) {
		char answer[16384];

		pg_sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'usmd%'");
		ck_assert(ask("admin.sock", health, answer, sizeof(answer)));
		if (strstr(answer, "postgresql=down") != NULL)
			break;
		sleep_ms(10);
	}
	health_says("not ready", "postgresql=down");
	await_log(log, "event=notify.down text=\"not listening to PostgreSQL: ");
	ck_out("certificate verify failed; see sslmode and sslrootcert in pg_conninfo");
	pg_use("good");
	for (int i = 0; i < 1000 && (connections(true, true) == 0 || connections(false, true) == 0); i++) {
		char answer[16384];

		(void)ask("admin.sock", health, answer, sizeof(answer));
		sleep_ms(10);
	}
	health_says("postgresql=ok", "");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(finish(pid, log), 0);
	ck_out("event=notify.up");
	(void)close(notify);
}
END_TEST

static const struct pg_refusal {
	const char *cert, *host, *ca_file, *what;
} pg_refusals[] = {
	{ "foreign", "localhost", "ours.crt", "certificate verify failed" },
	{ "expired", "localhost", "ours.crt", "certificate verify failed" },
	{ "alone", "localhost", "ours.crt", "certificate verify failed" },
	{ "elsewhere", "localhost", "ours.crt", "does not match host name" },
	{ "good", "127.0.0.1", "ours.crt", "does not match host name" },
	{ "good", "localhost", "there-is-none.crt", "does not exist" },
	{ "", "localhost", "ours.crt", "does not support SSL" },
};

/* Another try would not help: it is told with what to do, and not waited for. */
START_TEST(postgresql_is_refused)
{
	const struct pg_refusal *r = &pg_refusals[_i];
	const char *file = config_pg(r->host, r->ca_file, "verify-full");

	pg_use(r->cert);
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	ck_assert_int_eq(run("usmctl", "migrate", "--config", file, "--sql", "sql"), 1);
	ck_out(r->what);
	ck_out("see sslmode and sslrootcert in pg_conninfo");
	ck_assert_int_eq(run("usmd", "-c", file), 1);
	ck_out(r->what);
	ck_out("see sslmode and sslrootcert in pg_conninfo");
	ck_assert_ptr_null(strstr(out, "event=postgresql-wait"));
}
END_TEST

/* A host that is only away may be the right one.  (libpq asks no further one behind a host that is there and not trusted.) */
START_TEST(postgresql_may_come_at_another_host)
{
	char hosts[600];
	int notify = notify_socket(), log;
	const char *file;
	pid_t pid;

	(void)snprintf(hosts, sizeof(hosts), "%s,localhost", in_dir("nobody"));
	file = config_pg(hosts, "ours.crt", "verify-full");
	pg_use("foreign");
	ck_assert_int_eq(run("usmctl", "key-create", in_dir("key")), 0);
	pid = spawn("usmd", (const char *const[]){ "-c", file, NULL }, &log);
	await_notify(notify, "STATUS=waiting for PostgreSQL, attempt 1: no connection to PostgreSQL: ");
	ck_assert_msg(strstr(last_notify, "certificate verify failed") != NULL && strstr(last_notify, "sslrootcert in pg_conninfo") != NULL, "%s", last_notify);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(finish(pid, log), 0);
	(void)close(notify);
}
END_TEST

/* OpenSSL of this program and of what it starts speaks old versions, too, so that a test can tell who refuses them. */
static void
weaken_openssl(void)
{
	static char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/openssl.cnf", harness_env("USMD_TEST_DIR"));
	f = fopen(path, "w");
	if (f == NULL)
		return;
	(void)fputs("openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = weak\n[weak]\nMinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n", f);
	(void)fclose(f);
	(void)setenv("OPENSSL_CONF", path, 1);
}

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *ox = tcase_create("ox"), *pg = tcase_create("pg");

	weaken_openssl();
	tcase_set_timeout(ox, 60);
	tcase_add_checked_fixture(ox, setup_ox, teardown_ox);
	tcase_add_test(ox, ox_is_trusted_by_its_authority);
	tcase_add_loop_test(ox, ox_is_refused, 0, (int)ARRAY_LEN(refusals));
	tcase_add_test(ox, old_tls_is_refused);
	tcase_add_test(ox, redirects_are_not_followed);
	tcase_add_test(ox, ox_refused_and_trusted_again);
	suite_add_tcase(s, ox);
	tcase_set_timeout(pg, 120);
	tcase_add_checked_fixture(pg, setup_pg, teardown_pg);
	tcase_add_test(pg, postgresql_is_trusted_by_its_authority);
	tcase_add_loop_test(pg, postgresql_is_refused, 0, (int)ARRAY_LEN(pg_refusals));
	tcase_add_test(pg, postgresql_may_come_at_another_host);
	suite_add_tcase(s, pg);
	return harness_main(s);
}
