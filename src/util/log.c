/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clock, structured log lines and the counters of /metrics. */
#include "usmd/util.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static msec_t (*clock_fn)(void);
static int64_t (*mono_fn)(void);
static atomic_int level_now = LOG_LVL_INFO;
static bool with_prefix;
static _Thread_local struct log_ctx ctx_of_thread;
static atomic_llong counters[M_COUNT];

msec_t
now_ms(void)
{
	struct timespec ts;

	if (clock_fn != NULL)
		return clock_fn();
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (msec_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
now_mono_us(void)
{
	struct timespec ts;

	if (mono_fn != NULL)
		return mono_fn();
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

msec_t
steady_ms(void)
{
	return clock_fn != NULL ? clock_fn() : now_mono_us() / 1000;
}

void
clock_override(msec_t (*fn)(void))
{
	clock_fn = fn;
}

void
clock_override_mono(int64_t (*fn)(void))
{
	mono_fn = fn;
}

void
log_setup(enum log_level level, bool systemd_prefix)
{
	atomic_store(&level_now, (int)level);
	with_prefix = systemd_prefix;
}

void
log_level_set(enum log_level level)
{
	atomic_store(&level_now, (int)level);
}

enum log_level
log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

struct log_ctx *
log_ctx(void)
{
	return &ctx_of_thread;
}

/* A log line is one write(2), so that lines of several threads never mix. */
void
log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	static const char prio[] = "3467"; /* sd-daemon(3): <N> sets the journal priority */
	const struct log_ctx *c = &ctx_of_thread;
	char line[1024];
	struct buf b;
	struct timespec ts;
	struct tm tm;
	va_list ap;
	int n;

	if ((int)level > atomic_load_explicit(&level_now, memory_order_relaxed))
		return;
	buf_init(&b, 4096);
	if (with_prefix) {
		buf_addf(&b, "<%c>", prio[level]);
	} else {
		(void)clock_gettime(CLOCK_REALTIME, &ts);
		(void)gmtime_r(&ts.tv_sec, &tm);
		buf_addf(&b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		    tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
	}
	buf_addf(&b, "level=%s event=%s", names[level], event);
	if (c->req != 0)
		buf_addf(&b, " req=%llu", (unsigned long long)c->req);
	if (c->account != 0)
		buf_addf(&b, " account=%lld", (long long)c->account);
	if (c->device != 0)
		buf_addf(&b, " device=%lld", (long long)c->device);
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0) {
		buf_addc(&b, ' ');
		/* upstream texts may hold control characters: they must not forge a second line */
		for (char *p = line; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = ' ';
		buf_adds(&b, line);
	}
	buf_addc(&b, '\n');
	if (!b.failed && write(STDERR_FILENO, b.p, b.len) < 0) {
		/* nowhere left to complain */
	}
	buf_fini(&b);
}

static const struct {
	const char *name, *help;
} metrics[M_COUNT] = {
	[M_REQUESTS] = { "usmd_requests_total", "client requests answered" },
	[M_REQUEST_ERRORS] = { "usmd_request_errors_total", "client requests answered with an error status" },
	[M_REQUEST_US] = { "usmd_request_microseconds_total", "time spent on client requests, parked time excluded" },
	[M_FLOOD_SLOWED] = { "usmd_flood_slowed_total", "requests that were slowed down because their device makes too many" },
	[M_FLOOD_REFUSED] = { "usmd_flood_refused_total", "requests that were refused because their device makes too many" },
	[M_CONNECTIONS_REFUSED] = { "usmd_connections_refused_total", "connections closed at once: max_connections_per_address" },
	[M_CONNECTIONS_SLOW] = { "usmd_connections_slow_total", "connections cut off because a request or its answer took too long" },
	[M_LOGINS_FAILED] = { "usmd_logins_failed_total", "logins that OX refused" },
	[M_LOGINS_REFUSED] = { "usmd_logins_refused_total", "logins refused without asking OX: too many had failed" },
	[M_ORIGIN_REFUSED] = { "usmd_foreign_origin_total", "requests with the session cookie refused because a page of another site sent them" },
	[M_UNCHANGED_FAST] = { "usmd_unchanged_fast_total", "syncUpdate requests answered from the cache alone" },
	[M_OX_REQUESTS] = { "usmd_ox_requests_total", "HTTP requests sent to the OX server" },
	[M_OX_ERRORS] = { "usmd_ox_errors_total", "OX requests that failed in transport or with an error envelope" },
	[M_OX_RETRIES] = { "usmd_ox_retries_total", "OX requests repeated where a repeat is known to help" },
	[M_OX_LOGINS] = { "usmd_ox_logins_total", "logins at the OX server" },
	[M_OX_US] = { "usmd_ox_microseconds_total", "time spent waiting for the OX server" },
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
	[M_HOOK_STALE] = { "usmd_webhooks_stale_total", "webhook posts refused: the time of the signature is outside of webhook_window" },
	[M_HOOK_REPLAYED] = { "usmd_webhooks_replayed_total", "webhook posts that had been taken before" },
	[M_HOOK_MALFORMED] = { "usmd_webhooks_malformed_total", "webhook posts rightly signed that are nothing OX posts" },
	[M_HOOK_FULL] = { "usmd_webhooks_full_total", "webhook posts put off: too many within webhook_window" },
	[M_POLLS] = { "usmd_polls_total", "looks into an account of OX for which clients wait" },
	[M_POLL_ERRORS] = { "usmd_poll_errors_total", "looks that failed" },
	[M_POLL_DEFERRED] = { "usmd_polls_deferred_total", "looks that had to wait for ping_poll_budget" },
	[M_UNTOLD] = { "usmd_untold_changes_total", "folders in which something had changed without any node having told (ping_compare_interval)" },
};

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
