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
