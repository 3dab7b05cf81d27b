/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Between what the status page knows (status.c) and how it looks (status_page.c). */
#ifndef USMD_STATUS_INT_H
#define USMD_STATUS_INT_H

#include "daemon/daemon_int.h"
#include "usmd/store.h"

#define STATUS_SAMPLE_MS 10000
#define STATUS_SAMPLES 1080U /* three hours */
#define STATUS_TROUBLES 64U
#define STATUS_PATHS 20U

/* What was between two looks; rates are a second, times milliseconds, shares of 1; a time is negative where nothing was measured. */
struct status_sample {
	msec_t at;
	double waiting, requests, syncs, failed, refused;
	double half_ms, most_ms;  /* of requests: half, and 95 of 100, are answered within */
	double wake_ms;           /* 95 of 100 wake-ups */
	double ox, ox_failed, ox_ms;
	double pg_ms, cache_hits;
};

struct trouble {
	char event[32];
	int64_t account, device;  /* 0 = none: of the server itself */
	enum log_level level;
	uint64_t count;
	msec_t first, last;
};

/* What the page says beside the ring; strings are borrowed. */
struct status_facts {
	enum httpd_health health;
	const char *why;
	msec_t now, began;
	const char *sources;            /* of engine_sources_metrics */
	const struct store_path *paths; /* NULL = the database does not say */
	size_t n_paths;
	uint64_t sessions, queue;
};

struct status_view {
	const struct status_sample *s; /* oldest first */
	size_t n;
	const struct trouble *t;       /* newest first */
	size_t n_troubles;
	struct status_facts f;
};

/* status_main - what changes of the page, as HTML; status_html - all of it; status_json - the numbers, and status_main for the script. */
void status_main(const struct status_view *v, struct buf *out);
void status_html(const struct status_view *v, struct buf *out);
void status_json(const struct status_view *v, struct buf *out);
/* status_policy - Content-Security-Policy of the page: its own style and script by their hashes, nothing else. */
void status_policy(char *out, size_t size);

#endif
