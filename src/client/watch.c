/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * --watch: a run, then a wait until either side has something, and so on until a signal comes.  A server that is away, restarts or
 * has too much to do is asked again after a pause, which grows and differs from client to client; a session that ended is begun anew.
 */
#include "client/client_int.h"

#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#define WAIT_S 300
#define WAIT_UNSURE_S 30 /* what the server could not settle is asked for again after that at the latest */
#define PAUSE_FIRST_S 2
#define PAUSE_MAX_S 300

struct watch {
	struct client *c;
	uint64_t fingerprint;
};

static bool
changed_here(void *arg)
{
	struct watch *w = arg;

	return scan_fingerprint(w->c) != w->fingerprint;
}

static enum rc
ping(struct client *c, uint64_t fingerprint, unsigned heartbeat_s, struct err *e)
{
	struct watch w = { .c = c, .fingerprint = fingerprint };
	json_t *body = json_object(), *list = json_array(), *data = NULL;
	struct cfolder *f;
	size_t n;
	enum rc rc = state_folders(c, &f, &n, e);

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		json_t *x;

		if (f[i].syncid[0] == '\0' || folder_is_off(c, &f[i]))
			continue;
		x = json_object();
		if (f[i].uuid[0] != '\0')
			(void)json_object_set_new(x, "folder", json_string(f[i].uuid));
		(void)json_object_set_new(x, "syncid", json_string(f[i].syncid));
		(void)json_array_append_new(list, x);
	}
	cfolder_free(f, n);
	(void)json_object_set_new(body, "folders", list);
	(void)json_object_set_new(body, "heartbeat", json_integer(heartbeat_s));
	net_watch(c->net, changed_here, &w);
	if (rc == RC_OK)
		rc = net_call(c->net, "ping", body, heartbeat_s + 60, &data, e);
	net_watch(c->net, NULL, NULL);
	json_decref(body);
	json_decref(data);
	return rc == RC_BUSY ? RC_OK : rc; /* something changed here, or a signal */
}

/* A server that is away or busy comes back, a folder that went is told by the next hierarchy. */
static bool
passes(enum rc rc)
{
	return rc == RC_UPSTREAM || rc == RC_TIMEOUT || rc == RC_NOTFOUND;
}

/* For LEAST_S seconds and up to MORE_S of them: those who lost one server must not arrive at the next all at once.  A signal ends it. */
static void
pause_about(unsigned least_s, unsigned more_s)
{
	uint32_t chance;
	uint64_t ms;
	struct timespec ts;
	sigset_t ours, before;

	random_bytes(&chance, sizeof(chance));
	ms = (uint64_t)least_s * 1000 + chance % ((uint64_t)more_s * 1000 + 1);
	ts = (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
	/* blocked while the flag is looked at: a signal between the look and the sleep would be slept over */
	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &ours, &before);
	if (!client_stop)
		(void)pselect(0, NULL, NULL, NULL, &ts, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/*
 * Waits only when a run has left the files as it found them: what differs was written by the run, or by a person meanwhile, who must
 * not wait for it until something else happens.
 */
static enum rc
run_and_wait(struct client *c, struct err *e)
{
	uint64_t before, after = scan_fingerprint(c);
	enum rc rc;

	do {
		before = after;
		(void)json_object_clear(c->skip);
		rc = run_once(c, e);
		after = scan_fingerprint(c);
	} while (rc == RC_OK && !client_stop && after != before);
	if (rc == RC_OK && !client_stop)
		rc = ping(c, after, c->t.put_off != 0 ? WAIT_UNSURE_S : WAIT_S, e);
	return rc;
}

enum rc
run_watch(struct client *c, enum rc (*login)(struct client *c, struct err *e), struct err *e)
{
	unsigned pause = PAUSE_FIRST_S, least;
	enum rc rc = RC_OK;

	while (rc == RC_OK && !client_stop) {
		rc = run_and_wait(c, e);
		if (rc == RC_DENIED && !client_stop)
			rc = login(c, e); /* the session has ended: by its age, or by a server that lost what it had in memory */
		if (!passes(rc)) {
			pause = PAUSE_FIRST_S;
			continue;
		}
		least = e->retry_after_s > (int)pause ? (unsigned)e->retry_after_s : pause;
		least = least < PAUSE_MAX_S ? least : PAUSE_MAX_S;
		say(c, "%s; trying again in %u to %u s", e->text, least, least + pause);
		pause_about(least, pause);
		pause = pause < PAUSE_MAX_S / 2 ? pause * 2 : PAUSE_MAX_S;
		rc = RC_OK;
	}
	return client_stop ? RC_OK : rc;
}
