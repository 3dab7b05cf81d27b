/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail rules: OX's module mailfilter, version 2.  Sources: exchanges recorded from a server, and what a real OX 8.19 answered.
 */
#include "backend/backend_int.h"

#include <stdio.h>
#include <string.h>

#define V2 "mailfilter/v2"
#define NOT "not"

/* ---- what errors mean ---- */

/* The complaints among TEXT, which is what the sieve server says of the whole script, warnings about other rules included. */
static void
rule_complaint(const char *text, struct err *e)
{
	static const char mark[] = "error: ", end[] = "Open-Xchange: ";
	char words[sizeof(e->text) - 40] = "";
	size_t n = 0;

	for (const char *p = strstr(text, mark), *q; p != NULL; p = strstr(p, mark)) {
		p += strlen(mark);
		q = strstr(p, end);
		q = q != NULL ? q : p + strlen(p);
		while (q > p && (q[-1] == ' ' || q[-1] == '.'))
			q--;
		if (strncmp(p, "validation failed", 17) != 0 && n < sizeof(words))
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%.*s", n > 0 ? "; " : "", (int)(q - p), p);
	}
	if (n > 0)
		(void)snprintf(e->text, sizeof(e->text), "The mail server refuses the rule: %s.", words);
}

void
mailfilter_words(const json_t *env, struct err *e)
{
	static const struct { const char *code, *text; } words[] = {
		{ "MAIL_FILTER-0014", "The mail server's rules cannot be reached; try again later." },
		{ "MAIL_FILTER-0015", "The mail server's rules cannot be reached, or another program than the groupware server wrote them; try again later." },
		{ "MAIL_FILTER-0032", "The mail server's rules cannot be reached; try again later." },
		{ "MAIL_FILTER-0002", "The mail server does not accept the user's password for its rules." },
		{ "MAIL_FILTER-0005", "The rule has no condition." },
		{ "MAIL_FILTER-0008", "This rule does not exist any more." },
		{ "MAIL_FILTER-0021", "There is an absence notice already." },
		{ "MAIL_FILTER-0028", "There are fewer rules than that; read them again." },
		{ "SNIPPET-0003", "This signature does not exist any more." },
	};
	const char *param = json_string_value(json_array_get(json_object_get(env, "error_params"), 0));
	char name[40];

	if (strcmp(e->code, "MAIL_FILTER-0025") == 0 && param != NULL)
		rule_complaint(param, e);
	else if (strcmp(e->code, "SVL-0002") == 0 && param != NULL && sscanf(param, "JSONObject[\"%39[^\"]", name) == 1)
		(void)snprintf(e->text, sizeof(e->text), "The groupware server wants the member \"%s\", too.", name);
	else if (strcmp(e->code, "SVL-0002") == 0 && e->category == 8 && param != NULL)
		(void)snprintf(e->text, sizeof(e->text), "The groupware server does not understand the request: %.150s", param);
	else if (strcmp(e->code, "MAIL-FILTER-0001") == 0 && param != NULL)
		(void)snprintf(e->text, sizeof(e->text), "The groupware server does not know \"%.60s\" in a rule.", param);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(e->code, words[i].code) == 0)
			(void)snprintf(e->text, sizeof(e->text), "%s", words[i].text);
}

/* ---- reading ---- */

/* BODY (may be NULL: GET) is borrowed. */
static enum rc
call(struct ox_session *s, const char *action, const json_t *body, bool write, struct ox_answer *ans, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, V2, action);
	r.write = write;
	if (body != NULL) {
		r.has_body = true;
		json_text(&r.body, body);
	}
	rc = ox_call(s, &r, ans, e);
	ox_req_fini(&r);
	return rc;
}

static enum rc
read_list(struct ox_session *s, json_t **out, struct err *e)
{
	struct ox_answer ans;
	enum rc rc = call(s, "list", NULL, false, &ans, e);

	if (rc == RC_OK && !json_is_array(ans.data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of rules");
	*out = rc == RC_OK ? json_incref(ans.data) : NULL;
	ox_answer_fini(&ans);
	return rc;
}

static const char *
id_of(const json_t *test)
{
	const char *id = json_string_value(json_object_get(test, "id"));

	return id != NULL ? id : "";
}

/*
 * QUIRK(OX, 8.19): v2 writes a "not" before the comparison, and drops it where there is none: "not anyof (..)" is listed as "anyof (..)", which sent
 * back would mean the opposite.  (v1 lists it, but fails as a whole for a condition that only v2 has.)  TEST is v2's, SCRIPT what the script says;
 * NULL = no memory.
 */
static json_t *
turned_test(json_t *test, const json_t *script)
{
	const char *comparison = json_string_value(json_object_get(test, "comparison"));
	const json_t *inner = json_object_get(script, "tests");
	json_t *list = json_object_get(test, "tests"), *x;
	size_t i;

	if (strcmp(id_of(script), NOT) == 0 && strcmp(id_of(test), NOT) != 0 && (comparison == NULL || strncmp(comparison, "not ", 4) != 0)) {
		x = turned_test(test, json_object_get(script, "test"));
		return x != NULL ? json_pack("{s:s,s:o}", "id", NOT, "test", x) : NULL;
	}
	if (json_array_size(list) != json_array_size(inner))
		return json_incref(test);
	json_array_foreach(list, i, x) {
		json_t *y = turned_test(x, json_array_get(inner, i));

		if (y == NULL || json_array_set_new(list, i, y) != 0)
			return NULL;
	}
	return json_incref(test);
}

/* The condition of RULE, the i-th of the list, in the script: by its number, or by its place where all rules are listed. */
static const json_t *
script_test(const struct sieve_shape *shape, const json_t *rule, size_t i, bool all)
{
	json_int_t id = json_integer_value(json_object_get(rule, "id"));
	const json_t *x;

	for (size_t k = 0; k < json_array_size(shape->tests); k++) {
		x = json_array_get(shape->tests, k);
		if (json_integer_value(json_object_get(x, "id")) == id)
			return json_object_get(x, "test");
	}
	x = all ? json_array_get(shape->tests, i) : NULL;
	return json_integer_value(json_object_get(x, "id")) < 0 ? json_object_get(x, "test") : NULL;
}

static enum rc
turn_round(const struct sieve_shape *shape, json_t *list, struct err *e)
{
	bool all = json_array_size(shape->tests) == json_array_size(list);
	const json_t *script;
	json_t *rule, *test;
	size_t i;

	json_array_foreach(list, i, rule) {
		script = script_test(shape, rule, i, all);
		if (script == NULL || !json_is_object(json_object_get(rule, "test")))
			continue;
		test = turned_test(json_object_get(rule, "test"), script);
		if (test == NULL || json_object_set_new(rule, "test", test) != 0)
			return err_set(e, RC_NOMEM, "out of memory for rules");
	}
	return RC_OK;
}

enum rc
ox_rules_get(struct ox_session *s, struct ox_rules *out, struct err *e)
{
	struct sieve_shape shape = { 0 };
	struct ox_answer ans;
	unsigned listed;
	enum rc rc;

	out->hidden = 0;
	rc = read_list(s, &out->list, e);
	if (rc != RC_OK)
		return rc;
	rc = call(s, "getscript", NULL, false, &ans, e);
	if (rc == RC_OK && json_is_string(ans.data))
		sieve_scan(json_string_value(ans.data), json_string_length(ans.data), &shape);
	ox_answer_fini(&ans);
	listed = (unsigned)json_array_size(out->list);
	out->hidden = shape.lost + (shape.rules > listed ? shape.rules - listed : 0);
	if (rc == RC_OK)
		rc = shape.nomem ? err_set(e, RC_NOMEM, "out of memory for rules") : turn_round(&shape, out->list, e);
	json_decref(shape.tests);
	if (rc != RC_OK)
		ox_rules_fini(out);
	return rc;
}

void
ox_rules_fini(struct ox_rules *r)
{
	json_decref(r->list);
	r->list = NULL;
}

enum rc
ox_rules_config(struct ox_session *s, json_t **out, struct err *e)
{
	struct ox_answer ans;
	enum rc rc = call(s, "config", NULL, false, &ans, e);

	if (rc == RC_OK && !json_is_object(ans.data))
		rc = err_set(e, RC_UPSTREAM, "OX does not say what rules it takes");
	*out = rc == RC_OK ? json_incref(ans.data) : NULL;
	ox_answer_fini(&ans);
	return rc;
}

/* ---- writing ---- */

enum rc
ox_rule_new(struct ox_session *s, const json_t *rule, int64_t *id, struct err *e)
{
	struct ox_answer ans;
	enum rc rc = call(s, "new", rule, true, &ans, e);

	if (rc == RC_OK && !json_is_integer(ans.data))
		rc = err_set(e, RC_TIMEOUT, "OX does not say which rule it has made");
	*id = rc == RC_OK ? json_integer_value(ans.data) : 0;
	ox_answer_fini(&ans);
	return rc;
}

static enum rc
write_call(struct ox_session *s, const char *action, const json_t *body, struct err *e)
{
	struct ox_answer ans;
	enum rc rc = call(s, action, body, true, &ans, e);

	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_rule_update(struct ox_session *s, const json_t *rule, struct err *e)
{
	return write_call(s, "update", rule, e);
}

enum rc
ox_rule_delete(struct ox_session *s, int64_t id, struct err *e)
{
	json_t *body = json_pack("{s:I}", "id", (json_int_t)id);
	enum rc rc = body != NULL ? write_call(s, "delete", body, e) : err_set(e, RC_NOMEM, "out of memory for a rule");

	json_decref(body);
	return rc;
}

enum rc
ox_rules_order(struct ox_session *s, const json_t *ids, struct err *e)
{
	return write_call(s, "reorder", ids, e);
}
