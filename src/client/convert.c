/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One object, one file: which text stands for which type, and what of a mail lives in its file name. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

#include "usmd/pim.h"

const char *
type_extension(enum content ct)
{
	static const char *const ext[CT_COUNT] = {
		[CT_FOLDER] = "", [CT_CONTACT] = ".vcf", [CT_CALENDAR] = ".ics", [CT_TASK] = ".ics", [CT_MAIL] = ".eml",
	};

	return ext[ct];
}

static enum rc
from_pim(enum pim_rc prc, const struct pim_error *pe, struct err *e)
{
	if (prc == PIM_OK)
		return RC_OK;
	if (prc == PIM_NOMEM)
		return err_set(e, RC_NOMEM, "out of memory");
	return err_set(e, prc == PIM_LIMIT ? RC_LIMIT : RC_PROTO, "%s", pe->text);
}

/* Members of a distribution list by the names that the server gives them, or those of a groupware object, which files have; a new reference. */
static json_t *
members_renamed(const json_t *object, bool to_file)
{
	static const char *const names[][2] = { { "uuid", "id" }, { "folder", "folder_id" } };
	const json_t *list = json_object_get(object, "distribution_list");
	json_t *out = json_copy((json_t *)(uintptr_t)object), *renamed, *m;
	size_t i;

	if (!json_is_array(list))
		return out;
	renamed = json_array();
	json_array_foreach (list, i, m) {
		json_t *x = json_copy(m);

		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			json_t *v = json_object_get(x, names[k][to_file ? 0 : 1]);

			if (v == NULL)
				continue;
			(void)json_object_set(x, names[k][to_file ? 1 : 0], v);
			(void)json_object_del(x, names[k][to_file ? 0 : 1]);
		}
		(void)json_array_append_new(renamed, x);
	}
	(void)json_object_set_new(out, "distribution_list", renamed);
	return out;
}

enum rc
object_to_text(enum content ct, const json_t *object, const json_t *overrides, char **text, size_t *n, struct err *e)
{
	json_t *contact = NULL;
	struct pim_options opt;
	struct pim_error pe = { "" };
	enum pim_rc prc = PIM_UNSUPPORTED;
	enum rc rc;

	*text = NULL;
	*n = 0;
	pim_options_init(&opt);
	if (ct == CT_CONTACT && (contact = members_renamed(object, true)) != NULL)
		prc = pim_vcard_format(contact, &opt, text, &pe);
	else if (ct == CT_CALENDAR)
		prc = pim_ical_event_format(object, overrides, &opt, text, &pe);
	else if (ct == CT_TASK)
		prc = pim_ical_task_format(object, &opt, text, &pe);
	json_decref(contact);
	rc = from_pim(prc, &pe, e);
	if (rc == RC_OK && *text != NULL)
		*n = strlen(*text);
	return rc;
}

enum rc
text_to_object(enum content ct, const char *name, const void *p, size_t n, json_t **out, json_t **overrides, struct err *e)
{
	struct pim_options opt;
	struct pim_error pe = { "" };
	json_t *exceptions = NULL, *contact;
	enum pim_rc prc = PIM_OK;

	*out = NULL;
	if (overrides != NULL)
		*overrides = NULL;
	pim_options_init(&opt);
	if (ct == CT_MAIL) {
		*out = json_pack("{s:I}", "flags", (json_int_t)mail_flags_of_name(name));
		return *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
	}
	if (ct == CT_CONTACT)
		prc = pim_vcard_parse(p, n, &opt, out, NULL, &pe);
	else if (ct == CT_CALENDAR)
		prc = pim_ical_event_parse(p, n, &opt, out, &exceptions, NULL, &pe);
	else
		prc = pim_ical_task_parse(p, n, &opt, out, NULL, &pe);
	if (overrides != NULL)
		*overrides = exceptions;
	else
		json_decref(exceptions);
	if (ct == CT_CONTACT && *out != NULL) {
		contact = members_renamed(*out, false);
		json_decref(*out);
		*out = contact;
		if (contact == NULL)
			prc = PIM_NOMEM;
	}
	return from_pim(prc, &pe, e);
}

static char *
joined(const char *a, const char *b)
{
	struct buf t;

	buf_init(&t, 4096);
	buf_adds(&t, a != NULL ? a : "");
	if (a != NULL && b != NULL)
		buf_addc(&t, ' ');
	buf_adds(&t, b != NULL ? b : "");
	return buf_take(&t, NULL);
}

char *
object_title(enum content ct, const json_t *object)
{
	const char *s = NULL;
	char *t, *name;

	if (ct == CT_MAIL)
		s = json_string_value(json_object_get(object, "subject"));
	else if (ct != CT_CONTACT)
		s = json_string_value(json_object_get(object, "title"));
	else if ((s = json_string_value(json_object_get(object, "display_name"))) == NULL || s[0] == '\0')
		s = NULL;
	if (ct == CT_CONTACT && s == NULL) {
		t = joined(json_string_value(json_object_get(object, "first_name")), json_string_value(json_object_get(object, "last_name")));
		name = name_clean(t != NULL && t[0] != '\0' ? t : json_string_value(json_object_get(object, "company")), "contact");
		mem_free(t);
		return name;
	}
	return name_clean(s, model_content(ct)->name);
}

bool
field_writable(enum content ct, const char *name)
{
	int i = model_field(model_content(ct), name);

	return i >= 0 && (model_content(ct)->fields[i].flags & (FF_READONLY | FF_ONCE | FF_NODELIVER)) == 0;
}

/* Maildir's letters (cr.yp.to/proto/maildir.html) behind the last comma: "Subject,RS.eml" is answered and seen. */
static const struct {
	char letter;
	int64_t flag;
} flag_letter[] = { { 'D', 4 }, { 'F', 8 }, { 'P', 256 }, { 'R', 1 }, { 'S', 32 } };

bool
is_stub(const char *file)
{
	size_t n = strlen(file), k = strlen(STUB);

	return n > k && strcmp(file + n - k, STUB) == 0;
}

static size_t
stem_length(const char *name)
{
	const char *comma = strrchr(name, ',');
	size_t n = strlen(name), ext = strlen(is_stub(name) ? STUB : ".eml");

	return comma != NULL ? (size_t)(comma - name) : n > ext ? n - ext : n;
}

int64_t
mail_flags_of_name(const char *name)
{
	const char *p = strrchr(name, ',');
	int64_t flags = 0;

	for (p = p != NULL ? p + 1 : ""; *p >= 'A' && *p <= 'Z'; p++)
		for (size_t i = 0; i < ARRAY_LEN(flag_letter); i++)
			if (flag_letter[i].letter == *p)
				flags |= flag_letter[i].flag;
	return flags;
}

char *
mail_name_with_flags(const char *name, int64_t flags)
{
	return mail_name(name, flags, is_stub(name) ? STUB : ".eml");
}

char *
mail_name(const char *name, int64_t flags, const char *ext)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_add(&b, name, stem_length(name));
	if ((flags & MAIL_FLAGS_KEPT) != 0)
		buf_addc(&b, ',');
	for (size_t i = 0; i < ARRAY_LEN(flag_letter); i++)
		if ((flags & flag_letter[i].flag) != 0)
			buf_addc(&b, flag_letter[i].letter);
	buf_adds(&b, ext);
	return buf_take(&b, NULL);
}
