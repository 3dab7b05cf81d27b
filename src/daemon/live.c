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
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "usmd/store.h"

struct live {
	pthread_mutex_t lock;
	const struct conf *now;
	struct conf *owned;        /* NOW, once it is not that of the start any more */
	const char *file;
	struct wire *wire;
	struct control *control;
};

static enum rc
again(struct live *l, bool trial, struct buf *ignored, struct buf *applied, struct err *e)
{
	struct conf *c;
	enum rc rc = conf_reload(l->now, l->file, &c, ignored, applied, e);

	if (rc != RC_OK)
		return rc;
	rc = wire_reload(l->wire, c, trial, e);
	if (rc != RC_OK || trial) {
		conf_free(c);
		return rc;
	}
	log_level_set(c->log_level);
	conf_free(l->owned);
	l->now = l->owned = c;
	return RC_OK;
}

static size_t
words(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->p[i] != ' ' && (i == 0 || b->p[i - 1] == ' ');
	return n;
}

/* Done it is, in any case: that there is no record of it is told whoever asked. */
static void
record(struct live *l, const struct control_asked *by, const char *command, const char *what, size_t n, struct buf *out)
{
	char node[64] = "", target[200];
	const struct store_record r = { .by_uid = by->by_uid, .command = command, .target = target };
	struct err e = { .rc = RC_OK };

	(void)gethostname(node, sizeof(node) - 1);
	(void)snprintf(target, sizeof(target), "node=%s%s%.100s", node, what[0] != '\0' ? " " : "", what);
	if (wire_record(l->wire, &r, n, &e) == RC_OK)
		return;
	log_warn("audit", "command=%s by_uid=%" PRId64 " text=no record of it could be written: %s", command, by->by_uid, e.text);
	buf_addf(out, "no record of this could be written: %s\n", e.text);
}

static void
tell_reload(struct live *l, const struct control_asked *by, const struct buf *ignored, const struct buf *applied, struct buf *out)
{
	buf_addf(out, "ok\n%s: %s\n%s: %s\n", by->dry_run ? "would be in force at once" : "in force now", applied->len > 0 ? applied->p : by->dry_run ? "nothing new" : "no change",
	    by->dry_run ? "would wait for a restart" : "waiting for a restart", ignored->len > 0 ? ignored->p : "nothing");
	if (!by->dry_run)
		record(l, by, "reload", applied->len > 0 ? applied->p : "", words(applied), out);
}

static void
log_reload(const struct live *l, enum rc rc, const struct err *e, const struct buf *ignored, const struct buf *applied)
{
	const char *in_force = applied->len > 0 ? applied->p : "no change";

	if (rc != RC_OK)
		log_error("reload", "file=%s line=%s text=%s; the settings stay as they were", l->file, e->path, e->text);
	else if (ignored->len > 0)
		log_warn("reload", "file=%s in_force=%s text=these settings wait for a restart: %s", l->file, in_force, ignored->p);
	else
		log_info("reload", "file=%s in_force=%s", l->file, in_force);
}

void
live_reload(struct live *l, const struct control_asked *by, struct buf *out)
{
	bool trial = by != NULL && by->dry_run;
	struct buf ignored, applied;
	struct err e = { .rc = RC_OK };
	enum rc rc;

	/* systemd wants the time, to tell this reload from an earlier one */
	if (!trial)
		(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now_mono_us());
	buf_init(&ignored, 8192);
	buf_init(&applied, 8192);
	if (!trial && !log_reopen())
		log_error("reload", "text=the log file cannot be opened again (%s); the old one is written on", strerror(errno));
	(void)pthread_mutex_lock(&l->lock);
	rc = again(l, trial, &ignored, &applied, &e);
	(void)pthread_mutex_unlock(&l->lock);
	if (!trial)
		log_reload(l, rc, &e, &ignored, &applied);
	if (out != NULL && rc != RC_OK)
		buf_addf(out, "error\n%s%s%s; the settings stay as they were\n", e.path, e.path[0] != '\0' ? ": " : "", e.text);
	else if (out != NULL && by != NULL)
		tell_reload(l, by, &ignored, &applied, out);
	buf_fini(&ignored);
	buf_fini(&applied);
	if (!trial)
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
on_reload(void *arg, const struct control_asked *by, struct buf *out)
{
	live_reload(arg, by, out);
}

static void
on_drain(void *arg, const struct control_asked *by, struct buf *out)
{
	struct live *l = arg;
	size_t waiting = wire_waiters(l->wire);

	buf_addf(out, "ok\nclients that wait here: %zu\n", waiting);
	if (by->dry_run) {
		buf_addf(out, "would be sent to other nodes within: %" PRId64 " s (drain_time)\n", live_drain_time(l) / 1000);
		return;
	}
	(void)kill(getpid(), SIGUSR1); /* the main thread takes it */
	buf_adds(out, "They are sent to other nodes, and /health says so; stop this one when they are gone.\n");
	record(l, by, "drain", "", waiting, out);
}

static void
on_config(void *arg, const struct control_asked *by, struct buf *out)
{
	struct live *l = arg;

	(void)by;
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
