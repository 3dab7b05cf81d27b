/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One answer while it is applied: shared by apply.c (what it means) and output.c (what becomes of the files). */
#ifndef USMD_CLIENT_APPLY_INT_H
#define USMD_CLIENT_APPLY_INT_H

#include "client/client_int.h"

struct apply {
	struct client *c;
	struct cfolder *f;
	struct objlist *l;
	const json_t *body, *data;
	size_t held;          /* deletions that the server asks about */
};

/* output.c */
char *object_path(const struct apply *a, const struct cobject *o);
/** file_as_seen - hash of O's file as this run knows it: an answer replaces exactly this, never what a person wrote since. */
const char *file_as_seen(const struct cobject *o);
/** file_name - a name for O, which holds IN, that nothing in the folder has. */
MUST_CHECK enum rc file_name(const struct apply *a, struct cobject *o, const json_t *in, struct err *e);
/** write_later - O's file after this answer: the server's object with what is DIRTY here laid over it, and the same of its exceptions. */
MUST_CHECK enum rc write_later(struct apply *a, struct cobject *o, const json_t *dirty, struct err *e);
MUST_CHECK enum rc write_mail(struct apply *a, struct cobject *o, const json_t *dirty, bool fetch, struct err *e);
/** gather - the exceptions of MASTER, which has just come, move from files of their own into its file. */
MUST_CHECK enum rc gather(struct apply *a, struct cobject *master, struct err *e);
/** write_files - those that the answer marked (rewrite), and own ones for exceptions whose series left. */
MUST_CHECK enum rc write_files(struct apply *a, struct err *e);

#endif
