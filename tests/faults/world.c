/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The processes: two PostgreSQL servers, Redis, oxsim, two nodes of usmd; who dies is started again, as a service manager would. */
#include "faults.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/proc.h"

struct site w = { .ox_lock = PTHREAD_MUTEX_INITIALIZER };
static struct {
	pid_t pid;
	int64_t again_at;
	bool paused;
} procs[PROCS];

int64_t
mono_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- /proc ---- */

long
proc_rss_kb(pid_t pid)
{
	char path[64], line[200];
	long kb = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f != NULL)
		(void)fclose(f);
	return kb;
}

static bool
is_child(const char *pid, pid_t parent, const char *word)
{
	char path[300], text[600] = "";
	long ppid = 0;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL || strrchr(text, ')') == NULL || sscanf(strrchr(text, ')') + 1, " %*c %ld", &ppid) != 1)
		ppid = 0;
	if (f != NULL)
		(void)fclose(f);
	if (ppid != parent)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	return strstr(text, word) != NULL;
}

/* The NTH child of PARENT whose title has WORD in it, 0 = none. */
pid_t
pid_of_child(pid_t parent, const char *word, unsigned nth)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	pid_t found = 0;

	while (d != NULL && found == 0 && (e = readdir(d)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_child(e->d_name, parent, word) && nth-- == 0)
			found = (pid_t)strtol(e->d_name, NULL, 10);
	if (d != NULL)
		(void)closedir(d);
	return found;
}

/* ---- HTTP ---- */

static size_t
collect(char *p, size_t size, size_t n, void *arg)
{
	struct {
		char *p;
		size_t n;
	} *s = arg;
	char *more = realloc(s->p, s->n + size * n + 1);

	if (more == NULL)
		return 0;
	s->p = more;
	memcpy(s->p + s->n, p, size * n);
	s->n += size * n;
	s->p[s->n] = '\0';
	return size * n;
}

/* The body, to be freed, or NULL; STATUS 0 = no answer. */
static char *
http(const char *sock, const char *url, const char *body, long timeout_ms, long *status)
{
	struct {
		char *p;
		size_t n;
	} s = { NULL, 0 };
	CURL *c = curl_easy_init();

	*status = 0;
	if (sock != NULL)
		(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	if (body != NULL && *body == '\0')
		(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "DELETE");
	else if (body != NULL)
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, &s);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms);
	if (curl_easy_perform(c) == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	curl_easy_cleanup(c);
	return s.p;
}

json_t *
ox_control(const char *path, const char *body)
{
	char url[160];
	long status;
	char *text;
	json_t *j = NULL;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/control/%s", w.ox_port, path);
	text = http(NULL, url, body, 10000, &status);
	if (text != NULL && status == 200)
		j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	free(text);
	return j;
}

json_t *
ox_as(const char *user, const char *module, const char *action, const char *params, const char *data)
{
	char *body = NULL;
	json_t *j;

	if (asprintf(&body, "{\"user\":\"%s\",\"module\":\"%s\",\"action\":\"%s\",\"params\":%s,\"data\":%s}", user, module, action, params, data) < 0)
		return NULL;
	(void)pthread_mutex_lock(&w.ox_lock);
	j = ox_control("as", body);
	(void)pthread_mutex_unlock(&w.ox_lock);
	free(body);
	return j;
}

long
world_metric(int n, const char *name)
{
	char sock[128], key[80], *text, *at;
	long status, v = -1;

	(void)snprintf(sock, sizeof(sock), "%s/node%d/admin.sock", w.dir, n);
	(void)snprintf(key, sizeof(key), "\n%s ", name);
	text = http(sock, "http://localhost/metrics", NULL, 2000, &status);
	if (status == 200 && (at = strstr(text, key)) != NULL)
		v = strtol(at + strlen(key), NULL, 10);
	free(text);
	return v;
}

/* ---- starting ---- */

static pid_t
redis_spawn(void)
{
	char sock[128], log[128];
	const char *prog = getenv("USMD_TEST_REDIS_SERVER");
	char *argv[] = { (char *)(size_t)(prog != NULL ? prog : "redis-server"), "--port", "0", "--unixsocket", sock, "--save", "", "--appendonly", "no", NULL };

	(void)snprintf(sock, sizeof(sock), "%s/redis.sock", w.dir);
	(void)snprintf(log, sizeof(log), "%s/redis.log", w.dir);
	return run_start(argv, log);
}

static pid_t
ox_spawn(void)
{
	char prog[160], port[128], data[128], log[128];
	/* a node that is killed leaves its sessions at OX behind: they end soon */
	char *argv[] = { prog, "--listen", "127.0.0.1:0", "--port-file", port, "--session-ttl", "15000", "--data", data, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/oxsim", w.build);
	(void)snprintf(port, sizeof(port), "%s/ox.port", w.dir);
	(void)snprintf(data, sizeof(data), "%s/ox.json", w.dir);
	(void)snprintf(log, sizeof(log), "%s/ox.log", w.dir);
	(void)unlink(port);
	return run_start(argv, log);
}

static bool
ox_port_read(void)
{
	char path[128];
	FILE *f;
	unsigned port = 0;

	(void)snprintf(path, sizeof(path), "%s/ox.port", w.dir);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fscanf(f, "%u", &port) != 1)
		port = 0;
	(void)fclose(f);
	if (port == 0)
		return false;
	w.ox_port = port;
	for (int n = 0; n < NODES; n++)
		link_target(w.ox[n], NULL, port);
	return true;
}

static pid_t
node_spawn(int n)
{
	char sh[900], log[128], preload[300] = "";
	char *argv[] = { "sh", "-c", sh, NULL };

	if (w.clocks)
		(void)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/faults-clock.so FAULTS_CLOCK=%s/clock%d ", w.build, w.dir, n);
	(void)snprintf(log, sizeof(log), "%s/node%d/usmd.log", w.dir, n);
	(void)snprintf(sh, sizeof(sh), "%s exec %s/usmd --config %s/node%d/usmd.conf", preload, w.build, w.dir, n);
	return run_start(argv, log);
}

static pid_t
spawn(enum proc_id p)
{
	w.starts[p]++;
	switch (p) {
	case P_PG0:
	case P_PG1:
		return pg_spawn(p == P_PG1);
	case P_REDIS:
		return redis_spawn();
	case P_OX:
		return ox_spawn();
	case P_NODE0:
	case P_NODE1:
	case PROCS:
		break;
	}
	return node_spawn(p == P_NODE1);
}

pid_t
world_pid(enum proc_id p)
{
	return procs[p].pid;
}

void
world_kill(enum proc_id p)
{
	if (procs[p].pid > 0)
		(void)kill(procs[p].pid, SIGKILL);
}

void
world_pause_restart(enum proc_id p, bool paused)
{
	procs[p].paused = paused;
}

void
world_tick(void)
{
	static const char *const names[PROCS] = { "PostgreSQL 1", "PostgreSQL 2", "Redis", "OX", "node 1", "node 2" };
	int64_t now = mono_ms();

	for (enum proc_id p = 0; p < PROCS; p++) {
		if (procs[p].pid > 0 && waitpid(procs[p].pid, NULL, WNOHANG) == procs[p].pid) {
			trace("process %s has ended", names[p]);
			procs[p].pid = 0;
			procs[p].again_at = now + 100;
		}
		if (procs[p].pid == 0 && !procs[p].paused && now >= procs[p].again_at) {
			procs[p].pid = spawn(p);
			trace("process %s begins", names[p]);
		}
	}
	pg_tick();
}

void
ox_crash(void)
{
	json_t *saved;

	(void)pthread_mutex_lock(&w.ox_lock);
	for (int n = 0; n < NODES; n++)
		(void)link_set(w.ox[n], LINK_HOLD, 0); /* no answer passes from here on: what is not in the state was never acknowledged */
	saved = ox_control("save", "{}");
	if (saved == NULL)
		fail("oxsim does not save its state");
	json_decref(saved);
	world_kill(P_OX);
	(void)waitpid(procs[P_OX].pid, NULL, 0);
	procs[P_OX].pid = spawn(P_OX);
	for (int n = 0; n < NODES; n++) {
		(void)link_cut(w.ox[n]);
		(void)link_set(w.ox[n], LINK_PASS, 0);
	}
	for (int i = 0; i < 1000 && !ox_port_read(); i++)
		sleep_ms(10);
	(void)pthread_mutex_unlock(&w.ox_lock);
}

static bool
until(bool (*ok)(char *why, size_t size), unsigned seconds)
{
	char why[200] = "";
	int64_t end = mono_ms() + seconds * 1000;

	while (!ok(why, sizeof(why))) {
		if (mono_ms() > end)
			fail("after %u s: %s", seconds, why);
		world_tick();
		sleep_ms(20);
	}
	return true;
}

bool
world_ready(char *why, size_t size)
{
	for (int n = 0; n < NODES; n++) {
		char sock[128], *text;
		long status;

		(void)snprintf(sock, sizeof(sock), "%s/node%d/admin.sock", w.dir, n);
		text = http(sock, "http://localhost/health", NULL, 5000, &status);
		(void)snprintf(why, size, "node %d: %.120s", n, text != NULL ? text : "no answer");
		free(text);
		if (status != 200)
			return false;
	}
	return pg_in_step(why, size);
}

static bool
pg_up(char *why, size_t size)
{
	PGconn *c = pg_connect("usmd", "postgres");
	bool ok = PQstatus(c) == CONNECTION_OK;

	(void)snprintf(why, size, "%s", PQerrorMessage(c));
	PQfinish(c);
	return ok;
}

static bool
ox_up(char *why, size_t size)
{
	(void)snprintf(why, size, "oxsim does not listen");
	return ox_port_read();
}

static void
node_configure(int n)
{
	char path[160], cmd[160];
	char *argv[] = { cmd, "key-create", path, NULL };
	FILE *f;

	(void)snprintf(cmd, sizeof(cmd), "%s/usmctl", w.build);
	(void)snprintf(path, sizeof(path), "%s/key", w.dir);
	if (n == 0 && run_wait(argv, "/dev/null") != 0)
		fail("usmctl key-create failed");
	(void)snprintf(path, sizeof(path), "%s/node%d/usmd.conf", w.dir, n);
	f = fopen(path, "w");
	if (f == NULL)
		fail("%s: %s", path, strerror(errno));
	(void)fprintf(f, "listen = %s/node%d/usmd.sock\nlisten_mode = 0600\nadmin_listen = %s/node%d/admin.sock\nkey_file = %s/key\ncookie_secure = no\n", w.dir, n,
	    w.dir, n, w.dir);
	(void)fprintf(f, "ox_url = http://127.0.0.1:%u/ajax\nox_timeout = 4s\nox_connect_timeout = 1s\nox_write_max_time = 12s\nlogin_attempts = 10000\n", link_port(w.ox[n]));
	(void)fprintf(f, "pg_conninfo = host=%s/node%d/pg0,%s/node%d/pg1 user=app dbname=usmd target_session_attrs=read-write connect_timeout=2\n", w.dir, n, w.dir, n);
	(void)fprintf(f, "pg_pool = 8\npg_statement_timeout = 2s\npg_lease_timeout = 2s\npg_lock_timeout = 3s\nredis_url = unix:%s/node%d/redis.sock\n", w.dir, n);
	/* every device keeps every object whole (no stubs of mails): compare looks at octets */
	(void)fprintf(f, "calendar_past = 0\ncalendar_future = 0\nmail_past = 0\ndefault_modes = mail full\nheartbeat_min = 1s\nping_poll_interval = 2s\nfull_listing_interval = 1m\nunreadable_retry = 2s\nworkers = 16\n");
	(void)fclose(f);
}

static void
open_links(void)
{
	char path[128], name[16];

	for (int n = 0; n < NODES; n++) {
		(void)snprintf(path, sizeof(path), "%s/node%d", w.dir, n);
		(void)mkdir(path, 0700);
		(void)snprintf(path, sizeof(path), "%s/node%d/client.sock", w.dir, n);
		w.client[n] = link_open(path);
		(void)snprintf(name, sizeof(name), "client-node%d", n + 1);
		link_trace(w.client[n], name);
		link_keepalive(w.client[n], 3000); /* usmsync relies on it: its requests may take minutes */
		(void)snprintf(path, sizeof(path), "%s/node%d/usmd.sock", w.dir, n);
		link_target(w.client[n], path, 0);
		for (int i = 0; i < 2; i++) {
			(void)snprintf(path, sizeof(path), "%s/node%d/pg%d", w.dir, n, i);
			(void)mkdir(path, 0700);
			(void)snprintf(path, sizeof(path), "%s/node%d/pg%d/.s.PGSQL.5432", w.dir, n, i);
			w.pg[n][i] = link_open(path);
			(void)snprintf(path, sizeof(path), "%s/sock%d/.s.PGSQL.5432", w.dir, i);
			link_target(w.pg[n][i], path, 0);
		}
		(void)snprintf(path, sizeof(path), "%s/node%d/redis.sock", w.dir, n);
		w.redis[n] = link_open(path);
		(void)snprintf(path, sizeof(path), "%s/redis.sock", w.dir);
		link_target(w.redis[n], path, 0);
		w.ox[n] = link_open(NULL);
		(void)snprintf(name, sizeof(name), "node%d-ox", n + 1);
		link_trace(w.ox[n], name);
	}
	links_start();
}

static void
open_clocks(void)
{
	static int64_t right;

	for (int n = 0; n < NODES; n++) {
		char path[128];
		int fd;
		void *p;

		(void)snprintf(path, sizeof(path), "%s/clock%d", w.dir, n);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		if (fd < 0 || write(fd, &right, sizeof(right)) != (ssize_t)sizeof(right) ||
		    (p = mmap(NULL, sizeof(right), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
			fail("%s: %s", path, strerror(errno));
		(void)close(fd);
		w.clock[n] = p;
	}
}

static void
migrate(void)
{
	char prog[160], conf[160], log[128];
	char *argv[] = { prog, "migrate", "--config", conf, "--sql", "sql", NULL };

	if (!pg_admin("CREATE ROLE app LOGIN") || !pg_admin("CREATE DATABASE usmd OWNER app"))
		fail("the database could not be made");
	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%s/node0/usmd.conf", w.dir);
	(void)snprintf(log, sizeof(log), "%s/migrate.log", w.dir);
	if (run_wait(argv, log) != 0)
		fail("usmctl migrate failed, see migrate.log");
}

void
world_begin_all(void)
{
	char path[128];
	char *own[] = { "sh", "-c", "chmod 755 \"$0\" && chown --reference=\"$1/pg\" \"$0/sock0\" \"$0/sock1\"", w.dir, (char *)(size_t)getenv("USMD_TEST_DIR"), NULL };

	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/sock%d", w.dir, i);
		(void)mkdir(path, 0755);
	}
	if (run_wait(own, NULL) != 0)
		fail("folders for PostgreSQL's sockets could not be made");
	open_links();
	open_clocks();
	for (enum proc_id p = 0; p < PROCS; p++)
		procs[p].paused = p != P_OX && p != P_REDIS;
	pg_create();
	world_pause_restart(P_PG0, false);
	(void)until(pg_up, 30);
	(void)until(ox_up, 30);
	for (int n = 0; n < NODES; n++)
		node_configure(n);
	migrate();
	world_pause_restart(P_NODE0, false);
	world_pause_restart(P_NODE1, false);
	(void)until(world_ready, 60);
}

/* SIGTERM to all, in the order of a shutdown; a node that does not end cleanly is a failure. */
void
world_end_all(void)
{
	static const enum proc_id order[] = { P_NODE0, P_NODE1, P_OX, P_REDIS, P_PG1, P_PG0 };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		enum proc_id p = order[i];
		int st = 0;

		if (procs[p].pid <= 0)
			continue;
		(void)kill(procs[p].pid, p == P_PG0 || p == P_PG1 ? SIGQUIT : SIGTERM);
		(void)waitpid(procs[p].pid, &st, 0);
		procs[p].pid = 0;
		if ((p == P_NODE0 || p == P_NODE1) && st != 0)
			fail("node %d did not end cleanly: status %d", p == P_NODE1, st);
	}
	links_stop();
}
