/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The envelope around every answer and the table of errors.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

struct error_def { const char *key; int cat; const char *text, *desc; };

static const struct error_def errors[] = {
#define X(k, c, t, d) { k, c, t, d },
#include "oxsim/errors.def"
#undef X
};

/* what servers before 8 answered instead: facts of the API description */
static const struct { const char *key, *code; int cat; } older[] = {
	{ "SVL-0002", "SVL-0002", 8 },
	{ "SVL-0010", "SVL-0010", 8 },
	{ "SVL-0001", "SVL-0001", 8 },
	{ "SVL-0007", "SVL-0007", 8 },
	{ "IMAP-1002", "MSG-0066", 1 },
	{ "CAL-4120", "OX-0001", 9 },
	{ "CON-0125", "CON-0125", 8 },
	{ "TSK-0006", "TSK-0006", 3 },
	{ "FLD-1004", "FLD-0008", 8 },
};

static const char *
category_name(int cat)
{
	static const char *const names[] = { "ERROR", "USER_INPUT", "CONFIGURATION",
	    "PERMISSION_DENIED", "TRY_AGAIN", "SERVICE_DOWN", "CONNECTIVITY", "ERROR", "ERROR",
	    "CONFLICT", "ERROR", "CAPACITY", "TRUNCATED", "WARNING" };

	return cat > 0 && cat < 14 ? names[cat] : "ERROR";
}

json_t *
error_object(const char *key, json_t *params)
{
	const struct error_def *d = NULL;
	char code[24], *id, *desc, *ps;
	int cat = 8;
	size_t i;
	json_t *e;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]) && d == NULL; i++)
		if (strcmp(errors[i].key, key) == 0)
			d = &errors[i];
	(void)snprintf(code, sizeof(code), "%.*s", (int)strcspn(key, "/"), key);
	if (d != NULL)
		cat = d->cat;
	for (i = 0; S.older && i < sizeof(older) / sizeof(older[0]); i++)
		if (strcmp(older[i].key, key) == 0) {
			(void)snprintf(code, sizeof(code), "%s", older[i].code);
			cat = older[i].cat;
		}
	if (params == NULL)
		params = json_array();
	ps = json_dumps(params, JSON_COMPACT);
	desc = xprintf("%s %s", d ? d->desc : "error", ps ? ps : "");
	id = xprintf("%u-%u", S.err_base, ++S.err_seq);
	e = json_pack("{s:s, s:o, s:s, s:i, s:s, s:s, s:s}", "error", d ? d->text : "Error.",
	    "error_params", S.older ? json_array() : json_incref(params), "categories",
	    category_name(cat), "category", cat, "code", code, "error_id", id, "error_desc",
	    json_array_size(params) > 0 && d ? desc : d ? d->desc : "error");
	json_decref(params);
	free(ps);
	free(desc);
	free(id);
	return e;
}

void
error_category(json_t *e, int cat)
{
	json_object_set_new(e, "categories", json_string(category_name(cat)));
	json_object_set_new(e, "category", json_integer(cat));
}

void
fail(struct req *r, const char *key, json_t *params)
{
	if (r->failed) {
		json_decref(params);
		return;
	}
	r->failed = true;
	r->err = error_object(key, params);
}

void
fail_trunc(struct req *r, const char *key, const char *label, int max, int len, int id, int col)
{
	if (r->failed)
		return;
	fail(r, key, json_pack("[s,i,i]", label, max, len));
	json_object_set_new(r->err, "problematic", json_pack("[{s:i,s:i,s:i}]", "id", id, "length",
	    len, "max_size", max));
	if (col >= 0)
		json_object_set_new(r->err, "truncated", json_pack("[i]", col));
}

bool
code_is(const struct req *r, const char *code)
{
	const char *c = r->err ? json_string_value(json_object_get(r->err, "code")) : NULL;

	return c != NULL && strcmp(c, code) == 0;
}

void
warn(struct req *r, const char *key, json_t *params)
{
	json_t *e = error_object(key, params);

	json_object_set_new(e, "categories", json_string("WARNING"));
	json_object_set_new(e, "category", json_integer(13));
	if (r->warn == NULL)
		r->warn = json_array();
	json_array_append_new(r->warn, e);
}

void
envelope_begin(struct req *r)
{
	r->start = r->out->len;
	sb_str(r->out, "{\"data\":");
	r->mark = r->out->len;
}

static void
put_members(struct sb *b, const json_t *o)
{
	char *t = json_dumps(o, JSON_COMPACT);

	if (t != NULL) {
		if (b->p[b->len - 1] != '{')
			sb_ch(b, ',');
		sb_put(b, t + 1, strlen(t) - 2);
	}
	free(t);
}

void
envelope_end(struct req *r)
{
	struct sb *b = r->out;
	char *t;

	if (r->failed) {
		b->len = r->start;
		sb_ch(b, '{');
		if (r->null_data)
			sb_str(b, "\"data\":null");
		put_members(b, r->err);
		sb_ch(b, '}');
		return;
	}
	if (b->len == r->mark) {
		b->len = r->start;
		sb_ch(b, '{');
	}
	if (r->has_ts) {
		sb_str(b, b->p[b->len - 1] == '{' ? "\"timestamp\":" : ",\"timestamp\":");
		sb_int(b, r->ts);
	}
	if (r->warn != NULL) {
		put_members(b, json_array_get(r->warn, 0));
		t = json_dumps(json_array_size(r->warn) == 1 ? json_array_get(r->warn, 0) : r->warn,
		    JSON_COMPACT);
		sb_str(b, ",\"warnings\":");
		sb_str(b, t ? t : "[]");
		free(t);
	}
	sb_ch(b, '}');
}
