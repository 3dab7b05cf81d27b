/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mail filter: tests and actions between v2, v1 and the form in which they are kept.  All of it as recorded (21-mailfilter), where no other source is named. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sieve.h"

static const struct { const char *id; const char *headers[5]; } short_forms[] = {
	{ "subject", { "Subject" } }, { "from", { "From" } }, { "to", { "To" } }, { "cc", { "Cc" } }, { "anyrecipient", { "To", "Cc" } },
	{ "mailinglist", { "List-Id", "X-BeenThere", "X-Mailinglist", "X-Mailing-List" } },
};
static const char *const plain_tests[] = { "date", "address", "string", "false", "body", "envelope", "size", "hasflag", "true", "exists", "header", "currentdate" };
static const char *const all_actions[] = { "redirect", "discard", "move", "set", "notify", "addflags", "stop", "reject", "keep", "vacation", "setflags", "copy", "removeflags" };
static const char *const matches[] = { "regex", "is", "contains", "matches", "startswith", "endswith", "exists", "over", "under", "ge", "le" };

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static bool
among(const char *s, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(list[i], s) == 0)
			return true;
	return false;
}
#define AMONG(s, list) among(s, list, sizeof(list) / sizeof((list)[0]))

/* The sieve server's own words about a script; 8.19 hands them on. */
static void
invalid(struct req *r, const char *why)
{
	char *t = xprintf("Open-Xchange: line 7: error: %s. Open-Xchange: error: validation failed. ", why);

	fail(r, "MAIL_FILTER-0025", json_pack("[s]", t));
	free(t);
}

static json_t *
negated(json_t *test, bool yes)
{
	return yes ? json_pack("{s:s,s:o}", "id", "not", "test", test) : test;
}

static json_t *
starred(const json_t *values, bool front, bool back)
{
	json_t *out = json_array(), *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)values, i, v) {
		char *t = xprintf("%s%s%s", front ? "*" : "", json_string_value(v) ? json_string_value(v) : "", back ? "*" : "");

		json_array_append_new(out, json_string(t));
		free(t);
	}
	return out;
}

static bool
values_ok(struct req *r, const json_t *t, const char *cmp)
{
	const json_t *values = json_object_get(t, "values");
	regex_t re;
	size_t i;
	json_t *v;
	char *w;

	if (json_array_size(values) == 0)
		invalid(r, "the header test requires 2 positional argument(s), but 1 is/are specified");
	json_array_foreach((json_t *)(uintptr_t)values, i, v) {
		if (strcmp(cmp, "regex") != 0 || r->failed)
			continue;
		if (regcomp(&re, json_string_value(v) ? json_string_value(v) : "", REG_EXTENDED | REG_NOSUB) == 0) {
			regfree(&re);
			continue;
		}
		w = xprintf("invalid regular expression '%s' for regex match: invalid regular expression", json_string_value(v));
		invalid(r, w);
		free(w);
	}
	return !r->failed;
}

/* A test with a comparison; the "not" before it becomes a test. */
static json_t *
compared(struct req *r, const json_t *t, const char *id, json_t *headers)
{
	const char *cmp = text_of(t, "comparison");
	bool no = strncmp(cmp, "not ", 4) == 0, valued = strcmp(id, "header") == 0 || json_object_get(t, "values") != NULL;
	json_t *out = json_deep_copy(t), *values = json_object_get(t, "values");

	cmp += no ? 4 : 0;
	if (headers != NULL)
		json_object_set(out, "headers", headers);
	json_object_set_new(out, "id", json_string(id));
	json_object_set_new(out, "comparison", json_string(cmp));
	if (!AMONG(cmp, matches)) {
		fail(r, "SVL-0011", json_pack("[s]", "no such match type"));
	} else if (strcmp(cmp, "exists") == 0) {
		json_decref(out);
		out = json_pack("{s:s,s:O}", "id", "exists", "headers", headers ? headers : json_object_get(t, "headers"));
	} else if (strcmp(cmp, "startswith") == 0 || strcmp(cmp, "endswith") == 0) {
		json_object_set_new(out, "comparison", json_string("matches"));
		json_object_set_new(out, "values", starred(values, *cmp == 'e', *cmp == 's'));
	}
	if (!r->failed && valued && strcmp(cmp, "exists") != 0)
		(void)values_ok(r, t, cmp);
	return negated(out, no);
}

static json_t *
dated(struct req *r, json_t *out)
{
	const char *part = text_of(out, "datepart");
	const json_t *v = json_array_get(json_object_get(out, "datevalue"), 0);
	const struct tz *z = tz_get(r->u->zone);
	char off[16];
	int min;

	if (strcmp(part, "date") != 0 && strcmp(part, "time") != 0 && strcmp(part, "weekday") != 0)
		fail(r, "SVL-0002/type", json_pack("[s]", "not a valid datepart"));
	else if (v == NULL)
		fail(r, "SVL-0002/type", json_pack("[s]", "JSONObject[\"datevalue\"] not found."));
	/* without a zone it is the user's, as it is now (asked of a real OX 8.19) */
	if (json_object_get(out, "zone") == NULL && z != NULL) {
		min = (int)(tz_offset(z, sim_now()) / 60000);
		(void)snprintf(off, sizeof(off), "%c%02d%02d", min < 0 ? '-' : '+', abs(min) / 60, abs(min) % 60);
		json_object_set_new(out, "zone", json_string(off));
	}
	return out;
}

static json_t *
several(struct req *r, const json_t *t, const char *id, bool v2)
{
	json_t *list = json_array(), *v, *x;
	size_t i;

	json_array_foreach(json_object_get(t, "tests"), i, v)
		if ((x = r->failed ? NULL : sieve_test_in(r, v, v2)) != NULL)
			json_array_append_new(list, x);
	return json_pack("{s:s,s:o}", "id", id, "tests", list);
}

json_t *
sieve_test_in(struct req *r, const json_t *t, bool v2)
{
	const char *id = text_of(t, "id");
	json_t *x = NULL, *h;
	size_t i, k;

	if (strcmp(id, "allof") == 0 || strcmp(id, "anyof") == 0) {
		x = several(r, t, id, v2);
	} else if (strcmp(id, "not") == 0) {
		x = sieve_test_in(r, json_object_get(t, "test"), v2);
		x = x != NULL ? negated(x, true) : NULL;
	} else if (strcmp(id, "true") == 0 || strcmp(id, "false") == 0 || strcmp(id, "exists") == 0) {
		x = json_deep_copy(t);
	} else if (AMONG(id, plain_tests)) {
		x = compared(r, t, id, NULL);
		if (!r->failed && strstr(id, "date") != NULL) {
			json_t *inner = strcmp(text_of(x, "id"), "not") == 0 ? json_object_get(x, "test") : x;

			(void)dated(r, inner);
		}
	} else {
		for (i = 0; v2 && x == NULL && i < sizeof(short_forms) / sizeof(short_forms[0]); i++) {
			if (strcmp(short_forms[i].id, id) != 0)
				continue;
			h = json_array();
			for (k = 0; k < 5 && short_forms[i].headers[k] != NULL; k++)
				json_array_append_new(h, json_string(short_forms[i].headers[k]));
			x = compared(r, t, "header", h);
			json_decref(h);
		}
		if (x == NULL)
			fail(r, "MAIL-FILTER-0001", json_pack("[s]", id));
	}
	if (r->failed) {
		json_decref(x);
		return NULL;
	}
	return x;
}

/* ---- listed ---- */

static bool
all_starred(const json_t *values, bool front)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)values, i, v) {
		const char *s = json_string_value(v);
		size_t n = s ? strlen(s) : 0;

		if (n < 2 || (front ? s[0] != '*' || strchr(s + 1, '*') != NULL : strchr(s, '*') != s + n - 1))
			return false;
	}
	return json_array_size(values) > 0;
}

static void
unstar(json_t *t, const char *cmp, bool front)
{
	json_t *out = json_array(), *v;
	size_t i;

	json_array_foreach(json_object_get(t, "values"), i, v) {
		const char *s = json_string_value(v);

		json_array_append_new(out, json_stringn(s + front, strlen(s) - 1));
	}
	json_object_set_new(t, "values", out);
	json_object_set_new(t, "comparison", json_string(cmp));
}

static const char *
short_of(const json_t *headers)
{
	size_t i, k;

	for (i = 0; i < sizeof(short_forms) / sizeof(short_forms[0]); i++) {
		for (k = 0; k < 5 && short_forms[i].headers[k] != NULL; k++)
			if (g_strcmp0(json_string_value(json_array_get(headers, k)), short_forms[i].headers[k]) != 0)
				break;
		if (k == json_array_size(headers) && k > 0 && (k == 5 || short_forms[i].headers[k] == NULL))
			return short_forms[i].id;
	}
	return NULL;
}

static json_t *
shortened(const json_t *t)
{
	const char *name = short_of(json_object_get(t, "headers"));
	json_t *out = json_deep_copy(t);

	if (strcmp(text_of(t, "id"), "exists") == 0) {
		json_object_set_new(out, "id", json_string(name ? name : "header"));
		json_object_set_new(out, "comparison", json_string("exists"));
		json_object_set_new(out, "values", json_array());
		if (name != NULL)
			json_object_set_new(out, "headers", json_array());
		return out;
	}
	if (strcmp(text_of(t, "comparison"), "matches") == 0 && all_starred(json_object_get(t, "values"), false))
		unstar(out, "startswith", false);
	else if (strcmp(text_of(t, "comparison"), "matches") == 0 && all_starred(json_object_get(t, "values"), true))
		unstar(out, "endswith", true);
	if (name != NULL && strcmp(text_of(t, "id"), "header") == 0) {
		json_object_set_new(out, "id", json_string(name));
		json_object_del(out, "headers");
	}
	return out;
}

json_t *
sieve_test_out(const json_t *t, bool v2)
{
	const char *id = text_of(t, "id");
	json_t *out, *v, *list;
	size_t i;

	if (strcmp(id, "allof") == 0 || strcmp(id, "anyof") == 0) {
		list = json_array();
		json_array_foreach(json_object_get(t, "tests"), i, v)
			json_array_append_new(list, sieve_test_out(v, v2));
		return json_pack("{s:s,s:o}", "id", id, "tests", list);
	}
	if (strcmp(id, "not") == 0) {
		out = sieve_test_out(json_object_get(t, "test"), v2);
		if (!v2)
			return negated(out, true);
		/* QUIRK(8.19): of what has no comparison the "not" is lost (recorded 21-mailfilter 25: anyof) */
		if (json_object_get(out, "comparison") != NULL) {
			char *c = xprintf("not %s", text_of(out, "comparison"));

			json_object_set_new(out, "comparison", json_string(c));
			free(c);
		}
		return out;
	}
	return v2 ? shortened(t) : json_deep_copy(t);
}

/* ---- actions ---- */

static char *
with_crlf(const char *s)
{
	struct sb b = { 0 };
	char *out;

	for (; *s != '\0'; s++) {
		if (*s == '\n' && (b.len == 0 || b.p[b.len - 1] != '\r'))
			sb_ch(&b, '\r');
		sb_ch(&b, *s);
	}
	out = xstrdup(sb_cstr(&b));
	sb_free(&b);
	return out;
}

static void
vacation_in(struct req *r, json_t *a)
{
	const json_t *days = json_object_get(a, "days"), *from = json_object_get(a, "from");
	const char *addr = json_is_array(from) ? json_string_value(json_array_get(from, 1)) : json_string_value(from);
	char *t;

	if (json_string_value(json_object_get(a, "text")) == NULL) {
		fail(r, "SVL-0002/type", json_pack("[s]", "JSONObject[\"text\"] not found."));
		return;
	}
	t = with_crlf(text_of(a, "text"));
	json_object_set_new(a, "text", json_string(t));
	free(t);
	if (json_is_integer(days)) {
		t = xprintf("%lld", (long long)json_integer_value(days));
		json_object_set_new(a, "days", json_string(t));
		free(t);
	}
	if (json_is_array(json_object_get(a, "addresses")) && json_array_size(json_object_get(a, "addresses")) == 0)
		invalid(r, "the :addresses tag for the vacation command requires a string list as parameter, but a tag was found");
	/* asked of a real OX 8.19: another's address has a text of its own under the same code */
	if (addr != NULL && g_ascii_strcasecmp(addr, r->u->mail) != 0)
		fail(r, "MAIL_FILTER-0025", NULL);
	else if (json_is_array(from)) {
		t = xprintf("%s <%s>", json_string_value(json_array_get(from, 0)) ? json_string_value(json_array_get(from, 0)) : "", addr ? addr : "");
		json_object_set_new(a, "from", json_string(t));
		free(t);
	}
}

static void
action_in(struct req *r, json_t *a)
{
	const char *id = text_of(a, "id"), *to = text_of(a, "to");

	if (strcmp(id, "vacation") == 0)
		vacation_in(r, a);
	if (strcmp(id, "redirect") == 0 && (strchr(to, '@') == NULL || strchr(to, ' ') != NULL))
		fail(r, "MAIL_FILTER-0023", json_pack("[s]", to));
	if (strcmp(id, "redirect") == 0 && !json_is_true(json_object_get(a, "copy")))
		json_object_del(a, "copy");
	if ((strcmp(id, "move") == 0 || strcmp(id, "copy") == 0) && *text_of(a, "into") == '\0')
		fail(r, "SVL-0002/type", json_pack("[s]", "JSONObject[\"into\"] not found."));
	if (strcmp(id, "reject") == 0 && json_object_get(a, "text") == NULL)
		fail(r, "SVL-0002/type", json_pack("[s]", "JSONObject[\"text\"] not found."));
	if (strcmp(id, "copy") == 0) {
		json_object_set_new(a, "id", json_string("move"));
		json_object_set_new(a, "copy", json_true());
	}
}

json_t *
sieve_actions_in(struct req *r, const json_t *list, bool v2)
{
	json_t *out = json_array(), *v;
	int redirects = 0, pass;
	size_t i;

	(void)v2;
	/* flags come first (recorded 21-mailfilter 25) */
	for (pass = 0; pass < 2; pass++)
		json_array_foreach((json_t *)(uintptr_t)list, i, v) {
			const char *id = text_of(v, "id");
			json_t *a;

			if ((strcmp(id, "addflags") == 0) != (pass == 0) || r->failed)
				continue;
			if (!AMONG(id, all_actions)) {
				fail(r, "MAIL-FILTER-0001", json_pack("[s]", id));
				continue;
			}
			a = json_deep_copy(v);
			action_in(r, a);
			json_array_append_new(out, a);
			redirects += strcmp(id, "redirect") == 0;
		}
	if (redirects > 4)
		fail(r, "MAIL_FILTER-0033", NULL);
	if (r->failed) {
		json_decref(out);
		return NULL;
	}
	return out;
}

json_t *
sieve_actions_out(const json_t *list, bool v2)
{
	json_t *out = json_deep_copy(list), *v;
	size_t i;

	json_array_foreach(out, i, v)
		if (v2 && strcmp(text_of(v, "id"), "move") == 0 && json_is_true(json_object_get(v, "copy"))) {
			json_object_set_new(v, "id", json_string("copy"));
			json_object_del(v, "copy");
		}
	return out;
}
