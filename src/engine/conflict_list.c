/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Conflict records read, shown and forgotten at the user's word.  How the values are written again is in restore.c. */
#include "engine/conflict_int.h"

#include <string.h>

json_t *
conflict_open(struct engine *g, const struct store_conflict *x)
{
	json_t *record = NULL;
	struct buf plain;

	buf_init(&plain, 0);
	if (seal_open(g, SEALED_CONFLICT, x->account, x->sealed, x->sealed_len, &plain) == RC_OK)
		record = json_loadb(plain.p, plain.len, JSON_REJECT_DUPLICATES, NULL);
	if (plain.p != NULL)
		secret_wipe(plain.p, plain.len);
	buf_fini(&plain);
	if (record == NULL)
		log_warn("conflict", "id=%lld text=the record cannot be opened: is its key missing (usmctl keys list)?", (long long)x->id);
	return record;
}

static void
entry_of(const struct engine_session *s, const struct store_conflict *x, json_t *record, struct conflict_entry *out)
{
	static const struct uuid none;
	const char *whose = json_string_value(json_object_get(record, "whose")), *folder = json_string_value(json_object_get(record, "folder"));
	enum conflict_side met = x->device == s->n->device_id ? SIDE_DEVICE : SIDE_CLIENT;
	bool server = whose != NULL && strcmp(whose, "server") == 0;

	*out = (struct conflict_entry){ .id = x->id, .at = x->at, .expires = x->expires, .ct = x->ct, .device = x->device_name, .record = record,
		.has_uuid = memcmp(x->uuid.b, none.b, sizeof(none.b)) != 0, .uuid = x->uuid, .lost = server ? SIDE_SERVER : met,
		.won = server ? met : SIDE_SERVER, .title = json_string_value(json_object_get(record, "title")),
		.fields = json_object_get(record, "lost"), .values = json_object_get(record, "fields") };
	out->folder.hierarchy = folder == NULL || !uuid_parse(folder, &out->folder.uuid);
	out->octets = json_object_get(record, "raw") != NULL;
}

enum rc
engine_conflicts(struct engine_session *s, struct arena *a, int64_t after, size_t limit, struct conflict_list *out, struct err *e)
{
	struct store_conflict *x = NULL;
	struct store_conn *c = NULL;
	size_t n = 0;
	enum rc rc = store_lease(s->g->store, &c, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = session_verify(s, c, e);
	if (rc == RC_OK)
		rc = store_conflict_list(c, a, s->n->account_id, after > 0 ? after : INT64_MAX, now_ms(), limit + 1, &x, &n, e);
	store_release(c);
	if (rc != RC_OK)
		return rc;
	out->more = n > limit;
	n = n > limit ? limit : n;
	out->v = arena_array(a, struct conflict_entry, n + 1);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the conflicts");
	for (size_t i = 0; i < n; i++) {
		json_t *record = conflict_open(s->g, &x[i]);

		out->next = x[i].id;
		if (record != NULL)
			entry_of(s, &x[i], record, &out->v[out->n++]);
	}
	return RC_OK;
}

void
engine_conflicts_done(struct conflict_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		json_decref(l->v[i].record);
	l->n = 0;
}

enum rc
engine_conflict_dismiss(struct engine_session *s, struct arena *a, int64_t id, struct err *e)
{
	struct store_conflict x;
	struct store_conn *c = NULL;
	enum rc rc = store_lease(s->g->store, &c, e);

	if (rc == RC_OK)
		rc = session_verify(s, c, e);
	if (rc == RC_OK)
		rc = store_conflict_get(c, a, s->n->account_id, id, now_ms(), &x, e);
	if (rc == RC_OK)
		rc = store_conflict_settle(c, s->n->account_id, id, NULL, now_ms(), e);
	store_release(c);
	return rc;
}
