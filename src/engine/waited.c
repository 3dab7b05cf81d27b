/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who waits for what at this node: accounts and their folders, each once however many of its devices wait, and when OX is to be asked
 * about them next.  An account that nobody waits for any more is remembered for a while, with what is known of its sources: clients
 * come back after each change and each heartbeat.
 */
#include "engine/watch_int.h"

#include <stdio.h>
#include <string.h>

#define REMEMBERED_MS (INT64_C(30) * 60 * 1000)

/* ---- heaps of accounts by time ---- */

static void
place(struct heap *h, int which, size_t i, struct waited *w)
{
	h->w[i] = w;
	w->at[which] = i;
}

static void
sift(struct heap *h, int which, size_t i)
{
	struct waited *w = h->w[i];

	for (; i > 1 && h->w[i / 2]->key[which] > w->key[which]; i /= 2)
		place(h, which, i, h->w[i / 2]);
	for (size_t c; (c = 2 * i) <= h->n; i = c) {
		c += c < h->n && h->w[c + 1]->key[which] < h->w[c]->key[which];
		if (h->w[c]->key[which] >= w->key[which])
			break;
		place(h, which, i, h->w[c]);
	}
	place(h, which, i, w);
}

static void
heap_remove(struct heap *h, int which, struct waited *w)
{
	size_t i = w->at[which];

	if (i == 0)
		return;
	w->at[which] = 0;
	if (i == h->n--)
		return;
	h->w[i] = h->w[h->n + 1];
	sift(h, which, i);
}

/* There is room: heap_room was called for each account. */
static void
heap_put(struct heap *h, int which, struct waited *w, int64_t key)
{
	if (key == NEVER) {
		heap_remove(h, which, w);
		return;
	}
	w->key[which] = key;
	if (w->at[which] == 0) {
		h->n++;
		h->w[h->n] = w;
		w->at[which] = h->n;
	}
	sift(h, which, w->at[which]);
}

static bool
heap_room(struct heap *h, size_t n)
{
	size_t cap = h->cap == 0 ? 64 : h->cap;
	struct waited **bigger;

	while (cap < n + 2)
		cap *= 2;
	if (cap == h->cap)
		return true;
	bigger = mem_realloc(h->w, cap * sizeof(struct waited *));
	if (bigger == NULL)
		return false;
	h->w = bigger;
	h->cap = cap;
	return true;
}

void
heap_drop_locked(struct poll *p, struct waited *w)
{
	for (int i = 0; i < HEAPS; i++)
		heap_remove(&p->heap[i], i, w);
}

/* ---- when ---- */

int64_t
waited_pace(const struct poll *p, const struct waited_folder *f)
{
	const struct engine_options *o = &p->g->o;
	int64_t most = o->poll_max_ms > o->poll_ms ? o->poll_max_ms : o->poll_ms;

	if (o->poll_ms <= 0)
		return NEVER;
	/* what is told needs no asking, but for the gaps */
	for (int i = 0; i < PUSH_SOURCES; i++)
		if (f->ct < CT_COUNT && f->w->tells[i][f->ct] == TELLS && (f->ct != CT_MAIL || f->topic == f->w->inbox_topic))
			return most;
	return f->w->interval < most ? f->w->interval : most;
}

int64_t
waited_due(const struct poll *p, const struct waited_folder *f)
{
	int64_t pace = waited_pace(p, f);

	if (pace == NEVER)
		return NEVER;
	return f->ct == CT_MAIL && f->flags_at < f->polled + pace ? f->flags_at : f->polled + pace;
}

void
waited_plan_locked(struct poll *p, struct waited *w)
{
	int64_t poll = NEVER, told = NEVER;

	if (w->busy)
		return; /* its thread does it, afterwards */
	for (const struct waited_folder *f = w->folders; f != NULL; f = f->next) {
		int64_t due = waited_due(p, f);

		if (f->watches == 0)
			continue;
		if (f->told && f->look_at < told)
			told = f->look_at;
		if (f->judge_at != 0 && f->judge_at < due)
			due = f->judge_at;
		poll = due < poll ? due : poll;
	}
	heap_put(&p->heap[HEAP_POLL], HEAP_POLL, w, poll);
	heap_put(&p->heap[HEAP_TOLD], HEAP_TOLD, w, told);
	/* a thread that sleeps until a later time, or beside one that is called for another account */
	if (w->at[HEAP_POLL] == 1 || w->at[HEAP_TOLD] != 0)
		(void)pthread_cond_signal(&p->wake);
}

/* ---- accounts and folders ---- */

static size_t
account_slot(int64_t context, int64_t user)
{
	return (size_t)((uint64_t)context * 31 + (uint64_t)user) % ACCOUNT_SLOTS;
}

struct waited *
waited_find_locked(const struct poll *p, int64_t context, int64_t user)
{
	struct waited *w = p->account[account_slot(context, user)];

	while (w != NULL && (w->context != context || w->user != user))
		w = w->chain;
	return w;
}

struct waited *
waited_account_locked(const struct poll *p, uint64_t topic)
{
	struct waited *w = p->account_by_topic[topic % ACCOUNT_SLOTS];

	while (w != NULL && w->topic != topic)
		w = w->topic_chain;
	return w;
}

struct waited_folder *
waited_folder_locked(const struct waited *w, uint64_t topic)
{
	struct waited_folder *f = w->folders;

	while (f != NULL && f->topic != topic)
		f = f->next;
	return f;
}

struct waited_folder *
waited_by_topic_locked(const struct poll *p, uint64_t topic)
{
	return p->folder[topic % FOLDER_SLOTS];
}

static struct waited *
account_make_locked(struct poll *p, const struct engine_session *s)
{
	const struct account *a = s->n->account;
	const char *inbox = ox_session_user(s->ox)->inbox;
	size_t slot = account_slot(a->context, a->user);
	struct waited *w = waited_find_locked(p, a->context, a->user);

	if (w != NULL)
		return w;
	if (!heap_room(&p->heap[HEAP_POLL], p->n_known + 1) || !heap_room(&p->heap[HEAP_TOLD], p->n_known + 1) || (w = mem_alloc(sizeof(*w))) == NULL)
		return NULL;
	p->n_known++;
	w->context = a->context;
	w->user = a->user;
	w->topic = engine_account_topic(p->g, a->context, a->user);
	w->hier_topic = a->hier_tag;
	w->inbox_topic = inbox[0] != '\0' ? tag_of_folder(p->g, a, CT_MAIL, inbox) : 0;
	w->interval = p->g->o.poll_ms;
	w->chain = p->account[slot];
	p->account[slot] = w;
	w->topic_chain = p->account_by_topic[w->topic % ACCOUNT_SLOTS];
	p->account_by_topic[w->topic % ACCOUNT_SLOTS] = w;
	return w;
}

/* NULL = out of memory. */
static struct waited_folder *
folder_add_locked(struct poll *p, struct waited *w, const struct target *t, const struct folder_ref *ref, uint64_t topic)
{
	struct waited_folder *f = waited_folder_locked(w, topic), **slot = &p->folder[topic % FOLDER_SLOTS];
	int64_t now = steady_ms();

	if (f == NULL) {
		f = mem_alloc(sizeof(*f));
		if (f == NULL)
			return NULL;
		f->w = w;
		f->topic = topic;
		f->flags_at = now + p->g->o.poll_ms;
		f->chain = *slot;
		*slot = f;
		f->next = w->folders;
		w->folders = f;
	}
	if (f->watches == 0 && now - f->own >= ECHO_MS) { /* else OX's echo would look like news */
		f->epoch = t->f.epoch;
		f->cn = t->f.cn;
	}
	f->folder = *ref;
	f->id = t->f.id;
	f->watches++;
	f->polled = now; /* a client that begins to wait looks for itself */
	f->ct = t->f.id != 0 ? t->ct : CT_COUNT;
	return f;
}

bool
watch_link(struct engine_watch *x, const struct target *targets)
{
	struct poll *p = x->g->poll;
	struct waited *w;
	size_t done = 0;

	if (p == NULL)
		return true; /* an engine without threads: whoever drives it looks */
	(void)pthread_mutex_lock(&p->lock);
	w = account_make_locked(p, x->s);
	while (w != NULL && done < x->n && (x->of[done] = folder_add_locked(p, w, &targets[done], &x->entries[done].folder, x->tags[done])) != NULL)
		done++;
	if (done < x->n || w == NULL) {
		while (done > 0)
			x->of[--done]->watches--;
		(void)pthread_mutex_unlock(&p->lock);
		return false;
	}
	p->n_accounts += w->watches == NULL;
	claim_add_locked(p, x);
	x->w = w;
	x->next = w->watches;
	x->prev = NULL;
	if (x->next != NULL)
		x->next->prev = x;
	w->watches = x;
	waited_plan_locked(p, w);
	(void)pthread_mutex_unlock(&p->lock);
	return true;
}

void
watch_unlink(struct engine_watch *x)
{
	struct poll *p = x->g->poll;
	struct waited *w = x->w;

	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	claim_remove_locked(p, x);
	for (size_t i = 0; i < x->n; i++)
		x->of[i]->watches--;
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		w->watches = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	x->w = NULL;
	if (w->watches == NULL) {
		p->n_accounts--;
		w->left = steady_ms();
	}
	waited_plan_locked(p, w);
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- forgetting ---- */

static void
folder_free_locked(struct poll *p, struct waited_folder *f)
{
	struct waited_folder **at = &p->folder[f->topic % FOLDER_SLOTS];

	while (*at != f)
		at = &(*at)->chain;
	*at = f->chain;
	mem_free(f);
}

static void
folders_sweep_locked(struct poll *p, struct waited *w, int64_t before)
{
	for (struct waited_folder *f, **at = &w->folders; (f = *at) != NULL;) {
		if (f->watches > 0 || f->polled >= before) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		folder_free_locked(p, f);
	}
}

static void
account_free_locked(struct poll *p, struct waited *w)
{
	struct waited **at = &p->account_by_topic[w->topic % ACCOUNT_SLOTS];

	while (*at != w)
		at = &(*at)->topic_chain;
	*at = w->topic_chain;
	heap_drop_locked(p, w);
	p->n_known--;
	mem_free(w);
}

static void
sweep_locked(struct poll *p, int64_t before)
{
	for (size_t i = 0; i < ACCOUNT_SLOTS; i++)
		for (struct waited *w, **at = &p->account[i]; (w = *at) != NULL;) {
			if (!w->busy)
				folders_sweep_locked(p, w, before);
			if (w->busy || w->watches != NULL || w->left >= before || w->folders != NULL) {
				at = &w->chain;
				continue;
			}
			*at = w->chain;
			account_free_locked(p, w);
		}
}

void
poll_sweep(struct engine *g)
{
	struct poll *p = g->poll;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	sweep_locked(p, steady_ms() - REMEMBERED_MS);
	(void)pthread_mutex_unlock(&p->lock);
}

void
poll_free(struct engine *g)
{
	struct poll *p = g->poll;

	if (p == NULL)
		return;
	sweep_locked(p, NEVER); /* nobody waits any more */
	for (int i = 0; i < HEAPS; i++)
		mem_free(p->heap[i].w);
	mem_free(p->thread);
	(void)pthread_cond_destroy(&p->wake);
	(void)pthread_cond_destroy(&p->ended);
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
	g->poll = NULL;
}
