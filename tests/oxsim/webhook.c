/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Webhooks: the configured ones (control API, in place of webhooks.yml), users' subscriptions (module pns), and a thread that posts.  What
 * happens within delay_ms is one post.  An answer of 403, 404 or 405 ends the subscription, any other is the end of it.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

#include "oxsim/push.h"

struct hook { char *id, *uri, *secret, *header, *unix_socket; int version, max; int64_t delay; };
struct sub { int ctx, user; char *client, *uri; bool mail, calendar; int64_t expires; };
struct post { char *client, *uri; int ctx, user; json_t *payload; const char *event; int mails; int64_t due; };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	GPtrArray *hook, *sub, *post;
	bool running;
	uint64_t posts;
	long status;
	char *last_signature, *last_body;
} W = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void
hook_free(gpointer p)
{
	struct hook *h = p;

	free(h->id);
	free(h->uri);
	free(h->secret);
	free(h->header);
	free(h->unix_socket);
	free(h);
}

static void
sub_free(gpointer p)
{
	struct sub *s = p;

	free(s->client);
	free(s->uri);
	free(s);
}

static void
post_free(gpointer p)
{
	struct post *x = p;

	free(x->client);
	free(x->uri);
	json_decref(x->payload);
	free(x);
}

static struct hook *
hook_of(const char *id)
{
	guint i;

	for (i = 0; W.hook != NULL && i < W.hook->len; i++)
		if (strcmp(((struct hook *)g_ptr_array_index(W.hook, i))->id, id) == 0)
			return g_ptr_array_index(W.hook, i);
	return NULL;
}

/* --- what happens --------------------------------------------------------------------------- */

bool
hook_listens(int ctx, int user)
{
	bool found = false;
	guint i;

	pthread_mutex_lock(&W.lock);
	for (i = 0; W.sub != NULL && i < W.sub->len; i++) {
		const struct sub *s = g_ptr_array_index(W.sub, i);

		found = found || (s->ctx == ctx && s->user == user && s->mail);
	}
	pthread_mutex_unlock(&W.lock);
	return found;
}

/* The post of this subscription and event that still waits, or a new one. */
static struct post *
post_of(const struct sub *s, const struct hook *h, const char *event)
{
	struct post *x;
	guint i;

	for (i = 0; i < W.post->len; i++) {
		x = g_ptr_array_index(W.post, i);
		if (x->ctx == s->ctx && x->user == s->user && strcmp(x->client, s->client) == 0 && strcmp(x->uri, s->uri) == 0 && x->event == event)
			return x;
	}
	x = xcalloc(1, sizeof(*x));
	*x = (struct post){ .client = xstrdup(s->client), .uri = xstrdup(s->uri), .ctx = s->ctx, .user = s->user, .event = event,
		.due = g_get_monotonic_time() / 1000 + h->delay };
	g_ptr_array_add(W.post, x);
	pthread_cond_signal(&W.more);
	return x;
}

static void
sign_off(struct post *x, const char *mail)
{
	json_object_set_new(x->payload, "user", json_integer(x->user));
	json_object_set_new(x->payload, "context", json_integer(x->ctx));
	json_object_set_new(x->payload, "email1", json_string(mail));
}

static const char topic_mail[] = "ox:mail:new", topic_calendar[] = "ox:calendar:updates";

static void
for_subs(int ctx, int user, bool mail, void (*fn)(struct post *x, void *arg, const char *address), void *arg, const char *address)
{
	guint i;

	pthread_mutex_lock(&W.lock);
	for (i = 0; W.sub != NULL && i < W.sub->len; i++) {
		const struct sub *s = g_ptr_array_index(W.sub, i);
		const struct hook *h = hook_of(s->client);

		if (h != NULL && s->ctx == ctx && s->user == user && (mail ? s->mail : s->calendar) && (s->expires == 0 || s->expires > sim_now()))
			fn(post_of(s, h, mail ? topic_mail : topic_calendar), arg, address);
	}
	pthread_mutex_unlock(&W.lock);
}

static void
add_calendar(struct post *x, void *arg, const char *address)
{
	char id[32];
	json_t *v;
	size_t i;

	(void)snprintf(id, sizeof(id), "cal://0/%d", *(int *)arg);
	if (x->payload == NULL) {
		x->payload = json_pack("{s:[]}", "folders");
		sign_off(x, address);
	}
	json_array_foreach(json_object_get(x->payload, "folders"), i, v)
		if (strcmp(json_string_value(v), id) == 0)
			return;
	json_array_append_new(json_object_get(x->payload, "folders"), json_string(id));
}

void
hook_calendar(int ctx, int user, const char *mail, int folder)
{
	for_subs(ctx, user, false, add_calendar, &folder, mail);
}

/* Several at once are told without what they are. */
static void
add_mail(struct post *x, void *arg, const char *address)
{
	json_t *payload = arg;

	if (x->mails++ == 0) {
		x->payload = json_copy(payload);
	} else {
		json_decref(x->payload);
		x->payload = json_pack("{s:O}", "folder", json_object_get(payload, "folder"));
	}
	sign_off(x, address);
}

void
hook_mail(int ctx, int user, const char *mail, json_t *payload)
{
	for_subs(ctx, user, true, add_mail, payload, mail);
	json_decref(payload);
}

/* --- posting --------------------------------------------------------------------------------------- */

static size_t
swallow(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

static long
post_http(const struct hook *h, const char *uri, const char *signature, const char *body)
{
	char *header = xprintf("%s: %s", h->header, signature);
	struct curl_slist *l = curl_slist_append(NULL, header);
	CURL *c = curl_easy_init();
	long status = 0;

	l = curl_slist_append(l, "Content-Type: application/json; charset=UTF-8");
	l = curl_slist_append(l, "User-Agent: Open-Xchange Webhook Client");
	(void)curl_easy_setopt(c, CURLOPT_URL, uri);
	if (h->unix_socket != NULL)
		(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, h->unix_socket);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, l);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 5L);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	if (curl_easy_perform(c) == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	curl_slist_free_all(l);
	free(header);
	return status;
}

static void
unsubscribe(int ctx, int user, const char *client, const char *uri)
{
	guint i;

	for (i = 0; W.sub != NULL && i < W.sub->len; i++) {
		const struct sub *s = g_ptr_array_index(W.sub, i);

		if (s->ctx == ctx && s->user == user && strcmp(s->client, client) == 0 && (uri == NULL || strcmp(s->uri, uri) == 0))
			g_ptr_array_remove_index(W.sub, i--);
	}
}

/* The lock is held, and given up for the time of the post. */
static void
deliver(struct post *x)
{
	struct hook h = *hook_of(x->client); /* hooks stay where they are */
	int64_t t = sim_now();
	json_t *root = json_pack("{s:s, s:O, s:I}", "event", x->event, "payload", x->payload, "timestamp", (json_int_t)t);
	char *body = json_dumps(root, JSON_COMPACT), *text = xprintf("v%d:%lld:%s", h.version, (long long)t, body);
	gchar *mac = g_compute_hmac_for_data(G_CHECKSUM_SHA256, (const guchar *)h.secret, strlen(h.secret), (const guchar *)text, strlen(text));
	char *signature = xprintf("t=%lld, v%d=%s", (long long)t, h.version, mac);
	long status;

	pthread_mutex_unlock(&W.lock);
	status = post_http(&h, x->uri, signature, body);
	pthread_mutex_lock(&W.lock);
	if (status == 403 || status == 404 || status == 405)
		unsubscribe(x->ctx, x->user, x->client, x->uri);
	W.posts++;
	W.status = status;
	free(W.last_signature);
	free(W.last_body);
	W.last_signature = signature;
	W.last_body = body;
	json_decref(root);
	g_free(mac);
	free(text);
}

static void *
hook_main(void *arg)
{
	pthread_mutex_lock(&W.lock);
	for (;;) {
		int64_t now = g_get_monotonic_time() / 1000, next = now + 3600000;
		struct post *due = NULL;
		struct timespec ts;
		guint i;

		for (i = 0; i < W.post->len && due == NULL; i++) {
			struct post *x = g_ptr_array_index(W.post, i);

			if (x->due <= now)
				due = g_ptr_array_steal_index(W.post, i);
			else if (x->due < next)
				next = x->due;
		}
		if (due != NULL) {
			deliver(due);
			post_free(due);
			continue;
		}
		(void)clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_sec += (time_t)((next - now) / 1000);
		ts.tv_nsec += (long)((next - now) % 1000) * 1000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		(void)pthread_cond_timedwait(&W.more, &W.lock, &ts);
	}
	return arg;
}

/* --- module pns ------------------------------------------------------------------------------------------ */

static void
denied(struct req *r)
{
	fail(r, "PNS-0012", json_pack("[s]", "com.openexchange.pns.PushSubscriptionDescription"));
}

static void
subscribe(struct req *r, const struct hook *h, const char *client, const char *uri, const json_t *topics, int64_t expires)
{
	struct sub *s = xcalloc(1, sizeof(*s));
	const char *t;
	size_t i;
	guint k, n = 0;
	json_t *v;

	*s = (struct sub){ .ctx = r->c->id, .user = r->u->id, .client = xstrdup(client), .uri = xstrdup(uri), .expires = expires };
	json_array_foreach((json_t *)(uintptr_t)topics, i, v) {
		t = json_string_value(v);
		s->mail = s->mail || (t != NULL && (strcmp(t, "*") == 0 || strcmp(t, topic_mail) == 0 || strcmp(t, "ox:mail:*") == 0));
		s->calendar = s->calendar || (t != NULL && (strcmp(t, "*") == 0 || strcmp(t, topic_calendar) == 0));
	}
	unsubscribe(s->ctx, s->user, client, uri);
	for (k = 0; k < W.sub->len; k++) {
		const struct sub *o = g_ptr_array_index(W.sub, k);

		n += o->ctx == s->ctx && o->user == s->user && strcmp(o->client, client) == 0;
	}
	if (h->max > 0 && (int)n >= h->max) {
		sub_free(s);
		fail(r, "PNS-0013", json_pack("[s,s]", "webhook", client));
		return;
	}
	g_ptr_array_add(W.sub, s);
	sb_str(r->out, "{\"success\":true}");
}

void
pns_subscribe(struct req *r)
{
	const json_t *j = body_json(r), *topics = json_object_get(j, "topics");
	const char *client = json_string_value(json_object_get(j, "client")), *token = json_string_value(json_object_get(j, "token"));
	const char *transport = json_string_value(json_object_get(j, "transport"));
	const struct hook *h;

	if (transport == NULL || topics == NULL) {
		fail(r, "SVL-0002", json_pack("[s]", transport == NULL ? "transport" : "topics"));
		return;
	}
	if (json_array_size(topics) == 0) {
		fail(r, "SVL-0011", json_pack("[s]", "empty topics"));
		return;
	}
	pthread_mutex_lock(&W.lock);
	h = client != NULL && strcmp(transport, "webhook") == 0 ? hook_of(client) : NULL;
	if (h == NULL || (token != NULL && strncmp(token, h->uri, strlen(h->uri)) != 0))
		denied(r);
	else
		subscribe(r, h, client, token != NULL ? token : h->uri, topics, json_integer_value(json_object_get(j, "expires")));
	pthread_mutex_unlock(&W.lock);
}

/* What never was is a success as well. */
void
pns_unsubscribe(struct req *r)
{
	const json_t *j = body_json(r);
	const char *client = json_string_value(json_object_get(j, "client")), *token = json_string_value(json_object_get(j, "token"));

	pthread_mutex_lock(&W.lock);
	if (client != NULL)
		unsubscribe(r->c->id, r->u->id, client, token);
	pthread_mutex_unlock(&W.lock);
	sb_str(r->out, "{\"success\":true}");
}

/* --- control ---------------------------------------------------------------------------------------------------- */

static void
hook_add(const json_t *j)
{
	const char *id = json_string_value(json_object_get(j, "id")), *uri = json_string_value(json_object_get(j, "uri"));
	const char *secret = json_string_value(json_object_get(j, "secret")), *header = json_string_value(json_object_get(j, "header"));
	json_t *delay = json_object_get(j, "delay_ms"), *version = json_object_get(j, "version");
	struct hook *h = hook_of(id);

	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		g_ptr_array_add(W.hook, h);
		h->id = xstrdup(id);
	}
	free(h->uri);
	free(h->secret);
	free(h->header);
	free(h->unix_socket);
	h->uri = xstrdup(uri ? uri : "http://127.0.0.1/");
	h->secret = xstrdup(secret ? secret : "secret");
	h->header = xstrdup(header ? header : "X-OX-Signature");
	h->unix_socket = xstrdup(json_string_value(json_object_get(j, "unix")));
	h->delay = delay ? json_integer_value(delay) : 2000;
	h->version = version ? (int)json_integer_value(version) : 1;
	h->max = (int)json_integer_value(json_object_get(j, "max"));
}

/* {"id","uri","secret"[,"header","version","delay_ms","max","unix": path of a socket]}; answers subscriptions and posts */
void
hook_control(struct req *r)
{
	json_t *out, *subs = json_array();
	pthread_t th;
	guint i;

	pthread_mutex_lock(&W.lock);
	if (!W.running) {
		W.hook = g_ptr_array_new_with_free_func(hook_free);
		W.sub = g_ptr_array_new_with_free_func(sub_free);
		W.post = g_ptr_array_new_with_free_func(post_free);
		(void)curl_global_init(CURL_GLOBAL_DEFAULT);
		W.running = pthread_create(&th, NULL, hook_main, NULL) == 0 && pthread_detach(th) == 0;
	}
	if (json_string_value(json_object_get(r->j, "id")) != NULL)
		hook_add(r->j);
	for (i = 0; i < W.sub->len; i++) {
		const struct sub *s = g_ptr_array_index(W.sub, i);

		json_array_append_new(subs, json_pack("{s:i,s:i,s:s,s:s,s:I}", "context", s->ctx, "user", s->user, "client", s->client, "uri", s->uri,
		    "expires", (json_int_t)s->expires));
	}
	out = json_pack("{s:o, s:I, s:I, s:s, s:s}", "subscriptions", subs, "posts", (json_int_t)W.posts, "status", (json_int_t)W.status, "signature",
	    W.last_signature ? W.last_signature : "", "body", W.last_body ? W.last_body : "");
	pthread_mutex_unlock(&W.lock);
	control_reply(r, out);
}
