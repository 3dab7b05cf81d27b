/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rounds: hierarchy first, then every folder until neither side has anything more; and the waiting of --watch. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUEST_TIMEOUT_S 600
#define MAX_IDLE 4        /* requests of a folder in a row by which nothing was settled */
#define MAX_ROUNDS 100000 /* pages of one folder in one run: far above any folder, and no loop is endless */

static void
progress(const struct client *c, const struct cfolder *f)
{
	if (c->progress && !c->o.quiet)
		(void)fprintf(stderr, "\r\033[K%s: %zu down, %zu up", f->path, c->t.down, c->t.up);
}

/* Tests: an answer that was received and thrown away is a lost answer. */
static bool
lose_answer(struct client *c)
{
	if (c->o.drop_answers == 0)
		return false;
	c->o.drop_answers--;
	return true;
}

static enum rc
folder_page(struct client *c, struct cfolder *f, struct objlist *l, bool *busy, struct err *e)
{
	const char *command = f->syncid[0] != '\0' ? "syncUpdate" : f->reconcile ? "reconcile" : "syncInit";
	bool sends = false, first = f->syncid[0] == '\0', local = l->n > 0;
	json_t *body = NULL, *data = NULL;
	enum rc rc;

	*busy = true;
	if (f->reconcile && f->syncid[0] == '\0')
		rc = reconcile_build(c, f, l, &body, e);
	else
		rc = request_build(c, f, l, &body, &sends, e);
	if (rc == RC_OK)
		rc = net_call(c->net, command, body, REQUEST_TIMEOUT_S, &data, e);
	c->t.requests++;
	if (rc == RC_OK && lose_answer(c))
		rc = err_set(e, RC_TIMEOUT, "the answer was thrown away");
	if (rc == RC_CONFLICT && strcmp(e->code, "outdated-request") != 0) {
		f->syncid[0] = '\0';
		f->reconcile = true;
		f->more = true;
		rc = state_folder_save(c, f, e);
	} else if (rc == RC_CONFLICT) {
		rc = RC_OK; /* the state came from a backup: the server has seen higher numbers; the next request has one more */
	} else if (rc == RC_OK) {
		rc = apply_answer(c, f, l, body, data, e);
		*busy = f->more || sends || (first && local); /* a first request carries no changes: they go with the next */
	}
	progress(c, f);
	json_decref(body);
	json_decref(data);
	return rc;
}

static enum rc
folder_sync(struct client *c, struct cfolder *f, struct err *e)
{
	struct objlist l = { 0 };
	unsigned lost = 0, idle = 0;
	bool busy = true;
	enum rc rc = RC_OK;

	if (f->uuid[0] == '\0')
		return RC_OK;
	for (unsigned round = 0; busy && rc == RC_OK && !client_stop && round < MAX_ROUNDS; round++) {
		size_t answered = c->t.answered;

		objlist_free(&l);
		rc = scan_folder(c, f, &l, e);
		if (rc == RC_OK)
			rc = folder_page(c, f, &l, &busy, e);
		/* a lost answer: the same changes again, with the syncid that we have */
		if (rc == RC_TIMEOUT && ++lost <= MAX_LOST) {
			rc = RC_OK;
			continue;
		}
		/* changes that come back as "retry" are left for the next run once nothing else moves */
		idle = f->more || c->t.answered != answered ? 0 : idle + 1;
		busy = busy && idle < MAX_IDLE;
	}
	objlist_free(&l);
	if (rc == RC_OK && !client_stop)
		rc = attach_sync(c, f, e);
	return rc == RC_OK && !client_stop ? unsure_tell(c, f, e) : rc;
}

/* What a person named first; then contacts, appointments and tasks: they are few and wanted at once; mail takes its time. */
static int
by_type(const void *x, const void *y)
{
	const struct cfolder *a = x, *b = y;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->ct != b->ct)
		return a->ct < b->ct ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

enum rc
run_once(struct client *c, struct err *e)
{
	struct cfolder *f = NULL;
	size_t n = 0;
	enum rc rc;

	c->t.put_off = 0;
	rc = hierarchy_sync(c, e);
	if (rc == RC_OK)
		rc = state_folders(c, &f, &n, e);
	if (rc == RC_OK)
		rc = modes_tell(c, f, n, e);
	for (size_t i = 0; i < n; i++)
		f[i].rank = folder_rank(c, &f[i]);
	if (n > 1)
		qsort(f, n, sizeof(*f), by_type);
	for (size_t i = 0; i < n && rc == RC_OK && !client_stop; i++) {
		if (f[i].id == 0 || folder_is_off(c, &f[i]))
			continue;
		rc = folder_sync(c, &f[i], e);
		if (rc == RC_NOTFOUND || rc == RC_FORBIDDEN) { /* gone or closed since the hierarchy was read: the next run sees it */
			complain(c, "%s: %s", f[i].path, e->text);
			rc = RC_OK;
		}
	}
	if (c->progress && !c->o.quiet)
		(void)fprintf(stderr, "\r\033[K");
	cfolder_free(f, n);
	return rc;
}

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
ping(struct client *c, unsigned heartbeat_s, struct err *e)
{
	struct watch w = { .c = c, .fingerprint = scan_fingerprint(c) };
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

#define WAIT_S 300
#define WAIT_UNSURE_S 30 /* what the server could not settle is asked for again after that at the latest */
#define PAUSE_FIRST_S 5
#define PAUSE_MAX_S 300

enum rc
run_watch(struct client *c, struct err *e)
{
	int pause = PAUSE_FIRST_S;
	enum rc rc = RC_OK;

	while (rc == RC_OK && !client_stop) {
		(void)json_object_clear(c->skip);
		rc = run_once(c, e);
		if (rc == RC_OK && !client_stop)
			rc = ping(c, c->t.put_off != 0 ? WAIT_UNSURE_S : WAIT_S, e);
		if (!passes(rc)) {
			pause = PAUSE_FIRST_S;
			continue;
		}
		if (e->retry_after_s > pause)
			pause = e->retry_after_s;
		pause = pause < PAUSE_MAX_S ? pause : PAUSE_MAX_S;
		say(c, "%s; trying again in %d s", e->text, pause);
		(void)nanosleep(&(struct timespec){ .tv_sec = pause }, NULL); /* a signal ends it */
		pause *= 2;
		rc = RC_OK;
	}
	return client_stop ? RC_OK : rc;
}
