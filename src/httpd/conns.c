/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What one peer may hold: connections per address, and time for a request to arrive and an answer to be taken.  libmicrohttpd's own time-out is one of
 * silence: who sends a byte now and then would keep a connection for ever.
 */
#include "httpd/httpd_int.h"

#include <string.h>

/* Thousands in one go would keep the lock, and then the event threads, from everybody else for many milliseconds. */
#define CUT_AT_ONCE 16U
#define CLOCK_STEP_US 20000 /* of the coarse clock by which libmicrohttpd finds that a connection is silent */

/* One connection of the client listener.  Guarded by conns.lock. */
struct conn {
	struct conn *next, **link;   /* in the list of its phase; LINK NULL = in none */
	struct peer *peer;           /* NULL = not counted */
	int64_t since_us;            /* when the phase began */
	int fd;
	bool head;                   /* it is the list of those without a request */
};

/* An address with connections; an IPv6 network of 64 bits is one, since a single host has all of it. */
struct peer {
	struct peer *next;           /* chain of the bucket */
	unsigned char addr[16];
	unsigned n;
};

static size_t
bucket(const struct conns *c, const unsigned char addr[16])
{
	return siphash24(c->key, addr, 16) % CONN_BUCKETS;
}

static struct peer *
peer_find_locked(struct conns *c, const unsigned char addr[16])
{
	struct peer *p = c->peer[bucket(c, addr)];

	while (p != NULL && memcmp(p->addr, addr, 16) != 0)
		p = p->next;
	return p;
}

/* False: this peer's connections are not counted, because others stand behind it. */
static bool
counted(const struct httpd *h, const struct sockaddr *sa, unsigned char addr[16])
{
	if (h->o.max_connections_per_address == 0 || sa == NULL || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	if (proxies_peer(&h->proxies, sa, addr))
		return false;
	if (sa->sa_family == AF_INET6 && !address_is_v4(addr))
		memset(addr + 8, 0, 8);
	return true;
}

enum MHD_Result
conn_accept(void *cls, const struct sockaddr *sa, socklen_t len)
{
	struct httpd *h = cls;
	unsigned char addr[16];
	struct peer *p;
	bool ok;

	(void)len;
	if (!counted(h, sa, addr))
		return MHD_YES;
	(void)pthread_mutex_lock(&h->conns.lock);
	p = peer_find_locked(&h->conns, addr);
	ok = p == NULL || p->n < h->o.max_connections_per_address;
	(void)pthread_mutex_unlock(&h->conns.lock);
	if (!ok)
		metric_add(M_CONNECTIONS_REFUSED, 1);
	return ok ? MHD_YES : MHD_NO;
}

static struct peer *
peer_take_locked(struct conns *c, const unsigned char addr[16])
{
	struct peer *p = peer_find_locked(c, addr);
	size_t at = bucket(c, addr);

	if (p == NULL && (p = mem_alloc(sizeof(*p))) != NULL) {
		memcpy(p->addr, addr, 16);
		p->next = c->peer[at];
		c->peer[at] = p;
	}
	if (p != NULL)
		p->n++;
	return p;
}

static void
peer_drop_locked(struct conns *c, struct peer *p)
{
	struct peer **at;

	if (p == NULL || --p->n > 0)
		return;
	for (at = &c->peer[bucket(c, p->addr)]; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	mem_free(p);
}

static void
unlink_locked(struct conns *c, struct conn *x)
{
	if (x->link == NULL)
		return;
	*x->link = x->next;
	if (x->next != NULL)
		x->next->link = x->link;
	for (unsigned i = 0; i < CONN_PHASES; i++)
		if (c->end[i] == &x->next)
			c->end[i] = x->link;
	x->link = NULL;
	x->next = NULL;
}

/* Behind all others of PHASE, whose time began before. */
static void
phase_locked(struct conns *c, struct conn *x, enum conn_phase phase)
{
	unlink_locked(c, x);
	if (phase == CONN_BUSY)
		return;
	x->head = phase == CONN_HEAD;
	x->since_us = now_mono_us();
	x->link = c->end[phase];
	*c->end[phase] = x;
	c->end[phase] = &x->next;
}

void
conn_phase(struct httpd *h, struct MHD_Connection *conn, enum conn_phase phase)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (info == NULL || info->socket_context == NULL)
		return;
	(void)pthread_mutex_lock(&h->conns.lock);
	phase_locked(&h->conns, info->socket_context, phase);
	(void)pthread_mutex_unlock(&h->conns.lock);
}

static void
conn_open(struct httpd *h, struct MHD_Connection *conn, void **context)
{
	const union MHD_ConnectionInfo *peer = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conn *x = fd != NULL ? mem_alloc(sizeof(*x)) : NULL;
	unsigned char addr[16];

	*context = x;
	if (x == NULL)
		return; /* then only silence ends it */
	x->fd = fd->connect_fd;
	(void)pthread_mutex_lock(&h->conns.lock);
	if (counted(h, peer != NULL ? peer->client_addr : NULL, addr))
		x->peer = peer_take_locked(&h->conns, addr);
	phase_locked(&h->conns, x, CONN_HEAD);
	(void)pthread_mutex_unlock(&h->conns.lock);
}

void
conn_notify(void *cls, struct MHD_Connection *conn, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct httpd *h = cls;
	struct conn *x = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		acceptor_begun(&h->acceptor);
		conn_open(h, conn, context);
		return;
	}
	acceptor_ended(&h->acceptor);
	if (x == NULL)
		return;
	*context = NULL;
	(void)pthread_mutex_lock(&h->conns.lock);
	/* libmicrohttpd does not say why it closes one without a request; before that time only the client does */
	if (x->link != NULL && x->head && now_mono_us() - x->since_us >= (int64_t)h->o.client_timeout_s * 1000000 - CLOCK_STEP_US)
		metric_add(M_CONNECTIONS_IDLE, 1);
	unlink_locked(&h->conns, x);
	peer_drop_locked(&h->conns, x->peer);
	(void)pthread_mutex_unlock(&h->conns.lock);
	mem_free(x);
}

bool
conns_expire(struct httpd *h)
{
	const int64_t limit_us[CONN_PHASES] = { [CONN_HEAD] = (int64_t)h->o.client_timeout_s * 2000000,
		[CONN_BODY] = (int64_t)h->o.transfer_time_s * 1000000, [CONN_ANSWER] = (int64_t)h->o.transfer_time_s * 1000000 };
	int64_t now_us = now_mono_us();
	struct conn *x;
	unsigned cut = 0;

	(void)pthread_mutex_lock(&h->conns.lock);
	for (unsigned i = 0; i < CONN_PHASES; i++)
		while (cut < CUT_AT_ONCE && limit_us[i] > 0 && (x = h->conns.first[i]) != NULL && now_us - x->since_us >= limit_us[i]) {
			cut++;
			unlink_locked(&h->conns, x);
			/* the descriptor is still this connection's: libmicrohttpd closes it after conn_notify, which waits for the lock */
			(void)shutdown(x->fd, SHUT_RDWR);
			metric_add(M_CONNECTIONS_SLOW, 1);
		}
	(void)pthread_mutex_unlock(&h->conns.lock);
	return cut == CUT_AT_ONCE;
}

void
conns_init(struct conns *c)
{
	(void)pthread_mutex_init(&c->lock, NULL);
	random_bytes(c->key, sizeof(c->key));
	for (unsigned i = 0; i < CONN_PHASES; i++)
		c->end[i] = &c->first[i];
}

void
conns_fini(struct conns *c)
{
	(void)pthread_mutex_destroy(&c->lock);
}
