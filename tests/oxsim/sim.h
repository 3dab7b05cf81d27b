/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The data of the stand-in server: contexts, users, folders, objects,
 * sessions and one request.  Everything runs in ONE thread (the epoll thread
 * of the HTTP daemon), so nothing here is locked: see README.md.
 */
#ifndef OXSIM_SIM_H
#define OXSIM_SIM_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "oxsim/sb.h"

#define DAY_MS INT64_C(86400000)
#define MAX_COLS 256

/* folder module numbers of the HTTP API */
enum mod {
	M_TASKS = 1, M_CALENDAR = 2, M_CONTACTS = 3, M_SYSTEM = 5, M_MAIL = 7, M_INFOSTORE = 8,
	M_COUNT = 9
};

/* --- columns.c: fields of the PIM modules as data ------------------------ */

enum ftype {
	FT_STR,		/* text */
	FT_INT,		/* 32-bit integer */
	FT_NUM,		/* decimal number, two digits */
	FT_DUR,		/* integer kept and answered as text */
	FT_BOOL,
	FT_DATE,	/* whole UTC day, ms */
	FT_SEC,		/* UTC ms cut to full seconds, never shifted */
	FT_TIME,	/* ms, shifted by the zone of the request */
	FT_JSON,	/* stored as it came */
	FT_VIRT		/* written by the module, never stored as field value */
};

struct fld {
	short col;		/* 0: object member without a column */
	const char *name;
	enum ftype type;
	int max;		/* code points, 0: no limit */
	const char *row_def;	/* text in a row when unset, NULL: null */
	const char *get_def;	/* text in an object when unset, NULL: left out */
	const char *label;	/* for error_params, NULL: name */
};

struct modinfo {
	enum mod m;
	const char *name;
	const struct fld *f;
	int n;
	short by_col[800];	/* field index + 1 */
	GHashTable *by_name;	/* name -> index + 1 */
};

extern struct modinfo MI_CONTACTS, MI_TASKS, MI_CALENDAR;

void columns_init(void);
const struct modinfo *modinfo_of(enum mod m);
/* field index by name or -1 */
int fld_by_name(const struct modinfo *mi, const char *name);
int fld_by_col(const struct modinfo *mi, int col);

/* --- tz.c ------------------------------------------------------------------ */

struct tz;

/* NULL when there is no such zone; the answer lives as long as the program */
const struct tz *tz_get(const char *name);
const char *tz_name(const struct tz *z);
/* offset in ms at a UTC instant */
int64_t tz_offset(const struct tz *z, int64_t utc_ms);
/* UTC instant of a wall clock value (ms as if UTC) */
int64_t tz_to_utc(const struct tz *z, int64_t local_ms);

/* --- objects ------------------------------------------------------------------ */

struct fv {			/* one field value: its finished JSON text */
	uint16_t f;
	uint32_t len;
	char *t;
};

struct blob {
	unsigned int refs;
	size_t len;
	char *p;
};

struct obj;
struct folder;
struct ctx;

struct ent {			/* an object as one folder shows it */
	struct obj *o;
	struct folder *f;
	struct ent *prev, *next;	/* folder: by last_modified, oldest first */
	struct ent *onext;		/* object: its other folders */
	int user;			/* owner of this place, 0: public */
	uint32_t pos;			/* index in folder->item */
};

enum { PT_USER = 1, PT_GROUP = 2, PT_RESOURCE = 3, PT_EXTERNAL = 5 };

struct participant {
	int type;
	int id;			/* user, group, resource */
	char *mail;		/* external */
	char *name;
	int conf;		/* external only; users: see struct attendee */
	char *msg;
};

struct attendee {		/* a resolved internal user */
	int id;
	int conf;
	char *msg;
	int alarm;		/* minutes, -1 none (calendar) */
	bool hidden;		/* declined by deleting: no place any more */
	char *alarms;		/* chronos form, JSON; NULL: made from `alarm` */
};

struct attach {
	int id;
	char *name, *type;
	struct blob *data;
	int by;
	int64_t created;
	bool rtf;
};

struct tomb { int id; int64_t stamp; };

struct obj {
	int id;
	enum mod m;
	int created_by, modified_by;
	int64_t created, lm;
	struct fv *v;
	uint16_t nv, cv;
	struct ent *ents;
	struct participant *part;
	int npart;
	struct attendee *att;
	int natt;
	struct attach *at;
	int nat;
	int64_t at_lm;		/* newest attachment */
	struct tomb *atgone;	/* detached */
	int natgone;
	struct blob *image;
	char *image_type;
	int64_t image_lm;
	/* calendar */
	int series;		/* id of the master, 0: not recurring, == id: master */
	int64_t rdate;		/* exception: original day (UTC midnight) */
	int rpos;
	int64_t *chg, *del;	/* master: exception days */
	int nchg, ndel;
	int organizer;
	int sequence;
	char *sort;		/* contacts: lower-case sort key */
	int used;		/* contacts: column 608 */
};

struct perm { int entity; bool group; int bits; };

struct folder {
	int id;
	int parent;
	char *title;
	enum mod m;
	int type;		/* 1 private 2 public 5 system */
	int owner;
	int created_by, modified_by;
	int64_t created, lm;
	struct perm *perm;
	int nperm;
	bool standard;
	int std_type;
	int *unsub;		/* users that did not subscribe */
	int nunsub;
	struct folder *prev, *next;	/* context: by lm */
	/* contents */
	struct ent **item;
	uint32_t n, cap;
	bool sorted;
	struct ent *head, *tail;
	struct tomb *tomb;
	uint32_t ntomb, ctomb;
};

struct mail {
	uint32_t uid;
	int flags;
	int color;		/* $cl_0 to $cl_10, 0 none */
	json_t *user;		/* array: the other keywords; NULL none */
	uint64_t cached;	/* struct user.mailcache when it came into OX's cache, with these keywords: */
	json_t *cached_user;
	int64_t received;
	struct blob *raw;
	struct mailinfo *info;	/* parsed on demand */
};

struct mbox {
	char *path;		/* "INBOX", "INBOX/Sub" */
	uint32_t validity, next;
	struct mail **m;
	size_t n, cap;
	struct perm *perm;	/* entries besides the owner's; nobody sees the folder by them */
	int nperm;
	int std;		/* standard_folder_type, 0 none */
	bool unsub;		/* shown to nobody who does not ask for all */
};

struct user {
	int id;
	struct ctx *c;
	char *login, *first, *last, *display, *mail;
	char *password;
	char *zone, *locale;
	bool olox20;
	int contact;		/* id in the global address list */
	int f_cal, f_con, f_task, f_info, f_collect;
	bool seen;		/* had a login: the "collected" folder exists */
	bool harddelete;	/* his setting: deleted mails do not go into the trash */
	bool fixed_password;	/* he may not change his password */
	json_t *mailset;	/* his other settings of mail, by their names in config/modules/mail */
	char *personal;		/* name that his mails are sent under, NULL: none */
	GHashTable *attr;	/* setAttribute */
	json_t *jslob;
	json_t *gui;
	json_t *rules;		/* of the mail filter, as the script has them: sieve.h */
	bool foreign_script;	/* another client's script is the active one */
	GHashTable *answered;	/* who got an absence notice -> when */
	json_t *snippets;
	struct mbox **mb;
	int nmb;
	uint64_t mailcache;	/* mailcache.c: which fill of the cache counts, and of which folder */
	const struct mbox *mailcache_mb;
	unsigned int mailrev;
};

struct group { int id; char *name, *display; int *member; int n; int64_t lm; };
struct resource { int id; char *name, *display, *mail; int64_t lm; };

struct ctx {
	int id;
	char *name;			/* login mapping, e.g. example.com */
	struct user **user;
	int nuser;
	struct group **group;
	int ngroup;
	struct tomb *gtomb;
	int ngtomb;
	struct resource **res;
	int nres;
	GHashTable *folder;		/* id -> struct folder */
	struct folder *fhead, *ftail;
	struct tomb *ftomb;
	uint32_t nftomb, cftomb;
	GHashTable *obj[M_COUNT];	/* id -> struct obj */
	int next_id[M_COUNT];
	int next_folder, next_attach, next_alarm, next_principal;
	int64_t last_stamp;
};

struct session {
	char id[33], secret[33], alt[33];
	char hash[24], alt_hash[24];
	struct ctx *c;
	struct user *u;
	char *client, *ua, *ip, *auth;
	char *jsid;
	int64_t used;			/* monotonic ms */
	unsigned int mailrev;
	bool mail_asked;
};

enum clock_mode { CLK_REAL, CLK_OFFSET, CLK_FIXED };

struct rule;			/* fault.c */

struct sim {
	struct ctx **ctx;
	int nctx;
	GHashTable *session;		/* id -> struct session */
	GHashTable *session_alt;
	bool older;
	gchar **without;		/* modules that this server does not offer, NULL: it has all */
	enum clock_mode clk;
	int64_t clk_val;
	int64_t session_ttl;		/* ms idle, 0: never */
	int64_t late_ms;		/* stamps lie this far in the past */
	int late_every;			/* ... for every n-th write */
	unsigned int writes;
	int rate_max;			/* requests per window, 0: off */
	int64_t rate_window;
	GHashTable *rate;
	GHashTable *counter;		/* "module/action" -> count */
	uint64_t requests;
	struct rule *rules;
	unsigned int err_seq;
	unsigned int err_base;
	char *data_file;
	char *fixture;
	FILE *log;
};

extern struct sim S;

/* --- store.c --------------------------------------------------------------------- */

int64_t sim_now(void);
/* the stamp of one write in this context: never goes back unless late commit is emulated */
int64_t stamp_new(struct ctx *c);

struct blob *blob_new(const void *p, size_t n);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);

struct ctx *ctx_new(int id, const char *name);
struct ctx *ctx_by_id(int id);
struct user *user_by_id(const struct ctx *c, int id);
struct user *user_by_mail(const struct ctx *c, const char *mail);
struct group *group_by_id(const struct ctx *c, int id);
struct resource *res_by_id(const struct ctx *c, int id);
bool group_has(const struct ctx *c, int group, int user);
void store_reset(void);

struct folder *folder_add(struct ctx *c, int id, int parent, const char *title, enum mod m,
    int type, int owner, int64_t stamp);
struct folder *folder_get(const struct ctx *c, int id);
void folder_touch(struct ctx *c, struct folder *f, int64_t stamp);
void folder_set_perm(struct folder *f, int entity, bool group, int bits);
void folder_drop(struct ctx *c, struct folder *f, int64_t stamp);

struct obj *obj_new(struct ctx *c, enum mod m, int id, int by, int64_t stamp);
struct obj *obj_get(const struct ctx *c, enum mod m, int id);
struct ent *obj_in(const struct obj *o, const struct folder *f);
struct ent *obj_place(struct obj *o, struct folder *f, int user);
/* removes one place and leaves a tombstone there */
void ent_drop(struct ent *e, int64_t stamp);
/* new last_modified in every folder that shows the object; answers the stamp used */
int64_t obj_touch(struct ctx *c, struct obj *o, int by, int64_t stamp);
void obj_drop(struct ctx *c, struct obj *o, int64_t stamp);
const struct fv *obj_fv(const struct obj *o, int f);
/* takes a copy of the JSON text; len 0 unsets */
void obj_set(struct obj *o, int f, const char *txt, size_t len);
void obj_set_int(struct obj *o, int f, int64_t v);
void obj_set_str(struct obj *o, int f, const char *s);
int64_t obj_int(const struct obj *o, int f, int64_t def);
/* decoded string or NULL; to be freed */
char *obj_str(const struct obj *o, int f);
void obj_copy_fields(struct obj *to, const struct obj *from);
void obj_free(struct obj *o);
/* one more of what /control/counters tells */
void sim_count(const char *key);

/* --- perm.c ------------------------------------------------------------------------- */

int perm_bits(const struct ctx *c, const struct folder *f, int user);
bool perm_visible(const struct ctx *c, const struct folder *f, int user);
static inline int perm_folder(int bits) { return bits & 127; }
static inline int perm_read(int bits) { return (bits >> 7) & 127; }
static inline int perm_write(int bits) { return (bits >> 14) & 127; }
static inline int perm_delete(int bits) { return (bits >> 21) & 127; }
static inline bool perm_admin(int bits) { return (bits & (1 << 28)) != 0; }
bool may_read(const struct ctx *c, const struct folder *f, int user, int creator);
bool may_write(const struct ctx *c, const struct folder *f, int user, int creator);
bool may_delete(const struct ctx *c, const struct folder *f, int user, int creator);
bool may_create(const struct ctx *c, const struct folder *f, int user);
#define PERM_OWNER 403710016

/* --- request --------------------------------------------------------------------------- */

struct param { char *k, *v; };
struct part { char *name, *filename, *type; const char *p; size_t n; };
struct header { char *k, *v; };

enum reply_kind { RK_JSON, RK_RAW, RK_FLAT };

/* one occurrence of a series */
struct occ { int64_t start, end, rdate; int pos; };

struct req {
	const struct occ *occ;	/* the row being written shows this occurrence */
	bool veil;		/* ... and hides a private appointment */
	bool as_event;		/* asked by chronos */
	int as_user;		/* a contact is written as this user's entry, 0: no */
	struct ctx *c;
	struct user *u;
	struct session *ses;
	const char *method;
	char path[176];		/* behind /ajax/ */
	char module[176];
	const char *rest;	/* path behind the module, "" if none */
	const char *action;
	struct param *arg;
	size_t narg, carg;
	const char *body;
	size_t blen;
	json_t *j;		/* parsed body, borrowed inside multiple */
	bool j_own, j_done;
	struct part *part;
	size_t npart;
	const struct tz *zone;
	const char *ua, *xff, *cookie, *ctype_in;
	const char *peer;
	bool in_multiple;
	/* answer */
	struct sb *out;
	size_t start;		/* begin of the envelope in out */
	size_t mark;		/* begin of its data */
	bool has_ts;
	int64_t ts;
	bool failed;
	bool null_data;		/* an error comes with "data":null */
	json_t *err;		/* the error object */
	json_t *warn;
	enum reply_kind kind;
	int status;
	const char *ctype;
	struct header *hdr;
	size_t nhdr;
	bool close_conn;
};

typedef void (*action_fn)(struct req *r);

const char *arg(const struct req *r, const char *name);
bool arg_true(const struct req *r, const char *name);
/* missing parameter: SVL-0002 and NULL */
const char *need(struct req *r, const char *name);
/* the whole text must be a number */
bool parse_i64(const char *s, int64_t *v);
bool need_i64(struct req *r, const char *name, int64_t *v);
void add_arg(struct req *r, const char *k, const char *v);
void add_header(struct req *r, const char *k, const char *v);
/* the JSON body or NULL with the error set */
json_t *body_json(struct req *r);
json_t *body_object(struct req *r);
json_t *body_array(struct req *r);
void set_ts(struct req *r, int64_t ts);
static inline void max_ts(struct req *r, int64_t ts)
{
	if (!r->has_ts || ts > r->ts)
		set_ts(r, ts);
}

/* --- envelope.c: key = code, optionally "/variant"; params is stolen ---------------------- */

void fail(struct req *r, const char *key, json_t *params);
void warn(struct req *r, const char *key, json_t *params);
json_t *error_object(const char *key, json_t *params);
/* another category than the table has */
void error_category(json_t *e, int cat);
/* one field too long; col < 0: no `truncated` */
void fail_trunc(struct req *r, const char *key, const char *label, int max, int len, int id, int col);
void envelope_begin(struct req *r);
void envelope_end(struct req *r);
bool code_is(const struct req *r, const char *code);

/* --- dispatch.c ----------------------------------------------------------------------------- */

/* runs module/action of a request whose session is checked */
void dispatch(struct req *r);
/* oxsim has it; known: this server offers it, too */
bool module_exists(const char *module);
bool module_known(const char *module);
void act_multiple(struct req *r);
void req_clear(struct req *r);
/* a module that asks another one inside the same request (chronos -> calendar) */
struct route { const char *module, *action; action_fn fn; };

/* --- session.c -------------------------------------------------------------------------------- */

void act_login(struct req *r);
/* finds and checks the session; false with the error set */
bool session_check(struct req *r);
void sessions_forget(void);
void session_kill(struct session *s);
/* KEEP: the session that goes on, NULL: none */
void sessions_of_end(const struct user *u, const struct session *keep);
bool session_public(struct req *r);

/* --- pim.c: what the three PIM modules share ----------------------------------------------------- */

struct cols { int n; int f[MAX_COLS]; bool all; };

/* parses columns=; word gives SVL-0010 */
bool cols_parse(struct req *r, const struct modinfo *mi, struct cols *c);
void emit_row(struct req *r, const struct modinfo *mi, const struct cols *c, const struct ent *e);
void emit_object(struct req *r, const struct modinfo *mi, const struct ent *e);
/* a field the module computes; false: nothing to say */
bool virt_value(struct req *r, const struct modinfo *mi, const struct ent *e, const struct fld *f, bool row);
int64_t shift(const struct req *r, int64_t utc);
int64_t unshift(const struct req *r, int64_t local);
bool folder_id_parse(const char *s, int *id);
bool json_folder(const json_t *v, int *id);
bool json_id(const json_t *v, int *id);
/* bad characters, lengths and types of one value; stores it into o */
struct set_errs { const char *bad_char, *too_long; const char *bad_type, *bad_int; bool trunc_cols; bool empty_is_null; };
bool field_set(struct req *r, const struct modinfo *mi, const struct set_errs *se, struct obj *o, int f, const json_t *v, const json_t *whole);
void ents_by_id(struct ent **v, size_t n);
/* a growing list of objects to answer */
/* match.c: patterns of searches.  whole: *, ? of contacts and chronos; part: anywhere in the text; name: of groups and resources, from the beginning */
bool match_whole(const char *s, const char *pattern);
bool match_part(const char *s, const char *pattern);
bool match_name(const char *s, const char *pattern);
bool match_mail(const char *s, const char *pattern);

struct rows { struct ent **v; size_t n, cap; };
void rows_add(struct rows *w, struct ent *e);
/* writes them (the closing bracket too unless open) and raises the timestamp */
void rows_put(struct req *r, const struct modinfo *mi, const struct cols *c, const struct rows *w, bool open);
void rows_sort_col(struct req *r, const struct modinfo *mi, struct rows *w);
/* ids of what left the folder after `since`; by_id: sorted by id instead of time */
void rows_deleted(struct req *r, enum mod m, const struct folder *f, int64_t since, bool by_id);
/* a checked change: values of the copy become those of o, the old ones stay in the copy */
struct obj *obj_trial(const struct obj *o);
void obj_swap(struct obj *a, struct obj *b);
void gen_uuid(char out[37]);
size_t utf8_len(const char *s, size_t n);

/* contact.c, task.c, calendar.c */
bool contact_virt(struct req *r, const struct ent *e, const struct fld *f, bool row);
bool task_virt(struct req *r, const struct ent *e, const struct fld *f, bool row);
bool cal_virt(struct req *r, const struct ent *e, const struct fld *f, bool row);
void contact_resort(struct obj *o);
void contact_sort_folder(struct folder *f);

/* THE insertion: an OX JSON object into a folder as a user; NULL with r's error set */
struct obj *store_insert(struct req *r, struct folder *f, json_t *fields);
/* Q as a request of U whose answer goes to OUT; set module, action and j, end with req_clear */
void req_as_user(struct req *q, struct user *u, struct sb *out);
struct user *user_named(const char *name);
/* files and folders into the default folders of a user; false: no such user */
bool import_paths(const char *user, char *const *paths, int n);
struct obj *contact_insert(struct req *r, struct folder *f, json_t *fields);
struct obj *task_insert(struct req *r, struct folder *f, json_t *fields);
struct obj *cal_insert(struct req *r, struct folder *f, json_t *fields);

/* --- sched.c: participants of tasks and appointments ------------------------------------------------ */

bool parts_read(struct req *r, struct obj *o, const json_t *list, const char *nomail_key);
void parts_resolve(struct ctx *c, struct obj *o, int keep_user);
void parts_places(struct ctx *c, struct obj *o, struct folder *home, int64_t stamp);
/* sched.c: mails to those who take part, but for the writer */
void parts_tell(struct req *r, const struct obj *o, bool silent);
bool parts_silent(const json_t *body);
void parts_emit(struct sb *b, const struct obj *o, bool conf);
void users_emit(struct sb *b, const struct obj *o);
void confs_emit(struct sb *b, const struct obj *o);
struct attendee *att_of(const struct obj *o, int user);
struct participant *part_add(struct obj *o, int type, int id, const char *mail, const char *name);
void parts_free(struct obj *o);

/* --- recur.c: series rules in the legacy form ------------------------------------------------------- */

struct rule_spec {
	int type;		/* 1 daily .. 4 yearly, 0: not recurring */
	int interval, days, day_in_month, month;
	int64_t until;		/* UTC midnight of the last day, 0: none */
	int occurrences;	/* 0: not limited */
};

/* wall clock starts (ms as if UTC) of the first `max` occurrences at or before `last`; answers how many */
int recur_expand(const struct rule_spec *s, int64_t local_start, int64_t last, int max, int64_t *out);
/* the first occurrence at or after the start; the start itself when nothing matches */
int64_t recur_first(const struct rule_spec *s, int64_t local_start);

/* --- mailbox.c, mime.c --------------------------------------------------------------------------------- */

struct mailinfo {
	char *from, *to, *cc, *bcc, *subject;	/* JSON text; subject too */
	char *subject_raw;
	char *reply_to, *sender;
	char *ctype, *ctype_full;		/* plain text */
	char *msgid;
	char *from_addr, *from_text;
	int64_t sent;
	int priority;
	bool attach;
	bool bad;
};

void mailboxes_init(struct user *u);
struct mbox *mbox_get(const struct user *u, const char *path);
struct mbox *mbox_add(struct user *u, const char *path, int std);
void mbox_remove(struct user *u, struct mbox *mb);
struct mail *mail_append(struct user *u, struct mbox *mb, struct blob *raw, int flags, int64_t received);
void mail_remove(struct user *u, struct mbox *mb, size_t i);
ssize_t mail_find(const struct mbox *mb, uint32_t uid);
const struct mailinfo *mail_info(struct mail *m);
void mailinfo_free(struct mailinfo *i);
void mail_free(struct mail *m);
/* "default0/INBOX" -> "INBOX"; NULL when it is no mail folder id */
const char *mail_path(const char *folder);
struct mailinfo *mime_info(const char *p, size_t n);
char *mime_header(const char *p, size_t n, const char *name);
/* bare LF to CRLF plus the server's marker header */
struct blob *mime_store_form(const char *p, size_t n);
/* all local addresses of To, Cc, Bcc */
GPtrArray *mime_recipients(const char *p, size_t n);

/* --- the rest ----------------------------------------------------------------------------------------------- */

void fixture_load(const char *name);
/* adds one user with default folders to a context */
struct user *fixture_user(struct ctx *c, int id, const char *login, const char *first,
    const char *last, const char *zone, int first_folder, int contact);
void user_first_login(struct user *u);

/* fault.c */
enum fault_kind { FA_NONE, FA_DELAY, FA_STATUS, FA_DROP_BEFORE, FA_DROP_AFTER, FA_TRUNCATE, FA_EXPIRE, FA_ERROR, FA_GARBAGE, FA_EMPTY };
struct fault { enum fault_kind kind; int num; int category; char code[24]; };
/* the first rule that matches; delays are asked separately, before the work */
struct fault fault_match(const struct req *r, const char *login);
struct fault fault_delay(const struct req *r, const char *login);
json_t *fault_list(void);
bool fault_add(const json_t *rule, const char **why);
void fault_clear(void);

/* control.c */
void control(struct req *r);
void control_reply(struct req *r, json_t *j);

/* events.c: what changes, for the push; nothing before events_start */
void events_start(void);
void events_by(struct ctx *c);
/* until the end of the request, of appointments only what lies in USER's place; of tasks he counts as a reader, too; 0: no more */
void events_only(int user);
void events_too(int user);
void events_obj(const struct obj *o, const struct ent *at, int64_t stamp);
void events_folder(struct ctx *c, const struct folder *f, int64_t stamp);
void events_mail(struct user *u, const struct mbox *mb, struct mail *m);
void events_flush(void);
void events_forget(void);
/* persist.c */
json_t *persist_dump(bool with_content);
bool persist_load(const char *file);
bool persist_save(const char *file);

/* a binary answer */
void raw_reply(struct req *r, const char *type, const void *p, size_t n);

/* every action of routes.def */
#define R(m, a, f) void f(struct req *r);
#include "oxsim/routes.def"
#undef R

/* http.c */
int http_run(const char *host, int port, const char *port_file);

#endif
