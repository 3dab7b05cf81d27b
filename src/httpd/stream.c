/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Answers that do not end: a piece is sent, then the request is parked until there is another one.  libmicrohttpd asks for octets
 * when its socket takes some; a client that does not read costs one piece and its socket's buffer, because the next piece is made
 * only after this one is gone, and is dropped by libmicrohttpd after client_timeout.
 */
#include "httpd/httpd_int.h"

#include <string.h>

#define BLOCK 512U /* what is sent at a time to a client of HTTP/1.0; others take what the connection's memory holds */

static void
piece_free(struct stream *st)
{
	mem_free(st->piece);
	st->piece = NULL;
	st->len = st->at = 0;
}

/* Event thread: the socket takes up to MAX octets. */
static ssize_t
on_room(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct hreq *r = cls;
	struct httpd *h = r->h;
	struct stream *st = r->stream;
	size_t n = st->len - st->at;

	(void)pos;
	if (n > 0) {
		n = n < max ? n : max;
		memcpy(buf, st->piece + st->at, n);
		st->at += n;
		r->bytes_out += n;
		if (st->at == st->len)
			piece_free(st);
		return (ssize_t)n;
	}
	if (r->waiter == NULL || !queue_hold(h))
		return MHD_CONTENT_READER_END_OF_STREAM;
	/* in this order, as for a new request; from the parking on R belongs to others */
	(void)MHD_suspend_connection(r->conn);
	request_park(r, true);
	return 0;
}

static bool
stream_begin(struct hreq *r, struct reply *rep)
{
	r->stream = mem_alloc(sizeof(*r->stream));
	if (r->stream == NULL)
		return false;
	r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_room, r, NULL);
	if (r->response == NULL) {
		mem_free(r->stream);
		r->stream = NULL;
		return false;
	}
	r->status = rep->status;
	request_headers(r, rep);
	metric_add(M_STREAMS, 1);
	return true;
}

void
stream_go_on(struct hreq *r, struct reply *rep)
{
	bool first = r->stream == NULL;

	request_free_body(r);
	r->waiter = rep->waiter;
	r->park_state = rep->park_state;
	r->deadline_ms = rep->deadline_ms;
	if (first && !stream_begin(r, rep)) {
		hub_waiter_free(r->waiter);
		r->waiter = NULL;
		if (r->park_state != NULL)
			r->proto->park_free(r->park_state);
		r->park_state = NULL;
		mem_free(rep->body);
		request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, 5, "the server is out of memory");
		request_done(r);
		return;
	}
	if (rep->stream) {
		r->stream->piece = rep->body;
		r->stream->len = rep->body != NULL ? rep->body_len : 0;
	} else {
		mem_free(rep->body); /* an error has no place in an answer that has begun: it ends */
	}
	rep->body = NULL;
	if (!first && r->stream->len == 0 && r->waiter != NULL)
		request_park(r, false); /* nothing to send: it has never left its parking */
	else
		request_done(r);
}

void
stream_fini(struct hreq *r)
{
	if (r->stream == NULL)
		return;
	piece_free(r->stream);
	mem_free(r->stream);
	r->stream = NULL;
	metric_add(M_STREAMS, -1);
}
