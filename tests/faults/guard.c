/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Nothing is left of a run, however it ends: passed, failed, aborted, interrupted or killed, also where processes are stopped.  The
 * driver is the child of a guard that waits for it and for signals.  With the right to it (root) the driver is the first process of a
 * namespace of its own, which the kernel ends as a whole; else the guard kills all that becomes its child when its parent ends.
 */
#include "faults.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

size_t
end_children(void)
{
	pid_t pid;
	size_t n = 0;

	for (; (pid = pid_of_child(getpid(), "", 0)) > 0; n++) {
		(void)kill(pid, SIGKILL); /* a stopped one hears nothing else */
		(void)waitpid(pid, NULL, 0);
	}
	return n;
}

/* Waits for the end of DRIVER or a signal to end; then all ends. */
static void
watch(pid_t driver, const sigset_t *set)
{
	int sig, st = 0;

	for (;;) {
		(void)sigwait(set, &sig);
		if (sig != SIGCHLD) {
			(void)kill(driver, SIGKILL);
			(void)end_children();
			_exit(128 + sig);
		}
		if (waitpid(driver, &st, WNOHANG) == driver)
			break;
	}
	(void)end_children();
	if (WIFSIGNALED(st))
		(void)fprintf(stderr, "faults: the driver was ended by signal %d\n", WTERMSIG(st));
	_exit(WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
}

void
guard_begin(void)
{
	const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	bool alone = geteuid() == 0 && unshare(CLONE_NEWNS | CLONE_NEWPID) == 0;
	sigset_t set;
	pid_t driver;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)signal(signals[i], SIG_DFL); /* a shell lets programs in the background ignore some */
		(void)sigaddset(&set, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	driver = fork();
	if (driver < 0) {
		perror("fork");
		_exit(1);
	}
	if (driver > 0)
		watch(driver, &set);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	w.disks = alone && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (alone && (!w.disks || mount("proc", "/proc", "proc", 0, NULL) != 0))
		fail("no /proc for a process namespace");
	if (!w.disks)
		(void)printf("(no right to mount: PostgreSQL's disk does not get full)\n");
}
