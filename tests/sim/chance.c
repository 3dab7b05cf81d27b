/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Random numbers of the current event, failures, and the account of everything that anybody typed. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim *the_sim;

uint64_t
rnd64(struct sim *s)
{
	uint64_t z = s->rnd += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

int64_t
rnd(struct sim *s, int64_t n)
{
	return (int64_t)(rnd64(s) % (uint64_t)n);
}

bool
chance(struct sim *s, unsigned percent10)
{
	return rnd64(s) % 1000 < percent10;
}

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->failed = true;
	if (s->running != NULL) /* a jump between stacks is not allowed: the scheduler jumps */
		(void)setcontext(&s->sched);
	longjmp(s->fail, 1);
}

void
tell(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->tell)
		return;
	printf("  %lld.%03lld ", (long long)(s->ox.now / 1000), (long long)(s->ox.now % 1000));
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

/* ---- tokens ---- */

int64_t
token_new(struct sim *s, int64_t parent)
{
	if (++s->n_token >= MAX_TOKEN)
		sim_fail(s, "simulation: too many tokens");
	s->typist[s->n_token] = s->typing;
	if (parent != 0)
		token_replaced(s, parent, 2 * (int64_t)s->n_token);
	return 2 * (int64_t)s->n_token;
}

void
token_replaced(struct sim *s, int64_t old, int64_t by)
{
	if (s->n_edge == 2 * MAX_TOKEN)
		sim_fail(s, "simulation: too many edges");
	s->edge[s->n_edge].parent = (int)(old / 2);
	s->edge[s->n_edge++].kid = (int)(by / 2);
}

void
token_gone(struct sim *s, int64_t v)
{
	if (v != 0)
		s->gone[v / 2] = true;
}

/* Every "w123" in a conflict record is a text that can be had back. */
void
token_record_text(struct sim *s, const char *text, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++) {
		long t;

		if (text[i] != '"' || text[i + 1] != 'w')
			continue;
		t = strtol(text + i + 2, NULL, 10);
		if (t > 0 && t <= s->n_token && !s->recorded[t]) {
			s->recorded[t] = true;
			s->fig->records++;
		}
	}
}

/* ---- fields ---- */

struct fdef sim_fields[CT_COUNT][NF] = {
	[CT_FOLDER] = { { "title", FK_TEXT, 0 } },
	[CT_CONTACT] = { { "first_name", FK_TEXT, 0 }, { "last_name", FK_TEXT, 0 }, { "nickname", FK_NORM, 0 } },
	[CT_CALENDAR] = { { "title", FK_TEXT, 0 }, { "note", FK_TEXT, 0 }, { "location", FK_NORM, 0 }, { "start_date", FK_START, 0 }, { "end_date", FK_END, 0 } },
	[CT_TASK] = { { "title", FK_TEXT, 0 }, { "companies", FK_NORM, 0 }, { "end_time", FK_START, 0 } },
	[CT_MAIL] = { { "flags", FK_FLAGS, 0 }, { "color_label", FK_COLOR, 0 } },
};

unsigned
sim_nf(enum content ct)
{
	unsigned n = 0;

	while (n < NF && sim_fields[ct][n].name != NULL)
		n++;
	return n;
}

void
sim_fields_init(void)
{
	for (int ct = 0; ct < CT_COUNT; ct++)
		for (unsigned k = 0; k < sim_nf((enum content)ct); k++) {
			int i = model_field(model_content((enum content)ct), sim_fields[ct][k].name);

			if (i < 0)
				abort();
			sim_fields[ct][k].i = (unsigned)i;
		}
}

json_t *
sim_json(enum fkind kind, int64_t v)
{
	char text[32];

	if (v == 0)
		return NULL;
	if (!is_typed(kind))
		return json_integer(v);
	(void)snprintf(text, sizeof(text), "w%lld%s", (long long)(v / 2), (v & 1) != 0 ? "~" : "");
	return json_string(text);
}

int64_t
sim_value(enum fkind kind, const json_t *j)
{
	const char *t = json_string_value(j);

	if (!is_typed(kind))
		return json_is_integer(j) ? json_integer_value(j) : 0;
	if (t == NULL || t[0] != 'w')
		return 0;
	return 2 * strtoll(t + 1, NULL, 10) + (t[strlen(t) - 1] == '~');
}
