/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * backend - the OX HTTP API as C calls.  One ox_session per account and node, shared by its devices and revived when OX
 * dropped it.  Every answer is classified: RC_OK = done; RC_TIMEOUT = UNKNOWN (sent, no answer: never repeated here);
 * every other code = surely not done.  The only home of libcurl.
 *
 * Sources: ../shared/reference/ox-http-api.md, ox-observed.md (where they differ, the latter).
 */
#ifndef USMD_BACKEND_H
#define USMD_BACKEND_H

#include "usmd/model.h"

struct backend;
struct ox_session;

struct backend_options {
	const char *url;             /* base with /ajax, "http://127.0.0.1:8009/ajax" */
	const char *client;          /* "USM-JSON" */
	const char *client_fallback; /* "USM-EAS", tried on LGI-0014; "" = none */
	const char *user_agent;      /* constant for the life of a session: OX hashes it into the cookie names */
	const char *client_ip;       /* constant address reported at login: OX binds the session to it */
	const char *ca_file;         /* "" = the system's */
	bool tls_verify;
	long connect_timeout_ms, timeout_ms;
	unsigned max_connections;    /* to the OX host at once; further requests wait */
	size_t max_answer_bytes;
	unsigned rows_per_request;   /* ids asked for in one `list` */
};

/** backend_new - OPTIONS are copied.  Threads: the backend may be used by all threads. */
MUST_CHECK enum rc backend_new(const struct backend_options *options, struct backend **out, struct err *e);
void backend_free(struct backend *b);

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
const struct ox_user *ox_session_user(const struct ox_session *s);
struct ox_session *ox_session_ref(struct ox_session *s);
/** ox_session_unref - the last reference logs out of OX when LOGOUT was asked for by ox_session_end, and frees. */
void ox_session_unref(struct ox_session *s);
/** ox_session_end - log out of OX now; later calls fail with RC_DENIED. */
void ox_session_end(struct ox_session *s);
/** ox_session_password_is - constant-time compare with the password that opened it. */
bool ox_session_password_is(const struct ox_session *s, const char *password);

/* ---- reading ----  Objects and arrays live in A; call object_drop_all on what you got. */

struct ox_listing_row {
	struct sighting s; /* without content: s.known = false; id, oxid, lm, sk, t0, t1 */
};

/** ox_folders - every folder that the user can see, of the types contact, calendar, task, mail (FT rows of CT_FOLDER).  */
MUST_CHECK enum rc ox_folders(struct ox_session *s, struct arena *a, struct object ***out, size_t *n, struct err *e);

/**
 * ox_listing - cheap complete listing of FOLDER (id, last_modified, and what sort key and time range need).
 * Mail: ids, flags, color label, date, so that rows come known where that is all of the index (fields given in s.f).
 * @keys  for fingerprints of mail rows
 */
MUST_CHECK enum rc ox_listing(struct ox_session *s, struct arena *a, const struct model_keys *keys, enum content ct, const char *folder,
    struct sighting **out, size_t *n, struct err *e);

/**
 * ox_updates - objects changed after SINCE (whole objects) and ids deleted after it.
 * *ts = timestamp of the answer, 0 when OX sent none.  RC_NOTFOUND + e->code "SVL-0011": contacts' deletion-only bug:
 * use ox_listing.  Not for mail (RC_INTERNAL).
 */
MUST_CHECK enum rc ox_updates(struct ox_session *s, struct arena *a, enum content ct, const char *folder, msec_t since,
    struct object ***out, size_t *n, int64_t **deleted, size_t *n_deleted, msec_t *ts, struct err *e);

/** One of several folders asked in one `multiple`. */
struct ox_updates_req {
	enum content ct;
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
};
/** ox_updates_many - the same for N folders in one request (polling); each has its own rc. */
MUST_CHECK enum rc ox_updates_many(struct ox_session *s, struct arena *a, struct ox_updates_req *req, size_t n, struct err *e);

/** ox_list - whole objects of IDS (numbers as in rows; OXID[i] their text when not decimal, OXID may be NULL); absent ones are left out. */
MUST_CHECK enum rc ox_list(struct ox_session *s, struct arena *a, enum content ct, const char *folder, const int64_t *ids, const char *const *oxid, size_t n_ids,
    struct object ***out, size_t *n, struct err *e);

/** ox_find_uid - the object with UID in whatever folder (lowest id); RC_NOTFOUND = surely none.  Not for mail. */
MUST_CHECK enum rc ox_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, struct object **out, struct err *e);
/** ox_get_any - the object ID wherever it is now (object->folder says); RC_NOTFOUND = gone.  */
MUST_CHECK enum rc ox_get_any(struct ox_session *s, struct arena *a, enum content ct, const char *folder_hint, int64_t id, struct object **out, struct err *e);

/* ---- writing ----  RC_OK done; RC_TIMEOUT unknown; RC_CONFLICT changed meanwhile; RC_NOTFOUND gone; RC_FORBIDDEN, RC_PROTO
 * (OX refuses the data: e->code, category, text in the user's language; e->path the field's name when OX tells). */

/** ox_create - O's set fields into FOLDER; *id, *lm = OX's answer (lm 0 = none). UID is set when not NULL. */
MUST_CHECK enum rc ox_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e);
/** ox_update - the FIELDS of O (set or cleared), guarded by LM; *new_lm = OX's timestamp of the write, 0 = none told. */
MUST_CHECK enum rc ox_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm,
    msec_t *new_lm, struct err *e);
MUST_CHECK enum rc ox_delete(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, msec_t lm, bool hard, struct err *e);
/** ox_move - into folder TO; *new_id = the id there (mail: a new one). */
MUST_CHECK enum rc ox_move(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, const char *to, msec_t lm,
    int64_t *new_id, msec_t *new_lm, struct err *e);

/* folders: oxid in and out as text, since renaming a mail folder changes its id */
MUST_CHECK enum rc ox_folder_create(struct ox_session *s, struct arena *a, const char *parent, enum content module, const char *title, char **oxid, msec_t *lm, struct err *e);
MUST_CHECK enum rc ox_folder_update(struct ox_session *s, struct arena *a, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm, char **new_oxid, msec_t *new_lm, struct err *e);
MUST_CHECK enum rc ox_folder_delete(struct ox_session *s, const char *oxid, msec_t lm, struct err *e);

/* ---- mail ---- */

struct ox_examine {
	uint64_t validity, next;
	int64_t total, unread;
};
MUST_CHECK enum rc ox_mail_examine(struct ox_session *s, const char *folder, struct ox_examine *out, struct err *e);
/** ox_mail_newest - the newest MAX mails (by uid) with flags, label, date. */
MUST_CHECK enum rc ox_mail_newest(struct ox_session *s, struct arena *a, const struct model_keys *keys, const char *folder, size_t max, struct sighting **out, size_t *n, struct err *e);
/** ox_mail_raw - the octets of a mail (never marks it seen); OUT owned by the caller, at most its max. */
MUST_CHECK enum rc ox_mail_raw(struct ox_session *s, const char *folder, int64_t id, const char *oxid, struct buf *out, struct err *e);
/** ox_mail_import - store RAW (8-bit safe) in FOLDER with FLAGS (OX bits); *id its new id. */
MUST_CHECK enum rc ox_mail_import(struct ox_session *s, const char *folder, const void *raw, size_t n, int flags, int64_t *id, struct err *e);
/** ox_mail_find - uids in FOLDER whose Message-ID header is MESSAGE_ID (lost imports are found by it). */
MUST_CHECK enum rc ox_mail_find(struct ox_session *s, struct arena *a, const char *folder, const char *message_id, int64_t *id, struct err *e);

#endif
