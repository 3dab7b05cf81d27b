/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the folder that a client names to the index that is worked on.  The hierarchy's own index knows every folder of the
 * account: its row gives the OX id (the text of a mail folder's, the number of a PIM folder's) and, as sort key, the type.
 */
#include "engine/engine_int.h"

#include <stdio.h>
#include <string.h>

#define HIERARCHY "hierarchy"

static uint64_t
random_epoch(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v >> 1 | 1; /* fits int8, never 0 */
}

bool
uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;

	return memcmp(u, &zero, sizeof(zero)) == 0;
}

/* Mail folder ids repeat from user to user ("default0/INBOX"), PIM folder ids are unique in a context and shared by its readers. */
uint64_t
tag_of_folder(const struct engine *g, const struct account *a, enum content ct, const char *oxid)
{
	struct place p = { .context = a->context, .ct = ct, .folder = oxid };
	char text[400];

	if (ct == CT_MAIL) {
		(void)snprintf(text, sizeof(text), "%lld:%s", (long long)a->user, oxid);
		p.folder = text;
	}
	return place_tag(g->keys, &p);
}

/* A mail folder made anew has the same id and its uids from 1 on: they name other mails, whose uuids must be others. */
uint64_t
tag_of_index(const struct engine *g, uint64_t topic, const struct store_folder *f)
{
	uint64_t v[2] = { topic, f->validity };

	return f->ct == CT_MAIL ? siphash24(g->topic_key, v, sizeof(v)) : topic;
}

enum content
folder_content(const struct object *o)
{
	const struct content_type *t = model_content(CT_FOLDER);
	int i = model_field(t, "module");
	const char *module = i >= 0 ? json_string_value(o->v[i]) : NULL;
	const struct content_type *found = module != NULL ? model_content_by_name(module) : NULL;

	return found != NULL ? found->ct : CT_COUNT;
}

/*
 * The hierarchy's fill is descending: appointments, contacts and tasks are few and wanted at once, of mail the INBOX; the roots of trees
 * hold nothing.  The lowest digits answer what the folder holds.
 */
#define ORDER_STEP 16

int64_t
folder_order(const struct op *op, const struct object *o)
{
	static const int place[] = { [CT_CALENDAR] = 5, [CT_CONTACT] = 4, [CT_TASK] = 3, [CT_MAIL] = 1 };
	enum content ct = folder_content(o);
	bool inbox = ct == CT_MAIL && strcmp(o->oxid, ox_session_user(op->s->ox)->inbox) == 0;

	if (ct <= CT_FOLDER || ct >= CT_COUNT)
		return CT_FOLDER;
	return (place[ct] + inbox) * ORDER_STEP + (int)ct;
}

enum content
folder_row_content(const struct row *r)
{
	int64_t ct = r->sk % ORDER_STEP;

	return ct > CT_FOLDER && ct < CT_COUNT ? (enum content)ct : CT_COUNT;
}

enum rc
target_hierarchy(struct op *op, bool create, struct target *t, struct err *e)
{
	memset(t, 0, sizeof(*t));
	t->ct = CT_FOLDER;
	t->oxid = HIERARCHY;
	t->topic = t->tag = op->s->n->account->hier_tag;
	return store_folder_open(op->c, op->a, op->s->n->account_id, CT_FOLDER, HIERARCHY, create, random_epoch(), &t->f, e);
}

enum rc
hierarchy_load(struct op *op, struct err *e)
{
	enum rc rc;

	if (op->folders != NULL)
		return RC_OK;
	rc = ox_folders(op->s->ox, op->a, &op->folders, &op->n_folders, e);
	for (size_t i = 0; i < op->n_folders && rc == RC_OK; i++)
		op->folders[i]->id = model_id(op->g->keys, op->folders[i]->oxid);
	return rc;
}

void
hierarchy_drop(struct op *op)
{
	object_drop_all(op->folders, op->n_folders);
	op->folders = NULL;
	op->n_folders = 0;
}

/* The hierarchy as OX has it now, into its index, under its own lock: it was never read (first request, or the database is new), or lacks a folder. */
enum rc
hierarchy_renew(struct op *op, struct target *hier, struct err *e)
{
	struct target saved = op->t;
	const bool first = !hier->f.init;
	enum rc rc = store_lock(op->c, hier->f.id, e);

	if (rc != RC_OK)
		return rc;
	rc = target_hierarchy(op, true, hier, e);
	if (rc == RC_OK && (!first || !hier->f.init)) {
		op->t = *hier;
		rc = op_refresh(op, true, e);
		*hier = op->t;
		op->t = saved;
		/* rows of the hierarchy are no rows of the folder that this operation is about, though the numbers may be equal */
		op->now_at = NULL;
		op->n_now = op->cap_now = 0;
		op->refreshed_at = 0;
	}
	store_unlock(op->c, hier->f.id);
	return rc;
}

static enum rc
folder_row(struct op *op, struct target *hier, const struct uuid *u, struct row **row, struct err *e)
{
	struct row **rows;
	size_t n;
	int64_t id;
	enum rc rc;

	*row = NULL;
	if (!uuid_id(op->g->keys, hier->tag, u, &id))
		return err_set_path(e, RC_NOTFOUND, "folder", "unknown folder; sync the folder hierarchy first");
	rc = store_rows_get(op->c, op->a, &hier->f, &id, 1, &rows, &n, e);
	if (rc != RC_OK)
		return rc;
	if (n == 0 || rows[0]->dead)
		return err_set_path(e, RC_NOTFOUND, "folder", "this folder does not exist (any more); sync the folder hierarchy");
	*row = rows[0];
	return RC_OK;
}

/* The type is one of few numbers: its fingerprint tells which. */
static bool
row_is_shared(const struct op *op, const struct row *r)
{
	const struct content_type *t = model_content(CT_FOLDER);
	int i = model_field(t, "type");
	json_t *shared = json_integer(OX_TYPE_SHARED);
	const struct row_field *f = row_field_get(r, (unsigned)i);
	bool is = f != NULL && shared != NULL && f->fp == field_fp(op->g->keys, &t->fields[i], shared);

	json_decref(shared);
	return is;
}

static const char *
row_oxid(struct op *op, const struct row *r)
{
	return r->oxid != NULL ? r->oxid : arena_printf(op->a, "%lld", (long long)r->id);
}

enum rc
target_open(struct op *op, const struct folder_ref *ref, struct target *t, struct err *e)
{
	struct target hier;
	struct row *row;
	enum rc rc = target_hierarchy(op, true, &hier, e);

	if (rc != RC_OK)
		return rc;
	if (ref->hierarchy) {
		*t = hier;
		return RC_OK;
	}
	if (!hier.f.init) {
		rc = hierarchy_renew(op, &hier, e);
		if (rc != RC_OK)
			return rc;
	}
	rc = folder_row(op, &hier, &ref->uuid, &row, e);
	if (rc != RC_OK)
		return rc;
	if (folder_row_content(row) == CT_COUNT)
		return err_set_path(e, RC_NOTFOUND, "folder", "this folder holds nothing that is synchronised");
	memset(t, 0, sizeof(*t));
	t->ct = folder_row_content(row);
	t->shared = row_is_shared(op, row);
	t->oxid = row_oxid(op, row);
	if (t->oxid == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a folder");
	t->topic = tag_of_folder(op->g, op->s->n->account, t->ct, t->oxid);
	rc = store_folder_open(op->c, op->a, op->s->n->account_id, t->ct, t->oxid, true, random_epoch(), &t->f, e);
	t->tag = tag_of_index(op->g, t->topic, &t->f);
	return rc;
}

/* The index of the operation's target as it is now. */
enum rc
target_again(struct op *op, struct err *e)
{
	enum rc rc = store_folder_open(op->c, op->a, op->s->n->account_id, op->t.ct, op->t.oxid, true, random_epoch(), &op->t.f, e);

	op->t.tag = tag_of_index(op->g, op->t.topic, &op->t.f); /* a mail folder's index may have been filled meanwhile: now its UIDVALIDITY is known */
	return rc;
}

/* OX id and type of the folder U of this account; false when there is none. */
bool
folder_uuid_oxid(struct op *op, const struct uuid *u, const char **oxid, enum content *ct)
{
	struct target hier;
	struct row *row;
	struct err e;

	if (target_hierarchy(op, true, &hier, &e) != RC_OK || folder_row(op, &hier, u, &row, &e) != RC_OK)
		return false;
	*oxid = row_oxid(op, row);
	*ct = folder_row_content(row);
	return *oxid != NULL;
}
