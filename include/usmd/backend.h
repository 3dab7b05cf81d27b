/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * backend - the OX HTTP API as C calls.  One ox_session per account and node, shared by its devices and revived when OX
 * dropped it.  The only home of libcurl.
 *
 * Results, of every call here:
 *   RC_OK         done
 *   RC_TIMEOUT    no whole answer.  Of a write the outcome is UNKNOWN (sent, perhaps done, perhaps still being done): never repeated here
 *   RC_UPSTREAM   OX cannot be reached, is overloaded or failed; surely not done.  e->retry_after_s when OX says how long
 *   RC_DENIED     the session is over and the password no longer opens a new one: the user must log in again
 *   RC_FORBIDDEN  the user lacks the right
 *   RC_NOTFOUND   object or folder is not there, or not for this user: the same to a sync
 *   RC_CONFLICT   changed since the guard (lm); of a create: its uid is in use
 *   RC_PROTO      OX refuses the data; e->path is the field's name when OX tells
 *   RC_LIMIT      quota, or more at once than OX allows
 * Every code but RC_OK and RC_TIMEOUT means that nothing was done.  e->code, e->category are OX's, e->text is OX's text in the user's language.
 *
 * Threads: any; a session may be used by many at once.   Blocking: all but the ox_session_* accessors, at most connect_timeout_ms + timeout_ms
 * an HTTP exchange, plus the same when all connections are busy.  Reads are repeated once where a kept-alive connection failed them.
 * Ids: text OX ids (oxid) go in where they are not NULL, else the number.
 *
 * Sources: OX's description of its HTTP API, and exchanges recorded from a server (where they differ, the latter).
 */
#ifndef USMD_BACKEND_H
#define USMD_BACKEND_H

#include "usmd/model.h"

struct backend;
struct ox_session;

/** The module of OX that serves appointments.  AUTO: `calendar` where OX has it, else `chronos`; found out when it is needed, and anew when
 * the one in use is not there any more.  An appointment is the same object by either. */
enum ox_calendar { OX_CALENDAR_AUTO, OX_CALENDAR_LEGACY, OX_CALENDAR_CHRONOS };

struct backend_options {
	const char *url;             /* base with /ajax, "http://127.0.0.1:8009/ajax" */
	const char *client;          /* "USM-JSON" */
	const char *client_fallback; /* "USM-EAS", tried on LGI-0014; "" = none */
	const char *user_agent;      /* constant for the life of a session: OX hashes it into the cookie names */
	const char *client_ip;       /* constant address reported at login: OX binds the session to it */
	const char *ca_file;         /* who is trusted, and nobody else; "" = the system's */
	bool tls_verify;             /* certificate and host name; TLS 1.2 or later in any case, and redirects are never followed */
	long connect_timeout_ms, timeout_ms;
	unsigned max_connections;    /* to the OX host at once; further requests wait */
	size_t max_answer_bytes;
	unsigned rows_per_request;   /* ids asked for in one `list` */
	enum ox_calendar calendar;
};

/**
 * backend_new - connections are made when needed.
 * @options  copied.   Errors: RC_PROTO bad address or limits, RC_NOMEM.   Threads: the result may be used by all.
 * backend_free - after the last session is gone; NULL is a no-op.
 */
MUST_CHECK enum rc backend_new(const struct backend_options *options, struct backend **out, struct err *e);
void backend_free(struct backend *b);
/** backend_trusts - false: OX is https, and its certificate or its TLS was refused when it was last called.  NULL is trusted.  Threads: any. */
bool backend_trusts(const struct backend *b);

/* ---- sessions ---- */

/** What login told about the user. */
struct ox_user {
	int64_t context_id, user_id;
	char locale[16];
	char default_folder[CT_COUNT][80]; /* OX ids of the default folder per type, "" = unknown */
	char trash[128], drafts[128], sent[128], inbox[128];
};

/**
 * ox_login - verify NAME and PASSWORD with OX and open a session.
 * Errors: RC_DENIED wrong credentials; RC_FORBIDDEN the user may not use this client; RC_UPSTREAM; RC_TIMEOUT.
 * The password is kept (sealed, wiped on free) to revive the session after SES-0203.
 * DEVICE_AGENT is the device's own User-Agent: shown to the user in OX's list of active clients.
 */
MUST_CHECK enum rc ox_login(struct backend *b, const char *name, const char *password, const char *device_agent,
    struct ox_session **out, struct err *e);
/** ox_session_user - who is logged in; borrowed from S, does not change.  Threads: any. */
const struct ox_user *ox_session_user(const struct ox_session *s);
/** ox_session_ref - one more reference to S, which is returned.  Threads: any. */
struct ox_session *ox_session_ref(struct ox_session *s);
/** ox_session_unref - the last reference logs out of OX when LOGOUT was asked for by ox_session_end, and frees. */
void ox_session_unref(struct ox_session *s);
/** ox_session_end - log out of OX now; later calls fail with RC_DENIED. */
void ox_session_end(struct ox_session *s);
/** ox_session_check - RC_DENIED when S is over for good as far as is known: ended, or OX refuses its password.  No request.  Threads: any. */
MUST_CHECK enum rc ox_session_check(struct ox_session *s, struct err *e);
/** backend_requests - HTTP requests that the calling thread has made so far: for who has a budget. */
uint64_t backend_requests(void);
/**
 * ox_push_subscribe - OX shall post to WEBHOOK (its id in OX's webhooks.yml) whenever this user gets mail or his calendars change.
 * @uri      where to, within what the webhook allows; "" = the address that OX has for it.   @expires  when it ends by itself
 * Repeating it prolongs.   Errors: RC_FORBIDDEN OX does not allow it (webhook unknown or not enabled, too many); RC_UPSTREAM with code NO_MODULE: it has no pns.
 */
MUST_CHECK enum rc ox_push_subscribe(struct ox_session *s, const char *webhook, const char *uri, msec_t expires, struct err *e);
/** ox_session_password_is - constant-time compare with the password that opened it. */
bool ox_session_password_is(struct ox_session *s, const char *password);

/* ---- reading ----  Objects and arrays live in A; call object_drop_all on what you got. */

#define OX_PRIVATE_ROOT "1" /* fixed ids (ox-http-api.md 3.2): parents of what lies at the top */
#define OX_PUBLIC_ROOT "2"
#define OX_SHARED_ROOT "3"
#define OX_MAIL_ROOT "default0"
#define OX_TYPE_PRIVATE 1
#define OX_TYPE_PUBLIC 2
#define OX_TYPE_SHARED 3
#define OX_TYPE_SYSTEM 5

/**
 * ox_folders - every folder that the user can see, of the types contact, calendar, task, mail, as objects of CT_FOLDER; besides them the
 * roots of the public and the shared tree.  Shared folders of others that the user did not subscribe to are left out.
 * Their oxid is set and their id is 0: object_sight makes it.  All or nothing: when OX cannot tell the folders of one module (mail down),
 * the call fails; only a module that the user does not have is left out.
 */
MUST_CHECK enum rc ox_folders(struct ox_session *s, struct arena *a, struct object ***out, size_t *n, struct err *e);

/**
 * ox_listing - cheap complete listing of FOLDER (id, last_modified, and what sort key and time range need), in OX's order.
 * known = false.  Mail: ids, flags, color label, date: that is all of the index, so these rows come known, with fingerprints.
 * @keys  for fingerprints of mail rows and numbers of text ids
 * @out   in A; holds no references: nothing to drop.   Cost: one request; 200 bytes an object in A.
 */
MUST_CHECK enum rc ox_listing(struct ox_session *s, struct arena *a, const struct model_keys *keys, enum content ct, const char *folder,
    struct sighting **out, size_t *n, struct err *e);

/** Digest of the text of an answer; two equal texts mean the same. */
struct ox_digest {
	bool set; /* false: not taken, the answer was not in one piece or is too large for the comparison to be worth it */
	unsigned char b[32];
};

/**
 * ox_updates - objects changed after SINCE (whole objects) and ids deleted after it.  An id is in one of the two only.
 *
 * @since  subtract an overlap of 2 s or more: OX stamps before it commits.  Never store @ts when it is smaller than what was stored.
 * @ts     timestamp of the answer, 0 when OX sent none
 * @digest NULL, or out: of the answer, for ox_updates_same
 * Errors: RC_NOTFOUND with e->code "SVL-0011": contacts only, deletions only in the interval: use ox_listing.
 *         RC_NOTFOUND else: the folder is gone.   RC_UPSTREAM with e->category 8: one object may be poison: use ox_listing and ox_list.
 *         RC_INTERNAL: mail and the hierarchy have no updates.
 */
MUST_CHECK enum rc ox_updates(struct ox_session *s, struct arena *a, enum content ct, const char *folder, msec_t since,
    struct object ***out, size_t *n, int64_t **deleted, size_t *n_deleted, msec_t *ts, struct ox_digest *digest, struct err *e);

/**
 * ox_updates_same - does OX answer the same as when DIGEST was taken, for the same folder and SINCE?
 *
 * Then nothing in the folder has changed since: whatever changes after SINCE is in the answer, with its new last_modified.
 * false = it does not, or it could not be asked; what is the matter ox_updates tells.
 * Threads: any.   Blocking: one request.   Cost: the request; the answer is not parsed.
 */
bool ox_updates_same(struct ox_session *s, enum content ct, const char *folder, msec_t since, const struct ox_digest *digest);

/** Counters of a mail folder. */
struct ox_examine {
	uint64_t validity, next;
	int64_t total, unread;
};
/** One of several folders asked in one `multiple`. */
struct ox_updates_req {
	enum content ct;     /* CT_MAIL: its counters are asked for, since OX has no updates of mail */
	const char *folder;
	msec_t since;
	/* answer */
	enum rc rc;
	struct err err;
	struct object **objects;
	size_t n;
	int64_t *deleted;
	size_t n_deleted;
	msec_t ts;
	struct ox_examine mail;
};
/** ox_updates_many - the same for N folders in as few requests as can be (polling); each has its own rc.  RC_INTERNAL: not of the hierarchy. */
MUST_CHECK enum rc ox_updates_many(struct ox_session *s, struct arena *a, struct ox_updates_req *req, size_t n, struct err *e);

/**
 * ox_list - whole objects of IDS (numbers as in rows; OXID[i] their text when not decimal, OXID may be NULL), rows_per_request at a time.
 * What is gone is left out.  An object on which OX itself fails comes with broken = true and no content: it exists, and must not be
 * taken for deleted; more than 8 of these in one call fail it (RC_UPSTREAM).
 */
MUST_CHECK enum rc ox_list(struct ox_session *s, struct arena *a, enum content ct, const char *folder, const int64_t *ids, const char *const *oxid, size_t n_ids,
    struct object ***out, size_t *n, struct err *e);

/**
 * ox_find_uid - the object with UID in whatever folder (lowest id; of a series the master); RC_NOTFOUND = surely none.  Not for mail.
 * Cost: contacts and tasks read two columns of every folder of the user (12 ms per 1000 objects): for lost answers, not for syncs.
 */
MUST_CHECK enum rc ox_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, struct object **out, struct err *e);
/** ox_get_any - the object ID wherever it is now (object->folder says); RC_NOTFOUND = gone.  */
MUST_CHECK enum rc ox_get_any(struct ox_session *s, struct arena *a, enum content ct, const char *folder_hint, int64_t id, struct object **out, struct err *e);

/* ---- writing ----  RC_OK done; RC_TIMEOUT unknown; RC_CONFLICT changed meanwhile; RC_NOTFOUND gone; RC_FORBIDDEN, RC_PROTO
 * (OX refuses the data: e->code, category, text in the user's language; e->path the field's name when OX tells). */

/**
 * ox_create - O's set fields into FOLDER; *id, *lm = OX's answer (lm 0 = none). UID is set when not NULL (in place of O's own).
 *
 * Read-only fields of O are ignored.  An appointment with recurrence_id is a change exception: OX updates the series
 * of that id at O's recurrence_position or recurrence_date_position, guarded by O's lm (that of the series, which every exception
 * made meanwhile has changed), and *id is the new object, or the exception that was there.  A new series has no delete_exceptions: ox_update brings them.
 * Errors: RC_CONFLICT the uid is in use (see ox_find_uid).  RC_PROTO with e->code OX_CONFLICTS: it collides; e->text says with what, O's how has it all.
 */
#define OX_CONFLICTS "CONFLICTS"
MUST_CHECK enum rc ox_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e);
/**
 * ox_update - the FIELDS of O (set or cleared), guarded by LM (0 = not guarded); *new_lm = OX's timestamp of the write, 0 = none told.
 *
 * Fields that OX checks together (a recurrence pattern; start, end and full_time; a distribution list with its mark) are sent together as far
 * as O has them: give O whole where one of them changes.  delete_exceptions: the days in it that still have an occurrence, changed or not, are
 * deleted one by one; OX restores none.  Collisions as of ox_create.  Mail: flags (or single bits of them), color_label and user only, without guard; bits that are not
 * named stay as they are; a mail that is gone is no error.
 */
MUST_CHECK enum rc ox_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm,
    msec_t *new_lm, struct err *e);
/** ox_update_together - the fields of CT that OX checks together with FIELDS: an update of these wants the object's present values of the others. */
void ox_update_together(enum content ct, const struct fmask *fields, struct fmask *out);
/** ox_delete - guarded by LM (0 = not guarded).  Mail: to the trash unless HARD or there already, never guarded, gone is no error. */
MUST_CHECK enum rc ox_delete(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, msec_t lm, bool hard, struct err *e);
/** ox_move - into folder TO; *new_id = the id there (mail: a new one, 0 when the mail server does not tell it). */
MUST_CHECK enum rc ox_move(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, const char *to, msec_t lm,
    int64_t *new_id, msec_t *new_lm, struct err *e);

/**
 * ox_exception_find - the change exception of SERIES at DAY (ms of the day, -1 = by POSITION, 1-based); *id 0 = none.
 * A lost create of one is found by it, since the uid is the series'.   Errors: RC_NOTFOUND the series is gone.
 */
MUST_CHECK enum rc ox_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e);

/** The user's answer to an invitation. */
enum ox_confirmation { OX_ACCEPT = 1, OX_DECLINE = 2, OX_TENTATIVE = 3 };
struct ox_response {
	enum ox_confirmation confirmation;
	const char *message;  /* "" = none: one given before goes */
	msec_t occurrence;    /* appointments: day of an occurrence that is no exception yet, OX makes it one; -1 = the object */
};
/**
 * ox_confirm - answer for the session's user; not guarded, the last answer counts.  *lm = OX's timestamp, 0 = none told.
 * Errors: RC_NOTFOUND the object, or (e->path "occurrence") an occurrence on that day; RC_PROTO the user is no participant.
 */
MUST_CHECK enum rc ox_confirm(struct ox_session *s, enum content ct, const char *folder, int64_t id, const struct ox_response *response, msec_t *lm, struct err *e);

/**
 * ox_folder_create, ox_folder_update, ox_folder_delete - oxid in and out as text (new ones in A), since renaming a mail folder changes its id;
 * OX ignores LM when it deletes.  Deleting a mail folder removes it and its mails outright (OX 8.19), whatever the documents say of the trash.
 * Errors: as of objects; a name that is taken is RC_CONFLICT or RC_PROTO with OX's code.   Threads: any.   Blocking.
 */
MUST_CHECK enum rc ox_folder_create(struct ox_session *s, struct arena *a, const char *parent, enum content module, const char *title, char **oxid, msec_t *lm, struct err *e);
MUST_CHECK enum rc ox_folder_update(struct ox_session *s, struct arena *a, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm, char **new_oxid, msec_t *new_lm, struct err *e);
MUST_CHECK enum rc ox_folder_delete(struct ox_session *s, const char *oxid, msec_t lm, struct err *e);

/* ---- rights ---- */

/** ox_folder_get - the folder as OX answers it, *OUT a new reference: permissions, com.openexchange.share.extendedPermissions, ... */
MUST_CHECK enum rc ox_folder_get(struct ox_session *s, const char *oxid, json_t **out, struct err *e);
/** ox_folder_permit - PERMISSIONS (all entries, as OX wrote them) become those of the folder; guarded by LM (0 = not guarded, as mail folders never are). */
MUST_CHECK enum rc ox_folder_permit(struct ox_session *s, const char *oxid, const json_t *permissions, msec_t lm, struct err *e);
/** ox_principal_name - display name of user or group ID, in A; RC_NOTFOUND = OX knows none. */
MUST_CHECK enum rc ox_principal_name(struct ox_session *s, struct arena *a, int64_t id, bool group, char **name, struct err *e);
/**
 * ox_principal_find - number of the user (or group) whose display name, mail address or login name is NAME, letter case aside.
 * Errors: RC_NOTFOUND nobody; RC_PROTO several.   Cost: reads all users of the context.
 */
MUST_CHECK enum rc ox_principal_find(struct ox_session *s, const char *name, bool group, int64_t *id, struct err *e);
/** ox_group_members - numbers of the users in group ID, in A.  RC_NOTFOUND = OX knows none. */
MUST_CHECK enum rc ox_group_members(struct ox_session *s, struct arena *a, int64_t id, int64_t **out, size_t *n, struct err *e);
/* ---- scheduling ---- */

/** Who can be invited; the numbers are those of participants. */
enum ox_party_kind { OX_USER = 1, OX_GROUP = 2, OX_RESOURCE = 3, OX_OUTSIDE = 5 };
/** Somebody that OX knows; strings and MEMBER in the arena, "" = OX tells none. */
struct ox_party {
	enum ox_party_kind kind;
	int64_t id;
	const char *name, *login, *mail;
	const char *const *alias; /* users: further mail addresses */
	size_t n_aliases;
	const char *zone;         /* users: time zone */
	const int64_t *member;    /* groups: users */
	size_t n_members;
};
/**
 * ox_parties_all - every user, group and resource of the context.   Cost: one request that reads all users.
 * ox_parties_some - those of the N numbers ID, of KIND, that OX knows, in no order; appended to OUT, which begins as {0}.  One request for 50 of them.
 */
struct ox_parties {
	struct ox_party *v;
	size_t n, cap;
};
MUST_CHECK enum rc ox_parties_all(struct ox_session *s, struct arena *a, struct ox_parties *out, struct err *e);
MUST_CHECK enum rc ox_parties_some(struct ox_session *s, struct arena *a, enum ox_party_kind kind, const int64_t *id, size_t n, struct ox_parties *out, struct err *e);

/** How time is taken, by rising strength; OX's shown_as. */
enum ox_shown { OX_SHOWN_FREE, OX_SHOWN_TENTATIVE, OX_SHOWN_BUSY, OX_SHOWN_ABSENT };
/** A time that is taken, and what OX shows of the reason. */
struct ox_busy {
	msec_t from, to;
	enum ox_shown shown;
	bool full;             /* whole days */
	int64_t id, series;    /* the appointment, and the series that it is an occurrence or exception of; 0 = OX does not tell */
	const char *title, *location; /* NULL = not for this user to see */
};
/** Whose time is asked for, and the answer. */
struct ox_busy_of {
	enum ox_party_kind kind; /* no groups */
	int64_t id;
	const char *mail;        /* OX_OUTSIDE */
	const char *zone;        /* that days without a time are of; NULL = UTC */
	/* answer */
	enum rc rc;              /* RC_NOTFOUND OX does not know him; RC_UPSTREAM with code OX_NO_BUSY: OX has no times of him */
	struct err err;
	struct ox_busy *v;
	size_t n;
};
#define OX_NO_BUSY "CAL-5033"
/** ox_busy_get - the times of N people in [FROM, TO), as OX tells them; 50 of them a request. */
MUST_CHECK enum rc ox_busy_get(struct ox_session *s, struct arena *a, struct ox_busy_of *who, size_t n, msec_t from, msec_t to, struct err *e);

/** An iCalendar part of a mail. */
struct ox_itip_mail {
	const char *folder, *id, *part;
};
#define OX_ITIP_CHANGES 16U
#define OX_ITIP_ACTIONS 16U
/** What OX would change, in the words of the table of appointments: title, start_date and the like, as far as the mail says them. */
struct ox_itip_change {
	const char *type;            /* "create", "update", "delete" */
	json_t *now, *then;          /* as it is stored, as the mail has it; NULL = OX does not tell */
	json_t *conflicts;           /* what it collides with, as struct write_how has it; NULL = nothing */
	const char *folder;          /* of NOW */
	int64_t id;                  /* of NOW; 0 = not stored, or OX does not tell */
	int confirmation;            /* of NOW: the user's own answer, and its message; -1 = he does not take part */
	const char *message;
};
/** What OX makes of a mail; strings in the arena. */
struct ox_itip {
	const char *uid;
	const char *action[OX_ITIP_ACTIONS]; /* what can be done now, in OX's words; further ones than these do not exist */
	size_t n_actions;
	const char **text;           /* what OX says of it, in the user's language */
	size_t n_texts;
	struct ox_itip_change change[OX_ITIP_CHANGES]; /* occurrences of one series beyond these are not told; json_t owned: ox_itip_done */
	size_t n_changes;
	bool legacy;                 /* told by calendar/itip */
};
/**
 * ox_itip_analyze - without changing anything.  Asked of the module chronos/itip where OX has it, unless the options name the legacy one, else of
 * calendar/itip.   Errors: RC_NOTFOUND the mail, or no such part; RC_PROTO OX cannot read the part.
 */
MUST_CHECK enum rc ox_itip_analyze(struct ox_session *s, struct arena *a, const struct ox_itip_mail *m, struct ox_itip *out, struct err *e);
void ox_itip_done(struct ox_itip *x);
/** ox_itip_can - does OX offer ACTION, in chronos' words, and carry it out?  The legacy module of 8.19 offers what only chronos/itip does. */
bool ox_itip_can(const struct ox_itip *x, const char *action);
/** An appointment that an action touched. */
struct ox_itip_touched {
	const char *folder;
	int64_t id;
	bool deleted;
};
/**
 * ox_itip_apply - carry out ACTION, which X offers.  OX answers the organizer, or the participants, by mail where the action is an answer.
 * @message  for him, "" = none
 * @out, @n  appointments that OX names, in the arena; of a deletion it may name none
 * Errors: RC_PROTO not offered; RC_NOTFOUND the appointment is not there (any more); RC_CONFLICT there is a newer version of it.
 */
MUST_CHECK enum rc ox_itip_apply(struct ox_session *s, struct arena *a, const struct ox_itip_mail *m, const struct ox_itip *x, const char *action,
    const char *message, struct ox_itip_touched **out, size_t *n, struct err *e);
/* ---- searching ---- */

#define OX_MAIL_ANSWERED 1U
#define OX_MAIL_DELETED 2U
#define OX_MAIL_FLAGGED 8U
#define OX_MAIL_SEEN 32U

/** What is looked for; everything that is named has to hold. */
struct ox_search {
	enum content ct;            /* not CT_FOLDER */
	const char *const *folders; /* OX ids */
	size_t n_folders;
	const char *const *words;   /* each somewhere in the object: contacts names, company, addresses, telephone numbers, towns, categories, note; appointments
	                             * and tasks title, note, categories; mails from, to, cc, subject.  None empty; of all but mail at least one */
	size_t n_words;
	const char *from, *to, *subject, *body; /* mails; NULL = anything */
	unsigned set, clear;        /* mails: OX_MAIL_* that they have, and have not */
	msec_t after, before;       /* from, and up to without it: mails received, appointments and tasks that touch the time; TIME_MIN, TIME_MAX = any */
	size_t max;                 /* hits in the answer */
};
struct ox_hit {
	size_t folder;              /* its number in the search */
	int64_t id;
	const char *oxid;           /* of an id that is no number, else NULL */
	int64_t key;                /* time that it is sorted by, descending; then by NAME */
	const char *name;           /* contacts: display name, "" = none */
	size_t words;               /* internal: how many of the words it has */
};
/**
 * ox_search - the ids of what OX finds, the newest first (appointments and tasks by their dates, contacts by name), in a fixed order; in A.
 *
 * Case and accents are OX's affair: contacts, appointments and tasks know neither, mail does as the mail server does.  No character stands for others.
 * Of a BODY that is not exact (ox_body_exact) the pieces between * ? \ are looked for: ox_mail_says tells of each hit whether it is one.
 * @cut  there are more than MAX
 * Cost: mail a search of each folder, 25 in a request; tasks and appointments one of each folder and word; contacts one request.
 */
MUST_CHECK enum rc ox_search(struct ox_session *s, struct arena *a, const struct ox_search *q, struct ox_hit **out, size_t *n, bool *cut, struct err *e);
/** ox_body_exact - can OX look for all of BODY, or are there * ? \ in it? */
bool ox_body_exact(const char *body);
/**
 * ox_mail_says - reads a mail: *YES, TEXT is in its text, or may be in a text that is attached, which is not read.  One request, the text in memory meanwhile.
 * RC_NOTFOUND the mail is not there (any more).
 */
MUST_CHECK enum rc ox_mail_says(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *text, bool *yes, struct err *e);

/* ---- people ---- */

enum ox_person_kind { OX_PERSON_USER, OX_PERSON_CONTACT, OX_PERSON_LIST, OX_PERSON_GROUP, OX_PERSON_RESOURCE, OX_PERSON_KINDS };
#define OX_PERSON(kind) (1U << (kind))
/** A member of a distribution list, or (entity alone) of a group. */
struct ox_member {
	int64_t entity;             /* user, 0 = none */
	const char *name, *mail;    /* "" = unknown */
	const char *folder;         /* OX ids of the contact that it is, NULL = none */
	int64_t id;
};
struct ox_person {
	enum ox_person_kind kind;
	int64_t entity;             /* users, groups, resources: OX's number; else 0 */
	const char *name;
	const char *mail[3];        /* those that are set come first; NULL = no more */
	const char *folder;         /* OX ids of the contact, NULL = it is none */
	int64_t id;
	int64_t used;               /* how often this user has used the contact */
	bool closed;                /* private, and another user's */
	bool picture;
	const struct ox_member *member;
	size_t n_members;
};
/** One name that is looked for, and who answers to it. */
struct ox_who {
	const char *query;          /* beginnings of words of a name, or of an address; not empty */
	/* out */
	struct ox_person *v;
	size_t n;
	bool cut;                   /* there are more than MAX of one kind */
};
/**
 * ox_people - N queries at once over contacts (in all folders that the user may read, the global address book among them), groups and resources; in A.
 * @kinds   OX_PERSON(...) together        @exact   only who has exactly the address (groups have none)
 * @absent  out: kinds that this OX, or this user, does not have
 * Case and accents are OX's affair; no character stands for others.   Cost: a request for each 8 queries.
 */
MUST_CHECK enum rc ox_people(struct ox_session *s, struct arena *a, struct ox_who *who, size_t n, unsigned kinds, bool exact, size_t max, unsigned *absent,
    struct err *e);
/** ox_people_users - name and address of those of the N members that are users by number; one request for each rows_per_request. */
MUST_CHECK enum rc ox_people_users(struct ox_session *s, struct arena *a, struct ox_member *m, size_t n, struct err *e);

/* ---- the user's own data ---- */

/** What is used, and of how much; -1 = OX does not say, or no limit. */
struct ox_quota {
	int64_t mail_used, mail_limit;   /* octets */
	int64_t files_used, files_limit; /* octets of the file store */
	int64_t objects_used[CT_COUNT], objects_limit[CT_COUNT];
};
/** ox_quota_get - two requests; the mail's is -1 where the mail server has no quota or cannot be asked. */
MUST_CHECK enum rc ox_quota_get(struct ox_session *s, struct ox_quota *out, struct err *e);

/* ---- mail rules, signatures ---- */

/** Rules as OX has them: JSON of its module mailfilter v2, in their order, but a condition that is turned round says so (member "id": "not"). */
struct ox_rules {
	json_t *list;    /* an array, owned */
	unsigned hidden; /* rules and parts of rules in the script that OX cannot read: it would delete them with whatever it writes */
};
/** ox_rules_get - two requests.  Give it to ox_rules_fini. */
MUST_CHECK enum rc ox_rules_get(struct ox_session *s, struct ox_rules *out, struct err *e);
void ox_rules_fini(struct ox_rules *r);
/** ox_rules_config - which tests, comparisons and actions OX takes now (config of v2); *OUT is the caller's. */
MUST_CHECK enum rc ox_rules_config(struct ox_session *s, json_t **out, struct err *e);
/**
 * ox_rule_new - a rule; *ID is its number.  ox_rule_update - the members of RULE, which names itself by "id"; others stay.  ox_rule_delete.
 * ox_rules_order - IDS (array of numbers) come first, in this order.
 * Errors: RC_PROTO what the mail server says about the rule; RC_NOTFOUND; RC_CONFLICT a second absence notice; RC_UPSTREAM; RC_TIMEOUT outcome unknown.
 */
MUST_CHECK enum rc ox_rule_new(struct ox_session *s, const json_t *rule, int64_t *id, struct err *e);
MUST_CHECK enum rc ox_rule_update(struct ox_session *s, const json_t *rule, struct err *e);
MUST_CHECK enum rc ox_rule_delete(struct ox_session *s, int64_t id, struct err *e);
MUST_CHECK enum rc ox_rules_order(struct ox_session *s, const json_t *ids, struct err *e);

#define OX_SNIPPET_ID 64 /* room for an id of a signature */
/**
 * ox_signatures - all signatures of the user, as module snippet has them (an array, the caller's).  ox_signature_new, _update (the members of S; misc as
 * a whole), _delete.  RC_NOTFOUND: no such signature.
 */
MUST_CHECK enum rc ox_signatures(struct ox_session *s, json_t **out, struct err *e);
MUST_CHECK enum rc ox_signature_new(struct ox_session *s, const json_t *sig, char id[OX_SNIPPET_ID], struct err *e);
MUST_CHECK enum rc ox_signature_update(struct ox_session *s, const char *id, const json_t *sig, struct err *e);
MUST_CHECK enum rc ox_signature_delete(struct ox_session *s, const char *id, struct err *e);
/** ox_signature_picture - the octets of picture UID of signature ID, appended to OUT. */
MUST_CHECK enum rc ox_signature_picture(struct ox_session *s, const char *id, const char *uid, struct buf *out, struct err *e);
/** ox_mail_settings_get - what OX's web client keeps about mail (jslob io.ox/mail), the caller's.  _set - the members of VALUES. */
MUST_CHECK enum rc ox_mail_settings_get(struct ox_session *s, json_t **out, struct err *e);
MUST_CHECK enum rc ox_mail_settings_set(struct ox_session *s, const json_t *values, struct err *e);
/** What OX tells of the user himself. */
struct ox_profile {
	struct object *contact;     /* his entry in the global address book, without picture; values: object_drop */
	msec_t lm;                  /* of that entry */
	const char *login;          /* below, in the arena; "" = OX does not say */
	const char *language, *zone, *sender, *version;
	const char **aliases;       /* all his mail addresses */
	size_t n_aliases;
	const char **capabilities;  /* OX's words for what he may use */
	size_t n_capabilities;
	bool has_capabilities;      /* false: this OX does not tell them */
	json_t *mail;               /* settings of config/modules/mail by OX's names: to json_decref; NULL = not told */
	int64_t password_min, password_max; /* characters that OX wants of a password, 0 = does not say */
};
/** ox_profile_get - one request; what OX does not have or tell is left empty, but for the entry itself. */
MUST_CHECK enum rc ox_profile_get(struct ox_session *s, struct arena *a, struct ox_profile *out, struct err *e);
/** ox_own_update - the FIELDS of O, the user's own entry, guarded by LM; fields that are read only or a picture are ignored. */
MUST_CHECK enum rc ox_own_update(struct ox_session *s, const struct object *o, const struct fmask *fields, msec_t lm, struct err *e);
/** ox_setting_set - VALUE as config/PATH.  QUIRK(OX): what it does not like it may take without a word and without effect: read it again. */
MUST_CHECK enum rc ox_setting_set(struct ox_session *s, const char *path, const json_t *value, struct err *e);
/** ox_sender_set - the name that his mails are sent under, "" = none. */
MUST_CHECK enum rc ox_sender_set(struct ox_session *s, const char *name, struct err *e);

#define OX_WRONG_PASSWORD "USR-0027" /* e->code of RC_PROTO: OLD is not the password */
/**
 * ox_password_change - S goes on, and is opened with the new one from now on (ox_session_password_set has been called); all other sessions of the user
 * at OX end.  Errors: RC_PROTO OX refuses one of the two (e->code); RC_FORBIDDEN this user may not; RC_TIMEOUT unknown, ask ox_login.
 */
MUST_CHECK enum rc ox_password_change(struct ox_session *s, const char *was, const char *is, struct err *e);
/** ox_session_password_set - S is revived with PASSWORD from now on, also where OX refused the one before.  RC_LIMIT too long. */
MUST_CHECK enum rc ox_session_password_set(struct ox_session *s, const char *password, struct err *e);
/** ox_session_name - what the user logged in with; borrowed, does not change. */
const char *ox_session_name(const struct ox_session *s);

/* ---- pictures and attachments ---- */

/** ox_photo - the octets of the picture of contact ID, appended to OUT.  RC_NOTFOUND: no contact or no picture; RC_LIMIT: more than OUT's maximum. */
MUST_CHECK enum rc ox_photo(struct ox_session *s, const char *folder, int64_t id, struct buf *out, struct err *e);

/** A file that is attached to a contact, an appointment or a task. */
struct ox_attachment {
	int64_t id;
	const char *name, *type; /* in the arena; type is OX's MIME type, "" = none */
	int64_t size;            /* octets */
	msec_t created;
};
/** ox_attachments - those of object ID, by id; RC_NOTFOUND: no such object (for this user). */
MUST_CHECK enum rc ox_attachments(struct ox_session *s, struct arena *a, enum content ct, const char *folder, int64_t id, struct ox_attachment **out,
    size_t *n, struct err *e);
/** ox_attachment_octets - of ATTACHMENT, appended to OUT.  RC_NOTFOUND: no such attachment; RC_LIMIT: more than OUT's maximum. */
MUST_CHECK enum rc ox_attachment_octets(struct ox_session *s, enum content ct, const char *folder, int64_t id, int64_t attachment, struct buf *out,
    struct err *e);
/**
 * ox_attach - N octets at P as the file NAME of TYPE ("" = OX guesses by the name); *attachment its id, *lm the object's new last_modified.
 * Not idempotent: OX attaches the same again as often as it is told to.   Errors: RC_LIMIT the quota, RC_PROTO too large for OX.
 */
MUST_CHECK enum rc ox_attach(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *name, const char *type, const void *p,
    size_t n, int64_t *attachment, msec_t *lm, struct err *e);
/** ox_detach - what is not there is no error. */
MUST_CHECK enum rc ox_detach(struct ox_session *s, enum content ct, const char *folder, int64_t id, int64_t attachment, msec_t *lm, struct err *e);

/* ---- mail ---- */

MUST_CHECK enum rc ox_mail_examine(struct ox_session *s, const char *folder, struct ox_examine *out, struct err *e);
/** ox_mail_examine - counters of FOLDER: the cheapest way (3 ms) to see that something is new; another validity = all uids are void. */
/**
 * ox_mail_newest - the mails with the MAX highest uids, descending, with flags, label, date; known, as of ox_listing.
 * Fewer than MAX: these are all that there are.  More only of a mail store whose ids are no numbers: all, then.
 * TOP: the MAX highest uids, descending, when the caller knows them; those that are not there any more are left out.
 * Cost: one request (20 ms), mostly no more, with TOP or in a folder of fewer than MAX mails; else the uids of the whole folder as well (OX needs
 * 50 ms for 10,000), since OX does not sort by uid.
 */
MUST_CHECK enum rc ox_mail_newest(struct ox_session *s, struct arena *a, const struct model_keys *keys, const char *folder, size_t max, const int64_t *top,
    struct sighting **out, size_t *n, struct err *e);
/** ox_mail_raw - the octets of a mail (never marks it seen); OUT owned by the caller, at most its max. */
MUST_CHECK enum rc ox_mail_raw(struct ox_session *s, const char *folder, int64_t id, const char *oxid, struct buf *out, struct err *e);
/** ox_mail_import - store RAW (8-bit safe) in FOLDER with FLAGS (OX bits); *id its new id. */
MUST_CHECK enum rc ox_mail_import(struct ox_session *s, const char *folder, const void *raw, size_t n, int flags, int64_t *id, struct err *e);
/** ox_mail_mark - set the flags SET (bits), leave the others; a mail that is gone is no error. */
MUST_CHECK enum rc ox_mail_mark(struct ox_session *s, const char *folder, int64_t id, const char *oxid, unsigned set, struct err *e);
/** ox_mail_copy - into folder TO; *new_id 0 when the mail server does not tell it.  RC_NOTFOUND the mail, or the folder. */
MUST_CHECK enum rc ox_mail_copy(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *to, int64_t *new_id, struct err *e);
/**
 * ox_mail_send - send RAW to the recipients in its header, through OX.
 * @copy    1 with, 0 without a copy in the Sent folder, -1 as the user's setting says
 * @folder, @id  out, in A: the copy, NULL and 0 = none was made (MSG-0042, MSG-0043 are this: the mail IS sent)
 * Errors: RC_PROTO OX or the mail server refuses sender (e->code MSG-0056), recipients or form: surely not sent.  RC_TIMEOUT: it may be sent, or
 *         still be going out.
 */
MUST_CHECK enum rc ox_mail_send(struct ox_session *s, struct arena *a, const void *raw, size_t n, int copy, const char **folder, int64_t *id, struct err *e);

/** What tells one mail from another in whatever folder it lies: copying and moving leave it as it is. */
struct ox_mail_head {
	const char *message_id; /* without brackets; not terminated behind message_id_len; "" = none */
	size_t message_id_len;
	int64_t size;
	msec_t received;
};
/** ox_mail_head - of one mail; OUT points into A.  RC_NOTFOUND it is not there (any more). */
MUST_CHECK enum rc ox_mail_head(struct ox_session *s, struct arena *a, const char *folder, int64_t id, const char *oxid, struct ox_mail_head *out, struct err *e);
struct ox_mail_wanted {
	bool (*is)(const void *arg, const struct ox_mail_head *h);
	const void *arg;
	int64_t from;           /* only uids from here on */
};
/** ox_mail_find - the lowest uid of FOLDER that is wanted; RC_NOTFOUND = surely none.  For lost answers: may read the heads of a whole folder. */
MUST_CHECK enum rc ox_mail_find(struct ox_session *s, const char *folder, const struct ox_mail_wanted *w, int64_t *id, struct err *e);

/** A part of a mail that is not its body. */
struct ox_mail_part {
	const char *id;           /* for ox_mail_part: "2", "1.2" */
	const char *filename, *content_type, *content_id; /* NULL = not told; the id without brackets */
	int64_t size;             /* decoded octets as far as OX knows them, -1 = not told */
	bool is_inline;
};
/** What ox_mail_body read; strings in its arena.  text or html NULL = the mail has none. */
struct ox_mail_body {
	const char *text, *html;  /* as the mail holds them, as UTF-8: text is not made of html, html is not cleaned */
	size_t text_len, html_len;
	const char *text_id, *html_id;
	struct ox_mail_part *part;
	size_t n_parts;
};
/** ox_mail_body - bodies and the list of the other parts; the parts' content does not travel. */
MUST_CHECK enum rc ox_mail_body(struct ox_session *s, struct arena *a, const char *folder, int64_t id, const char *oxid, struct ox_mail_body *out, struct err *e);
/** ox_mail_part - the decoded octets of part PART into OUT, at most its max.  RC_NOTFOUND no such mail or part. */
MUST_CHECK enum rc ox_mail_part(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *part, struct buf *out, struct err *e);

#endif
