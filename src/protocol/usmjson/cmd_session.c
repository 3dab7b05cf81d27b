/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* login, logout and serverInfo. */
#include "protocol/usmjson/usmjson_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define USER_MAX 256
#define AGENT_MAX 64

/* The parsed copy goes back to the allocator: not with the password in it. */
void
wipe_string(json_t *j)
{
	if (json_is_string(j))
		secret_wipe((char *)(uintptr_t)json_string_value(j), json_string_length(j));
}

static void
write_server(struct buf *b)
{
	js_key(b, "server");
	buf_adds(b, "{\"name\":\"usmd\",\"version\":");
	js_str(b, USMD_VERSION);
	buf_addf(b, ",\"protocol\":%d}", USMJSON_PROTOCOL);
}

static void
write_default_folders(struct buf *b, const struct engine_login_answer *a)
{
	static const char *const names[CT_COUNT] = {
		[CT_CONTACT] = "contact", [CT_CALENDAR] = "appointment", [CT_TASK] = "task", [CT_MAIL] = "inbox",
	};
	static const struct uuid none;

	js_key(b, "defaultFolders");
	buf_addc(b, '{');
	for (int ct = 0; ct < CT_COUNT; ct++) {
		if (names[ct] == NULL || memcmp(&a->default_folder[ct], &none, sizeof(none)) == 0)
			continue;
		js_key(b, names[ct]);
		js_uuid(b, &a->default_folder[ct]);
	}
	buf_addc(b, '}');
}

static void
write_login(struct call *c, const struct engine_login_answer *a)
{
	struct buf *b = &c->out;
	int64_t left = a->expires - now_ms();

	buf_addc(b, '{');
	js_key(b, "token");
	js_str(b, a->token);
	js_key(b, "expires");
	buf_add_i64(b, a->expires);
	js_key(b, "user");
	buf_addf(b, "{\"contextId\":%" PRId64 ",\"userId\":%" PRId64 ",\"locale\":", a->user.context_id, a->user.user_id);
	js_str(b, a->user.locale);
	buf_addc(b, '}');
	write_default_folders(b, a);
	write_server(b);
	buf_addc(b, '}');
	(void)snprintf(c->rep->set_cookie, sizeof(c->rep->set_cookie),
	    "usm_session=%s; Path=" USMJSON_BASE "; HttpOnly; SameSite=Strict; Max-Age=%" PRId64 "%s", a->token,
	    left > 0 ? left / 1000 : 0, c->u->o.cookie_secure ? "; Secure" : "");
}

/* name and version of the client, as the user sees them in OX's list of active clients */
static enum rc
read_client(struct rd *r, const json_t *j, const char **agent)
{
	enum { NAME, VERSION, N };
	static const struct rd_member m[N] = {
		[NAME] = { "name", RD_STRING, RD_REQUIRED, 1, AGENT_MAX },
		[VERSION] = { "version", RD_STRING, 0, 1, AGENT_MAX },
	};
	size_t mark = rd_enter(r, "client");
	const char *p;
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, N, v);

	if (rc != RC_OK)
		return rc;
	rd_leave(r, mark);
	*agent = v[VERSION] == NULL ? json_string_value(v[NAME])
	                            : arena_printf(r->c->arena, "%s/%s", json_string_value(v[NAME]), json_string_value(v[VERSION]));
	if (*agent == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	for (p = *agent; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return rd_fail_at(r, "client", RC_PROTO, "must not hold control characters");
	return RC_OK;
}

enum rc
cmd_login(struct call *c)
{
	enum { USER, PASSWORD, DEVICE, CLIENT, PROTOCOL, N };
	static const struct rd_member m[N] = {
		[USER] = { "user", RD_STRING, RD_REQUIRED, 1, USER_MAX },
		[PASSWORD] = { "password", RD_STRING, RD_REQUIRED, 1, PASSWORD_MAX },
		[DEVICE] = { "device", RD_DEVICE, RD_REQUIRED, 0, 0 },
		[CLIENT] = { "client", RD_OBJECT, 0, 0, 0 },
		[PROTOCOL] = { "protocol", RD_INT, RD_REQUIRED, USMJSON_PROTOCOL, USMJSON_PROTOCOL },
	};
	struct engine_login in = { .user_agent = c->req->user_agent, .client_ip = c->req->client_ip };
	struct engine_login_answer a;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	memset(&a, 0, sizeof(a));
	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK && v[CLIENT] != NULL)
		rc = read_client(&r, v[CLIENT], &in.user_agent);
	if (rc != RC_OK)
		goto out;
	in.user = json_string_value(v[USER]);
	in.password = json_string_value(v[PASSWORD]);
	in.device = json_string_value(v[DEVICE]);
	rc = engine_login(c->u->engine, &in, &a, &c->err);
	if (rc == RC_LIMIT && c->err.retry_after_s <= 0 && c->err.path[0] == '\0')
		c->err.retry_after_s = status_get(US_THROTTLED)->retry_after_s;
	if (rc == RC_OK)
		write_login(c, &a);

out:
	wipe_string(json_object_get(c->body, "password"));
	secret_wipe(&a, sizeof(a));
	return rc;
}

enum rc
no_members(struct call *c)
{
	struct rd r;
	json_t *none[1];

	rd_init(&r, c);
	return rd_object(&r, c->body, NULL, 0, none);
}

enum rc
cmd_logout(struct call *c)
{
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = engine_logout(c->session, &c->err);
	if (rc != RC_OK)
		return rc;
	(void)snprintf(c->rep->set_cookie, sizeof(c->rep->set_cookie),
	    "usm_session=; Path=" USMJSON_BASE "; HttpOnly; SameSite=Strict; Max-Age=0%s", c->u->o.cookie_secure ? "; Secure" : "");
	buf_adds(&c->out, "{}");
	return RC_OK;
}

enum rc
cmd_server_info(struct call *c)
{
	const struct usmjson_options *o = &c->u->o;
	const struct service_package *announced = NULL;
	struct service_package package;
	const struct command *cmd;
	struct buf *b = &c->out;
	size_t n;
	enum rc rc = no_members(c);

	if (rc != RC_OK)
		return rc;
	if (service_package_get(o->client, c->arena, &package, &c->err) == RC_OK)
		announced = &package;
	memset(&c->err, 0, sizeof(c->err));
	cmd = command_table(&n);
	buf_adds(b, "{\"name\":\"usmd\",\"version\":");
	js_str(b, USMD_VERSION);
	buf_addf(b, ",\"protocol\":[%d],\"limits\":{", USMJSON_PROTOCOL);
	buf_addf(b, "\"maxBody\":%zu,\"maxObjects\":%zu,\"maxPairs\":%zu,\"maxString\":%zu,\"maxDepth\":%zu,\"maxMail\":%zu,"
	    "\"maxAttachment\":%zu,\"maxAttachments\":%zu,\"maxFeedback\":%zu,", o->max_body_bytes, o->max_objects, o->max_pairs, o->max_string_bytes, o->max_depth,
	    o->max_mail_bytes, o->max_attachment_bytes, o->max_attachments, o->max_feedback_bytes);
	buf_addf(b, "\"pageDefault\":%u,\"pageMax\":%u,\"heartbeatMin\":%u,\"heartbeatMax\":%u,\"maxPingFolders\":%zu},\"commands\":[",
	    o->default_limit, o->max_limit, o->min_heartbeat_s, o->max_heartbeat_s, o->max_ping_folders);
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			buf_addc(b, ',');
		js_str(b, cmd[i].name);
	}
	buf_addc(b, ']');
	if (announced != NULL) {
		js_key(b, "client");
		buf_addc(b, '{');
		write_package(b, announced);
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
	return RC_OK;
}
