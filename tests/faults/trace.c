/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What happened since the quiet point before the last one, to be read after a failure (tests/faults/history): each piece that
 * usmsync, usmd and OX said to each other, and between them the faults, the edits and the runs, with their times.
 */
#include "faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
path_of(char *p, size_t size, const char *end)
{
	(void)snprintf(p, size, "%s/trace%s", w.dir, end);
}

/* The trace of before the last one is given up. */
void
trace_turn(void)
{
	char now[128], old[128];

	path_of(now, sizeof(now), "");
	path_of(old, sizeof(old), ".1");
	(void)pthread_mutex_lock(&lock);
	if (out != NULL)
		(void)fclose(out);
	(void)rename(now, old);
	out = fopen(now, "w");
	(void)pthread_mutex_unlock(&lock);
	if (out == NULL)
		fail("%s cannot be written", now);
}

void
trace_flush(void)
{
	if (out != NULL)
		(void)fflush(out);
}

/* "\n@hh:mm:ss.mmm ", UTC as in the logs of usmd; under lock. */
static void
begin_entry(void)
{
	struct timespec ts;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)fprintf(out, "\n@%02d:%02d:%02d.%03d ", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ts.tv_nsec / 1000000));
}

void
trace(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)pthread_mutex_lock(&lock);
	if (out != NULL) {
		begin_entry();
		(void)vfprintf(out, fmt, ap);
	}
	(void)pthread_mutex_unlock(&lock);
	va_end(ap);
}

void
trace_piece(const char *link, unsigned serial, bool answer, const char *p, size_t n)
{
	(void)pthread_mutex_lock(&lock);
	if (out != NULL) {
		begin_entry();
		(void)fprintf(out, "%s #%u %s %zu\n", link, serial, answer ? "answers" : "asks", n);
		(void)fwrite(p, 1, n, out);
	}
	(void)pthread_mutex_unlock(&lock);
}
