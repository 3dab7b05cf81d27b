/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attacks from outside, over TCP: what is refused is counted, nothing is told, nothing is left, and the server goes on serving others.  In make check
 * the short form; make attack sends the crowds (ATTACK=long) and measures what the others feel (attack.h says how), which may be twice their normal.
 * Attackers come from 127.0.0.2 and following, the others from 127.0.0.1.
 */
#define _GNU_SOURCE /* memmem */
#include "attack.h"

#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>

#define SECRET "webhook-secret-of-this-test"
#define PER_ADDRESS 1000
#define DEVICES 20
#define ATTEMPTS 5
#define CLIENT_TIMEOUT_S 3

/* Of all cases, each of which is a process of its own. */
static struct {
	long rss_kib, files;
} *begun;

/* ---- the world ---- */

static void
world_up(void)
{
	static char udp[80], secret[200], hook[240], per[60];
	const char *settings[] = { "trusted_proxies = unix", "max_body = 16M", "max_body_total = 64M", "client_timeout = 3s", "transfer_time = 5s", per,
		"max_connections = 8000", "max_waiters = 1000", "login_attempts = 5", "max_devices = 20", "flood_rate = 0", "ping_poll_interval = 0", "webhook = usmd", hook,
		udp, "udp_nodes = 127.0.0.1:9", NULL };
	struct rlimit rl;
	FILE *f;

	lengthy = getenv("ATTACK") != NULL;
	(void)getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	(void)snprintf(per, sizeof(per), "max_connections_per_address = %d", PER_ADDRESS);
	(void)snprintf(secret, sizeof(secret), "%s/webhook-secret", harness_env("USMD_TEST_DIR"));
	f = fopen(secret, "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs(SECRET "\n", f);
	(void)fclose(f);
	(void)chmod(secret, 0600);
	(void)snprintf(hook, sizeof(hook), "webhook_secret_file = %s", secret);
	(void)snprintf(udp, sizeof(udp), "udp_listen = 127.0.0.1:%u", some_port());
	world_begin(&w, NULL, settings);
	world_usmd_kill(&w); /* its UDP port goes to the node */
	node_start(&n);
	(void)snprintf(w.server, sizeof(w.server), "%s", n.server);
	login(&other, "anton", "phone");
	begun = mmap(NULL, sizeof(*begun), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(begun, MAP_FAILED);
	begun->rss_kib = rss_kib();
	begun->files = open_files();
}

static void
world_gone(void)
{
	ck_assert_int_eq(node_end(&n, SIGTERM), 0);
	world_down();
}

/* ---- the database ---- */

static PGconn *
database(void)
{
	char text[300];
	PGconn *c;

	(void)snprintf(text, sizeof(text), "%s dbname=usmd_world", harness_env("USMD_TEST_PG"));
	c = PQconnectdb(text);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	return c;
}

/* The number that SQL answers; of one that answers none 0. */
static long
in_database(const char *sql)
{
	PGconn *c = database();
	PGresult *r = PQexec(c, sql);
	long v = 0;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK, "%s", PQerrorMessage(c));
	if (PQntuples(r) == 1)
		v = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return v;
}

static void
count_line(const char *line, void *arg)
{
	(void)line;
	++*(long *)arg;
}

/* ---- the attacks ---- */

/* Heads that never end, a byte now and then; from each address as many as it may have. */
START_TEST(slowloris)
{
	static int fd[8000];
	static const char head[] = "POST /usm-json/getConfig HTTP/1.1\r\nHost: x\r\nX-Slow: ";
	unsigned per = lengthy ? PER_ADDRESS : 60, addresses = lengthy ? 5 : 2;

	for (siege_begin("slowloris"); siege_round();) {
		long slow = node_metric(&n, "usmd_connections_slow_total");
		int64_t until = now_mono_us() + 60000000;
		size_t m = 0;

		for (unsigned a = 0; a < addresses; a++)
			for (unsigned i = 0; i < per; i++) {
				if (i % 4 == 0)
					pace(true, 4 * sizeof(head)); /* fast enough to have them all before the first is cut off */
				fd[m] = dial(2 + a);
				ck_assert_int_ge(fd[m], 0);
				(void)say(fd[m++], head, sizeof(head) - 1);
			}
		while (node_metric(&n, "usmd_connections_slow_total") - slow < (long)m) {
			ck_assert_int_lt(now_mono_us(), until);
			for (size_t i = 0; i < m; i++) { /* evenly: all of them within a third of client_timeout */
				(void)say(fd[i], "a", 1);
				if (i % (1 + m / (CLIENT_TIMEOUT_S * 1000 / 3)) == 0)
					sleep_ms(1);
			}
		}
		for (size_t i = 0; i < m; i++)
			(void)close(fd[i]);
	}
	siege_end();
}
END_TEST

/* One address has only so many connections, whatever it writes into headers; silent ones end. */
START_TEST(too_many_of_one)
{
	static int fd[PER_ADDRESS + 50];

	for (siege_begin("idle connections"); siege_round();) {
		long refused = node_metric(&n, "usmd_connections_refused_total"), idle = node_metric(&n, "usmd_connections_idle_total");

		for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
			pace(true, 0);
			fd[i] = dial(20);
			ck_assert_int_ge(fd[i], 0);
		}
		node_await(&n, "usmd_connections_refused_total", refused + 50 - 2); /* event threads that accept in the same moment do not see each other */
		node_await(&n, "usmd_connections_idle_total", idle + PER_ADDRESS);
		for (size_t i = 0; i < ARRAY_LEN(fd); i++)
			(void)close(fd[i]);
	}
	siege_end();
}
END_TEST

/* A body of 1 GiB: refused at its announcement, and where it has none, cut off and not kept. */
START_TEST(huge_bodies)
{
	static const char told[] = "POST /usm-json/syncUpdate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n";
	static const char untold[] = "POST /usm-json/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char piece[7 + (1 << 16) + 2];
	struct dev caesar;

	login(&caesar, "caesar", "device-0");
	(void)memcpy(piece, "10000\r\n", 7);
	memset(piece + 7, 'x', 1 << 16);
	(void)memcpy(piece + 7 + (1 << 16), "\r\n", 2);
	for (siege_begin("bodies of 1 GiB"); siege_round();) {
		long refused = node_series(&n, "usmd_requests_refused_total{reason=\"body\"}"), rss;
		struct buf out;
		int fd = dial(3);

		buf_init(&out, 1 << 20);
		ck_assert(say(fd, told, sizeof(told) - 1));
		hear(fd, &out);
		ck_assert_int_eq(status_of(&out), 413);
		(void)close(fd);
		/* without a session, with a token that nobody has, with a good one: what is read and thrown away is four times what each may send */
		for (int i = 0; i < 3; i++) {
			size_t sent = 0, most = i == 0 ? (size_t)16 << 20 : (size_t)80 << 20; /* up to 10 MiB of them in the kernel */
			char head[400];

			(void)snprintf(head, sizeof(head), untold, i == 0 ? "login" : "syncUpdate",
			    i == 2 ? caesar.token : "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
			fd = dial(3);
			(void)say(fd, head, strlen(head));
			while (sent < (size_t)1 << 30 && say_much(fd, piece, sizeof(piece)))
				sent += 1 << 16;
			(void)close(fd);
			ck_assert_msg(sent < most, "%zu bytes were taken", sent);
		}
		node_await(&n, "usmd_requests_refused_total{reason=\"body\"}", refused + 4);
		rss = rss_kib();
		ck_assert_msg(rss < 400L * 1024, "%ld KiB in memory", rss);
		buf_fini(&out);
	}
	siege_end();
}
END_TEST

/* Bodies that never end, of nobody known, as large as may be: they hold memory, and keep nobody out. */
START_TEST(held_bodies)
{
	static char part[1 << 20];
	int fd[40];

	memset(part, 'x', sizeof(part));
	for (siege_begin("bodies that never end"); siege_round();) {
		long refused = node_series(&n, "usmd_requests_refused_total{reason=\"bodies\"}"), slow = node_metric(&n, "usmd_connections_slow_total");

		for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
			char head[300];

			(void)snprintf(head, sizeof(head), "POST /usm-json/syncUpdate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
			    "Authorization: Bearer %043zu\r\nContent-Length: 15000000\r\n\r\n", i);
			fd[i] = dial(4);
			ck_assert_int_ge(fd[i], 0);
			(void)say(fd[i], head, strlen(head));
			(void)say_much(fd[i], part, sizeof(part) - 100000); /* its buffer is then the next power of two */
		}
		/* of 40, a quarter of max_body_total has room for 15 */
		node_await(&n, "usmd_requests_refused_total{reason=\"bodies\"}", refused + 20);
		/* they go on, a little now and then, until transfer_time */
		for (int i = 0; i < 100 && node_metric(&n, "usmd_connections_slow_total") - slow < (long)ARRAY_LEN(fd); i++) {
			for (size_t k = 0; k < ARRAY_LEN(fd); k++)
				(void)say(fd[k], "x", 1);
			sleep_ms(200);
		}
		ck_assert_int_ge(node_metric(&n, "usmd_connections_slow_total") - slow, (long)ARRAY_LEN(fd));
		for (size_t i = 0; i < ARRAY_LEN(fd); i++)
			(void)close(fd[i]);
	}
	siege_end();
}
END_TEST

/* Refused at the seventeenth bracket, the rest is read and thrown away. */
START_TEST(deep_json)
{
	size_t len = 10000000;
	char *body = malloc(len), *objects = malloc(len), head[128];

	ck_assert(body != NULL && objects != NULL);
	(void)snprintf(head, sizeof(head), "Authorization: Bearer %s\r\n", other.token);
	memset(body, '[', len);
	for (size_t i = 0; i + 5 <= len; i += 5)
		memcpy(objects + i, "{\"a\":", 5);
	for (siege_begin("10,000,000 levels of JSON"); siege_round();) {
		long limit = node_series(&n, "usmd_request_errors_total{code=\"limit\"}"), content = node_series(&n, "usmd_requests_refused_total{reason=\"content\"}"), i;

		for (i = 0; i < 1 || siege_is_short(); i++)
			ck_assert_int_eq(request_from(4, "/usm-json/getConfig", head, body, len, NULL), 400);
		ck_assert_int_eq(request_from(4, "/usm-json/syncUpdate", head, objects, len, NULL), 400);
		/* a login may not even have begun: 64 KiB are the most */
		ck_assert_int_eq(request_from(4, "/usm-json/login", "", objects, len, NULL), 413);
		ck_assert_int_eq(request_from(4, "/usm-json/login", "", objects, 65000, NULL), 400);
		node_await(&n, "usmd_request_errors_total{code=\"limit\"}", limit + i + 2);
		node_await(&n, "usmd_requests_refused_total{reason=\"content\"}", content + i + 2);
	}
	siege_end();
	free(body);
	free(objects);
}
END_TEST

/* One user makes devices as long as he is let.  What is refused costs no row, and a line or two of the log; OX is not asked for long. */
START_TEST(devices_without_end)
{
	unsigned tries = lengthy ? 20000 : 60, made = 0, full = 0, later = 0;
	long devices = node_series(&n, "usmd_requests_refused_total{reason=\"devices\"}"), login = node_series(&n, "usmd_requests_refused_total{reason=\"login\"}");
	long at_ox = node_metric(&n, "usmd_ox_logins_total"), rows, lines = 0, after = 0;
	static char text[1 << 16];
	const char *p;

	rows = in_database("SELECT (SELECT count(*) FROM usmd.device) + (SELECT count(*) FROM usmd.session) + (SELECT count(*) FROM usmd.audit)");
	log_lines(count_line, &lines);
	for (siege_begin("devices without end"); siege_round();)
		for (unsigned i = 0; i < tries; i++) {
			char name[40];
			int status;

			(void)snprintf(name, sizeof(name), "device-%u", siege.round * 100000 + i);
			status = login_from(5, "", "paula@example.net", "secret", name);
			made += status == 200;
			full += status == 400;
			later += status == 429;
			ck_assert_msg(status == 200 || status == 400 || status == 429, "device %u: %d", i, status);
		}
	siege_end();
	ck_assert_uint_eq(made, DEVICES);
	/* as for guesses: so many, and after each block one more */
	ck_assert_msg(full >= ATTEMPTS && full <= ATTEMPTS + 8, "%u logins for one device too many were tried at OX", full);
	ck_assert_int_eq(node_series(&n, "usmd_requests_refused_total{reason=\"devices\"}") - devices, (long)full);
	ck_assert_int_eq(node_series(&n, "usmd_requests_refused_total{reason=\"login\"}") - login, (long)later);
	ck_assert_int_le(node_metric(&n, "usmd_ox_logins_total") - at_ox, (long)(made + full) + 2);
	ck_assert_int_eq(in_database("SELECT (SELECT count(*) FROM usmd.device) + (SELECT count(*) FROM usmd.session) + (SELECT count(*) FROM usmd.audit)") - rows,
	    2L * DEVICES);
	log_lines(count_line, &after);
	ck_assert_msg(after - lines <= (long)(made + full) * 4 + (long)later + (long)(now_mono_us() - siege.begun_us) / 1000, "%ld lines for %u refusals", after - lines, full + later);
	/* what was refused left no session at OX: it keeps one an account */
	world_control(&w, "counters", "{}", text, sizeof(text));
	p = strstr(text, "\"sessions\"");
	ck_assert_msg(p != NULL && strtol(p + 11, NULL, 10) <= 8, "%.300s", text);
}
END_TEST

/* Again and again with one of them: it has eight sessions and no more. */
START_TEST(sessions_without_end)
{
	long before = node_metric(&n, "usmd_sessions");

	for (siege_begin("sessions without end"); siege_round();)
		for (unsigned i = 0; i < 30 || siege_is_short(); i++)
			ck_assert_int_eq(login_from(5, "", "caesar", "secret", "device-0"), 200);
	siege_end();
	ck_assert_int_le(node_metric(&n, "usmd_sessions") - before, 8);
}
END_TEST

static void
count_reload(const char *line, void *arg)
{
	*(long *)arg += strstr(line, " event=reload ") != NULL;
}

/* max_devices of the node from now on. */
static void
devices_allowed(unsigned max)
{
	char from[300], to[300], line[600], *p;
	long lines = 0, before = 0;
	FILE *in, *out;

	(void)snprintf(from, sizeof(from), "%s/usmd.conf", n.dir);
	(void)snprintf(to, sizeof(to), "%s/usmd.conf.new", n.dir);
	in = fopen(from, "r");
	out = fopen(to, "w");
	ck_assert(in != NULL && out != NULL);
	while ((p = fgets(line, sizeof(line), in)) != NULL)
		if (strncmp(line, "max_devices", 11) != 0)
			(void)fputs(line, out);
	(void)fprintf(out, "max_devices = %u\n", max);
	(void)fclose(in);
	(void)fclose(out);
	ck_assert_int_eq(rename(to, from), 0);
	log_lines(count_reload, &before);
	ck_assert_int_eq(kill(n.pid, SIGHUP), 0);
	for (int i = 0; i < 1000 && lines <= before; i++) {
		lines = 0;
		log_lines(count_reload, &lines);
		sleep_ms(10);
	}
}

/*
 * Where there is no limit, one account with 100,000 devices, each with a session, makes others no slower.  The rows are put there at once, as so many
 * logins would have left them; the logins of further ones are real.
 */
START_TEST(devices_without_limit)
{
	unsigned many = lengthy ? 100000 : 300, tries = lengthy ? 400 : 20;
	char sql[700];

	devices_allowed(0);
	ck_assert_int_eq(login_from(11, "", "dora", "secret", "first"), 200);
	(void)snprintf(sql, sizeof(sql), "WITH who AS (SELECT account FROM usmd.device WHERE name = 'first'), d AS (INSERT INTO usmd.device (account, name, seen_at, made_at)"
	    " SELECT account, 'many-' || i, 1, 1 FROM who, generate_series(1, %u) i RETURNING id, account)"
	    " INSERT INTO usmd.session (token_hash, account, device, expires) SELECT sha256(int4send(id)), account, id, 9000000000000 FROM d", many);
	(void)in_database(sql);
	ck_assert_int_ge(in_database("SELECT count(*) FROM usmd.device d, usmd.account a WHERE a.id = d.account AND d.name LIKE 'many-%'"), (long)many);
	for (siege_begin("100,000 devices of one"); siege_round();)
		for (unsigned i = 0; i < tries; i++) {
			char name[40];

			(void)snprintf(name, sizeof(name), "real-%u-%u", siege.round, i);
			ck_assert_int_eq(login_from(11, "", "dora", "secret", name), 200);
		}
	siege_end();
	/* a limit that comes later counts no farther than itself */
	devices_allowed(DEVICES);
	ck_assert_int_eq(login_from(11, "", "dora", "secret", "one-more"), 400);
	ck_assert_int_eq(login_from(11, "", "dora", "secret", "first"), 200);
}
END_TEST

/* Guessing, with another X-Forwarded-For each time: OX is asked as often as login_attempts allow. */
START_TEST(guessed_passwords)
{
	unsigned tries = 60, sent = 0;
	long failed = node_metric(&n, "usmd_logins_failed_total"), refused = node_series(&n, "usmd_requests_refused_total{reason=\"login\"}"), asked = 0;

	for (siege_begin("guessed passwords"); siege_round();)
		for (unsigned i = 0; i < tries || siege_is_short(); i++, sent++) {
			char user[40], password[40], head[80];
			int status;

			(void)snprintf(user, sizeof(user), "user%u", i % 7);
			(void)snprintf(password, sizeof(password), "guess%u", sent);
			(void)snprintf(head, sizeof(head), "X-Forwarded-For: 198.51.%u.%u\r\nX-Real-IP: 10.0.0.%u\r\n", i / 250 % 250, i % 250, i % 250);
			status = login_from(6, head, user, password, "d");
			ck_assert_msg(status == 429 || (status == 401 && (sent < ATTEMPTS || lengthy)), "guess %u: %d", sent, status);
			asked += status == 401;
		}
	siege_end();
	ck_assert_int_le(asked, ATTEMPTS + 1); /* a block of a minute may end meanwhile */
	ck_assert_int_eq(node_metric(&n, "usmd_logins_failed_total") - failed, asked);
	ck_assert_int_eq(node_series(&n, "usmd_requests_refused_total{reason=\"login\"}") - refused, (long)sent - asked);
	/* one user from many addresses, who writes himself differently each time */
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(login_from(100 + i, "", i % 2 == 0 ? "Berta" : "berta", i % 3 == 0 ? "a" : "b", "d"), i < ATTEMPTS ? 401 : 429);
	/* who is logged in, and other users elsewhere, are not concerned */
	ck_assert_int_eq(login_from(90, "", "emil", "secret", "d"), 200);
}
END_TEST

START_TEST(guessed_tokens)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned tries = 100, sent = 0;
	long before = node_series(&n, "usmd_request_errors_total{code=\"login-required\"}");
	uint64_t x = 20261122;
	char head[200], token[44];

	for (siege_begin("guessed tokens"); siege_round();)
		for (unsigned i = 0; i < tries || siege_is_short(); i++, sent++) {
			/* every second one differs from a good one in one place */
			(void)snprintf(token, sizeof(token), "%.43s", other.token);
			for (size_t k = i % 2 == 0 ? 0 : (i / 2) % 43; k < (i % 2 == 0 ? 43 : (i / 2) % 43 + 1); k++) {
				char old = token[k];

				do {
					x = x * 6364136223846793005u + 1442695040888963407u;
					token[k] = digits[x >> 58];
					/* the last character has two bits that say nothing */
				} while (token[k] == old);
			}
			(void)snprintf(head, sizeof(head), i % 4 < 2 ? "Authorization: Bearer %s\r\n" : "Cookie: usm_session=%s\r\n", token);
			ck_assert_int_eq(request_from(7, "/usm-json/getConfig", head, "{}", 2, NULL), 401);
		}
	siege_end();
	node_await(&n, "usmd_request_errors_total{code=\"login-required\"}", before + (long)sent);
}
END_TEST

/* With a session of his own: folders and states of another, and what might be some. */
START_TEST(guessed_ids)
{
	unsigned tries = 60, sent = 0;
	long absent = node_series(&n, "usmd_request_errors_total{code=\"not-found\"}"), unknown = node_series(&n, "usmd_request_errors_total{code=\"reconcile\"}");
	const char *theirs = json_string_value(json_object_get(other.defaults, "contact"));
	char head[200], body[200], uuid[40];
	struct dev caesar, mine;
	uint64_t x = 20261123;

	login(&caesar, "caesar", "device-0");
	mine = caesar;
	open_folder(&mine, str(mine.defaults, "contact"));
	(void)snprintf(head, sizeof(head), "Authorization: Bearer %s\r\n", caesar.token);
	for (siege_begin("guessed uuids and syncids"); siege_round();)
		for (unsigned i = 0; i < tries || siege_is_short(); i++, sent++) {
			char digit[2] = "";

			x = x * 6364136223846793005u + 1442695040888963407u;
			(void)snprintf(uuid, sizeof(uuid), "%s", theirs);
			digit[0] = "0123456789abcdef"[x >> 60];
			if (i % 3 > 0 && uuid[(x >> 20) % 36] != '-')
				uuid[(x >> 20) % 36] = digit[0];
			(void)snprintf(body, sizeof(body), "{\"folder\":\"%s\"}", uuid);
			ck_assert_int_eq(request_from(12, "/usm-json/syncInit", head, body, strlen(body), NULL), 404);
			(void)snprintf(body, sizeof(body), "{\"folder\":\"%s\",\"syncid\":\"%016llx%016llx\"}", mine.folder, (unsigned long long)x,
			    (unsigned long long)(x * 6364136223846793005u));
			ck_assert_int_eq(request_from(12, "/usm-json/syncUpdate", head, body, strlen(body), NULL), 409);
		}
	siege_end();
	node_await(&n, "usmd_request_errors_total{code=\"not-found\"}", absent + (long)sent);
	node_await(&n, "usmd_request_errors_total{code=\"reconcile\"}", unknown + (long)sent);
}
END_TEST

static uint16_t
udp_port(void)
{
	char path[300], line[600];
	unsigned long number = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.conf", n.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "udp_listen = 127.0.0.1:", 23) == 0)
			number = strtoul(line + 23, NULL, 10);
	(void)fclose(f);
	return (uint16_t)number;
}

START_TEST(forged_events)
{
	static const char event[] = "{\"folder\":\"1\",\"user\":3,\"context\":1}";
	long unsigned_before = node_metric(&n, "usmd_webhooks_unsigned_total"), strangers = node_metric(&n, "usmd_udp_strangers_total");
	unsigned tries = 100, sent = 0;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(udp_port()) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (siege_begin("forged events"); siege_round();)
		for (unsigned i = 0; i < tries || siege_is_short(); i++, sent++) {
			char head[200];

			(void)snprintf(head, sizeof(head), i % 2 == 0 ? "" : "X-OX-Signature: t=%lld,v1=%064x\r\n", (long long)(now_ms() / 1000), i);
			ck_assert_int_eq(request_from(8, "/usm-json/webhook", head, event, sizeof(event) - 1, NULL), 401);
			ck_assert_int_gt(sendto(fd, event, sizeof(event) - 1, 0, (struct sockaddr *)&to, sizeof(to)), 0);
		}
	siege_end();
	(void)close(fd);
	ck_assert_int_eq(node_metric(&n, "usmd_webhooks_unsigned_total") - unsigned_before, (long)sent);
	ck_assert_int_eq(node_metric(&n, "usmd_webhooks_total"), 0);
	node_await(&n, "usmd_udp_strangers_total", strangers + (long)sent / 2); /* UDP may lose some */
	ck_assert_int_eq(node_metric(&n, "usmd_udp_packets_total"), 0);
}
END_TEST

/* Nothing that a client writes begins a header line or (nothing_is_left) a log line. */
START_TEST(injection)
{
	static const char *const paths[] = { "/usm-json/x%0d%0aX-Injected:%20yes", "/usm-json/x\tevent=forged", "/usm-json/%0aevent=forged%20level=error", "/%0d%0aX-Injected:%20yes" };
	static const char *const heads[] = { "User-Agent: a\rX-Injected: yes\r\n", "Accept-Language: \"\x01\x02 event=forged\r\n", "Cookie: usm_session=a%0d%0aX-Injected: yes\r\n",
		"X-Forwarded-For: 1.2.3.4 event=forged\r\n", "Authorization: Bearer x\x0b" "event=forged\r\n", "Content-Type: text/html; event=forged\r\n", "event=forged\r\n" };
	static const char body[] = "{\"user\":\"a\\nevent=forged level=error\",\"password\":\"guess\\r\\nX-Injected: yes\",\"device\":\"d\",\"protocol\":1,"
	    "\"client\":{\"name\":\"a event=forged\"}}";
	struct buf out;

	buf_init(&out, 64 << 20);
	for (siege_begin("injection"); siege_round();)
		for (unsigned r = 0; r < 1 || siege_is_short(); r++) {
			for (size_t i = 0; i < ARRAY_LEN(paths); i++)
				for (size_t k = 0; k < ARRAY_LEN(heads); k++)
					ck_assert_int_ge(request_from(9, paths[i], heads[k], "{}", 2, &out), 400);
			for (size_t k = 0; k < ARRAY_LEN(heads); k++)
				ck_assert_int_ge(request_from(9, "/usm-json/login", heads[k], body, sizeof(body) - 1, &out), 400);
		}
	siege_end();
	ck_assert_uint_gt(out.len, 1000);
	ck_assert_msg(memmem(out.p, out.len, "\nX-Injected", 11) == NULL && memmem(out.p, out.len, "\rX-Injected", 11) == NULL, "%.3000s", out.p);
	buf_fini(&out);
}
END_TEST

/* ---- after all of them ---- */

/* What would be a session token: 43 of its characters and none more. */
static bool
has_token(const char *line)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (const char *p = line; *p != '\0';) {
		size_t len = strspn(p, digits);

		if (len == 43)
			return true;
		p += len > 0 ? len : 1;
	}
	return false;
}

static void
check_line(const char *line, void *arg)
{
	++*(long *)arg;
	ck_assert_msg(strstr(line, "event=forged") == NULL, "forged: %s", line);
	ck_assert_msg(strstr(line, "guess") == NULL && strstr(line, SECRET) == NULL && !has_token(line), "a secret: %s", line);
	ck_assert_msg(strstr(line, " event=") != NULL || strstr(line, "event=") == line, "no line of usmd: %s", line);
}

static void
some_line(const char *line, void *arg)
{
	*(bool *)arg |= strstr(line, "event=access") != NULL;
}

START_TEST(nothing_is_left)
{
	bool access = false;
	long lines = 0;

	for (int i = 0; i < 1000 && node_metric(&n, "usmd_connections") > 0; i++)
		sleep_ms(10);
	ck_assert_int_eq(node_metric(&n, "usmd_connections"), 0);
	ck_assert_int_eq(node_metric(&n, "usmd_requests_in_flight"), 0);
	if (lengthy)
		(void)printf("at the end: %ld MiB of memory, at the beginning %ld; %ld open files, %ld; %ld of CPU\n", rss_kib() / 1024, begun->rss_kib / 1024, open_files(),
		    begun->files, cpu_ms());
	/* connections to PostgreSQL (pg_pool) and OX that stay; none of a client */
	ck_assert_int_le(open_files() - begun->files, 16 + 64);
	ck_assert_msg(rss_kib() - begun->rss_kib < 96L * 1024, "%ld KiB in memory, %ld at the beginning", rss_kib(), begun->rss_kib);
	log_lines(check_line, &lines);
	log_lines(some_line, &access);
	ck_assert(access && lines > 1000);
	/* and whoever came first is still there */
	ck_assert_int_eq(login_from(91, "", "anton", "secret", "phone"), 200);
}
END_TEST

/* Of ATTACK_ONLY the one named, of none all. */
static bool
wanted(const char *name)
{
	const char *only = getenv("ATTACK_ONLY");

	return only == NULL || strcmp(only, name) == 0;
}

int
main(void)
{
	Suite *s = suite_create("attack");
	TCase *t = tcase_create("attack");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, world_up, world_gone);
	if (wanted("slowloris"))
		tcase_add_test(t, slowloris);
	if (wanted("too_many_of_one"))
		tcase_add_test(t, too_many_of_one);
	if (wanted("huge_bodies"))
		tcase_add_test(t, huge_bodies);
	if (wanted("held_bodies"))
		tcase_add_test(t, held_bodies);
	if (wanted("deep_json"))
		tcase_add_test(t, deep_json);
	if (wanted("devices_without_end"))
		tcase_add_test(t, devices_without_end);
	if (wanted("sessions_without_end"))
		tcase_add_test(t, sessions_without_end);
	if (wanted("devices_without_limit"))
		tcase_add_test(t, devices_without_limit);
	if (wanted("guessed_passwords"))
		tcase_add_test(t, guessed_passwords);
	if (wanted("guessed_tokens"))
		tcase_add_test(t, guessed_tokens);
	if (wanted("guessed_ids"))
		tcase_add_test(t, guessed_ids);
	if (wanted("forged_events"))
		tcase_add_test(t, forged_events);
	if (wanted("injection"))
		tcase_add_test(t, injection);
	/* the last one */
	if (wanted("nothing_is_left"))
		tcase_add_test(t, nothing_is_left);
	suite_add_tcase(s, t);
	return harness_main(s);
}
