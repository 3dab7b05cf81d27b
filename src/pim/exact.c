/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * X-OX-EXACT;X-OX-FIELD=<field>:<base64>: a text with carriage returns, which
 * vCard and iCalendar texts cannot express.  Obeyed only while the property that
 * people see still says the same, so that an edit there is never undone.
 * Also how X-OX properties and the X-OX-FIELD parameter spell a field's name.
 */
#include "line_int.h"

#include <stdlib.h>
#include <string.h>

void
pim_put_field(struct pim_buf *b, const char *field)
{
	for (; *field != '\0'; field++)
		pim_buf_putc(b, *field == '_' ? '-' : *field >= 'a' && *field <= 'z' ? (char)(*field - 32) : *field);
}

bool
pim_field_is(const char *param, const char *field)
{
	struct pim_buf a = { 0 };
	bool same;

	if (param == NULL)
		return false;
	pim_put_field(&a, field);
	same = a.p != NULL && pim_same(a.p, param);
	pim_buf_fini(&a);
	return same;
}

void
pim_exact_put(struct pim_buf *out, const json_t *o)
{
	struct pim_buf name = { 0 }, value = { 0 };
	const char *field, *s;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, field, v) {
		s = json_string_value(v);
		if (s == NULL || !pim_text_has_cr(s) || strncmp(field, "image1", 6) == 0)
			continue;
		pim_buf_puts(&name, "X-OX-EXACT;X-OX-FIELD=");
		pim_put_field(&name, field);
		pim_base64_encode(&value, s, strlen(s));
		if (name.failed || value.failed)
			out->failed = true;
		else
			pim_put_line(out, name.p, value.p);
		pim_buf_fini(&name);
		pim_buf_fini(&value);
	}
}

static enum pim_rc
exact_one(const struct pim_line *l, json_t *o)
{
	const char *want = pim_param(l, "X-OX-FIELD"), *field;
	struct pim_buf raw = { 0 }, norm = { 0 };
	enum pim_rc rc = PIM_OK;
	json_t *v, *hit = NULL;

	json_object_foreach(o, field, v) {
		if (pim_field_is(want, field) && json_is_string(v)) {
			hit = v;
			break;
		}
	}
	if (hit == NULL || !pim_base64_decode(&raw, l->value, l->value_len) || raw.p == NULL ||
	    !pim_utf8_valid(raw.p, raw.len) || !pim_text_plain(raw.p))
		goto out;
	pim_text_normalise(&norm, raw.p);
	if (raw.failed || norm.failed)
		rc = PIM_NOMEM;
	else if (norm.p != NULL && strcmp(norm.p, json_string_value(hit)) == 0 &&
	         json_string_set(hit, raw.p) != 0)
		rc = PIM_NOMEM;
out:
	pim_buf_fini(&raw);
	pim_buf_fini(&norm);
	return rc;
}

enum pim_rc
pim_exact_read(struct pim_comp *comp, json_t *o)
{
	struct pim_line *l;
	enum pim_rc rc = PIM_OK;
	size_t n = 0;

	for (l = comp->lines; l != NULL && rc == PIM_OK; l = l->next) {
		if (strcmp(l->name, "X-OX-EXACT") == 0 && ++n <= 200) {	/* more fields than there are */
			l->used = true;
			rc = exact_one(l, o);
		}
	}
	return rc;
}
