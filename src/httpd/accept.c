/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who accepts clients: one thread, which hands them over to libmicrohttpd's, and only while there are fewer than max_connections; those who
 * come then wait in the kernel's queue.  Not libmicrohttpd itself, because nobody can take a listening socket away from it: its threads
 * take it out of their epoll sets when a limit is reached, and abort if it is not in there any more (0.9.75 to 1.0.1).  This thread ends
 * when it is told to, so it is known when nobody is accepted any more.
 */
#include "httpd/httpd_int.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define AT_ONCE 64        /* accepted before it looks whether it is to stop */
#define LOST_MS 1000
#define SHORT_MS 100      /* no descriptor, no memory: until somebody gives some back */
#define COMPLAIN_US (INT64_C(600) * 1000000)

static void
wake(struct acceptor *a)
{
	uint64_t one = 1;

	while (write(a->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/*
 * libmicrohttpd tells of a connection that it begins and of the end of it, but not of one that it could not begin (no memory, no room
 * in an epoll set).  What has not begun after LOST_MS in which nothing else began is taken for that; if it does begin, it counts again.
 */
static void
write_off(struct acceptor *a)
{
	uint64_t begun = atomic_load(&a->begun), pending = a->given - a->lost - begun;

	if (a->given < begun + a->lost)
		a->lost = a->given - begun;
	else if (pending > 0 && begun == a->begun_before)
		a->lost += pending;
	a->begun_before = begun;
}

static bool
is_full(const struct httpd *h)
{
	const struct acceptor *a = &h->acceptor;

	return (int64_t)(a->given - a->lost - atomic_load(&a->ended)) >= (int64_t)h->o.max_connections;
}

static void
complain(struct acceptor *a)
{
	int64_t now = now_mono_us();

	if (a->complained_us != 0 && now - a->complained_us < COMPLAIN_US)
		return;
	a->complained_us = now;
	log_warn("files-limit", "error=%s text=a client cannot be accepted and has to wait; raise LimitNOFILE or lower max_connections", strerror(errno));
}

/* Returns false when there is none, or nothing to take one with: then *SHORT. */
static bool
accept_one(struct httpd *h, bool *is_short)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept(h->client.fd, (struct sockaddr *)&from, &len);

	if (fd < 0) {
		*is_short = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		if (*is_short)
			complain(&h->acceptor);
		return errno == EINTR || errno == ECONNABORTED;
	}
	fd_flags(fd);
	/* before it is handed over: its end may be told at once */
	h->acceptor.given++;
	if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&from, len) != MHD_YES)
		h->acceptor.given--; /* closed: too many of its address, or no memory */
	return true;
}

static void *
accept_main(void *arg)
{
	struct httpd *h = arg;
	struct acceptor *a = &h->acceptor;
	bool is_short = false;

	while (!atomic_load(&a->stop)) {
		struct pollfd p[2] = { { .fd = a->wake, .events = POLLIN }, { .fd = h->client.fd, .events = POLLIN } };
		bool full;
		uint64_t n;

		full = is_full(h);
		if (full || is_short) {
			atomic_store(&a->waits, true);
			full = is_full(h); /* one that ended before is seen, one that ends from now on calls */
			p[1].fd = -1;
		}
		if (poll(p, 2, is_short ? SHORT_MS : p[1].fd < 0 ? LOST_MS : -1) == 0 && full)
			write_off(a);
		atomic_store(&a->waits, false);
		if (p[0].revents != 0 && read(a->wake, &n, sizeof(n)) < 0 && errno != EAGAIN && errno != EINTR)
			break;
		is_short = false;
		for (int i = 0; i < AT_ONCE && p[1].revents != 0 && !is_full(h) && accept_one(h, &is_short); i++)
			;
	}
	return NULL;
}

void
acceptor_begun(struct acceptor *a)
{
	(void)atomic_fetch_add(&a->begun, 1);
}

void
acceptor_ended(struct acceptor *a)
{
	(void)atomic_fetch_add(&a->ended, 1);
	if (atomic_exchange(&a->waits, false))
		wake(a);
}

bool
acceptor_is_idle(const struct acceptor *a)
{
	return a->given - a->lost <= atomic_load(&a->begun) + 1; /* 1: the one that is being handed over */
}

enum rc
acceptor_start(struct httpd *h, struct err *e)
{
	struct acceptor *a = &h->acceptor;
	int rc;

	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = a->wake < 0 ? errno : pthread_create(&a->thread, NULL, accept_main, h);
	if (rc != 0)
		return err_set(e, RC_INTERNAL, "cannot start the thread that accepts clients: %s", strerror(rc));
	a->running = true;
	return RC_OK;
}

void
acceptor_stop(struct acceptor *a)
{
	if (!a->running)
		return;
	atomic_store(&a->stop, true);
	wake(a);
	(void)pthread_join(a->thread, NULL);
	a->running = false;
}

void
acceptor_fini(struct acceptor *a)
{
	if (a->wake >= 0)
		(void)close(a->wake);
	a->wake = -1;
}
