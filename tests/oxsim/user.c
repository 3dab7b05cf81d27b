/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module user: the entries of the global address list with the account's own
 * fields.  Columns 610 to 616 mean other things here than in contacts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/contact.h"

static struct ent *
entry(const struct user *u)
{
	struct obj *o = obj_get(u->c, M_CONTACTS, u->contact);

	return o ? o->ents : NULL;
}

static void
put_groups(struct sb *b, const struct user *u)
{
	int i;

	sb_str(b, "[0,1");
	for (i = 0; i < u->c->ngroup; i++)
		if (u->c->group[i]->id > 1 && group_has(u->c, u->c->group[i]->id, u->id))
			sb_printf(b, ",%d", u->c->group[i]->id);
	sb_ch(b, ']');
}

static bool
put_own(struct req *r, const struct user *u, int64_t col)
{
	struct sb *b = r->out;

	switch (col) {
	case 1: sb_int(b, u->id); break;
	case 610:
		sb_ch(b, '[');
		sb_js(b, u->mail);
		sb_ch(b, ']');
		break;
	case 611: sb_js(b, u->zone); break;
	case 612: sb_js(b, u->locale); break;
	case 613: put_groups(b, u); break;
	case 614: sb_int(b, u->contact); break;
	case 615: sb_js(b, u->login); break;
	case 616: sb_str(b, "0"); break;
	default: return false;
	}
	return true;
}

static void
put_row(struct req *r, const struct user *u, const int64_t *col, int n)
{
	struct sb *b = r->out;
	struct ent *e = entry(u);
	struct cols one = { .n = 1 };
	int i;
	size_t at;

	sb_ch(b, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(b, ',');
		if (put_own(r, u, col[i]))
			continue;
		one.f[0] = fld_by_col(&MI_CONTACTS, (int)col[i]);
		if (one.f[0] < 0 || e == NULL) {
			sb_str(b, "null");
			continue;
		}
		/* [value] -> value */
		at = b->len;
		emit_row(r, &MI_CONTACTS, &one, e);
		memmove(b->p + at, b->p + at + 1, b->len - at - 2);
		b->len -= 2;
	}
	sb_ch(b, ']');
	if (e != NULL)
		max_ts(r, e->o->lm);
}

static int
columns(struct req *r, int64_t *col, int max)
{
	const char *s = need(r, "columns");
	gchar **v;
	int n = 0;

	if (s == NULL)
		return -1;
	v = g_strsplit(s, ",", -1);
	for (n = 0; n < max && v[n] != NULL; n++)
		if (!parse_i64(v[n], &col[n])) {
			fail(r, "SVL-0010", json_pack("[s,s]", "columns", s));
			break;
		}
	g_strfreev(v);
	return r->failed ? -1 : n;
}

static struct user *
asked(struct req *r)
{
	int64_t id = r->u->id;
	struct user *u;

	if (arg(r, "id") != NULL && !need_i64(r, "id", &id))
		return NULL;
	u = user_by_id(r->c, (int)id);
	if (u == NULL)
		fail(r, "USR-0010", json_pack("[I,i]", (json_int_t)id, r->c->id));
	return u;
}

void
user_get(struct req *r)
{
	static const struct { int col; const char *name; } own[] = { { 610, "aliases" }, { 611, "timezone" },
	    { 612, "locale" }, { 613, "groups" }, { 614, "contact_id" }, { 615, "login_info" } };
	struct user *u = asked(r);
	struct ent *e = u ? entry(u) : NULL;
	size_t i;

	if (e == NULL)
		return;
	r->as_user = u->id;
	emit_object(r, &MI_CONTACTS, e);
	r->as_user = 0;
	r->out->len--;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		sb_printf(r->out, ",\"%s\":", own[i].name);
		(void)put_own(r, u, own[i].col);
	}
	sb_ch(r->out, '}');
	set_ts(r, e->o->lm);
}

void
user_all(struct req *r)
{
	int64_t col[MAX_COLS];
	int n = columns(r, col, MAX_COLS), i;

	if (n < 0)
		return;
	sb_ch(r->out, '[');
	for (i = 0; i < r->c->nuser; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		put_row(r, r->c->user[i], col, n);
	}
	sb_ch(r->out, ']');
}

/* null stands for the asking user; unknown ids are left out with a warning */
void
user_list(struct req *r)
{
	json_t *a = body_array(r), *v;
	int64_t col[MAX_COLS];
	int n, id;
	size_t i;

	if (a == NULL || (n = columns(r, col, MAX_COLS)) < 0)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(a, i, v) {
		const struct user *u;

		id = r->u->id;
		if (!json_is_null(v) && !json_id(v, &id))
			continue;
		u = user_by_id(r->c, id);
		if (u == NULL) {
			warn(r, "USR-0010", json_pack("[i,i]", id, r->c->id));
			continue;
		}
		if (r->out->p[r->out->len - 1] != '[')
			sb_ch(r->out, ',');
		put_row(r, u, col, n);
	}
	sb_ch(r->out, ']');
}

static bool
like(const char *val, const char *pat)
{
	gchar *v = g_utf8_casefold(val ? val : "", -1), *p = g_utf8_casefold(pat, -1);
	bool ok = strchr(p, '*') ? g_pattern_match_simple(p, v) : strstr(v, p) != NULL;

	g_free(v);
	g_free(p);
	return ok;
}

void
user_search(struct req *r)
{
	json_t *q = body_object(r);
	const char *pat, *mail;
	int64_t col[MAX_COLS];
	int n, i;

	if (q == NULL || (n = columns(r, col, MAX_COLS)) < 0)
		return;
	pat = json_string_value(json_object_get(q, "pattern"));
	mail = json_string_value(json_object_get(q, "email1"));
	sb_ch(r->out, '[');
	for (i = 0; i < r->c->nuser; i++) {
		const struct user *u = r->c->user[i];

		if ((pat != NULL && !like(u->display, pat)) || (mail != NULL && !like(u->mail, mail)))
			continue;
		if (r->out->p[r->out->len - 1] != '[')
			sb_ch(r->out, ',');
		put_row(r, u, col, n);
	}
	sb_ch(r->out, ']');
}

void
user_set_attribute(struct req *r)
{
	struct user *u = asked(r);
	json_t *o;
	const char *name, *value;
	bool set;

	if (u == NULL || (o = body_object(r)) == NULL)
		return;
	if (u != r->u) {
		fail(r, "USR-0013", json_pack("[i]", r->c->id));
		return;
	}
	name = json_string_value(json_object_get(o, "name"));
	value = json_string_value(json_object_get(o, "value"));
	if (name == NULL) {
		fail(r, "SVL-0009", json_pack("[s]", "name"));
		return;
	}
	set = !arg_true(r, "setIfAbsent") || !g_hash_table_contains(u->attr, name);
	if (set && value != NULL)
		g_hash_table_insert(u->attr, xstrdup(name), xstrdup(value));
	else if (set)
		(void)g_hash_table_remove(u->attr, name);
	sb_str(r->out, set ? "true" : "false");
}

void
user_get_attribute(struct req *r)
{
	struct user *u = asked(r);
	const char *name = need(r, "name"), *v;

	if (u == NULL || name == NULL)
		return;
	v = g_hash_table_lookup(u->attr, name);
	sb_str(r->out, "{\"name\":");
	sb_js(r->out, name);
	if (v != NULL) {
		sb_str(r->out, ",\"value\":");
		sb_js(r->out, v);
	}
	sb_ch(r->out, '}');
}

/* the own entry only; locale and timezone are of the account */
void
user_update(struct req *r)
{
	struct user *u = asked(r);
	struct ent *e;
	json_t *o;
	const char *z, *l;
	struct obj *trial;
	int64_t t, stamp;

	if (u == NULL || !need_i64(r, "timestamp", &t) || (o = body_object(r)) == NULL || (e = entry(u)) == NULL)
		return;
	if (u != r->u) {
		fail(r, "CON-0176", json_pack("[i,i]", r->u->id, r->c->id));
		return;
	}
	if (e->o->lm > t) {
		fail(r, "CON-0119", NULL);
		return;
	}
	/* recorded 22-password-personal-data 27 and 30 */
	z = json_string_value(json_object_get(o, "email1"));
	if (z != NULL && strcmp(z, u->mail) != 0) {
		fail(r, "CON-0173", json_pack("[i,i,i]", r->c->id, u->contact, u->id));
		return;
	}
	z = json_string_value(json_object_get(o, "timezone"));
	if (z != NULL && tz_get(z) == NULL) {
		fail(r, "USR-0024", json_pack("[s]", z));
		return;
	}
	if (json_is_string(json_object_get(o, "image1"))) { /* recorded 34: a picture comes as a file, not as text */
		fail(r, "SVL-0009", json_pack("[s]", "image1"));
		return;
	}
	trial = obj_trial(e->o);
	if (contact_apply(r, trial, o, false)) {
		obj_swap(e->o, trial);
		stamp = obj_touch(r->c, e->o, r->u->id, stamp_new(r->c));
		contact_resort(e->o);
		z = json_string_value(json_object_get(o, "timezone"));
		l = json_string_value(json_object_get(o, "locale"));
		if (z != NULL && tz_get(z) != NULL) {
			free(u->zone);
			u->zone = xstrdup(z);
		}
		if (l != NULL) {
			free(u->locale);
			u->locale = xstrdup(l);
		}
		sb_str(r->out, "{}");
		set_ts(r, stamp);
	}
	obj_free(trial);
}

void
user_me(struct req *r)
{
	const struct user *u = r->u;

	sb_printf(r->out, "{\"context_id\":%d,\"user_id\":%d,\"context_admin\":2,\"login_name\":", u->c->id, u->id);
	sb_js(r->out, u->login);
	sb_str(r->out, ",\"display_name\":");
	sb_js(r->out, u->display);
	sb_str(r->out, ",\"mail_login\":");
	sb_js(r->out, u->login);
	sb_str(r->out, ",\"email_address\":");
	sb_js(r->out, u->mail);
	sb_str(r->out, ",\"email_aliases\":[");
	sb_js(r->out, u->mail);
	sb_str(r->out, "]}");
}
