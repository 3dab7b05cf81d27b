/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is kept of a person outside the database, in files of this node: what the person's clients handed in, and traces of them.  `usmctl forget` removes
 * them at its node; usmd of every node looks now and then whom the database says to be forgotten.
 */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <unistd.h>

#include "usmd/service.h"
#include "usmd/store.h"

#define DEVICES_MAX 1000

static enum rc
feedback_all(const char *dir, struct arena *a, struct service_feedback **f, size_t *n, struct err *e)
{
	*n = 0;
	*f = NULL;
	if (dir[0] == '\0' || (access(dir, F_OK) != 0 && errno == ENOENT))
		return RC_OK;
	return service_feedback_list(dir, a, f, n, e);
}

enum rc
persons_files(const struct conf *c, struct store_conn *conn, struct arena *a, const struct person *p, bool count, struct person_files *out, struct err *e)
{
	struct service_feedback *f;
	int64_t *device;
	size_t n, n_devices, files;
	enum rc rc = feedback_all(c->feedback_dir, a, &f, &n, e);

	*out = (struct person_files){ .feedback = 0 };
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		if (f[i].context != p->context || f[i].user != p->user)
			continue;
		rc = count ? RC_OK : service_feedback_delete(c->feedback_dir, f[i].id, e);
		out->feedback += rc == RC_OK;
	}
	if (rc == RC_OK)
		rc = store_device_ids(conn, a, p->account, &device, &n_devices, e);
	for (size_t i = 0; rc == RC_OK && i < n_devices; i++) {
		rc = trace_remove(c->trace_dir, device[i], count, &files, e);
		out->traces += rc == RC_OK ? files : 0;
	}
	return rc;
}

static enum rc
care_of_feedback(const char *dir, struct store_conn *conn, struct arena *a, size_t *gone, struct err *e)
{
	struct service_feedback *f;
	size_t n;
	bool forgotten;
	enum rc rc = feedback_all(dir, a, &f, &n, e);

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		rc = store_was_forgotten(conn, f[i].context, f[i].user, f[i].time, &forgotten, e);
		if (rc == RC_OK && forgotten)
			*gone += service_feedback_delete(dir, f[i].id, NULL) == RC_OK;
	}
	return rc;
}

/* A device that is not in the database any more: forgotten with its user, removed by an administrator, or unused for too long. */
static enum rc
care_of_traces(const char *dir, struct store_conn *conn, struct arena *a, const int64_t *device, size_t n, size_t *gone, struct err *e)
{
	struct store_device_info info;
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		size_t files = 0;

		rc = store_device_info(conn, a, device[i], &info, e);
		if (rc != RC_NOTFOUND)
			continue;
		rc = trace_remove(dir, device[i], false, &files, e);
		*gone += files;
	}
	return rc;
}

void
persons_care(const struct conf *c, struct store *s)
{
	int64_t device[DEVICES_MAX];
	size_t n = trace_devices(c->trace_dir, device, DEVICES_MAX), gone = 0;
	struct service_feedback *f;
	struct store_conn *conn = NULL;
	struct arena *a = arena_new(0);
	struct err e = { .rc = RC_OK };
	size_t handed_in = 0;
	enum rc rc = a != NULL ? feedback_all(c->feedback_dir, a, &f, &handed_in, &e) : err_set(&e, RC_NOMEM, "out of memory");

	/* mostly there is nothing, and the database need not be asked */
	if (rc == RC_OK && n + handed_in > 0)
		rc = store_lease(s, &conn, &e);
	if (rc == RC_OK && handed_in > 0)
		rc = care_of_feedback(c->feedback_dir, conn, a, &gone, &e);
	if (rc == RC_OK && n > 0)
		rc = care_of_traces(c->trace_dir, conn, a, device, n, &gone, &e);
	store_release(conn);
	arena_free(a);
	if (gone > 0)
		log_info("forgotten", "files=%zu text=what clients handed in and traces of users or devices that are forgotten were removed", gone);
	if (rc != RC_OK)
		log_warn("forgotten", "text=what is kept in files of users that are forgotten could not be looked for: %s", e.text);
}
