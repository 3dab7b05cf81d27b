/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reconcile: a client without a usable cursor says what it holds as (uuid, rev) pairs and gets the differences.  Never a guess:
 * a row whose fingerprints are not known is sent whole, and only a uuid of an object that is not there is gone.
 */
#include "usmd/sync.h"

#include <string.h>

static bool
has_rev(const struct pair *p, size_t n, const char *rev)
{
	if (rev[0] == '\0')
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i].valid && strcmp(p[i].rev, rev) != 0)
			return false;
	return true;
}

/* Pairs at *P that name ID; smaller ones are passed over as gone. */
static size_t
pairs_of(const struct pair *pairs, size_t n, size_t *p, const int64_t *id, struct sync_reconcile_out *out)
{
	size_t first, valid = 0;

	while (*p < n && (!pairs[*p].valid || id == NULL || pairs[*p].id < *id))
		out->gone[out->n_gone++] = &pairs[(*p)++];
	if (id == NULL)
		return 0;
	first = *p;
	while (*p < n && (!pairs[*p].valid || pairs[*p].id == *id)) {
		if (!pairs[*p].valid)
			out->gone[out->n_gone++] = &pairs[*p];
		else
			valid++;
		(*p)++;
	}
	return valid == 0 ? 0 : *p - first;
}

enum rc
sync_reconcile(struct arena *a, const struct model_keys *k, enum content ct, const struct cursor *fresh, struct row **rows, size_t n_rows,
    const struct pair *pairs, size_t n_pairs, const struct imap *skip, size_t limit, struct sync_reconcile_out *out)
{
	size_t p = 0, at;

	memset(out, 0, sizeof(*out));
	out->next = *fresh;
	out->next.have = NULL;
	out->next.n_have = out->next.cap_have = 0;
	out->next.pos = out->next.lo;
	/* an edge that was never moved is no bound: everything in the window counts */
	if (fresh->view.edge_sk == INT64_MAX && fresh->view.edge_id == INT64_MAX)
		out->next.view.filled = true;
	out->items = arena_array(a, struct sync_item, n_rows < limit ? n_rows : limit);
	out->gone = arena_array(a, const struct pair *, n_pairs);
	if (out->items == NULL || out->gone == NULL)
		return RC_NOMEM;
	for (size_t i = 0; i < n_rows; i++) {
		char rev[REV_TEXT];
		size_t n;

		if (rows[i]->dead || !sync_in_view(rows[i], &out->next.view))
			continue;
		n = pairs_of(pairs, n_pairs, &p, &rows[i]->id, out);
		if (skip != NULL && imap_get(skip, rows[i]->id, &at))
			continue;
		row_rev(k, ct, rows[i], &fresh->seen.hidden, rev);
		if (n > 0 && has_rev(pairs + (p - n), n, rev))
			continue;
		/* only puts count: a client that keeps objects which the server refuses would loop for ever on its deletions (F20) */
		if (out->n == limit) {
			out->more = true;
			continue; /* all pairs are still looked at, so that what is gone is complete on every page */
		}
		out->items[out->n++] = (struct sync_item){ .kind = SYNC_PUT, .row = rows[i] };
	}
	(void)pairs_of(pairs, n_pairs, &p, NULL, out);
	return RC_OK;
}
