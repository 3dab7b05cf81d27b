/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sets of fields: what does not fit the header's inline functions. */
#include "usmd/model.h"

bool
fmask_empty(const struct fmask *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->w); i++)
		if (m->w[i] != 0)
			return false;
	return true;
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
