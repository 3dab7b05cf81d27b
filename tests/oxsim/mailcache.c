/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * OX's cache of mails, one for a user.  `all` empties it and puts its mails there if they are no more than the limit; `list` is answered from it where all
 * mails that it names are there.  OX's own changes of flags and labels go into it, keywords do not: those are shown as they were.
 */
#include "oxsim/mail.h"

#define CACHE_LIMIT 1000	/* com.openexchange.mail.mailFetchLimit */

static void
put(struct user *u, struct mail *m)
{
	m->cached = u->mailcache;
	json_decref(m->cached_user);
	m->cached_user = json_deep_copy(m->user);
}

void
mailcache_all(struct user *u, const struct mbox *mb, struct mail *const *v, size_t n)
{
	size_t i;

	u->mailcache++;
	u->mailcache_mb = n > 0 && n <= CACHE_LIMIT ? mb : NULL;
	for (i = 0; i < n && u->mailcache_mb != NULL; i++)
		put(u, v[i]);
}

void
mailcache_drop(struct user *u, const struct mbox *mb)
{
	if (u->mailcache_mb == mb)
		u->mailcache_mb = NULL;
}

bool
mailcache_has(const struct user *u, const struct mail *m)
{
	return u->mailcache_mb != NULL && m->cached == u->mailcache;
}

void
mailcache_listed(struct user *u, const struct mbox *mb, struct mail *m)
{
	if (u->mailcache_mb == mb)
		put(u, m);
}
