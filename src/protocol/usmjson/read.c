/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reads requests: parses the body within limits, checks members against a table of what is allowed, and names the
 * JSON path of whatever is wrong.  Nothing here knows a command.
 */
#include "protocol/usmjson/usmjson_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the body ---- */

/* Where the text that P[0..N) is inside of ends: the index of its closing quote, or N.  Pictures and mails are such texts, hence memchr. */
static size_t
text_end(struct body_look *l, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		const char *quote = memchr(p + i, '"', n - i);
		size_t to = quote != NULL ? (size_t)(quote - p) : n;
		const char *back = l->escaped ? NULL : memchr(p + i, '\\', to - i);

		if (l->escaped) {
			l->escaped = false;
			i++;
		} else if (back != NULL) {
			l->escaped = true;
			i = (size_t)(back - p) + 1;
		} else {
			return to;
		}
	}
	return n;
}

const char *
body_looked(struct body_look *l, const char *p, size_t n, size_t max_depth, size_t max_values)
{
	for (size_t i = 0; i < n; i++) {
		if (l->in_text) {
			i += text_end(l, p + i, n - i);
			l->in_text = i >= n;
			continue;
		}
		switch (p[i]) {
		case '"':
			l->in_text = true;
			break;
		case '{':
		case '[':
			if (++l->depth > max_depth)
				return "is nested more deeply than max_depth allows";
			if (++l->values >= max_values)
				return "holds more values than max_values allows";
			break;
		case ',':
			if (++l->values >= max_values)
				return "holds more values than max_values allows";
			break;
		case '}':
		case ']':
			l->depth -= l->depth > 0;
			break;
		default:
			break;
		}
	}
	return NULL;
}

/* model names the whole text "$": here it is the request, and paths are relative to it */
static void
path_relative(struct err *e)
{
	size_t skip = strncmp(e->path, "$.", 2) == 0 ? 2 : e->path[0] == '$' ? 1 : 0;

	memmove(e->path, e->path + skip, strlen(e->path + skip) + 1);
}

enum rc
request_parse(const struct usmjson_options *o, const char *p, size_t n, json_t **out, struct err *e)
{
	size_t file = o->max_mail_bytes > o->max_attachment_bytes ? o->max_mail_bytes : o->max_attachment_bytes;
	size_t base64 = file / 3 * 4 + 4;
	struct json_limits lim = {
		.depth = (unsigned)o->max_depth,
		.string = base64 > o->max_string_bytes ? base64 : o->max_string_bytes, /* the tighter one is checked by member */
	};
	struct body_look l = { 0 };
	const char *why;
	enum rc rc;

	*out = NULL;
	if (n == 0)
		return err_set(e, RC_PROTO, "The request has no body; send a JSON object, {} when there is nothing to say");
	why = body_looked(&l, p, n, SIZE_MAX, o->max_values); /* the depth is the parser's matter, which says where */
	if (why != NULL)
		return err_set(e, RC_LIMIT, "The request %s", why);
	rc = model_json_parse(p, n, &lim, out, e);
	if (rc == RC_OK && !json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		rc = err_set(e, RC_PROTO, "The request must be one JSON object");
	}
	if (rc != RC_OK && e != NULL)
		path_relative(e);
	return rc;
}

/* ---- the path ---- */

void
rd_init(struct rd *r, struct call *c)
{
	memset(r, 0, sizeof(*r));
	r->c = c;
}

static void
path_add(struct rd *r, const char *text)
{
	size_t n = strlen(text);

	if (r->len + n < sizeof(r->path))
		memcpy(r->path + r->len, text, n + 1);
	else if (r->len < sizeof(r->path))
		(void)snprintf(r->path + r->len, sizeof(r->path) - r->len, "%s", text);
	r->len += n;
}

size_t
rd_enter(struct rd *r, const char *member)
{
	size_t mark = r->len;

	if (mark != 0)
		path_add(r, ".");
	path_add(r, member);
	return mark;
}

size_t
rd_enter_index(struct rd *r, size_t i)
{
	size_t mark = r->len;
	char text[24];

	(void)snprintf(text, sizeof(text), "[%zu]", i);
	path_add(r, text);
	return mark;
}

void
rd_leave(struct rd *r, size_t mark)
{
	r->len = mark;
	if (mark < sizeof(r->path))
		r->path[mark] = '\0';
}

enum rc
rd_fail(struct rd *r, enum rc rc, const char *fmt, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set_path(&r->c->err, rc, r->path, "%s", text);
}

enum rc
rd_fail_at(struct rd *r, const char *member, enum rc rc, const char *fmt, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	size_t mark = rd_enter(r, member);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set_path(&r->c->err, rc, r->path, "%s", text);
	rd_leave(r, mark);
	return rc;
}

/* ---- values ---- */

static bool
name_valid(const char *s, size_t n, size_t max, const char *extra)
{
	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			continue;
		if (c == '\0' || strchr(extra, c) == NULL)
			return false;
	}
	return true;
}

static bool
device_name_valid(const char *s, size_t n)
{
	return name_valid(s, n, USMJSON_DEVICE_MAX, "._-");
}

/* re.<uuid>.<device> is longer than a name that a client may choose */
static bool
recreated_valid(const char *s, size_t n)
{
	char text[UUID_TEXT];
	struct uuid u;

	s += sizeof(USMJSON_RECREATED) - 1;
	n -= sizeof(USMJSON_RECREATED) - 1;
	if (n < UUID_TEXT + 1 || s[UUID_TEXT - 1] != '.')
		return false;
	memcpy(text, s, UUID_TEXT - 1);
	text[UUID_TEXT - 1] = '\0';
	return uuid_parse(text, &u) && device_name_valid(s + UUID_TEXT, n - UUID_TEXT);
}

static bool
client_id_valid(const char *s, size_t n)
{
	if (strncmp(s, USMJSON_RECREATED, sizeof(USMJSON_RECREATED) - 1) == 0)
		return recreated_valid(s, n);
	return name_valid(s, n, USMJSON_CLIENT_ID_MAX, "._:-");
}

static bool
syncid_parse(const char *s, size_t n, struct syncid *out)
{
	return n == 2 * sizeof(out->b) && hex_decode(s, out->b, sizeof(out->b));
}

static bool
rev_valid(const char *s, size_t n)
{
	unsigned char b[(REV_TEXT - 1) / 2];

	return n == REV_TEXT - 1 && hex_decode(s, b, sizeof(b));
}

/* Whole texts a person can act on, by kind. */
static const char *const wanted[] = {
	[RD_STRING] = "a string", [RD_INT] = "a whole number", [RD_BOOL] = "true or false", [RD_ARRAY] = "an array",
	[RD_OBJECT] = "an object", [RD_UUID] = "a uuid, 36 characters 8-4-4-4-12 hex digits",
	[RD_SYNCID] = "a syncid as the server gave it, 32 hex digits", [RD_REV] = "a rev as the server gave it, 16 hex digits",
	[RD_CLIENT_ID] = "1 to 64 characters of A-Z a-z 0-9 . _ : -, not beginning with re.", [RD_DEVICE] = "1 to 64 characters of A-Z a-z 0-9 . _ -",
	[RD_POLICY] = "\"server\", \"client\" or \"error\"", [RD_ANY] = "a value",
};

static bool
text_fits(const struct rd_member *m, const json_t *j)
{
	const char *s = json_string_value(j);
	size_t n = json_string_length(j);
	struct syncid id;
	struct uuid u;

	switch (m->kind) {
	case RD_UUID:
		return n == UUID_TEXT - 1 && uuid_parse(s, &u);
	case RD_SYNCID:
		return syncid_parse(s, n, &id);
	case RD_REV:
		return rev_valid(s, n);
	case RD_CLIENT_ID:
		return client_id_valid(s, n);
	case RD_DEVICE:
		return device_name_valid(s, n);
	case RD_POLICY:
		return strcmp(s, "server") == 0 || strcmp(s, "client") == 0 || strcmp(s, "error") == 0;
	default:
		return true;
	}
}

static bool
type_fits(const struct rd_member *m, const json_t *j)
{
	switch (m->kind) {
	case RD_INT:
		return json_is_integer(j);
	case RD_BOOL:
		return json_is_boolean(j);
	case RD_ARRAY:
		return json_is_array(j);
	case RD_OBJECT:
		return json_is_object(j);
	case RD_ANY:
		return true;
	default:
		return json_is_string(j) && text_fits(m, j);
	}
}

enum rc
rd_value(struct rd *r, const struct rd_member *m, const json_t *j)
{
	int64_t n;

	if (!type_fits(m, j))
		return rd_fail(r, RC_PROTO, "must be %s", wanted[m->kind]);
	switch (m->kind) {
	case RD_INT:
		n = json_integer_value(j);
		if (n < m->min || n > m->max)
			return rd_fail(r, RC_PROTO, "must be from %" PRId64 " to %" PRId64, m->min, m->max);
		break;
	case RD_STRING:
		n = (int64_t)json_string_length(j);
		if (n < m->min)
			return rd_fail(r, RC_PROTO, "must not be empty");
		if (n > m->max)
			return rd_fail(r, RC_LIMIT, "is longer than %" PRId64 " bytes", m->max);
		break;
	case RD_ARRAY:
		n = (int64_t)json_array_size(j);
		if (n < m->min)
			return rd_fail(r, RC_PROTO, "needs at least %" PRId64 " elements", m->min);
		if (n > m->max)
			return rd_fail(r, RC_LIMIT, "has more than %" PRId64 " elements", m->max);
		break;
	default:
		break;
	}
	return RC_OK;
}

size_t
rd_member_find(const struct rd_member *m, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(m[i].name, name) != 0)
		i++;
	return i;
}

/* An error for the first required member of M that is absent in OUT. */
static enum rc
rd_required(struct rd *r, const struct rd_member *m, size_t n, json_t *const *out)
{
	for (size_t i = 0; i < n; i++)
		if ((m[i].flags & RD_REQUIRED) != 0 && out[i] == NULL)
			return rd_fail_at(r, m[i].name, RC_PROTO, "is missing: it must be %s", wanted[m[i].kind]);
	return RC_OK;
}

enum rc
rd_object(struct rd *r, const json_t *j, const struct rd_member *m, size_t n, json_t **out)
{
	const char *name;
	json_t *v;
	size_t i, mark;
	enum rc rc;

	memset(out, 0, n * sizeof(*out));
	if (!json_is_object(j))
		return rd_fail(r, RC_PROTO, "must be an object");
	json_object_foreach((json_t *)(uintptr_t)j, name, v) {
		i = rd_member_find(m, n, name);
		if (i == n)
			return rd_fail_at(r, name, RC_PROTO, "is no member of this");
		if (json_is_null(v) && (m[i].flags & RD_NULL) != 0)
			continue;
		mark = rd_enter(r, name);
		rc = rd_value(r, &m[i], v);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, mark);
		out[i] = v;
	}
	return rd_required(r, m, n, out);
}

void
rd_uuid(const json_t *j, struct uuid *out)
{
	if (!uuid_parse(json_string_value(j), out))
		memset(out, 0, sizeof(*out));
}

void
rd_syncid(const json_t *j, struct syncid *out)
{
	if (!syncid_parse(json_string_value(j), json_string_length(j), out))
		memset(out, 0, sizeof(*out));
}

enum sync_policy
rd_policy(const json_t *j)
{
	const char *s = json_string_value(j);

	return strcmp(s, "client") == 0 ? POLICY_CLIENT : strcmp(s, "error") == 0 ? POLICY_ERROR : POLICY_SERVER;
}

void
rd_folder(const json_t *j, struct folder_ref *out)
{
	memset(out, 0, sizeof(*out));
	out->hierarchy = j == NULL;
	if (j != NULL)
		rd_uuid(j, &out->uuid);
}
