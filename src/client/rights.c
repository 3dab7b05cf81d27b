/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync folders, usmsync rights: what is there and who may do what, as a table for people or as JSON. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static json_t *
tree_load(struct client *c)
{
	char *text = state_get(c, "hierarchy");
	json_t *tree = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	mem_free(text);
	return tree != NULL ? tree : json_object();
}

/* ---- folders ---- */

enum rc
folders_command(struct client *c, struct err *e)
{
	json_t *tree = tree_load(c), *out = json_array();
	struct cfolder *f;
	size_t n;
	enum rc rc = state_folders(c, &f, &n, e);

	if (rc == RC_OK && !c->o.json)
		(void)printf("%-12s %-18s %s\n", "type", "your rights", "folder");
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		const json_t *x = json_object_get(tree, f[i].uuid);
		const char *level = rights_level(json_integer_value(json_object_get(x, "own_rights")));

		if (f[i].id == 0)
			continue;
		if (c->o.json)
			(void)json_array_append_new(out, json_pack("{s:s,s:s,s:s,s:s,s:O*}", "path", f[i].path, "uuid", f[i].uuid, "type", model_content(f[i].ct)->name,
			    "level", level, "owner", json_object_get(x, "owner")));
		else
			(void)printf("%-12s %-18s %s\n", model_content(f[i].ct)->name, level, f[i].path);
	}
	if (rc == RC_OK && c->o.json)
		print_json(out);
	cfolder_free(f, n);
	json_decref(tree);
	json_decref(out);
	return rc;
}

/* ---- rights ---- */

/* The uuid of a folder named by its path in the directory, or by itself; CT, unless NULL, is what it holds. */
enum rc
folder_named(struct client *c, const char *name, char uuid[UUID_TEXT], enum content *ct, struct err *e)
{
	size_t len = strlen(name), n;
	struct cfolder *f;
	enum rc rc = state_folders(c, &f, &n, e);

	while (len > 1 && name[len - 1] == '/')
		len--;
	uuid[0] = '\0';
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		if (f[i].id != 0 && (strcmp(f[i].uuid, name) == 0 || (strlen(f[i].path) == len && strncmp(f[i].path, name, len) == 0))) {
			(void)snprintf(uuid, UUID_TEXT, "%s", f[i].uuid);
			if (ct != NULL)
				*ct = f[i].ct;
		}
	cfolder_free(f, n);
	if (rc == RC_OK && uuid[0] == '\0')
		rc = err_set(e, RC_PROTO, "there is no folder \"%s\"; usmsync folders lists them", name);
	return rc;
}

static void
print_entry(const json_t *x, const char *who)
{
	const json_t *r = json_object_get(x, "rights");

	(void)printf("%-30s %-9s %-18s %-10s %-5s %-5s %-5s %s\n", who, json_string_value(json_object_get(x, "type")) != NULL ? json_string_value(json_object_get(x, "type")) : "",
	    json_string_value(json_object_get(x, "level")), json_string_value(json_object_get(r, "folder")), json_string_value(json_object_get(r, "read")),
	    json_string_value(json_object_get(r, "write")), json_string_value(json_object_get(r, "delete")), json_is_true(json_object_get(r, "administer")) ? "yes" : "no");
}

static void
print_permissions(const struct client *c, const json_t *data)
{
	const json_t *list = json_object_get(data, "entries");

	if (c->o.json) {
		print_json(data);
		return;
	}
	(void)printf("%-30s %-9s %-18s %-10s %-5s %-5s %-5s %s\n", "name", "type", "level", "folder", "read", "write", "del.", "administer");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i);
		char who[400];

		(void)snprintf(who, sizeof(who), "%s (#%lld)", json_string_value(json_object_get(x, "name")), (long long)json_integer_value(json_object_get(x, "entity")));
		print_entry(x, who);
	}
	print_entry(json_object_get(data, "own"), "you, with your groups");
}

/* "#5", "group:#8", "berta", "group:team" into ENTRY; the text ends at END. */
static void
entry_who(json_t *entry, const char *who, size_t len)
{
	static const char group[] = "group:";
	int64_t id;
	char name[400];

	if (len > sizeof(group) - 1 && strncmp(who, group, sizeof(group) - 1) == 0) {
		(void)json_object_set_new(entry, "group", json_true());
		who += sizeof(group) - 1;
		len -= sizeof(group) - 1;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)len, who);
	if (name[0] == '#' && parse_i64(name + 1, 0, INT32_MAX, &id))
		(void)json_object_set_new(entry, "entity", json_integer(id));
	else
		(void)json_object_set_new(entry, "name", json_string(name));
}

/* "author", "publishing-author", or folder/read/write/delete[/administer] such as create/all/own/none */
static enum rc
entry_level(json_t *entry, const char *text, struct err *e)
{
	char word[5][16] = { "", "", "", "", "no" }, level[40];
	int64_t bits;
	int n;

	(void)snprintf(level, sizeof(level), "%s", text);
	for (char *p = level; *p != '\0'; p++)
		*p = *p == '-' ? ' ' : *p;
	if (rights_of_level(level, &bits)) {
		(void)json_object_set_new(entry, "level", json_string(rights_level(bits)));
		return RC_OK;
	}
	n = sscanf(text, "%15[a-z]/%15[a-z]/%15[a-z]/%15[a-z]/%15[a-z]", word[0], word[1], word[2], word[3], word[4]);
	if (n < 4)
		return err_set(e, RC_PROTO, "\"%s\" is no level: none, contributor, reviewer, nonediting-author, author, publishing-author, editor, publishing-editor, owner, "
		    "or single rights such as create/all/own/none", text);
	(void)json_object_set_new(entry, "rights", json_pack("{s:s,s:s,s:s,s:s,s:b}", "folder", word[0], "read", word[1], "write", word[2], "delete", word[3], "administer",
	    strcmp(word[4], "yes") == 0));
	return RC_OK;
}

static enum rc
read_changes(char *const *arg, int n, json_t *body, struct err *e)
{
	json_t *set = json_array(), *gone = json_array();
	bool removing = false;
	enum rc rc = RC_OK;

	(void)json_object_set_new(body, "set", set);
	(void)json_object_set_new(body, "remove", gone);
	for (int i = 0; i < n && rc == RC_OK; i++) {
		const char *eq = strrchr(arg[i], '=');
		json_t *entry;

		if (strcmp(arg[i], "set") == 0 || strcmp(arg[i], "remove") == 0) {
			removing = arg[i][0] == 'r';
			continue;
		}
		if (i == 0 || (!removing && eq == NULL))
			return err_set(e, RC_PROTO, "\"%s\" is not understood: give set WHO=LEVEL ... or remove WHO ...", arg[i]);
		entry = json_object();
		entry_who(entry, arg[i], removing ? strlen(arg[i]) : (size_t)(eq - arg[i]));
		if (!removing)
			rc = entry_level(entry, eq + 1, e);
		(void)json_array_append_new(removing ? gone : set, entry);
	}
	return rc;
}

enum rc
rights_command(struct client *c, struct err *e)
{
	char uuid[UUID_TEXT];
	json_t *body = json_object(), *data = NULL, *after = NULL;
	enum rc rc;

	if (c->o.n_command < 2)
		rc = err_set(e, RC_PROTO, "usmsync rights needs a folder; usmsync folders lists them");
	else
		rc = folder_named(c, c->o.command[1], uuid, NULL, e);
	if (rc == RC_OK) {
		(void)json_object_set_new(body, "folder", json_string(uuid));
		rc = net_call(c->net, "getPermissions", body, 120, &data, e);
	}
	if (rc == RC_OK && c->o.n_command > 2) {
		(void)json_object_set(body, "rev", json_object_get(data, "rev"));
		rc = read_changes(c->o.command + 2, c->o.n_command - 2, body, e);
		if (rc == RC_OK)
			rc = net_call(c->net, "setPermissions", body, 120, &after, e);
		if (rc == RC_OK && !json_is_true(json_object_get(after, "applied")))
			complain(c, "somebody else changed the permissions just now; nothing was set, these are the present ones");
	}
	if (rc == RC_OK)
		print_permissions(c, after != NULL ? after : data);
	json_decref(body);
	json_decref(data);
	json_decref(after);
	return rc;
}
