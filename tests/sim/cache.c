/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* include/usmd/cache.h and hub.h in memory: one Redis for all nodes, which may forget everything or be away, and a hub that only notes. */
#include "fakes.h"

#include <stdlib.h>
#include <string.h>

struct entry { char *key, *p; size_t len; msec_t until; };
static struct entry *entries;
static size_t n_entries, cap_entries;
static bool redis_down;

void
redis_forget(void)
{
	for (size_t i = 0; i < n_entries; i++) {
		mem_free(entries[i].key);
		mem_free(entries[i].p);
	}
	mem_free(entries);
	entries = NULL;
	n_entries = cap_entries = 0;
}

void
redis_away(bool away)
{
	redis_down = away;
}

static struct entry *
entry_of(const char *key)
{
	for (size_t i = 0; i < n_entries; i++)
		if (strcmp(entries[i].key, key) == 0)
			return &entries[i];
	return NULL;
}

static bool
reachable(void)
{
	return io_step(the_sim) && !redis_down;
}

void
cache_mget(struct cache *c, const char *const *keys, size_t n, struct cache_value *out)
{
	bool ok = reachable();

	(void)c;
	for (size_t i = 0; i < n; i++) {
		const struct entry *x = ok ? entry_of(keys[i]) : NULL;

		out[i] = (struct cache_value){ 0 };
		if (x == NULL || x->until < now_ms())
			continue;
		out[i].p = mem_alloc(x->len + 1);
		memcpy(out[i].p, x->p, x->len);
		out[i].len = x->len;
	}
}

void
cache_values_free(struct cache_value *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(v[i].p);
}

void
cache_set_many(struct cache *c, const struct cache_pair *pairs, size_t n)
{
	bool ok = reachable();

	(void)c;
	for (size_t i = 0; ok && i < n; i++) {
		struct entry *x = entry_of(pairs[i].key);

		if (pairs[i].ttl_s == 0)
			continue;
		if (x == NULL) {
			if (n_entries == cap_entries) {
				cap_entries = cap_entries == 0 ? 64 : 2 * cap_entries;
				entries = mem_realloc(entries, cap_entries * sizeof(*entries));
			}
			x = &entries[n_entries++];
			*x = (struct entry){ .key = mem_dup_str(pairs[i].key) };
		}
		mem_free(x->p);
		x->p = mem_alloc(pairs[i].len + 1);
		memcpy(x->p, pairs[i].p, pairs[i].len);
		x->len = pairs[i].len;
		x->until = now_ms() + (msec_t)pairs[i].ttl_s * 1000;
	}
}

void
cache_del(struct cache *c, const char *const *keys, size_t n)
{
	bool ok = reachable();

	(void)c;
	for (size_t i = 0; ok && i < n; i++) {
		struct entry *x = entry_of(keys[i]);

		if (x != NULL)
			x->until = 0;
	}
}

bool cache_publish(struct cache *c, uint64_t topic) { (void)c; (void)topic; return !redis_down; }
bool cache_ok(struct cache *c) { (void)c; return !redis_down; }

/* ---- hub: nobody waits in this world; a look at the end asks whether a wait would have been answered ---- */

struct hub_waiter { int unused; };

enum rc
hub_subscribe(struct hub *h, const uint64_t *topics, size_t n, struct hub_waiter **out)
{
	(void)h;
	(void)topics;
	(void)n;
	*out = mem_alloc(sizeof(**out));
	return *out != NULL ? RC_OK : RC_NOMEM;
}

void hub_waiter_free(struct hub_waiter *w) { mem_free(w); }
bool cache_claim(struct cache *c, uint64_t name, uint64_t ticket) { (void)c; (void)name; (void)ticket; return !redis_down; }
bool hub_claim(struct hub_waiter *w, uint64_t name, uint64_t ticket) { (void)w; (void)name; (void)ticket; return true; }
void hub_replace(struct hub *h, uint64_t name, uint64_t ticket) { (void)h; (void)name; (void)ticket; }
uint64_t hub_ticket(void) { return 1; }
size_t hub_wake(struct hub *h, uint64_t topic) { (void)h; (void)topic; return 0; }
size_t hub_wake_all(struct hub *h) { (void)h; return 0; }
