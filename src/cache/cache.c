/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Commands to Redis over a small pool of connections.  Every failure is a miss; after one, nobody tries again for
 * retry_ms, and then one request alone does, so that a Redis that hangs costs one time-out, not one for each request.
 */
#include "cache_int.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct cache *
cache_new(const struct cache_options *o)
{
	struct cache *c = mem_alloc(sizeof(*c));
	struct sigaction sa;

	if (c == NULL)
		return NULL;
	c->o = *o;
	c->o.url = mem_dup_str(o->url != NULL ? o->url : "");
	c->o.password_file = mem_dup_str(o->password_file != NULL ? o->password_file : "");
	c->o.pool = o->pool != 0 ? o->pool : 1;
	c->idle = mem_alloc(c->o.pool * sizeof(*c->idle));
	(void)pthread_mutex_init(&c->mutex, NULL);
	atomic_init(&c->ok, true);
	random_bytes(c->node, sizeof(c->node));
	c->stop[0] = c->stop[1] = -1;
	/* hiredis writes without MSG_NOSIGNAL: a Redis that dies must not take the process with it */
	if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		(void)signal(SIGPIPE, SIG_IGN);
	if (c->o.url == NULL || c->o.password_file == NULL || c->idle == NULL) {
		cache_free(c);
		return NULL;
	}
	return c;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	cache_subscriber_stop(c);
	for (unsigned i = 0; i < c->n_idle; i++)
		redisFree(c->idle[i]);
	(void)pthread_mutex_destroy(&c->mutex);
	mem_free(c->idle);
	mem_free((void *)(uintptr_t)c->o.url);
	mem_free((void *)(uintptr_t)c->o.password_file);
	mem_free(c);
}

bool
cache_ok(struct cache *c)
{
	return c->o.url[0] == '\0' || atomic_load(&c->ok);
}

/* ---- the pool ---- */

/* An idle connection; or leave to make one (*FRESH); or neither, while Redis is left alone. */
static redisContext *
take(struct cache *c, bool *fresh)
{
	int64_t now = now_mono_us();
	redisContext *r = NULL;

	*fresh = false;
	(void)pthread_mutex_lock(&c->mutex);
	if (c->retry_at_us != 0 && now >= c->retry_at_us) {
		/* this caller is the one that tries; the others wait for its result */
		c->retry_at_us = now + (int64_t)c->o.retry_ms * 1000;
		*fresh = true;
	} else if (c->retry_at_us == 0) {
		if (c->n_idle > 0)
			r = c->idle[--c->n_idle];
		else
			*fresh = true;
	}
	(void)pthread_mutex_unlock(&c->mutex);
	return r;
}

void
cache_answered(struct cache *c)
{
	(void)pthread_mutex_lock(&c->mutex);
	c->retry_at_us = 0;
	(void)pthread_mutex_unlock(&c->mutex);
	if (!atomic_exchange(&c->ok, true))
		log_info("cache.up", "url=%s", c->o.url);
}

static void
put_back(struct cache *c, redisContext *r)
{
	(void)pthread_mutex_lock(&c->mutex);
	if (c->n_idle < c->o.pool) {
		c->idle[c->n_idle++] = r;
		r = NULL;
	}
	(void)pthread_mutex_unlock(&c->mutex);
	if (r != NULL)
		redisFree(r);
	cache_answered(c);
}

/* Drops the idle connections: they lead to a Redis that is gone. */
static void
drop_idle(struct cache *c)
{
	redisContext *r;

	for (;;) {
		(void)pthread_mutex_lock(&c->mutex);
		r = c->n_idle > 0 ? c->idle[--c->n_idle] : NULL;
		(void)pthread_mutex_unlock(&c->mutex);
		if (r == NULL)
			return;
		redisFree(r);
	}
}

static void
failed(struct cache *c)
{
	drop_idle(c);
	(void)pthread_mutex_lock(&c->mutex);
	c->retry_at_us = now_mono_us() + (int64_t)c->o.retry_ms * 1000;
	(void)pthread_mutex_unlock(&c->mutex);
	metric_add(M_CACHE_ERRORS, 1);
	if (atomic_exchange(&c->ok, false))
		log_warn("cache.down", "url=%s: working without, next try in %u ms", c->o.url, c->o.retry_ms);
}

/* ---- commands ---- */

/** Commands as argument vectors over one buffer of bytes. */
struct cmds {
	struct buf bytes;        /* prefixed keys and numbers; values are borrowed */
	const char **argv;
	size_t *len;
	size_t n_args;
	size_t *first;           /* index of each command's first argument, and one behind the last */
	size_t n;
};

static bool
cmds_init(struct cmds *q, size_t commands, size_t args)
{
	memset(q, 0, sizeof(*q));
	buf_init(&q->bytes, 0);
	q->argv = mem_alloc(args * sizeof(*q->argv));
	q->len = mem_alloc(args * sizeof(*q->len));
	q->first = mem_alloc((commands + 1) * sizeof(*q->first));
	return q->argv != NULL && q->len != NULL && q->first != NULL;
}

static void
cmds_fini(struct cmds *q)
{
	buf_fini(&q->bytes);
	mem_free(q->argv);
	mem_free(q->len);
	mem_free(q->first);
}

/* P NULL: the bytes that were appended to q->bytes last; resolved in cmds_end, as the buffer may still move. */
static void
add_arg(struct cmds *q, const void *p, size_t n)
{
	q->argv[q->n_args] = p;
	q->len[q->n_args++] = n;
}

static void
add_key(struct cmds *q, const char *key)
{
	size_t n = strlen(key);

	buf_add(&q->bytes, CACHE_PREFIX, sizeof(CACHE_PREFIX) - 1);
	buf_add(&q->bytes, key, n);
	add_arg(q, NULL, sizeof(CACHE_PREFIX) - 1 + n);
}

static void
add_number(struct cmds *q, int64_t v)
{
	size_t before = q->bytes.len;

	buf_add_i64(&q->bytes, v);
	add_arg(q, NULL, q->bytes.len - before);
}

static void
end_command(struct cmds *q)
{
	q->first[++q->n] = q->n_args;
}

static bool
cmds_end(struct cmds *q)
{
	size_t at = 0;

	if (q->bytes.failed)
		return false;
	for (size_t i = 0; i < q->n_args; i++)
		if (q->argv[i] == NULL) {
			q->argv[i] = q->bytes.p + at;
			at += q->len[i];
		}
	return true;
}

/* All commands of Q in one write, all replies (REPLY NULL: thrown away) behind it. */
static bool
converse(redisContext *r, const struct cmds *q, redisReply **reply)
{
	bool ok = true;

	for (size_t i = 0; i < q->n && ok; i++)
		ok = redisAppendCommandArgv(r, (int)(q->first[i + 1] - q->first[i]), q->argv + q->first[i],
		    q->len + q->first[i]) == REDIS_OK;
	for (size_t i = 0; i < q->n && ok; i++) {
		void *one = NULL;

		ok = redisGetReply(r, &one) == REDIS_OK;
		if (!ok)
			break;
		/* an error reply (out of memory, loading) leaves the connection as it was */
		if (((redisReply *)one)->type == REDIS_REPLY_ERROR) {
			metric_add(M_CACHE_ERRORS, 1);
			log_debug("cache.reply", "%s", ((redisReply *)one)->str);
		}
		if (reply != NULL)
			reply[i] = one;
		else
			freeReplyObject(one);
	}
	return ok;
}

static void
drop_replies(redisReply **reply, size_t n)
{
	for (size_t i = 0; reply != NULL && i < n; i++) {
		if (reply[i] != NULL)
			freeReplyObject(reply[i]);
		reply[i] = NULL;
	}
}

static bool
perform(struct cache *c, const struct cmds *q, redisReply **reply)
{
	bool fresh, late;
	redisContext *r = take(c, &fresh);

	if (r == NULL && !fresh)
		return false;
	for (;;) {
		fresh = r == NULL;
		if (fresh)
			r = cache_connect(c);
		if (r == NULL)
			break;
		if (converse(r, q, reply)) {
			put_back(c, r);
			return true;
		}
		late = r->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
		drop_replies(reply, q->n);
		redisFree(r);
		r = NULL;
		/* an idle connection may have been closed by a restart of Redis: then once more with a new one */
		if (fresh || late)
			break;
		drop_idle(c);
	}
	failed(c);
	return false;
}

void
cache_mget(struct cache *c, const char *const *keys, size_t n, struct cache_value *out)
{
	redisReply *reply = NULL, *v;
	struct cmds q;
	size_t hits = 0;

	memset(out, 0, n * sizeof(*out));
	if (n == 0 || c->o.url[0] == '\0')
		return;
	if (cmds_init(&q, 1, n + 1)) {
		add_arg(&q, "MGET", 4);
		for (size_t i = 0; i < n; i++)
			add_key(&q, keys[i]);
		end_command(&q);
		if (!cmds_end(&q) || !perform(c, &q, &reply))
			reply = NULL;
	}
	for (size_t i = 0; reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < n && i < reply->elements; i++) {
		v = reply->element[i];
		if (v->type != REDIS_REPLY_STRING)
			continue;
		out[i].p = mem_alloc((size_t)v->len + 1);
		if (out[i].p == NULL)
			continue;
		memcpy(out[i].p, v->str, (size_t)v->len);
		out[i].len = (size_t)v->len;
		hits++;
	}
	metric_add(M_CACHE_HITS, (int64_t)hits);
	metric_add(M_CACHE_MISSES, (int64_t)(n - hits));
	if (reply != NULL)
		freeReplyObject(reply);
	cmds_fini(&q);
}

void
cache_values_free(struct cache_value *v, size_t n)
{
	for (size_t i = 0; v != NULL && i < n; i++) {
		mem_free(v[i].p);
		v[i].p = NULL;
		v[i].len = 0;
	}
}

void
cache_set_many(struct cache *c, const struct cache_pair *pairs, size_t n)
{
	struct cmds q;

	if (n == 0 || c->o.url[0] == '\0')
		return;
	if (cmds_init(&q, n, 5 * n)) {
		for (size_t i = 0; i < n; i++) {
			if (pairs[i].ttl_s == 0)
				continue;
			add_arg(&q, "SET", 3);
			add_key(&q, pairs[i].key);
			add_arg(&q, pairs[i].len != 0 ? pairs[i].p : "", pairs[i].len);
			add_arg(&q, "EX", 2);
			add_number(&q, pairs[i].ttl_s);
			end_command(&q);
		}
		if (cmds_end(&q) && q.n > 0)
			(void)perform(c, &q, NULL);
	}
	cmds_fini(&q);
}

void
cache_del(struct cache *c, const char *const *keys, size_t n)
{
	struct cmds q;

	if (n == 0 || c->o.url[0] == '\0')
		return;
	if (cmds_init(&q, 1, n + 1)) {
		add_arg(&q, "DEL", 3);
		for (size_t i = 0; i < n; i++)
			add_key(&q, keys[i]);
		end_command(&q);
		if (cmds_end(&q))
			(void)perform(c, &q, NULL);
	}
	cmds_fini(&q);
}

/* N numbers behind this node's name. */
static bool
publish(struct cache *c, const uint64_t *v, size_t n)
{
	unsigned char msg[CACHE_CLAIM];
	redisReply *reply = NULL;
	struct cmds q;
	bool taken = false;

	if (c->o.url[0] == '\0')
		return false;
	memcpy(msg, c->node, CACHE_NODE);
	for (size_t i = 0; i < 8 * n; i++)
		msg[CACHE_NODE + i] = (unsigned char)(v[i / 8] >> (8 * (i % 8)));
	if (cmds_init(&q, 1, 3)) {
		add_arg(&q, "PUBLISH", 7);
		add_arg(&q, CACHE_CHANNEL, sizeof(CACHE_CHANNEL) - 1);
		add_arg(&q, msg, CACHE_NODE + 8 * n);
		end_command(&q);
		/* a Redis that loads, or is out of memory, answers with an error */
		taken = cmds_end(&q) && perform(c, &q, &reply) && reply->type == REDIS_REPLY_INTEGER;
		if (reply != NULL)
			freeReplyObject(reply);
	}
	cmds_fini(&q);
	return taken;
}

bool
cache_publish(struct cache *c, uint64_t topic)
{
	return publish(c, &topic, 1);
}

bool
cache_claim(struct cache *c, uint64_t name, uint64_t ticket)
{
	const uint64_t v[] = { name, ticket };

	return publish(c, v, ARRAY_LEN(v));
}
