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
/* an event as legacy fields; o: what it changes or NULL; NULL with the error set */
json_t *event_fields(struct req *r, const json_t *ev, const struct obj *o);
/* what only events have, after cal_apply */
bool event_extra(struct req *r, struct obj *o, const struct folder *f, const json_t *ev, bool create);
char *event_rrule(const struct obj *o);
/* the colour of a legacy label, NULL of 0; and back, 0 of what is none of them */
const char *event_color(int label);
int event_color_label(const char *color);

bool event_conflicts(struct req *r, const struct obj *o, bool soft);

/* chronosio.c: the calendar of "cal://0/31" and the event in it; NULL with the error set */
struct folder *event_folder(struct req *r, const char *id);
struct folder *event_folder_arg(struct req *r);
struct ent *event_by_id(struct req *r, const char *id, struct folder *f);
/* the occurrence of a recurrence id in any of its forms; false with the error set */
bool event_occurrence(struct req *r, const struct obj *o, const char *rid, struct occ *at);
/* fields= or NULL for all; g_strfreev it */
gchar **event_wanted(const struct req *r);
/* rangeStart, rangeEnd: both, or none when not required */
bool event_range(struct req *r, bool required, int64_t *from, int64_t *to);
void events_add(struct crows *w, struct ent *e, int64_t from, int64_t to, bool expand);
int events_by_id(const void *a, const void *b);
void events_put(struct req *r, const struct crows *w, gchar **fields, int64_t *ts);

#endif
