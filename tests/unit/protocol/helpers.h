/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the tests of usm-json share: a protocol on the fake engine, one request in, one reply out. */
#ifndef TESTS_PROTOCOL_HELPERS_H
#define TESTS_PROTOCOL_HELPERS_H

#include <check.h>

#include "fake_engine.h"
#include "usmd/protocol.h"

#define U1 "aa000000-0000-0000-0000-000000000001"
#define U2 "aa000000-0000-0000-0000-000000000002"
#define S1 "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c"
#define R1 "0123456789abcdef"

extern struct protocol proto;
extern struct usmjson_options options; /* used by the next setup */

void setup(void);    /* checked fixture: fresh fake and protocol */
void teardown(void); /* nothing may be left open */

/** post - POST BODY to PATH with the good token; REP is filled. */
void post(const char *path, const char *body, struct reply *rep);
/** send_request - any request; NULL members of REQ get the usual values. */
void send_request(struct request *req, struct reply *rep);
/** answer_json - the body of REP parsed; the caller drops it. */
json_t *answer_json(const struct reply *rep);
/** check_answer - REP has HTTP status and status number, its JSON is valid for COMMAND; frees REP. */
void check_error(const char *what, const char *command, struct reply *rep, int http, int status, const char *code, const char *path);

Suite *suite_requests(void);
Suite *suite_answers(void);
Suite *suite_ping(void);
Suite *suite_status(void);
Suite *suite_published(void);
Suite *suite_schema(void);

#endif
