/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reads the changes of a client: created, modified and deleted objects, their fields by the model's table of fields.
 * Says no to what cannot be meant; whether a change may be carried out is the engine's business.
 *
 * A change that names its object and is wrong otherwise is refused alone: it goes to the engine with the reason, and the others are
 * carried out.  One that does not even name its object has no result that could tell of it, so the request is refused.
 */
#include "protocol/usmjson/usmjson_int.h"

#include <stdlib.h>
#include <string.h>

enum { CH_CLIENT_ID, CH_UUID, CH_REV, CH_AGAIN, CH_BLIND, CH_FOLDER, CH_PARENT, CH_TYPE, CH_RAW, CH_IGNORE, CH_NOTIFY, CH_SERIES, CH_COUNT };

/* every member of a change that is no field; which may stand where is in the masks below */
static const struct rd_member members[CH_COUNT] = {
	[CH_CLIENT_ID] = { "clientId", RD_CLIENT_ID, 0, 0, 0 },
	[CH_UUID] = { "uuid", RD_UUID, 0, 0, 0 },
	[CH_REV] = { "rev", RD_REV, 0, 0, 0 },
	[CH_AGAIN] = { "again", RD_BOOL, 0, 0, 0 },
	[CH_BLIND] = { "blind", RD_ANY, 0, 0, 0 },
	[CH_FOLDER] = { "folder", RD_UUID, 0, 0, 0 },
	[CH_PARENT] = { "parent", RD_ANY, 0, 0, 0 },
	[CH_TYPE] = { "objectType", RD_STRING, 0, 0, 32 },
	[CH_RAW] = { "raw", RD_ANY, 0, 0, 0 },
	[CH_IGNORE] = { "ignoreConflicts", RD_BOOL, 0, 0, 0 },
	[CH_NOTIFY] = { "notify", RD_BOOL, 0, 0, 0 },
	[CH_SERIES] = { "recurrence_id", RD_UUID, 0, 0, 0 }, /* a uuid where OX has an id of its own */
};

#define M(x) (1u << (x))
static const unsigned allowed[] = {
	[OP_CREATE] = M(CH_CLIENT_ID) | M(CH_AGAIN) | M(CH_PARENT) | M(CH_TYPE) | M(CH_RAW) | M(CH_IGNORE) | M(CH_NOTIFY) | M(CH_SERIES),
	[OP_MODIFY] = M(CH_CLIENT_ID) | M(CH_UUID) | M(CH_REV) | M(CH_BLIND) | M(CH_FOLDER) | M(CH_PARENT) | M(CH_TYPE) | M(CH_RAW) | M(CH_IGNORE) | M(CH_NOTIFY),
	[OP_DELETE] = M(CH_CLIENT_ID) | M(CH_UUID) | M(CH_REV) | M(CH_BLIND) | M(CH_TYPE),
};

/* members that only some content types know */
static bool
member_of_type(size_t m, enum content ct)
{
	switch (m) {
	case CH_PARENT:
		return ct == CT_FOLDER;
	case CH_FOLDER:
		return ct != CT_FOLDER;
	case CH_RAW:
		return ct == CT_MAIL;
	case CH_IGNORE:
	case CH_SERIES:
		return ct == CT_CALENDAR;
	case CH_NOTIFY:
		return ct == CT_CALENDAR || ct == CT_TASK;
	default:
		return true;
	}
}

/* Folders have "parent", a uuid, where OX has folder_id: the answer and `blind` speak of the field by that name. */
static int
field_by_wire_name(const struct content_type *t, const char *name)
{
	bool folder = t->ct == CT_FOLDER;
	int i = model_field(t, folder && strcmp(name, "parent") == 0 ? "folder_id" : name);

	if (i < 0 || (folder && strcmp(name, "folder_id") == 0))
		return -1;
	return (t->fields[i].flags & FF_NODELIVER) != 0 ? -1 : i;
}

/* blind of a delete is true or false, of a modification the names of fields */
static enum rc
read_blind(struct rd *r, const struct content_type *t, struct client_change *ch, json_t *v)
{
	size_t i, mark;
	json_t *name;

	if (ch->op == OP_DELETE) {
		if (!json_is_boolean(v))
			return rd_fail(r, RC_PROTO, "must be true or false");
		ch->blind_delete = json_is_true(v);
		return RC_OK;
	}
	if (!json_is_array(v) || json_array_size(v) > MODEL_MAX_FIELDS)
		return rd_fail(r, RC_PROTO, "must be an array of names of fields");
	json_array_foreach(v, i, name) {
		int f = json_is_string(name) ? field_by_wire_name(t, json_string_value(name)) : -1;

		mark = rd_enter_index(r, i);
		if (f < 0)
			return rd_fail(r, RC_PROTO, "must be the name of a field of the type %s", t->name);
		fmask_set(&ch->blind, (unsigned)f);
		rd_leave(r, mark);
	}
	return RC_OK;
}

static enum rc
read_parent(struct rd *r, struct client_change *ch, json_t *v)
{
	static const struct rd_member m = { "parent", RD_UUID, 0, 0, 0 };
	enum rc rc = RC_OK;

	ch->has_move = true;
	if (json_is_null(v))
		return RC_OK; /* move_to stays zero: the top */
	rc = rd_value(r, &m, v);
	if (rc == RC_OK)
		rd_uuid(v, &ch->move_to);
	return rc;
}

/* WHAT has N bytes where MAX are possible. */
static enum rc
fail_length(struct rd *r, const char *what, int64_t n, size_t max)
{
	enum rc rc = rd_fail(r, RC_LIMIT, "%s has %lld bytes, %zu are possible", what, (long long)n, max);

	err_set_length(&r->c->err, n, (int64_t)max);
	return rc;
}

enum rc
raw_read(struct rd *r, const json_t *v, size_t *len)
{
	struct buf *b = &r->c->raw;
	size_t before = b->len, max = r->c->u->o.max_mail_bytes;

	if (!json_is_string(v) || json_string_length(v) == 0)
		return rd_fail(r, RC_PROTO, "must be the mail as base64 text");
	if (json_string_length(v) / 4 * 3 > max + 2)
		return fail_length(r, "The mail", (int64_t)json_string_length(v) / 4 * 3, max);
	if (!base64_decode(b, json_string_value(v), json_string_length(v)))
		return b->nomem  ? rd_fail(r, RC_NOMEM, "out of memory for a mail")
		     : b->failed ? rd_fail(r, RC_LIMIT, "The mails of this request are too large together; send fewer in one request")
		                 : rd_fail(r, RC_PROTO, "must be the mail as base64 text");
	*len = b->len - before;
	return *len > 0 ? RC_OK : rd_fail(r, RC_PROTO, "must be the mail as base64 text");
}

static enum rc
read_member(struct rd *r, const struct content_type *t, struct client_change *ch, size_t m, json_t *v)
{
	enum rc rc = rd_value(r, &members[m], v);

	if (rc != RC_OK)
		return rc;
	switch (m) {
	case CH_REV:
		ch->rev = json_string_value(v);
		break;
	case CH_AGAIN:
		ch->again = json_is_true(v);
		break;
	case CH_BLIND:
		return read_blind(r, t, ch, v);
	case CH_FOLDER:
		ch->has_move = true;
		rd_uuid(v, &ch->move_to);
		break;
	case CH_PARENT:
		return read_parent(r, ch, v);
	case CH_TYPE:
		if (strcmp(json_string_value(v), t->name) != 0)
			return rd_fail(r, RC_PROTO, "The objects of this folder have the objectType %s", t->name);
		break;
	case CH_RAW:
		return raw_read(r, v, &ch->raw_len); /* the pointers are set when all are read */
	case CH_IGNORE:
		ch->ignore_conflicts = json_is_true(v);
		break;
	case CH_NOTIFY:
		ch->silent = !json_is_true(v);
		break;
	case CH_SERIES:
		ch->has_series = true;
		rd_uuid(v, &ch->series);
		break;
	default:
		break;
	}
	return RC_OK;
}

/* What the change is about: read first, because whatever else is wrong is told under this name. */
static enum rc
read_name(struct rd *r, const json_t *j, struct client_change *ch)
{
	static const enum { ID, UUID } needed[] = { [OP_CREATE] = ID, [OP_MODIFY] = UUID, [OP_DELETE] = UUID };
	const json_t *uuid = json_object_get(j, "uuid"), *id = json_object_get(j, "clientId");

	if (ch->op == OP_CREATE && id == NULL)
		return rd_fail_at(r, "clientId", RC_PROTO, "is missing: a new object needs the client's own id");
	if (ch->op == OP_MODIFY && uuid == NULL)
		return rd_fail_at(r, "uuid", RC_PROTO, "is missing: it names the object to change");
	if (ch->op == OP_DELETE && (uuid != NULL) == (id != NULL))
		return rd_fail(r, RC_PROTO, "must name the object by uuid or, as long as its creation is unanswered, by clientId");
	for (size_t m = CH_CLIENT_ID; m <= CH_UUID; m++) {
		const json_t *v = m == CH_UUID ? uuid : id;
		size_t mark = rd_enter(r, members[m].name);
		enum rc rc = v != NULL ? rd_value(r, &members[m], v) : RC_OK;

		if (rc != RC_OK)
			return rc;
		rd_leave(r, mark);
	}
	if (id != NULL)
		ch->client_id = json_string_value(id); /* the body lives until the answer is written */
	if (uuid != NULL && needed[ch->op] == UUID) {
		ch->has_uuid = true;
		rd_uuid(uuid, &ch->uuid);
	}
	return RC_OK;
}

static enum rc
change_complete(struct rd *r, const struct client_change *ch, enum content ct)
{
	if (ch->op == OP_CREATE && ct == CT_MAIL && ch->raw_len == 0)
		return rd_fail_at(r, "raw", RC_PROTO, "is missing: a new mail is sent whole, as base64 text");
	if (ch->op == OP_CREATE && ct != CT_MAIL && fmask_empty(&ch->fields))
		return rd_fail(r, RC_PROTO, "needs at least one field");
	if (ch->op == OP_MODIFY && ch->raw_len > 0 && ch->has_move)
		return rd_fail_at(r, "raw", RC_PROTO, "does not go together with a move: send the new version first");
	if (ch->op == OP_MODIFY && fmask_empty(&ch->fields) && !ch->has_move && ch->raw_len == 0)
		return rd_fail(r, RC_PROTO, "changes nothing: name the fields that changed, or the folder to move to");
	return RC_OK;
}

/* Bytes of field I, and how many it may have: a picture is a file, and counts as it is without its base64. */
static size_t
value_length(const struct rd *r, const struct content_type *t, unsigned i, const json_t *v, size_t *max)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	*max = r->c->u->o.max_string_bytes;
	if (t->fields[i].type != FT_BINARY || n < 4)
		return n;
	*max = r->c->u->o.max_attachment_bytes;
	return n / 4 * 3 - (s[n - 1] == '=') - (s[n - 2] == '='); /* object_read has seen that it is base64 */
}

/* the members that are fields, by the table of fields */
static enum rc
read_fields(struct rd *r, const struct content_type *t, const json_t *j, struct client_change *ch)
{
	const char *envelope[CH_COUNT + 1] = { NULL };
	size_t max, n;
	char label[40];
	enum rc rc;

	for (size_t i = 0; i < CH_COUNT; i++)
		envelope[i] = members[i].name;
	rc = object_read(r->c->arena, t->ct, j, "", envelope, ch->op == OP_CREATE, &ch->object, &ch->fields, &r->c->err);
	for (unsigned i = 0; rc == RC_OK && i < t->n_fields; i++) {
		if (ch->object->v[i] == NULL || (n = value_length(r, t, i, ch->object->v[i], &max)) <= max)
			continue;
		(void)rd_enter(r, t->fields[i].name);
		model_field_label(t, i, label, sizeof(label));
		rc = fail_length(r, label, (int64_t)n, max);
		model_err_field(&r->c->err, t, i);
	}
	return rc;
}

static enum rc
read_members(struct rd *r, const struct content_type *t, json_t *j, struct client_change *ch)
{
	const char *name;
	json_t *v;
	size_t m, mark;
	enum rc rc;

	json_object_foreach(j, name, v) {
		mark = rd_enter(r, name);
		m = rd_member_find(members, CH_COUNT, name);
		rc = RC_OK;
		if (m < CH_COUNT && (allowed[ch->op] & M(m)) != 0 && member_of_type(m, t->ct))
			rc = read_member(r, t, ch, m, v);
		else if (m < CH_COUNT || ch->op == OP_DELETE)
			rc = rd_fail(r, RC_PROTO, "is no member of this");
		else if (field_by_wire_name(t, name) < 0)
			rc = rd_fail(r, RC_PROTO, "is no field of a %s", t->name);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, mark);
	}
	rc = ch->op != OP_DELETE ? read_fields(r, t, j, ch) : RC_OK;
	return rc == RC_OK ? change_complete(r, ch, t->ct) : rc;
}

/*
 * What is wrong with a change is its own: paths in it are relative to it, as those of errors that OX finds are.  What is not
 * its own (no memory, all mails together too large) ends the request.
 */
static enum rc
read_change(struct rd *r, const struct content_type *t, json_t *j, struct client_change *ch)
{
	struct rd inner;
	size_t raw = r->c->raw.len;
	enum rc rc;

	if (!json_is_object(j))
		return rd_fail(r, RC_PROTO, "must be an object");
	rc = read_name(r, j, ch);
	if (rc != RC_OK)
		return rc;
	rd_init(&inner, r->c);
	rc = read_members(&inner, t, j, ch);
	if (rc == RC_OK || (rc != RC_PROTO && rc != RC_LIMIT) || r->c->raw.failed)
		return rc;
	ch->refused = arena_memdup(r->c->arena, &r->c->err, sizeof(r->c->err));
	if (ch->refused == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	r->c->raw.len = raw;
	ch->raw_len = 0;
	return RC_OK;
}

/* ---- nothing twice ---- */

struct name_at {
	const char *name; /* client id, or NULL */
	const struct uuid *uuid;
	size_t at;
};

static int
name_at_cmp(const void *a, const void *b)
{
	const struct name_at *x = a, *y = b;
	int d;

	if ((x->name == NULL) != (y->name == NULL))
		return x->name == NULL ? -1 : 1;
	d = x->name != NULL ? strcmp(x->name, y->name) : memcmp(x->uuid->b, y->uuid->b, sizeof(x->uuid->b));
	return d != 0 ? d : x->at < y->at ? -1 : x->at > y->at;
}

static bool
name_at_same(const struct name_at *x, const struct name_at *y)
{
	if ((x->name == NULL) != (y->name == NULL))
		return false;
	return x->name != NULL ? strcmp(x->name, y->name) == 0 : memcmp(x->uuid->b, y->uuid->b, sizeof(x->uuid->b)) == 0;
}

/* first of V that repeats an earlier one, else N */
static size_t
first_repeated(struct name_at *v, size_t n)
{
	size_t found = SIZE_MAX;

	if (n > 1)
		qsort(v, n, sizeof(*v), name_at_cmp);
	for (size_t i = 1; i < n; i++)
		if (name_at_same(&v[i - 1], &v[i]) && v[i].at < found)
			found = v[i].at;
	return found == SIZE_MAX ? n : found;
}

enum rc
uuids_distinct(struct arena *a, const struct uuid *u, size_t n, size_t *dup)
{
	struct name_at *v = arena_array(a, struct name_at, n);

	if (v == NULL)
		return RC_NOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct name_at){ NULL, &u[i], i };
	*dup = first_repeated(v, n);
	return RC_OK;
}

enum rc
changes_first_repeated(struct arena *a, const struct client_change *ch, size_t n, size_t *dup)
{
	struct name_at *v = arena_array(a, struct name_at, n);

	if (v == NULL)
		return RC_NOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct name_at){ ch[i].has_uuid ? NULL : ch[i].client_id, &ch[i].uuid, i };
	*dup = first_repeated(v, n);
	return RC_OK;
}

static enum rc
changes_distinct(struct rd *r, const struct sync_request *req, size_t n_created, size_t n_modified)
{
	size_t at;

	if (changes_first_repeated(r->c->arena, req->changes, req->n_changes, &at) != RC_OK)
		return rd_fail(r, RC_NOMEM, "out of memory");
	if (at == req->n_changes)
		return RC_OK;
	(void)rd_enter(r, at < n_created ? "created" : at < n_created + n_modified ? "modified" : "deleted");
	(void)rd_enter_index(r, at < n_created ? at : at < n_created + n_modified ? at - n_created : at - n_created - n_modified);
	return rd_fail(r, RC_PROTO, "is in the request twice; send one change for each object");
}

/* ---- all of them ---- */

static enum rc
read_array(struct rd *r, const struct content_type *t, const char *key, enum sync_op op, const json_t *list, struct sync_request *req)
{
	size_t i, mark, inner;
	json_t *j;
	enum rc rc;

	if (list == NULL)
		return RC_OK;
	mark = rd_enter(r, key);
	json_array_foreach(list, i, j) {
		struct client_change *ch = &req->changes[req->n_changes++];

		ch->op = op;
		inner = rd_enter_index(r, i);
		rc = read_change(r, t, j, ch);
		if (rc != RC_OK)
			return rc;
		rd_leave(r, inner);
	}
	rd_leave(r, mark);
	return RC_OK;
}

enum rc
changes_read(struct rd *r, enum content ct, const json_t *created, const json_t *modified, const json_t *deleted, struct sync_request *req)
{
	const struct content_type *t = model_content(ct);
	size_t nc = json_array_size(created), nm = json_array_size(modified), n = nc + nm + json_array_size(deleted);
	const char *raw;
	enum rc rc;

	if (n > r->c->u->o.max_objects)
		return rd_fail(r, RC_LIMIT, "The request has %zu changes, %zu are allowed", n, r->c->u->o.max_objects);
	req->changes = arena_array(r->c->arena, struct client_change, n);
	if (req->changes == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	rc = read_array(r, t, "created", OP_CREATE, created, req);
	if (rc == RC_OK)
		rc = read_array(r, t, "modified", OP_MODIFY, modified, req);
	if (rc == RC_OK)
		rc = read_array(r, t, "deleted", OP_DELETE, deleted, req);
	if (rc == RC_OK)
		rc = changes_distinct(r, req, nc, nm);
	raw = r->c->raw.p;
	for (size_t i = 0; rc == RC_OK && i < req->n_changes; i++) {
		if (req->changes[i].raw_len == 0)
			continue;
		req->changes[i].raw = raw;
		raw += req->changes[i].raw_len;
	}
	return rc;
}

void
changes_drop(struct sync_request *req)
{
	for (size_t i = 0; i < req->n_changes; i++)
		object_drop(req->changes[i].object);
}
