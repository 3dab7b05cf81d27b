/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The bounded queue and the workers: straight-line, blocking protocol code, one request at a time.
 * Also the way into the hub and back, because parking is what a worker does instead of answering.
 */
#include "httpd/httpd_int.h"

#include <string.h>

/*
 * Resting workers are a stack: the one that rests shortest is called, because its stack, its allocator's memory and the connections
 * that it used last are still in the processor's caches.  One condition variable for all would wake them in turn.
 */
static struct worker *
pop_resting_locked(struct httpd *h)
{
	struct worker *w = h->resting;

	if (w == NULL)
		return NULL; /* whoever works now looks at the queue before it rests */
	h->resting = w->next;
	w->is_called = true;
	return w;
}

/* Ends the holding of the lock: a worker that is called under it would wake only to wait for it. */
static void
unlock_and_call_one(struct httpd *h)
{
	struct worker *w = pop_resting_locked(h);

	(void)pthread_mutex_unlock(&h->lock);
	if (w != NULL)
		(void)pthread_cond_signal(&w->called);
}

void
workers_call_locked(struct httpd *h)
{
	struct worker *w;

	while ((w = pop_resting_locked(h)) != NULL)
		(void)pthread_cond_signal(&w->called);
}

static void
rest_locked(struct httpd *h, struct worker *me)
{
	me->is_called = false;
	me->next = h->resting;
	h->resting = me;
	while (!me->is_called)
		(void)pthread_cond_wait(&me->called, &h->lock);
}

/* What comes into an empty queue begins to wait now (httpd_stalled_ms). */
static void
note_arrival_locked(struct httpd *h)
{
	if (h->fresh == NULL && h->woken == NULL)
		h->moved_us = now_mono_us();
}

/* A place in the queue, promised before the connection is suspended: afterwards it is too late to refuse simply. */
bool
queue_reserve(struct httpd *h)
{
	bool ok;

	(void)pthread_mutex_lock(&h->lock);
	ok = h->n_fresh + h->reserved < h->o.queue_length && !h->stop;
	if (ok) {
		h->reserved++;
		h->suspended++;
		h->in_flight++;
	}
	(void)pthread_mutex_unlock(&h->lock);
	return ok;
}

bool
queue_hold(struct httpd *h)
{
	bool ok;

	(void)pthread_mutex_lock(&h->lock);
	ok = !h->stop;
	h->suspended += ok;
	(void)pthread_mutex_unlock(&h->lock);
	return ok;
}

void
queue_push_reserved(struct httpd *h, struct hreq *r)
{
	r->in_flight = true;
	r->next = NULL;
	r->deadline_ms = 0; /* their memory was the body's until now */
	r->woken_us = 0;
	r->queued_us = now_mono_us();
	(void)pthread_mutex_lock(&h->lock);
	h->reserved--;
	note_arrival_locked(h);
	h->n_fresh++;
	*h->fresh_end = r;
	h->fresh_end = &r->next;
	unlock_and_call_one(h);
}

/* Called by an event thread; once all workers have ended (the server stops), by that thread itself. */
void
request_dispose(struct hreq *r)
{
	struct httpd *h = r->h;
	bool workers;

	r->lost = true;
	r->next = NULL;
	(void)pthread_mutex_lock(&h->lock);
	workers = h->running > 0; /* each looks at the queue once more before it ends */
	if (workers) {
		note_arrival_locked(h);
		*h->woken_end = r;
		h->woken_end = &r->next;
	}
	unlock_and_call_one(h);
	if (!workers) {
		r->proto->park_free(r->park_state);
		request_free(r);
	}
}

/* A request that was admitted once is never refused for want of room: the list is intrusive and needs none. */
static void
queue_push_woken(struct hreq *r)
{
	struct httpd *h = r->h;

	r->next = NULL;
	(void)pthread_mutex_lock(&h->lock);
	note_arrival_locked(h);
	*h->woken_end = r;
	h->woken_end = &r->next;
	unlock_and_call_one(h);
}

static struct hreq *
queue_take_locked(struct httpd *h)
{
	struct hreq *r;

	h->moved_us = now_mono_us();
	if (h->woken != NULL && (h->woken_turn || h->fresh == NULL)) {
		r = h->woken;
		h->woken = r->next;
		if (h->woken == NULL)
			h->woken_end = &h->woken;
		h->woken_turn = false;
	} else {
		r = h->fresh;
		h->fresh = r->next;
		if (h->fresh == NULL)
			h->fresh_end = &h->fresh;
		h->n_fresh--;
		h->woken_turn = true;
	}
	return r;
}

/* R has its response: hand it back to its event thread.  R must not be touched afterwards. */
void
request_done(struct hreq *r)
{
	struct httpd *h = r->h;
	struct MHD_Connection *conn = r->conn;

	/* before the resume, which the end of the last worker waits for: it is this one, or httpd_free's own thread */
	(void)pthread_mutex_lock(&h->lock);
	if (--h->suspended == 0 && h->stop)
		workers_call_locked(h); /* now they may end */
	(void)pthread_mutex_unlock(&h->lock);
	MHD_resume_connection(conn);
}

/* Hub callback, any thread: the truth is read again by a worker, never here. */
static void
on_parking_end(void *arg, enum hub_end why)
{
	struct hreq *r = arg;

	r->end = why;
	r->queued_us = now_mono_us();
	r->woken_us = why == HUB_WOKEN ? r->queued_us : 0;
	queue_push_woken(r);
}

/*
 * How long wake-ups wait from now on: one that looked and found nothing need not look after the next change in the same instant.  But for
 * the first time after a pause: it may have been told of what could not be read yet, and is woken again as soon as it can.
 */
static msec_t
hold_of(struct hreq *r, bool told)
{
	msec_t interval = r->h->o.wake_interval_ms;
	uint32_t now = (uint32_t)(now_mono_us() / 1000) | 1;
	bool again = r->vain_ms != 0 && now - r->vain_ms < 2 * interval;

	if (!r->parked_before) {
		r->parked_before = true;
		return 0;
	}
	r->vain_ms = now;
	return told || again ? interval : 0;
}

void
request_park(struct hreq *r, bool told)
{
	msec_t hold_ms = hold_of(r, told);
	enum hub_end why;

	/* the number must be known to the hub before the socket can report by it */
	hub_identify(r->waiter, r->id);
	reaper_arm(r);
	/* from a successful hub_park on R belongs to whoever ends the parking */
	why = hub_park(r->waiter, r->deadline_ms, hold_ms, on_parking_end, r);
	if (why != HUB_PARKED) /* through the queue, not a loop: a folder that changes all the time must not keep this thread */
		on_parking_end(r, why);
}

/* The answer to a wake-up is ready. */
static void
note_latency(struct hreq *r)
{
	if (r->woken_us != 0)
		metric_time(F_WAKEUP_TIME, NULL, now_mono_us() - r->woken_us);
	r->woken_us = 0;
}

static const char *
header_of(const struct hreq *r, const char *name)
{
	const char *v = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);

	return v != NULL ? v : "";
}

static const char *
header_of_request(const struct request *req, const char *name)
{
	return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

const char *
request_token(const struct hreq *r, bool *bearer)
{
	static const char scheme[] = "Bearer ";
	const char *auth = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

	*bearer = auth != NULL && strncasecmp(auth, scheme, sizeof(scheme) - 1) == 0;
	if (*bearer) {
		auth += sizeof(scheme) - 1;
		return auth + strspn(auth, " ");
	}
	return MHD_lookup_connection_value(r->conn, MHD_COOKIE_KIND, "usm_session");
}

/* Whose request it is shows only while it is worked on, so both halves are told behind it. */
static void
trace(const struct hreq *r, const struct request *req, const struct reply *rep)
{
	int64_t device = log_ctx()->device;
	msec_t now = now_ms();
	const struct trace_record asked = { .side = TRACE_CLIENT, .method = "POST", .what = log_ctx()->command != NULL ? log_ctx()->command : "other",
		.body = req->body, .len = req->body_len, .at = now - (now_mono_us() - r->start_us) / 1000 };
	const struct trace_record answered = { .side = TRACE_CLIENT, .answer = true, .status = rep->status, .body = rep->body, .len = rep->body_len, .at = now };

	if (!r->parked_before)
		trace_record(device, &asked);
	if (rep->status != 0)
		trace_record(device, &answered);
}

static void
run_request(struct hreq *r)
{
	const struct protocol *p = r->proto;
	bool draining = atomic_load(&r->h->draining);
	char client_ip[CLIENT_IP_SIZE];
	struct request req = {
		.id = r->id,
		.method = r->method,
		.path = r->url + strlen(p->base),
		.user_agent = header_of(r, MHD_HTTP_HEADER_USER_AGENT),
		.language = header_of(r, MHD_HTTP_HEADER_ACCEPT_LANGUAGE),
		.content_type = header_of(r, MHD_HTTP_HEADER_CONTENT_TYPE),
		.last_event_id = header_of(r, "Last-Event-ID"),
		.client_ip = client_ip,
		.body = r->body.p != NULL ? r->body.p : "",
		.body_len = r->body.len,
		.header = header_of_request,
		.connection = r->conn,
		.parked = r->park_state,
	};
	struct reply rep = { 0 };
	struct log_ctx *ctx = log_ctx();
	int64_t t0 = now_mono_us();

	address_format(r->client, client_ip);
	req.token = request_token(r, &req.bearer);
	if (r->parked_before) {
		req.deadline_passed = r->end == HUB_DEADLINE;
		req.shutting_down = r->end == HUB_SHUTDOWN || draining || (r->end == HUB_DEADLINE && atomic_load(&r->h->leaving));
		req.gone = r->end == HUB_GONE;
		req.finish = req.shutting_down || r->end == HUB_REPLACED || r->end == HUB_GONE;
	}
	hub_waiter_free(r->waiter);
	r->waiter = NULL;
	/* a request that was parked is known already */
	*ctx = (struct log_ctx){ .req = r->id, .account = r->account, .device = r->device, .command = r->command };
	r->times.queue_us += t0 - r->queued_us;
	metric_time(F_QUEUE_TIME, NULL, t0 - r->queued_us);
	*work_times() = r->times;
	p->handle(p->self, &req, &rep);
	if (trace_wanted(ctx->device, TRACE_CLIENT))
		trace(r, &req, &rep);
	r->account = ctx->account;
	r->device = ctx->device;
	r->command = ctx->command;
	r->times = *work_times();
	*ctx = (struct log_ctx){ 0 };
	r->work_us += now_mono_us() - t0;
	if (rep.park_state != r->park_state && r->park_state != NULL)
		p->park_free(r->park_state);
	r->park_state = NULL;

	if (rep.status != 0 && (!rep.stream || rep.body != NULL))
		note_latency(r);
	if (rep.stream || r->stream != NULL) {
		stream_go_on(r, &rep);
		return;
	}
	if (rep.waiter != NULL && !draining && !req.finish && rep.status == 0) {
		request_free_body(r);
		r->waiter = rep.waiter;
		r->park_state = rep.park_state;
		r->deadline_ms = rep.deadline_ms;
		request_park(r, false);
		return;
	}
	hub_waiter_free(rep.waiter);
	if (rep.park_state != NULL)
		p->park_free(rep.park_state);
	request_free_body(r);
	if (rep.status != 0)
		request_set_reply(r, &rep);
	else if (rep.waiter != NULL && draining)
		request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, 1, "the server is shutting down");
	else
		request_refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, 0, "the request was not answered");
	request_done(r);
}

void *
worker_main(void *arg)
{
	struct worker *me = arg;
	struct httpd *h = me->h;

	(void)pthread_mutex_lock(&h->lock);
	for (;;) {
		struct hreq *r;

		while (h->fresh == NULL && h->woken == NULL && (!h->stop || h->suspended > 0))
			rest_locked(h, me);
		if (h->fresh == NULL && h->woken == NULL)
			break;
		r = queue_take_locked(h);
		h->busy++;
		(void)pthread_mutex_unlock(&h->lock);
		if (r->lost) {
			r->proto->park_free(r->park_state);
			request_free(r);
		} else {
			run_request(r);
		}
		(void)pthread_mutex_lock(&h->lock);
		h->busy--;
	}
	h->running--;
	(void)pthread_cond_broadcast(&h->idle);
	(void)pthread_mutex_unlock(&h->lock);
	return NULL;
}
