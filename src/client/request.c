/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is sent: every object that changed here, at most a page of them.  Before a request leaves, the state says that its objects
 * are in doubt and which values were sent, so that after an interruption the next request says `again` and own values are known.
 */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

#define MAX_RAW_BYTES ((size_t)16 * 1024 * 1024) /* raw mails and pictures in one request */

bool
object_blind_all(const struct cobject *o)
{
	return json_array_size(o->blind) == 1 && strcmp(json_string_value(json_array_get(o->blind, 0)), "*") == 0;
}

/* Names of FIELDS that are blind, or NULL when none is. */
static json_t *
blind_of(const struct cobject *o, const json_t *fields)
{
	json_t *out = json_array(), *v;
	const char *name;

	json_object_foreach((json_t *)fields, name, v) {
		bool is = object_blind_all(o);

		for (size_t i = 0; i < json_array_size(o->blind) && !is; i++)
			is = strcmp(json_string_value(json_array_get(o->blind, i)), name) == 0;
		if (is && strcmp(name, "raw") != 0)
			(void)json_array_append_new(out, json_string(name));
	}
	if (json_array_size(out) != 0)
		return out;
	json_decref(out);
	return NULL;
}

static void
note_sent(struct cobject *o, const json_t *fields)
{
	const char *name;
	json_t *v, *list;

	json_object_foreach((json_t *)fields, name, v) {
		list = json_object_get(o->sent, name);
		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(o->sent, name, list);
		}
		(void)json_array_append(list, v);
	}
	json_decref(o->asked);
	o->asked = json_deep_copy(o->cur != NULL ? o->cur : o->shadow);
}

/* The file's octets into ENTRY; of a draft what was asked is exactly these. */
static enum rc
add_raw(struct client *c, const struct cfolder *f, const struct cobject *o, json_t *entry, size_t *raw, struct err *e)
{
	char hash[65];
	char *path = path_join(f->path, o->file);
	struct buf b, text;
	enum rc rc;

	buf_init(&b, 0);
	buf_init(&text, (size_t)256 * 1024 * 1024);
	rc = path != NULL ? file_read(c, path, &b, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK) {
		base64_encode(&text, b.p != NULL ? b.p : "", b.len);
		(void)json_object_set_new(entry, "raw", json_stringn(text.p != NULL ? text.p : "", text.len));
		*raw += b.len;
		file_hash(b.p != NULL ? b.p : "", b.len, hash);
		if (json_object_get(o->asked, "raw") != NULL)
			(void)json_object_set_new(o->asked, "raw", json_string(hash));
	}
	buf_fini(&text);
	buf_fini(&b);
	mem_free(path);
	return rc;
}

/* A picture is large: a request holds only so many. */
static size_t
picture_size(const json_t *entry)
{
	return json_string_length(json_object_get(entry, "image1"));
}

static enum rc
entry_create(struct client *c, const struct cfolder *f, const struct objlist *l, struct cobject *o, json_t *created, size_t *raw, struct err *e)
{
	json_t *fields = object_dirty(f->ct, o), *entry = json_object(), *v;
	const char *name;
	enum rc rc = RC_OK;

	json_object_foreach(fields, name, v)
		if (!json_is_null(v))
			(void)json_object_set(entry, name, v);
	(void)json_object_set_new(entry, "clientId", json_string(o->client_id));
	if (o->doubt)
		(void)json_object_set_new(entry, "again", json_true());
	series_request(l, o, entry);
	if (f->ct == CT_MAIL)
		rc = add_raw(c, f, o, entry, raw, e);
	note_sent(o, fields);
	*raw += picture_size(entry);
	(void)json_array_append_new(created, entry);
	json_decref(fields);
	return rc;
}

static enum rc
entry_modify(struct client *c, const struct cfolder *f, struct cobject *o, const json_t *fields, json_t *modified, size_t *raw, struct err *e)
{
	json_t *entry = json_deep_copy(fields), *blind = blind_of(o, fields);

	(void)json_object_set_new(entry, "uuid", json_string(o->uuid));
	if (o->rev[0] != '\0')
		(void)json_object_set_new(entry, "rev", json_string(o->rev));
	if (blind != NULL)
		(void)json_object_set_new(entry, "blind", blind);
	note_sent(o, fields);
	*raw += picture_size(entry);
	(void)json_array_append_new(modified, entry);
	return json_object_get(fields, "raw") != NULL ? add_raw(c, f, o, entry, raw, e) : RC_OK;
}

static void
entry_delete(struct cobject *o, json_t *deleted)
{
	json_t *entry = json_object();

	if (o->uuid[0] != '\0')
		(void)json_object_set_new(entry, "uuid", json_string(o->uuid));
	else
		(void)json_object_set_new(entry, "clientId", json_string(o->client_id));
	if (o->rev[0] != '\0')
		(void)json_object_set_new(entry, "rev", json_string(o->rev));
	if (json_array_size(o->blind) != 0)
		(void)json_object_set_new(entry, "blind", json_true());
	(void)json_array_append_new(deleted, entry);
}

bool
object_skipped(const struct client *c, int64_t id)
{
	char key[24];

	(void)snprintf(key, sizeof(key), "%lld", (long long)id);
	return json_object_get(c->skip, key) != NULL;
}

/* Stands for what SAYS, a version of O, holds; of a mail its octets count. */
void
object_says_hash(enum content ct, const struct cobject *o, const json_t *says, char hash[65])
{
	char *text = ct != CT_MAIL ? json_dumps(says, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	if (text != NULL)
		file_hash(text, strlen(text), hash);
	else
		(void)snprintf(hash, 65, "%s", o->hash);
	free(text); /* jansson's own allocation */
}

/* Was this refused in an earlier run?  The person hears of it in each run, until the file says something else. */
static bool
refused_before(struct client *c, const struct cfolder *f, const struct objlist *l, const struct cobject *o)
{
	const struct cobject *master = series_master(l, o);
	char key[40], says[65], *hash;
	bool same;

	(void)snprintf(key, sizeof(key), "refused:%lld", (long long)o->id);
	hash = state_get(c, key);
	if (hash == NULL)
		return false;
	object_says_hash(f->ct, o, o->cur != NULL ? o->cur : o->shadow, says);
	same = strcmp(hash, says) == 0;
	mem_free(hash);
	if (!same)
		return false;
	complain(c, "%s/%s: the server refused it and it has not been changed since", f->path, master != NULL ? master->file : o->file);
	(void)snprintf(key, sizeof(key), "%lld", (long long)o->id);
	(void)json_object_set_new(c->skip, key, json_true());
	return true;
}

/*
 * Is a mail of F stored for which nobody has answered yet?  It may have come as somebody's mail meanwhile (twin.c), and who sees two of it removes one: so
 * no deletion is sent before the answer tells which files are one mail.
 */
static bool
may_have_twin(struct client *c, const struct cfolder *f, const struct objlist *l)
{
	for (size_t i = 0; i < l->n && f->ct == CT_MAIL; i++) {
		const struct cobject *o = l->v[i];

		if (o->folder >= 0 && o->uuid[0] == '\0' && o->doubt && !o->gone && !object_skipped(c, o->id) && !refused_before(c, f, l, o))
			return true;
	}
	return false;
}

static enum rc
add_changes(struct client *c, const struct cfolder *f, const struct objlist *l, json_t *body, bool *sends, struct err *e)
{
	json_t *created = json_array(), *modified = json_array(), *deleted = json_array();
	bool wait = may_have_twin(c, f, l);
	struct cobject **o = l->v;
	size_t count = 0, raw = 0;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < l->n && count < PAGE_CHANGES && raw < MAX_RAW_BYTES && rc == RC_OK; i++) {
		json_t *fields;

		if (o[i]->folder < 0 || object_skipped(c, o[i]->id) || series_waits(l, o[i]) || (wait && o[i]->gone && o[i]->uuid[0] != '\0'))
			continue;
		json_decref(o[i]->asked);
		o[i]->asked = NULL;
		if (o[i]->gone) {
			entry_delete(o[i], deleted);
		} else if (o[i]->uuid[0] == '\0') {
			if (refused_before(c, f, l, o[i]))
				continue;
			rc = entry_create(c, f, l, o[i], created, &raw, e);
		} else {
			fields = object_dirty(f->ct, o[i]);
			if (json_object_size(fields) == 0 || refused_before(c, f, l, o[i])) {
				if (json_object_size(fields) == 0 && o[i]->doubt) { /* the server has it as it is here */
					o[i]->doubt = false;
					rc = state_object_save(c, o[i], e);
				}
				json_decref(fields);
				continue;
			}
			rc = entry_modify(c, f, o[i], fields, modified, &raw, e);
			json_decref(fields);
		}
		o[i]->doubt = true;
		if (rc == RC_OK)
			rc = state_object_save(c, o[i], e);
		count++;
	}
	*sends = count > 0;
	(void)json_object_set_new(body, "created", created);
	(void)json_object_set_new(body, "modified", modified);
	if (c->o.deletions != NULL && json_array_size(deleted) > 0)
		(void)json_object_set_new(body, "confirmDeletions", json_boolean(strcmp(c->o.deletions, "yes") == 0));
	(void)json_object_set_new(body, "deleted", deleted);
	return rc;
}

enum rc
request_build(struct client *c, struct cfolder *f, const struct objlist *l, json_t **body, bool *sends, struct err *e)
{
	json_t *b = json_object();
	enum rc rc = state_begin(c, e);

	*sends = false;
	*body = b;
	if (rc != RC_OK)
		return rc;
	if (f->uuid[0] != '\0')
		(void)json_object_set_new(b, "folder", json_string(f->uuid));
	(void)json_object_set_new(b, "limit", json_integer(c->o.limit));
	if (f->syncid[0] != '\0') {
		(void)json_object_set_new(b, "syncid", json_string(f->syncid));
		(void)json_object_set_new(b, "conflictResolution", json_string(c->o.policy));
		(void)json_object_set_new(b, "deleteResolution", json_string(c->o.policy));
		rc = add_changes(c, f, l, b, sends, e);
		f->k++; /* every new request has a number of its own: a late copy of an older one is refused */
		(void)json_object_set_new(b, "request", json_integer(f->k));
		if (rc == RC_OK)
			rc = state_folder_save(c, f, e);
	}
	if (rc == RC_OK)
		return state_commit(c, e);
	state_rollback(c);
	return rc;
}

/* Everything that the server once gave us, with the rev as given; new objects are no part of it. */
enum rc
reconcile_build(struct client *c, const struct cfolder *f, const struct objlist *l, json_t **body, struct err *e)
{
	json_t *b = json_object(), *pairs = json_array();

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->uuid[0] != '\0' && l->v[i]->folder >= 0)
			(void)json_array_append_new(pairs, json_pack("[s,s]", l->v[i]->uuid, l->v[i]->rev));
	if (f->uuid[0] != '\0')
		(void)json_object_set_new(b, "folder", json_string(f->uuid));
	(void)json_object_set_new(b, "limit", json_integer(c->o.limit));
	(void)json_object_set_new(b, "pairs", pairs);
	*body = b;
	return b != NULL && pairs != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}
