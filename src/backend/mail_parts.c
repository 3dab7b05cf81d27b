/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is in a mail: its bodies and the list of its other parts by one `get`, one part by `attachment`.  OX takes the mail apart: so a body costs
 * what it is long, not what is attached to it, and view=raw gives it as the mail holds it (the other views escape, clean and rewrite).
 */
#include "backend/backend_int.h"

#include <string.h>
#include <strings.h>

static const char *
member(struct arena *a, const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? arena_strdup(a, s) : NULL;
}

static bool
is_type(const json_t *part, const char *type)
{
	const char *s = json_string_value(json_object_get(part, "content_type"));
	size_t n = strlen(type);

	return s != NULL && strncasecmp(s, type, n) == 0 && (s[n] == '\0' || s[n] == ';');
}

/* A text that is shown as the mail, not beside it. */
static bool
is_body(const json_t *part, const char *type)
{
	const char *disp = json_string_value(json_object_get(part, "disp"));

	return is_type(part, type) && json_is_string(json_object_get(part, "content")) && json_object_get(part, "filename") == NULL &&
	    (disp == NULL || strcmp(disp, "attachment") != 0);
}

static bool
take_body(struct arena *a, const json_t *part, const char **text, size_t *len, const char **id)
{
	const json_t *v = json_object_get(part, "content");

	*len = json_string_length(v);
	*text = arena_memdup(a, json_string_value(v), *len + 1);
	*id = member(a, part, "id");
	return *text != NULL && *id != NULL;
}

/* "<img1>" */
static const char *
content_id(struct arena *a, const json_t *part)
{
	const char *s = json_string_value(json_object_get(part, "cid"));
	size_t n = s != NULL ? strlen(s) : 0;

	if (n == 0)
		return NULL;
	return n > 2 && s[0] == '<' && s[n - 1] == '>' ? arena_printf(a, "%.*s", (int)(n - 2), s + 1) : arena_strdup(a, s);
}

static void
take_part(struct arena *a, const json_t *j, struct ox_mail_part *p)
{
	const char *disp = json_string_value(json_object_get(j, "disp"));
	const json_t *size = json_object_get(j, "size");

	*p = (struct ox_mail_part){ .id = member(a, j, "id"), .filename = member(a, j, "filename"), .content_type = member(a, j, "content_type"),
		.content_id = content_id(a, j), .size = json_is_integer(size) ? json_integer_value(size) : -1,
		.is_inline = disp != NULL && strcmp(disp, "inline") == 0 };
}

/* A mail within the mail: OX lists it apart, with neither size nor name. */
static void
take_nested(struct arena *a, const json_t *j, struct ox_mail_part *p)
{
	const char *subject = json_string_value(json_object_get(j, "subject"));

	*p = (struct ox_mail_part){ .id = member(a, j, "id"), .content_type = "message/rfc822", .size = -1,
		.filename = subject != NULL && subject[0] != '\0' ? arena_printf(a, "%s.eml", subject) : NULL };
}

static enum rc
read_parts(struct arena *a, const json_t *mail, struct ox_mail_body *out, struct err *e)
{
	const json_t *list = json_object_get(mail, "attachments"), *nested = json_object_get(mail, "nested_msgs");
	bool ok;
	json_t *j;
	size_t i;

	out->part = arena_array(a, struct ox_mail_part, json_array_size(list) + json_array_size(nested) + 1);
	ok = out->part != NULL;
	json_array_foreach (ok ? list : NULL, i, j) {
		if (out->text == NULL && is_body(j, "text/plain"))
			ok = ok && take_body(a, j, &out->text, &out->text_len, &out->text_id);
		else if (out->html == NULL && is_body(j, "text/html"))
			ok = ok && take_body(a, j, &out->html, &out->html_len, &out->html_id);
		else if (json_is_string(json_object_get(j, "id")))
			take_part(a, j, &out->part[out->n_parts++]);
	}
	json_array_foreach (ok ? nested : NULL, i, j)
		if (json_is_string(json_object_get(j, "id")))
			take_nested(a, j, &out->part[out->n_parts++]);
	for (size_t k = 0; ok && k < out->n_parts; k++)
		ok = out->part[k].id != NULL;
	return ok ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a mail");
}

enum rc
ox_mail_body(struct ox_session *s, struct arena *a, const char *folder, int64_t id, const char *oxid, struct ox_mail_body *out, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	char tmp[24];
	enum rc rc;

	memset(out, 0, sizeof(*out));
	mail_req(&r, "get", false);
	ox_param(&r, "folder", folder);
	ox_param(&r, "id", id_text(id, oxid, tmp));
	ox_param(&r, "view", "raw");
	ox_param(&r, "unseen", "true");
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = json_is_object(ans.data) ? read_parts(a, ans.data, out, e) : err_set(e, RC_UPSTREAM, "OX answered no mail");
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_mail_part(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const char *part, struct buf *out, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	char tmp[24];
	enum rc rc;

	mail_req(&r, "attachment", false);
	ox_param(&r, "folder", folder);
	ox_param(&r, "id", id_text(id, oxid, tmp));
	ox_param(&r, "attachment", part);
	ox_param(&r, "save", "1"); /* as octets; without it a text would come as the web page it may be */
	r.raw = out;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && a.root != NULL)
		rc = err_set(e, RC_UPSTREAM, "OX answered JSON where the octets of a part were asked for");
	if (rc == RC_PROTO && e != NULL && strcmp(e->code, "MSG-0049") == 0)
		rc = err_set_path(e, RC_NOTFOUND, "id", "the mail has no such part: getMailBody lists them");
	ox_answer_fini(&a);
	return rc;
}
