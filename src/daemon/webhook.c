/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The path that OX's webhooks post to.  It lies below that of the clients, so that a proxy needs no further rule.  OX drops a user's
 * subscription for good when it hears 403, 404 or 405, and repeats nothing on any other answer: so none of these three is for
 * something that may be right again.
 */
#include "daemon/daemon_int.h"

#include <stdio.h>
#include <string.h>

#include "usmd/protocol.h"
#include "usmd/push.h"

struct webhook {
	struct push_hook *hook;
	struct webhook_options o; /* header is owned */
};

static void
answer(struct reply *rep, int status, const char *message)
{
	char text[160];

	rep->status = status;
	rep->content_type = "application/json";
	if (status == 200)
		(void)snprintf(text, sizeof(text), "{}\n");
	else
		(void)snprintf(text, sizeof(text), "{\"error\":{\"code\":%d,\"message\":\"%s\"}}\n", status, message);
	rep->body = mem_dup_str(text);
	rep->body_len = rep->body != NULL ? strlen(text) : 0;
}

static void
handle(void *self, const struct request *req, struct reply *rep)
{
	struct webhook *w = self;

	if (strcmp(req->method, "POST") != 0 || req->path[0] != '\0') {
		answer(rep, 404, "only OX posts here");
		return;
	}
	if (req->body_len > w->o.max_body) {
		answer(rep, 413, "longer than webhook_max_body");
		return;
	}
	switch (push_hook_take(w->hook, req->header != NULL ? req->header(req, w->o.header) : NULL, req->body, req->body_len)) {
	case PUSH_TAKEN:
		metric_add(M_HOOK_TAKEN, 1);
		answer(rep, 200, "");
		break;
	case PUSH_REPLAYED: /* what was done is done */
		metric_add(M_HOOK_REPLAYED, 1);
		answer(rep, 200, "");
		break;
	case PUSH_STALE:
		metric_add(M_HOOK_STALE, 1);
		log_warn("webhook", "client=%s text=refused: the signature's time is outside of webhook_window; do the clocks agree?", req->client_ip);
		answer(rep, 401, "the signature is of another time");
		break;
	case PUSH_MALFORMED:
		metric_add(M_HOOK_MALFORMED, 1);
		answer(rep, 400, "this is no event");
		break;
	case PUSH_FULL:
		metric_add(M_HOOK_FULL, 1);
		answer(rep, 503, "too many posts");
		break;
	default:
		metric_add(M_HOOK_UNSIGNED, 1);
		log_debug("webhook", "client=%s text=refused: not signed with the secret of webhook_secret_file", req->client_ip);
		answer(rep, 401, "not signed as it should be");
		break;
	}
}

static void
park_free(void *park_state)
{
	(void)park_state; /* it never waits */
}

static size_t
body_max(void *self, const char *path, const char *token, bool *stranger)
{
	const struct webhook *w = self;

	(void)path;
	(void)token;
	*stranger = true; /* until the signature is looked at */
	return w->o.max_body;
}

enum rc
webhook_new(struct push_hook *hook, const struct webhook_options *o, struct protocol *out, struct err *e)
{
	struct webhook *w = mem_alloc(sizeof(*w));

	if (w != NULL) {
		w->hook = hook;
		w->o = *o;
		w->o.header = mem_dup_str(o->header);
	}
	if (w == NULL || w->o.header == NULL) {
		mem_free(w);
		push_hook_free(hook);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	*out = (struct protocol){ .base = "/usm-json/webhook", .handle = handle, .park_free = park_free, .body_max = body_max, .self = w };
	return RC_OK;
}

void
webhook_free(struct protocol *p)
{
	struct webhook *w = p->self;

	push_hook_free(w->hook);
	mem_free((char *)(size_t)w->o.header);
	mem_free(w);
}
