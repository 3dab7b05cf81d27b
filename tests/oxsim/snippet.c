/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module snippet: signatures and other texts of a user (recorded 22-password-personal-data 48 to 50; update, get, list, delete and all errors as a
 * real OX 8.19 answered).  Pictures: the octets of image/snippet/image; what a client sends as data: stays as it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

static void
put(struct req *r, json_t *j)
{
	char *t = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	sb_str(r->out, t ? t : "null");
	free(t);
	json_decref(j);
}

static json_t *
find(struct req *r, const char *id, size_t *at)
{
	size_t i;
	json_t *s;

	json_array_foreach(r->u->snippets, i, s)
		if (id != NULL && strcmp(json_string_value(json_object_get(s, "id")), id) == 0) {
			if (at != NULL)
				*at = i;
			return s;
		}
	fail(r, "SNIPPET-0003", json_pack("[s]", id ? id : ""));
	return NULL;
}

static bool
is_of(const json_t *s, const char *key, const char *value)
{
	return value == NULL || g_strcmp0(json_string_value(json_object_get(s, key)), value) == 0;
}

void
snippet_all(struct req *r)
{
	json_t *a = json_array(), *s;
	size_t i;

	json_array_foreach(r->u->snippets, i, s)
		if (is_of(s, "type", arg(r, "type")) && is_of(s, "module", arg(r, "module")))
			json_array_append(a, s);
	put(r, a);
}

void
snippet_get(struct req *r)
{
	const char *id = need(r, "id");
	json_t *s = id != NULL ? find(r, id, NULL) : NULL;

	if (s != NULL)
		put(r, json_incref(s));
}

void
snippet_list(struct req *r)
{
	json_t *ids = body_array(r), *a = json_array(), *v, *s;
	size_t i;

	json_array_foreach(ids, i, v)
		if (!r->failed && (s = find(r, json_string_value(v), NULL)) != NULL)
			json_array_append(a, s);
	if (!r->failed)
		put(r, a);
	else
		json_decref(a);
}

static char *
with_crlf(const char *s)
{
	struct sb b = { 0 };
	char *out;

	for (; *s != '\0'; s++) {
		if (*s == '\n' && (b.len == 0 || b.p[b.len - 1] != '\r'))
			sb_ch(&b, '\r');
		sb_ch(&b, *s);
	}
	out = xstrdup(sb_cstr(&b));
	sb_free(&b);
	return out;
}

/* The members of IN that are given; misc is replaced as a whole. */
static bool
take(struct req *r, json_t *s, const json_t *in)
{
	static const char *const members[] = { "displayname", "type", "module", "misc", "shared", "content" };
	const char *name = json_string_value(json_object_get(in, "displayname"));
	size_t i;
	json_t *v;
	char *t;

	if (name != NULL && strlen(name) > 255) {
		fail(r, "SNIPPET-0014", NULL);
		return false;
	}
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if ((v = json_object_get(in, members[i])) != NULL)
			json_object_set_new(s, members[i], json_deep_copy(v));
	t = with_crlf(json_string_value(json_object_get(s, "content")) ? json_string_value(json_object_get(s, "content")) : "");
	/* a text of one part keeps its line breaks (recorded 50), with more than one it has those of a mail; the same to a reader */
	json_object_set_new(s, "content", json_string(t));
	free(t);
	return true;
}

void
snippet_new(struct req *r)
{
	static const char *const needed[] = { "displayname", "type", "module" };
	json_t *in = body_object(r), *s, *v;
	json_int_t id = 1;
	char text[24];
	size_t i;

	if (in == NULL)
		return;
	for (i = 0; i < 3; i++)
		if (json_string_value(json_object_get(in, needed[i])) == NULL) {
			fail(r, "SVL-0002", json_pack("[s]", needed[i]));
			return;
		}
	json_array_foreach(r->u->snippets, i, v)
		if (strtoll(json_string_value(json_object_get(v, "id")), NULL, 10) >= id)
			id = strtoll(json_string_value(json_object_get(v, "id")), NULL, 10) + 1;
	(void)snprintf(text, sizeof(text), "%lld", (long long)id);
	s = json_pack("{s:s,s:i,s:b}", "id", text, "createdby", r->u->id, "shared", 0);
	if (take(r, s, in)) {
		json_array_append(r->u->snippets, s);
		sb_js(r->out, text);
	}
	json_decref(s);
}

void
snippet_update(struct req *r)
{
	const char *id = need(r, "id");
	json_t *in = id != NULL ? body_object(r) : NULL, *s = in != NULL ? find(r, id, NULL) : NULL;

	if (s != NULL && take(r, s, in))
		put(r, json_incref(s));
}

void
snippet_delete(struct req *r)
{
	const char *id = need(r, "id");
	size_t at = 0;

	if (id == NULL || find(r, id, &at) == NULL)
		return;
	json_array_remove(r->u->snippets, at);
	sb_str(r->out, "{}");
}

/* The one picture that oxsim has for every signature: a GIF of one point. */
void
image_snippet(struct req *r)
{
	static const unsigned char gif[] = { 'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b };
	const char *id = need(r, "id");

	if (id != NULL && find(r, id, NULL) != NULL)
		raw_reply(r, "image/gif", gif, sizeof(gif));
}
