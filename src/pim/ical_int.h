/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the iCalendar files share: zones, times, series, people. */
#ifndef PIM_ICAL_INT_H
#define PIM_ICAL_INT_H

#include "line_int.h"

/* --- zones (ical_zone.c) ----------------------------------------------------- */

struct pim_zone {
	const char *tzid;	/* as the file calls it */
	char olson[64];		/* "" if no zone of the database is like it */
	void *tz;		/* icaltimezone; NULL = UTC */
	void *own;		/* icaltimezone to free, if it came from a VTIMEZONE */
	struct pim_zone *next;
};

struct pim_zones {
	struct pim_mem *mem;
	const struct pim_comp *cal;	/* where VTIMEZONEs are looked for */
	struct pim_zone *list;
	size_t len;
	struct pim_ctx *c;
};

void pim_zones_fini(struct pim_zones *zs);
/* A zone of the database in caller's storage; false if there is none of that name. */
bool pim_zone_builtin(struct pim_zone *z, const char *olson);
int pim_zone_offset_local(const struct pim_zone *z, int64_t local_s);	/* seconds east of UTC */
int pim_zone_offset_utc(const struct pim_zone *z, int64_t utc_s);
void pim_zone_put(struct pim_buf *out, const struct pim_zone *z);	/* its VTIMEZONE */

/* --- times -------------------------------------------------------------------- */

struct pim_when {
	int64_t ms;		/* the instant; UTC midnight of the day for dates */
	int64_t local_s;	/* wall clock as seconds since 1970 */
	bool date, utc;		/* VALUE=DATE; written with Z */
	const struct pim_zone *zone;	/* NULL for dates and UTC */
};

struct ical_ctx {
	struct pim_ctx *c;
	struct pim_zones *zones;
	const struct pim_zone *floating;	/* zone of floating times; NULL = UTC */
};

/* One DATE or DATE-TIME of line L (VALUE: its text or one item of its list). */
enum pim_rc ical_when(struct ical_ctx *x, const struct pim_line *l, const char *value, struct pim_when *w);
bool ical_duration(const char *s, int64_t *seconds);
/* PROP[;VALUE=DATE|;TZID=]: one time; z NULL = UTC */
void ical_put_when(struct pim_buf *out, const char *prop, int64_t ms, bool date, const struct pim_zone *z);
/* PROP;TZID=: a time of the wall clock, also one that the zone leaves out */
void ical_put_local(struct pim_buf *out, const char *prop, int64_t local_s, const struct pim_zone *z);
void ical_when_text(struct pim_buf *b, int64_t ms, bool date, const struct pim_zone *z);

/* --- series (ical_recur.c) ------------------------------------------------------ */

struct ical_series {
	bool full_time;
	int64_t start_ms;
	const struct pim_zone *zone;	/* NULL = UTC */
	const json_t *object;		/* with the recurrence members; NULL while it is being read */
};

/* RRULE to the OX recurrence members; PIM_REFUSED with the reason if OX cannot hold it. */
enum pim_rc ical_recur_parse(struct ical_ctx *x, const char *rule, const struct ical_series *s, json_t *o);
/* The RRULE of an OX object into B; nothing if it does not recur. */
enum pim_rc ical_recur_format(struct pim_ctx *c, const json_t *o, const struct ical_series *s, struct pim_buf *b);
/* OX names an occurrence by the UTC day of its start.  PROP: that occurrence, as the rule makes it. */
void ical_put_occurrence(struct pim_buf *out, const char *prop, const struct ical_series *s, int64_t day_ms);
int64_t ical_day_of_occurrence(const struct pim_when *w);

/* --- people (ical_people.c) ------------------------------------------------------- */

enum pim_rc ical_people_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o);
enum pim_rc ical_people_format(struct pim_ctx *c, const json_t *o, struct pim_buf *out);

/* --- what VEVENT and VTODO have in common (ical.c) ----------------------------------- */

struct ical_text {
	const char *field, *prop;
	size_t max;
};
enum pim_rc ical_texts_parse(struct ical_ctx *x, struct pim_comp *k, const struct ical_text *t, json_t *o);
enum pim_rc ical_texts_format(struct pim_ctx *c, const json_t *o, const struct ical_text *t, struct pim_buf *out);
enum pim_rc ical_common_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o);
enum pim_rc ical_common_format(struct pim_ctx *c, const json_t *o, const char *uid, struct pim_buf *out);
enum pim_rc ical_int_parse(struct ical_ctx *x, struct pim_comp *k, const char *field, const char *prop,
                           int64_t min, int64_t max, json_t *o);
enum pim_rc ical_int_format(struct pim_ctx *c, const json_t *o, const char *field, const char *prop, struct pim_buf *out);
void ical_report_rest(struct ical_ctx *x, const struct pim_comp *k);
struct pim_line *ical_line(const struct pim_comp *k, const char *name);	/* marks it used */

/* A component with its overrides, as pim.c and the single calls find them. */
struct ical_group {
	struct pim_comp *master;
	struct pim_comp **overrides;
	size_t overrides_len;
	struct pim_zones *zones;
};
enum pim_rc ical_event_parse(struct pim_ctx *c, const struct ical_group *g, json_t **object, json_t **exceptions);
enum pim_rc ical_task_parse(struct pim_ctx *c, const struct ical_group *g, json_t **object);

/* Deliver every VEVENT/VTODO below ROOT.  WANT: NULL = all, else only "VEVENT" or "VTODO", and
 * only the first.  CB gets kind, object and exceptions (borrowed). */
typedef enum pim_rc (*ical_cb)(void *arg, struct pim_ctx *c, enum pim_kind kind, json_t *o, json_t *exceptions);
enum pim_rc ical_each(struct pim_ctx *c, struct pim_mem *mem, struct pim_comp *root, const char *want,
                      ical_cb cb, void *arg);

#endif
