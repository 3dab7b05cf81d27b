/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl proxies: where the waits of clients die before their time, as the nodes have learnt it. */
#include "daemon/admin_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
paths_json(const struct conf *c, const struct store_path *v, size_t n, struct err *e)
{
	struct buf b;
	bool first = true;

	buf_init(&b, 0);
	buf_addc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		if (now_ms() - v[i].last >= c->path_memory)
			continue;
		buf_adds(&b, first ? "{\"clients\":" : ",\n{\"clients\":");
		first = false;
		json_text_string(&b, v[i].net, strlen(v[i].net));
		buf_addf(&b, ",\"cut_s\":%u,\"wait_s\":%u,\"seen\":%u,\"since_at\":%" PRId64 ",\"last_at\":%" PRId64 "}", v[i].cut_s, v[i].safe_s, v[i].seen, v[i].since,
		    v[i].last);
	}
	buf_adds(&b, "]\n");
	return admin_put(&b, e);
}

int
run_proxies(struct admin *x)
{
	struct err e = { .rc = RC_OK };
	struct store_path *v = NULL;
	size_t n = 0;
	enum rc rc;
	int code = admin_begin(NEED_STORE, x);

	if (code >= 0)
		return code;
	rc = store_paths_get(x->conn, x->a, &v, &n, &e);
	if (rc == RC_OK && x->json)
		rc = paths_json(x->c, v, n, &e);
	else if (rc == RC_OK)
		print_paths(x->c, v, n);
	return admin_end(x, rc, &e);
}
