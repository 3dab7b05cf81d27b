/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Waiting clients: what a parked ping costs, and how long an event takes to its answer.  One device a ping, as usmd wants it; they
 * belong to a few users, and all but the first of each user are made in the database, sessions and cursors included, since a
 * login for each would be what takes the time.  Some folders have one waiter only: their changes are the measured ones.  An event
 * is a message as another node sends it; usmd then looks at OX by itself, as it does for every source of events.  It does not poll
 * (ping_poll_interval = 0): the cost of that is the number of accounts over the interval, whether their clients wait here or not.
 */
#include "bench/bench.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/cache_int.h"

#define USERS 40        /* who share the crowd */
#define PER_SECOND 100
#define REQUESTS 500
#define BATCH 400       /* requests on their way at once; queue_length is larger */
#define TOKEN_LEN 43

struct user {
	char login[32], folder[40], syncid[40], token[100];
	int64_t ox_folder;
	uint64_t topic;
};

struct push {
	struct bench *b;
	struct model_keys *keys;
	redisContext *redis;
	struct link metrics;
	struct user *users;     /* N_ACTIVE with one device each, then USERS of the crowd */
	size_t n_active, n, seconds, idle_s;
	double bare, bare_wake_s; /* of libmicrohttpd alone: octets each; seconds */
	struct series request_us; /* CPU of a short request while nobody waits */
	struct crowd crowd;     /* connection i < n_active is that of user i */
};

static double
metric(struct push *p, const char *name)
{
	char line[80];
	const char *at;

	link_call(&p->metrics, "GET", "http://localhost/metrics", NULL);
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(p->metrics.text, line);
	if (at != NULL)
		return strtod(at + strlen(line), NULL);
	die("usmd has no metric %s", name);
}

static void
await_waiters(struct push *p, double n)
{
	double until = wall() + 300;

	while (metric(p, "usmd_waiters") < n) {
		if (wall() > until) {
			crowd_answered(&p->crowd); /* who does not wait was answered, and that says why */
			die("only %.0f of %.0f clients wait", metric(p, "usmd_waiters"), n);
		}
		(void)usleep(5000);
	}
}

static void
event(struct push *p, const struct user *u)
{
	unsigned char m[CACHE_MESSAGE] = "bench!!!";
	redisReply *r;

	for (unsigned i = 0; i < 8; i++)
		m[CACHE_NODE + i] = (unsigned char)(u->topic >> (8 * i));
	r = redisCommand(p->redis, "PUBLISH %s %b", CACHE_CHANNEL, m, sizeof(m));
	if (r == NULL || r->type != REDIS_REPLY_INTEGER)
		die("Redis does not take an event");
	freeReplyObject(r);
}

/* ---- who waits ---- */

static void
user_new(struct push *p, struct user *u, size_t i)
{
	struct device d;

	(void)snprintf(u->login, sizeof(u->login), "push%zu", i);
	u->ox_folder = ox_user(&p->b->ox, u->login);
	device_login(&d, p->b->socket, u->login, "push");
	(void)device_fill(&d, d.contacts, 100);
	(void)device_sync(&d, d.contacts);
	(void)snprintf(u->folder, sizeof(u->folder), "%s", d.contacts);
	(void)snprintf(u->syncid, sizeof(u->syncid), "%s", d.syncid);
	(void)snprintf(u->token, sizeof(u->token), "%s", d.token);
	device_close(&d);
}

static void
find_topics(struct push *p)
{
	int64_t context = (int64_t)pg_number(p->b, "SELECT min(context_id) FROM usmd.account");

	for (size_t i = 0; i < p->n_active + USERS; i++) {
		char id[24];
		struct place place = { .context = context, .ct = CT_CONTACT, .folder = id };

		(void)snprintf(id, sizeof(id), "%" PRId64, p->users[i].ox_folder);
		p->users[i].topic = place_tag(p->keys, &place);
	}
}

/* Devices clone<i> with sessions and cursors like those of the crowd's users in turn. */
static void
clone_devices(struct push *p, size_t clones)
{
	char sql[2000];

	(void)snprintf(sql, sizeof(sql),
	    "SET search_path = usmd; CREATE TEMP TABLE base AS SELECT row_number() OVER (ORDER BY d.id) - 1 - %zu AS nr, d.id, d.account FROM device d"
	    " WHERE d.name = 'push';"
	    "CREATE TEMP TABLE clone AS SELECT i, b.id AS of, b.account, NULL::int4 AS id FROM generate_series(0, %zu) i JOIN base b ON b.nr = i %% %d;"
	    "INSERT INTO device (account, seen_at, name) SELECT account, 1, 'clone' || i FROM clone;"
	    "ANALYZE clone; ANALYZE device;" /* or a join of each with each is taken for cheap */
	    "UPDATE clone c SET id = d.id FROM device d WHERE d.account = c.account AND d.name = 'clone' || c.i;"
	    "INSERT INTO session (token_hash, account, expires, device)"
	    " SELECT sha256(convert_to(rpad('bench' || lpad(i::text, 8, '0'), %d, 'A'), 'UTF8')), account, 9000000000000, id FROM clone;"
	    "INSERT INTO cursor (seq, k, lo, device, folder, more, syncid, body)"
	    " SELECT c.seq, c.k, c.lo, n.id, c.folder, c.more, c.syncid, c.body FROM clone n JOIN cursor c ON c.device = n.of;"
	    "ANALYZE device; ANALYZE session; ANALYZE cursor", p->n_active, clones - 1, USERS, TOKEN_LEN);
	pg_do(p->b, sql);
}

static void
wait_as(struct push *p, const struct user *u, const char *token)
{
	char body[300], request[900];

	(void)snprintf(body, sizeof(body), "{\"heartbeat\":3540,\"folders\":[{\"folder\":\"%s\",\"syncid\":\"%s\"}]}", u->folder, u->syncid);
	(void)snprintf(request, sizeof(request), "POST /usm-json/ping HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	    "Authorization: Bearer %s\r\nX-Forwarded-For: 192.0.2.17\r\nUser-Agent: bench\r\nContent-Length: %zu\r\n\r\n%s", token, strlen(body), body);
	crowd_join(&p->crowd, p->b->socket, request);
}

static void
clone_token(size_t i, char token[TOKEN_LEN + 1])
{
	memset(token, 'A', TOKEN_LEN);
	token[TOKEN_LEN] = '\0';
	(void)snprintf(token, TOKEN_LEN, "bench%08zu", i);
	token[13] = 'A';
}

/* A first request of each: sessions are there before they wait, and what they cost is not what waiting costs. */
static void
open_sessions(struct push *p, size_t clones)
{
	for (size_t i = 0; i < clones; i++) {
		char token[TOKEN_LEN + 1], bearer[80];
		struct link l;

		clone_token(i, token);
		(void)snprintf(bearer, sizeof(bearer), "Bearer %s", token);
		link_open(&l, p->b->socket, "Authorization", bearer);
		link_call(&l, "POST", "http://localhost/usm-json/getConfig", "{}");
		link_close(&l);
	}
}

static double
slab_bytes(void)
{
	char line[200];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Slab: %lu", &kib) == 1)
			break;
	if (f != NULL)
		(void)fclose(f);
	return (double)kib * 1024;
}

/* What one short request costs usmd: libmicrohttpd walks the parked connections of a thread whenever it resumes one. */
static void
request_cpu(struct push *p, struct series *us)
{
	struct link l;

	link_open(&l, p->b->socket, NULL, NULL);
	for (size_t run = 0; run < p->b->runs; run++) {
		double cpu = cpu_of(p->b->usmd);

		for (unsigned i = 0; i < REQUESTS; i++)
			link_call(&l, "POST", "http://localhost/usm-json/serverInfo", "{}");
		series_add(us, (cpu_of(p->b->usmd) - cpu) / REQUESTS * 1e6);
	}
	link_close(&l);
}

static void
park_all(struct push *p)
{
	size_t clones = p->n - p->n_active, before, sessions, parked, first = p->n / 10, after_first = 0;
	double slab, t0, each;
	struct series s = { .n = 0 };

	clone_devices(p, clones);
	request_cpu(p, &p->request_us);
	sessions = resident_of(p->b->usmd);
	open_sessions(p, clones);
	before = resident_of(p->b->usmd);
	slab = slab_bytes();
	t0 = wall();
	for (size_t i = 0; i < p->n; i++) {
		char token[TOKEN_LEN + 1];
		size_t c = i - p->n_active;

		clone_token(c, token);
		if (i < p->n_active)
			wait_as(p, &p->users[i], p->users[i].token);
		else
			wait_as(p, &p->users[p->n_active + c % USERS], token);
		if (i % BATCH == BATCH - 1 && i > BATCH)
			await_waiters(p, (double)(i - BATCH));
		if (i + 1 == first) {
			await_waiters(p, (double)first);
			after_first = resident_of(p->b->usmd);
		}
	}
	await_waiters(p, (double)p->n);
	printf("%zu clients wait, parked at %.0f a second\n", p->n, (double)p->n / (wall() - t0));
	parked = resident_of(p->b->usmd);
	series_add(&s, (double)(parked - before) / (double)p->n / 1024);
	slab = (slab_bytes() - slab) / (double)p->n / 1024;
	bench_row("parked ping: resident memory of usmd", "KiB", &s, "bare libmicrohttpd", "KiB", p->bare / 1024, series_median(&s), 6, true);
	/* as it is measured of libmicrohttpd; the first ones bring the workers' allocator caches, their stacks and connections */
	each = (double)(parked - after_first) / (double)(p->n - first);
	s.n = 0;
	series_add(&s, each / 1024);
	bench_row("  each beyond the first tenth", "KiB", &s, "bare libmicrohttpd", "KiB", p->bare / 1024, 0, 0, true);
	s.n = 0;
	series_add(&s, ((double)(after_first - before) - each * (double)first) / 1048576);
	bench_row("  once, however many wait: what workers keep", "MiB", &s, "", "", 0, 0, 0, true);
	s.n = 0;
	series_add(&s, (double)(before - sessions) / (double)clones / 1024);
	bench_row("  session of a device, waiting or not", "KiB", &s, "", "", 0, 0, 0, true);
	s.n = 0;
	series_add(&s, slab);
	bench_row("  kernel memory, both ends of a unix socket", "KiB", &s, "", "", 0, 0, 0, true);
	s.n = 0;
	series_add(&s, p->bare_wake_s);
	bench_row("  bare libmicrohttpd: all resumed and answered", "s", &s, "", "", 0, 0, 0, true);
}

static void
idle(struct push *p)
{
	struct series s = { .n = 0 };
	double cpu = cpu_of(p->b->usmd), t0 = wall();

	(void)sleep((unsigned)p->idle_s);
	series_add(&s, (cpu_of(p->b->usmd) - cpu) / (wall() - t0) * 100);
	bench_row("  idle: CPU of one core", "%", &s, "", "", 0, series_median(&s), 2, true);
	s.n = 0;
	request_cpu(p, &s);
	bench_row("  a short request beside them: CPU", "us", &s, "without them", "us", series_median(&p->request_us),
	    series_median(&s) / series_median(&p->request_us), 0, true);
}

/* ---- events ---- */

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Takes answers until UNTIL; notes those of active users. */
static size_t
take_answers(struct push *p, double until, const double *sent, double *latency)
{
	size_t who[256], got = 0;
	double at[256], left;

	while ((left = until - wall()) > 0) {
		size_t n = crowd_answers(&p->crowd, (int)(left * 1000) + 1, who, at, 256);

		for (size_t i = 0; i < n; i++) {
			if (who[i] >= p->n_active || sent[who[i]] == 0)
				die("connection %zu was answered without an event", who[i]);
			latency[who[i]] = at[i] - sent[who[i]];
			got++;
		}
	}
	return got;
}

static void
events(struct push *p)
{
	double *sent = calloc(p->n_active, sizeof(*sent)), *latency = calloc(p->n_active, sizeof(*latency)), t0, cpu;
	double *hop = calloc(p->n_active, sizeof(*hop)); /* to Redis and back: what this machine's other work does to one step of the way */
	size_t got = 0;
	struct series s = { .n = 0 };
	double figure = p->n > 20000 ? 50 : 20;

	if (sent == NULL || latency == NULL || hop == NULL)
		die("no memory");
	for (size_t i = 0; i < p->n_active; i++)
		ox_fill(&p->b->ox, p->users[i].login, p->users[i].ox_folder, 1); /* what the events will be about: OX is not measured */
	cpu = cpu_of(p->b->usmd);
	t0 = wall();
	for (size_t i = 0; i < p->n_active; i++) {
		got += take_answers(p, t0 + (double)i / PER_SECOND, sent, latency);
		sent[i] = wall();
		event(p, &p->users[i]);
		hop[i] = wall() - sent[i];
	}
	for (double until = wall() + 20; got < p->n_active && wall() < until;)
		got += take_answers(p, wall() + 0.05, sent, latency);
	if (got != p->n_active)
		die("%zu of %zu events were not answered", p->n_active - got, p->n_active);
	cpu = (cpu_of(p->b->usmd) - cpu) / (double)p->n_active;
	qsort(latency, p->n_active, sizeof(*latency), by_value);
	qsort(hop, p->n_active, sizeof(*hop), by_value);
	series_add(&s, latency[p->n_active * 99 / 100] * 1000);
	bench_row("event to answered ping at 100 a second: p99", "ms", &s, "PUBLISH alone: p99", "ms", hop[p->n_active * 99 / 100] * 1000, series_median(&s),
	    figure, true);
	s.n = 0;
	series_add(&s, latency[p->n_active / 2] * 1000);
	bench_row("  p50", "ms", &s, "PUBLISH alone: p50", "ms", hop[p->n_active / 2] * 1000, 0, 0, true);
	s.n = 0;
	series_add(&s, cpu * 1000);
	bench_row("  CPU of usmd for each, with its look at OX", "ms", &s, "", "", 0, 0, 0, true);
	free(sent);
	free(latency);
	free(hop);
}

/* One change in each folder of the crowd: everybody who is left has to be answered. */
static void
wake_all(struct push *p)
{
	size_t left = p->n - p->n_active, got = 0, who[256];
	double at[256], t0, cpu;
	struct series s = { .n = 0 };

	for (size_t i = 0; i < USERS; i++)
		ox_fill(&p->b->ox, p->users[p->n_active + i].login, p->users[p->n_active + i].ox_folder, 1);
	cpu = cpu_of(p->b->usmd);
	t0 = wall();
	for (size_t i = 0; i < USERS; i++)
		event(p, &p->users[p->n_active + i]);
	while (got < left) {
		size_t n = crowd_answers(&p->crowd, 30000, who, at, 256);

		if (n == 0)
			die("%zu of %zu were not answered", left - got, left);
		got += n;
	}
	series_add(&s, wall() - t0);
	bench_row("all others woken and answered", "s", &s, "", "", 0, 0, 0, true);
	s.n = 0;
	series_add(&s, (cpu_of(p->b->usmd) - cpu) / (double)left * 1e6);
	bench_row("  CPU of usmd for each", "us", &s, "", "", 0, 0, 0, true);
}

/* ---- */

static struct model_keys *
keys_of(const char *file)
{
	unsigned char key[KEY_BYTES];
	char text[2 * KEY_BYTES + 1] = "";
	FILE *f = fopen(file, "r");
	bool ok = f != NULL && fgets(text, sizeof(text), f) != NULL && hex_decode(text, key, sizeof(key));

	if (f != NULL)
		(void)fclose(f);
	if (!ok)
		die("no key in %s", file);
	return model_keys_new(key);
}

void
bench_push(struct bench *b)
{
	const char *wanted = getenv("BENCH_PUSH");
	size_t want = wanted != NULL ? strtoul(wanted, NULL, 10) : 10000;
	struct push p = { .b = b, .n = crowd_limit(want), .keys = keys_of(bench_need("BENCH_KEY")), .redis = redisConnectUnix(b->redis) };

	if (p.n < want)
		printf("THE LIMIT OF OPEN FILES IS TOO LOW: %zu clients and not %zu; raise it (ulimit -Hn %zu, or LimitNOFILE)\n", p.n, want, want + 1000);
	p.seconds = want > 10000 ? 20 : 5;
	p.idle_s = want > 10000 ? 60 : 15;
	p.n_active = p.seconds * PER_SECOND;
	p.users = calloc(p.n_active + USERS, sizeof(*p.users));
	if (p.users == NULL || p.keys == NULL || p.redis == NULL || p.redis->err != 0)
		die("no memory, or no Redis");
	link_open(&p.metrics, bench_need("BENCH_ADMIN"), NULL, NULL);
	bare_crowd(p.n, &p.bare, &p.bare_wake_s);
	crowd_open(&p.crowd, p.n);
	for (size_t i = 0; i < p.n_active + USERS; i++)
		user_new(&p, &p.users[i], i);
	find_topics(&p);
	ox_advance(&b->ox, 60000); /* what comes now is newer than what their indexes were made of */
	park_all(&p);
	idle(&p);
	events(&p);
	wake_all(&p);
	crowd_leave(&p.crowd);
	link_close(&p.metrics);
	redisFree(p.redis);
	model_keys_free(p.keys);
	free(p.users);
}
