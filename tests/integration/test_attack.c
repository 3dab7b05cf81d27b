/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attacks from outside, over TCP: what is refused is counted, nothing is told, and the server goes on serving others.  In make check the short form;
 * make attack sends the crowds (ATTACK=long) and prints what the others felt: their p99 during each attack, against the one before.
 * Attackers come from 127.0.0.2 and following, the others from 127.0.0.1.
 */
#define _GNU_SOURCE /* memmem */
#include "wire.h"
#include "nodes.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>

#define SECRET "webhook-secret-of-this-test"
#define PER_ADDRESS 1000
#define DEVICES 20
#define ATTEMPTS 5

static bool lengthy;
static struct node n;
static struct dev other;

/* ---- a client on a bare socket ---- */

static unsigned
port(void)
{
	return (unsigned)strtoul(strrchr(n.server, ':') + 1, NULL, 10);
}

/* From 127.0.0.FROM; -1 = no connection. */
static int
dial(unsigned from)
{
	struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 + from) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port()) };
	struct timeval tv = { .tv_sec = 20 };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (bind(fd, (struct sockaddr *)&me, sizeof(me)) == 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static bool
say(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, p, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		p += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* All that comes until the other side closes. */
static void
hear(int fd, struct buf *out)
{
	char text[4096];
	ssize_t got;

	while ((got = recv(fd, text, sizeof(text), 0)) > 0)
		buf_add(out, text, (size_t)got);
}

static int
status_of(const struct buf *answer)
{
	return answer->len > 12 && strncmp(answer->p, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer->p + 9, NULL, 10) : 0;
}

/* One request; HEAD: further header lines.  The status, and all of the answer in OUT (may be NULL). */
static int
request_from(unsigned from, const char *path, const char *head, const char *body, size_t len, struct buf *out)
{
	int fd = dial(from), status;
	struct buf b;

	ck_assert_int_ge(fd, 0);
	buf_init(&b, 64 << 20);
	buf_addf(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", path, head, len);
	buf_add(&b, body, len);
	(void)say(fd, b.p, b.len);
	buf_reset(&b);
	hear(fd, &b);
	(void)close(fd);
	status = status_of(&b);
	if (out != NULL)
		buf_add(out, b.p != NULL ? b.p : "", b.len);
	buf_fini(&b);
	return status;
}

static int
login_from(unsigned from, const char *head, const char *user, const char *password, const char *device)
{
	char body[400];

	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"password\":\"%s\",\"device\":\"%s\",\"protocol\":1}", user, password, device);
	return request_from(from, "/usm-json/login", head, body, strlen(body), NULL);
}

/* ---- what the others feel ---- */

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Requests of the other client, one after the other, each on a connection of its own, before and during each attack. */
#define MEASURED 20000
struct feeling {
	int64_t us[MEASURED];
	size_t n, refused;
};
static struct feeling calm, now;
static pthread_t feeler;
static atomic_bool over;
static const char *attack; /* set by each */

static void
feel(struct feeling *x)
{
	char head[128];
	int64_t begun = now_mono_us();

	(void)snprintf(head, sizeof(head), "Authorization: Bearer %s\r\n", other.token);
	x->refused += request_from(1, "/usm-json/getConfig", head, "{}", 2, NULL) != 200;
	x->us[x->n++] = now_mono_us() - begun;
}

static void *
feel_until_over(void *arg)
{
	do
		feel(arg);
	while (!atomic_load(&over) && now.n < MEASURED);
	return NULL;
}

static double
p_ms(struct feeling *x, size_t percent)
{
	qsort(x->us, x->n, sizeof(x->us[0]), by_size);
	return (double)x->us[x->n * percent / 100] / 1000;
}

/* Just before each attack, since the machine has other work, too. */
static void
others_go_on(void)
{
	for (unsigned i = 0; lengthy && i < 3000; i++)
		feel(&calm);
	ck_assert_int_eq(pthread_create(&feeler, NULL, feel_until_over, &now), 0);
}

static void
others_were_served(void)
{
	atomic_store(&over, true);
	(void)pthread_join(feeler, NULL);
	ck_assert_uint_eq(now.refused, 0);
	if (lengthy)
		(void)printf("%-26s %5zu requests: p50 %6.2f ms, normally %6.2f; p99 %6.2f ms, normally %6.2f: %.2f times\n", attack, now.n, p_ms(&now, 50), p_ms(&calm, 50),
		    p_ms(&now, 99), p_ms(&calm, 99), p_ms(&now, 99) / p_ms(&calm, 99));
	(void)fflush(stdout);
}

/* ---- the server ---- */

static void
world_up(void)
{
	static char udp[80], secret[200], hook[240], per[60];
	const char *settings[] = { "trusted_proxies = unix", "max_body = 16M", "max_body_total = 64M", "client_timeout = 2s", "transfer_time = 5s", per,
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
}

static void
world_gone(void)
{
	ck_assert_int_eq(node_end(&n, SIGTERM), 0);
	world_down();
}

/* ---- the attacks ---- */

/* Heads that never end, a byte now and then; from each address as many as it may have, and a few more. */
START_TEST(slowloris)
{
	static int fd[8000];
	static const char head[] = "POST /usm-json/getConfig HTTP/1.1\r\nHost: x\r\nX-Slow: ";
	unsigned per = lengthy ? PER_ADDRESS : 60, addresses = lengthy ? 5 : 2;
	size_t m = 0;
	long slow = node_metric(&n, "usmd_connections_slow_total");
	int64_t until;

	attack = "slowloris";
	for (unsigned a = 0; a < addresses; a++)
		for (unsigned i = 0; i < per; i++) {
			fd[m] = dial(2 + a);
			ck_assert_int_ge(fd[m], 0);
			(void)say(fd[m++], head, sizeof(head) - 1);
		}
	until = now_mono_us() + 60000000;
	while (node_metric(&n, "usmd_connections_slow_total") - slow < (long)m) {
		ck_assert_int_lt(now_mono_us(), until);
		for (size_t i = 0; i < m; i++)
			(void)say(fd[i], "a", 1);
		sleep_ms(200);
	}
	for (size_t i = 0; i < m; i++)
		(void)close(fd[i]);
}
END_TEST

/* One address has only so many connections, whatever it writes into headers. */
START_TEST(too_many_of_one)
{
	static int fd[PER_ADDRESS + 50];
	long refused = node_metric(&n, "usmd_connections_refused_total");

	attack = "idle connections";
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = dial(20);
		ck_assert_int_ge(fd[i], 0);
	}
	node_await(&n, "usmd_connections_refused_total", refused + 50 - 2); /* event threads that accept in the same moment do not see each other */
	sleep_ms(lengthy ? 5000 : 0); /* how long the attack is measured */
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		(void)close(fd[i]);
}
END_TEST

static long
rss_kib(void)
{
	char path[60], line[200];
	long kib = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)n.pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	(void)fclose(f);
	return kib;
}

/* A body of 1 GiB: refused at its announcement, and where it has none, cut off and not kept. */
START_TEST(huge_bodies)
{
	static const char told[] = "POST /usm-json/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n";
	static const char untold[] = "POST /usm-json/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char piece[7 + (1 << 16) + 2];
	struct buf out;
	size_t sent = 0;
	long rss;
	int fd = dial(3);

	attack = "bodies of 1 GiB";
	buf_init(&out, 1 << 20);
	ck_assert(say(fd, told, sizeof(told) - 1));
	hear(fd, &out);
	ck_assert_int_eq(status_of(&out), 413);
	(void)close(fd);
	fd = dial(3);
	(void)memcpy(piece, "10000\r\n", 7);
	memset(piece + 7, '[', 1 << 16);
	(void)memcpy(piece + 7 + (1 << 16), "\r\n", 2);
	(void)say(fd, untold, sizeof(untold) - 1);
	while (sent < (size_t)1 << 30 && say(fd, piece, 7 + (1 << 16) + 2))
		sent += 1 << 16;
	(void)close(fd);
	ck_assert_msg(sent < (size_t)128 << 20, "%zu bytes were taken", sent);
	rss = rss_kib();
	ck_assert_msg(rss < 400L * 1024, "%ld KiB in memory", rss);
	buf_fini(&out);
}
END_TEST

START_TEST(deep_json)
{
	size_t len = 10000000;
	char *body = malloc(len), head[128];
	long errors = node_series(&n, "usmd_request_errors_total{code=\"limit\"}");

	attack = "10,000,000 levels of JSON";
	ck_assert_ptr_nonnull(body);
	(void)snprintf(head, sizeof(head), "Authorization: Bearer %s\r\n", other.token);
	memset(body, '[', len);
	for (int i = 0; i < (lengthy ? 50 : 1); i++)
		ck_assert_int_eq(request_from(4, "/usm-json/getConfig", head, body, len, NULL), 400);
	for (size_t i = 0; i + 5 <= len; i += 5)
		memcpy(body + i, "{\"a\":", 5);
	ck_assert_int_eq(request_from(4, "/usm-json/login", "", body, len, NULL), 400);
	node_await(&n, "usmd_request_errors_total{code=\"limit\"}", errors + 2);
	free(body);
}
END_TEST

/* One user makes devices as long as he is let. */
START_TEST(devices_without_end)
{
	unsigned tries = lengthy ? 5000 : 60, made = 0;
	static char text[1 << 16];
	const char *at_ox;

	attack = "devices without end";
	for (unsigned i = 0; i < tries; i++) {
		char name[40];
		int status;

		(void)snprintf(name, sizeof(name), "device-%u", i);
		status = login_from(5, "", "caesar", "secret", name);
		ck_assert_msg(status == 200 || status == 400, "device %u: %d", i, status);
		made += status == 200;
	}
	ck_assert_uint_eq(made, DEVICES);
	/* what was refused left no session at OX: it keeps one an account, here of two users */
	world_control(&w, "counters", "{}", text, sizeof(text));
	at_ox = strstr(text, "\"sessions\"");
	ck_assert_msg(at_ox != NULL && strtol(at_ox + 11, NULL, 10) <= 4, "%.300s", text);
	/* and logs in again and again with one of them */
	for (unsigned i = 0; i < 30; i++)
		ck_assert_int_eq(login_from(5, "", "caesar", "secret", "device-0"), 200);
	ck_assert_int_le(node_metric(&n, "usmd_sessions"), DEVICES + 8 + 4);
}
END_TEST

/* Guessing, with another X-Forwarded-For each time: OX is asked as often as login_attempts allow. */
START_TEST(guessed_passwords)
{
	unsigned tries = lengthy ? 2000 : 60;
	long failed = node_metric(&n, "usmd_logins_failed_total"), refused = node_series(&n, "usmd_requests_refused_total{reason=\"login\"}");

	attack = "guessed passwords";
	for (unsigned i = 0; i < tries; i++) {
		char user[40], password[40], head[80];

		(void)snprintf(user, sizeof(user), "user%u", i % 7);
		(void)snprintf(password, sizeof(password), "guess%u", i);
		(void)snprintf(head, sizeof(head), "X-Forwarded-For: 198.51.%u.%u\r\nX-Real-IP: 10.0.0.%u\r\n", i / 250, i % 250, i % 250);
		ck_assert_int_eq(login_from(6, head, user, password, "d"), i < ATTEMPTS ? 401 : 429);
	}
	ck_assert_int_eq(node_metric(&n, "usmd_logins_failed_total") - failed, ATTEMPTS);
	ck_assert_int_eq(node_series(&n, "usmd_requests_refused_total{reason=\"login\"}") - refused, (long)tries - ATTEMPTS);
	/* one user from many addresses, who writes himself differently each time */
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(login_from(100 + i, "", i % 2 == 0 ? "Dora" : "dora", i % 3 == 0 ? "a" : "b", "d"), i < ATTEMPTS ? 401 : 429);
	/* who is logged in, and other users elsewhere, are not concerned */
	ck_assert_int_eq(login_from(90, "", "emil", "secret", "d"), 200);
}
END_TEST

START_TEST(guessed_tokens)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned tries = lengthy ? 2000 : 100;
	uint64_t x = 20261122;
	char head[200], token[44];

	attack = "guessed tokens";
	for (unsigned i = 0; i < tries; i++) {
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
}
END_TEST

START_TEST(forged_events)
{
	static const char event[] = "{\"folder\":\"1\",\"user\":3,\"context\":1}";
	long unsigned_before = node_metric(&n, "usmd_webhooks_unsigned_total"), strangers = node_metric(&n, "usmd_udp_strangers_total");
	unsigned tries = lengthy ? 2000 : 100;
	char path[300], line[600];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *f;

	attack = "forged events";
	for (unsigned i = 0; i < tries; i++) {
		char head[200];
		int status;

		(void)snprintf(head, sizeof(head), i % 2 == 0 ? "" : "X-OX-Signature: t=%lld,v1=%064x\r\n", (long long)(now_ms() / 1000), i);
		status = request_from(8, "/usm-json/webhook", head, event, sizeof(event) - 1, NULL);
		ck_assert_msg(status == 401 || status == 403 || status == 400, "a forged webhook: %d", status);
	}
	ck_assert_int_eq(node_metric(&n, "usmd_webhooks_unsigned_total") - unsigned_before, (long)tries);
	ck_assert_int_eq(node_metric(&n, "usmd_webhooks_total"), 0);
	(void)snprintf(path, sizeof(path), "%s/usmd.conf", n.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "udp_listen = 127.0.0.1:", 23) == 0)
			to.sin_port = htons((uint16_t)strtoul(line + 23, NULL, 10));
	(void)fclose(f);
	for (unsigned i = 0; i < tries; i++)
		ck_assert_int_gt(sendto(fd, event, sizeof(event) - 1, 0, (struct sockaddr *)&to, sizeof(to)), 0);
	(void)close(fd);
	node_await(&n, "usmd_udp_strangers_total", strangers + 50); /* UDP may lose some */
	ck_assert_int_eq(node_metric(&n, "usmd_udp_packets_total"), 0);
}
END_TEST

/* Nothing that a client writes begins a header line or a log line. */
START_TEST(injection)
{
	static const char *const paths[] = { "/usm-json/x%0d%0aX-Injected:%20yes", "/usm-json/x\tevent=forged", "/usm-json/%0aevent=forged%20level=error", "/%0d%0aX-Injected:%20yes" };
	static const char *const heads[] = { "User-Agent: a\rX-Injected: yes\r\n", "Accept-Language: \"\x01\x02 event=forged\r\n", "Cookie: usm_session=a%0d%0aX-Injected: yes\r\n",
		"X-Forwarded-For: 1.2.3.4 event=forged\r\n", "Authorization: Bearer x\x0b" "event=forged\r\n", "Content-Type: text/html; event=forged\r\n" };
	static const char body[] = "{\"user\":\"a\\nevent=forged level=error\",\"password\":\"x\\r\\nX-Injected: yes\",\"device\":\"d\",\"protocol\":1,"
	    "\"client\":{\"name\":\"a event=forged\"}}";
	static char log[32 << 20];
	char path[300];
	struct buf out;
	size_t len;
	FILE *f;

	attack = "injection";
	buf_init(&out, 4 << 20);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		for (size_t k = 0; k < ARRAY_LEN(heads); k++)
			(void)request_from(9, paths[i], heads[k], "{}", 2, &out);
	for (size_t k = 0; k < ARRAY_LEN(heads); k++)
		(void)request_from(9, "/usm-json/login", heads[k], body, sizeof(body) - 1, &out);
	ck_assert_uint_gt(out.len, 1000);
	ck_assert_msg(memmem(out.p, out.len, "\nX-Injected", 11) == NULL && memmem(out.p, out.len, "\rX-Injected", 11) == NULL, "%.3000s", out.p);
	buf_fini(&out);
	(void)snprintf(path, sizeof(path), "%s/usmd.log", n.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	len = fread(log, 1, sizeof(log) - 1, f);
	(void)fclose(f);
	log[len] = '\0';
	ck_assert_ptr_nonnull(strstr(log, "event=access"));
	ck_assert_msg(strstr(log, "event=forged") == NULL, "%.400s", strstr(log, "event=forged"));
	ck_assert_ptr_null(strstr(log, other.token));
	ck_assert_ptr_null(strstr(log, SECRET));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("attack");
	TCase *t = tcase_create("attack");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, world_up, world_gone);
	tcase_add_checked_fixture(t, others_go_on, others_were_served);
	tcase_add_test(t, slowloris);
	tcase_add_test(t, too_many_of_one);
	tcase_add_test(t, huge_bodies);
	tcase_add_test(t, deep_json);
	tcase_add_test(t, devices_without_end);
	tcase_add_test(t, guessed_passwords);
	tcase_add_test(t, guessed_tokens);
	tcase_add_test(t, forged_events);
	tcase_add_test(t, injection);
	suite_add_tcase(s, t);
	return harness_main(s);
}
