/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The absence notice: the rule with the flag "vacation", as OX's own client makes it: one action "vacation", and for a period two conditions
 * "currentdate" by day.  Whatever else the rule holds (conditions, actions, members) stays as it is.
 */
#include "service/rules_int.h"

#include <stdio.h>
#include <string.h>

#define FLAG "vacation"
#define NAME "vacation notice" /* as OX's own client calls it */
#define DEFAULT_DAYS "7"
#define DAY_MS INT64_C(86400000)

static enum rc
no_memory(struct err *e)
{
	return err_set(e, RC_NOMEM, "out of memory for an absence notice");
}

/* ---- reading ---- */

static json_t *
action_of(const json_t *rule)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(rule, "actioncmds"), i, v)
		if (strcmp(json_text_of(v, "id"), FLAG) == 0)
			return v;
	return NULL;
}

/* Does TEST say "from this day on" (GE) or "up to this day" (LE)? */
static bool
is_bound(const json_t *test, const char *comparison)
{
	return strcmp(json_text_of(test, "id"), "currentdate") == 0 && strcmp(json_text_of(test, "comparison"), comparison) == 0 &&
	    strcmp(json_text_of(test, "datepart"), "date") == 0 && json_is_integer(json_array_get(json_object_get(test, "datevalue"), 0));
}

static msec_t
day_of(const json_t *test)
{
	return json_integer_value(json_array_get(json_object_get(test, "datevalue"), 0));
}

/* The conditions of TEST that all must hold, borrowed, at most N of them; their number. */
static size_t
parts_of(const json_t *test, size_t i, const json_t **out)
{
	const char *id = json_text_of(test, "id");

	if (strcmp(id, "allof") == 0) {
		*out = json_array_get(json_object_get(test, "tests"), i);
		return json_array_size(json_object_get(test, "tests"));
	}
	*out = test;
	return test == NULL || strcmp(id, "true") == 0 ? 0 : 1;
}

static enum rc
take_dates(struct arena *a, const json_t *test, struct service_vacation *out, struct err *e)
{
	const json_t *part;
	const char *zone;

	for (size_t i = 0; i < parts_of(test, i, &part); i++) {
		bool from = is_bound(part, "ge") && !out->has_from, to = is_bound(part, "le") && !out->has_to;

		zone = json_text_of(part, "zone");
		if (!from && !to) {
			out->other = true;
			continue;
		}
		if (from)
			out->from = day_of(part);
		else
			out->to = day_of(part);
		out->has_from = out->has_from || from;
		out->has_to = out->has_to || to;
		if (zone[0] != '\0' && out->zone == NULL) {
			out->zone = arena_strdup(a, zone);
			if (out->zone == NULL)
				return no_memory(e);
		}
	}
	return RC_OK;
}

/* QUIRK(OX): told with the line ends of a mail. */
static char *
text_with_lf(struct arena *a, const char *s)
{
	char *out = arena_strdup(a, s), *to = out;

	for (; out != NULL && *s != '\0'; s++)
		if (!(s[0] == '\r' && s[1] == '\n'))
			*to++ = *s;
	if (out != NULL)
		*to = '\0';
	return out;
}

static enum rc
take_action(struct arena *a, const json_t *action, struct service_vacation *out, struct err *e)
{
	const json_t *list = json_object_get(action, "addresses"), *days = json_object_get(action, "days"), *subject = json_object_get(action, "subject");
	bool ok;

	if (json_is_integer(days))
		out->days = json_integer_value(days);
	else if (!json_is_string(days) || !parse_i64(json_string_value(days), 0, INT32_MAX, &out->days)) /* QUIRK(OX): written as a number, read as a text */
		out->days = -1;
	out->text = text_with_lf(a, json_text_of(action, "text"));
	out->subject = json_is_string(subject) ? arena_strdup(a, json_string_value(subject)) : NULL;
	out->addresses = arena_array(a, const char *, json_array_size(list) + 1);
	ok = out->text != NULL && (subject == NULL || out->subject != NULL || !json_is_string(subject)) && out->addresses != NULL;
	for (size_t i = 0; ok && i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s == NULL)
			continue;
		out->addresses[out->n_addresses] = arena_strdup(a, s);
		ok = out->addresses[out->n_addresses++] != NULL;
	}
	return ok ? RC_OK : no_memory(e);
}

/* RULE NULL: there is none. */
static enum rc
vacation_out(struct arena *a, const json_t *rule, struct service_vacation *out, struct err *e)
{
	enum rc rc;

	memset(out, 0, sizeof(*out));
	out->days = -1;
	out->text = "";
	if (rule == NULL)
		return RC_OK;
	out->exists = true;
	out->active = json_is_true(json_object_get(rule, "active"));
	rc = rule_rev(rule, out->rev, e);
	if (rc == RC_OK)
		rc = take_dates(a, json_object_get(rule, "test"), out, e);
	if (rc == RC_OK && action_of(rule) != NULL)
		rc = take_action(a, action_of(rule), out, e);
	return rc;
}

enum rc
service_vacation_get(struct engine_session *s, struct arena *a, struct service_vacation *out, struct err *e)
{
	struct ox_rules r;
	enum rc rc = ox_rules_get(engine_session_ox(s), &r, e);

	if (rc == RC_OK)
		rc = vacation_out(a, rule_flagged(r.list, FLAG), out, e);
	ox_rules_fini(&r);
	return service_absent(rc, e);
}

/* ---- writing ---- */

/* CRLF of OX and LF of clients are the same text. */
static bool
same_text(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == '\r')
			a++;
		while (*b == '\r')
			b++;
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
	}
}

static json_t *
bound(const char *comparison, msec_t day, const char *zone)
{
	json_t *t = json_pack("{s:s,s:s,s:s,s:[I]}", "id", "currentdate", "comparison", comparison, "datepart", "date", "datevalue", (json_int_t)day);

	if (zone != NULL && t != NULL)
		(void)json_object_set_new(t, "zone", json_string(zone));
	return t;
}

/* The rule's conditions with the period of IN. */
static json_t *
test_with(const json_t *old, const struct service_vacation *now, const struct service_vacation_set *in)
{
	const char *zone = in->zone != NULL ? in->zone : now->zone;
	bool has_from = in->from_op >= 0 ? in->from_op == 1 : now->has_from, has_to = in->to_op >= 0 ? in->to_op == 1 : now->has_to;
	json_t *list = json_array(), *out;
	bool from = false, to = false;
	const json_t *part;

	for (size_t i = 0; i < parts_of(old, i, &part); i++) {
		if (is_bound(part, "ge") && !from)
			from = true;
		else if (is_bound(part, "le") && !to)
			to = true;
		else
			(void)json_array_append(list, (json_t *)(uintptr_t)part);
	}
	if (has_from)
		(void)json_array_append_new(list, bound("ge", in->from_op == 1 ? in->from : now->from, zone));
	if (has_to)
		(void)json_array_append_new(list, bound("le", in->to_op == 1 ? in->to : now->to, zone));
	if (json_array_size(list) == 0)
		out = json_pack("{s:s}", "id", "true");
	else if (json_array_size(list) == 1)
		out = json_incref(json_array_get(list, 0));
	else
		out = json_pack("{s:s,s:O}", "id", "allof", "tests", list);
	json_decref(list);
	return out;
}

/* The members of the action that IN names; those that are the same already stay as OX wrote them. */
static bool
action_set(json_t *action, const struct service_vacation_set *in)
{
	bool ok = true;

	if (in->text != NULL && !same_text(in->text, json_text_of(action, "text")))
		ok = ok && json_object_set_new(action, "text", json_string(in->text)) == 0;
	if (in->subject != NULL && in->subject[0] == '\0')
		(void)json_object_del(action, "subject");
	else if (in->subject != NULL)
		ok = ok && json_object_set_new(action, "subject", json_string(in->subject)) == 0;
	if (in->addresses != NULL && json_array_size(in->addresses) == 0) /* an empty list is a broken rule to the mail server */
		(void)json_object_del(action, "addresses");
	else if (in->addresses != NULL)
		ok = ok && json_object_set_new(action, "addresses", json_deep_copy(in->addresses)) == 0;
	if (in->days > 0) {
		char text[24];

		(void)snprintf(text, sizeof(text), "%lld", (long long)in->days);
		ok = ok && json_object_set_new(action, "days", json_string(text)) == 0;
	}
	return ok;
}

static json_t *
actions_with(const json_t *old, const struct service_vacation_set *in)
{
	json_t *list = old != NULL ? json_deep_copy(json_object_get(old, "actioncmds")) : json_array(), *holder, *action;

	if (list == NULL)
		return NULL;
	holder = json_pack("{s:O}", "actioncmds", list);
	action = action_of(holder);
	json_decref(holder);
	if (action == NULL) {
		action = json_pack("{s:s,s:s}", "id", FLAG, "days", DEFAULT_DAYS);
		if (action == NULL || json_array_insert_new(list, 0, action) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	if (action_set(action, in))
		return list;
	json_decref(list);
	return NULL;
}

/* The members that differ from RULE. */
static enum rc
change_of(const json_t *rule, const struct service_vacation *now, const struct service_vacation_set *in, json_t **out, struct err *e)
{
	bool dates = in->from_op >= 0 || in->to_op >= 0 || in->zone != NULL;
	json_t *o = json_object(), *test = NULL, *actions = actions_with(rule, in);
	bool ok = o != NULL && actions != NULL, was = json_is_true(json_object_get(rule, "active"));

	*out = NULL;
	if (dates || rule == NULL) {
		test = test_with(json_object_get(rule, "test"), now, in);
		ok = ok && test != NULL;
	}
	if (ok && in->active >= 0 && (rule == NULL || was != (in->active == 1)))
		ok = json_object_set_new(o, "active", json_boolean(in->active == 1)) == 0;
	if (ok && test != NULL && !json_equal(test, json_object_get(rule, "test")))
		ok = json_object_set(o, "test", test) == 0;
	if (ok && !json_equal(actions, json_object_get(rule, "actioncmds")))
		ok = json_object_set(o, "actioncmds", actions) == 0;
	json_decref(test);
	json_decref(actions);
	if (ok) {
		*out = o;
		return RC_OK;
	}
	json_decref(o);
	return no_memory(e);
}

static enum rc
check(const struct service_vacation *now, const struct service_vacation_set *in, struct err *e)
{
	bool has_from = in->from_op >= 0 ? in->from_op == 1 : now->has_from, has_to = in->to_op >= 0 ? in->to_op == 1 : now->has_to;
	msec_t from = in->from_op == 1 ? in->from : now->from, to = in->to_op == 1 ? in->to : now->to;
	char path[64];
	enum rc rc = RC_OK;
	size_t i;
	json_t *v;

	if (!now->exists && (in->text == NULL || in->text[0] == '\0'))
		return err_set_path(e, RC_PROTO, "text", "must be given: there is no absence notice yet");
	if (in->text != NULL && in->text[0] == '\0')
		return err_set_path(e, RC_PROTO, "text", "must not be empty");
	if (in->subject != NULL && in->subject[0] != '\0')
		rc = rule_check_text("subject", in->subject, RULE_MAX_VALUE, e);
	json_array_foreach((json_t *)(uintptr_t)in->addresses, i, v) {
		(void)snprintf(path, sizeof(path), "addresses[%zu]", i);
		if (rc == RC_OK && !json_is_string(v))
			rc = err_set_path(e, RC_PROTO, path, "must be a mail address");
		if (rc == RC_OK)
			rc = rule_check_address(path, json_string_value(v), e);
	}
	if (rc == RC_OK && in->from_op == 1 && in->from % DAY_MS != 0)
		rc = err_set_path(e, RC_PROTO, "from", "must be a day, at 00:00 UTC");
	if (rc == RC_OK && in->to_op == 1 && in->to % DAY_MS != 0)
		rc = err_set_path(e, RC_PROTO, "to", "must be a day, at 00:00 UTC");
	if (rc == RC_OK && has_from && has_to && to < from)
		rc = err_set_path(e, RC_PROTO, "to", "must not be before from");
	if (rc == RC_OK && in->zone != NULL && (strlen(in->zone) != 5 || strchr("+-", in->zone[0]) == NULL || strspn(in->zone + 1, "0123456789") != 4))
		rc = err_set_path(e, RC_PROTO, "zone", "must be a text like \"+0100\"");
	return rc;
}

static enum rc
write_change(struct ox_session *ox, const json_t *rule, json_t *o, struct err *e)
{
	int64_t id;

	if (rule != NULL)
		return json_object_set(o, "id", json_object_get(rule, "id")) == 0 ? ox_rule_update(ox, o, e) : no_memory(e);
	if (json_object_set_new(o, "rulename", json_string(NAME)) != 0 || json_object_set_new(o, "flags", json_pack("[s]", FLAG)) != 0 ||
	    (json_object_get(o, "active") == NULL && json_object_set_new(o, "active", json_true()) != 0))
		return no_memory(e);
	return ox_rule_new(ox, o, &id, e);
}

/* Under the lock. */
static enum rc
set(struct engine_session *s, struct arena *a, const struct service_vacation_set *in, bool *applied, struct service_vacation *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	const json_t *rule = NULL;
	json_t *o = NULL;
	struct ox_rules r;
	enum rc rc;

	model_json_begin();
	rc = rules_load(s, &r, e);
	if (rc != RC_OK)
		return rc;
	rule = rule_flagged(r.list, FLAG);
	rc = vacation_out(a, rule, out, e);
	if (rc == RC_OK)
		rc = check(out, in, e);
	if (rc == RC_OK)
		rc = change_of(rule, out, in, &o, e);
	*applied = rc == RC_OK && (in->rev == NULL || strcmp(in->rev, out->rev) == 0 || (rule != NULL && json_object_size(o) == 0));
	if (*applied && json_object_size(o) > 0) {
		rc = model_json_starved() ? no_memory(e) : write_change(ox, rule, o, e); /* a part less would be another rule */
		ox_rules_fini(&r);
		if (rc == RC_OK)
			rc = rules_load(s, &r, e);
		if (rc == RC_OK)
			rc = vacation_out(a, rule_flagged(r.list, FLAG), out, e);
	}
	json_decref(o);
	ox_rules_fini(&r);
	if (rc == RC_CONFLICT) /* another client made the first one between our look and our write */
		rc = err_set(e, RC_BUSY, "The absence notice was made by another client just now");
	return rc;
}

enum rc
service_vacation_set(struct engine_session *s, struct arena *a, const struct service_vacation_set *in, bool *applied, struct service_vacation *out, struct err *e)
{
	struct engine_lock *lock = NULL;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	*applied = false;
	rc = engine_account_lock(s, &lock, e);
	if (rc == RC_OK)
		rc = set(s, a, in, applied, out, e);
	engine_account_unlock(lock);
	return service_absent(rc, e);
}
