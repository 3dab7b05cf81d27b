/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A client of usm-json for tests, with exact control of what is sent and repeated; every answer is checked against its schema.
 * Included by one test program only, so everything is static; inline is what not every one of them calls.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <check.h>
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "harness/schema.h"
#include "usmd/util.h"

/** A device, and the folder that it works on. What it holds belongs to `held` and lives until forget_devices. */
struct dev {
	char token[64], folder[40], syncid[40];
	json_int_t k;
	json_t *defaults; /* type name -> uuid */
	json_t *have;     /* uuid -> object, of the folder */
};

static struct world w;
static json_t *held;

/* After each test, also one that failed: else the sanitizer's report of leaks is about devices. */
static void
forget_devices(void)
{
	json_decref(held);
	held = NULL;
}

static inline void
world_down(void)
{
	forget_devices();
	world_end(&w);
}

/* An array of X, which is given away. */
static inline json_t *
one(json_t *x)
{
	return json_pack("[o]", x);
}

static void
http(const char *url, const char *token, const char *body, struct buf *out, long *status)
{
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	char sock[200], auth[128];
	CURL *c = curl_easy_init();
	FILE *f;
	char *p = NULL;
	size_t n = 0;

	if (token != NULL) {
		(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", token);
		h = curl_slist_append(h, auth);
	}
	if (strncmp(url, "http://localhost/", 17) == 0 && strncmp(w.server, "unix:", 5) == 0) {
		(void)snprintf(sock, sizeof(sock), "%s", w.server + strlen("unix:"));
		(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	}
	f = open_memstream(&p, &n);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	(void)fclose(f);
	buf_add(out, p, n);
	free(p);
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
}

/* One command; BODY is borrowed. The whole answer, checked. */
static json_t *
call(const struct dev *d, const char *command, const json_t *body)
{
	char url[300], *text = json_dumps(body, JSON_COMPACT);
	const char *why;
	struct buf out;
	json_t *root;
	long status;

	ck_assert_ptr_nonnull(text);
	buf_init(&out, 64 << 20);
	(void)snprintf(url, sizeof(url), "%s/usm-json/%s", strncmp(w.server, "unix:", 5) == 0 ? "http://localhost" : w.server, command);
	http(url, d->token[0] != '\0' ? d->token : NULL, text, &out, &status);
	free(text);
	why = schema_check(command, out.p, out.len);
	ck_assert_msg(why == NULL, "%s answers what its schema does not allow: %s\n%.2000s", command, why, out.p);
	root = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(root);
	buf_fini(&out);
	return root;
}

/* The `data` of a good answer. */
static json_t *
good(const struct dev *d, const char *command, const json_t *body)
{
	json_t *root = call(d, command, body), *data = json_incref(json_object_get(root, "data"));

	if (data == NULL) {
		char *text = json_dumps(root, JSON_COMPACT);

		ck_abort_msg("%s: %s", command, text);
	}
	json_decref(root);
	return data;
}

/* The error code of an answer that must be an error; *PATH (may be NULL) into a buffer of 80. */
static inline const char *
bad(const struct dev *d, const char *command, const json_t *body, char *path)
{
	static char code[80];
	json_t *root = call(d, command, body), *x = json_object_get(root, "error");
	const char *p = json_string_value(json_object_get(json_object_get(x, "details"), "path"));

	ck_assert_msg(x != NULL, "%s is no error", command);
	(void)snprintf(code, sizeof(code), "%s", json_string_value(json_object_get(x, "code")));
	if (path != NULL)
		(void)snprintf(path, 80, "%s", p != NULL ? p : "");
	json_decref(root);
	return code;
}

static const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static void
login(struct dev *d, const char *user, const char *device)
{
	json_t *body = json_pack("{s:s,s:s,s:s,s:i}", "user", user, "password", "secret", "device", device, "protocol", 1), *data;

	memset(d, 0, sizeof(*d));
	data = good(d, "login", body);
	(void)snprintf(d->token, sizeof(d->token), "%s", str(data, "token"));
	d->defaults = json_deep_copy(json_object_get(data, "defaultFolders"));
	d->have = json_object();
	if (held == NULL)
		held = json_array();
	(void)json_array_append_new(held, d->defaults);
	(void)json_array_append_new(held, d->have);
	json_decref(body);
	json_decref(data);
}

/* What a client does with an answer, dirty fields aside. */
static void
apply(struct dev *d, const json_t *data)
{
	static const char *const lists[] = { "created", "modified" };
	const json_t *list = json_object_get(data, "deleted");
	const char *name;
	json_t *v;

	for (size_t i = 0; i < json_array_size(list); i++)
		(void)json_object_del(d->have, json_string_value(json_array_get(list, i)));
	for (size_t l = 0; l < 2; l++) {
		list = json_object_get(data, lists[l]);
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *in = json_array_get(list, i), *old = json_object_get(d->have, str(in, "uuid"));

			if (old == NULL || l == 0) {
				(void)json_object_set_new(d->have, str(in, "uuid"), json_deep_copy(in));
				continue;
			}
			json_object_foreach(in, name, v)
				(void)(json_is_null(v) ? json_object_del(old, name) : json_object_set(old, name, v));
		}
	}
	if (json_object_get(data, "syncid") != NULL)
		(void)snprintf(d->syncid, sizeof(d->syncid), "%s", str(data, "syncid"));
}

static json_t *
folder_body(const struct dev *d)
{
	json_t *b = json_object();

	if (d->folder[0] != '\0')
		(void)json_object_set_new(b, "folder", json_string(d->folder));
	return b;
}

/* A request of this device; the lists are stolen, NULL = none. */
static inline json_t *
request(struct dev *d, json_t *created, json_t *modified, json_t *deleted)
{
	json_t *b = folder_body(d);

	(void)json_object_set_new(b, "syncid", json_string(d->syncid));
	(void)json_object_set_new(b, "request", json_integer(++d->k));
	if (created != NULL)
		(void)json_object_set_new(b, "created", created);
	if (modified != NULL)
		(void)json_object_set_new(b, "modified", modified);
	if (deleted != NULL)
		(void)json_object_set_new(b, "deleted", deleted);
	return b;
}

/* Sends REQ (stolen) and applies the answer, which is returned. */
static inline json_t *
update(struct dev *d, json_t *req)
{
	json_t *data = good(d, "syncUpdate", req);

	apply(d, data);
	json_decref(req);
	return data;
}

/* Until nothing more comes; the entries that came. */
static inline size_t
pull(struct dev *d)
{
	size_t n = 0;
	bool more = true;

	while (more) {
		json_t *data = update(d, request(d, NULL, NULL, NULL));

		n += json_array_size(json_object_get(data, "created")) + json_array_size(json_object_get(data, "modified")) +
		    json_array_size(json_object_get(data, "deleted"));
		more = json_is_true(json_object_get(data, "more"));
		json_decref(data);
	}
	return n;
}

/* Works on FOLDER (NULL = the hierarchy) from now on: everything that it holds. */
static inline void
open_folder(struct dev *d, const char *folder)
{
	json_t *b, *data;

	if (folder != d->folder)
		(void)snprintf(d->folder, sizeof(d->folder), "%s", folder != NULL ? folder : "");
	(void)json_object_clear(d->have);
	b = folder_body(d);
	data = good(d, "syncInit", b);
	apply(d, data);
	if (json_is_true(json_object_get(data, "more")))
		(void)pull(d);
	json_decref(b);
	json_decref(data);
}

static inline const json_t *
result(const json_t *data, size_t i)
{
	return json_array_get(json_object_get(data, "results"), i);
}

/* The object of D whose FIELD is VALUE, or NULL; *N how many. */
static inline const json_t *
find(const struct dev *d, const char *field, const char *value, size_t *n)
{
	const json_t *found = NULL;
	const char *uuid;
	json_t *v;
	size_t count = 0;

	json_object_foreach(d->have, uuid, v)
		if (strcmp(str(v, field), value) == 0) {
			found = v;
			count++;
		}
	if (n != NULL)
		*n = count;
	return found;
}

/* ---- the other side: a user at another client of the server ---- */

/* DATA may be NULL; the answer's `data`. */
static json_t *
ox_as(const char *user, const char *module, const char *action, json_t *params, json_t *data)
{
	json_t *b = json_pack("{s:s,s:s,s:s,s:o}", "user", user, "module", module, "action", action, "params", params), *root, *out;
	static char text[1 << 20];
	char *s;

	if (data != NULL)
		(void)json_object_set_new(b, "data", data);
	s = json_dumps(b, JSON_COMPACT);
	world_control(&w, "as", s, text, sizeof(text));
	free(s);
	json_decref(b);
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(root != NULL && json_object_get(root, "error") == NULL, "%s %s: %.1000s", module, action, text);
	out = json_incref(json_object_get(root, "data"));
	json_decref(root);
	return out;
}

/* Rows [id, VALUE] of the folder whose second column is VALUE: their number; *ID of the last one. */
static inline size_t
ox_rows(const char *user, const char *module, const char *folder, const char *columns, const char *value, char *id, size_t size)
{
	json_t *rows = ox_as(user, module, "all", json_pack("{s:s,s:s}", "folder", folder, "columns", columns), NULL), *row;
	size_t i, n = 0;

	json_array_foreach(rows, i, row) {
		const char *v = json_string_value(json_array_get(row, 1));

		if (v == NULL || strcmp(v, value) != 0)
			continue;
		n++;
		if (id != NULL && json_is_string(json_array_get(row, 0)))
			(void)snprintf(id, size, "%s", json_string_value(json_array_get(row, 0)));
		else if (id != NULL)
			(void)snprintf(id, size, "%lld", (long long)json_integer_value(json_array_get(row, 0)));
	}
	json_decref(rows);
	return n;
}

static inline void
faults(const char *rules)
{
	world_control(&w, "faults", rules, NULL, 0);
}

static inline void
no_faults(void)
{
	world_no_faults(&w);
}

#endif
