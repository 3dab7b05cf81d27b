/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who may do what: permission entries of a folder combined for one user.
 */
#include "oxsim/sim.h"

static int
level_max(int a, int b, int shift)
{
	int x = (a >> shift) & 127, y = (b >> shift) & 127;

	return (x > y ? x : y) << shift;
}

int
perm_bits(const struct ctx *c, const struct folder *f, int user)
{
	int i, bits = 0;

	for (i = 0; i < f->nperm; i++) {
		const struct perm *p = &f->perm[i];

		if (p->group ? !group_has(c, p->entity, user) : p->entity != user)
			continue;
		bits = level_max(bits, p->bits, 0) | level_max(bits, p->bits, 7) |
		    level_max(bits, p->bits, 14) | level_max(bits, p->bits, 21) |
		    ((bits | p->bits) & (1 << 28));
	}
	return bits;
}

bool
perm_visible(const struct ctx *c, const struct folder *f, int user)
{
	int bits = perm_bits(c, f, user);

	return perm_folder(bits) >= 1 || perm_admin(bits);
}

bool
may_read(const struct ctx *c, const struct folder *f, int user, int creator)
{
	int r = perm_read(perm_bits(c, f, user));

	return r >= 2 || (r == 1 && creator == user);
}

bool
may_write(const struct ctx *c, const struct folder *f, int user, int creator)
{
	int w = perm_write(perm_bits(c, f, user));

	return w >= 2 || (w == 1 && creator == user);
}

bool
may_delete(const struct ctx *c, const struct folder *f, int user, int creator)
{
	int d = perm_delete(perm_bits(c, f, user));

	return d >= 2 || (d == 1 && creator == user);
}

bool
may_create(const struct ctx *c, const struct folder *f, int user)
{
	return perm_folder(perm_bits(c, f, user)) >= 2;
}
