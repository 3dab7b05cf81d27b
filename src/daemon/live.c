/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The settings while the daemon works: read again at SIGHUP or by usmctl reload, on the main thread or on that of the control socket, one at a time.
 * What only a restart changes was given out at the start; what a reload changes goes to those who read it.
 */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

struct live {
	pthread_mutex_t lock;
	const struct conf *now;
	struct conf *owned;        /* NOW, once it is not that of the start any more */
	const char *file;
	struct wire *wire;
	struct control *control;
};

static enum rc
again(struct live *l, struct buf *ignored, struct buf *applied, struct err *e)
{
	struct conf *c;
	enum rc rc = conf_reload(l->now, l->file, &c, ignored, applied, e);

	if (rc != RC_OK)
		return rc;
	rc = wire_reload(l->wire, c, e);
	if (rc != RC_OK) {
		conf_free(c);
		return rc;
	}
	log_level_set(c->log_level);
	conf_free(l->owned);
	l->now = l->owned = c;
	return RC_OK;
}

void
live_reload(struct live *l, struct buf *out)
{
	struct buf ignored, applied;
	struct err e = { .rc = RC_OK };
	const char *in_force, *waiting;
	enum rc rc;

	/* systemd wants the time, to tell this reload from an earlier one */
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now_mono_us());
	buf_init(&ignored, 8192);
	buf_init(&applied, 8192);
	if (!log_reopen())
		log_error("reload", "text=the log file cannot be opened again (%s); the old one is written on", strerror(errno));
	(void)pthread_mutex_lock(&l->lock);
	rc = again(l, &ignored, &applied, &e);
	(void)pthread_mutex_unlock(&l->lock);
	in_force = applied.len > 0 ? applied.p : "no change";
	waiting = ignored.len > 0 ? ignored.p : "nothing";
	if (rc != RC_OK)
		log_error("reload", "file=%s line=%s text=%s; the settings stay as they were", l->file, e.path, e.text);
	else if (ignored.len > 0)
		log_warn("reload", "file=%s in_force=%s text=these settings wait for a restart: %s", l->file, in_force, waiting);
	else
		log_info("reload", "file=%s in_force=%s", l->file, in_force);
	if (out != NULL && rc != RC_OK)
		buf_addf(out, "error\n%s%s%s; the settings stay as they were\n", e.path, e.path[0] != '\0' ? ": " : "", e.text);
	else if (out != NULL)
		buf_addf(out, "ok\nin force now: %s\nwaiting for a restart: %s\n", in_force, waiting);
	buf_fini(&ignored);
	buf_fini(&applied);
	(void)sd_notifyf(0, "READY=1\nSTATUS=serving%s%s%s%s", rc != RC_OK ? " with the settings of before the reload: " : "", rc != RC_OK ? e.path : "",
	    rc != RC_OK && e.path[0] != '\0' ? ": " : "", rc != RC_OK ? e.text : "");
}

msec_t
live_drain_time(struct live *l)
{
	msec_t t;

	(void)pthread_mutex_lock(&l->lock);
	t = l->now->drain_time;
	(void)pthread_mutex_unlock(&l->lock);
	return t;
}

msec_t
live_shutdown_timeout(struct live *l)
{
	msec_t t;

	(void)pthread_mutex_lock(&l->lock);
	t = l->now->shutdown_timeout;
	(void)pthread_mutex_unlock(&l->lock);
	return t;
}

/* ---- the control socket ---- */

static void
on_reload(void *arg, struct buf *out)
{
	live_reload(arg, out);
}

static void
on_drain(void *arg, struct buf *out)
{
	(void)arg;
	(void)kill(getpid(), SIGUSR1); /* the main thread takes it */
	buf_adds(out, "ok\nClients are sent to other nodes, and /health says so; stop this one when they are gone.\n");
}

static void
on_config(void *arg, struct buf *out)
{
	struct live *l = arg;

	buf_adds(out, "ok\n");
	(void)pthread_mutex_lock(&l->lock);
	conf_dump(l->now, out);
	(void)pthread_mutex_unlock(&l->lock);
}

enum rc
live_new(const struct conf *c, const char *file, struct wire *w, struct live **out, struct err *e)
{
	struct live *l = mem_alloc(sizeof(*l));
	const struct control_calls calls = { .reload = on_reload, .drain = on_drain, .config = on_config, .arg = l };
	struct err why = { .rc = RC_OK };

	*out = NULL;
	if (l == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	(void)pthread_mutex_init(&l->lock, NULL);
	l->now = c;
	l->file = file;
	l->wire = w;
	/* clients are served without it */
	if (control_new(c->control_socket, &calls, &l->control, &why) != RC_OK)
		log_warn("control", "text=%s; usmctl reload, drain and config diff --running do not reach this process", why.text);
	*out = l;
	return RC_OK;
}

void
live_free(struct live *l)
{
	if (l == NULL)
		return;
	control_free(l->control);
	conf_free(l->owned);
	(void)pthread_mutex_destroy(&l->lock);
	mem_free(l);
}
