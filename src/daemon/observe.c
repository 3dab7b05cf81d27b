/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The thread that looks after the daemon itself: traces that were ordered, samples for the status page, the self-test. */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TICK_US 1000000

struct observe {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t called;
	bool stop;                /* lock */
	struct observe_task *tasks; /* owned copy */
	size_t n;
};

static void *
observe_main(void *arg)
{
	struct observe *o = arg;
	struct timespec at;
	int64_t until_us;

	(void)pthread_mutex_lock(&o->lock);
	while (!o->stop) {
		(void)pthread_mutex_unlock(&o->lock);
		for (size_t i = 0; i < o->n; i++) {
			struct observe_task *t = &o->tasks[i];
			int64_t now = now_mono_us() / 1000;

			if (t->every_ms > 0 && now >= t->due) {
				t->run(t->arg);
				t->due = now + t->every_ms;
			}
		}
		until_us = now_mono_us() + TICK_US;
		at = (struct timespec){ .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
		(void)pthread_mutex_lock(&o->lock);
		if (!o->stop)
			(void)pthread_cond_timedwait(&o->called, &o->lock, &at);
	}
	(void)pthread_mutex_unlock(&o->lock);
	return NULL;
}

enum rc
observe_start(const struct observe_task *tasks, size_t n, struct observe **out, struct err *e)
{
	struct observe *o = mem_alloc(sizeof(*o));
	pthread_condattr_t monotonic;
	int rc;

	*out = NULL;
	if (o != NULL)
		o->tasks = mem_alloc(n * sizeof(*tasks));
	if (o == NULL || o->tasks == NULL) {
		mem_free(o);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	memcpy(o->tasks, tasks, n * sizeof(*tasks));
	o->n = n;
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&o->called, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	rc = pthread_create(&o->thread, NULL, observe_main, o);
	if (rc != 0) {
		mem_free(o->tasks);
		mem_free(o);
		return err_set(e, RC_INTERNAL, "cannot start a thread: %s", strerror(rc));
	}
	*out = o;
	return RC_OK;
}

void
observe_stop(struct observe *o)
{
	if (o == NULL)
		return;
	(void)pthread_mutex_lock(&o->lock);
	o->stop = true;
	(void)pthread_cond_signal(&o->called);
	(void)pthread_mutex_unlock(&o->lock);
	(void)pthread_join(o->thread, NULL);
	(void)pthread_cond_destroy(&o->called);
	(void)pthread_mutex_destroy(&o->lock);
	mem_free(o->tasks);
	mem_free(o);
}

void
observe_traces(const struct conf *c)
{
	const struct trace_options o = { .dir = c->trace_dir, .max_bytes = c->trace_max_size, .keep_ms = c->trace_keep, .plain = c->trace_plain };

	/* where the folder above is missing there are no traces, and usmctl trace says so */
	if (c->trace_dir[0] != '\0' && mkdir(c->trace_dir, 0700) != 0 && errno != EEXIST && errno != ENOENT)
		log_warn("trace", "dir=%s text=%s", c->trace_dir, strerror(errno));
	trace_setup(&o);
}

void
observe_trace_look(void *arg)
{
	(void)arg;
	trace_look();
}
