/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usage: faults [FAULTS [SEED [WORDS]]]     inside tests/harness/with-servers
 * FAULTS faults (default 500) at random moments, with a quiet point after each hundred; only kinds whose name has WORDS in it.
 * Exit status 0 = everything equal, counted and let go at each quiet point; 1 = not, and a sentence says what; 77 = no servers.
 */
#include "faults.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/proc.h"

#define AT_ONCE 3           /* faults that run together */
#define PER_ROUND 100       /* faults between two quiet points */
#define SETTLE_S 40         /* until all must be equal: ox_write_max_time after the last start, and some syncs */
#define LEVEL_KB 12288      /* what a node may have more than after its first syncs: arenas of malloc, one a thread */

static uint64_t seed;
static struct {
	struct kind *k; /* NULL: none */
	int what;
	int64_t until;
} active[AT_ONCE];
static unsigned idle; /* faults that nobody felt: they do not count */

uint64_t
rng_next(struct rng *r)
{
	uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

unsigned
rng_below(struct rng *r, unsigned n)
{
	return (unsigned)(rng_next(r) % n);
}

unsigned
rng_between(struct rng *r, unsigned lo, unsigned hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

/* ---- faults ---- */

static void
heal(bool all)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (active[i].k != NULL && (all || mono_ms() >= active[i].until)) {
			struct kind *k = active[i].k;

			active[i].k = NULL;
			if (k->stop(active[i].what)) {
				trace("over: %s", k->name);
				k->hits++;
			} else {
				trace("over: %s, nobody felt it", k->name);
				idle++;
			}
		}
}

/* All that can tell how it came to it: logs, what was said (trace), the devices as they are, OX and the database. */
static void
keep_evidence(void)
{
	char logs[160], primary[2] = { (char)('0' + pg_primary), '\0' };
	char *argv[] = { "sh", "-c", "rm -rf \"$0\"; mkdir \"$0\" && cd \"$1\" && cp ./*.log trace* \"$0\"; for n in 0 1; do cp node$n/usmd.log \"$0/node$((n + 1)).log\"; done; "
	    "cp -R laptop phone tablet \"$0\"; cp ox.json \"$0\"; "
	    "timeout 20 \"$USMD_TEST_PGBIN/pg_dump\" -h \"$PWD/sock$2\" -U usmd -f \"$0/database.sql\" usmd", logs, w.dir, primary, NULL };

	(void)snprintf(logs, sizeof(logs), "%s/faults.logs", w.build);
	trace_flush();
	heal(true);
	if (w.ox_port != 0)
		json_decref(ox_control("save", "{}"));
	(void)run_wait(argv, "/dev/null");
}

void
fail(const char *fmt, ...)
{
	static bool failed;
	va_list ap;

	va_start(ap, fmt);
	(void)fprintf(stderr, "faults: ");
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n(seed %llu; logs in %s/faults.logs)\n", (unsigned long long)seed, w.build);
	if (!failed) { /* healing may fail, too */
		failed = true;
		keep_evidence();
	}
	_exit(1); /* and all that runs ends (guard.c) */
}

static struct kind *
choose(struct rng *r, const char *words)
{
	unsigned sum = 0, dice;

	for (size_t i = 0; i < n_kinds; i++)
		sum += words == NULL ? kinds[i].weight : strstr(kinds[i].name, words) != NULL;
	if (sum == 0)
		fail("no kind of fault has \"%s\" in its name", words);
	dice = rng_below(r, sum);
	for (size_t i = 0;; i++) {
		unsigned weight = words == NULL ? kinds[i].weight : strstr(kinds[i].name, words) != NULL;

		if (dice < weight)
			return &kinds[i];
		dice -= weight;
	}
}

/* One more fault if there is room for it and it is possible now. */
static bool
inject(struct rng *r, const char *words)
{
	struct kind *k = choose(r, words);
	size_t room = AT_ONCE;
	unsigned most;

	for (size_t i = 0; i < AT_ONCE; i++) {
		if (active[i].k == NULL)
			room = i;
		else if ((active[i].k->uses & k->uses) != 0)
			return false;
	}
	if (room == AT_ONCE)
		return false;
	trace("fault: %s", k->name);
	if (!k->start(r, &active[room].what)) {
		trace("not possible now");
		return false;
	}
	if (k->stop == NULL) {
		k->hits++;
		return true;
	}
	most = rng_below(r, 4) == 0 ? k->max_ms : k->min_ms + (k->max_ms - k->min_ms) / 4;
	active[room].k = k;
	active[room].until = mono_ms() + rng_between(r, k->min_ms, most);
	return true;
}

static unsigned
felt(void)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n_kinds; i++)
		sum += kinds[i].hits;
	return sum;
}

static bool
any_active(void)
{
	return active[0].k != NULL || active[1].k != NULL || active[2].k != NULL;
}

/* Faults until TOTAL of them were felt since the beginning. */
static void
storm(struct rng *r, unsigned total, const char *words)
{
	int64_t next = mono_ms(), breath = 0;

	for (unsigned n = 0; felt() < total || any_active();) {
		world_tick();
		heal(false);
		if (felt() < total && mono_ms() >= next && mono_ms() >= breath && inject(r, words)) {
			next = mono_ms() + rng_between(r, 20, 500);
			if (++n % 10 == 0) /* without any peace no sync would ever end */
				breath = mono_ms() + 2000;
		}
		sleep_ms(10);
	}
}

/* ---- quiet ---- */

static bool
compare(const char *user, const char *const *dirs, char *log, size_t size)
{
	char prog[160], url[80];
	char *argv[] = { prog, url, (char *)(size_t)user, "secret", (char *)(size_t)dirs[0], (char *)(size_t)dirs[1], NULL };

	(void)snprintf(log, size, "%s/compare-%s.log", w.dir, user);
	(void)snprintf(prog, sizeof(prog), "%s/compare", w.build);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/ajax", w.ox_port);
	(void)unlink(log);
	return run_wait(argv, log) == 0;
}

static void
show(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)fputs(line, stderr);
	if (f != NULL)
		(void)fclose(f);
}

/* All devices until nothing moves: then the same everywhere, and as the ledger says. */
static void
settle(void)
{
	const char *berta[] = { dev[0].dir, dev[1].dir }, *caesar[] = { dev[2].dir, NULL }, *wrong = NULL;
	int64_t end = mono_ms() + SETTLE_S * 1000;
	char log[160];
	bool equal = false;

	for (;;) {
		bool good = true;

		for (int k = 0; k < 2 * DEVICES; k++) {
			good = device_sync(&dev[k % DEVICES], k / DEVICES % NODES, 50) == 0 && good;
			world_tick();
		}
		equal = compare("berta", berta, log, sizeof(log)) && compare("caesar", caesar, log, sizeof(log));
		wrong = ledger_check();
		if ((good && equal && wrong == NULL) || mono_ms() > end) {
			if (!equal)
				show(log);
			if (!equal || wrong != NULL)
				fail("%s", wrong != NULL ? wrong : "server and devices differ");
			if (!good)
				fail("a device does not get through in peace, see its log");
			return;
		}
		sleep_ms(200);
	}
}

static bool
sql_is(const char *sql, const char *want)
{
	PGconn *c = pg_connect("usmd", "usmd");
	PGresult *r = PQexec(c, sql);
	bool ok = PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), want) == 0;

	PQclear(r);
	PQfinish(c);
	return ok;
}

/* Nobody works any more, nothing is held. */
static void
let_go(const long level[NODES])
{
	static const char *const zero[] = { "usmd_queue_length", "usmd_workers_busy", "usmd_body_bytes", "usmd_requests_in_flight" };
	int64_t end = mono_ms() + 10000;

	for (int n = 0; n < NODES; n++)
		for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
			/* who waits in a ping and was killed is noticed when the wait ends: a parked connection is not looked at */
			while (world_metric(n, zero[i]) != (i == 3 ? world_metric(n, "usmd_waiters") : 0)) {
				if (mono_ms() > end)
					fail("node %d: %s is %ld, though nobody asks", n, zero[i], world_metric(n, zero[i]));
				world_tick();
				sleep_ms(100);
			}
	while (!sql_is("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0") ||
	    !sql_is("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'", "0")) {
		if (mono_ms() > end)
			fail("PostgreSQL: a folder's lock or a transaction is still held");
		sleep_ms(100);
	}
	for (int n = 0; n < NODES; n++) {
		long kb = proc_rss_kb(world_pid(n == 0 ? P_NODE0 : P_NODE1));

		(void)printf("  node %d: %ld kB, %ld at the beginning\n", n + 1, kb, level[n]);
		if (kb > level[n] + LEVEL_KB && getenv("ASAN_OPTIONS") == NULL)
			fail("node %d has %ld kB of memory, %ld at the beginning", n + 1, kb, level[n]);
	}
}

static void
quiet(const long level[NODES])
{
	char why[200] = "";
	int64_t end = mono_ms() + 60000;

	while (!world_ready(why, sizeof(why))) {
		world_tick();
		if (mono_ms() > end)
			fail("not ready again after all faults are over: %s", why);
		sleep_ms(50);
	}
	load_pause(true);
	trace("quiet");
	settle();
	let_go(level);
}

static void
print_table(const char *words)
{
	unsigned runs = 0, good = 0, killed = 0;

	for (size_t i = 0; i < n_kinds; i++)
		if (kinds[i].hits > 0 || (kinds[i].weight > 0 && words == NULL))
			(void)printf("  %-30s %4u\n", kinds[i].name, kinds[i].hits);
	for (int i = 0; i < DEVICES; i++) {
		runs += dev[i].runs;
		good += dev[i].good;
		killed += dev[i].killed;
	}
	(void)printf("  %-30s %4u\n", "all", felt());
	(void)printf("not counted, because nobody felt them: %u\n", idle);
	(void)printf("syncs: %u, of them complete: %u, killed: %u; starts of usmd: %d and %d, PostgreSQL: %d and %d, Redis: %d, OX: %d\n", runs, good, killed,
	    w.starts[P_NODE0], w.starts[P_NODE1], w.starts[P_PG0], w.starts[P_PG1], w.starts[P_REDIS], w.starts[P_OX]);
	ledger_print();
}

int
main(int argc, char **argv)
{
	unsigned total = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500, done = 0;
	const char *words = argc > 3 && argv[3][0] != '\0' ? argv[3] : NULL, *b = getenv("B"), *dir = getenv("USMD_TEST_DIR");
	char *build;
	struct rng r;
	long level[NODES];
	int64_t began = mono_ms();
	size_t left;

	if (dir == NULL) {
		(void)puts("SKIPPED: run me inside tests/harness/with-servers");
		return 77;
	}
	seed = argc > 2 && argv[2][0] != '\0' ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	r.s = seed;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	guard_begin();
	(void)printf("%u faults, seed %llu\n", total, (unsigned long long)seed);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	build = realpath(b != NULL ? b : "build", NULL);
	if (build == NULL || strlen(build) >= sizeof(w.build))
		fail("no build folder, or its name is too long");
	memcpy(w.build, build, strlen(build) + 1);
	free(build);
	(void)snprintf(w.dir, sizeof(w.dir), "%s/fXXXXXX", dir);
	if (mkdtemp(w.dir) == NULL)
		fail("no folder in %s", dir);
	w.clocks = getenv("ASAN_OPTIONS") == NULL && getenv("TSAN_OPTIONS") == NULL;
	trace_turn();
	world_begin_all();
	load_prepare();
	load_start(seed);
	sleep_ms(1500);
	for (int n = 0; n < NODES; n++)
		level[n] = proc_rss_kb(world_pid(n == 0 ? P_NODE0 : P_NODE1));
	(void)printf("%.1f s: ready\n", (double)(mono_ms() - began) / 1000);
	while (done < total) {
		done += total - done < PER_ROUND ? total - done : PER_ROUND;
		storm(&r, done, words);
		(void)printf("%.1f s: %u faults; quiet\n", (double)(mono_ms() - began) / 1000, done);
		quiet(level);
		(void)printf("%.1f s: equal, counted, let go\n", (double)(mono_ms() - began) / 1000);
		trace_turn();
		load_pause(false);
	}
	load_stop();
	print_table(words);
	world_end_all();
	sleep_ms(300);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* processes of servers that were killed, long dead */
	left = end_children();
	if (left > 0)
		fail("%zu processes were left", left);
	(void)printf("passed: seed %llu, %.1f s\n", (unsigned long long)seed, (double)(mono_ms() - began) / 1000);
	return 0;
}
