/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes the answer to a sync: objects by the model's table of fields, deletions, what became of each change. */
#include "protocol/usmjson/usmjson_int.h"

#include <stdio.h>
#include <string.h>

/* "own" or "lost": names of fields; nothing when there are none. */
static void
write_names(struct buf *b, const char *key, const struct content_type *t, const struct fmask *fields)
{
	if (fmask_empty(fields))
		return;
	js_key(b, key);
	buf_addc(b, '[');
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (!fmask_has(fields, i) || (t->fields[i].flags & FF_NODELIVER) != 0)
			continue;
		if (b->p != NULL && b->p[b->len - 1] != '[')
			buf_addc(b, ',');
		js_str(b, t->ct == CT_FOLDER && strcmp(t->fields[i].name, "folder_id") == 0 ? "parent" : t->fields[i].name);
	}
	buf_addc(b, ']');
}

static void
write_parent(struct buf *b, const struct uuid *parent)
{
	static const struct uuid none;

	js_key(b, "parent");
	if (memcmp(parent->b, none.b, sizeof(none.b)) == 0)
		buf_adds(b, "null");
	else
		js_uuid(b, parent);
}

/* Of a folder that another user shares: whose it is, and the name to show.  The title stays OX's: it is what a rename changes. */
static void
write_owner(struct buf *b, const struct answer_item *it)
{
	if (it->owner == 0)
		return;
	js_key(b, "owner");
	buf_addc(b, '{');
	js_key(b, "id");
	buf_add_i64(b, it->owner);
	js_key(b, "name");
	js_str(b, it->owner_name);
	buf_addc(b, '}');
	js_key(b, "displayName");
	js_str(b, it->display_name);
}

static void
set_fields(const struct object *o, struct fmask *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < model_content(o->ct)->n_fields; i++)
		if (o->v[i] != NULL)
			fmask_set(out, i);
}

/* an exception, or the series itself, names the series by its uuid; OX's id of it stays here */
static void
write_series(struct buf *b, const struct answer_item *it, struct fmask *only)
{
	int i = model_field(model_content(CT_CALENDAR), "recurrence_id");

	if (i < 0 || !fmask_has(only, (unsigned)i) || it->object->v[i] == NULL)
		return;
	fmask_clear(only, (unsigned)i);
	js_key(b, "recurrence_id");
	js_uuid(b, &it->series);
}

static void
write_item(struct buf *b, const struct sync_answer *a, const struct answer_item *it)
{
	const struct content_type *t = model_content(a->ct);
	struct fmask only;

	buf_addc(b, '{');
	js_key(b, "uuid");
	js_uuid(b, &it->uuid);
	js_key(b, "objectType");
	js_str(b, t->name);
	if (it->rev[0] != '\0') {
		js_key(b, "rev");
		js_str(b, it->rev);
	}
	if (it->client_id != NULL) {
		js_key(b, "clientId");
		js_str(b, it->client_id);
	}
	write_names(b, "own", t, &it->own);
	if (it->truncated) {
		js_key(b, "truncated");
		buf_adds(b, "true");
	}
	only = it->fields;
	if (it->whole) {
		set_fields(it->object, &only);
		fmask_minus(&only, &a->hidden);
	}
	if (t->ct == CT_FOLDER) {
		/* on the wire a folder's parent is a uuid; OX's id of it stays here */
		int parent = model_field(t, "folder_id");

		if (it->whole || fmask_has(&only, (unsigned)parent))
			write_parent(b, &it->parent);
		fmask_clear(&only, (unsigned)parent);
		write_owner(b, it);
	}
	if (a->ct == CT_CALENDAR)
		write_series(b, it, &only);
	(void)object_text(b, it->object, &only, FF_NODELIVER | FF_APART, false);
	buf_addc(b, '}');
}

void
answer_write_found(struct buf *b, enum content ct, const struct engine_found *f)
{
	const struct sync_answer a = { .ct = ct, .hidden = f->hidden };

	write_item(b, &a, &f->item);
	metric_add(M_OBJECTS_OUT, 1);
}

void
answer_write_items(struct buf *b, const struct sync_answer *a, bool whole, const char *key)
{
	int64_t n = 0;

	js_key(b, key);
	buf_addc(b, '[');
	for (size_t i = 0; i < a->n; i++) {
		if (a->items[i].whole != whole)
			continue;
		if (n++ > 0)
			buf_addc(b, ',');
		write_item(b, a, &a->items[i]);
	}
	buf_addc(b, ']');
	metric_add(M_OBJECTS_OUT, n);
}

void
answer_write_deleted(struct buf *b, const struct sync_answer *a)
{
	js_key(b, "deleted");
	buf_addc(b, '[');
	for (size_t i = 0; i < a->n_deleted; i++) {
		if (i != 0)
			buf_addc(b, ',');
		js_uuid(b, &a->deleted[i]);
	}
	buf_addc(b, ']');
}

void
answer_write_renamed(struct buf *b, const struct sync_answer *a)
{
	js_key(b, "renamed");
	buf_addc(b, '[');
	for (size_t i = 0; i < a->n_renamed; i++) {
		buf_adds(b, i != 0 ? ",[" : "[");
		js_uuid(b, &a->renamed[i].from);
		buf_addc(b, ',');
		js_uuid(b, &a->renamed[i].to);
		buf_addc(b, ']');
	}
	buf_addc(b, ']');
}

static void
notice_text(struct buf *b, const struct notice *n)
{
	switch (n->code) {
	case NOTICE_OBJECTS:
		buf_addf(b, "This folder holds %lld objects, %lld are synchronized: the newest ones. The others stay on the server.", (long long)n->count,
		    (long long)n->limit);
		break;
	case NOTICE_ATTACHMENTS:
		buf_addf(b, "An object has %lld attachments, %lld are synchronized. The others stay on the server.", (long long)n->count, (long long)n->limit);
		break;
	case NOTICE_UNREADABLE:
		buf_adds(b, "The groupware server cannot deliver this object. It is set aside and comes as soon as it can be read.");
		break;
	case NOTICE_LARGE:
		buf_addf(b, "A mail has %lld bytes, %lld are synchronized. Its header is here, the whole mail comes when it is asked for.", (long long)n->count,
		    (long long)n->limit);
		break;
	case NOTICE_REJECTED:
		buf_adds(b, "This device could not store the object. It is set aside and comes again when it changes.");
		break;
	case NOTICE_HELD:
		buf_addf(b, "%lld of %lld objects of this folder would be deleted at once. Nothing is deleted before the user confirms it.", (long long)n->count,
		    (long long)n->limit);
		break;
	case NOTICE_STUCK:
		buf_adds(b, "This device asked for this object again and again without getting on. It is set aside and comes again when it changes.");
		break;
	case NOTICE_COUNT:
		break;
	}
}

void
answer_write_notices(struct buf *b, const struct folder_ref *folder, const struct sync_answer *a)
{
	if (a->n_notices == 0)
		return;
	js_key(b, "notices");
	buf_addc(b, '[');
	for (size_t i = 0; i < a->n_notices; i++) {
		const struct notice *n = &a->notices[i];

		buf_addf(b, "%s{\"code\":\"%s\",\"message\":\"", i != 0 ? "," : "", notice_name(n->code));
		notice_text(b, n);
		buf_adds(b, "\",\"details\":{");
		if (!folder->hierarchy) {
			js_key(b, "folder");
			js_uuid(b, &folder->uuid);
		}
		if (n->has_uuid) {
			js_key(b, "uuid");
			js_uuid(b, &n->uuid);
		}
		if (n->limit != 0) {
			js_key(b, n->code == NOTICE_LARGE ? "size" : "count");
			buf_add_i64(b, n->count);
			js_key(b, n->code == NOTICE_HELD ? "of" : "limit");
			buf_add_i64(b, n->limit);
		}
		buf_adds(b, "}}");
	}
	buf_addc(b, ']');
}

/* where a change stands in the request, for the path of its error */
static void
change_path(const struct sync_request *req, size_t change, char *out, size_t size)
{
	static const char *const array[] = { [OP_CREATE] = "created", [OP_MODIFY] = "modified", [OP_DELETE] = "deleted" };
	enum sync_op op = req->changes[change].op;
	size_t at = change;

	while (at > 0 && req->changes[at - 1].op == op)
		at--;
	(void)snprintf(out, size, "%s[%zu]", array[op], change - at);
}

static const char *
result_status(const struct answer_result *r)
{
	static const char *const names[] = {
		[ST_OK] = "ok", [ST_GONE] = "gone", [ST_REFUSED] = "refused", [ST_RETRY] = "retry", [ST_CONFLICT] = "conflict",
		[ST_RECREATE] = "recreate", [ST_HELD] = "held",
	};

	_Static_assert(ARRAY_LEN(names) == ST_HELD + 1, "a change_status has no name on the wire");

	return r->failed ? "error" : names[r->status];
}

static void
write_result(struct buf *b, const struct sync_request *req, enum content ct, const struct answer_result *r)
{
	const struct client_change *ch = &req->changes[r->change];
	char where[40];

	buf_addc(b, '{');
	if (ch->op != OP_CREATE && ch->has_uuid) {
		js_key(b, "uuid");
		js_uuid(b, &ch->uuid);
	} else {
		js_key(b, "clientId");
		js_str(b, ch->client_id);
	}
	js_key(b, "status");
	js_str(b, result_status(r));
	if (r->has_uuid) {
		/* a move is named by the old uuid already */
		js_key(b, ch->op != OP_CREATE && ch->has_uuid ? "newUuid" : "uuid");
		js_uuid(b, &r->uuid);
	}
	write_names(b, "lost", model_content(ct), &r->lost);
	write_names(b, "won", model_content(ct), &r->won);
	if (r->conflict != 0) {
		js_key(b, "conflict");
		buf_add_i64(b, r->conflict);
	}
	if (r->failed) {
		change_path(req, r->change, where, sizeof(where));
		js_key(b, "error");
		status_write_error(b, status_of(r->err.rc, &r->err), &r->err, where, r->conflicts);
	}
	buf_addc(b, '}');
}

void
answer_write_results(struct buf *b, const struct sync_request *req, const struct sync_answer *a)
{
	bool first = true;

	js_key(b, "results");
	buf_addc(b, '[');
	for (size_t i = 0; i < a->n_results; i++) {
		if (a->results[i].change >= req->n_changes)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		write_result(b, req, a->ct, &a->results[i]);
	}
	buf_addc(b, ']');
}
