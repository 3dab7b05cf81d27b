/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail rules.  OX has no version of a rule and rewrites the whole script at each change: reads, compares and writes happen under a lock of the account,
 * guarded by a rev over the rule's content.  A rule that is made carries a mark of its clientId among its flags: that is how a repeated request finds it.
 */
#include "service/rules_int.h"

#include <stdio.h>
#include <string.h>

static enum rc
no_memory(struct err *e)
{
	return err_set(e, RC_NOMEM, "out of memory for rules");
}

enum rc
json_rev(const json_t *v, char rev[REV_TEXT], struct err *e)
{
	char *text = v != NULL ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
	unsigned char hash[32];

	if (v != NULL && text == NULL)
		return no_memory(e);
	sha256(text != NULL ? text : "", text != NULL ? strlen(text) : 0, hash);
	hex_encode(hash, (REV_TEXT - 1) / 2, rev);
	mem_free(text);
	return RC_OK;
}

void
client_mark(const struct engine_session *s, const char *client_id, char mark[RULE_MARK])
{
	const char *owner = engine_session_owner(s);
	unsigned char hash[32], key[32];

	sha256(owner, strlen(owner), key);
	hmac_sha256(key, sizeof(key), client_id, strlen(client_id), hash);
	memcpy(mark, "usm", 4);
	for (size_t i = 0; i < RULE_MARK - 4; i++)
		mark[3 + i] = (char)('a' + (hash[i / 2] >> (i % 2 * 4) & 15));
	mark[RULE_MARK - 1] = '\0';
}

/* ---- rules of OX ---- */

static int64_t
id_of(const json_t *rule)
{
	return json_integer_value(json_object_get(rule, "id"));
}

json_t *
rule_find(const json_t *list, int64_t id)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (json_is_integer(json_object_get(v, "id")) && id_of(v) == id)
			return v;
	return NULL;
}

static bool
has_flag(const json_t *rule, const char *flag)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(rule, "flags"), i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), flag) == 0)
			return true;
	return false;
}

json_t *
rule_flagged(const json_t *list, const char *flag)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (has_flag(v, flag))
			return v;
	return NULL;
}

/* RULE without what is no content of it. */
static json_t *
content_of(const json_t *rule)
{
	json_t *c = json_copy((json_t *)(uintptr_t)rule);

	(void)json_object_del(c, "id");
	(void)json_object_del(c, "position");
	(void)json_object_del(c, "lastModified");
	return c;
}

enum rc
rule_rev(const json_t *rule, char rev[REV_TEXT], struct err *e)
{
	json_t *c = content_of(rule);
	enum rc rc = c != NULL ? json_rev(c, rev, e) : no_memory(e);

	json_decref(c);
	return rc;
}

/* Of the order: which rules, by id and name. */
static enum rc
order_rev(const json_t *list, char rev[REV_TEXT], struct err *e)
{
	json_t *order = json_array(), *v;
	size_t i;
	enum rc rc;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		(void)json_array_append_new(order, json_pack("[I,s]", (json_int_t)id_of(v), json_text_of(v, "rulename")));
	rc = order != NULL && json_array_size(order) == json_array_size(list) ? json_rev(order, rev, e) : no_memory(e);
	json_decref(order);
	return rc;
}

static const char *
mark_of(const json_t *rule)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(rule, "flags"), i, v)
		if (json_string_length(v) == RULE_MARK - 1 && strncmp(json_string_value(v), "usm", 3) == 0)
			return json_string_value(v);
	return NULL;
}

static bool
are_twins(const json_t *a, const json_t *b)
{
	json_t *x = content_of(a), *y = content_of(b);
	bool same = x != NULL && y != NULL && json_equal(x, y) != 0;

	json_decref(x);
	json_decref(y);
	return same;
}

/* The later one of a pair of rules with the same mark and the same content, or NULL. */
static const json_t *
twin_of(const json_t *list, size_t *at)
{
	const json_t *a, *b;
	const char *mark;

	for (size_t i = 0; i < json_array_size(list); i++) {
		a = json_array_get(list, i);
		mark = mark_of(a);
		for (size_t k = i + 1; mark != NULL && k < json_array_size(list); k++) {
			b = json_array_get(list, k);
			if (!has_flag(b, mark) || !are_twins(a, b))
				continue;
			*at = id_of(a) < id_of(b) ? k : i;
			return json_array_get(list, *at);
		}
	}
	return NULL;
}

/*
 * A create without an answer may be executed by OX after it was repeated.  Of two rules with the same mark and the same content the later one goes;
 * what a person made different stays.
 */
static enum rc
remove_twins(struct ox_session *ox, json_t *list, struct err *e)
{
	const json_t *twin;
	enum rc rc = RC_OK;
	size_t at;

	while (rc == RC_OK && (twin = twin_of(list, &at)) != NULL) {
		rc = ox_rule_delete(ox, id_of(twin), e);
		if (rc == RC_NOTFOUND)
			rc = RC_OK;
		(void)json_array_remove(list, at);
	}
	return rc;
}

enum rc
rules_load(struct engine_session *s, struct ox_rules *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	enum rc rc = ox_rules_get(ox, out, e);

	if (rc == RC_OK && out->hidden > 0)
		rc = err_set(e, RC_FORBIDDEN, "The user's script holds what the groupware server cannot read, and would delete with any change "
		    "(rules or parts of rules: %u); it can only be changed with the program that wrote it.", out->hidden);
	if (rc == RC_OK)
		rc = remove_twins(ox, out->list, e);
	if (rc != RC_OK)
		ox_rules_fini(out);
	return rc;
}

/* ---- as clients see them ---- */

static bool
name_folder(const struct engine_session *s, json_t *action)
{
	const char *into = json_text_of(action, "into");
	char text[UUID_TEXT];
	struct uuid u;

	if (into[0] == '\0')
		return true;
	engine_folder_uuid(s, into, &u);
	uuid_format(&u, text);
	return json_object_set_new(action, "folder", json_string(text)) == 0;
}

static enum rc
rule_out(const struct engine_session *s, const json_t *rule, json_t **out, struct err *e)
{
	json_t *actions = json_array(), *v, *copy, *test = json_object_get(rule, "test");
	bool stop = false, ok = actions != NULL;
	char rev[REV_TEXT];
	enum rc rc;
	size_t i;

	*out = NULL;
	json_array_foreach(json_object_get(rule, "actioncmds"), i, v) {
		if (strcmp(json_text_of(v, "id"), "stop") == 0) {
			stop = true;
			continue;
		}
		copy = json_deep_copy(v);
		ok = ok && copy != NULL && name_folder(s, copy) && json_array_append(actions, copy) == 0;
		json_decref(copy);
	}
	rc = rule_rev(rule, rev, e);
	if (rc == RC_OK && ok)
		*out = json_pack("{s:I,s:s,s:s,s:b,s:b,s:b,s:O?,s:O}", "id", (json_int_t)id_of(rule), "rev", rev, "name", json_text_of(rule, "rulename"),
		    "active", json_is_true(json_object_get(rule, "active")), "stop", stop, "vacation", has_flag(rule, "vacation"), "test", test, "actions", actions);
	if (rc == RC_OK && *out == NULL)
		rc = no_memory(e);
	json_decref(actions);
	return rc;
}

enum rc
service_rules_get(struct engine_session *s, struct service_rules *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	struct ox_rules r = { .list = NULL };
	json_t *v, *x;
	size_t i;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	out->rules = json_array();
	rc = out->rules != NULL ? ox_rules_config(ox, &out->config, e) : no_memory(e);
	if (rc == RC_OK)
		rc = ox_rules_get(ox, &r, e);
	out->hidden = r.hidden;
	if (rc == RC_OK)
		rc = order_rev(r.list, out->rev, e);
	json_array_foreach(r.list, i, v) {
		if (rc == RC_OK)
			rc = rule_out(s, v, &x, e);
		if (rc == RC_OK && json_array_append_new(out->rules, x) != 0)
			rc = no_memory(e);
	}
	ox_rules_fini(&r);
	if (rc != RC_OK)
		service_rules_done(out);
	return service_absent(rc, e);
}

void
service_rules_done(struct service_rules *r)
{
	json_decref(r->rules);
	json_decref(r->config);
	r->rules = r->config = NULL;
}

/* ---- writing ---- */

/* The actions of IN as OX takes them: folders by OX's name. Before the lock, since it takes a connection. */
static enum rc
actions_in(struct engine_session *s, struct arena *a, const json_t *actions, json_t **out, struct err *e)
{
	json_t *list = json_deep_copy(actions), *v;
	const char *oxid;
	struct uuid u;
	char path[64];
	enum rc rc = list != NULL ? RC_OK : no_memory(e);
	size_t i;

	json_array_foreach(list, i, v) {
		const json_t *folder = json_object_get(v, "folder");

		if (rc != RC_OK || folder == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "actions[%zu].folder", i);
		if (!json_is_string(folder) || !uuid_parse(json_string_value(folder), &u))
			rc = err_set_path(e, RC_PROTO, path, "must be the uuid of a mail folder");
		if (rc == RC_OK)
			rc = engine_mail_folder(s, a, &u, &oxid, e);
		if (rc == RC_NOTFOUND && json_text_of(v, "into")[0] != '\0') { /* as it was read: a folder that is gone */
			struct uuid same;

			engine_folder_uuid(s, json_text_of(v, "into"), &same);
			if (memcmp(&same, &u, sizeof(u)) == 0) {
				rc = RC_OK;
				oxid = json_text_of(v, "into");
			}
		}
		if (rc == RC_NOTFOUND || rc == RC_PROTO)
			(void)snprintf(e->path, sizeof(e->path), "%s", path);
		if (rc == RC_OK && json_object_set_new(v, "into", json_string(oxid)) != 0)
			rc = no_memory(e);
		(void)json_object_del(v, "folder");
	}
	if (rc == RC_OK) {
		*out = list;
		return RC_OK;
	}
	json_decref(list);
	*out = NULL;
	return rc;
}

/* What is to be written: the members of IN as OX's. OLD: the rule as it is, or NULL. */
static enum rc
change_of(const struct service_rule_set *in, const json_t *actions, const json_t *old, json_t **out, struct err *e)
{
	json_t *o = json_object(), *list = NULL, *v, *stop_cmd;
	const json_t *base = actions != NULL ? actions : json_object_get(old, "actioncmds");
	bool stop = false, ok = o != NULL;
	size_t i;

	if (in->name != NULL)
		ok = ok && json_object_set_new(o, "rulename", json_string(in->name)) == 0;
	if (in->active >= 0 || old == NULL)
		ok = ok && json_object_set_new(o, "active", json_boolean(in->active != 0)) == 0;
	if (in->test != NULL)
		ok = ok && json_object_set_new(o, "test", json_deep_copy(in->test)) == 0;
	if (actions != NULL || in->stop >= 0) {
		json_array_foreach(json_object_get(old, "actioncmds"), i, v)
			stop = stop || strcmp(json_text_of(v, "id"), "stop") == 0;
		if (in->stop >= 0)
			stop = in->stop == 1;
		list = json_array();
		json_array_foreach((json_t *)(uintptr_t)base, i, v)
			if (strcmp(json_text_of(v, "id"), "stop") != 0)
				ok = ok && json_array_append_new(list, json_deep_copy(v)) == 0;
		stop_cmd = stop ? json_pack("{s:s}", "id", "stop") : NULL;
		if (stop)
			ok = ok && json_array_append_new(list, stop_cmd) == 0;
		ok = ok && json_object_set(o, "actioncmds", list) == 0;
		if (ok && json_array_size(list) == 0) {
			json_decref(list);
			json_decref(o);
			return err_set_path(e, RC_PROTO, "actions", "must have one action at least, or the rule the member stop");
		}
		json_decref(list);
	}
	if (ok) {
		*out = o;
		return RC_OK;
	}
	json_decref(o);
	return no_memory(e);
}

/* Are all members of CHANGE in RULE already? */
static bool
is_done(const json_t *rule, const json_t *change)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)change, key, v)
		if (!json_equal(json_object_get(rule, key), v))
			return false;
	return true;
}

static enum rc
check(struct ox_session *ox, const struct service_rule_set *in, const json_t *actions, const json_t *old, struct err *e)
{
	json_t *config = NULL;
	enum rc rc = in->name != NULL ? rule_check_text("name", in->name, RULE_MAX_NAME, e) : RC_OK;

	if (rc != RC_OK || (in->test == NULL && actions == NULL))
		return rc;
	rc = ox_rules_config(ox, &config, e);
	if (rc == RC_OK && in->test != NULL)
		rc = rule_check_test(config, in->test, old, e);
	if (rc == RC_OK && actions != NULL)
		rc = rule_check_actions(config, actions, json_object_get(old, "actioncmds"), e);
	json_decref(config);
	return rc;
}

/* The rule ID as it is now. */
static enum rc
read_back(struct engine_session *s, int64_t id, struct service_written *out, struct err *e)
{
	struct ox_rules r;
	const json_t *rule;
	enum rc rc = rules_load(s, &r, e);

	if (rc != RC_OK)
		return rc;
	out->applied = true;
	rule = rule_find(r.list, id);
	if (rule != NULL)
		rc = rule_out(s, rule, &out->now, e);
	ox_rules_fini(&r);
	return rc;
}

static enum rc
make(struct engine_session *s, const struct service_rule_set *in, const json_t *actions, const json_t *list, struct service_written *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	const json_t *there;
	char mark[RULE_MARK];
	json_t *rule = NULL;
	int64_t id;
	enum rc rc;

	client_mark(s, in->client_id, mark);
	there = rule_flagged(list, mark);
	if (there != NULL) {
		out->applied = true;
		return rule_out(s, there, &out->now, e);
	}
	rc = check(ox, in, actions, NULL, e);
	if (rc == RC_OK)
		rc = change_of(in, actions, NULL, &rule, e);
	if (rc == RC_OK && json_object_set_new(rule, "flags", json_pack("[s]", mark)) != 0)
		rc = no_memory(e);
	if (rc == RC_OK && in->position >= 0 && json_object_set_new(rule, "position", json_integer(in->position)) != 0)
		rc = no_memory(e);
	if (rc == RC_OK && model_json_starved()) /* a rule of which a part is missing would do something else */
		rc = no_memory(e);
	if (rc == RC_OK)
		rc = ox_rule_new(ox, rule, &id, e);
	json_decref(rule);
	return rc == RC_OK ? read_back(s, id, out, e) : rc;
}

static enum rc
change(struct engine_session *s, const struct service_rule_set *in, const json_t *actions, const json_t *old, struct service_written *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	char rev[REV_TEXT];
	json_t *o = NULL;
	bool done;
	enum rc rc;

	if (old == NULL)
		return err_set_path(e, RC_NOTFOUND, "id", "There is no such rule (any more); ask for the rules again.");
	rc = rule_rev(old, rev, e);
	if (rc == RC_OK)
		rc = check(ox, in, actions, old, e);
	if (rc == RC_OK)
		rc = change_of(in, actions, old, &o, e);
	if (rc != RC_OK)
		return rc;
	done = is_done(old, o); /* also: the request is a repetition */
	if (done || strcmp(rev, in->rev) != 0) {
		out->applied = done;
		rc = rule_out(s, old, &out->now, e);
	} else if (json_object_set_new(o, "id", json_integer(in->id)) != 0) {
		rc = no_memory(e);
	} else {
		rc = model_json_starved() ? no_memory(e) : ox_rule_update(ox, o, e);
		if (rc == RC_OK)
			rc = read_back(s, in->id, out, e);
	}
	json_decref(o);
	return rc;
}

enum rc
service_rule_set(struct engine_session *s, struct arena *a, const struct service_rule_set *in, struct service_written *out, struct err *e)
{
	struct engine_lock *lock = NULL;
	struct ox_rules r = { .list = NULL };
	json_t *actions = NULL;
	enum rc rc = RC_OK;

	memset(out, 0, sizeof(*out));
	model_json_begin();
	if (in->actions != NULL)
		rc = actions_in(s, a, in->actions, &actions, e);
	if (rc == RC_OK)
		rc = engine_account_lock(s, &lock, e);
	if (rc == RC_OK)
		rc = rules_load(s, &r, e);
	if (rc == RC_OK)
		rc = in->id < 0 ? make(s, in, actions, r.list, out, e) : change(s, in, actions, rule_find(r.list, in->id), out, e);
	engine_account_unlock(lock);
	if (rc == RC_PROTO && e->path[0] == '\0')
		rule_blame(in->test, in->actions, e);
	ox_rules_fini(&r);
	json_decref(actions);
	return service_absent(rc, e);
}

enum rc
service_rule_delete(struct engine_session *s, int64_t id, const char *rev, struct service_written *out, struct err *e)
{
	struct engine_lock *lock = NULL;
	struct ox_rules r = { .list = NULL };
	const json_t *rule = NULL;
	char now[REV_TEXT];
	enum rc rc;

	memset(out, 0, sizeof(*out));
	rc = engine_account_lock(s, &lock, e);
	if (rc == RC_OK)
		rc = rules_load(s, &r, e);
	if (rc == RC_OK)
		rule = rule_find(r.list, id);
	out->applied = rc == RC_OK;
	if (rule != NULL) {
		rc = rule_rev(rule, now, e);
		out->applied = rc == RC_OK && strcmp(now, rev) == 0;
		if (out->applied) {
			rc = ox_rule_delete(engine_session_ox(s), id, e);
			rc = rc == RC_NOTFOUND ? RC_OK : rc;
		} else if (rc == RC_OK) {
			rc = rule_out(s, rule, &out->now, e);
		}
	}
	engine_account_unlock(lock);
	ox_rules_fini(&r);
	return service_absent(rc, e);
}

/* Does IDS name each rule of LIST once? *SAME: in the order in which they are. */
static bool
names_all(const json_t *ids, const json_t *list, bool *same)
{
	size_t i, k, n = json_array_size(list);
	json_t *v;

	*same = json_array_size(ids) == n;
	if (!*same)
		return false;
	json_array_foreach((json_t *)(uintptr_t)ids, i, v) {
		if (rule_find(list, json_integer_value(v)) == NULL)
			return false;
		for (k = 0; k < i; k++)
			if (json_equal(json_array_get(ids, k), v))
				return false;
		*same = *same && id_of(json_array_get(list, i)) == json_integer_value(v);
	}
	return true;
}

enum rc
service_rules_order(struct engine_session *s, const json_t *ids, const char *rev, bool *applied, char now[REV_TEXT], struct err *e)
{
	struct engine_lock *lock = NULL;
	struct ox_rules r = { .list = NULL };
	bool all = false, same = false;
	enum rc rc = engine_account_lock(s, &lock, e);

	*applied = false;
	if (rc == RC_OK)
		rc = rules_load(s, &r, e);
	if (rc == RC_OK)
		rc = order_rev(r.list, now, e);
	if (rc == RC_OK) {
		all = names_all(ids, r.list, &same);
		*applied = same || strcmp(now, rev) == 0;
	}
	if (rc == RC_OK && *applied && !all)
		rc = err_set_path(e, RC_PROTO, "order", "must name each rule once");
	if (rc == RC_OK && *applied && !same) {
		rc = ox_rules_order(engine_session_ox(s), ids, e);
		ox_rules_fini(&r);
		if (rc == RC_OK)
			rc = rules_load(s, &r, e);
		if (rc == RC_OK)
			rc = order_rev(r.list, now, e);
	}
	engine_account_unlock(lock);
	ox_rules_fini(&r);
	return service_absent(rc, e);
}
