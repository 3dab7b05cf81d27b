/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What an answer does to the state and, after the commit, to the files (usm-json(7), "Rules for clients"): results first, then
 * deletions, then objects.  A field edited here while a foreign value arrived is kept and marked blind (F8): its next change says
 * that the person never saw what it replaces.
 */
#include "client/apply_int.h"

#include <stdlib.h>
#include <string.h>

struct cobject *
find_uuid(const struct apply *a, const char *uuid)
{
	for (size_t i = 0; uuid != NULL && i < a->l->n; i++)
		if (a->l->v[i]->folder >= 0 && strcmp(a->l->v[i]->uuid, uuid) == 0)
			return a->l->v[i];
	return NULL;
}

struct cobject *
find_client_id(const struct apply *a, const char *id)
{
	for (size_t i = 0; id != NULL && i < a->l->n; i++)
		if (a->l->v[i]->folder >= 0 && a->l->v[i]->uuid[0] == '\0' && strcmp(a->l->v[i]->client_id, id) == 0)
			return a->l->v[i];
	return NULL;
}

/* One that makes no sense any more stays as it was understood last, and is not overwritten (state.c). */
bool
look_again(struct apply *a, struct cobject *o)
{
	bool missing = false;
	struct err e;

	if (!o->gone && object_reread(a->c, a->f, a->l, o, &missing, &e) != RC_OK)
		complain(a->c, "%s/%s: %s", a->f->path, o->file, e.text);
	return !missing;
}

enum rc
forget(struct apply *a, struct cobject *o, bool remove_file, struct err *e)
{
	struct cobject *master;
	char *path = object_path(a, o);
	enum rc rc = RC_OK;

	if (path == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	master = series_master(a->l, o);
	if (master != NULL)
		master->rewrite = true;
	if (remove_file && !o->gone)
		a->c->t.removed++;
	if (remove_file && !o->gone && o->series == 0)
		rc = state_todo(a->c, o->id, path, NULL, 0, file_as_seen(o), e);
	if (rc == RC_OK && remove_file)
		rc = attach_forget(a->c, a->f, o, e);
	if (rc == RC_OK && o->id != 0)
		rc = state_object_drop(a->c, o->id, e);
	o->folder = -1; /* stays in the list, no part of anything any more */
	mem_free(path);
	return rc;
}

enum rc
make_new(struct apply *a, struct cobject *o, const char *client_id, struct err *e)
{
	json_t *day = json_incref(json_object_get(o->base, "recurrence_date_position")); /* what its override in the file is known by */
	unsigned char rnd[8];
	char hex[17];
	enum rc rc;

	random_bytes(rnd, sizeof(rnd));
	hex_encode(rnd, sizeof(rnd), hex);
	mem_free(o->client_id);
	o->client_id = mem_dup_str(client_id != NULL ? client_id : hex);
	o->uuid[0] = o->rev[0] = '\0';
	if (o->cur == NULL)
		o->cur = json_deep_copy(o->shadow);
	(void)json_object_clear(o->base);
	if (o->series != 0 && day != NULL)
		(void)json_object_set(o->base, "recurrence_date_position", day);
	json_decref(day);
	(void)json_object_clear(o->shadow);
	(void)json_object_clear(o->sent);
	(void)json_array_clear(o->blind);
	o->doubt = o->gone = false;
	o->mtime_ns = 0;
	rc = attach_void(a->c, o->id, e);
	return rc == RC_OK ? state_object_save(a->c, o, e) : rc;
}
bool
edited_since(struct apply *a, struct cobject *o)
{
	return !o->gone && look_again(a, o) && o->asked != NULL && o->cur != NULL && !json_equal(o->cur, o->asked);
}

bool
in_created(const struct apply *a, const char *uuid)
{
	const json_t *list = json_object_get(a->data, "created");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *u = json_string_value(json_object_get(json_array_get(list, i), "uuid"));

		if (u != NULL && strcmp(u, uuid) == 0)
			return true;
	}
	return false;
}

/* ---- deletions ---- */

static enum rc
one_delete(struct apply *a, const char *uuid, struct err *e)
{
	struct cobject *o = find_uuid(a, uuid);
	json_t *dirty;
	bool there, keep;

	if (o == NULL || in_created(a, uuid))
		return RC_OK;
	there = look_again(a, o);
	dirty = object_dirty(a->f->ct, o);
	keep = json_object_size(dirty) != 0 && !o->gone && there;
	json_decref(dirty);
	if (!keep)
		return forget(a, o, true, e);
	/* Edited here: it waits until the server has answered for the change.  The last version before the deletion was perhaps never
	 * delivered, so whatever is edited now or later is blind until the object is delivered again (F8). */
	o->doubt = true;
	(void)json_array_clear(o->blind);
	(void)json_array_append_new(o->blind, json_string("*"));
	return state_object_save(a->c, o, e);
}

/* ---- objects ---- */

static bool
list_has(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
			return true;
	return false;
}

static bool
was_sent(const struct cobject *o, const char *name, const json_t *v)
{
	const json_t *list = json_object_get(o->sent, name);

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), v))
			return true;
	return false;
}

static bool
is_member_of_envelope(const char *name)
{
	return strcmp(name, "uuid") == 0 || strcmp(name, "objectType") == 0 || strcmp(name, "rev") == 0 || strcmp(name, "clientId") == 0 ||
	    strcmp(name, "own") == 0;
}

/* Flags are merged one by one: what was changed here on top of what came (usm-json(7), "Mail"). */
static void
merge_flags(const struct cobject *o, const json_t *in, json_t *dirty)
{
	int64_t theirs = json_integer_value(json_object_get(in, "flags")), mine = json_integer_value(json_object_get(dirty, "flags"));
	int64_t changed = (mine ^ json_integer_value(json_object_get(o->shadow, "flags"))) & MAIL_FLAGS_KEPT;

	if (json_object_get(in, "flags") != NULL && json_object_get(dirty, "flags") != NULL)
		(void)json_object_set_new(dirty, "flags", json_integer((theirs & ~changed) | (mine & changed)));
}

/* The server's fields into base; DIRTY ones that somebody else changed become blind. */
static void
take_fields(struct cobject *o, const json_t *in, bool whole, const json_t *dirty)
{
	json_t *base = whole ? json_object() : json_deep_copy(o->base), *v;
	const json_t *own = json_object_get(in, "own");
	const char *name;

	if (json_object_get(o->base, STORED_ANEW) != NULL)
		(void)json_object_set_new(base, STORED_ANEW, json_true());
	json_object_foreach((json_t *)in, name, v) {
		const json_t *mine = json_object_get(dirty, name);

		if (is_member_of_envelope(name))
			continue;
		if (mine != NULL && strcmp(name, "flags") != 0 && !json_equal(v, mine) && !json_equal(v, json_object_get(o->base, name)) && !list_has(own, name) &&
		    !was_sent(o, name, v) && !list_has(o->blind, name))
			(void)json_array_append_new(o->blind, json_string(name));
		if (json_is_null(v))
			(void)json_object_del(base, name);
		else
			(void)json_object_set(base, name, v);
	}
	json_decref(o->base);
	o->base = base;
}

static enum rc
object_begin(struct apply *a, const json_t *in, const char *uuid, struct cobject **out, struct err *e)
{
	const char *series = json_string_value(json_object_get(in, "recurrence_id"));
	struct cobject *o = cobject_new(a->f, ""), *master = NULL;
	enum rc rc = RC_OK;

	*out = NULL;
	if (o == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	(void)snprintf(o->uuid, sizeof(o->uuid), "%s", uuid);
	mem_free(o->client_id);
	o->client_id = mem_dup_str("");
	if (series != NULL && strcmp(series, uuid) != 0)
		master = series_of_uuid(a->l, series);
	if (master != NULL) /* an exception, and its series' file is here */
		o->series = master->id;
	else
		rc = file_name(a, o, in, e);
	if (rc != RC_OK) {
		cobject_free(o);
		return rc;
	}
	rc = objlist_add(a->l, o, e);
	*out = rc == RC_OK ? o : NULL;
	return rc == RC_OK ? state_object_save(a->c, o, e) : rc;
}

/* Our own exception whose answer was lost: it has the uid of its series, so that only series and day tell (F16). */
static struct cobject *
own_exception(const struct apply *a, const json_t *in)
{
	const struct cobject *master = series_of_uuid(a->l, json_string_value(json_object_get(in, "recurrence_id")));
	struct cobject *o = master != NULL ? series_at(a->l, master, in) : NULL;

	return o != NULL && o->uuid[0] == '\0' ? o : NULL;
}

/* An appointment is written when the whole answer is known: a series and its exceptions are one file, in whatever order they come. */
static enum rc
write_with_answer(struct apply *a, struct cobject *o, bool fresh, struct err *e)
{
	const char *series = json_string_value(json_object_get(o->base, "recurrence_id"));
	struct cobject *master = series_master(a->l, o);

	(master != NULL ? master : o)->rewrite = true;
	if (fresh && master == NULL && series != NULL && strcmp(series, o->uuid) == 0)
		return gather(a, o, e);
	return state_object_save(a->c, o, e);
}

static enum rc
one_object(struct apply *a, const json_t *in, bool whole, struct err *e)
{
	const char *uuid = json_string_value(json_object_get(in, "uuid"));
	const char *cid = json_string_value(json_object_get(in, "clientId"));
	struct cobject *o = find_uuid(a, uuid);
	bool fresh = false;
	json_t *dirty, *v, *with_photo = NULL;
	const char *name;
	enum rc rc = RC_OK;

	if (uuid == NULL)
		return err_set(e, RC_UPSTREAM, "the server sent an object without uuid");
	/* Our own, whose answer was lost.  Only what is new here: the object that a re-creation (re.*) replaced may be back under its uuid. */
	if (o == NULL && cid != NULL && (o = find_client_id(a, cid)) != NULL)
		(void)snprintf(o->uuid, sizeof(o->uuid), "%s", uuid);
	if (o == NULL && (o = own_exception(a, in)) != NULL)
		(void)snprintf(o->uuid, sizeof(o->uuid), "%s", uuid);
	if (o == NULL && !whole)
		return RC_OK; /* told of nothing that we have: gone in the same answer */
	if (o == NULL) {
		rc = object_begin(a, in, uuid, &o, e);
		fresh = true;
	}
	if (rc == RC_OK && o != NULL)
		rc = photo_take(a->c, a->f, o, in, whole, &with_photo, e);
	if (rc != RC_OK || o == NULL)
		return rc;
	in = with_photo;
	if (!fresh)
		(void)look_again(a, o);
	dirty = o->yields ? json_object() : object_dirty(a->f->ct, o);
	o->yields = false;
	if (o->gone) { /* a delete that is still to be answered: what comes now was not seen by the person */
		(void)json_array_clear(o->blind);
		(void)json_array_append_new(o->blind, json_string("*"));
	} else if (object_blind_all(o)) { /* it is there: what is edited after this was seen */
		(void)json_array_clear(o->blind);
		json_object_foreach(dirty, name, v)
			(void)json_array_append_new(o->blind, json_string(name));
	}
	if (a->f->ct == CT_MAIL)
		merge_flags(o, in, dirty);
	take_fields(o, in, whole, dirty);
	(void)snprintf(o->rev, sizeof(o->rev), "%s", json_string_value(json_object_get(in, "rev")) != NULL ? json_string_value(json_object_get(in, "rev")) : "");
	a->c->t.down += !o->doubt || fresh;
	if (o->gone)
		rc = state_object_save(a->c, o, e);
	else if (a->f->ct == CT_MAIL)
		rc = write_mail(a, o, dirty, fresh, e);
	else if (a->f->ct == CT_CALENDAR)
		rc = write_with_answer(a, o, fresh, e);
	else
		rc = write_later(a, o, dirty, e);
	json_decref(dirty);
	json_decref(with_photo);
	return rc;
}

/* ---- the whole answer, in one transaction with its syncid ---- */

/* What does not come, and why: for the person, no failure of the run. */
static void
tell_notices(const struct apply *a)
{
	const json_t *list = json_object_get(a->data, "notices");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *n = json_array_get(list, i);
		const struct cobject *o = find_uuid(a, json_string_value(json_object_get(json_object_get(n, "details"), "uuid")));
		const char *text = json_string_value(json_object_get(n, "message"));

		if (text != NULL)
			say(a->c, "%s%s%s: %s", a->f->path, o != NULL ? "/" : "", o != NULL ? o->file : "", text);
	}
}

static enum rc
apply_all(struct apply *a, struct err *e)
{
	const json_t *data = a->data, *list;
	const char *syncid = json_string_value(json_object_get(data, "syncid"));
	enum rc rc = RC_OK;

	list = json_object_get(data, "results");
	for (size_t i = 0; i < json_array_size(list) && rc == RC_OK; i++)
		rc = apply_result(a, json_array_get(list, i), e);
	list = json_object_get(data, "deleted");
	for (size_t i = 0; i < json_array_size(list) && rc == RC_OK; i++)
		rc = one_delete(a, json_string_value(json_array_get(list, i)), e);
	list = json_object_get(data, "created");
	for (size_t i = 0; i < json_array_size(list) && rc == RC_OK; i++)
		rc = one_object(a, json_array_get(list, i), true, e);
	list = json_object_get(data, "modified");
	for (size_t i = 0; i < json_array_size(list) && rc == RC_OK; i++)
		rc = one_object(a, json_array_get(list, i), false, e);
	if (rc == RC_OK && a->f->ct == CT_CALENDAR)
		rc = write_files(a, e);
	if (rc != RC_OK)
		return rc;
	tell_notices(a);
	if (syncid != NULL) {
		(void)snprintf(a->f->syncid, sizeof(a->f->syncid), "%s", syncid);
		a->f->reconcile = false;
	}
	a->f->more = json_is_true(json_object_get(data, "more"));
	return state_folder_save(a->c, a->f, e);
}

enum rc
apply_answer(struct client *c, struct cfolder *f, struct objlist *l, const json_t *body, const json_t *data, struct err *e)
{
	struct apply a = { .c = c, .f = f, .l = l, .body = body, .data = data };
	enum rc rc = state_begin(c, e);

	if (rc != RC_OK)
		return rc;
	rc = apply_all(&a, e);
	if (rc == RC_OK)
		rc = state_commit(c, e);
	else
		state_rollback(c);
	return rc == RC_OK ? state_todo_run(c, e) : rc;
}
