/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The list of differences that are accepted.  A line is `NN/n  path  reason`, where n and
 * path are shell patterns; a line whose n and path are both a star takes the whole topic out of the run. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct line {
	char *where;
	char *path;
	char *reason;
	int number;
	bool used;
};

struct exceptions {
	struct line *lines;
	size_t n;
	char *file;
};

static char *
next_word(char **p)
{
	char *w = *p + strspn(*p, " \t");
	size_t len = strcspn(w, " \t\n");

	*p = w + len;
	return len ? strndup(w, len) : NULL;
}

static bool
parse_line(struct exceptions *x, char *text, int number)
{
	struct line l = { .number = number };
	char *p = text;

	p += strspn(p, " \t\n");
	if (*p == '\0' || *p == '#')
		return true;
	l.where = next_word(&p);
	l.path = next_word(&p);
	p += strspn(p, " \t");
	p[strcspn(p, "\n")] = '\0';
	if (l.where == NULL || l.path == NULL || *p == '\0') {
		fprintf(stderr, "%s:%d: expected `NN/n path reason`; every exception needs a reason\n",
		    x->file, number);
		free(l.where);
		free(l.path);
		return false;
	}
	l.reason = strdup(p);
	x->lines = realloc(x->lines, (x->n + 1) * sizeof(*x->lines));
	if (x->lines == NULL)
		abort();
	x->lines[x->n++] = l;
	return true;
}

struct exceptions *
exceptions_load(const char *file)
{
	struct exceptions *x = calloc(1, sizeof(*x));
	char *text = NULL;
	size_t cap = 0;
	bool ok = true;
	FILE *f;

	if (x == NULL)
		abort();
	x->file = strdup(file);
	f = fopen(file, "r");
	if (f == NULL) {
		fprintf(stderr, "%s: %s; name the list with --exceptions FILE\n", file, strerror(errno));
		exceptions_free(x);
		return NULL;
	}
	for (int n = 1; ok && getline(&text, &cap, f) >= 0; n++)
		ok = parse_line(x, text, n);
	free(text);
	fclose(f);
	if (!ok) {
		exceptions_free(x);
		return NULL;
	}
	return x;
}

void
exceptions_free(struct exceptions *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < x->n; i++) {
		free(x->lines[i].where);
		free(x->lines[i].path);
		free(x->lines[i].reason);
	}
	free(x->lines);
	free(x->file);
	free(x);
}

bool
exceptions_match(struct exceptions *x, const char *where, const char *path)
{
	for (size_t i = 0; i < x->n; i++) {
		struct line *l = &x->lines[i];

		if (fnmatch(l->where, where, 0) == 0 && fnmatch(l->path, path, 0) == 0) {
			l->used = true;
			return true;
		}
	}
	return false;
}

bool
exceptions_topic(struct exceptions *x, int topic)
{
	char where[16];

	snprintf(where, sizeof(where), "%02d/*", topic);
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->lines[i].where, where) == 0 && strcmp(x->lines[i].path, "*") == 0) {
			x->lines[i].used = true;
			return true;
		}
	return false;
}

int
exceptions_unused(const struct exceptions *x, const bool *topics_run, FILE *out)
{
	int unused = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct line *l = &x->lines[i];
		long topic = strtol(l->where, NULL, 10);

		if (l->used || topic < 0 || topic >= REPLAY_TOPICS || !topics_run[topic])
			continue;
		fprintf(out, "unused exception, remove it: %s:%d: %s %s (%s)\n", x->file, l->number,
		    l->where, l->path, l->reason);
		unused++;
	}
	return unused;
}
