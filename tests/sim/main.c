/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The simulation as a program: histories one after another, in all worlds, until the steps or the time are used up.  A failing
 * history is played again with events left out until none can be missed, and told as a story.
 */
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


struct options { uint64_t seed, steps, seconds; const char *world; unsigned events; bool tell, log, no_story; };

/* ---- shrinking: each attempt in a process of its own, since a failing engine keeps what it holds ---- */

/* Failures that begin with the same words are taken for the same: 1 to 200, 0 = none. */
static int
kind_of(const char *why)
{
	unsigned h = 0;

	if (why == NULL)
		return 0;
	for (size_t i = 0; i < 40 && why[i] != '\0' && why[i] != ':'; i++)
		if (why[i] < '0' || why[i] > '9')
			h = 31 * h + (unsigned char)why[i];
	return 1 + (int)(h % 200);
}

static bool
fails(uint64_t seed, const struct variant *v, unsigned events, const unsigned char *skip, int kind)
{
	struct figures fig = { 0 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(kind_of(sim_run(seed, v, events, skip, false, &fig)));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == kind;
}

static void
skip_range(unsigned char *skip, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		skip[i / 8] |= (unsigned char)(1U << (i % 8));
}

/* Leaves out ever smaller pieces for as long as the rest still fails. */
static void
shrink(uint64_t seed, const struct variant *v, unsigned events, unsigned char *skip, int kind)
{
	unsigned char trial[512];

	for (unsigned piece = events / 2; piece >= 1; piece /= 2)
		for (unsigned from = 0; from < events; from += piece) {
			memcpy(trial, skip, sizeof(trial));
			skip_range(trial, from, from + piece < events ? from + piece : events);
			if (memcmp(trial, skip, sizeof(trial)) != 0 && fails(seed, v, events, trial, kind))
				memcpy(skip, trial, sizeof(trial));
		}
}

static void
report(uint64_t seed, size_t w, unsigned events, const char *why)
{
	unsigned char skip[512] = { 0 };
	struct figures fig = { 0 };
	unsigned left = 0;

	printf("\nFAILED: %s\n  repeat with: --seed %llu --world %s --events %u\nA shorter story is looked for ...\n", why, (unsigned long long)seed, sim_worlds[w].name, events);
	(void)fflush(stdout);
	shrink(seed, &sim_worlds[w].v, events, skip, kind_of(why));
	for (unsigned i = 0; i < events; i++)
		left += (skip[i / 8] >> (i % 8) & 1) == 0;
	printf("%u of %u events are enough:\n", left, events);
	why = sim_run(seed, &sim_worlds[w].v, events, skip, true, &fig);
	printf("%s\n", why != NULL ? why : "(it passes now: the failure hangs on more than the seed)");
}

static void
print_figures(const struct figures *f, double seconds)
{
	printf("%llu histories, %llu steps (%.0f a second), %llu requests, %llu answers heard\n", (unsigned long long)f->histories, (unsigned long long)f->steps,
	    (double)f->steps / (seconds > 0 ? seconds : 1), (unsigned long long)f->requests, (unsigned long long)f->answers);
	printf("faults: %llu crashes, %llu answers lost, %llu requests again, %llu OX timeouts, %llu OX errors, %llu executed late, %llu database errors, "
	    "%llu databases lost, %llu set back, %llu devices restored, %llu locks lost, %llu Redis lost, %llu rights changed, %llu folders changed, %llu moved, "
	    "%llu that cannot be shown, %llu mail folders made anew, %llu changes refused\n",
	    (unsigned long long)f->crashes, (unsigned long long)f->lost, (unsigned long long)f->dups, (unsigned long long)f->timeouts, (unsigned long long)f->errors,
	    (unsigned long long)f->late, (unsigned long long)f->db_faults, (unsigned long long)f->db_losses, (unsigned long long)f->rollbacks,
	    (unsigned long long)f->restores, (unsigned long long)f->lock_losses, (unsigned long long)f->cache_losses, (unsigned long long)f->shares,
	    (unsigned long long)f->folder_ops, (unsigned long long)f->moves, (unsigned long long)f->poisons, (unsigned long long)f->validity,
	    (unsigned long long)f->refused);
	printf("%llu first fills, %llu reconciles, %llu conflict records\n", (unsigned long long)f->inits, (unsigned long long)f->reconciles, (unsigned long long)f->records);
}

static double
seconds_since(const struct timespec *t0)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec - t0->tv_sec) + (double)(t.tv_nsec - t0->tv_nsec) / 1e9;
}

static int
play(const struct options *o)
{
	struct figures fig = { 0 };
	struct timespec t0;
	uint64_t seed = o->seed;

	(void)clock_gettime(CLOCK_MONOTONIC, &t0);
	printf("seed %llu\n", (unsigned long long)seed);
	(void)fflush(stdout);
	for (;; seed++)
		for (size_t w = 0; w < sim_n_worlds; w++) {
			unsigned events = o->events != 0 ? o->events : sim_length(seed);
			const char *why;

			if (o->world != NULL && strcmp(o->world, sim_worlds[w].name) != 0)
				continue;
			why = sim_run(seed, &sim_worlds[w].v, events, NULL, o->tell, &fig);
			if (why != NULL) {
				if (o->no_story)
					printf("FAILED: %s\n", why);
				else
					report(seed, w, events, why);
				print_figures(&fig, seconds_since(&t0));
				return 1;
			}
			if (fig.steps >= o->steps || seconds_since(&t0) >= (double)o->seconds) {
				print_figures(&fig, seconds_since(&t0));
				return 0;
			}
		}
}

static const char usage[] =
    "usage: sim [--seed N] [--steps N] [--seconds N] [--world NAME [--events N] [--tell]] [--no-story] [--log]\n"
    "Plays random histories against the engine until N steps or seconds are over; --seed as printed by a failure needs --world and --events of it.\n";

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "seed", required_argument, NULL, 's' }, { "steps", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' }, { "world", required_argument, NULL, 'w' }, { "events", required_argument, NULL, 'e' },
		{ "tell", no_argument, NULL, 'v' }, { "log", no_argument, NULL, 'l' }, { "no-story", no_argument, NULL, 'q' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct options o = { .seed = (uint64_t)time(NULL), .steps = UINT64_MAX, .seconds = 60 };
	int c;

	log_setup(LOG_LVL_ERROR, false);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's':
			o.seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			o.steps = strtoull(optarg, NULL, 10);
			o.seconds = UINT64_MAX;
			break;
		case 't':
			o.seconds = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			o.world = optarg;
			break;
		case 'e':
			o.events = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'v':
			o.tell = true;
			break;
		case 'q':
			o.no_story = true;
			break;
		case 'l':
			o.log = true;
			break;
		default:
			(void)fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	if (o.events > 4096) {
		(void)fputs("sim: at most 4096 events\n", stderr);
		return 2;
	}
	/* dead nodes complain of everything that they cannot do any more */
	if (!o.log && freopen("/dev/null", "w", stderr) == NULL)
		return 2;
	return play(&o);
}
