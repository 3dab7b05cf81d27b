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

#define SERVICE_QUERIES 20      /* names in one request */
#define SERVICE_PEOPLE 100      /* answers to one name at most */
#define SERVICE_MEMBERS 1000    /* of all groups and lists of an answer, and of one of them */
#define SERVICE_PHOTOS 20       /* pictures that an answer brings along */
#define SERVICE_PHOTO_MAX 131072 /* octets of one of them at most */

enum person_kind { PERSON_USER, PERSON_CONTACT, PERSON_LIST, PERSON_GROUP, PERSON_RESOURCE, PERSON_KINDS };

/** Where a contact is that can be synchronised. */
struct service_object {
	bool known;             /* false: it is no contact, or in a folder that is not synchronised */
	struct uuid folder, uuid;
};
struct service_member {
	int64_t entity;         /* OX's number of a user, 0 = it is none */
	const char *name, *address; /* "" = not told */
	struct service_object at;
};
struct service_person {
	enum person_kind kind;
	int64_t entity;         /* users, groups, resources: OX's number, as in permissions and participants; else 0 */
	const char *name;
	const char *address[3];
	size_t n_addresses;
	struct service_object at;
	bool exact;             /* its name, or an address of it, is the query */
	bool has_photo;         /* engine_photo gives it */
	const char *photo_type; /* NULL = the picture is not here */
	const void *photo;
	size_t photo_len;
	struct service_member *members; /* only when they were asked for */
	size_t n_members;
	bool more_members;
};
struct service_who {
	const char *query;
	/* out */
	struct service_person *v;
	size_t n;
	bool more;              /* others answer to it as well */
};
struct service_people {
	struct service_who *who;
	size_t n;               /* SERVICE_QUERIES at most */
	unsigned kinds;         /* bits 1 << PERSON_* */
	bool exact;             /* only who has this very address */
	size_t limit;           /* SERVICE_PEOPLE at most */
	bool members;
	size_t photo_max;       /* octets of a picture that comes along; 0 = none do */
	unsigned absent;        /* out: kinds that are not available */
};
/**
 * service_people_resolve - who answers to names and addresses that begin so: first who is named exactly, then users, then contacts and lists by how
 * often this user has used them, groups, resources.
 *
 * Groups and distribution lists hold users and addresses, never each other, so their members are at hand at once and cannot run in circles.
 * Private contacts of others never appear.   Errors: those of all; SERVICE_ABSENT when none of the kinds is available.
 */
MUST_CHECK enum rc service_people_resolve(struct engine_session *s, struct arena *a, struct service_people *q, struct err *e);

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

#define SERVICE_FINDS 2000      /* hits of one search that can be paged through */
#define SERVICE_PAGE 100        /* objects of one page at most */
#define SERVICE_WORDS 10        /* in TEXT */
#define SERVICE_CURSOR 64       /* octets of a cursor's text, NUL included */

struct service_search {
	enum content ct;        /* not CT_FOLDER */
	const struct uuid *folder; /* NULL = all of this type */
	const char *text;       /* words, each of which has to be in the object (struct ox_search); NULL = any object, of mail only */
	const char *from, *to, *subject, *body; /* mail; NULL = anything */
	unsigned set, clear;    /* mail: OX_MAIL_* */
	msec_t after, before;   /* TIME_MIN, TIME_MAX = any time */
	size_t limit;           /* SERVICE_PAGE at most */
	const char *cursor;     /* of the page before, NULL = the first */
};
struct service_found {
	struct engine_found *v; /* in their order; one without an object has gone since */
	size_t n;
	bool more;
	char cursor[SERVICE_CURSOR]; /* with more */
	bool cut;               /* more than SERVICE_FINDS: only the first ones of the order can be paged through */
};
/**
 * service_search - a page of what OX finds, of synchronised folders and others, inside of the device's window or not; service_found_done drops it.
 *
 * Newest first, contacts by name.  The next page goes on behind the last object of this one, wherever that is then: while nothing changes nothing
 * comes twice and nothing is left out; when the last object goes meanwhile, one may come again.
 * Errors: RC_NOTFOUND, RC_PROTO (path "folder", "cursor", "text"); RC_LIMIT OX has more than it tells at once; SERVICE_ABSENT the user has no such folders.
 */
MUST_CHECK enum rc service_search(struct engine_session *s, struct arena *a, const struct service_search *q, struct service_found *out, struct err *e);
void service_found_done(struct service_found *f);

/* ---- client service ---- */

#endif
