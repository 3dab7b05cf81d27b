/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of src/pim share: the context of one reading, growing buffers,
 * a simple arena, text helpers.  Nothing here leaves the module.
 */
#ifndef PIM_INT_H
#define PIM_INT_H

#include "usmd/pim.h"

#define PIM_DAY_MS INT64_C(86400000)

/* --- arena: everything of one file, freed at once ------------------------- */

struct pim_chunk;
struct pim_mem {
	struct pim_chunk *head;
	size_t used;		/* bytes handed out */
	size_t limit;		/* more than this fails; 0 = no limit */
	bool over_limit;	/* the last NULL was the limit, not malloc */
};
void *pim_mem_alloc(struct pim_mem *m, size_t n);	/* aligned, zeroed; NULL: see over_limit */
char *pim_mem_dup(struct pim_mem *m, const char *s, size_t n);
void pim_mem_fini(struct pim_mem *m);

/* --- buffer: sticky failure, so that only the end is checked --------------- */

struct pim_buf {
	char *p;		/* NUL-terminated as soon as something was put in */
	size_t len, cap;
	bool failed;		/* malloc said no; later calls do nothing */
};
void pim_buf_put(struct pim_buf *b, const void *data, size_t n);
void pim_buf_puts(struct pim_buf *b, const char *s);
void pim_buf_putc(struct pim_buf *b, char c);
void pim_buf_printf(struct pim_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *pim_buf_take(struct pim_buf *b);	/* the text ("" if nothing), NULL if failed; b is empty after */
void pim_buf_fini(struct pim_buf *b);

/* --- context of one reading ------------------------------------------------- */

struct pim_ctx {
	const struct pim_options *opt;	/* never NULL */
	struct pim_report *rep;		/* may be NULL */
	size_t number;			/* of the object being read */
	json_t *uids;			/* vcard_list.c: cards of the file by UID, made on first use */
	size_t own_zones;		/* VTIMEZONEs of the file given to libical */
	char why[320];			/* the reason of the last refusal */
};

/* Set the reason and return RC. */
enum pim_rc pim_fail(struct pim_ctx *c, enum pim_rc rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Add a line to the report, with its counter. */
void pim_note(struct pim_ctx *c, enum pim_problem_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* lenient: note BENT and return PIM_OK; strict: fail with PIM_REFUSED. */
enum pim_rc pim_bend(struct pim_ctx *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pim_ctx_init(struct pim_ctx *c, const struct pim_options *opt, struct pim_options *defaults,
                  struct pim_report *rep);
void pim_ctx_error(const struct pim_ctx *c, enum pim_rc rc, struct pim_error *err);

/* --- text -------------------------------------------------------------------- */

bool pim_utf8_valid(const char *s, size_t n);
size_t pim_utf8_count(const char *s, size_t n);			/* code points of valid UTF-8 */
size_t pim_utf8_cut(const char *s, size_t n, size_t chars);	/* bytes of the first CHARS code points */
/* CHARSET (NULL, unknown or wrong: UTF-8, else Windows-1252) to valid UTF-8, NUL bytes dropped. */
void pim_to_utf8(struct pim_buf *out, const char *s, size_t n, const char *charset);
/* UTF-16 files (byte order mark or NUL pattern) to UTF-8 and the UTF-8 mark off: *s,*n or OWNED. */
bool pim_file_text(const char **s, size_t *n, char **owned);
bool pim_base64_decode(struct pim_buf *out, const char *s, size_t n);	/* false: other characters in it */
void pim_base64_encode(struct pim_buf *out, const void *data, size_t n);
void pim_qp_decode(struct pim_buf *out, const char *s, size_t n);
/* \n \, \; \: \\ undone; stops at an unescaped SEP (0: none) and returns the rest or NULL. */
const char *pim_unescape(struct pim_buf *out, const char *s, char sep);
void pim_escape(struct pim_buf *out, const char *s);		/* line ends become \n */
void pim_percent_encode(struct pim_buf *out, const char *s);
/* The part of an address after mailto: (any case), or URI itself. */
char *pim_mail_of_uri(const char *uri);
bool pim_text_plain(const char *s);	/* free of the control characters that OX refuses */
bool pim_text_has_cr(const char *s);
void pim_text_normalise(struct pim_buf *out, const char *s);	/* CRLF and CR become LF */
bool pim_int_parse(const char *s, int64_t min, int64_t max, int64_t *out);
bool pim_same(const char *a, const char *b);	/* equal in ASCII without case; NULLs differ */

/* --- JSON objects -------------------------------------------------------------- */

/* Set a text field with OX's checks (length in code points, control characters); "" is absent. */
enum pim_rc pim_set_text(struct pim_ctx *c, json_t *o, const char *field, const char *s, size_t max);
enum pim_rc pim_set_new(struct pim_ctx *c, json_t *o, const char *field, json_t *v);
const char *pim_get_text(const json_t *o, const char *field);	/* NULL: absent, null, "" or no text */
bool pim_get_int(const json_t *o, const char *field, int64_t *v);
/* PIM_OK if the member is absent, null or of the wanted type, else refused with its name. */
enum pim_rc pim_want(struct pim_ctx *c, const json_t *o, const char *field, json_type t);

/* --- dates ---------------------------------------------------------------------- */

int64_t pim_days_of_civil(int64_t y, int m, int d);
void pim_civil_of_days(int64_t days, int64_t *y, int *m, int *d);
int64_t pim_day_floor(int64_t ms);	/* UTC midnight at or before */
bool pim_civil_valid(int64_t y, int m, int d);

#endif
