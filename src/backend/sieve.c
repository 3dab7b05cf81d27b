/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a Sieve script (RFC 5228) holds, as far as one must know before OX writes it anew: OX deletes the rules that it cannot read (a real OX 8.19
 * did so with conditions that it has no name for, nested ifs, elsif and else), and lists a group of conditions without its "not" - which is why
 * the groups are read here, too.
 */
#include "backend/backend_int.h"

#include <string.h>
#include <strings.h>

#define OFF "#<!-->" /* before each line of a rule that OX has switched off */

#define MAX_DEPTH 32 /* of groups */

struct scan {
	const char *p, *end;
	int depth;         /* of blocks */
	bool begins;       /* the next word begins a command */
	bool bare;         /* the last command was one without a condition */
	int64_t id;        /* of the rule that comes, by the comment before it; -1 = it has none */
	struct sieve_shape *out;
};

static bool scan_step(struct scan *s);

static bool
is_at(const struct scan *s, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(s->end - s->p) >= n && memcmp(s->p, text, n) == 0;
}

/* Behind the first TEXT, or the end. */
static void
skip_to(struct scan *s, const char *text)
{
	while (s->p < s->end && !is_at(s, text))
		s->p++;
	s->p += s->p < s->end ? strlen(text) : 0;
}

static void
skip_string(struct scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
		if (*s->p == '\\' && s->p + 1 < s->end)
			s->p++;
	if (s->p < s->end)
		s->p++;
}

static bool
is_one_of(const char *w, size_t n, const char *const *list, size_t n_list)
{
	for (size_t i = 0; i < n_list; i++)
		if (strlen(list[i]) == n && strncasecmp(w, list[i], n) == 0)
			return true;
	return false;
}

/* A word and where it ends. */
static size_t
word(struct scan *s)
{
	const char *w = s->p;

	while (s->p < s->end && ((*s->p >= 'a' && *s->p <= 'z') || (*s->p >= 'A' && *s->p <= 'Z') || (*s->p >= '0' && *s->p <= '9') || *s->p == '_'))
		s->p++;
	return (size_t)(s->p - w);
}

/* Over what is no word and no sign: comments, blanks, marks of a rule that is off. */
static void
skip_space(struct scan *s)
{
	while (s->p < s->end && (is_at(s, OFF) || is_at(s, "/*") || strchr("# \t\r\n", *s->p) != NULL) && scan_step(s))
		;
}

/* Over the arguments of a condition, up to what ends it. */
static void
skip_arguments(struct scan *s)
{
	while (s->p < s->end && strchr(",){;", *s->p) == NULL) {
		if (*s->p == '[') {
			while (s->p < s->end && *s->p != ']')
				if (!scan_step(s))
					return;
		}
		if (s->p < s->end && !scan_step(s))
			return;
	}
}

static json_t *
read_test(struct scan *s, unsigned depth)
{
	static const char *const groups[] = { "allof", "anyof" }, *const negation[] = { "not" };
	const char *w;
	json_t *list, *x;
	size_t n;

	skip_space(s);
	w = s->p;
	n = word(s);
	if (n == 0 || depth == MAX_DEPTH)
		return NULL;
	if (is_one_of(w, n, negation, ARRAY_LEN(negation))) {
		x = read_test(s, depth + 1);
		return x != NULL ? json_pack("{s:s,s:o}", "id", "not", "test", x) : NULL;
	}
	if (!is_one_of(w, n, groups, ARRAY_LEN(groups))) {
		skip_arguments(s);
		return json_pack("{s:s%}", "id", w, n);
	}
	list = json_array();
	skip_space(s);
	while (s->p < s->end && (*s->p == '(' || *s->p == ',')) {
		s->p++;
		x = read_test(s, depth + 1);
		if (x == NULL || json_array_append_new(list, x) != 0)
			break;
		skip_space(s);
	}
	if (s->p < s->end && *s->p == ')')
		s->p++;
	return json_pack("{s:s%,s:o}", "id", w, n, "tests", list);
}

static void
take_rule(struct scan *s)
{
	json_t *rule = json_pack("{s:I,s:o*}", "id", (json_int_t)s->id, "test", read_test(s, 0));

	if (rule == NULL || json_array_append_new(s->out->tests, rule) != 0)
		s->out->nomem = true;
	s->id = -1;
}

static void
take_command(struct scan *s, const char *w, size_t n)
{
	static const char *const rule[] = { "if" }, *const more[] = { "elsif", "else" }, *const none[] = { "require" };
	bool bare = false;

	if (is_one_of(w, n, rule, ARRAY_LEN(rule))) {
		s->out->rules++;
		take_rule(s);
	} else if (is_one_of(w, n, more, ARRAY_LEN(more))) {
		s->out->lost++;
	} else if (!is_one_of(w, n, none, ARRAY_LEN(none))) {
		bare = true;
	}
	s->out->rules += bare && !s->bare; /* those one after the other are one rule */
	s->bare = bare;
}

static void
take_word(struct scan *s)
{
	const char *w = s->p;
	size_t n = word(s);

	if (n == 4 && strncasecmp(w, "text", n) == 0 && is_at(s, ":")) { /* a text of several lines, up to a line with a dot */
		skip_to(s, "\n.");
		return;
	}
	if (s->begins && s->depth == 0) {
		s->begins = false;
		take_command(s, w, n);
	}
	s->begins = false;
}

/* "## Flag: vacation|UniqueId:3|Rulename: ..." */
static void
take_comment(struct scan *s)
{
	static const char flag[] = "## Flag: ", unique[] = "|UniqueId:";
	const char *p = s->p, *eol = memchr(p, '\n', (size_t)(s->end - p));
	int64_t id = 0;

	s->p = eol != NULL ? eol + 1 : s->end;
	if ((size_t)(s->p - p) < sizeof(flag) || memcmp(p, flag, sizeof(flag) - 1) != 0)
		return;
	p += sizeof(flag) - 1;
	while (p < s->p && *p != '|')
		p++;
	if ((size_t)(s->p - p) < sizeof(unique) || memcmp(p, unique, sizeof(unique) - 1) != 0)
		return;
	for (p += sizeof(unique) - 1; p < s->p && *p >= '0' && *p <= '9' && id < INT32_MAX; p++)
		id = id * 10 + (*p - '0');
	s->id = id;
}

static void
take_sign(struct scan *s)
{
	s->depth += *s->p == '{' ? 1 : *s->p == '}' && s->depth > 0 ? -1 : 0;
	s->begins |= *s->p == ';' || *s->p == '{' || *s->p == '}';
	s->p++;
}

/* One thing; false at the end. */
static bool
scan_step(struct scan *s)
{
	if (s->p >= s->end)
		return false;
	if (is_at(s, OFF))
		s->p += strlen(OFF);
	else if (*s->p == '#')
		take_comment(s);
	else if (is_at(s, "/*"))
		skip_to(s, "*/");
	else if (*s->p == '"')
		skip_string(s);
	else if ((*s->p >= 'a' && *s->p <= 'z') || (*s->p >= 'A' && *s->p <= 'Z') || *s->p == '_')
		take_word(s);
	else
		take_sign(s);
	return true;
}

void
sieve_scan(const char *p, size_t n, struct sieve_shape *out)
{
	struct scan s = { .p = p, .end = p + n, .begins = true, .id = -1, .out = out };

	memset(out, 0, sizeof(*out));
	out->tests = json_array();
	out->nomem = out->tests == NULL;
	while (scan_step(&s))
		;
}
