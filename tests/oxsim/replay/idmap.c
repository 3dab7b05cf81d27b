/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the recording called X is called Y in this run: ids by kind, tokens (sessions,
 * cookies, uuids), and instants, which are also found by their distance to known ones. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct instant {
	int64_t rec;
	int64_t rep;
};

struct idmap {
	json_t *kinds;		/* kind -> { recorded: replayed } */
	struct instant *times;	/* unsorted; later entries win */
	size_t ntimes;
	size_t cap;
};

struct idmap *
idmap_new(void)
{
	struct idmap *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	m->kinds = json_object();
	return m;
}

void
idmap_free(struct idmap *m)
{
	if (m == NULL)
		return;
	json_decref(m->kinds);
	free(m->times);
	free(m);
}

/* Objects of the initial data set have the same numbers everywhere. */
static bool
is_initial(const char *kind, const char *id)
{
	char *end;
	long n = strtol(id, &end, 10);

	if (*id == '\0' || *end != '\0')
		return false;
	if (strcmp(kind, "folder") == 0)
		return n < 80;
	if (strcmp(kind, "contact") == 0)
		return n <= 6;
	if (strcmp(kind, "group") == 0 || strcmp(kind, "resource") == 0)
		return n <= 9;
	return false;
}

const char *
idmap_get(const struct idmap *m, const char *kind, const char *recorded)
{
	const char *v = json_string_value(json_object_get(json_object_get(m->kinds, kind), recorded));

	if (v == NULL && is_initial(kind, recorded))
		return recorded;
	return v;
}

void
idmap_put(struct idmap *m, const char *kind, const char *recorded, const char *replayed)
{
	json_t *o = json_object_get(m->kinds, kind);

	if (o == NULL) {
		o = json_object();
		json_object_set_new(m->kinds, kind, o);
	}
	json_object_set_new(o, recorded, json_string(replayed));
}

void
idmap_put_time(struct idmap *m, int64_t recorded_ms, int64_t replayed_ms)
{
	for (size_t i = 0; i < m->ntimes; i++)
		if (m->times[i].rec == recorded_ms) {
			m->times[i].rep = replayed_ms;
			return;
		}
	if (m->ntimes == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 256;
		m->times = realloc(m->times, m->cap * sizeof(*m->times));
		if (m->times == NULL)
			abort();
	}
	m->times[m->ntimes++] = (struct instant){ recorded_ms, replayed_ms };
}

int64_t
idmap_time(const struct idmap *m, int64_t recorded_ms)
{
	int64_t best = 60000;
	int64_t found = recorded_ms;

	for (size_t i = 0; i < m->ntimes; i++) {
		int64_t d = recorded_ms - m->times[i].rec;
		int64_t a = d < 0 ? -d : d;

		if (a < best) {
			best = a;
			found = m->times[i].rep + d;
		}
	}
	return found;
}
