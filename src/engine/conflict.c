/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The losing values of a conflict: sealed, with an expiry, written before the write that destroys them (F14). */
#include "engine/engine_int.h"

#include <stdlib.h>
#include <string.h>

/* {"fields":{...},"objectType":"contact","whose":"client"}: what restoring needs; the store never sees it plain. */
static char *
losing_text(const struct object *o, const struct fmask *fields, const char *whose)
{
	const struct content_type *t = model_content(o->ct);
	json_t *root = json_object(), *f = json_object();
	char *text;
	bool ok = true;

	for (unsigned i = 0; i < t->n_fields; i++)
		if (fmask_has(fields, i))
			ok = json_object_set_new(f, t->fields[i].name, o->v[i] != NULL ? json_incref(o->v[i]) : json_null()) == 0 && ok;
	ok = json_object_set_new(root, "objectType", json_string(t->name)) == 0 && ok;
	ok = json_object_set_new(root, "whose", json_string(whose)) == 0 && ok;
	ok = json_object_set_new(root, "fields", f) == 0 && ok;
	text = ok ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL; /* a record that lacks a value would lose it */
	json_decref(root);
	return text;
}

enum rc
conflict_record(struct op *op, const struct uuid *uuid, const struct object *o, const struct fmask *fields, const char *whose, struct err *e)
{
	struct engine *g = op->g;
	struct store_conflict x = { .account = op->s->n->account_id, .device = op->s->n->device_id, .uuid = *uuid };
	struct fmask named = *fields;
	struct buf sealed, digest;
	char *text;
	enum rc rc;

	if (o == NULL || fmask_empty(fields))
		return RC_OK;
	fmask_from_bits(model_content(o->ct), &named);
	text = losing_text(o, &named, whose);
	if (text == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a conflict record");
	buf_init(&sealed, 0);
	buf_init(&digest, 0);
	x.ct = o->ct;
	x.at = now_ms();
	x.expires = x.at + g->o.conflict_keep_ms;
	buf_add(&digest, uuid->b, sizeof(uuid->b));
	buf_adds(&digest, text);
	/* a repeated request must not record the same loss twice: equal losses have equal digests */
	hmac_sha256(g->seal_key, sizeof(g->seal_key), digest.p, digest.len, x.digest);
	rc = digest.failed ? RC_NOMEM : secret_seal(g->seal_key, "conflict", text, strlen(text), &sealed);
	if (rc == RC_OK) {
		x.sealed = sealed.p;
		x.sealed_len = sealed.len;
		rc = store_conflict_add(op->c, &x, e);
	} else {
		rc = err_set(e, rc, "a conflict record could not be sealed");
	}
	secret_wipe(text, strlen(text));
	free(text); /* jansson's own allocation */
	buf_fini(&sealed);
	buf_fini(&digest);
	return rc;
}
