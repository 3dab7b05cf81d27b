/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A service for tests of the protocol, as fake_engine.c is an engine. */
#include "fake_engine.h"
#include "usmd/service.h"

#include <string.h>

enum rc
service_quota_get(struct engine_session *s, struct service_quota *out, struct err *e)
{
	(void)s;
	fake_note("quota;");
	*out = (struct service_quota){ .mail = { 1, -1 }, .files = { 5, 6 } };
	for (int ct = 0; ct < CT_COUNT; ct++)
		out->objects[ct] = (struct service_use){ 3, -1 };
	return fake_fails("quota", e);
}

/* ---- mail rules, absence, signatures ---- */

static json_t *
fake_rule(void)
{
	return json_pack("{s:i,s:s,s:s,s:b,s:b,s:b,s:{s:s},s:[{s:s}]}", "id", 3, "rev", "0123456789abcdef", "name", "R", "active", 1, "stop", 0, "vacation", 0, "test", "id",
	    "true", "actions", "id", "keep");
}

enum rc
service_rules_get(struct engine_session *s, struct service_rules *out, struct err *e)
{
	enum rc rc = fake_fails("rules", e);

	(void)s;
	fake_note("rules;");
	memset(out, 0, sizeof(*out));
	if (rc != RC_OK)
		return rc;
	out->rules = json_pack("[o]", fake_rule());
	memcpy(out->rev, "00112233445566ff", REV_TEXT);
	out->config = out->rules == NULL ? NULL : json_pack("{s:[{s:s,s:[s]},{s:s,s:[s],s:[s]}],s:[{s:s},{s:s}],s:{s:b,s:i}}", "tests", "id", "subject", "comparisons", "is", "id", "envelope", "parts", "all",
	    "headers", "from", "actioncmds", "id", "keep", "id", "stop", "options", "allowNestedTests", 1, "MAXREDIRECTS", 4);
	if (out->config != NULL)
		return RC_OK;
	json_decref(out->rules);
	return err_set(e, RC_NOMEM, "no memory");
}

void
service_rules_done(struct service_rules *r)
{
	json_decref(r->rules);
	json_decref(r->config);
}

enum rc
service_rule_set(struct engine_session *s, struct arena *a, const struct service_rule_set *in, struct service_written *out, struct err *e)
{
	enum rc rc = fake_fails("rule_set", e);

	(void)s;
	(void)a;
	fake_note("rule %lld %s %s %d %d %lld%s%s;", (long long)in->id, in->client_id != NULL ? in->client_id : "-", in->name != NULL ? in->name : "-", in->active, in->stop,
	    (long long)in->position, in->test != NULL ? " test" : "", in->actions != NULL ? " actions" : "");
	*out = (struct service_written){ .applied = true };
	out->now = rc == RC_OK ? fake_rule() : NULL;
	return rc == RC_OK && out->now == NULL ? err_set(e, RC_NOMEM, "no memory") : rc;
}

enum rc
service_rule_delete(struct engine_session *s, int64_t id, const char *rev, struct service_written *out, struct err *e)
{
	(void)s;
	fake_note("rule_delete %lld %s;", (long long)id, rev);
	*out = (struct service_written){ .applied = true };
	return fake_fails("rule_delete", e);
}

enum rc
service_rules_order(struct engine_session *s, const json_t *ids, const char *rev, bool *applied, char now[REV_TEXT], struct err *e)
{
	(void)s;
	fake_note("order %zu %s;", json_array_size(ids), rev);
	*applied = false;
	memcpy(now, "00112233445566ff", REV_TEXT);
	return fake_fails("order", e);
}

static void
fake_vacation(struct service_vacation *out)
{
	static const char *addresses[] = { "a@example.com", "b@example.com" };

	*out = (struct service_vacation){ .exists = true, .active = true, .text = "away", .subject = "Away", .days = 7, .addresses = addresses, .n_addresses = 2,
		.has_from = true, .from = 86400000, .has_to = true, .to = 172800000, .zone = "+0100" };
	memcpy(out->rev, "0123456789abcdef", REV_TEXT);
}

enum rc
service_vacation_get(struct engine_session *s, struct arena *a, struct service_vacation *out, struct err *e)
{
	(void)s;
	(void)a;
	fake_note("vacation;");
	fake_vacation(out);
	return fake_fails("vacation", e);
}

enum rc
service_vacation_set(struct engine_session *s, struct arena *a, const struct service_vacation_set *in, bool *applied, struct service_vacation *out, struct err *e)
{
	(void)s;
	(void)a;
	fake_note("vacation_set %s %d %s %lld %zu %d:%lld %d:%lld %s;", in->rev != NULL ? in->rev : "-", in->active, in->text != NULL ? in->text : "-", (long long)in->days,
	    json_array_size(in->addresses), in->from_op, (long long)in->from, in->to_op, (long long)in->to, in->zone != NULL ? in->zone : "-");
	*applied = true;
	*out = (struct service_vacation){ .days = -1 };
	return fake_fails("vacation_set", e);
}

static json_t *
fake_signature(void)
{
	return json_pack("{s:s,s:s,s:s,s:b,s:s,s:s,s:b,s:b}", "id", "3", "rev", "0123456789abcdef", "name", "S", "html", 0, "content", "-- \nx", "insertion", "below", "default", 1,
	    "defaultReply", 0);
}

enum rc
service_signatures_get(struct engine_session *s, json_t **out, struct err *e)
{
	enum rc rc = fake_fails("signatures", e);

	(void)s;
	fake_note("signatures;");
	*out = rc == RC_OK ? json_pack("[o]", fake_signature()) : NULL;
	return rc == RC_OK && *out == NULL ? err_set(e, RC_NOMEM, "no memory") : rc;
}

enum rc
service_signature_set(struct engine_session *s, const struct service_signature_set *in, struct service_written *out, struct err *e)
{
	enum rc rc = fake_fails("signature_set", e);

	(void)s;
	fake_note("signature %s %s %d %d %d;", in->id != NULL ? in->id : "-", in->client_id != NULL ? in->client_id : "-", in->html, in->is_default, in->is_default_reply);
	*out = (struct service_written){ .applied = true };
	out->now = rc == RC_OK ? fake_signature() : NULL;
	return rc == RC_OK && out->now == NULL ? err_set(e, RC_NOMEM, "no memory") : rc;
}

enum rc
service_signature_delete(struct engine_session *s, const char *id, const char *rev, struct service_written *out, struct err *e)
{
	(void)s;
	fake_note("signature_delete %s %s;", id, rev);
	*out = (struct service_written){ .applied = true };
	return fake_fails("signature_delete", e);
}
