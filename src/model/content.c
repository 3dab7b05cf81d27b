/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Finding a content type and its fields.  The tables themselves are in content_<type>.c. */
#include "model/content_int.h"

#include <stdio.h>
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

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* "recurrence_type", "yomiFirstName", "email1": words begin behind an underscore, at a capital and at a number */
void
model_field_label(const struct content_type *t, unsigned i, char *out, size_t size)
{
	const struct field *f = &t->fields[i];
	const char *p = f->label != NULL ? f->label : f->name;
	size_t n = 0;

	for (; *p != '\0' && n + 2 < size; p++) {
		bool begins = f->label == NULL && n > 0 && is_lower(p[-1]) && (is_upper(*p) || (*p >= '0' && *p <= '9'));

		char c = *p == '_' ? ' ' : *p;

		if (begins)
			out[n++] = ' ';
		if (begins && is_upper(c) && is_lower(p[1]))
			c = (char)(c - 'A' + 'a');
		else if (n == 0 && is_lower(c))
			c = (char)(c - 'a' + 'A');
		out[n++] = c;
	}
	out[n] = '\0';
}

void
model_err_field(struct err *e, const struct content_type *t, unsigned i)
{
	if (e == NULL)
		return;
	(void)snprintf(e->field, sizeof(e->field), "%s", t->fields[i].name);
	model_field_label(t, i, e->label, sizeof(e->label));
}
