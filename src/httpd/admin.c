/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The local listeners: /health for load balancers and people, /metrics for Prometheus; the status page.  A thread each, so they answer when all workers are busy. */
#include "httpd/httpd_int.h"

#include <inttypes.h>
#include <string.h>

#define ADMIN_CONNECTIONS 64U
#define ADMIN_TIMEOUT_S 10U
#define ADMIN_PAGE ((size_t)16 * 1024 * 1024)

static void
json_string(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, (unsigned char)*s < 0x20 ? ' ' : *s);
	}
	buf_addc(b, '"');
}

void
request_health(struct hreq *r)
{
	bool leaving = atomic_load(&r->h->leaving);
	struct reply rep = { .status = leaving ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, .content_type = "application/json" };

	rep.body = mem_dup_str(leaving ? "{\"status\":\"draining\"}\n" : "{\"status\":\"ready\"}\n");
	rep.body_len = rep.body != NULL ? strlen(rep.body) : 0;
	request_set_reply(r, &rep);
}

/* Degraded is still 200: the service answers, only slower (say, without its cache). */
static unsigned
health(struct httpd *h, struct buf *b)
{
	static const char *const names[] = { "ready", "degraded", "not ready", "draining" };
	enum httpd_health state = HTTPD_READY;
	char why[256] = "";

	if (atomic_load(&h->leaving)) {
		state = HTTPD_LEAVING;
		memcpy(why, "going to stop", sizeof("going to stop"));
	} else if (h->o.health != NULL) {
		state = h->o.health(h->o.admin_arg, why, sizeof(why));
	}
	buf_addf(b, "{\"status\":\"%s\",\"version\":\"" USMD_VERSION "\",\"reason\":", names[state]);
	json_string(b, why);
	buf_adds(b, "}\n");
	return state >= HTTPD_NOT_READY ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static void
gauge(struct buf *b, const char *name, const char *help, uint64_t v)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRIu64 "\n", name, help, name, name, v);
}

static void
metrics(struct httpd *h, struct buf *b)
{
	const union MHD_DaemonInfo *conns = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	size_t queued, busy, in_flight;

	metrics_format(b);
	buf_adds(b, "# HELP usmd_build_info the version, as a label\n# TYPE usmd_build_info gauge\nusmd_build_info{version=\"" USMD_VERSION "\"} 1\n");
	gauge(b, "usmd_start_time_seconds", "when this process began, in seconds since 1970", (uint64_t)(h->began_ms / 1000));
	(void)pthread_mutex_lock(&h->lock);
	queued = h->n_fresh;
	busy = h->busy;
	in_flight = h->in_flight;
	(void)pthread_mutex_unlock(&h->lock);
	gauge(b, "usmd_queue_length", "requests waiting for a worker now", queued);
	gauge(b, "usmd_workers_busy", "workers running a request now", busy);
	gauge(b, "usmd_requests_in_flight", "requests queued, running, parked or being answered now", in_flight);
	gauge(b, "usmd_body_bytes", "memory held by request bodies now", atomic_load(&h->body_total));
	gauge(b, "usmd_connections", "client connections open now", conns != NULL ? conns->num_connections : 0);
	if (h->o.gauges != NULL)
		h->o.gauges(h->o.admin_arg, b);
}

static void
body_free(void *p)
{
	mem_free(p);
}

static bool
is_get(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* B, which ends with this, as the answer; POLICY NULL: no page for browsers. */
static enum MHD_Result
answer(struct MHD_Connection *conn, unsigned status, const char *type, const char *policy, struct buf *b)
{
	struct MHD_Response *resp;
	enum MHD_Result ok;
	size_t len = 0;
	char *body;

	buf_adds(b, ""); /* an empty page is a page, too */
	body = buf_take(b, &len);
	if (body == NULL)
		return MHD_NO;
	resp = MHD_create_response_from_buffer_with_free_callback(len, body, body_free);
	if (resp == NULL) {
		mem_free(body);
		return MHD_NO;
	}
	(void)MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(resp, "X-Content-Type-Options", "nosniff");
	if (policy != NULL) {
		(void)MHD_add_response_header(resp, "Content-Security-Policy", policy);
		(void)MHD_add_response_header(resp, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
		(void)MHD_add_response_header(resp, "Referrer-Policy", "no-referrer");
	}
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(resp, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ok = MHD_queue_response(conn, status, resp);
	MHD_destroy_response(resp);
	return ok;
}

/* MHD asks twice, and an answer to the first call would close the connection; a body is thrown away.  True: not yet. */
static bool
not_yet(size_t *upload_size, void **con_cls)
{
	static int seen;

	if (*con_cls == NULL) {
		*con_cls = &seen;
		return true;
	}
	if (*upload_size == 0)
		return false;
	*upload_size = 0;
	return true;
}

static enum MHD_Result
admin_handler(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **con_cls)
{
	struct httpd *h = cls;
	const char *type = "application/json";
	unsigned status = MHD_HTTP_OK;
	struct buf b;

	(void)version;
	(void)upload;
	if (not_yet(upload_size, con_cls))
		return MHD_YES;
	buf_init(&b, ADMIN_PAGE);
	if (!is_get(method)) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		buf_adds(&b, "{\"error\":\"only GET\"}\n");
	} else if (strcmp(url, HEALTH_PATH) == 0) {
		status = health(h, &b);
	} else if (strcmp(url, "/metrics") == 0) {
		type = "text/plain; version=0.0.4; charset=utf-8";
		metrics(h, &b);
	} else if (h->o.page != NULL && h->o.page(h->o.admin_arg, url, &b)) {
		type = "text/plain; charset=utf-8";
	} else {
		status = MHD_HTTP_NOT_FOUND;
		buf_adds(&b, "{\"error\":\"there is no such page; /health and /metrics are there\"}\n");
	}
	return answer(conn, status, type, NULL, &b);
}

static enum MHD_Result
status_handler(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **con_cls)
{
	struct httpd *h = cls;
	struct httpd_page page = { .type = "text/plain; charset=utf-8", .policy = "default-src 'none'" };
	unsigned status = MHD_HTTP_OK;
	struct buf b;

	(void)version;
	(void)upload;
	if (not_yet(upload_size, con_cls))
		return MHD_YES;
	buf_init(&b, ADMIN_PAGE);
	if (!is_get(method)) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		buf_adds(&b, "only GET\n");
	} else if (!h->o.status(h->o.admin_arg, url, &b, &page)) {
		status = MHD_HTTP_NOT_FOUND;
		buf_adds(&b, "there is no such page; / is the status page\n");
	}
	return answer(conn, status, page.type, page.policy, &b);
}

static struct MHD_Daemon *
local_daemon(struct httpd *h, int fd, MHD_AccessHandlerCallback handler)
{
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handler, h,
	    MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS,
	    MHD_OPTION_CONNECTION_TIMEOUT, ADMIN_TIMEOUT_S,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_END);
}

bool
admin_start(struct httpd *h)
{
	if (h->admin.fd >= 0) {
		h->admin_daemon = local_daemon(h, h->admin.fd, admin_handler);
		if (h->admin_daemon == NULL)
			return false;
	}
	if (h->status.fd >= 0)
		h->status_daemon = local_daemon(h, h->status.fd, status_handler);
	return h->status.fd < 0 || h->status_daemon != NULL;
}
