/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An OX contact as vCard text.  Goes by the tables of vcard_fields.c; must never
 * write what vcard_parse.c would read as another field.
 */
#include "vcard_int.h"

#include <stdlib.h>
#include <string.h>

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s >= 0x7f)
			return false;
	}
	return true;
}

/* vCard 2.1 knows no \n and no charset but its own: quoted-printable UTF-8 where needed. */
static void
put_21(struct pim_buf *out, const char *name, const char *escaped)
{
	struct pim_buf head = { 0 }, v = { 0 };
	size_t col;
	const char *s;

	pim_buf_puts(&head, name);
	pim_buf_puts(&head, ";CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:");
	col = head.len;
	for (s = escaped; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;
		bool newline = ch == '\\' && s[1] == 'n', pair = ch == '\\' && !newline && s[1] != '\0';

		if (col > 66) {
			pim_buf_puts(&v, "=\r\n");
			col = 0;
		}
		if (newline) {
			pim_buf_puts(&v, "=0D=0A");
			col += 6;
			s++;
		} else if (pair) {
			pim_buf_printf(&v, "=5C=%02X", (unsigned char)s[1]);
			col += 6;
			s++;
		} else if (ch < 0x20 || ch >= 0x7f || ch == '=' || ch == '\\' || ch == ' ') {
			pim_buf_printf(&v, "=%02X", ch);
			col += 3;
		} else {
			pim_buf_putc(&v, (char)ch);
			col++;
		}
	}
	if (head.failed || v.failed)
		out->failed = true;
	pim_buf_put(out, head.p, head.len);
	pim_buf_put(out, v.p == NULL ? "" : v.p, v.len);
	pim_buf_puts(out, "\r\n");
	pim_buf_fini(&head);
	pim_buf_fini(&v);
}

void
vcard_put(struct pim_buf *out, int version, const char *name, const char *escaped)
{
	if (version == 21 && (!is_ascii(escaped) || strchr(escaped, '\\') != NULL || strlen(escaped) > 60))
		put_21(out, name, escaped);
	else
		pim_put_line(out, name, escaped);
}

/* name;TYPE=A,B or name;A;B, and the mark. */
static void
head_put(struct pim_buf *b, int version, const char *prop, const char *types, const char *mark)
{
	const char *p = types;
	bool first = true;

	pim_buf_puts(b, prop);
	while (*p != '\0') {
		size_t n = strcspn(p, " ");

		if (version != 40 || (strncmp(p, "PREF", 4) != 0 && strncmp(p, "INTERNET", 8) != 0)) {
			pim_buf_puts(b, version == 21 ? ";" : first ? ";TYPE=" : ",");
			pim_buf_put(b, p, n);
			first = false;
		}
		p += n;
		p += *p == ' ';
	}
	if (mark != NULL) {
		pim_buf_puts(b, ";X-OX-FIELD=");
		pim_put_field(b, mark);
	}
}

/* scheme:rest without anything that would need an escape */
static bool
is_uri(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	return n > 1 && s[n] == ':' && s[n + 1] != '\0' && is_ascii(s) && strpbrk(s, " \\,;\"\r\n\t<>") == NULL;
}

static enum pim_rc
texts_put(struct pim_ctx *c, const json_t *o, int version, struct pim_buf *out)
{
	const struct vcard_text *t;
	enum pim_rc rc = PIM_OK;

	for (t = vcard_texts; t->field != NULL && rc == PIM_OK; t++) {
		const char *s = pim_get_text(o, t->field);
		struct pim_buf v = { 0 }, head = { 0 };

		rc = pim_want(c, o, t->field, JSON_STRING);
		if (rc != PIM_OK || s == NULL)
			continue;
		if (strcmp(t->field, "url") == 0 && strpbrk(s, "\\\r\n") == NULL) {
			pim_buf_puts(&v, s);	/* a URI: its commas are not escaped */
		} else if (strcmp(t->field, "categories") == 0) {
			size_t i;

			pim_escape(&v, s);
			for (i = 0; i + 1 < v.len; i++) {	/* the commas do separate */
				if (v.p[i] == '\\' && v.p[i + 1] == ',') {
					memmove(v.p + i, v.p + i + 1, v.len - i);
					v.len--;
				} else if (v.p[i] == '\\') {
					i++;
				}
			}
		} else {
			pim_escape(&v, s);
		}
		if (strncmp(t->field, "instant_", 8) == 0 && is_uri(s))
			head_put(&head, version, "IMPP", "", t->field);
		else
			pim_buf_puts(&head, t->prop);
		if (v.failed || head.failed)
			out->failed = true;
		else
			vcard_put(out, version, head.p, v.p);
		pim_buf_fini(&v);
		pim_buf_fini(&head);
	}
	return rc;
}

/* COUNT components of a structured value; *ANY tells whether one has text. */
static enum pim_rc
parts_value(struct pim_ctx *c, const json_t *o, const struct vcard_part *parts, unsigned count,
            struct pim_buf *v, bool *any)
{
	unsigned i;

	*any = false;
	for (i = 0; i < count; i++) {
		const struct vcard_part *p;

		for (p = parts; p->field != NULL && p->index != i; p++)
			;
		if (i > 0)
			pim_buf_putc(v, ';');
		if (p->field == NULL)
			continue;
		if (pim_want(c, o, p->field, JSON_STRING) != PIM_OK)
			return PIM_REFUSED;
		if (pim_get_text(o, p->field) != NULL) {
			pim_escape(v, pim_get_text(o, p->field));
			*any = true;
		}
	}
	return PIM_OK;
}

/* FN is demanded from 3.0 on: made of what there is, and marked as made up. */
static void
fn_made_up(const json_t *o, int version, struct pim_buf *out)
{
	static const char *const from[] = { "file_as", "last_name", "first_name", "company", "email1", NULL };
	struct pim_buf v = { 0 };
	size_t i;

	for (i = 0; from[i] != NULL && pim_get_text(o, from[i]) == NULL; i++)
		;
	pim_escape(&v, from[i] == NULL ? "?" : pim_get_text(o, from[i]));
	if (v.failed)
		out->failed = true;
	else
		vcard_put(out, version, "FN;X-OX-FIELD=NONE", v.p);
	pim_buf_fini(&v);
}

static enum pim_rc
structured_put(struct pim_ctx *c, const json_t *o, int version, struct pim_buf *out)
{
	struct pim_buf v = { 0 };
	bool any;
	enum pim_rc rc;

	if (pim_get_text(o, "display_name") == NULL)
		fn_made_up(o, version, out);
	rc = parts_value(c, o, vcard_name_parts, 5, &v, &any);
	if (rc == PIM_OK && !v.failed)	/* N is demanded even if empty */
		vcard_put(out, version, "N", v.p);
	v.len = 0;
	if (rc == PIM_OK)
		rc = parts_value(c, o, vcard_org_parts, 2, &v, &any);
	if (rc == PIM_OK && any && !v.failed)
		vcard_put(out, version, "ORG", v.p);
	if (v.failed)
		out->failed = true;
	pim_buf_fini(&v);
	return rc;
}

static enum pim_rc
address_put(struct pim_ctx *c, const json_t *o, int version, const struct vcard_adr *a, struct pim_buf *out)
{
	const char *label = pim_get_text(o, a->label);
	struct pim_buf v = { 0 }, head = { 0 };
	bool any;
	enum pim_rc rc;

	rc = parts_value(c, o, a->parts, 7, &v, &any);
	if (rc == PIM_OK)
		rc = pim_want(c, o, a->label, JSON_STRING);
	if (rc == PIM_OK && (any || (label != NULL && version == 40))) {
		head_put(&head, version, "ADR", a->type, NULL);
		if (label != NULL && version == 40)
			pim_put_param(&head, "LABEL", label);
		if (!head.failed && !v.failed)
			vcard_put(out, version, head.p, v.p);
	}
	if (rc == PIM_OK && label != NULL && version != 40) {
		head.len = v.len = 0;
		head_put(&head, version, "LABEL", a->type, NULL);
		pim_escape(&v, label);
		if (!head.failed && !v.failed)
			vcard_put(out, version, head.p, v.p);
	}
	if (head.failed || v.failed)
		out->failed = true;
	pim_buf_fini(&v);
	pim_buf_fini(&head);
	return rc;
}

static enum pim_rc
slots_put(struct pim_ctx *c, const json_t *o, int version, const char *prop, const struct vcard_slot *s,
          struct pim_buf *out)
{
	for (; s->field != NULL; s++) {
		struct pim_buf v = { 0 }, head = { 0 };

		if (pim_want(c, o, s->field, JSON_STRING) != PIM_OK)
			return PIM_REFUSED;
		if (pim_get_text(o, s->field) == NULL)
			continue;
		head_put(&head, version, prop, s->types, s->mark ? s->field : NULL);
		pim_escape(&v, pim_get_text(o, s->field));
		if (head.failed || v.failed)
			out->failed = true;
		else
			vcard_put(out, version, head.p, v.p);
		pim_buf_fini(&v);
		pim_buf_fini(&head);
	}
	return PIM_OK;
}

static enum pim_rc
dates_put(struct pim_ctx *c, const json_t *o, int version, struct pim_buf *out)
{
	struct pim_buf head = { 0 }, v = { 0 };
	size_t i;

	for (i = 0; i < 2; i++) {
		const char *field = vcard_dates[i][0];
		int64_t ms, y;
		int m, d;

		if (pim_want(c, o, field, JSON_INTEGER) != PIM_OK)
			return PIM_REFUSED;
		if (!pim_get_int(o, field, &ms))
			continue;
		pim_civil_of_days(pim_day_floor(ms) / PIM_DAY_MS, &y, &m, &d);
		if (y < 1 || y > 9999)
			return pim_fail(c, PIM_REFUSED, "%s is outside the years 1 to 9999", field);
		head.len = v.len = 0;
		pim_buf_puts(&head, version == 40 || i == 0 ? vcard_dates[i][1] : vcard_dates[i][2]);
		if (version == 40 && y == VCARD_YEARLESS)
			pim_buf_printf(&v, "--%02d%02d", m, d);
		else if (version == 40)
			pim_buf_printf(&v, "%04d%02d%02d", (int)y, m, d);
		else
			pim_buf_printf(&v, "%04d-%02d-%02d", (int)y, m, d);
		if (version == 30 && y == VCARD_YEARLESS)
			pim_buf_printf(&head, ";X-APPLE-OMIT-YEAR=%d", VCARD_YEARLESS);
		if (head.failed || v.failed)
			out->failed = true;
		else
			pim_put_line(out, head.p, v.p);
	}
	pim_buf_fini(&head);
	pim_buf_fini(&v);
	return PIM_OK;
}

static enum pim_rc
photo_put(struct pim_ctx *c, const json_t *o, int version, struct pim_buf *out)
{
	const char *b64 = pim_get_text(o, "image1"), *type = pim_get_text(o, "image1_content_type");
	struct pim_buf raw = { 0 }, head = { 0 }, v = { 0 };
	enum pim_rc rc = pim_want(c, o, "image1_content_type", JSON_STRING);

	if (b64 == NULL || rc != PIM_OK)
		return rc;
	if (!pim_base64_decode(&raw, b64, strlen(b64)) || raw.len == 0) {
		pim_buf_fini(&raw);
		return pim_fail(c, PIM_REFUSED, "image1 is no base64 text");
	}
	if (type == NULL || strpbrk(type, " ;:,\"\r\n") != NULL)
		type = "";
	pim_buf_puts(&head, "PHOTO");
	if (version == 40) {
		pim_buf_puts(&v, "data:");
		pim_buf_puts(&v, type);
		pim_buf_puts(&v, ";base64,");
	} else {
		pim_buf_puts(&head, version == 21 ? ";ENCODING=BASE64" : ";ENCODING=b");
		if (*type != '\0') {
			pim_buf_puts(&head, ";TYPE=");
			pim_buf_puts(&head, strncmp(type, "image/", 6) == 0 ? type + 6 : type);
		}
	}
	pim_base64_encode(&v, raw.p, raw.len);
	if (head.failed || v.failed)
		out->failed = true;
	else
		pim_put_line(out, head.p, v.p);
	pim_buf_fini(&raw);
	pim_buf_fini(&head);
	pim_buf_fini(&v);
	return PIM_OK;
}

static enum pim_rc
flags_put(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	struct pim_buf head = { 0 }, v = { 0 };
	size_t i;
	int64_t n;

	if (pim_want(c, o, "private_flag", JSON_TRUE) != PIM_OK)
		return PIM_REFUSED;
	if (json_is_true(json_object_get(o, "private_flag")))
		pim_put_line(out, "CLASS", "PRIVATE");
	for (i = 0; vcard_ints[i] != NULL; i++) {
		if (pim_want(c, o, vcard_ints[i], JSON_INTEGER) != PIM_OK)
			return PIM_REFUSED;
		if (!pim_get_int(o, vcard_ints[i], &n))
			continue;
		head.len = v.len = 0;
		pim_buf_puts(&head, "X-OX-");
		pim_put_field(&head, vcard_ints[i]);
		pim_buf_printf(&v, "%lld", (long long)n);
		if (head.failed || v.failed)
			out->failed = true;
		else
			pim_put_line(out, head.p, v.p);
	}
	pim_buf_fini(&head);
	pim_buf_fini(&v);
	return PIM_OK;
}

enum pim_rc
pim_vcard_format(const json_t *object, const struct pim_options *opt, char **text, struct pim_error *err)
{
	struct pim_options defaults;
	struct pim_ctx c;
	struct pim_buf out = { 0 };
	enum pim_rc rc = PIM_OK;
	int version;
	size_t i;

	*text = NULL;
	pim_ctx_init(&c, opt, &defaults, NULL);
	version = c.opt->vcard_version == 21 || c.opt->vcard_version == 40 ? c.opt->vcard_version : 30;
	if (!json_is_object(object))
		rc = pim_fail(&c, PIM_REFUSED, "the contact is no JSON object");
	pim_put_line(&out, "BEGIN", "VCARD");
	pim_put_line(&out, "VERSION", version == 21 ? "2.1" : version == 40 ? "4.0" : "3.0");
	if (rc == PIM_OK)
		rc = texts_put(&c, object, version, &out);
	if (rc == PIM_OK)
		rc = structured_put(&c, object, version, &out);
	for (i = 0; i < 3 && rc == PIM_OK; i++)
		rc = address_put(&c, object, version, &vcard_adrs[i], &out);
	if (rc == PIM_OK)
		rc = slots_put(&c, object, version, "TEL", vcard_tels, &out);
	if (rc == PIM_OK)
		rc = slots_put(&c, object, version, "EMAIL", vcard_emails, &out);
	if (rc == PIM_OK)
		rc = dates_put(&c, object, version, &out);
	if (rc == PIM_OK)
		rc = photo_put(&c, object, version, &out);
	if (rc == PIM_OK)
		rc = flags_put(&c, object, &out);
	if (rc == PIM_OK && (json_is_true(json_object_get(object, "mark_as_distributionlist")) ||
	                     json_array_size(json_object_get(object, "distribution_list")) > 0))
		rc = vcard_list_format(&c, object, version, &out);
	if (rc == PIM_OK)
		pim_exact_put(&out, object);
	pim_put_line(&out, "END", "VCARD");
	if (rc == PIM_OK) {
		*text = pim_buf_take(&out);
		rc = *text == NULL ? PIM_NOMEM : PIM_OK;
	}
	pim_buf_fini(&out);
	pim_ctx_error(&c, rc, err);
	return rc;
}
