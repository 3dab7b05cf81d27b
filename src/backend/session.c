/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * OX sessions: login, cookies, revival when OX dropped one, logout.  The password is kept sealed under a key that lives in this
 * process alone, and is opened only for the moment of a login.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#ifndef USMD_VERSION
#define USMD_VERSION "0"
#endif

/* ---- cookies: a jar of our own, since connections are shared by all sessions ---- */

/* Takes "name=..." out of the jar "a=b; c=d". */
static void
cookie_remove(struct buf *jar, const char *name, size_t n)
{
	struct buf left;
	const char *p = jar->len > 0 ? jar->p : "";

	buf_init(&left, jar->max);
	while (*p != '\0') {
		const char *end = strstr(p, "; ");
		size_t len = end != NULL ? (size_t)(end - p) : strlen(p);

		if (!(len > n && strncmp(p, name, n) == 0 && p[n] == '=')) {
			if (left.len > 0)
				buf_adds(&left, "; ");
			buf_add(&left, p, len);
		}
		p += len + (end != NULL ? 2 : 0);
	}
	buf_fini(jar);
	*jar = left;
}

static bool
says_expired(const char *attributes, size_t n)
{
	for (; n >= 9; attributes++, n--)
		if (strncasecmp(attributes, "Max-Age=0", 9) == 0)
			return true;
	return false;
}

static void
cookie_take(struct buf *jar, const char *line, size_t n)
{
	const char *eq, *end;
	size_t name_n, len;

	while (n > 0 && *line == ' ') {
		line++;
		n--;
	}
	eq = memchr(line, '=', n);
	if (eq == NULL || eq == line)
		return;
	end = memchr(line, ';', n);
	len = end != NULL ? (size_t)(end - line) : n;
	name_n = (size_t)(eq - line);
	if (name_n >= len)
		return;
	cookie_remove(jar, line, name_n);
	/* an emptied or expired cookie is a removed one */
	if (len == name_n + 1 || (end != NULL && says_expired(end, n - len)))
		return;
	if (jar->len + len + 3 >= MAX_COOKIES)
		return;
	if (jar->len > 0)
		buf_adds(jar, "; ");
	buf_add(jar, line, len);
}

static void
cookies_take(struct buf *jar, const struct buf *lines)
{
	const char *p = lines->len > 0 ? lines->p : "", *end = p + lines->len, *nl;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			break;
		cookie_take(jar, p, (size_t)(nl - p));
	}
}

void
session_cookies(struct ox_session *s, unsigned gen, const struct buf *lines)
{
	if (lines->len == 0)
		return;
	(void)pthread_mutex_lock(&s->lock);
	if (s->gen == gen && !s->ended)
		cookies_take(&s->cookies, lines);
	(void)pthread_mutex_unlock(&s->lock);
}

enum rc
session_ticket(struct ox_session *s, struct ox_ticket *t, struct err *e)
{
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&s->lock);
	t->gen = s->gen;
	if (s->ended || s->refused) {
		rc = err_set(e, RC_DENIED, "%s", s->ended ? "logged out" : "OX refuses the password: log in again");
	} else {
		(void)snprintf(t->id, sizeof(t->id), "%s", s->id);
		(void)snprintf(t->cookies, sizeof(t->cookies), "%s", s->cookies.len > 0 ? s->cookies.p : "");
	}
	(void)pthread_mutex_unlock(&s->lock);
	return rc;
}

enum rc
ox_session_check(struct ox_session *s, struct err *e)
{
	struct ox_ticket t;
	enum rc rc = session_ticket(s, &t, e);

	secret_wipe(&t, sizeof(t));
	return rc;
}

/* ---- login ---- */

static void
form_add(struct buf *b, const char *name, const char *value)
{
	if (b->len > 0)
		buf_addc(b, '&');
	buf_adds(b, name);
	buf_addc(b, '=');
	http_escape(b, value);
}

/*
 * QUIRK(OX, 8.19): a clientUserAgent that is not the User-Agent of all later requests makes the session void at once (SES-0203): the names of the
 * cookies are computed from it.  What the device calls itself is told by a header.
 */
static void
login_form(struct ox_session *s, const char *client, const char *password, struct buf *b)
{
	unsigned char random[16];
	char auth_id[33];

	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), auth_id); /* one a login, or OX says SES-0008 */
	form_add(b, "name", s->name);
	form_add(b, "password", password);
	form_add(b, "client", client);
	form_add(b, "version", USMD_VERSION);
	form_add(b, "authId", auth_id);
	if (s->b->o.client_ip[0] != '\0')
		form_add(b, "clientIP", s->b->o.client_ip);
}

/* The flat answer of a login and its cookies into S. */
static enum rc
login_take(struct ox_session *s, const json_t *root, const struct buf *set_cookies, struct err *e)
{
	const char *id = json_string_value(json_object_get(root, "session"));
	const char *locale = json_string_value(json_object_get(root, "locale"));

	if (id == NULL || strlen(id) >= sizeof(s->id) || id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")] != '\0')
		return err_set(e, RC_UPSTREAM, "OX accepted the login without naming a session");
	(void)pthread_mutex_lock(&s->lock);
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	buf_reset(&s->cookies);
	cookies_take(&s->cookies, set_cookies);
	s->gen++;
	pim_ops_reconsider(s->b);
	if (s->gen == 1) { /* later logins are of the same user, and others read him without the lock */
		s->user.user_id = json_integer_value(json_object_get(root, "user_id"));
		s->user.context_id = json_integer_value(json_object_get(root, "context_id"));
		if (locale != NULL)
			(void)snprintf(s->user.locale, sizeof(s->user.locale), "%s", locale);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return RC_OK;
}

static enum rc
login_as(struct ox_session *s, const char *client, const char *password, struct err *e)
{
	struct http h = { .content_type = "application/x-www-form-urlencoded", .post = true, .device_agent = s->device_agent };
	struct ox_answer a = { 0 };
	struct ox_req r;
	struct buf url, form;
	enum rc rc;

	ox_req_init(&r, "login", "login");
	buf_init(&url, 4096);
	buf_init(&form, 64 * 1024);
	buf_init(&h.answer, s->b->o.max_answer_bytes);
	buf_init(&h.set_cookies, MAX_COOKIES * 2);
	buf_addf(&url, "%s/login?action=login", s->b->o.url);
	login_form(s, client, password, &form);
	if (url.failed || form.failed) {
		rc = err_set(e, RC_PROTO, "name or password is too long");
	} else {
		h.url = url.p;
		h.body = form.p;
		h.body_len = form.len;
		rc = ox_exchange(s->b, &h, &r, &a, e);
		if (rc == RC_OK)
			rc = login_take(s, a.root, &h.set_cookies, e);
		/* whatever else the user did wrong with his name or password is a refused login as well */
		if (rc == RC_PROTO && e != NULL)
			rc = e->rc = RC_DENIED;
		metric_add(M_OX_LOGINS, 1);
	}
	if (form.p != NULL)
		secret_wipe(form.p, form.len);
	ox_answer_fini(&a);
	ox_req_fini(&r);
	buf_fini(&url);
	buf_fini(&form);
	buf_fini(&h.answer);
	buf_fini(&h.set_cookies);
	return rc;
}

/* With the client that OX accepts for this user: a user without the Outlook connector's permission may still sync as another. */
static enum rc
login(struct ox_session *s, const char *password, struct err *e)
{
	enum rc rc = login_as(s, s->client, password, e);

	if (rc == RC_FORBIDDEN && strcmp(e->code, "LGI-0014") == 0 && s->client == s->b->o.client && s->b->o.client_fallback[0] != '\0') {
		s->client = s->b->o.client_fallback;
		rc = login_as(s, s->client, password, e);
	}
	/* the answer to the first may have been lost and libcurl's repetition met its own authId */
	if (rc == RC_UPSTREAM && strcmp(e->code, "SES-0008") == 0)
		rc = login_as(s, s->client, password, e);
	return rc;
}

enum rc
session_revive(struct ox_session *s, unsigned gen, struct err *e)
{
	struct err local;
	struct buf pw;
	bool done;
	enum rc rc = RC_OK;

	if (e == NULL)
		e = &local;
	(void)pthread_mutex_lock(&s->login_lock);
	(void)pthread_mutex_lock(&s->lock);
	done = s->gen != gen || s->ended || s->refused; /* ended, refused: the next ticket says so */
	(void)pthread_mutex_unlock(&s->lock);
	if (!done) {
		buf_init(&pw, 4096);
		rc = secret_open(s->b->seal, "ox password", s->password.p, s->password.len, &pw);
		if (rc == RC_OK) {
			buf_addc(&pw, '\0');
			rc = login(s, pw.p, e);
		}
		if (pw.p != NULL)
			secret_wipe(pw.p, pw.cap);
		buf_fini(&pw);
		if (rc == RC_DENIED || rc == RC_FORBIDDEN) {
			(void)pthread_mutex_lock(&s->lock);
			s->refused = true;
			(void)pthread_mutex_unlock(&s->lock);
			rc = e->rc = RC_DENIED;
		}
		log_info("ox-relogin", "user=%" PRId64 " context=%" PRId64 " rc=%s", s->user.user_id, s->user.context_id, rc_name(rc));
	}
	(void)pthread_mutex_unlock(&s->login_lock);
	return rc;
}

/* ---- what login does not tell ---- */

static void
take_str(char *out, size_t size, const json_t *v)
{
	if (json_is_string(v) && json_string_length(v) < size)
		(void)snprintf(out, size, "%s", json_string_value(v));
	else if (json_is_integer(v))
		(void)snprintf(out, size, "%" PRId64, (int64_t)json_integer_value(v));
}

/*
 * Ids and default folders in one request.  Mail that is down or not allowed leaves its folders unknown; without
 * the ids of context and user nothing can be told apart, so those must come.
 */
static enum rc
load_user(struct ox_session *s, struct err *e)
{
	static const char body[] = "[{\"module\":\"config/folder\",\"action\":\"GET\"},{\"module\":\"config/mail/folder\",\"action\":\"GET\"},"
	                           "{\"module\":\"config/context_id\",\"action\":\"GET\"},{\"module\":\"config/identifier\",\"action\":\"GET\"}]";
	struct ox_user *u = &s->user;
	struct ox_answer a;
	struct ox_req r;
	json_t *d;
	msec_t ts;
	enum rc rc;

	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	buf_adds(&r.body, body);
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc != RC_OK)
		return rc;
	if (ox_envelope(json_array_get(a.data, 0), NULL, false, &d, &ts, NULL) == RC_OK) {
		take_str(u->default_folder[CT_CONTACT], sizeof(u->default_folder[0]), json_object_get(d, "contacts"));
		take_str(u->default_folder[CT_CALENDAR], sizeof(u->default_folder[0]), json_object_get(d, "calendar"));
		take_str(u->default_folder[CT_TASK], sizeof(u->default_folder[0]), json_object_get(d, "tasks"));
	}
	if (ox_envelope(json_array_get(a.data, 1), NULL, false, &d, &ts, NULL) == RC_OK) {
		take_str(u->inbox, sizeof(u->inbox), json_object_get(d, "inbox"));
		take_str(u->trash, sizeof(u->trash), json_object_get(d, "trash"));
		take_str(u->drafts, sizeof(u->drafts), json_object_get(d, "drafts"));
		take_str(u->sent, sizeof(u->sent), json_object_get(d, "sent"));
		take_str(u->default_folder[CT_MAIL], sizeof(u->default_folder[0]), json_object_get(d, "inbox"));
	}
	if (ox_envelope(json_array_get(a.data, 2), NULL, false, &d, &ts, NULL) == RC_OK)
		(void)json_id(d, &u->context_id);
	if (ox_envelope(json_array_get(a.data, 3), NULL, false, &d, &ts, NULL) == RC_OK)
		(void)json_id(d, &u->user_id);
	ox_answer_fini(&a);
	if (u->context_id <= 0 || u->user_id <= 0)
		return err_set(e, RC_UPSTREAM, "OX does not tell context and user of the session");
	return RC_OK;
}

/* ---- life ---- */

static void
session_free(struct ox_session *s)
{
	buf_fini(&s->cookies);
	buf_fini(&s->password);
	mem_free(s->name);
	mem_free(s->device_agent);
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_mutex_destroy(&s->login_lock);
	secret_wipe(s->id, sizeof(s->id));
	mem_free(s);
}

enum rc
ox_login(struct backend *b, const char *name, const char *password, const char *device_agent, struct ox_session **out, struct err *e)
{
	struct ox_session *s = mem_alloc(sizeof(*s));
	struct err local;
	enum rc rc;

	*out = NULL;
	if (e == NULL)
		e = &local;
	if (s == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	s->b = b;
	atomic_init(&s->refs, 1);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_mutex_init(&s->login_lock, NULL);
	buf_init(&s->cookies, MAX_COOKIES);
	buf_init(&s->password, 8192);
	s->client = b->o.client;
	s->name = mem_dup_str(name);
	s->device_agent = mem_dup_str(device_agent != NULL ? device_agent : "");
	if (s->name == NULL || s->device_agent == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	else if (name[0] == '\0' || password[0] == '\0')
		rc = err_set(e, RC_DENIED, "name and password are needed");
	else if (secret_seal(b->seal, "ox password", password, strlen(password), &s->password) != RC_OK)
		rc = err_set(e, RC_LIMIT, "the password is too long");
	else
		rc = login(s, password, e);
	if (rc == RC_OK) {
		rc = load_user(s, e);
		if (rc != RC_OK)
			ox_session_end(s);
	}
	if (rc == RC_OK)
		*out = s;
	else
		session_free(s);
	return rc;
}

const struct ox_user *
ox_session_user(const struct ox_session *s)
{
	return &s->user;
}

struct ox_session *
ox_session_ref(struct ox_session *s)
{
	(void)atomic_fetch_add(&s->refs, 1);
	return s;
}

void
ox_session_unref(struct ox_session *s)
{
	if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1)
		session_free(s);
}

void
ox_session_end(struct ox_session *s)
{
	struct http h = { .write = false };
	struct ox_ticket t;
	struct buf url;
	struct err e;

	if (session_ticket(s, &t, &e) != RC_OK)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->ended = true;
	(void)pthread_mutex_unlock(&s->lock);
	buf_init(&url, 4096);
	buf_init(&h.answer, 64 * 1024);
	buf_init(&h.set_cookies, MAX_COOKIES * 2);
	buf_addf(&url, "%s/login?action=logout&session=%s", s->b->o.url, t.id);
	if (!url.failed) {
		h.url = url.p;
		h.cookies = t.cookies;
		if (http_do(s->b, &h, &e) != RC_OK) /* OX drops it by itself when it is idle */
			log_debug("ox-logout", "failed: %s", e.text);
	}
	secret_wipe(&t, sizeof(t));
	buf_fini(&url);
	buf_fini(&h.answer);
	buf_fini(&h.set_cookies);
}

enum rc
ox_session_password_set(struct ox_session *s, const char *password, struct err *e)
{
	struct buf sealed, old;

	buf_init(&sealed, 8192);
	if (secret_seal(s->b->seal, "ox password", password, strlen(password), &sealed) != RC_OK) {
		buf_fini(&sealed);
		return err_set(e, RC_LIMIT, "the password is too long");
	}
	(void)pthread_mutex_lock(&s->login_lock); /* who is just logging in does it with one of the two */
	(void)pthread_mutex_lock(&s->lock);
	old = s->password;
	s->password = sealed;
	s->refused = false;
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_mutex_unlock(&s->login_lock);
	buf_fini(&old);
	return RC_OK;
}

const char *
ox_session_name(const struct ox_session *s)
{
	return s->name;
}

bool
ox_session_password_is(struct ox_session *s, const char *password)
{
	unsigned char have[32], got[32];
	struct buf pw;
	bool same = false;

	enum rc rc;

	buf_init(&pw, 4096);
	(void)pthread_mutex_lock(&s->lock); /* it may be changed */
	rc = secret_open(s->b->seal, "ox password", s->password.p, s->password.len, &pw);
	(void)pthread_mutex_unlock(&s->lock);
	if (rc == RC_OK) {
		/* of equal length whatever the passwords are, so that time says nothing of either */
		hmac_sha256(s->b->seal, sizeof(s->b->seal), pw.p != NULL ? pw.p : "", pw.len, have);
		hmac_sha256(s->b->seal, sizeof(s->b->seal), password, strlen(password), got);
		same = secret_eq(have, got, sizeof(have));
	}
	if (pw.p != NULL)
		secret_wipe(pw.p, pw.cap);
	buf_fini(&pw);
	return same;
}
