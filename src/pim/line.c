/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Content lines, read and written: folding, groups, parameters, quoted-printable
 * and base64 of vCard 2.1, charsets, BEGIN/END nesting.
 *
 * Why not a library: libical 3.0 (Debian 12) reads no vCard, and no small, well
 * kept C library for it exists there; the content line is one grammar for both
 * formats (RFC 5545 3.1, RFC 6350 3.3), so iCalendar uses this reader as well.
 * libical's own reader has no limits, and a malformed file of 320 KB kept it busy
 * for many seconds where this one needs 0.2; it gets only what is worth its while and was checked before:
 * recurrence rules and time zones (ical_recur.c, ical_zone.c).
 */
#include "line_int.h"

#include <stdlib.h>
#include <string.h>

struct reader {
	struct pim_ctx *c;
	struct pim_mem *mem;
	const char *s;
	size_t n, at;		/* the file, and where the next physical line begins */
	size_t lineno;		/* of the physical line last taken */
	struct pim_buf raw;	/* the unfolded line */
	bool too_long;
};

/* Next physical line without its end; false at the end of the file. */
static bool
physical(struct reader *r, const char **p, size_t *n)
{
	size_t i = r->at;

	if (i >= r->n)
		return false;
	*p = r->s + i;
	while (i < r->n && r->s[i] != '\n' && r->s[i] != '\r')
		i++;
	*n = i - r->at;
	if (i + 1 < r->n && r->s[i] == '\r' && r->s[i + 1] == '\n')
		i++;
	r->at = i < r->n ? i + 1 : i;
	r->lineno++;
	return true;
}

static void
append(struct reader *r, const char *p, size_t n)
{
	if (r->raw.len + n > r->c->opt->max_line_bytes)
		r->too_long = true;
	else
		pim_buf_put(&r->raw, p, n);
}

/* Where the value of the raw line begins: behind the first ':' outside quotes; 0 = none. */
static size_t
value_at(const char *s, size_t n)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == ':' && !quoted)
			return i + 1;
	}
	if (quoted) {	/* an unpaired quote: take the first colon */
		const char *colon = memchr(s, ':', n);

		if (colon != NULL)
			return (size_t)(colon - s) + 1;
	}
	return 0;
}

/* Does the head of the line (before the value) hold the parameter word W? */
static bool
head_has(const char *s, size_t n, const char *w)
{
	size_t len = strlen(w), i;

	for (i = 0; i + len < n; i++) {
		if ((s[i] == ';' || s[i] == '=') && strchr(";:", s[i + 1 + len]) != NULL && s[i + 1 + len] != '\0') {
			char word[24] = "";

			memcpy(word, s + i + 1, len);
			if (pim_same(word, w))
				return true;
		}
	}
	return false;
}

static bool
only_base64(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		char ch = p[i];

		if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
		      ch == '+' || ch == '/' || ch == '='))
			return false;
	}
	return n > 0;
}

/* Next unfolded line into r->raw; false at the end. */
static bool
logical(struct reader *r, size_t *lineno)
{
	const char *p;
	size_t n, save, saveno, val;
	bool qp, b64;

	r->raw.len = 0;
	r->too_long = false;
	if (!physical(r, &p, &n))
		return false;
	*lineno = r->lineno;
	append(r, p, n);
	for (;;) {	/* RFC 5545/6350 folding */
		if (r->at >= r->n || (r->s[r->at] != ' ' && r->s[r->at] != '\t') || r->raw.len == 0)
			break;
		physical(r, &p, &n);
		append(r, p + 1, n - 1);
	}
	if (r->raw.p == NULL)
		return true;
	val = value_at(r->raw.p, r->raw.len);
	qp = val > 0 && head_has(r->raw.p, val, "QUOTED-PRINTABLE");
	b64 = val > 0 && !qp && (head_has(r->raw.p, val, "BASE64") || head_has(r->raw.p, val, "B"));
	while (qp && r->raw.len > val && r->raw.p[r->raw.len - 1] == '=' && physical(r, &p, &n)) {
		r->raw.len--;
		append(r, p, n);
	}
	while (b64) {	/* vCard 2.1 writers that do not indent the next line */
		save = r->at;
		saveno = r->lineno;
		if (!physical(r, &p, &n))
			break;
		if (!only_base64(p, n)) {
			r->at = save;
			r->lineno = saveno;
			break;
		}
		append(r, p, n);
	}
	return true;
}

/* Upper case copy of a name; NULL if it is no name. */
static char *
name_dup(struct pim_mem *mem, const char *s, size_t n)
{
	char *p;
	size_t i;

	while (n > 0 && (*s == ' ' || *s == '\t')) {
		s++;
		n--;
	}
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n == 0 || n > 100)
		return NULL;
	p = pim_mem_dup(mem, s, n);
	if (p == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (p[i] >= 'a' && p[i] <= 'z')
			p[i] = (char)(p[i] - 32);
		else if (!((p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '-' || p[i] == '_'))
			return NULL;
	}
	return p;
}

/* One parameter value: RFC 6868 escapes undone, valid UTF-8. */
static char *
param_value(struct pim_mem *mem, const char *s, size_t n)
{
	struct pim_buf b = { 0 }, u = { 0 };
	char *p;
	size_t i;

	for (i = 0; i < n; i++) {
		char esc = s[i] == '^' && i + 1 < n ? s[i + 1] : '\0';

		if (esc == 'n' || esc == '^' || esc == '\'') {
			pim_buf_putc(&b, esc == 'n' ? '\n' : esc == '^' ? '^' : '"');
			i++;
		} else {
			pim_buf_putc(&b, s[i]);
		}
	}
	pim_to_utf8(&u, b.p == NULL ? "" : b.p, b.len, NULL);
	p = b.failed || u.failed ? NULL : pim_mem_dup(mem, u.p == NULL ? "" : u.p, u.len);
	pim_buf_fini(&b);
	pim_buf_fini(&u);
	return p;
}

static bool
param_add(struct pim_mem *mem, struct pim_param ***end, const char *name, const char *s, size_t n)
{
	struct pim_param *pp = pim_mem_alloc(mem, sizeof(*pp));

	if (pp == NULL)
		return false;
	pp->name = name;
	pp->value = param_value(mem, s, n);
	**end = pp;
	*end = &pp->next;
	return pp->value != NULL;
}

/* Parameters between the name and the value.  False: out of memory. */
static bool
params_read(struct pim_mem *mem, struct pim_line *l, const char *s, size_t n)
{
	struct pim_param **end = &l->params;
	size_t i = 0;

	while (i < n) {
		size_t from = i, eq = 0;
		const char *name;
		bool quoted = false, is_type;

		for (; i < n && (quoted || s[i] != ';'); i++) {
			if (s[i] == '"')
				quoted = !quoted;
			else if (s[i] == '=' && eq == 0 && !quoted)
				eq = i + 1;
		}
		name = eq > 0 ? name_dup(mem, s + from, eq - 1 - from) : "TYPE";
		if (name == NULL) {
			if (mem->over_limit)
				return false;
			i++;
			continue;
		}
		is_type = strcmp(name, "TYPE") == 0;
		from = eq > 0 ? eq : from;
		while (from <= i) {	/* values, comma separated; TYPE="a,b" is a list as well */
			size_t to = from, a, b;

			for (quoted = false; to < i && (s[to] != ',' || (quoted && !is_type)); to++)
				quoted ^= s[to] == '"';
			a = from;
			b = to;
			while (a < b && s[a] == ' ')
				a++;
			while (b > a && s[b - 1] == ' ')
				b--;
			if (a < b && s[a] == '"')	/* blanks inside the quotes are the value's */
				a++;
			if (b > a && s[b - 1] == '"')
				b--;
			if ((b > a || eq > 0) && !param_add(mem, &end, name, s + a, b - a))
				return false;
			from = to + 1;
		}
		i++;
	}
	return true;
}

static const char *
transfer_encoding(const struct pim_line *l)
{
	const char *e = pim_param(l, "ENCODING");

	if (e != NULL)
		return pim_same(e, "BASE64") ? "B" : e;
	if (pim_param_has(l, "TYPE", "QUOTED-PRINTABLE"))
		return "QUOTED-PRINTABLE";
	return pim_param_has(l, "TYPE", "BASE64") ? "B" : "8BIT";
}

/* Undo the transfer encoding and the charset of a value.  False: out of memory. */
static bool
value_read(struct pim_mem *mem, struct pim_line *l, const char *s, size_t n)
{
	struct pim_buf raw = { 0 }, u = { 0 };
	const char *enc = transfer_encoding(l);
	bool ok;

	if (pim_same(enc, "B") && pim_base64_decode(&raw, s, n)) {
		l->binary = true;
		l->value = pim_mem_dup(mem, raw.p == NULL ? "" : raw.p, raw.len);
		l->value_len = raw.len;
	} else {
		pim_buf_fini(&raw);
		if (pim_same(enc, "QUOTED-PRINTABLE"))
			pim_qp_decode(&raw, s, n);
		else
			pim_buf_put(&raw, s, n);
		pim_to_utf8(&u, raw.p == NULL ? "" : raw.p, raw.len, pim_param(l, "CHARSET"));
		l->value = pim_mem_dup(mem, u.p == NULL ? "" : u.p, u.len);
		l->value_len = u.len;
	}
	ok = l->value != NULL && !raw.failed && !u.failed;
	pim_buf_fini(&raw);
	pim_buf_fini(&u);
	return ok;
}

/* Parse r->raw.  *OUT stays NULL if it is no content line; false: out of memory or over the limit. */
static bool
line_parse(struct reader *r, size_t lineno, struct pim_line **out)
{
	const char *s = r->raw.p, *dot;
	size_t n = r->raw.len, val = value_at(s, n), name_end;
	struct pim_line *l;

	*out = NULL;
	if (val == 0)
		return true;
	name_end = strcspn(s, ";:");
	if (name_end >= val)
		name_end = val - 1;
	l = pim_mem_alloc(r->mem, sizeof(*l));
	if (l == NULL)
		return false;
	l->lineno = lineno;
	l->group = "";
	dot = memchr(s, '.', name_end);
	if (dot != NULL) {
		l->group = pim_mem_dup(r->mem, s, (size_t)(dot - s));
		if (l->group == NULL)
			return false;
		l->name = name_dup(r->mem, dot + 1, name_end - (size_t)(dot + 1 - s));
		if (!pim_utf8_valid(l->group, strlen(l->group)))
			l->group = "";
	} else {
		l->name = name_dup(r->mem, s, name_end);
	}
	if (l->name == NULL)
		return !r->mem->over_limit;
	if (name_end + 1 < val && !params_read(r->mem, l, s + name_end + 1, val - name_end - 2))
		return false;
	if (!value_read(r->mem, l, s + val, n - val))
		return false;
	*out = l;
	return true;
}

static struct pim_comp *
comp_new(struct pim_mem *mem, struct pim_comp *parent, const char *name, size_t lineno)
{
	struct pim_comp *k = pim_mem_alloc(mem, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->name = name;
	k->lineno = lineno;
	k->lines_end = &k->lines;
	k->kids_end = &k->kids;
	k->parent = parent;
	if (parent != NULL) {
		k->depth = parent->depth + 1;
		*parent->kids_end = k;
		parent->kids_end = &k->next;
	}
	return k;
}

/* END:NAME - close the innermost open component of that name; others inside stay "open". */
static struct pim_comp *
comp_close(struct pim_comp *at, const char *name)
{
	struct pim_comp *k;

	for (k = at; k->parent != NULL && !pim_same(k->name, name); k = k->parent)
		;
	if (k->parent == NULL) {	/* an END without BEGIN */
		at->junk++;
		return at;
	}
	for (; at != k; at = at->parent)
		at->open = true;
	return k->parent;
}

/* Put one parsed line where it belongs. */
static enum pim_rc
line_place(struct reader *r, struct pim_line *l, struct pim_comp **at)
{
	if (strcmp(l->name, "BEGIN") == 0 && l->params == NULL) {
		const char *name = name_dup(r->mem, l->value, l->value_len);

		if (name == NULL) {
			(*at)->junk++;
			return r->mem->over_limit ? PIM_LIMIT : PIM_OK;
		}
		if ((*at)->depth >= r->c->opt->max_depth)
			return pim_fail(r->c, PIM_LIMIT, "line %zu: components are nested deeper than %u",
			                l->lineno, r->c->opt->max_depth);
		*at = comp_new(r->mem, *at, name, l->lineno);
		return *at != NULL ? PIM_OK : PIM_NOMEM;
	}
	if (strcmp(l->name, "END") == 0 && l->params == NULL) {
		char *name = name_dup(r->mem, l->value, l->value_len);

		*at = comp_close(*at, name == NULL ? "" : name);
		return PIM_OK;
	}
	if ((*at)->nlines >= r->c->opt->max_lines) {
		(*at)->overfull = true;
		return PIM_OK;
	}
	*(*at)->lines_end = l;
	(*at)->lines_end = &l->next;
	(*at)->nlines++;
	return PIM_OK;
}

enum pim_rc
pim_lines_read(struct pim_ctx *c, struct pim_mem *mem, const char *s, size_t n, struct pim_comp **root)
{
	struct reader r = { .c = c, .mem = mem, .s = s, .n = n };
	struct pim_comp *at;
	enum pim_rc rc = PIM_OK;
	size_t lineno = 0;

	/* a line costs its text and some pointers; "A:\n" over and over would cost much more */
	if (mem->limit == 0)
		mem->limit = 16 * n + 65536;
	*root = at = comp_new(mem, NULL, "", 1);
	if (at == NULL)
		return PIM_NOMEM;
	while (rc == PIM_OK && logical(&r, &lineno)) {
		struct pim_line *l = NULL;

		if (r.raw.failed) {
			rc = PIM_NOMEM;
		} else if (r.too_long) {
			at->overfull = true;
		} else if (r.raw.len > 0) {
			r.raw.p[r.raw.len] = '\0';
			if (!line_parse(&r, lineno, &l))
				rc = mem->over_limit ? PIM_LIMIT : PIM_NOMEM;
			else if (l == NULL)
				at->junk += strspn(r.raw.p, " \t") < r.raw.len;
			else if (at->parent != NULL || strcmp(l->name, "BEGIN") == 0)
				rc = line_place(&r, l, &at);
			else
				at->junk++;
		}
	}
	for (; at->parent != NULL; at = at->parent)
		at->open = true;
	if (rc == PIM_LIMIT && c->why[0] == '\0')
		pim_fail(c, rc, "the file has too many lines for its size");
	pim_buf_fini(&r.raw);
	mem->limit = 0;		/* what the converters add is small */
	return rc;
}

const char *
pim_param(const struct pim_line *l, const char *name)
{
	const struct pim_param *p;

	for (p = l->params; p != NULL; p = p->next) {
		if (strcmp(p->name, name) == 0)
			return p->value;
	}
	return NULL;
}

bool
pim_param_has(const struct pim_line *l, const char *name, const char *value)
{
	const struct pim_param *p;

	for (p = l->params; p != NULL; p = p->next) {
		if (strcmp(p->name, name) == 0 && pim_same(p->value, value))
			return true;
	}
	return false;
}

struct pim_line *
pim_line_first(const struct pim_comp *c, const char *name)
{
	struct pim_line *l;

	for (l = c->lines; l != NULL; l = l->next) {
		if (strcmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

char *
pim_line_text(const struct pim_line *l)
{
	struct pim_buf b = { 0 }, n = { 0 };
	char *p;

	if (l->binary)
		pim_to_utf8(&b, l->value, l->value_len, pim_param(l, "CHARSET"));
	else
		pim_unescape(&b, l->value, '\0');
	if (b.failed) {
		pim_buf_fini(&b);
		return NULL;
	}
	pim_text_normalise(&n, b.p == NULL ? "" : b.p);
	p = pim_buf_take(&n);
	pim_buf_fini(&b);
	return p;
}

void
pim_put_line(struct pim_buf *out, const char *name, const char *value)
{
	struct pim_buf l = { 0 };
	size_t at = 0, room = 75;

	pim_buf_puts(&l, name);
	pim_buf_putc(&l, ':');
	pim_buf_puts(&l, value);
	if (l.failed) {
		out->failed = true;
		pim_buf_fini(&l);
		return;
	}
	while (l.len - at > room) {
		size_t n = room;

		while (n > 1 && ((unsigned char)l.p[at + n] & 0xc0) == 0x80)
			n--;
		pim_buf_put(out, l.p + at, n);
		pim_buf_puts(out, "\r\n ");
		at += n;
		room = 74;
	}
	pim_buf_put(out, l.p + at, l.len - at);
	pim_buf_puts(out, "\r\n");
	pim_buf_fini(&l);
}

void
pim_put_param(struct pim_buf *out, const char *name, const char *value)
{
	pim_buf_putc(out, ';');
	pim_buf_puts(out, name);
	pim_buf_puts(out, "=\"");
	for (; *value != '\0'; value++) {
		if (*value == '\r' && value[1] == '\n')
			continue;
		if (*value == '\n' || *value == '\r')
			pim_buf_puts(out, "^n");
		else if (*value == '^' || *value == '"')
			pim_buf_puts(out, *value == '^' ? "^^" : "^'");
		else
			pim_buf_putc(out, *value);
	}
	pim_buf_putc(out, '"');
}
