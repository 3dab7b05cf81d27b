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

#include "usmd/engine.h"

#define SERVICE_ABSENT "not-available"

/* ---- scheduling ---- */

/* ---- people ---- */

/* ---- mail rules, absence, signatures ---- */

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
