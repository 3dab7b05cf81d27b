/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Wake-ups between nodes by LISTEN and NOTIFY, for as long as Redis does not carry them: one connection and one thread a node.
 *
 * Who does not hear Redis calls, every call_ms; who hears a call notifies here as well for the time of three calls and a half, the
 * lease.  When that begins (a call after a pause) a node says "here", at which those who call wake everybody.  So nothing is lost on
 * switching: a change that went to Redis alone was committed before its node said "here", and the waiters look after that; one made
 * later is notified.  The way back overlaps: a node ends its calls only when Redis has confirmed its subscription, and the others go
 * on notifying until the lease of its last call ends.
 */
#include "store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALL_MS 10000
#define SILENCE_MS 30000    /* without a word for this long: is the server still there? */
#define TIMEOUT_MS 5000     /* of one statement here */
#define WAITING 8192        /* topics not sent yet; with more, everybody looks */
#define CLAIMS 4096         /* claims not sent yet */
#define NODE 16             /* hex digits of a node's random name, in front of each payload */
#define DIGITS 16           /* of one number */
#define PER_PAYLOAD ((8000 - 1 - NODE - 1 - 1) / DIGITS) /* NOTIFY takes fewer than 8000 bytes */

/* What a payload says, behind the name. */
enum { SAY_TOPICS = 't', SAY_CLAIMS = 'k', SAY_ALL = 'a', SAY_CALL = 'c', SAY_HERE = 'h' };

/* What waits to be sent. */
struct outgoing {
	uint64_t topics[WAITING];
	size_t n;
	uint64_t claims[CLAIMS][2];      /* name, ticket; oldest first */
	size_t n_claims;
	bool all, call;
};

struct notify {
	const char *conninfo, *password; /* the store's */
	struct store_ear ear;
	int64_t call_us, lease_us;
	pthread_t thread;
	int wake[2];                     /* a byte: there is something to send; its end: stop */
	char node[NODE + 1];
	atomic_int_fast64_t both_until_us; /* somebody calls: what Redis carried is notified as well */
	atomic_bool need;                /* this node does not hear Redis */
	pthread_mutex_t lock;            /* guards what follows */
	struct outgoing *out;            /* owned */
};

/* ---- any thread ---- */

static void
poke(const struct notify *x)
{
	/* a full pipe has enough bytes in it */
	if (write(x->wake[1], "", 1) < 0 && errno != EAGAIN)
		log_warn("notify.wake", "text=%s", strerror(errno));
}

static bool
nothing_waits(const struct outgoing *o)
{
	return o->n == 0 && o->n_claims == 0 && !o->all;
}

void
store_notify(struct store *s, uint64_t topic, bool carried)
{
	struct notify *x = s->notify;
	bool first;

	if (x == NULL || (carried && now_mono_us() >= atomic_load(&x->both_until_us)))
		return;
	(void)pthread_mutex_lock(&x->lock);
	first = nothing_waits(x->out);
	if (x->out->n < WAITING)
		x->out->topics[x->out->n++] = topic;
	else
		x->out->all = true;
	(void)pthread_mutex_unlock(&x->lock);
	if (first)
		poke(x);
}

void
store_notify_claim(struct store *s, uint64_t name, uint64_t ticket, bool carried)
{
	struct notify *x = s->notify;
	bool first;

	if (x == NULL || (carried && now_mono_us() >= atomic_load(&x->both_until_us)))
		return;
	(void)pthread_mutex_lock(&x->lock);
	first = nothing_waits(x->out);
	if (x->out->n_claims < CLAIMS) {
		x->out->claims[x->out->n_claims][0] = name;
		x->out->claims[x->out->n_claims++][1] = ticket;
	}
	(void)pthread_mutex_unlock(&x->lock);
	if (first)
		poke(x);
}

void
store_notify_need(struct store *s, bool need)
{
	struct notify *x = s->notify;

	if (x == NULL || atomic_exchange(&x->need, need) == need || !need)
		return;
	(void)pthread_mutex_lock(&x->lock);
	x->out->call = true;
	(void)pthread_mutex_unlock(&x->lock);
	poke(x);
}

/* ---- sending ---- */

static enum rc
say(const struct notify *x, PGconn *pg, int what, const char *topics, struct err *e)
{
	char payload[8000];
	const char *v[] = { NOTIFY_CHANNEL, payload };

	(void)snprintf(payload, sizeof(payload), "%s%c%s", x->node, what, topics);
	metric_add(M_NOTIFIED, 1);
	return pg_query(pg, "SELECT pg_notify($1, $2)", (int)ARRAY_LEN(v), v, TIMEOUT_MS, NULL, e);
}

void
notify_payload(uint64_t topic, char out[NOTIFY_PAYLOAD])
{
	unsigned char name[NODE / 2];
	char node[NODE + 1];

	_Static_assert(NOTIFY_PAYLOAD == NODE + 1 + DIGITS + 1, "a name, a letter, a number");
	random_bytes(name, sizeof(name));
	hex_encode(name, sizeof(name), node);
	(void)snprintf(out, NOTIFY_PAYLOAD, "%s%c%016llx", node, SAY_TOPICS, (unsigned long long)topic);
}

static int
by_value(const void *a, const void *b)
{
	uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;

	return p < q ? -1 : p > q;
}

/* N numbers, in payloads of PER at most. */
static enum rc
say_numbers(const struct notify *x, PGconn *pg, int what, const uint64_t *v, size_t n, size_t per, struct err *e)
{
	char text[PER_PAYLOAD * DIGITS + 1];
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		(void)snprintf(text + i % per * DIGITS, DIGITS + 1, "%016llx", (unsigned long long)v[i]);
		if (i % per == per - 1 || i + 1 == n)
			rc = say(x, pg, what, text, e);
	}
	return rc;
}

static enum rc
say_topics(const struct notify *x, PGconn *pg, uint64_t *topics, size_t n, struct err *e)
{
	size_t kept = 0;

	qsort(topics, n, sizeof(*topics), by_value);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || topics[i] != topics[i - 1])
			topics[kept++] = topics[i];
	return say_numbers(x, pg, SAY_TOPICS, topics, kept, PER_PAYLOAD, e);
}

/* Everything that waits to be sent, by way of ROOM; HERE as well.  *SENT: there was something. */
static enum rc
send_waiting(struct notify *x, PGconn *pg, bool here, struct outgoing *room, bool *sent, struct err *e)
{
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&x->lock);
	memcpy(room->topics, x->out->topics, x->out->n * sizeof(room->topics[0]));
	memcpy(room->claims, x->out->claims, x->out->n_claims * sizeof(room->claims[0]));
	room->n = x->out->n;
	room->n_claims = x->out->n_claims;
	room->all = x->out->all;
	room->call = x->out->call && atomic_load(&x->need);
	x->out->n = x->out->n_claims = 0;
	x->out->all = x->out->call = false;
	(void)pthread_mutex_unlock(&x->lock);
	*sent = here || room->call || !nothing_waits(room);
	if (here)
		rc = say(x, pg, SAY_HERE, "", e);
	if (rc == RC_OK && room->call)
		rc = say(x, pg, SAY_CALL, "", e);
	if (rc == RC_OK && room->all)
		rc = say(x, pg, SAY_ALL, "", e);
	else if (rc == RC_OK)
		rc = say_topics(x, pg, room->topics, room->n, e);
	if (rc == RC_OK)
		rc = say_numbers(x, pg, SAY_CLAIMS, room->claims[0], 2 * room->n_claims, PER_PAYLOAD / 2 * 2, e);
	if (rc != RC_OK && (room->all || room->n > 0)) { /* perhaps sent, perhaps not */
		(void)pthread_mutex_lock(&x->lock);
		x->out->all = true;
		(void)pthread_mutex_unlock(&x->lock);
	}
	return rc;
}

/* ---- hearing ---- */

/* The next number of a payload; false at its end. */
static bool
next_number(const char **p, uint64_t *v)
{
	char digits[DIGITS + 1] = "", *end;

	if (strlen(*p) < DIGITS)
		return false;
	memcpy(digits, *p, DIGITS);
	*p += DIGITS;
	*v = strtoull(digits, &end, 16);
	return *end == '\0';
}

/* True when everybody has to look. */
static bool
hear_topics(const struct notify *x, const char *p)
{
	uint64_t topic;

	while (*p != '\0') {
		if (!next_number(&p, &topic))
			return true;
		x->ear.on_topic(x->ear.arg, topic);
	}
	return false;
}

static void
hear_claims(const struct notify *x, const char *p, bool own)
{
	uint64_t name, ticket;

	while (next_number(&p, &name) && next_number(&p, &ticket))
		x->ear.on_claim(x->ear.arg, name, ticket, own);
}

/* True when everybody has to look. */
static bool
hear(struct notify *x, const char *payload, bool *here)
{
	bool own;

	if (strlen(payload) < NODE + 1)
		return false;
	own = memcmp(payload, x->node, NODE) == 0;
	if (payload[NODE] == SAY_CLAIMS)
		hear_claims(x, payload + NODE + 1, own);
	if (own || payload[NODE] == SAY_CLAIMS)
		return false;
	switch (payload[NODE]) {
	case SAY_TOPICS:
		return hear_topics(x, payload + NODE + 1);
	case SAY_CALL:
		*here = *here || now_mono_us() >= atomic_load(&x->both_until_us);
		atomic_store(&x->both_until_us, now_mono_us() + x->lease_us);
		return false;
	case SAY_HERE:
		return atomic_load(&x->need);
	case SAY_ALL:
		return true;
	default: /* of a later version: better one look too many */
		return true;
	}
}

static void
hear_all(struct notify *x, PGconn *pg, bool *here)
{
	PGnotify *m;
	bool all = false;

	while ((m = PQnotifies(pg)) != NULL) {
		all = hear(x, m->extra, here) || all;
		PQfreemem(m);
	}
	if (all)
		x->ear.on_gap(x->ear.arg);
}

/* ---- the thread ---- */

static void
notice(void *arg, const char *text)
{
	(void)arg;
	log_debug("notify.notice", "text=%.*s", (int)strcspn(text, "\n"), text);
}

static PGconn *
dial(const struct notify *x, struct err *e)
{
	/* who is gone without a word is noticed by the question after SILENCE_MS */
	PGconn *pg = pg_dial(x->conninfo, x->password);
	enum rc rc = RC_UPSTREAM;

	if (PQstatus(pg) == CONNECTION_OK) {
		(void)PQsetnonblocking(pg, 1);
		(void)PQsetNoticeProcessor(pg, notice, NULL);
		/* a wake-up need not survive a crash of the server, so it does not wait for the disk */
		rc = pg_query(pg, "SELECT set_config('application_name', 'usmd listener', false), set_config('synchronous_commit', 'off', false)",
		    0, NULL, TIMEOUT_MS, NULL, e);
		if (rc == RC_OK)
			rc = pg_query(pg, "LISTEN " NOTIFY_CHANNEL, 0, NULL, TIMEOUT_MS, NULL, e);
	} else if (e != NULL) {
		(void)pg_dial_error(pg, e->text, sizeof(e->text));
	}
	if (rc == RC_OK)
		return pg;
	PQfinish(pg);
	return NULL;
}

/* Sleeps until there is something to send or to read, or for MS.  False: the thread has to end. */
static bool
sleep_until_poked(const struct notify *x, int fd, int ms)
{
	struct pollfd p[2] = { { .fd = x->wake[0], .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	char bytes[64];
	ssize_t got;

	if (poll(p, 2, ms) <= 0 || p[0].revents == 0)
		return true;
	do {
		got = read(x->wake[0], bytes, sizeof(bytes));
	} while (got == (ssize_t)sizeof(bytes));
	return got != 0;
}

/* Until the connection breaks (true) or the thread has to end (false). */
static bool
serve(struct notify *x, PGconn *pg, struct outgoing *room)
{
	int64_t call_at = now_mono_us(), heard_at = call_at;
	bool here = false, sent = false;
	struct err e = { 0 };

	for (;;) {
		int64_t now;

		if (PQconsumeInput(pg) == 0)
			return true;
		hear_all(x, pg, &here);
		now = now_mono_us();
		if (now >= call_at) {
			call_at = now + x->call_us;
			(void)pthread_mutex_lock(&x->lock);
			x->out->call = true;
			(void)pthread_mutex_unlock(&x->lock);
		}
		if (send_waiting(x, pg, here, room, &sent, &e) != RC_OK)
			return true;
		here = false;
		if (!sent && now - heard_at >= SILENCE_MS * 1000) {
			if (pg_query(pg, "SELECT 1", 0, NULL, TIMEOUT_MS, NULL, &e) != RC_OK)
				return true;
			sent = true;
		}
		if (sent) {
			heard_at = now_mono_us(); /* and with the answer something may have come */
			continue;
		}
		if (!sleep_until_poked(x, PQsocket(pg), (int)(x->call_us / 1000)))
			return false;
	}
}

static void *
notifier(void *arg)
{
	struct notify *x = arg;
	struct outgoing *room = mem_alloc(sizeof(*room));
	bool said = false, go_on = room != NULL;

	while (go_on) {
		struct err e = { 0 };
		PGconn *pg = dial(x, &e);

		if (pg != NULL) {
			if (said)
				log_info("notify.up", "text=listening to PostgreSQL again");
			said = false;
			x->ear.on_gap(x->ear.arg);
			go_on = serve(x, pg, room);
			PQfinish(pg);
		} else if (!said) {
			log_warn("notify.down", "text=not listening to PostgreSQL: %s", e.text);
			said = true;
		}
		if (go_on)
			go_on = sleep_until_poked(x, -1, (int)x->ear.retry_ms);
	}
	mem_free(room);
	return NULL;
}

static void
notify_free(struct notify *x)
{
	if (x == NULL)
		return;
	for (int i = 0; i < 2; i++)
		if (x->wake[i] >= 0)
			(void)close(x->wake[i]);
	(void)pthread_mutex_destroy(&x->lock);
	mem_free(x->out);
	mem_free(x);
}

enum rc
store_listen(struct store *s, const struct store_ear *ear, struct err *e)
{
	struct notify *x;
	unsigned char name[NODE / 2];
	int rc;

	if (s->notify != NULL)
		return err_set(e, RC_INTERNAL, "listening already");
	x = mem_alloc(sizeof(*x));
	if (x == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	x->wake[0] = x->wake[1] = -1;
	x->conninfo = s->o.conninfo;
	x->password = s->o.password;
	x->ear = *ear;
	x->call_us = (ear->call_ms != 0 ? ear->call_ms : CALL_MS) * INT64_C(1000);
	x->lease_us = x->call_us / 2 * 7;
	(void)pthread_mutex_init(&x->lock, NULL);
	random_bytes(name, sizeof(name));
	hex_encode(name, sizeof(name), x->node);
	x->out = mem_alloc(sizeof(*x->out));
	rc = x->out == NULL ? ENOMEM : pipe(x->wake) != 0 ? errno : 0;
	for (int i = 0; i < 2 && rc == 0; i++) {
		(void)fcntl(x->wake[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(x->wake[i], F_SETFL, O_NONBLOCK);
	}
	if (rc == 0)
		rc = pthread_create(&x->thread, NULL, notifier, x);
	if (rc != 0) {
		notify_free(x);
		return err_set(e, RC_NOMEM, "cannot listen to other nodes: %s", strerror(rc));
	}
	s->notify = x;
	return RC_OK;
}

void
notify_stop(struct store *s)
{
	struct notify *x = s->notify;

	if (x == NULL)
		return;
	(void)close(x->wake[1]); /* the thread reads the end of the pipe */
	x->wake[1] = -1;
	(void)pthread_join(x->thread, NULL);
	notify_free(x);
	s->notify = NULL;
}
