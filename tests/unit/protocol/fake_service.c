/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A service for tests of the protocol, as fake_engine.c is an engine. */
#include "fake_engine.h"
#include "usmd/service.h"

#include <stdio.h>
#include <string.h>

enum rc
service_absent(enum rc rc, struct err *e)
{
	(void)e;
	return rc;
}

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

/* ---- scheduling ---- */

/* The first is busy, the second a group with him, the third unknown to anybody. */
enum rc
service_busy_get(struct engine_session *s, struct arena *a, const struct service_busy_request *r, struct service_busy **out, struct err *e)
{
	static struct ox_busy taken = { .from = 10, .to = 20, .shown = OX_SHOWN_BUSY };
	static struct ox_busy item = { .from = 12, .to = 20, .shown = OX_SHOWN_FREE, .full = true, .title = "T", .location = "L" };
	struct service_busy one = { .kind = OX_USER, .id = 3, .name = "Ada", .mail = "a@x", .why = "", .taken = &taken, .n_taken = 1, .item = &item, .n_items = r->details };

	(void)s;
	fake_note("busy %lld %lld", (long long)r->from, (long long)r->to);
	for (size_t i = 0; i < r->n; i++)
		fake_note(" %d:%lld%s%s", (int)r->who[i].kind, (long long)r->who[i].id, r->who[i].mail != NULL ? r->who[i].mail : "", r->who[i].name != NULL ? r->who[i].name : "");
	fake_note("%s;", r->has_exclude ? " exclude" : "");
	*out = arena_array(a, struct service_busy, r->n);
	for (size_t i = 0; *out != NULL && i < r->n; i++) {
		(*out)[i] = one;
		if (i == 1)
			(*out)[i] = (struct service_busy){ .kind = OX_GROUP, .id = 8, .name = "", .mail = "", .member = *out, .n_members = 1 };
		if (i == 2)
			(*out)[i] = (struct service_busy){ .name = "N", .mail = "", .problem = BUSY_UNKNOWN, .why = "Nobody" };
	}
	return *out != NULL ? fake_fails("busy", e) : err_set(e, RC_NOMEM, "out of memory");
}

enum rc
service_invitation_get(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct service_invitation *out, struct err *e)
{
	static const char *texts[] = { "You are invited." };

	(void)s;
	(void)a;
	(void)folder;
	(void)mail;
	fake_note("analyze;");
	memset(out, 0, sizeof(*out));
	out->method = ITIP_REQUEST;
	out->part = "2";
	out->can[ITIP_ACCEPT] = out->can[ITIP_DECLINE] = true;
	out->x = (struct ox_itip){ .uid = "u", .text = texts, .n_texts = 1, .n_changes = 1 };
	out->x.change[0] = (struct ox_itip_change){ .type = "create", .then = json_pack("{s:s,s:I}", "title", "T", "start_date", (json_int_t)7) };
	out->at[0] = (struct engine_touched){ .known = true, .folder = *folder, .uuid = *mail };
	if (out->x.change[0].then == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	return fake_fails("analyze", e);
}

void
service_invitation_done(struct service_invitation *x)
{
	for (size_t i = 0; i < x->x.n_changes; i++)
		json_decref(x->x.change[i].then);
}

enum rc
service_invitation_apply(struct engine_session *s, struct arena *a, const struct service_invitation_request *r, struct service_invitation_answer *out, struct err *e)
{
	(void)s;
	fake_note("apply %d \"%s\"%s;", (int)r->action, r->message, r->ignore_conflicts ? " ignore" : "");
	out->changed = r->action != ITIP_TENTATIVE;
	out->n = 1;
	out->v = arena_array(a, struct engine_touched, 1);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	out->v[0] = (struct engine_touched){ .known = true, .folder = r->folder, .uuid = r->mail };
	return fake_fails("apply", e);
}

/* ---- people, search ---- */

static bool
fake_person(struct arena *a, struct service_person *p, enum person_kind kind, const struct service_people *q)
{
	const bool listed = kind == PERSON_LIST || kind == PERSON_GROUP;

	*p = (struct service_person){ .kind = kind, .entity = kind == PERSON_CONTACT || kind == PERSON_LIST ? 0 : 4, .name = "Ada \"L\"", .exact = kind == PERSON_USER };
	if (!listed) {
		p->address[0] = "ada@example.com";
		p->n_addresses = 1;
	}
	if (kind <= PERSON_LIST)
		p->at = (struct service_object){ .known = true, .folder = fake_uuid(1), .uuid = fake_uuid(2) };
	p->has_photo = kind == PERSON_CONTACT;
	if (p->has_photo && q->photo_max != 0) {
		p->photo_type = "image/png";
		p->photo = "\x89PN";
		p->photo_len = 3;
	}
	if (!q->members || !listed)
		return true;
	p->members = arena_array(a, struct service_member, 2);
	if (p->members == NULL)
		return false;
	p->members[0] = (struct service_member){ .entity = 3, .name = "Bo", .address = "" };
	p->members[1] = (struct service_member){ .name = "", .address = "c@example.com", .at = { .known = true, .folder = fake_uuid(1), .uuid = fake_uuid(3) } };
	p->n_members = 2;
	p->more_members = true;
	return true;
}

enum rc
service_people_resolve(struct engine_session *s, struct arena *a, struct service_people *q, struct err *e)
{
	(void)s;
	fake_note("people kinds=%u limit=%zu%s%s photo=%zu", q->kinds, q->limit, q->exact ? " exact" : "", q->members ? " members" : "", q->photo_max);
	for (size_t i = 0; i < q->n; i++) {
		fake_note(" %s", q->who[i].query);
		q->who[i].v = arena_array(a, struct service_person, PERSON_KINDS);
		for (unsigned k = 0; k < PERSON_KINDS; k++)
			if ((q->kinds >> k & 1) != 0 && (q->who[i].v == NULL || !fake_person(a, &q->who[i].v[q->who[i].n++], (enum person_kind)k, q)))
				return err_set(e, RC_NOMEM, "out of memory");
		q->who[i].more = i == 0;
	}
	fake_note(";");
	q->absent = 1U << PERSON_RESOURCE;
	return fake_fails("people", e);
}

enum rc
service_search(struct engine_session *s, struct arena *a, const struct service_search *q, struct service_found *out, struct err *e)
{
	struct engine_folder *place = arena_array(a, struct engine_folder, 1);
	enum rc rc = fake_fails("search", e);

	(void)s;
	fake_note("search %s text=%s from=%s body=%s set=%u clear=%u %s limit=%zu cursor=%s;", model_content(q->ct)->name, q->text != NULL ? q->text : "-",
	    q->from != NULL ? q->from : "-", q->body != NULL ? q->body : "-", q->set, q->clear, q->after == TIME_MIN ? "any" : "timed", q->limit,
	    q->cursor != NULL ? q->cursor : "-");
	memset(out, 0, sizeof(*out));
	if (rc == RC_OK && place == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	if (rc != RC_OK)
		return rc;
	*place = (struct engine_folder){ .oxid = "1", .uuid = fake_uuid(1) };
	out->v = arena_array(a, struct engine_found, 2);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	out->n = 2;
	memset(out->v, 0, 2 * sizeof(*out->v));
	out->v[0].place = out->v[1].place = place; /* the second has gone */
	out->v[0].object = fake_object(a, q->ct);
	if (out->v[0].object == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	out->v[0].item = (struct answer_item){ .whole = true, .object = out->v[0].object, .uuid = fake_uuid(2), .rev = "0123456789abcdef" };
	out->more = out->cut = true;
	memcpy(out->cursor, "00ff", sizeof("00ff"));
	return RC_OK;
}

void
service_found_done(struct service_found *f)
{
	for (size_t i = 0; i < f->n; i++)
		object_drop(f->v[i].object);
	f->n = 0;
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

/* ---- the own data ---- */

enum rc
service_profile_get(struct engine_session *s, struct arena *a, struct service_profile *out, struct err *e)
{
	static const char *aliases[] = { "ada@example.com" }, *features[] = { "mail", "password" };

	(void)s;
	fake_note("profile;");
	*out = (struct service_profile){ .login = "ada", .address = aliases[0], .version = "8.19.0", .aliases = aliases, .n_aliases = 1, .features = features, .n_features = 2,
		.has_features = true, .password_min = 10 };
	(void)snprintf(out->rev, sizeof(out->rev), "0123456789abcdef");
	out->contact = object_new(a, CT_CONTACT);
	if (out->contact == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	object_set(out->contact, (unsigned)model_field(model_content(CT_CONTACT), "first_name"), json_string("Ada"));
	out->settings = json_pack("{s:s}", "language", "de_DE");
	if (fake_fails("profile", e) == RC_OK && out->settings != NULL && object_get_str(out->contact, (unsigned)model_field(model_content(CT_CONTACT), "first_name")) != NULL)
		return RC_OK;
	if (e->rc == RC_OK)
		(void)err_set(e, RC_NOMEM, "out of memory");
	service_profile_fini(out);
	return e->rc;
}

void
service_profile_fini(struct service_profile *p)
{
	object_drop(p->contact);
	json_decref(p->settings);
	p->contact = NULL;
	p->settings = NULL;
}

enum rc
service_setting_check(const char *name, const json_t *value, struct err *e)
{
	return strcmp(name, "language") == 0 && json_is_string(value) ? RC_OK : err_set(e, RC_PROTO, "is no setting");
}

enum rc
service_profile_set(struct engine_session *s, struct arena *a, const struct service_profile_change *in, bool *applied, struct service_profile *out, struct err *e)
{
	struct buf b;

	buf_init(&b, 0);
	if (in->contact != NULL)
		(void)object_text(&b, in->contact, &in->fields, FF_NODELIVER, true);
	if (b.failed)
		return err_set(e, RC_NOMEM, "out of memory");
	fake_note("set rev=%s {%s} settings=%d;", in->rev != NULL ? in->rev : "", b.p != NULL ? b.p : "", (int)json_object_size(in->settings));
	buf_fini(&b);
	*applied = in->rev == NULL || in->rev[0] == '0';
	if (fake_fails("set", e) != RC_OK)
		return e->rc;
	return service_profile_get(s, a, out, e);
}

const char *
service_strength_name(enum service_strength s)
{
	return s == STRENGTH_GOOD ? "good" : "weak";
}

enum rc
service_password_change(struct engine_session *s, const struct service_password_rules *r, const struct engine_password *in, enum service_strength *strength,
    size_t *ended, struct err *e)
{
	(void)s;
	fake_note("password %u %u %s to %s;", r->min_length, r->min_classes, in->was, in->is);
	*strength = STRENGTH_GOOD;
	*ended = 2;
	return fake_fails("password", e);
}

/* ---- client service ---- */

enum rc
service_package_get(struct service_client *c, struct arena *a, struct service_package *out, struct err *e)
{
	(void)a;
	if (c == NULL)
		return err_set(e, RC_NOTFOUND, "none");
	*out = (struct service_package){ .name = "Client", .version = "2.0", .minimum = "1.5", .file = "setup.bin", .signature = "", .notes = "", .size = 3 };
	memset(out->sha256, 'a', 64);
	return RC_OK;
}

enum rc
service_package_read(struct service_client *c, const char *version, int64_t offset, struct buf *out, struct err *e)
{
	(void)c;
	fake_note("piece %s %d;", version, (int)offset);
	buf_adds(out, "abc");
	return fake_fails("piece", e);
}

enum rc
service_feedback_put(struct service_client *c, const struct engine_session *s, const struct service_feedback *in, const void *data, size_t n,
    char id[SERVICE_FEEDBACK_ID], struct err *e)
{
	(void)c;
	(void)s;
	fake_note("feedback %s %s %s %.*s;", in->type, in->version, in->comment, (int)n, (const char *)data);
	(void)snprintf(id, SERVICE_FEEDBACK_ID, "1795343426456-00112233-44556677");
	return fake_fails("feedback", e);
}
