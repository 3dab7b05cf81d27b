/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Text formats of personal information: vCard 2.1/3.0/4.0, iCalendar and
 * RFC 822/MIME to and from OX objects (JSON objects with OX field names).
 * No I/O, no network, no clock: text in, objects out and back.
 *
 * What the two directions promise
 * - Round trip: object -> text -> object gives every field back that OX stores
 *   and a user can write (the fields listed at each format function).
 *   null, "" and an absent member mean the same here and come back as absent;
 *   so do false for private_flag, 0 for recurrence_type and -1 for an alarm.
 *   The order of participants, users, confirmations and of the dates in
 *   change_exceptions/delete_exceptions has no meaning.
 *   Milliseconds are cut to seconds, as the server does; a carriage return in the
 *   name or message of a participant becomes a line feed.
 * - What the server computes (id, folder_id, created_by, last_modified, ...) is
 *   not part of the texts; who keeps one file per object keeps those beside it.
 * - An OX field without a standard property goes to X-OX-<FIELD>, the field name
 *   in upper case with '-' for '_' (X-OX-TAX-ID).  Where one standard property
 *   serves several OX fields, the parameter X-OX-FIELD names the field if type
 *   and order would not lead back to it.  A value that a property cannot express
 *   (a carriage return) is repeated in X-OX-EXACT, which is obeyed only as long
 *   as the standard property still says the same: an edit of the file wins.
 * - Times: OX "Time" values are real UTC milliseconds (requests are made with
 *   timezone=UTC), OX "Date" values UTC midnight of the day in milliseconds.
 */
#ifndef USMD_PIM_H
#define USMD_PIM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What an object is; the OX module follows from it. */
enum pim_kind {
	PIM_CONTACT,		/* contacts module */
	PIM_DISTLIST,		/* contacts module, mark_as_distributionlist */
	PIM_APPOINTMENT,	/* calendar module (legacy field names) */
	PIM_TASK,		/* tasks module */
	PIM_MAIL,		/* mail module */
	PIM_KINDS
};

/** How a call ended.  Everything but PIM_OK leaves the outputs NULL. */
enum pim_rc {
	PIM_OK,
	PIM_REFUSED,		/* the text is no such object, or OX cannot hold it */
	PIM_UNSUPPORTED,	/* well known but nothing OX has (VJOURNAL, VFREEBUSY, ...) */
	PIM_LIMIT,		/* a limit of struct pim_options was passed */
	PIM_STOPPED,		/* the callback asked to stop */
	PIM_NOMEM
};

/** Limits and choices; fill with pim_options_init(), then change what differs. */
struct pim_options {
	size_t max_file_bytes;	/* one file or text; default 64 MiB */
	size_t max_objects;	/* objects of one file; default 65536 (a folder holds 65535) */
	size_t max_line_bytes;	/* one unfolded content line (photos are one line); default 16 MiB */
	size_t max_lines;	/* content lines of one object; default 20000 */
	unsigned max_depth;	/* BEGIN inside BEGIN, and multipart inside multipart; default 16 */
	size_t max_exceptions;	/* change exceptions of one series; default 999 */
	size_t max_members;	/* list members or attendees of one object; default 2000 */
	size_t preview_chars;	/* characters of text_preview; default 100, 0 = none */
	bool lenient;		/* bend what OX cannot hold (cut, drop the recurrence, ...) and
				 * report it as PIM_PROBLEM_BENT, instead of refusing; default false */
	const char *timezone;	/* Olson id for floating times; borrowed; NULL = UTC */
	int vcard_version;	/* written by pim_vcard_format: 21, 30 (default) or 40 */
	int64_t now_ms;		/* DTSTAMP of objects without last_modified; default 0 */
};

/** What a line of the report is about. */
enum pim_problem_kind {
	PIM_PROBLEM_REFUSED,		/* the object was not delivered */
	PIM_PROBLEM_UNSUPPORTED,	/* not delivered: a kind of object OX does not have */
	PIM_PROBLEM_BENT,		/* delivered, but changed so that OX can hold it */
	PIM_PROBLEM_DROPPED		/* delivered without a property that OX has no field for */
};

struct pim_problem {
	enum pim_problem_kind kind;
	size_t number;		/* object in the file, from 1; 0 = the file as a whole */
	char *text;		/* one sentence, UTF-8, no file name; owned by the report */
};

#define PIM_MAX_PROBLEMS 1000	/* lines kept; the counters go on */

/** What happened; zero-initialise or pim_report_init(), end with pim_report_fini(). */
struct pim_report {
	size_t objects[PIM_KINDS];	/* delivered, by kind */
	size_t exceptions;		/* change exceptions delivered with their series */
	size_t refused;			/* objects not delivered */
	size_t unsupported;		/* objects of kinds that OX does not have */
	size_t bent;			/* changes made by lenient reading */
	size_t dropped;			/* properties that OX has no field for */
	struct pim_problem *problems;	/* first PIM_MAX_PROBLEMS, in order of the file */
	size_t problems_len;
};

/** One object of a file, all borrowed for the time of the callback (json_incref to keep). */
struct pim_item {
	enum pim_kind kind;
	const char *name;	/* as given to pim_file_parse */
	size_t number;		/* object in the file, from 1 (a series counts once) */
	json_t *object;		/* OX object; for mail what pim_mail_summary gives */
	json_t *exceptions;	/* array of change exceptions, each a whole appointment with its
				 * recurrence_date_position; NULL if none */
	const char *octets;	/* mail: the message as it stood in the file, mbox quoting undone */
	size_t octets_len;
};

/** Return 0 to go on, anything else to stop (pim_file_parse returns PIM_STOPPED). */
typedef int (*pim_item_cb)(void *arg, const struct pim_item *item);

/** Why a single conversion failed: one sentence that tells what to change. */
struct pim_error {
	char text[320];		/* UTF-8, "" on success */
};

/**
 * pim_init - make the libraries beneath ready; call once before the first thread.
 *
 * Every other function calls it as well, so programs with one thread need not.
 *
 * Errors: none.   Threads: call it before the second thread starts.
 */
void pim_init(void);

/**
 * pim_options_init - fill OPT with the defaults given at its members.
 * Threads: any.
 */
void pim_options_init(struct pim_options *opt);

/** pim_report_init - an empty report.  Threads: any, as for all report calls. */
void pim_report_init(struct pim_report *rep);

/** pim_report_fini - free what REP holds and make it empty again; NULL is a no-op. */
void pim_report_fini(struct pim_report *rep);

/** pim_kind_name - "contact", "distribution list", "appointment", "task", "mail". */
const char *pim_kind_name(enum pim_kind kind);

/** pim_rc_name - a word for RC, for logs. */
const char *pim_rc_name(enum pim_rc rc);

/**
 * pim_file_parse - deliver every object of one file.
 *
 * What the file is is taken from its content (BEGIN:VCARD, BEGIN:VCALENDAR or a
 * bare component, "From " line, header lines) and only then from NAME's ending
 * (.vcf .vcard .ics .ical .eml .mbox).  The bytes may be UTF-8 (with or without
 * a byte order mark), UTF-16, or an 8-bit text taken for Windows-1252.
 * A series is delivered once, with its RECURRENCE-ID overrides as exceptions.
 * A calendar may use 200 time zones, a file define 100 that the time zone database
 * does not know; reading takes memory of at most 16 times LEN.
 * Members of distribution lists that name other cards of the same file by UID
 * become independent addresses (mail_field 0).
 *
 * @name   shown in pim_item.name and used to guess; may be NULL
 * @data   borrowed, LEN bytes, need not end with NUL
 * @opt    NULL = defaults
 * @cb     called for each accepted object, in the order of the file
 * @report NULL or initialised; added to, so one report may serve many files
 *
 * Errors:  PIM_REFUSED  nothing in it could be recognised (objects that are
 *                       refused one by one do not fail the file)
 *          PIM_LIMIT    a limit of the file was passed; what came before it was
 *                       delivered
 *          PIM_STOPPED, PIM_NOMEM
 * Threads: any; CB runs in the caller's.   Cost: O(LEN).
 */
enum pim_rc pim_file_parse(const char *name, const void *data, size_t len,
                           const struct pim_options *opt, pim_item_cb cb, void *arg,
                           struct pim_report *report);

/**
 * pim_vcard_parse - the first card of a text as OX contact or distribution list.
 *
 * Year-less birthdays and anniversaries (--MMDD, X-APPLE-OMIT-YEAR) get the year
 * 1604, the leap year that address books use for "unknown"; dates without a day
 * and free text are dropped with a report line.  A time of day is cut without a
 * shift: a birthday is the day that was written.
 *
 * @object  out, new reference; a distribution list has mark_as_distributionlist
 * @report  NULL, or receives dropped and bent properties (number 1)
 * @err     NULL, or receives the reason
 *
 * Errors:  PIM_REFUSED no card, broken card, values that OX refuses;
 *          PIM_LIMIT, PIM_NOMEM
 * Threads: any.
 */
enum pim_rc pim_vcard_parse(const char *text, size_t len, const struct pim_options *opt,
                            json_t **object, struct pim_report *report,
                            struct pim_error *err);

/**
 * pim_vcard_format - write an OX contact or distribution list as one vCard.
 *
 * Fields: all of column list 500-615 that can be written, and uid, categories,
 * private_flag, color_label, image1 (base64) with image1_content_type,
 * distribution_list.  The version is opt->vcard_version; 2.1 and 3.0 get
 * X-ADDRESSBOOKSERVER-KIND for lists.  Lines end with CRLF and are folded.
 *
 * @object  borrowed
 * @text    out, malloc'ed, NUL-terminated UTF-8; the caller frees it
 *
 * Errors:  PIM_REFUSED OBJECT is no JSON object, or a member has the wrong type
 *          (the member is named); PIM_NOMEM
 * Threads: any.   Deterministic: equal objects give equal bytes.
 */
enum pim_rc pim_vcard_format(const json_t *object, const struct pim_options *opt,
                             char **text, struct pim_error *err);

/**
 * pim_ical_event_parse - the first appointment of an iCalendar text.
 *
 * All VEVENTs with the UID of the first one belong to it: one master and its
 * RECURRENCE-ID overrides.  RRULEs that OX cannot hold are refused with a reason;
 * with opt->lenient the first instance is taken instead.
 * Overrides with STATUS:CANCELLED become delete_exceptions.
 *
 * @object      out, new reference
 * @exceptions  out, new reference to an array (empty if there are none)
 *
 * Errors and threads as pim_vcard_parse; PIM_UNSUPPORTED if the text holds only
 * components that OX does not have.
 */
enum pim_rc pim_ical_event_parse(const char *text, size_t len, const struct pim_options *opt,
                                 json_t **object, json_t **exceptions,
                                 struct pim_report *report, struct pim_error *err);

/**
 * pim_ical_event_format - write an appointment, or a series with its exceptions.
 *
 * Fields: title, start_date, end_date, full_time, timezone, note, location,
 * alarm, recurrence_type, days, day_in_month, month, interval, until,
 * occurrences, change_exceptions, delete_exceptions, recurrence_date_position,
 * categories, private_flag, color_label, shown_as, participants, users,
 * confirmations, organizer, organizerId, principal, principalId, uid, sequence.
 * The change exceptions' dates are taken from both the master's
 * change_exceptions and EXCEPTIONS.  A VTIMEZONE is written for each zone used.
 *
 * @exceptions  borrowed array of change exceptions, or NULL
 * Others, errors and threads as pim_vcard_format.
 */
enum pim_rc pim_ical_event_format(const json_t *object, const json_t *exceptions,
                                  const struct pim_options *opt, char **text,
                                  struct pim_error *err);

/** One occurrence of an appointment. */
struct pim_occurrence {
	int64_t start_ms, end_ms;	/* UTC; of whole days UTC midnights */
	int64_t day_ms;		/* how OX names it: the UTC day of its regular start (recurrence_date_position) */
	unsigned position;	/* in the series, from 1; 0 for change exceptions and single appointments */
	size_t exception;	/* number in EXCEPTIONS, from 1; 0 = it is as the series says */
};

/** Return 0 to go on, anything else to stop (pim_expand returns PIM_STOPPED). */
typedef int (*pim_occurrence_cb)(void *arg, const struct pim_occurrence *occ);

/**
 * pim_expand - deliver what of an appointment lies in the span [FROM_MS, TO_MS): itself, or the occurrences of a series.
 *
 * As OX expands it: deleted days are left out, changed ones come at the time of their exception; hours that a zone has twice or not at
 * all are read as RFC 5545 says.  Regular occurrences come in order of time, then exceptions as they stand in EXCEPTIONS.
 *
 * @object      borrowed appointment (as from pim_ical_event_parse or from the server)
 * @exceptions  borrowed array of its change exceptions, or NULL
 * Errors:  PIM_REFUSED no times, or no pattern that OX has; PIM_LIMIT more than 200000 steps of the rule up to TO_MS; PIM_STOPPED.
 * Threads: any.   Cost: O(occurrences from the start of the series to TO_MS).
 */
enum pim_rc pim_expand(const json_t *object, const json_t *exceptions, int64_t from_ms, int64_t to_ms, pim_occurrence_cb cb, void *arg,
                       struct pim_error *err);

/**
 * pim_ical_task_parse - the first VTODO of an iCalendar text as OX task.
 *
 * Times come as start_time, end_time and full_time (the older aliases start_date
 * and end_date are not made).  Errors and threads as pim_ical_event_parse.
 */
enum pim_rc pim_ical_task_parse(const char *text, size_t len, const struct pim_options *opt,
                                json_t **object, struct pim_report *report,
                                struct pim_error *err);

/**
 * pim_ical_task_format - write an OX task as VTODO.
 *
 * Fields: title, note, start_time, end_time, full_time (start_date and end_date,
 * taken as whole days, if those are absent), alarm (absolute), status,
 * percent_completed, priority, date_completed, target_costs, actual_costs,
 * target_duration, actual_duration, currency, trip_meter, companies,
 * billing_information, recurrence fields without exceptions, categories,
 * private_flag, color_label, participants, users, uid.
 * Errors and threads as pim_vcard_format.
 */
enum pim_rc pim_ical_task_format(const json_t *object, const struct pim_options *opt,
                                 char **text, struct pim_error *err);

/**
 * pim_attachment_cb - an attachment in a text: NAME as its file was called ("attachment" when the text does not tell), never trusted; N octets
 * at P, borrowed for the call.  Return 0 to go on, anything else to stop.
 */
typedef int (*pim_attachment_cb)(void *arg, const char *name, const void *p, size_t n);

/**
 * pim_attachments - the attachments whose octets are in the first object of a text (ATTACH;ENCODING=BASE64); the other readers here leave
 * them out, since OX keeps attachments beside the object.  Links are not delivered.
 *
 * Errors:  PIM_LIMIT, PIM_STOPPED, PIM_NOMEM; a text without objects has no attachments.
 * Threads: any.   Cost: O(LEN).
 */
enum pim_rc pim_attachments(const char *text, size_t len, const struct pim_options *opt, pim_attachment_cb cb, void *arg);

/**
 * pim_mail_summary - the OX mail object of a message, from its raw octets.
 *
 * Members: from, to, cc, bcc, reply_to (arrays of [name or null, address]),
 * subject, sent_date (ms UTC; absent without a usable Date header), size,
 * priority (1 very high .. 5 very low, 3 if the headers say nothing), attachment
 * (bool: something besides the body), content_type, disp_notification_to,
 * message_id, in_reply_to, references (texts with their <>), text_preview,
 * attachments: array of {id, content_type, size, disp, filename, cid} in the
 * order of the parts, the body first, ids "1", "1.2" as IMAP section numbers.
 * Headers in an unknown or wrong charset are repaired to valid UTF-8.
 *
 * @octets  borrowed, LEN bytes; any bytes, never trusted
 * @object  out, new reference
 *
 * Errors:  PIM_REFUSED empty, or no header at all; PIM_NOMEM
 *          PIM_LIMIT   too large, or built to exhaust a reader: more than 20000 header
 *                      lines or 4 MiB of them, 50000 parts, 300 address groups in a line
 * Threads: any.   Cost: O(LEN).
 */
enum pim_rc pim_mail_summary(const void *octets, size_t len, const struct pim_options *opt,
                             json_t **object, struct pim_error *err);

#endif
