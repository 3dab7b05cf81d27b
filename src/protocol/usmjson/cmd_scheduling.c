/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* getFreeBusy, analyzeInvitation, applyInvitation: JSON on one side, the scheduling of service on the other. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
#define TIME_LAST (INT64_C(2932897) * DAY_MS) /* the end of 9999 */
#define ENTITY_MAX INT32_MAX
#define TEXT_MAX 320                          /* octets of a mail address or name */
#define MESSAGE_MAX 16384

static const char *const itip_methods[ITIP_METHODS] = { "none", "request", "reply", "cancel", "counter", "declinecounter", "refresh", "add", "publish" };
static const char *const itip_actions[ITIP_ACTIONS] = { "accept", "tentative", "decline", "create", "update", "remove", "reply", "addParticipant",
	"acceptProposal", "declineProposal" };

/* ---- getFreeBusy: the request ---- */

static enum rc
read_who(struct rd *r, const json_t *j, struct service_who *out)
{
	enum { USER, GROUP, RESOURCE, MAIL, NAME, N };
	static const struct rd_member m[N] = {
		[USER] = { "user", RD_INT, 0, 0, ENTITY_MAX },
		[GROUP] = { "group", RD_INT, 0, 0, ENTITY_MAX },
		[RESOURCE] = { "resource", RD_INT, 0, 0, ENTITY_MAX },
		[MAIL] = { "mail", RD_STRING, 0, 3, TEXT_MAX },
		[NAME] = { "name", RD_STRING, 0, 1, TEXT_MAX },
	};
	static const enum ox_party_kind kinds[] = { [USER] = OX_USER, [GROUP] = OX_GROUP, [RESOURCE] = OX_RESOURCE };
	size_t given = 0;
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, N, v);

	for (size_t i = 0; rc == RC_OK && i < N; i++)
		given += v[i] != NULL;
	if (rc == RC_OK && given != 1)
		rc = rd_fail(r, RC_PROTO, "must have one of user, group, resource, mail and name");
	if (rc != RC_OK)
		return rc;
	memset(out, 0, sizeof(*out));
	for (size_t i = USER; i <= RESOURCE; i++)
		if (v[i] != NULL)
			*out = (struct service_who){ .kind = kinds[i], .id = json_integer_value(v[i]) };
	out->mail = json_string_value(v[MAIL]);
	out->name = json_string_value(v[NAME]);
	if (out->mail != NULL && strchr(out->mail, '@') == NULL)
		return rd_fail_at(r, "mail", RC_PROTO, "must be a mail address");
	return RC_OK;
}

static enum rc
read_exclude(struct rd *r, const json_t *j, struct service_busy_request *out)
{
	enum { FOLDER, OBJECT, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[OBJECT] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
	};
	size_t mark = rd_enter(r, "exclude");
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, N, v);

	if (rc != RC_OK)
		return rc;
	rd_leave(r, mark);
	out->has_exclude = true;
	rd_uuid(v[FOLDER], &out->exclude_folder);
	rd_uuid(v[OBJECT], &out->exclude);
	return RC_OK;
}

static enum rc
read_busy(struct rd *r, struct service_busy_request *out)
{
	enum { WHO, FROM, TO, EXCLUDE, DETAILS, N };
	static const struct rd_member m[N] = {
		[WHO] = { "who", RD_ARRAY, RD_REQUIRED, 1, SERVICE_BUSY_WHO },
		[FROM] = { "from", RD_INT, RD_REQUIRED, 0, TIME_LAST },
		[TO] = { "to", RD_INT, RD_REQUIRED, 0, TIME_LAST },
		[EXCLUDE] = { "exclude", RD_OBJECT, RD_NULL, 0, 0 },
		[DETAILS] = { "details", RD_BOOL, 0, 0, 0 },
	};
	struct service_who *who;
	json_t *v[N], *one;
	size_t i;
	enum rc rc = rd_object(r, r->c->body, m, N, v);

	memset(out, 0, sizeof(*out));
	if (rc != RC_OK)
		return rc;
	out->from = json_integer_value(v[FROM]);
	out->to = json_integer_value(v[TO]);
	out->details = json_is_true(v[DETAILS]);
	if (out->to <= out->from)
		return rd_fail_at(r, "to", RC_PROTO, "must be after from");
	if (out->to - out->from > SERVICE_BUSY_DAYS * DAY_MS)
		return rd_fail_at(r, "to", RC_LIMIT, "must be at most %d days after from", SERVICE_BUSY_DAYS);
	who = arena_array(r->c->arena, struct service_who, json_array_size(v[WHO]));
	if (who == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	json_array_foreach(v[WHO], i, one) {
		size_t mark = rd_enter(r, "who"), at = rd_enter_index(r, i);

		rc = read_who(r, one, &who[i]);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, at);
		rd_leave(r, mark);
	}
	out->who = who;
	out->n = json_array_size(v[WHO]);
	return v[EXCLUDE] != NULL ? read_exclude(r, v[EXCLUDE], out) : RC_OK;
}

/* ---- getFreeBusy: the answer ---- */

static const char *const shown_words[] = { [OX_SHOWN_FREE] = "free", [OX_SHOWN_TENTATIVE] = "tentative", [OX_SHOWN_BUSY] = "busy", [OX_SHOWN_ABSENT] = "absent" };

static void
write_text(struct buf *b, const char *key, const char *s)
{
	if (s == NULL || s[0] == '\0')
		return;
	js_key(b, key);
	js_str(b, s);
}

static void
write_times(struct buf *b, const char *key, const struct ox_busy *v, size_t n)
{
	js_key(b, key);
	buf_addc(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(b, ',');
		buf_addc(b, '{');
		js_key(b, "start");
		buf_add_i64(b, v[i].from);
		js_key(b, "end");
		buf_add_i64(b, v[i].to);
		js_key(b, "shown");
		js_str(b, shown_words[v[i].shown]);
		if (v[i].full) {
			js_key(b, "full_time");
			buf_adds(b, "true");
		}
		write_text(b, "title", v[i].title);
		write_text(b, "location", v[i].location);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void
write_problem(struct buf *b, const struct service_busy *x)
{
	static const char *const codes[] = { [BUSY_UNKNOWN] = "unknown", [BUSY_AMBIGUOUS] = "ambiguous", [BUSY_NO_DATA] = "no-data", [BUSY_FAILED] = "failed" };

	js_key(b, "error");
	buf_addc(b, '{');
	js_key(b, "code");
	js_str(b, codes[x->problem]);
	js_key(b, "message");
	js_str(b, x->why);
	buf_addc(b, '}');
}

static void
write_person(struct buf *b, const struct service_busy *x, bool details)
{
	static const char *const kinds[] = { [0] = "unknown", [OX_USER] = "user", [OX_GROUP] = "group", [OX_RESOURCE] = "resource", [OX_OUTSIDE] = "external" };

	js_key(b, "type");
	js_str(b, kinds[x->kind]);
	if (x->kind != 0 && x->kind != OX_OUTSIDE) {
		js_key(b, "entity");
		buf_add_i64(b, x->id);
	}
	write_text(b, "name", x->name);
	write_text(b, "mail", x->mail);
	if (x->problem != BUSY_KNOWN) {
		write_problem(b, x);
	} else if (x->kind != OX_GROUP) {
		write_times(b, "busy", x->taken, x->n_taken);
		if (details)
			write_times(b, "appointments", x->item, x->n_items);
	}
}

static void
write_busy(struct buf *b, const struct service_busy *x, bool details)
{
	buf_addc(b, '{');
	write_person(b, x, details);
	if (x->kind == OX_GROUP && x->problem == BUSY_KNOWN) {
		js_key(b, "members");
		buf_addc(b, '[');
		for (size_t i = 0; i < x->n_members; i++) {
			buf_adds(b, i > 0 ? ",{" : "{");
			write_person(b, &x->member[i], details);
			buf_addc(b, '}');
		}
		buf_addc(b, ']');
	}
	buf_addc(b, '}');
}

enum rc
cmd_get_free_busy(struct call *c)
{
	struct service_busy_request req;
	struct service_busy *out;
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = read_busy(&r, &req);
	if (rc == RC_OK)
		rc = service_busy_get(c->session, c->arena, &req, &out, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "attendees");
	buf_addc(&c->out, '[');
	for (size_t i = 0; i < req.n; i++) {
		if (i > 0)
			buf_addc(&c->out, ',');
		write_busy(&c->out, &out[i], req.details);
	}
	buf_adds(&c->out, "]}");
	return RC_OK;
}

/* ---- invitations that came as mail ---- */

static void
write_actions(struct buf *b, const bool can[ITIP_ACTIONS])
{
	bool any = false;

	js_key(b, "actions");
	buf_addc(b, '[');
	for (int i = 0; i < ITIP_ACTIONS; i++)
		if (can[i]) {
			if (any)
				buf_addc(b, ',');
			js_str(b, itip_actions[i]);
			any = true;
		}
	buf_addc(b, ']');
}

static void
write_place(struct buf *b, const struct engine_touched *t)
{
	js_key(b, "folder");
	js_uuid(b, &t->folder);
	js_key(b, "uuid");
	js_uuid(b, &t->uuid);
}

static void
write_object(struct buf *b, const char *key, const json_t *o)
{
	if (o == NULL)
		return;
	js_key(b, key);
	json_text(b, o);
}

static void
write_change(struct buf *b, const struct ox_itip_change *c, const struct engine_touched *at)
{
	buf_addc(b, '{');
	js_key(b, "type");
	js_str(b, c->type);
	if (at->known)
		write_place(b, at);
	write_object(b, "appointment", c->then);
	write_object(b, "stored", c->now);
	write_object(b, "conflicts", c->conflicts);
	buf_addc(b, '}');
}

static void
write_invitation(struct buf *b, const struct service_invitation *x)
{
	buf_addc(b, '{');
	js_key(b, "method");
	js_str(b, itip_methods[x->method]);
	js_key(b, "part");
	js_str(b, x->part);
	write_text(b, "uid", x->x.uid);
	write_actions(b, x->can);
	js_key(b, "collides");
	buf_adds(b, x->collides ? "true" : "false");
	js_key(b, "messages");
	buf_addc(b, '[');
	for (size_t i = 0; i < x->x.n_texts; i++) {
		if (i > 0)
			buf_addc(b, ',');
		js_str(b, x->x.text[i] != NULL ? x->x.text[i] : "");
	}
	buf_addc(b, ']');
	js_key(b, "changes");
	buf_addc(b, '[');
	for (size_t i = 0; i < x->x.n_changes; i++) {
		if (i > 0)
			buf_addc(b, ',');
		write_change(b, &x->x.change[i], &x->at[i]);
	}
	buf_adds(b, "]}");
}

enum rc
cmd_analyze_invitation(struct call *c)
{
	enum { FOLDER, OBJECT, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[OBJECT] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
	};
	struct service_invitation x;
	struct uuid folder, mail;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &folder);
	rd_uuid(v[OBJECT], &mail);
	rc = service_invitation_get(c->session, c->arena, &folder, &mail, &x, &c->err);
	if (rc == RC_OK)
		write_invitation(&c->out, &x);
	service_invitation_done(&x);
	return rc;
}

static bool
read_action(const char *word, enum service_itip_action *out)
{
	for (int i = 0; i < ITIP_ACTIONS; i++)
		if (strcmp(itip_actions[i], word) == 0) {
			*out = (enum service_itip_action)i;
			return true;
		}
	return false;
}

static enum rc
read_application(struct rd *r, struct service_invitation_request *out)
{
	enum { FOLDER, OBJECT, ACTION, MESSAGE, IGNORE, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[OBJECT] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
		[ACTION] = { "action", RD_STRING, RD_REQUIRED, 1, 32 },
		[MESSAGE] = { "message", RD_STRING, RD_NULL, 0, MESSAGE_MAX },
		[IGNORE] = { "ignoreConflicts", RD_BOOL, 0, 0, 0 },
	};
	json_t *v[N];
	enum rc rc = rd_object(r, r->c->body, m, N, v);

	memset(out, 0, sizeof(*out));
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &out->folder);
	rd_uuid(v[OBJECT], &out->mail);
	out->message = v[MESSAGE] != NULL ? json_string_value(v[MESSAGE]) : "";
	out->ignore_conflicts = json_is_true(v[IGNORE]);
	if (!read_action(json_string_value(v[ACTION]), &out->action))
		return rd_fail_at(r, "action", RC_PROTO, "must be \"accept\", \"tentative\", \"decline\", \"create\", \"update\", \"remove\", \"reply\", \"addParticipant\", "
		    "\"acceptProposal\" or \"declineProposal\"");
	return RC_OK;
}

enum rc
cmd_apply_invitation(struct call *c)
{
	struct service_invitation_request req;
	struct service_invitation_answer out;
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = read_application(&r, &req);
	if (rc == RC_OK)
		rc = service_invitation_apply(c->session, c->arena, &req, &out, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "changed");
	buf_adds(&c->out, out.changed ? "true" : "false");
	js_key(&c->out, "appointments");
	buf_addc(&c->out, '[');
	for (size_t i = 0; i < out.n; i++) {
		buf_adds(&c->out, i > 0 ? ",{" : "{");
		write_place(&c->out, &out.v[i]);
		buf_addc(&c->out, '}');
	}
	buf_adds(&c->out, "]}");
	return RC_OK;
}
