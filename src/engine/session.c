/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Client sessions and the OX session behind them.  A token is 256 random bits that only the client holds: tables and cache
 * know its SHA-256.  The password is kept by the ox_session and, sealed under a key that needs the token, in the cache, so
 * that another node (or this one after a restart) can revive the OX session as long as the client comes back.
 */
#include "engine/engine_int.h"

#include <stdio.h>
#include <string.h>

#define AGENT_MAX 200
#define SESSIONS_OF_DEVICE 8 /* usm-json(7), login */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
token_format(const unsigned char raw[32], char out[TOKEN_TEXT])
{
	unsigned bits = 0, acc = 0;
	size_t n = 0;

	for (size_t i = 0; i < 32; i++) {
		acc = acc << 8 | raw[i];
		bits += 8;
		while (bits >= 6) {
			bits -= 6;
			out[n++] = base64url[acc >> bits & 63];
		}
	}
	out[n++] = base64url[acc << (6 - bits) & 63];
	out[n] = '\0';
}

static bool
token_valid(const char *t)
{
	return t != NULL && strlen(t) == TOKEN_TEXT - 1 && strspn(t, base64url) == TOKEN_TEXT - 1;
}

static size_t
session_bucket(const unsigned char hash[32])
{
	return ((size_t)hash[0] << 8 | hash[1]) % SESSION_BUCKETS;
}

/* ---- accounts of this node ---- */

static struct account *
account_find_locked(struct engine *g, int64_t context, int64_t user)
{
	struct account *a = g->account[(uint64_t)(context * 31 + user) % ACCOUNT_BUCKETS];

	while (a != NULL && (a->context != context || a->user != user))
		a = a->next;
	return a;
}

uint64_t
hierarchy_tag(const struct engine *g, int64_t context, int64_t user)
{
	char folder[48];
	const struct place p = { .context = context, .ct = CT_FOLDER, .folder = folder };

	(void)snprintf(folder, sizeof(folder), "hierarchy:%lld", (long long)user);
	return place_tag(g->keys, &p);
}

/*
 * Gives OX to the account (taking over the reference).  One of two sessions has to go: *DROP is released by the caller, and
 * ended at OX when it is not the one that the account keeps.  The account's own stays, unless PASSWORD (just verified) is another, or OX
 * refuses the account's.
 */
static struct account *
account_attach_locked(struct engine *g, struct ox_session *ox, const char *password, struct ox_session **drop)
{
	const struct ox_user *u = ox_session_user(ox);
	struct account *a = account_find_locked(g, u->context_id, u->user_id);
	size_t at;

	*drop = NULL;
	if (a == NULL) {
		a = mem_alloc(sizeof(*a));
		if (a == NULL) {
			*drop = ox;
			return NULL;
		}
		a->context = u->context_id;
		a->user = u->user_id;
		a->hier_tag = hierarchy_tag(g, a->context, a->user);
		at = (uint64_t)(a->context * 31 + a->user) % ACCOUNT_BUCKETS;
		a->next = g->account[at];
		g->account[at] = a;
	}
	if (a->ox == NULL) {
		a->ox = ox;
	} else if ((password != NULL && !ox_session_password_is(a->ox, password)) || ox_session_check(a->ox, NULL) != RC_OK) {
		*drop = a->ox;
		a->ox = ox;
	} else {
		*drop = ox;
	}
	return a;
}

static void
account_unlink_locked(struct engine *g, struct account *a)
{
	struct account **p = &g->account[(uint64_t)(a->context * 31 + a->user) % ACCOUNT_BUCKETS];

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
}

static struct ox_session *
account_ox(struct engine *g, struct account *a)
{
	struct ox_session *ox;

	(void)pthread_mutex_lock(&g->lock);
	ox = a->ox != NULL ? ox_session_ref(a->ox) : NULL;
	(void)pthread_mutex_unlock(&g->lock);
	return ox;
}

/* ---- sessions of this node ---- */

static struct node_session *
session_find_locked(struct engine *g, const unsigned char hash[32])
{
	struct node_session *n = g->session[session_bucket(hash)];

	while (n != NULL && !secret_eq(n->hash, hash, 32))
		n = n->next;
	return n;
}

/* Drops one reference; the last one frees N and, with the account's last session, the OX session in *END. */
static void
session_unref_locked(struct engine *g, struct node_session *n, struct ox_session **end)
{
	*end = NULL;
	if (--n->refs > 0)
		return;
	if (--n->account->sessions == 0) {
		*end = n->account->ox;
		account_unlink_locked(g, n->account);
		mem_free(n->account);
	}
	config_fini(&n->config);
	mem_free(n);
	metric_add(M_SESSIONS, -1);
}

static void
ox_end(struct ox_session *ox)
{
	if (ox == NULL)
		return;
	ox_session_end(ox);
	ox_session_unref(ox);
}

/* Takes N out of the table (its handles may live on). */
static void
session_remove(struct engine *g, struct node_session *n)
{
	struct node_session **p;
	struct ox_session *end = NULL;

	(void)pthread_mutex_lock(&g->lock);
	if (!n->dead) {
		n->dead = true;
		p = &g->session[session_bucket(n->hash)];
		while (*p != n)
			p = &(*p)->next;
		*p = n->next;
		session_unref_locked(g, n, &end);
	}
	(void)pthread_mutex_unlock(&g->lock);
	ox_end(end);
}

/* OX is taken over. On success *OUT carries a reference for the caller. */
static enum rc
session_add(struct engine *g, const unsigned char hash[32], const struct store_session *row, struct ox_session *ox, const char *password,
    struct node_session **out, struct err *e)
{
	struct node_session *n = mem_alloc(sizeof(*n)), *other;
	struct ox_session *drop = NULL;
	bool end = false;
	enum rc rc = RC_OK;

	*out = NULL;
	(void)pthread_mutex_lock(&g->lock);
	other = session_find_locked(g, hash);
	if (other != NULL) { /* another worker was faster */
		other->refs++;
		*out = other;
		drop = ox;
		end = ox != other->account->ox;
		mem_free(n);
		goto out;
	}
	if (n == NULL) {
		drop = ox;
		rc = err_set(e, RC_NOMEM, "out of memory for a session");
		goto out;
	}
	n->account = account_attach_locked(g, ox, password, &drop);
	end = n->account != NULL && drop != n->account->ox;
	if (n->account == NULL) {
		mem_free(n);
		rc = err_set(e, RC_NOMEM, "out of memory for an account");
		goto out;
	}
	memcpy(n->hash, hash, 32);
	n->account_id = row->account;
	n->device_id = row->device;
	(void)snprintf(n->device, sizeof(n->device), "%s", row->device_name);
	(void)snprintf(n->owner, sizeof(n->owner), "%lld.%s", (long long)n->account->user, n->device);
	config_load_locked(g, n, row->config);
	n->expires = row->expires;
	n->refs = 2;
	n->account->sessions++;
	n->next = g->session[session_bucket(hash)];
	g->session[session_bucket(hash)] = n;
	*out = n;
	metric_add(M_SESSIONS, 1);
out:
	(void)pthread_mutex_unlock(&g->lock);
	if (end)
		ox_end(drop);
	else
		ox_session_unref(drop);
	return rc;
}

void
session_forget_all(struct engine *g)
{
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		while (g->session[i] != NULL)
			session_remove(g, g->session[i]);
}

/* ---- the password in the cache ---- */

/* With the token, which only the client has. */
static struct seal_use
password_use(const char *token)
{
	return (struct seal_use){ .label = "usmd password cache", .with = token, .bound = "password" };
}

void
password_cache_name(const unsigned char hash[32], char *out, size_t size)
{
	char hex[65];

	hex_encode(hash, 32, hex);
	(void)snprintf(out, size, "pw:%s", hex);
}

void
password_remember(struct engine *g, const char *token, const unsigned char hash[32], const char *user, const char *password)
{
	const struct seal_use use = password_use(token);
	struct buf plain, sealed;
	char name[72];

	buf_init(&plain, 4096);
	buf_init(&sealed, 8192);
	buf_add(&plain, user, strlen(user) + 1);
	buf_add(&plain, password, strlen(password) + 1);
	if (!plain.failed && ring_seal(g, &use, plain.p, plain.len, &sealed) == RC_OK) {
		struct cache_pair pair = { .p = sealed.p, .len = sealed.len, .ttl_s = (unsigned)(g->o.password_lifetime_ms / 1000) };

		password_cache_name(hash, name, sizeof(name));
		pair.key = name;
		cache_set_many(g->cache, &pair, 1);
	}
	secret_wipe(plain.p, plain.len);
	buf_fini(&plain);
	buf_fini(&sealed);
}

void
password_forget(struct engine *g, const unsigned char hash[32])
{
	char name[72];
	const char *key = name;

	password_cache_name(hash, name, sizeof(name));
	cache_del(g->cache, &key, 1);
}

/*
 * Revives the OX session of a token that this node does not know, or whose password OX refuses there (REFUSED, else NULL: the same one is not
 * tried again): RC_DENIED = the client has to log in again.
 */
static enum rc
password_login(struct engine *g, const char *token, const unsigned char hash[32], struct ox_session *refused, struct ox_session **out, struct err *e)
{
	const struct seal_use use = password_use(token);
	struct cache_value v = { 0 };
	struct buf plain;
	char name[72];
	const char *key_name = name;
	enum rc rc = RC_DENIED;

	*out = NULL;
	buf_init(&plain, 4096);
	password_cache_name(hash, name, sizeof(name));
	cache_mget(g->cache, &key_name, 1, &v);
	if (v.p == NULL || ring_open(g, &use, v.p, v.len, &plain) != RC_OK || plain.len < 2 || plain.p[plain.len - 1] != '\0') {
		rc = err_set(e, RC_DENIED, "the session has to be renewed: log in again");
		goto out;
	}
	if (strlen(plain.p) + 1 >= plain.len || (refused != NULL && ox_session_password_is(refused, plain.p + strlen(plain.p) + 1)))
		rc = err_set(e, RC_DENIED, "the groupware server refuses the password: log in again");
	else
		rc = ox_login(g->backend, plain.p, plain.p + strlen(plain.p) + 1, "usmd", out, e);
out:
	secret_wipe(plain.p, plain.len);
	buf_fini(&plain);
	cache_values_free(&v, 1);
	return rc;
}

/* ---- login, open, close, logout ---- */

static bool
device_name_ok(const char *s)
{
	size_t n = s != NULL ? strlen(s) : 0;

	return n >= 1 && n <= 64 &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static void
default_folders(struct engine *g, const struct account *a, const struct ox_user *u, struct uuid out[CT_COUNT])
{
	for (int ct = 0; ct < CT_COUNT; ct++)
		if (u->default_folder[ct][0] != '\0')
			uuid_make(g->keys, a->hier_tag, model_id(g->keys, u->default_folder[ct]), &out[ct]);
	if (u->inbox[0] != '\0')
		uuid_make(g->keys, a->hier_tag, model_id(g->keys, u->inbox), &out[CT_MAIL]);
}

/* What a client calls itself, as far as it can be stored and shown. */
static void
agent_text(const char *in, char out[AGENT_MAX + 1])
{
	size_t n = 0;

	for (; in != NULL && *in != '\0' && n < AGENT_MAX; in++)
		if (*in >= ' ' && *in < 0x7f)
			out[n++] = *in;
	out[n] = '\0';
}

/* The device, made when new; an administrator may have decided that it gets nothing. */
static enum rc
device_login(struct engine *g, struct store_conn *c, struct arena *a, int64_t account, const struct engine_login *in, struct store_device *dev, struct err *e)
{
	char agent[AGENT_MAX + 1];
	const struct store_device_rule rule = { .max = g->o.max_devices, .quarantine = g->o.device_quarantine, .agent = agent };
	enum rc rc;

	agent_text(in->user_agent, agent);
	rc = store_device_login(c, a, account, in->device, &rule, dev, e);
	if (rc == RC_LIMIT)
		metric_count(F_REFUSED, "devices", NULL);
	if (rc != RC_OK || dev->state == DEVICE_ALLOWED)
		return rc;
	log_warn("device-refused", "device=%s state=%s", dev->name, dev->state == DEVICE_QUARANTINED ? "quarantined" : "blocked");
	return dev->state == DEVICE_QUARANTINED
	    ? err_set(e, RC_FORBIDDEN, "this device is new and waits until an administrator allows it: ask for that, then log in again")
	    : err_set(e, RC_FORBIDDEN, "this device was blocked by an administrator: ask there");
}

/* A device that logs in again and again without logging out keeps its newest sessions. */
static enum rc
older_sessions_end(struct engine *g, struct store_conn *c, int64_t device, struct err *e)
{
	unsigned char hash[16][32];
	struct node_session *n;
	struct ox_session *end;
	size_t ended = 0;
	enum rc rc = store_session_trim(c, device, SESSIONS_OF_DEVICE, hash, ARRAY_LEN(hash), &ended, e);

	for (size_t i = 0; i < ended; i++) {
		password_forget(g, hash[i]);
		(void)pthread_mutex_lock(&g->lock);
		n = session_find_locked(g, hash[i]);
		if (n != NULL)
			n->refs++;
		(void)pthread_mutex_unlock(&g->lock);
		if (n == NULL)
			continue;
		session_remove(g, n);
		(void)pthread_mutex_lock(&g->lock);
		session_unref_locked(g, n, &end);
		(void)pthread_mutex_unlock(&g->lock);
		ox_end(end);
	}
	return rc;
}

enum rc
engine_login(struct engine *g, const struct engine_login *in, struct engine_login_answer *out, struct err *e)
{
	struct ox_session *ox = NULL;
	struct node_session *n = NULL;
	struct store_conn *c = NULL;
	struct arena *a = NULL;
	struct store_device dev = { 0 };
	struct store_session row = { 0 };
	struct engine_session s;
	struct ox_session *end;
	struct throttle_try attempt;
	unsigned char raw[32], hash[32];
	enum rc rc, word;
	bool one_too_many = false;

	memset(out, 0, sizeof(*out));
	if (!device_name_ok(in->device))
		return err_set_path(e, RC_PROTO, "device", "a device name has 1 to 64 characters of A-Z a-z 0-9 . _ -");
	rc = throttle_begin(g, in, &attempt, e);
	if (rc != RC_OK)
		return rc;
	rc = word = ox_login(g->backend, in->user, in->password, in->user_agent, &ox, e);
	if (rc != RC_OK)
		goto out;
	out->user = *ox_session_user(ox);
	a = arena_new(0);
	rc = a != NULL ? store_lease(g->store, &c, e) : err_set(e, RC_NOMEM, "out of memory for a login");
	if (rc != RC_OK)
		goto out;
	rc = store_account_open(c, out->user.context_id, out->user.user_id, &row.account, e);
	if (rc == RC_OK) {
		rc = device_login(g, c, a, row.account, in, &dev, e);
		one_too_many = rc == RC_LIMIT;
		word = rc == RC_FORBIDDEN ? rc : word;
	}
	if (rc == RC_OK)
		rc = flood_check(g, dev.id, e);
	if (rc != RC_OK)
		goto out;
	random_bytes(raw, sizeof(raw));
	token_format(raw, out->token);
	sha256(out->token, TOKEN_TEXT - 1, hash);
	out->expires = row.expires = now_ms() + g->o.session_lifetime_ms;
	row.device = dev.id;
	row.device_name = dev.name;
	row.config = dev.config;
	rc = store_session_put(c, hash, row.account, row.device, row.expires, e);
	if (rc == RC_OK)
		rc = older_sessions_end(g, c, row.device, e);
	if (rc != RC_OK)
		goto out;
	rc = session_add(g, hash, &row, ox, in->password, &n, e);
	ox = NULL;
	if (rc != RC_OK)
		goto out;
	password_remember(g, out->token, hash, in->user, in->password);
	default_folders(g, n->account, &out->user, out->default_folder);
	s = (struct engine_session){ .g = g, .n = n };
	log_ctx()->account = n->account_id;
	log_ctx()->device = n->device_id;
	log_info("login", "context=%lld user=%lld", (long long)out->user.context_id, (long long)out->user.user_id);
	(void)pthread_mutex_lock(&g->lock);
	session_unref_locked(g, s.n, &end);
	(void)pthread_mutex_unlock(&g->lock);
	ox_end(end);
out:
	if (one_too_many)
		throttle_end_device(g, &attempt);
	else
		throttle_end(g, &attempt, word);
	secret_wipe(raw, sizeof(raw));
	ox_end(ox); /* a login that fails after all leaves nothing at OX, which has a limit of sessions */
	store_release(c);
	arena_free(a);
	return rc;
}

/* The token is unknown to this node: the database says whose it is, the account or the cache gives the OX session. */
static enum rc
session_load(struct engine *g, const char *token, const unsigned char hash[32], struct node_session **out, struct err *e)
{
	struct store_conn *c = NULL;
	struct store_session row = { 0 };
	struct ox_session *ox = NULL;
	struct account *acct;
	struct arena *a = arena_new(0);
	enum rc rc;

	rc = a != NULL ? store_lease(g->store, &c, e) : err_set(e, RC_NOMEM, "out of memory for a session");
	if (rc != RC_OK)
		goto out;
	rc = store_session_get(c, a, hash, &row, e);
	if (rc == RC_NOTFOUND)
		rc = err_set(e, RC_DENIED, "the session is unknown or has ended: log in again");
	if (rc != RC_OK)
		goto out;
	store_release(c);
	c = NULL;
	(void)pthread_mutex_lock(&g->lock);
	acct = account_find_locked(g, row.context_id, row.user_id);
	if (acct != NULL && acct->ox != NULL && ox_session_check(acct->ox, NULL) == RC_OK)
		ox = ox_session_ref(acct->ox);
	(void)pthread_mutex_unlock(&g->lock);
	if (ox == NULL) {
		rc = password_login(g, token, hash, NULL, &ox, e);
		if (rc != RC_OK)
			goto out;
		if (ox_session_user(ox)->context_id != row.context_id || ox_session_user(ox)->user_id != row.user_id) {
			rc = err_set(e, RC_DENIED, "the session belongs to another user now: log in again");
			goto out;
		}
	}
	rc = session_add(g, hash, &row, ox, NULL, out, e);
	ox = NULL;
out:
	ox_session_unref(ox);
	store_release(c);
	arena_free(a);
	return rc;
}

static bool
session_expired(struct engine *g, const struct node_session *n)
{
	bool expired;

	(void)pthread_mutex_lock(&g->lock); /* expires moves with use */
	expired = n->expires <= now_ms();
	(void)pthread_mutex_unlock(&g->lock);
	return expired;
}

/* Sessions whose clients never came back leave this node's memory, and with the last one of an account its OX session. */
void
session_sweep(struct engine *g)
{
	msec_t now = now_ms();

	for (size_t i = 0; i < SESSION_BUCKETS; i++) {
		struct node_session *n;

		do { /* removing unlocks: look at the bucket from its beginning again */
			(void)pthread_mutex_lock(&g->lock);
			for (n = g->session[i]; n != NULL && n->expires > now; n = n->next)
				;
			if (n != NULL)
				n->refs++;
			(void)pthread_mutex_unlock(&g->lock);
			if (n != NULL) {
				struct ox_session *end;

				session_remove(g, n);
				(void)pthread_mutex_lock(&g->lock);
				session_unref_locked(g, n, &end);
				(void)pthread_mutex_unlock(&g->lock);
				ox_end(end);
			}
		} while (n != NULL);
	}
}

/* OX takes the place of the account's session, if OX refuses that one; whichever is not needed is ended. */
static void
account_replace(struct engine *g, struct account *a, struct ox_session *ox)
{
	struct ox_session *drop = ox;

	(void)pthread_mutex_lock(&g->lock);
	if (a->ox == NULL || ox_session_check(a->ox, NULL) != RC_OK) {
		drop = a->ox;
		a->ox = ox;
	}
	(void)pthread_mutex_unlock(&g->lock);
	ox_end(drop);
}

bool
engine_session_renewed(struct engine_session *s, const char *token)
{
	unsigned char hash[32];
	struct ox_session *ox = NULL;
	struct err e = { .rc = RC_OK };
	const struct ox_user *u;

	if (!token_valid(token) || s->ox == NULL || ox_session_check(s->ox, NULL) == RC_OK)
		return false;
	sha256(token, TOKEN_TEXT - 1, hash);
	session_renew(s);
	if (ox_session_check(s->ox, NULL) == RC_OK)
		return true;
	if (password_login(s->g, token, hash, s->ox, &ox, &e) != RC_OK)
		return false;
	u = ox_session_user(ox);
	if (u->context_id != s->n->account->context || u->user_id != s->n->account->user) {
		ox_end(ox);
		return false;
	}
	account_replace(s->g, s->n->account, ox);
	session_renew(s);
	log_info("session-renewed", "context=%lld user=%lld text=the password was changed elsewhere", (long long)u->context_id, (long long)u->user_id);
	return true;
}

size_t
session_remove_others(struct engine_session *s)
{
	struct engine *g = s->g;
	size_t removed = 0;

	for (size_t i = 0; i < SESSION_BUCKETS; i++) {
		struct node_session *n;

		do { /* removing unlocks: look at the bucket from its beginning again */
			struct ox_session *end = NULL;

			(void)pthread_mutex_lock(&g->lock);
			for (n = g->session[i]; n != NULL && (n == s->n || n->account != s->n->account); n = n->next)
				;
			if (n != NULL)
				n->refs++;
			(void)pthread_mutex_unlock(&g->lock);
			if (n == NULL)
				break;
			session_remove(g, n);
			removed++;
			(void)pthread_mutex_lock(&g->lock);
			session_unref_locked(g, n, &end);
			(void)pthread_mutex_unlock(&g->lock);
			ox_end(end);
		} while (n != NULL);
	}
	return removed;
}

bool
engine_session_known(struct engine *g, const char *token)
{
	unsigned char hash[32];
	const struct node_session *n;
	bool known;

	if (!token_valid(token))
		return false;
	sha256(token, TOKEN_TEXT - 1, hash);
	(void)pthread_mutex_lock(&g->lock);
	n = session_find_locked(g, hash);
	known = n != NULL && n->expires > now_ms();
	(void)pthread_mutex_unlock(&g->lock);
	return known;
}

enum rc
engine_session_open(struct engine *g, const char *token, struct engine_session **out, struct err *e)
{
	struct engine_session *s = NULL;
	struct node_session *n;
	unsigned char hash[32];
	enum rc rc;

	*out = NULL;
	if (!token_valid(token))
		return err_set(e, RC_DENIED, "no session: log in first");
	sha256(token, TOKEN_TEXT - 1, hash);
	(void)pthread_mutex_lock(&g->lock);
	n = session_find_locked(g, hash);
	if (n != NULL)
		n->refs++;
	(void)pthread_mutex_unlock(&g->lock);
	if (n == NULL) {
		rc = session_load(g, token, hash, &n, e);
		if (rc != RC_OK)
			return rc;
	}
	s = mem_alloc(sizeof(*s));
	if (s == NULL) {
		struct engine_session tmp = { .g = g, .n = n };

		(void)pthread_mutex_lock(&g->lock);
		session_unref_locked(g, tmp.n, &tmp.ox);
		(void)pthread_mutex_unlock(&g->lock);
		ox_end(tmp.ox);
		return err_set(e, RC_NOMEM, "out of memory for a session");
	}
	s->g = g;
	s->n = n;
	s->ox = account_ox(g, n->account);
	log_ctx()->account = n->account_id;
	log_ctx()->device = n->device_id;
	if (s->ox == NULL || session_expired(g, n)) {
		session_remove(g, n);
		engine_session_close(s);
		return err_set(e, RC_DENIED, "the session has expired: log in again");
	}
	(void)engine_session_renewed(s, token);
	rc = flood_check(g, n->device_id, e);
	if (rc != RC_OK) {
		engine_session_close(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

struct engine_session *
session_of_account(struct engine *g, int64_t account)
{
	struct engine_session *s = mem_alloc(sizeof(*s));
	struct node_session *n = NULL;
	msec_t now = now_ms();

	if (s == NULL)
		return NULL;
	/* not all under one lock: there may be very many, and every request wants it */
	for (size_t i = 0; i < SESSION_BUCKETS && n == NULL; i++) {
		(void)pthread_mutex_lock(&g->lock);
		for (n = g->session[i]; n != NULL && (n->account_id != account || n->expires <= now || n->account->ox == NULL);)
			n = n->next;
		if (n != NULL) {
			n->refs++;
			*s = (struct engine_session){ .g = g, .n = n, .ox = ox_session_ref(n->account->ox) };
		}
		(void)pthread_mutex_unlock(&g->lock);
	}
	if (n != NULL)
		return s;
	mem_free(s);
	return NULL;
}

void
engine_session_close(struct engine_session *s)
{
	struct ox_session *end = NULL;

	if (s == NULL)
		return;
	ox_session_unref(s->ox);
	(void)pthread_mutex_lock(&s->g->lock);
	session_unref_locked(s->g, s->n, &end);
	(void)pthread_mutex_unlock(&s->g->lock);
	ox_end(end);
	mem_free(s);
}

const char *
engine_session_device(const struct engine_session *s)
{
	return s->n->device;
}

struct ox_session *
engine_session_ox(const struct engine_session *s)
{
	return s->ox;
}

struct engine_session *
session_dup(struct engine_session *s)
{
	struct engine_session *d = mem_alloc(sizeof(*d));

	if (d == NULL)
		return NULL;
	d->g = s->g;
	d->n = s->n;
	(void)pthread_mutex_lock(&s->g->lock);
	d->ox = ox_session_ref(s->n->account->ox != NULL ? s->n->account->ox : s->ox);
	d->n->refs++;
	(void)pthread_mutex_unlock(&s->g->lock);
	return d;
}

void
session_renew(struct engine_session *s)
{
	struct ox_session *ox = account_ox(s->g, s->n->account);

	if (ox == NULL)
		return;
	ox_session_unref(s->ox);
	s->ox = ox;
}

/* A session in use goes on; noted once a day (of a short life at half of it), so that an unchanged sync writes nothing. */
static enum rc
session_prolong(struct engine_session *s, struct store_conn *c, msec_t expires, struct err *e)
{
	struct engine *g = s->g;
	msec_t life = g->o.session_lifetime_ms, step = life / 2 < DAY_MS ? life / 2 : DAY_MS, now = now_ms();
	enum rc rc;

	if (expires - now > life - step)
		return RC_OK;
	rc = store_session_put(c, s->n->hash, s->n->account_id, s->n->device_id, now + life, e);
	(void)pthread_mutex_lock(&g->lock);
	if (rc == RC_OK)
		s->n->expires = now + life;
	(void)pthread_mutex_unlock(&g->lock);
	return rc;
}

/* The database has the last word on every request that works: a logout at another node, a database restored or made new. */
enum rc
session_verify(struct engine_session *s, struct store_conn *c, struct err *e)
{
	struct arena *a = arena_new(0);
	struct store_session row;
	enum rc rc;

	if (a == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a session");
	rc = store_session_get(c, a, s->n->hash, &row, e);
	if (rc == RC_NOTFOUND || (rc == RC_OK && (row.account != s->n->account_id || row.device != s->n->device_id))) {
		session_remove(s->g, s->n);
		rc = err_set(e, RC_DENIED, "the session is unknown or has ended: log in again");
	}
	if (rc == RC_OK) {
		(void)pthread_mutex_lock(&s->g->lock);
		config_load_locked(s->g, s->n, row.config);
		(void)pthread_mutex_unlock(&s->g->lock);
		rc = session_prolong(s, c, row.expires, e);
	}
	arena_free(a);
	return rc;
}

enum rc
engine_logout(struct engine_session *s, struct err *e)
{
	struct engine *g = s->g;
	struct store_conn *c = NULL;
	enum rc rc = store_lease(g->store, &c, e);

	if (rc == RC_OK)
		rc = store_session_delete(c, s->n->hash, e);
	store_release(c);
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	password_forget(g, s->n->hash);
	session_remove(g, s->n);
	log_info("logout", "device=%s", s->n->device);
	return RC_OK;
}
