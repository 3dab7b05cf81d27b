/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The daemon: options, start in order, signals, stop in order.  Order of the start: umask, signals, log, configuration, key, hub, sockets that
 * systemd passes, store (PostgreSQL is waited for) and the rest of wire_engine, other sockets, threads, READY.  The stop is its reverse, after
 * the requests have been answered.
 */
#include "daemon/status_int.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "usmd/model.h"

#define TRACE_LOOK_MS 1000
#define PERSONS_CARE_MS 20000 /* usmd(8): within half a minute */
/* what a stop takes besides drain_time and shutdown_timeout: httpd_free's wait for its threads, twice 5 s, and the connections' ends */
#define STOP_SLACK_MS 15000
#define LARGE_BLOCK 131072 /* octets */

struct options {
	const char *config;
	bool check;
};

static void
usage(FILE *f)
{
	(void)fputs("usage: usmd [--config FILE] [--check-config]\n"
	    "  -c, --config FILE    settings (default " USMD_CONFFILE ")\n"
	    "  -t, --check-config   tell whether settings and key are right, and end\n"
	    "  -V, --version        print the version\n"
	    "  -h, --help           print this\n"
	    "usmd stays in the foreground and logs to stderr.  SIGHUP reloads, SIGTERM stops.  See usmd(8).\n", f);
}

/* Returns -1 to go on, else the exit code. */
static int
options_parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "check-config", no_argument, NULL, 't' },
		{ "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int opt;

	*o = (struct options){ .config = USMD_CONFFILE };
	while ((opt = getopt_long(argc, argv, "c:tVh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case 't':
			o->check = true;
			break;
		case 'V':
			(void)puts("usmd " USMD_VERSION);
			return EXIT_OK;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "usmd: '%s' is not expected\n", argv[optind]);
		usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

/* Blocked in every thread that is started later; the main thread alone takes them, with sigtimedwait. */
static void
signals_block(sigset_t *set)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
	(void)sigaddset(set, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* Begins to send clients elsewhere, once; returns when that shall be done. */
static int64_t
leave(struct httpd *h, struct live *l, int64_t *left_at_us)
{
	if (*left_at_us == 0) {
		msec_t span = live_drain_time(l);

		*left_at_us = now_mono_us() + span * 1000;
		log_info("drain", "seconds=%" PRId64 " text=waiting clients are sent to other nodes", span / 1000);
		httpd_leave(h, span);
	}
	return *left_at_us;
}

#define CARE_EVERY_US (INT64_C(3600) * 1000000)

/* systemd gives it the time that it takes, whatever TimeoutStopSec of the unit. */
static void
tell_stop(const char *what, msec_t ms)
{
	(void)sd_notifyf(0, "STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%" PRId64, what, (ms + STOP_SLACK_MS) * 1000);
}

/* Until SIGTERM or SIGINT, and then until clients have had the time to go elsewhere; a second one ends that, too. */
static void
serve(struct httpd *h, struct wire *w, struct live *l, struct watch *watch)
{
	int64_t left_at_us = 0, until_us = INT64_MAX, care_us = 0;

	for (;;) {
		int sig;

		if (now_mono_us() >= care_us) {
			wire_care(w);
			care_us = now_mono_us() + CARE_EVERY_US;
		}
		sig = signal_until(watch, until_us < care_us ? until_us : care_us);
		if (sig < 0 && now_mono_us() < until_us)
			continue;
		if (sig == SIGHUP) {
			live_reload(l, NULL, NULL);
		} else if (sig == SIGUSR1) {
			(void)leave(h, l, &left_at_us);
			(void)sd_notify(0, "STATUS=draining: no clients are wanted here");
		} else if (until_us != INT64_MAX) {
			return;
		} else {
			log_info("stop", "signal=%s", sig == SIGTERM ? "TERM" : "INT");
			if (live_drain_time(l) == 0)
				return;
			tell_stop("sending waiting clients to other nodes", live_drain_time(l));
			until_us = leave(h, l, &left_at_us);
		}
	}
}

/* Answer who waits, let requests in work finish.  False: some cannot be waited for any longer. */
static bool
stop(struct httpd *h, struct live *l)
{
	size_t left;

	tell_stop("answering the clients that wait", live_shutdown_timeout(l));
	left = httpd_drain(h, now_ms() + live_shutdown_timeout(l));
	if (left > 0)
		log_warn("stop", "requests=%zu text=not finished within shutdown_timeout", left);
	return httpd_free(h);
}

static enum rc
run(const struct conf *c, const unsigned char key[KEY_BYTES], const char *file, const sigset_t *set, struct err *e)
{
	struct httpd_options o = {
		.listen = c->listen,
		.listen_mode = (unsigned)c->listen_mode,
		.admin_listen = c->admin_listen,
		.trusted_proxies = c->trusted_proxies,
		.event_threads = (unsigned)c->event_threads,
		.workers = (unsigned)c->workers,
		.queue_length = (unsigned)c->queue_length,
		.max_body = (size_t)c->max_body,
		.max_body_total = (size_t)c->max_body_total,
		.connection_memory = (size_t)c->connection_memory,
		.max_connections = (unsigned)c->max_connections,
		.max_connections_per_address = (unsigned)c->max_connections_per_address,
		.client_timeout_s = (unsigned)((c->client_timeout + 999) / 1000),
		.transfer_time_s = (unsigned)((c->transfer_time + 999) / 1000),
		.keepalive_s = (unsigned)((c->client_keepalive + 999) / 1000),
		.wake_interval_ms = c->wake_interval,
		.slow_ms = c->slow_request,
		.health = wire_health,
		.gauges = wire_gauges,
		.page = wire_page,
		.status_listen = c->status_listen,
		.status = wire_status,
	};
	const struct hub_options waits = {
		.max_waiters = (size_t)c->max_waiters,
		.burst = (size_t)c->wake_burst,
		.spread_ms = c->wake_spread,
	};
	struct observe_task tasks[] = {
		{ .every_ms = c->trace_dir[0] != '\0' ? TRACE_LOOK_MS : 0, .run = observe_trace_look },
		{ .every_ms = c->self_test, .run = wire_self_test },
		{ .every_ms = c->status_listen[0] != '\0' ? STATUS_SAMPLE_MS : 0, .run = status_take },
		{ .every_ms = PERSONS_CARE_MS, .run = wire_persons_care },
	};
	struct hub *hub = hub_new(&waits);
	const struct protocol *protocols;
	struct wire *wire = NULL;
	struct httpd *httpd = NULL;
	struct live *live = NULL;
	struct observe *observe = NULL;
	struct status *status = status_new();
	struct watch watch = { .set = set, .stall_ms = c->watchdog_stall };
	size_t n;
	enum rc rc = hub != NULL && status != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");

	observe_traces(c);
	/* first, so that wrong ones are told without a wait */
	if (rc == RC_OK)
		rc = systemd_sockets(&o, e);
	if (rc == RC_OK)
		rc = wire_await(c, key, hub, &watch, &wire, e);
	if (rc != RC_OK || wire == NULL)
		goto out;
	protocols = wire_protocols(wire, &n);
	tasks[1].arg = wire;
	tasks[2].arg = status;
	tasks[3].arg = wire;
	wire_status_set(wire, status);
	o.admin_arg = wire;
	rc = httpd_new(&o, protocols, n, hub, &httpd, e);
	if (rc == RC_OK)
		rc = httpd_start(httpd, e);
	if (rc != RC_OK)
		goto out;
	rc = wire_listen(wire, c, e);
	if (rc == RC_OK)
		rc = live_new(c, file, wire, &live, e);
	if (rc == RC_OK)
		rc = observe_start(tasks, ARRAY_LEN(tasks), &observe, e);
	if (rc != RC_OK)
		goto out;
	log_info("ready", "version=" USMD_VERSION " listen=%s workers=%" PRId64, c->listen, c->workers);
	(void)sd_notify(0, "READY=1\nSTATUS=serving");
	watch.httpd = httpd;
	serve(httpd, wire, live, &watch);
	observe_stop(observe);
	observe = NULL;
	if (!stop(httpd, live)) {
		/* a thread is inside the engine: whatever it does survives a crash at any point by design, so end here */
		log_error("stop", "text=a request does not end; leaving without it");
		_Exit(EXIT_FAILED);
	}
	httpd = NULL;
	log_info("stopped", "version=" USMD_VERSION);

out:
	observe_stop(observe);
	live_free(live);
	(void)httpd_free(httpd);
	trace_stop();
	wire_free(wire);
	status_free(status);
	hub_free(hub);
	return rc;
}

static enum rc
log_start(const struct conf *c, struct err *e)
{
	log_level_set(c->log_level);
	log_debug_events(c->log_debug);
	if (c->status_listen[0] != '\0')
		log_watch(status_watch);
	return log_open(c->log_to, strcmp(c->log_format, "json") == 0, e);
}

/* What a crowd of slow clients took comes back when they are gone: large blocks are mapped one by one, also after the first of them (glibc would raise
 * the threshold then), and the heap's end is given back. */
static void
memory_setup(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	(void)mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
}

int
main(int argc, char **argv)
{
	unsigned char key[KEY_BYTES];
	struct options o;
	struct conf *c = NULL;
	struct err e = { .rc = RC_OK };
	sigset_t set;
	int code = options_parse(argc, argv, &o);

	if (code >= 0)
		return code;
	(void)umask(0077);
	memory_setup();
	model_json_memory();
	signals_block(&set);
	/* journald sets the variable for what it reads; it takes the level from the prefix */
	log_setup(LOG_LVL_INFO, getenv("JOURNAL_STREAM") != NULL);
	code = EXIT_CONFIG;
	if (conf_load(o.config, &c, &e) != RC_OK || wire_check(c, &e) != RC_OK || key_load(c->key_file, key, &e) != RC_OK)
		goto out;
	code = EXIT_OK;
	if (o.check) {
		(void)printf("%s: ok\n", o.config);
		goto out;
	}
	if (log_start(c, &e) != RC_OK)
		code = EXIT_CONFIG;
	else if (run(c, key, o.config, &set, &e) != RC_OK)
		code = e.rc == RC_PROTO ? EXIT_CONFIG : EXIT_FAILED;

out:
	if (code != EXIT_OK) {
		print_err("usmd", &e);
		(void)sd_notifyf(0, "STATUS=%s", e.text);
	}
	secret_wipe(key, sizeof(key));
	conf_free(c);
	return code;
}
