/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A folder as one user sees it under one kind of id.
 */
#ifndef OXSIM_FOLDER_H
#define OXSIM_FOLDER_H

#include "oxsim/sim.h"

enum fkind {
	FK_PLAIN,	/* "31" */
	FK_CAL,		/* "cal://0/31" */
	FK_CON,		/* "con://0/32" */
	FK_OWNER,	/* "u:3": the node of one owner below 3 */
	FK_ROOT,	/* "0" */
	FK_MAILROOT,	/* "default0" */
	FK_MAIL		/* "default0/INBOX" */
};

struct fref {
	enum fkind k;
	struct folder *f;
	int owner;
	struct mbox *mb;
	int under;		/* listed below this system folder whatever its parent is, 0: no */
};

/* the folder of an id; false with the error set */
bool fref_get(struct req *r, const char *id, struct fref *x);
void fref_row(struct req *r, const struct fref *x, const int *cols, int n);
void fref_object(struct req *r, const struct fref *x);
int64_t fref_lm(const struct fref *x);
bool folder_shared(const struct req *r, const struct folder *f);
bool folder_subscribed(const struct folder *f, int user);
/* columns= of the folders module; -1 with the error set */
int folder_cols(struct req *r, int *cols, int max);
int subfolders(const struct req *r, const struct fref *x, struct fref *out, int max, bool composite);
const char *mod_name(enum mod m);
bool mod_by_name(const char *name, enum mod *m, bool *event);

/* foldermail.c */
void mail_folder_new(struct req *r, const struct fref *parent, const json_t *o);
void mail_folder_update(struct req *r, const struct fref *x, const json_t *o);

#endif
