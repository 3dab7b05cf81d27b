/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync signatures: those that the groupware server keeps, as a table, one of them in full, made, changed, deleted. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TEXT (1U << 20) /* usm-json(7), setSignature */
#define FIRST_WORDS 40      /* octets of the content that the table shows */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* ---- showing ---- */

/* How the content begins, on one line; of HTML without the tags. */
static void
print_begin(const json_t *sig)
{
	bool html = json_is_true(json_object_get(sig, "html")), tag = false;
	size_t n = 0;

	for (const char *p = text_of(sig, "content"); *p != '\0'; p++) {
		if (n >= FIRST_WORDS && ((unsigned char)*p & 0xc0) != 0x80) {
			(void)printf("...");
			return;
		}
		tag = tag || (html && *p == '<');
		if (!tag) {
			(void)putchar((unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
			n++;
		}
		tag = tag && *p != '>';
	}
}

static void
print_signatures(const struct client *c, const json_t *data)
{
	size_t i;
	json_t *v;

	if (c->o.json) {
		print_json(data);
		return;
	}
	(void)printf("%4s %-30s %-5s %-8s %-9s %s\n", "N", "name", "kind", "default", "insertion", "content");
	json_array_foreach(json_object_get(data, "signatures"), i, v) {
		bool first = json_is_true(json_object_get(v, "default")), reply = json_is_true(json_object_get(v, "defaultReply"));

		(void)printf("%4zu %-30s %-5s %-8s %-9s ", i + 1, text_of(v, "name"), json_is_true(json_object_get(v, "html")) ? "html" : "text",
		    first && reply ? "both" : first ? "new" : reply ? "replies" : "-", text_of(v, "insertion")[0] != '\0' ? text_of(v, "insertion") : "-");
		print_begin(v);
		(void)printf("\n");
	}
}

/* ---- which one ---- */

/* By its name, or by "#N" as listed; NULL = none is called so (RC_OK). */
static enum rc
signature_named(const json_t *data, const char *arg, const json_t **out, struct err *e)
{
	const json_t *list = json_object_get(data, "signatures");
	size_t i, n = 0;
	int64_t at;
	json_t *v;

	*out = NULL;
	if (arg == NULL)
		return err_set(e, RC_PROTO, "say which signature: its name, or #N as usmsync signatures lists them");
	if (arg[0] == '#') {
		if (!parse_i64(arg + 1, 1, (int64_t)json_array_size(list), &at))
			return err_set(e, RC_PROTO, "there is no signature \"%s\"; usmsync signatures lists them", arg);
		*out = json_array_get(list, (size_t)at - 1);
		return RC_OK;
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (strcmp(text_of(v, "name"), arg) == 0) {
			*out = v;
			n++;
		}
	return n <= 1 ? RC_OK : err_set(e, RC_PROTO, "%zu signatures are called \"%s\": say #N as usmsync signatures lists them", n, arg);
}

static enum rc
signature_there(const json_t *data, const char *arg, const json_t **out, struct err *e)
{
	enum rc rc = signature_named(data, arg, out, e);

	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_PROTO, "there is no signature \"%s\"; usmsync signatures lists them", arg);
	return rc;
}

/* ---- changing ---- */

static enum rc
read_content(json_t *body, const char *file, bool html, struct err *e)
{
	struct buf b;
	json_t *text;
	enum rc rc = RC_OK;

	buf_init(&b, MAX_TEXT + 1);
	if (strcmp(file, "-") == 0) {
		char part[4096];
		size_t n;

		while ((n = fread(part, 1, sizeof(part), stdin)) > 0)
			buf_add(&b, part, n);
	} else {
		rc = file_read_any(file, &b, e);
	}
	if (rc == RC_OK && (b.failed || b.len > MAX_TEXT))
		rc = err_set(e, RC_PROTO, "%s is longer than the %u bytes that a signature may have", file, MAX_TEXT);
	if (rc == RC_OK) {
		text = json_stringn(b.p != NULL ? b.p : "", b.len);
		if (text == NULL || json_object_set_new(body, "content", text) != 0)
			rc = err_set(e, RC_PROTO, "%s is no text in UTF-8", file);
		(void)json_object_set_new(body, "html", json_boolean(html));
	}
	buf_fini(&b);
	return rc;
}

static enum rc
read_switch(json_t *body, const char *key, const char *word, const char *value, struct err *e)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return err_set(e, RC_PROTO, "%s is yes or no, not \"%s\"", word, value);
	(void)json_object_set_new(body, key, json_boolean(strcmp(value, "yes") == 0));
	return RC_OK;
}

static enum rc
read_word(json_t *body, const char *arg, struct err *e)
{
	const char *eq = strchr(arg, '='), *value = eq != NULL ? eq + 1 : "";
	char word[16];

	(void)snprintf(word, sizeof(word), "%.*s", eq != NULL && eq - arg < 16 ? (int)(eq - arg) : 0, arg);
	if (strcmp(word, "text-file") == 0 || strcmp(word, "html-file") == 0)
		return read_content(body, value, word[0] == 'h', e);
	if (strcmp(word, "default") == 0 || strcmp(word, "replies") == 0)
		return read_switch(body, word[0] == 'd' ? "default" : "defaultReply", word, value, e);
	if (strcmp(word, "name") == 0 || strcmp(word, "insertion") == 0)
		return json_object_set_new(body, word, json_string(value)) == 0 ? RC_OK : err_set(e, RC_PROTO, "the %s is no text in UTF-8", word);
	return err_set(e, RC_PROTO, "signatures set takes name=, text-file=, html-file=, insertion=, default= and replies=, not \"%s\"", arg);
}

/* COMMAND about SIG, whose members are in BODY; says when somebody else was faster. */
static enum rc
write_signature(struct client *c, const char *command, const json_t *body, struct err *e)
{
	json_t *after = NULL;
	enum rc rc = RC_TIMEOUT;

	for (unsigned i = 0; rc == RC_TIMEOUT && i < MAX_LOST && !client_stop; i++)
		rc = net_call(c->net, command, body, 120, &after, e);
	if (rc == RC_OK && !json_is_true(json_object_get(after, "applied")))
		complain(c, "somebody else changed it just now; nothing was changed, these are the present ones");
	json_decref(after);
	return rc;
}

/* A new one has a clientId made of its name: asked again after a lost answer it is the same. */
static enum rc
set_signature(struct client *c, const json_t *data, struct err *e)
{
	const char *name = c->o.n_command > 2 ? c->o.command[2] : NULL;
	const json_t *sig = NULL;
	json_t *body = json_object();
	unsigned char hash[32];
	char id[33];
	enum rc rc = signature_named(data, name, &sig, e);

	if (rc == RC_OK && c->o.n_command < 4)
		rc = err_set(e, RC_PROTO, "signatures set NAME takes name=, text-file=, html-file=, insertion=, default= and replies=: give one of them");
	for (int i = 3; i < c->o.n_command && rc == RC_OK; i++)
		rc = read_word(body, c->o.command[i], e);
	if (rc == RC_OK && sig != NULL) {
		(void)json_object_set(body, "id", json_object_get(sig, "id"));
		(void)json_object_set(body, "rev", json_object_get(sig, "rev"));
	} else if (rc == RC_OK && json_object_get(body, "content") == NULL) {
		rc = err_set(e, RC_PROTO, "there is no signature \"%s\"; a new one needs text-file= or html-file=", name);
	} else if (rc == RC_OK) {
		sha256(name, strlen(name), hash);
		hex_encode(hash, 16, id);
		(void)json_object_set_new(body, "clientId", json_string(id));
		if (json_object_get(body, "name") == NULL && json_object_set_new(body, "name", json_string(name)) != 0)
			rc = err_set(e, RC_PROTO, "the name is no text in UTF-8");
	}
	if (rc == RC_OK)
		rc = write_signature(c, "setSignature", body, e);
	json_decref(body);
	return rc;
}

static enum rc
delete_signature(struct client *c, const json_t *data, const char *name, struct err *e)
{
	const json_t *sig;
	json_t *body;
	enum rc rc = signature_there(data, name, &sig, e);

	if (rc != RC_OK)
		return rc;
	body = json_pack("{s:O,s:O}", "id", json_object_get(sig, "id"), "rev", json_object_get(sig, "rev"));
	rc = write_signature(c, "deleteSignature", body, e);
	json_decref(body);
	return rc;
}

static enum rc
show_signature(const struct client *c, const json_t *data, const char *name, struct err *e)
{
	const json_t *sig;
	enum rc rc = signature_there(data, name, &sig, e);

	if (rc == RC_OK && c->o.json)
		print_json(sig);
	else if (rc == RC_OK)
		(void)printf("%s\n", text_of(sig, "content"));
	return rc;
}

enum rc
signatures_command(struct client *c, struct err *e)
{
	const char *word = c->o.n_command > 1 ? c->o.command[1] : "list", *arg = c->o.n_command > 2 ? c->o.command[2] : NULL;
	bool set = strcmp(word, "set") == 0, delete = strcmp(word, "delete") == 0, show = strcmp(word, "show") == 0;
	json_t *none = json_object(), *data = NULL;
	enum rc rc = RC_OK;

	if (!set && !delete && !show && strcmp(word, "list") != 0)
		rc = err_set(e, RC_PROTO, "signatures has list, show, set and delete, not \"%s\"", word);
	if (rc == RC_OK)
		rc = net_call(c->net, "getSignatures", none, 120, &data, e);
	if (rc == RC_OK && show)
		rc = show_signature(c, data, arg, e);
	else if (rc == RC_OK && (set || delete))
		rc = set ? set_signature(c, data, e) : delete_signature(c, data, arg, e);
	if (rc == RC_OK && (set || delete)) {
		json_decref(data);
		data = NULL;
		rc = net_call(c->net, "getSignatures", none, 120, &data, e);
	}
	if (rc == RC_OK && !show)
		print_signatures(c, data);
	json_decref(none);
	json_decref(data);
	return rc;
}
