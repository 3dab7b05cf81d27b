/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mail rules, absence, signatures: getRules, setRule, deleteRule, orderRules, getVacation, setVacation, getSignatures, setSignature, deleteSignature. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define MAX_RULES 10000
#define MAX_DAY INT64_C(253402300800000) /* the year 10000 */

static void
write_bool(struct buf *b, const char *key, bool v)
{
	js_key(b, key);
	buf_adds(b, v ? "true" : "false");
}

static int
maybe(const json_t *v)
{
	return v == NULL ? -1 : json_is_true(v);
}

/* What became of a write: applied, and the thing KEY as it is now. */
static void
write_written(struct buf *b, const char *key, struct service_written *w)
{
	buf_addc(b, '{');
	write_bool(b, "applied", w->applied);
	if (w->now != NULL) {
		js_key(b, key);
		json_text(b, w->now);
	}
	buf_addc(b, '}');
	json_decref(w->now);
	w->now = NULL;
}

/* ---- rules ---- */

static void
write_list(struct buf *b, const char *key, const json_t *list)
{
	if (!json_is_array(list) || json_array_size(list) == 0)
		return;
	js_key(b, key);
	json_text(b, list);
}

static void
write_announced(struct buf *b, const json_t *config)
{
	const json_t *options = json_object_get(config, "options"), *max = json_object_get(options, "MAXREDIRECTS");
	bool first = true;
	size_t i;
	json_t *v;

	js_key(b, "tests");
	buf_addc(b, '[');
	json_array_foreach(json_object_get(config, "tests"), i, v) {
		if (!json_is_string(json_object_get(v, "id")))
			continue;
		buf_adds(b, first ? "{" : ",{");
		first = false;
		js_key(b, "id");
		js_str(b, json_string_value(json_object_get(v, "id")));
		write_list(b, "comparisons", json_object_get(v, "comparisons"));
		write_list(b, "parts", json_object_get(v, "parts"));
		write_list(b, "headers", json_object_get(v, "headers"));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	js_key(b, "actions");
	buf_addc(b, '[');
	first = true;
	json_array_foreach(json_object_get(config, "actioncmds"), i, v) {
		const char *id = json_string_value(json_object_get(v, "id"));

		if (id == NULL || strcmp(id, "stop") == 0)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		js_str(b, id);
	}
	buf_addc(b, ']');
	write_bool(b, "nested", !json_is_false(json_object_get(options, "allowNestedTests")));
	if (json_is_integer(max)) {
		js_key(b, "maxRedirects");
		buf_add_i64(b, json_integer_value(max));
	}
}

enum rc
cmd_get_rules(struct call *c)
{
	struct service_rules r;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_rules_get(c->session, &r, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "rev");
	js_str(&c->out, r.rev);
	js_key(&c->out, "hidden");
	buf_add_i64(&c->out, r.hidden);
	js_key(&c->out, "rules");
	json_text(&c->out, r.rules);
	write_announced(&c->out, r.config);
	buf_addc(&c->out, '}');
	service_rules_done(&r);
	return RC_OK;
}

enum rc
cmd_set_rule(struct call *c)
{
	enum { ID, REV, CLIENT, NAME, ACTIVE, STOP, POSITION, TEST, ACTIONS, N };
	static const struct rd_member m[N] = {
		[ID] = { "id", RD_INT, 0, 0, INT32_MAX },
		[REV] = { "rev", RD_REV, 0, 0, 0 },
		[CLIENT] = { "clientId", RD_CLIENT_ID, 0, 0, 0 },
		[NAME] = { "name", RD_STRING, 0, 1, RULE_MAX_NAME },
		[ACTIVE] = { "active", RD_BOOL, 0, 0, 0 },
		[STOP] = { "stop", RD_BOOL, 0, 0, 0 },
		[POSITION] = { "position", RD_INT, 0, 0, MAX_RULES },
		[TEST] = { "test", RD_OBJECT, 0, 0, 0 },
		[ACTIONS] = { "actions", RD_ARRAY, 0, 0, RULE_MAX_ACTIONS },
	};
	struct service_rule_set in = { .id = -1, .position = -1 };
	struct service_written w;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	if ((v[ID] != NULL) == (v[CLIENT] != NULL))
		return rd_fail(&r, RC_PROTO, "Give id and rev of a rule to change it, or the clientId of a new one");
	if ((v[ID] != NULL) != (v[REV] != NULL))
		return rd_fail_at(&r, "rev", RC_PROTO, "goes with id");
	if (v[ID] != NULL && v[POSITION] != NULL)
		return rd_fail_at(&r, "position", RC_PROTO, "is for new rules: orderRules moves the others");
	for (int i = NAME; v[ID] == NULL && i < N; i++)
		if (v[i] == NULL && (i == NAME || i == TEST || (i == ACTIONS && !json_is_true(v[STOP]))))
			return rd_fail_at(&r, m[i].name, RC_PROTO, "is missing: a new rule needs it");
	if (v[ID] != NULL)
		in.id = json_integer_value(v[ID]);
	in.rev = json_string_value(v[REV]);
	in.client_id = json_string_value(v[CLIENT]);
	in.name = json_string_value(v[NAME]);
	in.active = maybe(v[ACTIVE]);
	in.stop = maybe(v[STOP]);
	if (v[POSITION] != NULL)
		in.position = json_integer_value(v[POSITION]);
	in.test = v[TEST];
	in.actions = v[ACTIONS];
	rc = service_rule_set(c->session, c->arena, &in, &w, &c->err);
	if (rc == RC_OK)
		write_written(&c->out, "rule", &w);
	return rc;
}

enum rc
cmd_delete_rule(struct call *c)
{
	static const struct rd_member m[] = { { "id", RD_INT, RD_REQUIRED, 0, INT32_MAX }, { "rev", RD_REV, RD_REQUIRED, 0, 0 } };
	struct service_written w;
	json_t *v[2];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, 2, v);
	if (rc == RC_OK)
		rc = service_rule_delete(c->session, json_integer_value(v[0]), json_string_value(v[1]), &w, &c->err);
	if (rc == RC_OK)
		write_written(&c->out, "rule", &w);
	return rc;
}

enum rc
cmd_order_rules(struct call *c)
{
	static const struct rd_member m[] = { { "order", RD_ARRAY, RD_REQUIRED, 0, MAX_RULES }, { "rev", RD_REV, RD_REQUIRED, 0, 0 } };
	static const struct rd_member id = { "", RD_INT, 0, 0, INT32_MAX };
	char now[REV_TEXT];
	bool applied;
	json_t *v[2], *x;
	struct rd r;
	size_t i, mark, inner;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, 2, v);
	if (rc != RC_OK)
		return rc;
	mark = rd_enter(&r, "order");
	json_array_foreach(v[0], i, x) {
		inner = rd_enter_index(&r, i);
		rc = rd_value(&r, &id, x);
		if (rc != RC_OK)
			return rc;
		rd_leave(&r, inner);
	}
	rd_leave(&r, mark);
	rc = service_rules_order(c->session, v[0], json_string_value(v[1]), &applied, now, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_bool(&c->out, "applied", applied);
	js_key(&c->out, "rev");
	js_str(&c->out, now);
	buf_addc(&c->out, '}');
	return RC_OK;
}

/* ---- absence ---- */

static void
write_time(struct buf *b, const char *key, bool has, msec_t t)
{
	if (!has)
		return;
	js_key(b, key);
	buf_add_i64(b, t);
}

static void
write_vacation(struct buf *b, const struct service_vacation *v)
{
	js_key(b, "exists");
	buf_adds(b, v->exists ? "true" : "false");
	write_bool(b, "active", v->active);
	if (!v->exists)
		return;
	js_key(b, "rev");
	js_str(b, v->rev);
	js_key(b, "text");
	js_str(b, v->text);
	if (v->subject != NULL) {
		js_key(b, "subject");
		js_str(b, v->subject);
	}
	write_time(b, "days", v->days >= 0, v->days);
	js_key(b, "addresses");
	buf_addc(b, '[');
	for (size_t i = 0; i < v->n_addresses; i++) {
		if (i > 0)
			buf_addc(b, ',');
		js_str(b, v->addresses[i]);
	}
	buf_addc(b, ']');
	write_time(b, "from", v->has_from, v->from);
	write_time(b, "to", v->has_to, v->to);
	if (v->zone != NULL) {
		js_key(b, "zone");
		js_str(b, v->zone);
	}
	write_bool(b, "other", v->other);
}

enum rc
cmd_get_vacation(struct call *c)
{
	struct service_vacation v;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_vacation_get(c->session, c->arena, &v, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_vacation(&c->out, &v);
	buf_addc(&c->out, '}');
	return RC_OK;
}

/* A member that may be null, which means "none". */
static enum rc
read_day(struct rd *r, const char *name, const json_t *v, int *op, msec_t *day)
{
	const struct rd_member m = { name, RD_INT, 0, 0, MAX_DAY };
	size_t mark;
	enum rc rc;

	*op = v == NULL ? -1 : !json_is_null(v);
	if (*op != 1)
		return RC_OK;
	mark = rd_enter(r, name);
	rc = rd_value(r, &m, v);
	if (rc != RC_OK)
		return rc;
	rd_leave(r, mark);
	*day = json_integer_value(v);
	return RC_OK;
}

enum rc
cmd_set_vacation(struct call *c)
{
	enum { REV, ACTIVE, TEXT, SUBJECT, DAYS, ADDRESSES, FROM, TO, ZONE, N };
	static const struct rd_member m[N] = {
		[REV] = { "rev", RD_REV, 0, 0, 0 },
		[ACTIVE] = { "active", RD_BOOL, 0, 0, 0 },
		[TEXT] = { "text", RD_STRING, 0, 1, RULE_MAX_TEXT },
		[SUBJECT] = { "subject", RD_STRING, 0, 0, RULE_MAX_VALUE },
		[DAYS] = { "days", RD_INT, 0, 1, RULE_MAX_DAYS },
		[ADDRESSES] = { "addresses", RD_ARRAY, 0, 0, RULE_MAX_ADDRESSES },
		[FROM] = { "from", RD_ANY, 0, 0, 0 },
		[TO] = { "to", RD_ANY, 0, 0, 0 },
		[ZONE] = { "zone", RD_STRING, 0, 5, 5 },
	};
	struct service_vacation_set in = { .days = -1 };
	struct service_vacation now;
	bool applied;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = read_day(&r, "from", v[FROM], &in.from_op, &in.from);
	if (rc == RC_OK)
		rc = read_day(&r, "to", v[TO], &in.to_op, &in.to);
	if (rc != RC_OK)
		return rc;
	in.rev = json_string_value(v[REV]);
	in.active = maybe(v[ACTIVE]);
	in.text = json_string_value(v[TEXT]);
	in.subject = json_string_value(v[SUBJECT]);
	if (v[DAYS] != NULL)
		in.days = json_integer_value(v[DAYS]);
	in.addresses = v[ADDRESSES];
	in.zone = json_string_value(v[ZONE]);
	rc = service_vacation_set(c->session, c->arena, &in, &applied, &now, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_bool(&c->out, "applied", applied);
	write_vacation(&c->out, &now);
	buf_addc(&c->out, '}');
	return RC_OK;
}

/* ---- signatures ---- */

enum rc
cmd_get_signatures(struct call *c)
{
	json_t *list = NULL;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_signatures_get(c->session, &list, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "signatures");
	json_text(&c->out, list);
	buf_addc(&c->out, '}');
	json_decref(list);
	return RC_OK;
}

enum rc
cmd_set_signature(struct call *c)
{
	enum { ID, REV, CLIENT, NAME, HTML, CONTENT, INSERTION, DEFAULT, REPLY, N };
	static const struct rd_member m[N] = {
		[ID] = { "id", RD_STRING, 0, 1, 63 },
		[REV] = { "rev", RD_REV, 0, 0, 0 },
		[CLIENT] = { "clientId", RD_CLIENT_ID, 0, 0, 0 },
		[NAME] = { "name", RD_STRING, 0, 1, SIGNATURE_MAX_NAME },
		[HTML] = { "html", RD_BOOL, 0, 0, 0 },
		[CONTENT] = { "content", RD_STRING, 0, 0, SIGNATURE_MAX_CONTENT },
		[INSERTION] = { "insertion", RD_STRING, 0, 5, 5 },
		[DEFAULT] = { "default", RD_BOOL, 0, 0, 0 },
		[REPLY] = { "defaultReply", RD_BOOL, 0, 0, 0 },
	};
	struct service_signature_set in = { .id = NULL };
	struct service_written w;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	if ((v[ID] != NULL) == (v[CLIENT] != NULL))
		return rd_fail(&r, RC_PROTO, "Give id and rev of a signature to change it, or the clientId of a new one");
	if ((v[ID] != NULL) != (v[REV] != NULL))
		return rd_fail_at(&r, "rev", RC_PROTO, "goes with id");
	if (v[ID] == NULL && v[NAME] == NULL)
		return rd_fail_at(&r, "name", RC_PROTO, "is missing: a new signature needs it");
	if (v[ID] == NULL && v[CONTENT] == NULL)
		return rd_fail_at(&r, "content", RC_PROTO, "is missing: a new signature needs it");
	in.id = json_string_value(v[ID]);
	in.rev = json_string_value(v[REV]);
	in.client_id = json_string_value(v[CLIENT]);
	in.name = json_string_value(v[NAME]);
	in.content = json_string_value(v[CONTENT]);
	in.insertion = json_string_value(v[INSERTION]);
	if (in.insertion != NULL && strcmp(in.insertion, "above") != 0 && strcmp(in.insertion, "below") != 0)
		return rd_fail_at(&r, "insertion", RC_PROTO, "must be \"above\" or \"below\"");
	in.html = maybe(v[HTML]);
	in.is_default = maybe(v[DEFAULT]);
	in.is_default_reply = maybe(v[REPLY]);
	rc = service_signature_set(c->session, &in, &w, &c->err);
	if (rc == RC_OK)
		write_written(&c->out, "signature", &w);
	return rc;
}

enum rc
cmd_delete_signature(struct call *c)
{
	static const struct rd_member m[] = { { "id", RD_STRING, RD_REQUIRED, 1, 63 }, { "rev", RD_REV, RD_REQUIRED, 0, 0 } };
	struct service_written w;
	json_t *v[2];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, 2, v);
	if (rc == RC_OK)
		rc = service_signature_delete(c->session, json_string_value(v[0]), json_string_value(v[1]), &w, &c->err);
	if (rc == RC_OK)
		write_written(&c->out, "signature", &w);
	return rc;
}
