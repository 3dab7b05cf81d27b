/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module mail, threadedAll: the messages of a folder grouped by the messages
 * they answer.  Only In-Reply-To counts, and only inside the folder.
 */
#include <glib.h>
#include <stdlib.h>

#include "oxsim/mail.h"

static const struct { int col; const char *name; } names[] = {
	{ 102, "color_label" }, { 600, "id" }, { 601, "folder_id" }, { 602, "attachment" },
	{ 603, "from" }, { 604, "to" }, { 605, "cc" }, { 606, "bcc" }, { 607, "subject" },
	{ 608, "size" }, { 609, "sent_date" }, { 610, "received_date" }, { 611, "flags" },
	{ 612, "level" }, { 614, "priority" }, { 654, "original_id" }, { 655, "original_folder_id" },
};

/* The members of the asked columns, without braces. */
static void
put_members(struct req *r, const struct mbox *mb, struct mail *m, gchar **cols)
{
	bool first = true;
	int64_t col;
	size_t i, k;

	for (i = 0; cols[i] != NULL; i++) {
		if (!parse_i64(cols[i], &col))
			continue;
		for (k = 0; k < sizeof(names) / sizeof(names[0]) && names[k].col != col; k++)
			;
		if (k == sizeof(names) / sizeof(names[0]))
			continue;
		sb_printf(r->out, "%s\"%s\":", first ? "" : ",", names[k].name);
		mail_put_col(r, mb, m, (int)col);
		first = false;
	}
}

/* Index of the message that the message at I answers, or I itself. */
static size_t
parent_of(struct mail **v, size_t n, size_t i)
{
	char *ref = mime_header(v[i]->raw->p, v[i]->raw->len, "In-Reply-To");
	gchar *id = ref ? g_strdup(ref) : NULL;
	size_t k, found = i;

	if (id != NULL) {
		g_strdelimit(id, "<>", ' ');
		g_strstrip(id);
		for (k = 0; k < n; k++)
			if (k != i && g_strcmp0(mail_info(v[k])->msgid, id) == 0)
				found = k;
	}
	g_free(id);
	free(ref);
	return found;
}

/* root[i] = first message of the thread; a loop of references ends after n steps */
static size_t *
roots(struct mail **v, size_t n)
{
	size_t *parent = xcalloc(n + 1, sizeof(*parent)), *root = xcalloc(n + 1, sizeof(*root)), i, k;

	for (i = 0; i < n; i++)
		parent[i] = parent_of(v, n, i);
	for (i = 0; i < n; i++) {
		root[i] = i;
		for (k = 0; k < n && parent[root[i]] != root[i]; k++)
			root[i] = parent[root[i]];
	}
	free(parent);
	return root;
}

static void
put_thread(struct req *r, const struct mbox *mb, struct mail **v, size_t n, const size_t *root, size_t i,
    gchar **cols)
{
	int unread = 0;
	bool first = true;
	size_t k;

	sb_ch(r->out, '{');
	put_members(r, mb, v[i], cols);
	sb_str(r->out, ",\"thread\":[");
	for (k = 0; k < n; k++) {
		if (root[k] != root[i])
			continue;
		sb_str(r->out, first ? "{" : ",{");
		first = false;
		put_members(r, mb, v[k], cols);
		sb_ch(r->out, '}');
		unread += (v[k]->flags & 32) == 0;
	}
	sb_printf(r->out, "],\"unreadCount\":%d}", unread);
}

void
mail_threads(struct req *r)
{
	const char *columns = need(r, "columns"), *folder = need(r, "folder");
	struct mbox *mb = columns && folder ? mbox_of(r, folder) : NULL;
	struct mail **v;
	gchar **cols;
	size_t *root, i, k;
	bool first = true;

	if (mb == NULL)
		return;
	v = xcalloc(mb->n + 1, sizeof(*v));
	if (mb->n > 0)
		memcpy(v, mb->m, sizeof(*v) * mb->n);
	mail_sort(r, v, mb->n, 610);
	root = roots(v, mb->n);
	cols = g_strsplit(columns, ",", -1);
	sb_ch(r->out, '[');
	for (i = 0; i < mb->n; i++) {
		/* the newest message stands for its thread */
		for (k = 0; k < i && root[k] != root[i]; k++)
			;
		if (k < i)
			continue;
		if (!first)
			sb_ch(r->out, ',');
		first = false;
		put_thread(r, mb, v, mb->n, root, i, cols);
	}
	sb_ch(r->out, ']');
	g_strfreev(cols);
	free(root);
	free(v);
}
