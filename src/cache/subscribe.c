/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The subscriber: one thread with a connection of its own that hears what other nodes publish.  It connects again for as long as
 * it takes, and tells when it hears and when not, because messages of the time between are lost (Redis keeps none).
 */
#include "cache_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PING_AFTER_MS 15000 /* without a message for this long: is the peer still there? */

/* Waits for R (NULL: for nothing) at most MS; false = cache_free wants the thread to end. */
static bool
wait_for(const struct cache *c, const redisContext *r, int ms, bool *readable)
{
	struct pollfd p[2] = { { .fd = c->stop[0], .events = POLLIN }, { .fd = r != NULL ? r->fd : -1, .events = POLLIN } };
	int n;

	do {
		n = poll(p, 2, ms);
	} while (n < 0 && errno == EINTR);
	*readable = n > 0 && p[1].revents != 0;
	return n <= 0 || p[0].revents == 0;
}

static uint64_t
number_at(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void
hear(const struct cache *c, const redisReply *m)
{
	const unsigned char *p;
	size_t len;
	bool own;

	if (m->type != REDIS_REPLY_ARRAY || m->elements != 3 || m->element[2]->type != REDIS_REPLY_STRING || strcmp(m->element[0]->str, "message") != 0)
		return; /* answers to SUBSCRIBE and PING */
	p = (const unsigned char *)m->element[2]->str;
	len = (size_t)m->element[2]->len;
	if (len < CACHE_NODE)
		return;
	own = memcmp(p, c->node, CACHE_NODE) == 0;
	if (len == CACHE_MESSAGE && !own)
		c->ear.on_topic(c->ear.arg, number_at(p + CACHE_NODE));
	else if (len == CACHE_CLAIM) /* of another length: strangers on our channel */
		c->ear.on_claim(c->ear.arg, number_at(p + CACHE_NODE), number_at(p + CACHE_MESSAGE), own);
}

/* Every complete message that has been read; false when the connection is broken. */
static bool
hear_all(const struct cache *c, redisContext *r)
{
	void *m = NULL;

	if (redisBufferRead(r) != REDIS_OK)
		return false;
	while (redisGetReplyFromReader(r, &m) == REDIS_OK) {
		if (m == NULL)
			return true;
		hear(c, m);
		freeReplyObject(m);
		m = NULL;
	}
	return false;
}

static bool
say(redisContext *r, const char *command)
{
	int done = 0;

	if (redisAppendCommand(r, command) != REDIS_OK)
		return false;
	while (!done)
		if (redisBufferWrite(r, &done) != REDIS_OK)
			return false;
	return true;
}

/* Listens until the connection breaks (true) or the thread has to end (false). */
static bool
listen_to(const struct cache *c, redisContext *r)
{
	bool readable, asked = false;

	for (;;) {
		if (!wait_for(c, r, asked ? (int)c->o.timeout_ms : PING_AFTER_MS, &readable))
			return false;
		if (readable) {
			if (!hear_all(c, r))
				return true;
			asked = false;
		} else if (asked || !say(r, "PING")) {
			return true;
		} else {
			asked = true;
		}
	}
}

static void *
subscriber(void *arg)
{
	struct cache *c = arg;
	bool told_lost = false, readable, go_on = true;
	redisContext *r;
	redisReply *reply;

	while (go_on) {
		r = cache_connect(c);
		reply = r != NULL ? redisCommand(r, "SUBSCRIBE %s", CACHE_CHANNEL) : NULL;
		if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
			cache_answered(c);
			c->ear.on_link(c->ear.arg, true);
			told_lost = false;
			go_on = listen_to(c, r);
		}
		if (reply != NULL)
			freeReplyObject(reply);
		if (r != NULL)
			redisFree(r);
		if (go_on && !told_lost)
			c->ear.on_link(c->ear.arg, false);
		told_lost = true;
		if (go_on)
			go_on = wait_for(c, NULL, (int)c->o.retry_ms, &readable);
	}
	return NULL;
}

enum rc
cache_subscribe(struct cache *c, const struct cache_ear *ear, struct err *e)
{
	int rc;

	if (c->o.url[0] == '\0')
		return RC_OK;
	if (c->subscribed)
		return err_set(e, RC_INTERNAL, "subscribed already");
	if (pipe(c->stop) != 0)
		return err_set(e, RC_INTERNAL, "pipe: %s", strerror(errno));
	(void)fcntl(c->stop[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(c->stop[1], F_SETFD, FD_CLOEXEC);
	c->ear = *ear;
	rc = pthread_create(&c->thread, NULL, subscriber, c);
	if (rc != 0) {
		(void)close(c->stop[0]);
		(void)close(c->stop[1]);
		c->stop[0] = c->stop[1] = -1;
		return err_set(e, RC_NOMEM, "no thread for the subscriber: %s", strerror(rc));
	}
	c->subscribed = true;
	return RC_OK;
}

void
cache_subscriber_stop(struct cache *c)
{
	if (!c->subscribed)
		return;
	(void)close(c->stop[1]); /* the thread's poll sees the end of the pipe */
	(void)pthread_join(c->thread, NULL);
	(void)close(c->stop[0]);
	c->subscribed = false;
}
