/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One answer while it is applied: shared by apply.c and results.c (what it means), twin.c and output.c (what becomes of the files). */
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

/* apply.c */
struct cobject *find_uuid(const struct apply *a, const char *uuid);
/** find_client_id - the object of this client that was not answered before. */
struct cobject *find_client_id(const struct apply *a, const char *id);
/** in_created - the answer brings UUID whole. */
bool in_created(const struct apply *a, const char *uuid);
/** look_again - what O's file says now into cur; false = it is not there. */
bool look_again(struct apply *a, struct cobject *o);
/** edited_since - does O's file say something else than the request did? */
bool edited_since(struct apply *a, struct cobject *o);
/** forget - O leaves the state; its file follows unless it was edited since. */
MUST_CHECK enum rc forget(struct apply *a, struct cobject *o, bool remove_file, struct err *e);
/** make_new - O is a new object from now on, under CLIENT_ID (NULL = one of its own): what was agreed about it is void. */
MUST_CHECK enum rc make_new(struct apply *a, struct cobject *o, const char *client_id, struct err *e);

/* results.c */
MUST_CHECK enum rc apply_result(struct apply *a, const json_t *result, struct err *e);

/* twin.c */
#define STORED_ANEW "raw" /* in the base of a draft whose octets this device replaced */
/** take_uuid - O, which the server has stored, is UUID.  *TAKEN false: its twin is that, and O has left or is a new object. */
MUST_CHECK enum rc take_uuid(struct apply *a, struct cobject *o, const char *uuid, bool *taken, struct err *e);

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
