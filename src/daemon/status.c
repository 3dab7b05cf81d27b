/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the status page knows: a ring with a sample of the metrics every ten seconds, and who was in trouble, from the warnings and errors of the log.
 * Numbers of devices and accounts, no names and no contents.  How it looks is in status_page.c.
 */
#include "daemon/status_int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Sums since the start, of which a sample is the difference. */
struct totals {
	int64_t requests, failed, syncs, refused, ox, ox_failed, hits, misses;
	struct metric_series request, wake, ox_time, pg;
};

struct status {
	pthread_mutex_t lock;
	struct status_sample ring[STATUS_SAMPLES]; /* lock, as all below */
	size_t n, next;
	struct totals before;
	msec_t before_at, began;
	char policy[700];
};

/* The log is the process's, and so is who was in trouble. */
static pthread_mutex_t trouble_lock = PTHREAD_MUTEX_INITIALIZER;
static struct trouble troubles[STATUS_TROUBLES];
#define TROUBLE_KEPT_MS (STATUS_SAMPLE_MS * (msec_t)STATUS_SAMPLES)

void
status_watch(enum log_level level, const char *event, const struct log_ctx *ctx)
{
	struct trouble *oldest = &troubles[0], *t = NULL;

	(void)pthread_mutex_lock(&trouble_lock);
	for (size_t i = 0; i < STATUS_TROUBLES && t == NULL; i++) {
		if (troubles[i].count > 0 && troubles[i].device == ctx->device && strcmp(troubles[i].event, event) == 0)
			t = &troubles[i];
		if (troubles[i].last < oldest->last)
			oldest = &troubles[i];
	}
	if (t == NULL) {
		t = oldest;
		*t = (struct trouble){ .account = ctx->account, .device = ctx->device, .first = now_ms() };
		(void)snprintf(t->event, sizeof(t->event), "%s", event);
	}
	t->level = level;
	t->count++;
	t->last = now_ms();
	(void)pthread_mutex_unlock(&trouble_lock);
}

/* Those of the last hours into OUT, newest first; their number. */
static size_t
troubles_now(struct trouble *out, msec_t now)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&trouble_lock);
	for (size_t i = 0; i < STATUS_TROUBLES; i++) {
		size_t at;

		if (troubles[i].count == 0 || now - troubles[i].last > TROUBLE_KEPT_MS)
			continue;
		for (at = n++; at > 0 && out[at - 1].last < troubles[i].last; at--)
			out[at] = out[at - 1];
		out[at] = troubles[i];
	}
	(void)pthread_mutex_unlock(&trouble_lock);
	return n;
}

/* ---- samples ---- */

static bool
is_sync(const char *command)
{
	return strncmp(command, "sync", 4) == 0 || strcmp(command, "reconcile") == 0;
}

static void
add_request(void *arg, const struct metric_series *s)
{
	struct totals *t = arg;

	t->requests += s->count;
	t->failed += s->label[1][0] == '5' ? s->count : 0;
	t->syncs += is_sync(s->label[0]) ? s->count : 0;
}

static void
add_refused(void *arg, const struct metric_series *s)
{
	((struct totals *)arg)->refused += s->count;
}

/* What was not done because OX is ill; a refused change is no failure of OX. */
static void
add_ox(void *arg, const struct metric_series *s)
{
	struct totals *t = arg;

	t->ox += s->count;
	t->ox_failed += strcmp(s->label[1], rc_name(RC_UPSTREAM)) == 0 || strcmp(s->label[1], rc_name(RC_TIMEOUT)) == 0 ? s->count : 0;
}

static void
add_times(void *arg, const struct metric_series *s)
{
	struct metric_series *sum = arg;

	for (size_t i = 0; i <= METRIC_BOUNDS; i++)
		sum->bucket[i] += s->bucket[i];
	sum->count += s->count;
}

/* Waits are no work that somebody waits for. */
static void
add_request_times(void *arg, const struct metric_series *s)
{
	if (strcmp(s->label[0], "ping") != 0 && strcmp(s->label[0], "events") != 0)
		add_times(arg, s);
}

static void
totals_now(struct totals *t)
{
	memset(t, 0, sizeof(*t));
	metric_each(F_REQUESTS, add_request, t);
	metric_each(F_REFUSED, add_refused, t);
	metric_each(F_OX_CALLS, add_ox, t);
	metric_each(F_REQUEST_TIME, add_request_times, &t->request);
	metric_each(F_WAKEUP_TIME, add_times, &t->wake);
	metric_each(F_OX_TIME, add_times, &t->ox_time);
	metric_each(F_PG_TIME, add_times, &t->pg);
	t->hits = metric_get(M_CACHE_HITS);
	t->misses = metric_get(M_CACHE_MISSES);
}

/* Below which SHARE of what came between the two lie, in ms, by even distribution within a bucket; -1 = nothing came. */
static double
quantile(const struct metric_series *now, const struct metric_series *before, double share)
{
	double wanted = (double)(now->count - before->count) * share, below = 0;

	if (now->count <= before->count)
		return -1;
	for (size_t i = 0; i < METRIC_BOUNDS; i++) {
		double here = (double)(now->bucket[i] - before->bucket[i]), from = i > 0 ? (double)metric_bound_us[i - 1] : 0;

		if (here > 0 && below + here >= wanted)
			return (from + ((double)metric_bound_us[i] - from) * (wanted - below) / here) / 1000;
		below += here;
	}
	return (double)metric_bound_us[METRIC_BOUNDS - 1] / 1000;
}

static double
share(int64_t part, int64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

void
status_push(struct status *st, const struct status_sample *s)
{
	(void)pthread_mutex_lock(&st->lock);
	st->ring[st->next] = *s;
	st->next = (st->next + 1) % STATUS_SAMPLES;
	st->n += st->n < STATUS_SAMPLES;
	(void)pthread_mutex_unlock(&st->lock);
}

void
status_take(void *arg)
{
	struct status *st = arg;
	struct totals t, *b = &st->before;
	struct status_sample s = { .at = now_ms(), .waiting = (double)metric_get(M_WAITERS) };
	double seconds = (double)(s.at - st->before_at) / 1000;

	totals_now(&t);
	if (seconds > 0 && st->before_at != 0) {
		s.requests = (double)(t.requests - b->requests) / seconds;
		s.syncs = (double)(t.syncs - b->syncs) / seconds;
		s.refused = (double)(t.refused - b->refused) / seconds;
		s.failed = share(t.failed - b->failed, t.requests - b->requests);
		s.ox = (double)(t.ox - b->ox) / seconds;
		s.ox_failed = share(t.ox_failed - b->ox_failed, t.ox - b->ox);
		s.half_ms = quantile(&t.request, &b->request, 0.5);
		s.most_ms = quantile(&t.request, &b->request, 0.95);
		s.wake_ms = quantile(&t.wake, &b->wake, 0.95);
		s.ox_ms = quantile(&t.ox_time, &b->ox_time, 0.95);
		s.pg_ms = quantile(&t.pg, &b->pg, 0.95);
		s.cache_hits = share(t.hits - b->hits, t.hits + t.misses - b->hits - b->misses);
		status_push(st, &s);
	}
	*b = t;
	st->before_at = s.at;
}

/* ---- the page ---- */

struct status *
status_new(void)
{
	struct status *st = mem_alloc(sizeof(*st));

	if (st == NULL)
		return NULL;
	(void)pthread_mutex_init(&st->lock, NULL);
	st->began = now_ms();
	status_policy(st->policy, sizeof(st->policy));
	return st;
}

void
status_free(struct status *st)
{
	if (st == NULL)
		return;
	(void)pthread_mutex_destroy(&st->lock);
	mem_free(st);
}

const char *
status_csp(const struct status *st)
{
	return st->policy;
}

bool
status_write(struct status *st, const struct status_facts *f, const char *url, struct buf *out, const char **type)
{
	struct trouble t[STATUS_TROUBLES];
	struct status_view v = { .f = *f, .t = t };
	struct status_sample *s = mem_alloc(sizeof(st->ring));
	bool json = strcmp(url, "/status.json") == 0;

	if (s == NULL || (!json && strcmp(url, "/") != 0)) {
		mem_free(s);
		return false;
	}
	(void)pthread_mutex_lock(&st->lock);
	for (size_t i = 0; i < st->n; i++)
		s[i] = st->ring[(st->next + STATUS_SAMPLES - st->n + i) % STATUS_SAMPLES];
	v.n = st->n;
	(void)pthread_mutex_unlock(&st->lock);
	v.s = s;
	v.f.began = v.f.began != 0 ? v.f.began : st->began;
	v.n_troubles = troubles_now(t, f->now);
	*type = json ? "application/json" : "text/html; charset=utf-8";
	if (json)
		status_json(&v, out);
	else
		status_html(&v, out);
	mem_free(s);
	return true;
}
