/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A service for tests of the protocol, as fake_engine.c is an engine. */
#include "fake_engine.h"
#include "usmd/service.h"

#include <string.h>

enum rc
service_quota_get(struct engine_session *s, struct service_quota *out, struct err *e)
{
	(void)s;
	fake_note("quota;");
	*out = (struct service_quota){ .mail = { 1, -1 }, .files = { 5, 6 } };
	for (int ct = 0; ct < CT_COUNT; ct++)
		out->objects[ct] = (struct service_use){ 3, -1 };
	return fake_fails("quota", e);
}

static bool
fake_person(struct arena *a, struct service_person *p, enum person_kind kind, const struct service_people *q)
{
	const bool listed = kind == PERSON_LIST || kind == PERSON_GROUP;

	*p = (struct service_person){ .kind = kind, .entity = kind == PERSON_CONTACT || kind == PERSON_LIST ? 0 : 4, .name = "Ada \"L\"", .exact = kind == PERSON_USER };
	if (!listed) {
		p->address[0] = "ada@example.com";
		p->n_addresses = 1;
	}
	if (kind <= PERSON_LIST)
		p->at = (struct service_object){ .known = true, .folder = fake_uuid(1), .uuid = fake_uuid(2) };
	p->has_photo = kind == PERSON_CONTACT;
	if (p->has_photo && q->photo_max != 0) {
		p->photo_type = "image/png";
		p->photo = "\x89PN";
		p->photo_len = 3;
	}
	if (!q->members || !listed)
		return true;
	p->members = arena_array(a, struct service_member, 2);
	if (p->members == NULL)
		return false;
	p->members[0] = (struct service_member){ .entity = 3, .name = "Bo", .address = "" };
	p->members[1] = (struct service_member){ .name = "", .address = "c@example.com", .at = { .known = true, .folder = fake_uuid(1), .uuid = fake_uuid(3) } };
	p->n_members = 2;
	p->more_members = true;
	return true;
}

enum rc
service_people_resolve(struct engine_session *s, struct arena *a, struct service_people *q, struct err *e)
{
	(void)s;
	fake_note("people kinds=%u limit=%zu%s%s photo=%zu", q->kinds, q->limit, q->exact ? " exact" : "", q->members ? " members" : "", q->photo_max);
	for (size_t i = 0; i < q->n; i++) {
		fake_note(" %s", q->who[i].query);
		q->who[i].v = arena_array(a, struct service_person, PERSON_KINDS);
		for (unsigned k = 0; k < PERSON_KINDS; k++)
			if ((q->kinds >> k & 1) != 0 && (q->who[i].v == NULL || !fake_person(a, &q->who[i].v[q->who[i].n++], (enum person_kind)k, q)))
				return err_set(e, RC_NOMEM, "out of memory");
		q->who[i].more = i == 0;
	}
	fake_note(";");
	q->absent = 1U << PERSON_RESOURCE;
	return fake_fails("people", e);
}

enum rc
service_search(struct engine_session *s, struct arena *a, const struct service_search *q, struct service_found *out, struct err *e)
{
	struct engine_place *place = arena_array(a, struct engine_place, 1);
	enum rc rc = fake_fails("search", e);

	(void)s;
	fake_note("search %s text=%s from=%s body=%s set=%u clear=%u %s limit=%zu cursor=%s;", model_content(q->ct)->name, q->text != NULL ? q->text : "-",
	    q->from != NULL ? q->from : "-", q->body != NULL ? q->body : "-", q->set, q->clear, q->after == TIME_MIN ? "any" : "timed", q->limit,
	    q->cursor != NULL ? q->cursor : "-");
	memset(out, 0, sizeof(*out));
	if (rc == RC_OK && place == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	if (rc != RC_OK)
		return rc;
	*place = (struct engine_place){ .oxid = "1", .uuid = fake_uuid(1) };
	out->v = arena_array(a, struct engine_found, 2);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	out->n = 2;
	memset(out->v, 0, 2 * sizeof(*out->v));
	out->v[0].place = out->v[1].place = place; /* the second has gone */
	out->v[0].object = fake_object(a, q->ct);
	if (out->v[0].object == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	out->v[0].item = (struct answer_item){ .whole = true, .object = out->v[0].object, .uuid = fake_uuid(2), .rev = "0123456789abcdef" };
	out->more = out->cut = true;
	memcpy(out->cursor, "00ff", sizeof("00ff"));
	return RC_OK;
}

void
service_found_done(struct service_found *f)
{
	for (size_t i = 0; i < f->n; i++)
		object_drop(f->v[i].object);
	f->n = 0;
}
