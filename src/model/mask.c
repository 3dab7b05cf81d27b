/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sets of fields: what does not fit the header's inline functions. */
#include "usmd/model.h"

#include <string.h>

bool
fmask_empty(const struct fmask *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->w); i++)
		if (m->w[i] != 0)
			return false;
	return true;
}

void
fmask_bits(const struct content_type *t, struct fmask *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < t->n_fields; i++)
		if ((t->fields[i].flags & FF_BIT) != 0)
			fmask_set(out, i);
}

void
fmask_to_bits(const struct content_type *t, struct fmask *m)
{
	bool number = false;

	for (unsigned i = 0; i < t->n_fields; i++) {
		if ((t->fields[i].flags & FF_BITS) != 0 && fmask_has(m, i)) {
			number = true;
			fmask_clear(m, i);
		} else if (number && (t->fields[i].flags & FF_SETTABLE) != 0) { /* the bits stand behind their number */
			fmask_set(m, i);
		}
	}
}

void
fmask_from_bits(const struct content_type *t, struct fmask *m)
{
	unsigned number = MODEL_MAX_FIELDS;

	for (unsigned i = 0; i < t->n_fields; i++) {
		if ((t->fields[i].flags & FF_BITS) != 0) {
			number = i;
		} else if ((t->fields[i].flags & FF_BIT) != 0 && fmask_has(m, i)) {
			fmask_clear(m, i);
			if (number < MODEL_MAX_FIELDS)
				fmask_set(m, number);
		}
	}
}

bool
fmask_equal(const struct fmask *a, const struct fmask *b)
{
	for (size_t i = 0; i < ARRAY_LEN(a->w); i++)
		if (a->w[i] != b->w[i])
			return false;
	return true;
}

void
fmask_or(struct fmask *m, const struct fmask *b)
{
	for (size_t i = 0; i < ARRAY_LEN(m->w); i++)
		m->w[i] |= b->w[i];
}

void
fmask_minus(struct fmask *m, const struct fmask *b)
{
	for (size_t i = 0; i < ARRAY_LEN(m->w); i++)
		m->w[i] &= ~b->w[i];
}
