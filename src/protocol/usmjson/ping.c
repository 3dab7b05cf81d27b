/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ping: answers at once when something is newer than what the client holds, else parks.  Order: subscribe, look,
 * park; a wake-up only means "look again", so every look subscribes anew first.  A parked ping keeps the watch and
 * three numbers, no session, no body, no thread.  What events asks and tells in the same words is here, too.
 */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

void
ping_park_free(void *park_state)
{
	struct parked *p = park_state;

	if (p == NULL)
		return;
	engine_watch_free(p->watch);
	mem_free(p);
}

void
ping_write_changed(struct buf *b, const struct ping_entry *e, size_t n)
{
	bool first = true;

	js_key(b, "changed");
	buf_addc(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (!e[i].changed)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		buf_adds(b, "{\"folder\":");
		if (e[i].folder.hierarchy)
			buf_adds(b, "null");
		else
			js_uuid(b, &e[i].folder.uuid);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void
write_answer(struct call *c, const struct parked *p, const struct ping_entry *e, size_t n)
{
	buf_addc(&c->out, '{');
	ping_write_changed(&c->out, e, n);
	buf_addf(&c->out, ",\"heartbeat\":%u}", p->heartbeat_s);
}

enum rc
ping_check(struct call *c, const struct parked *p, const struct ping_entry **e, size_t *n, size_t *changed)
{
	enum rc rc = engine_watch_check(p->watch, true, e, n, changed, &c->err);

	if (rc == RC_DENIED && engine_watch_renewed(p->watch, c->req->token))
		rc = engine_watch_check(p->watch, true, e, n, changed, &c->err);
	return rc;
}

/* Looks with W subscribed (NULL: a newer ping of this device has come); parks into C->rep (which then owns *W and *P), or writes the answer. */
static enum rc
look(struct call *c, struct parked **p, struct hub_waiter **w)
{
	const struct ping_entry *e = NULL;
	size_t n = 0, changed = 0;
	enum rc rc = *w != NULL ? ping_check(c, *p, &e, &n, &changed) : RC_OK;

	if (rc != RC_OK)
		return rc;
	if (*w == NULL || changed > 0 || (*p)->deadline_ms <= now_ms()) {
		write_answer(c, *p, e, changed > 0 ? n : 0);
		return RC_OK;
	}
	c->rep->waiter = *w;
	c->rep->deadline_ms = (*p)->deadline_ms;
	c->rep->park_state = *p;
	c->replied = true;
	*w = NULL;
	*p = NULL;
	return RC_OK;
}

static enum rc
read_entry(struct rd *r, const json_t *j, struct ping_entry *e)
{
	enum { FOLDER, SYNCID, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_NULL, 0, 0 },
		[SYNCID] = { "syncid", RD_SYNCID, RD_REQUIRED, 0, 0 },
	};
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, N, v);

	if (rc != RC_OK)
		return rc;
	rd_folder(v[FOLDER], &e->folder);
	rd_syncid(v[SYNCID], &e->syncid);
	return RC_OK;
}

/* the hierarchy counts as the folder with the uuid zero, which no folder has */
static enum rc
entries_distinct(struct rd *r, const struct ping_entry *e, size_t n)
{
	struct uuid *u = arena_array(r->c->arena, struct uuid, n);
	size_t dup;

	if (u == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		u[i] = e[i].folder.uuid;
	if (uuids_distinct(r->c->arena, u, n, &dup) != RC_OK)
		return rd_fail(r, RC_NOMEM, "out of memory");
	if (dup == n)
		return RC_OK;
	(void)rd_enter_index(r, dup);
	return rd_fail(r, RC_PROTO, "is in the request twice");
}

static enum rc
read_entries(struct rd *r, const json_t *list, struct ping_entry **out, size_t *n)
{
	size_t i, mark = rd_enter(r, "folders"), inner;
	json_t *j;
	enum rc rc;

	*n = json_array_size(list);
	*out = arena_array(r->c->arena, struct ping_entry, *n);
	if (*out == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	json_array_foreach(list, i, j) {
		inner = rd_enter_index(r, i);
		rc = read_entry(r, j, &(*out)[i]);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, inner);
	}
	rc = entries_distinct(r, *out, *n);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

static unsigned
grant(const struct usmjson_options *o, int64_t asked_s)
{
	if (asked_s < (int64_t)o->min_heartbeat_s)
		return o->min_heartbeat_s;
	return asked_s > (int64_t)o->max_heartbeat_s ? o->max_heartbeat_s : (unsigned)asked_s;
}

enum rc
ping_begin(struct call *c, enum watch_kind kind, struct parked **out, struct hub_waiter **waiter)
{
	enum { FOLDERS, HEARTBEAT, N };
	const struct rd_member m[N] = {
		[FOLDERS] = { "folders", RD_ARRAY, RD_REQUIRED, 1, (int64_t)c->u->o.max_ping_folders },
		[HEARTBEAT] = { "heartbeat", RD_INT, RD_REQUIRED, 1, INT32_MAX },
	};
	struct ping_entry *e;
	struct parked *p;
	json_t *v[N];
	struct rd r;
	size_t n;
	enum rc rc;

	*out = NULL;
	*waiter = NULL;
	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = read_entries(&r, v[FOLDERS], &e, &n);
	if (rc != RC_OK)
		return rc;
	p = mem_alloc(sizeof(*p));
	if (p == NULL)
		return rd_fail(&r, RC_NOMEM, "out of memory");
	p->kind = kind;
	p->heartbeat_s = engine_wait_begins(c->session, c->req->client_ip, grant(&c->u->o, json_integer_value(v[HEARTBEAT])));
	p->deadline_ms = now_ms() + (msec_t)p->heartbeat_s * 1000;
	rc = engine_watch_new(c->session, kind, e, n, &p->watch, waiter, &c->err);
	if (rc == RC_LIMIT) {
		/* as many wait as this server can hold: another node, or later */
		rc = c->err.rc = RC_BUSY;
		c->err.retry_after_s = c->err.retry_after_s > 0 ? c->err.retry_after_s : 30;
	}
	if (rc == RC_OK)
		*out = p;
	else
		ping_park_free(p);
	return rc;
}

void
ping_note_end(const struct parked *p, const struct request *req)
{
	msec_t left_ms = p->deadline_ms - now_ms();
	unsigned left_s = left_ms > 0 ? (unsigned)((left_ms + 999) / 1000) : 0;

	if (req->shutting_down || left_s > p->heartbeat_s)
		return; /* neither the way nor the client ended it */
	engine_wait_ended(p->watch, req->client_ip, p->heartbeat_s - left_s, req->deadline_passed ? WAIT_ANSWERED : req->gone ? WAIT_CUT : WAIT_RETURNED);
}

enum rc
cmd_ping(struct call *c)
{
	struct hub_waiter *w;
	struct parked *p;
	enum rc rc = ping_begin(c, WATCH_PING, &p, &w);

	if (p != NULL)
		rc = look(c, &p, &w);
	hub_waiter_free(w);
	ping_park_free(p);
	return rc;
}

void
ping_resume(struct usmjson *u, const struct request *req, struct reply *rep)
{
	struct parked *p = req->parked;
	struct hub_waiter *w = NULL;
	struct call c;
	enum rc rc;

	rc = call_init(&c, u, req, rep);
	if (rc != RC_OK)
		goto out;
	call_begin(&c);
	if (req->deadline_passed || req->finish) {
		ping_note_end(p, req);
		write_answer(&c, p, NULL, 0);
	} else {
		rc = engine_watch_resubscribe(p->watch, &w, &c.err);
		if (rc == RC_OK)
			rc = look(&c, &p, &w);
	}

out:
	if (rc != RC_OK)
		call_reply_error(&c, rc);
	else if (!c.replied)
		call_reply_ok(&c);
	call_fini(&c);
	hub_waiter_free(w);
	/* the parked state is httpd's: it keeps it when REP names it again, else frees it */
}
