/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The usm-json protocol: finds the command, checks method, content type and session, parses the body, and puts head
 * and tail around what the command answers.  What the commands do is in cmd_*.c and ping.c.
 */
#include "protocol/usmjson/usmjson_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MAX ((size_t)512 * 1024 * 1024)

static const struct command commands[] = {
	{ "serverInfo", cmd_server_info, false, "POST" },
	{ "login", cmd_login, false, "POST" },
	{ "logout", cmd_logout, true, "POST" },
	{ "getConfig", cmd_get_config, true, "POST" },
	{ "setConfig", cmd_set_config, true, "POST" },
	{ "syncInit", cmd_sync_init, true, "POST" },
	{ "syncUpdate", cmd_sync_update, true, "POST" },
	{ "syncEstimate", cmd_sync_estimate, true, "POST" },
	{ "reconcile", cmd_reconcile, true, "POST" },
	{ "ping", cmd_ping, true, "POST" },
	{ "events", cmd_events, true, "POST" },
	{ "getMail", cmd_get_mail, true, "POST" },
	{ "getMailBody", cmd_get_mail_body, true, "POST" },
	{ "getMailPart", cmd_get_mail_part, true, "POST" },
	{ "sendMail", cmd_send_mail, true, "POST" },
	{ "moveItems", cmd_move_items, true, "POST" },
	{ "copyItems", cmd_copy_items, true, "POST" },
	{ "respondToInvitation", cmd_respond_to_invitation, true, "POST" },
	{ "getFreeBusy", cmd_get_free_busy, true, "POST" },
	{ "analyzeInvitation", cmd_analyze_invitation, true, "POST" },
	{ "applyInvitation", cmd_apply_invitation, true, "POST" },
	{ "getPermissions", cmd_get_permissions, true, "POST" },
	{ "setPermissions", cmd_set_permissions, true, "POST" },
	{ "resolveRecipients", cmd_resolve_recipients, true, "POST" },
	{ "search", cmd_search, true, "POST" },
	{ "getRules", cmd_get_rules, true, "POST" },
	{ "setRule", cmd_set_rule, true, "POST" },
	{ "deleteRule", cmd_delete_rule, true, "POST" },
	{ "orderRules", cmd_order_rules, true, "POST" },
	{ "getVacation", cmd_get_vacation, true, "POST" },
	{ "setVacation", cmd_set_vacation, true, "POST" },
	{ "getSignatures", cmd_get_signatures, true, "POST" },
	{ "setSignature", cmd_set_signature, true, "POST" },
	{ "deleteSignature", cmd_delete_signature, true, "POST" },
	{ "getQuota", cmd_get_quota, true, "POST" },
	{ "getProfile", cmd_get_profile, true, "POST" },
	{ "setProfile", cmd_set_profile, true, "POST" },
	{ "changePassword", cmd_change_password, true, "POST" },
	{ "getClientVersion", cmd_get_client_version, true, "POST" },
	{ "getClientFile", cmd_get_client_file, true, "POST" },
	{ "sendFeedback", cmd_send_feedback, true, "POST" },
	{ "getPhoto", cmd_get_photo, true, "POST" },
	{ "getAttachments", cmd_get_attachments, true, "POST" },
	{ "getAttachment", cmd_get_attachment, true, "POST" },
	{ "addAttachment", cmd_add_attachment, true, "POST" },
	{ "deleteAttachment", cmd_delete_attachment, true, "POST" },
	{ "getConflicts", cmd_get_conflicts, true, "POST" },
	{ "restoreConflict", cmd_restore_conflict, true, "POST" },
	{ "dismissConflict", cmd_dismiss_conflict, true, "POST" },
};

const struct command *
command_table(size_t *n)
{
	*n = ARRAY_LEN(commands);
	return commands;
}

static const struct command *
command_find(const char *path)
{
	if (path[0] != '/')
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcasecmp(path + 1, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

/* ---- the answer ---- */

enum rc
call_init(struct call *c, struct usmjson *u, const struct request *req, struct reply *rep)
{
	memset(c, 0, sizeof(*c));
	c->u = u;
	c->req = req;
	c->rep = rep;
	buf_init(&c->out, ANSWER_MAX);
	buf_init(&c->raw, u->o.max_body_bytes);
	c->arena = arena_new(0);
	return c->arena != NULL ? RC_OK : err_set(&c->err, RC_NOMEM, "out of memory");
}

void
call_fini(struct call *c)
{
	engine_session_close(c->session);
	json_decref(c->body);
	buf_fini(&c->out);
	buf_fini(&c->raw);
	arena_free(c->arena);
}

static void
head(struct call *c, const struct status *s, const char *member)
{
	buf_reset(&c->out);
	buf_addf(&c->out, "{\"status\":%d,\"time\":", (int)s->number);
	buf_add_i64(&c->out, now_ms());
	buf_addf(&c->out, ",\"%s\":", member);
}

void
call_begin(struct call *c)
{
	head(c, status_get(US_OK), "data");
}

static void
finish(struct call *c, const struct status *s)
{
	struct reply *rep = c->rep;

	buf_addc(&c->out, '}');
	rep->status = s->http;
	rep->content_type = USMJSON_JSON;
	rep->body = buf_take(&c->out, &rep->body_len);
	if (rep->body == NULL)
		rep->status = status_get(US_INTERNAL)->http; /* no memory even for the error: the HTTP status says enough */
}

static void
reply_error(struct call *c, const struct status *s)
{
	c->rep->retry_after_s = c->err.retry_after_s > 0 ? c->err.retry_after_s : s->retry_after_s;
	head(c, s, "error");
	status_write_error(&c->out, s, &c->err, "", NULL);
	finish(c, s);
}

void
call_reply_ok(struct call *c)
{
	if (c->out.nomem) {
		(void)err_set(&c->err, RC_NOMEM, "out of memory for the answer");
		reply_error(c, status_get(US_BUSY));
		return;
	}
	if (c->out.failed) {
		(void)err_set(&c->err, RC_LIMIT, "The answer is too large; ask for fewer objects with limit");
		reply_error(c, status_get(US_LIMIT));
		return;
	}
	finish(c, status_get(US_OK));
}

enum rc
call_reply_octets(struct call *c, struct buf *out, const char *type)
{
	c->rep->body = out->len > 0 ? buf_take(out, &c->rep->body_len) : NULL;
	if (c->rep->body == NULL && out->len > 0)
		return err_set(&c->err, RC_NOMEM, "out of memory");
	(void)memccpy(c->rep->own_type, type, '\0', sizeof(c->rep->own_type) - 1);
	c->rep->status = 200;
	c->replied = true;
	return RC_OK;
}

void
call_reply_error(struct call *c, enum rc rc)
{
	const struct status *s = status_of(rc, &c->err);

	if (s->hide)
		log_error("request-failed", "path=%s rc=%s where=%s error=\"%s\"", c->req->path, rc_name(rc), c->err.path, c->err.text);
	metric_count(F_REQUEST_ERRORS, s->name, NULL);
	reply_error(c, s);
}

PRINTF_LIKE(3, 4) static void
call_reply_status(struct call *c, const struct status *s, const char *fmt, ...)
{
	char text[sizeof(c->err.text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(&c->err, RC_PROTO, "%s", text);
	metric_count(F_REQUEST_ERRORS, s->name, NULL);
	reply_error(c, s);
}

/* ---- the request ---- */

/* application/json, with no other charset than UTF-8: a form of a foreign web page cannot send this type */
static bool
content_type_ok(const char *t)
{
	static const char json[] = "application/json";
	const char *p = t + sizeof(json) - 1;

	if (strncasecmp(t, json, sizeof(json) - 1) != 0)
		return false;
	p += strspn(p, " \t");
	if (*p == '\0')
		return true;
	if (*p++ != ';')
		return false;
	p += strspn(p, " \t");
	if (strncasecmp(p, "charset=", 8) != 0)
		return true; /* parameters that we do not know change nothing */
	p += 8;
	p += *p == '"';
	return strncasecmp(p, "utf-8", 5) == 0;
}

static enum rc
open_session(struct call *c)
{
	if (c->req->token == NULL || c->req->token[0] == '\0')
		return err_set(&c->err, RC_DENIED, "This request carries no session token");
	return engine_session_open(c->u->engine, c->req->token, &c->session, &c->err);
}

static enum rc
run(struct call *c, const struct command *cmd)
{
	enum rc rc = RC_OK;

	/* the session first: the body of somebody unknown is not worth parsing */
	if (cmd->needs_session)
		rc = open_session(c);
	if (rc == RC_OK)
		rc = request_parse(&c->u->o, c->req->body, c->req->body_len, &c->body, &c->err);
	if (rc != RC_OK)
		return rc;
	call_begin(c);
	rc = cmd->run(c);
	/* this session changed the password at another node: what was refused with the old one, and therefore not done, is done with the new one */
	if (rc == RC_DENIED && cmd->needs_session && engine_session_renewed(c->session, c->req->token)) {
		buf_reset(&c->raw);
		memset(&c->err, 0, sizeof(c->err));
		call_begin(c);
		rc = cmd->run(c);
	}
	return rc;
}

static void
usmjson_handle(void *self, const struct request *req, struct reply *rep)
{
	struct usmjson *u = self;
	const struct command *cmd;
	struct call c;
	enum rc rc;

	if (req->parked != NULL) {
		if (((const struct parked *)req->parked)->kind == WATCH_EVENTS)
			events_resume(u, req, rep);
		else
			ping_resume(u, req, rep);
		return;
	}
	rc = call_init(&c, u, req, rep);
	if (rc != RC_OK) {
		call_reply_error(&c, rc);
		goto out;
	}
	cmd = command_find(req->path);
	log_ctx()->command = cmd != NULL ? cmd->name : NULL;
	if (cmd == NULL) {
		call_reply_status(&c, status_get(US_UNKNOWN_COMMAND), "There is no command %.80s", req->path);
	} else if (strcmp(req->method, cmd->method) != 0) {
		call_reply_status(&c, status_get(US_METHOD), "%s cannot be called with this method", cmd->name);
	} else if (!content_type_ok(req->content_type)) {
		call_reply_status(&c, status_get(US_MEDIA_TYPE), "%s", "");
	} else if (!origin_ok(req)) {
		metric_add(M_ORIGIN_REFUSED, 1);
		call_reply_status(&c, status_get(US_FORBIDDEN), "A page of another site sent this request");
	} else if (req->body_len > u->o.max_body_bytes) {
		call_reply_status(&c, status_get(US_TOO_LARGE), "The request is larger than %zu bytes", u->o.max_body_bytes);
	} else {
		rc = run(&c, cmd);
		if (rc != RC_OK)
			call_reply_error(&c, rc);
		else if (!c.replied)
			call_reply_ok(&c);
	}

out:
	call_fini(&c);
}

/* httpd answers without asking us: no body was read, nobody is known */
static void
usmjson_refuse(void *self, int http_status, const char *message, struct reply *rep)
{
	struct call c;

	memset(&c, 0, sizeof(c));
	c.u = self;
	c.rep = rep;
	buf_init(&c.out, 4096);
	(void)err_set(&c.err, RC_BUSY, "%s", message);
	reply_error(&c, status_of_http(http_status));
	buf_fini(&c.out);
}

/* Who is not known by a session sends little: a login has a name and a password. */
static size_t
usmjson_body_max(void *self, const char *path, const char *token, bool *stranger)
{
	const struct usmjson *u = self;
	const struct command *cmd = command_find(path);

	*stranger = token == NULL || !engine_session_known(u->engine, token);
	return cmd == NULL || !cmd->needs_session || token == NULL ? u->o.max_anonymous_bytes : SIZE_MAX;
}

/* What cannot be parsed within the limits is refused at the byte that exceeds them, and not when it has all come. */
static bool
usmjson_look(void *self, struct body_look *l, const char *p, size_t n, struct reply *rep)
{
	struct usmjson *u = self;
	const char *why = body_looked(l, p, n, u->o.max_depth, u->o.max_values);
	struct call c;

	if (why == NULL)
		return true;
	memset(&c, 0, sizeof(c));
	c.u = u;
	c.rep = rep;
	buf_init(&c.out, 4096);
	call_reply_status(&c, status_get(US_LIMIT), "The request %s", why);
	buf_fini(&c.out);
	return false;
}

void
reply_fini(struct reply *rep)
{
	mem_free(rep->body);
	memset(rep, 0, sizeof(*rep));
}

/* ---- the protocol ---- */

static void
defaults(struct usmjson_options *o)
{
	static const struct usmjson_options d = {
		.max_depth = 16, .max_values = 1000000, .max_objects = 1000, .max_pairs = 65535,
		.max_string_bytes = (size_t)8 * 1024 * 1024, .max_body_bytes = (size_t)64 * 1024 * 1024, .max_anonymous_bytes = 65536,
		.max_mail_bytes = (size_t)32 * 1024 * 1024, .max_attachment_bytes = (size_t)32 * 1024 * 1024, .max_attachments = 100, .default_limit = 50, .max_limit = 1000,
		.min_heartbeat_s = 10, .max_heartbeat_s = 3540, .max_ping_folders = 1000, .retry_spread_ms = 10000,
		.password_min_length = 8, .password_min_classes = 2, .max_feedback_bytes = (size_t)4 * 1024 * 1024,
	};
#define DEFAULT(m) o->m = o->m != 0 ? o->m : d.m
	DEFAULT(max_depth);
	DEFAULT(max_values);
	DEFAULT(max_objects);
	DEFAULT(max_pairs);
	DEFAULT(max_string_bytes);
	DEFAULT(max_body_bytes);
	DEFAULT(max_anonymous_bytes);
	DEFAULT(max_mail_bytes);
	DEFAULT(max_attachment_bytes);
	DEFAULT(max_attachments);
	DEFAULT(default_limit);
	DEFAULT(max_limit);
	DEFAULT(min_heartbeat_s);
	DEFAULT(max_heartbeat_s);
	DEFAULT(max_ping_folders);
	DEFAULT(retry_spread_ms);
	DEFAULT(password_min_length);
	DEFAULT(password_min_classes);
	DEFAULT(max_feedback_bytes);
#undef DEFAULT
	if (o->default_limit > o->max_limit)
		o->default_limit = o->max_limit;
	if (o->min_heartbeat_s > o->max_heartbeat_s)
		o->min_heartbeat_s = o->max_heartbeat_s;
}

enum rc
usmjson_new(struct engine *engine, const struct usmjson_options *options, struct protocol *out, struct err *e)
{
	struct usmjson *u = mem_alloc(sizeof(*u));

	memset(out, 0, sizeof(*out));
	if (u == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	u->engine = engine;
	u->o = *options;
	defaults(&u->o);
	*out = (struct protocol){ .base = USMJSON_BASE, .handle = usmjson_handle, .park_free = ping_park_free, .refuse = usmjson_refuse,
		.body_max = usmjson_body_max, .look = usmjson_look, .self = u };
	return RC_OK;
}

void
usmjson_reload(struct protocol *p, const struct usmjson_options *options)
{
	struct usmjson *u = p->self;

	u->o.max_depth = options->max_depth;
	u->o.max_values = options->max_values;
	u->o.max_objects = options->max_objects;
	u->o.max_string_bytes = options->max_string_bytes;
	u->o.max_ping_folders = options->max_ping_folders;
	u->o.default_limit = options->default_limit;
	u->o.max_limit = options->max_limit;
	u->o.min_heartbeat_s = options->min_heartbeat_s;
	u->o.max_heartbeat_s = options->max_heartbeat_s;
}

void
usmjson_free(struct protocol *p)
{
	mem_free(p->self);
	p->self = NULL;
}
