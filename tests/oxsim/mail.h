/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mail: what the files of the mail module share. */
#ifndef OXSIM_MAIL_H
#define OXSIM_MAIL_H

#include <gmime/gmime.h>

#include "oxsim/sim.h"

GMimeMessage *mime_parse(const char *p, size_t n);
size_t mime_header_len(const char *p, size_t n);

/* the mail folder of a parameter; NULL with the error set */
struct mbox *mbox_of(struct req *r, const char *folder);
void no_mailbox(struct req *r, const char *path);
/* the mail of id in mb or NULL without an error */
struct mail *mail_of(const struct mbox *mb, const char *id);
void put_mail_ref(struct req *r, const struct mbox *mb, uint32_t uid);
void put_mail_object(struct req *r, struct mbox *mb, struct mail *m, const char *view);

#endif
