/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The fast way from the text of a list answer to objects: most cells of a row are null, and building and freeing jansson's
 * arrays for them costs more than the objects (10,000 contacts of 121 columns: 205 ms of CPU with them, 40 without).
 *
 * It takes one shape only, {"data":[[...],...,id,...],"timestamp":n}, and gives up without a trace on anything else: errors,
 * warnings, broken text.  rows_read then reads the text with jansson and says what is wrong.  So it may be strict, and never lax:
 * what it accepts, jansson accepts with the same values (tests/unit/backend/test_scan.c compares them).
 */
#include "backend/backend_int.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 100 /* of one cell: participants have 2 */

struct scan {
	const char *p, *end;
	struct rows_want *w;
	struct object **o;
	int64_t *ids;
	size_t n, cap, n_ids, cap_ids;
	struct buf tmp; /* of strings with escapes */
};

static void
skip_blank(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
take(struct scan *s, char c)
{
	skip_blank(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
take_word(struct scan *s, const char *word, size_t n)
{
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* ---- cells ---- */

static int
hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= c - '0';
		else if (c >= 'a' && c <= 'f')
			v |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			v |= c - 'A' + 10;
		else
			return -1;
	}
	return v;
}

static void
add_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xC0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xE0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3F)));
		buf_addc(b, (char)(0x80 | (c & 0x3F)));
	} else {
		buf_addc(b, (char)(0xF0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3F)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3F)));
		buf_addc(b, (char)(0x80 | (c & 0x3F)));
	}
}

/* The escape at P (behind the backslash), at most to END; returns what follows it or NULL. */
static const char *
unescape(struct buf *b, const char *p, const char *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int hi, lo;

	if (p >= end)
		return NULL;
	if (*p != 'u') {
		at = *p != '\0' ? strchr(from, *p) : NULL;
		if (at == NULL)
			return NULL;
		buf_addc(b, to[at - from]);
		return p + 1;
	}
	if (end - p < 5 || (hi = hex4(p + 1)) < 0)
		return NULL;
	p += 5;
	if (hi >= 0xDC00 && hi <= 0xDFFF)
		return NULL;
	if (hi < 0xD800 || hi > 0xDBFF) {
		add_utf8(b, (uint32_t)hi);
		return p;
	}
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || (lo = hex4(p + 2)) < 0xDC00 || lo > 0xDFFF)
		return NULL;
	add_utf8(b, 0x10000 + (((uint32_t)hi - 0xD800) << 10 | ((uint32_t)lo - 0xDC00)));
	return p + 6;
}

/* A string; the opening quote is at P.  NULL = give up. */
static json_t *
cell_string(struct scan *s)
{
	const char *from = s->p + 1, *p = from, *piece = from;
	bool escaped = false, high = false;

	for (; p < s->end && *p != '"'; ) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		high = high || (unsigned char)*p >= 0x80;
		if (*p != '\\') {
			p++;
			continue;
		}
		if (!escaped)
			buf_reset(&s->tmp);
		escaped = true;
		buf_add(&s->tmp, piece, (size_t)(p - piece));
		p = unescape(&s->tmp, p + 1, s->end);
		if (p == NULL)
			return NULL;
		piece = p;
	}
	if (p >= s->end || (high && !utf8_valid(from, (size_t)(p - from))))
		return NULL;
	s->p = p + 1;
	if (!escaped)
		return json_stringn_nocheck(from, (size_t)(p - from));
	buf_add(&s->tmp, piece, (size_t)(p - piece));
	return s->tmp.failed ? NULL : json_stringn_nocheck(s->tmp.p, s->tmp.len);
}

/* A number, array or object: where it ends is found here, what it is jansson says. */
static json_t *
cell_other(struct scan *s)
{
	const char *from = s->p, *p = from;
	unsigned depth = 0;
	json_t *v;
	bool nomem;

	for (; p < s->end; p++) {
		if (*p == '"') {
			for (p++; p < s->end && *p != '"'; p++)
				if (*p == '\\')
					p++;
		} else if (*p == '[' || *p == '{') {
			if (++depth > MAX_DEPTH)
				return NULL;
		} else if (*p == ']' || *p == '}') {
			if (depth == 0)
				break;
			depth--;
		} else if (*p == ',' && depth == 0) {
			break;
		}
	}
	if (p >= s->end)
		return NULL;
	v = model_json_load(from, (size_t)(p - from), JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL, &nomem);
	s->p = p;
	return v;
}

/* Whole numbers of up to 18 digits; anything else of a number is cell_other's. */
static bool
whole_number(struct scan *s, int64_t *out)
{
	const char *p = s->p;
	bool minus = p < s->end && *p == '-';
	const char *digits = p + (minus ? 1 : 0);
	int64_t v = 0;

	for (p = digits; p < s->end && *p >= '0' && *p <= '9' && p - digits < 18; p++)
		v = v * 10 + (*p - '0');
	if (p == digits || (p - digits > 1 && *digits == '0') || p >= s->end || (minus && v == 0))
		return false;
	if (*p != ',' && *p != ']' && *p != '}' && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t')
		return false;
	*out = minus ? -v : v;
	s->p = p;
	return true;
}

static bool
cell(struct scan *s, struct object *o, unsigned field)
{
	json_t *v;
	int64_t n;

	skip_blank(s);
	if (s->p >= s->end)
		return false;
	switch (*s->p) {
	case 'n':
		return take_word(s, "null", 4);
	case 't':
		v = take_word(s, "true", 4) ? json_true() : NULL;
		break;
	case 'f':
		v = take_word(s, "false", 5) ? json_false() : NULL;
		break;
	case '"':
		v = cell_string(s);
		break;
	default:
		v = whole_number(s, &n) ? json_integer(n) : cell_other(s);
	}
	if (v == NULL)
		return false;
	return cell_set(s->w->a, o, field, v, NULL) == RC_OK;
}

/* ---- rows ---- */

static bool
room(struct arena *a, void **p, size_t size, size_t n, size_t *cap)
{
	void *bigger;

	if (n < *cap)
		return true;
	bigger = arena_alloc_array(a, *cap == 0 ? 64 : *cap * 2, size);
	if (bigger == NULL)
		return false;
	if (n > 0)
		memcpy(bigger, *p, n * size);
	*cap = *cap == 0 ? 64 : *cap * 2;
	*p = bigger;
	return true;
}

static bool
row(struct scan *s)
{
	const struct columns *c = s->w->columns;
	struct object *o;

	if (!room(s->w->a, (void **)&s->o, sizeof(s->o[0]), s->n, &s->cap))
		return false;
	o = object_new(s->w->a, s->w->ct);
	if (o == NULL)
		return false;
	s->o[s->n++] = o;
	for (size_t i = 0; i < c->n; i++)
		if ((i > 0 && !take(s, ',')) || !cell(s, o, c->field[i]))
			return false;
	if (!take(s, ']') || o->oxid == NULL)
		return false;
	if (o->folder == NULL)
		o->folder = s->w->folder;
	return true;
}

static bool
gone_id(struct scan *s)
{
	json_t *v;
	int64_t id;
	bool ok;

	if (!s->w->want_deleted || !room(s->w->a, (void **)&s->ids, sizeof(s->ids[0]), s->n_ids, &s->cap_ids))
		return false;
	if (*s->p != '"') {
		ok = whole_number(s, &id);
	} else {
		v = cell_string(s);
		ok = v != NULL && json_id(v, &id);
		json_decref(v);
	}
	if (ok)
		s->ids[s->n_ids++] = id;
	return ok;
}

static bool
rows(struct scan *s)
{
	if (!take(s, '['))
		return false;
	if (take(s, ']'))
		return true;
	do {
		skip_blank(s);
		if (s->p >= s->end)
			return false;
		if (*s->p == '[') {
			s->p++;
			if (!row(s))
				return false;
		} else if (!gone_id(s)) {
			return false;
		}
	} while (take(s, ','));
	return take(s, ']');
}

static bool
envelope(struct scan *s, msec_t *ts)
{
	bool data = false, stamp = false;

	if (!take(s, '{'))
		return false;
	do {
		skip_blank(s);
		if (!data && take_word(s, "\"data\"", 6)) {
			data = true;
			if (!take(s, ':') || !rows(s))
				return false;
		} else if (!stamp && take_word(s, "\"timestamp\"", 11)) {
			stamp = true;
			if (!take(s, ':'))
				return false;
			skip_blank(s);
			if (!whole_number(s, ts))
				return false;
		} else {
			return false;
		}
	} while (take(s, ','));
	if (!data || !take(s, '}'))
		return false;
	skip_blank(s);
	return s->p == s->end;
}

bool
rows_scan(const char *text, size_t n, struct rows_want *w, msec_t *ts)
{
	struct scan s = { .p = text, .end = text + n, .w = w };
	bool ok;

	*ts = 0;
	buf_init(&s.tmp, 0);
	ok = envelope(&s, ts) && rows_drop_alive(w->a, s.o, s.n, s.ids, &s.n_ids, NULL) == RC_OK;
	buf_fini(&s.tmp);
	if (!ok) {
		object_drop_all(s.o, s.n);
		return false;
	}
	w->o = s.o;
	w->n = s.n;
	w->deleted = s.ids;
	w->n_deleted = s.n_ids;
	w->done = true;
	return true;
}
