/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What attackers and the others need: connections from addresses of their own, a pace, the server's metrics, and what the others feel.
 *
 * The others: one client (127.0.0.1, a thread of its own) that asks something every two milliseconds, each time on a new connection.  A request's time
 * runs from when it was due, so a server that stands still is not asked less.  In make attack each attack comes in rounds, before each of which the
 * others are alone: what else the machine does falls on both.  Told is the median over the rounds of (p99 during the attack) / (p99 before it).
 *
 * The attacker has a line of ATTACK_MBIT (100) megabits a second, makes ATTACK_RATE (1000) requests or connections a second, 0 = as many as it can, and
 * runs at a lower priority: on the machine of the server it would otherwise take from the others what a remote one cannot.  What the server does for
 * the attacker has the server's own priority.
 */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

#include "wire.h"
#include "nodes.h"

#include <dirent.h>
#include <sys/resource.h>

#define ROUNDS 5
#define CALM_MS 2000
#define BEAT_US 2000
#define SAMPLES 40000 /* of one round */
#define ATTACKERS_NICE 5
#define TIMES_NORMAL 2.0 /* what the others may feel of an attack */

static bool lengthy;
static struct node n;
static struct dev other; /* anton, whom nothing may concern */

/* ---- the pace ---- */

static double
setting(const char *name, double usual)
{
	const char *v = getenv(name);

	return v != NULL ? strtod(v, NULL) : usual;
}

/* Before an attacker's next request or connection, or (REQUEST false) before the next BYTES of one. */
static void
pace(bool request, size_t bytes)
{
	static double mbit = -1, rate;
	static int64_t next_us;
	double us = 0;
	int64_t now = now_mono_us();

	if (!lengthy)
		return;
	if (mbit < 0) {
		mbit = setting("ATTACK_MBIT", 100);
		rate = setting("ATTACK_RATE", 1000);
	}
	if (request && rate > 0)
		us = 1e6 / rate;
	if (mbit > 0 && (double)bytes * 8 / mbit > us)
		us = (double)bytes * 8 / mbit;
	if (now - next_us > 1000000) /* it may catch up a little */
		next_us = now;
	next_us += (int64_t)us;
	if (next_us - now > 1000) /* as exact as sleeping is */
		sleep_ms((unsigned)((next_us - now) / 1000));
}

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

/* An attacker's: at the pace of his line. */
static bool
say_much(int fd, const char *p, size_t len)
{
	const size_t most = 65536;

	for (size_t i = 0; i < len; i += most) {
		size_t part = len - i < most ? len - i : most;

		pace(false, part);
		if (!say(fd, p + i, part))
			return false;
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

/* Nothing that is anton's: his session, his folders. */
static void
nothing_of_others(const struct buf *answer)
{
	const char *type;
	json_t *v;

	ck_assert_ptr_null(memmem(answer->p, answer->len, other.token, strlen(other.token)));
	json_object_foreach(other.defaults, type, v)
		ck_assert_ptr_null(memmem(answer->p, answer->len, json_string_value(v), strlen(json_string_value(v))));
}

/* What libmicrohttpd or usmd has refused, of all that attackers have sent. */
static atomic_long turned_away;

/* One request; HEAD: further header lines.  The status (0 = cut off), and all of the answer in OUT (may be NULL). */
static int
request_from(unsigned from, const char *path, const char *head, const char *body, size_t len, struct buf *out)
{
	int fd = dial(from), status;
	struct buf b;

	ck_assert_int_ge(fd, 0);
	buf_init(&b, 64 << 20);
	buf_addf(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", path, head, len);
	if (from == 1) {
		buf_add(&b, body, len);
		(void)say(fd, b.p, b.len);
	} else {
		pace(true, b.len + len);
		if (say(fd, b.p, b.len))
			(void)say_much(fd, body, len);
	}
	buf_reset(&b);
	hear(fd, &b);
	(void)close(fd);
	status = status_of(&b);
	if (from != 1 && b.p != NULL && status != 200)
		nothing_of_others(&b);
	if (from != 1 && status >= 400)
		atomic_fetch_add(&turned_away, 1);
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

/* ---- the server ---- */

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

static long
cpu_ms(void)
{
	char path[60], line[1000];
	unsigned long user = 0, sys = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)n.pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	(void)fclose(f);
	ck_assert_int_eq(sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys), 2);
	return (long)(user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}

static long
open_files(void)
{
	char path[60];
	long found = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)n.pid);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		found++;
	(void)closedir(d);
	return found;
}

/* All requests that the metrics know as refused: by a status from 400, or before they were one. */
static long
refused_by_metrics(void)
{
	static char text[1 << 18];
	long sum = node_metric(&n, "usmd_http_malformed_total");

	ck_assert_int_eq(node_ask(&n, "/metrics", text, sizeof(text)), 200);
	for (const char *p = text; (p = strstr(p, "\nusmd_requests_total{")) != NULL; p++) {
		const char *status = strstr(p, "status=\""), *end = strchr(p + 1, '\n');

		ck_assert(status != NULL && status < end);
		if (strtol(status + 8, NULL, 10) >= 400)
			sum += strtol(strchr(status, '}') + 1, NULL, 10);
	}
	return sum;
}

/* Each line of the node's log. */
static void
log_lines(void (*fn)(const char *line, void *arg), void *arg)
{
	char path[300], *line = NULL;
	size_t size = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.log", n.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (getline(&line, &size, f) > 0)
		fn(line, arg);
	free(line);
	(void)fclose(f);
}

/* ---- what the others feel ---- */

struct felt {
	int64_t us[SAMPLES];
	size_t n;
};
static struct siege {
	const char *name;
	unsigned round;           /* the one that goes on, from 1; 0 = none has begun */
	struct felt calm[ROUNDS], attacked[ROUNDS];
	_Atomic(struct felt *) now; /* NULL = it is not counted */
	atomic_long refused;
	atomic_bool over, behind;
	pthread_t feeler;
	long rss_kib, cpu_ms, refusals;
	int64_t begun_us, round_us;
} siege;

static void *
feel(void *arg)
{
	int64_t due = now_mono_us();
	char head[128];

	(void)arg;
	(void)snprintf(head, sizeof(head), "Authorization: Bearer %s\r\n", other.token);
	while (!atomic_load(&siege.over)) {
		struct felt *f = atomic_load(&siege.now), *then;
		int64_t now = now_mono_us();

		if (due > now)
			(void)usleep((useconds_t)(due - now));
		atomic_fetch_add(&siege.refused, request_from(1, "/usm-json/getConfig", head, "{}", 2, NULL) != 200);
		now = now_mono_us();
		then = atomic_load(&siege.now);
		/* one that an attack's end falls into was felt; one that its begin falls into is neither */
		if (f != NULL && (f == then || f >= siege.attacked) && f->n < SAMPLES)
			f->us[f->n++] = now - due;
		due += BEAT_US;
		atomic_store(&siege.behind, now > due);
	}
	return NULL;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_ms(struct felt *f, size_t percent)
{
	ck_assert_uint_gt(f->n, 0);
	qsort(f->us, f->n, sizeof(f->us[0]), by_size);
	return (double)f->us[f->n * percent / 100] / 1000;
}

static void
siege_begin(const char *name)
{
	siege.name = name;
	siege.refusals = refused_by_metrics();
	siege.begun_us = now_mono_us();
	siege.cpu_ms = cpu_ms();
	if (!lengthy)
		atomic_store(&siege.now, &siege.attacked[0]);
	ck_assert_int_eq(pthread_create(&siege.feeler, NULL, feel, NULL), 0);
	/* of this thread alone, the attacker; not in the short form, where further tests may run in this process */
	if (lengthy)
		(void)setpriority(PRIO_PROCESS, 0, ATTACKERS_NICE);
}

/* Once more?  Begins the next round, after the others were alone for a while.  for (siege_begin(...); siege_round();) ... siege_end(); */
static bool
siege_round(void)
{
	if (!lengthy)
		return siege.round++ == 0;
	atomic_store(&siege.now, NULL);
	if (siege.round == 1)
		siege.rss_kib = rss_kib();
	if (siege.round == ROUNDS)
		return false;
	do
		sleep_ms(300);
	while (atomic_load(&siege.behind));
	atomic_store(&siege.now, &siege.calm[siege.round]);
	sleep_ms(CALM_MS);
	siege.round_us = now_mono_us();
	atomic_store(&siege.now, &siege.attacked[siege.round++]);
	return true;
}

/* Is this round still too short to measure anything? */
static bool
siege_is_short(void)
{
	return lengthy && now_mono_us() - siege.round_us < CALM_MS * INT64_C(1000);
}

static void
siege_tell(void)
{
	double times[ROUNDS], p50[2], p99[2], load[1] = { 0 };
	char text[100] = "";
	size_t found[2] = { 0, 0 };
	int64_t ratio[ROUNDS];
	static struct felt all[2];

	for (unsigned r = 0; r < ROUNDS; r++) {
		times[r] = percentile_ms(&siege.attacked[r], 99) / percentile_ms(&siege.calm[r], 99);
		ratio[r] = (int64_t)(times[r] * 1000);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " %.2f", times[r]);
	}
	for (unsigned i = 0; i < 2; i++) {
		all[i].n = 0;
		for (unsigned r = 0; r < ROUNDS; r++) {
			const struct felt *f = i == 0 ? &siege.calm[r] : &siege.attacked[r];

			found[i] += f->n;
			for (size_t k = 0; k < f->n && all[i].n < SAMPLES; k++)
				all[i].us[all[i].n++] = f->us[k];
		}
		p50[i] = percentile_ms(&all[i], 50);
		p99[i] = percentile_ms(&all[i], 99);
	}
	qsort(ratio, ROUNDS, sizeof(ratio[0]), by_size);
	(void)getloadavg(load, 1);
	(void)printf("%-26s %.2f times (%s ); p99 %.2f ms, normally %.2f; p50 %.2f, normally %.2f; %zu and %zu requests; server %ld ms of %lld, %ld MiB; load %.1f\n",
	    siege.name, (double)ratio[ROUNDS / 2] / 1000, text, p99[1], p99[0], p50[1], p50[0], found[1], found[0], cpu_ms() - siege.cpu_ms,
	    (long long)(now_mono_us() - siege.begun_us) / 1000, rss_kib() / 1024, load[0]);
	(void)fflush(stdout);
	ck_assert_msg(ratio[ROUNDS / 2] <= (int64_t)(TIMES_NORMAL * 1000), "%s: the others' p99 was %.2f times the normal one", siege.name, (double)ratio[ROUNDS / 2] / 1000);
}

/* What holds after each attack: the others were served, every refusal is in the metrics, and more rounds take no more memory. */
static void
siege_end(void)
{
	long away = atomic_load(&turned_away);

	atomic_store(&siege.over, true);
	(void)pthread_join(siege.feeler, NULL);
	ck_assert_int_eq(atomic_load(&siege.refused), 0);
	for (int i = 0; i < 500 && refused_by_metrics() - siege.refusals < away; i++)
		sleep_ms(10); /* a request is counted when its connection is done with */
	ck_assert_int_ge(refused_by_metrics() - siege.refusals, away);
	if (!lengthy)
		return;
	ck_assert_msg(rss_kib() - siege.rss_kib < 48L * 1024, "%s: %ld KiB in memory, %ld after the first round", siege.name, rss_kib(), siege.rss_kib);
	siege_tell();
}

#endif
