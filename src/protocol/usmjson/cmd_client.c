/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The client itself: getClientVersion, getClientFile, sendFeedback. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define VERSION_MAX 64
#define COMMENT_MAX 4000 /* characters */
#define TYPE_MAX 100

static void
write_said(struct buf *b, const char *key, const char *s)
{
	if (s[0] == '\0')
		return;
	js_key(b, key);
	js_str(b, s);
}

void
write_package(struct buf *b, const struct service_package *p)
{
	js_key(b, "name");
	js_str(b, p->name);
	js_key(b, "version");
	js_str(b, p->version);
	write_said(b, "minimum", p->minimum);
	js_key(b, "file");
	js_str(b, p->file);
	js_key(b, "size");
	buf_add_i64(b, p->size);
	js_key(b, "sha256");
	js_str(b, p->sha256);
	write_said(b, "signature", p->signature);
	write_said(b, "notes", p->notes);
}

enum rc
cmd_get_client_version(struct call *c)
{
	struct service_package p;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_package_get(c->u->o.client, c->arena, &p, &c->err);
	if (rc == RC_NOTFOUND) {
		buf_adds(&c->out, "{\"client\":null}");
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	buf_adds(&c->out, "{\"client\":{");
	write_package(&c->out, &p);
	buf_adds(&c->out, "}}");
	return RC_OK;
}

enum rc
cmd_get_client_file(struct call *c)
{
	enum { VERSION, OFFSET, N };
	static const struct rd_member m[N] = {
		[VERSION] = { "version", RD_STRING, RD_REQUIRED, 1, VERSION_MAX },
		[OFFSET] = { "offset", RD_INT, 0, 0, INT64_MAX / 2 },
	};
	struct buf piece;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	buf_init(&piece, SERVICE_PIECE);
	rc = service_package_read(c->u->o.client, json_string_value(v[VERSION]), json_integer_value(v[OFFSET]), &piece, &c->err);
	if (rc == RC_OK)
		rc = call_reply_octets(c, &piece, "application/octet-stream");
	buf_fini(&piece);
	return rc;
}

/* Shown to the administrator in a terminal: no control characters, but for lines. */
static enum rc
text_member(struct rd *r, const char *name, const json_t *v, size_t max, const char **out)
{
	size_t n = 0;

	*out = "";
	if (v == NULL)
		return RC_OK;
	for (const char *p = json_string_value(v); *p != '\0'; p++) {
		if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			return rd_fail_at(r, name, RC_PROTO, "must not hold control characters");
		n += ((unsigned char)*p & 0xc0) != 0x80;
	}
	if (n > max) {
		(void)rd_fail_at(r, name, RC_LIMIT, "has %zu characters, %zu are possible", n, max);
		err_set_length(&r->c->err, (int64_t)n, (int64_t)max);
		return RC_LIMIT;
	}
	*out = json_string_value(v);
	return RC_OK;
}

static enum rc
read_data(struct rd *r, const json_t *v, struct buf *data)
{
	size_t n = json_string_length(v), max = r->c->u->o.max_feedback_bytes;

	if (n / 4 * 3 > max + 2) {
		(void)rd_fail_at(r, "data", RC_LIMIT, "has %zu octets, %zu are possible", n / 4 * 3, max);
		err_set_length(&r->c->err, (int64_t)(n / 4 * 3), (int64_t)max);
		return RC_LIMIT;
	}
	if (base64_decode(data, json_string_value(v), n))
		return RC_OK;
	return data->nomem ? rd_fail_at(r, "data", RC_NOMEM, "out of memory") : rd_fail_at(r, "data", RC_PROTO, "must be base64 text");
}

enum rc
cmd_send_feedback(struct call *c)
{
	enum { DATA, TYPE, VERSION, COMMENT, N };
	static const struct rd_member m[N] = {
		[DATA] = { "data", RD_STRING, RD_REQUIRED, 1, INT64_MAX },
		[TYPE] = { "type", RD_STRING, 0, 1, TYPE_MAX * 4 },
		[VERSION] = { "version", RD_STRING, 0, 1, VERSION_MAX * 4 },
		[COMMENT] = { "comment", RD_STRING, 0, 0, COMMENT_MAX * 4 },
	};
	struct service_feedback f = { .size = 0 };
	struct buf data;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	buf_init(&data, c->u->o.max_feedback_bytes + 3);
	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = text_member(&r, m[TYPE].name, v[TYPE], TYPE_MAX, &f.type);
	if (rc == RC_OK)
		rc = text_member(&r, m[VERSION].name, v[VERSION], VERSION_MAX, &f.version);
	if (rc == RC_OK)
		rc = text_member(&r, m[COMMENT].name, v[COMMENT], COMMENT_MAX, &f.comment);
	if (rc == RC_OK)
		rc = read_data(&r, v[DATA], &data);
	if (rc == RC_OK)
		rc = service_feedback_put(c->u->o.client, c->session, &f, data.p != NULL ? data.p : "", data.len, f.id, &c->err);
	if (rc == RC_OK) {
		buf_adds(&c->out, "{\"id\":");
		js_str(&c->out, f.id);
		buf_addc(&c->out, '}');
	}
	buf_fini(&data);
	return rc;
}
