/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What belongs to an object and is not in it: the picture of a contact, the attachments of contacts, appointments and tasks.  OX names
 * these by (module number, folder, object).
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ZONE_STEP INT64_C(900000)  /* offsets of time zones are quarters of an hour */
#define ZONE_MAX INT64_C(54000000) /* and less than 15 hours */

/* ---- pictures ---- */

/* QUIRK(OX, 8.19): a contact without a picture is 404, or no octets at all where it is asked for as an image. */
enum rc
ox_photo(struct ox_session *s, const char *folder, int64_t id, struct buf *out, struct err *e)
{
	size_t before = out->len;
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "contacts/picture", "get");
	ox_param(&r, "folder_id", folder);
	ox_param_i64(&r, "contact_id", id);
	r.raw = out;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && out->len == before)
		rc = err_set(e, RC_NOTFOUND, "this contact has no picture");
	ox_answer_fini(&a);
	return rc;
}

/* ---- attachments ---- */

/* Numbers of the modules as the module `attachment` knows them (ox-http-api.md 8.1); 0 = its objects have none. */
static int
module_number(enum content ct)
{
	static const int numbers[CT_COUNT] = { [CT_CALENDAR] = 1, [CT_TASK] = 4, [CT_CONTACT] = 7 };

	return (unsigned)ct < CT_COUNT ? numbers[ct] : 0;
}

static enum rc
attachment_req(struct ox_req *r, const char *action, enum content ct, struct err *e)
{
	ox_req_init(r, "attachment", action);
	if (module_number(ct) == 0)
		return err_set(e, RC_PROTO, "only contacts, appointments and tasks have attachments of this kind");
	return RC_OK;
}

static void
attachment_params(struct ox_req *r, enum content ct, const char *folder, int64_t id)
{
	ox_param(r, "folder", folder);
	ox_param_i64(r, "attached", id);
	ox_param_i64(r, "module", module_number(ct));
	ox_param(r, "timezone", "UTC");
}

static bool
read_row(struct arena *a, const json_t *row, struct ox_attachment *out)
{
	const char *name = json_string_value(json_array_get(row, 1)), *type = json_string_value(json_array_get(row, 3));

	if (!json_id(json_array_get(row, 0), &out->id))
		return false;
	out->name = arena_strdup(a, name != NULL ? name : "");
	out->type = arena_strdup(a, type != NULL ? type : "");
	(void)json_id(json_array_get(row, 2), &out->size);
	(void)json_id(json_array_get(row, 4), &out->created);
	return out->name != NULL && out->type != NULL;
}

/*
 * QUIRK(OX, 8.19): creation_date is in the user's time zone whatever is asked for; the answer's timestamp is that of the newest one in UTC.  So the
 * offset of the zone is that between these two; of an attachment from the other half of the year it may be an hour off.
 */
static void
to_utc(struct ox_attachment *v, size_t n, msec_t ts)
{
	msec_t newest = 0, offset;

	for (size_t i = 0; i < n; i++) {
		if (v[i].created < 0 || v[i].created > FAR_FUTURE)
			return;
		if (v[i].created > newest)
			newest = v[i].created;
	}
	if (ts <= 0)
		return;
	offset = newest - ts;
	if (offset % ZONE_STEP != 0 || offset > ZONE_MAX || offset < -ZONE_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		if (v[i].created != 0)
			v[i].created -= offset;
}

enum rc
ox_attachments(struct ox_session *s, struct arena *a, enum content ct, const char *folder, int64_t id, struct ox_attachment **out, size_t *n, struct err *e)
{
	struct ox_attachment *list = NULL;
	struct ox_answer ans = { 0 };
	struct ox_req r;
	size_t got = 0;
	enum rc rc = attachment_req(&r, "all", ct, e);

	*out = NULL;
	*n = 0;
	attachment_params(&r, ct, folder, id);
	ox_param(&r, "columns", "1,803,804,805,4");
	ox_param(&r, "sort", "1");
	ox_param(&r, "order", "asc");
	if (rc == RC_OK)
		rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK) {
		got = json_array_size(ans.data);
		list = arena_array(a, struct ox_attachment, got + 1);
		if (list == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory for attachments");
	}
	for (size_t i = 0; rc == RC_OK && i < got; i++)
		if (!read_row(a, json_array_get(ans.data, i), &list[i]))
			rc = err_set(e, RC_UPSTREAM, "OX answered an attachment without an id");
	if (rc == RC_OK) {
		to_utc(list, got, ans.ts);
		*out = list;
		*n = got;
	}
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_attachment_octets(struct ox_session *s, enum content ct, const char *folder, int64_t id, int64_t attachment, struct buf *out, struct err *e)
{
	struct ox_answer a = { 0 };
	struct ox_req r;
	enum rc rc = attachment_req(&r, "document", ct, e);

	attachment_params(&r, ct, folder, id);
	ox_param_i64(&r, "id", attachment);
	ox_param(&r, "content_type", "application/octet-stream"); /* as it is, neither shown nor filtered */
	r.raw = out;
	if (rc == RC_OK)
		rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && a.root != NULL)
		rc = err_set(e, RC_UPSTREAM, "OX answered JSON where the octets of an attachment were asked for");
	ox_answer_fini(&a);
	return rc;
}

enum rc
ox_attach(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *name, const char *type, const void *p, size_t n,
    int64_t *attachment, msec_t *lm, struct err *e)
{
	struct ox_answer a = { 0 };
	struct ox_req r;
	enum rc rc = attachment_req(&r, "attach", ct, e);

	*attachment = 0;
	*lm = 0;
	ox_param(&r, "plainJson", "true"); /* else the answer is a web page */
	buf_addf(&r.body, "{\"attached\":%" PRId64 ",\"module\":%d,\"folder\":", id, module_number(ct));
	json_text_string(&r.body, folder, strlen(folder));
	buf_adds(&r.body, ",\"filename\":");
	json_text_string(&r.body, name, strlen(name));
	if (type[0] != '\0') {
		buf_adds(&r.body, ",\"file_mimetype\":");
		json_text_string(&r.body, type, strlen(type));
	}
	buf_addc(&r.body, '}');
	r.has_body = r.multipart = r.write = true;
	r.file = n > 0 ? p : "";
	r.file_len = n;
	r.file_type = type[0] != '\0' ? type : "application/octet-stream";
	if (rc == RC_OK)
		rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_made_id(json_array_get(a.data, 0), attachment))
		rc = err_set(e, RC_TIMEOUT, "OX attached a file without naming it");
	*lm = rc == RC_OK ? a.ts : 0;
	ox_answer_fini(&a);
	return rc;
}

enum rc
ox_detach(struct ox_session *s, enum content ct, const char *folder, int64_t id, int64_t attachment, msec_t *lm, struct err *e)
{
	struct ox_answer a = { 0 };
	struct ox_req r;
	enum rc rc = attachment_req(&r, "detach", ct, e);

	*lm = 0;
	attachment_params(&r, ct, folder, id);
	buf_addf(&r.body, "[%" PRId64 "]", attachment);
	r.has_body = r.write = true;
	if (rc == RC_OK)
		rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	*lm = rc == RC_OK ? a.ts : 0;
	ox_answer_fini(&a);
	return rc;
}
