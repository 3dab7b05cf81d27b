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

/* ---- search ---- */

/* ---- client service ---- */

#endif
