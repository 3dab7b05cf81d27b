/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writing one planned change to OX and noting what came of it.  Every write ends in one of three ways: done (noted at once,
 * F10), surely not done (withdrawn, so that its fields never pass for own, F11), unknown (the note stays, the client is told
 * to send the change again, nothing is repeated here, F9).
 */
#include "engine/conflict_int.h"
#include "engine/mail_int.h"
#include "engine/refresh_int.h"
#include "engine/tree.h"

#include <string.h>

/* ---- create ---- */

static enum rc
folder_parent(struct work *w, const char *module, const char **parent, struct err *e)
{
	enum content ct;

	if (w->cc->has_move && !uuid_is_zero(&w->cc->move_to)) {
		if (!folder_uuid_oxid(w->op, &w->cc->move_to, parent, &ct))
			return err_set_path(e, RC_NOTFOUND, "parent", "the parent folder does not exist (any more)");
		return RC_OK;
	}
	/* top of the private tree: PIM folders lie below folder 1, mail folders below the account's root (ox-http-api.md 3.2) */
	*parent = strcmp(module, "mail") == 0 ? OX_MAIL_ROOT : OX_PRIVATE_ROOT;
	return RC_OK;
}

/* What a client wants to make. */
struct new_folder {
	const char *title, *parent;
	enum content ct;
};

/* *ID: of the folder that is there already, 0 = none.  As OX itself does for this client (its CreatePerformer): who makes one that is there, gets that one. */
static enum rc
folder_there(struct work *w, struct new_folder *f, int64_t *id, struct err *e)
{
	const struct content_type *t = model_content(CT_FOLDER);
	const json_t *const *v = (const json_t *const *)w->cc->object->v;
	const char *module = json_string_value(v[model_field(t, "module")]);
	const struct content_type *mt = module != NULL ? model_content_by_name(module) : NULL;
	const struct object *there;
	enum rc rc;

	*id = 0;
	f->title = json_string_value(v[model_field(t, "title")]);
	if (f->title == NULL || mt == NULL || mt->ct == CT_FOLDER)
		return err_set_path(e, RC_PROTO, "title", "a new folder needs a title and a module (contacts, calendar, tasks or mail)");
	f->ct = mt->ct;
	rc = folder_parent(w, mt->ox_module, &f->parent, e);
	if (rc == RC_OK)
		rc = hierarchy_load(w->op, e);
	if (rc != RC_OK)
		return rc;
	there = tree_namesake(w->op, f->parent, f->title);
	if (there != NULL && folder_content(there) != f->ct)
		return err_set_path(e, RC_PROTO, "title", "a folder of this name but of another type is there already; choose another name");
	if (there != NULL)
		*id = there->id;
	return RC_OK;
}

enum rc
ask_folder(struct work *w, bool *again, struct err *e)
{
	int title = model_field(model_content(CT_FOLDER), "title");
	const struct object *there = NULL;
	struct new_folder f;
	int64_t id;
	enum rc rc;

	if (w->cc->object == NULL)
		return RC_NOTFOUND; /* the deletion of one */
	rc = folder_there(w, &f, &id, e);
	/* as it was sent, where it was renamed at the device since */
	for (unsigned i = 0; rc == RC_OK && id == 0 && i < w->intent.nf; i++)
		if (w->intent.f[i].i == title)
			there = tree_titled(w->op, f.parent, w->intent.f[i].fp);
	if (there != NULL && folder_content(there) == f.ct)
		id = there->id;
	if (rc != RC_OK || id == 0)
		return rc == RC_OK ? RC_NOTFOUND : rc;
	w->intent.id = id;
	w->intent.id_known = true;
	w->intent.at = 0;
	*again = true;
	return work_intent_put(w, e);
}

static enum rc
create_folder(struct work *w, int64_t *id, msec_t *lm, struct err *e)
{
	struct op *op = w->op;
	struct new_folder f;
	char *oxid;
	enum rc rc = folder_there(w, &f, id, e);

	*lm = 0;
	if (rc == RC_OK)
		rc = tree_may_hold(op, f.parent, f.ct, e);
	if (rc != RC_OK || *id != 0)
		return rc;
	rc = ox_folder_create(op->s->ox, op->a, f.parent, f.ct, f.title, &oxid, lm, e);
	hierarchy_drop(op);
	if (rc == RC_OK)
		*id = model_id(op->g->keys, oxid);
	return rc;
}

/*
 * OX's import takes flags, but no colour and no keywords: they are set on what is there then.  The mail is stored whatever becomes of it; the read-back
 * tells the client what it really has.
 */
static void
create_colour(struct work *w, int64_t id)
{
	const struct content_type *t = model_content(CT_MAIL);
	unsigned label = (unsigned)model_field(t, "color_label"), words = (unsigned)model_field(t, "user");
	struct fmask m = { { 0 } };
	msec_t stamp;
	struct err e = { 0 };
	enum rc rc;

	if (object_get_i64(w->cc->object, label, 0) != 0) {
		fmask_set(&m, label);
		if (fmask_has(&w->cc->fields, (unsigned)model_field(t, "flags"))) /* a label flags the mail, unless it is said that it is not (label.c) */
			fmask_set(&m, (unsigned)model_field(t, "flag_flagged"));
	}
	if (json_array_size(w->cc->object->v[words]) > 0)
		fmask_set(&m, words);
	if (fmask_empty(&m))
		return;
	rc = ox_update(w->op->s->ox, w->op->t.oxid, id, NULL, w->cc->object, &m, 0, &stamp, &e);
	if (rc != RC_OK)
		log_warn("mail-colour", "id=%lld failed=%s %s", (long long)id, rc_name(rc), e.text);
}

static enum rc
create_send(struct work *w, int64_t *id, msec_t *lm, struct err *e)
{
	struct op *op = w->op;
	int flags = 0, i;
	char *uid;
	enum rc rc;

	*lm = 0;
	if (op->t.ct == CT_FOLDER)
		return create_folder(w, id, lm, e);
	if (op->t.ct == CT_MAIL) {
		i = model_field(model_content(CT_MAIL), "flags");
		if (i >= 0 && json_is_integer(w->cc->object->v[i]))
			flags = (int)json_integer_value(w->cc->object->v[i]);
		rc = ox_mail_import(op->s->ox, op->t.oxid, w->octets, w->octets_len, flags, id, e);
		if (rc == RC_OK)
			create_colour(w, *id);
		return rc;
	}
	uid = client_uid_format(op->a, op->s->n->owner, w->ch.client_id);
	if (uid == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a uid");
	return ox_create(op->s->ox, op->t.oxid, w->cc->object, uid, id, lm, e);
}

/* A new series that lacks some of its days: OX takes these only of a series that exists. */
static bool
deletes_days(const struct work *w)
{
	int i = w->op->t.ct == CT_CALENDAR && w->series == 0 ? model_field(model_content(CT_CALENDAR), "delete_exceptions") : -1;

	return i >= 0 && json_array_size(w->cc->object->v[i]) > 0;
}

/* Made, and moved or deleted before it could be read: that is the answer, and the intent has done its work with it (F10). */
static enum rc
created_and_gone(struct work *w, int64_t id, struct err *e)
{
	w->intent.state = INTENT_DONE;
	w->res->status = ST_GONE;
	w->res->has_uuid = true;
	uuid_make(w->op->g->keys, w->op->t.tag, id, &w->res->uuid);
	return work_intent_put(w, e);
}

/* Put into a folder that its user may not read: it is done, and gone from his sight. */
static enum rc
created_unseen(struct work *w, int64_t id, struct err *e)
{
	struct op *op = w->op;
	enum rc rc;

	w->intent.state = INTENT_DONE;
	w->res->status = ST_OK;
	w->res->has_uuid = true;
	uuid_make(op->g->keys, op->t.tag, id, &w->res->uuid);
	rc = work_intent_put(w, e);
	return rc == RC_OK ? forced_add(op, id, SYNC_DEL) : rc;
}

enum rc
write_create(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct object **o;
	const char *oxid = NULL;
	size_t n;
	int64_t id = 0;
	msec_t lm = 0;
	struct err why;
	enum rc rc = guard_create(w, e);

	if (rc == RC_OK)
		rc = create_send(w, &id, &lm, e);

	if (rc == RC_TIMEOUT) {
		log_warn("create-unknown", "type=%s OX did not answer; the object is searched by its uid when the client repeats",
		    model_content(op->t.ct)->name);
		w->res->status = ST_RETRY;
		/* from now on, not from when it was noted: this process may have been stopped between the note and the request */
		w->intent.at = store_clock(op->g->store);
		if (work_intent_put(w, &why) != RC_OK)
			log_error("intent", "%s", why.text);
		return RC_OK;
	}
	if (rc != RC_OK) { /* surely not done: nothing is running any more */
		w->intent.at = 0;
		if (work_intent_put(w, &why) != RC_OK)
			log_error("intent", "%s", why.text);
		*again = rc == RC_CONFLICT;
		return rc == RC_CONFLICT ? RC_OK : rc;
	}
	w->intent.id = id;
	w->intent.id_known = true;
	w->intent.at = 0;
	if (op->t.ct == CT_MAIL) {
		w->intent.state = INTENT_DONE; /* no uid in the row would lead back to the intent */
		op->made_id = id;
		op->made_key = w->key;
	}
	rc = work_intent_put(w, e);
	guard_created(w, id);
	if (rc == RC_OK && op->unreadable)
		return created_unseen(w, id, e);
	if (rc == RC_OK)
		rc = op_fetch(op, &id, &oxid, 1, &o, &n, e);
	if (rc == RC_OK && n == 0 && op->t.ct != CT_FOLDER && folder_unreadable(op))
		return created_unseen(w, id, e);
	if (rc == RC_OK && n > 0)
		rc = op_merge_objects(op, o, n, &id, 1, e);
	if (rc == RC_OK)
		rc = op_row(op, id, &w->row, e);
	if (rc != RC_OK)
		return rc;
	if (n == 0 || (w->row != NULL && w->row->dead))
		return created_and_gone(w, id, e);
	if (w->row == NULL) { /* OX cannot show it: the repeat will see */
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	rc = series_reread(w, w->series, e);
	if (rc == RC_OK)
		rc = work_adopt(w, lm, e);
	if (w->intent.state != INTENT_DELETED)
		w->intent.state = INTENT_DONE;
	if (rc == RC_OK)
		rc = work_intent_put(w, e);
	if (rc == RC_OK)
		rc = touched_add(op, id, &w->ch);
	w->res->status = ST_OK;
	w->res->has_uuid = true;
	uuid_make(op->g->keys, op->t.tag, id, &w->res->uuid);
	*again = rc == RC_OK && deletes_days(w); /* they are the next attempt's update of what is there now */
	return rc;
}

/* ---- update, delete ---- */

/* The server's values that are about to be overwritten or deleted, recorded before; *again when they are not those planned with. */
static enum rc
record_overwritten(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct object **o = NULL;
	struct loss l = { .row = w->row, .fields = &w->p.win, .server = true, .whole = w->p.kind == PLAN_DELETE };
	struct fmask read = w->p.win;
	struct uuid u;
	struct buf raw;
	json_t *photo = NULL;
	size_t n = 0;
	enum rc rc;

	*again = false;
	if (fmask_empty(&w->p.win))
		return RC_OK;
	if (l.whole)
		memset(&read, 0xff, sizeof(read));
	buf_init(&raw, op->g->o.max_mail_bytes + 1);
	rc = photo_overwritten(op, op->t.oxid, w->row->id, &read, &photo, e);
	if (rc == RC_OK && l.whole && op->t.ct == CT_MAIL)
		rc = ox_mail_raw(op->s->ox, op->t.oxid, w->row->id, w->row->oxid, &raw, e);
	if (rc == RC_OK)
		rc = op_fetch(op, &w->row->id, &w->row->oxid, 1, &o, &n, e);
	if (rc != RC_OK || n == 0 || o[0]->lm != w->row->lm) {
		*again = rc == RC_OK;
		json_decref(photo);
	} else {
		photo_set(o[0], photo);
		uuid_make(op->g->keys, op->t.tag, w->row->id, &u);
		l.uuid = &u;
		l.object = o[0];
		l.raw = raw.p;
		l.raw_len = raw.len;
		w->res->won = w->p.win;
		fmask_from_bits(model_content(op->t.ct), &w->res->won);
		rc = conflict_record(op, &l, &w->res->conflict, e);
	}
	object_drop_all(o, n);
	buf_fini(&raw);
	return rc;
}

static enum rc
update_send(struct work *w, msec_t *lm, struct err *e)
{
	struct op *op = w->op;
	const struct row *r = w->row;
	struct object *whole = NULL;
	char *oxid, *renamed = NULL;
	int64_t id;
	enum rc rc;

	if (op->t.ct != CT_FOLDER) {
		rc = work_completed(w, &whole, e);
		if (rc == RC_OK)
			rc = ox_update(op->s->ox, op->t.oxid, r->id, r->oxid, whole != NULL ? whole : w->cc->object, &w->p.fields, r->lm, lm, e);
		object_drop(whole);
		return rc;
	}
	oxid = r->oxid != NULL ? arena_strdup(op->a, r->oxid) : arena_printf(op->a, "%lld", (long long)r->id);
	if (oxid == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a folder");
	rc = ox_folder_update(op->s->ox, op->a, oxid, w->cc->object, &w->p.fields, r->lm, &renamed, lm, e);
	hierarchy_drop(op);
	if (rc == RC_OK && renamed != NULL && strcmp(renamed, oxid) != 0) { /* a mail folder's id is its path */
		id = model_id(op->g->keys, renamed);
		w->res->has_uuid = true;
		uuid_make(op->g->keys, op->t.tag, id, &w->res->uuid);
	}
	return rc;
}

enum rc
write_update(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	struct write_entry entry = { .id = w->row->id };
	struct err why;
	int64_t noted = 0;
	msec_t lm = 0;
	enum rc rc = record_overwritten(w, again, e);

	if (rc != RC_OK || *again)
		return rc;
	rc = work_record_lost(w, &w->p.lose, e);
	if (rc != RC_OK)
		return rc;
	label_with_flag(w);
	entry.f = work_sent(w, &w->p.fields, &entry.nf);
	rc = entry.f != NULL ? journal_update(w, entry.f, entry.nf, &noted, again, e) : err_set(e, RC_NOMEM, "out of memory for the writes log");
	if (rc != RC_OK || *again)
		return rc;
	rc = work_log_write(w, &entry, e);
	if (rc != RC_OK)
		return rc;
	rc = update_send(w, &lm, e);
	if (rc == RC_TIMEOUT) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	if (rc != RC_OK) {
		if (work_withdraw(w, entry.wid, &why) != RC_OK)
			log_error("writes-log", "%s", why.text);
		journal_withdraw(op, noted);
		*again = rc == RC_CONFLICT || rc == RC_NOTFOUND;
		return *again ? RC_OK : rc;
	}
	entry.done = true;
	entry.lm = lm;
	for (size_t i = 0; i < op->n_writes; i++)
		if (op->writes[i].wid == entry.wid)
			op->writes[i] = entry;
	rc = store_write_save(op->c, &entry, e);
	if (rc == RC_OK)
		rc = touched_add(op, w->row->id, &w->ch);
	stash_forget(op, w->row->id);
	w->res->status = ST_OK;
	if (rc == RC_OK)
		rc = series_follow(w, false, e);
	if (rc == RC_OK && op->t.ct == CT_FOLDER && w->res->has_uuid)
		rc = op_refresh(op, true, e); /* it and all below it have new ids: the answer has to bring them */
	if (rc == RC_OK && w->cc->has_move && op->t.ct != CT_FOLDER)
		rc = write_move(w, again, e);
	return rc;
}

enum rc
work_gone(struct work *w, struct err *e)
{
	struct op *op = w->op;
	enum rc rc = op_kill(op, w->row->id, e);

	cursor_have_drop(&op->cur.c, w->row->id);
	return rc == RC_OK ? forced_add(op, w->row->id, SYNC_DEL) : rc;
}

bool
mail_in_trash(const struct op *op)
{
	const char *trash = ox_session_user(op->s->ox)->trash;
	size_t n = strlen(trash);

	return n > 0 && strncmp(op->t.oxid, trash, n) == 0 && (op->t.oxid[n] == '\0' || op->t.oxid[n] == '/');
}

/*
 * OX itself knows what the user wants (his setting mail/harddelete); a device may want it otherwise.  In the trash and below it a deletion is final.
 * What is gone already is deleted, so a repeat needs no note.
 */
static enum rc
delete_mail(struct work *w, struct err *e)
{
	struct op *op = w->op;
	const struct row *r = w->row;
	const char *trash = ox_session_user(op->s->ox)->trash;
	bool in_trash = mail_in_trash(op);
	struct device_config cfg;
	int64_t id;
	msec_t lm;
	enum rc rc;

	config_now(op->s, &cfg);
	if (cfg.mail_delete == MAIL_DELETE_TRASH && !in_trash && trash[0] != '\0') {
		rc = ox_move(op->s->ox, CT_MAIL, op->t.oxid, r->id, r->oxid, trash, 0, &id, &lm, e);
		if (rc == RC_OK)
			op_wake(op, tag_of_folder(op->g, op->s->n->account, CT_MAIL, trash));
		return rc;
	}
	return ox_delete(op->s->ox, CT_MAIL, op->t.oxid, r->id, r->oxid, 0, in_trash || cfg.mail_delete == MAIL_DELETE_FINAL, e);
}

enum rc
write_delete(struct work *w, bool *again, struct err *e)
{
	struct op *op = w->op;
	const struct row *r = w->row;
	const char *oxid = r->oxid;
	int64_t series = 0, noted = 0;
	enum rc rc = record_overwritten(w, again, e);

	if (rc == RC_OK && !*again)
		rc = series_of_row(w, &series, e);
	if (rc == RC_OK && !*again)
		rc = journal_delete(w, &noted, again, e);
	if (rc != RC_OK || *again)
		return rc;
	if (op->t.ct == CT_FOLDER) {
		if (oxid == NULL)
			oxid = arena_printf(op->a, "%lld", (long long)r->id);
		rc = oxid != NULL ? ox_folder_delete(op->s->ox, oxid, r->lm, e) : err_set(e, RC_NOMEM, "out of memory for a folder");
		hierarchy_drop(op);
	} else {
		rc = op->t.ct == CT_MAIL ? delete_mail(w, e) : ox_delete(op->s->ox, op->t.ct, op->t.oxid, r->id, oxid, r->lm, false, e);
	}
	if (rc == RC_TIMEOUT) {
		w->res->status = ST_RETRY;
		return RC_OK;
	}
	*again = rc == RC_CONFLICT || rc == RC_NOTFOUND;
	if (rc != RC_OK) {
		journal_withdraw(op, noted);
		return *again ? RC_OK : rc;
	}
	op->n_deleted++;
	w->res->status = ST_GONE;
	rc = work_gone(w, e);
	if (rc == RC_OK)
		rc = series_follow(w, true, e);
	return rc == RC_OK ? series_reread(w, series, e) : rc;
}
