/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Memory, report and JSON helpers of the module: what every converter needs and
 * no format knows.
 */
#include "pim_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pim_chunk {
	struct pim_chunk *next;
	size_t used, size;
	max_align_t data[];
};

void *
pim_mem_alloc(struct pim_mem *m, size_t n)
{
	struct pim_chunk *ch = m->head;
	void *p;

	m->over_limit = false;
	n = (n + 15) & ~(size_t)15;
	if (m->limit != 0 && n > m->limit - m->used) {
		m->over_limit = true;
		return NULL;
	}
	if (ch == NULL || ch->size - ch->used < n) {
		size_t size = n > 32768 ? n : 65536;

		ch = malloc(sizeof(*ch) + size);
		if (ch == NULL)
			return NULL;
		ch->used = 0;
		ch->size = size;
		ch->next = m->head;
		m->head = ch;
	}
	p = (char *)ch->data + ch->used;
	ch->used += n;
	m->used += n;
	memset(p, 0, n);
	return p;
}

char *
pim_mem_dup(struct pim_mem *m, const char *s, size_t n)
{
	char *p = pim_mem_alloc(m, n + 1);

	if (p != NULL && n > 0)
		memcpy(p, s, n);
	return p;
}

void
pim_mem_fini(struct pim_mem *m)
{
	while (m->head != NULL) {
		struct pim_chunk *next = m->head->next;

		free(m->head);
		m->head = next;
	}
	m->used = 0;
}

void
pim_buf_put(struct pim_buf *b, const void *data, size_t n)
{
	if (b->failed)
		return;
	if (b->p == NULL || b->cap - b->len <= n) {
		size_t cap = b->cap < 64 ? 64 : b->cap;
		char *p;

		while (cap - b->len <= n) {
			if (cap > SIZE_MAX / 2) {
				b->failed = true;
				return;
			}
			cap *= 2;
		}
		p = realloc(b->p, cap);
		if (p == NULL) {
			b->failed = true;
			return;
		}
		b->p = p;
		b->cap = cap;
	}
	if (n > 0)
		memcpy(b->p + b->len, data, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void
pim_buf_puts(struct pim_buf *b, const char *s)
{
	pim_buf_put(b, s, strlen(s));
}

void
pim_buf_putc(struct pim_buf *b, char c)
{
	if (!b->failed && b->cap - b->len > 1) {
		b->p[b->len++] = c;
		b->p[b->len] = '\0';
		return;
	}
	pim_buf_put(b, &c, 1);
}

/* For short pieces (numbers, dates); longer text goes through pim_buf_puts. */
void
pim_buf_printf(struct pim_buf *b, const char *fmt, ...)
{
	char tmp[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(tmp))
		b->failed = true;
	else
		pim_buf_put(b, tmp, (size_t)n);
}

char *
pim_buf_take(struct pim_buf *b)
{
	char *p;

	pim_buf_put(b, "", 0);
	p = b->failed ? NULL : b->p;
	if (b->failed)
		free(b->p);
	memset(b, 0, sizeof(*b));
	return p;
}

void
pim_buf_fini(struct pim_buf *b)
{
	bool failed = b->failed;

	free(b->p);
	memset(b, 0, sizeof(*b));
	b->failed = failed;
}

void
pim_options_init(struct pim_options *opt)
{
	*opt = (struct pim_options){
		.max_file_bytes = (size_t)64 << 20,
		.max_objects = 65536,
		.max_line_bytes = (size_t)16 << 20,
		.max_lines = 20000,
		.max_depth = 16,
		.max_exceptions = 999,
		.max_members = 2000,
		.preview_chars = 100,
		.vcard_version = 30,
	};
}

void
pim_report_init(struct pim_report *rep)
{
	memset(rep, 0, sizeof(*rep));
}

void
pim_report_fini(struct pim_report *rep)
{
	size_t i;

	if (rep == NULL)
		return;
	for (i = 0; i < rep->problems_len; i++)
		free(rep->problems[i].text);
	free(rep->problems);
	memset(rep, 0, sizeof(*rep));
}

const char *
pim_kind_name(enum pim_kind kind)
{
	static const char *const names[PIM_KINDS] = {
		[PIM_CONTACT] = "contact", [PIM_DISTLIST] = "distribution list",
		[PIM_APPOINTMENT] = "appointment", [PIM_TASK] = "task", [PIM_MAIL] = "mail",
	};

	return (unsigned)kind < PIM_KINDS ? names[kind] : "?";
}

const char *
pim_rc_name(enum pim_rc rc)
{
	static const char *const names[] = {
		[PIM_OK] = "ok", [PIM_REFUSED] = "refused", [PIM_UNSUPPORTED] = "unsupported",
		[PIM_LIMIT] = "limit", [PIM_STOPPED] = "stopped", [PIM_NOMEM] = "out of memory",
	};

	return (unsigned)rc < sizeof(names) / sizeof(names[0]) ? names[rc] : "?";
}

void
pim_ctx_init(struct pim_ctx *c, const struct pim_options *opt, struct pim_options *defaults,
             struct pim_report *rep)
{
	if (opt == NULL) {
		pim_options_init(defaults);
		opt = defaults;
	}
	*c = (struct pim_ctx){ .opt = opt, .rep = rep, .number = 1 };
}

/* A cut at the end of a buffer may split a character: take its beginning off. */
static void
trim_utf8(char *s)
{
	size_t n = strlen(s), i;

	for (i = 0; i < 4 && n > 0 && !pim_utf8_valid(s, n); i++)
		s[--n] = '\0';
}

void
pim_ctx_error(const struct pim_ctx *c, enum pim_rc rc, struct pim_error *err)
{
	if (err == NULL)
		return;
	err->text[0] = '\0';
	if (rc == PIM_NOMEM)
		snprintf(err->text, sizeof(err->text), "out of memory");
	else if (rc != PIM_OK)
		snprintf(err->text, sizeof(err->text), "%s", c->why[0] != '\0' ? c->why : pim_rc_name(rc));
}

enum pim_rc
pim_fail(struct pim_ctx *c, enum pim_rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	trim_utf8(c->why);
	return rc;
}

static void
note_add(struct pim_ctx *c, enum pim_problem_kind kind, const char *text)
{
	struct pim_report *r = c->rep;
	struct pim_problem *p;

	if (r == NULL)
		return;
	switch (kind) {
	case PIM_PROBLEM_REFUSED: r->refused++; break;
	case PIM_PROBLEM_UNSUPPORTED: r->unsupported++; break;
	case PIM_PROBLEM_BENT: r->bent++; break;
	case PIM_PROBLEM_DROPPED: r->dropped++; break;
	}
	if (r->problems_len >= PIM_MAX_PROBLEMS)
		return;
	if (r->problems_len % 32 == 0) {
		p = realloc(r->problems, (r->problems_len + 32) * sizeof(*p));
		if (p == NULL)
			return;	/* the counter has it; a report is no reason to fail an import */
		r->problems = p;
	}
	p = &r->problems[r->problems_len];
	p->kind = kind;
	p->number = c->number;
	p->text = strdup(text);
	if (p->text != NULL)
		r->problems_len++;
}

void
pim_note(struct pim_ctx *c, enum pim_problem_kind kind, const char *fmt, ...)
{
	char text[sizeof(c->why)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	trim_utf8(text);
	note_add(c, kind, text);
}

enum pim_rc
pim_bend(struct pim_ctx *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	trim_utf8(c->why);
	if (!c->opt->lenient)
		return PIM_REFUSED;
	note_add(c, PIM_PROBLEM_BENT, c->why);
	c->why[0] = '\0';
	return PIM_OK;
}

/* S without the characters that OX refuses, at most MAX code points. */
static char *
text_bent(const char *s, size_t max)
{
	struct pim_buf b = { 0 };

	while (*s != '\0') {
		size_t n = pim_utf8_cut(s, strlen(s) > 8 ? 8 : strlen(s), 1);
		char one[9] = "";

		memcpy(one, s, n); /* NOLINT(bugprone-not-null-terminated-result): n <= 8, one ends with 0 */
		if (pim_text_plain(one) && max > 0) {
			pim_buf_put(&b, s, n);
			max--;
		}
		s += n;
	}
	return pim_buf_take(&b);
}

enum pim_rc
pim_set_text(struct pim_ctx *c, json_t *o, const char *field, const char *s, size_t max)
{
	char *bent = NULL;
	size_t chars;
	enum pim_rc rc = PIM_OK;

	if (s == NULL || *s == '\0')
		return PIM_OK;
	chars = pim_utf8_count(s, strlen(s));
	/* TEXT columns hold 65535 bytes, whatever the check of the server says */
	if (max == 65535 && strlen(s) > max && chars <= max) {
		chars = max + 1;
		max = pim_utf8_count(s, max) - 1;
	}
	if (max != 0 && chars > max)
		rc = pim_bend(c, "%s is longer than the %zu characters that the server holds: shorten it",
		              field, max);
	else if (!pim_text_plain(s))
		rc = pim_bend(c, "%s holds a control character that the server refuses: take it out", field);
	else
		return pim_set_new(c, o, field, json_string(s));
	if (rc != PIM_OK)
		return rc;
	bent = text_bent(s, max == 0 ? SIZE_MAX : max);
	if (bent == NULL)
		return PIM_NOMEM;
	if (*bent != '\0')
		rc = pim_set_new(c, o, field, json_string(bent));
	free(bent);
	return rc;
}

enum pim_rc
pim_set_new(struct pim_ctx *c, json_t *o, const char *field, json_t *v)
{
	(void)c;
	return v != NULL && json_object_set_new(o, field, v) == 0 ? PIM_OK : PIM_NOMEM;
}

const char *
pim_get_text(const json_t *o, const char *field)
{
	const char *s = json_string_value(json_object_get(o, field));

	return s != NULL && *s != '\0' ? s : NULL;
}

bool
pim_get_int(const json_t *o, const char *field, int64_t *v)
{
	const json_t *j = json_object_get(o, field);

	if (!json_is_integer(j))
		return false;
	*v = json_integer_value(j);
	return true;
}

enum pim_rc
pim_want(struct pim_ctx *c, const json_t *o, const char *field, json_type t)
{
	const json_t *v = json_object_get(o, field);
	bool ok = v == NULL || json_is_null(v) || json_typeof(v) == t ||
	          (t == JSON_TRUE && json_is_boolean(v));

	if (!ok)
		return pim_fail(c, PIM_REFUSED, "%s has the wrong JSON type", field);
	if (t == JSON_STRING && json_is_string(v) &&
	    (strlen(json_string_value(v)) != json_string_length(v) || !pim_text_plain(json_string_value(v))))
		return pim_fail(c, PIM_REFUSED, "%s holds a control character", field);
	return PIM_OK;
}
