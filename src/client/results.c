/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the server says of each change that was sent. */
#include "client/apply_int.h"

#include <string.h>

/* The fields of an accepted change are agreed: as sent, unless the answer says otherwise below. */
static enum rc
accepted(struct apply *a, struct cobject *o, const json_t *sent_entry, struct err *e)
{
	const char *name;
	json_t *v;
	bool dirty;

	json_object_foreach((json_t *)sent_entry, name, v) {
		const json_t *as_file = json_object_get(o->asked, name);

		(void)json_object_del(o->sent, name);
		if (!field_writable(a->f->ct, name))
			continue;
		(void)json_object_set(o->base, name, v);
		if (as_file != NULL)
			(void)json_object_set(o->shadow, name, (json_t *)as_file);
		else
			(void)json_object_del(o->shadow, name);
		for (size_t i = 0; i < json_array_size(o->blind); i++)
			if (strcmp(json_string_value(json_array_get(o->blind, i)), name) == 0)
				(void)json_array_remove(o->blind, i--);
	}
	if (object_blind_all(o))
		(void)json_array_clear(o->blind);
	v = object_dirty(a->f->ct, o);
	dirty = json_object_size(v) != 0;
	json_decref(v);
	if (!dirty) {
		(void)json_object_clear(o->sent);
		o->doubt = false;
	}
	a->c->t.up++;
	return state_object_save(a->c, o, e);
}

/* What the request said for the object that RESULT is about. */
static const json_t *
sent_of(const struct apply *a, const char *key, const char *value)
{
	static const char *const lists[] = { "created", "modified" };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		const json_t *list = json_object_get(a->body, lists[l]);

		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *x = json_array_get(list, i);
			const char *s = json_string_value(json_object_get(x, key));

			if (s != NULL && strcmp(s, value) == 0)
				return x;
		}
	}
	return NULL;
}

static void
skip_in_this_run(struct client *c, const struct cobject *o)
{
	char key[24];

	(void)snprintf(key, sizeof(key), "%lld", (long long)o->id);
	(void)json_object_set_new(c->skip, key, json_true());
}

/*
 * The same file would be refused again: it waits until it says something else (request.c).  What somebody may allow (rights) or the server
 * may manage tomorrow is tried in every run.
 */
static enum rc
refused_note(struct client *c, const struct cfolder *f, const struct cobject *o, const char *code, struct err *e)
{
	char key[40], hash[65];

	if (o->gone || code == NULL || (strcmp(code, "bad-request") != 0 && strcmp(code, "limit") != 0))
		return RC_OK;
	(void)snprintf(key, sizeof(key), "refused:%lld", (long long)o->id);
	object_says_hash(f->ct, o, o->asked, hash);
	return state_set(c, key, hash, e);
}

/* A person whose words lost should hear of it. */
static void
tell_lost(struct apply *a, const struct cobject *o, const json_t *lost)
{
	for (size_t i = 0; i < json_array_size(lost); i++) {
		say(a->c, "%s/%s: conflict: %s was changed elsewhere too and the other value won; yours is kept on the server for a while", a->f->path,
		    o->file, json_string_value(json_array_get(lost, i)));
		a->c->t.conflicts++;
	}
}

/* A draft that was replaced: the same file, another mail.  What was typed since it was sent stays a change. */
static void
draft_agreed(struct cobject *o)
{
	const char *sent = json_string_value(json_object_get(o->asked, "raw")), *now = json_string_value(json_object_get(o->cur, "raw"));

	if (sent == NULL)
		return;
	(void)snprintf(o->hash, sizeof(o->hash), "%s", sent);
	(void)json_object_set_new(o->base, STORED_ANEW, json_true());
	if (now != NULL && strcmp(now, sent) == 0)
		(void)json_object_del(o->cur, "raw");
}

/*
 * A right is missing: the server's version, which is in this answer, takes the file's place, or a person would go on with what nobody else will
 * ever see.  What he typed stays beside it, under a name that is no object's.
 */
static enum rc
not_allowed(struct apply *a, struct cobject *o, const char *message, struct err *e)
{
	char *path = object_path(a, o);
	struct buf b, keep;
	bool kept = false;

	if (o->gone) {
		complain(a->c, "%s/%s: %s The file comes back.", a->f->path, o->file, message);
		mem_free(path);
		return forget(a, o, false, e);
	}
	buf_init(&b, 0);
	buf_init(&keep, 4096);
	buf_addf(&keep, "%s.refused", path != NULL ? path : "");
	if (path != NULL && a->f->ct != CT_MAIL && keep.p != NULL && file_read(a->c, path, &b, e) == RC_OK)
		kept = file_write(a->c, keep.p, b.p != NULL ? b.p : "", b.len, e) == RC_OK;
	complain(a->c, "%s/%s: %s The server's version is back%s%s.", a->f->path, o->file, message, kept ? "; yours is in " : "", kept ? keep.p : "");
	buf_fini(&b);
	buf_fini(&keep);
	mem_free(path);
	o->yields = true;
	o->doubt = false;
	(void)json_object_clear(o->sent);
	(void)json_array_clear(o->blind);
	return state_object_save(a->c, o, e);
}

enum rc
apply_result(struct apply *a, const json_t *r, struct err *e)
{
	const char *new_uuid = json_string_value(json_object_get(r, "newUuid"));
	const char *cid = json_string_value(json_object_get(r, "clientId"));
	const char *status = json_string_value(json_object_get(r, "status"));
	const char *uuid = json_string_value(json_object_get(r, "uuid"));
	const json_t *x = json_object_get(r, "error"), *sent;
	struct cobject *o = cid != NULL ? find_client_id(a, cid) : find_uuid(a, uuid);
	char re[128];

	if (o == NULL || status == NULL || strcmp(status, "retry") == 0)
		return RC_OK;
	a->c->t.answered++;
	tell_lost(a, o, json_object_get(r, "lost"));
	sent = cid != NULL ? sent_of(a, "clientId", cid) : sent_of(a, "uuid", o->uuid);
	if (strcmp(status, "ok") == 0) {
		enum rc rc = RC_OK;
		bool taken = true;

		if (cid != NULL && uuid != NULL)
			rc = take_uuid(a, o, uuid, &taken, e);
		if (cid == NULL && new_uuid != NULL && json_object_get(sent, "raw") != NULL) {
			rc = take_uuid(a, o, new_uuid, &taken, e);
			if (taken)
				draft_agreed(o);
		}
		a->c->t.up += !taken;
		return rc == RC_OK && taken ? accepted(a, o, sent, e) : rc;
	}
	if (strcmp(status, "gone") == 0) {
		if (!o->gone && edited_since(a, o))
			return make_new(a, o, NULL, e);
		a->c->t.up += o->gone;
		return forget(a, o, true, e);
	}
	if (strcmp(status, "refused") == 0) { /* the delete lost against a newer change: the object comes back in `created` */
		a->c->t.conflicts++;
		return forget(a, o, false, e);
	}
	if (strcmp(status, "held") == 0) {
		if (a->held++ == 0)
			complain(a->c, "%s: so much was removed here that the server asks whether it was meant: run usmsync again with --deletions yes, or with "
			    "--deletions no to get it back", a->f->path);
		skip_in_this_run(a->c, o);
		return RC_OK;
	}
	if (strcmp(status, "recreate") == 0) {
		(void)snprintf(re, sizeof(re), "re.%s.%s", o->uuid, a->c->o.device);
		return make_new(a, o, re, e);
	}
	if (json_string_value(json_object_get(x, "code")) != NULL && strcmp(json_string_value(json_object_get(x, "code")), "forbidden") == 0 && uuid != NULL &&
	    in_created(a, uuid))
		return not_allowed(a, o, json_string_value(json_object_get(x, "message")), e);
	complain(a->c, "%s/%s: %s", a->f->path, series_master(a->l, o) != NULL ? series_master(a->l, o)->file : o->file,
	    json_string_value(json_object_get(x, "message")) != NULL ? json_string_value(json_object_get(x, "message")) :
	    strcmp(status, "conflict") == 0 ? "changed on both sides; edit it again or take the server's version" : status);
	if (strcmp(status, "conflict") == 0)
		a->c->t.conflicts++;
	skip_in_this_run(a->c, o);
	return strcmp(status, "error") == 0 ? refused_note(a->c, a->f, o, json_string_value(json_object_get(x, "code")), e) : RC_OK;
}
