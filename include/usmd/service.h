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
