/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Module mailfilter, v2 and v1, over one list of rules a user: as recorded in 21-mailfilter; what is not there says its source. */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sieve.h"

static bool
is_v2(const struct req *r)
{
	return strcmp(r->module, "mailfilter/v2") == 0;
}

static void
put(struct req *r, json_t *j)
{
	char *t = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	sb_str(r->out, t ? t : "null");
	free(t);
	json_decref(j);
}

/* A script that somebody else made active: nothing works (21-mailfilter 59 to 61). */
static bool
reachable(struct req *r)
{
	if (!r->u->foreign_script)
		return true;
	fail(r, "MAIL_FILTER-0015", json_pack("[s,i,s,s]", "127.0.0.1", 14190, r->u->login, "1"));
	return false;
}

/* The body as an object; of another type it has a code of its own here (21-mailfilter 57). */
static json_t *
body_rule(struct req *r)
{
	json_t *j = body_json(r);

	if (!r->failed && !json_is_object(j))
		fail(r, "SVL-0028", json_pack("[s,s]", "JSONObject", json_is_array(j) ? "JSONArray" : "String"));
	return r->failed ? NULL : j;
}

static int64_t
id_of(const json_t *rule)
{
	return json_integer_value(json_object_get(rule, "id"));
}

static size_t
rule_find(const struct user *u, int64_t id)
{
	size_t i = 0;

	while (i < json_array_size(u->rules) && id_of(json_array_get(u->rules, i)) != id)
		i++;
	return i;
}

static bool
has_flag(const json_t *rule, const char *flag)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(rule, "flags"), i, v)
		if (g_strcmp0(json_string_value(v), flag) == 0)
			return true;
	return false;
}

/* The script is written anew: what the server cannot read in it is gone (asked of a real OX 8.19 with a script written by hand). */
static void
written(struct req *r, json_t *rule)
{
	size_t i;

	for (i = json_array_size(r->u->rules); i-- > 0;)
		if (json_is_true(json_object_get(json_array_get(r->u->rules, i), "unread")))
			json_array_remove(r->u->rules, i);
	if (rule != NULL)
		json_object_set_new(rule, "lastModified", json_integer(sim_now() / 1000 * 1000));
}

void
mailfilter_config(struct req *r)
{
	static const char v2[] =
#include "oxsim/mailfilter_v2.inc"
	    ;
	static const char v1[] =
#include "oxsim/mailfilter_v1.inc"
	    ;

	if (reachable(r))
		sb_str(r->out, is_v2(r) ? v2 : v1);
}

static json_t *
listed(const json_t *rule, bool v2, size_t position)
{
	json_t *o = json_deep_copy(rule);

	json_object_del(o, "text");
	json_object_set_new(o, "position", json_integer((json_int_t)position));
	json_object_set_new(o, "test", sieve_test_out(json_object_get(rule, "test"), v2));
	json_object_set_new(o, "actioncmds", sieve_actions_out(json_object_get(rule, "actioncmds"), v2));
	return o;
}

void
mailfilter_list(struct req *r)
{
	const char *flag = arg(r, "flag");
	json_t *a, *rule;
	size_t i;

	if (!reachable(r))
		return;
	a = json_array();
	json_array_foreach(r->u->rules, i, rule)
		if (!json_is_true(json_object_get(rule, "unread")) && (flag == NULL || has_flag(rule, flag)))
			json_array_append_new(a, listed(rule, is_v2(r), i));
	put(r, a);
}

void
mailfilter_script(struct req *r)
{
	char *t;

	if (!reachable(r))
		return;
	t = sieve_script(r->u->rules);
	sb_js(r->out, t);
	free(t);
}

/* The members of IN that are given, into RULE. */
static bool
take(struct req *r, json_t *rule, const json_t *in)
{
	static const char *const plain[] = { "rulename", "active", "flags" };
	json_t *test = json_object_get(in, "test"), *acts = json_object_get(in, "actioncmds"), *x, *v;
	size_t i;

	for (i = 0; i < 3; i++)
		if (json_object_get(in, plain[i]) != NULL)
			json_object_set_new(rule, plain[i], json_deep_copy(json_object_get(in, plain[i])));
	if (test != NULL && (x = sieve_test_in(r, test, is_v2(r))) != NULL)
		json_object_set_new(rule, "test", x);
	if (!r->failed && acts != NULL && (x = sieve_actions_in(r, acts, is_v2(r))) != NULL)
		json_object_set_new(rule, "actioncmds", x);
	/* a flag of other characters than these, a 0 too, makes the comment unreadable (asked of a real OX 8.19) */
	json_array_foreach(json_object_get(rule, "flags"), i, v) {
		const char *s = json_string_value(v);

		if (s != NULL && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789")] != '\0')
			json_object_set_new(rule, "unread", json_true());
	}
	return !r->failed;
}

static size_t
place_of(const struct req *r, const json_t *in)
{
	json_int_t p = json_integer_value(json_object_get(in, "position"));
	size_t n = json_array_size(r->u->rules);

	return json_is_integer(json_object_get(in, "position")) && p >= 0 && (size_t)p < n ? (size_t)p : n;
}

void
mailfilter_new(struct req *r)
{
	json_t *in, *rule, *v;
	json_int_t id = 0;
	size_t i;

	if (!reachable(r) || (in = body_rule(r)) == NULL)
		return;
	if (json_object_get(in, "test") == NULL) {
		fail(r, "MAIL_FILTER-0005", NULL);
		return;
	}
	json_array_foreach(r->u->rules, i, v) {
		id = id_of(v) >= id ? id_of(v) + 1 : id;
		if (has_flag(v, "vacation") && has_flag(in, "vacation"))
			fail(r, "MAIL_FILTER-0021", NULL);
	}
	rule = json_pack("{s:I,s:s,s:b,s:[],s:[]}", "id", id, "rulename", "", "active", 1, "flags", "actioncmds");
	if (!r->failed && take(r, rule, in)) {
		written(r, rule);
		json_array_insert(r->u->rules, place_of(r, in), rule);
		sb_int(r->out, id);
	}
	json_decref(rule);
}

static json_t *
asked(struct req *r, const json_t *in, size_t *at)
{
	const json_t *id = json_object_get(in, "id");

	if (!json_is_integer(id)) {
		fail(r, "MAIL_FILTER-0001", json_pack("[s]", "id"));
		return NULL;
	}
	*at = rule_find(r->u, json_integer_value(id));
	if (*at == json_array_size(r->u->rules) || json_is_true(json_object_get(json_array_get(r->u->rules, *at), "unread"))) {
		if (strcmp(r->action, "delete") == 0)
			fail(r, "MAIL_FILTER-0008", json_pack("[O,i,i]", id, r->u->id, r->c->id));
		else
			fail(r, "MAIL_FILTER-0008", json_pack("[O,s,s]", id, r->u->login, "1"));
		return NULL;
	}
	return json_array_get(r->u->rules, *at);
}

void
mailfilter_update(struct req *r)
{
	json_t *in, *rule, *next;
	size_t at, to;

	if (!reachable(r) || (in = body_rule(r)) == NULL || (rule = asked(r, in, &at)) == NULL)
		return;
	next = json_deep_copy(rule);
	if (take(r, next, in)) {
		json_array_set(r->u->rules, at, next);
		to = place_of(r, in);
		if (json_object_get(in, "position") != NULL && to != at) {
			json_array_remove(r->u->rules, at);
			json_array_insert(r->u->rules, to < json_array_size(r->u->rules) ? to : json_array_size(r->u->rules), next);
		}
		written(r, next);
	}
	json_decref(next);
}

void
mailfilter_delete(struct req *r)
{
	json_t *in;
	size_t at;

	if (!reachable(r) || (in = body_rule(r)) == NULL || asked(r, in, &at) == NULL)
		return;
	json_array_remove(r->u->rules, at);
	written(r, NULL);
}

/* Those that are named come first, in this order; unknown ones are passed over. */
void
mailfilter_reorder(struct req *r)
{
	json_t *ids, *v, *out;
	size_t i, at;

	if (!reachable(r) || (ids = body_array(r)) == NULL)
		return;
	if (json_array_size(ids) > json_array_size(r->u->rules)) { /* asked of a real OX 8.19 */
		fail(r, "MAIL_FILTER-0028", NULL);
		return;
	}
	out = json_array();
	json_array_foreach(ids, i, v) {
		at = rule_find(r->u, json_integer_value(v));
		if (at == json_array_size(r->u->rules))
			continue;
		json_array_append(out, json_array_get(r->u->rules, at));
		json_array_remove(r->u->rules, at);
	}
	json_array_extend(out, r->u->rules);
	json_decref(r->u->rules);
	r->u->rules = out;
	written(r, NULL);
}

void
mailfilter_deletescript(struct req *r)
{
	if (reachable(r))
		json_array_clear(r->u->rules);
}

void
mailfilter_unknown(struct req *r)
{
	fail(r, "SVL-0001", NULL);
}
