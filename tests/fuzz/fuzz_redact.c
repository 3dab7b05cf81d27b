/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of what stands in a trace in place of what was said.  The first octet says what the rest is: j a body, p a body of a trace with plain
 * values, q an address with parameters, Q the same with plain values.  Each is redacted with several keys: what is the same under all of them does not
 * come from a key, so it was copied, and what was copied must be what may be known.  Of JSON the structure stays, as this file reads it, and the
 * answer is JSON again; two spellings of the same JSON have the same tokens.
 */
#include "util/trace_int.h"

#include "fuzz/fuzz.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#define KEYS 4
#define WORD 40U   /* the longest word that may be the name of something */
#define SHORT 3U   /* tokens of fewer characters are equal by chance */

/* Whose words and lists of words may be known, and what must never be, not even in plain traces. */
static const char *const known[] = { "action", "module", "code", "type", "mode", "kind", "policy", "resolution", "columns", "status", "class", "contentType",
	"objectType", "own", "fields", "field" };
static const char *const secret[] = { "password", "passwd", "token", "secret", "session", "cookie", "credential" };

/* One of KEYS answers, and where it is being read. */
struct answer {
	struct buf b;
	size_t at;
};

static bool
one_of(const char *p, size_t n, const char *const *list, size_t count, bool within)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(list[i]);

		for (size_t at = 0; at + len <= n; at++)
			if (strncasecmp(p + at, list[i], len) == 0 && (within || (at == 0 && len == n && memcmp(p, list[i], n) == 0)))
				return true;
	}
	return false;
}

static bool
may_be_known(const char *p, size_t n)
{
	return one_of(p, n, known, ARRAY_LEN(known), false);
}

static bool
must_be_hidden(const char *p, size_t n)
{
	return one_of(p, n, secret, ARRAY_LEN(secret), true);
}

/* What fields, actions and the like are called, and no number of anybody: letters first, three digits at most. */
static bool
is_a_word(const char *p, size_t n)
{
	size_t digits = 0;

	for (size_t i = 0; i < n; i++) {
		bool digit = p[i] >= '0' && p[i] <= '9', letter = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z');

		if (!digit && !letter && p[i] != '_' && p[i] != '-' && p[i] != '.')
			return false;
		if (i == 0 && !letter)
			return false;
		digits += digit;
	}
	return n > 0 && n <= WORD && digits <= 3;
}

/* ---- JSON: input and answers are read side by side ---- */

/* One text of JSON that is known to be right. */
struct side {
	const char *p, *end;
};

static char
peek(struct side *r)
{
	while (r->p < r->end && strchr(" \t\r\n", *r->p) != NULL && *r->p != '\0')
		r->p++;
	return r->p < r->end ? *r->p : '\0';
}

static void
skip(struct side *r, char c, const char *what)
{
	must(peek(r) == c, what);
	r->p++;
}

/* The string that is next, decoded; the caller's to drop. */
static json_t *
next_string(struct side *r)
{
	const char *from = r->p;
	json_t *s;

	skip(r, '"', "where a string was there is none");
	for (; r->p < r->end && *r->p != '"'; r->p++)
		r->p += *r->p == '\\';
	must(r->p < r->end, "a string does not end");
	r->p++;
	s = json_loadb(from, (size_t)(r->p - from), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL); /* banned-ok: names may come twice, here as there */
	must(s != NULL, "a string is none");
	return s;
}

static size_t
next_number(struct side *r)
{
	const char *from = r->p;

	while (r->p < r->end && strchr("+-.eE0123456789", *r->p) != NULL && *r->p != '\0')
		r->p++;
	return (size_t)(r->p - from);
}

/* The input, its answers, and what the names around the place say. */
struct pair {
	struct side in, out[KEYS];
	bool plain;
};

static bool
same_string(const json_t *x, const json_t *y)
{
	return json_string_length(x) == json_string_length(y) && memcmp(json_string_value(x), json_string_value(y), json_string_length(x)) == 0;
}

static size_t
characters(const json_t *s)
{
	const char *p = json_string_value(s);
	size_t n = 0;

	for (size_t i = 0; i < json_string_length(s); i++)
		n += ((unsigned char)p[i] & 0xc0) != 0x80;
	return n;
}

/* The next string of all, which must be as it was (STAY) or come from the key; the input's, the caller's to drop. */
static json_t *
compare_string(struct pair *x, bool stay)
{
	json_t *in, *first = NULL;
	size_t n, copied = 0;

	(void)peek(&x->in);
	in = next_string(&x->in);
	n = characters(in);
	for (size_t k = 0; k < KEYS; k++) {
		json_t *s;

		(void)peek(&x->out[k]);
		s = next_string(&x->out[k]);
		if (stay)
			must(same_string(in, s), "what may be known is not copied");
		else
			must(n > 4096 || characters(s) == n, "a token is of another length than its text");
		copied += same_string(in, s);
		if (k == 0)
			first = json_incref(s);
		else
			must(stay || n < SHORT || k < KEYS - 1 || copied < KEYS, "a text survives");
		json_decref(s);
	}
	json_decref(first);
	return in;
}

static void
compare_number(struct pair *x, bool stay, bool hidden)
{
	const char *in = x->in.p;
	size_t n = next_number(&x->in), copied = 0;

	for (size_t k = 0; k < KEYS; k++) {
		const char *out;
		size_t m;

		(void)peek(&x->out[k]);
		out = x->out[k].p;
		m = next_number(&x->out[k]);
		must(m > 0, "a number became something else");
		must((in[0] == '-') == (out[0] == '-'), "a number changes its sign");
		copied += m == n && memcmp(in, out, n) == 0;
	}
	if (stay || (!hidden && n - (in[0] == '-') <= 3))
		must(copied == KEYS, "a number that may be known is not copied");
	else if (n > SHORT)
		must(copied < KEYS, "a number survives");
}

static bool compare_value(struct pair *x, const char *name, size_t name_len, bool hidden);

/* True: there was an object, behind which the name around is forgotten. */
static bool
compare_list(struct pair *x, bool object, const char *name, size_t name_len, bool hidden)
{
	char open = object ? '{' : '[', close = object ? '}' : ']';
	bool objects = object;

	skip(&x->in, open, "no beginning");
	for (size_t k = 0; k < KEYS; k++)
		skip(&x->out[k], open, "the structure is another: something else begins");
	for (bool first = true; peek(&x->in) != close; first = false) {
		json_t *member = NULL;
		struct side ahead;

		if (!first) {
			skip(&x->in, ',', "no comma");
			for (size_t k = 0; k < KEYS; k++)
				skip(&x->out[k], ',', "the structure is another: no comma");
		}
		if (object) {
			(void)peek(&x->in);
			ahead = x->in;
			member = next_string(&ahead);
			json_decref(compare_string(x, x->plain || is_a_word(json_string_value(member), json_string_length(member))));
			skip(&x->in, ':', "no colon");
			for (size_t k = 0; k < KEYS; k++)
				skip(&x->out[k], ':', "the structure is another: no colon");
			(void)compare_value(x, json_string_value(member), json_string_length(member),
			    hidden || must_be_hidden(json_string_value(member), json_string_length(member)));
			json_decref(member);
		} else if (compare_value(x, name, name_len, hidden)) {
			name_len = 0;
			objects = true;
		}
	}
	skip(&x->in, close, "no end");
	for (size_t k = 0; k < KEYS; k++)
		skip(&x->out[k], close, "the structure is another: something goes on");
	return objects;
}

static bool
compare_value(struct pair *x, const char *name, size_t name_len, bool hidden)
{
	struct side ahead;
	json_t *text;
	size_t word;

	switch (peek(&x->in)) {
	case '{':
		return compare_list(x, true, "", 0, hidden);
	case '[':
		return compare_list(x, false, name, name_len, hidden);
	case '"':
		ahead = x->in;
		text = next_string(&ahead);
		json_decref(compare_string(x, !hidden && (x->plain || (may_be_known(name, name_len) &&
		    is_a_word(json_string_value(text), json_string_length(text))))));
		json_decref(text);
		break;
	case 't':
	case 'f':
	case 'n':
		word = *x->in.p == 'f' ? 5 : 4;
		for (size_t k = 0; k < KEYS; k++) {
			(void)peek(&x->out[k]);
			must((size_t)(x->out[k].end - x->out[k].p) >= word && memcmp(x->out[k].p, x->in.p, word) == 0, "true, false or null is another");
			x->out[k].p += word;
		}
		x->in.p += word;
		break;
	default:
		compare_number(x, x->plain && !hidden, hidden);
		break;
	}
	return false;
}

/* ---- anything: what all keys have in common was copied, and is structure or a word ---- */

/* Outside of strings; returns what is behind. */
static size_t
check_bare(const struct answer *a, size_t at, bool plain)
{
	const char *p = a[0].b.p;
	size_t n = a[0].b.len, digits = 0;
	bool copied = true;

	for (; at < n && strchr("{}[],:\"", p[at]) == NULL; at++) {
		/* numbers, and letters of true, false and null */
		must(strchr("truefalsn?+-.eE0123456789", p[at]) != NULL, "what is in no string was copied");
		if (strchr("+-.eE0123456789", p[at]) == NULL) {
			digits = 0;
			copied = true;
			continue;
		}
		digits += isdigit((unsigned char)p[at]) != 0;
		for (size_t k = 1; k < KEYS; k++)
			copied = copied && a[k].b.p[at] == p[at];
		must(plain || !copied || digits <= 3, "a number survives");
	}
	return at;
}

static size_t
check_string(const struct answer *a, size_t at, bool plain, bool some_known)
{
	const char *p = a[0].b.p;
	size_t n = a[0].b.len, from = ++at, chars = 0;
	bool copied = true;

	for (; at < n && p[at] != '"'; at++) {
		if (p[at] == '\\') /* only of what is copied, and never the last */
			must(plain && at + 1 < n, "something is escaped in a token");
		at += p[at] == '\\';
		chars += p[at] != '@' && p[at] != '.' && p[at] != '~';
	}
	must(at < n, "a string does not end");
	for (size_t k = 1; k < KEYS; k++)
		copied = copied && memcmp(a[k].b.p + from, p + from, at - from) == 0;
	if (copied && !plain && chars > SHORT)
		must(is_a_word(p + from, at - from) && (some_known || p[at + 1] == ':'), "a text survives");
	return at + 1;
}

static void
check_any(const struct answer *a, const char *in, size_t n, bool plain)
{
	bool some_known = one_of(in, n, known, ARRAY_LEN(known), true) || memchr(in, '\\', n) != NULL;

	for (size_t k = 0; k < KEYS; k++) {
		must(!a[k].b.failed && a[k].b.len == a[0].b.len, "the length follows from the key");
		must(a[k].b.len <= 6 * n + 2, "an answer is out of proportion");
		for (size_t i = 0; i < a[k].b.len; i++)
			must((unsigned char)a[k].b.p[i] >= 0x20 && a[k].b.p[i] != 0x7f, "a control character is in a line");
	}
	for (size_t at = 0; at < a[0].b.len; )
		at = a[0].b.p[at] == '"' ? check_string(a, at, plain, some_known) : strchr("{}[],:", a[0].b.p[at]) != NULL ? at + 1 : check_bare(a, at, plain);
}

/* ---- the ways in ---- */

static struct redact
with_key(size_t k, bool plain)
{
	struct redact r = { .plain = plain };

	memset(r.key, (int)(17 * k + 5), sizeof(r.key));
	return r;
}

/* J in two spellings has one redacted form. */
static void
check_spelling(const json_t *j, bool plain)
{
	char *raw = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT), *escaped = json_dumps(j, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_ESCAPE_SLASH | JSON_INDENT(1));
	struct redact r = with_key(0, plain);
	struct buf x, y;

	buf_init(&x, 0);
	buf_init(&y, 0);
	if (raw != NULL && escaped != NULL) {
		redact_json(&r, raw, strlen(raw), &x);
		redact_json(&r, escaped, strlen(escaped), &y);
		must(x.len == y.len && memcmp(x.p, y.p, x.len) == 0, "a token follows from the spelling");
	}
	buf_fini(&x);
	buf_fini(&y);
	free(raw);
	free(escaped);
}

static void
check_json(const char *in, size_t n, bool plain)
{
	/* jansson overlooks a NUL between tokens */
	json_t *j = memchr(in, '\0', n) == NULL ? json_loadb(in, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL; /* banned-ok: names may come twice */
	struct answer a[KEYS];
	struct pair x = { .in = { in, in + n }, .plain = plain };

	for (size_t k = 0; k < KEYS; k++) {
		struct redact r = with_key(k, plain);
		json_t *again;

		buf_init(&a[k].b, 0);
		redact_json(&r, in, n, &a[k].b);
		if (j == NULL)
			continue;
		again = json_loadb(a[k].b.p, a[k].b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL); /* banned-ok: names may come twice, here as there */
		must(again != NULL, "JSON became something else");
		json_decref(again);
		x.out[k] = (struct side){ a[k].b.p, a[k].b.p + a[k].b.len };
	}
	check_any(a, in, n, plain);
	if (j != NULL) {
		(void)compare_value(&x, "", 0, false);
		check_spelling(j, plain);
	}
	for (size_t k = 0; k < KEYS; k++)
		buf_fini(&a[k].b);
	json_decref(j);
}

/* The value of a parameter, copied or not; where it begins in each answer is the same. */
static void
check_parameter(const struct answer *a, size_t from, size_t at, bool plain)
{
	const char *p = a[0].b.p, *eq = memchr(p + from, '=', at - from);
	size_t name = eq != NULL ? (size_t)(eq - p) - from : at - from, value = eq != NULL ? at - from - name - 1 : 0;
	bool name_copied = true, value_copied = value > 0;

	for (size_t k = 1; k < KEYS; k++) {
		name_copied = name_copied && memcmp(a[k].b.p + from, p + from, name) == 0;
		value_copied = value_copied && memcmp(a[k].b.p + from + name + 1, eq + 1, value) == 0;
	}
	must(!name_copied || name < SHORT || is_a_word(p + from, name), "what is no name survives");
	if (!value_copied || value < SHORT)
		return;
	must(!must_be_hidden(p + from, name), "a secret survives");
	if (plain || (value == SHORT && strspn(eq + 1, "0123456789") >= SHORT))
		return;
	must(may_be_known(p + from, name), "a value survives");
	for (size_t i = 1; i <= value; i++)
		must(isalnum((unsigned char)eq[i]) || strchr("_-.,", eq[i]) != NULL, "a value that is no word survives");
}

static void
check_query(const char *in, bool plain)
{
	struct answer a[KEYS];
	size_t n = strlen(in), at;

	for (size_t k = 0; k < KEYS; k++) {
		struct redact r = with_key(k, plain);

		buf_init(&a[k].b, 0);
		redact_query(&r, in, &a[k].b);
		must(!a[k].b.failed && a[k].b.len == a[0].b.len && a[k].b.len <= n + 8 * (n / 4096 + 1), "an answer is out of proportion");
		for (size_t i = 0; i < a[k].b.len; i++)
			must((unsigned char)a[k].b.p[i] > 0x20 && (unsigned char)a[k].b.p[i] < 0x7f, "an address holds what no address can");
	}
	for (at = 0; at < a[0].b.len && a[0].b.p[at] != '?'; at++)
		must(isalnum((unsigned char)a[0].b.p[at]) || strchr("/-_*", a[0].b.p[at]) != NULL, "a path holds more than words");
	while (at < a[0].b.len) {
		size_t from = ++at;

		while (at < a[0].b.len && a[0].b.p[at] != '&')
			at++;
		check_parameter(a, from, at, plain);
	}
	for (size_t k = 0; k < KEYS; k++)
		buf_fini(&a[k].b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = mem_alloc(size); /* of exactly this size, so that the sanitizer sees who reads on */
	must(text != NULL, "no memory");
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 'j' || data[0] == 'p') {
		char *exact = mem_alloc(size > 1 ? size - 1 : 1);

		must(exact != NULL, "no memory");
		memcpy(exact, data + 1, size - 1);
		check_json(exact, size - 1, data[0] == 'p');
		mem_free(exact);
	} else if (data[0] == 'q' || data[0] == 'Q') {
		check_query(text, data[0] == 'Q');
	}
	mem_free(text);
	return 0;
}
