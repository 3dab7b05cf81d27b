/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The control socket: one command a connection, a word (and "dry-run") and a line end; the answer is text, its first line "ok" or "error".  The kernel says who
 * asks (SO_PEERCRED): root, and the user and the group that the daemon runs as; nobody else is answered.
 */
#define _GNU_SOURCE /* struct ucred */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMAND_MAX 64
#define WAIT_S 5      /* for a client that does not send or take */
#define ANSWER_WAIT_S 30

struct control {
	struct control_calls calls;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, stop[2];
	pthread_t thread;
};

static bool
address_of(const char *path, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path))
		return false;
	memcpy(a->sun_path, path, strlen(path));
	return true;
}

static void
patience(int fd, int seconds)
{
	const struct timeval wait = { .tv_sec = seconds };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static bool
may_ask(int fd, struct ucred *who)
{
	socklen_t n = sizeof(*who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &n) == 0 && (who->uid == 0 || who->uid == geteuid() || who->gid == getegid());
}

static void
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return; /* it has hung up: its own matter */
		p += sent;
		n -= (size_t)sent;
	}
}

/* The first line, without its end; false: there is none, or it is too long. */
static bool
read_line(int fd, char line[COMMAND_MAX])
{
	size_t n = 0;

	while (n < COMMAND_MAX) {
		ssize_t got = recv(fd, line + n, COMMAND_MAX - n, 0);
		char *nl;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		n += (size_t)got;
		nl = memchr(line, '\n', n);
		if (nl != NULL) {
			*nl = '\0';
			return true;
		}
	}
	return false;
}

static void
answer(struct control *c, int fd)
{
	const struct {
		const char *name;
		void (*run)(void *arg, const struct control_asked *by, struct buf *out);
	} commands[] = { { "reload", c->calls.reload }, { "drain", c->calls.drain }, { "config", c->calls.config } };
	struct ucred who = { .uid = (uid_t)-1 };
	struct control_asked by = { .dry_run = false };
	char line[COMMAND_MAX] = "";
	struct buf out;
	size_t i = 0;

	buf_init(&out, 0);
	if (!may_ask(fd, &who)) {
		log_warn("control", "uid=%ld text=refused: neither root nor the user or group of the daemon", (long)who.uid);
		buf_adds(&out, "error\nonly root, and the user and the group that usmd runs as, may do this\n");
	} else if (read_line(fd, line)) {
		char *trial = strchr(line, ' ');

		by = (struct control_asked){ .by_uid = (int64_t)who.uid, .dry_run = trial != NULL && strcmp(trial, " dry-run") == 0 };
		if (by.dry_run)
			*trial = '\0';
		while (i < ARRAY_LEN(commands) && strcmp(commands[i].name, line) != 0)
			i++;
		if (i < ARRAY_LEN(commands)) {
			log_info("control", "command=%s dry_run=%d by_uid=%ld", line, by.dry_run, (long)who.uid);
			commands[i].run(c->calls.arg, &by, &out);
		} else {
			buf_adds(&out, "error\nthis usmd does not know the command: is it of the same version as usmctl?\n");
		}
	}
	if (!out.failed && out.len > 0)
		send_all(fd, out.p, out.len);
	buf_fini(&out);
}

static void *
control_main(void *arg)
{
	struct control *c = arg;

	for (;;) {
		struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN }, { .fd = c->stop[0], .events = POLLIN } };
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents != 0)
			return NULL;
		if (p[0].revents == 0)
			continue;
		fd = accept(c->fd, NULL, NULL);
		if (fd < 0)
			continue;
		patience(fd, WAIT_S);
		answer(c, fd);
		(void)close(fd);
	}
}

/* Takes the place of a socket that nobody listens on any more. */
static enum rc
listen_on(struct control *c, struct err *e)
{
	struct sockaddr_un a;
	struct stat st;

	if (!address_of(c->path, &a))
		return err_set(e, RC_PROTO, "control_socket: the path is too long");
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_set(e, RC_INTERNAL, "control_socket: %s", strerror(errno));
	if (connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return err_set(e, RC_CONFLICT, "control_socket: another process listens on %s", c->path);
	if (lstat(c->path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(c->path);
	(void)close(c->fd);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* the umask makes it 0700; the group may ask, too */
	if (c->fd < 0 || bind(c->fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || chmod(c->path, 0660) != 0 || listen(c->fd, 8) != 0)
		return err_set(e, RC_INTERNAL, "control_socket: cannot listen on %s: %s", c->path, strerror(errno));
	return RC_OK;
}

enum rc
control_new(const char *path, const struct control_calls *calls, struct control **out, struct err *e)
{
	struct control *c;
	enum rc rc;

	*out = NULL;
	if (path[0] == '\0')
		return RC_OK;
	c = mem_alloc(sizeof(*c));
	if (c == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	c->calls = *calls;
	c->fd = c->stop[0] = c->stop[1] = -1;
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	rc = strlen(path) < sizeof(c->path) ? listen_on(c, e) : err_set(e, RC_PROTO, "control_socket: the path is too long");
	if (rc == RC_OK && pipe(c->stop) != 0)
		rc = err_set(e, RC_INTERNAL, "control_socket: %s", strerror(errno));
	if (rc == RC_OK && pthread_create(&c->thread, NULL, control_main, c) != 0)
		rc = err_set(e, RC_NOMEM, "control_socket: no thread");
	if (rc == RC_OK) {
		*out = c;
		return RC_OK;
	}
	if (c->stop[0] >= 0)
		(void)close(c->stop[0]), (void)close(c->stop[1]);
	if (c->fd >= 0)
		(void)close(c->fd);
	mem_free(c);
	return rc;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	(void)close(c->stop[1]); /* the thread sees the other end close */
	(void)pthread_join(c->thread, NULL);
	(void)close(c->stop[0]);
	(void)close(c->fd);
	(void)unlink(c->path);
	mem_free(c);
}

/* ---- usmctl's side ---- */

enum rc
control_ask(const char *path, const char *command, struct buf *out, struct err *e)
{
	struct sockaddr_un a;
	char b[4096], line[COMMAND_MAX];
	ssize_t n;
	int fd;

	if (path[0] == '\0')
		return err_set(e, RC_NOTFOUND, "control_socket is empty: the daemon cannot be asked");
	if (!address_of(path, &a))
		return err_set(e, RC_PROTO, "control_socket: the path is too long");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		(void)err_set(e, errno == EACCES ? RC_FORBIDDEN : RC_UPSTREAM, "usmd does not answer on %s (control_socket): %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return e->rc;
	}
	patience(fd, ANSWER_WAIT_S);
	(void)snprintf(line, sizeof(line), "%s\n", command);
	send_all(fd, line, strlen(line));
	while ((n = recv(fd, b, sizeof(b), 0)) > 0)
		buf_add(out, b, (size_t)n);
	(void)close(fd);
	if (out->len == 0 || out->failed)
		return err_set(e, RC_TIMEOUT, "usmd does not answer on %s (control_socket)", path);
	if (strncmp(out->p, "ok\n", 3) == 0) {
		out->len -= 3;
		memmove(out->p, out->p + 3, out->len + 1);
		return RC_OK;
	}
	return err_set(e, RC_FORBIDDEN, "%.200s", strncmp(out->p, "error\n", 6) == 0 ? out->p + 6 : out->p);
}
