/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What stands in a trace in place of what was said. */
#ifndef USMD_TRACE_INT_H
#define USMD_TRACE_INT_H

#include "usmd/util.h"

struct redact {
	unsigned char key[16];
	bool plain; /* values as they are, but for secrets */
};
/* redact_json - P on one line: structure, names of members, true, false, null and numbers of up to three digits stay. */
void redact_json(const struct redact *r, const char *p, size_t n, struct buf *out);
/* redact_query - "module?name=value&..." of OX; names stay, and the values of action and columns. */
void redact_query(const struct redact *r, const char *query, struct buf *out);
/* redact_text - a token for the N octets of P, with as many characters. */
void redact_text(const struct redact *r, const char *p, size_t n, struct buf *out);

#endif
