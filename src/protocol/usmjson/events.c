/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * events: what ping answers, as a stream of server-sent events (WHATWG HTML, "Server-sent events").  Each event names the folders
 * that have changed since the one before.  Its id is what was told, a state for each folder, so that a client that comes back with
 * Last-Event-ID, to whatever node, is told what it missed: from the indexes as they are, not from a memory of events.
 */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define POSITION "1." /* version of the ids */
#define STATE_BYTES (WATCH_STATE_BITS / 8)
#define RETRY_MS 3000
#define RETRY_AFTER_FAILURE_MS 30000
#define PIECE_MAX ((size_t)8 * 1024 * 1024)

static void
add_position(struct buf *b, const struct ping_entry *e, size_t n)
{
	struct buf raw;

	buf_init(&raw, PIECE_MAX);
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < STATE_BYTES; k++)
			buf_addc(&raw, (char)(unsigned char)(e[i].state >> (8 * k)));
	buf_adds(b, "id: " POSITION);
	if (raw.failed)
		b->failed = true;
	else
		base64_encode(b, raw.p != NULL ? raw.p : "", raw.len);
	buf_addc(b, '\n');
	buf_fini(&raw);
}

/* The states of a Last-Event-ID; false when it is none of ours, as of another version: then the syncids count. */
static bool
read_position(struct arena *a, const char *id, uint64_t **states, size_t *n)
{
	struct buf raw;
	bool ok;

	*n = 0;
	buf_init(&raw, PIECE_MAX);
	ok = strncmp(id, POSITION, strlen(POSITION)) == 0 && base64_decode(&raw, id + strlen(POSITION), strlen(id) - strlen(POSITION)) &&
	    raw.len > 0 && raw.len % STATE_BYTES == 0;
	*states = ok ? arena_array(a, uint64_t, raw.len / STATE_BYTES) : NULL;
	ok = *states != NULL;
	for (size_t at = 0; ok && at < raw.len; at += STATE_BYTES, (*n)++) {
		(*states)[*n] = 0;
		for (unsigned k = STATE_BYTES; k-- > 0;)
			(*states)[*n] = (*states)[*n] << 8 | (unsigned char)raw.p[at + k];
	}
	buf_fini(&raw);
	return ok;
}

/* The piece in OUT goes out; with W and P, which are given away, the stream goes on after it. */
static void
send_piece(struct call *c, struct buf *out, struct parked **p, struct hub_waiter **w)
{
	struct reply *rep = c->rep;

	rep->status = 200;
	rep->stream = true;
	rep->content_type = "text/event-stream";
	c->replied = true;
	if (out->failed)
		return; /* the stream ends: the client comes back with what it was told last */
	if (out->len > 0)
		rep->body = buf_take(out, &rep->body_len);
	if (p == NULL)
		return;
	rep->waiter = *w;
	rep->deadline_ms = (*p)->deadline_ms;
	rep->park_state = *p;
	*w = NULL;
	*p = NULL;
}

/* Looks with *W subscribed, and tells what is there to be told. */
static enum rc
look(struct call *c, struct parked **p, struct hub_waiter **w, bool first, bool beat)
{
	const struct ping_entry *e = NULL;
	size_t n = 0, changed = 0;
	struct buf b;
	enum rc rc = ping_check(c, *p, &e, &n, &changed);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, PIECE_MAX);
	if (first)
		buf_addf(&b, ": heartbeat %u\nretry: %d\n\n", (*p)->heartbeat_s, RETRY_MS);
	if (first || changed > 0)
		add_position(&b, e, n);
	if (changed > 0) {
		buf_adds(&b, "event: changed\ndata: {");
		ping_write_changed(&b, e, n);
		buf_adds(&b, "}\n\n");
	} else if (first) {
		buf_addc(&b, '\n');
	} else if (beat) {
		buf_adds(&b, ":\n\n");
	}
	if (beat || changed > 0)
		(*p)->deadline_ms = now_ms() + (msec_t)(*p)->heartbeat_s * 1000;
	send_piece(c, &b, p, w);
	buf_fini(&b);
	return RC_OK;
}

/* The last piece: why it ends, and when to come back (0 = whenever the client wants). */
static void
end_stream(struct call *c, const char *why, msec_t retry_ms)
{
	struct buf b;

	buf_init(&b, 1024);
	buf_addf(&b, ": %s\n", why);
	if (retry_ms > 0)
		buf_addf(&b, "retry: %lld\n", (long long)retry_ms);
	buf_addc(&b, '\n');
	send_piece(c, &b, NULL, NULL);
	buf_fini(&b);
}

enum rc
cmd_events(struct call *c)
{
	struct hub_waiter *w;
	struct parked *p;
	uint64_t *states;
	size_t n;
	enum rc rc = ping_begin(c, WATCH_EVENTS, &p, &w);

	if (p != NULL && read_position(c->arena, c->req->last_event_id, &states, &n))
		rc = engine_watch_replay(p->watch, states, n, &c->err);
	if (rc == RC_OK && w == NULL)
		end_stream(c, "this device has begun a newer stream", 0);
	else if (rc == RC_OK && p != NULL)
		rc = look(c, &p, &w, true, false);
	hub_waiter_free(w);
	ping_park_free(p);
	return rc;
}

/* The answer has begun, so an error cannot be told by a status: the stream ends, and who comes back hears it. */
static void
fail(struct call *c, enum rc rc)
{
	log_debug("events", "failed=%s %s", rc_name(rc), c->err.text);
	if (rc == RC_DENIED)
		end_stream(c, "log in again", 0);
	else
		end_stream(c, "the server cannot look at the moment", c->err.retry_after_s > 0 ? c->err.retry_after_s * INT64_C(1000) : RETRY_AFTER_FAILURE_MS);
}

void
events_resume(struct usmjson *u, const struct request *req, struct reply *rep)
{
	struct parked *p = req->parked;
	struct hub_waiter *w = NULL;
	struct call c;
	unsigned char chance[4];
	enum rc rc;

	rc = call_init(&c, u, req, rep);
	if (rc != RC_OK) {
		fail(&c, rc);
		goto out;
	}
	if (req->shutting_down) {
		/* each at a moment of its own, so that they do not all arrive at the next node at once */
		random_bytes(chance, sizeof(chance));
		end_stream(&c, "the server stops", 1000 + (chance[0] | chance[1] << 8 | chance[2] << 16) % u->o.retry_spread_ms);
		goto out;
	}
	if (req->finish)
		ping_note_end(p, req);
	else
		rc = engine_watch_resubscribe(p->watch, &w, &c.err);
	if (rc == RC_OK && w == NULL)
		end_stream(&c, "this device has begun a newer stream", 0);
	else if (rc == RC_OK)
		rc = look(&c, &p, &w, false, req->deadline_passed);
	if (rc != RC_OK)
		fail(&c, rc);

out:
	call_fini(&c);
	hub_waiter_free(w);
	/* the parked state is httpd's: it keeps it when REP names it again, else frees it */
}
