/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mail: what pim.c and the mail files share. */
#ifndef PIM_MIME_INT_H
#define PIM_MIME_INT_H

#include "pim_int.h"

enum pim_rc pim_mail_read(struct pim_ctx *c, const void *octets, size_t len, json_t **object);

/* html.c: readable text of a HTML body */
void pim_html_to_text(struct pim_buf *out, const char *html);

/* mbox.c: the next message from *AT on, mbox quoting undone if there is any (then *OWNED).
 * False at the end. */
bool pim_mbox_is(const char *s, size_t n);
bool pim_mbox_next(const char *s, size_t n, size_t *at, const char **msg, size_t *msg_len, struct pim_buf *owned);

#endif
