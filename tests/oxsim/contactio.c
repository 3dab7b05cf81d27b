/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module contacts: the actions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/contact.h"

/* the folder of a request; the error depends on what the caller wants to do */
struct folder *
contact_folder(struct req *r, const char *id, bool read)
{
	struct folder *f;
	int n;

	if (id == NULL || *id == '\0') {
		fail(r, "SVL-0009", json_pack("[s]", "folder"));
		return NULL;
	}
	if (strcmp(r->module, "addressbooks") == 0 && strncmp(id, "con://0/", 8) == 0)
		id += 8;
	if (!folder_id_parse(id, &n)) {
		fail(r, "CON-2011", json_pack("[s]", id));
		return NULL;
	}
	f = folder_get(r->c, n);
	if (f == NULL) {
		fail(r, "FLD-0008", json_pack("[i,i]", n, r->c->id));
		return NULL;
	}
	if (f->m != M_CONTACTS || (read && perm_read(perm_bits(r->c, f, r->u->id)) < 1)) {
		fail(r, "CON-0104", json_pack("[i,i,i]", n, r->c->id, r->u->id));
		return NULL;
	}
	return f;
}

bool
contact_readable(const struct req *r, const struct ent *e)
{
	return may_read(r->c, e->f, r->u->id, e->o->created_by) && !contact_hidden(r, e->o);
}

struct ent *
contact_of(struct req *r, const char *id, struct folder *f)
{
	struct obj *o;
	struct ent *e = NULL;
	int64_t n;

	if (!parse_i64(id, &n)) {
		char *t = xprintf("[%s]", id);

		fail(r, "CON-0261", json_pack("[s]", t));
		free(t);
		return NULL;
	}
	o = n > 0 && n <= INT32_MAX ? obj_get(r->c, M_CONTACTS, (int)n) : NULL;
	if (o != NULL)
		e = obj_in(o, f);
	if (e == NULL)
		fail(r, "CON-0125", json_pack("[I,i]", (json_int_t)n, r->c->id));
	return e;
}

static struct sort_key { int f; int sign; } sort_by;

static int
by_col(const void *a, const void *b)
{
	const struct ent *const *x = a, *const *y = b;
	const struct fv *u = obj_fv((*x)->o, sort_by.f), *v = obj_fv((*y)->o, sort_by.f);
	int c;

	if (u == NULL || v == NULL)
		c = (u != NULL) - (v != NULL);
	else if (u->t[0] == '"')
		c = g_ascii_strcasecmp(u->t, v->t);
	else
		c = strtoll(u->t, NULL, 10) < strtoll(v->t, NULL, 10) ? -1 : 1;
	if (c == 0)
		c = (*x)->o->id - (*y)->o->id;
	return c * sort_by.sign;
}

/* writes rows of a list already in order */
void
contact_rows(struct req *r, const struct cols *c, struct ent **v, size_t n)
{
	size_t i;

	sb_ch(r->out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		emit_row(r, &MI_CONTACTS, c, v[i]);
		max_ts(r, v[i]->o->lm);
	}
	sb_ch(r->out, ']');
}

void
contact_limits(const struct req *r, size_t n, size_t *from, size_t *to)
{
	int64_t l, h;

	*from = 0;
	*to = n;
	if (parse_i64(arg(r, "left_hand_limit"), &l) && l > 0)
		*from = (size_t)l < n ? (size_t)l : n;
	if (parse_i64(arg(r, "right_hand_limit"), &h) && h >= 0 && (size_t)h < n)
		*to = (size_t)h > *from ? (size_t)h : *from;
}

void
contacts_all(struct req *r)
{
	struct folder *f = contact_folder(r, arg(r, "folder"), true);
	struct cols c;
	struct ent **v;
	size_t n = 0, i, from, to;
	int64_t col;

	if (f == NULL || !cols_parse(r, &MI_CONTACTS, &c))
		return;
	contact_sort_folder(f);
	v = xcalloc(f->n + 1, sizeof(*v));
	for (i = 0; i < f->n; i++)
		if (contact_readable(r, f->item[i]))
			v[n++] = f->item[i];
	if (parse_i64(arg(r, "sort"), &col) && (sort_by.f = fld_by_col(&MI_CONTACTS, (int)col)) >= 0 &&
	    col != 607 && col != 609) {
		sort_by.sign = g_strcmp0(arg(r, "order"), "desc") == 0 ? -1 : 1;
		qsort(v, n, sizeof(*v), by_col);
	}
	contact_limits(r, n, &from, &to);
	contact_rows(r, &c, v + from, to - from);
	free(v);
}

void
contacts_get(struct req *r)
{
	const char *id = need(r, "id");
	struct folder *f;
	struct ent *e;

	if (id == NULL || (f = contact_folder(r, arg(r, "folder"), true)) == NULL ||
	    (e = contact_of(r, id, f)) == NULL)
		return;
	if (!contact_readable(r, e)) {
		fail(r, "CON-0125", json_pack("[i,i]", e->o->id, r->c->id));
		return;
	}
	emit_object(r, &MI_CONTACTS, e);
	set_ts(r, e->o->lm);
}

void
contacts_list(struct req *r)
{
	json_t *a, *it;
	struct cols c;
	struct ent **v;
	size_t i, n = 0;
	int id, fid;

	if (!cols_parse(r, &MI_CONTACTS, &c) || (a = body_array(r)) == NULL)
		return;
	v = xcalloc(json_array_size(a) + 1, sizeof(*v));
	json_array_foreach(a, i, it) {
		const json_t *jf = json_object_get(it, "folder");
		struct folder *f;
		struct obj *o;
		struct ent *e;

		if (jf == NULL)
			jf = json_object_get(it, "folder_id");
		if (jf == NULL || !json_id(json_object_get(it, "id"), &id)) {
			fail(r, "SVL-0001/write", NULL);
			break;
		}
		if (!json_folder(jf, &fid) || (f = folder_get(r->c, fid)) == NULL || f->m != M_CONTACTS)
			continue;
		o = obj_get(r->c, M_CONTACTS, id);
		e = o ? obj_in(o, f) : NULL;
		if (e != NULL && contact_readable(r, e))
			v[n++] = e;
	}
	if (!r->failed)
		contact_rows(r, &c, v, n);
	free(v);
}

/*
 * Deletions without any changed contact make 8.19 fail (SVL-0011): clients
 * have to live with it, so the stand-in does the same.
 */
void
contacts_updates(struct req *r)
{
	struct folder *f = contact_folder(r, arg(r, "folder"), true);
	const char *ts = arg(r, "timestamp"), *ign = arg(r, "ignore");
	struct cols c;
	struct ent **v, *e;
	int64_t since = 0;
	size_t n = 0, cap = 16;
	uint32_t k, first;
	bool deleted, any = false;

	if (f == NULL || !cols_parse(r, &MI_CONTACTS, &c))
		return;
	if (ts == NULL) {
		fail(r, "SVL-0010", json_pack("[s,s]", "timestamp", "null"));
		return;
	}
	if (!parse_i64(ts, &since))
		since = 0;
	deleted = ign == NULL ? !S.older : strcmp(ign, "deleted") != 0;
	v = xcalloc(cap, sizeof(*v));
	for (e = f->tail; e != NULL && e->o->lm > since; e = e->prev) {
		if (!contact_readable(r, e))
			continue;
		if (n == cap) {
			cap *= 2;
			v = xrealloc(v, cap * sizeof(*v));
		}
		v[n++] = e;
	}
	for (first = f->ntomb; first > 0 && f->tomb[first - 1].stamp > since; first--)
		;
	for (k = first; deleted && k < f->ntomb; k++) {
		const struct obj *o = obj_get(r->c, M_CONTACTS, f->tomb[k].id);

		any = any || o == NULL || obj_in(o, f) == NULL;
	}
	if (any && n == 0 && !S.older) {
		fail(r, "SVL-0011", json_pack("[s]", "no date among the changed contacts"));
		free(v);
		return;
	}
	if (S.older)
		set_ts(r, 0);
	ents_by_id(v, n);
	contact_rows(r, &c, v, n);
	r->out->len--;
	for (k = first; deleted && k < f->ntomb; k++) {
		const struct obj *o = obj_get(r->c, M_CONTACTS, f->tomb[k].id);

		if (o != NULL && obj_in(o, f) != NULL)
			continue;
		sb_printf(r->out, S.older ? "%s%d" : "%s\"%d\"", r->out->p[r->out->len - 1] == '[' ?
		    "" : ",", f->tomb[k].id);
		max_ts(r, f->tomb[k].stamp);
	}
	sb_ch(r->out, ']');
	free(v);
}

static struct folder *
body_folder(struct req *r, const json_t *o)
{
	const json_t *v = json_object_get(o, "folder_id");
	struct folder *f;
	int id;

	if (v == NULL) {
		fail(r, "SVL-0009", json_pack("[s]", "folder_id"));
		return NULL;
	}
	if (!json_folder(v, &id)) {
		fail(r, "CON-2011", json_pack("[O]", v));
		return NULL;
	}
	f = folder_get(r->c, id);
	if (f == NULL)
		fail(r, "FLD-0008", json_pack("[i,i]", id, r->c->id));
	else if (f->m != M_CONTACTS)
		fail(r, "CON-0112", json_pack("[i,i,i]", id, r->c->id, r->u->id));
	return r->failed ? NULL : f;
}

void
contacts_new(struct req *r)
{
	json_t *o = body_object(r);
	struct folder *f;
	struct obj *c;

	if (o == NULL || (f = body_folder(r, o)) == NULL || (c = store_insert(r, f, o)) == NULL)
		return;
	sb_printf(r->out, S.older ? "{\"id\":%d}" : "{\"id\":\"%d\"}", c->id);
	set_ts(r, c->lm);
}

static bool
timestamp_arg(struct req *r, int64_t *t)
{
	const char *s = arg(r, "timestamp");

	if (!parse_i64(s, t)) {
		fail(r, "SVL-0010", json_pack("[s,s]", "timestamp", s ? s : "null"));
		return false;
	}
	return true;
}

static bool
move(struct req *r, struct ent **pe, json_t *o, int64_t stamp)
{
	struct folder *to;
	struct ent *e = *pe;
	struct obj *c = e->o;

	if (json_object_get(o, "folder_id") == NULL || json_is_null(json_object_get(o, "folder_id")))
		return true;
	if ((to = body_folder(r, o)) == NULL)
		return false;
	if (to == e->f)
		return true;
	if (!may_create(r->c, to, r->u->id)) {
		fail(r, "CON-0112", json_pack("[i,i,i]", to->id, r->c->id, r->u->id));
		return false;
	}
	if (!may_delete(r->c, e->f, r->u->id, c->created_by)) {
		fail(r, "CON-0169", json_pack("[i,i]", c->id, r->c->id));
		return false;
	}
	*pe = obj_place(c, to, 0);
	ent_drop(e, stamp);
	return true;
}

void
contacts_update(struct req *r)
{
	const char *id = need(r, "id");
	json_t *o;
	struct folder *f;
	struct ent *e;
	struct obj *c, *trial;
	int64_t t, stamp, old_img;

	if (id == NULL || (f = contact_folder(r, arg(r, "folder"), false)) == NULL ||
	    !timestamp_arg(r, &t) || (o = body_object(r)) == NULL ||
	    (e = contact_of(r, id, f)) == NULL)
		return;
	c = e->o;
	if (!may_write(r->c, f, r->u->id, c->created_by) || contact_hidden(r, c)) {
		fail(r, "CON-0176", json_pack("[i,i]", r->u->id, r->c->id));
		return;
	}
	if (c->lm > t) {
		fail(r, "CON-0119", NULL);
		return;
	}
	/* all or nothing: apply to a copy of the values first */
	trial = xcalloc(1, sizeof(*trial));
	trial->m = M_CONTACTS;
	trial->id = c->id;
	trial->image = blob_ref(c->image);
	trial->image_type = xstrdup(c->image_type);
	trial->image_lm = old_img = c->image_lm;
	obj_copy_fields(trial, c);
	if (contact_apply(r, trial, o, false)) {
		struct fv *v = c->v;
		uint16_t nv = c->nv, cv = c->cv;
		struct blob *img = c->image;
		char *it = c->image_type;

		stamp = stamp_new(r->c);
		if (move(r, &e, o, stamp)) {
			c->v = trial->v;
			c->nv = trial->nv;
			c->cv = trial->cv;
			c->image = trial->image;
			c->image_type = trial->image_type;
			trial->v = v;
			trial->nv = nv;
			trial->cv = cv;
			trial->image = img;
			trial->image_type = it;
			stamp = obj_touch(r->c, c, r->u->id, stamp);
			c->image_lm = c->image == img && trial->image_lm >= 0 ? old_img : stamp;
			contact_resort(c);
			sb_str(r->out, "{}");
			set_ts(r, stamp);
		}
	}
	obj_free(trial);
}

/* one error stops all: nothing is deleted then */
void
contacts_delete(struct req *r)
{
	json_t *j = body_json(r), *list, *it;
	struct ent **v;
	size_t i, n = 0, k;
	int64_t t, stamp;
	int id, fid;

	if (j == NULL || !timestamp_arg(r, &t))
		return;
	list = json_is_array(j) ? json_incref(j) : json_pack("[O]", j);
	v = xcalloc(json_array_size(list) + 1, sizeof(*v));
	json_array_foreach(list, i, it) {
		const json_t *jf = json_object_get(it, "folder");
		struct folder *f;
		struct obj *o;
		struct ent *e;

		if (!json_id(json_object_get(it, "id"), &id) || !json_folder(jf, &fid)) {
			fail(r, "SVL-0001/write", NULL);
			break;
		}
		f = folder_get(r->c, fid);
		o = f ? obj_get(r->c, M_CONTACTS, id) : NULL;
		e = o ? obj_in(o, f) : NULL;
		if (e == NULL)
			fail(r, "CON-0125", json_pack("[i,i]", id, r->c->id));
		else if (!may_delete(r->c, f, r->u->id, o->created_by) || f->id == 6)
			fail(r, "CON-0169", json_pack("[i,i]", id, r->c->id));
		else if (o->lm > t)
			fail(r, "CON-0119", NULL);
		if (r->failed)
			break;
		for (k = 0; k < n && v[k] != e; k++)
			;
		if (k == n)
			v[n++] = e;
	}
	if (!r->failed) {
		stamp = stamp_new(r->c);
		if (n > 0 && stamp <= v[0]->o->lm)
			stamp = v[0]->o->lm + 1;
		if (stamp > r->c->last_stamp)
			r->c->last_stamp = stamp;
		for (i = 0; i < n; i++)
			obj_drop(r->c, v[i]->o, stamp);
		sb_str(r->out, S.older ? "[]" : "{}");
		set_ts(r, t);	/* the request's own */
	}
	free(v);
	json_decref(list);
}

void
contacts_copy(struct req *r)
{
	const char *id = need(r, "id");
	json_t *o;
	struct folder *f, *to;
	struct ent *e;
	struct obj *n;
	json_t *empty;
	char uuid[37];

	if (id == NULL || (f = contact_folder(r, arg(r, "folder"), true)) == NULL ||
	    (o = body_object(r)) == NULL || (to = body_folder(r, o)) == NULL ||
	    (e = contact_of(r, id, f)) == NULL)
		return;
	empty = json_object();
	n = contact_insert(r, to, empty);
	json_decref(empty);
	if (n == NULL)
		return;
	obj_copy_fields(n, e->o);
	gen_uuid(uuid);
	obj_set_str(n, fld_by_name(&MI_CONTACTS, "uid"), uuid);
	contact_resort(n);
	sb_printf(r->out, "{\"id\":\"%d\"}", n->id);
	set_ts(r, n->lm);
}
