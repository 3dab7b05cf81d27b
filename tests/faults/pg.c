/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A primary and a standby that follows it by streaming replication.  While the standby follows, a commit is acknowledged when both
 * have it; while it does not, the primary goes on alone and no failover happens, as every cluster manager does it.
 */
#include "faults.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/proc.h"

#define DISK_BYTES "224m"

int pg_primary;
bool pg_settled;
static pid_t rebuild; /* of the copy of the primary into the other folder */
static int64_t looked;

static const char *
env(const char *name)
{
	const char *v = getenv(name);

	if (v == NULL)
		fail("%s is not set: run this inside tests/harness/with-servers", name);
	return v;
}

/* tests/faults/cluster ACTION I */
static pid_t
cluster(const char *action, int i)
{
	char number[2] = { (char)('0' + i), '\0' }, other[2] = { (char)('1' - i), '\0' }, log[128];
	char *argv[] = { "sh", "tests/faults/cluster", (char *)(size_t)action, w.dir, number, other, NULL };

	(void)snprintf(log, sizeof(log), "%s/cluster.log", w.dir);
	return run_start(argv, log);
}

static void
cluster_wait(const char *action, int i)
{
	int st = 0;

	if (waitpid(cluster(action, i), &st, 0) < 0 || st != 0)
		fail("cluster %s %d failed, see cluster.log", action, i);
}

pid_t
pg_spawn(int i)
{
	char sh[700], log[128];
	char *argv[] = { "sh", "-c", sh, NULL };

	(void)snprintf(log, sizeof(log), "%s/pg%d.log", w.dir, i);
	(void)snprintf(sh, sizeof(sh), "cd %s/disk%d && exec %s %s/postgres -D %s/disk%d/data -k %s/sock%d", w.dir, i, env("USMD_TEST_AS"),
	    env("USMD_TEST_PGBIN"), w.dir, i, w.dir, i);
	return run_start(argv, log);
}

PGconn *
pg_connect(const char *user, const char *dbname)
{
	char info[300];

	(void)snprintf(info, sizeof(info), "host=%s/sock%d user=%s dbname=%s connect_timeout=2 options='-c statement_timeout=2000 -c default_transaction_read_only=off"
	    " -c synchronous_commit=local'", w.dir, pg_primary, user, dbname);
	return PQconnectdb(info);
}

bool
pg_admin(const char *sql)
{
	PGconn *c = pg_connect("usmd", "postgres");
	PGresult *r = PQexec(c, sql);
	bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;

	PQclear(r);
	PQfinish(c);
	return ok;
}

static bool
pg_says(const char *sql, const char *want)
{
	PGconn *c = pg_connect("usmd", "postgres");
	PGresult *r = PQexec(c, sql);
	bool ok = PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), want) == 0;

	PQclear(r);
	PQfinish(c);
	return ok;
}

static bool
set_sync(bool both)
{
	return pg_admin(both ? "ALTER SYSTEM SET synchronous_standby_names = '*'" : "ALTER SYSTEM SET synchronous_standby_names = ''") &&
	    pg_admin("SELECT pg_reload_conf()");
}

void
pg_create(void)
{
	char path[128];

	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/disk%d", w.dir, i);
		(void)mkdir(path, 0755);
		if (w.disks && mount("tmpfs", path, "tmpfs", 0, "size=" DISK_BYTES ",mode=0755") != 0)
			fail("no small file system at %s, though a private mount namespace was made", path);
	}
	cluster_wait("create", 0);
}

/* The other server is a copy of the primary, or becomes one again; looked at every 200 ms. */
void
pg_tick(void)
{
	int other = 1 - pg_primary, st;

	if (rebuild > 0 && waitpid(rebuild, &st, WNOHANG) == rebuild) {
		rebuild = 0;
		if (st == 0)
			world_pause_restart(other == 0 ? P_PG0 : P_PG1, false);
		else
			looked = mono_ms() + 500; /* the primary is in trouble just now: once more, later */
		return;
	}
	if (pg_settled || rebuild > 0 || mono_ms() - looked < 200)
		return;
	looked = mono_ms();
	if (world_pid(other == 0 ? P_PG0 : P_PG1) <= 0) {
		world_pause_restart(other == 0 ? P_PG0 : P_PG1, true);
		if (world_pid(other == 0 ? P_PG0 : P_PG1) <= 0)
			rebuild = cluster("copy", other);
	} else if (pg_says("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn >= pg_current_wal_flush_lsn()", "1") && set_sync(true)) {
		pg_settled = true;
	}
}

bool
pg_in_step(char *why, size_t size)
{
	bool ok = pg_settled && pg_says("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'", "1");

	if (!ok)
		(void)snprintf(why, size, "the standby does not follow the primary");
	return ok;
}

/* Children that are dead stay in the list of a parent that is stopped. */
static void
kill_tree(pid_t pm)
{
	pid_t child;

	for (unsigned n = 0; (child = pid_of_child(pm, "", n)) > 0; n++)
		(void)kill(child, SIGKILL);
}

void
pg_failover(bool losing)
{
	enum proc_id was = pg_primary == 0 ? P_PG0 : P_PG1;
	pid_t pm = world_pid(was), standby = world_pid(pg_primary == 0 ? P_PG1 : P_PG0), receiver = 0;

	pg_settled = false;
	if (losing) {
		w.lossy = true;
		(void)set_sync(false);
		receiver = pid_of_child(standby, "walreceiver", 0);
		if (receiver > 0)
			(void)kill(receiver, SIGSTOP);
		sleep_ms(400); /* what is acknowledged now is lost */
	}
	world_pause_restart(was, true);
	(void)kill(pm, SIGSTOP); /* it shall neither answer nor tidy up */
	kill_tree(pm);
	(void)kill(pm, SIGKILL);
	if (receiver > 0)
		(void)kill(receiver, SIGCONT);
	pg_primary = 1 - pg_primary;
	for (int i = 0; i < 100 && !pg_admin("SELECT pg_promote(true, 20)"); i++)
		sleep_ms(50);
	/* it may have been copied while the primary was read-only */
	for (int i = 0; i < 100 && !(pg_admin("ALTER SYSTEM RESET default_transaction_read_only") && set_sync(false)); i++)
		sleep_ms(50);
}

/* What is left of the primary's disk is taken by one file. */
void
pg_disk_full(bool full)
{
	static char filler[128]; /* of the server that was the primary when it was filled */
	static char zeros[65536];
	int fd;

	if (!full) {
		(void)unlink(filler);
		return;
	}
	(void)snprintf(filler, sizeof(filler), "%s/disk%d/filler", w.dir, pg_primary);
	fd = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0600);
	for (size_t k = sizeof(zeros); fd >= 0 && k >= 512; k /= 2)
		while (write(fd, zeros, k) == (ssize_t)k)
			;
	if (fd >= 0)
		(void)close(fd);
}
