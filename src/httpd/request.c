/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One HTTP request as the event threads see it: collect, suspend and queue, answer, log.  Nothing here may block. */
#include "httpd/httpd_int.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An upload beyond the limit is read on and thrown away, so that the client gets to see the 413; but not for ever. */
#define DISCARD_FACTOR 4U
/* What every request may hold without being asked who it is: as much as its head, and bounded like that by max_connections. */
#define FREE_BODY ((size_t)4096)
/* Of max_body_total: for all whom nobody knows together, so that they never shut out those who are. */
#define STRANGERS_PART 4U
#define RETRY_BUSY_S 5

static const struct protocol *
protocol_of(const struct httpd *h, const char *url)
{
	for (size_t i = 0; i < h->n_protocols; i++) {
		size_t n = strlen(h->protocols[i].base);

		if (strncmp(url, h->protocols[i].base, n) == 0 && (url[n] == '\0' || url[n] == '/'))
			return &h->protocols[i];
	}
	return NULL;
}

static struct hreq *
hreq_new(struct httpd *h, struct MHD_Connection *conn, const char *url, const char *method)
{
	struct hreq *r = mem_alloc(sizeof(*r));
	const union MHD_ConnectionInfo *peer;

	if (r == NULL)
		return NULL;
	r->h = h;
	r->conn = conn;
	r->url = url;
	r->method = method;
	r->proto = protocol_of(h, url);
	r->id = atomic_fetch_add(&h->next_id, 1) + 1;
	r->start_us = now_mono_us();
	buf_init(&r->body, h->o.max_body);
	peer = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	proxies_client_ip(&h->proxies, peer != NULL ? peer->client_addr : NULL,
	    MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "X-Forwarded-For"), r->client);
	return r;
}

void
request_free_body(struct hreq *r)
{
	buf_fini(&r->body);
	atomic_fetch_sub(&r->h->body_total, r->body_counted);
	if (r->stranger)
		atomic_fetch_sub(&r->h->body_strangers, r->body_counted);
	r->body_counted = 0;
}

/* ---- answers ---- */

static void
header(struct hreq *r, const char *name, const char *value)
{
	(void)MHD_add_response_header(r->response, name, value);
}

void
request_headers(struct hreq *r, const struct reply *rep)
{
	char text[24];

	if (rep->own_type[0] != '\0')
		header(r, MHD_HTTP_HEADER_CONTENT_TYPE, rep->own_type);
	else if (rep->content_type != NULL)
		header(r, MHD_HTTP_HEADER_CONTENT_TYPE, rep->content_type);
	header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	header(r, "X-Content-Type-Options", "nosniff");
	if (rep->set_cookie[0] != '\0')
		header(r, MHD_HTTP_HEADER_SET_COOKIE, rep->set_cookie);
	if (rep->retry_after_s > 0) {
		(void)snprintf(text, sizeof(text), "%d", rep->retry_after_s);
		header(r, MHD_HTTP_HEADER_RETRY_AFTER, text);
	}
	if (rep->status == MHD_HTTP_UNAUTHORIZED)
		header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (atomic_load(&r->h->leaving))
		header(r, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void
reply_body_free(void *p)
{
	mem_free(p);
}

void
request_set_reply(struct hreq *r, struct reply *rep)
{
	static char nothing[1];

	r->status = rep->status;
	r->bytes_out = rep->body_len;
	if (rep->body != NULL)
		r->response = MHD_create_response_from_buffer_with_free_callback(rep->body_len, rep->body, reply_body_free);
	else
		r->response = MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
	if (r->response == NULL) {
		mem_free(rep->body);
		rep->body = NULL;
		return; /* out of memory: the connection is closed unanswered, as if the answer had been lost */
	}
	rep->body = NULL;
	request_headers(r, rep);
}

void
request_refuse(struct hreq *r, int status, int retry_after_s, const char *message)
{
	struct reply rep = { .status = status };
	struct buf b;

	if (r->proto != NULL && r->proto->refuse != NULL) {
		r->proto->refuse(r->proto->self, status, message, &rep);
	} else {
		buf_init(&b, 1024);
		buf_addf(&b, "{\"error\":{\"code\":%d,\"message\":\"%s\"}}\n", status, message);
		rep.body = buf_take(&b, &rep.body_len);
		rep.content_type = "application/json";
	}
	rep.status = status;
	rep.retry_after_s = retry_after_s;
	request_set_reply(r, &rep);
}

static enum MHD_Result
send_response(struct hreq *r)
{
	if (r->response == NULL)
		return MHD_NO;
	conn_phase(r->h, r->conn, r->stream != NULL ? CONN_BUSY : CONN_ANSWER);
	return MHD_queue_response(r->conn, (unsigned)r->status, r->response);
}

/* ---- incoming ---- */

/* No room for it: REASON is a word for metrics. */
static void
turn_away(struct hreq *r, const char *reason, int status, const char *message)
{
	metric_count(F_REFUSED, reason, NULL);
	request_refuse(r, status, status == MHD_HTTP_SERVICE_UNAVAILABLE ? RETRY_BUSY_S : 0, message);
}

/* How large its body may be; asked when it is large enough to matter. */
static size_t
body_max(struct hreq *r)
{
	const struct protocol *p = r->proto;
	size_t max = r->h->o.max_body, less;
	bool bearer;

	if (r->body_max != 0)
		return r->body_max;
	if (p->body_max != NULL) {
		less = p->body_max(p->self, r->url + strlen(p->base), request_token(r, &bearer), &r->stranger);
		max = less < max ? less : max;
	}
	r->body_max = max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
	return r->body_max;
}

/* N bytes of body are too many for this request. */
static bool
too_large(struct hreq *r, uint64_t n)
{
	return n > FREE_BODY && n > body_max(r);
}

/* Refusals that need no body; true = the answer is ready.  The connection closes after it, the body is not read. */
static bool
refuse_early(struct hreq *r)
{
	const char *length = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	int64_t n;

	if (r->proto == NULL && strcmp(r->url, HEALTH_PATH) == 0)
		request_health(r);
	else if (r->proto == NULL)
		request_refuse(r, MHD_HTTP_NOT_FOUND, 0, "nothing is served under this path");
	else if (length != NULL && (!parse_i64(length, 0, INT64_MAX, &n) || too_large(r, (uint64_t)n)))
		turn_away(r, "body", MHD_HTTP_CONTENT_TOO_LARGE, "the request body is larger than the server takes");
	else if (atomic_load(&r->h->draining))
		turn_away(r, "stopping", MHD_HTTP_SERVICE_UNAVAILABLE, "the server is shutting down");
	return r->status != 0;
}

/* The memory that R's body has grown by; false = there is none left for it, R is refused. */
static bool
count_body(struct hreq *r)
{
	struct httpd *h = r->h;
	size_t grown = r->body.cap > FREE_BODY ? r->body.cap - FREE_BODY - r->body_counted : 0, total, strangers = 0;

	if (grown == 0)
		return true;
	(void)body_max(r); /* whose it is has to be known before the first of it is counted */
	r->body_counted += grown;
	total = atomic_fetch_add(&h->body_total, grown) + grown;
	if (r->stranger)
		strangers = atomic_fetch_add(&h->body_strangers, grown) + grown;
	/* one alone may have more: a session that this node sees for the first time may begin with a large mail */
	if (total <= h->o.max_body_total && (strangers <= h->o.max_body_total / STRANGERS_PART || strangers == r->body_counted))
		return true;
	request_free_body(r);
	turn_away(r, "bodies", MHD_HTTP_SERVICE_UNAVAILABLE, "too many large requests at once");
	return false;
}

/* False: R is refused for what its body is, and nothing of it is kept. */
static bool
look_at_body(struct hreq *r, const char *p, size_t n)
{
	struct reply rep = { 0 };

	if (r->proto->look == NULL || r->proto->look(r->proto->self, &r->look, p, n, &rep))
		return true;
	metric_count(F_REFUSED, "content", NULL);
	request_free_body(r);
	request_set_reply(r, &rep);
	return false;
}

/* One piece of the body.  MHD_NO closes the connection. */
static enum MHD_Result
take_upload(struct hreq *r, const char *p, size_t n)
{
	r->bytes_in += n;
	if (r->status != 0)
		return r->bytes_in / DISCARD_FACTOR > (r->body_max != 0 ? r->body_max : r->h->o.max_body) ? MHD_NO : MHD_YES;
	if (too_large(r, r->bytes_in)) {
		request_free_body(r);
		turn_away(r, "body", MHD_HTTP_CONTENT_TOO_LARGE, "the request body is larger than the server takes");
		return MHD_YES;
	}
	if (!look_at_body(r, p, n))
		return MHD_YES;
	buf_add(&r->body, p, n);
	if (r->body.failed) {
		request_free_body(r);
		turn_away(r, "memory", MHD_HTTP_SERVICE_UNAVAILABLE, "the server is out of memory");
		return MHD_YES;
	}
	(void)count_body(r);
	return MHD_YES;
}

enum MHD_Result
request_handler(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **con_cls)
{
	struct httpd *h = cls;
	struct hreq *r = *con_cls;

	(void)version;
	if (r == NULL) {
		r = *con_cls = hreq_new(h, conn, url, method);
		if (r == NULL)
			return MHD_NO;
		if (refuse_early(r))
			return send_response(r);
		conn_phase(h, conn, CONN_BODY);
		return MHD_YES;
	}
	if (*upload_size > 0) {
		enum MHD_Result ok = take_upload(r, upload, *upload_size);

		*upload_size = 0;
		return ok;
	}
	if (r->status != 0)
		return send_response(r); /* refused above, or resumed by request_done */
	if (!queue_reserve(h)) {
		request_free_body(r);
		turn_away(r, "queue", MHD_HTTP_SERVICE_UNAVAILABLE, "the server is busy");
		return send_response(r);
	}
	conn_phase(h, conn, CONN_BUSY);
	/* in this order: a fast worker could otherwise resume before the suspension */
	(void)MHD_suspend_connection(conn);
	queue_push_reserved(h, r);
	return MHD_YES;
}

/* ---- the end of a request ---- */

/* A path is the client's text: nothing in it may look like another key=value. */
static void
printable(const char *s, char *out, size_t size)
{
	size_t i;

	for (i = 0; s[i] != '\0' && i + 1 < size; i++)
		out[i] = (char)(isalnum((unsigned char)s[i]) || strchr("/-_.~", s[i]) != NULL ? s[i] : '?');
	out[i] = '\0';
}

/* Where the time went; other: our own work, and what a client that was slowed down waited. */
static void
slow_log(const struct hreq *r, const char *path)
{
	const struct work_times *t = &r->times;
	int64_t other_us = r->work_us - t->pg_us - t->lock_us - t->ox_us - t->cache_us;

	log_warn("slow-request", "path=%s command=%s status=%d ms=%" PRId64 " queue_ms=%" PRId64 " database_ms=%" PRId64 " lock_ms=%" PRId64 " ox_ms=%" PRId64
	    " cache_ms=%" PRId64 " other_ms=%" PRId64 " statements=%u ox_calls=%u", path, r->command != NULL ? r->command : "none", r->status,
	    (r->work_us + t->queue_us) / 1000, t->queue_us / 1000, t->pg_us / 1000, t->lock_us / 1000, t->ox_us / 1000, t->cache_us / 1000,
	    (other_us > 0 ? other_us : 0) / 1000, t->pg_statements, t->ox_calls);
}

static void
access_log(const struct hreq *r, enum MHD_RequestTerminationCode why)
{
	char path[128], method[16], client[CLIENT_IP_SIZE];
	struct log_ctx *ctx = log_ctx(), saved = *ctx;
	int64_t us = now_mono_us() - r->start_us;

	printable(r->url, path, sizeof(path));
	printable(r->method, method, sizeof(method));
	address_format(r->client, client);
	ctx->req = r->id;
	ctx->account = r->account;
	ctx->device = r->device;
	log_line(strcmp(r->url, HEALTH_PATH) == 0 ? LOG_LVL_DEBUG : LOG_LVL_INFO, "access",
	    "client=%s method=%s path=%s status=%d ms=%" PRId64 ".%03d in=%" PRIu64 " out=%" PRIu64 " parked=%d lost=%d", client, method, path, r->status,
	    us / 1000, (int)(us % 1000), r->bytes_in, r->bytes_out, r->parked_before, why != MHD_REQUEST_TERMINATED_COMPLETED_OK);
	if (r->h->o.slow_ms > 0 && r->work_us + r->times.queue_us >= r->h->o.slow_ms * 1000)
		slow_log(r, path);
	*ctx = saved;
}

static void
count(const struct hreq *r)
{
	const char *command = r->command != NULL ? r->command : "none";
	char status[16];

	(void)snprintf(status, sizeof(status), "%d", r->status);
	metric_count(F_REQUESTS, command, status);
	if (r->command != NULL)
		metric_time(F_REQUEST_TIME, command, r->work_us);
}

void
request_free(struct hreq *r)
{
	struct httpd *h = r->h;

	hub_waiter_free(r->waiter);
	if (r->in_flight) {
		(void)pthread_mutex_lock(&h->lock);
		if (--h->in_flight == 0)
			(void)pthread_cond_broadcast(&h->idle);
		(void)pthread_mutex_unlock(&h->lock);
	}
	mem_free(r);
}

void
request_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct hreq *r = *con_cls;

	(void)cls;
	if (r == NULL)
		return;
	*con_cls = NULL;
	conn_phase(r->h, conn, CONN_HEAD);
	if (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED)
		metric_add(M_CONNECTIONS_IDLE, 1);
	access_log(r, why);
	count(r);
	request_free_body(r);
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	stream_fini(r);
	if (r->park_state != NULL) { /* a stream that its client did not read to the end */
		request_dispose(r);
		return;
	}
	request_free(r);
}
