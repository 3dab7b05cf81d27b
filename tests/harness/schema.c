/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A validator for the part of JSON Schema that conf/schema uses. */
#include "harness/schema.h"

#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 128
#define DEPTH_MAX 64

static struct {
	char name[64];
	json_t *doc;
} files[FILES_MAX];
static size_t n_files;

/** A check in work: where in the value, and what was wrong first. */
struct check {
	char path[256];
	char why[512];
	int depth;
};

static bool valid(struct check *c, const json_t *doc, const json_t *schema, const json_t *v);

static bool __attribute__((format(printf, 2, 3)))
fail(struct check *c, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(c->why, sizeof(c->why), "%.150s: %s", c->path[0] != '\0' ? c->path : "(top)", text);
	return false;
}

static const json_t *
file_get(const char *name)
{
	const char *dir = getenv("USMD_SCHEMA_DIR");
	char path[512];
	json_error_t je;

	for (size_t i = 0; i < n_files; i++)
		if (strcmp(files[i].name, name) == 0)
			return files[i].doc;
	if (n_files == FILES_MAX || strlen(name) >= sizeof(files[0].name) || strchr(name, '/') != NULL)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "conf/schema", name);
	files[n_files].doc = json_load_file(path, JSON_REJECT_DUPLICATES, &je);
	if (files[n_files].doc == NULL) {
		(void)fprintf(stderr, "schema: %s: %s\n", path, je.text);
		return NULL;
	}
	(void)snprintf(files[n_files].name, sizeof(files[0].name), "%s", name);
	return files[n_files++].doc;
}

/* "file.json#/$defs/x" or "#/$defs/x"; *DOC becomes the document that it is in */
static const json_t *
resolve(const char *ref, const json_t **doc)
{
	const char *hash = strchr(ref, '#'), *p;
	const json_t *at;
	char part[80];
	size_t n = hash != NULL ? (size_t)(hash - ref) : strlen(ref);

	if (n > 0) {
		if (n >= sizeof(part))
			return NULL;
		memcpy(part, ref, n);
		part[n] = '\0';
		*doc = file_get(part);
	}
	at = *doc;
	for (p = hash != NULL ? hash + 1 : ""; at != NULL && *p == '/'; p += n) {
		p++;
		n = strcspn(p, "/");
		if (n >= sizeof(part))
			return NULL;
		memcpy(part, p, n);
		part[n] = '\0';
		at = json_object_get(at, part);
	}
	return at;
}

static bool
type_is(const char *type, const json_t *v)
{
	if (strcmp(type, "integer") == 0)
		return json_is_integer(v);
	if (strcmp(type, "number") == 0)
		return json_is_number(v);
	if (strcmp(type, "string") == 0)
		return json_is_string(v);
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(v);
	if (strcmp(type, "object") == 0)
		return json_is_object(v);
	if (strcmp(type, "array") == 0)
		return json_is_array(v);
	return strcmp(type, "null") == 0 && json_is_null(v);
}

static bool
check_type(struct check *c, const json_t *want, const json_t *v)
{
	const json_t *t;
	size_t i;

	if (json_is_string(want))
		return type_is(json_string_value(want), v) || fail(c, "the type is not %s", json_string_value(want));
	json_array_foreach(want, i, t)
		if (type_is(json_string_value(t), v))
			return true;
	return fail(c, "the type is none of those allowed");
}

static bool
check_enum(struct check *c, const json_t *list, const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (json_equal(one, v))
			return true;
	return fail(c, "the value is not one of the enumeration");
}

static bool
check_pattern(struct check *c, const char *pattern, const json_t *v)
{
	regex_t re;
	int r;

	if (!json_is_string(v))
		return true;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return fail(c, "the pattern %s cannot be compiled", pattern);
	r = regexec(&re, json_string_value(v), 0, NULL, 0);
	regfree(&re);
	return r == 0 || fail(c, "\"%.60s\" does not match %s", json_string_value(v), pattern);
}

static size_t
length(const json_t *v)
{
	const char *s = json_string_value(v);
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool
check_size(struct check *c, const char *word, double limit, const json_t *v)
{
	bool max = strncmp(word, "max", 3) == 0;
	double n;

	if (strcmp(word + 3, "imum") == 0 && json_is_number(v))
		n = json_number_value(v);
	else if (strcmp(word + 3, "Items") == 0 && json_is_array(v))
		n = (double)json_array_size(v);
	else if (strcmp(word + 3, "Length") == 0 && json_is_string(v))
		n = (double)length(v);
	else if (strcmp(word + 3, "Properties") == 0 && json_is_object(v))
		n = (double)json_object_size(v);
	else
		return true;
	return (max ? n <= limit : n >= limit) || fail(c, "%s %g is passed by %g", word, limit, n);
}

static bool
check_member(struct check *c, const json_t *doc, const json_t *schema, const char *name, const json_t *v)
{
	size_t mark = strlen(c->path);
	bool ok;

	(void)snprintf(c->path + mark, sizeof(c->path) - mark, "%s%.60s", mark > 0 ? "." : "", name);
	ok = valid(c, doc, schema, v);
	c->path[mark] = '\0';
	return ok;
}

static bool
check_properties(struct check *c, const json_t *doc, const json_t *schema, const json_t *v)
{
	const json_t *props = json_object_get(schema, "properties"), *more = json_object_get(schema, "additionalProperties"), *p;
	const char *name;
	json_t *m;

	if (!json_is_object(v))
		return true;
	json_object_foreach((json_t *)(size_t)v, name, m) {
		p = json_object_get(props, name);
		if (p == NULL && json_is_false(more))
			return fail(c, "the member \"%.60s\" is not allowed", name);
		if (p == NULL)
			p = more;
		if (p != NULL && !check_member(c, doc, p, name, m))
			return false;
	}
	return true;
}

static bool
check_required(struct check *c, const json_t *list, const json_t *v)
{
	const json_t *name;
	size_t i;

	if (!json_is_object(v))
		return true;
	json_array_foreach(list, i, name)
		if (json_object_get(v, json_string_value(name)) == NULL)
			return fail(c, "the member \"%s\" is missing", json_string_value(name));
	return true;
}

static bool
check_items(struct check *c, const json_t *doc, const json_t *schema, const json_t *v, bool prefix)
{
	size_t mark = strlen(c->path), i;
	const json_t *item;

	json_array_foreach(v, i, item) {
		const json_t *s = prefix ? json_array_get(schema, i) : schema;

		if (s == NULL)
			break;
		(void)snprintf(c->path + mark, sizeof(c->path) - mark, "[%zu]", i);
		if (!valid(c, doc, s, item))
			return false;
		c->path[mark] = '\0';
	}
	return true;
}

/* Of many branches that all fail, the reason of the one whose objectType or status fits tells most. */
static bool
check_branches(struct check *c, const json_t *doc, const json_t *list, const json_t *v, bool one)
{
	struct check sub, best = { .depth = -1 };
	size_t i, n = 0;
	const json_t *s;

	json_array_foreach(list, i, s) {
		sub = *c;
		if (valid(&sub, doc, s, v))
			n++;
		else if (best.depth < 0 || (strstr(sub.why, "objectType:") == NULL && strstr(sub.why, "status:") == NULL))
			best = sub;
	}
	if (n == 1 || (n > 1 && !one))
		return true;
	if (n > 1)
		return fail(c, "more than one alternative fits");
	memcpy(c->why, best.why, sizeof(c->why));
	return false;
}

static bool
check_ref(struct check *c, const json_t *doc, const char *ref, const json_t *v)
{
	const json_t *target = resolve(ref, &doc);

	if (target == NULL)
		return fail(c, "the schema refers to %s, which does not exist", ref);
	return valid(c, doc, target, v);
}

static bool
is_note(const char *word)
{
	static const char *const notes[] = { "$schema", "$id", "$defs", "title", "description", "properties", "$comment" };

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (strcmp(word, notes[i]) == 0)
			return true;
	return false;
}

static bool
check_word(struct check *c, const json_t *doc, const json_t *schema, const char *word, const json_t *arg, const json_t *v)
{
	if (strcmp(word, "type") == 0)
		return check_type(c, arg, v);
	if (strcmp(word, "enum") == 0)
		return check_enum(c, arg, v);
	if (strcmp(word, "const") == 0)
		return json_equal(arg, v) || fail(c, "the value is not the constant");
	if (strcmp(word, "pattern") == 0)
		return check_pattern(c, json_string_value(arg), v);
	if (strncmp(word, "min", 3) == 0 || strncmp(word, "max", 3) == 0)
		return check_size(c, word, json_number_value(arg), v);
	if (strcmp(word, "required") == 0)
		return check_required(c, arg, v);
	if (strcmp(word, "items") == 0)
		return check_items(c, doc, arg, v, false);
	if (strcmp(word, "prefixItems") == 0)
		return check_items(c, doc, arg, v, true);
	if (strcmp(word, "anyOf") == 0 || strcmp(word, "oneOf") == 0)
		return check_branches(c, doc, arg, v, word[0] == 'o');
	if (strcmp(word, "$ref") == 0)
		return check_ref(c, doc, json_string_value(arg), v);
	if (strcmp(word, "additionalProperties") == 0 || is_note(word))
		return true; /* members are checked once, by check_properties */
	(void)schema;
	return fail(c, "the schema uses \"%s\", which this validator does not know", word);
}

static bool
valid(struct check *c, const json_t *doc, const json_t *schema, const json_t *v)
{
	const char *word;
	json_t *arg;
	bool ok;

	if (json_is_boolean(schema))
		return json_is_true(schema) || fail(c, "nothing is allowed here");
	if (!json_is_object(schema))
		return fail(c, "the schema is no object here");
	if (++c->depth > DEPTH_MAX)
		return fail(c, "the schema goes too deep");
	ok = check_properties(c, doc, schema, v);
	if (ok)
		json_object_foreach((json_t *)(size_t)schema, word, arg) {
			ok = check_word(c, doc, schema, word, arg, v);
			if (!ok)
				break;
		}
	c->depth--;
	return ok;
}

static const char *
check_at(const char *command, const char *ref, const char *text, size_t len)
{
	static char why[700];
	char name[80];
	const json_t *doc, *schema;
	struct check c = { .depth = 0 };
	json_error_t je;
	json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);

	if (v == NULL) {
		(void)snprintf(why, sizeof(why), "%s: not JSON: %s", command, je.text);
		return why;
	}
	(void)snprintf(name, sizeof(name), "%.60s.json", command);
	doc = file_get(name);
	schema = doc != NULL ? resolve(ref, &doc) : NULL;
	if (schema == NULL)
		(void)snprintf(why, sizeof(why), "there is no schema %s%s", name, ref);
	else if (valid(&c, doc, schema, v))
		why[0] = '\0';
	else
		(void)snprintf(why, sizeof(why), "%s%s: %s", name, ref, c.why);
	json_decref(v);
	return why[0] != '\0' ? why : NULL;
}

const char *
schema_check(const char *command, const char *text, size_t len)
{
	return check_at(command, "#", text, len);
}

const char *
schema_check_request(const char *command, const char *text, size_t len)
{
	return check_at(command, "#/$defs/request", text, len);
}

const char *
schema_check_value(const json_t *schema, const json_t *value)
{
	static char why[sizeof(((struct check *)0)->why)];
	struct check c = { .depth = 0 };

	if (valid(&c, schema, schema, value))
		return NULL;
	memcpy(why, c.why, sizeof(why));
	return why;
}
