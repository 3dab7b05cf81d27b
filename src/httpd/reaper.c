/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Clients that hang up while they are parked.  libmicrohttpd takes a suspended connection out of its epoll set, so nobody there
 * would see the peer's close before the heartbeat ends.  Here an epoll set of our own holds the sockets of parked requests,
 * for nothing but that: data that a client sends meanwhile stays in the kernel.
 *
 * One report a parking (EPOLLONESHOT), by the request's number and never by its address: the report may come when the request is
 * long answered, and then ends nobody.  Sockets leave the set when they are closed; one that is used again is armed anew.
 */
#include "httpd/httpd_int.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS 256
#define EXPIRE_MS 200
#define EXPIRE_MORE_MS 1
#define STOP_ID 0 /* no request has it */

static void *
reaper_main(void *arg)
{
	struct httpd *h = arg;
	struct epoll_event ev[EVENTS];
	int64_t expired_us = now_mono_us(), wait_ms = EXPIRE_MS;
	bool stop = false;

	while (!stop) {
		int n = epoll_wait(h->reaper_fd, ev, EVENTS, (int)wait_ms);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.u64 == STOP_ID)
				stop = true;
			else
				hub_end(h->hub, ev[i].data.u64);
		}
		if (now_mono_us() - expired_us >= wait_ms * 1000) {
			expired_us = now_mono_us();
			wait_ms = conns_expire(h) ? EXPIRE_MORE_MS : EXPIRE_MS;
		}
	}
	return NULL;
}

enum rc
reaper_start(struct httpd *h, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = STOP_ID };
	int rc;

	h->reaper_fd = epoll_create1(EPOLL_CLOEXEC);
	h->reaper_stop = eventfd(0, EFD_CLOEXEC);
	if (h->reaper_fd < 0 || h->reaper_stop < 0 || epoll_ctl(h->reaper_fd, EPOLL_CTL_ADD, h->reaper_stop, &ev) != 0)
		return err_set(e, RC_INTERNAL, "cannot watch over parked connections: %s", strerror(errno));
	rc = pthread_create(&h->reaper, NULL, reaper_main, h);
	if (rc != 0)
		return err_set(e, RC_INTERNAL, "cannot start the thread that watches over parked connections: %s", strerror(rc));
	h->reaping = true;
	return RC_OK;
}

void
reaper_stop(struct httpd *h)
{
	uint64_t one = 1;

	if (h->reaping) {
		while (write(h->reaper_stop, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		(void)pthread_join(h->reaper, NULL);
		h->reaping = false;
	}
	if (h->reaper_fd >= 0)
		(void)close(h->reaper_fd);
	if (h->reaper_stop >= 0)
		(void)close(h->reaper_stop);
	h->reaper_fd = h->reaper_stop = -1;
}

void
reaper_arm(const struct hreq *r)
{
	/* RDHUP: a client that only closes its sending side is answered at once, with nothing new; it loses nothing by that */
	struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = r->id };
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);

	/* without memory for it the heartbeat ends the wait, as it always did */
	if (info != NULL && epoll_ctl(r->h->reaper_fd, EPOLL_CTL_ADD, info->connect_fd, &ev) != 0 && errno == EEXIST)
		(void)epoll_ctl(r->h->reaper_fd, EPOLL_CTL_MOD, info->connect_fd, &ev);
}
