/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail as octets: read, stored, sent, and found again by what is written on it.  Nothing here marks a mail as seen.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NEWEST 200 /* a mail that was just stored is mostly among them */

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
	/*
	 * QUIRK(OX, 8.19): it was seen to refuse mails that people have, parts without headers (MSG-0101) and multiparts cut short (MSG-0008) among them, unless
	 * it is asked not to look; then it stores all of them octet by octet.  The parameter is in no document.
	 */
	ox_param(&r, "strictParsing", "false");
	r.multipart = true;
	r.file_type = "message/rfc822";
	r.file = raw;
	r.file_len = n;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_made_id(json_object_get(json_array_get(a.data, 0), "id"), id))
		rc = err_set(e, RC_TIMEOUT, "OX stored a mail without naming it");
	/* QUIRK(OX, all): where it looks all the same, a multipart that does not hold its own boundary is an I/O error, and would be for ever */
	if (rc == RC_UPSTREAM && e != NULL && strcmp(e->code, "MSG-0008") == 0)
		rc = err_set_path(e, RC_PROTO, "raw", "OX cannot read this mail to its end: its parts are damaged");
	ox_answer_fini(&a);
	return rc;
}

/* ---- sending ---- */

/* The mail is out: an answer that says so with an error must never lead to a second one (MSG-0042 quota, MSG-0043 other). */
static bool
sent_without_copy(enum rc rc, const struct err *e)
{
	return rc != RC_OK && (strcmp(e->code, "MSG-0042") == 0 || strcmp(e->code, "MSG-0043") == 0);
}

enum rc
ox_mail_send(struct ox_session *s, struct arena *a, const void *raw, size_t n, int copy, const char **folder, int64_t *id, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	struct err local;
	const char *f;
	enum rc rc;

	*folder = NULL;
	*id = 0;
	if (e == NULL)
		e = &local;
	mail_req(&r, "new", true); /* no folder: send */
	if (copy >= 0)
		ox_param(&r, "copy2Sent", copy > 0 ? "true" : "false");
	r.file = raw;
	r.file_len = n;
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	f = json_string_value(json_object_get(ans.data, "folder_id"));
	if (rc == RC_OK && f != NULL && json_id(json_object_get(ans.data, "id"), id)) {
		*folder = arena_strdup(a, f);
		if (*folder == NULL)
			*id = 0; /* sent it is: the copy is found by whoever looks */
	}
	ox_answer_fini(&ans);
	if (sent_without_copy(rc, e)) {
		log_warn("sent-without-copy", "code=%s", e->code);
		return RC_OK;
	}
	if (rc != RC_OK && strcmp(e->code, "MSG-0056") == 0) {
		char text[sizeof(e->text)];

		(void)snprintf(text, sizeof(text), "%.300s", e->text);
		(void)err_set_path(e, rc, "raw", "%s Put one of your own addresses into From.", text);
		(void)snprintf(e->code, sizeof(e->code), "MSG-0056");
	}
	return rc;
}

/* ---- found again ---- */

static const char *
bare_message_id(const char *s, size_t *n)
{
	s += strspn(s, " \t\r\n<");
	*n = strcspn(s, "> \t\r\n");
	return s;
}

/* id, size, received_date, Message-ID of a row */
static bool
head_of(const json_t *row, int64_t *id, struct ox_mail_head *h)
{
	const char *m = json_string_value(json_array_get(row, 3));

	memset(h, 0, sizeof(*h));
	h->size = json_integer_value(json_array_get(row, 1));
	h->received = json_integer_value(json_array_get(row, 2));
	h->message_id = bare_message_id(m != NULL ? m : "", &h->message_id_len);
	return json_id(json_array_get(row, 0), id);
}

static void
head_columns(struct ox_req *r)
{
	ox_param(r, "columns", "600,608,610");
	ox_param(r, "headers", "Message-ID");
	ox_param(r, "timezone", "UTC");
}

static enum rc
find_among(struct ox_session *s, const char *folder, int newest, const struct ox_mail_wanted *w, int64_t *id, struct err *e)
{
	struct ox_mail_head h;
	struct ox_answer a;
	struct ox_req r;
	int64_t here;
	json_t *row;
	size_t i;
	enum rc rc;

	mail_req(&r, "all", false);
	ox_param(&r, "folder", folder);
	head_columns(&r);
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
		/* the lowest uid: of two copies the same one is found each time */
		if (head_of(row, &here, &h) && here >= w->from && (*id == 0 || here < *id) && w->is(w->arg, &h))
			*id = here;
	}
	ox_answer_fini(&a);
	return rc;
}

enum rc
ox_mail_find(struct ox_session *s, const char *folder, const struct ox_mail_wanted *w, int64_t *id, struct err *e)
{
	enum rc rc;

	*id = 0;
	rc = find_among(s, folder, NEWEST, w, id, e);
	if (rc == RC_OK && *id == 0)
		rc = find_among(s, folder, 0, w, id, e); /* 0.4 s in a folder of 10,000: only to be sure that it is not there */
	if (rc == RC_OK && *id == 0)
		rc = err_set(e, RC_NOTFOUND, "no such mail in the folder");
	return rc;
}

enum rc
ox_mail_head(struct ox_session *s, struct arena *a, const char *folder, int64_t id, const char *oxid, struct ox_mail_head *out, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	char tmp[24];
	const char *text = id_text(id, oxid, tmp);
	int64_t here;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	mail_req(&r, "list", false);
	head_columns(&r);
	mail_list_body(&r, folder, text);
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !head_of(json_array_get(ans.data, 0), &here, out)) /* vanished mails are left out, or null */
		rc = err_set(e, RC_NOTFOUND, "the mail is not there (any more)");
	if (rc == RC_OK) {
		out->message_id = arena_memdup(a, out->message_id, out->message_id_len + 1);
		if (out->message_id == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory for a mail");
	}
	ox_answer_fini(&ans);
	return rc;
}
