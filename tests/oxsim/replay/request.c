/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rebuilds a recorded request with the values of this run and sends it.  Which value is an
 * id of which kind is decided by the name of its parameter or member and by the module. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <curl/curl.h>

#include "replay.h"
#include "tokens.h"

static const struct { const char *module; const char *kind; int number; } kinds[] = {
	{ "contacts", "contact", 7 },
	{ "tasks", "task", 4 },
	{ "calendar", "event", 1 },
	{ "chronos", "event", 1 },
	{ "folders", "folder", 0 },
	{ "attachment", "attachment", 0 },
	{ "group", "group", 0 },
	{ "resource", "resource", 0 },
	{ "reminder", "reminder", 0 },
	{ "mail", "mail", 0 },
};

const char *
request_kind(const char *module)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].module, module) == 0)
			return kinds[i].kind;
	return NULL;
}

const char *
request_kind_of_number(int module)
{
	for (size_t i = 0; module > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].number == module)
			return kinds[i].kind;
	return NULL;
}

const char *
request_param(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(json_object_get(request, "query"), name));
}

char *
request_map_id(const struct idmap *m, const char *kind, const char *value)
{
	const char *colon = strcmp(kind, "folder") == 0 ? strstr(value, "://") : NULL;
	const char *last = colon ? strrchr(value, '/') + 1 : value;
	const char *v = idmap_get(m, kind, last);

	return text_format("%.*s%s", (int)(last - value), value, v ? v : last);
}

static bool
is_one_of(const char *key, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(key, *list) == 0)
			return true;
	return false;
}

static const char *const folder_keys[] = { "folder", "folder_id", "folderId", "parent", "parentFolder",
	"com.openexchange.groupware.calendar.folder", "com.openexchange.groupware.task.folder", NULL };
static const char *const id_keys[] = { "id", "contact_id", "objectId", "seriesId", "attached",
	"target_id", "recurrence_id", "com.openexchange.mail.conversion.mailid", NULL };
/* Below these, `id` names a user, group or resource: the same number in every run. */
static const char *const user_keys[] = { "participants", "users", "members", "permissions",
	"confirmations", NULL };

/* What is known about the place of a value. */
struct place {
	const struct xchg *x;
	const char *module;
	const char *folder;	/* mail ids are numbers of one folder */
	int attached_module;	/* member `module` of an attachment request */
};

/* Kind of the ids at KEY, in BUF when it must be made up; NULL = not an id. */
static const char *
kind_at(const struct place *p, const char *key, char *buf, size_t size)
{
	const char *kind = request_kind(p->module);
	const char *action = request_param(p->x->request, "action");

	if (action && strcasecmp(action, "freebusy") == 0 && strcmp(key, "id") == 0)
		return NULL;	/* a participant */
	if (is_one_of(key, folder_keys))
		return "folder";
	if (!is_one_of(key, id_keys))
		return NULL;
	if (strcmp(key, "attached") == 0)
		return request_kind_of_number(p->attached_module);
	if (strcmp(p->module, "image") == 0)
		kind = strncmp(p->x->subpath, "mail", 4) == 0 ? "mail" :
		    strncmp(p->x->subpath, "contact", 7) == 0 ? "contact" : NULL;
	if (strstr(key, "mailid"))
		kind = "mail";
	if (kind && strcmp(kind, "mail") == 0) {
		snprintf(buf, size, "mail/%s:%s", p->x->user ? p->x->user : "", p->folder ? p->folder : "");
		return buf;
	}
	return kind;
}

static bool
is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static char *
map_value(const struct place *p, const char *key, const char *value)
{
	char buf[256];
	const char *kind = kind_at(p, key, buf, sizeof(buf));

	if (kind)
		return request_map_id(p->x->run->map, kind, value);
	if (strcmp(key, "timestamp") == 0 && is_number(value) && strlen(value) == 13) {
		char t[32];

		snprintf(t, sizeof(t), "%" PRId64,
		    idmap_time(p->x->run->map, strtoll(value, NULL, 10)));
		return strdup(t);
	}
	return tokens_map(p->x->run->map, value);
}

static char *
map_param(const struct place *p, const char *param)
{
	const char *eq = strchr(param, '=');
	char *key, *value, *mapped, *quoted, *out;

	if (eq == NULL)
		return strdup(param);
	key = curl_easy_unescape(p->x->run->curl, param, (int)(eq - param), NULL);
	value = curl_easy_unescape(p->x->run->curl, eq + 1, 0, NULL);
	mapped = map_value(p, key, value);
	quoted = curl_easy_escape(p->x->run->curl, mapped, 0);
	out = text_format("%.*s=%s", (int)(eq - param), param,
	    strcmp(mapped, value) == 0 ? eq + 1 : quoted);
	curl_free(key);
	curl_free(value);
	curl_free(quoted);
	free(mapped);
	return out;
}

char *
request_map_url(const struct xchg *x, const char *url)
{
	const char *folder = request_param(x->request, "folder");
	const char *module = request_param(x->request, "module");
	struct place p = { .x = x, .module = x->module,
		.folder = folder, .attached_module = module ? (int)strtol(module, NULL, 10) : 0 };
	const char *q = strchr(url, '?');
	char *copy, *save = NULL, *text = NULL;
	size_t size = 0;
	FILE *f;

	if (q == NULL)
		return strdup(url);
	f = open_memstream(&text, &size);
	fprintf(f, "%.*s?", (int)(q - url), url);
	copy = strdup(q + 1);
	for (char *t = strtok_r(copy, "&", &save); t; t = strtok_r(NULL, "&", &save)) {
		char *m = map_param(&p, t);

		fprintf(f, "%s%s", t == copy ? "" : "&", m);
		free(m);
	}
	fclose(f);
	free(copy);
	return text;
}

/* --- bodies ------------------------------------------------------------------------------ */

static json_t *map_json(struct place p, const char *key, const json_t *v);

static json_t *
map_scalar(const struct place *p, const char *key, const json_t *v)
{
	char number[32];
	char *mapped;
	json_t *out;

	if (json_is_integer(v))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (!json_is_string(v))
		return json_deep_copy(v);
	mapped = map_value(p, key, json_is_string(v) ? json_string_value(v) : number);
	if (json_is_string(v)) {
		out = strlen(json_string_value(v)) == json_string_length(v) ?
		    json_string(mapped) : json_deep_copy(v);
	} else {
		out = is_number(mapped) ? json_integer(strtoll(mapped, NULL, 10)) : json_deep_copy(v);
	}
	free(mapped);
	return out;
}

static json_t *
map_object(struct place p, const json_t *v)
{
	static const char *const mail_folder_keys[] = { "folder", "folder_id",
		"com.openexchange.mail.conversion.fullname", NULL };
	json_t *out = json_object();
	const char *module = json_string_value(json_object_get(v, "module"));
	const char *key;
	json_t *m;

	if (module && json_object_get(v, "action"))
		p.module = module;
	if (json_is_integer(json_object_get(v, "module")))
		p.attached_module = (int)json_integer_value(json_object_get(v, "module"));
	for (const char *const *k = mail_folder_keys; *k; k++)
		if (json_is_string(json_object_get(v, *k)))
			p.folder = json_string_value(json_object_get(v, *k));
	json_object_foreach((json_t *)(uintptr_t)v, key, m)
		json_object_set_new(out, key, is_one_of(key, user_keys) ? json_deep_copy(m) :
		    map_json(p, key, m));
	return out;
}

static json_t *
map_json(struct place p, const char *key, const json_t *v)
{
	json_t *out, *m;
	size_t i;

	if (json_is_object(v))
		return map_object(p, v);
	if (!json_is_array(v))
		return map_scalar(&p, key, v);
	out = json_array();
	json_array_foreach((json_t *)(uintptr_t)v, i, m)
		json_array_append_new(out, map_json(p, key, m));
	return out;
}

/* A bare array of scalars as body holds ids of the module (folders delete, detach). */
char *
request_map_body(const struct xchg *x, const json_t *v)
{
	static const char *const plain_lists[] = { "folders", "attachment", NULL };
	const char *folder = request_param(x->request, "folder");
	struct place p = { .x = x, .module = x->module, .folder = folder };
	json_t *m = map_json(p, is_one_of(x->module, plain_lists) ? "id" : "", v);
	char *text = json_dumps(m, JSON_ENCODE_ANY | JSON_COMPACT);

	json_decref(m);
	return text;
}

struct body {
	char *data;
	size_t len;
	curl_mime *mime;
};

static void
add_part(const struct xchg *x, curl_mime *mime, const json_t *part)
{
	const json_t *value = json_object_get(part, "value");
	const char *name = json_string_value(json_object_get(part, "name"));
	const char *filename = json_string_value(json_object_get(part, "filename"));
	const char *type = json_string_value(json_object_get(part, "content_type"));
	curl_mimepart *p = curl_mime_addpart(mime);
	char *text = NULL;
	size_t len = 0;

	if (json_is_object(value)) {
		text = tokens_base64(json_string_value(json_object_get(value, "base64")), &len);
	} else if (filename == NULL && strncmp(name, "json", 4) == 0) {
		json_t *v = json_loads(json_string_value(value), JSON_REJECT_DUPLICATES, NULL);

		text = v ? request_map_body(x, v) : strdup(json_string_value(value));
		len = strlen(text);
		json_decref(v);
	} else {
		len = json_string_length(value);
		text = malloc(len + 1);
		if (text == NULL)
			abort();
		memcpy(text, json_string_value(value), len + 1);
	}
	curl_mime_name(p, name);
	curl_mime_data(p, text, len);
	if (filename)
		curl_mime_filename(p, filename);
	if (type)
		curl_mime_type(p, type);
	free(text);
}

static const char *
header_of(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(json_object_get(request, "headers"), name));
}

/* The recorder wrote U+FFFD for every octet that is not UTF-8. */
static char *
octets_of(const json_t *text, size_t *len)
{
	const char *s = json_string_value(text);
	size_t n = json_string_length(text);
	char *out = malloc(n + 1), *o = out;

	if (out == NULL)
		abort();
	for (size_t i = 0; i < n; ) {
		bool lost = n - i >= 3 && memcmp(s + i, "\xef\xbf\xbd", 3) == 0;

		*o++ = lost ? '\xff' : s[i];
		i += lost ? 3 : 1;
	}
	*o = '\0';
	*len = (size_t)(o - out);
	return out;
}

static struct body
make_body(const struct xchg *x)
{
	const json_t *b = json_object_get(x->request, "body");
	const char *type = header_of(x->request, "Content-Type");
	struct body out = { 0 };
	json_t *part;
	size_t i;

	if (type && strncmp(type, "multipart/", 10) == 0 && json_is_array(b)) {
		out.mime = curl_mime_init(x->run->curl);
		json_array_foreach((json_t *)(uintptr_t)b, i, part)
			add_part(x, out.mime, part);
	} else if (json_is_string(b)) {
		out.data = octets_of(b, &out.len);
	} else if (json_is_object(b) && json_object_size(b) == 1 && json_object_get(b, "base64")) {
		out.data = tokens_base64(json_string_value(json_object_get(b, "base64")), &out.len);
	} else if (b && !json_is_null(b)) {
		out.data = request_map_body(x, b);
		out.len = strlen(out.data);
	}
	return out;
}

/* --- sending ------------------------------------------------------------------------------ */

struct reply {
	json_t *headers;
	char *data;
	size_t len;
};

static size_t
on_data(char *ptr, size_t size, size_t n, void *arg)
{
	struct reply *r = arg;

	(void)size;
	r->data = realloc(r->data, r->len + n + 1);
	if (r->data == NULL)
		abort();
	memcpy(r->data + r->len, ptr, n);
	r->len += n;
	r->data[r->len] = '\0';
	return n;
}

static size_t
on_header(char *ptr, size_t size, size_t n, void *arg)
{
	struct reply *r = arg;
	char *colon = memchr(ptr, ':', n);
	const char *v;
	size_t len;

	(void)size;
	if (n > 5 && strncmp(ptr, "HTTP/", 5) == 0)
		json_array_clear(r->headers);	/* 100 Continue came before */
	if (colon == NULL)
		return n;
	v = colon + 1;
	len = n - (size_t)(v - ptr);
	while (len && isspace((unsigned char)*v))
		v++, len--;
	while (len && isspace((unsigned char)v[len - 1]))
		len--;
	json_array_append_new(r->headers, json_pack("[s#,s#]", ptr, (int)(colon - ptr), v, (int)len));
	return n;
}

static json_t *
reply_body(const struct reply *r)
{
	json_t *v;
	char *b64;

	if (r->len && (r->data[0] == '{' || r->data[0] == '[')) {
		v = json_loadb(r->data, r->len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
		if (v)
			return json_pack("{s:o}", "json", v);
	}
	v = json_stringn(r->data ? r->data : "", r->len);
	if (v)
		return json_pack("{s:o}", "text", v);
	b64 = tokens_base64_encode(r->data, r->len);
	v = json_pack("{s:s,s:I}", "base64", b64, "length", (json_int_t)r->len);
	free(b64);
	return v;
}

static json_t *
perform(struct run *run, const char *method, const char *url, struct curl_slist *headers,
    const struct body *body)
{
	CURL *c = run->curl;
	struct reply r = { .headers = json_array() };
	json_t *out = NULL;
	CURLcode rc;
	long status = 0;

	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &r);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &r);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	if (body->mime)
		curl_easy_setopt(c, CURLOPT_MIMEPOST, body->mime);
	else if (body->data || strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body->len);
		curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, body->data ? body->data : "");
	}
	if (strcmp(method, "HEAD") != 0)
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	rc = curl_easy_perform(c);
	if (rc == CURLE_OK) {
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		out = json_pack("{s:i,s:O,s:o}", "status", (int)status, "headers", r.headers,
		    "body", reply_body(&r));
	} else {
		fprintf(stderr, "%s %s: %s\n", method, url, curl_easy_strerror(rc));
	}
	json_decref(r.headers);
	free(r.data);
	return out;
}

static struct curl_slist *
make_headers(const struct xchg *x, bool multipart)
{
	struct curl_slist *l = curl_slist_append(NULL, "Expect:");
	const char *name;
	json_t *v;
	bool typed = false;

	json_object_foreach(json_object_get(x->request, "headers"), name, v) {
		char *text, *line;

		if (strcasecmp(name, "Content-Type") == 0) {
			typed = true;
			if (multipart)
				continue;	/* curl chooses its own boundary */
		}
		text = tokens_map(x->run->map, json_string_value(v));
		line = text_format("%s: %s", name, text);
		l = curl_slist_append(l, line);
		free(line);
		free(text);
	}
	if (!typed)
		l = curl_slist_append(l, "Content-Type:");
	return l;
}

json_t *
request_send(struct xchg *x)
{
	struct body body = make_body(x);
	struct curl_slist *headers = make_headers(x, body.mime != NULL);
	char *path = request_map_url(x, json_string_value(json_object_get(x->request, "url")));
	char *url = text_format("%s%s", x->run->base, path);
	json_t *answer;

	answer = perform(x->run, json_string_value(json_object_get(x->request, "method")), url,
	    headers, &body);
	curl_slist_free_all(headers);
	curl_mime_free(body.mime);
	free(url);
	free(path);
	free(body.data);
	return answer;
}

json_t *
request_send_plain(struct run *r, const char *method, const char *url, json_t *headers,
    const char *body, size_t len)
{
	struct body b = { .data = body ? strndup(body, len) : NULL, .len = len };
	struct curl_slist *l = curl_slist_append(NULL, "Expect:");
	char *full = text_format("%s%s", r->base, url);
	const char *name;
	json_t *v, *answer;

	json_object_foreach(headers, name, v) {
		char *line = text_format("%s: %s", name, json_string_value(v));

		l = curl_slist_append(l, line);
		free(line);
	}
	answer = perform(r, method, full, l, &b);
	curl_slist_free_all(l);
	free(full);
	free(b.data);
	return answer;
}
