/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A private Apache (event MPM) on loopback, with the configuration that is shipped in packaging/apache. */
#ifndef TESTS_APACHE_H
#define TESTS_APACHE_H

#include <sys/types.h>

struct apache {
	char dir[160];  /* configuration and logs; in the folder given */
	char url[64];   /* "http://127.0.0.1:PORT" */
	pid_t pid;
};

/** apache_is_there - false: there is none on this system. */
int apache_is_there(void);
/**
 * apache_start - in a new folder below DIR; NODES are the N addresses that Apache passes requests to ("unix:/path|http://usmd" or
 * "http://127.0.0.1:PORT"); more than one: by a balancer.  EXTRA: further lines of the server's configuration.  Aborts the test on failure.
 */
void apache_start(struct apache *a, const char *dir, const char *const *nodes, unsigned n, const char *extra);
/** apache_stop - at once, and waits until it is gone. */
void apache_stop(struct apache *a);

#endif
