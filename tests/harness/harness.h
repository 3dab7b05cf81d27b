/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What integration tests share: the private servers that tests/harness/with-servers started.  Uses no module of usmd. */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <check.h>
#include <sys/types.h>

/** harness_env - value of NAME as with-servers set it; ends the program with 77 (skipped) when it is not set. */
const char *harness_env(const char *name);
/** harness_database - conninfo of a new, empty database NAME; valid until the next call. */
const char *harness_database(const char *name);
/** harness_redis_start - a Redis of the caller's own on the unix socket PATH; returns its pid once it answers. */
pid_t harness_redis_start(const char *path);
/** harness_redis_stop - kill it at once, as a crash would. */
void harness_redis_stop(pid_t pid);
/** harness_main - run S and return the program's exit status. */
int harness_main(Suite *s);

#endif
