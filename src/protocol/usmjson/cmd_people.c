/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* resolveRecipients: who answers to a name or an address. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define MAX_QUERY 200
#define DEFAULT_LIMIT 20

static const char *const kinds[] = {
	[PERSON_USER] = "user", [PERSON_CONTACT] = "contact", [PERSON_LIST] = "list", [PERSON_GROUP] = "group", [PERSON_RESOURCE] = "resource",
};

_Static_assert(ARRAY_LEN(kinds) == PERSON_KINDS, "each kind has a name");

/* ---- the request ---- */

static enum rc
read_kinds(struct rd *r, const json_t *list, unsigned *out)
{
	size_t mark = rd_enter(r, "kinds"), inner, i, k;
	json_t *v;

	*out = list == NULL ? (1U << PERSON_KINDS) - 1 : 0;
	json_array_foreach ((json_t *)(uintptr_t)list, i, v) {
		const char *s = json_string_value(v);

		inner = rd_enter_index(r, i);
		for (k = 0; k < PERSON_KINDS && (s == NULL || strcmp(s, kinds[k]) != 0); k++)
			continue;
		if (k == PERSON_KINDS)
			return rd_fail(r, RC_PROTO, "must be user, contact, list, group or resource");
		*out |= 1U << k;
		rd_leave(r, inner);
	}
	rd_leave(r, mark);
	return RC_OK;
}

static enum rc
read_queries(struct rd *r, struct arena *a, const json_t *list, struct service_people *q)
{
	static const struct rd_member text = { "queries", RD_STRING, 0, 1, MAX_QUERY };
	size_t mark = rd_enter(r, "queries"), inner, i;
	json_t *v;
	enum rc rc;

	q->who = arena_array(a, struct service_name, json_array_size(list) + 1);
	if (q->who == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	json_array_foreach ((json_t *)(uintptr_t)list, i, v) {
		inner = rd_enter_index(r, i);
		rc = rd_value(r, &text, v);
		if (rc != RC_OK)
			return rc;
		if (json_string_value(v)[strspn(json_string_value(v), " ")] == '\0')
			return rd_fail(r, RC_PROTO, "must have a character in it that is no blank");
		rd_leave(r, inner);
		q->who[q->n++] = (struct service_name){ .query = json_string_value(v) };
	}
	rd_leave(r, mark);
	return RC_OK;
}

/* ---- the answer ---- */

static void
write_place(struct buf *b, const struct service_object *at)
{
	if (!at->known)
		return;
	js_key(b, "folder");
	js_uuid(b, &at->folder);
	js_key(b, "uuid");
	js_uuid(b, &at->uuid);
}

static void
write_entity(struct buf *b, int64_t entity)
{
	if (entity == 0)
		return;
	js_key(b, "entity");
	buf_add_i64(b, entity);
}

static void
write_members(struct buf *b, const struct service_person *p)
{
	js_key(b, "members");
	buf_addc(b, '[');
	for (size_t i = 0; i < p->n_members; i++) {
		const struct service_member *m = &p->members[i];

		buf_adds(b, i > 0 ? ",{" : "{");
		js_key(b, "name");
		js_str(b, m->name);
		js_key(b, "address");
		js_str(b, m->address);
		write_entity(b, m->entity);
		write_place(b, &m->at);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	js_key(b, "moreMembers");
	buf_adds(b, p->more_members ? "true" : "false");
}

static void
write_photo(struct buf *b, const struct service_person *p)
{
	js_key(b, "hasPhoto");
	buf_adds(b, p->has_photo ? "true" : "false");
	if (p->photo == NULL)
		return;
	js_key(b, "photo");
	buf_addc(b, '{');
	js_key(b, "type");
	js_str(b, p->photo_type);
	js_key(b, "data");
	buf_addc(b, '"');
	base64_encode(b, p->photo, p->photo_len);
	buf_adds(b, "\"}");
}

static void
write_person(struct buf *b, const struct service_person *p, bool members)
{
	buf_addc(b, '{');
	js_key(b, "kind");
	js_str(b, kinds[p->kind]);
	/* group 0 holds all users: its number is said as well */
	if (p->kind == PERSON_USER || p->kind == PERSON_GROUP || p->kind == PERSON_RESOURCE) {
		js_key(b, "entity");
		buf_add_i64(b, p->entity);
	}
	js_key(b, "name");
	js_str(b, p->name);
	js_key(b, "addresses");
	buf_addc(b, '[');
	for (size_t i = 0; i < p->n_addresses; i++) {
		if (i > 0)
			buf_addc(b, ',');
		js_str(b, p->address[i]);
	}
	buf_addc(b, ']');
	write_place(b, &p->at);
	js_key(b, "exact");
	buf_adds(b, p->exact ? "true" : "false");
	write_photo(b, p);
	if (members && (p->kind == PERSON_LIST || p->kind == PERSON_GROUP))
		write_members(b, p);
	buf_addc(b, '}');
}

static void
write_answer(struct buf *b, const struct service_people *q)
{
	bool first = true;

	buf_addc(b, '{');
	js_key(b, "results");
	buf_addc(b, '[');
	for (size_t i = 0; i < q->n; i++) {
		const struct service_name *w = &q->who[i];

		buf_adds(b, i > 0 ? ",{" : "{");
		js_key(b, "query");
		js_str(b, w->query);
		js_key(b, "recipients");
		buf_addc(b, '[');
		for (size_t k = 0; k < w->n; k++) {
			if (k > 0)
				buf_addc(b, ',');
			write_person(b, &w->v[k], q->members);
		}
		buf_addc(b, ']');
		js_key(b, "more");
		buf_adds(b, w->more ? "true}" : "false}");
	}
	buf_addc(b, ']');
	js_key(b, "unavailable");
	buf_addc(b, '[');
	for (unsigned k = 0; k < PERSON_KINDS; k++) {
		if ((q->absent >> k & 1) == 0)
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		js_str(b, kinds[k]);
	}
	buf_adds(b, "]}");
}

enum rc
cmd_resolve_recipients(struct call *c)
{
	enum { QUERIES, KINDS, EXACT, LIMIT, MEMBERS, PHOTO, N };
	static const struct rd_member m[N] = {
		[QUERIES] = { "queries", RD_ARRAY, RD_REQUIRED, 1, SERVICE_QUERIES },
		[KINDS] = { "kinds", RD_ARRAY, 0, 1, PERSON_KINDS },
		[EXACT] = { "exact", RD_BOOL, 0, 0, 0 },
		[LIMIT] = { "limit", RD_INT, 0, 1, SERVICE_PEOPLE },
		[MEMBERS] = { "members", RD_BOOL, 0, 0, 0 },
		[PHOTO] = { "photoSize", RD_INT, 0, 1, SERVICE_PHOTO_MAX },
	};
	struct service_people q = { .limit = DEFAULT_LIMIT };
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = read_kinds(&r, v[KINDS], &q.kinds);
	if (rc == RC_OK)
		rc = read_queries(&r, c->arena, v[QUERIES], &q);
	if (rc != RC_OK)
		return rc;
	q.exact = json_is_true(v[EXACT]);
	q.members = json_is_true(v[MEMBERS]);
	if (v[LIMIT] != NULL)
		q.limit = (size_t)json_integer_value(v[LIMIT]);
	if (v[PHOTO] != NULL)
		q.photo_max = (size_t)json_integer_value(v[PHOTO]);
	rc = service_people_resolve(c->session, c->arena, &q, &c->err);
	if (rc == RC_OK)
		write_answer(&c->out, &q);
	return rc;
}
