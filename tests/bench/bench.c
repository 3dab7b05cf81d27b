/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * make bench: usmd against the limits of this machine.  Each row: what was measured (median, and from the least to the most of
 * all runs), what it is measured against, the ratio, and whether the figure aimed at is reached.  Nothing is asserted: exit
 * status 0 when everything could be measured.
 *
 * "CPU" of usmd is the time of all its threads, in user mode and in the kernel, from the process clock; the client that
 * asks, PostgreSQL, Redis and the OX stand-in are other processes and not in it.  Peers use the same kind of socket and the same client,
 * one request at a time, in turn with usmd.  usmd runs with its defaults but for log_level = warn (no line for each request).
 */
#include "bench/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANGES 10

void
die(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("bench: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

/* ---- the table ---- */

static void
head(struct bench *b)
{
	(void)b;
	printf("%-50s %12s  %-21s %-26s %12s %7s %7s  %s\n", "what", "median", "least .. most", "against", "", "ratio", "figure", "reached");
}

void
bench_row(const char *what, const char *unit, const struct series *s, const char *peer, const char *peer_unit, double peer_value, double ratio, double figure, bool less)
{
	char m[40], r[40], p[40] = "", q[20] = "", f[20] = "";

	(void)snprintf(m, sizeof(m), "%.4g %s", series_median(s), unit);
	(void)snprintf(r, sizeof(r), "%.4g .. %.4g", series_min(s), series_max(s));
	if (peer_value > 0)
		(void)snprintf(p, sizeof(p), "%.4g %s", peer_value, peer_unit);
	if (ratio > 0)
		(void)snprintf(q, sizeof(q), "%.2f", ratio);
	if (figure > 0)
		(void)snprintf(f, sizeof(f), "%s%.4g", less ? "<=" : ">=", figure);
	printf("%-50s %12s  %-21s %-26s %12s %7s %7s  %s\n", what, m, r, peer, p, q, f, figure <= 0 ? "" : (less ? ratio <= figure : ratio >= figure) ? "yes" : "NO");
	(void)fflush(stdout);
}

/* Ratio of what was measured right after each other, so that a machine whose speed drifts does not matter: the median of the pairs. */
static double
paired(const struct series *a, const struct series *b)
{
	struct series q = { .n = 0 };

	for (size_t i = 0; i < a->n && i < b->n; i++)
		series_add(&q, a->v[i] / b->v[i]);
	return series_median(&q);
}

/* ---- 1: nothing changed, index known fresh ---- */

static void
bench_fresh(struct bench *b)
{
	struct series s = { .n = 0 }, hello = { .n = 0 }, redis = { .n = 0 }, trip = { .n = 0 }, cpu_sum = { .n = 0 }, wall_sum = { .n = 0 };
	size_t requests = b->quick ? 500 : 2000;
	struct device d;
	int64_t ox;
	double pg;

	(void)ox_user_with_contacts(&b->ox, "fresh", b->fill - 1);
	device_login(&d, b->socket, "fresh", "fresh");
	(void)device_fill(&d, d.contacts, PAGE);
	(void)device_sync(&d, d.contacts);
	ox = ox_requests(&b->ox);
	pg = pg_writes(b);
	for (size_t run = 0; run < b->runs; run++) {
		double cpu, rt, c0 = cpu_of(b->usmd);

		for (size_t i = 0; i < requests; i++)
			if (device_sync(&d, d.contacts) != 0)
				die("an unchanged sync brought objects");
		series_add(&s, (cpu_of(b->usmd) - c0) / (double)requests * 1e6);
		series_add(&hello, hello_cpu(requests) * 1e6);
		redis_get(b->redis, requests, &cpu, &rt);
		series_add(&redis, cpu * 1e6);
		series_add(&trip, rt * 1e6);
		series_add(&cpu_sum, hello.v[run] + redis.v[run]);
		series_add(&wall_sum, hello.v[run] + trip.v[run]);
	}
	ox = ox_requests(&b->ox) - ox;
	pg = pg_writes(b) - pg;
	bench_row("libmicrohttpd, a constant answer: CPU", "us", &hello, "", "", 0, 0, 0, true);
	bench_row("Redis GET: CPU of its client", "us", &redis, "round trip, wall", "us", series_median(&trip), 0, 0, true);
	bench_row("sync without changes, known fresh: CPU", "us", &s, "hello CPU + Redis GET CPU", "us", series_median(&cpu_sum), paired(&s, &cpu_sum), 3, true);
	bench_row("  the same against the round trip's wall time", "us", &s, "hello CPU + Redis GET wall", "us", series_median(&wall_sum), paired(&s, &wall_sum), 0, true);
	printf("  in these %zu syncs: %lld OX requests, %.0f writing transactions in PostgreSQL%s\n", requests * b->runs, (long long)ox, pg,
	    ox == 0 && pg <= 0 ? "" : "   NOT REACHED: both must be 0");
	device_close(&d);
}

/* ---- 2: nothing changed, asking OX ---- */

static void
bench_asking(struct bench *b)
{
	struct series s = { .n = 0 }, bare = { .n = 0 }, parsed = { .n = 0 };
	size_t requests = b->quick ? 200 : 500;
	struct device d;
	int64_t folder, since;

	folder = ox_user_with_contacts(&b->ox, "asking", b->fill - 1);
	ox_login_as(&b->ox, "asking");
	device_login(&d, b->socket, "asking", "asking");
	(void)device_fill(&d, d.contacts, PAGE);
	(void)device_sync(&d, d.contacts);
	since = ox_timestamp(&b->ox, folder) - 10000;
	for (size_t run = 0; run < b->runs; run++) {
		double c0 = cpu_of(b->usmd);

		for (size_t i = 0; i < requests; i++)
			if (device_sync(&d, d.contacts) != 0)
				die("an unchanged sync brought objects");
		series_add(&s, (cpu_of(b->usmd) - c0) / (double)requests * 1e6);
		for (int parse = 0; parse < 2; parse++) {
			c0 = cpu_of(0);
			for (size_t i = 0; i < requests; i++)
				ox_updates_once(&b->ox, folder, since, parse != 0);
			series_add(parse != 0 ? &parsed : &bare, (cpu_of(0) - c0) / (double)requests * 1e6);
		}
	}
	bench_row("sync without changes, asking OX: CPU", "us", &s, "bare OX request: CPU", "us", series_median(&bare), paired(&s, &bare), 1.3, true);
	bench_row("  the same against request and jansson", "us", &s, "bare, parsed: CPU", "us", series_median(&parsed), paired(&s, &parsed), 0, true);
	device_close(&d);
}

/* ---- 3: ten changes in a large and in a small folder ---- */

struct sized {
	const char *user;
	int64_t folder, *ids;
	size_t n;
	struct device d;
	struct series cpu, bytes, pg;
};

static void
sized_open(struct bench *b, struct sized *z, const char *user, size_t count)
{
	memset(z, 0, sizeof(*z));
	z->user = user;
	z->folder = ox_user_with_contacts(&b->ox, user, count - 1);
	ox_login_as(&b->ox, user);
	z->n = ox_ids(&b->ox, z->folder, &z->ids);
	device_login(&z->d, b->socket, user, "sized");
	if (device_fill(&z->d, z->d.contacts, PAGE) != count)
		die("%s: the first fill is not complete", user);
	(void)device_sync(&z->d, z->d.contacts);
}

static void
sized_round(struct bench *b, struct sized *z, unsigned round, bool counted)
{
	double c0, p0;
	size_t t0;

	for (size_t i = 0; i < CHANGES; i++)
		ox_touch(&b->ox, z->user, z->folder, z->ids[(i * (z->n / CHANGES) + round) % z->n], round);
	t0 = z->d.link.total;
	p0 = cpu_of_children(b->pg);
	c0 = cpu_of(b->usmd);
	if (device_sync(&z->d, z->d.contacts) != CHANGES)
		die("%s: %d changes were expected: %.300s", z->user, CHANGES, z->d.link.text);
	if (!counted)
		return;
	series_add(&z->cpu, (cpu_of(b->usmd) - c0) * 1e6);
	series_add(&z->pg, (cpu_of_children(b->pg) - p0) * 1e6);
	series_add(&z->bytes, (double)(z->d.link.total - t0));
}

static void
bench_changes(struct bench *b)
{
	struct sized small, large;
	char what[80];

	sized_open(b, &small, "small", 100);
	sized_open(b, &large, "large", b->large);
	for (unsigned i = 0; i < b->rounds + 2; i++) { /* the first two warm the caches */
		ox_advance(&b->ox, 15000);
		sized_round(b, &small, i, i >= 2);
		sized_round(b, &large, i, i >= 2);
	}
	(void)snprintf(what, sizeof(what), "10 changes in %zu objects: CPU of usmd", b->large);
	bench_row(what, "us", &large.cpu, "in 100: CPU of usmd", "us", series_median(&small.cpu), paired(&large.cpu, &small.cpu), 1.2, true);
	bench_row("  octets to the client", "", &large.bytes, "in 100", "", series_median(&small.bytes), paired(&large.bytes, &small.bytes), 1.2, true);
	bench_row("  CPU of PostgreSQL", "us", &large.pg, "in 100", "us", series_median(&small.pg), paired(&large.pg, &small.pg), 0, true);
	device_close(&small.d);
	device_close(&large.d);
	free(small.ids);
	free(large.ids);
}

/* ---- 4: first fill ---- */

static void
bench_fill(struct bench *b)
{
	struct series secs = { .n = 0 }, cpu = { .n = 0 }, per_core = { .n = 0 }, bare = { .n = 0 }, bare_cpu = { .n = 0 }, small = { .n = 0 };
	double speed;
	char name[20], what[80];

	for (size_t run = 0; run < b->runs; run++) {
		struct device d;
		double w0, c0;
		int64_t folder;
		size_t n;

		(void)snprintf(name, sizeof(name), "fill%zu", run);
		folder = ox_user_with_contacts(&b->ox, name, b->fill - 1);
		ox_login_as(&b->ox, name);
		w0 = wall();
		c0 = cpu_of(0);
		n = ox_fetch_all(&b->ox, folder);
		series_add(&bare, wall() - w0);
		series_add(&bare_cpu, cpu_of(0) - c0);
		device_login(&d, b->socket, name, "fill"); /* makes the account and reads its folders: not part of the fill */
		w0 = wall();
		c0 = cpu_of(b->usmd);
		if (device_fill(&d, d.contacts, PAGE) != n)
			die("the first fill is not complete");
		series_add(&cpu, cpu_of(b->usmd) - c0);
		series_add(&secs, wall() - w0);
		series_add(&per_core, (double)n / cpu.v[run]);
		device_close(&d);
		pg_do(b, "VACUUM usmd.pim_row"); /* as autovacuum would have by the time the next account comes */
		if (run > 0) /* a second device: another page size over an index that is there */
			continue;
		device_login(&d, b->socket, name, "fill50");
		c0 = cpu_of(b->usmd);
		if (device_fill(&d, d.contacts, 50) != n)
			die("the fill by 50 is not complete");
		series_add(&small, (double)n / (cpu_of(b->usmd) - c0));
		device_close(&d);
	}
	speed = paired(&bare, &secs);
	(void)snprintf(what, sizeof(what), "first fill of %zu contacts, page %d: wall", b->fill, PAGE);
	bench_row(what, "s", &secs, "only fetch and parse: speed", "s", series_median(&bare), speed, 0.7, false);
	bench_row("  CPU of usmd", "s", &cpu, "only fetch and parse", "s", series_median(&bare_cpu), paired(&bare_cpu, &cpu), 0, false);
	bench_row("  objects a second and core", "", &per_core, "figure", "", 10000, series_median(&per_core) / 10000, 1, false);
	bench_row("  the same by 50, second device", "", &small, "figure", "", 10000, series_median(&small) / 10000, 0, false);
}

/* ---- 5: state ---- */

static void
state_row(struct bench *b, const char *what, const char *sql, double figure)
{
	struct series s = { .n = 0 };

	series_add(&s, pg_number(b, sql));
	bench_row(what, "bytes", &s, figure > 0 ? "figure" : "", "", figure, figure > 0 ? s.v[0] / figure : 0, figure > 0 ? 1 : 0, true);
}

static void
bench_state(struct bench *b)
{
	struct device d;

	ox_fill_mail(&b->ox, "fill0", b->mails, 0);
	device_login(&d, b->socket, "fill0", "mail");
	if (d.inbox[0] == '\0')
		die("the login names no inbox");
	if (device_fill(&d, d.inbox, PAGE) < b->mails)
		die("the first fill of the inbox is not complete");
	device_close(&d);
	pg_do(b, "VACUUM ANALYZE");
	state_row(b, "state: bytes a contact, indexes included", "SELECT (pg_total_relation_size('usmd.pim_row')::float8 / count(*))::text FROM usmd.pim_row", 250);
	state_row(b, "  bytes a mail", "SELECT ((pg_total_relation_size('usmd.mail_row') + pg_total_relation_size('usmd.mail_span'))::float8 / count(*))::text FROM usmd.mail_row", 100);
	state_row(b, "  bytes a device and folder, cursors and log",
	    "SELECT (sum(pg_column_size(c.*) + 24 + 24)::float8 / count(DISTINCT (device, folder)))::text FROM usmd.cursor c", 1024);
	pg_do(b, "VACUUM FULL");
	state_row(b, "  bytes a contact after VACUUM FULL", "SELECT (pg_total_relation_size('usmd.pim_row')::float8 / count(*))::text FROM usmd.pim_row", 0);
}

/* ---- start ---- */

const char *
bench_need(const char *name)
{
	const char *v = getenv(name);

	if (v == NULL || v[0] == '\0')
		die("%s is not set: run `make bench`", name);
	return v;
}

int
main(int argc, char **argv)
{
	struct bench b = { .runs = 7, .fill = 10000, .large = 65535, .mails = 30000, .rounds = 15 };
	static const struct {
		const char *name;
		void (*run)(struct bench *b);
	} parts[] = { { "head", head }, { "fill", bench_fill }, { "state", bench_state }, { "asking", bench_asking }, { "changes", bench_changes },
		{ "growth", bench_growth },
		{ "fresh", bench_fresh }, { "push", bench_push } };

	b.socket = bench_need("BENCH_SOCKET");
	b.redis = bench_need("BENCH_REDIS");
	b.usmd = (pid_t)strtol(bench_need("BENCH_USMD_PID"), NULL, 10);
	b.pg = (pid_t)strtol(bench_need("BENCH_PG_PID"), NULL, 10);
	b.quick = getenv("BENCH_QUICK") != NULL;
	if (b.quick) {
		b.runs = 5;
		b.fill = b.mails = 2000;
		b.large = 10000;
		b.rounds = 7;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pg_open(&b, bench_need("USMD_TEST_PG"));
	ox_open(&b.ox, bench_need("OX_BASE"));
	for (int i = 1; i < argc; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(parts) && strcmp(argv[i], parts[k].name) != 0)
			k++;
		if (k == ARRAY_LEN(parts))
			die("there is no part %s", argv[i]);
		parts[k].run(&b);
	}
	ox_close(&b.ox);
	pg_close(&b);
	curl_global_cleanup();
	return 0;
}
