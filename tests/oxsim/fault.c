/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Fault injection: an ordered list of rules set through the control API.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

struct rule {
	struct rule *next;
	char *module, *action, *user;	/* NULL: any */
	char *param;			/* a parameter that the request has, NULL: any */
	int nth;			/* first matching request that is hit, from 1 */
	int count;			/* how many are hit, 0: all from nth on */
	int seen, hits;
	bool part;			/* hits parts of a `multiple`, else whole requests */
	struct fault f;
};

static const char *const kinds[] = { "none", "delay_ms", "http_status", "drop_before", "drop_after",
    "truncate_json", "expire_session", "error", "garbage", "empty" };

static bool
same(const char *want, const char *got)
{
	return want == NULL || (got != NULL && strcmp(want, got) == 0);
}

static struct fault
match(const struct req *r, const char *login, bool delays)
{
	struct rule *u;
	struct fault none = { 0 };

	for (u = S.rules; u != NULL; u = u->next) {
		if (u->part != r->in_multiple || (u->f.kind == FA_DELAY) != delays || !same(u->module, r->module) ||
		    !same(u->action, r->action) || !same(u->user, login) ||
		    (u->param != NULL && arg(r, u->param) == NULL))
			continue;
		u->seen++;
		if (u->seen < u->nth || (u->count > 0 && u->seen >= u->nth + u->count))
			continue;
		u->hits++;
		return u->f;
	}
	return none;
}

struct fault
fault_match(const struct req *r, const char *login)
{
	return match(r, login, false);
}

struct fault
fault_delay(const struct req *r, const char *login)
{
	return match(r, login, true);
}

static char *
opt_str(const json_t *o, const char *k)
{
	return xstrdup(json_string_value(json_object_get(o, k)));
}

bool
fault_add(const json_t *j, const char **why)
{
	const json_t *m = json_object_get(j, "match"), *e = json_object_get(j, "effect"), *v;
	struct rule *u, **pp = &S.rules;
	size_t i;

	u = xcalloc(1, sizeof(*u));
	for (i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((v = json_object_get(e, kinds[i])) == NULL)
			continue;
		u->f.kind = (enum fault_kind)i;
		if (json_is_integer(v))
			u->f.num = (int)json_integer_value(v);
		if (json_is_string(v))
			(void)snprintf(u->f.code, sizeof(u->f.code), "%s", json_string_value(v));
	}
	u->f.category = (int)json_integer_value(json_object_get(e, "category"));
	if (u->f.kind == FA_NONE) {
		*why = "effect needs one of delay_ms, http_status, drop_before, drop_after, "
		    "truncate_json, expire_session, error, garbage, empty";
		free(u);
		return false;
	}
	u->module = opt_str(m, "module");
	u->action = opt_str(m, "action");
	u->user = opt_str(m, "user");
	u->part = json_is_true(json_object_get(m, "part"));
	u->param = opt_str(m, "param");
	v = json_object_get(m, "nth");
	u->nth = json_is_integer(v) ? (int)json_integer_value(v) : 1;
	v = json_object_get(m, "count");
	u->count = json_is_integer(v) ? (int)json_integer_value(v) : 1;
	while (*pp != NULL)
		pp = &(*pp)->next;
	*pp = u;
	return true;
}

json_t *
fault_list(void)
{
	json_t *a = json_array();
	const struct rule *u;

	for (u = S.rules; u != NULL; u = u->next)
		json_array_append_new(a, json_pack("{s:s?, s:s?, s:s?, s:s, s:i, s:i, s:i, s:i}",
		    "module", u->module, "action", u->action, "user", u->user, "effect",
		    kinds[u->f.kind], "nth", u->nth, "count", u->count, "seen", u->seen, "hits",
		    u->hits));
	return a;
}

void
fault_clear(void)
{
	struct rule *u;

	while ((u = S.rules) != NULL) {
		S.rules = u->next;
		free(u->module);
		free(u->action);
		free(u->user);
		free(u->param);
		free(u);
	}
}
