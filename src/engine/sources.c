/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is known of the sources (event.c), for people and for Prometheus: who tells of which account, and what to do about a push that does not. */
#include "engine/watch_int.h"

#include <inttypes.h>
#include <string.h>

static const char *const push_names[PUSH_SOURCES] = { [BY_UDP] = "udp", [BY_HOOK] = "webhook" };
static const char *const source_names[SOURCE_COUNT] = { [SOURCE_OWN] = "own", [SOURCE_NODE] = "node", [SOURCE_UDP] = "udp",
	[SOURCE_WEBHOOK] = "webhook", [SOURCE_POLL] = "poll" };

const char *
push_name(enum push_source by)
{
	return push_names[by];
}

/* ---- counted ---- */

struct census {
	uint64_t n[PUSH_SOURCES][TELLS_NOT + 1];
	bool silent[PUSH_SOURCES]; /* or it was when somebody waited, and has not told since */
};

/* By their best word: an account counts as silent where any type of it is. */
static void
count_locked(const struct poll *p, struct census *c)
{
	memcpy(c->silent, p->silent, sizeof(c->silent));
	for (size_t i = 0; i < ACCOUNT_SLOTS; i++)
		for (const struct waited *w = p->account[i]; w != NULL; w = w->chain)
			for (unsigned by = 0; w->watches != NULL && by < PUSH_SOURCES; by++) {
				enum telling most = TELLS_UNKNOWN;

				for (int ct = 0; ct < CT_COUNT; ct++)
					most = w->tells[by][ct] > most ? w->tells[by][ct] : most;
				c->n[by][most]++;
				c->silent[by] = c->silent[by] || most == TELLS_NOT;
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

/* ---- in words ---- */

/* What an administrator has to look for, by what has come since the start and by whether changes were not told; NULL = nothing is wrong. */
static const char *
udp_advice(bool silent)
{
	if (metric_get(M_UDP_PACKETS) > 0)
		return silent ? "some changes are not told: is each node of OX in udp_nodes, with eventDistributionEnabled=true and an outputQueueDelay "
		    "(best: 0) shorter than push_late?" : NULL;
	if (metric_get(M_UDP_STRANGERS) > 0)
		return "all packets came from addresses that udp_nodes does not name, and were thrown away; the log names one (event=udp-push)";
	if (metric_get(M_UDP_MALFORMED) > 0)
		return "what the nodes of OX send are no events: is the port in udp_nodes their registerPort?";
	if (silent)
		return "OX tells nothing: its push-udp.properties need pushEnabled=true, eventDistributionEnabled=true and "
		       "registerDistributionEnabled=false; its registerPort has to be reached from here, and udp_listen (or udp_advertise) from there";
	return "nothing has come yet, which is right while nothing changes in OX";
}

/* Anybody may post without a signature, so that counts only where nothing else has come. */
static const char *
hook_advice(bool silent)
{
	if (metric_get(M_HOOK_TAKEN) > 0)
		return silent ? "some changes are not told: OX's log says whether it posts, and where to" : NULL;
	if (metric_get(M_HOOK_STALE) > 0)
		return "posts were of another time: the clocks of OX and of this machine differ by more than webhook_window";
	if (metric_get(M_HOOK_UNSIGNED) > 0)
		return "no post was rightly signed: webhook_secret_file has to be signatureSecret in OX's webhooks.yml, webhook_header its signatureHeaderName";
	return silent ? "OX posts nothing: is the webhook in its webhooks.yml and in enabledIds, and does its uri lead here?" :
	    "nothing has come yet, which is right while no appointment changes in OX and no mail arrives";
}

static void
push_line(struct buf *b, enum push_source by, const struct census *c)
{
	const uint64_t *n = c->n[by];
	const char *advice = by == BY_UDP ? udp_advice(c->silent[by]) : hook_advice(c->silent[by]);

	buf_addf(b, "%s: ", push_names[by]);
	if (by == BY_UDP)
		buf_addf(b, "registrations=%" PRId64 " packets=%" PRId64 " strangers=%" PRId64 " malformed=%" PRId64,
		    metric_get(M_UDP_REGISTRATIONS), metric_get(M_UDP_PACKETS), metric_get(M_UDP_STRANGERS), metric_get(M_UDP_MALFORMED));
	else
		buf_addf(b, "posts=%" PRId64 " unsigned=%" PRId64 " stale=%" PRId64 " malformed=%" PRId64,
		    metric_get(M_HOOK_TAKEN), metric_get(M_HOOK_UNSIGNED), metric_get(M_HOOK_STALE), metric_get(M_HOOK_MALFORMED));
	buf_addf(b, " accounts_told=%" PRIu64 " accounts_silent=%" PRIu64, n[TELLS], n[TELLS_NOT]);
	if (advice != NULL)
		buf_addf(b, "\n  %s; see usmd(8), PUSH OF OX", advice);
	buf_addc(b, '\n');
}

/* ---- by account ---- */

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
	struct census c = { 0 };
	size_t before = out->len;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < ACCOUNT_SLOTS && !out->failed; i++)
		for (const struct waited *w = p->account[i]; w != NULL && !out->failed; w = w->chain)
			if (w->watches != NULL && (context == 0 || w->context == context) && (user == 0 || w->user == user))
				account_line(w, out);
	count_locked(p, &c);
	(void)pthread_mutex_unlock(&p->lock);
	if (out->len == before)
		buf_adds(out, user == 0 ? "Nobody waits at this node.\n" : "No client of this user waits at this node.\n");
	if (g->o.udp)
		push_line(out, BY_UDP, &c);
	if (g->o.webhook[0] != '\0')
		push_line(out, BY_HOOK, &c);
}
