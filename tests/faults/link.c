/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The connections between the programs: one thread hands octets on, as badly as it is told. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_LINKS 16
#define MAX_PAIRS 600
#define PIECE 32768
#define DEAD_SERVER_MS 1500 /* so long the server's end of a half-open connection believes in it, as with TCP's keepalive */

struct link {
	int fd;
	unsigned port, target_port, level, keepalive_ms;
	char target[108], name[16]; /* name: of the traced ones */
	enum link_mode mode;
	bool felt; /* somebody was hurt by this mode */
};

struct way {
	char *p;        /* one piece that was read and not yet written; NULL = none */
	size_t n, done;
	int64_t due;
	bool ended;     /* the reading end is closed */
};

struct pair {
	struct link *l; /* NULL: free */
	int fd[2];      /* 0 who connected, 1 the server; -1 = closed */
	struct way to[2];
	bool cut;       /* not one octet more */
	bool dead;      /* half open */
	int64_t dead_since;
	unsigned serial;
};

static struct link links[MAX_LINKS];
static size_t n_links;
static struct pair pairs[MAX_PAIRS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static bool stopping;

static int
socket_unix(const char *path, bool listening)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (listening)
		(void)unlink(path);
	if (fd < 0 || (listening ? bind(fd, (struct sockaddr *)&a, sizeof(a)) : connect(fd, (struct sockaddr *)&a, sizeof(a))) != 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return fd;
}

static int
socket_tcp(unsigned port, bool listening)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = listening ? bind(fd, (struct sockaddr *)&a, sizeof(a)) : connect(fd, (struct sockaddr *)&a, sizeof(a));

	if (fd >= 0 && rc != 0 && (listening || errno != EINPROGRESS)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

struct link *
link_open(const char *path)
{
	struct link *l = &links[n_links];
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	if (n_links == MAX_LINKS)
		fail("more than %d links", MAX_LINKS);
	l->fd = path != NULL ? socket_unix(path, true) : socket_tcp(0, true);
	if (l->fd < 0 || listen(l->fd, 128) != 0)
		fail("no link at %s: %s", path != NULL ? path : "127.0.0.1", strerror(errno));
	if (path == NULL) {
		(void)getsockname(l->fd, (struct sockaddr *)&a, &len);
		l->port = ntohs(a.sin_port);
	}
	n_links++;
	return l;
}

unsigned
link_port(const struct link *l)
{
	return l->port;
}

void
link_keepalive(struct link *l, unsigned ms)
{
	l->keepalive_ms = ms;
}

void
link_trace(struct link *l, const char *name)
{
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
}

void
link_target(struct link *l, const char *path, unsigned port)
{
	(void)pthread_mutex_lock(&lock);
	(void)snprintf(l->target, sizeof(l->target), "%s", path != NULL ? path : "");
	l->target_port = port;
	(void)pthread_mutex_unlock(&lock);
}

/* Something wants to go through P. */
static bool
waits(const struct pair *p)
{
	struct pollfd f[2] = { { .fd = p->fd[0], .events = POLLIN }, { .fd = p->fd[1], .events = POLLIN } };

	return p->to[0].p != NULL || p->to[1].p != NULL || poll(f, 2, 0) > 0;
}

bool
link_set(struct link *l, enum link_mode mode, unsigned level)
{
	bool felt;

	(void)pthread_mutex_lock(&lock);
	for (struct pair *p = pairs; l->mode == LINK_HOLD && p < pairs + MAX_PAIRS; p++)
		l->felt = l->felt || (p->l == l && waits(p));
	felt = l->felt;
	l->felt = false;
	l->mode = mode;
	l->level = level;
	for (struct pair *p = pairs; mode == LINK_HALF && p < pairs + MAX_PAIRS; p++)
		if (p->l == l && !p->dead) {
			l->felt = p->dead = true;
			p->dead_since = mono_ms();
		}
	(void)pthread_mutex_unlock(&lock);
	return felt;
}

bool
link_cut(struct link *l)
{
	bool felt = false;

	(void)pthread_mutex_lock(&lock);
	for (struct pair *p = pairs; p < pairs + MAX_PAIRS; p++)
		if (p->l != NULL && p->l == l)
			felt = p->cut = true;
	(void)pthread_mutex_unlock(&lock);
	return felt;
}

/* ---- the thread ---- */

static void
end_pair(struct pair *p, const char *why)
{
	if (p->l->name[0] != '\0')
		trace("%s #%u %s%s", p->l->name, p->serial, why, p->to[0].p != NULL || p->to[1].p != NULL ? ", the last piece is lost" : "");
	for (int i = 0; i < 2; i++) {
		if (p->fd[i] >= 0)
			(void)close(p->fd[i]);
		free(p->to[i].p);
	}
	memset(p, 0, sizeof(*p));
}

static void
take(struct link *l)
{
	int fd;

	static unsigned serial;

	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct pair *p = pairs;
		int up = -1;

		while (p < pairs + MAX_PAIRS && p->l != NULL)
			p++;
		if (p == pairs + MAX_PAIRS || l->mode == LINK_REFUSE ||
		    (l->mode != LINK_HALF && (up = l->target[0] != '\0' ? socket_unix(l->target, false) : socket_tcp(l->target_port, false)) < 0)) {
			l->felt = l->felt || l->mode == LINK_REFUSE;
			(void)close(fd);
			continue;
		}
		l->felt = l->felt || l->mode == LINK_HALF;
		serial++;
		*p = (struct pair){ .l = l, .fd = { fd, up }, .dead = l->mode == LINK_HALF, .dead_since = mono_ms(), .serial = serial };
	}
}

/* From end I to the other one.  False: the pair is over. */
static bool
carry(struct pair *p, int i, short events, int64_t now)
{
	struct way *v = &p->to[i];
	int from = p->fd[i], to = p->fd[1 - i];

	if (v->p == NULL && !v->ended && (events & (POLLIN | POLLHUP | POLLERR)) != 0) {
		ssize_t k;

		v->p = malloc(PIECE);
		k = v->p != NULL ? read(from, v->p, PIECE) : -1;
		if (k > 0 && i == 1 && p->l->mode == LINK_LOSE) {
			p->l->mode = LINK_PASS;
			p->l->felt = true;
			if (p->l->name[0] != '\0')
				trace("%s #%u an answer of %zd octets is thrown away", p->l->name, p->serial, k);
			return false;
		}
		if (k <= 0) {
			free(v->p);
			v->p = NULL;
			if (k < 0)
				return errno == EAGAIN || errno == EINTR;
			v->ended = true;
			(void)shutdown(to, SHUT_WR);
			return !p->to[1 - i].ended && i == 0; /* a server that closes is done; a client may half-close */
		}
		v->n = (size_t)k;
		if (p->l->name[0] != '\0')
			trace_piece(p->l->name, p->serial, i == 1, v->p, v->n);
		v->done = 0;
		v->due = p->l->mode == LINK_SLOW ? now + p->l->level : now;
		p->l->felt = p->l->felt || p->l->mode == LINK_SLOW;
	}
	if (v->p != NULL && now >= v->due) {
		ssize_t k = send(to, v->p + v->done, v->n - v->done, MSG_NOSIGNAL);

		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		v->done += k > 0 ? (size_t)k : 0;
		if (v->done == v->n) {
			free(v->p);
			v->p = NULL;
		}
	}
	return true;
}

/* A dead pair swallows what its client says until the client hangs up; the server's end is closed after a while. */
static void
tend_dead(struct pair *p, short events, int64_t now)
{
	char waste[4096];
	ssize_t k = 1;

	if (p->fd[1] >= 0 && now - p->dead_since > DEAD_SERVER_MS) {
		(void)close(p->fd[1]);
		p->fd[1] = -1;
	}
	if (p->l->keepalive_ms != 0 && now - p->dead_since > p->l->keepalive_ms)
		k = 0;
	else if ((events & (POLLIN | POLLHUP | POLLERR)) != 0)
		k = read(p->fd[0], waste, sizeof(waste));
	if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
		end_pair(p, "half open, is given up");
}

static nfds_t
watch(struct pollfd *f, struct pair **who, unsigned char *end, int64_t now)
{
	nfds_t n = 0;

	for (size_t i = 0; i < n_links; i++, n++)
		f[n] = (struct pollfd){ .fd = links[i].fd, .events = POLLIN };
	for (struct pair *p = pairs; p < pairs + MAX_PAIRS; p++)
		for (int i = 0; p->l != NULL && i < 2; i++) {
			short ev = 0;

			if (p->dead ? i == 0 : (p->to[i].p == NULL && !p->to[i].ended && p->l->mode != LINK_HOLD))
				ev |= POLLIN;
			if (!p->dead && p->to[1 - i].p != NULL && now >= p->to[1 - i].due && p->l->mode != LINK_HOLD)
				ev |= POLLOUT;
			who[n] = p;
			end[n] = (unsigned char)i;
			f[n++] = (struct pollfd){ .fd = ev != 0 ? p->fd[i] : -1, .events = ev };
		}
	return n;
}

static void *
run(void *arg)
{
	static struct pollfd f[MAX_LINKS + 2 * MAX_PAIRS];
	static struct pair *who[MAX_LINKS + 2 * MAX_PAIRS];
	static unsigned char end[MAX_LINKS + 2 * MAX_PAIRS];

	(void)arg;
	(void)pthread_mutex_lock(&lock);
	while (!stopping) {
		int64_t now = mono_ms();
		nfds_t n = watch(f, who, end, now);

		(void)pthread_mutex_unlock(&lock);
		(void)poll(f, n, 5);
		(void)pthread_mutex_lock(&lock);
		now = mono_ms();
		for (nfds_t i = n_links; i < n; i++) {
			struct pair *p = who[i];

			if (p->l != NULL && p->cut)
				end_pair(p, "is cut");
			if (p->l == NULL || p->l->mode == LINK_HOLD)
				continue;
			if (p->dead) { /* its timers want to be looked at without an event, too */
				if (end[i] == 0)
					tend_dead(p, f[i].revents, now);
			} else if (!carry(p, end[i], f[i].revents, now)) {
				end_pair(p, "ends");
			}
		}
		for (size_t i = 0; i < n_links; i++)
			if ((f[i].revents & POLLIN) != 0)
				take(&links[i]);
	}
	for (struct pair *p = pairs; p < pairs + MAX_PAIRS; p++)
		if (p->l != NULL)
			end_pair(p, "ends");
	(void)pthread_mutex_unlock(&lock);
	return NULL;
}

void
links_start(void)
{
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		fail("no thread for the links");
}

void
links_stop(void)
{
	(void)pthread_mutex_lock(&lock);
	stopping = true;
	(void)pthread_mutex_unlock(&lock);
	(void)pthread_join(thread, NULL);
}
