/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail storage of one user: folders with UIDVALIDITY and UIDNEXT, messages
 * as octets ordered by UID.
 */
#include <stdlib.h>

#include "oxsim/sim.h"

void
mailboxes_init(struct user *u)
{
	(void)mbox_add(u, "INBOX", 7);
	(void)mbox_add(u, "Drafts", 9);
	(void)mbox_add(u, "Sent", 10);
	(void)mbox_add(u, "Spam", 11);
	(void)mbox_add(u, "Trash", 12);
}

const char *
mail_path(const char *folder)
{
	return folder != NULL && strncmp(folder, "default0/", 9) == 0 && folder[9] ? folder + 9 : NULL;
}

struct mbox *
mbox_get(const struct user *u, const char *path)
{
	int i;

	for (i = 0; path != NULL && i < u->nmb; i++)
		if (strcmp(u->mb[i]->path, path) == 0)
			return u->mb[i];
	return NULL;
}

struct mbox *
mbox_add(struct user *u, const char *path, int std)
{
	static uint32_t last_validity;
	struct mbox *mb = xcalloc(1, sizeof(*mb));
	uint32_t v = (uint32_t)(sim_now() / 1000);

	/* a folder made again under its old name must not repeat its validity */
	if (v <= last_validity)
		v = last_validity + 1;
	last_validity = v;
	mb->path = xstrdup(path);
	mb->validity = v;
	mb->next = 1;
	mb->std = std;
	u->mb = xrealloc(u->mb, sizeof(*u->mb) * (size_t)(u->nmb + 1));
	u->mb[u->nmb++] = mb;
	return mb;
}

void
mail_free(struct mail *m)
{
	if (m == NULL)
		return;
	blob_unref(m->raw);
	json_decref(m->user);
	json_decref(m->cached_user);
	mailinfo_free(m->info);
	free(m);
}

static void
mbox_free(struct mbox *mb)
{
	size_t i;

	for (i = 0; i < mb->n; i++)
		mail_free(mb->m[i]);
	free(mb->m);
	free(mb->perm);
	free(mb->path);
	free(mb);
}

/* with everything below it */
void
mbox_remove(struct user *u, struct mbox *mb)
{
	size_t n = strlen(mb->path);
	char *path = xstrdup(mb->path);
	int i, k = 0;

	for (i = 0; i < u->nmb; i++) {
		struct mbox *x = u->mb[i];

		if (strncmp(x->path, path, n) == 0 && (x->path[n] == '\0' || x->path[n] == '/'))
			mbox_free(x);
		else
			u->mb[k++] = x;
	}
	u->nmb = k;
	free(path);
}

struct mail *
mail_append(struct user *u, struct mbox *mb, struct blob *raw, int flags, int64_t received)
{
	struct mail *m = xcalloc(1, sizeof(*m));

	m->uid = mb->next++;
	m->flags = flags;
	m->raw = raw;
	m->received = received / 1000 * 1000;
	if (mb->n == mb->cap) {
		mb->cap = mb->cap ? mb->cap * 2 : 16;
		mb->m = xrealloc(mb->m, mb->cap * sizeof(*mb->m));
	}
	mb->m[mb->n++] = m;
	u->mailrev++;
	events_mail(u, mb, m);
	return m;
}

void
mail_remove(struct user *u, struct mbox *mb, size_t i)
{
	mail_free(mb->m[i]);
	memmove(mb->m + i, mb->m + i + 1, sizeof(*mb->m) * (mb->n - i - 1));
	mb->n--;
	u->mailrev++;
	events_mail(u, mb, NULL);
}

ssize_t
mail_find(const struct mbox *mb, uint32_t uid)
{
	size_t lo = 0, hi = mb->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (mb->m[mid]->uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < mb->n && mb->m[lo]->uid == uid ? (ssize_t)lo : -1;
}

const struct mailinfo *
mail_info(struct mail *m)
{
	if (m->info == NULL)
		m->info = mime_info(m->raw->p, m->raw->len);
	return m->info;
}

void
mailinfo_free(struct mailinfo *i)
{
	if (i == NULL)
		return;
	free(i->from);
	free(i->to);
	free(i->cc);
	free(i->bcc);
	free(i->subject);
	free(i->subject_raw);
	free(i->reply_to);
	free(i->sender);
	free(i->ctype);
	free(i->ctype_full);
	free(i->msgid);
	free(i->from_addr);
	free(i->from_text);
	free(i);
}
