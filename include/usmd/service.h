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
/**
 * service_absent - RC, with SERVICE_ABSENT as the code of E where it says that OX has no such module or action, or not for this user.
 *
 * Each call below does it.  Also for calls of engine that are a function of their own (answers to invitations, attachments): there a missing module is no
 * failure of OX.  RC_OK is RC_OK; E may be NULL.
 */
MUST_CHECK enum rc service_absent(enum rc rc, struct err *e);

/* ---- scheduling ---- */

#define SERVICE_BUSY_WHO 100U    /* named in one question */
#define SERVICE_BUSY_PEOPLE 500U /* with the members of the groups among them */
#define SERVICE_BUSY_DAYS 400    /* the longest range */

/** Somebody who is asked for: by number, or by mail address or name (display or login name, letter case aside). */
struct service_who {
	enum ox_party_kind kind;  /* with ID; 0 = by MAIL or NAME */
	int64_t id;
	const char *mail, *name;  /* NULL = not by this */
};
struct service_busy_request {
	const struct service_who *who;
	size_t n;
	msec_t from, to;
	bool has_exclude;         /* not counted: this appointment; a series with all its occurrences and exceptions */
	struct uuid exclude_folder, exclude;
	bool details;             /* the appointments as well, with what OX shows of them */
};
enum service_busy_problem { BUSY_KNOWN, BUSY_UNKNOWN, BUSY_AMBIGUOUS, BUSY_NO_DATA, BUSY_FAILED };
/** One of them, or a member of a group. */
struct service_busy {
	enum ox_party_kind kind;  /* 0 = not found; OX_OUTSIDE: an address that is nobody's here */
	int64_t id;
	const char *name, *mail;  /* "" = none */
	enum service_busy_problem problem;
	const char *why;          /* of a problem, for a person */
	struct ox_busy *taken;    /* merged: ascending, without overlap, the strongest kind of each moment; nothing that is marked free */
	size_t n_taken;
	struct ox_busy *item;     /* with details: one by one, by their start, also what is marked free */
	size_t n_items;
	struct service_busy *member; /* of a group; which has no times of its own */
	size_t n_members;
};
/**
 * service_busy_get - when people have time.  *OUT is in the order of R's WHO; who has a problem does not keep the others from being answered.
 * Errors: RC_NOTFOUND the appointment to exclude; RC_LIMIT too many people.   Cost: two to four requests for each 50 people; by mail or name, OX's
 * whole list of users is read.
 */
MUST_CHECK enum rc service_busy_get(struct engine_session *s, struct arena *a, const struct service_busy_request *r, struct service_busy **out, struct err *e);

/** What a mail is about; see RFC 5546. */
enum service_itip_method { ITIP_NONE, ITIP_REQUEST, ITIP_REPLY, ITIP_CANCEL, ITIP_COUNTER, ITIP_DECLINECOUNTER, ITIP_REFRESH, ITIP_ADD, ITIP_PUBLISH, ITIP_METHODS };
/** What can be done with it. */
enum service_itip_action { ITIP_ACCEPT, ITIP_TENTATIVE, ITIP_DECLINE, ITIP_CREATE, ITIP_UPDATE, ITIP_REMOVE, ITIP_APPLY_REPLY, ITIP_ADD_PARTICIPANT,
	ITIP_ACCEPT_PROPOSAL, ITIP_DECLINE_PROPOSAL, ITIP_ACTIONS };

/** A mail that holds an invitation, an answer, a cancellation or a proposal; to be ended by service_invitation_done. */
struct service_invitation {
	enum service_itip_method method;
	const char *part;        /* of the mail, as getMailBody names it */
	bool can[ITIP_ACTIONS];  /* now */
	bool collides;           /* accepting needs ignore_conflicts */
	struct ox_itip x;
	struct engine_touched at[OX_ITIP_CHANGES]; /* of each change: the appointment that is there already; known = false: none */
};
/**
 * service_invitation_get - what OX makes of MAIL; changes nothing.   Errors: RC_NOTFOUND no such mail, or it holds nothing of the kind (then path is "uuid").
 */
MUST_CHECK enum rc service_invitation_get(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct service_invitation *out,
    struct err *e);
void service_invitation_done(struct service_invitation *x);

struct service_invitation_request {
	struct uuid folder, mail;
	enum service_itip_action action;
	const char *message;     /* for the other side, "" = none */
	bool ignore_conflicts;   /* accept, although it collides */
};
struct service_invitation_answer {
	bool changed;            /* false: it was so already, nothing was sent */
	struct engine_touched *v; /* appointments concerned, with known = true */
	size_t n;
};
/**
 * service_invitation_apply - carry the action out, once: OX is asked before what is still to be done, so a repeat finds it done.  Who waits for the
 * calendars concerned is woken.
 * Errors: RC_PROTO the action does not fit the mail, or not any more, or it collides (code OX_CONFLICTS); RC_NOTFOUND as service_invitation_get;
 * RC_TIMEOUT it may be done: repeat it.
 */
MUST_CHECK enum rc service_invitation_apply(struct engine_session *s, struct arena *a, const struct service_invitation_request *r,
    struct service_invitation_answer *out, struct err *e);

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
struct service_name {
	const char *query;
	/* out */
	struct service_person *v;
	size_t n;
	bool more;              /* others answer to it as well */
};
struct service_people {
	struct service_name *who;
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

/** What the user is told of himself. */
struct service_profile {
	struct object *contact;       /* his entry in the global address book */
	char rev[REV_TEXT];           /* of that entry: equal while its fields are */
	const char *login, *address;  /* what he logs in with, his first mail address; "" = OX does not say */
	const char *version;          /* of OX, "" = it does not say */
	const char **aliases;         /* all his mail addresses */
	size_t n_aliases;
	const char **features;        /* what he may use, in words of service_feature; has_features false: OX does not say */
	size_t n_features;
	bool has_features;
	json_t *settings;             /* by the names of service_setting; those that OX tells */
	int64_t password_min, password_max; /* characters that OX wants of a password, 0 = it does not say */
};
/** service_profile_get - one request.  Its values are given back by service_profile_fini, which takes what is zeroed, too. */
MUST_CHECK enum rc service_profile_get(struct engine_session *s, struct arena *a, struct service_profile *out, struct err *e);
void service_profile_fini(struct service_profile *p);
/** service_feature - the I-th word that there is for what a user may use, NULL = no more.  service_setting - likewise the names of settings. */
const char *service_feature(size_t i);
const char *service_setting(size_t i);
/** service_setting_check - may the setting NAME be VALUE, as far as can be told without OX?  RC_PROTO: what is wrong, in lower case. */
MUST_CHECK enum rc service_setting_check(const char *name, const json_t *value, struct err *e);

struct service_profile_change {
	const char *rev;              /* with FIELDS: that of the entry which was edited */
	const struct object *contact;
	struct fmask fields;          /* of CONTACT, set or cleared */
	const json_t *settings;       /* all checked by service_setting_check, or NULL */
};
/**
 * service_profile_set - the entry first, then one setting after the other; what is so already is not sent.
 * @applied  false: the entry was changed meanwhile, nothing was set
 * @out      how it is now
 * Errors: RC_PROTO, RC_FORBIDDEN, RC_LIMIT: e->path names the field ("contact.note") or setting that OX refuses, what was before it is set.
 */
MUST_CHECK enum rc service_profile_set(struct engine_session *s, struct arena *a, const struct service_profile_change *in, bool *applied,
    struct service_profile *out, struct err *e);

/** What a password has to be, besides what OX wants of it. */
struct service_password_rules {
	unsigned min_length;  /* characters */
	unsigned min_classes; /* kinds of characters: lower case, upper case, digits, others */
};
enum service_strength { STRENGTH_VERY_WEAK, STRENGTH_WEAK, STRENGTH_FAIR, STRENGTH_GOOD, STRENGTH_STRONG };
const char *service_strength_name(enum service_strength s);
/**
 * service_password_judge - is PASSWORD good enough for who is called NAME (login name or mail address)?
 * *STRENGTH (may be NULL) by the rule in usm-json(7), changePassword, whatever comes out.   Errors: RC_PROTO with the rule in words.   Pure.
 */
MUST_CHECK enum rc service_password_judge(const struct service_password_rules *r, const char *name, const char *password, enum service_strength *strength, struct err *e);
/**
 * service_password_change - IN->is was judged or not: it is here.  *ENDED sessions of other devices have ended.
 * Errors: e->path "oldPassword" or "newPassword" where it is that one's fault; RC_LIMIT too many wrong ones; RC_UPSTREAM with SERVICE_ABSENT;
 *         RC_TIMEOUT as engine_password_change.
 */
MUST_CHECK enum rc service_password_change(struct engine_session *s, const struct service_password_rules *r, const struct engine_password *in,
    enum service_strength *strength, size_t *ended, struct err *e);

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

/* ---- client service: what is no business of OX ---- */

struct service_client;
struct service_client_options { /* strings are borrowed and outlive it */
	const char *package_dir;    /* where the administrator announces a client, "" = nowhere */
	const char *feedback_dir;   /* where what clients hand in is kept, made when needed; "" = it is not taken */
	size_t feedback_max;        /* octets of one */
	size_t feedback_budget;     /* octets of all */
	msec_t feedback_keep_ms;
	unsigned feedback_per_device;
};
/** service_client_new - RC_NOMEM.  service_client_free - NULL is a no-op. */
MUST_CHECK enum rc service_client_new(const struct service_client_options *o, struct service_client **out, struct err *e);
void service_client_free(struct service_client *c);

#define SERVICE_MANIFEST "client.json"
#define SERVICE_PIECE ((size_t)1024 * 1024) /* octets of a package that are answered at once */
/** The client that the administrator announces; strings in the arena, "" = not said. */
struct service_package {
	const char *name, *version, *minimum, *file, *signature, *notes;
	char sha256[65];
	int64_t size;
};
/**
 * service_package_get - by SERVICE_MANIFEST in package_dir.  The package is compared with its sum whenever one of the two files has changed.
 * Errors: RC_NOTFOUND nothing is announced, or not rightly: then the log says once what is wrong.   Threads: any.
 */
MUST_CHECK enum rc service_package_get(struct service_client *c, struct arena *a, struct service_package *out, struct err *e);
/** service_package_read - up to SERVICE_PIECE octets of the package of VERSION from OFFSET on, appended to OUT.  RC_NOTFOUND another one is announced now. */
MUST_CHECK enum rc service_package_read(struct service_client *c, const char *version, int64_t offset, struct buf *out, struct err *e);

#define SERVICE_FEEDBACK_ID 48
/** What a client hands in, or has handed in; strings are borrowed, or in the arena. */
struct service_feedback {
	char id[SERVICE_FEEDBACK_ID];
	msec_t time;
	int64_t context, user;
	const char *login, *device;
	const char *version, *type, *comment; /* of the client; "" = not said */
	int64_t size;
};
/**
 * service_feedback_put - keeps N octets at DATA with what IN says (comment, type, version), and whose it is; *ID names it.
 * Errors: RC_LIMIT too large, too many of this device, no room within the budget; RC_BUSY the disk; RC_UPSTREAM with SERVICE_ABSENT: it is not taken.
 */
MUST_CHECK enum rc service_feedback_put(struct service_client *c, const struct engine_session *s, const struct service_feedback *in, const void *data, size_t n,
    char id[SERVICE_FEEDBACK_ID], struct err *e);
/** service_feedback_care - what is older than feedback_keep, and what a crash left behind, goes.  Call it now and then. */
void service_feedback_care(struct service_client *c);
/** service_feedback_list - what lies in DIR, oldest first, in A.  RC_NOTFOUND: it cannot be read.  Damaged records are left out. */
MUST_CHECK enum rc service_feedback_list(const char *dir, struct arena *a, struct service_feedback **out, size_t *n, struct err *e);
/** service_feedback_path - where the octets of ID are; false: no id. */
MUST_CHECK bool service_feedback_path(const char *dir, const char *id, char *path, size_t size);
/** service_feedback_delete - RC_NOTFOUND there is none. */
MUST_CHECK enum rc service_feedback_delete(const char *dir, const char *id, struct err *e);

#endif
