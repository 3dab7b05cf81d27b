/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An engine for tests of the protocol: answers what the test says, writes down what it was asked, and counts what
 * was opened, so that a leak is seen.  Also used by the fuzzer.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "usmd/engine.h"

#define FAKE_TOKEN "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

struct fake {
	const char *fail_in;     /* the next call of this name fails with ERR; "" or NULL = none */
	struct err err;
	enum content ct;         /* type of every folder but the hierarchy */
	size_t items;            /* objects in an answer to a sync */
	bool more, no_own;
	struct device_config config;
	struct folder_setting folders[8]; /* of CONFIG */
	enum folder_mode mode;
	struct fmask hidden;
	bool notices;            /* one of each */
	const char *octets, *type; /* of an attachment */
	/* ping: the watch sees a change from this look on; 0 = never */
	unsigned changed_at_look, looks;
	msec_t spent_ms;         /* a look takes this long */
	bool replaced;           /* a newer wait has come */
	/* seen */
	char log[8192];
	int ends;                 /* engine_wait_ended was called so often, the last time with */
	unsigned waited_s;
	enum wait_end end;
	int sessions, watches, waiters, answers; /* open now */
};
extern struct fake fake;

void fake_reset(void);
msec_t fake_now(void);
extern msec_t fake_time;

/** fake_engine - a pointer to give to usmjson_new. */
struct engine *fake_engine(void);

/** fake_object - an object of CT with a value in every field that is delivered. */
struct object *fake_object(struct arena *a, enum content ct);

/** fake_uuid - the uuid that the fakes call N. */
struct uuid fake_uuid(unsigned n);
/** fake_note, fake_fails - of the other fakes: write down what was asked; does the call WHAT fail now? */
void fake_note(const char *fmt, ...) PRINTF_LIKE(1, 2);
enum rc fake_fails(const char *what, struct err *e);

#endif
