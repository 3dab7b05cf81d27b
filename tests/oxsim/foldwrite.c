/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module folders: creating, changing and deleting.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/folder.h"

/* both shapes are accepted: {"folder":{..}} and the bare object */
static const json_t *
folder_body(struct req *r)
{
	json_t *j = body_object(r);
	const json_t *in = json_object_get(j, "folder");

	return json_is_object(in) ? in : j;
}

static bool
title_ok(struct req *r, const char *t, size_t n)
{
	size_t i, len = utf8_len(t, n);

	for (i = 0; i < n; i++)
		if ((unsigned char)t[i] < 0x20 && strchr("\t\n\r", t[i]) == NULL) {
			fail(r, "FLD-0076", json_pack("[s]", "title"));
			return false;
		}
	if (len > 767) {
		fail_trunc(r, "FLD-0064", "title", 767, (int)len, 300, 300);
		return false;
	}
	return true;
}

/* trimmed copy of the title or NULL with the error set */
static char *
title_of(struct req *r, const json_t *o)
{
	const json_t *v = json_object_get(o, "title");
	char *t, *s;

	if (json_is_string(v) && json_string_length(v) > 0) {
		if (!title_ok(r, json_string_value(v), json_string_length(v)))
			return NULL;
		t = xstrdup(json_string_value(v));
		s = g_strstrip(t);
		if (*s != '\0')
			return t;
		free(t);
	} else if (v != NULL && !json_is_null(v) && !json_is_string(v)) {
		return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	fail(r, "FLD-0007", json_pack("[s,s,i]", "title", "", r->c->id));
	return NULL;
}

/* unique per parent over all modules; case-blind inside one module */
static bool
name_free(struct req *r, const struct folder *parent, enum mod m, const char *title, const struct folder *self)
{
	struct folder *f;
	gchar *a = g_utf8_casefold(title, -1), *b;
	int owner = self ? self->owner : r->u->id;
	bool same;

	for (f = r->c->fhead; f != NULL && !r->failed; f = f->next) {
		/* everybody's private folders hang below folder 1, but each sees only his own */
		if (f == self || f->parent != parent->id || (parent->id == 1 && f->owner != owner))
			continue;
		if (strcmp(f->title, title) == 0) {
			fail(r, "FLD-1014", json_pack("[s,s,s]", title, parent->title, "0"));
			continue;
		}
		if (f->m != m)
			continue;
		b = g_utf8_casefold(f->title, -1);
		same = strcmp(a, b) == 0;
		g_free(b);
		if (same)
			fail(r, "FLD-0012", json_pack("[s,i,i]", title, parent->id, r->c->id));
	}
	g_free(a);
	return !r->failed;
}

static void
set_perms(struct folder *f, const json_t *list)
{
	const json_t *p;
	size_t i;
	int e;

	free(f->perm);
	f->perm = NULL;
	f->nperm = 0;
	json_array_foreach((json_t *)(uintptr_t)list, i, p)
		if (json_id(json_object_get(p, "entity"), &e))
			folder_set_perm(f, e, json_is_true(json_object_get(p, "group")),
			    (int)json_integer_value(json_object_get(p, "bits")));
}

static bool
perms_have_admin(const json_t *list)
{
	const json_t *p;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, p)
		if (perm_admin((int)json_integer_value(json_object_get(p, "bits"))))
			return true;
	return false;
}

static void
pim_folder_new(struct req *r, struct folder *parent, const json_t *o)
{
	const char *module = json_string_value(json_object_get(o, "module"));
	const json_t *perms = json_object_get(o, "permissions");
	enum mod m = parent->m;
	bool event = false;
	struct folder *f;
	char *title;
	int owner = parent->type == 1 ? parent->owner : r->u->id;
	int64_t stamp;

	if (module != NULL && !mod_by_name(module, &m, &event)) {
		fail(r, "FLD-1018", json_pack("[s]", module));
		return;
	}
	if ((title = title_of(r, o)) == NULL)
		return;
	if (parent->id != 1 && parent->id != 2 &&
	    perm_folder(perm_bits(r->c, parent, r->u->id)) < 4)
		fail(r, "FLD-1029", json_pack("[i,i,i]", r->u->id, parent->id, r->c->id));
	if (r->failed || !name_free(r, parent, m, title, NULL)) {
		free(title);
		return;
	}
	stamp = stamp_new(r->c);
	f = folder_add(r->c, r->c->next_folder, parent->id, title, m,
	    parent->id == 1 || parent->type == 1 ? 1 : 2, owner, stamp);
	free(title);
	f->created_by = f->modified_by = r->u->id;
	if (json_is_array(perms) && perms_have_admin(perms))
		set_perms(f, perms);
	else
		folder_set_perm(f, owner, false, PERM_OWNER);
	folder_touch(r->c, parent, stamp);
	events_folder(r->c, parent, stamp);
	events_folder(r->c, f, stamp);
	f->lm = stamp;
	sb_printf(r->out, event ? "\"cal://0/%d\"" : "\"%d\"", f->id);
	set_ts(r, stamp);
}

void
folders_new(struct req *r)
{
	const json_t *o = folder_body(r);
	const char *pid = arg(r, "folder_id");
	struct fref x;

	if (r->failed)
		return;
	if (pid == NULL)
		pid = json_string_value(json_object_get(o, "folder_id"));
	if (pid == NULL || *pid == '\0') {
		fail(r, "SVL-0002", json_pack("[s]", "folder"));
		return;
	}
	if (!fref_get(r, pid, &x))
		return;
	if (x.k == FK_MAIL || x.k == FK_MAILROOT)
		mail_folder_new(r, &x, o);
	else if (x.f != NULL)
		pim_folder_new(r, x.f, o);
	else
		fail(r, "FLD-1029", json_pack("[i,s,i]", r->u->id, pid, r->c->id));
}

static bool
below(const struct ctx *c, const struct folder *f, const struct folder *top)
{
	while (f != NULL) {
		if (f == top)
			return true;
		f = folder_get(c, f->parent);
	}
	return false;
}

static bool
move_to(struct req *r, struct folder *f, const json_t *v, struct folder **dest)
{
	char num[16];
	const char *id = json_string_value(v);
	struct fref y;

	if (json_is_integer(v)) {
		(void)snprintf(num, sizeof(num), "%d", (int)json_integer_value(v));
		id = num;
	}
	if (id == NULL || !fref_get(r, id, &y))
		return false;
	if (y.f == NULL || below(r->c, y.f, f) || f->standard) {
		fail(r, "FLD-1013", json_pack("[i,s]", f->id, id));
		return false;
	}
	if (y.f->id > 2 && perm_folder(perm_bits(r->c, y.f, r->u->id)) < 4) {
		fail(r, "FLD-1029", json_pack("[i,i,i]", r->u->id, y.f->id, r->c->id));
		return false;
	}
	*dest = y.f;
	return true;
}

static bool
is_tree1(const struct req *r)
{
	const char *tree = arg(r, "tree");

	return tree != NULL && strcmp(tree, "1") == 0;
}

static void
pim_folder_update(struct req *r, struct folder *f, const json_t *o)
{
	const json_t *v, *perms = json_object_get(o, "permissions");
	struct folder *dest = NULL, *parent;
	char *title = NULL;
	int64_t stamp;

	v = json_object_get(o, "folder_id");
	if (v != NULL && !json_is_null(v) && !move_to(r, f, v, &dest))
		return;
	if (dest != NULL && dest->id == f->parent)
		dest = NULL;
	/* OX 8.19 answers so: by tree 0 these two cannot come to the top of the private tree */
	if (dest != NULL && dest->id == 1 && (f->m == M_CONTACTS || f->m == M_CALENDAR) && !is_tree1(r)) {
		fail(r, "FLD-1014", json_pack("[s,s,s]", f->title, dest->title, "0"));
		return;
	}
	v = json_object_get(o, "title");
	if (v != NULL && !json_is_null(v) && (title = title_of(r, o)) == NULL)
		return;
	parent = dest ? dest : folder_get(r->c, f->parent);
	if (parent != NULL && (title != NULL || dest != NULL) &&
	    !name_free(r, parent, f->m, title ? title : f->title, f)) {
		free(title);
		return;
	}
	stamp = stamp_new(r->c);
	if (title != NULL) {
		free(f->title);
		f->title = title;
	}
	if (dest != NULL) {
		struct folder *old = folder_get(r->c, f->parent);

		f->parent = dest->id;
		if (old != NULL)
			folder_touch(r->c, old, stamp);
		folder_touch(r->c, dest, stamp);
	}
	if (parent != NULL)
		events_folder(r->c, parent, stamp);
	events_folder(r->c, f, stamp); /* also to those who lose it */
	if (json_is_array(perms)) {
		set_perms(f, perms);
		events_folder(r->c, f, stamp);
	}
	f->modified_by = r->u->id;
	folder_touch(r->c, f, stamp);
	sb_printf(r->out, "\"%d\"", f->id);
	set_ts(r, f->lm);
}

/* everybody's own choice, no right is needed for it (ox-http-api.md 3.1, column 314) */
static void
subscribe(struct req *r, struct folder *f, bool on)
{
	int i;

	for (i = 0; on && i < f->nunsub; i++)
		if (f->unsub[i] == r->u->id)
			f->unsub[i] = f->unsub[--f->nunsub];
	if (!on && folder_subscribed(f, r->u->id)) {
		f->unsub = xrealloc(f->unsub, sizeof(*f->unsub) * (size_t)(f->nunsub + 1));
		f->unsub[f->nunsub++] = r->u->id;
	}
	sb_printf(r->out, "\"%d\"", f->id);
	set_ts(r, f->lm);
}

void
folders_update(struct req *r)
{
	const char *id = need(r, "id"), *ts = arg(r, "timestamp");
	const json_t *o;
	struct fref x;
	int64_t t;

	if (id == NULL || (o = folder_body(r)) == NULL || r->failed || !fref_get(r, id, &x))
		return;
	if (x.k == FK_MAIL) {
		mail_folder_update(r, &x, o);
		return;
	}
	if (x.f != NULL && json_is_boolean(json_object_get(o, "subscribed")) && json_object_size(o) == 1) {
		subscribe(r, x.f, json_is_true(json_object_get(o, "subscribed")));
		return;
	}
	if (x.f == NULL || !perm_admin(perm_bits(r->c, x.f, r->u->id))) {
		fail(r, "FLD-0010", json_pack("[i,i,i]", r->u->id, x.f ? x.f->id : 0, r->c->id));
		return;
	}
	if (parse_i64(ts, &t) && t < x.f->lm) {
		fail(r, "FLD-1022", NULL);
		return;
	}
	pim_folder_update(r, x.f, o);
}

static void
drop_tree(struct ctx *c, struct folder *f, int64_t stamp)
{
	struct folder *k, *next;

	for (k = c->fhead; k != NULL; k = next) {
		next = k->next;
		if (k->parent == f->id) {
			drop_tree(c, k, stamp);
			next = c->fhead;	/* the list changed */
		}
	}
	folder_drop(c, f, stamp);
}

/* A mail folder and all below it get PATH in place of OLD. */
static void
mail_repath(struct user *u, const char *old, const char *path)
{
	size_t n = strlen(old);
	int i;

	for (i = 0; i < u->nmb; i++) {
		struct mbox *mb = u->mb[i];

		if (strncmp(mb->path, old, n) == 0 && (mb->path[n] == '\0' || mb->path[n] == '/')) {
			char *p = xprintf("%s%s", path, mb->path + n);

			free(mb->path);
			mb->path = p;
		}
	}
}

/* 8.19 was seen to move a deleted mail folder below Trash, under a name of its own: Name, Name_2, ... */
static void
into_trash(struct user *u, const struct mbox *mb)
{
	const char *name = strrchr(mb->path, '/') ? strrchr(mb->path, '/') + 1 : mb->path;
	char *old = xstrdup(mb->path), *path = xprintf("Trash/%s", name);
	int k = 1;

	while (mbox_get(u, path) != NULL) {
		free(path);
		path = xprintf("Trash/%s_%d", name, ++k);
	}
	mail_repath(u, old, path);
	free(path);
	free(old);
}

static bool
delete_one(struct req *r, const char *id)
{
	struct fref x;
	struct folder *parent;
	int64_t stamp;

	if (mail_path(id) != NULL) {
		struct mbox *mb = mbox_get(r->u, mail_path(id));

		/* deleting for good what is gone already is no error */
		if (mb == NULL && arg_true(r, "hardDelete"))
			return true;
		if (mb == NULL || mb->std != 0) {
			warn(r, mb ? "FLD-0031" : "IMAP-1002", json_pack("[s]", id));
			return false;
		}
		if (arg_true(r, "hardDelete") || strncmp(mb->path, "Trash/", 6) == 0)
			mbox_remove(r->u, mb);
		else
			into_trash(r->u, mb);
		r->u->mailrev++;
		return true;
	}
	if (!fref_get(r, id, &x)) {
		json_t *p;

		if (code_is(r, "FLD-0003")) {
			p = json_pack("[s,i,i,i]", "PERMISSION_DENIED", (int)strtol(id, NULL, 10), r->u->id, r->c->id);
			warn(r, "FLD-0003", p);
		} else {
			p = json_deep_copy(json_object_get(r->err, "error_params"));
			warn(r, json_string_value(json_object_get(r->err, "code")), p);
		}
		json_decref(r->err);
		r->err = NULL;
		r->failed = false;
		return false;
	}
	if (x.f == NULL || x.f->type == 5 || x.f->standard) {
		warn(r, "FLD-0031", json_pack("[i,i,i]", r->u->id, x.f ? x.f->id : 0, r->c->id));
		return false;
	}
	if (!perm_admin(perm_bits(r->c, x.f, r->u->id))) {
		warn(r, "FLD-0010", json_pack("[i,i,i]", r->u->id, x.f->id, r->c->id));
		return false;
	}
	stamp = stamp_new(r->c);
	parent = folder_get(r->c, x.f->parent);
	drop_tree(r->c, x.f, stamp);
	if (parent != NULL)
		folder_touch(r->c, parent, stamp);
	return true;
}

/* the timestamp is not looked at; the answer lists what was NOT deleted */
void
folders_delete(struct req *r)
{
	json_t *a = body_array(r), *v;
	size_t i;

	if (a == NULL)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(a, i, v) {
		char num[24];
		const char *id = json_string_value(v);

		if (json_is_integer(v)) {
			(void)snprintf(num, sizeof(num), "%d", (int)json_integer_value(v));
			id = num;
		}
		if (id != NULL && delete_one(r, id))
			continue;
		if (r->out->p[r->out->len - 1] != '[')
			sb_ch(r->out, ',');
		sb_js(r->out, id);
	}
	sb_ch(r->out, ']');
}

void
folders_clear(struct req *r)
{
	json_t *a = body_array(r), *v;
	size_t i;
	struct fref x;

	if (a == NULL)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(a, i, v) {
		const char *id = json_string_value(v);

		if (id == NULL || !fref_get(r, id, &x))
			return;
		if (x.k == FK_MAIL) {
			while (x.mb->n > 0)
				mail_remove(r->u, x.mb, x.mb->n - 1);
		} else if (x.f != NULL) {
			uint32_t k = x.f->n;
			int64_t stamp = stamp_new(r->c);

			while (k > 0) {
				struct obj *o = x.f->item[--k]->o;

				if (may_delete(r->c, x.f, r->u->id, o->created_by))
					obj_drop(r->c, o, stamp);
			}
		}
	}
	sb_ch(r->out, ']');
}

/* --- mail folders: their id is their path, so it changes with the name ------------------ */

static char *
mail_title(struct req *r, const json_t *o)
{
	const char *t = json_string_value(json_object_get(o, "title"));

	if (t == NULL || *t == '\0') {
		fail(r, "FLD-0007", json_pack("[s,s,i]", "title", "", r->c->id));
		return NULL;
	}
	if (strpbrk(t, "*%/") != NULL) {
		fail(r, "IMAP-0061", json_pack("[s,s]", t, "*%/"));
		return NULL;
	}
	if (strpbrk(t, ":|<>") != NULL) {
		fail(r, "MSG-0061", json_pack("[s]", t));
		return NULL;
	}
	if (strchr(t, '.') != NULL) {
		fail(r, "IMAP-2053", json_pack("[s]", t));
		return NULL;
	}
	if (utf8_len(t, strlen(t)) > 60) {
		fail(r, "MSG-0083", json_pack("[s,i]", t, 60));
		return NULL;
	}
	return xstrdup(t);
}

void
mail_folder_new(struct req *r, const struct fref *parent, const json_t *o)
{
	char *t = mail_title(r, o), *path;

	if (t == NULL)
		return;
	path = parent->k == FK_MAILROOT ? xstrdup(t) : xprintf("%s/%s", parent->mb->path, t);
	if (mbox_get(r->u, path) != NULL) {
		fail(r, "FLD-1014", json_pack("[s,s,s]", t, parent->k == FK_MAILROOT ? "E-Mail" : parent->mb->path, "0"));
	} else {
		mbox_add(r->u, path, 0)->unsub = !json_is_true(json_object_get(o, "subscribed"));
		r->u->mailrev++;
		free(t);
		t = xprintf("default0/%s", path);
		sb_js(r->out, t);
	}
	free(path);
	free(t);
}

/* the ACL is kept and told, but lets nobody in: as recorded, without a shared name space of the mail server */
static void
mail_set_perms(const struct req *r, struct mbox *mb, const json_t *list)
{
	const json_t *p;
	size_t i;
	int e;

	mb->nperm = 0;
	json_array_foreach((json_t *)(uintptr_t)list, i, p) {
		bool group = json_is_true(json_object_get(p, "group"));

		if (!json_id(json_object_get(p, "entity"), &e) || (e == r->u->id && !group))
			continue;
		mb->perm = xrealloc(mb->perm, sizeof(*mb->perm) * (size_t)(mb->nperm + 1));
		mb->perm[mb->nperm++] = (struct perm){ e, group, (int)json_integer_value(json_object_get(p, "bits")) };
	}
}

void
mail_folder_update(struct req *r, const struct fref *x, const json_t *o)
{
	const char *dest = json_string_value(json_object_get(o, "folder_id"));
	const char *slash = strrchr(x->mb->path, '/');
	char *title, *parent, *path, *old;

	if (json_is_array(json_object_get(o, "permissions")))
		mail_set_perms(r, x->mb, json_object_get(o, "permissions"));
	if (json_is_boolean(json_object_get(o, "subscribed")))
		x->mb->unsub = !json_is_true(json_object_get(o, "subscribed"));
	title = json_object_get(o, "title") ? mail_title(r, o) :
	    xstrdup(slash ? slash + 1 : x->mb->path);
	if (title == NULL)
		return;
	if (dest != NULL && strcmp(dest, "default0") != 0 &&
	    (mail_path(dest) == NULL || mbox_get(r->u, mail_path(dest)) == NULL)) {
		fail(r, "IMAP-1002", json_pack("[s,s,s,i,i]", dest, "127.0.0.1", r->u->login, r->u->id, r->c->id));
		free(title);
		return;
	}
	if (dest != NULL)
		parent = xstrdup(mail_path(dest) ? mail_path(dest) : "");
	else
		parent = slash ? xmemdup0(x->mb->path, (size_t)(slash - x->mb->path)) : xstrdup("");
	path = *parent ? xprintf("%s/%s", parent, title) : xstrdup(title);
	old = xstrdup(x->mb->path);
	if (strcmp(path, old) != 0 && mbox_get(r->u, path) != NULL) {
		fail(r, "FLD-1014", json_pack("[s,s,s]", title, *parent ? parent : "E-Mail", "0"));
	} else {
		mail_repath(r->u, old, path);
		r->u->mailrev++;
		free(old);
		old = xprintf("default0/%s", path);
		sb_js(r->out, old);
	}
	free(old);
	free(path);
	free(parent);
	free(title);
}
