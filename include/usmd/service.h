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

/* ---- client service ---- */

#endif
