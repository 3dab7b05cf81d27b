/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl trace: orders of traces to the usmd of this node, through its trace_dir; who may write there may order. */
#include "daemon/daemon_int.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "usmd/store.h"

#define DEVICES_MAX 20

struct trace_wish {
	const char *config, *device, *period, *side;
	int64_t context, user;
	bool off, list, plain;
};

static int
trace_usage(void)
{
	(void)fputs("usage: usmctl trace --device D [--user C/U] --for 10m [--side client|ox|both] [--plain] | --device D --off | --list [--config FILE]\n", stderr);
	return EXIT_USAGE;
}

static enum rc
period_parse(const char *text, msec_t *out, struct err *e)
{
	static const struct { char unit; msec_t ms; } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 } };
	size_t n = strspn(text, "0123456789");
	char number[8];
	int64_t v;

	if (n > 0 && n < sizeof(number) && strlen(text) == n + 1) {
		(void)snprintf(number, sizeof(number), "%.*s", (int)n, text);
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (units[i].unit == text[n] && parse_i64(number, 1, TRACE_LONGEST_MS / units[i].ms, &v)) {
				*out = v * units[i].ms;
				return RC_OK;
			}
	}
	return err_set(e, RC_PROTO, "--for %.20s: say how long, 24h at most, such as 10m", text);
}

/* The number of the one device that is meant. */
static enum rc
find_device(const struct conf *c, const struct trace_wish *t, int64_t *device, struct err *e)
{
	struct store_options o = { .conninfo = c->pg_conninfo, .pool = 1, .statement_timeout_ms = (unsigned)c->pg_statement_timeout,
		.lease_timeout_ms = (unsigned)c->pg_lease_timeout, .lock_timeout_ms = (unsigned)c->pg_lock_timeout };
	struct store_named_device d[DEVICES_MAX] = { { 0 } };
	struct store *s = NULL;
	struct store_conn *conn = NULL;
	size_t n = 0;
	enum rc rc = store_open(&o, &s, e);

	if (rc == RC_OK)
		rc = store_lease(s, &conn, e);
	if (rc == RC_OK)
		rc = store_device_find(conn, t->device, t->context, t->user, d, DEVICES_MAX, &n, e);
	if (rc == RC_OK && n == 0)
		rc = err_set(e, RC_NOTFOUND, "there is no device %.80s: it has never logged in, or has expired", t->device);
	for (size_t i = 0; rc == RC_OK && n > 1 && i < n; i++)
		(void)fprintf(stderr, "  --user %" PRId64 "/%" PRId64 "\n", d[i].context_id, d[i].user_id);
	if (rc == RC_OK && n > 1)
		rc = err_set(e, RC_CONFLICT, "several users have a device of this name: say whose is meant, with --user");
	if (rc == RC_OK)
		*device = d[0].device;
	store_release(conn);
	store_close(s);
	return rc;
}

static enum rc
trace_list(const struct conf *c, struct err *e)
{
	DIR *d = opendir(c->trace_dir);
	struct dirent *x;
	char path[600];
	struct stat st;
	size_t n = 0;

	if (d == NULL)
		return err_set(e, RC_NOTFOUND, "%s (trace_dir): %s", c->trace_dir, strerror(errno));
	while ((x = readdir(d)) != NULL) {
		size_t len = strlen(x->d_name);

		(void)snprintf(path, sizeof(path), "%s/%s", c->trace_dir, x->d_name);
		if (len > 3 && strcmp(x->d_name + len - 3, ".on") == 0)
			(void)printf("%s  (being written: device %.*s)\n", path, (int)(len - 3), x->d_name);
		else if (len > 6 && strcmp(x->d_name + len - 6, ".trace") == 0 && stat(path, &st) == 0)
			(void)printf("%s  %" PRId64 " octets\n", path, (int64_t)st.st_size);
		else
			continue;
		n++;
	}
	(void)closedir(d);
	if (n == 0)
		(void)puts("There are no traces at this node.");
	return RC_OK;
}

static enum rc
switch_on(const struct conf *c, const struct trace_wish *t, struct err *e)
{
	struct trace_order o = { .began = now_ms(), .plain = t->plain, .by_uid = (int64_t)getuid() };
	msec_t ms = 0;
	enum rc rc = period_parse(t->period, &ms, e);

	o.until = o.began + ms;
	o.sides = t->side == NULL || strcmp(t->side, "both") == 0 ? TRACE_CLIENT | TRACE_OX : strcmp(t->side, "client") == 0 ? TRACE_CLIENT : TRACE_OX;
	random_bytes(o.key, sizeof(o.key));
	if (rc == RC_OK && t->plain && !c->trace_plain)
		rc = err_set(e, RC_FORBIDDEN, "--plain: values as they are have to be allowed first, by trace_plain = yes and a restart");
	if (rc == RC_OK)
		rc = find_device(c, t, &o.device, e);
	if (rc == RC_OK)
		rc = trace_order_write(c->trace_dir, &o, e);
	if (rc != RC_OK)
		return rc;
	log_warn("trace-ordered", "device=%" PRId64 " name=%s seconds=%" PRId64 " plain=%d by_uid=%" PRId64, o.device, t->device, ms / 1000, o.plain, o.by_uid);
	(void)printf("%s/%" PRId64 "-%" PRId64 ".trace will hold what this node hears until the time is over.\n", c->trace_dir, o.device, o.began);
	return RC_OK;
}

static enum rc
switch_off(const struct conf *c, const struct trace_wish *t, struct err *e)
{
	int64_t device = 0;
	enum rc rc = find_device(c, t, &device, e);

	if (rc == RC_OK && !trace_order_drop(c->trace_dir, device))
		rc = err_set(e, RC_NOTFOUND, "this device is not traced at this node");
	if (rc == RC_OK)
		log_warn("trace-ordered", "device=%" PRId64 " name=%s seconds=0 by_uid=%ld", device, t->device, (long)getuid());
	return rc;
}

int
run_trace(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "device", required_argument, NULL, 'D' }, { "user", required_argument, NULL, 'U' },
		{ "for", required_argument, NULL, 'F' }, { "side", required_argument, NULL, 'S' }, { "plain", no_argument, NULL, 'P' },
		{ "off", no_argument, NULL, 'O' }, { "list", no_argument, NULL, 'L' }, { NULL, 0, NULL, 0 },
	};
	struct trace_wish t = { .config = USMD_CONFFILE };
	struct err e = { .rc = RC_OK };
	struct conf *c = NULL;
	enum rc rc;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (opt) {
		case 'c': t.config = optarg; break;
		case 'D': t.device = optarg; break;
		case 'F': t.period = optarg; break;
		case 'S': t.side = optarg; break;
		case 'P': t.plain = true; break;
		case 'O': t.off = true; break;
		case 'L': t.list = true; break;
		case 'U':
			if (context_user_parse(optarg, &t.context, &t.user))
				break;
			return trace_usage();
		default: return trace_usage();
		}
	if (optind < argc || (!t.list && (t.device == NULL || t.off == (t.period != NULL))) ||
	    (t.side != NULL && strcmp(t.side, "client") != 0 && strcmp(t.side, "ox") != 0 && strcmp(t.side, "both") != 0))
		return trace_usage();
	rc = conf_load(t.config, &c, &e);
	if (rc == RC_OK && c->trace_dir[0] == '\0')
		rc = err_set(&e, RC_NOTFOUND, "trace_dir is empty: there are no traces");
	if (rc == RC_OK)
		rc = t.list ? trace_list(c, &e) : t.off ? switch_off(c, &t, &e) : switch_on(c, &t, &e);
	if (rc != RC_OK)
		print_err("usmctl", &e);
	conf_free(c);
	return rc == RC_OK ? EXIT_OK : EXIT_FAILED;
}
