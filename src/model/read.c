/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A client's JSON object read by the table of fields.  Everything that OX would refuse or quietly change and that can be
 * known here is said here, by name; what only OX can know (rights, ranges of single fields) is left to it.
 */
#include "usmd/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIME_LIMIT INT64_C(253402300800000) /* year 10000: OX answers a database error from there on */
#define TIME_FLOOR (-INT64_C(62135596800000))

#define DAY_MS INT64_C(86400000)

/* Characters that OX refuses in every module (CON-0168, TSK-0047, CAL-5071, FLD-0076), measured on 8.19. */
static bool
char_ok(uint32_t c)
{
	return (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') && c != 0xFFFE && c != 0xFFFF;
}

/* Code points of S (valid UTF-8), or -1 when one is not allowed. */
static long
count_chars(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	long count = 0;

	for (size_t i = 0; i < n; count++) {
		uint32_t c = p[i++];

		if (c >= 0xC0) {
			c &= c >= 0xF0 ? 7U : c >= 0xE0 ? 15U : 31U;
			while (i < n && (p[i] & 0xC0) == 0x80)
				c = c << 6 | (p[i++] & 0x3FU);
		}
		if (!char_ok(c))
			return -1;
	}
	return count;
}

/* The value of one field while it is checked; every error says which field, in a person's words, and what is possible. */
struct check {
	const struct content_type *t;
	unsigned i;
	const char *path;
	struct err *e;
};

static enum rc
refuse(const struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static enum rc
refuse(const struct check *c, const char *fmt, ...)
{
	char label[sizeof(c->e->label)], text[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	model_field_label(c->t, c->i, label, sizeof(label));
	(void)err_set_path(c->e, RC_PROTO, c->path, "%s %s", label, text);
	model_err_field(c->e, c->t, c->i);
	return RC_PROTO;
}

static enum rc
check_string(const struct check *c, const json_t *v)
{
	const struct field *f = &c->t->fields[c->i];
	size_t n = json_string_length(v);
	long chars = count_chars(json_string_value(v), n);
	enum rc rc;

	if (chars < 0)
		return refuse(c, "contains a control character or U+FFFE/U+FFFF, which the server does not store: remove it");
	if (f->max_len != 0 && (unsigned long)chars > f->max_len) {
		rc = refuse(c, "has %ld characters, %u are possible: shorten it", chars, f->max_len);
		err_set_length(c->e, chars, f->max_len);
		return rc;
	}
	if (f->max_len == 65535 && n > 65535) {
		rc = refuse(c, "has %zu octets in UTF-8, 65535 are possible: shorten it", n);
		err_set_length(c->e, (int64_t)n, 65535);
		return rc;
	}
	return RC_OK;
}

static enum rc
wrong_type(const struct check *c, const char *want)
{
	return refuse(c, "has the wrong type: %s or null is expected", want);
}

/* QUIRK(OX, 8.19): what is no base64 is taken for "no picture" without a word; what is no picture is refused in terms of an upload. */
static enum rc
check_picture(const struct check *c, const json_t *v)
{
	struct buf octets;
	bool read, kind;

	buf_init(&octets, 0);
	read = base64_decode(&octets, json_string_value(v), json_string_length(v));
	kind = read && model_picture_type(octets.p, octets.len) != NULL;
	buf_fini(&octets);
	if (!read)
		return refuse(c, "is no base64 text: send the octets of a picture, without line breaks, or null for none");
	if (!kind)
		return refuse(c, "is no picture that is stored: send a JPEG, PNG, GIF or BMP file");
	return RC_OK;
}

/* Keywords of a mail are atoms of IMAP; those that stand for a flag or the colour are changed by these fields. */
static enum rc
check_keywords(const struct check *c, const json_t *list)
{
	static const struct { const char *word; size_t n; const char *field; } others[] = {
		{ "$forwarded", sizeof("$forwarded"), "flags" }, { "$mdnsent", sizeof("$mdnsent"), "flags" }, { "$cl_", 4, "color_label" },
	};
	const json_t *v;
	size_t i;

	if (!json_is_array(list))
		return wrong_type(c, "an array of keywords");
	json_array_foreach (list, i, v) {
		const char *s = json_string_value(v);

		if (s == NULL || s[0] == '\0')
			return wrong_type(c, "an array of keywords");
		for (const char *p = s; *p != '\0'; p++)
			if (*p <= ' ' || *p > '~' || strchr("(){%*\"\\]", *p) != NULL)
				return refuse(c, "has a keyword that mail servers do not store: use letters, digits and marks of ASCII, no space and none of (){%%*\"\\]");
		for (size_t k = 0; k < ARRAY_LEN(others); k++)
			if (strncasecmp(s, others[k].word, others[k].n) == 0)
				return refuse(c, "has the keyword %.40s, which says what %s says: leave it out and change that", s, others[k].field);
	}
	return RC_OK;
}

static enum rc
check_value(const struct check *c, const json_t *v)
{
	int64_t n = json_integer_value(v);

	if (json_is_null(v))
		return RC_OK;
	switch (c->t->fields[c->i].type) {
	case FT_STRING:
		return json_is_string(v) ? check_string(c, v) : wrong_type(c, "a string");
	case FT_ID:
		if (json_is_string(v))
			return check_string(c, v);
		return json_is_integer(v) ? RC_OK : wrong_type(c, "an id (string)");
	case FT_BINARY:
		return json_is_string(v) ? check_picture(c, v) : wrong_type(c, "base64 text");
	case FT_INT:
		if (!json_is_integer(v))
			return wrong_type(c, "a whole number");
		if (c->t->ct == CT_MAIL && c->t->fields[c->i].column == 102 && (n < 0 || n > MAIL_LABELS))
			return refuse(c, "is a number from 0 (none) to %d", MAIL_LABELS);
		return n < INT32_MIN || n > INT32_MAX ? refuse(c, "is out of range: a 32-bit number is expected") : RC_OK;
	case FT_NUMBER:
		if (json_is_string(v))
			return check_string(c, v);
		return json_is_number(v) ? RC_OK : wrong_type(c, "a number");
	case FT_BOOL:
		return json_is_boolean(v) ? RC_OK : wrong_type(c, "true, false");
	case FT_DATE:
	case FT_TIME:
		if (!json_is_integer(v))
			return wrong_type(c, "milliseconds since 1970 UTC");
		return n < TIME_FLOOR || n >= TIME_LIMIT ? refuse(c, "is out of range: the years 1 to 9999 are stored") : RC_OK;
	case FT_JSON:
		if (c->t->ct == CT_MAIL)
			return check_keywords(c, v);
		return json_is_array(v) || json_is_object(v) ? RC_OK : wrong_type(c, "an array or object");
	}
	return RC_OK;
}

static bool
in_list(const char *const *list, const char *name)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static enum rc
read_member(struct object *o, const char *name, json_t *v, const char *path, bool create, struct fmask *given, struct err *e)
{
	const struct content_type *t = model_content(o->ct);
	char where[96];
	int i = model_field(t, name);
	struct check c = { .t = t, .i = (unsigned)i, .path = where, .e = e };
	enum rc rc;

	(void)snprintf(where, sizeof(where), "%s%s%.60s", path, path[0] != '\0' ? "." : "", name);
	if (i < 0)
		return err_set_path(e, RC_PROTO, where, "is no field of a %s", t->name);
	if ((t->fields[i].flags & FF_READONLY) != 0)
		return refuse(&c, "is set by the server: leave it out");
	if ((t->fields[i].flags & FF_ONCE) != 0 && !create)
		return refuse(&c, "can be given only when the object is created: leave it out");
	rc = check_value(&c, v);
	if (rc != RC_OK)
		return rc;
	/* OX cuts a birthday to the day in UTC: midnight of a zone east of it would become the day before */
	if (t->ct == CT_CONTACT && t->fields[i].type == FT_DATE && json_integer_value(v) % DAY_MS != 0)
		return refuse(&c, "is no day: send the milliseconds at 00:00 UTC of the day");
	fmask_set(given, (unsigned)i);
	object_set(o, (unsigned)i, json_incref(v));
	return RC_OK;
}

enum rc
object_read(struct arena *a, enum content ct, const json_t *in, const char *path, const char *const *envelope, bool create,
    struct object **out, struct fmask *given, struct err *e)
{
	struct object *o;
	const char *name;
	json_t *v;
	enum rc rc = RC_OK;

	*out = NULL;
	memset(given, 0, sizeof(*given));
	if (!json_is_object(in))
		return err_set_path(e, RC_PROTO, path, "must be an object");
	o = object_new(a, ct);
	if (o == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	json_object_foreach ((json_t *)(uintptr_t)in, name, v) {
		if (in_list(envelope, name))
			continue;
		rc = read_member(o, name, v, path, create, given, e);
		if (rc != RC_OK)
			break;
	}
	if (rc == RC_OK)
		*out = o;
	else
		object_drop(o);
	return rc;
}
