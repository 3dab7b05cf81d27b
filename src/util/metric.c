/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What /metrics tells: plain numbers in a fixed table, and families whose series (one a combination of labels) appear when they are
 * first counted.  Counting takes no lock; a new series does, once.
 */
#include "usmd/util.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SERIES 2048U /* a power of two; commands, statuses and modules are some hundred */
#define LABEL 32

static atomic_llong counters[M_COUNT];

static const struct {
	const char *name, *help;
} metrics[M_COUNT] = {
	[M_FLOOD_SLOWED] = { "usmd_flood_slowed_total", "requests that were slowed down because their device makes too many" },
	[M_FLOOD_REFUSED] = { "usmd_flood_refused_total", "requests that were refused because their device makes too many" },
	[M_UNCHANGED_FAST] = { "usmd_unchanged_fast_total", "syncUpdate requests answered from the cache alone" },
	[M_OX_REQUESTS] = { "usmd_ox_requests_total", "HTTP requests sent to the OX server" },
	[M_OX_ERRORS] = { "usmd_ox_errors_total", "OX requests that failed in transport or with an error envelope" },
	[M_OX_RETRIES] = { "usmd_ox_retries_total", "OX requests repeated where a repeat is known to help" },
	[M_OX_LOGINS] = { "usmd_ox_logins_total", "logins at the OX server" },
	[M_PG_STATEMENTS] = { "usmd_pg_statements_total", "PostgreSQL statements executed" },
	[M_PG_RETRIES] = { "usmd_pg_retries_total", "transactions repeated after a serialization failure" },
	[M_PG_RECONNECTS] = { "usmd_pg_reconnects_total", "PostgreSQL connections opened again" },
	[M_NOTIFIED] = { "usmd_pg_notifies_total", "notifications sent to other nodes through PostgreSQL, because Redis does not reach them" },
	[M_CACHE_HITS] = { "usmd_cache_hits_total", "cache look-ups answered" },
	[M_CACHE_MISSES] = { "usmd_cache_misses_total", "cache look-ups without a value" },
	[M_CACHE_ERRORS] = { "usmd_cache_errors_total", "cache operations that failed" },
	[M_RESYNC_FIRST] = { "usmd_first_fills_total", "first fills begun of folders that were new to the device" },
	[M_RESYNC_AGAIN] = { "usmd_first_fills_again_total", "first fills begun of folders that the device had before" },
	[M_RESYNC_OLD_SYNCID] = { "usmd_syncids_refused_old_total", "reconciles asked for: the client named a state older than those kept (a restored client)" },
	[M_RESYNC_NO_STATE] = { "usmd_syncids_refused_no_state_total", "reconciles asked for: nothing is known of the device (a lost database, an expired or renamed device)" },
	[M_RESYNC_NEW_INDEX] = { "usmd_syncids_refused_new_index_total", "reconciles asked for: the folder's index was made anew (UIDVALIDITY, a replaced folder)" },
	[M_RECONCILES] = { "usmd_reconciles_total", "reconciles completed" },
	[M_RECONCILE_OBJECTS] = { "usmd_reconcile_objects_total", "objects and deletions that reconciles sent" },
	[M_RESYNC_DEFERRED] = { "usmd_resyncs_deferred_total", "first fills and reconciles of large folders put off with status busy" },
	[M_RESYNC_RUNNING] = { "usmd_resyncs", "places of resync_budget that are taken now" },
	[M_OBJECTS_OUT] = { "usmd_objects_sent_total", "objects sent to clients" },
	[M_OBJECTS_IN] = { "usmd_objects_received_total", "object changes received from clients" },
	[M_CONFLICTS] = { "usmd_conflicts_total", "conflict records written" },
	[M_WAKEUPS] = { "usmd_wakeups_total", "folder-changed events delivered to waiters" },
	[M_WAITERS] = { "usmd_waiters", "clients parked in ping or events now" },
	[M_WAITS_GONE] = { "usmd_waits_gone_total", "waits that ended because the client hung up" },
	[M_WAITS_REPLACED] = { "usmd_waits_replaced_total", "waits that ended because the same device began a newer one" },
	[M_STREAMS] = { "usmd_streams", "event streams open now" },
	[M_SESSIONS] = { "usmd_sessions", "client sessions known to this node now" },
	[M_UDP_PACKETS] = { "usmd_udp_packets_total", "events that OX nodes sent by UDP" },
	[M_UDP_STRANGERS] = { "usmd_udp_strangers_total", "datagrams thrown away because udp_nodes does not name their sender" },
	[M_UDP_MALFORMED] = { "usmd_udp_malformed_total", "datagrams of OX nodes that are no events" },
	[M_UDP_REGISTRATIONS] = { "usmd_udp_registrations_total", "registrations sent to OX nodes" },
	[M_HOOK_TAKEN] = { "usmd_webhooks_total", "webhook posts of OX taken" },
	[M_HOOK_UNSIGNED] = { "usmd_webhooks_unsigned_total", "webhook posts refused: no signature, or a wrong one" },
	[M_CONNECTIONS_REFUSED] = { "usmd_connections_refused_total", "connections closed at once: max_connections_per_address" },
	[M_CONNECTIONS_SLOW] = { "usmd_connections_slow_total", "connections cut off because a request or its answer took too long" },
	[M_CONNECTIONS_IDLE] = { "usmd_connections_idle_total", "connections closed because their client sent or took nothing for client_timeout" },
	[M_HTTP_MALFORMED] = { "usmd_http_malformed_total", "requests refused because they are no HTTP, or their head is larger than connection_memory" },
	[M_LOGINS_FAILED] = { "usmd_logins_failed_total", "logins that OX refused" },
	[M_ORIGIN_REFUSED] = { "usmd_foreign_origin_total", "requests with the session cookie refused because a page of another site sent them" },
	[M_HOOK_STALE] = { "usmd_webhooks_stale_total", "webhook posts refused: the time of the signature is outside of webhook_window" },
	[M_HOOK_REPLAYED] = { "usmd_webhooks_replayed_total", "webhook posts that had been taken before" },
	[M_HOOK_MALFORMED] = { "usmd_webhooks_malformed_total", "webhook posts rightly signed that are nothing OX posts" },
	[M_HOOK_FULL] = { "usmd_webhooks_full_total", "webhook posts put off: too many within webhook_window" },
	[M_POLLS] = { "usmd_polls_total", "looks into an account of OX for which clients wait" },
	[M_POLL_ERRORS] = { "usmd_poll_errors_total", "looks that failed" },
	[M_UNTOLD] = { "usmd_untold_changes_total", "folders in which something had changed without any node having told (ping_compare_interval)" },
	[M_LOG_LOST] = { "usmd_log_lines_lost_total", "log lines that could not be written" },
	[M_POLL_DEFERRED] = { "usmd_polls_deferred_total", "looks that had to wait for ping_poll_budget" },
};

static const struct {
	const char *name, *label[2], *help; /* label[1] NULL: there is one only */
	bool timed;                         /* a histogram of seconds, else a counter */
} families[F_COUNT] = {
	[F_REQUESTS] = { "usmd_requests_total", { "command", "status" }, "client requests answered, by command and HTTP status", false },
	[F_REQUEST_ERRORS] = { "usmd_request_errors_total", { "code", NULL }, "error answers of usm-json, by their code", false },
	[F_REFUSED] = { "usmd_requests_refused_total", { "reason", NULL }, "requests refused or put off to protect the server or OX, by reason", false },
	[F_OX_CALLS] = { "usmd_ox_calls_total", { "module", "result" }, "calls of OX's interface, by module and what came of them", false },
	[F_PG_ERRORS] = { "usmd_pg_errors_total", { "kind", NULL }, "PostgreSQL statements and connections that failed, by kind", false },
	[F_ASIDE] = { "usmd_set_aside_total", { "reason", NULL }, "objects set aside because OX cannot show them or a device cannot take them", false },
	[F_SELF_TEST_FAILED] = { "usmd_self_test_failures_total", { "path", NULL }, "changes of the self-test that did not arrive, by path", false },
	[F_SELF_TEST_TIME] = { "usmd_self_test_seconds", { "path", NULL }, "from telling a change of the self-test to hearing it", true },
	[F_REQUEST_TIME] = { "usmd_request_seconds", { "command", NULL }, "work on a client request, without waiting for changes and for a worker", true },
	[F_QUEUE_TIME] = { "usmd_queue_seconds", { NULL, NULL }, "time that a request waited for a worker", true },
	[F_WAKEUP_TIME] = { "usmd_wakeup_seconds", { NULL, NULL }, "from the wake-up of a waiting client to its answer", true },
	[F_OX_TIME] = { "usmd_ox_call_seconds", { "module", NULL }, "one call of OX's interface", true },
	[F_PG_TIME] = { "usmd_pg_statement_seconds", { NULL, NULL }, "one statement of PostgreSQL", true },
	[F_PG_LEASE_TIME] = { "usmd_pg_lease_seconds", { NULL, NULL }, "waiting for a connection of pg_pool", true },
	[F_PG_LOCK_TIME] = { "usmd_pg_lock_seconds", { NULL, NULL }, "waiting for the lock of a folder", true },
	[F_CACHE_TIME] = { "usmd_cache_seconds", { NULL, NULL }, "one exchange with Redis", true },
};

const int64_t metric_bound_us[METRIC_BOUNDS] = { 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000,
	10000000, 30000000, 100000000 };

struct series {
	atomic_int family;        /* 0 = free, else the family + 1: stored last, then nothing but the numbers changes */
	char label[2][LABEL];
	atomic_llong count, sum_us, bucket[METRIC_BOUNDS + 1];
};

static struct series table[SERIES];
static unsigned taken;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

void
metric_add(enum metric m, int64_t v)
{
	atomic_fetch_add_explicit(&counters[m], v, memory_order_relaxed);
}

int64_t
metric_get(enum metric m)
{
	return atomic_load_explicit(&counters[m], memory_order_relaxed);
}

const char *
metric_name(enum metric m)
{
	return metrics[m].name;
}

const char *
metric_help(enum metric m)
{
	return metrics[m].help;
}

/* ---- series ---- */

/* What stands between quotes in the text format: nothing that would end them, whoever says it. */
static void
label_set(char out[LABEL], const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0' && i + 1 < LABEL; i++)
		out[i] = (char)(text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\' ? text[i] : '_');
	out[i] = '\0';
}

static unsigned
hash_of(enum metric_family f, char label[2][LABEL])
{
	uint32_t h = 2166136261U ^ (uint32_t)f;

	for (size_t l = 0; l < 2; l++)
		for (const char *p = label[l]; ; p++) {
			h = (h ^ (unsigned char)*p) * 16777619U;
			if (*p == '\0')
				break;
		}
	return h;
}

static bool
is_it(const struct series *s, int family, char label[2][LABEL])
{
	return atomic_load_explicit(&s->family, memory_order_acquire) == family && strcmp(s->label[0], label[0]) == 0 && strcmp(s->label[1], label[1]) == 0;
}

/* The series, made where MAKE says so; NULL = there is none, and no room. */
static struct series *
probe(enum metric_family f, char label[2][LABEL], bool make)
{
	unsigned at = hash_of(f, label);

	for (unsigned i = 0; i < SERIES; i++) {
		struct series *s = &table[(at + i) % SERIES];

		if (is_it(s, (int)f + 1, label))
			return s;
		if (atomic_load_explicit(&s->family, memory_order_acquire) != 0)
			continue;
		if (!make || taken == SERIES / 2) /* half empty, so that a look-up ends soon */
			return NULL;
		memcpy(s->label, label, sizeof(s->label));
		taken++;
		atomic_store_explicit(&s->family, (int)f + 1, memory_order_release);
		return s;
	}
	return NULL;
}

static struct series *
series_get(enum metric_family f, const char *a, const char *b)
{
	char label[2][LABEL] = { "", "" };
	struct series *s;

	label_set(label[0], a != NULL ? a : "");
	label_set(label[1], b != NULL ? b : "");
	s = probe(f, label, false);
	if (s != NULL)
		return s;
	(void)pthread_mutex_lock(&table_lock);
	s = probe(f, label, true);
	(void)pthread_mutex_unlock(&table_lock);
	return s;
}

void
metric_count(enum metric_family f, const char *a, const char *b)
{
	struct series *s = series_get(f, a, b);

	if (s != NULL)
		atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
}

void
metric_time(enum metric_family f, const char *a, int64_t us)
{
	struct series *s = series_get(f, a, NULL);
	size_t i = 0;

	if (s == NULL)
		return;
	while (i < METRIC_BOUNDS && us > metric_bound_us[i])
		i++;
	atomic_fetch_add_explicit(&s->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->sum_us, us, memory_order_relaxed);
}

void
metric_each(enum metric_family f, void (*fn)(void *arg, const struct metric_series *s), void *arg)
{
	for (unsigned i = 0; i < SERIES; i++) {
		struct series *s = &table[i];
		struct metric_series out = { .label = { s->label[0], s->label[1] } };

		if (atomic_load_explicit(&s->family, memory_order_acquire) != (int)f + 1)
			continue;
		for (size_t k = 0; k <= METRIC_BOUNDS; k++)
			out.count += out.bucket[k] = atomic_load_explicit(&s->bucket[k], memory_order_relaxed);
		out.count += atomic_load_explicit(&s->count, memory_order_relaxed);
		out.sum_us = atomic_load_explicit(&s->sum_us, memory_order_relaxed);
		fn(arg, &out);
	}
}

/* ---- the text format of Prometheus ---- */

struct text {
	struct buf *b;
	enum metric_family f;
};

static void
labels(const struct text *t, const struct metric_series *s, const char *more)
{
	const char *sep = "{";

	for (size_t l = 0; l < 2; l++)
		if (families[t->f].label[l] != NULL) {
			buf_addf(t->b, "%s%s=\"%s\"", sep, families[t->f].label[l], s->label[l]);
			sep = ",";
		}
	if (more != NULL)
		buf_addf(t->b, "%sle=\"%s\"", sep, more);
	if (more != NULL || sep[0] == ',')
		buf_addc(t->b, '}');
}

static void
line(const struct text *t, const struct metric_series *s, const char *suffix, const char *le, int64_t v)
{
	buf_addf(t->b, "%s%s", families[t->f].name, suffix);
	labels(t, s, le);
	buf_addf(t->b, " %" PRId64 "\n", v);
}

static void
write_series(void *arg, const struct metric_series *s)
{
	const struct text *t = arg;
	int64_t n = 0;
	char le[24];

	if (!families[t->f].timed) {
		line(t, s, "", NULL, s->count);
		return;
	}
	for (size_t i = 0; i < METRIC_BOUNDS; i++) {
		n += s->bucket[i];
		(void)snprintf(le, sizeof(le), "%g", (double)metric_bound_us[i] / 1e6);
		line(t, s, "_bucket", le, n);
	}
	line(t, s, "_bucket", "+Inf", s->count);
	buf_addf(t->b, "%s_sum", families[t->f].name);
	labels(t, s, NULL);
	buf_addf(t->b, " %.6f\n", (double)s->sum_us / 1e6);
	line(t, s, "_count", NULL, s->count);
}

void
metrics_format(struct buf *out)
{
	for (unsigned i = 0; i < M_COUNT; i++) {
		size_t n = strlen(metrics[i].name);
		bool counter = n > 6 && strcmp(metrics[i].name + n - 6, "_total") == 0;

		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRId64 "\n", metrics[i].name, metrics[i].help, metrics[i].name,
		    counter ? "counter" : "gauge", metrics[i].name, metric_get((enum metric)i));
	}
	for (int f = 0; f < F_COUNT; f++) {
		struct text t = { out, (enum metric_family)f };

		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", families[f].name, families[f].help, families[f].name, families[f].timed ? "histogram" : "counter");
		metric_each(t.f, write_series, &t);
	}
}
