/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * OX as a plain program uses it: libcurl and jansson, the same requests and columns as usmd's, nothing kept.  And the
 * stand-in's control API, which is not measured.
 */
#include "bench/bench.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST 500 /* objects in one request: the default of ox_rows_per_request */
#define AGENT "usmd"
#define IMPORT_AGE_MS 60000

static void
control(struct ox *o, const char *path, const char *body)
{
	char url[300];

	(void)snprintf(url, sizeof(url), "%s/control/%s", o->base, path);
	link_call(&o->control, "POST", url, body);
}

static json_t *
parse(const struct link *l)
{
	json_error_t e;
	json_t *j = json_loadb(l->text, l->len, JSON_REJECT_DUPLICATES, &e);

	if (j == NULL)
		die("OX answered no JSON: %s", e.text);
	if (json_object_get(j, "error") != NULL)
		die("OX answered %.300s", l->text);
	return j;
}

void
ox_open(struct ox *o, const char *base)
{
	memset(o, 0, sizeof(*o));
	(void)snprintf(o->base, sizeof(o->base), "%s", base);
	link_open(&o->control, NULL, NULL, NULL);
}

void
ox_close(struct ox *o)
{
	link_close(&o->control);
	link_close(&o->api);
}

/* The cookies go into a constant header: nothing of libcurl's cookie engine is in what is measured. */
void
ox_login_as(struct ox *o, const char *user)
{
	struct curl_slist *cookies = NULL;
	char url[300], form[300], header[1000] = "";
	struct link l;
	json_t *j;

	link_open(&l, NULL, NULL, NULL);
	curl_easy_setopt(l.curl, CURLOPT_COOKIEFILE, "");
	curl_easy_setopt(l.curl, CURLOPT_USERAGENT, AGENT); /* the names of the cookies depend on it */
	curl_easy_setopt(l.curl, CURLOPT_HTTPHEADER, NULL);
	(void)snprintf(url, sizeof(url), "%s/ajax/login?action=login", o->base);
	(void)snprintf(form, sizeof(form), "name=%s&password=secret&client=USM-JSON&version=1&authId=bench%u", user, ++o->logins);
	link_call(&l, "POST", url, form);
	j = parse(&l);
	(void)snprintf(o->session, sizeof(o->session), "%s", json_string_value(json_object_get(j, "session")));
	json_decref(j);
	curl_easy_getinfo(l.curl, CURLINFO_COOKIELIST, &cookies);
	for (struct curl_slist *c = cookies; c != NULL; c = c->next) {
		const char *value = strrchr(c->data, '\t'), *name = value;
		size_t n = strlen(header);

		while (name != NULL && name > c->data && name[-1] != '\t')
			name--;
		if (name != NULL)
			(void)snprintf(header + n, sizeof(header) - n, "%s%.*s=%s", n > 0 ? "; " : "", (int)(value - name), name, value + 1);
	}
	curl_slist_free_all(cookies);
	link_close(&l);
	link_close(&o->api);
	link_open(&o->api, NULL, "Cookie", header);
	curl_easy_setopt(o->api.curl, CURLOPT_USERAGENT, AGENT);
}

/* ---- data ---- */

int64_t
ox_user(struct ox *o, const char *login)
{
	int64_t folder;
	char body[300];
	json_t *j;

	(void)snprintf(body, sizeof(body), "{\"login\":\"%s\",\"password\":\"secret\",\"olox20\":true}", login);
	control(o, "users", body);
	j = parse(&o->control);
	folder = json_integer_value(json_object_get(j, "contacts"));
	json_decref(j);
	return folder;
}

void
ox_fill(struct ox *o, const char *login, int64_t folder, size_t count)
{
	char body[300];

	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"folder\":%" PRId64 ",\"count\":%zu}", login, folder, count);
	control(o, "fill", body);
}

int64_t
ox_user_with_contacts(struct ox *o, const char *login, size_t count)
{
	int64_t folder = ox_user(o, login);
	char body[300];

	ox_fill(o, login, folder, count);
	/* an import of this moment would be inside the overlap of every later look: it is an old one, and one contact is new */
	ox_advance(o, IMPORT_AGE_MS);
	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"folder\":%" PRId64 ",\"count\":1,\"first\":%zu}", login, folder, count);
	control(o, "fill", body);
	return folder;
}

void
ox_fill_mail(struct ox *o, const char *login, size_t count, size_t first)
{
	char body[300];

	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"folder\":\"default0/INBOX\",\"count\":%zu,\"first\":%zu}", login, count, first);
	control(o, "fill", body);
}

void
ox_touch(struct ox *o, const char *login, int64_t folder, int64_t id, unsigned round)
{
	char body[400];

	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"module\":\"contacts\",\"action\":\"update\",\"params\":{\"folder\":\"%" PRId64
	    "\",\"id\":\"%" PRId64 "\",\"timestamp\":\"9007199254740992\"},\"data\":{\"note\":\"round %08u\"}}", login, folder, id, round);
	control(o, "as", body);
	json_decref(parse(&o->control));
}

void
ox_advance(struct ox *o, int64_t ms)
{
	char body[100];

	o->clock += ms;
	(void)snprintf(body, sizeof(body), "{\"mode\":\"offset\",\"value\":%" PRId64 "}", o->clock);
	control(o, "clock", body);
}

int64_t
ox_requests(struct ox *o)
{
	char url[300];
	int64_t n = 0;
	const char *action;
	json_t *j, *v;

	(void)snprintf(url, sizeof(url), "%s/control/counters", o->base);
	link_call(&o->control, "GET", url, NULL);
	j = parse(&o->control);
	json_object_foreach (json_object_get(j, "actions"), action, v)
		if (strncmp(action, "control", 7) != 0)
			n += json_integer_value(v);
	json_decref(j);
	return n;
}

/* ---- what a plain client asks ---- */

/* All columns that usmd asks for, or those of its listing. */
static void
columns(char *out, size_t size, bool listed)
{
	const struct content_type *t = model_content(CT_CONTACT);
	size_t n = 0;

	for (size_t i = 0; i < t->n_fields; i++) {
		if ((t->fields[i].flags & FF_NOCOLUMN) != 0 || (listed && (t->fields[i].flags & FF_LISTED) == 0))
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%d", n > 0 ? "," : "", t->fields[i].column);
		if (n >= size)
			die("too many columns");
	}
}

static json_t *
listing(struct ox *o, int64_t folder, const char *cols)
{
	char url[1400];

	(void)snprintf(url, sizeof(url), "%s/ajax/contacts?action=all&session=%s&folder=%" PRId64 "&columns=%s&timezone=UTC", o->base, o->session, folder, cols);
	link_call(&o->api, "GET", url, NULL);
	return parse(&o->api);
}

static int64_t
number(const json_t *v)
{
	return json_is_string(v) ? strtoll(json_string_value(v), NULL, 10) : json_integer_value(v);
}

size_t
ox_ids(struct ox *o, int64_t folder, int64_t **ids)
{
	json_t *j = listing(o, folder, "1"), *data = json_object_get(j, "data"), *row;
	size_t n = json_array_size(data), i;

	*ids = calloc(n + 1, sizeof(**ids));
	if (*ids == NULL)
		die("out of memory");
	json_array_foreach (data, i, row)
		(*ids)[i] = number(json_array_get(row, 0));
	json_decref(j);
	return n;
}

int64_t
ox_timestamp(struct ox *o, int64_t folder)
{
	json_t *j = listing(o, folder, "6"), *row; /* last_modified_utc */
	int64_t newest = 0;
	size_t i;

	json_array_foreach (json_object_get(j, "data"), i, row)
		if (number(json_array_get(row, 0)) > newest)
			newest = number(json_array_get(row, 0));
	json_decref(j);
	return newest;
}

size_t
ox_fetch_all(struct ox *o, int64_t folder)
{
	static char body[LIST * 80];
	char cols[800], url[1400];
	json_t *j, *data, *objects;
	size_t n, got = 0;

	columns(cols, sizeof(cols), true);
	j = listing(o, folder, cols);
	data = json_object_get(j, "data");
	columns(cols, sizeof(cols), false);
	(void)snprintf(url, sizeof(url), "%s/ajax/contacts?action=list&session=%s&columns=%s&timezone=UTC", o->base, o->session, cols);
	n = json_array_size(data);
	for (size_t i = 0; i < n; i += LIST) {
		size_t len = 0;

		for (size_t k = i; k < n && k < i + LIST; k++)
			len += (size_t)snprintf(body + len, sizeof(body) - len, "%s{\"id\":\"%" PRId64 "\",\"folder\":\"%" PRId64 "\"}", k > i ? "," : "[",
			    number(json_array_get(json_array_get(data, k), 0)), folder);
		(void)snprintf(body + len, sizeof(body) - len, "]");
		link_call(&o->api, "PUT", url, body);
		objects = parse(&o->api);
		got += json_array_size(json_object_get(objects, "data"));
		json_decref(objects);
	}
	json_decref(j);
	return got;
}

void
ox_updates_once(struct ox *o, int64_t folder, int64_t since, bool parsed)
{
	static char cols[800];
	char url[1400];

	if (cols[0] == '\0')
		columns(cols, sizeof(cols), false);
	(void)snprintf(url, sizeof(url), "%s/ajax/contacts?action=updates&session=%s&folder=%" PRId64 "&timestamp=%" PRId64 "&columns=%s&ignore=false&timezone=UTC",
	    o->base, o->session, folder, since, cols);
	link_call(&o->api, "GET", url, NULL);
	if (parsed)
		json_decref(parse(&o->api));
}
