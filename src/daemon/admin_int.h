/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the commands of usmctl have in common: options, what they open, output for people and for scripts, the record of what was changed. */
#ifndef USMD_ADMIN_INT_H
#define USMD_ADMIN_INT_H

#include "daemon/daemon_int.h"
#include "usmd/engine.h"
#include "usmd/store.h"

struct command;

struct admin {
	const struct command *row;
	/* options; NULL, false, 0 = not given */
	const char *command;     /* for the record: the command, and the word behind it where that says what is done */
	const char *config;
	const char *device, *folder, *type, *session, *object, *id, *client_id, *title, *since, *period, *side, *data, *sql, *what;
	char *const *word;       /* arguments that are no options */
	size_t n_words;
	int64_t context, user;
	bool json, dry_run, apply, end, retry, skip, running, plain, off, list, remove, release, refuse;
	/* opened */
	struct conf *c;
	struct store *s;
	struct store_conn *conn;
	struct arena *a;
	struct cache *cache;
	struct engine *g;
	int64_t account_id, device_id; /* 0 = all */
	char target[200];        /* of the record */
};

enum {
	NEED_DEVICE = 1,   /* --device must be given */
	NEED_USER = 2,     /* --user must be given */
	NEED_EITHER = 4,   /* one of them */
	NEED_STORE = 8,    /* the database, and in it the user and the device that are named */
	NEED_ENGINE = 16 | NEED_STORE, /* keys, settings and cache, too */
	KNOWN_OR_NOT = 32  /* a user of whom the database has nothing is no error: account_id is 0 */
};

/** A command of usmctl, a row of the table in usmctl.c. */
struct command {
	const char *name, *args, *help;
	/* letters of the options that it takes, as admin.c has them, besides --config and --json; 'N': it changes something, and --dry-run says what */
	const char *takes;
	unsigned words;          /* arguments that are no options, at most */
	int (*run)(struct admin *x); /* the exit code */
};

/** admin_options - ARGV (argv[0] is the command) as C takes it; -1 to go on, else the exit code. */
int admin_options(const struct command *c, int argc, char **argv, struct admin *x);
/** admin_option_names - the options that C takes, "--json" among them, as a JSON array. */
void admin_option_names(const struct command *c, struct buf *out);
/** admin_begin - the settings and what NEED says, opened; -1 to go on, else the exit code.  admin_end follows only after -1. */
int admin_begin(unsigned need, struct admin *x);
/** admin_open_store - the same for a command that finds out late that it needs the database. */
MUST_CHECK enum rc admin_open_store(struct admin *x, struct err *e);
/** admin_end - closes all; the exit code for RC, whose message is printed. */
int admin_end(struct admin *x, enum rc rc, const struct err *e);
/** admin_usage - how X's command is used, to stderr; EXIT_USAGE. */
int admin_usage(const struct admin *x);
/** admin_print - T as a table, or with --json as an array of objects. */
MUST_CHECK enum rc admin_print(const struct admin *x, const struct store_table *t, struct err *e);
/** admin_put - B, text for people or JSON, to stdout; frees it.  RC_NOMEM. */
MUST_CHECK enum rc admin_put(struct buf *b, struct err *e);
/** admin_word - is the Ith argument W? */
bool admin_word(const struct admin *x, size_t i, const char *w);
/** admin_about - adds " NAME=VALUE" to what the record says it was about. */
void admin_about(struct admin *x, const char *name, const char *value);
/**
 * admin_change - what X's command changes: CHANGE, *n how many, in one transaction with the record of it.  --dry-run: CHANGE runs and is rolled back, so what
 * it does outside of the database it leaves when X->dry_run is set.
 */
MUST_CHECK enum rc admin_change(struct admin *x, store_change change, void *arg, size_t *n, struct err *e);
/** admin_done - says that N NOUN were changed, or would be. */
void admin_done(const struct admin *x, size_t n, const char *noun);
/** admin_act - store_act on X's account and device; --dry-run: only counted.  Forgets what the cache knows; admin_done. */
MUST_CHECK enum rc admin_act(struct admin *x, enum store_act what, const struct store_subject *s, const char *noun, struct err *e);

#endif
