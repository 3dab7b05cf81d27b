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

static bool
newer(const struct row *a, const struct row *b)
{
	return a->sk != b->sk ? a->sk > b->sk : a->id > b->id;
}

/* R[AT] down to its place in a heap of N whose top is the oldest. */
static void
sift(struct row **r, size_t at, size_t n)
{
	for (size_t k = 2 * at + 1; k < n; k = 2 * at + 1) {
		struct row *x = r[at];

		if (k + 1 < n && newer(r[k], r[k + 1]))
			k++;
		if (!newer(x, r[k]))
			return;
		r[at] = r[k];
		r[k] = x;
		at = k;
	}
}

/* A heap sort: the C library's own allocates, and the pages of a large folder are many. */
static void
newest_first(struct row **r, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(r, i, n);
	for (size_t i = n; i-- > 1;) {
		struct row *x = r[0];

		r[0] = r[i];
		r[i] = x;
		sift(r, 0, i);
	}
}

enum rc
sync_reconcile(struct arena *a, const struct model_keys *k, enum content ct, const struct cursor *fresh, struct row **rows, size_t n_rows,
    const struct pair *pairs, size_t n_pairs, const struct imap *skip, size_t limit, struct sync_reconcile_out *out)
{
	struct row **differ = arena_array(a, struct row *, n_rows);
	size_t p = 0, at, n_differ = 0;

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
	if (out->items == NULL || out->gone == NULL || differ == NULL)
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
		differ[n_differ++] = rows[i];
	}
	(void)pairs_of(pairs, n_pairs, &p, NULL, out);
	/* Only puts count: a client that keeps objects which the server refuses would loop for ever on its deletions (F20), and what is gone is
	 * complete on every page.  What does not fit waits, the oldest longest, as in a first fill. */
	out->more = n_differ > limit;
	if (out->more)
		newest_first(differ, n_differ);
	for (size_t i = 0; i < n_differ && out->n < limit; i++)
		out->items[out->n++] = (struct sync_item){ .kind = SYNC_PUT, .row = differ[i] };
	return RC_OK;
}
