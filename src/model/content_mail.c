/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The table of mail fields.  A mail never changes but for its flags, its colour and its keywords, so these alone have
 * fingerprints: an index row of a mail is a few octets, and the listing that OX gives cheaply is the whole index.
 *
 * Each flag is a field of the index for itself (FF_BIT).  OX's bit 16, "recent", is left out: it changes with whoever looks first.
 */
#include "model/content_int.h"

#define HEADER (FF_READONLY | FF_NOINDEX | FF_HEADERS)
#define BIT (FF_BIT | FF_NOCOLUMN | FF_NODELIVER | FF_ZERO)

static const struct field fields[] = {
	{ "id", 600, FT_ID, 0, OWN | FF_LISTED, NULL },
	{ "folder_id", 601, FT_ID, 0, OWN, NULL },
	{ "attachment", 602, FT_BOOL, 0, HEADER, NULL },
	{ "from", 603, FT_JSON, 0, HEADER, NULL },
	{ "to", 604, FT_JSON, 0, HEADER, NULL },
	{ "cc", 605, FT_JSON, 0, HEADER, NULL },
	{ "bcc", 606, FT_JSON, 0, HEADER, NULL },
	{ "subject", 607, FT_STRING, 0, HEADER, NULL },
	{ "size", 608, FT_INT, 0, HEADER, NULL },
	{ "sent_date", 609, FT_TIME, 0, HEADER, NULL },
	{ "received_date", 610, FT_TIME, 0, HEADER | FF_LISTED, NULL },
	{ "flags", 611, FT_INT, 0, FF_HEADERS | FF_LISTED | FF_ZERO | FF_NOINDEX | FF_BITS, NULL },
	{ "level", 612, FT_INT, 0, FF_READONLY | FF_NOINDEX, NULL },
	{ "disp_notification_to", 613, FT_JSON, 0, HEADER, NULL },
	{ "priority", 614, FT_INT, 0, HEADER, NULL },
	{ "msg_ref", 615, FT_STRING, 0, FF_READONLY | FF_NOINDEX, NULL },
	{ "color_label", 102, FT_INT, 0, FF_HEADERS | FF_LISTED | FF_ZERO, NULL },
	{ "content_type", 656, FT_STRING, 0, HEADER, NULL },
	{ "flag_answered", 0, FT_BOOL, 1, BIT | FF_SETTABLE, NULL },
	{ "flag_deleted", 0, FT_BOOL, 2, BIT, NULL },
	{ "flag_draft", 0, FT_BOOL, 4, BIT | FF_SETTABLE, NULL },
	{ "flag_flagged", 0, FT_BOOL, 8, BIT | FF_SETTABLE, NULL },
	{ "flag_seen", 0, FT_BOOL, 32, BIT | FF_SETTABLE, NULL },
	{ "flag_user", 0, FT_BOOL, 64, BIT, NULL },
	{ "flag_spam", 0, FT_BOOL, 128, BIT, NULL },
	{ "flag_forwarded", 0, FT_BOOL, 256, BIT | FF_SETTABLE, NULL },
	{ "flag_receipt_sent", 0, FT_BOOL, 512, BIT, NULL },
	{ "user", 668, FT_JSON, 0, FF_HEADERS | FF_LISTED, NULL },
};

const struct content_type content_mail = {
	.ct = CT_MAIL, .name = "mail", .ox_module = "mail",
	.fields = fields, .n_fields = ARRAY_LEN(fields),
};

_Static_assert(ARRAY_LEN(fields) <= MODEL_MAX_FIELDS, "mask too small");
