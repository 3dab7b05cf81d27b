/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module mail: listings, flags, moving, copying, deleting.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/mail.h"

void
no_mailbox(struct req *r, const char *path)
{
	fail(r, "IMAP-1002", json_pack("[s,s,s,i,i]", path, "127.0.0.1", r->u->login, r->u->id, r->c->id));
}

struct mbox *
mbox_of(struct req *r, const char *folder)
{
	const char *path;
	struct mbox *mb;

	if (folder == NULL || *folder == '\0') {
		fail(r, "SVL-0002", json_pack("[s]", "folder"));
		return NULL;
	}
	path = mail_path(folder);
	if (path == NULL) {
		fail(r, "MSG-0123", json_pack("[s]", folder));
		return NULL;
	}
	mb = mbox_get(r->u, path);
	if (mb == NULL)
		no_mailbox(r, path);
	return mb;
}

struct mail *
mail_of(const struct mbox *mb, const char *id)
{
	int64_t n;
	ssize_t i;

	if (!parse_i64(id, &n) || n < 1 || n > UINT32_MAX)
		return NULL;
	i = mail_find(mb, (uint32_t)n);
	return i < 0 ? NULL : mb->m[i];
}

void
put_mail_ref(struct req *r, const struct mbox *mb, uint32_t uid)
{
	char *f = xprintf("default0/%s", mb->path);

	sb_str(r->out, "{\"folder_id\":");
	sb_js(r->out, f);
	sb_printf(r->out, ",\"id\":\"%u\"}", uid);
	free(f);
}

/* --- columns --------------------------------------------------------------------- */

struct mcols {
	int n;
	int col[64];		/* 0: a header */
	const char *hdr[64];
	gchar **words, **extra;
	bool cached;		/* answered from the cache */
};

static bool
mail_cols(struct req *r, struct mcols *c)
{
	const char *s = need(r, "columns"), *h = arg(r, "headers");
	int64_t v;
	size_t i;

	memset(c, 0, sizeof(*c));
	if (s == NULL)
		return false;
	c->words = g_strsplit(s, ",", -1);
	for (i = 0; c->words[i] != NULL && c->n < 60; i++) {
		if (parse_i64(c->words[i], &v))
			c->col[c->n++] = (int)v;
		else
			c->hdr[c->n++] = c->words[i];
	}
	if (h != NULL)
		c->extra = g_strsplit(h, ",", -1);
	for (i = 0; c->extra != NULL && c->extra[i] != NULL && c->n < 64; i++)
		c->hdr[c->n++] = c->extra[i];
	return true;
}

static void
mcols_free(struct mcols *c)
{
	g_strfreev(c->words);
	g_strfreev(c->extra);
}

static int
flags_of(const struct mail *m)
{
	return m->flags;
}

int
mail_color(const struct mail *m)
{
	return m->color == 0 && (m->flags & 8) ? 1 : m->color;
}

static void
put_keywords(struct sb *b, const json_t *words)
{
	char *text = words != NULL ? json_dumps(words, JSON_COMPACT) : NULL;

	sb_str(b, text != NULL ? text : "[]");
	free(text);
}

void
mail_put_col(struct req *r, const struct mbox *mb, struct mail *m, int col)
{
	struct sb *b = r->out;
	char *s;
	int64_t t;

	switch (col) {
	case 600:
	case 654: sb_printf(b, "\"%u\"", m->uid); return;
	case 601:
	case 650:
	case 655:
		s = xprintf("default0/%s", mb->path);
		sb_js(b, s);
		free(s);
		return;
	case 602: sb_str(b, mail_info(m)->attach ? "true" : "false"); return;
	case 603: sb_str(b, mail_info(m)->from); return;
	case 604: sb_str(b, mail_info(m)->to); return;
	case 605: sb_str(b, mail_info(m)->cc); return;
	case 606: sb_str(b, mail_info(m)->bcc); return;
	case 607: sb_str(b, mail_info(m)->subject); return;
	case 608: sb_int(b, (int64_t)m->raw->len); return;
	case 609:
	case 610:
	case 661:
		t = col == 609 ? mail_info(m)->sent : m->received;
		if (t == 0)
			sb_str(b, "null");
		else
			sb_int(b, shift(r, t));
		return;
	case 611: sb_int(b, flags_of(m)); return;
	case 102: sb_int(b, mail_color(m)); return;
	case 612: sb_str(b, "0"); return;
	case 614: sb_int(b, mail_info(m)->priority); return;
	case 651: sb_str(b, m->flags & 32 ? "true" : "false"); return;
	case 652: sb_str(b, "\"E-Mail\""); return;
	case 653: sb_str(b, "0"); return;
	case 656: sb_js(b, mail_info(m)->ctype_full); return;
	case 657: sb_str(b, m->flags & 1 ? "true" : "false"); return;
	case 658: sb_str(b, m->flags & 256 ? "true" : "false"); return;
	case 659: sb_str(b, m->flags & 4 ? "true" : "false"); return;
	case 660: sb_str(b, m->flags & 8 ? "true" : "false"); return;
	case 668: put_keywords(b, m->user); return;
	default: sb_str(b, "null");
	}
}

static void
put_row(struct req *r, const struct mcols *c, const struct mbox *mb, struct mail *m)
{
	int i;
	char *h;

	sb_ch(r->out, '[');
	for (i = 0; i < c->n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		if (c->hdr[i] == NULL) {
			if (c->cached && c->col[i] == 668)
				put_keywords(r->out, m->cached_user);
			else
				mail_put_col(r, mb, m, c->col[i]);
			continue;
		}
		h = mime_header(m->raw->p, m->raw->len, c->hdr[i]);
		sb_js(r->out, h);
		free(h);
	}
	sb_ch(r->out, ']');
}

/* --- all, list, search ---------------------------------------------------------------- */

static struct msort { int col; int sign; } msort;

static int64_t
sort_num(struct mail *m)
{
	switch (msort.col) {
	case 600: return m->uid;
	case 608: return (int64_t)m->raw->len;
	case 609: return mail_info(m)->sent;
	case 611: return m->flags;
	case 102: return mail_color(m);
	case 651: return (m->flags & 32) != 0;
	case 660: return (m->flags & 8) != 0;
	default: return m->received;
	}
}

static int
mail_cmp(const void *a, const void *b)
{
	struct mail *const *x = a, *const *y = b;
	int64_t p, q;
	int c;

	if (msort.col == 607 || msort.col == 603) {
		c = msort.col == 607 ?
		    g_ascii_strcasecmp(mail_info(*x)->subject_raw, mail_info(*y)->subject_raw) :
		    g_ascii_strcasecmp(mail_info(*x)->from, mail_info(*y)->from);
		if (c != 0)
			return c * msort.sign;
	}
	p = sort_num(*x);
	q = sort_num(*y);
	if (p != q)
		return p < q ? -msort.sign : msort.sign;
	return (*x)->uid < (*y)->uid ? -1 : (*x)->uid > (*y)->uid;
}

void
mail_sort(const struct req *r, struct mail **v, size_t n, int def)
{
	int64_t col = def;
	const char *order = arg(r, "order");

	(void)parse_i64(arg(r, "sort"), &col);
	msort.col = (int)col;
	msort.sign = order ? (strcmp(order, "desc") == 0 ? -1 : 1) : col == def && def == 610 ? -1 : 1;
	/* arrival order is uid order: nothing to do in the common case */
	if (msort.col == 600 && msort.sign == 1)
		return;
	if (n > 1)
		qsort(v, n, sizeof(*v), mail_cmp);
}

static void
window(const struct req *r, size_t n, size_t *from, size_t *to)
{
	const char *lim = arg(r, "limit");
	int64_t l = 0, h = (int64_t)n;
	char *end;

	if (lim != NULL) {
		l = strtoll(lim, &end, 10);
		if (*end == ',') {
			h = strtoll(end + 1, NULL, 10);
		} else {
			h = l;
			l = 0;
		}
	} else {
		(void)parse_i64(arg(r, "left_hand_limit"), &l);
		(void)parse_i64(arg(r, "right_hand_limit"), &h);
	}
	*from = l > 0 ? ((size_t)l < n ? (size_t)l : n) : 0;
	*to = h < (int64_t)n ? (size_t)(h > (int64_t)*from ? h : (int64_t)*from) : n;
}

void
mail_all(struct req *r)
{
	struct mcols c;
	struct mbox *mb;
	struct mail **v;
	size_t i, n = 0, from, to;
	bool unseen = arg_true(r, "unseen"), nodel = g_strcmp0(arg(r, "deleted"), "false") == 0;

	if (need(r, "folder") == NULL || !mail_cols(r, &c))
		return;
	if ((mb = mbox_of(r, arg(r, "folder"))) != NULL) {
		v = xcalloc(mb->n + 1, sizeof(*v));
		for (i = 0; i < mb->n; i++)
			if (!(unseen && (mb->m[i]->flags & 32)) && !(nodel && (mb->m[i]->flags & 2)))
				v[n++] = mb->m[i];
		mail_sort(r, v, n, 610);
		window(r, n, &from, &to);
		sb_ch(r->out, '[');
		for (i = from; i < to; i++) {
			if (i > from)
				sb_ch(r->out, ',');
			put_row(r, &c, mb, v[i]);
		}
		sb_ch(r->out, ']');
		mailcache_all(r->u, mb, v + from, to - from);
		free(v);
	}
	mcols_free(&c);
}

/* The mail that an element of a body names; NULL with *MB NULL too when there is no such folder (the error is set). */
static struct mail *
named(struct req *r, const json_t *it, struct mbox **mb)
{
	const json_t *jid = json_object_get(it, "id");
	const char *id = json_string_value(jid);
	char num[24];

	if (json_is_integer(jid)) {
		(void)snprintf(num, sizeof(num), "%lld", (long long)json_integer_value(jid));
		id = num;
	}
	*mb = mbox_of(r, json_string_value(json_object_get(it, "folder")));
	return *mb == NULL || id == NULL ? NULL : mail_of(*mb, id);
}

void
mail_list(struct req *r)
{
	struct mcols c;
	struct mbox *mb;
	struct mail *m;
	json_t *a = body_array(r), *it;
	size_t i;

	if (a == NULL || !mail_cols(r, &c))
		return;
	c.cached = true;
	json_array_foreach(a, i, it) {
		if ((m = named(r, it, &mb)) == NULL && mb == NULL)
			break;
		c.cached = c.cached && m != NULL && mailcache_has(r->u, m);
	}
	sb_ch(r->out, '[');
	json_array_foreach(a, i, it) {
		if ((m = named(r, it, &mb)) == NULL && mb == NULL)
			break;
		if (m == NULL)
			continue;
		if (!c.cached)
			mailcache_listed(r->u, mb, m);
		if (r->out->p[r->out->len - 1] != '[')
			sb_ch(r->out, ',');
		put_row(r, &c, mb, m);
	}
	sb_ch(r->out, ']');
	mcols_free(&c);
}

static bool
mail_field(struct mail *m, const char *f, const char *op, const json_t *want)
{
	const struct mailinfo *i = mail_info(m);
	const char *s = json_string_value(want);
	int64_t n = 0, v;

	if (json_is_integer(want))
		n = json_integer_value(want);
	else
		(void)parse_i64(s, &n);
	if (strcmp(f, "flags") == 0)
		return (m->flags & n) != 0;
	if (strcmp(f, "received_date") == 0 || strcmp(f, "sent_date") == 0 || strcmp(f, "size") == 0) {
		v = *f == 'r' ? m->received : f[1] == 'e' ? i->sent : (int64_t)m->raw->len;
		if (*f != 's' || f[1] == 'e') { /* 8.19: days, of the mail server's zone */
			v /= INT64_C(86400000);
			n /= INT64_C(86400000);
		}
		return *op == '<' ? v < n : *op == '>' ? v > n : v == n;
	}
	if (s == NULL)
		return false;
	if (strcmp(f, "subject") == 0 || strcmp(f, "607") == 0)
		return match_mail(i->subject_raw, s);
	if (strcmp(f, "from") == 0 || strcmp(f, "603") == 0)
		return match_mail(i->from, s);
	if (strcmp(f, "to") == 0 || strcmp(f, "604") == 0)
		return match_mail(i->to, s);
	if (strcmp(f, "cc") == 0)
		return match_mail(i->cc, s);
	if (strcmp(f, "content") == 0)
		return match_mail(m->raw->p + mime_header_len(m->raw->p, m->raw->len), s);
	return true; /* 8.19: a field that it does not know holds for every mail */
}

static bool
mail_term(struct mail *m, const json_t *t)
{
	const char *op = json_string_value(json_array_get(t, 0)), *f;
	size_t i, n = json_array_size(t);

	if (op == NULL)
		return false;
	if (strcmp(op, "and") == 0 || strcmp(op, "or") == 0) {
		for (i = 1; i < n; i++)
			if (mail_term(m, json_array_get(t, i)) == (*op == 'o'))
				return *op == 'o';
		return *op == 'a';
	}
	if (strcmp(op, "not") == 0)
		return !mail_term(m, json_array_get(t, 1));
	f = json_string_value(json_object_get(json_array_get(t, 1), "field"));
	return f != NULL && mail_field(m, f, op, json_array_get(t, 2));
}

static bool
mail_found(struct mail *m, const json_t *q)
{
	json_t *it;
	size_t k;

	if (!json_is_array(q))
		return mail_term(m, json_object_get(q, "filter"));
	json_array_foreach((json_t *)(uintptr_t)q, k, it) {
		const char *col = json_string_value(json_object_get(it, "col"));

		if (col == NULL || !mail_field(m, col, "=", json_object_get(it, "pattern")))
			return false;
	}
	return true;
}

void
mail_search(struct req *r)
{
	struct mail **v;
	struct mcols c;
	struct mbox *mb;
	json_t *q;
	size_t i, n = 0, from, to;

	if ((mb = mbox_of(r, arg(r, "folder"))) == NULL || (q = body_json(r)) == NULL || !mail_cols(r, &c))
		return;
	v = xcalloc(mb->n + 1, sizeof(*v));
	for (i = 0; i < mb->n; i++)
		if (mail_found(mb->m[i], q))
			v[n++] = mb->m[i];
	if (arg(r, "sort") != NULL) /* without: in the order of arrival */
		mail_sort(r, v, n, 610);
	window(r, n, &from, &to);
	sb_ch(r->out, '[');
	for (i = from; i < to; i++) {
		if (i > from)
			sb_ch(r->out, ',');
		put_row(r, &c, mb, v[i]);
	}
	sb_ch(r->out, ']');
	free(v);
	mcols_free(&c);
}

/* --- counters ------------------------------------------------------------------------------ */

void
mail_count(struct req *r)
{
	struct mbox *mb = mbox_of(r, arg(r, "folder"));

	if (mb != NULL)
		sb_int(r->out, (int64_t)mb->n);
}

void
mail_examine(struct req *r)
{
	struct mbox *mb = mbox_of(r, arg(r, "folder"));
	size_t i, unread = 0;

	if (mb == NULL)
		return;
	for (i = 0; i < mb->n; i++)
		unread += !(mb->m[i]->flags & 32);
	sb_printf(r->out, "{\"validity\":\"%u\",\"total\":%zu,\"unread\":%zu,\"next\":\"%u\"}", mb->validity,
	    mb->n, unread, mb->next);
}

/* always empty on IMAP: a mail folder has no incremental listing */
void
mail_updates(struct req *r)
{
	if (mbox_of(r, arg(r, "folder")) != NULL)
		sb_str(r->out, "[]");
}

/* --- changes ---------------------------------------------------------------------------------- */

/* what cannot be set is refused before anything is changed */
static bool
keywords_ok(struct req *r, const json_t *list)
{
	const json_t *v;
	const char *s;
	size_t i;

	if (list != NULL && !json_is_array(list)) {
		fail(r, "MSG-0003", json_pack("[s]", "no JSONArray"));
		return false;
	}
	json_array_foreach(list, i, v) {
		s = json_string_value(v);
		if (s == NULL || *s == '\\') {
			fail(r, "MSG-0104", json_pack("[s]", s ? s : ""));
			return false;
		}
		if (*s == '\0' || s[strcspn(s, " (){%*\"\\]\x7f")] != '\0' || !g_str_is_ascii(s)) {
			fail(r, "MSG-1031", json_pack("[s,s,i,i,s]", "mail", r->u->login, r->u->id, r->u->c->id, "BAD Error in IMAP command"));
			return false;
		}
	}
	return true;
}

static bool
flags_ok(struct req *r, const json_t *o)
{
	const json_t *v = json_object_get(o, "color_label");
	json_int_t label = json_integer_value(v);
	char name[32];

	if (v != NULL && (label < 0 || label > 10)) {
		snprintf(name, sizeof(name), "$cl_%lld", (long long)label);
		fail(r, "IMAP-2025", json_pack("[s,s]", name, "Unknown color label."));
		return false;
	}
	return keywords_ok(r, json_object_get(o, "set_user_flags")) && keywords_ok(r, json_object_get(o, "clear_user_flags"));
}

/* a keyword is the same in any letter case */
static size_t
keyword_at(const struct mail *m, const char *word)
{
	size_t i;

	for (i = 0; i < json_array_size(m->user); i++)
		if (g_ascii_strcasecmp(json_string_value(json_array_get(m->user, i)), word) == 0)
			break;
	return i;
}

static void
apply_keyword(struct mail *m, const char *word, bool set)
{
	static const struct { const char *word; int flag; } marks[] = { { "$Forwarded", 256 }, { "$MDNSent", 512 } };
	size_t at = keyword_at(m, word), i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (g_ascii_strcasecmp(word, marks[i].word) == 0) {
			m->flags = set ? m->flags | marks[i].flag : m->flags & ~marks[i].flag;
			return;
		}
	if (g_ascii_strncasecmp(word, "$cl_", 4) == 0) {
		m->color = set ? (int)strtol(word + 4, NULL, 10) : 0;
	} else if (!set) {
		json_array_remove(m->user, at);
	} else if (at == json_array_size(m->user)) {
		if (m->user == NULL)
			m->user = json_array();
		json_array_append_new(m->user, json_string(word));
	}
}

static void
apply_flags(struct user *u, struct mail *m, const json_t *o)
{
	const json_t *v;
	int before = m->flags, color = m->color;
	size_t i;

	/* a label flags the mail, none takes the flag away; flags of the same request come after it */
	if ((v = json_object_get(o, "color_label")) != NULL) {
		m->color = (int)json_integer_value(v);
		m->flags = m->color > 0 ? m->flags | 8 : m->flags & ~8;
	}
	json_array_foreach(json_object_get(o, "set_user_flags"), i, v)
		apply_keyword(m, json_string_value(v), true);
	json_array_foreach(json_object_get(o, "clear_user_flags"), i, v)
		apply_keyword(m, json_string_value(v), false);
	if ((v = json_object_get(o, "flags")) != NULL) {
		int f = (int)json_integer_value(v) & ~16;

		if (json_is_true(json_object_get(o, "value")))
			m->flags |= f;
		else
			m->flags &= ~f;
	}
	if ((v = json_object_get(o, "set_flags")) != NULL)
		m->flags |= (int)json_integer_value(v) & ~16;
	if ((v = json_object_get(o, "clear_flags")) != NULL)
		m->flags &= ~((int)json_integer_value(v) & ~16);
	if (before != m->flags || color != m->color)
		u->mailrev++;
}

/* a moved or copied mail is \Recent in its new folder */
static struct mail *
transfer(struct user *u, struct mbox *to, const struct mail *m)
{
	struct mail *n = mail_append(u, to, blob_ref(m->raw), m->flags | 16, m->received);

	n->color = m->color;
	n->user = json_deep_copy(m->user);
	mailcache_drop(u, to);
	return n;
}

void
mail_update(struct req *r)
{
	struct mbox *mb = mbox_of(r, arg(r, "folder")), *to;
	const char *id = arg(r, "id"), *dest;
	json_t *o;
	struct mail *m, *n;
	size_t i;

	if (mb == NULL || (o = body_object(r)) == NULL || !flags_ok(r, o))
		return;
	dest = json_string_value(json_object_get(o, "folder_id"));
	if (id == NULL && arg(r, "message_id") == NULL) {
		char *f = xprintf("default0/%s", mb->path);

		for (i = 0; i < mb->n; i++)
			apply_flags(r->u, mb->m[i], o);
		sb_str(r->out, "{\"folder_id\":");
		sb_js(r->out, f);
		sb_ch(r->out, '}');
		free(f);
		return;
	}
	m = id ? mail_of(mb, id) : NULL;
	for (i = 0; id == NULL && i < mb->n; i++)
		if (g_strcmp0(mail_info(mb->m[i])->msgid, arg(r, "message_id")) == 0)
			m = mb->m[i];
	if (m == NULL) {	/* an unknown id is a success */
		char *f = xprintf("default0/%s", mb->path);

		sb_str(r->out, "{\"folder_id\":");
		sb_js(r->out, f);
		sb_str(r->out, ",\"id\":");
		sb_js(r->out, id ? id : "");
		sb_ch(r->out, '}');
		free(f);
		return;
	}
	if (dest != NULL && (to = mbox_of(r, dest)) == NULL)
		return;
	apply_flags(r->u, m, o);
	if (dest != NULL && to != mb) {
		n = transfer(r->u, to, m);
		mail_remove(r->u, mb, (size_t)mail_find(mb, m->uid));
		put_mail_ref(r, to, n->uid);
		return;
	}
	put_mail_ref(r, mb, m->uid);
}

void
mail_copy(struct req *r)
{
	struct mbox *mb = mbox_of(r, arg(r, "folder")), *to;
	const char *id = need(r, "id");
	json_t *o;
	struct mail *m;

	if (mb == NULL || id == NULL || (o = body_object(r)) == NULL ||
	    (to = mbox_of(r, json_string_value(json_object_get(o, "folder_id")))) == NULL)
		return;
	if ((m = mail_of(mb, id)) == NULL) {
		fail(r, "MSG-0032", json_pack("[s,s]", id, arg(r, "folder")));
		return;
	}
	put_mail_ref(r, to, transfer(r->u, to, m)->uid);
}

void
mail_delete(struct req *r)
{
	json_t *a = body_array(r), *it;
	bool hard = arg_true(r, "harddelete") || r->u->harddelete;
	struct mbox *trash = mbox_get(r->u, "Trash");
	size_t i;

	if (a == NULL)
		return;
	json_array_foreach(a, i, it) {
		const char *id = json_string_value(json_object_get(it, "id"));
		struct mbox *mb = mbox_of(r, json_string_value(json_object_get(it, "folder")));
		struct mail *m;

		if (mb == NULL)
			return;
		if (id == NULL || (m = mail_of(mb, id)) == NULL)
			continue;
		if (!hard && trash != NULL && mb != trash)
			(void)transfer(r->u, trash, m);
		mail_remove(r->u, mb, (size_t)mail_find(mb, m->uid));
	}
	sb_str(r->out, "[]");
}

void
mail_clear(struct req *r)
{
	json_t *a = body_array(r), *it;
	size_t i;

	if (a == NULL)
		return;
	json_array_foreach(a, i, it) {
		struct mbox *mb = mbox_of(r, json_string_value(it));

		if (mb == NULL)
			return;
		while (mb->n > 0)
			mail_remove(r->u, mb, mb->n - 1);
	}
	sb_str(r->out, "[]");
}

void
mail_all_seen(struct req *r)
{
	struct mbox *mb = mbox_of(r, arg(r, "folder"));
	size_t i;

	if (mb == NULL)
		return;
	for (i = 0; i < mb->n; i++)
		mb->m[i]->flags |= 32;
	r->u->mailrev++;
	sb_str(r->out, "true");
}
