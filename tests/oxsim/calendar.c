/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "oxsim/sim.h"
bool cal_virt(struct req *r, const struct ent *e, const struct fld *f, bool row) { (void)r;(void)e;(void)f;(void)row; return false; }
struct obj *cal_insert(struct req *r, struct folder *f, json_t *o) { (void)f;(void)o; fail(r,"CAL-4031",NULL); return NULL; }
