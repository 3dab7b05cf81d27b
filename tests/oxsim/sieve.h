/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail filter: what its files share.  A rule is kept as the server keeps it in the script, so in the form of v1 (tests of headers, "not" as a test of its
 * own); v2 is made from it.  Members of a rule: id, rulename, active, flags, test, actioncmds, lastModified; "unread": the server cannot read it:
 * it stands in the script, is not listed, and goes with the next write (8.19 did so with a script written by hand).
 */
#ifndef OXSIM_SIEVE_H
#define OXSIM_SIEVE_H

#include "oxsim/sim.h"

/* a test, the actions of v2 (or v1) as they are kept; NULL with the error set */
json_t *sieve_test_in(struct req *r, const json_t *t, bool v2);
json_t *sieve_actions_in(struct req *r, const json_t *list, bool v2);
/* ... and as they are listed */
json_t *sieve_test_out(const json_t *t, bool v2);
json_t *sieve_actions_out(const json_t *list, bool v2);
/* the script of all rules; to be freed */
char *sieve_script(const json_t *rules);
/* a mail for U: his rules file it, forward it, answer it; without rules it goes into the INBOX */
void sieve_deliver(struct user *u, const char *p, size_t n);

#endif
