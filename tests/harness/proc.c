/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* See proc.h. */
#include "harness/proc.h"

#include <check.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void
sleep_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

pid_t
run_start(char *const *argv, const char *log)
{
	pid_t pid = fork();

	if (pid < 0) { /* no assertion of Check: programs that are no Check programs use this, too */
		perror("fork");
		abort();
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that fails leaves no server behind */
		int fd = log != NULL ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

		if (fd >= 0) {
			(void)dup2(fd, STDOUT_FILENO);
			(void)dup2(fd, STDERR_FILENO);
		}
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int
wait_for_end(pid_t pid)
{
	int st = 0;

	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

int
run_wait(char *const *argv, const char *log)
{
	return wait_for_end(run_start(argv, log));
}

/* The database of with-servers' cluster that this world uses; made anew. */
static void
admin_sql(const char *sql)
{
	char info[512];
	PGconn *c;
	PGresult *r;

	(void)snprintf(info, sizeof(info), "%s dbname=postgres", getenv("USMD_TEST_PG"));
	c = PQconnectdb(info);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	r = PQexec(c, sql);
	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(c));
	PQclear(r);
	PQfinish(c);
}

static void
migrate(struct world *w)
{
	char prog[160], conf[160], log[160];
	char *argv[] = { prog, "migrate", "--config", conf, "--sql", "sql", NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w->build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w->dir);
	(void)snprintf(log, sizeof(log), "%s/migrate.log", w->dir);
	ck_assert_msg(run_wait(argv, log) == 0, "usmctl migrate failed, see %s", log);
}

void
world_new_database(struct world *w)
{
	admin_sql("DROP DATABASE IF EXISTS usmd_world WITH (FORCE)");
	admin_sql("CREATE DATABASE usmd_world");
	migrate(w);
}

static void
write_conf(struct world *w, const char *const *settings)
{
	char path[160], cmd[160];
	char *argv[] = { cmd, "key-create", path, NULL };
	FILE *f;

	(void)snprintf(cmd, sizeof(cmd), "%s/usmctl", w->build);
	(void)snprintf(path, sizeof(path), "%s/key", w->dir);
	ck_assert_int_eq(run_wait(argv, "/dev/null"), 0);
	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w->dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "listen = %s/usmd.sock\nlisten_mode = 0600\nadmin_listen = %s/admin.sock\ncontrol_socket = %s/control\nox_url = %s/ajax\n",
	    w->dir, w->dir, w->dir, w->ox);
	(void)fprintf(f, "pg_conninfo = %s dbname=usmd_world\nredis_url = %s\nkey_file = %s/key\ncookie_secure = no\n", getenv("USMD_TEST_PG"),
	    getenv("USMD_TEST_REDIS"), w->dir);
	for (; settings != NULL && *settings != NULL; settings++)
		(void)fprintf(f, "%s\n", *settings);
	ck_assert_int_eq(fclose(f), 0);
}

/* Every 20 ms for 30 s: starting is no event that could be awaited otherwise. */
static bool
until(bool (*ok)(struct world *w), struct world *w)
{
	for (int i = 0; i < 1500; i++) {
		if (ok(w))
			return true;
		sleep_ms(20);
	}
	return false;
}

static bool
oxsim_up(struct world *w)
{
	char path[160], port[16] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/ox.port", w->dir);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fgets(port, sizeof(port), f) != NULL)
		(void)snprintf(w->ox, sizeof(w->ox), "http://127.0.0.1:%u", (unsigned)strtoul(port, NULL, 10));
	(void)fclose(f);
	return w->ox[0] != '\0';
}

static size_t
swallow(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

static bool
usmd_up(struct world *w)
{
	char sock[160];
	CURL *c = curl_easy_init();
	long status = 0;

	(void)snprintf(sock, sizeof(sock), "%s/usmd.sock", w->dir);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/usm-json/serverInfo");
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, "{}");
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 5L);
	if (curl_easy_perform(c) == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	return status != 0;
}

void
world_usmd_start(struct world *w)
{
	char prog[160], conf[160], log[160];
	char *argv[] = { prog, "--config", conf, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmd", w->build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w->dir);
	(void)snprintf(log, sizeof(log), "%s/usmd.log", w->dir);
	w->usmd = run_start(argv, log);
	ck_assert_msg(until(usmd_up, w), "usmd did not start, see %s", log);
}

void
world_usmd_kill(struct world *w)
{
	(void)kill(w->usmd, SIGKILL);
	(void)wait_for_end(w->usmd);
	w->usmd = 0;
}

void
world_begin(struct world *w, const char *import, const char *const *settings)
{
	char prog[160], port[160], log[160];
	/* a usmd that is killed leaves its session at OX behind: they end soon, or OX's limit of sessions would end the test */
	char *argv[] = { prog, "--listen", "127.0.0.1:0", "--port-file", port, "--session-ttl", "15000", import != NULL ? "--import" : NULL, (char *)(size_t)import, NULL };
	const char *b = getenv("B");

	memset(w, 0, sizeof(*w));
	(void)snprintf(w->build, sizeof(w->build), "%s", b != NULL ? b : "build");
	(void)snprintf(w->dir, sizeof(w->dir), "%s/world.XXXXXX", getenv("USMD_TEST_DIR"));
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	(void)snprintf(prog, sizeof(prog), "%s/oxsim", w->build);
	(void)snprintf(port, sizeof(port), "%s/ox.port", w->dir);
	(void)snprintf(log, sizeof(log), "%s/ox.log", w->dir);
	(void)snprintf(w->server, sizeof(w->server), "unix:%s/usmd.sock", w->dir);
	w->oxsim = run_start(argv, log);
	ck_assert_msg(until(oxsim_up, w), "oxsim did not start, see %s", log);
	write_conf(w, settings);
	world_new_database(w);
	world_usmd_start(w);
}

void
world_end(struct world *w)
{
	char *argv[] = { "rm", "-rf", w->dir, NULL };
	int status = 0;

	if (w->usmd != 0) {
		(void)kill(w->usmd, SIGTERM);
		status = wait_for_end(w->usmd);
	}
	(void)kill(w->oxsim, SIGTERM);
	(void)wait_for_end(w->oxsim);
	ck_assert_msg(status == 0, "usmd ended with %d, see %s/usmd.log", status, w->dir);
	(void)run_wait(argv, NULL);
}

struct sink {
	char *p;
	size_t n, size;
};

static size_t
collect(char *p, size_t size, size_t n, void *arg)
{
	struct sink *s = arg;
	size_t room = s->size > s->n + 1 ? s->size - s->n - 1 : 0, take = size * n < room ? size * n : room;

	if (s->p != NULL && take != 0) {
		memcpy(s->p + s->n, p, take);
		s->n += take;
		s->p[s->n] = '\0';
	}
	return size * n;
}

/* METHOD NULL: POST of JSON, or GET without. */
static void
control(const struct world *w, const char *method, const char *path, const char *json, char *out, size_t size)
{
	struct sink s = { .p = out, .size = size };
	char url[160];
	CURL *c = curl_easy_init();
	long status = 0;

	if (out != NULL)
		out[0] = '\0';
	(void)snprintf(url, sizeof(url), "%s/control/%s", w->ox, path);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	if (json != NULL)
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, json);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, &s);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	ck_assert_msg(status == 200, "oxsim /control/%s: HTTP %ld", path, status);
}

void
world_control(const struct world *w, const char *path, const char *json, char *out, size_t size)
{
	control(w, NULL, path, json, out, size);
}

void
world_no_faults(const struct world *w)
{
	control(w, "DELETE", "faults", NULL, NULL, 0);
}
