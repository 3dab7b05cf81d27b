/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes the parts of answers straight into a buffer: a page of objects costs no tree of its own. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

void
js_str(struct buf *b, const char *s)
{
	size_t n = strlen(s), from = b->len;

	json_text_string(b, s, n);
	if (b->failed || utf8_valid(s, n))
		return;
	/* a text that was cut at its buffer's size may end inside a character */
	for (char *p = b->p + from; p < b->p + b->len; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
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
