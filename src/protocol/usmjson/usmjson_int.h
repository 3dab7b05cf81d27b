/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmjson, private: one request in work, the typed reader of requests, the writer of answers and the table of
 * status codes.  What goes over the wire is specified in usm-json(7).
 */
#ifndef USMJSON_INT_H
#define USMJSON_INT_H

#include <jansson.h>

#include "usmd/engine.h"
#include "usmd/protocol.h"
#include "usmd/service.h"

#define USMJSON_BASE "/usm-json"
#define USMJSON_PROTOCOL 1
#define USMJSON_CLIENT_ID_MAX 64
#define USMJSON_DEVICE_MAX 64
#define PASSWORD_MAX 1024 /* octets */
#define USMJSON_RECREATED "re." /* re.<uuid>.<device>: clientId of what is created again because the client wins over a delete */
#define USMJSON_JSON "application/json; charset=utf-8"

/* ---- status codes ---- */

enum usm_status {
	US_OK = 1, US_BAD_REQUEST, US_LOGIN_REQUIRED, US_FORBIDDEN, US_NOT_FOUND, US_METHOD, US_UNKNOWN_COMMAND,
	US_RECONCILE, US_OUTDATED, US_TOO_LARGE, US_LIMIT, US_BUSY, US_THROTTLED, US_UPSTREAM, US_UPSTREAM_TIMEOUT,
	US_INTERNAL, US_MEDIA_TYPE, US_REPEATED, US_ABSENT,
	US_END
};

/** One row of the published table of status codes. */
struct status {
	enum usm_status number;
	const char *name;    /* "code" of an error */
	int http;
	int retry_after_s;   /* when nobody knows better; 0 = no Retry-After */
	bool hide;           /* the error's own text is for the log, not for a client */
	const char *advice;  /* what to do next, one sentence */
};

/** status_get - row of S; never NULL. */
const struct status *status_get(enum usm_status s);
/** status_of_http - the first row with this HTTP status, else that of internal errors. */
const struct status *status_of_http(int http);
/** status_of - the row that answers RC with E (E tells outdated requests and throttling from their neighbours). */
const struct status *status_of(enum rc rc, const struct err *e);
/**
 * status_write_error - append the error object {code, message, details} of S and E to B.
 * @where      prefix of E's path ("created[3]"), or "".
 * @conflicts  what an appointment collides with (struct write_how), or NULL
 */
void status_write_error(struct buf *b, const struct status *s, const struct err *e, const char *where, const json_t *conflicts);

/* ---- one request in work ---- */

struct usmjson {
	struct engine *engine;
	struct usmjson_options o;
};

struct call {
	struct usmjson *u;
	const struct request *req;
	struct reply *rep;
	struct engine_session *session; /* NULL where the command needs none */
	struct arena *arena;
	json_t *body;                   /* an object */
	struct buf out;                 /* the answer; a command appends the data object */
	struct buf raw;                 /* decoded mails of this request */
	bool replied;                   /* the command filled REP itself (parked, or not JSON) */
	struct err err;
};

/** A command: reads C->body, appends the data object to C->out; any rc but RC_OK is answered from C->err. */
struct command {
	const char *name;
	enum rc (*run)(struct call *c);
	bool needs_session;
	const char *method;
};
/** command_table - all commands, *N of them, in the order of usm-json(7). */
const struct command *command_table(size_t *n);

enum rc cmd_login(struct call *c);
enum rc cmd_logout(struct call *c);
enum rc cmd_server_info(struct call *c);
enum rc cmd_get_config(struct call *c);
enum rc cmd_set_config(struct call *c);
enum rc cmd_sync_init(struct call *c);
enum rc cmd_sync_update(struct call *c);
enum rc cmd_sync_estimate(struct call *c);
enum rc cmd_reconcile(struct call *c);
enum rc cmd_ping(struct call *c);
enum rc cmd_events(struct call *c);
enum rc cmd_get_mail(struct call *c);
enum rc cmd_get_mail_body(struct call *c);
enum rc cmd_get_mail_part(struct call *c);
enum rc cmd_send_mail(struct call *c);
enum rc cmd_move_items(struct call *c);
enum rc cmd_copy_items(struct call *c);
enum rc cmd_respond_to_invitation(struct call *c);
enum rc cmd_get_free_busy(struct call *c);
enum rc cmd_analyze_invitation(struct call *c);
enum rc cmd_apply_invitation(struct call *c);
enum rc cmd_get_permissions(struct call *c);
enum rc cmd_set_permissions(struct call *c);
enum rc cmd_resolve_recipients(struct call *c);
enum rc cmd_search(struct call *c);
enum rc cmd_get_rules(struct call *c);
enum rc cmd_set_rule(struct call *c);
enum rc cmd_delete_rule(struct call *c);
enum rc cmd_order_rules(struct call *c);
enum rc cmd_get_vacation(struct call *c);
enum rc cmd_set_vacation(struct call *c);
enum rc cmd_get_signatures(struct call *c);
enum rc cmd_set_signature(struct call *c);
enum rc cmd_delete_signature(struct call *c);
enum rc cmd_get_quota(struct call *c);
enum rc cmd_get_profile(struct call *c);
enum rc cmd_set_profile(struct call *c);
enum rc cmd_change_password(struct call *c);
enum rc cmd_get_client_version(struct call *c);
enum rc cmd_get_client_file(struct call *c);
enum rc cmd_send_feedback(struct call *c);
enum rc cmd_get_photo(struct call *c);
enum rc cmd_get_attachments(struct call *c);
enum rc cmd_get_attachment(struct call *c);
enum rc cmd_add_attachment(struct call *c);
enum rc cmd_delete_attachment(struct call *c);
enum rc cmd_get_conflicts(struct call *c);
enum rc cmd_restore_conflict(struct call *c);
enum rc cmd_dismiss_conflict(struct call *c);

/** wipe_string - the text of J, a password, becomes zeros; J may be anything. */
void wipe_string(json_t *j);
/** write_package - what is known of the announced client, as members of an object that is open in B. */
void write_package(struct buf *b, const struct service_package *p);

/* ---- waiting: ping.c and events.c ---- */

/** What a parked request keeps. */
struct parked {
	enum watch_kind kind;
	unsigned heartbeat_s; /* granted */
	struct engine_watch *watch;
	msec_t deadline_ms;
};
/** ping_begin - read the request, register the watch: *OUT the caller's (ping_park_free), *WAITER as engine_watch_resubscribe. */
MUST_CHECK enum rc ping_begin(struct call *c, enum watch_kind kind, struct parked **out, struct hub_waiter **waiter);
/** ping_check - engine_watch_check of P; where the session's password was changed elsewhere, by this very session, with the new one. */
MUST_CHECK enum rc ping_check(struct call *c, const struct parked *p, const struct ping_entry **e, size_t *n, size_t *changed);
/** ping_note_end - P's wait ended by its deadline, or REQ->finish: was it the way to the client that ended it? */
void ping_note_end(const struct parked *p, const struct request *req);
/** ping_write_changed - the member "changed" of an answer. */
void ping_write_changed(struct buf *b, const struct ping_entry *e, size_t n);
/** ping_resume, events_resume - answer or park again a request that was parked (REQ->parked). */
void ping_resume(struct usmjson *u, const struct request *req, struct reply *rep);
void events_resume(struct usmjson *u, const struct request *req, struct reply *rep);
void ping_park_free(void *park_state);

/** call_init, call_fini - the buffers and the arena of a request.  RC_NOMEM. */
MUST_CHECK enum rc call_init(struct call *c, struct usmjson *u, const struct request *req, struct reply *rep);
void call_fini(struct call *c);
/** call_begin - the head of a good answer, up to "data":.  call_reply_ok - its end, into REP. */
void call_begin(struct call *c);
void call_reply_ok(struct call *c);
/** call_reply_octets - OUT, given away, as the answer in place of JSON; TYPE is copied.  RC_NOMEM. */
MUST_CHECK enum rc call_reply_octets(struct call *c, struct buf *out, const char *type);
/** call_reply_error - answer C->err. */
void call_reply_error(struct call *c, enum rc rc);

/* ---- reading ---- */

/** Where in the request a reader is; every error names it. */
struct rd {
	struct call *c;
	char path[sizeof(((struct err *)0)->path)];
	size_t len;  /* of PATH without cutting */
};

enum rd_kind {
	RD_STRING,    /* min..max bytes */
	RD_INT,       /* min..max */
	RD_BOOL,
	RD_ARRAY,     /* min..max elements */
	RD_OBJECT,
	RD_UUID,
	RD_SYNCID,
	RD_REV,
	RD_CLIENT_ID,
	RD_DEVICE,
	RD_POLICY,
	RD_ANY        /* checked by the caller */
};
#define RD_REQUIRED 0x1u
#define RD_NULL     0x2u /* null counts as absent */

/** One member that an object may have. */
struct rd_member {
	const char *name;
	enum rd_kind kind;
	unsigned flags; /* RD_* */
	int64_t min, max;
};

void rd_init(struct rd *r, struct call *c);
/** rd_enter, rd_enter_index - the path goes on with a member or an index; both return what rd_leave needs. */
size_t rd_enter(struct rd *r, const char *member);
size_t rd_enter_index(struct rd *r, size_t i);
void rd_leave(struct rd *r, size_t mark);
/** rd_fail - RC with the text for a person and the path; rd_fail_at names MEMBER below the path. */
enum rc rd_fail(struct rd *r, enum rc rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
enum rc rd_fail_at(struct rd *r, const char *member, enum rc rc, const char *fmt, ...) PRINTF_LIKE(4, 5);
/** rd_value - check J against M (the path names it already). */
MUST_CHECK enum rc rd_value(struct rd *r, const struct rd_member *m, const json_t *j);
/**
 * rd_object - the members of J, which must be an object with members of M only: OUT[i] = value of M[i], borrowed, or
 * NULL when absent.  Unknown members, missing ones and wrong types are RC_PROTO, too large ones RC_LIMIT.
 */
MUST_CHECK enum rc rd_object(struct rd *r, const json_t *j, const struct rd_member *m, size_t n, json_t **out);
/** no_members - the request of a command that takes none. */
MUST_CHECK enum rc no_members(struct call *c);
/** rd_member_find - index of NAME in M or N. */
size_t rd_member_find(const struct rd_member *m, size_t n, const char *name);

/* conversions of values that passed rd_value */
void rd_uuid(const json_t *j, struct uuid *out);
void rd_syncid(const json_t *j, struct syncid *out);
enum sync_policy rd_policy(const json_t *j);
/** rd_folder - FOLDER of a request: NULL = the hierarchy. */
void rd_folder(const json_t *j, struct folder_ref *out);

/** origin_ok - false: a browser sent REQ on behalf of a page of another site. */
bool origin_ok(const struct request *req);
/**
 * body_looked - counts the brackets and commas of the next N bytes of a body into L, without knowing JSON: what is no JSON passes and fails in the parser.
 * 3 bytes of "[]," become 100 bytes of tree, so values are counted before they are allocated.  NULL, or which limit it exceeds (end of a sentence).
 */
const char *body_looked(struct body_look *l, const char *p, size_t n, size_t max_depth, size_t max_values);
/** request_parse - the body as a JSON object within the limits; RC_PROTO, RC_LIMIT, RC_NOMEM. *OUT owned by the caller. */
MUST_CHECK enum rc request_parse(const struct usmjson_options *o, const char *p, size_t n, json_t **out, struct err *e);

/**
 * changes_read - created, modified and deleted (arrays or NULL) of a folder of type CT into REQ, in this order.
 * Objects live in the arena; changes_drop gives their values back.
 */
MUST_CHECK enum rc changes_read(struct rd *r, enum content ct, const json_t *created, const json_t *modified, const json_t *deleted,
    struct sync_request *req);
void changes_drop(struct sync_request *req);
/** changes_first_repeated - index of a change that names what one before it names (by uuid, else by clientId), or N.  RC_NOMEM. */
MUST_CHECK enum rc changes_first_repeated(struct arena *a, const struct client_change *ch, size_t n, size_t *dup);
/** raw_read - V, a mail as base64, behind what C->raw holds; *LEN octets.  C->raw may move while it grows. */
MUST_CHECK enum rc raw_read(struct rd *r, const json_t *v, size_t *len);
/** uuids_distinct - index of an element of U that occurs before, or N. */
MUST_CHECK enum rc uuids_distinct(struct arena *a, const struct uuid *u, size_t n, size_t *dup);

/* ---- writing ---- */

/** js_str - S as a JSON string; bytes that are not UTF-8 become '?'. */
void js_str(struct buf *b, const char *s);
void js_uuid(struct buf *b, const struct uuid *u);
void js_syncid(struct buf *b, const struct syncid *s);
/** js_key - a constant KEY with what separates it from the member before ("," unless the object just began). */
void js_key(struct buf *b, const char *key);
const char *policy_name(enum sync_policy p);

/** answer_write_* - parts of the answer to a sync, as members of an object that is open in B. */
void answer_write_items(struct buf *b, const struct sync_answer *a, bool whole, const char *key);
/** answer_write_found - the object of F as an item of a sync, whole. */
void answer_write_found(struct buf *b, enum content ct, const struct engine_found *f);
void answer_write_deleted(struct buf *b, const struct sync_answer *a);
void answer_write_renamed(struct buf *b, const struct sync_answer *a);
/** answer_write_notices - what of FOLDER the client does not get; no member when there is nothing to tell. */
void answer_write_notices(struct buf *b, const struct folder_ref *folder, const struct sync_answer *a);
void answer_write_results(struct buf *b, const struct sync_request *req, const struct sync_answer *a);

#endif
