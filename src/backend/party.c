/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Users, groups and resources as somebody who can be invited: by number, or all of them to be searched. */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 50U
#define USER_COLUMNS "1,500,555,610,611,615" /* id, display_name, email1, aliases, timezone, login_info (ox-http-api.md 2.8) */
#define GROUP_COLUMNS "1,700,701,702"        /* id, name, display_name, members */

static const char *
text(struct arena *a, const json_t *v)
{
	const char *s = json_string_value(v);

	return s != NULL && s[0] != '\0' ? arena_strdup(a, s) : "";
}

static struct ox_party *
add(struct arena *a, struct ox_parties *out)
{
	if (out->n == out->cap) {
		size_t cap = out->cap != 0 ? 2 * out->cap : 32;
		struct ox_party *v = arena_array(a, struct ox_party, cap);

		if (v == NULL)
			return NULL;
		if (out->n > 0)
			memcpy(v, out->v, out->n * sizeof(*v));
		out->v = v;
		out->cap = cap;
	}
	out->v[out->n] = (struct ox_party){ .name = "", .login = "", .mail = "", .zone = "" };
	return &out->v[out->n++];
}

static bool
read_user(struct arena *a, const json_t *row, struct ox_parties *out)
{
	struct ox_party *p = add(a, out);
	const json_t *list = json_array_get(row, 3);
	const char **alias = arena_array(a, const char *, json_array_size(list) + 1);

	if (p == NULL || alias == NULL)
		return false;
	p->kind = OX_USER;
	if (!json_id(json_array_get(row, 0), &p->id)) {
		out->n--;
		return true;
	}
	p->name = text(a, json_array_get(row, 1));
	p->mail = text(a, json_array_get(row, 2));
	p->zone = text(a, json_array_get(row, 4));
	p->login = text(a, json_array_get(row, 5));
	for (size_t i = 0; i < json_array_size(list); i++)
		alias[p->n_aliases++] = text(a, json_array_get(list, i));
	p->alias = alias;
	return p->name != NULL && p->mail != NULL && p->zone != NULL && p->login != NULL;
}

/* Members are an array in an object, and numbers joined by commas in a column. */
static bool
read_members(struct arena *a, const json_t *v, struct ox_party *p)
{
	const char *s = json_string_value(v);
	int64_t *m = arena_array(a, int64_t, json_array_size(v) + (s != NULL ? strlen(s) : 0) / 2 + 2);
	char *end;

	if (m == NULL)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (json_id(json_array_get(v, i), &m[p->n_members]))
			p->n_members++;
	while (s != NULL && *s != '\0') {
		long long id = strtoll(s, &end, 10);

		if (end == s)
			break;
		m[p->n_members++] = id;
		s = *end == ',' ? end + 1 : end;
	}
	p->member = m;
	return true;
}

static bool
read_group(struct arena *a, int64_t id, const json_t *name, const json_t *display, const json_t *members, struct ox_parties *out)
{
	struct ox_party *p = add(a, out);

	if (p == NULL)
		return false;
	p->kind = OX_GROUP;
	p->id = id;
	p->login = text(a, name);
	p->name = text(a, display);
	return p->login != NULL && p->name != NULL && read_members(a, members, p);
}

static bool
read_resource(struct arena *a, const json_t *v, struct ox_parties *out)
{
	struct ox_party *p = add(a, out);

	if (p == NULL)
		return false;
	p->kind = OX_RESOURCE;
	if (!json_id(json_object_get(v, "id"), &p->id)) {
		out->n--;
		return true;
	}
	p->login = text(a, json_object_get(v, "name"));
	p->name = text(a, json_object_get(v, "display_name"));
	p->mail = text(a, json_object_get(v, "mailaddress"));
	return p->login != NULL && p->name != NULL && p->mail != NULL;
}

/* DATA of any of the questions below. */
static enum rc
read_data(struct arena *a, enum ox_party_kind kind, const json_t *data, struct ox_parties *out, struct err *e)
{
	const json_t *row;
	bool ok = true;
	int64_t id;
	size_t i;

	if (json_is_object(data)) {
		if (kind == OX_RESOURCE)
			ok = read_resource(a, data, out);
		else if (json_id(json_object_get(data, "id"), &id))
			ok = read_group(a, id, json_object_get(data, "name"), json_object_get(data, "display_name"), json_object_get(data, "members"), out);
	}
	json_array_foreach (data, i, row) {
		if (kind == OX_USER)
			ok = ok && read_user(a, row, out);
		else if (kind == OX_RESOURCE)
			ok = ok && read_resource(a, row, out);
		else if (json_id(json_array_get(row, 0), &id))
			ok = ok && read_group(a, id, json_array_get(row, 1), json_array_get(row, 2), json_array_get(row, 3), out);
	}
	return ok ? RC_OK : err_set(e, RC_NOMEM, "out of memory for users, groups and resources");
}

static enum rc
ask(struct ox_session *s, struct ox_req *r, size_t parts, struct ox_answer *ans, struct err *e)
{
	enum rc rc;

	buf_addc(&r->body, ']');
	r->has_body = true;
	rc = ox_call(s, r, ans, e);
	ox_req_fini(r);
	if (rc == RC_OK && json_array_size(ans->data) != parts)
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(ans->data), parts);
	return rc;
}

enum rc
ox_parties_all(struct ox_session *s, struct arena *a, struct ox_parties *out, struct err *e)
{
	static const enum ox_party_kind kinds[] = { OX_USER, OX_GROUP, OX_RESOURCE };
	struct ox_answer ans;
	struct ox_req r;
	json_t *data;
	msec_t ts;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	buf_adds(&r.body, "[{\"module\":\"user\",\"action\":\"all\",\"columns\":\"" USER_COLUMNS "\"},"
	    "{\"module\":\"group\",\"action\":\"all\",\"columns\":\"" GROUP_COLUMNS "\"},"
	    "{\"module\":\"resource\",\"action\":\"search\",\"data\":{\"pattern\":\"*\"}}");
	rc = ask(s, &r, ARRAY_LEN(kinds), &ans, e);
	for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(kinds); i++) {
		rc = ox_envelope(json_array_get(ans.data, i), NULL, false, &data, &ts, e);
		if (rc != RC_OK && kinds[i] != OX_USER)
			rc = RC_OK; /* a server without resources, or groups */
		else if (rc == RC_OK)
			rc = read_data(a, kinds[i], data, out, e);
	}
	ox_answer_fini(&ans);
	return rc;
}

static void
some_part(struct buf *b, enum ox_party_kind kind, int64_t id)
{
	if (kind == OX_USER)
		buf_addf(b, "{\"module\":\"user\",\"action\":\"list\",\"columns\":\"" USER_COLUMNS "\",\"data\":[%" PRId64 "]}", id);
	else
		buf_addf(b, "{\"module\":\"%s\",\"action\":\"get\",\"id\":%" PRId64 "}", kind == OX_GROUP ? "group" : "resource", id);
}

/* Not known is no error here, whatever OX calls it; QUIRK(OX, 8.19): a category of its own each: USR-0010 warns, GRP-0017 fails, RES-0005 blames. */
static bool
unknown(enum rc rc, const struct err *e)
{
	return rc == RC_NOTFOUND || rc == RC_PROTO || strcmp(e->code, "USR-0010") == 0 || strcmp(e->code, "GRP-0017") == 0 || strcmp(e->code, "RES-0005") == 0;
}

enum rc
ox_parties_some(struct ox_session *s, struct arena *a, enum ox_party_kind kind, const int64_t *id, size_t n, struct ox_parties *out, struct err *e)
{
	struct err local;
	enum rc rc = RC_OK;

	if (e == NULL)
		e = &local;
	for (size_t from = 0; rc == RC_OK && from < n; from += PARTS_MAX) {
		size_t k = n - from < PARTS_MAX ? n - from : PARTS_MAX;
		struct ox_answer ans;
		struct ox_req r;
		json_t *data;
		msec_t ts;

		ox_req_init(&r, "multiple", NULL);
		ox_param(&r, "continue", "true");
		for (size_t i = 0; i < k; i++) {
			buf_addc(&r.body, i == 0 ? '[' : ',');
			some_part(&r.body, kind, id[from + i]);
		}
		rc = ask(s, &r, k, &ans, e);
		for (size_t i = 0; rc == RC_OK && i < k; i++) {
			rc = ox_envelope(json_array_get(ans.data, i), NULL, false, &data, &ts, e);
			if (rc == RC_OK)
				rc = read_data(a, kind, data, out, e);
			else if (unknown(rc, e))
				rc = RC_OK;
		}
		ox_answer_fini(&ans);
	}
	return rc;
}
