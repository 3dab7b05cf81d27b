/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * include/usmd/backend.h on the simulated OX.  Every call is two steps of I/O, the way there and the way back; between them OX
 * does its work at once, or never, or after the caller has given up.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ox_session { struct ox_user user; unsigned refs, u; };

/* ---- the way there and back ---- */

/* RC_OK: the request has reached OX. */
static enum rc
way_there(struct err *e)
{
	struct sim *s = the_sim;

	if (!io_step(s))
		return err_set(e, RC_UPSTREAM, "this node is dead");
	if (!s->v.faults || s->reliable)
		return RC_OK;
	if (chance(s, 15)) {
		s->fig->errors++;
		tell(s, "OX cannot be reached");
		return err_set(e, RC_UPSTREAM, "OX cannot be reached");
	}
	return RC_OK;
}

static enum rc
way_back(struct err *e)
{
	struct sim *s = the_sim;

	if (!io_step(s))
		return err_set(e, RC_TIMEOUT, "this node is dead");
	if (s->v.faults && !s->reliable && chance(s, 15)) {
		s->fig->timeouts++;
		tell(s, "OX's answer is lost");
		return err_set(e, RC_TIMEOUT, "OX did not answer");
	}
	return RC_OK;
}

static enum rc
write_ox(const struct oxop *op, struct oxres *r, struct err *e)
{
	struct sim *s = the_sim;
	enum rc rc = way_there(e);

	*r = (struct oxres){ .folder = -1 };
	if (rc != RC_OK)
		return rc;
	if (s->v.late && !s->reliable && chance(s, 40)) {
		s->fig->timeouts++;
		if (chance(s, 600) && s->ox.n_late < ARRAY_LEN(s->ox.late)) {
			s->ox.late[s->ox.n_late].at = s->ox.now + rnd(s, LATE_RUN);
			s->ox.late[s->ox.n_late++].op = *op;
			s->fig->late++;
		}
		tell(s, "OX does not answer a write");
		return err_set(e, RC_TIMEOUT, "OX did not answer");
	}
	if (s->v.faults && !s->reliable && (op->kind == OX_UPDATE || op->kind == OX_MOVE) && chance(s, op->kind == OX_MOVE ? 100 : 15)) {
		s->fig->refused++;
		rc = way_back(e);
		return rc != RC_OK ? rc : err_set(e, RC_PROTO, "OX does not take this change"); /* a rule of its own; nothing is written */
	}
	ox_exec(s, op, r);
	rc = way_back(e);
	if (rc != RC_OK)
		return rc;
	return r->rc == RC_OK ? RC_OK : err_set(e, r->rc, "OX refuses: %s", rc_name(r->rc));
}

/* ---- sessions ---- */

enum rc
ox_login(struct backend *b, const char *name, const char *password, const char *device_agent, struct ox_session **out, struct err *e)
{
	struct ox_session *x;
	enum rc rc = way_there(e);

	(void)b;
	(void)password;
	(void)device_agent;
	*out = NULL;
	if (rc == RC_OK)
		rc = way_back(e);
	if (rc != RC_OK)
		return rc;
	x = mem_alloc(sizeof(*x));
	x->refs = 1;
	x->u = (unsigned)(name[4] - '0'); /* "user0" */
	x->user.context_id = 1;
	x->user.user_id = 3 + x->u;
	(void)snprintf(x->user.locale, sizeof(x->user.locale), "en_US");
	(void)snprintf(x->user.trash, sizeof(x->user.trash), "default0/Trash");
	*out = x;
	return RC_OK;
}

const struct ox_user *ox_session_user(const struct ox_session *s) { return &s->user; }
bool ox_session_password_is(struct ox_session *s, const char *password) { return s != NULL && password != NULL; }
void ox_session_end(struct ox_session *s) { (void)s; }

struct ox_session *
ox_session_ref(struct ox_session *s)
{
	s->refs++;
	return s;
}

void
ox_session_unref(struct ox_session *s)
{
	if (s != NULL && --s->refs == 0)
		mem_free(s);
}

/* ---- objects as OX shows them ---- */

static void
set(struct object *o, const char *name, json_t *v)
{
	int i = model_field(model_content(o->ct), name);

	if (i >= 0 && v != NULL)
		object_set(o, (unsigned)i, v);
	else
		json_decref(v);
}

/* LISTED: only what the cheap listing asks for. */
static struct object *
show(struct arena *a, const struct oxobj *x, bool listed)
{
	const struct oxfolder *f = &the_sim->ox.folder[x->folder];
	const struct content_type *t = model_content(f->ct);
	struct object *o = object_new(a, f->ct);
	char id[24];

	if (o == NULL)
		abort();
	(void)snprintf(id, sizeof(id), "%lld", (long long)x->id);
	o->id = x->id;
	o->oxid = arena_strdup(a, id);
	o->folder = f->id;
	o->lm = x->lm;
	set(o, "id", json_string(id));
	if (f->ct != CT_MAIL) {
		set(o, "last_modified_utc", json_integer(x->lm));
		if (x->uid[0] != '\0')
			set(o, "uid", json_string(x->uid));
	} else {
		set(o, "received_date", json_integer(x->date));
	}
	for (unsigned k = 0; k < sim_nf(f->ct); k++)
		if (!listed || (t->fields[sim_fields[f->ct][k].i].flags & FF_LISTED) != 0)
			set(o, sim_fields[f->ct][k].name, sim_json(sim_fields[f->ct][k].kind, x->f[k]));
	if (f->ct == CT_TASK) /* the same, for listings */
		set(o, "end_date", sim_json(FK_END, x->f[2]));
	if (!listed)
		set(o, "folder_id", json_string(f->id));
	return o;
}

static struct object *
show_broken(struct arena *a, const struct oxobj *x)
{
	struct object *o = object_new(a, the_sim->ox.folder[x->folder].ct);

	o->id = x->id;
	o->oxid = arena_printf(a, "%lld", (long long)x->id);
	o->folder = the_sim->ox.folder[x->folder].id;
	o->broken = true;
	return o;
}

static enum rc
sight(struct arena *a, const struct model_keys *keys, const struct oxobj *x, struct sighting *out, struct err *e)
{
	struct object *o = show(a, x, true);
	enum rc rc = object_sight(a, keys, o, out);

	if (o->ct != CT_MAIL) {
		out->known = false;
		out->nf = 0;
	}
	object_drop(o);
	return rc == RC_OK ? rc : err_set(e, rc, "out of memory");
}

static enum rc
folder_of(struct ox_session *s, enum content ct, const char *folder, int *out, struct err *e)
{
	*out = ox_folder_by_id(the_sim, s->u, ct, folder);
	return *out >= 0 ? RC_OK : err_set(e, RC_NOTFOUND, "no such folder");
}

/* ---- reading ---- */

enum rc
ox_folders(struct ox_session *s, struct arena *a, struct object ***out, size_t *n, struct err *e)
{
	struct sim *w = the_sim;
	enum rc rc = way_there(e);

	*out = arena_array(a, struct object *, MAX_FOLDER);
	*n = 0;
	for (int i = 0; rc == RC_OK && i < w->ox.n_folder; i++) {
		const struct oxfolder *f = &w->ox.folder[i];
		struct object *o;

		if (!ox_sees(w, s->u, i))
			continue;
		o = (*out)[(*n)++] = object_new(a, CT_FOLDER);
		o->oxid = arena_strdup(a, f->id);
		o->lm = f->lm;
		set(o, "id", json_string(f->id));
		set(o, "folder_id", json_string(f->parent >= 0 ? w->ox.folder[f->parent].id : f->ct == CT_MAIL ? "default0" : "1"));
		set(o, "title", sim_json(FK_TEXT, f->title));
		set(o, "module", json_string(model_content(f->ct)->ox_module));
		set(o, "last_modified_utc", json_integer(f->lm));
		set(o, "type", json_integer(f->ct == CT_MAIL ? 7 : f->owner == s->u ? OX_TYPE_PRIVATE : OX_TYPE_SHARED));
		set(o, "created_by", json_integer(3 + f->owner));
		if (f->standard)
			set(o, "standard_folder", json_true());
		set(o, "own_rights", json_integer(f->owner == s->u ? 403710016 : f->readonly ? 257 : 4227330)); /* owner, reviewer, editor */
	}
	if (rc == RC_OK)
		rc = way_back(e);
	if (rc != RC_OK) {
		object_drop_all(*out, *n);
		*n = 0;
	}
	return rc;
}

enum rc
ox_listing(struct ox_session *s, struct arena *a, const struct model_keys *keys, enum content ct, const char *folder, struct sighting **out, size_t *n, struct err *e)
{
	struct sim *w = the_sim;
	int f;
	enum rc rc = way_there(e);

	*n = 0;
	*out = arena_array(a, struct sighting, w->ox.n_obj + 1);
	if (rc == RC_OK)
		rc = folder_of(s, ct, folder, &f, e);
	for (size_t i = 0; rc == RC_OK && i < w->ox.n_obj; i++)
		if (w->ox.obj[i].live && w->ox.obj[i].folder == f)
			rc = sight(a, keys, &w->ox.obj[i], &(*out)[(*n)++], e);
	return rc == RC_OK ? way_back(e) : rc;
}

struct updates { struct object **o; size_t n; int64_t *del; size_t n_del; msec_t ts; bool poison; };

static void
updates(struct arena *a, int f, msec_t since, struct updates *u)
{
	struct sim *w = the_sim;

	memset(u, 0, sizeof(*u));
	u->o = arena_array(a, struct object *, w->ox.n_obj + 1);
	u->del = arena_array(a, int64_t, w->ox.n_del + 1);
	for (size_t i = 0; i < w->ox.n_obj; i++) {
		const struct oxobj *x = &w->ox.obj[i];

		if (!x->live || x->folder != f || x->lm <= since)
			continue;
		u->poison |= x->poison;
		u->o[u->n++] = show(a, x, false);
		u->ts = x->lm > u->ts ? x->lm : u->ts;
	}
	for (size_t i = 0; i < w->ox.n_del; i++) {
		bool back = false;

		if (w->ox.del[i].folder != f || w->ox.del[i].at <= since || w->ox.del[i].at <= w->ox.now - RETAIN)
			continue;
		for (size_t k = 0; k < u->n; k++)
			back |= u->o[k]->id == w->ox.del[i].id;
		for (size_t k = 0; k < u->n_del; k++)
			back |= u->del[k] == w->ox.del[i].id;
		if (!back)
			u->del[u->n_del++] = w->ox.del[i].id;
		u->ts = w->ox.del[i].at > u->ts ? w->ox.del[i].at : u->ts;
	}
}

static void
digest_of(const struct updates *u, struct ox_digest *d)
{
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < u->n; i++)
		(void)object_text(&b, u->o[i], NULL, 0, true);
	for (size_t i = 0; i < u->n_del; i++)
		buf_add_i64(&b, u->del[i]);
	d->set = true;
	sha256(b.p != NULL ? b.p : "", b.len, d->b);
	buf_fini(&b);
}

enum rc
ox_updates(struct ox_session *s, struct arena *a, enum content ct, const char *folder, msec_t since, struct object ***out, size_t *n, int64_t **deleted,
    size_t *n_deleted, msec_t *ts, struct ox_digest *digest, struct err *e)
{
	struct updates u = { 0 };
	int f;
	enum rc rc = way_there(e);

	*out = NULL;
	*n = *n_deleted = 0;
	*deleted = NULL;
	*ts = 0;
	if (rc == RC_OK)
		rc = folder_of(s, ct, folder, &f, e);
	if (rc != RC_OK)
		return rc;
	updates(a, f, since, &u);
	if (digest != NULL)
		digest_of(&u, digest);
	rc = way_back(e);
	if (rc == RC_OK && u.poison) {
		rc = err_set(e, RC_UPSTREAM, "OX fails on an object");
		e->category = 8;
	} else if (rc == RC_OK && ct == CT_CONTACT && u.n == 0 && u.n_del > 0) {
		rc = err_set(e, RC_NOTFOUND, "OX fails while there are deletions only");
		(void)snprintf(e->code, sizeof(e->code), "SVL-0011");
	}
	if (rc != RC_OK) {
		object_drop_all(u.o, u.n);
		return rc;
	}
	*out = u.o;
	*n = u.n;
	*deleted = u.del;
	*n_deleted = u.n_del;
	*ts = u.ts;
	return RC_OK;
}

bool
ox_updates_same(struct ox_session *s, enum content ct, const char *folder, msec_t since, const struct ox_digest *digest)
{
	struct arena *a = arena_new(0);
	struct updates u = { 0 };
	struct ox_digest now = { 0 };
	int f = -1;
	bool same = false;

	if (way_there(NULL) == RC_OK && folder_of(s, ct, folder, &f, NULL) == RC_OK) {
		updates(a, f, since, &u);
		digest_of(&u, &now);
		same = !u.poison && !(ct == CT_CONTACT && u.n == 0 && u.n_del > 0) && memcmp(now.b, digest->b, sizeof(now.b)) == 0;
		same = way_back(NULL) == RC_OK && same;
	}
	object_drop_all(u.o, u.n);
	arena_free(a);
	return same;
}

enum rc
ox_updates_many(struct ox_session *s, struct arena *a, struct ox_updates_req *req, size_t n, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < n; i++)
		req[i].rc = ox_updates(s, a, req[i].ct, req[i].folder, req[i].since, &req[i].objects, &req[i].n, &req[i].deleted, &req[i].n_deleted,
		    &req[i].ts, NULL, &req[i].err);
	return RC_OK;
}

enum rc
ox_list(struct ox_session *s, struct arena *a, enum content ct, const char *folder, const int64_t *ids, const char *const *oxid, size_t n_ids,
    struct object ***out, size_t *n, struct err *e)
{
	struct sim *w = the_sim;
	int f;
	enum rc rc = way_there(e);

	(void)oxid;
	*n = 0;
	*out = arena_array(a, struct object *, n_ids + 1);
	if (rc == RC_OK)
		rc = folder_of(s, ct, folder, &f, e);
	for (size_t k = 0; rc == RC_OK && k < n_ids; k++)
		for (size_t i = 0; i < w->ox.n_obj; i++)
			if (w->ox.obj[i].live && w->ox.obj[i].folder == f && w->ox.obj[i].id == ids[k])
				(*out)[(*n)++] = w->ox.obj[i].poison ? show_broken(a, &w->ox.obj[i]) : show(a, &w->ox.obj[i], false);
	if (rc == RC_OK)
		rc = way_back(e);
	if (rc != RC_OK) {
		object_drop_all(*out, *n);
		*n = 0;
	}
	return rc;
}

enum rc
ox_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, struct object **out, struct err *e)
{
	struct sim *w = the_sim;
	const struct oxobj *found = NULL;
	enum rc rc = way_there(e);

	*out = NULL;
	for (size_t i = 0; rc == RC_OK && i < w->ox.n_obj; i++) {
		const struct oxobj *x = &w->ox.obj[i];

		if (x->live && ox_sees(w, s->u, x->folder) && w->ox.folder[x->folder].ct == ct && strcmp(x->uid, uid) == 0 && (found == NULL || x->id < found->id))
			found = x;
	}
	if (rc == RC_OK && found != NULL)
		*out = show(a, found, false);
	if (rc == RC_OK)
		rc = way_back(e);
	if (rc != RC_OK) {
		object_drop(*out);
		*out = NULL;
		return rc;
	}
	return found != NULL ? RC_OK : err_set(e, RC_NOTFOUND, "no such uid");
}

enum rc
ox_get_any(struct ox_session *s, struct arena *a, enum content ct, const char *folder_hint, int64_t id, struct object **out, struct err *e)
{
	struct sim *w = the_sim;
	enum rc rc = way_there(e);

	(void)folder_hint;
	*out = NULL;
	for (size_t i = 0; rc == RC_OK && i < w->ox.n_obj && *out == NULL; i++)
		if (w->ox.obj[i].live && w->ox.obj[i].id == id && w->ox.folder[w->ox.obj[i].folder].ct == ct && ox_sees(w, s->u, w->ox.obj[i].folder))
			*out = show(a, &w->ox.obj[i], false);
	if (rc == RC_OK)
		rc = way_back(e);
	if (rc != RC_OK) {
		object_drop(*out);
		*out = NULL;
		return rc;
	}
	return *out != NULL ? RC_OK : err_set(e, RC_NOTFOUND, "no such object");
}

enum rc
ox_photo(struct ox_session *s, const char *folder, int64_t id, struct buf *out, struct err *e)
{
	(void)s;
	(void)folder;
	(void)id;
	(void)out;
	return err_set(e, RC_NOTFOUND, "not simulated");
}

enum rc
ox_principal_name(struct ox_session *s, struct arena *a, int64_t id, bool group, char **name, struct err *e)
{
	enum rc rc = way_there(e);

	(void)s;
	*name = arena_printf(a, "%s %lld", group ? "group" : "user", (long long)id);
	return rc == RC_OK ? way_back(e) : rc;
}

/* ---- writing ---- */

static void
op_fields(struct oxop *op, enum content ct, const struct object *o, const struct fmask *fields)
{
	const struct content_type *t = model_content(ct);

	for (unsigned i = 0; i < t->n_fields; i++) /* of a mail's flags those bits that are named */
		if (fields != NULL && (t->fields[i].flags & FF_SETTABLE) != 0 && fmask_has(fields, i)) {
			op->mask |= 1;
			*(o->v[i] != NULL ? &op->f[0] : &op->clear) |= t->fields[i].max_len;
		}
	for (unsigned k = 0; k < sim_nf(ct); k++) {
		if (fields != NULL && !fmask_has(fields, sim_fields[ct][k].i))
			continue;
		op->mask |= 1U << k;
		op->f[k] = sim_value(sim_fields[ct][k].kind, o->v[sim_fields[ct][k].i]);
	}
}

static enum rc
op_begin_in(struct ox_session *s, enum oxkind kind, enum content ct, const char *folder, struct oxop *op, struct err *e)
{
	*op = (struct oxop){ .kind = kind, .user = s->u, .ct = ct };
	op->folder = ox_folder_by_id(the_sim, s->u, ct, folder);
	if (op->folder >= 0)
		return RC_OK;
	if (!io_step(the_sim))
		return err_set(e, RC_UPSTREAM, "this node is dead");
	return err_set(e, RC_NOTFOUND, "no such folder");
}

enum rc
ox_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e)
{
	struct oxop op;
	struct oxres r;
	enum rc rc = op_begin_in(s, OX_CREATE, o->ct, folder, &op, e);

	if (rc != RC_OK)
		return rc;
	op_fields(&op, o->ct, o, NULL);
	(void)snprintf(op.uid, sizeof(op.uid), "%s", uid != NULL ? uid : "");
	rc = write_ox(&op, &r, e);
	*id = r.id;
	*lm = r.lm;
	return rc;
}

enum rc
ox_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm,
    msec_t *new_lm, struct err *e)
{
	struct oxop op;
	struct oxres r;
	enum rc rc = op_begin_in(s, OX_UPDATE, o->ct, folder, &op, e);

	(void)oxid;
	*new_lm = 0;
	if (rc != RC_OK)
		return rc;
	op.id = id;
	op.guard = lm;
	op_fields(&op, o->ct, o, fields);
	rc = write_ox(&op, &r, e);
	*new_lm = r.lm;
	return rc;
}

enum rc
ox_delete(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, msec_t lm, bool hard, struct err *e)
{
	struct oxop op;
	struct oxres r;
	enum rc rc = op_begin_in(s, OX_DELETE, ct, folder, &op, e);

	(void)oxid;
	op.id = id;
	op.guard = lm;
	op.hard = hard;
	return rc == RC_OK ? write_ox(&op, &r, e) : rc;
}

enum rc
ox_move(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, const char *to, msec_t lm, int64_t *new_id, msec_t *new_lm,
    struct err *e)
{
	struct oxop op;
	struct oxres r;
	enum rc rc = op_begin_in(s, OX_MOVE, ct, folder, &op, e);

	(void)oxid;
	if (rc != RC_OK)
		return rc;
	op.to = ox_folder_by_id(the_sim, s->u, ct, to);
	if (op.to < 0)
		return err_set(e, RC_NOTFOUND, "no such folder");
	op.id = id;
	op.guard = lm;
	rc = write_ox(&op, &r, e);
	if (rc == RC_OK && ct == CT_MAIL && r.id == 0)
		rc = err_set(e, RC_NOTFOUND, "the mail is gone");
	the_sim->fig->moves += rc == RC_OK;
	*new_id = r.id;
	*new_lm = r.lm;
	return rc;
}

/* ---- series: the world has none ---- */

enum rc
ox_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e)
{
	(void)s, (void)folder, (void)series, (void)day, (void)position, (void)e;
	*id = 0;
	return RC_OK;
}

void
ox_update_together(enum content ct, const struct fmask *fields, struct fmask *out)
{
	(void)ct, (void)fields;
	memset(out, 0, sizeof(*out));
}

/* ---- folders ---- */

enum rc
ox_folder_create(struct ox_session *s, struct arena *a, const char *parent, enum content module, const char *title, char **oxid, msec_t *lm, struct err *e)
{
	struct oxop op = { .kind = OX_FCREATE, .user = s->u, .folder = -1, .ct = module };
	struct oxres r;
	json_t *t = json_string(title);
	enum rc rc;

	op.to = ox_folder_by_id(the_sim, s->u, CT_FOLDER, parent);
	op.f[0] = sim_value(FK_TEXT, t);
	json_decref(t);
	rc = write_ox(&op, &r, e);
	*lm = 0;
	*oxid = rc == RC_OK ? arena_strdup(a, the_sim->ox.folder[r.folder].id) : NULL;
	return rc;
}

enum rc
ox_folder_update(struct ox_session *s, struct arena *a, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm, char **new_oxid,
    msec_t *new_lm, struct err *e)
{
	struct oxop op;
	struct oxres r;
	enum rc rc = op_begin_in(s, OX_FUPDATE, CT_FOLDER, oxid, &op, e);

	*new_lm = 0;
	*new_oxid = arena_strdup(a, oxid);
	if (rc != RC_OK)
		return rc;
	op.guard = lm;
	op_fields(&op, CT_FOLDER, o, fields);
	if (op.mask == 0)
		return RC_OK;
	rc = write_ox(&op, &r, e);
	*new_lm = r.lm;
	if (rc == RC_OK)
		*new_oxid = arena_strdup(a, the_sim->ox.folder[r.folder].id);
	return rc;
}

enum rc
ox_folder_delete(struct ox_session *s, const char *oxid, msec_t lm, struct err *e)
{
	struct oxop op;
	struct oxres r;
	enum rc rc = op_begin_in(s, OX_FDELETE, CT_FOLDER, oxid, &op, e);

	op.guard = lm;
	return rc == RC_OK ? write_ox(&op, &r, e) : rc;
}

/* ---- mail ---- */

enum rc
ox_mail_examine(struct ox_session *s, const char *folder, struct ox_examine *out, struct err *e)
{
	struct sim *w = the_sim;
	int f;
	enum rc rc = way_there(e);

	if (rc == RC_OK)
		rc = folder_of(s, CT_MAIL, folder, &f, e);
	if (rc != RC_OK)
		return rc;
	*out = (struct ox_examine){ .validity = w->ox.folder[f].validity, .next = w->ox.folder[f].next_uid };
	for (size_t i = 0; i < w->ox.n_obj; i++)
		if (w->ox.obj[i].live && w->ox.obj[i].folder == f) {
			out->total++;
			out->unread += (w->ox.obj[i].f[0] & 32) == 0;
		}
	return way_back(e);
}

static int
uid_descending(const void *x, const void *y)
{
	int64_t a = ((const struct sighting *)x)->id, b = ((const struct sighting *)y)->id;

	return a < b ? 1 : a > b ? -1 : 0;
}

enum rc
ox_mail_newest(struct ox_session *s, struct arena *a, const struct model_keys *keys, const char *folder, size_t max, const int64_t *top,
    struct sighting **out, size_t *n, struct err *e)
{
	enum rc rc = ox_listing(s, a, keys, CT_MAIL, folder, out, n, e);
	size_t kept = 0;

	if (rc == RC_OK && *n > 1)
		qsort(*out, *n, sizeof(**out), uid_descending);
	if (*n < max)
		return rc;
	for (size_t i = 0, k = 0; i < *n && (top == NULL ? kept < max : k < max); i++) {
		while (top != NULL && k < max && top[k] > (*out)[i].id)
			k++;
		if (top == NULL || (k < max && top[k] == (*out)[i].id))
			(*out)[kept++] = (*out)[i];
	}
	*n = kept;
	return rc;
}

enum rc
ox_mail_raw(struct ox_session *s, const char *folder, int64_t id, const char *oxid, struct buf *out, struct err *e)
{
	(void)s;
	(void)folder;
	(void)id;
	(void)oxid;
	(void)out;
	return err_set(e, RC_NOTFOUND, "not simulated");
}

enum rc
ox_mail_import(struct ox_session *s, const char *folder, const void *raw, size_t n, int flags, int64_t *id, struct err *e)
{
	struct oxop op;
	struct oxres r;
	const char *text = raw, *t = NULL, *m = NULL;
	enum rc rc = op_begin_in(s, OX_IMPORT, CT_MAIL, folder, &op, e);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i + 12 < n; i++) {
		if (t == NULL && strncmp(text + i, "X-Token: ", 9) == 0)
			t = text + i + 9;
		if (m == NULL && strncmp(text + i, "Message-ID: ", 12) == 0)
			m = text + i + 12;
	}
	if (t == NULL || m == NULL)
		sim_fail(the_sim, "a mail is sent to OX without its header");
	op.f[0] = flags;
	op.token = 2 * strtoll(t, NULL, 10);
	(void)snprintf(op.uid, sizeof(op.uid), "%.*s", (int)strcspn(m, "\r\n"), m);
	rc = write_ox(&op, &r, e);
	*id = r.id;
	return rc;
}

static struct ox_mail_head
head_of(const struct oxobj *o)
{
	return (struct ox_mail_head){ .message_id = o->uid, .message_id_len = strlen(o->uid), .size = o->token, .received = o->date };
}

enum rc
ox_mail_find(struct ox_session *s, const char *folder, const struct ox_mail_wanted *want, int64_t *id, struct err *e)
{
	struct sim *w = the_sim;
	int f;
	enum rc rc = way_there(e);

	*id = 0;
	if (rc == RC_OK)
		rc = folder_of(s, CT_MAIL, folder, &f, e);
	for (size_t i = 0; rc == RC_OK && i < w->ox.n_obj; i++) {
		const struct oxobj *o = &w->ox.obj[i];
		struct ox_mail_head h = head_of(o);

		if (o->live && o->folder == f && o->id >= want->from && (*id == 0 || o->id < *id) && want->is(want->arg, &h))
			*id = o->id;
	}
	if (rc == RC_OK) {
		tell(w, "OX: a mail is looked for in %s from %lld on: %lld", folder, (long long)want->from, (long long)*id);
		rc = way_back(e);
	}
	return rc != RC_OK ? rc : *id != 0 ? RC_OK : err_set(e, RC_NOTFOUND, "no such mail");
}

enum rc
ox_mail_head(struct ox_session *s, struct arena *a, const char *folder, int64_t id, const char *oxid, struct ox_mail_head *out, struct err *e)
{
	struct sim *w = the_sim;
	int f;
	enum rc rc = way_there(e);

	(void)oxid;
	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = folder_of(s, CT_MAIL, folder, &f, e);
	for (size_t i = 0; rc == RC_OK && i < w->ox.n_obj && out->message_id == NULL; i++)
		if (w->ox.obj[i].live && w->ox.obj[i].folder == f && w->ox.obj[i].id == id) {
			*out = head_of(&w->ox.obj[i]);
			out->message_id = arena_strdup(a, out->message_id);
		}
	if (rc == RC_OK)
		rc = way_back(e);
	return rc != RC_OK ? rc : out->message_id != NULL ? RC_OK : err_set(e, RC_NOTFOUND, "no such mail");
}

/* Commands that no history uses. */
enum rc
ox_mail_copy(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *to, int64_t *new_id, struct err *e)
{
	(void)s;
	(void)folder;
	(void)id;
	(void)oxid;
	(void)to;
	*new_id = 0;
	return err_set(e, RC_NOTFOUND, "not simulated");
}

enum rc
ox_mail_mark(struct ox_session *s, const char *folder, int64_t id, const char *oxid, unsigned set, struct err *e)
{
	(void)s;
	(void)folder;
	(void)id;
	(void)oxid;
	(void)set;
	return err_set(e, RC_NOTFOUND, "not simulated");
}

enum rc
ox_mail_send(struct ox_session *s, struct arena *a, const void *raw, size_t n, int copy, const char **folder, int64_t *id, struct err *e)
{
	(void)s;
	(void)a;
	(void)raw;
	(void)n;
	(void)copy;
	*folder = NULL;
	*id = 0;
	return err_set(e, RC_PROTO, "not simulated");
}

enum rc
ox_mail_body(struct ox_session *s, struct arena *a, const char *folder, int64_t id, const char *oxid, struct ox_mail_body *out, struct err *e)
{
	(void)s;
	(void)a;
	(void)folder;
	(void)id;
	(void)oxid;
	memset(out, 0, sizeof(*out));
	return err_set(e, RC_NOTFOUND, "not simulated");
}

enum rc
ox_mail_part(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *part, struct buf *out, struct err *e)
{
	(void)part;
	return ox_mail_raw(s, folder, id, oxid, out, e);
}

enum rc
ox_session_check(struct ox_session *s, struct err *e)
{
	(void)s, (void)e;
	return RC_OK;
}

/* Nobody waits in this world: the threads that look where somebody does are not started. */
uint64_t
backend_requests(void)
{
	return 0;
}

bool
backend_trusts(const struct backend *b)
{
	(void)b;
	return true;
}

enum rc
ox_push_subscribe(struct ox_session *s, const char *webhook, const char *uri, msec_t expires, struct err *e)
{
	(void)s, (void)webhook, (void)uri, (void)expires;
	return err_set(e, RC_UPSTREAM, "this server has no pns");
}
