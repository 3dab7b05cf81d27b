/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a search asks OX: which fields it looks in, columns, filters of contacts and mails, patterns of appointments and tasks. */
#include "backend/search_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const fields_contact[] = { "display_name", "first_name", "last_name", "second_name", "nickname", "company", "department", "position",
	"email1", "email2", "email3", "telephone_business1", "telephone_business2", "telephone_home1", "telephone_home2", "cellular_telephone1",
	"cellular_telephone2", "city_business", "city_home", "categories", "note", NULL };
static const char *const fields_pim[] = { "title", "note", "categories", NULL };
static const char *const fields_mail[] = { "from", "to", "cc", "subject", NULL };

const char *const *
search_fields(enum content ct)
{
	return ct == CT_CONTACT ? fields_contact : ct == CT_MAIL ? fields_mail : fields_pim;
}

static void
columns_more(struct columns *c, const struct content_type *t, const char *const *fields)
{
	for (; *fields != NULL; fields++) {
		int i = model_field(t, *fields);
		size_t len = strlen(c->text);

		for (size_t k = 0; k < c->n && i >= 0; k++)
			if (c->field[k] == i)
				i = -1;
		if (i < 0 || c->n == ARRAY_LEN(c->field))
			continue;
		(void)snprintf(c->text + len, sizeof(c->text) - len, ",%d", t->fields[i].column);
		c->field[c->n++] = (uint8_t)i;
	}
}

void
search_columns(struct searching *x)
{
	static const char *const always_contact[] = { "folder_id", "display_name", NULL };
	const struct ox_search *q = x->q;
	const struct content_type *t = model_content(q->ct);
	bool special = word_special(q->from) || word_special(q->to) || word_special(q->subject);

	x->c = *columns_listed(q->ct);
	for (size_t i = 0; i < q->n_words; i++)
		special = special || word_special(q->words[i]);
	if (q->ct == CT_CONTACT)
		columns_more(&x->c, t, always_contact);
	if (special)
		columns_more(&x->c, t, search_fields(q->ct));
}

static enum rc
term(struct searching *x, struct buf *b, const char *op, const char *field, const char *before, const char *word, const char *after, struct err *e)
{
	char *pattern = word_pattern(x->a, before, word, after);

	if (pattern == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a search");
	buf_addf(b, ",[\"%s\",{\"field\":\"%s\"},", op, field);
	json_text_string(b, pattern, strlen(pattern));
	buf_addc(b, ']');
	return RC_OK;
}

/* ,["or",[..],..]: WORD is in one of the fields */
static enum rc
term_somewhere(struct searching *x, struct buf *b, const char *word, struct err *e)
{
	const char *around = x->q->ct == CT_MAIL ? "" : "*";
	enum rc rc = RC_OK;

	buf_adds(b, ",[\"or\"");
	for (const char *const *f = search_fields(x->q->ct); *f != NULL && rc == RC_OK; f++)
		rc = term(x, b, "=", *f, around, word, around, e);
	buf_addc(b, ']');
	return rc;
}

/* What a mail's text holds does not come with the hits: special characters part it, each piece must be in it, and ox_mail_says reads the rest. */
static enum rc
term_body(struct searching *x, struct buf *b, const char *body, struct err *e)
{
	char *rest = NULL, *copy = arena_strdup(x->a, body);
	enum rc rc = copy != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a search");

	for (char *p = copy != NULL ? strtok_r(copy, BODY_SPECIAL, &rest) : NULL; p != NULL; p = strtok_r(NULL, BODY_SPECIAL, &rest)) {
		if (p[strspn(p, " ")] == '\0')
			continue;
		buf_adds(b, ",[\"=\",{\"field\":\"content\"},");
		json_text_string(b, p, strlen(p));
		buf_addc(b, ']');
	}
	return rc;
}

static void
term_day(struct buf *b, const char *op, msec_t t)
{
	buf_addf(b, ",[\"%s\",{\"field\":\"received_date\"},\"%" PRId64 "\"]", op, t);
}

static void
term_flags(struct buf *b, unsigned set, unsigned clear)
{
	for (unsigned bit = 1; bit < 1U << 10; bit <<= 1) {
		if ((set & bit) != 0)
			buf_addf(b, ",[\"=\",{\"field\":\"flags\"},\"%u\"]", bit);
		if ((clear & bit) != 0)
			buf_addf(b, ",[\"not\",[\"=\",{\"field\":\"flags\"},\"%u\"]]", bit);
	}
}

/*
 * QUIRK(OX, 8.19): dates mean days of the mail server's own zone, "<" those before that day, ">" those after it; a field that it does not know holds for
 * every mail.  So a day more than any zone needs is asked for on both sides.
 */
static enum rc
mail_filter(struct searching *x, struct buf *b, struct err *e)
{
	const struct ox_search *q = x->q;
	enum rc rc = RC_OK;

	buf_adds(b, "{\"filter\":[\"and\"");
	for (size_t i = 0; i < q->n_words && rc == RC_OK; i++)
		rc = term_somewhere(x, b, q->words[i], e);
	if (rc == RC_OK && q->from != NULL)
		rc = term(x, b, "=", "from", "", q->from, "", e);
	if (rc == RC_OK && q->to != NULL)
		rc = term(x, b, "=", "to", "", q->to, "", e);
	if (rc == RC_OK && q->subject != NULL)
		rc = term(x, b, "=", "subject", "", q->subject, "", e);
	if (rc == RC_OK && q->body != NULL)
		rc = term_body(x, b, q->body, e);
	if (q->after != TIME_MIN)
		term_day(b, ">", q->after > 3 * DAY_MS ? q->after - 3 * DAY_MS : 0);
	if (q->before != TIME_MAX && q->before < RANGE_END - 3 * DAY_MS)
		term_day(b, "<", q->before > 0 ? q->before + 3 * DAY_MS : 3 * DAY_MS);
	term_flags(b, q->set, q->clear);
	buf_adds(b, ",[\"not\",[\"=\",{\"field\":\"flags\"},\"2\"]]]}"); /* so that there is something to say: a mail marked as deleted is none */
	return rc;
}

static void
part_head(struct buf *b, const struct searching *x, const char *sort)
{
	buf_addf(b, "{\"module\":\"%s\",\"action\":\"search\",\"columns\":\"%s\",\"timezone\":\"UTC\"", model_content(x->q->ct)->ox_module, x->c.text);
	buf_addf(b, ",\"sort\":\"%s\",\"order\":\"desc\",\"left_hand_limit\":0,\"right_hand_limit\":%zu", sort, x->q->max + 1);
}

enum rc
search_mail_part(struct searching *x, struct buf *b, size_t folder, struct err *e)
{
	enum rc rc;

	part_head(b, x, "610");
	buf_adds(b, ",\"folder\":");
	json_text_string(b, x->q->folders[folder], strlen(x->q->folders[folder]));
	buf_adds(b, ",\"data\":");
	rc = mail_filter(x, b, e);
	buf_addc(b, '}');
	return rc;
}

enum rc
search_pim_part(struct searching *x, struct buf *b, size_t folder, size_t word, struct err *e)
{
	const char *pattern = word_pattern(x->a, "*", x->q->words[word], "*");

	if (pattern == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a search");
	part_head(b, x, x->q->ct == CT_CALENDAR ? "201" : "202");
	buf_adds(b, x->q->ct == CT_CALENDAR ? ",\"recurrence_master\":true,\"data\":{\"pattern\":" : ",\"data\":{\"pattern\":");
	json_text_string(b, pattern, strlen(pattern));
	buf_adds(b, ",\"folder\":");
	json_text_string(b, x->q->folders[folder], strlen(x->q->folders[folder]));
	buf_adds(b, "}}");
	return RC_OK;
}

enum rc
search_contacts_body(struct searching *x, struct buf *b, struct err *e)
{
	const struct ox_search *q = x->q;
	enum rc rc = RC_OK;

	buf_adds(b, "{\"folders\":[");
	for (size_t i = 0; i < q->n_folders; i++) {
		if (i > 0)
			buf_addc(b, ',');
		json_text_string(b, q->folders[i], strlen(q->folders[i]));
	}
	buf_adds(b, "],\"filter\":[\"and\"");
	for (size_t i = 0; i < q->n_words && rc == RC_OK; i++)
		rc = term_somewhere(x, b, q->words[i], e);
	buf_adds(b, "]}");
	return rc;
}
