/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usm-json over libcurl: one command, one answer; errors by the protocol's status table. */
#include "client/client_int.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CONNECTS 8 /* attempts, 3.6 s in all */
#define MAX_ANSWER ((size_t)512 * 1024 * 1024)

struct net {
	CURL *curl;
	struct curl_slist *headers;
	char *base;
	const char *server; /* as the person named it */
	bool (*ask)(void *arg);
	void *ask_arg;
	int64_t asked_at;
};

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_add(b, p, size * n);
	return b->failed ? 0 : size * n;
}

static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct net *n = arg;
	int64_t now = now_mono_us();

	(void)a, (void)b, (void)c, (void)d;
	if (client_stop)
		return 1;
	if (n->ask == NULL || now - n->asked_at < 1000000)
		return 0;
	n->asked_at = now;
	return n->ask(n->ask_arg) ? 1 : 0;
}

enum rc
net_open(const struct options *o, struct net **out, struct err *e)
{
	struct net *n = mem_alloc(sizeof(*n));

	*out = NULL;
	if (n == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || (n->curl = curl_easy_init()) == NULL) {
		mem_free(n);
		return err_set(e, RC_NOMEM, "libcurl could not be started");
	}
	n->server = o->server;
	if (strncmp(o->server, "unix:", 5) == 0) { /* a usmd on this machine, without a proxy in front */
		(void)curl_easy_setopt(n->curl, CURLOPT_UNIX_SOCKET_PATH, o->server + 5);
		n->base = path_join("http://localhost/usm-json", "");
	} else {
		n->base = path_join(o->server, "");
	}
	if (n->base != NULL && n->base[0] != '\0' && n->base[strlen(n->base) - 1] == '/')
		n->base[strlen(n->base) - 1] = '\0';
	(void)curl_easy_setopt(n->curl, CURLOPT_USERAGENT, "usmsync/" USMD_VERSION);
	(void)curl_easy_setopt(n->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(n->curl, CURLOPT_CONNECTTIMEOUT, 15L);
	/* a request may take minutes, but a connection that died without a word (another network, a node that lost power) is found sooner */
	(void)curl_easy_setopt(n->curl, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(n->curl, CURLOPT_TCP_KEEPIDLE, 20L);
	(void)curl_easy_setopt(n->curl, CURLOPT_TCP_KEEPINTVL, 10L);
	(void)curl_easy_setopt(n->curl, CURLOPT_ACCEPT_ENCODING, "");
	(void)curl_easy_setopt(n->curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(n->curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(n->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(n->curl, CURLOPT_XFERINFODATA, n);
	if (o->ca_file != NULL)
		(void)curl_easy_setopt(n->curl, CURLOPT_CAINFO, o->ca_file);
	net_token(n, NULL);
	*out = n;
	return RC_OK;
}

void
net_close(struct net *n)
{
	if (n == NULL)
		return;
	curl_slist_free_all(n->headers);
	curl_easy_cleanup(n->curl);
	mem_free(n->base);
	mem_free(n);
}

void
net_token(struct net *n, const char *token)
{
	struct buf b;

	curl_slist_free_all(n->headers);
	n->headers = curl_slist_append(NULL, "Content-Type: application/json");
	n->headers = curl_slist_append(n->headers, "Expect:");
	if (token == NULL)
		return;
	buf_init(&b, 256);
	buf_addf(&b, "Authorization: Bearer %s", token);
	n->headers = curl_slist_append(n->headers, b.p);
	secret_wipe(b.p, b.len);
	buf_fini(&b);
}

void
net_watch(struct net *n, bool (*ask)(void *arg), void *arg)
{
	n->ask = ask;
	n->ask_arg = arg;
	n->asked_at = now_mono_us();
}

static void
pause_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static enum rc
post(struct net *n, const char *command, const json_t *body, unsigned timeout_s, struct buf *out, long *status, char *type, size_t type_size, struct err *e)
{
	char *text = json_dumps(body, JSON_COMPACT), *url = path_join(n->base, command);
	const char *ct = NULL;
	CURLcode cc;
	enum rc rc = RC_OK;

	*status = 0;
	type[0] = '\0';
	if (text == NULL || url == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory for a request");
		goto out;
	}
	(void)curl_easy_setopt(n->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(n->curl, CURLOPT_HTTPHEADER, n->headers);
	(void)curl_easy_setopt(n->curl, CURLOPT_POSTFIELDS, text);
	(void)curl_easy_setopt(n->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
	(void)curl_easy_setopt(n->curl, CURLOPT_TIMEOUT, (long)timeout_s);
	(void)curl_easy_setopt(n->curl, CURLOPT_WRITEDATA, out);
	for (unsigned i = 0; (cc = curl_easy_perform(n->curl)) == CURLE_COULDNT_CONNECT && i < MAX_CONNECTS && !client_stop; i++)
		pause_ms(100 * (i + 1)); /* nothing was sent: the server starts again perhaps */
	if (cc == CURLE_ABORTED_BY_CALLBACK)
		rc = err_set(e, RC_BUSY, "interrupted");
	else if (cc == CURLE_OPERATION_TIMEDOUT)
		rc = err_set(e, RC_TIMEOUT, "the server did not answer in time");
	else if (cc == CURLE_GOT_NOTHING || cc == CURLE_RECV_ERROR || cc == CURLE_SEND_ERROR || cc == CURLE_PARTIAL_FILE)
		rc = err_set(e, RC_TIMEOUT, "the connection to the server broke; its answer is lost");
	else if (cc != CURLE_OK)
		rc = err_set(e, RC_UPSTREAM, "%s: %s", n->server, curl_easy_strerror(cc));
	if (rc != RC_OK)
		goto out;
	(void)curl_easy_getinfo(n->curl, CURLINFO_RESPONSE_CODE, status);
	(void)curl_easy_getinfo(n->curl, CURLINFO_CONTENT_TYPE, &ct);
	(void)snprintf(type, type_size, "%s", ct != NULL ? ct : "");
out:
	if (text != NULL)
		secret_wipe(text, strlen(text)); /* a login holds the password */
	free(text);
	mem_free(url);
	return rc;
}

/* usm-json(7), "Status": what the client does next is the class of the code. */
static enum rc
error_of(const json_t *root, long status, struct err *e)
{
	const json_t *x = json_object_get(root, "error");
	const char *code = json_string_value(json_object_get(x, "code"));
	const char *text = json_string_value(json_object_get(x, "message"));
	enum rc rc = RC_UPSTREAM;

	if (status == 401)
		rc = RC_DENIED;
	else if (status == 403)
		rc = RC_FORBIDDEN;
	else if (status == 404)
		rc = RC_NOTFOUND;
	else if (status == 409)
		rc = RC_CONFLICT;
	else if (status >= 400 && status < 500 && status != 429)
		rc = RC_PROTO;
	rc = err_set(e, rc, "%s", text != NULL ? text : "the server answered with an error");
	(void)snprintf(e->code, sizeof(e->code), "%s", code != NULL ? code : "");
	e->retry_after_s = (int)json_integer_value(json_object_get(json_object_get(x, "details"), "retryAfter"));
	return rc;
}

enum rc
net_call(struct net *n, const char *command, const json_t *body, unsigned timeout_s, json_t **data, struct err *e)
{
	struct buf b;
	json_error_t je;
	json_t *root = NULL;
	char type[80];
	long status;
	enum rc rc;

	*data = NULL;
	buf_init(&b, MAX_ANSWER);
	rc = post(n, command, body, timeout_s, &b, &status, type, sizeof(type), e);
	if (rc != RC_OK)
		goto out;
	root = b.p != NULL ? json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, &je) : NULL;
	if (root == NULL || json_integer_value(json_object_get(root, "status")) != 1) {
		rc = root == NULL && (status < 400 || status == 404 || status == 405) ?
		    err_set(e, RC_UPSTREAM, "%s is no usm-json server (HTTP %ld); is --server right?", n->server, status) : error_of(root, status, e);
		goto out;
	}
	*data = json_incref(json_object_get(root, "data"));
out:
	json_decref(root);
	buf_fini(&b);
	return rc;
}

/* A command whose good answer is octets; JSON is an error. */
enum rc
net_octets(struct net *n, const char *command, const json_t *body, struct buf *out, struct err *e)
{
	json_t *root;
	char type[80];
	long status;
	enum rc rc = post(n, command, body, 300, out, &status, type, sizeof(type), e);

	if (rc != RC_OK || (status == 200 && strncmp(type, "application/json; charset", 25) != 0))
		return rc;
	root = out->p != NULL ? json_loadb(out->p, out->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	rc = error_of(root, status, e);
	json_decref(root);
	return rc;
}

enum rc
net_mail(struct net *n, const char *folder, const char *uuid, struct buf *out, struct err *e)
{
	json_t *body = json_pack("{s:s, s:s}", "folder", folder, "uuid", uuid);
	enum rc rc = net_octets(n, "getMail", body, out, e);

	json_decref(body);
	return rc;
}
