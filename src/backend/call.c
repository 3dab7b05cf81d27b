/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One call of OX's API: address, status code, envelope, what may be repeated.  The meaning of the data is the operations'.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_REQUEST ((size_t)64 * 1024 * 1024)
#define MAX_DIGEST ((size_t)256 * 1024)
#define RETRY_BUSY_S 5 /* when OX is busy and does not say for how long */

void
ox_req_init(struct ox_req *r, const char *module, const char *action)
{
	memset(r, 0, sizeof(*r));
	r->module = module;
	r->action = action;
	buf_init(&r->query, 64 * 1024);
	buf_init(&r->body, MAX_REQUEST);
}

void
ox_req_fini(struct ox_req *r)
{
	buf_fini(&r->query);
	buf_fini(&r->body);
}

void
ox_param(struct ox_req *r, const char *name, const char *value)
{
	buf_addc(&r->query, '&');
	buf_adds(&r->query, name);
	buf_addc(&r->query, '=');
	http_escape(&r->query, value);
}

void
ox_param_i64(struct ox_req *r, const char *name, int64_t value)
{
	buf_addf(&r->query, "&%s=%" PRId64, name, value);
}

void
ox_answer_fini(struct ox_answer *a)
{
	if (a->root != NULL)
		json_decref(a->root);
	memset(a, 0, sizeof(*a));
}

/* ---- envelopes ---- */

/* QUIRK(OX, 8.19): a task column that it does not know fails the whole request, and the number is the first of error_params. */
static void
learn_columns(const json_t *env, const char *code)
{
	int64_t column;

	if (strcmp(code, "TSK-0020") == 0 && json_id(json_array_get(json_object_get(env, "error_params"), 0), &column) && column < 100000)
		columns_forget(CT_TASK, (int)column);
}

/* A person reads the text in his language: OX made it so.  The path is "" when OX blames no field. */
static enum rc
complaint(const json_t *env, const struct content_type *t, bool write, struct err *e)
{
	const char *code = json_string_value(json_object_get(env, "code"));
	const char *text = json_string_value(json_object_get(env, "error"));
	int category = (int)json_integer_value(json_object_get(env, "category"));
	enum rc rc;

	if (code == NULL)
		code = "";
	learn_columns(env, code);
	rc = ox_classify(code, category, write);
	(void)err_set(e, rc, "%s", text != NULL && text[0] != '\0' ? text : code[0] != '\0' ? code : "OX answered with an error that it does not name");
	if (rc == RC_PROTO || rc == RC_LIMIT)
		ox_blame(t, env, e);
	if (e != NULL) {
		(void)snprintf(e->code, sizeof(e->code), "%s", code);
		e->category = category;
		if (strcmp(code, "SVL-0019") == 0)
			e->retry_after_s = RETRY_BUSY_S;
		mailfilter_words(env, e);
	}
	return rc;
}

/* QUIRK(OX, 7.6 up): a warning (category 13) is copied to where errors stand; with data it is a success. */
enum rc
ox_envelope(const json_t *env, const struct content_type *t, bool write, json_t **data, msec_t *ts, struct err *e)
{
	const json_t *stamp;

	*data = NULL;
	*ts = 0;
	if (!json_is_object(env))
		return err_set(e, write ? RC_TIMEOUT : RC_UPSTREAM, "OX answered no envelope");
	if (json_object_get(env, "error") != NULL &&
	    (json_integer_value(json_object_get(env, "category")) != 13 || json_object_get(env, "data") == NULL))
		return complaint(env, t, write, e);
	*data = json_object_get(env, "data");
	stamp = json_object_get(env, "timestamp");
	if (json_is_integer(stamp))
		*ts = json_integer_value(stamp);
	return RC_OK;
}

/* QUIRK(OX, all): uploads without plainJson answer HTML with a script that calls callback_x({envelope}). */
static void
unwrap_html(const char **p, size_t *n)
{
	const char *from = *n > 0 ? memchr(*p, '<', *n) : NULL, *q, *end;

	if (from != *p)
		return;
	end = *p + *n;
	for (q = *p; q + 1 < end && !(q[0] == '(' && q[1] == '{'); q++)
		;
	for (; end > q && !(end[-1] == ')' && end - q > 1 && end[-2] == '}'); end--)
		;
	if (q + 1 < end) {
		*p = q + 1;
		*n = (size_t)(end - 1 - (q + 1));
	}
}

static enum rc
nonsense(bool write, long status, const char *what, struct err *e)
{
	metric_add(M_OX_ERRORS, 1);
	if (write)
		return err_set(e, RC_TIMEOUT, "OX answered a write with %s (HTTP %ld): the outcome is unknown", what, status);
	return err_set(e, RC_UPSTREAM, "OX answered with %s (HTTP %ld): is the address of OX right?", what, status);
}

/* RC_OK = go on to the body.  BINARY: octets were asked for, and 404 says that there are none (ox-http-api.md 1.1). */
static enum rc
check_status(struct backend *b, const struct http *h, bool binary, struct err *e)
{
	int wait = h->retry_after_s;
	enum rc rc;

	if (h->status == 200)
		return RC_OK;
	if (h->status == 404 && binary)
		return err_set(e, RC_NOTFOUND, "OX has no such octets");
	metric_add(M_OX_ERRORS, 1);
	if (h->status == 429 || (h->status == 503 && wait > 0)) {
		if (wait == 0)
			wait = RETRY_BUSY_S;
		/* the limit is by address and User-Agent, so it is this daemon's: nobody asks again before it ends */
		if (h->status == 429)
			atomic_store(&b->blocked_until, now_mono_us() / 1000 + (int64_t)wait * 1000);
		rc = err_set(e, RC_UPSTREAM, "OX refuses requests for %d s (HTTP %ld): raise its limit for this daemon's address", wait, h->status);
		if (e != NULL)
			e->retry_after_s = wait;
		return rc;
	}
	if (h->status == 401)
		return err_set(e, RC_DENIED, "OX refuses the session (HTTP 401)");
	if (h->status >= 500)
		return nonsense(h->write, h->status, "an error page", e);
	if (h->status >= 300 && h->status < 400)
		return err_set(e, RC_UPSTREAM, "OX's server sends usmd elsewhere (HTTP %ld), where it does not go with a session: set ox_url to the address that answers itself, "
		    "with /ajax at its end", h->status);
	rc = err_set(e, RC_UPSTREAM, "OX answered HTTP %ld: is the address of OX right, with /ajax at its end?", h->status);
	if (e != NULL && h->status == 404)
		(void)snprintf(e->code, sizeof(e->code), "%s", NO_MODULE);
	return rc;
}

/* Of large answers (many changes) the same is not expected twice. */
static void
take_digest(const char *p, size_t n, struct ox_digest *d)
{
	d->set = n <= MAX_DIGEST;
	if (d->set)
		sha256(p, n, d->b);
}

static enum rc
read_answer(const struct http *h, const struct ox_req *r, struct ox_answer *a, struct err *e)
{
	const char *p = h->answer.p != NULL ? h->answer.p : "";
	size_t n = h->answer.len;
	json_error_t je;
	bool nomem;
	enum rc rc;

	if (r->raw != NULL && strncasecmp(h->type, "application/json", 16) != 0 && strncasecmp(h->type, "text/", 5) != 0) {
		buf_add(r->raw, p, n);
		return r->raw->failed ? err_set(e, RC_LIMIT, "it is larger than %zu octets", r->raw->max) : RC_OK;
	}
	if (r->digest != NULL)
		take_digest(p, n, r->digest);
	if (r->digest_only)
		return RC_OK;
	if (r->rows != NULL && rows_scan(p, n, r->rows, &a->ts))
		return RC_OK;
	unwrap_html(&p, &n);
	a->root = model_json_load(p, n, JSON_ALLOW_NUL, &je, &nomem);
	if (nomem && !r->write) /* of a write it is an answer that was not understood, as any other: its outcome is unknown */
		return err_set(e, RC_NOMEM, "out of memory for an answer of OX");
	if (a->root == NULL) /* the beginning of OX's own text, or a page of something between */
		return nonsense(r->write, h->status, n > 0 && (*p == '{' || *p == '[') ? "text that is no valid JSON" : "text that is no JSON", e);
	if (json_is_array(a->root)) { /* multiple */
		a->data = a->root;
		return RC_OK;
	}
	rc = ox_envelope(a->root, r->t, r->write, &a->data, &a->ts, e);
	if (rc == RC_PROTO && r->written != NULL)
		ox_blame_value(r->written, a->root, e);
	return rc;
}

enum rc
ox_exchange(struct backend *b, struct http *h, const struct ox_req *r, struct ox_answer *a, struct err *e)
{
	int64_t began = now_mono_us(), left = atomic_load(&b->blocked_until) - began / 1000;
	enum rc rc;

	memset(a, 0, sizeof(*a));
	if (left > 0 && left <= MAX_RETRY_AFTER_S * INT64_C(1000)) { /* more: somebody set the clock back */
		metric_count(F_REFUSED, "ox-limit", NULL);
		rc = err_set(e, RC_UPSTREAM, "OX asked not to be called for another %" PRId64 " s", (left + 999) / 1000);
		if (e != NULL)
			e->retry_after_s = (int)((left + 999) / 1000);
		return rc;
	}
	rc = http_do(b, h, e);
	if (rc == RC_OK)
		rc = check_status(b, h, r->raw != NULL, e);
	if (rc == RC_OK)
		rc = read_answer(h, r, a, e);
	metric_count(F_OX_CALLS, r->module, rc_name(rc));
	metric_time(F_OX_TIME, r->module, now_mono_us() - began);
	log_debug("ox", "module=%s action=%s ms=%.1f bytes=%zu rc=%s", r->module, r->action != NULL ? r->action : "-",
	    (double)(now_mono_us() - began) / 1000.0, h->answer.len, rc_name(rc));
	return rc;
}

/* ---- calls in a session ---- */

static enum rc
once(struct ox_session *s, struct ox_req *r, unsigned *gen, struct ox_answer *a, struct err *e)
{
	struct http h = { .content_type = "text/javascript; charset=UTF-8", .write = r->write, .multipart = r->multipart };
	struct ox_ticket ticket;
	struct buf url;
	enum rc rc;

	memset(a, 0, sizeof(*a));
	rc = session_ticket(s, &ticket, e);
	*gen = ticket.gen;
	if (rc != RC_OK)
		return rc;
	buf_init(&url, 128 * 1024);
	buf_init(&h.answer, s->b->o.max_answer_bytes);
	buf_init(&h.set_cookies, MAX_COOKIES * 2);
	buf_addf(&url, "%s/%s?session=%s", s->b->o.url, r->module, ticket.id);
	if (r->action != NULL)
		buf_addf(&url, "&action=%s", r->action);
	buf_add(&url, r->query.p != NULL ? r->query.p : "", r->query.len);
	if (r->has_body) {
		h.body = r->body.p != NULL ? r->body.p : "";
		h.body_len = r->body.len;
	}
	if (r->multipart) {
		h.form_field = r->has_body ? "json_0" : NULL;
		h.form_text = h.body;
		h.file_field = r->has_body ? "file_0" : "file";
		h.file_name = "file"; /* a name that no header has to quote; the right one is in json_0 where OX wants to know it */
		h.body = r->file;
		h.body_len = r->file_len;
		h.content_type = r->file_type;
	} else if (r->file != NULL) { /* QUIRK(OX, 8.19): a raw mail in a PUT is text/plain without charset; then its octets arrive as they are */
		h.body = r->file;
		h.body_len = r->file_len;
		h.content_type = "text/plain";
	}
	if (url.failed || r->query.failed || r->body.failed) {
		rc = err_set(e, RC_LIMIT, "the request to OX is too large");
	} else {
		h.url = url.p;
		h.cookies = ticket.cookies;
		rc = ox_exchange(s->b, &h, r, a, e);
		session_cookies(s, ticket.gen, &h.set_cookies);
	}
	secret_wipe(&ticket, sizeof(ticket));
	buf_fini(&url);
	buf_fini(&h.answer);
	buf_fini(&h.set_cookies);
	return rc;
}

static bool
session_lost(enum rc rc, const struct err *e)
{
	return rc != RC_OK && (strcmp(e->code, "SES-0203") == 0 || strcmp(e->code, "SES-0205") == 0 || strcmp(e->code, "SES-0206") == 0);
}

enum rc
ox_call(struct ox_session *s, struct ox_req *r, struct ox_answer *a, struct err *e)
{
	struct err local;
	unsigned gen;
	enum rc rc;

	if (e == NULL)
		e = &local;
	e->code[0] = '\0';
	rc = once(s, r, &gen, a, e);
	if (session_lost(rc, e)) {
		/* refused before anything was done, so a write may be repeated as well */
		ox_answer_fini(a);
		rc = session_revive(s, gen, e);
		if (rc == RC_TIMEOUT) /* the login's outcome is unknown; the request's is not: OX refused it */
			rc = e->rc = RC_UPSTREAM;
		if (rc != RC_OK)
			return rc;
		metric_add(M_OX_RETRIES, 1);
		e->code[0] = '\0';
		rc = once(s, r, &gen, a, e);
		if (session_lost(rc, e))
			rc = e->rc = RC_UPSTREAM;
	}
	/* QUIRK(OX, 8.19): the first mail request after a login may find its IMAP folder closed; the second does not */
	if (rc != RC_OK && !r->write && strcmp(e->code, "MSG-1003") == 0) {
		ox_answer_fini(a);
		if (r->raw != NULL)
			buf_reset(r->raw);
		metric_add(M_OX_RETRIES, 1);
		rc = once(s, r, &gen, a, e);
	}
	if (rc != RC_OK)
		ox_answer_fini(a);
	return rc;
}
