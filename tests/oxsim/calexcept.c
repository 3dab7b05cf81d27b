/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What becomes of the exceptions of a series of appointments when its rule or its times change.  The server keeps those whose day is an
 * occurrence still; their days move along with the start (seen on the server: +1 hour, +1 day, another interval, fewer occurrences).
 */
#include <stdlib.h>

#include "oxsim/cal.h"

static int64_t
wall_clock(const struct obj *o, int64_t utc)
{
	return cal_full(o) ? utc : utc + tz_offset(cal_zone(o), utc);
}

/* The occurrence of WAS at DAY as NOW has it: moved by as much as the start was.  False: it is none any more. */
static bool
follow(const struct obj *was, const struct obj *now, int64_t day, struct occ *at)
{
	struct occ old;
	int64_t local;

	if (obj_int(now, CF(CF_RTYPE), 0) == 0 || !cal_occ_find(was, 0, day, &old))
		return false;
	local = wall_clock(was, old.start) + wall_clock(now, cal_start(now)) - wall_clock(was, cal_start(was));
	if (!cal_full(now))
		local = tz_to_utc(cal_zone(now), local);
	return cal_occ_find(now, 0, local - (local % DAY_MS + DAY_MS) % DAY_MS, at);
}

static bool
same_days(const struct obj *a, const struct obj *b)
{
	struct rule_spec x = cal_spec(a), y = cal_spec(b);

	return x.type == y.type && x.interval == y.interval && x.days == y.days && x.month == y.month && x.day_in_month == y.day_in_month &&
	    x.until == y.until && x.occurrences == y.occurrences && cal_start(a) == cal_start(b) && cal_full(a) == cal_full(b) &&
	    cal_zone(a) == cal_zone(b);
}

void
cal_fit_exceptions(struct req *r, const struct obj *was, struct obj *now, int64_t stamp)
{
	struct obj **x = xcalloc((size_t)was->nchg + 1, sizeof(struct obj *));
	struct occ at;
	int i;

	if (!cal_is_master(was) || same_days(was, now)) {
		free(x);
		return;
	}
	now->nchg = now->ndel = 0;
	for (i = 0; i < was->ndel; i++)
		if (follow(was, now, was->del[i], &at))
			cal_day_add(&now->del, &now->ndel, at.rdate);
	for (i = 0; i < was->nchg; i++)
		x[i] = cal_exception_at(r->c, was, was->chg[i]);
	for (i = 0; i < was->nchg; i++) {
		bool stays = follow(was, now, was->chg[i], &at);

		if (stays)
			cal_day_add(&now->chg, &now->nchg, at.rdate);
		if (x[i] == NULL)
			continue;
		if (!stays) {
			obj_drop(r->c, x[i], stamp);
			continue;
		}
		x[i]->rpos = at.pos; /* the server counts when it is asked: no change of the object */
		if (x[i]->rdate != at.rdate) {
			x[i]->rdate = at.rdate;
			(void)obj_touch(r->c, x[i], r->u->id, stamp);
		}
	}
	free(x);
}
