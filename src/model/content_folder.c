/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The table of folder fields: the hierarchy is synced like the content of a folder.  Counters and the flag whether there are
 * subfolders move with other objects; they are delivered, but are no change of the folder itself.
 */
#include "model/content_int.h"

static const struct field fields[] = {
	{ "id", 1, FT_ID, 0, OWN | FF_LISTED, NULL },
	{ "created_by", 2, FT_INT, 0, NOISE, NULL },
	{ "modified_by", 3, FT_INT, 0, NOISE, NULL },
	{ "creation_date", 4, FT_TIME, 0, NOISE, NULL },
	{ "last_modified", 5, FT_TIME, 0, NOISE, NULL },
	{ "last_modified_utc", 6, FT_TIME, 0, OWN | FF_LISTED, NULL },
	{ "folder_id", 20, FT_ID, 0, FF_HEADERS, NULL }, /* the parent; set by a client, it moves the folder */
	{ "title", 300, FT_STRING, 767, FF_HEADERS, "title" },
	{ "module", 301, FT_STRING, 0, FF_ONCE | FF_HEADERS, NULL },
	{ "type", 302, FT_INT, 0, FF_READONLY | FF_HEADERS, NULL },
	{ "subfolders", 304, FT_BOOL, 0, NOISE, NULL },
	{ "own_rights", 305, FT_INT, 0, FF_READONLY | FF_HEADERS, NULL },
	{ "permissions", 306, FT_JSON, 0, FF_READONLY, NULL }, /* set entry by entry, never as a whole list (engine/rights.c) */
	{ "summary", 307, FT_STRING, 0, NOISE, NULL },
	{ "standard_folder", 308, FT_BOOL, 0, FF_READONLY | FF_ZERO | FF_HEADERS, NULL },
	{ "total", 309, FT_INT, 0, NOISE, NULL },
	{ "new", 310, FT_INT, 0, NOISE, NULL },
	{ "unread", 311, FT_INT, 0, NOISE, NULL },
	{ "deleted", 312, FT_INT, 0, NOISE, NULL },
	{ "capabilities", 313, FT_INT, 0, NOISE, NULL },
	{ "subscribed", 314, FT_BOOL, 0, FF_ZERO, NULL },
	{ "subscr_subflds", 315, FT_BOOL, 0, NOISE, NULL },
	{ "standard_folder_type", 316, FT_INT, 0, FF_READONLY | FF_ZERO | FF_HEADERS, NULL },
	{ "supported_capabilities", 317, FT_JSON, 0, NOISE, NULL },
	{ "account_id", 318, FT_STRING, 0, NOISE, NULL },
	{ "com.openexchange.folderstorage.displayName", 3030, FT_STRING, 0, FF_READONLY | FF_NODELIVER, NULL }, /* of whom the folder is */
};

const struct content_type content_folder = {
	.ct = CT_FOLDER, .name = "folder", .ox_module = "folders",
	.fields = fields, .n_fields = ARRAY_LEN(fields),
};

_Static_assert(ARRAY_LEN(fields) <= MODEL_MAX_FIELDS, "mask too small");
