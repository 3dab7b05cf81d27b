/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Distribution lists: KIND:group with MEMBER (vCard 4) or the X-ADDRESSBOOKSERVER
 * properties (3.0) to and from distribution_list.  What those cannot say of a
 * member (its name, the contact it refers to) follows in X-OX-MEMBER of the same
 * group: display_name;sort_name;id;folder_id;mail_field.
 */
#include "vcard_int.h"

#include <stdlib.h>
#include <string.h>

bool
vcard_is_list(const struct pim_comp *card)
{
	const struct pim_line *k = pim_line_first(card, "KIND");

	if (k == NULL)
		k = pim_line_first(card, "X-ADDRESSBOOKSERVER-KIND");
	return k != NULL && pim_same(k->value, "group");
}

static bool
is_member(const struct pim_line *l)
{
	return strcmp(l->name, "MEMBER") == 0 || strcmp(l->name, "X-ADDRESSBOOKSERVER-MEMBER") == 0;
}

/* "urn:uuid:X" and "X" name the same card. */
static const char *
bare_uid(const char *uid)
{
	return strncmp(uid, "urn:uuid:", 9) == 0 ? uid + 9 : uid;
}

/* The cards below ALL by UID.  The value is the card's address: they live as long as the index. */
static bool
index_make(struct pim_ctx *c, const struct pim_comp *all)
{
	const struct pim_comp *k;

	c->uids = json_object();
	for (k = all->kids; k != NULL && c->uids != NULL; k = k->next) {
		const struct pim_line *u = pim_line_first(k, "UID");

		if (u != NULL && !u->binary && json_object_set_new(c->uids, bare_uid(u->value), json_integer((json_int_t)(intptr_t)k)) != 0)
			return false;
	}
	return c->uids != NULL;
}

/* The card with this UID or NULL; false: out of memory. */
static bool
card_find(struct pim_ctx *c, const struct pim_comp *all, const char *uid, const struct pim_comp **card)
{
	const json_t *at;

	*card = NULL;
	if (all == NULL)
		return true;
	if (c->uids == NULL && !index_make(c, all))
		return false;
	at = json_object_get(c->uids, bare_uid(uid));
	if (at != NULL)
		*card = (const struct pim_comp *)(intptr_t)json_integer_value(at);
	return true;
}

/* A text property of a card into a member of M, if it has one. */
static bool
copy_text(const struct pim_comp *card, const char *prop, json_t *m, const char *field)
{
	const struct pim_line *l = pim_line_first(card, prop);
	char *text;
	bool ok;

	if (l == NULL || l->value_len == 0)
		return true;
	text = pim_line_text(l);
	ok = text != NULL && json_object_set_new(m, field, json_string(text)) == 0;
	free(text);
	return ok;
}

/* The member's mail address and name from another card of the file. */
static enum pim_rc
member_lookup(struct pim_ctx *c, const struct pim_comp *all, const char *uid, json_t *m)
{
	const struct pim_comp *card;

	if (!card_find(c, all, uid, &card))
		return PIM_NOMEM;
	if (card == NULL)
		return PIM_OK;
	return copy_text(card, "EMAIL", m, "mail") && copy_text(card, "FN", m, "display_name") ? PIM_OK : PIM_NOMEM;
}

/* The details that this module wrote beside the member. */
static enum pim_rc
member_details(struct pim_ctx *c, struct pim_comp *card, const char *group, json_t *m)
{
	static const char *const fields[] = { "display_name", "sort_name", "id", "folder_id", "mail_field" };
	struct pim_line *l;
	const char *s;
	enum pim_rc rc = PIM_OK;
	size_t i;

	if (*group == '\0')
		return PIM_OK;
	for (l = card->lines; l != NULL; l = l->next) {
		if (strcmp(l->name, "X-OX-MEMBER") == 0 && strcmp(l->group, group) == 0 && !l->used)
			break;
	}
	if (l == NULL)
		return PIM_OK;
	l->used = true;
	for (i = 0, s = l->value; s != NULL && i < 5 && rc == PIM_OK; i++) {
		struct pim_buf b = { 0 };
		int64_t v;

		s = pim_unescape(&b, s, ';');
		if (b.failed)
			rc = PIM_NOMEM;
		else if (b.len == 0)
			;
		else if (i == 4 && pim_int_parse(b.p, 0, 3, &v))
			rc = pim_set_new(c, m, fields[i], json_integer(v));
		else if (i < 4)
			rc = pim_set_text(c, m, fields[i], b.p, 320);
		pim_buf_fini(&b);
	}
	return rc;
}

static enum pim_rc
member_read(struct pim_ctx *c, struct pim_comp *card, const struct pim_comp *all, struct pim_line *l, json_t *list)
{
	json_t *m = json_object();
	char *uri = m == NULL ? NULL : pim_mail_of_uri(l->value);
	enum pim_rc rc = PIM_OK;

	if (uri == NULL) {
		json_decref(m);
		return PIM_NOMEM;
	}
	if (strncmp(uri, "urn:", 4) != 0 && strchr(uri, '@') != NULL)
		rc = pim_set_text(c, m, "mail", uri, 256);
	else if (strncmp(uri, "urn:x-ox:", 9) != 0)
		rc = member_lookup(c, all, uri, m);
	if (rc == PIM_OK)
		rc = member_details(c, card, l->group, m);
	if (rc == PIM_OK && json_object_get(m, "mail") == NULL && json_object_get(m, "id") == NULL) {
		pim_note(c, PIM_PROBLEM_DROPPED, "line %zu: the member has no address and is no card with one in this file",
		         l->lineno);
	} else if (rc == PIM_OK) {
		if (json_object_get(m, "mail_field") == NULL)
			rc = pim_set_new(c, m, "mail_field", json_integer(0));
		if (rc == PIM_OK && json_array_append(list, m) != 0)
			rc = PIM_NOMEM;
	}
	free(uri);
	json_decref(m);
	return rc;
}

enum pim_rc
vcard_list_parse(struct pim_ctx *c, struct pim_comp *card, const struct pim_comp *all, json_t *o)
{
	json_t *list = json_array();
	struct pim_line *l;
	enum pim_rc rc = list == NULL ? PIM_NOMEM : PIM_OK;

	for (l = card->lines; l != NULL && rc == PIM_OK; l = l->next) {
		if (!is_member(l))
			continue;
		if (json_array_size(list) >= c->opt->max_members)
			rc = pim_fail(c, PIM_LIMIT, "the list has more than %zu members", c->opt->max_members);
		l->used = true;
		if (rc == PIM_OK)
			rc = member_read(c, card, all, l, list);
	}
	if (rc == PIM_OK)
		rc = pim_set_new(c, o, "mark_as_distributionlist", json_true());
	if (rc == PIM_OK)
		rc = pim_set_new(c, o, "distribution_list", json_incref(list));
	json_decref(list);
	return rc;
}

static enum pim_rc
member_format(struct pim_ctx *c, const json_t *m, size_t i, int version, struct pim_buf *out)
{
	const char *mail = pim_get_text(m, "mail"), *texts[4] = { pim_get_text(m, "display_name"),
		pim_get_text(m, "sort_name"), pim_get_text(m, "id"), pim_get_text(m, "folder_id") };
	struct pim_buf name = { 0 }, value = { 0 };
	enum pim_rc rc = PIM_OK;
	int64_t field = 0;
	size_t k;

	if (!json_is_object(m))
		return pim_fail(c, PIM_REFUSED, "distribution_list: member %zu is no object", i);
	pim_buf_printf(&name, "m%zu.%s", i, version == 40 ? "MEMBER" : "X-ADDRESSBOOKSERVER-MEMBER");
	if (mail != NULL) {
		pim_buf_puts(&value, "mailto:");
		pim_percent_encode(&value, mail);
	} else {
		pim_buf_printf(&value, "urn:x-ox:%zu", i);
	}
	if (!name.failed && !value.failed)
		pim_put_line(out, name.p, value.p);
	pim_buf_fini(&value);
	for (k = 0; k < 4; k++) {
		if (texts[k] != NULL && !pim_text_plain(texts[k]))
			rc = pim_fail(c, PIM_REFUSED, "distribution_list: member %zu holds a control character", i);
		pim_escape(&value, texts[k] == NULL ? "" : texts[k]);
		pim_buf_putc(&value, ';');
	}
	pim_get_int(m, "mail_field", &field);
	pim_buf_printf(&value, "%d", (int)field);
	name.len = 0;
	pim_buf_printf(&name, "m%zu.X-OX-MEMBER", i);
	if (name.failed || value.failed)
		out->failed = true;
	else
		vcard_put(out, version, name.p, value.p);
	pim_buf_fini(&name);
	pim_buf_fini(&value);
	return rc;
}

enum pim_rc
vcard_list_format(struct pim_ctx *c, const json_t *o, int version, struct pim_buf *out)
{
	const json_t *list = json_object_get(o, "distribution_list");
	enum pim_rc rc = pim_want(c, o, "distribution_list", JSON_ARRAY);
	size_t i;

	pim_put_line(out, version == 40 ? "KIND" : "X-ADDRESSBOOKSERVER-KIND", "group");
	for (i = 0; i < json_array_size(list) && rc == PIM_OK; i++)
		rc = member_format(c, json_array_get(list, i), i + 1, version, out);
	return rc;
}
