/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * model - plain data that all layers share: content types and their ONE table of fields, objects, index rows,
 * cursors, ids; compare, fingerprint, pack and unpack.  No I/O, no clock.
 *
 * Vocabulary (rules: ARCHITECTURE.md "Sync model"):
 *   cn        change number: counter of one folder index; every change seen gets the next one
 *   fp        keyed 64-bit fingerprint of one field's value, 0 = the field is not set
 *   row       one object in a folder index: ids, numbers and fingerprints, never content
 *   cursor    what one client has of one folder; immutable, named by a syncid
 */
#ifndef USMD_MODEL_H
#define USMD_MODEL_H

#include <jansson.h>

#include "usmd/util.h"

/* ---- content types and fields ------------------------------------------------------------------------- */

enum content {
	CT_FOLDER, /* the folder hierarchy, itself synced like a folder */
	CT_CONTACT,
	CT_CALENDAR,
	CT_TASK,
	CT_MAIL,
	CT_COUNT
};

enum field_type {
	FT_STRING,
	FT_INT,    /* whole number */
	FT_NUMBER, /* decimal; OX sends number or string */
	FT_BOOL,
	FT_DATE,   /* ms at 00:00 UTC of a day */
	FT_TIME,   /* ms since the epoch; only right with timezone=UTC */
	FT_ID,     /* folder or object id: string here, whatever OX sends */
	FT_BINARY, /* base64 text */
	FT_JSON    /* array or object with inner structure (participants, distribution_list, from, ...) */
};

#define FF_READONLY  0x01u /* OX decides; a client that sends it gets an error naming it */
#define FF_NOINDEX   0x02u /* delivered, but no fingerprint: changes with every touch (last_modified, ...) */
#define FF_ONCE      0x04u /* may be set on create only (uid) */
#define FF_NODELIVER 0x08u /* asked of OX for usmd's own use, never sent to a client */
#define FF_NOCOLUMN  0x10u /* no OX column: comes from elsewhere (children of the object, usmd itself) */
#define FF_HEADERS   0x20u /* part of the `headers` mode of a folder */
#define FF_LISTED    0x40u /* also asked for in the cheap listing (time range and sort key come from these) */
#define FF_ZERO      0x80u /* 0 and false mean "not set" (fp 0): OX sends them in rows and leaves them out of objects */
#define FF_APART    0x100u /* OX gives its content apart: never in an answer; the index knows it by the FF_STAMP field's value */
#define FF_STAMP    0x200u /* set while the FF_APART field is, and with another value whenever that has other content */
#define FF_BITS      0x400u /* whole number of independent bits: each is indexed by its FF_BIT row, the number itself is not */
#define FF_BIT       0x800u /* one bit of the FF_BITS field (max_len says which): has a change number of its own, so that two sides
                             * that change different bits both win; never on the wire */
#define FF_SETTABLE 0x1000u /* FF_BIT: a client may set and clear it, the others are the server's */

/** One row of the table of fields: adding a field is adding one of these. */
struct field {
	const char *name;     /* OX's JSON name as it is */
	int column;           /* OX column number, 0 with FF_NOCOLUMN */
	enum field_type type;
	unsigned max_len;     /* code points a string may have at OX, 0 = not limited by length; 65535 = octets too.  FF_BIT: the bit */
	unsigned flags;       /* FF_* */
	const char *label;    /* OX's English name of the field in "too long" errors that name nothing else, or NULL */
};

#define MAIL_LABELS 10 /* colours that OX has for a mail: 1 to 10; it refuses others */
#define MODEL_MAX_FIELDS 160 /* of one content type; an object's mask has this many bits */

/** Static facts of a content type. */
struct content_type {
	enum content ct;
	const char *name;       /* objectType in usm-json: "folder", "contact", "appointment", "task", "mail" */
	const char *ox_module;  /* "folders", "contacts", "calendar", "tasks", "mail" */
	const struct field *fields;
	size_t n_fields;        /* <= MODEL_MAX_FIELDS; the index in this array is the field's number everywhere */
};

/** model_content - the table of CT; constant, never NULL.  Threads: any. */
const struct content_type *model_content(enum content ct);
/** model_content_by_name - by objectType or OX module name; NULL when unknown. */
const struct content_type *model_content_by_name(const char *name);
/** model_field - number of the field NAME (OX JSON name), or -1. */
int model_field(const struct content_type *t, const char *name);
/** model_field_column - number of the field with OX COLUMN, or -1. */
int model_field_column(const struct content_type *t, int column);

/**
 * model_field_label - the field I of T in a person's words ("First name"): OX's own English label, else made from its name.
 * Cut at SIZE.   Threads: any.
 */
void model_field_label(const struct content_type *t, unsigned i, char *out, size_t size);
/** model_err_field - E, filled before, is about the value of the field I of T: sets e->field and e->label.  E may be NULL. */
void model_err_field(struct err *e, const struct content_type *t, unsigned i);
/** model_field_flagged - number of the first field with one of FLAGS (FF_*), or -1. */
int model_field_flagged(const struct content_type *t, unsigned flags);
/**
 * model_picture_type - MIME type of the picture in N octets at P by how it begins: image/jpeg, image/png, image/gif or image/bmp, the kinds
 * that OX stores (SVL-0022); NULL for anything else.  Constant text.   Threads: any.
 */
const char *model_picture_type(const void *p, size_t n);

/** Set of fields of one content type. */
struct fmask {
	uint64_t w[(MODEL_MAX_FIELDS + 63) / 64];
};
static inline void fmask_set(struct fmask *m, unsigned i) { m->w[i / 64] |= UINT64_C(1) << (i % 64); }
static inline bool fmask_has(const struct fmask *m, unsigned i) { return (m->w[i / 64] >> (i % 64) & 1) != 0; }
static inline void fmask_clear(struct fmask *m, unsigned i) { m->w[i / 64] &= ~(UINT64_C(1) << (i % 64)); }
bool fmask_empty(const struct fmask *m);
/** fmask_bits - the FF_BIT fields of T: empty but for mail. */
void fmask_bits(const struct content_type *t, struct fmask *out);
/** fmask_to_bits - where M has the number, its settable bits instead; fmask_from_bits - where it has bits, the number instead. */
void fmask_to_bits(const struct content_type *t, struct fmask *m);
void fmask_from_bits(const struct content_type *t, struct fmask *m);
bool fmask_equal(const struct fmask *a, const struct fmask *b);
/** fmask_or - add B to M.  fmask_minus - take B out of M. */
void fmask_or(struct fmask *m, const struct fmask *b);
void fmask_minus(struct fmask *m, const struct fmask *b);

/* ---- rights on a folder ---- */

/** What a permission entry allows, as OX numbers it (ox-http-api.md 3.3): folder 0 none, 1 see, 2 create objects, 4 and more create subfolders; the
 * others 0 none, 1 own objects, 2 and more all. */
struct rights {
	int64_t folder, read, write, remove;
	bool administer;
};
/** rights_unpack, rights_pack - OX's permission bits. */
struct rights rights_unpack(int64_t bits);
int64_t rights_pack(const struct rights *r);
/** rights_level - the level ("Author", ...) that allows exactly what BITS do, or "Custom"; a constant.  rights_of_level - the reverse, letter case aside. */
const char *rights_level(int64_t bits);
bool rights_of_level(const char *name, int64_t *bits);
/** rights_word - "none", "see", "create", "subfolders" of a FOLDER number, else "none", "own", "all"; rights_of_word - the reverse. */
const char *rights_word(int64_t v, bool folder);
bool rights_of_word(const char *word, bool folder, int64_t *v);

/* ---- objects: content in flight, never stored ------------------------------------------------------------ */

/** How an object is to be written, beside its values, and what stood in its way.  All zero = as always. */
struct write_how {
	bool ignore_conflicts; /* appointments: stored although participants are busy; a resource that is taken stays a refusal */
	bool silent;           /* appointments, tasks: OX sends the participants no mail about it */
	struct fmask said;     /* of a new exception: the fields that are named; one without a value is cleared where its series has one */
	json_t *conflicts;     /* out: array of {title?, start_date, end_date, full_time?, shown_as, participants?, hard}: what it collides
	                        * with, as far as the user may know; the caller's to json_decref */
};

/** An object as OX returned it or a client sent it.  Values are jansson values, one reference each owned here. */
struct object {
	enum content ct;
	int64_t id;        /* see model_id; 0 = none yet */
	const char *oxid;  /* OX's id as text, in the arena */
	const char *folder;/* OX id of its folder, in the arena, or NULL */
	msec_t lm;         /* last_modified_utc of OX; 0 = none (mail) */
	struct write_how *how; /* borrowed, NULL = as always; of objects that are written */
	bool broken;       /* OX names it, but fails whenever its content is asked for: only id, oxid and folder are set */
	json_t **v;        /* one per field number, NULL = not set (or not asked for) */
};

/** object_new - empty object of CT in A, or NULL (out of memory).  Its json values must be dropped with object_drop before A goes. */
struct object *object_new(struct arena *a, enum content ct);
/**
 * object_set - take VALUE (stolen, NULL = nothing) for field I, dropping what was there.
 *
 * JSON null leaves the field not set.  What OX sends in varying shapes gets one: ids become strings, digits in a string
 * become a number in FT_INT, FT_TIME and FT_DATE fields.  A number of bits (FF_BITS) sets the fields of its bits, too.  Threads: one an object.
 */
void object_set(struct object *o, unsigned i, json_t *value);
/** object_get_i64 - the number in field I, or DFLT when it is not set or no number. */
int64_t object_get_i64(const struct object *o, unsigned i, int64_t dflt);
/** object_get_str - the string in field I, borrowed, or NULL. */
const char *object_get_str(const struct object *o, unsigned i);
/**
 * object_range - sort key and time range of O, from its FF_LISTED fields alone (listings have no others).
 *
 * Appointments: by start, a series by its end; from the start to the end, or of a series to a bound that its last occurrence cannot pass, TIME_MAX
 * when endless.  Tasks: by due date, else start; undated ones come first in a fill and are inside every window.  Mail: by id (sk 0), range
 * = the date received; one with \Deleted has an empty range (t0 > t1), which is in no window.  Everything else: sk 0, always inside.
 */
void object_range(const struct object *o, int64_t *sk, msec_t *t0, msec_t *t1);
/** object_drop - drop the json references of O (NULL is a no-op); object_drop_all for N of them. */
void object_drop(struct object *o);
void object_drop_all(struct object **o, size_t n);

/** model_id - number of an OX id: a canonical decimal stands for itself; any other text becomes a negative keyed
 * hash, and its text is then kept in the row.  Threads: any. */
struct model_keys;
int64_t model_id(const struct model_keys *k, const char *oxid);

/* ---- keys, ids, fingerprints -------------------------------------------------------------------------------- */

/** Keys derived from the daemon's master key, outside the database (a lost database keeps every uuid and rev). */
struct model_keys *model_keys_new(const unsigned char master[KEY_BYTES]);
void model_keys_free(struct model_keys *k);

#define UUID_TEXT 37 /* 8-4-4-4-12 hex digits and NUL */
struct uuid { unsigned char b[16]; };
void uuid_format(const struct uuid *u, char out[UUID_TEXT]);
MUST_CHECK bool uuid_parse(const char *s, struct uuid *out);

/** Where an object lives: what its uuid is derived from (context, module, folder, OX id: nothing else). */
struct place {
	int64_t context;
	enum content ct;
	const char *folder; /* OX folder id; for CT_FOLDER the constant "hierarchy:<user id>" */
};
/** place_tag - the 64-bit keyed hash of a place; computed once a request. */
uint64_t place_tag(const struct model_keys *k, const struct place *p);
/**
 * uuid_make - one AES block over (tag, id): not guessable, no index needed, and
 * uuid_id gives the id back, or false when U does not belong to the place TAG (foreign or forged).
 */
void uuid_make(const struct model_keys *k, uint64_t tag, int64_t id, struct uuid *out);
MUST_CHECK bool uuid_id(const struct model_keys *k, uint64_t tag, const struct uuid *u, int64_t *id);

/**
 * field_fp - keyed fingerprint of a JSON value; 0 = not set.
 *
 * 0 for null, "", [] and {} (OX does not tell them from unset), with FF_ZERO also for 0 and false.
 * Canonical: numbers by value (1 == 1.0 == "1" unless the field is a string), ids as text, members and elements inside
 * FT_JSON in any order (OX lists participants differently from answer to answer), null members as if absent.
 * Threads: any.   Cost: one SipHash of the value's octets; no allocation.
 */
uint64_t field_fp(const struct model_keys *k, const struct field *f, const json_t *value);

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/** json_text_string - S as a JSON string with quotes, escaped; S is UTF-8 of N octets. */
void json_text_string(struct buf *b, const char *s, size_t n);
/** json_text - V as compact JSON, members in the order in which V holds them.  NULL writes null. */
void json_text(struct buf *b, const json_t *v);
/**
 * object_text - the fields of O as members: "name":value, joined by commas, in the order of the table (so that equal objects give equal octets).
 *
 * @only   NULL = every set field; else exactly these, a field that is not set as null
 * @avoid  fields with one of these flags are left out (FF_NODELIVER for clients, FF_READONLY for OX)
 * @first  false = a comma goes before the first member as well
 * Returns the number of members written.   Errors: B fails.   Threads: any.
 */
size_t object_text(struct buf *b, const struct object *o, const struct fmask *only, unsigned avoid, bool first);

/** model_json_memory - from here on jansson's memory is mem_alloc's.  Call it before the first JSON value and before threads start. */
void model_json_memory(void);
/** model_json_begin, model_json_starved - has jansson been refused memory in this thread since?  For trees whose every member matters. */
void model_json_begin(void);
bool model_json_starved(void);
/**
 * model_json_load - json_loadb with JSON_REJECT_DUPLICATES, or NULL; *nomem tells the lack of memory from bad JSON.
 *
 * jansson says neither: its parser answers an empty error when an allocation fails, and a string whose buffer cannot grow loses octets
 * without any error.  Needs model_json_memory.   Threads: any.
 */
MUST_CHECK json_t *model_json_load(const char *p, size_t n, size_t flags, json_error_t *je, bool *nomem);

struct json_limits {
	unsigned depth;  /* arrays and objects inside each other at most */
	size_t string;   /* octets of one string (as sent) at most */
};
/**
 * model_json_parse - TEXT (N octets, from outside) as a JSON array or object.
 *
 * Refuses duplicate members, invalid UTF-8, the character U+0000, text after the end and what passes LIMITS - the last before anything
 * is allocated.  Of what it refuses it names the place: e->path as $.a[3].b.
 * @out  new reference, or NULL
 * Errors: RC_PROTO, RC_LIMIT, RC_NOMEM.   Threads: any.
 */
MUST_CHECK enum rc model_json_parse(const char *text, size_t n, const struct json_limits *limits, json_t **out, struct err *e);

/**
 * object_read - a client's JSON object as an object of type CT, every member checked against the table.
 *
 * @in        borrowed; @path  JSON path of IN, for errors ("$.data[3]"), or ""
 * @envelope  NULL-terminated names of members that are not fields and are skipped here (uuid, rev, ...), or NULL
 * @create    true: fields with FF_ONCE may be given
 * @out       in A, values referenced: object_drop it;  @given  every field named by IN, those that are cleared (null) too
 * Errors: RC_PROTO with e->path naming the member: unknown or read-only field, wrong type, too long, a character that OX refuses; of
 *         a known field e->field and e->label too, of one that is too long e->length and e->max_length.  RC_NOMEM.   Threads: any.
 */
MUST_CHECK enum rc object_read(struct arena *a, enum content ct, const json_t *in, const char *path, const char *const *envelope, bool create,
    struct object **out, struct fmask *given, struct err *e);

/* ---- index rows ------------------------------------------------------------------------------------------------ */

struct row_field {
	uint8_t i;   /* field number */
	uint64_t fp; /* 0 = not set any more */
	uint64_t cn; /* change number at which it last changed */
};

#define TIME_MIN INT64_MIN
#define TIME_MAX INT64_MAX

/** One object in a folder index. */
struct row {
	int64_t id;
	const char *oxid;     /* text of a non-decimal OX id, else NULL */
	uint64_t first_cn;    /* cn of its first sight; survives death and return */
	uint64_t cn;          /* cn of its last change */
	uint64_t keycn;       /* cn of the last change of sk, t0, t1 */
	bool dead;            /* tombstone: cn is that of the deletion */
	bool known;           /* the fingerprints are known; false = seen in a listing only (content not read yet) */
	msec_t lm;            /* OX last_modified_utc; 0 = none */
	int64_t sk;           /* sort key of the first fill (start date; 0 where the id orders) */
	msec_t t0, t1;        /* time range for the window; TIME_MIN, TIME_MAX = always inside */
	const char *client_id;/* "<device name>/<clientId>" when the object's OX uid carries ours, else NULL */
	unsigned nf;
	struct row_field *f;  /* set or once set fields, ascending by i */
};

/** row_field_get - entry of field I or NULL. */
const struct row_field *row_field_get(const struct row *r, unsigned i);
/** row_pack - everything but id, cn, sk into B (varints; about 14 + n_fields/8 + 8 bytes a set field for an untouched row). */
void row_pack(const struct row *r, struct buf *b);
/** row_unpack - the reverse, into A; id, cn and sk are set by the caller before.  RC_INTERNAL on damage. */
MUST_CHECK enum rc row_unpack(struct arena *a, const void *p, size_t n, struct row *r);
/** row_rev - the `rev` of a row: 16 hex digits over its set fields and the field table's version; "" unless known.
 * Fields of HIDDEN (NULL = none) are left out: a client that does not get them has the same rev for the same delivered content.
 * Equal content gives the same rev for ever, whatever the change numbers: it survives a lost database. */
#define REV_TEXT 17
/** Number of the field tables' numbering.  Append fields at the end; whoever renumbers raises this: every rev and packed row is then void. */
#define MODEL_FIELDS_VERSION 1
void row_rev(const struct model_keys *k, enum content ct, const struct row *r, const struct fmask *hidden, char out[REV_TEXT]);

/** What merge needs of an object: its row as it would be, without change numbers. */
struct sighting_field {
	uint8_t i;
	uint64_t fp; /* not 0 */
};
struct sighting {
	int64_t id;
	const char *oxid;
	msec_t lm;
	int64_t sk;
	msec_t t0, t1;
	bool known;          /* f is filled: content was read; false = from a listing */
	bool closed;         /* of a listing: somebody else's, and private */
	const char *client_id;
	unsigned nf;
	struct sighting_field *f; /* set fields only, ascending by i */
};
/**
 * object_sight - the sighting of O (fingerprints, sort key, time range, clientId out of the uid), in A.
 *
 * Its id is O's, or model_id of O's oxid where O has none yet (folders; the backend has no keys).
 * @out  borrows the oxid of O, which is NULL there when a number says it all.
 * Errors: RC_NOMEM.   Threads: any.   Cost: O(set fields).
 */
MUST_CHECK enum rc object_sight(struct arena *a, const struct model_keys *k, const struct object *o, struct sighting *out);

/** OX uid that carries a client's id: "usm1-<user>.<device>-<clientId>" percent-escaped (DEVICE is "<user>.<device>"); parse gives
 * "<user>.<device>/<clientId>" or NULL. */
char *client_uid_format(struct arena *a, const char *device, const char *client_id);
char *client_uid_parse(struct arena *a, const char *uid);

/* ---- cursors ------------------------------------------------------------------------------------------------------ */

/** Which part of a folder a client has asked for and got so far. */
struct view {
	bool filled;          /* the first fill has reached the end */
	int64_t edge_sk, edge_id; /* filled down to here, (sk, id) descending; INT64_MAX twice = nothing yet; meaningless when filled */
	uint64_t n_filled;    /* objects that the fill has passed, for max_objects */
	msec_t w0, w1;        /* time window, inclusive */
};

struct have {
	int64_t id;
	uint64_t cn;
};

/**
 * Which fields a client does not get.  When it begins to get fields that it did not, a sweep goes down the rows that it has, like the first
 * fill, and brings them: so the knowledge of a row is that of its side of the edge.
 */
struct fields_seen {
	struct fmask hidden;  /* not delivered */
	bool sweeping;
	struct fmask unseen;  /* of rows below the edge; HIDDEN or a superset of it is not delivered there */
	int64_t edge_sk, edge_id; /* swept down to here, (sk, id) descending; INT64_MAX twice = nothing yet; meaningless unless sweeping */
};

struct cursor {
	uint64_t epoch;       /* of the folder index */
	uint64_t lo;          /* everything up to here is settled */
	uint64_t pos;         /* paged up to here */
	struct view view;
	size_t n_have;
	size_t cap_have;      /* room in have while the cursor is being built, 0 = have is borrowed; not part of what it says */
	struct have *have;    /* ascending by id: rows known to the client beyond (lo, view) */
	struct fields_seen seen;
};

/** cursor_pack - C into B.  cursor_unpack - the reverse, into A; RC_INTERNAL on damage, whatever the bytes. */
void cursor_pack(const struct cursor *c, struct buf *b);
MUST_CHECK enum rc cursor_unpack(struct arena *a, const void *p, size_t n, struct cursor *out);
/** cursor_equal - same knowledge: handing out A again says the same as B. */
bool cursor_equal(const struct cursor *a, const struct cursor *b);
/** cursor_have - cn of ID in have, or 0. */
uint64_t cursor_have(const struct cursor *c, int64_t id);

#endif
