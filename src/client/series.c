/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A series and its exceptions in one file.  At the server each exception is an object of its own, and so it is in the state; but it
 * has no file: that of its series says all of them.  Which override of a file is which exception tells the day that it replaces.
 */
#include "client/client_int.h"

#include <string.h>

#define DAY_MS (24 * 3600 * 1000)

/* Day of the occurrence that O replaces, -1 = none. */
static json_int_t
day_of(const json_t *o)
{
	const json_t *v = json_object_get(o, "recurrence_date_position");

	return json_is_integer(v) ? json_integer_value(v) : -1;
}

static bool
is_new(const struct cobject *o)
{
	return o->uuid[0] == '\0' && !o->doubt;
}

/* The number of the first exception of MASTER in L at or after I; l->n = no more. */
size_t
series_next(const struct objlist *l, const struct cobject *master, size_t i)
{
	while (i < l->n && (l->v[i]->folder < 0 || l->v[i]->series == 0 || l->v[i]->series != master->id))
		i++;
	return i;
}

struct cobject *
series_master(const struct objlist *l, const struct cobject *o)
{
	for (size_t i = 0; o->series != 0 && i < l->n; i++)
		if (l->v[i]->folder >= 0 && l->v[i]->id == o->series)
			return l->v[i];
	return NULL;
}

struct cobject *
series_of_uuid(const struct objlist *l, const char *uuid)
{
	for (size_t i = 0; uuid != NULL && i < l->n; i++)
		if (l->v[i]->folder >= 0 && l->v[i]->series == 0 && strcmp(l->v[i]->uuid, uuid) == 0)
			return l->v[i];
	return NULL;
}

struct cobject *
series_at(const struct objlist *l, const struct cobject *master, const json_t *object)
{
	json_int_t day = day_of(object);

	for (size_t i = series_next(l, master, 0); day >= 0 && i < l->n; i = series_next(l, master, i + 1))
		if (day_of(l->v[i]->base) == day)
			return l->v[i];
	return NULL;
}

static bool
lists_day(const json_t *object, const char *field, json_int_t day)
{
	const json_t *list = json_object_get(object, field);

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_array_get(list, i)) == day)
			return true;
	return false;
}

/* An override that the file has not had before: an exception to be created. */
static enum rc
add_new(struct client *c, const struct cfolder *f, struct objlist *l, const struct cobject *master, json_t *says, struct err *e)
{
	struct cobject *o = cobject_new(f, "");
	enum rc rc;

	if (o == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	o->series = master->id;
	(void)json_object_set_new(o->base, "recurrence_date_position", json_integer(day_of(says)));
	o->cur = json_incref(says);
	rc = state_object_save(c, o, e);
	if (rc == RC_OK)
		return objlist_add(l, o, e);
	cobject_free(o);
	return rc;
}

static json_int_t
start_day(const json_t *object)
{
	json_int_t t = json_integer_value(json_object_get(object, "start_date"));

	return t - (t % DAY_MS + DAY_MS) % DAY_MS;
}

static const json_t *
override_at(const json_t *overrides, json_int_t day)
{
	const json_t *says;
	size_t k;

	json_array_foreach (overrides, k, says)
		if (day_of(says) == day)
			return says;
	return NULL;
}

/* Where a file may have an exception: where it had it, where the server has it now, where it comes to lie when the file moves its series. */
enum spot { SPOT_FILE, SPOT_SERVER, SPOT_MOVED, SPOTS };

static json_int_t
spot_day(const struct cobject *master, const struct cobject *o, enum spot p)
{
	json_int_t seen = day_of(o->cur), was = day_of(o->shadow);

	if (p == SPOT_FILE && seen >= 0)
		return seen;
	if (p == SPOT_SERVER || was < 0)
		return day_of(o->base);
	return p == SPOT_MOVED && json_object_size(master->shadow) != 0 ? was + start_day(master->cur) - start_day(master->shadow) : was;
}

/*
 * The server moves the days of exceptions with those of their series, and so do some programs that edit files: others leave them.
 * Which days a file means is told by where most of its overrides are.
 */
static enum spot
file_spot(const struct objlist *l, const struct cobject *master, const json_t *overrides)
{
	size_t found[SPOTS] = { 0 };
	enum spot best = SPOT_FILE;

	for (size_t i = series_next(l, master, 0); i < l->n; i = series_next(l, master, i + 1))
		for (enum spot p = 0; p < SPOTS; p++)
			found[p] += override_at(overrides, spot_day(master, l->v[i], p)) != NULL;
	for (enum spot p = 0; p < SPOTS; p++)
		best = found[p] > found[best] ? p : best;
	return best;
}

/* SAYS is of an exception that has just gone from the server, in a file that is not written again yet. */
static bool
is_of_the_past(const struct objlist *l, const struct cobject *master, const json_t *says)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->folder < 0 && l->v[i]->series == master->id && day_of(l->v[i]->shadow) >= 0 && json_equal(l->v[i]->shadow, says))
			return true;
	return false;
}

/* The file has no override for the exception O any more, which was or would be at DAY. */
static enum rc
override_gone(struct client *c, const struct cfolder *f, struct cobject *master, struct cobject *o, json_int_t day, struct err *e)
{
	if (o->uuid[0] != '\0' && json_object_size(o->shadow) == 0)
		return RC_OK; /* it has just come and was not in the file yet */
	json_decref(o->cur);
	o->cur = NULL;
	if (is_new(o)) { /* never sent: nothing to tell */
		o->folder = -1;
		return state_object_drop(c, o->id, e);
	}
	if (json_integer_value(json_object_get(master->cur, "recurrence_type")) == 0)
		return RC_OK; /* no series any more: the server drops what belonged to it */
	if (lists_day(master->cur, "delete_exceptions", day)) {
		o->gone = true;
		return state_object_save(c, o, e);
	}
	if (!o->gone) {
		complain(c, "%s/%s: a changed occurrence cannot be made as the series again, the server knows no way; it comes back "
		    "(EXDATE deletes it)", f->path, master->file);
		master->rewrite = true;
	}
	return RC_OK;
}

enum rc
series_take(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *master, const json_t *overrides, struct err *e)
{
	enum spot spot = file_spot(l, master, overrides);
	json_t *new = json_array(), *says;
	size_t known = l->n, k;
	enum rc rc = new != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");

	json_array_foreach ((json_t *)(uintptr_t)overrides, k, says)
		(void)json_array_append(new, says);
	for (size_t i = series_next(l, master, 0); i < known && rc == RC_OK; i = series_next(l, master, i + 1)) {
		struct cobject *o = l->v[i];
		json_int_t day = spot_day(master, o, spot);

		for (k = 0; k < json_array_size(new) && day_of(json_array_get(new, k)) != day; k++)
			;
		if (k == json_array_size(new)) {
			rc = override_gone(c, f, master, o, day, e);
			continue;
		}
		json_decref(o->cur);
		o->cur = json_incref(json_array_get(new, k));
		(void)json_array_remove(new, k);
		o->gone = false;
	}
	json_array_foreach (rc == RC_OK ? new : NULL, k, says) {
		if (override_at(overrides, day_of(says)) == says && !is_of_the_past(l, master, says)) /* a day that is said twice counts once */
			rc = add_new(c, f, l, master, says, e);
		if (rc != RC_OK)
			break;
	}
	json_decref(new);
	return rc;
}

/* A new exception begins as its series at the server: what the file says of the series and not of the occurrence is taken from it. */
static void
take_away(const struct cobject *master, const struct cobject *o, json_t *entry)
{
	static const char *const own[] = { "location", "note", "categories", "alarm", "color_label", "full_time" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (json_object_get(master->cur != NULL ? master->cur : master->shadow, own[i]) != NULL && json_object_get(o->cur, own[i]) == NULL)
			(void)json_object_set_new(entry, own[i], json_null());
}

void
series_request(const struct objlist *l, const struct cobject *o, json_t *entry)
{
	const struct cobject *master = series_master(l, o);

	if (master == NULL)
		return;
	(void)json_object_set_new(entry, "recurrence_id", json_string(master->uuid));
	(void)json_object_set(entry, "recurrence_date_position", json_object_get(o->base, "recurrence_date_position"));
	take_away(master, o, entry);
}

bool
series_waits(const struct objlist *l, const struct cobject *o)
{
	const struct cobject *master = series_master(l, o);

	return o->series != 0 && (master == NULL || master->gone || master->uuid[0] == '\0');
}

/* The overrides as the file shall say them: each as agreed, with what is dirty here laid over it unless PLAIN. */
enum rc
series_overrides(enum content ct, const struct objlist *l, const struct cobject *master, bool plain, json_t **out, struct err *e)
{
	*out = json_array();
	for (size_t i = series_next(l, master, 0); i < l->n; i = series_next(l, master, i + 1)) {
		const struct cobject *o = l->v[i];
		json_t *merged, *dirty, *v;
		const char *name;

		if (o->gone || (plain && o->uuid[0] == '\0'))
			continue;
		merged = json_deep_copy(o->base);
		dirty = plain ? json_object() : object_dirty(ct, o);
		json_object_foreach (dirty, name, v)
			(void)(json_is_null(v) ? json_object_del(merged, name) : json_object_set(merged, name, v));
		json_decref(dirty);
		if (json_object_get(merged, "start_date") != NULL)
			(void)json_array_append_new(*out, merged);
		else
			json_decref(merged); /* sent and taken out of the file before the answer: the answer brings it back */
	}
	return *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

void
series_agreed(const struct objlist *l, const struct cobject *master, const json_t *shadows, const json_t *says)
{
	for (size_t i = series_next(l, master, 0); i < l->n; i = series_next(l, master, i + 1)) {
		struct cobject *o = l->v[i];
		const json_t *shadow = NULL, *now = NULL, *x;
		size_t k;

		json_array_foreach (shadows, k, x)
			if (day_of(x) == day_of(o->base))
				shadow = x;
		json_array_foreach (says, k, x)
			if (day_of(x) == day_of(o->base))
				now = x;
		if (shadow != NULL) {
			json_decref(o->shadow);
			o->shadow = json_incref((json_t *)shadow);
		}
		json_decref(o->cur);
		o->cur = json_incref((json_t *)now);
	}
}

bool
series_has_new(const struct objlist *l, const struct cobject *master)
{
	size_t i = series_next(l, master, 0);

	while (i < l->n && l->v[i]->uuid[0] != '\0')
		i = series_next(l, master, i + 1);
	return i < l->n;
}

bool
series_dirty(enum content ct, const struct objlist *l, const struct cobject *master)
{
	bool dirty = false;

	for (size_t i = series_next(l, master, 0); i < l->n && !dirty; i = series_next(l, master, i + 1)) {
		json_t *d = object_dirty(ct, l->v[i]);

		dirty = json_object_size(d) != 0;
		json_decref(d);
	}
	return dirty;
}
