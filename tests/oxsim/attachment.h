/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Actions of module attachment. */
#ifndef OXSIM_ATTACHMENT_H
#define OXSIM_ATTACHMENT_H

struct req;

void attachment_all(struct req *r);
void attachment_get(struct req *r);
void attachment_list(struct req *r);
void attachment_updates(struct req *r);
void attachment_document(struct req *r);
void attachment_attach(struct req *r);
void attachment_detach(struct req *r);

#endif
