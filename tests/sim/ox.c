/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The simulated OX: its folders and objects, what a request does to them, and the people who work in it directly. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* ---- state ---- */

static int
folder_add(struct sim *s, unsigned owner, enum content ct, const char *id, int parent, bool shared, int64_t title)
{
	struct oxfolder *f;

	if (s->ox.n_folder == MAX_FOLDER)
		sim_fail(s, "simulation: too many folders");
	f = &s->ox.folder[s->ox.n_folder];
	*f = (struct oxfolder){ .live = true, .ct = ct, .owner = owner, .parent = parent, .shared = shared, .lm = s->ox.now, .validity = 1, .next_uid = 1 };
	(void)snprintf(f->id, sizeof(f->id), "%s", id);
	f->title = title;
	return s->ox.n_folder++;
}

void
ox_init(struct sim *s)
{
	s->ox.now = 20000 * DAY;
	s->ox.next_id = 101;
	for (unsigned u = 0; u < s->v.users && u < MAX_USER; u++) {
		static const char *const names[MAX_USER][4] = { { "31", "32", "33", "34" }, { "41", "42", "43", "44" } };

		s->ox.folder[folder_add(s, u, CT_CONTACT, names[u][0], -1, false, token_new(s, 0))].standard = true;
		if (u == 0) {
			(void)folder_add(s, u, CT_CONTACT, names[u][1], -1, true, token_new(s, 0));
			(void)folder_add(s, u, CT_CALENDAR, names[u][2], -1, true, token_new(s, 0));
			(void)folder_add(s, u, CT_TASK, names[u][3], -1, false, token_new(s, 0));
		}
		if (s->v.mail) {
			s->ox.folder[folder_add(s, u, CT_MAIL, "default0/INBOX", -1, false, token_new(s, 0))].standard = true;
			s->ox.folder[folder_add(s, u, CT_MAIL, "default0/Trash", -1, false, token_new(s, 0))].standard = true;
		}
	}
}

bool
ox_sees(const struct sim *s, unsigned user, int folder)
{
	const struct oxfolder *f = folder >= 0 && folder < s->ox.n_folder ? &s->ox.folder[folder] : NULL;

	return f != NULL && f->live && (f->owner == user || (f->shared && f->ct != CT_MAIL));
}

int
ox_folder_by_id(const struct sim *s, unsigned user, enum content ct, const char *id)
{
	for (int i = 0; i < s->ox.n_folder; i++)
		if (ox_sees(s, user, i) && (ct == CT_FOLDER || s->ox.folder[i].ct == ct) && strcmp(s->ox.folder[i].id, id) == 0)
			return i;
	return -1;
}

static int
trash_of(const struct sim *s, unsigned user)
{
	return ox_folder_by_id(s, user, CT_MAIL, "default0/Trash");
}

static struct oxobj *
object_in(struct sim *s, int folder, int64_t id)
{
	for (size_t i = 0; i < s->ox.n_obj; i++)
		if (s->ox.obj[i].live && s->ox.obj[i].folder == folder && s->ox.obj[i].id == id)
			return &s->ox.obj[i];
	return NULL;
}

static msec_t
stamp(const struct sim *s, const struct oxobj *o)
{
	/* two changes of one object in one millisecond pass OX's own lock; nothing outside OX can cure that, so it is left out (F12) */
	return o != NULL && o->lm + 1 > s->ox.now ? o->lm + 1 : s->ox.now;
}

static void
note_deleted(struct sim *s, int folder, int64_t id, msec_t at)
{
	if (s->ox.n_del == MAX_OBJECT)
		sim_fail(s, "simulation: too many deletions");
	s->ox.del[s->ox.n_del].folder = folder;
	s->ox.del[s->ox.n_del].id = id;
	s->ox.del[s->ox.n_del++].at = at;
}

static struct oxobj *
object_add(struct sim *s, int folder, const int64_t *f, const char *uid, msec_t lm)
{
	struct oxfolder *in = &s->ox.folder[folder];
	struct oxobj *o;

	if (s->ox.n_obj == MAX_OBJECT)
		sim_fail(s, "simulation: too many objects");
	o = &s->ox.obj[s->ox.n_obj++];
	*o = (struct oxobj){ .live = true, .folder = folder, .lm = in->ct == CT_MAIL ? 0 : lm, .date = s->ox.now };
	o->id = in->ct == CT_MAIL ? (int64_t)in->next_uid++ : s->ox.next_id++;
	for (unsigned k = 0; k < sim_nf(in->ct); k++)
		o->f[k] = f[k] != 0 && sim_fields[in->ct][k].kind == FK_NORM ? f[k] | 1 : f[k];
	(void)snprintf(o->uid, sizeof(o->uid), "%s", uid);
	return o;
}

static void
texts_gone(struct sim *s, const struct oxobj *o)
{
	enum content ct = s->ox.folder[o->folder].ct;

	for (unsigned k = 0; k < sim_nf(ct); k++)
		if (is_typed(sim_fields[ct][k].kind))
			token_gone(s, o->f[k]);
	token_gone(s, o->token);
}

static void
object_remove(struct sim *s, struct oxobj *o, msec_t at)
{
	note_deleted(s, o->folder, o->id, at);
	o->live = false;
}

/* PIM objects keep their id, mails get a new one (ox-http-api.md 6). */
static struct oxobj *
object_move(struct sim *s, struct oxobj *o, int to, msec_t at)
{
	note_deleted(s, o->folder, o->id, at);
	if (s->ox.folder[to].ct == CT_MAIL)
		o->id = (int64_t)s->ox.folder[to].next_uid++;
	else
		o->lm = at;
	o->folder = to;
	return o;
}

static void
folder_remove(struct sim *s, int folder)
{
	struct oxfolder *f = &s->ox.folder[folder];

	f->live = false;
	token_gone(s, f->title);
	for (size_t i = 0; i < s->ox.n_obj; i++)
		if (s->ox.obj[i].live && s->ox.obj[i].folder == folder) {
			texts_gone(s, &s->ox.obj[i]);
			s->ox.obj[i].live = false;
		}
	for (int i = 0; i < s->ox.n_folder; i++)
		if (s->ox.folder[i].live && s->ox.folder[i].parent == folder)
			folder_remove(s, i);
}

/* ---- what a request does, at once and whole ---- */

static bool
may_write(const struct sim *s, unsigned user, int folder)
{
	return s->ox.folder[folder].owner == user || !s->ox.folder[folder].readonly;
}

static void
exec_object(struct sim *s, const struct oxop *op, struct oxres *r)
{
	enum content ct = s->ox.folder[op->folder].ct;
	struct oxobj *o = object_in(s, op->folder, op->id);

	if (o == NULL) {
		r->rc = ct == CT_MAIL ? RC_OK : RC_NOTFOUND; /* OX calls a change of a mail that is gone a success */
	} else if (!may_write(s, op->user, op->folder) || (op->kind == OX_MOVE && !may_write(s, op->user, op->to))) {
		r->rc = RC_FORBIDDEN;
	} else if (o->locked) {
		r->rc = RC_TIMEOUT;
	} else if (ct != CT_MAIL && op->guard != 0 && o->lm > op->guard) {
		r->rc = RC_CONFLICT;
	} else if (op->kind == OX_DELETE) {
		int trash = ct == CT_MAIL && !op->hard ? trash_of(s, op->user) : -1;

		if (trash >= 0 && trash != op->folder) {
			(void)object_move(s, o, trash, s->ox.now);
		} else {
			token_gone(s, o->token);
			object_remove(s, o, stamp(s, o));
		}
	} else if (op->kind == OX_MOVE) {
		msec_t at = stamp(s, o);

		o = object_move(s, o, op->to, at);
		r->id = o->id;
		r->lm = o->lm;
	} else {
		for (unsigned k = 0; k < sim_nf(ct); k++)
			if ((op->mask >> k & 1) != 0 && sim_fields[ct][k].kind == FK_FLAGS)
				o->f[k] = (o->f[k] | op->f[k]) & ~op->clear;
			else if ((op->mask >> k & 1) != 0)
				o->f[k] = op->f[k] != 0 && sim_fields[ct][k].kind == FK_NORM ? op->f[k] | 1 : op->f[k];
		if (ct != CT_MAIL)
			r->lm = o->lm = stamp(s, o);
	}
}

static void
exec_folder(struct sim *s, const struct oxop *op, struct oxres *r)
{
	struct oxfolder *f = op->folder >= 0 ? &s->ox.folder[op->folder] : NULL;
	char id[48];

	if (op->kind == OX_FCREATE) {
		for (int i = 0; i < s->ox.n_folder; i++)
			if (s->ox.folder[i].live && s->ox.folder[i].title == op->f[0]) {
				r->rc = RC_PROTO; /* the name is taken */
				return;
			}
		(void)snprintf(id, sizeof(id), op->ct == CT_MAIL ? "default0/w%lld" : "%lld", (long long)(op->ct == CT_MAIL ? op->f[0] / 2 : s->ox.next_id++));
		r->folder = folder_add(s, op->user, op->ct, id, op->to, false, op->f[0]);
		tell(s, "OX: folder %s is made, called w%lld", id, (long long)op->f[0] / 2);
		return;
	}
	if (!ox_sees(s, op->user, op->folder)) {
		r->rc = RC_NOTFOUND;
	} else if (f->owner != op->user || f->standard) {
		r->rc = RC_FORBIDDEN;
	} else if (f->ct != CT_MAIL && op->kind == OX_FUPDATE && op->guard != 0 && f->lm > op->guard) {
		r->rc = RC_CONFLICT;
	} else if (op->kind == OX_FDELETE) {
		folder_remove(s, op->folder);
	} else {
		tell(s, "OX: folder %s is renamed from w%lld to w%lld", f->id, (long long)f->title / 2, (long long)op->f[0] / 2);
		f->title = op->f[0];
		r->lm = f->lm = f->lm + 1 > s->ox.now ? f->lm + 1 : s->ox.now;
		if (f->ct == CT_MAIL) /* a mail folder's id is its path */
			(void)snprintf(f->id, sizeof(f->id), "default0/w%lld", (long long)(f->title / 2));
		r->folder = op->folder;
	}
}

void
ox_exec(struct sim *s, const struct oxop *op, struct oxres *r)
{
	struct oxobj *o;

	*r = (struct oxres){ .rc = RC_OK, .folder = -1 };
	if (op->kind >= OX_FCREATE) {
		exec_folder(s, op, r);
	} else if (!ox_sees(s, op->user, op->folder) || (op->kind == OX_MOVE && !ox_sees(s, op->user, op->to))) {
		r->rc = RC_NOTFOUND;
	} else if (op->kind != OX_CREATE && op->kind != OX_IMPORT) {
		exec_object(s, op, r);
	} else if (!may_write(s, op->user, op->folder)) {
		r->rc = RC_FORBIDDEN;
	} else {
		o = object_add(s, op->folder, op->f, op->uid, s->ox.now);
		o->token = op->token;
		r->id = o->id;
		r->lm = o->lm;
		tell(s, "OX: %s%lld is made in %s", op->kind == OX_IMPORT ? "mail " : "", (long long)o->id, s->ox.folder[op->folder].id);
	}
}

/* ---- people who work in OX directly; some of their transactions commit later than their timestamp says ---- */

msec_t
ox_new_time(struct sim *s, enum fkind kind)
{
	/* an end lies always behind every start, so that fields of two people merged make no appointment that ends before it begins */
	return s->ox.now + (rnd(s, 100) - (kind == FK_END ? -60 : 55)) * DAY + rnd(s, DAY);
}

static int64_t
new_value(struct sim *s, enum fkind kind, int64_t old)
{
	switch (kind) {
	case FK_START:
	case FK_END:
		return ox_new_time(s, kind);
	case FK_FLAGS:
		return old ^ (INT64_C(1) << (rnd(s, 2) == 0 ? 5 : 3)); /* seen, flagged */
	case FK_COLOR:
		return rnd(s, 4);
	default:
		if (old != 0 && kind == FK_TEXT && chance(s, 70)) {
			token_gone(s, old);
			return 0;
		}
		return token_new(s, old);
	}
}

static void
pend_do(struct sim *s, struct oxpend *p)
{
	struct oxobj *o = p->what == 0 ? NULL : &s->ox.obj[p->obj];

	if (p->what == 0) {
		if (s->ox.folder[p->to].live) {
			o = object_add(s, p->to, p->add.f, p->add.uid, p->lm);
			o->token = p->add.token;
			o->poison = p->add.poison;
		} else {
			for (unsigned k = 0; k < NF; k++)
				if (is_typed(sim_fields[s->ox.folder[p->to].ct][k].kind))
					token_gone(s, p->add.f[k]);
			token_gone(s, p->add.token);
		}
		return;
	}
	o->locked = false;
	if (!o->live) { /* its folder went in the meantime */
		if (p->what == 1 && is_typed(sim_fields[s->ox.folder[o->folder].ct][p->field].kind))
			token_gone(s, p->v);
		return;
	}
	if (p->what == 1) {
		enum fkind kind = sim_fields[s->ox.folder[o->folder].ct][p->field].kind;

		o->f[p->field] = p->v != 0 && kind == FK_NORM ? p->v | 1 : p->v;
		if (s->ox.folder[o->folder].ct != CT_MAIL)
			o->lm = p->lm;
	} else if (p->what == 2) {
		texts_gone(s, o);
		object_remove(s, o, p->lm);
	} else if (s->ox.folder[p->to].live) {
		(void)object_move(s, o, p->to, p->lm);
	}
}

static void
pend_add(struct sim *s, struct oxpend *p)
{
	msec_t delay = s->v.latecommit && chance(s, 400) ? rnd(s, COMMIT_DELAY + 1) : 0;

	p->at = s->ox.now + delay;
	if (delay == 0 || s->ox.n_pend == ARRAY_LEN(s->ox.pend)) {
		pend_do(s, p);
		return;
	}
	if (p->what != 0)
		s->ox.obj[p->obj].locked = true;
	s->ox.pend[s->ox.n_pend++] = *p;
}

static int
random_folder(struct sim *s, enum content ct)
{
	int n = 0, found[MAX_FOLDER];

	for (int i = 0; i < s->ox.n_folder; i++)
		if (s->ox.folder[i].live && (ct == CT_FOLDER || s->ox.folder[i].ct == ct))
			found[n++] = i;
	return n > 0 ? found[rnd(s, n)] : -1;
}

static void
person_adds(struct sim *s, int folder, const char *uid)
{
	enum content ct = s->ox.folder[folder].ct;
	struct oxpend p = { .what = 0, .to = folder, .lm = s->ox.now };

	for (unsigned k = 0; k < sim_nf(ct); k++)
		p.add.f[k] = ct == CT_MAIL ? 0 : new_value(s, sim_fields[ct][k].kind, 0);
	if (ct == CT_MAIL)
		p.add.token = token_new(s, 0);
	p.add.poison = s->v.poison && chance(s, 60);
	s->fig->poisons += p.add.poison;
	(void)snprintf(p.add.uid, sizeof(p.add.uid), "%s", uid);
	tell(s, "OX: somebody makes a new %s in %s", model_content(ct)->name, s->ox.folder[folder].id);
	pend_add(s, &p);
}

void
ox_person(struct sim *s)
{
	size_t live[MAX_OBJECT], n = 0;
	struct oxpend p = { 0 };
	struct oxobj *o;
	enum content ct;
	int64_t x = rnd(s, 100);
	int f = random_folder(s, CT_FOLDER), to;

	for (size_t i = 0; i < s->ox.n_obj; i++)
		if (s->ox.obj[i].live && !s->ox.obj[i].locked)
			live[n++] = i;
	if (x < 35 || n == 0) {
		if (f >= 0)
			person_adds(s, f, "");
		return;
	}
	p.obj = live[rnd(s, (int64_t)n)];
	o = &s->ox.obj[p.obj];
	ct = s->ox.folder[o->folder].ct;
	p.lm = stamp(s, o);
	if (x >= 78 && ct == CT_MAIL && o->uid[0] != '\0')
		return; /* the limit named in client_edit */
	if (x < 78) {
		p.what = 1;
		p.field = (int)rnd(s, sim_nf(ct));
		p.v = new_value(s, sim_fields[ct][p.field].kind, o->f[p.field]);
		tell(s, "OX: somebody sets %s of %lld in %s", sim_fields[ct][p.field].name, (long long)o->id, s->ox.folder[o->folder].id);
	} else if (x < 90 || !s->v.moves) {
		if (s->v.copies && ct != CT_MAIL && chance(s, 400)) { /* a copy keeps the uid (F16) */
			person_adds(s, o->folder, o->uid);
			return;
		}
		p.what = 2;
		tell(s, "OX: somebody deletes %lld in %s", (long long)o->id, s->ox.folder[o->folder].id);
	} else {
		to = random_folder(s, ct);
		if (to < 0 || to == o->folder || (ct == CT_MAIL && s->ox.folder[to].owner != s->ox.folder[o->folder].owner))
			return;
		p.what = 3;
		p.to = to;
		tell(s, "OX: somebody moves %lld from %s to %s", (long long)o->id, s->ox.folder[o->folder].id, s->ox.folder[to].id);
	}
	pend_add(s, &p);
}

/* UIDVALIDITY: the folder is made anew under its name, its mails get other numbers. */
static void
new_validity(struct sim *s, int folder)
{
	struct oxfolder *f = &s->ox.folder[folder];

	f->validity++;
	f->next_uid = 1;
	for (size_t i = 0; i < s->ox.n_obj; i++)
		if (s->ox.obj[i].live && s->ox.obj[i].folder == folder)
			s->ox.obj[i].id = (int64_t)f->next_uid++;
	s->fig->validity++;
	tell(s, "OX: mail folder %s is made anew", f->id);
}

void
ox_folder_person(struct sim *s)
{
	struct oxop op = { .user = (unsigned)rnd(s, s->v.users), .to = -1 };
	struct oxres r;
	int f = random_folder(s, CT_FOLDER);
	struct oxfolder *x = f >= 0 ? &s->ox.folder[f] : NULL;
	int64_t what = rnd(s, 10);

	if (x == NULL)
		return;
	if (what < 4 && s->v.shares && x->ct != CT_MAIL && !x->standard) {
		if (what < 3)
			x->shared = !x->shared;
		else
			x->readonly = !x->readonly;
		x->lm = x->lm + 1 > s->ox.now ? x->lm + 1 : s->ox.now;
		s->fig->shares++;
		tell(s, "OX: folder %s is %s, %s", x->id, x->shared ? "shared" : "not shared", x->readonly ? "read-only" : "writable");
	} else if (what < 5 && s->v.validity && x->ct == CT_MAIL) {
		new_validity(s, f);
	} else if (s->v.folders && what >= 5) {
		op.kind = what < 7 ? OX_FCREATE : what < 9 ? OX_FUPDATE : OX_FDELETE;
		op.folder = f;
		if (op.kind != OX_FCREATE)
			op.user = x->owner;
		if (op.kind == OX_FUPDATE && x->standard)
			return;
		op.f[0] = op.kind == OX_FDELETE ? 0 : token_new(s, op.kind == OX_FUPDATE ? x->title : 0);
		op.ct = (enum content)(CT_CONTACT + rnd(s, s->v.mail ? 4 : 3));
		s->fig->folder_ops++;
		tell(s, "OX: folder %s %s", op.kind == OX_FCREATE ? "new" : x->id, op.kind == OX_FCREATE ? "is made" : op.kind == OX_FUPDATE ? "is renamed" : "is deleted");
		ox_exec(s, &op, &r);
		if (r.rc != RC_OK)
			token_gone(s, op.f[0]);
	}
}

void
ox_settle(struct sim *s)
{
	for (size_t i = 0; i < s->ox.n_pend; i++)
		pend_do(s, &s->ox.pend[i]);
	s->ox.n_pend = 0;
}

void
ox_clock(struct sim *s, msec_t d)
{
	struct oxres r;

	s->ox.now += d;
	for (size_t i = 0; i < s->ox.n_pend;) {
		struct oxpend p = s->ox.pend[i];

		if (p.at > s->ox.now) {
			i++;
			continue;
		}
		s->ox.pend[i] = s->ox.pend[--s->ox.n_pend];
		pend_do(s, &p);
	}
	for (size_t i = 0; i < s->ox.n_late;) {
		struct oxop op = s->ox.late[i].op;

		if (s->ox.late[i].at > s->ox.now) {
			i++;
			continue;
		}
		s->ox.late[i] = s->ox.late[--s->ox.n_late];
		tell(s, "OX: executes a request that was given up");
		ox_exec(s, &op, &r);
	}
}
