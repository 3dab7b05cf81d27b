/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* See path.h: the observations, when they agree, and when they are contradicted.  Bounded, in memory; what it says is kept by path_care.c. */
#include "engine/path.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define WAYS 4                       /* networks whose hashes meet share so many places */
#define SETS (PATHS_KEPT / WAYS)
#define CUTS 8                       /* the last deaths of a path */
#define AGREE 4                      /* so many of them alike make a limit: three of eight at random are alike too often */
#define CUT_MEMORY_MS (INT64_C(24) * 3600 * 1000)
#define ANSWERED 8                   /* answers whose arrival is not known yet */
#define CONFIRM_MS 5000              /* who had the answer waits again at once */
#define LOST_MS (3 * 60 * 1000)      /* who comes back later, but within this, did not have it; later than this nobody knows */

struct path {
	unsigned char net[16]; /* zero bits behind the network's; IPv4 as ::ffff:a.b.c.0 */
	msec_t used;           /* 0 = a free place */
	struct { unsigned s; msec_t at; } cuts[CUTS];
	unsigned next_cut;
	struct { int64_t device; unsigned s; msec_t at; } answered[ANSWERED];
	unsigned next_answered;
	unsigned cut_s, safe_s, seen; /* safe_s 0 = no limit */
	msec_t since, last;
	bool changed;
};

struct paths {
	struct path_options o;
	pthread_mutex_t lock;
	struct path at[SETS][WAYS];
};

struct paths *
paths_new(const struct path_options *o)
{
	struct paths *p = mem_alloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->o = *o;
	(void)pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
paths_free(struct paths *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

/* ---- networks ---- */

static bool
net_of(const char *ip, unsigned char out[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(out, mapped, 12);
	if (inet_pton(AF_INET, ip, out + 12) == 1) {
		out[15] = 0;
		return true;
	}
	if (inet_pton(AF_INET6, ip, out) != 1)
		return false;
	memset(out + 6, 0, 10);
	return true;
}

static bool
net_is_v4(const unsigned char net[16])
{
	return net[10] == 0xff;
}

static void
net_format(const unsigned char net[16], char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool v4 = net_is_v4(net);

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? net + 12 : net, text, sizeof(text));
	(void)snprintf(out, size, "%s/%d", text, v4 ? 24 : 48);
}

static bool
net_parse(const char *text, unsigned char out[16])
{
	char ip[INET6_ADDRSTRLEN];
	size_t n = strcspn(text, "/");

	if (n >= sizeof(ip))
		return false;
	memcpy(ip, text, n);
	ip[n] = '\0';
	return net_of(ip, out);
}

/* The place of NET; a new one takes that of the network that was not used for longest, one with a limit last. */
static struct path *
path_of_locked(struct paths *p, const unsigned char net[16], msec_t now)
{
	uint64_t h = 0;
	struct path *set, *worst;

	for (size_t i = 0; i < 16; i++)
		h = (h ^ net[i]) * UINT64_C(0x100000001b3);
	set = p->at[(h ^ h >> 32) % SETS];
	worst = &set[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].used != 0 && memcmp(set[i].net, net, 16) == 0) {
			set[i].used = now;
			return &set[i];
		}
		if ((set[i].safe_s != 0) != (worst->safe_s != 0) ? set[i].safe_s == 0 : set[i].used < worst->used)
			worst = &set[i];
	}
	*worst = (struct path){ .used = now };
	memcpy(worst->net, net, 16);
	return worst;
}

/* ---- observations ---- */

static bool
alike(unsigned a, unsigned b)
{
	unsigned larger = a > b ? a : b, tolerance = larger / 100 > 2 ? larger / 100 : 2;

	return (a > b ? a - b : b - a) <= tolerance;
}

static void
forget(struct path *x)
{
	x->changed = x->changed || x->safe_s != 0;
	x->cut_s = x->safe_s = x->seen = 0;
}

/* A wait of S seconds has died: is there another limit now? */
static bool
died(const struct paths *p, struct path *x, unsigned s, msec_t now)
{
	unsigned n = 0, least = s, safe;
	bool lower;
	char net[64];

	if (s <= p->o.floor_s)
		return false;
	x->cuts[x->next_cut].s = s;
	x->cuts[x->next_cut].at = now;
	x->next_cut = (x->next_cut + 1) % CUTS;
	for (size_t i = 0; i < CUTS; i++)
		if (x->cuts[i].s != 0 && now - x->cuts[i].at < CUT_MEMORY_MS && alike(x->cuts[i].s, s)) {
			n++;
			least = x->cuts[i].s < least ? x->cuts[i].s : least;
		}
	if (n < AGREE)
		return false;
	safe = least - (least / 10 > 2 ? least / 10 : 2);
	safe = safe > p->o.floor_s ? safe : p->o.floor_s;
	lower = x->safe_s == 0 || safe < x->safe_s;
	if (lower) {
		net_format(x->net, net, sizeof(net));
		log_info("path", "net=%s cut_s=%u safe_s=%u text=waits of these clients end early, so they are answered before", net, least, safe);
		x->since = now;
		x->seen = 0;
		x->cut_s = least;
		x->safe_s = safe;
	}
	x->seen = x->seen == 0 ? n : x->seen + 1;
	x->last = now;
	x->changed = true;
	return lower;
}

/* A wait of S seconds came through: nothing ends all of them before that. */
static void
survived(struct path *x, unsigned s)
{
	for (size_t i = 0; i < CUTS; i++)
		if (x->cuts[i].s <= s)
			x->cuts[i].s = 0;
	if (x->safe_s != 0 && x->cut_s <= s)
		forget(x);
}

unsigned
paths_begin(struct paths *p, const char *client_ip, int64_t device, unsigned wanted_s, msec_t now)
{
	unsigned char net[16];
	struct path *x;

	if (p->o.memory_ms == 0 || !net_of(client_ip, net))
		return wanted_s;
	(void)pthread_mutex_lock(&p->lock);
	x = path_of_locked(p, net, now);
	for (size_t i = 0; i < ANSWERED; i++) {
		msec_t ago = now - x->answered[i].at;

		if (x->answered[i].at == 0 || x->answered[i].device != device)
			continue;
		x->answered[i].at = 0;
		if (ago <= CONFIRM_MS)
			survived(x, x->answered[i].s);
		else if (ago <= LOST_MS)
			(void)died(p, x, x->answered[i].s, now);
	}
	if (x->safe_s != 0 && now - x->last >= p->o.memory_ms)
		forget(x);
	if (x->safe_s != 0 && x->safe_s < wanted_s)
		wanted_s = x->safe_s;
	(void)pthread_mutex_unlock(&p->lock);
	return wanted_s;
}

bool
paths_end(struct paths *p, const char *client_ip, int64_t device, unsigned waited_s, enum wait_end how, msec_t now)
{
	unsigned char net[16];
	struct path *x;
	bool lower = false;

	if (p->o.memory_ms == 0 || !net_of(client_ip, net))
		return false;
	(void)pthread_mutex_lock(&p->lock);
	x = path_of_locked(p, net, now);
	if (how == WAIT_ANSWERED) {
		x->answered[x->next_answered].device = device;
		x->answered[x->next_answered].s = waited_s;
		x->answered[x->next_answered].at = now;
		x->next_answered = (x->next_answered + 1) % ANSWERED;
	} else {
		lower = died(p, x, waited_s, now);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return lower;
}

/* ---- what is kept ---- */

size_t
paths_changed(struct paths *p, struct store_path *out, size_t max, msec_t now)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < PATHS_KEPT && n < max; i++) {
		struct path *x = &p->at[i / WAYS][i % WAYS];

		if (x->safe_s != 0 && now - x->last >= p->o.memory_ms)
			forget(x);
		if (!x->changed)
			continue;
		x->changed = false;
		out[n] = (struct store_path){ .cut_s = x->cut_s, .safe_s = x->safe_s, .seen = x->seen, .since = x->since, .last = x->last };
		net_format(x->net, out[n++].net, sizeof(out[0].net));
	}
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}

void
paths_adopt(struct paths *p, const struct store_path *rows, size_t n, msec_t now)
{
	unsigned char net[16];

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < PATHS_KEPT; i++) { /* forgotten at another node, unless the rows say otherwise */
		struct path *x = &p->at[i / WAYS][i % WAYS];

		if (!x->changed)
			x->cut_s = x->safe_s = x->seen = 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct path *x;

		if (!net_parse(rows[i].net, net) || rows[i].safe_s < p->o.floor_s)
			continue;
		x = path_of_locked(p, net, now);
		if (x->changed)
			continue;
		x->cut_s = rows[i].cut_s;
		x->safe_s = rows[i].safe_s;
		x->seen = rows[i].seen;
		x->since = rows[i].since;
		x->last = rows[i].last;
	}
	(void)pthread_mutex_unlock(&p->lock);
}
