/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The files after an answer: which name, which text, and, of a series, which objects are in which file.  Written down in the answer's
 * transaction, carried out after it (state_todo); what a person wrote since the file was last looked at is never overwritten.
 */
#include "client/apply_int.h"

#include <stdlib.h>
#include <string.h>

char *
object_path(const struct apply *a, const struct cobject *o)
{
	return path_join(a->f->path, o->file);
}

/* The file as this run knows it: an answer replaces exactly this, never what a person wrote since. */
const char *
file_as_seen(const struct cobject *o)
{
	return o->seen[0] != '\0' ? o->seen : o->hash;
}

/* A file name that no other object of the folder has. */
static char *
free_name(const struct apply *a, const struct cobject *self, const char *title, const char *ext)
{
	for (unsigned n = 1; n < 100000; n++) {
		struct buf b;
		char *name;
		bool taken = false;

		buf_init(&b, 512);
		buf_adds(&b, title);
		if (n > 1)
			buf_addf(&b, " (%u)", n);
		buf_adds(&b, ext);
		name = buf_take(&b, NULL);
		for (size_t i = 0; name != NULL && i < a->l->n && !taken; i++) {
			struct cobject *o = a->l->v[i];
			char *stem = a->f->ct == CT_MAIL && o->file != NULL ? mail_name(o->file, 0, ".eml") : NULL;

			taken = o != self && o->file != NULL && strcmp(stem != NULL ? stem : o->file, name) == 0;
			mem_free(stem);
		}
		if (!taken && name != NULL) {
			char *path = path_join(a->f->path, name);
			int64_t x, y;

			taken = path != NULL && file_stat(a->c, path, &x, &y); /* a new local file that is not in the state yet */
			mem_free(path);
		}
		if (!taken)
			return name;
		mem_free(name);
	}
	return NULL;
}

/*
 * The file after this answer: the server's object with what is still dirty here laid over it.  The hash that stays is that of the text without it,
 * so that the next look at the file finds what is dirty again.
 */
enum rc
write_later(struct apply *a, struct cobject *o, const json_t *dirty, struct err *e)
{
	json_t *merged = json_deep_copy(o->base), *v, *shadow = NULL, *says = NULL, *over[2] = { NULL }, *shadows = NULL, *over_says = NULL;
	bool differs = json_object_size(dirty) != 0 || series_dirty(a->f->ct, a->l, o);
	char *text = NULL, *plain = NULL, *path = NULL;
	size_t n = 0, n_plain = 0;
	const char *name;
	char expect[65];
	enum rc rc;

	json_object_foreach((json_t *)dirty, name, v) {
		if (json_is_null(v))
			(void)json_object_del(merged, name);
		else
			(void)json_object_set(merged, name, v);
	}
	rc = series_overrides(a->f->ct, a->l, o, false, &over[0], e);
	if (rc == RC_OK)
		rc = series_overrides(a->f->ct, a->l, o, true, &over[1], e);
	if (rc == RC_OK)
		rc = object_to_text(a->f->ct, merged, over[0], &text, &n, e);
	if (rc == RC_OK)
		rc = object_to_text(a->f->ct, o->base, over[1], &plain, &n_plain, e);
	if (rc == RC_OK)
		rc = text_to_object(a->f->ct, o->file, plain, n_plain, &shadow, &shadows, e);
	if (rc == RC_OK && differs)
		rc = text_to_object(a->f->ct, o->file, text, n, &says, &over_says, e);
	if (rc != RC_OK) { /* a server object that no file can hold: kept in the state, named to the person */
		complain(a->c, "%s/%s: %s", a->f->path, o->file, e->text);
		rc = state_object_save(a->c, o, e);
		goto out;
	}
	json_decref(o->shadow);
	o->shadow = json_incref(shadow);
	json_decref(o->cur);
	o->cur = json_incref(says);
	series_agreed(a->l, o, shadows, over_says);
	(void)snprintf(expect, sizeof(expect), "%s", file_as_seen(o));
	file_hash(plain, n_plain, o->hash);
	path = object_path(a, o);
	rc = path != NULL ? state_object_save(a->c, o, e) : err_set(e, RC_NOMEM, "out of memory");
	for (size_t i = series_next(a->l, o, 0); i < a->l->n && rc == RC_OK; i = series_next(a->l, o, i + 1))
		rc = state_object_save(a->c, a->l->v[i], e);
	if (rc == RC_OK)
		rc = state_todo(a->c, o->id, path, text, n, expect, e);
	if (rc == RC_OK)
		o->seen[0] = '\0';
out:
	json_decref(merged);
	json_decref(shadow);
	json_decref(says);
	json_decref(over[0]);
	json_decref(over[1]);
	json_decref(shadows);
	json_decref(over_says);
	free(text); /* pim's own allocation */
	free(plain);
	mem_free(path);
	return rc;
}

/* The octets that O's file is to have; a mail that nobody can give is named, and looked for again by the next run. */
static enum rc
mail_octets(struct apply *a, struct cobject *o, char **name, struct buf *raw, bool *got, struct err *e)
{
	bool draft = (json_integer_value(json_object_get(o->base, "flags")) & MAIL_DRAFT) != 0; /* whose file may be edited */
	char *stub;
	enum rc rc;

	*got = true;
	if (!draft && folder_is_headers(a->c, a->f)) {
		stub = mail_name(*name, mail_flags_of_name(*name), STUB);
		if (stub == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
		mem_free(*name);
		*name = stub;
		rc = stub_octets(a->c, a->f, o, raw, e);
	} else {
		rc = net_mail(a->c->net, a->f->uuid, o->uuid, raw, e);
	}
	if (rc != RC_NOTFOUND && rc != RC_PROTO && rc != RC_FORBIDDEN)
		return rc;
	complain(a->c, "%s/%s: %s", a->f->path, *name, e->text);
	*got = false;
	return RC_OK;
}

/* A mail: its octets once, its flags in the file's name. */
enum rc
write_mail(struct apply *a, struct cobject *o, const json_t *dirty, bool fetch, struct err *e)
{
	int64_t flags = json_integer_value(json_object_get(dirty, "flags"));
	char *name, *path = NULL, *from = NULL, *to = NULL;
	struct buf raw;
	enum rc rc = RC_OK;

	buf_init(&raw, 0);
	json_decref(o->shadow);
	o->shadow = json_pack("{s:I}", "flags", (json_int_t)(json_integer_value(json_object_get(o->base, "flags")) & MAIL_FLAGS_KEPT));
	if (json_object_get(dirty, "flags") == NULL)
		flags = json_integer_value(json_object_get(o->shadow, "flags"));
	name = mail_name_with_flags(o->file, flags);
	if (name == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	if (fetch)
		rc = mail_octets(a, o, &name, &raw, &fetch, e);
	if (rc == RC_OK && !fetch && strcmp(name, o->file) != 0) {
		char *old = object_path(a, o);

		path = path_join(a->f->path, name);
		from = old != NULL ? full_path(a->c, old) : NULL;
		mem_free(old);
		to = path != NULL ? full_path(a->c, path) : NULL;
		if (from != NULL && to != NULL && rename(from, to) != 0)
			complain(a->c, "%s: could not be renamed", path);
	}
	mem_free(path);
	path = NULL;
	mem_free(o->file);
	o->file = name;
	name = NULL;
	json_decref(o->cur);
	o->cur = NULL;
	if (rc == RC_OK && fetch) {
		path = object_path(a, o);
		rc = path != NULL ? state_todo(a->c, o->id, path, raw.p != NULL ? raw.p : "", raw.len, o->hash, e) : err_set(e, RC_NOMEM, "out of memory");
		file_hash(raw.p != NULL ? raw.p : "", raw.len, o->hash);
	}
	if (rc == RC_OK)
		rc = state_object_save(a->c, o, e);
out:
	buf_fini(&raw);
	mem_free(name);
	mem_free(path);
	mem_free(from);
	mem_free(to);
	return rc;
}

enum rc
file_name(const struct apply *a, struct cobject *o, const json_t *in, struct err *e)
{
	char *title = object_title(a->f->ct, in);

	mem_free(o->file);
	o->file = title != NULL ? free_name(a, o, title, type_extension(a->f->ct)) : NULL;
	mem_free(title);
	return o->file != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

/* A series that comes after its exceptions: they move from files of their own into its file. */
enum rc
gather(struct apply *a, struct cobject *master, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < a->l->n && rc == RC_OK; i++) {
		struct cobject *o = a->l->v[i];
		const char *series = json_string_value(json_object_get(o->base, "recurrence_id"));
		char *path;

		if (o == master || o->folder < 0 || o->series != 0 || series == NULL || strcmp(series, master->uuid) != 0)
			continue;
		path = object_path(a, o);
		rc = path != NULL ? state_todo(a->c, o->id, path, NULL, 0, file_as_seen(o), e) : err_set(e, RC_NOMEM, "out of memory");
		mem_free(path);
		o->series = master->id;
		o->file[0] = o->hash[0] = o->seen[0] = '\0';
		o->rewrite = false;
		if (rc == RC_OK)
			rc = state_object_save(a->c, o, e);
	}
	return rc;
}

/* Exceptions whose series left: each gets a file of its own, unless the server never heard of it. */
static enum rc
scatter(struct apply *a, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < a->l->n && rc == RC_OK; i++) {
		struct cobject *o = a->l->v[i];

		if (o->folder < 0 || o->series == 0 || series_master(a->l, o) != NULL)
			continue;
		if (o->gone || o->uuid[0] == '\0') {
			o->folder = -1;
			rc = state_object_drop(a->c, o->id, e);
			continue;
		}
		o->series = 0;
		o->rewrite = true;
		rc = file_name(a, o, o->base, e);
	}
	return rc;
}

enum rc
write_files(struct apply *a, struct err *e)
{
	enum rc rc = scatter(a, e);

	for (size_t i = 0; i < a->l->n && rc == RC_OK; i++) {
		struct cobject *o = a->l->v[i];
		json_t *dirty;

		if (!o->rewrite || o->folder < 0 || o->gone || o->uuid[0] == '\0') /* what the server does not know, the file alone says */
			continue;
		o->rewrite = false;
		dirty = object_dirty(a->f->ct, o);
		rc = write_later(a, o, dirty, e);
		json_decref(dirty);
	}
	return rc;
}

enum rc
write_again(struct client *c, struct cfolder *f, struct objlist *l, struct cobject *master, struct err *e)
{
	struct apply a = { .c = c, .f = f, .l = l };
	json_t *dirty = object_dirty(f->ct, master);
	enum rc rc = state_begin(c, e);

	master->rewrite = false;
	if (rc == RC_OK) {
		rc = write_later(&a, master, dirty, e);
		if (rc == RC_OK)
			rc = state_commit(c, e);
		else
			state_rollback(c);
	}
	json_decref(dirty);
	return rc == RC_OK ? state_todo_run(c, e) : rc;
}
