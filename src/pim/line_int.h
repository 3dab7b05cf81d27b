/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Content lines (name;parameters:value) and components, as vCard and iCalendar share them. */
#ifndef PIM_LINE_INT_H
#define PIM_LINE_INT_H

#include "pim_int.h"

struct pim_param {
	const char *name;	/* upper case; "TYPE" for the bare words of vCard 2.1 */
	const char *value;	/* one value; lists make several parameters of the same name */
	struct pim_param *next;
};

struct pim_line {
	const char *group;	/* "" if none */
	const char *name;	/* upper case, without the group */
	struct pim_param *params;
	const char *value;	/* transfer encoding and charset undone, escapes not */
	size_t value_len;	/* may hold any byte if BINARY */
	bool binary;		/* was base64: value is the decoded octets */
	bool used;		/* taken by a converter; the rest is reported as dropped */
	size_t lineno;		/* in the file, from 1 */
	struct pim_line *next;
};

struct pim_comp {
	const char *name;	/* upper case; "" for the root */
	struct pim_line *lines, **lines_end;
	struct pim_comp *kids, **kids_end, *next, *parent;
	size_t nlines, lineno, junk;	/* junk: lines that are none */
	unsigned depth;
	bool open;		/* the file ended, or an outer END came, before its END */
	bool overfull;		/* more than max_lines, or a line over max_line_bytes */
};

/* Read a whole file into MEM.  PIM_OK, PIM_LIMIT, PIM_NOMEM. */
enum pim_rc pim_lines_read(struct pim_ctx *c, struct pim_mem *mem, const char *s, size_t n,
                           struct pim_comp **root);

const char *pim_param(const struct pim_line *l, const char *name);	/* first value or NULL */
bool pim_param_has(const struct pim_line *l, const char *name, const char *value);
/* First line NAME (not yet used if UNUSED) of C; marks nothing. */
struct pim_line *pim_line_first(const struct pim_comp *c, const char *name);
/* The unescaped text value, malloc'ed. */
char *pim_line_text(const struct pim_line *l);

/* Writing.  NAME may hold parameters already escaped; folds at 75 octets, ends with CRLF. */
void pim_put_line(struct pim_buf *out, const char *name, const char *value);
/* ;NAME="value" with RFC 6868 escapes */
void pim_put_param(struct pim_buf *out, const char *name, const char *value);

/* exact.c: how OX field names and exact values are kept, see pim.h */
enum pim_rc pim_exact_read(struct pim_comp *comp, json_t *o);
void pim_exact_put(struct pim_buf *out, const json_t *o);
/* <FIELD> of a field name: upper case, '-' for '_'. */
void pim_put_field(struct pim_buf *b, const char *field);
/* Is PARAM (the value of X-OX-FIELD) the name of FIELD? */
bool pim_field_is(const char *param, const char *field);

#endif
