/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTTP to OX: a bounded pool of easy handles, each with its own kept-alive connection, leased for one exchange.  Knows
 * whether an exchange that failed can have had an effect; knows nothing of OX.
 *
 * A shared connection cache is not used: libcurl 7.88 does not promise it for threads.  A handle on top of the stack is the
 * one used last, so its connection is warm and the others age out.
 */
#include "backend/backend_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* OX's connector drops an idle connection after 30 s: never reuse one so old, or the request races the close. */
#define MAX_IDLE_S 20L

static _Thread_local uint64_t requests;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void
curl_start(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool
copy_str(const char **p)
{
	*p = mem_dup_str(*p != NULL ? *p : "");
	return *p != NULL;
}

/* Every string is copied, whatever fails, so that free may free them all. */
static bool
copy_strings(struct backend_options *o)
{
	const char **strings[] = { &o->url, &o->client, &o->client_fallback, &o->user_agent, &o->client_ip, &o->ca_file };
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		ok = copy_str(strings[i]) && ok;
	return ok;
}

enum rc
backend_new(const struct backend_options *options, struct backend **out, struct err *e)
{
	struct backend *b;
	pthread_condattr_t ca;

	*out = NULL;
	if (options->url == NULL || (strncmp(options->url, "http://", 7) != 0 && strncmp(options->url, "https://", 8) != 0))
		return err_set(e, RC_PROTO, "the OX address must begin with http:// or https://, such as http://127.0.0.1:8009/ajax");
	if (options->max_connections == 0 || options->rows_per_request == 0)
		return err_set(e, RC_PROTO, "at least one OX connection and one row a request are needed");
	(void)pthread_once(&curl_once, curl_start);
	b = mem_alloc(sizeof(*b));
	if (b == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	b->o = *options;
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_condattr_init(&ca);
	(void)pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&b->freed, &ca);
	(void)pthread_condattr_destroy(&ca);
	atomic_init(&b->chronos, options->calendar == OX_CALENDAR_CHRONOS);
	random_bytes(b->seal, sizeof(b->seal));
	b->idle = mem_alloc(options->max_connections * sizeof(b->idle[0]));
	if (!copy_strings(&b->o) || b->idle == NULL) {
		backend_free(b);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	*out = b;
	return RC_OK;
}

void
backend_free(struct backend *b)
{
	if (b == NULL)
		return;
	for (unsigned i = 0; b->idle != NULL && i < b->n_idle; i++)
		curl_easy_cleanup(b->idle[i]);
	mem_free(b->idle);
	mem_free((char *)(uintptr_t)b->o.url);
	mem_free((char *)(uintptr_t)b->o.client);
	mem_free((char *)(uintptr_t)b->o.client_fallback);
	mem_free((char *)(uintptr_t)b->o.user_agent);
	mem_free((char *)(uintptr_t)b->o.client_ip);
	mem_free((char *)(uintptr_t)b->o.ca_file);
	(void)pthread_mutex_destroy(&b->lock);
	(void)pthread_cond_destroy(&b->freed);
	secret_wipe(b, sizeof(*b));
	mem_free(b);
}

static CURL *
lease(struct backend *b)
{
	int64_t until_us = now_mono_us() + (int64_t)b->o.timeout_ms * 1000;
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	CURL *c = NULL;
	int waited = 0;

	(void)pthread_mutex_lock(&b->lock);
	while (b->n_idle == 0 && b->n_made >= b->o.max_connections && waited == 0)
		waited = pthread_cond_timedwait(&b->freed, &b->lock, &until);
	if (b->n_idle > 0) {
		c = b->idle[--b->n_idle];
	} else if (b->n_made < b->o.max_connections) {
		c = curl_easy_init();
		if (c != NULL)
			b->n_made++;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return c;
}

static void
release(struct backend *b, CURL *c)
{
	(void)pthread_mutex_lock(&b->lock);
	b->idle[b->n_idle++] = c;
	(void)pthread_cond_signal(&b->freed);
	(void)pthread_mutex_unlock(&b->lock);
}

void
http_escape(struct buf *b, const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~,";
	static const char hex[] = "0123456789ABCDEF";

	while (*s != '\0') {
		size_t n = strspn(s, safe); /* lists of columns are one piece */

		buf_add(b, s, n);
		for (s += n; *s != '\0' && strchr(safe, *s) == NULL; s++) {
			unsigned char c = (unsigned char)*s;

			buf_addc(b, '%');
			buf_addc(b, hex[c >> 4]);
			buf_addc(b, hex[c & 15]);
		}
	}
}

/* ---- callbacks ---- */

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;

	buf_add(&h->answer, p, size * n);
	return h->answer.failed ? 0 : size * n; /* 0 makes curl stop: the bound holds for what came out of gzip, too */
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	size_t len = size * n;
	char text[16];
	int64_t v;

	while (len > 0 && (p[len - 1] == '\r' || p[len - 1] == '\n'))
		len--;
	if (len > 11 && strncasecmp(p, "Set-Cookie:", 11) == 0) {
		buf_add(&h->set_cookies, p + 11, len - 11);
		buf_addc(&h->set_cookies, '\n');
	} else if (len > 12 && len < 12 + sizeof(text) && strncasecmp(p, "Retry-After:", 12) == 0) {
		while (len > 12 && p[12] == ' ') {
			p++;
			len--;
		}
		memcpy(text, p + 12, len - 12);
		text[len - 12] = '\0';
		if (parse_i64(text, 0, INT32_MAX, &v))
			h->retry_after_s = v > MAX_RETRY_AFTER_S ? MAX_RETRY_AFTER_S : (int)v;
	}
	return size * n;
}

struct upload {
	struct http *h;
	const char *p;
	size_t left;
};

static size_t
on_read(char *out, size_t size, size_t n, void *arg)
{
	struct upload *u = arg;
	size_t k = size * n < u->left ? size * n : u->left;

	if (k > 0)
		memcpy(out, u->p, k);
	u->p += k;
	u->left -= k;
	u->h->body_out += k;
	return k;
}

/* ---- one exchange ---- */

static struct curl_slist *
add_header(struct curl_slist *l, const char *name, const char *value)
{
	struct curl_slist *more;
	struct buf b;

	buf_init(&b, 2 * MAX_COOKIES);
	buf_adds(&b, name);
	for (; *value != '\0'; value++)
		buf_addc(&b, (unsigned char)*value < 0x20 ? ' ' : *value); /* a device's name must not make a header */
	more = b.failed ? NULL : curl_slist_append(l, b.p);
	buf_fini(&b);
	return more != NULL ? more : l;
}

/* What all exchanges have in common. */
static void
set_common(struct backend *b, CURL *c)
{
	curl_easy_reset(c); /* keeps the connection */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else /* as in RHEL 9 */
	curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(c, CURLOPT_USERAGENT, b->o.user_agent);
	curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, b->o.connect_timeout_ms);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, b->o.timeout_ms);
	curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, MAX_IDLE_S);
	tls_set(b, c);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_PROXY, ""); /* the address is the configured one, whatever the environment says */
}

/*
 * Most exchanges are reads without a body, one after the other on the same handle: it stays as it is for them, and
 * CURLOPT_PRIVATE, which a reset clears, says that it is.  A body's options are never left to the next exchange.
 */
static void
set_handle(struct backend *b, CURL *c, struct http *h, char errbuf[CURL_ERROR_SIZE])
{
	static char plain[] = "plain";
	char *state = NULL;

	if (h->body != NULL || curl_easy_getinfo(c, CURLINFO_PRIVATE, &state) != CURLE_OK || state != plain) {
		set_common(b, c);
		if (h->body == NULL)
			curl_easy_setopt(c, CURLOPT_PRIVATE, plain);
	}
	curl_easy_setopt(c, CURLOPT_URL, h->url);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, errbuf);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
}

/*
 * The body comes from a callback that cannot rewind.  With a plain buffer libcurl would, when a kept-alive connection closes without
 * an answer, send a request again by itself: a write might be done twice.  So it fails with CURLE_SEND_FAIL_REWIND, and repeating is ours to decide.
 */
static curl_mime *
set_body(CURL *c, struct http *h, struct upload *u)
{
	curl_mime *mime = NULL;
	curl_mimepart *part;

	u->h = h;
	u->p = h->body;
	u->left = h->body_len;
	if (h->multipart) {
		mime = curl_mime_init(c);
		part = mime != NULL && h->form_field != NULL ? curl_mime_addpart(mime) : NULL;
		if (part != NULL) {
			curl_mime_name(part, h->form_field);
			curl_mime_data(part, h->form_text, CURL_ZERO_TERMINATED);
		}
		part = mime != NULL ? curl_mime_addpart(mime) : NULL;
		if (part == NULL)
			return mime;
		curl_mime_name(part, h->file_field);
		curl_mime_filename(part, h->file_name);
		curl_mime_type(part, h->content_type);
		curl_mime_data_cb(part, (curl_off_t)h->body_len, on_read, NULL, NULL, u);
		curl_easy_setopt(c, CURLOPT_MIMEPOST, mime);
		return mime;
	}
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(c, CURLOPT_READDATA, u);
	if (h->post) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)h->body_len);
	} else {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)h->body_len);
	}
	return NULL;
}

/*
 * Nothing can have been done: not connected, or not one octet of the body (without which OX does nothing) was handed out.
 * libcurl's own counter does not do: it is reset when a request is about to be sent again.
 */
static bool
surely_not_done(const struct http *h, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_FAILED_INIT:
		return true;
	case CURLE_OUT_OF_MEMORY:
		return false;
	default:
		break;
	}
	if (!h->write)
		return true;
	return h->body_len > 0 && h->body_out == 0;
}

static enum rc
failure(struct backend *b, CURL *c, const struct http *h, CURLcode code, const char *text, struct err *e)
{
	const char *why = text[0] != '\0' ? text : curl_easy_strerror(code);

	metric_add(M_OX_ERRORS, 1);
	if (h->answer.failed)
		return h->write ? err_set(e, RC_TIMEOUT, "the answer of OX is larger than %zu octets; the outcome is unknown", h->answer.max) :
		    err_set(e, RC_UPSTREAM, "the answer of OX is larger than %zu octets", h->answer.max);
	if (tls_refused(code))
		return tls_error(b, c, code, why, e);
	if (code == CURLE_OPERATION_TIMEDOUT && !h->write)
		return err_set(e, RC_TIMEOUT, "OX did not answer in time: %s", why);
	if (surely_not_done(h, code))
		return err_set(e, RC_UPSTREAM, "OX cannot be reached: %s", why);
	return err_set(e, RC_TIMEOUT, "no answer of OX, the outcome is unknown: %s", why);
}

/* A read that met a connection closed at the wrong moment: nothing of an answer came. */
static bool
may_repeat(const struct http *h, CURLcode code)
{
	return !h->write && h->answer.len == 0 && !h->answer.failed &&
	    (code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_FAIL_REWIND);
}

static struct curl_slist *
headers(const struct http *h)
{
	struct curl_slist *l = curl_slist_append(NULL, "Expect:");

	if (h->cookies != NULL && h->cookies[0] != '\0')
		l = add_header(l, "Cookie: ", h->cookies);
	if (h->device_agent != NULL && h->device_agent[0] != '\0')
		l = add_header(l, "X-Device-User-Agent: ", h->device_agent);
	if (h->content_type != NULL && h->body != NULL && !h->multipart)
		l = add_header(l, "Content-Type: ", h->content_type);
	return l;
}

static CURLcode
exchange(struct backend *b, CURL *c, struct http *h, char errbuf[CURL_ERROR_SIZE])
{
	struct curl_slist *l = headers(h);
	struct upload u = { NULL, NULL, 0 };
	curl_mime *mime = NULL;
	const char *type = NULL;
	CURLcode code;

	errbuf[0] = '\0';
	h->status = 0;
	h->retry_after_s = 0;
	h->body_out = 0;
	buf_reset(&h->answer);
	buf_reset(&h->set_cookies);
	set_handle(b, c, h, errbuf);
	if (h->body != NULL)
		mime = set_body(c, h, &u);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, l);
	code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &h->status);
	curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	h->type[0] = '\0';
	if (type != NULL)
		(void)memccpy(h->type, type, '\0', sizeof(h->type) - 1);
	h->type[sizeof(h->type) - 1] = '\0';
	if (h->body != NULL)
		curl_easy_setopt(c, CURLOPT_MIMEPOST, NULL);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
	curl_mime_free(mime);
	curl_slist_free_all(l);
	return code;
}

/* Cookies, and so the session's, are in header fields, which no trace has; status 0: no answer came. */
static void
trace(const struct backend *b, const struct http *h, bool answered, int64_t began_us)
{
	size_t n = strlen(b->o.url);
	msec_t now = now_ms();
	const struct trace_record asked = { .side = TRACE_OX, .method = h->post ? "POST" : h->body != NULL ? "PUT" : "GET",
		.what = strncmp(h->url, b->o.url, n) == 0 ? h->url + n : "other", .body = h->body, .len = h->body != NULL ? h->body_len : 0,
		.at = now - (now_mono_us() - began_us) / 1000 };
	const struct trace_record got = { .side = TRACE_OX, .answer = true, .status = answered ? (int)h->status : 0, .body = h->answer.p, .len = h->answer.len,
		.at = now };

	trace_record(log_ctx()->device, &asked);
	trace_record(log_ctx()->device, &got);
}

enum rc
http_do(struct backend *b, struct http *h, struct err *e)
{
	char errbuf[CURL_ERROR_SIZE];
	int64_t began = now_mono_us();
	CURL *c = lease(b);
	enum rc rc = RC_OK;
	CURLcode code;

	if (c == NULL)
		return err_set(e, RC_UPSTREAM, "all %u connections to OX are busy: raise max_connections if this goes on", b->o.max_connections);
	code = exchange(b, c, h, errbuf);
	if (may_repeat(h, code)) {
		metric_add(M_OX_RETRIES, 1);
		code = exchange(b, c, h, errbuf);
	}
	if (code != CURLE_OK)
		rc = failure(b, c, h, code, errbuf, e);
	else
		tls_fine(b);
	release(b, c);
	if (trace_wanted(log_ctx()->device, TRACE_OX))
		trace(b, h, code == CURLE_OK, began);
	metric_add(M_OX_REQUESTS, 1);
	requests++;
	work_times()->ox_calls++;
	work_times()->ox_us += now_mono_us() - began;
	return rc;
}

uint64_t
backend_requests(void)
{
	return requests;
}
