/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For `service`: what is no sync but must not run twice at once, and the names of folders. */
#include "engine/engine_int.h"

struct engine_lock {
	struct store_conn *c;
	int64_t key;
};

enum rc
engine_account_lock(struct engine_session *s, struct engine_lock **out, struct err *e)
{
	struct engine_lock *l = mem_alloc(sizeof(*l));
	enum rc rc;

	*out = NULL;
	if (l == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a lock");
	l->key = -s->n->account_id; /* folders have positive numbers */
	rc = store_lease(s->g->store, &l->c, e);
	if (rc == RC_OK)
		rc = store_lock(l->c, l->key, e);
	if (rc == RC_OK) {
		*out = l;
		return RC_OK;
	}
	store_release(l->c);
	mem_free(l);
	return rc;
}

void
engine_account_unlock(struct engine_lock *l)
{
	if (l == NULL)
		return;
	store_unlock(l->c, l->key);
	store_release(l->c);
	mem_free(l);
}

enum rc
engine_mail_folder(struct engine_session *s, struct arena *a, const struct uuid *folder, const char **oxid, struct err *e)
{
	struct op op;
	enum content ct = CT_COUNT;
	enum rc rc = op_begin(&op, s, a, e);

	if (rc == RC_OK && !folder_uuid_oxid(&op, folder, oxid, &ct))
		rc = err_set(e, RC_NOTFOUND, "The folder does not exist (any more)");
	if (rc == RC_OK && ct != CT_MAIL)
		rc = err_set(e, RC_PROTO, "is no mail folder");
	if (rc == RC_OK)
		*oxid = arena_strdup(a, *oxid);
	if (rc == RC_OK && *oxid == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for a folder");
	op_end(&op);
	return rc;
}

void
engine_folder_uuid(const struct engine_session *s, const char *oxid, struct uuid *out)
{
	uuid_make(s->g->keys, s->n->account->hier_tag, model_id(s->g->keys, oxid), out);
}

const char *
engine_session_owner(const struct engine_session *s)
{
	return s->n->owner;
}
