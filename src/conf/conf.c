/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table, and the file: lines to settings, settings to lines.  A wrong line is an error, never a guess. */
#include "conf/conf_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)256 * 1024)
#define NEAR_MAX 40U /* longest name that is compared for a suggestion */

static const struct conf_setting settings[] = {
#define START false
#define LIVE true
#define SECTION(title) { .section = title },
#define SETTING(n, k, d, lo, hi, reload, h) \
	{ .name = #n, .kind = CONF_##k, .def = d, .min = lo, .max = hi, .live = reload, .help = h, .offset = offsetof(struct conf, n) },
#include "conf/settings.def"
#undef SETTING
#undef SECTION
};

const struct conf_setting *
conf_settings(size_t *n)
{
	*n = ARRAY_LEN(settings);
	return settings;
}

static const struct conf_setting *
setting_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (settings[i].name != NULL && strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

/* Number of edits between two names (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], la = strlen(a), lb = strlen(b);

	if (la > NEAR_MAX || lb > NEAR_MAX)
		return NEAR_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

static const char *
nearest(const char *name)
{
	const char *best = settings[1].name;
	size_t best_d = SIZE_MAX;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		size_t d;

		if (settings[i].name == NULL)
			continue;
		d = distance(name, settings[i].name);
		if (d < best_d) {
			best_d = d;
			best = settings[i].name;
		}
	}
	return best;
}

struct conf *
conf_defaults(void)
{
	struct arena *mem = arena_new(4 * FILE_MAX);
	struct conf *c = mem != NULL ? arena_alloc(mem, sizeof(*c)) : NULL;
	bool nomem;

	if (c == NULL)
		goto fail;
	c->mem = mem;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (settings[i].name != NULL && !conf_set(&settings[i], c, settings[i].def, &nomem))
			goto fail; /* the unit test sets every default, so only memory can be missing here */
	return c;
fail:
	arena_free(mem);
	return NULL;
}

void
conf_free(struct conf *c)
{
	if (c != NULL)
		arena_free(c->mem);
}

static char *
trim(char *s, char *end)
{
	while (end > s && strchr(" \t\r", end[-1]) != NULL)
		end--;
	*end = '\0';
	return s + strspn(s, " \t");
}

/* One line, cut in place.  SEEN marks the settings that stood in a line before. */
static enum rc
parse_line(struct conf *c, char *line, char *end, const char *where, bool *seen, struct err *e)
{
	const struct conf_setting *s;
	char *name, *value, *eq, range[128];
	bool nomem;

	name = trim(line, end);
	if (*name == '\0' || *name == '#')
		return RC_OK;
	if (*name == '[')
		return err_set_path(e, RC_PROTO, where, "sections such as '%.40s' are not used here; remove the line", name);
	eq = strchr(name, '=');
	if (eq == NULL)
		return err_set_path(e, RC_PROTO, where, "'%.60s' has no '='; a line is: name = value", name);
	value = trim(eq + 1, eq + 1 + strlen(eq + 1));
	name = trim(name, eq);
	s = setting_find(name);
	if (s == NULL)
		return err_set_path(e, RC_PROTO, where, "there is no setting '%.60s'; did you mean %s?", name, nearest(name));
	if (seen[s - settings])
		return err_set_path(e, RC_PROTO, where, "%s is set a second time; keep one of the lines", name);
	seen[s - settings] = true;
	if (conf_set(s, c, value, &nomem))
		return RC_OK;
	if (nomem)
		return err_set_path(e, RC_NOMEM, where, "out of memory");
	conf_range(s, range, sizeof(range));
	return err_set_path(e, RC_PROTO, where, "%s = '%.60s' is not possible; allowed: %s", name, value, range);
}

static bool
is_address(const char *s)
{
	return s[0] == '/' || strchr(s, ':') != NULL;
}

/* What kind and range of one setting do not tell: how its text begins, and settings that contradict each other. */
static enum rc
check_values(const struct conf *c, const char *name, struct err *e)
{
	if (!is_address(c->listen) || (c->admin_listen[0] != '\0' && !is_address(c->admin_listen)))
		return err_set_path(e, RC_PROTO, name, "%s is neither ADDRESS:PORT nor the path of a socket", is_address(c->listen) ? "admin_listen" : "listen");
	if (c->redis_url[0] != '\0' && strncmp(c->redis_url, "unix:/", 6) != 0 && strncmp(c->redis_url, "tcp:", 4) != 0)
		return err_set_path(e, RC_PROTO, name, "redis_url = '%.60s' is neither unix:/path nor tcp:host:port", c->redis_url);
	if (c->heartbeat_min > c->heartbeat_max)
		return err_set_path(e, RC_PROTO, name, "heartbeat_min is larger than heartbeat_max");
	if (c->page_default > c->page_max)
		return err_set_path(e, RC_PROTO, name, "page_default is larger than page_max");
	if (c->max_body > c->max_body_total)
		return err_set_path(e, RC_PROTO, name, "max_body is larger than max_body_total");
	if (c->max_waiters > c->max_connections)
		return err_set_path(e, RC_PROTO, name, "max_waiters is larger than max_connections, but each waiting client is a connection");
	if (c->ox_write_max_time < c->ox_timeout)
		return err_set_path(e, RC_PROTO, name, "ox_write_max_time is shorter than ox_timeout, but OX may execute a request for that long");
	return RC_OK;
}

enum rc
conf_parse(const char *name, const char *text, size_t len, struct conf **out, struct err *e)
{
	bool seen[ARRAY_LEN(settings)] = { false };
	struct conf *c = conf_defaults();
	char where[96], line[4096];
	enum rc rc = RC_OK;
	unsigned n = 0;

	*out = NULL;
	if (c == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	for (const char *p = text, *end = text + len; rc == RC_OK && p < end; n++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t ll = (size_t)((nl != NULL ? nl : end) - p);

		(void)snprintf(where, sizeof(where), "%.80s:%u", name, n + 1);
		if (ll >= sizeof(line))
			rc = err_set_path(e, RC_PROTO, where, "the line is longer than %zu bytes", sizeof(line) - 1);
		else if (memchr(p, '\0', ll) != NULL || !utf8_valid(p, ll))
			rc = err_set_path(e, RC_PROTO, where, "the line is not UTF-8 text");
		if (rc != RC_OK)
			break;
		memcpy(line, p, ll);
		line[ll] = '\0';
		rc = parse_line(c, line, line + ll, where, seen, e);
		p += ll + 1;
	}
	if (rc == RC_OK)
		rc = check_values(c, name, e);
	if (rc != RC_OK)
		conf_free(c);
	else
		*out = c;
	return rc;
}

enum rc
conf_load(const char *file, struct conf **out, struct err *e)
{
	FILE *f = fopen(file, "re");
	struct buf b;
	enum rc rc;
	char *p;

	*out = NULL;
	buf_init(&b, FILE_MAX);
	if (f == NULL)
		return err_set(e, RC_NOTFOUND, "cannot read the configuration %s: %s", file, strerror(errno));
	while ((p = buf_reserve(&b, 4096)) != NULL) {
		size_t got = fread(p, 1, 4096, f);

		b.len += got;
		if (got == 0)
			break;
	}
	if (ferror(f))
		rc = err_set(e, RC_NOTFOUND, "cannot read the configuration %s: %s", file, strerror(errno));
	else if (b.failed)
		rc = err_set(e, RC_PROTO, "the configuration %s is larger than %zu KiB", file, FILE_MAX / 1024);
	else
		rc = conf_parse(file, b.p, b.len, out, e);
	buf_fini(&b);
	(void)fclose(f);
	return rc;
}

static bool
same(const struct conf_setting *s, const struct conf *a, const struct conf *b)
{
	if (conf_is_text(s->kind))
		return strcmp(*(const char *const *)conf_member(s, a), *(const char *const *)conf_member(s, b)) == 0;
	return conf_number(s, a) == conf_number(s, b);
}

enum rc
conf_reload(const struct conf *old, const char *file, struct conf **out, struct buf *ignored, struct err *e)
{
	struct conf *c;
	struct buf text;
	enum rc rc = conf_load(file, &c, e);

	*out = NULL;
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct conf_setting *s = &settings[i];
		bool nomem, ok;

		if (s->name == NULL || s->live || same(s, old, c))
			continue;
		if (ignored->len > 0)
			buf_addc(ignored, ' ');
		buf_adds(ignored, s->name);
		buf_init(&text, FILE_MAX);
		conf_format(s, old, &text);
		ok = !text.failed && conf_set(s, c, text.p != NULL ? text.p : "", &nomem);
		buf_fini(&text);
		if (!ok) {
			conf_free(c);
			return err_set(e, RC_NOMEM, "out of memory");
		}
	}
	*out = c;
	return RC_OK;
}
