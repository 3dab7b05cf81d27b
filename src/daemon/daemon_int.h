/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Shared by usmd and usmctl. */
#ifndef USMD_DAEMON_INT_H
#define USMD_DAEMON_INT_H

#include <signal.h>

#include "usmd/conf.h"
#include "usmd/httpd.h"
#include "usmd/hub.h"

/* exit codes; systemd does not restart after the last two */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

/* key.c */

/* key_load - the master key that key_file names.  RC_NOTFOUND, RC_FORBIDDEN, RC_PROTO (not 64 hex digits); the text says what to do. */
MUST_CHECK enum rc key_load(const char *key_file, unsigned char key[KEY_BYTES], struct err *e);
/* key_create - write a new random key to FILE, mode 0600; never over an existing file (RC_CONFLICT). */
MUST_CHECK enum rc key_create(const char *file, struct err *e);

/* database.c */

struct store;
/* database_open - the store as the settings say.  Errors of store_open and conf_secret_read. */
MUST_CHECK enum rc database_open(const struct conf *c, unsigned pool, struct store **out, struct err *e);
/* database_password - what pg_password_file holds, "" without it.  The caller wipes OUT. */
struct password {
	char text[1024];
};
MUST_CHECK enum rc database_password(const struct conf *c, struct password *out, struct err *e);

/* wire.c */

/* wire_check - the settings whose words only a module knows (ox_calendar, default_modes).  RC_PROTO. */
MUST_CHECK enum rc wire_check(const struct conf *c, struct err *e);
/* Everything behind the HTTP server: store, cache, backend, engine and the protocols on it. */
struct wire;
/* wire_engine - build it all from C.  C and HUB are borrowed and outlive *out.  Errors: of the part that failed. */
MUST_CHECK enum rc wire_engine(const struct conf *c, const unsigned char key[KEY_BYTES], struct hub *hub, struct wire **out, struct err *e);
/* wire_free - no request may be in work.  NULL is a no-op. */
void wire_free(struct wire *w);
const struct protocol *wire_protocols(const struct wire *w, size_t *n);
/* wire_care - what has expired of files goes.  Call it now and then. */
void wire_care(struct wire *w);
/* wire_health - for httpd_options.health, ARG is the struct wire. */
enum httpd_health wire_health(void *arg, char *why, size_t size);

/* wire_gauges, wire_page - likewise for gauges and page. */
void wire_gauges(void *arg, struct buf *out);
bool wire_page(void *arg, const char *url, struct buf *out);
/* wire_listen - from now on OX's push is heard; C as given to wire_engine. */
MUST_CHECK enum rc wire_listen(struct wire *w, const struct conf *c, struct err *e);

/* systemd.c */

/* What the main thread watches while it waits for signals. */
struct watch {
	const sigset_t *set;    /* blocked signals that it takes */
	struct httpd *httpd;    /* whose workers must move; NULL = not yet */
	msec_t stall_ms;        /* setting watchdog_stall, 0 = never */
	bool told;              /* the log has it that they do not */
};
/* systemd_sockets - sockets that were passed, into listen_fd and (FileDescriptorName=admin) admin_fd.  RC_PROTO: two for the same. */
MUST_CHECK enum rc systemd_sockets(struct httpd_options *o, struct err *e);
/* signal_until - wait until UNTIL_US (monotonic) for a signal of W->set, and keep systemd's watchdog content as long as W is; -1 = none came. */
int signal_until(struct watch *w, int64_t until_us);
/*
 * wire_await - wire_engine, tried again for as long as PostgreSQL does not answer or is starting (0.5 to 10 s between attempts, which log and
 * systemd's status tell).  RC_OK with *out NULL: a signal to stop came first.
 */
MUST_CHECK enum rc wire_await(const struct conf *c, const unsigned char key[KEY_BYTES], struct hub *hub, struct watch *w, struct wire **out, struct err *e);

/* webhook.c */

struct push_hook;
struct webhook_options {
	const char *header;   /* that holds the signature */
	size_t max_body;
};
struct protocol;
/* webhook_new - the path /usm-json/webhook as a protocol on HOOK (taken: webhook_free frees it, also when this fails).  RC_NOMEM. */
MUST_CHECK enum rc webhook_new(struct push_hook *hook, const struct webhook_options *o, struct protocol *out, struct err *e);
void webhook_free(struct protocol *p);

/* sources.c */

/* context_user_parse - "CONTEXT/USER", both numbers. */
MUST_CHECK bool context_user_parse(const char *text, int64_t *context, int64_t *user);
/* usmctl sources */
int run_sources(int argc, char **argv);

/* repair.c: commands of usmctl about one device; argv[0] is the command, the result its exit code */
int run_undo(int argc, char **argv);
int run_duplicates(int argc, char **argv);
int run_held(int argc, char **argv);
/* keys.c: usmctl keys, likewise; keys_load - the keys of seal_keys and that of MASTER.  Errors as of key_load. */
int run_keys(int argc, char **argv);
MUST_CHECK enum rc keys_load(const struct conf *c, const unsigned char master[KEY_BYTES], struct keyring *out, struct err *e);
/* proxies.c: usmctl proxies, likewise */
int run_proxies(int argc, char **argv);

/* feedback.c: usmctl feedback, likewise */
int run_feedback(int argc, char **argv);

/* print_err - "PROGRAM: where: what" to stderr. */
void print_err(const char *program, const struct err *e);

#endif
