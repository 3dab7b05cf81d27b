/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How much of each folder this device gets (--mode FOLDER=MODE) and which folders go first (--first FOLDER).  The server keeps the modes, and has one
 * for each kind of folder that nobody named: those of the options are told to it when they differ from what was told last, and what counts is its answer.
 */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

/* The mode that an option gives to the directory PATH, or NULL; the last one counts. */
static const char *
mode_of(const struct client *c, const char *path)
{
	size_t n = strlen(path);

	for (unsigned i = c->o.n_modes; i-- > 0;)
		if (strncmp(c->o.modes[i], path, n) == 0 && c->o.modes[i][n] == '=')
			return c->o.modes[i] + n + 1;
	return NULL;
}

bool
mode_valid(const char *option)
{
	const char *eq = strrchr(option, '=');

	return eq != NULL && eq != option && (strcmp(eq, "=full") == 0 || strcmp(eq, "=headers") == 0 || strcmp(eq, "=off") == 0);
}

/* What the server gives of F: "off" by its type, or the mode of the folder itself, or that of its kind; "full" while it was not asked. */
static const char *
folder_mode(const struct client *c, const struct cfolder *f)
{
	const char *type = model_content(f->ct)->name, *mode = json_string_value(json_object_get(json_object_get(c->config, "folders"), f->uuid));
	const char *kind = f->ct == CT_MAIL && c->inbox[0] != '\0' && strcmp(f->uuid, c->inbox) == 0 ? "inbox" : type;

	if (json_is_false(json_object_get(json_object_get(c->config, "types"), type)))
		return "off";
	if (mode == NULL)
		mode = json_string_value(json_object_get(json_object_get(c->config, "modes"), kind));
	return mode != NULL ? mode : "full";
}

bool
folder_is_off(const struct client *c, const struct cfolder *f)
{
	return strcmp(folder_mode(c, f), "off") == 0;
}

bool
folder_is_headers(const struct client *c, const struct cfolder *f)
{
	return strcmp(folder_mode(c, f), "headers") == 0;
}

/* Place of F among the folders that go first, or their number. */
unsigned
folder_rank(const struct client *c, const struct cfolder *f)
{
	unsigned i = 0;

	while (i < c->o.n_first && strcmp(c->o.first[i], f->path) != 0)
		i++;
	return i;
}

/* An option that names no folder is most likely misspelt. */
static void
unknown_folders(struct client *c, const struct cfolder *f, size_t n)
{
	for (unsigned i = 0; i < c->o.n_modes; i++) {
		size_t len = (size_t)(strrchr(c->o.modes[i], '=') - c->o.modes[i]), k = 0;

		while (k < n && (strncmp(f[k].path, c->o.modes[i], len) != 0 || f[k].path[len] != '\0'))
			k++;
		if (k == n)
			complain(c, "--mode %s: there is no such folder; usmsync folders lists them", c->o.modes[i]);
	}
	for (unsigned i = 0; i < c->o.n_first; i++) {
		size_t k = 0;

		while (k < n && strcmp(f[k].path, c->o.first[i]) != 0)
			k++;
		if (k == n)
			complain(c, "--first %s: there is no such folder; usmsync folders lists them", c->o.first[i]);
	}
}

/* Folders that had a mode and have none any more get that of their kind again. */
enum rc
modes_tell(struct client *c, const struct cfolder *f, size_t n, struct err *e)
{
	char *before = state_get(c, "modes"), *text = NULL;
	json_t *old = before != NULL ? json_loads(before, JSON_REJECT_DUPLICATES, NULL) : NULL, *now = json_object(), *ask = json_object(), *folders, *v;
	const char *uuid;
	enum rc rc;

	unknown_folders(c, f, n);
	for (size_t i = 0; i < n; i++)
		if (f[i].id != 0 && f[i].uuid[0] != '\0' && mode_of(c, f[i].path) != NULL)
			(void)json_object_set_new(now, f[i].uuid, json_string(mode_of(c, f[i].path)));
	json_decref(c->config);
	c->config = NULL;
	if (old == NULL ? json_object_size(now) == 0 : json_equal(old, now)) {
		rc = net_call(c->net, "getConfig", ask, 60, &c->config, e);
		goto out;
	}
	folders = json_copy(now);
	json_object_foreach(old, uuid, v)
		if (json_object_get(now, uuid) == NULL)
			(void)json_object_set_new(folders, uuid, json_null());
	(void)json_object_set_new(ask, "folders", folders);
	rc = net_call(c->net, "setConfig", ask, 60, &c->config, e);
	text = json_dumps(now, JSON_COMPACT | JSON_SORT_KEYS);
	if (rc == RC_OK)
		rc = state_set(c, "modes", text != NULL ? text : "{}", e);
out:
	free(text); /* jansson's own allocation */
	mem_free(before);
	json_decref(old);
	json_decref(now);
	json_decref(ask);
	return rc;
}
