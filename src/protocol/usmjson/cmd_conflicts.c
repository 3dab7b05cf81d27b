/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* getConflicts, restoreConflict, dismissConflict: the values that lost a conflict. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define ID_MAX ((int64_t)1 << 53) /* whole numbers that every JSON parser keeps */

static const char *
side_name(enum conflict_side s)
{
	static const char *const names[] = { [SIDE_DEVICE] = "device", [SIDE_CLIENT] = "client", [SIDE_SERVER] = "server" };

	return names[s];
}

/* The recorded values but pictures, which come with restoring alone. */
static void
write_values(struct buf *b, const struct conflict_entry *x)
{
	int apart = model_field_flagged(model_content(x->ct), FF_APART);
	const char *picture = apart >= 0 ? model_content(x->ct)->fields[apart].name : NULL;
	const char *name;
	bool first = true;
	json_t *v;

	js_key(b, "values"); /* written one by one: a copy could lack some when memory runs out */
	buf_addc(b, '{');
	json_object_foreach((json_t *)(uintptr_t)x->values, name, v) {
		if (picture != NULL && strcmp(name, picture) == 0)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		json_text_string(b, name, strlen(name));
		buf_addc(b, ':');
		json_text(b, v);
	}
	buf_addc(b, '}');
}

static void
write_entry(struct buf *b, const struct conflict_entry *x)
{
	js_key(b, "id");
	buf_add_i64(b, x->id);
	js_key(b, "time");
	buf_add_i64(b, x->at);
	js_key(b, "expires");
	buf_add_i64(b, x->expires);
	js_key(b, "objectType");
	js_str(b, model_content(x->ct)->name);
	if (!x->folder.hierarchy) {
		js_key(b, "folder");
		js_uuid(b, &x->folder.uuid);
	}
	if (x->has_uuid) {
		js_key(b, "uuid");
		js_uuid(b, &x->uuid);
	}
	if (x->title != NULL) {
		js_key(b, "title");
		js_str(b, x->title);
	}
	if (x->device[0] != '\0') {
		js_key(b, "device");
		js_str(b, x->device);
	}
	js_key(b, "loser");
	js_str(b, side_name(x->lost));
	js_key(b, "winner");
	js_str(b, side_name(x->won));
	js_key(b, "fields");
	json_text(b, x->fields);
	if (x->octets) {
		js_key(b, "octets");
		buf_adds(b, "true");
	}
	write_values(b, x);
}

enum rc
cmd_get_conflicts(struct call *c)
{
	enum { LIMIT, AFTER, N };
	static const struct rd_member m[N] = {
		[LIMIT] = { "limit", RD_INT, 0, 1, INT32_MAX },
		[AFTER] = { "after", RD_INT, 0, 1, ID_MAX },
	};
	struct conflict_list l;
	size_t limit = c->u->o.default_limit;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	if (v[LIMIT] != NULL)
		limit = json_integer_value(v[LIMIT]) > (json_int_t)c->u->o.max_limit ? c->u->o.max_limit : (size_t)json_integer_value(v[LIMIT]);
	rc = engine_conflicts(c->session, c->arena, v[AFTER] != NULL ? json_integer_value(v[AFTER]) : 0, limit, &l, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_adds(&c->out, "{\"conflicts\":[");
	for (size_t i = 0; i < l.n; i++) {
		buf_adds(&c->out, i > 0 ? ",{" : "{");
		write_entry(&c->out, &l.v[i]);
		buf_addc(&c->out, '}');
	}
	buf_adds(&c->out, "],\"more\":");
	buf_adds(&c->out, l.more ? "true" : "false");
	if (l.more) {
		js_key(&c->out, "next");
		buf_add_i64(&c->out, l.next);
	}
	buf_addc(&c->out, '}');
	engine_conflicts_done(&l);
	return RC_OK;
}

enum rc
cmd_restore_conflict(struct call *c)
{
	enum { ID, REV, N };
	static const struct rd_member m[N] = {
		[ID] = { "id", RD_INT, RD_REQUIRED, 1, ID_MAX },
		[REV] = { "rev", RD_REV, 0, 0, 0 },
	};
	struct conflict_restored done;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = engine_conflict_restore(c->session, c->arena, json_integer_value(v[ID]), json_string_value(v[REV]), &done, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_adds(&c->out, "{\"status\":");
	js_str(&c->out, done.status == ST_OK ? "ok" : done.status == ST_CONFLICT ? "conflict" : "retry");
	if (done.status == ST_OK) {
		js_key(&c->out, "uuid");
		js_uuid(&c->out, &done.uuid);
	}
	buf_addc(&c->out, '}');
	return RC_OK;
}

enum rc
cmd_dismiss_conflict(struct call *c)
{
	enum { ID, N };
	static const struct rd_member m[N] = { [ID] = { "id", RD_INT, RD_REQUIRED, 1, ID_MAX } };
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = engine_conflict_dismiss(c->session, c->arena, json_integer_value(v[ID]), &c->err);
	if (rc == RC_OK)
		buf_adds(&c->out, "{}");
	return rc;
}
