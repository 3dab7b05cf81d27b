/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of HTTP: any bytes on a connection of a real httpd, then the end of it.  Whatever comes in, the server answers in HTTP or closes; a
 * protocol gets a request only whole, within its limits and with an address that is one; every request ends, and nothing of its body stays counted.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "fuzz.h"
#include "httpd/httpd_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_BODY 3000U
#define CONNECTION_MEMORY 4096U

static struct httpd *h;
static char path[64];

static void
bounded(const char *s)
{
	must(s != NULL && strlen(s) < CONNECTION_MEMORY && strchr(s, '\n') == NULL, "a header is no line");
}

static void
handle(void *self, const struct request *req, struct reply *rep)
{
	unsigned char addr[16];

	(void)self;
	bounded(req->method);
	bounded(req->user_agent);
	bounded(req->language);
	bounded(req->content_type);
	if (req->token != NULL)
		bounded(req->token);
	must(strlen(req->path) < CONNECTION_MEMORY && (req->path[0] == '\0' || req->path[0] == '/'), "a path is none");
	must(req->body_len <= MAX_BODY && req->body[req->body_len] == '\0', "a body is too long, or has no end");
	must(inet_pton(AF_INET, req->client_ip, addr) == 1 || inet_pton(AF_INET6, req->client_ip, addr) == 1, "the client's address is none");
	if (strcmp(req->path, "/silent") == 0)
		return;
	rep->status = req->body_len % 2 != 0 ? 401 : 200;
	rep->content_type = "text/plain";
	rep->body = mem_dup_str("answer");
	rep->body_len = rep->body != NULL ? 6 : 0;
}

static void
stop(void)
{
	(void)unlink(path);
}

static void
start(void)
{
	struct httpd_options o = {
		.listen = path, .listen_mode = 0600, .trusted_proxies = "unix, 192.0.2.0/24", .event_threads = 1, .workers = 1, .queue_length = 100,
		.max_body = MAX_BODY, .max_body_total = 100000, .connection_memory = CONNECTION_MEMORY, .max_connections = 100, .client_timeout_s = 2,
	};
	struct protocol p = { .base = "/u", .handle = handle };
	struct err e;

	if (h != NULL)
		return;
	log_setup(LOG_LVL_ERROR, false);
	(void)snprintf(path, sizeof(path), "/tmp/usmd-fuzz-%ld", (long)getpid());
	(void)atexit(stop);
	must(httpd_new(&o, &p, 1, hub_new(&(struct hub_options){ .max_waiters = 100 }), &h, &e) == RC_OK && httpd_start(h, &e) == RC_OK, "the server does not start");
}

static int
reach(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), rc = -1;

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	do
		rc = fd >= 0 ? connect(fd, (struct sockaddr *)&to, sizeof(to)) : -1;
	while (rc != 0 && errno == EINTR);
	must(rc == 0, "the server is gone");
	return fd;
}

/*
 * The end of the connection.  libmicrohttpd (0.9.75) overlooks one that it is told of together with the octets before it, and waits for its timeout: so not
 * before it has taken them.
 */
static void
end(int fd)
{
	int left = 1;

	for (int i = 0; i < 20000 && ioctl(fd, SIOCOUTQ, &left) == 0 && left != 0; i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
	(void)shutdown(fd, SHUT_WR);
}

/* libFuzzer's alarm clock (-timeout) interrupts any call: that says nothing of the server. */
static bool
readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t until_us = now_mono_us() + INT64_C(20) * 1000000, left_us;
	int n = 0;

	while ((left_us = until_us - now_mono_us()) > 0) {
		n = poll(&p, 1, (int)(left_us / 1000) + 1);
		if (n >= 0 || errno != EINTR)
			break;
	}
	return n == 1;
}

/* All that comes until the server closes. */
static size_t
answer(int fd, char *out, size_t size)
{
	char more[4096] = { 0 };
	size_t n = 0;
	ssize_t got;

	for (;;) {
		must(readable(fd), "the server neither answers nor closes");
		got = read(fd, n < size ? out + n : more, n < size ? size - n : sizeof(more));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return n;
		n += n < size ? (size_t)got : 0;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[4096];
	size_t n;
	int fd;

	start();
	fd = reach();
	for (size_t at = 0; at < size;) {
		ssize_t k = send(fd, data + at, size - at, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break; /* it has closed already: the answer, if there is one, is still there */
		at += (size_t)k;
	}
	end(fd);
	n = answer(fd, out, sizeof(out));
	must(n == 0 || (n > 12 && memcmp(out, "HTTP/1.", 7) == 0), "the answer is not HTTP");
	(void)close(fd);
	/* the end of a request is told to nobody outside of httpd */
	for (int i = 0; i < 20000 && atomic_load(&h->body_total) != 0; i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	must(atomic_load(&h->body_total) == 0, "a body stays counted");
	return 0;
}
