/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module contacts: searching, the entries of users, pictures.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/contact.h"

/* "a*" style pattern, case-blind; without a star: substring */
static bool
like(const char *val, const char *pat)
{
	gchar *v = g_utf8_casefold(val, -1), *p = g_utf8_casefold(pat, -1);
	bool ok = strchr(p, '*') || strchr(p, '?') ? g_pattern_match_simple(p, v) : strstr(v, p) != NULL;

	g_free(v);
	g_free(p);
	return ok;
}

static bool
field_like(const struct obj *o, const char *name, const char *pat)
{
	int f = fld_by_name(&MI_CONTACTS, name);
	char *s = f >= 0 ? obj_str(o, f) : NULL;
	bool ok = s != NULL && like(s, pat);

	free(s);
	return ok;
}

static bool
matches(const struct obj *o, const json_t *q)
{
	const char *pat = json_string_value(json_object_get(q, "pattern")), *k;
	bool any_or = json_is_true(json_object_get(q, "orSearch")) ||
	    json_is_true(json_object_get(q, "emailAutoComplete"));
	bool some = false, hit = false;
	json_t *v;

	if (pat != NULL)
		return strcmp(pat, "*") == 0 || field_like(o, "display_name", pat) ||
		    field_like(o, "last_name", pat) || field_like(o, "first_name", pat);
	json_object_foreach((json_t *)(uintptr_t)q, k, v) {
		if (!json_is_string(v) || fld_by_name(&MI_CONTACTS, k) < 0)
			continue;
		some = true;
		if (field_like(o, k, json_string_value(v))) {
			hit = true;
			if (any_or)
				return true;
		} else if (!any_or) {
			return false;
		}
	}
	return some && hit;
}

static bool
term(const struct obj *o, const json_t *t)
{
	const char *op = json_string_value(json_array_get(t, 0)), *name, *want;
	size_t i, n = json_array_size(t);
	char *s;
	int f;
	bool ok;

	if (op == NULL)
		return false;
	if (strcmp(op, "and") == 0 || strcmp(op, "or") == 0) {
		for (i = 1; i < n; i++)
			if (term(o, json_array_get(t, i)) == (*op == 'o'))
				return *op == 'o';
		return *op == 'a';
	}
	if (strcmp(op, "not") == 0)
		return !term(o, json_array_get(t, 1));
	name = json_string_value(json_object_get(json_array_get(t, 1), "field"));
	want = json_string_value(json_array_get(t, 2));
	f = name ? fld_by_name(&MI_CONTACTS, name) : -1;
	s = f >= 0 ? obj_str(o, f) : NULL;
	ok = s != NULL && want != NULL &&
	    (strcmp(op, "=") == 0 ? match_whole(s, want) :
	    strcmp(op, ">") == 0 ? g_ascii_strcasecmp(s, want) > 0 :
	    strcmp(op, "<") == 0 ? g_ascii_strcasecmp(s, want) < 0 : false);
	free(s);
	return ok;
}

/* 8.19: SEARCH-0007 for a field that cannot be searched, folder_id among them */
static bool
term_known(const json_t *t)
{
	const char *name = json_string_value(json_object_get(json_array_get(t, 1), "field"));
	size_t i;

	if (name != NULL)
		return fld_by_name(&MI_CONTACTS, name) >= 0 && strcmp(name, "folder_id") != 0;
	for (i = 1; i < json_array_size(t); i++)
		if (!term_known(json_array_get(t, i)))
			return false;
	return json_array_size(t) > 1;
}

static bool
folder_wanted(const json_t *list, int id)
{
	const json_t *v;
	size_t i;
	int n;

	if (list == NULL)
		return true;
	if (!json_is_array(list))
		return json_folder(list, &n) && n == id;
	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (json_folder(v, &n) && n == id)
			return true;
	return false;
}

static int
by_sort_name(const void *a, const void *b)
{
	const struct ent *const *x = a, *const *y = b;
	int c = strcmp((*x)->o->sort ? (*x)->o->sort : "", (*y)->o->sort ? (*y)->o->sort : "");

	return c ? c : (*x)->o->id - (*y)->o->id;
}

static void
do_search(struct req *r, bool advanced)
{
	json_t *q, *filter;
	const json_t *where;
	struct cols c;
	struct folder *f;
	struct ent **v = NULL;
	size_t n = 0, cap = 0, from, to;
	uint32_t i;

	if (!cols_parse(r, &MI_CONTACTS, &c) || (q = body_object(r)) == NULL)
		return;
	filter = json_object_get(q, "filter");
	where = json_object_get(q, advanced ? "folders" : "folder"); /* 8.19: advancedSearch passes over `folder` */
	if (advanced && !term_known(filter)) {
		fail(r, "SEARCH-0007", NULL);
		return;
	}
	for (f = r->c->fhead; f != NULL; f = f->next) {
		if (f->m != M_CONTACTS || !folder_wanted(where, f->id) ||
		    perm_read(perm_bits(r->c, f, r->u->id)) < 1)
			continue;
		for (i = 0; i < f->n; i++) {
			struct ent *e = f->item[i];

			if (!contact_readable(r, e) || !(advanced ? term(e->o, filter) : matches(e->o, q)))
				continue;
			if (n == cap) {
				cap = cap ? cap * 2 : 16;
				v = xrealloc(v, cap * sizeof(*v));
			}
			v[n++] = e;
		}
	}
	if (n > 1)
		qsort(v, n, sizeof(*v), by_sort_name);
	contact_limits(r, n, &from, &to);
	contact_rows(r, &c, v + from, to - from);
	free(v);
}

void
contacts_search(struct req *r)
{
	do_search(r, false);
}

void
contacts_advanced(struct req *r)
{
	do_search(r, true);
}

static struct ent *
user_contact(struct req *r, int uid)
{
	const struct user *u = user_by_id(r->c, uid);
	struct obj *o = u ? obj_get(r->c, M_CONTACTS, u->contact) : NULL;

	return o ? o->ents : NULL;
}

void
contacts_getuser(struct req *r)
{
	int64_t id;
	struct ent *e;

	if (!need_i64(r, "id", &id))
		return;
	if ((e = user_contact(r, (int)id)) == NULL) {
		fail(r, "CON-0125", json_pack("[I,i]", (json_int_t)id, r->c->id));
		return;
	}
	emit_object(r, &MI_CONTACTS, e);
	set_ts(r, e->o->lm);
}

void
contacts_listuser(struct req *r)
{
	json_t *a, *v;
	struct cols c;
	struct ent **e;
	size_t i, n = 0;
	int id;

	if (!cols_parse(r, &MI_CONTACTS, &c) || (a = body_array(r)) == NULL)
		return;
	e = xcalloc(json_array_size(a) + 1, sizeof(*e));
	json_array_foreach(a, i, v)
		if (json_id(v, &id) && (e[n] = user_contact(r, id)) != NULL)
			n++;
	contact_rows(r, &c, e, n);
	free(e);
}

/* --- pictures ------------------------------------------------------------------------------ */

void
raw_reply(struct req *r, const char *type, const void *p, size_t n)
{
	r->kind = RK_RAW;
	r->out->len = r->start;
	r->ctype = type;
	sb_put(r->out, p, n);
}

static void
last_modified(struct req *r, int64_t ms)
{
	GDateTime *t = g_date_time_new_from_unix_utc(ms / 1000);
	gchar *s = g_date_time_format(t, "%a, %d %b %Y %H:%M:%S GMT");

	add_header(r, "Last-Modified", s);
	g_free(s);
	g_date_time_unref(t);
}

void
contact_picture(struct req *r)
{
	const char *fid = need(r, "folder_id"), *id;
	struct folder *f;
	struct ent *e;
	char *t;

	if (fid == NULL || (id = need(r, "contact_id")) == NULL ||
	    (f = contact_folder(r, fid, true)) == NULL || (e = contact_of(r, id, f)) == NULL)
		return;
	if (e->o->image == NULL || !contact_readable(r, e)) {
		r->status = 404;
		raw_reply(r, "text/html;charset=UTF-8", "no picture", 10);
		return;
	}
	t = xprintf("con://0/%d/%d/%lld", f->id, e->o->id, (long long)e->o->image_lm);
	add_header(r, "ETag", t);
	free(t);
	t = xprintf("inline; filename=\"contact-image-%d\"", e->o->id);
	add_header(r, "Content-Disposition", t);
	free(t);
	last_modified(r, e->o->image_lm);
	t = e->o->image_type;
	raw_reply(r, strcmp(t, "image/png") == 0 ? "image/png;charset=UTF-8" :
	    strcmp(t, "image/gif") == 0 ? "image/gif;charset=UTF-8" : "image/jpeg;charset=UTF-8",
	    e->o->image->p, e->o->image->len);
}

void
image_picture(struct req *r)
{
	struct folder *f = contact_folder(r, arg(r, "folder"), true);
	const char *id = need(r, "id");
	struct ent *e;

	if (f == NULL || id == NULL || (e = contact_of(r, id, f)) == NULL)
		return;
	if (e->o->image == NULL)
		add_header(r, "ETag", "NOT_FOUND");
	add_header(r, "Content-Disposition", "inline; filename=\"image.jpg\"");
	raw_reply(r, "image/jpeg;charset=UTF-8", e->o->image ? e->o->image->p : NULL,
	    e->o->image ? e->o->image->len : 0);
}

void
halo_picture(struct req *r)
{
	int64_t id = 0;
	struct ent *e;

	(void)parse_i64(arg(r, "userid"), &id);
	e = user_contact(r, (int)id);
	if (e == NULL || e->o->image == NULL) {
		r->status = 404;
		raw_reply(r, "text/html;charset=UTF-8", "no picture", 10);
		return;
	}
	raw_reply(r, "image/jpeg;charset=UTF-8", e->o->image->p, e->o->image->len);
}
