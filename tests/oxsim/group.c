/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Modules group and resource.  Groups 0 and 1 hold all users and are not
 * stored; 0 has no time of change, so updates always lists it.
 */
#include <stdlib.h>

#include "oxsim/sim.h"

static void
put_members(struct req *r, int id, bool text)
{
	const struct group *g = group_by_id(r->c, id);
	int i, n = id < 2 ? r->c->nuser : g ? g->n : 0;

	sb_ch(r->out, text ? '"' : '[');
	for (i = 0; i < n; i++)
		sb_printf(r->out, "%s%d", i ? "," : "", id < 2 ? r->c->user[i]->id : g->member[i]);
	sb_ch(r->out, text ? '"' : ']');
}

static int64_t
group_lm(const struct req *r, int id)
{
	const struct group *g = group_by_id(r->c, id);

	if (id == 0)
		return sim_now();
	return g ? g->lm : folder_get(r->c, 1)->created;
}

static const char *
group_name(const struct req *r, int id)
{
	const struct group *g = group_by_id(r->c, id);

	return id == 0 ? NULL : id == 1 ? "users" : g ? g->name : NULL;
}

static const char *
group_display(const struct req *r, int id)
{
	const struct group *g = group_by_id(r->c, id);

	return id == 0 ? "All users" : id == 1 ? "Standard group" : g ? g->display : NULL;
}

static void
put_group(struct req *r, int id)
{
	int64_t lm = group_lm(r, id);

	if (r->out->p[r->out->len - 1] == '}')
		sb_ch(r->out, ',');
	sb_printf(r->out, "{\"id\":%d,\"display_name\":", id);
	sb_js(r->out, group_display(r, id));
	if (group_name(r, id) != NULL) {
		sb_str(r->out, ",\"name\":");
		sb_js(r->out, group_name(r, id));
	}
	sb_printf(r->out, ",\"last_modified_utc\":%lld,\"members\":", (long long)lm);
	put_members(r, id, false);
	sb_ch(r->out, '}');
	max_ts(r, lm);
}

static bool
group_known(struct req *r, int64_t id)
{
	if (id == 0 || id == 1 || group_by_id(r->c, (int)id) != NULL)
		return true;
	fail(r, "GRP-0017", json_pack("[I,i]", (json_int_t)id, r->c->id));
	return false;
}

void
group_get(struct req *r)
{
	int64_t id;

	if (need_i64(r, "id", &id) && group_known(r, id))
		put_group(r, (int)id);
}

void
group_list(struct req *r)
{
	json_t *a = body_array(r), *v;
	size_t i;
	int id;

	if (a == NULL)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(a, i, v) {
		if (!json_id(json_is_object(v) ? json_object_get(v, "id") : v, &id))
			continue;
		if (!group_known(r, id))
			return;
		put_group(r, id);
	}
	sb_ch(r->out, ']');
}

void
group_search(struct req *r)
{
	json_t *q = body_object(r);
	const char *pat = json_string_value(json_object_get(q, "pattern"));
	int i;

	if (q == NULL)
		return;
	if (pat == NULL)
		pat = "*";
	sb_ch(r->out, '[');
	for (i = 0; i < r->c->ngroup; i++)
		if (match_name(r->c->group[i]->display, pat) || match_name(r->c->group[i]->name, pat))
			put_group(r, r->c->group[i]->id);
	if (match_name(group_display(r, 0), pat))
		put_group(r, 0);
	sb_ch(r->out, ']');
}

void
group_all(struct req *r)
{
	const char *s = need(r, "columns");
	gchar **v;
	int i, k, id;

	if (s == NULL)
		return;
	v = g_strsplit(s, ",", -1);
	sb_ch(r->out, '[');
	for (i = 0; i <= r->c->ngroup; i++) {
		id = i < r->c->ngroup ? r->c->group[i]->id : 0;
		sb_str(r->out, i ? ",[" : "[");
		for (k = 0; v[k] != NULL; k++) {
			long col = strtol(v[k], NULL, 10);

			if (k > 0)
				sb_ch(r->out, ',');
			if (col == 1)
				sb_int(r->out, id);
			else if (col == 700)
				sb_js(r->out, group_name(r, id));
			else if (col == 701)
				sb_js(r->out, group_display(r, id));
			else if (col == 702)
				put_members(r, id, true);
			else
				sb_str(r->out, "null");
		}
		sb_ch(r->out, ']');
		max_ts(r, group_lm(r, id));
	}
	sb_ch(r->out, ']');
	g_strfreev(v);
}

static void
put_changed(struct req *r, const char *name, int64_t since)
{
	int i;

	sb_printf(r->out, "\"%s\":[", name);
	put_group(r, 0);
	put_group(r, 0);
	if (group_lm(r, 1) > since)
		put_group(r, 1);
	for (i = 0; i < r->c->ngroup; i++)
		if (r->c->group[i]->lm > since)
			put_group(r, r->c->group[i]->id);
	sb_ch(r->out, ']');
}

void
group_updates(struct req *r)
{
	int64_t since;
	int i;

	if (!need_i64(r, "timestamp", &since))
		return;
	sb_ch(r->out, '{');
	put_changed(r, "new", since);
	sb_ch(r->out, ',');
	put_changed(r, "modified", since);
	sb_str(r->out, ",\"deleted\":[");
	put_group(r, 0);
	put_group(r, 0);
	for (i = 0; i < r->c->ngtomb; i++)
		if (r->c->gtomb[i].stamp > since)
			sb_printf(r->out, ",{\"id\":%d,\"last_modified_utc\":%lld,\"members\":[]}", r->c->gtomb[i].id,
			    (long long)r->c->gtomb[i].stamp);
	sb_str(r->out, "]}");
}

static void
apply_group(struct group *g, const json_t *o)
{
	const json_t *v, *m = json_object_get(o, "members");
	size_t i;

	if (json_is_string(v = json_object_get(o, "name"))) {
		free(g->name);
		g->name = xstrdup(json_string_value(v));
	}
	if (json_is_string(v = json_object_get(o, "display_name"))) {
		free(g->display);
		g->display = xstrdup(json_string_value(v));
	}
	if (json_is_array(m)) {
		g->n = (int)json_array_size(m);
		g->member = xrealloc(g->member, sizeof(int) * ((size_t)g->n + 1));
		json_array_foreach((json_t *)(uintptr_t)m, i, v)
			g->member[i] = (int)json_integer_value(v);
	}
}

void
group_new(struct req *r)
{
	json_t *o = body_object(r);
	struct group *g;

	if (o == NULL)
		return;
	g = xcalloc(1, sizeof(*g));
	g->id = r->c->next_principal++;
	apply_group(g, o);
	if (g->name == NULL)
		g->name = xstrdup("");
	if (g->display == NULL)
		g->display = xstrdup(g->name);
	g->lm = stamp_new(r->c);
	r->c->group = xrealloc(r->c->group, sizeof(*r->c->group) * (size_t)(r->c->ngroup + 1));
	r->c->group[r->c->ngroup++] = g;
	sb_printf(r->out, "{\"id\":%d}", g->id);
	set_ts(r, g->lm);
}

void
group_update(struct req *r)
{
	int64_t id, t;
	struct group *g;
	json_t *o;

	if (!need_i64(r, "id", &id) || !need_i64(r, "timestamp", &t) || (o = body_object(r)) == NULL)
		return;
	g = group_by_id(r->c, (int)id);
	if (g == NULL) {
		fail(r, "GRP-0017", json_pack("[I,i]", (json_int_t)id, r->c->id));
		return;
	}
	if (g->lm > t) {
		fail(r, "GRP-0007", NULL);
		return;
	}
	apply_group(g, o);
	g->lm = stamp_new(r->c);
	sb_str(r->out, "{}");
	set_ts(r, g->lm);
}

void
group_delete(struct req *r)
{
	json_t *o = body_object(r);
	struct ctx *c = r->c;
	int64_t t;
	int id = -1, i;

	if (o == NULL || !need_i64(r, "timestamp", &t))
		return;
	(void)json_id(json_object_get(o, "id"), &id);
	for (i = 0; i < c->ngroup && c->group[i]->id != id; i++)
		;
	if (i == c->ngroup) {
		fail(r, "GRP-0017", json_pack("[i,i]", id, c->id));
		return;
	}
	free(c->group[i]->name);
	free(c->group[i]->display);
	free(c->group[i]->member);
	free(c->group[i]);
	memmove(c->group + i, c->group + i + 1, sizeof(*c->group) * (size_t)(c->ngroup - i - 1));
	c->ngroup--;
	c->gtomb = xrealloc(c->gtomb, sizeof(*c->gtomb) * (size_t)(c->ngtomb + 1));
	c->gtomb[c->ngtomb++] = (struct tomb){ id, stamp_new(c) };
	sb_str(r->out, "[]");
	set_ts(r, t);
}

/* --- resources ---------------------------------------------------------------------- */

static void
put_resource(struct req *r, const struct resource *x)
{
	if (r->out->p[r->out->len - 1] == '}')
		sb_ch(r->out, ',');
	sb_printf(r->out, "{\"id\":%d,\"name\":", x->id);
	sb_js(r->out, x->name);
	sb_str(r->out, ",\"display_name\":");
	sb_js(r->out, x->display);
	sb_str(r->out, ",\"mailaddress\":");
	sb_js(r->out, x->mail);
	sb_printf(r->out, ",\"availability\":true,\"description\":null,\"last_modified\":%lld,\"last_modified_utc\":%lld,"
	    "\"permissions\":[{\"entity\":0,\"group\":true,\"privilege\":\"book_directly\"}],\"own_privilege\":"
	    "\"book_directly\"}", (long long)shift(r, x->lm), (long long)x->lm);
	max_ts(r, x->lm);
}

void
resource_get(struct req *r)
{
	int64_t id;
	struct resource *x;

	if (!need_i64(r, "id", &id))
		return;
	x = res_by_id(r->c, (int)id);
	if (x == NULL)
		fail(r, "RES-0005", json_pack("[I]", (json_int_t)id));
	else
		put_resource(r, x);
}

void
resource_all(struct req *r)
{
	int i;

	sb_ch(r->out, '[');
	for (i = 0; i < r->c->nres; i++) {
		sb_printf(r->out, "%s%d", i ? "," : "", r->c->res[i]->id);
		max_ts(r, r->c->res[i]->lm);
	}
	sb_ch(r->out, ']');
}

void
resource_list(struct req *r)
{
	json_t *a = body_array(r), *v;
	size_t i;
	int id;

	if (a == NULL)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(a, i, v) {
		struct resource *x;

		if (!json_id(json_object_get(v, "id"), &id))
			continue;
		x = res_by_id(r->c, id);
		if (x == NULL) {
			fail(r, "RES-0005", json_pack("[i]", id));
			return;
		}
		put_resource(r, x);
	}
	sb_ch(r->out, ']');
}

void
resource_search(struct req *r)
{
	json_t *q = body_object(r);
	const char *pat = json_string_value(json_object_get(q, "pattern"));
	int i;

	if (q == NULL)
		return;
	sb_ch(r->out, '[');
	for (i = 0; i < r->c->nres; i++)
		if (pat == NULL || match_name(r->c->res[i]->display, pat) || match_name(r->c->res[i]->name, pat))
			put_resource(r, r->c->res[i]);
	sb_ch(r->out, ']');
}

void
resource_updates(struct req *r)
{
	static const char *const names[] = { "new", "modified" };
	int64_t since;
	int i, k;

	if (!need_i64(r, "timestamp", &since))
		return;
	set_ts(r, since);
	sb_ch(r->out, '{');
	for (k = 0; k < 2; k++) {
		sb_printf(r->out, "\"%s\":[", names[k]);
		for (i = 0; i < r->c->nres; i++)
			if (r->c->res[i]->lm > since)
				put_resource(r, r->c->res[i]);
		sb_str(r->out, "],");
	}
	sb_str(r->out, "\"deleted\":[]}");
}
