/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the server tells by itself: events.c collects what a request changed, udp.c and webhook.c send it, each with a thread of its own. */
#ifndef OXSIM_PUSH_H
#define OXSIM_PUSH_H

#include "oxsim/sim.h"

/* module numbers of events */
enum { EV_CALENDAR = 1, EV_TASK = 4, EV_CONTACT = 7, EV_MAIL = 19, EV_FOLDER = 20 };

/* udp.c: USERS as in the packet, "3,4" */
void udp_event(int ctx, int module, int folder, const char *users, int64_t stamp);
/* one of these users may be registered as a client of his own */
void udp_restart(void);
void udp_control(struct req *r);
bool udp_on(void);

/* webhook.c */
void hook_calendar(int ctx, int user, const char *mail, int folder);
/* PAYLOAD of one mail, taken */
void hook_mail(int ctx, int user, const char *mail, json_t *payload);
bool hook_listens(int ctx, int user);
void hook_control(struct req *r);

#endif
