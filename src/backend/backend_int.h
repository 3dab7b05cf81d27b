/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Inside backend: connections (http.c), sessions (session.c), one call with its envelope (call.c), what OX's errors mean
 * (classify.c), rows to objects (rows.c).  The operations of usmd/backend.h are in read.c, listing.c, find.c, write.c, appointment.c, folders.c, share.c,
 * mail.c, mail_octets.c, mail_parts.c, party.c, busy.c, itip.c.
 */
#ifndef USMD_BACKEND_INT_H
#define USMD_BACKEND_INT_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "usmd/backend.h"

#define DAY_MS INT64_C(86400000)
#define FAR_FUTURE INT64_C(9007199254740992) /* 2^53: OX's "no guard" as timestamp of a write */
#define MAX_RETRY_AFTER_S 3600               /* whatever OX says */
#define RANGE_START (-INT64_C(62135596800000)) /* the years 1 to 9999, in ms: appointments are stored within */
#define RANGE_END INT64_C(253402300800000)
#define MAX_COOKIES 4096U                    /* octets of all cookies of one session */

struct backend {
	struct backend_options o;   /* strings owned */
	pthread_mutex_t lock;       /* idle, n_idle, n_made */
	pthread_cond_t freed;
	CURL **idle;                /* last used on top, so that connections beyond the need grow old and close */
	unsigned n_idle, n_made;
	_Atomic int64_t blocked_until; /* monotonic ms before which OX asked not to be called (429): a clock that is set must not prolong it */
	unsigned char seal[KEY_BYTES]; /* of the passwords in memory */
	_Atomic bool untrusted;        /* the last answer to a TLS handshake was refused */
	_Atomic bool chronos;          /* appointments come from `chronos`; of OX_CALENDAR_AUTO only */
	_Atomic int64_t chosen_at, neither_at; /* when that was last changed, and when neither module was there: now_mono_us in ms, 0 = never */
};

/* ---- http.c: one HTTP exchange, no meaning ---- */

/** One HTTP exchange.  Everything is borrowed; out members are filled by http_do. */
struct http {
	const char *url;
	const char *cookies;        /* header value or "" */
	const char *device_agent;   /* of login, or NULL */
	const char *content_type;   /* of BODY */
	const char *body;           /* NULL = GET */
	size_t body_len;
	bool post;                  /* BODY by POST, else PUT */
	bool multipart;             /* BODY as the one file of a form, named FILE_NAME in the field FILE_FIELD */
	const char *file_field, *file_name;
	const char *form_field, *form_text; /* with multipart: a text field that goes before the file, or NULL */
	bool write;                 /* an exchange that may have had an effect is never repeated */
	/* out */
	size_t body_out;            /* octets of BODY handed to the connection */
	long status;
	char type[80];              /* Content-Type of the answer */
	int retry_after_s;          /* 0 = none */
	struct buf answer;          /* initialised by the caller with its bound */
	struct buf set_cookies;     /* "name=value; attributes" lines, each ended by \n */
};

/**
 * http_do - lease a connection, exchange, give it back.
 * RC_OK: a whole HTTP answer came (any status).  RC_TIMEOUT: sent, no whole answer, outcome unknown.  RC_UPSTREAM: surely nothing was done.
 */
MUST_CHECK enum rc http_do(struct backend *b, struct http *h, struct err *e);
/* ---- tls.c: https ---- */

/** tls_set - the options of C that say who is trusted. */
void tls_set(const struct backend *b, CURL *c);
/** tls_refused - the other side was not good enough, or no TLS: not one octet of the request was sent. */
bool tls_refused(CURLcode code);
/** tls_error - RC_UPSTREAM with what the administrator can do; logged when it begins.  C: of the exchange that failed with CODE, WHY as libcurl says it. */
enum rc tls_error(struct backend *b, CURL *c, CURLcode code, const char *why, struct err *e);
/** tls_fine - an exchange came through.  Cheap. */
void tls_fine(struct backend *b);

/** http_escape - append S percent-escaped as a query value. */
void http_escape(struct buf *b, const char *s);

/* ---- session.c ---- */

struct ox_session {
	struct backend *b;
	_Atomic unsigned refs;
	pthread_mutex_t lock;       /* id, cookies, gen, ended, refused */
	pthread_mutex_t login_lock; /* one login at a time: held across the request */
	char id[80];
	struct buf cookies;         /* header value */
	unsigned gen;               /* counts logins: who saw an old one need not log in again */
	bool ended, refused;        /* logged out; the password was refused */
	char *name, *device_agent;
	const char *client;         /* of the options: that which OX accepted */
	struct buf password;        /* sealed; changes under both locks */
	struct ox_user user;
};

/** What one request needs of the session, copied under its lock. */
struct ox_ticket {
	char id[80];
	char cookies[MAX_COOKIES];
	unsigned gen;
};
MUST_CHECK enum rc session_ticket(struct ox_session *s, struct ox_ticket *t, struct err *e);
/** session_revive - a new login unless another thread has made one since generation GEN. */
MUST_CHECK enum rc session_revive(struct ox_session *s, unsigned gen, struct err *e);
/** session_cookies - take over Set-Cookie lines, if GEN is still the session's. */
void session_cookies(struct ox_session *s, unsigned gen, const struct buf *lines);

/* ---- call.c ---- */

struct rows_want;

/** A call: ox_req_init, parameters, body, ox_call, ox_req_fini. */
struct ox_req {
	const char *module, *action; /* action NULL = none in the query */
	const struct content_type *t;/* names the fields in OX's complaints; NULL = none */
	const struct object *written;/* what a complaint may name by a value of it; NULL = nothing */
	bool write;
	bool multipart;
	struct buf query;            /* "&name=value..." */
	struct buf body;             /* what is sent when has_body */
	bool has_body;
	const void *file;            /* or NULL: borrowed octets, sent instead of body: as they are, or with multipart as a form's file; with
	                              * has_body the body is the form's field json_0 before it */
	size_t file_len;
	const char *file_type;       /* with multipart: MIME type of FILE */
	struct buf *raw;             /* binary answers go here instead of being parsed */
	struct ox_digest *digest;    /* NULL, or taken of the answer's text */
	bool digest_only;            /* the text is not read beyond that */
	struct rows_want *rows;      /* rows go here without a tree of JSON where the answer has the usual shape */
};
struct ox_answer {
	json_t *root, *data;         /* data is borrowed of root; NULL = none came */
	msec_t ts;                   /* 0 = none */
};
void ox_req_init(struct ox_req *r, const char *module, const char *action);
void ox_req_fini(struct ox_req *r);
void ox_param(struct ox_req *r, const char *name, const char *value);
void ox_param_i64(struct ox_req *r, const char *name, int64_t value);
/** ox_call - with revival of the session, one repeat where that is safe, and OX's errors classified. */
MUST_CHECK enum rc ox_call(struct ox_session *s, struct ox_req *r, struct ox_answer *a, struct err *e);
void ox_answer_fini(struct ox_answer *a);
/** ox_envelope - an envelope that is already parsed (part of a `multiple`), borrowed: data and ts of it, or its error. */
MUST_CHECK enum rc ox_envelope(const json_t *env, const struct content_type *t, bool write, json_t **data, msec_t *ts, struct err *e);
/** ox_exchange - one exchange with status codes and envelope, no session logic: for login. */
MUST_CHECK enum rc ox_exchange(struct backend *b, struct http *h, const struct ox_req *r, struct ox_answer *a, struct err *e);

/* ---- classify.c ---- */

/** ox_classify - what CODE with CATEGORY means for the caller. */
enum rc ox_classify(const char *code, int category, bool write);
/** ox_blame - into E, filled before: the field of T that the error envelope ENV complains about, as path too, and the lengths. */
void ox_blame(const struct content_type *t, const json_t *env, struct err *e);
/** ox_blame_value - the same where ENV names a value of the object O that was written, and no field. */
void ox_blame_value(const struct object *o, const json_t *env, struct err *e);

/* ---- mailfilter.c, sieve.c: mail rules ---- */

/** mailfilter_words - into E, filled before: what the error envelope ENV means, where OX's own text (code E->code) does not say. */
void mailfilter_words(const json_t *env, struct err *e);
/** What a script holds. */
struct sieve_shape {
	unsigned rules; /* that begin with a condition, or are commands without one */
	unsigned lost;  /* "elsif" and "else", which OX drops */
	json_t *tests;  /* of each rule with a condition, in their order: {id, test}; id as OX's comment has it, else -1; of tests only the groups */
	bool nomem;
};
/** sieve_scan - the shape of the script P, N octets; what is no script has no rules.  OUT->tests is the caller's.   Depth of groups: 32, then no test. */
void sieve_scan(const char *p, size_t n, struct sieve_shape *out);

/* ---- rows.c ---- */

/** The columns asked for in one kind of request and the field that each fills. */
struct columns {
	size_t n;
	uint8_t field[MODEL_MAX_FIELDS];
	char text[1024];
	const struct columns *older; /* the set that this one took the place of */
};
/** columns_all, columns_listed - of CT; a set is constant and stays.  Ask once for the request and the reading of its answer.  Threads: any. */
const struct columns *columns_all(enum content ct);
const struct columns *columns_listed(enum content ct);
/** columns_forget - OX does not know COLUMN of CT: later calls of columns_all leave it out. */
void columns_forget(enum content ct, int column);
/** cell_set - VALUE (stolen, not null) as FIELD of O; id, oxid, lm, folder are taken from it. */
MUST_CHECK enum rc cell_set(struct arena *a, struct object *o, unsigned field, json_t *value, struct err *e);
/** row_fill - the values of ROW into O.  RC_UPSTREAM when the row does not fit the columns. */
MUST_CHECK enum rc row_fill(struct arena *a, const struct columns *c, const json_t *row, struct object *o, struct err *e);

/** Rows of one answer, and the deleted ids behind them. */
struct rows_want {
	struct arena *a;
	enum content ct;
	const struct columns *columns;
	const char *folder;          /* of rows that do not say */
	bool want_deleted;           /* else an id among the rows is a fault */
	/* out */
	bool done;                   /* read by rows_scan already */
	struct object **o;
	size_t n;
	int64_t *deleted;
	size_t n_deleted;
};
/** rows_read - DATA (array of rows and, behind them, deleted ids) into W. */
MUST_CHECK enum rc rows_read(const json_t *data, struct rows_want *w, struct err *e);
/** rows_drop_alive - leave only those of DELETED that are not among the N objects. */
MUST_CHECK enum rc rows_drop_alive(struct arena *a, struct object **o, size_t n, int64_t *deleted, size_t *n_deleted, struct err *e);
/** rows_scan (scan.c) - the whole text of an answer into W and TS; false = not of the usual shape, nothing done. */
bool rows_scan(const char *text, size_t n, struct rows_want *w, msec_t *ts);
/** rows_call - ox_call of R, whose answer is rows, into W and *TS (may be NULL). */
MUST_CHECK enum rc rows_call(struct ox_session *s, struct ox_req *r, struct rows_want *w, msec_t *ts, struct err *e);
/** json_id - an id that is a number or its digits; false for anything else. */
bool json_id(const json_t *v, int64_t *id);
/** json_made_id - the id of what OX says that it has made: 1 or more. */
bool json_made_id(const json_t *v, int64_t *id);
/** id_text - OXID, or ID as text into TMP. */
const char *id_text(int64_t id, const char *oxid, char tmp[24]);

/* ---- module.c: which module of OX serves a type of content, and how ---- */

#define NO_MODULE "HTTP-404"      /* code of an answer of a path that OX does not serve */
#define NO_MODULE_PART "SVL-0007" /* the same of a part of a `multiple` */

/** Listing rows on their way into sightings. */
struct listing {
	struct arena *a;
	const struct model_keys *keys;
	enum content ct;
	struct object *scratch; /* one for all rows: 65,535 of them would be 64 MB */
	struct sighting *s;
	size_t n, cap;
	struct imap *seen;      /* ids, where parts may overlap */
	int64_t user;           /* whose listing */
	int f_private, f_creator;
};

/** Ids asked for in one call of ox_list. */
struct wanted {
	enum content ct;
	const char *folder;
	const int64_t *ids;
	const char *const *oxid;
	struct object **o;
	size_t n;
	unsigned broken;
};

/** What differs from one way of OX to serve contacts, appointments and tasks to another. */
struct pim_ops {
	/* a request, and a part of a `multiple` */
	void (*updates_req)(struct ox_req *r, enum content ct, const char *folder, msec_t since, const struct columns *c);
	void (*updates_part)(struct buf *b, enum content ct, const char *folder, msec_t since, const struct columns *c);
	void (*list_req)(struct ox_req *r, const struct wanted *w, size_t from, size_t n, const struct columns *c);
	void (*list_part)(struct buf *b, enum content ct, const char *folder, const char *id, const struct columns *c);
	/* sends R and reads what comes; reads the data of an answer */
	enum rc (*call)(struct ox_session *s, struct ox_req *r, struct rows_want *w, msec_t *ts, struct err *e);
	enum rc (*read)(struct ox_session *s, const json_t *data, struct rows_want *w, struct err *e);
	/* all that lies in [FROM, TO); the range counts for appointments only */
	enum rc (*listing)(struct ox_session *s, struct listing *l, const char *folder, int64_t from, int64_t to, struct err *e);
	enum rc (*find_uid)(struct ox_session *s, struct arena *a, enum content ct, const char *uid, int64_t *id, struct err *e);
	enum rc (*create)(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e);
	enum rc (*update)(struct ox_session *s, const char *folder, const char *id, const struct object *o, const struct fmask *fields, msec_t lm, msec_t *new_lm, struct err *e);
	enum rc (*remove)(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, struct err *e);
	enum rc (*exception_find)(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e);
	enum rc (*confirm)(struct ox_session *s, enum content ct, const char *folder, const char *id, const struct ox_response *response, msec_t *lm, struct err *e);
	enum rc (*move)(struct ox_session *s, enum content ct, const char *folder, const char *id, const char *to, msec_t lm, msec_t *new_lm, struct err *e);
	/* whose time: a part of a `multiple`, and the data of its answer (busy.c) */
	void (*busy_part)(struct buf *b, const struct ox_busy_of *w, msec_t from, msec_t to);
	enum rc (*busy_read)(struct arena *a, const json_t *data, struct ox_busy_of *w, struct err *e);
};
extern const struct pim_ops classic_ops, chronos_ops;

/** pim_ops - how CT is served now. */
const struct pim_ops *pim_ops(struct backend *b, enum content ct);
/**
 * pim_ops_again - a call by OPS ended with RC: is it to be made again, by *OPS?  When OX turns out not to have the module (any more), but the
 * other one; nothing was done then, so a write may be repeated, too.   Blocking: up to two requests, in that case only.
 * @many  the call was a part of a `multiple`, which has no status of its own
 */
bool pim_ops_again(struct ox_session *s, enum content ct, const struct pim_ops **ops, enum rc rc, bool many, const struct err *e);
/** pim_ops_reconsider - somebody has logged in: now and then, see whether OX has the legacy module again. */
void pim_ops_reconsider(struct backend *b);

/** listing_room - room for MORE rows.  listing_take - the scratch object, filled, as the next row. */
MUST_CHECK enum rc listing_room(struct listing *l, size_t more, struct err *e);
MUST_CHECK enum rc listing_take(struct listing *l, struct err *e);
/** listing_clear - the scratch object, empty. */
void listing_clear(struct listing *l);
/** broken_object - an object that OX names and that cannot be read (WHY: a code for the log), with its id only. */
MUST_CHECK enum rc broken_object(struct arena *a, enum content ct, const char *folder, int64_t id, const char *oxid, const char *why, struct object **out, struct err *e);

/* the parts of classic_ops: read.c, listing.c, find.c, write.c, appointment.c */
void classic_updates_req(struct ox_req *r, enum content ct, const char *folder, msec_t since, const struct columns *c);
void classic_updates_part(struct buf *b, enum content ct, const char *folder, msec_t since, const struct columns *c);
void classic_list_req(struct ox_req *r, const struct wanted *w, size_t from, size_t n, const struct columns *c);
void classic_list_part(struct buf *b, enum content ct, const char *folder, const char *id, const struct columns *c);
enum rc classic_listing(struct ox_session *s, struct listing *l, const char *folder, int64_t from, int64_t to, struct err *e);
enum rc classic_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, int64_t *id, struct err *e);
enum rc classic_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e);
enum rc classic_update(struct ox_session *s, const char *folder, const char *id, const struct object *o, const struct fmask *fields, msec_t lm, msec_t *new_lm, struct err *e);
enum rc classic_remove(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, struct err *e);
enum rc classic_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e);
enum rc classic_confirm(struct ox_session *s, enum content ct, const char *folder, const char *id, const struct ox_response *response, msec_t *lm, struct err *e);
enum rc classic_move(struct ox_session *s, enum content ct, const char *folder, const char *id, const char *to, msec_t lm, msec_t *new_lm, struct err *e);
/* ---- busy.c ---- */
void classic_busy_part(struct buf *b, const struct ox_busy_of *w, msec_t from, msec_t to);
enum rc classic_busy_read(struct arena *a, const json_t *data, struct ox_busy_of *w, struct err *e);
void chronos_busy_part(struct buf *b, const struct ox_busy_of *w, msec_t from, msec_t to);
enum rc chronos_busy_read(struct arena *a, const json_t *data, struct ox_busy_of *w, struct err *e);

/* ---- write.c: shared with appointment.c ---- */

/** write_params - what every write of CT needs: its field names for complaints, UTC. */
void write_params(struct ox_req *r, enum content ct);
/** write_fields - the FIELDS of O as members, null for one that is not set; returns WRITTEN and how many it added. */
size_t write_fields(struct buf *b, const struct object *o, const struct fmask *fields, bool create, size_t written);
/** write_how - the members that say how O is to be written, behind WRITTEN others. */
void write_how(struct buf *b, const struct object *o, size_t written);
/** pattern_end - takes out of M the end of O's series that the CHANGED one replaces: until and occurrences exclude each other. */
void pattern_end(const struct object *o, const struct fmask *changed, struct fmask *m);
/** pattern_members - takes out of M what a legacy module refuses of O's recurrence pattern (pattern.c). */
void pattern_members(const struct object *o, struct fmask *m);
void mask_drop(struct fmask *m, enum content ct, const char *name);
/** send_create - sends R, which creates O; *ID and *LM of OX's answer. */
MUST_CHECK enum rc send_create(struct ox_session *s, struct ox_req *r, const struct object *o, int64_t *id, msec_t *lm, struct err *e);
/** send_delete - one object, or with POS > 0 one occurrence of it. */
MUST_CHECK enum rc send_delete(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, int64_t pos, msec_t *new_lm, struct err *e);

/* ---- appointment.c ---- */

/** ox_check_conflicts - QUIRK(OX, all): a collision is no error: nothing is stored, and the DATA of the answer lists what is in the way of O. */
MUST_CHECK enum rc ox_check_conflicts(const json_t *data, const struct object *o, struct err *e);
/** conflicts_read - LIST of the legacy module in the words of struct write_how, a new array; *HARD: a resource is among them. */
json_t *conflicts_read(const json_t *list, bool *hard);
/** exception_fields - the fields of O that a new exception is told of. */
void exception_fields(const struct object *o, struct fmask *m);
/** ox_exception_create - an exception of SERIES: made by updating the series at one of its days; OX answers the new object's id. */
MUST_CHECK enum rc ox_exception_create(struct ox_session *s, const char *folder, const struct object *o, const char *series, int64_t *id, msec_t *lm, struct err *e);
/** ox_delete_occurrences - those of DAYS that still have an occurrence.  DONE: a part of this update is stored already, so a failure leaves it half done. */
MUST_CHECK enum rc ox_delete_occurrences(struct ox_session *s, const char *folder, const char *id, const json_t *days, msec_t lm, bool done, msec_t *new_lm, struct err *e);

/* ---- words.c: what a person typed, as OX takes it ---- */

#define BODY_SPECIAL "*?\\" /* in the text of a mail: % and _ are what they are */
/** word_special - does WORD (may be NULL) hold a character that OX does not take for itself?  Then its answers have to be looked through. */
bool word_special(const char *word);
/** word_pattern - BEFORE, WORD with every special character as ?, AFTER; in A, or NULL. */
char *word_pattern(struct arena *a, const char *before, const char *word, const char *after);
/** word_in - is WORD in TEXT?  word_begins - does a word of TEXT begin with it?  Exact for special characters, as wide as OX may be for the others. */
bool word_in(const char *text, const char *word);
bool word_begins(const char *text, const char *word);
/** word_in_value - is it in one of the texts of V, lists gone through? */
bool word_in_value(const json_t *v, const char *word);

/* ---- read.c: shared by the other operations ---- */

/** module_params - what every read of CT needs to tell the whole truth. */
void module_params(struct ox_req *r, enum content ct);

/* ---- hierarchy.c ---- */

/** Folder ids of one content type that the user sees. */
MUST_CHECK enum rc ox_folder_ids(struct ox_session *s, struct arena *a, enum content ct, const char ***ids, size_t *n, struct err *e);

/* ---- mail.c ---- */

/** mail_req - a request of the module mail. */
void mail_req(struct ox_req *r, const char *action, bool write);
/** mail_counters - the answer DATA of `examine`. */
MUST_CHECK enum rc mail_counters(const json_t *data, struct ox_examine *out, struct err *e);
/** mail_body_ref - the body of a request about one mail: an array of its folder and ID. */
void mail_body_ref(struct ox_req *r, const char *folder, const char *id);
/** mail_past_cache - append to the ids of a request `list` what keeps OX from answering out of its cache. */
void mail_past_cache(struct buf *b, const char *folder);
/** mail_list_body - the body of a request `list` of one mail, as it is in the mail store now. */
void mail_list_body(struct ox_req *r, const char *folder, const char *id);
/* mail.c: the mail's part of ox_update, ox_delete, ox_move */
/** mail_write_keywords - append what turns the keywords that the mail ID has into WANTED to the body B; nothing where they are the same. */
MUST_CHECK enum rc mail_write_keywords(struct ox_session *s, const char *folder, const char *id, const json_t *wanted, struct buf *b, struct err *e);
MUST_CHECK enum rc ox_mail_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, struct err *e);
MUST_CHECK enum rc ox_mail_delete(struct ox_session *s, const char *folder, int64_t id, const char *oxid, bool hard, struct err *e);
MUST_CHECK enum rc ox_mail_move(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *to, int64_t *new_id, struct err *e);
/** is_missing - OX answers in these ways that an object or folder is not there (for this user). */
static inline bool
is_missing(enum rc rc)
{
	return rc == RC_NOTFOUND || rc == RC_FORBIDDEN;
}

#endif
