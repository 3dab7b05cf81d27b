/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmsync, the reference connector client: keeps a directory in step with an account through usm-json.  Shares nothing with the
 * daemon but util, the field tables of model, and pim.  The client's side of the sync rules (usm-json(7), "Rules for clients") is in
 * changes.c and scan.c (what changed here), request.c (what is sent), apply.c and results.c (what an answer does).
 */
#ifndef USMD_CLIENT_INT_H
#define USMD_CLIENT_INT_H

#include <jansson.h>
#include <sqlite3.h>
#include <signal.h>
#include <stdio.h>

#include "usmd/model.h"
#include "usmd/util.h"

#define STATE_DIR ".usmsync"
#define PAGE_CHANGES 50 /* changes sent in one request */
#define MAX_CHOICES 64
#define MAX_LOST 20     /* answers of one folder that may get lost before a run gives up */

struct options {
	const char *server, *user, *dir, *device, *password_file, *new_password_file, *ca_file, *policy, *deletions;
	unsigned limit;       /* objects a page */
	bool watch, quiet, json, check;
	const char *modes[MAX_CHOICES], *first[MAX_CHOICES]; /* "FOLDER=MODE"; folders in the order in which they go before all others */
	unsigned n_modes, n_first;
	char *const *command; /* what follows the options: folders, rights FOLDER ..., conflicts ..., whoami ..., passwd, version, send FILE...; none = keep in step */
	int n_command;
	bool again;           /* send what may have been sent */
	const char *from, *to;   /* freebusy: times; find: whom a mail is from and to; NULL = not given, as below */
	const char *message, *occurrence, *propose; /* respond */
	bool in_spite;           /* respond: although it collides */
	const char *in, *type, *subject, *body, *save; /* find: folder, objectType, what mails must hold, directory for found mails */
	unsigned drop_answers; /* tests: throw this many answers away after they were received */
};

struct totals {
	size_t down, up, removed, conflicts, refused, requests;
	size_t put_off;       /* what the server could not settle in this run */
	size_t answered;      /* own changes that the server settled, one way or the other */
};

struct client {
	struct options o;
	sqlite3 *db;
	struct net *net;
	struct totals t;
	bool progress;        /* stderr is a terminal */
	json_t *config;       /* of this device, as getConfig gives it; NULL = not asked for yet */
	char inbox[UUID_TEXT];
	const char *password; /* borrowed; wiped once nothing needs it any more */
	json_t *skip;         /* object ids (text) that the server refused in this run: not sent again before the next */
};

extern volatile sig_atomic_t client_stop; /* set by SIGINT and SIGTERM */

/** A folder as the state knows it; 0 is the hierarchy. */
struct cfolder {
	int64_t id;
	char uuid[UUID_TEXT];     /* "" = not created at the server yet */
	enum content ct;          /* type of its objects; CT_FOLDER for the hierarchy */
	char *path;               /* relative to the directory, "" = the directory itself */
	char syncid[40];          /* "" = none */
	bool reconcile;           /* the last syncid was refused: pairs first */
	bool more;
	int64_t k;                /* number of the last request */
	unsigned rank;            /* not stored: place in the order of the run */
	int64_t inode;            /* of its directory: knows it again under another name; 0 = not noted */
};

/** One object: what server and client agreed on last (base), what the file said then (shadow). */
struct cobject {
	int64_t id, folder;
	char uuid[UUID_TEXT];     /* "" = not answered yet */
	char *client_id;          /* "" = not ours */
	char rev[REV_TEXT];
	char *file;               /* name within the folder's directory; "" of an exception that is in its series' file */
	int64_t series;           /* state id of the series whose file says this exception, 0 = it has a file of its own */
	json_t *base, *shadow;    /* objects */
	json_t *sent;             /* field -> array of values sent since the last answer to them */
	json_t *blind;            /* array of field names; "*" alone: all, later edits too (deleted at the server and kept here, F8) */
	bool yields;              /* not stored: a right is missing, the server's version takes the place of what was changed here */
	bool doubt;               /* sent, not answered */
	bool gone;                /* deleted here, not answered */
	int64_t size, mtime_ns;
	char hash[65];            /* SHA-256 of the file as agreed: a file that says something else is read again */
	/* not stored */
	json_t *cur;              /* what the file says now; NULL = as shadow */
	json_t *asked;            /* cur as it was when the request was built */
	bool rewrite;             /* the file is written anew when the answer is applied */
	char seen[65];            /* SHA-256 of the file as last read in this run, "" = not read: what an answer may overwrite */
};

/** The objects of the folder that is being synchronised; one with folder < 0 is no part of anything any more. */
struct objlist {
	struct cobject **v;
	size_t n;
};

/* usmsync.c */
void say(const struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void complain(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** put_off - told like a problem, but nobody has to do anything about it: the next run goes on with it. */
void put_off(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* password.c */
/** password_get - of the user, of at most SIZE; false: it said what is missing. */
bool password_get(const struct options *o, char *out, size_t size);
enum rc password_command(struct client *c, struct err *e);
/* own.c: usmsync whoami, usmsync version */
/** day_value - "1990-05-17" as the milliseconds of that day at 00:00 UTC (new reference), or NULL: it is no day. */
json_t *day_value(const char *s);
enum rc whoami_command(struct client *c, struct err *e);
enum rc version_command(struct client *c, struct err *e);
/* command.c */
void print_json(const json_t *v);

/* net.c */
enum rc net_open(const struct options *o, struct net **out, struct err *e);
void net_close(struct net *n);
void net_token(struct net *n, const char *token);
/** net_call - one command; *DATA the `data` of a good answer (new reference). RC_CONFLICT = reconcile, e->code names the status. */
MUST_CHECK enum rc net_call(struct net *n, const char *command, const json_t *body, unsigned timeout_s, json_t **data, struct err *e);
/** net_octets - a command that answers octets, appended to OUT; a JSON error as net_call gives it. */
MUST_CHECK enum rc net_octets(struct net *n, const char *command, const json_t *body, struct buf *out, struct err *e);
MUST_CHECK enum rc net_mail(struct net *n, const char *folder, const char *uuid, struct buf *out, struct err *e);
/** net_watch - while a call waits, ASK is called every second; true ends the wait with RC_BUSY. */
void net_watch(struct net *n, bool (*ask)(void *arg), void *arg);

/* state.c, state_objects.c, todo.c */
MUST_CHECK enum rc state_open(struct client *c, struct err *e);
void state_close(struct client *c);
MUST_CHECK enum rc state_begin(struct client *c, struct err *e);
MUST_CHECK enum rc state_commit(struct client *c, struct err *e);
void state_rollback(struct client *c);
char *state_get(struct client *c, const char *key);
MUST_CHECK enum rc state_set(struct client *c, const char *key, const char *value, struct err *e);
MUST_CHECK enum rc state_folders(struct client *c, struct cfolder **out, size_t *n, struct err *e);
void cfolder_free(struct cfolder *f, size_t n);
MUST_CHECK enum rc state_folder_save(struct client *c, const struct cfolder *f, struct err *e);
MUST_CHECK enum rc state_folder_put(struct client *c, struct cfolder *f, struct err *e); /* by uuid; id is set */
MUST_CHECK enum rc state_folder_drop(struct client *c, int64_t folder, struct err *e);
MUST_CHECK enum rc state_objects(struct client *c, int64_t folder, struct objlist *out, struct err *e);
/** cobject_new - a local object of F that the server does not know yet, or NULL. */
struct cobject *cobject_new(const struct cfolder *f, const char *file);
void cobject_free(struct cobject *o);
/** objlist_add - takes O, also on failure. */
MUST_CHECK enum rc objlist_add(struct objlist *l, struct cobject *o, struct err *e);
void objlist_free(struct objlist *l);
MUST_CHECK enum rc state_object_save(struct client *c, struct cobject *o, struct err *e); /* id 0 = insert */
MUST_CHECK enum rc state_object_drop(struct client *c, int64_t id, struct err *e);
/**
 * state_todo - a file operation that belongs to this transaction and is carried out after it: TEXT NULL = remove the file.  The object is saved with
 * the hash of what is agreed; TEXT may say more (what was changed here).
 */
MUST_CHECK enum rc state_todo(struct client *c, int64_t object, const char *path, const void *text, size_t n, const char *expect_hash, struct err *e);
/** state_todo_run - carries out what committed transactions left to do (also those of an interrupted run). */
MUST_CHECK enum rc state_todo_run(struct client *c, struct err *e);

/* file.c */
MUST_CHECK enum rc file_read(const struct client *c, const char *path, struct buf *out, struct err *e);
/** file_read_any - a file outside the directory, as a person names it. */
MUST_CHECK enum rc file_read_any(const char *path, struct buf *out, struct err *e);
MUST_CHECK enum rc file_write(const struct client *c, const char *path, const void *p, size_t n, struct err *e);
void file_hash(const void *p, size_t n, char out[65]);
bool file_stat(const struct client *c, const char *path, int64_t *size, int64_t *mtime_ns);
char *path_join(const char *dir, const char *name);
char *full_path(const struct client *c, const char *path);
MUST_CHECK enum rc dir_make(const struct client *c, const char *path, struct err *e);
/** name_clean - a file name for a title: no separators, no control characters, at most 100 bytes. */
char *name_clean(const char *title, const char *fallback);

/* convert.c */
const char *type_extension(enum content ct);
/** object_to_text - the file of an object; mail gives NULL (its octets come from the server). */
MUST_CHECK enum rc object_to_text(enum content ct, const json_t *object, const json_t *overrides, char **text, size_t *n, struct err *e);
/** text_to_object - OVERRIDES (NULL = not wanted): the exceptions of a series, by their recurrence_date_position. */
MUST_CHECK enum rc text_to_object(enum content ct, const char *name, const void *p, size_t n, json_t **out, json_t **overrides, struct err *e);
/** object_title - what a person would call it, for the file's name. */
char *object_title(enum content ct, const json_t *object);
bool field_writable(enum content ct, const char *name);
/** mail_flags_of_name, mail_name_with_flags - the Maildir letters behind the last comma of a mail's file name. */
int64_t mail_flags_of_name(const char *name);
char *mail_name_with_flags(const char *name, int64_t flags);
/** mail_name - the same with another extension: EXT ".eml" or STUB. */
char *mail_name(const char *name, int64_t flags, const char *ext);
#define MAIL_DRAFT 4
#define MAIL_FLAGS_KEPT (1 | 4 | 8 | 32 | 256) /* answered, draft, flagged, seen, forwarded (ox-http-api.md 7.2) */

/* changes.c, scan.c */
/** object_dirty - fields that differ between file (cur) and shadow: object field -> value or null; new reference. */
json_t *object_dirty(enum content ct, const struct cobject *o);
/** object_reread - the file that says O again, if it changed since it was last looked at: sets cur of all that it says. */
MUST_CHECK enum rc object_reread(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *o, bool *missing, struct err *e);
MUST_CHECK enum rc scan_folder(struct client *c, struct cfolder *f, struct objlist *l, struct err *e);
uint64_t scan_fingerprint(struct client *c);

/* request.c, apply.c */
bool object_blind_all(const struct cobject *o);
/** object_skipped - the object with this state id was refused in this run, and the person heard of it. */
bool object_skipped(const struct client *c, int64_t id);
/** object_says_hash - stands for SAYS, a version of O (cur, asked): what was refused is known again by it. */
void object_says_hash(enum content ct, const struct cobject *o, const json_t *says, char hash[65]);
MUST_CHECK enum rc request_build(struct client *c, struct cfolder *f, const struct objlist *l, json_t **body, bool *sends, struct err *e);
MUST_CHECK enum rc reconcile_build(struct client *c, const struct cfolder *f, const struct objlist *l, json_t **body, struct err *e);
MUST_CHECK enum rc apply_answer(struct client *c, struct cfolder *f, struct objlist *l, const json_t *body, const json_t *data, struct err *e);

/* unsure.c */
/** unsure_tell - names the objects of F whose changes the server has not settled: the two sides are not known to be equal. */
MUST_CHECK enum rc unsure_tell(struct client *c, const struct cfolder *f, struct err *e);

/* output.c, besides apply_int.h */
/** write_again - the file of MASTER with what the server has, where a person took out what the server keeps. */
MUST_CHECK enum rc write_again(struct client *c, struct cfolder *f, struct objlist *l, struct cobject *master, struct err *e);

/* series.c */
/** series_next - number in L of the first exception in MASTER's file from I on; l->n = none. */
size_t series_next(const struct objlist *l, const struct cobject *master, size_t i);
/** series_master - the object in whose file O is said, or NULL.   series_of_uuid - the one with UUID that has a file. */
struct cobject *series_master(const struct objlist *l, const struct cobject *o);
struct cobject *series_of_uuid(const struct objlist *l, const char *uuid);
/** series_at - MASTER's exception for the same day as OBJECT, or NULL. */
struct cobject *series_at(const struct objlist *l, const struct cobject *master, const json_t *object);
/** series_take - what MASTER's file says of its exceptions: changed, new and deleted ones. */
MUST_CHECK enum rc series_take(struct client *c, const struct cfolder *f, struct objlist *l, struct cobject *master, const json_t *overrides, struct err *e);
/** series_request - the series and the day into ENTRY, which creates O.   series_waits - O cannot be sent before its series is known there. */
void series_request(const struct objlist *l, const struct cobject *o, json_t *entry);
bool series_waits(const struct objlist *l, const struct cobject *o);
MUST_CHECK enum rc series_overrides(enum content ct, const struct objlist *l, const struct cobject *master, bool plain, json_t **out, struct err *e);
/** series_agreed - what the file says (SAYS, NULL = as agreed) and what was agreed, to each exception of MASTER. */
void series_agreed(const struct objlist *l, const struct cobject *master, const json_t *shadows, const json_t *says);
/** series_has_new - MASTER's file says exceptions that the server does not know yet. */
bool series_has_new(const struct objlist *l, const struct cobject *master);
bool series_dirty(enum content ct, const struct objlist *l, const struct cobject *master);

/* send.c */
/** send_files - sends each file of the options as a mail; problems are named and counted. */
MUST_CHECK enum rc send_files(struct client *c, struct err *e);
/** send_octets - RAW once under the name ID; KEY of the state is emptied when it is out.  WHAT names it in messages. */
MUST_CHECK enum rc send_octets(struct client *c, const char *key, const char *id, const struct buf *raw, const char *what, struct err *e);

/* freebusy.c, respond.c, propose.c */
/** time_read - "2028-01-31" or "2028-01-31T09:30", local time, as ms; a day alone is its begin, with END that of the next day. */
bool time_read(const char *text, bool end, msec_t *out);
/** freebusy_command, respond_command - with their arguments. */
MUST_CHECK enum rc freebusy_command(struct client *c, struct err *e);
MUST_CHECK enum rc respond_command(struct client *c, struct err *e);
/** propose_mail - a mail to the organizer of O that proposes FROM to TO; goes out once for each time that is proposed. */
MUST_CHECK enum rc propose_mail(struct client *c, const struct cobject *o, const char *response, msec_t from, msec_t to, struct err *e);

/* stub.c */
#define STUB ".stub" /* behind the name of a mail of which there is only the head and the text */
bool is_stub(const char *file);
/** stub_octets - what stands in O's stub, appended to OUT. */
MUST_CHECK enum rc stub_octets(struct client *c, const struct cfolder *f, const struct cobject *o, struct buf *out, struct err *e);
/** stub_restore - writes the file of mail O again, which is not there though nobody deleted the mail. */
MUST_CHECK enum rc stub_restore(struct client *c, const struct cfolder *f, struct cobject *o, struct err *e);
/** stubs_complete - whole mails in place of F's stubs, unless it is in the mode headers. */
MUST_CHECK enum rc stubs_complete(struct client *c, const struct cfolder *f, struct err *e);
/** stubs_fetch - the same for the files that the options name. */
MUST_CHECK enum rc stubs_fetch(struct client *c, struct err *e);

/* photo.c */
/** photo_take - IN, an object of an answer, with the picture in it where the answer says that it is another one; *OUT a new reference. */
MUST_CHECK enum rc photo_take(struct client *c, const struct cfolder *f, const struct cobject *o, const json_t *in, bool whole, json_t **out, struct err *e);

/* attach.c, attach_state.c */
#define ATTACHMENTS ".attachments" /* behind the name of an object's file: the directory of its attachments */
/** One attachment that both sides have. */
struct cattach {
	int64_t id;
	char aid[UUID_TEXT];      /* the server's name of it */
	char *name;               /* of the file in the object's directory; "" = replaced by another one, to be deleted at the server */
	char hash[65];            /* of the file as agreed */
	int64_t size, mtime_ns;
};
bool is_attachments_dir(const char *name);
/** attach_sync - attachments of F's objects, both ways, after the objects themselves are equal. */
MUST_CHECK enum rc attach_sync(struct client *c, const struct cfolder *f, struct err *e);
MUST_CHECK enum rc attach_rows(struct client *c, int64_t object, struct cattach **out, size_t *n, struct err *e);
void cattach_free(struct cattach *a, size_t n);
MUST_CHECK enum rc attach_row_put(struct client *c, int64_t object, struct cattach *a, struct err *e); /* id 0 = insert */
MUST_CHECK enum rc attach_row_drop(struct client *c, int64_t id, struct err *e);
/** attach_listed - "count/newest" that the rows stand for, and the directory's name then; both mem_free; NULL = never listed. */
MUST_CHECK enum rc attach_listed(struct client *c, int64_t object, char **version, char **dir, struct err *e);
MUST_CHECK enum rc attach_listed_put(struct client *c, int64_t object, const char *version, const char *dir, struct err *e);
/** attach_extract - what is attached inside the text of F's FILE becomes files in its directory, unless they are there. */
MUST_CHECK enum rc attach_extract(struct client *c, const struct cfolder *f, const char *file, const void *text, size_t n, struct err *e);
/** attach_any - has an object of FOLDER attachments, by what the server says or by what was agreed? */
MUST_CHECK enum rc attach_any(struct client *c, int64_t folder, bool *any, struct err *e);
/** attach_void - nothing is agreed about the attachments of OBJECT any more; their files stay. */
MUST_CHECK enum rc attach_void(struct client *c, int64_t object, struct err *e);
/** attach_forget - in the transaction that drops OBJECT, whose directory is DIR: its files go as far as they are as agreed. */
MUST_CHECK enum rc attach_forget(struct client *c, const struct cfolder *f, const struct cobject *o, struct err *e);

/* folders.c */
MUST_CHECK enum rc hierarchy_sync(struct client *c, struct err *e);

/* command.c: the commands behind the options; each prints a table for people, or with --json what the server says */
bool command_known(const char *name);
/** command_run - the command of the options, which is known. */
MUST_CHECK enum rc command_run(struct client *c, struct err *e);

/* rights.c */
MUST_CHECK enum rc folders_command(struct client *c, struct err *e);
MUST_CHECK enum rc rights_command(struct client *c, struct err *e);

/* rules.c, vacation.c, signatures.c */
MUST_CHECK enum rc rules_command(struct client *c, struct err *e);
MUST_CHECK enum rc vacation_command(struct client *c, struct err *e);
MUST_CHECK enum rc signatures_command(struct client *c, struct err *e);

/* find.c */
MUST_CHECK enum rc find_command(struct client *c, struct err *e);
MUST_CHECK enum rc who_command(struct client *c, struct err *e);
/** folder_named - the uuid, and unless NULL the type of objects, of a folder named by its path in the directory, or by its uuid. */
MUST_CHECK enum rc folder_named(struct client *c, const char *name, char uuid[UUID_TEXT], enum content *ct, struct err *e);
/* conflicts.c */
/** conflicts_command - "conflicts" with its arguments; needs the state's list of folders. */
MUST_CHECK enum rc conflicts_command(struct client *c, struct err *e);

/* modes.c */
bool mode_valid(const char *option);
bool folder_is_off(const struct client *c, const struct cfolder *f);
bool folder_is_headers(const struct client *c, const struct cfolder *f);
unsigned folder_rank(const struct client *c, const struct cfolder *f);
/** modes_tell - tells the server the modes of the options, and learns what it gives of each folder. */
MUST_CHECK enum rc modes_tell(struct client *c, const struct cfolder *f, size_t n, struct err *e);

/* run.c */
MUST_CHECK enum rc run_once(struct client *c, struct err *e);
/** run_watch - until a signal comes (RC_OK); LOGIN begins the session anew when it has ended. */
MUST_CHECK enum rc run_watch(struct client *c, enum rc (*login)(struct client *c, struct err *e), struct err *e);

#endif
