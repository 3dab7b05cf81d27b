/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail: counters, flags, moving, raw octets in and out.  Listings are in listing.c.  OX has no version of a mail and no conflict:
 * only the bits that changed are written, and what is gone is no error.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NEWEST 200 /* a mail that was just stored is mostly among them */

static void
mail_req(struct ox_req *r, const char *action, bool write)
{
	ox_req_init(r, "mail", action);
	r->write = write;
	r->t = model_content(CT_MAIL);
}

static bool
json_u64(const json_t *v, uint64_t *out)
{
	int64_t n;

	if (!json_id(v, &n) || n < 0)
		return false;
	*out = (uint64_t)n;
	return true;
}

enum rc
ox_mail_examine(struct ox_session *s, const char *folder, struct ox_examine *out, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	mail_req(&r, "examine", false);
	ox_param(&r, "folder", folder);
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK) {
		if (!json_u64(json_object_get(a.data, "validity"), &out->validity) || !json_u64(json_object_get(a.data, "next"), &out->next))
			rc = err_set(e, RC_UPSTREAM, "OX does not tell validity and next uid of a mail folder");
		out->total = json_integer_value(json_object_get(a.data, "total"));
		out->unread = json_integer_value(json_object_get(a.data, "unread"));
	}
	ox_answer_fini(&a);
	return rc;
}

enum rc
ox_mail_raw(struct ox_session *s, const char *folder, int64_t id, const char *oxid, struct buf *out, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	char tmp[24];
	size_t before = out->len;
	enum rc rc;

	mail_req(&r, "get", false);
	ox_param(&r, "folder", folder);
	ox_param(&r, "id", id_text(id, oxid, tmp));
	ox_param(&r, "src", "1");
	ox_param(&r, "save", "1"); /* as octets: as JSON they would be decoded as if they were UTF-8 */
	ox_param(&r, "unseen", "true");
	r.raw = out;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && out->len == before && a.root != NULL)
		rc = err_set(e, RC_UPSTREAM, "OX answered JSON where the octets of a mail were asked for");
	ox_answer_fini(&a);
	return rc;
}

/* ---- changes ---- */

static enum rc
send_mail_update(struct ox_session *s, const char *folder, const char *id, const struct buf *body, int64_t *new_id, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	mail_req(&r, "update", true);
	ox_param(&r, "folder", folder);
	ox_param(&r, "id", id);
	buf_add(&r.body, body->p, body->len);
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && new_id != NULL && !json_id(json_object_get(a.data, "id"), new_id))
		*new_id = 0; /* a store that does not tell (no UIDPLUS): the caller has to look */
	ox_answer_fini(&a);
	return rc;
}

/* "set_flags" and "clear_flags" of the bits among FIELDS: OX leaves the others as they are. */
static void
flag_masks(const struct object *o, const struct fmask *fields, unsigned *set, unsigned *clear)
{
	const struct content_type *t = model_content(CT_MAIL);
	struct fmask m = *fields;

	*set = *clear = 0;
	fmask_to_bits(t, &m);
	for (unsigned i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & FF_SETTABLE) != 0 && fmask_has(&m, i))
			*(o->v[i] != NULL ? set : clear) |= t->fields[i].max_len;
}

enum rc
ox_mail_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, struct err *e)
{
	const struct content_type *t = model_content(CT_MAIL);
	struct buf body;
	unsigned set, clear;
	char tmp[24];
	enum rc rc = RC_OK;

	buf_init(&body, 4096);
	buf_addc(&body, '{');
	flag_masks(o, fields, &set, &clear);
	if (set != 0)
		buf_addf(&body, "\"set_flags\":%u", set);
	if (clear != 0)
		buf_addf(&body, "%s\"clear_flags\":%u", body.len > 1 ? "," : "", clear);
	for (unsigned i = 0; i < t->n_fields && rc == RC_OK; i++) {
		if (!fmask_has(fields, i) || (t->fields[i].flags & (FF_BITS | FF_SETTABLE)) != 0)
			continue;
		if (strcmp(t->fields[i].name, "color_label") == 0)
			buf_addf(&body, "%s\"color_label\":%" PRId64, body.len > 1 ? "," : "", object_get_i64(o, i, 0));
		else
			rc = err_set_path(e, RC_PROTO, t->fields[i].name, "of a mail cannot be changed");
	}
	buf_addc(&body, '}');
	if (rc == RC_OK && body.len > 2)
		rc = send_mail_update(s, folder, id_text(id, oxid, tmp), &body, NULL, e);
	buf_fini(&body);
	return rc;
}

enum rc
ox_mail_move(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *to, int64_t *new_id, struct err *e)
{
	struct buf body;
	char tmp[24];
	enum rc rc;

	buf_init(&body, 8192);
	buf_adds(&body, "{\"folder_id\":");
	json_text_string(&body, to, strlen(to));
	buf_addc(&body, '}');
	rc = body.failed ? err_set(e, RC_LIMIT, "the folder id is too long") : send_mail_update(s, folder, id_text(id, oxid, tmp), &body, new_id, e);
	buf_fini(&body);
	return rc;
}

enum rc
ox_mail_delete(struct ox_session *s, const char *folder, int64_t id, const char *oxid, bool hard, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	char tmp[24];
	const char *text = id_text(id, oxid, tmp);
	enum rc rc;

	mail_req(&r, "delete", true);
	if (hard)
		ox_param(&r, "harddelete", "1");
	buf_adds(&r.body, "[{\"folder\":");
	json_text_string(&r.body, folder, strlen(folder));
	buf_adds(&r.body, ",\"id\":");
	json_text_string(&r.body, text, strlen(text));
	buf_adds(&r.body, "}]");
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(a.data) > 0)
		rc = err_set(e, RC_CONFLICT, "OX did not delete the mail");
	ox_answer_fini(&a);
	return rc;
}

enum rc
ox_mail_import(struct ox_session *s, const char *folder, const void *raw, size_t n, int flags, int64_t *id, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	*id = 0;
	mail_req(&r, "import", true);
	ox_param(&r, "folder", folder);
	ox_param_i64(&r, "flags", flags);
	ox_param(&r, "force", "true");     /* a mail of somebody else may be stored as well (else MSG-0056) */
	ox_param(&r, "plainJson", "true"); /* else the answer is a web page */
	r.multipart = true;
	r.file = raw;
	r.file_len = n;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_id(json_object_get(json_array_get(a.data, 0), "id"), id))
		rc = err_set(e, RC_TIMEOUT, "OX stored a mail without naming it");
	ox_answer_fini(&a);
	return rc;
}

/* ---- by Message-ID ---- */

static bool
same_message_id(const char *a, const char *b)
{
	size_t n, m;

	for (; *a == ' ' || *a == '<' || *a == '\t'; a++)
		;
	for (; *b == ' ' || *b == '<' || *b == '\t'; b++)
		;
	n = strcspn(a, "> \t\r\n");
	m = strcspn(b, "> \t\r\n");
	return n == m && n > 0 && memcmp(a, b, n) == 0;
}

static enum rc
find_among(struct ox_session *s, const char *folder, const char *message_id, int newest, int64_t *id, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	int64_t here;
	json_t *row;
	size_t i;
	enum rc rc;

	mail_req(&r, "all", false);
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", "600");
	ox_param(&r, "headers", "Message-ID");
	ox_param(&r, "sort", "610"); /* by date: OX does not sort by uid */
	ox_param(&r, "order", "desc");
	if (newest > 0) {
		ox_param_i64(&r, "left_hand_limit", 0);
		ox_param_i64(&r, "right_hand_limit", newest);
	}
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_array(a.data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of mails");
	json_array_foreach (rc == RC_OK ? a.data : NULL, i, row) {
		const char *have = json_string_value(json_array_get(row, 1));

		/* the lowest uid: of two copies the same one is found each time */
		if (have != NULL && same_message_id(have, message_id) && json_id(json_array_get(row, 0), &here) && (*id == 0 || here < *id))
			*id = here;
	}
	ox_answer_fini(&a);
	return rc;
}

enum rc
ox_mail_find(struct ox_session *s, struct arena *a, const char *folder, const char *message_id, int64_t *id, struct err *e)
{
	enum rc rc;

	(void)a;
	*id = 0;
	if (strpbrk(message_id, "\r\n") != NULL || message_id[strspn(message_id, "<> \t")] == '\0')
		return err_set(e, RC_PROTO, "no Message-ID to look for");
	rc = find_among(s, folder, message_id, NEWEST, id, e);
	if (rc == RC_OK && *id == 0)
		rc = find_among(s, folder, message_id, 0, id, e); /* 0.4 s in a folder of 10,000: only to be sure that it is not there */
	if (rc == RC_OK && *id == 0)
		rc = err_set(e, RC_NOTFOUND, "no mail with this Message-ID");
	return rc;
}
