/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is told without asking, and what that is worth.  A source tells an account's type of object when a look that it caused found
 * something: then polling may be slow there.  It is silent when a poll found something that it should have told and did not: then polling
 * has its normal pace, until it tells again.
 *
 * Not everything is told (recorded from a server): somebody's answer to an invitation names his own calendar alone, so any calendar
 * told in that context excuses; of mail only the INBOX, and no flags; folders of mail and the removal of rights not at all.
 */
#include "engine/watch_int.h"

#include <inttypes.h>

#define COMPLAIN_MS (INT64_C(10) * 60 * 1000)

/* ---- being told ---- */

static enum push_source
push_of(enum event_source source)
{
	return source == SOURCE_UDP ? BY_UDP : BY_HOOK;
}

static void
tell_locked(struct poll *p, struct waited_folder *f, enum event_source source, int64_t now)
{
	if (source == SOURCE_UDP || source == SOURCE_WEBHOOK)
		f->heard[push_of(source)] = now;
	told_locked(p, f, source, now);
}

/* Folders and mail are each user's own. */
static uint64_t
topic_of_user(const struct engine *g, const struct engine_event *ev, const struct waited *w)
{
	const struct account a = { .context = w->context, .user = w->user };

	if (ev->ct == CT_FOLDER)
		return w->hier_topic;
	return ev->folder == NULL ? w->inbox_topic : tag_of_folder(g, &a, CT_MAIL, ev->folder);
}

static void
tell_users_locked(struct engine *g, const struct engine_event *ev, int64_t now)
{
	for (size_t i = 0; i < ev->n_users; i++) {
		struct waited *w = waited_find_locked(g->poll, ev->context, ev->users[i]);
		struct waited_folder *f = w != NULL ? waited_folder_locked(w, topic_of_user(g, ev, w)) : NULL;

		if (f != NULL)
			tell_locked(g->poll, f, ev->source, now);
	}
}

/* One node hears a webhook; who waits at others looks for himself. */
static void
tell_nodes(struct engine *g, const struct engine_event *ev)
{
	for (size_t i = 0; i < ev->n_users; i++) {
		const struct account a = { .context = ev->context, .user = ev->users[i] };

		wake_others(g, tag_of_folder(g, &a, ev->ct, ev->folder));
		if (ev->ct != CT_MAIL)
			break;
	}
}

void
engine_event(struct engine *g, const struct engine_event *ev)
{
	const struct account a = { .context = ev->context };
	struct poll *p = g->poll;
	uint64_t topic = 0;
	int64_t now = steady_ms();

	if (p == NULL)
		return;
	if (ev->ct != CT_FOLDER && ev->ct != CT_MAIL)
		topic = tag_of_folder(g, &a, ev->ct, ev->folder);
	(void)pthread_mutex_lock(&p->lock);
	p->events[ev->source]++;
	p->last[ev->source] = now_ms();
	if (ev->ct == CT_CALENDAR && ev->source != SOURCE_OWN)
		p->heard_calendar[push_of(ev->source)][(uint64_t)ev->context % HEARD_SLOTS] = now;
	if (topic == 0)
		tell_users_locked(g, ev, now);
	else
		for (struct waited_folder *f = waited_by_topic_locked(p, topic); f != NULL; f = f->chain)
			if (f->topic == topic)
				tell_locked(p, f, ev->source, now);
	(void)pthread_mutex_unlock(&p->lock);
	if (ev->source == SOURCE_WEBHOOK && ev->folder != NULL && ev->ct != CT_FOLDER)
		tell_nodes(g, ev);
}

/*
 * What a client wrote is in its account's index, and who waits there sees it by that.  Other readers of a shared folder have an index of their
 * own, so OX is asked for them; and OX's own push will tell of it, too.
 */
void
engine_wrote(struct op *op, uint64_t topic)
{
	const struct account *a = op->s->n->account;
	bool wrote = op->req == NULL || op->req->n_changes > 0;
	struct poll *p = op->g->poll;
	int64_t now = steady_ms();

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	if (wrote) {
		p->events[SOURCE_OWN]++;
		p->last[SOURCE_OWN] = now_ms();
	}
	for (struct waited_folder *f = waited_by_topic_locked(p, topic); f != NULL; f = f->chain) {
		if (f->topic != topic)
			continue;
		if (wrote)
			f->own = now;
		if (f->w->context != a->context || f->w->user != a->user)
			tell_locked(p, f, SOURCE_OWN, now);
		else if (wrote)
			f->w->last[SOURCE_OWN] = now_ms();
	}
	(void)pthread_mutex_unlock(&p->lock);
}

void
engine_changed(struct engine_session *s, enum content ct, const char *folder)
{
	const struct account *a = s->n->account;
	const struct engine_event ev = { .source = SOURCE_OWN, .context = a->context, .ct = ct, .folder = folder };

	engine_event(s->g, &ev);
	wake_others(s->g, tag_of_folder(s->g, a, ct, folder));
}

void
engine_heard(struct engine *g, uint64_t topic)
{
	struct poll *p = g->poll;
	struct waited *w;
	int64_t now = steady_ms();

	(void)hub_wake(g->hub, topic); /* of the account that wrote: its index says it already */
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->events[SOURCE_NODE]++;
	p->last[SOURCE_NODE] = now_ms();
	for (struct waited_folder *f = waited_by_topic_locked(p, topic); f != NULL; f = f->chain)
		if (f->topic == topic)
			tell_locked(p, f, SOURCE_NODE, now);
	/* OX refused the account's session or password there: each node has an OX session of its own, and finds out by using it */
	w = waited_account_locked(p, topic);
	for (struct waited_folder *f = w != NULL ? w->folders : NULL; f != NULL; f = f->next)
		if (f->watches > 0) {
			f->told = true;
			f->by = SOURCE_NODE;
			f->look_at = now;
			waited_plan_locked(p, w);
			break;
		}
	(void)pthread_mutex_unlock(&p->lock);
}

void
engine_missed(struct engine *g)
{
	struct poll *p = g->poll;

	(void)hub_wake_all(g->hub);
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < ACCOUNT_SLOTS; i++)
		for (struct waited *w = p->account[i]; w != NULL; w = w->chain) {
			for (struct waited_folder *f = w->folders; f != NULL; f = f->next)
				f->polled = 0;
			waited_plan_locked(p, w);
		}
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- what a source is worth ---- */

static bool
should_tell(const struct poll *p, const struct waited_folder *f, const struct look *l, enum push_source by)
{
	const struct engine_options *o = &p->g->o;
	bool proved = f->ct < CT_COUNT && f->w->tells[by][f->ct] == TELLS;

	if (by == BY_UDP ? !o->udp : o->webhook[0] == '\0')
		return false;
	switch (f->ct) {
	case CT_CONTACT:
	case CT_TASK:
		return by == BY_UDP;
	case CT_CALENDAR:
		return by == BY_UDP || proved;
	case CT_MAIL: /* needs more at OX than UDP does */
		return proved && l->arrived && f->topic == f->w->inbox_topic;
	default:
		return false;
	}
}

static bool
heard_since(const struct poll *p, const struct waited_folder *f, enum push_source by, int64_t from)
{
	return f->heard[by] >= from ||
	    (f->ct == CT_CALENDAR && p->heard_calendar[by][(uint64_t)f->w->context % HEARD_SLOTS] >= from);
}

static void
prove_locked(struct poll *p, struct waited *w, enum push_source by, enum content ct)
{
	w->tells[by][ct] = TELLS;
	if (!p->silent[by])
		return;
	p->silent[by] = false;
	log_info("push-back", "source=%s context=%" PRId64 " user=%" PRId64 " type=%s text=OX tells of changes again", push_name(by), w->context, w->user,
	    model_content(ct)->name);
}

static void
silent_locked(struct poll *p, struct waited *w, enum push_source by, enum content ct, int64_t now)
{
	if (w->tells[by][ct] == TELLS_NOT)
		return;
	w->tells[by][ct] = TELLS_NOT;
	p->silences[by]++;
	if (p->silent[by] || (p->complained[by] != 0 && now - p->complained[by] < COMPLAIN_MS))
		return;
	p->silent[by] = true;
	p->complained[by] = now;
	log_warn("push-silent", "source=%s context=%" PRId64 " user=%" PRId64 " type=%s text=polling found a change that OX did not tell of.  Such accounts are polled "
	    "at the normal pace; usmctl sources lists them and says what to look for", push_name(by), w->context, w->user,
	    model_content(ct)->name);
}

/* A look at F, polled BEFORE, found what L says; TOLD: somebody had told of it. */
void
source_found_locked(struct poll *p, struct waited_folder *f, const struct look *l, bool told, int64_t before, int64_t now)
{
	int64_t from = before - p->g->o.push_late_ms;

	if (!l->changed || f->ct >= CT_COUNT)
		return;
	if (told && (f->by == SOURCE_UDP || f->by == SOURCE_WEBHOOK))
		prove_locked(p, f->w, push_of(f->by), f->ct);
	if (told)
		return;
	p->events[SOURCE_POLL]++;
	p->last[SOURCE_POLL] = f->w->last[SOURCE_POLL] = now_ms();
	f->suspects = 0;
	for (unsigned by = 0; by < PUSH_SOURCES; by++)
		if (should_tell(p, f, l, (enum push_source)by) && !heard_since(p, f, (enum push_source)by, from))
			f->suspects |= 1U << by;
	f->judge_from = from;
	f->judge_at = f->suspects != 0 ? now + p->g->o.push_late_ms : 0;
}

void
source_judge_locked(struct poll *p, struct waited *w, int64_t now)
{
	for (struct waited_folder *f = w->folders; f != NULL; f = f->next) {
		if (f->judge_at == 0 || f->judge_at > now)
			continue;
		f->judge_at = 0;
		for (unsigned by = 0; by < PUSH_SOURCES; by++)
			if ((f->suspects >> by & 1U) != 0 && !heard_since(p, f, (enum push_source)by, f->judge_from))
				silent_locked(p, w, (enum push_source)by, f->ct, now);
	}
}
