/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ATTACH with the octets in it (RFC 5545 3.8.1.1): what it is called differs from program to program. */
#include "line_int.h"

#include <stdlib.h>
#include <string.h>

/* An override of an occurrence, and what is inside (alarms have sounds), is another object. */
static const struct pim_comp *
first_object(const struct pim_comp *root)
{
	static const char *const names[] = { "VEVENT", "VTODO", "VCARD" };
	const struct pim_comp *c, *k;

	for (c = root->kids; c != NULL; c = c->next) {
		for (size_t i = 0; i < 3; i++)
			if (strcmp(c->name, names[i]) == 0)
				return c;
		for (k = strcmp(c->name, "VCALENDAR") == 0 ? c->kids : NULL; k != NULL; k = k->next)
			for (size_t i = 0; i < 2; i++)
				if (strcmp(k->name, names[i]) == 0 && pim_line_first(k, "RECURRENCE-ID") == NULL)
					return k;
	}
	return NULL;
}

static const char *
name_of(const struct pim_line *l)
{
	static const char *const params[] = { "FILENAME", "X-FILENAME", "X-APPLE-FILENAME", "X-ORACLE-FILENAME", "X-LABEL" };

	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		const char *s = pim_param(l, params[i]);

		if (s != NULL && s[0] != '\0')
			return s;
	}
	return "attachment";
}

enum pim_rc
pim_attachments(const char *text, size_t len, const struct pim_options *opt, pim_attachment_cb cb, void *arg)
{
	struct pim_options defaults;
	struct pim_ctx c;
	struct pim_mem mem = { 0 };
	struct pim_comp *root = NULL;
	const struct pim_comp *object;
	char *owned = NULL;
	enum pim_rc rc;

	pim_ctx_init(&c, opt, &defaults, NULL);
	if (len > c.opt->max_file_bytes)
		return PIM_LIMIT;
	rc = pim_file_text(&text, &len, &owned) ? pim_lines_read(&c, &mem, text, len, &root) : PIM_NOMEM;
	object = rc == PIM_OK && root != NULL ? first_object(root) : NULL;
	for (const struct pim_line *l = object != NULL ? object->lines : NULL; l != NULL && rc == PIM_OK; l = l->next)
		if (strcmp(l->name, "ATTACH") == 0 && l->binary && cb(arg, name_of(l), l->value, l->value_len) != 0)
			rc = PIM_STOPPED;
	pim_mem_fini(&mem);
	free(owned);
	return rc;
}
