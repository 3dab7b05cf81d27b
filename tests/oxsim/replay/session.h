/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private to the replay test: requests outside the recording. */
#ifndef REPLAY_SESSION_H
#define REPLAY_SESSION_H

#include <jansson.h>

struct run;

/* Sends a JSON body (NULL = none) in a session of USER made for setup steps; without a user
 * it is sent bare, which is how control requests are made.  Caller frees the answer. */
json_t *session_request(struct run *r, const char *user, const char *method, const char *url,
                        const char *body);

#endif
