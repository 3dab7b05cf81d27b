/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clocks of processes, and medians. */
#include "bench/bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
seconds(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) != 0)
		die("the clock of a process cannot be read: has it ended?");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double
wall(void)
{
	return seconds(CLOCK_MONOTONIC);
}

double
cpu_of(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
		die("process %d has no clock: has it ended?", (int)pid);
	return seconds(clock);
}

/* The parent of PID as /proc says; 0 when it has gone. */
static pid_t
parent_of(pid_t pid)
{
	char path[40], line[400];
	long parent = 0;
	const char *p;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) != NULL && (p = strrchr(line, ')')) != NULL && strlen(p) > 4)
		parent = strtol(p + 4, NULL, 10); /* ") S 123" */
	(void)fclose(f);
	return (pid_t)parent;
}

double
cpu_of_children(pid_t parent)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	double sum = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		clockid_t clock;
		struct timespec t;

		if (pid > 0 && parent_of(pid) == parent && clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
			sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	}
	if (d != NULL)
		(void)closedir(d);
	return sum;
}

size_t
resident_of(pid_t pid)
{
	char path[40], line[200];
	unsigned long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %lu", &kib) == 1)
			break;
	if (f != NULL)
		(void)fclose(f);
	if (kib == 0)
		die("the memory of process %d cannot be read", (int)pid);
	return (size_t)kib * 1024;
}

/* ---- series ---- */

void
series_add(struct series *s, double v)
{
	if (s->n == MAX_RUNS)
		die("too many runs");
	s->v[s->n++] = v;
}

static int
ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

static double
at(const struct series *s, size_t i)
{
	struct series sorted = *s;

	if (s->n == 0)
		die("nothing was measured");
	qsort(sorted.v, sorted.n, sizeof(sorted.v[0]), ascending);
	return sorted.v[i];
}

double
series_min(const struct series *s)
{
	return at(s, 0);
}

double
series_max(const struct series *s)
{
	return at(s, s->n - 1);
}

double
series_median(const struct series *s)
{
	return s->n % 2 == 1 ? at(s, s->n / 2) : (at(s, s->n / 2 - 1) + at(s, s->n / 2)) / 2;
}
