/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One socket and one thread: registers at the OX nodes again and again, and reads what they - and nobody else - send. */
#include "push/push_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES_MAX 64
#define ADDRESSES_MAX 8     /* of one node */
#define RECEIVE_BUFFER (1 << 20)
#define COMPLAINT_US (INT64_C(600) * 1000000)

struct node {
	char *host;
	char port[6];
	struct sockaddr_storage at[ADDRESSES_MAX]; /* as last looked up */
	size_t n;
	bool lost;              /* its name is not known just now: said once */
};

struct push_udp {
	struct push_udp_options o; /* its strings are not kept */
	push_event_cb cb;
	void *arg;
	int fd, stop[2];
	char host[64];          /* what OX is told to send to */
	unsigned port;
	struct node node[NODES_MAX];
	size_t n_nodes;
	pthread_t thread;
	bool running;
	int64_t complained_us;  /* last line about a stranger */
	char data[PUSH_PACKET_MAX];
	struct push_packet packet;
};

/* ---- registration ---- */

static void
node_look_up(struct node *n)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM }, *list = NULL;
	int rc = getaddrinfo(n->host, n->port, &hints, &list);

	if (rc != 0) {
		if (!n->lost)
			log_warn("udp-push", "node=%s text=the name of the OX node is not known: %s; it is asked for again", n->host, gai_strerror(rc));
		n->lost = true;
		return; /* the addresses that it had may still be right */
	}
	n->lost = false;
	n->n = 0;
	for (const struct addrinfo *a = list; a != NULL && n->n < ADDRESSES_MAX; a = a->ai_next)
		if (a->ai_addrlen <= sizeof(n->at[0])) {
			memset(&n->at[n->n], 0, sizeof(n->at[0]));
			memcpy(&n->at[n->n++], a->ai_addr, a->ai_addrlen);
		}
	freeaddrinfo(list);
}

/* OX answers nothing to it.  A node that is away just now gets the next one. */
static void
register_all(struct push_udp *u)
{
	struct buf b;

	buf_init(&b, 1024);
	push_packet_register(u->host, u->port, &b);
	for (size_t i = 0; i < u->n_nodes && !b.failed; i++) {
		struct node *n = &u->node[i];

		node_look_up(n);
		for (size_t k = 0; k < n->n; k++) {
			socklen_t len = n->at[k].ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

			if (sendto(u->fd, b.p, b.len, 0, (const struct sockaddr *)&n->at[k], len) == (ssize_t)b.len)
				metric_add(M_UDP_REGISTRATIONS, 1);
		}
	}
	buf_fini(&b);
}

/* ---- receiving ---- */

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port && memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

static bool
is_node(const struct push_udp *u, const struct sockaddr_storage *from)
{
	for (size_t i = 0; i < u->n_nodes; i++)
		for (size_t k = 0; k < u->node[i].n; k++)
			if (same_address(&u->node[i].at[k], from))
				return true;
	return false;
}

/* Whoever sends, it is counted; the log hears of it now and then, since it may be an attack or a node that was forgotten. */
static void
complain(struct push_udp *u, const struct sockaddr_storage *from, const char *why)
{
	char host[64] = "?", port[8] = "?";
	int64_t now = now_mono_us();

	if (u->complained_us != 0 && now - u->complained_us < COMPLAINT_US)
		return;
	u->complained_us = now;
	(void)getnameinfo((const struct sockaddr *)from, sizeof(*from), host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	log_warn("udp-push", "sender=%s port=%s text=%s; further ones are only counted", host, port, why);
}

static void
receive_one(struct push_udp *u, bool *more)
{
	struct sockaddr_storage from = { 0 };
	struct iovec iov = { .iov_base = u->data, .iov_len = sizeof(u->data) };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	struct push_event ev;
	struct err e;
	ssize_t n = recvmsg(u->fd, &m, MSG_DONTWAIT);

	*more = n >= 0 || errno == EINTR || errno == ECONNREFUSED; /* the last: a registration met nobody */
	if (n < 0)
		return;
	if (!is_node(u, &from)) {
		metric_add(M_UDP_STRANGERS, 1);
		complain(u, &from, "datagrams of hosts that udp_nodes does not name are thrown away");
		return;
	}
	if ((m.msg_flags & MSG_TRUNC) != 0 || push_packet_parse(u->data, (size_t)n, &u->packet, &e) != RC_OK) {
		metric_add(M_UDP_MALFORMED, 1);
		complain(u, &from, "an OX node sends what is no event");
		return;
	}
	metric_add(M_UDP_PACKETS, 1);
	if (push_packet_event(&u->packet, &ev))
		u->cb(u->arg, &ev);
}

static void *
udp_main(void *arg)
{
	struct push_udp *u = arg;
	int64_t due = 0;

	for (;;) {
		struct pollfd p[2] = { { .fd = u->stop[0], .events = POLLIN }, { .fd = u->fd, .events = POLLIN } };
		int64_t now = now_mono_us() / 1000;
		bool more;

		if (now >= due) {
			register_all(u);
			due = now + (int64_t)u->o.register_ms;
		}
		if (poll(p, 2, (int)(due - now < INT32_MAX ? due - now : INT32_MAX)) < 0 && errno != EINTR)
			break;
		if (p[0].revents != 0)
			break;
		/* bounded, so that a flood stops neither registration nor the end */
		more = p[1].revents != 0;
		for (int i = 0; i < 1000 && more; i++)
			receive_one(u, &more);
	}
	return NULL;
}

/* ---- start and stop ---- */

static enum rc
nodes_parse(struct push_udp *u, const char *list, struct err *e)
{
	static const char sep[] = ", \t";

	for (const char *p = list + strspn(list, sep); *p != '\0'; p += strspn(p, sep)) {
		size_t len = strcspn(p, sep);
		char text[300];
		struct node *n = &u->node[u->n_nodes];

		if (u->n_nodes == NODES_MAX)
			return err_set_path(e, RC_PROTO, "udp_nodes", "more than %d nodes", NODES_MAX);
		if (len >= sizeof(text))
			return err_set_path(e, RC_PROTO, "udp_nodes", "a name is too long");
		memcpy(text, p, len);
		text[len] = '\0';
		p += len;
		if (!address_split(text, &n->host, n->port, DEFAULT_PORT))
			return err_set_path(e, RC_PROTO, "udp_nodes", "\"%.40s\" is no host or host:port", text);
		u->n_nodes++;
	}
	return u->n_nodes > 0 ? RC_OK : err_set_path(e, RC_PROTO, "udp_nodes", "which OX nodes send?  Name them, as in \"ox1.example.com ox2.example.com\"");
}

static void
udp_fini(struct push_udp *u)
{
	for (size_t i = 0; i < NODES_MAX; i++)
		mem_free(u->node[i].host);
	for (int i = 0; i < 2; i++)
		if (u->stop[i] >= 0)
			(void)close(u->stop[i]);
	if (u->fd >= 0)
		(void)close(u->fd);
	mem_free(u);
}

static struct push_udp *
udp_alloc(const struct push_udp_options *o)
{
	struct push_udp *u = mem_alloc(sizeof(*u));

	if (u == NULL)
		return NULL;
	u->o = *o;
	u->fd = u->stop[0] = u->stop[1] = -1;
	return u;
}

enum rc
push_udp_check(const struct push_udp_options *o, struct err *e)
{
	struct push_udp *u = udp_alloc(o);
	struct sockaddr_storage at;
	socklen_t len;
	enum rc rc = u != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");

	if (u == NULL)
		return rc;
	rc = listen_parse(o->listen, &at, &len, e);
	if (rc == RC_OK)
		rc = advertise_parse(o->advertise, &at, u->host, sizeof(u->host), &u->port, e);
	if (rc == RC_OK)
		rc = nodes_parse(u, o->nodes, e);
	udp_fini(u);
	return rc;
}

static enum rc
socket_open(struct push_udp *u, struct err *e)
{
	struct sockaddr_storage at;
	socklen_t len;
	int size = RECEIVE_BUFFER, off = 0;
	enum rc rc = listen_parse(u->o.listen, &at, &len, e);

	if (rc != RC_OK)
		return rc;
	u->fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		return err_set_path(e, RC_INTERNAL, "udp_listen", "socket: %s", strerror(errno));
	(void)setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (at.ss_family == AF_INET6)
		(void)setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(u->fd, (const struct sockaddr *)&at, len) != 0)
		return err_set_path(e, RC_INTERNAL, "udp_listen", "cannot listen on %s: %s", u->o.listen, strerror(errno));
	len = sizeof(at);
	if (getsockname(u->fd, (struct sockaddr *)&at, &len) != 0)
		return err_set_path(e, RC_INTERNAL, "udp_listen", "getsockname: %s", strerror(errno));
	return advertise_parse(u->o.advertise, &at, u->host, sizeof(u->host), &u->port, e);
}

enum rc
push_udp_new(const struct push_udp_options *o, push_event_cb cb, void *arg, struct push_udp **out, struct err *e)
{
	struct push_udp *u = udp_alloc(o);
	enum rc rc = u != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");

	*out = NULL;
	if (u == NULL)
		return rc;
	u->cb = cb;
	u->arg = arg;
	rc = nodes_parse(u, o->nodes, e);
	if (rc == RC_OK)
		rc = socket_open(u, e);
	if (rc == RC_OK && pipe(u->stop) != 0)
		rc = err_set(e, RC_INTERNAL, "pipe: %s", strerror(errno));
	for (int i = 0; i < 2 && rc == RC_OK; i++)
		(void)fcntl(u->stop[i], F_SETFD, FD_CLOEXEC);
	if (rc == RC_OK && pthread_create(&u->thread, NULL, udp_main, u) != 0)
		rc = err_set(e, RC_NOMEM, "no thread for OX's push");
	if (rc != RC_OK) {
		udp_fini(u);
		return rc;
	}
	u->running = true;
	log_info("udp-push", "listen=%s port=%u nodes=%zu", u->host, u->port, u->n_nodes);
	*out = u;
	return RC_OK;
}

void
push_udp_free(struct push_udp *u)
{
	if (u == NULL)
		return;
	(void)close(u->stop[1]); /* the thread's poll sees the end of the pipe */
	u->stop[1] = -1;
	(void)pthread_join(u->thread, NULL);
	udp_fini(u);
}
