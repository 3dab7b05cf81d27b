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
/* the label that is shown: that of a flagged mail without one is 1 */
int mail_color(const struct mail *m);
/* one cell of a row; 0 is no column */
void mail_put_col(struct req *r, const struct mbox *mb, struct mail *m, int col);
/* by sort= and order= of the request, else by column def */
void mail_sort(const struct req *r, struct mail **v, size_t n, int def);

/* --- mailcache.c ---------------------------------------------------------- */

/* `all` has answered the N mails V of MB */
void mailcache_all(struct user *u, const struct mbox *mb, struct mail *const *v, size_t n);
/* mails were put into MB */
void mailcache_drop(struct user *u, const struct mbox *mb);
bool mailcache_has(const struct user *u, const struct mail *m);
/* `list` has read M in MB */
void mailcache_listed(struct user *u, const struct mbox *mb, struct mail *m);

/* --- mailview.c ---------------------------------------------------------- */

struct mpart;

/* the members "attachments" and "nested_msgs" of OUT from the parts of a message */
void mailview_parts(struct req *r, json_t *out, const struct mpart *p, const char *folder,
    const char *id, const char *view);
/* addresses, subject, priority, date and headers of the message p */
void mailview_head(struct req *r, json_t *out, const char *p, size_t n);
/* text as HTML: entities and line breaks; to be freed */
char *mailview_html(const char *text);

/* --- mailget.c ----------------------------------------------------------- */

/* the message folder=/id= (or message_id=); NULL with the error set */
struct mail *mail_asked(struct req *r, struct mbox **mb);
/* Content-Disposition with the name in both forms */
void mail_disposition(struct req *r, const char *how, const char *name);

#endif
