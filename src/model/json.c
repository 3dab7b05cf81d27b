/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * JSON text out (straight into a buffer, no tree is dumped) and in (strict, bounded, saying where a fault is).
 * What a client's members mean is in read.c.
 */
#include "usmd/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- jansson's memory ---- */

static _Thread_local bool starved; /* an allocation of jansson has failed since model_json_begin or the last load */

static void *
json_memory(size_t n)
{
	void *p = mem_realloc(NULL, n);

	if (p == NULL)
		starved = true;
	return p;
}

void
model_json_memory(void)
{
	json_set_alloc_funcs(json_memory, mem_free);
}

void
model_json_begin(void)
{
	starved = false;
}

bool
model_json_starved(void)
{
	return starved;
}

json_t *
model_json_load(const char *p, size_t n, size_t flags, json_error_t *je, bool *nomem)
{
	json_t *v;

	starved = false;
	v = json_loadb(p, n, flags | JSON_REJECT_DUPLICATES, je);
	*nomem = starved;
	if (starved) {
		json_decref(v);
		v = NULL;
	}
	return v;
}

/* ---- out ---- */

static const char *
escape_of(unsigned char c, char tmp[8])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		(void)snprintf(tmp, 8, "\\u%04x", c);
		return tmp;
	}
}

void
json_text_string(struct buf *b, const char *s, size_t n)
{
	char tmp[8];
	size_t from = 0;

	buf_addc(b, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s + from, i - from);
		buf_adds(b, escape_of(c, tmp));
		from = i + 1;
	}
	buf_add(b, s + from, n - from);
	buf_addc(b, '"');
}

/* The shortest of 15 or 17 digits that reads back as the same number; JSON has no infinity. */
static void
text_real(struct buf *b, double d)
{
	char t[40];

	if (!isfinite(d)) {
		buf_adds(b, "null");
		return;
	}
	(void)snprintf(t, sizeof(t), "%.15g", d);
	if (strtod(t, NULL) < d || strtod(t, NULL) > d)
		(void)snprintf(t, sizeof(t), "%.17g", d);
	buf_adds(b, t);
}

void
json_text(struct buf *b, const json_t *v)
{
	const char *name;
	json_t *item;
	size_t i, n = 0;

	switch (v == NULL ? JSON_NULL : json_typeof(v)) {
	case JSON_STRING:
		json_text_string(b, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		buf_add_i64(b, json_integer_value(v));
		break;
	case JSON_REAL:
		text_real(b, json_real_value(v));
		break;
	case JSON_TRUE:
		buf_add(b, "true", 4);
		break;
	case JSON_FALSE:
		buf_add(b, "false", 5);
		break;
	case JSON_ARRAY:
		buf_addc(b, '[');
		json_array_foreach (v, i, item) {
			if (i > 0)
				buf_addc(b, ',');
			json_text(b, item);
		}
		buf_addc(b, ']');
		break;
	case JSON_OBJECT:
		buf_addc(b, '{');
		json_object_foreach ((json_t *)(uintptr_t)v, name, item) {
			if (n++ > 0)
				buf_addc(b, ',');
			json_text_string(b, name, strlen(name));
			buf_addc(b, ':');
			json_text(b, item);
		}
		buf_addc(b, '}');
		break;
	default:
		buf_add(b, "null", 4);
	}
}

size_t
object_text(struct buf *b, const struct object *o, const struct fmask *only, unsigned avoid, bool first)
{
	const struct content_type *t = model_content(o->ct);
	size_t n = 0;

	for (unsigned i = 0; i < t->n_fields; i++) {
		if (only != NULL ? !fmask_has(only, i) : o->v[i] == NULL)
			continue;
		if ((t->fields[i].flags & avoid) != 0)
			continue;
		if (!first || n > 0)
			buf_addc(b, ',');
		buf_addc(b, '"');
		buf_adds(b, t->fields[i].name);
		buf_add(b, "\":", 2);
		json_text(b, o->v[i]);
		n++;
	}
	return n;
}

/* ---- in ---- */

#define PATH_DEPTH 24 /* deeper faults are named down to here */

/** A walk through the text that knows where it is.  It trusts nothing: it may be run on text that is no JSON. */
struct walk {
	struct {
		size_t key, key_n; /* the member's name in the text, key_n 0 in an array */
		size_t index;
		bool array;
	} at[PATH_DEPTH];
	unsigned depth; /* of brackets open; may exceed PATH_DEPTH */
};

static void
walk_path(const struct walk *w, const char *text, char *out, size_t size)
{
	size_t n = 0;

	(void)snprintf(out, size, "$");
	for (unsigned d = 0; d < w->depth && d < PATH_DEPTH; d++) {
		n = strlen(out);
		if (w->at[d].array)
			(void)snprintf(out + n, size - n, "[%zu]", w->at[d].index);
		else if (w->at[d].key_n > 0)
			(void)snprintf(out + n, size - n, ".%.*s", (int)(w->at[d].key_n < 40 ? w->at[d].key_n : 40), text + w->at[d].key);
	}
}

static size_t
string_end(const char *text, size_t n, size_t i)
{
	for (i++; i < n && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return i < n ? i : n;
}

static void
walk_string(struct walk *w, const char *text, size_t n, size_t from, size_t to)
{
	size_t i = to + 1;

	if (w->depth == 0 || w->depth > PATH_DEPTH || w->at[w->depth - 1].array)
		return;
	while (i < n && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
		i++;
	if (i < n && text[i] == ':') {
		w->at[w->depth - 1].key = from + 1;
		w->at[w->depth - 1].key_n = to - from - 1;
	}
}

/* Walks to STOP or the first limit passed.  Returns NULL, or what was passed. */
static const char *
walk(struct walk *w, const char *text, size_t n, size_t stop, const struct json_limits *lim)
{
	size_t end;

	for (size_t i = 0; i < n && i < stop; i++) {
		switch (text[i]) {
		case '"':
			end = string_end(text, n, i);
			walk_string(w, text, n, i, end);
			if (lim != NULL && end - i - 1 > lim->string)
				return "string too long";
			i = end;
			break;
		case '{':
		case '[':
			if (lim != NULL && w->depth >= lim->depth)
				return "nested too deeply";
			if (w->depth < PATH_DEPTH) {
				memset(&w->at[w->depth], 0, sizeof(w->at[0]));
				w->at[w->depth].array = text[i] == '[';
			}
			w->depth++;
			break;
		case '}':
		case ']':
			if (w->depth > 0)
				w->depth--;
			break;
		case ',':
			if (w->depth > 0 && w->depth <= PATH_DEPTH)
				w->at[w->depth - 1].index++;
			break;
		default:
			break;
		}
	}
	return NULL;
}

enum rc
model_json_parse(const char *text, size_t n, const struct json_limits *lim, json_t **out, struct err *e)
{
	struct walk w = { .depth = 0 };
	json_error_t je;
	const char *passed;
	char path[96];
	bool nomem;

	*out = NULL;
	if (!utf8_valid(text, n))
		return err_set_path(e, RC_PROTO, "$", "the text is not valid UTF-8");
	passed = walk(&w, text, n, n, lim);
	if (passed != NULL) {
		walk_path(&w, text, path, sizeof(path));
		return err_set_path(e, RC_LIMIT, path, "%s (at most %u levels, %zu octets a string)", passed, lim->depth, lim->string);
	}
	*out = model_json_load(text, n, 0, &je, &nomem);
	if (*out != NULL)
		return RC_OK;
	if (nomem || json_error_code(&je) == json_error_out_of_memory)
		return err_set(e, RC_NOMEM, "out of memory while reading JSON");
	/* je.position is behind the token that was refused; a bracket that closes too early must not be walked over */
	memset(&w, 0, sizeof(w));
	(void)walk(&w, text, n, je.position > 0 ? (size_t)je.position - 1 : 0, NULL);
	walk_path(&w, text, path, sizeof(path));
	return err_set_path(e, RC_PROTO, path, "not valid JSON, line %d column %d: %.160s", je.line, je.column, je.text);
}
