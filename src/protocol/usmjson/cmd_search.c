/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* search: what the groupware server finds, inside of the device's window and outside. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define MAX_TEXT 200
#define DEFAULT_LIMIT 50
#define TIME_LIMIT INT64_C(253402300799999) /* the year 9999 */

enum { TYPE, FOLDER, TEXT, FROM, TO, SUBJECT, BODY, UNREAD, FLAGGED, ANSWERED, AFTER, BEFORE, LIMIT, CURSOR, N };
static const struct rd_member members[N] = {
	[TYPE] = { "objectType", RD_STRING, RD_REQUIRED, 1, 20 },
	[FOLDER] = { "folder", RD_UUID, 0, 0, 0 },
	[TEXT] = { "text", RD_STRING, 0, 1, MAX_TEXT },
	[FROM] = { "from", RD_STRING, 0, 1, MAX_TEXT },
	[TO] = { "to", RD_STRING, 0, 1, MAX_TEXT },
	[SUBJECT] = { "subject", RD_STRING, 0, 1, MAX_TEXT },
	[BODY] = { "body", RD_STRING, 0, 1, MAX_TEXT },
	[UNREAD] = { "unread", RD_BOOL, 0, 0, 0 },
	[FLAGGED] = { "flagged", RD_BOOL, 0, 0, 0 },
	[ANSWERED] = { "answered", RD_BOOL, 0, 0, 0 },
	[AFTER] = { "after", RD_INT, 0, 0, TIME_LIMIT },
	[BEFORE] = { "before", RD_INT, 0, 0, TIME_LIMIT },
	[LIMIT] = { "limit", RD_INT, 0, 1, SERVICE_PAGE },
	[CURSOR] = { "cursor", RD_STRING, 0, 1, SERVICE_CURSOR - 1 },
};

static enum rc
read_type(struct rd *r, const json_t *v, enum content *ct)
{
	const struct content_type *t = model_content_by_name(json_string_value(v));

	if (t == NULL || t->ct == CT_FOLDER || strcmp(t->name, json_string_value(v)) != 0)
		return rd_fail_at(r, "objectType", RC_PROTO, "must be contact, appointment, task or mail");
	*ct = t->ct;
	return RC_OK;
}

/* Which members go with which type, and that there is something to look for. */
static enum rc
check(struct rd *r, enum content ct, json_t *const *v)
{
	bool some = v[TEXT] != NULL;

	for (int i = FROM; i <= ANSWERED; i++) {
		some = some || v[i] != NULL;
		if (v[i] != NULL && ct != CT_MAIL)
			return rd_fail_at(r, members[i].name, RC_PROTO, "is for mail only");
	}
	if (ct == CT_CONTACT && (v[AFTER] != NULL || v[BEFORE] != NULL))
		return rd_fail_at(r, v[AFTER] != NULL ? "after" : "before", RC_PROTO, "is not for contacts, which have no time");
	some = some || (ct == CT_MAIL && (v[AFTER] != NULL || v[BEFORE] != NULL));
	if (!some)
		return rd_fail_at(r, "text", RC_PROTO, ct == CT_MAIL ? "is missing: say what to look for" : "is missing: it must be a string");
	if (v[AFTER] != NULL && v[BEFORE] != NULL && json_integer_value(v[AFTER]) >= json_integer_value(v[BEFORE]))
		return rd_fail_at(r, "before", RC_PROTO, "must be later than after");
	return RC_OK;
}

/* V: is the mark wanted, not wanted, or all the same? */
static void
read_mark(const json_t *v, unsigned bit, bool turned, struct service_search *q)
{
	if (v == NULL)
		return;
	if (json_is_true(v) != turned)
		q->set |= bit;
	else
		q->clear |= bit;
}

static void
write_found(struct buf *b, enum content ct, const struct service_found *f)
{
	bool first = true;

	buf_addc(b, '{');
	js_key(b, "found");
	buf_addc(b, '[');
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].object == NULL) /* it has gone between the search and this */
			continue;
		buf_adds(b, first ? "{" : ",{");
		first = false;
		js_key(b, "folder");
		js_uuid(b, &f->v[i].place->uuid);
		js_key(b, "object");
		answer_write_found(b, ct, &f->v[i]);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	js_key(b, "more");
	buf_adds(b, f->more ? "true" : "false");
	if (f->more) {
		js_key(b, "cursor");
		js_str(b, f->cursor);
	}
	js_key(b, "cut");
	buf_adds(b, f->cut ? "true}" : "false}");
}

enum rc
cmd_search(struct call *c)
{
	struct service_search q = { .after = TIME_MIN, .before = TIME_MAX, .limit = DEFAULT_LIMIT };
	struct service_found f;
	struct uuid folder;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, members, N, v);
	if (rc == RC_OK)
		rc = read_type(&r, v[TYPE], &q.ct);
	if (rc == RC_OK)
		rc = check(&r, q.ct, v);
	if (rc != RC_OK)
		return rc;
	if (v[FOLDER] != NULL) {
		rd_uuid(v[FOLDER], &folder);
		q.folder = &folder;
	}
	q.text = json_string_value(v[TEXT]);
	q.from = json_string_value(v[FROM]);
	q.to = json_string_value(v[TO]);
	q.subject = json_string_value(v[SUBJECT]);
	q.body = json_string_value(v[BODY]);
	read_mark(v[UNREAD], OX_MAIL_SEEN, true, &q);
	read_mark(v[FLAGGED], OX_MAIL_FLAGGED, false, &q);
	read_mark(v[ANSWERED], OX_MAIL_ANSWERED, false, &q);
	if (v[AFTER] != NULL)
		q.after = json_integer_value(v[AFTER]);
	if (v[BEFORE] != NULL)
		q.before = json_integer_value(v[BEFORE]);
	if (v[LIMIT] != NULL)
		q.limit = (size_t)json_integer_value(v[LIMIT]);
	q.cursor = json_string_value(v[CURSOR]);
	rc = service_search(c->session, c->arena, &q, &f, &c->err);
	if (rc == RC_OK)
		write_found(&c->out, q.ct, &f);
	service_found_done(&f);
	return rc;
}
