/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What systemd and usmd tell each other: sockets that are passed, the watchdog, states and times.  Without systemd nothing of it has an effect.
 * Also the start's wait for PostgreSQL, because whoever waits has to say so.
 */
#include "daemon/daemon_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 10000
/* one attempt takes so long at most, several hosts of pg_conninfo that are silent included */
#define ATTEMPT_MS 60000

enum rc
systemd_sockets(struct httpd_options *o, struct err *e)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	enum rc rc = n >= 0 ? RC_OK : err_set(e, RC_INTERNAL, "systemd's sockets cannot be taken: %s", strerror(-n));

	for (int i = 0; i < n; i++) {
		bool admin = names != NULL && strcmp(names[i], "admin") == 0;
		int *fd = admin ? &o->admin_fd : &o->listen_fd;

		if (*fd > 0 && rc == RC_OK)
			rc = err_set(e, RC_PROTO, "systemd passes two sockets for %s: one ListenStream= for the clients, and one in a unit with FileDescriptorName=admin",
			    admin ? "admin_listen" : "listen");
		*fd = SD_LISTEN_FDS_START + i;
		if (names != NULL)
			free(names[i]);
	}
	free(names);
	return rc;
}

/* Is all well enough that systemd may hear of it?  What is not is logged once. */
static bool
is_alive(struct watch *w)
{
	msec_t stalled_ms = w->httpd != NULL && w->stall_ms > 0 ? httpd_stalled_ms(w->httpd) : 0;
	bool alive = stalled_ms < w->stall_ms || w->stall_ms == 0;

	if (!alive && !w->told)
		log_error("watchdog", "seconds=%" PRId64 " text=requests wait and no worker takes one; systemd is told no more that all is well",
		    stalled_ms / 1000);
	if (alive && w->told)
		log_info("watchdog", "text=workers take requests again");
	w->told = !alive;
	return alive;
}

int
signal_until(struct watch *w, int64_t until_us)
{
	uint64_t watchdog_us = 0;
	int64_t left_us, tick_us = INT64_C(3600) * 1000000;

	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		tick_us = (int64_t)(watchdog_us / 2);
	while ((left_us = until_us - now_mono_us()) > 0) {
		struct timespec wait;
		int sig;

		left_us = left_us < tick_us ? left_us : tick_us;
		wait = (struct timespec){ .tv_sec = (time_t)(left_us / 1000000), .tv_nsec = (long)(left_us % 1000000) * 1000 };
		sig = sigtimedwait(w->set, NULL, &wait);
		if (sig > 0)
			return sig;
		if (watchdog_us > 0 && is_alive(w))
			(void)sd_notify(0, "WATCHDOG=1");
	}
	return -1;
}

/* Half as long again, up to twice: nodes that lost the same server do not come back in step. */
static int64_t
with_jitter_us(int64_t ms)
{
	unsigned char r = 0;

	random_bytes(&r, 1);
	return ms * 1000 + ms * 500 * r / 255;
}

enum rc
wire_await(const struct conf *c, const unsigned char key[KEY_BYTES], struct hub *hub, struct watch *w, struct wire **out, struct err *e)
{
	int64_t pause_ms = RETRY_FIRST_MS;
	enum rc rc;

	for (unsigned attempt = 1;; attempt++) {
		int64_t until_us;
		int sig;

		rc = wire_engine(c, key, hub, out, e);
		if (rc != RC_UPSTREAM)
			return rc;
		until_us = now_mono_us() + with_jitter_us(pause_ms);
		pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
		log_warn("postgresql-wait", "attempt=%u text=%s", attempt, e->text);
		(void)sd_notifyf(0, "STATUS=waiting for PostgreSQL, attempt %u: %s\nEXTEND_TIMEOUT_USEC=%d", attempt, e->text, (ATTEMPT_MS + 2 * RETRY_MAX_MS) * 1000);
		/* a reload has nothing to take effect on yet: the start goes on with what it has read */
		do
			sig = signal_until(w, until_us);
		while (sig == SIGHUP || sig == SIGUSR1);
		if (sig > 0) {
			log_info("stop", "signal=%s text=while waiting for PostgreSQL", sig == SIGTERM ? "TERM" : "INT");
			return RC_OK;
		}
	}
}
