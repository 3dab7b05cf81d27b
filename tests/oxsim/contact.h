/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Contacts: what contact.c offers to contactio.c. */
#ifndef OXSIM_CONTACT_H
#define OXSIM_CONTACT_H

#include "oxsim/sim.h"

/* applies the members to o; create: the uid may be set */
bool contact_apply(struct req *r, struct obj *o, json_t *fields, bool create);
/* private contact of somebody else */
bool contact_hidden(const struct req *r, const struct obj *o);

#endif
