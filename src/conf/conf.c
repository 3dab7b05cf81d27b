/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table, and the file: lines to settings, settings to lines.  A wrong line is an error, never a guess. */
#include "conf/conf_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
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
	c->origin = arena_array(mem, struct conf_origin, ARRAY_LEN(settings));
	if (c->origin == NULL)
		goto fail;
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

/* One reading of the files: ends with the first thing that is wrong, or (ALL) notes it and goes on. */
struct reading {
	struct conf *c;
	struct buf *all;
	size_t wrong;
	const char *file;    /* name of the present one, in the arena */
	unsigned line;
	bool seen[ARRAY_LEN(settings)]; /* settings that stood in a line of the present file before */
	struct err *e;
};

/* Something is wrong: RC_OK to go on. */
static enum rc PRINTF_LIKE(4, 5)
wrong(struct reading *r, enum rc rc, const char *where, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->wrong++;
	if (r->all == NULL || rc == RC_NOMEM)
		return err_set_path(r->e, rc, where, "%s", text);
	buf_addf(r->all, "%s: %s\n", where, text);
	return RC_OK;
}

/* One line, cut in place. */
static enum rc
parse_line(struct reading *r, char *line, char *end, const char *where)
{
	const struct conf_setting *s;
	char *name, *value, *eq, range[128];
	bool nomem;

	name = trim(line, end);
	if (*name == '\0' || *name == '#')
		return RC_OK;
	if (*name == '[')
		return wrong(r, RC_PROTO, where, "sections such as '%.40s' are not used here; remove the line", name);
	eq = strchr(name, '=');
	if (eq == NULL)
		return wrong(r, RC_PROTO, where, "'%.60s' has no '='; a line is: name = value", name);
	value = trim(eq + 1, eq + 1 + strlen(eq + 1));
	name = trim(name, eq);
	s = setting_find(name);
	if (s == NULL)
		return wrong(r, RC_PROTO, where, "there is no setting '%.60s'; did you mean %s?", name, nearest(name));
	if (r->seen[s - settings])
		return wrong(r, RC_PROTO, where, "%s is set a second time; keep one of the lines", name);
	r->seen[s - settings] = true;
	if (conf_set(s, r->c, value, &nomem)) {
		r->c->origin[s - settings] = (struct conf_origin){ r->file, r->line };
		return RC_OK;
	}
	if (nomem)
		return wrong(r, RC_NOMEM, where, "out of memory");
	conf_range(s, range, sizeof(range));
	return wrong(r, RC_PROTO, where, "%s = '%.60s' is not possible; allowed: %s", name, value, range);
}

static bool
is_address(const char *s)
{
	return s[0] == '/' || strchr(s, ':') != NULL;
}

/* Settings that contradict each other, or whose text begins wrongly: told at the line of one of them. */
static enum rc
contradiction(struct reading *r, bool is, const void *const members[2], const char *text)
{
	char where[96];
	bool found = false;

	if (!is)
		return RC_OK;
	(void)snprintf(where, sizeof(where), "%.80s", r->file);
	for (size_t m = 0; m < 2; m++)
		for (size_t i = 0; i < ARRAY_LEN(settings) && !found; i++) {
			found = settings[i].name != NULL && conf_member(&settings[i], r->c) == members[m] && r->c->origin[i].file != NULL;
			if (found)
				(void)snprintf(where, sizeof(where), "%.80s:%u", r->c->origin[i].file, r->c->origin[i].line);
		}
	return wrong(r, RC_PROTO, where, "%s", text);
}

static enum rc
check_values(struct reading *r)
{
	const struct conf *c = r->c;
	const struct {
		bool is;
		const void *members[2]; /* the first that a file sets is told */
		const char *text;
	} checks[] = {
		{ !is_address(c->listen), { &c->listen, NULL }, "listen is neither ADDRESS:PORT nor the path of a socket" },
		{ c->admin_listen[0] != '\0' && !is_address(c->admin_listen), { &c->admin_listen, NULL }, "admin_listen is neither ADDRESS:PORT nor the path of a socket" },
		{ c->redis_url[0] != '\0' && strncmp(c->redis_url, "unix:/", 6) != 0 && strncmp(c->redis_url, "tcp:", 4) != 0, { &c->redis_url, NULL },
		    "redis_url is neither unix:/path nor tcp:host:port" },
		{ c->heartbeat_min > c->heartbeat_max, { &c->heartbeat_min, &c->heartbeat_max }, "heartbeat_min is larger than heartbeat_max" },
		{ c->page_default > c->page_max, { &c->page_default, &c->page_max }, "page_default is larger than page_max" },
		{ c->max_body > c->max_body_total, { &c->max_body, &c->max_body_total }, "max_body is larger than max_body_total" },
		{ c->max_waiters > c->max_connections, { &c->max_waiters, &c->max_connections }, "max_waiters is larger than max_connections, but each waiting client is a connection" },
		{ c->ox_write_max_time < c->ox_timeout, { &c->ox_write_max_time, &c->ox_timeout }, "ox_write_max_time is shorter than ox_timeout, but OX may execute a request for that long" },
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; i < ARRAY_LEN(checks) && rc == RC_OK; i++)
		rc = contradiction(r, checks[i].is, checks[i].members, checks[i].text);
	return rc;
}

/* One file's text; a name may stand in it once. */
static enum rc
parse_text(struct reading *r, const char *name, const char *text, size_t len)
{
	char where[96], line[4096];
	enum rc rc = RC_OK;

	memset(r->seen, 0, sizeof(r->seen));
	r->file = arena_strdup(r->c->mem, name);
	r->line = 0;
	if (r->file == NULL)
		return err_set(r->e, RC_NOMEM, "out of memory");
	for (const char *p = text, *end = text + len; rc == RC_OK && p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t ll = (size_t)((nl != NULL ? nl : end) - p);

		(void)snprintf(where, sizeof(where), "%.80s:%u", name, ++r->line);
		if (ll >= sizeof(line)) {
			rc = wrong(r, RC_PROTO, where, "the line is longer than %zu bytes", sizeof(line) - 1);
		} else if (memchr(p, '\0', ll) != NULL || !utf8_valid(p, ll)) {
			rc = wrong(r, RC_PROTO, where, "the line is not UTF-8 text");
		} else {
			memcpy(line, p, ll);
			line[ll] = '\0';
			rc = parse_line(r, line, line + ll, where);
		}
		p += ll + 1;
	}
	return rc;
}

/* PATH cannot be read, for the reason in errno. */
static enum rc
unreadable(struct reading *r, const char *path)
{
	int no = errno;

	return err_set(r->e, RC_NOTFOUND, "cannot read the configuration %s: %s%s", path, strerror(no),
	    no == EACCES ? " (the service's user has to: chgrp usmd, chmod g+r; directories g+rx)" : "");
}

static enum rc
parse_file(struct reading *r, const char *file)
{
	FILE *f = fopen(file, "re");
	struct buf b;
	enum rc rc;
	char *p;

	if (f == NULL)
		return unreadable(r, file);
	buf_init(&b, FILE_MAX);
	while ((p = buf_reserve(&b, 4096)) != NULL) {
		size_t got = fread(p, 1, 4096, f);

		b.len += got;
		if (got == 0)
			break;
	}
	if (ferror(f))
		rc = unreadable(r, file);
	else if (b.failed)
		rc = err_set(r->e, RC_PROTO, "the configuration %s is larger than %zu KiB", file, FILE_MAX / 1024);
	else
		rc = parse_text(r, file, b.p != NULL ? b.p : "", b.len);
	buf_fini(&b);
	(void)fclose(f);
	return rc;
}

static int
wanted(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && d->d_name[0] != '.' && strcmp(d->d_name + n - 5, ".conf") == 0;
}

static int
by_octets(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The files of conf.d beside FILE, in the order of their names, whatever the locale. */
static enum rc
parse_drop_ins(struct reading *r, const char *file)
{
	const char *slash = strrchr(file, '/');
	struct dirent **list = NULL;
	char dir[512], path[800];
	enum rc rc = RC_OK;
	int n;

	if (snprintf(dir, sizeof(dir), "%.*sconf.d", slash != NULL ? (int)(slash + 1 - file) : 0, file) >= (int)sizeof(dir))
		return err_set(r->e, RC_PROTO, "the path %.80s... is too long", file);
	n = scandir(dir, &list, wanted, by_octets);
	if (n < 0 && errno != ENOENT)
		rc = unreadable(r, dir);
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (rc == RC_OK)
			rc = parse_file(r, path);
		mem_free(list[i]);
	}
	mem_free(list);
	return rc;
}

enum rc
conf_parse(const char *name, const char *text, size_t len, struct conf **out, struct err *e)
{
	struct reading r = { .c = conf_defaults(), .e = e };
	enum rc rc;

	*out = NULL;
	if (r.c == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	rc = parse_text(&r, name, text, len);
	if (rc == RC_OK)
		rc = check_values(&r);
	if (rc != RC_OK)
		conf_free(r.c);
	else
		*out = r.c;
	return rc;
}

static enum rc
load(struct reading *r, const char *file)
{
	enum rc rc = parse_file(r, file);

	if (rc == RC_OK)
		rc = parse_drop_ins(r, file);
	return rc == RC_OK ? check_values(r) : rc;
}

enum rc
conf_load(const char *file, struct conf **out, struct err *e)
{
	struct reading r = { .c = conf_defaults(), .e = e };
	enum rc rc;

	*out = NULL;
	if (r.c == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	rc = load(&r, file);
	if (rc != RC_OK)
		conf_free(r.c);
	else
		*out = r.c;
	return rc;
}

size_t
conf_problems(const char *file, struct conf **c, struct buf *out)
{
	struct err e = { .rc = RC_OK };
	struct reading r = { .c = conf_defaults(), .all = out, .e = &e };

	*c = r.c;
	if (r.c == NULL) {
		buf_adds(out, "out of memory\n");
		return 1;
	}
	if (load(&r, file) != RC_OK) {
		buf_addf(out, "%s%s%s\n", e.path, e.path[0] != '\0' ? ": " : "", e.text);
		r.wrong++;
		conf_free(r.c);
		*c = NULL;
	}
	return r.wrong;
}

static bool
same(const struct conf_setting *s, const struct conf *a, const struct conf *b)
{
	if (conf_is_text(s->kind))
		return strcmp(*(const char *const *)conf_member(s, a), *(const char *const *)conf_member(s, b)) == 0;
	return conf_number(s, a) == conf_number(s, b);
}

static void
add_name(struct buf *list, const char *name)
{
	if (list->len > 0)
		buf_addc(list, ' ');
	buf_adds(list, name);
}

enum rc
conf_reload(const struct conf *old, const char *file, struct conf **out, struct buf *ignored, struct buf *applied, struct err *e)
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

		if (s->name == NULL || same(s, old, c))
			continue;
		add_name(s->live ? applied : ignored, s->name);
		if (s->live)
			continue;
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
