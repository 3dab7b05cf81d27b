/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl feedback: what clients have handed in for the administrator. */
#include "daemon/admin_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "usmd/service.h"

static void
time_text(msec_t t, char out[32])
{
	time_t s = (time_t)(t / 1000);
	struct tm tm;

	(void)strftime(out, 32, "%Y-%m-%d %H:%M", localtime_r(&s, &tm));
}

static void
record_json(const struct service_feedback *f, struct buf *b)
{
	const struct { const char *name, *text; } texts[] = { { "id", f->id }, { "login", f->login }, { "device", f->device }, { "version", f->version },
		{ "type", f->type }, { "comment", f->comment } };

	buf_addf(b, "{\"made_at\":%" PRId64 ",\"octets\":%" PRId64 ",\"context\":%" PRId64 ",\"user_id\":%" PRId64, f->time, f->size, f->context, f->user);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_addf(b, ",\"%s\":", texts[i].name);
		json_text_string(b, texts[i].text, strlen(texts[i].text));
	}
	buf_addc(b, '}');
}

static enum rc
list(const struct admin *x, struct err *e)
{
	struct service_feedback *f = NULL;
	char when[32], who[80];
	struct buf b;
	size_t n = 0;
	enum rc rc = service_feedback_list(x->c->feedback_dir, x->a, &f, &n, e);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, 0);
	if (x->json)
		buf_addc(&b, '[');
	else
		buf_addf(&b, "%-32s %-16s %-10s %-20s %-12s %s\n", "id", "time", "octets", "user", "version", "device");
	for (size_t i = 0; i < n; i++) {
		if (x->json) {
			buf_adds(&b, i == 0 ? "" : ",\n");
			record_json(&f[i], &b);
			continue;
		}
		time_text(f[i].time, when);
		(void)snprintf(who, sizeof(who), "%.40s (%" PRId64 "/%" PRId64 ")", f[i].login, f[i].context, f[i].user);
		buf_addf(&b, "%-32s %-16s %-10" PRId64 " %-20s %-12s %s\n", f[i].id, when, f[i].size, who, f[i].version, f[i].device);
	}
	if (x->json)
		buf_adds(&b, "]\n");
	return admin_put(&b, e);
}

/* The octets of ID into FILE, which must not be there yet. */
static enum rc
copy(const char *dir, const char *id, const char *file, struct err *e)
{
	char path[1200], piece[16384];
	ssize_t n = -1;
	int from, to;
	bool ok;

	if (!service_feedback_path(dir, id, path, sizeof(path)))
		return err_set(e, RC_PROTO, "\"%.60s\" is no id; usmctl feedback list shows them", id);
	from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	to = strcmp(file, "-") == 0 ? STDOUT_FILENO : open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = from >= 0 && to >= 0;
	while (ok && (n = read(from, piece, sizeof(piece))) > 0)
		for (ssize_t done = 0, w; ok && done < n; done += w) {
			w = write(to, piece + done, (size_t)(n - done));
			ok = w > 0;
		}
	ok = ok && n == 0;
	if (!ok)
		(void)err_set(e, RC_INTERNAL, "%s to %s: %s", path, file, strerror(errno));
	if (from >= 0)
		(void)close(from);
	if (to >= 0 && to != STDOUT_FILENO && close(to) != 0 && ok) {
		(void)err_set(e, RC_INTERNAL, "%s: %s", file, strerror(errno));
		ok = false;
	}
	return ok ? RC_OK : RC_INTERNAL;
}

static enum rc
find(const struct admin *x, const char *id, const struct service_feedback **out, struct err *e)
{
	struct service_feedback *f = NULL;
	size_t n = 0;
	enum rc rc = service_feedback_list(x->c->feedback_dir, x->a, &f, &n, e);

	*out = NULL;
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (strcmp(f[i].id, id) == 0)
			*out = &f[i];
	return rc == RC_OK && *out == NULL ? err_set(e, RC_NOTFOUND, "there is no %.60s; usmctl feedback list shows them", id) : rc;
}

static enum rc
show(const struct admin *x, struct err *e)
{
	const struct service_feedback *f;
	char when[32];
	struct buf b;
	enum rc rc = find(x, x->word[1], &f, e);

	if (rc == RC_OK && (x->data == NULL || strcmp(x->data, "-") != 0)) {
		buf_init(&b, 0);
		time_text(f->time, when);
		if (x->json)
			record_json(f, &b);
		else
			buf_addf(&b, "id       %s\ntime     %s\nuser     %s (%" PRId64 "/%" PRId64 ")\ndevice   %s\nversion  %s\ntype     %s\noctets   %" PRId64 "\ncomment  %s", f->id,
			    when, f->login, f->context, f->user, f->device, f->version, f->type, f->size, f->comment);
		buf_addc(&b, '\n');
		rc = admin_put(&b, e);
	}
	return rc == RC_OK && x->data != NULL ? copy(x->c->feedback_dir, f->id, x->data, e) : rc;
}

/* All that are named or, when one of them is not there, none. */
static enum rc
remove_all(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct admin *x = arg;
	const struct service_feedback *f;
	enum rc rc = RC_OK;

	(void)c;
	for (size_t i = 1; rc == RC_OK && i < x->n_words; i++)
		rc = find(x, x->word[i], &f, e);
	for (size_t i = 1; rc == RC_OK && i < x->n_words; i++) {
		rc = x->dry_run ? RC_OK : service_feedback_delete(x->c->feedback_dir, x->word[i], e);
		*n += rc == RC_OK;
	}
	return rc;
}

static enum rc
feedback_delete(struct admin *x, struct err *e)
{
	size_t n = 0;
	enum rc rc;

	x->command = "feedback delete";
	for (size_t i = 1; i < x->n_words; i++)
		admin_about(x, "id", x->word[i]);
	rc = admin_change(x, remove_all, x, &n, e);
	if (rc == RC_OK)
		admin_done(x, n, "bundles deleted");
	return rc;
}

int
run_feedback(struct admin *x)
{
	struct err e = { .rc = RC_OK };
	bool lists = admin_word(x, 0, "list") && x->n_words == 1, shows = admin_word(x, 0, "show") && x->n_words == 2;
	bool deletes = admin_word(x, 0, "delete") && x->n_words >= 2;
	enum rc rc;
	int code;

	if (!lists && !shows && !deletes)
		return admin_usage(x);
	if ((x->data != NULL && !shows) || (x->dry_run && !deletes))
		return admin_usage(x);
	code = admin_begin(deletes ? NEED_STORE : 0, x);
	if (code >= 0)
		return code;
	if (x->c->feedback_dir[0] == '\0')
		rc = err_set(&e, RC_PROTO, "feedback_dir is not set in %s: clients can hand in nothing", x->config);
	else
		rc = lists ? list(x, &e) : shows ? show(x, &e) : feedback_delete(x, &e);
	return admin_end(x, rc, &e);
}
