/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module folders: reading the tree.  Writing is in foldwrite.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/folder.h"

#define MAX_KIDS 4096

bool
fref_get(struct req *r, const char *id, struct fref *x)
{
	int n;
	char num[16];

	memset(x, 0, sizeof(*x));
	if (strcmp(id, "default0") == 0) {
		x->k = FK_MAILROOT;
		return true;
	}
	if (mail_path(id) != NULL) {
		x->k = FK_MAIL;
		x->mb = mbox_get(r->u, mail_path(id));
		if (x->mb == NULL)
			fail(r, "IMAP-1002", json_pack("[s,s,s,i,i]", mail_path(id), "127.0.0.1",
			    r->u->login, r->u->id, r->c->id));
		return x->mb != NULL;
	}
	if (strcmp(id, "0") == 0) {
		x->k = FK_ROOT;
		return true;
	}
	if (strncmp(id, "u:", 2) == 0 && folder_id_parse(id + 2, &n) && user_by_id(r->c, n) != NULL) {
		x->k = FK_OWNER;
		x->owner = n;
		return true;
	}
	if (strncmp(id, "cal://0/", 8) == 0)
		x->k = FK_CAL;
	else if (strncmp(id, "con://0/", 8) == 0)
		x->k = FK_CON;
	if (!folder_id_parse(x->k == FK_PLAIN ? id : id + 8, &n)) {
		fail(r, "FLD-1004", json_pack("[s,s]", "0", id));
		return false;
	}
	x->f = folder_get(r->c, n);
	if (x->f == NULL) {
		fail(r, "FLD-0008", json_pack("[i,i]", n, r->c->id));
		return false;
	}
	if (!perm_visible(r->c, x->f, r->u->id)) {
		(void)snprintf(num, sizeof(num), "%d", r->u->id);
		fail(r, "FLD-0003", json_pack("[s,s,s]", id, num, r->c->id == 1 ? "1" : "2"));
		return false;
	}
	return true;
}

static int
by_title(const void *a, const void *b)
{
	const struct fref *x = a, *y = b;
	int c;

	if (x->f == NULL || y->f == NULL)
		return (x->f != NULL) - (y->f != NULL);
	c = g_ascii_strcasecmp(x->f->title, y->f->title);
	return c ? c : x->f->id - y->f->id;
}

static int
add_kid(struct fref *out, int n, int max, enum fkind k, struct folder *f, int owner, struct mbox *mb)
{
	if (n < max) {
		memset(&out[n], 0, sizeof(out[n]));
		out[n].k = k;
		out[n].f = f;
		out[n].owner = owner;
		out[n].mb = mb;
	}
	return n + 1;
}

static bool
flag_arg(const struct req *r, const char *name)
{
	const char *s = arg(r, name);

	return s != NULL && (strcmp(s, "1") == 0 || strcmp(s, "true") == 0);
}

static int
mail_kids(const struct req *r, const char *parent, struct fref *out, int max)
{
	int i, n = 0;
	size_t len = parent ? strlen(parent) : 0;

	for (i = 0; i < r->u->nmb; i++) {
		const char *p = r->u->mb[i]->path;

		if (parent != NULL) {
			if (strncmp(p, parent, len) != 0 || p[len] != '/' || strchr(p + len + 1, '/'))
				continue;
		} else if (strchr(p, '/') != NULL) {
			continue;
		}
		if (!r->u->mb[i]->unsub || flag_arg(r, "all"))
			n = add_kid(out, n, max, FK_MAIL, NULL, 0, r->u->mb[i]);
	}
	return n;
}

/* shared folders: below 3 by owner */
static int
shared_kids(const struct req *r, int owner, struct fref *out, int max)
{
	GHashTableIter it;
	gpointer v;
	int i, n = 0;

	g_hash_table_iter_init(&it, r->c->folder);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct folder *f = v;

		if (!folder_shared(r, f) || !perm_visible(r->c, f, r->u->id))
			continue;
		if (owner != 0) {
			if (f->owner == owner)
				n = add_kid(out, n, max, FK_PLAIN, f, 0, NULL);
			continue;
		}
		for (i = 0; i < n && i < max; i++)
			if (out[i].owner == f->owner)
				break;
		if (i >= n)
			n = add_kid(out, n, max, FK_OWNER, NULL, f->owner, NULL);
	}
	return n;
}

/* Calendars and address books under their composite ids lie flat below 1, 2 and 3. */
static int
flat_kids(const struct req *r, int root, struct fref *out, int n, int max)
{
	GHashTableIter it;
	gpointer v;

	g_hash_table_iter_init(&it, r->c->folder);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct folder *f = v;
		int below = f->type != 1 ? 2 : folder_shared(r, f) ? 3 : 1;

		if (below != root || (f->m != M_CALENDAR && f->m != M_CONTACTS) ||
		    !perm_visible(r->c, f, r->u->id))
			continue;
		n = add_kid(out, n, max, f->m == M_CALENDAR ? FK_CAL : FK_CON, f, 0, NULL);
		if (n <= max)
			out[n - 1].under = root;
	}
	return n;
}

int
subfolders(const struct req *r, const struct fref *x, struct fref *out, int max, bool composite)
{
	GHashTableIter it;
	gpointer v;
	int n = 0, id;

	if (x->k == FK_CAL || x->k == FK_CON)
		return 0;
	if (x->k == FK_MAIL)
		return mail_kids(r, x->mb->path, out, max);
	if (x->k == FK_MAILROOT)
		return mail_kids(r, NULL, out, max);
	if (x->k == FK_OWNER)
		return shared_kids(r, x->owner, out, max);
	id = x->f ? x->f->id : 0;
	if (x->f != NULL && id == 3) {
		n = shared_kids(r, 0, out, max);
		return composite ? flat_kids(r, 3, out, n, max) : n;
	}
	if (id == 1)
		n = add_kid(out, n, max, FK_MAILROOT, NULL, 0, NULL);
	if (composite && (id == 1 || id == 2))
		n = flat_kids(r, id, out, n, max);
	/* a yes/no question needs no walk for ordinary leaf folders with many siblings */
	g_hash_table_iter_init(&it, r->c->folder);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct folder *f = v;

		if (f->parent != id || !perm_visible(r->c, f, r->u->id))
			continue;
		if (id == 1 && folder_shared(r, f))
			continue;
		n = add_kid(out, n, max, FK_PLAIN, f, 0, NULL);
		if (max == 1 && n > 0)
			return 1;
	}
	if (n <= max && n > 1)
		qsort(out, (size_t)n, sizeof(*out), by_title);
	return n;
}

static void
put_rows(struct req *r, const struct fref *x, int n, const int *cols, int nc)
{
	int i;

	sb_ch(r->out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		fref_row(r, &x[i], cols, nc);
		if (fref_lm(&x[i]) > 0)
			max_ts(r, fref_lm(&x[i]));
	}
	sb_ch(r->out, ']');
}

void
folders_root(struct req *r)
{
	static const int ids[] = { 1, 2, 3, 9 };
	int cols[MAX_COLS], n = folder_cols(r, cols, MAX_COLS);
	struct fref x[4] = { 0 };
	int i, k = 0;

	if (n < 0)
		return;
	for (i = 0; i < 4; i++)
		if ((x[k].f = folder_get(r->c, ids[i])) != NULL)
			k++;
	put_rows(r, x, k, cols, n);
}

/* allowed_modules= as a bit set; false with the error set */
static bool
allowed(struct req *r, unsigned int *set)
{
	const char *s = arg(r, "allowed_modules");
	gchar **v, **p;
	enum mod m = M_SYSTEM;
	bool event;

	*set = 0;
	if (s == NULL)
		return true;
	v = g_strsplit(s, ",", -1);
	for (p = v; *p != NULL; p++) {
		if (!mod_by_name(*p, &m, &event)) {
			fail(r, "SVL-0010", json_pack("[s,s]", "allowed_modules", s));
			break;
		}
		*set |= 1u << m;
	}
	g_strfreev(v);
	return !r->failed;
}

static bool
tree_ok(struct req *r, const char *id)
{
	const char *t = arg(r, "tree");

	if (t == NULL || strcmp(t, "0") == 0 || strcmp(t, "1") == 0)
		return true;
	fail(r, "FLD-0008", json_pack("[s,s]", id, t));
	return false;
}

void
folders_list(struct req *r)
{
	const char *parent = need(r, "parent");
	int cols[MAX_COLS], nc, n, i, k = 0;
	struct fref x, *kids;
	unsigned int set;
	const char *tree = arg(r, "tree");

	if (parent == NULL || (nc = folder_cols(r, cols, MAX_COLS)) < 0 || !tree_ok(r, parent) ||
	    !allowed(r, &set) || !fref_get(r, parent, &x))
		return;
	kids = xcalloc(MAX_KIDS, sizeof(*kids));
	n = subfolders(r, &x, kids, MAX_KIDS, set == 0 && (tree == NULL || *tree != '1'));
	for (i = 0; i < n && i < MAX_KIDS; i++) {
		enum mod m = kids[i].k == FK_MAIL || kids[i].k == FK_MAILROOT ? M_MAIL :
		    kids[i].f ? kids[i].f->m : M_SYSTEM;

		if (set == 0 || m == M_SYSTEM || (set & (1u << m)))
			kids[k++] = kids[i];
	}
	put_rows(r, kids, k, cols, nc);
	free(kids);
}

void
folders_get(struct req *r)
{
	const char *id = need(r, "id");
	struct fref x;

	if (id == NULL || !tree_ok(r, id) || !fref_get(r, id, &x))
		return;
	fref_object(r, &x);
	if (fref_lm(&x) > 0)
		set_ts(r, fref_lm(&x));
}

void
folders_path(struct req *r)
{
	const char *id = need(r, "id");
	int cols[MAX_COLS], nc;
	struct fref x[64] = { 0 };
	int n = 1;

	if (id == NULL || (nc = folder_cols(r, cols, MAX_COLS)) < 0 || !fref_get(r, id, &x[0]))
		return;
	if (x[0].k == FK_MAIL) {
		char *p = xstrdup(x[0].mb->path), *slash;

		while (n < 60 && (slash = strrchr(p, '/')) != NULL) {
			*slash = '\0';
			x[n].k = FK_MAIL;
			if ((x[n].mb = mbox_get(r->u, p)) != NULL)
				n++;
		}
		free(p);
		x[n++].k = FK_MAILROOT;
	}
	if (x[n - 1].k == FK_MAILROOT)
		x[n++].f = folder_get(r->c, 1);
	while (n < 64 && x[n - 1].f != NULL && x[n - 1].f->parent > 0) {
		struct folder *f = x[n - 1].f;

		if (folder_shared(r, f) && f->parent == 1) {
			x[n].k = FK_OWNER;
			x[n++].owner = f->owner;
			x[n++].f = folder_get(r->c, 3);
			break;
		}
		x[n++].f = folder_get(r->c, f->parent);
	}
	put_rows(r, x, n, cols, nc);
}

static void
visible_group(struct req *r, struct fref *x, int n, const char *name, const int *cols, int nc)
{
	if (n == 0)
		return;
	if (r->out->p[r->out->len - 1] != '{')
		sb_ch(r->out, ',');
	sb_printf(r->out, "\"%s\":", name);
	qsort(x, (size_t)n, sizeof(*x), by_title);
	put_rows(r, x, n, cols, nc);
}

static void
visible_mail(struct req *r, const int *cols, int nc)
{
	struct fref *x = xcalloc((size_t)r->u->nmb + 1, sizeof(*x));
	int i, n = 0;

	x[n++].k = FK_MAILROOT;
	for (i = 0; i < r->u->nmb; i++) {
		if (r->u->mb[i]->unsub && !flag_arg(r, "all"))
			continue;
		x[n].k = FK_MAIL;
		x[n++].mb = r->u->mb[i];
	}
	sb_str(r->out, "{\"private\":");
	put_rows(r, x, n, cols, nc);
	sb_ch(r->out, '}');
	free(x);
}

void
folders_all_visible(struct req *r)
{
	const char *ct = need(r, "content_type");
	int cols[MAX_COLS], nc, n[3] = { 0, 0, 0 }, g;
	struct fref *x[3];
	enum mod m = M_SYSTEM;
	bool event = false;
	struct folder *f;

	if (ct == NULL || (nc = folder_cols(r, cols, MAX_COLS)) < 0)
		return;
	if (!mod_by_name(ct, &m, &event)) {
		fail(r, "SVL-0010", json_pack("[s,s]", "content_type", ct));
		return;
	}
	if (m == M_MAIL) {
		visible_mail(r, cols, nc);
		return;
	}
	for (g = 0; g < 3; g++)
		x[g] = xcalloc(g_hash_table_size(r->c->folder) + 1, sizeof(**x));
	for (f = r->c->fhead; f != NULL; f = f->next) {
		if (f->m != m || !perm_visible(r->c, f, r->u->id))
			continue;
		if (m == M_INFOSTORE && (f->type == 5 || perm_read(perm_bits(r->c, f, r->u->id)) < 1))
			continue;
		g = f->type != 1 ? 1 : f->owner == r->u->id ? 0 : 2;
		x[g][n[g]].k = event ? FK_CAL : FK_PLAIN;
		x[g][n[g]++].f = f;
	}
	sb_ch(r->out, '{');
	visible_group(r, x[0], n[0], "private", cols, nc);
	visible_group(r, x[1], n[1], "public", cols, nc);
	visible_group(r, x[2], n[2], "shared", cols, nc);
	sb_ch(r->out, '}');
	for (g = 0; g < 3; g++)
		free(x[g]);
}

static int
by_id(const void *a, const void *b)
{
	return ((const struct fref *)a)->f->id - ((const struct fref *)b)->f->id;
}

static int
cmp_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * Global: changed folders, the virtual nodes of owners that share a changed
 * one, then ids of what was deleted - or changed and is invisible.
 */
/* Something in the mailboxes changed since this session asked last. */
static bool
mail_changed(struct req *r)
{
	bool changed = !r->ses || !r->ses->mail_asked || r->ses->mailrev != r->u->mailrev;

	if (changed && r->ses) {
		r->ses->mail_asked = true;
		r->ses->mailrev = r->u->mailrev;
	}
	return changed;
}

void
folders_updates(struct req *r)
{
	int64_t since;
	int cols[MAX_COLS], nc, n = 0, nd = 0, *gone, i;
	struct fref *x, v = { 0 };
	struct folder *f;
	bool shared = false, deleted;
	uint32_t k;
	size_t max = g_hash_table_size(r->c->folder) + 1;

	if (!need_i64(r, "timestamp", &since) || (nc = folder_cols(r, cols, MAX_COLS)) < 0)
		return;
	deleted = g_strcmp0(arg(r, "ignore"), "deleted") != 0;
	set_ts(r, since);
	if (arg_true(r, "mail") && mail_changed(r)) {
		/* the mail account alone: the answer says nothing about other folders */
		v.k = FK_MAILROOT;
		sb_ch(r->out, '[');
		fref_row(r, &v, cols, nc);
		sb_ch(r->out, ']');
		return;
	}
	x = xcalloc(max, sizeof(*x));
	gone = xcalloc(max + r->c->nftomb, sizeof(*gone));
	for (f = r->c->ftail; f != NULL && f->lm > since; f = f->prev) {
		max_ts(r, f->lm);
		if (perm_visible(r->c, f, r->u->id)) {
			x[n++].f = f;
			shared = shared || folder_shared(r, f);
		} else if (since > 0 || !f->standard) {
			/* the first request does not name the default folders of others */
			gone[nd++] = f->id;
		}
	}
	for (k = r->c->nftomb; k > 0 && r->c->ftomb[k - 1].stamp > since; k--) {
		if (deleted)
			max_ts(r, r->c->ftomb[k - 1].stamp);
		gone[nd++] = r->c->ftomb[k - 1].id;
	}
	qsort(x, (size_t)n, sizeof(*x), by_id);
	qsort(gone, (size_t)nd, sizeof(*gone), cmp_int);
	sb_ch(r->out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		fref_row(r, &x[i], cols, nc);
	}
	if (shared) {
		int k2;

		v.f = folder_get(r->c, 3);
		sb_ch(r->out, ',');
		fref_row(r, &v, cols, nc);
		for (i = 0; i < n; i++) {
			if (!folder_shared(r, x[i].f))
				continue;
			for (k2 = 0; k2 < i; k2++)
				if (folder_shared(r, x[k2].f) && x[k2].f->owner == x[i].f->owner)
					break;
			if (k2 < i)
				continue;
			v.k = FK_OWNER;
			v.f = NULL;
			v.owner = x[i].f->owner;
			sb_ch(r->out, ',');
			fref_row(r, &v, cols, nc);
		}
	}
	for (i = 0; deleted && i < nd; i++)
		sb_printf(r->out, "%s\"%d\"", n + i > 0 ? "," : "", gone[i]);
	sb_ch(r->out, ']');
	free(x);
	free(gone);
}
