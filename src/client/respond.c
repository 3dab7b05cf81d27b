/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync respond: the answer to an invitation that is a file of the directory - an appointment, a task, or a mail. */
#include "client/client_int.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAIL_EXT ".eml"

/* Of a mail the letters of its flags, and whether it is a stub, are no part of what it is. */
static bool
is_file(const struct cobject *o, enum content ct, const char *name)
{
	char *a, *b;
	bool same;

	if (ct != CT_MAIL)
		return strcmp(o->file, name) == 0;
	a = mail_name(o->file, 0, MAIL_EXT);
	b = mail_name(name, 0, MAIL_EXT);
	same = a != NULL && b != NULL && strcmp(a, b) == 0;
	mem_free(a);
	mem_free(b);
	return same;
}

/* The object that FILE is, in L, and its folder; NULL = none. */
static enum rc
find(struct client *c, const struct cfolder *f, size_t n, const char *file, struct objlist *l, const struct cfolder **in, struct cobject **out, struct err *e)
{
	char full[PATH_MAX], dir[PATH_MAX], *name = NULL;
	enum rc rc = RC_OK;
	size_t k = 0;

	*out = NULL;
	if (realpath(file, full) != NULL && realpath(c->o.dir, dir) != NULL && strncmp(full, dir, k = strlen(dir)) == 0 && full[k] == '/') {
		name = strrchr(full, '/');
		*name++ = '\0';
	}
	for (size_t i = 0; name != NULL && i < n && *out == NULL && rc == RC_OK; i++) {
		if (f[i].id == 0 || strcmp(f[i].path, strlen(full) > k ? full + k + 1 : "") != 0)
			continue;
		objlist_free(l);
		*l = (struct objlist){ 0 };
		rc = state_objects(c, f[i].id, l, e);
		for (size_t j = 0; rc == RC_OK && j < l->n && *out == NULL; j++)
			if (l->v[j]->uuid[0] != '\0' && is_file(l->v[j], f[i].ct, name))
				*out = l->v[j];
		*in = &f[i];
	}
	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_NOTFOUND, "is no file in %s that the server knows; usmsync without a command first brings both in step", c->o.dir);
	return rc;
}

/* A day of a series, as the protocol has it: 00:00 UTC. */
static bool
day_read(const char *text, msec_t *out)
{
	msec_t local;
	struct tm tm;
	time_t t;

	if (strlen(text) != 10 || !time_read(text, false, &local))
		return false;
	t = (time_t)(local / 1000);
	if (localtime_r(&t, &tm) == NULL)
		return false;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_gmtoff = 0;
	*out = (msec_t)timegm(&tm) * 1000;
	return true;
}

static enum rc
build(const struct client *c, const struct cfolder *f, const struct cobject *o, const char *response, json_t **body, struct err *e)
{
	msec_t day;

	*body = json_pack("{s:s,s:s,s:s}", "folder", f->uuid, "uuid", o->uuid, f->ct == CT_MAIL ? "action" : "response", response);
	if (c->o.message != NULL && json_object_set_new(*body, "message", json_string(c->o.message)) != 0)
		return err_set(e, RC_PROTO, "the message is no valid UTF-8");
	if (c->o.in_spite && f->ct == CT_MAIL)
		(void)json_object_set_new(*body, "ignoreConflicts", json_true());
	if (c->o.occurrence == NULL)
		return RC_OK;
	if (f->ct != CT_CALENDAR || !day_read(c->o.occurrence, &day))
		return err_set(e, RC_PROTO, "--occurrence takes a day such as 2028-01-31, and is for a series of appointments");
	(void)json_object_set_new(*body, "occurrence", json_integer(day));
	return RC_OK;
}

/* Both may be repeated after a lost answer. */
static enum rc
answer(struct client *c, const struct cfolder *f, const json_t *body, struct err *e)
{
	json_t *data = NULL;
	enum rc rc = RC_TIMEOUT;

	for (unsigned i = 0; rc == RC_TIMEOUT && i < MAX_LOST && !client_stop; i++)
		rc = net_call(c->net, f->ct == CT_MAIL ? "applyInvitation" : "respondToInvitation", body, 300, &data, e);
	if (rc == RC_OK && c->o.json) {
		(void)json_dumpf(data, stdout, JSON_INDENT(2));
		(void)printf("\n");
	} else if (rc == RC_OK) {
		say(c, "%s", json_is_false(json_object_get(data, "changed")) ? "it was answered so already" : "answered; the next run brings what has changed");
	}
	json_decref(data);
	return rc;
}

/* "TIME/TIME", or "TIME" for the same length. */
static enum rc
proposed(const struct client *c, const struct cobject *o, msec_t *from, msec_t *to, struct err *e)
{
	json_int_t length = json_integer_value(json_object_get(o->base, "end_date")) - json_integer_value(json_object_get(o->base, "start_date"));
	const char *slash = strchr(c->o.propose, '/');
	char first[20];

	(void)snprintf(first, sizeof(first), "%.*s", (int)(slash != NULL ? slash - c->o.propose : (ptrdiff_t)strlen(c->o.propose)), c->o.propose);
	if (!time_read(first, false, from) || (slash != NULL && !time_read(slash + 1, false, to)))
		return err_set(e, RC_PROTO, "--propose takes a time such as 2028-01-31T09:30, or two such as 2028-01-31T09:30/2028-01-31T11:00");
	if (slash == NULL)
		*to = *from + length;
	return *to > *from ? RC_OK : err_set(e, RC_PROTO, "the proposed time must end after it begins");
}

static enum rc
respond(struct client *c, const struct cfolder *f, const struct cobject *o, const char *response, struct err *e)
{
	msec_t from = 0, to = 0;
	json_t *body = NULL;
	enum rc rc;

	if (f->ct != CT_CALENDAR && f->ct != CT_TASK && f->ct != CT_MAIL)
		return err_set(e, RC_PROTO, "is neither an appointment nor a task nor a mail");
	if (c->o.propose != NULL && (f->ct != CT_CALENDAR || strcmp(response, "accept") == 0 || c->o.occurrence != NULL))
		return err_set(e, RC_PROTO, "--propose goes with tentative or decline of an appointment");
	rc = c->o.propose != NULL ? proposed(c, o, &from, &to, e) : RC_OK;
	if (rc == RC_OK)
		rc = build(c, f, o, response, &body, e);
	if (rc == RC_OK)
		rc = answer(c, f, body, e);
	if (rc == RC_OK && c->o.propose != NULL)
		rc = propose_mail(c, o, response, from, to, e);
	json_decref(body);
	return rc;
}

enum rc
respond_command(struct client *c, struct err *e)
{
	static const char *const responses[] = { "accept", "tentative", "decline" };
	const struct cfolder *in = NULL;
	struct cfolder *f = NULL;
	struct objlist l = { 0 };
	struct cobject *o;
	size_t n = 0, i = 0;
	enum rc rc;

	while (c->o.n_command == 3 && i < ARRAY_LEN(responses) && strcmp(c->o.command[2], responses[i]) != 0)
		i++;
	if (c->o.n_command != 3 || i == ARRAY_LEN(responses))
		return err_set(e, RC_PROTO, "say usmsync respond FILE accept, tentative or decline");
	rc = state_folders(c, &f, &n, e);
	if (rc == RC_OK)
		rc = find(c, f, n, c->o.command[1], &l, &in, &o, e);
	if (rc == RC_OK)
		rc = respond(c, in, o, responses[i], e);
	if (rc == RC_NOTFOUND || rc == RC_FORBIDDEN || rc == RC_PROTO) {
		complain(c, "%s: %s", c->o.command[1], e->text);
		rc = RC_OK;
	}
	objlist_free(&l);
	cfolder_free(f, n);
	return rc;
}
