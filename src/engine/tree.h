/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions about one folder of the hierarchy that the operation has read, and names of users and groups. */
#ifndef USMD_ENGINE_TREE_H
#define USMD_ENGINE_TREE_H

#include "engine/engine_int.h"

/* tree.c: after hierarchy_load */
const struct object *tree_find(const struct op *op, const char *oxid);
int64_t tree_own_rights(const struct object *f);
/** tree_item - parent, owner and names of a folder that goes to a client. */
MUST_CHECK enum rc tree_item(struct op *op, struct answer_item *it, struct err *e);
/** tree_may_hold - can a folder of CT lie below PARENT?  tree_may_change - may CC be tried on folder ID (PARENT: OX id of the new one, or NULL)?  RC_PROTO. */
MUST_CHECK enum rc tree_may_hold(const struct op *op, const char *parent, enum content ct, struct err *e);
MUST_CHECK enum rc tree_may_change(struct op *op, const struct client_change *cc, int64_t id, const char *parent, struct err *e);
/** tree_namesake - the folder TITLE below PARENT, or NULL: OX allows no second one, so this is how a lost create is found. */
const struct object *tree_namesake(const struct op *op, const char *parent, const char *title);
/** tree_titled - the same by the title's fingerprint. */
const struct object *tree_titled(const struct op *op, const char *parent, uint64_t title);

/* principal.c */
struct principals;
MUST_CHECK enum rc principals_new(struct principals **out, struct err *e);
void principals_free(struct principals *p);
/** principal_name - what OX calls a user or group, in A; its number where OX does not know it.  Blocking: a request to OX, remembered for a while. */
MUST_CHECK enum rc principal_name(struct engine_session *s, struct arena *a, int64_t id, bool group, const char **name, struct err *e);

#endif
