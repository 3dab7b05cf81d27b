/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Finding a content type and its fields.  The tables themselves are in content_<type>.c. */
#include "model/content_int.h"

#include <string.h>

const struct content_type *
model_content(enum content ct)
{
	static const struct content_type *const all[CT_COUNT] = {
		[CT_FOLDER] = &content_folder, [CT_CONTACT] = &content_contact, [CT_CALENDAR] = &content_calendar,
		[CT_TASK] = &content_task, [CT_MAIL] = &content_mail,
	};

	return (unsigned)ct < CT_COUNT ? all[ct] : &content_folder;
}

const struct content_type *
model_content_by_name(const char *name)
{
	if (name == NULL)
		return NULL;
	for (unsigned i = 0; i < CT_COUNT; i++) {
		const struct content_type *t = model_content((enum content)i);

		if (strcmp(t->name, name) == 0 || strcmp(t->ox_module, name) == 0)
			return t;
	}
	return NULL;
}

int
model_field(const struct content_type *t, const char *name)
{
	/* at most 122 short names and a first-octet test: about 100 ns, and no table to build at start */
	for (size_t i = 0; i < t->n_fields; i++)
		if (t->fields[i].name[0] == name[0] && strcmp(t->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

int
model_field_flagged(const struct content_type *t, unsigned flags)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & flags) != 0)
			return (int)i;
	return -1;
}

const char *
model_picture_type(const void *p, size_t n)
{
	static const struct {
		const char *begin, *type;
	} kinds[] = {
		{ "\xff\xd8\xff", "image/jpeg" }, { "\x89PNG\r\n\x1a\n", "image/png" }, { "GIF87a", "image/gif" }, { "GIF89a", "image/gif" }, { "BM", "image/bmp" },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (n > strlen(kinds[i].begin) && memcmp(p, kinds[i].begin, strlen(kinds[i].begin)) == 0)
			return kinds[i].type;
	return NULL;
}

int
model_field_column(const struct content_type *t, int column)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (t->fields[i].column == column && (t->fields[i].flags & FF_NOCOLUMN) == 0)
			return (int)i;
	return -1;
}
