/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rounds: hierarchy first, then every folder until neither side has anything more. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

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
		rc = stubs_complete(c, f, e);
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
