/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Events: the appointments of the store in the form of the chronos module. */
#ifndef OXSIM_CHRONOS_H
#define OXSIM_CHRONOS_H

#include "oxsim/cal.h"

/* fields= as a set; NULL: all */
void event_put(struct req *r, const struct ent *e, const struct occ *occ, gchar **fields);
void event_put_conflict(struct req *r, const struct clash *c);
void event_put_user(struct req *r, const struct user *u);
/* "20261202T100000" with zone, UTC or day; local: wall clock ms. false with the error set */
bool event_time(struct req *r, const json_t *v, int64_t *utc, bool *full, const char **zone);
bool event_stamp(const char *s, int64_t *utc, bool *day, bool *z);
/* an event as legacy fields; NULL with the error set */
json_t *event_fields(struct req *r, const json_t *ev, bool create);
/* what only events have, after cal_apply */
bool event_extra(struct req *r, struct obj *o, const struct folder *f, const json_t *ev, bool create);
char *event_rrule(const struct obj *o);

#endif
