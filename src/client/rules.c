/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync rules: the mail server's rules as a table, one of them in words, switched, moved, deleted, made. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LINE 400

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* ---- in words ---- */

static void
list_words(struct buf *b, const json_t *list)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		buf_adds(b, i > 0 ? " or " : " ");
		if (json_is_integer(v))
			buf_add_i64(b, json_integer_value(v));
		else
			buf_addf(b, "\"%s\"", json_string_value(v) != NULL ? json_string_value(v) : "?");
	}
}

static void
test_words(struct buf *b, const json_t *t)
{
	const char *id = text_of(t, "id"), *join = strcmp(id, "allof") == 0 ? " and " : " or ";
	size_t i;
	json_t *v;

	if (strcmp(id, "allof") == 0 || strcmp(id, "anyof") == 0) {
		json_array_foreach(json_object_get(t, "tests"), i, v) {
			buf_adds(b, i > 0 ? join : "(");
			test_words(b, v);
		}
		buf_addc(b, ')');
		return;
	}
	if (strcmp(id, "not") == 0) {
		buf_adds(b, "not ");
		test_words(b, json_object_get(t, "test"));
		return;
	}
	buf_adds(b, strcmp(id, "true") == 0 ? "every mail" : id);
	list_words(b, json_object_get(t, "headers"));
	if (text_of(t, "comparison")[0] != '\0')
		buf_addf(b, " %s", text_of(t, "comparison"));
	list_words(b, json_object_get(t, "values"));
	list_words(b, json_object_get(t, "datevalue"));
	if (text_of(t, "size")[0] != '\0')
		buf_addf(b, " %s", text_of(t, "size"));
}

static void
folder_words(struct client *c, struct buf *b, const json_t *action)
{
	const char *uuid = text_of(action, "folder"), *name = text_of(action, "into");
	struct cfolder *f = NULL;
	size_t n = 0;

	if (state_folders(c, &f, &n, NULL) == RC_OK)
		for (size_t i = 0; i < n; i++)
			if (f[i].id != 0 && strcmp(f[i].uuid, uuid) == 0)
				name = f[i].path;
	buf_addf(b, " %s", name);
	cfolder_free(f, n);
}

static void
action_words(struct client *c, struct buf *b, const json_t *action)
{
	buf_adds(b, text_of(action, "id"));
	if (json_object_get(action, "into") != NULL)
		folder_words(c, b, action);
	if (text_of(action, "to")[0] != '\0')
		buf_addf(b, " %s", text_of(action, "to"));
	list_words(b, json_object_get(action, "flags"));
}

static void
rule_words(struct client *c, struct buf *b, const json_t *rule)
{
	size_t i;
	json_t *v;

	buf_adds(b, "if ");
	test_words(b, json_object_get(rule, "test"));
	buf_adds(b, ": ");
	json_array_foreach(json_object_get(rule, "actions"), i, v) {
		buf_adds(b, i > 0 ? ", " : "");
		action_words(c, b, v);
	}
	if (json_is_true(json_object_get(rule, "stop")))
		buf_adds(b, json_array_size(json_object_get(rule, "actions")) > 0 ? ", stop" : "stop");
}

static void
print_rules(struct client *c, const json_t *data)
{
	struct buf b;
	size_t i;
	json_t *r;

	if (c->o.json) {
		print_json(data);
		return;
	}
	(void)printf("%4s %-4s %-30s %s\n", "N", "on", "name", "what it does");
	json_array_foreach(json_object_get(data, "rules"), i, r) {
		buf_init(&b, MAX_LINE);
		rule_words(c, &b, r);
		(void)printf("%4zu %-4s %-30s %s\n", i + 1, json_is_true(json_object_get(r, "active")) ? "yes" : "no", text_of(r, "name"), b.p != NULL ? b.p : "");
		buf_fini(&b);
	}
	if (json_integer_value(json_object_get(data, "hidden")) > 0)
		(void)printf("There are rules that the groupware server cannot read: nothing can be changed here.\n");
}

/* ---- changing ---- */

/* The rule that ARG names by its place in the list, 1 the first. */
static enum rc
rule_named(const json_t *data, const char *arg, size_t *at, const json_t **rule, struct err *e)
{
	const json_t *list = json_object_get(data, "rules");
	int64_t n;

	if (arg == NULL || !parse_i64(arg, 1, (int64_t)json_array_size(list), &n))
		return err_set(e, RC_PROTO, "there is no rule \"%s\"; usmsync rules lists them", arg != NULL ? arg : "");
	*at = (size_t)n - 1;
	*rule = json_array_get(list, *at);
	return RC_OK;
}

/* COMMAND with BODY (stolen); says when somebody else was faster. */
static enum rc
write_rule(struct client *c, const char *command, json_t *body, struct err *e)
{
	json_t *after = NULL;
	enum rc rc = net_call(c->net, command, body, 120, &after, e);

	if (rc == RC_OK && !json_is_true(json_object_get(after, "applied")))
		complain(c, "somebody else changed the rules just now; nothing was changed, these are the present ones");
	json_decref(after);
	json_decref(body);
	return rc;
}

static json_t *
id_and_rev(const json_t *rule)
{
	return json_pack("{s:O,s:O}", "id", json_object_get(rule, "id"), "rev", json_object_get(rule, "rev"));
}

static enum rc
switch_rule(struct client *c, const json_t *rule, bool on, struct err *e)
{
	json_t *body = id_and_rev(rule);

	(void)json_object_set_new(body, "active", json_boolean(on));
	return write_rule(c, "setRule", body, e);
}

static enum rc
move_rule(struct client *c, const json_t *data, size_t from, const char *pos, struct err *e)
{
	const json_t *list = json_object_get(data, "rules");
	json_t *order = json_array(), *id, *v;
	int64_t to;
	size_t i;

	if (pos == NULL || !parse_i64(pos, 1, (int64_t)json_array_size(list), &to)) {
		json_decref(order);
		return err_set(e, RC_PROTO, "rules move N POS: POS is from 1 to %zu", json_array_size(list));
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		(void)json_array_append(order, json_object_get(v, "id"));
	id = json_incref(json_array_get(order, from));
	(void)json_array_remove(order, from);
	(void)json_array_insert_new(order, (size_t)to - 1, id);
	return write_rule(c, "orderRules", json_pack("{s:o,s:O}", "order", order, "rev", json_object_get(data, "rev")), e);
}

/* A condition "from:contains=text": what is tested, how, with what. */
static enum rc
add_condition(json_t *tests, const char *arg, struct err *e)
{
	const char *colon = strchr(arg, ':'), *eq = strchr(arg, '=');
	char id[64], comparison[64];
	bool header;
	json_t *t;

	if (colon == NULL || eq == NULL || colon > eq || colon == arg || (size_t)(colon - arg) >= sizeof(id) || (size_t)(eq - colon) >= sizeof(comparison))
		return err_set(e, RC_PROTO, "\"%s\" is no condition such as from:contains=ada or header.X-Spam:is=YES", arg);
	(void)snprintf(id, sizeof(id), "%.*s", (int)(colon - arg), arg);
	(void)snprintf(comparison, sizeof(comparison), "%.*s", (int)(eq - colon - 1), colon + 1);
	header = strncmp(id, "header.", 7) == 0;
	if (strcmp(id, "size") == 0)
		t = json_pack("{s:s,s:s,s:s}", "id", id, "comparison", comparison, "size", eq + 1);
	else if (strcmp(id, "body") == 0)
		t = json_pack("{s:s,s:s,s:s,s:n,s:[s]}", "id", id, "comparison", comparison, "extensionskey", "text", "extensionsvalue", "values", eq + 1);
	else if (header)
		t = json_pack("{s:s,s:s,s:[s],s:[s]}", "id", "header", "comparison", comparison, "headers", id + 7, "values", eq + 1);
	else
		t = json_pack("{s:s,s:s,s:[s]}", "id", id, "comparison", comparison, "values", eq + 1);
	return t != NULL && json_array_append_new(tests, t) == 0 ? RC_OK : err_set(e, RC_PROTO, "\"%s\" is no text in UTF-8", arg);
}

/* An action: move=FOLDER, copy=FOLDER, redirect=ADDRESS, flag=FLAG, reject=TEXT, keep, discard, stop. */
static enum rc
add_action(struct client *c, json_t *rule, json_t *actions, const char *arg, struct err *e)
{
	const char *eq = strchr(arg, '='), *value = eq != NULL ? eq + 1 : "";
	size_t n = eq != NULL ? (size_t)(eq - arg) : strlen(arg);
	char uuid[UUID_TEXT];
	json_t *a = NULL;
	enum rc rc;

	if (strcmp(arg, "stop") == 0)
		return json_object_set_new(rule, "stop", json_true()) == 0 ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
	if (n == 4 && (strncmp(arg, "move", n) == 0 || strncmp(arg, "copy", n) == 0) && eq != NULL) {
		rc = folder_named(c, value, uuid, NULL, e);
		if (rc != RC_OK)
			return rc;
		a = json_pack("{s:s%,s:s}", "id", arg, n, "folder", uuid);
	} else if (n == 8 && strncmp(arg, "redirect", n) == 0 && eq != NULL) {
		a = json_pack("{s:s,s:s}", "id", "redirect", "to", value);
	} else if (n == 4 && strncmp(arg, "flag", n) == 0 && eq != NULL) {
		a = json_pack("{s:s,s:[s]}", "id", "addflags", "flags", value);
	} else if (n == 6 && strncmp(arg, "reject", n) == 0 && eq != NULL) {
		a = json_pack("{s:s,s:s}", "id", "reject", "text", value);
	} else if (strcmp(arg, "keep") == 0 || strcmp(arg, "discard") == 0) {
		a = json_pack("{s:s}", "id", arg);
	}
	if (a == NULL || json_array_append_new(actions, a) != 0)
		return err_set(e, RC_PROTO, "\"%s\" is no action: move=FOLDER, copy=FOLDER, redirect=ADDRESS, flag=FLAG, reject=TEXT, keep, discard or stop", arg);
	return RC_OK;
}

/* add NAME [all | any] CONDITION... then ACTION...  Asked again after a lost answer it is the same rule: its clientId is made of the words. */
static enum rc
add_rule(struct client *c, char *const *arg, int n, struct err *e)
{
	json_t *rule = json_object(), *tests = json_array(), *actions = json_array(), *test;
	const char *group = "allof";
	unsigned char hash[32];
	enum rc rc = RC_OK;
	struct buf words;
	char id[33];

	if (n < 1)
		rc = err_set(e, RC_PROTO, "rules add NAME [all | any] CONDITION... then ACTION...");
	buf_init(&words, 0);
	for (int i = 0; i < n; i++)
		buf_add(&words, arg[i], strlen(arg[i]) + 1);
	sha256(words.p != NULL ? words.p : "", words.len, hash);
	hex_encode(hash, 16, id);
	buf_fini(&words);
	for (int i = 1, then = 0; i < n && rc == RC_OK; i++) {
		if (i == 1 && (strcmp(arg[i], "all") == 0 || strcmp(arg[i], "any") == 0))
			group = strcmp(arg[i], "any") == 0 ? "anyof" : "allof";
		else if (!then && strcmp(arg[i], "then") == 0)
			then = 1;
		else
			rc = then ? add_action(c, rule, actions, arg[i], e) : add_condition(tests, arg[i], e);
	}
	if (json_array_size(tests) == 0)
		test = json_pack("{s:s}", "id", "true");
	else if (json_array_size(tests) == 1)
		test = json_incref(json_array_get(tests, 0));
	else
		test = json_pack("{s:s,s:O}", "id", group, "tests", tests);
	(void)json_object_set_new(rule, "clientId", json_string(id));
	(void)json_object_set_new(rule, "name", json_string(n > 0 ? arg[0] : ""));
	(void)json_object_set_new(rule, "test", test);
	(void)json_object_set(rule, "actions", actions);
	json_decref(tests);
	json_decref(actions);
	if (rc == RC_OK)
		return write_rule(c, "setRule", rule, e);
	json_decref(rule);
	return rc;
}

/* One word and what it needs of the list DATA. */
static enum rc
run_word(struct client *c, const json_t *data, const char *word, const char *arg, const char *arg2, struct err *e)
{
	const json_t *rule;
	size_t at;
	enum rc rc = rule_named(data, arg, &at, &rule, e);

	if (rc != RC_OK)
		return rc;
	if (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)
		return switch_rule(c, rule, strcmp(word, "on") == 0, e);
	if (strcmp(word, "delete") == 0)
		return write_rule(c, "deleteRule", id_and_rev(rule), e);
	if (strcmp(word, "move") == 0)
		return move_rule(c, data, at, arg2, e);
	return err_set(e, RC_PROTO, "rules has list, show, on, off, delete, move and add, not \"%s\"", word);
}

enum rc
rules_command(struct client *c, struct err *e)
{
	const char *word = c->o.n_command > 1 ? c->o.command[1] : "list", *arg = c->o.n_command > 2 ? c->o.command[2] : NULL;
	json_t *data = NULL, *none = json_object();
	const json_t *rule;
	size_t at;
	enum rc rc = net_call(c->net, "getRules", none, 120, &data, e);
	bool show = strcmp(word, "show") == 0, list = strcmp(word, "list") == 0;

	if (rc == RC_OK && show) {
		rc = rule_named(data, arg, &at, &rule, e);
		if (rc == RC_OK)
			print_json(rule);
	} else if (rc == RC_OK && !list) {
		rc = strcmp(word, "add") == 0 ? add_rule(c, c->o.command + 2, c->o.n_command - 2, e) :
		    run_word(c, data, word, arg, c->o.n_command > 3 ? c->o.command[3] : NULL, e);
		json_decref(data);
		data = NULL;
		if (rc == RC_OK)
			rc = net_call(c->net, "getRules", none, 120, &data, e);
	}
	if (rc == RC_OK && !show)
		print_rules(c, data);
	json_decref(data);
	json_decref(none);
	return rc;
}
