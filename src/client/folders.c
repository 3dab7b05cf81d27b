/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The folder hierarchy.  The server's folders are kept as one JSON object (uuid -> folder).  A new directory becomes a new folder; a directory that
 * vanished is made again - deleting a whole folder by an accident of the file system is not what anybody wants.
 */
#include "client/folders_int.h"

#include <stdlib.h>
#include <string.h>

/* A folder made here is what was sent; the answer holds only what the server made different. */
static void
tree_made(json_t *tree, const json_t *body, const json_t *result)
{
	const char *cid = json_string_value(json_object_get(result, "clientId")), *uuid = json_string_value(json_object_get(result, "uuid"));
	const char *status = json_string_value(json_object_get(result, "status"));
	const json_t *sent = json_object_get(body, "created");

	if (cid == NULL || uuid == NULL || status == NULL || strcmp(status, "ok") != 0 || json_object_get(tree, uuid) != NULL)
		return;
	for (size_t i = 0; i < json_array_size(sent); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(sent, i), "clientId")), cid) == 0)
			(void)json_object_set_new(tree, uuid, json_deep_copy(json_array_get(sent, i)));
}

/* Likewise a folder renamed here. */
static void
tree_renamed(json_t *tree, const json_t *body, const json_t *result)
{
	const char *uuid = json_string_value(json_object_get(result, "uuid")), *status = json_string_value(json_object_get(result, "status"));
	const json_t *sent = json_object_get(body, "modified");
	json_t *folder = uuid != NULL ? json_object_get(tree, uuid) : NULL;

	if (folder == NULL || status == NULL || strcmp(status, "ok") != 0 || json_object_get(result, "clientId") != NULL)
		return;
	for (size_t i = 0; i < json_array_size(sent); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(sent, i), "uuid")), uuid) == 0)
			(void)json_object_update(folder, json_array_get(sent, i));
}

static void
tree_apply(struct client *c, json_t *tree, const json_t *body, const json_t *data)
{
	static const char *const lists[] = { "created", "modified" };
	const json_t *list = json_object_get(data, "deleted");
	const json_t *results = json_object_get(data, "results");
	const char *name;
	json_t *v;

	for (size_t i = 0; i < json_array_size(results); i++) {
		tree_made(tree, body, json_array_get(results, i));
		tree_renamed(tree, body, json_array_get(results, i));
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		(void)json_object_del(tree, json_string_value(json_array_get(list, i)));
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		list = json_object_get(data, lists[l]);
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *in = json_array_get(list, i), *old;
			const char *uuid = json_string_value(json_object_get(in, "uuid"));

			if (uuid == NULL)
				continue;
			old = l == 1 ? json_object_get(tree, uuid) : NULL;
			if (old == NULL) {
				(void)json_object_set_new(tree, uuid, json_deep_copy(in));
				continue;
			}
			json_object_foreach(in, name, v)
				(void)json_object_set(old, name, v);
		}
	}
	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *r = json_array_get(results, i), *x = json_object_get(r, "error");

		if (json_string_value(json_object_get(x, "message")) != NULL)
			complain(c, "folder: %s", json_string_value(json_object_get(x, "message")));
		else if (json_string_value(json_object_get(r, "status")) != NULL && strcmp(json_string_value(json_object_get(r, "status")), "retry") == 0)
			put_off(c, "folders: the server does not know yet what became of a folder made or changed here; the next run asks again");
	}
}

static enum rc
hierarchy_page(struct client *c, struct cfolder *h, json_t *tree, bool first, struct err *e)
{
	json_t *body = json_object(), *data = NULL, *created = json_array(), *modified = json_array(), *moved = json_object(), *pairs, *v;
	const char *command = "syncUpdate", *uuid;
	enum rc rc = RC_OK;
	char *text;

	(void)json_object_set_new(body, "limit", json_integer(c->o.limit));
	if (h->syncid[0] != '\0') {
		(void)json_object_set_new(body, "syncid", json_string(h->syncid));
		(void)json_object_set_new(body, "request", json_integer(++h->k));
		if (first)
			rc = scan_new_folders(c, tree, created, modified, moved, e);
		if (json_array_size(created) != 0)
			(void)json_object_set(body, "created", created);
		if (json_array_size(modified) != 0)
			(void)json_object_set(body, "modified", modified);
	} else if (h->reconcile) {
		command = "reconcile";
		pairs = json_array();
		json_object_foreach(tree, uuid, v)
			(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, json_string_value(json_object_get(v, "rev")) != NULL ? json_string_value(json_object_get(v, "rev")) : ""));
		(void)json_object_set_new(body, "pairs", pairs);
	} else {
		command = "syncInit";
	}
	if (rc == RC_OK)
		rc = state_folder_save(c, h, e);
	if (rc == RC_OK)
		rc = net_call(c->net, command, body, 600, &data, e);
	c->t.requests++;
	if (rc == RC_CONFLICT) {
		h->syncid[0] = '\0';
		h->reconcile = true;
		h->more = true;
		rc = state_folder_save(c, h, e);
	} else if (rc == RC_OK) {
		tree_apply(c, tree, body, data);
		for (size_t i = 0; i < json_array_size(json_object_get(data, "results")); i++)
			rename_back(c, moved, json_array_get(json_object_get(data, "results"), i));
		if (json_string_value(json_object_get(data, "syncid")) != NULL) {
			(void)snprintf(h->syncid, sizeof(h->syncid), "%s", json_string_value(json_object_get(data, "syncid")));
			h->reconcile = false;
		}
		h->more = json_is_true(json_object_get(data, "more")) || json_array_size(created) + json_array_size(modified) != 0;
		text = json_dumps(tree, JSON_COMPACT | JSON_SORT_KEYS);
		rc = state_begin(c, e);
		if (rc == RC_OK)
			rc = state_set(c, "hierarchy", text != NULL ? text : "{}", e);
		if (rc == RC_OK)
			rc = state_folder_save(c, h, e);
		if (rc == RC_OK)
			rc = state_commit(c, e);
		free(text); /* jansson's own allocation */
	}
	json_decref(body);
	json_decref(created);
	json_decref(modified);
	json_decref(moved);
	json_decref(data);
	return rc;
}

enum rc
hierarchy_sync(struct client *c, struct err *e)
{
	char *text = state_get(c, "hierarchy");
	json_t *tree = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	struct cfolder *f;
	size_t n;
	bool first = true;
	unsigned lost = 0;
	enum rc rc = state_folders(c, &f, &n, e);

	mem_free(text);
	if (tree == NULL)
		tree = json_object();
	for (unsigned page = 0; rc == RC_OK && (first || f[0].more) && page < 10000; page++) {
		rc = hierarchy_page(c, &f[0], tree, first, e);
		if (rc == RC_TIMEOUT && ++lost <= MAX_LOST)
			rc = RC_OK; /* the same again */
		else
			first = false;
	}
	if (rc == RC_OK)
		rc = directories_keep(c, tree, e);
	cfolder_free(f, n);
	json_decref(tree);
	return rc;
}
