/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* See apache.h. */
#include "harness/apache.h"
#include "harness/proc.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct { const char *program, *modules; } places[] = {
	{ "/usr/sbin/apache2", "/usr/lib/apache2/modules" },
	{ "/usr/sbin/httpd", "/usr/lib64/httpd/modules" },
};
/* what the shipped snippet names, and what a server needs at all */
static const char *const modules[] = { "mpm_event", "unixd", "authz_core", "headers", "filter", "deflate", "reqtimeout", "log_config", "watchdog",
	"proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_bybusyness", "proxy_hcheck" };

static int
place(void)
{
	for (int i = 0; i < (int)(sizeof(places) / sizeof(places[0])); i++)
		if (access(places[i].program, X_OK) == 0)
			return i;
	return -1;
}

int
apache_is_there(void)
{
	return place() >= 0;
}

/* A port that nobody listens on now.  Apache cannot be told to choose one: when somebody is faster, it fails and the next is tried. */
static unsigned
free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

static bool
answers(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((in_port_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* The shipped snippet with the addresses of these nodes; line by line, so that nothing else of it differs. */
static void
copy_snippet(FILE *to, const char *const *nodes, unsigned n)
{
	static const char mark[] = "http://127.0.0.1:809", one[] = "unix:/run/usmd/usmd.sock|http://localhost";
	FILE *from = fopen("packaging/apache/usmd.conf", "r");
	char line[512];

	ck_assert_ptr_nonnull(from);
	if (n > 1)
		(void)fprintf(to, "Define USMD_NODES\n");
	while (fgets(line, sizeof(line), from) != NULL) {
		char *at = line[0] == '#' ? NULL : strstr(line, mark);
		unsigned k;

		if (line[0] != '#' && strstr(line, one) != NULL) {
			at = strstr(line, one);
			(void)fprintf(to, "%.*s%s%s", (int)(at - line), line, nodes[0], at + strlen(one));
			continue;
		}
		if (at == NULL) {
			(void)fputs(line, to);
			continue;
		}
		k = (unsigned)(at[sizeof(mark) - 1] - '0');
		if (k < n)
			(void)fprintf(to, "%.*s%s%s", (int)(at - line), line, nodes[k], at + sizeof(mark));
	}
	(void)fclose(from);
}

static void
write_conf(const struct apache *a, unsigned port, const char *const *nodes, unsigned n, const char *extra)
{
	int where = place();
	char path[200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/httpd.conf", a->dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "ServerRoot %s\nPidFile %s/pid\nErrorLog %s/error.log\nDefaultRuntimeDir %s\nListen 127.0.0.1:%u\nServerName localhost\n", a->dir, a->dir, a->dir,
	    a->dir, port);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/mod_%s.so", places[where].modules, modules[i]);
		if (access(path, R_OK) == 0) /* some are built in */
			(void)fprintf(f, "LoadModule %s_module %s\n", modules[i], path);
	}
	if (geteuid() == 0)
		(void)fprintf(f, "User nobody\nGroup #65534\n");
	(void)fprintf(f, "LogFormat \"%%a %%s %%D %%{BALANCER_WORKER_NAME}e %%r\" usmd\nCustomLog %s/access.log usmd\n%s\n", a->dir, extra != NULL ? extra : "");
	copy_snippet(f, nodes, n);
	ck_assert_int_eq(fclose(f), 0);
}

void
apache_start(struct apache *a, const char *dir, const char *const *nodes, unsigned n, const char *extra)
{
	char conf[200], log[200];
	char *argv[] = { (char *)(size_t)places[place()].program, "-f", conf, "-DFOREGROUND", NULL };

	(void)snprintf(a->dir, sizeof(a->dir), "%s/apache.XXXXXX", dir);
	ck_assert_ptr_nonnull(mkdtemp(a->dir));
	/* started by root, it works as another user, who has to reach the sockets of usmd */
	ck_assert_int_eq(chmod(a->dir, 0755), 0);
	(void)snprintf(conf, sizeof(conf), "%s/httpd.conf", a->dir);
	(void)snprintf(log, sizeof(log), "%s/start.log", a->dir);
	for (int attempt = 0; attempt < 5; attempt++) {
		unsigned port = free_port();

		write_conf(a, port, nodes, n, extra);
		a->pid = run_start(argv, log);
		(void)snprintf(a->url, sizeof(a->url), "http://127.0.0.1:%u", port);
		for (int i = 0; i < 500 && waitpid(a->pid, NULL, WNOHANG) == 0; i++) {
			if (answers(port))
				return;
			sleep_ms(20);
		}
	}
	ck_abort_msg("Apache did not start, see %s and error.log beside it", log);
}

void
apache_stop(struct apache *a)
{
	if (a->pid == 0)
		return;
	(void)kill(a->pid, SIGTERM);
	(void)waitpid(a->pid, NULL, 0);
	a->pid = 0;
}
