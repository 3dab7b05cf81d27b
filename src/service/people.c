/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recipients: whom OX knows by a name or an address, in the order in which a person expects them, with members and pictures where asked for. */
#include "usmd/service.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ALL_KINDS ((1U << PERSON_KINDS) - 1)
#define HITS 300 /* of one kind that OX is asked for: enough to put the most used first */

_Static_assert((int)PERSON_USER == OX_PERSON_USER && (int)PERSON_CONTACT == OX_PERSON_CONTACT && (int)PERSON_LIST == OX_PERSON_LIST &&
	(int)PERSON_GROUP == OX_PERSON_GROUP && (int)PERSON_RESOURCE == OX_PERSON_RESOURCE, "the kinds are the same numbers");

struct people {
	struct engine_session *s;
	struct arena *a;
	struct service_people *q;
	struct engine_folder *places;
	size_t n_places;
	size_t members, photos;   /* that this answer holds already */
};

/* One answer, and what it is ordered by. */
struct ranked {
	const struct ox_person *p;
	bool exact;
};

static bool
is_exact(const struct ox_person *p, const char *query)
{
	for (size_t i = 0; i < ARRAY_LEN(p->mail) && p->mail[i] != NULL; i++)
		if (strcasecmp(p->mail[i], query) == 0)
			return true;
	return strcasecmp(p->name, query) == 0;
}

static int
rank(enum ox_person_kind k)
{
	return k == OX_PERSON_LIST ? OX_PERSON_CONTACT : (int)k;
}

static int
by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int c;

	if (x->exact != y->exact)
		return x->exact ? -1 : 1;
	if (rank(x->p->kind) != rank(y->p->kind))
		return rank(x->p->kind) - rank(y->p->kind);
	if (x->p->used != y->p->used)
		return x->p->used > y->p->used ? -1 : 1;
	c = strcasecmp(x->p->name, y->p->name);
	if (c != 0)
		return c;
	if (x->p->id != y->p->id)
		return x->p->id < y->p->id ? -1 : 1;
	return (x->p->entity > y->p->entity) - (x->p->entity < y->p->entity);
}

static const struct engine_folder *
place_of(const struct people *p, const char *folder)
{
	for (size_t i = 0; folder != NULL && i < p->n_places; i++)
		if (strcmp(p->places[i].oxid, folder) == 0)
			return &p->places[i];
	return NULL;
}

static struct service_object
object_at(const struct people *p, const char *folder, int64_t id)
{
	const struct engine_folder *place = place_of(p, folder);
	struct service_object out = { .known = place != NULL };

	if (place != NULL) {
		out.folder = place->uuid;
		engine_mark(p->s, CT_CONTACT, folder, id, &out.uuid);
	}
	return out;
}

/* OX does not show others' private contacts; were it to, they would go no further.  In the user's own folders the private ones of others are his. */
static bool
is_hidden(const struct people *p, const struct ox_person *x)
{
	const struct engine_folder *place = place_of(p, x->folder);

	return x->closed && (place == NULL || place->shared);
}

/* ---- members and pictures ---- */

static enum rc
name_users(struct people *p, struct ox_member *m, size_t n, struct err *e)
{
	enum rc rc = ox_people_users(engine_session_ox(p->s), p->a, m, n, e);

	return rc == RC_NOTFOUND || rc == RC_FORBIDDEN ? RC_OK : rc; /* one has gone, or may not be known: the numbers are right */
}

static enum rc
members(struct people *p, const struct ox_person *x, struct service_person *out, struct err *e)
{
	size_t left = SERVICE_MEMBERS - p->members, n = x->n_members < left ? x->n_members : left;
	struct ox_member *m = arena_array(p->a, struct ox_member, n + 1);
	enum rc rc = RC_OK;

	out->members = arena_array(p->a, struct service_member, n + 1);
	if (m == NULL || out->members == NULL)
		return err_set(e, RC_NOMEM, "out of memory for members");
	if (n > 0)
		memcpy(m, x->member, n * sizeof(*m));
	if (x->kind == OX_PERSON_GROUP && n > 0)
		rc = name_users(p, m, n, e);
	for (size_t i = 0; i < n; i++)
		out->members[i] = (struct service_member){ .entity = m[i].entity, .name = m[i].name, .address = m[i].mail, .at = object_at(p, m[i].folder, m[i].id) };
	out->n_members = n;
	out->more_members = n < x->n_members;
	p->members += n;
	return rc;
}

/* A picture that cannot be had is none: the name is what was asked for. */
static enum rc
photo(struct people *p, const struct ox_person *x, struct service_person *out, struct err *e)
{
	struct buf b;
	enum rc rc;

	buf_init(&b, p->q->photo_max);
	rc = ox_photo(engine_session_ox(p->s), x->folder, x->id, &b, e);
	p->photos++;
	if (rc == RC_OK && b.len > 0) {
		out->photo = arena_memdup(p->a, b.p, b.len);
		out->photo_len = b.len;
		out->photo_type = model_picture_type(b.p, b.len);
		if (out->photo_type == NULL)
			out->photo_type = "application/octet-stream";
		if (out->photo == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory for a picture");
	} else if (rc != RC_DENIED && rc != RC_NOMEM) {
		rc = RC_OK;
	}
	buf_fini(&b);
	return rc;
}

static enum rc
person(struct people *p, const struct ranked *r, struct service_person *out, struct err *e)
{
	const struct ox_person *x = r->p;
	enum rc rc = RC_OK;

	*out = (struct service_person){ .kind = (enum person_kind)x->kind, .entity = x->entity, .name = x->name, .exact = r->exact };
	while (out->n_addresses < ARRAY_LEN(x->mail) && x->mail[out->n_addresses] != NULL) {
		out->address[out->n_addresses] = x->mail[out->n_addresses];
		out->n_addresses++;
	}
	out->at = object_at(p, x->folder, x->id);
	out->has_photo = x->picture && out->at.known;
	if (p->q->members && (x->kind == OX_PERSON_GROUP || x->kind == OX_PERSON_LIST))
		rc = members(p, x, out, e);
	if (rc == RC_OK && p->q->photo_max > 0 && out->has_photo && p->photos < SERVICE_PHOTOS)
		rc = photo(p, x, out, e);
	return rc;
}

/* ---- one name ---- */

static enum rc
answers(struct people *p, const struct ox_who *w, struct service_name *out, struct err *e)
{
	struct ranked *r = arena_array(p->a, struct ranked, w->n + 1);
	size_t n = 0;
	enum rc rc = RC_OK;

	out->v = arena_array(p->a, struct service_person, p->q->limit + 1);
	if (r == NULL || out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for names");
	for (size_t i = 0; i < w->n; i++)
		if (!is_hidden(p, &w->v[i]))
			r[n++] = (struct ranked){ .p = &w->v[i], .exact = is_exact(&w->v[i], w->query) };
	if (n > 1)
		qsort(r, n, sizeof(*r), by_rank);
	out->more = w->cut || n > p->q->limit;
	for (out->n = 0; rc == RC_OK && out->n < n && out->n < p->q->limit; out->n++)
		rc = person(p, &r[out->n], &out->v[out->n], e);
	return rc;
}

enum rc
service_people_resolve(struct engine_session *s, struct arena *a, struct service_people *q, struct err *e)
{
	struct people p = { .s = s, .a = a, .q = q };
	struct ox_who *who = arena_array(a, struct ox_who, q->n + 1);
	enum rc rc;

	if (who == NULL)
		return err_set(e, RC_NOMEM, "out of memory for names");
	for (size_t i = 0; i < q->n; i++)
		who[i].query = q->who[i].query;
	rc = engine_folders(s, a, CT_CONTACT, NULL, &p.places, &p.n_places, e);
	if (rc == RC_OK)
		rc = ox_people(engine_session_ox(s), a, who, q->n, q->kinds & ALL_KINDS, q->exact, HITS, &q->absent, e);
	if (rc == RC_OK && q->kinds != 0 && (q->kinds & ~q->absent) == 0) {
		rc = err_set(e, RC_UPSTREAM, "this groupware server has none of these kinds, or not for this user");
		(void)snprintf(e->code, sizeof(e->code), "%s", SERVICE_ABSENT);
	}
	for (size_t i = 0; i < q->n && rc == RC_OK; i++)
		rc = answers(&p, &who[i], &q->who[i], e);
	return rc;
}
