/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From module and action to the function, and the `multiple` module.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

static const struct route routes[] = {
#define R(m, a, f) { m, a, f },
#include "oxsim/routes.def"
#undef R
};

static GHashTable *by_key, *modules;

static void
index_routes(void)
{
	size_t i;

	by_key = g_hash_table_new(g_str_hash, g_str_equal);
	modules = g_hash_table_new(g_str_hash, g_str_equal);
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		g_hash_table_insert(by_key, xprintf("%s/%s", routes[i].module, routes[i].action),
		    (gpointer)(uintptr_t)&routes[i]);
		g_hash_table_add(modules, (gpointer)(uintptr_t)routes[i].module);
	}
	g_hash_table_add(modules, (gpointer)(uintptr_t)"login");
	g_hash_table_add(modules, (gpointer)(uintptr_t)"multiple");
}

bool
module_exists(const char *module)
{
	if (by_key == NULL)
		index_routes();
	return g_hash_table_contains(modules, module);
}

bool
module_known(const char *module)
{
	size_t n = strcspn(module, "/");
	gchar **p;

	/* with what lies below it: calendar/itip goes with calendar */
	for (p = S.without; p != NULL && *p != NULL; p++)
		if (strlen(*p) == n && strncmp(*p, module, n) == 0)
			return false;
	return module_exists(module);
}

void
sim_count(const char *key)
{
	uint64_t *n = g_hash_table_lookup(S.counter, key);

	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		g_hash_table_insert(S.counter, xstrdup(key), n);
	}
	(*n)++;
}

void
dispatch(struct req *r)
{
	char key[400];
	const struct route *rt;
	const char *z = arg(r, "timezone");

	if (r->out->len == r->start || r->mark < r->start)
		envelope_begin(r);
	(void)snprintf(key, sizeof(key), "%s/%s", r->module, r->action);
	rt = g_hash_table_lookup(by_key, key);
	if (rt == NULL) {
		(void)snprintf(key, sizeof(key), "%s/*", r->module);
		rt = g_hash_table_lookup(by_key, key);
	}
	/* an unknown zone is UTC, not that of the user */
	r->zone = tz_get(z ? z : r->u ? r->u->zone : "UTC");
	if (r->zone == NULL)
		r->zone = tz_get("UTC");
	if (rt == NULL) {
		if (strcmp(r->module, "folders") == 0)
			fail(r, "SVL-0001", NULL);
		else
			fail(r, "SVL-0021", json_pack("[s,s]", r->action, r->module));
	} else {
		sim_count(key);
		events_by(r->c);
		rt->fn(r);
		events_only(0);
		events_too(0);
	}
	if (r->failed)
		r->kind = RK_JSON;
	if (r->kind == RK_JSON)
		envelope_end(r);
}

static void
html(struct req *r, int status, const char *text)
{
	r->kind = RK_RAW;
	r->status = status;
	r->ctype = "text/html;charset=UTF-8";
	if (status == 400)
		add_header(r, "Content-Disposition", "inline");
	r->out->len = 0;
	sb_printf(r->out, "<!DOCTYPE html><html><head><title>%d</title></head><body>%s</body></html>",
	    status, text);
}

static void
sub_args(struct req *q, const json_t *item)
{
	const char *k;
	json_t *v;
	char num[32];

	json_object_foreach((json_t *)(uintptr_t)item, k, v) {
		if (strcmp(k, "module") == 0 || strcmp(k, "data") == 0)
			continue;
		if (json_is_string(v)) {
			add_arg(q, k, json_string_value(v));
		} else if (json_is_integer(v)) {
			(void)snprintf(num, sizeof(num), "%lld", (long long)json_integer_value(v));
			add_arg(q, k, num);
		} else if (json_is_boolean(v)) {
			add_arg(q, k, json_is_true(v) ? "true" : "false");
		}
	}
}

static void
sub_request(struct req *r, const json_t *item)
{
	struct req q = { 0 };
	const char *m = json_string_value(json_object_get(item, "module"));
	struct fault fa;

	q.c = r->c;
	q.u = r->u;
	q.ses = r->ses;
	q.method = "PUT";
	q.out = r->out;
	q.status = 200;
	q.ua = r->ua;
	q.peer = r->peer;
	q.in_multiple = true;
	q.rest = "";
	q.j = json_object_get(item, "data");
	q.j_done = true;
	(void)snprintf(q.path, sizeof(q.path), "%s", m);
	(void)snprintf(q.module, sizeof(q.module), "%s", m);
	sub_args(&q, item);
	q.action = arg(&q, "action");
	if (q.action == NULL)
		q.action = "GET";
	envelope_begin(&q);
	fa = fault_match(&q, r->u->login);
	if (!module_known(q.module) && strncmp(q.module, "config/", 7) == 0) {
		q.rest = q.path + 7;
		(void)snprintf(q.module, sizeof(q.module), "config");
	}
	if (fa.kind == FA_ERROR) {
		fail(&q, fa.code, NULL);
		if (fa.category > 0)
			error_category(q.err, fa.category);
		envelope_end(&q);
	} else if (!module_known(q.module) || strcmp(q.module, "login") == 0 ||
	    strcmp(q.module, "multiple") == 0) {
		fail(&q, "SVL-0007", NULL);
		envelope_end(&q);
	} else {
		dispatch(&q);
		if (q.kind != RK_JSON) {
			/* binary answers are not possible here */
			q.out->len = q.start;
			q.kind = RK_JSON;
			sb_str(q.out, "{}");
		}
	}
	req_clear(&q);
}

void
act_multiple(struct req *r)
{
	json_t *a, *item;
	size_t i;

	if (r->blen == 0) {
		if (strcmp(r->method, "GET") == 0)
			fail(r, "SVL-0007", NULL);
		else
			html(r, 400, "The request has no body.");
		return;
	}
	a = json_loadb(r->body, r->blen, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_array(a)) {
		json_decref(a);
		html(r, 400, "The body is no array of requests.");
		return;
	}
	json_array_foreach(a, i, item) {
		if (json_string_value(json_object_get(item, "module")) == NULL) {
			html(r, 500, "An entry has no module.");
			json_decref(a);
			return;
		}
	}
	sim_count("multiple");
	sb_ch(r->out, '[');
	/* continue=false does not stop 8.19 */
	json_array_foreach(a, i, item) {
		if (i > 0)
			sb_ch(r->out, ',');
		sub_request(r, item);
	}
	sb_ch(r->out, ']');
	json_decref(a);
}
