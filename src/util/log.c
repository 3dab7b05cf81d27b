/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clock and structured log lines. */
#include "usmd/util.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static msec_t (*clock_fn)(void);
static int64_t (*mono_fn)(void);
static atomic_int level_now = LOG_LVL_INFO;
static bool with_prefix;
static _Thread_local struct log_ctx ctx_of_thread;
static _Thread_local struct work_times times_of_thread;

msec_t
now_ms(void)
{
	struct timespec ts;

	if (clock_fn != NULL)
		return clock_fn();
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (msec_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
now_mono_us(void)
{
	struct timespec ts;

	if (mono_fn != NULL)
		return mono_fn();
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

msec_t
steady_ms(void)
{
	return clock_fn != NULL ? clock_fn() : now_mono_us() / 1000;
}

void
clock_override(msec_t (*fn)(void))
{
	clock_fn = fn;
}

void
clock_override_mono(int64_t (*fn)(void))
{
	mono_fn = fn;
}

void
log_setup(enum log_level level, bool systemd_prefix)
{
	atomic_store(&level_now, (int)level);
	with_prefix = systemd_prefix;
}

void
log_level_set(enum log_level level)
{
	atomic_store(&level_now, (int)level);
}

enum log_level
log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

struct log_ctx *
log_ctx(void)
{
	return &ctx_of_thread;
}

struct work_times *
work_times(void)
{
	return &times_of_thread;
}

/* A log line is one write(2), so that lines of several threads never mix. */
void
log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	static const char prio[] = "3467"; /* sd-daemon(3): <N> sets the journal priority */
	const struct log_ctx *c = &ctx_of_thread;
	char line[1024];
	struct buf b;
	struct timespec ts;
	struct tm tm;
	va_list ap;
	int n;

	if ((int)level > atomic_load_explicit(&level_now, memory_order_relaxed))
		return;
	buf_init(&b, 4096);
	if (with_prefix) {
		buf_addf(&b, "<%c>", prio[level]);
	} else {
		(void)clock_gettime(CLOCK_REALTIME, &ts);
		(void)gmtime_r(&ts.tv_sec, &tm);
		buf_addf(&b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		    tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
	}
	buf_addf(&b, "level=%s event=%s", names[level], event);
	if (c->req != 0)
		buf_addf(&b, " req=%llu", (unsigned long long)c->req);
	if (c->account != 0)
		buf_addf(&b, " account=%lld", (long long)c->account);
	if (c->device != 0)
		buf_addf(&b, " device=%lld", (long long)c->device);
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0) {
		buf_addc(&b, ' ');
		/* upstream texts may hold control characters: they must not forge a second line */
		for (char *p = line; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = ' ';
		buf_adds(&b, line);
	}
	buf_addc(&b, '\n');
	if (!b.failed && write(STDERR_FILENO, b.p, b.len) < 0) {
		/* nowhere left to complain */
	}
	buf_fini(&b);
}
