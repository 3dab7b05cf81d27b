/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a file says now and the server does not know.  It is compared with its shadow (what it said when it was written), never with the server's
 * object, so a field that the text cannot express is never taken for removed.
 */
#include "client/client_int.h"

#include <string.h>

/* OX does not tell null, "" and [] from unset. */
static bool
is_unset(const json_t *v)
{
	return v == NULL || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) || (json_is_array(v) && json_array_size(v) == 0);
}

/* The octets of a draft stand in CUR by their hash, only where they are not those that were agreed. */
static bool
is_draft_text(enum content ct, const char *name)
{
	return ct == CT_MAIL && strcmp(name, "raw") == 0;
}

static bool
same_value(const json_t *a, const json_t *b)
{
	return json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b) || (is_unset(a) && is_unset(b));
}

/*
 * What was sent, not answered, and taken back since: the server may have the value that was sent, so the one that was agreed is a change (rule 5 of
 * usm-json(7)).  Else the edit that was taken back would return as the device's own.
 */
static void
add_taken_back(const struct cobject *o, json_t *d)
{
	const json_t *now = o->cur != NULL ? o->cur : o->shadow, *sent, *v;
	const char *name;
	size_t i;

	json_object_foreach (o->doubt && o->uuid[0] != '\0' && !o->gone ? o->sent : NULL, name, sent) {
		json_t *says = json_object_get(now, name), *agreed = strcmp(name, "raw") == 0 ? json_string(o->hash) : NULL;

		says = says != NULL ? says : agreed;
		json_array_foreach (json_object_get(d, name) == NULL ? sent : NULL, i, v)
			if (!same_value(v, says))
				(void)json_object_set_new(d, name, says != NULL ? json_incref(says) : json_null());
		json_decref(agreed);
	}
}

json_t *
object_dirty(enum content ct, const struct cobject *o)
{
	json_t *d = json_object(), *v;
	const char *name;

	add_taken_back(o, d);
	if (o->cur == NULL)
		return d;
	json_object_foreach(o->cur, name, v) {
		const json_t *was = json_object_get(o->shadow, name);

		if ((field_writable(ct, name) || is_draft_text(ct, name)) && !same_value(v, was))
			(void)json_object_set(d, name, v);
	}
	json_object_foreach(o->shadow, name, v) {
		if (field_writable(ct, name) && !is_unset(v) && json_object_get(o->cur, name) == NULL)
			(void)json_object_set_new(d, name, json_null());
	}
	return d;
}

/* A mail's octets never change, but a draft's file may be edited: then NOW gets their hash. */
static enum rc
reread_mail(struct client *c, const char *path, struct cobject *o, int64_t size, int64_t mtime, json_t **now, struct err *e)
{
	bool draft = (json_integer_value(json_object_get(o->base, "flags")) & MAIL_DRAFT) != 0;
	struct buf b;
	char hash[65];
	enum rc rc = text_to_object(CT_MAIL, o->file, NULL, 0, now, NULL, e); /* its flags are in the name */

	if (rc != RC_OK || !draft || is_stub(o->file) || o->uuid[0] == '\0' || o->hash[0] == '\0' || (size == o->size && mtime == o->mtime_ns))
		return rc;
	buf_init(&b, (size_t)256 * 1024 * 1024);
	rc = file_read(c, path, &b, e);
	if (rc == RC_OK) {
		file_hash(b.p != NULL ? b.p : "", b.len, hash);
		if (strcmp(hash, o->hash) != 0)
			(void)json_object_set_new(*now, "raw", json_string(hash));
	}
	buf_fini(&b);
	return rc;
}

/* What the text of O's file says into cur of O and of its exceptions. */
static enum rc
take_text(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *o, const struct buf *b, struct err *e)
{
	json_t *now, *overrides;
	enum rc rc = text_to_object(f->ct, o->file, b->p, b->len, &now, &overrides, e);

	if (rc == RC_OK) {
		json_decref(o->cur);
		o->cur = now;
		rc = attach_extract(c, f, o->file, b->p, b->len, e);
		if (rc == RC_OK && f->ct == CT_CALENDAR)
			rc = series_take(c, f, l, o, overrides, e);
	}
	json_decref(overrides);
	return rc;
}

enum rc
object_reread(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *o, bool *missing, struct err *e)
{
	struct cobject *master = series_master(l, o);
	char *path, hash[65];
	struct buf b;
	int64_t size, mtime;
	enum rc rc = RC_OK;

	*missing = false;
	if (o->series != 0 && master == NULL)
		return RC_OK; /* the series is gone: its exception keeps what it had */
	o = master != NULL ? master : o;
	path = path_join(f->path, o->file);
	buf_init(&b, 0);
	if (path == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (!file_stat(c, path, &size, &mtime)) {
		*missing = true;
		goto out;
	}
	if (f->ct == CT_MAIL) {
		json_t *now = NULL;

		rc = reread_mail(c, path, o, size, mtime, &now, e);
		json_decref(o->cur);
		o->cur = now;
		goto out;
	}
	if (size == o->size && mtime == o->mtime_ns && o->mtime_ns != 0 && o->cur == NULL)
		goto out;
	rc = file_read(c, path, &b, e);
	if (rc != RC_OK)
		goto out;
	file_hash(b.p, b.len, hash);
	(void)snprintf(o->seen, sizeof(o->seen), "%s", hash);
	if (strcmp(hash, o->hash) != 0 || o->cur != NULL)
		rc = take_text(c, f, l, o, &b, e);
out:
	buf_fini(&b);
	mem_free(path);
	return rc;
}
