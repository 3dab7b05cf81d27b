/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Contacts: fields, checks, pictures, distribution lists.  The actions that
 * answer rows are in contactio.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/contact.h"

static const struct set_errs errs = {
	.bad_char = "CON-0168", .too_long = "CON-0154", .bad_type = "SVL-0002/type",
	.bad_int = "SVL-0002/type", .trunc_cols = false, .empty_is_null = false
};

static int F_LAST, F_FIRST, F_DISPLAY, F_FILE_AS, F_COMPANY, F_EMAIL1, F_UID, F_PRIVATE, F_DLIST, F_MARK, F_USER;

static void
fields_once(void)
{
	if (F_LAST != 0)
		return;
	F_LAST = fld_by_name(&MI_CONTACTS, "last_name");
	F_FIRST = fld_by_name(&MI_CONTACTS, "first_name");
	F_DISPLAY = fld_by_name(&MI_CONTACTS, "display_name");
	F_FILE_AS = fld_by_name(&MI_CONTACTS, "file_as");
	F_COMPANY = fld_by_name(&MI_CONTACTS, "company");
	F_EMAIL1 = fld_by_name(&MI_CONTACTS, "email1");
	F_UID = fld_by_name(&MI_CONTACTS, "uid");
	F_PRIVATE = fld_by_name(&MI_CONTACTS, "private_flag");
	F_DLIST = fld_by_name(&MI_CONTACTS, "distribution_list");
	F_MARK = fld_by_name(&MI_CONTACTS, "mark_as_distributionlist");
	F_USER = fld_by_name(&MI_CONTACTS, "user_id");
}

static char *
sort_name(const struct obj *o)
{
	char *last, *first, *s;

	fields_once();
	last = obj_str(o, F_LAST);
	first = obj_str(o, F_FIRST);
	if (last && *last && first && *first)
		s = xprintf("%s_%s", last, first);
	else if (last && *last)
		s = xstrdup(last);
	else if (first && *first)
		s = xstrdup(first);
	else if ((s = obj_str(o, F_DISPLAY)) == NULL && (s = obj_str(o, F_COMPANY)) == NULL &&
	    (s = obj_str(o, F_EMAIL1)) == NULL)
		s = xstrdup("");
	free(last);
	free(first);
	return s;
}

void
contact_resort(struct obj *o)
{
	char *s = sort_name(o);
	gchar *key = g_utf8_casefold(s, -1);
	struct ent *e;

	if (o->sort == NULL || strcmp(o->sort, key) != 0) {
		free(o->sort);
		o->sort = xstrdup(key);
		for (e = o->ents; e != NULL; e = e->onext)
			e->f->sorted = false;
	}
	g_free(key);
	free(s);
}

static int
by_sort(const void *a, const void *b)
{
	const struct ent *const *x = a, *const *y = b;
	int c = strcmp((*x)->o->sort ? (*x)->o->sort : "", (*y)->o->sort ? (*y)->o->sort : "");

	return c ? c : (*x)->o->id - (*y)->o->id;
}

void
contact_sort_folder(struct folder *f)
{
	uint32_t i;

	if (f->sorted || f->n == 0)
		return;
	qsort(f->item, f->n, sizeof(*f->item), by_sort);
	for (i = 0; i < f->n; i++)
		f->item[i]->pos = i;
	f->sorted = true;
}

bool
contact_hidden(const struct req *r, const struct obj *o)
{
	fields_once();
	return o->created_by != r->u->id && obj_int(o, F_PRIVATE, 0) != 0;
}

static int
dlist_len(const struct obj *o)
{
	const struct fv *v = obj_fv(o, F_DLIST);
	json_t *j = v ? json_loadb(v->t, v->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int n = (int)json_array_size(j);

	json_decref(j);
	return n;
}

bool
contact_virt(struct req *r, const struct ent *e, const struct fld *f, bool row)
{
	const struct obj *o = e->o;
	struct sb *b = r->out;
	char *s;

	fields_once();
	switch (f->col) {
	case 570:	/* image1 */
		return false;
	case 594:
		if (!row && obj_fv(o, F_MARK) == NULL)
			return false;
		sb_int(b, obj_fv(o, F_DLIST) ? dlist_len(o) : 0);
		return true;
	case 596: sb_int(b, o->image ? 1 : 0); return true;
	case 597:
		if (o->image == NULL)
			return false;
		sb_int(b, o->image_lm);
		return true;
	case 601:
		if (o->image == NULL)
			return false;
		sb_js(b, o->image_type);
		return true;
	case 606:
		if (o->image == NULL)
			return false;
		sb_printf(b, "\"/ajax/contacts/picture?action=get&contact_id=%d&folder_id=%d&timestamp=%lld\"",
		    o->id, e->f->id, (long long)o->image_lm);
		return true;
	case 607:
		s = sort_name(o);
		sb_js(b, s);
		free(s);
		return true;
	case 608: sb_int(b, o->used); return true;
	default: return false;
	}
}

/* --- pictures ------------------------------------------------------------------------- */

static const char *
image_type(const char *p, size_t n)
{
	if (n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
		return "image/png";
	if (n >= 6 && (memcmp(p, "GIF87a", 6) == 0 || memcmp(p, "GIF89a", 6) == 0))
		return "image/gif";
	if (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0)
		return "image/jpeg";
	if (n >= 2 && memcmp(p, "BM", 2) == 0)
		return "image/bmp";
	return NULL;
}

static bool
set_image(struct req *r, struct obj *o, const char *p, size_t n, const char *wrong)
{
	const char *t = image_type(p, n);

	if (t == NULL) {
		fail(r, wrong, NULL);
		return false;
	}
	if (n >= 4194304) {
		fail(r, "CON-0172", json_pack("[s,s]", "4 MB", "4 MB"));
		return false;
	}
	blob_unref(o->image);
	free(o->image_type);
	o->image = blob_new(p, n);
	o->image_type = xstrdup(t);
	return true;
}

static bool
image_member(struct req *r, struct obj *o, const json_t *v)
{
	gsize n = 0;
	guchar *p;
	bool ok = true;

	if (!json_is_string(v) || json_string_length(v) == 0) {
		blob_unref(o->image);
		o->image = NULL;
		return true;
	}
	p = g_base64_decode(json_string_value(v), &n);
	if (p != NULL && n > 0)
		ok = set_image(r, o, (const char *)p, n, "SVL-0022");
	g_free(p);
	return ok;
}

static bool
image_upload(struct req *r, struct obj *o)
{
	size_t i;

	for (i = 0; i < r->npart; i++)
		if (strncmp(r->part[i].name, "file", 4) == 0 &&
		    !set_image(r, o, r->part[i].p, r->part[i].n, "UPL-0011"))
			return false;
	return true;
}

/* --- distribution lists ------------------------------------------------------------------ */

static bool
mail_ok(const char *s)
{
	const char *at = strchr(s, '@'), *p;

	if (at == NULL || at == s || at[1] == '\0' || strchr(at + 1, '@') != NULL)
		return false;
	for (p = s; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

/* one member as stored; NULL with the error set */
static json_t *
member(struct req *r, const json_t *m)
{
	static const char *const fields[] = { NULL, "email1", "email2", "email3" };
	const char *name = json_string_value(json_object_get(m, "display_name"));
	const char *mail = json_string_value(json_object_get(m, "mail"));
	int64_t field = json_integer_value(json_object_get(m, "mail_field"));
	struct obj *o = NULL;
	json_t *out;
	int id;

	if (json_is_string(json_object_get(m, "mail_field")))
		(void)parse_i64(json_string_value(json_object_get(m, "mail_field")), &field);
	if (json_id(json_object_get(m, "id"), &id))
		o = obj_get(r->c, M_CONTACTS, id);
	if (field > 0 && (field > 3 || o == NULL || o->ents == NULL)) {
		fail(r, "CON-0178", json_pack("[s?]", name));
		return NULL;
	}
	if (field == 0) {
		if (mail == NULL || *mail == '\0') {
			fail(r, "CON-0177", json_pack("[s]", name ? name : ""));
			return NULL;
		}
		if (!mail_ok(mail)) {
			fail(r, "CON-0100", json_pack("[s]", mail));
			return NULL;
		}
		return json_pack("{s:s, s:s?, s:s?, s:i}", "mail", mail, "display_name",
		    name ? name : mail, "sort_name", name ? name : mail, "mail_field", 0);
	} else {
		char *addr = obj_str(o, fld_by_name(&MI_CONTACTS, fields[field]));
		char *disp = obj_str(o, F_DISPLAY), *sort = sort_name(o);
		char ids[16], fs[16];

		(void)snprintf(ids, sizeof(ids), "%d", o->id);
		(void)snprintf(fs, sizeof(fs), "%d", o->ents->f->id);
		if (addr == NULL) {
			fail(r, "CON-0100", NULL);
			out = NULL;
		} else {
			out = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:i}", "id", ids, "folder_id", fs,
			    "mail", addr, "display_name", disp ? disp : name, "sort_name", sort,
			    "mail_field", (int)field);
		}
		free(addr);
		free(disp);
		free(sort);
		return out;
	}
}

static bool
set_dlist(struct req *r, struct obj *o, const json_t *list)
{
	json_t *out = json_array(), *m, *e, *k;
	size_t i, n;
	char *t;

	json_array_foreach((json_t *)(uintptr_t)list, i, m) {
		if ((e = member(r, m)) == NULL) {
			json_decref(out);
			return false;
		}
		json_array_foreach(out, n, k)
			if (json_equal(k, e))
				break;
		if (n == json_array_size(out))
			json_array_append(out, e);
		json_decref(e);
	}
	t = json_dumps(out, JSON_COMPACT);
	obj_set(o, F_DLIST, json_array_size(out) > 0 ? t : NULL,
	    json_array_size(out) > 0 && t ? strlen(t) : 0);
	obj_set(o, F_MARK, "true", 4);
	free(t);
	json_decref(out);
	return true;
}

/* --- applying a JSON object ------------------------------------------------------------------ */

static bool
email_field(const char *k)
{
	return strcmp(k, "email1") == 0 || strcmp(k, "email2") == 0 || strcmp(k, "email3") == 0;
}

bool
contact_apply(struct req *r, struct obj *o, json_t *fields, bool create)
{
	const char *k;
	json_t *v;
	int f;

	fields_once();
	/* who names it anew files it anew, unless he says how; so a display name that is too long is told as "File as" */
	if ((v = json_object_get(fields, "display_name")) != NULL && json_string_length(json_object_get(fields, "file_as")) == 0 &&
	    !field_set(r, &MI_CONTACTS, &errs, o, F_FILE_AS, v, fields))
		return false;
	json_object_foreach(fields, k, v) {
		if (strcmp(k, "image1") == 0) {
			if (!image_member(r, o, v))
				return false;
			o->image_lm = -1;
			continue;
		}
		f = fld_by_name(&MI_CONTACTS, k);
		if (f < 0 || MI_CONTACTS.f[f].type == FT_VIRT)
			continue;
		if (f == F_FILE_AS && json_string_length(v) == 0 && json_object_get(fields, "display_name") != NULL)
			continue;
		if (f == F_DLIST) {
			if (json_is_array(v) ? !set_dlist(r, o, v) : !field_set(r, &MI_CONTACTS, &errs, o, f, json_null(), fields))
				return false;
			continue;
		}
		if (f == F_UID && !create) {
			const struct fv *old = obj_fv(o, f);
			char *t = json_dumps(v, JSON_ENCODE_ANY);
			bool same = json_is_null(v) || json_string_length(v) == 0 ||
			    (old && t && strcmp(old->t, t) == 0);

			free(t);
			if (same)
				continue;
			fail(r, "CON-0176", json_pack("[i,i]", o->id, r->c->id));
			return false;
		}
		if (f == F_USER) {
			if (json_is_integer(v) && json_integer_value(v) != 0 &&
			    json_integer_value(v) != obj_int(o, f, 0)) {
				fail(r, "CON-0176", json_pack("[i,i]", o->id, r->c->id));
				return false;
			}
			continue;
		}
		if (email_field(k) && json_string_length(v) > 0 && !mail_ok(json_string_value(v))) {
			bool nul = strlen(json_string_value(v)) != json_string_length(v);

			fail(r, nul ? "CON-0168" : "CON-0100", json_pack("[s]", nul ? k : json_string_value(v)));
			return false;
		}
		if (email_field(k) && !json_is_string(v) && !json_is_null(v)) {
			fail(r, "CON-0100", NULL);
			return false;
		}
		if (!field_set(r, &MI_CONTACTS, &errs, o, f, v, fields))
			return false;
	}
	return image_upload(r, o);
}

struct obj *
contact_insert(struct req *r, struct folder *f, json_t *fields)
{
	int64_t stamp;
	struct obj *o;
	char uuid[37];

	fields_once();
	if (!may_create(r->c, f, r->u->id)) {
		fail(r, "CON-0112", json_pack("[i,i,i]", f->id, r->c->id, r->u->id));
		return NULL;
	}
	/* checks first: an id must not be spent on a refused object */
	o = xcalloc(1, sizeof(*o));
	o->m = M_CONTACTS;
	if (!contact_apply(r, o, fields, true)) {
		obj_free(o);
		return NULL;
	}
	stamp = stamp_new(r->c);
	o->id = r->c->next_id[M_CONTACTS]++;
	o->created_by = o->modified_by = r->u->id;
	o->created = o->lm = stamp;
	if (o->image)
		o->image_lm = stamp;
	g_hash_table_insert(r->c->obj[M_CONTACTS], GINT_TO_POINTER(o->id), o);
	if (obj_fv(o, F_UID) == NULL) {
		gen_uuid(uuid);
		obj_set_str(o, F_UID, uuid);
	}
	contact_resort(o);
	obj_place(o, f, 0);
	return o;
}
