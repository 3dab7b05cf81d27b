/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Runs tests/sync-cases/ *.case (the format is in tests/sync-cases/README): rows, a cursor, one call, and the whole result as
 * one line of text.  After each complete delta the same question is asked again from the new cursor and must find nothing.
 * CASES=<folder> takes other cases.
 */
#include "usmd/sync.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_sync.h"

#define MAX_WORDS 40
#define N_FIELDS 8 /* a to h */

struct ctx {
	struct arena *a;
	const char *file;
	int line;
	struct model_keys *keys;
	struct row *row[64];
	size_t n_row;
	struct cursor cur, got;
	struct fmask hidden, unindexed;
	struct write_entry wr[16];
	size_t n_wr;
	struct intent intent;
	bool has_intent;
	struct change ch;
	struct sync_plan_out plan;
	struct pair pair[32];
	size_t n_pair;
	struct index_head head;
	char *word[MAX_WORDS];
	int n_words;
	struct buf out; /* result of the last call */
	bool unread;    /* and nobody has looked at it */
};

#define bad(x, ...) ck_abort_msg_at(x, __VA_ARGS__)
static void ck_abort_msg_at(const struct ctx *x, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));

static void
ck_abort_msg_at(const struct ctx *x, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck_abort_msg("%s:%d: %s", x->file, x->line, text);
	abort();
}

/* ---- reading words ---- */

static const char *
opt(const struct ctx *x, const char *key)
{
	size_t n = strlen(key);

	for (int i = 1; i < x->n_words; i++)
		if (strncmp(x->word[i], key, n) == 0 && x->word[i][n] == '=')
			return x->word[i] + n + 1;
	return NULL;
}

static bool
flag(const struct ctx *x, const char *key)
{
	for (int i = 1; i < x->n_words; i++)
		if (strcmp(x->word[i], key) == 0)
			return true;
	return false;
}

static int64_t
num(const struct ctx *x, const char *s)
{
	char *end;
	int64_t v = strtoll(s, &end, 10);

	if (end == s)
		bad(x, "not a number: %s", s);
	return v;
}

static int64_t
opt_num(const struct ctx *x, const char *key, int64_t fallback)
{
	const char *s = opt(x, key);

	return s == NULL ? fallback : num(x, s);
}

static uint64_t
opt_cn(const struct ctx *x, const char *key, uint64_t fallback)
{
	return (uint64_t)opt_num(x, key, (int64_t)fallback);
}

/* "lo..hi", or the fallback */
static void
opt_range(const struct ctx *x, const char *key, int64_t *lo, int64_t *hi)
{
	const char *s = opt(x, key), *dots = s == NULL ? NULL : strstr(s, "..");

	if (s == NULL)
		return;
	if (dots == NULL)
		bad(x, "%s= wants <from>..<to>", key);
	*lo = num(x, s);
	*hi = num(x, dots + 2);
}

/* "abc" = the fields a, b, c; "-" = none; without the option OUT stays */
static void
opt_fields(const struct ctx *x, const char *key, struct fmask *out)
{
	const char *s = opt(x, key);

	if (s == NULL)
		return;
	memset(out, 0, sizeof(*out));
	for (; *s >= 'a' && *s < 'a' + N_FIELDS; s++)
		fmask_set(out, (unsigned)(*s - 'a'));
}

/* word "<letter>=<value>[@<cn>][!]": one field */
static bool
field_word(const struct ctx *x, int i, unsigned *f, uint64_t *fp, uint64_t *cn, bool *blind)
{
	const char *s = x->word[i], *at;

	if (s[0] < 'a' || s[0] >= 'a' + N_FIELDS || s[1] != '=')
		return false;
	*f = (unsigned)(s[0] - 'a');
	*fp = (uint64_t)num(x, s + 2);
	at = strchr(s, '@');
	*cn = at == NULL ? 0 : (uint64_t)num(x, at + 1);
	*blind = s[strlen(s) - 1] == '!';
	return true;
}

static struct row *
row_by_id(const struct ctx *x, int64_t id)
{
	for (size_t i = 0; i < x->n_row; i++)
		if (x->row[i]->id == id)
			return x->row[i];
	return NULL;
}

static void
row_save(struct ctx *x, const struct row *r)
{
	struct row *to = row_by_id(x, r->id);

	if (to == NULL)
		to = x->row[x->n_row++] = arena_alloc(x->a, sizeof(*to));
	*to = *r;
}

/* ---- statements that set the scene ---- */

static void
do_row(struct ctx *x)
{
	struct row r = { .id = num(x, x->word[1]), .t0 = TIME_MIN, .t1 = TIME_MAX, .known = !flag(x, "listed"), .dead = flag(x, "dead") };
	unsigned f;
	uint64_t fp, cn;
	bool blind;

	r.cn = opt_cn(x, "cn", 1);
	r.first_cn = opt_cn(x, "first", 1);
	r.keycn = opt_cn(x, "key", r.first_cn);
	r.lm = opt_num(x, "lm", 100);
	r.sk = opt_num(x, "sk", 0);
	r.client_id = opt(x, "client");
	opt_range(x, "time", &r.t0, &r.t1);
	r.f = arena_array(x->a, struct row_field, N_FIELDS);
	for (int i = 2; i < x->n_words; i++)
		if (field_word(x, i, &f, &fp, &cn, &blind))
			r.f[r.nf++] = (struct row_field){ .i = (uint8_t)f, .fp = fp, .cn = cn != 0 ? cn : r.first_cn };
	if (r.client_id != NULL)
		r.client_id = arena_strdup(x->a, r.client_id);
	if (r.cn > x->head.cn)
		x->head.cn = r.cn;
	row_save(x, &r);
}

static void
do_cursor(struct ctx *x)
{
	const char *s = opt(x, "edge"), *have = opt(x, "have");
	struct cursor c = { .epoch = 1, .view = { .filled = s == NULL, .w0 = TIME_MIN, .w1 = TIME_MAX } };

	c.lo = opt_cn(x, "lo", 0);
	c.pos = opt_cn(x, "pos", c.lo);
	opt_range(x, "window", &c.view.w0, &c.view.w1);
	if (s != NULL && strcmp(s, "top") == 0) {
		c.view.edge_sk = c.view.edge_id = INT64_MAX;
	} else if (s != NULL) {
		c.view.edge_sk = num(x, s);
		c.view.edge_id = num(x, strchr(s, ',') + 1);
	}
	c.view.n_filled = opt_cn(x, "filled", 0);
	for (; have != NULL && *have != '\0'; have = strchr(have, ',') == NULL ? NULL : strchr(have, ',') + 1)
		ck_assert_int_eq(cursor_have_set(x->a, &c, num(x, have), (uint64_t)num(x, strchr(have, '@') + 1)), RC_OK);
	opt_fields(x, "hidden", &c.seen.hidden);
	opt_fields(x, "unseen", &c.seen.unseen);
	s = opt(x, "swept");
	if (s != NULL) {
		c.seen.sweeping = true;
		c.seen.edge_sk = num(x, s);
		c.seen.edge_id = num(x, strchr(s, ',') + 1);
	}
	x->hidden = c.seen.hidden;
	x->cur = c;
}

static void
do_write(struct ctx *x)
{
	struct write_entry *w = &x->wr[x->n_wr++];
	unsigned f;
	uint64_t fp, cn;
	bool blind;

	*w = (struct write_entry){ .wid = (int64_t)x->n_wr, .id = num(x, x->word[1]), .seq = opt_cn(x, "seq", 9), .cn = opt_cn(x, "cn", 0) };
	w->lm = opt_num(x, "lm", 0);
	w->done = w->cn != 0 || flag(x, "done");
	w->f = arena_array(x->a, struct write_field, N_FIELDS);
	for (int i = 2; i < x->n_words; i++)
		if (field_word(x, i, &f, &fp, &cn, &blind))
			w->f[w->nf++] = (struct write_field){ .i = (uint8_t)f, .fp = fp, .fcn = cn };
}

static void
do_intent(struct ctx *x)
{
	struct intent *it = &x->intent;
	unsigned f;
	uint64_t fp, cn;
	bool blind;

	memset(it, 0, sizeof(*it));
	x->has_intent = !flag(x, "none");
	it->state = flag(x, "pending") ? INTENT_PENDING : flag(x, "deleted") ? INTENT_DELETED : INTENT_DONE;
	it->id = opt_num(x, "id", 0);
	it->id_known = flag(x, "known");
	it->unsure = flag(x, "unsure");
	it->at = opt_num(x, "at", 0);
	it->asked = flag(x, "asked");
	it->elsewhere = flag(x, "elsewhere");
	it->f = arena_array(x->a, struct write_field, N_FIELDS);
	it->else_f = arena_array(x->a, struct sighting_field, N_FIELDS);
	for (int i = 1; i < x->n_words; i++)
		if (field_word(x, i, &f, &fp, &cn, &blind)) {
			it->f[it->nf++] = (struct write_field){ .i = (uint8_t)f, .fp = fp };
			if (cn != 0) /* "@<value>": what it has in the other folder */
				it->else_f[it->else_nf++] = (struct sighting_field){ .i = (uint8_t)f, .fp = cn };
		}
}

static void
do_change(struct ctx *x)
{
	struct change *c = &x->ch;
	unsigned f;
	uint64_t fp, cn;
	bool blind;

	memset(c, 0, sizeof(*c));
	c->op = flag(x, "create") ? OP_CREATE : flag(x, "delete") ? OP_DELETE : OP_MODIFY;
	c->id = opt_num(x, "id", 0);
	c->client_id = opt(x, "client") == NULL ? NULL : arena_strdup(x->a, opt(x, "client"));
	c->rev = opt(x, "rev") == NULL ? NULL : arena_strdup(x->a, opt(x, "rev"));
	c->again = flag(x, "again");
	c->blind_delete = flag(x, "blind");
	c->recreate = flag(x, "recreate");
	c->f = arena_array(x->a, struct change_field, N_FIELDS);
	for (int i = 1; i < x->n_words; i++)
		if (field_word(x, i, &f, &fp, &cn, &blind))
			c->f[c->nf++] = (struct change_field){ .i = (uint8_t)f, .fp = fp, .blind = blind };
}

static void
do_pair(struct ctx *x)
{
	struct pair *p = &x->pair[x->n_pair++];
	struct row *r;

	memset(p, 0, sizeof(*p));
	p->id = num(x, x->word[1]);
	p->valid = !flag(x, "foreign");
	r = row_by_id(x, p->id);
	(void)snprintf(p->rev, sizeof(p->rev), "other");
	if (flag(x, "same") && r != NULL)
		row_rev(x->keys, CT_CONTACT, r, &x->hidden, p->rev);
}

/* ---- row_source on the rows of the case ---- */

static int
cmp_cn(const void *a, const void *b)
{
	const struct row *const *x = a, *const *y = b;

	return ((*x)->cn > (*y)->cn) - ((*x)->cn < (*y)->cn);
}

static int
cmp_down(const void *a, const void *b)
{
	const struct row *const *x = a, *const *y = b;

	if ((*x)->sk != (*y)->sk)
		return (*x)->sk < (*y)->sk ? 1 : -1;
	return ((*x)->id < (*y)->id) - ((*x)->id > (*y)->id);
}

static int
cmp_id(const void *a, const void *b)
{
	return -cmp_down(&(const struct row *){ &(struct row){ .id = (*(const struct row *const *)a)->id } },
	    &(const struct row *){ &(struct row){ .id = (*(const struct row *const *)b)->id } });
}

static enum rc
pick(struct ctx *x, struct row **p, size_t k, size_t max, struct row ***rows, size_t *n)
{
	*n = k < max ? k : max;
	*rows = arena_memdup(x->a, p, *n * sizeof(*p));
	return *rows == NULL ? RC_NOMEM : RC_OK;
}

static enum rc
src_since(void *self, uint64_t cn, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct ctx *x = self;
	struct row *p[64];
	size_t k = 0;

	(void)e;
	for (size_t i = 0; i < x->n_row; i++)
		if (x->row[i]->cn > cn)
			p[k++] = x->row[i];
	qsort(p, k, sizeof(p[0]), cmp_cn);
	return pick(x, p, k, max, rows, n);
}

static enum rc
src_below(void *self, bool from_top, int64_t sk, int64_t id, size_t max, struct row ***rows, size_t *n, struct err *e)
{
	struct ctx *x = self;
	struct row *p[64];
	size_t k = 0;

	(void)e;
	for (size_t i = 0; i < x->n_row; i++) {
		struct row *r = x->row[i];

		if (!r->dead && (from_top || r->sk < sk || (r->sk == sk && r->id < id)))
			p[k++] = r;
	}
	qsort(p, k, sizeof(p[0]), cmp_down);
	return pick(x, p, k, max, rows, n);
}

static enum rc
src_moved(void *self, msec_t old0, msec_t old1, msec_t new0, msec_t new1, struct row ***rows, size_t *n, struct err *e)
{
	struct ctx *x = self;
	struct row *p[64];
	size_t k = 0;

	(void)e;
	for (size_t i = 0; i < x->n_row; i++)
		if (!x->row[i]->dead && sync_in_window(x->row[i], old0, old1) != sync_in_window(x->row[i], new0, new1))
			p[k++] = x->row[i];
	return pick(x, p, k, 64, rows, n);
}

static enum rc
src_by_id(void *self, int64_t id, struct row **row, struct err *e)
{
	(void)e;
	*row = row_by_id(self, id);
	return RC_OK;
}

/* ---- results as text ---- */

static void
say_fields(struct ctx *x, const char *name, const struct fmask *m)
{
	if (fmask_empty(m))
		return;
	buf_addf(&x->out, " %s=", name);
	if (m->w[1] != 0) {
		buf_adds(&x->out, "all");
		return;
	}
	for (unsigned i = 0; i < N_FIELDS; i++)
		if (fmask_has(m, i))
			buf_addc(&x->out, (char)('a' + i));
}

static void
say_row(struct ctx *x, const struct row *r)
{
	buf_addf(&x->out, " row %d cn=%d first=%d key=%d", (int)r->id, (int)r->cn, (int)r->first_cn, (int)r->keycn);
	if (r->dead)
		buf_adds(&x->out, " dead");
	if (!r->known)
		buf_adds(&x->out, " listed");
	for (unsigned k = 0; k < r->nf; k++)
		buf_addf(&x->out, " %c=%d@%d", 'a' + r->f[k].i, (int)r->f[k].fp, (int)r->f[k].cn);
}

static void
say_cursor(struct ctx *x, const struct cursor *c)
{
	buf_addf(&x->out, " lo=%d pos=%d", (int)c->lo, (int)c->pos);
	if (c->view.filled)
		buf_adds(&x->out, " filled");
	else if (c->view.edge_sk == INT64_MAX)
		buf_adds(&x->out, " edge=top");
	else
		buf_addf(&x->out, " edge=%d,%d", (int)c->view.edge_sk, (int)c->view.edge_id);
	say_fields(x, "hidden", &c->seen.hidden);
	if (c->seen.sweeping) {
		say_fields(x, "unseen", &c->seen.unseen);
		if (c->seen.edge_sk == INT64_MAX)
			buf_adds(&x->out, " swept=top");
		else
			buf_addf(&x->out, " swept=%d,%d", (int)c->seen.edge_sk, (int)c->seen.edge_id);
	}
	for (size_t i = 0; i < c->n_have; i++)
		buf_addf(&x->out, "%s%d@%d", i == 0 ? " have=" : ",", (int)c->have[i].id, (int)c->have[i].cn);
}

static void
result(struct ctx *x)
{
	buf_reset(&x->out);
	x->unread = true;
}

/* ---- the calls ---- */

static struct sync_delta_out
delta_once(struct ctx *x, const struct sync_delta_in *in)
{
	struct row_source src = { x, src_since, src_below, src_moved, src_by_id };
	struct sync_delta_out d;
	struct err e;

	ck_assert_int_eq(sync_delta(x->a, in, &src, &d, &e), RC_OK);
	for (size_t i = 0; i < d.n; i++)
		if (d.items[i].kind != SYNC_DEL)
			ck_assert_int_eq(cursor_have_set(x->a, &d.next, d.items[i].row->id, d.items[i].row->cn), RC_OK);
	ck_assert_int_eq(sync_prune(x->a, &d.next, &src, &e), RC_OK);
	return d;
}

static void
do_delta(struct ctx *x)
{
	static const char *const kind[] = { "put", "mod", "del" };
	struct sync_delta_in in = { .cursor = &x->cur, .folder_cn = x->head.cn, .limit = (size_t)opt_num(x, "limit", 50),
		.w0 = x->cur.view.w0, .w1 = x->cur.view.w1, .max_objects = (size_t)opt_num(x, "max", 0), .hidden = &x->hidden, .unindexed = &x->unindexed };
	struct imap *skip = imap_new(x->a, 4);
	struct sync_delta_out d, again;

	opt_range(x, "window", &in.w0, &in.w1);
	opt_fields(x, "hidden", &x->hidden);
	opt_fields(x, "unindexed", &x->unindexed);
	if (opt(x, "skip") != NULL && imap_put(skip, num(x, opt(x, "skip")), 0))
		in.skip = skip;
	d = delta_once(x, &in);
	result(x);
	for (size_t i = 0; i < d.n; i++) {
		struct sync_item *it = &d.items[i];
		struct fmask m;

		buf_addf(&x->out, " %s %d", kind[it->kind], (int)it->row->id);
		if (it->kind == SYNC_MOD) {
			sync_changed_fields(it->row, sync_base_of(&x->cur, it->row), &m);
			fmask_or(&m, &it->also);
			fmask_minus(&m, &d.next.seen.hidden);
			say_fields(x, "fields", &m);
		}
	}
	buf_adds(&x->out, d.more ? " more" : " end");
	if (d.swept)
		buf_adds(&x->out, " sweep");
	if (d.truncated)
		buf_adds(&x->out, " truncated");
	say_cursor(x, &d.next);
	x->got = x->cur = d.next;
	if (d.more)
		return;
	in.cursor = &x->got;
	in.skip = NULL;
	again = delta_once(x, &in);
	/* a row that was skipped is the engine's to answer, which this runner does not do */
	if (opt(x, "skip") == NULL && (again.n != 0 || again.more || !cursor_equal(&again.next, &x->got)))
		bad(x, "the same question again finds %d items", (int)again.n);
}

static enum sync_policy
policy(const struct ctx *x, const char *key)
{
	const char *s = opt(x, key);

	if (s == NULL || strcmp(s, "server") == 0)
		return POLICY_SERVER;
	return strcmp(s, "client") == 0 ? POLICY_CLIENT : POLICY_ERROR;
}

static void
do_plan(struct ctx *x)
{
	static const char *const kind[] = { "done", "record", "create", "update", "delete", "find-uid", "find-moved", "recreate" };
	static const char *const status[] = { "ok", "gone", "refused", "retry", "conflict" };
	static const char *const state[] = { "pending", "done", "deleted" };
	const char *rid = opt(x, "row"), *marks = opt(x, "bits");
	struct fmask bits = { { 0 } };
	struct row *r = rid != NULL ? row_by_id(x, num(x, rid)) : x->ch.id != 0 ? row_by_id(x, x->ch.id) : NULL;
	char rev[REV_TEXT] = "";
	struct sync_plan_in in = { .change = &x->ch, .cursor = &x->cur, .row = r, .row_rev = rev, .writes = x->wr, .n_writes = x->n_wr,
		.intent = x->has_intent ? &x->intent : NULL, .policy = policy(x, "policy"), .delete_policy = policy(x, "delete-policy"),
		.now = opt_num(x, "now", 1000), .late_max = 60, .started = opt_num(x, "started", 0), .moved_checked = flag(x, "moved-checked"), .may_move = flag(x, "may-move"), .no_key = flag(x, "no-key") };
	struct sync_plan_out *p = &x->plan;

	for (; marks != NULL && *marks >= 'a' && *marks < 'a' + N_FIELDS; marks++)
		fmask_set(&bits, (unsigned)(*marks - 'a'));
	in.bits = &bits;
	if (r != NULL)
		row_rev(x->keys, CT_CONTACT, r, &x->cur.seen.hidden, rev);
	if (x->ch.rev != NULL && strcmp(x->ch.rev, "same") == 0)
		x->ch.rev = arena_strdup(x->a, rev);
	sync_plan_change(&in, p);
	result(x);
	buf_addf(&x->out, " %s", kind[p->kind]);
	say_fields(x, "fields", &p->fields);
	say_fields(x, "lose", &p->lose);
	say_fields(x, "win", &p->win);
	say_fields(x, "foreign", &p->foreign);
	say_fields(x, "applied", &p->applied);
	if (p->kind == PLAN_DONE || p->kind == PLAN_RECORD)
		buf_addf(&x->out, " %s", status[p->status]);
	if (p->intent_new)
		buf_adds(&x->out, " intent=new");
	if (p->intent_set)
		buf_addf(&x->out, " intent=%s%s", state[p->intent_state], p->intent_unsure ? "?" : "");
	buf_adds(&x->out, p->map ? " map" : "");
	buf_adds(&x->out, p->adopt ? " adopt" : "");
	buf_adds(&x->out, p->force_del ? " force-del" : "");
	buf_adds(&x->out, p->force_put ? " force-put" : "");
	buf_adds(&x->out, p->drop_have ? " drop-have" : "");
	buf_adds(&x->out, p->touched ? " touched" : "");
}

static void
read_sighting(struct ctx *x, struct sighting *s)
{
	unsigned f;
	uint64_t fp, cn;
	bool blind;

	*s = (struct sighting){ .id = num(x, x->word[1]), .lm = opt_num(x, "lm", 100), .sk = opt_num(x, "sk", 0), .t0 = TIME_MIN,
		.t1 = TIME_MAX, .known = !flag(x, "listed"), .client_id = opt(x, "client") };
	opt_range(x, "time", &s->t0, &s->t1);
	s->f = arena_array(x->a, struct sighting_field, N_FIELDS);
	for (int i = 2; i < x->n_words; i++)
		if (field_word(x, i, &f, &fp, &cn, &blind))
			s->f[s->nf++] = (struct sighting_field){ .i = (uint8_t)f, .fp = fp };
}

static void
do_see(struct ctx *x)
{
	struct sighting s;
	struct row r;
	bool changed, touched;
	enum rc rc;

	read_sighting(x, &s);
	rc = sync_merge(x->a, &x->head, row_by_id(x, s.id), &s, &r, &changed, &touched);
	result(x);
	if (rc == RC_BUSY) {
		buf_adds(&x->out, " busy");
		return;
	}
	ck_assert_int_eq(rc, RC_OK);
	buf_adds(&x->out, changed ? " changed" : touched ? " touched" : " same");
	say_row(x, &r);
	row_save(x, &r);
}

static void
do_moved(struct ctx *x)
{
	struct fmask fields, lose, win;
	struct sighting s;

	read_sighting(x, &s);
	result(x);
	if (!sync_plan_moved(&x->ch, row_by_id(x, x->ch.id), &s, &x->plan, policy(x, "policy"), &fields, &lose, &win)) {
		buf_adds(&x->out, " conflict");
		return;
	}
	buf_adds(&x->out, " moved");
	say_fields(x, "fields", &fields);
	say_fields(x, "lose", &lose);
	say_fields(x, "win", &win);
}

static void
do_reconcile(struct ctx *x)
{
	struct row *rows[64];
	struct cursor fresh;
	struct sync_reconcile_out r;
	struct imap *skip = imap_new(x->a, 4);
	const char *s = opt(x, "skip"), *edge = opt(x, "edge");
	msec_t w0 = TIME_MIN, w1 = TIME_MAX;

	opt_range(x, "window", &w0, &w1);
	opt_fields(x, "hidden", &x->hidden);
	sync_cursor_fresh(&fresh, 1, x->head.cn, w0, w1, &x->hidden);
	if (edge != NULL) {
		fresh.view.edge_sk = num(x, edge);
		fresh.view.edge_id = num(x, strchr(edge, ',') + 1);
	}
	if (s != NULL)
		ck_assert(imap_put(skip, num(x, s), 0));
	memcpy(rows, x->row, sizeof(rows));
	qsort(rows, x->n_row, sizeof(rows[0]), cmp_id);
	ck_assert_int_eq(sync_reconcile(x->a, x->keys, CT_CONTACT, &fresh, rows, x->n_row, x->pair, x->n_pair, s != NULL ? skip : NULL,
	    (size_t)opt_num(x, "limit", 50), &r), RC_OK);
	result(x);
	for (size_t i = 0; i < r.n; i++)
		buf_addf(&x->out, " put %d", (int)r.items[i].row->id);
	for (size_t i = 0; i < r.n_gone; i++)
		buf_addf(&x->out, " gone %d", (int)r.gone[i]->id);
	buf_adds(&x->out, r.more ? " more" : " end");
	if (!r.more)
		say_cursor(x, &r.next);
}

static void
do_answer(struct ctx *x)
{
	struct row *r = row_by_id(x, x->ch.id);
	struct fmask fields, own;

	sync_answer_fields(&x->cur, r, &x->ch, x->wr, x->n_wr, &fields, &own);
	result(x);
	buf_adds(&x->out, " answer");
	say_fields(x, "fields", &fields);
	say_fields(x, "own", &own);
}

static void
do_complete(struct ctx *x)
{
	struct write_entry *w = &x->wr[x->n_wr - 1];

	sync_write_complete(w, row_by_id(x, w->id));
	result(x);
	buf_addf(&x->out, " write %d cn=%d", (int)w->id, (int)w->cn);
	for (unsigned k = 0; k < w->nf; k++)
		buf_addf(&x->out, " %c=%d@%d", 'a' + w->f[k].i, (int)w->f[k].fp, (int)w->f[k].fcn);
}

static void
do_kill(struct ctx *x)
{
	struct row *r = row_by_id(x, num(x, x->word[1]));
	bool changed = sync_kill(&x->head, r);

	result(x);
	buf_adds(&x->out, changed ? " changed" : " same");
	say_row(x, r);
}

static void
do_base(struct ctx *x)
{
	result(x);
	buf_addf(&x->out, " base %d", (int)sync_base_of(&x->cur, row_by_id(x, num(x, x->word[1]))));
}

static void
do_expect(struct ctx *x)
{
	struct buf want;

	buf_init(&want, 0);
	for (int i = 1; i < x->n_words; i++)
		buf_addf(&want, " %s", x->word[i]);
	if (want.len != x->out.len || (want.len > 0 && memcmp(want.p, x->out.p, want.len) != 0))
		bad(x, "\n  expected:%s\n  got:     %s", want.p, x->out.p);
	x->unread = false;
	buf_fini(&want);
}

static const struct { const char *word; void (*fn)(struct ctx *); bool call; } statements[] = {
	{ "row", do_row, false }, { "cursor", do_cursor, false }, { "write", do_write, false }, { "intent", do_intent, false },
	{ "change", do_change, false }, { "pair", do_pair, false }, { "expect", do_expect, false },
	{ "delta", do_delta, true }, { "plan", do_plan, true }, { "see", do_see, true }, { "kill", do_kill, true }, { "moved", do_moved, true },
	{ "reconcile", do_reconcile, true }, { "answer", do_answer, true }, { "complete", do_complete, true }, { "base", do_base, true },
};

static void
run_line(struct ctx *x, char *line)
{
	char *s = line;

	x->n_words = 0;
	for (;;) {
		while (*s == ' ' || *s == '\t' || *s == '\n')
			*s++ = '\0';
		if (*s == '\0' || *s == '#')
			break;
		if (x->n_words == MAX_WORDS)
			bad(x, "too many words");
		x->word[x->n_words++] = s;
		while (*s != '\0' && *s != ' ' && *s != '\t' && *s != '\n')
			s++;
	}
	if (*s == '#')
		*s = '\0';
	if (x->n_words == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		if (strcmp(statements[i].word, x->word[0]) == 0) {
			if (statements[i].call && x->unread)
				bad(x, "nothing was expected of the call before");
			statements[i].fn(x);
			return;
		}
	bad(x, "unknown statement: %s", x->word[0]);
}

/* ---- one test a file ---- */

static char *case_file[256];
static int n_cases;

static int
cmp_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *
case_dir(void)
{
	const char *s = getenv("CASES");

	return s != NULL ? s : "tests/sync-cases";
}

static void
find_cases(void)
{
	DIR *d = opendir(case_dir());
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL && n_cases < (int)ARRAY_LEN(case_file)) {
		size_t n = strlen(e->d_name);

		if (n > 5 && strcmp(e->d_name + n - 5, ".case") == 0)
			case_file[n_cases++] = mem_dup_str(e->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
	qsort(case_file, (size_t)n_cases, sizeof(case_file[0]), cmp_text);
}

START_TEST(one_case)
{
	static const unsigned char master[KEY_BYTES] = { 1 };
	struct ctx x = { .a = arena_new(0), .file = case_file[_i], .keys = model_keys_new(master) };
	char path[512], line[1024];
	FILE *f;

	buf_init(&x.out, 0);
	(void)snprintf(path, sizeof(path), "%s/%s", case_dir(), case_file[_i]);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		x.line++;
		run_line(&x, line);
	}
	if (x.unread)
		bad(&x, "nothing was expected of the last call");
	(void)fclose(f);
	buf_fini(&x.out);
	model_keys_free(x.keys);
	arena_free(x.a);
}
END_TEST

START_TEST(cases_are_there)
{
	ck_assert_int_ge(n_cases, 20);
}
END_TEST

Suite *
suite_cases(void)
{
	Suite *s = suite_create("cases");
	TCase *t = tcase_create("cases");

	find_cases();
	tcase_add_test(t, cases_are_there);
	tcase_add_loop_test(t, one_case, 0, n_cases);
	suite_add_tcase(s, t);
	return s;
}
