/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Stubs: of a mail in a folder in the mode headers there is the head and the text, in a file "SUBJECT,FLAGS.stub".  It is no mail: it is never sent,
 * what is typed into it changes nothing, and when it is removed it comes back.  The whole mail takes its place when somebody asks for it (usmsync
 * fetch) or when its folder is in step as a whole again.
 */
#include "client/apply_int.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FETCHED ((size_t)256 * 1024 * 1024)

/* A header line holds no line breaks, whatever the server says. */
static void
add_line(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "%s: ", name);
	for (; *value != '\0'; value++)
		buf_addc(b, *value == '\r' || *value == '\n' ? ' ' : *value);
	buf_adds(b, "\r\n");
}

/* [[name, address], ...] */
static void
add_people(struct buf *b, const char *name, const json_t *list)
{
	struct buf line;

	buf_init(&line, 1 << 20);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i);
		const char *who = json_string_value(json_array_get(x, 0)), *address = json_string_value(json_array_get(x, 1));

		if (address != NULL)
			buf_addf(&line, "%s%s%s<%s>", i > 0 ? ", " : "", who != NULL ? who : "", who != NULL ? " " : "", address);
	}
	if (line.len > 0 && !line.failed)
		add_line(b, name, line.p);
	buf_fini(&line);
}

static void
stub_text(const struct cobject *o, const json_t *body, struct buf *b)
{
	const json_t *html = json_object_get(body, "html"), *list = json_object_get(body, "attachments");
	const char *text = json_string_value(html != NULL ? html : json_object_get(body, "text"));
	time_t sent = (time_t)(json_integer_value(json_object_get(o->base, "sent_date")) / 1000);
	char date[64];
	struct tm tm;

	add_line(b, "X-USMD-Stub", o->uuid);
	add_people(b, "From", json_object_get(o->base, "from"));
	add_people(b, "To", json_object_get(o->base, "to"));
	add_people(b, "Cc", json_object_get(o->base, "cc"));
	if (json_is_string(json_object_get(o->base, "subject")))
		add_line(b, "Subject", json_string_value(json_object_get(o->base, "subject")));
	if (gmtime_r(&sent, &tm) != NULL && strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm) > 0)
		add_line(b, "Date", date);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_is_string(json_object_get(json_array_get(list, i), "filename")))
			add_line(b, "X-USMD-Attachment", json_string_value(json_object_get(json_array_get(list, i), "filename")));
	buf_addf(b, "MIME-Version: 1.0\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", html != NULL ? "html" : "plain");
	buf_adds(b, text != NULL ? text : "");
}

enum rc
stub_octets(struct client *c, const struct cfolder *f, const struct cobject *o, struct buf *out, struct err *e)
{
	json_t *ask = json_pack("{s:s,s:s,s:s}", "folder", f->uuid, "uuid", o->uuid, "format", "text"), *body = NULL;
	enum rc rc = net_call(c->net, "getMailBody", ask, 300, &body, e);

	if (rc == RC_OK)
		stub_text(o, body, out);
	if (rc == RC_OK && out->failed)
		rc = err_set(e, RC_LIMIT, "the text of this mail is too large");
	json_decref(ask);
	json_decref(body);
	return rc;
}

/* O's file with OCTETS in it, under the name FILE, in place of the one that it has. */
static enum rc
replace(struct client *c, const struct cfolder *f, struct cobject *o, const char *file, const struct buf *octets, struct err *e)
{
	char *path = path_join(f->path, file), *old = path_join(f->path, o->file);
	bool renamed = strcmp(file, o->file) != 0;
	enum rc rc = path != NULL && old != NULL ? state_begin(c, e) : err_set(e, RC_NOMEM, "out of memory");

	if (rc != RC_OK)
		goto out;
	if (renamed)
		rc = state_todo(c, o->id, old, NULL, 0, o->hash, e);
	if (rc == RC_OK)
		rc = state_todo(c, o->id, path, octets->p != NULL ? octets->p : "", octets->len, renamed ? "" : o->hash, e);
	if (renamed) {
		mem_free(o->file);
		o->file = mem_dup_str(file);
	}
	file_hash(octets->p != NULL ? octets->p : "", octets->len, o->hash);
	if (rc == RC_OK)
		rc = state_object_save(c, o, e);
	if (rc == RC_OK)
		rc = state_commit(c, e);
	else
		state_rollback(c);
	if (rc == RC_OK)
		rc = state_todo_run(c, e);
out:
	mem_free(path);
	mem_free(old);
	return rc;
}

/* The whole mail in place of O's stub. */
static enum rc
complete(struct client *c, const struct cfolder *f, struct cobject *o, struct err *e)
{
	char *file = mail_name(o->file, mail_flags_of_name(o->file), ".eml"), *path = file != NULL ? path_join(f->path, file) : NULL;
	int64_t size, mtime;
	struct buf raw;
	enum rc rc;

	buf_init(&raw, MAX_FETCHED);
	if (path == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	else if (file_stat(c, path, &size, &mtime))
		rc = err_set(e, RC_PROTO, "%s is there already: move it away", path);
	else
		rc = net_mail(c->net, f->uuid, o->uuid, &raw, e);
	if (rc == RC_OK)
		rc = replace(c, f, o, file, &raw, e);
	if (rc == RC_OK)
		c->t.down++;
	buf_fini(&raw);
	mem_free(path);
	mem_free(file);
	return rc;
}

/* What is one mail's fault stops no other. */
static enum rc
named(struct client *c, const struct cfolder *f, const struct cobject *o, enum rc rc, const struct err *e)
{
	if (rc != RC_NOTFOUND && rc != RC_PROTO && rc != RC_FORBIDDEN && rc != RC_LIMIT)
		return rc;
	complain(c, "%s/%s: %s", f->path, o->file, e->text);
	return RC_OK;
}

enum rc
stub_restore(struct client *c, const struct cfolder *f, struct cobject *o, struct err *e)
{
	struct buf text;
	enum rc rc;

	if (is_stub(o->file))
		complain(c, "%s/%s: is not the whole mail, so that its absence deletes nothing; it comes back (usmsync fetch brings the mail)", f->path, o->file);
	o->hash[0] = '\0';
	buf_init(&text, MAX_FETCHED);
	rc = is_stub(o->file) ? stub_octets(c, f, o, &text, e) : net_mail(c->net, f->uuid, o->uuid, &text, e);
	if (rc == RC_OK)
		rc = replace(c, f, o, o->file, &text, e);
	buf_fini(&text);
	return named(c, f, o, rc, e);
}

enum rc
stubs_complete(struct client *c, const struct cfolder *f, struct err *e)
{
	struct objlist l = { 0 };
	enum rc rc = f->ct == CT_MAIL && !folder_is_headers(c, f) ? state_objects(c, f->id, &l, e) : RC_OK;

	for (size_t i = 0; i < l.n && rc == RC_OK && !client_stop; i++)
		if (!l.v[i]->gone && l.v[i]->uuid[0] != '\0' && is_stub(l.v[i]->file))
			rc = named(c, f, l.v[i], complete(c, f, l.v[i], e), e);
	objlist_free(&l);
	return rc;
}

/* ---- usmsync fetch ---- */

/* The mail in F whose file is NAME, in whatever state its flags are. */
static struct cobject *
mail_of_file(const struct objlist *l, const char *name)
{
	char *want = mail_name(name, 0, STUB);
	struct cobject *found = NULL;

	for (size_t i = 0; i < l->n && want != NULL && found == NULL; i++) {
		char *is = is_stub(l->v[i]->file) ? mail_name(l->v[i]->file, 0, STUB) : NULL;

		if (is != NULL && strcmp(is, want) == 0)
			found = l->v[i];
		mem_free(is);
	}
	mem_free(want);
	return found;
}

static enum rc
fetch_one(struct client *c, const struct cfolder *f, size_t n, const char *file, struct err *e)
{
	char full[PATH_MAX], dir[PATH_MAX], *name = NULL;
	struct objlist l = { 0 };
	struct cobject *o = NULL;
	enum rc rc = RC_OK;
	size_t k;

	if (realpath(file, full) != NULL && realpath(c->o.dir, dir) != NULL && strncmp(full, dir, k = strlen(dir)) == 0 && full[k] == '/') {
		name = strrchr(full, '/');
		*name++ = '\0';
	}
	for (size_t i = 0; name != NULL && i < n && o == NULL && rc == RC_OK; i++) {
		if (f[i].ct != CT_MAIL || f[i].id == 0 || strcmp(f[i].path, strlen(full) > k ? full + k + 1 : "") != 0)
			continue;
		rc = state_objects(c, f[i].id, &l, e);
		o = rc == RC_OK ? mail_of_file(&l, name) : NULL;
		if (o != NULL)
			rc = complete(c, &f[i], o, e);
	}
	objlist_free(&l);
	if (rc == RC_OK && o == NULL)
		rc = err_set(e, RC_NOTFOUND, "is no %s file in %s that usmsync has made", STUB, c->o.dir);
	return rc;
}

enum rc
stubs_fetch(struct client *c, struct err *e)
{
	struct cfolder *f = NULL;
	size_t n = 0;
	enum rc rc = c->o.n_command < 2 ? err_set(e, RC_PROTO, "fetch needs the names of " STUB " files") : state_folders(c, &f, &n, e);

	for (int i = 1; i < c->o.n_command && rc == RC_OK && !client_stop; i++) {
		rc = fetch_one(c, f, n, c->o.command[i], e);
		if (rc == RC_PROTO || rc == RC_NOTFOUND || rc == RC_LIMIT || rc == RC_FORBIDDEN) { /* this mail's own fault: the others go on */
			complain(c, "%s: %s", c->o.command[i], e->text);
			rc = RC_OK;
		}
	}
	cfolder_free(f, n);
	return rc;
}
