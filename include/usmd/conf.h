/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * conf - the settings: one table (src/conf/settings.def) from which the parser, defaults, range checks, the dump and
 * struct conf are made.  The file is lines of `name = value`; # begins a comment line; a name may stand once.
 * Knows nothing of what a setting is for, and opens no other file than its own (secrets: conf_secret_read).
 */
#ifndef USMD_CONF_H
#define USMD_CONF_H

#include "usmd/util.h"

enum conf_kind {
	CONF_TEXT, CONF_PATH, CONF_URL, CONF_LIST, CONF_SECRET, /* char *, never NULL; LIST: words between commas and spaces */
	CONF_BOOL,  /* yes no true false on off 1 0 */
	CONF_INT,
	CONF_SIZE,  /* bytes; K M G are powers of 1024 */
	CONF_TIME,  /* milliseconds; ms s m h d w y(365 days); a number without a unit is refused (0 is not) */
	CONF_MODE,  /* octal */
	CONF_LEVEL  /* enum log_level */
};

/** Where a setting got its value: FILE NULL = its default. */
struct conf_origin {
	const char *file;
	unsigned line;
};
/** One member for each line of settings.def; its type follows from the kind. */
struct conf {
	struct arena *mem; /* owns the texts */
	struct conf_origin *origin; /* one for each row of conf_settings */
#define CONF_TYPE_TEXT const char *
#define CONF_TYPE_PATH const char *
#define CONF_TYPE_URL const char *
#define CONF_TYPE_LIST const char *
#define CONF_TYPE_SECRET const char *
#define CONF_TYPE_BOOL bool
#define CONF_TYPE_INT int64_t
#define CONF_TYPE_SIZE int64_t
#define CONF_TYPE_TIME msec_t
#define CONF_TYPE_MODE int64_t
#define CONF_TYPE_LEVEL enum log_level
#define SECTION(title)
#define SETTING(name, kind, def, min, max, reload, help) CONF_TYPE_##kind name;
#include "conf/settings.def"
#undef SETTING
#undef SECTION
};

/** A row of the table, for documentation and tests. */
struct conf_setting {
	const char *section, *name;
	enum conf_kind kind;
	const char *def;
	int64_t min, max;
	bool live; /* SIGHUP takes it */
	const char *help;
	size_t offset;
};
/** conf_settings - the whole table, *N rows in the order of the file. */
const struct conf_setting *conf_settings(size_t *n);
/** conf_range - what is allowed for S, for a person: "1 to 64", "5s to 10m, units ms s m h d w y". */
void conf_range(const struct conf_setting *s, char *out, size_t size);

/** conf_defaults - all settings at their default.  NULL = out of memory. */
struct conf *conf_defaults(void);
/**
 * conf_load - defaults, then what FILE says, then what the files conf.d/NAME.conf beside it say, in the order of their names; the last word counts.
 *
 * Errors: RC_NOTFOUND  a file cannot be read (that there is no conf.d is none)
 *         RC_PROTO     a line is wrong: e->path is "FILE:LINE", the text names the setting, its value and what is allowed;
 *                      an unknown name comes with the nearest known one
 *         RC_NOMEM     *out is NULL on every failure
 */
MUST_CHECK enum rc conf_load(const char *file, struct conf **out, struct err *e);
/** conf_problems - as conf_load, but everything that is wrong goes into OUT, a line each "FILE:LINE: text"; their number, *C the settings without those lines
 * (NULL: out of memory, or the main file cannot be read). */
MUST_CHECK size_t conf_problems(const char *file, struct conf **c, struct buf *out);
/** conf_parse - as conf_load from LEN bytes of text; NAME stands for the file in messages. */
MUST_CHECK enum rc conf_parse(const char *name, const char *text, size_t len, struct conf **out, struct err *e);
/**
 * conf_reload - read FILE again: *out has its live settings and OLD's other ones; IGNORED gets the names of those that
 * differ and wait for a restart, APPLIED those that differ and hold from now on, separated by spaces.  OLD stays valid and untouched: free it when
 * nobody reads it.   Errors as conf_load.
 */
MUST_CHECK enum rc conf_reload(const struct conf *old, const char *file, struct conf **out, struct buf *ignored, struct buf *applied, struct err *e);
void conf_free(struct conf *c);

/** conf_dump - the effective settings as a file that conf_load takes.  Passwords in pg_conninfo and URLs become ***. */
void conf_dump(const struct conf *c, struct buf *out);
/** conf_show - the same with where each value comes from: "name = value  # FILE:LINE", or "# default". */
void conf_show(const struct conf *c, struct buf *out);
/** conf_diff - settings of C that the text DUMP (of conf_dump) has otherwise: "name = value  # NAMED: other value"; their number. */
size_t conf_diff(const struct conf *c, const char *dump, const char *named, struct buf *out);
/** conf_sample - the documented sample file: every setting commented out at its default, with unit and range. */
void conf_sample(struct buf *out);

/** conf_secret_path - where the secret lies that VALUE names (as for conf_secret_read).  RC_NOTFOUND: a credential, and there are none; RC_PROTO: too long. */
MUST_CHECK enum rc conf_secret_path(const char *name, const char *value, char *path, size_t size, struct err *e);
/**
 * conf_secret_read - the first line of the secret that VALUE (a CONF_SECRET) names, without its line end, into OUT.
 * VALUE with a '/' is a file: mode 0600 or 0400, belonging to this user or root; to root any user's is right.  Without, it is a systemd credential
 * (a file of that name below $CREDENTIALS_DIRECTORY, whose protection is systemd's).  The caller wipes OUT.
 * Errors: RC_NOTFOUND, RC_FORBIDDEN (mode or owner; the text says what to do), RC_LIMIT (longer than SIZE-1).
 */
MUST_CHECK enum rc conf_secret_read(const char *name, const char *value, char *out, size_t size, struct err *e);

#endif
