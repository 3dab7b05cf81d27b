/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Contacts: what contact.c offers to contactio.c. */
#ifndef OXSIM_CONTACT_H
#define OXSIM_CONTACT_H

#include "oxsim/sim.h"

/* applies the members to o; create: the uid may be set */
bool contact_apply(struct req *r, struct obj *o, json_t *fields, bool create);
/* private contact of somebody else */
bool contact_hidden(const struct req *r, const struct obj *o);

/* the folder of an id; read: with the right to read. NULL with the error set */
struct folder *contact_folder(struct req *r, const char *id, bool read);
bool contact_readable(const struct req *r, const struct ent *e);
struct ent *contact_of(struct req *r, const char *id, struct folder *f);
/* left_hand_limit, right_hand_limit */
void contact_limits(const struct req *r, size_t n, size_t *from, size_t *to);
void contact_rows(struct req *r, const struct cols *c, struct ent **v, size_t n);

#endif
