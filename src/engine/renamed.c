/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A mail folder that was renamed or moved: its id is its path, so it and its mails have other uuids.  The mail server keeps the numbers
 * of the mails and their UIDVALIDITY, so the uuids that a client has from before lead to the same mails, and nothing need be sent again.
 */
#include "engine/engine_int.h"

#include <string.h>

/* What the uuids of the mails hung on under the folder's former uuid; false when that is not known (any more), or still a folder. */
bool
former_tag(struct op *op, uint64_t *tag)
{
	struct target hier;
	struct row **rows;
	struct err e;
	int64_t id;
	size_t n;

	if (!op->req->has_formerly || op->t.ct != CT_MAIL || target_hierarchy(op, true, &hier, &e) != RC_OK ||
	    !uuid_id(op->g->keys, hier.tag, &op->req->formerly, &id) || store_rows_get(op->c, op->a, &hier.f, &id, 1, &rows, &n, &e) != RC_OK)
		return false;
	if (n == 0 || !rows[0]->dead || rows[0]->oxid == NULL)
		return false;
	*tag = tag_of_index(op->g, tag_of_folder(op->g, op->s->n->account, CT_MAIL, rows[0]->oxid), &op->t.f);
	return true;
}

/* Of PAIRS those that are named by a former uuid and are among the LIVE rows: old and new uuid into the answer. */
enum rc
renamed_list(struct op *op, const struct pair *pairs, size_t n, struct row *const *live, size_t n_live, struct err *e)
{
	struct sync_answer *out = op->out;
	struct imap *at = imap_new(op->a, n_live);
	size_t x;

	out->renamed = arena_array(op->a, struct renamed_uuid, n + 1);
	if (at == NULL || out->renamed == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the comparison");
	for (size_t i = 0; i < n_live; i++)
		if (!imap_put(at, live[i]->id, i))
			return err_set(e, RC_NOMEM, "out of memory for the comparison");
	for (size_t i = 0; i < n; i++) {
		struct renamed_uuid r = { .from = pairs[i].uuid };

		if (!pairs[i].valid || !imap_get(at, pairs[i].id, &x))
			continue;
		uuid_make(op->g->keys, op->t.tag, pairs[i].id, &r.to);
		if (memcmp(&r.from, &r.to, sizeof(r.to)) != 0)
			out->renamed[out->n_renamed++] = r;
	}
	return RC_OK;
}
