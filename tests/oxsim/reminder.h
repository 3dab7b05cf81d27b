/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Actions of module reminder. */
#ifndef OXSIM_REMINDER_H
#define OXSIM_REMINDER_H

struct req;

void reminder_range(struct req *r);
void reminder_updates(struct req *r);
void reminder_delete(struct req *r);
void reminder_again(struct req *r);

#endif
