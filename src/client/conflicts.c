/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What lost a conflict, as a table; written again at the server, or forgotten. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUE_WIDTH 60 /* bytes of a value that the table shows */

static void
print_time(json_int_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[40] = "";

	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	(void)printf("%-16s", text);
}

/* "this device", "device lap", "server" */
static void
print_side(const json_t *x, const char *key)
{
	const char *s = json_string_value(json_object_get(x, key)), *device = json_string_value(json_object_get(x, "device"));

	if (s != NULL && strcmp(s, "client") == 0)
		(void)printf("device %s", device != NULL ? device : "unknown");
	else
		(void)printf("%s", s != NULL && strcmp(s, "device") == 0 ? "this device" : "the server");
}

/* A value on one line: control characters are no part of a table. */
static void
print_value(const json_t *v)
{
	char *text = json_is_string(v) ? mem_dup_str(json_string_value(v)) : NULL, *dump = text == NULL ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	const char *p = text != NULL ? text : dump != NULL ? dump : "";
	size_t n = strlen(p), cut = n;

	if (cut > VALUE_WIDTH) /* not within a character */
		for (cut = VALUE_WIDTH; cut > 0 && ((unsigned char)p[cut] & 0xc0) == 0x80;)
			cut--;
	for (size_t i = 0; i < cut; i++)
		(void)putchar((unsigned char)p[i] < 0x20 || p[i] == 0x7f ? ' ' : p[i]);
	(void)printf("%s", cut < n ? "..." : "");
	mem_free(text);
	free(dump); /* jansson's own allocation */
}

static const char *
path_of(const struct cfolder *f, size_t n, const char *uuid)
{
	for (size_t i = 0; uuid != NULL && i < n; i++)
		if (strcmp(f[i].uuid, uuid) == 0)
			return f[i].path;
	return uuid != NULL ? "(unknown folder)" : "(folders)";
}

static void
print_conflict(const json_t *x, const struct cfolder *f, size_t n)
{
	const char *title = json_string_value(json_object_get(x, "title")), *type = json_string_value(json_object_get(x, "objectType"));
	const json_t *fields = json_object_get(x, "fields"), *values = json_object_get(x, "values"), *name;
	size_t i;

	(void)printf("%-6lld ", (long long)json_integer_value(json_object_get(x, "id")));
	print_time(json_integer_value(json_object_get(x, "time")));
	(void)printf("  %s \"%s\" in %s: ", type != NULL ? type : "object", title != NULL ? title : "(no title)",
	    path_of(f, n, json_string_value(json_object_get(x, "folder"))));
	print_side(x, "loser");
	(void)printf(" lost to ");
	print_side(x, "winner");
	(void)printf("; kept until ");
	print_time(json_integer_value(json_object_get(x, "expires")));
	(void)printf("\n");
	json_array_foreach(fields, i, name) {
		const json_t *v = json_object_get(values, json_string_value(name));

		(void)printf("       %-24s ", json_string_value(name));
		if (v == NULL)
			(void)printf("(not shown)");
		else
			print_value(v);
		(void)printf("\n");
	}
}

/* All pages. */
static enum rc
fetch(struct client *c, json_t *all, struct err *e)
{
	bool more = true;
	json_t *body = json_pack("{s:i}", "limit", 100), *data;
	enum rc rc = RC_OK;

	while (more && rc == RC_OK) {
		data = NULL;
		rc = net_call(c->net, "getConflicts", body, 120, &data, e);
		if (rc == RC_OK) {
			(void)json_array_extend(all, json_object_get(data, "conflicts"));
			(void)json_object_set(body, "after", json_object_get(data, "next"));
			more = json_is_true(json_object_get(data, "more"));
		}
		json_decref(data);
	}
	json_decref(body);
	return rc;
}

static enum rc
list(struct client *c, struct err *e)
{
	json_t *all = json_array();
	struct cfolder *f = NULL;
	size_t n = 0, i;
	const json_t *x;
	enum rc rc = fetch(c, all, e);

	if (rc == RC_OK)
		rc = state_folders(c, &f, &n, e);
	if (rc == RC_OK && c->o.json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		(void)printf("\n");
	} else if (rc == RC_OK) {
		json_array_foreach(all, i, x)
			print_conflict(x, f, n);
		if (json_array_size(all) == 0)
			say(c, "nothing has lost a conflict");
	}
	cfolder_free(f, n);
	json_decref(all);
	return rc;
}

/* One of them; what the server says of it goes to the user, and the others are still done. */
static enum rc
settle(struct client *c, const char *command, const char *id, struct err *e)
{
	json_t *body, *data = NULL;
	const char *status;
	int64_t n;
	enum rc rc = RC_TIMEOUT;

	if (!parse_i64(id, 1, (int64_t)1 << 53, &n))
		return err_set(e, RC_PROTO, "\"%s\" is no number of a conflict; usmsync conflicts lists them", id);
	body = json_pack("{s:I}", "id", (json_int_t)n);
	for (unsigned i = 0; rc == RC_TIMEOUT && i < MAX_LOST && !client_stop; i++) /* both may be repeated */
		rc = net_call(c->net, command, body, 300, &data, e);
	status = json_string_value(json_object_get(data, "status"));
	if (rc == RC_OK && status != NULL && strcmp(status, "ok") != 0)
		complain(c, "%s: it is not known whether it was written; restore it again in a few minutes", id);
	if (rc == RC_NOTFOUND || rc == RC_PROTO || rc == RC_FORBIDDEN) {
		complain(c, "%s: %s", id, e->text);
		rc = RC_OK;
	}
	json_decref(body);
	json_decref(data);
	return rc;
}

enum rc
conflicts_command(struct client *c, struct err *e)
{
	char *const *arg = c->o.command + 1;
	int n = c->o.n_command - 1;
	const char *command;
	enum rc rc = RC_OK;

	if (n == 0)
		return list(c, e);
	command = strcmp(arg[0], "restore") == 0 ? "restoreConflict" : strcmp(arg[0], "dismiss") == 0 ? "dismissConflict" : NULL;
	if (command == NULL || n < 2)
		return err_set(e, RC_PROTO, "say usmsync conflicts, usmsync conflicts restore ID ... or usmsync conflicts dismiss ID ...");
	for (int i = 1; i < n && rc == RC_OK; i++)
		rc = settle(c, command, arg[i], e);
	return rc;
}
