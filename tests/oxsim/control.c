/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The control API of the tests: /control/...  JSON in and out, no session.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/push.h"

static void
reply(struct req *r, json_t *j)
{
	char *t = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	r->kind = RK_FLAT;
	sb_str(r->out, t ? t : "null");
	free(t);
	json_decref(j);
}

void
control_reply(struct req *r, json_t *j)
{
	reply(r, j);
}

static void
bad(struct req *r, const char *why)
{
	r->status = 400;
	reply(r, json_pack("{s:s}", "error", why));
}

static json_t *
input(struct req *r)
{
	if (r->blen == 0)
		return NULL;
	r->j = json_loadb(r->body, r->blen, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	r->j_own = true;
	return r->j;
}

/* "anton", "anton@example.com" */
struct user *
user_named(const char *name)
{
	const char *at = name ? strchr(name, '@') : NULL;
	int i, k;

	for (i = 0; name != NULL && i < S.nctx; i++) {
		if (at != NULL && strcmp(at + 1, S.ctx[i]->name) != 0)
			continue;
		for (k = 0; k < S.ctx[i]->nuser; k++) {
			const char *l = S.ctx[i]->user[k]->login;
			size_t n = at ? (size_t)(at - name) : strlen(name);

			if (strlen(l) == n && strncmp(l, name, n) == 0)
				return S.ctx[i]->user[k];
		}
	}
	return NULL;
}

static void
state(struct req *r)
{
	const struct user *u = user_named(arg(r, "user"));
	json_t *all, *c, *m, *list, *o, *p, *out;
	size_t i, k, n;
	const char *name;

	if (arg(r, "user") == NULL) {
		reply(r, persist_dump(arg_true(r, "content")));
		return;
	}
	if (u == NULL) {
		bad(r, "no such user; write login or login@context");
		return;
	}
	/* objects by folder as this user has them */
	all = persist_dump(arg_true(r, "content"));
	out = json_pack("{s:{}, s:n}", "folders", "mail_folders");
	json_array_foreach(json_object_get(all, "contexts"), i, c) {
		if (json_integer_value(json_object_get(c, "id")) != u->c->id)
			continue;
		json_object_foreach(json_object_get(c, "objects"), name, list) {
			json_array_foreach(list, k, o) {
				json_array_foreach(json_object_get(o, "places"), n, p) {
					int fid = (int)json_integer_value(json_object_get(p, "folder"));
					char key[16];
					const struct folder *f = folder_get(u->c, fid);

					if (f == NULL || !perm_visible(u->c, f, u->id))
						continue;
					(void)snprintf(key, sizeof(key), "%d", fid);
					if (json_object_get(json_object_get(out, "folders"), key) == NULL)
						json_object_set_new(json_object_get(out, "folders"), key, json_array());
					json_array_append(json_object_get(json_object_get(out, "folders"), key), o);
				}
			}
		}
		json_array_foreach(json_object_get(c, "users"), k, m)
			if (json_integer_value(json_object_get(m, "id")) == u->id)
				json_object_set(out, "mail_folders", json_object_get(m, "mail_folders"));
	}
	json_decref(all);
	reply(r, out);
}

static void
counters(struct req *r)
{
	GHashTableIter it;
	gpointer k, v;
	json_t *o = json_object();

	if (strcmp(r->method, "DELETE") == 0)
		g_hash_table_remove_all(S.counter);
	g_hash_table_iter_init(&it, S.counter);
	while (g_hash_table_iter_next(&it, &k, &v))
		json_object_set_new(o, k, json_integer((json_int_t)*(uint64_t *)v));
	reply(r, json_pack("{s:I, s:i, s:o}", "requests", (json_int_t)S.requests, "sessions",
	    (int)g_hash_table_size(S.session), "actions", o));
}

static void
faults(struct req *r)
{
	json_t *j, *v;
	const char *why = "the body must be a rule or an array of rules";
	size_t i;
	bool ok = false;

	if (strcmp(r->method, "DELETE") == 0) {
		fault_clear();
	} else if (strcmp(r->method, "GET") != 0) {
		j = input(r);
		if (json_is_array(j)) {
			ok = true;
			json_array_foreach(j, i, v)
				ok = ok && fault_add(v, &why);
		} else if (json_is_object(j)) {
			ok = fault_add(j, &why);
		}
		if (!ok) {
			bad(r, why);
			return;
		}
	}
	reply(r, fault_list());
}

static void
clock_set(struct req *r)
{
	json_t *j = input(r);
	const char *mode = json_string_value(json_object_get(j, "mode"));
	json_t *adv = json_object_get(j, "advance");
	int64_t v = json_integer_value(json_object_get(j, "value"));

	if (json_is_integer(adv)) {
		if (S.clk == CLK_REAL)
			S.clk = CLK_OFFSET;
		S.clk_val += json_integer_value(adv);
	} else if (mode != NULL && strcmp(mode, "real") == 0) {
		S.clk = CLK_REAL;
		S.clk_val = 0;
	} else if (mode != NULL && strcmp(mode, "offset") == 0) {
		S.clk = CLK_OFFSET;
		S.clk_val = v;
	} else if (mode != NULL && strcmp(mode, "fixed") == 0) {
		S.clk = CLK_FIXED;
		S.clk_val = v;
	} else if (strcmp(r->method, "GET") != 0) {
		bad(r, "want {\"mode\":\"real|offset|fixed\",\"value\":ms} or {\"advance\":ms}");
		return;
	}
	reply(r, json_pack("{s:I}", "now", (json_int_t)sim_now()));
}

/* --- acting as a user -------------------------------------------------------------- */

void
req_as_user(struct req *q, struct user *u, struct sb *out)
{
	memset(q, 0, sizeof(*q));
	q->out = out;
	events_by(u->c);
	q->c = u->c;
	q->u = u;
	q->method = "PUT";
	q->status = 200;
	q->ua = "oxsim";
	q->peer = "127.0.0.1";
	q->in_multiple = true;
	q->rest = "";
	q->j_done = true;
	q->zone = tz_get("UTC");
	q->action = "";
}

static void
as_args(struct req *q, const json_t *params)
{
	const char *k;
	json_t *v;
	char *t;

	json_object_foreach((json_t *)(uintptr_t)params, k, v) {
		if (json_is_string(v)) {
			add_arg(q, k, json_string_value(v));
			continue;
		}
		t = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		add_arg(q, k, t);
		free(t);
	}
}

static void
act_as(struct req *r)
{
	json_t *j = input(r);
	const char *m = json_string_value(json_object_get(j, "module"));
	const char *a = json_string_value(json_object_get(j, "action"));
	struct user *u = user_named(json_string_value(json_object_get(j, "user")));
	struct req q;

	const char *rest = m != NULL && strncmp(m, "config/", 7) == 0 ? m + 7 : NULL;

	m = rest != NULL ? "config" : m;
	if (u == NULL || m == NULL || a == NULL || !module_exists(m)) {
		bad(r, "want {\"user\":..,\"module\":..,\"action\":..,\"params\":{..},\"data\":..}");
		return;
	}
	req_as_user(&q, u, r->out);
	(void)snprintf(q.module, sizeof(q.module), "%s", m);
	q.action = a;
	q.j = json_object_get(j, "data");
	if (rest != NULL) { /* a setting, by its path: written where there is data, outside of "multiple" only */
		q.rest = rest;
		q.in_multiple = false;
		q.method = q.j != NULL ? "PUT" : "GET";
	}
	/* raw mail: data is the message text */
	if (strcmp(m, "mail") == 0 && json_is_string(q.j)) {
		q.body = json_string_value(q.j);
		q.blen = json_string_length(q.j);
	}
	as_args(&q, json_object_get(j, "params"));
	envelope_begin(&q);
	dispatch(&q);
	r->kind = RK_FLAT;
	req_clear(&q);
}

/* --- bench fill -------------------------------------------------------------------------- */

static void
fill_mail(struct user *u, struct mbox *mb, int64_t i, size_t size)
{
	struct sb b = { 0 };
	int64_t t = sim_now() - i * 60000;
	GDateTime *d = g_date_time_new_from_unix_utc(t / 1000);
	gchar *date = g_date_time_format(d, "%a, %d %b %Y %H:%M:%S +0000");

	sb_printf(&b, "From: Sender %d <sender%d@example.org>\r\nTo: %s <%s>\r\nSubject: Message number %lld\r\n"
	    "Date: %s\r\nMessage-ID: <fill.%lld.%u@example.org>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n", (int)(i % 50), (int)(i % 50), u->display, u->mail,
	    (long long)i, date, (long long)i, mb->next);
	while (b.len < size)
		sb_str(&b, "The quick brown fox jumps over the lazy dog and comes back again.\r\n");
	(void)mail_append(u, mb, blob_new(b.p, b.len), i % 3 ? 32 : 0, t);
	sb_free(&b);
	g_free(date);
	g_date_time_unref(d);
}

static json_t *
fill_fields(const struct folder *f, int64_t i, const json_t *extra)
{
	int64_t day = sim_now() / DAY_MS * DAY_MS + (i % 365) * DAY_MS + (i % 20 + 2) * 1800000;
	json_t *o;
	char a[64], b[64], c[64];

	(void)snprintf(a, sizeof(a), "First%lld", (long long)i);
	(void)snprintf(b, sizeof(b), "Last%05lld", (long long)i);
	(void)snprintf(c, sizeof(c), "user%lld@example.org", (long long)i);
	if (f->m == M_CONTACTS)
		o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "first_name", a, "last_name", b, "display_name",
		    c, "email1", c, "company", "Example Ltd", "city_business", "Olpe", "street_business",
		    "Main Street 1", "telephone_business1", "+49 2761 1234", "cellular_telephone1", "+49 171 1234", "note", "made by fill");
	else if (f->m == M_TASKS)
		o = json_pack("{s:s,s:I,s:I,s:i,s:i,s:i}", "title", b, "start_date", (json_int_t)(day / DAY_MS * DAY_MS),
		    "end_date", (json_int_t)(day / DAY_MS * DAY_MS), "status", 2, "percent_completed", 25, "priority", 2);
	else
		o = json_pack("{s:s,s:I,s:I,s:s,s:b}", "title", b, "start_date", (json_int_t)day, "end_date",
		    (json_int_t)(day + 1800000), "location", "Room 1", "ignore_conflicts", 1);
	json_object_update(o, (json_t *)(uintptr_t)extra);
	json_object_set_new(o, "folder_id", json_integer(f->id));
	return o;
}

static void
fill(struct req *r)
{
	json_t *j = input(r), *extra = json_object_get(j, "fields"), *o;
	struct user *u = user_named(json_string_value(json_object_get(j, "user")));
	const char *fid = json_string_value(json_object_get(j, "folder"));
	int64_t n = json_integer_value(json_object_get(j, "count")), i;
	int64_t size = json_integer_value(json_object_get(j, "size"));
	int64_t first = json_integer_value(json_object_get(j, "first"));
	struct folder *f = NULL;
	struct mbox *mb = NULL;
	struct req q;
	int id;

	if (u != NULL && mail_path(fid) != NULL) {
		mb = mbox_get(u, mail_path(fid));
		if (mb == NULL)
			mb = mbox_add(u, mail_path(fid), 0);
	} else if (u != NULL && json_folder(json_object_get(j, "folder"), &id)) {
		f = folder_get(u->c, id);
	}
	if (u == NULL || n < 1 || n > 1000000 || (f == NULL && mb == NULL)) {
		bad(r, "want {\"user\":..,\"folder\":id,\"count\":1..1000000[,\"fields\":{..},\"size\":mail bytes]}");
		return;
	}
	for (i = first; i < first + n; i++) {
		if (mb != NULL) {
			fill_mail(u, mb, i, size > 0 ? (size_t)size : 1024);
			continue;
		}
		req_as_user(&q, u, r->out);
		o = fill_fields(f, i, extra);
		if (store_insert(&q, f, o) == NULL) {
			r->status = 400;
			reply(r, q.err ? json_incref(q.err) : json_null());
			json_decref(o);
			req_clear(&q);
			return;
		}
		json_decref(o);
		req_clear(&q);
	}
	reply(r, json_pack("{s:I}", "created", (json_int_t)n));
}

static void
add_user(struct req *r)
{
	json_t *j = input(r);
	const char *login = json_string_value(json_object_get(j, "login"));
	const char *first = json_string_value(json_object_get(j, "first_name"));
	const char *last = json_string_value(json_object_get(j, "last_name"));
	const char *zone = json_string_value(json_object_get(j, "timezone"));
	json_t *cid = json_object_get(j, "context");
	struct ctx *c = ctx_by_id(cid ? (int)json_integer_value(cid) : 1);
	struct user *u;

	if (c == NULL || login == NULL || strchr(login, '@') != NULL ||
	    (zone != NULL && tz_get(zone) == NULL)) {
		bad(r, "want {\"login\":..[,\"context\":1,\"first_name\":..,\"last_name\":..,\"timezone\":..,\"olox20\":true,\"password\":..]}");
		return;
	}
	u = fixture_user(c, c->next_principal++, login, first ? first : login, last ? last : "User",
	    zone ? zone : "UTC", c->next_folder, 0);
	u->olox20 = json_is_true(json_object_get(j, "olox20"));
	if (json_string_value(json_object_get(j, "password")) != NULL) {
		free(u->password);
		u->password = xstrdup(json_string_value(json_object_get(j, "password")));
	}
	reply(r, json_pack("{s:i,s:i,s:i,s:i}", "id", u->id, "calendar", u->f_cal, "contacts", u->f_con, "tasks", u->f_task));
}

/* OX counts how often a user has used a contact; here it is told, and the same for all */
static void
used(struct req *r)
{
	json_t *j = input(r);
	struct ctx *c = ctx_by_id(1);
	struct obj *o = c != NULL ? obj_get(c, M_CONTACTS, (int)json_integer_value(json_object_get(j, "contact"))) : NULL;

	if (o == NULL) {
		bad(r, "want {\"contact\":id,\"count\":N}");
		return;
	}
	o->used = (int)json_integer_value(json_object_get(j, "count"));
	reply(r, json_pack("{s:i}", "count", o->used));
}

static void
late(struct req *r)
{
	json_t *j = input(r), *e = json_object_get(j, "every");

	S.late_ms = json_integer_value(json_object_get(j, "ms"));
	S.late_every = json_is_integer(e) ? (int)json_integer_value(e) : 1;
	reply(r, json_pack("{s:I,s:i}", "ms", (json_int_t)S.late_ms, "every", S.late_every));
}

static void
rate(struct req *r)
{
	json_t *j = input(r), *w = json_object_get(j, "window_ms");

	S.rate_max = (int)json_integer_value(json_object_get(j, "max"));
	S.rate_window = json_is_integer(w) ? json_integer_value(w) : 300000;
	g_hash_table_remove_all(S.rate);
	reply(r, json_pack("{s:i,s:I}", "max", S.rate_max, "window_ms", (json_int_t)S.rate_window));
}

/* which modules this server does not offer, from now on */
static void
modules_off(struct req *r)
{
	json_t *j = input(r), *list = json_object_get(j, "without"), *v;
	gchar **all = g_new0(gchar *, json_array_size(list) + 1);
	size_t i;

	if (!json_is_array(list)) {
		g_strfreev(all);
		bad(r, "want {\"without\":[module,..]}");
		return;
	}
	json_array_foreach(list, i, v)
		all[i] = g_strdup(json_is_string(v) ? json_string_value(v) : "");
	g_strfreev(S.without);
	S.without = all;
	reply(r, json_pack("{s:O}", "without", list));
}

static void
expire(struct req *r)
{
	sessions_forget();
	reply(r, json_pack("{s:b}", "ok", 1));
}

/* The other state in memory goes as well. */
static void
restart(struct req *r)
{
	udp_restart();
	expire(r);
}

static void
push(struct req *r)
{
	(void)input(r);
	udp_control(r);
}

static void
webhooks(struct req *r)
{
	(void)input(r);
	hook_control(r);
}

/* What other programs did to the script of a user's rules. */
static void
sieve(struct req *r)
{
	json_t *j = input(r), *rules = json_object_get(j, "rules");
	struct user *u = user_named(json_string_value(json_object_get(j, "user")));

	if (u == NULL || (rules != NULL && !json_is_array(rules))) {
		bad(r, "want {\"user\":..[,\"foreign\":bool,\"rules\":[rules as v1 lists them, with \"unread\":true what the server cannot read]]}");
		return;
	}
	u->foreign_script = json_is_true(json_object_get(j, "foreign"));
	if (rules != NULL) {
		json_decref(u->rules);
		u->rules = json_deep_copy(rules);
	}
	control_reply(r, json_pack("{s:O}", "rules", u->rules));
}

static void
password(struct req *r)
{
	json_t *j = input(r);
	struct user *u = user_named(json_string_value(json_object_get(j, "user")));
	const char *p = json_string_value(json_object_get(j, "password"));

	if (u == NULL || p == NULL) {
		bad(r, "want {\"user\":..,\"password\":..}");
		return;
	}
	free(u->password);
	u->password = xstrdup(p);
	sessions_of_end(u, NULL);
	reply(r, json_pack("{s:b}", "ok", 1));
}

/* what the administrator of the server allows him */
static void
allow(struct req *r)
{
	json_t *j = input(r);
	struct user *u = user_named(json_string_value(json_object_get(j, "user")));

	if (u == NULL || !json_is_boolean(json_object_get(j, "edit_password"))) {
		bad(r, "want {\"user\":..,\"edit_password\":true}");
		return;
	}
	u->fixed_password = json_is_false(json_object_get(j, "edit_password"));
	reply(r, json_pack("{s:b}", "ok", 1));
}

static void
reset(struct req *r)
{
	events_forget();
	store_reset();
	fault_clear();
	S.clk = CLK_REAL;
	S.clk_val = S.late_ms = 0;
	S.rate_max = 0;
	S.requests = 0;
	g_strfreev(S.without);
	S.without = NULL;
	g_hash_table_remove_all(S.counter);
	fixture_load(S.fixture);
	reply(r, json_pack("{s:b}", "ok", 1));
}

static void
save(struct req *r)
{
	if (S.data_file == NULL || !persist_save(S.data_file))
		bad(r, "start with --data FILE to save");
	else
		reply(r, json_pack("{s:b}", "ok", 1));
}

void
control(struct req *r)
{
	static const struct { const char *path; void (*fn)(struct req *r); } t[] = {
		{ "/state", state }, { "/counters", counters }, { "/faults", faults }, { "/clock", clock_set },
		{ "/as", act_as }, { "/fill", fill }, { "/users", add_user }, { "/late", late },
		{ "/rate", rate }, { "/expire", expire }, { "/restart", restart }, { "/reset", reset },
		{ "/save", save }, { "/modules", modules_off }, { "/push", push }, { "/webhooks", webhooks },
		{ "/password", password }, { "/used", used },
		{ "/sieve", sieve },
		{ "/password", password }, { "/allow", allow },
	};
	size_t i;

	r->kind = RK_FLAT;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (strcmp(r->path, t[i].path) == 0) {
			t[i].fn(r);
			return;
		}
	r->status = 404;
	reply(r, json_pack("{s:s}", "error", "no such control call; see oxsim --help"));
}
