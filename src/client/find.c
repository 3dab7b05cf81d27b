/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync find, usmsync who: what the server finds, as a table for people or as JSON; found mails into files. */
#include "client/client_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE 100
#define MAX_WHO 20 /* names of one request (usm-json(7), resolveRecipients) */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* On one line: control characters are no part of a table. */
static void
print_text(const char *s)
{
	for (; *s != '\0'; s++)
		(void)putchar((unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

static void
print_all(const json_t *v)
{
	(void)json_dumpf(v, stdout, JSON_INDENT(2));
	(void)printf("\n");
}

/* ---- find ---- */

static const char *
path_of(const struct cfolder *f, size_t n, const char *uuid)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].uuid, uuid) == 0)
			return f[i].path;
	return uuid; /* a folder that is not kept here */
}

static void
print_when(const json_t *o)
{
	static const char *const keys[] = { "received_date", "start_date", "end_time", "end_date" };
	json_int_t ms = 0;
	char text[40] = "";
	struct tm tm;
	time_t t;

	for (size_t i = 0; i < ARRAY_LEN(keys) && ms == 0; i++)
		ms = json_integer_value(json_object_get(o, keys[i]));
	t = (time_t)(ms / 1000);
	if (ms != 0 && localtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	(void)printf("%-16s  ", text);
}

static void
print_found(const json_t *x, const struct cfolder *f, size_t n)
{
	const json_t *o = json_object_get(x, "object"), *from = json_array_get(json_array_get(json_object_get(o, "from"), 0), 1);
	const char *type = text_of(o, "objectType");

	(void)printf("%-12s ", type);
	print_when(o);
	print_text(text_of(o, strcmp(type, "contact") == 0 ? "display_name" : strcmp(type, "mail") == 0 ? "subject" : "title"));
	if (json_is_string(from)) {
		(void)printf("  (");
		print_text(json_string_value(from));
		(void)printf(")");
	}
	(void)printf("  in %s\n", path_of(f, n, text_of(x, "folder")));
}

/* The mail X as DIR/uuid.eml; one that is there is the same. */
static enum rc
save_mail(struct client *c, const json_t *x, struct err *e)
{
	const char *uuid = text_of(json_object_get(x, "object"), "uuid");
	struct buf raw, path;
	FILE *f = NULL;
	enum rc rc;

	buf_init(&raw, 0);
	buf_init(&path, 0);
	buf_addf(&path, "%s/%s.eml", c->o.save, uuid);
	rc = path.failed ? err_set(e, RC_NOMEM, "out of memory") : net_mail(c->net, text_of(x, "folder"), uuid, &raw, e);
	if (rc == RC_NOTFOUND) {
		complain(c, "%s: the mail has gone meanwhile", path.p);
		rc = RC_OK;
		goto out;
	}
	if (rc == RC_OK && (f = fopen(path.p, "wbx")) == NULL && errno != EEXIST)
		rc = err_set(e, RC_PROTO, "%s cannot be written: %s", path.p, strerror(errno));
	if (f != NULL && raw.len != 0 && fwrite(raw.p, 1, raw.len, f) != raw.len)
		rc = err_set(e, RC_PROTO, "%s cannot be written: %s", path.p, strerror(errno));
	if (f != NULL && fclose(f) != 0 && rc == RC_OK)
		rc = err_set(e, RC_PROTO, "%s cannot be written: %s", path.p, strerror(errno));
	if (rc == RC_OK)
		say(c, "%s", path.p);
out:
	buf_fini(&raw);
	buf_fini(&path);
	return rc;
}

/* All pages of one type into ALL. */
static enum rc
find_type(struct client *c, json_t *body, const char *type, json_t *all, struct err *e)
{
	bool more = true;
	enum rc rc = RC_OK;

	(void)json_object_set_new(body, "objectType", json_string(type));
	(void)json_object_del(body, "cursor");
	while (more && rc == RC_OK && !client_stop) {
		json_t *data = NULL;

		rc = net_call(c->net, "search", body, 300, &data, e);
		c->t.requests++;
		if (rc == RC_OK) {
			(void)json_array_extend(all, json_object_get(data, "found"));
			(void)json_object_set(body, "cursor", json_object_get(data, "cursor"));
			more = json_is_true(json_object_get(data, "more"));
			if (!more && json_is_true(json_object_get(data, "cut")))
				say(c, "%s: there are more; say more of what is looked for", type);
		}
		json_decref(data);
	}
	return rc;
}

static enum rc
words_of(struct client *c, json_t *body, struct err *e)
{
	struct buf text;
	enum rc rc = RC_OK;

	buf_init(&text, 0);
	for (int i = 1; i < c->o.n_command; i++)
		buf_addf(&text, "%s%s", i > 1 ? " " : "", c->o.command[i]);
	if (text.failed || (text.len > 0 && json_object_set_new(body, "text", json_string(text.p)) != 0))
		rc = err_set(e, RC_PROTO, "what is looked for is no valid UTF-8");
	buf_fini(&text);
	return rc;
}

/* The members that are for mail; true when there is one. */
static bool
mail_members(const struct client *c, json_t *body)
{
	const struct { const char *key, *value; } m[] = { { "from", c->o.from }, { "to", c->o.to }, { "subject", c->o.subject }, { "body", c->o.body } };
	bool some = false;

	for (size_t i = 0; i < ARRAY_LEN(m); i++)
		if (m[i].value != NULL) {
			(void)json_object_set_new(body, m[i].key, json_string(m[i].value));
			some = true;
		}
	return some;
}

/* The types that are asked for: that which is named, that of the folder, mail where only mail has what is looked for, else all four. */
static enum rc
find_types(struct client *c, json_t *body, bool mail, json_t *all, struct err *e)
{
	static const char *const types[] = { "contact", "appointment", "task", "mail" };
	const char *only = c->o.type != NULL ? c->o.type : mail ? "mail" : NULL;
	char uuid[UUID_TEXT];
	enum content ct;
	enum rc rc = RC_OK;

	if (c->o.in != NULL) {
		rc = folder_named(c, c->o.in, uuid, &ct, e);
		if (rc == RC_OK) {
			(void)json_object_set_new(body, "folder", json_string(uuid));
			only = only != NULL ? only : model_content(ct)->name;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(types) && rc == RC_OK; i++) {
		if (only != NULL && strcmp(only, types[i]) != 0)
			continue;
		rc = find_type(c, body, types[i], all, e);
		if (rc != RC_OK && only == NULL && strcmp(e->code, "not-available") == 0) /* the others are */
			rc = RC_OK;
	}
	return rc;
}

enum rc
find_command(struct client *c, struct err *e)
{
	json_t *body = json_pack("{s:i}", "limit", PAGE), *all = json_array(), *x;
	bool mail = mail_members(c, body);
	struct cfolder *f = NULL;
	size_t n = 0, i;
	enum rc rc = words_of(c, body, e);

	if (rc == RC_OK && c->o.n_command < 2 && !mail)
		rc = err_set(e, RC_PROTO, "usmsync find needs words to look for, or --from, --to, --subject or --body");
	if (rc == RC_OK)
		rc = find_types(c, body, mail, all, e);
	if (rc == RC_OK)
		rc = state_folders(c, &f, &n, e);
	if (rc == RC_OK && c->o.json)
		print_all(all);
	json_array_foreach (all, i, x) {
		if (rc == RC_OK && !c->o.json)
			print_found(x, f, n);
		if (rc == RC_OK && c->o.save != NULL && strcmp(text_of(json_object_get(x, "object"), "objectType"), "mail") == 0)
			rc = save_mail(c, x, e);
	}
	if (rc == RC_OK && json_array_size(all) == 0)
		say(c, "nothing is found");
	cfolder_free(f, n);
	json_decref(body);
	json_decref(all);
	return rc;
}

/* ---- who ---- */

static void
print_person(const json_t *p)
{
	const json_t *addresses = json_object_get(p, "addresses"), *members = json_object_get(p, "members");

	(void)printf("%-9s ", text_of(p, "kind"));
	print_text(text_of(p, "name"));
	for (size_t i = 0; i < json_array_size(addresses); i++) {
		(void)printf("%s", i > 0 ? ", " : "  <");
		print_text(json_string_value(json_array_get(addresses, i)));
	}
	(void)printf("%s", json_array_size(addresses) > 0 ? ">" : "");
	if (json_object_get(p, "entity") != NULL)
		(void)printf("  #%lld", (long long)json_integer_value(json_object_get(p, "entity")));
	(void)printf("\n");
	for (size_t i = 0; i < json_array_size(members); i++) {
		(void)printf("          - ");
		print_text(text_of(json_array_get(members, i), "name"));
		(void)printf("  <");
		print_text(text_of(json_array_get(members, i), "address"));
		(void)printf(">\n");
	}
}

static void
print_answers(struct client *c, const json_t *data)
{
	const json_t *r, *p;
	size_t i, k, n = 0;

	json_array_foreach (json_object_get(data, "results"), i, r) {
		json_array_foreach (json_object_get(r, "recipients"), k, p) {
			print_person(p);
			n++;
		}
		if (json_is_true(json_object_get(r, "more")))
			say(c, "%s: there are more; give more letters", text_of(r, "query"));
	}
	if (n == 0)
		say(c, "nobody is found");
}

enum rc
who_command(struct client *c, struct err *e)
{
	json_t *names = json_array(), *body, *data = NULL;
	enum rc rc;

	for (int i = 1; i < c->o.n_command; i++)
		(void)json_array_append_new(names, json_string(c->o.command[i]));
	if (c->o.n_command < 2 || c->o.n_command - 1 > MAX_WHO)
		rc = err_set(e, RC_PROTO, "usmsync who needs 1 to %d names or addresses, or beginnings of them", MAX_WHO);
	else if (json_array_size(names) != (size_t)c->o.n_command - 1)
		rc = err_set(e, RC_PROTO, "a name is no valid UTF-8");
	else
		rc = RC_OK;
	body = json_pack("{s:O,s:b,s:i}", "queries", names, "members", 1, "limit", PAGE);
	if (rc == RC_OK)
		rc = net_call(c->net, "resolveRecipients", body, 300, &data, e);
	if (rc == RC_OK && c->o.json)
		print_all(json_object_get(data, "results"));
	else if (rc == RC_OK)
		print_answers(c, data);
	json_decref(names);
	json_decref(body);
	json_decref(data);
	return rc;
}
