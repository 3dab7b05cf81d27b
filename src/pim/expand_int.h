/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A recurrence as numbers, for the expansion and for what names an occurrence by its day. */
#ifndef PIM_EXPAND_INT_H
#define PIM_EXPAND_INT_H

#include "ical_int.h"

struct pim_rule {
	struct ical_series series;
	int type, days, day_in_month, month;	/* OX's; month 1 to 12 */
	int64_t interval, count, last;		/* last: day number, inclusive */
	int64_t first, time_s, local_s;		/* the start on its wall clock: day number, seconds of the day, both together */
	int64_t skip;				/* periods to leave out at the beginning; positions then count from there */
};

/* The recurrence members of O; false if they are no pattern that OX has. */
bool pim_rule_read(const json_t *o, const struct ical_series *s, struct pim_rule *r);
/* One occurrence: its number from 1, seconds of its wall clock, its instant; false: no more. */
typedef bool (*pim_rule_cb)(void *arg, unsigned position, int64_t local_s, int64_t start_ms);
/* The start of the first occurrence on the UTC day DAY_MS, which is how OX names it (Appointment2Event.getRecurrenceID); false: none. */
bool pim_rule_at(const struct pim_rule *r, int64_t day_ms, int64_t *local_s, int64_t *start_ms);

#endif
