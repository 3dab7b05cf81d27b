/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A device of usmd that syncs and keeps nothing but its syncid: it must not be what is measured. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL "http://localhost/usm-json/"

/* The text member NAME of the answer; our own server writes compact JSON without escapes in these. */
static bool
text_member(const struct link *l, const char *name, char *out, size_t size)
{
	char key[40];
	const char *p, *end;

	(void)snprintf(key, sizeof(key), "\"%s\":\"", name);
	p = strstr(l->text, key);
	if (p == NULL)
		return false;
	p += strlen(key);
	end = strchr(p, '"');
	if (end == NULL || (size_t)(end - p) >= size)
		return false;
	memcpy(out, p, (size_t)(end - p));
	out[end - p] = '\0';
	return true;
}

static size_t
count(const struct link *l)
{
	static const char key[] = "\"objectType\":";
	size_t n = 0;

	for (const char *p = l->text; (p = strstr(p, key)) != NULL; p += sizeof(key) - 1)
		n++;
	return n;
}

/* The uuids of objects behind AT, at most MAX into OUT; how many. */
static size_t
uuids_from(const char *at, char (*out)[40], size_t max)
{
	static const char key[] = "\"uuid\":\"";
	size_t n = 0;

	for (; n < max && (at = strstr(at, key)) != NULL; n++) {
		at += sizeof(key) - 1;
		(void)snprintf(out[n], sizeof(out[n]), "%.*s", (int)strcspn(at, "\""), at);
	}
	return n;
}

static void
keep_uuids(struct device *d)
{
	size_t more = count(&d->link);
	char (*p)[40] = realloc(d->uuids, (d->n_uuids + more + 1) * sizeof(*p));

	if (p == NULL)
		die("out of memory");
	d->uuids = p;
	d->n_uuids += uuids_from(d->link.text, p + d->n_uuids, more);
}

static bool
more(const struct link *l)
{
	return strstr(l->text, "\"more\":true") != NULL;
}

void
device_login(struct device *d, const char *unix_path, const char *user, const char *name)
{
	char body[300], bearer[200];

	memset(d, 0, sizeof(*d));
	link_open(&d->link, unix_path, NULL, NULL);
	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"password\":\"secret\",\"device\":\"%s\",\"protocol\":1}", user, name);
	link_call(&d->link, "POST", URL "login", body);
	if (!text_member(&d->link, "token", d->token, sizeof(d->token)) || !text_member(&d->link, "contact", d->contacts, sizeof(d->contacts)))
		die("usmd's login answered %.300s", d->link.text);
	if (!text_member(&d->link, "inbox", d->inbox, sizeof(d->inbox)))
		d->inbox[0] = '\0';
	link_close(&d->link);
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", d->token);
	link_open(&d->link, unix_path, "Authorization", bearer);
}

void
device_close(struct device *d)
{
	link_close(&d->link);
	free(d->uuids);
}

static size_t
rest(struct device *d, const char *folder, unsigned page, bool keep)
{
	char body[300];
	size_t n = 0;

	do {
		(void)snprintf(body, sizeof(body), "{\"folder\":\"%s\",\"syncid\":\"%s\",\"limit\":%u}", folder, d->syncid, page);
		link_call(&d->link, "POST", URL "syncUpdate", body);
		n += count(&d->link);
		if (keep)
			keep_uuids(d);
		if (!text_member(&d->link, "syncid", d->syncid, sizeof(d->syncid)))
			die("syncUpdate answered %.300s", d->link.text);
	} while (more(&d->link));
	return n;
}

size_t
device_fill(struct device *d, const char *folder, unsigned page)
{
	char body[300];
	size_t n;

	(void)snprintf(body, sizeof(body), "{\"folder\":\"%s\",\"limit\":%u}", folder, page);
	link_call(&d->link, "POST", URL "syncInit", body);
	if (!text_member(&d->link, "syncid", d->syncid, sizeof(d->syncid)))
		die("syncInit answered %.300s", d->link.text);
	n = count(&d->link) - 1; /* syncInit names the type of the folder as well */
	d->n_uuids = 0;
	keep_uuids(d);
	return more(&d->link) ? n + rest(d, folder, page, true) : n;
}

size_t
device_sync(struct device *d, const char *folder)
{
	return rest(d, folder, PAGE, false);
}

void
device_send(struct device *d, const char *folder, const char *changes, size_t n)
{
	static const char *const fine[] = { "\"status\":\"ok\"", "\"status\":\"gone\"" }; /* the latter of what was deleted */
	size_t size = strlen(changes) + 300, done = 0;
	char *body = malloc(size);

	if (body == NULL)
		die("out of memory");
	(void)snprintf(body, size, "{\"folder\":\"%s\",\"syncid\":\"%s\",\"limit\":%d,\"request\":%lu,%s}", folder, d->syncid, PAGE, ++d->request, changes);
	link_call(&d->link, "POST", URL "syncUpdate", body);
	free(body);
	for (size_t i = 0; i < 2; i++)
		for (const char *p = d->link.text; (p = strstr(p, fine[i])) != NULL; p++)
			done++;
	if (done != n || !text_member(&d->link, "syncid", d->syncid, sizeof(d->syncid)))
		die("%zu of %zu changes were carried out: %.300s", done, n, d->link.text);
}

void
device_result_uuids(const struct device *d, char (*out)[40], size_t n)
{
	const char *results = strstr(d->link.text, "\"results\":[");

	if (results == NULL || uuids_from(results, out, n) != n)
		die("the results name less than %zu objects: %.300s", n, d->link.text);
}
