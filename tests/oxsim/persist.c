/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The whole state as JSON: for --data, for the control API's state, and back.
 * Sessions are not part of it: a restart forgets them, as the real one does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

static json_t *
b64(const struct blob *b)
{
	gchar *t;
	json_t *j;

	if (b == NULL)
		return json_null();
	t = g_base64_encode((const guchar *)b->p, b->len);
	j = json_string(t);
	g_free(t);
	return j;
}

static struct blob *
un64(const json_t *j)
{
	gsize n = 0;
	guchar *p;
	struct blob *b;

	if (!json_is_string(j))
		return NULL;
	p = g_base64_decode(json_string_value(j), &n);
	b = blob_new(p, n);
	g_free(p);
	return b;
}

/* --- writing ------------------------------------------------------------------ */

static json_t *
dump_days(const int64_t *v, int n)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < n; i++)
		json_array_append_new(a, json_integer(v[i]));
	return a;
}

static json_t *
dump_obj(const struct obj *o, bool content)
{
	const struct modinfo *mi = modinfo_of(o->m);
	json_t *f = json_object(), *p = json_array(), *at = json_array(), *pa = json_array(), *us = json_array();
	const struct ent *e;
	json_t *j;
	int i;

	for (i = 0; i < o->nv; i++)
		json_object_set_new(f, mi->f[o->v[i].f].name,
		    json_loadb(o->v[i].t, o->v[i].len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL));
	for (e = o->ents; e != NULL; e = e->onext)
		json_array_append_new(p, json_pack("{s:i,s:i}", "folder", e->f->id, "user", e->user));
	for (i = 0; i < o->nat; i++) {
		j = json_pack("{s:i,s:s?,s:s?,s:i,s:I,s:i,s:b}", "id", o->at[i].id, "name", o->at[i].name,
		    "type", o->at[i].type, "by", o->at[i].by, "created", (json_int_t)o->at[i].created,
		    "size", (int)o->at[i].data->len, "rtf", o->at[i].rtf);
		if (content)
			json_object_set_new(j, "data", b64(o->at[i].data));
		json_array_append_new(at, j);
	}
	for (i = 0; i < o->npart; i++)
		json_array_append_new(pa, json_pack("{s:i,s:i,s:s?,s:s?,s:i,s:s?}", "type", o->part[i].type, "id",
		    o->part[i].id, "mail", o->part[i].mail, "name", o->part[i].name, "conf", o->part[i].conf,
		    "msg", o->part[i].msg));
	for (i = 0; i < o->natt; i++)
		json_array_append_new(us, json_pack("{s:i,s:i,s:s?,s:i,s:b,s:s?}", "id", o->att[i].id, "conf",
		    o->att[i].conf, "msg", o->att[i].msg, "alarm", o->att[i].alarm, "hidden", o->att[i].hidden, "alarms",
		    o->att[i].alarms));
	j = json_pack("{s:i,s:i,s:i,s:I,s:I,s:o,s:o,s:o,s:I}", "id", o->id, "created_by", o->created_by,
	    "modified_by", o->modified_by, "created", (json_int_t)o->created, "last_modified",
	    (json_int_t)o->lm, "fields", f, "places", p, "attachments", at, "attachments_lm", (json_int_t)o->at_lm);
	json_object_set_new(j, "participants", pa);
	json_object_set_new(j, "users", us);
	if (o->image != NULL) {
		json_object_set_new(j, "image_type", json_string(o->image_type));
		json_object_set_new(j, "image_lm", json_integer(o->image_lm));
		json_object_set_new(j, "image_size", json_integer((json_int_t)o->image->len));
		if (content)
			json_object_set_new(j, "image", b64(o->image));
	}
	if (o->m == M_CALENDAR) {
		json_object_set_new(j, "series", json_integer(o->series));
		json_object_set_new(j, "rdate", json_integer(o->rdate));
		json_object_set_new(j, "rpos", json_integer(o->rpos));
		json_object_set_new(j, "organizer", json_integer(o->organizer));
		json_object_set_new(j, "sequence", json_integer(o->sequence));
		json_object_set_new(j, "chg", dump_days(o->chg, o->nchg));
		json_object_set_new(j, "del", dump_days(o->del, o->ndel));
	}
	return j;
}

static json_t *
dump_tombs(const struct tomb *t, uint32_t n)
{
	json_t *a = json_array();
	uint32_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(a, json_pack("[i,I]", t[i].id, (json_int_t)t[i].stamp));
	return a;
}

static json_t *
dump_folder(const struct folder *f)
{
	json_t *p = json_array(), *ids = json_array();
	int i;
	uint32_t k;

	for (i = 0; i < f->nperm; i++)
		json_array_append_new(p, json_pack("{s:i,s:b,s:i}", "entity", f->perm[i].entity, "group",
		    f->perm[i].group, "bits", f->perm[i].bits));
	for (k = 0; k < f->n; k++)
		json_array_append_new(ids, json_integer(f->item[k]->o->id));
	return json_pack("{s:i,s:i,s:s,s:i,s:i,s:i,s:i,s:i,s:I,s:I,s:o,s:b,s:i,s:o,s:o}", "id", f->id,
	    "parent", f->parent, "title", f->title, "module", (int)f->m, "type", f->type, "owner", f->owner,
	    "created_by", f->created_by, "modified_by", f->modified_by, "created", (json_int_t)f->created,
	    "last_modified", (json_int_t)f->lm, "permissions", p, "standard", f->standard, "std_type",
	    f->std_type, "deleted", dump_tombs(f->tomb, f->ntomb), "objects", ids);
}

static json_t *
dump_mail(const struct user *u, bool content)
{
	json_t *a = json_array(), *ms, *m;
	int i;
	size_t k;

	for (i = 0; i < u->nmb; i++) {
		const struct mbox *mb = u->mb[i];

		ms = json_array();
		for (k = 0; k < mb->n; k++) {
			m = json_pack("{s:I,s:i,s:i,s:I,s:I,s:s?}", "uid", (json_int_t)mb->m[k]->uid, "flags",
			    mb->m[k]->flags, "color", mb->m[k]->color, "received", (json_int_t)mb->m[k]->received,
			    "size", (json_int_t)mb->m[k]->raw->len, "subject", content ? NULL : mail_info(mb->m[k])->subject_raw);
			if (mb->m[k]->user != NULL)
				json_object_set(m, "user", mb->m[k]->user);
			if (content)
				json_object_set_new(m, "raw", b64(mb->m[k]->raw));
			json_array_append_new(ms, m);
		}
		json_array_append_new(a, json_pack("{s:s,s:I,s:I,s:i,s:b,s:o}", "path", mb->path, "validity",
		    (json_int_t)mb->validity, "next", (json_int_t)mb->next, "std", mb->std, "unsubscribed", mb->unsub, "mails", ms));
	}
	return a;
}

static json_t *
dump_attr(GHashTable *t)
{
	json_t *o = json_object();
	GHashTableIter it;
	gpointer k, v;

	g_hash_table_iter_init(&it, t);
	while (g_hash_table_iter_next(&it, &k, &v))
		json_object_set_new(o, k, json_string(v));
	return o;
}

static json_t *
dump_user(const struct user *u, bool content)
{
	json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:i,s:b,s:b}", "id", u->id, "login", u->login,
	    "first", u->first, "last", u->last, "display", u->display, "mail", u->mail, "password", u->password,
	    "zone", u->zone, "locale", u->locale, "olox20", u->olox20, "contact", u->contact, "seen", u->seen,
	    "harddelete", u->harddelete);

	json_object_set_new(j, "folders", json_pack("{s:i,s:i,s:i,s:i,s:i}", "calendar", u->f_cal, "contacts",
	    u->f_con, "tasks", u->f_task, "infostore", u->f_info, "collected", u->f_collect));
	json_object_set_new(j, "attributes", dump_attr(u->attr));
	json_object_set(j, "jslob", u->jslob);
	json_object_set(j, "rules", u->rules);
	json_object_set(j, "snippets", u->snippets);
	json_object_set(j, "mail_settings", u->mailset);
	if (u->personal != NULL)
		json_object_set_new(j, "personal", json_string(u->personal));
	if (u->gui)
		json_object_set(j, "gui", u->gui);
	json_object_set_new(j, "mail_folders", dump_mail(u, content));
	return j;
}

static json_t *
dump_ctx(const struct ctx *c, bool content)
{
	static const enum mod mods[] = { M_CONTACTS, M_TASKS, M_CALENDAR };
	json_t *users = json_array(), *folders = json_array(), *objs = json_object(), *next = json_object();
	json_t *groups = json_array(), *res = json_array(), *a;
	const struct folder *f;
	int i, k;

	for (i = 0; i < c->nuser; i++)
		json_array_append_new(users, dump_user(c->user[i], content));
	for (f = c->fhead; f != NULL; f = f->next)
		json_array_append_new(folders, dump_folder(f));
	for (i = 0; i < c->ngroup; i++) {
		a = json_array();
		for (k = 0; k < c->group[i]->n; k++)
			json_array_append_new(a, json_integer(c->group[i]->member[k]));
		json_array_append_new(groups, json_pack("{s:i,s:s,s:s,s:o,s:I}", "id", c->group[i]->id, "name",
		    c->group[i]->name, "display", c->group[i]->display, "members", a, "lm", (json_int_t)c->group[i]->lm));
	}
	for (i = 0; i < c->nres; i++)
		json_array_append_new(res, json_pack("{s:i,s:s,s:s,s:s,s:I}", "id", c->res[i]->id, "name",
		    c->res[i]->name, "display", c->res[i]->display, "mail", c->res[i]->mail, "lm", (json_int_t)c->res[i]->lm));
	for (i = 0; i < 3; i++) {
		GHashTableIter it;
		gpointer v;

		a = json_array();
		g_hash_table_iter_init(&it, c->obj[mods[i]]);
		while (g_hash_table_iter_next(&it, NULL, &v))
			json_array_append_new(a, dump_obj(v, content));
		json_object_set_new(objs, modinfo_of(mods[i])->name, a);
		json_object_set_new(next, modinfo_of(mods[i])->name, json_integer(c->next_id[mods[i]]));
	}
	return json_pack("{s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:i,s:i,s:i,s:i,s:I}", "id", c->id, "name", c->name, "users",
	    users, "groups", groups, "resources", res, "folders", folders, "deleted_folders",
	    dump_tombs(c->ftomb, c->nftomb), "objects", objs, "next_ids", next, "next_folder", c->next_folder,
	    "next_attachment", c->next_attach, "next_alarm", c->next_alarm, "next_principal", c->next_principal, "last_stamp",
	    (json_int_t)c->last_stamp);
}

json_t *
persist_dump(bool content)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < S.nctx; i++)
		json_array_append_new(a, dump_ctx(S.ctx[i], content));
	return json_pack("{s:i,s:o}", "format", 1, "contexts", a);
}

bool
persist_save(const char *file)
{
	json_t *j = persist_dump(true);
	char *tmp = xprintf("%s.tmp", file);
	bool ok = json_dump_file(j, tmp, JSON_COMPACT) == 0 && rename(tmp, file) == 0;

	if (!ok)
		fprintf(stderr, "oxsim: cannot write %s\n", file);
	free(tmp);
	json_decref(j);
	return ok;
}

/* --- reading ------------------------------------------------------------------------ */

static int
gi(const json_t *o, const char *k)
{
	return (int)json_integer_value(json_object_get(o, k));
}

static int64_t
gl(const json_t *o, const char *k)
{
	return json_integer_value(json_object_get(o, k));
}

static char *
gs(const json_t *o, const char *k)
{
	return xstrdup(json_string_value(json_object_get(o, k)));
}

static void
load_user(struct ctx *c, const json_t *j)
{
	struct user *u = xcalloc(1, sizeof(*u));
	const json_t *f = json_object_get(j, "folders");
	const char *k;
	json_t *v, *x;
	size_t i, n;

	u->c = c;
	u->id = gi(j, "id");
	u->login = gs(j, "login");
	u->first = gs(j, "first");
	u->last = gs(j, "last");
	u->display = gs(j, "display");
	u->mail = gs(j, "mail");
	u->password = gs(j, "password");
	u->zone = gs(j, "zone");
	u->locale = gs(j, "locale");
	u->olox20 = json_is_true(json_object_get(j, "olox20"));
	u->seen = json_is_true(json_object_get(j, "seen"));
	u->harddelete = json_is_true(json_object_get(j, "harddelete"));
	u->contact = gi(j, "contact");
	u->f_cal = gi(f, "calendar");
	u->f_con = gi(f, "contacts");
	u->f_task = gi(f, "tasks");
	u->f_info = gi(f, "infostore");
	u->f_collect = gi(f, "collected");
	u->attr = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
	json_object_foreach(json_object_get(j, "attributes"), k, v)
		g_hash_table_insert(u->attr, xstrdup(k), xstrdup(json_string_value(v)));
	u->jslob = json_deep_copy(json_object_get(j, "jslob"));
	u->rules = json_deep_copy(json_object_get(j, "rules"));
	u->snippets = json_deep_copy(json_object_get(j, "snippets"));
	if (u->rules == NULL)
		u->rules = json_array();
	if (u->snippets == NULL)
		u->snippets = json_array();
	u->mailset = json_object_get(j, "mail_settings") ? json_deep_copy(json_object_get(j, "mail_settings")) : json_object();
	u->personal = gs(j, "personal");
	u->gui = json_deep_copy(json_object_get(j, "gui"));
	json_array_foreach(json_object_get(j, "mail_folders"), i, v) {
		struct mbox *mb = mbox_add(u, json_string_value(json_object_get(v, "path")), gi(v, "std"));

		mb->unsub = json_is_true(json_object_get(v, "unsubscribed"));
		mb->validity = (uint32_t)gl(v, "validity");
		json_array_foreach(json_object_get(v, "mails"), n, x) {
			struct mail *ml;

			mb->next = (uint32_t)gl(x, "uid");
			ml = mail_append(u, mb, un64(json_object_get(x, "raw")), gi(x, "flags"), gl(x, "received"));
			ml->color = gi(x, "color");
			ml->user = json_deep_copy(json_object_get(x, "user"));
		}
		mb->next = (uint32_t)gl(v, "next");
	}
	c->user = xrealloc(c->user, sizeof(*c->user) * (size_t)(c->nuser + 1));
	c->user[c->nuser++] = u;
}

static void
load_tombs(const json_t *a, struct tomb **t, uint32_t *n, uint32_t *cap)
{
	size_t i;
	json_t *v;

	*n = *cap = (uint32_t)json_array_size(a);
	*t = xcalloc(*cap + 1u, sizeof(**t));
	json_array_foreach((json_t *)(uintptr_t)a, i, v)
		(*t)[i] = (struct tomb){ (int)json_integer_value(json_array_get(v, 0)),
		    json_integer_value(json_array_get(v, 1)) };
}

static void
load_folder(struct ctx *c, const json_t *j)
{
	struct folder *f = folder_add(c, gi(j, "id"), gi(j, "parent"),
	    json_string_value(json_object_get(j, "title")), (enum mod)gi(j, "module"), gi(j, "type"),
	    gi(j, "owner"), gl(j, "last_modified"));
	json_t *v;
	size_t i;

	f->created = gl(j, "created");
	f->created_by = gi(j, "created_by");
	f->modified_by = gi(j, "modified_by");
	f->standard = json_is_true(json_object_get(j, "standard"));
	f->std_type = gi(j, "std_type");
	json_array_foreach(json_object_get(j, "permissions"), i, v)
		folder_set_perm(f, gi(v, "entity"), json_is_true(json_object_get(v, "group")), gi(v, "bits"));
	load_tombs(json_object_get(j, "deleted"), &f->tomb, &f->ntomb, &f->ctomb);
}

static void
load_days(const json_t *a, int64_t **v, int *n)
{
	size_t i;
	json_t *d;

	*n = (int)json_array_size(a);
	*v = xcalloc((size_t)*n + 1, sizeof(**v));
	json_array_foreach((json_t *)(uintptr_t)a, i, d)
		(*v)[i] = json_integer_value(d);
}

static void
load_obj(struct ctx *c, const struct modinfo *mi, const json_t *j)
{
	struct obj *o = obj_new(c, mi->m, gi(j, "id"), gi(j, "created_by"), gl(j, "last_modified"));
	const char *k;
	json_t *v;
	size_t i;

	o->modified_by = gi(j, "modified_by");
	o->created = gl(j, "created");
	json_object_foreach(json_object_get(j, "fields"), k, v) {
		char *t = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		int f = fld_by_name(mi, k);

		if (f >= 0 && t != NULL)
			obj_set(o, f, t, strlen(t));
		free(t);
	}
	json_array_foreach(json_object_get(j, "participants"), i, v) {
		struct participant *p = part_add(o, gi(v, "type"), gi(v, "id"),
		    json_string_value(json_object_get(v, "mail")), json_string_value(json_object_get(v, "name")));

		p->conf = gi(v, "conf");
		p->msg = gs(v, "msg");
	}
	o->natt = (int)json_array_size(json_object_get(j, "users"));
	o->att = xcalloc((size_t)o->natt + 1, sizeof(*o->att));
	json_array_foreach(json_object_get(j, "users"), i, v)
		o->att[i] = (struct attendee){ gi(v, "id"), gi(v, "conf"), gs(v, "msg"), gi(v, "alarm"),
		    json_is_true(json_object_get(v, "hidden")), gs(v, "alarms") };
	o->nat = (int)json_array_size(json_object_get(j, "attachments"));
	o->at = xcalloc((size_t)o->nat + 1, sizeof(*o->at));
	json_array_foreach(json_object_get(j, "attachments"), i, v)
		o->at[i] = (struct attach){ gi(v, "id"), gs(v, "name"), gs(v, "type"),
		    un64(json_object_get(v, "data")), gi(v, "by"), gl(v, "created"),
		    json_is_true(json_object_get(v, "rtf")) };
	o->at_lm = gl(j, "attachments_lm");
	o->image = un64(json_object_get(j, "image"));
	o->image_type = gs(j, "image_type");
	o->image_lm = gl(j, "image_lm");
	o->series = gi(j, "series");
	o->rdate = gl(j, "rdate");
	o->rpos = gi(j, "rpos");
	o->organizer = gi(j, "organizer");
	o->sequence = gi(j, "sequence");
	load_days(json_object_get(j, "chg"), &o->chg, &o->nchg);
	load_days(json_object_get(j, "del"), &o->del, &o->ndel);
	json_array_foreach(json_object_get(j, "places"), i, v) {
		struct folder *f = folder_get(c, gi(v, "folder"));

		if (f != NULL)
			(void)obj_place(o, f, gi(v, "user"));
	}
	if (o->m == M_CONTACTS)
		contact_resort(o);
}

static int
lm_order(const void *a, const void *b)
{
	int64_t x = gl(*(json_t *const *)a, "last_modified"), y = gl(*(json_t *const *)b, "last_modified");

	return x < y ? -1 : x > y;
}

static void
load_ctx(const json_t *j)
{
	struct ctx *c = ctx_new(gi(j, "id"), json_string_value(json_object_get(j, "name")));
	static const enum mod mods[] = { M_CONTACTS, M_TASKS, M_CALENDAR };
	json_t *v, *m, **sorted;
	size_t i, k, n;

	json_array_foreach(json_object_get(j, "users"), i, v)
		load_user(c, v);
	json_array_foreach(json_object_get(j, "folders"), i, v)
		load_folder(c, v);
	json_array_foreach(json_object_get(j, "groups"), i, v) {
		struct group *g = xcalloc(1, sizeof(*g));

		g->id = gi(v, "id");
		g->name = gs(v, "name");
		g->display = gs(v, "display");
		g->lm = gl(v, "lm");
		g->n = (int)json_array_size(json_object_get(v, "members"));
		g->member = xcalloc((size_t)g->n + 1, sizeof(int));
		json_array_foreach(json_object_get(v, "members"), k, m)
			g->member[k] = (int)json_integer_value(m);
		c->group = xrealloc(c->group, sizeof(*c->group) * (size_t)(c->ngroup + 1));
		c->group[c->ngroup++] = g;
	}
	json_array_foreach(json_object_get(j, "resources"), i, v) {
		struct resource *rs = xcalloc(1, sizeof(*rs));

		rs->id = gi(v, "id");
		rs->name = gs(v, "name");
		rs->display = gs(v, "display");
		rs->mail = gs(v, "mail");
		rs->lm = gl(v, "lm");
		c->res = xrealloc(c->res, sizeof(*c->res) * (size_t)(c->nres + 1));
		c->res[c->nres++] = rs;
	}
	load_tombs(json_object_get(j, "deleted_folders"), &c->ftomb, &c->nftomb, &c->cftomb);
	for (i = 0; i < 3; i++) {
		const struct modinfo *mi = modinfo_of(mods[i]);
		const json_t *a = json_object_get(json_object_get(j, "objects"), mi->name);

		/* in the order of change: linking is then constant time */
		n = json_array_size(a);
		sorted = xcalloc(n + 1, sizeof(json_t *));
		for (k = 0; k < n; k++)
			sorted[k] = json_array_get(a, k);
		qsort(sorted, n, sizeof(json_t *), lm_order);
		for (k = 0; k < n; k++)
			load_obj(c, mi, sorted[k]);
		free(sorted);
		c->next_id[mods[i]] = gi(json_object_get(j, "next_ids"), mi->name);
	}
	c->next_folder = gi(j, "next_folder");
	c->next_attach = gi(j, "next_attachment");
	c->next_alarm = gi(j, "next_alarm");
	c->next_principal = gi(j, "next_principal");
	c->last_stamp = gl(j, "last_stamp");
}

bool
persist_load(const char *file)
{
	json_error_t e;
	json_t *j = json_load_file(file, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e), *v;
	size_t i;

	if (j == NULL || gi(j, "format") != 1) {
		fprintf(stderr, "oxsim: %s is no saved state: %s (line %d)\n", file, j ? "wrong format" : e.text, j ? 0 : e.line);
		json_decref(j);
		return false;
	}
	json_array_foreach(json_object_get(j, "contexts"), i, v)
		load_ctx(v);
	json_decref(j);
	return true;
}
