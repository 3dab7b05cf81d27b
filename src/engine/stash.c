/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Small sets that live as long as one operation: contents at hand, touched objects, forced answers. */
#include "engine/engine_int.h"

#include <string.h>

static enum rc
grow(struct arena *a, void **array, size_t *cap, size_t n, size_t size)
{
	size_t bigger = *cap != 0 ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return RC_OK;
	p = arena_alloc_array(a, bigger, size);
	if (p == NULL)
		return RC_NOMEM;
	if (n != 0)
		memcpy(p, *array, n * size);
	*array = p;
	*cap = bigger;
	return RC_OK;
}

/* OX sends 0 and false for "not set" in rows and leaves them out of objects: one of the two reaches clients. */
static void
drop_zeros(struct object *o)
{
	const struct content_type *t = model_content(o->ct);

	for (size_t i = 0; i < t->n_fields; i++) {
		if ((t->fields[i].flags & FF_ZERO) == 0 || o->v[i] == NULL)
			continue;
		if (json_is_false(o->v[i]) || (json_is_integer(o->v[i]) && json_integer_value(o->v[i]) == 0)) {
			json_decref(o->v[i]);
			o->v[i] = NULL;
		}
	}
}

enum rc
stash_put(struct op *op, struct object *o)
{
	struct stash *s = &op->stash;
	size_t at;
	void *p = s->o;

	drop_zeros(o);
	if (s->by_id == NULL && (s->by_id = imap_new(op->a, 64)) == NULL)
		return RC_NOMEM;
	if (imap_get(s->by_id, o->id, &at)) {
		if (s->o[at] != o)
			object_drop(s->o[at]);
		s->o[at] = o;
		return RC_OK;
	}
	if (grow(op->a, &p, &s->cap, s->n, sizeof(*s->o)) != RC_OK)
		return RC_NOMEM;
	s->o = p;
	if (!imap_put(s->by_id, o->id, s->n))
		return RC_NOMEM;
	s->o[s->n++] = o;
	return RC_OK;
}

struct object *
stash_get(const struct op *op, int64_t id)
{
	size_t at;

	return op->stash.by_id != NULL && imap_get(op->stash.by_id, id, &at) ? op->stash.o[at] : NULL;
}

void
stash_forget(struct op *op, int64_t id)
{
	size_t at;

	if (op->stash.by_id != NULL && imap_get(op->stash.by_id, id, &at) && op->stash.o[at] != NULL) {
		object_drop(op->stash.o[at]);
		op->stash.o[at] = NULL;
	}
}

void
stash_drop(struct op *op)
{
	object_drop_all(op->stash.o, op->stash.n);
	memset(&op->stash, 0, sizeof(op->stash));
}

/* A later change of one request to the same object replaces the fields that it names, keeps the others. */
enum rc
touched_add(struct op *op, int64_t id, const struct change *ch)
{
	struct touched *t;
	struct change_field *f;
	void *p = op->touched;
	size_t at, n = 0, i = 0, k = 0;

	if (op->touched_at == NULL && (op->touched_at = imap_new(op->a, 64)) == NULL)
		return RC_NOMEM;
	if (!imap_get(op->touched_at, id, &at)) {
		if (grow(op->a, &p, &op->cap_touched, op->n_touched, sizeof(*op->touched)) != RC_OK)
			return RC_NOMEM;
		op->touched = p;
		at = op->n_touched;
		if (!imap_put(op->touched_at, id, at))
			return RC_NOMEM;
		op->touched[op->n_touched++] = (struct touched){ .id = id };
	}
	t = &op->touched[at];
	f = arena_array(op->a, struct change_field, t->nf + ch->nf);
	if (f == NULL)
		return RC_NOMEM;
	while (i < t->nf || k < ch->nf) {
		if (k == ch->nf || (i < t->nf && t->f[i].i < ch->f[k].i)) {
			f[n++] = t->f[i++];
		} else {
			if (i < t->nf && t->f[i].i == ch->f[k].i)
				i++;
			f[n++] = ch->f[k++];
		}
	}
	t->f = f;
	t->nf = (unsigned)n;
	return RC_OK;
}

enum rc
forced_add(struct op *op, int64_t id, enum sync_kind kind)
{
	void *p = op->forced_id;
	size_t at;

	if (op->forced == NULL && (op->forced = imap_new(op->a, 16)) == NULL)
		return RC_NOMEM;
	if (!imap_get(op->forced, id, &at)) {
		if (grow(op->a, &p, &op->cap_forced, op->n_forced, sizeof(*op->forced_id)) != RC_OK)
			return RC_NOMEM;
		op->forced_id = p;
		op->forced_id[op->n_forced++] = id;
	}
	return imap_put(op->forced, id, kind) ? RC_OK : RC_NOMEM;
}

/* Rows as they are after the merges of this operation: what was read before may be older. */
enum rc
now_put(struct op *op, struct row *r)
{
	void *p = op->now;
	size_t at;

	if (op->now_at == NULL && (op->now_at = imap_new(op->a, 64)) == NULL)
		return RC_NOMEM;
	if (imap_get(op->now_at, r->id, &at)) {
		op->now[at] = r;
		return RC_OK;
	}
	if (grow(op->a, &p, &op->cap_now, op->n_now, sizeof(*op->now)) != RC_OK)
		return RC_NOMEM;
	op->now = p;
	if (!imap_put(op->now_at, r->id, op->n_now))
		return RC_NOMEM;
	op->now[op->n_now++] = r;
	return RC_OK;
}

struct row *
now_row(const struct op *op, struct row *r)
{
	size_t at;

	return op->now_at != NULL && imap_get(op->now_at, r->id, &at) ? op->now[at] : r;
}
