/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The scheduler: requests as coroutines, random events between their steps, then quiet and the checks. */
#include "fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK (256 * 1024)

static const unsigned char master[KEY_BYTES] = { 7 };

/* ---- time and chance of the program under test are the world's ---- */

static msec_t
world_now(void)
{
	return the_sim->ox.now + the_sim->skew;
}

/* What passes for this machine passes for OX, at most a little faster or slower. */
static int64_t
world_mono(void)
{
	return the_sim->ox.now * 1000 / 100 * (99 + the_sim->skew % 3);
}

static void
world_random(void *p, size_t n)
{
	unsigned char *b = p;

	while (n-- > 0)
		*b++ = (unsigned char)(rnd64(the_sim) >> 56);
}

/* ---- coroutines ---- */

static char *spare[MAX_TASK];
static unsigned n_spare;

bool
node_dead(const struct sim *s)
{
	return s->running != NULL && s->node[s->running->node].dead;
}

bool
io_step(struct sim *s)
{
	struct task *t = s->running;

	if (t == NULL)
		return true;
	if (node_dead(s))
		return false;
	(void)swapcontext(&t->ctx, &s->sched);
	return !node_dead(s);
}

/* An answer that brought something to a client without changes of its own: would a ping with its syncid have been told?  (A ping must not sleep through it.) */
static bool
ping_is_told(struct task *t, struct engine_session *session, const struct sync_request *r)
{
	struct ping_entry e = { .folder = r->folder, .syncid = r->syncid };
	const struct ping_entry *out;
	struct engine_watch *w = NULL;
	struct hub_waiter *waiter = NULL;
	size_t n, changed = 1;
	enum rc rc = engine_watch_new(session, WATCH_PING, &e, 1, &w, &waiter, &t->err);

	if (rc == RC_OK)
		rc = engine_watch_check(w, false, &out, &n, &changed, &t->err);
	hub_waiter_free(waiter);
	engine_watch_free(w);
	return rc != RC_OK || changed > 0;
}

/* Something that the client does not have yet?  (The deletion of what it never had is no news: it was gone when its content was read.) */
static bool
brought(const struct task *t)
{
	const struct client *c = &t->s->cl[t->dev];

	for (size_t i = 0; i < t->ans.n_deleted; i++)
		for (int k = 0; k < c->n_obj; k++)
			if (c->obj[k].used && c->obj[k].has_uuid && memcmp(&c->obj[k].uuid, &t->ans.deleted[i], sizeof(struct uuid)) == 0)
				return true;
	return t->ans.n > 0;
}

/* A request that is executed twice is read twice: the engine may complete what it is given. */
static void
copy_changes(struct task *t, struct sync_request *r)
{
	r->changes = arena_memdup(t->a, r->changes, r->n_changes * sizeof(*r->changes) + 1);
	t->copy = arena_array(t->a, struct object *, r->n_changes + 1);
	for (size_t i = 0; i < r->n_changes; i++) {
		const struct object *o = r->changes[i].object;

		if (o == NULL)
			continue;
		r->changes[i].object = t->copy[t->n_copy++] = object_new(t->a, o->ct);
		for (unsigned k = 0; k < model_content(o->ct)->n_fields; k++)
			object_set(r->changes[i].object, k, json_incref(o->v[k]));
	}
}

static void
sync_request(struct task *t, struct engine_session *session)
{
	struct sync_request r = t->q->r;
	bool alone = t->s->reliable && t->s->n_task == 1 && !t->dup && t->q->id == t->s->cl[t->dev].attempt; /* and no straggler */

	copy_changes(t, &r);
	t->rc = engine_sync(session, t->a, &r, &t->ans, &t->err);
	t->s->fig->requests++;
	/* with one request at a time and nothing failing, nothing happens between the answer and the ping */
	if (alone && t->s->n_task == 1 && t->rc == RC_OK && r.mode == SYNC_UPDATE && r.n_changes == 0 && brought(t) && !ping_is_told(t, session, &r))
		t->s->deaf = true;
}

static void
set_window(struct task *t, struct engine_session *session)
{
	struct device_config cfg;
	int64_t days = t->s->cl[t->dev].days;

	t->rc = engine_config_get(session, t->a, &cfg, &t->err);
	if (t->rc != RC_OK)
		return;
	for (int ct = CT_CALENDAR; ct <= CT_TASK; ct++)
		cfg.past_days[ct] = cfg.future_days[ct] = days;
	t->rc = engine_config_set(session, &cfg, &t->err);
}

static void
task_body(struct task *t)
{
	struct client *c = &t->s->cl[t->dev];
	struct engine *g = t->s->node[t->node].engine;
	struct engine_session *session = NULL;
	char user[8], token[TOKEN_TEXT];

	if (t->kind == TASK_CARE) {
		engine_care(g);
		return;
	}
	if (t->kind == TASK_LOGIN) {
		struct engine_login in = { .user = user, .password = "p", .device = c->name, .user_agent = "sim", .client_ip = "127.0.0.1" };

		(void)snprintf(user, sizeof(user), "user%u", c->user % 10);
		t->rc = engine_login(g, &in, &t->login, &t->err);
		return;
	}
	memcpy(token, c->token, sizeof(token));
	t->rc = engine_session_open(g, token, &session, &t->err);
	if (t->rc != RC_OK)
		return;
	if (t->kind == TASK_SYNC)
		sync_request(t, session);
	else
		set_window(t, session);
	engine_session_close(session);
}

static void
task_main(unsigned hi, unsigned lo)
{
	struct task *t = (struct task *)((uintptr_t)hi << 32 | lo);

	task_body(t);
	t->finished = true;
	(void)setcontext(&t->s->sched);
	abort();
}

static void
task_end(struct sim *s, struct task *t)
{
	for (unsigned i = 0; i < s->n_task; i++)
		if (s->task[i] == t)
			s->task[i] = s->task[--s->n_task];
	engine_sync_done(&t->ans);
	object_drop_all(t->copy, t->n_copy);
	spare[n_spare++] = t->stack;
	creq_unref(t->q);
	arena_free(t->a);
	mem_free(t);
}

/* Takes over Q. */
static struct task *
task_start(struct sim *s, enum task_kind kind, unsigned dev, struct creq *q, bool dup)
{
	struct task *t;
	uintptr_t p;

	if (s->n_task == MAX_TASK) {
		creq_unref(q);
		return NULL;
	}
	t = mem_alloc(sizeof(*t));
	p = (uintptr_t)t;
	t->s = s;
	t->kind = kind;
	t->dev = dev;
	t->q = q;
	t->dup = dup;
	t->num = ++s->task_num;
	t->node = (unsigned)rnd(s, s->v.nodes);
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
resume(struct sim *s, struct task *t)
{
	s->running = t;
	(void)swapcontext(&s->sched, &t->ctx);
	s->running = NULL;
	if (s->failed)
		longjmp(s->fail, 1);
}

/* Nobody will hear the answer of T. */
static void
unheard(struct sim *s, const struct task *t)
{
	struct client *c = &s->cl[t->dev];

	if (t->kind != TASK_CARE && !t->dup && (t->q == NULL || c->attempt == t->q->id))
		c->busy = false;
}

static void
answered(struct sim *s, struct task *t)
{
	struct client *c = &s->cl[t->dev];

	if (t->kind == TASK_SYNC) {
		if (!s->reliable || t->rc != RC_OK || t->ans.n + t->ans.n_deleted + t->ans.n_results > 0)
			tell(s, "%s: %s is answered %s, %zu objects, %zu deletions%s", c->name, folder_name(s, c, t->q->folder), rc_name(t->rc), t->ans.n, t->ans.n_deleted,
			    t->ans.more ? ", more" : "");
		client_answer(s, t->q, t);
		return;
	}
	if (t->kind == TASK_CARE)
		return;
	c->busy = false;
	if (t->kind == TASK_LOGIN && t->rc == RC_OK) {
		memcpy(c->token, t->login.token, sizeof(c->token));
		c->logged_in = true;
		c->window_told = false; /* the server may have forgotten it, or remember what this device, restored, does not */
	}
	if (t->kind == TASK_CONFIG && t->rc == RC_OK)
		c->window_told = true;
	if (t->rc == RC_DENIED)
		c->logged_in = false;
}

static void
task_step(struct sim *s, struct task *t)
{
	s->fig->steps++;
	resume(s, t);
	if (!t->finished)
		return;
	if (!t->dup && (s->reliable || !s->v.faults || !chance(s, 120))) {
		answered(s, t);
	} else {
		s->fig->lost += !t->dup;
		unheard(s, t);
	}
	task_end(s, t);
}

/* ---- nodes ---- */

static const struct engine_options options = {
	.session_lifetime_ms = 30 * DAY, .password_lifetime_ms = 30 * DAY, .fresh_ms = 2000, .overlap_ms = OVERLAP, .reread_max = 0, .listing_interval_ms = LISTING,
	.deletions_kept_ms = RETAIN, .late_max_ms = LATE_MAX, .conflict_keep_ms = 1000 * DAY,
	.past_days = { [CT_CALENDAR] = PAST_DAYS, [CT_TASK] = PAST_DAYS, [CT_MAIL] = PAST_DAYS },
	.future_days = { [CT_CALENDAR] = FUTURE_DAYS, [CT_TASK] = FUTURE_DAYS },
	.max_objects = 65535, .mail_window = 2, .mail_flags_ms = MAIL_FLAGS, .cursor_children = 4, .max_mail_bytes = 1 << 20, .login_attempts = 1000000,
	.journal_keep_ms = DAY, .journal_object_bytes = 1 << 16, .journal_entries = 1000, .guard_create_count = 1000, .guard_create_ms = DAY,
	.guard_delete_share = 100, .guard_delete_min = 1000, .guard_delete_ms = DAY,
};

static void
node_start(struct sim *s, unsigned n)
{
	struct err e;

	if (engine_new(&options, master, store_for(n), NULL, NULL, NULL, &s->node[n].engine, &e) != RC_OK)
		abort();
	s->node[n].dead = false;
}

/* The process dies: what its requests were about to do is not done any more; nobody hears their answers. */
static void
crash(struct sim *s, unsigned n)
{
	tell(s, "node %u is killed", n);
	s->fig->crashes++;
	s->node[n].dead = true;
	for (unsigned i = s->n_task; i-- > 0;) {
		struct task *t = s->task[i];

		if (t->node != n)
			continue;
		resume(s, t);
		if (!t->finished)
			abort();
		unheard(s, t);
		task_end(s, t);
		i = s->n_task < i ? s->n_task : i;
	}
	engine_free(s->node[n].engine);
	node_start(s, n);
}

static void
crash_all(struct sim *s)
{
	for (unsigned n = 0; n < s->v.nodes; n++)
		crash(s, n);
}

/* ---- requests ---- */

static void
pool_add(struct sim *s, struct creq *q)
{
	if (s->n_pool == ARRAY_LEN(s->pool))
		return;
	q->refs++;
	s->pool[s->n_pool++] = q;
	s->fig->dups++;
}

static void
pool_clear(struct sim *s)
{
	while (s->n_pool > 0)
		creq_unref(s->pool[--s->n_pool]);
}

static void
send_request(struct sim *s, struct client *c, int folder, bool perfect)
{
	struct creq *q = NULL;
	enum task_kind kind = !c->logged_in ? TASK_LOGIN : !c->window_told ? TASK_CONFIG : TASK_SYNC;
	int64_t x = rnd(s, 1000);

	if (kind == TASK_SYNC) {
		q = client_request(s, c, folder);
		if (!s->reliable || q->r.n_changes > 0)
			tell(s, "%s: asks for %s (%s, %zu changes)", c->name, folder_name(s, c, folder), q->r.mode == SYNC_INIT ? "init" : q->r.mode == SYNC_RECONCILE ? "reconcile" : "update",
			    q->r.n_changes);
	}
	c->busy = true;
	if (!perfect && s->v.faults && x < 60) { /* lost on its way, or only late */
		if (s->v.dups && q != NULL)
			pool_add(s, q);
		c->busy = false;
		creq_unref(q);
		return;
	}
	if (!perfect && s->v.dups && x > 920 && q != NULL)
		pool_add(s, q);
	if (task_start(s, kind, c->dev, q, false) == NULL)
		c->busy = false;
}

static int
random_folder(struct sim *s, const struct client *c)
{
	int n = 0, found[MAX_FOLDER] = { 0 };

	for (int i = 0; i < c->n_folder; i++)
		if (c->folder[i].used)
			found[n++] = i;
	return found[rnd(s, n)];
}

/* ---- events ---- */

static void
database_back(struct sim *s)
{
	crash_all(s);
	db_free(s->db);
	s->db = s->snap;
	s->snap = NULL;
	/* a stopped daemon has no request waiting; a late copy of a first create would be made again (limit, ARCHITECTURE.md) */
	pool_clear(s);
	for (unsigned i = 0; i < s->v.devs; i++)
		s->cl[i].window_told = false;
	s->fig->rollbacks++;
	tell(s, "the database is set back");
}

static void
restore_device(struct sim *s, struct client *c)
{
	uint64_t n = c->n + 1000, attempt = c->attempt;

	/* what was typed since the backup and not delivered is gone with the device */
	for (int i = 0; i < c->n_obj; i++)
		for (unsigned k = 0; c->obj[i].used && k < sim_nf(c->folder[c->obj[i].folder].ct); k++)
			if (is_typed(sim_fields[c->folder[c->obj[i].folder].ct][k].kind))
				token_gone(s, c->obj[i].cur[k]);
	/* and what it had delivered since it may overwrite with what the backup holds: both are its own, so nobody sees a conflict */
	for (int i = s->backup[c->dev].tokens + 1; i <= s->n_token; i++)
		if (s->typist[i] == (int)c->dev + 1)
			s->gone[i] = true;
	*c = s->backup[c->dev].c;
	c->n = n;
	c->attempt = attempt;
	c->busy = c->window_told = false;
	/* a mail that the backup holds unsent, and a database that does not know either that it was sent since: made again (limit, ARCHITECTURE.md) */
	for (int i = 0; i < c->n_obj && (s->v.dbloss || s->v.rollback); i++)
		c->obj[i].doubt |= c->obj[i].used && c->obj[i].is_new && c->folder[c->obj[i].folder].ct == CT_MAIL;
	s->backup[c->dev].is = false;
	s->fig->restores++;
	tell(s, "%s: is restored from its backup", c->name);
}

static void
disaster(struct sim *s)
{
	struct client *c = &s->cl[rnd(s, s->v.devs)];
	struct task *t = s->n_task > 0 ? s->task[rnd(s, s->n_task)] : NULL;

	s->down = false; /* the last one is over */
	switch (rnd(s, 10)) {
	case 0:
		if (s->v.windows)
			ox_clock(s, (1 + rnd(s, 4)) * DAY);
		break;
	case 1:
		if (s->v.windows && !c->busy) {
			c->days = 5 + rnd(s, 25);
			c->window_told = false;
		}
		break;
	case 2:
		if (s->v.locklost && t != NULL && t->n_locks > 0) {
			t->n_locks = 0;
			s->fig->lock_losses++;
			tell(s, "%s loses its folder lock", s->cl[t->dev].name);
			if (s->v.dups && t->kind == TASK_SYNC && chance(s, 500)) { /* a repetition gets past it just now */
				t->q->refs++;
				tell(s, "%s: the same request for %s arrives again", s->cl[t->dev].name, folder_name(s, &s->cl[t->dev], t->q->folder));
				(void)task_start(s, TASK_SYNC, t->dev, t->q, true);
			}
		}
		break;
	case 3:
		if (s->v.dbloss && chance(s, 200)) {
			crash_all(s);
			db_free(s->db);
			s->db = db_new();
			s->fig->db_losses++;
			tell(s, "the database is lost");
		}
		break;
	case 4:
		if (!s->v.rollback)
			break;
		if (s->snap == NULL) {
			s->snap = db_copy(s->db);
		} else if (chance(s, 500)) {
			database_back(s);
		} else {
			db_free(s->snap);
			s->snap = NULL;
		}
		break;
	case 5:
		if (!s->v.backup || c->busy)
			break;
		if (!s->backup[c->dev].is || chance(s, 500)) {
			s->backup[c->dev].c = *c;
			s->backup[c->dev].is = true;
			s->backup[c->dev].tokens = s->n_token;
		} else {
			restore_device(s, c);
		}
		break;
	case 6:
		if (s->v.redisloss) {
			redis_forget();
			redis_away(chance(s, 300));
			s->fig->cache_losses++;
			tell(s, "Redis has forgotten everything");
		}
		break;
	case 7:
		s->down = s->v.faults;
		break;
	case 8:
		ox_folder_person(s);
		break;
	default:
		(void)task_start(s, TASK_CARE, 0, NULL, true);
		if (chance(s, 150))
			ox_clock(s, s->v.windows ? RETAIN / 2 + 5 * DAY : 3000);
		break;
	}
}

static void
random_event(struct sim *s)
{
	static const msec_t pause[] = { 0, 1, 1, 5, 50, 300, 1000, 2500 };
	struct client *c = &s->cl[rnd(s, s->v.devs)];
	int64_t x = rnd(s, 1000);

	if (x < 620 && s->n_task > 0) { /* requests are long: with one step each time, most of what is typed would wait for the end of the history */
		for (int64_t n = rnd(s, 12); n >= 0 && s->n_task > 0; n--)
			task_step(s, s->task[rnd(s, s->n_task)]);
	} else if (x < 680) {
		ox_person(s);
	} else if (x < 755) {
		s->typing = (int)c->dev + 1;
		client_edit(s, c);
		s->typing = 0;
	} else if (x < 880) {
		if (!c->busy)
			send_request(s, c, random_folder(s, c), false);
	} else if (x < 925) {
		ox_clock(s, pause[rnd(s, (int64_t)ARRAY_LEN(pause))]);
	} else if (x < 935) {
		if (c->logged_in && c->window_told) { /* logins and settings carry no number: a client waits for them */
			c->busy = false; /* it gives up; the request may go on */
			c->attempt++;
		}
	} else if (x < 952) {
		if (s->n_pool > 0) {
			int64_t i = rnd(s, s->n_pool);
			struct creq *q = s->pool[i];

			s->pool[i] = s->pool[--s->n_pool];
			tell(s, "%s: an old request for %s arrives", s->cl[q->dev].name, folder_name(s, &s->cl[q->dev], q->folder));
			(void)task_start(s, TASK_SYNC, q->dev, q, true);
		}
	} else if (x < 960) {
		if (s->v.crash)
			crash(s, (unsigned)rnd(s, s->v.nodes));
	} else if (x < 982) {
		disaster(s);
	}
}

/* ---- quiet ---- */

static void
drain(struct sim *s)
{
	for (int n = 0; s->n_task > 0; n++) {
		if (n > 200000)
			sim_fail(s, "a request does not end");
		task_step(s, s->task[rnd(s, s->n_task)]);
	}
}

static bool
one_round(struct sim *s, struct client *c)
{
	bool busy = false;

	for (int f = 0; f < c->n_folder; f++) {
		struct syncid before = c->folder[f].syncid;
		bool had = c->folder[f].has_syncid;

		if (!c->folder[f].used)
			continue;
		c->busy = false;
		send_request(s, c, f, true);
		drain(s);
		if (s->deaf)
			sim_fail(s, "%s: a ping would have slept through what this sync brought", c->name);
		busy |= !c->logged_in || !c->window_told || !had || c->folder[f].more || memcmp(&before, &c->folder[f].syncid, sizeof(before)) != 0;
	}
	return busy || client_busy(c);
}

static void
quiesce(struct sim *s)
{
	bool listing;

	ox_settle(s);
	s->down = false;
	s->reliable = true;
	redis_away(false);
	drain(s);
	while (s->n_pool > 0) { /* the last stragglers arrive */
		struct creq *q = s->pool[--s->n_pool];

		(void)task_start(s, TASK_SYNC, q->dev, q, true);
		drain(s);
	}
	for (size_t i = 0; i < s->ox.n_obj; i++)
		s->ox.obj[i].poison = false;
	/* what could not be shown, flags of old mails, and what `updates` does not tell are found by the next listing; nothing else may wait for it */
	listing = s->v.poison || s->v.mail || s->v.shares || s->seed % 4 == 0;
	ox_clock(s, listing ? LISTING + DAY : LATE_MAX + OVERLAP);
	for (int round = 0; round < 300; round++) {
		bool busy = false;

		for (unsigned i = 0; i < s->v.devs; i++)
			busy |= one_round(s, &s->cl[i]);
		if (!busy && round > 1)
			return; /* the windows are compared as of now: no midnight in between */
		ox_clock(s, 3000);
	}
	sim_fail(s, "no quiescence");
}

static uint64_t
mix(uint64_t seed, uint64_t i)
{
	uint64_t z = seed * UINT64_C(0xD1342543DE82EF95) + i * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	return z ^ (z >> 31);
}

static void
world_free(struct sim *s)
{
	/* after a failure requests stand still in the middle of something: their memory is left to them */
	for (unsigned n = 0; n < s->v.nodes && s->n_task == 0; n++)
		engine_free(s->node[n].engine);
	pool_clear(s);
	redis_forget();
	redis_away(false);
	db_free(s->snap);
	db_free(s->db);
	mem_free(s);
}

const char *
sim_run(uint64_t seed, const struct variant *v, unsigned events, const unsigned char *skip, bool telling, struct figures *fig)
{
	static char why[sizeof(((struct sim *)0)->why)];
	struct sim *s = mem_alloc(sizeof(*s));
	bool failed = true;

	the_sim = s;
	s->seed = seed;
	s->v = *v;
	s->fig = fig;
	s->tell = telling;
	s->db = db_new();
	s->rnd = mix(seed, UINT64_MAX);
	(void)keyring_add(&s->ring, master);
	sim_fields_init();
	clock_override(world_now);
	clock_override_mono(world_mono);
	random_override(world_random);
	ox_init(s);
	s->skew = chance(s, 500) ? rnd(s, 3001) : rnd(s, 7200001) - 3600000;
	for (unsigned n = 0; n < v->nodes; n++)
		node_start(s, n);
	for (unsigned i = 0; i < v->devs; i++)
		client_init(s, i);
	fig->histories++;
	if (setjmp(s->fail) == 0) {
		for (unsigned i = 0; i < events; i++) {
			s->rnd = mix(seed, i);
			if (skip == NULL || (skip[i / 8] >> (i % 8) & 1) == 0)
				random_event(s);
		}
		quiesce(s);
		world_check(s);
		failed = false;
	}
	memcpy(why, s->why, sizeof(why));
	world_free(s);
	return failed ? why : NULL;
}
