/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Shared by usmd and usmctl. */
#ifndef USMD_DAEMON_INT_H
#define USMD_DAEMON_INT_H

#include <signal.h>

#include "usmd/conf.h"
#include "usmd/httpd.h"
#include "usmd/hub.h"

struct admin;

/* exit codes; systemd does not restart after the last two */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

/* key.c */

/* key_load - the master key that key_file names.  RC_NOTFOUND, RC_FORBIDDEN, RC_PROTO (not 64 hex digits); the text says what to do. */
MUST_CHECK enum rc key_load(const char *key_file, unsigned char key[KEY_BYTES], struct err *e);
/* key_create - write a new random key to FILE, mode 0600; never over an existing file (RC_CONFLICT). */
MUST_CHECK enum rc key_create(const char *file, struct err *e);
/* key_check_new - would key_create do?  Its errors. */
MUST_CHECK enum rc key_check_new(const char *file, struct err *e);

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
/* wire_engine_options - the engine's settings out of C, whose texts *out borrows.  RC_PROTO.  wire_cache - the cache; RC_NOMEM, or why its
 * password cannot be found. */
struct engine_options;
struct cache;
MUST_CHECK enum rc wire_engine_options(const struct conf *c, struct engine_options *out, struct err *e);
MUST_CHECK enum rc wire_cache(const struct conf *c, struct cache **out, struct err *e);
/* Everything behind the HTTP server: store, cache, backend, engine and the protocols on it. */
struct wire;
struct status;
struct store_record;
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
/* wire_status - the status page, for httpd_options.status; ARG is the struct wire.  wire_status_set - ST (borrowed) is what it shows. */
bool wire_status(void *arg, const char *url, struct buf *out, struct httpd_page *page);
void wire_status_set(struct wire *w, struct status *st);
/* wire_self_test - a task of observe.c. */
void wire_self_test(void *arg);
bool wire_page(void *arg, const char *url, struct buf *out);
/* wire_persons_care - persons_care as a task of observe.c. */
void wire_persons_care(void *arg);
/* wire_listen - from now on OX's push is heard; C as given to wire_engine. */
MUST_CHECK enum rc wire_listen(struct wire *w, const struct conf *c, struct err *e);

/* wire_reload - from now on the reloadable settings of C hold; TRIAL: would they do? */
MUST_CHECK enum rc wire_reload(struct wire *w, const struct conf *c, bool trial, struct err *e);
/* wire_record - an administrator's change of this process, of N things, into the audit.  wire_waiters - clients that wait here. */
MUST_CHECK enum rc wire_record(struct wire *w, const struct store_record *r, size_t n, struct err *e);
size_t wire_waiters(const struct wire *w);

/* control.c: the socket through which usmctl reaches the running daemon */

struct control;
/* Who asks, as the kernel says; DRY_RUN: what would be done. */
struct control_asked {
	int64_t by_uid;
	bool dry_run;
};
struct control_calls {
	/* what was done, or why it was not, as lines "name: value"; runs on control's own thread */
	void (*reload)(void *arg, const struct control_asked *by, struct buf *out);
	void (*drain)(void *arg, const struct control_asked *by, struct buf *out);
	void (*config)(void *arg, const struct control_asked *by, struct buf *out); /* conf_dump */
	void *arg;
};
/* control_new - listens on PATH ("" = nowhere: *out is NULL).  RC_INTERNAL the socket cannot be made; the daemon works without it. */
MUST_CHECK enum rc control_new(const char *path, const struct control_calls *calls, struct control **out, struct err *e);
/* control_free - ends the thread, removes the socket.  NULL is a no-op. */
void control_free(struct control *c);
/* control_ask - for usmctl: COMMAND to the daemon behind PATH, its answer into OUT.  RC_FORBIDDEN this user may not; RC_UPSTREAM nobody answers. */
MUST_CHECK enum rc control_ask(const char *path, const char *command, struct buf *out, struct err *e);

/* live.c: the settings while the daemon works */

struct live;
/* live_new - C, FILE and W are borrowed; listens on the control socket, or logs why not.  RC_NOMEM. */
MUST_CHECK enum rc live_new(const struct conf *c, const char *file, struct wire *w, struct live **out, struct err *e);
/* live_free - before W is freed.  NULL is a no-op. */
void live_free(struct live *l);
/* live_reload - reads the file again; what came of it is logged, and told in OUT (NULL: nowhere).  BY, who
 * asked for it, is recorded (NULL: a signal, of which nobody knows who sent it).  Threads: any. */
void live_reload(struct live *l, const struct control_asked *by, struct buf *out);
/* live_drain_time, live_shutdown_timeout - as they are now. */
msec_t live_drain_time(struct live *l);
msec_t live_shutdown_timeout(struct live *l);

/* observe.c */

/* What one thread does from time to time; each run shall end within seconds. */
struct observe_task {
	msec_t every_ms;          /* 0 = never */
	void (*run)(void *arg);
	void *arg;
	int64_t due;              /* the thread's */
};
struct observe;
MUST_CHECK enum rc observe_start(const struct observe_task *tasks, size_t n, struct observe **out, struct err *e);
/* observe_stop - waits for the task that runs.  NULL is a no-op. */
void observe_stop(struct observe *o);
/* observe_traces - trace_setup from C; before threads start. */
void observe_traces(const struct conf *c);
void observe_trace_look(void *arg);

/* persons.c: what is kept of persons in files of this node */

struct arena;
struct store;
struct store_conn;
struct person { int64_t account, context, user; }; /* account 0 = the database knows nothing of the person any more */
struct person_files { size_t feedback, traces; };
/** persons_files - what P's clients handed in and traces of P's devices are removed, or (COUNT) only counted.  RC_FORBIDDEN, RC_NOTFOUND: this user may not. */
MUST_CHECK enum rc persons_files(const struct conf *c, struct store_conn *conn, struct arena *a, const struct person *p, bool count, struct person_files *out,
    struct err *e);
/** persons_care - the same for all whom an administrator has had forgotten since, at whatever node; traces of devices that are no more.  Logs.  Blocking. */
void persons_care(const struct conf *c, struct store *s);

/* selftest.c */

struct store;
struct cache;
enum selftest_path { SELFTEST_HUB, SELFTEST_REDIS, SELFTEST_POSTGRESQL, SELFTEST_PATHS };
struct selftest;
/* selftest_new - all borrowed; CACHE NULL: there is no Redis.  NULL = out of memory.  selftest_free: NULL is a no-op. */
struct selftest *selftest_new(struct hub *hub, struct store *store, struct cache *cache);
void selftest_free(struct selftest *t);
/* selftest_run - once by each path; what does not arrive within 5 s is counted and logged.  One at a time; blocks for 15 s at most. */
void selftest_run(struct selftest *t);
/* selftest_heard - NAME came by PATH; true: it was the test's, nobody else's.  Any thread; T may be NULL. */
bool selftest_heard(struct selftest *t, enum selftest_path path, uint64_t name);

/* status.c */

struct status;
struct status_facts;
struct status_sample;
/* status_new - NULL = out of memory.  status_free: NULL is a no-op. */
struct status *status_new(void);
void status_free(struct status *st);
/* status_watch - for log_watch: remembers who is in trouble. */
void status_watch(enum log_level level, const char *event, const struct log_ctx *ctx);
/* status_take - a task of observe.c: one sample.  status_push - S as if it had been taken.  Threads: any. */
void status_take(void *arg);
void status_push(struct status *st, const struct status_sample *s);
/* status_write - the page of URL into OUT, *TYPE its media type; false = there is none.  status_csp - its Content-Security-Policy. */
bool status_write(struct status *st, const struct status_facts *f, const char *url, struct buf *out, const char **type);
const char *status_csp(const struct status *st);

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
int run_sources(struct admin *x);

/* repair.c: commands of usmctl about one device; the result is the exit code */
int run_undo(struct admin *x);
int run_duplicates(struct admin *x);
int run_held(struct admin *x);
/* trace.c: usmctl trace, likewise */
int run_trace(struct admin *x);
/* keys.c: usmctl keys, likewise; keys_load - the keys of seal_keys and that of MASTER.  Errors as of key_load. */
int run_keys(struct admin *x);
MUST_CHECK enum rc keys_load(const struct conf *c, const unsigned char master[KEY_BYTES], struct keyring *out, struct err *e);
/* proxies.c: usmctl proxies, likewise */
int run_proxies(struct admin *x);

/* commands.c: what is stored, and decisions about it; likewise */
int run_accounts(struct admin *x);
int run_devices(struct admin *x);
int run_folders(struct admin *x);
int run_conflicts(struct admin *x);
int run_audit(struct admin *x);
int run_stats(struct admin *x);
int run_report(struct admin *x);
int run_device(struct admin *x);
int run_sessions(struct admin *x);
int run_resync(struct admin *x);
int run_aside(struct admin *x);
int run_forget(struct admin *x);
int run_explain(struct admin *x);
/* feedback.c: usmctl feedback, likewise */
int run_feedback(struct admin *x);

/* config.c: usmctl config, reload, drain; likewise */
int run_config(struct admin *x);
int run_reload(struct admin *x);
int run_drain(struct admin *x);

/* print_err - "PROGRAM: where: what" to stderr. */
void print_err(const char *program, const struct err *e);

#endif
