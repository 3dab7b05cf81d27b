/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Appointments: what the calendar files (and chronos) share. */
#ifndef OXSIM_CAL_H
#define OXSIM_CAL_H

#include "oxsim/sim.h"

enum { CF_UID, CF_TITLE, CF_PRIVATE, CF_FULL, CF_SHOWN, CF_START, CF_END, CF_ZONE, CF_RTYPE, CF_DAYS,
    CF_DIM, CF_MONTH, CF_INTERVAL, CF_UNTIL, CF_OCC, CF_COUNT };

/* field indexes, filled on first use */
const int *cal_f(void);
#define CF(x) (cal_f()[x])

struct rule_spec cal_spec(const struct obj *o);
bool cal_full(const struct obj *o);
bool cal_is_master(const struct obj *o);
int64_t cal_start(const struct obj *o);
int64_t cal_end(const struct obj *o);
const struct tz *cal_zone(const struct obj *o);
/* address and name of the organizer (organizer -1: somebody outside); to be freed */
char *cal_organizer_mail(const struct ctx *c, const struct obj *o);
char *cal_organizer_name(const struct ctx *c, const struct obj *o);
/* occurrences starting at or before `until`; all: with the exceptions' places. To be freed */
int cal_occurrences(const struct obj *o, int64_t until, int max, bool all, struct occ **out);
/* by position or by original day; false: there is none */
bool cal_occ_find(const struct obj *o, int pos, int64_t rdate, struct occ *out);
bool cal_day_in(const int64_t *v, int n, int64_t day);
void cal_day_add(int64_t **v, int *n, int64_t day);
void cal_day_del(int64_t *v, int *n, int64_t day);
/* the recurrence pattern of a legacy request, which is completed; false with the error set */
bool cal_pattern(struct req *r, json_t *fields, bool create);
bool cal_veiled(const struct req *r, const struct obj *o);
bool cal_readable(const struct req *r, const struct ent *e);

/* the calendar of an id; any: no read permission needed. NULL with the error set */
struct folder *cal_folder(struct req *r, const char *id, bool any);
/* the appointment in it or NULL with OX-0001 */
struct ent *cal_of(struct req *r, int64_t id, struct folder *f);
bool cal_apply(struct req *r, struct obj *o, const struct folder *f, json_t *fields, bool create);
/* finishes a new object that passed cal_apply: id, uid, places */
/* 1 reserved, 2 temporary, 3 absent, 4 free: as free and busy has it */
int cal_shown(const struct obj *o);
void cal_store(struct req *r, struct obj *o, struct folder *f, int64_t stamp);
/* a new change exception of master m at an occurrence, still like the master */
struct obj *cal_exception(struct req *r, struct obj *m, const struct occ *at, int64_t stamp);
struct obj *cal_exception_at(const struct ctx *c, const struct obj *m, int64_t rdate);
struct folder *cal_home(const struct obj *o);
/* writes {"conflicts":[..]}, in the form of the module that asks, and answers true when there are any */
bool cal_conflicts(struct req *r, const struct obj *o, bool ignore_soft);
struct clash { struct obj *o; struct occ at; bool hard; };
int cal_clashes(struct req *r, const struct obj *o, bool ignore_soft, struct clash *hits, int max);
bool cal_has_resource(const struct obj *o, int id);
/* deletes an appointment or one occurrence (rdate != 0) as the user sees it */
bool cal_remove(struct req *r, struct ent *e, const struct occ *at, int64_t *stamp);

/* one checked change of o; also: the master of an exception, touched with it. 0: refused */
int64_t cal_change(struct req *r, struct obj *o, struct folder *f, json_t *body, struct obj *also);
/* false with the error set: what the server does not move */
bool cal_may_move(struct req *r, const struct ent *e, const struct folder *dest);
/* into another calendar; e is gone after it */
void cal_move(struct req *r, struct ent *e, struct folder *dest, int64_t stamp);
/* NOW takes the place of WAS: of its exceptions those stay that are occurrences of it, their days move with its start */
void cal_fit_exceptions(struct req *r, const struct obj *was, struct obj *now, int64_t stamp);

struct crow { struct ent *e; struct occ occ; bool on; };
struct crows { struct crow *v; size_t n, cap; };
void crows_add(struct crows *w, struct ent *e, const struct occ *occ);
void crow_begin(struct req *r, const struct crow *c);

#endif
