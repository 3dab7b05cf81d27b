/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A search while its answers are read: shared by search.c, search_ask.c and chronos_search.c. */
#ifndef USMD_SEARCH_INT_H
#define USMD_SEARCH_INT_H

#include "backend/backend_int.h"

struct searching {
	struct ox_session *s;
	struct arena *a;
	const struct ox_search *q;
	struct object *scratch;   /* one for all rows */
	struct columns c;
	struct ox_hit *hit;
	size_t n, cap;
	size_t folder;            /* whose hits begin at FROM, with their ids in AT */
	size_t from;
	struct imap *at;
	bool cut;
};

/** search_folder - what comes now is of folder number FOLDER.  RC_NOMEM. */
MUST_CHECK enum rc search_folder(struct searching *x, size_t folder, struct err *e);
/** search_clear - the scratch object, empty.  search_take - it is filled: a hit of the word number WORD, if it is one (dates, special characters). */
void search_clear(struct searching *x);
MUST_CHECK enum rc search_take(struct searching *x, size_t word, struct err *e);

/* search_ask.c */
/** search_fields - the fields of CT that words are looked for in, NULL-terminated; constant. */
const char *const *search_fields(enum content ct);
/** search_columns - what X has to be told of each hit: more where it has to be looked through. */
void search_columns(struct searching *x);
/** search_mail_part, search_pim_part - append the part of a `multiple` about a folder (and a word).  search_contacts_body - the body for all folders. */
MUST_CHECK enum rc search_mail_part(struct searching *x, struct buf *b, size_t folder, struct err *e);
MUST_CHECK enum rc search_pim_part(struct searching *x, struct buf *b, size_t folder, size_t word, struct err *e);
MUST_CHECK enum rc search_contacts_body(struct searching *x, struct buf *b, struct err *e);

/** chronos_search - all of X's search by the module `chronos`; each hit has every word already. */
MUST_CHECK enum rc chronos_search(struct searching *x, struct err *e);

#endif
