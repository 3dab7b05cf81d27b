/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keywords of a mail.  A client says the whole list as it is to be; OX takes what is to be set and what is to be cleared, so the list that is there is
 * asked for first.  A keyword that somebody else sets in between stays.
 */
#include "backend/backend_int.h"

#include <string.h>
#include <strings.h>

static bool
has_keyword(const json_t *list, const char *word)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (strcasecmp(json_string_value(v) != NULL ? json_string_value(v) : "", word) == 0)
			return true;
	return false;
}

/* The member NAME with what is in LIST and not in OTHER; nothing when that is nothing. */
static void
write_missing(struct buf *b, const char *name, const json_t *list, const json_t *other)
{
	const json_t *v;
	bool any = false;
	size_t i;

	json_array_foreach (list, i, v) {
		const char *word = json_string_value(v);

		if (word == NULL || has_keyword(other, word))
			continue;
		if (any)
			buf_addc(b, ',');
		else
			buf_addf(b, "%s\"%s\":[", b->len > 1 ? "," : "", name);
		any = true;
		json_text_string(b, word, strlen(word));
	}
	if (any)
		buf_addc(b, ']');
}

enum rc
mail_write_keywords(struct ox_session *s, const char *folder, const char *id, const json_t *wanted, struct buf *b, struct err *e)
{
	int i = model_field(model_content(CT_MAIL), "user");
	const json_t *row, *now;
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	mail_req(&r, "list", false);
	ox_param_i64(&r, "columns", model_content(CT_MAIL)->fields[i].column);
	mail_list_body(&r, folder, id);
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	row = json_array_get(a.data, 0);
	now = json_array_get(row, 0);
	if (rc == RC_OK && !json_is_array(row))
		rc = err_set(e, RC_NOTFOUND, "the mail is not there (any more)");
	if (rc == RC_OK) {
		write_missing(b, "set_user_flags", wanted, now);
		write_missing(b, "clear_user_flags", now, wanted);
	}
	ox_answer_fini(&a);
	return rc;
}
