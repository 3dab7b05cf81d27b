/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One value: text to member and back, by the kind of its setting. */
#include "conf/conf_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* smallest first; y last, so that formatting prefers 52w over no unit at all */
static const struct unit time_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { "w", INT64_C(604800000) },
	{ "y", INT64_C(31536000000) },
};
static const struct unit size_units[] = { { "", 1 }, { "K", 1024 }, { "M", 1048576 }, { "G", INT64_C(1073741824) } };
static const char *const levels[] = { "error", "warn", "info", "debug" };

void *
conf_member(const struct conf_setting *s, const struct conf *c)
{
	return (char *)(uintptr_t)c + s->offset;
}

bool
conf_is_text(enum conf_kind kind)
{
	return kind == CONF_TEXT || kind == CONF_PATH || kind == CONF_URL || kind == CONF_LIST || kind == CONF_SECRET;
}

int64_t
conf_number(const struct conf_setting *s, const struct conf *c)
{
	const void *p = conf_member(s, c);

	if (s->kind == CONF_BOOL)
		return *(const bool *)p;
	if (s->kind == CONF_LEVEL)
		return *(const enum log_level *)p;
	return *(const int64_t *)p;
}

static void
set_number(const struct conf_setting *s, struct conf *c, int64_t v)
{
	void *p = conf_member(s, c);

	if (s->kind == CONF_BOOL)
		*(bool *)p = v != 0;
	else if (s->kind == CONF_LEVEL)
		*(enum log_level *)p = (enum log_level)v;
	else
		*(int64_t *)p = v;
}

/* Digits, then one of UNITS; a bare number only when a unit has the empty name, or for 0. */
static bool
parse_with_unit(const char *v, const struct unit *units, size_t n, int64_t *out)
{
	size_t digits = strspn(v, "0123456789");
	char number[20];
	int64_t x;

	if (digits == 0 || digits >= sizeof(number))
		return false;
	memcpy(number, v, digits);
	number[digits] = '\0';
	if (!parse_i64(number, 0, INT64_MAX, &x))
		return false;
	v += digits;
	v += strspn(v, " ");
	if (*v == '\0' && x == 0) {
		*out = 0;
		return true;
	}
	for (size_t i = 0; i < n; i++)
		if (strcmp(v, units[i].name) == 0 && x <= INT64_MAX / units[i].factor) {
			*out = x * units[i].factor;
			return true;
		}
	return false;
}

static bool
parse_word(const char *v, const char *const *words, size_t n, int64_t *out)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v, words[i]) == 0) {
			*out = (int64_t)i;
			return true;
		}
	return false;
}

static bool
parse_octal(const char *v, int64_t *out)
{
	size_t n = strlen(v);

	if (n == 0 || n > 6 || strspn(v, "01234567") != n)
		return false;
	*out = strtol(v, NULL, 8);
	return true;
}

static bool
parse_number(const struct conf_setting *s, const char *v, int64_t *out)
{
	static const char *const bools[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	bool ok;

	switch (s->kind) {
	case CONF_BOOL:
		ok = parse_word(v, bools, ARRAY_LEN(bools), out);
		*out = ok ? *out & 1 : 0;
		return ok;
	case CONF_LEVEL:
		return parse_word(v, levels, ARRAY_LEN(levels), out);
	case CONF_MODE:
		ok = parse_octal(v, out);
		break;
	case CONF_SIZE:
		ok = parse_with_unit(v, size_units, ARRAY_LEN(size_units), out);
		break;
	case CONF_TIME:
		ok = parse_with_unit(v, time_units, ARRAY_LEN(time_units), out);
		break;
	default:
		ok = parse_i64(v, INT64_MIN, INT64_MAX, out);
		break;
	}
	return ok && *out >= s->min && *out <= s->max;
}

static bool
text_ok(const struct conf_setting *s, const char *v)
{
	if (*v == '\0')
		return s->min == 0;
	if (s->kind == CONF_PATH)
		return v[0] == '/';
	if (s->kind == CONF_URL)
		return (strncmp(v, "http://", 7) == 0 && v[7] != '\0') || (strncmp(v, "https://", 8) == 0 && v[8] != '\0');
	return true;
}

bool
conf_set(const struct conf_setting *s, struct conf *c, const char *value, bool *nomem)
{
	int64_t x;
	char *copy;

	*nomem = false;
	if (!conf_is_text(s->kind)) {
		if (!parse_number(s, value, &x))
			return false;
		set_number(s, c, x);
		return true;
	}
	if (!text_ok(s, value))
		return false;
	copy = arena_strdup(c->mem, value);
	*nomem = copy == NULL;
	if (copy != NULL)
		*(const char **)conf_member(s, c) = copy;
	return copy != NULL;
}

/* The largest unit that leaves no rest. */
static void
format_with_unit(int64_t v, const struct unit *units, size_t n, char *out, size_t size)
{
	size_t best = 0;

	for (size_t i = 0; i < n; i++)
		if (v % units[i].factor == 0 && v != 0)
			best = i;
	(void)snprintf(out, size, "%" PRId64 "%s", v / units[best].factor, v == 0 ? "" : units[best].name);
}

static void
format_number(const struct conf_setting *s, int64_t v, char *out, size_t size)
{
	switch (s->kind) {
	case CONF_BOOL:
		(void)snprintf(out, size, "%s", v != 0 ? "yes" : "no");
		break;
	case CONF_LEVEL:
		(void)snprintf(out, size, "%s", levels[v]);
		break;
	case CONF_MODE:
		(void)snprintf(out, size, "%04" PRIo64, (uint64_t)v);
		break;
	case CONF_SIZE:
		format_with_unit(v, size_units, ARRAY_LEN(size_units), out, size);
		break;
	case CONF_TIME:
		format_with_unit(v, time_units, ARRAY_LEN(time_units), out, size);
		break;
	default:
		(void)snprintf(out, size, "%" PRId64, v);
		break;
	}
}

void
conf_format(const struct conf_setting *s, const struct conf *c, struct buf *out)
{
	char text[32];

	if (conf_is_text(s->kind)) {
		buf_adds(out, *(const char *const *)conf_member(s, c));
		return;
	}
	format_number(s, conf_number(s, c), text, sizeof(text));
	buf_adds(out, text);
}

void
conf_range(const struct conf_setting *s, char *out, size_t size)
{
	const char *empty = s->min == 0 ? ", or empty" : "";
	char lo[32], hi[32];

	switch (s->kind) {
	case CONF_TEXT:
		(void)snprintf(out, size, "text%s", empty);
		return;
	case CONF_LIST:
		(void)snprintf(out, size, "words separated by commas or spaces%s", empty);
		return;
	case CONF_PATH:
		(void)snprintf(out, size, "absolute path%s", empty);
		return;
	case CONF_URL:
		(void)snprintf(out, size, "http:// or https:// URL%s", empty);
		return;
	case CONF_SECRET:
		(void)snprintf(out, size, "path of a file of mode 0600, or name of a systemd credential%s", empty);
		return;
	case CONF_BOOL:
		(void)snprintf(out, size, "yes or no");
		return;
	case CONF_LEVEL:
		(void)snprintf(out, size, "error, warn, info or debug");
		return;
	default:
		break;
	}
	format_number(s, s->min, lo, sizeof(lo));
	format_number(s, s->max, hi, sizeof(hi));
	(void)snprintf(out, size, "%s to %s%s", lo, hi, s->kind == CONF_TIME ? ", with unit ms, s, m, h, d, w or y" :
	    s->kind == CONF_SIZE ? ", in bytes or with unit K, M or G" : s->kind == CONF_MODE ? ", octal" : "");
}
