/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Login, cookies, the checks of a session, logout.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

static void
random_hex(char out[33])
{
	int i;

	for (i = 0; i < 4; i++)
		(void)snprintf(out + i * 8, 9, "%08x", g_random_int());
}

/* the suffix of the cookie names: depends on User-Agent and client */
static void
cookie_hash(char out[24], const char *kind, const char *ua, const char *client)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_MD5);
	guint8 md[16];
	gsize n = sizeof(md), i, k = 0;
	gchar *b;

	g_checksum_update(sum, (const guchar *)kind, -1);
	g_checksum_update(sum, (const guchar *)(ua ? ua : ""), -1);
	g_checksum_update(sum, (const guchar *)client, -1);
	g_checksum_get_digest(sum, md, &n);
	b = g_base64_encode(md, n);
	for (i = 0; b[i] != '\0' && k < 23; i++)
		if (g_ascii_isalnum(b[i]))
			out[k++] = b[i];
	out[k] = '\0';
	g_free(b);
	g_checksum_free(sum);
}

/* copies the value of one cookie; false when it was not sent */
static bool
cookie_get(const struct req *r, const char *name, char *out, size_t cap)
{
	const char *p = r->cookie;
	size_t n = strlen(name);

	while (p != NULL && *p != '\0') {
		while (*p == ' ' || *p == ';')
			p++;
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			size_t len = strcspn(p + n + 1, ";");

			if (len >= cap)
				return false;
			memcpy(out, p + n + 1, len);
			out[len] = '\0';
			return true;
		}
		p = strchr(p, ';');
	}
	return false;
}

static void
set_cookie(struct req *r, const char *name, const char *hash, const char *value)
{
	char *v = xprintf("%s%s=%s; %sPath=/; HttpOnly; SameSite=Lax", name, hash, value,
	    strcmp(value, "invalid") == 0 ? "Expires=Thu, 01-Jan-1970 00:00:10 GMT; " : "");

	add_header(r, "Set-Cookie", v);
	free(v);
}

static void
set_session_cookies(struct req *r, const struct session *s, bool gone)
{
	if (gone)
		set_cookie(r, "open-xchange-session-", s->hash, "invalid");
	set_cookie(r, "open-xchange-secret-", s->hash, gone ? "invalid" : s->secret);
	set_cookie(r, "open-xchange-public-session-", s->alt_hash, gone ? "invalid" : s->alt);
	if (gone)
		add_header(r, "Set-Cookie", "JSESSIONID=invalid; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/; "
		    "HttpOnly; SameSite=Lax");
}

/* a request without the routing cookie gets one */
static void
set_jsession(struct req *r)
{
	char old[80], *v;

	if (cookie_get(r, "JSESSIONID", old, sizeof(old)))
		return;
	v = xprintf("JSESSIONID=%u%u.OX0; Path=/; HttpOnly; SameSite=Lax", g_random_int(),
	    g_random_int());
	add_header(r, "Set-Cookie", v);
	free(v);
}

void
session_kill(struct session *s)
{
	g_hash_table_remove(S.session, s->id);
	g_hash_table_remove(S.session_alt, s->alt);
	free(s->client);
	free(s->ua);
	free(s->ip);
	free(s->auth);
	free(s->jsid);
	free(s);
}

/* His password was changed. */
void
sessions_of_end(const struct user *u, const struct session *keep)
{
	GHashTableIter it;
	struct session *found;
	gpointer v;

	do {
		found = NULL;
		g_hash_table_iter_init(&it, S.session);
		while (found == NULL && g_hash_table_iter_next(&it, NULL, &v))
			if (((struct session *)v)->u == u && v != keep)
				found = v;
		if (found != NULL)
			session_kill(found);
	} while (found != NULL);
}

void
sessions_forget(void)
{
	GHashTableIter it;
	gpointer v;

	if (S.session == NULL)
		return;
	for (;;) {
		g_hash_table_iter_init(&it, S.session);
		if (!g_hash_table_iter_next(&it, NULL, &v))
			break;
		session_kill(v);
	}
}

static bool
loopback(const char *ip)
{
	return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0 || strcmp(ip, "unix") == 0;
}

static const char *
client_ip(const struct req *r)
{
	return r->xff != NULL && *r->xff != '\0' ? r->xff : r->peer;
}

static void
expired(struct req *r, const char *sid)
{
	size_t i, n = strlen(sid);

	for (i = 0; i < n; i++)
		if (!g_ascii_isxdigit(sid[i]))
			break;
	fail(r, "SES-0203", json_pack("[s]", i < n || n != 32 ? "<invalid_sessionid>" : sid));
}

/* idle for its time to live, in elapsed time: a clock set by a test ends no session */
static bool
stale(const struct session *s)
{
	return S.session_ttl > 0 && g_get_monotonic_time() / 1000 - s->used > S.session_ttl;
}

bool
session_check(struct req *r)
{
	const char *sid = need(r, "session");
	struct session *s;
	char name[64], secret[40];

	if (sid == NULL)
		return false;
	s = S.session ? g_hash_table_lookup(S.session, sid) : NULL;
	if (s == NULL) {
		expired(r, sid);
		return false;
	}
	if (stale(s)) {
		expired(r, sid);
		session_kill(s);
		return false;
	}
	/* the cookie's name holds a hash of User-Agent and client: another User-Agent finds no cookie */
	(void)snprintf(name, sizeof(name), "open-xchange-secret-%s", s->hash);
	if (g_strcmp0(r->ua, s->ua) != 0 || !cookie_get(r, name, secret, sizeof(secret)) ||
	    strcmp(secret, s->secret) != 0) {
		expired(r, sid);
		return false;
	}
	if (!loopback(client_ip(r)) && strcmp(client_ip(r), s->ip) != 0) {
		expired(r, sid);
		set_session_cookies(r, s, true);
		session_kill(s);
		return false;
	}
	s->used = g_get_monotonic_time() / 1000;
	r->ses = s;
	r->u = s->u;
	r->c = s->c;
	return true;
}

/* image addresses carry no session parameter: the public session cookie stands in for it */
bool
session_public(struct req *r)
{
	const char *p = r->cookie ? strstr(r->cookie, "open-xchange-public-session-") : NULL;
	char alt[33];
	struct session *s;

	if (arg(r, "session") != NULL || p == NULL || (p = strchr(p, '=')) == NULL ||
	    strcspn(p + 1, ";") != 32)
		return session_check(r);
	memcpy(alt, p + 1, 32);
	alt[32] = '\0';
	s = S.session_alt ? g_hash_table_lookup(S.session_alt, alt) : NULL;
	if (s == NULL) {
		expired(r, alt);
		return false;
	}
	add_arg(r, "session", s->id);
	return session_check(r);
}

static struct user *
find_user(const char *name, const char *password)
{
	const char *at = strrchr(name, '@');
	size_t n = at ? (size_t)(at - name) : strlen(name);
	int i, k;

	for (i = 0; i < S.nctx; i++) {
		/* without a mapping the name belongs to the first context */
		if (at ? strcmp(at + 1, S.ctx[i]->name) != 0 : i > 0)
			continue;
		for (k = 0; k < S.ctx[i]->nuser; k++) {
			struct user *u = S.ctx[i]->user[k];

			if (strlen(u->login) == n && strncmp(u->login, name, n) == 0 &&
			    strcmp(u->password, password) == 0)
				return u;
		}
	}
	return NULL;
}

static struct session *
auth_in_use(const char *auth)
{
	GHashTableIter it;
	gpointer v;

	g_hash_table_iter_init(&it, S.session);
	while (g_hash_table_iter_next(&it, NULL, &v))
		if (strcmp(((struct session *)v)->auth, auth) == 0)
			return v;
	return NULL;
}

static void
form_args(struct req *r)
{
	gchar **kv, **p, *text;

	if (r->blen == 0)
		return;
	text = g_strndup(r->body, r->blen);
	kv = g_strsplit(text, "&", -1);
	for (p = kv; *p != NULL; p++) {
		char *eq = strchr(*p, '='), *k, *v;

		g_strdelimit(*p, "+", ' ');
		if (eq == NULL)
			continue;
		*eq = '\0';
		k = g_uri_unescape_string(*p, NULL);
		v = g_uri_unescape_string(eq + 1, NULL);
		if (k != NULL && v != NULL)
			add_arg(r, k, v);
		g_free(k);
		g_free(v);
	}
	g_strfreev(kv);
	g_free(text);
}

static void
modules_member(struct req *r)
{
	struct sb part = { 0 };
	struct req q = *r;
	struct sb *out = r->out;

	/* what config/modules answers */
	q.out = &part;
	q.arg = NULL;
	q.narg = q.carg = 0;
	q.hdr = NULL;
	q.nhdr = 0;
	q.err = q.warn = NULL;
	q.kind = RK_JSON;
	(void)snprintf(q.module, sizeof(q.module), "config");
	q.rest = "modules";
	q.action = "GET";
	dispatch(&q);
	sb_str(out, ",\"modules\":");
	/* {"data":X} -> X */
	if (!q.failed && part.len > 9)
		sb_put(out, part.p + 8, part.len - 9);
	else
		sb_str(out, "{}");
	sb_free(&part);
	json_decref(q.err);
}

/* as many as the recorded server lets one user have */
#define MAX_SESSIONS 100

static int
sessions_of(const struct user *u)
{
	GHashTableIter it;
	gpointer v;
	int n = 0;

	g_hash_table_iter_init(&it, S.session);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		const struct session *s = v;

		/* one that nobody used for its time to live is forgotten at its next use: it counts no more */
		n += s->u == u && !stale(s);
	}
	return n;
}

static void
do_login(struct req *r)
{
	const char *name, *pass, *client, *ip, *auth, *agent;
	struct user *u;
	struct session *s;

	if (arg(r, "password") != NULL) {
		fail(r, "SVL-0030", json_pack("[s]", "[password]"));
		return;
	}
	form_args(r);
	if ((name = need(r, "name")) == NULL || (pass = need(r, "password")) == NULL)
		return;
	client = arg(r, "client") ? arg(r, "client") : "default";
	auth = arg(r, "authId") ? arg(r, "authId") : "";
	if (r->ua != NULL && strcmp(client, r->ua) == 0) {
		fail(r, "LGI-0021", NULL);
		return;
	}
	if ((u = find_user(name, pass)) == NULL) {
		fail(r, "LGI-0006", NULL);
		return;
	}
	if (g_ascii_strcasecmp(client, "USM-JSON") == 0 && !u->olox20) {
		fail(r, "LGI-0014", json_pack("[s]", client));
		return;
	}
	if (*auth != '\0' && auth_in_use(auth) != NULL) {
		fail(r, "SES-0008", json_pack("[s,s]", auth_in_use(auth)->u->login, name));
		return;
	}
	if (sessions_of(u) >= MAX_SESSIONS) {
		fail(r, "SES-0007", json_pack("[i,i]", u->id, u->c->id));
		return;
	}
	s = xcalloc(1, sizeof(*s));
	random_hex(s->id);
	random_hex(s->secret);
	random_hex(s->alt);
	agent = arg(r, "clientUserAgent") ? arg(r, "clientUserAgent") : r->ua;
	cookie_hash(s->hash, "s", agent, client);
	cookie_hash(s->alt_hash, "p", agent, client);
	s->c = u->c;
	s->u = u;
	s->client = xstrdup(client);
	s->ua = xstrdup(agent);
	ip = arg(r, "clientIP");
	s->ip = xstrdup(ip && *ip ? ip : client_ip(r));
	s->auth = xstrdup(auth);
	s->used = g_get_monotonic_time() / 1000;
	g_hash_table_insert(S.session, s->id, s);
	g_hash_table_insert(S.session_alt, s->alt, s);
	user_first_login(u);
	set_session_cookies(r, s, false);
	set_cookie(r, "open-xchange-session-", s->hash, s->id);
	sb_printf(r->out, "{\"session\":\"%s\",\"user\":", s->id);
	sb_js(r->out, name);
	sb_printf(r->out, ",\"user_id\":%d,", u->id);
	if (!S.older)
		sb_printf(r->out, "\"context_id\":%d,", u->c->id);
	sb_str(r->out, "\"locale\":");
	sb_js(r->out, u->locale);
	if (arg_true(r, "modules")) {
		r->u = u;
		r->c = u->c;
		r->ses = s;
		modules_member(r);
	}
	sb_ch(r->out, '}');
}

static void
html_status(struct req *r, int status, const char *text)
{
	r->kind = RK_RAW;
	r->status = status;
	r->ctype = "text/html;charset=UTF-8";
	r->out->len = r->start;
	sb_printf(r->out, "<!DOCTYPE html><html><head><title>%d</title></head><body>%s</body></html>",
	    status, text);
}

static void
do_logout(struct req *r)
{
	const char *sid = arg(r, "session");
	struct session *s;
	char name[64], v[40];

	if (sid == NULL) {
		html_status(r, 400, "The session parameter is missing.");
		return;
	}
	s = g_hash_table_lookup(S.session, sid);
	if (s != NULL)
		(void)snprintf(name, sizeof(name), "open-xchange-secret-%s", s->hash);
	if (s == NULL || !cookie_get(r, name, v, sizeof(v)) || strcmp(v, s->secret) != 0) {
		set_jsession(r);
		html_status(r, 403, "Not your session.");
		return;
	}
	set_session_cookies(r, s, true);
	session_kill(s);
	r->kind = RK_RAW;
	r->out->len = r->start;
	r->ctype = "application/json;charset=UTF-8";
}

void
act_login(struct req *r)
{
	const char *a = arg(r, "action");

	r->kind = RK_FLAT;
	r->start = r->mark = r->out->len;
	if (a == NULL) {
		set_jsession(r);
		fail(r, "SVL-0002", json_pack("[s]", "action"));
	} else if (strcmp(a, "login") == 0) {
		set_jsession(r);
		do_login(r);
	} else if (strcmp(a, "logout") == 0) {
		do_logout(r);
	} else if (strcmp(a, "refreshSecret") == 0) {
		if (session_check(r)) {
			set_session_cookies(r, r->ses, false);
			sb_str(r->out, "{\"data\":\"1\"}");
		}
	} else if (strcmp(a, "store") == 0) {
		if (session_check(r)) {
			r->kind = RK_RAW;
			r->ctype = "application/json;charset=UTF-8";
		}
	} else if (strcmp(a, "changeip") == 0) {
		if (session_check(r) && need(r, "clientIP") != NULL) {
			free(r->ses->ip);
			r->ses->ip = xstrdup(arg(r, "clientIP"));
			sb_str(r->out, "{\"data\":\"1\"}");
		}
	} else {
		set_jsession(r);
		fail(r, "SVL-0001", NULL);
	}
}
