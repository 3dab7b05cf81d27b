/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Life of the server: bind, start, drain, stop.  The order of stopping is the point of this file: libmicrohttpd
 * aborts when it is stopped with a suspended connection, and a thread inside a protocol cannot be taken away.
 */
#include "httpd/httpd_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define FILES_OF_OURS 512U /* pools, sockets, logs beside the client connections */
#define STOP_DEADLINE_MS 5000

static void
mhd_log(void *cls, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void
mhd_log(void *cls, const char *fmt, va_list ap)
{
	static const char refused[] = "Error processing request";
	char text[256];

	(void)cls;
	/* what it refuses by itself, it tells nobody but its log */
	if (strncmp(fmt, refused, sizeof(refused) - 1) == 0)
		metric_add(M_HTTP_MALFORMED, 1);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	/* what a client did wrong on the wire is no warning; the access line has its status */
	log_debug("http", "text=%s", text);
}

static void
httpd_destroy(struct httpd *h)
{
	reaper_stop(h);
	acceptor_fini(&h->acceptor);
	listener_close(&h->client);
	listener_close(&h->admin);
	listener_close(&h->status);
	proxies_fini(&h->proxies);
	conns_fini(&h->conns);
	(void)pthread_cond_destroy(&h->idle);
	(void)pthread_mutex_destroy(&h->lock);
	mem_free(h->protocols);
	for (size_t i = 0; i < h->n_workers; i++)
		(void)pthread_cond_destroy(&h->workers[i].called);
	mem_free(h->workers);
	mem_free(h);
}

static enum rc
open_sockets(struct httpd *h, const struct httpd_options *o, struct err *e)
{
	enum rc rc;

	if (o->listen_fd > 0)
		rc = listener_adopt("listen", o->listen_fd, o->keepalive_s, &h->client, e);
	else
		rc = listener_open("listen", o->listen, o->listen_mode, o->keepalive_s, &h->client, e);
	if (rc == RC_OK && o->admin_fd > 0)
		rc = listener_adopt("admin_listen", o->admin_fd, 0, &h->admin, e);
	else if (rc == RC_OK && o->admin_listen != NULL && o->admin_listen[0] != '\0')
		rc = listener_open("admin_listen", o->admin_listen, o->listen_mode, 0, &h->admin, e);
	return rc;
}

enum rc
httpd_new(const struct httpd_options *o, const struct protocol *protocols, size_t n, struct hub *hub,
    struct httpd **out, struct err *e)
{
	struct httpd *h = mem_alloc(sizeof(*h));
	pthread_condattr_t monotonic;
	enum rc rc;

	*out = NULL;
	if (h == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	h->o = *o;
	h->hub = hub;
	h->began_ms = now_ms();
	h->client.fd = h->admin.fd = h->status.fd = h->acceptor.wake = h->reaper_fd = h->reaper_stop = -1;
	h->fresh_end = &h->fresh;
	h->woken_end = &h->woken;
	(void)pthread_mutex_init(&h->lock, NULL);
	conns_init(&h->conns);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->idle, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	h->protocols = mem_alloc(n * sizeof(*h->protocols));
	h->workers = mem_alloc(o->workers * sizeof(*h->workers));
	if (h->protocols == NULL || h->workers == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	if (n != 0)
		memcpy(h->protocols, protocols, n * sizeof(*h->protocols));
	h->n_protocols = n;
	if (o->event_threads == 0 || o->workers == 0 || o->queue_length == 0) {
		rc = err_set(e, RC_PROTO, "event_threads, workers and queue_length must be at least 1");
		goto out;
	}
	rc = proxies_parse(o->trusted_proxies, &h->proxies, e);
	if (rc == RC_OK)
		rc = open_sockets(h, o, e);
	if (rc == RC_OK && o->status_listen != NULL && o->status_listen[0] != '\0')
		rc = listener_open("status_listen", o->status_listen, o->listen_mode, 0, &h->status, e);
	/* they belong to the caller and may be gone when we look again */
	h->o.status_listen = h->o.listen = h->o.admin_listen = h->o.trusted_proxies = NULL;

out:
	if (rc != RC_OK)
		httpd_destroy(h);
	else
		*out = h;
	return rc;
}

/* A connection is a file descriptor: take what the hard limit gives, and say so when it is not enough. */
static void
files_limit(unsigned connections)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur < (rlim_t)connections + FILES_OF_OURS)
		log_warn("files-limit", "max_connections=%u files=%llu text=raise LimitNOFILE to at least %u or lower max_connections",
		    connections, (unsigned long long)rl.rlim_cur, connections + FILES_OF_OURS);
}

enum rc
httpd_start(struct httpd *h, struct err *e)
{
	int rc = 0;

	files_limit(h->o.max_connections);
	(void)pthread_mutex_lock(&h->lock);
	while (rc == 0 && h->n_workers < h->o.workers) {
		struct worker *w = &h->workers[h->n_workers];

		w->h = h;
		(void)pthread_cond_init(&w->called, NULL);
		rc = pthread_create(&w->thread, NULL, worker_main, w);
		if (rc == 0) {
			h->n_workers++;
			h->running++;
		}
	}
	(void)pthread_mutex_unlock(&h->lock);
	if (rc != 0)
		return err_set(e, RC_INTERNAL, "cannot start worker thread %zu of %u: %s", h->n_workers + 1, h->o.workers, strerror(rc));
	if (reaper_start(h, e) != RC_OK)
		return e->rc;
	/* a pool of one is no pool for libmicrohttpd: 0 asks for a single thread */
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, conn_accept, h,
	    request_handler, h,
	    MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
	    MHD_OPTION_THREAD_POOL_SIZE, h->o.event_threads > 1 ? h->o.event_threads : 0U,
	    MHD_OPTION_CONNECTION_LIMIT, h->o.max_connections * h->o.event_threads, /* a share each; who is accepted is ours to say */
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, h->o.connection_memory,
	    MHD_OPTION_CONNECTION_TIMEOUT, h->o.client_timeout_s,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_NOTIFY_COMPLETED, request_completed, h,
	    MHD_OPTION_NOTIFY_CONNECTION, conn_notify, h,
	    MHD_OPTION_END);
	if (h->daemon == NULL || !admin_start(h))
		return err_set(e, RC_INTERNAL, "cannot start the HTTP event threads: %s", strerror(errno));
	return acceptor_start(h, e);
}

/* Wait for *COUNT to become 0; returns what it is at the end. */
static size_t
await_zero(struct httpd *h, const size_t *count, msec_t deadline_ms)
{
	/* as in the hub: a span of the monotonic clock, which no step of the wall clock moves */
	int64_t until_us = now_mono_us() + (deadline_ms - now_ms()) * 1000;
	struct timespec ts = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	size_t left;

	(void)pthread_mutex_lock(&h->lock);
	while (*count > 0 && pthread_cond_timedwait(&h->idle, &h->lock, &ts) == 0)
		;
	left = *count;
	(void)pthread_mutex_unlock(&h->lock);
	return left;
}

/* Requests that no worker has begun: answered at once, so that their connections are not left suspended. */
static void
refuse_queued(struct httpd *h)
{
	struct hreq *r;

	(void)pthread_mutex_lock(&h->lock);
	r = h->fresh;
	h->fresh = NULL;
	h->fresh_end = &h->fresh;
	h->n_fresh = 0;
	(void)pthread_mutex_unlock(&h->lock);
	while (r != NULL) {
		struct hreq *next = r->next;

		request_free_body(r);
		request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, 1, "the server is shutting down");
		request_done(r);
		r = next;
	}
}

void
httpd_leave(struct httpd *h, msec_t span_ms)
{
	atomic_store(&h->leaving, true);
	hub_drain(h->hub, span_ms);
}

size_t
httpd_drain(struct httpd *h, msec_t deadline_ms)
{
	if (h->daemon == NULL)
		return 0;
	atomic_store(&h->leaving, true);
	if (!atomic_exchange(&h->draining, true)) {
		acceptor_stop(&h->acceptor);
		listener_close(&h->client);
	}
	hub_shutdown(h->hub);
	refuse_queued(h);
	return await_zero(h, &h->in_flight, deadline_ms);
}

bool
httpd_free(struct httpd *h)
{
	if (h == NULL)
		return true;
	(void)httpd_drain(h, now_ms() + STOP_DEADLINE_MS);
	(void)pthread_mutex_lock(&h->lock);
	h->stop = true;
	workers_call_locked(h);
	(void)pthread_mutex_unlock(&h->lock);
	/* no worker left means nothing suspended, which libmicrohttpd does not end with: only answers that a slow client has not taken may be cut off */
	if (await_zero(h, &h->running, now_ms() + STOP_DEADLINE_MS) > 0)
		return false;
	for (size_t i = 0; i < h->n_workers; i++)
		(void)pthread_join(h->workers[i].thread, NULL);
	/* first, because /metrics asks the other daemon for its connections; MHD closes the sockets that it was given */
	if (h->admin_daemon != NULL) {
		MHD_stop_daemon(h->admin_daemon);
		h->admin.fd = -1;
	}
	if (h->status_daemon != NULL) {
		MHD_stop_daemon(h->status_daemon);
		h->status.fd = -1;
	}
	if (h->daemon != NULL)
		MHD_stop_daemon(h->daemon);
	httpd_destroy(h);
	return true;
}

msec_t
httpd_stalled_ms(struct httpd *h)
{
	int64_t us;

	(void)pthread_mutex_lock(&h->lock);
	us = h->fresh != NULL || h->woken != NULL ? now_mono_us() - h->moved_us : 0;
	(void)pthread_mutex_unlock(&h->lock);
	return us / 1000;
}

unsigned
httpd_port(const struct httpd *h)
{
	return h->client.port;
}

unsigned
httpd_admin_port(const struct httpd *h)
{
	return h->admin.port;
}
