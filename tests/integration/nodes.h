/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Several real usmd on one database, and clients that wait at them.  The world's own usmd is the first node.  Included by one test
 * program only, after wire.h.
 */
#ifndef TESTS_NODES_H
#define TESTS_NODES_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct node {
	char dir[160];
	char server[192]; /* as wire.h wants it in w.server */
	char proxy[192];  /* as Apache wants it */
	char admin[192];  /* socket */
	pid_t pid;
};

static const char *node_redis; /* a Redis of its own for the node that is started next; NULL = the world's */
static char own_redis[200];
static pid_t redis_pid;

/* A Redis of this test's own, since it is killed. */
static inline void
redis_up(void)
{
	char url[220];

	(void)snprintf(own_redis, sizeof(own_redis), "%s/nodes.sock", harness_env("USMD_TEST_DIR"));
	(void)snprintf(url, sizeof(url), "unix:%s", own_redis);
	(void)setenv("USMD_TEST_REDIS", url, 1);
	redis_pid = harness_redis_start(own_redis);
}

static inline void
redis_down(void)
{
	harness_redis_stop(redis_pid);
	redis_pid = 0;
}

/* A page of the local listener: its status, and TEXT. */
static inline long
node_ask(const struct node *n, const char *path, char *text, size_t size)
{
	char url[100];
	CURL *c = curl_easy_init();
	FILE *f = fmemopen(text, size, "w");
	long status = 0;

	(void)snprintf(url, sizeof(url), "http://localhost%s", path);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, n->admin);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 10L);
	if (curl_easy_perform(c) == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	(void)fclose(f);
	curl_easy_cleanup(c);
	return status;
}

/* Of a series that may not have begun: 0. */
static inline long
node_series(const struct node *n, const char *name)
{
	static char text[65536];
	char line[120];
	const char *p;

	if (node_ask(n, "/metrics", text, sizeof(text)) != 200)
		return -1;
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	p = strstr(text, line);
	return p != NULL ? strtol(p + strlen(line), NULL, 10) : 0;
}

static inline long
node_metric(const struct node *n, const char *name)
{
	static char text[65536];
	char line[80];
	const char *p;

	if (node_ask(n, "/metrics", text, sizeof(text)) != 200)
		return -1;
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	p = strstr(text, line);
	ck_assert_ptr_nonnull(p);
	return strtol(p + strlen(line), NULL, 10);
}

/* Until the metric is at least WANT, for 30 s at most. */
static inline void
node_await(const struct node *n, const char *name, long want)
{
	long v = -1;

	for (int i = 0; i < 3000 && (v = node_series(n, name)) < want; i++)
		sleep_ms(10);
	ck_assert_msg(v >= want, "%s of %s is %ld, not %ld", name, n->dir, v, want);
}

/* Proxies run as somebody else. */
static inline void
open_to_all(const char *socket)
{
	(void)chmod(w.dir, 0711);
	(void)chmod(socket, 0666);
}

static inline struct node
first_node(void)
{
	struct node n = { .pid = w.usmd };
	char sock[192];

	(void)snprintf(n.dir, sizeof(n.dir), "%s", w.dir);
	(void)snprintf(n.server, sizeof(n.server), "%s", w.server);
	(void)snprintf(sock, sizeof(sock), "%.180s", w.server + 5);
	(void)snprintf(n.proxy, sizeof(n.proxy), "unix:%.150s|http://localhost", sock);
	(void)snprintf(n.admin, sizeof(n.admin), "%.150s/admin.sock", w.dir);
	open_to_all(sock);
	return n;
}

static inline unsigned
some_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

/* The world's settings with listeners of its own: on TCP, since nodes stand on other machines. */
static inline void
node_conf(struct node *n, unsigned port)
{
	char path[200], line[512];
	FILE *from, *to;

	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w.dir);
	from = fopen(path, "r");
	(void)snprintf(path, sizeof(path), "%.180s/usmd.conf", n->dir);
	to = fopen(path, "w");
	ck_assert(from != NULL && to != NULL);
	while (fgets(line, sizeof(line), from) != NULL)
		if (strncmp(line, "listen", 6) != 0 && strncmp(line, "admin_listen", 12) != 0 && (node_redis == NULL || strncmp(line, "redis_url", 9) != 0))
			(void)fputs(line, to);
	(void)fprintf(to, "listen = 127.0.0.1:%u\nadmin_listen = %s\n", port, n->admin);
	if (node_redis != NULL)
		(void)fprintf(to, "redis_url = %s\n", node_redis);
	(void)fclose(from);
	(void)fclose(to);
}

/* Another node beside the world's. */
static inline void
node_start(struct node *n)
{
	char prog[160], conf[200], log[200], text[512];
	char *argv[] = { prog, "--config", conf, NULL };

	memset(n, 0, sizeof(*n));
	(void)snprintf(n->dir, sizeof(n->dir), "%.120s/node.XXXXXX", w.dir);
	ck_assert_ptr_nonnull(mkdtemp(n->dir));
	(void)snprintf(n->admin, sizeof(n->admin), "%.160s/admin.sock", n->dir);
	(void)snprintf(prog, sizeof(prog), "%s/usmd", w.build);
	(void)snprintf(conf, sizeof(conf), "%.180s/usmd.conf", n->dir);
	(void)snprintf(log, sizeof(log), "%.180s/usmd.log", n->dir);
	for (int attempt = 0; attempt < 5; attempt++) { /* the port may be taken meanwhile */
		unsigned port = some_port();

		(void)snprintf(n->server, sizeof(n->server), "http://127.0.0.1:%u", port);
		(void)snprintf(n->proxy, sizeof(n->proxy), "%s", n->server);
		node_conf(n, port);
		n->pid = run_start(argv, log);
		for (int i = 0; i < 1500 && waitpid(n->pid, NULL, WNOHANG) == 0; i++) {
			if (node_ask(n, "/health", text, sizeof(text)) == 200)
				return;
			sleep_ms(20);
		}
	}
	ck_abort_msg("usmd did not start, see %s", log);
}

/* Its exit status. */
static inline int
node_end(struct node *n, int sig)
{
	int status = 0;

	if (n->pid == 0)
		return 0;
	(void)kill(n->pid, sig);
	while (waitpid(n->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n->pid == w.usmd)
		w.usmd = 0;
	n->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- clients that wait, one thread each ---- */

struct waiting {
	const char *server;  /* borrowed: a node's, or Apache's url */
	const struct dev *d; /* borrowed */
	unsigned heartbeat_s;
	const char *command; /* NULL = ping */
	const char *until;   /* it ends when the answer has this in it; NULL = with the answer */
	pthread_t thread;
	long status;         /* of the last answer; 0 = none came */
	bool changed;        /* it named a folder */
	int64_t ended_us;
	char text[512];      /* the last answer's beginning */
};

static inline size_t
waiting_on_body(char *p, size_t size, size_t n, void *arg)
{
	struct waiting *x = arg;
	size_t at = strlen(x->text), room = sizeof(x->text) - 1 - at, take = size * n < room ? size * n : room;

	memcpy(x->text + at, p, take);
	x->text[at + take] = '\0';
	return x->until != NULL && strstr(x->text, x->until) != NULL ? 0 : size * n;
}

/* One ping from its begin to its answer. */
static inline void
ping_once(struct waiting *x)
{
	char url[250], body[250], auth[128];
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *c = curl_easy_init();
	bool local = strncmp(x->server, "unix:", 5) == 0;

	(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", x->d->token);
	h = curl_slist_append(h, auth);
	(void)snprintf(url, sizeof(url), "%s/usm-json/%s", local ? "http://localhost" : x->server, x->command != NULL ? x->command : "ping");
	if (x->d->folder[0] != '\0')
		(void)snprintf(body, sizeof(body), "{\"heartbeat\":%u,\"folders\":[{\"folder\":\"%s\",\"syncid\":\"%s\"}]}", x->heartbeat_s, x->d->folder, x->d->syncid);
	else
		(void)snprintf(body, sizeof(body), "{\"heartbeat\":%u,\"folders\":[{\"syncid\":\"%s\"}]}", x->heartbeat_s, x->d->syncid);
	if (local)
		(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, x->server + 5);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 120L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, waiting_on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	x->text[0] = '\0';
	x->status = 0;
	if (curl_easy_perform(c) == CURLE_OK || x->until != NULL)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &x->status);
	x->ended_us = now_mono_us();
	x->changed = strstr(x->text, "\"changed\":[{") != NULL;
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
}

static inline void *
waiting_main(void *arg)
{
	ping_once(arg);
	return NULL;
}

static inline void
wait_begin(struct waiting *x, const char *server, const struct dev *d, unsigned heartbeat_s)
{
	*x = (struct waiting){ .server = server, .d = d, .heartbeat_s = heartbeat_s };
	ck_assert_int_eq(pthread_create(&x->thread, NULL, waiting_main, x), 0);
}

static inline void
wait_end(struct waiting *x)
{
	(void)pthread_join(x->thread, NULL);
	ck_assert_msg(x->status == 200, "ping is answered %ld: %s", x->status, x->text);
}

#endif
