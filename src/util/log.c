/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Log lines: from an event and a format of key=value pairs to fields, and these as text, JSON or the journal's own form.  Where lines go
 * is log_out.c's.  What a value says can neither end its line nor look like another field.
 */
#include "util/log_int.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIELDS_MAX 24U
#define MARK 18U /* octets of what separates two fields until they are cut apart */
#define DEBUG_EVENTS 16U

static atomic_int level_now = LOG_LVL_INFO;
static char debug_events[DEBUG_EVENTS][32];
static size_t n_debug_events;
static void (*watcher)(enum log_level level, const char *event, const struct log_ctx *ctx);
static _Thread_local struct log_ctx ctx_of_thread;
static _Thread_local struct work_times times_of_thread;

void
log_level_set(enum log_level level)
{
	atomic_store(&level_now, (int)level);
}

enum log_level
log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

void
log_debug_events(const char *list)
{
	n_debug_events = 0;
	while (list != NULL && n_debug_events < DEBUG_EVENTS) {
		size_t n;

		list += strspn(list, ", ");
		n = strcspn(list, ", ");
		if (n == 0)
			return;
		if (n < sizeof(debug_events[0])) {
			memcpy(debug_events[n_debug_events], list, n);
			debug_events[n_debug_events++][n] = '\0';
		}
		list += n;
	}
}

bool
log_wanted(enum log_level level, const char *event)
{
	if ((int)level <= atomic_load_explicit(&level_now, memory_order_relaxed))
		return true;
	for (size_t i = 0; level == LOG_LVL_DEBUG && i < n_debug_events; i++)
		if (strcmp(debug_events[i], event) == 0)
			return true;
	return false;
}

void
log_watch(void (*fn)(enum log_level level, const char *event, const struct log_ctx *ctx))
{
	watcher = fn;
}

struct log_ctx *
log_ctx(void)
{
	return &ctx_of_thread;
}

struct work_times *
work_times(void)
{
	return &times_of_thread;
}

/* ---- fields ---- */

struct field {
	const char *key;  /* in the format, not terminated */
	size_t key_len;
	bool number;      /* nothing in its format can hold a foreign text */
	char *value;
};

static size_t
key_length(const char *p)
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");

	return n > 0 && p[n] == '=' ? n : 0;
}

static bool
is_number(const char *fmt, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("%-.0123456789lhzjtdiufgx", fmt[i]) == NULL)
			return false;
	return n > 0;
}

static _Thread_local char mark_of_thread[MARK + 1];

/* 64 random bits: who writes a value cannot write what separates values. */
static const char *
mark(void)
{
	char *text = mark_of_thread;

	if (text[0] == '\0') {
		unsigned char r[8];

		random_bytes(r, sizeof(r));
		text[0] = text[MARK - 1] = 0x1f;
		hex_encode(r, sizeof(r), text + 1);
		text[MARK - 1] = 0x1f;
		text[MARK] = '\0';
	}
	return text;
}

/*
 * FMT with a mark before each key that stands in it, so that the values can be told apart after formatting whatever they hold.  Fields without
 * their values; 0 = it does not fit.
 */
static size_t
mark_fields(const char *fmt, char *out, size_t size, struct field *f)
{
	size_t n = 0, len = 0;
	const char *value = fmt;

	for (const char *p = fmt; *p != '\0'; p++) {
		size_t key = p == fmt || p[-1] == ' ' ? key_length(p) : 0;

		if (len + MARK + 2 > size)
			return 0;
		if ((key > 0 || p == fmt) && n < FIELDS_MAX) {
			if (n > 0) {
				len--; /* the space */
				f[n - 1].number = is_number(value, (size_t)(p - 1 - value));
			}
			f[n++] = (struct field){ .key = key > 0 ? p : "text", .key_len = key > 0 ? key : 4 };
			memcpy(out + len, mark(), MARK);
			len += MARK;
			if (key > 0)
				p += key + 1;
			value = p;
			if (*p == '\0')
				break;
		}
		out[len++] = *p;
	}
	if (n > 0)
		f[n - 1].number = is_number(value, strlen(value));
	out[len] = '\0';
	return n;
}

/* Quotes that the format put around a value are not of the value. */
static char *
strip_quotes(char *v)
{
	size_t n = strlen(v);

	if (n >= 2 && v[0] == '"' && v[n - 1] == '"') {
		v[n - 1] = '\0';
		return v + 1;
	}
	return v;
}

/* Control characters end lines and paint terminals; what is no UTF-8 is no JSON. */
static void
clean(char *v)
{
	bool utf8 = utf8_valid(v, strlen(v));

	for (char *p = v; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
		else if (!utf8 && (unsigned char)*p >= 0x80)
			*p = '?';
	}
}

/* LINE is what was formatted; its values are cut out in place. */
static void
cut(char *line, struct field *f, size_t n)
{
	char *p = line;

	for (size_t i = 0; i < n; i++) {
		char *end;

		f[i].value = line + strlen(line); /* of a line that was cut off: "" */
		if (p == NULL || strncmp(p, mark(), MARK) != 0)
			continue;
		p += MARK;
		end = strstr(p, mark());
		f[i].value = p;
		p = end;
		if (end != NULL)
			*end = '\0'; /* the mark's first octet; it is compared no more */
		f[i].value = strip_quotes(f[i].value);
		clean(f[i].value);
		if (end != NULL)
			*end = 0x1f;
	}
	for (size_t i = 0; i < n; i++)
		f[i].value[strcspn(f[i].value, "\x1f")] = '\0';
}

/* ---- the three forms ---- */

static void
add_text(struct buf *b, const char *key, size_t key_len, const char *value)
{
	bool quote = value[strcspn(value, " \"=\\")] != '\0' || value[0] == '\0';

	if (b->len > 0)
		buf_addc(b, ' ');
	buf_add(b, key, key_len);
	buf_addc(b, '=');
	if (quote)
		buf_addc(b, '"');
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *p);
	}
	if (quote)
		buf_addc(b, '"');
}

static bool
is_json_number(const char *v)
{
	size_t n = v[0] == '-', digits = strspn(v + n, "0123456789");

	if (digits == 0 || digits > 15 || (digits > 1 && v[n] == '0'))
		return false;
	n += digits;
	if (v[n] != '.')
		return v[n] == '\0';
	digits = strspn(v + n + 1, "0123456789");
	return digits > 0 && v[n + 1 + digits] == '\0';
}

static void
add_json(struct buf *b, const char *key, size_t key_len, const char *value, bool number)
{
	buf_adds(b, b->len > 0 ? ",\"" : "{\"");
	buf_add(b, key, key_len);
	buf_adds(b, "\":");
	if (number && is_json_number(value)) {
		buf_adds(b, value);
		return;
	}
	buf_addc(b, '"');
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *p);
	}
	buf_addc(b, '"');
}

/* The journal's own protocol: a line a field, upper case; values hold no line feed any more. */
static void
add_journal(struct buf *b, const char *key, size_t key_len, const char *value)
{
	buf_adds(b, "USMD_");
	for (size_t i = 0; i < key_len; i++)
		buf_addc(b, key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 'a' + 'A') : '_');
	buf_addf(b, "=%s\n", value);
}

static void
add(struct log_entry *en, const char *key, size_t key_len, const char *value, bool number)
{
	add_text(&en->text, key, key_len, value);
	if (en->form == LOG_JSON)
		add_json(&en->shaped, key, key_len, value, number);
	else if (en->form == LOG_JOURNAL)
		add_journal(&en->shaped, key, key_len, value);
}

static void
add_id(struct log_entry *en, const char *key, int64_t v, const struct field *f, size_t n)
{
	char text[24];

	/* an event that says the same by its own words has the last one: no key stands twice */
	for (size_t i = 0; i < n; i++)
		if (strlen(key) == f[i].key_len && strncmp(key, f[i].key, f[i].key_len) == 0)
			return;
	if (v == 0)
		return;
	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	add(en, key, strlen(key), text, true);
}

static void
time_now(char *out, size_t size)
{
	struct timespec ts;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    ts.tv_nsec / 1000000);
}

static void
build(struct log_entry *en, const char *event, const struct field *f, size_t n)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	const struct log_ctx *c = &ctx_of_thread;

	if (en->form == LOG_JSON)
		add_json(&en->shaped, "time", 4, en->time, false);
	add(en, "level", 5, names[en->level], false);
	add(en, "event", 5, event, false);
	add_id(en, "req", (int64_t)c->req, f, n);
	add_id(en, "account", c->account, f, n);
	add_id(en, "device", c->device, f, n);
	for (size_t i = 0; i < n; i++)
		add(en, f[i].key, f[i].key_len, f[i].value, f[i].number);
	if (en->form == LOG_JSON)
		buf_addc(&en->shaped, '}');
}

void
log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	struct log_entry en = { .level = level, .form = log_form() };
	struct field f[FIELDS_MAX];
	char marked[1024], line[1600];
	size_t n;
	int len;
	va_list ap;

	if (watcher != NULL && level <= LOG_LVL_WARN)
		watcher(level, event, &ctx_of_thread);
	if (!log_wanted(level, event))
		return;
	n = mark_fields(fmt, marked, sizeof(marked), f);
	va_start(ap, fmt);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* FMT itself, which the compiler has checked, with marks that hold no % */
	len = vsnprintf(line, sizeof(line), marked, ap);
#pragma GCC diagnostic pop
	va_end(ap);
	cut(line, f, n);
	if (len >= (int)sizeof(line)) /* half a mark may be seen at its end */
		mark_of_thread[0] = '\0';
	time_now(en.time, sizeof(en.time));
	buf_init(&en.text, 8192);
	buf_init(&en.shaped, 8192);
	build(&en, event, f, n);
	if (!en.text.failed && !en.shaped.failed)
		log_write(&en);
	buf_fini(&en.text);
	buf_fini(&en.shaped);
}
