/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The nine permission levels (table 5.1 of the connector's manual) and OX's permission bits.  OX has numbers where people mean steps:
 * 64 is "everything" as well as 4 or 2 are, so levels are recognised by what they allow.
 */
#include "usmd/model.h"

#include <string.h>
#include <strings.h>

#define FOLDER_ALL 4
#define OBJECTS_ALL 2

static const struct {
	const char *name;
	struct rights r;
} levels[] = {
	{ "None", { 0, 0, 0, 0, false } },
	{ "Contributor", { 2, 0, 0, 0, false } },
	{ "Reviewer", { 1, 2, 0, 0, false } },
	{ "Nonediting Author", { 2, 2, 0, 0, false } },
	{ "Author", { 2, 2, 1, 1, false } },
	{ "Publishing Author", { 4, 2, 1, 1, false } },
	{ "Editor", { 2, 2, 2, 2, false } },
	{ "Publishing Editor", { 4, 2, 2, 2, false } },
	{ "Owner", { 64, 64, 64, 64, true } },
};

struct rights
rights_unpack(int64_t bits)
{
	return (struct rights){ .folder = bits & 127, .read = bits >> 7 & 127, .write = bits >> 14 & 127, .remove = bits >> 21 & 127,
		.administer = (bits >> 28 & 1) != 0 };
}

int64_t
rights_pack(const struct rights *r)
{
	return r->folder | r->read << 7 | r->write << 14 | r->remove << 21 | (int64_t)r->administer << 28;
}

/* What R allows, in the smallest numbers that say it. */
static struct rights
plain(struct rights r)
{
	r.folder = r.folder >= FOLDER_ALL ? FOLDER_ALL : r.folder >= 2 ? 2 : r.folder;
	r.read = r.read >= OBJECTS_ALL ? OBJECTS_ALL : r.read;
	r.write = r.write >= OBJECTS_ALL ? OBJECTS_ALL : r.write;
	r.remove = r.remove >= OBJECTS_ALL ? OBJECTS_ALL : r.remove;
	return r;
}

static bool
same(struct rights a, struct rights b)
{
	a = plain(a);
	b = plain(b);
	return a.folder == b.folder && a.read == b.read && a.write == b.write && a.remove == b.remove && a.administer == b.administer;
}

const char *
rights_level(int64_t bits)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (same(rights_unpack(bits), levels[i].r))
			return levels[i].name;
	return "Custom";
}

bool
rights_of_level(const char *name, int64_t *bits)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcasecmp(levels[i].name, name) == 0) {
			*bits = rights_pack(&levels[i].r);
			return true;
		}
	return false;
}

static const char *const folder_words[] = { "none", "see", "create", "subfolders" }, *const object_words[] = { "none", "own", "all" };

const char *
rights_word(int64_t v, bool folder)
{
	if (folder)
		return folder_words[v >= FOLDER_ALL ? 3 : v >= 2 ? 2 : v];
	return object_words[v >= OBJECTS_ALL ? 2 : v];
}

bool
rights_of_word(const char *word, bool folder, int64_t *v)
{
	static const int64_t folder_values[] = { 0, 1, 2, FOLDER_ALL };
	size_t n = folder ? ARRAY_LEN(folder_words) : ARRAY_LEN(object_words);

	for (size_t i = 0; i < n; i++)
		if (strcmp(folder ? folder_words[i] : object_words[i], word) == 0) {
			*v = folder ? folder_values[i] : (int64_t)i;
			return true;
		}
	return false;
}
