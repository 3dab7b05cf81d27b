/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The one table of status codes, and how a result code becomes one of them.  usm-json(7) is checked against it. */
#include "protocol/usmjson/usmjson_int.h"

#include <stdio.h>
#include <string.h>

static const struct status table[US_END] = {
	[US_OK] = { US_OK, "ok", 200, 0, false, "" },
	[US_BAD_REQUEST] = { US_BAD_REQUEST, "bad-request", 400, 0, false,
	    "Nothing was changed; correct the request and send it again." },
	[US_LOGIN_REQUIRED] = { US_LOGIN_REQUIRED, "login-required", 401, 0, false,
	    "Log in with user name and password, then send the request again." },
	[US_FORBIDDEN] = { US_FORBIDDEN, "forbidden", 403, 0, false,
	    "Do not repeat it; the owner of the folder or the administrator can grant the right." },
	[US_NOT_FOUND] = { US_NOT_FOUND, "not-found", 404, 0, false,
	    "Synchronize the folder that held it and look again." },
	[US_METHOD] = { US_METHOD, "method-not-allowed", 405, 0, false, "Send the request with POST." },
	[US_UNKNOWN_COMMAND] = { US_UNKNOWN_COMMAND, "unknown-command", 404, 0, false,
	    "serverInfo lists the commands of this server." },
	[US_RECONCILE] = { US_RECONCILE, "reconcile", 409, 0, false,
	    "Keep local changes, send reconcile with the known objects of the folder, then send the changes." },
	[US_OUTDATED] = { US_OUTDATED, "outdated-request", 409, 0, false,
	    "Ignore this answer; the newer request of this device counts." },
	[US_TOO_LARGE] = { US_TOO_LARGE, "too-large", 413, 0, false,
	    "Nothing was changed; send fewer or smaller objects in one request, see limits in serverInfo." },
	[US_LIMIT] = { US_LIMIT, "limit", 400, 0, false,
	    "Nothing was changed; stay within the limits in serverInfo and usm-json(7)." },
	[US_BUSY] = { US_BUSY, "busy", 503, 5, false, "Send the same request again after the time in retryAfter." },
	[US_THROTTLED] = { US_THROTTLED, "throttled", 429, 60, false,
	    "Wait for the time in retryAfter before the next attempt." },
	[US_UPSTREAM] = { US_UPSTREAM, "upstream", 502, 30, false,
	    "The groupware server failed; send the same request again later." },
	[US_UPSTREAM_TIMEOUT] = { US_UPSTREAM_TIMEOUT, "upstream-timeout", 504, 30, false,
	    "It is not known what the groupware server has done; send the same request again." },
	[US_INTERNAL] = { US_INTERNAL, "internal", 500, 0, true,
	    "An error inside the server; its log tells the administrator more. Try again later." },
	[US_MEDIA_TYPE] = { US_MEDIA_TYPE, "unsupported-media-type", 415, 0, false,
	    "Send the body as application/json in UTF-8." },
	[US_REPEATED] = { US_REPEATED, "repeated-create", 400, 0, false,
	    "Nothing was created; find out why this device creates the same object again and again." },
	[US_ABSENT] = { US_ABSENT, "not-available", 501, 0, false,
	    "This groupware server does not offer that, or not to this user; everything else works." },
};

const struct status *
status_get(enum usm_status s)
{
	return &table[s >= US_OK && s < US_END ? s : US_INTERNAL];
}

const struct status *
status_of_http(int http)
{
	for (int i = US_OK; i < US_END; i++)
		if (table[i].http == http)
			return &table[i];
	return &table[US_INTERNAL];
}

const struct status *
status_of(enum rc rc, const struct err *e)
{
	static const enum usm_status of_rc[RC_COUNT] = {
		[RC_OK] = US_OK, [RC_NOTFOUND] = US_NOT_FOUND, [RC_CONFLICT] = US_RECONCILE, [RC_BUSY] = US_BUSY,
		[RC_TIMEOUT] = US_UPSTREAM_TIMEOUT, [RC_UPSTREAM] = US_UPSTREAM, [RC_DENIED] = US_LOGIN_REQUIRED,
		[RC_FORBIDDEN] = US_FORBIDDEN, [RC_PROTO] = US_BAD_REQUEST, [RC_LIMIT] = US_LIMIT,
		[RC_NOMEM] = US_BUSY, [RC_INTERNAL] = US_INTERNAL,
	};
	enum usm_status s = (unsigned)rc < RC_COUNT ? of_rc[rc] : US_INTERNAL;

	if (s == US_RECONCILE && strcmp(e->code, ENGINE_OUTDATED) == 0)
		s = US_OUTDATED;
	if (s == US_LIMIT && strcmp(e->code, ENGINE_REPEATED) == 0)
		s = US_REPEATED;
	if (s == US_UPSTREAM && strcmp(e->code, SERVICE_ABSENT) == 0)
		s = US_ABSENT;
	if (s == US_LIMIT && e->retry_after_s > 0)
		s = US_THROTTLED; /* a limit that time cures */
	return status_get(s);
}

static void
write_path(struct buf *b, const char *where, const char *path)
{
	char text[sizeof(((struct err *)0)->path) + 64];

	(void)snprintf(text, sizeof(text), "%s%s%s", where, where[0] != '\0' && path[0] != '\0' ? "." : "", path);
	js_key(b, "path");
	js_str(b, text);
}

/* OX's text is in the user's language already: a second sentence in English would not help.  What is said of a field's value is for
 * who typed it, and says what to do.  A text in lower case says what is wrong with the member that the path names.  A text that ends with a
 * full stop has said what to do. */
static void
message(const struct status *s, const struct err *e, bool ox, char *out, size_t size)
{
	bool member = e->path[0] != '\0' && e->text[0] >= 'a' && e->text[0] <= 'z';
	size_t n = strlen(e->text);

	if (s->hide || n == 0)
		(void)snprintf(out, size, "%s", s->advice);
	else if (ox)
		(void)snprintf(out, size, "%s", e->text);
	else if (e->field[0] != '\0' || e->text[n - 1] == '.')
		(void)snprintf(out, size, "%s%s", e->text, e->text[n - 1] == '.' ? "" : ".");
	else
		(void)snprintf(out, size, "%s%s%s. %s", member ? e->path : "", member ? " " : "", e->text, s->advice);
}

void
status_write_error(struct buf *b, const struct status *s, const struct err *e, const char *where, const json_t *conflicts)
{
	bool ours = strcmp(e->code, ENGINE_OUTDATED) == 0 || strcmp(e->code, ENGINE_REPEATED) == 0 || strcmp(e->code, SERVICE_ABSENT) == 0;
	bool ox = e->code[0] != '\0' && !ours;
	char text[3 * sizeof(e->text)];
	int wait_s = e->retry_after_s > 0 ? e->retry_after_s : s->retry_after_s;

	message(s, e, ox, text, sizeof(text));
	buf_addc(b, '{');
	js_key(b, "code");
	js_str(b, s->name);
	js_key(b, "message");
	js_str(b, text);
	js_key(b, "details");
	buf_addc(b, '{');
	if (where[0] != '\0' || (e->path[0] != '\0' && !s->hide))
		write_path(b, where, s->hide ? "" : e->path);
	if (e->field[0] != '\0') {
		js_key(b, "field");
		js_str(b, e->field);
		js_key(b, "label");
		js_str(b, e->label);
	}
	if (e->max_length > 0) {
		js_key(b, "length");
		buf_add_i64(b, e->length);
		js_key(b, "maxLength");
		buf_add_i64(b, e->max_length);
	}
	if (ox) {
		js_key(b, "ox");
		js_str(b, e->code);
	}
	if (conflicts != NULL) {
		js_key(b, "conflicts");
		json_text(b, conflicts);
	}
	if (e->right != NULL) {
		js_key(b, "right");
		js_str(b, e->right);
	}
	if (wait_s > 0) {
		js_key(b, "retryAfter");
		buf_add_i64(b, wait_s);
	}
	buf_adds(b, "}}");
}
