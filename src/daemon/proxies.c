/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl proxies: where the waits of clients die before their time, as the nodes have learnt it. */
#include "daemon/daemon_int.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "usmd/store.h"

static void
print_time(msec_t at)
{
	time_t t = (time_t)(at / 1000);
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	(void)printf("%-17s", text);
}

static void
print_paths(const struct conf *c, const struct store_path *x, size_t n)
{
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		if (now_ms() - x[i].last >= c->path_memory)
			continue;
		if (shown++ == 0)
			(void)printf("%-45s %8s %8s %8s  %-17s%s\n", "clients", "cut (s)", "wait (s)", "seen", "since", "last seen");
		(void)printf("%-45s %8u %8u %8u  ", x[i].net, x[i].cut_s, x[i].safe_s, x[i].seen);
		print_time(x[i].since);
		print_time(x[i].last);
		(void)printf("\n");
	}
	if (shown == 0)
		(void)printf("Nothing is known to end the waits of clients before their time.\n");
	else
		(void)printf("cut: a silent connection of these clients ends after so long; wait: so usmd answers them by then.\n"
		    "Many networks with the same number: the proxy in front of usmd; its time-out must be longer than heartbeat_max.\n");
}

static enum rc
show(const struct conf *c, struct err *e)
{
	struct arena *a = arena_new(0);
	struct store *s = NULL;
	struct store_conn *conn = NULL;
	struct store_path *x = NULL;
	size_t n = 0;
	enum rc rc = a != NULL ? database_open(c, 1, &s, e) : err_set(e, RC_NOMEM, "out of memory");

	if (rc == RC_OK)
		rc = store_lease(s, &conn, e);
	if (rc == RC_OK)
		rc = store_paths_get(conn, a, &x, &n, e);
	if (rc == RC_OK)
		print_paths(c, x, n);
	store_release(conn);
	store_close(s);
	arena_free(a);
	return rc;
}

int
run_proxies(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 } };
	const char *file = USMD_CONFFILE;
	struct conf *c = NULL;
	struct err e = { .rc = RC_OK };
	int opt, code = EXIT_OK;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (opt != 'c')
			return EXIT_USAGE;
		file = optarg;
	}
	if (optind < argc) {
		(void)fprintf(stderr, "usmctl: '%s' is not expected\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (conf_load(file, &c, &e) != RC_OK)
		code = EXIT_CONFIG;
	else if (show(c, &e) != RC_OK || fflush(stdout) != 0)
		code = EXIT_FAILED;
	if (code != EXIT_OK)
		print_err("usmctl", &e);
	conf_free(c);
	return code;
}
