/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Settings for people: the effective ones, and the documented sample file. */
#include "conf/conf_int.h"

#include <string.h>
#include <strings.h>

/* libpq: password=... in key/value form, quoted or not; URLs: user:password@. */
static void
add_redacted(struct buf *out, const char *v)
{
	const char *scheme = strstr(v, "://"), *p = v;

	if (scheme != NULL) {
		size_t host = strcspn(scheme + 3, "/?");
		const char *at = memchr(scheme + 3, '@', host), *colon = at != NULL ? memchr(scheme + 3, ':', (size_t)(at - scheme - 3)) : NULL;

		if (colon != NULL) {
			buf_add(out, v, (size_t)(colon + 1 - v));
			buf_adds(out, "***");
			p = at;
		}
	}
	while (*p != '\0') {
		static const char key[] = "password";

		if (strncasecmp(p, key, sizeof(key) - 1) != 0) {
			buf_addc(out, *p++);
			continue;
		}
		buf_add(out, p, sizeof(key) - 1);
		p += sizeof(key) - 1;
		while (*p == ' ' || *p == '\t')
			buf_addc(out, *p++);
		if (*p != '=')
			continue;
		buf_addc(out, *p++);
		p += strspn(p, " \t");
		buf_adds(out, "***");
		if (*p == '\'') {
			for (p++; *p != '\0' && *p != '\''; p++)
				if (*p == '\\' && p[1] != '\0')
					p++;
			p += *p == '\'';
		} else {
			/* & ends it in a URL's query; in key/value form it is part of the password */
			for (; *p != '\0' && strchr(" \t", *p) == NULL && !(scheme != NULL && *p == '&'); p++)
				if (*p == '\\' && p[1] != '\0')
					p++;
		}
	}
}

static void
add_value(const struct conf_setting *s, const struct conf *c, struct buf *out)
{
	if (conf_is_text(s->kind))
		add_redacted(out, *(const char *const *)conf_member(s, c));
	else
		conf_format(s, c, out);
}

static void
dump(const struct conf *c, bool origins, struct buf *out)
{
	size_t n;
	const struct conf_setting *s = conf_settings(&n);

	for (size_t i = 0; i < n; i++) {
		const struct conf_origin *o = &c->origin[i];

		if (s[i].name == NULL) {
			buf_addf(out, "%s# %s\n", i == 0 ? "" : "\n", s[i].section);
			continue;
		}
		buf_addf(out, "%s = ", s[i].name);
		add_value(&s[i], c, out);
		if (origins && o->file != NULL)
			buf_addf(out, "  # %s:%u", o->file, o->line);
		else if (origins)
			buf_adds(out, "  # default");
		buf_addc(out, '\n');
	}
}

void
conf_dump(const struct conf *c, struct buf *out)
{
	dump(c, false, out);
}

void
conf_show(const struct conf *c, struct buf *out)
{
	dump(c, true, out);
}

/* The value of NAME in the text DUMP, *LEN octets; NULL = it has none. */
static const char *
dumped(const char *dump, const char *name, size_t *len)
{
	size_t n = strlen(name);

	for (const char *p = dump; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, n) == 0 && strncmp(p + n, " = ", 3) == 0) {
			*len = strcspn(p + n + 3, "\n");
			return p + n + 3;
		}
		if (*p == '\0')
			break;
	}
	return NULL;
}

size_t
conf_diff(const struct conf *c, const char *dump, const char *named, struct buf *out)
{
	size_t n, differ = 0, len = 0;
	const struct conf_setting *s = conf_settings(&n);
	struct buf mine;

	buf_init(&mine, 0);
	for (size_t i = 0; i < n; i++) {
		const char *other = s[i].name != NULL ? dumped(dump, s[i].name, &len) : NULL;

		buf_reset(&mine);
		if (s[i].name == NULL)
			continue;
		add_value(&s[i], c, &mine);
		if (other != NULL && mine.len == len && memcmp(other, mine.len > 0 ? mine.p : "", len) == 0)
			continue;
		differ++;
		buf_addf(out, "%s = %s  # %s: %.*s\n", s[i].name, mine.len > 0 ? mine.p : "", named, other != NULL ? (int)len : 7, other != NULL ? other : "unknown");
	}
	buf_fini(&mine);
	return differ;
}

/* HELP in comment lines of at most 100 characters. */
static void
add_wrapped(struct buf *out, const char *text)
{
	while (*text != '\0') {
		size_t n = strlen(text);

		if (n > 98) {
			n = 98;
			while (n > 1 && text[n] != ' ')
				n--;
		}
		buf_adds(out, "# ");
		buf_add(out, text, n);
		buf_addc(out, '\n');
		text += n;
		text += *text == ' ';
	}
}

void
conf_sample(struct buf *out)
{
	char range[128];
	size_t n;
	const struct conf_setting *s = conf_settings(&n);

	buf_adds(out, "# Configuration of usmd; usmd.conf(5) explains it.  Each setting stands here at its default, commented out.\n"
	    "# A line is: name = value.  usmctl config check tells whether the file is right.\n");
	for (size_t i = 0; i < n; i++) {
		if (s[i].name == NULL) {
			buf_addf(out, "\n\n# ---- %s ----\n", s[i].section);
			continue;
		}
		buf_addc(out, '\n');
		add_wrapped(out, s[i].help);
		conf_range(&s[i], range, sizeof(range));
		buf_addf(out, "# Allowed: %s.%s\n#%s = %s\n", range, s[i].live ? "  Reloadable." : "", s[i].name, s[i].def);
	}
}
