/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One vCard component to an OX contact.  Which property is which field is in
 * vcard_fields.c; here is how foreign cards, with their many ways to say the same,
 * are fitted to the numbered fields.
 */
#include "vcard_int.h"

#include <stdlib.h>
#include <string.h>

/* Where numbers and addresses go that carry no X-OX-FIELD: the first row whose words are all
 * among the types; the first of its fields that is free. */
struct route {
	const char *words, *fields;
};

static const struct route tel_routes[] = {
	{ "FAX WORK", "fax_business fax_other" },
	{ "FAX HOME", "fax_home fax_other" },
	{ "FAX", "fax_other fax_business fax_home" },
	{ "PAGER", "telephone_pager" },
	{ "CAR", "telephone_car" },
	{ "ISDN", "telephone_isdn" },
	{ "TEXTPHONE", "telephone_ttytdd" },
	{ "TLX", "telephone_telex" },
	{ "X-TELEX", "telephone_telex" },
	{ "X-COMPANY", "telephone_company" },
	{ "MAIN", "telephone_company telephone_business1 telephone_business2" },
	{ "X-CALLBACK", "telephone_callback" },
	{ "X-RADIO", "telephone_radio" },
	{ "X-IP", "telephone_ip" },
	{ "X-ASSISTANT", "telephone_assistant" },
	{ "CELL", "cellular_telephone1 cellular_telephone2 telephone_other" },
	{ "MOBILE", "cellular_telephone1 cellular_telephone2 telephone_other" },
	{ "IPHONE", "cellular_telephone1 cellular_telephone2 telephone_other" },
	{ "WORK", "telephone_business1 telephone_business2 telephone_company telephone_other" },
	{ "HOME", "telephone_home1 telephone_home2 telephone_other" },
	{ "PREF", "telephone_primary telephone_other" },
	{ "", "telephone_other telephone_primary telephone_callback" },
	{ NULL, NULL }
};

static const struct route email_routes[] = {
	{ "WORK", "email1 email2 email3" },
	{ "HOME", "email2 email3 email1" },
	{ "", "email1 email2 email3" },
	{ NULL, NULL }
};

/* The next space separated word of *S into WORD; false at the end. */
static bool
next_word(const char **s, char *word, size_t size)
{
	size_t n;

	*s += strspn(*s, " ");
	n = strcspn(*s, " ");
	if (n == 0 || n >= size)
		return false;
	memcpy(word, *s, n);
	word[n] = '\0';
	*s += n;
	return true;
}

static const struct route *
route_find(const struct route *r, const struct pim_line *l)
{
	char word[24];

	for (; r->words != NULL; r++) {
		const char *s = r->words;
		bool all = true;

		while (all && next_word(&s, word, sizeof(word)))
			all = pim_param_has(l, "TYPE", word);
		if (all)
			return r;
	}
	return NULL;
}

static const struct vcard_slot *
slot_by_field(const struct vcard_slot *slots, const char *field)
{
	while (slots->field != NULL && strcmp(slots->field, field) != 0)
		slots++;
	return slots->field != NULL ? slots : NULL;
}

/* The slot that line L goes to, NULL if every fitting one is taken. */
static const struct vcard_slot *
slot_for(const struct vcard_slot *slots, const struct route *routes, const struct pim_line *l,
         const json_t *o, bool marked)
{
	const char *mark = pim_param(l, "X-OX-FIELD"), *fields;
	const struct route *r;
	char word[32];

	if (marked) {
		for (; slots->field != NULL; slots++) {
			if (pim_field_is(mark, slots->field) && json_object_get(o, slots->field) == NULL)
				return slots;
		}
		return NULL;
	}
	r = route_find(routes, l);
	for (fields = r == NULL ? "" : r->fields; next_word(&fields, word, sizeof(word));) {
		if (json_object_get(o, word) == NULL)
			return slot_by_field(slots, word);
	}
	return NULL;
}

static bool
email_usable(const char *s)
{
	const char *at = strrchr(s, '@');

	return at != NULL && at != s && at[1] != '\0' && strpbrk(s, " \t\r\n<>") == NULL;
}

/* Lines NAME to the slots: marked ones, then those with a place (work, home, fax), then the rest. */
static enum pim_rc
slots_read(struct pim_ctx *c, struct pim_comp *card, const char *name, const struct vcard_slot *slots,
           const struct route *routes, json_t *o)
{
	enum pim_rc rc = PIM_OK;
	struct pim_line *l;
	int pass;

	for (pass = 0; pass < 3; pass++) {
		for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
			const struct vcard_slot *slot;
			const struct route *r;
			char *v, *text;

			if (l->used || strcmp(l->name, name) != 0)
				continue;
			r = route_find(routes, l);
			if ((pass == 0 && pim_param(l, "X-OX-FIELD") == NULL) ||
			    (pass == 1 && (r == NULL || *r->words == '\0')))
				continue;
			slot = slot_for(slots, routes, l, o, pass == 0);
			if (slot == NULL)
				continue;	/* a later pass, or the report of what is left */
			v = text = pim_line_text(l);
			if (text == NULL)
				return PIM_NOMEM;
			if (pim_same(pim_param(l, "VALUE"), "uri") && strncmp(v, "tel:", 4) == 0)
				v += 4;
			l->used = true;
			if (slots == vcard_emails && *v != '\0' && !email_usable(v))
				rc = pim_bend(c, "%s: \"%.80s\" is no e-mail address", slot->field, v);
			else
				rc = pim_set_text(c, o, slot->field, v, slot->max);
			free(text);
		}
	}
	return rc;
}

/* Components of a structured value into the fields of PARTS; what has no field is given to REST. */
static enum pim_rc
parts_read(struct pim_ctx *c, const struct pim_line *l, const struct vcard_part *parts, bool commas_join,
           struct pim_buf *rest, json_t *o)
{
	struct pim_buf src = { 0 };
	const char *s, *p;
	enum pim_rc rc = PIM_OK;
	unsigned i;

	for (p = l->value; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			pim_buf_putc(&src, *p++);
			pim_buf_putc(&src, *p);
		} else {
			pim_buf_putc(&src, *p == ',' && commas_join ? ' ' : *p);
		}
	}
	for (i = 0, s = src.p; s != NULL && rc == PIM_OK; i++) {
		struct pim_buf b = { 0 }, n = { 0 };
		const struct vcard_part *q;

		s = pim_unescape(&b, s, ';');
		pim_text_normalise(&n, b.p == NULL ? "" : b.p);
		for (q = parts; q->field != NULL && q->index != i; q++)
			;
		if (b.failed || n.failed)
			rc = PIM_NOMEM;
		else if (q->field != NULL)
			rc = pim_set_text(c, o, q->field, n.p, q->max);
		else if (n.len > 0) {
			if (rest->len > 0)
				pim_buf_puts(rest, ", ");
			pim_buf_puts(rest, n.p);
		}
		pim_buf_fini(&b);
		pim_buf_fini(&n);
	}
	if (src.failed || rest->failed)
		rc = PIM_NOMEM;
	pim_buf_fini(&src);
	return rc;
}

/* Append EXTRA to a text field, separated by SEP. */
static enum pim_rc
text_append(struct pim_ctx *c, json_t *o, const char *field, const char *sep, const char *extra, size_t max)
{
	const char *old = pim_get_text(o, field);
	struct pim_buf b = { 0 };
	enum pim_rc rc;

	if (old != NULL) {
		pim_buf_puts(&b, old);
		pim_buf_puts(&b, sep);
	}
	pim_buf_puts(&b, extra);
	rc = b.failed ? PIM_NOMEM : pim_set_text(c, o, field, b.p, max);
	pim_buf_fini(&b);
	return rc;
}

static enum pim_rc
structured_read(struct pim_ctx *c, struct pim_comp *card, bool old, json_t *o)
{
	struct pim_line *n = pim_line_first(card, "N"), *org = pim_line_first(card, "ORG");
	struct pim_buf rest = { 0 };
	enum pim_rc rc = PIM_OK;

	if (n != NULL) {
		n->used = true;
		rc = parts_read(c, n, vcard_name_parts, !old, &rest, o);
		pim_buf_fini(&rest);	/* a sixth component has no meaning */
	}
	if (rc == PIM_OK && org != NULL) {
		org->used = true;
		rc = parts_read(c, org, vcard_org_parts, false, &rest, o);
		if (rc == PIM_OK && rest.len > 0)
			rc = text_append(c, o, "department", ", ", rest.p, 128);
	}
	pim_buf_fini(&rest);
	return rc;
}

static const struct vcard_adr *
adr_of(const struct pim_line *l)
{
	return pim_param_has(l, "TYPE", "WORK") ? &vcard_adrs[1] :
	       pim_param_has(l, "TYPE", "HOME") ? &vcard_adrs[0] : &vcard_adrs[2];
}

static bool
adr_taken(const struct vcard_adr *a, const json_t *o)
{
	const struct vcard_part *p;

	for (p = a->parts; p->field != NULL; p++) {
		if (json_object_get(o, p->field) != NULL)
			return true;
	}
	return false;
}

static enum pim_rc
addresses_read(struct pim_ctx *c, struct pim_comp *card, json_t *o)
{
	struct pim_line *l;
	enum pim_rc rc = PIM_OK;

	for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
		const struct vcard_adr *a = adr_of(l);
		struct pim_buf rest = { 0 };

		if (strcmp(l->name, "ADR") == 0) {
			const char *label = pim_param(l, "LABEL");

			if (adr_taken(a, o))
				a = &vcard_adrs[2];
			if (adr_taken(a, o))
				continue;
			l->used = true;
			rc = parts_read(c, l, a->parts, false, &rest, o);
			if (rc == PIM_OK && rest.len > 0)	/* post office box, extended address */
				rc = text_append(c, o, a->parts[0].field, "\n", rest.p, a->parts[0].max);
			if (rc == PIM_OK && label != NULL)
				rc = pim_set_text(c, o, a->label, label, 512);
		} else if (strcmp(l->name, "LABEL") == 0 && json_object_get(o, a->label) == NULL) {
			char *text = pim_line_text(l);

			l->used = true;
			rc = text == NULL ? PIM_NOMEM : pim_set_text(c, o, a->label, text, 512);
			free(text);
		}
		pim_buf_fini(&rest);
	}
	return rc;
}

/* YYYY-MM-DD, YYYYMMDD, --MM-DD, --MMDD, each with anything behind a 'T'. */
static bool
date_parse(const char *s, int64_t *ms)
{
	int v[8], n = 0, m, d;
	int64_t y;
	bool yearless;

	s += strspn(s, " ");
	yearless = strncmp(s, "--", 2) == 0;
	for (s += yearless ? 2 : 0; *s != '\0' && *s != 'T' && *s != 't' && *s != ' '; s++) {
		if (*s == '-')
			continue;
		if (*s < '0' || *s > '9' || n == 8)
			return false;
		v[n++] = *s - '0';
	}
	if (n != (yearless ? 4 : 8))
		return false;
	y = yearless ? VCARD_YEARLESS : v[0] * 1000 + v[1] * 100 + v[2] * 10 + v[3];
	m = v[n - 4] * 10 + v[n - 3];
	d = v[n - 2] * 10 + v[n - 1];
	if (y == 0)
		y = VCARD_YEARLESS;
	if (!pim_civil_valid(y, m, d))
		return false;
	*ms = pim_days_of_civil(y, m, d) * PIM_DAY_MS;
	return true;
}

/* What Apple's address book calls the line: the X-ABLABEL of the same group. */
static const char *
group_label(const struct pim_comp *card, const struct pim_line *l)
{
	struct pim_line *k;

	if (card->nlines > 1000)	/* no address book of Apple's: the search is not worth its time */
		return "";
	for (k = card->lines; k != NULL && *l->group != '\0'; k = k->next) {
		if (strcmp(k->name, "X-ABLABEL") == 0 && strcmp(k->group, l->group) == 0)
			return k->value;
	}
	return "";
}

static enum pim_rc
dates_read(struct pim_ctx *c, struct pim_comp *card, json_t *o)
{
	struct pim_line *l;
	enum pim_rc rc = PIM_OK;
	size_t i;

	for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
		for (i = 0; i < 2; i++) {
			int64_t ms;
			bool hit = strcmp(l->name, vcard_dates[i][1]) == 0 ||
			           (vcard_dates[i][2] != NULL && strcmp(l->name, vcard_dates[i][2]) == 0) ||
			           (i == 1 && (strcmp(l->name, "X-EVOLUTION-ANNIVERSARY") == 0 ||
			                       (strcmp(l->name, "X-ABDATE") == 0 &&
			                        strstr(group_label(card, l), "Anniversary") != NULL)));

			if (!hit || json_object_get(o, vcard_dates[i][0]) != NULL || !date_parse(l->value, &ms))
				continue;
			l->used = true;
			rc = pim_set_new(c, o, vcard_dates[i][0], json_integer(ms));
		}
	}
	return rc;
}

static const char *
image_type(const unsigned char *p, size_t n)
{
	return n > 3 && memcmp(p, "\xff\xd8\xff", 3) == 0 ? "image/jpeg" :
	       n > 8 && memcmp(p, "\x89PNG", 4) == 0 ? "image/png" :
	       n >= 6 && memcmp(p, "GIF8", 4) == 0 ? "image/gif" :
	       n > 2 && memcmp(p, "BM", 2) == 0 ? "image/bmp" : NULL;
}

/* "png" or "image/png", in letters that can stand in every version's parameter; anything else says nothing. */
static bool
type_is_plain(const char *type)
{
	const char *slash = strchr(type, '/');
	size_t n = strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-/");

	return type[0] != '\0' && type[n] == '\0' && (slash == NULL || (slash > type && slash[1] != '\0' && strchr(slash + 1, '/') == NULL));
}

static enum pim_rc
photo_set(struct pim_ctx *c, json_t *o, const void *data, size_t n, const char *type)
{
	struct pim_buf b64 = { 0 }, t = { 0 };
	enum pim_rc rc = PIM_NOMEM;

	pim_base64_encode(&b64, data, n);
	if (type != NULL && type_is_plain(type)) {
		if (strchr(type, '/') == NULL)
			pim_buf_puts(&t, "image/");
		for (; *type != '\0'; type++)
			pim_buf_putc(&t, *type >= 'A' && *type <= 'Z' ? (char)(*type + 32) : *type);
	} else if (image_type(data, n) != NULL) {
		pim_buf_puts(&t, image_type(data, n));
	}
	if (!b64.failed && !t.failed)
		rc = pim_set_new(c, o, "image1", json_string(b64.p));
	if (rc == PIM_OK && t.p != NULL)
		rc = pim_set_text(c, o, "image1_content_type", t.p, 32);
	pim_buf_fini(&b64);
	pim_buf_fini(&t);
	return rc;
}

static enum pim_rc
photo_read(struct pim_ctx *c, struct pim_comp *card, json_t *o)
{
	struct pim_line *l = pim_line_first(card, "PHOTO");
	const char *p, *semi;
	struct pim_buf raw = { 0 };
	char type[64] = "";
	enum pim_rc rc = PIM_OK;

	if (l == NULL || l->value_len == 0)
		return PIM_OK;
	if (l->binary) {
		const struct pim_param *t;

		for (t = l->params; t != NULL; t = t->next) {	/* 2.1: TYPE also holds BASE64 */
			if (strcmp(t->name, "TYPE") == 0 && !pim_same(t->value, "BASE64") && strlen(t->value) < 60)
				memcpy(type, t->value, strlen(t->value) + 1);
		}
		l->used = true;
		return photo_set(c, o, l->value, l->value_len, type);
	}
	if (l->value_len < 6 || strncmp(l->value, "data:", 5) != 0)
		return PIM_OK;	/* a link: nothing is fetched here, the report names it */
	p = strchr(l->value, ',');
	semi = strchr(l->value, ';');
	if (p == NULL || semi == NULL || semi > p || p - l->value < 12 || strncmp(p - 7, ";base64", 7) != 0)
		return PIM_OK;
	if (pim_base64_decode(&raw, p + 1, strlen(p + 1)) && raw.len > 0) {
		if (semi - (l->value + 5) < 60)
			memcpy(type, l->value + 5, (size_t)(semi - (l->value + 5)));
		l->used = true;
		rc = photo_set(c, o, raw.p, raw.len, type);
	}
	pim_buf_fini(&raw);
	return rc;
}

static enum pim_rc
texts_read(struct pim_ctx *c, struct pim_comp *card, json_t *o)
{
	struct pim_line *l;
	enum pim_rc rc = PIM_OK;

	for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
		const struct vcard_text *t;
		const char *mark = pim_param(l, "X-OX-FIELD");
		bool joins;
		char *s;

		for (t = vcard_texts; t->field != NULL; t++) {
			if (strcmp(l->name, t->prop) == 0 || (t->also != NULL && strcmp(l->name, t->also) == 0))
				break;
		}
		if (t->field == NULL)
			continue;
		if (pim_same(mark, "NONE")) {	/* made up for readers that insist on it */
			l->used = true;
			continue;
		}
		joins = strcmp(t->field, "note") == 0 || strcmp(t->field, "categories") == 0;
		if (json_object_get(o, t->field) != NULL && !joins)
			continue;
		s = pim_line_text(l);
		if (s == NULL)
			return PIM_NOMEM;
		l->used = true;
		if (*s != '\0' && joins)
			rc = text_append(c, o, t->field, *t->field == 'n' ? "\n\n" : ",", s, t->max);
		else
			rc = pim_set_text(c, o, t->field, s, t->max);
		free(s);
	}
	return rc;
}

/* Properties of other programs for fields that vCard itself does not have. */
static enum pim_rc
foreign_read(struct pim_ctx *c, struct pim_comp *card, json_t *o)
{
	static const char *const chats[] = { "IMPP", "X-JABBER", "X-SKYPE", "X-SKYPE-USERNAME", "X-ICQ", "X-AIM",
	                                     "X-MSN", "X-YAHOO", "X-GADUGADU", "X-GROUPWISE", "X-GTALK", NULL };
	struct pim_line *l;
	enum pim_rc rc = PIM_OK;

	for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
		const char *field = NULL, *label, *mark = pim_param(l, "X-OX-FIELD");
		char *s;
		size_t i;

		if (l->used || l->value_len == 0)
			continue;
		for (i = 0; chats[i] != NULL; i++) {
			if (strcmp(l->name, chats[i]) == 0)
				field = pim_field_is(mark, "instant_messenger2") ||
				        json_object_get(o, "instant_messenger1") != NULL ?
				        "instant_messenger2" : "instant_messenger1";
		}
		if (strcmp(l->name, "X-SPOUSE") == 0 || strcmp(l->name, "X-KADDRESSBOOK-X-SPOUSESNAME") == 0)
			field = "spouse_name";
		else if (strcmp(l->name, "X-MANAGER") == 0 || strcmp(l->name, "X-MS-MANAGER") == 0)
			field = "manager_name";
		else if (strcmp(l->name, "X-ASSISTANT") == 0 || strcmp(l->name, "X-MS-ASSISTANT") == 0)
			field = "assistant_name";
		else if (strcmp(l->name, "X-ABRELATEDNAMES") == 0) {
			label = group_label(card, l);
			field = strstr(label, "Spouse") != NULL ? "spouse_name" :
			        strstr(label, "Manager") != NULL ? "manager_name" :
			        strstr(label, "Assistant") != NULL ? "assistant_name" : NULL;
		} else if (strcmp(l->name, "RELATED") == 0 && pim_same(pim_param(l, "VALUE"), "text") &&
		           pim_param_has(l, "TYPE", "spouse"))
			field = "spouse_name";
		if (field == NULL || json_object_get(o, field) != NULL)
			continue;
		s = pim_line_text(l);
		l->used = true;
		rc = s == NULL ? PIM_NOMEM : pim_set_text(c, o, field, s, 64);
		free(s);
	}
	return rc;
}

static enum pim_rc
flags_read(struct pim_ctx *c, struct pim_comp *card, json_t *o)
{
	struct pim_line *l;
	struct pim_buf name = { 0 };
	enum pim_rc rc = PIM_OK;
	size_t i;

	for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
		if (strcmp(l->name, "CLASS") == 0) {
			l->used = true;
			if (pim_same(l->value, "PRIVATE") || pim_same(l->value, "CONFIDENTIAL"))
				rc = pim_set_new(c, o, "private_flag", json_true());
		}
		for (i = 0; vcard_ints[i] != NULL && rc == PIM_OK; i++) {
			int64_t v;

			name.len = 0;
			pim_buf_puts(&name, "X-OX-");
			pim_put_field(&name, vcard_ints[i]);
			if (name.p == NULL || strcmp(l->name, name.p) != 0)
				continue;
			l->used = true;
			if (pim_int_parse(l->value, INT32_MIN, INT32_MAX, &v))
				rc = pim_set_new(c, o, vcard_ints[i], json_integer(v));
			else
				rc = pim_bend(c, "%s is no whole number of 32 bits", vcard_ints[i]);
		}
	}
	pim_buf_fini(&name);
	return rc;
}

/* Name what was left over, except what only describes the card itself. */
static void
report_rest(struct pim_ctx *c, const struct pim_comp *card)
{
	static const char *const technical[] = { "VERSION", "PRODID", "REV", "PROFILE", "NAME", "SOURCE", "KIND",
	                                         "X-ADDRESSBOOKSERVER-KIND", "SORT-STRING", "X-ABLABEL", NULL };
	const struct pim_line *l;
	const struct pim_comp *k;
	size_t i;

	for (l = card->lines; l != NULL; l = l->next) {
		for (i = 0; technical[i] != NULL && strcmp(technical[i], l->name) != 0; i++)
			;
		if (!l->used && technical[i] == NULL && l->value_len > 0)
			pim_note(c, PIM_PROBLEM_DROPPED, "line %zu: %s was left out, there is no field for it",
			         l->lineno, l->name);
	}
	for (k = card->kids; k != NULL; k = k->next)
		pim_note(c, PIM_PROBLEM_DROPPED, "line %zu: the %s inside the card was left out", k->lineno, k->name);
	if (card->junk > 0)
		pim_note(c, PIM_PROBLEM_DROPPED, "%zu lines of the card beginning at line %zu make no sense",
		         card->junk, card->lineno);
}

enum pim_rc
vcard_card_parse(struct pim_ctx *c, struct pim_comp *card, const struct pim_comp *all, json_t **object,
                 bool *is_list)
{
	struct pim_line *version = pim_line_first(card, "VERSION");
	bool old = version != NULL && strncmp(version->value, "2.", 2) == 0;
	json_t *o = json_object();
	enum pim_rc rc = PIM_OK;

	*object = NULL;
	*is_list = vcard_is_list(card);
	if (o == NULL)
		return PIM_NOMEM;
	if (card->overfull)
		rc = pim_fail(c, PIM_LIMIT, "the card at line %zu has more than %zu lines or a line over %zu bytes",
		              card->lineno, c->opt->max_lines, c->opt->max_line_bytes);
	else if (card->open)
		rc = pim_bend(c, "the card at line %zu is cut off before its END:VCARD", card->lineno);
	if (rc == PIM_OK)
		rc = texts_read(c, card, o);
	if (rc == PIM_OK)
		rc = structured_read(c, card, old, o);
	if (rc == PIM_OK)
		rc = addresses_read(c, card, o);
	if (rc == PIM_OK)
		rc = slots_read(c, card, "TEL", vcard_tels, tel_routes, o);
	if (rc == PIM_OK && !*is_list)
		rc = slots_read(c, card, "EMAIL", vcard_emails, email_routes, o);
	if (rc == PIM_OK)
		rc = dates_read(c, card, o);
	if (rc == PIM_OK)
		rc = photo_read(c, card, o);
	if (rc == PIM_OK)
		rc = foreign_read(c, card, o);
	if (rc == PIM_OK)
		rc = flags_read(c, card, o);
	if (rc == PIM_OK && *is_list)
		rc = vcard_list_parse(c, card, all, o);
	if (rc == PIM_OK)
		rc = pim_exact_read(card, o);
	if (rc == PIM_OK && json_object_size(o) == (json_object_get(o, "uid") != NULL))
		rc = pim_fail(c, PIM_REFUSED, "the card at line %zu holds nothing that a contact has a field for",
		              card->lineno);
	if (rc != PIM_OK) {
		json_decref(o);
		return rc;
	}
	report_rest(c, card);
	*object = o;
	return PIM_OK;
}

enum pim_rc
pim_vcard_parse(const char *text, size_t len, const struct pim_options *opt, json_t **object,
                struct pim_report *report, struct pim_error *err)
{
	struct pim_options defaults;
	struct pim_ctx c;
	struct pim_mem mem = { 0 };
	struct pim_comp *root = NULL, *card;
	char *owned = NULL;
	bool is_list;
	enum pim_rc rc;

	*object = NULL;
	pim_ctx_init(&c, opt, &defaults, report);
	if (len > c.opt->max_file_bytes)
		rc = pim_fail(&c, PIM_LIMIT, "the text is larger than %zu bytes", c.opt->max_file_bytes);
	else
		rc = pim_file_text(&text, &len, &owned) ? pim_lines_read(&c, &mem, text, len, &root) : PIM_NOMEM;
	if (rc == PIM_OK) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): pim_fail returns what it is given, and OK means a root */
		for (card = root->kids; card != NULL && strcmp(card->name, "VCARD") != 0; card = card->next)
			;
		rc = card != NULL ? vcard_card_parse(&c, card, root, object, &is_list) :
		     pim_fail(&c, PIM_REFUSED, "there is no BEGIN:VCARD in the text");
	}
	json_decref(c.uids);
	pim_mem_fini(&mem);
	free(owned);
	pim_ctx_error(&c, rc, err);
	return rc;
}
