/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pictures of a signature, which OX keeps beside its text: brought into it, since a client cannot fetch them. */
#include "service/rules_int.h"

#include <stdio.h>
#include <string.h>

#define PICTURE "/ajax/image/snippet/image?" /* how OX's own content names a picture that it keeps */
#define MAX_PICTURES (2U << 20)              /* octets of all pictures that go into one answer; others stay as OX names them */

static const char *
picture_type(const struct buf *b)
{
	static const struct { const char *magic; size_t n; const char *type; } types[] = {
		{ "\x89PNG", 4, "image/png" }, { "GIF8", 4, "image/gif" }, { "\xff\xd8\xff", 3, "image/jpeg" }, { "RIFF", 4, "image/webp" }, { "BM", 2, "image/bmp" },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (b->len >= types[i].n && memcmp(b->p, types[i].magic, types[i].n) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* The value of NAME in the query Q, up to END, percent-escapes as they are; false = none. */
static bool
query_value(const char *q, const char *end, const char *name, char *out, size_t size)
{
	size_t n = strlen(name), len;

	for (const char *p = q; p < end; p++) {
		if ((p != q && p[-1] != '&' && p[-1] != ';') || (size_t)(end - p) <= n || strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		p += n + 1;
		len = strcspn(p, "&;\"' ");
		if (len == 0 || len >= size || len > (size_t)(end - p))
			return false;
		memcpy(out, p, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

/* The picture that the address P (up to END) names, as a data: address behind OUT; false = it stays as it is. */
static bool
picture_in(struct ox_session *ox, const char *p, const char *end, struct buf *out, size_t *room)
{
	char id[OX_SNIPPET_ID], uid[200];
	struct buf octets;
	bool ok;

	p += strlen(PICTURE);
	if (!query_value(p, end, "id", id, sizeof(id)) || !query_value(p, end, "uid", uid, sizeof(uid)))
		return false;
	buf_init(&octets, *room);
	ok = ox_signature_picture(ox, id, uid, &octets, NULL) == RC_OK && octets.len > 0;
	if (ok) {
		buf_addf(out, "data:%s;base64,", picture_type(&octets));
		base64_encode(out, octets.p, octets.len);
		*room -= octets.len;
	}
	buf_fini(&octets);
	return ok;
}

char *
signature_with_pictures(struct ox_session *ox, const char *text)
{
	size_t room = MAX_PICTURES;
	const char *p = text, *q, *end;
	struct buf b;

	buf_init(&b, SIGNATURE_MAX_CONTENT * 8 + MAX_PICTURES * 2);
	buf_adds(&b, "");
	while ((q = strstr(p, PICTURE)) != NULL) {
		end = q + strcspn(q, "\"'<> ");
		buf_add(&b, p, (size_t)(q - p));
		if (!picture_in(ox, q, end, &b, &room))
			buf_add(&b, q, (size_t)(end - q));
		p = end;
	}
	buf_adds(&b, p);
	return buf_take(&b, NULL);
}
