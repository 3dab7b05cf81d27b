/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes JSON straight into a buffer: a page of objects costs no tree of its own. */
#include "protocol/usmjson/usmjson_int.h"

#include <stdio.h>
#include <string.h>

/* 1 = must be escaped inside a JSON string */
static const unsigned char special[256] = {
	[0] = 1, [1] = 1, [2] = 1, [3] = 1, [4] = 1, [5] = 1, [6] = 1, [7] = 1, [8] = 1, [9] = 1, [10] = 1, [11] = 1,
	[12] = 1, [13] = 1, [14] = 1, [15] = 1, [16] = 1, [17] = 1, [18] = 1, [19] = 1, [20] = 1, [21] = 1, [22] = 1,
	[23] = 1, [24] = 1, [25] = 1, [26] = 1, [27] = 1, [28] = 1, [29] = 1, [30] = 1, [31] = 1, ['"'] = 1, ['\\'] = 1,
	[127] = 1,
};

static void
escape(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(b, "\\\"", 2);
		break;
	case '\\':
		buf_add(b, "\\\\", 2);
		break;
	case '\n':
		buf_add(b, "\\n", 2);
		break;
	case '\r':
		buf_add(b, "\\r", 2);
		break;
	case '\t':
		buf_add(b, "\\t", 2);
		break;
	default:
		buf_addf(b, "\\u%04x", c);
	}
}

void
js_strn(struct buf *b, const char *s, size_t n)
{
	const char *end = s + n, *from = s;

	buf_addc(b, '"');
	for (; s < end; s++) {
		if (!special[(unsigned char)*s])
			continue;
		buf_add(b, from, (size_t)(s - from));
		escape(b, (unsigned char)*s);
		from = s + 1;
	}
	buf_add(b, from, (size_t)(end - from));
	buf_addc(b, '"');
}

void
js_str(struct buf *b, const char *s)
{
	size_t n = strlen(s);
	const char *q;

	if (utf8_valid(s, n)) {
		js_strn(b, s, n);
		return;
	}
	/* a text that was cut at its buffer's size may end inside a character */
	buf_addc(b, '"');
	for (q = s; *q != '\0'; q++) {
		unsigned char ch = (unsigned char)*q;

		if (ch >= 0x80)
			buf_addc(b, '?');
		else if (special[ch])
			escape(b, ch);
		else
			buf_addc(b, *q);
	}
	buf_addc(b, '"');
}

static void
js_real(struct buf *b, double d)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.15g", d);
	/* 15 digits give back every decimal that OX keeps (costs: 12); a locale's comma never reaches the wire */
	for (char *p = text; *p != '\0'; p++)
		if (*p == ',')
			*p = '.';
	buf_adds(b, text);
}

void
js_value(struct buf *b, const json_t *v)
{
	const char *key;
	json_t *m;
	size_t i;
	bool first = true;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		buf_addc(b, '{');
		/* jansson's iteration takes a non-const object but does not change it */
		json_object_foreach((json_t *)(uintptr_t)v, key, m) {
			if (!first)
				buf_addc(b, ',');
			first = false;
			js_strn(b, key, strlen(key));
			buf_addc(b, ':');
			js_value(b, m);
		}
		buf_addc(b, '}');
		break;
	case JSON_ARRAY:
		buf_addc(b, '[');
		json_array_foreach(v, i, m) {
			if (i != 0)
				buf_addc(b, ',');
			js_value(b, m);
		}
		buf_addc(b, ']');
		break;
	case JSON_STRING:
		js_strn(b, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		buf_add_i64(b, json_integer_value(v));
		break;
	case JSON_REAL:
		js_real(b, json_real_value(v));
		break;
	case JSON_TRUE:
		buf_add(b, "true", 4);
		break;
	case JSON_FALSE:
		buf_add(b, "false", 5);
		break;
	case JSON_NULL:
		buf_add(b, "null", 4);
		break;
	}
}

void
js_uuid(struct buf *b, const struct uuid *u)
{
	char text[UUID_TEXT];

	uuid_format(u, text);
	buf_addc(b, '"');
	buf_add(b, text, UUID_TEXT - 1);
	buf_addc(b, '"');
}

void
js_syncid(struct buf *b, const struct syncid *s)
{
	char text[2 * sizeof(s->b) + 1];

	hex_encode(s->b, sizeof(s->b), text);
	buf_addc(b, '"');
	buf_add(b, text, sizeof(text) - 1);
	buf_addc(b, '"');
}

void
js_key(struct buf *b, const char *key)
{
	if (b->len != 0 && b->p[b->len - 1] != '{')
		buf_addc(b, ',');
	buf_addc(b, '"');
	buf_adds(b, key);
	buf_add(b, "\":", 2);
}

const char *
policy_name(enum sync_policy p)
{
	switch (p) {
	case POLICY_CLIENT:
		return "client";
	case POLICY_ERROR:
		return "error";
	case POLICY_SERVER:
		break;
	}
	return "server";
}
