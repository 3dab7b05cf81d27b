/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* getPhoto, and the attachments of contacts, appointments and tasks: lists, octets down, base64 up. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define FILENAME_MAX_BYTES 255 /* OX stores 255 characters */

/* of an object; of one attachment; of a new one */
enum { AT_FOLDER, AT_OBJECT, OBJECT_N, AT_ID = OBJECT_N, ONE_N, AT_NAME = OBJECT_N, AT_TYPE, AT_DATA, NEW_N };
#define AT_OBJECT_MEMBERS [AT_FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 }, [AT_OBJECT] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 }

static const struct rd_member object_members[OBJECT_N] = { AT_OBJECT_MEMBERS };
static const struct rd_member one_members[ONE_N] = { AT_OBJECT_MEMBERS, [AT_ID] = { "id", RD_UUID, RD_REQUIRED, 0, 0 } };
static const struct rd_member new_members[NEW_N] = { AT_OBJECT_MEMBERS,
	[AT_NAME] = { "filename", RD_STRING, RD_REQUIRED, 1, FILENAME_MAX_BYTES },
	[AT_TYPE] = { "contentType", RD_STRING, 0, 3, 100 },
	[AT_DATA] = { "data", RD_ANY, RD_REQUIRED, 0, 0 },
};

/* The N members of M into V, and what they name into REF. */
static enum rc
read_ref(struct rd *r, struct call *c, const struct rd_member *m, size_t n, json_t **v, struct attachment_ref *ref)
{
	enum rc rc;

	rd_init(r, c);
	memset(ref, 0, sizeof(*ref));
	rc = rd_object(r, c->body, m, n, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[AT_FOLDER], &ref->folder);
	rd_uuid(v[AT_OBJECT], &ref->object);
	if (m == one_members)
		rd_uuid(v[AT_ID], &ref->attachment);
	return RC_OK;
}

enum rc
cmd_get_photo(struct call *c)
{
	struct attachment_ref ref;
	const char *type = NULL;
	struct buf out;
	json_t *v[OBJECT_N];
	struct rd r;
	enum rc rc = read_ref(&r, c, object_members, OBJECT_N, v, &ref);

	if (rc != RC_OK)
		return rc;
	buf_init(&out, c->u->o.max_attachment_bytes);
	rc = service_absent(engine_photo(c->session, c->arena, &ref.folder, &ref.object, &out, &type, &c->err), &c->err);
	if (rc == RC_OK)
		rc = call_reply_octets(c, &out, type);
	buf_fini(&out);
	return rc;
}

/* ---- attachments ---- */

enum rc
cmd_get_attachments(struct call *c)
{
	struct engine_attachment *list;
	struct attachment_ref ref;
	json_t *v[OBJECT_N];
	struct rd r;
	size_t n;
	enum rc rc = read_ref(&r, c, object_members, OBJECT_N, v, &ref);

	if (rc == RC_OK)
		rc = service_absent(engine_attachments(c->session, c->arena, &ref, &list, &n, &c->err), &c->err);
	if (rc != RC_OK)
		return rc;
	buf_adds(&c->out, "{\"attachments\":[");
	for (size_t i = 0; i < n; i++) {
		buf_adds(&c->out, i > 0 ? ",{" : "{");
		js_key(&c->out, "id");
		js_uuid(&c->out, &list[i].id);
		js_key(&c->out, "filename");
		js_str(&c->out, list[i].name);
		if (list[i].type[0] != '\0') {
			js_key(&c->out, "contentType");
			js_str(&c->out, list[i].type);
		}
		js_key(&c->out, "size");
		buf_add_i64(&c->out, list[i].size);
		js_key(&c->out, "created");
		buf_add_i64(&c->out, list[i].created);
		buf_addc(&c->out, '}');
	}
	buf_adds(&c->out, "]}");
	return RC_OK;
}

/* "type/subtype" of RFC 6838 and nothing else: it becomes a header. */
static bool
mime_valid(const char *s)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&^_.+-";
	size_t n = strspn(s, token);

	return n > 0 && s[n] == '/' && s[n + 1] != '\0' && s[n + 1 + strspn(s + n + 1, token)] == '\0';
}

enum rc
cmd_get_attachment(struct call *c)
{
	struct attachment_ref ref;
	const char *type;
	struct buf out;
	json_t *v[ONE_N];
	struct rd r;
	enum rc rc = read_ref(&r, c, one_members, ONE_N, v, &ref);

	if (rc != RC_OK)
		return rc;
	buf_init(&out, c->u->o.max_attachment_bytes);
	rc = service_absent(engine_attachment_get(c->session, c->arena, &ref, &out, &type, &c->err), &c->err);
	if (rc == RC_OK)
		rc = call_reply_octets(c, &out, mime_valid(type) ? type : "application/octet-stream");
	buf_fini(&out);
	return rc;
}

static void
write_attached(struct call *c, const struct engine_attached *a, bool id)
{
	buf_addc(&c->out, '{');
	if (id) {
		js_key(&c->out, "id");
		js_uuid(&c->out, &a->id);
	}
	js_key(&c->out, "number_of_attachments");
	buf_add_i64(&c->out, a->count);
	js_key(&c->out, "lastModifiedOfNewestAttachmentUTC");
	if (a->newest != 0)
		buf_add_i64(&c->out, a->newest);
	else
		buf_adds(&c->out, "null");
	buf_addc(&c->out, '}');
}

/* A name without place and without what no file system or header takes. */
static enum rc
check_name(struct rd *r, const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '/' || *p == '\\')
			return rd_fail_at(r, "filename", RC_PROTO, "contains a control character, / or \\: send the name alone");
	return RC_OK;
}

static enum rc
read_data(struct rd *r, json_t *v)
{
	struct buf *b = &r->c->raw;
	size_t max = r->c->u->o.max_attachment_bytes;

	if (!json_is_string(v))
		return rd_fail_at(r, "data", RC_PROTO, "must be the file as base64 text");
	if (json_string_length(v) / 4 * 3 > max + 2)
		return rd_fail_at(r, "data", RC_LIMIT, "is larger than %zu bytes", max);
	if (!base64_decode(b, json_string_value(v), json_string_length(v)))
		return b->nomem ? rd_fail_at(r, "data", RC_NOMEM, "out of memory for a file") : rd_fail_at(r, "data", RC_PROTO, "must be the file as base64 text, without line breaks");
	return RC_OK;
}

enum rc
cmd_add_attachment(struct call *c)
{
	struct engine_attached done;
	struct attachment_ref ref;
	const char *type;
	json_t *v[NEW_N];
	struct rd r;
	enum rc rc = read_ref(&r, c, new_members, NEW_N, v, &ref);

	if (rc == RC_OK)
		rc = check_name(&r, json_string_value(v[AT_NAME]));
	if (rc != RC_OK)
		return rc;
	type = v[AT_TYPE] != NULL ? json_string_value(v[AT_TYPE]) : "";
	if (type[0] != '\0' && !mime_valid(type))
		return rd_fail_at(&r, "contentType", RC_PROTO, "must be a MIME type such as application/pdf, without parameters");
	rc = read_data(&r, v[AT_DATA]);
	if (rc == RC_OK)
		rc = service_absent(engine_attachment_add(c->session, c->arena, &ref, json_string_value(v[AT_NAME]), type, c->raw.p, c->raw.len, &done, &c->err), &c->err);
	if (rc == RC_OK)
		write_attached(c, &done, true);
	return rc;
}

enum rc
cmd_delete_attachment(struct call *c)
{
	struct engine_attached done;
	struct attachment_ref ref;
	json_t *v[ONE_N];
	struct rd r;
	enum rc rc = read_ref(&r, c, one_members, ONE_N, v, &ref);

	if (rc == RC_OK)
		rc = service_absent(engine_attachment_delete(c->session, c->arena, &ref, &done, &c->err), &c->err);
	if (rc == RC_OK)
		write_attached(c, &done, false);
	return rc;
}
