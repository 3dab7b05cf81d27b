/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Inside the backend: appointments by OX's `chronos` module.  The mapping is pure - zones and times (chronos_zone.c), rules
 * (chronos_rule.c), event to appointment (chronos_event.c), appointment to event (chronos_body.c, chronos_people.c) - and the
 * calls (chronos_read.c, chronos_write.c, chronos_occurrence.c) do nothing else than to send and to choose.
 *
 * The mapping is that of OX's own legacy module on top of chronos, so that an appointment is the same object, with the
 * same fingerprints, by whichever module it is read.
 */
#ifndef USMD_BACKEND_CHRONOS_INT_H
#define USMD_BACKEND_CHRONOS_INT_H

#include "backend/backend_int.h"

/* ---- chronos_zone.c: threads: any; no function here blocks ---- */

/** zone_known - NAME (may be NULL) is in the time zone database. */
bool zone_known(const char *name);
/** zone_to_utc, zone_to_local - wall clock of zone NAME (NULL = UTC; else known) as UTC and back, ms.  As Java does it: the second
 * one of a time that comes twice; a time that is skipped moves on by the gap. */
int64_t zone_to_utc(const char *name, int64_t local);
int64_t zone_to_local(const char *name, int64_t utc);
/** day_floor - 00:00 of the day that T lies in. */
int64_t day_floor(int64_t t);

enum stamp_kind { STAMP_DAY, STAMP_LOCAL, STAMP_UTC };
/** stamp_parse - "20261202", "20261202T100000", "20261202T100000Z" as ms of its own clock. */
bool stamp_parse(const char *s, int64_t *ms, enum stamp_kind *kind);
/** stamp_format - the reverse; of the years 1 to 9999. */
void stamp_format(int64_t ms, enum stamp_kind kind, char out[20]);

/** A start or an end of an event. */
struct event_time {
	int64_t utc, local;  /* ms; equal without a zone */
	bool full;           /* a day, without time */
	bool floating;       /* without a zone: taken for UTC */
	const char *zone;    /* borrowed; NULL = UTC, day or floating */
};
/** event_time_read - {"value","tzid"}; false: none, or one that cannot be understood. */
bool event_time_read(const json_t *v, struct event_time *out);

/* ---- chronos_rule.c ---- */

/** A recurrence rule in the words of the table of appointment fields; 0 = not set. */
struct rule {
	int64_t type, interval, days, day_in_month, month, occurrences;
	int64_t until;       /* 00:00 UTC of the day of the last occurrence; with has_until */
	bool has_until;
	bool exact;          /* the words say all that the rule says */
};
/** rule_read - TEXT of a series that begins at START.  False: cannot be said at all (hourly, nonsense); OUT->type is 0 then. */
bool rule_read(const char *text, const struct event_time *start, struct rule *out);
/** rule_write - append R as text. */
void rule_write(struct buf *b, const struct rule *r, const struct event_time *start);
/** rule_patch - append R as text; what is the same in OLD (the rule that is there) keeps OLD's words, also those that R cannot say. */
void rule_patch(struct buf *b, const char *old, const struct rule *r, const struct event_time *start);
/** rule_move_end - append the rule OLD of a series whose start moves from FROM to TO with an end that does not cut its last day off, every other part
 * as it is.  False, nothing appended: the end may stay. */
bool rule_move_end(struct buf *b, const char *old, const struct event_time *from, const struct event_time *to);
/** rule_position - which occurrence (1 = first) of the series TEXT, START is at LOCAL (wall clock); 0 = none. */
int64_t rule_position(const char *text, int64_t start, int64_t local);
/** rule_nth - wall clock of occurrence N; false: there is none. */
bool rule_nth(const char *text, int64_t start, int64_t n, int64_t *local);

/* ---- chronos_event.c ---- */

/* every field of the table that the mapping touches */
#define CHRONOS_FIELDS(X) \
	X(id) X(created_by) X(modified_by) X(creation_date) X(last_modified) X(last_modified_utc) X(folder_id) X(categories) \
	X(private_flag) X(color_label) X(number_of_attachments) X(lastModifiedOfNewestAttachmentUTC) X(title) X(start_date) \
	X(end_date) X(note) X(alarm) X(recurrence_id) X(recurrence_position) X(recurrence_date_position) X(recurrence_type) \
	X(change_exceptions) X(delete_exceptions) X(days) X(day_in_month) X(month) X(interval) X(until) X(participants) X(users) \
	X(occurrences) X(uid) X(organizer) X(sequence) X(confirmations) X(organizerId) X(principal) X(principalId) X(location) \
	X(full_time) X(shown_as) X(timezone) X(recurrence_start) X(rrule)
enum cf {
#define X(name) CF_##name,
	CHRONOS_FIELDS(X)
#undef X
	CF_COUNT
};
/** cf - number of a field in the table of appointments. */
unsigned cf(enum cf f);

/** event_read - EVENT as the appointment O (new, empty); folder ids without their provider.
 * RC_UPSTREAM: it cannot be read (no id, no or strange times).   The value of recurrence_position is left to event_position. */
MUST_CHECK enum rc event_read(struct arena *a, const json_t *event, struct object *o, struct err *e);
/** event_position - set recurrence_position of the change exception O, made of EVENT, whose series is MASTER. */
void event_position(struct object *o, const json_t *event, const json_t *master);
/** event_series - id of the series that EVENT is a change exception of, or NULL. */
const char *event_series(const json_t *event);
/** color_of_label - OX's colour of a label 1 to 10, else NULL. */
const char *color_of_label(int64_t label);
/** alarm_minutes - minutes before the start at which ALARM reminds, -1: not a reminder that a legacy client knows. */
int64_t alarm_minutes(const json_t *alarm);

/* ---- chronos_people.c ---- */

/** people_read - ATTENDEES as participants, users and confirmations of O. */
MUST_CHECK enum rc people_read(const json_t *attendees, struct object *o, struct err *e);
/** people_write - PARTICIPANTS as attendees; those that are in BASE (the attendees that are there, or NULL) stay as they are.  New reference. */
json_t *people_write(const json_t *participants, const json_t *base);

/* ---- chronos_body.c ---- */

/** event_body - append the members of an event that say FIELDS of O, joined by commas; BASE is the event that is changed, NULL of a new one.
 * An appointment that is read from BASE and written back untouched gives nothing.  Returns the number of members. */
size_t event_body(struct buf *b, struct arena *a, const struct object *o, const struct fmask *fields, const json_t *base);
/** event_needs_base - do FIELDS touch something that can only be said knowing what is there? */
bool event_needs_base(const struct fmask *fields);
/** occurrence_ids - the at most two recurrence ids of the series MASTER whose day (UTC) is DAY. */
size_t occurrence_ids(const json_t *master, int64_t day, char out[2][20]);
/** occurrence_nth - the recurrence id of occurrence N; false: there is none. */
bool occurrence_nth(const json_t *master, int64_t n, char out[20]);

/* ---- chronos_read.c, chronos_write.c: the operations of struct pim_ops ---- */

#define PROVIDER "cal://0/"       /* OX's own calendars; the folders module names them without it */
#define NO_OCCURRENCE "CAL-4042"  /* the series has no occurrence with this recurrence id (any more) */

/** folder_text - append FOLDER as chronos names it.  folder_param - the same as a parameter. */
void folder_text(struct buf *b, const char *folder);
void folder_param(struct ox_req *r, const char *name, const char *folder);
/** chronos_event - one event; on RC_OK its data is an object, and A is the caller's to free. */
MUST_CHECK enum rc chronos_event(struct ox_session *s, const char *folder, const char *id, struct ox_answer *a, struct err *e);
/** chronos_write_req - begin a write; FOLDER NULL = it is in the body.  chronos_guard - LM as its guard, 0 = none. */
void chronos_write_req(struct ox_req *r, const char *action, const char *folder);
void chronos_guard(struct ox_req *r, msec_t lm);
/** chronos_delete_days - the occurrences on DAYS that the series MASTER still has.  *LM: guard, then OX's timestamp of the last deletion.
 * DONE: a part of this update is stored already, so a failure leaves it half done (RC_TIMEOUT). */
MUST_CHECK enum rc chronos_delete_days(struct ox_session *s, struct arena *a, const char *folder, const char *id, const json_t *days, const json_t *master, bool done,
    msec_t *lm, struct err *e);
/** chronos_conflicts - LIST of conflicts as the legacy module says them, a new array. */
json_t *chronos_conflicts(struct arena *a, const json_t *list);
enum rc chronos_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e);
enum rc chronos_update(struct ox_session *s, const char *folder, const char *id, const struct object *o, const struct fmask *fields, msec_t lm, msec_t *new_lm, struct err *e);
enum rc chronos_remove(struct ox_session *s, enum content ct, const char *folder, const char *id, msec_t lm, struct err *e);
enum rc chronos_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e);
enum rc chronos_confirm(struct ox_session *s, enum content ct, const char *folder, const char *id, const struct ox_response *response, msec_t *lm, struct err *e);
enum rc chronos_move(struct ox_session *s, enum content ct, const char *folder, const char *id, const char *to, msec_t lm, msec_t *new_lm, struct err *e);

#endif
