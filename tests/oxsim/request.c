/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading a request: parameters, JSON body, and what a handler says back
 * beside its data.
 */
#include <errno.h>
#include <stdlib.h>

#include "oxsim/sim.h"

const char *
arg(const struct req *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->narg; i++)
		if (strcmp(r->arg[i].k, name) == 0)
			return r->arg[i].v;
	return NULL;
}

bool
arg_true(const struct req *r, const char *name)
{
	const char *v = arg(r, name);

	return v != NULL && (g_ascii_strcasecmp(v, "true") == 0 || strcmp(v, "1") == 0);
}

const char *
need(struct req *r, const char *name)
{
	const char *v = arg(r, name);

	if (v == NULL || *v == '\0') {
		fail(r, "SVL-0002", json_pack("[s]", name));
		return NULL;
	}
	return v;
}

bool
parse_i64(const char *s, int64_t *v)
{
	char *end;

	if (s == NULL || *s == '\0')
		return false;
	errno = 0;
	*v = strtoll(s, &end, 10);
	return errno == 0 && *end == '\0';
}

bool
need_i64(struct req *r, const char *name, int64_t *v)
{
	const char *s = need(r, name);

	if (s == NULL)
		return false;
	if (!parse_i64(s, v)) {
		fail(r, "SVL-0010", json_pack("[s,s]", name, s));
		return false;
	}
	return true;
}

void
add_arg(struct req *r, const char *k, const char *v)
{
	if (r->narg == r->carg) {
		r->carg = r->carg ? r->carg * 2 : 12;
		r->arg = xrealloc(r->arg, r->carg * sizeof(*r->arg));
	}
	r->arg[r->narg].k = xstrdup(k);
	r->arg[r->narg++].v = xstrdup(v ? v : "");
}

void
add_header(struct req *r, const char *k, const char *v)
{
	r->hdr = xrealloc(r->hdr, sizeof(*r->hdr) * (r->nhdr + 1));
	r->hdr[r->nhdr].k = xstrdup(k);
	r->hdr[r->nhdr++].v = xstrdup(v);
}

void
set_ts(struct req *r, int64_t ts)
{
	r->has_ts = true;
	r->ts = ts;
}

json_t *
body_json(struct req *r)
{
	size_t i;

	if (!r->j_done) {
		const char *p = r->body;
		size_t n = r->blen;

		r->j_done = true;
		for (i = 0; i < r->npart; i++)
			if (strcmp(r->part[i].name, "json") == 0 ||
			    strcmp(r->part[i].name, "json_0") == 0) {
				p = r->part[i].p;
				n = r->part[i].n;
			}
		if (n > 0)
			r->j = json_loadb(p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL |
			    JSON_REJECT_DUPLICATES, NULL);
		r->j_own = r->j != NULL;
		if (n == 0)
			fail(r, "SVL-0023", NULL);
		else if (r->j == NULL)
			/* plain text is a JSON string to the server */
			fail(r, *p == '{' || *p == '[' || *p == '"' ? "SVL-0029" :
			    strcmp(r->module, "mail") == 0 ? "MSG-0000" : "SVL-0011", NULL);
	} else if (r->j == NULL) {
		fail(r, "SVL-0023", NULL);
	}
	return r->j;
}

static json_t *
body_of(struct req *r, bool ok)
{
	if (r->j == NULL)
		return NULL;
	if (!ok) {
		fail(r, strcmp(r->module, "mail") == 0 ? "MSG-0127" : "SVL-0011",
		    json_pack("[s]", "unexpected JSON type"));
		return NULL;
	}
	return r->j;
}

json_t *
body_object(struct req *r)
{
	return body_of(r, json_is_object(body_json(r)));
}

json_t *
body_array(struct req *r)
{
	return body_of(r, json_is_array(body_json(r)));
}

bool
json_id(const json_t *v, int *id)
{
	int64_t n = 0;

	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (!json_is_string(v) || !parse_i64(json_string_value(v), &n))
		return false;
	if (n < INT32_MIN || n > INT32_MAX)
		return false;
	*id = (int)n;
	return true;
}

bool
folder_id_parse(const char *s, int *id)
{
	int64_t n;

	if (!parse_i64(s, &n) || n < 0 || n > INT32_MAX)
		return false;
	*id = (int)n;
	return true;
}

bool
json_folder(const json_t *v, int *id)
{
	return json_id(v, id);
}

void
req_clear(struct req *r)
{
	size_t i;

	for (i = 0; i < r->narg; i++) {
		free(r->arg[i].k);
		free(r->arg[i].v);
	}
	for (i = 0; i < r->nhdr; i++) {
		free(r->hdr[i].k);
		free(r->hdr[i].v);
	}
	for (i = 0; i < r->npart; i++) {
		free(r->part[i].name);
		free(r->part[i].filename);
		free(r->part[i].type);
	}
	free(r->arg);
	free(r->hdr);
	free(r->part);
	if (r->j_own)
		json_decref(r->j);
	json_decref(r->err);
	json_decref(r->warn);
}
