/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The faults: what is done, to whom, how long.  Two that need the same thing do not run together; others do.
 * Most end soon, some last as long as the kind allows: longer than the time limits of those who wait. */
#include "faults.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "harness/proc.h"

enum { RES_NODE0 = 1, RES_NODE1 = 2, RES_PG = 4, RES_REDIS = 8, RES_OX = 16, RES_DEV = 32, RES_CLIENT = 64, RES_CLOCK = 128 };

static enum proc_id
pg_now(void)
{
	return pg_primary == 0 ? P_PG0 : P_PG1;
}

/* ---- killed, stopped ---- */

static pid_t stopped[8]; /* by kind of process: a stopped one is continued even when its role has changed meanwhile */
enum { ST_NODE0, ST_NODE1, ST_PG, ST_BACKEND, ST_REDIS, ST_OX, ST_DEV };

static bool
stop_pid(pid_t pid, int slot)
{
	stopped[slot] = pid;
	return pid > 0 && kill(pid, SIGSTOP) == 0;
}

static bool
cont(int slot)
{
	return kill(stopped[slot], SIGCONT) == 0; /* false: somebody has killed it meanwhile */
}

static bool
kill_proc(enum proc_id p)
{
	if (world_pid(p) <= 0)
		return false;
	world_kill(p);
	return true;
}

static bool node0_kill(struct rng *r, int *what) { (void)r, (void)what; return kill_proc(P_NODE0); }
static bool node1_kill(struct rng *r, int *what) { (void)r, (void)what; return kill_proc(P_NODE1); }
static bool redis_kill(struct rng *r, int *what) { (void)r, (void)what; return kill_proc(P_REDIS); }
static bool pg_kill(struct rng *r, int *what) { (void)r, (void)what; return kill_proc(pg_now()); }
static bool standby_kill(struct rng *r, int *what) { (void)r, (void)what; return pg_settled && kill_proc(pg_primary == 0 ? P_PG1 : P_PG0); }
static bool standby_stop(struct rng *r, int *what) { (void)r, *what = ST_PG; return pg_settled && stop_pid(world_pid(pg_primary == 0 ? P_PG1 : P_PG0), ST_PG); }
static bool node0_stop(struct rng *r, int *what) { (void)r, *what = ST_NODE0; return stop_pid(world_pid(P_NODE0), ST_NODE0); }
static bool node1_stop(struct rng *r, int *what) { (void)r, *what = ST_NODE1; return stop_pid(world_pid(P_NODE1), ST_NODE1); }
static bool redis_stop(struct rng *r, int *what) { (void)r, *what = ST_REDIS; return stop_pid(world_pid(P_REDIS), ST_REDIS); }
static bool ox_stop(struct rng *r, int *what) { (void)r, *what = ST_OX; return stop_pid(world_pid(P_OX), ST_OX); }
static bool pg_stop(struct rng *r, int *what) { (void)r, *what = ST_PG; return stop_pid(world_pid(pg_now()), ST_PG); }

static bool
ox_kill(struct rng *r, int *what)
{
	(void)r, (void)what;
	ox_crash();
	return true;
}

static bool
backend_kill(struct rng *r, int *what)
{
	pid_t pid = pid_of_child(world_pid(pg_now()), "app usmd", rng_below(r, 4));

	(void)what;
	return pid > 0 && kill(pid, SIGKILL) == 0; /* the postmaster ends all others and recovers */
}

static bool
backend_end(struct rng *r, int *what)
{
	(void)r, (void)what;
	return pg_admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
}

static bool
backend_stop(struct rng *r, int *what)
{
	*what = ST_BACKEND;
	return stop_pid(pid_of_child(world_pid(pg_now()), "app usmd", rng_below(r, 4)), ST_BACKEND);
}

static bool
pg_restart(struct rng *r, int *what)
{
	pid_t pid = world_pid(pg_now());

	(void)r, (void)what;
	return pid > 0 && kill(pid, SIGINT) == 0; /* "fast" shutdown; it is started again at once */
}

static bool
device_kill(struct rng *r, int *what)
{
	pid_t pid = dev[rng_below(r, DEVICES)].pid;

	(void)what;
	return pid > 0 && kill(pid, SIGKILL) == 0;
}

static bool
device_stop(struct rng *r, int *what)
{
	*what = ST_DEV;
	return stop_pid(dev[rng_below(r, DEVICES)].pid, ST_DEV);
}

/* ---- PostgreSQL in need ---- */

static bool
failover(struct rng *r, int *what)
{
	char why[200];

	(void)r, (void)what;
	if (!pg_settled || !pg_in_step(why, sizeof(why)))
		return false;
	pg_failover(false);
	return true;
}

static bool
failover_losing(struct rng *r, int *what)
{
	char why[200];

	(void)r, (void)what;
	if (!pg_settled || !pg_in_step(why, sizeof(why)))
		return false;
	pg_failover(true);
	return true;
}

static bool
disk_full(struct rng *r, int *what)
{
	(void)r, (void)what;
	if (!w.disks)
		return false;
	pg_disk_full(true);
	(void)pg_admin("SELECT pg_switch_wal()");
	return true;
}

static bool
disk_free(int what)
{
	(void)what;
	pg_disk_full(false);
	return true;
}

static bool
read_only(struct rng *r, int *what)
{
	(void)r, (void)what;
	if (!pg_admin("ALTER SYSTEM SET default_transaction_read_only = on"))
		return false;
	(void)pg_admin("SELECT pg_reload_conf()");
	return true;
}

static bool
writable(int what)
{
	(void)what;
	for (int i = 0; i < 200; i++) {
		if (pg_admin("ALTER SYSTEM RESET default_transaction_read_only") && pg_admin("SELECT pg_reload_conf()"))
			return true;
		world_tick();
		sleep_ms(50);
	}
	fail("the database stays read-only");
}

/* Somebody else has taken all connections of the server. */
static PGconn *taken[80];
static size_t n_taken;

static bool
connections_taken(struct rng *r, int *what)
{
	(void)r, (void)what;
	(void)pg_admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
	while (n_taken < sizeof(taken) / sizeof(taken[0])) {
		PGconn *c = pg_connect("app", "usmd");

		if (PQstatus(c) != CONNECTION_OK) {
			PQfinish(c);
			break;
		}
		taken[n_taken++] = c;
	}
	return n_taken > 0;
}

static bool
connections_back(int what)
{
	(void)what;
	while (n_taken > 0)
		PQfinish(taken[--n_taken]);
	return true;
}

/* Somebody holds a lock that all requests need: the nodes' pools run dry. */
static PGconn *locker;

static bool
tables_locked(struct rng *r, int *what)
{
	(void)r, (void)what;
	locker = pg_connect("usmd", "usmd");
	PQclear(PQexec(locker, "BEGIN"));
	PQclear(PQexec(locker, "LOCK TABLE usmd.session, usmd.device IN ACCESS EXCLUSIVE MODE"));
	if (PQtransactionStatus(locker) == PQTRANS_INTRANS)
		return true;
	PQfinish(locker);
	return false;
}

static bool
tables_free(int what)
{
	(void)what;
	PQfinish(locker);
	locker = NULL;
	return true;
}

/* ---- links ---- */

static struct link *
link_of(int what)
{
	int n = what & 1;

	switch (what >> 1) {
	case 0:
		return w.client[n];
	case 1:
		return w.pg[n][0];
	case 2:
		return w.pg[n][1];
	case 3:
		return w.redis[n];
	default:
		return w.ox[n];
	}
}

static bool
set_link(struct rng *r, int *what, enum link_mode mode, unsigned level)
{
	static const int to_pg[] = { 1, 2 };
	unsigned dice = rng_below(r, 4);
	int neighbour = dice == 0 ? 0 : dice == 1 ? to_pg[pg_primary] : dice == 2 ? 3 : 4;

	*what = neighbour << 1 | (int)rng_below(r, NODES);
	(void)link_set(link_of(*what), mode, level);
	return true;
}

static bool net_slow(struct rng *r, int *what) { return set_link(r, what, LINK_SLOW, rng_between(r, 10, 250)); }
static bool net_hold(struct rng *r, int *what) { return set_link(r, what, LINK_HOLD, 0); }
static bool net_half(struct rng *r, int *what) { return set_link(r, what, LINK_HALF, 0); }
static bool net_refuse(struct rng *r, int *what) { return set_link(r, what, LINK_REFUSE, 0); }
static bool net_lose(struct rng *r, int *what) { return set_link(r, what, LINK_LOSE, 0); }

static bool
net_cut(struct rng *r, int *what)
{
	return set_link(r, what, LINK_PASS, 0) && link_cut(link_of(*what));
}

static bool
net_right(int what)
{
	return link_set(link_of(what), LINK_PASS, 0);
}

/* ---- OX in a bad mood ---- */

static bool
ox_rule(const char *match, const char *effect)
{
	char rule[300];
	json_t *j;

	(void)snprintf(rule, sizeof(rule), "[{\"match\":{%s},\"effect\":{%s}}]", match, effect);
	(void)pthread_mutex_lock(&w.ox_lock);
	j = ox_control("faults", rule);
	(void)pthread_mutex_unlock(&w.ox_lock);
	json_decref(j);
	return j != NULL;
}

static bool
ox_good(int what)
{
	json_t *rules, *rule;
	json_int_t hits = 0;
	size_t i;

	(void)what;
	(void)pthread_mutex_lock(&w.ox_lock);
	rules = ox_control("faults", NULL);
	json_array_foreach(rules, i, rule)
		hits += json_integer_value(json_object_get(rule, "hits"));
	json_decref(rules);
	json_decref(ox_control("faults", ""));
	(void)pthread_mutex_unlock(&w.ox_lock);
	return hits > 0;
}

static bool
ox_some(struct rng *r, const char *effect)
{
	char match[40];

	(void)snprintf(match, sizeof(match), "\"nth\":%u,\"count\":%u", rng_between(r, 1, 4), rng_between(r, 1, 12));
	return ox_rule(match, effect);
}

static bool ox_429(struct rng *r, int *what) { (void)what; return ox_some(r, "\"http_status\":429"); }
static bool ox_500(struct rng *r, int *what) { (void)what; return ox_some(r, "\"http_status\":500"); }
static bool ox_503(struct rng *r, int *what) { (void)what; return ox_some(r, "\"http_status\":503"); }
static bool ox_html(struct rng *r, int *what) { (void)what; return ox_some(r, "\"http_status\":200"); }
static bool ox_garbage(struct rng *r, int *what) { (void)what; return ox_some(r, "\"truncate_json\":true"); }
static bool ox_noise(struct rng *r, int *what) { (void)what; return ox_some(r, "\"garbage\":true"); }
static bool ox_before(struct rng *r, int *what) { (void)what; return ox_some(r, "\"drop_before\":true"); }
static bool ox_after(struct rng *r, int *what) { (void)what; return ox_some(r, "\"drop_after\":true"); }
static bool ox_expire(struct rng *r, int *what) { (void)what; return ox_some(r, "\"expire_session\":true"); }

static bool
ox_slow(struct rng *r, int *what)
{
	char effect[40];

	(void)what;
	/* sometimes longer than usmd waits: what it does not hear of is done all the same, later (ox_write_max_time: 5 s until it is sent, and this) */
	(void)snprintf(effect, sizeof(effect), "\"delay_ms\":%u", rng_below(r, 3) == 0 ? rng_between(r, 4000, 6500) : rng_between(r, 50, 1000));
	return ox_some(r, effect);
}

static bool
ox_sessions_gone(struct rng *r, int *what)
{
	json_t *j;

	(void)r, (void)what;
	(void)pthread_mutex_lock(&w.ox_lock);
	j = ox_control("expire", "{}");
	(void)pthread_mutex_unlock(&w.ox_lock);
	json_decref(j);
	return j != NULL;
}

/* ---- clocks ---- */

static bool
clock_jump(struct rng *r, int *what)
{
	int64_t ms = (int64_t)rng_between(r, 1000, 600000);

	if (!w.clocks)
		return false;
	*what = (int)rng_below(r, NODES);
	*w.clock[*what] = rng_below(r, 2) == 0 ? ms : -ms;
	return true;
}

static bool
clock_right(int what)
{
	*w.clock[what] = 0;
	return true;
}

struct kind kinds[] = {
	{ "usmd killed (node 1)", 10, RES_NODE0, node0_kill, NULL, 0, 0, 0 },
	{ "usmd killed (node 2)", 10, RES_NODE1, node1_kill, NULL, 0, 0, 0 },
	{ "usmd stopped (node 1)", 5, RES_NODE0, node0_stop, cont, 100, 8000, 0 },
	{ "usmd stopped (node 2)", 5, RES_NODE1, node1_stop, cont, 100, 8000, 0 },
	{ "usmsync killed", 12, RES_DEV, device_kill, NULL, 0, 0, 0 },
	{ "usmsync stopped", 5, RES_DEV, device_stop, cont, 100, 5000, 0 },
	{ "Redis killed", 6, RES_REDIS, redis_kill, NULL, 0, 0, 0 },
	{ "Redis stopped", 4, RES_REDIS, redis_stop, cont, 100, 4000, 0 },
	{ "OX killed and started again", 6, RES_OX, ox_kill, NULL, 0, 0, 0 },
	{ "OX stopped", 4, RES_OX, ox_stop, cont, 100, 6000, 0 },
	{ "postmaster killed", 4, RES_PG, pg_kill, NULL, 0, 0, 0 },
	{ "postmaster stopped", 2, RES_PG, pg_stop, cont, 100, 4000, 0 },
	{ "backend killed", 4, RES_PG, backend_kill, NULL, 0, 0, 0 },
	{ "backend stopped", 5, RES_PG, backend_stop, cont, 100, 6000, 0 },
	{ "backends terminated", 5, RES_PG, backend_end, NULL, 0, 0, 0 },
	{ "PostgreSQL restarted", 3, RES_PG, pg_restart, NULL, 0, 0, 0 },
	{ "standby killed", 3, RES_PG, standby_kill, NULL, 0, 0, 0 },
	{ "standby stopped", 3, RES_PG, standby_stop, cont, 300, 5000, 0 },
	{ "failover to the standby", 4, RES_PG, failover, NULL, 0, 0, 0 },
	{ "failover that loses commits", 0, RES_PG, failover_losing, NULL, 0, 0, 0 },
	{ "PostgreSQL's disk full", 5, RES_PG, disk_full, disk_free, 300, 4000, 0 },
	{ "database read-only", 5, RES_PG, read_only, writable, 300, 4000, 0 },
	{ "all connections taken", 4, RES_PG, connections_taken, connections_back, 300, 4000, 0 },
	{ "tables locked, pools dry", 4, RES_PG, tables_locked, tables_free, 300, 5000, 0 },
	{ "network slow", 8, RES_CLIENT, net_slow, net_right, 200, 4000, 0 },
	{ "network holds everything", 5, RES_CLIENT, net_hold, net_right, 100, 6000, 0 },
	{ "connections half open", 8, RES_CLIENT, net_half, net_right, 100, 5000, 0 },
	{ "connections refused", 5, RES_CLIENT, net_refuse, net_right, 100, 1000, 0 },
	{ "connections cut", 8, RES_CLIENT, net_cut, NULL, 0, 0, 0 },
	{ "answer lost on its way", 12, RES_CLIENT, net_lose, net_right, 100, 1000, 0 },
	{ "OX answers 429", 4, RES_OX, ox_429, ox_good, 200, 1000, 0 },
	{ "OX answers 500", 4, RES_OX, ox_500, ox_good, 200, 1000, 0 },
	{ "OX answers 503", 4, RES_OX, ox_503, ox_good, 200, 1000, 0 },
	{ "OX answers HTML with 200", 4, RES_OX, ox_html, ox_good, 200, 1000, 0 },
	{ "OX answers half of the JSON", 5, RES_OX, ox_garbage, ox_good, 200, 1000, 0 },
	{ "OX answers garbage", 4, RES_OX, ox_noise, ox_good, 200, 1000, 0 },
	{ "OX hangs up before the work", 4, RES_OX, ox_before, ox_good, 200, 1000, 0 },
	{ "OX hangs up after the work", 6, RES_OX, ox_after, ox_good, 200, 1000, 0 },
	{ "OX ends single sessions", 4, RES_OX, ox_expire, ox_good, 200, 1000, 0 },
	{ "OX ends all sessions", 3, RES_OX, ox_sessions_gone, NULL, 0, 0, 0 },
	{ "OX slow", 5, RES_OX, ox_slow, ox_good, 200, 2000, 0 },
	{ "clock of a node jumps", 6, RES_CLOCK, clock_jump, clock_right, 300, 8000, 0 },
};
const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);
