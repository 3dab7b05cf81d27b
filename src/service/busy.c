/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When people have time: who is meant, their times from OX, put together. */
#include "service/service_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct asking {
	struct engine_session *s;
	struct arena *a;
	const struct service_busy_request *r;
	struct ox_parties known;     /* that OX told of */
	struct ox_busy_of *of;       /* each person once */
	size_t n;
	int64_t skip;                /* the appointment, or the series, that does not count; 0 = none */
};

/* ---- who is meant ---- */

static const struct ox_party *
by_number(const struct asking *q, enum ox_party_kind kind, int64_t id)
{
	for (size_t i = 0; i < q->known.n; i++)
		if (q->known.v[i].kind == kind && q->known.v[i].id == id)
			return &q->known.v[i];
	return NULL;
}

static bool
has_mail(const struct ox_party *p, const char *mail)
{
	if (strcasecmp(p->mail, mail) == 0)
		return true;
	for (size_t i = 0; i < p->n_aliases; i++)
		if (strcasecmp(p->alias[i], mail) == 0)
			return true;
	return false;
}

static const struct ox_party *
by_text(const struct asking *q, const struct service_who *w, size_t *n)
{
	const struct ox_party *found = NULL;

	*n = 0;
	for (size_t i = 0; i < q->known.n; i++) {
		const struct ox_party *p = &q->known.v[i];

		if (w->mail != NULL ? has_mail(p, w->mail) : strcasecmp(p->name, w->name) == 0 || strcasecmp(p->login, w->name) == 0) {
			found = p;
			(*n)++;
		}
	}
	return found;
}

static enum rc
load_kind(struct asking *q, enum ox_party_kind kind, int64_t *ids, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < q->r->n; i++)
		if (q->r->who[i].kind == kind)
			ids[n++] = q->r->who[i].id;
	return n > 0 ? ox_parties_some(engine_session_ox(q->s), q->a, kind, ids, n, &q->known, e) : RC_OK;
}

/* Members that the list does not have yet. */
static enum rc
load_members(struct asking *q, struct err *e)
{
	size_t max = 1, n = 0, groups = q->known.n;
	struct imap *seen;
	int64_t *ids;
	size_t at;

	for (size_t i = 0; i < groups; i++)
		max += q->known.v[i].n_members;
	ids = arena_array(q->a, int64_t, max);
	seen = imap_new(q->a, max);
	if (ids == NULL || seen == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the members of groups");
	for (size_t i = 0; i < groups; i++)
		for (size_t k = 0; k < q->known.v[i].n_members; k++) {
			int64_t id = q->known.v[i].member[k];

			if (by_number(q, OX_USER, id) != NULL || imap_get(seen, id, &at))
				continue;
			if (!imap_put(seen, id, n))
				return err_set(e, RC_NOMEM, "out of memory for the members of groups");
			ids[n++] = id;
		}
	if (n > SERVICE_BUSY_PEOPLE)
		return err_set_path(e, RC_LIMIT, "who", "names %zu people with the members of its groups; %u can be asked for at once", n, SERVICE_BUSY_PEOPLE);
	return n > 0 ? ox_parties_some(engine_session_ox(q->s), q->a, OX_USER, ids, n, &q->known, e) : RC_OK;
}

static enum rc
load(struct asking *q, struct err *e)
{
	static const enum ox_party_kind kinds[] = { OX_USER, OX_GROUP, OX_RESOURCE };
	int64_t *ids = arena_array(q->a, int64_t, q->r->n + 1);
	bool all = false;
	enum rc rc = ids != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for free and busy times");

	for (size_t i = 0; i < q->r->n; i++)
		all = all || q->r->who[i].kind == 0;
	if (rc == RC_OK && all)
		return ox_parties_all(engine_session_ox(q->s), q->a, &q->known, e);
	for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(kinds); i++)
		rc = load_kind(q, kinds[i], ids, e);
	return rc == RC_OK ? load_members(q, e) : rc;
}

static void
problem(struct asking *q, struct service_busy *b, enum service_busy_problem p, const char *why)
{
	const char *copy = arena_strdup(q->a, why);

	b->problem = p;
	b->why = copy != NULL ? copy : "";
}

static void
take_party(struct service_busy *b, const struct ox_party *p)
{
	b->kind = p->kind;
	b->id = p->id;
	b->name = p->name[0] != '\0' ? p->name : p->login;
	b->mail = p->mail;
}

static void
resolve_text(struct asking *q, const struct service_who *w, struct service_busy *b)
{
	size_t n;
	const struct ox_party *p = by_text(q, w, &n);

	if (n == 1) {
		take_party(b, p);
	} else if (n > 1) {
		b->name = w->name != NULL ? w->name : "";
		b->mail = w->mail != NULL ? w->mail : "";
		problem(q, b, BUSY_AMBIGUOUS, "Several are called so; name the one that is meant by its number or mail address.");
	} else if (w->mail != NULL) {
		b->kind = OX_OUTSIDE;
		b->mail = w->mail;
	} else {
		b->name = w->name;
		problem(q, b, BUSY_UNKNOWN, "Nobody is called so: no user, group or resource.");
	}
}

static void
resolve(struct asking *q, const struct service_who *w, struct service_busy *b)
{
	const struct ox_party *p;

	*b = (struct service_busy){ .name = "", .mail = "", .why = "" };
	if (w->kind == 0) {
		resolve_text(q, w, b);
		return;
	}
	p = by_number(q, w->kind, w->id);
	b->kind = w->kind;
	b->id = w->id;
	if (p != NULL)
		take_party(b, p);
	else
		problem(q, b, BUSY_UNKNOWN, w->kind == OX_USER ? "There is no user with this number." : w->kind == OX_GROUP ?
		    "There is no group with this number." : "There is no resource with this number.");
}

static enum rc
resolve_members(struct asking *q, struct service_busy *b, struct err *e)
{
	const struct ox_party *g = by_number(q, OX_GROUP, b->id), *p;

	b->member = arena_array(q->a, struct service_busy, g->n_members + 1);
	if (b->member == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the members of a group");
	for (size_t i = 0; i < g->n_members; i++) {
		struct service_busy *m = &b->member[b->n_members++];

		*m = (struct service_busy){ .kind = OX_USER, .id = g->member[i], .name = "", .mail = "", .why = "" };
		p = by_number(q, OX_USER, g->member[i]);
		if (p != NULL)
			take_party(m, p);
	}
	return RC_OK;
}

/* ---- asking ---- */

static bool
is_asked(const struct service_busy *b)
{
	return b->problem == BUSY_KNOWN && b->kind != OX_GROUP && b->kind != 0;
}

static struct ox_busy_of *
asked(const struct asking *q, const struct service_busy *b)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->of[i].kind == b->kind && (b->kind == OX_OUTSIDE ? strcasecmp(q->of[i].mail, b->mail) == 0 : q->of[i].id == b->id))
			return &q->of[i];
	return NULL;
}

static void
want(struct asking *q, const struct service_busy *b)
{
	const struct ox_party *p;

	if (!is_asked(b) || asked(q, b) != NULL)
		return;
	p = by_number(q, OX_USER, b->kind == OX_USER ? b->id : ox_session_user(engine_session_ox(q->s))->user_id);
	q->of[q->n++] = (struct ox_busy_of){ .kind = b->kind, .id = b->id, .mail = b->mail, .zone = p != NULL && p->zone[0] != '\0' ? p->zone : NULL };
}

static int
by_start(const void *x, const void *y)
{
	const struct ox_busy *a = x, *b = y;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

/* Into [from, to), without the excluded one; what has no length takes no time. */
static size_t
clip(const struct asking *q, const struct ox_busy_of *o, struct ox_busy *out)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++) {
		struct ox_busy x = o->v[i];

		if (q->skip != 0 && (x.id == q->skip || x.series == q->skip))
			continue;
		x.from = x.from < q->r->from ? q->r->from : x.from;
		x.to = x.to > q->r->to ? q->r->to : x.to;
		if (x.from < x.to)
			out[n++] = x;
	}
	qsort(out, n, sizeof(*out), by_start);
	return n;
}

static int
by_time(const void *x, const void *y)
{
	const msec_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

/*
 * The strongest kind between each two neighbouring bounds of N times V, which ascend by their start.  A time is looked at only in the
 * pieces that it covers.
 */
static enum rc
merge(struct asking *q, const struct ox_busy *v, size_t n, struct service_busy *b, struct err *e)
{
	msec_t *at = arena_array(q->a, msec_t, 2 * n + 1);
	enum ox_shown *strongest = arena_array(q->a, enum ox_shown, 2 * n + 1);
	size_t m = 0, k = 0, first = 0;

	b->taken = arena_array(q->a, struct ox_busy, 2 * n + 1);
	if (at == NULL || strongest == NULL || b->taken == NULL)
		return err_set(e, RC_NOMEM, "out of memory for free and busy times");
	for (size_t i = 0; i < n; i++) {
		at[m++] = v[i].from;
		at[m++] = v[i].to;
	}
	qsort(at, m, sizeof(*at), by_time);
	for (size_t i = 0; i < m; i++)
		if (i == 0 || at[i] != at[k - 1])
			at[k++] = at[i];
	for (size_t i = 0; i < k; i++)
		strongest[i] = OX_SHOWN_FREE;
	for (size_t i = 0; i < n; i++) {
		while (at[first] < v[i].from)
			first++;
		for (size_t p = first; at[p] < v[i].to; p++)
			if (v[i].shown > strongest[p])
				strongest[p] = v[i].shown;
	}
	for (size_t i = 0; i + 1 < k; i++) {
		struct ox_busy *last = b->n_taken > 0 ? &b->taken[b->n_taken - 1] : NULL;

		if (strongest[i] == OX_SHOWN_FREE)
			continue;
		if (last != NULL && last->to == at[i] && last->shown == strongest[i])
			last->to = at[i + 1];
		else
			b->taken[b->n_taken++] = (struct ox_busy){ .from = at[i], .to = at[i + 1], .shown = strongest[i] };
	}
	return RC_OK;
}

static enum rc
fill(struct asking *q, struct service_busy *b, struct err *e)
{
	const struct ox_busy_of *o = is_asked(b) ? asked(q, b) : NULL;
	struct ox_busy *items;
	size_t n;
	enum rc rc;

	if (o == NULL)
		return RC_OK;
	if (o->rc == RC_NOTFOUND)
		problem(q, b, BUSY_UNKNOWN, o->err.text);
	else if (o->rc != RC_OK)
		problem(q, b, b->kind == OX_OUTSIDE || strcmp(o->err.code, OX_NO_BUSY) == 0 ? BUSY_NO_DATA : BUSY_FAILED, o->err.text);
	if (o->rc != RC_OK)
		return RC_OK;
	items = arena_array(q->a, struct ox_busy, o->n + 1);
	if (items == NULL)
		return err_set(e, RC_NOMEM, "out of memory for free and busy times");
	n = clip(q, o, items);
	rc = merge(q, items, n, b, e);
	if (rc == RC_OK && q->r->details) {
		b->item = items;
		b->n_items = n;
	}
	return rc;
}

static enum rc
ask(struct asking *q, struct service_busy *out, struct err *e)
{
	size_t max = q->r->n + 1;
	enum rc rc;

	for (size_t i = 0; i < q->r->n; i++)
		max += out[i].n_members;
	q->of = arena_array(q->a, struct ox_busy_of, max);
	if (q->of == NULL)
		return err_set(e, RC_NOMEM, "out of memory for free and busy times");
	for (size_t i = 0; i < q->r->n; i++) {
		want(q, &out[i]);
		for (size_t k = 0; k < out[i].n_members; k++)
			want(q, &out[i].member[k]);
	}
	if (q->n > SERVICE_BUSY_PEOPLE)
		return err_set_path(e, RC_LIMIT, "who", "names %zu people with the members of its groups; %u can be asked for at once", q->n, SERVICE_BUSY_PEOPLE);
	rc = q->n > 0 ? ox_busy_get(engine_session_ox(q->s), q->a, q->of, q->n, q->r->from, q->r->to, e) : RC_OK;
	for (size_t i = 0; rc == RC_OK && i < q->r->n; i++) {
		rc = fill(q, &out[i], e);
		for (size_t k = 0; rc == RC_OK && k < out[i].n_members; k++)
			rc = fill(q, &out[i].member[k], e);
	}
	return rc;
}

static enum rc
excluded(struct asking *q, struct err *e)
{
	struct engine_place p;
	enum rc rc;

	if (!q->r->has_exclude)
		return RC_OK;
	rc = engine_place_of(q->s, q->a, &q->r->exclude_folder, &q->r->exclude, &p, e);
	if (rc == RC_OK && p.ct != CT_CALENDAR)
		rc = err_set_path(e, RC_PROTO, "folder", "holds no appointments");
	if (rc == RC_OK)
		q->skip = p.id;
	return rc;
}

enum rc
service_busy_get(struct engine_session *s, struct arena *a, const struct service_busy_request *r, struct service_busy **out, struct err *e)
{
	struct asking q = { .s = s, .a = a, .r = r };
	enum rc rc = excluded(&q, e);

	*out = arena_array(a, struct service_busy, r->n + 1);
	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for free and busy times");
	if (rc == RC_OK)
		rc = load(&q, e);
	for (size_t i = 0; rc == RC_OK && i < r->n; i++) {
		resolve(&q, &r->who[i], &(*out)[i]);
		if ((*out)[i].kind == OX_GROUP && (*out)[i].problem == BUSY_KNOWN)
			rc = resolve_members(&q, &(*out)[i], e);
	}
	if (rc == RC_OK)
		rc = ask(&q, *out, e);
	return service_absent(rc, e);
}
