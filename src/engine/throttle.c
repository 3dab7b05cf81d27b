/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Failed logins are throttled, per user, per address and per device of a user, in this process's memory alone: a cluster of N nodes lets through N times as
 * many, and a restart forgives.  login_attempts failures within a minute block for a minute, each further failure twice as long, up to login_block_max.
 *
 * A device that repeats one wrong password (it was changed elsewhere) learns nothing by it: this counts for the device alone, so that an old telephone
 * locks out neither its user's other devices nor who shares its address.  An attempt takes its place before OX is asked: many at once are no way around.
 *
 * A login for one device too many (max_devices) has cost OX and the database as much as any, so it counts as well: for the device, and for the user when
 * it is another device each time.  For the address it does not: who stands behind it knows the password.  A device or user that an administrator does not
 * let in and that asks again and again waits, alone, before OX is troubled with it.
 */
#include "engine/engine_int.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WAYS 4               /* slots that a key may have */
#define MINUTE_MS INT64_C(60000)

/* A failure is remembered for a minute; who has been blocked, for login_block_max. */
static bool
forgotten(const struct engine *g, const struct throttle *t, msec_t now)
{
	msec_t last = t->until > t->last ? t->until : t->last;

	return t->pending == 0 && now - last >= (t->rounds > 0 ? g->o.login_block_max_ms : MINUTE_MS);
}

/* The slot of KEY; a new one takes the place of who matters least.  Never one that blocks somebody, as long as another is there. */
static struct throttle *
slot_locked(struct engine *g, uint64_t key, msec_t now)
{
	struct throttle *set = &g->throttle[key % (THROTTLE_SLOTS / WAYS) * WAYS], *least = set;

	for (struct throttle *t = set; t < set + WAYS; t++) {
		if (t->key == key) {
			if (forgotten(g, t, now))
				*t = (struct throttle){ .key = key };
			return t;
		}
		if (t->pending < least->pending || (t->pending == least->pending && (t->until < least->until || (t->until == least->until && t->last < least->last))))
			least = t;
	}
	*least = (struct throttle){ .key = key, .last = now };
	return least;
}

static struct throttle *
known_locked(struct engine *g, uint64_t key)
{
	struct throttle *set = &g->throttle[key % (THROTTLE_SLOTS / WAYS) * WAYS];

	for (struct throttle *t = set; t < set + WAYS; t++)
		if (t->key == key)
			return t;
	return NULL;
}

/* Milliseconds until another attempt may be made; 0 = now. */
static msec_t
wait_of(const struct engine *g, const struct throttle *t, msec_t now)
{
	if (t->until > now)
		return t->until - now;
	if (t->rounds > 0) /* after a block one at a time: each tells whether the next block comes */
		return t->pending > 0 ? 1000 : 0;
	return t->failed + t->pending >= g->o.login_attempts ? 1000 : 0;
}

/* Users who write their name differently are one; an IPv6 host has a network of 64 bits. */
static void
keys_of(const struct engine *g, const struct engine_login *in, uint64_t key[THROTTLE_KINDS])
{
	char text[512], user[256];
	struct in6_addr v6;
	size_t n = 0;

	for (const char *p = in->user; *p != '\0' && n + 1 < sizeof(user); p++)
		if (!isspace((unsigned char)*p))
			user[n++] = (char)tolower((unsigned char)*p);
	user[n] = '\0';
	key[THROTTLE_USER] = siphash24(g->topic_key, text, (size_t)snprintf(text, sizeof(text), "user:%s", user));
	key[THROTTLE_DEVICE] = siphash24(g->topic_key, text, (size_t)snprintf(text, sizeof(text), "device:%s:%.64s", user, in->device));
	if (inet_pton(AF_INET6, in->client_ip, &v6) == 1)
		key[THROTTLE_ADDRESS] = siphash24(g->topic_key, &v6, 8);
	else
		key[THROTTLE_ADDRESS] = siphash24(g->topic_key, text, (size_t)snprintf(text, sizeof(text), "address:%.64s", in->client_ip));
}

/* Never 0, which stands for none. */
static uint64_t
word_of(const struct engine *g, const struct engine_login *in)
{
	return siphash24(g->topic_key, in->password, strlen(in->password)) | 1;
}

/* The name is known to be right; the address stays: who knows one password may still guess others from there. */
static void
forgive_locked(struct throttle *t)
{
	t->failed = t->rounds = 0;
	t->until = 0;
}

enum rc
throttle_begin(struct engine *g, const struct engine_login *in, struct throttle_try *out, struct err *e)
{
	msec_t now = steady_ms(), wait = 0;

	keys_of(g, in, out->key);
	out->word = word_of(g, in);
	(void)pthread_mutex_lock(&g->lock);
	/* what is refused leaves no trace: else names that nobody has would push out those that are blocked */
	for (int i = 0; i < THROTTLE_KINDS; i++) {
		const struct throttle *t = known_locked(g, out->key[i]);
		msec_t w = t != NULL && !forgotten(g, t, now) ? wait_of(g, t, now) : 0;

		wait = w > wait ? w : wait;
	}
	for (int i = 0; i < THROTTLE_KINDS && wait == 0; i++)
		slot_locked(g, out->key[i], now)->pending++;
	(void)pthread_mutex_unlock(&g->lock);
	if (wait == 0)
		return RC_OK;
	metric_count(F_REFUSED, "login", NULL);
	(void)err_set(e, RC_LIMIT, "too many logins that failed or were refused; wait, then check the password, or ask the administrator whether this "
	    "device is let in");
	if (e != NULL)
		e->retry_after_s = (int)((wait + 999) / 1000);
	return RC_LIMIT;
}

static void
failed_locked(const struct engine *g, struct throttle *t, msec_t now)
{
	msec_t span = MINUTE_MS;

	t->failed++;
	t->last = now;
	if (t->failed < g->o.login_attempts && t->rounds == 0)
		return;
	for (unsigned i = 0; i < t->rounds && span < g->o.login_block_max_ms; i++)
		span *= 2;
	t->until = now + (span < g->o.login_block_max_ms ? span : g->o.login_block_max_ms);
	t->rounds++;
}

enum outcome { NOTHING, RIGHT, WRONG, TOO_MANY, NOT_LET_IN };

static void
ended(struct engine *g, const struct throttle_try *x, enum outcome what)
{
	msec_t now = steady_ms();
	bool repeated = false, failed = what == WRONG || what == TOO_MANY || what == NOT_LET_IN;

	(void)pthread_mutex_lock(&g->lock);
	for (int i = 0; i < THROTTLE_KINDS; i++) { /* the device first */
		struct throttle *t = known_locked(g, x->key[i]);

		if (t == NULL || t->pending == 0)
			continue; /* its place was taken meanwhile */
		t->pending--;
		if (i == THROTTLE_DEVICE) {
			repeated = failed && t->word == x->word;
			t->word = failed ? x->word : 0;
		}
		if (failed && (i == THROTTLE_DEVICE || (!repeated && (what == WRONG || (what == TOO_MANY && i == THROTTLE_USER)))))
			failed_locked(g, t, now);
		else if (what == RIGHT && i != THROTTLE_ADDRESS)
			forgive_locked(t);
	}
	(void)pthread_mutex_unlock(&g->lock);
}

void
throttle_end(struct engine *g, const struct throttle_try *x, enum rc rc)
{
	if (rc == RC_DENIED)
		metric_add(M_LOGINS_FAILED, 1);
	ended(g, x, rc == RC_OK ? RIGHT : rc == RC_DENIED ? WRONG : rc == RC_FORBIDDEN ? NOT_LET_IN : NOTHING);
}

void
throttle_end_device(struct engine *g, const struct throttle_try *x)
{
	ended(g, x, TOO_MANY);
}
