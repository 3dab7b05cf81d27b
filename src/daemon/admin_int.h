/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the commands of usmctl that look at or change what is stored have in common: options, the opened database, output, the record of it. */
#ifndef USMD_ADMIN_INT_H
#define USMD_ADMIN_INT_H

#include "daemon/daemon_int.h"
#include "usmd/engine.h"

struct admin {
	/* options */
	const char *command;     /* argv[0], and the word behind it */
	const char *config;
	const char *device, *folder, *type, *session, *object, *id, *client_id, *title, *word;
	int64_t context, user;   /* 0 = not given */
	bool json, apply, end, retry, skip, dry_run;
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
	NEED_DEVICE = 1,  /* --device must be given */
	NEED_USER = 2,    /* --user must be given */
	NEED_EITHER = 4,  /* one of them */
	NEED_ENGINE = 8,  /* keys, settings and cache, too */
	TAKES_WORD = 16   /* an argument before the options */
};

/** admin_begin - options of ARGV (argv[0] is the command) and what NEED says opened; -1 to go on, else the exit code.  admin_end in any case. */
int admin_begin(int argc, char **argv, unsigned need, struct admin *x);
/** admin_end - closes all; the exit code for RC, whose message is printed. */
int admin_end(struct admin *x, enum rc rc, const struct err *e);
/** admin_print - T as a table, or with --json as an array of objects. */
MUST_CHECK enum rc admin_print(const struct admin *x, const struct store_table *t, struct err *e);
/** admin_act - store_act on X's account and device; --dry-run: only counted.  Forgets what the cache knows, prints what was done: "N NOUN". */
MUST_CHECK enum rc admin_act(struct admin *x, enum store_act what, const struct store_subject *s, const char *noun, struct err *e);

#endif
