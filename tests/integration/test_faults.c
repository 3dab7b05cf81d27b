/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The short form of `make faults` (tests/faults): real servers under load, hurt some forty times, the same ones unless SEED= says others.
 * And that it leaves no process behind, however it ends.
 */
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/proc.h"

static char seed[24];

START_TEST(short_form)
{
	const char *b = getenv("B");
	char prog[160];
	char *argv[] = { prog, "40", seed, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/faults", b != NULL ? b : "build");
	ck_assert_msg(run_wait(argv, NULL) == 0, "see above; SEED=%s repeats it", seed);
}
END_TEST

/* ---- nothing is left ---- */

static char pipe_name[40]; /* "pipe:[NUMBER]": whatever the driver has started holds its writing end */

static bool
holds_pipe(const char *pid)
{
	char path[300], link[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, pipe_name) == 0;
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

static char
state_of(const char *pid, pid_t *parent)
{
	char path[300], text[400] = "";
	char state = '?';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f != NULL && fgets(text, sizeof(text), f) != NULL && strrchr(text, ')') != NULL)
		(void)sscanf(strrchr(text, ')') + 1, " %c %d", &state, parent);
	if (f != NULL)
		(void)fclose(f);
	return state;
}

/* How many of the driver's processes there are; those that are stopped; the child of PARENT. */
static unsigned
count(bool stopped, pid_t parent, pid_t *child)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		pid_t pp = 0;
		char state;

		if (e->d_name[0] < '1' || e->d_name[0] > '9' || strtol(e->d_name, NULL, 10) == getpid() || !holds_pipe(e->d_name))
			continue;
		state = state_of(e->d_name, &pp);
		n += !stopped || state == 'T';
		if (child != NULL && pp == parent)
			*child = (pid_t)strtol(e->d_name, NULL, 10);
	}
	(void)closedir(d);
	return n;
}

static void
until_count(bool stopped, unsigned least, unsigned most)
{
	for (int i = 0; i < 600; i++) {
		unsigned n = count(stopped, 0, NULL);

		if (n >= least && n <= most)
			return;
		sleep_ms(100);
	}
	ck_abort_msg("%u processes%s after a minute", count(stopped, 0, NULL), stopped ? " are stopped" : " are left");
}

/* A run in which processes are stopped is ended by SIG, which the driver gets, or its guard. */
static void
end_it(int sig, bool guard)
{
	const char *b = getenv("B");
	char prog[160];
	char *argv[] = { prog, (char *)(size_t)"1000", (char *)(size_t)"7", (char *)(size_t)"backend stopped", NULL };
	int end[2];
	struct stat st;
	pid_t pid, driver = 0;

	(void)snprintf(prog, sizeof(prog), "%s/faults", b != NULL ? b : "build");
	ck_assert_int_eq(pipe(end), 0);
	ck_assert_int_eq(fstat(end[1], &st), 0);
	(void)snprintf(pipe_name, sizeof(pipe_name), "pipe:[%lu]", (unsigned long)st.st_ino);
	pid = run_start(argv, "/dev/null");
	(void)close(end[0]);
	until_count(true, 1, 1000);
	(void)count(false, pid, &driver);
	ck_assert_int_ne(driver, 0);
	ck_assert_int_eq(kill(guard ? pid : driver, sig), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	until_count(false, 0, 0);
	(void)close(end[1]);
}

START_TEST(nothing_is_left)
{
	end_it(SIGTERM, true);
	end_it(SIGKILL, geteuid() == 0); /* the guard's own end does no harm with the right to a namespace of processes */
}
END_TEST

int
main(void)
{
	const char *s = getenv("SEED");
	Suite *suite = suite_create("faults");
	TCase *t = tcase_create("faults");

	(void)harness_env("USMD_TEST_PGBIN");
	(void)snprintf(seed, sizeof(seed), "%s", s != NULL ? s : "51");
	tcase_set_timeout(t, 300);
	tcase_add_test(t, short_form);
	suite_add_tcase(suite, t);
	t = tcase_create("end");
	tcase_set_timeout(t, 200);
	tcase_add_test(t, nothing_is_left);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
