/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Test servers as child processes: oxsim and usmd with their own configuration, beside what with-servers started. */
#ifndef TESTS_PROC_H
#define TESTS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** One oxsim, one usmd and a folder; the database and Redis are those of with-servers. */
struct world {
	char dir[128];      /* fresh folder, removed by world_end */
	char build[128];    /* folder of the programs: $B or "build" */
	char ox[64];        /* "http://127.0.0.1:PORT" */
	char server[192];   /* "unix:DIR/usmd.sock" */
	pid_t oxsim, usmd;
};

/**
 * world_begin - a fresh database, oxsim (importing IMPORT unless NULL) and usmd with SETTINGS (lines of usmd.conf, NULL-terminated,
 * may be NULL).  Aborts the test with a message when something does not start.
 */
void world_begin(struct world *w, const char *import, const char *const *settings);
/** world_end - stops both with SIGTERM, removes the folder; fails when usmd did not end cleanly. */
void world_end(struct world *w);
void world_usmd_start(struct world *w);
/** world_usmd_kill - SIGKILL, and waits until it is gone. */
void world_usmd_kill(struct world *w);
/** world_new_database - drop the database and make it anew (usmd must be stopped). */
void world_new_database(struct world *w);
/** world_control - POST JSON to oxsim's control API PATH; the answer into OUT (may be NULL). */
void world_control(const struct world *w, const char *path, const char *json, char *out, size_t size);
/** world_no_faults - oxsim forgets its fault rules. */
void world_no_faults(const struct world *w);
/** run_wait - run ARGV (NULL-terminated) to its end, output into LOG (NULL = inherited); its exit status, 128 + signal when killed. */
int run_wait(char *const *argv, const char *log);
/** run_start - the same without waiting. */
pid_t run_start(char *const *argv, const char *log);
/** sleep_ms - for the pace of killers only, never to wait for an event. */
void sleep_ms(unsigned ms);

#endif
