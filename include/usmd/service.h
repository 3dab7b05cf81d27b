/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * service - what a user can do besides synchronising: scheduling, people, mail rules, absence, the own data, search.  Each call is a request
 * or a few to OX in the session of the account; nothing of it is kept here, but what engine keeps of the objects concerned.
 * Protocol-neutral, like engine.
 *
 * Threads: any.   Blocking: as the calls of backend.   Strings of answers live in the arena.
 * Errors of all: RC_DENIED log in again; RC_FORBIDDEN no right; RC_UPSTREAM OX failed or cannot be reached, with the code SERVICE_ABSENT
 * when this OX, or this user, does not have the function; RC_TIMEOUT no answer: of a write the outcome is unknown.
 */
#ifndef USMD_SERVICE_H
#define USMD_SERVICE_H

#include <jansson.h>

#include "usmd/engine.h"

#define SERVICE_ABSENT "not-available"

/* ---- scheduling ---- */

/* ---- people ---- */

/* ---- mail rules, absence, signatures ---- */

#define RULE_MAX_NAME 250       /* octets */
#define RULE_MAX_TEXT 65536     /* octets of the text of a notice or a refusal */
#define RULE_MAX_VALUE 4096     /* octets of any other text in a rule */
#define RULE_MAX_CONDITIONS 200 /* of one rule, groups included */
#define RULE_MAX_ACTIONS 50
#define RULE_MAX_DAYS 365       /* between two notices to one sender */
#define RULE_MAX_ADDRESSES 100  /* of an absence notice */
#define SIGNATURE_MAX_NAME 255  /* octets */
#define SIGNATURE_MAX_CONTENT (1 << 20)

/**
 * Mail rules run on the mail server, in their order.  A rule is a JSON object: id (number), rev, name, active, stop (no further rule), vacation (it is the
 * absence notice), test, actions.  Tests and actions are those of OX's mailfilter v2, kept as they are where they are not known, but: "stop" is a member of
 * the rule; actions with `into` have `folder` (uuid), too; a group that is turned round is {"id":"not","test":..}.  A rev changes with the rule's content.
 * Errors of all writes besides: RC_PROTO with the path of the member; RC_LIMIT; RC_FORBIDDEN: the script holds what OX cannot read and would delete.
 */
struct service_rules {
	json_t *rules;       /* array, owned */
	char rev[REV_TEXT];  /* of the order */
	unsigned hidden;     /* rules that OX cannot read; nothing can be written while there are any */
	json_t *config;      /* owned: tests, actioncmds, options as OX announces them */
};
/** service_rules_get - three requests to OX. */
MUST_CHECK enum rc service_rules_get(struct engine_session *s, struct service_rules *out, struct err *e);
void service_rules_done(struct service_rules *r);

/** A new rule (client_id), or what changes of one (id, rev): NULL and -1 = as it is. */
struct service_rule_set {
	int64_t id;            /* -1 = a new one */
	const char *rev, *client_id, *name;
	int active, stop;      /* 0, 1 or -1 */
	int64_t position;      /* of a new one; -1 = last */
	const json_t *test, *actions;
};
/** What became of a write: not applied = somebody else changed it since REV. */
struct service_written {
	bool applied;
	json_t *now;           /* owned: as it is now; NULL = it is gone */
};
/**
 * service_rule_set - makes a rule once for a clientId of a device, however often it is asked (a mark among the rule's flags), unless it was deleted
 * meanwhile; or changes the given members of one.  RC_NOTFOUND: no rule id.  service_rule_delete - one that is gone is no error.
 * service_rules_order - IDS, an array that names every rule once; REV that of the list.
 */
MUST_CHECK enum rc service_rule_set(struct engine_session *s, struct arena *a, const struct service_rule_set *in, struct service_written *out, struct err *e);
MUST_CHECK enum rc service_rule_delete(struct engine_session *s, int64_t id, const char *rev, struct service_written *out, struct err *e);
/** @applied  false = the list is another than that of REV, nothing was done   @now  the rev of the list as it is now */
MUST_CHECK enum rc service_rules_order(struct engine_session *s, const json_t *ids, const char *rev, bool *applied, char now[REV_TEXT], struct err *e);

/** The absence notice; strings and arrays live in the arena. */
struct service_vacation {
	bool exists, active;
	char rev[REV_TEXT];
	const char *text, *subject; /* subject NULL = the server's own */
	int64_t days;               /* between two notices to one sender; -1 = the server's own */
	const char **addresses;     /* mail to these, besides the account's own, is answered as well */
	size_t n_addresses;
	bool has_from, has_to;
	msec_t from, to;            /* first and last day, at 00:00 UTC */
	const char *zone;           /* "+0100": where these days begin; NULL = no days */
	bool other;                 /* the rule has further conditions; they are kept */
};
/** service_vacation_get - as the rule with the flag "vacation" says. */
MUST_CHECK enum rc service_vacation_get(struct engine_session *s, struct arena *a, struct service_vacation *out, struct err *e);
/** What changes of it; what is not said, and what is not known of the rule, stays. */
struct service_vacation_set {
	const char *rev;             /* NULL = whatever is there now */
	int active;                  /* 0, 1 or -1 */
	const char *text, *subject;  /* NULL = as it is; subject "" = the server's own */
	int64_t days;                /* -1 = as it is */
	const json_t *addresses;     /* array of strings, or NULL */
	int from_op, to_op;          /* -1 as it is, 0 none, 1 FROM, TO */
	msec_t from, to;
	const char *zone;            /* NULL = as it is, else the user's at OX now */
};
/** service_vacation_set - *APPLIED false: it was changed since REV.  OUT: as it is now.  RC_PROTO: the first one needs a text. */
MUST_CHECK enum rc service_vacation_set(struct engine_session *s, struct arena *a, const struct service_vacation_set *in, bool *applied,
    struct service_vacation *out, struct err *e);

/** Signatures: an array, the caller's, of objects id, rev, name, html (else plain text), content, insertion ("above", "below" or absent), default, defaultReply. */
MUST_CHECK enum rc service_signatures_get(struct engine_session *s, json_t **out, struct err *e);
/** As struct service_rule_set; html, is_default, is_default_reply: 0, 1 or -1. */
struct service_signature_set {
	const char *id, *rev, *client_id, *name, *content, *insertion;
	int html, is_default, is_default_reply;
};
MUST_CHECK enum rc service_signature_set(struct engine_session *s, const struct service_signature_set *in, struct service_written *out, struct err *e);
MUST_CHECK enum rc service_signature_delete(struct engine_session *s, const char *id, const char *rev, struct service_written *out, struct err *e);

/* ---- the own data ---- */

/** How much is used, and of how much; -1 = OX does not say, or no limit. */
struct service_use {
	int64_t used, limit;
};
struct service_quota {
	struct service_use mail;             /* octets */
	struct service_use files;            /* octets: attachments, pictures, and whatever else lies in the user's store at OX */
	struct service_use objects[CT_COUNT]; /* contacts, appointments, tasks: in all folders of the user's context */
};
/** service_quota_get - as OX counts now. */
MUST_CHECK enum rc service_quota_get(struct engine_session *s, struct service_quota *out, struct err *e);

/* ---- search ---- */

/* ---- client service ---- */

#endif
