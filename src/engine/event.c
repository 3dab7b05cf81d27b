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
#include <stdio.h>
#include <string.h>

#define COMPLAIN_MS (INT64_C(10) * 60 * 1000)

static const char *const push_names[PUSH_SOURCES] = { [BY_UDP] = "udp", [BY_HOOK] = "webhook" };
static const char *const source_names[SOURCE_COUNT] = { [SOURCE_OWN] = "own", [SOURCE_NODE] = "node", [SOURCE_UDP] = "udp",
	[SOURCE_WEBHOOK] = "webhook", [SOURCE_POLL] = "poll" };

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
	log_info("push-back", "source=%s context=%" PRId64 " user=%" PRId64 " type=%s text=OX tells of changes again", push_names[by], w->context, w->user,
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
	log_warn("push-silent", "source=%s context=%" PRId64 " user=%" PRId64 " type=%s text=polling found a change that OX did not tell of: is its push enabled, and its "
	    "outputQueueDelay shorter than push_late?  Such accounts are polled at the normal pace; usmctl sources lists them", push_names[by], w->context, w->user,
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

/* ---- to be seen ---- */

static void
age(struct buf *b, const char *name, msec_t t, msec_t now)
{
	if (t == 0)
		buf_addf(b, " %s=never", name);
	else
		buf_addf(b, " %s=%" PRId64 "s", name, now > t ? (now - t) / 1000 : 0);
}

static void
account_line(const struct waited *w, struct buf *b)
{
	msec_t now = now_ms();
	size_t clients = 0, folders = 0;

	for (const struct engine_watch *x = w->watches; x != NULL; x = x->next)
		clients++;
	for (const struct waited_folder *f = w->folders; f != NULL; f = f->next)
		folders += f->watches > 0;
	buf_addf(b, "%" PRId64 "/%" PRId64 " clients=%zu folders=%zu poll_every=%" PRId64 "s", w->context, w->user, clients, folders, w->interval / 1000);
	for (int i = 0; i < SOURCE_COUNT; i++)
		age(b, source_names[i], w->last[i], now);
	for (unsigned by = 0; by < PUSH_SOURCES; by++)
		for (int ct = 0; ct < CT_COUNT; ct++)
			if (w->tells[by][ct] != TELLS_UNKNOWN)
				buf_addf(b, " %s:%s=%s", push_names[by], model_content((enum content)ct)->name, w->tells[by][ct] == TELLS ? "tells" : "silent");
	buf_addc(b, '\n');
}

void
engine_sources(struct engine *g, int64_t context, int64_t user, struct buf *out)
{
	struct poll *p = g->poll;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < ACCOUNT_SLOTS && !out->failed; i++)
		for (const struct waited *w = p->account[i]; w != NULL && !out->failed; w = w->chain)
			if (w->watches != NULL && (context == 0 || w->context == context) && (user == 0 || w->user == user))
				account_line(w, out);
	(void)pthread_mutex_unlock(&p->lock);
}

struct census {
	uint64_t n[PUSH_SOURCES][TELLS_NOT + 1];
};

/* By their best word: an account counts as silent where any type of it is. */
static void
count_locked(const struct poll *p, struct census *c)
{
	for (size_t i = 0; i < ACCOUNT_SLOTS; i++)
		for (const struct waited *w = p->account[i]; w != NULL; w = w->chain)
			for (unsigned by = 0; w->watches != NULL && by < PUSH_SOURCES; by++) {
				enum telling most = TELLS_UNKNOWN;

				for (int ct = 0; ct < CT_COUNT; ct++)
					most = w->tells[by][ct] > most ? w->tells[by][ct] : most;
				c->n[by][most]++;
			}
}

void
engine_sources_metrics(struct engine *g, struct buf *out)
{
	static const char *const words[] = { [TELLS_UNKNOWN] = "unknown", [TELLS] = "tells", [TELLS_NOT] = "silent" };
	struct poll *p = g->poll;
	struct census c = { 0 };
	uint64_t events[SOURCE_COUNT], silences[PUSH_SOURCES];
	msec_t last[SOURCE_COUNT];
	size_t waiting;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	count_locked(p, &c);
	memcpy(events, p->events, sizeof(events));
	memcpy(silences, p->silences, sizeof(silences));
	memcpy(last, p->last, sizeof(last));
	waiting = p->n_accounts;
	(void)pthread_mutex_unlock(&p->lock);
	buf_adds(out, "# HELP usmd_source_events_total what told that something changed\n# TYPE usmd_source_events_total counter\n");
	for (int i = 0; i < SOURCE_COUNT; i++)
		buf_addf(out, "usmd_source_events_total{source=\"%s\"} %" PRIu64 "\n", source_names[i], events[i]);
	buf_adds(out, "# HELP usmd_source_last_event_seconds when it did last, 0 = never\n# TYPE usmd_source_last_event_seconds gauge\n");
	for (int i = 0; i < SOURCE_COUNT; i++)
		buf_addf(out, "usmd_source_last_event_seconds{source=\"%s\"} %" PRId64 "\n", source_names[i], last[i] / 1000);
	buf_addf(out, "# HELP usmd_waiting_accounts accounts that clients wait for\n# TYPE usmd_waiting_accounts gauge\nusmd_waiting_accounts %zu\n", waiting);
	buf_adds(out, "# HELP usmd_push_accounts of these, by what is known of OX's push for them\n# TYPE usmd_push_accounts gauge\n");
	for (unsigned by = 0; by < PUSH_SOURCES; by++)
		for (int k = 0; k <= TELLS_NOT; k++)
			buf_addf(out, "usmd_push_accounts{source=\"%s\",state=\"%s\"} %" PRIu64 "\n", push_names[by], words[k], c.n[by][k]);
	buf_adds(out, "# HELP usmd_push_silent_total times that a poll found what a source should have told\n# TYPE usmd_push_silent_total counter\n");
	for (unsigned by = 0; by < PUSH_SOURCES; by++)
		buf_addf(out, "usmd_push_silent_total{source=\"%s\"} %" PRIu64 "\n", push_names[by], silences[by]);
}
