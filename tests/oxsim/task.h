/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tasks: what task.c offers to taskio.c. */
#ifndef OXSIM_TASK_H
#define OXSIM_TASK_H

#include "oxsim/sim.h"

bool task_apply(struct req *r, struct obj *o, const struct folder *f, json_t *fields, bool create);
bool task_hidden(const struct req *r, const struct obj *o);
void task_next(struct req *r, struct obj *o, struct folder *f);

/* the end of a recurrence in a request, which is completed; false with the error set */
bool task_pattern(struct req *r, json_t *fields);

#endif
