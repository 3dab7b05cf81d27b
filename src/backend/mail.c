/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail: counters, flags, moving, copying, deleting.  Octets in and out are in mail_octets.c, listings in listing.c.  OX has no version of a mail and no conflict:
 * only the bits that changed are written, and what is gone is no error.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
mail_req(struct ox_req *r, const char *action, bool write)
{
	ox_req_init(r, "mail", action);
	r->write = write;
	r->t = model_content(CT_MAIL);
}

static void
add_ref(struct buf *b, const char *folder, const char *id)
{
	buf_adds(b, "{\"folder\":");
	json_text_string(b, folder, strlen(folder));
	buf_adds(b, ",\"id\":");
	json_text_string(b, id, strlen(id));
	buf_addc(b, '}');
}

void
mail_body_ref(struct ox_req *r, const char *folder, const char *id)
{
	buf_addc(&r->body, '[');
	add_ref(&r->body, folder, id);
	buf_addc(&r->body, ']');
	r->has_body = true;
}

/*
 * QUIRK(OX, 8.19): the action `list` was seen to answer from a cache that `all` had filled, when it holds every mail that is asked for: without keywords
 * set since through OX itself, without flags and removals by other IMAP clients.  One id that it cannot hold, and OX asks the mail store, 0.6 ms a mail;
 * the highest uid (RFC 9051 section 2.3.1.1: never given out in practice) is left out of the answer like a mail that has gone.
 */
void
mail_past_cache(struct buf *b, const char *folder)
{
	buf_addc(b, ',');
	add_ref(b, folder, "4294967295");
}

void
mail_list_body(struct ox_req *r, const char *folder, const char *id)
{
	buf_addc(&r->body, '[');
	add_ref(&r->body, folder, id);
	mail_past_cache(&r->body, folder);
	buf_addc(&r->body, ']');
	r->has_body = true;
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
mail_counters(const json_t *data, struct ox_examine *out, struct err *e)
{
	if (!json_u64(json_object_get(data, "validity"), &out->validity) || !json_u64(json_object_get(data, "next"), &out->next))
		return err_set(e, RC_UPSTREAM, "OX does not tell validity and next uid of a mail folder");
	out->total = json_integer_value(json_object_get(data, "total"));
	out->unread = json_integer_value(json_object_get(data, "unread"));
	return RC_OK;
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
	if (rc == RC_OK)
		rc = mail_counters(a.data, out, e);
	ox_answer_fini(&a);
	return rc;
}

/* ---- changes ---- */

/* QUIRK(OX, 8.19): moving a mail that is gone succeeds as well, and the answer names the folder that it was not moved from. */
static enum rc
moved_id(const json_t *data, const char *to, int64_t *new_id, struct err *e)
{
	const char *folder = json_string_value(json_object_get(data, "folder_id"));

	if (folder != NULL && strcmp(folder, to) != 0)
		return err_set(e, RC_NOTFOUND, "the mail is not there (any more)");
	if (!json_id(json_object_get(data, "id"), new_id))
		*new_id = 0; /* a store that does not tell (no UIDPLUS): the caller has to look */
	return RC_OK;
}

/* TO, NEW_ID: of a move, else NULL. */
static enum rc
send_mail_update(struct ox_session *s, const char *folder, const char *id, const struct buf *body, const char *to, int64_t *new_id, struct err *e)
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
	if (rc == RC_OK && to != NULL)
		rc = moved_id(a.data, to, new_id, e);
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
	const char *text = id_text(id, oxid, tmp);
	enum rc rc = RC_OK;

	buf_init(&body, 0);
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
		else if (strcmp(t->fields[i].name, "user") == 0)
			rc = mail_write_keywords(s, folder, text, o->v[i], &body, e);
		else
			rc = err_set_path(e, RC_PROTO, t->fields[i].name, "of a mail cannot be changed");
	}
	buf_addc(&body, '}');
	if (rc == RC_OK && body.len > 2)
		rc = send_mail_update(s, folder, text, &body, NULL, NULL, e);
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
	rc = body.failed ? err_set(e, RC_LIMIT, "the folder id is too long") : send_mail_update(s, folder, id_text(id, oxid, tmp), &body, to, new_id, e);
	buf_fini(&body);
	return rc;
}

enum rc
ox_mail_mark(struct ox_session *s, const char *folder, int64_t id, const char *oxid, unsigned set, struct err *e)
{
	struct buf body;
	char tmp[24];
	enum rc rc;

	buf_init(&body, 64);
	buf_addf(&body, "{\"set_flags\":%u}", set);
	rc = send_mail_update(s, folder, id_text(id, oxid, tmp), &body, NULL, NULL, e);
	buf_fini(&body);
	return rc;
}

enum rc
ox_mail_copy(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *to, int64_t *new_id, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	char tmp[24];
	enum rc rc;

	*new_id = 0;
	mail_req(&r, "copy", true);
	ox_param(&r, "folder", folder);
	ox_param(&r, "id", id_text(id, oxid, tmp));
	buf_adds(&r.body, "{\"folder_id\":");
	json_text_string(&r.body, to, strlen(to));
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_id(json_object_get(a.data, "id"), new_id))
		*new_id = 0; /* as with a move: the caller has to look */
	ox_answer_fini(&a);
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
	mail_body_ref(&r, folder, text);
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(a.data) > 0)
		rc = err_set(e, RC_CONFLICT, "OX did not delete the mail");
	if (rc != RC_OK && e != NULL && strcmp(e->code, "MSG-0039") == 0) /* text and code are OX's; what helps is ours to say */
		rc = err_set_path(e, RC_LIMIT, "", "the mailbox is full, the trash cannot take the mail: delete it for good, or make room");
	ox_answer_fini(&a);
	return rc;
}
