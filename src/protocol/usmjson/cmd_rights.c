/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* getPermissions and setPermissions: entries by level name or by their single rights. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define MAX_CHANGES 1000
#define MAX_NAME 320 /* a display name at OX */

static void
write_rights(struct buf *b, const char *key, int64_t bits)
{
	struct rights r = rights_unpack(bits);

	js_key(b, "level");
	js_str(b, rights_level(bits));
	js_key(b, key);
	buf_addc(b, '{');
	js_key(b, "folder");
	js_str(b, rights_word(r.folder, true));
	js_key(b, "read");
	js_str(b, rights_word(r.read, false));
	js_key(b, "write");
	js_str(b, rights_word(r.write, false));
	js_key(b, "delete");
	js_str(b, rights_word(r.remove, false));
	js_key(b, "administer");
	buf_adds(b, r.administer ? "true}" : "false}");
}

static void
write_permissions(struct buf *b, const struct permissions_answer *a)
{
	js_key(b, "rev");
	js_str(b, a->rev);
	js_key(b, "own");
	buf_addc(b, '{');
	write_rights(b, "rights", a->own);
	buf_addc(b, '}');
	js_key(b, "entries");
	buf_addc(b, '[');
	for (size_t i = 0; i < a->n; i++) {
		const struct permission *p = &a->entries[i];

		buf_adds(b, i > 0 ? ",{" : "{");
		js_key(b, "entity");
		buf_add_i64(b, p->entity);
		js_key(b, "group");
		buf_adds(b, p->group ? "true" : "false");
		js_key(b, "type");
		js_str(b, p->type);
		js_key(b, "name");
		js_str(b, p->name);
		write_rights(b, "rights", p->bits);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

enum rc
cmd_get_permissions(struct call *c)
{
	static const struct rd_member m[] = { { "folder", RD_UUID, RD_REQUIRED, 0, 0 } };
	struct permissions_answer a;
	struct uuid folder;
	json_t *v[1];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, 1, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[0], &folder);
	rc = engine_permissions_get(c->session, c->arena, &folder, &a, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_permissions(&c->out, &a);
	buf_addc(&c->out, '}');
	return RC_OK;
}

/* ---- setPermissions ---- */

static enum rc
read_word(struct rd *r, const char *name, const json_t *v, bool folder, int64_t *out)
{
	if (!rights_of_word(json_string_value(v), folder, out))
		return rd_fail_at(r, name, RC_PROTO, folder ? "must be \"none\", \"see\", \"create\" or \"subfolders\"" : "must be \"none\", \"own\" or \"all\"");
	return RC_OK;
}

static enum rc
read_rights(struct rd *r, const json_t *j, int64_t *bits)
{
	enum { FOLDER, READ, WRITE, DELETE, ADMINISTER, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_STRING, RD_REQUIRED, 1, 16 },
		[READ] = { "read", RD_STRING, RD_REQUIRED, 1, 16 },
		[WRITE] = { "write", RD_STRING, RD_REQUIRED, 1, 16 },
		[DELETE] = { "delete", RD_STRING, RD_REQUIRED, 1, 16 },
		[ADMINISTER] = { "administer", RD_BOOL, RD_REQUIRED, 0, 0 },
	};
	struct rights x = { 0 };
	size_t mark = rd_enter(r, "rights");
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, N, v);

	if (rc == RC_OK)
		rc = read_word(r, "folder", v[FOLDER], true, &x.folder);
	if (rc == RC_OK)
		rc = read_word(r, "read", v[READ], false, &x.read);
	if (rc == RC_OK)
		rc = read_word(r, "write", v[WRITE], false, &x.write);
	if (rc == RC_OK)
		rc = read_word(r, "delete", v[DELETE], false, &x.remove);
	if (rc != RC_OK)
		return rc;
	x.administer = json_is_true(v[ADMINISTER]);
	*bits = rights_pack(&x);
	rd_leave(r, mark);
	return RC_OK;
}

static enum rc
read_entry(struct rd *r, const json_t *j, bool remove, struct permission_change *out)
{
	enum { ENTITY, NAME, GROUP, LEVEL, RIGHTS, N };
	static const struct rd_member m[N] = {
		[ENTITY] = { "entity", RD_INT, 0, 0, INT32_MAX },
		[NAME] = { "name", RD_STRING, 0, 1, MAX_NAME * 4 },
		[GROUP] = { "group", RD_BOOL, 0, 0, 0 },
		[LEVEL] = { "level", RD_STRING, 0, 1, 32 },
		[RIGHTS] = { "rights", RD_ANY, 0, 0, 0 },
	};
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, remove ? LEVEL : N, v);

	if (rc != RC_OK)
		return rc;
	if ((v[ENTITY] != NULL) == (v[NAME] != NULL))
		return rd_fail(r, RC_PROTO, "must name a user or group by entity or by name");
	out->entity = json_integer_value(v[ENTITY]);
	out->name = json_string_value(v[NAME]);
	out->group = json_is_true(v[GROUP]);
	out->remove = remove;
	if (remove)
		return RC_OK;
	if ((v[LEVEL] != NULL) == (v[RIGHTS] != NULL))
		return rd_fail(r, RC_PROTO, "must have either level or rights");
	if (v[RIGHTS] != NULL)
		return read_rights(r, v[RIGHTS], &out->bits);
	if (!rights_of_level(json_string_value(v[LEVEL]), &out->bits))
		return rd_fail_at(r, "level", RC_PROTO, "must be None, Contributor, Reviewer, Nonediting Author, Author, Publishing Author, Editor, Publishing Editor or Owner");
	return RC_OK;
}

static enum rc
read_list(struct rd *r, const char *key, const json_t *list, bool remove, struct permissions_request *req)
{
	size_t mark = rd_enter(r, key), inner, i;
	json_t *j;
	enum rc rc;

	json_array_foreach((json_t *)(uintptr_t)list, i, j) {
		inner = rd_enter_index(r, i);
		rc = read_entry(r, j, remove, &req->changes[req->n++]);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, inner);
	}
	rd_leave(r, mark);
	return RC_OK;
}

enum rc
cmd_set_permissions(struct call *c)
{
	enum { FOLDER, REV, SET, REMOVE, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[REV] = { "rev", RD_REV, RD_REQUIRED, 0, 0 },
		[SET] = { "set", RD_ARRAY, 0, 0, MAX_CHANGES },
		[REMOVE] = { "remove", RD_ARRAY, 0, 0, MAX_CHANGES },
	};
	struct permissions_request req = { 0 };
	struct permissions_answer a;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &req.folder);
	req.rev = json_string_value(v[REV]);
	req.changes = arena_array(c->arena, struct permission_change, json_array_size(v[SET]) + json_array_size(v[REMOVE]) + 1);
	if (req.changes == NULL)
		return rd_fail(&r, RC_NOMEM, "out of memory");
	rc = read_list(&r, "set", v[SET], false, &req);
	if (rc == RC_OK)
		rc = read_list(&r, "remove", v[REMOVE], true, &req);
	if (rc == RC_OK && req.n == 0)
		rc = rd_fail(&r, RC_PROTO, "The request changes nothing: give set or remove");
	if (rc == RC_OK)
		rc = engine_permissions_set(c->session, c->arena, &req, &a, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "applied");
	buf_adds(&c->out, a.applied ? "true" : "false");
	write_permissions(&c->out, &a);
	buf_addc(&c->out, '}');
	return RC_OK;
}
