/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The scheduler of the simulation: tasks as coroutines, random events between their steps, then quiet and the checks. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* stacks of ended tasks, for the next ones */
static char *spare[64];
static int n_spare;

void
task_yield(struct task *t)
{
	struct sim *s = t->s;

	(void)swapcontext(&t->ctx, &s->sched);
}

void
task_abort(struct task *t)
{
	t->finished = t->aborted = true;
	(void)setcontext(&t->s->sched);
	abort();
}

static void
task_main(unsigned hi, unsigned lo)
{
	struct task *t = (struct task *)((uintptr_t)hi << 32 | lo);

	daemon_sync(t);
	t->finished = true;
	(void)setcontext(&t->s->sched);
	abort();
}

static void
req_drop(struct req *q)
{
	mem_free(q->pairs);
	q->pairs = NULL;
}

static struct req
req_copy(const struct req *q)
{
	struct req c = *q;

	if (q->pairs != NULL) {
		c.pairs = mem_alloc((q->n_pairs + 1) * sizeof(*c.pairs));
		memcpy(c.pairs, q->pairs, q->n_pairs * sizeof(*c.pairs));
	}
	return c;
}

static void
task_end(struct sim *s, struct task *t)
{
	for (int i = 0; i < s->n_task; i++)
		if (s->task[i] == t)
			s->task[i] = s->task[--s->n_task];
	if (t->lock != 0 && s->holder[t->lock - 1] == t)
		s->holder[t->lock - 1] = NULL;
	if (n_spare < 64)
		spare[n_spare++] = t->stack;
	else
		mem_free(t->stack);
	mem_free(t->ans.g);
	mem_free(t->ans.del);
	req_drop(&t->q);
	arena_free(t->a);
	mem_free(t);
}

/* Takes over Q. */
static struct task *
task_start(struct sim *s, struct req q, bool dup)
{
	struct task *t;
	uintptr_t p;

	if (s->n_task == (int)ARRAY_LEN(s->task))
		return NULL;
	t = mem_alloc(sizeof(*t));
	p = (uintptr_t)t;
	t->s = s;
	t->q = q;
	t->dup = dup;
	t->num = ++s->task_num;
	t->node = (int)rnd(s, s->v.nodes);
	t->a = arena_new(0);
	t->stack = n_spare > 0 ? spare[--n_spare] : mem_alloc(STACK);
	(void)getcontext(&t->ctx);
	t->ctx.uc_stack.ss_sp = t->stack;
	t->ctx.uc_stack.ss_size = STACK;
	t->ctx.uc_link = NULL;
	makecontext(&t->ctx, (void (*)(void))task_main, 2, (unsigned)(p >> 32), (unsigned)p);
	s->task[s->n_task++] = t;
	return t;
}

static void
forget(struct sim *s, const struct task *t)
{
	if (!t->dup && s->cl[t->q.cl].reqid == t->q.id)
		s->cl[t->q.cl].reqid = 0;
}

static void
task_step(struct sim *s, struct task *t)
{
	s->steps++;
	s->running = t;
	(void)swapcontext(&s->sched, &t->ctx);
	s->running = NULL;
	if (s->failed)
		longjmp(s->fail, 1);
	if (!t->finished)
		return;
	if (t->aborted) {
		forget(s, t);
	} else if (!t->dup && (s->reliable || !s->v.faults || !chance(s, .15))) {
		client_answer(s, &t->q, &t->ans);
	} else {
		s->lost++;
		forget(s, t);
	}
	task_end(s, t);
}

static void
crash(struct sim *s, int node)
{
	s->crashes++;
	if (node < 0)
		s->started = s->ox.now;
	for (int i = s->n_task - 1; i >= 0; i--)
		if (s->task[i]->node == node || node < 0) {
			forget(s, s->task[i]);
			task_end(s, s->task[i]);
		}
}

static void
pool_add(struct sim *s, const struct req *q)
{
	if (s->n_pool < (int)ARRAY_LEN(s->pool))
		s->pool[s->n_pool++] = req_copy(q);
}

static void
send_request(struct sim *s, struct client *c, int folder)
{
	struct req q;
	double x = (double)rnd(s, 1000) / 1000;

	client_build(s, c, folder, &q);
	if (s->v.faults && x < .06) { /* lost on its way, or only late */
		if (s->v.dups)
			pool_add(s, &q);
		c->reqid = 0;
		req_drop(&q);
		return;
	}
	if (s->v.dups && x > .92)
		pool_add(s, &q);
	if (task_start(s, q, false) == NULL) {
		c->reqid = 0;
		req_drop(&q);
	}
}

static void
db_new(struct sim *s)
{
	memset(s->db, 0, sizeof(*s->db));
	s->db->epoch = ++s->epoch;
}

static void
restore_device(struct sim *s, struct client *c)
{
	int n = c->n + 1000, rq = c->rq;

	/* what was typed since the backup and not delivered is gone with the device */
	for (int i = 0; i < c->n_obj; i++)
		for (int k = 0; c->obj[i].used && k < F_T; k++)
			token_gone(s, c->obj[i].cur[k]);
	/* and what it had delivered since it may overwrite with what the backup holds: both are its own, so nobody sees a conflict */
	for (int i = s->backup[c->dev].tokens + 1; i <= s->w.n; i++)
		if (s->w.by[i] == c->dev + 1)
			s->w.gone[i] = true;
	*c = s->backup[c->dev].c;
	c->n = n;
	c->rq = rq;
	c->reqid = 0;
	s->backup[c->dev].is = false;
}

static void
disaster(struct sim *s)
{
	static const int64_t sizes[] = { 10, 15, 30, 60 };
	struct client *c = &s->cl[rnd(s, s->v.ndev)];
	int f = (int)rnd(s, s->v.nfold);

	if (s->v.filters && chance(s, .3)) {
		c->hidden = (unsigned)rnd(s, 1 << NF);
		return;
	}
	switch (rnd(s, 9)) {
	case 0:
		if (s->v.windows)
			s->day += 1 + rnd(s, 4);
		break;
	case 1:
		if (s->v.windows)
			c->ws = sizes[rnd(s, 4)];
		break;
	case 2:
		if (s->v.locklost && s->holder[f] != NULL) {
			s->holder[f]->locklost = true;
			s->holder[f]->lock = 0;
			s->holder[f] = NULL;
		}
		break;
	case 3:
		if (s->v.dbloss && chance(s, .15)) {
			crash(s, -1);
			db_new(s);
		}
		break;
	case 4:
		if (!s->v.rollback) {
			break;
		} else if (s->snap == NULL) {
			s->snap = mem_alloc(sizeof(*s->snap));
			*s->snap = *s->db;
		} else {
			if (chance(s, .5)) {
				crash(s, -1);
				*s->db = *s->snap;
				/* a stopped daemon has no request waiting; a late copy of a first create would be made again (limit, ARCHITECTURE.md) */
				while (s->n_pool > 0)
					req_drop(&s->pool[--s->n_pool]);
			}
			mem_free(s->snap);
			s->snap = NULL;
		}
		break;
	case 5:
		if (!s->v.backup || c->reqid != 0)
			break;
		if (!s->backup[c->dev].is || chance(s, .5)) {
			s->backup[c->dev].c = *c;
			s->backup[c->dev].is = true;
			s->backup[c->dev].tokens = s->w.n;
		} else {
			restore_device(s, c);
		}
		break;
	case 6:
		if (s->v.perms) {
			bool *no = &s->ox.noread[rnd(s, s->v.nacc)][f];

			*no = !*no;
		}
		break;
	case 7:
		ox_clock(s, chance(s, .5) ? 50 : 200);
		break;
	default:
		if (chance(s, .3))
			ox_clock(s, RETAIN + 50);
		break;
	}
}

static void
random_step(struct sim *s)
{
	static const msec_t pause[] = { 0, 1, 1, 2, 5, 10, 20 };
	struct client *c = &s->cl[rnd(s, s->v.ndev)];
	int x = (int)rnd(s, 1000);

	if (x < 640 && s->n_task > 0) {
		task_step(s, s->task[rnd(s, s->n_task)]);
	} else if (x < 690) {
		ox_user(s);
	} else if (x < 770) {
		s->w.typing = c->dev + 1;
		client_edit(s, c);
		s->w.typing = 0;
	} else if (x < 880) {
		if (c->reqid == 0)
			send_request(s, c, (int)rnd(s, s->v.nfold));
	} else if (x < 930) {
		ox_clock(s, pause[rnd(s, 7)]);
	} else if (x < 940) {
		c->reqid = 0; /* the client gives up; the task may go on */
	} else if (x < 955) {
		if (s->n_pool > 0 && s->v.dups) {
			int64_t i = rnd(s, s->n_pool);
			struct req q = s->pool[i];

			s->pool[i] = s->pool[--s->n_pool];
			if (task_start(s, q, true) == NULL)
				req_drop(&q);
		}
	} else if (x < 962) {
		if (s->v.crash)
			crash(s, (int)rnd(s, s->v.nodes));
	} else if (x < 982) {
		disaster(s);
	}
}

static void
drain(struct sim *s, struct task *t)
{
	int num = t->num;

	for (int n = 0; n < 5000; n++) {
		bool there = false;

		for (int i = 0; i < s->n_task; i++)
			there |= s->task[i]->num == num;
		if (!there)
			return;
		task_step(s, t);
	}
	sim_fail(s, "a task does not end");
}

static void
quiesce(struct sim *s)
{
	ox_tick(s, true);
	memset(s->ox.noread, 0, sizeof(s->ox.noread));
	s->reliable = true;
	while (s->n_task > 0)
		task_step(s, s->task[rnd(s, s->n_task)]);
	while (s->n_pool > 0) /* the last stragglers arrive */
		drain(s, task_start(s, s->pool[--s->n_pool], true));
	ox_clock(s, LATE_MAX + 5);
	s->noall = true;
	for (int i = 0; s->v.filters && i < s->v.ndev; i++) /* who wants everything again must hold everything in the end */
		s->cl[i].hidden = chance(s, .7) ? 0 : s->cl[i].hidden;
	for (int round = 0; round < 600; round++) {
		bool busy = false;

		for (int i = 0; i < s->v.ndev; i++)
			for (int f = 0; f < s->v.nfold; f++) {
				struct client *c = &s->cl[i];
				uint64_t before = c->sync[f];
				struct req q;

				client_build(s, c, f, &q);
				drain(s, task_start(s, q, false));
				c->reqid = 0;
				busy |= c->more[f] || c->sync[f] != before || client_busy(c);
			}
		ox_clock(s, 7);
		if (!busy)
			return;
	}
	sim_fail(s, "no quiescence");
}

const char *
sim_run(uint64_t seed, const struct variant *v, enum broken off, int n, struct sim *figures)
{
	static char why[sizeof(((struct sim *)0)->why)];
	static const unsigned char master[KEY_BYTES] = { 7 };
	struct sim *s = mem_alloc(sizeof(*s));
	bool failed = true;

	s->db = mem_alloc(sizeof(*s->db));
	s->seed = s->rnd = seed;
	s->v = *v;
	s->off = off;
	s->ox.now = 1000;
	s->day = 100;
	s->keys = model_keys_new(master);
	s->scratch = arena_new(0);
	db_new(s);
	for (int i = 0; i < v->ndev; i++)
		client_init(s, i);
	if (setjmp(s->fail) == 0) {
		for (int i = 0; i < n; i++)
			random_step(s);
		quiesce(s);
		world_check(s);
		failed = false;
	}
	memcpy(why, s->why, sizeof(why));
	while (s->n_task > 0)
		task_end(s, s->task[0]);
	while (s->n_pool > 0)
		req_drop(&s->pool[--s->n_pool]);
	if (figures != NULL) {
		figures->steps += s->steps + (uint64_t)n;
		figures->crashes += s->crashes;
		figures->lost += s->lost;
		figures->deltas += s->deltas;
		figures->rows_read += s->rows_read;
		figures->emitted += s->emitted;
		figures->records += s->records;
	}
	model_keys_free(s->keys);
	arena_free(s->scratch);
	mem_free(s->snap);
	mem_free(s->db);
	mem_free(s);
	return failed ? why : NULL;
}
